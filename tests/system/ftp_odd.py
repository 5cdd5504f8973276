# SPDX-License-Identifier: Apache-2.0
"""A server that plays what a test writes down: [(what it waits for, what it does then)], over answers that any server would give.

    OddServer([("RETR", ["150 here\\n", data(b"abc"), "226 done\\n", "226 done again\\n"])])

A step is used when a line begins with its words (whatever the case), once, the first that fits; after those, the usual answers follow. What is
done is one move or a list: text and octets are sent ("\\n" becomes CRLF in text; {pasv} and {epsv} open a port for data), a function gets the
session. The step None is the greeting."""
import fcntl
import select
import socket
import struct
import termios

from ftp_client import numbers
from harness import until
from wire import TIMEOUT, Closed, Origin

USUAL = {
    "USER": "331 who else\n", "PASS": "230 welcome\n", "PWD": '257 "/"\n', "CWD": "250 there\n", "CDUP": "250 there\n", "TYPE": "200 so be it\n", "SYST": "215 UNIX Type: L8\n",
    "FEAT": "211-Features\n SIZE\n MDTM\n EPSV\n REST STREAM\n211 End\n", "EPSV": "229 here (|||{epsv}|)\n", "PASV": "227 here ({pasv})\n", "NOOP": "200 yes\n",
    "REST": "350 from there\n", "MODE": "200 S\n", "STRU": "200 F\n", "OPTS": "200 yes\n", "ABOR": "226 nothing to abort\n", "SIZE": "550 who knows\n", "MDTM": "550 who knows\n",
    "DELE": "250 gone\n", "RNFR": "350 to what\n", "RNTO": "250 so be it\n", "MKD": '257 "it"\n', "RMD": "250 gone\n", "SITE": "200 yes\n", "STAT": "211 fine\n",
    "CLNT": "200 yes\n", "HELP": "214 none\n", "ALLO": "202 no need\n", "ACCT": "202 no need\n", "MFMT": "213 yes\n", "LANG": "200 yes\n", "HOST": "220 yes\n",
    "PORT": "200 there\n", "EPRT": "200 there\n", "QUIT": "221 bye\n",
}


class OddServer(Origin):
    """`said`: every line that came, without its end. `uploads`: what data connections brought. `data_peers`: who opened them."""

    def __init__(self, script=(), files=None, **keys):
        self.script = list(script)
        self.files = files or {}
        self.said = []
        self.uploads = []
        self.data_peers = []
        self.sessions = []
        super().__init__(self.play, **keys)

    def play(self, peer):
        session = Session(self, peer)
        self.sessions.append(session)
        session.do(self.take(None, "220 odd\n"))
        while True:
            line = peer.read_until(b"\n")
            self.said.append(line.rstrip(b"\r\n").decode("utf-8", "surrogateescape"))
            session.line = self.said[-1]
            verb = session.line.split(" ")[0].upper()
            session.do(self.take(session.line, self.usual(verb, session)))
            if verb == "QUIT":
                return

    def usual(self, verb, session):
        name = session.line.partition(" ")[2]
        if verb == "RETR":
            return ["150 it comes\n", data(self.files[name]), "226 done\n"] if name in self.files else "550 no such file\n"
        if verb in ("LIST", "NLST", "MLSD"):
            return ["150 they come\n", data("".join(f"{name}\r\n" for name in self.files).encode()), "226 done\n"]
        if verb in ("STOR", "STOU", "APPE"):
            return ["150 send it\n", sink, "226 thanks\n"]
        if verb in ("PORT", "EPRT"):
            session.active(name)
        return USUAL.get(verb, "502 what\n")

    def take(self, line, usual):
        for number, (wanted, moves) in enumerate(self.script):
            if wanted == line or wanted is not None and line is not None and line.upper().startswith(wanted.upper()):
                del self.script[number]
                return moves
        return usual

    def heard(self, start):
        """Those lines that begin so."""
        return [line for line in self.said if line.upper().startswith(start.upper())]


class Session:
    def __init__(self, server, peer):
        self.server = server
        self.peer = peer
        self.line = ""
        self.listener = None
        self.sock = None
        self.target = None

    def do(self, moves):
        for move in moves if isinstance(moves, (list, tuple)) else [moves]:
            if isinstance(move, str):
                move = self.filled(move).replace("\n", "\r\n").encode("utf-8", "surrogateescape")
            if isinstance(move, bytes):
                self.peer.send(move)
            else:
                move(self)

    def filled(self, text):
        for mark in ("{pasv}", "{epsv}", "{high}", "{low}"):
            if mark in text:
                if mark != "{low}":
                    self.listen()
                port = self.listener.getsockname()[1]
                text = text.replace(mark, {"{pasv}": numbers(self.server.host, port), "{epsv}": str(port), "{high}": str(port // 256), "{low}": str(port % 256)}[mark])
        return text

    def listen(self):
        if self.listener:
            self.listener.close()
        self.target = None
        self.listener = socket.create_server((self.server.host, 0))
        self.listener.settimeout(TIMEOUT)

    def active(self, argument):
        parts = argument.split(",")
        self.target = (".".join(parts[:4]), int(parts[4]) * 256 + int(parts[5])) if len(parts) == 6 else (argument.split(argument[0])[2], int(argument.split(argument[0])[3]))

    def open(self):
        """The data connection."""
        if self.target:
            self.sock = socket.create_connection(self.target, TIMEOUT)
            self.server.data_peers.append(self.target)
        else:
            self.sock, who = self.listener.accept()
            self.server.data_peers.append(who)
        self.sock.settimeout(TIMEOUT)
        return self.sock


def data(content, reset=False, keep=False):
    """Sends it on the data connection; `keep` leaves that open for `shut`."""

    def move(session):
        sock = session.open()
        try:
            sock.sendall(content)
        except ConnectionError:
            pass
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if not keep:
            sock.close()
    return move


def shut(session):
    session.sock.close()


def endless(content):
    """On the data connection, until nobody takes it any more or something is said."""

    def move(session):
        with session.open() as sock:
            try:
                while not select.select([session.peer.sock], [], [], 0)[0]:
                    sock.sendall(content)
            except OSError:
                pass
    return move


def sink(session):
    """Takes an upload."""
    with session.open() as sock:
        content = bytearray()
        ended = "close"
        try:
            while chunk := sock.recv(1 << 18):
                content += chunk
        except ConnectionError:
            ended = "reset"
    session.server.uploads.append((session.line, bytes(content), ended))


def flood(content):
    """On the control connection, until nobody takes it any more: then the session is over."""

    def move(session):
        while True:
            session.peer.send(content)
    return move


def pieces(text, size=1):
    """Each piece on its own: it is taken (acknowledged) before the next is sent."""

    def move(session):
        raw = session.filled(text).replace("\n", "\r\n").encode()
        for start in range(0, len(raw), size):
            session.peer.send(raw[start:start + size])
            until(lambda: not unsent(session.peer.sock), "the piece")
    return move


def unsent(sock):
    if sock.fileno() < 0:
        return 0                                             # the peer has gone already
    return struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))[0]


def wait(event):
    """Until the test says so."""
    return lambda session: event.wait(TIMEOUT)


def hang(session):
    """Says nothing more; ends with the peer."""
    session.peer.sock.settimeout(120)
    while session.peer.sock.recv(65536):
        pass
    raise Closed(b"")


def end(session):
    raise Closed(b"")


def reset(session):
    session.peer.reset()
    raise Closed(b"")
