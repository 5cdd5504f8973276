# SPDX-License-Identifier: Apache-2.0
"""Nobody runs an open proxy by accident, and nobody reaches the machine itself through it."""
import os
import shutil
import subprocess
import sys
import unittest

from harness import BINARY, ROOT, Sluice, SystemTest, free_port, rule
from wire import Closed, Origin, Peer, ask, echoing, get


class Clients(SystemTest):
    def test_others_are_refused(self):
        origin = Origin(echoing)
        self.addCleanup(origin.close)
        proxy = self.sluice(http={"clients": ["127.0.0.1/32", "10.0.0.0/8"]})
        self.assertEqual(ask(proxy.port, origin.url())[0].status, 200)
        before = origin.accepted
        try:
            self.assert_refusal(ask(proxy.port, origin.url(), source="127.0.0.2")[0], 403)
        except Closed:
            pass
        self.assertEqual(origin.accepted, before)
        event = proxy.event(client__ip="127.0.0.2")
        self.assertEqual(event["event.action"], "refused")
        self.assertIn("denied", event["event.type"])


class Ports(SystemTest):
    def test_the_fetch_standards_bad_ports(self):
        proxy = self.sluice()
        for port in (1, 22, 25, 110, 143, 587, 6000, 6667, 10080):
            head, _ = ask(proxy.port, f"http://127.0.0.1:{port}/")
            self.assert_refusal(head, 403)
        for port in (0, 65536, 99999):
            head, _ = ask(proxy.port, f"http://127.0.0.1:{port}/")
            self.assert_refusal(head, 400)

    def test_connect_ports(self):
        proxy = self.sluice(http={"connect_ports": ["9000-9002", 443]})
        for port, allowed in ((8999, False), (9000, True), (9002, True), (9003, False), (80, False)):
            with Peer.connect(proxy.port) as peer:
                peer.send(get(f"127.0.0.1:{port}", method="CONNECT", host=f"127.0.0.1:{port}"))
                self.assertEqual(peer.read_head().status == 403, not allowed, port)


class ProtectHost(SystemTest):
    def test_a_loopback_client_reaches_loopback_but_not_us(self):
        origin = Origin(echoing)
        self.addCleanup(origin.close)
        proxy = self.sluice(http={"connect_ports": ["1-65535"]})
        self.assertEqual(ask(proxy.port, origin.url())[0].status, 200)
        for port in (proxy.port, proxy.admin):
            for host in ("127.0.0.1", "127.1", "localhost"):
                self.assertIn(ask(proxy.port, f"http://{host}:{port}/metrics")[0].status, (403, 421, 502), (host, port))
            with Peer.connect(proxy.port) as peer:
                peer.send(get(f"127.0.0.1:{port}", method="CONNECT", host=f"127.0.0.1:{port}"))
                self.assertIn(peer.read_head().status, (403, 421, 502))
        # "localhost" may be ::1 as well, where nobody listens; workers write their events in no order.
        self.assertEqual(proxy.event(url__port=proxy.admin, url__domain="127.0.0.1")["rule.name"], "protect-host")

    def test_never(self):
        proxy = self.sluice([rule("everything", 'http.request.method == "GET"', "allow")])
        for host in ("169.254.169.254", "100.100.100.200", "169.254.1.1", "224.0.0.1", "[fe80::1]", "[ff02::1]", "[fd00:ec2::254]", "[::ffff:169.254.169.254]",
                     "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::]", "255.255.255.255"):
            head, _ = ask(proxy.port, f"http://{host}/latest/meta-data/")
            self.assert_refusal(head, head.status, ["destination_ip_prohibited", "http_request_denied"])
            self.assertIn(head.status, (403, 502), host)
        event = proxy.event(url__domain="169.254.169.254")
        self.assertEqual((event["event.action"], event["rule.name"]), ("blocked", "protect-host"))

    def test_names_that_point_there(self):
        proxy = self.sluice()
        proxy.hosts.write_text("169.254.169.254 innocent.example\n")
        from harness import until
        until(lambda: ask(proxy.port, "http://innocent.example/")[0].status == 403, "the refusal by address", 15)

    def test_turned_off_by_its_name(self):
        proxy = self.sluice(builtin={"protect-host": False})
        self.assertEqual(ask(proxy.port, f"http://127.0.0.1:{proxy.admin}/healthz")[0].status, 200)


def can_make_namespaces():
    if os.geteuid() != 0 or not shutil.which("ip"):
        return False
    name = f"sluice-try-{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True).returncode:
        return False
    # Entering it wants a root that is a mount of its own, which that of a chroot is not.
    entered = subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], capture_output=True)
    subprocess.run(["ip", "netns", "del", name], capture_output=True)
    return entered.returncode == 0


CLIENT = """
import sys
sys.path.insert(0, {folder!r})
from wire import ask
for url in sys.argv[2:]:
    host, port = sys.argv[1].rsplit(":", 1)
    import wire
    with wire.Peer.connect(int(port), host) as peer:
        peer.send(wire.get(url))
        print(peer.read_response()[0].status, flush=True)
"""


@unittest.skipUnless(can_make_namespaces(), "needs root and network namespaces")
class FromElsewhere(SystemTest):
    """A client that is not on loopback: in a network namespace of its own, joined by a pair of virtual interfaces."""

    def test_the_machine_itself_is_out_of_reach(self):
        number = os.getpid() % 200 + 20
        name = f"sluice-{os.getpid()}"
        ours, theirs = f"192.168.{number}.1", f"192.168.{number}.2"

        def run(*words):
            subprocess.run(words, check=True, capture_output=True)
        run("ip", "netns", "add", name)
        self.addCleanup(subprocess.run, ["ip", "netns", "del", name], capture_output=True)
        link = f"slc{os.getpid() % 100000}"
        run("ip", "link", "add", link, "type", "veth", "peer", "name", "inside", "netns", name)
        self.addCleanup(subprocess.run, ["ip", "link", "del", link], capture_output=True)
        run("ip", "addr", "add", f"{ours}/24", "dev", link)
        run("ip", "link", "set", link, "up")
        run("ip", "-n", name, "addr", "add", f"{theirs}/24", "dev", "inside")
        run("ip", "-n", name, "link", "set", "inside", "up")
        run("ip", "-n", name, "link", "set", "lo", "up")

        local = Origin(echoing)
        self.addCleanup(local.close)
        exposed = Origin(echoing, host="0.0.0.0")
        self.addCleanup(exposed.close)
        port = free_port()
        proxy = self.sluice(http={"listen": [f"0.0.0.0:{port}"]})
        server = subprocess.Popen(["ip", "netns", "exec", name, sys.executable, "-m", "http.server", "8000", "--bind", theirs],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder())
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        from harness import until
        until(lambda: ask(port, f"http://{theirs}:8000/")[0].status == 200, "the server in the namespace")
        refused = [f"http://127.0.0.1:{local.port}/", f"http://{ours}:{exposed.port}/", f"http://0.0.0.0:{exposed.port}/", f"http://[::1]:{local.port}/",
                   f"http://[::ffff:127.0.0.1]:{local.port}/", f"http://2130706433:{local.port}/", f"http://localhost:{local.port}/",
                   f"http://{ours}:{port}/", f"http://127.0.0.1:{proxy.admin}/metrics"]
        done = subprocess.run(["ip", "netns", "exec", name, sys.executable, "-c", CLIENT.format(folder=str(ROOT / "tests/system")), f"{ours}:{port}",
                               f"http://{theirs}:8000/", *refused], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.stderr, "")
        statuses = [int(line) for line in done.stdout.split()]
        self.assertEqual(statuses[0], 200, "the namespace's own server is no secret of ours")
        for url, status in zip(refused, statuses[1:], strict=True):
            self.assertIn(status, (403, 421, 502), url)
        self.assertEqual((local.accepted, exposed.accepted), (0, 0))
        self.assertEqual(proxy.event(client__ip=theirs, event__action="allowed")["server.ip"], theirs)
