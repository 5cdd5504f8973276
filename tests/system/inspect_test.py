# SPDX-License-Identifier: Apache-2.0
"""Payloads: what is found in them, and what rules say of it."""
import base64
import gzip
import hashlib

from harness import ROOT, rule, until
from payloads import EICAR, PROGRAM, WithFiles, noise, tarred, zipped
from wire import Closed, Origin, Peer, answering, get, response


class Verdicts(WithFiles):
    @classmethod
    def setUpClass(cls):
        cls.proxy = cls.shared()

    def check(self, path, body, *fields, infected=True, **event):
        head, got = self.fetch(self.serve(path, body, *fields))
        found = self.proxy.event(url__path=path)
        if infected:
            self.assert_refusal(head, 403)
            self.assertNotIn(EICAR, got)
            self.assertEqual((found["scan.verdict"], found["event.action"], found["rule.name"]), ("infected", "blocked", "malware"))
            self.assertEqual(found["scan.threat"], "EICAR-Test-File")
        else:
            self.assertEqual((head.status, got), (200, body))
            self.assertEqual(found["event.action"], "allowed")
        for key, value in event.items():
            self.assertEqual(found.get(key.replace("__", ".")), value)
        return found

    def test_eicar_wherever_it_stands(self):
        for at in ("first", "middle", "last"):
            filler = noise(30_000)
            body = {"first": EICAR + filler, "middle": filler + EICAR + filler, "last": filler + EICAR}[at]
            self.check(f"/{at}", body)
            self.check(f"/{at}.gz", gzip.compress(body), "Content-Encoding: gzip")

    def test_clean_ones_pass_untouched(self):
        self.check("/a.txt", b"hello\n" * 10_000, "Content-Type: text/plain", infected=False, scan__verdict="clean", file__mime_type="text/plain",
                   file__name="a.txt", file__extension="txt", file__size=60_000)
        self.check("/a.exe", PROGRAM + noise(100_000), infected=False, scan__verdict="clean")
        self.check("/a.zip", zipped(("a", noise(100_000))), infected=False, scan__verdict="clean", file__mime_type="application/zip")
        self.check("/coded", gzip.compress(b"hello\n" * 10_000), "Content-Encoding: gzip", infected=False, scan__verdict="clean")
        self.check("/none", b"", infected=False)

    def test_in_archives(self):
        inner = zipped(("deep/eicar.com", EICAR))
        self.check("/bad/a.zip", zipped(("readme", b"hello"), ("eicar.com", EICAR)))
        self.check("/bad/b.zip", zipped(("inner.zip", inner)))
        self.check("/bad/a.tar", tarred(("a", b"x" * 1000), ("eicar.com", EICAR)))
        self.check("/bad/a.tgz", gzip.compress(tarred(("inner.zip", inner))))
        self.check("/bad/coded.zip", gzip.compress(zipped(("eicar.com", EICAR))), "Content-Encoding: gzip")

    def test_an_unknown_coding_is_undecodable(self):
        self.check("/text", b"what is it?" * 100, "Content-Encoding: xyz", infected=False, scan__verdict="unscannable", scan__reason="undecodable")
        head, _ = self.fetch(self.serve("/program", PROGRAM + noise(1000), "Content-Encoding: xyz"))
        self.assert_refusal(head, 403)
        self.assertEqual(self.proxy.event(url__path="/program")["rule.name"], "unscanned")

    def test_a_bomb(self):
        head, _ = self.fetch(self.serve("/bomb", gzip.compress(b"\0" * 200_000_000), "Content-Encoding: gzip"))
        self.assert_refusal(head, 403)
        found = self.proxy.event(url__path="/bomb")
        self.assertEqual((found["scan.verdict"], found["scan.reason"], found["rule.name"]), ("unscannable", "bomb", "unscanned"))

    def test_uploads(self):
        url = self.origin.url("/up")
        head, _ = self.fetch(url, method="POST", body=b"data" * 1000 + EICAR)
        self.assert_refusal(head, 403)
        self.assertEqual(self.origin.uploads, {})
        self.assertEqual(self.proxy.event(url__path="/up")["scan.verdict"], "infected")
        head, got = self.fetch(self.origin.url("/up2"), method="POST", body=PROGRAM + noise(500_000))
        self.assertEqual((head.status, got), (200, b"taken"))
        self.assertEqual(self.origin.uploads["/up2"], PROGRAM + noise(500_000))

    def test_a_refused_upload_that_came_whole_costs_no_connection(self):
        with Peer.connect(self.proxy.port) as peer:
            for _ in range(2):
                peer.send(get(self.origin.url("/again"), method="POST", body=zipped(("e", EICAR)) + noise(100_000)))
                self.assert_refusal(peer.read_response()[0], 403)
            peer.send(get(self.serve("/after", b"fine")))
            self.assertEqual(peer.read_response()[1], b"fine")

    def test_an_early_answer_does_not_save_an_upload_that_is_refused(self):
        """The server answers before it has all; what it was sent is refused all the same, and the client does not get that answer as if nothing were."""
        arrived = []

        def handle(peer):
            peer.read_head()
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"a" * 100_000)
            try:
                while True:
                    arrived.append(peer.read_chunk())
            except Closed:
                pass
        origin = Origin(handle)
        self.addCleanup(origin.close)
        with Peer.connect(self.proxy.port) as peer:
            peer.send(get(origin.url("/early"), "Transfer-Encoding: chunked", method="POST"))
            first = noise(100_000)
            peer.send(b"%x\r\n%s\r\n" % (len(first), first))
            head = peer.read_head()
            self.assertEqual(head.status, 200)
            with self.assertRaises((Closed, OSError)):
                peer.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(EICAR), EICAR))
                peer.read_body(head)
        event = self.proxy.event(url__path="/early")
        self.assertEqual((event["event.action"], event["rule.name"], event["scan.verdict"]), ("blocked", "malware", "infected"))
        self.assertNotIn(EICAR, b"".join(arrived))

    def post_form(self, path, *parts, end=b"--b--\r\n", fields=b""):
        body = b"".join(b'--b\r\nContent-Disposition: form-data; name="f"; filename="%s"\r\n%s\r\n%s\r\n' % (name, fields, data) for name, data in parts) + end
        head, _ = self.fetch(self.origin.url(path), "Content-Type: multipart/form-data; boundary=b", method="POST", body=body)
        return head, self.proxy.event(url__path=path)

    def test_a_form(self):
        for path, parts, keys in (
                ("/form-bad", ((b"a.txt", b"hello"), (b"b.com", EICAR)), {}),
                ("/form-zip", ((b"a.txt", b"hello"), (b"b.zip", zipped(("e", EICAR)))), {}),
                ("/form-base64", ((b"b.zip", base64.encodebytes(zipped(("e", EICAR)))),), {"fields": b"Content-Transfer-Encoding: base64\r\n"})):
            head, event = self.post_form(path, *parts, **keys)
            self.assert_refusal(head, 403)
            self.assertEqual((event["scan.verdict"], event["scan.threat"]), ("infected", "EICAR-Test-File"), path)
            self.assertNotIn(path, self.origin.uploads)
        head, event = self.post_form("/form-good", (b"a.txt", b"hello"), (b"b.zip", zipped(("e", b"nothing"))))
        self.assertEqual((head.status, event["scan.verdict"]), (200, "clean"))
        self.assertIn("/form-good", self.origin.uploads)
        head, event = self.post_form("/form-open", (b"a.txt", b"hello"), end=b"")
        self.assert_refusal(head, 403)
        self.assertEqual((event["scan.verdict"], event["scan.reason"], event["rule.name"]), ("unscannable", "undecodable", "unscanned"))
        self.assertNotIn("/form-open", self.origin.uploads)

    def test_parts_of_other_types(self):
        zip_part = b'--%s\r\nContent-Disposition: form-data; name=f; filename="z.zip"\r\n\r\n%s\r\n--%s--\r\n'
        bad, good = zipped(("e", EICAR)), zipped(("e", b"nothing"))
        for path, kind, boundary, status, verdict in (
                ("/parts-java", 'form-data; boundary="----=_Part_1_2.3"', b"----=_Part_1_2.3", 200, "clean"),
                ("/parts-bare", "form-data; boundary====1700===", b"===1700===", 200, "clean"),
                ("/parts-x-boundary", "form-data; xboundary=evil; boundary=b", b"b", 403, "unscannable"),
                ("/parts-replace", "x-mixed-replace; boundary=b", b"b", 200, "clean"),
                ("/parts-mixed", "mixed; boundary=b", b"b", 200, "clean"),
                ("/parts-related", 'related; type="application/json"; boundary="b"', b"b", 200, "clean"),
                ("/parts-comma", "form-data; boundary=a,b", b"a,b", 403, "unscannable"),
                ("/parts-two", "form-data; boundary=a; boundary=b", b"b", 403, "unscannable"),
                ("/parts-long", "form-data; boundary=" + "x" * 71, b"x" * 71, 403, "unscannable"),
                ("/parts-none", "form-data", b"b", 403, "unscannable")):
            with self.subTest(path):
                for end, content, wanted in (("-bad", bad, (403, "infected")), ("", good, (status, verdict))):
                    head, _ = self.fetch(self.origin.url(path + end), f"Content-Type: multipart/{kind}", method="POST", body=zip_part % (boundary, content, boundary))
                    event = self.proxy.event(url__path=path + end)
                    self.assertEqual((head.status, event["scan.verdict"]), wanted)
                    self.assertEqual(path + end in self.origin.uploads, wanted[0] == 200)
        self.assertEqual((event["rule.name"], event["scan.reason"]), ("unscanned", "undecodable"))
        for name, content, codings, status, verdict in (("good", good, "gzip", 200, "clean"), ("bad", bad, "gzip", 403, "infected"), ("deep", good, "gzip, " * 9 + "gzip", 403, "unscannable")):
            body = zip_part % (b"b", content, b"b")
            kind = "multipart/form-data; boundary=b" + ("; boundary=c" if name == "deep" else "")
            head, _ = self.fetch(self.origin.url("/parts-coded-" + name), "Content-Type: " + kind, "Content-Encoding: " + codings, method="POST", body=gzip.compress(body))
            event = self.proxy.event(url__path="/parts-coded-" + name)
            self.assertEqual((head.status, event["scan.verdict"]), (status, verdict), name)
        # A form for who takes no heed of the coding, in the coding's own header (RFC 1952 2.3.1: FEXTRA).
        coded = gzip.compress(zip_part % (b"b", good, b"b"))
        extra = b"\r\n" + zip_part % (b"b", b"MZ", b"b")
        coded = coded[:3] + b"\4" + coded[4:10] + len(extra).to_bytes(2, "little") + extra + coded[10:]
        head, _ = self.fetch(self.origin.url("/parts-extra"), "Content-Type: multipart/form-data; boundary=b", "Content-Encoding: gzip", method="POST", body=coded)
        self.assertEqual((head.status, self.proxy.event(url__path="/parts-extra").get("rule.name")), (403, "unscanned"))
        # No form at all, but an empty one.
        for number, kind in enumerate(("multipart/form-data; boundary=b", "multipart/form-data")):
            head, _ = self.fetch(self.origin.url(f"/parts-empty-{number}"), "Content-Type: " + kind, method="POST", body=b"")
            self.assertEqual(head.status, 200)

    def test_a_false_coding(self):
        for coding in ("gzip", "br", "deflate", "zstd"):
            with self.subTest(coding):
                path = f"/false-{coding}"
                self.assert_refusal(self.fetch(self.serve(path + ".exe", PROGRAM + noise(1000), f"Content-Encoding: {coding}"))[0], 403)
                event = self.proxy.event(url__path=path + ".exe")
                self.assertEqual((event["scan.verdict"], event["rule.name"]), ("unscannable", "unscanned"))
        self.assert_refusal(self.fetch(self.serve("/false.zip", zipped(("e", EICAR)), "Content-Encoding: gzip"))[0], 403)
        self.assertEqual(self.proxy.event(url__path="/false.zip")["scan.threat"], "EICAR-Test-File")
        head, body = self.fetch(self.serve("/false.txt", b"plain text", "Content-Encoding: gzip"))
        self.assertEqual((head.status, body), (200, b"plain text"))

    def test_an_archive_behind_something_else(self):
        for path, front in (("/behind-text", b"plain text, and then: "), ("/behind-picture", b"\x89PNG\r\n\x1a\n" + noise(5000))):
            self.assert_refusal(self.fetch(self.serve(path, front + zipped(("e", EICAR))))[0], 403)
            self.assertEqual(self.proxy.event(url__path=path)["scan.threat"], "EICAR-Test-File")
            head, _ = self.fetch(self.serve(path + "-good", front + zipped(("e", b"nothing"))))
            self.assertEqual((head.status, self.proxy.event(url__path=path + "-good")["scan.verdict"]), (200, "clean"))

    def test_an_archive_between_other_octets(self):
        """Unzippers find the end of a zip wherever it is, and take it for one."""
        picture, bad, good = b"GIF89a" + noise(2000), zipped(("e", EICAR)), zipped(("e", b"nothing"))
        for number, tail in enumerate((b"x", noise(20_000), noise(100_000), b"PK\5\6", b"PK\5\6" + b"\xff" * 18)):
            for front in (picture, b""):
                path = f"/between-{number}-{len(front)}"
                self.check(path, front + bad + tail)
                self.check(path + "-good", front + good + tail, infected=False, scan__verdict="clean")
            head, event = self.post_form(f"/form-between-{number}", (b"a.txt", b"hello"), (b"a.gif", picture + bad + tail))
            self.assert_refusal(head, 403)
            self.assertEqual((event["scan.verdict"], event["scan.threat"]), ("infected", "EICAR-Test-File"))
        longer = [zipped(("e", data))[:-2] + b"\x01\0" for data in (EICAR, b"nothing")]
        self.check("/long-comment", picture + longer[0])
        self.check("/long-comment-good", picture + longer[1], infected=False, scan__verdict="clean")
        head, _ = self.post_form("/form-long-comment", (b"a.gif", picture + longer[0]))
        self.assert_refusal(head, 403)
        self.check("/mark", b"a plain file " + noise(2000) + b"PK\5\6" + noise(100), infected=False, scan__verdict="clean")

    def test_the_connection_lives_on(self):
        with Peer.connect(self.proxy.port) as peer:
            for number in range(3):
                for path, body, status in ((f"/c{number}", b"fine" * 1000, 200), (f"/e{number}", EICAR, 403), (f"/z{number}.zip", zipped(("a", b"b")), 200)):
                    peer.send(get(self.serve(path, body)))
                    head, got = peer.read_response()
                    self.assertEqual(head.status, status)
                    if status == 200:
                        self.assertEqual(got, body)

    def test_accept_encoding_is_what_can_be_decoded(self):
        self.fetch(self.serve("/coding", b"x"), "Accept-Encoding: gzip, compress, br;q=0.5, sdch")
        sent = [head for head in self.origin.asked if head.target.endswith("/coding")][0]
        self.assertEqual(sent.get("accept-encoding").replace(" ", ""), "gzip,br;q=0.5")

    def test_metrics_count_payloads(self):
        before = self.proxy.metrics()
        self.check("/counted.zip", zipped(("counted", EICAR)))
        key = 'sluice_payloads_total{scan_verdict="infected",scan_reason="",scan_engine="signatures"}'
        until(lambda: self.proxy.metrics().get(key, 0) > before.get(key, 0), "the metric")


class Rules(WithFiles):
    def test_types_names_and_sizes(self):
        self.proxy = self.sluice([rule("no-programs", 'file.mime_type == "application/vnd.microsoft.portable-executable"', "block"),
                                  rule("no-scr", 'file.extension == "scr"', "block"),
                                  rule("large", "payload.direction == \"download\" and file.size > 1MiB", "block")])
        self.assert_refusal(self.fetch(self.serve("/harmless.txt", PROGRAM + noise(1000)))[0], 403)
        self.assertEqual(self.proxy.event(url__path="/harmless.txt")["rule.name"], "no-programs")
        self.assert_refusal(self.fetch(self.serve("/a", b"text", 'Content-Disposition: attachment; filename="b.scr"'))[0], 403)
        for number, disposition in enumerate(("filename=setup(1).scr", 'filename="b.scr. ."', "filename = b.scr", "filename*=windows-1252''b%2Escr", 'filename="b.scr',
                                              "filename=b.scr; filename*=utf-8''b.txt", "filename=b.txt; filename*=utf-8''b.scr",
                                              "filename=\"b.txt\"; filename*=windows-1252''b.scr", 'filename="b%2Escr"', "filename*0=b.; filename*1=scr")):
            with self.subTest(disposition):
                head, _ = self.fetch(self.serve(f"/named-{number}", b"text", f"Content-Disposition: attachment; {disposition}"))
                self.assert_refusal(head, 403)
                self.assertEqual(self.proxy.event(url__path=f"/named-{number}")["rule.name"], "no-scr")
        self.assertEqual(self.fetch(self.serve("/a.scr", b"text", "Content-Disposition: attachment; filename=a(1).txt"))[0].status, 200)
        self.assert_refusal(self.fetch(self.serve("/in.zip", zipped(("x/y.scr", b"text"))))[0], 403)
        self.assertEqual(self.proxy.event(url__path="/in.zip")["rule.name"], "no-scr")
        self.assert_refusal(self.fetch(self.serve("/prog.zip", zipped(("readme.txt", PROGRAM + noise(1000)))))[0], 403)
        self.assertEqual(self.proxy.event(url__path="/prog.zip")["rule.name"], "no-programs")
        self.assert_refusal(self.fetch(self.serve("/large", b"a" * 2_000_000))[0], 403)
        self.assertEqual(self.fetch(self.serve("/fine.zip", zipped(("a.txt", b"b"))))[0].status, 200)

    def test_bodies(self):
        self.proxy = self.sluice([rule("secret", 'payload.direction == "upload" and body contains "TOP SECRET"', "block"),
                                  rule("number", 'body matches "[A-Z]{3}-[0-9]{6}"', "tag", tags=["numbered"])])
        self.assert_refusal(self.fetch(self.origin.url("/up"), method="POST", body=b"x" * 1000 + b"TOP SECRET" + b"y" * 1000)[0], 403)
        self.assertEqual(self.fetch(self.serve("/down", b"TOP SECRET"))[0].status, 200)
        self.fetch(self.serve("/num", gzip.compress(b"it is ABC-123456."), "Content-Encoding: gzip"))
        self.assertEqual(self.proxy.event(url__path="/num")["tags"], ["numbered"])

    def test_bodies_are_searched_without_the_engine_signatures(self):
        self.proxy = self.sluice([rule("secret", 'body contains "TOP SECRET"', "block")], inspect={"engines": ["yara"]})
        self.assert_refusal(self.fetch(self.serve("/s", b"x" * 1000 + b"TOP SECRET"))[0], 403)
        self.assertEqual(self.fetch(self.serve("/e.txt", b"text " + EICAR))[0].status, 200, "nobody asked for signatures")

    def test_a_reload_turns_inspection_on(self):
        self.proxy = self.sluice(inspect={"engines": []})
        url = self.serve("/a.zip", zipped(("m", EICAR)))
        self.assertEqual(self.fetch(url)[0].status, 200)
        self.proxy.configure(inspect={"engines": ["hash", "signatures", "yara"]})
        self.assertEqual(self.proxy.command("reload").returncode, 0)
        self.assert_refusal(self.fetch(url)[0], 403)

    def test_hash_lists(self):
        body = b"known to be bad" * 100
        lists = self.folder() / "bad.sha256"
        lists.write_text(hashlib.sha256(body).hexdigest() + "\n")
        self.proxy = self.sluice([rule("known", "file.hash.sha256 in @bad", "block")], lists={"bad": {"type": "sha256", "file": str(lists)}})
        self.assert_refusal(self.fetch(self.serve("/f", body))[0], 403)
        self.assertEqual(self.proxy.event(url__path="/f")["file.hash.sha256"], hashlib.sha256(body).hexdigest())
        self.assert_refusal(self.fetch(self.serve("/f.zip", zipped(("m", body))))[0], 403)
        self.assert_refusal(self.fetch(self.serve("/f.gz", gzip.compress(body), "Content-Encoding: gzip"))[0], 403)
        self.assertEqual(self.fetch(self.serve("/g", body + b"!"))[0].status, 200)

    def test_allow_does_not_lift_malware_and_trust_does(self):
        self.proxy = self.sluice([rule("mine", 'url.path starts_with "/mine"', "trust"), rule("all", "payload.direction == \"download\"", "allow")])
        self.assert_refusal(self.fetch(self.serve("/e", EICAR))[0], 403)
        self.assertEqual(self.fetch(self.serve("/mine/e", EICAR))[1], EICAR)

    def test_a_rule_that_reads_the_verdict_decides(self):
        self.proxy = self.sluice([rule("labs", 'scan.verdict == "infected" and url.path == "/lab"', "allow")])
        self.assertEqual(self.fetch(self.serve("/lab", EICAR))[1], EICAR)
        self.assert_refusal(self.fetch(self.serve("/e", EICAR))[0], 403)

    def test_inspect_leaves_out_engines(self):
        self.proxy = self.sluice([rule("none", 'url.path == "/none"', "inspect", engines=[])])
        self.assertEqual(self.fetch(self.serve("/none", EICAR))[1], EICAR)
        event = self.proxy.event(url__path="/none")
        self.assertEqual((event["scan.verdict"], event["scan.reason"]), ("skipped", "none"))

    def test_built_ins_can_be_turned_off(self):
        self.proxy = self.sluice(builtin={"malware": False})
        self.assertEqual(self.fetch(self.serve("/e", EICAR))[1], EICAR)
        self.assertEqual(self.proxy.event(url__path="/e")["scan.verdict"], "infected")

    def test_signature_files(self):
        folder = self.folder()
        (folder / "own.toml").write_text('[[signature]]\nname = "Own.Thing"\ntext = "an own signature"\n\n[[signature]]\nname = "Own.Card"\n'
                                         "regex = '[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}'\ncheck = \"luhn\"\neffect = \"match\"\n")
        self.proxy = self.sluice([rule("cards", 'payload.direction == "upload" and exists(scan.match)', "block")],
                                 inspect={"signatures": [str(folder / "*.toml")]})
        self.assert_refusal(self.fetch(self.serve("/s", b"here is an own signature."))[0], 403)
        self.assertEqual(self.proxy.event(url__path="/s")["scan.threat"], "Own.Thing")
        self.assert_refusal(self.fetch(self.origin.url("/card"), method="POST", body=b"my card is 4111 1111 1111 1111, thanks")[0], 403)
        self.assertEqual(self.fetch(self.origin.url("/nocard"), method="POST", body=b"my card is 4111 1111 1111 1112, thanks")[0].status, 200)

    def test_signatures_in_members(self):
        """Own signatures, and patterns of rules, in what is packed; and what a reload adds."""
        folder = self.folder()
        signatures = folder / "own.toml"
        signatures.write_text('[[signature]]\nname = "Own.Thing"\ntext = "an own signature"\n')
        self.proxy = self.sluice([rule("secrets", 'body matches "(?i)strictly +confidential" and file.extension == "txt"', "block")],
                                 inspect={"signatures": [str(folder / "*.toml")]})
        bad = noise(2000) + b" an own signature "
        for path, body in (("/a.zip", zipped(("x", bad))), ("/b.tar.gz", gzip.compress(tarred(("x", bad)))), ("/c.zip", zipped(("y.zip", zipped(("x", bad)))))):
            self.assert_refusal(self.fetch(self.serve(path, body))[0], 403)
            event = self.proxy.event(url__path=path)
            self.assertEqual((event["scan.threat"], event["scan.engine"]), ("Own.Thing", "signatures"))
        self.assert_refusal(self.fetch(self.serve("/d.zip", zipped(("a.md", b"x"), ("b.txt", b"Strictly  Confidential"))))[0], 403)
        self.assertEqual(self.proxy.event(url__path="/d.zip")["rule.name"], "secrets")
        self.assertEqual(self.fetch(self.serve("/e.zip", zipped(("a.md", b"strictly confidential"), ("b.txt", b"public"))))[0].status, 200)
        late = zipped(("x", b"another signature"))
        self.assertEqual(self.fetch(self.serve("/f.zip", late))[0].status, 200)
        with signatures.open("a") as more:
            more.write('[[signature]]\nname = "Own.Other"\ntext = "another signature"\n')
        self.assertEqual(self.proxy.command("reload").returncode, 0)
        self.assert_refusal(self.fetch(self.origin.url("/f.zip"))[0], 403)

    def test_many_matches_in_an_archive_hide_none(self):
        """What comes back of an object has 64 names; each member is judged by its own."""
        folder = self.folder()
        decoys = [f"decoy number {number:02} of many" for number in range(70)]
        signatures = [("Last", "the one that counts"), *((f"Decoy.{text[13:15]}", text) for text in decoys)]
        (folder / "own.toml").write_text("".join(f'[[signature]]\nname = "{name}"\ntext = "{text}"\neffect = "match"\n' for name, text in signatures))
        self.proxy = self.sluice([rule("last", 'scan.match == "Last"', "block")], inspect={"signatures": [str(folder / "*.toml")]})
        crowd = " ".join(decoys).encode()
        self.assert_refusal(self.fetch(self.serve("/bad.zip", zipped(("a", crowd), ("b", b"the one that counts"))))[0], 403)
        self.assertEqual(self.proxy.event(url__path="/bad.zip")["rule.name"], "last")
        self.assertEqual(self.fetch(self.serve("/good.zip", zipped(("a", crowd))))[0].status, 200)
        self.assertEqual(len(self.proxy.event(url__path="/good.zip")["scan.match"]), 64)

    def test_a_refused_reload_leaves_the_scanners_what_they_had(self):
        self.proxy = self.sluice([rule("old", 'body contains "the old pattern"', "block")])
        bad, good = zipped(("x", b"the old pattern")), zipped(("x", b"the new pattern"))
        self.proxy.configure([rule("new", 'body contains "the new pattern"', "block")], log={"events": str(self.folder() / "missing" / "events.json")})
        self.assertIn("log.events", self.proxy.command("reload").stderr)        # found only after the scanners have the new patterns
        self.assert_refusal(self.fetch(self.serve("/bad.zip", bad))[0], 403)
        self.assertEqual(self.proxy.event(url__path="/bad.zip")["rule.name"], "old")
        self.assertEqual(self.fetch(self.serve("/good.zip", good))[0].status, 200)
        self.assertEqual(self.proxy.event(url__path="/good.zip")["scan.verdict"], "clean")

    def test_scanners_have_the_patterns_of_today_when_engines_come_back(self):
        self.proxy = self.sluice([rule("first", 'body contains "the first pattern"', "block")])
        second = [rule("second", 'body contains "the second pattern"', "block")]
        for engines in ([], ["hash", "signatures", "yara"]):
            self.proxy.configure(second, inspect={"engines": engines})
            self.assertEqual(self.proxy.command("reload").returncode, 0)
        self.assert_refusal(self.fetch(self.serve("/bad.zip", zipped(("x", b"the second pattern"))))[0], 403)
        self.assertEqual(self.proxy.event(url__path="/bad.zip")["rule.name"], "second")
        self.assertEqual(self.fetch(self.serve("/good.zip", zipped(("x", b"the first pattern"))))[0].status, 200)
        self.assertEqual(self.proxy.event(url__path="/good.zip")["scan.verdict"], "clean")

    def test_card_numbers_by_the_shipped_example(self):
        self.proxy = self.sluice([rule("no-card-numbers", 'payload.direction == "upload" and scan.match starts_with "Card."', "block")],
                                 inspect={"signatures": [str(ROOT / "share/signatures.d/example.toml")]})
        for number, stops in (("4111 1111 1111 1111", True), ("4111-1111-1111-1112", False), ("378282246310005", True)):
            body = b'{"card": "%s"}' % number.encode()
            head, _ = self.fetch(self.origin.url("/" + number.replace(" ", "")), "Content-Type: application/json", method="POST", body=body)
            self.assertEqual(head.status, 403 if stops else 200, number)
            head, _ = self.fetch(self.origin.url("/in-a-document"), method="POST", body=zipped(("[Content_Types].xml", b"<x/>"), ("word/document.xml", body)))
            self.assertEqual(head.status, 403 if stops else 200, number)
        self.assertEqual(self.fetch(self.serve("/down", b"4111 1111 1111 1111"))[0].status, 200)
        self.assertEqual(self.proxy.event(url__path="/down")["scan.match"], ["Card.Visa"])

    def test_yara_files(self):
        folder = self.folder()
        yara = folder / "a.yar"
        yara.write_text('rule Own_Rule { strings: $a = "yara looks for this" condition: $a and uint16(0) == 0x5a4d }\n')
        self.proxy = self.sluice(inspect={"yara": [str(folder / "*.yar")]})
        self.assert_refusal(self.fetch(self.serve("/p", PROGRAM + b"yara looks for this"))[0], 403)
        event = self.proxy.event(url__path="/p")
        self.assertEqual((event["scan.threat"], event["scan.engine"]), ("YARA.Own_Rule", "yara"))
        self.assertEqual(self.fetch(self.serve("/q", PROGRAM + b"yara looks for that"))[0].status, 200)
        yara.write_text('rule Own_Rule { strings: $a = "yara looks for that" condition: $a }\n')
        self.assertEqual(self.proxy.command("reload").returncode, 0)
        self.assert_refusal(self.fetch(self.origin.url("/q"))[0], 403)
        yara.write_text("rule Broken { condition: nothing_known }\n")
        done = self.proxy.command("reload")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("a.yar:1", done.stderr)
        self.assert_refusal(self.fetch(self.origin.url("/q"))[0], 403)


class Ranges(WithFiles):
    def serve_ranges(self):
        body = PROGRAM + noise(200_000)

        def answer(head, _):
            self.heads.append(head)
            wanted = head.get("range")
            if wanted:
                first, last = (int(part) for part in wanted.removeprefix("bytes=").split("-"))
                return response(body[first:last + 1], "206 Partial Content", f"Content-Range: bytes {first}-{last}/{len(body)}")
            return response(body)
        self.heads = []
        origin = Origin(answering(answer))
        self.addCleanup(origin.close)
        return origin, body

    def test_auto_fetches_what_is_risky_whole(self):
        origin, body = self.serve_ranges()
        self.proxy = self.sluice()
        head, got = self.fetch(origin.url("/a.exe"), "Range: bytes=100-200")
        self.assertEqual((head.status, len(got)), (200, len(body)))
        self.assertIsNone(self.heads[-1].get("range"))
        head, got = self.fetch(origin.url("/a.mp4"), "Range: bytes=100-200")
        self.assertEqual((head.status, len(got)), (206, 101))
        event = self.proxy.event(url__path="/a.mp4")
        self.assertEqual((event["scan.verdict"], event["scan.reason"]), ("unscannable", "truncated"))

    def test_all_of_it_is_no_part(self):
        origin, body = self.serve_ranges()
        self.proxy = self.sluice(inspect={"ranges": "pass"})
        self.assertEqual(self.fetch(origin.url("/x"), f"Range: bytes=0-{len(body) - 1}")[0].status, 206)
        self.assertEqual(self.proxy.event(url__path="/x")["scan.verdict"], "clean")

    def test_block(self):
        origin, _ = self.serve_ranges()
        self.proxy = self.sluice(inspect={"ranges": "block"})
        self.assert_refusal(self.fetch(origin.url("/x"), "Range: bytes=1-2")[0], 403)
        self.assertEqual(self.heads, [])
        self.assertEqual(self.fetch(origin.url("/x"))[0].status, 200)

    def test_after_a_cut_all_of_it(self):
        self.proxy = self.sluice()
        url = self.serve("/film.mp4", b"some" * 1000 + EICAR)
        self.assert_refusal(self.fetch(url)[0], 403)
        self.assert_refusal(self.fetch(url, "Range: bytes=0-100")[0], 403)
        self.assertIsNone(self.origin.asked[-1].get("range"))
