# SPDX-License-Identifier: Apache-2.0
"""What scripts rely on and what a person sees: JSON fields, exit codes, refusals, the archive."""
import json
import os
import subprocess
import sys
import unittest

from case import ClusterCase, CommandFailed, pgbench, wait_for

STATUS_FIELDS = ["name", "tenant", "phase", "phaseReason", "epoch", "primary", "timeline",
                 "systemIdentifier", "dns", "members"]
DNS_FIELDS = ["primary", "inSync", "addresses"]
MEMBER_FIELDS = ["node", "address", "port", "role", "state", "timeline", "receiveLsn", "replayLsn",
                 "lagBytes", "lagSeconds", "sync", "eligible", "eligibleReason", "postgresVersion",
                 "agentVersion", "agentConnected"]


class Contract(ClusterCase):

    def refused(self, *arguments):
        """Exit status and stderr of a command that must fail."""
        with self.assertRaises(CommandFailed) as caught:
            self.fleet.cli(*arguments)
        return caught.exception.returncode, caught.exception.stderr

    def test_cluster_show_has_exactly_the_fields_of_the_contract(self):
        status = json.loads(self.fleet.cli("cluster", "show", "orders", "-o", "json"))
        self.assertEqual(list(status), STATUS_FIELDS)
        self.assertEqual(list(status["dns"]), DNS_FIELDS)
        for member in status["members"]:
            self.assertEqual(list(member), MEMBER_FIELDS)
        self.assertEqual(status["phase"], "Healthy")
        self.assertIsInstance(status["systemIdentifier"], str)
        self.assertIsInstance(status["members"][0]["lagBytes"], int)
        self.assertEqual([m["role"] for m in status["members"]].count("primary"), 1)

    def test_unknown_cluster_is_exit_code_3(self):
        self.assertEqual(self.refused("cluster", "show", "nosuch")[0], 3)

    def test_usage_error_is_exit_code_2(self):
        self.assertEqual(self.refused("cluster", "explode")[0], 2)

    def test_switchover_to_the_primary_is_exit_code_5_with_a_reason(self):
        primary = self.fleet.cluster_json()["primary"]
        code, text = self.refused("cluster", "switchover", "orders", "--to", primary)
        self.assertEqual(code, 5)
        self.assertIn("is the primary already", text)

    def test_delete_without_yes_is_exit_code_4(self):
        self.assertEqual(self.refused("cluster", "delete", "orders")[0], 4)
        self.assertEqual(self.fleet.cluster_json()["phase"], "Healthy")

    def test_bad_specs_are_refused_whole_with_their_line(self):
        before = self.fleet.cluster_json()
        cases = {
            "unknown field": (r"  postgresql:\n", "  postgresql:\n    prot: 1\n"),
            "wrong type": (r"number: 1", "number: many"),
            "duplicate node": (r"nodes: \[(.*)\]", r"nodes: [\1, db1]"),
            "reserved role": (r"name: orders_owner ", "name: pg_monitor "),
            "impossible parameter": (r"work_mem: 16MB", "max_connections: 0"),
            "owned parameter": (r"work_mem: 16MB", "archive_command: /bin/true"),
        }
        for what, change in cases.items():
            with self.subTest(what):
                path = self.fleet.spec(change, name="bad.yaml")
                code, text = self.refused("apply", "-f", path)
                self.assertEqual(code, 2, text)
                self.assertRegex(text, r"bad\.yaml:\d+")
        after = self.fleet.cluster_json()
        self.assertEqual((before["epoch"], before["primary"]), (after["epoch"], after["primary"]))

    def test_a_parameter_is_applied_without_a_restart(self):
        pids = {n: a.postmaster_pid() for n, a in self.fleet.agents.items()}
        self.fleet.apply(self.fleet.spec((r"work_mem: 16MB", "work_mem: 24MB")))
        for node in self.nodes:
            wait_for(lambda n=node: self.fleet.psql(n, "SHOW work_mem").strip() == "24MB", 10,
                     f"work_mem on {node}")
        self.assertEqual(pids, {n: a.postmaster_pid() for n, a in self.fleet.agents.items()})

    def test_every_standby_uses_its_slot_and_every_member_has_them(self):
        primary = self.fleet.cluster_json()["primary"]
        others = sorted(n for n in self.nodes if n != primary)
        active = self.fleet.psql(primary, "SELECT slot_name FROM pg_replication_slots WHERE active "
                                          "ORDER BY 1").split()
        self.assertEqual(active, [f"pgmahout_{n}" for n in others])
        for node in others:
            names = self.fleet.psql(node, "SELECT slot_name FROM pg_replication_slots ORDER BY 1")
            self.assertEqual(names.split(), sorted(f"pgmahout_{n}" for n in self.nodes if n != node))

    def test_one_of_the_others_confirms_each_commit_and_pg_hba_has_no_error(self):
        primary = self.fleet.cluster_json()["primary"]
        names = self.fleet.psql(primary, "SHOW synchronous_standby_names").strip()
        others = sorted(n for n in self.nodes if n != primary)
        self.assertEqual(names, f'ANY 1 ("{others[0]}", "{others[1]}")')
        hba = self.fleet.psql(primary, "SELECT count(*) FROM pg_hba_file_rules WHERE error IS NOT NULL")
        self.assertEqual(hba.strip(), "0")

    def test_the_name_says_the_primary(self):
        self.assertEqual(self.address(),
                         [self.fleet.addresses[self.fleet.cluster_json()["primary"]]])

    def test_archive_holds_every_segment_byte_for_byte(self):
        primary = self.fleet.primary()
        before = set(os.listdir(self.fleet.archive))
        self.fleet.psql(primary.node, "CREATE DATABASE bench")
        self.addCleanup(self.fleet.psql, primary.node, "DROP DATABASE bench")
        data = primary.data_directory()
        pgbench(data, "bench", "--initialize", "--quiet", "--scale=4")
        pgbench(data, "bench", "--client=2", "--time=3", "--no-vacuum")
        last = self.fleet.psql(primary.node, "SELECT pg_walfile_name(pg_switch_wal())").split()[-1]
        wait_for(lambda: os.path.exists(os.path.join(self.fleet.archive, last)), 60, f"{last} in the archive")
        wal = os.path.join(data, "pg_wal")
        # wal_keep_size keeps the whole run in pg_wal, so nothing archived escapes the comparison.
        segments = [n for n in os.listdir(self.fleet.archive) if len(n) == 24 and n not in before]
        self.assertGreater(len(segments), 3)
        numbers = sorted(int(n[8:16], 16) * 256 + int(n[16:], 16) for n in segments)
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))), "a segment is missing")
        for name in segments:
            with open(os.path.join(wal, name), "rb") as a, open(os.path.join(self.fleet.archive, name), "rb") as b:
                self.assertEqual(a.read(), b.read(), name)
        verify = subprocess.run([self.fleet.binary("pgmahout-wal"), "verify", "--directory", self.fleet.archive],
                                capture_output=True, text=True, check=False)
        self.assertEqual(verify.returncode, 0, verify.stdout)

    def test_events_and_history_tell_what_happened(self):
        rules = [e["rule"] for e in self.fleet.history()]
        self.assertIn("bootstrap-done", rules)
        self.assertIn("primary", self.fleet.cli("cluster", "events", "orders"))

    def test_health_and_metrics_endpoints(self):
        import urllib.error
        import urllib.request
        primary = self.fleet.cluster_json()["primary"]
        for node, agent in self.fleet.agents.items():
            for path in ("/primary", "/replica", "/health"):
                wanted = 200 if path == "/health" or (path == "/primary") == (node == primary) else 503
                try:
                    code = urllib.request.urlopen(f"http://{agent.health}{path}", timeout=5).status
                except urllib.error.HTTPError as error:
                    code = error.code
                self.assertEqual(code, wanted, f"{node} {path}")
            text = urllib.request.urlopen(f"http://{agent.metrics}/metrics", timeout=5).read().decode()
            self.assertIn("pg_up", text)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v", *sys.argv[1:]])
