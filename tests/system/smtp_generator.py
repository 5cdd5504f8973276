#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Many messages over many sessions, each with a name of its own, sent again until it is taken, into a sink of our own; then every one is looked for there.

    tests/system/smtp_generator.py [--messages 100000] [--sessions 50] [--chunking] [--kill-upstream SECONDS] [--kill-scanners SECONDS] [--target sluice|direct]
                                   [--size OCTETS] [--log FILE]

Whatever is killed meanwhile: each message that was answered 250 is in the sink, byte for byte; and none is there twice but where the answer to an earlier
try was lost, which is where the sender was told 4xx, or nothing, at the message's end. The log has every reply: time, message, try, stage, reply."""
import argparse
import asyncio
import collections
import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zipfile

from harness import Sluice, free_port, until
from payloads import noise, zipped
from smtp_case import attached, lines, message, without_received
from smtp_peers import stuffed, unstuffed
from smtp_servers import in_child

DOMAIN = "gen.test"
LIMIT = 64 << 20
BACKOFF = 0.1              # seconds between tries of a message
FOREVER = 600              # seconds without one more message taken: then it is given up


def content_of(number, size):
    """A message that nobody else sends; some with dots, some with an archive, which scanner processes open."""
    ident = f"{number}@{DOMAIN}"
    if number % 20 == 0:
        return attached(zipped((zipfile.ZipInfo("file.txt"), noise(size // 2, number))), "file.zip", ident=ident)
    row = b"%d " % number + b"." * (number % 60)
    body = lines(".", "..", ".%d" % number) if number % 3 == 0 else b""
    while len(body) < size:
        body += row + b"\r\n" + b"." * (number % 5) + b"\r\n"
    return message(body, ident=ident)


# The sink: a process of its own, which can be killed.

class Sink:
    """What it has taken is in its journal, one line each, before it says so."""

    def __init__(self, folder, chunking=False):
        self.journal = folder / "journal"
        self.journal.touch()
        self.chunking = chunking
        self.port = free_port()
        self.kills = 0
        self.start()

    def start(self):
        self.process = subprocess.Popen([sys.executable, __file__, "--sink", str(self.port), str(self.journal), "yes" if self.chunking else ""], preexec_fn=in_child)
        until(self.answers, "the sink", 30)

    def answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as probe:
                return probe.recv(3) == b"220"
        except OSError:
            return False

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.kills += 1

    def taken(self):
        """{number: [hash]} of every copy."""
        found = collections.defaultdict(list)
        for line in self.journal.read_text().splitlines():
            number, digest = line.split()
            found[int(number)].append(digest)
        return found


async def serve_sink(port, journal, chunking):
    out = os.open(journal, os.O_WRONLY | os.O_APPEND)
    offers = b"250-sink.test\r\n250-PIPELINING\r\n250-SIZE 60000000\r\n" + (b"250-CHUNKING\r\n" if chunking else b"") + b"250 8BITMIME\r\n"

    def keep(sender, content):
        number = int(re.match(rb"MAIL FROM:<([0-9]+)@", sender, re.IGNORECASE)[1])
        bare = without_received(content) if content[:9].lower() == b"received:" else content
        os.write(out, f"{number} {hashlib.sha256(bare).hexdigest()}\n".encode())

    async def session(reader, writer):
        sender, is_taken, chunks = None, False, b""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            writer.write(b"220 sink.test ESMTP\r\n")
            while True:
                line = await reader.readuntil(b"\r\n")
                verb = line[:4].upper()
                if verb == b"EHLO":
                    writer.write(offers)
                    sender, chunks = None, b""
                elif verb == b"MAIL":
                    sender, is_taken, chunks = line, False, b""
                    writer.write(b"250 2.1.0 ok\r\n")
                elif verb == b"RCPT":
                    is_taken = True
                    writer.write(b"250 2.1.5 ok\r\n")
                elif verb == b"DATA" and is_taken:
                    writer.write(b"354 go\r\n")
                    await writer.drain()
                    keep(sender, unstuffed((await reader.readuntil(b"\r\n.\r\n"))[:-3]))
                    sender, is_taken = None, False
                    writer.write(b"250 2.0.0 taken\r\n")
                elif verb == b"BDAT" and is_taken:
                    words = line.split()
                    chunks += await reader.readexactly(int(words[1]))
                    if len(words) > 2:
                        keep(sender, chunks)
                        sender, is_taken, chunks = None, False, b""
                    writer.write(b"250 2.0.0 ok\r\n")
                elif verb in (b"RSET", b"NOOP"):
                    if verb == b"RSET":
                        sender, is_taken, chunks = None, False, b""
                    writer.write(b"250 2.0.0 ok\r\n")
                elif verb == b"QUIT":
                    writer.write(b"221 2.0.0 bye\r\n")
                    await writer.drain()
                    break
                else:
                    writer.write(b"503 5.5.1 no\r\n")
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(session, "127.0.0.1", port, limit=LIMIT, backlog=1000, reuse_address=True)
    await server.serve_forever()


# The generator.

class Refused(Exception):
    """stage: connect, envelope, data, end (of data)."""

    def __init__(self, stage, reply):
        super().__init__(f"{stage}: {reply}")
        self.stage, self.reply = stage, reply


@dataclasses.dataclass
class Result:
    messages: int = 0
    tries: int = 0
    accepted: int = 0
    refused_for_good: int = 0
    unanswered: int = 0        # tries that were told 4xx, or nothing, at their end
    in_sink: int = 0
    lost: list = dataclasses.field(default_factory=list)
    altered: list = dataclasses.field(default_factory=list)
    doubled: list = dataclasses.field(default_factory=list)     # where no answer was lost
    repeated: int = 0          # copies that may be
    kills: int = 0
    seconds: float = 0.0
    longest: float = 0.0       # of one try
    first: float = 0.0         # when it began, by the clock of events' time

    @property
    def good(self):
        return self.accepted == self.messages and not (self.lost or self.altered or self.doubled or self.refused_for_good)


class Generator:
    def __init__(self, port, count, sessions, size, log, bdat):
        self.port, self.count, self.sessions, self.size, self.log, self.bdat = port, count, sessions, size, log, bdat
        self.waiting = collections.deque(range(1, count + 1))
        self.tries = collections.Counter()
        self.unanswered = collections.Counter()
        self.accepted = set()
        self.refused = {}
        self.longest = 0.0
        self.progress = time.monotonic()

    def note(self, number, stage, reply):
        self.log.write(f"{time.time():.6f} {number} {self.tries[number]} {stage} {reply}\n")

    async def run(self):
        await asyncio.gather(*(self.session() for _ in range(min(self.sessions, self.count))))

    async def session(self):
        connection = None
        while self.waiting:
            number = self.waiting.popleft()
            self.tries[number] += 1
            begun = time.monotonic()
            try:
                if connection is None:
                    connection = await self.connect()
                await self.send(connection, number)
                self.accepted.add(number)
                self.progress = time.monotonic()
            except (Refused, OSError, asyncio.IncompleteReadError) as error:
                stage, reply = (error.stage, error.reply) if isinstance(error, Refused) else ("lost", type(error).__name__)
                self.note(number, stage, reply)
                if stage in ("end", "lost"):
                    self.unanswered[number] += 1
                if connection:
                    connection[1].close()
                    connection = None
                if stage in ("envelope", "data", "end") and reply[:1] == "5" and reply[:3] != "503":
                    self.refused[number] = reply
                    continue
                if time.monotonic() - self.progress > FOREVER:
                    raise AssertionError(f"nothing was taken for {FOREVER} s; last: {stage} {reply}") from None
                self.waiting.append(number)
                await asyncio.sleep(BACKOFF)                 # as any sender does, who is told to come later
            self.longest = max(self.longest, time.monotonic() - begun)
        if connection:
            connection[1].close()

    async def connect(self):
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=LIMIT)
        except OSError as error:
            raise Refused("connect", type(error).__name__) from None
        try:
            for command, wanted in ((b"", "220"), (b"EHLO generator.test\r\n", "250")):
                writer.write(command)
                reply = await self.reply(reader)
                if not reply.startswith(wanted):
                    raise Refused("connect", reply)
        except (Refused, OSError, asyncio.IncompleteReadError) as error:
            writer.close()
            raise error if isinstance(error, Refused) else Refused("connect", type(error).__name__) from None
        return reader, writer

    @staticmethod
    async def reply(reader):
        """Its last line."""
        while (line := await reader.readuntil(b"\n"))[3:4] == b"-":
            pass
        return line.decode().rstrip()

    async def send(self, connection, number):
        reader, writer = connection
        content = content_of(number, self.size)
        by_chunks = self.bdat and number % 2
        envelope = f"MAIL FROM:<{number}@{DOMAIN}> SIZE={len(content)}\r\nRCPT TO:<box@example.com>\r\n".encode()
        stages = ["envelope", "envelope"]
        if by_chunks:
            half = len(content) // 2
            writer.write(envelope + b"BDAT %d\r\n" % half + content[:half] + b"BDAT %d LAST\r\n" % (len(content) - half) + content[half:])
            stages += ["data", "end"]
        else:
            writer.write(envelope + b"DATA\r\n")
            stages += ["data"]
        bad = None
        for stage in stages:
            try:
                reply = await self.reply(reader)
            except (OSError, asyncio.IncompleteReadError) as error:
                # By BDAT the whole message may be there already.
                raise Refused("end" if by_chunks or stage == "end" else stage, type(error).__name__) from None
            if stage == "end" and bad is None:
                self.note(number, stage, reply)
            if reply[:1] not in "23" and bad is None:
                bad = Refused(stage, reply)
        if bad:
            raise bad
        if not by_chunks:
            writer.write(stuffed(content) + b".\r\n")
            try:
                reply = await self.reply(reader)
            except (OSError, asyncio.IncompleteReadError) as error:
                raise Refused("end", type(error).__name__) from None
            self.note(number, "end", reply)
            if reply[:1] != "2":
                raise Refused("end", reply)


def check(generator, sink, result):
    """What the sink has, of what was said."""
    taken = sink.taken()
    result.in_sink = sum(len(copies) for copies in taken.values())
    for number in range(1, generator.count + 1):
        copies = taken.get(number, [])
        if number in generator.accepted and not copies:
            result.lost.append(number)
        if copies:
            wanted = hashlib.sha256(content_of(number, generator.size)).hexdigest()
            if any(copy != wanted for copy in copies):
                result.altered.append(number)
        more = len(copies) - (number in generator.accepted)
        if more > generator.unanswered[number]:
            result.doubled.append(number)
        elif more > 0:
            result.repeated += more
    return result


def scanners_of(proxy):
    """The processes that look into messages: its children's children."""
    parents = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError):
            words = path.read_text().rpartition(")")[2].split()
            parents[int(path.parent.name)] = int(words[1])
    supervisors = {pid for pid, parent in parents.items() if parent == proxy.pid}
    return [pid for pid, parent in parents.items() if parent in supervisors]


class Killer:
    """Every so many seconds, until it is stopped."""

    def __init__(self, seconds, what):
        self.seconds, self.what, self.over, self.count, self.failure = seconds, what, threading.Event(), 0, None
        self.thread = threading.Thread(target=self.run, daemon=True)
        if seconds:
            self.thread.start()

    def run(self):
        while not self.over.wait(self.seconds):
            try:
                self.what()
            except Exception as error:
                self.failure = error
                return
            self.count += 1

    def stop(self):
        self.over.set()
        if self.seconds:
            self.thread.join()
        if self.failure:
            raise self.failure


def generate(messages, sessions=50, size=3000, chunking=False, bdat=True, kill_upstream=0, kill_scanners=0, target="sluice", log=os.devnull, **sections):
    """The Result; with a proxy of its own, which ends with it."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-generator-", dir="/tmp"))
    sink = Sink(folder, chunking)
    proxy = None
    result = Result(messages=messages, first=time.time())
    try:
        port = sink.port
        if target == "sluice":
            port = free_port()
            proxy = Sluice(http={"listen": []}, ftp={"listen": []}, smtp={"listen": [f"127.0.0.1:{port}"], "upstream": f"127.0.0.1:{sink.port}", "hostname": "gw.test"},
                           limits={"connections_per_client": 4 * sessions + 100, "drain": "2s"}, **sections)

        def restart():
            sink.kill()
            sink.start()

        def kill_them():
            for pid in scanners_of(proxy):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        with open(log, "w") as out:
            generator = Generator(port, messages, sessions, size, out, bdat and (chunking or target == "sluice"))
            killers = [Killer(kill_upstream, restart), Killer(kill_scanners if proxy else 0, kill_them)]
            begun = time.monotonic()
            try:
                asyncio.run(generator.run())
            finally:
                for killer in killers:
                    killer.stop()
        result.seconds = round(time.monotonic() - begun, 1)
        result.kills = sum(killer.count for killer in killers)
        result.tries, result.accepted, result.refused_for_good = sum(generator.tries.values()), len(generator.accepted), len(generator.refused)
        result.unanswered, result.longest = sum(generator.unanswered.values()), round(generator.longest, 1)
        return check(generator, sink, result)
    finally:
        sink.kill()
        try:
            if proxy:
                proxy.stop()
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--size", type=int, default=3000)
    parser.add_argument("--chunking", action="store_true", help="the sink offers it")
    parser.add_argument("--kill-upstream", type=float, default=0, help="kill and restart the sink every so many seconds")
    parser.add_argument("--kill-scanners", type=float, default=0)
    parser.add_argument("--target", choices=("sluice", "direct"), default="sluice")
    parser.add_argument("--log", default=os.devnull)
    options = parser.parse_args()
    result = generate(**{key: value for key, value in vars(options).items()})
    print(json.dumps(dataclasses.asdict(result), indent=1))
    print("good" if result.good else "NOT GOOD", file=sys.stderr)
    return 0 if result.good else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--sink"]:
        asyncio.run(serve_sink(int(sys.argv[2]), sys.argv[3], bool(sys.argv[4])))
    else:
        sys.exit(main())
