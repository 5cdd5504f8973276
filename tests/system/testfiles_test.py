# SPDX-License-Identifier: Apache-2.0
"""The files that ClamAV tests itself with (Debian's clamav-testfiles): one small program, packed in all the ways that it knows."""
import hashlib
import pathlib
import unittest

from clamd import Clamd
from payloads import WithFiles

FOLDER = pathlib.Path("/usr/share/clamav-testfiles")
PROGRAM = FOLDER / "clam.exe"
# The program's name for its only section: what is unpacked to it by us has it, too.
RULE = 'rule Clam_Test { strings: $name = "[CLAMAV]" condition: uint16(0) == 0x5a4d and $name at 0x1f8 }\n'
# Text is not risky: what is encoded in it is looked for where all payloads are whole.
TEXTS = {"/clam.exe.binhex", "/clam.exe.html", "/clam.exe.mbox.base64", "/clam.exe.mbox.uu", "/clam.mail"}
ENGINES = ["hash", "signatures", "yara"]


@unittest.skipUnless(Clamd.exists() and PROGRAM.exists(), "clamd or clamav-testfiles is not installed")
class Testfiles(WithFiles):
    @classmethod
    def setUpClass(cls):
        program = PROGRAM.read_bytes()
        cls.clamd = Clamd(hdb=f"{hashlib.md5(program).hexdigest()}:{len(program)}:Clam.Test\n")
        cls.addClassCleanup(cls.clamd.close)
        cls.files = {f"/{path.name}": path.read_bytes() for path in sorted(FOLDER.iterdir())}
        cls.said = {f"/{path.name}": cls.clamd.ask(path) for path in FOLDER.iterdir()}

    def proxy_with(self, engines, whole):
        """With a rule of YARA's, so that it is seen what our own engines open."""
        folder = self.folder()
        (folder / "own.yar").write_text(RULE)
        self.proxy = self.sluice(inspect={"engines": engines, "clamav": {"socket": str(self.clamd.socket)}, "yara": [str(folder / "own.yar")], "whole": whole})

    def test_what_clamd_finds_is_found(self):
        self.assertGreater(len(self.files), 40)
        self.assertEqual(set(self.said.values()), {"Clam.Test.UNOFFICIAL"})
        columns = {}
        for name, engines, whole in (("ours", ENGINES, "all"), ("and clamav", [*ENGINES, "clamav"], "all"), ("by default", [*ENGINES, "clamav"], "risky")):
            self.proxy_with(engines, whole)
            columns[name] = self.fetch_all(self.files)
            self.assertEqual(self.proxy.metrics()["sluice_scanner_crashes_total"], 0)
        print("\n" + f"{'':26} {'clamd':22}" + "".join(f"{name:28}" for name in columns).rstrip())
        for path in self.files:
            words = [column[path].event.get("scan.threat") or column[path].reason or column[path].verdict for column in columns.values()]
            print(f"{path[1:]:26} {self.said[path]:22}" + "".join(f"{word:28}" for word in words) + columns["ours"][path].event["file.mime_type"])
        for path in self.files:
            with self.subTest(path=path):
                fetched = columns["and clamav"][path]
                self.assertEqual((fetched.status, fetched.verdict), (403, "infected"))
                self.assertEqual(columns["by default"][path].verdict, "clean" if path in TEXTS else "infected")
