# SPDX-License-Identifier: Apache-2.0
"""Smuggling: only CRLF.CRLF ends a message, coming and going; what is bare is refused, to the message's true end; and nobody talks before his turn."""
import re
import signal

from harness import until
from smtp_case import KEYWORDS, RECIPIENT, SENDER, SmtpTest, lines, message, through_sluice
from smtp_client import Client
from smtp_odd import CHUNKING
from smtp_peers import proxy_v1
from wire import Closed

# That some server, somewhere, takes or took for an end.
BARE = (b"\n.\n", b"\r.\r", b"\r.\n", b"\n.\r", b"\n.\r\n", b"\r\n.\n", b"\r.\r\n", b"\r\n.\r", b"\r\n.\r\r\n", b"\r\r\n.\r\r\n", b"\r\r.\r\r", b"\n\n.\n\n", b"\n\r.\n\r", b"\r\n\n.\n", b"\r\n\r.\r",
        b"\n\r\n.\n\r\n", b"\r\n..\r", b"\n..\n", b"\n", b"\r")
NULS = (b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\0\r\n.x\r\n", b"\r\0\n.\r\0\n", b"\r\n.\r\0\n", b"\0")
SMUGGLED = lines("MAIL FROM:<evil@example.org>", "RCPT TO:<victim@example.com>", "DATA", "Subject: smuggled", "", "smuggled")
HEAD = message(b"")
SAID = re.compile(rf"(EHLO|LHLO|HELO) client\.test|MAIL FROM:<{SENDER}>.*|RCPT TO:<{RECIPIENT}>|DATA|RSET|NOOP.*|QUIT|BDAT [0-9]+( LAST)?")


class Smuggling(SmtpTest):
    def assert_only_ours(self):
        """What the upstream heard as commands are those that were meant, and what it heard at all has nothing bare."""
        self.assertEqual([line for line in self.upstream.said if not SAID.fullmatch(line)], [])
        self.assertEqual([bare for session in self.upstream.sessions for bare in session.bare], [])
        for session in self.upstream.sessions:
            heard = bytes(session.heard)
            self.assertIsNone(re.search(rb"(?<!\r)\n|\r(?!\n)|\0", heard), "something bare went on")
            self.assertEqual(heard.count(b"smuggled"), 0)


@through_sluice
class Inbound(Smuggling):
    def refused(self, sequences, code, enhanced, keywords=KEYWORDS, cut=None):
        self.start(self.odd(keywords=keywords))
        client = self.client()
        for sequence in sequences:
            for first in (HEAD + b"first", HEAD, b""):
                with self.subTest(sequence=sequence, first=len(first)):
                    client.envelope()
                    client.must(354, "DATA")
                    content = first + sequence + SMUGGLED
                    self.assertNotIn(b"\r\n.\r\n", b"\r\n" + content, "that is the true end")
                    client.send_in(content + b".\r\n", cut)
                    self.assert_code(client.reply(), code, enhanced)
                    self.assert_lives(client)
        self.assertEqual([one.sender for one in self.upstream.committed if b"smuggled" in one.raw or one.sender != SENDER], [])
        self.assertEqual([one for one in self.upstream.transactions if one.sender != SENDER], [])
        self.assert_only_ours()

    def assert_one_of(self, reply, sequence, code, enhanced):
        """Chunk by chunk, what comes first is said, of a NUL and something bare."""
        other = {(550, "5.5.2")} if re.search(rb"\r(?!\n)", sequence) else set()
        self.assertIn((reply.code, reply.enhanced), {(code, enhanced)} | other, reply)

    def test_bare(self):
        self.refused(BARE, 550, "5.5.2")

    def test_bare_to_an_upstream_with_chunking(self):
        self.refused(BARE, 550, "5.5.2", CHUNKING)

    def test_bare_in_pieces(self):
        self.refused(BARE, 550, "5.5.2", cut=1)

    def test_nul(self):
        self.refused(NULS, 554, "5.6.0")
        self.refused(NULS, 554, "5.6.0", CHUNKING, cut=1)

    def test_the_event(self):
        self.start()
        client = self.client()
        client.envelope()
        client.must(354, "DATA")
        client.send(HEAD + b"a\n.\n" + SMUGGLED + b".\r\n")
        event = self.assert_blocked(client.reply(), code=550, enhanced="5.5.2")
        self.assertEqual((event["smtp.mail_from"], event["event.action"]), (SENDER, "refused"))

    def test_much_behind_it(self):
        """It is read to the true end, whatever there is."""
        self.start()
        client = self.client()
        client.envelope()
        client.must(354, "DATA")
        client.send(HEAD + b"a\n.\n" + (b"QUIT\r\n" * 500_000) + b".\r\nNOOP\r\n")
        self.assert_code(client.reply(), 550, "5.5.2")
        self.assert_code(client.reply(), 250)
        self.assert_nothing_came()

    def test_in_chunks(self):
        """BDAT has lengths, and still: what is bare would be an end elsewhere."""
        for keywords in (KEYWORDS, CHUNKING):
            self.start(self.odd(keywords=keywords))
            client = self.client()
            for sequence, code, enhanced in ((*((one, 550, "5.5.2") for one in BARE), *((one, 554, "5.6.0") for one in NULS))):
                for size in (100_000, 1, len(HEAD) + 1, len(HEAD) + 2):
                    with self.subTest(sequence=sequence, size=size, keywords=keywords):
                        content = HEAD + sequence + SMUGGLED
                        client.envelope()
                        pieces = [content[at:at + size] for at in range(0, len(content), size)]
                        client.send(b"".join(b"BDAT %d%s\r\n" % (len(piece), b" LAST" if number == len(pieces) else b"") + piece for number, piece in enumerate(pieces, 1)))
                        replies = [client.reply() for _ in pieces]
                        refused = [reply for reply in replies if reply.code != 250]
                        self.assertTrue(refused, "it was taken")
                        self.assert_one_of(refused[0], sequence, code, enhanced)
                        self.assertGreaterEqual(replies[-1].code, 400)
                        client.must(250, "RSET")
            self.assert_nothing_came()
            self.assert_only_ours()

    def test_a_line_end_in_two_chunks(self):
        for keywords in (KEYWORDS, CHUNKING):
            self.start(self.odd(keywords=keywords))
            client = self.client()
            client.envelope()
            content = HEAD + b"a\r\n.\r\nb\r\n"
            at = content.index(b"a\r\n.") + 2
            self.assert_code(client.bdat(content[:at], last=False), 250)
            self.assert_code(client.bdat(content[at:]), 250)
            self.assert_same(self.received()[0].content, content)

    def test_a_true_end_in_a_chunk(self):
        """It is none there, and must not become one."""
        for keywords in (KEYWORDS, CHUNKING):
            self.start(self.odd(keywords=keywords))
            content = HEAD + b"a\r\n.\r\n" + SMUGGLED.replace(b"smuggled", b"harmless")
            self.assert_code(self.send(content, via="BDAT"), 250)
            self.assert_same(self.received()[0].content, content)
            self.assertEqual(len(self.upstream.transactions), 1)

    def test_a_cr_at_the_end_of_all(self):
        self.start()
        client = self.client()
        client.envelope()
        self.assert_code(client.bdat(HEAD + b"a\r"), 550, "5.5.2")
        self.assert_lives(client)


class Commands(Smuggling):
    def test_a_true_end_and_commands_behind(self):
        """That is what pipelining is."""
        self.start()
        client = self.client()
        client.envelope()
        client.must(354, "DATA")
        client.send(HEAD + b".\r\n" + f"MAIL FROM:<{SENDER}>\r\nRSET\r\nNOOP\r\n".encode())
        self.assertEqual([client.reply().code for _ in range(4)], [250] * 4)
        self.received()

    @through_sluice
    def test_bare_ends_of_commands(self):
        self.start()
        for octets in (b"NOOP\nRSET\r\n", b"NOOP\rRSET\r\n", b"MAIL FROM:<ann@example.org>\nRCPT TO:<victim@example.com>\r\n", b"NOOP \0\r\n", b"NOOP\n", b"\n", b"NOOP\r\r\n",
                       b"MAIL FROM:<ann@example.org>\r\0\n\r\n"):
            with self.subTest(octets=octets):
                client = self.client()
                client.send(octets if octets.endswith(b"\r\n") else octets + b"NOOP\r\n")
                reply = client.reply()
                self.assertIn(reply.code, (500, 501, 554), reply)
                if reply.code != 554:
                    self.assert_lives(client)
        self.assert_only_ours()
        self.assertEqual(self.upstream.heard("MAIL"), [])

    @through_sluice
    def test_what_a_refused_data_would_have_brought(self):
        """By a client that does not wait: its message is not heard as commands."""
        for script in ([("RCPT", "550 5.1.1 nobody\n")], [("DATA", "451 4.3.0 later\n")]):
            with self.subTest(script=script):
                self.start(self.odd(script))
                client = self.client()
                client.send(f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{RECIPIENT}>\r\nDATA\r\n".encode() + SMUGGLED + b".\r\n")
                replies, _ = client.rest()
                self.assertEqual((replies[-1].code, replies[-1].enhanced), (554, "5.5.0"), replies)
                self.assertLessEqual(len(replies), 3, replies)
                self.assert_nothing_came()
                self.assert_only_ours()

    def test_nothing_after_quit(self):
        self.start()
        client = self.client()
        client.send(b"QUIT\r\n" + SMUGGLED)
        replies, _ = client.rest()
        self.assertEqual([reply.code for reply in replies], [221])
        self.assertEqual(self.upstream.heard("MAIL"), [])


@through_sluice
class EarlyTalkers(Smuggling):
    def assert_shut_out(self, client, before=()):
        """Those replies, then 554 5.5.0, and that is all."""
        replies, ended = client.rest()
        self.assertEqual([reply.code for reply in replies], [*before, 554], replies)
        self.assertEqual(replies[-1].enhanced, "5.5.0", replies)
        self.assertIn(ended, ("close", "reset"))
        self.mail_event(event__action="refused")
        self.assertEqual(self.upstream.committed, [])

    def test_before_the_greeting(self):
        self.start()
        self.proxy.signal(signal.SIGSTOP)
        try:
            until(lambda: "State:\tT" in open(f"/proc/{self.proxy.pid}/status").read(), "the stop")
            client = Client.connect(self.port)
            self.addCleanup(client.close)
            client.send(b"EHLO client.test\r\n")
        finally:
            self.proxy.signal(signal.SIGCONT)
        self.assert_shut_out(client)
        self.assertEqual(self.upstream.accepted, 0)

    def test_behind_a_proxy_header(self):
        self.start(http={"listen": [], "proxy_from": ["127.0.0.0/8"]})
        client = Client.connect(self.port)
        self.addCleanup(client.close)
        client.send(proxy_v1("127.0.0.9", "127.0.0.1") + b"EHLO client.test\r\n")
        self.assert_shut_out(client)

    def test_behind_ehlo(self):
        self.start()
        for verb in ("EHLO", "HELO"):
            client = self.client(ehlo=None)
            client.send(f"{verb} client.test\r\nMAIL FROM:<{SENDER}>\r\n".encode())
            self.assert_shut_out(client)
        self.assertEqual(self.upstream.heard("MAIL"), [])

    def test_behind_data(self):
        for keywords in (KEYWORDS, CHUNKING):
            self.start(self.odd(keywords=keywords))
            client = self.client()
            client.send(f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{RECIPIENT}>\r\nDATA\r\n".encode() + message() + b".\r\n")
            self.assert_shut_out(client, (250, 250))
            self.assert_only_ours()

    def test_one_octet_behind_data(self):
        self.start()
        client = self.client()
        client.envelope()
        client.send(b"DATA\r\n.")
        self.assert_shut_out(client)
        self.assert_only_ours()

    def test_the_upstream_hears_no_early_talk(self):
        self.start()
        client = self.client()
        for _ in range(3):
            self.assert_code(self.send(client=client), 250)
        self.assertEqual([session.early for session in self.upstream.sessions], [[]])


@through_sluice
class Normalized(Smuggling):
    """bare_newline = "normalize" for named networks."""

    def begin(self, **keys):
        self.start(smtp={"bare_newline": "normalize", "bare_newline_clients": ["127.0.0.2/32"]}, **keys)

    def deliver(self, content, source="127.0.0.2"):
        client = self.client(source=source)
        client.envelope()
        client.must(354, "DATA")
        client.send(content + b"\r\n.\r\n")
        return client.reply()

    def test_bare_lf(self):
        self.begin()
        for number, (sent, wanted) in enumerate(((b"a\nb\nc", b"a\r\nb\r\nc\r\n"), (b"a\n.\nb", b"a\r\n.\r\nb\r\n"), (b"a\n.\r\nb", b"a\r\n.\r\nb\r\n"), (b"a\r\n.\nb", None), (b"a\n\n\nb\n", b"a\r\n\r\n\r\nb\r\n\r\n"),
                                                 (b"\n.\n" + SMUGGLED.replace(b"smuggled", b"harmless"), None)), 1):
            with self.subTest(sent=sent):
                self.assert_code(self.deliver(HEAD + sent), 250)
                got = self.received(number)[-1].content
                if wanted is not None:
                    self.assert_same(got, HEAD + wanted)
        self.assertEqual({one.sender for one in self.upstream.transactions}, {SENDER})
        self.assert_only_ours()

    def test_all_of_it_bare(self):
        self.begin()
        self.assert_code(self.deliver(HEAD.replace(b"\r\n", b"\n") + b"hello\nworld"), 250)
        self.assert_same(self.received()[0].content, HEAD + b"hello\r\nworld\r\n")

    def test_bare_cr_and_nul_stay_refused(self):
        self.begin()
        self.assert_code(self.deliver(HEAD + b"a\r.\rb"), 550, "5.5.2")
        self.assert_code(self.deliver(HEAD + b"a\r\r\nb"), 550, "5.5.2")
        self.assert_code(self.deliver(HEAD + b"a\0b"), 554, "5.6.0")
        self.assertEqual(self.upstream.committed, [])

    def test_others(self):
        self.begin()
        self.assert_code(self.deliver(HEAD + b"a\nb", source="127.0.0.3"), 550, "5.5.2")
        self.assertEqual(self.upstream.committed, [])

    def test_chunks(self):
        self.begin()
        client = self.client(source="127.0.0.2")
        client.envelope()
        self.assert_code(client.bdat(HEAD + b"a\n.\nb\r\n"), 250)
        self.assert_same(self.received()[0].content, HEAD + b"a\r\n.\r\nb\r\n")


@through_sluice
class Outbound(Smuggling):
    """What an upstream says is read as strictly: one reply a command."""

    def test_replies_in_advance(self):
        """A second reply behind the first would be taken for the next command's."""
        self.start(self.odd([("MAIL", "250 2.1.0 ok\n250 2.1.5 ok\n354 go\n250 taken\n"), ("RCPT", "550 5.1.1 nobody\n")]))
        client = self.client()
        first = client.ask(f"MAIL FROM:<{SENDER}>")
        if first.code == 250:
            reply = client.ask(f"RCPT TO:<{RECIPIENT}>")
            self.assertIn(reply.code, (421, 451, 550), reply)
        else:
            self.assertIn(first.code, (421, 451), first)
        self.assertEqual(self.upstream.committed, [])

    def test_a_word_out_of_turn(self):
        """421 while nothing was asked."""
        self.start()
        client = self.client()
        self.upstream.sessions[0].peer.send(b"421 4.3.2 going down\r\n")
        reply = client.ask(f"MAIL FROM:<{SENDER}>")
        self.assertIn(reply.code, (421, 451, 250), reply)
        if reply.code == 250:
            try:
                client.must(250, f"RCPT TO:<{RECIPIENT}>")
                self.assert_code(client.data(message()), 250)
            except Closed:
                self.fail("closed without a word")
            self.received()
