# SPDX-License-Identifier: Apache-2.0
"""FTP said on the socket: a client that sends exactly what a test wants, and reads replies strictly."""
import collections
import re
import socket
import struct
import time

from wire import TIMEOUT, Closed, Peer

Reply = collections.namedtuple("Reply", "code text raw")     # text: without codes, lines joined by "\n"


class Transfer(collections.namedtuple("Transfer", "first data ended final")):
    """first: the 1xx or None; ended: close, reset, or None where there was no connection."""

    def __repr__(self):
        """Without the data: it may be what no scanner wants to see on a terminal."""
        return f"Transfer({self.first}, {len(self.data)} octets, {self.ended}, {self.final})"


class Data:
    """A data connection, whoever opens it: `open` gives its socket once it is up."""

    def __init__(self, address=None, listener=None):
        self.listener = listener
        self.sock = socket.create_connection(address, TIMEOUT) if address else None

    def open(self):
        if self.sock is None:
            self.listener.settimeout(TIMEOUT)
            self.sock, self.peer = self.listener.accept()
            self.sock.settimeout(TIMEOUT)
        return self.sock

    def read(self, seconds=TIMEOUT):
        """(all that comes, how it ended; None where it did not in time)."""
        data = bytearray()
        self.open().settimeout(seconds)
        last = time.monotonic() + 3 * seconds
        try:
            while chunk := self.open().recv(1 << 18):
                data += chunk
                if time.monotonic() > last:                   # it goes on and on
                    return bytes(data), None
            return bytes(data), "close"
        except ConnectionError:
            return bytes(data), "reset"
        except TimeoutError:
            return bytes(data), None

    def close(self, reset=False):
        for one in (self.sock, self.listener):
            if one:
                if reset and one is self.sock:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                one.close()


class Control(Peer):
    """The control connection. `mode` is how it makes data connections: PASV, EPSV, PORT or EPRT."""
    mode = "PASV"

    @classmethod
    def greeted(cls, port, host="127.0.0.1", source=None):
        control = cls.connect(port, host, source)
        control.greeting = control.reply()
        return control

    def line(self):
        raw = self.read_until(b"\n")
        if not raw.endswith(b"\r\n") or b"\r" in raw[:-2] or b"\0" in raw:
            raise AssertionError(f"not a line of a reply: {raw!r}")
        return raw

    def reply(self):
        """A whole reply (RFC 959 4.2)."""
        raw = first = self.line()
        if not re.match(rb"[1-5][0-9]{2}[ -]", first):
            raise AssertionError(f"not a reply: {first!r}")
        lines = [first[4:-2]]
        if first[3:4] == b"-":
            while not (last := self.line()).startswith(first[:3] + b" "):
                raw += last
                lines.append(last[:-2])
            raw += last
            lines.append(last[4:-2])
        return Reply(int(first[:3]), b"\n".join(lines).decode("utf-8", "surrogateescape"), raw)

    def ask(self, command):
        """One command, one reply. A str goes as UTF-8."""
        self.say(command)
        return self.reply()

    def say(self, command):
        self.send((command.encode("utf-8", "surrogateescape") if isinstance(command, str) else command) + b"\r\n")

    def code(self, command):
        return self.ask(command).code

    def login(self, user, password):
        reply = self.ask(f"USER {user}")
        if reply.code == 331:
            reply = self.ask(f"PASS {password}")
        if reply.code != 230:
            raise AssertionError(f"not logged in: {reply}")
        return self

    def address(self):
        """Where the control connection's peer is told to be for PORT: the address that it sees."""
        return self.sock.getsockname()[0]

    def data(self, mode=None):
        """Agrees on a data connection."""
        mode = mode or self.mode
        if mode in ("PASV", "EPSV"):
            reply = self.ask(mode)
            return Data(address=passive_address(reply, self.sock.getpeername()[0]))
        listener = socket.create_server((self.address(), 0))
        host, port = listener.getsockname()[:2]
        reply = self.ask(f"EPRT |1|{host}|{port}|" if mode == "EPRT" else f"PORT {numbers(host, port)}")
        if reply.code != 200:
            listener.close()
            raise AssertionError(f"{mode}: {reply}")
        return Data(listener=listener)

    def get(self, command, mode=None):
        """RETR, LIST and the like."""
        data = self.data(mode)
        first, final = self.begin(command)
        if final:
            # Nothing may have come. Some close it then, some keep it for the next command; in active mode it was never there.
            got, ended = data.read(0.05) if data.sock else (b"", None)
        else:
            got, ended = data.read()
        data.close()
        return Transfer(first, got, ended, final or self.reply())

    def put(self, command, content, mode=None, reset=False):
        """STOR and the like. ended: "reset" where the other side broke the connection."""
        data = self.data(mode)
        first, final = self.begin(command)
        ended = None
        if not final:
            ended = "close"
            try:
                data.open().sendall(content)
            except ConnectionError:
                ended = "reset"
        data.close(reset)
        return Transfer(first, b"", ended, final or self.reply())

    def begin(self, command):
        """(the 1xx, None) or (None, the refusal)."""
        reply = self.ask(command)
        return (reply, None) if reply.code < 200 else (None, reply)

    def quiet(self, seconds=0.3):
        """True when nothing comes unasked for a while: there is no fact to wait for where nothing is to happen."""
        self.sock.settimeout(seconds)
        try:
            more = self.sock.recv(65536)
        except TimeoutError:
            more = None
        finally:
            self.sock.settimeout(TIMEOUT)
        return more is None and not self.buffer

    def next_or_closed(self, command):
        """The command's own reply; None where the connection was ended (with 421 or without)."""
        try:
            reply = self.ask(command)
        except (Closed, ConnectionError):
            return None
        return None if reply.code == 421 else reply


def numbers(host, port):
    return f"{host.replace('.', ',')},{port // 256},{port % 256}"


def passive_address(reply, peer):
    """Where a 227 or 229 sends its reader."""
    if reply.code == 229:
        found = re.search(r"\((.)\1\1([0-9]+)\1\)", reply.text)
        if found:
            return peer, int(found[2])
    if reply.code == 227:
        found = re.search(r"([0-9]+),([0-9]+),([0-9]+),([0-9]+),([0-9]+),([0-9]+)", reply.text)
        if found:
            return ".".join(found.groups()[:4]), int(found[5]) * 256 + int(found[6])
    raise AssertionError(f"no address: {reply}")
