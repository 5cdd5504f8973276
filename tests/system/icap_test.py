# SPDX-License-Identifier: Apache-2.0
"""The engine `icap`, with Debian's c-icap."""
import unittest

import clamd
from cicap import CIcap
from payloads import PROGRAM, WithFiles, noise, zipped

ENGINES = ["signatures", "icap"]


@unittest.skipUnless(CIcap.exists(), "c-icap is not there: scripts/setup test")
class Icap(WithFiles):
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

    def check(self, path, body, status, verdict, threat=None, method="GET"):
        if method == "GET":
            head, got = self.fetch(self.serve(path, body))
        else:
            head, got = self.fetch(self.origin.url(path), method=method, body=body)
        event = self.proxy.event(url__path=path)
        self.assertEqual((head.status, event["scan.verdict"], event.get("scan.threat")), (status, verdict, threat), event)
        if status == 200 and method == "GET":
            self.assertTrue(got == body)
        return event

    def test_what_clamd_finds_behind_it(self):
        self.start()
        bad = noise(3000) + clamd.MARK
        self.assertEqual(self.check("/bad", bad, 403, "infected", clamd.THREAT)["scan.engine"], "icap")
        self.check("/bad-up", bad, 403, "infected", clamd.THREAT, method="POST")
        self.assertNotIn("/bad-up", self.origin.uploads)
        self.check("/bad.zip", zipped(("x", bad)), 403, "infected", clamd.THREAT)
        for size in (0, 1, 500, 1024, 1025, 100_000, 2_000_000):
            self.check(f"/good-{size}", noise(size), 200, "clean" if size else "clean")
            self.check(f"/up-{size}", noise(size, 2), 200, "clean", method="POST")

    def test_echo_sends_it_back(self):
        self.start("echo")
        self.check("/a.exe", PROGRAM + noise(8_000_000), 200, "clean")
        self.check("/up.exe", PROGRAM + noise(300_000), 200, "clean", method="POST")

    def test_a_service_that_is_not_there(self):
        self.start("nobody")
        event = self.check("/a.exe", PROGRAM, 403, "unscannable")
        self.assertEqual((event["scan.reason"], event["scan.engine"], event["rule.name"]), ("engine-down", "icap", "unscanned"))

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
