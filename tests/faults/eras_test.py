# SPDX-License-Identifier: Apache-2.0
"""The instruments themselves: what would be missed if they saw nothing. No servers, no namespaces."""
import os
import socket
import struct
import sys
import tempfile
import unittest

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, "faults"), os.path.join(TESTS, "integration", "fleet")]

from client import Journal  # noqa: E402
from eras import eras, two_writers_ms  # noqa: E402
from name_reader import addresses, question  # noqa: E402

DB1, DB2 = "10.0.0.11", "10.0.0.12"


class TwoWriters(unittest.TestCase):

    def test_one_after_the_other_is_none(self):
        self.assertEqual(two_writers_ms([(1.0, f"00000001 {DB1}"), (2.0, f"00000001 {DB1}"),
                                         (3.0, f"00000002 {DB2}")]), 0)

    def test_old_primary_acknowledging_after_the_new_one_began_is_seen(self):
        rows = [(1.0, f"00000001 {DB1}"), (2.0, f"00000002 {DB2}"), (2.25, f"00000001 {DB1}"), (9.0, f"00000002 {DB2}")]
        self.assertAlmostEqual(two_writers_ms(rows), 250)

    def test_order_of_the_reports_does_not_matter(self):
        rows = [(9.0, f"00000002 {DB2}"), (2.25, f"00000001 {DB1}"), (2.0, f"00000002 {DB2}"), (1.0, f"00000001 {DB1}")]
        self.assertAlmostEqual(two_writers_ms(rows), 250)

    def test_two_servers_on_one_timeline_are_seen_even_one_after_the_other(self):
        self.assertAlmostEqual(two_writers_ms([(1.0, f"0000000A {DB1}"), (3.0, f"0000000A {DB2}")]), 2000)

    def test_old_one_waking_up_after_two_failovers_is_seen(self):
        rows = [(1.0, f"00000001 {DB1}"), (2.0, f"00000002 {DB2}"), (3.0, f"00000003 10.0.0.13"), (4.0, f"00000001 {DB1}")]
        self.assertAlmostEqual(two_writers_ms(rows), 2000)

    def test_timelines_are_hexadecimal(self):
        found = eras([(1.0, f"00000010 {DB1}"), (2.0, f"00000009 {DB2}")])
        self.assertEqual([era.timeline for era in found], [9, 16])

    def test_nothing_at_all_is_none(self):
        self.assertEqual(two_writers_ms([]), 0)


class Names(unittest.TestCase):

    def test_addresses_are_read_behind_compressed_names(self):
        asked = question("orders-rw.db.example", 7)
        records = b"".join(struct.pack("!HHHIH", 0xC00C, 1, 1, 5, 4) + socket.inet_aton(a) for a in (DB2, DB1))
        answer = struct.pack("!6H", 7, 0x8400, 1, 2, 0, 0) + asked[12:] + records
        self.assertEqual(addresses(answer), [DB1, DB2])

    def test_other_records_are_no_addresses(self):
        text = b"\4text"
        record = struct.pack("!HHHIH", 0xC00C, 16, 1, 5, len(text)) + text
        answer = struct.pack("!6H", 7, 0x8400, 1, 1, 0, 0) + question("a.example", 7)[12:] + record
        self.assertEqual(addresses(answer), [])


class Journals(unittest.TestCase):

    def test_lines_are_read_once_and_whole(self):
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as f:
            journal = Journal(f.name)
            f.write('["A", 1.0, 1.5, 1, "", "x"]\n["A", 2.0, 2.5, 2')
            f.flush()
            first = journal.report()
            self.assertEqual((first.acknowledged, first.values), ([(1.5, 1)], ["x"]))
            f.write(', "careful", "y"]\n["E", 3.0, 3.5, 3, "gone"]\n["C", 4.0, "db1", 5432]\n')
            f.flush()
            second = journal.report()
            self.assertEqual(second.acknowledged, [(1.5, 1), (2.5, 2)])
            self.assertEqual(second.warnings, [(2.5, 2, "careful")])
            self.assertEqual((second.errors, second.connections), ([(3.5, 3, "gone")], [(4.0, "db1", 5432)]))
            self.assertEqual(first.acknowledged, [(1.5, 1)])
            self.assertEqual([second.rows_after(at) for at in (0, 1.5, 2.5)], [2, 1, 0])

    def test_missing_file_is_an_empty_report(self):
        self.assertEqual(Journal("/nonexistent/journal").report().acknowledged, [])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v", *sys.argv[1:]])
