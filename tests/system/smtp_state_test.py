# SPDX-License-Identifier: Apache-2.0
"""What changes while a session is open: the configuration, the upstream, the client, the whole process."""
import os
import signal
import socket
import struct
import subprocess
import threading

from harness import rule, until
from smtp_case import KEYWORDS, RECIPIENT, SENDER, SmtpTest, message, through_sluice
from smtp_odd import CHUNKING, always, wait

HELD = rule("mark", "exists(email.subject)", "tag", tags=["x"], header=True)


@through_sluice
class Reload(SmtpTest):
    has_tls = True

    def reload(self, rules=(), **smtp):
        self.proxy.configure(rules, smtp={**self.proxy.sections["smtp"], **smtp})
        done = self.proxy.command("reload")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_another_upstream(self):
        before, after = self.odd(), self.odd()
        self.start(before)
        client = self.client()
        self.assert_code(self.send(client=client), 250)
        self.reload(upstream=f"127.0.0.1:{after.port}")
        self.assert_code(self.send(client=client), 250)
        self.assertEqual((len(before.committed), len(after.committed)), (1, 1))

    def test_the_same_upstream_stays(self):
        self.start()
        client = self.client()
        self.reload([rule("other", 'smtp.helo == "nobody"', "block")])
        self.assert_code(self.send(client=client), 250)
        self.assertEqual(len(self.upstream.sessions), 1)

    def test_TLS_that_is_required_now(self):
        self.start()
        client = self.client()
        self.assert_code(self.send(client=client), 250)
        self.reload(upstream_tls="require")
        self.assert_code(client.ask(f"MAIL FROM:<{SENDER}>"), 451, "4.7.5")
        self.assertEqual(len(self.upstream.committed), 1)

    def test_a_rule_about_the_upstreams_address(self):
        self.start()
        client = self.client()
        self.reload([rule("there", "server.ip == 127.0.0.1", "block")])
        reply = client.ask(f"MAIL FROM:<{SENDER}>")
        self.assertEqual((reply.code, self.upstream.heard("MAIL")), (550, []), reply)

    def test_an_open_transaction_goes_on(self):
        self.start()
        client = self.client().envelope()
        self.reload([rule("all", 'smtp.mail_from == "ann@example.org"', "block")])
        self.assert_code(client.data(message()), 250)
        self.assert_code(client.ask(f"MAIL FROM:<{SENDER}>"), 550)


@through_sluice
class Ends(SmtpTest):
    def test_draining_waits_for_the_message(self):
        self.start()
        idle = self.client()
        client = self.client().envelope()
        os.kill(self.proxy.pid, signal.SIGTERM)
        self.assert_code(idle.reply(), 421, "4.3.2")
        self.assert_code(client.data(message()), 250)
        self.assert_code(client.reply(), 421, "4.3.2")
        self.received()

    def gone(self, reset):
        """A client that goes away behind its dot, while its message waits."""
        go = threading.Event()
        self.addCleanup(go.set)
        self.start(self.odd([("DATA", [wait(go), "354 go\n"])]), [HELD])
        client = self.client().envelope()
        client.must(354, "DATA")
        client.send(message() + b".\r\n")
        until(lambda: self.upstream.heard("DATA"), "DATA upstream")
        if reset:
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sock.close()
        go.set()
        self.mail_event(event__action="aborted")
        self.assert_nothing_came()

    def test_a_client_that_is_gone_behind_its_dot(self):
        """It sends the message again: it must not be there already."""
        self.gone(reset=False)

    def test_a_client_that_breaks_off_behind_its_dot(self):
        self.gone(reset=True)

    def test_commands_behind_the_dot_are_no_end(self):
        self.start()
        client = self.client().envelope()
        client.must(354, "DATA")
        client.send(message() + b".\r\nNOOP\r\nQUIT\r\n")
        self.assertEqual([client.reply().code for _ in range(3)], [250, 250, 221])
        self.received()


@through_sluice
class AnotherUpstream(SmtpTest):
    """The one of EHLO is gone at MAIL, and the next one has less."""

    def begin(self):
        first, second = self.odd(), self.odd(keywords=("SIZE 10240000",))
        self.start([f"127.0.0.1:{first.port}", f"127.0.0.1:{second.port}"])
        client = self.client()
        first.close()
        for session in first.sessions:
            session.peer.sock.close()
        self.assert_code(client.ask(f"MAIL FROM:<{SENDER}>"), 451, None)
        return client, second

    def test_what_was_offered_is_missed_for_now_alone(self):
        client, _ = self.begin()
        self.assert_code(client.ask(f"MAIL FROM:<{SENDER}> BODY=8BITMIME"), 451, "4.4.2")
        self.assert_code(client.ask(f"MAIL FROM:<{SENDER}> RET=HDRS"), 451, "4.4.2")
        self.assert_code(client.ask(f"MAIL FROM:<{SENDER}>"), 250)
        self.assert_code(client.ask(f"RCPT TO:<{RECIPIENT}> NOTIFY=NEVER"), 451, "4.4.2")
        client.ehlo()
        self.assert_code(client.ask(f"MAIL FROM:<{SENDER}> BODY=8BITMIME"), 555)

    def test_a_message_without_it_goes_there(self):
        client, second = self.begin()
        self.assert_code(self.send(client=client), 250)
        self.assertEqual(len(second.committed), 1)


@through_sluice
class StrangeReplies(SmtpTest):
    def test_go_on_where_nothing_goes_on(self):
        for step, moves in (("MAIL", "354 go\n"), ("RCPT", "354 go\n"), (".", "354 more\n"), ("RCPT", "150 soon\n")):
            with self.subTest(step=step):
                self.start(self.odd([(step, moves)]))
                client = self.client()
                reply = client.ask(f"MAIL FROM:<{SENDER}>")
                if reply.code == 250:
                    reply = client.ask(f"RCPT TO:<{RECIPIENT}>")
                if reply.code == 250:
                    reply = client.data(message())
                self.assertEqual(reply.code, 451, reply)
                self.assert_lives(client)
                self.proxy.stop()

    def test_goodbye(self):
        """The upstream's session is over; the client's is not."""
        for step in ("MAIL", "RCPT", "DATA", "."):
            with self.subTest(step=step):
                self.start(self.odd([(step, ["421 4.3.2 bye\n", lambda session: session.peer.sock.close()])]))
                client = self.client()
                reply = client.ask(f"MAIL FROM:<{SENDER}>")
                if reply.code == 250:
                    reply = client.ask(f"RCPT TO:<{RECIPIENT}>")
                if reply.code == 250:
                    reply = client.ask("DATA")
                if reply.code == 354:
                    client.send(message() + b".\r\n")
                    reply = client.reply()
                self.assert_code(reply, 451, "4.4.2" if step != "." else None)
                client.must(250, "RSET")
                self.assert_code(self.send(client=client), 250)
                self.proxy.stop()


@through_sluice
class Logins(SmtpTest):
    def users(self, **users):
        path = self.folder() / "users"
        for at, (user, password) in enumerate(users.items()):
            subprocess.run(["htpasswd", "-b", "-B", "-C", "5", *(["-c"] if at == 0 else []), str(path), user, password], check=True, capture_output=True)
        return str(path)

    def refused_for_good(self, *rules):
        """Logged in, he may not: at the first MAIL, and at every other."""
        self.start(rules=rules, smtp={"auth_without_tls": True})
        client = self.client()
        self.assert_code(client.ask(f"MAIL FROM:<{SENDER}>"), 530, "5.7.0")
        self.assert_code(client.plain("bo", "word"), 235)
        for _ in range(3):
            self.assert_code(client.ask(f"MAIL FROM:<{SENDER}>"), 550, "5.7.1")
        self.assertEqual(self.upstream.heard("MAIL"), [])

    def test_a_user_of_another_rule(self):
        self.refused_for_good(rule("mine", "client.ip == 127.0.0.1", "authenticate", users=self.users(ann="word"), realm="x"),
                              rule("others", "client.ip == 192.0.2.1", "authenticate", users=self.users(bo="word"), realm="x"))

    def test_a_rule_behind_the_login(self):
        self.refused_for_good(rule("mine", "client.ip == 127.0.0.1", "authenticate", users=self.users(bo="word"), realm="x"),
                              rule("not you", 'smtp.helo == "client.test"', "block"))

    def test_what_dial_said_stays(self):
        self.start(rules=[rule("who", "client.ip == 127.0.0.1", "authenticate", users=self.users(bo="word"), realm="x"),
                          rule("there", "server.ip == 127.0.0.1", "tag", tags=["local"])], smtp={"auth_without_tls": True})
        client = self.client()
        self.assert_code(client.plain("bo", "word"), 235)
        self.assert_code(self.send(client=client), 250)
        self.assertEqual(self.mail_event(event__action="allowed").get("tags"), ["local"])

    def test_one_that_the_upstream_refuses(self):
        self.start(self.odd(keywords=(*KEYWORDS, "AUTH PLAIN"), users={"ann": "word"}), smtp={"auth_without_tls": True})
        self.assert_code(self.client().plain("ann", "wrong"), 535)
        self.assertNotIn("user.name", self.mail_event(event__action="failed", smtp__reply=535))

    def test_silence_in_the_middle(self):
        self.start(self.odd(keywords=(*KEYWORDS, "AUTH LOGIN"), users={"ann": "word"}), smtp={"auth_without_tls": True}, limits={"smtp_idle": "500ms"})
        client = self.client()
        client.must(334, "AUTH LOGIN")
        self.assert_code(client.reply(), 421, "4.4.2")

    def test_a_name_that_is_asked_for_twice(self):
        """Which of the two has logged in nobody knows."""
        def talk(session):
            for challenge in ("VXNlcm5hbWU6", "UGFzc3dvcmQ6"):
                session.do(f"334 {challenge}\n")
                session.read_line()
            session.do("235 2.7.0 ok\n")
        self.start(self.odd([("AUTH LOGIN", talk)], keywords=(*KEYWORDS, "AUTH LOGIN")), smtp={"auth_without_tls": True})
        client = self.client()
        client.must(334, "AUTH LOGIN YWRtaW4=")
        client.must(334, "bWFsbG9yeQ==")
        client.must(235, "cHc=")
        self.assert_code(self.send(client=client), 250)
        self.assertNotIn("user.name", self.mail_event(event__action="allowed"))


@through_sluice
class Loop(SmtpTest):
    def test_an_upstream_that_is_ourselves(self):
        """By a name, which nobody can know when the configuration is read."""
        self.start(self.odd())
        self.proxy.configure(smtp={**self.proxy.sections["smtp"], "upstream": f"mail.test:{self.port}"})
        self.assertEqual(self.proxy.command("reload").returncode, 0)
        client = self.client()
        self.assert_code(client.ask(f"MAIL FROM:<{SENDER}>"), 451, "4.4.1")
        self.assertLess(len(os.listdir(f"/proc/{self.proxy.pid}/fd")), 200)


@through_sluice
class Hold(SmtpTest):
    def test_a_setting_and_a_rule(self):
        """Nothing is said upstream of what waits, so that it can be kept alive meanwhile."""
        for keys in ({"inspect": {"deliver": "hold"}}, {"rules": [rule("wait", "exists(email.subject)", "inspect", deliver="hold")]}):
            for keywords in (KEYWORDS, CHUNKING):
                with self.subTest(keywords=keywords, **keys):
                    self.start(self.odd(keywords=keywords), **keys)
                    client = self.client().envelope()
                    client.must(354, "DATA")
                    client.send(message() + b"x" * 1_000_000 + b"\r\n")
                    self.assertTrue(client.quiet(0.3))
                    self.assertEqual((self.upstream.heard("DATA"), self.upstream.heard("BDAT")), ([], []))
                    client.send(b".\r\n")
                    self.assert_code(client.reply(), 250)
                    self.received()
                    self.proxy.stop()

    def test_what_a_rule_might_hold_and_does_not(self):
        self.start(self.odd(keywords=CHUNKING), [rule("wait", 'email.subject == "another"', "inspect", deliver="hold")])
        client = self.client().envelope()
        client.must(354, "DATA")
        client.send(message() + b"x" * 1_000_000 + b"\r\n")
        until(lambda: self.upstream.heard("BDAT"), "the first chunk")
        client.send(b".\r\n")
        self.assert_code(client.reply(), 250)
        self.received()

    def test_DATA_that_is_refused_then(self):
        self.start(self.odd([("DATA", "452 4.3.1 full\n")]), [rule("wait", 'email.subject == "another"', "inspect", deliver="hold")])
        client = self.client().envelope()
        self.assertEqual(client.data(message()).raw, b"452 4.3.1 full\r\n")
        self.assert_lives(client)
        self.assert_code(self.send(client=client), 250)
