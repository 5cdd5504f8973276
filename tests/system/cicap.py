# SPDX-License-Identifier: Apache-2.0
"""Debian's c-icap: the services `echo`, and `avscan` with a clamd behind it."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile

from harness import free_port, until

BINARY = shutil.which("c-icap") or "/usr/bin/c-icap"
MODULES = next((folder for folder in map(pathlib.Path, ("/usr/lib/x86_64-linux-gnu/c_icap", "/usr/lib/aarch64-linux-gnu/c_icap")) if folder.is_dir()), None)


class CIcap:
    def __init__(self, clamd_socket=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-icap-", dir="/tmp"))
        self.port = free_port()
        lines = [f"PidFile {self.folder}/pid", f"CommandsSocket {self.folder}/ctl", f"Port 127.0.0.1:{self.port}", f"TmpDir {self.folder}", f"ModulesDir {MODULES}",
                 f"ServicesDir {MODULES}", f"ServerLog {self.folder}/server.log", f"AccessLog {self.folder}/access.log", "LoadMagicFile /etc/c-icap/c-icap.magic",
                 "TemplateDir /usr/share/c_icap/templates/", "StartServers 1", "MaxServers 2", "ThreadsPerChild 8", "MinSpareThreads 2", "MaxSpareThreads 8",
                 "MaxRequestsPerChild 0", "Pipelining on", "KeepAliveTimeout 30", "MaxKeepAliveRequests -1", "Service echo srv_echo.so"]
        if clamd_socket:
            lines += ["Module common clamd_mod.so", f"clamd_mod.ClamdSocket {clamd_socket}", "Service antivirus_module virus_scan.so",
                      "ServiceAlias avscan virus_scan?allow204=on&sizelimit=off&mode=simple",
                      "virus_scan.ScanFileTypes TEXT DATA EXECUTABLE ARCHIVE GIF JPEG MSOFFICE", "virus_scan.SendPercentData 0", "virus_scan.MaxObjectSize 20M",
                      "virus_scan.DefaultEngine clamd"]
        (self.folder / "c-icap.conf").write_text("\n".join(lines) + "\n")
        self.process = None
        self.start()

    @staticmethod
    def exists():
        return os.access(BINARY, os.X_OK) and MODULES is not None

    def start(self):
        self.process = subprocess.Popen([BINARY, "-N", "-f", self.folder / "c-icap.conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        until(self.listens, "c-icap's port", 60)

    def listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def url(self, service):
        return f"icap://127.0.0.1:{self.port}/{service}"

    def stop(self):
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)      # its children are of its session, and of nobody else's
            self.process.wait()

    def log(self):
        return (self.folder / "server.log").read_text(errors="replace")

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
