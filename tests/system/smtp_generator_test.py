# SPDX-License-Identifier: Apache-2.0
"""A few thousand messages of smtp_generator.py's: none lost, none altered, none doubled, whatever is killed. (100,000: tests/system/smtp_generator.py.)"""
import os

from harness import SystemTest
from smtp_case import DIRECT
from smtp_generator import generate

COUNT = int(os.environ.get("SLUICE_SMTP_MESSAGES", "2000"))


class Generated(SystemTest):
    alone = True

    def all_is_well(self, **keys):
        result = generate(keys.pop("messages", COUNT), sessions=20, target="direct" if DIRECT else "sluice", **keys)
        self.assertTrue(result.good, result)
        return result

    def test_in_peace(self):
        for chunking in (False, True):
            result = self.all_is_well(chunking=chunking)
            self.assertEqual((result.tries, result.in_sink), (result.messages, result.messages), result)

    def test_the_upstream_is_killed(self):
        for chunking in (False, True):
            result = self.all_is_well(chunking=chunking, kill_upstream=1)
            self.assertGreater(result.kills, 0, result)

    def test_scanners_are_killed(self):
        if DIRECT:
            self.skipTest("there are none")
        self.all_is_well(kill_scanners=0.5)

    def test_all_of_it(self):
        self.all_is_well(chunking=True, kill_upstream=2, kill_scanners=1)
