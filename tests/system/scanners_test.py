# SPDX-License-Identifier: Apache-2.0
"""The processes that look into payloads: killed, in trouble, busy, replaced."""
import contextlib
import os
import signal
import threading

from harness import rule, until
from payloads import WithFiles, noise, zipped
from wire import Closed

SLOW = 60                  # seconds: what is started and loaded anew meanwhile, on a machine that does other things too


class Processes(WithFiles):
    def scanners(self):
        found = []
        for name in os.listdir("/proc"):
            try:
                with open(f"/proc/{name}/status") as status:
                    fields = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
                if fields.get("Name", "").startswith("sluice-scanner"):
                    found.append((int(name), int(fields["PPid"])))
            except (OSError, ValueError, KeyError):
                pass
        supervisors = [pid for pid, parent in found if parent == self.proxy.pid]
        return supervisors, [pid for pid, parent in found if parent in supervisors]

    def test_each_fault(self):
        for fault, reason in (("scanners-busy", "overloaded"), ("scanner-crash", "crashed"), ("scanner-hang", "timeout")):
            with self.subTest(fault=fault):
                self.proxy = self.sluice(env={"SLUICE_FAULTS": fault}, inspect={"timeout": "1s"})
                for number in range(2):                                         # there is a scanner again for the second
                    path = f"/f{number}.zip"
                    self.assert_refusal(self.fetch(self.serve(path, zipped((path, b"b"))))[0], 403)
                    event = self.proxy.event(url__path=path)
                    self.assertEqual((event["scan.verdict"], event["scan.reason"], event["rule.name"]), ("unscannable", reason, "unscanned"))
                name = f'sluice_payloads_total{{scan_verdict="unscannable",scan_reason="{reason}",scan_engine=""}}'
                self.assertEqual(self.proxy.metrics().get(name), 2)
                self.assertEqual(self.fetch(self.serve("/f.txt", b"needs no scanner"))[0].status, 200)
                self.assertEqual(self.proxy.metrics()["sluice_scanner_crashes_total"], 2 if fault == "scanner-crash" else 0)

    def test_what_crashed_a_scanner_is_kept_where_a_rule_says_so(self):
        kept = self.folder() / "kept"
        self.proxy = self.sluice([rule("keep-crashers", 'scan.reason == "crashed"', "quarantine")], env={"SLUICE_FAULTS": "scanner-crash"},
                                 quarantine={"dir": str(kept)})
        self.assert_refusal(self.fetch(self.serve("/f.zip", zipped(("a", b"b"))))[0], 403)
        event = self.proxy.event(url__path="/f.zip")
        self.assertEqual((event["event.action"], event["scan.reason"]), ("quarantined", "crashed"))
        self.assertTrue((kept / f"{event['event.id']}.sample").exists())

    def test_kill_9_costs_only_verdicts(self):
        self.proxy = self.sluice(inspect={"scanners": 2})
        supervisors, workers = until(lambda: (found := self.scanners())[1] and len(found[1]) == 2 and found, "two scanners")
        stop = threading.Event()
        outcomes, failures = [], []

        def load(number):
            serial = 0
            while not stop.is_set():
                serial += 1
                path = f"/{number}-{serial}.zip"
                try:
                    head, _ = self.fetch(self.serve(path, zipped(("a", b"%d %d" % (number, serial)))))
                    outcomes.append((head.status, path))
                except (OSError, AssertionError, Closed) as error:
                    failures.append((path, repr(error)))
        threads = [threading.Thread(target=load, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        try:
            until(lambda: len(outcomes) > 20, "some load")
            for _ in range(5):
                before = len(outcomes)
                _, workers = self.scanners()
                for pid in workers:
                    with contextlib.suppress(ProcessLookupError):               # it was one that had ended
                        os.kill(pid, signal.SIGKILL)
                until(lambda: len(outcomes) > before + 20, "the load to go on", SLOW)
            os.kill(supervisors[0], signal.SIGKILL)
            before = len(outcomes)
            until(lambda: len(outcomes) > before + 50, "the load to go on without its supervisor", SLOW)
        finally:
            stop.set()                                                          # so that what failed is seen, and not what follows from it
            for thread in threads:
                thread.join()
        self.assertEqual(failures, [])
        refused = [path for status, path in outcomes if status != 200]
        for path in refused:
            self.assertEqual(self.proxy.event(url__path=path)["scan.reason"], "crashed")
        self.assertLess(len(refused), 25)

    def test_concurrent_identical_objects_share_one_scan(self):
        self.proxy = self.sluice(inspect={"scanners": 1})
        url = self.serve("/same.zip", zipped(("a", noise(3_000_000))))
        results = []
        threads = [threading.Thread(target=lambda: results.append(self.fetch(url)[0].status)) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(results, [200] * 10)
        until(lambda: sum(self.proxy.metrics().get(f'sluice_scan_cache_total{{result="{kind}"}}', 0) for kind in ("hit", "miss")) == 10, "ten answers")
        self.assertEqual(self.proxy.metrics()['sluice_scan_cache_total{result="miss"}'], 1)
