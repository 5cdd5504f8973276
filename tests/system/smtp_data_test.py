# SPDX-License-Identifier: Apache-2.0
"""Messages byte for byte, by DATA and BDAT on each side; and what a client is told when the upstream does not take one."""
import threading

from harness import rule, until
from payloads import noise
from smtp_case import DIRECT, RECIPIENT, SENDER, SmtpTest, attached, lines, message, through_sluice, without_received
from smtp_odd import CHUNKING, KEYWORDS, commit, end, reset, take, tell, wait
from wire import Closed

HEAD = message(b"")
MESSAGES = {
    "usual": message(), "head alone": HEAD, "no head": lines("", "no head at all"), "head and no empty line": lines("Subject: x", "X: y"), "one line": lines("Subject: only"),
    "dots": HEAD + lines(".", "..", "...", ".x", "..x", "", ".", "", "x.", ".\t", ". "), "dot first": lines(".", "Subject: x", "", "y"),
    "8 bit": HEAD + lines("Grüße, 日本", bytes(range(128, 256))), "lines of 998": HEAD + lines("x" * 998, "." * 998), "long lines": HEAD + lines("x" * 100_000, "." + "y" * 70_000),
    "empty lines": HEAD + b"\r\n" * 500, "many short": HEAD + b"x\r\n" * 5_000, "many dots": HEAD + b".\r\n" * 5_000, "folded": lines("Subject: a", "\tb", " c", "") + b"d\r\n",
    "controls": HEAD + lines(bytes(octet for octet in range(1, 32) if octet not in (10, 13)) + b"\x7f"), "attachment": attached(noise(300_000)),
    "words of SMTP": HEAD + lines("QUIT", "RSET", "DATA", ".QUIT", "354 go", "250 ok"),
    "signed": lines("DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=x;", "\tbh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=;", " b=abc", "From:  ann@example.org ", "subject :odd", "") + b"  body \t\r\n\r\n\r\n",
}
BINARY = HEAD + bytes(range(256)) * 20 + b"\n.\n\r\n.\r\n\r.\r" + b"\0" * 100
REFUSED = "554 5.6.0 we do not want it\n"


class Delivery(SmtpTest):
    """Rules that make it hold are those of a class below."""
    rules = ()

    def both(self, upstream_keywords, **keys):
        self.start(self.odd(keywords=upstream_keywords), self.rules, **keys)

    def deliver(self, via):
        client = self.client()
        for number, (name, content) in enumerate(MESSAGES.items(), 1):
            with self.subTest(message=name, via=via):
                self.assert_code(self.send(content, via=via, client=client), 250)
                self.assert_same(self.received(number)[-1].content, content)
        self.assertEqual([bare for session in self.upstream.sessions for bare in session.bare], [])

    def test_data_to_data(self):
        self.both(KEYWORDS)
        self.deliver("DATA")

    def test_data_to_bdat(self):
        self.both(CHUNKING)
        self.deliver("DATA")

    @through_sluice
    def test_bdat_to_data(self):
        self.both(KEYWORDS)
        self.deliver("BDAT")

    def test_bdat_to_bdat(self):
        self.both(CHUNKING)
        self.deliver("BDAT")

    def test_in_pieces(self):
        """However the octets are cut."""
        content = HEAD + lines(".", "..", "a.", ".", "") + lines("end.")
        for keywords in (KEYWORDS, CHUNKING):
            self.both(keywords)
            client = self.client()
            client.envelope()
            self.assert_code(client.data(content, cut=1), 250)
            self.assert_same(self.received()[0].content, content)

    @through_sluice
    def test_chunks_of_any_size(self):
        content = HEAD + lines(".", "..", "a.", ".", "") + lines("end.")
        for keywords in (KEYWORDS, CHUNKING):
            self.both(keywords)
            client = self.client()
            for number, size in enumerate((1, 2, 3, 7, len(content) - 1, len(content)), 1):
                with self.subTest(size=size):
                    client.envelope()
                    self.assert_code(client.chunks(content, size), 250)
                    self.assert_same(self.received(number)[-1].content, content)

    @through_sluice
    def test_chunks_without_waiting(self):
        """As many as a client likes, and the next message behind them (RFC 3030 4.2)."""
        for keywords in (KEYWORDS, CHUNKING):
            self.both(keywords)
            client = self.client()
            content = HEAD + b"x" * 1000 + b"\r\n"
            envelope = f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{RECIPIENT}>\r\n".encode()
            chunk = b"BDAT 100\r\n" + b"y" * 98 + b"\r\n"
            client.send((envelope + b"BDAT %d\r\n" % len(content) + content + chunk * 20 + b"BDAT 0 LAST\r\n") * 2)
            codes = [client.reply().code for _ in range(2 * 24)]
            self.assertEqual(codes, [250] * 48)
            for one in self.received(2):
                self.assert_same(one.content, content + (b"y" * 98 + b"\r\n") * 20)
            self.assert_lives(client)

    def test_empty(self):
        """A message of no octets."""
        for keywords, via in ((KEYWORDS, "DATA"), (CHUNKING, "DATA"), (CHUNKING, "BDAT")):
            with self.subTest(keywords=keywords, via=via):
                self.both(keywords)
                client = self.client()
                client.envelope()
                self.assert_code(client.data(b"") if via == "DATA" else client.bdat(b""), 250)
                content = self.received()[0].content
                self.assertEqual(without_received(content) if content else content, b"", "nothing but a field of ours")

    @through_sluice
    def test_without_a_last_line_end(self):
        """By DATA it gets one, as it must; by BDAT it stays as it is."""
        content = HEAD + b"no end"
        for keywords, wanted in ((KEYWORDS, content + b"\r\n"), (CHUNKING, content)):
            self.both(keywords)
            client = self.client()
            client.envelope()
            self.assert_code(client.chunks(content, 10), 250)
            self.assert_same(self.received()[0].content, wanted)

    def test_binary(self):
        """BODY=BINARYMIME: no octet means anything."""
        self.both(CHUNKING)
        client = self.client()
        client.envelope(parameters="BODY=BINARYMIME")
        self.assert_code(client.chunks(BINARY, 777), 250)
        self.assert_same(self.received()[0].content, BINARY)
        self.assertIn("BODY=BINARYMIME", self.upstream.committed[0].parameters)

    @through_sluice
    def test_data_is_no_way_for_binary(self):
        self.both(CHUNKING)
        client = self.client()
        client.envelope(parameters="BODY=BINARYMIME")
        self.assert_code(client.ask("DATA"), 503, "5.5.1")
        self.assert_lives(client)

    def test_large(self):
        content = attached(noise(1 << 20) * 6)
        for keywords in (KEYWORDS, CHUNKING):
            with self.subTest(keywords=keywords):
                self.both(keywords)
                self.assert_code(self.send(content), 250)
                self.assert_same(self.received()[0].content, content)

    @through_sluice
    def test_not_even_a_field_of_ours(self):
        for via in ("DATA", "BDAT"):
            self.both(CHUNKING, smtp={"received": False})
            self.assert_code(self.send(MESSAGES["signed"], via=via), 250)
            self.assertTrue(self.received()[0].content == MESSAGES["signed"])


@through_sluice
class Held(Delivery):
    """The same, where the upstream gets it after the verdict."""
    rules = [rule("mark", 'email.subject == "nothing has this subject"', "tag", tags=["x"], header=True)]

    def test_nothing_before_the_end(self):
        self.both(KEYWORDS)
        client = self.client()
        client.envelope()
        client.must(354, "DATA")
        client.send(HEAD + b"x" * 98 + b"\r\n")
        self.assertEqual(self.upstream.heard("DATA"), [])
        client.send(b".\r\n")
        self.assert_code(client.reply(), 250)

    def test_upstream_gone_meanwhile(self):
        self.both(KEYWORDS)
        client = self.client()
        client.envelope()
        client.must(354, "DATA")
        self.upstream.sessions[0].peer.reset()
        client.send(HEAD + b".\r\n")
        reply = client.reply()
        self.assertEqual((reply.code, reply.enhanced[0]), (451, "4"), reply)


@through_sluice
class Streamed(SmtpTest):
    def test_the_upstream_has_it_before_the_end(self):
        for keywords, via in ((KEYWORDS, "DATA"), (CHUNKING, "DATA"), (KEYWORDS, "BDAT"), (CHUNKING, "BDAT")):
            with self.subTest(keywords=keywords, via=via):
                self.start(self.odd(keywords=keywords))
                content = attached(noise(1 << 20) * 3)
                client = self.client()
                client.envelope()
                if via == "DATA":
                    client.must(354, "DATA")
                    client.send(content[:-100])
                else:
                    client.send(b"BDAT %d LAST\r\n" % len(content) + content[:-100])
                until(lambda: len(self.upstream.transactions[0].raw) > len(content) - 400_000, "what has come")
                client.send(content[-100:] + (b".\r\n" if via == "DATA" else b""))
                self.assert_code(client.reply(), 250)
                self.assert_same(self.received()[0].content, content)

    def test_a_slow_upstream_holds_the_client_back(self):
        """And not the whole message in memory."""
        go = threading.Event()
        self.start(self.odd([("DATA", ["354 go\n", wait(go)])], keywords=("PIPELINING", "SIZE 60000000")), inspect={"memory": "4MiB", "disk": "8MiB"})
        self.upstream.listener.setsockopt(1, 8, 65536)           # SO_RCVBUF
        client = self.client()
        client.envelope()
        client.must(354, "DATA")
        content = attached(noise(1 << 20) * 12, kind="image/png")
        sent = threading.Thread(target=client.send, args=(content + b".\r\n",), daemon=True)
        sent.start()
        go.set()
        self.assert_code(client.reply(), 250)
        self.assert_same(self.received()[0].content, content)


class Refusals(SmtpTest):
    """What the upstream says is what the client is told, and never 250 where it did not say so."""

    def data(self, client, content=None):
        """The last reply of DATA, whether or not it was let come."""
        reply = client.ask("DATA")
        if reply.code == 354:
            client.send((message() if content is None else content) + b".\r\n")
            reply = client.reply()
        return reply

    def test_data_refused(self):
        for words, code in (("451 4.3.0 later\n", 451), ("554 5.5.1 never\n", 554), ("450-4.7.1 one\n450 4.7.1 two\n", 450)):
            with self.subTest(words=words):
                self.start(self.odd([("DATA", words)]))
                client = self.client()
                client.envelope()
                reply = self.data(client)
                self.assert_code(reply, code)
                self.assertEqual(reply.raw, words.replace("\n", "\r\n").encode())
                client.must(250, "RSET")
                self.assert_code(self.send(client=client), 250)
                self.received()

    def test_end_of_data_refused(self):
        for keywords in (KEYWORDS, CHUNKING):
            for words in (REFUSED, "452 4.3.1 full\n", "550-5.7.1 one\n550 5.7.1 two\n"):
                for via in ("DATA", "BDAT"):
                    if DIRECT and via == "BDAT" and keywords is KEYWORDS:
                        continue
                    with self.subTest(keywords=keywords, words=words, via=via):
                        self.start(self.odd([(".", words)], keywords=keywords))
                        client = self.client()
                        self.assertEqual(self.send(client=client, via=via).raw, words.replace("\n", "\r\n").encode())
                        self.assertEqual(self.upstream.committed, [])
                        if not DIRECT:
                            event = self.mail_event(event__outcome="failure")
                            self.assertEqual(event.get("smtp.reply"), int(words[:3]))
                        self.assert_code(self.send(client=client, via=via), 250)
                        self.received()

    def test_a_chunk_refused(self):
        self.start(self.odd([("BDAT", "552 5.3.4 enough\n")], keywords=CHUNKING))
        client = self.client()
        client.envelope()
        replies = [client.bdat(message(b"x" * 98 + b"\r\n") * 3000, last=False), client.bdat(message())]
        self.assertEqual(replies[-1].code // 100, 5, replies)
        self.assertEqual(self.upstream.committed, [])

    @through_sluice
    def test_lost_after_the_dot(self):
        """Whether or not it has it: nobody knows, so the client keeps it."""
        for keywords in (KEYWORDS, CHUNKING):
            for moves in ([end], [reset], [commit, reset], ["421 4.3.2 going\n", end], ["25", end], ["250-half\n", end]):
                with self.subTest(moves=moves, keywords=keywords):
                    self.start(self.odd([(".", moves)], keywords=keywords))
                    client = self.client()
                    reply = self.send(client=client)
                    self.assertIn((reply.code, reply.enhanced[0]), ((451, "4"), (421, "4")), reply)
                    if moves[0] != "421 4.3.2 going\n":
                        self.assertEqual(reply.code, 451)
                    self.mail_event(event__outcome="failure", event__action="failed")

    @through_sluice
    def test_the_session_after_that(self):
        """It goes on, with a new one of the upstream, or is ended in order."""
        self.start(self.odd([(".", [end])]))
        client = self.client()
        self.assert_code(self.send(client=client), 451)
        reply = client.ask(f"MAIL FROM:<{SENDER}>")
        if reply.code == 250:
            client.must(250, f"RCPT TO:<{RECIPIENT}>")
            self.assert_code(client.data(message()), 250)
            self.received()
        else:
            self.assertIn(reply.code, (421, 451))

    @through_sluice
    def test_lost_in_the_middle(self):
        content = attached(noise(400_000))
        for moves in (["354 go\n", take(1000), reset], ["354 go\n", take(1000), end], ["354 go\n", take(1000), "451 4.3.0 enough\n", end], ["354 go\n", take(1), "554 5.3.0 out\n", reset]):
            with self.subTest(moves=moves):
                self.start(self.odd([("DATA", moves)]))
                reply = self.send(content)
                self.assertIn(reply.code, (421, 451, 554), reply)
                self.assertNotEqual(reply.enhanced[0], "2")

    @through_sluice
    def test_a_word_before_the_end(self):
        """An upstream that says 250 before it has the dot has not taken the message."""
        go, said = threading.Event(), threading.Event()
        self.start(self.odd([("DATA", ["354 go\n", take(1), "250 2.0.0 taken already\n", tell(said), wait(go), end])]))
        client = self.client()
        client.envelope()
        client.must(354, "DATA")
        client.send(message(b"x" * 500_000 + b"\r\n"))
        said.wait(10)
        client.send(b".\r\n")
        go.set()
        reply = client.reply()
        self.assertIn(reply.code, (421, 451), reply)

    @through_sluice
    def test_a_354_for_no_recipient(self):
        """Those that were all refused: DATA is refused by us, or closed with a dot that is nothing."""
        self.start(self.odd([("RCPT", "550 5.1.1 nobody\n"), ("DATA", "354 go\n")]))
        client = self.client()
        replies = client.pipeline(f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{RECIPIENT}>", "DATA")
        self.assertEqual([reply.code for reply in replies][:2], [250, 550])
        self.assertIn(replies[2].code, (503, 554), replies[2])
        self.assert_lives(client)
        client.must(250, "RSET")
        self.assert_code(self.send(client=client), 250)
        self.assertEqual(len(self.received()), 1)

    @through_sluice
    def test_no_354_but_a_250(self):
        self.start(self.odd([("DATA", "250 2.0.0 taken\n")]))
        client = self.client()
        client.envelope()
        self.assertIn(self.data(client).code, (421, 451))

    @through_sluice
    def test_nobody_says_anything(self):
        go = threading.Event()
        self.addCleanup(go.set)
        self.start(self.odd([(".", [wait(go), end])]), limits={"smtp_end_of_data": "300ms"})
        self.assert_code(self.send(), 451)

    def test_a_client_gone_in_the_middle(self):
        for keywords in (KEYWORDS, CHUNKING):
            for moves in (lambda client: client.close(), lambda client: client.reset(), lambda client: client.end()):
                with self.subTest(keywords=keywords):
                    self.start(self.odd(keywords=keywords))
                    client = self.client()
                    client.envelope()
                    client.must(354, "DATA")
                    client.send(message(b"x" * 300_000 + b"\r\n"))
                    moves(client)
                    until(lambda: self.upstream.sessions[0].ended, "the upstream's end")
                    self.assert_nothing_came()
                    if not DIRECT:
                        self.mail_event(event__action="aborted")


@through_sluice
class Bounds(SmtpTest):
    def test_max_message(self):
        for keywords in (KEYWORDS, CHUNKING):
            for via in ("DATA", "BDAT"):
                with self.subTest(keywords=keywords, via=via):
                    self.start(self.odd(keywords=keywords), smtp={"max_message": "100KiB"})
                    client = self.client()
                    client.envelope()
                    content = message(b"x" * 98 + b"\r\n") + (b"y" * 98 + b"\r\n") * 2000
                    if via == "DATA":
                        self.assert_code(client.data(content), 552, "5.3.4")
                    else:
                        client.send(b"".join(b"BDAT %d%s\r\n" % (len(piece), last) + piece for piece, last in ((content[:120_000], b""), (content[120_000:], b" LAST"))))
                        first, last = client.reply(), client.reply()
                        self.assert_code(last if first.code == 250 else first, 552, "5.3.4")
                        self.assertGreaterEqual(last.code, 500)
                    self.assert_nothing_came()
                    client.ask("RSET")
                    self.assert_code(self.send(client=client), 250)
                    self.received()
                    self.mail_event(event__outcome=lambda value: value != "success")

    def test_just_as_large_as_it_may_be(self):
        self.start(smtp={"max_message": "100KiB"})
        content = HEAD + b"x" * (102_400 - len(HEAD) - 2) + b"\r\n"
        self.assert_code(self.send(content), 250)
        self.assert_code(self.send(content + b"\r\n"), 552, "5.3.4")

    def test_a_loop(self):
        self.start()
        hops = [f"Received: from a{number}.test by b.test; Fri, 27 Nov 2026 12:00:00 +0000" for number in range(101)]
        self.assert_code(self.send(lines(*hops) + message()), 554, "5.4.6")
        self.assertEqual(self.upstream.committed, [])
        self.assert_code(self.send(lines(*hops[:50]) + message()), 250)

    def test_bad_chunks(self):
        self.start(self.odd(keywords=CHUNKING))
        for argument in ("", " ", " x", " -1", " 1 2", " 10 LATS", " 10 LAST x", " 0x10", " +5", " 18446744073709551616", " 18446744073709551615", " 4294967296000000000000", "10"):
            with self.subTest(argument=argument):
                client = self.client()
                client.envelope()
                client.say(f"BDAT{argument}")
                try:
                    reply = client.reply()
                    self.assertIn(reply.code, (500, 501, 552), reply)
                except Closed:
                    self.fail("no reply")
                client.close()
        self.assertEqual(self.upstream.committed, [])

    def test_order_of_chunks(self):
        self.start(self.odd(keywords=CHUNKING))
        client = self.client()
        client.envelope()
        self.assert_code(client.bdat(HEAD, last=False), 250)
        self.assert_code(client.ask("DATA"), 503, "5.5.1")
        self.assert_code(client.ask(f"MAIL FROM:<{SENDER}>"), 503, "5.5.1")
        self.assert_code(client.ask(f"RCPT TO:<{RECIPIENT}>"), 503, "5.5.1")
        client.must(250, "NOOP")
        client.must(250, "RSET")
        self.assert_code(client.bdat(b"x" * 1000), 503, "5.5.1")
        self.assert_nothing_came()
        self.assert_code(self.send(client=client, via="BDAT"), 250)
        self.received()

    def test_chunks_of_a_message_that_is_refused(self):
        """Each is swallowed and refused, until a transaction begins anew (RFC 3030 4.2)."""
        self.start(self.odd([("RCPT TO:<no@", "550 5.1.1 nobody\n")], keywords=CHUNKING))
        client = self.client()
        chunk = b"BDAT 6\r\nQUIT\r\n"
        client.send(f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<no@example.com>\r\n".encode() + chunk + chunk + b"BDAT 6 LAST\r\nRSET\r\n" + b"NOOP\r\n")
        codes = [client.reply().code for _ in range(6)]
        self.assertEqual((codes[:2], codes[5]), ([250, 550], 250))
        self.assertTrue(all(code in (503, 554) for code in codes[2:5]), codes)
        self.assertEqual(self.upstream.committed, [])
