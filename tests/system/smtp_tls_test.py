# SPDX-License-Identifier: Apache-2.0
"""STARTTLS and implicit TLS on both sides: policies, verification, and what is said in the clear around the handshake."""
import ssl

from harness import free_port, rule, until
from payloads import noise
from smtp_case import HOST, RECIPIENT, SENDER, SmtpTest, attached, message, through_sluice
from smtp_client import Client
from smtp_odd import CHUNKING, KEYWORDS, always, reset, tls
from tls import Shown, begin_tls, tls_client
from wire import Closed


class WithClient(SmtpTest):
    has_tls = True

    def secure(self, **keys):
        """A client after STARTTLS and a second EHLO."""
        client = self.client(**keys)
        client.starttls(self.trusting(), HOST)
        client.ehlo()
        return client


class TheClientsSide(WithClient):
    @through_sluice
    def test_starttls(self):
        self.start()
        client = self.client()
        self.assertIn("STARTTLS", client.keywords)
        client.envelope()
        client.starttls(self.trusting(), HOST)
        self.assertEqual(Shown.of(client).names, [f"DNS:{HOST}"])
        self.assert_code(client.ask(f"MAIL FROM:<{SENDER}>"), 503, "5.5.1")
        client.ehlo()
        self.assertNotIn("STARTTLS", client.keywords)
        self.assertIn("8BITMIME", client.keywords)
        self.assert_code(client.ask("STARTTLS"), 503, "5.5.1")
        self.assert_code(self.send(client=client), 250)
        self.received()
        event = self.mail_event(event__outcome="success")
        self.assertEqual(event["tls.version"], "1.3")

    def test_messages(self):
        for keywords, via in ((KEYWORDS, "DATA"), (CHUNKING, "BDAT")):
            self.start(self.odd(keywords=keywords, certificate=self.certificate))
            content = attached(noise(500_000))
            client = self.client()
            client.starttls(tls_client(self.pki.root), "mail.test") if not self.proxy else client.starttls(self.trusting(), HOST)
            client.ehlo()
            self.assert_code(self.send(content, client=client, via=via), 250)
            self.assert_same(self.received()[0].content, content)

    @through_sluice
    def test_the_upstream_hears_who_it_is_again(self):
        self.start()
        client = self.client("first.test")
        client.starttls(self.trusting(), HOST)
        client.ehlo("second.test")
        self.assertEqual(self.upstream.heard("EHLO")[-1], "EHLO second.test")
        self.assert_code(self.send(client=client), 250)
        self.assertEqual(self.received()[0].session.helo[1], "second.test")

    @through_sluice
    def test_off(self):
        self.start(smtp={"client_tls": "off"})
        client = self.client()
        self.assertNotIn("STARTTLS", client.keywords)
        self.assertIn(client.ask("STARTTLS").code, (500, 502, 454))
        self.assert_code(self.send(client=client), 250)

    @through_sluice
    def test_require(self):
        self.start(smtp={"client_tls": "require"})
        client = self.client()
        self.assertIn("STARTTLS", client.keywords)
        for command in (f"MAIL FROM:<{SENDER}>", "RCPT TO:<x@example.com>", "DATA", "AUTH PLAIN AHgAeA==", "VRFY x"):
            self.assert_code(client.ask(command), 530, "5.7.0")
        self.assert_code(client.ask("NOOP"), 250)
        self.assertEqual(self.upstream.heard("MAIL"), [])
        client.starttls(self.trusting(), HOST)
        client.ehlo()
        self.assert_code(self.send(client=client), 250)
        self.assert_code(self.client().ask("QUIT"), 221)

    @through_sluice
    def test_require_and_chunks(self):
        """They are swallowed."""
        self.start(smtp={"client_tls": "require"})
        client = self.client()
        client.send(b"BDAT 6 LAST\r\nQUIT\r\n")
        self.assert_code(client.reply(), 530, "5.7.0")
        self.assert_lives(client)

    @through_sluice
    def test_implicit(self):
        port = free_port()
        self.start(smtp={"implicit_tls": [f"127.0.0.1:{port}"]})
        client = Client.greeted(port, implicit=self.trusting())
        self.addCleanup(client.close)
        client.ehlo()
        self.assertNotIn("STARTTLS", client.keywords)
        self.assert_code(client.ask("STARTTLS"), 503, "5.5.1")
        self.assert_code(self.send(client=client), 250)
        self.received()

    @through_sluice
    def test_a_certificate_of_our_own(self):
        own = self.pki.server("own", names=["DNS:mx.own.test"])
        self.start(tls={"certificate": str(own.chain), "key": str(own.key)})
        client = self.client()
        client.starttls(tls_client(self.pki.root), "mx.own.test")
        self.assertEqual(Shown.of(client).names, ["DNS:mx.own.test"])
        client.ehlo()
        self.assert_code(self.send(client=client), 250)

    @through_sluice
    def test_commands_injected(self):
        """What came in the clear is not heard in TLS (CVE-2011-0411)."""
        self.start()
        for behind in (b"NOOP\r\n", f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{RECIPIENT}>\r\n".encode(), b"x", b"RSET\r\n" * 5000):
            with self.subTest(behind=behind[:10]):
                client = self.client()
                client.send(b"STARTTLS\r\n" + behind)
                replies, _ = client.rest()
                self.assertEqual([(reply.code, reply.enhanced) for reply in replies], [(554, "5.5.0")])
        self.assertEqual(self.upstream.heard("MAIL"), [])
        self.mail_event(event__action="refused")

    @through_sluice
    def test_no_handshake(self):
        self.start()
        client = self.client()
        client.must(220, "STARTTLS")
        client.send(b"MAIL FROM:<ann@example.org>\r\n")
        with self.assertRaises((Closed, AssertionError)):        # an alert, perhaps, and the end
            while True:
                client.reply()
        self.assertEqual(self.upstream.heard("MAIL"), [])
        until(lambda: self.upstream.sessions[0].ended, "the upstream's end")

    @through_sluice
    def test_cut_without_a_close_notify(self):
        self.start()
        client = self.secure()
        client.envelope()
        client.must(354, "DATA")
        client.send(message(b"x" * 100_000 + b"\r\n"))
        client.reset()
        self.assert_nothing_came()

    @through_sluice
    def test_old_versions(self):
        self.start()
        client = self.client()
        client.must(220, "STARTTLS")
        context = tls_client(self.ca)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        with self.assertRaises((ssl.SSLError, OSError)):
            begin_tls(client, context, HOST)

    @through_sluice
    def test_nothing_to_show(self):
        """No certificate, no CA: TLS is not offered, and to require it is an error."""
        self.has_tls = False
        self.start()
        client = self.client()
        self.assertNotIn("STARTTLS", client.keywords)
        self.assertIn("SMTP clients are offered no TLS", self.proxy.stderr())
        self.proxy.sections["smtp"]["client_tls"] = "require"
        self.proxy.configure()
        self.assertEqual(self.proxy.command("check").returncode, 1)

    @through_sluice
    def test_a_rule_on_the_version(self):
        """TLS is required for some recipients only."""
        self.start(rules=[rule("secret", 'smtp.rcpt_to ends_with "@secret.example" and not exists(tls.version)', "block", reason="Only over TLS.")])
        client = self.client()
        client.must(250, f"MAIL FROM:<{SENDER}>")
        reply = client.ask("RCPT TO:<bo@secret.example>")
        self.assert_blocked(reply, "secret")
        self.assertIn("Only over TLS.", reply.text)
        client.must(250, f"RCPT TO:<{RECIPIENT}>")
        self.assert_code(self.secure().envelope(to=("bo@secret.example",)).ask("NOOP"), 250)


@through_sluice
class TheUpstreamsSide(WithClient):
    def begin(self, script=(), trusts=True, certificate=None, rules=(), odd=None, **smtp):
        upstream = self.odd(script, certificate=certificate or self.certificate, **(odd or {}))
        return self.start(upstream, rules, smtp=smtp, tls={"upstream_ca": str(self.pki.root)} if trusts else {})

    def mail(self):
        """The reply to MAIL, in a session of its own."""
        return self.client().ask(f"MAIL FROM:<{SENDER}>")

    def delivered(self):
        """(in TLS, verified) of a message."""
        self.assert_code(self.send(), 250)
        event = self.mail_event(event__outcome="success")
        return self.received()[0].session.is_tls, event.get("tls.server.verified")

    def test_prefer(self):
        self.begin()
        self.assertEqual(self.delivered(), (True, True))
        self.assertEqual([line.split(" ")[0] for line in self.upstream.said[:3]], ["EHLO", "STARTTLS", "EHLO"])

    def test_prefer_where_there_is_none(self):
        self.start(self.odd(), tls={"upstream_ca": str(self.pki.root)})
        self.assertEqual(self.delivered()[0], False)

    def test_prefer_takes_any_certificate(self):
        """And says so."""
        self.begin(trusts=False)
        self.assertEqual(self.delivered(), (True, False))

    def test_prefer_where_it_is_refused_for_now(self):
        """STARTTLS that gets 454 is none; nothing else has happened."""
        self.begin([("STARTTLS", always("454 4.7.0 not now\n"))])
        self.assertEqual(self.delivered()[0], False)

    def test_prefer_does_not_fall_back(self):
        """After 220 there is no way back to the clear."""
        for moves in (["220 go\n", reset], ["220 go\n", b"no TLS at all\r\n" * 10, reset]):
            with self.subTest(moves=moves):
                self.begin([("STARTTLS", always(moves))])
                reply = self.mail()
                self.assertEqual((reply.code, reply.enhanced), (451, "4.7.5"), reply)
                self.assertEqual(self.upstream.heard("MAIL"), [])

    def test_off(self):
        self.begin(upstream_tls="off")
        self.assertEqual(self.delivered()[0], False)
        self.assertEqual(self.upstream.heard("STARTTLS"), [])

    def test_require(self):
        self.begin(upstream_tls="require")
        self.assertEqual(self.delivered(), (True, True))

    def test_require_where_there_is_none(self):
        self.start(self.odd(), smtp={"upstream_tls": "require"}, tls={"upstream_ca": str(self.pki.root)})
        client = self.client()
        self.assert_code(client.ask(f"MAIL FROM:<{SENDER}>"), 451, "4.7.5")
        self.assertEqual(self.upstream.heard("MAIL"), [])
        self.assertNotIn("8BITMIME", client.keywords)

    def test_require_where_it_is_refused(self):
        self.begin([("STARTTLS", always("454 4.7.0 not now\n"))], upstream_tls="require")
        self.assert_code(self.mail(), 451, "4.7.5")
        self.assertEqual(self.upstream.heard("MAIL"), [])

    def test_require_verifies(self):
        others = {"unknown root": (None, False), "another name": (self.pki.server("misnamed", names=["DNS:elsewhere.test"]), True),
                  "expired": (self.pki.server("expired", names=["DNS:mail.test"], days=(-20, -1)), True),
                  "its own": (self.pki.self_signed("own-signed", "/CN=mail.test", "subjectAltName=DNS:mail.test"), True)}
        for name, (certificate, trusts) in others.items():
            with self.subTest(certificate=name):
                self.begin(certificate=certificate, trusts=trusts, upstream_tls="require")
                self.assert_code(self.mail(), 451, "4.7.5")
                self.assertEqual(self.upstream.heard("MAIL"), [])
                self.mail_event(event__outcome="failure")

    def test_implicit(self):
        for verifies in (True, False):
            with self.subTest(trusts=verifies):
                self.begin(odd={"implicit": True}, trusts=verifies)
                in_tls, verified = self.delivered()
                self.assertTrue(in_tls)
                self.assertEqual(verified, verifies)
                self.assertEqual(self.upstream.heard("STARTTLS"), [])

    def test_replies_injected(self):
        """Behind its 220, in the clear (CVE-2021-38371): the connection is given up."""
        self.begin([("STARTTLS", always([b"220 go\r\n250-odd.test\r\n250 AUTH PLAIN\r\n", tls]))])
        reply = self.mail()
        self.assertIn((reply.code, reply.enhanced), ((451, "4.7.5"), (451, "4.4.1")), reply)
        self.assertEqual(self.upstream.heard("MAIL"), [])
        until(lambda: all(session.ended for session in self.upstream.sessions), "the upstream's end")

    def test_what_was_offered_in_the_clear_is_forgotten(self):
        self.begin(odd={"keywords": (*CHUNKING, "AUTH PLAIN"), "keywords_in_tls": ("8BITMIME",)}, auth_without_tls=True)
        client = self.client()
        self.assertEqual(set(client.keywords), {"PIPELINING", "CHUNKING", "SIZE", "STARTTLS", "8BITMIME"})

    def test_what_is_offered_in_tls(self):
        self.begin(odd={"keywords": (), "keywords_in_tls": KEYWORDS})
        client = self.client()
        self.assertLess({"8BITMIME", "SMTPUTF8", "DSN"}, set(client.keywords))

    def test_lmtp(self):
        self.begin(odd={"lmtp": True})
        self.assertEqual(self.delivered()[0], True)

    def test_both_sides(self):
        self.begin(upstream_tls="require", client_tls="require")
        self.assert_code(self.send(client=self.secure()), 250)
        self.assertTrue(self.received()[0].session.is_tls)
