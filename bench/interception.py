# SPDX-License-Identifier: Apache-2.0
"""What opening TLS costs: Sluice beside Squid (ssl-bump) and mitmproxy, and for tunnels beside HAProxy in TCP mode.  scripts/bench --only intercept

One client (bench/load/tls_load) and one nginx with TLS for all, which share the second core. Every interceptor signs with a CA on P-256 and verifies the
origin against the bench's CA; the client trusts the interceptor's CA alone, so that a connection which is not opened is a failure. squid bumps at once,
squid_peek after a look at the client's hello: the first is cheaper, the second mimics the origin's certificate. A target holds for both.
`--without-sluice` measures the peers alone."""
import http.client
import os
import shutil
import socket
import ssl
import statistics
import subprocess

import run

CONFIG = """[req]
distinguished_name = subject
[subject]
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[origin]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:bench.example, DNS:*.bench.example, DNS:localhost, IP:127.0.0.1
"""
CERTGEN = "/usr/lib/squid/security_file_certgen"
CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"]
# mitmproxy asks the system's resolver, which knows this name everywhere; the others have the bench's hosts file.
HOSTS = {"mitmproxy": "localhost"}


class Interception:
    def __init__(self, bench, with_sluice):
        self.bench = bench
        self.folder = bench.folder
        self.with_sluice = with_sluice
        self.ports = run.free_ports(["origin", "origin_anew", "sluice", "sluice_tunnel", "squid", "squid_peek", "mitmproxy", "haproxy"], 18300)
        self.pids = {}
        self.authorities = {}                                   # by proxy, the CA that its client trusts
        self.names_a_round = 50 if bench.options.quick else 200

    # The servers.

    def certificates(self):
        config = self.folder / "openssl.cnf"
        config.write_text(CONFIG)

        def make(name, subject, section, *more):
            subprocess.run(["openssl", "req", "-x509", "-config", config, "-extensions", section, "-subj", f"/CN={subject}", *CURVE,
                            "-keyout", self.folder / f"{name}.key", "-out", self.folder / f"{name}.pem", *more], check=True, capture_output=True)
        make("bench-ca", "bench CA", "ca")
        make("proxy-ca", "proxy CA", "ca")
        make("origin", "bench.example", "origin", "-CA", self.folder / "bench-ca.pem", "-CAkey", self.folder / "bench-ca.key")
        both = (self.folder / "proxy-ca.key").read_bytes() + (self.folder / "proxy-ca.pem").read_bytes()
        (self.folder / "proxy-ca-and-key.pem").write_bytes(both)
        (self.folder / "mitmproxy").mkdir()
        (self.folder / "mitmproxy/mitmproxy-ca.pem").write_bytes(both)

    def start(self, name, command, core, port=None):
        process = self.bench.start(f"intercept-{name}", command, core, self.ports[port or name])
        self.pids[name] = process.pid

    def configured(self, template, path=None, **more):
        path = self.folder / (path or template)
        path.write_text((run.PEERS / template).read_text().format(folder=self.folder, **self.ports, **more))
        return path

    def sluice(self, name, tls):
        folder = self.folder / name
        (folder / "state").mkdir(parents=True)
        config = folder / "sluice.toml"
        config.write_text(f"""workers = 1
state_dir = "{folder}/state"
[http]
listen = ["127.0.0.1:{self.ports[name]}"]
connect_ports = ["1-65535"]
[ftp]
listen = []
[admin]
listen = []
[log]
events = "{folder}/events.json"
[dns]
hosts = "{self.folder}/hosts"
[limits]
connections_per_client = 20000
[inspect]
engines = []
{tls}
""")
        if tls:
            subprocess.run([run.BUILD / "sluice", "ca", "init", "-c", config], check=True)
            exported = subprocess.run([run.BUILD / "sluice", "ca", "export", "-c", config], check=True, capture_output=True).stdout
            (self.folder / "sluice-ca.pem").write_bytes(exported)
        self.start(name, [run.BUILD / "sluice", "run", "-c", config], run.PROXY_CORE)

    def squid(self, name, bump):
        folder = self.folder / name
        folder.mkdir()
        leaves = folder / "leaves"
        subprocess.run([CERTGEN, "-c", "-s", leaves, "-M", "16MB"], check=True, capture_output=True)
        if os.geteuid() == 0:                                   # Squid becomes another user then, and its helpers with it
            for path in (folder, leaves, *leaves.rglob("*")):
                shutil.chown(path, "proxy", "proxy")
        config = self.configured("squid_bump.conf", f"{name}/squid.conf", name=name, port=self.ports[name], bump=bump)
        # A service name of its own: by it Squid names its shared memory, and with ssl-bump there is some.
        service = f"bench{self.ports[name]}"
        self.start(name, [shutil.which("squid") or "/usr/sbin/squid", "-N", "-n", service, "-f", config], run.PROXY_CORE)

    def set_up(self):
        for name, size in (("1k", 512), ("1m", run.MIB // 2)):
            path = self.folder / "www" / name
            if not path.exists():
                path.write_bytes(os.urandom(size).hex().encode())
        self.certificates()
        names = (self.bench.rounds + 1) * self.names_a_round
        (self.folder / "hosts").write_text("127.0.0.1 localhost bench.example\n" + "".join(f"127.0.0.1 n{n:06}.bench.example\n" for n in range(1, names + 1)))
        nginx = shutil.which("nginx") or "/usr/sbin/nginx"
        self.start("origin", [nginx, "-p", self.folder, "-c", self.configured("origin_tls.conf")], run.LOAD_CORE)
        if self.with_sluice:
            self.sluice("sluice", f'[tls]\nintercept = true\nupstream_ca = "{self.folder}/bench-ca.pem"')
            self.sluice("sluice_tunnel", "")
        self.squid("squid", "ssl_bump bump all")
        self.squid("squid_peek", "acl hello at_step SslBump1\nssl_bump peek hello\nssl_bump bump all")
        self.configured("mitmproxy.yaml", "mitmproxy/config.yaml")
        mitmdump = shutil.which("mitmdump") or "/usr/bin/mitmdump"
        run.say(subprocess.run([mitmdump, "--version"], capture_output=True, text=True).stdout.splitlines()[0])
        self.start("mitmproxy", [mitmdump, "-q", "--set", f"confdir={self.folder}/mitmproxy"], run.PROXY_CORE)
        self.start("haproxy", [shutil.which("haproxy") or "/usr/sbin/haproxy", "-db", "-q", "-f", self.configured("haproxy_tcp.cfg")], run.PROXY_CORE)
        bench_ca, proxy_ca = self.folder / "bench-ca.pem", self.folder / "proxy-ca.pem"
        self.authorities = {"sluice": self.folder / "sluice-ca.pem", "squid": proxy_ca, "squid_peek": proxy_ca, "mitmproxy": proxy_ca,
                            "sluice_tunnel": bench_ca, "haproxy": bench_ca}

    # The load.

    def fetch(self, name, path):
        """The body of an answer, by another client than the one that measures."""
        host, port = HOSTS.get(name, "bench.example"), self.ports["origin"]
        context = ssl.create_default_context(cafile=self.authorities[name])
        with socket.create_connection(("127.0.0.1", self.ports[name]), 20) as connection:
            if name != "haproxy":
                connection.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
                answer = b""
                while b"\r\n\r\n" not in answer and (piece := connection.recv(4096)):
                    answer += piece
                if b" 200 " not in answer[:16]:
                    raise OSError(f"CONNECT was answered {answer[:40]}")
            with context.wrap_socket(connection, server_hostname=host) as tls:
                tls.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
                answer = http.client.HTTPResponse(tls)
                answer.begin()
                return answer.read() if answer.status == 200 else b""

    def check_answers(self):
        """The origin's very bytes, under a certificate of the CA that it has to be, or nothing is measured."""
        for name in self.authorities:
            if name in self.pids:
                for path in ("/1k", "/1m"):
                    try:
                        got = self.fetch(name, path)
                    except OSError as fault:
                        raise SystemExit(f"{name} does not hand over {path}: {fault}; nothing is measured; see {run.OUT}") from fault
                    if got != (self.folder / "www" / path[1:]).read_bytes():
                        raise SystemExit(f"{name} answers {path} with {len(got)} bytes that are not the origin's: nothing is measured; see {run.OUT}")

    def load(self, name, seconds, *options, port="origin"):
        """What tls_load says, and `cpu`: the proxy's seconds. Of kept connections it is the requests' alone; the handshakes come before it is looked at."""
        waits = "keep" in options
        process = subprocess.Popen(["taskset", "-c", run.LOAD_CORE, run.BUILD / "bench/load/tls_load", "--proxy", str(self.ports[name]),
                                    "--target", f"{HOSTS.get(name, 'bench.example')}:{self.ports[port]}", "--ca", self.authorities[name],
                                    "--seconds", str(seconds), *options, *(["--direct"] if name == "haproxy" else []), *(["--wait"] if waits else [])],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if waits:
            process.stdout.readline()                           # "ready"
        before = run.cpu_seconds(self.pids[name])
        out, err = process.communicate("\n" if waits else None)
        if not out:
            raise SystemExit(f"tls_load ended with {process.returncode}: {err}")
        with open(self.folder / "tls_load.out", "a") as file:
            file.write(f"{name} {' '.join(options)}: {out}{err}")
        result = {word: float(number) for word, number in (pair.split("=") for pair in out.split())}
        result["cpu"] = run.cpu_seconds(self.pids[name]) - before
        if not result["ok"]:
            result["failed"] += 1                               # nothing answered is no success
        return result

    def measured(self, ways):
        return [name for name in ways if name in self.pids]

    def compare(self, title, ways, targets, *options, seconds=1):
        """`ways`: names of proxies, Sluice's first; `targets`: by name, how much of its CPU at most; `seconds`: in units of the bench's."""
        names = self.measured(ways)
        samples = {name: [] for name in names}
        for name in names:
            self.load(name, 1, *options)                        # warm: the leaf made, pools filled
        for _ in range(self.bench.rounds):
            for name in names:
                got = self.load(name, seconds * self.bench.seconds, *options)
                samples[name].append((got["cpu"] / max(got["ok"], 1) * 1e6, got["ok"] / got["seconds"], got["p50_us"], got["p99_us"],
                                      100 * got["resumed"] / got["opened"], got["failed"]))
        median = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in samples.items()}
        failed = {name: sum(row[5] for row in rows) for name, rows in samples.items()}
        run.say(f"\n{title}  (medians of {self.bench.rounds} rounds)")
        run.say(f"{'':14}{'CPU µs/req':>12}{'req/s':>11}{'p50 µs':>10}{'p99 µs':>10}{'resumed':>9}{'failed':>8}{'Sluice/it':>11}{'target':>8}")
        own = ways[0]
        for name in names:
            cpu, rate, p50, p99, resumed, _ = median[name]
            ratio = f"{median[own][0] / cpu if cpu else float('inf'):11.2f}" if own in median else f"{'':11}"
            target = targets.get(name)
            mark = "" if target is None else f"{target:8.2f}"
            if mark and own in median:
                mark += "  INVALID" if failed[name] or failed[own] else "  met" if median[own][0] <= target * cpu else "  MISSED"
            run.say(f"{name:14}{cpu:12.2f}{rate:11.0f}{p50:10.0f}{p99:10.0f}{resumed:8.0f}%{failed[name]:8.0f}{ratio}{mark}")
        for name in names:
            if failed[name]:
                self.bench.failure(f"{failed[name]:.0f} requests to {name} failed: its numbers above say nothing; why is in {self.folder / 'tls_load.out'}")

    def first_sight(self):
        """Connections one after another: to a name never asked for, then to the same once more. The origin resumes nothing here, so what differs is the leaf."""
        names = self.measured(["sluice", "squid", "squid_peek"])
        samples = {name: [] for name in names}
        for number in range(self.bench.rounds + 1):
            for name in names:
                got = self.load(name, 60, "--mode", "names", "--first", str(1 + number * self.names_a_round), "--count", str(self.names_a_round),
                                "--path", "/1k", port="origin_anew")
                if got["ok"] + got["failed"] < 2 * self.names_a_round:
                    got["failed"] += 1                          # not all were asked for in time
                if number:                                      # the first round is to warm
                    samples[name].append((got["handshake_p50_us"], got["handshake_p99_us"], got["again_p50_us"], got["again_p99_us"],
                                          (got["handshake_p50_us"] - got["again_p50_us"]) / 1000, got["failed"]))
        run.say(f"\nfirst sight of a name: from connect to the end of the handshake, {self.names_a_round} names, one at a time  (medians of {self.bench.rounds} rounds)")
        run.say(f"{'':14}{'first p50':>11}{'p99 µs':>10}{'again p50':>11}{'p99 µs':>10}{'failed':>8}{'added p50':>13}   target: at most 0.30 ms")
        for name, rows in samples.items():
            first50, first99, again50, again99, added, _ = [statistics.median(column) for column in zip(*rows)]
            failed = sum(row[5] for row in rows)
            mark = "" if name != "sluice" else "  INVALID" if failed else "  met" if added <= 0.3 else "  MISSED"
            run.say(f"{name:14}{first50:11.0f}{first99:10.0f}{again50:11.0f}{again99:10.0f}{failed:8.0f}{added:10.2f} ms{mark}")
            if failed:
                self.bench.failure(f"{failed:.0f} handshakes with {name} failed; why is in {self.folder / 'tls_load.out'}")

    def run(self):
        self.set_up()
        self.check_answers()
        interceptors = ["sluice", "squid", "squid_peek", "mitmproxy"]
        self.compare("new intercepted connection each, 1 KiB, 32 at a time, the client offers its last session", interceptors, {"squid": 0.6, "squid_peek": 0.6, "mitmproxy": 0.07},
                     "--mode", "new", "--resume", "--connections", "32", "--path", "/1k")
        self.compare("the same, full handshakes", interceptors, {}, "--mode", "new", "--connections", "32", "--path", "/1k")
        self.compare("intercepted, 1 KiB, keep-alive, 32 connections", interceptors, {"squid": 0.3, "squid_peek": 0.3, "mitmproxy": 0.02},
                     "--mode", "keep", "--connections", "32", "--path", "/1k")
        self.compare("intercepted, 1 MiB, keep-alive, 8 connections", interceptors, {"squid": 0.5, "squid_peek": 0.5}, "--mode", "keep", "--connections", "8", "--path", "/1m")
        self.compare("tunnel, 1 MiB over TLS end to end, a new one each, 8 at a time (CONNECT; HAProxy in TCP mode)", ["sluice_tunnel", "haproxy"], {"haproxy": 0.8},
                     "--mode", "new", "--resume", "--connections", "8", "--path", "/1m", seconds=2)
        self.first_sight()


def main(bench):
    Interception(bench, not bench.options.without_sluice).run()
