# SPDX-License-Identifier: Apache-2.0
"""Sluice beside HAProxy, nginx and Squid: one worker each, the same origin, the same load, in turn.  scripts/bench [--rounds N] [--quick] [--only WORDS]

The proxy that is measured has the first core for itself; load and origin share the second. CPU is utime + stime of all of a proxy's processes from
/proc, divided by the requests that succeeded; a row with failures meets no target and makes the whole run fail. Every table is printed and written to build/bench/."""
import argparse
import http.client
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time

import generate

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build/release"
OUT = ROOT / "build/bench"
PEERS = ROOT / "bench/peers"
TICK = os.sysconf("SC_CLK_TCK")
MIB = 1024 * 1024
CORES = sorted(os.sched_getaffinity(0))
PROXY_CORE, LOAD_CORE = str(CORES[0]), str(CORES[1 % len(CORES)])
SERVERS = ["origin", "sink", "paced_origin", "sluice", "admin", "haproxy", "haproxy_tunnel", "haproxy_paced", "nginx", "nginx_tunnel", "squid"]
NAMES = ["sluice", "haproxy", "nginx", "squid"]


def free_ports(names, first=18080):
    """A port for each name that nobody listens on, below those the kernel gives to the connections of the load."""
    ports, port = {}, first
    for name in names:
        while name not in ports:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("0.0.0.0", port))
                    ports[name] = port
                except OSError:
                    pass
            port += 1
    return ports


PORTS = free_ports(SERVERS)


def say(text=""):
    print(text, flush=True)
    with open(OUT / "report.txt", "a") as file:
        file.write(text + "\n")


def wait_for_port(port, process=None, seconds=60):
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            if (process and process.poll() is not None) or time.monotonic() > end:
                sys.exit(f"nothing listens on port {port}: see {OUT}")
            time.sleep(0.02)
    if process and process.poll() is not None:
        sys.exit(f"port {port} is another's; the process meant for it ended: see {OUT}")


def processes_of(pid):
    """A process and all its descendants."""
    children = {}
    for path in pathlib.Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                fields = (path / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(path.name))
    found, queue = [], [pid]
    while queue:
        one = queue.pop()
        found.append(one)
        queue += children.get(one, [])
    return found


def cpu_seconds(pid):
    """utime + stime of a process and its descendants, those that ended included."""
    total = 0
    for one in processes_of(pid):
        try:
            fields = pathlib.Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12]) + int(fields[13]) + int(fields[14])
    return total / TICK


def rss(pid):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    return 0


class Bench:
    def __init__(self, options):
        self.options = options
        self.folder = OUT / "run"
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "www").mkdir(parents=True)
        (self.folder / "state").mkdir()
        self.folder.chmod(0o777)
        self.processes = {}
        self.seconds = 1 if options.quick else 4
        self.rounds = options.rounds or (2 if options.quick else 5)
        self.results = {}
        self.failed = 0

    def start(self, name, command, core, port, **keys):
        log = open(self.folder / f"{name}.out", "ab")
        process = subprocess.Popen(["taskset", "-c", core, *map(str, command)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, **keys)
        self.processes[name] = process
        wait_for_port(port, process)
        return process

    def configured(self, template, name):
        path = self.folder / name
        modules = next((one for one in ("/usr/lib/nginx/modules", "/usr/share/nginx/modules") if os.path.isdir(one)), "modules")
        path.write_text((PEERS / template).read_text().format(folder=self.folder, modules=modules, **PORTS))
        return path

    def set_up(self):
        (self.folder / "www/1k").write_bytes(os.urandom(512).hex().encode())
        (self.folder / "www/1m").write_bytes(os.urandom(MIB))
        say("generating 1,000,000 domains and 1,000 rules")
        generate.write(self.folder)
        nginx = shutil.which("nginx") or "/usr/sbin/nginx"
        self.start("origin", [nginx, "-p", self.folder, "-c", self.configured("origin.conf", "origin.conf")], LOAD_CORE, PORTS["origin"])
        self.start("sink", [BUILD / "bench/load/tunnel_load", "serve", PORTS["sink"], MIB], LOAD_CORE, PORTS["sink"])
        self.start_sluice()
        self.start("haproxy", [shutil.which("haproxy") or "/usr/sbin/haproxy", "-db", "-q", "-f", self.configured("haproxy.cfg", "haproxy.cfg")],
                   PROXY_CORE, PORTS["haproxy"])
        self.start("nginx", [nginx, "-p", self.folder, "-c", self.configured("nginx.conf", "nginx.conf")], PROXY_CORE, PORTS["nginx"])
        self.start("squid", [shutil.which("squid") or "/usr/sbin/squid", "-N", "-f", self.configured("squid.conf", "squid.conf")], PROXY_CORE, PORTS["squid"])

    def start_sluice(self):
        begun = time.monotonic()
        self.start("sluice", [BUILD / "sluice", "run", "-c", self.configured("sluice.toml", "sluice.toml")], PROXY_CORE, PORTS["sluice"])
        say(f"Sluice listens {time.monotonic() - begun:.1f} s after its start, with 1,000 rules and 1,000,000 domains")

    def stop(self):
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def check_answers(self):
        """Each proxy must hand over the origin's very bytes before anything is measured: else only error pages would be compared."""
        for name in ("origin", *NAMES):
            for path in ("1k", "1m"):
                target = f"http://127.0.0.1:{PORTS['origin']}/{path}" if name in ("sluice", "squid") else f"/{path}"
                connection = http.client.HTTPConnection("127.0.0.1", PORTS[name], timeout=10)
                connection.request("GET", target, headers={"Host": f"127.0.0.1:{PORTS['origin']}"})
                answer = connection.getresponse()
                body = answer.read()
                connection.close()
                if answer.status != 200 or body != (self.folder / "www" / path).read_bytes():
                    sys.exit(f"{name} answers {answer.status} and {len(body)} bytes for {target}, not the origin's file: nothing is measured; see {OUT}")

    # One measurement each: (requests, seconds, p50 µs, p99 µs, failures).

    def wrk(self, name, path, connections, close=False, seconds=None):
        """The load of wrk; a forward proxy is asked by absolute URL, a reverse proxy by path, from the same script."""
        forward = name in ("sluice", "squid")
        target = (f"http://127.0.0.1:{PORTS['origin']}" if forward else "") + path
        return self.wrk_at(PORTS[name], target, connections, close, seconds or self.seconds)

    @staticmethod
    def wrk_at(port, target, connections, close, seconds):
        done = subprocess.run(["taskset", "-c", LOAD_CORE, "wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--latency",
                               "-s", ROOT / "bench/forward.lua", f"http://127.0.0.1:{port}", "--", target, "close" if close else "keep"],
                              capture_output=True, text=True, check=True).stdout
        requests, elapsed = re.search(r"(\d+) requests in ([\d.]+)s", done).groups()
        bad = re.search(r"Non-2xx or 3xx responses: (\d+)", done)
        errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", done)
        failures = (int(bad.group(1)) if bad else 0) + (sum(map(int, errors.groups())) if errors else 0)

        def percentile(which):
            value, unit = re.search(rf"{which}%\s+([\d.]+)(us|ms|s)", done).groups()
            return float(value) * {"us": 1, "ms": 1e3, "s": 1e6}[unit]
        return int(requests), float(elapsed), percentile(50), percentile(99), failures

    def tunnels(self, name, seconds=None):
        forward = name in ("sluice", "squid")
        port = PORTS[name] if forward else PORTS[name + "_tunnel"]
        done = subprocess.run(["taskset", "-c", LOAD_CORE, BUILD / "bench/load/tunnel_load", "run", str(port), str(PORTS["sink"]), str(MIB), "8",
                               str(seconds or self.seconds), "connect" if forward else "plain"], capture_output=True, text=True).stdout.split()
        return int(done[0]), float(done[1]), float(done[2]), float(done[3]), int(done[4])

    def compare(self, key, title, targets, measure):
        """Measures all in turn, several rounds, and prints medians with the ratio of Sluice's CPU to each peer's."""
        samples = {name: [] for name in NAMES}
        for name in NAMES:
            measure(name, 1)                                        # warm: pools filled, caches hot
        for _ in range(self.rounds):
            for name in NAMES:
                before = cpu_seconds(self.processes[name].pid)
                requests, seconds, p50, p99, failures = measure(name, None)
                cpu = cpu_seconds(self.processes[name].pid) - before
                good = max(requests - failures, 0)
                samples[name].append((cpu / max(good, 1) * 1e6, good / seconds, p50, p99, failures))
        median = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in samples.items()}
        failed = {name: sum(row[4] for row in rows) for name, rows in samples.items()}
        self.results[key] = median
        say(f"\n{title}  (medians of {self.rounds} rounds)")
        say(f"{'':10}{'CPU µs/req':>12}{'req/s':>11}{'p50 µs':>10}{'p99 µs':>10}{'failed':>8}{'Sluice/it':>11}{'target':>8}")
        for name in NAMES:
            cpu, rate, p50, p99, _ = median[name]
            ratio = median["sluice"][0] / cpu if cpu else float("inf")
            target = targets.get(name)
            invalid = failed[name] or failed["sluice"]
            mark = "" if target is None else f"{target:8.2f}" + ("  INVALID" if invalid else "  met" if ratio <= target else "  MISSED")
            say(f"{name:10}{cpu:12.2f}{rate:11.0f}{p50:10.0f}{p99:10.0f}{failed[name]:8.0f}{ratio:11.2f}{mark}")
        for name in (name for name in NAMES if failed[name]):
            self.failure(f"{failed[name]} requests to {name} failed: its numbers above say nothing")

    def failure(self, text):
        self.failed += 1
        say(f"*** FAILED: {text}")

    def comparisons(self):
        self.compare("1k", "1 KiB response, keep-alive, 32 connections", {"haproxy": 1.0, "squid": 0.25}, lambda name, s: self.wrk(name, "/1k", 32, seconds=s))
        self.compare("1m", "1 MiB response, 8 connections", {"haproxy": 0.7, "squid": 0.2}, lambda name, s: self.wrk(name, "/1m", 8, seconds=s))
        self.compare("close", "1 KiB response, new client connection each, 32 at a time", {"haproxy": 1.0, "squid": 0.4},
                     lambda name, s: self.wrk(name, "/1k", 32, close=True, seconds=s))
        self.compare("tunnel", "tunnel, 1 MiB each way, 8 at a time (CONNECT; HAProxy and nginx in TCP mode)", {"haproxy": 0.8, "squid": 0.4},
                     self.tunnels)

    def paced(self, port, target, rate, seconds):
        done = subprocess.run(["taskset", "-c", LOAD_CORE, BUILD / "bench/load/paced_load", str(port), target, str(rate), "32", str(seconds),
                               str(PORTS["paced_origin"])],
                              capture_output=True, text=True).stdout.split()
        return [float(word) for word in done]

    def reload_once(self, number):
        with open(self.folder / "domains.txt", "a") as file:
            file.write(f"reloaded-{time.time_ns()}-{number}.example\n")
        subprocess.run([BUILD / "sluice", "reload", "-c", self.folder / "sluice.toml"], check=True, capture_output=True)

    def latency(self):
        """What Sluice adds to the direct answer at half of the load that saturates it; then the same while the list of a million domains reloads.
        HAProxy stands beside it: what it adds is what two hops more between two cores cost on this machine, whoever makes them."""
        saturating = self.results["1k"]["sluice"][1] if "1k" in self.results else self.wrk("sluice", "/1k", 32)[0] / self.seconds
        rate = int(saturating / 2)
        seconds = 3 if self.options.quick else 10
        url = f"http://127.0.0.1:{PORTS['paced_origin']}/1k"
        ways = {"direct": ("paced_origin", "/1k"), "through Sluice": ("sluice", url), "through HAProxy": ("haproxy_paced", "/1k")}
        rows = {name: [] for name in (*ways, "through Sluice, reloading")}
        reloads = 0
        for _ in range(max(2, self.rounds)):
            for name, (server, target) in ways.items():
                rows[name].append(self.paced(PORTS[server], target, rate, seconds))
            stop = threading.Event()
            done = []

            def reloading():
                while not stop.is_set():
                    self.reload_once(len(done))
                    done.append(time.monotonic())
            thread = threading.Thread(target=reloading)
            thread.start()
            rows["through Sluice, reloading"].append(self.paced(PORTS["sluice"], url, rate, seconds))
            stop.set()
            thread.join()
            reloads += len(done)
        say(f"\nadded latency at half of the saturating load: {rate} requests a second, open loop, 32 connections  (medians of {len(rows['direct'])} rounds)")
        say(f"{'':28}{'failed':>8}{'p50 µs':>10}{'p99 µs':>10}{'p99.9 µs':>10}{'added p50':>11}{'added p99':>11}   target: added p50 at most 150, p99 at most 1000")
        base = None
        for name, samples in rows.items():
            _, _, p50, p99, p999, _ = [statistics.median(column) for column in zip(*samples)]
            failed = sum(row[1] for row in samples)
            base = base or (p50, p99)
            added = (p50 - base[0], p99 - base[1])
            mark = "" if "Sluice" not in name else "  INVALID" if failed else "  met" if added[0] <= 150 and added[1] <= 1000 else "  MISSED"
            say(f"{name:28}{failed:8.0f}{p50:10.0f}{p99:10.0f}{p999:10.0f}{added[0]:11.0f}{added[1]:11.0f}{mark}")
            if failed:
                self.failure(f"{failed:.0f} requests {name}")
        say(f"(reloads of 1,000,000 domains in the last row: {reloads})")

    def idle_connections(self):
        """10,000 clients that asked once and stay."""
        process = self.processes["sluice"]
        count = 10_000
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 30_000), hard))
        request = f"GET http://127.0.0.1:{PORTS['origin']}/1k HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()

        def ask(connection):
            connection.sendall(request)
            answer = b""
            while len(answer) < 1024 or len(answer) < answer.find(b"\r\n\r\n") + 4 + 1024:
                answer += connection.recv(65536)
        for _ in range(100):
            with socket.create_connection(("127.0.0.1", PORTS["sluice"])) as connection:
                ask(connection)
        time.sleep(2)
        before = rss(process.pid)
        connections = []
        for _ in range(count):
            connections.append(socket.create_connection(("127.0.0.1", PORTS["sluice"]), timeout=10))
            ask(connections[-1])
        time.sleep(3)                                              # an idle connection gives its buffer back after a moment
        added = rss(process.pid) - before
        for connection in connections:
            connection.close()
        say(f"\n{count} idle client connections add {added / 1e6:.1f} MB of RSS, {added / count:.0f} bytes each; target: at most 60 MB"
            + ("  met" if added <= 60e6 else "  MISSED"))

    def micro(self):
        """The Google Benchmarks: head parse (at least 1 GB/s), a decision (at most 500 ns warm, 1.5 µs cold), the list (at most 2 s, 64 MB)."""
        for program in sorted(BUILD.glob("bench/*_bench")):
            say(f"\n{program.name}")
            time_option = ["--benchmark_min_time=0.1"] if self.options.quick else []
            done = subprocess.run(["taskset", "-c", PROXY_CORE, program, *time_option], capture_output=True, text=True)
            say(done.stdout.rstrip())
            (OUT / f"{program.name}.txt").write_text(done.stdout)
            if done.returncode:
                say(f"{program.name} ended with {done.returncode}: {done.stderr[-2000:]}")


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--quick", action="store_true", help="shorter and fewer: to see that it runs, not to publish")
    parser.add_argument("--only", default="compare,latency,idle,inspect,intercept,ftp,smtp,micro", help="some of compare,latency,idle,inspect,intercept,ftp,smtp,micro")
    parser.add_argument("--without-sluice", action="store_true", help="with --only intercept or smtp: the peers alone, to see that they are measured well")
    options = parser.parse_args()
    if options.without_sluice and set(options.only.split(",")) - {"intercept", "smtp"}:
        parser.error("--without-sluice is for --only intercept, smtp")
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "report.txt").unlink(missing_ok=True)
    only = options.only.split(",")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))         # what was started ends with it
    cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    say(f"{cpu}, {len(CORES)} cores; the proxy on core {PROXY_CORE}, load and origin on core {LOAD_CORE}")
    failed = 0
    if set(only) - {"micro"}:
        bench = Bench(options)
        try:
            if set(only) - {"micro", "inspect", "intercept", "ftp", "smtp"}:
                bench.set_up()
                bench.check_answers()
            for name in ("haproxy", "nginx", "squid"):
                say(version(name))
            if "compare" in only:
                bench.comparisons()
            if "latency" in only:
                bench.latency()
            if "idle" in only:
                bench.idle_connections()
            if "inspect" in only:
                import inspection             # which needs this module, ready
                inspection.main(bench)
            if "intercept" in only:
                import interception           # likewise
                interception.main(bench)
            if "ftp" in only:
                import transfers              # likewise
                transfers.main(bench)
            if "smtp" in only:
                import mail                   # likewise
                mail.main(bench)
        finally:
            bench.stop()
        failed = bench.failed
    if "micro" in only:
        Bench.micro(argparse.Namespace(options=options))
    say(f"\nwritten to {OUT.relative_to(ROOT)}/report.txt")
    if failed:
        say(f"*** {failed} measurements had failed requests and are worth nothing")
    return 1 if failed else 0


def version(name):
    binary = shutil.which(name) or f"/usr/sbin/{name}"
    done = subprocess.run([binary, "-v"], capture_output=True, text=True)
    return (done.stdout + done.stderr).splitlines()[0]


if __name__ == "__main__":
    sys.modules["run"] = sys.modules["__main__"]
    sys.exit(main())
