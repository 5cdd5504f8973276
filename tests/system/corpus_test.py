# SPDX-License-Identifier: Apache-2.0
"""Every case of the third-party HTTP/1 corpora through the proxy: what is ambiguous must not reach the server, what is plain must."""
import json
import os
import pathlib
import subprocess
import sys
import unittest

from harness import ROOT, SystemTest, free_port

CORPORA = pathlib.Path(os.environ.get("SLUICE_CORPORA") or ROOT.parent / "shared/corpora")
# Cases that are judged wrong: id -> the sentence of the RFC that says so.
EXCEPTIONS = {}


@unittest.skipUnless((CORPORA / "h1/run.py").exists(), f"no corpora in {CORPORA} ($SLUICE_CORPORA)")
class Replay(SystemTest):
    def replay(self, name):
        proxy = self.sluice()
        results = self.folder() / "results.json"
        done = subprocess.run([sys.executable, CORPORA / "h1/run.py", "--proxy", f"127.0.0.1:{proxy.port}", "--mode", "forward", "--origin-port",
                               str(free_port()), "--json", results, CORPORA / "h1" / name], capture_output=True, text=True, timeout=900)
        self.assertEqual(done.returncode, 0, done.stderr)
        last = done.stdout.splitlines()[-1]
        print(f"corpus {name}: {last}")
        failed = {case["id"] for case in json.loads(results.read_text()) if not case["ok"]}
        for case in sorted(failed & set(EXCEPTIONS)):
            print(f"exception: {case}: {EXCEPTIONS[case]}")
        lines = [line for line in done.stdout.splitlines() if line.startswith("FAIL") and not any(case in line for case in EXCEPTIONS)]
        self.assertEqual(failed - set(EXCEPTIONS), set(), "\n".join(lines))


class Llhttp(Replay):
    def test_every_case(self):
        self.replay("llhttp.jsonl")


class Lighttpd(Replay):
    def test_every_case(self):
        self.replay("lighttpd.jsonl")


class Httpd(Replay):
    def test_every_case(self):
        self.replay("httpd-tests.jsonl")
