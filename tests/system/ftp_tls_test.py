# SPDX-License-Identifier: Apache-2.0
"""FTP in TLS, on each side and on both: vsftpd as it insists on resumed sessions, Python's and curl's clients under the CA's certificate."""
import ftplib
import io
import os
import shutil
import socket
import ssl
import subprocess

from ftp_servers import Vsftpd
from harness import Sluice, SystemTest, free_port, free_range, is_free, rule
from payloads import EICAR
from tls import Pki


class TlsVsftpd(Vsftpd):
    """Its own certificate; data connections must resume the control connection's session and end with close_notify."""
    signed = None                                            # of the Pki
    implicit = False

    def __init__(self):
        super().__init__("implicit" if self.implicit else "explicit", self.signed)


class ImplicitClient(ftplib.FTP_TLS):
    """ftplib has no implicit TLS of its own."""

    def connect(self, host, port, timeout=20):
        self.sock = self.context.wrap_socket(socket.create_connection((host, port), timeout), server_hostname=host)
        self.host, self.port, self.timeout, self.af, self.file = host, port, timeout, self.sock.family, self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()
        return self.welcome


class Port990(TlsVsftpd):
    """Where implicit TLS is at home, at an address that nobody else has."""
    host = "127.0.0.99"
    implicit = True

    @staticmethod
    def free_port():
        return 990


class FtpTls(SystemTest):
    @classmethod
    def setUpClass(cls):
        if not Vsftpd.exists():
            raise cls.skipTest(cls, "no vsftpd here (scripts/setup test)")
        cls.pki = Pki()
        cls.addClassCleanup(cls.pki.close)
        TlsVsftpd.signed = cls.pki.sign("ftp", "/CN=ftp.test", "subjectAltName = DNS:ftp.test", "extendedKeyUsage = serverAuth")
        cls.server = TlsVsftpd()
        cls.addClassCleanup(cls.server.close)

    def sluice(self, rules=(), trusts=True, tls=None, **ftp):
        ports = free_range(40)
        self.port, self.implicit_port = free_port(), free_port()
        keys = {"listen": [f"127.0.0.1:{self.port}"], "ports": ["1-65535"], "passive_ports": f"{ports[0]}-{ports[-1]}", **ftp}
        self.proxy = Sluice(rules, wait=None, ftp=keys, tls={**({"upstream_ca": str(self.pki.root)} if trusts else {}), **(tls or {})})
        self.addCleanup(self.proxy.stop)
        self.proxy.hosts.write_text(self.proxy.hosts.read_text() + "127.0.0.1 ftp.test other.test\n127.0.0.99 implicit.test\n")
        self.assertEqual(self.proxy.command("ca", "init").returncode, 0)
        self.ca = self.proxy.folder / "ca.pem"
        self.ca.write_text(self.proxy.command("ca", "export").stdout)
        self.proxy.start()
        return self.proxy

    def client(self, host="ftp.test", secure=True, implicit=False, server=None):
        server = server or self.server
        context = ssl.create_default_context(cafile=str(self.ca))
        client = ImplicitClient(context=context) if implicit else ftplib.FTP_TLS(context=context) if secure else ftplib.FTP()
        client.connect("127.0.0.1", self.implicit_port if implicit else self.port, 20)
        self.addCleanup(client.close)
        user = f"{server.user}@{host}:{server.port}"
        if secure and not implicit:
            client.login(user, server.password, secure=True)
            client.prot_p()
        elif implicit:
            client.login(user, server.password, secure=False)
            client.prot_p()
        else:
            client.login(user, server.password)
        client.cwd(server.home)
        return client

    def exchange(self, client, times=4):
        """More transfers than there are tickets at first, uploads too, which bring none."""
        content = bytes(range(256)) * 2000
        for number in range(times):
            client.storbinary(f"STOR up{number}.bin", io.BytesIO(content))
            self.assertEqual(self.server.read(f"up{number}.bin"), content)
        for number in range(times):
            got = []
            client.retrbinary(f"RETR up{number}.bin", got.append)
            self.assertTrue(b"".join(got) == content)
            self.assertIn(f"up{number}.bin", client.nlst())

    def test_tls_on_both_sides(self):
        self.sluice()
        self.exchange(self.client())
        event = self.proxy.event(ftp__command="RETR")
        self.assertEqual((event["tls.version"], event["tls.server.verified"], event["scan.verdict"]), ("1.3", True, "clean"))

    def test_a_client_in_the_clear_and_a_server_in_tls(self):
        self.sluice(upstream_tls="require")
        self.exchange(self.client(secure=False))

    def test_a_server_in_the_clear_and_a_client_in_tls(self):
        plain = Vsftpd()
        self.addCleanup(plain.close)
        self.sluice(upstream_tls="off")
        client = self.client(server=plain)
        client.storbinary("STOR a.txt", io.BytesIO(b"hello"))
        self.assertEqual(plain.read("a.txt"), b"hello")

    def test_implicit_tls_of_the_listener(self):
        self.implicit_port = free_port()
        port = self.implicit_port
        self.sluice(implicit_tls=[f"127.0.0.1:{port}"])
        self.implicit_port = port
        self.exchange(self.client(implicit=True), times=1)

    def test_a_server_in_implicit_tls(self):
        """Port 990, whatever `upstream_tls` says but `off`; and whether the client is in TLS or not."""
        if os.geteuid() != 0 or not is_free(990):
            self.skipTest("port 990 is for root alone, or taken")
        signed, TlsVsftpd.signed = TlsVsftpd.signed, self.pki.sign("implicit", "/CN=implicit.test", "subjectAltName = DNS:implicit.test", "extendedKeyUsage = serverAuth")
        self.addCleanup(setattr, TlsVsftpd, "signed", signed)
        server, kept = Port990(), self.server
        self.addCleanup(server.close)
        self.addCleanup(setattr, self, "server", kept)
        self.server = server
        self.sluice()
        for secure in (False, True):
            client = self.client("implicit.test", secure=secure, server=server)
            self.exchange(client)
            server.clear()
        event = self.proxy.event(ftp__command="RETR", count=8)[0]
        self.assertEqual((event["tls.server.verified"], event["server.port"]), (True, 990))

    def test_what_was_agreed_outlives_a_reload(self):
        """Data connections are as the control connection is, though nobody is offered TLS any more."""
        self.sluice()
        client = self.client()
        self.exchange(client, times=1)
        self.proxy.configure(ftp={"client_tls": "off", "upstream_tls": "off"})
        self.assertEqual(self.proxy.command("reload").returncode, 0)
        self.exchange(client, times=4)
        with self.assertRaises(ftplib.error_perm):
            self.client()

    def test_an_implicit_listener_where_auth_is_off(self):
        port = free_port()
        self.sluice(implicit_tls=[f"127.0.0.1:{port}"], client_tls="off")
        self.implicit_port = port
        self.exchange(self.client(implicit=True), times=1)

    def test_a_rule_on_the_client_hello(self):
        """Asked at USER, of clients in TLS alone; a session that goes on is judged by it after a reload."""
        self.sluice()
        client = self.client()
        ja4 = self.proxy.event(ftp__command="PASS")["tls.client.ja4"]
        self.assertRegex(ja4, r"^t1[23]i")
        self.proxy.configure([rule("that-program", f'tls.client.ja4 == "{ja4}" and url.domain == "ftp.test"', "block")])
        self.assertEqual(self.proxy.command("reload").returncode, 0)
        with self.assertRaisesRegex(ftplib.error_perm, "530 .*blocked by rule that-program"):
            self.client()
        with self.assertRaisesRegex(ftplib.error_temp, "421 .*that-program"):
            client.pwd()
        with self.assertRaises(ftplib.Error) as caught:
            self.client(secure=False)
        self.assertNotIn("that-program", str(caught.exception), "it is the server that wants TLS")

    def test_curl(self):
        self.sluice()
        self.server.write("page.txt", b"words\n" * 1000)
        user = f"{self.server.user}%40ftp.test%3A{self.server.port}:{self.server.password}"
        done = subprocess.run(["curl", "-sS", "--ssl-reqd", "--cacert", self.ca, "--max-time", "30",
                               f"ftp://{user}@127.0.0.1:{self.port}/page.txt"], capture_output=True)
        self.assertEqual((done.returncode, done.stdout), (0, b"words\n" * 1000), done.stderr)

    def test_malware_both_ways(self):
        self.sluice()
        client = self.client()
        with self.assertRaises(ftplib.error_perm) as refused:
            client.storbinary("STOR up.com", io.BytesIO(EICAR))
        self.assertTrue(str(refused.exception).startswith("550"), refused.exception)
        self.assertIsNone(self.server.read("up.com"))
        self.server.write("down.com", EICAR)
        got = []
        with self.assertRaises(ftplib.error_perm):
            client.retrbinary("RETR down.com", got.append)
        self.assertEqual(got, [])
        client.voidcmd("NOOP")                               # and the session is in step

    def test_a_server_that_cannot_be_verified(self):
        self.sluice(trusts=False)
        with self.assertRaises(ftplib.error_temp) as refused:
            self.client()
        self.assertTrue(str(refused.exception).startswith("421"), refused.exception)
        event = self.proxy.event(ftp__command="USER")
        self.assertEqual((event["event.action"], event["error.type"], event["tls.server.verified"]), ("failed", "tls_certificate_error", False))

    def test_a_certificate_of_another_name(self):
        self.sluice()
        with self.assertRaises(ftplib.error_temp):
            self.client(host="other.test")

    def test_a_server_without_tls_where_it_is_wanted(self):
        plain = Vsftpd()
        self.addCleanup(plain.close)
        self.sluice(upstream_tls="require")
        with self.assertRaises(ftplib.error_temp) as refused:
            self.client(server=plain)
        self.assertTrue(str(refused.exception).startswith("421"), refused.exception)

    def test_tls_is_required_of_clients(self):
        self.sluice(client_tls="require")
        with self.assertRaises(ftplib.error_perm) as refused:
            self.client(secure=False)
        self.assertTrue(str(refused.exception).startswith("530"), refused.exception)
        client = self.client()
        with self.assertRaises(ftplib.error_perm) as refused:
            client.prot_c()
        self.assertTrue(str(refused.exception).startswith("534"), refused.exception)

    def test_what_is_sent_in_the_clear_behind_auth_ends_the_session(self):
        self.sluice()
        with socket.create_connection(("127.0.0.1", self.port), 10) as peer:
            peer.settimeout(10)
            peer.recv(200)
            peer.sendall(b"AUTH TLS\r\nUSER evil@ftp.test\r\n")
            said = b""
            while piece := peer.recv(4096):
                said += piece
        self.assertTrue(said.startswith(b"421"), said)

    def test_a_data_connection_that_resumes_nothing(self):
        self.sluice(require_tls_resumption=True)
        client = self.client()                               # ftplib resumes nothing
        with self.assertRaises(ftplib.error_perm) as refused:
            client.nlst()
        self.assertTrue(str(refused.exception).startswith("522"), refused.exception)

    def test_lftp_resumes(self):
        if not shutil.which("lftp"):
            self.skipTest("no lftp here")
        self.sluice(require_tls_resumption=True)
        self.server.write("l.txt", b"through lftp\n")
        script = (f"set ftp:ssl-force true; set ftp:ssl-protect-data true; set ssl:ca-file {self.ca}; set net:max-retries 1; set net:timeout 20; "
                  f"open -u '{self.server.user}@ftp.test:{self.server.port},{self.server.password}' 127.0.0.1:{self.port}; cat {self.server.home}/l.txt")
        done = subprocess.run(["lftp", "-c", script], capture_output=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (0, b"through lftp\n"), done.stderr)

    def test_a_rule_reads_the_version(self):
        self.sluice([rule("no-clear", 'ftp.command == "PASS" and not exists(tls.version)', "block")], upstream_tls="prefer")
        with self.assertRaises(ftplib.error_perm) as refused:
            self.client(secure=False)
        self.assertIn("no-clear", str(refused.exception))
        self.client()
