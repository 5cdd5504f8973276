# SPDX-License-Identifier: Apache-2.0
"""FTP's data connections: who makes them, who may not, parts of files, and how a transfer ends."""
import contextlib
import shutil
import socket
import subprocess

from ftp_case import DIRECT, MODES, FtpTest, through_sluice
from ftp_client import Data, numbers, passive_address
from ftp_odd import endless
from ftp_servers import SERVERS
from harness import rule, until
from payloads import noise
from wire import TIMEOUT


class Passive(FtpTest):
    @through_sluice
    def test_where(self):
        """At the address that the client reached, within the range, each time somewhere else."""
        self.start(self.odd())
        control = self.login()
        ports = []
        for command in ("PASV", "EPSV", "EPSV 1") * 3:
            host, port = passive_address(control.ask(command), "127.0.0.1")
            self.assertEqual(host, "127.0.0.1")
            self.assertIn(port, self.target.passive_ports)
            ports.append(port)
        self.assertGreater(len(set(ports)), 2, "ports that can be foretold (RFC 2577 8)")
        self.assertNotEqual(ports, sorted(ports))
        self.assert_code(control.ask("EPSV 2"), 522)

    @through_sluice
    def test_another_address_is_said(self):
        self.start(ftp={"passive_address": "192.0.2.7"})
        self.assertEqual(passive_address(self.login().ask("PASV"), None)[0], "192.0.2.7")

    @through_sluice
    def test_a_stranger(self):
        """Who is not the control connection's peer gets nothing, and takes nothing from who is."""
        self.start(self.odd(file=b"for one alone"))
        for source in ("127.0.0.9", "127.0.0.10"):
            control = self.login()
            address = passive_address(control.ask("PASV"), None)
            with socket.socket() as stranger:
                stranger.settimeout(TIMEOUT)
                stranger.bind((source, 0))
                with contextlib.suppress(ConnectionError):   # it may be reset before it knows that it is connected
                    stranger.connect(address)
                mine = Data(address)
                self.assert_code(control.ask("RETR file"), 150, 125)
                self.assertEqual(mine.read(), (b"for one alone", "close"))
                self.assert_code(control.reply(), 226)
                with contextlib.suppress(OSError):
                    self.assertEqual(stranger.recv(100), b"")

    @through_sluice
    def test_for_one_transfer(self):
        """The port is closed once it was used, and when another is agreed upon."""
        self.start(self.odd(file=b"x"))
        control = self.login()
        first = passive_address(control.ask("PASV"), None)
        second = passive_address(control.ask("PASV"), None)
        until(lambda: first == second or refused(first), "the first one's end")
        mine = Data(second)
        self.assert_code(control.ask("RETR file"), 150, 125)
        self.assertEqual(mine.read()[0], b"x")
        self.assert_code(control.reply(), 226)
        until(lambda: refused(second), "the second one's end")
        third = passive_address(control.ask("EPSV"), "127.0.0.1")
        control.close()
        until(lambda: refused(third), "the end with its session")

    @through_sluice
    def test_nothing_agreed_upon(self):
        self.start()
        self.server.write("file", b"x")
        control = self.login()
        for command in ("RETR file", "LIST", "STOR new"):
            self.assert_code(control.ask(command), 425, 503)
        self.assert_lives(control)
        self.assertIsNone(self.server.read("new") or None)

    def test_all_extended(self):
        """EPSV ALL: nothing else from then on (RFC 2428 4)."""
        self.start()
        self.server.write("file", b"x")
        control = self.login("EPSV")
        self.assert_code(control.ask("EPSV ALL"), 200, *((220,) if DIRECT else ()))
        for command in ("PASV", "PORT 127,0,0,1,200,1", "EPRT |1|127.0.0.1|51201|"):
            self.assertEqual(control.code(command) // 100, 5)
        self.assert_got(control.get("RETR file"), b"x")

    @through_sluice
    def test_a_client_that_does_not_come(self):
        """After 30 s the session goes on without."""
        self.start(self.odd(file=b"x"))
        control = self.login()
        control.sock.settimeout(45)
        control.ask("PASV")
        control.say("RETR file")
        reply = control.reply()
        if reply.code < 200:
            reply = control.reply()
        self.assert_code(reply, 425, 421, 426)

    @through_sluice
    def test_many_at_once(self):
        """More sessions than there are ports in the range: each ends in order."""
        self.start(self.odd(file=noise(50_000)))
        first, last = self.target.passive_ports[0], self.target.passive_ports[2]
        self.proxy.configure(ftp={"passive_ports": f"{first}-{last}"})
        if self.proxy.command("reload").returncode:
            self.skipTest("the range is not reloaded")
        controls = [self.login() for _ in range(6)]
        codes = [control.code("PASV") for control in controls]
        self.assertLessEqual(codes.count(227), 3)
        self.assertLessEqual(set(codes), {227, 425, 421, 450, 451})


def refused(address):
    try:
        socket.create_connection(address, TIMEOUT).close()
        return False
    except ConnectionResetError:                             # it went while we came
        return False
    except ConnectionRefusedError:
        return True


class Active(FtpTest):
    @through_sluice
    def test_another_host_or_a_low_port(self):
        """RFC 2577 3."""
        self.start(self.odd())
        control = self.login()
        for command in ("PORT 127,0,0,9,200,1", "PORT 192,0,2,1,200,1", "PORT 127,0,0,1,0,22", "PORT 127,0,0,1,3,255", "EPRT |1|127.0.0.9|51201|", "EPRT |1|127.0.0.1|1023|",
                        "EPRT |1|192.0.2.1|51201|"):
            with self.subTest(command=command):
                self.assert_code(control.ask(command), 504)
        self.assert_lives(control)
        self.assertEqual(self.server.heard("PORT") + self.server.heard("EPRT"), [])

    @through_sluice
    def test_families(self):
        self.start(self.odd())
        control = self.login()
        self.assert_code(control.ask("EPRT |2|::1|51201|"), 522, 504)
        for command in ("EPRT |3|x|51201|", "EPRT |9|127.0.0.1|51201|"):
            with self.subTest(command=command):
                reply = control.ask(command)
                self.assert_code(reply, 522)
                self.assertRegex(reply.text, r"\([12](,[12])?\)")

    def test_what_is_no_address(self):
        self.start()
        control = self.login()
        for command in ("PORT", "PORT 1,2,3", "PORT 127,0,0,1,300,1", "PORT 127,0,0,1,-1,1", "PORT a,b,c,d,e,f", "PORT 127,0,0,1,200,1,1", "EPRT", "EPRT |1|127.0.0.1", "EPRT |1|127.0.0.1|99999|",
                        "EPRT |1|127.0.0.1|0|", "EPRT |1||51201|", "EPRT |1|1.2.3|51201|", "PORT 99999999999999999999,0,0,1,200,1"):
            with self.subTest(command=command):
                self.assertEqual(control.code(command) // 100, 5)
        self.assert_lives(control)

    @through_sluice
    def test_other_delimiters(self):
        self.start(self.odd(file=b"content"))
        control = self.login()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.assert_code(control.ask(f"EPRT !1!127.0.0.1!{listener.getsockname()[1]}!"), 200)
            transfer = Data(listener=listener)
            self.assert_code(control.ask("RETR file"), 150, 125)
            self.assertEqual(transfer.read(), (b"content", "close"))
            self.assert_code(control.reply(), 226)

    def test_nobody_listens(self):
        self.start()
        self.server.write("file", b"x")
        control = self.login()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        reply = control.ask(f"PORT {numbers('127.0.0.1', port)}")
        if not (DIRECT and reply.code == 425):                 # pyftpdlib connects at once
            self.assert_code(reply, 200)
            reply = control.ask("RETR file")
        if reply.code < 200:
            reply = control.reply()
        self.assert_code(reply, 425, 426)
        self.assert_lives(control)

    @through_sluice
    def test_bounces(self):
        """nmap's script finds nothing, and would if there were something."""
        if not shutil.which("nmap"):
            self.skipTest("no nmap here (scripts/setup test)")
        bouncing = self.odd()
        self.assertIn("bounce working", nmap(bouncing.port, bouncing.user, bouncing.password))
        before = len(bouncing.heard("PORT"))
        self.start(bouncing)
        found = nmap(self.target.port, self.target.user, self.target.password)
        self.assertIn(f"{self.target.port}/tcp open", found)
        self.assertNotIn("bounce working", found)
        self.assertEqual(len(bouncing.heard("PORT")), before)


def nmap(port, user, password):
    done = subprocess.run(["nmap", "-Pn", "-n", "-sT", "--unprivileged", "-p", str(port), "--script", "+ftp-bounce", "--script-args",
                           f"ftp-bounce.username={user},ftp-bounce.password={password},ftp-bounce.checkhost=127.0.0.1", "127.0.0.1"],
                          capture_output=True, text=True, timeout=60)
    return done.stdout


class Transfers(FtpTest):
    def test_both_ways(self):
        content = noise(300_000)
        for server_class in SERVERS:
            self.start(self.real(server_class))
            for mode in MODES:
                with self.subTest(server=server_class.name, mode=mode):
                    self.server.clear()
                    self.server.write("down.bin", content)
                    control = self.login(mode)
                    self.assert_got(control.get("RETR down.bin"), content)
                    up = control.put("STOR up.bin", content[::-1])
                    self.assert_code(up.final, 226, 250)
                    self.assertTrue(self.server.read("up.bin") == content[::-1])
                    listing = control.get("LIST")
                    self.assertIn(b"down.bin", listing.data)
                    self.assertIn(b"up.bin", control.get("NLST").data)
                    self.assert_lives(control)

    def test_ascii(self):
        """Line ends are for the two that store and show: the proxy passes what is on the wire."""
        for server_class in SERVERS:
            with self.subTest(server=server_class.name):
                self.start(self.real(server_class))
                self.server.write("text", b"one\ntwo\nthree\n")
                control = self.login(binary=False)
                self.assertEqual(control.code("TYPE A"), 200)
                transfer = control.get("RETR text")
                self.assert_got(transfer, b"one\r\ntwo\r\nthree\r\n")
                self.assert_code(control.put("STOR up", b"a\r\nb\r\n").final, 226)
                self.assertEqual(self.server.read("up"), b"a\nb\n")

    @through_sluice
    def test_a_part_is_fetched_whole(self):
        """RETR after REST n: the whole comes from the server and is inspected; the client gets what is behind n."""
        for server_class in SERVERS:
            with self.subTest(server=server_class.name):
                self.start(self.real(server_class))
                content = noise(200_000)
                self.server.write("file.bin", content)
                control = self.login()
                for place in (1, 100_000, 199_999, 0):
                    self.assert_code(control.ask(f"REST {place}"), 350)
                    self.assert_got(control.get("RETR file.bin"), content[place:])
                self.assert_got(control.get("RETR file.bin"), content)
        self.assertTrue(all(event["scan.verdict"] == "clean" for event in self.proxy.event(count=5, ftp__command="RETR")))

    @through_sluice
    def test_what_the_server_is_asked_for(self):
        self.start(self.odd(file=b"0123456789"))
        control = self.login()
        control.ask("REST 4")
        self.assert_got(control.get("RETR file"), b"456789")
        self.assertEqual([line for line in self.server.heard("REST") if line != "REST 0"], [])
        for argument in ("x", "-1", "", "1 2", "99999999999999999999999"):
            self.assertEqual(control.code(f"REST {argument}") // 100, 5)
        # Behind the end there is nothing: an empty file or a refusal, never the whole.
        control.ask("REST 11")
        self.assertEqual(control.get("RETR file").data, b"")

    @through_sluice
    def test_uploads_in_parts(self):
        """APPE, and STOR after REST, are not to be had by default: parts hide what the whole is."""
        for server_class in SERVERS:
            with self.subTest(server=server_class.name):
                self.start(self.real(server_class))
                self.server.write("file.bin", b"0123456789")
                control = self.login()
                self.assert_code(control.put("APPE file.bin", b"more").final, 550)
                self.assert_code(control.ask("REST 5"), 350)
                self.assert_code(control.put("STOR file.bin", b"more").final, 550)
                self.assertEqual(self.server.read("file.bin"), b"0123456789")
                # REST was for that one.
                self.assert_code(control.put("STOR file.bin", b"new").final, 226)
                self.assertEqual(self.server.read("file.bin"), b"new")

    @through_sluice
    def test_uploads_in_parts_where_a_rule_says_so(self):
        self.start(rules=[rule("parts", 'url.path starts_with "/parts"', "inspect", ranges="pass")])
        self.server.write("parts.bin", b"0123456789")
        control = self.login()
        self.assert_code(control.put("APPE parts.bin", b"more").final, 226, 250)
        self.assertEqual(self.server.read("parts.bin"), b"0123456789more")
        control.ask("REST 5")
        self.assert_code(control.put("STOR parts.bin", b"_").final, 226, 250)
        self.assertEqual(self.server.read("parts.bin")[:6], b"01234_")
        self.assert_code(control.put("APPE other.bin", b"more").final, 550)
        self.proxy.event(ftp__command="APPE", scan__reason="truncated")

    def test_a_name_of_the_servers_choice(self):
        self.start()
        control = self.login()
        transfer = control.put("STOU", b"unique")
        self.assert_code(transfer.final, 226, 250)
        names = self.server.names()
        self.assertEqual(len(names), 1)
        said = " ".join(reply.text for reply in (transfer.first, transfer.final) if reply)
        self.assertIn(names[0].decode(), said)
        self.assertEqual(self.server.read(names[0]), b"unique")

    def test_what_is_not_there(self):
        for server_class in SERVERS:
            with self.subTest(server=server_class.name):
                self.start(self.real(server_class))
                control = self.login()
                for command in ("RETR none", "RETR none/none"):
                    transfer = control.get(command)
                    self.assert_code(transfer.final, 550)
                    self.assertEqual(transfer.data, b"")
                self.assert_code(control.put("STOR none/none", b"x").final, 550, 553)
                self.assert_lives(control)


class Ends(FtpTest):
    def abort(self, control, how):
        """As they say it. The octet that is urgent is no part of the stream unless its reader asks for it (SO_OOBINLINE)."""
        if how == "Python":
            control.sock.send(b"ABOR\r\n", socket.MSG_OOB)
        elif how == "Perl":
            control.sock.send(b"\xff\xf4\xff", socket.MSG_OOB)
            control.send(b"\xf2ABOR\r\n")
        elif how == "Telnet":
            control.send(b"\xff\xf4\xff\xf2ABOR\r\n")
        else:
            control.say("ABOR")
    hows = ("plain",) if DIRECT else ("plain", "Telnet", "Perl", "Python")

    def test_abort_of_nothing(self):
        for how in self.hows:
            with self.subTest(how=how):
                self.start(self.odd())
                control = self.login()
                self.abort(control, how)
                self.assert_code(control.reply(), 225, 226)
                self.assert_lives(control)

    def test_abort_within(self):
        """426 for the transfer, 226 for ABOR (RFC 959 5.4), however it is said."""
        for how in self.hows:
            with self.subTest(how=how):
                self.start(self.odd([("RETR", ["150 it comes\n", endless(noise(65536)), "426 cut\n"])]))
                control = self.login()
                transfer = control.data()
                self.assert_code(control.ask("RETR endless"), 150, 125)
                self.assertTrue(transfer.sock.recv(1000))
                self.abort(control, how)
                self.assertIn(transfer.read(3)[1], ("close", "reset"))
                transfer.close()
                self.assert_code(control.reply(), 426)
                self.assert_code(control.reply(), 225, 226)
                self.assert_lives(control)
                if not DIRECT:
                    self.proxy.event(ftp__command="RETR", event__action="aborted")

    def test_a_client_that_breaks_a_download(self):
        """Its data connection alone: a final reply that says so, and the session goes on. (Pure-FTPd itself says a second 1xx, and nothing after it.)"""
        for server_class in SERVERS:
            if DIRECT and server_class.name == "pure-ftpd":
                continue
            with self.subTest(server=server_class.name):
                self.start(self.real(server_class))
                self.server.write("long.bin", noise(65536) * 512)
                control = self.login()
                transfer = control.data()
                self.assert_code(control.ask("RETR long.bin"), 150, 125)
                transfer.open().recv(1000)
                transfer.close(reset=True)
                self.assert_code(control.reply(), 426, 451)
                next_one = control.next_or_closed("PWD")
                if next_one:
                    self.assert_code(next_one, 257)
                self.assert_got(self.login().get("RETR long.bin"), noise(65536) * 512)

    @through_sluice
    def test_a_client_that_breaks_an_upload(self):
        """A reset is no end: what came is no file."""
        self.start(self.odd())
        control = self.login()
        transfer = control.data()
        self.assert_code(control.ask("STOR half.bin"), 150, 125)
        transfer.open().sendall(noise(100_000))
        transfer.close(reset=True)
        self.assertEqual(control.reply().code // 100, 4)
        self.assertNotIn(True, [ended == "close" for _, _, ended in self.server.uploads])

    @through_sluice
    def test_the_control_connection_breaks(self):
        """In the middle of an upload: nothing of it becomes a file."""
        self.start()
        control = self.login()
        transfer = control.data()
        self.assert_code(control.ask("STOR half.bin"), 150, 125)
        transfer.open().sendall(noise(100_000))
        control.reset()
        transfer.close(reset=True)
        until(lambda: not self.server.sessions(), "the end upstream")
        self.assertIsNone(self.server.read("half.bin"))
