# SPDX-License-Identifier: Apache-2.0
"""Rules about FTP as an administrator writes them: the refusal's code and words, what the server sees of it, and the event."""
from ftp_case import FtpTest, through_sluice
from ftp_servers import SERVERS
from harness import rule
from payloads import PROGRAM, noise
from wire import Closed


@through_sluice
class Rules(FtpTest):
    def test_a_command(self):
        for server_class in SERVERS:
            with self.subTest(server=server_class.name):
                self.start(self.real(server_class), [rule("keep", 'ftp.command == "DELE"', "block", reason="Nothing is deleted here.")])
                self.server.write("file", b"x")
                control = self.login()
                reply = control.ask("DELE file")
                self.assert_blocked(reply, "keep", 550)
                self.assert_blocked(control.ask("dele file"), "keep", 550)
                self.assertEqual(self.server.read("file"), b"x")
                self.assert_lives(control)
                event = self.proxy.event(ftp__command="DELE", event__action="blocked", rule__name="keep")
                self.assertIn(event["event.id"], reply.text)
                self.assertEqual((event["network.protocol"], event["event.reason"]), ("ftp", "Nothing is deleted here."))
                self.assertIn("denied", event["event.type"])

    def test_what_may_be_written(self):
        """STOR, STOU, APPE and RNTO are refused with 553, and nothing goes on."""
        self.start(self.odd(), [rule("read-only", 'ftp.command in {"STOR", "STOU", "APPE", "RNTO", "MKD"}', "block")])
        control = self.login()
        for command, code in (("STOR a", 553), ("STOU", 553), ("APPE a", 553), ("MKD a", 550)):
            with self.subTest(command=command):
                self.assert_blocked(control.ask(command), "read-only", code)
        self.assert_code(control.ask("RNFR a"), 350)
        self.assert_blocked(control.ask("RNTO b"), "read-only", 553)
        for command in ("STOR", "STOU", "APPE", "RNTO", "MKD"):
            self.assertEqual(self.server.heard(command), [])
        self.assert_lives(control)

    def test_an_older_name_of_a_command(self):
        """XMKD is MKD (RFC 775)."""
        self.start(self.odd(), [rule("no", 'ftp.command == "MKD"', "block")])
        self.assert_blocked(self.login().ask("XMKD a"), "no", 550)

    def test_a_path_however_it_is_written(self):
        self.start(self.odd(secret=b"s", sub=b"x", **{"/secret/file": b"s", "secret/file": b"s", "file": b"s"}), [rule("secret", 'url.path starts_with "/secret/"', "block")])
        for commands in (["RETR /secret/file"], ["RETR secret/file"], ["CWD /secret/sub", "RETR file"], ["CWD secret", "RETR file"], ["RETR /a/../secret/file"], ["RETR //secret//file"],
                         ["RETR /secret/./file"], ["CWD /a/b", "RETR ../../secret/file"], ["CWD /a", "CDUP", "RETR secret/file"], ["DELE /secret/file"], ["SIZE /secret/file"],
                         ["STAT /secret/file"], ["MDTM secret/file"], ["RNFR /secret/file"], ["LIST /secret/sub"], ["MLST /secret/file"], ["NLST -a /secret/sub"]):
            with self.subTest(commands=commands):
                control = self.login()
                replies = []
                for command in commands:
                    replies.append(control.get(command).final if command[:4] in ("RETR", "LIST", "NLST") else control.ask(command))
                    if replies[-1].code >= 500:
                        break
                self.assert_blocked(replies[-1], "secret", 550)
        self.assertEqual(self.server.heard("RETR"), [])
        self.assert_got(self.login().get("RETR file"), b"s")
        event = self.proxy.event(ftp__command="RETR", event__action="blocked")
        self.assertEqual(event["url.path"], "/secret/file")

    def test_where_a_session_begins_is_known(self):
        """vsftpd's user begins far below "/": relative names are judged as what they are."""
        for server_class in SERVERS:
            with self.subTest(server=server_class.name):
                server = self.real(server_class)
                self.start(server, [rule("no", f'url.path == "{server.home.rstrip("/")}/sub/file"', "block")])
                (server.folder_of("sub") / "file").write_bytes(b"x")
                server.write("file", b"y")
                control = self.login()
                self.assert_blocked(control.get("RETR sub/file").final, "no", 550)
                self.assert_code(control.ask("CWD sub"), 250)
                self.assert_blocked(control.get("RETR file").final, "no", 550)
                self.assert_code(control.ask("CDUP"), 200, 250)
                self.assert_got(control.get("RETR file"), b"y")

    def test_an_extension(self):
        self.start(rules=[rule("programs", 'file.extension == "exe"', "block")])
        self.server.write("setup.EXE", PROGRAM)
        self.server.write("setup.txt", b"text")
        control = self.login()
        down = control.get("RETR setup.EXE")
        self.assert_blocked(down.final, "programs", 550)
        self.assertEqual(down.data, b"")
        self.assert_blocked(control.put("STOR new.exe", PROGRAM).final, "programs", 550, 553)
        self.assertIsNone(self.server.read("new.exe"))
        self.assert_got(control.get("RETR setup.txt"), b"text")
        self.assert_lives(control)

    def test_a_rename_is_no_way_around(self):
        self.start(rules=[rule("programs", 'url.extension == "exe"', "block")])
        control = self.login()
        self.assert_code(control.put("STOR harmless.txt", noise(5000)).final, 226)
        self.assert_code(control.ask("RNFR harmless.txt"), 350)
        self.assert_blocked(control.ask("RNTO setup.exe"), "programs", 553)
        self.assertEqual(self.server.names(), [b"harmless.txt"])
        self.proxy.event(ftp__command="RNTO", event__action="blocked")

    def test_a_type_by_its_content(self):
        self.start(rules=[rule("programs", 'payload.direction == "download" and file.mime_type == "application/x-msdownload"', "block"),
                          rule("programs2", 'payload.direction == "download" and file.mime_type starts_with "application/vnd.microsoft"', "block")])
        self.server.write("picture.png", PROGRAM)
        transfer = self.login().get("RETR picture.png")
        self.assert_code(transfer.final, 550)
        self.assertEqual(transfer.data, b"")

    def test_a_user(self):
        self.start(self.odd(), [rule("not-him", 'user.name == "tester"', "block")])
        control = self.control()
        reply = control.ask(f"USER {self.target.user}")
        if reply.code == 331:
            reply = control.ask(f"PASS {self.target.password}")
        self.assert_blocked(reply, "not-him", 530)
        self.assertEqual(self.server.heard("PASS"), [])
        control = self.control().login(self.target.user.replace("tester", "another"), "x")
        self.assert_lives(control)
        self.proxy.event(rule__name="not-him", event__action="blocked", user__name="tester")

    def test_an_address_at_dial(self):
        self.start(self.odd(), [rule("loopback", "server.ip in 127.0.0.0/8", "block")])
        self.assert_blocked(self.control().ask(f"USER {self.target.user}"), "loopback", 530)
        self.assertEqual(self.server.accepted, 0)
        self.proxy.event(rule__name="loopback", event__action="blocked")

    def test_a_server_by_its_name(self):
        self.start(self.odd(), [rule("there", 'url.domain == "localhost"', "block")])
        self.assert_blocked(self.control().ask(f"USER x@LOCALHOST.:{self.server.port}"), "there", 530)
        self.assertEqual(self.server.accepted, 0)
        self.assert_code(self.control().ask(f"USER x@127.0.0.1:{self.server.port}"), 331)

    def test_a_client_at_accept(self):
        self.start(self.odd(), [rule("that-client", "client.ip == 127.0.0.8", "block")])
        control = self.control("127.0.0.8")
        self.assert_blocked(control.greeting, "that-client", 421)
        self.assertEqual(control.ended(), "close")
        self.assert_code(self.control("127.0.0.7").greeting, 220)
        self.proxy.event(rule__name="that-client", client__ip="127.0.0.8", event__action="blocked")

    def test_default_block(self):
        self.start(self.odd(), policy={"default": "block"})
        control = self.control()
        reply = control.ask(f"USER {self.target.user}")
        if reply.code == 331:
            reply = control.ask(f"PASS {self.target.password}")
        self.assert_code(reply, 530)
        self.assertEqual(self.server.heard("PASS"), [])

    def test_default_block_with_what_is_allowed(self):
        self.start(self.odd(file=b"x"), [rule("read", 'ftp.command in {"USER", "PASS", "TYPE", "PWD", "PASV", "RETR"}', "allow")], policy={"default": "block"})
        control = self.login()
        self.assert_got(control.get("RETR file"), b"x")
        self.assert_code(control.ask("DELE file"), 550)
        self.assertEqual(self.server.heard("DELE"), [])

    def test_reset(self):
        self.start(self.odd(), [rule("gone", 'ftp.command == "DELE"', "reset")])
        control = self.login()
        control.say("DELE x")
        with self.assertRaises(Closed) as caught:
            control.reply()
        self.assertTrue(caught.exception.reset)
        self.assertEqual(caught.exception.data, b"")
        self.proxy.event(rule__name="gone", event__action="reset")

    def test_limit(self):
        self.start(self.odd(file=b"x"), [rule("slow", 'ftp.command == "RETR"', "limit", rate="1/h", burst=2, per=["client.ip"])])
        control = self.login()
        self.assert_got(control.get("RETR file"), b"x")
        self.assert_got(control.get("RETR file"), b"x")
        self.assert_code(control.get("RETR file").final, 421)
        self.assertEqual(len(self.server.heard("RETR")), 2)
        self.proxy.event(rule__name="slow", event__action="limited")

    def test_shadow_and_tags(self):
        self.start(self.odd(file=b"x"), [rule("would", 'ftp.command == "RETR"', "block", mode="shadow"), rule("mark", 'ftp.command == "RETR"', "tag", tags=["seen"])])
        self.assert_got(self.login().get("RETR file"), b"x")
        event = self.proxy.event(ftp__command="RETR")
        self.assertEqual((event["rule.shadow"], event["tags"], event["event.action"]), (["would"], ["seen"], "allowed"))

    def test_a_reply(self):
        self.start(self.odd([("SYST", "215 Windows_NT\n")]), [rule("no-550", 'ftp.command == "SIZE" and ftp.reply == 550', "block"), rule("other", "ftp.reply == 215", "block")])
        control = self.login()
        self.assert_blocked(control.ask("SYST"), "other", 550)
        self.assert_blocked(control.ask("SIZE none"), "no-550", 550)
        self.assert_lives(control)

    def test_rules_of_other_protocols(self):
        """A rule that reads what FTP never has does not apply to it."""
        self.start(self.odd(file=b"x"), [rule("web", 'not (http.request.method == "GET")', "block"), rule("mail", 'not (smtp.helo == "x")', "block")])
        self.assert_got(self.login().get("RETR file"), b"x")

    def test_a_reload_between_commands(self):
        self.start(self.odd())
        control = self.login()
        self.assert_code(control.ask("DELE a"), 250)
        self.proxy.configure([rule("keep", 'ftp.command == "DELE"', "block")])
        self.assertEqual(self.proxy.command("reload").returncode, 0)
        self.assert_blocked(control.ask("DELE b"), "keep", 550)
        self.assertEqual(self.server.heard("DELE"), ["DELE a"])


@through_sluice
class Events(FtpTest):
    def test_a_download(self):
        for server_class in SERVERS:
            with self.subTest(server=server_class.name):
                self.start(self.real(server_class))
                content = noise(100_000)
                self.server.write("a file.bin", content)
                self.assert_got(self.login().get("RETR a file.bin"), content)
                event = self.proxy.event(ftp__command="RETR")
                path = self.server.home.rstrip("/") + "/a file.bin"
                self.assertEqual({key: event.get(key) for key in ("network.protocol", "scan.verdict", "event.action", "event.outcome", "user.name", "client.ip", "server.ip",
                                                                  "server.port", "file.name", "file.size", "url.scheme", "url.domain", "ftp.argument", "network.transport")},
                                 {"network.protocol": "ftp", "scan.verdict": "clean", "event.action": "allowed", "event.outcome": "success",
                                  "user.name": self.server.user, "client.ip": "127.0.0.1", "server.ip": "127.0.0.1", "server.port": self.server.port, "file.name": "a file.bin",
                                  "file.size": len(content), "url.scheme": "ftp", "url.domain": "127.0.0.1", "ftp.argument": "a file.bin", "network.transport": "tcp"})
                self.assertIn(event["url.path"], (path, path.replace(" ", "%20")))
                self.assertNotIn("@", event.get("url.full", ""))
                self.assertGreaterEqual(event["server.bytes"], len(content))
                self.assertGreater(event["event.duration"], 0)

    def test_an_upload(self):
        self.start()
        self.assert_code(self.login().put("STOR up.bin", noise(5000)).final, 226)
        event = self.proxy.event(ftp__command="STOR")
        self.assertEqual((event["scan.verdict"], event["event.action"], event["file.size"], event["event.outcome"]), ("clean", "allowed", 5000, "success"))
        self.assertGreaterEqual(event["client.bytes"], 5000)

    def test_one_a_transfer(self):
        self.start(self.odd(file=b"x"))
        control = self.login()
        for _ in range(3):
            self.assert_got(control.get("RETR file"), b"x")
        control.put("STOR up", b"y")
        control.ask("QUIT")
        self.proxy.event(ftp__command="STOR")
        events = [event["ftp.command"] for event in self.proxy.events() if event.get("ftp.command") in ("RETR", "STOR")]
        self.assertEqual(events, ["RETR"] * 3 + ["STOR"])
        self.assertEqual(len({event["event.id"] for event in self.proxy.events()}), len(self.proxy.events()))

    def test_commands_of_interest(self):
        self.start()
        control = self.login()
        self.server.write("a", b"x")
        for command in ("MKD sub", "RMD sub", "RNFR a", "RNTO b", "DELE b"):
            control.ask(command)
        for command in ("MKD", "RMD", "RNTO", "DELE"):
            self.assertEqual(self.proxy.event(ftp__command=command)["event.action"], "allowed")

    def test_what_the_server_refuses(self):
        self.start()
        self.assert_code(self.login().get("RETR none").final, 550)
        event = self.proxy.event(ftp__command="RETR")
        self.assertEqual((event["event.outcome"], event.get("ftp.reply")), ("failure", 550))

    def test_a_failed_login(self):
        self.start()
        control = self.control()
        control.ask(f"USER {self.target.user}")
        self.assert_code(control.ask("PASS wrong"), 530)
        self.assertEqual(self.proxy.event(ftp__command="PASS")["event.outcome"], "failure")
        self.assertNotIn("wrong", self.proxy.events_path.read_text())
