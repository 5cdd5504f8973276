# SPDX-License-Identifier: Apache-2.0
"""FTP clients as people run them, each with the same few things that it can do. Modes: passive (PASV), extended (EPSV), active (PORT), eprt (EPRT).

A remote name is octets, relative to where the login led. Each method raises where the client says that it failed."""
import contextlib
import ftplib
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import urllib.parse

TIMEOUT = 60


class Failed(Exception):
    pass


class Client:
    name = ""
    binary = ""
    modes = ()
    can = frozenset({"list", "get", "put", "resume", "rename", "abort"})
    # What it does otherwise with certain names, whatever the server: {operation: why}.
    cannot = {}
    # TLS to Sluice, or to the server: "explicit" (AUTH), "implicit". Modes that it cannot do then, with no server at all.
    tls_modes = ()
    not_in_tls = ()
    cannot_in_tls = frozenset()

    def __init__(self, host, port, user, password, folder, tls=None, ca=None):
        self.tls, self.ca = tls, ca
        self.host, self.port, self.user, self.password, self.folder = host, port, user, password, pathlib.Path(folder)
        self.environment = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
        self.environment |= {"HOME": str(self.folder), "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8"}

    @classmethod
    def exists(cls):
        return shutil.which(cls.binary) is not None

    def run(self, *words, text=None):
        """What it wrote on standard output."""
        done = subprocess.run([self.binary, *words], input=text, cwd=self.folder, env=self.environment, timeout=TIMEOUT, capture_output=True,
                              **({} if text is not None else {"stdin": subprocess.DEVNULL}))
        if done.returncode or self.says_failure(done.stdout + done.stderr):
            raise Failed(f"{words}: {done.returncode}: {(done.stdout + done.stderr)[-2000:]!r}")
        return done.stdout

    def says_failure(self, output):
        return False

    def reader(self, mode, name):
        """The words that write a file to standard output; and the commands for it, if any."""
        raise NotImplementedError

    def abort(self, mode, name):
        """Stops in the middle of a download, as a person does who presses ^C."""
        words, text = self.reader(mode, name)
        process = subprocess.Popen([self.binary, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=self.folder, env=self.environment,
                                   start_new_session=True)
        try:
            if text:
                process.stdin.write(text)
                process.stdin.flush()
            if len(process.stdout.read(50_000)) < 50_000:
                raise Failed("it did not begin")
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            process.stdout.close()                            # who waits for room there is not to wait for ever
            process.wait(10)                                  # less than the client's own patience with a server that does not answer
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class Curl(Client):
    name = binary = "curl"
    modes = ("passive", "extended", "active", "eprt")
    tls_modes = ("explicit", "implicit")
    not_in_tls = ("active", "eprt")                          # 7.88 has no TLS on data connections that it accepts

    def words(self, mode, name=b""):
        # The user goes into the address: -u splits at the first colon, which is the one before the server's port.
        login = f"{urllib.parse.quote(self.user, safe='')}:{urllib.parse.quote(self.password, safe='')}"
        address = f"{'ftps' if self.tls == 'implicit' else 'ftp'}://{login}@{self.host}:{self.port}/{urllib.parse.quote(name, safe='')}"
        how = {"passive": ["--disable-epsv"], "extended": [], "active": ["--disable-eprt", "--ftp-port", "-"], "eprt": ["--ftp-port", "-"]}[mode]
        how += ["--ssl-reqd", "--cacert", self.ca] if self.tls else []
        return ["-q", "-sS", "--noproxy", "*", "--max-time", str(TIMEOUT - 5), *how, address]

    def names(self, mode):
        return self.run(*self.words(mode), "-l").splitlines()

    def listing(self, mode):
        return self.run(*self.words(mode))

    def get(self, mode, name, local):
        self.run(*self.words(mode, name), "-o", local)

    def resume(self, mode, name, local):
        self.run(*self.words(mode, name), "-C", "-", "-o", local)

    def put(self, mode, local, name):
        self.run(*self.words(mode, name), "-T", local)

    def rename(self, mode, old, new):
        self.run(*self.words(mode), "-I", "-Q", b"RNFR " + old, "-Q", b"RNTO " + new)

    def reader(self, mode, name):
        return self.words(mode, name), b""


class Lftp(Client):
    name = binary = "lftp"
    modes = ("passive", "extended", "active")
    tls_modes = ("explicit", "implicit")

    def words(self, mode, *commands):
        setup = ["set cmd:fail-exit yes", "set net:max-retries 1", "set net:timeout 20", "set net:reconnect-interval-base 1", "set ftp:use-utf8 no",
                 "set xfer:clobber yes", "set ftp:fix-pasv-address no", f"set ftp:passive-mode {'no' if mode == 'active' else 'yes'}", f"set ftp:prefer-epsv {'yes' if mode == 'extended' else 'no'}",
                 *([f"set ssl:ca-file {self.ca}", "set ftp:ssl-force yes", "set ftp:ssl-protect-data yes", "set ftp:ssl-protect-list yes"] if self.tls else ["set ftp:ssl-allow no"]),
                 f"open -p {self.port} -u {self.user},{self.password} {'ftps://' if self.tls == 'implicit' else ''}{self.host}"]
        return ["--norc", "-c", b"; ".join([os.fsencode(line) for line in setup] + list(commands))]

    @staticmethod
    def quoted(name):
        return b'"' + os.fsencode(name).replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'

    def names(self, mode):
        return self.run(*self.words(mode, b"nlist")).splitlines()

    def listing(self, mode):
        return self.run(*self.words(mode, b"ls"))

    def get(self, mode, name, local):
        self.run(*self.words(mode, b"get %s -o %s" % (self.quoted(name), self.quoted(local))))

    def resume(self, mode, name, local):
        self.run(*self.words(mode, b"get -c %s -o %s" % (self.quoted(name), self.quoted(local))))

    def put(self, mode, local, name):
        self.run(*self.words(mode, b"put %s -o %s" % (self.quoted(local), self.quoted(name))))

    def rename(self, mode, old, new):
        self.run(*self.words(mode, b"mv %s %s" % (self.quoted(old), self.quoted(new))))

    def reader(self, mode, name):
        return self.words(mode, b"cat " + self.quoted(name)), b""


class Ncftp(Client):
    """ncftpls (which wants the port in its address), ncftpget and ncftpput."""
    name = "ncftp"
    binary = "ncftpget"
    modes = ("passive", "active")

    def words(self, mode):
        return ["-u", self.user, "-p", self.password, "-P", str(self.port), "-r", "0", "-t", "20", "-F" if mode == "passive" else "-E"]

    def with_binary(self, binary, *words):
        kept, self.binary = self.binary, binary
        try:
            return self.run(*words)
        finally:
            self.binary = kept

    def names(self, mode):
        return self.with_binary("ncftpls", *self.words(mode), "-1", f"ftp://{self.host}:{self.port}/").splitlines()

    def listing(self, mode):
        return self.with_binary("ncftpls", *self.words(mode), "-l", f"ftp://{self.host}:{self.port}/")

    def get(self, mode, name, local):
        self.run("-C", "-Z", "-V", *self.words(mode), self.host, name, local)

    def resume(self, mode, name, local):
        self.run("-C", "-z", "-V", *self.words(mode), self.host, name, local)

    def put(self, mode, local, name):
        self.with_binary("ncftpput", "-C", "-Z", "-V", *self.words(mode), self.host, local, name)

    def rename(self, mode, old, new):
        """As commands before a listing."""
        self.with_binary("ncftpls", *self.words(mode), "-l", "-W", b"RNFR " + old, "-W", b"RNTO " + new, f"ftp://{self.host}:{self.port}/")

    def reader(self, mode, name):
        return ["-c", *self.words(mode), self.host, name], b""


class Tnftp(Client):
    name = binary = "tnftp"
    modes = ("passive", "extended", "active", "eprt")

    def script(self, mode, *commands):
        lines = ["epsv4 off" if mode in ("passive", "active") else "epsv4 on", f"open {self.host} {self.port}", f"user {self.user} {self.password}", "binary"]
        return b"\n".join([line.encode() for line in lines] + list(commands)) + b"\n"

    def words(self, mode):
        return ["-n", "-i", "-v", "-p" if mode in ("passive", "extended") else "-A"]

    @staticmethod
    def quoted(name):
        return b'"' + os.fsencode(name).replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'

    def do(self, mode, *commands):
        return self.run(*self.words(mode), text=self.script(mode, *commands, b"quit"))

    def says_failure(self, output):
        """It always ends with 0."""
        lines = output.splitlines()
        return any(line[:1] in b"45" and line[:3].isdigit() and line[3:4] in b" -" and line[:3] not in (b"502", b"500") for line in lines) or b"Login failed" in output

    def names(self, mode):
        self.do(mode, b"nlist . names.txt")
        return (self.folder / "names.txt").read_bytes().splitlines()

    def listing(self, mode):
        return self.do(mode, b"ls")

    def get(self, mode, name, local):
        self.do(mode, b"get %s %s" % (self.quoted(name), self.quoted(local)))

    def resume(self, mode, name, local):
        self.do(mode, b"reget %s %s" % (self.quoted(name), self.quoted(local)))

    def put(self, mode, local, name):
        self.do(mode, b"put %s %s" % (self.quoted(local), self.quoted(name)))

    def rename(self, mode, old, new):
        self.do(mode, b"rename %s %s" % (self.quoted(old), self.quoted(new)))

    def reader(self, mode, name):
        return self.words(mode), self.script(mode, b"get %s -" % self.quoted(name))


class Wget(Client):
    name = binary = "wget"
    modes = ("passive", "active")
    tls_modes = ("explicit", "implicit")
    can = frozenset({"list", "get", "resume", "abort"})

    def words(self, mode, name=b""):
        how = ["--no-passive-ftp"] if mode == "active" else []
        how += [f"--ca-certificate={self.ca}", "--ftps-resume-ssl", *(["--ftps-implicit"] if self.tls == "implicit" else [])] if self.tls else []
        return ["--no-config", "--no-proxy", "-nv", "-t", "1", "-T", "20", f"--ftp-user={self.user}", f"--ftp-password={self.password}", *how,
                f"{'ftps' if self.tls else 'ftp'}://{self.host}:{self.port}/{urllib.parse.quote(name, safe='')}"]

    def names(self, mode):
        """Of the listing that it turns into a page."""
        lines = self.listing(mode).replace(b"\r", b"").splitlines()
        return [line.split(b"/", 3)[3].split(b'"')[0] for line in lines if b"<a href=" in line]

    def listing(self, mode):
        return self.run(*self.words(mode), "-O", "-")

    def get(self, mode, name, local):
        self.run(*self.words(mode, name), "-O", local)

    def resume(self, mode, name, local):
        self.run(*self.words(mode, name), "-c", "-O", local)

    def reader(self, mode, name):
        return [*self.words(mode, name), "-O", "-"], b""


class Ftplib(Client):
    """Python's, in this process."""
    name = "ftplib"
    modes = ("passive", "extended", "active", "eprt")
    tls_modes = ("explicit", "implicit")

    @classmethod
    def exists(cls):
        return True

    @contextlib.contextmanager
    def session(self, mode):
        class Session(ftplib.FTP_TLS if self.tls else ftplib.FTP):
            encoding = "utf-8"

            def connect(session, host, port):
                if self.tls != "implicit":
                    return super().connect(host, port)
                session.sock = session.context.wrap_socket(socket.create_connection((host, port), 20), server_hostname=host)
                session.host, session.port, session.af = host, port, session.sock.family
                session.file = session.sock.makefile("r", encoding="utf-8")
                session.welcome = session.getresp()
                return session.welcome

            def makepasv(self):
                if mode == "extended":
                    return ftplib.parse229(self.sendcmd("EPSV"), self.sock.getpeername())
                return super().makepasv()

            def sendport(self, host, port):
                return self.sendeprt(host, port) if mode == "eprt" else super().sendport(host, port)

            def putline(self, line):
                # Names are octets.
                self.sock.sendall(line.encode("utf-8", "surrogateescape") + b"\r\n")
        session = Session(timeout=20, **({"context": ssl.create_default_context(cafile=self.ca)} if self.tls else {}))
        session.connect(self.host, self.port)
        session.file = session.sock.makefile("r", encoding="utf-8", errors="surrogateescape", newline="\r\n")
        try:
            if self.tls == "explicit":
                session.auth()
            if self.tls:                                     # which makes its own file
                session.file = session.sock.makefile("r", encoding="utf-8", errors="surrogateescape", newline="\r\n")
            session.login(self.user, self.password, **({"secure": False} if self.tls else {}))
            if self.tls:
                session.prot_p()
            session.set_pasv(mode in ("passive", "extended"))
            yield session
            session.quit()
        except ftplib.Error as error:
            raise Failed(str(error)) from None
        finally:
            session.close()

    def names(self, mode):
        with self.session(mode) as session:
            lines = bytearray()
            session.voidcmd("TYPE A")
            with session.transfercmd("NLST") as sock:
                while chunk := sock.recv(65536):
                    lines += chunk
            session.voidresp()
            return bytes(lines).splitlines()

    def listing(self, mode):
        lines = []
        with self.session(mode) as session:
            session.retrlines("LIST", lines.append)
        return "\n".join(lines).encode("utf-8", "surrogateescape")

    def get(self, mode, name, local):
        with self.session(mode) as session, open(local, "wb") as out:
            session.retrbinary(f"RETR {os.fsdecode(name)}", out.write)

    def resume(self, mode, name, local):
        with self.session(mode) as session, open(local, "ab") as out:
            session.retrbinary(f"RETR {os.fsdecode(name)}", out.write, rest=out.tell())

    def put(self, mode, local, name):
        with self.session(mode) as session, open(local, "rb") as content:
            session.storbinary(f"STOR {os.fsdecode(name)}", content)

    def rename(self, mode, old, new):
        with self.session(mode) as session:
            session.rename(os.fsdecode(old), os.fsdecode(new))

    def abort(self, mode, name):
        """ABOR in the middle, and the session goes on (RFC 959 4.1.3)."""
        with self.session(mode) as session:
            session.voidcmd("TYPE I")
            with session.transfercmd(f"RETR {os.fsdecode(name)}") as sock:
                if not sock.recv(1000):
                    raise Failed("it did not begin")
                session.sock.sendall(b"ABOR\r\n")
                # What is on its way is read: some servers say nothing before it is gone.
                with contextlib.suppress(ConnectionError):
                    while sock.recv(1 << 18):
                        pass
            replies = [session.getmultiline()]
            if replies[0][:3] not in ("225",) and not (replies[0][:3] == "226" and "ABOR" in replies[0].upper()):
                replies.append(session.getmultiline())
            if replies[-1][:3] not in ("225", "226"):
                raise Failed(f"ABOR: {replies}")
            if not session.pwd():
                raise Failed("no PWD")


PERL = r"""
use strict; use warnings; use Net::FTP;
my ($host, $port, $user, $password, $passive, $tls, $ca, $what, @names) = @ARGV;
my $ftp = Net::FTP->new($host, Port => $port, Passive => $passive, Timeout => 20, SSL => $tls eq "implicit", SSL_ca_file => $ca) or die "no connection: $@\n";
$tls eq "explicit" and ($ftp->starttls or die "starttls: " . $ftp->message);
$ftp->login($user, $password) or die "login: " . $ftp->message;
$ftp->binary or die $ftp->message;
my %do = (
    names => sub { my $all = $ftp->ls or die $ftp->message; print "$_\n" for @$all },
    listing => sub { my $all = $ftp->dir or die $ftp->message; print "$_\n" for @$all },
    get => sub { defined $ftp->get(@names) or die $ftp->message },
    resume => sub { defined $ftp->get(@names, -s $names[1]) or die $ftp->message },
    put => sub { defined $ftp->put(@names) or die $ftp->message },
    rename => sub { $ftp->rename(@names) or die $ftp->message },
    abort => sub {
        my $data = $ftp->retr($names[0]) or die $ftp->message;
        $data->read(my $some, 1000) or die "it did not begin\n";
        $data->abort or die "abort: " . $ftp->message;
        $ftp->pwd or die "afterwards: " . $ftp->message;
    },
);
$do{$what}->();
$ftp->quit;
"""


class NetFtp(Client):
    """Perl's."""
    name = "Net::FTP"
    binary = "/usr/bin/perl"
    modes = ("passive", "active")
    tls_modes = ("explicit", "implicit")
    cannot_in_tls = frozenset({"abort"})                     # it writes the urgent octets past its own TLS

    def do(self, mode, what, *names):
        return self.run("-e", PERL, self.host, str(self.port), self.user, self.password, "1" if mode == "passive" else "0", self.tls or "", self.ca or "", what, *names)

    def names(self, mode):
        return self.do(mode, "names").splitlines()

    def listing(self, mode):
        return self.do(mode, "listing")

    def get(self, mode, name, local):
        self.do(mode, "get", name, local)

    def resume(self, mode, name, local):
        self.do(mode, "resume", name, local)

    def put(self, mode, local, name):
        self.do(mode, "put", local, name)

    def rename(self, mode, old, new):
        self.do(mode, "rename", old, new)

    def abort(self, mode, name):
        self.do(mode, "abort", name)


CLIENTS = (Curl, Lftp, Ncftp, Tnftp, Wget, Ftplib, NetFtp)
