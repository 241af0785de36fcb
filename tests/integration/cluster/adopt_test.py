# SPDX-License-Identifier: Apache-2.0
"""Servers that somebody made by hand, under load, become a cluster and are let go again: the same
processes, no failed write, and a failover in between."""
import json
import os
import signal
import sys
import time
import unittest

from case import CommandFailed, Fleet, RecordingClient, figures, wait_for
from postgres import HandMadeServer, psql

PASSWORD = "of-the-application"
SPEC = """\
apiVersion: pgmahout/v1
kind: Cluster
metadata: {{name: orders}}
spec:
  placement: {{nodes: [{nodes}]}}
  postgresql:
    version: {major}
    port: {port}
    parameters: {{work_mem: 8MB}}
    pgHba:
      - {{type: host, databases: [shop], users: [app], source: 127.0.0.0/8}}
  synchronous: {{method: any, number: 1, dataDurability: preferred}}
  failover: {{detectAfter: 2s}}
"""


class OwnServer(HandMadeServer):
    """A server that a person made on `node`, where the agent's user can reach it."""

    def __init__(self, fleet, node):
        super().__init__(fleet, os.path.join(node, "postgresql", "own"), fleet.addresses[node], fleet.port, fleet.major)

    def settle(self, *lines):
        with open(os.path.join(self.data, "postgresql.conf"), "a", encoding="utf-8") as f:
            f.write("\n".join([f"listen_addresses = '{self.address}'", f"unix_socket_directories = '{self.directory}'",
                               *lines, ""]))
        return self

    def follow(self, primary):
        """Makes it a standby of `primary`, as everybody does by hand."""
        os.mkdir(self.directory)
        os.chown(self.directory, *self.owner(primary.directory))
        self.run("pg_basebackup", "-D", self.data, "-R", "-X", "stream", "-c", "fast", "-d",
                 f"host={primary.address} port={primary.port} user=postgres application_name=byhand")
        return self.settle()

    @staticmethod
    def owner(path):
        info = os.stat(path)
        return info.st_uid, info.st_gid

    def hba(self, data=None):
        with open(os.path.join(data or self.data, "pg_hba.conf"), encoding="utf-8") as f:
            return f.read()

    def sql(self, statement, database="postgres"):
        return psql(self.data, statement, database)


class AdoptCase(unittest.TestCase):
    nodes = ("db1", "db2", "db3")

    def setUp(self):
        self.fleet = Fleet(major="15", nodes=self.nodes)
        self.addCleanup(self.fleet.close)
        self.fleet.start_controller()
        self.own = {}

    def tearDown(self):
        if any(error for _, error in self._outcome.result.failures + self._outcome.result.errors):
            self.fleet.print_logs(60)

    def join(self, *with_own):
        """Starts all agents; those of `with_own` know a data directory that may be adopted."""
        for node in self.nodes:
            own = OwnServer(self.fleet, node)
            self.own[node] = own
            self.fleet.start_agent(node, own.data if node in with_own else None)
        self.fleet.wait_until_connected()

    def spec(self):
        path = os.path.join(self.fleet.directory, "orders.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(SPEC.format(nodes=", ".join(self.nodes), major=self.fleet.major, port=self.fleet.port))
        return path

    def plan(self, path, primary="db1"):
        """(exit status, {node: its part of the plan}, what was said) of a dry run."""
        try:
            out, status, said = self.fleet.cli("cluster", "adopt", "-f", path, "--primary", primary, "--dry-run",
                                               "-o", "json"), 0, ""
        except CommandFailed as failed:
            out, status, said = failed.stdout, failed.returncode, failed.stderr
        return status, {n["node"]: n for n in json.loads(out)["nodes"]} if out else {}, said

    def adopt(self, path, primary="db1"):
        return self.fleet.cli("cluster", "adopt", "orders", "-f", path, "--primary", primary, "--yes",
                              "--timeout", "90s", timeout=110)

    def pids(self, *nodes):
        return {node: self.fleet.agents[node].postmaster_pid() for node in nodes}


class Adopt(AdoptCase):

    def make_by_hand(self):
        self.join("db1", "db2")
        primary = self.own["db1"].create().start()
        primary.sql(f"CREATE ROLE app LOGIN PASSWORD '{PASSWORD}'; SELECT pg_create_physical_replication_slot('byhand');")
        primary.sql("CREATE DATABASE shop OWNER app")
        primary.sql("CREATE TABLE rows (id bigint PRIMARY KEY); ALTER TABLE rows OWNER TO app", "shop")
        self.own["db2"].follow(primary).start()

    def client(self):
        client = RecordingClient(self.fleet, list(self.fleet.addresses.values()), self.fleet.port, dbname="shop",
                                 user="app", password=PASSWORD, table="rows", sslmode="prefer").start()
        self.addCleanup(client.stop)
        client.wait_for_rows(50)
        return client

    def check_preview(self, path):
        before = {node: self.own[node].hba() for node in ("db1", "db2")}
        status, plans, said = self.plan(path)
        self.assertEqual(status, 0, said)
        self.assertEqual({n: p["part"] for n, p in plans.items()}, {"db1": "primary", "db2": "standby", "db3": "copy"})
        settings = {s["name"]: s for s in plans["db1"]["settings"]}
        self.assertEqual(settings["work_mem"], {"name": "work_mem", "from": "4MB", "to": "8MB", "restart": False})
        self.assertTrue(settings["cluster_name"]["restart"])
        self.assertIn("host all all 127.0.0.1/32 trust", plans["db1"]["pgHba"])
        notes = " ".join(plans["db1"]["notes"])
        self.assertIn("role pgmahout_replication is created", notes)
        self.assertIn("slot byhand stays", notes)
        self.assertEqual({node: self.own[node].hba() for node in before}, before, "a preview changes nothing")
        self.assertEqual(json.loads(self.fleet.cli("cluster", "list", "-o", "json")), [])
        text = self.fleet.cli("cluster", "adopt", "-f", path, "--primary", "db1", "--dry-run")
        self.assertIn("db3: standby, copied from db1", text)
        self.assertIn("(after a restart)", text)

    def check_failover(self, client):
        old = self.fleet.primary()
        since = time.monotonic()
        os.kill(old.postmaster_pid(), signal.SIGKILL)
        self.assertEqual(old.node, "db1")
        new = self.fleet.wait_for_primary(not_node="db1")
        client.wait_for_rows(50, timeout=30, since=since)
        figures("write outage of an adopted cluster, postmaster killed", [client.report().longest_gap(since).seconds])
        self.fleet.wait_until_whole(timeout=90)
        self.assertEqual(client.lost_rows(), [], "acknowledged rows are missing")
        return new

    def test_running_servers_are_taken_over_and_let_go(self):
        self.make_by_hand()
        path = self.spec()
        client = self.client()
        self.check_preview(path)

        since, pids, original = time.monotonic(), self.pids("db1", "db2"), self.own["db1"].hba()
        self.adopt(path)
        status = self.fleet.wait_until_whole()
        self.assertEqual(status["primary"], "db1")
        self.assertEqual(self.pids("db1", "db2"), pids, "the postmasters are the same")
        self.assertEqual(self.own["db1"].sql("SHOW work_mem"), "8MB")
        wait_for(lambda: "ANY 1" in self.own["db1"].sql("SHOW synchronous_standby_names"), 20, "a quorum")
        client.wait_for_rows(50)
        report = client.report()
        self.assertEqual([e for e in report.errors if e[0] > since], [], "no write failed")
        figures("longest gap between writes during the adoption", [report.longest_gap(since).seconds])
        self.assertIn("cluster_name", self.own["db1"].sql("SELECT string_agg(name, ' ') FROM pg_settings "
                                                          "WHERE pending_restart"))

        new = self.check_failover(client)

        since, pids = time.monotonic(), self.pids(*self.nodes)
        self.fleet.cli("cluster", "release", "orders", "--yes")
        self.assertEqual(self.pids(*self.nodes), pids, "the postmasters are the same")
        data = self.fleet.agents[new].data_directory()
        self.assertEqual(psql(data, "SHOW synchronous_standby_names"), "")
        client.wait_for_rows(50)
        self.assertEqual([e for e in client.report().errors if e[0] > since], [], "no write failed")
        rules = self.own["db1"].hba(self.fleet.agents["db1"].data_directory())
        self.assertTrue(rules.endswith(original), "the rules of before are back")
        streaming = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
        self.assertEqual(psql(data, streaming), "2", "the standbys follow as before")
        for agent in self.fleet.agents.values():
            agent.kill()  # nothing here needs one any more
        since = time.monotonic()
        client.wait_for_rows(1200, timeout=60, since=since)  # longer than a lease
        self.assertEqual(self.pids(*self.nodes), pids)

        for agent in self.fleet.agents.values():
            agent.start()
        self.fleet.wait_until_connected()
        self.adopt(path, primary=new)
        self.fleet.wait_until_whole()
        self.assertEqual(self.pids(*self.nodes), pids, "adopted again, as they run")
        client.stop()
        self.assertEqual(client.lost_rows(), [])


class Refused(AdoptCase):
    nodes = ("db1", "db2")

    def refusals(self, primary="db1", node="db1"):
        path = self.spec()
        status, plans, said = self.plan(path, primary)
        self.assertEqual(status, 5, said)
        with self.assertRaises(CommandFailed) as caught:
            self.adopt(path, primary)
        self.assertEqual(caught.exception.returncode, 5)
        self.assertEqual(json.loads(self.fleet.cli("cluster", "list", "-o", "json")), [], "nothing was changed")
        return " ".join(plans[node]["refusals"])

    def test_what_would_hurt(self):
        self.join(*self.nodes)
        with self.subTest("nothing is there"):
            self.assertIn("no PostgreSQL server was found", self.refusals())
        own = self.own["db1"].create().settle("wal_level = minimal", "max_wal_senders = 0").start()
        with self.subTest("nobody could follow it"):
            wait_for(lambda: "wal_level" in self.refusals(), 15, "the agent to look again")
            said = self.refusals()
            self.assertIn("ALTER SYSTEM SET wal_level = 'replica'", said)
            self.assertIn("max_wal_senders is 0", said)
        own.settle("wal_level = replica", "max_wal_senders = 10")
        own.run("pg_ctl", "-D", own.data, "-l", own.log, "-w", "restart")
        with self.subTest("data of another cluster"):
            other = self.own["db2"].create()
            with open(os.path.join(other.data, "standby.signal"), "w", encoding="ascii"):
                pass
            other.start()
            wait_for(lambda: "they are left untouched" in self.refusals(node="db2"), 15, "the agent to look again")
        with self.subTest("a node that does not run it as primary"):
            wait_for(lambda: "the server is a standby" in self.refusals(primary="db2", node="db2"), 15,
                     "the agent to look again")
        with self.subTest("it is stopped"):
            other.run("pg_ctl", "-D", other.data, "-w", "-m", "fast", "stop")
            wait_for(lambda: "does not run" in self.refusals(node="db2"), 15, "the agent to look again")
        with self.subTest("a node that is none of the cluster"):
            status, _, said = self.plan(self.spec(), "db9")
            self.assertEqual(status, 5)
            self.assertIn("none of spec.placement.nodes", said)
        self.assertEqual(own.sql("SELECT 1"), "1", "what was refused runs on")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v", *sys.argv[1:]], failfast=False)
