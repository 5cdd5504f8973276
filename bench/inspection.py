# SPDX-License-Identifier: Apache-2.0
"""What inspection costs: Sluice with it beside Sluice without it, and HAProxy's plain forwarding.  scripts/bench --only inspect

Each way is an instance of its own on the first core; they are measured in turn. CPU is of all of Sluice's processes, scanners included."""
import os
import pathlib
import random
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
import zipfile

import run

sys.path.insert(0, str(run.ROOT / "tests/system"))
import cicap                                                # noqa: E402  Debian's c-icap and clamd, as the tests start them
import clamd                                                # noqa: E402

CORPUS = pathlib.Path(os.environ.get("SLUICE_CORPORA") or run.ROOT.parent / "shared/corpora") / "yara"

NOTHING = "engines = []"


def signatures(count, seed=3):
    """A signature file: hexadecimal strings of 12 to 40 bytes, some with gaps, and a tenth of regular expressions."""
    random_ = random.Random(seed)
    out = []
    for number in range(count):
        out += ["[[signature]]", f'name = "Bench.{number}"']
        if number % 10 == 0:
            word = "".join(random_.choices("abcdefghijklmnopqrstuvwxyz", k=10))
            out.append(f"regex = '{word}[0-9]{{1,4}}{word[::-1]}'")
        else:
            pairs = ["%02x" % random_.randrange(256) for _ in range(random_.randint(12, 40))]
            if number % 3 == 0:
                pairs[random_.randrange(6, len(pairs))] = "??"
            out.append(f'hex = "{" ".join(pairs)}"')
    return "\n".join(out) + "\n"


class Inspection:
    def __init__(self, bench):
        self.bench = bench
        self.folder = bench.folder
        self.port = 18200
        self.ports = {}
        self.pids = {}

    def free_port(self, name):
        port = run.free_ports([name], self.port)[name]
        self.port = port + 1
        self.ports[name] = port
        return port

    def sluice(self, name, inspect, rest=""):
        folder = self.folder / name
        (folder / "state").mkdir(parents=True)
        port = self.free_port(name)
        (folder / "sluice.toml").write_text(f"""workers = 1
state_dir = "{folder}/state"
{rest}
[http]
listen = ["127.0.0.1:{port}"]
[ftp]
listen = []
[admin]
listen = []
[log]
events = "{folder}/events.json"
[limits]
connections_per_client = 20000
[inspect]
scanners = 1
{inspect}
""")
        begun = time.monotonic()
        process = self.bench.start(name, [run.BUILD / "sluice", "run", "-c", folder / "sluice.toml"], run.PROXY_CORE, port)
        self.pids[name] = process.pid
        return time.monotonic() - begun

    def set_up(self):
        origin = self.free_port("objects")
        self.bench.start("objects", [run.BUILD / "bench/load/object_origin", origin, run.BUILD / "sluice"], run.LOAD_CORE, origin)
        file = self.folder / "signatures.toml"
        file.write_text(signatures(5000))
        self.sluice("plain", NOTHING)
        self.sluice("default", "")
        took = self.sluice("signatures", f'engines = ["hash", "signatures"]\nsignatures = ["{file}"]')
        run.say(f"Sluice starts with 5,000 signatures in {took:.1f} s")
        self.sluice("held", f'engines = ["hash", "signatures"]\nsignatures = ["{file}"]\ndeliver = "hold"')
        haproxy = self.free_port("forwarding")
        config = self.folder / "forwarding.cfg"
        config.write_text((run.PEERS / "haproxy.cfg").read_text().format(folder=self.folder, **{
            **run.PORTS, "haproxy": haproxy, "origin": origin, "haproxy_paced": self.free_port("f2"), "haproxy_tunnel": self.free_port("f3")}))
        process = self.bench.start("forwarding", [shutil.which("haproxy") or "/usr/sbin/haproxy", "-db", "-q", "-f", config], run.PROXY_CORE, haproxy)
        self.pids["forwarding"] = process.pid

    def load(self, name, path, connections, seconds):
        forward = name != "forwarding"
        target = (f"http://127.0.0.1:{self.ports['objects']}" if forward else "") + path
        return self.bench.wrk_at(self.ports[name], target, connections, False, seconds)

    def cpu(self, name):
        pids = self.pids[name]
        return sum(map(run.cpu_seconds, pids if isinstance(pids, list) else [pids]))

    def compare(self, title, ways, path, connections, targets):
        """`ways`: names of instances, the first one measured against the others; `targets`: by name, how much of its CPU at most."""
        samples = {name: [] for name in ways}
        paths = {name: path[name] if isinstance(path, dict) else path for name in ways}
        for name in ways:
            self.load(name, paths[name], connections, 1)
        for _ in range(self.bench.rounds):
            for name in ways:
                before = self.cpu(name)
                requests, seconds, p50, p99, failures = self.load(name, paths[name], connections, self.bench.seconds)
                cpu = self.cpu(name) - before
                samples[name].append((cpu / max(requests - failures, 1) * 1e6, requests / seconds, p50, p99, failures))
        median = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in samples.items()}
        failed = {name: sum(row[4] for row in rows) for name, rows in samples.items()}
        run.say(f"\n{title}  (medians of {self.bench.rounds} rounds)")
        run.say(f"{'':14}{'CPU µs/req':>12}{'req/s':>11}{'p50 µs':>10}{'p99 µs':>10}{'failed':>8}{'first/it':>11}{'target':>8}")
        for name in ways:
            cpu, rate, p50, p99, _ = median[name]
            ratio = median[ways[0]][0] / cpu if cpu else float("inf")
            target = targets.get(name)
            mark = "" if target is None else f"{target:8.2f}" + ("  INVALID" if failed[name] or failed[ways[0]] else "  met" if ratio <= target else "  MISSED")
            run.say(f"{name:14}{cpu:12.2f}{rate:11.0f}{p50:10.0f}{p99:10.0f}{failed[name]:8.0f}{ratio:11.2f}{mark}")
        for name in ways:
            if failed[name]:
                self.bench.failure(f"{failed[name]} requests to {name} failed")
        return {name: median[name][0] for name in ways}

    def run(self):
        self.set_up()
        mib = run.MIB
        self.compare("1 MiB clean, 5,000 signatures, new each time, as it flows", ["signatures", "plain", "forwarding"], f"/fresh/{mib}", 8,
                     {"plain": 2.6, "forwarding": 1.7})
        self.compare("1 MiB clean, 5,000 signatures and keyed hash, new each time, held", ["held", "plain", "forwarding"], f"/fresh/{mib}", 8,
                     {"plain": 2.6, "forwarding": 1.7})
        self.compare("the same 1 MiB again, held", ["held", "plain", "forwarding"], f"/same/{mib}", 8, {"plain": 1.4, "forwarding": 1.0})
        self.compare("1 KiB JSON, default configuration, keep-alive", ["default", "plain"], "/same/json/1024", 32, {"plain": 1.3})
        self.latency()
        self.events()
        self.yara()
        self.squid()


    def yara(self):
        """A program of 10 MiB: this build's own, over and over, with some bytes that differ."""
        rules = sorted(CORPUS.glob("*.yar"))
        if not rules:
            return run.say(f"\n10 MiB program through YARA: skipped, there is no corpus at {CORPUS}")
        names = ", ".join(f'"{rule}"' for rule in rules)
        took = self.sluice("yara", f'engines = ["yara"]\nyara = [{names}]')
        run.say(f"\nSluice starts with the YARA corpus in {took:.1f} s")
        size = 10 * run.MIB
        sample = self.folder / "program"
        with open(sample, "wb") as file:
            subprocess.run(["curl", "-s", f"http://127.0.0.1:{self.ports['objects']}/same/file/{size}"], stdout=file, check=True)
        rounds = "5" if self.bench.options.quick else "15"
        alone = float(subprocess.run(["taskset", "-c", run.PROXY_CORE, run.BUILD / "bench/load/yara_time", rounds, sample, *rules],
                                     capture_output=True, text=True, check=True).stdout) * 1000
        cost = self.compare("10 MiB program through YARA, first time", ["yara", "plain"], f"/fresh/file/{size}", 2, {})
        ratio = cost["yara"] / alone
        run.say(f"libyara alone, the same bytes: {alone:.0f} µs; all of Sluice / it: {ratio:.3f}  (target 1.15)  {'met' if ratio <= 1.15 else 'MISSED'}")
        self.compare("10 MiB program through YARA, again", ["yara", "plain"], f"/same/file/{size}", 2, {"plain": 1.5})

    def first_bytes(self, name, path, count):
        """Microseconds from a request to the first byte of its answer, over one connection."""
        out = []
        os.sched_setaffinity(0, {int(run.LOAD_CORE)})
        with socket.create_connection(("127.0.0.1", self.ports[name])) as connection:
            connection.settimeout(30)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            request = f"GET http://127.0.0.1:{self.ports['objects']}{path} HTTP/1.1\r\nHost: 127.0.0.1:{self.ports['objects']}\r\n\r\n".encode()
            for _ in range(count):
                time.sleep(0.002)
                begun = time.perf_counter_ns()
                connection.sendall(request)
                answer = connection.recv(65536)
                out.append((time.perf_counter_ns() - begun) / 1000)
                head, _, body = answer.partition(b"\r\n\r\n")
                assert b" 200 " in head, head
                left = int(head.lower().split(b"content-length:")[1].split()[0]) - len(body)
                while left > 0:
                    left -= len(connection.recv(262144))
        return out

    def pages(self, ways):
        """(p50, p99) of each, measured in turn, a few at a time."""
        count = 40 if self.bench.options.quick else 150
        samples = {name: [] for name in ways}
        for name in ways:
            self.first_bytes(name, "/fresh/html/102400", 20)
        for _ in range(self.bench.rounds * 2):
            for name in ways:
                samples[name] += self.first_bytes(name, "/fresh/html/102400", count)
        return {name: (statistics.median(each), statistics.quantiles(each, n=100)[98]) for name, each in samples.items()}

    def slow_archive(self):
        """A zip (LZMA) of the same noise again and again, which takes a scanner half a second; its comment is where the origin writes what differs."""
        path = self.folder / "slow.zip"
        noise = random.Random(5).randbytes(200_000)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
            archive.writestr("noise.bin", noise * 200)
            archive.comment = b"-" * 64
        return path

    def latency(self):
        times = self.pages(["default", "plain"])
        (p50, p99), (plain50, plain99) = times["default"], times["plain"]
        added = (p50 - plain50) / 1000
        run.say(f"\nfirst byte of a 100 KiB page, default configuration: p50 {p50:.0f} µs, p99 {p99:.0f} µs; uninspected {plain50:.0f} µs, {plain99:.0f} µs")
        run.say(f"added at p50: {added:.2f} ms  (target 0.30)  {'met' if added <= 0.3 else 'MISSED'}")
        rules = sorted(CORPUS.glob("*.yar"))
        names = ", ".join(f'"{rule}"' for rule in rules)
        self.sluice("busy", f"yara = [{names}]" if rules else "")
        quiet = self.pages(["busy"])["busy"]
        # Small to fetch and slow to scan, more of them than there are scanners, from an origin of their own.
        slow = self.slow_archive()
        origin = self.free_port("slow")
        self.bench.start("slow", [run.BUILD / "bench/load/object_origin", origin, slow], run.LOAD_CORE, origin)
        load = subprocess.Popen(["taskset", "-c", run.LOAD_CORE, "wrk", "-t", "1", "-c", "2", "-d", "600s", "--timeout", "60s", "-s", run.ROOT / "bench/forward.lua",
                                 f"http://127.0.0.1:{self.ports['busy']}", "--", f"http://127.0.0.1:{origin}/fresh/file/{slow.stat().st_size}", "keep"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            time.sleep(2)                                    # until each has an object in hand
            before = self.cpu("busy")
            loaded = self.pages(["busy"])["busy"]
            if self.cpu("busy") == before:
                self.bench.failure("the scanners were not busy")
        finally:
            load.terminate()
            load.wait()
        more = (loaded[1] - quiet[1]) / 1000
        run.say(f"the same with all scanners busy: p50 {quiet[0]:.0f} -> {loaded[0]:.0f} µs, p99 {quiet[1]:.0f} -> {loaded[1]:.0f} µs")
        run.say(f"more at p99: {more:.2f} ms  (target 1.00)  {'met' if more <= 1 else 'MISSED'}")

    def events(self):
        """An event every 100 ms, with the time it was sent in it."""
        count = 20 if self.bench.options.quick else 60
        server = socket.create_server(("127.0.0.1", 0))

        def serve():
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                client.recv(65536)
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
                for _ in range(count):
                    time.sleep(0.1)
                    client.sendall(b"data: %d\n\n" % time.perf_counter_ns())
                client.close()
        threading.Thread(target=serve, daemon=True).start()
        port = server.getsockname()[1]
        delays = {}
        for name in ("default", "plain"):
            with socket.create_connection(("127.0.0.1", self.ports[name])) as connection:
                connection.sendall(f"GET http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
                seen, text = [], b""
                while piece := connection.recv(65536):
                    now = time.perf_counter_ns()
                    text += piece
                    while b"data: " in text and b"\n\n" in text.split(b"data: ", 1)[1]:
                        sent, text = text.split(b"data: ", 1)[1].split(b"\n\n", 1)
                        seen.append((now - int(sent)) / 1e6)
                delays[name] = seen
        server.close()
        if any(len(each) != count for each in delays.values()):
            self.bench.failure("events were lost")
        worst = max(delays["default"])
        run.say(f"\nan event stream, {count} events: p50 {statistics.median(delays['default']):.2f} ms, max {worst:.2f} ms; uninspected "
                f"{statistics.median(delays['plain']):.2f} ms, {max(delays['plain']):.2f} ms")
        run.say(f"an event, at most: {worst:.2f} ms  (target 50)  {'met' if worst <= 50 else 'MISSED'}")

    def squid(self):
        if not (clamd.Clamd.exists() and cicap.CIcap.exists()):
            return run.say("\nSquid + c-icap + clamd: skipped, c-icap or clamd is not there (scripts/setup bench)")
        database = clamd.Clamd()
        server = cicap.CIcap(database.socket)
        try:
            for pid in run.processes_of(database.process.pid) + run.processes_of(server.process.pid):
                subprocess.run(["taskset", "-a", "-p", "-c", run.PROXY_CORE, str(pid)], capture_output=True)
            port = self.free_port("squid")
            config = self.folder / "squid-icap.conf"
            config.write_text((run.PEERS / "squid.conf").read_text().format(folder=self.folder, squid=port).replace("squid.pid", "squid-icap.pid")
                              + f"""icap_enable on
icap_preview_enable on
icap_preview_size 1024
icap_persistent_connections on
icap_206_enable off
icap_service av respmod_precache bypass=off {server.url("avscan")}
adaptation_access av allow all
""")
            process = self.bench.start("squid-icap", [shutil.which("squid") or "/usr/sbin/squid", "-N", "-f", config], run.PROXY_CORE, port)
            self.pids["squid"] = [process.pid, server.process.pid]
            self.sluice("clamav", f'engines = ["clamav"]\nwhole = "all"\nclamav = {{ socket = "{database.socket}" }}')
            for name in ("clamav", "squid"):
                if not self.is_blocked(name):
                    return self.bench.failure(f"{name} lets pass what clamd finds: nothing is compared")
            # An octet less than 64 KiB: Squid 5.7 never ends a body that just fills its pipe to the ICAP server.
            self.compare("64 KiB less one, half of them seen before, the same clamd: CPU outside clamd", ["clamav", "squid"], "/half/65535", 8, {"squid": 0.5})
        finally:
            server.close()
            database.close()

    def is_blocked(self, name):
        class Bad:
            def __init__(self):
                self.socket = socket.create_server(("127.0.0.1", 0))
                threading.Thread(target=self.serve, daemon=True).start()

            def serve(self):
                client, _ = self.socket.accept()
                client.recv(65536)
                body = b"x" * 5000 + clamd.MARK
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
                client.close()
        bad = Bad()
        url = f"http://127.0.0.1:{bad.socket.getsockname()[1]}/bad"
        done = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-x", f"http://127.0.0.1:{self.ports[name]}", url], capture_output=True, text=True)
        bad.socket.close()
        return done.stdout == "403"


def main(bench):
    Inspection(bench).run()
