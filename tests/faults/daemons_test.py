# SPDX-License-Identifier: Apache-2.0
"""Daemons and whole machines that die, freeze or come back at a bad moment.

PGM_CONTROLLER_KILLS (3): failovers during which the controller is killed."""
import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from case import PACE, FaultCase, main  # noqa: E402
from faults import Watch  # noqa: E402
from vm_fleet import wait_for  # noqa: E402

CONTROLLER_KILLS = int(os.environ.get("PGM_CONTROLLER_KILLS", "3"))
LEASE_SECONDS = 10  # examples/orders.yaml
DETECT_SECONDS = 3


class Agents(FaultCase):

    def fenced_by_the_guard(self, watch):
        """The server of the old primary ends within a lease, and another takes over."""
        wait_for(lambda: not self.fleet.server_pids(watch.old), LEASE_SECONDS + 2, "the guard to end the server")
        fenced = time.monotonic() - watch.since
        watch.fails_over()
        print(f"figure: {self._testMethodName}: fenced after {fenced * 1000:.0f} ms, outage "
              f"{watch.result().outage_ms:.0f} ms", flush=True)

    def test_dead_agent_beside_a_living_primary_is_fenced_and_replaced(self):
        watch = Watch(self.fleet)
        self.fleet.agents[watch.old].kill()
        self.fenced_by_the_guard(watch)
        self.fleet.boot_machine(watch.old)
        watch.rejoins()
        self.nothing_is_lost()

    def test_frozen_agent_beside_a_living_primary_is_fenced_and_replaced(self):
        watch = Watch(self.fleet)
        self.fleet.agents[watch.old].pause()
        self.fenced_by_the_guard(watch)
        self.fleet.agents[watch.old].resume()
        watch.rejoins()
        self.nothing_is_lost()

    def test_agent_frozen_for_less_than_a_lease_changes_nothing(self):
        primary = self.fleet.wait_for_primary()
        since = time.monotonic()
        self.fleet.agents[primary].pause()
        time.sleep(5)
        self.fleet.agents[primary].resume()
        self.fleet.wait_until_whole(timeout=30)
        self.no_failover(since)
        self.nothing_is_lost()

    def test_guard_killed_changes_no_write(self):
        primary = self.fleet.wait_for_primary()
        since = time.monotonic()
        guards = self.fleet.guard_pids(primary)
        self.assertTrue(guards)
        for pid in guards:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: set(self.fleet.guard_pids(primary)) - set(guards), 15, "another guard")
        self.fleet.wait_until_whole(timeout=30)
        self.no_failover(since)
        self.nothing_is_lost()


class Frozen(FaultCase):

    def test_controller_that_wakes_up_suspects_nobody(self):
        since = time.monotonic()
        self.fleet.freeze_machine("controller")
        time.sleep(6)  # all agents have been silent for twice the detection, by its clock
        self.fleet.thaw_machine("controller")
        self.fleet.wait_until_whole(timeout=60)
        time.sleep(3)
        self.no_failover(since)
        self.nothing_is_lost()

    def test_controller_frozen_beyond_the_lease_suspects_nobody(self):
        since = time.monotonic()
        self.fleet.freeze_machine("controller")
        time.sleep(LEASE_SECONDS + 8)
        self.fleet.thaw_machine("controller")
        self.fleet.wait_until_whole(timeout=60)
        time.sleep(3)
        self.no_failover(since)
        self.nothing_is_lost()

    def test_everything_frozen_for_a_while_is_no_failover(self):
        everybody = [*self.fleet.nodes, "controller"]
        for name in everybody:
            self.fleet.freeze_machine(name)
        # A host that moves its VMs. All have been silent for longer than the detection; fencing would begin 3 s
        # before the end of the lease, and until then they have to find each other again.
        time.sleep(DETECT_SECONDS + 1)
        for name in everybody:
            self.fleet.thaw_machine(name)
        self.fleet.wait_until_whole(timeout=60)
        self.fleet.recorder.writes_resume(time.monotonic())
        self.assertEqual(self.fleet.cluster_json()["epoch"], self.epoch)
        self.nothing_is_lost()

    def test_standbys_frozen_for_a_while_cost_no_row(self):
        for standby in self.standbys():
            self.fleet.freeze_machine(standby)
        time.sleep(8)
        self.fleet.calm()
        self.fleet.wait_until_whole(timeout=90)
        self.fleet.recorder.writes_resume(time.monotonic())
        self.assertEqual(self.fleet.cluster_json()["epoch"], self.epoch)
        self.nothing_is_lost()


class Restarts(FaultCase):

    def test_power_cycle_of_everything(self):
        for node in self.fleet.nodes:
            self.fleet.kill_machine(node)
        self.fleet.controller.kill()
        begin = time.monotonic()
        self.fleet.boot_all()
        self.fleet.recorder.writes_resume(begin, timeout=60)
        wrote = time.monotonic() - begin
        self.fleet.wait_until_whole(timeout=90)
        print(f"figure: power cycle: writes after {wrote:.1f} s, whole after {time.monotonic() - begin:.1f} s", flush=True)
        self.nothing_is_lost()

    def test_one_primary_after_the_other(self):
        for _ in range(3):
            watch = Watch(self.fleet)
            self.fleet.kill_machine(watch.old)
            watch.fails_over()
            self.fleet.boot_machine(watch.old)
            watch.rejoins()
        self.nothing_is_lost()

    def test_next_primary_dies_before_the_first_is_back(self):
        first = Watch(self.fleet)
        self.fleet.kill_machine(first.old)
        first.fails_over()
        second = Watch(self.fleet)
        self.fleet.kill_machine(second.old)
        self.fleet.boot_machine(first.old)
        self.fleet.boot_machine(second.old)
        self.fleet.wait_until_whole(timeout=120)
        self.fleet.recorder.writes_resume(time.monotonic())
        self.nothing_is_lost()

    def test_controller_killed_during_failovers(self):
        chance = random.Random(5)
        for _ in range(CONTROLLER_KILLS):
            watch = Watch(self.fleet)
            os.kill(self.fleet.agents[watch.old].postmaster_pid(), signal.SIGKILL)
            time.sleep(chance.uniform(0, 0.6))  # anywhere between the suspicion and the promotion
            self.fleet.controller.kill()
            self.fleet.controller.start()
            self.fleet.wait_until_whole(timeout=90)
            self.fleet.recorder.writes_resume(time.monotonic())
        self.nothing_is_lost()

    def test_store_that_is_restored_from_an_old_copy(self):
        controller = self.fleet.controller
        copy = self.copy_of_the_store()
        watch = Watch(self.fleet)
        self.fleet.kill_machine(watch.old)
        new = watch.fails_over()
        self.fleet.boot_machine(watch.old)
        self.fleet.wait_until_whole(timeout=90)
        later = self.fleet.cluster_json()["epoch"]

        since = time.monotonic()
        controller.kill()
        controller.restore_store(copy)
        controller.start()
        after = self.fleet.wait_until_whole(timeout=90)
        self.assertEqual((after["epoch"], after["primary"]), (later, new), "it adopts what the agents know")
        self.assertTrue(any(e["rule"] == "store-is-old" for e in self.fleet.history()))
        self.assertLess(self.fleet.recorder.outage_ms(since), 1000 * PACE, "no write waits for the controller")
        self.nothing_is_lost()

        again = Watch(self.fleet)  # and it goes on from there
        self.fleet.kill_machine(again.old)
        again.fails_over()
        self.fleet.boot_machine(again.old)
        again.rejoins()
        self.nothing_is_lost()

        times = self.times_the_store_was_old()
        controller.kill()
        controller.start()
        self.fleet.wait_until_whole(timeout=60)
        self.assertEqual(self.times_the_store_was_old(), times, "it counts on from what it has learnt")

    def test_copy_that_is_as_new_but_another_one(self):
        controller = self.fleet.controller
        copy = self.copy_of_the_store()
        times = self.times_the_store_was_old()
        controller.kill()
        controller.restore_store(copy)  # opened under the same number again, at the same epoch
        controller.start()
        wait_for(lambda: self.times_the_store_was_old() == times + 1, 30, "the copy to be noticed")
        self.fleet.wait_until_whole(timeout=60)
        self.nothing_is_lost()

    def copy_of_the_store(self):
        """As it is now; it is opened once more after that."""
        self.fleet.controller.kill()
        copy = self.fleet.controller.copy_store()
        self.fleet.controller.start()
        self.fleet.wait_until_whole(timeout=60)
        return copy

    def times_the_store_was_old(self):
        return sum(e["rule"] == "store-is-old" for e in self.fleet.history())


if __name__ == "__main__":
    main()
