# SPDX-License-Identifier: Apache-2.0
"""What EHLO offers, of ours and of the upstream's; and what becomes of a client whose upstream is not there."""
import socket

from harness import free_port
from smtp_case import HOST, KEYWORDS, RECIPIENT, SENDER, SmtpTest, through_sluice
from smtp_odd import always, end

OWN = {"PIPELINING", "CHUNKING", "SIZE"}                     # where we have no certificate


@through_sluice
class Offers(SmtpTest):
    """EHLO."""

    def offered(self, keywords, **smtp):
        self.start(self.odd(keywords=keywords), smtp=smtp)
        client = self.client()
        return client, set(client.keywords)

    def test_ours_and_the_upstreams(self):
        client, names = self.offered(KEYWORDS)
        self.assertEqual(names, OWN | {"8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES"})
        self.assertEqual(self.upstream.said, ["EHLO client.test"])
        self.assertTrue(all(not client.keywords[name] for name in names - {"SIZE"}), client.keywords)

    def test_of_an_upstream_that_has_nothing(self):
        client, names = self.offered(())
        self.assertEqual(names, OWN)
        self.assertEqual(client.keywords["SIZE"], str(50 * 1024 * 1024))

    def test_each_alone(self):
        for keyword in ("8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES"):
            with self.subTest(keyword=keyword):
                self.assertEqual(self.offered((keyword,))[1], OWN | {keyword})

    def test_binary_only_with_chunking(self):
        self.assertEqual(self.offered(("8BITMIME", "BINARYMIME"))[1], OWN | {"8BITMIME"})
        self.assertEqual(self.offered(("CHUNKING", "BINARYMIME"))[1], OWN | {"BINARYMIME"})

    def test_nothing_else(self):
        """Nothing that we do not know how to read."""
        _, names = self.offered(("8bitmime", "XCLIENT NAME ADDR", "XFORWARD NAME", "X-EXPS GSSAPI", "XEXCH50", "BURL imap", "ETRN", "ATRN", "TURN", "VERB", "REQUIRETLS", "DELIVERBY",
                                 "MT-PRIORITY", "FUTURERELEASE 1 1", "VRFY", "HELP", "STARTTLS", "SUBMITTER", "LIMITS RCPTMAX=3", "PRDR", "AUTH PLAIN"))
        self.assertEqual(names, OWN | {"8BITMIME"})

    def test_the_smaller_size(self):
        for upstream, ours, said in (("SIZE 1000000", "50MiB", "1000000"), ("SIZE 100000000", "2MiB", str(2 << 20)), ("SIZE 0", "2MiB", str(2 << 20)), ("SIZE", "2MiB", str(2 << 20)),
                                     ("SIZE 99999999999999999999999", "2MiB", str(2 << 20)), ("SIZE -4", "2MiB", str(2 << 20))):
            with self.subTest(upstream=upstream):
                self.assertEqual(self.offered((upstream,), max_message=ours)[0].keywords["SIZE"], said)

    def test_our_name(self):
        self.start()
        client = self.client(ehlo=None)
        self.assert_code(client.greeting, 220)
        self.assertEqual(client.greeting.lines[0].split(" ")[0], HOST)
        self.assertIn("ESMTP", client.greeting.text)
        self.assertEqual(client.ehlo().lines[0].split(" ")[0], HOST)

    def test_helo(self):
        """One line, nothing offered; the upstream hears the client's own name."""
        self.start()
        client = self.client(ehlo=None)
        reply = client.ask("HELO old.test")
        self.assert_code(reply, 250)
        self.assertEqual(len(reply.lines), 1)
        self.assertTrue(self.upstream.said[0].endswith("LO old.test"), self.upstream.said)
        self.assert_code(self.send(client=client), 250)

    def test_an_upstream_that_knows_no_ehlo(self):
        self.start(self.odd([("EHLO", always("502 5.5.1 what\n"))]))
        client = self.client()
        self.assertEqual(set(client.keywords), OWN)
        self.assertEqual(self.upstream.said, ["EHLO client.test", "HELO client.test"])
        self.assert_code(self.send(client=client), 250)
        self.received()

    def test_a_bad_name(self):
        self.start()
        client = self.client(ehlo=None)
        for command in ("EHLO", "EHLO ", "HELO"):
            self.assert_code(client.ask(command), 501, "5.5.4")
        self.assertEqual(self.upstream.said, [])

    def test_again(self):
        """It resets, and the offer is the same."""
        self.start()
        client = self.client()
        client.envelope()
        client.ehlo("again.test")
        self.assertIn("8BITMIME", client.keywords)
        self.assert_code(client.ask(f"RCPT TO:<{RECIPIENT}>"), 503, "5.5.1")
        self.assert_code(self.send(client=client), 250)
        self.assertEqual(self.received()[0].to, [RECIPIENT])

    def test_nobody_is_dialled_before(self):
        self.start()
        client = self.client(ehlo=None)
        self.assert_code(client.ask("NOOP"), 250)
        self.assertEqual(self.upstream.accepted, 0)
        client.ehlo()
        self.assertEqual(self.upstream.accepted, 1)


@through_sluice
class NoUpstream(SmtpTest):
    def test_nobody_there(self):
        self.start(f"127.0.0.1:{free_port()}", smtp={"auth_without_tls": True})
        client = self.client()
        self.assertEqual(set(client.keywords), OWN)
        self.assert_code(client.ask("AUTH PLAIN AHgAeA=="), 454, "4.7.0")
        self.assert_code(client.ask(f"MAIL FROM:<{SENDER}>"), 451, "4.4.1")
        self.assert_code(client.ask("NOOP"), 250)
        self.assert_code(client.ask(f"MAIL FROM:<{SENDER}>"), 451, "4.4.1")
        self.assert_code(client.ask(f"RCPT TO:<{RECIPIENT}>"), 503, "5.5.1")
        self.assert_code(client.ask("QUIT"), 221)
        event = self.mail_event(event__outcome="failure")
        self.assertEqual(event["event.action"], "failed")

    def test_one_that_says_no(self):
        """A greeting that is none, one of 554, one of 421, and one that ends."""
        for greeting in ("554 no\n", "421 later\n", [end], "hello\n", "220-never\n221 ending\n"):
            with self.subTest(greeting=greeting):
                self.start(self.odd([(None, always(greeting))]))
                client = self.client()
                self.assertEqual(set(client.keywords), OWN)
                self.assert_code(client.ask(f"MAIL FROM:<{SENDER}>"), 451, "4.4.1")
                self.assert_code(client.ask("QUIT"), 221)

    def test_the_second_of_two(self):
        upstream = self.odd()
        self.start(upstream=[f"127.0.0.1:{free_port()}", f"127.0.0.1:{upstream.port}"])
        self.assert_code(self.send(), 250)
        self.assertEqual(len(upstream.committed), 1)

    def test_the_first_of_two(self):
        first, second = self.odd(), self.odd()
        self.start(upstream=[f"127.0.0.1:{first.port}", f"127.0.0.1:{second.port}"])
        self.assert_code(self.send(), 250)
        self.assertEqual((len(first.committed), second.accepted), (1, 0))

    def test_lost_between_messages(self):
        """The next message is told so, and the session goes on."""
        self.start(self.odd([("RSET", "250 ok\n"), ("NOOP", [end])]))
        client = self.client()
        self.assert_code(self.send(client=client), 250)
        for session in self.upstream.sessions:
            session.peer.sock.shutdown(socket.SHUT_RDWR)
        reply = client.ask(f"MAIL FROM:<{SENDER}>")
        self.assertIn(reply.code, (250, 421, 451), reply)
        if reply.code == 421:
            self.assertEqual(client.ended(), "close")

    def test_lost_in_an_envelope(self):
        for script in ([("MAIL", ["421 4.3.2 going\n", end])], [("MAIL", [end])]):
            with self.subTest(script=script):
                self.start(self.odd(script))
                reply = self.client().ask(f"MAIL FROM:<{SENDER}>")
                self.assertIn((reply.code, reply.enhanced[:2]), ((421, "4."), (451, "4.")), reply)

    def test_a_reply_that_is_none(self):
        """A server out of its mind: never a 250 for it."""
        for bad in ("250 two\n250 replies\n", "abc\n", "25 short\n", "250-a\n550 b\n", b"250 bare\n250 x\r\n", b"250 a\rb\r\n", b"250 nul\0\r\n", "150 odd\n", "999 odd\n"):
            with self.subTest(reply=bad):
                self.start(self.odd([(".", bad)]))
                reply = self.send()
                if bad == "250 two\n250 replies\n":
                    self.assertEqual(reply.code, 250)
                else:
                    self.assertIn(reply.code, (421, 451), reply)

    def test_too_long_a_reply(self):
        self.start(self.odd([("RCPT", "250 " + "x" * 100_000 + "\n")]))
        client = self.client()
        client.must(250, f"MAIL FROM:<{SENDER}>")
        self.assertIn(client.ask(f"RCPT TO:<{RECIPIENT}>").code, (421, 451))
