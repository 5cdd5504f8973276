#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each client with each server in each mode: what is tried, and the table of it.

    tests/system/ftp_matrix.py [--table] [--target sluice|sluice-active|direct] [--client NAME] [--server NAME] [--names N]

Prints the cells that fail; with --table the whole, in Markdown. sluice-active: data connections to servers are made in active mode."""
import argparse
import os
import pathlib
import shutil
import sys
import tempfile
import urllib.parse

from ftp_clients import CLIENTS
from ftp_servers import SERVERS
from ftp_case import Target, ThroughSluice, ThroughSluiceInTls
from harness import until
from payloads import noise
from tls import Pki

LARGE = 8 * 1024 * 1024
MANY = int(os.environ.get("SLUICE_FTP_NAMES", "1000"))
NAMES = {"spaces": b" two  words and.more ".strip(), "utf-8": "Grüße-日本.txt".encode(), "semicolon": b"a;type=i;b.txt", "0xff": b"a\xffb\xffff.bin"}
# With the letter of each mode in the table.
MODES = {"passive": "P", "extended": "E", "active": "A", "eprt": "R"}
IN_EACH_MODE = ("list", "get", "put", "empty", "large", "resume", "abort")
IN_ONE_MODE = ("rename", "many", *NAMES)
OPERATIONS = IN_EACH_MODE + IN_ONE_MODE

# What does not work between the two themselves, and need not through Sluice: {(client, server, operation): why}.
DOUBLED = "lftp says 0xFF twice, as Telnet wants it (RFC 854); of the servers ProFTPD alone takes that for one."
OPTIONS = "ncftpls -1 says `NLST -1`, which pyftpdlib and Pure-FTPd take for a name."
NO_END = "Pure-FTPd says no final reply (a second 150 instead) when the data connection breaks before the ABOR is read."
KNOWN = {(client, server, operation): why for client, servers, operations, why in (
    ("lftp", ("vsftpd", "pure-ftpd", "pyftpdlib"), ("0xff",), DOUBLED),
    ("ncftp", ("pure-ftpd", "pyftpdlib"), ("list", "many"), OPTIONS),
    ("Net::FTP", ("pure-ftpd",), ("abort",), NO_END),
    ("ftplib", ("pure-ftpd",), ("abort",), NO_END),
    ("ncftp", ("pure-ftpd",), ("abort",), NO_END),
    ("tnftp", ("pure-ftpd",), ("abort",), NO_END),
) for server in servers for operation in operations}

TARGETS = {"direct": Target, "sluice": ThroughSluice, "sluice-active": lambda server: ThroughSluice(server, ftp={"upstream_mode": "active"})}


class Wrong(Exception):
    pass


def expect(value, what):
    if not value:
        raise Wrong(what)


class Cell:
    """One client, one target; `try_` gives None, or what is wrong."""

    def __init__(self, client, target):
        self.target = target
        self.server = target.server
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-cell-", dir="/tmp"))
        self.client = client(target.host, target.port, target.user, target.password, self.folder, target.tls, target.ca)

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def try_(self, operation, mode):
        self.server.clear()
        self.local = self.folder / "local"
        self.local.unlink(missing_ok=True)
        try:
            if operation in NAMES:
                self.name(mode, NAMES[operation])
            else:
                getattr(self, operation)(mode)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return None

    def is_tried(self, operation):
        needed = {"empty": "get", "large": "get", "many": "list"}.get(operation, "get" if operation in NAMES else operation)
        return needed in self.client.can and not (self.target.tls and operation in self.client.cannot_in_tls)

    @property
    def puts(self):
        return "put" in self.client.can

    def list(self, mode):
        self.server.write("first.txt", b"1")
        self.server.write("second.bin", b"22")
        expect(sorted(self.names(mode)) == [b"first.txt", b"second.bin"], "the names")
        listing = self.client.listing(mode)
        expect(b"first.txt" in listing and b"second.bin" in listing, f"the listing: {listing!r}")

    def names(self, mode):
        """Pure-FTPd's list has the folder itself as well."""
        names = [os.path.basename(name) for name in self.client.names(mode)]
        return [name for name in names if name not in (b"", b".", b"..")]

    def get(self, mode, content=None, name=b"file.bin"):
        content = noise(100_001) if content is None else content
        self.server.write(name, content)
        self.client.get(mode, name, self.local)
        expect(self.local.read_bytes() == content, "what was got")

    def put(self, mode, content=None, name=b"up.bin"):
        content = noise(100_001, 2) if content is None else content
        self.local.write_bytes(content)
        self.client.put(mode, self.local, name)
        expect(self.server.read(name) == content, f"what was put: {self.server.names()}")
        expect(self.server.names().count(name) == 1, f"names: {self.server.names()}")

    def empty(self, mode):
        self.get(mode, b"")
        if self.puts:
            self.put(mode, b"")

    def large(self, mode):
        self.get(mode, LARGE_CONTENT)
        if self.puts:
            self.put(mode, LARGE_CONTENT)

    def resume(self, mode):
        content = noise(300_000)
        self.server.write("part.bin", content)
        self.local.write_bytes(content[:123_456])
        self.client.resume(mode, b"part.bin", self.local)
        expect(self.local.read_bytes() == content, "the whole")

    def rename(self, mode):
        self.server.write("old name", b"x")
        self.client.rename(mode, b"old name", b"new name")
        expect(self.server.names() == [b"new name"], f"names: {self.server.names()}")

    def abort(self, mode):
        """The client ends in order, nobody keeps a session, and the next transfer is as good as any."""
        self.server.write("long.bin", LARGE_CONTENT * 4)
        self.client.abort(mode, b"long.bin")
        until(lambda: not self.server.sessions(), "the session's end")
        self.get(mode)

    def many(self, mode):
        wanted = [b"a-file-with-a-name-%05d.txt" % number for number in range(MANY)]
        for name in wanted:
            self.server.path(name).touch()
        names = self.names(mode)
        expect(sorted(names) == wanted, f"{len(names)} names of {MANY}")

    def name(self, mode, name):
        if self.puts:
            self.put(mode, b"content of it", name)
        self.get(mode, b"and back", name)
        if known(self.client, self.server, "list"):
            return
        names = self.names(mode)
        expect(name in names or urllib.parse.quote(name).encode() in names, f"names: {names}")


LARGE_CONTENT = noise(64 * 1024) * (LARGE // 65536)


def cells(client, tls=None):
    """(operation, mode) of all that is tried with it."""
    modes = [mode for mode in client.modes if not tls or mode not in client.not_in_tls]
    for operation in OPERATIONS:
        for mode in modes if operation in IN_EACH_MODE else modes[:1]:
            yield operation, mode


class Certified:
    """A certificate for the servers in TLS, and who trusts it."""

    def __init__(self):
        self.pki = Pki()
        self.certificate = self.pki.sign("ftp", "/CN=ftp.test", "subjectAltName = DNS:ftp.test", "extendedKeyUsage = serverAuth")

    def target(self, server_class, tls):
        """The client's TLS is `tls`; Sluice's with the server is explicit, because implicit TLS is for port 990."""
        server = server_class("explicit", self.certificate)
        try:
            return ThroughSluiceInTls(server, tls, self.pki.root)
        except BaseException:
            server.close()
            raise

    def close(self):
        self.pki.close()


def known(client, server, operation):
    return KNOWN.get((client.name, server.name, operation))


def row(client, server, target, tell=lambda *_: None):
    """{operation: {mode: None or what is wrong}} of a pair; "-" for what the client does not do."""
    found = {}
    cell = Cell(client, target)
    try:
        for operation, mode in cells(client, target.tls):
            if cell.is_tried(operation):
                fault = cell.try_(operation, mode)
                found.setdefault(operation, {})[mode] = fault
                tell(operation, mode, fault)
    finally:
        cell.close()
    return found


def mark(results, why):
    """A table's cell."""
    if results is None:
        return "–"
    if why and any(results.values()):
        return "n"
    good = "".join(MODES[mode] for mode, fault in results.items() if not fault)
    bad = "".join(MODES[mode] for mode, fault in results.items() if fault)
    return good + (f" **{bad}!**" if bad else "")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--target", choices=TARGETS, default="sluice")
    parser.add_argument("--client")
    parser.add_argument("--server")
    parser.add_argument("--names", type=int)
    options = parser.parse_args()
    global MANY
    MANY = options.names or MANY
    rows, faults, notes, tried = [], 0, [], 0
    certified = Certified()
    for server_class in SERVERS:
        if options.server not in (None, server_class.name) or not server_class.exists():
            continue
        for client in CLIENTS:
            if options.client not in (None, client.name) or not client.exists():
                continue
            for tls in (None, *(client.tls_modes if options.target == "sluice" else ())):
                target = certified.target(server_class, tls) if tls else TARGETS[options.target](server_class())
                try:
                    found = row(client, target.server, target)
                finally:
                    target.close()
                    target.server.close()
                for operation, results in found.items():
                    why = known(client, target.server, operation)
                    if why and why not in notes and any(results.values()):
                        notes.append(why)
                    for mode, fault in results.items():
                        tried += 1
                        if fault and not why:
                            faults += 1
                            print(f"{client.name} {server_class.name} {tls} {operation} {mode}: {fault}", file=sys.stderr, flush=True)
                rows.append([client.name, server_class.name, tls or "none"] + [mark(found.get(operation), known(client, target.server, operation)) for operation in OPERATIONS])
    certified.close()
    if options.table:
        print("| client | server | TLS | " + " | ".join(OPERATIONS) + " |")
        print("| --- " * (len(OPERATIONS) + 3) + "|")
        for cells_ in sorted(rows):
            print("| " + " | ".join(cells_) + " |")
        without = ", ".join(client.name for client in CLIENTS if not client.tls_modes)
        print("\n" + ", ".join(f"{letter}: {mode}" for mode, letter in MODES.items()) + "; –: the client cannot; n: the two cannot, see below; **!**: fails. "
              f"TLS: the client's; with the server it is explicit then. {without} have none, and curl 7.88 none in active mode.")
        for why in notes:
            print(f"- {why}")
    print(f"{tried} cells tried, {faults} not as expected", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
