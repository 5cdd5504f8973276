# SPDX-License-Identifier: Apache-2.0
"""Mail clients as people run them, and two mail servers that relay, each with the same few things that it can do. A message goes out as it is: clients that
would mend it are told not to; servers add fields of their own on top. `send` raises Failed where the client says that a message was not taken."""
import json
import os
import pathlib
import re
import shutil
import smtplib
import ssl
import subprocess

from harness import until
from smtp_peers import stuffed
from smtp_servers import Exim, Postfix

TIMEOUT = 30


class Failed(Exception):
    pass


class Client:
    """tls: "explicit" or "implicit", then with `ca` and the `name` that the certificate must be for."""
    name = ""
    binary = ""
    tls_modes = ("explicit", "implicit")
    # utf8: addresses in other alphabets. partial: goes on where some recipients were refused. many: messages in one session. chunks: BDAT.
    can = frozenset({"send", "several", "refused", "auth"})

    def __init__(self, host, port, folder, tls=None, ca=None, name=None):
        self.host, self.port, self.folder, self.tls, self.ca, self.tls_name = host, port, pathlib.Path(folder), tls, ca, name
        self.environment = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()} | {"HOME": str(self.folder), "LC_ALL": "C.UTF-8"}

    @classmethod
    def exists(cls):
        return shutil.which(cls.binary) is not None

    def run(self, *words, content=None):
        done = subprocess.run([self.binary, *map(str, words)], input=content, cwd=self.folder, env=self.environment, timeout=TIMEOUT, capture_output=True,
                              **({} if content is not None else {"stdin": subprocess.DEVNULL}))
        if done.returncode:
            raise Failed(f"{self.name}: {done.returncode}: {(done.stdout + done.stderr)[-2000:].decode(errors='replace')}")
        return done.stdout

    def file(self, content):
        path = self.folder / "message"
        path.write_bytes(content)
        return path

    def send(self, content, sender, recipients, login=None):
        """login: (user, password)."""
        raise NotImplementedError

    def close(self):
        pass


class Swaks(Client):
    name = binary = "swaks"
    can = Client.can | {"partial"}

    def send(self, content, sender, recipients, login=None):
        words = ["--server", self.host, "--port", self.port, "--from", sender, "--to", ",".join(recipients), "--helo", "swaks.test", "--no-data-fixup", "--data", f"@{self.file(stuffed(content) + b'.')}",
                 "--suppress-data", "--timeout", "30"]
        if self.tls:
            words += ["--tls" if self.tls == "explicit" else "--tls-on-connect", "--tls-verify", "--tls-ca-path", self.ca]
        if login:
            words += ["--auth", "PLAIN", "--auth-user", login[0], "--auth-password", login[1], "--auth-hide-password"]
        self.run(*words)


class Curl(Client):
    name = binary = "curl"
    can = Client.can | {"partial", "utf8"}

    def send(self, content, sender, recipients, login=None):
        host = self.tls_name or self.host
        words = ["-q", "-sSv", "--noproxy", "*", "--max-time", TIMEOUT - 5, f"{'smtps' if self.tls == 'implicit' else 'smtp'}://{host}:{self.port}/curl.test", "--mail-from", sender,
                 *(word for recipient in recipients for word in ("--mail-rcpt", recipient)), "--mail-rcpt-allowfails", "-T", self.file(content), "--resolve", f"{host}:{self.port}:{self.host}"]
        if self.tls:
            words += ["--ssl-reqd", "--cacert", self.ca]
        if login:
            words += ["--user", ":".join(login)]
        self.run(*words)


class Smtplib(Client):
    """Python's, in this process."""
    name = "smtplib"
    can = Client.can | {"partial", "utf8", "many"}

    @classmethod
    def exists(cls):
        return True

    def session(self):
        context = ssl.create_default_context(cafile=self.ca) if self.tls else None
        if context:
            context.check_hostname = True
        if self.tls == "implicit":
            class Session(smtplib.SMTP_SSL):
                def _get_socket(session, host, port, timeout):
                    return context.wrap_socket(smtplib.SMTP._get_socket(session, host, port, timeout), server_hostname=self.tls_name)
            session = Session(self.host, self.port, timeout=30, local_hostname="smtplib.test", context=context)
        else:
            session = smtplib.SMTP(self.host, self.port, timeout=30, local_hostname="smtplib.test")
            if self.tls:
                session._host = self.tls_name
                session.starttls(context=context)
        return session

    def send(self, content, sender, recipients, login=None, times=1):
        try:
            with self.session() as session:
                if login:
                    session.login(*login)
                session.ehlo_or_helo_if_needed()
                other = not (sender + "".join(recipients)).isascii()
                for _ in range(times):
                    session.sendmail(sender, recipients, content, mail_options=["SMTPUTF8", "BODY=8BITMIME"] if other else [])
        except (smtplib.SMTPException, OSError) as error:
            raise Failed(f"smtplib: {error}") from None

    def many(self, content, sender, recipients, times):
        self.send(content, sender, recipients, times=times)


NODE = """
const nodemailer = require('nodemailer'), fs = require('fs');
const given = JSON.parse(process.argv[2]);
const transport = nodemailer.createTransport(given.options);
(async () => {
    for (let time = 0; time < given.times; time++) {
        const done = await transport.sendMail({envelope: given.envelope, raw: fs.readFileSync(given.file)});
        if (!done.accepted.length) throw new Error('nobody took it');
    }
    transport.close();
})().catch(error => { console.error(error.message); process.exit(1); });
"""


class Nodemailer(Client):
    name = "nodemailer"
    binary = "node"
    can = Client.can | {"partial", "utf8", "many"}

    @classmethod
    def exists(cls):
        return super().exists() and os.path.exists("/usr/share/nodejs/nodemailer")

    def send(self, content, sender, recipients, login=None, times=1):
        options = {"host": self.host, "port": self.port, "name": "nodemailer.test", "secure": self.tls == "implicit", "pool": times > 1, "maxConnections": 1, "ignoreTLS": not self.tls,
                   "requireTLS": self.tls == "explicit", "connectionTimeout": 30000}
        if self.tls:
            options["tls"] = {"ca": pathlib.Path(self.ca).read_text(), "servername": self.tls_name}
        if login:
            options["auth"] = {"user": login[0], "pass": login[1]}
        (self.folder / "send.js").write_text(NODE)
        self.environment["NODE_PATH"] = "/usr/share/nodejs"
        self.run(self.folder / "send.js", json.dumps({"options": options, "envelope": {"from": sender, "to": list(recipients)}, "file": str(self.file(content)), "times": times}))

    def many(self, content, sender, recipients, times):
        self.send(content, sender, recipients, times=times)


class Msmtp(Client):
    name = binary = "msmtp"

    def send(self, content, sender, recipients, login=None):
        lines = ["defaults", "undisclosed_recipients off", "set_from_header off", "set_date_header off", "set_msgid_header off", "timeout 30", "domain msmtp.test", "account it", f"host {self.host}",
                 f"port {self.port}", f"tls {'on' if self.tls else 'off'}"]
        if self.tls:
            lines += [f"tls_starttls {'on' if self.tls == 'explicit' else 'off'}", f"tls_trust_file {self.ca}", f"tls_host_override {self.tls_name}"]
        if login:
            lines += ["auth plain", f"user {login[0]}", f"password {login[1]}"]
        config = self.folder / "msmtprc"
        config.write_text("\n".join(lines) + "\n")
        config.chmod(0o600)
        # It reads lines as files have them.
        self.run("-C", config, "-a", "it", "-f", sender, "--", *recipients, content=content.replace(b"\r\n", b"\n"))


class Relay(Client):
    """A server that has the message first, and passes it on."""
    can = frozenset({"send", "several", "partial", "refused", "many", "utf8"})
    server_class = None
    server = None

    @classmethod
    def exists(cls):
        return cls.server_class.exists()

    def close(self):
        if self.server:
            self.server.close()
            self.server = None

    def started(self):
        if self.server is None:
            self.server = self.begin()
        return self.server

    def send(self, content, sender, recipients, login=None, times=1):
        server = self.started()
        options = [] if (sender + "".join(recipients)).isascii() else ["SMTPUTF8", "BODY=8BITMIME"]
        before = len(self.outcomes())
        with smtplib.SMTP(server.host, server.port, timeout=30) as session:
            for _ in range(times):
                session.sendmail(sender, recipients, content, mail_options=options)
        outcomes = until(lambda: len(self.outcomes()) >= before + times * len(recipients) and self.outcomes()[before:], f"{self.name}'s outcomes", 30)
        if not any(good for good, _ in outcomes):
            raise Failed("; ".join(words for _, words in outcomes))

    def many(self, content, sender, recipients, times):
        self.send(content, sender, recipients, times=times)


class PostfixRelay(Relay):
    name = "postfix"
    server_class = Postfix

    def begin(self):
        # One session for many; and what comes back for our sender goes nowhere.
        more = ["transport_maps = inline:{example.org=discard:}", "smtpd_recipient_restrictions = permit_mynetworks,reject", "smtp_helo_name = postfix.test", "default_destination_concurrency_limit = 1"]
        if self.tls:
            more += ["smtp_tls_security_level = verify", f"smtp_tls_CAfile = {self.ca}", f"smtp_tls_verify_cert_match = {self.tls_name}", f"smtp_tls_servername = {self.tls_name}"]
        if self.tls == "implicit":
            more += ["smtp_tls_wrappermode = yes"]
        return Postfix(relay=(self.host, self.port), more=more)

    def outcomes(self):
        """[(it was taken, the words)] a recipient."""
        if self.server is None:
            return []
        found = re.findall(r" to=<([^>]*)>, (?:orig_to=<[^>]*>, )?relay=.* status=(\w+) \((.*)\)$", self.server.maillog(), re.MULTILINE)
        return [(status == "sent", words) for recipient, status, words in found if not recipient.endswith("@example.org")]


class EximRelay(Relay):
    """By BDAT where that is offered."""
    name = "exim"
    server_class = Exim
    can = Relay.can - {"many"} | {"chunks"}

    def begin(self):
        transport = "hosts_require_tls = *" if self.tls else "hosts_avoid_tls = *"
        if self.tls:
            ca = pathlib.Path(self.folder) / "trusted.pem"
            ca.write_bytes(pathlib.Path(self.ca).read_bytes())
            ca.chmod(0o644)
            self.folder.chmod(0o755)
            transport += f"\n  tls_verify_certificates = {ca}\n  tls_verify_hosts = *\n  tls_verify_cert_hostnames = :\n  tls_sni = {self.tls_name}"
        if self.tls == "implicit":
            transport += "\n  protocol = smtps"
        return Exim(relay=(self.host, self.port), transport=transport)

    def outcomes(self):
        if self.server is None:
            return []
        try:
            log = (self.server.folder / "spool/exim-main.log").read_text()
        except FileNotFoundError:
            return []
        return [(found[1] in ("=>", "->"), found[2]) for found in re.finditer(r"^\S+ \S+ \S+ (=>|->|\*\*|==) (.*T=out.*)$", log, re.MULTILINE)]


CLIENTS = (Swaks, Curl, Smtplib, Nodemailer, Msmtp, PostfixRelay, EximRelay)
