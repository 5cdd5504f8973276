# SPDX-License-Identifier: Apache-2.0
"""The PROXY protocol, v1 and v2, from the peers that are believed."""
import socket
import struct

from harness import SystemTest, rule
from wire import Closed, Origin, Peer, echoing, get

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v2(source, destination, source_port=1111, destination_port=80, command=1):
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    body = socket.inet_pton(family, source) + socket.inet_pton(family, destination) + struct.pack("!HH", source_port, destination_port)
    return SIGNATURE + struct.pack("!BBH", 0x20 | command, 0x21 if family == socket.AF_INET6 else 0x11, len(body)) + body


class Header(SystemTest):
    @classmethod
    def setUpClass(cls):
        cls.origin = Origin(echoing)
        cls.addClassCleanup(cls.origin.close)
        cls.proxy = cls.shared([rule("by-address", "client.ip == 10.9.9.9", "block")],
                               http={"proxy_from": ["127.0.0.0/8"], "clients": ["10.0.0.0/8", "127.0.0.0/8", "fd00::/8"]},
                               builtin={"protect-host": False}, limits={"proxy_header": "1s"})

    def status(self, header, path="/"):
        with Peer.connect(self.proxy.port) as peer:
            peer.send(header + get(self.origin.url(path)))
            return peer.read_response()[0].status

    def test_v1(self):
        self.assertEqual(self.status(b"PROXY TCP4 10.1.2.3 10.0.0.1 4321 3128\r\n", "/v1"), 200)
        event = self.proxy.event(url__path="/v1")
        self.assertEqual((event["client.ip"], event["client.port"]), ("10.1.2.3", 4321))
        self.assertEqual(self.status(b"PROXY TCP6 fd00::7 fd00::1 4321 3128\r\n", "/v1-6"), 200)
        self.assertEqual(self.proxy.event(url__path="/v1-6")["client.ip"], "fd00::7")

    def test_v2(self):
        self.assertEqual(self.status(v2("10.1.2.4", "10.0.0.1"), "/v2"), 200)
        self.assertEqual(self.proxy.event(url__path="/v2")["client.ip"], "10.1.2.4")
        self.assertEqual(self.status(v2("fd00::8", "fd00::1"), "/v2-6"), 200)
        self.assertEqual(self.proxy.event(url__path="/v2-6")["client.ip"], "fd00::8")

    def test_v2_local_is_the_peer_itself(self):
        self.assertEqual(self.status(v2("10.9.9.9", "10.0.0.1", command=0), "/local"), 200)
        self.assertEqual(self.proxy.event(url__path="/local")["client.ip"], "127.0.0.1")

    def test_rules_and_clients_judge_the_address_said(self):
        self.assertEqual(self.status(b"PROXY TCP4 10.9.9.9 10.0.0.1 1 2\r\n"), 403)
        self.proxy.event(client__ip="10.9.9.9", rule__name="by-address")
        try:
            status = self.status(b"PROXY TCP4 8.8.8.8 10.0.0.1 1 2\r\n")
            self.assertEqual(status, 403)
        except Closed:
            pass
        self.proxy.event(client__ip="8.8.8.8", event__action="refused")

    def test_split_at_every_byte(self):
        header = b"PROXY TCP4 10.1.2.3 10.0.0.1 4321 3128\r\n"
        with Peer.connect(self.proxy.port) as peer:
            for byte in header + get(self.origin.url("/split")):
                peer.send(bytes([byte]))
            self.assertEqual(peer.read_response()[0].status, 200)

    def test_without_a_header_nothing_goes_on(self):
        before = self.origin.accepted
        for data in (get(self.origin.url()), b"PROXY TCP4 10.1.2.3\r\n", b"PROXY TCP4 10.1.2.3 10.0.0.1 4321 99999\r\n" + get(self.origin.url()),
                     SIGNATURE + b"\x31\x11\0\x0c" + b"x" * 12, b"PROXY " + b"x" * 200):
            with Peer.connect(self.proxy.port) as peer:
                peer.send(data)
                try:
                    self.assertNotEqual(peer.read_response()[0].status, 200)
                except Closed:
                    pass
        self.assertEqual(self.origin.accepted, before)
        self.proxy.event(count=5, event__action="refused", error__type="http_request_error", event__reason=lambda value: "PROXY" in value)

    def test_a_header_that_does_not_end_is_cut(self):
        with Peer.connect(self.proxy.port) as peer:
            peer.send(b"PROXY TCP4 10.1")
            try:
                peer.read_to_end()
            except Closed:
                pass
