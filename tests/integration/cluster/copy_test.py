# SPDX-License-Identifier: Apache-2.0
"""A base backup is not its agent's: it goes on when that is killed, restarted or away, and only what died with
it begins anew."""
import glob
import os
import re
import signal
import subprocess
import unittest

from case import ClusterCase, wait_for
from processes import find_processes, is_running, signal_process

FILLER_MIB = 96


class Copy(ClusterCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Random, so that it is as large as it seems; enough for a copy to be caught in the middle.
        cls.fleet.psql(cls.fleet.primary().node, "CREATE TABLE filler AS SELECT gen_random_bytes(1024) AS random FROM "
                       f"generate_series(1, {FILLER_MIB} * 1024)", "orders")

    def setUp(self):
        self.fleet.wait_until_whole()
        self.agent = self.fleet.agents[next(n for n in self.nodes if n != self.fleet.primary().node)]
        self.before = self.agent.data_directory()

    def copies(self):
        """(pid, start) of each pg_basebackup of our node; its child for the WAL has the same arguments."""
        found = {}
        for pid, started in find_processes(self.fleet.directory):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    argv = f.read().decode().split("\0")
                with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
                    parent = int(f.read().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            if argv[0].endswith("/pg_basebackup") and any(a.startswith(self.agent.data_root) for a in argv):
                found[pid] = (started, parent)
        return [(pid, started) for pid, (started, parent) in found.items() if parent not in found]

    def copied_bytes(self):
        files = glob.glob(os.path.join(self.agent.data_root, "pgdata.*.partial", "base", "*", "*"))
        return sum(os.path.getsize(f) for f in files)

    def percentage(self):
        """What the agent tells of its copy; None where it tells nothing."""
        told = re.search(r"base backup (\d+)%", self.fleet.cluster_json()["phaseReason"])
        return int(told.group(1)) if told else None

    def hold_checkpointer(self):
        """A base backup begins with a checkpoint; returns what lets go of it."""
        pid = int(self.fleet.psql(self.fleet.primary().node,
                                  "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'"))
        os.kill(pid, signal.SIGSTOP)
        self.addCleanup(os.kill, pid, signal.SIGCONT)
        return lambda: os.kill(pid, signal.SIGCONT)

    def begin_reinit(self):
        """Orders a copy and returns its only pg_basebackup, which has not got beyond its checkpoint."""
        let_go = self.hold_checkpointer()
        # pylint: disable-next=consider-using-with
        order = subprocess.Popen(self.fleet.cli_argv("cluster", "reinit", "orders", self.agent.node), text=True,
                                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                 env=self.fleet.environment(), cwd=self.fleet.directory)
        self.addCleanup(order.wait)
        self.addCleanup(order.kill)
        copies = self.fleet.wait_for(self.copies, 30, "a base backup to begin")
        self.assertEqual(len(copies), 1)
        return copies[0], let_go

    def pause_after_progress(self, copy, let_go):
        """Lets the copy go on until it has told of some percent, and stops it there. It tells once a second."""
        self.addCleanup(signal_process, *copy, signal.SIGCONT)  # or what comes after a failure finds it stopped
        let_go()

        def told():
            signal_process(*copy, signal.SIGCONT)
            if not is_running(*copy):
                raise AssertionError("the copy has ended")
            seen = self.copied_bytes()
            wait_for(lambda: self.copied_bytes() != seen or not is_running(*copy), 20, "the copy to go on", interval=0.001)
            signal_process(*copy, signal.SIGSTOP)
            return self.percentage()
        percent = wait_for(told, 30, "the copy to tell of progress", interval=0.2)
        self.assertLess(percent, 100)
        return percent

    def mark_of(self, directory):
        """What tells one copy from another: the file its first bytes went to, and when."""
        found = os.stat(os.path.join(directory, "PG_VERSION"))
        return found.st_ino, found.st_mtime_ns

    def partial(self):
        return glob.glob(os.path.join(self.agent.data_root, "pgdata.*.partial"))[0]

    def job_file(self):
        return os.path.join(self.agent.state_directory, "base-backup.job")

    def becomes_whole(self):
        self.fleet.wait_until_connected()
        self.fleet.wait_until_whole()
        self.assertNotEqual(self.agent.data_directory(), self.before)
        self.assertFalse(os.path.exists(self.job_file()), "nothing is left of it")
        self.fleet.psql(self.fleet.primary().node, "CREATE TABLE arrived ()", "orders")
        wait_for(lambda: self.fleet.psql(self.agent.node, "SELECT to_regclass('arrived')", "orders") == "arrived", 20,
                 "the copy to stream")
        self.fleet.psql(self.fleet.primary().node, "DROP TABLE arrived", "orders")

    def goes_on(self, end):
        copy, let_go = self.begin_reinit()
        percent = self.pause_after_progress(copy, let_go)
        mark = self.mark_of(self.partial())
        end()
        self.assertTrue(is_running(*copy), "it went with its agent")
        self.agent.start()
        self.fleet.wait_until_connected()
        # What it told right before it was stopped may not have been heard of yet.
        self.fleet.wait_for(lambda: (self.percentage() or 0) >= percent, 20, f"the new agent to tell of {percent} %")
        self.assertEqual(self.copies(), [copy])
        signal_process(*copy, signal.SIGCONT)
        self.becomes_whole()
        self.assertEqual(self.mark_of(self.agent.data_directory()), mark, "it is another copy")

    def test_goes_on_when_its_agent_is_killed(self):
        self.goes_on(self.agent.kill)

    def test_goes_on_when_its_agent_is_stopped(self):
        self.goes_on(self.agent.stop)

    def test_that_ended_while_no_agent_was_there_is_used(self):
        copy, let_go = self.begin_reinit()
        self.agent.kill()
        let_go()
        wait_for(lambda: not is_running(*copy), 60, "the copy to end")
        mark = self.mark_of(self.partial())
        self.agent.start()
        self.becomes_whole()
        self.assertEqual(self.mark_of(self.agent.data_directory()), mark, "it is another copy")

    def test_that_died_with_its_agent_begins_anew(self):
        copy, let_go = self.begin_reinit()
        self.pause_after_progress(copy, let_go)
        mark = self.mark_of(self.partial())
        self.agent.kill()
        with open(self.job_file(), encoding="ascii") as f:
            os.killpg(int(f.read().split("\n")[1]), signal.SIGKILL)
        wait_for(lambda: not is_running(*copy), 20, "the copy to die")
        self.agent.start()
        self.becomes_whole()
        self.assertNotEqual(self.mark_of(self.agent.data_directory()), mark)


if __name__ == "__main__":
    unittest.main(verbosity=2)
