# SPDX-License-Identifier: Apache-2.0
"""Start, drain, log rotation, full disks, and other ends."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest

from harness import BINARY, Sluice, SystemTest, curl, until
from load import Load
from wire import Closed, Origin, Peer, ask, echoing, get, response


class Ends(SystemTest):
    def held_origin(self):
        """An origin whose answers wait for `go`."""
        go = threading.Event()

        def handle(peer):
            while True:
                peer.read_request()
                go.wait(20)
                peer.send(response(b"late"))
        origin = Origin(handle)
        self.addCleanup(origin.close)
        self.addCleanup(go.set)
        return origin, go

    def test_lines_at_start(self):
        proxy = self.sluice()
        self.assertEqual(proxy.stderr_lines.count("ready"), 1)
        before = proxy.stderr_lines[:proxy.stderr_lines.index("ready")]
        self.assertTrue(any(f"127.0.0.1:{proxy.port}" in line for line in before), before)
        self.assertTrue(any(f"127.0.0.1:{proxy.admin}" in line for line in before), before)
        self.assertEqual(bytes(proxy.stdout_bytes), b"")

    def test_sigterm_and_sigint_drain(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            origin, go = self.held_origin()
            proxy = self.sluice(limits={"drain": "20s"})
            idle = Peer.connect(proxy.port)
            idle.send(get(Origin(echoing).url()))
            idle.read_response()
            with Peer.connect(proxy.port) as peer:
                peer.send(get(origin.url()))
                until(lambda: origin.accepted, "the request at the origin")
                proxy.signal(number)
                self.assertEqual(idle.ended(), "close")
                until(lambda: self.refuses(proxy.port), "no new connections")
                go.set()
                head, body = peer.read_response()
                self.assertEqual(body, b"late")
                self.assertEqual(head.get("connection"), "close")
                self.assertEqual(peer.ended(), "close")
            self.assertEqual(proxy.wait(), 0)

    @staticmethod
    def refuses(port):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return False
        except OSError:
            return True

    def test_a_drain_ends_at_its_limit(self):
        origin, _ = self.held_origin()
        proxy = self.sluice(limits={"drain": "1s"})
        with Peer.connect(proxy.port) as peer:
            peer.send(get(origin.url("/held")))
            until(lambda: origin.accepted, "the request at the origin")
            proxy.signal(signal.SIGTERM)
            self.assertEqual(proxy.wait(10), 0)
        self.assertTrue([event for event in proxy.events() if event.get("url.path") == "/held"], "what was cut is in the log")

    def test_a_second_signal_ends_it(self):
        origin, _ = self.held_origin()
        proxy = self.sluice(limits={"drain": "60s"})
        with Peer.connect(proxy.port) as peer:
            peer.send(get(origin.url()))
            until(lambda: origin.accepted, "the request at the origin")
            proxy.signal(signal.SIGTERM)
            until(lambda: self.refuses(proxy.port), "the drain")
            proxy.signal(signal.SIGTERM)
            self.assertEqual(proxy.wait(10), 0)

    def test_stop_command(self):
        proxy = self.sluice()
        self.assertEqual(proxy.command("stop").returncode, 0)
        self.assertEqual(proxy.wait(), 0)
        self.assertNotEqual(proxy.command("status").returncode, 0)

    def test_a_taken_port_is_said(self):
        proxy = self.sluice()
        done = subprocess.run([str(BINARY), "run", "-c", str(proxy.config_path)], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, f"127.0.0.1:{proxy.port}|already running")

    def test_ftp_is_announced_and_named_where_its_port_is_taken(self):
        proxy = self.sluice(ftp={"implicit_tls": []})
        self.assertIn(f"ftp listens on 127.0.0.1:{proxy.ftp}", proxy.stderr_lines)
        self.assertEqual(proxy.status()["ftp"], [f"127.0.0.1:{proxy.ftp}"])
        other = Sluice(wait=None, ftp={"listen": [f"127.0.0.1:{proxy.ftp}"]})
        self.addCleanup(other.stop)
        done = subprocess.run([str(BINARY), "run", "-c", str(other.config_path)], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"ftp.listen: cannot listen on 127.0.0.1:{proxy.ftp}", done.stderr)

    def test_an_ftp_client_does_not_hold_up_the_end(self):
        proxy = self.sluice(limits={"drain": "20s"})
        with Peer.connect(proxy.ftp) as peer:
            self.assertTrue(peer.read_until(b"\r\n").startswith(b"220"))
            began = time.monotonic()
            proxy.signal(signal.SIGTERM)
            self.assertTrue(peer.read_until(b"\r\n").startswith(b"421"))
            self.assertEqual(proxy.wait(), 0)
            self.assertLess(time.monotonic() - began, 15)

    def test_a_stale_control_socket_is_replaced(self):
        proxy = self.sluice()
        proxy.signal(signal.SIGKILL)
        proxy.process.wait()
        proxy.start()
        self.assertEqual(proxy.command("status").returncode, 0)

    def test_control_socket_is_private(self):
        proxy = self.sluice()
        sockets = [path for path in proxy.state.iterdir() if path.is_socket()]
        self.assertEqual(len(sockets), 1)
        self.assertEqual(sockets[0].stat().st_mode & 0o777, 0o600)

    def test_nothing_leaks(self):
        """Descriptors after a mixed load are what they were before it."""
        origin = Origin(echoing)
        self.addCleanup(origin.close)
        proxy = self.sluice(limits={"upstream_idle": "1s", "client_idle": "1s"})
        ask(proxy.port, origin.url())
        until(lambda: proxy.descriptors() and len(proxy.events()) == 1, "the first event")
        before = proxy.descriptors()
        for number in range(60):
            with Peer.connect(proxy.port) as peer:
                if number % 3 == 0:
                    peer.send(get(origin.url()))
                elif number % 3 == 1:
                    peer.send(get(origin.url(), "Content-Length: 10", method="POST") + b"abc")
                if number % 2:
                    peer.reset()
        until(lambda: proxy.descriptors() <= before, f"at most {before} descriptors", 20)

    def test_privileges_are_dropped(self):
        if os.geteuid() != 0:
            self.skipTest("needs root")
        folder = pathlib.Path("/tmp") / f"sluice-drop-{os.getpid()}"
        folder.mkdir(mode=0o777)
        self.addCleanup(shutil.rmtree, folder, True)
        folder.chmod(0o777)
        proxy = self.sluice(folder=folder, top={"user": "nobody"}, log={"events": ""})
        status = pathlib.Path(f"/proc/{proxy.pid}/status").read_text()
        self.assertRegex(status, r"Uid:\t65534\t65534\t65534\t65534")
        self.assertRegex(status, r"NoNewPrivs:\t1")
        self.assertRegex(status, r"CapEff:\t0000000000000000")
        origin = Origin(echoing)
        self.addCleanup(origin.close)
        self.assertEqual(ask(proxy.port, origin.url())[0].status, 200)
        self.assertEqual(proxy.command("status").returncode, 0)

    def test_out_by_default_on_standard_output(self):
        origin = Origin(echoing)
        self.addCleanup(origin.close)
        proxy = self.sluice(log={"events": "-"})
        ask(proxy.port, origin.url("/out"))
        until(lambda: b"\n" in proxy.stdout_bytes, "the event on standard output")
        self.assertEqual(json.loads(bytes(proxy.stdout_bytes).splitlines()[0])["url.path"], "/out")


class Log(SystemTest):
    def setUp(self):
        self.origin = Origin(echoing)
        self.addCleanup(self.origin.close)

    def rotate(self, proxy, how):
        """Rotates five times under load; every request must be in exactly one of the files."""
        old = []
        with Load(proxy.port, self.origin.url("/rotated"), clients=4) as load:
            for number in range(5):
                count = load.done
                until(lambda: load.done > count + 20, "the load")
                name = proxy.folder / f"events.{number}"
                os.rename(proxy.events_path, name)
                old.append(name)
                how()
                until(lambda: proxy.events_path.exists(), "the new file")
        proxy.stop_checked = proxy.command("stop")
        proxy.wait()
        self.assertEqual(load.failures, [])
        ids = [event["event.id"] for name in [*old, proxy.events_path] for event in proxy.events(name) if event.get("url.path") == "/rotated"]
        self.assertEqual(len(ids), load.done)
        self.assertEqual(len(set(ids)), len(ids))

    def test_sigusr1(self):
        proxy = self.sluice()
        self.rotate(proxy, lambda: proxy.signal(signal.SIGUSR1))

    def test_reopen_command(self):
        proxy = self.sluice()
        self.rotate(proxy, lambda: self.assertEqual(proxy.command("reopen").returncode, 0))

    def test_a_full_disk_harms_no_request(self):
        proxy = self.sluice(log={"events": "/dev/full"})
        for _ in range(50):
            self.assertEqual(ask(proxy.port, self.origin.url())[0].status, 200)
        until(lambda: "events" in proxy.stderr().lower() or "log" in proxy.stderr().lower(), "a word about it")

    @unittest.skipUnless(os.geteuid() == 0, "needs root to mount a small disk")
    def test_a_disk_that_is_full_for_a_while(self):
        disk = self.folder() / "disk"
        disk.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True).returncode:
            self.skipTest("cannot mount")
        self.addCleanup(subprocess.run, ["umount", "-l", disk], capture_output=True)
        proxy = self.sluice(log={"events": str(disk / "events.json")})
        (disk / "ballast").write_bytes(b"x" * 1_000_000)
        for _ in range(150):
            self.assertEqual(ask(proxy.port, self.origin.url("/" + "a" * 500))[0].status, 200)
        until(lambda: (disk / "events.json").stat().st_size > 12_000, "a full disk")
        (disk / "ballast").unlink()
        os.truncate(disk / "events.json", 0)
        until(lambda: ask(proxy.port, self.origin.url("/after"))[0].status == 200 and
              any(event.get("url.path") == "/after" for event in proxy.events(disk / "events.json")), "the log again", 20)

    def test_no_log(self):
        proxy = self.sluice(log={"events": ""})
        self.assertEqual(ask(proxy.port, self.origin.url())[0].status, 200)
        self.assertFalse(proxy.events_path.exists())

    def test_hostile_bytes_keep_lines_whole(self):
        proxy = self.sluice()
        ask(proxy.port, self.origin.url("/a\"\\b%0c\xff\xfe"), "User-Agent: \"\\\t\xff\xc3\x28 </script>")
        event = proxy.event(url__port=self.origin.port)
        self.assertIn("</script>", event["user_agent.original"])
