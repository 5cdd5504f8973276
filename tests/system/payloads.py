# SPDX-License-Identifier: Apache-2.0
"""Files as tests serve them: what is found in them, what holds them, and a server that has them."""
import collections
import io
import os
import pathlib
import queue
import tarfile
import threading
import urllib.parse
import zipfile
import zlib

from harness import SystemTest, until
from wire import Closed, Origin, Peer, answering, ask, get, response

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

    def fetch_all(self, files, lanes=4, timeout=60):
        """Fetches many, `files[path] = body` or (body, codings), over a few connections; {path: Fetched}."""
        waiting, results, failures = queue.SimpleQueue(), {}, []
        before = len(self.proxy.events())
        for path, served in files.items():
            body, codings = served if isinstance(served, tuple) else (served, None)
            self.serve(path, body, *([f"Content-Encoding: {codings}"] if codings else []))
            waiting.put((path, body))

        def run():
            peer = None
            try:
                while True:
                    try:
                        path, body = waiting.get_nowait()
                    except queue.Empty:
                        break
                    if peer is None:
                        peer = Peer.connect(self.proxy.port)
                        peer.sock.settimeout(timeout)
                    peer.send(get(self.origin.url(path)))
                    head = None
                    try:
                        head = peer.read_head()
                        got = peer.read_body(head)
                    except Closed as closed:
                        got = closed.data
                        peer.close()
                        peer = None
                    results[path] = (head.status if head else None, peer is not None and got == body, EICAR in got)
            except Exception as error:
                failures.append(error)
            finally:
                if peer:
                    peer.close()
        threads = [threading.Thread(target=run) for _ in range(lanes)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]

        def told():
            events = {event["url.path"]: event for event in self.proxy.events()[before:]}
            return events if all(path in events for path in files) else None
        events = until(told, "all events")
        return {path: Fetched(*results[path], events[path], events[path].get("scan.verdict"), events[path].get("scan.reason")) for path in files}


# status: None where nothing came; is_whole: the client got the body as it is; has_eicar: among what it got; then the event, and what it says.
Fetched = collections.namedtuple("Fetched", "status is_whole has_eicar event verdict reason")


def scanner_memory(proxy):
    """[(pid, the most that was resident, what is its own: shared with no other)] of the scanner processes and, first, of their supervisor, in octets."""
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            fields = fields_of(folder / "status")
            if fields["Name"].startswith("sluice-scanner"):
                own = fields_of(folder / "smaps_rollup") if os.access(folder / "smaps_rollup", os.R_OK) else {}
                found.append((int(folder.name), int(fields["PPid"]), octets(fields["VmHWM"]),
                              sum(octets(value) for name, value in own.items() if name.startswith("Private_"))))
        except (OSError, KeyError):                              # it has ended
            pass
    supervisors = [entry for entry in found if entry[1] == proxy.pid]
    scanners = [entry for entry in found if entry[1] in [supervisor[0] for supervisor in supervisors]]
    return [(pid, most, own) for pid, _, most, own in supervisors + scanners]


def fields_of(path):
    """Of a file of lines "name: value"."""
    return {name: value.strip() for name, colon, value in (line.partition(":") for line in path.read_text().splitlines()) if colon}


def octets(text):
    """Of the kernel's "123 kB"."""
    return int(text.split()[0]) * 1024
