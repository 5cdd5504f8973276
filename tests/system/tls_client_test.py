# SPDX-License-Identifier: Apache-2.0
"""Clients of decrypted HTTPS: what is tunnelled all the same, sessions, clients that do not believe in us, and many at once."""
import os
import resource
import ssl
import subprocess
import threading
import time
import unittest

from harness import SANITIZED, curl, rule, until
from tls import Shown, TlsTest, connect, open_tls, openssl, raw_hello, s_client, tls_client
from wire import Closed, Peer, echoing, get

LONG = os.environ.get("SLUICE_LONG") == "1"


class Tunnels(TlsTest):
    kinds = ("good", "h2")

    def certificate(self, kind, ca, **keys):
        peer = open_tls(self.proxy.port, self.origins.host(kind), tls_client(ca, **keys))
        serial = Shown.of(peer).serial
        peer.close()
        return serial

    def test_by_name_the_client_sees_the_servers_own_certificate(self):
        self.own([rule("leave", 'url.domain == "good.test"', "tunnel")])
        self.assertEqual(self.certificate("good", self.pki.root), Shown(self.origins.certificates["good"].leaf.read_text()).serial)
        event = self.connect_event("good.test")
        self.assertEqual((event["event.action"], event["rule.name"], event["scan.verdict"], event["scan.reason"]), ("tunnelled", "leave", "skipped", "tunnel"))
        self.assertEqual(event["tls.client.server_name"], "good.test")
        self.assertRegex(event["tls.client.ja4"], "^t13d[0-9]{4}[0-9a-z]{2}_[0-9a-f]{12}_[0-9a-f]{12}$")
        self.assertNotIn("tls.version", event)

    def test_by_a_rule_of_phase_tls(self):
        self.own([rule("leave", 'tls.client.server_name == "good.test"', "tunnel")])
        self.assertEqual(self.certificate("good", self.pki.root), Shown(self.origins.certificates["good"].leaf.read_text()).serial)
        self.assertEqual(self.connect_event("good.test")["rule.name"], "leave")

    def test_the_earlier_phase_says_which(self):
        self.own([rule("decrypt", 'tls.client.server_name == "good.test"', "intercept"), rule("leave", 'url.domain == "good.test"', "tunnel")])
        self.assertEqual(self.certificate("good", self.pki.root), Shown(self.origins.certificates["good"].leaf.read_text()).serial)

    def test_intercept_by_rule_alone(self):
        self.own([rule("decrypt", 'url.domain == "good.test"', "intercept"), rule("hidden", 'url.path == "/hidden"', "block")], {"intercept": False})
        self.assertEqual(self.fetch(self.origins.at("good", "/hidden"))[:3], (200, 403, 0))
        self.assertEqual(self.curl(self.origins.at("good", "/open")).stdout, b"the secret of good\n")
        origin = self.origin(echoing)
        self.assertEqual(self.curl(f"https://a.test:{origin.port}/hidden", ca=self.pki.root).stdout[:15], b"GET /hidden HTT")
        self.assertEqual(self.connect_event("a.test")["event.action"], "tunnelled")

    def test_other_protocols_are_left_alone_and_counted(self):
        self.own()
        self.assertEqual(self.certificate("h2", self.pki.root, protocols=["h2"]), Shown(self.origins.certificates["h2"].leaf.read_text()).serial)
        event = self.connect_event("h2.test")
        self.assertEqual((event["event.action"], event["scan.verdict"], event["scan.reason"]), ("tunnelled", "skipped", "tunnel"))
        name = 'sluice_payloads_total{scan_verdict="skipped",scan_reason="tunnel",scan_engine=""}'
        self.assertGreaterEqual(self.proxy.metrics().get(name, 0), 1)
        self.assertNotEqual(self.certificate("h2", self.proxy.ca, protocols=["h2", "http/1.1"]),
                            Shown(self.origins.certificates["h2"].leaf.read_text()).serial)

    def test_other_protocols_are_blocked_where_a_rule_blocks(self):
        self.own([rule("no-h2", 'tls.client.server_name == "h2.test" and not (tls.client.ja4 contains "h1_")', "block")])
        origin = self.origin(echoing)
        for protocols in (["h2"], ["x-other"]):
            try:
                peer = open_tls(self.proxy.port, self.origins.host("h2"), tls_client(protocols=protocols))
                self.assertNotEqual(Shown.of(peer).serial, Shown(self.origins.certificates["h2"].leaf.read_text()).serial)
                peer.close()
            except (OSError, Closed):
                pass
        self.proxy.event(count=2, http__request__method="CONNECT", rule__name="no-h2", event__action="blocked")
        self.assertEqual(self.fetch(f"https://a.test:{origin.port}/")[1], 200)

    def test_a_reload_ends_tunnels_that_may_not_be(self):
        self.own([rule("leave", 'url.domain == "good.test"', "tunnel")])
        peer = open_tls(self.proxy.port, self.origins.host("good"), tls_client(self.pki.root))
        peer.send(get("/before", host=self.origins.host("good")))
        self.assertEqual(peer.read_response()[0].status, 200)
        self.proxy.configure([rule("cut", 'url.domain == "good.test"', "block")])
        self.assertEqual(self.proxy.command("reload").returncode, 0)
        with self.assertRaises((Closed, OSError)):
            peer.read_exact(1)
        self.connect_event("good.test", rule__name="cut")

    def test_a_reload_judges_what_is_inside(self):
        self.own()
        peer = open_tls(self.proxy.port, self.origins.host("good"), tls_client(self.proxy.ca))
        request = get("/inside", host=self.origins.host("good"))
        peer.send(request)
        self.assertEqual(peer.read_response()[0].status, 200)
        self.proxy.configure([rule("no-more", 'url.path == "/inside"', "block")])
        self.assertEqual(self.proxy.command("reload").returncode, 0)

        def refused():
            peer.send(request)
            return peer.read_response()[0].status == 403
        until(refused, "the new policy")
        peer.close()


class Sessions(TlsTest):
    kinds = ("good", "rsa", "tls12")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.proxy = cls.decrypting()

    def request(self, path="/", kind="good"):
        return f"GET {path} HTTP/1.1\r\nHost: {self.origins.host(kind)}\r\nConnection: close\r\n\r\n"

    def saved(self, *args):
        """The file of a session that the proxy gave to a client of good.test."""
        file = self.folder() / "session.pem"
        output = s_client(self.proxy.port, self.origins.host("good"), "-CAfile", self.proxy.ca, "-sess_out", file, "-ign_eof", *args,
                          send=self.request("/first"))
        self.assertIn("the secret of good", output)
        self.assertIn("New, TLSv1", output)
        return file

    def test_clients_resume(self):
        for version in ("-tls1_3", "-tls1_2"):
            with self.subTest(version=version):
                file = self.saved(version)
                output = s_client(self.proxy.port, self.origins.host("good"), "-CAfile", self.proxy.ca, "-sess_in", file, "-ign_eof", version,
                                  send=self.request(f"/resumed{version}"))
                self.assertIn("Reused, TLSv1", output)
                self.assertIn("the secret of good", output)
                self.assertIs(self.proxy.event(url__path=f"/resumed{version}")["tls.resumed"], True)
        self.assertGreaterEqual(self.proxy.metrics()['sluice_tls_client_handshakes_total{result="resumed"}'], 2)

    def test_a_session_is_of_its_name(self):
        file = self.saved()
        output = s_client(self.proxy.port, self.origins.host("rsa"), "-CAfile", self.proxy.ca, "-sess_in", file, "-ign_eof",
                          send=self.request("/other", "rsa"))
        self.assertIn("New, TLSv1.3", output)
        self.assertIn("the secret of rsa", output)

    def test_servers_are_resumed(self):
        name = 'sluice_tls_server_handshakes_total{result="resumed"}'
        for kind in ("good", "tls12"):
            before = self.proxy.metrics()[name]
            for number in range(6):                                                  # the server closes after each; each worker has its own
                self.assertEqual(self.curl(self.origins.at(kind, f"/close/{number}")).stdout, f"the secret of {kind}\n".encode())
            self.assertGreaterEqual(self.proxy.metrics()[name] - before, 4, kind)

    def test_early_data_is_not_offered(self):
        text = openssl("sess_id", "-in", self.saved("-tls1_3"), "-noout", "-text")
        self.assertRegex(text, r"Max Early Data: 0\n")

    def test_early_data_is_refused(self):
        """A client that sends it all the same: rejected, and what was in it is not done."""
        session = with_early_data(self.saved("-tls1_3"))
        early = self.folder() / "early"
        early.write_text(self.request("/early").replace("Connection: close\r\n", ""))
        output = s_client(self.proxy.port, self.origins.host("good"), "-CAfile", self.proxy.ca, "-sess_in", session, "-early_data", early, "-ign_eof",
                          send=self.request("/late"))
        self.assertIn("Early data was rejected", output)
        self.assertIn("the secret of good", output)
        self.proxy.event(url__path="/late")
        self.assertEqual([event for event in self.proxy.events() if event.get("url.path") == "/early"], [])
        self.assertNotIn("/early", self.origins.log("good"))

    def test_renegotiation_is_refused(self):
        process = subprocess.Popen(["openssl", "s_client", "-proxy", f"127.0.0.1:{self.proxy.port}", "-connect", self.origins.host("good"), "-servername",
                                    "good.test", "-CAfile", str(self.proxy.ca), "-tls1_2"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        process.stdin.write(b"R\n")
        process.stdin.flush()
        watchdog = threading.Timer(20, process.kill)
        watchdog.start()
        output = process.stdout.read().decode(errors="replace")                      # it ends by itself: there is no going on after a refusal
        watchdog.cancel()
        process.stdin.close()
        self.assertIn("RENEGOTIATING", output)
        self.assertRegex(output, "no renegotiation|handshake failure|unexpected message")
        self.assertNotEqual(process.wait(10), -9)

    def test_versions_before_1_2_are_refused(self):
        output = s_client(self.proxy.port, self.origins.host("good"), "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
        self.assertRegex(output, "alert protocol version|no protocols available|unsupported protocol")
        self.assertNotIn("BEGIN CERTIFICATE", output)


def with_early_data(file):
    """The session, changed so that a client thinks it may send early data: max_early_data is [15] EXPLICIT INTEGER of SSL_SESSION."""
    der = openssl("sess_id", "-in", file, "-outform", "DER", text=False)

    def header(at):
        size = der[at + 1]
        if size < 0x80:
            return at + 2, size
        octets = size & 0x7f
        return at + 2 + octets, int.from_bytes(der[at + 2:at + 2 + octets], "big")
    body, _ = header(0)
    at = body
    while at < len(der) and (der[at] & 0xe0 != 0xa0 or der[at] & 0x1f <= 15):
        start, size = header(at)
        at = start + size
    content = der[body:at] + bytes.fromhex("af0402024000") + der[at:]
    changed = file.with_name("changed.pem")
    body = ssl.DER_cert_to_PEM_cert(b"\x30\x82" + len(content).to_bytes(2, "big") + content)
    changed.write_text(body.replace("CERTIFICATE", "SSL SESSION PARAMETERS"))
    return changed


class Distrust(TlsTest):
    kinds = ("good", "rsa", "h2")

    def refuse(self, kind, source="127.0.0.1", path="/"):
        """A client that does not know our CA: it believes in the server alone."""
        return curl("--cacert", self.pki.root, "--interface", source, self.origins.at(kind, path), proxy=self.proxy.port, check=False)

    def listed(self, kind):
        return next((entry for entry in self.proxy.status()["tls_refused"] if entry["name"] == f"{kind}.test"), None)

    def test_it_is_noticed_and_listed(self):
        self.own()
        self.assertIsNone(self.listed("good"))
        self.assertEqual(self.refuse("good", path="/never").returncode, 60)
        event = self.connect_event("good.test")
        self.assertEqual((event["event.action"], event["error.type"], event["event.outcome"]), ("failed", "tls_alert_received", "failure"))
        self.assertIn("unknown_ca", event["event.reason"])
        self.assertEqual(event["tls.client.server_name"], "good.test")
        entry = until(lambda: self.listed("good"), "the name in the status")
        self.assertEqual((entry["clients"], entry["failures"], entry["enough_to_exempt"]), (1, 1, False))
        self.assertNotIn("/never", self.origins.log("good"))
        self.assertEqual(self.proxy.metrics()['sluice_tls_client_handshakes_total{result="refused"}'], 1)
        self.assertEqual(self.curl(self.origins.at("good")).returncode, 0)

    def test_clients_that_just_leave(self):
        self.own()
        for end in ("close", "reset"):
            peer = connect(self.proxy.port, self.origins.host("good"))
            peer.send(raw_hello("good.test"))
            self.assertEqual(peer.read_exact(1), b"\x16")
            peer.reset() if end == "reset" else peer.close()
        self.connect_event("good.test", count=2, event__action="failed")
        self.assertEqual(until(lambda: self.listed("good"), "the name in the status")["failures"], 2)

    def test_off(self):
        self.own(tls={"learn": "off"})
        self.assertEqual(self.refuse("good").returncode, 60)
        self.connect_event("good.test", event__action="failed")
        self.assertEqual(self.proxy.status()["tls_refused"], [])

    def distrust(self, kind, sources=("127.0.0.1", "127.0.0.2", "127.0.0.3"), times=3):
        for source in sources:
            for _ in range(times):
                self.assertEqual(self.refuse(kind, source).returncode, 60, source)

    def test_suggest_exempts_nobody(self):
        self.own()
        self.distrust("good")
        self.assertEqual(self.refuse("good").returncode, 60)
        entry = until(lambda: (found := self.listed("good")) and found["failures"] == 10 and found, "ten failures")
        self.assertEqual((entry["clients"], entry["enough_to_exempt"]), (3, True))

    def test_apply(self):
        self.own([rule("surely", 'url.domain == "rsa.test"', "intercept")], {"learn": "apply"})
        self.distrust("good", times=2)
        self.distrust("good", ("127.0.0.1", "127.0.0.2"), times=1)
        self.assertEqual(self.refuse("good", "127.0.0.3").returncode, 60)            # its third
        until(lambda: self.listed("good")["enough_to_exempt"], "enough failures")
        for source in ("127.0.0.1", "127.0.0.2", "127.0.0.3"):
            done = self.refuse("good", source)
            self.assertEqual((done.returncode, done.stdout), (0, b"the secret of good\n"))
        events = self.connect_event("good.test", count=3, event__action="tunnelled")
        self.assertEqual({event["scan.reason"] for event in events}, {"tunnel"})
        self.assertEqual(self.refuse("good", "127.0.0.4").returncode, 60)            # who did not fail is not exempt
        self.assertEqual(self.refuse("h2", "127.0.0.1").returncode, 60)              # nor is another name

    def test_an_exempt_name_opens_no_way_to_others(self):
        """Who may reach one server undecrypted names it in a ClientHello to another."""
        self.own(tls={"learn": "apply"})
        self.distrust("good")
        self.assertEqual(self.refuse("good").stdout, b"the secret of good\n")
        origin = self.origin(echoing)
        for connect_name, hello_name in (("a.test", "good.test"), ("good.test", "a.test")):
            peer = open_tls(self.proxy.port, f"{connect_name}:{origin.port}", tls_client(), name=hello_name)
            self.assertIn("Sluice", Shown.of(peer).issuer, (connect_name, hello_name))
            peer.close()

    def test_apply_never_where_a_rule_decrypts(self):
        self.own([rule("surely", 'url.domain == "rsa.test"', "intercept"), rule("surely-too", 'tls.client.server_name == "h2.test"', "intercept")],
                 {"learn": "apply"})
        for kind in ("rsa", "h2"):
            self.distrust(kind)
            until(lambda: (self.listed(kind) or {}).get("failures") == 9, "nine failures")
            for source in ("127.0.0.1", "127.0.0.2", "127.0.0.3"):
                self.assertEqual(self.refuse(kind, source).returncode, 60)
            self.assertEqual(self.origins.log(kind), "")

    def test_two_clients_are_not_enough(self):
        self.own(tls={"learn": "apply"})
        self.distrust("good", ("127.0.0.1", "127.0.0.2"), times=6)
        self.distrust("good", ("127.0.0.3",), times=2)
        self.assertEqual(self.refuse("good").returncode, 60)


class Storm(TlsTest):
    alone = True

    def test_clients_that_stop_after_the_hello_leave_others_served(self):
        count = 2000 if LONG else 300
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < count + 500:
            raise unittest.SkipTest("too few descriptors")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192) if hard != resource.RLIM_INFINITY else 8192), hard))
        self.own(limits={"connections_per_client": count + 100})
        self.assertEqual(self.curl(self.origins.at("good", "/warm")).returncode, 0)
        authority = self.origins.host("good")
        request = get(authority, method="CONNECT", host=authority)
        hello = raw_hello("good.test")
        peers = []
        try:
            for _ in range(count):
                peer = Peer.connect(self.proxy.port)
                peers.append(peer)
                peer.send(request)
            for peer in peers:
                self.assertEqual(peer.read_head().status, 200)
            begun = time.monotonic()
            for peer in peers:
                peer.send(hello)
            for number in range(10):
                before = time.monotonic()
                self.assertEqual(self.curl("--interface", "127.0.0.9", self.origins.at("good", f"/calm/{number}")).stdout, b"the secret of good\n")
                self.assertLess(time.monotonic() - before, 8 if SANITIZED and LONG else 2)
            self.assertLess(time.monotonic() - begun, 20)
        finally:
            for peer in peers:
                peer.close()
        until(lambda: self.proxy.status()["client_connections"] == 0, "the places of those who left", 30)
        self.assertEqual(self.curl(self.origins.at("good", "/after")).returncode, 0)
