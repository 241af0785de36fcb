# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a member is named, and decides what it should; a damaged memory starts no primary."""
import os
import signal
import subprocess
import sys
import unittest

from case import ClusterCase, wait_for


class Health(ClusterCase):

    def standby(self):
        return next(m["node"] for m in self.fleet.wait_until_whole()["members"] if m["role"] == "standby")

    def wait_for_reason(self, node, text, timeout=20):
        def told():
            member = next(m for m in self.fleet.cluster_json()["members"] if m["node"] == node)
            if member["eligible"] or text not in member["eligibleReason"]:
                raise RuntimeError(f"{member['eligible']}: {member['eligibleReason']}")
            return True
        self.fleet.wait_for(told, timeout, f"the reason {text!r}")

    def test_paused_replay_is_named(self):
        node = self.standby()
        self.fleet.psql(node, "SELECT pg_wal_replay_pause()")
        self.wait_for_reason(node, "its WAL replay is paused")
        self.assertIn(f"WAL replay of {node} is paused", self.fleet.cluster_json()["phaseReason"])
        self.fleet.psql(node, "SELECT pg_wal_replay_resume()")
        self.fleet.wait_until_whole()

    def test_stuck_wal_receiver_is_named(self):
        node = self.standby()
        pid = int(self.fleet.psql(node, "SELECT pid FROM pg_stat_wal_receiver"))
        os.kill(pid, signal.SIGSTOP)
        try:
            self.wait_for_reason(node, "its WAL receiver is stuck")
        finally:
            os.kill(pid, signal.SIGCONT)
        self.fleet.wait_until_whole()

    def test_read_only_file_system_is_the_signal_and_what_was_lost_is_told(self):
        """PostgreSQL goes on in the directory below the mount; whoever opens a file by its path cannot write."""
        self.fleet.wait_until_whole()
        client = self.start_client()
        old = self.fleet.primary()
        data, since = old.data_directory(), self.now()
        subprocess.run(["mount", "--bind", data, data], check=True)
        try:
            subprocess.run(["mount", "-o", "remount,ro,bind", data], check=True)
            self.fleet.wait_for_primary(not_node=old.node, timeout=40)
        finally:
            subprocess.run(["umount", "-l", data], check=True)
        self.writes_resume(client, since)
        self.fleet.wait_until_whole()
        history = self.fleet.history()
        signals = [e["message"] for e in history if e["rule"] == "primary-reports-hung"]
        self.assertIn("Read-only file system", signals[-1])
        lost = [e["message"] for e in history if e["rule"] == "rejoined" and e["node"] == old.node]
        self.assertRegex(lost[-1], r"^nothing was lost|^\d+ bytes of its WAL were lost: \S+ to \S+ on timeline \d+")
        print(f"figure: {old.node} rejoined: {lost[-1]}", flush=True)
        client.stop()
        self.assert_nothing_lost(client)


class DamagedMemory(ClusterCase):

    def test_primary_with_a_zeroed_memory_is_fenced_and_replaced(self):
        client = self.start_client()
        old = self.fleet.primary()
        server, since = old.postmaster_pid(), self.now()
        memory = os.path.join(old.state_directory, "memory")
        size = os.path.getsize(memory)
        old.kill()
        with open(memory, "wb") as f:
            f.write(b"\0" * size)
        old.start()
        wait_for(lambda: not old.is_alive(), 10, "the agent to refuse")
        self.assertEqual(old.child.returncode, os.EX_CONFIG)
        self.assertIn("cannot trust the agent's memory", old.log_tail(8))
        self.assertIn("Never bring an older copy", old.log_tail(8))
        self.fleet.wait_for_primary(not_node=old.node, timeout=60)
        self.assertFalse(os.path.exists(f"/proc/{server}/cwd"), "its guard has stopped the old primary")
        self.writes_resume(client, since)
        os.remove(memory)
        old.start()
        wait_for(lambda: not old.is_alive(), 10, "the agent to refuse")
        self.assertIn("is gone, but there is", old.log_tail(8))
        client.stop()
        self.assert_nothing_lost(client)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v", *sys.argv[1:]])
