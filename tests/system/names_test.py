# SPDX-License-Identifier: Apache-2.0
"""Names: the hosts file, a name server with lifetimes, absence, silence; and several addresses of one name."""
import os
import time

from dns import NameServer
from harness import SystemTest, free_port, until
from wire import Origin, answering, ask, echoing, response


class Hosts(SystemTest):
    def test_the_hosts_file_and_its_changes(self):
        origin = Origin(echoing)
        self.addCleanup(origin.close)
        proxy = self.sluice()
        proxy_url = f"http://printer.example:{origin.port}/"
        head, _ = ask(proxy.port, proxy_url)
        self.assertIn(head.status, (502, 504))
        new = proxy.folder / "hosts.new"
        new.write_text(proxy.hosts.read_text() + "127.0.0.1\tscanner.example  other.example # two names\n")
        os.replace(new, proxy.hosts)
        until(lambda: ask(proxy.port, f"http://OTHER.example.:{origin.port}/")[0].status == 200, "the changed hosts file", 15)
        event = proxy.event(url__domain="other.example", http__response__status_code=200)
        self.assertEqual((event["server.address"], event["server.ip"]), ("other.example", "127.0.0.1"))


class Server(SystemTest):
    def setUp(self):
        self.names = NameServer(free_port())
        self.addCleanup(self.names.close)
        self.origin = Origin(echoing)
        self.addCleanup(self.origin.close)

    def start(self, **limits):
        self.proxy = self.sluice(dns={"servers": [self.names.address]}, limits=limits, top={"workers": 1})

    def ask(self, name):
        return ask(self.proxy.port, f"http://{name}:{self.origin.port}/")[0]

    def test_answers_are_kept_for_their_lifetime(self):
        self.names.records["site.example"] = (300, ["127.0.0.1"])
        self.start()
        for _ in range(5):
            self.assertEqual(self.ask("site.example").status, 200)
        self.assertEqual(self.names.count("site.example"), 1)
        event = self.proxy.event(url__domain="site.example")
        self.assertEqual(event["server.ip"], "127.0.0.1")

    def test_and_not_longer(self):
        # A pooled connection needs no name: this server keeps none.
        self.origin.handle = answering(lambda head, body: response(b"ok", "200 OK", "Connection: close"))
        self.names.records["short.example"] = (1, ["127.0.0.1"])
        self.start()
        self.assertEqual(self.ask("short.example").status, 200)
        self.names.records["short.example"] = (1, ["127.0.0.2"])
        until(lambda: self.ask("short.example").status and self.names.count("short.example") > 1, "a second question", 10)

    def test_aliases(self):
        self.names.records["www.example"] = (60, ["cname:real.example"])
        self.names.records["real.example"] = (60, ["127.0.0.1"])
        self.start()
        self.assertEqual(self.ask("www.example").status, 200)

    def test_no_such_name(self):
        self.start()
        head = self.ask("nobody.example")
        self.assert_refusal(head, 502, "dns_error")
        self.assertEqual(self.ask("nobody.example").status, 502)
        self.assertEqual(self.names.count("nobody.example"), 1)          # the negative answer is kept (RFC 2308)
        self.names.negative_ttl = 5
        self.proxy.event(count=2, url__domain="nobody.example", error__type="dns_error", event__action="failed")

    def test_server_failure(self):
        self.names.broken.add("broken.example")
        self.start()
        self.assert_refusal(self.ask("broken.example"), 502, "dns_error")

    def test_silence(self):
        self.names.silent.add("silent.example")
        self.start(resolve="1s")
        begun = time.monotonic()
        self.assert_refusal(self.ask("silent.example"), 504, "dns_timeout")
        self.assertLess(time.monotonic() - begun, 5)
        self.proxy.event(error__type="dns_timeout")

    def test_name_server_down(self):
        self.proxy = self.sluice(dns={"servers": [f"127.0.0.1:{free_port()}"]}, limits={"resolve": "2s"})
        self.assert_refusal(self.ask("any.example"), self.ask("any.example").status, ["dns_error", "dns_timeout"])

    def test_a_dead_address_does_not_harm(self):
        """Happy eyeballs: nothing listens on ::1 there, and the IPv4 address answers."""
        self.names.records["both.example"] = (60, ["::1", "127.0.0.1"])
        self.start()
        begun = time.monotonic()
        self.assertEqual(self.ask("both.example").status, 200)
        self.assertLess(time.monotonic() - begun, 3)
        self.assertEqual(self.proxy.event(url__domain="both.example")["server.ip"], "127.0.0.1")

    def test_names_that_are_no_names(self):
        self.start()
        for name in ("a..b", "-", "a" * 64 + ".example", "x" * 300, "exa%00mple.com", "a%20b.example"):
            head = self.ask(name)
            self.assertIn(head.status, (400, 502), name)
        for name in ("0x7f.1", "2130706433", "127.1"):                   # the WHATWG URL standard reads these as 127.0.0.1
            self.assertEqual(self.ask(name).status, 200, name)
        self.assertEqual([asked for asked, _ in self.names.asked if "0x7f" in asked or "2130706433" in asked], [])
