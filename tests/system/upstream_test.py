# SPDX-License-Identifier: Apache-2.0
"""Servers that are down, break off, lie or speak nonsense: each has a defined answer, and harms nobody else."""
import socket
import threading
import time

from harness import SystemTest, free_port, until
from wire import Closed, Origin, Peer, answering, ask, echoing, get, response


class Faults(SystemTest):
    @classmethod
    def setUpClass(cls):
        cls.proxy = cls.shared(limits={"header_bytes": "16KiB", "first_byte": "1s", "body_idle": "1s", "connect_attempt": "1s", "connect": "2s"})

    def origin(self, handle):
        origin = Origin(handle)
        self.addCleanup(origin.close)
        return origin

    def says(self, data, reset=False, wait=False):
        """An origin that answers any request with these bytes, then closes (or waits for the other's end)."""
        def handle(peer):
            peer.read_request()
            peer.send(data)
            if reset:
                peer.reset()
            elif wait:
                peer.read_exact(1)
        return self.origin(handle)

    def event_of(self, origin):
        return self.proxy.event(url__port=origin.port)

    def test_refused(self):
        port = free_port()
        self.assert_refusal(ask(self.proxy.port, f"http://127.0.0.1:{port}/")[0], 502, "connection_refused")
        event = self.proxy.event(url__port=port)
        self.assertEqual((event["error.type"], event["event.action"], event["event.outcome"]), ("connection_refused", "failed", "failure"))

    def test_connect_timeout(self):
        """A listener with a full backlog answers no SYN."""
        with socket.socket() as full:
            full.bind(("127.0.0.1", free_port()))
            full.listen(0)
            port = full.getsockname()[1]
            fillers = []
            for _ in range(8):
                filler = socket.socket()
                filler.setblocking(False)
                try:
                    filler.connect(("127.0.0.1", port))
                except BlockingIOError:
                    pass
                fillers.append(filler)
            begun = time.monotonic()
            self.assert_refusal(ask(self.proxy.port, f"http://127.0.0.1:{port}/")[0], 504, "connection_timeout")
            self.assertLess(time.monotonic() - begun, 6)
            for filler in fillers:
                filler.close()

    def test_closed_before_an_answer(self):
        origin = self.says(b"")
        head, _ = ask(self.proxy.port, origin.url())
        self.assert_refusal(head, 502, ["connection_terminated", "http_response_incomplete"])
        self.assertEqual(self.event_of(origin)["event.action"], "failed")

    def test_a_post_is_never_sent_twice(self):
        seen = []

        def handle(peer):
            head, _ = peer.read_request()
            seen.append(head.method)
            if len(seen) == 1:
                peer.send(response(b"ok"))
                head, _ = peer.read_request()
                seen.append(head.method)
        origin = self.origin(handle)
        with Peer.connect(self.proxy.port) as peer:
            peer.send(get(origin.url()))
            peer.read_response()
            peer.send(get(origin.url(), method="POST", body=b"pay"))
            self.assert_refusal(peer.read_response()[0], 502)
        self.assertEqual(seen.count("POST"), 1)

    def test_reset_before_an_answer(self):
        origin = self.says(b"", reset=True)
        self.assert_refusal(ask(self.proxy.port, origin.url())[0], 502, "connection_terminated")

    def test_head_cut_off(self):
        origin = self.says(b"HTTP/1.1 200 OK\r\nContent-Le")
        self.assert_refusal(ask(self.proxy.port, origin.url())[0], 502)

    def cut(self, data, reset=False, version="1.1"):
        """What is short waits for its verdict as a whole: the client gets a page. What is long has begun, and the client can tell that it was cut."""
        for filler, begun in ((b"", False), (b"x" * 200_000, True)):
            with self.subTest(begun=begun):
                origin = self.says(data(filler), reset)
                with Peer.connect(self.proxy.port) as peer:
                    peer.send(get(origin.url(), version=version))
                    head = peer.read_head()
                    if begun and head.status == 200:         # a reset may overtake what was sent before it
                        with self.assertRaises(Closed):
                            peer.read_body(head)
                    else:
                        self.assert_refusal(head, 502, "http_response_incomplete")
                event = self.event_of(origin)
                self.assertIn(event["event.action"], ("failed", "aborted"))
                self.assertEqual(event["error.type"], "http_response_incomplete")

    def test_shorter_than_its_length(self):
        self.cut(lambda filler: b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\nonly this" + filler)

    def test_reset_in_a_body(self):
        self.cut(lambda filler: b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\nonly this" + filler, reset=True)

    def test_chunked_without_its_end(self):
        self.cut(lambda filler: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\nhello%s\r\n" % (5 + len(filler), filler))

    def test_bad_chunk_in_the_middle(self):
        for filler, begun in ((b"", False), (b"x" * 200_000, True)):
            with self.subTest(begun=begun):
                origin = self.says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\nhello%s\r\nXYZ\r\n" % (5 + len(filler), filler))
                with Peer.connect(self.proxy.port) as peer:
                    peer.send(get(origin.url()))
                    head = peer.read_head()
                    if head.status == 200 and begun:
                        with self.assertRaises(Closed):
                            peer.read_body(head)
                    else:
                        self.assert_refusal(head, 502)

    def test_reset_in_a_body_until_close(self):
        """Of unknown length it goes out chunked, so that the missing end shows."""
        origin = self.says(b"HTTP/1.1 200 OK\r\n\r\nsome", reset=True)
        with Peer.connect(self.proxy.port) as peer:
            peer.send(get(origin.url()))
            try:
                head = peer.read_head()
                if head.status == 200:
                    with self.assertRaises(Closed):
                        peer.read_body(head)
                else:
                    self.assert_refusal(head, 502)
            except Closed:
                pass

    def test_longer_than_its_length(self):
        origin = self.origin(answering(lambda head, body: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"))
        with Peer.connect(self.proxy.port) as peer:
            for _ in range(5):
                peer.send(get(origin.url()))
                self.assertEqual(peer.read_response()[1], b"ok")
        self.assertEqual(origin.accepted, 5, "a connection with surplus bytes must not be used again")

    def test_nonsense(self):
        for data in (b"SSH-2.0-OpenSSH_9\r\n\r\n", b"\x15\x03\x01\0\x02\x02\x0a\r\n\r\n", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
                     b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\nok",
                     b"HTTP/1.1 2000 OK\r\n\r\n", b"HTTP/1.1 099 OK\r\n\r\n", b"HTTP/9.9 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nX y: 1\r\n\r\n",
                     b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n"):
            with self.subTest(data=data):
                origin = self.says(data)
                head, body = ask(self.proxy.port, origin.url())
                self.assert_refusal(head, 502, "http_protocol_error")
                self.assertNotIn(b"SSH", body)

    def test_oversize_head(self):
        origin = self.says(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (number, b"y" * 1000) for number in range(40)) + b"\r\n", wait=True)
        self.assert_refusal(ask(self.proxy.port, origin.url())[0], 502, "http_response_header_section_size")

    def test_endless_interim_responses(self):
        def handle(peer):
            peer.read_request()
            while True:
                peer.send("HTTP/1.1 102 Processing\r\n\r\n" * 50)
        origin = self.origin(handle)
        with Peer.connect(self.proxy.port) as peer:
            peer.send(get(origin.url()))
            self.assert_refusal(peer.read_response()[0], 502, "http_protocol_error")

    def test_no_answer_in_time(self):
        origin = self.origin(lambda peer: (peer.read_request(), peer.read_exact(1)))
        begun = time.monotonic()
        self.assert_refusal(ask(self.proxy.port, origin.url())[0], 504, ["http_response_timeout", "connection_read_timeout"])
        self.assertLess(time.monotonic() - begun, 5)
        self.assertEqual(self.event_of(origin)["event.action"], "failed")

    def test_a_body_that_stops(self):
        origin = self.says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", wait=True)
        begun = time.monotonic()
        with Peer.connect(self.proxy.port) as peer:
            peer.send(get(origin.url()))
            head = peer.read_head()
            with self.assertRaises(Closed):
                peer.read_body(head)
        self.assertLess(time.monotonic() - begun, 6)

    def test_a_client_that_leaves_lets_go_of_the_server(self):
        ended = threading.Event()

        def handle(peer):
            peer.read_request()
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
            try:
                while True:
                    peer.send(b"x" * 65536)
            except OSError:
                ended.set()
        origin = self.origin(handle)
        peer = Peer.connect(self.proxy.port)
        peer.send(get(origin.url()))
        peer.read_exact(100_000)
        peer.reset()
        self.assertTrue(ended.wait(10))
        self.assertEqual(self.event_of(origin)["event.action"], "aborted")

    def test_a_client_that_takes_steadily_is_not_cut(self):
        """Slower than `body_idle` for a buffer, and than the system says that there is room again; one that takes nothing is cut."""
        size = 8_000_000

        def handle(peer):
            peer.read_request()
            peer.send(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n")
            peer.send(b"x" * size)
        origin = self.origin(handle)
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", self.proxy.port))
            peer = Peer(sock)
            peer.send(get(origin.url("/steady")))
            peer.read_head()
            came = len(peer.buffer)
            end = time.monotonic() + 5
            while time.monotonic() < end:
                came += len(sock.recv(2000))
                time.sleep(0.02)                                         # the client's pace, not a wait for something
            self.assertFalse([event for event in self.proxy.events() if event.get("url.path") == "/steady"])
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_000_000)
            while came < size:
                data = sock.recv(1_000_000)
                self.assertTrue(data)
                came += len(data)
        self.assertEqual(self.proxy.event(url__path="/steady")["event.action"], "allowed")
        with Peer.connect(self.proxy.port) as peer:
            peer.send(get(origin.url("/never")))
            begun = time.monotonic()
            self.assertEqual(self.proxy.event(url__path="/never")["event.action"], "aborted")
            self.assertLess(time.monotonic() - begun, 5)

    def test_a_slow_client_holds_nothing_but_its_buffers(self):
        """Backpressure: a server is read no faster than the client takes it."""
        sent = [0]

        def handle(peer):
            peer.read_request()
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 400000000\r\n\r\n")
            peer.sock.settimeout(0.7)
            try:
                while True:
                    peer.send(b"x" * 65536)
                    sent[0] += 65536
            except OSError:
                pass
        origin = self.origin(handle)
        before = self.proxy.rss()
        with Peer.connect(self.proxy.port) as peer:
            peer.send(get(origin.url()))
            peer.read_head()
            until(lambda: origin.peers and origin.peers[0].sock.fileno() < 0, "the server to be held up")
            self.assertLess(sent[0], 100_000_000)
            self.assertLess(self.proxy.rss() - before, 40_000_000)

    def test_others_are_served_meanwhile(self):
        silent = self.origin(lambda peer: peer.read_exact(10_000_000))
        good = self.origin(echoing)
        peers = [Peer.connect(self.proxy.port) for _ in range(50)]
        for peer in peers:
            peer.send(get(silent.url()))
        for _ in range(20):
            begun = time.monotonic()
            self.assertEqual(ask(self.proxy.port, good.url())[0].status, 200)
            self.assertLess(time.monotonic() - begun, 2)
        for peer in peers:
            peer.close()

    def test_the_log_tells_each(self):
        """Every refusal above is one event: the closed set of RFC 9209's words, nothing else."""
        words = {"connection_refused", "connection_timeout", "connection_terminated", "http_response_incomplete", "http_protocol_error",
                 "http_response_header_section_size", "http_response_timeout", "connection_read_timeout", "connection_write_timeout", "http_request_error",
                 "destination_unavailable", "http_response_body_size"}
        for event in self.proxy.events():
            if event.get("error.type"):
                self.assertIn(event["error.type"], words)
