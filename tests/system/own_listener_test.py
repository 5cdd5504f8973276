# SPDX-License-Identifier: Apache-2.0
"""A proxy that is itself reached in TLS, and where devices take its certificate."""
import re

from harness import curl, free_port, rule
from tls import TlsTest


class Certificate(TlsTest):
    def test_devices_take_it_from_the_proxy(self):
        proxy = self.own()
        page = curl("http://sluice.internal/", proxy=proxy.port).stdout.decode()
        self.assertIn(re.search(r"SHA-256 +(\S+)", proxy.command("ca", "show").stdout).group(1), page)
        self.assertEqual(curl("http://sluice.internal/ca.pem", proxy=proxy.port).stdout, proxy.ca.read_bytes())
        self.assertTrue(curl("http://sluice.internal/ca.crt", proxy=proxy.port).stdout.startswith(b"\x30\x82"))
        self.assertIn(b" 404 ", curl("-i", "http://sluice.internal/ca.key", proxy=proxy.port).stdout)


class OwnListener(TlsTest):
    def start(self, **tls):
        port = free_port()
        proxy = self.decrypting([rule("who", 'user.name == "client"', "tag", tags=["known"])], tls, has_ca=False, clean_up=self.addCleanup)
        proxy.config_path.write_text(proxy.config_path.read_text().replace(f'listen = ["127.0.0.1:{proxy.port}"]',
                                                                           f'listen = ["127.0.0.1:{proxy.port}", "https://127.0.0.1:{port}"]'))
        self.assertEqual(proxy.command("ca", "init").returncode, 0)
        proxy.ca = proxy.folder / "exported.pem"
        proxy.ca.write_text(proxy.command("ca", "export").stdout)
        proxy.start()
        return proxy, port

    def ask(self, proxy, port, *words, trust=None, **keys):
        return curl("--noproxy", "", "-x", f"https://127.0.0.1:{port}", "--proxy-cacert", trust or proxy.ca, "--cacert", proxy.ca, *words, **keys)

    def test_under_a_leaf_of_the_ca(self):
        proxy, port = self.start()
        self.assertEqual(self.ask(proxy, port, self.origins.at("good", "/files/1k")).stdout, self.origins.read("1k"))
        self.assertEqual(self.ask(proxy, port, "http://sluice.internal/ca.pem").stdout, proxy.ca.read_bytes())

    def test_with_a_certificate_and_clients_that_have_one(self):
        listener = self.pki.server("listener", names=["IP:127.0.0.1"])
        client = self.pki.sign("client", "/CN=client", "extendedKeyUsage = clientAuth")
        proxy, port = self.start(certificate=str(listener.chain), key=str(listener.key), client_ca=str(self.pki.root))
        own = ("--proxy-cert", client.leaf, "--proxy-key", client.key)
        self.assertEqual(self.ask(proxy, port, *own, self.origins.at("good", "/files/1k?mine"), trust=self.pki.root).stdout, self.origins.read("1k"))
        event = proxy.event(url__query="mine")
        self.assertEqual((event["user.name"], event["tags"], event["tls.client.issuer"]), ("client", ["known"], "CN=Test Root"))
        self.assertNotEqual(self.ask(proxy, port, self.origins.at("good"), trust=self.pki.root, check=False).returncode, 0)
        proxy.event(event__action="refused", error__type="tls_protocol_error")
