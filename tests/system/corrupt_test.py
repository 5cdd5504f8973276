# SPDX-License-Identifier: Apache-2.0
"""Archives of every kind that were cut or have a bit changed: no scanner is lost, and nothing from which EICAR's string could still be had is clean."""
import collections
import lzma
import pathlib
import random
import subprocess
import tempfile

from containers import ARCHIVES, STREAMS
from payloads import EICAR, WithFiles, noise, scanner_memory

MEMBERS = (("readme.txt", b"All of this says nothing. " * 100), ("noise.bin", noise(2000, 5)), ("eicar.com", EICAR))
# Where nothing tells that more is to come: LZW as compress(1) has it has no end; an image begins with zeros.
ISO_DESCRIPTOR = 32768 + 6


def whole_ones():
    content = b"".join(data for _, data in MEMBERS)
    return {kind: pack(*MEMBERS) for kind, pack in ARCHIVES.items()} | {kind: pack(content) for kind, pack in STREAMS.items()}


# As 7z calls them; by the last word of ours.
KINDS = {"zip": "zip", "docx": "zip", "7z": "7z", "tar": "tar", "tgz": "gzip", "gz": "gzip", "xz": "xz", "bz2": "bzip2", "zst": "zstd", "cab": "cab",
         "iso": "iso", "lzh": "lzh", "cpio": "cpio", "a": "ar", "lzma": "lzma", "Z": "z"}


def unpacked(kind, data):
    """What an unpacker that is told the kind and goes on after a fault gets of it: 7z, which takes all but two."""
    if kind == "lz4":
        return data                                              # ours are not packed
    if kind == "lz":
        reader = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 20}])
        try:
            return reader.decompress(data[6:-20]) if data.startswith(b"LZIP\x01") else b""
        except lzma.LZMAError:
            return b""
    known = {"rar": "rar", "5.rar": "rar5"}.get(kind) or KINDS[kind.rpartition(".")[2]]
    with tempfile.TemporaryDirectory(prefix="sluice-unpack-", dir="/tmp") as folder:
        path = pathlib.Path(folder, "in." + kind)
        path.write_bytes(data)
        return subprocess.run(["7z", "e", "-so", "-y", "-t" + known, path], capture_output=True, stdin=subprocess.DEVNULL, timeout=60).stdout


class Corrupt(WithFiles):
    @classmethod
    def setUpClass(cls):
        # By the first octets alone, what is changed there would be of no type that is opened.
        cls.proxy = cls.shared(inspect={"scanners": 2, "whole": "all"})

    def damaged(self, files):
        """Fetches {(kind, place): bytes}; {(kind, place): Fetched}, and all scanners are as they were."""
        fetched = self.fetch_all({f"/{place}.{kind}": body for (kind, place), body in files.items()})
        self.assertEqual(self.proxy.metrics()["sluice_scanner_crashes_total"], 0)
        self.assertEqual(len(scanner_memory(self.proxy)), 3)
        found = {key: fetched[f"/{key[1]}.{key[0]}"] for key in files}
        for key, one in found.items():
            with self.subTest(kind=key[0], place=key[1]):
                self.assertIn(one.verdict, ("clean", "infected", "unscannable"))
                is_refused = one.verdict == "infected" or one.reason == "bomb"
                self.assertEqual((one.status, one.has_eicar), (403 if is_refused else 200, False))
                if one.verdict == "unscannable":
                    self.assertIn(one.reason, ("corrupt", "encrypted", "too-large", "too-deep", "bomb"))
        counts = collections.Counter(one.reason or one.verdict for one in found.values())
        print(f"{len(found)} damaged archives:", ", ".join(f"{count} {what}" for what, count in counts.most_common()))
        return found

    def test_cut_at_every_sixteenth(self):
        cuts = {(kind, part): whole[:len(whole) * part // 16] for kind, whole in whole_ones().items() for part in range(1, 16)}
        for (kind, part), one in self.damaged(cuts).items():
            with self.subTest(kind=kind, part=part):
                if one.verdict == "clean":
                    says_nothing = kind == "Z" or kind == "iso" and len(cuts[kind, part]) < ISO_DESCRIPTOR
                    self.assertTrue(says_nothing, "it can be told that it is cut")
                    self.assertNotIn(EICAR, unpacked(kind, cuts[kind, part]))

    def test_a_bit_changed(self):
        """Of 64 places each. What changes the string itself, or what an archive is known by, may be clean: if nobody else gets the string out of it."""
        changed = {}
        for kind, whole in whole_ones().items():
            self.assertIn(EICAR, unpacked(kind, whole), f"{kind}: 7z must get it out of what is whole")
            chosen = random.Random(kind)
            # An image of mostly nothing: where something stands.
            places = [at for at, byte in enumerate(whole) if byte] if kind == "iso" else range(len(whole))
            for at in chosen.sample(places, 64):
                body = bytearray(whole)
                body[at] ^= 1 << chosen.randrange(8)
                changed[kind, at] = bytes(body)
        for (kind, at), one in self.damaged(changed).items():
            if one.verdict == "clean":
                with self.subTest(kind=kind, at=at):
                    self.assertNotIn(EICAR, unpacked(kind, changed[kind, at]))

    def test_the_first_octets_changed(self):
        """Each bit of the first octets, where most of what is in a header is believed."""
        changed = {}
        for kind, whole in whole_ones().items():
            for at in range(16):
                body = bytearray(whole)
                body[at] ^= 1 << at % 8
                changed[kind, at] = bytes(body)
        for (kind, at), one in self.damaged(changed).items():
            if one.verdict == "clean":
                with self.subTest(kind=kind, at=at):
                    self.assertNotIn(EICAR, unpacked(kind, changed[kind, at]))
