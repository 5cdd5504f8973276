# SPDX-License-Identifier: Apache-2.0
"""The systemd unit: what it forbids must not be what the program needs."""
import shutil
import subprocess
import unittest

from harness import ROOT, SystemTest

# What it calls beside what every server calls: for scanner processes and their cage, for reloads at low priority, for limits.
NEEDED = ["setpriority", "landlock_create_ruleset", "landlock_restrict_self", "seccomp", "memfd_create", "close_range", "pidfd_open", "pidfd_send_signal",
          "signalfd4", "setitimer", "prctl", "sched_setattr", "prlimit64", "splice", "unlink", "socketpair"]


@unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not installed: it knows the groups of system calls")
class Unit(SystemTest):
    def group(self, name):
        done = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True)
        found = set()
        for word in (line.strip() for line in done.stdout.splitlines()[1:]):
            if word.startswith("@"):
                found |= self.group(word)
            elif word and not word.startswith("#"):
                found.add(word)
        return found

    def test_its_filter_lets_through_what_is_needed(self):
        allowed = set()
        for line in (ROOT / "packaging/sluice.service").read_text().splitlines():
            if not line.startswith("SystemCallFilter="):
                continue
            words = line.removeprefix("SystemCallFilter=").removeprefix("~").split()
            named = set().union(*(self.group(word) if word.startswith("@") else {word} for word in words))
            allowed = allowed - named if line.startswith("SystemCallFilter=~") else allowed | named
        self.assertEqual([call for call in NEEDED if call not in allowed], [])
