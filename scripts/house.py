# SPDX-License-Identifier: Apache-2.0
"""What the house checks share: the files of the tree, the list of exceptions, and how faults are said."""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def files(*patterns):
    """The tree's files that git knows or would add, as paths relative to the root."""
    out = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "--", *patterns],
                         check=True, capture_output=True, text=True).stdout
    return [path for path in sorted(set(out.splitlines())) if (ROOT / path).is_file()]


def exceptions(check):
    """Lines `check  path  what  reason…` of scripts/exceptions.txt for one check, as {(path, what)}."""
    found = set()
    for line in (ROOT / "scripts/exceptions.txt").read_text().splitlines():
        words = line.split(maxsplit=3)
        if len(words) == 4 and not line.startswith("#") and words[0] == check:
            found.add((words[1], words[2]))
    return found


class Report:
    def __init__(self, name):
        self.name = name
        self.count = 0

    def fault(self, path, line, text):
        self.count += 1
        print(f"{path}:{line}: {text}", file=sys.stderr)

    def end(self):
        if self.count:
            print(f"{self.name}: {self.count} faults", file=sys.stderr)
        sys.exit(1 if self.count else 0)
