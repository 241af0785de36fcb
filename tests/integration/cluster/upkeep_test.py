# SPDX-License-Identifier: Apache-2.0
"""What nobody looks after by hand: WAL that slots keep, slots that are lost, and a standby that does not start."""
import os
import signal
import unittest

from case import ClusterCase, wait_for

MIB = 1 << 20


class Upkeep(ClusterCase):

    def setUp(self):
        self.fleet.wait_until_whole()
        self.primary = self.fleet.primary().node
        self.standbys = [n for n in self.nodes if n != self.primary]

    def write_wal(self, mib):
        # In one go: a primary whose agent is paused has a few seconds.
        self.fleet.psql(self.primary, "SELECT count(pg_logical_emit_message(true, 'test', repeat('x', "
                        f"{MIB}) || g)) FROM generate_series(1, {mib}) g")

    def slot(self, node, owner):
        """(bytes of WAL behind its restart_lsn or -1 without one, wal_status) of the slot that `node` keeps for `owner`."""
        row = self.fleet.psql(node, "SELECT coalesce(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() "
                              "ELSE pg_current_wal_lsn() END, restart_lsn), -1), wal_status FROM pg_replication_slots "
                              f"WHERE slot_name = 'pgmahout_{owner}'")
        kept, status = row.split("|")
        return int(kept), status

    def test_slots_of_standbys_keep_no_wal_that_nobody_asks_for(self):
        self.write_wal(80)
        for node in (self.primary, *self.standbys):  # a standby's restartpoint follows a checkpoint that it has replayed
            wait_for(lambda n=node: self.slot_lags_are_known(n), 30, f"{node} to replay it")
            self.fleet.psql(node, "CHECKPOINT")
        for node in self.standbys:
            for owner in self.nodes:
                if owner != node:
                    wait_for(lambda n=node, o=owner: self.slot(n, o)[0] < 48 * MIB, 30, f"{node} to let go of WAL for {owner}")

    def slot_lags_are_known(self, node):
        lsn = self.fleet.psql(self.primary, "SELECT pg_current_wal_flush_lsn()")
        return node == self.primary or self.fleet.psql(node, f"SELECT pg_last_wal_replay_lsn() >= '{lsn}'") == "t"

    def end_server(self, node):
        """The agent is stopped first, so that nobody starts the server again. Returns it and the data directory."""
        agent = self.fleet.agents[node]
        postmaster, data = agent.postmaster_pid(), agent.data_directory()
        agent.stop()
        os.kill(postmaster, signal.SIGQUIT)
        wait_for(lambda: not os.path.exists(os.path.join(data, "postmaster.pid")), 20, f"{node} to end")
        return agent, data

    def test_standby_whose_slot_was_lost_streams_again(self):
        away = self.standbys[0]
        for setting, value in (("max_slot_wal_keep_size", "16MB"), ("wal_keep_size", "0")):
            self.fleet.psql(self.primary, f"ALTER SYSTEM SET {setting} = '{value}'")
            self.addCleanup(self.fleet.psql, self.primary, f"ALTER SYSTEM RESET {setting}")
        self.fleet.psql(self.primary, "SELECT pg_reload_conf()")
        self.addCleanup(self.fleet.psql, self.primary, "SELECT pg_reload_conf()")
        self.fleet.agents[self.primary].pause()  # so that the loss is seen
        agent, _ = self.end_server(away)
        self.write_wal(80)
        self.fleet.psql(self.primary, "SELECT pg_switch_wal()")
        self.fleet.psql(self.primary, "CHECKPOINT")
        self.assertEqual(self.slot(self.primary, away)[1], "lost")
        self.fleet.agents[self.primary].resume()
        wait_for(lambda: self.slot(self.primary, away)[1] != "lost", 30, "the slot to be made anew")
        agent.start()
        self.fleet.wait_until_whole(timeout=120)

    def test_standby_that_does_not_start_is_copied_anew(self):
        broken = self.standbys[1]
        agent, before = self.end_server(broken)
        with open(os.path.join(before, "postgresql.auto.conf"), "a", encoding="utf-8") as f:
            f.write("this is no setting\n")
        agent.start()
        self.fleet.wait_until_connected()
        wait_for(lambda: agent.data_directory() not in (None, before), 100, "another copy")
        self.fleet.wait_until_whole(timeout=60)
        self.assertEqual(self.fleet.psql(broken, "SELECT pg_is_in_recovery()"), "t")


if __name__ == "__main__":
    unittest.main(verbosity=2)
