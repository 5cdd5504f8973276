# SPDX-License-Identifier: Apache-2.0
"""What every system test stands on: the real binary with a configuration of its own, in a folder and on ports of its own.

A test never sleeps for a while: it waits for a fact, with a deadline (`until`). SLUICE_BINARY names the binary, by default build/asan/sluice."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BINARY = pathlib.Path(os.environ.get("SLUICE_BINARY") or ROOT / "build/asan/sluice")
DEADLINE = 10.0            # seconds for what should take none
SANITIZED = "asan" in str(BINARY) or "tsan" in str(BINARY)


def until(predicate, what="it", timeout=DEADLINE):
    """The first true value of predicate(); fails the test when there is none in time."""
    end = time.monotonic() + timeout
    pause = 0.002
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout} s for {what}")
        time.sleep(pause)          # a poll with a deadline, not a wait for luck
        pause = min(pause * 1.5, 0.05)


_next_port = None


def free_port(family=socket.AF_INET):
    """A port that nobody uses. Every test process walks a range of its own outside of the ephemeral ports, so that two never get the same."""
    global _next_port
    slot = int(os.environ.get("SLUICE_TEST_SLOT", "0"))
    low = 12000 + slot % 8 * 2400
    if _next_port is None:
        _next_port = low + os.getpid() * 7 % 2000
    for _ in range(2400):
        _next_port = low + (_next_port + 1 - low) % 2400
        if is_free(_next_port):
            return _next_port
    raise AssertionError("no free port")


def is_free(port):
    for host, kind in (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)):
        with socket.socket(kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True


_next_range = None


def free_range(count):
    """`count` neighbouring ports that nobody uses, as a range; below those of free_port, and each process in a part of its own as well."""
    global _next_range
    slot = int(os.environ.get("SLUICE_TEST_SLOT", "0"))
    low, size = 2400 + slot % 8 * 1200, 1200
    if _next_range is None:
        _next_range = os.getpid() * 7 % size
    for _ in range(size // count * 2):
        if _next_range + count > size:
            _next_range = 0
        ports = range(low + _next_range, low + _next_range + count)
        _next_range += count
        if all(is_free(port) for port in ports):
            return ports
    raise AssertionError("no free ports side by side")


def toml(value):
    """A Python value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    return json.dumps(str(value))


def rule(name, when, action, **keys):
    return {"name": name, "when": when, "action": action, **keys}


class Sluice:
    """One instance of the binary. Keyword arguments are sections: `limits={"head": "1s"}`; `rules` is a list of `rule(...)`."""

    def __init__(self, rules=(), top=None, wrap=(), env=None, args=(), folder=None, wait=True, builtin=None, **sections):
        self.own_folder = folder is None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="sluice-", dir="/tmp"))
        self.port = free_port()
        self.admin = free_port()
        self.ftp = free_port()
        self.wrap = list(wrap)
        self.env = env or {}
        self.args = list(args)
        self.events_path = self.folder / "events.json"
        self.config_path = self.folder / "sluice.toml"
        self.state = self.folder / "state"
        self.state.mkdir(exist_ok=True)
        self.hosts = self.folder / "hosts"
        if not self.hosts.exists():
            self.hosts.write_text("127.0.0.1 localhost\n::1 localhost\n")
        self.sections = sections
        self.top = top or {}
        self.builtin = builtin
        self.process = None
        self.stderr_lines = []
        self.configure(rules)
        if wait is not None:
            self.start(wait)

    def text(self, rules=(), **override):
        """The configuration's text."""
        sections = {
            "http": {"listen": [f"127.0.0.1:{self.port}"]},
            "ftp": {"listen": [f"127.0.0.1:{self.ftp}"]},
            "admin": {"listen": f"127.0.0.1:{self.admin}"},
            "log": {"events": str(self.events_path)},
            "limits": {"drain": "2s"},
            "dns": {"hosts": str(self.hosts), "servers": ["127.0.0.1:9"]},
        }
        for given in (self.sections, override):
            for name, keys in given.items():
                sections[name] = {**sections.get(name, {}), **keys}
        if self.builtin:
            sections["builtin"] = self.builtin
        lines = [f"{key} = {toml(value)}" for key, value in {"workers": 2, "state_dir": str(self.state), **self.top}.items()]
        for name, keys in sections.items():
            lines += ["", f"[{name}]"] + [f"{key} = {toml(value)}" for key, value in keys.items() if value is not None]
        for one in rules:
            lines += ["", "[[rule]]"] + [f"{key} = {toml(value)}" for key, value in one.items()]
        return "\n".join(lines) + "\n"

    def configure(self, rules=(), **override):
        self.config_path.write_text(self.text(rules, **override))

    def command(self, *args, **keys):
        """Runs another command of the binary with this configuration; returns the CompletedProcess."""
        return subprocess.run([str(BINARY), args[0], "-c", str(self.config_path), *args[1:]], capture_output=True, text=True, timeout=120, **keys)

    def start(self, wait=True):
        environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=99", "UBSAN_OPTIONS": "print_stacktrace=1", **self.env}
        self.stderr_lines = []
        self.process = subprocess.Popen([*self.wrap, str(BINARY), "run", "-c", str(self.config_path), *self.args], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
        self.pid = self.process.pid
        self.stdout_bytes = bytearray()
        self.readers = [threading.Thread(target=self._read_stderr, daemon=True), threading.Thread(target=self._read_stdout, daemon=True)]
        for reader in self.readers:
            reader.start()
        if wait:
            until(lambda: "ready" in self.stderr_lines or self.process.poll() is not None, "ready", 60)
            if self.process.poll() is not None:
                raise AssertionError("sluice did not start:\n" + self.stderr())

    def _read_stderr(self):
        for line in self.process.stderr:
            self.stderr_lines.append(line.decode(errors="replace").rstrip("\n"))

    def _read_stdout(self):
        while chunk := self.process.stdout.read1(65536):
            self.stdout_bytes += chunk

    def stderr(self):
        return "\n".join(self.stderr_lines)

    def signal(self, number):
        os.kill(self.pid, number)

    def wait(self, timeout=30):
        """The exit code; the output is then complete."""
        code = self.process.wait(timeout)
        for reader in self.readers:
            reader.join(5)
        return code

    def stop(self):
        """Ends the instance as an administrator would. It must exit 0, having leaked nothing and broken nothing."""
        if self.process and self.process.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self.wait()
            except subprocess.TimeoutExpired:
                self.signal(signal.SIGKILL)
                self.wait()
                raise AssertionError("did not end within 30 s of SIGTERM:\n" + self.stderr()[-3000:]) from None
        code = self.process.returncode if self.process else 0
        errors = self.stderr()
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        if code != 0 or "Sanitizer" in errors or "runtime error" in errors:
            raise AssertionError(f"exit code {code}:\n" + errors[-6000:])

    def events(self, path=None):
        try:
            text = (path or self.events_path).read_text()
        except FileNotFoundError:
            return []
        whole = text[:text.rfind("\n") + 1]
        return [json.loads(line) for line in whole.splitlines()]

    def event(self, timeout=DEADLINE, count=1, **wanted):
        """Waits for an event whose fields are as given (dots written as double underscores); returns it, or the list when count > 1."""
        wanted = {key.replace("__", "."): value for key, value in wanted.items()}

        def found():
            hits = [event for event in self.events() if all(self._same(event.get(key), value) for key, value in wanted.items())]
            return hits if len(hits) >= count else None
        try:
            hits = until(found, f"event {wanted}", timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}; the log has {json.dumps(self.events()[-5:], indent=1)}") from None
        return hits[0] if count == 1 else hits

    @staticmethod
    def _same(value, wanted):
        return wanted(value) if callable(wanted) else value == wanted

    def metrics(self):
        """{'name{labels}': value} of /metrics."""
        from wire import Peer
        with Peer.connect(self.admin) as peer:
            peer.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            _, body = peer.read_response()
        found = {}
        for line in body.decode().splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                found[name] = float(value)
        return found

    def status(self):
        done = self.command("status", "--json")
        if done.returncode:
            raise AssertionError(done.stderr)
        return json.loads(done.stdout)

    def rss(self):
        """Resident bytes, as smaps sees them now."""
        for line in pathlib.Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Rss:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no Rss")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


class SystemTest(unittest.TestCase):
    """A test with an instance: `self.sluice(...)` starts one that ends, checked, with the test; `self.shared(...)` in setUpClass one for a class."""

    def sluice(self, *args, **keys):
        instance = Sluice(*args, **keys)
        self.addCleanup(instance.stop)
        return instance

    @classmethod
    def shared(cls, *args, **keys):
        instance = Sluice(*args, **keys)
        cls.addClassCleanup(instance.stop)
        return instance

    def folder(self):
        path = pathlib.Path(tempfile.mkdtemp(prefix="sluice-test-", dir="/tmp"))
        self.addCleanup(shutil.rmtree, path, True)
        return path

    def assert_refusal(self, response, status, error=None):
        """An answer of the proxy's own: the status, and Proxy-Status (RFC 9209) that names us and the error."""
        self.assertEqual(response.status, status, response.raw)
        said = response.get("proxy-status") or ""
        self.assertTrue(said.startswith("sluice"), f"Proxy-Status: {said!r}")
        self.assertIn("error=", said)
        if error:
            errors = [error] if isinstance(error, str) else error
            self.assertTrue(any(f"error={one}" in said for one in errors), f"Proxy-Status: {said!r}, wanted {error}")


def curl(*args, proxy=None, timeout=60, check=True, text=False):
    """curl with no configuration of its own, through the proxy on that port; returns the CompletedProcess."""
    words = ["curl", "-q", "-sS", "--max-time", str(timeout - 5)]
    if proxy is not None:
        words += ["--noproxy", "", "-x", f"http://127.0.0.1:{proxy}"]
    else:
        words += ["--noproxy", "*"]
    environment = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    done = subprocess.run([*words, *map(str, args)], capture_output=True, timeout=timeout, env=environment, text=text)
    if check and done.returncode:
        raise AssertionError(f"curl {args} ended with {done.returncode}: {done.stderr!r}")
    return done
