# SPDX-License-Identifier: Apache-2.0
"""HTTPS for the tests: a root of their own with certificates good and bad, nginx under each of them, an origin in Python for what no server does,
clients that speak TLS through a CONNECT, and instances that decrypt."""
import collections
import datetime
import pathlib
import shutil
import ssl
import subprocess
import tempfile

from harness import Sluice, SystemTest, curl, free_port
from nginx import Nginx
from wire import Closed, Origin, Peer, get

# The name's certificate alone; what a server sends; its key.
Certificate = collections.namedtuple("Certificate", "leaf chain key")

CA_CONF = """
[ca]
default_ca = here
[here]
database = {folder}/index.txt
new_certs_dir = {folder}
default_md = sha256
unique_subject = no
rand_serial = yes
policy = any
[any]
organizationName = optional
commonName = optional
"""

# What a copy of a certificate must not copy: AIA, "must-staple", and a list of SCTs (of no log).
NOT_COPIED = ("authorityInfoAccess = OCSP;URI:http://ocsp.test/, caIssuers;URI:http://issuer.test/ca.crt", "tlsfeature = status_request",
              "1.3.6.1.4.1.11129.2.4.2 = DER:04:04:00:02:00:00")


def openssl(*args, text=True, check=True, **keys):
    done = subprocess.run(["openssl", *map(str, args)], capture_output=True, text=text, timeout=60, **keys)
    if check and done.returncode:
        raise AssertionError(f"openssl {args}: {done.stderr}")
    return done.stdout


class Pki:
    """A root, an intermediate below it, and what they sign. `root` is the file that a client trusts."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-pki-", dir="/tmp"))
        (self.folder / "index.txt").touch()
        (self.folder / "ca.cnf").write_text(CA_CONF.format(folder=self.folder))
        self.root = self.folder / "root.pem"
        self.root_key = self.folder / "root.key"
        self.self_signed("root", "/CN=Test Root", "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature")
        self.intermediate = self.sign("intermediate", "/CN=Test Intermediate", "basicConstraints = critical, CA:TRUE", "keyUsage = critical, keyCertSign")

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def _key_words(self, name, key):
        words = {"ec": ("ec", "-pkeyopt", "ec_paramgen_curve:P-256"), "rsa": ("rsa:2048",)}[key]
        return ("-newkey", *words, "-nodes", "-keyout", self.folder / f"{name}.key")

    def self_signed(self, name, subject, *extensions):
        words = [word for extension in extensions for word in ("-addext", extension)]
        openssl("req", "-x509", *self._key_words(name, "ec"), "-days", "30", "-subj", subject, "-out", self.folder / f"{name}.pem", *words)
        return Certificate(self.folder / f"{name}.pem", self.folder / f"{name}.pem", self.folder / f"{name}.key")

    def sign(self, file, subject, *extensions, issuer=None, key="ec", days=(-1, 30), send_issuer=True):
        """`days`: from and to, seen from now."""
        folder = self.folder
        now = datetime.datetime.now(datetime.timezone.utc)
        begin, end = ((now + datetime.timedelta(days=day)).strftime("%Y%m%d%H%M%SZ") for day in days)
        openssl("req", "-new", *self._key_words(file, key), "-subj", subject, "-out", folder / f"{file}.csr")
        (folder / f"{file}.ext").write_text("\n".join(extensions) + "\n")
        openssl("ca", "-batch", "-notext", "-config", folder / "ca.cnf", "-in", folder / f"{file}.csr", "-out", folder / f"{file}.pem",
                "-cert", issuer.leaf if issuer else self.root, "-keyfile", issuer.key if issuer else self.root_key,
                "-startdate", begin, "-enddate", end, "-extfile", folder / f"{file}.ext")
        chain = folder / f"{file}.chain.pem"
        chain.write_text((folder / f"{file}.pem").read_text() + (issuer.leaf.read_text() if issuer and send_issuer else ""))
        return Certificate(folder / f"{file}.pem", chain, folder / f"{file}.key")

    def server(self, name, *extensions, names=None, subject=None, **keys):
        names = names or (f"DNS:{name}",)
        return self.sign(name, subject or f"/O=Test/CN={name}", "subjectAltName = " + ", ".join(names), "extendedKeyUsage = serverAuth", *extensions,
                         **keys)

    def ocsp(self, certificate, revoked):
        """An answer on a certificate that the root signed, as a server staples it."""
        ca = ("-config", self.folder / "ca.cnf", "-cert", self.root, "-keyfile", self.root_key)
        if revoked:
            openssl("ca", *ca, "-revoke", certificate.leaf)
        answer = certificate.leaf.with_suffix(".ocsp")
        request = certificate.leaf.with_suffix(".ocspreq")
        openssl("ocsp", "-issuer", self.root, "-cert", certificate.leaf, "-no_nonce", "-reqout", request)
        openssl("ocsp", "-index", self.folder / "index.txt", "-rsigner", self.root, "-rkey", self.root_key, "-CA", self.root, "-reqin", request,
                "-respout", answer, "-ndays", "2")
        return answer


SERVER = """
    server {{
        listen 127.0.0.1:{port} ssl{listen} backlog=4096;
        ssl_certificate {chain};
        ssl_certificate_key {key};
        access_log {folder}/{kind}.log;
        {more}
        add_header Alt-Svc 'h3=":443"; ma=86400';
        location / {{ return 200 "the secret of {kind}\\n"; }}
        location /close {{ keepalive_timeout 0; return 200 "the secret of {kind}\\n"; }}
        location /who {{ return 200 "$ssl_client_verify $ssl_client_s_dn\\n"; }}
        location /files/ {{ alias {folder}/www/; }}
    }}
"""


class Origins(Nginx):
    """nginx with a server for each kind: `good` is at https://good.test:PORT/, and so on."""

    GOOD = ("good", "rsa", "tls12", "stapled", "short", "h2")
    BAD = {"expired": "expired", "early": "not valid yet", "selfsigned": "signed its certificate itself", "misnamed": "another name",
           "incomplete": "certificates between the two are missing", "unknown": "not trusted here", "revoked": "revoked"}

    def __init__(self, pki, *kinds):
        self.pki = pki
        self.kinds = kinds or (*self.GOOD, *self.BAD, "client", "asks")
        self.ports = {kind: free_port() for kind in self.kinds}
        self.certificates = {}
        super().__init__()

    def servers(self):
        text = ""
        for kind in self.kinds:
            certificate, more = getattr(self, "_" + kind, self._plain)(f"{kind}.test")
            self.certificates[kind] = certificate
            text += SERVER.format(port=self.ports[kind], folder=self.folder, kind=kind, chain=certificate.chain, key=certificate.key, more=more,
                                  listen=" http2" if kind == "h2" else "")
        return text

    def _plain(self, name):
        return self.pki.server(name), ""

    def _good(self, name):
        names = (f"DNS:{name}", f"DNS:*.{name}", "DNS:also-good.test", "IP:127.0.0.1")
        return self.pki.server(name, *NOT_COPIED, names=names, subject=f"/O=Good & Sons/CN={name}", issuer=self.pki.intermediate, days=(-100, 1000)), ""

    def _rsa(self, name):
        return self.pki.server(name, key="rsa"), ""

    def _tls12(self, name):
        return self.pki.server(name), "ssl_protocols TLSv1.2;"

    def _short(self, name):
        return self.pki.server(name, days=(-1, 5)), ""

    def _expired(self, name):
        return self.pki.server(name, days=(-20, -1)), ""

    def _early(self, name):
        return self.pki.server(name, days=(2, 20)), ""

    def _selfsigned(self, name):
        return self.pki.self_signed(name, f"/CN={name}", f"subjectAltName=DNS:{name}"), ""

    def _misnamed(self, name):
        return self.pki.server(name, names=("DNS:elsewhere.test",)), ""

    def _incomplete(self, name):
        return self.pki.server(name, issuer=self.pki.intermediate, send_issuer=False), ""

    def _unknown(self, name):
        """Of a root that nobody trusts, which it sends along."""
        other = self.pki.self_signed("other", "/CN=Other Root", "basicConstraints=critical,CA:TRUE")
        return self.pki.server(name, issuer=other), ""

    def _stapled(self, name, revoked=False):
        certificate = self.pki.server(name)
        return certificate, f"ssl_stapling on; ssl_stapling_file {self.pki.ocsp(certificate, revoked)};"

    def _revoked(self, name):
        return self._stapled(name, True)

    def _client(self, name):
        return self.pki.server(name), f"ssl_client_certificate {self.pki.root}; ssl_verify_client on;"

    def _asks(self, name):
        return self.pki.server(name), f"ssl_client_certificate {self.pki.root}; ssl_verify_client optional;"

    def host(self, kind):
        return f"{kind}.test:{self.ports[kind]}"

    def at(self, kind, path="/"):
        return f"https://{self.host(kind)}{path}"

    def log(self, kind):
        return (self.folder / f"{kind}.log").read_text()


class TlsOrigin(Origin):
    """An origin that hands out its connections after the handshake; `handshakes` has what came of each."""

    def __init__(self, handle, certificate, prepare=None, **keys):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate.chain, certificate.key)
        if prepare:
            prepare(self.context)
        self.handshakes = []
        super().__init__(handle, **keys)

    def _run(self, peer):
        try:
            peer.sock = self.context.wrap_socket(peer.sock, server_side=True)
        except (OSError, ValueError) as error:
            self.handshakes.append(error)
            peer.sock.close()
            return
        self.handshakes.append(None)
        super()._run(peer)


def tls_client(ca=None, *, protocols=None, minimum=None, maximum=None):
    """A client's context; without `ca` it takes whatever certificate comes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca:
        context.load_verify_locations(ca)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(protocols)
    if minimum:
        context.minimum_version = minimum
    if maximum:
        context.maximum_version = maximum
    return context


def connect(port, authority, *fields):
    """A client that was let into a tunnel."""
    peer = Peer.connect(port)
    peer.send(get(authority, *fields, method="CONNECT", host=authority))
    head = peer.read_head()
    if head.status != 200:
        raise AssertionError(f"CONNECT {authority}: {head.raw!r}")
    return peer


def begin_tls(peer, context, name, session=None):
    """TLS on a connection; `name`: the server's, None to say none."""
    if name is None:
        context.check_hostname = False
    peer.sock = context.wrap_socket(peer.sock, server_hostname=name, suppress_ragged_eofs=False, session=session)
    return peer


def open_tls(port, authority, context, name="", session=None):
    """TLS through a CONNECT; the name is the authority's unless another is given."""
    return begin_tls(connect(port, authority), context, authority.rsplit(":", 1)[0] if name == "" else name, session)


class SlicedTls:
    """A client whose records a test cuts as it likes: `slice_up(bytes)` gives the pieces in which each flight of it goes out."""

    def __init__(self, peer, context, name, slice_up):
        self.peer = peer
        self.slice_up = slice_up
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name)
        self._drive(self.tls.do_handshake)

    def _drive(self, what):
        while True:
            try:
                result, is_done = what(), True
            except ssl.SSLWantReadError:
                result, is_done = None, False
            for piece in self.slice_up(self.outgoing.read()):
                self.peer.send(piece)
            if is_done:
                return result
            data = self.peer.sock.recv(65536)
            if not data:
                raise Closed(b"")
            self.incoming.write(data)

    def ask(self, request):
        """The first octets of the answer."""
        self.tls.write(request)
        return self._drive(lambda: self.tls.read(65536))


def raw_hello(name="a.test", protocols=None):
    """A ClientHello, as it goes over the wire."""
    context = tls_client(protocols=protocols)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        context.wrap_bio(incoming, outgoing, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def with_extensions(hello, more):
    """A ClientHello, in one record, with more extensions at its end."""
    at = 5 + 4 + 2 + 32
    at += 1 + hello[at]
    at += 2 + int.from_bytes(hello[at:at + 2], "big")
    at += 1 + hello[at]

    def longer(octets):
        return (int.from_bytes(octets, "big") + len(more)).to_bytes(len(octets), "big")
    return (hello[:3] + longer(hello[3:5]) + hello[5:6] + longer(hello[6:9]) + hello[9:at] + longer(hello[at:at + 2]) + hello[at + 2:]) + more


def records_of_one_octet(flight):
    """The flight's records, each octet of the ClientHello in one of its own; later flights as they are."""
    if flight[:1] != b"\x16" or flight[5:6] != b"\x01":
        return [flight] if flight else []
    size = int.from_bytes(flight[3:5], "big")
    return [flight[:3] + b"\0\x01" + flight[5 + at:6 + at] for at in range(size)] + ([flight[5 + size:]] if flight[5 + size:] else [])


def segments_of(size):
    return lambda flight: [flight[at:at + size] for at in range(0, len(flight), size)]


def s_client(port, authority, *args, send="", name="", check=False):
    """openssl s_client through the proxy; what it wrote. `name` as in open_tls."""
    host = authority.rsplit(":", 1)[0] if name == "" else name
    words = ["-servername", host] if host else ["-noservername"]
    done = subprocess.run(["openssl", "s_client", "-proxy", f"127.0.0.1:{port}", "-connect", authority, *words, *map(str, args)],
                          input=send.encode(), capture_output=True, timeout=30)
    if check and done.returncode:
        raise AssertionError(f"s_client: {done.stderr.decode(errors='replace')}")
    return done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")


def leaf_of(output):
    """The first certificate in what s_client wrote, in PEM."""
    begin = output.index("-----BEGIN CERTIFICATE-----")
    return output[begin:output.index("-----END CERTIFICATE-----") + 26]


class Shown:
    """A certificate as `openssl x509` tells it."""

    def __init__(self, pem):
        self.text = openssl("x509", "-noout", "-text", "-nameopt", "RFC2253", input=pem)
        fields = openssl("x509", "-noout", "-subject", "-issuer", "-serial", "-startdate", "-enddate", "-nameopt", "RFC2253", input=pem)
        said = dict(line.split("=", 1) for line in fields.splitlines())
        self.subject, self.issuer, self.serial = said["subject"], said["issuer"], said["serial"]
        self.begin, self.end = (datetime.datetime.strptime(said[key], "%b %d %H:%M:%S %Y %Z") for key in ("notBefore", "notAfter"))
        names = openssl("x509", "-noout", "-ext", "subjectAltName", input=pem).splitlines()
        self.names = sorted(names[1].strip().split(", ")) if len(names) > 1 else []

    @classmethod
    def of(cls, peer):
        """Of a connection in TLS."""
        return cls(ssl.DER_cert_to_PEM_cert(peer.sock.getpeercert(True)))


class TlsTest(SystemTest):
    """A class of tests with a Pki, nginx under its certificates (`kinds`: which of them), and instances that decrypt."""

    kinds = ("good",)

    @classmethod
    def setUpClass(cls):
        cls.pki = Pki()
        cls.addClassCleanup(cls.pki.close)
        cls.origins = Origins(cls.pki, *cls.kinds)
        cls.addClassCleanup(cls.origins.close)

    @classmethod
    def decrypting(cls, rules=(), tls=None, has_ca=True, clean_up=None, **sections):
        """An instance with [tls] intercept and a CA (`ca`: its certificate); every name below .test is this machine."""
        sections["http"] = {"connect_ports": ["1-65535"], **sections.get("http", {})}
        instance = Sluice(rules, wait=None, tls={"intercept": True, "upstream_ca": str(cls.pki.root), **(tls or {})}, **sections)
        (clean_up or cls.addClassCleanup)(instance.stop)
        names = {*(f"{kind}.test" for kind in cls.origins.kinds), "also-good.test", "www.good.test", "a.test", "b.test", "c.test", "d.test", "e.test"}
        instance.hosts.write_text(instance.hosts.read_text() + "127.0.0.1 " + " ".join(sorted(names)) + "\n")
        if has_ca:
            made = instance.command("ca", "init")
            if made.returncode:
                raise AssertionError(made.stderr)
            instance.ca = instance.folder / "exported.pem"
            instance.ca.write_text(instance.command("ca", "export").stdout)
            instance.start()
        return instance

    def own(self, rules=(), tls=None, **keys):
        """An instance that ends with the test, in `proxy`."""
        self.proxy = self.decrypting(rules, tls, clean_up=self.addCleanup, **keys)
        return self.proxy

    def curl(self, *args, ca=None, **keys):
        return curl("--cacert", ca or self.proxy.ca, *args, proxy=self.proxy.port, **keys)

    def fetch(self, url, *args, **keys):
        """(status of CONNECT, status, exit code, body) of curl."""
        done = self.curl("-w", "\n%{http_connect} %{http_code}", *args, url, check=False, **keys)
        body, _, codes = done.stdout.rpartition(b"\n")
        connected, status = codes.split()
        return int(connected), int(status), done.returncode, body

    def origin(self, handle, certificate=None, prepare=None):
        """A TlsOrigin that ends with the test, under the certificate of `a.test` to `e.test`."""
        if certificate is None:
            certificate = type(self).__dict__.get("_letters")
            if certificate is None:
                certificate = type(self)._letters = self.pki.server("letters", names=[f"DNS:{letter}.test" for letter in "abcde"])
        origin = TlsOrigin(handle, certificate, prepare)
        self.addCleanup(origin.close)
        return origin

    def connect_event(self, host, **wanted):
        return self.proxy.event(http__request__method="CONNECT", url__domain=host, **wanted)
