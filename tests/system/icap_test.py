# SPDX-License-Identifier: Apache-2.0
"""The engine `icap`, with Debian's c-icap, and with a server that says anything."""
import unittest

import clamd
from cicap import CIcap
from harness import until
from icap_server import IcapServer
from payloads import PROGRAM, WithFiles, noise, zipped

ENGINES = ["signatures", "icap"]


class WithIcap(WithFiles):
    def check(self, path, body, status, verdict, threat=None, method="GET", count=1):
        if method == "GET":
            head, got = self.fetch(self.serve(path, body))
        else:
            head, got = self.fetch(self.origin.url(path), method=method, body=body)
        events = self.proxy.event(url__path=path, count=count)
        event = events[-1] if count > 1 else events
        self.assertEqual((head.status, event["scan.verdict"], event.get("scan.threat")), (status, verdict, threat), event)
        if status == 200 and method == "GET":
            self.assertTrue(got == body)
        return event


@unittest.skipUnless(CIcap.exists(), "c-icap is not there: scripts/setup test")
class Icap(WithIcap):
    @classmethod
    def setUpClass(cls):
        if not clamd.Clamd.exists():
            raise unittest.SkipTest("clamd is not there: scripts/setup test")
        cls.clamd = clamd.Clamd()
        cls.addClassCleanup(cls.clamd.close)
        cls.server = CIcap(cls.clamd.socket)
        cls.addClassCleanup(cls.server.close)

    def start(self, service="avscan", env=None, **inspect):
        self.proxy = self.sluice(inspect={"engines": ENGINES, "icap": {"url": self.server.url(service)}, "whole": "all", **inspect}, env=env)

    def test_what_clamd_finds_behind_it(self):
        self.start()
        bad = noise(3000) + clamd.MARK
        self.assertEqual(self.check("/bad", bad, 403, "infected", clamd.THREAT)["scan.engine"], "icap")
        self.check("/bad-up", bad, 403, "infected", clamd.THREAT, method="POST")
        self.assertNotIn("/bad-up", self.origin.uploads)
        self.check("/bad.zip", zipped(("x", bad)), 403, "infected", clamd.THREAT)
        for size in (0, 1, 500, 1024, 1025, 100_000, 2_000_000):
            self.check(f"/good-{size}", noise(size), 200, "clean")
            self.check(f"/up-{size}", noise(size, 2), 200, "clean", method="POST")

    def test_echo_sends_it_back(self):
        self.start("echo")
        self.check("/a.exe", PROGRAM + noise(8_000_000), 200, "clean")
        self.check("/up.exe", PROGRAM + noise(8 * 1024 * 1024), 200, "clean", method="POST")
        self.check("/again.exe", PROGRAM + noise(8 * 1024 * 1024, 2), 200, "clean")
        self.check("/empty", b"", 200, "clean")

    def test_a_service_that_is_not_there(self):
        self.start("nobody")
        event = self.check("/a.exe", PROGRAM, 403, "unscannable")
        self.assertEqual((event["scan.reason"], event["scan.engine"], event["rule.name"]), ("engine-down", "icap", "unscanned"))
        self.assertIn(f"icap: {self.server.url('nobody')}: it answers with status 404", self.proxy.stderr())

    def test_down_on_order(self):
        self.start(env={"SLUICE_FAULTS": "icap-down"})
        self.assertEqual(self.check("/a.exe", PROGRAM, 403, "unscannable")["scan.reason"], "engine-down")

    def test_a_restart_is_waited_for(self):
        server = CIcap()
        self.addCleanup(server.close)
        self.proxy = self.sluice(inspect={"engines": ENGINES, "icap": {"url": server.url("echo")}})
        self.check("/one.exe", PROGRAM + b"1", 200, "clean")
        server.stop()
        server.start()
        self.check("/two.exe", PROGRAM + b"2", 200, "clean")
        server.stop()
        self.assertEqual(self.check("/three.exe", PROGRAM + b"3", 403, "unscannable")["scan.reason"], "engine-down")


class Scripted(WithIcap):
    def setUp(self):
        super().setUp()
        self.server = IcapServer()
        self.addCleanup(self.server.close)

    def tearDown(self):
        self.assertEqual(self.server.failures, [])

    def start(self, **inspect):
        self.proxy = self.sluice(inspect={"engines": ENGINES, "icap": {"url": self.server.icap()}, "whole": "all", **inspect})

    def test_what_it_is_told(self):
        self.start()
        secret = ("Cookie: id=secret1", "Authorization: Basic c2VjcmV0Mg==", "X-Token: secret3", "Content-Type: text/x-own; a=b")
        self.serve("/down.txt", noise(5000), "Set-Cookie: id=secret4", "Content-Type: text/x-theirs; c=d")
        head, _ = self.fetch(self.origin.url("/down.txt?token=secret5").replace("http://", "http://ann:secret6@"), *secret)
        self.assertEqual(head.status, 200)
        self.assertEqual(self.fetch(self.origin.url("/up?token=secret7"), *secret, method="PUT", body=noise(2000, 2))[0].status, 200)
        self.assertEqual(self.fetch(self.origin.url("/small"), method="POST", body=b"abc")[0].status, 200)
        # What answers an upload is a payload, too.
        down = next(asked for asked in self.server.asked if asked.request.target.endswith("/down.txt"))
        up = next(asked for asked in self.server.asked if asked.method == "REQMOD" and asked.request.target.endswith("/up"))
        small = next(asked for asked in self.server.asked if asked.method == "REQMOD" and asked.request.target.endswith("/small"))
        self.assertEqual((down.method, down.request.start, down.response.start, down.response.get("content-type").split(";")[0]),
                         ("RESPMOD", f"GET {self.origin.url('/down.txt')} HTTP/1.1", "HTTP/1.1 200 OK", "text/x-theirs"))
        self.assertEqual((down.body == noise(5000), down.preview, down.ieof), (True, 1024, False))
        self.assertEqual((up.request.start, up.request.get("content-type").split(";")[0], up.response),
                         (f"PUT {self.origin.url('/up')} HTTP/1.1", "text/x-own", None))
        self.assertEqual((up.body == noise(2000, 2), up.preview), (True, 1024))
        self.assertEqual((small.body, small.preview, small.ieof), (b"abc", 3, True))
        for asked in self.server.asked:
            for head in filter(None, (asked.head, asked.request, asked.response)):
                for word in (b"ecret", b"c2Vjc", b"ookie"):
                    self.assertNotIn(word, head.raw)
        self.assertEqual(self.server.options, 1)

    def test_what_makes_no_sense_is_no_verdict(self):
        self.start(timeout="2s")
        page = "HTTP/1.1 200 OK\r\n\r\n"
        wrong = {
            "endless-head": b"ICAP/1.0 200 OK\r\nA: " + b"a" * 200_000,
            "endless-fold": b"ICAP/1.0 200 OK\r\nA: b\r\n" + b" b\r\n" * 50_000,
            "chunk": f"ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body={len(page)}\r\n\r\n{page}-5\r\nabcde\r\n0\r\n\r\n".encode(),
            "offset": f"ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=7, res-body=3\r\n\r\n{page}0\r\n\r\n".encode(),
            "far": f"ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body=9999999999\r\n\r\n{page}0\r\n\r\n".encode(),
            "no-parts": f"ICAP/1.0 200 OK\r\n\r\n{page}".encode(),
            "more": b"ICAP/1.0 100 Continue\r\n\r\n",
            "failed": b"ICAP/1.0 500 Server error\r\n\r\n",
            "unknown": b"ICAP/1.0 299 Whatever\r\n\r\n",
            "closes": None,
        }
        self.server.answer = lambda asked: wrong.get(asked.request.target.rsplit("/", 1)[1], self.server.unchanged())
        for name in wrong:
            with self.subTest(name):
                event = self.check(f"/{name}", PROGRAM + name.encode(), 403, "unscannable")
                self.assertEqual((event["scan.reason"], event["scan.engine"]), ("engine-down", "icap"), event)
                self.check(f"/good-{name}", PROGRAM + b"good" + name.encode(), 200, "clean")
        self.assertNotIn("aaaaa", self.proxy.stderr())

    def test_one_that_never_answers(self):
        self.start(timeout="500ms")
        self.server.answer = lambda asked: b""
        self.assertEqual(self.check("/never.exe", PROGRAM, 403, "unscannable")["scan.reason"], "timeout")

    def test_what_it_would_send_instead(self):
        self.start()
        page = "HTTP/1.1 403 Forbidden\r\n\r\n"
        said = f"Encapsulated: res-hdr=0, res-body={len(page)}\r\n\r\n{page}5\r\nPAGE!\r\n0\r\n\r\n"
        fields = {"named": "X-Infection-Found: Type=0; Resolution=2; Threat=Own.Named;\r\n", "id": "X-Virus-ID: Own.Id\r\n",
                  "violation": "X-Violations-Found: 1\r\n\t-\r\n\tOwn.Violation\r\n\t0\r\n\t0\r\n", "page": ""}
        self.server.answer = lambda asked: ("ICAP/1.0 200 OK\r\n" + fields[asked.request.target.rsplit("/", 1)[1]] + said).encode()
        for name, threat in (("named", "Own.Named"), ("id", "Own.Id"), ("violation", "Own.Violation"), ("page", "ICAP.Refused")):
            for method in ("GET", "POST"):
                with self.subTest(name=name, method=method):
                    event = self.check(f"/{name}", PROGRAM + method.encode(), 403, "infected", threat, method=method, count=1 if method == "GET" else 2)
                    self.assertEqual((event["scan.engine"], event["rule.name"]), ("icap", "malware"))
        # Another body under a good status, and after the preview alone.
        page = "HTTP/1.1 200 OK\r\n\r\n"
        self.server.behind_preview = lambda asked: f"ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body={len(page)}\r\n\r\n{page}3\r\nads\r\n0\r\n\r\n".encode()
        self.check("/other", PROGRAM + noise(3000), 403, "infected", "ICAP.Refused")

    def test_a_verdict_is_for_what_it_was_told_and_until_its_state_changes(self):
        self.start()
        body = PROGRAM + noise(3000)

        def asked_for(path):
            return sum(1 for asked in self.server.asked if asked.request.target == self.origin.url(path))

        self.check("/a.exe", body, 200, "clean")
        self.check("/a.exe", body, 200, "clean", count=2)
        self.assertEqual(asked_for("/a.exe"), 1)
        self.check("/b/a.exe", body, 200, "clean")
        self.assertEqual(asked_for("/b/a.exe"), 1, "another URL may have another verdict")
        url = self.serve("/typed.exe", body, "Content-Type: a/b")
        for kind, count in (("a/b", 1), ("c/d", 2), ("c/d", 2)):
            self.serve("/typed.exe", body, f"Content-Type: {kind}")
            self.assertEqual((self.fetch(url)[0].status, asked_for("/typed.exe")), (200, count), "so may another type")
        for method, count in (("PUT", 3), ("PUT", 3), ("POST", 4)):
            self.fetch(url, "Content-Type: c/d", method=method, body=body)
            self.assertEqual(sum(1 for asked in self.server.asked if asked.request.target == url and asked.body == body), count, method)
        self.server.istag = "two"
        self.check("/news.exe", PROGRAM, 200, "clean")       # tells of it
        self.check("/a.exe", body, 200, "clean", count=3)
        self.assertEqual(asked_for("/a.exe"), 2)
        self.check("/a.exe", body, 200, "clean", count=4)
        self.assertEqual(asked_for("/a.exe"), 2)

    def test_a_reload_that_names_another_service_makes_verdicts_old(self):
        self.start()
        other = IcapServer(lambda asked: b"ICAP/1.0 204 OK\r\nX-Virus-ID: Own.Other\r\n\r\n")
        self.addCleanup(other.close)
        self.check("/a.exe", PROGRAM, 200, "clean")
        self.assertEqual(self.proxy.command("reload").returncode, 0)
        self.check("/a.exe", PROGRAM, 200, "clean", count=2)
        self.assertEqual((len(self.server.asked), self.server.accepted), (1, 1))
        self.proxy.configure(inspect={"engines": ENGINES, "icap": {"url": other.icap()}, "whole": "all"})
        self.assertEqual(self.proxy.command("reload").returncode, 0)
        self.check("/a.exe", PROGRAM, 403, "infected", "Own.Other", count=3)

    def test_a_restart_between_two(self):
        self.start()
        self.check("/one.exe", PROGRAM + b"1", 200, "clean")
        port = self.server.port
        self.server.close()
        self.server = IcapServer(port=port)
        self.addCleanup(self.server.close)
        self.check("/two.exe", PROGRAM + b"2", 200, "clean")
        until(lambda: len(self.server.asked) == 1, "the new one to be asked")
