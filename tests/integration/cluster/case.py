# SPDX-License-Identifier: Apache-2.0
"""What the cluster tests share: one running fleet per test class, and figures worth printing."""
import os
import statistics
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fleet"))

from fleet import CommandFailed, Fleet, RecordingClient, dig, wait_for  # noqa: E402
from pace import pace  # noqa: E402
from postgres import pgbench  # noqa: E402

__all__ = ["ClusterCase", "CommandFailed", "Fleet", "RecordingClient", "dig", "figures", "pace", "pgbench", "wait_for"]

NAME = "orders-rw.db.example"


def figures(what, seconds):
    """Prints median and maximum in milliseconds and returns the median in seconds."""
    median = statistics.median(seconds)
    print(f"figure: {what}: median {median * 1000:.0f} ms, max {max(seconds) * 1000:.0f} ms, "
          f"{len(seconds)} runs", flush=True)
    return median


class ClusterCase(unittest.TestCase):
    """A class of tests on one Healthy cluster of three members; each test leaves it Healthy."""

    major = "15"
    nodes = ("db1", "db2", "db3")
    changes = ()
    fleet = None
    tables = 0

    @classmethod
    def setUpClass(cls):
        pace()  # before there is load
        cls.fleet = Fleet(major=cls.major, nodes=cls.nodes)
        cls.addClassCleanup(cls.fleet.close)
        try:
            cls.fleet.start()
            cls.fleet.apply(cls.fleet.spec(*cls.changes))
            cls.fleet.wait_until_whole()
        except Exception:
            cls.fleet.print_logs()
            raise

    def run(self, result=None):
        before = len(result.errors) + len(result.failures)
        super().run(result)
        if self.fleet and len(result.errors) + len(result.failures) > before:
            self.fleet.print_logs()
        return result

    def address(self):
        return dig(NAME, "A", self.fleet.bind.address, self.fleet.bind.port)

    def assert_nothing_lost(self, client):
        self.assertEqual(client.lost_rows(), [], "acknowledged rows are missing")

    def assert_every_write_worked(self, client, since):
        report = client.stop()
        self.assertEqual(report.failed_writes(since), [])
        self.assertEqual([e for e in report.errors if e[0] > since], [])
        self.assert_nothing_lost(client)
        return report

    def start_client(self, rows=20, **options):
        ClusterCase.tables += 1  # rows are numbered from 1, so each client has a table of its own
        client = self.fleet.recording_client(table=f"rows_{ClusterCase.tables}", **options)
        self.addCleanup(client.stop)
        client.wait_for_rows(rows)
        return client

    def writes_resume(self, client, since, timeout=30):
        client.wait_for_rows(20, timeout=timeout, since=since)

    @staticmethod
    def now():
        return time.monotonic()
