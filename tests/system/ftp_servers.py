# SPDX-License-Identifier: Apache-2.0
"""FTP servers as people run them: vsftpd, ProFTPD, Pure-FTPd and pyftpdlib, each on a port and in a folder of its own, with one user who may do everything."""
import ctypes
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

from harness import free_port, free_range, is_free, until

UNPACKED = pathlib.Path("/usr/local/lib/sluice-test")       # by scripts/setup: the packages conflict with one another
PYTHON = "/usr/bin/python3"                                 # Debian's, which has Debian's modules
NOBODY = 65534


def in_child():
    """No server outlives a test run that was killed; and Pure-FTPd closes every descriptor that there may be, one by one, at each start."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))


class FtpServer:
    """Start it in setUpClass, `close` in its cleanup. `root` is where the user's files are, `home` what PWD says there. `tls`: "explicit" or "implicit",
    under `certificate` (of tls.Pki), and then nothing in the clear; data connections must resume a session where the server can ask for that."""
    tls_modes = ("explicit",)
    name = ""
    binary = ""
    user = "tester"
    password = "s3cret-word"
    has_whole_system = False                                 # not a "/" of the user's own
    as_root = True                                           # it changes to another user itself
    host = "127.0.0.1"

    def __init__(self, tls=None, certificate=None):
        self.tls, self.certificate = tls, certificate
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"sluice-{self.name}-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.root = self.folder / "root"
        self.root.mkdir()
        self.root.chmod(0o777)
        self.home = str(self.root) if self.has_whole_system else "/"
        self.port = self.free_port()
        self.data_ports = free_range(40)
        self.log = self.folder / "server.log"
        with self.log.open("wb") as log:
            # A session of its own: those that it forks for its clients are ended with it.
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, start_new_session=True,
                                            preexec_fn=in_child)
        try:
            until(self._answers, self.name)
        except BaseException:
            self.close()
            raise

    @classmethod
    def exists(cls):
        return os.access(cls.binary, os.X_OK) and (os.geteuid() == 0 or not cls.as_root)

    @staticmethod
    def free_port():
        """The one below is free as well: servers send from it in active mode."""
        while not is_free((port := free_port()) - 1):
            pass
        free_port()                                          # whose "one below" is ours
        return port

    def command(self):
        """What starts it in the foreground; writes its files on the way."""
        raise NotImplementedError

    def _answers(self):
        if self.tls == "implicit":
            try:
                socket.create_connection((self.host, self.port), 1).close()
                return True
            except OSError:
                return False
        if self.process.poll() is not None:
            raise AssertionError(f"{self.name} ended with {self.process.returncode}: {self.log.read_text(errors='replace')}")
        try:
            with socket.create_connection((self.host, self.port), 1) as probe:
                probe.settimeout(5)
                return probe.recv(3) == b"220"
        except OSError:
            return False

    def hashed(self):
        return subprocess.run(["openssl", "passwd", "-5", self.password], check=True, capture_output=True, text=True).stdout.strip()

    def path(self, name):
        return pathlib.Path(os.fsdecode(os.path.join(os.fsencode(self.root), os.fsencode(name))))

    def write(self, name, content):
        path = self.path(name)
        path.write_bytes(content)
        path.chmod(0o666)
        return path

    def folder_of(self, name):
        path = self.path(name)
        path.mkdir(exist_ok=True)
        path.chmod(0o777)
        return path

    def read(self, name):
        """None where there is none."""
        try:
            return self.path(name).read_bytes()
        except FileNotFoundError:
            return None

    def names(self):
        return sorted(os.listdir(os.fsencode(self.root)))

    def clear(self):
        for path in self.root.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def sessions(self):
        """How many clients it has: connections that are established on its port."""
        wanted = f"0100007F:{self.port:04X}"
        rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return sum(row[1] == wanted and row[3] == "01" for row in rows)

    def close(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Vsftpd(FtpServer):
    """Its one user without PAM is the anonymous one, whose password must be in a list, and who may write into "/" only where that is the system's own: `home`."""
    name = "vsftpd"
    tls_modes = ("explicit", "implicit")
    binary = str(UNPACKED / "vsftpd/usr/sbin/vsftpd")
    user = "anonymous"
    as_root = False
    has_whole_system = True

    def command(self):
        empty = self.folder / "empty"
        empty.mkdir()
        (self.folder / "passwords").write_text(self.password + "\n")
        config = {
            "listen": "YES", "listen_address": self.host, "listen_port": self.port, "background": "NO", "seccomp_sandbox": "NO", "isolate": "NO",
            "isolate_network": "NO", "anonymous_enable": "YES", "local_enable": "NO", "ftp_username": "bin", "nopriv_user": "bin",
            "secure_email_list_enable": "YES", "email_password_file": self.folder / "passwords", "anon_root": self.root, "write_enable": "YES",
            "anon_upload_enable": "YES", "anon_mkdir_write_enable": "YES", "anon_other_write_enable": "YES", "anon_world_readable_only": "NO",
            "anon_umask": "022", "run_as_launching_user": "YES", "secure_chroot_dir": empty, "connect_from_port_20": "NO", "tcp_wrappers": "NO",
            "pasv_min_port": self.data_ports[0], "pasv_max_port": self.data_ports[-1], "ascii_upload_enable": "YES", "ascii_download_enable": "YES",
            "delay_failed_login": 0, "delay_successful_login": 0, "mdtm_write": "YES", "xferlog_enable": "NO", "ftpd_banner": "ready", "use_localtime": "NO",
        }
        if self.tls:
            config |= {"ssl_enable": "YES", "allow_anon_ssl": "YES", "force_anon_logins_ssl": "YES", "force_anon_data_ssl": "YES", "require_ssl_reuse": "YES",
                       "strict_ssl_read_eof": "YES", "ssl_ciphers": "HIGH", "rsa_cert_file": self.certificate.chain, "rsa_private_key_file": self.certificate.key,
                       "implicit_ssl": "YES" if self.tls == "implicit" else "NO"}
        path = self.folder / "vsftpd.conf"
        path.write_text("".join(f"{key}={value}\n" for key, value in config.items()))
        return [self.binary, path]


class ProFtpd(FtpServer):
    """As inetd starts it: its own daemon takes no connection for 0.4 s after the end of each session."""
    name = "proftpd"
    tls_modes = ("explicit", "implicit")
    binary = str(UNPACKED / "proftpd-core/usr/sbin/proftpd")

    def command(self):
        users = self.folder / "users"
        users.write_text(f"{self.user}:{self.hashed()}:{NOBODY}:{NOBODY}::{self.root}:/bin/false\n")
        users.chmod(0o600)
        config = f"""
ServerType inetd
ServerName own
DefaultServer on
DefaultAddress {self.host}
SocketBindTight on
UseIPv6 off
Port {self.port}
PassivePorts {self.data_ports[0]} {self.data_ports[-1]}
User nobody
Group nogroup
AuthOrder mod_auth_file.c
AuthUserFile {users}
RequireValidShell off
AuthPAM off
DefaultRoot ~
AllowOverwrite on
AllowStoreRestart on
AllowRetrieveRestart on
AllowForeignAddress off
UseReverseDNS off
WtmpLog off
TransferLog none
SystemLog {self.folder}/proftpd.log
PidFile {self.folder}/pid
ScoreboardFile none
DelayTable none
DelayEngine off
ControlsEngine off
UseEncoding off
MaxInstances 200
TimeoutLinger 1
"""
        if self.tls:
            modules = self.folder / "modules"
            modules.mkdir()
            for module in UNPACKED.glob("proftpd-*/usr/lib/proftpd/*.so"):
                (modules / module.name).symlink_to(module)
            options = "TLSOptions UseImplicitSSL" if self.tls == "implicit" else ""
            config = f"ModulePath {modules}\nLoadModule mod_tls.c\n" + config + f"""
TLSEngine on
TLSRequired on
TLSProtocol TLSv1.2 TLSv1.3
TLSECCertificateFile {self.certificate.leaf}
TLSECCertificateKeyFile {self.certificate.key}
TLSCertificateChainFile {self.certificate.chain}
TLSLog {self.folder}/tls.log
{options}
"""
        path = self.folder / "proftpd.conf"
        path.write_text(config)
        return ["systemd-socket-activate", "--accept", "--inetd", f"--listen={self.host}:{self.port}", self.binary, "-q", "-c", path]


class PureFtpd(FtpServer):
    name = "pure-ftpd"
    binary = str(UNPACKED / "pure-ftpd/usr/sbin/pure-ftpd")

    def command(self):
        # Not pure-pw's own hash: that is made to take seconds at each login.
        passwords, database = self.folder / "passwd", self.folder / "puredb"
        passwords.write_text(f"{self.user}:{self.hashed()}:{NOBODY}:{NOBODY}::{self.root}/./" + ":" * 12 + "\n")
        subprocess.run([UNPACKED / "pure-ftpd/usr/bin/pure-pw", "mkdb", database, "-f", passwords], check=True, capture_output=True)
        return [self.binary, "-4", "-S", f"{self.host},{self.port}", "-l", f"puredb:{database}", "-E", "-H", "-A", "-u", "1", "-c", "200", "-C", "200",
                "-p", f"{self.data_ports[0]}:{self.data_ports[-1]}", "-g", self.folder / "pid", "-L", "20000:8", "-k", "100", *self.tls_words()]

    def tls_words(self):
        if not self.tls:
            return []
        both = self.folder / "tls.pem"
        both.write_bytes(self.certificate.chain.read_bytes() + self.certificate.key.read_bytes())
        return ["-Y", "3", "-2", f"{both}"]


class PyFtpd(FtpServer):
    name = "pyftpdlib"
    binary = PYTHON
    as_root = False

    @classmethod
    def exists(cls):
        return super().exists() and subprocess.run([PYTHON, "-c", "import pyftpdlib"], capture_output=True).returncode == 0

    def command(self):
        return [PYTHON, __file__, self.host, str(self.port), str(self.data_ports[0]), str(self.data_ports[-1]), self.root, self.user, self.password,
                *((self.certificate.chain, self.certificate.key) if self.tls else ())]


SERVERS = (Vsftpd, ProFtpd, PureFtpd, PyFtpd)


def serve_python(host, port, first, last, root, user, password, certificate=None, key=None):
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
    from pyftpdlib.servers import FTPServer

    authorizer = DummyAuthorizer()
    authorizer.add_user(user, password, root, perm="elradfmwMT")

    class Handler(TLS_FTPHandler if certificate else FTPHandler):
        unicode_errors = "surrogateescape"                   # names are octets
        passive_ports = range(int(first), int(last) + 1)
        auth_failed_timeout = 0
        if certificate:
            certfile, keyfile = certificate, key
            tls_control_required = tls_data_required = True

    if certificate:
        Handler.ssl_context = Handler.get_ssl_context()
        Handler.ssl_context.set_session_id(b"sluice")        # without one it resets whoever resumes a session
    Handler.authorizer = authorizer
    FTPServer((host, int(port)), Handler).serve_forever()


if __name__ == "__main__":
    serve_python(*sys.argv[1:])
