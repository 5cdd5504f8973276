# SPDX-License-Identifier: Apache-2.0
"""ClientHellos: names that differ from the CONNECT's or are absent, what is not TLS, TLS in pieces."""
import ssl
import time

from harness import rule
from tls import (Shown, SlicedTls, TlsTest, connect, leaf_of, open_tls, raw_hello, records_of_one_octet, s_client, segments_of, tls_client,
                 with_extensions)
from wire import Closed, Origin, Peer, echoing, get


class Names(TlsTest):
    """The CONNECT's name and the ClientHello's."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.letters = cls.pki.server("letters", names=[f"DNS:{letter}.test" for letter in "abcde"])

    def letters_origin(self):
        return self.origin(echoing, self.letters)

    def test_absent(self):
        self.own()
        output = s_client(self.proxy.port, self.origins.host("good"), "-CAfile", self.proxy.ca, "-verify_hostname", "good.test", name=None)
        self.assertIn("Verify return code: 0 (ok)", output)
        peer = open_tls(self.proxy.port, self.origins.host("good"), tls_client(self.proxy.ca), name=None)
        peer.send(get("/nameless", host=self.origins.host("good")))
        self.assertEqual(peer.read_response()[1], b"the secret of good\n")
        peer.close()
        event = self.proxy.event(url__path="/nameless")
        self.assertNotIn("tls.client.server_name", event)
        self.assertTrue(event["tls.client.ja4"].startswith("t13i"), event["tls.client.ja4"])

    def test_an_address(self):
        self.own([rule("by-address", 'url.path == "/no"', "block")])
        authority = f"127.0.0.1:{self.origins.ports['good']}"
        for path, status in (("/yes", 200), ("/no", 403)):
            self.assertEqual(self.fetch(f"https://{authority}{path}")[1], status)
        self.assertEqual(self.fetch(f"https://127.0.0.1:{self.letters_origin().port}/")[1], 502)     # whose certificate has no address
        leaf = Shown(leaf_of(s_client(self.proxy.port, authority, "-CAfile", self.proxy.ca, name=None)))
        self.assertIn("IP Address:127.0.0.1", leaf.names)

    def test_the_page_for_an_address(self):
        self.own([rule("no", "url.domain == \"127.0.0.1\"", "block")])
        self.assertEqual(self.fetch(f"https://127.0.0.1:{self.origins.ports['good']}/")[:3], (200, 403, 0))

    def ask(self, origin, connect_name, hello_name, host=None):
        """(status of what is inside, or None where there is no way in; the certificate's names) for the names of a CONNECT, a ClientHello, a request."""
        try:
            peer = open_tls(self.proxy.port, f"{connect_name}:{origin.port}", tls_client(), name=hello_name)
        except (OSError, Closed):
            return None, []
        with peer:
            names = Shown.of(peer).names
            peer.send(get("/", host=f"{host or hello_name or connect_name}:{origin.port}"))
            return peer.read_response()[0].status, names

    def test_blocked_if_either_is(self):
        self.own([rule("not-b", 'url.domain == "b.test"', "block")])
        origin = self.letters_origin()
        self.assertEqual(self.ask(origin, "a.test", "a.test")[0], 200)
        self.assertEqual(self.ask(origin, "a.test", "c.test")[0], 200)
        before = origin.accepted
        for connect_name, hello_name in (("b.test", "b.test"), ("b.test", "a.test"), ("a.test", "b.test"), ("b.test", None)):
            status, names = self.ask(origin, connect_name, hello_name)
            self.assertEqual((status, names), (403, [f"DNS:{hello_name or connect_name}"]))
        self.assertEqual([peer.buffer for peer in origin.peers[before:] if peer.buffer], [])
        events = self.proxy.event(count=4, http__request__method="CONNECT", rule__name="not-b", event__action="blocked")
        self.assertEqual({event.get("tls.client.server_name") for event in events}, {"a.test", "b.test", None})

    def test_in_phase_tls_too(self):
        self.own([rule("not-b", 'tls.client.server_name == "b.test"', "block"), rule("c-neither", 'url.domain == "c.test"', "block", phase="tls")])
        origin = self.letters_origin()
        for connect_name, hello_name, status in (("a.test", "a.test", 200), ("a.test", "b.test", 403), ("b.test", "a.test", 200), ("c.test", "a.test", 403),
                                                 ("a.test", "c.test", 403), ("c.test", None, 403), ("b.test", None, 200)):
            self.assertEqual(self.ask(origin, connect_name, hello_name)[0], status, (connect_name, hello_name))

    def test_tunnelled_only_if_both_are(self):
        self.own([rule("leave-a", 'url.domain == "a.test"', "tunnel"), rule("leave-b", 'url.domain == "b.test"', "tunnel")])
        origin = self.letters_origin()
        ours = [f"DNS:{letter}.test" for letter in "abcde"]
        theirs = Shown(self.letters.leaf.read_text()).serial
        for connect_name, hello_name, is_left in (("a.test", "a.test", True), ("a.test", "b.test", True), ("a.test", "c.test", False),
                                                  ("c.test", "a.test", False), ("a.test", None, True), ("c.test", "c.test", False)):
            peer = open_tls(self.proxy.port, f"{connect_name}:{origin.port}", tls_client(), name=hello_name)
            shown = Shown.of(peer)
            peer.close()
            self.assertEqual(shown.names, ours)
            self.assertEqual(shown.serial == theirs, is_left, (connect_name, hello_name))

    def test_trusted_only_if_both_are(self):
        self.own([rule("trust-a", 'url.domain == "a.test"', "trust"), rule("no-root", 'url.path == "/"', "block")])
        origin = self.letters_origin()
        theirs = Shown(self.letters.leaf.read_text()).serial
        peer = open_tls(self.proxy.port, f"a.test:{origin.port}", tls_client(self.pki.root))
        self.assertEqual(Shown.of(peer).serial, theirs)
        peer.close()
        for names in (("a.test", "c.test"), ("c.test", "a.test")):
            self.assertEqual(self.ask(origin, *names, "c.test")[0], 403, names)

    def test_a_request_for_another_name_of_the_certificate_is_judged_by_that(self):
        """What one says in public and what one then asks for need not agree."""
        self.own([rule("not-b", 'url.domain == "b.test"', "block"), rule("not-d", 'url.domain == "d.test" and url.path == "/"', "block")])
        origin = self.letters_origin()
        for host, status in (("a.test", 200), ("c.test", 200), ("b.test", 403), ("d.test", 403)):
            self.assertEqual(self.ask(origin, "a.test", "a.test", host)[0], status, host)

    def test_allowed_only_if_both_are(self):
        self.own([rule("allow-a", 'url.domain == "a.test"', "allow"), rule("allow-b", 'url.domain == "b.test"', "allow")], policy={"default": "block"})
        origin = self.letters_origin()
        for connect_name, hello_name, status in (("a.test", "a.test", 200), ("a.test", "b.test", 200), ("a.test", "c.test", 403), ("c.test", "a.test", 403),
                                                 ("c.test", "c.test", 403)):
            self.assertEqual(self.ask(origin, connect_name, hello_name)[0], status, (connect_name, hello_name))

    def hears(self, authority, hello):
        """The first octet that comes back to it, the server's or ours; b"" where nothing comes but the end."""
        peer = connect(self.proxy.port, authority)
        self.addCleanup(peer.close)
        peer.send(hello)
        try:
            return peer.read_exact(1)
        except Closed:
            return b""

    def test_other_spellings_of_a_name(self):
        self.own([rule("leave", "client.ip in 127.0.0.0/8", "tunnel"), rule("not-b", 'url.domain == "b.test"', "block", phase="request")])
        origin = self.letters_origin()
        for given in (b"b.test", b"B.tEsT", b"b.test."):
            name = b"x" * (len(given) - 5) + b".test"
            self.assertIn(self.hears(f"a.test:{origin.port}", raw_hello(name.decode()).replace(name, given)), (b"\x15", b""), given)
        self.assertNotIn(None, origin.handshakes)
        self.connect_event("a.test", count=3, rule__name="not-b")

    def reaches(self, hello):
        """Whether a server hears it, after a CONNECT for a.test."""
        seen = []
        origin = Origin(lambda peer: seen.append(peer.read_exact(1)))
        self.addCleanup(origin.close)
        self.hears(f"a.test:{origin.port}", hello)                                   # until there is an answer, or the end
        return seen == [b"\x16"]

    def test_a_name_that_cannot_be_read_is_not_tunnelled(self):
        """The CONNECT's name is left alone, the ClientHello's is not; and it has an extension twice, which OpenSSL does not mind where it is unknown."""
        self.own([rule("leave-a", 'url.domain == "a.test"', "tunnel")])
        once, twice = b"\x1a\x2b\0\0", b"\x1a\x2b\0\0" * 2
        with Peer.connect(self.letters_origin().port) as direct:
            direct.send(with_extensions(raw_hello("b.test"), twice))
            self.assertEqual(direct.read_exact(1), b"\x16")
        self.assertTrue(self.reaches(with_extensions(raw_hello("a.test"), once)))
        self.assertFalse(self.reaches(with_extensions(raw_hello("b.test"), twice)))

    def test_a_name_that_does_not_come_is_not_tunnelled(self):
        """A hello of which the rest waits until we have lost patience."""
        self.own([rule("leave-a", 'url.domain == "a.test"', "tunnel")])
        self.assertFalse(self.reaches(raw_hello("b.test")[:60]))


class NotTls(TlsTest):
    """What comes in a CONNECT and is not TLS, or not all of it."""

    BANNER = b"SSH-2.0-OpenSSH_9.2\r\n"

    def echo(self):
        def handle(peer):
            while data := peer.sock.recv(65536):
                peer.buffer += data
                peer.send(data)
        origin = Origin(handle)
        self.addCleanup(origin.close)
        return origin

    def refused(self, origin, sent, **wanted):
        peer = connect(self.proxy.port, f"a.test:{origin.port}")
        begun = time.monotonic()
        if sent:
            peer.send(sent)
        self.assertIn(peer.ended(6), ("close", "reset"))
        took = time.monotonic() - begun
        peer.close()
        event = self.connect_event("a.test", url__port=origin.port)
        self.assertEqual((event["event.action"], event["error.type"]), ("blocked", "http_request_denied"))
        self.assertEqual([other.buffer for other in origin.peers if other.buffer], [])
        return took

    def passes(self, origin, sent=BANNER):
        peer = connect(self.proxy.port, f"a.test:{origin.port}")
        peer.send(sent)
        self.assertEqual(peer.read_exact(len(sent)), sent)
        peer.close()
        event = self.connect_event("a.test", url__port=origin.port)
        self.assertEqual((event["event.action"], event["scan.verdict"], event["scan.reason"]), ("tunnelled", "skipped", "tunnel"))

    def test_blocked_where_everything_is_decrypted(self):
        self.own()
        for sent in (self.BANNER, b"\0\1\2\3", b"\x16\x05\x01\0\5hello", b"\x17\x03\x03\0\5hello"):
            with self.subTest(sent=sent):
                self.assertLess(self.refused(self.echo(), sent), 1.9)

    def test_a_server_that_speaks_first_is_not_heard(self):
        self.own()

        def handle(peer):
            peer.send(b"220 mail.example\r\n")
            peer.read_exact(1)
        origin = Origin(handle)
        self.addCleanup(origin.close)
        self.refused(origin, b"")

    def test_silence_for_two_seconds(self):
        self.own()
        took = self.refused(self.echo(), b"")
        self.assertGreater(took, 1.5)
        self.assertLess(took, 4)

    def test_a_hello_without_its_end(self):
        self.own()
        took = self.refused(self.echo(), raw_hello()[:-1])
        self.assertGreater(took, 1.5)
        self.assertLess(took, 4)

    def test_a_hello_that_drips_has_two_seconds_for_all_of_it(self):
        self.own()
        origin = self.echo()
        peer = connect(self.proxy.port, f"a.test:{origin.port}")
        begun = time.monotonic()
        hello = raw_hello()
        try:
            for at in range(len(hello) - 1):
                peer.send(hello[at:at + 1])
                peer.sock.settimeout(0.02)                                           # the pace of the drip, and a look whether it has ended
                try:
                    if not peer.sock.recv(100):
                        break
                except TimeoutError:
                    pass
        except OSError:
            pass
        self.assertLess(time.monotonic() - begun, 4)
        peer.close()
        self.assertEqual([other.buffer for other in origin.peers if other.buffer], [])

    def test_malformed_hellos(self):
        self.own()
        hello = raw_hello()
        long = hello[:3] + b"\x48\0" + hello[5:]                                     # a record longer than records are
        other = hello[:5] + b"\2" + hello[6:]                                        # a ServerHello
        empty = b"\x16\x03\x01\0\0" + hello
        name = hello.replace(b"\0\6a.test", b"\0\xffa.test")                         # a name beyond its list
        for sent in (long, other, empty, name):
            with self.subTest(sent=sent[:12]):
                self.refused(self.echo(), sent)

    def test_tunnelled_where_a_rule_says_so(self):
        self.own([rule("ssh", 'url.domain == "a.test"', "tunnel")])
        self.passes(self.echo())

    def test_tunnelled_without_interception(self):
        self.own(tls={"intercept": False})
        self.passes(self.echo())
        self.passes(self.echo(), b"\x16\x05\x01\0\5hello")

    def test_begun_and_not_ended_is_tunnelled_without_interception(self):
        self.own(tls={"intercept": False})
        self.passes(self.echo(), raw_hello()[:-1])


class Pieces(TlsTest):
    """A ClientHello over many records and many segments."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.proxy = cls.decrypting([rule("leave", 'url.domain == "a.test"', "tunnel")])

    def sliced(self, slice_up, authority=None, name="good.test", ca=None):
        peer = connect(self.proxy.port, authority or self.origins.host("good"))
        self.addCleanup(peer.close)
        return SlicedTls(peer, tls_client(ca or self.proxy.ca), name, slice_up)

    def test_records_of_one_octet(self):
        client = self.sliced(records_of_one_octet)
        self.assertIn(b"the secret of good", client.ask(get("/records", host=self.origins.host("good"))))
        self.assertEqual(self.proxy.event(url__path="/records")["tls.client.server_name"], "good.test")

    def test_segments_of_one_octet(self):
        client = self.sliced(segments_of(1))
        self.assertIn(b"the secret of good", client.ask(get("/segments", host=self.origins.host("good"))))

    def test_records_of_one_octet_in_segments_that_cut_them(self):
        client = self.sliced(lambda flight: segments_of(7)(b"".join(records_of_one_octet(flight))))
        self.assertIn(b"the secret of good", client.ask(get("/both", host=self.origins.host("good"))))

    def test_through_a_tunnel_they_pass_as_they_are(self):
        origin = self.origin(echoing)
        client = self.sliced(lambda flight: segments_of(7)(b"".join(records_of_one_octet(flight))), f"a.test:{origin.port}", "a.test", self.pki.root)
        self.assertIn(b"GET /tunnel HTTP/1.1", client.ask(get("/tunnel", host="a.test")))
        client.peer.close()
        self.assertEqual(self.connect_event("a.test")["tls.client.server_name"], "a.test")

    def test_a_name_in_pieces_is_seen_by_rules(self):
        proxy = self.decrypting([rule("no", 'tls.client.server_name == "b.test"', "block")], {"intercept": False}, clean_up=self.addCleanup)
        origin = self.origin(echoing)
        for slice_up in (records_of_one_octet, segments_of(1), lambda flight: [flight]):
            peer = connect(proxy.port, f"a.test:{origin.port}")
            with self.assertRaises((ssl.SSLError, OSError, Closed)):
                SlicedTls(peer, tls_client(), "b.test", slice_up)
            peer.close()
        self.assertEqual([error for error in origin.handshakes if error is None], [])
