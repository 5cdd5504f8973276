# SPDX-License-Identifier: Apache-2.0
"""What stands beside the traffic: /proxy.pac, health, metrics, status."""
import re
import signal
import threading

from harness import SystemTest, curl, rule, until
from wire import Closed, Origin, Peer, ask, echoing, get, response


def admin(proxy, path, method="GET", host="localhost"):
    with Peer.connect(proxy.admin) as peer:
        peer.send(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")
        return peer.read_response(method)


class Admin(SystemTest):
    @classmethod
    def setUpClass(cls):
        cls.origin = Origin(echoing)
        cls.addClassCleanup(cls.origin.close)
        cls.proxy = cls.shared([rule("no", 'url.path == "/no"', "block")])

    def test_health(self):
        for path in ("/healthz", "/readyz"):
            self.assertEqual(admin(self.proxy, path)[0].status, 200)
            self.assertEqual(admin(self.proxy, path, "HEAD")[0].status, 200)

    def test_not_found(self):
        for path in ("/", "/api", "/metricsx", "/..", "/proxy.pac"):
            self.assertEqual(admin(self.proxy, path)[0].status, 404)
        self.assertIn(admin(self.proxy, "/metrics", "POST")[0].status, (405, 501))

    def test_nonsense_is_cut(self):
        with Peer.connect(self.proxy.admin) as peer:
            peer.send(b"\x16\x03\x01\r\n\r\n")
            try:
                self.assertEqual(peer.read_response()[0].status, 400)
            except Closed:
                pass

    def test_metrics_are_prometheus_text(self):
        for path in ("/ok", "/no"):
            ask(self.proxy.port, self.origin.url(path))
        self.proxy.event(url__path="/no")
        head, body = admin(self.proxy, "/metrics")
        self.assertEqual(head.status, 200)
        self.assertRegex(head.get("content-type"), r"^text/plain; *version=0\.0\.4")
        typed, samples = {}, 0
        for line in body.decode().split("\n")[:-1]:
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                self.assertNotIn(name, typed, "a family stands once")
                typed[name] = kind
            elif line.startswith("# HELP "):
                self.assertGreater(len(line.split(" ", 3)), 3, line)
            else:
                match = re.fullmatch(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\.)*",?)*\})? (-?[0-9.eE+-]+|[+-]Inf|NaN)', line)
                self.assertTrue(match, line)
                family = match.group(1)
                base = re.sub(r"_(bucket|sum|count)$", "", family)
                self.assertTrue(family in typed or typed.get(base) == "histogram", line)
                samples += 1
        self.assertGreater(samples, 20)
        for name, kind in typed.items():
            self.assertEqual(kind == "counter", name.endswith("_total"), name)
        metrics = self.proxy.metrics()
        self.assertGreaterEqual(metrics['sluice_events_total{event_action="blocked"}'], 1)
        self.assertTrue(any('rule_name="no"' in name and value >= 1 for name, value in metrics.items()))
        self.assertTrue(any(name.startswith("process_") for name in metrics))

    def test_counters_agree_with_the_log(self):
        origin = Origin(echoing)
        self.addCleanup(origin.close)
        proxy = self.sluice()
        for _ in range(30):
            ask(proxy.port, origin.url())
        proxy.event(count=30, event__action="allowed")
        until(lambda: proxy.metrics().get('sluice_events_total{event_action="allowed"}') == 30, "30 in the metrics")

    def test_status(self):
        status = self.proxy.status()
        self.assertIsInstance(status, dict)
        self.assertIn(str(self.proxy.pid), str(status))
        done = self.proxy.command("status")
        self.assertEqual(done.returncode, 0)
        self.assertTrue(done.stdout.strip())

    def test_pac(self):
        with Peer.connect(self.proxy.port) as peer:
            peer.send(f"GET /proxy.pac HTTP/1.1\r\nHost: 127.0.0.1:{self.proxy.port}\r\n\r\n")
            head, body = peer.read_response()
        self.assertEqual(head.status, 200)
        self.assertEqual(head.get("content-type").split(";")[0], "application/x-ns-proxy-autoconfig")
        self.assertIn(b"function FindProxyForURL(url, host)", body)
        self.assertIn(f"PROXY 127.0.0.1:{self.proxy.port}".encode(), body)
        with Peer.connect(self.proxy.port) as peer:
            peer.send(f"GET /else HTTP/1.1\r\nHost: 127.0.0.1:{self.proxy.port}\r\n\r\n")
            head, _ = peer.read_response()
            self.assertGreaterEqual(head.status, 400)
            self.assertIn("sluice", head.get("proxy-status") or "")

    def test_pac_host_is_not_believed_blindly(self):
        with Peer.connect(self.proxy.port) as peer:
            peer.send('GET /proxy.pac HTTP/1.1\r\nHost: evil";alert(1);"\r\n\r\n')
            head, body = peer.read_response()
            self.assertNotIn(b"alert(1)", body)

    def test_not_ready_while_draining(self):
        go = threading.Event()

        def handle(peer):
            peer.read_request()
            go.wait(20)
            peer.send(response(b""))
        origin = Origin(handle)
        self.addCleanup(origin.close)
        self.addCleanup(go.set)
        proxy = self.sluice(limits={"drain": "20s"})
        with Peer.connect(proxy.port) as peer:
            peer.send(get(origin.url()))
            until(lambda: origin.accepted, "the request")
            proxy.signal(signal.SIGTERM)
            until(lambda: admin(proxy, "/readyz")[0].status == 503, "503 from /readyz")
            self.assertEqual(admin(proxy, "/healthz")[0].status, 200)
            go.set()
            peer.read_response()
