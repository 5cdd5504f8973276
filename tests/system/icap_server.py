# SPDX-License-Identifier: Apache-2.0
"""An ICAP server that says what a test wants."""
import re

from wire import Head, Origin

OPTIONS = ("ICAP/1.0 200 OK\r\nMethods: REQMOD, RESPMOD\r\nService: a test's\r\nISTag: \"%s\"\r\nAllow: 204\r\nPreview: 1024\r\nOptions-TTL: 3600\r\n"
           "Encapsulated: null-body=0\r\n\r\n")


class Asked:
    """One request: `head`, what it encapsulates (`request`, and of a RESPMOD `response`), `body`, and how much of that was a preview."""

    def __init__(self, head, request, response):
        self.head, self.request, self.response = head, request, response
        self.body = b""
        self.preview = None
        self.ieof = False

    @property
    def method(self):
        return self.head.method


class IcapServer(Origin):
    """`answer(asked)` gives the bytes; `behind_preview` the bytes that answer a preview, by default 100 Continue where more is to come. `asked` has all
    requests other than OPTIONS."""

    def __init__(self, answer=None, port=None):
        self.istag = "one"
        self.asked = []
        self.options = 0
        self.answer = answer or (lambda asked: self.unchanged())
        self.behind_preview = lambda asked: b"ICAP/1.0 100 Continue\r\n\r\n"
        super().__init__(self.serve, port=port)

    def icap(self, service="scan"):
        return f"icap://127.0.0.1:{self.port}/{service}"

    def unchanged(self):
        return f"ICAP/1.0 204 No Content\r\nISTag: \"{self.istag}\"\r\n\r\n".encode()

    @staticmethod
    def read_chunks(peer, asked):
        """Up to the chunk of none; whether that says that there is no more."""
        while True:
            line = peer.read_until(b"\r\n")[:-2]
            size = int(line.split(b";")[0], 16)
            asked.body += peer.read_exact(size)
            if peer.read_exact(2) != b"\r\n":
                raise AssertionError("no CRLF after a chunk")
            if size == 0:
                return b"ieof" in line

    def serve(self, peer):
        while True:
            head = peer.read_head()
            if head.method == "OPTIONS":
                self.options += 1
                peer.send(OPTIONS % self.istag)
                continue
            parts = re.findall(r"([a-z]+-[a-z]+)=(\d+)", head.get("encapsulated"))
            cuts = [int(offset) for _, offset in parts]
            heads = [Head(peer.read_exact(end - begin)) for begin, end in zip(cuts, cuts[1:])]
            asked = Asked(head, heads[0], heads[1] if len(heads) > 1 else None)
            if [name for name, _ in parts][:-1] != ["req-hdr", "res-hdr"][:len(heads)]:
                raise AssertionError(f"Encapsulated: {parts}")
            if parts[-1][0] != "null-body":
                ieof = self.read_chunks(peer, asked)
                if head.get("preview") is not None:
                    asked.preview, asked.ieof = len(asked.body), ieof
                    if not ieof:
                        said = self.behind_preview(asked)
                        peer.send(said)
                        if not said.startswith(b"ICAP/1.0 100"):
                            self.asked.append(asked)
                            continue
                        self.read_chunks(peer, asked)
            self.asked.append(asked)
            said = self.answer(asked)
            if said is None:
                return
            peer.send(said)
