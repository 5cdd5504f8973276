# SPDX-License-Identifier: Apache-2.0
"""The CA's commands, and the process that signs."""
import os
import pathlib
import signal
import stat
import subprocess
import time

from harness import BINARY, until
from payloads import fields_of
from tls import Shown, TlsTest, leaf_of, openssl, s_client


class Commands(TlsTest):
    def setUp(self):
        self.own(has_ca=False)
        self.folder_of_ca = self.proxy.state / "ca"

    def ca(self, *words, code=0):
        done = self.proxy.command("ca", *words)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def test_init(self):
        done = self.ca("init")
        self.assertEqual(done.stdout, "")                                            # what people read goes to standard error
        self.assertIn("SHA-256", done.stderr)
        key = self.folder_of_ca / "ca.key"
        self.assertEqual(stat.S_IMODE(key.stat().st_mode), 0o600)
        self.assertIn("PRIVATE KEY", key.read_text())
        before = {path.name: path.read_bytes() for path in self.folder_of_ca.iterdir()}
        done = self.ca("init", code=1)
        self.assertIn("already", done.stderr)
        self.assertEqual({path.name: path.read_bytes() for path in self.folder_of_ca.iterdir()}, before)
        (self.folder_of_ca / "ca.pem").unlink()
        self.ca("init", code=1)                                                      # a key alone is not overwritten either
        self.assertEqual(key.read_bytes(), before["ca.key"])

    def test_show_and_export(self):
        self.assertIn("sluice ca init", self.ca("show", code=1).stderr)
        self.assertIn("sluice ca init", self.ca("export", code=1).stderr)
        self.ca("init")
        pem = self.ca("export").stdout
        self.assertEqual(pem.count("BEGIN CERTIFICATE"), 1)
        shown = Shown(pem)
        fingerprint = openssl("x509", "-noout", "-fingerprint", "-sha256", input=pem).strip().split("=")[1]
        said = self.ca("show").stdout
        for each in (fingerprint, shown.subject, str(shown.end.year)):
            self.assertIn(each, said)
        der = subprocess.run([str(BINARY), "ca", "export", "--der", "-c", str(self.proxy.config_path)], capture_output=True, timeout=60, check=True).stdout
        self.assertEqual(openssl("x509", "-inform", "DER", input=der, text=False).decode(), pem)
        self.assertEqual(shown.issuer, shown.subject)
        self.assertIn("CA:TRUE, pathlen:0", shown.text)

    def test_none_prints_the_key(self):
        everything = ""
        for words in (("init",), ("init",), ("show",), ("export",)):
            done = self.proxy.command("ca", *words)
            everything += done.stdout + done.stderr
        self.proxy.start()
        everything += "".join(self.proxy.command(*words).stdout for words in (("config",), ("check",), ("status", "--json")))
        everything += self.proxy.stderr()
        key = (self.folder_of_ca / "ca.key").read_text()
        self.assertNotIn("PRIVATE KEY", everything)
        for line in key.splitlines()[1:-1]:
            self.assertNotIn(line, everything)

    def test_run_without_a_ca_says_what_to_do(self):
        self.proxy.start(wait=None)
        self.assertEqual(self.proxy.wait(), 1)
        self.assertIn("sluice ca init", self.proxy.stderr())
        self.assertNotIn("ready", self.proxy.stderr_lines)
        self.proxy.process = None                                                    # it has ended, as it should

    def test_run_with_another_ones_key(self):
        self.ca("init")
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.folder_of_ca / "ca.key")
        begun = time.monotonic()
        self.proxy.start(wait=None)
        self.assertEqual(self.proxy.wait(), 1)
        took = time.monotonic() - begun
        self.proxy.process = None                                                    # it has ended, as it should
        self.assertIn("ca.key", self.proxy.stderr())
        self.assertLess(took, 10)                                                    # who has no key ends at once: there is nothing to wait for, twice 5 s

    def test_an_authority_of_your_own(self):
        """One that was made elsewhere and put there."""
        own = self.pki.self_signed("own", "/O=Ours/CN=Our own authority", "basicConstraints=critical,CA:TRUE,pathlen:0", "keyUsage=critical,keyCertSign")
        self.folder_of_ca.mkdir()
        (self.folder_of_ca / "ca.pem").write_bytes(own.leaf.read_bytes())
        (self.folder_of_ca / "ca.key").write_bytes(own.key.read_bytes())
        self.proxy.ca = own.leaf
        self.proxy.start()
        self.assertEqual(self.curl(self.origins.at("good")).stdout, b"the secret of good\n")
        leaf = Shown(leaf_of(s_client(self.proxy.port, self.origins.host("good"), "-CAfile", own.leaf)))
        self.assertIn("Our own authority", leaf.issuer)

    def test_one_that_is_no_authority_is_refused(self):
        own = self.pki.server("no-authority.test")
        self.folder_of_ca.mkdir()
        (self.folder_of_ca / "ca.pem").write_bytes(own.leaf.read_bytes())
        (self.folder_of_ca / "ca.key").write_bytes(own.key.read_bytes())
        done = self.proxy.command("check")
        self.assertEqual(done.returncode, 1)
        self.assertIn("ca.pem", done.stderr)


class Signer(TlsTest):
    """The CA's key is in a process of its own that only signs."""

    def setUp(self):
        self.own()

    def processes(self):
        """(the one that waits, the one that signs), or None."""
        found = {}
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                fields = fields_of(folder / "status")
                if fields["Name"] == "sluice-signer":
                    found[int(folder.name)] = int(fields["PPid"])
            except (OSError, KeyError):                                              # it has ended
                pass
        waits = [pid for pid, parent in found.items() if parent == self.proxy.pid]
        signs = [pid for pid, parent in found.items() if waits and parent == waits[0]]
        return (waits[0], signs[0]) if waits and signs else None

    def fetch_name(self, name):
        return self.curl(f"https://{name}:{self.origins.ports['good']}/", check=False).stdout == b"the secret of good\n"

    def test_the_key_is_not_in_the_proxy(self):
        key = openssl("ec", "-in", self.proxy.state / "ca" / "ca.key", "-outform", "DER", text=False)
        secret = key[key.index(b"\x04\x20") + 2:][:32]
        self.assertTrue(self.fetch_name("good.test"))
        held = 0
        for line in pathlib.Path(f"/proc/{self.proxy.pid}/maps").read_text().splitlines():
            words = line.split()
            if not words[1].startswith("rw") or len(words) > 5 and words[5].startswith("["):
                continue
            begin, end = (int(word, 16) for word in words[0].split("-"))
            if end - begin > 1 << 28:                                                # a sanitizer's shadow
                continue
            try:
                with open(f"/proc/{self.proxy.pid}/mem", "rb", buffering=0) as memory:
                    memory.seek(begin)
                    held += secret in memory.read(end - begin)
            except (OSError, OverflowError):
                pass
        self.assertEqual(held, 0)

    def test_kill_9_of_the_one_that_signs(self):
        waits, signs = until(self.processes, "the signer")
        self.assertTrue(self.fetch_name("good.test"))
        os.kill(signs, signal.SIGKILL)
        until(lambda: self.fetch_name("www.good.test"), "a name that is new", 15)
        self.assertTrue(self.fetch_name("also-good.test"))
        again = until(self.processes, "another signer")
        self.assertEqual(again[0], waits)
        self.assertNotEqual(again[1], signs)

    def test_meanwhile_known_names_are_served(self):
        _, signs = until(self.processes, "the signer")
        for _ in range(8):                                                           # both workers
            self.assertTrue(self.fetch_name("good.test"))
        os.kill(signs, signal.SIGSTOP)
        self.addCleanup(lambda: os.kill(signs, signal.SIGCONT) if os.path.exists(f"/proc/{signs}") else None)
        for _ in range(4):
            self.assertTrue(self.fetch_name("good.test"))
        os.kill(signs, signal.SIGCONT)
        self.assertTrue(self.fetch_name("www.good.test"))

    def test_it_ends_with_the_proxy(self):
        waits, signs = until(self.processes, "the signer")
        self.proxy.signal(signal.SIGKILL)
        self.proxy.wait()
        until(lambda: not any(os.path.exists(f"/proc/{pid}") and fields_of(pathlib.Path(f"/proc/{pid}/status"))["Name"] == "sluice-signer"
                              for pid in (waits, signs)), "the end of the signer")
        self.proxy.process = None

    def test_it_is_in_a_cage(self):
        _, signs = until(self.processes, "the signer")
        fields = fields_of(pathlib.Path(f"/proc/{signs}/status"))
        self.assertEqual(fields["Seccomp"], "2")
        self.assertEqual(fields["NoNewPrivs"], "1")
        if os.geteuid() == 0:
            self.assertEqual(fields["Uid"].split()[0], "65534")
