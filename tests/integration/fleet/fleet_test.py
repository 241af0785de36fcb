#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The test library itself, without pgmahout: does it see an outage, a lost row, a leftover process?"""
import os
import subprocess
import sys
import tempfile
import time
import unittest

import psycopg2

from client import RecordingClient
from fleet import Fleet, dig, wait_for
from postgres import HandMadeServer, bin_directories
from processes import find_postmasters, find_processes, is_running, start_time

HERE = os.path.dirname(os.path.abspath(__file__))

# A fleet whose owner prints its directory and then waits to be killed.
VICTIM = """
import sys, time
sys.path.insert(0, sys.argv[1])
from fleet import Fleet
from postgres import HandMadeServer
fleet = Fleet()
fleet.start_bind()
HandMadeServer(fleet, "pg", fleet.addresses["db1"], fleet.port).create().start()
print(fleet.directory, flush=True)
time.sleep(600)
"""


class FleetTest(unittest.TestCase):
    def setUp(self):
        self.fleet = Fleet()
        self.addCleanup(self.fleet.close)

    def start_server(self, name="pg", node="db1"):
        server = HandMadeServer(self.fleet, name, self.fleet.addresses[node], self.fleet.port).create().start()
        server.execute("CREATE TABLE pgm_rows (id bigint PRIMARY KEY)")
        return server

    def start_client(self, *hosts, **options):
        client = RecordingClient(self.fleet, list(hosts), self.fleet.port, dbname="postgres", user="postgres",
                                 **options).start()
        self.addCleanup(client.stop)
        client.wait_for_rows(20)
        return client

    def test_two_fleets_share_no_address_and_no_directory(self):
        other = Fleet()
        self.addCleanup(other.close)
        self.assertFalse(set(other.addresses.values()) & set(self.fleet.addresses.values()))
        self.assertNotEqual(other.directory, self.fleet.directory)

    def test_bind_takes_signed_updates_only_and_keeps_them(self):
        bind = self.fleet.start_bind()
        self.assertEqual(bind.dig("orders-rw"), [])
        bind.update("prereq nxrrset orders-rw.db.example. TXT", "add orders-rw.db.example. 5 A 127.0.0.11",
                    'add orders-rw.db.example. 5 TXT "epoch=1"')
        self.assertEqual(bind.dig("orders-rw"), ["127.0.0.11"])
        self.assertEqual(bind.dig("orders-rw", "TXT"), ['"epoch=1"'])
        with self.assertRaisesRegex(RuntimeError, "REFUSED"):
            bind.update("add orders-rw.db.example. 5 A 127.0.0.12", signed=False)
        with self.assertRaisesRegex(RuntimeError, "NXRRSET"):
            bind.update('prereq yxrrset orders-rw.db.example. TXT "epoch=7"', "del orders-rw.db.example. A")
        bind.kill()
        with self.assertRaises(RuntimeError):
            dig("orders-rw.db.example.", server=bind.address, port=bind.port)
        bind.start()
        self.assertEqual(bind.dig("orders-rw"), ["127.0.0.11"])

    def test_names_resolve_in_the_fleets_namespace_only(self):
        bind = self.fleet.start_bind()
        if bind.port != 53:
            self.skipTest("port 53 is taken on every address of this machine")
        bind.update("add orders-rw.db.example. 5 A 127.9.9.9")
        argv = ["getent", "ahostsv4", "orders-rw.db.example"]
        inside = subprocess.run(self.fleet.with_dns + argv, capture_output=True, text=True, check=True)
        self.assertIn("127.9.9.9", inside.stdout)
        with open("/etc/resolv.conf", encoding="utf-8") as f:
            self.assertNotIn(self.fleet.hub, f.read())

    def test_client_measures_an_outage_and_finds_no_row_lost(self):
        server = self.start_server()
        client = self.start_client(server.address)
        killed = time.monotonic()
        server.kill()
        wait_for(lambda: client.report().errors, 5, "the client to notice")
        server.start()
        client.wait_for_rows(20)
        report = client.stop()
        gap = report.longest_gap()
        self.assertLess(gap.start, killed + 0.2)
        self.assertGreater(gap.end, killed)
        # It writes again as soon as the server lets it: at most one retry after the first chance.
        opened = min(t for t, _, _ in report.connections if t > killed)
        self.assertLess(gap.end - opened, 0.5)
        self.assertEqual(client.lost_rows(), [])
        self.assertEqual(len(report.failed_writes()), 1)

    def test_client_finds_rows_that_were_lost(self):
        server = self.start_server()
        client = self.start_client(server.address)
        client.stop()
        server.execute("DELETE FROM pgm_rows WHERE id IN (3, 5)")
        self.assertEqual(client.lost_rows(), [3, 5])

    def test_client_goes_to_the_host_that_takes_writes(self):
        server = self.start_server()
        reader = self.start_server("reader", "db2")
        reader.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        reader.execute("SELECT pg_reload_conf()")
        wait_for(lambda: reader.execute("SHOW default_transaction_read_only") == [("on",)], 5, "reload")
        client = self.start_client(reader.address, server.address)
        self.assertEqual({host for _, host, _ in client.stop().connections}, {server.address})

    def test_client_gives_up_a_statement_that_hangs(self):
        server = self.start_server()
        client = self.start_client(server.address, deadline=0.3)
        blocker = psycopg2.connect(host=server.address, port=server.port, user="postgres")
        self.addCleanup(blocker.close)
        blocker.cursor().execute("LOCK TABLE pgm_rows")
        wait_for(lambda: len(client.report().failed_writes()) >= 2, 10, "two statements to be given up")
        blocker.rollback()
        client.wait_for_rows(5)
        self.assertEqual(client.lost_rows(), [])

    def test_another_process_cleans_up_after_a_killed_owner(self):
        with subprocess.Popen([sys.executable, "-B", "-c", VICTIM, HERE], stdout=subprocess.PIPE,
                              text=True) as victim:
            directory = victim.stdout.readline().strip()
            victim.kill()
        self.assertTrue(directory, "the victim did not start")
        self.addCleanup(Fleet.down, directory)
        members = find_processes(directory)
        self.assertEqual(len(find_postmasters(directory)), 1)
        self.assertGreater(len(members), 5)  # named, postmaster and its children
        self.assertTrue(Fleet.down(directory))
        self.assertEqual([p for p, started in members if is_running(p, started)], [])
        self.assertFalse(os.path.exists(directory))
        self.assertFalse(Fleet.down(directory))

    def test_backends_of_a_killed_postmaster_are_cleaned_up(self):
        server = self.start_server()
        self.start_client(server.address)
        server.kill()
        self.fleet.close()
        self.assertEqual(find_processes(self.fleet.directory), [])

    def test_down_leaves_alone_what_is_no_fleet(self):
        with tempfile.TemporaryDirectory() as directory:
            sleeper = subprocess.Popen(["sleep", "60"], cwd=directory)
            self.addCleanup(sleeper.wait)
            self.addCleanup(sleeper.kill)
            self.assertFalse(Fleet.down(directory))
            self.assertIsNotNone(start_time(sleeper.pid))
            self.assertTrue(os.path.isdir(directory))

    def test_the_example_is_adapted_to_the_fleet(self):
        with open(self.fleet.spec((r"detectAfter: \S+", "detectAfter: 1s")), encoding="utf-8") as f:
            text = f.read()
        for wanted in ("version: 15 ", f"port: {self.fleet.port} ", f"directory: {self.fleet.archive}",
                       "detectAfter: 1s"):
            self.assertIn(wanted, text)
        with self.assertRaisesRegex(ValueError, "matches 0 times"):
            self.fleet.spec((r"noSuchField: \S+", ""))

    def test_postgresql_15_is_found(self):
        self.assertIn("15", bin_directories(want_14=False))

    def test_waiting_says_for_what_and_why_not(self):
        def broken():
            raise RuntimeError("phase Creating")
        with self.assertRaisesRegex(TimeoutError, "for the moon; last: phase Creating"):
            wait_for(broken, 0.1, "the moon")


if __name__ == "__main__":
    unittest.main()
