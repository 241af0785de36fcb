# SPDX-License-Identifier: Apache-2.0
"""Two members and a witness: the primary goes on alone, or the standby is promoted, and never both."""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from case import FaultCase, main  # noqa: E402
from faults import Watch  # noqa: E402
from vm_fleet import VmFleet, wait_for  # noqa: E402

WITNESS = "w1"
LEASE_SECONDS = 10  # examples/orders.yaml


class WitnessFleet(VmFleet):
    """db1 and db2, and the witness on a machine of its own."""

    def __init__(self):
        super().__init__(nodes=("db1", "db2", WITNESS))
        self.nodes.remove(WITNESS)
        self.witness_address = self.addresses.pop(WITNESS)

    def start_agent(self, node):
        if node == self.nodes[0]:
            self.addresses[WITNESS] = self.witness_address
            super().start_agent(WITNESS)
            del self.addresses[WITNESS]
        return super().start_agent(node)

    def spec(self, *changes, **options):
        return super().spec((r"nodes: \[db1, db2\]", f"nodes: [db1, db2]\n    witness: {WITNESS}"), *changes, **options)

    def member(self, node):
        return next(m for m in self.cluster_json()["members"] if m["node"] == node)

    def wait_until_whole(self, timeout=60):
        def whole():
            status = self.cluster_json()
            states = {m["node"]: m["state"] for m in status["members"]}
            wanted = {n: "running" if n == status["primary"] else "streaming" for n in self.nodes}
            if status["phase"] != "Healthy" or states != {**wanted, WITNESS: "ready"}:
                raise RuntimeError(f"phase {status['phase']} ({status['phaseReason']}), members {states}")
            return status
        return self.wait_for(whole, timeout, "both members to stream and the witness to be ready")


class TwoMembersAndAWitness(FaultCase):

    kind = WitnessFleet

    def cut(self, machines, others):
        for one in machines:
            for other in others:
                self.fleet.machines.cut(one, other)

    def goes_on_alone(self, primary, since):
        """The primary writes, although it waits for nobody it could wait for; the lease is long over."""
        self.fleet.recorder.writes_resume(since + 1, timeout=LEASE_SECONDS)
        print(f"figure: {self._testMethodName}: outage {self.fleet.recorder.outage_ms(since):.0f} ms", flush=True)
        until = since + 2.5 * LEASE_SECONDS
        time.sleep(max(0, until - time.monotonic()))
        self.fleet.recorder.writes_resume(time.monotonic(), timeout=5)
        self.assertTrue(self.fleet.recorder.acknowledged_on(primary, until - 1))

    def was_alone(self, primary):
        """Everything is back: it is still primary, at a new epoch, and the history says why."""
        status = self.fleet.wait_until_whole(timeout=90)
        self.assertEqual(status["primary"], primary)
        self.assertEqual(status["epoch"], self.epoch + 1)
        self.assertIn("continue-at-new-epoch", [e["rule"] for e in self.fleet.history()])
        self.nothing_is_lost()

    def test_lost_primary_is_replaced(self):
        watch = Watch(self.fleet)
        self.fleet.lose_machine(watch.old)
        watch.fails_over()
        print(f"figure: lost primary of two: outage {watch.result().outage_ms:.0f} ms", flush=True)
        self.fleet.machines.heal()
        self.fleet.boot_machine(watch.old)
        watch.rejoins()
        self.nothing_is_lost()

    def test_controller_and_standby_lost(self):
        primary = self.fleet.wait_for_primary()
        standby, = self.standbys(primary)
        since = time.monotonic()
        self.fleet.controller.kill()
        self.fleet.kill_machine(standby)
        self.goes_on_alone(primary, since)
        self.fleet.controller.start()
        self.fleet.boot_machine(standby)
        self.was_alone(primary)

    def test_primary_beside_the_witness_keeps_the_standby_from_being_promoted(self):
        primary = self.fleet.wait_for_primary()
        standby, = self.standbys(primary)
        since = time.monotonic()
        self.cut([primary, WITNESS], [standby, "controller"])
        self.goes_on_alone(primary, since)
        self.assertEqual(self.fleet.recorder.acknowledged_on(standby, since), [])
        self.assertEqual(self.fleet.recorder.two_writers_ms(self.begin), 0)
        self.fleet.machines.heal()
        status = self.fleet.wait_until_whole(timeout=90)
        self.assertEqual(status["primary"], primary)
        self.nothing_is_lost()

    def test_primary_cut_off_from_all_is_replaced_and_acknowledges_nothing(self):
        watch = Watch(self.fleet)
        standby, = self.standbys(watch.old)
        self.cut([watch.old], [standby, "controller", WITNESS])
        self.fleet.recorder.writes_resume(watch.since, newer_than=watch.timeline)
        fenced = watch.since + LEASE_SECONDS
        time.sleep(max(0, fenced - time.monotonic()))
        wait_for(lambda: not self.fleet.server_pids(watch.old), 5, "the old primary to fence itself")
        self.fleet.machines.heal()
        self.fleet.wait_until_whole(timeout=90)
        self.nothing_is_lost()

    def test_lost_witness_costs_no_write_and_no_failover(self):
        since = time.monotonic()
        self.fleet.kill_machine(WITNESS)

        def given_up():
            status = self.fleet.cluster_json()
            return f"witness {WITNESS}" in status["phaseReason"] and "being changed" not in status["phaseReason"]
        wait_for(given_up, 20, "the witness to be missed")
        time.sleep(13)  # then the primary knows that it has none any more
        self.no_failover(since)
        watch = Watch(self.fleet)
        self.fleet.lose_machine(watch.old)
        watch.fails_over()
        self.fleet.machines.heal()
        self.fleet.boot_machine(WITNESS)
        self.fleet.boot_machine(watch.old)
        watch.rejoins()
        self.nothing_is_lost()

    def test_witness_runs_no_postgres(self):
        agent = self.fleet.agents[WITNESS]
        self.assertIsNone(agent.data_directory())
        self.assertEqual([n for n in os.listdir(agent.data_root) if n.startswith("pgdata")], [])
        self.assertEqual(self.fleet.server_pids(WITNESS), [])
        self.assertEqual(self.fleet.member(WITNESS)["role"], "witness")


if __name__ == "__main__":
    main()
