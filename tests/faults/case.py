# SPDX-License-Identifier: Apache-2.0
"""FaultCase: a test class with one cluster on machines of its own, and what must hold after every fault."""
import os
import statistics
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from faults import FAULTS  # noqa: E402
from machines import available  # noqa: E402
from vm_fleet import VmFleet, wait_for  # noqa: E402
from pace import pace  # noqa: E402

RUNS = int(os.environ.get("PGM_FAULT_RUNS", "2"))
# `scripts/bench failover` measures. Two runs on a machine that may be busy with other things show only what is
# slow by design.
TOLERANCE = 3
PACE = pace()
SKIPPED = 77


class FaultCase(unittest.TestCase):
    """One cluster per class; each test finds it whole and leaves it whole."""

    changes = ()
    kind = VmFleet
    fleet = None

    @classmethod
    def setUpClass(cls):
        cls.fleet = cls.kind()
        cls.addClassCleanup(cls.fleet.close)
        try:
            cls.fleet.create(*cls.changes)
        except Exception:
            cls.fleet.print_logs()
            raise

    def setUp(self):
        self.epoch = self.fleet.wait_until_whole(timeout=90)["epoch"]
        self.begin = time.monotonic()

    def tearDown(self):
        self.fleet.calm()
        self.fleet.boot_all()

    def run(self, result=None):
        before = len(result.errors) + len(result.failures)
        super().run(result)
        if self.fleet and len(result.errors) + len(result.failures) > before:
            self.fleet.print_logs()
        return result

    def nothing_is_lost(self):
        """Neither rows, nor the rule that one server at a time acknowledges."""
        self.assertEqual(self.fleet.recorder.lost_rows(), [])
        self.assertEqual(self.fleet.recorder.two_writers_ms(self.begin), 0)

    def standbys(self, primary=None):
        primary = primary or self.fleet.wait_for_primary()
        return [n for n in self.fleet.nodes if n != primary]

    def measure(self, name, bar_ms, noticed_ms=0, **options):
        """`noticed_ms` of `bar_ms` are waited for on purpose, on any machine."""
        outages = [FAULTS[name](self.fleet, **options).outage_ms for _ in range(RUNS)]
        median = statistics.median(outages)
        print(f"figure: {name}: median {median:.0f} ms, max {max(outages):.0f} ms, {RUNS} runs", flush=True)
        self.nothing_is_lost()
        self.assertLessEqual(median, noticed_ms + (bar_ms - noticed_ms) * TOLERANCE * PACE)

    def wait_for_status(self, what, wanted, timeout=40):
        """Waits until wanted(status) is true and returns the status; the error tells phase and reason."""
        def reached():
            status = self.fleet.cluster_json()
            if not wanted(status):
                raise RuntimeError(f"phase {status['phase']} ({status['phaseReason']}), primary {status['primary']}")
            return status
        return wait_for(reached, timeout, what)

    def no_failover(self, since):
        """Nobody else became primary, and no write failed."""
        self.assertEqual(self.fleet.cluster_json()["epoch"], self.epoch)
        self.assertEqual(self.fleet.recorder.failed_writes(since), [])


def main():
    """Runs the calling module's tests, or says why they cannot be run here."""
    why_not = available()
    if why_not:
        print(f"skipped: {why_not}")
        sys.exit(SKIPPED)
    unittest.main(argv=[sys.argv[0], "-v", *sys.argv[1:]])
