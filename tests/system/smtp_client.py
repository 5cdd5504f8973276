# SPDX-License-Identifier: Apache-2.0
"""SMTP said on the socket: a client that sends exactly what a test wants, and reads replies strictly."""
import base64
import collections
import re

from smtp_peers import stuffed
from tls import begin_tls
from wire import TIMEOUT, Closed, Peer


class Reply(collections.namedtuple("Reply", "code lines raw")):
    """lines: without codes."""

    @property
    def text(self):
        return "\n".join(self.lines)

    @property
    def enhanced(self):
        """"5.7.1"; None where there is none."""
        found = re.match(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}(?= |$)", self.lines[0])
        return found and found[0]


class Client(Peer):
    """`greeting`, and after EHLO `keywords`: {name: parameters}."""
    greeting = None
    keywords = {}

    @classmethod
    def greeted(cls, port, host="127.0.0.1", source=None, implicit=None, before=b""):
        """implicit: the context of a TLS that comes first; before: octets that do (a PROXY header)."""
        client = cls.connect(port, host, source)
        if before:
            client.send(before)
        if implicit:
            begin_tls(client, implicit, "gw.test")
        client.greeting = client.reply()
        return client

    def line(self):
        raw = self.read_until(b"\n")
        if not raw.endswith(b"\r\n") or b"\r" in raw[:-2] or b"\0" in raw:
            raise AssertionError(f"not a line of a reply: {raw!r}")
        if not re.match(rb"[2-5][0-9]{2}(?:[ -].*)?\r\n", raw, re.DOTALL):
            raise AssertionError(f"not a reply: {raw!r}")
        if len(raw) > 512:
            raise AssertionError(f"longer than 512 octets: {raw!r}")
        return raw

    def reply(self):
        """A whole reply (RFC 5321 4.2)."""
        raw = line = self.line()
        lines = [line[4:-2]]
        while line[3:4] == b"-":
            line = self.line()
            if line[:3] != raw[:3]:
                raise AssertionError(f"the code changes: {raw + line!r}")
            raw += line
            lines.append(line[4:-2])
        return Reply(int(raw[:3]), [one.decode("utf-8", "surrogateescape") for one in lines], raw)

    def ask(self, command):
        """One command, one reply. A str goes as UTF-8."""
        self.say(command)
        return self.reply()

    def say(self, command):
        self.send((command.encode("utf-8", "surrogateescape") if isinstance(command, str) else command) + b"\r\n")

    def code(self, command):
        return self.ask(command).code

    def ehlo(self, name="client.test", verb="EHLO"):
        reply = self.ask(f"{verb} {name}")
        if reply.code == 250:
            self.keywords = {word.split(" ")[0].upper(): word.partition(" ")[2] for word in reply.lines[1:]}
        return reply

    def pipeline(self, *commands):
        """All at once; their replies."""
        self.send(b"".join((one.encode() if isinstance(one, str) else one) + b"\r\n" for one in commands))
        return [self.reply() for _ in commands]

    def envelope(self, mail_from="ann@example.org", to=("bo@example.com",), parameters=""):
        """MAIL and RCPTs that must all be taken."""
        self.must(250, f"MAIL FROM:<{mail_from}>{' ' if parameters else ''}{parameters}")
        for recipient in to:
            self.must(250, f"RCPT TO:<{recipient}>")
        return self

    def must(self, code, command):
        reply = self.ask(command)
        if reply.code != code:
            raise AssertionError(f"{command}: {reply}")
        return reply

    def data(self, content, cut=None):
        """The message by DATA, which must be let come; `cut`: into pieces of that many octets."""
        self.must(354, "DATA")
        self.send_in(stuffed(content) + (b"" if content.endswith(b"\r\n") or not content else b"\r\n") + b".\r\n", cut)
        return self.reply()

    def send_in(self, octets, cut=None):
        if not cut:
            self.send(octets)
        else:
            for start in range(0, len(octets), cut):
                self.send(octets[start:start + cut])

    def bdat(self, content, last=True):
        """One chunk."""
        self.send(b"BDAT %d%s\r\n" % (len(content), b" LAST" if last else b"") + content)
        return self.reply()

    def chunks(self, content, size):
        """The message in chunks of that size: the last one's reply, or the first refusal, behind which all is taken back."""
        for start in range(0, len(content) - size, size):
            reply = self.bdat(content[start:start + size], last=False)
            if reply.code != 250:
                self.must(250, "RSET")
                return reply
        return self.bdat(content[(len(content) - 1) // size * size if content else 0:])

    def starttls(self, context, name="gw.test"):
        self.must(220, "STARTTLS")
        if self.buffer:
            raise AssertionError(f"more than the reply: {self.buffer!r}")
        return begin_tls(self, context, name)

    def plain(self, user, password, initial=True):
        word = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        if initial:
            return self.ask(f"AUTH PLAIN {word}")
        self.must(334, "AUTH PLAIN")
        return self.ask(word)

    def login(self, user, password):
        self.must(334, "AUTH LOGIN")
        reply = self.ask(base64.b64encode(user.encode()))
        return self.ask(base64.b64encode(password.encode())) if reply.code == 334 else reply

    def quiet(self, seconds=0.2):
        """True when nothing comes unasked for a while: there is no fact to wait for where nothing is to happen."""
        self.sock.settimeout(seconds)
        try:
            more = self.sock.recv(65536)
        except TimeoutError:
            more = None
        finally:
            self.sock.settimeout(TIMEOUT)
        return more is None and not self.buffer

    def rest(self):
        """All replies until the end of the connection, and how it ended; for those who were shut out."""
        replies = []
        try:
            while True:
                replies.append(self.reply())
        except Closed as closed:
            return replies, "reset" if closed.reset else "close"
