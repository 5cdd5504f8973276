# SPDX-License-Identifier: Apache-2.0
"""What rules may ask in mail is there when they ask it, and what they say holds for what they said it of."""
import json
import os

from harness import rule
from payloads import EICAR, noise
from smtp_case import KEYWORDS, RECIPIENT, SENDER, SmtpTest, attached, message, multipart, part, through_sluice
from smtp_odd import CHUNKING


@through_sluice
class OfTheServer(SmtpTest):
    has_tls = True

    def begin(self, when, verified):
        self.start(self.odd(certificate=self.certificate), [rule("asked", when, "block")], tls={"upstream_ca": str(self.pki.root)} if verified else {})
        return self.client().ask(f"MAIL FROM:<{SENDER}>")

    def test_its_certificate(self):
        for when, verified, code in (("tls.server.verified == false", False, 550), ("tls.server.verified == false", True, 250), ("tls.server.verified != true", True, 250),
                                     ("exists(tls.server.issuer)", True, 550)):
            with self.subTest(when=when, verified=verified):
                self.assertEqual(self.begin(when, verified).code, code)
                self.proxy.stop()

    def test_its_address(self):
        for when in ('server.address == "mail.test"', "server.port > 0", "server.ip == 127.0.0.1", 'server.address == "mail.test" and smtp.mail_from == "ann@example.org"'):
            with self.subTest(when=when):
                self.assertEqual(self.begin(when, True).code, 550)
                self.assertEqual(self.upstream.heard("MAIL"), [])
                self.proxy.stop()


@through_sluice
class OfTheMessage(SmtpTest):
    def test_octets(self):
        for when, code in (("client.bytes > 100KiB", 550), ("client.bytes > 300KiB", 250), ("server.bytes > 10B", 550), ("server.bytes > 100KiB", 250)):
            with self.subTest(when=when):
                self.start(rules=[rule("asked", when, "block")])
                self.assertEqual(self.send(message() + b"x" * 200_000 + b"\r\n").code, code)
                self.proxy.stop()

    def test_a_reply_about_a_recipient(self):
        self.start(self.odd([("RCPT TO:<bo@", "551 5.1.1 nobody\n")]), [rule("gone", 'smtp.rcpt_to == "bo@example.com" and smtp.reply == 551', "tag", tags=["gone"]),
                                                                        rule("not cy", 'smtp.rcpt_to == "cy@example.com" and smtp.reply == 250', "block")])
        client = self.client()
        client.must(250, f"MAIL FROM:<{SENDER}>")
        client.must(551, "RCPT TO:<bo@example.com>")
        self.assertEqual(client.ask("RCPT TO:<cy@example.com>").code, 550)
        self.assert_lives(client)

    def test_a_tag_of_the_senders_reply_stays(self):
        self.start(self.odd([("RCPT TO:<bo@", "551 5.1.1 nobody\n"), ("MAIL", "251 2.1.0 ok\n")]), [rule("mark", "smtp.reply == 251", "tag", tags=["marked"])])
        client = self.client()
        client.must(251, f"MAIL FROM:<{SENDER}>")
        client.must(551, "RCPT TO:<bo@example.com>")
        client.must(250, "RCPT TO:<cy@example.com>")
        self.assert_code(client.data(message()), 250)
        self.assertEqual(self.mail_event(event__action="allowed")["tags"], ["marked"])

    def test_a_rule_about_the_last_reply_is_too_late(self):
        self.start(self.odd([(".", "252 2.0.0 taken\n")]), [rule("last", "smtp.reply == 252", "block")])
        self.assert_code(self.send(), 252)
        self.received()
        self.assertIn("too late", self.mail_event(event__action="allowed")["event.reason"])

    def test_a_name_that_is_said_again_costs_once(self):
        self.start(rules=[rule("few", "exists(smtp.helo)", "limit", rate="2/h", burst=2, per=["client.ip"])])
        client = self.client()
        for _ in range(4):
            self.assert_code(client.ehlo(), 250)
        self.client()
        self.assert_code(self.client(ehlo=None).ehlo(), 450)

    def test_a_limit_where_a_session_begins(self):
        """421: there is no 450 in the place of a greeting (RFC 5321 3.1)."""
        self.start(rules=[rule("few", "client.ip == 127.0.0.1", "limit", rate="1/h", burst=1, per=["client.ip"])])
        self.client()
        self.assertEqual(self.client(ehlo=None).greeting.code, 421)

    def test_names_tried_for_a_relay(self):
        self.start(smtp={"domains": ["example.com"], "relay_clients": ["192.0.2.1"]})
        client = self.client()
        client.must(250, f"MAIL FROM:<{SENDER}>")
        codes = [client.code(f"RCPT TO:<user{number}@elsewhere.test>") for number in range(20)]
        self.assertEqual(codes, [550] * 19 + [421])


LARGE = multipart(part(b"x" * 400_000, "a.txt", "text/plain"), part(b"y" * 1000, "b.bin"), part(b"z" * 1000, "c.bin"), part(b"z" * 300_000, "d.bin"))


@through_sluice
class Trust(SmtpTest):
    def test_of_a_message_by_its_head(self):
        self.start(rules=[rule("known", 'email.subject == "greetings"', "trust")])
        for content in (LARGE, attached(EICAR, "bad.com"), message()):
            self.assert_code(self.send(content), 250)
        for event in self.proxy.event(count=3, event__action="allowed"):
            self.assertEqual((event["scan.verdict"], event["scan.reason"]), ("skipped", "known"))

    def test_of_a_part_is_of_no_other(self):
        self.start(rules=[rule("logo", 'file.name == "logo.png"', "trust")])
        picture = part(b"\x89PNG\r\n\x1a\n" + b"x" * 800, "logo.png", "image/png")
        self.assert_code(self.send(multipart(picture, part(b"text", "good.txt"))), 250)
        for parts in ((picture, part(EICAR, "bad.com")), (part(EICAR, "bad.com"), picture)):
            self.assert_blocked(self.send(multipart(*parts)), "malware")
        large = part(b"\x89PNG\r\n\x1a\n" + os.urandom(700_000), "logo.png", "image/png")
        self.assert_blocked(self.send(multipart(large, part(EICAR, "bad.com"), large)), "malware")

    def test_of_a_text(self):
        self.start(rules=[rule("texts", 'file.extension == "txt"', "trust")])
        self.assert_code(self.send(LARGE), 250)


@through_sluice
class Bounds(SmtpTest):
    def resident(self):
        return next(int(line.split()[1]) for line in open(f"/proc/{self.proxy.pid}/status") if line.startswith("VmRSS"))

    def test_many_parts_at_once(self):
        """None of them waits for the message's end."""
        self.start(env={"ASAN_OPTIONS": "detect_leaks=1:exitcode=99:quarantine_size_mb=1"})
        content = multipart(*[b"\r\nx\r\n" for _ in range(990)])
        clients = [self.client().envelope() for _ in range(8)]
        before = self.resident()
        for client in clients:
            client.must(354, "DATA")
            client.send(content[:-8])
        for client in clients:
            client.send(content[-8:] + b".\r\n")
            self.assert_code(client.reply(), 250)
        self.assertLess(self.resident() - before, 8 * 6_000, "KiB")

    def test_a_head_without_an_end_that_nobody_looks_into(self):
        self.start(inspect={"engines": []})
        client = self.client().envelope()
        reply = client.data(b"Subject: x\r\nX-Long: " + (b"a" * 900 + b"\r\n ") * 400 + b"\r\n\r\nbody\r\n")
        self.assert_code(reply, 550, "5.7.1")
        self.assert_nothing_came()

    def test_a_first_line_that_would_go_on_ours(self):
        self.start(rules=[rule("mark", 'smtp.mail_from == "ann@example.org"', "set_request_header", header="X-Verdict", value="bad")])
        self.assert_code(self.send(b" , not really\r\nFrom: a@b.c\r\n\r\nx\r\n"), 554, "5.6.0")
        self.assert_nothing_came()

    def test_one_without_fields_of_ours_passes(self):
        self.start(smtp={"received": False})
        content = b" text without a head\r\n"
        self.assert_code(self.send(content), 250)
        self.assertTrue(self.received()[0].content == content)


@through_sluice
class QuarantineInChunks(SmtpTest):
    CONTENT = multipart(part(b"MZ" * 3000, "a.exe"), part(b"t" * 2000, "b.txt", "text/plain"))

    def begin(self, accept):
        self.start(self.odd(keywords=CHUNKING), [rule("programs", 'file.extension == "exe"', "quarantine", accept=accept)])
        client = self.client().envelope()
        self.assert_code(client.bdat(self.CONTENT[:-10], last=False), 250)
        return client

    def kept(self):
        return self.proxy.command("quarantine", "list").stdout

    def test_to_its_end(self):
        for accept, code in ((True, 250), (False, 550)):
            with self.subTest(accept=accept):
                client = self.begin(accept)
                self.assertEqual(client.bdat(self.CONTENT[-10:]).code, code)
                self.assertEqual(self.proxy.event(event__action="quarantined")["rule.name"], "programs")
                self.assertIn("programs", self.kept())
                self.proxy.stop()

    def test_the_copy_is_whole(self):
        """What came with what is refused is in it, and what came behind that."""
        dots = b"".join(b".%d\r\n..\r\n" % number for number in range(2000))
        for via in ("DATA", "BDAT"):
            with self.subTest(via=via):
                self.start(self.odd(keywords=CHUNKING), [rule("programs", 'file.extension == "exe"', "quarantine", accept=True)])
                content = multipart(*[part(b"x%d" % number, f"{number}.txt") for number in range(12)], part(b"MZ" * 30, "a.exe"), part(dots, "b.txt", "text/plain", "7bit"), part(noise(300_000), "c.bin"))
                self.assert_code(self.send(content, via=via), 250)
                [sample] = json.loads(self.proxy.command("quarantine", "list", "--json").stdout)
                out = self.folder() / "copy"
                self.assertEqual(self.proxy.command("quarantine", "release", sample["event.id"], str(out)).returncode, 0)
                self.assertTrue(out.read_bytes() == content)
                self.proxy.stop()

    def test_taken_back(self):
        """No copy, and none is claimed."""
        client = self.begin(True)
        client.must(250, "RSET")
        self.assertIn("no copy", self.proxy.event(event__action="blocked")["event.reason"])
        self.assertNotIn("programs", self.kept())


@through_sluice
class ToldClients(SmtpTest):
    """XCLIENT and XFORWARD, and what is made of them."""

    def begin(self, rules=(), keywords=KEYWORDS, **keys):
        self.start(self.odd(keywords=keywords), rules, smtp={"trusted": ["127.0.0.1"], "domains": ["example.com"], **keys.pop("smtp", {})}, **keys)
        return self.client()

    def test_an_address_that_nobody_knows_may_not_relay(self):
        client = self.begin()
        client.must(220, "XCLIENT NAME=[UNAVAILABLE] ADDR=[UNAVAILABLE]")
        client.ehlo()
        client.must(250, f"MAIL FROM:<{SENDER}>")
        self.assert_code(client.ask("RCPT TO:<x@elsewhere.test>"), 550, "5.7.1")
        client.must(250, f"RCPT TO:<{RECIPIENT}>")

    def test_one_that_is_not_served(self):
        client = self.begin(http={"listen": [], "clients": ["127.0.0.0/8", "192.0.2.0/24"]})
        client.must(220, "XCLIENT ADDR=192.0.2.7")
        client.ehlo()
        self.assert_code(self.send(client=client), 250)
        self.assertEqual(self.proxy.command("reload").returncode, 0)
        self.assert_code(self.send(client=client), 250)
        client.must(554, "XCLIENT ADDR=203.0.113.5")
        self.proxy.event(event__action="refused", client__ip="203.0.113.5")

    def test_one_that_is_reset(self):
        client = self.begin([rule("drop", "client.ip == 127.0.0.9", "reset")])
        client.say("XCLIENT ADDR=127.0.0.9")
        self.assertEqual(client.rest(), ([], "reset"))

    def test_what_is_told_is_told_on(self):
        client = self.begin(keywords=(*KEYWORDS, "XCLIENT NAME ADDR PORT PROTO HELO LOGIN"), smtp={"upstream_client": "xclient"}, http={"listen": [], "clients": ["0.0.0.0/0"]})
        client.must(220, "XCLIENT NAME=mx.foo.test ADDR=203.0.113.5 LOGIN=ann PROTO=ESMTP")
        client.ehlo("orig.foo.test")
        self.assert_code(self.send(client=client), 250)
        told = self.received()[0].session.xclient
        self.assertEqual({name: told.get(name) for name in ("NAME", "ADDR", "LOGIN", "PROTO", "HELO")},
                         {"NAME": "mx.foo.test", "ADDR": "203.0.113.5", "LOGIN": "ann", "PROTO": "ESMTP", "HELO": "orig.foo.test"})

    def test_who_forwards_is_judged_and_whom_is_recorded(self):
        """XFORWARD is for the log, as in Postfix; XCLIENT is for rules too."""
        client = self.begin([rule("drop", "client.ip == 203.0.113.5", "block")])
        client.must(250, "XFORWARD ADDR=203.0.113.5")
        self.assert_code(self.send(client=client), 250)
        self.proxy.event(event__action="allowed", client__ip="203.0.113.5")
