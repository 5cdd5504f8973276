# SPDX-License-Identifier: Apache-2.0
"""What SMTP through Sluice costs, beside HAProxy in TCP mode, Postfix before a filter (smtpd_proxy_filter) and clamsmtp.  scripts/bench --only smtp

Postfix's smtp-source sends, 50 sessions at a time, to one smtp-sink a way, which counts. As with FTP nobody has a core for himself: without a proxy (`direct`) source and sink have two, and whoever adds a third has to share.
CPU is of all of a proxy's processes; clamsmtp's includes clamd, and its time is mostly that of connections asked for again, for five may wait for it. A message failed when the sender was refused or the sink has not got it exactly once."""
import getpass
import os
import pathlib
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import inspection
import mail_delay
import run

UNPACKED = pathlib.Path("/usr/local/lib/sluice-test")       # by scripts/setup: the packages conflict with one another
POSTFIX = UNPACKED / "postfix"
OF_POSTFIX = {**os.environ, "LD_LIBRARY_PATH": f"{POSTFIX}/usr/lib/postfix"}
SESSIONS = 50
OCTETS = 5120
BOTH_CORES = mail_delay.BOTH_CORES
MOST = 20_000                                               # messages in one measurement
IDLE = 1000
TITLES = {"direct": "direct", "haproxy": "HAProxy, TCP mode", "postfix": "Postfix, before a filter", "clamsmtp": "clamsmtp and clamd",
          "plain": "Sluice, uninspected", "signatures": "Sluice, signatures", "default": "Sluice, as it comes"}
SLUICE = {
    "plain": "engines = []",
    "signatures": 'engines = ["hash", "signatures"]\nsignatures = ["{folder}/signatures.toml"]',
    "default": "",
}


class Mail:
    def __init__(self, bench):
        self.bench = bench
        self.folder = bench.folder
        self.first_port = 18500
        self.sinks = {}                                     # ports
        self.ports = {}
        self.pids = {}                                      # way: the processes that are its proxy
        self.clamd_socket = pathlib.Path(tempfile.mkdtemp(prefix="sluice-bench-")) / "clamd"      # a local socket's path is short

    def free_port(self):
        port = run.free_ports(["any"], self.first_port)["any"]
        self.first_port = port + 1
        return port

    def configured(self, template, path, **values):
        path.write_text((run.PEERS / template).read_text().format(folder=self.folder, **values))
        return path

    def start_sink(self, name):
        self.sinks[name] = port = self.free_port()
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        self.bench.start(f"smtp-sink-{name}", [POSTFIX / "usr/sbin/smtp-sink", "-c", "-m", 4000, *user, f"127.0.0.1:{port}", 1000], BOTH_CORES, port, env=OF_POSTFIX)
        return port

    def set_up(self):
        (self.folder / "signatures.toml").write_text(inspection.signatures(5000))
        self.large_sink = self.free_port()
        mail_delay.start_sink(self.bench, self.large_sink)
        self.ports["direct"] = self.start_sink("direct")
        self.pids["direct"] = []
        self.large = {"direct": self.large_sink}
        self.start_haproxy()
        self.start_postfix()
        self.start_clamsmtp()
        for name, inspect in SLUICE.items():
            if not self.start_sluice(name, self.start_sink(name), inspect):
                break

    def start_haproxy(self):
        port, self.large["haproxy"] = self.free_port(), self.free_port()
        config = self.configured("haproxy_smtp.cfg", self.folder / "haproxy_smtp.cfg", port=port, sink=self.start_sink("haproxy"), large=self.large["haproxy"],
                                 large_sink=self.large_sink)
        process = self.bench.start("smtp-haproxy", [shutil.which("haproxy") or "/usr/sbin/haproxy", "-db", "-q", "-f", config], BOTH_CORES, port)
        self.ports["haproxy"], self.pids["haproxy"] = port, [process.pid]

    def start_postfix(self):
        if os.geteuid():
            return run.say("Postfix before a filter: skipped, its master runs as root only")
        folder = self.folder / "postfix"
        for path in ("etc", "data", "queue/pid", "queue/private", "queue/public"):
            (folder / path).mkdir(parents=True)
        for path in ("data", "queue/private", "queue/public"):
            shutil.chown(folder / path, "news")
        port, self.large["postfix"] = self.free_port(), self.free_port()
        self.configured("postfix_main.cf", folder / "etc/main.cf", unpacked=POSTFIX)
        self.configured("postfix_master.cf", folder / "etc/master.cf", port=port, sink=self.start_sink("postfix"), large=self.large["postfix"], large_sink=self.large_sink)
        # Its master ends by a signal to its process group: a group of its own, therefore.
        process = self.bench.start("smtp-postfix", [POSTFIX / "usr/lib/postfix/sbin/master", "-d", "-c", folder / "etc"], BOTH_CORES, port, env=OF_POSTFIX,
                                   start_new_session=True)
        self.ports["postfix"], self.pids["postfix"] = port, [process.pid]

    def start_clamsmtp(self):
        """With clamd, whose database is one signature: what is compared is the way of a message, not a million signatures."""
        (self.folder / "clamd/db").mkdir(parents=True)
        (self.folder / "clamd/db/own.ndb").write_text(f"Own.Test:0:*:{b'clamd looks for this'.hex()}\n")
        (self.folder / "clamsmtp").mkdir()
        listens = self.free_port()
        database = self.configured("clamd.conf", self.folder / "clamd/clamd.conf", socket=self.clamd_socket, port=listens, user=getpass.getuser())
        scanner = self.bench.start("smtp-clamd", [shutil.which("clamd") or "/usr/sbin/clamd", "-c", database], BOTH_CORES, listens)
        pids = []
        for name, sink in (("clamsmtp", self.start_sink("clamsmtp")), ("large", self.large_sink)):
            port = self.free_port()
            config = self.configured("clamsmtpd.conf", self.folder / f"clamsmtp/{name}.conf", name=name, port=port, sink=sink, clamd=self.clamd_socket)
            pids.append(self.bench.start(f"smtp-clamsmtp-{name}", [UNPACKED / "clamsmtp/usr/sbin/clamsmtpd", "-d", "1", "-f", config], BOTH_CORES, port).pid)
            (self.ports if name == "clamsmtp" else self.large)["clamsmtp"] = port
        self.pids["clamsmtp"] = [pids[0], scanner.pid]

    def start_sluice(self, name, sink, inspect):
        """False where there is no Sluice that speaks SMTP."""
        if self.bench.options.without_sluice:
            return False
        (self.folder / name / "state").mkdir(parents=True)
        port = self.free_port()
        config = self.configured("sluice_smtp.toml", self.folder / name / "sluice.toml", name=name, port=port, sink=sink, inspect=inspect.format(folder=self.folder))
        if name == "plain" and not self.speaks_smtp(config):
            return False
        process = self.bench.start(f"smtp-{name}", [run.BUILD / "sluice", "run", "-c", config], BOTH_CORES, port)
        self.ports[name], self.pids[name] = port, [process.pid]
        return True

    def speaks_smtp(self, config):
        """Whether `sluice check` takes it; that this version has no SMTP is said, any other refusal is a failure."""
        done = subprocess.run([run.BUILD / "sluice", "check", "-c", config], capture_output=True, text=True)
        said = (done.stdout + done.stderr).strip()
        if done.returncode and "does not speak SMTP" in said:
            run.say("Sluice: skipped, for this version does not speak SMTP")
        elif done.returncode:
            self.bench.failure(f"sluice check refuses {config}: {said}")
        return done.returncode == 0

    # Measuring.

    def cpu(self, name):
        """Of all processes that are the proxy. Postfix's log writer is not among them: it would be the system's in an ordinary installation."""
        total = sum(map(run.cpu_seconds, self.pids[name]))
        if name == "postfix":
            for pid in run.processes_of(self.pids[name][0]):
                if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "postlogd":
                    total -= run.cpu_seconds(pid)
        return total

    def received(self, name):
        """How many messages the way's sink has got since it started."""
        with open(self.folder / f"smtp-sink-{name}.out", "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(file.tell() - 300, 0))
            counted = re.findall(rb"mesg=(\d+)\s", file.read())
        return int(counted[-1]) if counted else 0

    def send(self, name, count, keep):
        """(seconds, CPU seconds of the proxy, failures) of `count` messages; `keep`: over 50 connections that stay, else each over one of its own."""
        received, cpu = self.received(name), self.cpu(name)
        begun = time.monotonic()
        done = subprocess.run(["taskset", "-c", BOTH_CORES, POSTFIX / "usr/sbin/smtp-source", *(["-d"] if keep else []), "-s", str(SESSIONS), "-l", str(OCTETS),
                               "-m", str(count), "-M", "client.bench.example", "-f", "from@bench.example", "-t", "to@bench.example",
                               f"inet:127.0.0.1:{self.ports[name]}"], env=OF_POSTFIX, capture_output=True, text=True)
        elapsed = time.monotonic() - begun
        end = time.monotonic() + 2
        while (got := self.received(name) - received) != count and time.monotonic() < end:
            time.sleep(0.02)
        failures = max(abs(count - got), 1 if done.returncode else 0)
        if failures:
            run.say(f"{TITLES[name]}: {got} of {count} messages arrived; {(done.stderr.strip().splitlines() or ['the sender saw nothing wrong'])[-1]}")
        return elapsed, self.cpu(name) - cpu, failures

    def compare(self, title, keep):
        """Medians of each way, measured in turn, as {way: (µs a message, µs of CPU a message, failures)}."""
        counts = {}
        for name in self.ports:
            probe = 2 * SESSIONS
            elapsed, _, _ = self.send(name, probe, keep)
            counts[name] = min(MOST, max(probe, int(self.bench.seconds * probe / elapsed)))
        rows = {name: [] for name in self.ports}
        for _ in range(self.bench.rounds):
            for name, count in counts.items():
                elapsed, cpu, failures = self.send(name, count, keep)
                rows[name].append((elapsed / count * 1e6, cpu / count * 1e6, failures))
        median = {name: [statistics.median(column) for column in zip(*samples)][:2] + [sum(row[2] for row in samples)] for name, samples in rows.items()}
        run.say(f"\n{OCTETS} octets a message, {SESSIONS} sessions, {title}  (medians of {self.bench.rounds} rounds)")
        run.say(f"{'':26}{'messages':>9}{'µs each':>10}{'CPU µs':>9}{'failed':>8}{'/ HAProxy':>11}{'CPU / Postfix':>15}")
        for name, (elapsed, cpu, failed) in median.items():
            beside = f"{elapsed / median['haproxy'][0]:11.2f}"
            if "postfix" in median and name != "direct" and median["postfix"][1]:
                beside += f"{cpu / median['postfix'][1]:15.2f}"
            run.say(f"{TITLES[name]:26}{counts[name]:9}{elapsed:10.0f}{cpu:9.0f}{failed:8.0f}{beside}")
            if failed:
                self.bench.failure(f"{failed} messages of {TITLES[name]} failed: its numbers above say nothing")
        return median

    def targets(self, median):
        def judge(what, one, other, column, target):
            if one in median and other in median:
                ratio = median[one][column] / median[other][column] if median[other][column] else float("inf")
                invalid = median[one][2] or median[other][2]
                run.say(f"{what}: {ratio:.2f}  (target {target})  {'INVALID' if invalid else 'met' if ratio <= target else 'MISSED'}")
        judge("uninspected, its time a message by HAProxy's", "plain", "haproxy", 0, 1.5)
        judge("uninspected, its CPU a message by Postfix's", "plain", "postfix", 1, 0.3)
        judge("5,000 signatures, its CPU a message by Postfix's", "signatures", "postfix", 1, 0.3)
        judge("5,000 signatures, its time a message by uninspected", "signatures", "plain", 0, 1.3)
        judge("5,000 signatures, its CPU a message by uninspected", "signatures", "plain", 1, 1.3)

    def session(self):
        """A session that has said EHLO, and been answered."""
        connection = socket.create_connection(("127.0.0.1", self.ports["signatures"]), 10)
        answer = connection.recv(4096)
        connection.sendall(b"EHLO client.bench.example\r\n")
        answer = b""
        while not re.search(rb"^250 .*\r\n\Z", answer, re.MULTILINE):
            more = connection.recv(4096)
            if not more:
                sys.exit(f"EHLO was answered {answer!r}, and no more came")
            answer += more
        return connection

    def idle(self):
        if "signatures" not in self.ports:
            return
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8000), hard))
        for _ in range(20):
            self.session().close()
        time.sleep(1)
        before = run.rss(self.pids["signatures"][0])
        sessions = [self.session() for _ in range(IDLE)]
        time.sleep(3)                                       # an idle session gives its buffers back after a moment
        added = (run.rss(self.pids["signatures"][0]) - before) / 1e6
        for connection in sessions:
            connection.close()
        run.say(f"\n{IDLE} idle sessions, each with one upstream, add RSS: {added:.1f} MB  (target 32 MB, as FTP's)  {'met' if added <= 32 else 'MISSED'}")

    def run(self):
        try:
            self.set_up()
            self.targets(self.compare("a new connection each", keep=False))
            self.compare("each over a connection that stays", keep=True)
            self.idle()
            mail_delay.measure(self)
        finally:
            shutil.rmtree(self.clamd_socket.parent, ignore_errors=True)


def main(bench):
    Mail(bench).run()
