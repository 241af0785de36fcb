# SPDX-License-Identifier: Apache-2.0
"""One controller and three database nodes, fresh from the installer, become a cluster by ansible-playbook; checked with
plain PostgreSQL tools. Run by run.py."""
import unittest

from lab import Lab, main
from rollout import CLUSTER, Rollout
from waiting import wait_for

NODES = ("db1", "db2", "db3")
CONFIGURATION = "/etc/postgresql/14/main"


class Site(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab()
        cls.addClassCleanup(cls.lab.close)
        for name in ("ctl", *NODES):
            cls.lab.add(name)
        cls.lab.boot()
        cls.rollout = Rollout(cls.lab, NODES)
        cls.rollout.play("site", quick=False)
        cls.primary = cls.rollout.primary()
        cls.standbys = [cls.lab.guests[n] for n in NODES if n != cls.primary.name]

    def test_01_cluster_is_healthy(self):
        status = self.rollout.wait_until_healthy()
        self.assertTrue(status["dns"]["inSync"])
        self.assertEqual({m["postgresVersion"] for m in status["members"]}, {"14.22"})

    def test_02_second_run_changes_nothing(self):
        again = self.rollout.play("site")
        self.assertEqual(again.changed, {}, again.changed_tasks())

    def test_03_check_mode_changes_nothing(self):
        check = self.rollout.play("site", "--check", "--tags", "repo,os_tuning,controller,agent,cluster")
        self.assertEqual(check.changed, {}, check.changed_tasks())

    def test_04_replication_as_the_manual_describes_it(self):
        self.assertEqual(self.primary.psql("SELECT current_setting('wal_level'), current_setting('archive_mode')"),
                         "replica|on")
        streaming = self.primary.psql("SELECT application_name, state FROM pg_stat_replication ORDER BY 1")
        self.assertEqual(streaming.splitlines(), [f"{s.name}|streaming" for s in sorted(self.standbys, key=str)])
        self.assertEqual(self.primary.psql("SELECT count(*) FROM pg_replication_slots WHERE active"), "2")
        for standby in self.standbys:
            data = standby.psql("SHOW data_directory")
            standby.run("test", "-f", f"{data}/standby.signal")
            self.assertIn("started streaming WAL from primary",
                          standby.read("/var/log/postgresql/postgresql-14-main.log"))

    def test_05_rows_arrive_and_are_archived(self):
        self.primary.psql("CREATE TABLE t AS SELECT generate_series(1, 1000) AS i", CLUSTER)
        for standby in self.standbys:
            wait_for(lambda s=standby: s.psql("SELECT count(*) FROM t", CLUSTER) == "1000", 20, "rows on " + standby.name)
        self.primary.psql("SELECT pg_switch_wal()")
        wait_for(lambda: self.primary.psql("SELECT archived_count > 0 FROM pg_stat_archiver") == "t", 30, "an archived segment")

    def test_06_dns_names_lead_there(self):
        self.assertEqual(self.lab.dig("rw"), [self.primary.address])
        self.assertEqual(self.lab.dig("ro"), sorted(s.address for s in self.standbys))

    def test_07_debian_tools_know_it(self):
        for node in (self.primary, *self.standbys):
            line = node.run_as("postgres", "pg_lsclusters", "--no-header").split()
            self.assertEqual(line[:2] + [line[2]], ["14", "main", "5432"])
            self.assertTrue(line[3].startswith("online"), line)
            self.assertEqual(line[5], node.psql("SHOW data_directory"))
            self.assertEqual(node.run("systemctl", "is-active", "postgresql@14-main.service").strip(), "active")
            self.assertIn("manual", node.read(f"{CONFIGURATION}/start.conf"))
            self.assertEqual(node.run("apt-mark", "showhold").split(), ["postgresql-14"])

    def test_08_hand_edits_are_put_back_and_kept(self):
        node = self.standbys[0]
        hba = node.read(f"{CONFIGURATION}/pg_hba.conf")
        node.write(f"{CONFIGURATION}/pg_hba.conf", hba + "host all all 0.0.0.0/0 trust\n", "0600", "postgres:postgres")
        wait_for(lambda: node.read(f"{CONFIGURATION}/pg_hba.conf") == hba, 20, "pg_hba.conf to be put back")
        self.assertIn("0.0.0.0/0 trust", node.read(f"{CONFIGURATION}/pg_hba.conf.edited"))
        self.assertIn("changed by hand", node.journal("pgmahout-agent.service"))

    def test_09_all_machines_reboot_at_once(self):
        for guest in self.lab.guests.values():
            guest.reboot(wait=False)
        for guest in self.lab.guests.values():
            guest.wait_until_up()
        status = self.rollout.wait_until_healthy()
        self.assertEqual(self.rollout.primary().psql("SELECT count(*) FROM t", CLUSTER), "1000")
        self.assertTrue(status["dns"]["inSync"])
        self.lab.save("site")


if __name__ == "__main__":
    main()
