# SPDX-License-Identifier: Apache-2.0
"""What mail programs open besides MIME: TNEF, S/MIME, mail attached as a file; and what only its receiver can open."""
import struct
import subprocess

from harness import rule
from payloads import EICAR, noise, zipped
from smtp_case import SmtpTest, attached, encoded, lines, message, multipart, part, through_sluice
from smtp_malware_test import uuencoded

TEXT = part(b"See the attachment.", kind="text/plain", coding="7bit")
PROGRAMS = rule("programs", 'file.extension == "exe"', "block")


def tnef(content, name):
    """winmail.dat with one attachment, whose title stands behind its content, as Outlook writes it."""
    def attribute(level, ident, value):
        return struct.pack("<BII", level, ident, len(value)) + value + struct.pack("<H", sum(value) & 0xffff)
    return struct.pack("<IH", 0x223e9f78, 1) + attribute(2, 0x00069002, bytes(14)) + attribute(2, 0x0006800f, content) + attribute(2, 0x00018010, name.encode() + b"\0")


def winmail(content, name="bad.exe"):
    return multipart(TEXT, part(tnef(content, name), "winmail.dat", "application/ms-tnef"))


@through_sluice
class Opened(SmtpTest):
    has_tls = True

    def openssl(self, *words, content):
        return subprocess.run(["openssl", *words], input=content, capture_output=True, check=True).stdout

    def signed(self, content, *how):
        """The entity within CMS, in DER."""
        return self.openssl("cms", "-sign", "-nodetach", "-binary", "-outform", "DER", "-signer", str(self.certificate.chain), "-inkey", str(self.certificate.key), *how, content=content)

    def test_names_that_come_last(self):
        for size in (8, 100_000, 3 << 20):
            with self.subTest(size=size):
                self.start(rules=[PROGRAMS])
                event = self.assert_blocked(self.send(winmail(noise(size))), "programs")
                self.assertIn("bad.exe", [one["file.name"] for one in event["email.attachments"]])
                self.assert_nothing_came()
                self.assert_code(self.send(winmail(noise(size), "good.txt")), 250)
                self.proxy.stop()

    def test_malware_in_tnef(self):
        self.start()
        self.assert_blocked(self.send(winmail(EICAR, "bad.com")), "malware")

    def test_signed(self):
        self.start(rules=[PROGRAMS])
        kind = 'application/pkcs7-mime; smime-type=signed-data; name="smime.p7m"'
        for how in ((), ("-stream",)):
            for name, wanted in (("bad.com", EICAR), ("bad.exe", noise(20_000))):
                entity = lines("Content-Type: multipart/mixed; boundary=inner", "", "--inner") + part(wanted, name) + lines("--inner--")
                der = self.signed(entity, *how)
                for content in (message(encoded(der, "base64"), "MIME-Version: 1.0", f"Content-Type: {kind}", "Content-Transfer-Encoding: base64"), attached(der, "smime.p7m", kind="application/pkcs7-mime"),
                                attached(der, "some.bin")):
                    with self.subTest(how=how, name=name):
                        self.assert_blocked(self.send(content), "malware" if wanted == EICAR else "programs")
            good = self.signed(lines("Content-Type: text/plain", "", "hello"), *how)
            self.assert_code(self.send(attached(good, "smime.p7m", kind="application/pkcs7-mime")), 250)
        self.assertEqual(self.mail_event(event__action="allowed")["scan.verdict"], "clean")

    def test_mail_attached_as_a_file(self):
        self.start(rules=[PROGRAMS])
        inner = attached(EICAR, "bad.com")
        for content in (attached(inner, "letter.eml"), attached(inner, "letter.bin"), attached(attached(noise(1000), "bad.exe"), "letter.eml")):
            self.assertEqual(self.send(content).code, 550)

    def test_mail_attached_under_other_types_and_behind_other_lines(self):
        self.start()
        inner = attached(EICAR, "bad.com")
        for kind, content in (("message/delivery-status", inner), ("text/rfc822-headers", inner), ("application/octet-stream", b"no field at all\r\n" * 400 + inner),
                              ("application/octet-stream", lines("", "Subject: x", "junk") + inner)):
            with self.subTest(kind=kind):
                self.assert_blocked(self.send(attached(content, "letter.eml", kind=kind)), "malware")

    def test_a_file_in_a_text_that_begins_as_something_else(self):
        """It is a text as well."""
        self.start()
        packed = zipped(("readme", noise(9000)), ("bad.com", EICAR))
        for beginning in (b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02 \r\n", b"\x78\x9f\x3e\x22 \r\n"):
            content = message(encoded(beginning + uuencoded(packed, "evil.zip"), "base64"), "MIME-Version: 1.0", "Content-Type: text/plain", "Content-Transfer-Encoding: base64")
            self.assert_blocked(self.send(content), "malware")
        self.assert_nothing_came()

    def test_many_parts_before_it(self):
        """What is told of the one that is refused is its own."""
        self.start()
        for count in (7, 8, 9, 30):
            content = multipart(*[b"\r\nx%d\r\n" % number for number in range(count)], part(EICAR, "bad.com"))
            reply = self.send(content)
            event = self.assert_blocked(reply, "malware")
            self.assertIn("EICAR", reply.text)
            self.assertIn("EICAR", event["event.reason"])

    def test_one_entry_for_one_file(self):
        self.start()
        self.assert_code(self.send(multipart(TEXT, lines('Content-Type: message/rfc822; name="hi.eml"', "Content-Transfer-Encoding: base64", "") + encoded(message(), "base64"))), 250)
        self.assertEqual([one["file.name"] for one in self.mail_event(event__action="allowed")["email.attachments"]], ["hi.eml"])

    def test_no_doubt_about_ordinary_mail(self):
        """Bounces with the head alone, heads pasted into a text."""
        self.start()
        bounce = multipart(TEXT, lines("Content-Type: message/rfc822", "") + lines("From: a@example.org", "Subject: x", "MIME-Version: 1.0", 'Content-Type: multipart/alternative; boundary="b"', ""), kind="report")
        pasted = message(lines("MIME-Version: 1.0", 'Content-Type: multipart/mixed; boundary="x"', "", "What does that mean?"))
        for content in (bounce, pasted):
            self.assert_code(self.send(content), 250)
        for event in self.proxy.event(count=2, event__action="allowed"):
            self.assertNotIn("email.ambiguities", event)

    def test_a_message_with_a_name(self):
        self.start(rules=[PROGRAMS])
        content = multipart(TEXT, lines('Content-Type: message/rfc822; name="bad.exe"', "") + message())
        self.assert_blocked(self.send(content), "programs")

    def test_encrypted(self):
        """Is let through, says so, and a rule may refuse it."""
        der = self.openssl("cms", "-encrypt", "-binary", "-outform", "DER", "-aes-128-cbc", str(self.certificate.chain), content=b"hello")
        pgp = lines("-----BEGIN PGP MESSAGE-----", "", "hQEMA5o" * 8, "=abcd", "-----END PGP MESSAGE-----")
        whole = lines("Content-Type: application/pgp-encrypted", "", "Version: 1") + b"--x\r\n" + lines("Content-Type: application/octet-stream", "") + pgp
        contents = {"S/MIME": attached(der, "smime.p7m", kind="application/pkcs7-mime"), "PGP in a text": message(lines("Look:", "") + pgp),
                    "PGP/MIME": message(b"--x\r\n" + whole + b"--x--\r\n", "MIME-Version: 1.0", "Content-Type: multipart/encrypted; boundary=x; protocol=\"application/pgp-encrypted\"")}
        for rules, code in (((), 250), ([rule("readable", 'scan.reason == "encrypted"', "block")], 550)):
            self.start(rules=rules)
            for name, content in contents.items():
                with self.subTest(name=name, code=code):
                    self.assertEqual(self.send(content).code, code)
            events = self.proxy.event(count=3, scan__verdict="unscannable", scan__reason="encrypted")
            self.assertEqual(len(events), 3)
            self.proxy.stop()
