# SPDX-License-Identifier: Apache-2.0
"""Servers that somebody set up with Debian's tools become a cluster by the playbook "adopt", under a client that writes, and
are let go again. Run by run.py."""
import json
import os
import subprocess
import unittest

from lab import Lab, main
from rollout import CLUSTER, Rollout
from waiting import wait_for
from writer import LOG, PROGRAM, Writer
import writer

NODES = ("db1", "db2", "db3")
CONFIGURATION = "/etc/postgresql/14/main"
UNIT = "postgresql@14-main.service"
PASSWORD = "of-the-application"


class OwnWriter(Writer):
    """Writes with the password that the application always had."""

    def __init__(self, guest, rollout, primary):  # pylint: disable=super-init-not-called
        self.guest, self.rollout, self.database = guest, rollout, CLUSTER
        primary.psql("CREATE TABLE written (number bigint PRIMARY KEY); GRANT INSERT, SELECT ON written TO app", CLUSTER)
        with open(os.path.abspath(writer.__file__), encoding="utf-8") as f:
            guest.write(PROGRAM, f.read())
        hosts = ",".join(rollout.lab.guests[n].address for n in rollout.nodes)
        conninfo = f"dbname={CLUSTER} user=app sslmode=prefer tcp_user_timeout=2000"
        self.process = guest.start_program("env", f"PGPASSWORD={PASSWORD}", "python3", PROGRAM, hosts, conninfo, LOG,
                                           stdin=subprocess.DEVNULL)


class Adopt(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab()
        cls.addClassCleanup(cls.lab.close)
        for name in ("ctl", *NODES, "client"):
            cls.lab.add(name)
        cls.lab.boot()
        cls.rollout = Rollout(cls.lab, NODES, cluster_specs=[])
        cls.rollout.play("site", "--tags", "repo")
        cls.rollout.play("site", "--limit", "ctl")
        cls.db1, cls.db2, cls.db3 = (cls.lab.guests[n] for n in NODES)
        cls.make_primary(cls.db1)
        cls.make_standby(cls.db2, cls.db1)
        cls.spec = cls.rollout.spec(NODES)
        # The application keeps its role, its password and its database.
        del cls.spec["spec"]["roles"], cls.spec["spec"]["databases"], cls.spec["spec"]["archive"]
        cls.spec["spec"]["postgresql"]["pgHba"][0]["type"] = "host"
        cls.spec_file = os.path.join(cls.rollout.directory, "spec.yaml")
        with open(cls.spec_file, "w", encoding="utf-8") as f:
            json.dump(cls.spec, f)  # JSON is YAML

    @staticmethod
    def install(guest):
        guest.run("apt-get", "update")
        guest.run("apt-get", "install", "-y", "postgresql-14")
        if not guest.run("pg_lsclusters", "--no-header").strip():
            guest.run("pg_createcluster", "14", "main", "--start-conf", "auto")
        guest.run("pg_conftool", "14", "main", "set", "listen_addresses", "*")

    @classmethod
    def make_primary(cls, guest):
        cls.install(guest)
        rules = guest.read(f"{CONFIGURATION}/pg_hba.conf")
        network = f"{cls.lab.NETWORK}.0/24"
        guest.write(f"{CONFIGURATION}/pg_hba.conf", f"{rules}host all app {network} scram-sha-256\n"
                    f"host replication follower {network} trust\n", "0640", "postgres:postgres")
        guest.run("systemctl", "restart", UNIT)
        guest.psql(f"CREATE ROLE app LOGIN PASSWORD '{PASSWORD}'")
        guest.psql("CREATE ROLE follower LOGIN REPLICATION")
        guest.psql(f"CREATE DATABASE {CLUSTER}")

    @classmethod
    def make_standby(cls, guest, primary):
        cls.install(guest)
        guest.run("systemctl", "stop", UNIT)
        data = "/var/lib/postgresql/14/main"
        guest.run("rm", "-rf", data)
        guest.run_as("postgres", "pg_basebackup", "-D", data, "-R", "-X", "stream", "-c", "fast", "-d",
                     f"host={primary.address} user=follower")
        guest.run("systemctl", "start", UNIT)

    @staticmethod
    def pid(guest):
        return guest.run("systemctl", "show", "-p", "MainPID", "--value", UNIT).strip()

    def adopt(self, *arguments):
        return self.rollout.play("adopt", "-e", f"adopt_spec={self.spec_file}", "-e", "adopt_primary=db1", *arguments)

    def test_running_servers_are_adopted_and_released(self):
        client = OwnWriter(self.lab.guests["client"], self.rollout, self.db1)
        self.addCleanup(client.stop)
        wait_for(lambda: len(client.rows()) > 50, 30, "the client to write")
        pids = [self.pid(guest) for guest in (self.db1, self.db2)]
        before = self.db1.read(f"{CONFIGURATION}/pg_hba.conf")

        shown = self.adopt()
        self.assertIn("primary, taken over as it runs", shown.output)
        self.assertEqual(self.db1.read(f"{CONFIGURATION}/pg_hba.conf"), before, "a preview changes nothing")

        self.adopt("-e", "adopt_confirm=true")
        self.rollout.wait_until_healthy()
        self.assertEqual([self.pid(guest) for guest in (self.db1, self.db2)], pids, "the postmasters are the same")
        self.assertEqual(client.report().failed_writes(), [])
        self.assertIn("manual", self.db1.read(f"{CONFIGURATION}/start.conf"))
        self.assertEqual(self.adopt("-e", "adopt_confirm=true").changed, {}, "once is enough")

        self.db1.kill()
        wait_for(lambda: self.rollout.status()["primary"] not in ("", "db1"), 60, "another primary", interval=0.2)
        rows = len(client.rows())
        wait_for(lambda: len(client.rows()) > rows + 100, 60, "the client to write again")
        self.db1.boot()
        self.rollout.wait_until_healthy()
        self.assertEqual(self.db1.psql("SELECT pg_is_in_recovery()"), "t")

        primary = self.rollout.primary()
        pid = self.pid(primary)
        self.rollout.pgmahout("cluster", "release", CLUSTER, "--yes")
        self.assertEqual(self.pid(primary), pid)
        self.assertEqual(primary.psql("SHOW synchronous_standby_names"), "")
        self.assertTrue(self.db1.read(f"{CONFIGURATION}/pg_hba.conf").endswith(before))
        self.assertIn("auto", self.db1.read(f"{CONFIGURATION}/start.conf"))
        rows = len(client.rows())
        wait_for(lambda: len(client.rows()) > rows + 100, 60, "the client to go on")
        client.stop()
        there = set(primary.psql("SELECT number FROM written", CLUSTER).split())
        lost = [number for _, number in client.report().acknowledged if str(number) not in there]
        print(f"figure: adopted, lost and released: {len(there)} rows, longest gap "
              f"{client.report().longest_gap() * 1000:.0f} ms", flush=True)
        self.assertEqual(lost, [])


if __name__ == "__main__":
    main()
