# SPDX-License-Identifier: Apache-2.0
"""What goes wrong at the doors and on the disks: a clear message, nothing lost, and it goes on by itself."""
import json
import os
import re
import socket
import subprocess
import sys
import unittest

from case import Fleet, wait_for

from daemons import Agent, http_get, write_private
from postgres import as_postgres

SINGLE = ((r"number: 1", "number: 0"),)


class BadInput(unittest.TestCase):

    def make_fleet(self, *nodes):
        fleet = Fleet(major="15", nodes=nodes)
        self.addCleanup(fleet.close)
        self.addCleanup(lambda: fleet.print_logs() if not self.ok else None)
        self.ok = False
        return fleet

    def join(self, fleet, node, token):
        """(exit status, stderr) of an agent that is not let in."""
        agent = Agent(fleet, node, fleet.addresses[fleet.nodes[0]])
        path = os.path.join(agent.directory, "token")
        write_private(path, token + "\n")
        result = subprocess.run(as_postgres(*agent.argv[-3:], "--token-file", path), capture_output=True,
                                text=True, timeout=20, check=False)
        return result.returncode, result.stderr

    def test_who_is_not_let_in(self):
        fleet = self.make_fleet("db1", "db2")
        other = self.make_fleet("db1")
        for one in (fleet, other):
            one.start_bind()
            one.start_controller()
        token = fleet.cli("token", "create", "--node", "db1").strip()
        parts = token.split(".")
        foreign = other.cli("token", "create", "--node", "db1").strip()
        bad = "unknown, used, revoked, expired, or for another node"
        cases = {"another node": ("db2", token, bad),
                 "wrong secret": ("db1", ".".join([parts[0], parts[1], "0" * len(parts[2]), parts[3]]), bad),
                 "another controller": ("db1", foreign, "is not the one this token was made by"),
                 "no token": ("db1", "nonsense", "malformed")}
        for what, (node, text, expected) in cases.items():
            with self.subTest(what):
                code, error = self.join(fleet, node, text)
                self.assertEqual(code, os.EX_CONFIG)
                self.assertIn(expected, error)
        self.assertEqual([t["state"] for t in json.loads(fleet.cli("token", "list", "-o", "json"))], ["open"])

        fleet.agents["db1"] = Agent(fleet, "db1", fleet.addresses["db1"])
        fleet.agents["db1"].join(token)
        fleet.wait_until_connected()
        with self.subTest("used token"):
            self.assertIn(bad, self.join(fleet, "db1x", token)[1])
        with self.subTest("name taken"):
            second = fleet.cli("token", "create", "--node", "db1").strip()
            fleet.agents["db1"].stop()
            os.rename(os.path.join(fleet.agents["db1"].state_directory, "node.crt"),
                      os.path.join(fleet.agents["db1"].directory, "node.crt.away"))
            self.assertIn("has joined already", self.join(fleet, "db1", second)[1])
        def refusals():
            text = http_get(fleet.controller.http, "/metrics")[1]
            return int(re.search(r"^pgmahout_controller_joins_refused_total (\d+)", text, re.M).group(1))
        wait_for(lambda: refusals() == 4, 5, "four refusals to be counted")
        self.ok = True

    def test_busy_port_during_bootstrap(self):
        fleet = self.make_fleet("db1")
        fleet.start()
        blocker = socket.socket()
        blocker.bind((fleet.addresses["db1"], fleet.port))
        blocker.listen()
        fleet.cli("apply", "-f", fleet.spec(*SINGLE), "--no-wait")
        status = fleet.wait_for(lambda: (s := fleet.cluster_json()) and "Address already in use"
                                in s["phaseReason"] and s, 30, "the reason to be told")
        self.assertEqual(status["phase"], "Creating")
        blocker.close()
        fleet.wait_until_whole(40)
        self.ok = True

    def test_full_disk_during_bootstrap(self):
        fleet = self.make_fleet("db1", "db2")
        fleet.start()
        data = fleet.agents["db2"].data_root
        options = f"size=12m,mode=700,uid={os.stat(data).st_uid},gid={os.stat(data).st_gid}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "pgm-test", data], check=True)
        self.addCleanup(lambda: subprocess.run(["umount", "-l", data], check=False))
        fleet.cli("apply", "-f", fleet.spec(), "--no-wait")
        fleet.wait_for(lambda: "No space left on device" in fleet.cluster_json()["phaseReason"], 40,
                       "the reason to be told")
        subprocess.run(["mount", "-o", "remount,size=600m", data], check=True)
        fleet.wait_until_whole(60)
        for agent in fleet.agents.values():
            agent.stop()
        fleet.psql("db1", "SELECT 1")
        self.ok = True

    def test_data_of_another_cluster_is_left_untouched(self):
        fleet = self.make_fleet("db1")
        fleet.start()
        fleet.apply(fleet.spec(*SINGLE))
        agent = fleet.agents["db1"]
        data = agent.data_directory()
        pid = agent.postmaster_pid()
        agent.stop()
        subprocess.run(as_postgres("/usr/lib/postgresql/15/bin/pg_ctl", "-D", data, "-m", "fast", "-w", "stop"),
                       check=True, stdout=subprocess.DEVNULL)
        wait_for(lambda: not os.path.exists(f"/proc/{pid}/cwd"), 10, "PostgreSQL to end")
        os.rename(data, data + ".mine")
        subprocess.run(as_postgres("/usr/lib/postgresql/15/bin/initdb", "-D", data, "-A", "trust"), check=True,
                       stdout=subprocess.DEVNULL)
        with open(os.path.join(data, "global", "pg_control"), "rb") as f:
            foreign = f.read(8)
        agent.start()
        fleet.wait_for(lambda: "left untouched" in fleet.cluster_json()["phaseReason"], 30, "the refusal")
        with open(os.path.join(data, "global", "pg_control"), "rb") as f:
            self.assertEqual(f.read(8), foreign)
        self.assertIsNone(agent.data_directory())
        self.ok = True


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v", *sys.argv[1:]])
