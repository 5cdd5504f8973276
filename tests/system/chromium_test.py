# SPDX-License-Identifier: Apache-2.0
"""A browser behind the proxy: Debian's Chromium, headless, that trusts the CA. What it shows is kept in build/screens/."""
import base64
import hashlib
import html
import os
import re
import shutil
import struct
import subprocess
import unittest

from harness import ROOT, rule
from payloads import EICAR
from tls import TlsOrigin, TlsTest

SCREENS = ROOT / "build/screens"
RESOURCES = 50
PAGE = """<!doctype html><title>page</title><body style="font: 16px sans-serif"><h1>Fifty pictures</h1><p id="pictures">{pictures}</p>
<pre id="said">waiting</pre><script>
const said = {{}};
const show = () => {{ document.getElementById("said").textContent = JSON.stringify(said); }};
const pictures = [...document.images];
Promise.all(pictures.map(picture => picture.decode().then(() => 1, () => 0))).then(all => {{ said.pictures = all.reduce((a, b) => a + b, 0); show(); }});
fetch("/files/blocked.css").then(answer => {{ said.blocked = answer.status; show(); }});
fetch("/files/eicar.com").then(answer => {{ said.infected = answer.status; show(); }});
const socket = new WebSocket("wss://a.test:{socket}/echo");
socket.onopen = () => socket.send("hello");
socket.onmessage = message => {{ said.echo = message.data; show(); }};
socket.onerror = () => {{ said.echo = "failed"; show(); }};
</script>"""


def echo(peer):
    """One WebSocket (RFC 6455) whose first text comes back."""
    key = peer.read_head().get("sec-websocket-key")
    accept = base64.b64encode(hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    peer.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
    head = peer.read_exact(2)
    mask, text = peer.read_exact(4), peer.read_exact(head[1] & 127)
    plain = bytes(octet ^ mask[i % 4] for i, octet in enumerate(text))
    peer.send(struct.pack("BB", 0x81, len(plain)) + plain)
    peer.read_to_end()


@unittest.skipUnless(shutil.which("chromium") and shutil.which("certutil"), "no Chromium here (scripts/setup test)")
class Browser(TlsTest):
    alone = True
    kinds = ("good", "expired", "misnamed")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for number in range(RESOURCES):
            cls.origins.write(f"{number}.svg", f'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40"><rect width="40" height="40" '
                                               f'fill="hsl({number * 7}, 60%, 60%)"/></svg>'.encode())
        cls.origins.write("blocked.css", b"p { color: red }")
        cls.origins.write("eicar.com", EICAR)
        cls.socket = TlsOrigin(echo, cls.pki.server("a.test"))
        cls.addClassCleanup(cls.socket.close)
        cls.proxy = cls.decrypting([rule("style", 'url.path == "/files/blocked.css"', "block", reason="No style today."),
                                    rule("host", 'url.domain == "www.good.test"', "block", reason="Not this site.")])
        cls.home = cls.pki.folder / "home"
        database = cls.home / ".pki/nssdb"
        database.mkdir(parents=True)
        certutil = ["certutil", "-d", f"sql:{database}"]
        subprocess.run([*certutil, "-N", "--empty-password"], check=True, capture_output=True)
        subprocess.run([*certutil, "-A", "-t", "C,,", "-n", "sluice", "-i", cls.proxy.ca], check=True, capture_output=True)
        SCREENS.mkdir(parents=True, exist_ok=True)

    def browse(self, url, *words):
        done = subprocess.run(["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                               "--disable-background-networking", "--disable-component-update", "--window-size=900,700", "--hide-scrollbars",
                               f"--user-data-dir={self.home}/profile", f"--proxy-server=127.0.0.1:{self.proxy.port}", "--proxy-bypass-list=<-loopback>",
                               "--virtual-time-budget=15000", *words, url],
                              env={**os.environ, "HOME": str(self.home)}, capture_output=True, timeout=120)
        return done.stdout.decode(errors="replace")

    def screen(self, url, name):
        path = SCREENS / f"{name}.png"
        path.unlink(missing_ok=True)
        self.browse(url, f"--screenshot={path}")
        self.assertGreater(path.stat().st_size, 5_000, name)

    def test_a_page_with_many_parts(self):
        pictures = "".join(f'<img src="/files/{number}.svg" width="40">' for number in range(RESOURCES))
        self.origins.write("page.html", PAGE.format(pictures=pictures, socket=self.socket.port).encode())
        url = self.origins.at("good", "/files/page.html")
        dom = html.unescape(self.browse(url, "--dump-dom"))
        said = re.search(r'<pre id="said">(.*?)</pre>', dom, re.S)
        self.assertTrue(said, dom[:2000])
        self.assertIn(f'"pictures":{RESOURCES}', said.group(1))
        self.assertIn('"blocked":403', said.group(1))
        self.assertIn('"infected":403', said.group(1))
        self.assertIn('"echo":"hello"', said.group(1))
        asked = [event for event in self.proxy.events() if event.get("url.path", "").endswith(".svg")]
        self.assertGreaterEqual(len(asked), RESOURCES)
        self.assertLess(len({event["client.port"] for event in asked}), 12, "connections are kept")
        self.screen(url, "page")

    def test_what_is_blocked_has_a_page(self):
        self.screen(self.origins.at("good", "/files/eicar.com"), "infected")
        self.screen(f"https://www.good.test:{self.origins.ports['good']}/", "blocked-site")
        for name in ("expired", "misnamed"):
            self.screen(self.origins.at(name), f"certificate-{name}")
        self.screen("http://sluice.internal/", "authority")
        dom = self.browse(f"https://www.good.test:{self.origins.ports['good']}/", "--dump-dom")
        self.assertIn("Not this site.", dom)
        self.assertIn("has expired", self.browse(self.origins.at("expired"), "--dump-dom"))
