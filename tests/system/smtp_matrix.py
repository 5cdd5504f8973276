#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each client with each server: what is tried, and the table of it.

    tests/system/smtp_matrix.py [--table] [--target sluice|direct] [--client NAME] [--server NAME]

Prints the cells that fail; with --table the whole, in Markdown."""
import argparse
import pathlib
import shutil
import sys
import tempfile

from harness import Sluice, free_port, until
from payloads import EICAR, noise
from smtp_case import HOST, RECIPIENT, SENDER, attached, lines, message
from smtp_clients import CLIENTS, Failed
from smtp_servers import SERVERS, Exim, Sink
from tls import Pki

HEAD = message(b"")
DOTS = HEAD + lines(".", "..", "...", ".x", "", "x.", ". ", "") + lines("end")
EIGHT = HEAD.replace(b"\r\n\r\n", b"\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n") + lines("Grüße, 日本", "é" * 300)
LARGE = attached(noise(3 << 20), "large.bin")
OPERATIONS = ("send", "dots", "8bit", "large", "several", "partial", "refused", "many", "utf8", "auth", "malware")

# What does not work between the two themselves, and need not through Sluice: {(client, server, operation): why}.
SINK = "smtp-sink refuses no recipient, has no SMTPUTF8, and takes any login."
NO_UTF8 = "OpenSMTPD has no SMTPUTF8."
KNOWN = {
    **{(client.name, "smtp-sink", operation): SINK for client in CLIENTS for operation in ("partial", "refused", "utf8")},
    **{(client.name, "opensmtpd", "utf8"): NO_UTF8 for client in CLIENTS},
}


class Wrong(Exception):
    pass


def expect(value, what):
    if not value:
        raise Wrong(what)


class Target:
    """The server itself. `ca`, `name`: whom a client in TLS trusts, and for whom."""
    is_direct = True

    def __init__(self, server, tls, pki):
        self.server, self.tls, self.ca, self.name = server, tls, str(pki.root), "mail.test"
        self.host, self.port = server.host, server.port
        self.sluice = None

    def close(self):
        pass


class ThroughSluice(Target):
    """The client as `tls` says; Sluice with the server as that is, verified where it is in TLS."""
    is_direct = False

    def __init__(self, server, tls, pki, rules=(), **smtp):
        super().__init__(server, tls, pki)
        self.port = free_port()
        listen = {"listen": [f"127.0.0.1:{self.port}"]} if tls != "implicit" else {"listen": [], "implicit_tls": [f"127.0.0.1:{self.port}"]}
        upstream = f"mail.test:{server.port}" if server.tls else f"{server.host}:{server.port}"
        self.sluice = Sluice(rules, wait=None, http={"listen": []}, ftp={"listen": []}, tls={"upstream_ca": str(pki.root)},
                             smtp={**listen, "upstream": ("smtps://" if server.implicit else "") + upstream, "hostname": HOST, "upstream_tls": "require" if server.tls else "off", **smtp})
        self.sluice.hosts.write_text(self.sluice.hosts.read_text() + f"127.0.0.1 mail.test {HOST}\n")
        if tls:
            self.sluice.command("ca", "init")
            self.ca = str(self.sluice.folder / "exported.pem")
            pathlib.Path(self.ca).write_text(self.sluice.command("ca", "export").stdout)
            self.name = HOST
        try:
            self.sluice.start()
        except BaseException:
            self.close()
            raise

    def close(self):
        self.sluice.stop()


TARGETS = {"direct": Target, "sluice": ThroughSluice}


class Cell:
    """One client, one target; `try_` gives None, or what is wrong."""

    def __init__(self, client_class, target):
        self.target, self.server = target, target.server
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-cell-", dir="/tmp"))
        self.client = client_class(target.host, target.port, self.folder, target.tls, target.ca, target.name)

    def close(self):
        self.client.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def is_tried(self, operation):
        if operation == "auth":
            return "auth" in self.client.can and self.server.has_auth and bool(self.target.tls)
        return {"dots": "send", "8bit": "send", "large": "send", "malware": "send"}.get(operation, operation) in self.client.can

    def try_(self, operation):
        self.server.clear()
        try:
            {"8bit": self.eight}.get(operation, getattr(self, operation, None))()
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return None

    def sent(self, content, recipients=(RECIPIENT,), **keys):
        """Once, and as it is behind what servers add."""
        self.client.send(content, SENDER, recipients, **keys)
        taken = [recipient for recipient in recipients if not recipient.startswith("nobody@")]
        self.arrived(content, len(taken) if self.server.copies else 1)

    def arrived(self, content, count=1):
        stored = until(lambda: len(found := self.server.stored()) >= count and found, f"{count} messages in {self.server.name}", 30)
        for one in stored:
            expect(one.content.endswith(content), f"{len(one.content)} octets for {len(content)}, and they differ")
        return stored

    def send(self):
        self.sent(message())
        expect(len(self.server.stored()) == 1, "one message")

    def dots(self):
        self.sent(DOTS)

    def eight(self):
        self.sent(EIGHT)

    def large(self):
        self.sent(LARGE)

    def several(self):
        self.sent(message(), ("bo@example.com", "cy@example.com", "di@example.com"))

    def partial(self):
        self.sent(message(), (RECIPIENT, "nobody@example.com"))

    def refused(self):
        self.fails(message(), ("nobody@example.com",), "5")

    def fails(self, content, recipients, words):
        try:
            self.client.send(content, SENDER, recipients)
        except Failed as failed:
            expect(words in str(failed), f"the client says {failed}")
        else:
            raise Wrong("the client says that it was taken")
        # smtp-sink takes its file of a message that broke off away a moment later.
        until(lambda: self.server.stored() == [], "nothing in the server", 10)

    def many(self):
        self.client.many(message(), SENDER, (RECIPIENT,), 5)
        expect(len(self.arrived(message(), 5)) == 5, "five messages")

    def utf8(self):
        self.client.send(EIGHT, SENDER, ("бо@example.com",))
        self.arrived(EIGHT)

    def auth(self):
        self.sent(message(), login=(self.server.user, self.server.password))
        self.server.clear()
        try:
            self.client.send(message(), SENDER, (RECIPIENT,), login=(self.server.user, "wrong"))
        except Failed:
            expect(self.server.stored() == [], "nothing in the server")
        else:
            raise Wrong("a wrong password was taken")

    def malware(self):
        """Through Sluice the client is told, and the server has nothing; directly it has it, which shows that it would have come."""
        content = attached(EICAR, "bad.com")
        if self.target.is_direct:
            self.sent(content)
        else:
            self.fails(content, (RECIPIENT,), "5.7.1")


class Certified:
    """A certificate for the servers, and who trusts it."""

    def __init__(self):
        self.pki = Pki()
        self.certificate = self.pki.server("mail", names=["DNS:mail.test"], key="rsa")

    def server(self, server_class, tls):
        return server_class(tls, self.certificate) if server_class is not Sink else server_class()

    def close(self):
        self.pki.close()


def tls_modes(client, server_class, direct):
    """Directly the server must have it; Sluice has all of them, and speaks with the server as that does."""
    modes = [mode for mode in client.tls_modes if not direct or mode in server_class.tls_modes]
    return (None, *modes)


def server_tls(server_class, tls, direct):
    if direct:
        return tls
    return None if not tls or not server_class.tls_modes else tls if tls in server_class.tls_modes else server_class.tls_modes[0]


def known(client, server, operation):
    return KNOWN.get((client.name, server.name, operation))


def row(client, target, tell=lambda *_: None, operations=OPERATIONS):
    """{operation: None or what is wrong} of a pair; what the client does not do is not there."""
    found = {}
    cell = Cell(client, target)
    try:
        for operation in operations:
            if cell.is_tried(operation):
                found[operation] = cell.try_(operation)
                tell(operation, found[operation])
    finally:
        cell.close()
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--target", choices=TARGETS, default="sluice")
    parser.add_argument("--client")
    parser.add_argument("--server")
    options = parser.parse_args()
    direct = options.target == "direct"
    rows, faults, notes, tried, missing = [], 0, [], 0, []
    certified = Certified()
    for server_class in SERVERS:
        if options.server not in (None, server_class.name):
            continue
        if not server_class.exists():
            missing.append(server_class.name)
            continue
        for client in CLIENTS:
            if options.client not in (None, client.name):
                continue
            if not client.exists():
                missing.append(client.name)
                continue
            for tls in tls_modes(client, server_class, direct):
                server = certified.server(server_class, server_tls(server_class, tls, direct))
                try:
                    target = TARGETS[options.target](server, tls, certified.pki)
                    try:
                        found = row(client, target)
                    finally:
                        target.close()
                finally:
                    server.close()
                cells = []
                for operation in OPERATIONS:
                    why = known(client, server, operation)
                    if operation not in found:
                        cells.append("–")
                        continue
                    tried += 1
                    if found[operation] is None:
                        cells.append("yes")
                    elif why:
                        cells.append("n")
                        notes += [why] if why not in notes else []
                    else:
                        faults += 1
                        cells.append("**no!**")
                        print(f"{client.name} {server_class.name} {tls} {operation}: {found[operation]}", file=sys.stderr, flush=True)
                rows.append([client.name, server_class.name + (" (CHUNKING)" if server_class is Exim else ""), tls or "none", server.tls or "none", *cells])
    certified.close()
    if options.table:
        print("| client | server | client's TLS | server's TLS | " + " | ".join(OPERATIONS) + " |")
        print("| --- " * (len(OPERATIONS) + 4) + "|")
        for cells in sorted(rows):
            print("| " + " | ".join(cells) + " |")
        print("\n–: the client cannot, or there is nothing to log in to; n: the two cannot, see below; **no!**: fails. As clients, Postfix and Exim have the message first and relay it; Exim does by BDAT.")
        for why in notes:
            print(f"- {why}")
    for name in sorted(set(missing)):
        print(f"{name} is not here (scripts/setup test)", file=sys.stderr)
    print(f"{tried} cells tried, {faults} not as expected", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
