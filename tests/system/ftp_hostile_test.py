# SPDX-License-Identifier: Apache-2.0
"""Servers that lie, babble, stall and break: the client gets one fitting reply a command, or an end, and never another command's reply."""
import contextlib
import threading

from ftp_case import FtpTest, through_sluice
from ftp_odd import data, end, endless, flood, hang, pieces, reset, shut, sink, unsent, wait
from harness import free_port, until
from payloads import noise

LONG = "x" * 100_000


class Greetings(FtpTest):
    def refused_by(self, script, *codes, **keys):
        self.start(self.odd(script), **keys)
        control = self.control()
        reply = control.ask(f"USER {self.target.user}")
        self.assert_code(reply, *(codes or (421,)))
        self.assertLess(len(reply.raw), 8192)
        return reply

    @through_sluice
    def test_without_end(self):
        """Lines of one reply that never ends, and one line that never ends."""
        for name, content in (("lines", b"220-and so on\r\n" * 1000), ("one line", b"x" * 65536), ("replies", b"120 wait\r\n" * 1000)):
            with self.subTest(name):
                self.refused_by([(None, flood(content))], limits={"first_byte": "3s"})
                until(lambda: not any(is_open(peer) for peer in self.server.peers), "the end upstream")

    @through_sluice
    def test_none(self):
        self.refused_by([(None, hang)], limits={"first_byte": "1s"})
        self.proxy.event(network__protocol="ftp", event__action="failed")

    @through_sluice
    def test_no_ftp(self):
        for content in ("SSH-2.0-OpenSSH_9.2\n", "HTTP/1.1 400 Bad Request\n\n", "\n", "22 short\n", "2200 long\n", "abc def\n", b"\x16\x03\x01\x02\x00\x01\x00", b"\0\0\0\r\n", "999 no\n", "020 no\n"):
            with self.subTest(content=content):
                self.refused_by([(None, [content, end])])

    @through_sluice
    def test_that_refuses(self):
        for greeting in ("421 too many\n", "530 not you\n", "550 no\n"):
            self.refused_by([(None, [greeting, end])])

    @through_sluice
    def test_an_end_at_once(self):
        self.refused_by([(None, end)])
        self.refused_by([(None, reset)])

    @through_sluice
    def test_in_a_while(self):
        """120 before 220 (RFC 959 5.4)."""
        self.start(self.odd([(None, ["120 in a while\n", "220 now\n"])]))
        self.assert_lives(self.login())

    @through_sluice
    def test_commands_before_it(self):
        """Nothing is said to a server that has not greeted."""
        go = threading.Event()
        server = self.odd([(None, [wait(go), "220 now\n"])])
        self.start(server)
        control = self.control()
        control.say(f"USER {self.target.user}")
        until(lambda: server.accepted, "the connection")
        self.assertTrue(control.quiet())
        self.assertEqual(server.peers[0].buffer, b"")
        go.set()
        self.assert_code(control.reply(), 331)


def is_open(peer):
    return peer.sock.fileno() >= 0


class Replies(FtpTest):
    def test_split_anywhere(self):
        """Octet by octet."""
        names = {"USER": "331 who\n", "PASS": "230-hello\n230-230 not yet\n230 welcome\n", "TYPE": "200 yes\n", "PWD": '257 "/a ""b"" c"\n', "RETR": "550 no such file\n", "SYST": "215 UNIX\n"}
        self.start(self.odd([(None, pieces("220-a\n220 b\n"))] + [(verb, pieces(text)) for verb, text in names.items() for _ in range(3)]))
        control = self.login()
        self.assertIn('"/a ""b"" c"', control.ask("PWD").text)
        self.assert_code(control.ask("SYST"), 215)
        self.assert_code(control.get("RETR x").final, 550)

    @through_sluice
    def test_twice(self):
        """A reply too many is nobody's: the next command's answer is its own, or the end."""
        for verb, moves in (("RETR", ["150 here\n", data(b"abc"), "226 done\n226 done again\n"]), ("PWD", '257 "/"\n200 more\n'), ("DELE", "250 gone\n250 gone\n250 gone\n"), ("LIST", "550 no\n226 yes\n")):
            with self.subTest(verb=verb):
                self.start(self.odd([] if verb == "PWD" else [(verb, moves)]))
                control = self.login()
                if verb == "PWD":
                    self.server.script.append((verb, moves))
                first = control.get(f"{verb} x").final if verb in ("RETR", "LIST") else control.ask(f"{verb} x" if verb == "DELE" else verb)
                self.assert_code(first, {"RETR": 226, "PWD": 257, "DELE": 250, "LIST": 550}[verb])
                following = control.next_or_closed("SYST")
                self.assertTrue(following is None or following.code == 215, following)

    @through_sluice
    def test_late(self):
        """After the client's next command was answered already by an error: not that one's."""
        go = threading.Event()
        self.start(self.odd([("SIZE", [wait(go), "213 5\n"])]), limits={"first_byte": "1s"})
        control = self.login()
        self.assertGreaterEqual(control.code("SIZE x"), 400)
        go.set()
        following = control.next_or_closed("SYST")
        self.assertTrue(following is None or following.code == 215, following)

    @through_sluice
    def test_unasked(self):
        self.start(self.odd([("PWD", '257 "/"\n')]))
        control = self.login()
        peer = self.server.sessions[-1].peer
        peer.send(b"226 by the way\r\n")
        until(lambda: not unsent(peer.sock), "its arrival")    # so it is there before the command: whoever looks finds it
        following = control.next_or_closed("SYST")
        self.assertTrue(following is None or following.code == 215, following)

    @through_sluice
    def test_goodbye(self):
        """421 when nobody asked: the client learns of it, at the latest with its next command."""
        self.start(self.odd())
        control = self.login()
        self.server.sessions[-1].do(["421 it is late\n"])
        with contextlib.suppress(OSError):                    # closed already
            self.server.sessions[-1].peer.end()
        self.assertIsNone(control.next_or_closed("PWD"))

    @through_sluice
    def test_what_is_none(self):
        """Whatever a server says instead of a reply, a client gets a good one: strict reading in ftp_client.py checks each."""
        for bad in ("hello\n", "2x0 no\n", "600 no\n", "000 no\n", "250\n", b"250 bare\n", b"250 a\rb\r\n", b"250 nul\0\r\n", b"250 a\r226 b\r\n", "250-never\n226 ended\n", LONG + "\n", "250 " + LONG + "\n",
                    b"250-a\n226 b\r\n250 c\r\n", [b"250 no end", end], [b"250-no", end], end, reset, flood(b"250-more\r\n" * 1000), flood(b"150 wait\r\n" * 1000)):
            with self.subTest(bad=str(bad)[:60]):
                self.start(self.odd([("DELE", bad)]), limits={"first_byte": "2s"})
                control = self.login()
                try:
                    reply = control.ask("DELE x")
                except Exception as closed:
                    self.assertNotIsInstance(closed, AssertionError)
                    continue
                self.assertLess(len(reply.raw), 70_000)
                if reply.code != 250:
                    self.assertIn(reply.code // 100, (4, 5), reply)
                following = control.next_or_closed("SYST")
                self.assertTrue(following is None or following.code == 215, following)

    @through_sluice
    def test_control_characters(self):
        """A terminal's escape sequences in a reply are not passed as they are."""
        self.start(self.odd([("DELE", b"550 \x1b[2Jgone\x07\r\n")]))
        try:
            reply = self.login().ask("DELE x")
        except Exception as closed:
            self.assertNotIsInstance(closed, AssertionError)
            return
        self.assertEqual(reply.code // 100, 5 if reply.code != 421 else 4)


class PassiveAnswers(FtpTest):
    @through_sluice
    def test_another_host(self):
        """The address is not believed: the control connection's own is dialled (CVE-2020-8284)."""
        for answer in ("227 here (10,1,2,3,{high},{low})\n", "227 here (127,0,0,9,{high},{low})\n", "227 =0,0,0,0,{high},{low}\n", "227 Entering Passive Mode {pasv}\n", "227 255,255,255,255,{high},{low}.\n"):
            with self.subTest(answer=answer):
                self.start(self.odd([("EPSV", "502 no\n"), ("PASV", answer)], file=b"content"))
                self.assert_got(self.login().get("RETR file"), b"content")
                self.assertEqual([peer[0] for peer in self.server.data_peers], ["127.0.0.1"])

    @through_sluice
    def test_no_extended(self):
        """The older command is used where the newer is not known, whatever the refusal."""
        for refusal in ("500 what\n", "502 what\n", "522 no\n", "550 no\n", "501 no\n"):
            with self.subTest(refusal=refusal):
                self.start(self.odd([("EPSV", refusal)], file=b"content"))
                self.assert_got(self.login("EPSV").get("RETR file"), b"content")

    @through_sluice
    def test_other_delimiters(self):
        for answer in ("229 here (!!!{epsv}!)\n", "229 (|||{epsv}|)\n", "229 Extended (x) mode (|||{epsv}|)\n"):
            self.start(self.odd([("EPSV", answer)] * 2, file=b"content"))
            self.assert_got(self.login("EPSV").get("RETR file"), b"content")

    @through_sluice
    def test_what_is_no_address(self):
        for answer in ("227 nothing\n", "227 (1,2,3)\n", "227 (127,0,0,1,300,1)\n", "227 (127,0,0,1,0,0)\n", "227 (127,0,0,1,-1,5)\n", "227 (99999999999999999999,0,0,1,1,1)\n", "425 no port\n", "421 bye\n"):
            with self.subTest(answer=answer):
                self.start(self.odd([("EPSV", "502 no\n"), ("PASV", answer)], file=b"content"))
                control = self.login()
                try:
                    transfer = control.get("RETR file")
                except AssertionError:                          # told at PASV already
                    continue
                self.assertIn(transfer.final.code // 100, (4, 5))
                self.assertEqual(transfer.data, b"")

    @through_sluice
    def test_nobody_there(self):
        port = free_port()
        self.start(self.odd([("EPSV", f"229 (|||{port}|)\n"), ("PASV", f"227 (127,0,0,1,{port // 256},{port % 256})\n")], file=b"content"))
        control = self.login()
        transfer = control.get("RETR file")
        self.assertIn(transfer.final.code, (425, 426, 421))
        following = control.next_or_closed("SYST")
        self.assertTrue(following is None or following.code == 215, following)


class TransfersOf(FtpTest):
    def test_refused_before_there_is_a_connection(self):
        """Nobody waits for a data connection that is not made: the refusal is told at once."""
        for verb in ("RETR x", "NLST", "LIST", "STOR x"):
            for code in (425, 450, 550):
                with self.subTest(verb=verb, code=code):
                    self.start(self.odd([(verb[:4], f"{code} no\n")]))
                    control = self.login()
                    transfer = control.put(verb, b"x") if verb.startswith("STOR") else control.get(verb)
                    self.assert_code(transfer.final, code)
                    self.assertEqual(transfer.data, b"")
                    self.assert_lives(control)

    def test_done_before_all_has_come(self):
        """226 may overtake the data: all of it is taken."""
        content = noise(5_000_000)
        self.start(self.odd([("RETR", ["150 here\n", data(content[:1000], keep=True), "226 done\n", lambda session: session.sock.sendall(content[1000:]), shut])]))
        self.assert_got(self.login().get("RETR x"), content)

    @through_sluice
    def test_without_end(self):
        """The client goes when it has enough; the server is let go as well."""
        self.start(self.odd([("NLST", ["150 here\n", endless(b"name\r\n" * 10_000), "426 cut\n"])]))
        control = self.login()
        transfer = control.data()
        self.assert_code(control.ask("NLST"), 150, 125)
        for _ in range(100):
            self.assertTrue(transfer.sock.recv(65536))
        transfer.close(reset=True)
        control.close()
        until(lambda: not any(is_open(peer) for peer in self.server.peers), "the end upstream")

    def test_huge_listings(self):
        listing = b"".join(b"-rw-r--r-- 1 user group %10d Jan  1 00:00 a-file-with-a-name-%07d\r\n" % (number, number) for number in range(100_000))
        self.start(self.odd([("LIST", ["150 here\n", data(listing), "226 done\n"])]))
        control = self.login()
        self.assert_got(control.get("LIST"), listing)
        self.assert_lives(control)

    @through_sluice
    def test_cut(self):
        """What breaks is no success (RFC 959 5.4), whatever the server says then."""
        content = noise(300_000)
        for name, moves in (("reset, then 226", ["150 here\n", data(content, reset=True), "226 done\n"]), ("426", ["150 here\n", data(content), "426 broken\n"]), ("451", ["150 here\n", data(content), "451 disk\n"]),
                            ("the control connection ends", ["150 here\n", data(content), end]), ("and is reset", ["150 here\n", data(content), reset]), ("550", ["150 here\n", data(b""), "550 a folder\n"])):
            with self.subTest(name):
                self.start(self.odd([("RETR", moves)]))
                control = self.login()
                transfer = control.get("RETR x")
                self.assertIn(transfer.final.code // 100, (4, 5), transfer)
                self.proxy.event(ftp__command="RETR", event__outcome="failure")

    @through_sluice
    def test_uploads_that_fail_late(self):
        """The disk is full, said at the end: never a success."""
        for name, moves, code in (("552 at the end", ["150 send\n", sink, "552 full\n"], 552), ("553 before", ["553 not that name\n"], 553), ("gone", ["150 send\n", sink, end], None), ("451", ["150 send\n", sink, "451 no\n"], 451)):
            with self.subTest(name):
                self.start(self.odd([("STOR", moves)]))
                transfer = self.login().put("STOR x", noise(100_000))
                if code:
                    self.assert_code(transfer.final, code)
                self.assertIn(transfer.final.code // 100, (4, 5), transfer)

    @through_sluice
    def test_a_server_that_stops_reading(self):
        self.start(self.odd([("STOR", ["150 send\n", lambda session: session.open(), "426 no more\n", shut])]))
        control = self.login()
        transfer = control.put("STOR x", noise(1_000_000) * 4)
        self.assertIn(transfer.final.code // 100, (4, 5), transfer)
        following = control.next_or_closed("SYST")
        self.assertTrue(following is None or following.code == 215, following)
