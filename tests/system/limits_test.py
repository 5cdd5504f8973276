# SPDX-License-Identifier: Apache-2.0
"""Bounds: clients that are slow, many, or never stop."""
import threading
import time

from harness import SANITIZED, SystemTest, until
from wire import Closed, Origin, Peer, ask, echoing, get


class Times(SystemTest):
    @classmethod
    def setUpClass(cls):
        cls.origin = Origin(echoing)
        cls.addClassCleanup(cls.origin.close)
        cls.proxy = cls.shared(limits={"head": "1s", "body_idle": "1s", "client_idle": "1s", "tunnel_idle": "1s"}, http={"connect_ports": ["1-65535"]})

    def test_slow_head(self):
        """A byte now and then does not prolong it."""
        begun = time.monotonic()
        with Peer.connect(self.proxy.port) as peer:
            peer.send("GET http://127.0.0.1/ HTTP/1.1\r\nHost: 127.0.0.1\r\n")
            stop = threading.Event()

            def drip():
                while not stop.wait(0.2):
                    try:
                        peer.send("X: y\r\n")
                    except OSError:
                        return
            thread = threading.Thread(target=drip)
            thread.start()
            try:
                head, _ = peer.read_response()
                self.assert_refusal(head, 408)
            finally:
                stop.set()
                thread.join()
        self.assertLess(time.monotonic() - begun, 5)
        self.proxy.event(http__response__status_code=408)

    def test_idle(self):
        with Peer.connect(self.proxy.port) as peer:
            peer.send(get(self.origin.url()))
            peer.read_response()
            begun = time.monotonic()
            self.assertEqual(peer.ended(), "close")                      # without a word: a client may be about to ask (RFC 9112 9.6)
            self.assertGreater(time.monotonic() - begun, 0.5)
            self.assertLess(time.monotonic() - begun, 5)

    def test_never_a_word(self):
        with Peer.connect(self.proxy.port) as peer:
            self.assertIn(peer.ended(), ("close", "reset"))

    def test_slow_body(self):
        with Peer.connect(self.proxy.port) as peer:
            peer.send(get(self.origin.url("/slow"), "Content-Length: 1000", method="POST") + b"abc")
            begun = time.monotonic()
            try:
                head, _ = peer.read_response()
                self.assert_refusal(head, 408)
            except Closed:
                pass
            self.assertLess(time.monotonic() - begun, 6)
        self.proxy.event(url__path="/slow", event__action=lambda value: value != "allowed")

    def test_a_body_that_drips_is_cut(self):
        """Something moves, but slower than the least that is worth a connection."""
        begun = time.monotonic()
        with Peer.connect(self.proxy.port) as peer:
            peer.send(get(self.origin.url("/drip"), "Content-Length: 100000", method="POST"))
            stop = threading.Event()

            def drip():
                while not stop.wait(0.4):
                    try:
                        peer.send(b"x")
                    except OSError:
                        return
            thread = threading.Thread(target=drip)
            thread.start()
            try:
                peer.read_response()
            except Closed:
                pass
            finally:
                stop.set()
                thread.join()
        self.assertLess(time.monotonic() - begun, 9)

    def test_idle_tunnel(self):
        with Peer.connect(self.proxy.port) as peer:
            origin = Origin(lambda other: other.read_exact(1))
            self.addCleanup(origin.close)
            peer.send(get(f"127.0.0.1:{origin.port}", method="CONNECT", host="x"))
            self.assertEqual(peer.read_head().status, 200)
            self.assertIn(peer.ended(), ("close", "reset"))


class Sizes(SystemTest):
    @classmethod
    def setUpClass(cls):
        cls.origin = Origin(echoing)
        cls.addClassCleanup(cls.origin.close)
        cls.proxy = cls.shared()

    def test_head(self):
        with Peer.connect(self.proxy.port) as peer:
            peer.send(get(self.origin.url(), "X: " + "y" * 60_000))
            self.assertEqual(peer.read_response()[0].status, 200)
        for fields in (["X: " + "y" * 70_000], [f"X-{number}: y" for number in range(200)], ["X: " + "y" * 1000] * 100):
            with Peer.connect(self.proxy.port) as peer:
                peer.send(get(self.origin.url(), *fields))
                head, _ = peer.read_response()
                self.assert_refusal(head, 431)

    def test_target(self):
        self.assertEqual(ask(self.proxy.port, self.origin.url("/" + "a" * 8000))[0].status, 200)   # RFC 9112 3
        self.assert_refusal(ask(self.proxy.port, self.origin.url("/" + "a" * 40_000))[0], 414)

    def test_endless_head(self):
        with Peer.connect(self.proxy.port) as peer:
            try:
                for _ in range(1000):
                    peer.send(b"A" * 10_000)
            except OSError:
                pass
            try:
                self.assertIn(peer.read_response()[0].status, (400, 414, 431))
            except Closed:
                pass

    def test_endless_empty_lines(self):
        with Peer.connect(self.proxy.port) as peer:
            try:
                peer.send(b"\r\n" * 1000)
                self.assertEqual(peer.read_response()[0].status, 400)
            except (Closed, OSError):
                pass


class Connections(SystemTest):
    def test_strangers_do_not_fill_the_table(self):
        """They say nothing, and wait: those that are served are not harmed."""
        origin = Origin(echoing)
        self.addCleanup(origin.close)
        proxy = self.sluice(http={"clients": ["127.0.0.1"]}, limits={"connections": 16})
        strangers = []
        for _ in range(40):
            try:
                strangers.append(Peer.connect(proxy.port, source="127.0.0.7"))
            except ConnectionResetError:                                 # beyond their share: reset, maybe before connect() has returned
                pass
        begun = time.monotonic()
        self.assertEqual(ask(proxy.port, origin.url())[0].status, 200)
        self.assertLess(time.monotonic() - begun, 1.5)                   # not only when the first of them is cut
        events = proxy.event(count=30, client__ip="127.0.0.7", event__action="refused")
        self.assertEqual(events[0]["error.type"], "http_request_denied")
        for peer in strangers:
            peer.close()

    def test_per_client(self):
        origin = Origin(echoing)
        self.addCleanup(origin.close)
        proxy = self.sluice(limits={"connections_per_client": 10})
        peers = [Peer.connect(proxy.port) for _ in range(10)]
        for peer in peers:
            peer.send(get(origin.url()))
            self.assertEqual(peer.read_response()[0].status, 200)
        with Peer.connect(proxy.port) as peer:
            peer.send(get(origin.url()))
            try:
                self.assert_refusal(peer.read_response()[0], 503, "connection_limit_reached")
            except Closed:
                pass
        self.assertEqual(ask(proxy.port, origin.url(), source="127.0.0.3")[0].status, 200)      # others are not harmed
        for peer in peers:
            peer.send(get(origin.url()))
            self.assertEqual(peer.read_response()[0].status, 200)
        peers[0].close()

        def again():
            try:
                return ask(proxy.port, origin.url())[0].status == 200
            except Closed:
                return False
        until(again, "a place after one left")
        for peer in peers:
            peer.close()
        proxy.event(event__action="refused", client__ip="127.0.0.1")

    def test_in_all_new_ones_wait(self):
        origin = Origin(echoing)
        self.addCleanup(origin.close)
        proxy = self.sluice(limits={"connections": 8})
        peers = [Peer.connect(proxy.port) for _ in range(8)]
        for peer in peers:
            peer.send(get(origin.url()))
            self.assertEqual(peer.read_response()[0].status, 200)
        late = [Peer.connect(proxy.port) for _ in range(4)]
        for peer in late:
            peer.send(get(origin.url("/late")))
        for peer in peers:                                                 # those that are in are not harmed
            peer.send(get(origin.url()))
            self.assertEqual(peer.read_response()[0].status, 200)
            peer.close()
        for peer in late:
            self.assertIn(peer.read_response()[0].status, (200, 503))
            peer.close()
        self.assertEqual(ask(proxy.port, origin.url())[0].status, 200)

    def test_out_of_descriptors(self):
        """New clients wait or are told; those that are in go on; afterwards all is as before."""
        origin = Origin(echoing)
        self.addCleanup(origin.close)
        proxy = self.sluice(wrap=["prlimit", "--nofile=160:160"], limits={"connections": 10000, "connections_per_client": 10000})
        peers = []
        for _ in range(300):
            peers.append(Peer.connect(proxy.port))
        served = 0
        for peer in peers:
            peer.send(get(origin.url()))
        for peer in peers[:20]:
            peer.sock.settimeout(5)
            try:
                served += peer.read_response()[0].status in (200, 503)
            except (Closed, TimeoutError):
                pass
        self.assertGreater(served, 0)
        for peer in peers:
            peer.close()
        until(lambda: self.serves(proxy, origin), "service afterwards", 20)

    @staticmethod
    def serves(proxy, origin):
        try:
            return ask(proxy.port, origin.url())[0].status == 200
        except (Closed, TimeoutError, OSError):
            return False

    def test_idle_connections_are_cheap(self):
        """Here a smaller version; scripts/bench measures 10,000 with the release build."""
        if SANITIZED:
            self.skipTest("sanitizers keep memory of their own: measured in the release build")
        count = 1000
        proxy = self.sluice(limits={"connections_per_client": 2000, "client_idle": "60s"})
        origin = Origin(echoing)
        self.addCleanup(origin.close)
        ask(proxy.port, origin.url())
        before = proxy.rss()
        peers = [Peer.connect(proxy.port) for _ in range(count)]
        until(lambda: proxy.descriptors() >= count, "the connections")
        each = (proxy.rss() - before) / count
        self.assertLessEqual(each, 6_000)
        for peer in peers:
            peer.close()
        until(lambda: proxy.descriptors() < 100, "their end")
