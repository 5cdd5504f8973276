# SPDX-License-Identifier: Apache-2.0
"""Mail servers as people run them: Postfix, Exim (CHUNKING), OpenSMTPD, aiosmtpd, and Postfix's smtp-sink with its faults; each on a port and in a folder of its
own, with mail for example.com but for nobody@example.com, and one who may log in."""
import collections
import ctypes
import grp
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile

from harness import free_port, until

UNPACKED = pathlib.Path("/usr/local/lib/sluice-test")       # by scripts/setup: the packages conflict with one another
PYTHON = "/usr/bin/python3"                                 # Debian's, which has Debian's modules
NOBODY = 65534
DOMAIN = "example.com"

# What a server has: `content` from the first octet that it kept, its own fields too, with CRLF whatever it keeps.
Stored = collections.namedtuple("Stored", "content path")


def in_child():
    """No server outlives a test run that was killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def can_unshare():
    return os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0


def own_world(folder, users, places=None):
    """The words before a command that then runs where these users exist, and where each of `places` ({path: what is seen there}) is a folder's: some servers
    have the names of both compiled in, and nothing of this is to be installed."""
    passwd, group = folder / "passwd", folder / "group"
    passwd.write_text(pathlib.Path("/etc/passwd").read_text() + "".join(f"{name}:x:{number}:{number}::/nonexistent:/bin/false\n" for name, number in users.items()))
    group.write_text(pathlib.Path("/etc/group").read_text() + "".join(f"{name}:x:{number}:\n" for name, number in users.items()))
    mounts = {"/etc/passwd": passwd, "/etc/group": group, **(places or {})}
    script = "".join(f"mount --bind '{source}' '{target}' && " for target, source in mounts.items()) + 'exec "$@"'
    return ["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh"]


class MailServer:
    """Start it in setUpClass or a test, `close` in its cleanup. `tls`: "explicit" (STARTTLS offered) or "implicit", under `certificate` (of tls.Pki)."""
    name = ""
    binary = ""
    tls_modes = ("explicit",)
    has_auth = False
    copies = True                                            # one for each recipient
    as_root = True
    host = "127.0.0.1"
    user = "tester"
    password = "s3cret-word"
    lmtp = False

    def __init__(self, tls=None, certificate=None):
        self.tls, self.certificate = tls, certificate
        self.implicit = tls == "implicit"
        self.context = tls                                   # as smtp_case.py asks
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"sluice-{self.name}-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.box = self.folder / "box"
        self.box.mkdir()
        os.chmod(self.box, 0o777)
        self.port = free_port()
        self.log = self.folder / "server.log"
        self.process = None
        self.run()

    def run(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([str(word) for word in self.command()], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, start_new_session=True,
                                            preexec_fn=in_child, env={**os.environ, **self.environment()})
        try:
            until(self._answers, self.name, 30)
        except BaseException:
            self.close()
            raise

    @classmethod
    def exists(cls):
        return os.access(cls.binary, os.X_OK) and (not cls.as_root or can_unshare())

    def command(self):
        """What starts it in the foreground; writes its files on the way."""
        raise NotImplementedError

    def environment(self):
        return {}

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self.name} ended with {self.process.returncode}: {self.log.read_text(errors='replace')[-3000:]}")
        try:
            with socket.create_connection((self.host, self.port), 1) as probe:
                if self.implicit:
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                    probe = context.wrap_socket(probe)
                probe.settimeout(5)
                if probe.recv(3) != b"220":
                    return False
                probe.sendall(b"QUIT\r\n")
                return True
        except OSError:
            return False

    def stored(self):
        """All of it, in the order of arrival."""
        paths = [path for path in self.box.rglob("*") if path.is_file() and "tmp" not in path.relative_to(self.box).parts and not path.name.startswith(".")]
        return [Stored(re.sub(rb"\r?\n", b"\r\n", path.read_bytes()), path) for path in sorted(paths, key=lambda path: path.stat().st_mtime_ns)]

    def arrived(self, count=1):
        """When there are so many, and not more."""
        until(lambda: len(self.stored()) >= count, f"{count} messages in {self.name}", 30)
        found = self.stored()
        if len(found) != count:
            raise AssertionError(f"{len(found)} messages for {count}")
        return found

    def clear(self):
        for one in self.stored():
            one.path.unlink()

    def stop(self, number=signal.SIGKILL):
        """`run` starts it again."""
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass
        self.process.wait()

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Postfix(MailServer):
    """`relay`: (host, port) where all mail goes instead, and then it is a client; `more`: further lines of main.cf."""
    name = "postfix"
    tls_modes = ("explicit", "implicit")
    binary = str(UNPACKED / "postfix/usr/lib/postfix/sbin/master")
    owner, group = "mail", "news"                            # any two that nobody else uses here

    def __init__(self, tls=None, certificate=None, relay=None, more=()):
        self.relay, self.more = relay, more
        super().__init__(tls, certificate)

    def environment(self):
        return {"LD_LIBRARY_PATH": str(UNPACKED / "postfix/usr/lib/postfix"), "MAIL_CONFIG": str(self.folder / "etc")}

    def command(self):
        etc, queue, data = (self.folder / name for name in ("etc", "queue", "data"))
        if not etc.exists():
            uid = pwd.getpwnam(self.owner).pw_uid
            for path in (etc, queue, data, *(queue / name for name in ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "maildrop", "pid",
                                                                       "private", "public", "saved", "trace"))):
                path.mkdir()
                if path not in (etc, queue) and path.name != "pid":
                    os.chown(path, uid, -1)
                    path.chmod(0o700)
            os.chown(queue / "public", uid, grp.getgrnam(self.group).gr_gid)
            os.chown(queue / "maildrop", uid, grp.getgrnam(self.group).gr_gid)
            (queue / "public").chmod(0o710)
            (queue / "maildrop").chmod(0o730)
        (etc / "main.cf").write_text("".join(f"{key} = {value}\n" for key, value in self.main().items()) + "".join(line + "\n" for line in self.more))
        listener = f"{self.port} inet n - n - 100 smtpd" + (" -o smtpd_tls_wrappermode=yes" if self.implicit else "")
        services = [listener, "pickup unix n - n 60 1 pickup", "cleanup unix n - n - 0 cleanup", "qmgr unix n - n 300 1 qmgr", "tlsmgr unix - - n 1000? 1 tlsmgr",
                    "rewrite unix - - n - - trivial-rewrite", "bounce unix - - n - 0 bounce", "defer unix - - n - 0 bounce", "trace unix - - n - 0 bounce",
                    "verify unix - - n - 1 verify", "flush unix n - n 1000? 0 flush", "proxymap unix - - n - - proxymap", "smtp unix - - n - - smtp", "relay unix - - n - - smtp",
                    "error unix - - n - - error", "retry unix - - n - - error", "discard unix - - n - - discard", "virtual unix - n n - - virtual", "anvil unix - - n - 1 anvil",
                    "scache unix - - n - 1 scache", "postlog unix-dgram n - n - 1 postlogd"]
        (etc / "master.cf").write_text("".join(line + "\n" for line in services))
        return [self.binary, "-d", "-c", etc]

    def main(self):
        sbin = UNPACKED / "postfix/usr/lib/postfix/sbin"
        config = {
            "compatibility_level": "3.6", "myhostname": "postfix.test", "mydestination": "", "mynetworks": "127.0.0.0/8", "inet_interfaces": "127.0.0.1", "inet_protocols": "ipv4",
            "queue_directory": self.folder / "queue", "data_directory": self.folder / "data", "daemon_directory": sbin, "command_directory": UNPACKED / "postfix/usr/sbin",
            "shlib_directory": UNPACKED / "postfix/usr/lib/postfix", "meta_directory": UNPACKED / "postfix/etc/postfix", "mail_owner": self.owner, "setgid_group": self.group,
            "default_privs": "nobody", "alias_maps": "", "alias_database": "", "local_recipient_maps": "", "local_transport": "error:nothing is local",
            "import_environment": "MAIL_CONFIG LD_LIBRARY_PATH TZ LANG=C", "maillog_file": self.folder / "maillog", "maillog_file_prefixes": "/tmp", "biff": "no",
            "virtual_mailbox_domains": DOMAIN, "virtual_mailbox_base": self.box, "virtual_mailbox_maps": "static:all/", "virtual_uid_maps": f"static:{NOBODY}",
            "virtual_gid_maps": f"static:{NOBODY}", "smtpd_recipient_restrictions": "check_recipient_access inline:{nobody@example.com=REJECT},permit_mynetworks,reject",
            "smtpd_peername_lookup": "no", "smtputf8_enable": "yes", "disable_dns_lookups": "yes", "smtp_host_lookup": "native", "message_size_limit": 52428800,
            "mailbox_size_limit": 0, "virtual_mailbox_limit": 0, "smtpd_client_connection_count_limit": 0, "smtpd_client_connection_rate_limit": 0, "in_flow_delay": 0,
            "smtpd_authorized_xclient_hosts": "127.0.0.0/8", "smtpd_authorized_xforward_hosts": "127.0.0.0/8", "header_size_limit": 1024000, "minimal_backoff_time": "10s",
            "always_add_missing_headers": "no", "local_header_rewrite_clients": "", "maximal_backoff_time": "10s", "queue_run_delay": "5s",
        }
        if self.tls:
            config |= {"smtpd_tls_security_level": "may", "smtpd_tls_cert_file": self.certificate.chain, "smtpd_tls_key_file": self.certificate.key}
        if self.relay:
            config |= {"relayhost": f"[{self.relay[0]}]:{self.relay[1]}", "virtual_mailbox_domains": "", "default_transport": "smtp", "relay_transport": "relay"}
        return config

    def maillog(self):
        try:
            return (self.folder / "maillog").read_text()
        except FileNotFoundError:
            return ""

    def queued(self):
        """Messages that it still has."""
        return sum(len([path for path in (self.folder / "queue" / name).rglob("*") if path.is_file()]) for name in ("incoming", "active", "deferred", "maildrop", "hold"))


class Exim(MailServer):
    """Offers CHUNKING, and in TLS AUTH. `relay`: as of Postfix; it then sends by BDAT where it can."""
    name = "exim"
    binary = str(UNPACKED / "exim4-daemon-light/usr/sbin/exim4")
    tls_modes = ("explicit", "implicit")
    has_auth = True
    users = {"Debian-exim": 990}

    def __init__(self, tls=None, certificate=None, relay=None, transport=""):
        self.relay, self.transport = relay, transport
        super().__init__(tls, certificate)

    def command(self):
        self.config = self.folder / "exim.conf"
        spool = self.folder / "spool"
        spool.mkdir(exist_ok=True)
        os.chown(spool, 990, 990)
        os.chown(self.box, 990, 990)
        tls = ""
        if self.tls:
            key = self.folder / "key.pem"
            key.write_bytes(self.certificate.key.read_bytes())
            os.chown(key, 990, 990)
            tls = f"tls_advertise_hosts = *\ntls_certificate = {self.readable(self.certificate.chain)}\ntls_privatekey = {key}\n"
            if self.implicit:
                tls += f"tls_on_connect_ports = {self.port}\n"
        else:
            tls = "tls_advertise_hosts =\n"
        routers = "all:\n  driver = accept\n  transport = box\n"
        if self.relay:
            routers = f"bounces:\n  driver = redirect\n  domains = example.org\n  data = :blackhole:\nall:\n  driver = manualroute\n  transport = out\n  self = send\n  route_list = * {self.relay[0]} byname\n"
        self.config.write_text(f"""
exim_path = {self.binary}
spool_directory = {spool}
log_file_path = {spool}/exim-%s.log
primary_hostname = exim.test
daemon_smtp_ports = {self.port}
local_interfaces = {self.host}
pid_file_path = {spool}/exim.pid
keep_environment =
chunking_advertise_hosts = *
dsn_advertise_hosts = *
smtputf8_advertise_hosts = *
smtp_accept_max = 200
smtp_accept_max_nonmail = 1000
host_lookup =
rfc1413_hosts =
message_size_limit = 50M
queue_only = false
deliver_drop_privilege = true
smtp_enforce_sync = true
acl_smtp_rcpt = check
acl_smtp_data = accepted
acl_smtp_auth = accepted
{tls}
begin acl
accepted:
  accept
check:
  deny recipients = {"nobody@" + DOMAIN if not self.relay else ""}
       message = 5.1.1 nobody
  accept
begin routers
{routers}
begin transports
out:
  driver = smtp
  port = {self.relay[1] if self.relay else 25}
  allow_localhost
  hosts_try_chunking = *
  {self.transport}
box:
  driver = appendfile
  directory = {self.box}/all
  maildir_format
  create_directory
  envelope_to_add
  return_path_add
begin retry
* * F,1m,5s
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and {{{{eq{{$auth2}}{{{self.user}}}}}{{eq{{$auth3}}{{{self.password}}}}}}}}}
  server_set_id = $auth2
  server_advertise_condition = ${{if def:tls_in_cipher}}
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${{if and {{{{eq{{$auth1}}{{{self.user}}}}}{{eq{{$auth2}}{{{self.password}}}}}}}}}
  server_set_id = $auth1
  server_advertise_condition = ${{if def:tls_in_cipher}}
""")
        return [*own_world(self.folder, self.users), self.binary, "-C", self.config, "-bdf", "-q1m"]

    def readable(self, path):
        """A copy of a file that its user may read."""
        copy = self.folder / path.name
        copy.write_bytes(path.read_bytes())
        copy.chmod(0o644)
        return copy


class OpenSmtpd(MailServer):
    """In the clear: Debian 12's signs in a process of its own as OpenSSL 3 lets it no more, and every handshake with it fails."""
    name = "opensmtpd"
    binary = str(UNPACKED / "opensmtpd/usr/sbin/smtpd")
    tls_modes = ()
    users = {"opensmtpd": 991, "opensmtpq": 992}

    def command(self):
        places = {name: self.folder / name.strip("/").replace("/", "-") for name in ("/var/lib", "/var/spool", "/run")}
        for path in places.values():
            path.mkdir(exist_ok=True)
        (places["/var/lib"] / "opensmtpd/empty").mkdir(parents=True, exist_ok=True)
        spool = places["/var/spool"] / "smtpd"
        for path, owner, mode in ((spool, 0, 0o711), (spool / "offline", 0, 0o770), (spool / "purge", 992, 0o700), (spool / "queue", 992, 0o700), (spool / "corrupt", 992, 0o700),
                                  (spool / "incoming", 992, 0o700), (spool / "temporary", 992, 0o700)):
            path.mkdir(exist_ok=True)
            os.chown(path, owner, 992 if path.name == "offline" else 0)
            path.chmod(mode)
        os.chown(self.box, NOBODY, NOBODY)
        files = {"aliases": "@ nobody\n", "nobody": f"nobody@{DOMAIN}\n", "smtpd.conf": f"""
table aliases file:{self.folder}/aliases
table nobody file:{self.folder}/nobody
smtp max-message-size 50M
listen on 127.0.0.1 port {self.port} hostname opensmtpd.test
action "box" maildir "{self.box}" virtual <aliases>
match from any for rcpt-to <nobody> reject
match from any for domain "{DOMAIN}" action "box"
"""}
        for name, text in files.items():
            (self.folder / name).write_text(text)
            (self.folder / name).chmod(0o644)
        return [*own_world(self.folder, self.users, {**places, "/usr/libexec": UNPACKED / "opensmtpd/usr/libexec"}), self.binary, "-d", "-f", self.folder / "smtpd.conf"]


class Aiosmtpd(MailServer):
    name = "aiosmtpd"
    binary = PYTHON
    tls_modes = ("explicit", "implicit")
    has_auth = True
    as_root = False
    copies = False

    @classmethod
    def exists(cls):
        return super().exists() and subprocess.run([PYTHON, "-c", "import aiosmtpd"], capture_output=True).returncode == 0

    def command(self):
        return [PYTHON, __file__, self.host, self.port, self.box, self.user, self.password, *((self.tls, self.certificate.chain, self.certificate.key) if self.tls else ())]


class Sink(MailServer):
    """`faults`: words for it, such as -q RCPT (fails with 500, and ends), -A, -W DATA:1:50."""
    name = "smtp-sink"
    binary = str(UNPACKED / "postfix/usr/sbin/smtp-sink")
    tls_modes = ()
    as_root = False
    copies = False

    def __init__(self, *faults):
        self.faults = faults
        super().__init__()

    def environment(self):
        return {"LD_LIBRARY_PATH": str(UNPACKED / "postfix/usr/lib/postfix"), "MAIL_CONFIG": str(self.etc())}

    def etc(self):
        etc = self.folder / "etc"
        etc.mkdir(exist_ok=True)
        (etc / "main.cf").write_text("compatibility_level = 3.6\nmyhostname = sink.test\nmail_owner = mail\nsetgid_group = news\ninet_protocols = ipv4\nalias_maps =\n")
        return etc

    def command(self):
        # As root it wants another's name.
        who = ["-u", "nobody"] if os.geteuid() == 0 else []
        return [self.binary, *who, *self.faults, "-d", f"{self.box}/m.%Y%m%d%H%M%S.", f"{self.host}:{self.port}", "100"]

    def stored(self):
        """It ends each file with an empty line of its own."""
        return [Stored(content.removesuffix(b"\r\n"), path) for content, path in super().stored()]


SERVERS = (Postfix, Exim, OpenSmtpd, Aiosmtpd, Sink)


def serve_python(host, port, box, user, password, tls=None, chain=None, key=None):
    import asyncio
    import itertools

    from aiosmtpd.smtp import SMTP, AuthResult

    numbers = itertools.count()

    class Handler:
        async def handle_RCPT(self, server, session, envelope, address, options):
            if address == f"nobody@{DOMAIN}":
                return "550 5.1.1 nobody"
            envelope.rcpt_tos.append(address)
            return "250 2.1.5 ok"

        async def handle_DATA(self, server, session, envelope):
            path = pathlib.Path(box) / f"{next(numbers):06}"
            path.with_name("." + path.name).write_bytes(envelope.original_content)
            path.with_name("." + path.name).rename(path)
            return "250 2.0.0 taken"

    def authenticate(server, session, envelope, mechanism, data):
        good = mechanism in ("PLAIN", "LOGIN") and (data.login, data.password) == (user.encode(), password.encode())
        return AuthResult(success=good, handled=False, auth_data=data.login if good else None)

    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key)

    def session():
        # It does not know that a connection which starts in TLS is in TLS.
        return SMTP(Handler(), hostname="aiosmtpd.test", enable_SMTPUTF8=True, decode_data=False, data_size_limit=52428800, timeout=120, tls_context=context if tls == "explicit" else None,
                    authenticator=authenticate if tls else None, auth_require_tls=tls != "implicit")

    async def serve():
        server = await asyncio.get_running_loop().create_server(session, host, int(port), ssl=context if tls == "implicit" else None)
        await server.serve_forever()
    asyncio.run(serve())


if __name__ == "__main__":
    serve_python(*sys.argv[1:])
