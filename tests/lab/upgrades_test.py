# SPDX-License-Identifier: Apache-2.0
"""Upgrades by playbook under a client that writes: the agents and the controller, then PostgreSQL. Run by run.py."""
import glob
import os
import subprocess
import unittest

from debs import with_later_version
from lab import main
from rollout import CLUSTER, rolled_out
from waiting import wait_for
from writer import Writer


class Upgrades(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab, cls.rollout = rolled_out()
        cls.addClassCleanup(cls.lab.close)
        cls.nodes = [cls.lab.guests[n] for n in cls.rollout.nodes]

    def setUp(self):
        self.rollout.wait_until_healthy()
        self.writer = Writer(self.lab.guests["client"], self.rollout)
        self.addCleanup(self.writer.stop)
        wait_for(lambda: len(self.writer.rows()) > 50, 30, "the client to write")

    def postmasters(self):
        return {n.name: n.run("head", "-1", n.psql("SHOW data_directory") + "/postmaster.pid").strip() for n in self.nodes}

    def test_agents(self):
        before = self.postmasters()
        directory = os.path.join(self.lab.repositories, "new")
        os.makedirs(directory)
        self.lab.publish("pgmahout", [with_later_version(deb, directory) for deb in
                                      glob.glob(os.path.join(self.lab.image.packages_directory, "*.deb"))])
        self.rollout.play("rolling_upgrade_agent")
        for guest in (*self.nodes, self.lab.guests["ctl"]):
            self.assertIn("+lab2", guest.run("dpkg-query", "-W", "-f", "${Version}", "pgmahout-common"))
        report = self.writer.stop()
        print(f"figure: agents upgraded: outage {report.longest_gap() * 1000:.0f} ms, {len(report.acknowledged)} rows",
              flush=True)
        self.assertEqual(report.errors, [])
        self.assertEqual(self.postmasters(), before)
        self.assertEqual(self.writer.lost_rows(), [])
        self.assertEqual(self.rollout.play("rolling_upgrade_agent").changed, {})

    def test_base_backup_outlives_a_restart_of_its_agent(self):
        primary = self.rollout.primary()
        node = next(n for n in self.nodes if n is not primary)
        # A copy begins with a checkpoint: as long as that waits, it runs.
        checkpointer = primary.psql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'")
        primary.run("kill", "-STOP", checkpointer)
        self.addCleanup(primary.run, "kill", "-CONT", checkpointer, check=False)
        order = self.lab.guests["ctl"].start_program(
            "pgmahout", "--config", "/var/lib/pgmahout/controller/admin/config.yaml", "cluster", "reinit", CLUSTER, node.name,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(order.wait)
        self.addCleanup(order.kill)

        def copies():
            return node.run("pgrep", "-x", "pg_basebackup", check=False).split()
        before = wait_for(copies, 60, "a base backup to begin")
        agent = node.run("systemctl", "show", "-P", "MainPID", "pgmahout-agent")
        node.run("systemctl", "restart", "pgmahout-agent")  # returns when it is ready, as an upgrade does
        self.assertNotEqual(node.run("systemctl", "show", "-P", "MainPID", "pgmahout-agent"), agent)
        self.assertEqual(copies()[:1], before[:1])
        primary.run("kill", "-CONT", checkpointer)
        self.assertEqual(order.wait(120), 0, "the order waits until the copy streams")
        self.rollout.wait_until_healthy()
        report = self.writer.stop()
        self.assertEqual(report.errors, [])
        self.assertEqual(self.writer.lost_rows(), [])

    def test_postgres(self):
        self.lab.publish_postgres("14.23")
        self.rollout.play("rolling_upgrade_postgres")
        status = self.rollout.wait_until_healthy()
        self.assertEqual({m["postgresVersion"] for m in status["members"]}, {"14.23"})
        report = self.writer.stop()
        print(f"figure: PostgreSQL upgraded: outage {report.longest_gap() * 1000:.0f} ms, {len(report.acknowledged)} rows",
              flush=True)
        self.assertEqual(self.writer.lost_rows(), [])
        for node in self.nodes:
            self.assertEqual(node.run("apt-mark", "showhold").split(), ["postgresql-14"])
        self.assertEqual(self.rollout.play("rolling_upgrade_postgres").changed, {})


if __name__ == "__main__":
    main()
