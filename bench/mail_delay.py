# SPDX-License-Identifier: Apache-2.0
"""How long after the client's last octet of a large attachment the upstream has its last, and the client its answer. A part of bench/mail.py.

25 MiB in base64, once random octets (application/octet-stream), once a zip; as fast as it goes, and as over 1 Gbit/s. "Sent" is when the client gives
the last octets, the dot's, to its kernel: at full speed that and the proxy's hold some megabytes then. The whole-object engines' own time is that of libyara alone (of the zip: of it and of its members) and of
zlib alone for unpacking."""
import base64
import hashlib
import json
import random
import statistics
import subprocess
import sys
import time
import zipfile
import zlib

import inspection
import run

TIMING = run.ROOT / "bench/load/mail_timing.py"
BOTH_CORES = f"{run.PROXY_CORE},{run.LOAD_CORE}"
SIZE = 25 * run.MIB
MEMBERS = 25
SINK = "smtp-large-sink"
GIGABIT = 125_000_000                                       # octets a second
TARGET = 50                                                 # ms
SPEEDS = {"as fast as it goes": 0, "as over 1 Gbit/s": GIGABIT}
TITLES = {"direct": "direct", "haproxy": "HAProxy, TCP mode", "postfix": "Postfix, before a filter", "clamsmtp": "clamsmtp and clamd", "large-plain": "Sluice, uninspected",
          "large-signatures": "Sluice, signatures", "large-whole": "Sluice, and YARA, all whole", "large-default": "Sluice, as it comes"}


def start_sink(bench, port):
    bench.start(SINK, [sys.executable, TIMING, "sink", port], BOTH_CORES, port)


def message(name, kind, attachment):
    """A message with a line of text and one attachment, CRLF everywhere, as an everyday client makes it."""
    encoded = base64.b64encode(attachment)
    lines = b"\r\n".join(encoded[place:place + 76] for place in range(0, len(encoded), 76))
    head = ("From: <from@bench.example>\r\nTo: <to@bench.example>\r\nSubject: large\r\nDate: Fri, 27 Nov 2026 12:00:00 +0000\r\nMessage-ID: <large@bench.example>\r\n"
            'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="=_bench"\r\n\r\n--=_bench\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\nlarge\r\n'
            f'--=_bench\r\nContent-Type: {kind}; name="{name}"\r\nContent-Disposition: attachment; filename="{name}"\r\nContent-Transfer-Encoding: base64\r\n\r\n')
    return head.encode() + lines + b"\r\n--=_bench--\r\n"


class Delay:
    def __init__(self, mail):
        self.mail = mail
        self.bench = mail.bench
        self.folder = mail.folder
        self.ports = dict(mail.large)
        self.rules = sorted(inspection.CORPUS.glob("*.yar"))
        self.attachments = {}                               # title: (path of the message, SHA-256 of its body)

    def set_up(self):
        random_ = random.Random(7)
        noise = random_.randbytes(SIZE)
        (self.folder / "noise.bin").write_bytes(noise)
        archive = self.folder / "members.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
            for number in range(MEMBERS):
                file.writestr(f"{number}.bin", noise[number * SIZE // MEMBERS:(number + 1) * SIZE // MEMBERS])
        for title, path, kind in (("random octets", self.folder / "noise.bin", "application/octet-stream"), ("a zip", archive, "application/zip")):
            whole = message(path.name, kind, path.read_bytes())
            written = self.folder / f"{path.name}.eml"
            written.write_bytes(whole)
            body = whole.split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n")
            self.attachments[title] = (written, hashlib.sha256(body).hexdigest())
        if "signatures" in self.mail.ports:
            self.start_sluices()

    def start_sluices(self):
        signatures = 'signatures = ["{folder}/signatures.toml"]\ndeliver = "stream"\n'
        ways = {"large-plain": "engines = []", "large-signatures": 'engines = ["hash", "signatures"]\n' + signatures, "large-default": ""}
        if self.rules:
            names = ", ".join(f'"{rule}"' for rule in self.rules)
            ways["large-whole"] = f'engines = ["hash", "signatures", "yara"]\nyara = [{names}]\nwhole = "all"\n' + signatures
        else:
            run.say(f"\nlarge attachments through YARA: skipped, there is no corpus at {inspection.CORPUS}")
        for name, inspect in ways.items():
            if self.mail.start_sluice(name, self.mail.large_sink, inspect):
                self.ports[name] = self.mail.ports[name]

    def got(self):
        """What the sink has printed."""
        return [json.loads(line) for line in (self.folder / f"{SINK}.out").read_text().splitlines() if line.startswith("{")]

    def send(self, name, attachment, rate):
        """(ms until the upstream had the last octet, ms until the client was answered); None, and why is said, where it failed."""
        path, expected = self.attachments[attachment]
        before = len(self.got())
        done = subprocess.run(["taskset", "-c", BOTH_CORES, sys.executable, TIMING, "send", str(self.ports[name]), path, str(rate)], capture_output=True, text=True)
        end = time.monotonic() + 2
        while len(self.got()) == before and time.monotonic() < end:
            time.sleep(0.02)
        taken = self.got()[before:]
        if done.returncode or len(taken) != 1 or taken[0]["sha256"] != expected:
            run.say(f"{TITLES[name]}, {attachment}: {len(taken)} messages arrived, {'changed' if taken else 'none'}; {(done.stderr or done.stdout).strip()[-300:]}")
            return None
        sent = json.loads(done.stdout)
        if not sent["reply"].startswith("250"):
            run.say(f"{TITLES[name]}, {attachment}: {sent['reply']}")
            return None
        return (taken[0]["last_ns"] - sent["last_ns"]) / 1e6, (sent["answered_ns"] - sent["last_ns"]) / 1e6

    def own_times(self):
        """What the whole-object engines of a way take by themselves, in ms of CPU, as {attachment: {way: ms}}."""
        if "large-signatures" not in self.ports:
            return {}
        packed = zlib.compress((self.folder / "noise.bin").read_bytes(), 1)
        begun = time.process_time()
        zlib.decompress(packed)
        unpacking = (time.process_time() - begun) * 1000
        own = {"random octets": {}, "a zip": {"large-signatures": unpacking}}
        if "large-whole" in self.ports:
            noise = self.yara_alone("noise.bin")
            own["random octets"]["large-whole"] = noise
            own["a zip"]["large-whole"] = self.yara_alone("members.zip") + noise + unpacking
        return own

    def yara_alone(self, name):
        rounds = "3" if self.bench.options.quick else "9"
        done = subprocess.run(["taskset", "-c", BOTH_CORES, run.BUILD / "bench/load/yara_time", rounds, self.folder / name, *self.rules], capture_output=True, text=True, check=True)
        return float(done.stdout)

    def measure(self):
        self.set_up()
        own = self.own_times()
        names = [name for name in TITLES if name in self.ports]
        warm = False
        for attachment in self.attachments:
            for speed, rate in SPEEDS.items():
                rows = {name: [] for name in names}
                if not warm:
                    for name in names:
                        self.send(name, attachment, rate)
                    warm = True
                for _ in range(self.bench.rounds):
                    for name in names:
                        rows[name].append(self.send(name, attachment, rate))
                self.report(f"{SIZE // run.MIB} MiB attached, {attachment}, {speed}", rows, own.get(attachment, {}))

    def report(self, title, rows, own):
        run.say(f"\n{title}: ms after the client's last octet  (medians of {self.bench.rounds} rounds)")
        run.say(f"{'':30}{'last octet':>12}{'at most':>10}{'answer':>10}{'failed':>8}{'target':>9}")
        for name, samples in rows.items():
            good = [one for one in samples if one]
            failed = len(samples) - len(good)
            if failed:
                self.bench.failure(f"{failed} large messages of {TITLES[name]} failed")
            if not good:
                continue
            last, answered = (statistics.median(column) for column in zip(*good))
            target = TARGET + own.get(name, 0) if name in ("large-plain", "large-signatures", "large-whole") else None
            mark = "" if target is None else f"{target:9.0f}" + ("  INVALID" if failed else "  met" if last <= target else "  MISSED")
            run.say(f"{TITLES[name]:30}{last:12.1f}{max(one[0] for one in good):10.1f}{answered:10.1f}{failed:8}{mark}")
        for name, took in own.items():
            run.say(f"(the whole-object engines of {TITLES[name]} by themselves: {took:.0f} ms)")


def measure(mail):
    Delay(mail).measure()
