# SPDX-License-Identifier: Apache-2.0
"""What a browser or a tool does all day: requests in absolute-form, of every shape, against nginx and a server that shows what reached it."""
import http.client
import os
import time

from harness import SystemTest, curl, until
from nginx import Nginx
from wire import Closed, Origin, Peer, answering, ask, echoing, get, response


class Curl(SystemTest):
    @classmethod
    def setUpClass(cls):
        cls.nginx = Nginx()
        cls.addClassCleanup(cls.nginx.close)
        cls.proxy = cls.shared()

    def curl(self, *args, **keys):
        return curl(*args, proxy=self.proxy.port, **keys).stdout

    def test_get(self):
        self.assertEqual(self.curl(self.nginx.url("/1k")), self.nginx.read("1k"))
        event = self.proxy.event(url__path="/1k", http__request__method="GET")
        self.assertEqual(event["event.action"], "allowed")
        self.assertEqual(event["event.outcome"], "success")
        self.assertEqual(event["http.response.status_code"], 200)
        self.assertEqual(event["http.response.body.bytes"], 1024)
        self.assertEqual(event["client.ip"], "127.0.0.1")
        self.assertEqual(event["server.ip"], "127.0.0.1")
        self.assertEqual(event["server.port"], self.nginx.port)
        self.assertEqual(event["network.protocol"], "http")
        self.assertEqual(event["http.version"], "1.1")
        self.assertEqual(event["url.full"], self.nginx.url("/1k"))
        self.assertTrue(event["user_agent.original"].startswith("curl/"))
        self.assertIn("allowed", event["event.type"])
        self.assertGreater(event["event.duration"], 0)

    def test_large_response_arrives_whole(self):
        self.assertEqual(self.curl(self.nginx.url("/1m")), self.nginx.read("1m"))

    def test_head(self):
        answer = self.curl("-I", self.nginx.url("/1k")).decode()
        self.assertIn("200 OK", answer)
        self.assertRegex(answer, r"(?i)content-length: 1024\r")

    def test_put_is_stored_byte_for_byte(self):
        body = os.urandom(700_000)
        (self.nginx.folder / "up").write_bytes(body)
        self.curl("-T", self.nginx.folder / "up", self.nginx.url("/upload/put"))
        self.assertEqual(self.nginx.read("upload/put"), body)

    def test_put_chunked_is_stored_byte_for_byte(self):
        body = os.urandom(700_000)
        (self.nginx.folder / "up-chunked").write_bytes(body)
        self.curl("-T", self.nginx.folder / "up-chunked", "-H", "Transfer-Encoding: chunked", self.nginx.url("/upload/chunked"))
        self.assertEqual(self.nginx.read("upload/chunked"), body)

    def test_put_with_expect_continue(self):
        body = os.urandom(2_000_000)
        (self.nginx.folder / "up-expect").write_bytes(body)
        begun = time.monotonic()
        self.curl("-T", self.nginx.folder / "up-expect", "-H", "Expect: 100-continue", "--expect100-timeout", "30", self.nginx.url("/upload/expect"))
        self.assertLess(time.monotonic() - begun, 15, "the 100 did not come: curl waited for it")
        self.assertEqual(self.nginx.read("upload/expect"), body)

    def test_post(self):
        self.assertEqual(self.curl("--data-binary", "a" * 5000, self.nginx.url("/post")), b"5000\n")

    def test_ranges(self):
        content = self.nginx.read("1k")
        self.assertEqual(self.curl("-r", "100-199", self.nginx.url("/1k")), content[100:200])
        self.assertEqual(self.curl("-r", "-24", self.nginx.url("/1k")), content[-24:])
        several = self.curl("-i", "-r", "0-9,20-29", self.nginx.url("/1k"))
        self.assertIn(b"206 Partial", several)
        self.assertIn(b"multipart/byteranges", several)
        self.assertIn(b"416", self.curl("-i", "-r", "5000-", self.nginx.url("/1k")).split(b"\r\n")[0])

    def test_http_1_0(self):
        self.assertEqual(self.curl("-0", self.nginx.url("/1k")), self.nginx.read("1k"))
        self.proxy.event(http__version="1.0", url__path="/1k")

    def test_redirect_and_errors_pass(self):
        self.assertIn(b"301", self.curl("-i", self.nginx.url("/moved")).split(b"\r\n")[0])
        self.assertIn(b"404", self.curl("-i", self.nginx.url("/none")).split(b"\r\n")[0])
        self.assertEqual(self.curl("-L", self.nginx.url("/moved")), self.nginx.read("1k"))

    def test_no_content_and_not_modified_keep_the_connection(self):
        out = curl("-i", self.nginx.url("/empty"), self.nginx.url("/1k"), "-w", "\nconnects:%{num_connects}\n", proxy=self.proxy.port).stdout
        self.assertIn(b"204 No Content", out)
        self.assertTrue(out.endswith(b"connects:0\n"), out[-80:])
        stamp = [line for line in self.curl("-I", self.nginx.url("/1k")).decode().splitlines() if line.lower().startswith("last-modified: ")][0]
        out = curl("-i", "-H", "If-Modified-Since: " + stamp.split(": ", 1)[1], self.nginx.url("/1k"), proxy=self.proxy.port).stdout
        self.assertIn(b"304 Not Modified", out)
        self.assertTrue(out.endswith(b"\r\n\r\n"))

    def test_ipv6_literal(self):
        self.assertEqual(self.curl("-g", self.nginx.url("/1k", "[::1]")), self.nginx.read("1k"))
        event = self.proxy.event(server__ip="::1")
        self.assertEqual(event["url.full"], self.nginx.url("/1k", "[::1]"))
        self.assertEqual(event["url.domain"].strip("[]"), "::1")

    def test_http_client_keeps_the_connection(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.proxy.port, timeout=10)
        connection.connect()
        local = connection.sock.getsockname()
        for _ in range(20):
            connection.request("GET", self.nginx.url("/1k"))
            answer = connection.getresponse()
            self.assertEqual(answer.read(), self.nginx.read("1k"))
            self.assertEqual(connection.sock.getsockname(), local)
        connection.close()
        events = self.proxy.event(count=20, client__port=local[1])
        self.assertEqual(len({event["event.id"] for event in events}), 20)


class Shapes(SystemTest):
    """Against a server of ours that answers with what it got."""

    @classmethod
    def setUpClass(cls):
        cls.origin = Origin(echoing)
        cls.addClassCleanup(cls.origin.close)
        cls.proxy = cls.shared()

    def seen(self, *fields, path="/", **keys):
        """The request head as the origin got it."""
        _, body = ask(self.proxy.port, self.origin.url(path), *fields, **keys)
        return body.decode("latin-1")

    def test_origin_form_and_host_reach_the_server(self):
        head = self.seen(path="/a/../b?x=%7e&y=1", host="wrong.example")
        self.assertTrue(head.startswith("GET /a/../b?x=%7e&y=1 HTTP/1.1\r\n"), head)
        self.assertIn(f"\r\nHost: 127.0.0.1:{self.origin.port}\r\n", head)      # RFC 9112 3.2.2: the target's authority, not the field
        self.assertNotIn("wrong.example", head)

    def test_hop_by_hop_fields_stay_here(self):
        head = self.seen("Connection: keep-alive, X-Private, close", "X-Private: 1", "Keep-Alive: timeout=5", "Proxy-Connection: keep-alive",
                         "TE: trailers, deflate", "Trailer: X-T", "Proxy-Authorization: Basic dTpw", "X-Kept: yes").lower()
        for name in ("x-private", "keep-alive:", "proxy-connection", "proxy-authorization"):
            self.assertNotIn("\r\n" + name, head)
        self.assertNotIn("deflate", head)
        self.assertIn("\r\nx-kept: yes\r\n", head)

    def test_response_hop_by_hop_fields_stay_there(self):
        def answer(head, body):
            return response(b"ok", "200 OK", "Connection: X-Secret", "X-Secret: 1", "Keep-Alive: timeout=9", "Proxy-Authenticate: Basic realm=x", "X-Kept: yes")
        origin = Origin(answering(answer))
        self.addCleanup(origin.close)
        head, body = ask(self.proxy.port, origin.url())
        self.assertEqual(body, b"ok")
        self.assertIsNone(head.get("x-secret"))
        self.assertNotIn("timeout=9", head.get("keep-alive") or "")
        self.assertEqual(head.get("x-kept"), "yes")

    def test_via_is_added_both_ways(self):
        head, body = ask(self.proxy.port, self.origin.url(), "Via: 1.0 fred")
        self.assertRegex(body.decode(), r"(?i)\r\nVia: 1\.0 fred(, |\r\nVia: )1\.1 \S+")
        self.assertRegex(head.get("via") or "", r"^1\.1 \S+")

    def test_loop_is_found(self):
        head, _ = ask(self.proxy.port, self.origin.url())
        own = head.get("via")
        answer, _ = ask(self.proxy.port, self.origin.url(), "Via: 1.1 other, " + own)
        self.assert_refusal(answer, 502, "proxy_loop_detected")
        self.proxy.event(error__type="proxy_loop_detected")

    def test_nothing_says_who_the_client_is(self):
        head = self.seen().lower()
        self.assertNotIn("\r\nforwarded:", head)
        self.assertNotIn("\r\nx-forwarded-for:", head)

    def test_max_forwards(self):
        for method in ("TRACE", "OPTIONS"):
            seen = self.seen("Max-Forwards: 5", method=method)
            self.assertIn("\r\nMax-Forwards: 4\r\n", seen)
            before = self.origin.accepted
            head, _ = ask(self.proxy.port, self.origin.url("/mf"), "Max-Forwards: 0", method=method)
            self.assertLess(head.status, 500)
            self.assertEqual(self.origin.accepted, before)
        self.assertIn("\r\nMax-Forwards: 5\r\n", self.seen("Max-Forwards: 5"))        # RFC 9110 7.6.2: other methods may ignore it

    def test_options_asterisk(self):
        head = self.seen(method="OPTIONS")
        self.assertTrue(head.startswith("OPTIONS / ") or head.startswith("OPTIONS * "), head)
        head, body = ask(self.proxy.port, f"http://127.0.0.1:{self.origin.port}", method="OPTIONS")
        self.assertTrue(body.startswith(b"OPTIONS * HTTP/1.1\r\n"), body)              # RFC 9112 3.2.4

    def test_pipelined_requests_are_answered_in_order(self):
        with Peer.connect(self.proxy.port) as peer:
            peer.send(b"".join(get(self.origin.url(f"/{number}")) for number in range(30)))
            for number in range(30):
                head, body = peer.read_response()
                self.assertEqual(head.status, 200)
                self.assertTrue(body.startswith(f"GET /{number} ".encode()), body)

    def test_pipelined_behind_an_upload(self):
        with Peer.connect(self.proxy.port) as peer:
            peer.send(get(self.origin.url("/first"), method="POST", body=b"x" * 100_000) + get(self.origin.url("/second")))
            _, body = peer.read_response()
            self.assertTrue(body.endswith(b"x" * 100_000))
            _, body = peer.read_response()
            self.assertTrue(body.startswith(b"GET /second "))

    def test_upstream_connections_are_pooled(self):
        ask(self.proxy.port, self.origin.url())
        before = self.origin.accepted
        with Peer.connect(self.proxy.port) as peer:
            for _ in range(25):
                peer.send(get(self.origin.url()))
                self.assertEqual(peer.read_response()[0].status, 200)
        self.assertLessEqual(self.origin.accepted - before, 1)

    def test_close_is_obeyed(self):
        for fields, version in ((("Connection: close",), "1.1"), ((), "1.0")):
            with Peer.connect(self.proxy.port) as peer:
                peer.send(get(self.origin.url(), *fields, version=version))
                head, _ = peer.read_response()
                self.assertEqual(head.status, 200)
                self.assertEqual(peer.ended(), "close")
        with Peer.connect(self.proxy.port) as peer:        # RFC 9112 9.3: a proxy never keeps a connection with an HTTP/1.0 client
            peer.send(get(self.origin.url(), "Connection: keep-alive", version="1.0"))
            self.assertEqual(peer.read_response()[0].status, 200)
            self.assertEqual(peer.ended(), "close")

    def test_request_trailers_go_on(self):
        got = []

        def handle(peer):
            head, body = peer.read_request()
            got.append((head, body, peer.trailers))
            peer.send(response(b"ok"))
        origin = Origin(handle)
        self.addCleanup(origin.close)
        with Peer.connect(self.proxy.port) as peer:
            peer.send(get(origin.url(), "Transfer-Encoding: chunked", "Trailer: X-Sum", method="POST"))
            peer.send(b"5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 42\r\nContent-Length: 3\r\n\r\n")
            self.assertEqual(peer.read_response()[0].status, 200)
        head, body, trailers = got[0]
        self.assertEqual(body, b"hello world")
        self.assertEqual(head.all("transfer-encoding"), ["chunked"])
        self.assertIsNone(head.get("content-length"))
        self.assertIn(("x-sum", "42"), trailers)
        self.assertNotIn("content-length", [name for name, _ in trailers])             # RFC 9110 6.5.1

    def test_response_trailers_go_on(self):
        def handle(peer):
            peer.read_request()
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n")
        origin = Origin(handle)
        self.addCleanup(origin.close)
        with Peer.connect(self.proxy.port) as peer:
            peer.send(get(origin.url(), "TE: trailers", "Connection: TE"))
            _, body = peer.read_response()
            self.assertEqual(body, b"abc")
            self.assertEqual(peer.trailers, [("x-sum", "7")])

    def test_interim_responses_go_on(self):
        def handle(peer):
            peer.read_request()
            peer.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n")
            peer.send(response(b"ok"))
        origin = Origin(handle)
        self.addCleanup(origin.close)
        with Peer.connect(self.proxy.port) as peer:
            peer.send(get(origin.url()))
            head = peer.read_head()
            self.assertEqual((head.status, head.get("link")), (103, "</a.css>; rel=preload"))
            self.assertEqual(peer.read_head().status, 102)
            self.assertEqual(peer.read_response()[1], b"ok")
        with Peer.connect(self.proxy.port) as peer:                                    # RFC 9110 15.2: never to HTTP/1.0
            peer.send(get(origin.url(), version="1.0"))
            self.assertEqual(peer.read_response(interim=True)[0].status, 200)

    def test_continue_comes_from_the_server(self):
        def handle(peer):
            head = peer.read_head()
            assert head.get("expect") == "100-continue", head.raw
            peer.send("HTTP/1.1 100 Continue\r\n\r\n")
            body = peer.read_body(head)
            peer.send(response(body))
        origin = Origin(handle)
        self.addCleanup(origin.close)
        with Peer.connect(self.proxy.port) as peer:
            peer.send(get(origin.url(), "Expect: 100-continue", "Content-Length: 5", method="PUT"))
            self.assertEqual(peer.read_head().status, 100)
            peer.send("12345")
            self.assertEqual(peer.read_response()[1], b"12345")
        self.assertEqual(origin.failures, [])

    def test_refused_expectation_needs_no_body(self):
        def handle(peer):
            peer.read_head()
            peer.send(response(b"no", "403 Forbidden", "Connection: close"))
        origin = Origin(handle)
        self.addCleanup(origin.close)
        with Peer.connect(self.proxy.port) as peer:
            peer.send(get(origin.url(), "Expect: 100-continue", "Content-Length: 5000000", method="PUT"))
            self.assertEqual(peer.read_response()[0].status, 403)
            self.assertEqual(peer.ended(), "close")

    def test_unknown_expectation(self):
        head, _ = ask(self.proxy.port, self.origin.url(), "Expect: miracles")
        self.assert_refusal(head, 417)

    def test_early_response_to_an_upload(self):
        def handle(peer):
            peer.read_head()
            peer.send(response(b"enough", "413 Content Too Large", "Connection: close"))
            try:
                while peer.sock.recv(65536):
                    pass
            except OSError:
                pass
        origin = Origin(handle)
        self.addCleanup(origin.close)
        with Peer.connect(self.proxy.port) as peer:
            peer.send(get(origin.url(), "Content-Length: 100000000", method="POST"))
            try:
                for _ in range(32):
                    peer.send(b"x" * 16384)
            except OSError:
                pass
            head, body = peer.read_response()
            self.assertEqual((head.status, body), (413, b"enough"))

    def test_response_until_close_is_chunked(self):
        def handle(peer):
            peer.read_request()
            peer.send("HTTP/1.1 200 OK\r\n\r\nuntil the end")
        origin = Origin(handle)
        self.addCleanup(origin.close)
        with Peer.connect(self.proxy.port) as peer:
            for _ in range(2):
                peer.send(get(origin.url()))
                head, body = peer.read_response()
                self.assertEqual(head.get("transfer-encoding"), "chunked")
                self.assertEqual(body, b"until the end")
        head, body = ask(self.proxy.port, origin.url(), version="1.0")
        self.assertIsNone(head.get("transfer-encoding"))
        self.assertEqual(body, b"until the end")

    def test_chunked_response_to_http_1_0(self):
        def handle(peer):
            peer.read_request()
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n")
        origin = Origin(handle)
        self.addCleanup(origin.close)
        with Peer.connect(self.proxy.port) as peer:
            peer.send(get(origin.url(), version="1.0"))
            head, body = peer.read_response()
            self.assertIsNone(head.get("transfer-encoding"))
            self.assertEqual(body, b"abcdefg")

    def test_repeated_fields_stay_apart(self):
        def answer(head, body):
            return response(b"", "200 OK", "Set-Cookie: a=1", "Set-Cookie: b=2")
        origin = Origin(answering(answer))
        self.addCleanup(origin.close)
        head, _ = ask(self.proxy.port, origin.url())
        self.assertEqual(head.all("set-cookie"), ["a=1", "b=2"])

    def test_a_stale_pooled_connection_is_not_an_error(self):
        """The server closes idle connections at will; a request that meets one is sent again on a new one."""
        def handle(peer):
            peer.read_request()
            peer.send(response(b"ok"))
            peer.close()                               # keep-alive promised, and not kept
        origin = Origin(handle)
        self.addCleanup(origin.close)
        for _ in range(10):
            self.assertEqual(ask(self.proxy.port, origin.url())[0].status, 200)

    def test_client_that_leaves_ends_the_upload(self):
        ends = []

        def handle(peer):
            head = peer.read_head()
            try:
                peer.read_body(head)
                ends.append("whole")
            except Closed:
                ends.append("cut")
        origin = Origin(handle)
        self.addCleanup(origin.close)
        peer = Peer.connect(self.proxy.port)
        peer.send(get(origin.url("/leaves"), "Content-Length: 1000", method="POST") + b"x" * 10)
        until(lambda: origin.accepted, "the upload at the origin")
        peer.close()
        until(lambda: ends == ["cut"], "the cut at the origin")
        self.proxy.event(url__path="/leaves", event__action="aborted")


class ForwardedFields(SystemTest):
    def seen(self, mode, *fields):
        origin = Origin(echoing)
        self.addCleanup(origin.close)
        proxy = self.sluice(http={"forwarded": mode})
        return ask(proxy.port, origin.url(), *fields)[1].decode()

    def test_forwarded(self):
        head = self.seen("forwarded", "Forwarded: for=192.0.2.9")
        self.assertRegex(head, r"(?i)\r\nForwarded: for=192\.0\.2\.9(, ?|\r\n(.*\r\n)*Forwarded: )[^\r]*for=\"?127\.0\.0\.1")

    def test_x_forwarded_for(self):
        head = self.seen("x-forwarded-for", "X-Forwarded-For: 192.0.2.9")
        self.assertRegex(head, r"(?i)\r\nX-Forwarded-For: 192\.0\.2\.9(, ?|\r\n(.*\r\n)*X-Forwarded-For: )127\.0\.0\.1\r\n")
