# SPDX-License-Identifier: Apache-2.0
"""Rules of YARA that people use: they load, and what they cost is printed."""
import os
import pathlib
import re
import time
import unittest

from harness import ROOT, until
from payloads import PROGRAM, WithFiles, noise, scanner_memory, zipped

CORPUS = pathlib.Path(os.environ.get("SLUICE_CORPORA") or ROOT.parent / "shared/corpora") / "yara"
FILES = sorted(CORPUS.glob("*.yar"))
MIB = 1 << 20


def count(files):
    return sum(len(re.findall(r"^\s*(?:private\s+|global\s+)*rule\s+\w+", path.read_text(errors="replace"), re.MULTILINE)) for path in files)


@unittest.skipUnless(FILES, f"no rules in {CORPUS} ($SLUICE_CORPORA)")
class YaraCorpus(WithFiles):
    alone = True                                                 # it prints times

    def proxy_with(self, files, **keys):
        return self.sluice(inspect={"engines": ["yara"], "yara": [str(path) for path in files], "scanners": 2}, **keys)

    def test_each_file_is_checked(self):
        for files in ([path] for path in FILES):
            done = self.proxy_with(files, wait=None).command("check")
            warnings = done.stderr.count(": warning")
            modules = sorted(set(re.findall(r'^import "(\w+)"', files[0].read_text(errors="replace"), re.MULTILINE)))
            print(f"{files[0].name}: {count(files)} rules, {warnings} warnings, modules {', '.join(modules) or 'none'}")
            self.assertEqual(done.returncode, 0, done.stderr[-3000:])

    def test_a_fault_among_them_is_named(self):
        broken = self.folder() / "broken.yar"
        rules = FILES[0].read_bytes()
        broken.write_bytes(rules + b"\nrule Last_One { condition: no_such_thing }\n")
        line = rules.count(b"\n") + 2
        done = self.proxy_with([*FILES[1:], broken], wait=None).command("check")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, rf"broken\.yar:{line}:.*\n.*Last_One")

    def test_all_load_and_look(self):
        began = time.monotonic()
        self.proxy = self.proxy_with(FILES)
        loaded = time.monotonic() - began
        supervisor, *scanners = until(lambda: len(found := scanner_memory(self.proxy)) == 3 and found, "the scanners")
        samples = {"/clean.exe": PROGRAM + noise(MIB), "/clean.zip": zipped(("clean.exe", PROGRAM + noise(MIB, 2)))}
        for path, body in samples.items():
            began = time.monotonic()
            fetched = self.fetch_all({path: body})[path]
            print(f"{path[1:]}, {len(body)} octets: {fetched.verdict}, {(time.monotonic() - began) * 1000:.0f} ms there and back, "
                  f"timing.scan {fetched.event['timing.scan'] / 1e6:.0f} ms")
            self.assertEqual((fetched.status, fetched.verdict), (200, "clean"))
        after = scanner_memory(self.proxy)[1:]
        own = ", ".join(f"{before[2] // MIB} MiB ({then[2] // MIB} after scans)" for before, then in zip(scanners, after))
        print(f"{count(FILES)} rules: all ready after {loaded:.1f} s; supervisor at most {supervisor[1] // MIB} MiB; scanners' own {own}")
        self.assertEqual(self.proxy.metrics()["sluice_scanner_crashes_total"], 0)
