# SPDX-License-Identifier: Apache-2.0
"""Rules as an administrator writes them, from the request to the answer, the header and the log."""
import base64
import gzip
import subprocess
import time

from harness import SystemTest, rule, until
from mmdb import database
from wire import Closed, Origin, Peer, answering, ask, echoing, get, response


def basic(user, password):
    return "Proxy-Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class WithOrigin(SystemTest):
    def setUp(self):
        self.origin = Origin(echoing)
        self.addCleanup(self.origin.close)

    def ask(self, path="/", *fields, **keys):
        return ask(self.proxy.port, self.origin.url(path), *fields, **keys)


class Actions(WithOrigin):
    def test_block_with_reason_and_status(self):
        self.proxy = self.sluice([rule("no", 'url.path starts_with "/no"', "block", reason="Not on this network."),
                                  rule("gone", 'url.path == "/gone"', "block", status=451)])
        head, body = self.ask("/no/x", "Accept: text/plain")
        self.assert_refusal(head, 403, "http_request_denied")
        self.assertIn(b"Not on this network.", body)
        event = self.proxy.event(url__path="/no/x")
        self.assertEqual((event["event.action"], event["rule.name"], event["event.reason"]), ("blocked", "no", "Not on this network."))
        self.assertIn("denied", event["event.type"])
        self.assert_refusal(self.ask("/gone")[0], 451)
        self.assertEqual(self.ask("/yes")[0].status, 200)
        self.assertEqual(self.origin.accepted, 1)

    def test_the_connection_lives_on_after_a_block(self):
        self.proxy = self.sluice([rule("no", 'url.path == "/no"', "block")])
        with Peer.connect(self.proxy.port) as peer:
            for path, status in (("/no", 403), ("/a", 200), ("/no", 403), ("/b", 200)):
                peer.send(get(self.origin.url(path), method="POST", body=b"z" * 3000))
                self.assertEqual(peer.read_response()[0].status, status)

    def test_allow_ends_the_phase(self):
        self.proxy = self.sluice([rule("yes", 'url.path == "/a"', "allow"), rule("no", 'http.request.method == "GET"', "block")])
        self.assertEqual(self.ask("/a")[0].status, 200)
        self.assertEqual(self.proxy.event(url__path="/a")["rule.name"], "yes")
        self.assertEqual(self.ask("/b")[0].status, 403)

    def test_default_block(self):
        self.proxy = self.sluice([rule("yes", 'url.path == "/a"', "allow")], policy={"default": "block"})
        self.assertEqual(self.ask("/a")[0].status, 200)
        head, _ = self.ask("/b")
        self.assert_refusal(head, 403)
        self.proxy.event(url__path="/b", event__action="blocked")

    def test_trust_overrides_later_phases(self):
        self.proxy = self.sluice([rule("trusted", 'url.path == "/a"', "trust"), rule("status", "http.response.status_code == 200", "block")])
        self.assertEqual(self.ask("/a")[0].status, 200)
        self.assertEqual(self.ask("/b")[0].status, 403)

    def test_reset(self):
        self.proxy = self.sluice([rule("gone", 'url.path == "/gone"', "reset")])
        with Peer.connect(self.proxy.port) as peer:
            peer.send(get(self.origin.url("/gone")))
            self.assertEqual(peer.ended(), "reset")
        self.proxy.event(url__path="/gone", event__action="reset", rule__name="gone")

    def test_redirect(self):
        self.proxy = self.sluice([rule("away", 'url.path starts_with "/old"', "redirect", to="http://new.example/here")])
        head, _ = self.ask("/old")
        self.assertEqual((head.status, head.get("location")), (302, "http://new.example/here"))
        self.assertTrue((head.get("proxy-status") or "").startswith("sluice"))
        head, _ = self.ask("/old", method="POST", body=b"x")
        self.assertEqual(head.status, 307)
        self.proxy.event(count=2, event__action="redirected", rule__name="away")

    def test_limit(self):
        self.proxy = self.sluice([rule("slow", 'url.path starts_with "/api"', "limit", rate="1/h", burst=3, per=["client.ip"])])
        statuses = []
        with Peer.connect(self.proxy.port) as peer:
            for _ in range(5):
                peer.send(get(self.origin.url("/api")))
                head, _ = peer.read_response()
                statuses.append(head.status)
        self.assertEqual(statuses, [200, 200, 200, 429, 429])
        self.assert_refusal(head, 429)
        self.assertGreater(int(head.get("retry-after")), 0)
        self.assertEqual(self.ask("/other")[0].status, 200)
        self.assertEqual(self.ask("/api", source="127.0.0.7")[0].status, 200)
        self.proxy.event(count=2, event__action="limited", rule__name="slow")

    def test_limit_is_exact_over_all_workers(self):
        self.proxy = self.sluice([rule("few", 'url.path == "/few"', "limit", rate="1/h", burst=10)], top={"workers": 2})
        statuses = [self.ask("/few")[0].status for _ in range(30)]
        self.assertEqual(statuses.count(200), 10)

    def test_tags_and_shadow(self):
        self.proxy = self.sluice([rule("mark", 'url.path starts_with "/t"', "tag", tags=["seen", "x"]),
                                  rule("would", 'url.path == "/t"', "block", mode="shadow"),
                                  rule("tagged", 'tags == "seen" and url.query == "block"', "block")])
        self.assertEqual(self.ask("/t")[0].status, 200)
        event = self.proxy.event(url__path="/t")
        self.assertEqual(sorted(event["tags"]), ["seen", "x"])
        self.assertEqual(event["rule.shadow"], ["would"])
        self.assertNotEqual(event.get("rule.name"), "would")
        self.assertEqual(self.ask("/t?block")[0].status, 403)

    def test_header_actions(self):
        self.proxy = self.sluice([rule("set", 'url.path == "/h"', "set_request_header", header="X-Zone", value="inside"),
                                  rule("drop", 'url.path == "/h"', "remove_request_header", header="X-Leak"),
                                  rule("safe", 'url.path == "/h"', "set_response_header", header="X-Frame-Options", value="DENY"),
                                  rule("quiet", 'url.path == "/h"', "remove_response_header", header="Server")])
        origin = Origin(answering(lambda head, body: response(head.raw, "200 OK", "Server: secret/1.0", "X-Frame-Options: ALLOW")))
        self.addCleanup(origin.close)
        head, body = ask(self.proxy.port, origin.url("/h"), "X-Leak: 1", "x-leak: 2", "X-Zone: outside")
        self.assertIn(b"\r\nX-Zone: inside\r\n", body)
        self.assertNotIn(b"outside", body)
        self.assertNotIn(b"leak", body.lower())
        self.assertEqual(head.all("x-frame-options"), ["DENY"])
        self.assertIsNone(head.get("server"))

    def test_response_phase(self):
        origin = Origin(answering(lambda head, body: response(
            b"payload", "503 Busy" if head.target == "/busy" else "200 OK",
            "Content-Type: application/x-msdownload" if head.target == "/exe" else "Content-Type: text/html; charset=utf-8")))
        self.addCleanup(origin.close)
        self.proxy = self.sluice([rule("exe", 'http.response.content_type == "application/x-msdownload"', "block"),
                                  rule("busy", "http.response.status_code == 503", "block", status=500)])
        self.assertEqual(ask(self.proxy.port, origin.url("/"))[0].status, 200)
        head, body = ask(self.proxy.port, origin.url("/exe"))
        self.assert_refusal(head, 403)
        self.assertNotIn(b"payload", body)
        self.assertEqual(ask(self.proxy.port, origin.url("/busy"))[0].status, 500)
        self.assertEqual(ask(self.proxy.port, origin.url("/"))[0].status, 200)
        self.proxy.event(rule__name="exe", event__action="blocked")

    def test_dial_phase(self):
        self.proxy = self.sluice([rule("range", "server.ip in 127.0.0.0/8", "block")])
        before = self.origin.accepted
        self.assert_refusal(self.ask()[0], 403)
        self.assertEqual(self.origin.accepted, before)
        self.proxy.event(rule__name="range")

    def test_dial_phase_judges_each_address(self):
        """Two addresses, one refused: the other is dialled."""
        self.proxy = self.sluice([rule("range", "server.ip == 127.0.0.1", "block")])
        origin = Origin(echoing, host="127.0.0.2")
        self.addCleanup(origin.close)
        self.proxy.hosts.write_text("127.0.0.1 two.example\n127.0.0.2 two.example\n")
        until(lambda: ask(self.proxy.port, f"http://two.example:{origin.port}/")[0].status == 200, "the hosts file")
        self.assertEqual(self.proxy.event(url__domain="two.example", http__response__status_code=200)["server.ip"], "127.0.0.2")

    def test_trust_of_one_address_is_not_trust_of_another(self):
        """Nobody listens at the trusted address: the other one stays refused."""
        self.proxy = self.sluice([rule("trusted", "server.ip == 127.0.0.2", "trust"), rule("kept-out", "server.ip == 127.0.0.1", "block")])
        self.proxy.hosts.write_text(self.proxy.hosts.read_text() + "127.0.0.2 both.example\n127.0.0.1 both.example\n")
        url = self.origin.url().replace("127.0.0.1", "both.example")
        until(lambda: "dns_error" not in (ask(self.proxy.port, url)[0].get("proxy-status") or ""), "the hosts file", 15)
        self.assertNotEqual(ask(self.proxy.port, url)[0].status, 200)
        self.assertFalse([event for event in self.proxy.events() if event.get("url.domain") == "both.example" and event["http.response.status_code"] == 200])

    def test_connect_phase_refuses_a_client(self):
        self.proxy = self.sluice([rule("guest", "client.ip == 127.0.0.9", "block")])
        self.assertEqual(self.ask()[0].status, 200)
        self.assertEqual(self.ask(source="127.0.0.9")[0].status, 403)
        self.proxy.event(rule__name="guest", client__ip="127.0.0.9")


class Countries(WithOrigin):
    def test_of_a_database_and_of_its_next_version(self):
        folder = self.folder()
        (folder / "country.mmdb").write_bytes(database({"127.0.0.2/32": "FR", "127.0.0.0/31": "DE"}))
        self.proxy = self.sluice([rule("away", 'client.geo.country_iso_code == "FR"', "block"),
                                  rule("there", 'server.geo.country_iso_code == "FR"', "block")], geo={"country": str(folder / "country.mmdb")})
        self.assertEqual(self.proxy.command("check").stderr, "")
        self.assertEqual(self.ask("/home")[0].status, 200)
        event = self.proxy.event(url__path="/home")
        self.assertEqual((event["client.geo.country_iso_code"], event["server.geo.country_iso_code"]), ("DE", "DE"))
        self.assert_refusal(self.ask(source="127.0.0.2")[0], 403)
        self.proxy.event(rule__name="away", client__geo__country_iso_code="FR")
        (folder / "country.mmdb").write_bytes(b"no longer one")
        self.assertNotEqual(self.proxy.command("reload").returncode, 0)
        self.assert_refusal(self.ask(source="127.0.0.2")[0], 403)
        (folder / "country.mmdb").write_bytes(database({"127.0.0.2/32": "IT"}))
        self.assertEqual(self.proxy.command("reload").returncode, 0)
        self.assertEqual(self.ask("/now", source="127.0.0.2")[0].status, 200)
        self.assertNotIn("server.geo.country_iso_code", self.proxy.event(url__path="/now"))
        (folder / "country.mmdb").write_bytes(database({"127.0.0.2/32": "FR"}))
        self.assertIn('by rule "away"', self.proxy.command("explain", "http://192.0.2.1/", "--client", "127.0.0.2").stdout)

    def test_without_a_database_check_warns(self):
        self.proxy = self.sluice([rule("away", 'client.geo.country_iso_code == "FR"', "block")])
        self.assertIn("there is no database of countries", self.proxy.command("check").stderr)
        self.assertEqual(self.ask()[0].status, 200)


class Canonical(WithOrigin):
    def test_rules_see_the_canonical_url_and_the_server_what_came(self):
        self.proxy = self.sluice([rule("admin", 'url.path starts_with "/admin"', "block")])
        for path in ("/admin", "/x/../admin", "/%61dmin", "/./admin/", "/x/%2e%2e/admin", "/a/b/../../admin?q"):
            self.assertEqual(self.ask(path)[0].status, 403, path)
        for path in ("/Admin", "/x/admin", "//admin", "/%2Fadmin"):
            head, body = self.ask(path)
            self.assertEqual(head.status, 200, path)
            self.assertTrue(body.startswith(f"GET {path} ".encode()), body)

    def test_encoded_nul_and_line_ends(self):
        self.proxy = self.sluice()
        for path in ("/%00", "/a%0d%0aX: y", "/?q=%0A", "/%0D"):
            with Peer.connect(self.proxy.port) as peer:
                peer.send(get(self.origin.url(path)))
                self.assert_refusal(peer.read_response()[0], 400)
        self.assertEqual(self.origin.accepted, 0)


class ListFiles(WithOrigin):
    def test_domain_lists_plain_hosts_and_gz(self):
        folder = self.folder()
        (folder / "plain.txt").write_text("# ads\nads.example\n\n||tracker.example^\n")
        (folder / "hosts.txt").write_text("127.0.0.1 localhost\n0.0.0.0 bad.example # comment\n0.0.0.0 0.0.0.0\n")
        (folder / "zipped.gz").write_bytes(gzip.compress(b"".join(b"host%d.example\n" % number for number in range(10_000))))
        self.proxy = self.sluice([rule("lists", "url.domain in @plain or url.domain in @hosts or url.domain in @zipped", "block")],
                                 lists={name: {"type": "domain", "file": str(folder / file)} for name, file in
                                        (("plain", "plain.txt"), ("hosts", "hosts.txt"), ("zipped", "zipped.gz"))})
        for name in ("ads.example", "deep.er.ads.example", "ADS.example", "ads.example.", "tracker.example", "bad.example", "host0.example", "x.host9999.example"):
            self.assertEqual(ask(self.proxy.port, f"http://{name}/")[0].status, 403, name)
        for name in ("example", "badads.example", "ads.example.org", "host10000.example"):
            self.assertEqual(ask(self.proxy.port, f"http://{name}/")[0].status // 100, 5, name)
        self.assertEqual(ask(self.proxy.port, f"http://localhost:{self.origin.port}/")[0].status, 200)

    def test_other_lists(self):
        folder = self.folder()
        (folder / "nets").write_text("127.0.0.64/26\n127.0.0.200-127.0.0.210\n")
        (folder / "urls").write_text("127.0.0.1/bad/path\n")
        self.proxy = self.sluice([rule("nets", "client.ip in @nets", "block", reason="nets"),
                                  rule("urls", "url.full in @urls", "block", reason="urls"),
                                  rule("agents", "user_agent.original in @agents", "block", reason="agents")],
                                 lists={"nets": {"type": "ip", "file": str(folder / "nets")}, "urls": {"type": "url", "file": str(folder / "urls")},
                                        "agents": {"type": "string", "values": ["evil/1.0"]}})
        for source, status in (("127.0.0.1", 200), ("127.0.0.70", 403), ("127.0.0.205", 403), ("127.0.0.211", 200)):
            self.assertEqual(self.ask("/", source=source)[0].status, status, source)
        self.assertEqual(self.ask("/", "User-Agent: evil/1.0")[0].status, 403)
        for path, status in (("/bad/path", 403), ("/bad/path/x", 403), ("/bad/pathology", 200), ("/bad", 200)):
            self.assertEqual(self.ask(path)[0].status, status, path)


class Authentication(WithOrigin):
    @classmethod
    def setUpClass(cls):
        import pathlib
        import shutil
        import tempfile
        cls.store = pathlib.Path(tempfile.mkdtemp(prefix="sluice-users-", dir="/tmp"))
        cls.addClassCleanup(shutil.rmtree, cls.store, True)
        users = cls.store / "users"
        for kind, user, password in (("-cB", "ann", "pass word:1"), ("-m", "bo", "apr1"), ("-s", "cy", "sha")):
            subprocess.run(["htpasswd", "-b", *(["-C", "5"] if "B" in kind else []), kind, str(users), user, password], check=True, capture_output=True)
        cls.proxy = cls.shared([rule("login", 'url.path starts_with "/private"', "authenticate", realm="staff", users=str(users)),
                                rule("not-bo", 'user.name == "bo" and url.path == "/private/ann"', "block")])

    def test_asked_for(self):
        head, _ = self.ask("/private")
        self.assert_refusal(head, 407)
        self.assertRegex(head.get("proxy-authenticate"), r'(?i)^basic realm="staff"')
        self.assertEqual(self.ask("/open")[0].status, 200)

    def test_good_credentials_go_on_and_stay_here(self):
        for user, password in (("ann", "pass word:1"), ("bo", "apr1"), ("cy", "sha")):
            head, body = self.ask("/private/" + user + "1", basic(user, password))
            self.assertEqual(head.status, 200, user)
            self.assertNotIn(b"uthorization", body)
            self.assertEqual(self.proxy.event(url__path=f"/private/{user}1")["user.name"], user)

    def test_bad_credentials(self):
        for field in (basic("ann", "wrong"), basic("nobody", "x"), "Proxy-Authorization: Basic !!!", "Proxy-Authorization: Bearer abc",
                      basic("ann", ""), basic("", "")):
            self.assertIn(self.ask("/private/bad", field, source="127.0.0.50")[0].status, (407, 429), field)

    def test_later_rules_know_the_user(self):
        self.assertEqual(self.ask("/private/ann", basic("bo", "apr1"))[0].status, 403)
        self.assertEqual(self.ask("/private/ann", basic("ann", "pass word:1"))[0].status, 200)

    def test_no_password_in_the_log(self):
        self.ask("/private/secret", basic("ann", "pass word:1"))
        self.proxy.event(url__path="/private/secret")
        text = self.proxy.events_path.read_text() + self.proxy.stderr()
        self.assertNotIn("pass word", text)
        self.assertNotIn(base64.b64encode(b"ann:pass word:1").decode(), text)

    def test_hashing_does_not_hold_up_others(self):
        """A burst of logins is verified off the workers: an open request is answered meanwhile."""
        peers = []
        for number in range(16):
            peer = Peer.connect(self.proxy.port, source="127.0.0.51")
            peer.send(get(self.origin.url("/private"), basic("ann", f"wrong{number}")))
            peers.append(peer)
        begun = time.monotonic()
        self.assertEqual(self.ask("/open")[0].status, 200)
        self.assertLess(time.monotonic() - begun, 2)
        for peer in peers:
            self.assertIn(peer.read_response()[0].status, (407, 429))
            peer.close()
