# SPDX-License-Identifier: Apache-2.0
"""FTP's control connection, said on the socket: greeting, login, each command's one reply, and what never goes on to a server."""
import re

from ftp_case import DIRECT, FtpTest, through_sluice
from ftp_servers import SERVERS
from harness import free_port, rule, until
from wire import Closed

# What a proxy may say of itself, whatever the server has.
OURS = {"EPRT", "EPSV", "UTF8", "AUTH TLS", "PBSZ", "PROT", "PASV", "CLNT", "TVFS"}


class Login(FtpTest):
    @through_sluice
    def test_greeting(self):
        """Before USER nobody knows which server is meant."""
        self.start(self.odd())
        control = self.control()
        self.assert_code(control.greeting, 220)
        self.assertTrue(control.quiet())
        self.assertEqual(self.server.accepted, 0)
        self.assert_code(control.ask("QUIT"), 221)
        self.assertEqual(control.ended(), "close")

    def test_login(self):
        for server_class in SERVERS:
            with self.subTest(server=server_class.name):
                self.start(self.real(server_class))
                control = self.login()
                reply = control.ask("PWD")
                self.assert_code(reply, 257)
                self.assertIn(f'"{self.server.home}"', reply.text)
                self.assert_code(control.ask("QUIT"), 221)
                self.assertEqual(control.ended(), "close")

    def test_every_user_gets_331(self):
        """Names that exist are not to be found out (RFC 2577 7)."""
        for server_class in SERVERS:
            with self.subTest(server=server_class.name):
                self.start(self.real(server_class))
                control = self.control()
                user = self.target.user.replace(self.server.user, "who-is-that", 1)
                self.assert_code(control.ask(f"USER {user}"), *((331, 530) if DIRECT else (331,)))
                self.assert_code(control.ask("PASS whatever"), 530, 503)

    def test_the_server_that_names_its_users(self):
        self.start(self.odd([("USER", "530 no such user\n")]))
        control = self.control()
        self.assert_code(control.ask(f"USER {self.target.user}"), 530 if DIRECT else 331)
        if not DIRECT:
            self.assert_code(control.ask("PASS whatever"), 530)
            self.assertEqual(self.server.heard("PASS"), [], "the password went to who does not want it")

    def test_a_wrong_password_and_then_the_right_one(self):
        self.start()
        control = self.control()
        self.assert_code(control.ask(f"USER {self.target.user}"), 331)
        self.assert_code(control.ask("PASS wrong"), 530)
        control.login(self.target.user, self.target.password)
        self.assert_lives(control)

    @through_sluice
    def test_few_guesses_a_session(self):
        self.start(self.odd([("PASS", "530 no\n")] * 20))
        control = self.control()
        codes = []
        try:
            for _ in range(20):
                control.ask(f"USER {self.target.user}")
                codes.append(control.code("PASS guess"))
        except (Closed, ConnectionError):
            pass
        self.assertEqual(codes[0], 530)
        self.assertLess(len(codes), 7, codes)

    @through_sluice
    def test_a_user_without_a_server(self):
        self.start()
        control = self.control()
        for user in ("nobody", "nobody@", "@", "", "x@:21", f"x@127.0.0.1:{self.server.port}x", "x@127.0.0.1:0", "x@127.0.0.1:65536", "x@[::1", "x@a b"):
            with self.subTest(user=user):
                self.assert_code(control.ask(f"USER {user}"), *((530,) if user == "nobody" else (530, 501)))
        control.login(self.target.user, self.target.password)
        self.assert_lives(control)

    @through_sluice
    def test_the_last_at_sign_counts(self):
        self.start(self.odd())
        control = self.control()
        self.assert_code(control.ask(f"USER me@home@127.0.0.1:{self.server.port}"), 331)
        self.assert_code(control.ask("PASS p@ss:word"), 230)
        self.assertEqual(self.server.heard("USER"), ["USER me@home"])
        self.assertEqual(self.server.heard("PASS"), ["PASS p@ss:word"])

    @through_sluice
    def test_a_server_that_is_not_there(self):
        port = free_port()
        self.start(ftp={"ports": [port]})
        control = self.control()
        self.assert_code(control.ask(f"USER x@127.0.0.1:{port}"), 421)
        self.proxy.event(network__protocol="ftp", event__action="failed", server__port=port)

    @through_sluice
    def test_a_port_that_is_not_for_ftp(self):
        server = self.odd()
        self.start(server, ftp={"ports": [free_port()]})
        self.assertEqual(self.control().code(f"USER {self.target.user}"), 530)
        self.assertEqual(server.accepted, 0)

    @through_sluice
    def test_not_to_itself(self):
        self.start()
        port = self.target.port
        self.proxy.configure(ftp={"ports": ["1-65535"]})
        self.assertEqual(self.proxy.command("reload").returncode, 0)
        for other in (port, self.proxy.port, self.proxy.admin):
            self.assert_code(self.control().ask(f"USER x@127.0.0.1:{other}"), 530)

    @through_sluice
    def test_a_fixed_server(self):
        server = self.real()
        self.start(server, ftp={"upstream": f"127.0.0.1:{server.port}"})
        control = self.control().login(server.user, server.password)
        self.assert_lives(control)

    @through_sluice
    def test_two_servers_in_one_session(self):
        first, second = self.odd(), self.odd()
        self.start(first, ftp={"ports": [first.port, second.port]})
        control = self.control().login(self.target.user, "a")
        control.login(f"other@127.0.0.1:{second.port}", "b")
        self.assert_lives(control)
        self.assertEqual((first.heard("PWD") and second.heard("USER"), first.heard("PASS"), second.heard("PASS")), (["USER other"], ["PASS a"], ["PASS b"]))

    @through_sluice
    def test_before_login(self):
        self.start(self.odd(file=b"x"))
        control = self.control()
        for command in ("PWD", "RETR file", "DELE file", "PASV", "STOR x", "LIST", "CWD /", "PASS x", "RNFR file", "SITE HELP"):
            with self.subTest(command=command):
                self.assert_code(control.ask(command), 530, 503, 502)
        self.assert_code(control.ask("NOOP"), 200)
        self.assert_code(control.ask("FEAT"), 211)
        self.assertEqual(self.server.accepted, 0)

    @through_sluice
    def test_sessions_per_client(self):
        self.start(ftp={"sessions_per_client": 2})
        first, second = self.control(), self.control()
        self.assert_code(self.control().greeting, 421)
        self.assert_code(self.control("127.0.0.5").greeting, 220)
        for control in (first, second):
            self.assert_code(control.ask("NOOP"), 200)
        first.close()
        until(lambda: self.control().greeting.code == 220, "room")

    @through_sluice
    def test_idle(self):
        self.start(limits={"ftp_idle": "1s"})
        control = self.login()
        self.assert_code(control.reply(), 421)
        self.assertEqual(control.ended(), "close")
        until(lambda: not self.server.sessions(), "the end upstream")

    def test_the_end_of_a_client(self):
        """Without a word: the server's session ends as well."""
        self.start()
        control = self.login()
        until(self.server.sessions, "the session")
        control.reset()
        until(lambda: not self.server.sessions(), "the end upstream")


class Commands(FtpTest):
    def test_in_order(self):
        """Pipelined: each has its one reply, in order."""
        self.start()
        control = self.login()
        control.send("PWD\r\nNOOP\r\nSYST\r\nTYPE I\r\nCWD /none\r\nFOO\r\nPWD\r\n")
        codes = [control.reply().code for _ in range(7)]
        self.assertEqual(codes, [257, 200, 215, 200, 550, 500 if DIRECT else 502, 257])
        self.assertTrue(control.quiet())

    def test_one_reply_a_command(self):
        for server_class in SERVERS:
            with self.subTest(server=server_class.name):
                self.start(self.real(server_class))
                control = self.login()
                self.server.write("here", b"x" * 10)
                for command, *codes in (("PWD", 257), ("XPWD", 257), ("SYST", 215), ("NOOP", 200), ("TYPE A", 200), ("TYPE I", 200), ("TYPE L 8", 200, 504, 501), ("MODE S", 200), ("STRU F", 200),
                                        ("SIZE here", 213), ("MDTM here", 213), ("SIZE none", 550), ("MKD sub", 257), ("CWD sub", 250), ("CDUP", 250, 200), ("RMD sub", 250),
                                        ("RNFR here", 350), ("RNTO there", 250), ("DELE there", 250), ("DELE there", 550), ("STAT", 211), ("HELP", 214), ("OPTS UTF8 ON", *((200, 451, 501, 504) if DIRECT else (200,))),
                                        ("ALLO 10", 200, 202), ("CWD none", 550), ("QUIT", 221)):
                    self.assert_code(control.ask(command), *codes)
                self.assertEqual(control.ended(), "close")

    def test_case_and_spaces(self):
        self.start(self.odd())
        control = self.login()
        self.assert_code(control.ask("pWd"), 257)
        self.assert_code(control.ask("MKD  two  spaces "), 257)
        self.assertEqual(self.server.heard("MKD"), ["MKD  two  spaces "])

    @through_sluice
    def test_unknown_commands_do_not_exist(self):
        self.start(self.odd())
        control = self.login()
        for command in ("FOO", "XCRC file", "SMNT /x", "MACB x", "XEXEC ls", "GET / HTTP/1.1", "POST x", "PRET RETR x", "MIC x", "ENC x", "CONF x", "MLFL x"):
            with self.subTest(command=command):
                self.assert_code(control.ask(command), 502)
        said = [line.split(" ")[0].upper() for line in self.server.said]
        self.assertLessEqual(set(said), {"USER", "PASS", "TYPE", "PWD", "FEAT", "SYST", "OPTS", "CLNT"})
        self.assert_lives(control)

    @through_sluice
    def test_an_empty_line(self):
        self.start(self.odd())
        control = self.login()
        self.assertEqual(control.code("") // 100, 5)
        self.assert_lives(control)

    @through_sluice
    def test_site(self):
        self.start(self.odd())
        control = self.login()
        for command in ("SITE EXEC id", "SITE CHMOD 777 x", "SITE CPFR /etc/passwd", "SITE", "SITE HELP"):
            self.assert_code(control.ask(command), 502)
        self.assertEqual(self.server.heard("SITE"), [])

    @through_sluice
    def test_site_commands_that_are_let_through(self):
        self.start(self.odd(), [rule("no-setuid", 'ftp.command == "SITE" and ftp.argument matches "[4-7][0-7]{3} "', "block")], ftp={"site": ["CHMOD"]})
        control = self.login()
        self.assert_code(control.ask("SITE CHMOD 644 x"), 200)
        self.assert_code(control.ask("site chmod 600 x"), 200)
        self.assert_code(control.ask("SITE EXEC id"), 502)
        self.assert_blocked(control.ask("SITE CHMOD 4755 x"), "no-setuid", 550)
        self.assertEqual([line.upper() for line in self.server.heard("SITE")], ["SITE CHMOD 644 X", "SITE CHMOD 600 X"])

    def test_modes_and_structures(self):
        self.start()
        control = self.login()
        for command, code in (("MODE S", 200), ("MODE B", 504), ("MODE C", 504), ("MODE Z", 504), ("STRU F", 200), ("STRU R", 504), ("STRU P", 504), ("TYPE E", 504)):
            with self.subTest(command=command):
                self.assert_code(control.ask(command), code, *((501, 200) if DIRECT and code == 504 else ()))
        self.assert_lives(control)

    @through_sluice
    def test_features_are_those_of_both(self):
        self.start(self.odd([("FEAT", "211-Odd\n SIZE\n MODE Z\n AUTH KERBEROS_V4\n XCRC\n MLST type*;size*;\n REST STREAM\n UTF8\n MFMT\n SITE EXEC\n PRET\n211 End\n")]))
        control = self.login()
        reply = control.ask("FEAT")
        self.assert_code(reply, 211)
        inner = reply.raw.decode().split("\r\n")[1:-2]
        for line in inner:
            self.assertRegex(line, r"^ [A-Z]")                 # RFC 2389 3.2: one space
        names = {line[1:].upper() for line in inner}
        self.assertLessEqual({"SIZE", "REST STREAM"}, names)
        self.assertTrue(any(name.startswith("MLST TYPE*;SIZE*;") for name in names), names)
        self.assertLessEqual({name for name in names if not name.startswith("MLST")}, OURS | {"SIZE", "REST STREAM", "MFMT"})

    @through_sluice
    def test_features_of_a_server_without_any(self):
        self.start(self.odd([("FEAT", "502 what\n")]))
        reply = self.login().ask("FEAT")
        self.assert_code(reply, 211)
        self.assertLessEqual({line[1:].upper() for line in reply.raw.decode().split("\r\n")[1:-2]}, OURS)

    @through_sluice
    def test_a_line_that_is_too_long(self):
        self.start(self.odd())
        control = self.login()
        self.assert_code(control.ask("DELE " + "x" * 5000), 500)
        self.assertEqual(self.server.heard("DELE"), [])
        control.next_or_closed("NOOP")

    @through_sluice
    def test_a_path_that_is_too_long(self):
        self.start(self.odd())
        control = self.login()
        self.assertEqual(control.code("DELE " + "x" * 3000) // 100, 5)
        self.assertEqual(self.server.heard("DELE"), [])
        self.assert_lives(control)

    @through_sluice
    def test_a_line_without_end(self):
        """Megabytes of it: nothing of them is kept, and what they end with is no command."""
        self.start(self.odd())
        control = self.login()
        before = self.proxy.rss()
        try:
            for _ in range(1000):
                control.send(b"x" * 10_000)
            self.assertLess(self.proxy.rss() - before, 8 << 20)
            reply = control.ask(" DELE x")
            self.assert_code(reply, 500)
        except (Closed, ConnectionError):
            pass
        self.assertEqual(self.server.heard("x") + self.server.heard("DELE"), [])

    @through_sluice
    def test_line_ends_within(self):
        """A bare LF, a bare CR or a NUL: what another reads as two commands goes nowhere."""
        for raw in (b"NOOP\nDELE a\r\n", b"DELE a\nb\r\n", b"DELE a\rb\r\n", b"DELE a\0b\r\n", b"DELE a\n\r\n", b"\nDELE a\r\n", b"RNFR x\r\nDELE a\r\0\r\n"):
            with self.subTest(raw=raw):
                self.start(self.odd())
                control = self.login()
                control.send(raw)
                if raw.startswith(b"RNFR"):
                    self.assert_code(control.reply(), 350)
                self.assert_code(control.reply(), 501)
                control.next_or_closed("NOOP")
                self.assertEqual(self.server.heard("DELE"), [])

    def test_telnet_within(self):
        """What clients send before ABOR may come before any command (RFC 1123 4.1.2.12); IAC IAC is an octet of a name."""
        self.start(self.odd())
        control = self.login()
        if not DIRECT:
            self.assert_code(control.ask(b"\xff\xf4\xff\xf2NOOP"), 200)
            self.assert_code(control.ask(b"\xff\xf1PWD"), 257)
        self.assert_code(control.ask(b"DELE a\xff\xffb"), 250)
        self.assert_code(control.ask("DELE Grüße"), 250)
        self.assertEqual(self.server.heard("DELE")[1], "DELE Grüße")
        if not DIRECT:
            self.assertIn(self.server.heard("DELE")[0], ("DELE a\udcffb", "DELE a\udcff\udcffb"))

    def test_answers_come_whole(self):
        """A help of several lines, among them one that looks like another reply's end."""
        text = "211-Status\n 211 not yet\n 212 nor this\nplain\n211 End\n"
        self.start(self.odd([("STAT", text)]))
        reply = self.login().ask("STAT")
        self.assertEqual(reply.code, 211)
        for word in ("not yet", "nor this", "plain"):
            self.assertIn(word, reply.text)

    @through_sluice
    def test_reinitialise(self):
        self.start()
        control = self.login()
        if control.code("REIN") == 220:
            self.assert_code(control.ask("PWD"), 530, 503)
            control.login(self.target.user, self.target.password)
        self.assert_lives(control)


class Words(FtpTest):
    @through_sluice
    def test_passwords_are_nowhere(self):
        """Neither in the event log nor in the diagnostics, wherever they were said."""
        secrets = ["top-secret-one", "top-secret-two", "top-secret-three", "top-secret-four"]
        self.start(self.odd([("PASS", "332 account\n"), ("PASS", "530 no\n")]), log={"level": "debug"}, top={"workers": 1})
        control = self.control()
        control.ask(f"PASS {secrets[0]}")
        control.ask(f"USER {self.target.user}")
        control.ask(f"PASS {secrets[1]}")
        control.ask(f"ACCT {secrets[2]}")
        control.ask(f"USER {self.target.user}")
        control.ask(f"PASS {secrets[3]}")
        control.ask("QUIT")
        self.proxy.event(network__protocol="ftp")
        self.proxy.signal(15)
        self.proxy.wait()
        said = self.proxy.events_path.read_text() + self.proxy.stderr() + bytes(self.proxy.stdout_bytes).decode()
        self.assertTrue(re.search("tester", said), "the user is there")
        for secret in secrets:
            self.assertNotIn(secret, said)
