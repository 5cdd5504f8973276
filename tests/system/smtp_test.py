# SPDX-License-Identifier: Apache-2.0
"""The dialogue with a client: what each command is answered, and what the upstream hears of it."""
from harness import rule, until
from smtp_case import DIRECT, KEYWORDS, RECIPIENT, SENDER, SmtpTest, message, through_sluice
from smtp_odd import CHUNKING, always
from wire import Closed


class Commands(SmtpTest):
    def test_the_envelopes_answers_are_the_upstreams(self):
        self.start(self.odd([("RCPT TO:<no@", "550 5.1.1 <no@example.com> nobody\n"), ("RCPT TO:<later@", "450-4.2.1 come\n450 4.2.1 again\n"), ("RCPT TO:<moved@", "251 2.1.5 will forward\n")]))
        client = self.client()
        client.must(250, f"MAIL FROM:<{SENDER}>")
        for address, raw in (("no", b"550 5.1.1 <no@example.com> nobody\r\n"), ("later", b"450-4.2.1 come\r\n450 4.2.1 again\r\n"), ("moved", b"251 2.1.5 will forward\r\n"),
                             ("bo", b"250 2.1.5 recipient ok\r\n")):
            self.assertEqual(client.ask(f"RCPT TO:<{address}@example.com>").raw, raw)
        self.assert_code(client.data(message()), 250)
        self.assertEqual(self.received()[0].to, ["moved@example.com", RECIPIENT])

    def test_a_sender_that_is_refused(self):
        self.start(self.odd([("MAIL", "553 5.1.8 not you\n")]))
        client = self.client()
        self.assertEqual(client.ask(f"MAIL FROM:<{SENDER}>").raw, b"553 5.1.8 not you\r\n")
        self.assert_code(client.ask(f"RCPT TO:<{RECIPIENT}>"), 503, "5.5.1")
        self.assert_code(self.send(client=client), 250)

    def test_addresses_go_on_as_they_are(self):
        self.start()
        for sender, recipient in (("<>", "<bo@example.com>"), ("<Ann@Example.ORG>", "<Bo+tag@EXAMPLE.com>"), ('<"a b"@example.org>', '<"x\\"y@z"@example.com>'),
                                  ("<ann@[192.0.2.1]>", "<bo@[IPv6:2001:db8::1]>"), ("<@a.test,@b.test:ann@example.org>", "<bo@example.com>"), ("<ann@example.org>", "<postmaster>")):
            with self.subTest(sender=sender, recipient=recipient):
                client = self.client()
                client.must(250, f"MAIL FROM:{sender}")
                client.must(250, f"RCPT TO:{recipient}")
                transaction = self.upstream.transactions[-1]
                self.assertEqual((transaction.mail, transaction.recipients), (sender, [recipient]))

    @through_sluice
    def test_what_is_no_address(self):
        self.start()
        client = self.client()
        for argument in ("", "FROM", "FROM:", "FROM:<ann@example.org", "FROM:<a@b@c>", "FROM:<ann@>", "FROM:<@x>", "FROM:<ann@exa mple>", "TO:<ann@example.org>", "FROM:<an\x01n@example.org>"):
            self.assert_code(client.ask(f"MAIL {argument}"), 501, None)
        self.assertEqual(self.upstream.heard("MAIL"), [])
        client.must(250, f"MAIL FROM:<{SENDER}>")
        for argument in ("TO:<>", "TO:bo@", "FROM:<bo@example.com>"):
            self.assertIn(client.ask(f"RCPT {argument}").code, (501, 553, 550))
        self.assertEqual(self.upstream.heard("RCPT"), [])

    def test_parameters_go_on(self):
        self.start()
        client = self.client()
        parameters = "SIZE=100 BODY=8BITMIME RET=HDRS ENVID=QQ314159+3D"
        client.must(250, f"MAIL FROM:<{SENDER}> {parameters}")
        client.must(250, f"RCPT TO:<{RECIPIENT}> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;bo+2Bx@example.com")
        self.assertEqual(self.upstream.transactions[0].parameters, parameters.split())
        self.assertEqual(self.upstream.transactions[0].recipients, [f"<{RECIPIENT}> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;bo+2Bx@example.com"])

    @through_sluice
    def test_parameters_of_what_is_not_offered(self):
        self.start(self.odd(keywords=("PIPELINING",)))
        client = self.client()
        for parameter in ("BODY=8BITMIME", "SMTPUTF8", "RET=FULL", "ENVID=x", "BODY=BINARYMIME", "XOORG=x", "HOLDFOR=5", "BY=5;R", "REQUIRETLS"):
            self.assert_code(client.ask(f"MAIL FROM:<{SENDER}> {parameter}"), 555, "5.5.4")
        for parameter in ("SIZE=x", "SIZE=-1", "SIZE=", "SIZE"):
            self.assert_code(client.ask(f"MAIL FROM:<{SENDER}> {parameter}"), 501)
        client.must(250, f"MAIL FROM:<{SENDER}>")
        self.assert_code(client.ask(f"RCPT TO:<{RECIPIENT}> NOTIFY=NEVER"), 555, "5.5.4")
        self.assertEqual(self.upstream.heard("RCPT"), [])

    def test_other_alphabets(self):
        self.start()
        client = self.client()
        client.must(250, "MAIL FROM:<grüße@example.org> SMTPUTF8")
        client.must(250, "RCPT TO:<бо@example.com>")
        self.assertEqual(self.upstream.transactions[0].to, ["бо@example.com"])

    @through_sluice
    def test_other_alphabets_not_announced(self):
        self.start()
        client = self.client()
        self.assertIn(client.ask("MAIL FROM:<grüße@example.org>").code, (501, 550, 553, 555))
        self.assertEqual(self.upstream.heard("MAIL"), [])

    def test_order(self):
        self.start()
        client = self.client(ehlo=None)
        if not DIRECT:
            self.assert_code(client.ask(f"MAIL FROM:<{SENDER}>"), 503, "5.5.1")
        client.ehlo()
        for command in (f"RCPT TO:<{RECIPIENT}>", "DATA"):
            self.assert_code(client.ask(command), 503, "5.5.1")
        self.assert_code(client.bdat(b"swallowed"), 503, "5.5.1")
        client.must(250, f"MAIL FROM:<{SENDER}>")
        self.assert_code(client.ask(f"MAIL FROM:<{SENDER}>"), 503, "5.5.1")
        if not DIRECT:
            reply = client.ask("DATA")
            self.assertIn((reply.code, reply.enhanced), ((503, "5.5.1"), (554, "5.5.1")))
        client.must(250, f"RCPT TO:<{RECIPIENT}>")
        self.assert_code(client.data(message()), 250)
        self.assert_lives(client)
        self.assertEqual(len(self.received()), 1)

    def test_small_ones(self):
        self.start()
        client = self.client()
        for command, code, enhanced in (("NOOP", 250, None), ("NOOP anything at all", 250, None), ("RSET", 250, None), ("noop", 250, None), ("rSeT", 250, None), ("VRFY bo", 252, None)):
            with self.subTest(command=command):
                self.assert_code(client.ask(command), code, enhanced)
        self.assertIn(client.code("HELP"), (214, 250))
        self.assert_code(client.ask("QUIT"), 221, "2.0.0")
        self.assertEqual(client.ended(), "close")

    @through_sluice
    def test_unknown_ones(self):
        self.start()
        client = self.client()
        for command in ("HALO", "GET / HTTP/1.1", "", "EHLOX x", "\x80\x81", "XCLIENT ADDR=192.0.2.1", "XFORWARD ADDR=192.0.2.1", "ETRN x", "TURN", "ATRN", "BURL x", "SEND FROM:<x@y.test>", "LHLO x",
                        "XEXCH50 1 2", "DATAX"):
            with self.subTest(command=command):
                reply = client.ask(command)
                self.assertIn((reply.code, reply.enhanced), ((500, "5.5.2"), (502, "5.5.1"), (550, "5.7.0"), (550, "5.7.1")), reply)
        self.assertEqual(client.ask("HALO").code, 500)
        self.assertEqual(client.ask("HALO").enhanced, "5.5.2")
        self.assertIn(client.ask("EXPN all").code, (252, 500, 502, 550))
        self.assert_lives(client)
        self.assertEqual(self.upstream.said, ["EHLO client.test"])

    @through_sluice
    def test_arguments_that_must_not_be(self):
        self.start()
        client = self.client()
        client.envelope()
        for command in ("DATA now", "STARTTLS x"):
            reply = client.ask(command)
            self.assertIn(reply.code, (501, 502, 500), reply)

    @through_sluice
    def test_long_lines(self):
        self.start()
        client = self.client()
        for size in (5_000, 70_000, 1_000_000):
            self.assert_code(client.ask("NOOP " + "x" * size), 500, "5.5.2")
        self.assert_code(client.ask("NOOP " + "x" * 400), 250)
        self.assert_code(client.ask(f"MAIL FROM:<{'x' * 5000}@example.org>"), 500, "5.5.2")
        self.assert_lives(client)

    @through_sluice
    def test_too_many_bad_commands(self):
        self.start()
        client = self.client()
        client.send(b"HALO\r\n" * 100)
        replies, ended = client.rest()
        self.assertEqual(replies[-1].code, 421)
        self.assertLess(len(replies), 100)
        self.assertIn(ended, ("close", "reset"))

    @through_sluice
    def test_idle(self):
        self.start(limits={"smtp_idle": "300ms"})
        client = self.client()
        self.assert_code(client.reply(), 421, "4.4.2")
        self.assertEqual(client.ended(), "close")
        until(lambda: self.upstream.sessions[0].ended, "the upstream's end")

    def test_a_client_that_is_gone(self):
        self.start()
        client = self.client()
        client.envelope()
        client.close()
        until(lambda: self.upstream.sessions[0].ended, "the upstream's end")
        self.assertEqual(self.upstream.committed, [])

    def test_rset(self):
        self.start()
        client = self.client()
        client.envelope(to=("first@example.com",))
        client.must(250, "RSET")
        self.assert_code(self.send(client=client), 250)
        self.assertEqual(self.received()[0].to, [RECIPIENT])

    def test_many_messages_in_a_session(self):
        self.start()
        client = self.client()
        for number in range(20):
            self.assert_code(self.send(message(f"number {number}\r\n"), client=client, mail_from=f"ann{number}@example.org"), 250)
        received = self.received(20)
        self.assertEqual([one.sender for one in received], [f"ann{number}@example.org" for number in range(20)])
        self.assertEqual(self.upstream.accepted, 1)

    def test_pipelined(self):
        self.start(self.odd([("RCPT TO:<no@", "550 5.1.1 nobody\n")]))
        client = self.client()
        replies = client.pipeline(f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{RECIPIENT}>", "RCPT TO:<no@example.com>", "RCPT TO:<cy@example.com>", "DATA")
        self.assertEqual([reply.code for reply in replies], [250, 250, 550, 250, 354])
        client.send(message() + b".\r\n" + f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{RECIPIENT}>\r\nQUIT\r\n".encode())
        self.assertEqual([client.reply().code for _ in range(4)], [250, 250, 250, 221])
        self.assertEqual(client.ended(), "close")
        self.assertEqual(self.received()[0].to, [RECIPIENT, "cy@example.com"])

    def test_a_command_in_pieces(self):
        self.start()
        client = self.client()
        for octet in f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{RECIPIENT}>\r\n".encode():
            client.send(bytes([octet]))
        self.assertEqual([client.reply().code, client.reply().code], [250, 250])

    def test_quit_goes_on(self):
        self.start()
        client = self.client()
        self.assert_code(self.send(client=client), 250)
        self.assert_code(client.ask("QUIT"), 221)
        until(lambda: self.upstream.sessions[0].ended, "the upstream's end")
        self.assertEqual(self.upstream.said[-1], "QUIT")


@through_sluice
class Bounds(SmtpTest):
    def test_declared_size(self):
        self.start(smtp={"max_message": "100KiB"})
        client = self.client()
        self.assert_code(client.ask(f"MAIL FROM:<{SENDER}> SIZE=102401"), 552, "5.3.4")
        self.assertIn(client.ask(f"MAIL FROM:<{SENDER}> SIZE=99999999999999999999").code, (501, 552))
        self.assertEqual(self.upstream.heard("MAIL"), [])
        self.assert_code(client.ask(f"MAIL FROM:<{SENDER}> SIZE=102400"), 250)

    def test_recipients(self):
        self.start(smtp={"max_recipients": 3})
        client = self.client()
        client.envelope(to=[f"bo{number}@example.com" for number in range(3)])
        self.assert_code(client.ask("RCPT TO:<one-more@example.com>"), 452, "4.5.3")
        self.assert_code(client.data(message()), 250)
        self.assertEqual(len(self.received()[0].recipients), 3)
        self.assertEqual(len(self.upstream.heard("RCPT")), 3)

    def test_refused_recipients_do_not_count(self):
        self.start(self.odd([("RCPT TO:<no", always("550 5.1.1 nobody\n"))]), smtp={"max_recipients": 1})
        client = self.client()
        client.must(250, f"MAIL FROM:<{SENDER}>")
        for number in range(3):
            self.assert_code(client.ask(f"RCPT TO:<no{number}@example.com>"), 550)
        self.assert_code(client.ask(f"RCPT TO:<{RECIPIENT}>"), 250)

    def test_clients_that_are_none(self):
        self.start(http={"listen": [], "clients": ["127.0.0.2/32"]})
        client = self.client(ehlo=None)
        self.assertIn(client.greeting.code, (421, 554), client.greeting)
        self.assertEqual(client.ended(), "close")
        self.mail_event(event__action="refused", client__ip="127.0.0.1")
        self.assert_code(self.client(ehlo=None, source="127.0.0.2").greeting, 220)


@through_sluice
class Relaying(SmtpTest):
    """Who is not in relay_clients sends to `domains`, although the upstream trusts us."""

    def start(self, upstream=None, **keys):
        return super().start(upstream, smtp={"domains": ["example.com", "Other.Example"], "relay_clients": ["127.0.0.2/32"], **keys.pop("smtp", {})}, **keys)

    def rcpt(self, address, source=None, client=None):
        client = client or self.client(source=source)
        client.must(250, f"MAIL FROM:<{SENDER}>")
        reply = client.ask(f"RCPT TO:{address}")
        client.must(250, "RSET")
        return reply

    def test_domains(self):
        self.start()
        for address in ("<bo@example.com>", "<BO@EXAMPLE.COM>", "<bo@other.example>", '<"b o"@example.com>', "<postmaster>", "<Postmaster@example.com>"):
            with self.subTest(address=address):
                self.assert_code(self.rcpt(address), 250)

    def test_others(self):
        self.start()
        for address in ("<bo@elsewhere.org>", "<bo@sub.example.com>", "<bo@notexample.com>", "<bo@example.com.elsewhere.org>", "<bo@[127.0.0.1]>", "<@example.com:bo@elsewhere.org>",
                        '<"bo@example.com"@elsewhere.org>', "<bo%elsewhere.org@example.com>", "<elsewhere.org!bo@example.com>", '<"bo@elsewhere.org"@example.com>',
                        "<@elsewhere.org:bo%third.org@example.com>"):
            with self.subTest(address=address):
                reply = self.rcpt(address)
                self.assertIn((reply.code, reply.enhanced), ((550, "5.7.1"), (501, "5.1.3"), (553, "5.1.3")), reply)
        self.assertEqual(self.upstream.heard("RCPT"), [])
        reply = self.rcpt("<bo@elsewhere.org>")
        self.assert_code(reply, 550, "5.7.1")
        self.assertIn("Relaying denied", reply.text)

    def test_relay_clients(self):
        self.start()
        self.assert_code(self.rcpt("<bo@elsewhere.org>", "127.0.0.2"), 250)
        self.assert_code(self.rcpt("<bo@elsewhere.org>", "127.0.0.3"), 550, "5.7.1")

    def test_after_the_upstreams_own_235(self):
        self.start(self.odd(keywords=(*KEYWORDS, "AUTH PLAIN"), users={"ann": "secret"}), smtp={"auth_without_tls": True})
        client = self.client()
        self.assert_code(self.rcpt("<bo@elsewhere.org>", client=client), 550, "5.7.1")
        self.assert_code(client.plain("ann", "wrong"), 535)
        self.assert_code(self.rcpt("<bo@elsewhere.org>", client=client), 550, "5.7.1")
        self.assert_code(client.plain("ann", "secret"), 235)
        self.assert_code(self.rcpt("<bo@elsewhere.org>", client=client), 250)
        self.assert_code(self.rcpt("<bo@elsewhere.org>"), 550, "5.7.1")

    def test_some_of_them(self):
        self.start()
        client = self.client()
        client.must(250, f"MAIL FROM:<{SENDER}>")
        refused = client.ask("RCPT TO:<bo@elsewhere.org>")
        self.assert_code(client.ask(f"RCPT TO:<{RECIPIENT}>"), 250)
        self.assert_code(client.data(message()), 250)
        self.assertEqual(self.received()[0].to, [RECIPIENT])
        self.assert_blocked(refused)


class Lmtp(SmtpTest):
    """One recipient a transaction, so that each has an answer of its own."""

    @through_sluice
    def test_the_second_comes_later(self):
        self.start(self.odd(lmtp=True))
        client = self.client()
        self.assertEqual(self.upstream.said, ["LHLO client.test"])
        client.envelope()
        self.assert_code(client.ask("RCPT TO:<cy@example.com>"), 452, "4.5.3")
        self.assert_code(client.data(message()), 250)
        self.assert_code(self.send(to=("cy@example.com",), client=client), 250)
        self.assertEqual([one.to for one in self.received(2)], [[RECIPIENT], ["cy@example.com"]])

    @through_sluice
    def test_the_second_after_one_that_was_refused(self):
        self.start(self.odd([("RCPT TO:<no@", "550 5.1.1 nobody\n")], lmtp=True))
        client = self.client()
        client.must(250, f"MAIL FROM:<{SENDER}>")
        self.assert_code(client.ask("RCPT TO:<no@example.com>"), 550, "5.1.1")
        self.assert_code(client.ask(f"RCPT TO:<{RECIPIENT}>"), 250)
        self.assert_code(client.data(message()), 250)

    @through_sluice
    def test_its_answer(self):
        self.start(self.odd([(".", "452 4.2.2 full\n")], lmtp=True))
        self.assert_code(self.send(), 452, "4.2.2")
        self.assertEqual(self.upstream.committed, [])

    @through_sluice
    def test_by_a_path(self):
        self.start(self.odd(lmtp=True, path=self.folder() / "lmtp"))
        self.assert_code(self.send(), 250)
        self.received()

    @through_sluice
    def test_chunks(self):
        self.start(self.odd(lmtp=True, keywords=CHUNKING))
        self.assert_code(self.send(via="BDAT"), 250)
        self.assert_code(self.send(via="DATA"), 250)
        self.received(2)


@through_sluice
class AtConnect(SmtpTest):
    def test_a_client_by_its_address(self):
        self.start(rules=[rule("that-client", "client.ip == 127.0.0.8", "block")])
        client = self.client(ehlo=None, source="127.0.0.8")
        self.assertIn(client.greeting.code, (550, 554), client.greeting)
        self.assertEqual(client.greeting.enhanced, "5.7.1")
        self.mail_event(rule__name="that-client", client__ip="127.0.0.8", event__action="blocked")
        self.assertEqual(self.upstream.accepted, 0)
        self.assert_code(self.send(), 250)

    def test_by_its_helo(self):
        self.start(rules=[rule("bad-helo", 'smtp.helo ends_with ".bad.test"', "block")])
        client = self.client(ehlo=None)
        self.assert_blocked(client.ask("EHLO x.bad.test"), "bad-helo")
        self.assertEqual(self.upstream.accepted, 0)
        self.assert_code(client.ask(f"MAIL FROM:<{SENDER}>"), 503, "5.5.1")
        self.assert_code(client.ask("EHLO good.test"), 250)

    def test_reset(self):
        self.start(rules=[rule("gone", "client.ip == 127.0.0.8", "reset")])
        with self.assertRaises((Closed, ConnectionError)):
            self.client(ehlo=None, source="127.0.0.8")
