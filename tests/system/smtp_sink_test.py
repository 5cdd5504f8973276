# SPDX-License-Identifier: Apache-2.0
"""Postfix's smtp-sink with each of its faults as the upstream: the client is told, each time, and is told 250 of what the sink has taken alone."""
import unittest

from smtp_case import RECIPIENT, SENDER, SmtpTest, lines, message, through_sluice
from smtp_peers import stuffed
from smtp_servers import Sink
from wire import Closed

CONTENT = message(lines(".", "..dots", "end"))
# The sink's words, and how a message ends: at which stage, with which reply's beginning.
REFUSALS = [
    (("-f", "EHLO"), "end", "2"),                            # HELO will do
    (("-f", "EHLO,HELO"), "mail", "451"),                    # no session: the client may come again
    (("-f", "MAIL"), "mail", "5"),
    (("-r", "MAIL"), "mail", "4"),
    (("-f", "RCPT"), "rcpt", "5"),
    (("-r", "RCPT"), "rcpt", "4"),
    (("-f", "DATA"), "data", "5"),
    (("-r", "DATA"), "data", "4"),
    (("-f", "."), "end", "5"),
    (("-r", "."), "end", "4"),
    (("-q", "EHLO"), "mail", "451"),
    (("-q", "MAIL"), "mail", "4"),
    (("-q", "RCPT"), "rcpt", "4"),
    (("-q", "DATA"), "data", "4"),
    (("-q", "."), "end", "451"),
    (("-Q", "EHLO"), "mail", "451"),
    (("-Q", "MAIL"), "mail", "4"),
    (("-Q", "RCPT"), "rcpt", "4"),
    (("-Q", "DATA"), "data", "4"),
    (("-Q", "."), "end", "4"),
    (("-A", "1"), "end", "5"),                               # 550 in the middle of the content
]
ODDITIES = [("-p",), ("-e",), ("-8",), ("-N",), ("-E",), ("-C",), ("-F",), ("-a",), ("-P",), ("-p", "-8", "-N", "-E"), ("-H", "1"), ("-w", "1"), ("-W", "RCPT:1"), ("-W", ".:1"), ("-T", "512")]


@unittest.skipUnless(Sink.exists(), "smtp-sink is not installed (scripts/setup test)")
@through_sluice
class Faults(SmtpTest):
    def begin(self, *faults):
        self.sink = Sink(*faults)
        self.addCleanup(self.sink.close)
        self.start(f"127.0.0.1:{self.sink.port}")

    def try_(self, content=CONTENT):
        """(stage, reply) of what ended it."""
        client = self.client()
        for stage, command in (("mail", f"MAIL FROM:<{SENDER}>"), ("rcpt", f"RCPT TO:<{RECIPIENT}>"), ("data", "DATA")):
            reply = client.ask(command)
            if reply.code not in (250, 354):
                return stage, reply
        client.send_in(stuffed(content) + b".\r\n")
        return "end", client.reply()

    def test_what_it_refuses(self):
        for faults, stage, start in REFUSALS:
            with self.subTest(faults=faults):
                self.begin(*faults)
                self.check(stage, start)
                self.check(stage, start)                     # and the next one likewise
                self.proxy.stop()
                self.sink.close()

    def check(self, stage, start):
        self.sink.clear()
        try:
            ended, reply = self.try_()
        except Closed:
            self.fail("the client was told nothing")
        self.assertEqual((ended, str(reply.code)[:len(start)]), (stage, start), reply)
        if reply.code == 250:                                # what it refuses it keeps as well
            self.assertTrue(self.sink.arrived()[0].content.endswith(CONTENT))

    def test_what_it_does_not_offer_and_how_slow_it_is(self):
        for faults in ODDITIES:
            with self.subTest(faults=faults):
                self.begin(*faults)
                self.check("end", "2")
                self.proxy.stop()
                self.sink.close()

    def test_lmtp(self):
        self.sink = Sink("-L")
        self.addCleanup(self.sink.close)
        self.start(f"lmtp://127.0.0.1:{self.sink.port}")
        self.check("end", "2")
