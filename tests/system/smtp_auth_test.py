# SPDX-License-Identifier: Apache-2.0
"""AUTH is the upstream's: relayed word for word, only where nobody listens, and never written down."""
import base64
import hashlib
import hmac
import json
import threading

from smtp_case import KEYWORDS, SENDER, SmtpTest, message, through_sluice
from smtp_odd import CHALLENGE, end, wait
from wire import Closed

USERS = {"ann": "correct-horse", "bo": "battery-staple"}
MECHANISMS = "AUTH PLAIN LOGIN CRAM-MD5 XOAUTH2 SCRAM-SHA-256 SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS"


def word(text):
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


@through_sluice
class Relayed(SmtpTest):
    has_tls = True

    def begin(self, script=(), keywords=(*KEYWORDS, MECHANISMS), **smtp):
        self.start(self.odd(script, keywords=keywords, users=USERS), smtp=smtp)

    def secure(self):
        client = self.client()
        client.starttls(self.trusting())
        client.ehlo()
        return client

    def test_what_is_offered(self):
        self.begin()
        self.assertNotIn("AUTH", self.client().keywords)
        self.assertEqual(self.secure().keywords["AUTH"].split(), ["PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "SCRAM-SHA-256"])

    def test_only_channel_bindings(self):
        self.begin(keywords=(*KEYWORDS, "AUTH SCRAM-SHA-256-PLUS"))
        self.assertNotIn("AUTH", self.secure().keywords)

    def test_the_old_spelling(self):
        self.begin(keywords=(*KEYWORDS, "AUTH=LOGIN PLAIN"))
        self.assertNotIn("AUTH=LOGIN", self.secure().keywords)

    def test_mechanisms(self):
        self.begin()
        client = self.secure()
        self.assert_code(client.plain("ann", "correct-horse"), 235, "2.7.0")
        client = self.secure()
        self.assert_code(client.plain("ann", "correct-horse", initial=False), 235)
        client = self.secure()
        self.assert_code(client.login("bo", "battery-staple"), 235)
        client = self.secure()
        challenge = client.must(334, "AUTH CRAM-MD5")
        self.assertEqual(base64.b64decode(challenge.text), CHALLENGE)
        self.assert_code(client.ask(word("ann " + hmac.new(b"correct-horse", CHALLENGE, hashlib.md5).hexdigest())), 235)
        self.assertEqual([attempt for session in self.upstream.sessions for attempt in session.auth], [("PLAIN", "ann"), ("PLAIN", "ann"), ("LOGIN", "bo"), ("CRAM-MD5", "ann")])
        self.assert_code(self.send(client=client), 250)
        self.assertEqual(self.received()[0].session.user, "ann")

    def test_any_mechanism(self):
        """It is not for us to know."""
        def talk(session):
            session.do("334 " + word("first") + "\n")
            first = session.read_line()
            session.do("334 \n")
            second = session.read_line()
            session.do("235 2.7.0 welcome\n" if (first, second) == (word("one"), word("two")) else "535 5.7.8 no\n")
        self.begin([("AUTH XOAUTH2", talk)])
        client = self.secure()
        self.assertEqual(client.must(334, f"AUTH XOAUTH2 {word('initial')}").text, word("first"))
        self.assertEqual(client.must(334, word("one")).text, "")
        self.assert_code(client.ask(word("two")), 235)
        self.assertEqual(self.upstream.heard("AUTH"), [f"AUTH XOAUTH2 {word('initial')}"])

    def test_wrong(self):
        self.begin()
        client = self.secure()
        self.assert_code(client.plain("ann", "wrong"), 535, "5.7.8")
        self.assert_code(client.login("ann", "wrong"), 535, "5.7.8")
        self.assert_code(client.plain("ann", "correct-horse"), 235)
        self.assert_code(self.send(client=client), 250)

    def test_the_upstreams_words(self):
        for words in ("432 4.7.12 change it\n", "454 4.7.0 later\n", "534 5.7.9 too weak\n", "535-5.7.8 no\n535 5.7.8 never\n"):
            self.begin([("AUTH", words)])
            self.assertEqual(self.secure().ask("AUTH PLAIN " + word("x")).raw, words.replace("\n", "\r\n").encode())

    def test_given_up(self):
        self.begin()
        client = self.secure()
        client.must(334, "AUTH LOGIN")
        self.assert_code(client.ask("*"), 501, None)
        client.must(334, "AUTH PLAIN")
        self.assert_code(client.ask("not base64!"), 501, None)
        self.assert_lives(client)

    def test_order(self):
        self.begin()
        client = self.secure()
        client.must(250, f"MAIL FROM:<{SENDER}>")
        self.assert_code(client.plain("ann", "correct-horse"), 503, "5.5.1")
        client.must(250, "RSET")
        self.assert_code(client.plain("ann", "correct-horse"), 235)
        self.assert_code(client.plain("ann", "correct-horse"), 503, "5.5.1")
        self.assertEqual(len(self.upstream.heard("AUTH")), 1)

    def test_mechanisms_that_are_not_offered(self):
        self.begin()
        client = self.secure()
        for mechanism in ("SCRAM-SHA-256-PLUS", "GSSAPI", "scram-sha-1-plus", "NTLM"):
            self.assert_code(client.ask(f"AUTH {mechanism}"), 504, "5.5.4")
        self.assertEqual(self.upstream.heard("AUTH"), [])

    def test_in_the_clear(self):
        self.begin()
        client = self.client()
        reply = client.plain("ann", "correct-horse")
        self.assertIn((reply.code, reply.enhanced), ((538, "5.7.11"), (530, "5.7.0")), reply)
        self.assertEqual(self.upstream.heard("AUTH"), [])

    def test_in_the_clear_where_that_is_allowed(self):
        self.begin(auth_without_tls=True)
        client = self.client()
        self.assertIn("AUTH", client.keywords)
        self.assert_code(client.plain("ann", "correct-horse"), 235)

    def test_where_the_upstream_has_none(self):
        self.begin(keywords=KEYWORDS)
        client = self.secure()
        self.assertNotIn("AUTH", client.keywords)
        self.assertIn(client.ask("AUTH PLAIN " + word("x")).code, (502, 503, 504))

    def test_never_written_down(self):
        self.begin()
        client = self.secure()
        client.plain("ann", "wrong-horse")
        client.login("ann", "correct-horse")
        self.assert_code(self.send(client=client), 250)
        client.must(221, "QUIT")
        self.mail_event(event__action="allowed")
        written = json.dumps(self.proxy.events()) + self.proxy.stderr()
        for secret in ("correct-horse", "wrong-horse", word("correct-horse"), word("\0ann\0wrong-horse"), word("ann")):
            self.assertNotIn(secret, written)

    def test_long_ones(self):
        """Up to 12288 octets (RFC 4954 4.3)."""
        self.begin([("AUTH XOAUTH2", ["334 \n", lambda session: session.do("235 2.7.0 welcome\n" if len(session.read_line()) == 12_000 else "535 5.7.8 no\n")])])
        client = self.secure()
        client.must(334, "AUTH XOAUTH2")
        self.assert_code(client.ask("x" * 12_000), 235)
        client = self.secure()
        reply = client.ask("AUTH PLAIN " + "x" * 20_000)
        self.assertIn(reply.code, (500, 501), reply)
        self.assert_lives(client)

    def test_the_parameter_of_mail(self):
        self.begin()
        client = self.secure()
        self.assert_code(client.plain("ann", "correct-horse"), 235)
        self.assert_code(client.ask(f"MAIL FROM:<{SENDER}> AUTH=ann+40example.org"), 250)
        self.assertEqual(self.upstream.transactions[-1].parameters, ["AUTH=ann+40example.org"])

    def test_lost_in_between(self):
        for moves in (["334 \n", end], [end]):
            self.begin([("AUTH", moves)])
            client = self.secure()
            try:
                reply = client.ask("AUTH LOGIN")
                if reply.code == 334:
                    reply = client.ask(word("ann"))
                self.assertIn((reply.code, reply.enhanced[0]), ((454, "4"), (451, "4"), (421, "4")), reply)
            except Closed:
                self.fail("closed without a word")

    def test_a_client_lost_in_between(self):
        go = threading.Event()
        self.begin([("AUTH", ["334 \n", wait(go)])])
        client = self.secure()
        client.must(334, "AUTH LOGIN")
        client.reset()
        go.set()
        self.assert_code(self.send(message(), client=self.client()), 250)
