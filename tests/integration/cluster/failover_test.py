# SPDX-License-Identifier: Apache-2.0
"""Failover and switchover of a real cluster under a writing client: nothing acknowledged is lost."""
import os
import signal
import sys
import unittest

from case import ClusterCase, figures, pace, wait_for

RUNS = int(os.environ.get("PGM_FAILOVER_RUNS", "10"))


class Failover(ClusterCase):

    def dns_follows(self, node):
        wait_for(lambda: self.address() == [self.fleet.addresses[node]], 10,
                 f"the DNS name to say {self.fleet.addresses[node]}")

    def test_killed_postmaster_costs_two_seconds_and_no_row(self):
        outages = []
        client = self.start_client()
        for _ in range(RUNS):
            old = self.fleet.primary()
            since = self.now()
            os.kill(old.postmaster_pid(), signal.SIGKILL)
            new = self.fleet.wait_for_primary(not_node=old.node)
            self.dns_follows(new)
            self.writes_resume(client, since)
            status = self.fleet.wait_until_whole()
            self.assertEqual(status["primary"], new)
            outages.append(client.report().longest_gap(since).seconds)
        client.stop()
        self.assert_nothing_lost(client)
        self.assertLessEqual(figures("write outage, postmaster killed", outages), 2.0 * pace())

    def test_switchover_under_load(self):
        outages = []
        client = self.start_client()
        for _ in range(RUNS):
            old = self.fleet.primary().node
            target = next(n for n in self.nodes if n != old)
            since = self.now()
            self.fleet.cli("cluster", "switchover", "orders", "--to", target)
            self.assertEqual(self.fleet.cluster_json()["primary"], target)
            self.dns_follows(target)
            self.writes_resume(client, since)
            self.fleet.wait_until_whole()
            outages.append(client.report().longest_gap(since).seconds)
        client.stop()
        self.assert_nothing_lost(client)
        self.assertLessEqual(figures("write outage, switchover", outages), 1.0 * pace())

    def test_agent_and_postmaster_killed_together(self):
        client = self.start_client()
        old = self.fleet.primary()
        postmaster = old.postmaster_pid()
        since = self.now()
        old.kill()
        os.kill(postmaster, signal.SIGKILL)
        new = self.fleet.wait_for_primary(not_node=old.node)
        self.writes_resume(client, since)
        outage = figures("write outage, agent and postmaster killed",
                         [client.report().longest_gap(since).seconds])
        self.assertLessEqual(outage, 8.0)
        self.dns_follows(new)
        old.start()
        self.fleet.wait_until_whole()
        client.stop()
        self.assert_nothing_lost(client)

    def test_agent_restart_stops_no_write(self):
        for node in self.nodes:
            with self.subTest(node=node):
                agent = self.fleet.agents[node]
                client = self.start_client()
                postmaster = agent.postmaster_pid()
                since = self.now()
                agent.kill()
                client.wait_for_rows(50, since=since)
                agent.start()
                self.fleet.wait_until_whole()
                self.writes_resume(client, self.now())
                self.assert_every_write_worked(client, since)
                self.assertEqual(agent.postmaster_pid(), postmaster)

    def test_controller_restart_stops_no_write(self):
        client = self.start_client()
        epoch = self.fleet.cluster_json()["epoch"]
        since = self.now()
        self.fleet.controller.kill()
        client.wait_for_rows(100, since=since)
        self.fleet.controller.start()
        self.fleet.wait_until_whole()
        self.writes_resume(client, self.now())
        self.assert_every_write_worked(client, since)
        self.assertEqual(self.fleet.cluster_json()["epoch"], epoch)

    def test_name_server_down_during_failover(self):
        client = self.start_client()
        old = self.fleet.primary()
        self.fleet.bind.kill()
        since = self.now()
        os.kill(old.postmaster_pid(), signal.SIGKILL)
        new = self.fleet.wait_for_primary(not_node=old.node)
        self.writes_resume(client, since)
        outage = figures("write outage by address, BIND down",
                         [client.report().longest_gap(since).seconds])
        self.assertLessEqual(outage, 2.0 * pace())
        self.assertFalse(self.fleet.cluster_json()["dns"]["inSync"])
        self.fleet.bind.start()
        back = self.now()
        self.dns_follows(new)
        figures("record right after BIND is back", [self.now() - back])
        self.fleet.wait_until_whole()
        client.stop()
        self.assert_nothing_lost(client)

    def test_writes_through_the_name_reach_the_new_primary(self):
        client = self.start_client(by_name=True)
        old = self.fleet.primary()
        since = self.now()
        os.kill(old.postmaster_pid(), signal.SIGKILL)
        new = self.fleet.wait_for_primary(not_node=old.node)
        self.writes_resume(client, since)
        figures("write outage through the name", [client.report().longest_gap(since).seconds])
        self.dns_follows(new)
        self.fleet.wait_until_whole()
        client.stop()
        self.assert_nothing_lost(client)

    def test_hung_postmaster_is_replaced(self):
        client = self.start_client()
        old = self.fleet.primary()
        pid = old.postmaster_pid()
        since = self.now()
        os.kill(pid, signal.SIGSTOP)
        try:
            new = self.fleet.wait_for_primary(not_node=old.node, timeout=40)
        finally:
            if os.path.exists(f"/proc/{pid}"):
                os.kill(pid, signal.SIGCONT)
        self.writes_resume(client, since)
        self.assertNotEqual(new, old.node)
        self.fleet.wait_until_whole()
        client.stop()
        self.assert_nothing_lost(client)


class Failover14(ClusterCase):
    """The same on the real PostgreSQL 14."""

    major = "14"

    def test_bootstrap_standbys_and_failover(self):
        status = self.fleet.cluster_json()
        self.assertTrue(all(m["postgresVersion"].startswith("14.") for m in status["members"]), status)
        print("figure: PostgreSQL", status["members"][0]["postgresVersion"], flush=True)
        client = self.start_client()
        old = self.fleet.primary()
        since = self.now()
        os.kill(old.postmaster_pid(), signal.SIGKILL)
        new = self.fleet.wait_for_primary(not_node=old.node)
        self.writes_resume(client, since)
        figures("write outage, PostgreSQL 14, postmaster killed",
                [client.report().longest_gap(since).seconds])
        self.assertEqual(self.fleet.wait_until_whole()["primary"], new)
        client.stop()
        self.assert_nothing_lost(client)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v", *sys.argv[1:]], failfast=False)
