# SPDX-License-Identifier: Apache-2.0
"""Files as tests serve them: what is found in them, what holds them, and a server that has them."""
import io
import tarfile
import urllib.parse
import zipfile
import zlib

from harness import SystemTest
from wire import Origin, answering, ask, response

# In pieces, so that no scanner takes this file for what it tests.
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR" + b"-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
PROGRAM = b"MZ" + b"\0" * 58 + b"\x80\0\0\0" + b"\0" * 64 + b"PE\0\0"


def noise(size, seed=1):
    return b"".join(zlib.crc32(b"%d %d" % (seed, i)).to_bytes(4, "big") for i in range((size + 3) // 4))[:size]


def zipped(*members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return out.getvalue()


def tarred(*members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


class Files(Origin):
    """Serves bytes by path: `files[path] = (body, fields)`; uploads are kept in `uploads` by path."""

    def __init__(self):
        self.files = {}
        self.uploads = {}
        self.asked = []
        super().__init__(answering(self.answer))

    def answer(self, head, body):
        path = urllib.parse.urlsplit(head.target).path
        self.asked.append(head)
        if head.method in ("POST", "PUT"):
            self.uploads[path] = body
            return response(b"taken")
        found = self.files.get(path)
        return response(b"none", "404 Not Found") if found is None else response(found[0], found[2] if len(found) > 2 else "200 OK", *found[1])


class WithFiles(SystemTest):
    def setUp(self):
        self.origin = Files()
        self.addCleanup(self.origin.close)

    def serve(self, path, body, *fields):
        self.origin.files[path] = (body, fields)
        return self.origin.url(path)

    def fetch(self, url, *fields, **keys):
        return ask(self.proxy.port, url, *fields, **keys)
