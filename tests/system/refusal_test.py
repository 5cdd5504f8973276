# SPDX-License-Identifier: Apache-2.0
"""What a person or a program is told when something is refused, and what must never be written down."""
import json

from harness import SystemTest, free_port, rule
from wire import Closed, Origin, Peer, ask, echoing, get


class Pages(SystemTest):
    @classmethod
    def setUpClass(cls):
        cls.proxy = cls.shared([rule("no-ads", 'url.domain == "ads.example"', "block", reason="Advertising <b>is</b> blocked & gone.")])

    def page(self, *fields, url="http://ads.example/x?token=geheim&q=1"):
        return ask(self.proxy.port, url, *fields)

    def test_by_accept(self):
        for accept, kind in (("Accept: text/html,application/xhtml+xml,*/*;q=0.8", "text/html"), ("Accept: application/json", "application/json"),
                             ("Accept: text/plain", "text/plain"), ("Accept: application/json;q=0.5, text/html;q=0.4", "application/json"),
                             ("X-None: 1", "text/html")):
            head, body = self.page(accept)
            self.assert_refusal(head, 403)
            self.assertTrue(head.get("content-type").startswith(kind), (accept, head.get("content-type")))
            self.assertIn(b"no-ads", body)

    def test_json(self):
        head, body = self.page("Accept: application/json")
        page = json.loads(body)
        self.assertIn("Advertising <b>is</b> blocked & gone.", page.values())
        self.assertIn("no-ads", page.values())

    def test_html_is_escaped_and_looks_like_a_page(self):
        head, body = self.page("Accept: text/html", url="http://ads.example/<script>alert(1)</script>%22%3E")
        text = body.decode()
        self.assertTrue(text.lstrip().lower().startswith("<!doctype html>"))
        self.assertIn("Advertising &lt;b&gt;is&lt;/b&gt; blocked &amp; gone.", text)
        self.assertNotIn("<script>alert(1)", text)
        self.assertIn("<style", text)

    def test_the_event_id_is_on_the_page_and_in_the_log(self):
        for accept in ("text/html", "application/json", "text/plain"):
            _, body = self.page("Accept: " + accept, url=f"http://ads.example/id/{accept}")
            event = self.proxy.event(url__path=f"/id/{accept}")
            self.assertIn(event["event.id"].encode(), body)

    def test_secrets_of_the_url_are_not_shown_back(self):
        for accept in ("text/html", "application/json", "text/plain"):
            self.assertNotIn(b"geheim", self.page("Accept: " + accept)[1])

    def test_head_gets_no_body(self):
        with Peer.connect(self.proxy.port) as peer:
            for _ in range(2):
                peer.send(get("http://ads.example/", method="HEAD"))
                head, _ = peer.read_response("HEAD")
                self.assert_refusal(head, 403)
                self.assertGreater(int(head.get("content-length")), 0)

    def test_a_refusal_is_not_kept_by_caches(self):
        head, _ = self.page()
        self.assertIn("no-store", (head.get("cache-control") or "").lower())

    def test_own_template(self):
        folder = self.folder()
        (folder / "page.html").write_text("<html>OUR OWN {{what}} {{reason}} {{id}}</html>")
        proxy = self.sluice([rule("no", 'url.domain == "ads.example"', "block", reason="because <x>")], http={"page": str(folder / "page.html")})
        _, body = ask(proxy.port, "http://ads.example/", "Accept: text/html")
        self.assertIn(b"OUR OWN", body)
        self.assertIn(b"because &lt;x&gt;", body)


class EveryAnswer(SystemTest):
    """Proxy-Status stands on every answer of the proxy's own, and on none of the server's."""

    def test_statuses(self):
        proxy = self.sluice(limits={"header_bytes": "16KiB", "request_target": "4KiB"})
        url = f"http://127.0.0.1:{free_port()}/"
        long = "x" * 5000
        for data, status in ((get("http://127.0.0.1/\x01"), 400), (b"GARBAGE\r\n\r\n", 400), (get(url), 502), (get("http://127.0.0.1/" + long), 414),
                             (get(url, *[f"X-{number}: {'y' * 1000}" for number in range(20)]), 431), (get(url, version="2.0"), 505),
                             (get(url, "Expect: wonders"), 417), (get("http://nowhere.invalid/"), (502, 504)), (get("gopher://127.0.0.1/"), (400, 403, 501, 502)),
                             (get("http://127.0.0.1:25/"), 403), (get("127.0.0.1:25", method="CONNECT", host="127.0.0.1:25"), 403),
                             (b"GET /other HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", (400, 403, 404, 421)),
                             (b"GET http://a/ HTTP/1.1\r\n\r\n", 400), (b"GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400)):
            with self.subTest(data=data[:80]), Peer.connect(proxy.port) as peer:
                peer.send(data)
                head, _ = peer.read_response()
                if isinstance(status, tuple):
                    self.assertIn(head.status, status)
                    status = head.status
                self.assert_refusal(head, status)
                self.assertIsNotNone(head.get("date"))

    def test_what_is_ambiguous_closes_the_connection(self):
        origin = Origin(echoing)
        self.addCleanup(origin.close)
        proxy = self.sluice()
        for fields in (("Content-Length: 3", "Content-Length: 4"), ("Content-Length: 3", "Content-Length: 3"), ("Content-Length: 3, 3",),
                       ("Content-Length: +3",), ("Content-Length: 0x3",), ("Content-Length: -1",), ("Content-Length: 99999999999999999999",),
                       ("Content-Length: 3", "Transfer-Encoding: chunked"), ("Transfer-Encoding: gzip, chunked",), ("Transfer-Encoding: xchunked",),
                       ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), ("Transfer-Encoding: identity",), ("Transfer-Encoding : chunked",),
                       ("X: a\r\n folded",), ("X: a\rb",), ("X: a\nb",), ("X: a\0b",), (" X: 1",), ("X y: 1",), (": empty",)):
            with self.subTest(fields=fields), Peer.connect(proxy.port) as peer:
                peer.send(get(origin.url(), *fields, method="POST") + b"abc" + get(origin.url("/smuggled")))
                head, _ = peer.read_response()
                self.assert_refusal(head, 400, "http_request_error")
                try:
                    self.assertEqual(peer.read_to_end(), b"")
                except Closed as closed:
                    self.assertEqual(closed.data, b"")
        self.assertEqual([peer.buffer for peer in origin.peers if peer.buffer], [])
        self.assertEqual(origin.accepted, 0)

    def test_bad_chunks_are_never_passed_on_as_whole(self):
        got = []

        def handle(peer):
            head = peer.read_head()
            try:
                got.append(peer.read_body(head))
            except Closed:
                got.append(None)
        origin = Origin(handle)
        self.addCleanup(origin.close)
        proxy = self.sluice()
        for body in (b"3\nabc\r\n0\r\n\r\n", b"3\r\nabcd\r\n0\r\n\r\n", b"-3\r\nabc\r\n0\r\n\r\n", b"0x3\r\nabc\r\n0\r\n\r\n", b"3 \r\nabc\r\n0\r\n\r\n",
                     b"fffffffffffffffff\r\nabc", b"3;\x01\r\nabc\r\n0\r\n\r\n", b"3\r\nabc\r\n0\r\nX y: 1\r\n\r\n", b"\r\n3\r\nabc\r\n0\r\n\r\n",
                     b"1;" + b"x" * 10000 + b"\r\na\r\n0\r\n\r\n"):
            with self.subTest(body=body[:40]), Peer.connect(proxy.port) as peer:
                peer.send(get(origin.url(), "Transfer-Encoding: chunked", method="POST") + body)
                self.assert_refusal(peer.read_response()[0], 400, "http_request_error")
        self.assertEqual([body for body in got if body is not None], [])

    def test_server_answers_carry_none(self):
        origin = Origin(echoing)
        self.addCleanup(origin.close)
        proxy = self.sluice()
        self.assertNotIn("error=", ask(proxy.port, origin.url())[0].get("proxy-status") or "")


class Secrets(SystemTest):
    def test_nothing_secret_is_logged(self):
        origin = Origin(echoing)
        self.addCleanup(origin.close)
        proxy = self.sluice(log={"redact": ["token", "password"], "level": "debug"})
        secret = "Gehe1mnis"
        head, body = ask(proxy.port, origin.url(f"/path?a=1&token={secret}&PASSWORD={secret}&pass%77ord={secret}&b=2"),
                         f"Authorization: Bearer {secret}", f"Cookie: session={secret}", f"Proxy-Authorization: Basic {secret}",
                         f"Referer: http://user:{secret}@ref.example/?token={secret}")
        self.assertIn(secret.encode(), body)                               # the server gets it all, as it came
        event = proxy.event(url__path="/path")
        self.assertIn("a=1", event["url.query"])
        self.assertIn("b=2", event["url.query"])
        with Peer.connect(proxy.port) as peer:
            peer.send(get(f"http://user:{secret}@127.0.0.1:{origin.port}/userinfo", host=f"127.0.0.1:{origin.port}"))
            peer.read_response()
        proxy.event(url__port=origin.port, count=2)
        with Peer.connect(proxy.port) as peer:                             # malformed: the refusal must not quote it either
            peer.send(get(origin.url(), f"Cookie: {secret}\x01"))
            self.assertEqual(peer.read_response()[0].status, 400)
        proxy.event(http__response__status_code=400)
        self.assertNotIn(secret, proxy.events_path.read_text())
        self.assertNotIn(secret, proxy.stderr())
