# SPDX-License-Identifier: Apache-2.0
"""HTTPS that is decrypted: what is inside is HTTP like any other, and a page is seen there."""
import os
import ssl

from harness import free_port, rule
from payloads import EICAR, noise
from tls import Shown, TlsTest, begin_tls, connect, leaf_of, open_tls, s_client, tls_client
from tunnel_test import HANDSHAKE, websocket_server
from wire import Closed, Peer, answering, echoing, get, response

HIDDEN = rule("hidden", 'url.path starts_with "/hidden"', "block", reason="that is hidden")


class Inside(TlsTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.proxy = cls.decrypting([HIDDEN])

    def tunnel(self, authority=None, **keys):
        return open_tls(self.proxy.port, authority or self.origins.host("good"), tls_client(self.proxy.ca, **keys))

    def test_get_and_keep_alive(self):
        """Two requests on one connection: one event of the CONNECT, one of each request."""
        content = noise(300_000)
        self.origins.write("kept", content)
        done = self.curl("-w", " %{num_connects}", self.origins.at("good", "/files/kept"), self.origins.at("good", "/kept/2"))
        self.assertEqual(done.stdout, content + b" 1" + b"the secret of good\n 0")
        first, second = (self.proxy.event(url__path=path) for path in ("/files/kept", "/kept/2"))
        for event in (first, second):
            self.assertEqual((event["url.scheme"], event["url.domain"], event["url.port"]), ("https", "good.test", self.origins.ports["good"]))
            self.assertEqual((event["event.action"], event["scan.verdict"], event["http.response.status_code"]), ("allowed", "clean", 200))
            self.assertEqual((event["tls.client.server_name"], event["tls.version"], event["tls.resumed"]), ("good.test", "1.3", False))
            self.assertTrue(event["tls.cipher"].startswith("TLS_"), event["tls.cipher"])
            self.assertRegex(event["tls.client.ja4"], "^t13d[0-9]{4}h[12]_[0-9a-f]{12}_[0-9a-f]{12}$")
            self.assertIn("Test Intermediate", event["tls.server.issuer"])
            self.assertIs(event["tls.server.verified"], True)
        self.assertEqual(first["url.full"], self.origins.at("good", "/files/kept"))
        connects = [event for event in self.proxy.events() if event["http.request.method"] == "CONNECT" and event["client.port"] == first["client.port"]]
        self.assertEqual([event["event.action"] for event in connects], ["allowed"])
        self.assertEqual(second["client.port"], first["client.port"])

    def test_post_and_head(self):
        origin = self.origin(echoing)
        body = noise(200_000)
        peer = self.tunnel(f"a.test:{origin.port}")
        peer.send(get("/echo?x=1", method="POST", host=f"a.test:{origin.port}", body=body))
        head, got = peer.read_response()
        self.assertEqual(head.status, 200)
        self.assertTrue(got.startswith(b"POST /echo?x=1 HTTP/1.1\r\n") and got.endswith(body))
        self.assertIn(b"Via: ", got)
        peer.send(get("/echo", method="HEAD", host=f"a.test:{origin.port}"))
        head, got = peer.read_response("HEAD")
        self.assertEqual((head.status, got), (200, b""))
        self.assertGreater(int(head.get("content-length")), 0)
        peer.close()
        event = self.proxy.event(url__path="/echo", http__request__method="POST")
        self.assertEqual((event["http.request.body.bytes"], event["url.scheme"]), (len(body), "https"))
        self.assertEqual(origin.failures, [])
        self.assertEqual(origin.accepted, 1)

    def test_bodies_of_unknown_length(self):
        content = noise(500_000)

        def handle(peer):
            head, _ = peer.read_request()
            if head.target == "/chunked":
                peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(content), content))
                return
            peer.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + content)
            peer.sock.unwrap()
        origin = self.origin(handle)
        for path in ("/chunked", "/to-the-end"):
            self.assertEqual(self.curl(f"https://a.test:{origin.port}{path}").stdout, content)
            self.assertEqual(self.proxy.event(url__path=path)["scan.verdict"], "clean")

    def test_a_body_that_is_cut_is_not_taken_for_whole(self):
        """The server closes without close_notify: whoever is between may have cut it."""
        def handle(peer):
            peer.read_request()
            peer.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n" + b"half of it\n" * 20_000)
        origin = self.origin(handle)
        _, status, code, _ = self.fetch(f"https://a.test:{origin.port}/cut")
        self.assertIn(code, (18, 56))
        event = self.proxy.event(url__path="/cut")
        self.assertEqual((event["event.action"], event["error.type"]), ("failed", "http_response_incomplete"))
        self.assertEqual((event["scan.verdict"], event["scan.reason"]), ("unscannable", "truncated"))

    def test_a_client_that_closes_its_half_unsaid(self):
        """An upload without its end, and no close_notify: not taken for whole."""
        heads = []
        origin = self.origin(lambda peer: heads.append(peer.read_request()))
        peer = self.tunnel(f"a.test:{origin.port}")
        peer.send(b"POST /half HTTP/1.1\r\nHost: a.test:%d\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n" % origin.port)
        peer.sock.close()
        event = self.proxy.event(url__path="/half")
        self.assertIn(event["event.action"], ("aborted", "failed"))
        self.assertEqual(heads, [])

    def test_malware_is_found(self):
        content = b"MZ" + EICAR
        uploads = []

        def answer(head, body):
            if head.method == "POST":
                uploads.append(body)
                return response(b"taken")
            return response(content)
        origin = self.origin(answering(answer))
        connected, status, code, body = self.fetch(f"https://a.test:{origin.port}/eicar.com")
        self.assertEqual((connected, status, code), (200, 403, 0))
        self.assertNotIn(EICAR, body)
        event = self.proxy.event(url__path="/eicar.com")
        self.assertEqual((event["scan.verdict"], event["event.action"], event["rule.name"], event["url.scheme"]), ("infected", "blocked", "malware", "https"))
        self.assertEqual(event["scan.threat"], "EICAR-Test-File")
        (folder := self.folder()).joinpath("bad").write_bytes(b"data" * 1000 + EICAR)
        _, status, _, _ = self.fetch(f"https://a.test:{origin.port}/up", "--data-binary", f"@{folder}/bad")
        self.assertEqual(status, 403)
        self.assertEqual(uploads, [])
        self.assertEqual(self.proxy.event(url__path="/up")["scan.verdict"], "infected")

    def test_rules_on_what_is_inside(self):
        peer = self.tunnel()
        peer.send(get("/hidden/x", "Accept: text/plain", host=self.origins.host("good")))
        head, body = peer.read_response()
        self.assert_refusal(head, 403, "http_request_denied")
        self.assertIn(b"that is hidden", body)
        self.assertIn(self.origins.at("good", "/hidden/x").encode(), body)
        peer.send(get("/open", host=self.origins.host("good")))                     # what was refused costs no connection
        self.assertEqual(peer.read_response()[1], b"the secret of good\n")
        peer.close()
        event = self.proxy.event(url__path="/hidden/x")
        self.assertEqual((event["event.action"], event["rule.name"], event["url.full"]), ("blocked", "hidden", self.origins.at("good", "/hidden/x")))
        self.assertNotIn("/hidden", self.origins.log("good"))

    def test_alt_svc_is_removed(self):
        peer = self.tunnel()
        peer.send(get("/alt", host=self.origins.host("good")))
        head, _ = peer.read_response()
        self.assertEqual(head.status, 200)
        self.assertIsNone(head.get("alt-svc"))                                       # which would lead past us, to HTTP/3
        direct = begin_tls(Peer.connect(self.origins.ports["good"]), tls_client(self.pki.root), "good.test")     # past the proxy
        direct.send(get("/alt", host="good.test"))
        self.assertIsNotNone(direct.read_response()[0].get("alt-svc"))
        for one in (peer, direct):
            one.close()

    def test_hosts_that_the_certificate_does_not_cover(self):
        port = self.origins.ports["good"]
        for host, status in ((f"www.good.test:{port}", 200), (f"also-good.test:{port}", 200), (f"a.test:{port}", 421), (f"deep.www.good.test:{port}", 421),
                             (f"good.test:{port + 1}", 421), ("good.test", 421)):
            peer = self.tunnel()
            peer.send(get("/covered", host=host))
            head, _ = peer.read_response()
            self.assertEqual(head.status, status, host)
            if status == 421:
                self.assert_refusal(head, 421)
            peer.close()

    def test_absolute_form_inside(self):
        for url, status in ((self.origins.at("good", "/absolute"), 200), (f"http://{self.origins.host('good')}/absolute", (421, 501, 400)),
                            (f"https://a.test:{self.origins.ports['good']}/absolute", 421)):
            peer = self.tunnel()
            peer.send(get(url))
            head, body = peer.read_response()
            self.assertIn(head.status, status if isinstance(status, tuple) else (status,), url)
            peer.close()

    def test_no_tunnel_inside_a_tunnel(self):
        peer = self.tunnel()
        peer.send(get(self.origins.host("good"), method="CONNECT", host=self.origins.host("good")))
        self.assert_refusal(peer.read_head(), 403)

    def test_plain_http_inside(self):
        with connect(self.proxy.port, f"localhost:{self.origins.port}") as peer:
            for path, status in (("/1k", 200), ("/hidden", 403)):
                peer.send(get(path, host=f"localhost:{self.origins.port}"))
                head, body = peer.read_response()
                self.assertEqual(head.status, status)
        event = self.proxy.event(url__path="/1k", url__domain="localhost")
        self.assertEqual((event["url.scheme"], event["event.action"]), ("http", "allowed"))

    def test_malformed_http_inside_never_reaches_the_server(self):
        heads = []
        origin = self.origin(lambda peer: heads.append(peer.read_exact(1)))
        peer = self.tunnel(f"a.test:{origin.port}")
        peer.send("GET / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        self.assert_refusal(peer.read_response()[0], 400)
        peer.close()
        self.assertEqual(heads, [])

    def test_websocket(self):
        origin = self.origin(websocket_server)
        peer = self.tunnel(f"a.test:{origin.port}")
        peer.send(get("/ws", "Upgrade: websocket", *HANDSHAKE, host=f"a.test:{origin.port}"))
        head = peer.read_head()
        self.assertEqual(head.status, 101)
        self.assertEqual(head.get("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        for size in (1, 126, 16_384, 16_385, 70_000):
            frame = os.urandom(size)
            peer.send(frame)
            self.assertEqual(peer.read_exact(size), frame)
        peer.close()
        event = self.proxy.event(url__path="/ws")
        self.assertEqual((event["event.action"], event["url.scheme"], event["http.response.status_code"]), ("tunnelled", "https", 101))
        self.assertEqual((event["scan.verdict"], event["scan.reason"]), ("skipped", "upgrade"))
        self.assertGreaterEqual(event["client.bytes"], 1 + 126 + 16_384 + 16_385 + 70_000)

    def test_what_is_offered_to_the_client(self):
        for offered, chosen in ((["h2", "http/1.1"], "http/1.1"), (["http/1.1"], "http/1.1"), (None, None)):
            peer = self.tunnel(protocols=offered)
            self.assertEqual(peer.sock.selected_alpn_protocol(), chosen)
            peer.close()


class Blocked(TlsTest):
    RULES = [rule("not-there", 'url.domain == "good.test"', "block", reason="nobody goes there"),
             rule("elsewhere", 'url.domain == "b.test"', "redirect", to="https://example.org/")]

    def test_the_page_is_served_inside(self):
        self.own(self.RULES)
        connected, status, code, body = self.fetch(self.origins.at("good", "/x"), "-H", "Accept: text/html", "-D", "-")
        self.assertEqual((connected, status, code), (200, 403, 0))
        self.assertIn(b"nobody goes there", body)
        self.assertIn(b"<!doctype html>", body)
        self.assertRegex(body.lower(), b"\r\nproxy-status: sluice; *error=http_request_denied")
        event = self.connect_event("good.test")
        self.assertEqual((event["event.action"], event["rule.name"]), ("blocked", "not-there"))
        leaf = Shown(leaf_of(s_client(self.proxy.port, self.origins.host("good"), "-CAfile", self.proxy.ca, "-verify_return_error")))
        self.assertEqual(leaf.names, ["DNS:good.test"])
        self.assertEqual(self.origins.log("good"), "")

    def test_no_connection_to_the_server(self):
        origin = self.origin(echoing)
        self.own([rule("no-letters", 'url.domain == "a.test"', "block")])
        self.assertEqual(self.fetch(f"https://a.test:{origin.port}/")[:3], (200, 403, 0))
        self.assertEqual(origin.accepted, 0)
        self.assertEqual(self.fetch(f"https://c.test:{origin.port}/")[1], 200)

    def test_every_request_inside_is_refused(self):
        origin = self.origin(echoing)
        self.own([rule("no-letters", 'url.domain == "a.test"', "block")])
        peer = open_tls(self.proxy.port, f"a.test:{origin.port}", tls_client(self.proxy.ca))
        peer.send(get("/1", host=f"a.test:{origin.port}") + get("/2", host=f"c.test:{origin.port}"))
        self.assert_refusal(peer.read_response()[0], 403)
        try:
            while data := peer.read_head():
                self.assert_refusal(data, 403)
                peer.read_body(data)
        except (Closed, ssl.SSLEOFError):
            pass
        self.assertEqual(origin.accepted, 0)

    def test_plain_http_in_a_blocked_tunnel_gets_the_page_too(self):
        self.own(self.RULES)
        with connect(self.proxy.port, self.origins.host("good")) as peer:
            peer.send(get("/x", host=self.origins.host("good")))
            self.assert_refusal(peer.read_response()[0], 403)

    def test_a_redirect_is_a_block(self):
        self.own(self.RULES)
        origin = self.origin(echoing)
        self.assertEqual(self.fetch(f"https://b.test:{origin.port}/")[:3], (200, 403, 0))

    def test_without_interception_the_connect_is_refused(self):
        self.own(self.RULES, tls={"intercept": False})
        connected, status, code, _ = self.fetch(self.origins.at("good"))
        self.assertEqual((connected, code), (403, 56))
        self.assertEqual(self.connect_event("good.test")["event.action"], "blocked")

    def test_a_tunnel_rule_leaves_no_place_for_a_page(self):
        """Blocked, and not to be decrypted: nothing may be shown inside."""
        self.own([rule("left-alone", 'url.domain == "good.test"', "tunnel"), rule("not-there", 'url.domain == "good.test"', "block", phase="request")])
        self.assertEqual(self.fetch(self.origins.at("good"))[0], 403)

    def test_an_unreachable_server(self):
        self.own()
        connected, status, code, body = self.fetch(f"https://a.test:{free_port()}/", "-D", "-")
        self.assertEqual((connected, status, code), (200, 502, 0))
        self.assertIn(b"error=connection_refused", body)
        self.assertEqual(self.connect_event("a.test")["error.type"], "connection_refused")
        connected, status, code, body = self.fetch("https://nowhere.test/", "-D", "-")
        self.assertEqual(connected, 200)
        self.assertRegex(body, b"error=dns_")

    def test_a_server_that_speaks_no_tls(self):
        self.own()
        connected, status, code, body = self.fetch(f"https://localhost:{self.origins.port}/", "-D", "-")
        self.assertEqual((connected, status, code), (200, 502, 0))
        self.assertIn(b"error=tls_protocol_error", body)

    def test_a_port_that_may_not_be_reached(self):
        self.own(http={"connect_ports": [443]})
        self.assertEqual(self.fetch(self.origins.at("good"))[:3], (200, 403, 0))
        self.assertEqual(self.origins.log("good"), "")
