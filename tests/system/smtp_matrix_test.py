# SPDX-License-Identifier: Apache-2.0
"""Real clients with real servers: a part of what smtp_matrix.py tries, one class a client so that they run side by side. With SLUICE_SMTP_TARGET=direct
each with the other, without Sluice."""
import smtp_matrix
from smtp_case import DIRECT, SmtpTest
from smtp_clients import Curl, EximRelay, Msmtp, Nodemailer, PostfixRelay, Smtplib, Swaks
from smtp_servers import Aiosmtpd, Exim, OpenSmtpd, Postfix, Sink


class WithClient:
    client = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.certified = smtp_matrix.Certified()
        cls.addClassCleanup(cls.certified.close)

    def run_row(self, server_class, tls=None, operations=smtp_matrix.OPERATIONS):
        for one in (self.client, server_class):
            if not one.exists():
                self.skipTest(f"no {one.name} here (scripts/setup test), or not root")
        if tls not in smtp_matrix.tls_modes(self.client, server_class, DIRECT):
            self.skipTest("they have no such TLS")
        server = self.certified.server(server_class, smtp_matrix.server_tls(server_class, tls, DIRECT))
        self.addCleanup(server.close)
        target = smtp_matrix.TARGETS["direct" if DIRECT else "sluice"](server, tls, self.certified.pki)
        self.addCleanup(target.close)
        cell = smtp_matrix.Cell(self.client, target)
        self.addCleanup(cell.close)
        for operation in operations:
            if cell.is_tried(operation) and not smtp_matrix.known(self.client, server, operation):
                with self.subTest(client=self.client.name, server=server.name, tls=tls, operation=operation):
                    self.assertIsNone(cell.try_(operation))

    def test_postfix(self):
        self.run_row(Postfix)

    def test_exim(self):
        self.run_row(Exim, "explicit", ("send", "dots", "large", "partial", "refused", "auth", "malware"))

    def test_opensmtpd(self):
        self.run_row(OpenSmtpd, None, ("send", "dots", "8bit", "several", "malware"))

    def test_aiosmtpd(self):
        self.run_row(Aiosmtpd, "implicit", ("send", "dots", "large", "refused", "malware"))

    def test_sink(self):
        self.run_row(Sink, None, ("send", "dots", "many", "malware"))


class WithSwaks(WithClient, SmtpTest):
    client = Swaks


class WithCurl(WithClient, SmtpTest):
    client = Curl


class WithSmtplib(WithClient, SmtpTest):
    client = Smtplib


class WithNodemailer(WithClient, SmtpTest):
    client = Nodemailer


class WithMsmtp(WithClient, SmtpTest):
    client = Msmtp


class WithPostfix(WithClient, SmtpTest):
    client = PostfixRelay


class WithExim(WithClient, SmtpTest):
    client = EximRelay
