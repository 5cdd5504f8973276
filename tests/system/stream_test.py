# SPDX-License-Identifier: Apache-2.0
"""What trickles: events are handed on as they come, and what waits for long is not cut."""
import threading
import time

from harness import SystemTest, until
from wire import Origin, Peer, get, response


class Streams(SystemTest):
    alone = True               # measures time

    @classmethod
    def setUpClass(cls):
        cls.proxy = cls.shared()

    def delays(self, head, frame, count=20):
        """Seconds from an event's sending to its arrival, for each."""
        sent = []
        turn = threading.Semaphore(1)

        def handle(peer):
            peer.read_request()
            peer.send(head)
            for number in range(count):
                turn.acquire()
                sent.append(time.monotonic())
                peer.send(frame(b"data: %d\n\n" % number))
            turn.acquire()
        origin = Origin(handle)
        self.addCleanup(origin.close)
        found = []
        with Peer.connect(self.proxy.port) as peer:
            peer.send(get(origin.url("/events"), "Accept: text/event-stream"))
            self.assertEqual(peer.read_head().status, 200)
            for number in range(count):
                peer.read_until(b"data: %d\n\n" % number)
                found.append(time.monotonic() - sent[number])
                turn.release()
            turn.release()
        return sorted(found)

    def test_events_with_chunks_arrive_within_50_ms(self):
        delays = self.delays("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
                             lambda data: b"%x\r\n%s\r\n" % (len(data), data))
        self.assertLess(delays[len(delays) * 9 // 10], 0.05, delays)

    def test_events_until_close_arrive_within_50_ms(self):
        delays = self.delays("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", lambda data: data)
        self.assertLess(delays[len(delays) * 9 // 10], 0.05, delays)

    def test_slow_body_of_another_type_is_let_go_in_its_pauses(self):
        """What is no event stream waits until its source pauses for 200 ms."""
        delays = self.delays("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", lambda data: data)
        self.assertLess(delays[len(delays) * 9 // 10], 0.4, delays)

    def test_upload_flows_too(self):
        arrived = []
        got = threading.Event()

        def handle(peer):
            peer.read_head()
            for _ in range(5):
                arrived.append(peer.read_chunk())
                got.set()
            peer.read_chunk()
            peer.send(response(b"ok"))
        origin = Origin(handle)
        self.addCleanup(origin.close)
        with Peer.connect(self.proxy.port) as peer:
            peer.send(get(origin.url(), "Transfer-Encoding: chunked", method="POST"))
            for number in range(5):
                got.clear()
                begun = time.monotonic()
                peer.send(b"1\r\n%d\r\n" % number)
                self.assertTrue(got.wait(5))
                self.assertLess(time.monotonic() - begun, 0.5)
                self.assertEqual(arrived[-1], b"%d" % number)
            peer.send("0\r\n\r\n")
            self.assertEqual(peer.read_response()[1], b"ok")


class LongPoll(SystemTest):
    def test_a_long_poll_outlives_the_idle_limits(self):
        """`body_idle` and `client_idle` are about other things than a server that thinks."""
        proxy = self.sluice(limits={"client_idle": "1s", "body_idle": "1s", "head": "1s", "first_byte": "20s"})
        asked = threading.Event()

        def handle(peer):
            peer.read_request()
            asked.set()
            begun = time.monotonic()
            until(lambda: time.monotonic() - begun > 2.5, timeout=5)
            peer.send(response(b"at last"))
        origin = Origin(handle)
        self.addCleanup(origin.close)
        with Peer.connect(proxy.port) as peer:
            peer.send(get(origin.url()))
            self.assertTrue(asked.wait(5))
            head, body = peer.read_response()
            self.assertEqual((head.status, body), (200, b"at last"))
