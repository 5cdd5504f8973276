# SPDX-License-Identifier: Apache-2.0
"""Who the client is: as the upstream learns it (Received, XCLIENT, XFORWARD, PROXY), and as peers that are believed tell us."""
import email.utils
import re

from harness import free_port, rule
from smtp_case import HOST, RECIPIENT, SENDER, SmtpTest, message, through_sluice
from smtp_odd import KEYWORDS, always
from smtp_peers import proxy_v1, proxy_v2
from wire import Closed

ALL = ("XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT", "XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE")


@through_sluice
class Received(SmtpTest):
    has_tls = True

    def field(self, count=1):
        content = self.received(count)[-1].content
        found = re.match(rb"Received: ((?:.|\r\n[ \t])*)\r\n(?![ \t])", content)
        self.assertIsNotNone(found, content[:100])
        self.assertTrue(all(len(line) <= 998 for line in found[0].split(b"\r\n")))
        return found[1].decode().replace("\r\n", "")

    def test_it(self):
        self.start()
        self.assert_code(self.send(), 250)
        field = self.field()
        self.assertRegex(re.sub(r"\s+", " ", field), rf"^from client\.test \(.*\[127\.0\.0\.1\].*\) by {re.escape(HOST)} .*with ESMTP\b.* id [0-9A-Za-z_-]+.*; ")
        self.assertIsNotNone(email.utils.parsedate_to_datetime(field.rpartition(";")[2].strip()))
        self.assertIn(self.mail_event()["event.id"], field)

    def test_how(self):
        self.start(self.odd(keywords=(*KEYWORDS, "AUTH PLAIN"), users={"ann": "secret"}))
        client = self.client(ehlo=None)
        client.must(250, "HELO old.test")
        self.assert_code(self.send(client=client), 250)
        self.assertRegex(self.field(), r"\bwith SMTP\b")
        client = self.client()
        client.starttls(self.trusting())
        client.ehlo()
        self.assert_code(self.send(client=client), 250)
        self.assertRegex(self.field(2), r"\bwith ESMTPS\b")
        self.assert_code(client.plain("ann", "secret"), 235)
        self.assert_code(self.send(client=client), 250)
        field = self.field(3)
        self.assertRegex(field, r"\bwith ESMTPSA\b")
        self.assertNotIn("secret", field)

    def test_odd_names_do_no_harm(self):
        """What a client calls itself is not trusted to be a name."""
        self.start()
        for number, name in enumerate(("(comment", "a;b", "[127.0.0.1]", "x" * 255, "[IPv6:2001:db8::1]", "under_score", "a\tb", "grüße.test"), 1):
            client = self.client(ehlo=None)
            reply = client.ask(f"EHLO {name}")
            if reply.code != 250:
                self.assert_code(reply, 501, "5.5.4")
                continue
            before = len(self.upstream.committed)
            self.assert_code(self.send(client=client), 250)
            self.assertTrue(self.received(before + 1)[-1].content.endswith(message()))
            self.field(before + 1)

    def test_off(self):
        self.start(smtp={"received": False})
        self.assert_code(self.send(), 250)
        self.assertTrue(self.received()[0].content == message())


@through_sluice
class ToTheUpstream(SmtpTest):
    def begin(self, how, keywords=(*KEYWORDS, *ALL), **keys):
        self.start(self.odd(keywords=keywords, takes_proxy_header=how.startswith("proxy")), smtp={"upstream_client": how, **keys.pop("smtp", {})}, **keys)
        self.client_ = self.client(source="127.0.0.5")
        self.assert_code(self.send(client=self.client_), 250)
        return self.received()[0].session

    def test_none(self):
        session = self.begin("none")
        self.assertEqual((session.xclient, session.xforward), ({}, {}))

    def test_xclient(self):
        session = self.begin("xclient")
        said = {name: session.xclient.get(name) for name in ("ADDR", "PORT", "PROTO", "HELO")}
        self.assertEqual(said, {"ADDR": "127.0.0.5", "PORT": str(self.client_.sock.getsockname()[1]), "PROTO": "ESMTP", "HELO": "client.test"})
        self.assertIn(session.xclient.get("NAME"), ("[UNAVAILABLE]", "localhost", None))
        self.assertEqual(session.helo, ("EHLO", "client.test"))
        self.assertEqual([line.split(" ")[0] for line in self.upstream.said[:3]], ["EHLO", "XCLIENT", "EHLO"])
        self.assertNotIn("XCLIENT", self.client_.keywords)

    def test_xclient_as_far_as_it_is_known(self):
        session = self.begin("xclient", (*KEYWORDS, "XCLIENT ADDR HELO"))
        self.assertEqual(session.xclient, {"ADDR": "127.0.0.5", "HELO": "client.test"})

    def test_xclient_that_is_not_there(self):
        """The upstream would take all clients for us: that is not what was asked for."""
        self.start(self.odd(), smtp={"upstream_client": "xclient"})
        self.assert_code(self.client().ask(f"MAIL FROM:<{SENDER}>"), 451, "4.4.1")

    def test_xclient_in_xtext(self):
        self.start(self.odd(keywords=(*KEYWORDS, *ALL)), smtp={"upstream_client": "xclient"})
        client = self.client(ehlo="[IPv6:2001:db8::1]")
        self.assert_code(self.send(client=client), 250)
        self.assertEqual(self.received()[0].session.xclient["HELO"], "[IPv6:2001:db8::1]")
        self.assertTrue(all(len(line) <= 510 and "=" in line for line in self.upstream.heard("XCLIENT")))

    def test_xforward(self):
        session = self.begin("xforward")
        transaction = self.upstream.committed[0]
        self.assertEqual({name: transaction.xforward.get(name) for name in ("ADDR", "PORT", "PROTO", "HELO")},
                         {"ADDR": "127.0.0.5", "PORT": str(self.client_.sock.getsockname()[1]), "PROTO": "ESMTP", "HELO": "client.test"})
        session.xforward.clear()
        self.assert_code(self.send(client=self.client_), 250)
        self.assertEqual(self.received(2)[1].xforward.get("ADDR"), "127.0.0.5", "again with each message")

    def test_proxy1(self):
        session = self.begin("proxy1")
        self.assertEqual(session.proxy, (1, "127.0.0.5", self.client_.sock.getsockname()[1], "127.0.0.1", self.port))

    def test_proxy2(self):
        session = self.begin("proxy2")
        self.assertEqual(session.proxy, (2, "127.0.0.5", self.client_.sock.getsockname()[1], "127.0.0.1", self.port))


@through_sluice
class FromPeers(SmtpTest):
    """Of `trusted` and `proxy_from`; nobody else is believed."""
    RULES = [rule("there", "client.ip == 192.0.2.66", "block"), rule("its-helo", 'smtp.helo == "bad.test"', "block")]

    def begin(self, **keys):
        self.start(rules=self.RULES, smtp={"trusted": ["127.0.0.2/32"], "domains": ["example.com"], "relay_clients": ["127.0.0.2/32", "198.51.100.0/24"], **keys.pop("smtp", {})},
                   http={"listen": [], "clients": ["127.0.0.0/8", "192.0.2.0/24", "198.51.100.0/24", "2001:db8::/32"], **keys.pop("http", {})}, **keys)

    def test_xclient(self):
        self.begin()
        client = self.client(source="127.0.0.2")
        self.assertEqual({"NAME", "ADDR", "PORT", "PROTO", "HELO"} - set(client.keywords["XCLIENT"].split()), set())
        self.assert_code(client.ask("XCLIENT ADDR=192.0.2.7 PORT=4321 NAME=there.test PROTO=ESMTP HELO=there+2Etest"), 220)
        self.assert_code(client.ask(f"MAIL FROM:<{SENDER}>"), 503, "5.5.1")
        client.ehlo("there.test")
        self.assert_code(self.send(client=client), 250)
        event = self.mail_event(event__action="allowed")
        self.assertEqual((event["client.ip"], event["client.port"], event["smtp.helo"]), ("192.0.2.7", 4321, "there.test"))
        self.assertIn(b"192.0.2.7", self.received()[0].content.partition(b"\r\nFrom:")[0])

    def test_relaying_is_for_whom_it_says(self):
        self.begin()
        for address, code in (("192.0.2.7", 550), ("198.51.100.7", 250)):
            client = self.client(source="127.0.0.2")
            client.must(220, f"XCLIENT ADDR={address}")
            client.ehlo()
            client.must(250, f"MAIL FROM:<{SENDER}>")
            self.assertEqual(client.code("RCPT TO:<x@elsewhere.org>"), code)

    def test_rules_judge_what_it_says(self):
        self.begin()
        client = self.client(source="127.0.0.2")
        reply = client.ask("XCLIENT ADDR=192.0.2.66")
        if reply.code == 220:
            reply = client.ask("EHLO client.test")
        self.assertEqual((reply.code // 100, reply.enhanced), (5, "5.7.1"), reply)
        self.mail_event(rule__name="there", client__ip="192.0.2.66")

    def test_ipv6_and_what_is_unknown(self):
        self.begin()
        client = self.client(source="127.0.0.2")
        self.assert_code(client.ask("XCLIENT ADDR=IPV6:2001:db8::7 NAME=[UNAVAILABLE]"), 220)
        client.ehlo()
        self.assert_code(self.send(client=client), 250)
        self.assertEqual(self.mail_event(event__action="allowed")["client.ip"], "2001:db8::7")

    def test_bad_ones(self):
        self.begin()
        client = self.client(source="127.0.0.2")
        for argument in ("", "ADDR", "ADDR=", "ADDR=x", "ADDR=192.0.2", "PORT=99999", "WHO=me", "ADDR=192.0.2.7+ZZ", "ADDR=192.0.2.7 ADDR=192.0.2.8 =x"):
            with self.subTest(argument=argument):
                self.assert_code(client.ask(f"XCLIENT {argument}"), 501, "5.5.4")
        client.must(250, f"MAIL FROM:<{SENDER}>")
        self.assert_code(client.ask("XCLIENT ADDR=192.0.2.7"), 503, "5.5.1")

    def test_xforward(self):
        self.begin()
        client = self.client(source="127.0.0.2")
        self.assertIn("XFORWARD", client.keywords)
        self.assert_code(client.ask("XFORWARD ADDR=192.0.2.8 HELO=far.test"), 250)
        self.assert_code(self.send(client=client), 250)

    def test_others_are_not_believed(self):
        self.begin()
        client = self.client(source="127.0.0.3")
        self.assertEqual({"XCLIENT", "XFORWARD"} & set(client.keywords), set())
        for command in ("XCLIENT ADDR=198.51.100.7", "XFORWARD ADDR=198.51.100.7"):
            self.assertIn(client.ask(command).code, (500, 502, 550))
        client.must(250, f"MAIL FROM:<{SENDER}>")
        self.assert_code(client.ask("RCPT TO:<x@elsewhere.org>"), 550, "5.7.1")
        client.must(250, f"RCPT TO:<{RECIPIENT}>")
        self.assert_code(client.data(message()), 250)
        self.assertEqual(self.mail_event(event__action="allowed")["client.ip"], "127.0.0.3")

    def test_proxy_headers(self):
        self.begin(http={"proxy_from": ["127.0.0.2/32"]})
        for number, header in enumerate((proxy_v1("192.0.2.7", "192.0.2.1"), proxy_v2("192.0.2.7", "192.0.2.1"), proxy_v2("2001:db8::7", "2001:db8::1")), 1):
            client = self.client(source="127.0.0.2", before=header)
            self.assert_code(self.send(client=client), 250)
            self.received(number)
        events = self.proxy.event(count=3, event__action="allowed")
        self.assertEqual(sorted(event["client.ip"] for event in events), ["192.0.2.7", "192.0.2.7", "2001:db8::7"])

    def test_proxy_headers_of_others(self):
        self.begin(http={"proxy_from": ["127.0.0.2/32"]})
        client = self.client(ehlo=None, source="127.0.0.3")
        self.assertEqual(client.ask(proxy_v1("198.51.100.7", "192.0.2.1")[:-2]).code, 500)
        with self.assertRaises((Closed, AssertionError, ConnectionError)):
            self.client(source="127.0.0.2", before=b"EHLO no.header\r\n")


@through_sluice
class SeveralUpstreams(SmtpTest):
    """In order of preference; who does not take mail comes last for a while."""

    def begin(self, *upstreams, **keys):
        self.start([f"127.0.0.1:{upstream.port}" for upstream in upstreams], top={"workers": 1}, **keys)
        self.upstream = upstreams[-1]

    def test_the_first_that_takes_mail(self):
        first, second, third = self.odd(), self.odd(), self.odd()
        self.begin(first, second, third)
        for _ in range(3):
            self.assert_code(self.send(), 250)
        self.assertEqual([len(upstream.committed) for upstream in (first, second, third)], [3, 0, 0])

    def test_one_that_does_not_is_not_tried_first_again(self):
        first, second = self.odd([(None, always("421 4.3.2 not now\n"))]), self.odd()
        self.begin(first, second)
        for _ in range(3):
            self.assert_code(self.send(), 250)
        self.assertEqual((len(first.sessions), len(second.committed)), (1, 3))

    def test_one_that_is_not_there(self):
        second = self.odd()
        dead = free_port()
        self.start([f"127.0.0.1:{dead}", f"127.0.0.1:{second.port}"])
        self.assert_code(self.send(), 250)
        self.assertEqual(len(second.committed), 1)

    def test_the_last_is_tried_also_when_it_was_down(self):
        """What is down comes behind the others, and is no further away than that."""
        first, second = self.odd([(None, "421 4.3.2 not now\n")]), self.odd([(None, always("421 4.3.2 not now\n"))])
        self.begin(first, second)
        self.assert_code(self.client().ask(f"MAIL FROM:<{SENDER}>"), 250)
        self.assertEqual((len(first.sessions), len(second.sessions)), (2, 1))

    def test_a_rule_about_one_is_not_the_last_word_while_another_is_down(self):
        second = self.odd()
        dead = free_port()
        self.start([f"127.0.0.1:{dead}", f"127.0.0.1:{second.port}"], [rule("not-there", "server.ip == 127.0.0.1 and server.port == %d" % second.port, "block")])
        self.assert_code(self.client().ask(f"MAIL FROM:<{SENDER}>"), 451, "4.4.1")
        self.assertEqual(second.sessions, [])
