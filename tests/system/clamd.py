# SPDX-License-Identifier: Apache-2.0
"""Debian's clamd with a database of our own: one signature, and limits that are easily exceeded."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile

from harness import free_port, until

BINARY = shutil.which("clamd") or "/usr/sbin/clamd"
MARK = b"clamd looks for this"
THREAT = "Own.Test.UNOFFICIAL"
MAX_FILE = 3_000_000


class Clamd:
    def __init__(self, **databases):
        """`databases` are further files of signatures, by their ending: hdb="..."."""
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-clamd-", dir="/tmp"))
        self.socket = self.folder / "clamd.sock"
        self.port = free_port()
        (self.folder / "db").mkdir()
        (self.folder / "db/own.ndb").write_text(f"Own.Test:0:*:{MARK.hex()}\n")
        for ending, text in databases.items():
            (self.folder / f"db/more.{ending}").write_text(text)
        config = [f"LocalSocket {self.socket}", f"TCPSocket {self.port}", "TCPAddr 127.0.0.1", f"DatabaseDirectory {self.folder}/db", "Foreground yes", "User root",
                  "AlertExceedsMax yes", "AlertEncrypted yes", f"MaxFileSize {MAX_FILE}", f"StreamMaxLength {MAX_FILE * 2}"]
        (self.folder / "clamd.conf").write_text("\n".join(config) + "\n")
        self.process = None
        self.start()

    @staticmethod
    def exists():
        return os.access(BINARY, os.X_OK)

    def start(self):
        self.process = subprocess.Popen([BINARY, "-c", self.folder / "clamd.conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self.socket.exists, "clamd's socket", 60)

    def ask(self, path):
        """What it says of a file: the signature's name, or None; "ERROR" and why where it cannot say."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(60)
            connection.connect(str(self.socket))
            connection.sendall(b"zSCAN %s\0" % os.fsencode(path))
            answer = b""
            while not answer.endswith(b"\0") and (more := connection.recv(4096)):
                answer += more
        said = answer.rstrip(b"\0").decode().removeprefix(f"{path}: ")
        return None if said == "OK" else said.removesuffix(" FOUND")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self.socket.unlink(missing_ok=True)

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
