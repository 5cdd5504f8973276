# SPDX-License-Identifier: Apache-2.0
"""What inspection costs: Sluice with it beside Sluice without it, and HAProxy's plain forwarding.  scripts/bench --only inspect

Each way is an instance of its own on the first core; they are measured in turn. CPU is of all of Sluice's processes, scanners included."""
import pathlib
import random
import shutil
import statistics
import subprocess
import time

import run

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
        self.bench.start("objects", [run.BUILD / "bench/load/object_origin", origin], run.LOAD_CORE, origin)
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

    def compare(self, title, ways, path, connections, targets):
        """`ways`: names of instances, the first one measured against the others; `targets`: by name, how much of its CPU at most."""
        samples = {name: [] for name in ways}
        paths = {name: path[name] if isinstance(path, dict) else path for name in ways}
        for name in ways:
            self.load(name, paths[name], connections, 1)
        for _ in range(self.bench.rounds):
            for name in ways:
                before = run.cpu_seconds(self.pids[name])
                requests, seconds, p50, p99, failures = self.load(name, paths[name], connections, self.bench.seconds)
                cpu = run.cpu_seconds(self.pids[name]) - before
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

    def run(self):
        self.set_up()
        mib = run.MIB
        self.compare("1 MiB clean, 5,000 signatures, new each time, as it flows", ["signatures", "plain", "forwarding"], f"/fresh/{mib}", 8,
                     {"plain": 2.6, "forwarding": 1.7})
        self.compare("1 MiB clean, 5,000 signatures and keyed hash, new each time, held", ["held", "plain", "forwarding"], f"/fresh/{mib}", 8,
                     {"plain": 2.6, "forwarding": 1.7})
        self.compare("the same 1 MiB again, held", ["held", "plain", "forwarding"], f"/same/{mib}", 8, {"plain": 1.4, "forwarding": 1.0})
        self.compare("1 KiB JSON, default configuration, keep-alive", ["default", "plain"], "/same/json/1024", 32, {"plain": 1.3})


def main(bench):
    Inspection(bench).run()
