# SPDX-License-Identifier: Apache-2.0
"""Raw peers: a client and a scripted origin that say on the socket exactly what a test wants, and read strictly what comes."""
import socket
import struct
import threading

TIMEOUT = 10.0


class Head:
    """A start line and its fields. Field names are lower case; repeated ones stay apart."""

    def __init__(self, raw):
        self.raw = raw
        lines = raw[:-4].decode("latin-1").split("\r\n")
        self.start = lines[0]
        self.fields = []
        for line in lines[1:]:
            name, separator, value = line.partition(":")
            if not separator or name != name.strip():
                raise AssertionError(f"bad field line {line!r}")
            self.fields.append((name.lower(), value.strip(" \t")))

    def get(self, name):
        """The values of a field, joined by a comma; None when there is none."""
        values = self.all(name)
        return ", ".join(values) if values else None

    def all(self, name):
        return [value for key, value in self.fields if key == name.lower()]

    @property
    def status(self):
        return int(self.start.split(" ")[1])

    @property
    def method(self):
        return self.start.split(" ")[0]

    @property
    def target(self):
        return self.start.split(" ")[1]

    @property
    def version(self):
        return self.start.split(" ")[0 if self.start.startswith("HTTP/") else 2]


class Closed(Exception):
    """The peer ended the connection; `data` is what had come."""

    def __init__(self, data, reset=False):
        super().__init__(f"closed after {data[:200]!r}" + (" by a reset" if reset else ""))
        self.data = data
        self.reset = reset


class Peer:
    """A connection's socket with a read buffer."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(TIMEOUT)
        if sock.family != socket.AF_UNIX:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.trailers = []

    @classmethod
    def connect(cls, port, host="127.0.0.1", source=None):
        return cls(socket.create_connection((host, port), TIMEOUT, (source, 0) if source else None))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.sock.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def close(self):
        self.sock.close()

    def end(self):
        """Half-closes: no more from us."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        """Closes with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def _more(self):
        try:
            data = self.sock.recv(65536)
        except ConnectionError:
            raise Closed(self.buffer, reset=True) from None
        if not data:
            raise Closed(self.buffer)
        self.buffer += data

    def read_exact(self, size):
        while len(self.buffer) < size:
            self._more()
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def read_until(self, mark):
        while mark not in self.buffer:
            self._more()
        position = self.buffer.index(mark) + len(mark)
        data, self.buffer = self.buffer[:position], self.buffer[position:]
        return data

    def read_to_end(self):
        """Everything until the orderly end; Closed with reset=True when it was not one."""
        try:
            while True:
                self._more()
        except Closed as closed:
            if closed.reset:
                raise
        data, self.buffer = self.buffer, b""
        return data

    def ended(self, timeout=TIMEOUT):
        """'close' or 'reset' when the peer ends the connection without another byte."""
        self.sock.settimeout(timeout)
        try:
            data = self.sock.recv(1)
        except ConnectionError:
            return "reset"
        finally:
            self.sock.settimeout(TIMEOUT)
        if data or self.buffer:
            raise AssertionError(f"more came: {self.buffer + data!r}")
        return "close"

    def read_head(self):
        return Head(self.read_until(b"\r\n\r\n"))

    def read_chunk(self):
        """One chunk's data; b'' for the last, whose trailers are then in `trailers`."""
        size = int(self.read_until(b"\r\n")[:-2].split(b";")[0], 16)
        if size:
            data = self.read_exact(size)
            if self.read_exact(2) != b"\r\n":
                raise AssertionError("no CRLF after a chunk")
            return data
        raw = b""
        while not raw.endswith(b"\r\n\r\n") and raw != b"\r\n":
            raw += self.read_until(b"\r\n")
        self.trailers = Head(b"x\r\n" + raw + (b"\r\n" if raw == b"\r\n" else b"")).fields if raw != b"\r\n" else []
        return b""

    def read_body(self, head, request=None):
        """The body that goes with the head; for a response, `request` is the method it answers."""
        response = head.start.startswith("HTTP/")
        if response and (request in ("HEAD",) or head.status < 200 or head.status in (204, 304)):
            return b""
        if head.get("transfer-encoding"):
            data = b""
            while chunk := self.read_chunk():
                data += chunk
            return data
        if head.get("content-length") is not None:
            return self.read_exact(int(head.get("content-length")))
        return self.read_to_end() if response else b""

    def read_request(self):
        head = self.read_head()
        return head, self.read_body(head)

    def read_response(self, request="GET", interim=False):
        """The final response (those of 1xx before it are left out, unless `interim`) and its body."""
        head = self.read_head()
        while 100 <= head.status < 200 and head.status != 101 and not interim:
            head = self.read_head()
        return head, self.read_body(head, request)


class Origin:
    """A server on loopback that hands every connection, as a Peer, to `handle`, each in a thread of its own."""

    def __init__(self, handle, host="127.0.0.1", port=None, backlog=128):
        from harness import free_port
        self.handle = handle
        self.host = host
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.port = port or free_port()
        self.listener = socket.socket(family)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((host, self.port))
        self.listener.listen(backlog)
        self.peers = []
        self.failures = []
        self.closing = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def accepted(self):
        return len(self.peers)

    def url(self, path="/"):
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}{path}"

    def _accept(self):
        while not self.closing:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            peer = Peer(sock)
            self.peers.append(peer)
            threading.Thread(target=self._run, args=(peer,), daemon=True).start()

    def _run(self, peer):
        try:
            self.handle(peer)
        except (Closed, OSError):
            pass
        except Exception as error:             # shown by the test that owns us
            self.failures.append(error)
        finally:
            peer.sock.close()

    def close(self):
        self.closing = True
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for peer in self.peers:
            try:
                peer.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def response(body=b"", status="200 OK", *fields):
    """A whole response with its length."""
    body = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", *fields, f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def answering(answer):
    """A handler that answers every request of a connection: `answer(head, body)` gives the bytes, None ends the connection."""

    def handle(peer):
        while True:
            head, body = peer.read_request()
            data = answer(head, body)
            if data is None:
                return
            peer.send(data)
    return handle


def echoing(peer):
    """A handler that answers every request with its own head as the body, so that a client sees what came."""
    answering(lambda head, body: response(head.raw + body))(peer)


def get(url_or_target, *fields, method="GET", host=None, version="1.1", body=b""):
    """A request in absolute-form, with its Host."""
    if host is None and "://" in url_or_target:
        host = url_or_target.split("://", 1)[1].split("/", 1)[0].rsplit("@", 1)[-1]
    lines = [f"{method} {url_or_target} HTTP/{version}"]
    if host is not None:
        lines.append(f"Host: {host}")
    lines += fields
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def ask(port, url, *fields, **keys):
    """One request through the proxy on a connection of its own; returns the response's head and body."""
    source = keys.pop("source", None)
    with Peer.connect(port, source=source) as peer:
        peer.send(get(url, *fields, **keys))
        return peer.read_response(keys.get("method", "GET"))
