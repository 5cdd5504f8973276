# SPDX-License-Identifier: Apache-2.0
"""Real clients with real servers: what ftp_matrix.py tries, one class a client so that they run side by side."""
import ftp_matrix
from ftp_case import DIRECT, FtpTest
from ftp_clients import Curl, Ftplib, Lftp, Ncftp, NetFtp, Tnftp, Wget
from ftp_servers import ProFtpd, PureFtpd, PyFtpd, Vsftpd


class WithClient:
    client = None

    def run_row(self, server_class, operations=None, target=None):
        if not self.client.exists():
            self.skipTest(f"no {self.client.name} here (scripts/setup test)")
        server = self.real(server_class)
        target = ftp_matrix.TARGETS["direct" if DIRECT else target or "sluice"](server)
        self.addCleanup(target.close)
        cell = ftp_matrix.Cell(self.client, target)
        self.addCleanup(cell.close)
        for operation, mode in ftp_matrix.cells(self.client):
            if cell.is_tried(operation) and not ftp_matrix.known(self.client, server, operation) and (operations is None or operation in operations):
                with self.subTest(client=self.client.name, server=server.name, operation=operation, mode=mode):
                    self.assertIsNone(cell.try_(operation, mode))

    def test_vsftpd(self):
        self.run_row(Vsftpd)

    def test_proftpd(self):
        self.run_row(ProFtpd)

    def test_pure_ftpd(self):
        self.run_row(PureFtpd)

    def test_pyftpdlib(self):
        self.run_row(PyFtpd)


class InTls:
    """Both sides in TLS: each client that can, with each server, in its first mode and in active mode."""
    client = None

    @classmethod
    def setUpClass(cls):
        cls.certified = ftp_matrix.Certified()
        cls.addClassCleanup(cls.certified.close)

    def run_row(self, server_class):
        if DIRECT or not server_class.exists() or not self.client.exists():
            self.skipTest(f"no {self.client.name} or {server_class.name} here (scripts/setup test), or nothing to go through")
        for tls in self.client.tls_modes:
            target = self.certified.target(server_class, tls)
            self.addCleanup(target.server.close)
            self.addCleanup(target.close)
            cell = ftp_matrix.Cell(self.client, target)
            self.addCleanup(cell.close)
            for operation, mode in ftp_matrix.cells(self.client, tls):
                is_chosen = operation in ("list", "get", "put", "resume", "abort") and mode in (self.client.modes[0], "active")
                if is_chosen and cell.is_tried(operation) and not ftp_matrix.known(self.client, target.server, operation):
                    with self.subTest(client=self.client.name, server=server_class.name, tls=tls, operation=operation, mode=mode):
                        self.assertIsNone(cell.try_(operation, mode))

    def test_vsftpd(self):
        self.run_row(Vsftpd)

    def test_proftpd(self):
        self.run_row(ProFtpd)

    def test_pure_ftpd(self):
        self.run_row(PureFtpd)

    def test_pyftpdlib(self):
        self.run_row(PyFtpd)


class CurlInTls(InTls, FtpTest):
    client = Curl


class LftpInTls(InTls, FtpTest):
    client = Lftp


class WgetInTls(InTls, FtpTest):
    client = Wget


class FtplibInTls(InTls, FtpTest):
    client = Ftplib


class NetFtpInTls(InTls, FtpTest):
    client = NetFtp


class WithCurl(WithClient, FtpTest):
    client = Curl


class WithLftp(WithClient, FtpTest):
    client = Lftp


class WithNcftp(WithClient, FtpTest):
    client = Ncftp


class WithTnftp(WithClient, FtpTest):
    client = Tnftp


class WithWget(WithClient, FtpTest):
    client = Wget


class WithFtplib(WithClient, FtpTest):
    client = Ftplib


class WithNetFtp(WithClient, FtpTest):
    client = NetFtp


class ActiveToServers(WithClient, FtpTest):
    """upstream_mode = "active": the servers connect to Sluice."""
    client = Ftplib

    def run_row(self, server_class, **_):
        super().run_row(server_class, ftp_matrix.IN_EACH_MODE, "sluice-active")
