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
FOLDED = ("RFC 9112 5.2: a server that receives an obs-fold in a request message \"MUST either reject the message by sending a 400 (Bad Request) [...] or "
          "replace each received obs-fold with one or more SP octets\": refused, because two parsers disagree about it")
NOT_FOR_A_PROXY = ("RFC 9112 3.2.2: \"When making a request to a proxy [...] a client MUST send the target URI in absolute-form\": an empty line before it keeps "
                   "the runner from rewriting the target, so an origin-form request comes to a forward proxy, which has no server for it")
EXCEPTIONS = {
    "lighttpd/333 #1232 - duplicate headers with line-wrapping": FOLDED,
    "lighttpd/344 #1232 - duplicate headers with line-wrapping - test 2": FOLDED,
    "lighttpd/355 #1232 - duplicate headers with line-wrapping - test 3": FOLDED,
    "lighttpd/439 line-folding": FOLDED,
    "llhttp/request/uri:168 Fragment in URI": "RFC 9112 3.2: request-target is origin-form, absolute-form, authority-form or asterisk-form, none of which has a "
                                              "fragment; 3.2: \"A server that receives an invalid request-line SHOULD respond with either a 400 (Bad Request) error\"",
    "llhttp/response/connection:644 HTTP 103 first, then 200": "RFC 9112 6.3: \"If the sender closes the connection or the recipient times out before the "
                                                               "indicated number of octets are received, the recipient MUST consider the message to be "
                                                               "incomplete\": 16 of 17 octets come, nothing has gone to the client by then, and it gets a 502",
    "llhttp/request/sample:294 Prefix newline": NOT_FOR_A_PROXY,
    "llhttp/request/sample:481 Request starting with CRLF": NOT_FOR_A_PROXY,
}


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
