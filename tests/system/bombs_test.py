# SPDX-License-Identifier: Apache-2.0
"""Bombs, through the real proxy: each has its verdict in time, costs no scanner and no more memory than a scanner may have, and is never clean."""
import time

from bombs import BOMBS, GREEDY, MIB
from harness import SANITIZED, until
from payloads import WithFiles, scanner_memory, zipped

TIMEOUT = 20                                                     # seconds that an engine may take
MOST = 30                                                        # seconds that a bomb takes at most, with sanitizers and on a busy machine (alone: 6)
MEMORY = 1024 * MIB                                              # of a scanner and of the proxy, sanitizers' included; a release may have 2 GiB
REFUSED = ("bomb", "timeout")                                    # of what is no program, by the built-in rule `unscanned`


class Bombs(WithFiles):
    @classmethod
    def setUpClass(cls):
        cls.proxy = cls.shared(inspect={"scanners": 2, "timeout": f"{TIMEOUT}s"}, limits={"first_byte": "60s"})

    def setUp(self):
        super().setUp()
        until(lambda: len(scanner_memory(self.proxy)) == 3, "the scanners")
        self.scanners = {pid for pid, _, _ in scanner_memory(self.proxy)[1:]}

    def explode(self, path, body):
        """What came of it, having seen that everybody is well and that the next request is served."""
        began = time.monotonic()
        fetched = self.fetch_all({path: body}, lanes=1)[path]
        took = time.monotonic() - began
        next_one = f"/after{path}.zip"
        self.assertEqual(self.fetch_all({next_one: zipped((path, b"harmless"))}, lanes=1)[next_one].verdict, "clean")
        self.assertLess(took, MOST)
        memory = scanner_memory(self.proxy)
        self.assertEqual({pid for pid, _, _ in memory[1:]}, self.scanners, "a scanner did not survive it")
        for pid, most, _ in memory:
            self.assertLess(most, MEMORY, f"of {pid}")
        self.assertLess(self.proxy.rss(), MEMORY)
        self.assertEqual(self.proxy.metrics()["sluice_scanner_crashes_total"], 0)
        return fetched, took

    def test_each(self):
        self.assertGreaterEqual(len(BOMBS), 20)
        slowest = (0, "")
        for name, (make, reasons) in BOMBS.items():
            with self.subTest(bomb=name):
                fetched, took = self.explode("/" + name, make())
                slowest = max(slowest, (took, name))
                self.assertEqual(fetched.verdict, "unscannable")
                self.assertIn(fetched.reason, reasons)
                is_refused = fetched.reason in REFUSED
                self.assertEqual((fetched.status, fetched.event.get("rule.name")), (403, "unscanned") if is_refused else (200, None))
        most = max(most for _, most, _ in scanner_memory(self.proxy))
        print(f"{len(BOMBS)} bombs: the slowest {slowest[1]} in {slowest[0]:.1f} s; a scanner had at most {most // MIB} MiB")

    def test_those_that_ask_for_memory(self):
        for name, make in GREEDY.items():
            with self.subTest(bomb=name):
                fetched, _ = self.explode("/" + name, make())
                self.assertEqual((fetched.verdict, fetched.reason), ("infected", None) if SANITIZED else ("unscannable", "too-large"))

    def test_many_at_once(self):
        """All lanes busy with bombs: who comes with something harmless waits, and is served."""
        files = {f"/{number}{name}": BOMBS[name][0]() for name in ("wide.zip", "zeros.cab", "quoted.zip", "zeros.zip") for number in range(3)}
        files |= {f"/harmless-{number}.zip": zipped(("a", b"%d" % number)) for number in range(8)}
        for path, fetched in self.fetch_all(files, lanes=8).items():
            with self.subTest(path=path):
                is_harmless = path.startswith("/harmless")
                self.assertEqual((fetched.status, fetched.verdict), (200, "clean") if is_harmless else (403, "unscannable"))
        self.assertEqual(self.proxy.metrics()["sluice_scanner_crashes_total"], 0)
