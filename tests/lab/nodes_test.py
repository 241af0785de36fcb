# SPDX-License-Identifier: Apache-2.0
"""A node more, a node less, new certificates, and what is refused: all by playbook. Run by run.py."""
import unittest

import repository
from lab import main
from rollout import rolled_out
from waiting import wait_for


class Nodes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab, cls.rollout = rolled_out()
        cls.addClassCleanup(cls.lab.close)

    def test_1_a_node_is_added_and_removed(self):
        self.lab.add("db4").boot()
        nodes = list(self.rollout.nodes)
        self.rollout.nodes = [*nodes, "db4"]
        self.rollout.variables["cluster_specs"] = [self.rollout.spec(self.rollout.nodes)]
        self.rollout.play("add_node", "-e", "node=db4")
        self.rollout.wait_until_healthy(members=4)
        self.assertEqual(self.lab.guests["db4"].psql("SELECT pg_is_in_recovery()"), "t")
        self.rollout.variables["cluster_specs"] = [self.rollout.spec(nodes)]
        self.rollout.play("remove_node", "-e", "node=db4")
        self.rollout.nodes = nodes
        self.rollout.wait_until_healthy(members=3)
        self.assertNotIn("db4", self.rollout.pgmahout("node", "list", "-o", "name").split())
        self.lab.guests["db4"].run("ls", "/var/lib/postgresql/14/main/pgdata.1/PG_VERSION")  # its data stay

    def test_2_certificates_are_rotated(self):
        db1 = self.lab.guests["db1"]
        certificate = db1.read("/var/lib/pgmahout/agent/node.crt")
        postmaster = db1.psql("SELECT pg_postmaster_start_time()")
        self.rollout.play("rotate_certs")
        self.rollout.wait_until_healthy()
        self.assertNotEqual(db1.read("/var/lib/pgmahout/agent/node.crt"), certificate)
        server = db1.psql("SHOW data_directory").rpartition("/")[0] + "/tls/server.crt"
        wait_for(lambda: db1.read(server) == db1.read("/var/lib/pgmahout/agent/node.crt"), 30, "the server's copy")
        self.assertEqual(db1.psql("SELECT pg_postmaster_start_time()"), postmaster)

    def refused(self, **changes):
        """What the role "repo" says of changed variables, for machines that then still have what they had."""
        before = self.rollout.variables
        self.rollout.variables = {**before, **changes}
        try:
            play = self.rollout.play("site", "--tags", "repo", "--limit", "db1", check=False)
        finally:
            self.rollout.variables = before
        self.assertNotEqual(play.status, 0)
        db1 = self.lab.guests["db1"]
        self.assertNotIn("extra", db1.run("ls", "/etc/apt/sources.list.d"))
        db1.run("apt-get", "-q", "update")
        return play.output

    def extra(self, url, key_file):
        return {"repo_sources": [{"name": "extra", "url": url, "suite": "bookworm", "key_file": key_file}]}

    def test_3_bad_repositories_are_refused(self):
        good = self.lab.repository_key("pgmahout")
        unreachable = self.refused(**self.extra(self.lab.repository("nowhere"), good))
        self.assertIn("cannot be used", unreachable)
        self.assertIn("does not have a Release file", unreachable)
        stranger = repository.SigningKey(self.lab.image.path("guests", "stranger"), "A stranger <stranger@example.invalid>")
        other = self.lab.image.path("guests", "stranger.asc")
        with open(other, "wb") as f:
            f.write(stranger.public())
        self.assertIn("NO_PUBKEY", self.refused(**self.extra(self.lab.repository("pgmahout"), other)))

    def test_4_a_missing_variable_is_named(self):
        play = self.rollout.play("site", "--tags", "repo", "--limit", "db1", "-e", '{"repo_sources": [{"name": "x"}]}',
                                 check=False)
        self.assertNotEqual(play.status, 0)
        self.assertIn("missing required arguments: suite, url", play.output)


if __name__ == "__main__":
    main()
