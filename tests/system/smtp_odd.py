# SPDX-License-Identifier: Apache-2.0
"""A mail server that plays what a test writes down: [(what it waits for, what it does then)], over answers that any server would give.

    OddMail([("RCPT TO:<bo@", "550 5.1.1 nobody\\n"), (".", [commit, reset])])

A step is used when a line begins with its words (whatever the case), the first that fits, once, or each time where what it does is `always(…)`. What is done
is one move or a list: text and octets are sent ("\\n" becomes CRLF in text), a function gets the session. The step None is the greeting, "." the end of
a message, after all of it was read ("BDAT" is for chunks before the last); for LMTP the text has one line a recipient. A reply means what its code says: a 250 to
RCPT takes the recipient, a 354 to DATA lets the message come. It is strict: only CRLF ends a line, only CRLF.CRLF a message; what is bare is noted."""
import base64
import hashlib
import hmac
import re
import socket
import ssl
import threading

from smtp_peers import read_proxy_header, unstuffed, xtext_decoded
from wire import TIMEOUT, Closed, Origin

KEYWORDS = ("PIPELINING", "SIZE 10240000", "8BITMIME", "ENHANCEDSTATUSCODES", "SMTPUTF8", "DSN")
CHUNKING = (*KEYWORDS, "CHUNKING", "BINARYMIME")
PATIENCE = 120                                               # seconds: longer than any test waits for something else
CHALLENGE = b"<12345.67890@odd.test>"


class always:
    """A step that stays."""

    def __init__(self, moves):
        self.moves = moves


class Transaction:
    """mail, recipients: the commands' arguments as they came, of those that were taken. raw: what came after DATA, or in BDAT; `content` of it what the
    sender meant. chunks: sizes of BDAT. state: open, committed, refused, reset (by RSET, EHLO and the like), lost (the connection ended)."""

    def __init__(self, session, mail):
        self.session = session
        self.mail = mail
        self.recipients = []
        self.refused = []                                    # recipients
        self.raw = bytearray()
        self.chunks = []
        self.via = None                                      # DATA or BDAT
        self.is_whole = False                                # its end came
        self.state = "open"
        self.xforward = None

    @property
    def committed(self):
        return self.state == "committed"

    @property
    def content(self):
        return bytes(self.raw) if self.via == "BDAT" else unstuffed(bytes(self.raw))

    @property
    def sender(self):
        return address_of(self.mail)

    @property
    def to(self):
        return [address_of(recipient) for recipient in self.recipients]

    @property
    def parameters(self):
        """Of MAIL, as words."""
        return self.mail.rpartition(">")[2].split()

    def __repr__(self):
        """Without the content: it may be what no scanner wants to see on a terminal."""
        return f"Transaction({self.mail!r}, {self.recipients}, {len(self.raw)} octets by {self.via}, {self.state})"


def address_of(argument):
    """What is between the brackets of MAIL's or RCPT's argument."""
    return argument[argument.index("<") + 1:argument.rindex(">")]


class OddMail(Origin):
    """`said`: every line that came, without its end; `sessions` with what each heard; `transactions`. keywords: after EHLO. certificate: STARTTLS is
    offered, or with `implicit` spoken from the start. users: {name: password} for AUTH, whose mechanisms are among the keywords. takes_proxy_header: one
    is required. path: of a local socket, instead of a port."""

    def __init__(self, script=(), keywords=KEYWORDS, lmtp=False, certificate=None, implicit=False, users=None, takes_proxy_header=False, name="odd.test",
                 path=None, keywords_in_tls=None, **keys):
        self.script = list(script)
        self.keywords = list(keywords)
        self.keywords_in_tls = list(keywords_in_tls if keywords_in_tls is not None else keywords)
        self.lmtp, self.implicit, self.users, self.takes_proxy_header, self.name, self.path = lmtp, implicit, users or {}, takes_proxy_header, name, path
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate.chain, certificate.key)
        self.said = []
        self.sessions = []
        self.transactions = []
        self.handshakes = []                                 # None for a good one, else why not
        if path:
            self._at_path(path)
        else:
            super().__init__(self.play, **keys)

    def _at_path(self, path):
        self.handle, self.host, self.port, self.peers, self.failures, self.closing = self.play, None, None, [], [], False
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

    def play(self, peer):
        session = Session(self, peer)
        peer.sock.settimeout(PATIENCE)
        self.sessions.append(session)
        try:
            session.run()
        except Closed as closed:
            session.ended = "reset" if closed.reset else "close"
            raise
        finally:
            if session.ended is None:
                session.ended = "us"
            session.over("lost")

    def take(self, line):
        """The moves of the step that is for this line; None: none is."""
        for number, (wanted, moves) in enumerate(self.script):
            if wanted == line or wanted is not None and line is not None and line != "." and wanted != "." and line.upper().startswith(wanted.upper()):
                if isinstance(moves, always):
                    return moves.moves
                del self.script[number]
                return moves
        return None

    def heard(self, start):
        """Those lines that begin so."""
        return [line for line in self.said if line.upper().startswith(start.upper())]

    @property
    def committed(self):
        return [one for one in self.transactions if one.committed]

    @property
    def octets(self):
        """All that came, in all sessions, TLS undone."""
        return b"\n=\n".join(bytes(session.heard) for session in self.sessions)


class Session:
    """One connection. ended: close or reset by the peer, or "us"."""

    def __init__(self, server, peer):
        self.server = server
        self.peer = peer
        self.heard = bytearray()
        self.bare = []                                       # (where, which) of bare CR, LF, and NUL
        self.early = []                                      # (verb, octets) that came before its reply although it ends a group of commands
        self.line = ""
        self.helo = None                                     # (verb, name) that came last
        self.is_tls = False
        self.user = None
        self.auth = []                                       # (mechanism, user or None) of each attempt
        self.xclient = {}
        self.xforward = {}
        self.proxy = None                                    # the header's (source, port, destination, port), or "LOCAL"
        self.transaction = None
        self.code = None
        self.ended = None

    # What comes.

    def more(self):
        before = len(self.peer.buffer)
        self.peer._more()
        self.heard += self.peer.buffer[before:]

    def read_line(self):
        while b"\r\n" not in self.peer.buffer:
            self.more()
        line, _, self.peer.buffer = self.peer.buffer.partition(b"\r\n")
        for octet, name in ((b"\n", "LF"), (b"\r", "CR"), (b"\0", "NUL")):
            if octet in line:
                self.bare.append(("command", name))
        return line.decode("utf-8", "surrogateescape")

    def run(self):
        if self.server.takes_proxy_header:
            self.proxy = read_proxy_header(self)
        if self.server.implicit:
            self.begin_tls()
        self.answer(None, f"220 {self.server.name} odd\n")
        while True:
            self.line = self.read_line()
            self.server.said.append(self.line)
            verb = self.line.split(" ")[0].upper()
            if verb in ("EHLO", "LHLO", "DATA", "STARTTLS") and self.peer.buffer:
                self.early.append((verb, bytes(self.peer.buffer)))
            getattr(self, "on_" + verb.lower(), self.on_unknown)(self.line.partition(" ")[2])
            if verb == "QUIT":
                return

    # What is done.

    def answer(self, line, usual, then=None):
        """The step's moves, or the usual ones; the code of the last reply that they gave. `then(reply)` is called for each, before it goes."""
        moves = self.server.take(line)
        self.do(usual if moves is None else moves, then)
        return self.code

    def do(self, moves, then=None):
        self.code = None
        for move in moves if isinstance(moves, (list, tuple)) else [moves]:
            if isinstance(move, str):
                move = move.replace("\n", "\r\n").encode("utf-8", "surrogateescape")
            if isinstance(move, bytes):
                if found := re.match(rb"(?:.*\r\n)*?([2-5][0-9][0-9]) ", move):
                    self.code = int(found[1])
                    if then:
                        then(move)
                self.peer.send(move)
            elif (code := move(self)) is not None:
                self.code = code

    def good(self):
        return self.code is not None and self.code < 400

    def begin_tls(self):
        self.peer.buffer = b""
        try:
            self.peer.sock = self.server.context.wrap_socket(self.peer.sock, server_side=True)
        except (OSError, ValueError) as error:
            self.server.handshakes.append(error)
            raise Closed(b"") from None
        self.server.handshakes.append(None)
        self.is_tls = True

    def over(self, state):
        if self.transaction and self.transaction.state == "open":
            self.transaction.state = state
        self.transaction = None

    # Commands.

    def on_ehlo(self, name):
        keywords = list(self.server.keywords_in_tls if self.is_tls else self.server.keywords)
        if self.server.context and not self.is_tls and "STARTTLS" not in keywords:
            keywords.append("STARTTLS")
        lines = [self.server.name, *keywords]
        self.answer(self.line, "".join(f"250{'-' if number < len(lines) else ' '}{line}\n" for number, line in enumerate(lines, 1)), self.greeted)

    on_lhlo = on_ehlo

    def on_helo(self, _):
        self.answer(self.line, f"250 {self.server.name}\n", self.greeted)

    def greeted(self, _):
        if self.good():
            self.over("reset")
            self.helo = tuple(self.line.split(" ", 1))

    def on_starttls(self, _):
        self.answer(self.line, "220 go ahead\n" if self.server.context and not self.is_tls else "502 5.5.1 not here\n")
        if self.code == 220 and not self.is_tls:
            self.over("reset")
            self.helo = None
            self.begin_tls()

    def on_mail(self, argument):
        def begin(_):
            if self.good():
                self.transaction = Transaction(self, argument.partition(":")[2])
                self.transaction.xforward = dict(self.xforward)
                self.server.transactions.append(self.transaction)
        self.answer(self.line, "250 2.1.0 sender ok\n" if not self.transaction else "503 5.5.1 nested MAIL\n", begin)

    def on_rcpt(self, argument):
        def note(_):
            if self.transaction:
                (self.transaction.recipients if self.good() else self.transaction.refused).append(argument.partition(":")[2])
        self.answer(self.line, "250 2.1.5 recipient ok\n" if self.transaction and not self.transaction.via else "503 5.5.1 MAIL first\n", note)

    def on_rset(self, _):
        self.answer(self.line, "250 2.0.0 reset\n", lambda _: self.over("reset"))

    def on_noop(self, _):
        self.answer(self.line, "250 2.0.0 yes\n")

    def on_quit(self, _):
        self.answer(self.line, "221 2.0.0 bye\n")

    def on_vrfy(self, _):
        self.answer(self.line, "252 2.1.5 who knows\n")

    def on_help(self, _):
        self.answer(self.line, "214 none\n")

    def on_unknown(self, _):
        self.answer(self.line, "500 5.5.2 what\n")

    def on_data(self, _):
        may = self.transaction and self.transaction.recipients and not self.transaction.via
        self.answer(self.line, "354 send it\n" if may else "503 5.5.1 RCPT first\n")
        if self.code != 354:
            return
        if not self.transaction:                             # a test's own 354
            self.transaction = Transaction(self, "")
            self.server.transactions.append(self.transaction)
        self.transaction.via = "DATA"
        if not self.transaction.is_whole:
            self.read_message()
        self.end_of_data()

    def read_message(self, size=None):
        """Until the dot, or until at least that many octets have come; what is left in the buffer is what follows."""
        transaction = self.transaction
        while True:
            if self.peer.buffer:
                seen = len(transaction.raw)
                transaction.raw += self.peer.buffer
                self.peer.buffer = b""
                raw = transaction.raw
                end = 0 if raw[:3] == b".\r\n" else raw.find(b"\r\n.\r\n", max(0, seen - 4))
                if end >= 0:
                    keep, after = (0, 3) if raw[:3] == b".\r\n" else (end + 2, end + 5)
                    self.peer.buffer = bytes(raw[after:])
                    del raw[keep:]
                    transaction.is_whole = True
                    self.note_bare(transaction.raw)
                    return
            if size is not None and len(transaction.raw) >= size:
                return
            self.more()

    def note_bare(self, raw):
        for name, pattern in (("LF", rb"(?<!\r)\n"), ("CR", rb"\r(?!\n)"), ("NUL", rb"\0")):
            if re.search(pattern, raw):
                self.bare.append(("message", name))

    def end_of_data(self):
        count = len(self.transaction.recipients) if self.server.lmtp else 1
        self.answer(".", "250 2.0.0 taken\n" * count, lambda reply: commit(self) if re.search(rb"(?:^|\n)2", reply) else None)
        self.over("refused")

    def on_bdat(self, argument):
        words = argument.split()
        size, is_last = int(words[0]), len(words) > 1
        transaction = self.transaction
        while size and len(self.peer.buffer) < size:
            if transaction:
                transaction.raw += self.peer.buffer
            size -= len(self.peer.buffer)
            self.peer.buffer = b""
            self.more()
        if transaction:
            transaction.raw += self.peer.buffer[:size]
            transaction.via = "BDAT"
            transaction.chunks.append(int(words[0]))
        self.peer.buffer = self.peer.buffer[size:]
        if not transaction or not transaction.recipients:
            self.answer(self.line, "503 5.5.1 RCPT first\n")
        elif is_last:
            transaction.is_whole = True
            self.end_of_data()
        else:
            self.answer(self.line, f"250 2.0.0 {words[0]} octets\n")
            if not self.good():
                self.over("refused")

    # Who the client is.

    def on_xclient(self, argument):
        said = dict(word.split("=", 1) for word in argument.split())
        self.xclient |= {name.upper(): xtext_decoded(value) for name, value in said.items()}
        self.over("reset")
        self.helo = None
        self.answer(self.line, f"220 {self.server.name} again\n")

    def on_xforward(self, argument):
        self.xforward |= {name.upper(): xtext_decoded(value) for name, value in (word.split("=", 1) for word in argument.split())}
        self.answer(self.line, "250 2.0.0 so be it\n")

    def on_auth(self, argument):
        moves = self.server.take(self.line)
        if moves is not None:
            self.do(moves)
            return
        mechanism, _, initial = argument.partition(" ")
        user = None
        known = {"PLAIN": self.auth_plain, "LOGIN": self.auth_login, "CRAM-MD5": self.auth_cram}
        if mechanism.upper() not in known:
            self.do("504 5.5.4 no such mechanism\n")
            return
        try:
            user = known[mechanism.upper()](initial)
        except (ValueError, UnicodeDecodeError):
            self.do("501 5.5.2 not base64, or given up\n")
            return
        finally:
            self.auth.append((mechanism.upper(), user))
        self.user = user or self.user
        self.do("235 2.7.0 welcome\n" if user else "535 5.7.8 no\n")

    def challenged(self, challenge):
        self.do(f"334 {base64.b64encode(challenge).decode()}\n")
        return base64.b64decode(self.read_line(), validate=True)

    def auth_plain(self, initial):
        response = base64.b64decode(initial, validate=True) if initial else self.challenged(b"")
        _, user, password = response.decode().split("\0")
        return user if self.server.users.get(user) == password else None

    def auth_login(self, initial):
        user = (base64.b64decode(initial, validate=True) if initial else self.challenged(b"Username:")).decode()
        password = self.challenged(b"Password:").decode()
        return user if self.server.users.get(user) == password else None

    def auth_cram(self, _):
        user, _, digest = self.challenged(CHALLENGE).decode().rpartition(" ")
        password = self.server.users.get(user)
        return user if password and digest == hmac.new(password.encode(), CHALLENGE, hashlib.md5).hexdigest() else None


# Moves.

def commit(session):
    """It has the message, whatever it says."""
    if session.transaction:
        session.transaction.state = "committed"


def take(size):
    """After a 354: at least that much of the message is read before the next move."""

    def move(session):
        session.transaction.via = "DATA"
        session.read_message(size)
        return 354
    return move


def wait(event):
    """Until the test says so."""

    def move(session):
        if not event.wait(6 * TIMEOUT):
            raise AssertionError("nobody said go on")
    return move


def tell(event):
    """The test, that it is here."""
    return lambda session: event.set()


def tls(session):
    session.begin_tls()


def hang(session):
    """Says nothing more, and hears nothing; ends with the peer."""
    session.peer.sock.settimeout(120)
    while True:
        session.more()
        session.peer.buffer = b""


def end(session):
    raise Closed(b"")


def reset(session):
    session.peer.reset()
    raise Closed(b"")
