# SPDX-License-Identifier: Apache-2.0
"""ftp: URLs through the HTTP listener, by curl, wget and by hand: files, listings as a page, uploads that a rule allows, and every way to be refused."""
import json
import re
import socket
import subprocess
import threading
import urllib.parse

from ftp_case import FtpTest, through_sluice
from ftp_odd import data
from ftp_servers import SERVERS
from harness import curl, rule, until
from payloads import EICAR, noise
from wire import TIMEOUT, Closed

UPLOADS = rule("uploads", 'url.scheme == "ftp" and http.request.method == "PUT"', "allow")


class UrlTest(FtpTest):
    def get(self, path, *args, user=None, host=None):
        """(status, head, body) as curl gets it through the proxy."""
        userinfo = "" if user is False else (user or f"{self.server.user}:{self.server.password}") + "@"
        url = f"ftp://{userinfo}{host or f'{self.server.host}:{self.server.port}'}/{path}"
        done = curl("-i", "-g", "--path-as-is", *args, url, proxy=self.proxy.port, check=False)
        heads, rest = [], done.stdout
        while rest.startswith(b"HTTP/1."):
            head, _, rest = rest.partition(b"\r\n\r\n")
            heads.append(head.decode())
        self.assertTrue(heads, done)
        self.code = done.returncode
        return int(heads[-1].split(" ")[1]), heads[-1], rest


@through_sluice
class Urls(UrlTest):
    def test_a_file(self):
        content = noise(300_000)
        for server_class in SERVERS:
            with self.subTest(server=server_class.name):
                self.start(self.real(server_class))
                self.server.write("two words.bin", content)
                status, head, body = self.get("two%20words.bin")
                self.assertEqual((status, len(body)), (200, len(content)), head)
                self.assertTrue(body == content)
                self.assertIn(f"content-length: {len(content)}", head.lower())
                self.assertRegex(head, r"(?i)last-modified: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT")
                event = self.proxy.event(url__path="/two%20words.bin")
                self.assertEqual((event["event.action"], event["url.scheme"], event["scan.verdict"]), ("allowed", "ftp", "clean"))
                self.assertNotIn(self.server.password, json.dumps(self.proxy.events()))

    def test_below_and_from_the_root(self):
        self.start()
        self.server.path("a").mkdir()
        self.server.write("a/b.txt", b"below")
        self.assertEqual(self.get("a/b.txt")[::2], (200, b"below"))
        self.assertEqual(self.get("./x/../a/b.txt")[::2], (200, b"below"))
        self.assertEqual(self.get("%2Fa/b.txt")[::2], (200, b"below"))

    def test_head(self):
        self.start()
        self.server.write("a.txt", b"12345")
        status, head, body = self.get("a.txt", "-I")
        self.assertEqual((status, body), (200, b""))
        self.assertIn("content-length: 5", head.lower())
        self.assertEqual(self.get("none.txt", "-I")[0], 404)
        self.assertEqual(self.get("", "-I")[0], 200)

    def test_types(self):
        self.start()
        self.server.write("a.txt", b"one\ntwo\n")
        self.assertEqual(self.get("a.txt;type=i")[::2], (200, b"one\ntwo\n"))
        self.assertEqual(self.get("a.txt;type=A")[::2], (200, b"one\r\ntwo\r\n"))
        self.assertEqual(self.get(";type=d")[0], 200)
        # A rule sees the name without the type.
        self.proxy.configure([rule("texts", 'url.extension == "txt"', "block")])
        self.assertEqual(self.proxy.command("reload").returncode, 0)
        self.assertEqual(self.get("a.txt;type=i")[0], 403)

    def test_a_directory(self):
        names = ["plain.txt", "two words & <b>.txt", "a:b.txt", "Grüße.txt", "percent%41.txt", "question?.txt", "hash#.txt"]
        for server_class in SERVERS:
            with self.subTest(server=server_class.name):
                self.start(self.real(server_class))
                self.server.path("dir").mkdir()
                for name in names:
                    self.server.write(f"dir/{name}", name.encode())
                status, head, page = self.get("dir/")
                self.assertEqual(status, 200, page)
                self.assertIn("text/html", head)
                links = re.findall(r'href="\./([^"]+)"', page.decode())
                self.assertEqual(sorted(urllib.parse.unquote(link) for link in links), sorted(names))
                self.assertNotIn(b"<b>", page)
                self.assertIn(b'href="../"', page)
                for link in links:
                    self.assertEqual(self.get(f"dir/{link}")[::2], (200, urllib.parse.unquote(link).encode()))

    def test_a_directory_gets_its_slash(self):
        self.start()
        self.server.path("dir").mkdir()
        status, head, _ = self.get("dir")
        self.assertEqual(status, 301)
        self.assertIn(f"ocation: ftp://{self.server.host}:{self.server.port}/dir/\r\n", head + "\r\n")
        self.assertEqual(self.get("none/")[0], 404)

    def test_credentials(self):
        self.start()
        self.server.write("a.txt", b"mine")
        status, head, _ = self.get("a.txt", user="tester:wrong")
        self.assertEqual(status, 401)
        self.assertIn("WWW-Authenticate: Basic realm=", head)
        self.assertEqual(self.get("a.txt", user=False)[0], 401)
        basic = ("-H", "Authorization: Basic " + subprocess.check_output(["base64", "-w0"], input=f"{self.server.user}:{self.server.password}".encode()).decode())
        self.assertEqual(self.get("a.txt", *basic, user=False)[::2], (200, b"mine"))
        # The URL's own come first.
        self.assertEqual(self.get("a.txt", *basic, user="tester:wrong")[0], 401)
        self.assertNotIn(self.server.password, json.dumps(self.proxy.events()))

    def test_anonymous(self):
        server = self.odd(a__txt=b"for all")
        self.start(server)
        self.assertEqual(self.get("a.txt", user=False)[::2], (200, b"for all"))
        self.assertEqual(server.said[:2], ["USER anonymous", "PASS anonymous@"])

    def test_wget(self):
        self.start()
        self.server.write("a.txt", b"by wget")
        done = subprocess.run(["wget", "-q", "-O", "-", f"ftp://{self.server.user}:{self.server.password}@{self.server.host}:{self.server.port}/a.txt"],
                              env={"ftp_proxy": f"http://127.0.0.1:{self.proxy.port}", "PATH": "/usr/bin:/bin"}, capture_output=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (0, b"by wget"), done)

    def test_malware(self):
        self.start()
        self.server.write("bad.com", EICAR)
        status, _, body = self.get("bad.com")
        self.assertEqual((status, EICAR in body), (403, False))
        event = self.proxy.event(url__path="/bad.com")
        self.assertEqual((event["event.action"], event["rule.name"], event["scan.verdict"]), ("blocked", "malware", "infected"))

    def test_uploads_want_a_rule(self):
        self.start()
        self.assertEqual(self.get("up.txt", "-X", "PUT", "-d", "text")[0], 403)
        self.assertEqual(self.server.names(), [])

    def test_an_upload(self):
        content = noise(500_000)
        file = self.folder() / "content"
        file.write_bytes(content)
        for server_class in SERVERS:
            with self.subTest(server=server_class.name):
                self.start(self.real(server_class), [UPLOADS])
                for extra in ((), ("-H", "Transfer-Encoding: chunked"), ("-H", "Expect: 100-continue")):
                    self.server.clear()
                    put = ("-X", "PUT", "--data-binary", f"@{file}", *extra)
                    self.assertEqual(self.get("up.bin", *put)[0], 201)
                    self.assertTrue(self.server.read("up.bin") == content)
                    self.assertEqual(self.get("up.bin", *put)[0], 204)
                self.assertEqual(self.get("none/up.bin", *put)[0], 403)
                self.assertEqual(self.get("empty.bin", "-X", "PUT", "-H", "Content-Length: 0")[0], 201)
                self.assertEqual(self.server.read("empty.bin"), b"")

    def test_malware_up(self):
        self.start(rules=[UPLOADS])
        file = self.folder() / "bad.com"
        file.write_bytes(EICAR)
        self.assertEqual(self.get("bad.com", "-X", "PUT", "--data-binary", f"@{file}")[0], 403)
        self.assertEqual(self.server.names(), [])

    def test_what_is_refused(self):
        self.start()
        self.server.write("a.txt", b"text")
        self.assertEqual(self.get("a.txt", "-X", "DELETE")[0], 405)
        self.assertEqual(self.get("a.txt?b")[0], 400)
        self.assertEqual(self.get("..%2F..%2Fetc/passwd")[0], 400)
        self.assertEqual(self.get("a%0D%0ADELE%20a.txt")[0], 400)
        self.assertEqual(self.get("a.txt", "--request-target", f"ftp://x%0D%0ADELE%20a.txt:y@{self.server.host}:{self.server.port}/a.txt")[0], 400)
        self.assertEqual(self.get("a.txt", host="127.0.0.1:1")[0], 403)
        self.assertEqual(self.proxy.event(event__reason="not in ftp.ports")["event.action"], "refused")
        self.assertEqual(self.server.read("a.txt"), b"text")

    def test_protect_host(self):
        """As for every other request: the proxy's own ports are nobody's servers."""
        self.start(ftp={"ports": ["1024-65535"]})
        self.assertEqual(self.get("a.txt", host=f"127.0.0.1:{self.proxy.admin}")[0], 403)
        self.assertEqual(self.proxy.event(url__scheme="ftp")["rule.name"], "protect-host")

    def test_a_rule(self):
        self.start(rules=[rule("no-archives", 'url.scheme == "ftp" and url.path starts_with "/secret/"', "block")])
        self.assertEqual(self.get("secret/a.txt")[0], 403)
        self.assertEqual(self.get("%73ecret/a.txt")[0], 403)


@through_sluice
class OddServers(UrlTest):
    """The same by servers that do what they should not."""

    def test_a_file_that_is_shorter_than_was_said(self):
        self.start(self.odd([("SIZE", "213 10\n"), ("RETR", ["150 here\n", data(b"12345"), "226 done\n"])]))
        status, _, body = self.get("a.txt")
        self.assertEqual((status, b"12345" in body), (502, False))

    def test_a_file_that_is_longer_than_was_said(self):
        self.start(self.odd([("SIZE", "213 3\n"), ("RETR", ["150 here\n", data(b"12345"), "226 done\n"])]))
        status, _, body = self.get("a.txt")
        self.assertEqual((status, b"12345" in body), (502, False))

    def test_a_transfer_that_is_broken_off(self):
        self.start(self.odd([("RETR", ["150 here\n", data(b"12345"), "426 broken\n"])]))
        status, _, body = self.get("a.txt")
        self.assertEqual((status, b"12345" in body), (502, False))

    def test_no_service(self):
        self.start(self.odd([(None, "421 later\n")]))
        self.assertEqual(self.get("a.txt")[0], 503)

    def test_no_words(self):
        self.start(self.odd([(None, "hello\n")]))
        self.assertEqual(self.get("a.txt")[0], 502)

    def test_a_login_without_a_password(self):
        self.start(self.odd([("USER", "230 come in\n")], a__txt=b"open"))
        self.assertEqual(self.get("a.txt")[::2], (200, b"open"))

    def left(self, arguments, step, before, after):
        """curl is killed while the server waits at that step; what the server then hears."""
        reached, heard = threading.Event(), []

        def listen(session):
            session.peer.sock.settimeout(TIMEOUT)
            reached.set()
            while chunk := session.peer.sock.recv(4096):
                heard.append(chunk)
                if after(b"".join(heard)):
                    break
            raise Closed(b"")
        self.start(self.odd([(step, [*before, listen])]), [UPLOADS, rule("open", 'url.scheme == "ftp"', "inspect", engines=[])])
        url = f"ftp://{self.server.user}:{self.server.password}@{self.server.host}:{self.server.port}/a.txt"
        process = subprocess.Popen(["curl", "-q", "-sS", "--noproxy", "", "-x", f"http://127.0.0.1:{self.proxy.port}", *arguments, url],
                                   stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(process.stdin.close)
        if "-T" in arguments:
            process.stdin.write(b"half of it")
            process.stdin.flush()
        reached.wait(TIMEOUT)
        process.kill()
        process.wait()
        until(lambda: after(b"".join(heard)) or not heard and not self.server.sessions[0].peer.sock.fileno() >= 0, "the end of the session")
        return b"".join(heard)

    def test_leaving_before_there_is_an_answer(self):
        self.assertEqual(self.left([], "USER", [], lambda heard: b"QUIT" in heard), b"QUIT\r\n")

    def test_leaving_within_a_file(self):
        self.assertEqual(self.left([], "RETR", ["150 here\n", data(b"some", keep=True)], lambda heard: b"QUIT" in heard), b"QUIT\r\n")

    def test_leaving_within_an_upload(self):
        """Half a file is taken back where there was none before."""
        def answer(heard):
            return b"NOOP" in heard
        heard = self.left(["-T", "-"], "STOR", ["150 send it\n", lambda session: session.open()], answer)
        self.assertEqual(heard, b"ABOR\r\nNOOP\r\n")

    def test_half_an_upload_is_taken_back(self):
        """The body of the request ends too early."""
        self.start(self.odd([("ABOR", "426 aborted\n226 done\n")]), [UPLOADS, rule("open", 'url.scheme == "ftp"', "inspect", engines=[])])
        with socket.create_connection(("127.0.0.1", self.proxy.port), TIMEOUT) as sock:
            sock.sendall((f"PUT ftp://me:you@{self.server.host}:{self.server.port}/a.txt HTTP/1.1\r\nHost: {self.server.host}:{self.server.port}\r\n"
                          "Content-Length: 100\r\n\r\nhalf of it").encode())
            until(lambda: self.server.heard("STOR"), "the upload")
        until(lambda: self.server.heard("DELE a.txt"), "that it is taken back")
        until(lambda: self.server.uploads, "what came")
        self.assertEqual(self.server.uploads[0][2], "reset")

    def test_an_upload_for_which_there_is_no_room(self):
        def full(session):
            with session.open() as sock:
                sock.recv(1000)
                session.peer.send(b"552 full\r\n")
                try:
                    while sock.recv(1 << 16):
                        pass
                except ConnectionError:
                    pass
        file = self.folder() / "content"
        file.write_bytes(noise(3_000_000))
        self.start(self.odd([("STOR", ["150 send it\n", full])]), [UPLOADS, rule("open", 'url.scheme == "ftp"', "inspect", engines=[])])
        self.assertEqual(self.get("a.txt", "-X", "PUT", "--data-binary", f"@{file}")[0], 507)
