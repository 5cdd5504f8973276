# SPDX-License-Identifier: Apache-2.0
"""ClamAV's daemon as an engine, over its socket and over the network."""
import signal
import socket
import threading
import unittest

from clamd import MARK, MAX_FILE, THREAT, Clamd
from harness import until
from payloads import PROGRAM, WithFiles, noise, zipped
from wire import Closed, Peer, get

ENGINES = ["hash", "signatures", "yara", "clamav"]


@unittest.skipUnless(Clamd.exists(), "clamd is not installed")
class ClamAv(WithFiles):
    @classmethod
    def setUpClass(cls):
        cls.clamd = Clamd()
        cls.addClassCleanup(cls.clamd.close)

    def proxy_with(self, transport, **keys):
        socket = str(self.clamd.socket) if transport == "local" else f"tcp://127.0.0.1:{self.clamd.port}"
        self.proxy = self.sluice(inspect={"engines": ENGINES, "clamav": {"socket": socket, **keys.pop("clamav", {})}, "scanners": 1, **keys})

    def test_what_it_finds_and_what_it_cannot_say(self):
        for transport in ("local", "remote"):
            with self.subTest(transport=transport):
                self.proxy_with(transport)
                self.assert_refusal(self.fetch(self.serve(f"/{transport}/bad.exe", PROGRAM + MARK))[0], 403)
                event = self.proxy.event(url__path=f"/{transport}/bad.exe")
                self.assertEqual((event["scan.threat"], event["scan.engine"]), (THREAT, "clamav"))
                self.assert_refusal(self.fetch(self.serve(f"/{transport}/bad.zip", zipped(("m", MARK * 3))))[0], 403)
                self.assertEqual(self.fetch(self.serve(f"/{transport}/good.exe", PROGRAM + noise(100_000)))[0].status, 200)
                self.assertEqual(self.proxy.event(url__path=f"/{transport}/good.exe")["scan.verdict"], "clean")
                # What is beyond clamd's own limits is not clean; and of a program too large to be looked at nobody said that it must be refused.
                self.fetch(self.serve(f"/{transport}/large.exe", PROGRAM + noise(MAX_FILE + 100_000)))
                event = self.proxy.event(url__path=f"/{transport}/large.exe")
                self.assertEqual((event["scan.verdict"], event["scan.reason"]), ("unscannable", "too-large"))

    def test_beyond_max_size_it_is_not_asked(self):
        self.proxy_with("local", clamav={"max_size": "1KiB"})
        self.fetch(self.serve("/large.exe", PROGRAM + noise(2000)))
        self.assertEqual(self.proxy.event(url__path="/large.exe")["scan.reason"], "too-large")

    def test_text_is_not_risky_unless_all_is_whole(self):
        self.proxy_with("local")
        self.assertEqual(self.fetch(self.serve("/a.txt", MARK))[0].status, 200)
        self.proxy_with("local", whole="all")
        self.assert_refusal(self.fetch(self.serve("/b.txt", MARK))[0], 403)
        # As it flows, but for its end, it is copied for those who need it whole.
        text = b"text\n" * 100_000
        self.assertEqual(self.fetch(self.serve("/c.txt", text))[1], text)
        with self.assertRaises(Closed):
            self.fetch(self.serve("/d.txt", text + MARK))

    def test_a_clamd_that_is_down(self):
        self.proxy_with("local", timeout="3s")
        self.clamd.stop()
        self.addCleanup(lambda: self.clamd.process.poll() is not None and self.clamd.start())
        self.assert_refusal(self.fetch(self.serve("/a.exe", PROGRAM + noise(1000)))[0], 403)
        event = self.proxy.event(url__path="/a.exe")
        self.assertEqual((event["scan.verdict"], event["scan.reason"], event["rule.name"]), ("unscannable", "engine-down", "unscanned"))
        self.assertEqual(self.fetch(self.serve("/a.txt", b"needs no clamd"))[0].status, 200)

    def test_a_restart_in_between_is_not_noticed(self):
        self.proxy_with("local")
        stop = threading.Event()
        seen = []

        def load(number):
            serial = 0
            while not stop.is_set():
                serial += 1
                seen.append(self.fetch(self.serve(f"/{number}-{serial}.exe", PROGRAM + b"%d %d" % (number, serial)))[0].status)
        threads = [threading.Thread(target=load, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        until(lambda: len(seen) > 10, "some load")
        self.clamd.stop()
        self.clamd.start()
        before = len(seen)
        until(lambda: len(seen) > before + 10, "the load to go on")
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(set(seen), {200})

    def test_one_that_hangs_does_not_hold_up_the_end(self):
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        path = self.folder() / "hanging.sock"
        listener.bind(str(path))
        listener.listen()
        self.proxy = self.sluice(inspect={"engines": ENGINES, "clamav": {"socket": str(path)}, "timeout": "60s"}, limits={"drain": "1s"})
        with Peer.connect(self.proxy.port) as peer:
            peer.send(get(self.serve("/a.exe", PROGRAM)))
            asked, _ = listener.accept()
            self.addCleanup(asked.close)
            self.proxy.signal(signal.SIGTERM)
            self.assertEqual(self.proxy.wait(20), 0)

    def test_down_on_order(self):
        self.proxy = self.sluice(inspect={"engines": ENGINES, "clamav": {"socket": str(self.clamd.socket)}}, env={"SLUICE_FAULTS": "clamd-down"})
        self.assert_refusal(self.fetch(self.serve("/a.exe", PROGRAM))[0], 403)
        self.assertEqual(self.proxy.event(url__path="/a.exe")["scan.reason"], "engine-down")
