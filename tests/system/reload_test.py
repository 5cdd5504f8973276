# SPDX-License-Identifier: Apache-2.0
"""A reload is whole or not at all, and nobody notices it but the policy."""
import signal
import sys
import threading

from harness import ROOT, SystemTest, rule, until
from load import Load
from nginx import Nginx
from wire import Origin, Peer, ask, echoing, get, response

sys.path.insert(0, str(ROOT / "bench"))
import generate  # noqa: E402


class Reload(SystemTest):
    def setUp(self):
        self.origin = Origin(echoing)
        self.addCleanup(self.origin.close)

    def test_by_command_and_by_signal(self):
        proxy = self.sluice()
        url = self.origin.url("/x")
        self.assertEqual(ask(proxy.port, url)[0].status, 200)
        proxy.configure([rule("no", 'url.path == "/x"', "block", reason="first")])
        done = proxy.command("reload")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(ask(proxy.port, url)[0].status, 403)
        proxy.configure([])
        proxy.signal(signal.SIGHUP)
        until(lambda: ask(proxy.port, url)[0].status == 200, "the reload by SIGHUP")

    def test_what_does_not_validate_changes_nothing(self):
        proxy = self.sluice([rule("no", 'url.path == "/x"', "block")])
        url = self.origin.url("/x")
        good = proxy.config_path.read_text()
        for bad, word in ((good + "\n[[rule]]\nname = 'bad'\nwhen = 'url.pth == \"/\"'\naction = 'block'\n", "url.path"),
                          (good.replace('"block"', '"blok"'), "block"), (good + "\n[nonsense]\na = 1\n", "nonsense"), ("= = =", "sluice.toml"),
                          (good.replace('"2s"', '"two seconds"'), "drain")):
            proxy.config_path.write_text(bad)
            done = proxy.command("reload")
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn(word, done.stderr + done.stdout)
            self.assertEqual(ask(proxy.port, url)[0].status, 403)
        failed = sum(value for name, value in proxy.metrics().items() if "reload" in name and ("fail" in name or "refus" in name))
        self.assertGreaterEqual(failed, 4)      # what is no TOML at all, the command itself refuses
        proxy.config_path.write_text(good)
        self.assertEqual(proxy.command("reload").returncode, 0)

    def test_a_key_that_needs_a_restart_is_named(self):
        proxy = self.sluice()
        proxy.configure([rule("no", 'url.path == "/x"', "block")], http={"listen": ["127.0.0.1:1"]})
        done = proxy.command("reload")
        self.assertEqual(done.returncode, 1)
        self.assertIn("http.listen", done.stderr + done.stdout)
        proxy.configure(ftp={"listen": []})
        self.assertIn("ftp.listen", proxy.command("reload").stderr)
        self.assertEqual(ask(proxy.port, self.origin.url("/x"))[0].status, 200)

    def test_a_transaction_keeps_the_policy_it_began_with(self):
        go = threading.Event()

        def handle(peer):
            peer.read_request()
            go.wait(10)
            peer.send(response(b"ok"))
        origin = Origin(handle)
        self.addCleanup(origin.close)
        proxy = self.sluice()
        with Peer.connect(proxy.port) as peer:
            peer.send(get(origin.url()))
            until(lambda: origin.accepted, "the request")
            proxy.configure([rule("no", "http.response.status_code == 200", "block")])
            self.assertEqual(proxy.command("reload").returncode, 0)
            go.set()
            self.assertEqual(peer.read_response()[0].status, 200)
            peer.send(get(origin.url()))
            self.assertEqual(peer.read_response()[0].status, 403)

    def test_a_list_full_of_junk_keeps_the_old_one(self):
        folder = self.folder()
        names = [f"host{number}.example" for number in range(1000)]
        (folder / "list").write_text("\n".join(names))
        proxy = self.sluice([rule("no", "url.domain in @names", "block")], lists={"names": {"type": "domain", "file": str(folder / "list")}})
        self.assertEqual(ask(proxy.port, "http://host7.example/")[0].status, 403)
        for content in ("host1.example\n", "\n".join(names[:500] + ["!!not a name!! $%&"] * 100), ""):
            (folder / "list").write_text(content)
            proxy.command("reload")
            self.assertEqual(ask(proxy.port, "http://host7.example/")[0].status, 403)
        (folder / "list").write_text("\n".join(names[100:]))
        self.assertEqual(proxy.command("reload").returncode, 0)
        self.assertNotEqual(ask(proxy.port, "http://host7.example/")[0].status, 403)


class UnderLoad(SystemTest):
    alone = True               # a million domains, ten times

    def test_a_million_domains_and_a_thousand_rules_ten_times_with_no_request_failed(self):
        nginx = Nginx()
        self.addCleanup(nginx.close)
        folder = self.folder()
        generate.write(folder)
        proxy = self.sluice(top={"include": [str(folder / "rules.toml")]})
        blocked = (folder / "domains.txt").read_text().split("\n", 1)[0]
        with Load(proxy.port, nginx.url("/1k")) as load:
            until(lambda: load.done > 50, "the load")
            for number in range(10):
                with open(folder / "domains.txt", "a") as file:
                    file.write(f"added{number}.example\n")
                done = proxy.command("reload")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(ask(proxy.port, f"http://www.added{number}.example/")[0].status, 403)
                self.assertEqual(ask(proxy.port, f"http://{blocked}/")[0].status, 403)
            finished = load.done
            until(lambda: load.done > finished + 50, "the load after the last reload")
        print(f"ten reloads of 1,000,000 domains and 1,000 rules: {load.done} requests, {len(load.failures)} failed")
        self.assertEqual(load.failures, [])
