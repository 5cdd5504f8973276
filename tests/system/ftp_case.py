# SPDX-License-Identifier: Apache-2.0
"""What FTP's tests stand on. SLUICE_FTP_TARGET=direct runs them against the servers themselves, without Sluice: that proves clients, servers and
checks; what only Sluice does is then skipped."""
import os
import unittest

from ftp_client import Control
from ftp_odd import OddServer
from ftp_servers import PyFtpd
from harness import Sluice, SystemTest, free_port, free_range

MODES = ("PASV", "EPSV", "PORT", "EPRT")                     # of a client's data connections
DIRECT = os.environ.get("SLUICE_FTP_TARGET") == "direct"


def through_sluice(test):
    """For a test, or a class of them, of what servers do otherwise."""
    return unittest.skipIf(DIRECT, "is about Sluice itself")(test)


class Target:
    """The server itself. `tls`, `ca`: how a client speaks with it, and whom it trusts."""
    tls = ca = None

    def __init__(self, server):
        self.server = server
        self.host, self.port, self.user, self.password = server.host, server.port, server.user, server.password

    def close(self):
        pass


class ThroughSluice(Target):
    """`ftp` is the section's further keys, `ports` of servers; the rest goes to Sluice."""

    def __init__(self, server, rules=(), ftp=None, **keys):
        super().__init__(server)
        self.port = free_port()
        self.passive_ports = free_range(60)
        self.user = f"{server.user}@{server.host}:{server.port}"
        self.sluice = Sluice(rules, ftp={"listen": [f"127.0.0.1:{self.port}"], "ports": [server.port],
                                         "passive_ports": f"{self.passive_ports[0]}-{self.passive_ports[-1]}", **(ftp or {})}, **keys)

    def close(self):
        self.sluice.stop()


class ThroughSluiceInTls(Target):
    """The client as `tls` says ("explicit", "implicit"), and Sluice with the server as that wants it, under `trusted`."""

    def __init__(self, server, tls, trusted):
        super().__init__(server)
        self.tls = tls
        self.port = free_port()
        ports = free_range(60)
        listen = {"listen" if tls == "explicit" else "implicit_tls": [f"127.0.0.1:{self.port}"], **({} if tls == "explicit" else {"listen": []})}
        # A server of implicit TLS is one at port 990, which a test has not got: it is reached with what its port is called.
        self.user = f"{server.user}@ftp.test:{server.port}"
        self.sluice = Sluice(wait=None, ftp={**listen, "ports": [server.port], "passive_ports": f"{ports[0]}-{ports[-1]}", "client_tls": "require", "upstream_tls": "require"},
                             tls={"upstream_ca": str(trusted)})
        self.sluice.hosts.write_text(self.sluice.hosts.read_text() + "127.0.0.1 ftp.test\n")
        self.sluice.command("ca", "init")
        self.ca = str(self.sluice.folder / "ca.pem")
        with open(self.ca, "w") as out:
            out.write(self.sluice.command("ca", "export").stdout)
        self.sluice.start()

    def close(self):
        self.sluice.stop()


class FtpTest(SystemTest):
    """`start` once a test; then `login`, as often as it takes."""
    server_class = PyFtpd

    def real(self, server_class=None):
        """A server with files."""
        server_class = server_class or self.server_class
        if not server_class.exists():
            self.skipTest(f"no {server_class.name} here (scripts/setup test), or not root")
        server = server_class()
        self.addCleanup(server.close)
        return server

    def odd(self, script=(), **files):
        """A server as ftp_odd.py plays it."""
        server = OddServer(script, {name.replace("__", "."): content for name, content in files.items()})
        server.user, server.password = "tester", "s3cret-word"
        self.addCleanup(server.close)
        self.addCleanup(lambda: self.assertEqual(server.failures, []))
        return server

    def start(self, server=None, rules=(), **keys):
        self.server = server or self.real()
        self.target = Target(self.server) if DIRECT else ThroughSluice(self.server, rules, **keys)
        self.addCleanup(self.target.close)
        self.proxy = getattr(self.target, "sluice", None)
        return self.server

    def control(self, source=None):
        """A connection that has been greeted."""
        control = Control.greeted(self.target.port, source=source)
        self.addCleanup(control.close)
        return control

    def login(self, mode="PASV", binary=True):
        control = self.control().login(self.target.user, self.target.password)
        control.mode = mode
        if binary:
            self.assertEqual(control.code("TYPE I"), 200)
        return control

    def assert_code(self, reply, *codes):
        self.assertIn(reply.code, codes, reply)

    def assert_got(self, transfer, content):
        """All of it, in good order."""
        self.assert_code(transfer.final, 226, 250)
        self.assertIsNotNone(transfer.first, transfer)
        self.assertEqual(transfer.ended, "close", transfer)
        self.assertTrue(transfer.data == content, transfer)

    def assert_lives(self, control):
        """The session is in step: the next command has the next reply, and that is its own."""
        self.assert_code(control.ask("PWD"), 257)
        self.assertTrue(control.quiet(0.05), "more came")

    def assert_blocked(self, reply, name, *codes):
        """Words of the contract: <what>: blocked by rule <name> (<id>)."""
        self.assert_code(reply, *(codes or (550,)))
        self.assertRegex(reply.text, rf"(?s): blocked by rule {name} \([^)]+\)")
