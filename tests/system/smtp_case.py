# SPDX-License-Identifier: Apache-2.0
"""What SMTP's tests stand on. SLUICE_SMTP_TARGET=direct runs them against the upstreams themselves, without Sluice: that proves clients, servers and
checks; what only Sluice does is then skipped."""
import base64
import os
import quopri
import re
import unittest

from harness import Sluice, SystemTest, free_port, until
from smtp_client import Client
from smtp_odd import KEYWORDS, OddMail
from tls import Pki, tls_client

DIRECT = os.environ.get("SLUICE_SMTP_TARGET") == "direct"
HOST = "gw.test"                                             # the gateway's own name
SENDER, RECIPIENT = "ann@example.org", "bo@example.com"


def through_sluice(test):
    """For a test, or a class of them, of what servers do otherwise."""
    return unittest.skipIf(DIRECT, "is about Sluice itself")(test)


def lines(*texts):
    return b"".join((text.encode() if isinstance(text, str) else text) + b"\r\n" for text in texts)


def message(body=b"Hello.\r\n", *fields, subject="greetings", sender=SENDER, to=RECIPIENT, ident="one@client.test"):
    """A message with those fields besides the usual ones."""
    usual = (f"From: Ann <{sender}>", f"To: {to}", f"Subject: {subject}", f"Message-ID: <{ident}>", "Date: Fri, 27 Nov 2026 12:00:00 +0000")
    return lines(*usual, *fields, "") + (body.encode() if isinstance(body, str) else body)


def encoded(content, coding):
    """The content under that transfer encoding."""
    if coding == "base64":
        return base64.encodebytes(content).replace(b"\n", b"\r\n")
    if coding == "quoted-printable":
        return quopri.encodestring(content).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") + b"\r\n"
    return content + b"\r\n"


def part(content, name=None, kind="application/octet-stream", coding="base64"):
    """A part, its head first."""
    fields = [f"Content-Type: {kind}" + (f'; name="{name}"' if name else ""), f"Content-Transfer-Encoding: {coding}"]
    if name:
        fields.append(f'Content-Disposition: attachment; filename="{name}"')
    return lines(*fields, "") + encoded(content, coding)


def multipart(*parts, boundary="=_limit", kind="mixed", **keys):
    """A message of those parts, as `part` makes them."""
    body = b"".join(lines("--" + boundary) + one for one in parts) + lines(f"--{boundary}--")
    return message(body, "MIME-Version: 1.0", f'Content-Type: multipart/{kind}; boundary="{boundary}"', **keys)


def attached(content, name="file.bin", coding="base64", kind="application/octet-stream", **keys):
    """A text with one attachment."""
    return multipart(part(b"See the attachment.", kind="text/plain", coding="7bit"), part(content, name, kind, coding), **keys)


class SmtpTest(SystemTest):
    """`start` once a test; then `client`, or `send`, as often as it takes. Classes with `has_tls` have `pki`."""
    has_tls = False

    @classmethod
    def setUpClass(cls):
        if cls.has_tls:
            cls.pki = Pki()
            cls.addClassCleanup(cls.pki.close)
            cls.certificate = cls.pki.server("mail", names=["DNS:mail.test"])

    def odd(self, script=(), **keys):
        """An upstream as smtp_odd.py plays it."""
        server = OddMail(script, **keys)
        self.addCleanup(server.close)
        self.addCleanup(lambda: self.assertEqual(server.failures, []))
        return server

    def start(self, upstream=None, rules=(), smtp=None, **keys):
        """`upstream`: a server, or what the configuration says. `smtp`: its section's further keys; the rest goes to Sluice. In `proxy`."""
        self.upstream = self.odd() if upstream is None else upstream
        self.proxy = None
        if DIRECT:
            self.port = self.upstream.port
            return self.upstream
        self.port = free_port()
        self.implicit_port = free_port()
        keys.setdefault("ftp", {"listen": []})
        keys.setdefault("http", {"listen": []})
        self.proxy = Sluice(rules, smtp={"listen": [f"127.0.0.1:{self.port}"], "upstream": self.address(), "hostname": HOST, **(smtp or {})}, wait=None, **keys)
        self.addCleanup(self.proxy.stop)
        self.proxy.hosts.write_text(self.proxy.hosts.read_text() + f"127.0.0.1 mail.test other.test {HOST}\n")
        if self.has_tls:
            made = self.proxy.command("ca", "init")
            self.assertEqual(made.returncode, 0, made.stderr)
            self.ca = self.proxy.folder / "exported.pem"
            self.ca.write_text(self.proxy.command("ca", "export").stdout)
        self.proxy.start()
        return self.upstream

    def address(self):
        """The upstream in the configuration's words."""
        upstream = self.upstream
        if isinstance(upstream, (str, list)):
            return upstream
        if getattr(upstream, "path", None):
            return f"lmtp:{upstream.path}"
        scheme = "lmtp://" if upstream.lmtp else "smtps://" if upstream.implicit else ""
        return f"{scheme}{'mail.test' if upstream.context else '127.0.0.1'}:{upstream.port}"

    def client(self, ehlo="client.test", source=None, **keys):
        """One that has been greeted, and has said EHLO unless that is None."""
        client = Client.greeted(self.port, source=source, **keys)
        self.addCleanup(client.close)
        if ehlo:
            reply = client.ehlo(ehlo)
            if reply.code != 250:
                raise AssertionError(f"EHLO: {reply}")
        return client

    def trusting(self):
        """A client's context for the gateway's certificate."""
        return tls_client(self.pki.root if DIRECT else self.ca)

    def send(self, content=None, mail_from=SENDER, to=(RECIPIENT,), via="DATA", client=None):
        """One message in a session of its own, or in the client's; the last reply."""
        client = client or self.client()
        client.envelope(mail_from, to)
        content = message() if content is None else content
        return client.data(content) if via == "DATA" else client.chunks(content, max(1, len(content) // 3))

    def received(self, count=1):
        """The transactions that the upstream has committed, when there are so many."""
        until(lambda: len(self.upstream.committed) >= count, f"{count} messages in the upstream")
        self.assertEqual(len(self.upstream.committed), count)
        return self.upstream.committed

    def assert_nothing_came(self):
        """Neither whole nor to be taken for it; every session's DATA has been given up."""
        until(lambda: all(one.state != "open" for one in self.upstream.transactions), "the end of what was begun")
        self.assertEqual(self.upstream.committed, [])

    def assert_same(self, got, sent):
        """Byte for byte, behind a Received field of ours."""
        if not DIRECT:
            got = without_received(got)
        self.assertTrue(got == sent, first_difference(got, sent))

    def assert_code(self, reply, code, enhanced=None):
        self.assertEqual((reply.code, reply.enhanced if enhanced else None), (code, enhanced), reply)

    def assert_blocked(self, reply, name=None, code=550, enhanced="5.7.1", **wanted):
        """A refusal that names the event; which is given back."""
        self.assert_code(reply, code, enhanced)
        found = re.search(r"\(([0-9A-Za-z_-]+)\)$", reply.text)
        self.assertIsNotNone(found, reply)
        event = self.proxy.event(event__id=found[1], **wanted)
        if name:
            self.assertEqual(event.get("rule.name"), name, event)
        return event

    def assert_lives(self, client):
        """The session is in step: the next command has the next reply, and that is its own."""
        self.assert_code(client.ask("NOOP"), 250)
        self.assertTrue(client.quiet(0.05), "more came")

    def mail_event(self, **wanted):
        """Of a message."""
        return self.proxy.event(network__protocol="smtp", **wanted)


def without_received(content):
    """Without the first field, which must be Received."""
    if not content.lower().startswith(b"received:"):
        raise AssertionError(f"no Received field on top: {content[:80]!r}")
    end = re.search(rb"\r\n(?![ \t])", content)
    return content[end.end():]


def first_difference(got, sent):
    """Where they part; without the octets themselves, which may be what no terminal wants to see."""
    place = next((at for at, (one, other) in enumerate(zip(got, sent)) if one != other), min(len(got), len(sent)))
    return f"{len(got)} octets of {len(sent)}; they differ at {place}: {got[place:place + 24].hex()} for {sent[place:place + 24].hex()}"


__all__ = ["DIRECT", "HOST", "KEYWORDS", "RECIPIENT", "SENDER", "SmtpTest", "attached", "encoded", "first_difference", "lines", "message", "multipart", "part",
           "through_sluice", "without_received"]
