# SPDX-License-Identifier: Apache-2.0
"""CONNECT, WebSockets, and what opens a tunnel that should not be one."""
import base64
import hashlib
import os
import threading

from harness import SystemTest, curl, rule, until
from nginx import Nginx
from wire import Closed, Origin, Peer, answering, echoing, get, response


def connect(port, authority, *fields):
    """A client that asked for a tunnel; returns it and the answer's head."""
    peer = Peer.connect(port)
    peer.send(get(authority, *fields, method="CONNECT", host=authority))
    head = peer.read_head()
    return peer, head


def echo_bytes(peer):
    while data := peer.sock.recv(65536):
        peer.send(data)


class Connect(SystemTest):
    @classmethod
    def setUpClass(cls):
        cls.nginx = Nginx()
        cls.addClassCleanup(cls.nginx.close)
        cls.echo = Origin(echo_bytes)
        cls.addClassCleanup(cls.echo.close)
        cls.proxy = cls.shared(http={"connect_ports": [443, "10000-65535"]})

    def test_tls_through_a_tunnel(self):
        out = curl("--cacert", self.nginx.ca, f"https://localhost:{self.nginx.tls}/1m", proxy=self.proxy.port).stdout
        self.assertEqual(out, self.nginx.read("1m"))
        event = self.proxy.event(http__request__method="CONNECT", url__port=self.nginx.tls)
        self.assertEqual(event["event.action"], "tunnelled")
        self.assertGreater(event["server.bytes"], 1024 * 1024)

    def test_bytes_go_both_ways_unchanged(self):
        peer, head = connect(self.proxy.port, f"127.0.0.1:{self.echo.port}")
        self.assertEqual(head.status, 200)
        self.assertIsNone(head.get("content-length"))
        self.assertIsNone(head.get("transfer-encoding"))
        sent = b"\x16\x03\x01" + os.urandom(3_000_000)
        threading.Thread(target=peer.send, args=(sent,), daemon=True).start()
        self.assertEqual(peer.read_exact(len(sent)), sent)
        peer.close()

    def test_small_exchanges(self):
        peer, _ = connect(self.proxy.port, f"127.0.0.1:{self.echo.port}")
        for number in range(200):
            peer.send(b"\x00%d" % number)
            self.assertEqual(peer.read_exact(len(b"\x00%d" % number)), b"\x00%d" % number)
        peer.close()

    def test_half_close_is_passed_on(self):
        def handle(peer):
            data = peer.read_to_end()
            peer.send(b"\x00got %d" % len(data))
        origin = Origin(handle)
        self.addCleanup(origin.close)
        peer, _ = connect(self.proxy.port, f"127.0.0.1:{origin.port}")
        peer.send(b"\x00" + b"y" * 99_999)
        peer.end()
        self.assertEqual(peer.read_to_end(), b"\x00got 100000")

    def test_server_speaks_first(self):
        def handle(peer):
            peer.send(b"220 mail.example\r\n")
            peer.read_until(b"\r\n")
            peer.send(b"221 bye\r\n")
        origin = Origin(handle)
        self.addCleanup(origin.close)
        peer, _ = connect(self.proxy.port, f"127.0.0.1:{origin.port}")
        self.assertEqual(peer.read_until(b"\r\n"), b"220 mail.example\r\n")
        peer.send(b"QUIT\r\n")
        self.assertEqual(peer.read_until(b"\r\n"), b"221 bye\r\n")

    def test_bytes_sent_with_the_connect(self):
        peer = Peer.connect(self.proxy.port)
        authority = f"127.0.0.1:{self.echo.port}"
        peer.send(get(authority, method="CONNECT", host=authority) + b"\x00early")
        self.assertEqual(peer.read_head().status, 200)
        self.assertEqual(peer.read_exact(6), b"\x00early")
        peer.close()

    def test_reset_is_passed_on(self):
        def handle(peer):
            peer.read_exact(1)
            peer.reset()
        origin = Origin(handle)
        self.addCleanup(origin.close)
        peer, _ = connect(self.proxy.port, f"127.0.0.1:{origin.port}")
        peer.send(b"\x00")
        self.assertIn(peer.ended(), ("reset", "close"))

    def test_plain_http_inside_is_judged_as_http(self):
        origin = Origin(echoing)
        self.addCleanup(origin.close)
        peer, head = connect(self.proxy.port, f"127.0.0.1:{origin.port}")
        self.assertEqual(head.status, 200)
        for number in range(2):
            peer.send(get(f"/inside/{number}", host=f"127.0.0.1:{origin.port}"))
            head, body = peer.read_response()
            self.assertEqual(head.status, 200)
            self.assertIn(b"Via: ", body)
        peer.close()
        event = self.proxy.event(url__path="/inside/1")
        self.assertEqual(event["url.full"], f"http://127.0.0.1:{origin.port}/inside/1")
        self.assertEqual(event["event.action"], "allowed")

    def test_trust_of_what_is_inside_ends_with_a_reload(self):
        origin = Origin(echoing)
        self.addCleanup(origin.close)
        kept_out = rule("kept-out", 'url.path == "/inside"', "block")
        http = {"connect_ports": ["1-65535"]}
        proxy = self.sluice([rule("trusted", f"url.port == {origin.port}", "trust"), kept_out], http=http)
        peer, head = connect(proxy.port, f"127.0.0.1:{origin.port}")
        self.assertEqual(head.status, 200)
        request = get("/inside", host=f"127.0.0.1:{origin.port}")
        peer.send(request)
        self.assertEqual(peer.read_response()[0].status, 200)
        proxy.configure([kept_out])
        self.assertEqual(proxy.command("reload").returncode, 0)

        def refused():                                                   # a worker takes the new policy a moment later
            peer.send(request)
            return peer.read_response()[0].status == 403
        until(refused, "the new policy")
        peer.close()

    def test_malformed_http_inside_never_reaches_the_server(self):
        origin = Origin(echoing)
        self.addCleanup(origin.close)
        peer, _ = connect(self.proxy.port, f"127.0.0.1:{origin.port}")
        peer.send("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        head, _ = peer.read_response()
        self.assert_refusal(head, 400)
        self.assertEqual([other.buffer for other in origin.peers if other.buffer], [])

    def test_refused_port(self):
        peer, head = connect(self.proxy.port, "127.0.0.1:25")
        self.assert_refusal(head, 403)
        event = self.proxy.event(url__port=25)
        self.assertIn(event["event.action"], ("refused", "blocked"))

    def test_unreachable_server(self):
        from harness import free_port
        _, head = connect(self.proxy.port, f"127.0.0.1:{free_port()}")
        self.assert_refusal(head, 502, "connection_refused")

    def test_bad_authorities(self):
        for authority in ("127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:99999", "http://127.0.0.1:443/", "a b:443", "u@127.0.0.1:443", ":443", "/"):
            with Peer.connect(self.proxy.port) as peer:
                peer.send(f"CONNECT {authority} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                self.assert_refusal(peer.read_head(), 400)
                peer.read_to_end()


class Blocked(SystemTest):
    def test_rules_see_a_connect_and_what_is_inside(self):
        origin = Origin(echoing)
        self.addCleanup(origin.close)
        proxy = self.sluice([rule("no-tunnel", 'url.domain == "blocked.example"', "block", reason="not there"),
                             rule("no-path", 'url.path starts_with "/secret"', "block")],
                            http={"connect_ports": ["1-65535"]})
        peer, head = connect(proxy.port, "blocked.example:443")
        self.assert_refusal(head, 403)
        self.assertIn(b"not there", peer.read_body(head))
        event = proxy.event(url__domain="blocked.example")
        self.assertEqual((event["event.action"], event["rule.name"]), ("blocked", "no-tunnel"))
        peer, head = connect(proxy.port, f"127.0.0.1:{origin.port}")
        peer.send(get("/secret/x", host=f"127.0.0.1:{origin.port}"))
        head, _ = peer.read_response()
        self.assert_refusal(head, 403)
        proxy.event(rule__name="no-path")

    def test_an_open_tunnel_is_judged_again_on_reload(self):
        origin = Origin(echo_bytes)
        self.addCleanup(origin.close)
        proxy = self.sluice(http={"connect_ports": ["1-65535"]})
        proxy.hosts.write_text(proxy.hosts.read_text() + "127.0.0.1 kept.example cut.example\n")
        kept, _ = connect(proxy.port, f"127.0.0.1:{origin.port}")
        kept.send(b"\x00a")
        kept.read_exact(2)
        cut, head = connect(proxy.port, f"localhost:{origin.port}")
        self.assertEqual(head.status, 200)
        cut.send(b"\x00b")
        cut.read_exact(2)
        proxy.configure([rule("cut", 'url.domain == "localhost"', "block")])
        self.assertEqual(proxy.command("reload").returncode, 0)
        self.assertIn(cut.ended(), ("close", "reset"))
        kept.send(b"\x00c")
        self.assertEqual(kept.read_exact(2), b"\x00c")
        kept.close()
        proxy.event(url__domain="localhost", rule__name="cut")


class LastingTunnel(SystemTest):
    def test_what_lasts_longer_than_a_minute_is_in_the_log_before_it_ends(self):
        origin = Origin(echo_bytes)
        self.addCleanup(origin.close)
        proxy = self.sluice(http={"connect_ports": ["1-65535"]})
        peer, head = connect(proxy.port, f"127.0.0.1:{origin.port}")
        self.assertEqual(head.status, 200)
        peer.send(b"\x00hello")
        peer.read_exact(6)
        start = proxy.event(timeout=75, url__port=origin.port)
        self.assertIn("start", start["event.type"])
        peer.close()
        end = proxy.event(event__type=lambda value: "end" in value, url__port=origin.port)
        self.assertEqual(end["event.id"], start["event.id"])
        self.assertGreater(end["event.duration"], 55_000_000_000)


class Identity(SystemTest):
    def test_what_the_connect_proved_holds_inside(self):
        """A CONNECT with credentials; the HTTP inside needs none, and its rules know the user."""
        import subprocess
        folder = self.folder()
        subprocess.run(["htpasswd", "-bcB", "-C", "5", str(folder / "users"), "ann", "secret"], check=True, capture_output=True)
        origin = Origin(echoing)
        self.addCleanup(origin.close)
        proxy = self.sluice([rule("login", "client.ip in 127.0.0.0/8", "authenticate", realm="all", users=str(folder / "users")),
                             rule("ann", 'user.name == "ann" and url.path == "/no"', "block")], http={"connect_ports": ["1-65535"]})
        authority = f"127.0.0.1:{origin.port}"
        _, head = connect(proxy.port, authority)
        self.assert_refusal(head, 407)
        peer, head = connect(proxy.port, authority, "Proxy-Authorization: Basic " + base64.b64encode(b"ann:secret").decode())
        self.assertEqual(head.status, 200)
        peer.send(get("/yes", host=authority))
        self.assertEqual(peer.read_response()[0].status, 200)
        peer.send(get("/no", host=authority))
        self.assertEqual(peer.read_response()[0].status, 403)
        peer.close()
        self.assertEqual(proxy.event(url__path="/yes")["user.name"], "ann")


def websocket_server(peer):
    """Answers the handshake of RFC 6455, then sends back every frame's bytes as they came."""
    head = peer.read_head()
    key = head.get("sec-websocket-key").encode()
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
    peer.seen = head
    peer.send(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n")
    if peer.buffer:
        peer.send(peer.buffer)
    echo_bytes(peer)


HANDSHAKE = ("Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")


class Upgrade(SystemTest):
    @classmethod
    def setUpClass(cls):
        cls.proxy = cls.shared()

    def test_websocket(self):
        origin = Origin(websocket_server)
        self.addCleanup(origin.close)
        with Peer.connect(self.proxy.port) as peer:
            peer.send(get(origin.url("/ws"), "Upgrade: websocket", *HANDSHAKE))
            head = peer.read_head()
            self.assertEqual(head.status, 101)
            self.assertEqual(head.get("upgrade").lower(), "websocket")
            self.assertIn("upgrade", head.get("connection").lower())
            self.assertEqual(head.get("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
            frame = b"\x82\xfe\x01\x00mask" + os.urandom(256)
            for _ in range(50):
                peer.send(frame)
                self.assertEqual(peer.read_exact(len(frame)), frame)
        event = self.proxy.event(url__path="/ws")
        self.assertEqual(event["event.action"], "tunnelled")
        self.assertEqual(event["http.response.status_code"], 101)
        self.assertGreaterEqual(event["client.bytes"], 50 * len(frame))

    def test_a_server_that_declines(self):
        origin = Origin(echoing)
        self.addCleanup(origin.close)
        with Peer.connect(self.proxy.port) as peer:
            peer.send(get(origin.url(), "Upgrade: websocket", *HANDSHAKE))
            head, body = peer.read_response()
            self.assertEqual(head.status, 200)
            self.assertIn(b"Upgrade: websocket", body)
            peer.send(get(origin.url("/next")))
            self.assertEqual(peer.read_response()[0].status, 200)

    def test_other_tokens_are_removed(self):
        origin = Origin(echoing)
        self.addCleanup(origin.close)
        for fields in (("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQAAP__"),
                       ("Upgrade: TLS/1.0", "Connection: upgrade"), ("Upgrade: foo/2",)):
            with Peer.connect(self.proxy.port) as peer:
                peer.send(get(origin.url(), *fields))
                head, body = peer.read_response()
                self.assertEqual(head.status, 200)
                self.assertNotIn(b"\r\nupgrade:", body.lower())
                self.assertNotIn(b"\r\nhttp2-settings:", body.lower())

    def test_a_101_that_nobody_asked_for(self):
        def handle(peer):
            peer.read_request()
            peer.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nsecret")
            peer.read_exact(1)
        origin = Origin(handle)
        self.addCleanup(origin.close)
        with Peer.connect(self.proxy.port) as peer:
            peer.send(get(origin.url()))
            head, body = peer.read_response()
            self.assert_refusal(head, 502, "http_protocol_error")
            self.assertNotIn(b"secret", body)
