# SPDX-License-Identifier: Apache-2.0
"""Rules of action `authenticate` over FTP: USER user@proxyuser@host, PASS pass@proxypass; the server gets its own halves, and nobody is dialled before."""
import ftplib
import json
import subprocess
import urllib.parse

from ftp_case import FtpTest, through_sluice
from harness import rule


@through_sluice
class Authenticate(FtpTest):
    def begin(self, when="network.protocol == \"ftp\"", script=(), **keys):
        self.users = self.folder() / "users"
        self.users.write_text("")
        for user, password in (("staff", "let-me-in"), ("other", "other-word")):
            subprocess.run(["htpasswd", "-b", "-B", "-C", "5", str(self.users), user, password], check=True, capture_output=True)
        self.rule = rule("login", when, "authenticate", realm="staff", users=str(self.users))
        self.start(self.odd(list(script), a__txt=b"for staff"), rules=[self.rule], **keys)

    def user(self, proxy_user="staff"):
        return f"{self.server.user}@{proxy_user}@{self.server.host}:{self.server.port}"

    def log_in(self, user=None, password=None):
        control = self.control()
        return control, control.code(f"USER {user or self.user()}"), control.ask(f"PASS {password or self.server.password + '@let-me-in'}")

    def test_both_halves(self):
        self.begin()
        control, asked, answer = self.log_in()
        self.assertEqual((asked, answer.code), (331, 230), answer)
        self.assertEqual(self.server.said[:2], [f"USER {self.server.user}", f"PASS {self.server.password}"])
        control.mode = "PASV"
        self.assert_got(control.get("RETR a.txt"), b"for staff")
        self.assertEqual(self.proxy.event(ftp__command="RETR")["user.name"], "staff")
        log = json.dumps(self.proxy.events())
        for secret in (self.server.password, "let-me-in"):
            self.assertNotIn(secret, log)

    def test_nobody_is_dialled_before(self):
        self.begin()
        control = self.control()
        self.assertEqual(control.code(f"USER {self.user()}"), 331)
        self.assertEqual(self.server.sessions, [])
        self.assertEqual(control.code("CWD /"), 530)
        self.assertEqual(control.code(f"PASS {self.server.password}@wrong"), 530)
        self.assertEqual(control.code(f"PASS {self.server.password}"), 530)
        self.assertEqual(self.server.sessions, [])
        self.assertEqual(control.code("PASS x@other-word"), 421, "three times are enough")
        self.assertEqual(self.server.sessions, [])
        event = self.proxy.event(ftp__command="PASS", ftp__reply=530, count=2)[0]
        self.assertEqual((event["event.action"], event["event.reason"]), ("blocked", "the proxy's user or password is wrong"))

    def test_no_word_of_who(self):
        self.begin()
        control = self.control()
        answer = control.ask(f"USER {self.server.user}@{self.server.host}:{self.server.port}")
        self.assertEqual(answer.code, 530)
        self.assertIn("USER user@proxyuser@host", answer.text)
        self.assertEqual(control.code("PASS x@let-me-in"), 503)
        self.assertEqual(self.proxy.event(ftp__command="USER")["rule.name"], "login")

    def test_where_no_rule_asks_the_name_is_whole(self):
        self.begin(when='url.domain == "elsewhere.example"')
        _, asked, answer = self.log_in(password="pass@word")
        self.assertEqual((asked, answer.code), (331, 230))
        self.assertEqual(self.server.said[:2], [f"USER {self.server.user}@staff", "PASS pass@word"])

    def test_the_server_refuses_its_half(self):
        self.begin(script=[("PASS", "530 Login incorrect.\n")])
        control, asked, answer = self.log_in()
        self.assertEqual((asked, answer.code), (331, 530), answer)
        self.assertEqual(control.code(f"PASS {self.server.password}@wrong"), 530)
        self.assertEqual(self.server.said, [f"USER {self.server.user}", f"PASS {self.server.password}"])
        self.assertEqual(control.code(f"PASS {self.server.password}@let-me-in"), 230)
        self.assertEqual(self.server.heard("PASS"), [f"PASS {self.server.password}"] * 2)

    def test_a_server_that_wants_no_password(self):
        self.begin(script=[("USER", "230 come in\n")])
        _, asked, answer = self.log_in()
        self.assertEqual((asked, answer.code), (331, 230))
        self.assertEqual(self.server.heard("PASS"), [])

    def test_a_fixed_server(self):
        self.begin()
        self.target.close()
        self.start(self.server, rules=[self.rule], ftp={"upstream": f"{self.server.host}:{self.server.port}"})
        _, asked, answer = self.log_in(user=f"{self.server.user}@staff")
        self.assertEqual((asked, answer.code), (331, 230))
        self.assertEqual(self.server.said[:2], [f"USER {self.server.user}", f"PASS {self.server.password}"])

    def test_who_is_forgotten_with_the_next_user(self):
        self.begin()
        control, _, answer = self.log_in()
        self.assertEqual(answer.code, 230)
        self.assertEqual(control.code(f"USER {self.server.user}@{self.server.host}:{self.server.port}"), 530)
        self.assertEqual(control.code("PWD"), 530)

    def test_a_rule_on_a_command_is_content_with_it(self):
        self.begin(when='url.path == "/a.txt"')
        control, _, answer = self.log_in(user=f"{self.server.user}@{self.server.host}:{self.server.port}", password=self.server.password)
        control.mode = "PASV"
        self.assertEqual(answer.code, 230)
        self.assert_code(control.get("RETR a.txt").final, 550)
        self.proxy.configure([self.rule, rule("who", 'network.protocol == "ftp"', "authenticate", realm="staff", users=str(self.users))])
        self.assertEqual(self.proxy.command("reload").returncode, 0)
        self.assertEqual(control.code("PWD"), 421, "the session has not said who it is")
        control, _, answer = self.log_in()
        control.mode = "PASV"
        self.assertEqual(answer.code, 230)
        self.assert_got(control.get("RETR a.txt"), b"for staff")

    def test_a_reload_takes_somebody_out(self):
        self.begin()
        control, _, answer = self.log_in()
        self.assertEqual(answer.code, 230)
        self.assertEqual(self.proxy.command("reload").returncode, 0)
        self.assertEqual(control.code("PWD"), 257, "he is known still")
        self.users.write_text("\n".join(line for line in self.users.read_text().splitlines() if not line.startswith("staff:")) + "\n")
        self.assertEqual(self.proxy.command("reload").returncode, 0)
        self.assertEqual(control.code("PWD"), 421)

    def test_real_clients(self):
        self.begin(script=[("SIZE", "213 9\n")] * 2)
        with ftplib.FTP() as client:
            client.connect("127.0.0.1", self.target.port, 20)
            client.login(self.user(), f"{self.server.password}@let-me-in")
            got = []
            client.retrbinary("RETR a.txt", got.append)
        self.assertEqual(b"".join(got), b"for staff")
        login = f"{urllib.parse.quote(self.user(), safe='')}:{self.server.password}%40let-me-in"
        done = subprocess.run(["curl", "-q", "-sS", "--noproxy", "*", f"ftp://{login}@127.0.0.1:{self.target.port}/a.txt"], capture_output=True, timeout=60)
        self.assertEqual(done.stdout, b"for staff", done)
