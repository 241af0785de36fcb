# SPDX-License-Identifier: Apache-2.0
"""Machines are lost, paused and come back, under a client that writes. Run by run.py."""
import os
import sys
import unittest

from lab import main
from rollout import rolled_out
from waiting import wait_for
from writer import Writer

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration", "fleet"))

from pace import pace  # noqa: E402


class Machines(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab, cls.rollout = rolled_out()
        cls.addClassCleanup(cls.lab.close)
        cls.client = cls.lab.guests["client"]

    def setUp(self):
        self.rollout.wait_until_healthy()
        self.writer = Writer(self.client, self.rollout)
        self.addCleanup(self.writer.stop)
        wait_for(lambda: len(self.writer.rows()) > 50, 30, "the client to write")

    def new_primary(self, old):
        def changed():
            name = self.rollout.status()["primary"]
            return name if name and name != old.name else None
        return self.lab.guests[wait_for(changed, 60, "another primary", interval=0.2)]

    def rows_go_on(self):
        before = len(self.writer.rows())
        wait_for(lambda: len(self.writer.rows()) > before + 100, 60, "the client to write again")

    def nothing_is_lost(self, what):
        report = self.writer.stop()
        print(f"figure: {what}: outage {report.longest_gap() * 1000:.0f} ms, {len(report.acknowledged)} rows", flush=True)
        self.assertEqual(self.writer.lost_rows(), [])
        return report

    def test_primary_is_lost_and_rejoins_after_its_boot(self):
        old = self.rollout.primary()
        old.kill()
        new = self.new_primary(old)
        self.rows_go_on()
        self.assertEqual(self.lab.dig("rw"), [new.address])
        old.boot()
        self.rollout.wait_until_healthy()
        self.assertEqual(old.psql("SELECT pg_is_in_recovery()"), "t")
        report = self.nothing_is_lost("primary's machine lost")
        self.assertLess(report.longest_gap(), 3 + 3 * pace(), "seconds; 3 are detection")

    def test_primary_is_paused(self):
        old = self.rollout.primary()
        old.pause()
        self.addCleanup(old.resume)
        self.new_primary(old)
        self.rows_go_on()
        old.resume()
        self.rollout.wait_until_healthy()
        self.nothing_is_lost("primary's machine paused")

    def test_standby_reboots(self):
        primary = self.rollout.primary()
        standby = next(self.lab.guests[n] for n in self.rollout.nodes if n != primary.name)
        standby.reboot()
        self.rollout.wait_until_healthy()
        report = self.writer.stop()
        self.assertEqual(report.failed_writes(), [])
        self.assertEqual(self.rollout.primary().name, primary.name)
        self.nothing_is_lost("standby rebooted")


if __name__ == "__main__":
    main()
