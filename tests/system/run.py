# SPDX-License-Identifier: Apache-2.0
"""Runs the system tests:  python3 tests/system/run.py [-j N] [-k PATTERN] [--with TOPIC] [--without TOPIC] [--list] [--report FILE]

A class is the unit that runs at one time; classes with `alone = True` measure time or take much memory and run by themselves, at the end."""
import argparse
import fnmatch
import importlib
import io
import multiprocessing
import os
import pathlib
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))


def cases_of(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from cases_of(item)
        else:
            yield item


def discover(pattern, only=None, without=None):
    """{class id: (alone, [method names])} in the order of files."""
    found = {}
    for path in sorted(HERE.glob("*_test.py")):
        topic = path.stem.removesuffix("_test")
        if only and topic != only or topic == without:
            continue
        module = importlib.import_module(path.stem)
        for case in cases_of(unittest.defaultTestLoader.loadTestsFromModule(module)):
            kind = type(case)
            name = f"{path.stem}.{kind.__name__}"
            method = case._testMethodName
            if not pattern or any(fnmatch.fnmatch(f"{name}.{method}", f"*{one}*") for one in pattern):
                found.setdefault(name, (getattr(kind, "alone", False), []))[1].append(method)
    return found


class Result(unittest.TestResult):
    """Collects one line a test: (state, id, seconds, text)."""

    def __init__(self):
        super().__init__()
        self.lines = []
        self.begun = 0.0

    def startTest(self, test):
        super().startTest(test)
        self.begun = time.monotonic()
        self.state = ("ok", "")

    def stopTest(self, test):
        self.lines.append((self.state[0], test.id(), time.monotonic() - self.begun, self.state[1]))
        super().stopTest(test)

    def addFailure(self, test, err):
        self._bad(test, err)

    def addError(self, test, err):
        self._bad(test, err)

    def _bad(self, test, err):
        text = self._exc_info_to_string(err, test)
        if isinstance(test, unittest.TestCase):
            self.state = ("FAIL", self.state[1] + text)
        else:                                       # setUpClass or a class's cleanup
            self.lines.append(("FAIL", test.id(), 0.0, text))

    def addUnexpectedSuccess(self, test):
        self.state = ("FAIL", "what was expected to fail did not: it is no longer to be marked\n")

    def addSkip(self, test, reason):
        if isinstance(test, unittest.TestCase) and self.begun:
            self.state = ("skip", reason)
        else:
            self.lines.append(("skip", test.id(), 0.0, reason))

    def addSubTest(self, test, subtest, err):
        if err:
            self.state = ("FAIL", self.state[1] + f"{subtest}\n" + self._exc_info_to_string(err, test))


def run_class(job):
    name, methods = job
    module_name, class_name = name.split(".")
    result = Result()
    try:
        kind = getattr(importlib.import_module(module_name), class_name)
        unittest.TestSuite(kind(method) for method in methods).run(result)
    except Exception as error:
        result.lines.append(("FAIL", name, 0.0, repr(error)))
    return result.lines


def prepare(counter):
    with counter.get_lock():
        os.environ["SLUICE_TEST_SLOT"] = str(counter.value)
        counter.value += 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-j", type=int, default=(os.cpu_count() or 2) * 2)
    parser.add_argument("-k", action="append", default=[])
    parser.add_argument("--with", dest="only", help="only this file's tests (corpus: corpus_test.py)")
    parser.add_argument("--without", help="all but this file's tests")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--report", help="a file to append 'system PASSED FAILED SKIPPED' to")
    options = parser.parse_args()
    found = discover(options.k, options.only, options.without)
    if options.list:
        for name, (_, methods) in found.items():
            for method in methods:
                print(f"{name}.{method}")
        return 0
    counts = {"ok": 0, "FAIL": 0, "skip": 0}
    failed = []

    def show(lines):
        for state, test, seconds, text in lines:
            counts[state] += 1
            print(f"{state:4} {test} {seconds:.1f} s" + (f" ({text})" if state == "skip" else ""), flush=True)
            if state == "FAIL":
                failed.append(test)
                print(text, flush=True)

    together = [(name, methods) for name, (alone, methods) in found.items() if not alone]
    apart = [(name, methods) for name, (alone, methods) in found.items() if alone]
    counter = multiprocessing.Value("i", 0)
    with multiprocessing.Pool(options.j, prepare, (counter,), maxtasksperchild=None) as pool:
        for lines in pool.imap_unordered(run_class, together):
            show(lines)
    for job in apart:
        show(run_class(job))
    for test in failed:
        print("failed:", test)
    if options.report:
        with open(options.report, "a") as report:
            report.write(f"system {counts['ok']} {counts['FAIL']} {counts['skip']}\n")
    print(f"system tests: {counts['ok']} passed, {counts['FAIL']} failed, {counts['skip']} skipped")
    return 1 if counts["FAIL"] else 0


if __name__ == "__main__":
    sys.exit(main())
