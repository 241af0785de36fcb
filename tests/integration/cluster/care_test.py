# SPDX-License-Identifier: Apache-2.0
"""Pause, maintenance, reinit and restart of a real cluster, as a DBA would use them."""
import json
import os
import signal
import unittest

from case import ClusterCase, CommandFailed, wait_for


class Care(ClusterCase):

    def refused(self, *arguments):
        """Exit status and stderr of a command that must fail."""
        with self.assertRaises(CommandFailed) as caught:
            self.fleet.cli(*arguments)
        return caught.exception.returncode, caught.exception.stderr

    def pids(self):
        return {node: agent.postmaster_pid() for node, agent in self.fleet.agents.items()}

    def stop_by_hand(self, node):
        """A fast shutdown, as pg_ctl stop does it."""
        os.kill(self.fleet.agents[node].postmaster_pid(), signal.SIGINT)
        wait_for(lambda: self.fleet.agents[node].data_directory() is None, 20, f"{node} to stop")

    def member(self, node):
        return next(m for m in self.fleet.cluster_json()["members"] if m["node"] == node)

    def rules(self):
        return [e["rule"] for e in json.loads(self.fleet.cli("cluster", "events", "orders", "--limit", "0",
                                                             "-o", "json"))]

    def stays(self, condition, seconds, what):
        """`condition` holds all the time."""
        until = self.now() + seconds
        wait_for(lambda: not condition() or self.now() >= until, seconds + 10, "time to pass")
        self.assertTrue(condition(), what)

    def test_paused_cluster_promotes_nobody_until_it_is_resumed(self):
        client = self.start_client()
        old = self.fleet.primary()
        epoch = self.fleet.cluster_json()["epoch"]
        self.assertIn("no stopped PostgreSQL is started",
                      self.fleet.cli("cluster", "pause", "orders", "--dry-run"))
        self.assertEqual(self.fleet.cluster_json()["phase"], "Healthy")
        self.fleet.cli("cluster", "pause", "orders")
        self.fleet.wait_for_phase("Paused")
        client.wait_for_rows(50)
        os.kill(old.postmaster_pid(), signal.SIGKILL)
        held_back = self.fleet.wait_for(
            lambda: "held back: primary-reports-down" in self.fleet.cluster_json()["phaseReason"], 20,
            "the reason to tell what is held back")
        self.assertTrue(held_back)
        self.stays(lambda: self.fleet.cluster_json()["epoch"] == epoch and old.data_directory() is None, 8,
                   "nothing is promoted, nothing is started")
        self.assertEqual(self.refused("cluster", "switchover", "orders")[0], 5)

        # The pause outlives the controller.
        self.fleet.controller.kill()
        self.fleet.controller.start()
        self.fleet.wait_until_connected()
        self.fleet.wait_for_phase("Paused")
        self.assertIsNone(old.data_directory())
        self.fleet.cli("cluster", "resume", "orders")
        self.fleet.wait_for_primary(not_node=old.node)
        self.fleet.wait_until_whole()
        self.writes_resume(client, self.now())
        client.stop()
        self.assert_nothing_lost(client)

    def test_paused_cluster_leaves_a_stopped_standby_alone(self):
        client = self.start_client()
        standby = next(n for n in self.nodes if n != self.fleet.primary().node)
        self.fleet.cli("cluster", "pause", "orders")
        since = self.now()
        self.stop_by_hand(standby)
        self.stays(lambda: self.fleet.agents[standby].data_directory() is None, 5, f"{standby} is started")
        self.assertIn(f"PostgreSQL on {standby} would be started", self.fleet.cluster_json()["phaseReason"])
        self.fleet.cli("cluster", "resume", "orders")
        self.fleet.wait_until_whole()
        self.assert_every_write_worked(client, since)

    def test_maintenance_of_the_primary_moves_it_and_leaves_the_node_alone(self):
        client = self.start_client()
        old = self.fleet.primary().node
        self.assertIn("is promoted", self.fleet.cli("node", "maintenance", old, "--on", "--dry-run"))
        self.assertEqual(self.fleet.primary().node, old)
        self.fleet.cli("node", "maintenance", old, "--on")
        status = self.fleet.cluster_json()
        self.assertNotEqual(status["primary"], old)
        member = self.member(old)
        self.assertEqual((member["eligible"], member["eligibleReason"]), (False, "it is in maintenance"))
        self.assertIn(f"in maintenance: {old}", status["phaseReason"])
        self.stays(lambda: self.fleet.agents[old].data_directory() is None, 4, f"{old} is started")
        self.assertEqual(self.refused("cluster", "failover", "orders", "--to", old)[0], 5)
        self.fleet.cli("node", "maintenance", old, "--off")
        self.fleet.wait_until_whole()
        self.assertNotIn("maintenance", self.fleet.cluster_json()["phaseReason"])
        client.stop()
        self.assert_nothing_lost(client)

    def test_maintenance_of_a_standby_stops_no_write(self):
        standby = next(n for n in self.nodes if n != self.fleet.primary().node)
        client = self.start_client()
        since = self.now()
        self.fleet.cli("node", "maintenance", standby, "--on")
        self.assertNotIn(standby, self.fleet.psql(self.fleet.primary().node, "SHOW synchronous_standby_names"))
        self.stop_by_hand(standby)
        self.stays(lambda: self.fleet.cluster_json()["phase"] == "Healthy", 5, "it is no fault")
        self.fleet.cli("node", "maintenance", standby, "--off")
        self.fleet.wait_until_whole()
        self.assert_every_write_worked(client, since)

    def test_reinit_makes_a_new_directory_that_streams(self):
        standby = next(n for n in self.nodes if n != self.fleet.primary().node)
        agent = self.fleet.agents[standby]
        before = agent.data_directory()
        client = self.start_client()
        since = self.now()
        self.assertIn(f"{os.path.basename(before)} is removed once",
                      self.fleet.cli("cluster", "reinit", "orders", standby, "--dry-run"))
        self.fleet.cli("cluster", "reinit", "orders", standby)
        self.fleet.wait_until_whole()
        after = agent.data_directory()
        self.assertNotEqual(after, before)
        wait_for(lambda: not os.path.exists(before), 20, "the old directory to be removed")
        self.assertIn("reinit-done", self.rules())
        # The order was for once.
        pid = agent.postmaster_pid()
        self.stays(lambda: agent.postmaster_pid() == pid, 4, "it is copied again")
        self.assert_every_write_worked(client, since)

    def test_reinit_spares_the_primary(self):
        code, text = self.refused("cluster", "reinit", "orders", self.fleet.primary().node)
        self.assertEqual(code, 5)
        self.assertIn("is the primary; switch over first", text)

    def test_restart_takes_pending_parameters_in_force_without_a_lost_row(self):
        code, text = self.refused("cluster", "restart", "orders")
        self.assertEqual(code, 5)
        self.assertIn("no parameter waits for a restart", text)
        client = self.start_client()
        before, old = self.pids(), self.fleet.primary().node
        self.fleet.apply(self.fleet.spec((r"( *)work_mem: 16MB", r"\1work_mem: 16MB\n\1max_connections: 150")))
        for node in self.nodes:
            wait_for(lambda n=node: f"{n} waits for a restart: max_connections"
                     in self.fleet.cluster_json()["phaseReason"], 20, f"{node} to wait for a restart")
        steps = self.fleet.cli("cluster", "restart", "orders", "--dry-run")
        self.assertIn(f"{old} starts as a standby (max_connections)", steps)
        self.assertEqual(self.pids(), before)
        self.fleet.cli("cluster", "restart", "orders")
        self.fleet.wait_until_whole()
        for node, pid in self.pids().items():
            self.assertNotEqual(pid, before[node])
            self.assertEqual(self.fleet.psql(node, "SHOW max_connections").strip(), "150")
        self.assertNotEqual(self.fleet.primary().node, old)
        wait_for(lambda: self.fleet.cluster_json()["phaseReason"] == "", 30, "nothing to wait any more")
        client.stop()
        self.assert_nothing_lost(client)
        rules = self.rules()
        self.assertEqual(rules.count("restarted") - rules.count("restart-over"), 2)

    def test_restart_in_place_keeps_the_primary(self):
        client = self.start_client()
        old = self.fleet.primary()
        before = self.pids()
        since = self.now()
        self.fleet.cli("cluster", "restart", "orders", "--node", old.node, "--force", "--in-place")
        self.fleet.wait_until_whole()
        self.assertEqual(self.fleet.primary().node, old.node)
        changed = [n for n, pid in self.pids().items() if pid != before[n]]
        self.assertEqual(changed, [old.node])
        self.writes_resume(client, since)
        client.stop()
        print(f"figure: write outage, restart in place: "
              f"{client.report().longest_gap(since).seconds * 1000:.0f} ms", flush=True)
        self.assert_nothing_lost(client)


if __name__ == "__main__":
    unittest.main(verbosity=2)
