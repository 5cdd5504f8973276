# SPDX-License-Identifier: Apache-2.0
"""Rules about mail as an administrator writes them: who sends, to whom, what is in it; the refusal, what the upstream hears of it, and the event."""
import hashlib
import json
import subprocess

from harness import rule, until
from payloads import EICAR, PROGRAM, noise, zipped
from smtp_case import RECIPIENT, SENDER, SmtpTest, attached, lines, message, multipart, part, through_sluice
from smtp_odd import CHUNKING, KEYWORDS
from wire import Closed


@through_sluice
class Envelope(SmtpTest):
    def test_a_sender(self):
        self.start(rules=[rule("no-spam", 'smtp.mail_from == "spam@example.org"', "block", reason="Not from you.")])
        client = self.client()
        for sender in ("<spam@example.org>", "<SPAM@Example.Org>", '<"spam"@example.org>', "<@a.test,@b.test:spam@example.org>", '<"sp\\am"@example.org>'):
            with self.subTest(sender=sender):
                reply = client.ask(f"MAIL FROM:{sender}")
                self.assertIn("Not from you.", reply.text)
                self.assert_blocked(reply, "no-spam", event__action="blocked", smtp__mail_from="spam@example.org")
        self.assertEqual(self.upstream.heard("MAIL"), [])
        self.assert_code(client.ask(f"RCPT TO:<{RECIPIENT}>"), 503, "5.5.1")
        self.assert_code(self.send(client=client), 250)

    def test_a_senders_domain(self):
        self.start(rules=[rule("no", 'smtp.mail_from ends_with "@bad.example"', "block"), rule("bounce", 'smtp.mail_from == "" and smtp.helo == "bouncer.test"', "block")])
        client = self.client("bouncer.test")
        self.assert_blocked(client.ask("MAIL FROM:<x@BAD.example>"), "no")
        self.assert_blocked(client.ask("MAIL FROM:<>"), "bounce")
        self.assert_code(client.ask("MAIL FROM:<x@notbad.example>"), 250)

    def test_some_recipients(self):
        """Those are refused; the others get the mail."""
        self.start(rules=[rule("closed", 'smtp.rcpt_to in {"old@example.com", "older@example.com"}', "block", reason="Has left.")])
        client = self.client()
        client.must(250, f"MAIL FROM:<{SENDER}>")
        for address, is_refused in (("old", True), ("bo", False), ("OLDER", True), ('"old"', True), ("cy", False)):
            reply = client.ask(f"RCPT TO:<{address}@example.com>")
            if is_refused:
                self.assert_code(reply, 550, "5.7.1")
                self.assertIn("Has left.", reply.text)
            else:
                self.assert_code(reply, 250)
        self.assert_code(client.data(message()), 250)
        self.assertEqual(self.received()[0].to, ["bo@example.com", "cy@example.com"])
        self.assertEqual(len(self.upstream.heard("RCPT")), 2)

    def test_all_recipients(self):
        self.start(rules=[rule("closed", 'smtp.rcpt_to ends_with "@example.com"', "block")])
        client = self.client()
        client.must(250, f"MAIL FROM:<{SENDER}>")
        reply = client.ask(f"RCPT TO:<{RECIPIENT}>")
        self.assert_code(reply, 550, "5.7.1")
        refused = client.ask("DATA")
        self.assertIn(refused.code, (503, 554), refused)
        client.must(221, "QUIT")
        self.assert_blocked(reply, "closed", event__action="blocked")
        self.assertEqual(self.upstream.committed, [])

    def test_one_that_matches_any_recipient(self):
        """It is for the message: that is one for all of them."""
        self.start(rules=[rule("secret", 'smtp.rcpt_to == "bo@example.com" and email.subject == "secret"', "block")])
        self.assert_blocked(self.send(message(subject="secret"), to=("cy@example.com", RECIPIENT)), "secret")
        self.assert_code(self.send(message(subject="secret"), to=("cy@example.com",)), 250)
        self.assert_code(self.send(message(), to=("cy@example.com", RECIPIENT)), 250)
        self.received(2)

    def test_by_the_client(self):
        self.start(rules=[rule("outside", 'client.ip == 127.0.0.9 and smtp.rcpt_to == "staff@example.com"', "block")])
        for source, code in (("127.0.0.9", 550), ("127.0.0.1", 250)):
            client = self.client(source=source)
            client.must(250, f"MAIL FROM:<{SENDER}>")
            self.assertEqual(client.code("RCPT TO:<staff@example.com>"), code)

    def test_limit(self):
        self.start(rules=[rule("slow", "exists(smtp.mail_from)", "limit", rate="2/h", burst=2, per=["client.ip"])])
        client = self.client()
        for _ in range(2):
            self.assert_code(self.send(client=client), 250)
        reply = client.ask(f"MAIL FROM:<{SENDER}>")
        self.assert_code(reply, 450, "4.7.1")
        self.proxy.event(rule__name="slow", event__action="limited")
        self.assert_code(self.send(client=self.client(source="127.0.0.7")), 250)
        self.received(3)

    def test_limit_of_recipients(self):
        self.start(rules=[rule("slow", "exists(smtp.rcpt_to)", "limit", rate="1/h", burst=2, per=["smtp.mail_from"])])
        client = self.client()
        client.must(250, f"MAIL FROM:<{SENDER}>")
        self.assertEqual([client.code(f"RCPT TO:<bo{number}@example.com>") for number in range(4)], [250, 250, 450, 450])
        self.assert_code(client.data(message()), 250)
        self.assertEqual(len(self.received()[0].recipients), 2)

    def test_reset(self):
        self.start(rules=[rule("gone", 'smtp.mail_from == "spam@example.org"', "reset")])
        client = self.client()
        client.say("MAIL FROM:<spam@example.org>")
        with self.assertRaises(Closed) as caught:
            client.reply()
        self.assertEqual((caught.exception.reset, caught.exception.data), (True, b""))
        self.proxy.event(rule__name="gone", event__action="reset")
        until(lambda: self.upstream.sessions[0].ended, "the upstream's end")

    def test_default_block(self):
        self.start(rules=[rule("own", 'smtp.rcpt_to == "bo@example.com"', "allow"), rule("senders", 'smtp.mail_from ends_with "@example.org"', "allow")], policy={"default": "block"})
        self.assert_code(self.send(), 250)
        client = self.client()
        reply = client.ask("MAIL FROM:<x@elsewhere.example>")
        if reply.code == 250:                                    # it is decided with the recipient
            reply = client.ask("RCPT TO:<cy@example.com>")
        self.assert_code(reply, 550, "5.7.1")

    def test_rules_of_other_protocols(self):
        self.start(rules=[rule("web", 'not (http.request.method == "GET")', "block"), rule("files", 'not (ftp.command == "RETR")', "block")])
        self.assert_code(self.send(), 250)

    def test_the_upstreams_reply(self):
        self.start(self.odd([("RCPT TO:<full@", "452 4.2.2 full\n")]), rules=[rule("never", 'smtp.reply == 452', "block")])
        client = self.client()
        client.must(250, f"MAIL FROM:<{SENDER}>")
        self.assert_code(client.ask("RCPT TO:<full@example.com>"), 550, "5.7.1")

    def test_shadow_and_tags(self):
        self.start(rules=[rule("would", f'smtp.mail_from == "{SENDER}"', "block", mode="shadow"), rule("mark", f'smtp.mail_from == "{SENDER}"', "tag", tags=["seen"])])
        self.assert_code(self.send(), 250)
        event = self.mail_event(event__action="allowed")
        self.assertEqual((event["rule.shadow"], event["tags"]), (["would"], ["seen"]))

    def test_a_reload_between_messages(self):
        self.start()
        client = self.client()
        self.assert_code(self.send(client=client), 250)
        self.proxy.configure([rule("no", f'smtp.mail_from == "{SENDER}"', "block")])
        self.assertEqual(self.proxy.command("reload").returncode, 0)
        self.assert_blocked(client.ask(f"MAIL FROM:<{SENDER}>"), "no")


@through_sluice
class Content(SmtpTest):
    def blocked(self, content, name, to=(RECIPIENT,)):
        count = len(self.upstream.committed)
        event = self.assert_blocked(self.send(content, to=to), name, event__action="blocked")
        self.assertEqual(len(self.upstream.committed), count)
        return event

    def test_the_head(self):
        self.start(rules=[rule("invoices", 'lower(email.subject) contains "invoice"', "block"), rule("from", 'email.from.address == "boss@example.org"', "block"),
                          rule("to", 'email.to.address contains "everyone@example.com"', "block"), rule("id", 'email.message_id == "bad@client.test"', "block")])
        self.blocked(message(subject="Your Invoice"), "invoices")
        self.blocked(message(subject="=?UTF-8?B?WW91ciBJbnZvaWNl?="), "invoices")
        self.blocked(message(subject="=?utf-8?q?Your_In?=\r\n =?utf-8?q?voice?="), "invoices")
        self.blocked(message(sender="Boss@Example.org"), "from")
        self.blocked(message(to="Bo <bo@example.com>, All <everyone@example.com>"), "to")
        self.blocked(message(ident="bad@client.test"), "id")
        self.assert_code(self.send(), 250)

    def test_an_attachments_name(self):
        self.start(rules=[rule("programs", 'file.extension in {"exe", "js"}', "block")])
        harmless = noise(3000)
        for name in ("setup.exe", "Setup.EXE", "a.pdf.exe"):
            event = self.blocked(attached(harmless, name), "programs")
            self.assertEqual([one["file.name"] for one in event["email.attachments"]], [name])
        for words in ("name*0=\"set\"; name*1=\"up.exe\"", "name*=utf-8''setup%2Eexe", "name=\"=?utf-8?b?c2V0dXAuZXhl?=\"", "name=setup.exe"):
            with self.subTest(words=words):
                self.blocked(multipart(part(b"text", kind="text/plain", coding="7bit"), lines(f"Content-Type: application/octet-stream; {words}", "Content-Transfer-Encoding: base64", "", "aGVsbG8=")), "programs")
        self.blocked(multipart(part(b"", kind="text/plain", coding="7bit"), lines("Content-Type: message/rfc822", "") + attached(harmless, "setup.exe", ident="inner@client.test")), "programs")
        self.assert_code(self.send(attached(harmless, "setup.txt")), 250)

    def test_an_attachments_type(self):
        """By its content, whatever it is called."""
        self.start(rules=[rule("programs", 'file.mime_type in {"application/x-msdownload", "application/vnd.microsoft.portable-executable", "application/x-dosexec"}', "block")])
        self.blocked(attached(PROGRAM, "picture.png", kind="image/png"), "programs")
        self.assert_code(self.send(attached(noise(100), "picture.exe")), 250)

    def test_size_and_hash(self):
        bad = noise(5000, 7)
        self.start(rules=[rule("bad", f'file.hash.sha256 == "{hashlib.sha256(bad).hexdigest()}"', "block"), rule("large", 'file.size > 100KiB and exists(file.name)', "block")])
        self.blocked(attached(bad), "bad")
        self.blocked(attached(noise(110_000)), "large")
        self.assert_code(self.send(attached(noise(5000))), 250)

    def test_a_member_of_an_archive(self):
        self.start(rules=[rule("programs", 'file.extension == "exe"', "block", phase="verdict")])
        self.blocked(attached(zipped(("readme.txt", b"x"), ("setup.exe", noise(100))), "files.zip"), "programs")
        self.assert_code(self.send(attached(zipped(("readme.txt", b"x")), "files.zip")), 250)

    def test_ambiguous(self):
        self.start(rules=[rule("unclear", "email.ambiguous", "block")])
        two = b"".join(lines(f"--{boundary}", "Content-Type: text/plain", "", "text", f"--{boundary}--") for boundary in ("one", "two"))
        ambiguous = {
            "two boundaries": message(two, "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=one; boundary=two"),
            "two types": message(two, "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=one", "Content-Type: multipart/mixed; boundary=two"),
            "broken base64": multipart(lines("Content-Type: application/octet-stream", "Content-Transfer-Encoding: base64", "", "aGVs=bG8!!gd29ybGQ=xx")),
            "unknown coding": message(b"hello\r\n", "MIME-Version: 1.0", "Content-Transfer-Encoding: base65"),
        }
        for name, content in ambiguous.items():
            with self.subTest(message=name):
                event = self.blocked(content, "unclear")
                self.assertTrue(event["email.ambiguous"])
                self.assertTrue(event["email.ambiguities"])
        for content in (message(), attached(noise(2000)), attached("Grüße".encode() * 20, "text.txt", "quoted-printable")):
            self.assert_code(self.send(content), 250)
            self.assertFalse(self.proxy.event(count=1, event__action="allowed").get("email.ambiguous"))

    def test_ambiguous_is_told_where_no_rule_wants_to_know(self):
        self.start()
        self.assert_code(self.send(message(b"hello\r\n", "MIME-Version: 1.0", "Content-Transfer-Encoding: base65")), 250)
        event = self.mail_event(event__action="allowed")
        self.assertEqual(event["email.ambiguities"], ["bad-transfer-encoding"])

    def test_trusted(self):
        self.start(rules=[rule("lab", 'smtp.mail_from == "lab@example.org"', "trust")])
        content = attached(EICAR, "bad.com")
        self.assert_code(self.send(content, mail_from="lab@example.org"), 250)
        self.assert_same(self.received()[0].content, content)
        self.assertEqual(self.mail_event(smtp__mail_from="lab@example.org")["scan.verdict"], "skipped")
        self.assert_blocked(self.send(content), "malware")


@through_sluice
class Headers(SmtpTest):
    TAGGED = rule("mark", 'email.subject contains "offer"', "tag", tags=["advert", "bulk"], header=True)

    def fields(self, got):
        return [line for line in got.content.partition(b"\r\n\r\n")[0].decode().replace("\r\n ", " ").replace("\r\n\t", " ").split("\r\n")]

    def test_tags(self):
        for keywords in (KEYWORDS, CHUNKING):
            self.start(self.odd(keywords=keywords), [self.TAGGED])
            content = message(subject="an offer")
            self.assert_code(self.send(content), 250)
            got = self.received()[0]
            self.assertEqual([line for line in self.fields(got) if line.lower().startswith("x-sluice")], ["X-Sluice-Tags: advert, bulk"])
            self.assertTrue(got.content.endswith(content), "what the client sent is behind what we add")
            self.assertEqual(self.mail_event()["tags"], ["advert", "bulk"])
            self.assert_code(self.send(message()), 250)
            self.assertNotIn(b"X-Sluice", self.received(2)[1].content)

    def test_forged_ones(self):
        self.start(rules=[self.TAGGED])
        for field in ("X-Sluice-Tags: clean", "x-sluice-tags: clean", "X-SLUICE-TAGS:clean", "X-Sluice-Tags: clean,\r\n really\r\n\tclean", "X-Sluice-Tags : clean"):
            with self.subTest(field=field):
                count = len(self.upstream.committed)
                self.assert_code(self.send(message(b"X-Sluice-Tags: in the body\r\n", "X-Before: 1", field, "X-After: 2")), 250)
                got = self.received(count + 1)[-1].content
                self.assertNotIn(b"clean", got)
                self.assertTrue(b"X-Before: 1\r\nX-After: 2\r\n\r\nX-Sluice-Tags: in the body\r\n" in got)

    def test_an_honest_one_too(self):
        """Of ours, and none of theirs."""
        self.start(rules=[self.TAGGED])
        self.assert_code(self.send(message(b"x\r\n", "X-Sluice-Tags: none", subject="offer")), 250)
        self.assertEqual(self.received()[0].content.lower().count(b"x-sluice-tags"), 1)

    def test_fields_set_and_removed(self):
        self.start(rules=[rule("set", f'smtp.mail_from == "{SENDER}"', "set_request_header", header="X-Checked", value="yes"),
                          rule("remove", f'smtp.mail_from == "{SENDER}"', "remove_request_header", header="X-Secret")])
        self.assert_code(self.send(message(b"x\r\n", "X-Secret: a", "X-Checked: no", "X-Other: b")), 250)
        got = self.received()[0].content
        self.assertEqual((got.count(b"X-Checked: yes\r\n"), got.count(b"X-Checked: no"), got.count(b"X-Secret"), got.count(b"X-Other: b")), (1, 0, 0, 1))

    def test_the_check_says_which_rules_hold(self):
        self.start(rules=[self.TAGGED])
        done = self.proxy.command("check")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout + done.stderr, r"(?i)held")


@through_sluice
class Quarantine(SmtpTest):
    CONTENT = attached(EICAR, "bad.com")

    def begin(self, **keys):
        self.start(rules=[rule("keep", 'scan.verdict == "infected"', "quarantine", **keys)])

    def kept(self):
        done = self.proxy.command("quarantine", "list")
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_refused(self):
        self.begin()
        event = self.assert_blocked(self.send(self.CONTENT), "keep")
        self.assertEqual(event["event.action"], "quarantined")
        self.assert_nothing_came()
        self.assertTrue(self.kept().strip())

    def test_accepted(self):
        """The client is told 250, the copy is there already, and the upstream has nothing."""
        for keywords in (KEYWORDS, CHUNKING):
            self.upstream = None
            self.start(self.odd(keywords=keywords), rules=[rule("keep", 'scan.verdict == "infected"', "quarantine", accept=True)])
            client = self.client()
            reply = self.send(self.CONTENT, client=client)
            listed = self.kept()
            self.assert_code(reply, 250)
            self.assertTrue(listed.strip())
            self.assert_nothing_came()
            event = self.mail_event(event__action="quarantined")
            self.assertEqual((event["rule.name"], event["scan.verdict"]), ("keep", "infected"))
            self.assert_code(self.send(client=client), 250)
            self.received()

    def test_what_is_kept_is_the_message(self):
        self.begin(accept=True)
        self.assert_code(self.send(self.CONTENT), 250)
        [sample] = json.loads(self.proxy.command("quarantine", "list", "--json").stdout)
        self.assertEqual(sample["event.id"], self.mail_event(event__action="quarantined")["event.id"])
        out = self.folder() / "released"
        done = self.proxy.command("quarantine", "release", sample["event.id"], str(out))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(out.read_bytes().endswith(self.CONTENT))

    def test_no_room(self):
        """Without a copy there is no 250."""
        self.start(rules=[rule("keep", 'scan.verdict == "infected"', "quarantine", accept=True)], quarantine={"max_size": "1KiB"})
        reply = self.send(attached(EICAR + noise(100_000), "bad.com"))
        self.assertIn(reply.code, (451, 550), reply)
        self.assert_nothing_came()


@through_sluice
class Authenticate(SmtpTest):
    """AUTH is ours then, and the upstream's is not offered."""
    has_tls = True

    def begin(self, when="exists(smtp.mail_from)", **smtp):
        users = self.folder() / "users"
        users.write_text("")
        for user, password in (("staff", "let-me-in"), ("other", "other-word")):
            subprocess.run(["htpasswd", "-b", "-B", "-C", "5", str(users), user, password], check=True, capture_output=True)
        self.start(self.odd(keywords=(*KEYWORDS, "AUTH PLAIN CRAM-MD5 XOAUTH2"), users={"staff": "x"}), [rule("login", when, "authenticate", realm="mail", users=str(users))], smtp=smtp,
                   limits={"smtp_failed_login": "10ms"})

    def secure(self):
        client = self.client()
        self.assertNotIn("AUTH", client.keywords)
        client.starttls(self.trusting())
        client.ehlo()
        return client

    def test_plain_and_login(self):
        self.begin()
        for how in ("plain", "login", "plain in two"):
            with self.subTest(how=how):
                client = self.secure()
                self.assertEqual(set(client.keywords["AUTH"].split()), {"PLAIN", "LOGIN"})
                self.assert_code(client.ask(f"MAIL FROM:<{SENDER}>"), 530, "5.7.0")
                reply = client.login("staff", "let-me-in") if how == "login" else client.plain("staff", "let-me-in", initial=how == "plain")
                self.assert_code(reply, 235, "2.7.0")
                self.assert_code(client.plain("staff", "let-me-in"), 503, "5.5.1")
                self.assert_code(self.send(client=client), 250)
        self.received(3)
        self.assertEqual(self.upstream.heard("AUTH"), [])
        self.assertEqual(self.mail_event(event__action="allowed")["user.name"], "staff")
        for secret in ("let-me-in", "AHN0YWZmAGxldC1tZS1pbg", "bGV0LW1lLWlu"):
            self.assertNotIn(secret, json.dumps(self.proxy.events()) + self.proxy.stderr())

    def test_wrong_ones(self):
        self.begin()
        client = self.secure()
        self.assert_code(client.plain("staff", "wrong"), 535, "5.7.8")
        self.assert_code(client.login("nobody", "let-me-in"), 535, "5.7.8")
        self.assert_code(client.ask(f"MAIL FROM:<{SENDER}>"), 530, "5.7.0")
        self.assert_code(client.plain("other", "other-word"), 235, "2.7.0")
        self.assert_code(self.send(client=client), 250)

    def test_three_times_are_enough(self):
        self.begin()
        client = self.secure()
        codes = [client.plain("staff", "wrong").code for _ in range(2)]
        self.assertEqual(codes, [535, 535])
        last = client.plain("staff", "wrong")
        self.assertIn(last.code, (421, 535))
        self.assertIn(client.ended(), ("close", "reset")) if last.code == 421 else self.assertEqual(client.rest()[0][-1].code, 421)

    def test_what_is_no_login(self):
        self.begin()
        client = self.secure()
        self.assert_code(client.ask("AUTH CRAM-MD5"), 504, "5.5.4")
        self.assertIn(client.ask("AUTH").code, (501, 504))
        self.assert_code(client.ask("AUTH PLAIN !!!!"), 501, "5.5.2")
        client.must(334, "AUTH LOGIN")
        self.assert_code(client.ask("*"), 501, None)
        client.must(334, "AUTH PLAIN")
        self.assert_code(client.ask("*"), 501, None)
        self.assert_lives(client)

    def test_in_the_clear(self):
        self.begin()
        client = self.client()
        reply = client.plain("staff", "let-me-in")
        self.assertIn((reply.code, reply.enhanced), ((530, "5.7.0"), (538, "5.7.11")), reply)
        self.assert_code(client.ask(f"MAIL FROM:<{SENDER}>"), 530, "5.7.0")

    def test_in_the_clear_where_that_is_allowed(self):
        self.begin(auth_without_tls=True)
        client = self.client()
        self.assertEqual(set(client.keywords["AUTH"].split()), {"PLAIN", "LOGIN"})
        self.assert_code(client.plain("staff", "let-me-in"), 235, "2.7.0")
        self.assert_code(self.send(client=client), 250)

    def test_for_some(self):
        self.begin(when='smtp.rcpt_to ends_with "@outside.example"')
        client = self.secure()
        client.must(250, f"MAIL FROM:<{SENDER}>")
        client.must(250, f"RCPT TO:<{RECIPIENT}>")
        self.assert_code(client.ask("RCPT TO:<x@outside.example>"), 530, "5.7.0")
