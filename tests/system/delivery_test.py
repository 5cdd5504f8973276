# SPDX-License-Identifier: Apache-2.0
"""How much of a payload a client has when the verdict comes, and what it sees of it."""
import subprocess
import threading

from payloads import EICAR, WithFiles, noise
from wire import Closed, Origin, Peer, ask, get, response


class Deliveries(WithFiles):
    """How much of a file a client has when the verdict comes."""

    def early(self, deliver, size, at, length=True, **keys):
        """Bytes of an infected file that the client got; True where it was a page instead."""
        self.proxy = self.sluice(inspect={"deliver": deliver}, **keys)
        body = noise(size)
        body = body[:at] + EICAR + body[at:]

        def handle(peer):
            peer.read_request()
            framing = b"Content-Length: %d\r\n" % len(body) if length else b""
            peer.send(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n" + body)
        origin = Origin(handle)
        self.addCleanup(origin.close)
        with Peer.connect(self.proxy.port) as peer:
            peer.send(get(origin.url("/f")))
            try:
                head = peer.read_head()
                if head.status == 403:
                    self.assertEqual(self.proxy.event(url__path="/f")["scan.verdict"], "infected")
                    return True, 0
                self.assertEqual(head.status, 200)
                peer.read_body(head)
            except Closed as closed:
                got = len(closed.data)
                event = self.proxy.event(url__path="/f")
                self.assertEqual((event["scan.verdict"], event["event.action"]), ("infected", "blocked"))
                return False, got
        raise AssertionError("an infected file was taken for whole")

    def test_hold(self):
        self.assertEqual(self.early("hold", 1_000_000, 999_999), (True, 0))

    def test_tail(self):
        self.assertEqual(self.early("tail", 50_000, 49_999), (True, 0))
        page, _ = self.early("tail", 1_000_000, 999_999)
        self.assertFalse(page)
        self.assertFalse(self.early("tail", 1_000_000, 999_999, length=False)[0])

    def test_stream(self):
        self.assertFalse(self.early("stream", 1_000_000, 600_000)[0])

    def test_curl_sees_that_it_was_cut(self):
        self.proxy = self.sluice(inspect={"deliver": "stream"})
        for path, fields in (("/length", ()), ("/chunked", ("Transfer-Encoding: chunked",))):
            body = noise(3_000_000) + EICAR

            def handle(peer, body=body, fields=fields):
                peer.read_request()
                if fields:
                    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n")
                else:
                    peer.send(response(body))
            origin = Origin(handle)
            self.addCleanup(origin.close)
            done = subprocess.run(["curl", "-s", "-o", "/dev/null", "-x", f"http://127.0.0.1:{self.proxy.port}", origin.url(path)], timeout=30)
            self.assertIn(done.returncode, (18, 56), "curl must know that the file is not whole")

    def test_a_trickle_while_it_is_held(self):
        """The server gives the second half once the client has had something of the first."""
        self.proxy = self.sluice(inspect={"deliver": "hold", "trickle": True})
        for path, tail, chunked in (("/clean", b"", False), ("/chunked", b"", True), ("/infected", EICAR, False)):
            body = noise(100_000) + tail
            has_some = threading.Event()

            def handle(peer, body=body, has_some=has_some, chunked=chunked):
                peer.read_request()
                if chunked:
                    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body) + body[:50_000])
                else:
                    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:50_000])
                has_some.wait(30)
                peer.send(body[50_000:] + (b"\r\n0\r\n\r\n" if chunked else b""))
            origin = Origin(handle)
            self.addCleanup(origin.close)
            with Peer.connect(self.proxy.port) as peer:
                peer.send(get(origin.url(path)))
                head = peer.read_head()                                         # comes with the first of the trickle
                self.assertEqual(head.status, 200)
                has_some.set()
                if tail:
                    with self.assertRaises(Closed) as cut:
                        peer.read_body(head)
                    self.assertLess(len(cut.exception.data), 2000)
                else:
                    self.assertTrue(peer.read_body(head) == body)
            event = self.proxy.event(url__path=path)
            self.assertEqual((event["scan.verdict"], event["scan.partial"]), ("infected" if tail else "clean", True))
        head, _ = self.fetch(self.serve("/at-once", EICAR))                     # a page where there was no time for a trickle
        self.assert_refusal(head, 403)
        self.assertNotIn("scan.partial", self.proxy.event(url__path="/at-once"))

    def test_http_1_0_without_a_length_gets_nothing_before_the_verdict(self):
        self.proxy = self.sluice(inspect={"deliver": "stream"})

        def handle(peer):
            peer.read_request()
            peer.send(b"HTTP/1.1 200 OK\r\n\r\n" + noise(500_000) + EICAR)
        origin = Origin(handle)
        self.addCleanup(origin.close)
        head, _ = ask(self.proxy.port, origin.url(), version="1.0")
        self.assert_refusal(head, 403)

    def test_a_held_upload_gets_its_100_from_us(self):
        self.proxy = self.sluice(inspect={"deliver": "hold"})
        with Peer.connect(self.proxy.port) as peer:
            peer.send(get(self.origin.url("/up"), "Expect: 100-continue", "Content-Length: 68", method="PUT"))
            self.assertEqual(peer.read_head().status, 100)
            peer.send(EICAR)
            self.assert_refusal(peer.read_response()[0], 403)
        self.assertEqual(self.origin.accepted, 0)

    def test_what_is_held_may_be_larger_than_memory(self):
        self.proxy = self.sluice(inspect={"deliver": "hold", "memory": "1MiB"})
        body = noise(12_000_000)
        head, got = self.fetch(self.serve("/large", body))
        self.assertEqual(head.status, 200)
        self.assertTrue(got == body)
        self.assert_refusal(self.fetch(self.serve("/bad", body + EICAR))[0], 403)

    def test_no_disk_no_pass(self):
        self.proxy = self.sluice(inspect={"deliver": "hold", "memory": "1MiB", "disk": "2MiB"})
        self.assert_refusal(self.fetch(self.serve("/large", noise(12_000_000)))[0], 403)
        event = self.proxy.event(url__path="/large")
        self.assertEqual((event["scan.verdict"], event["scan.reason"], event["rule.name"]), ("unscannable", "no-space", "unscanned"))


class Clients(WithFiles):
    """What curl has of a file that is infected at its first, a middle or its last byte: never all of it, and it knows."""
    SIZE = 300_000

    def bodies(self):
        clean = noise(self.SIZE)
        return {"first": EICAR + clean, "middle": clean[:self.SIZE // 2] + EICAR + clean[self.SIZE // 2:], "last": clean + EICAR, "clean": clean}

    def origin_for(self, bodies):
        """Serves /<which>/<framing>: with a length, in chunks, or up to the connection's end."""
        def handle(peer):
            while True:
                which, framing = peer.read_request()[0].target.strip("/").split("/")[-2:]
                body = bodies[which]
                if framing == "length":
                    peer.send(response(body))
                    continue
                chunked = framing == "chunked"
                peer.send(b"HTTP/1.1 200 OK\r\n" + (b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"Connection: close\r\n\r\n"))
                for at in range(0, len(body), 40_000):
                    piece = body[at:at + 40_000]
                    peer.send(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
                if not chunked:
                    return
                peer.send(b"0\r\n\r\n")
        origin = Origin(handle)
        self.addCleanup(origin.close)
        return origin

    def curl(self, *urls):
        """(exit code, [(status, bytes)]) of one curl for all the URLs, which it fetches over one connection where it may."""
        folder = self.folder()
        words = []
        for number, url in enumerate(urls):
            words += ["-o", str(folder / str(number)), url]
        done = subprocess.run(["curl", "-s", "-w", "%{http_code} %{num_connects}\n", "-x", f"http://127.0.0.1:{self.proxy.port}", *words],
                              timeout=60, capture_output=True, text=True)
        lines = [line.split() for line in done.stdout.splitlines()]
        files = [folder / str(number) for number in range(len(urls))]
        return done.returncode, [(int(line[0]), int(line[1]), file.read_bytes() if file.exists() else b"") for line, file in zip(lines, files)]

    def check(self, deliver):
        self.proxy = self.sluice(inspect={"deliver": deliver})
        bodies = self.bodies()
        origin = self.origin_for(bodies)
        for framing in ("length", "chunked", "close"):
            for which in ("first", "middle", "last"):
                with self.subTest(framing=framing, which=which):
                    code, [(status, _, got)] = self.curl(origin.url(f"/{which}/{framing}"))
                    event = self.proxy.event(url__path=f"/{which}/{framing}")
                    self.assertEqual((event["scan.verdict"], event["event.action"]), ("infected", "blocked"))
                    self.assertNotIn(EICAR, got)
                    if status == 403:
                        self.assertEqual(code, 0)
                    else:
                        self.assertNotEqual(deliver, "hold")
                        self.assertIn(code, (18, 52, 56), "curl must know that the file is not whole")
                        self.assertTrue(bodies[which].startswith(got))
            with self.subTest(framing=framing, which="clean"):
                code, fetched = self.curl(origin.url(f"/clean/{framing}"), origin.url(f"/clean/{framing}"))
                self.assertEqual(code, 0)
                self.assertEqual([status for status, _, _ in fetched], [200, 200])
                self.assertTrue(all(got == bodies["clean"] for _, _, got in fetched))
                self.assertEqual([connects for _, connects, _ in fetched], [1, 0], "the connection lives on after a clean one")

    def test_hold(self):
        self.check("hold")

    def test_tail(self):
        self.check("tail")

    def test_stream(self):
        self.check("stream")
