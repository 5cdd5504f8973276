# SPDX-License-Identifier: Apache-2.0
"""EICAR's string in every container and coding, at every place, both ways: none comes through."""
import itertools
import random
import unittest

from containers import ARCHIVES, CODINGS, STREAMS, by_7z, iso, raw_deflate
from harness import rule
from payloads import EICAR, WithFiles, noise, zipped
from wire import Closed, Origin, Peer, get

# So compressible that what packs at all packs EICAR's string, too: only opening it brings the string to light.
README = ("readme.txt", b"All of this says nothing. " * 200)
BAD = ("folder/eicar.com", EICAR)


class Found(WithFiles):
    @classmethod
    def setUpClass(cls):
        cls.proxy = cls.shared(inspect={"scanners": 2})

    def assert_found(self, files):
        """Each is refused, and its event says why."""
        for path, fetched in self.fetch_all(files).items():
            with self.subTest(path=path):
                self.assertEqual(fetched.status, 403)
                self.assertFalse(fetched.has_eicar)
                self.assert_event(fetched.event)

    def assert_event(self, event):
        self.assertEqual((event["scan.verdict"], event["scan.threat"], event["event.action"], event["rule.name"]),
                         ("infected", "EICAR-Test-File", "blocked", "malware"))


class InContainers(Found):
    def test_every_archive(self):
        files = {f"/a.{kind}": pack(README, BAD) for kind, pack in ARCHIVES.items()}
        # Of the others it would be found in the raw bytes.
        packed = {path.removeprefix("/a.") for path, body in files.items() if EICAR not in body}
        self.assertEqual(set(ARCHIVES) - packed, {"stored.zip", "rar", "5.rar", "tar", "iso", "lzh", "cpio", "a"})
        self.assert_found(files)

    def test_what_is_locked_is_not_clean(self):
        files = {f"/locked.{kind}": by_7z(kind, "-psecret")(README, BAD) for kind in ("zip", "7z")}
        files["/names.7z"] = by_7z("7z", "-psecret", "-mhe=on")(README, BAD)
        for path, fetched in self.fetch_all(files).items():
            self.assertEqual((fetched.event["scan.verdict"], fetched.event["scan.reason"]), ("unscannable", "encrypted"), path)

    def test_both_trees_of_a_disc(self):
        """A file that only one of the two trees of an image has; and one that only UDF has, which nobody here reads."""
        inner = ("in.zip", zipped(BAD))
        self.assert_found({"/rock.iso": iso(README, inner, options=("-R", "-J", "-hide-joliet", "in.zip")),
                           "/joliet.iso": iso(README, inner, options=("-R", "-J", "-hide", "in.zip")),
                           "/plain.iso": iso(README, inner, options=("-J", "-hide-joliet", "in.zip"))})
        [fetched] = self.fetch_all({"/udf.iso": iso(README, inner, options=("-udf", "-R", "-hide", "in.zip"))}).values()
        self.assertIn((fetched.event["scan.verdict"], fetched.event.get("scan.reason")), (("unscannable", "undecodable"), ("infected", None)))

    def test_every_stream(self):
        self.assert_found({f"/eicar.com.{kind}": pack(EICAR + README[1][:100]) for kind, pack in STREAMS.items()})

    def test_two_deep(self):
        """Every archive in some of each family, and some in every archive; behind a member that says nothing."""
        some = ("zip", "7z", "tar", "iso", "cab")
        pairs = {(outer, inner) for outer, inner in itertools.product(ARCHIVES, repeat=2) if outer in some or inner in some}
        inners = {kind: pack(README, BAD) for kind, pack in ARCHIVES.items()}
        self.assert_found({f"/{inner}.{outer}": ARCHIVES[outer](("folder/in." + inner, inners[inner]))
                           for outer, inner in random.Random(1).sample(sorted(pairs), 60)})

    def test_three_deep(self):
        chosen = random.Random(2)
        files = {}
        for _ in range(20):
            kinds = [chosen.choice(sorted(kinds)) for kinds in (ARCHIVES, ARCHIVES | STREAMS, ARCHIVES)]
            body = ARCHIVES[kinds[0]](BAD)
            for kind in kinds[1:]:
                body = STREAMS[kind](body) if kind in STREAMS else ARCHIVES[kind](("in", body))
            files["/" + ".".join(kinds)] = body
        self.assert_found(files)

    def test_clean_ones_are_clean(self):
        files = {f"/clean.{kind}": pack(README, ("b.bin", noise(100))) for kind, pack in ARCHIVES.items()}
        files |= {f"/clean.bin.{kind}": pack(noise(200)) for kind, pack in STREAMS.items()}
        for path, fetched in self.fetch_all(files).items():
            with self.subTest(path=path):
                self.assertEqual((fetched.status, fetched.is_whole, fetched.verdict), (200, True, "clean"))


class InCodings(Found):
    def test_every_coding(self):
        text = noise(300) + EICAR + noise(300)
        files = {f"/{coding}": (pack(text), coding) for coding, pack in CODINGS.items()}
        files["/raw"] = (raw_deflate(text), "deflate")           # as some servers take "deflate" to be
        for name, body in {"zip": zipped(README, BAD), "7z": ARCHIVES["7z"](README, BAD)}.items():
            files |= {f"/{coding}.{name}": (pack(body), coding) for coding, pack in CODINGS.items()}
        self.assert_found(files)

    def test_layers_of_codings(self):
        files = {}
        for codings in (("gzip", "br"), ("br", "gzip"), ("zstd", "deflate"), ("gzip", "gzip"), ("br", "zstd", "gzip")):
            for name, body in (("text", noise(300) + EICAR), ("zip", zipped(BAD))):
                for coding in codings:
                    body = CODINGS[coding](body)
                files[f"/{'-'.join(codings)}.{name}"] = (body, ", ".join(codings))
        self.assert_found(files)


class Anywhere(Found):
    """At the first, a middle and the last octet of 3 MiB, however it is delivered and framed."""

    @classmethod
    def setUpClass(cls):
        cls.proxy = cls.shared([rule(mode, f'url.path starts_with "/{mode}/"', "inspect", deliver=mode) for mode in ("hold", "tail", "stream")])

    def bodies(self):
        filler = noise(3 << 20)
        middle = len(filler) // 2
        return {"first": EICAR + filler, "middle": filler[:middle] + EICAR + filler[middle:], "last": filler + EICAR}

    def test_downloads(self):
        for place, body in self.bodies().items():
            def chunked(body=body):
                return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (body[at:at + 50_000] for at in range(0, len(body), 50_000))) + b"0\r\n\r\n"
            framings = {"length": (b"Content-Length: %d\r\n" % len(body), body), "chunked": (b"Transfer-Encoding: chunked\r\n", chunked()), "end": (b"", body)}
            for framing, (field, raw) in framings.items():
                def handle(peer, field=field, raw=raw):
                    peer.read_request()
                    peer.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + field + b"\r\n" + raw)
                origin = Origin(handle)
                self.addCleanup(origin.close)
                for mode in ("hold", "tail", "stream"):
                    with self.subTest(place=place, framing=framing, mode=mode):
                        self.assert_cut(origin, f"/{mode}/{framing}-{place}", body, mode == "hold" or place == "first")

    def assert_cut(self, origin, path, body, wants_page):
        with Peer.connect(self.proxy.port) as peer:
            peer.send(get(origin.url(path)))
            head, got = None, b""
            try:
                head = peer.read_head()
                got = peer.read_body(head)
                self.assertEqual(head.status, 403, "an infected file was taken for whole")
            except Closed as closed:
                got = closed.data
                self.assertLess(len(got), len(body))
                self.assertFalse(wants_page)
            self.assertNotIn(EICAR, got)
        self.assert_event(self.proxy.event(url__path=path))

    def test_uploads(self):
        for place, body in self.bodies().items():
            for mode in ("hold", "tail", "stream"):
                path = f"/{mode}/up-{place}"
                with self.subTest(path=path), Peer.connect(self.proxy.port) as peer:
                    try:
                        peer.send(get(self.origin.url(path), method="PUT", body=body))
                        self.assert_refusal(peer.read_response("PUT")[0], 403)
                    except (Closed, OSError):
                        self.assertNotEqual(mode, "hold")
                    self.assertNotIn(path, self.origin.uploads)
                    self.assert_event(self.proxy.event(url__path=path))

    def test_a_part_of_an_infected_archive(self):
        """A range of what is risky is fetched whole."""
        for kind in ("zip", "7z", "tgz"):
            url = self.serve(f"/range.{kind}", ARCHIVES[kind](README, BAD))
            self.assert_refusal(self.fetch(url, "Range: bytes=0-99")[0], 403)
            self.assertIsNone(self.origin.asked[-1].get("range"))
            self.assert_event(self.proxy.event(url__path=f"/range.{kind}"))


class Uploads(Found):
    def refused(self, path, body, *fields):
        head, _ = self.fetch(self.origin.url(path), *fields, method="POST", body=body)
        self.assert_refusal(head, 403)
        self.assertNotIn(path, self.origin.uploads)
        self.assert_event(self.proxy.event(url__path=path))

    def test_archives(self):
        for kind in ("zip", "7z", "5.rar", "tgz", "iso", "cab", "docx"):
            with self.subTest(kind=kind):
                self.refused(f"/up.{kind}", ARCHIVES[kind](README, BAD))

    def test_codings(self):
        for coding in ("gzip", "br"):
            with self.subTest(coding=coding):
                self.refused(f"/up-{coding}", CODINGS[coding](zipped(README, BAD)), f"Content-Encoding: {coding}")

    def form(self, path, *parts):
        body = b"".join(b'--b0undary\r\nContent-Disposition: form-data; name="f"; filename="%s"\r\n\r\n%s\r\n' % (name.encode(), data) for name, data in parts)
        self.refused(path, body + b"--b0undary--\r\n", "Content-Type: multipart/form-data; boundary=b0undary")

    def test_a_form_with_it(self):
        self.form("/form-plain", ("readme.txt", b"hello"), ("eicar.com", EICAR))

    def test_a_form_with_an_archive_of_it(self):
        for kind in ("bzip2.zip", "7z", "tgz"):
            self.form(f"/form-{kind}", ("readme.txt", b"hello"), (f"a.{kind}", ARCHIVES[kind](README, BAD)))
