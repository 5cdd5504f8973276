# SPDX-License-Identifier: Apache-2.0
"""What FTP through Sluice costs, beside ProFTPD's mod_proxy and a direct connection.  scripts/bench --only ftp

One vsftpd for all. Nobody has a core for himself: without a proxy the server and the client have two, and whoever adds a third has to share. curl fetches, and throws away what it gets. `direct` is the time without a
proxy; `copying` is Sluice where bytes have to come up to it but nobody looks into them (engines = ["hash"] without a list), which is what inspection is compared with."""
import ftplib
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import time

import inspection
import run

UNPACKED = pathlib.Path("/usr/local/lib/sluice-test")       # by scripts/setup: the packages conflict with one another
GIB = 1024 * run.MIB
SESSIONS = 1000
BOTH_CORES = f"{run.PROXY_CORE},{run.LOAD_CORE}"

VSFTPD = """listen=YES
listen_address=127.0.0.1
listen_port={origin}
background=NO
anonymous_enable=YES
no_anon_password=YES
anon_root={folder}/ftp
secure_chroot_dir={folder}/empty
ftp_username=games
local_enable=NO
write_enable=NO
pasv_min_port={first}
pasv_max_port={last}
seccomp_sandbox=NO
xferlog_enable=NO
max_clients=4000
max_per_ip=4000
use_sendfile=YES
run_as_launching_user={launching}
"""

PROFTPD = """ServerType standalone
ServerName "bench"
DefaultAddress 127.0.0.1
Port {mod_proxy}
ModulePath {modules}
LoadModule mod_tls.c
LoadModule mod_proxy.c
User {user}
Group {group}
MaxInstances 4000
UseReverseDNS off
UseIPv6 off
TransferLog none
WtmpLog off
PidFile {folder}/proftpd.pid
ScoreboardFile none
DelayEngine off
AuthOrder mod_auth_file.c
ProxyEngine on
ProxyTables {folder}/proxy-tables
ProxyRole reverse
ProxyReverseServers ftp://127.0.0.1:{origin}
ProxyDataTransferPolicy PASV
"""

SLUICE = """workers = 1
state_dir = "{folder}/{name}/state"
[http]
listen = []
[ftp]
listen = ["127.0.0.1:{port}"]
upstream = "127.0.0.1:{origin}"
passive_ports = "{first}-{last}"
sessions_per_client = 4000
[admin]
listen = []
[log]
events = "{folder}/{name}/events.json"
[limits]
connections_per_client = 4000
[inspect]
{inspect}
"""

WAYS = {
    "plain": "engines = []",
    "copying": 'engines = ["hash"]\ndeliver = "stream"',
    "signatures": 'engines = ["hash", "signatures"]\nsignatures = ["{folder}/signatures.toml"]\ndeliver = "stream"',
}


class Transfers:
    def __init__(self, bench):
        self.bench = bench
        self.folder = bench.folder
        self.ports = run.free_ports(["origin", "mod_proxy", *WAYS], 18400)
        self.pids = {}

    def start(self, name, command, core):
        self.pids[name] = self.bench.start(f"ftp-{name}", command, core, self.ports[name]).pid

    def set_up(self):
        files = self.folder / "ftp"
        files.mkdir()
        (self.folder / "empty").mkdir()
        (self.folder / "signatures.toml").write_text(inspection.signatures(5000))
        (files / "1k").write_bytes(os.urandom(1024))
        with open(files / "1g", "wb") as file:
            block = os.urandom(run.MIB)
            for _ in range(GIB // run.MIB):
                file.write(block)
        config = self.folder / "vsftpd.conf"
        config.write_text(VSFTPD.format(folder=self.folder, first=22000, last=25999, launching="NO" if os.geteuid() == 0 else "YES", **self.ports))
        config.chmod(0o600)
        self.start("origin", [UNPACKED / "vsftpd/usr/sbin/vsftpd", config], BOTH_CORES)
        first = 26000
        for name, inspect in WAYS.items():
            (self.folder / name / "state").mkdir(parents=True)
            config = self.folder / name / "sluice.toml"
            config.write_text(SLUICE.format(folder=self.folder, name=name, port=self.ports[name], origin=self.ports["origin"], first=first, last=first + 1999,
                                            inspect=inspect.format(folder=self.folder)))
            first += 2000
            self.start(name, [run.BUILD / "sluice", "run", "-c", config], BOTH_CORES)
        self.start_mod_proxy()

    def start_mod_proxy(self):
        tables = self.folder / "proxy-tables"
        tables.mkdir(mode=0o700)
        modules = self.folder / "modules"
        modules.mkdir()
        for module in (*UNPACKED.glob("proftpd-core/usr/lib/proftpd/*.so"), *UNPACKED.glob("proftpd-mod-*/usr/lib/proftpd/*.so")):
            (modules / module.name).symlink_to(module)
        config = self.folder / "proftpd.conf"
        root = os.geteuid() == 0
        config.write_text(PROFTPD.format(folder=self.folder, modules=modules, user="nobody" if root else os.environ.get("USER", "nobody"), group="nogroup", **self.ports))
        if root:
            shutil.chown(tables, "nobody", "nogroup")
        self.start("mod_proxy", [UNPACKED / "proftpd-core/usr/sbin/proftpd", "-n", "-q", "-c", config], BOTH_CORES)

    def fetch(self, name, path, seconds=120):
        """(time, CPU of the proxy) of one file by curl, which must get all of it."""
        before = run.cpu_seconds(self.pids[name])
        done = subprocess.run(["taskset", "-c", BOTH_CORES, "curl", "-sS", "--max-time", str(seconds), "--disable-epsv", "-o", "/dev/null",
                               "-w", "%{size_download} %{time_total}", f"ftp://127.0.0.1:{self.ports[name]}/{path}"], capture_output=True, text=True)
        size, elapsed = done.stdout.split()
        if done.returncode or int(size) != (self.folder / "ftp" / path).stat().st_size:
            self.bench.failure(f"{name} gave {size} bytes of {path}: {done.stderr.strip()}")
        return float(elapsed), run.cpu_seconds(self.pids[name]) - before

    def large(self):
        names = ["origin", *WAYS, "mod_proxy"]
        rows = {name: [] for name in names}
        for number in range(self.bench.rounds + 1):
            for name in names:
                got = self.fetch(name, "1g")
                if number:                                          # the first round is to warm
                    rows[name].append(got)
        median = {name: [statistics.median(column) for column in zip(*samples)] for name, samples in rows.items()}
        direct = median["origin"][0]
        run.say(f"\nRETR of 1 GiB by curl  (medians of {self.bench.rounds} rounds)")
        run.say(f"{'':14}{'seconds':>10}{'/ direct':>10}{'CPU ms':>10}")
        for name, (elapsed, cpu) in median.items():
            run.say(f"{'direct' if name == 'origin' else name:14}{elapsed:10.3f}{elapsed / direct:10.2f}{cpu * 1000:10.0f}")
        self.judge("uninspected, its time by the direct time", median["plain"][0] / direct, 1.4)
        self.judge("uninspected, its CPU by mod_proxy's", median["plain"][1] / median["mod_proxy"][1], 0.7)
        self.judge("5,000 signatures, its CPU by its own copying path", median["signatures"][1] / median["copying"][1], 2.6)

    @staticmethod
    def judge(what, value, target, unit=""):
        run.say(f"{what}: {value:.2f}{unit}  (target {target}{unit})  {'met' if value <= target else 'MISSED'}")

    def first_byte(self, name):
        """From connect over login to the first byte of a small file, in ms."""
        begun = time.monotonic()
        with ftplib.FTP() as ftp:
            ftp.connect("127.0.0.1", self.ports[name], 10)
            ftp.login()
            with ftp.transfercmd("RETR 1k") as data:
                data.recv(1)
                return (time.monotonic() - begun) * 1000

    def logins(self):
        names = ["origin", "plain", "signatures", "mod_proxy"]
        count = 20 if self.bench.options.quick else 200
        samples = {name: [] for name in names}
        for number in range(count + 10):
            for name in names:
                got = self.first_byte(name)
                if number >= 10:
                    samples[name].append(got)
        run.say(f"\nlogin to the first byte of 1 KiB, {count} each in turn, ms")
        for name, values in samples.items():
            run.say(f"{'direct' if name == 'origin' else name:14}p50 {statistics.median(values):7.2f}   p99 {sorted(values)[int(len(values) * 0.99) - 1]:7.2f}")
        self.judge("added at p50, with signatures", statistics.median(samples["signatures"]) - statistics.median(samples["origin"]), 2, " ms")

    def idle(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8000), hard))
        for _ in range(20):
            self.first_byte("signatures")
        before = run.rss(self.pids["signatures"])
        sessions = []
        for _ in range(SESSIONS):
            ftp = ftplib.FTP()
            ftp.connect("127.0.0.1", self.ports["signatures"], 10)
            ftp.login()
            sessions.append(ftp)
        time.sleep(3)                                               # an idle session gives its buffers back after a moment
        added = run.rss(self.pids["signatures"]) - before
        for ftp in sessions:
            ftp.close()
        self.judge(f"\n{SESSIONS} idle sessions add RSS", added / 1e6, 32, " MB")

    def run(self):
        self.set_up()
        for name in self.pids:
            if name != "origin":
                self.fetch(name, "1k")
        self.large()
        self.logins()
        self.idle()


def main(bench):
    Transfers(bench).run()
