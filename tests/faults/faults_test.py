# SPDX-License-Identifier: Apache-2.0
"""Faults of real clusters on machines of their own: nothing acknowledged is lost, two servers never
acknowledge side by side, and writes go on in time. The bars are those of the bench, here with half as much
again, as a test shares its machine; scripts/bench shows the figures.

PGM_FAULT_RUNS (2): runs of each measured fault.
PGM_QUORUM_ROUNDS (10): changes of the quorum under kills."""
import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from case import FaultCase, main  # noqa: E402
from faults import FAULTS, Watch  # noqa: E402
from vm_fleet import wait_for  # noqa: E402

ROUNDS = int(os.environ.get("PGM_QUORUM_ROUNDS", "10"))


class Outages(FaultCase):

    def test_postgres_killed(self):
        self.measure("postgres_killed", 1_000)

    def test_vm_killed(self):
        self.measure("vm_killed", 2_000)

    def test_vm_lost(self):
        self.measure("vm_lost", 4_000, noticed_ms=3_000)

    def test_network_cut(self):
        self.measure("network_cut", 5_000, noticed_ms=3_000, seconds=12)

    def test_switchover(self):
        self.measure("switchover", 500)

    def test_standby_restart_fails_no_write(self):
        measurement = FAULTS["standby_restart"](self.fleet)
        self.assertEqual(measurement.failed_writes, 0)
        self.nothing_is_lost()


class DetectAfterOneSecond(FaultCase):
    changes = ((r"detectAfter: \S+", "detectAfter: 1s"),)

    def test_vm_lost(self):
        self.measure("vm_lost", 2_000, noticed_ms=1_000)


class Controller(FaultCase):

    def test_down_beyond_the_lease_fails_no_write(self):
        measurement = FAULTS["controller_down"](self.fleet, seconds=25)
        self.assertEqual(measurement.failed_writes, 0)
        self.nothing_is_lost()

    def test_down_together_with_a_standby_fails_no_write(self):
        standby = self.standbys()[0]
        since = time.monotonic()
        self.fleet.controller.kill()
        self.fleet.kill_machine(standby)
        time.sleep(25)  # longer than a lease
        self.assertEqual(self.fleet.recorder.failed_writes(since), [])
        print(f"figure: down together with a standby: {self.fleet.recorder.outage_ms(since):.0f} ms", flush=True)
        self.fleet.boot_machine(standby)
        self.fleet.controller.start()
        self.fleet.wait_until_whole(timeout=90)
        self.nothing_is_lost()

    def test_that_is_back_before_a_standby_keeps_its_access(self):
        primary = self.fleet.wait_for_primary()
        standby = self.standbys(primary)[0]
        self.fleet.kill_machine(standby)
        self.fleet.controller.kill()
        self.fleet.controller.start()
        self.fleet.cli("apply", "--no-wait", "-f", self.fleet.spec(("work_mem: 16MB", "work_mem: 24MB")))
        wait_for(lambda: self.fleet.psql(primary, "SHOW work_mem") == "24MB", 30, "the new controller to be obeyed")
        rules = f"SELECT count(*) FROM pg_hba_file_rules WHERE address = '{self.fleet.addresses[standby]}'"
        self.assertNotEqual(self.fleet.psql(primary, rules), "0")
        self.fleet.boot_machine(standby)
        self.fleet.wait_until_whole(timeout=90)
        self.nothing_is_lost()

    def test_primary_that_dies_meanwhile_is_replaced_when_it_is_back(self):
        primary = self.fleet.wait_for_primary()
        self.fleet.controller.kill()
        self.fleet.kill_machine(primary)
        self.fleet.controller.start()
        self.fleet.wait_for_new_primary(primary)
        self.fleet.boot_machine(primary)
        self.fleet.wait_until_whole(timeout=90)
        self.nothing_is_lost()

    def test_cut_from_the_primary_alone_is_no_failover(self):
        primary = self.fleet.wait_for_primary()
        epoch = self.fleet.cluster_json()["epoch"]
        since = time.monotonic()
        self.fleet.machines.cut(primary, "controller")

        def degraded():
            status = self.fleet.cluster_json()
            return status["phase"] == "Degraded" and primary in status["phaseReason"]
        wait_for(degraded, 15, "the reason to be shown")
        time.sleep(20)  # longer than a lease
        self.assertEqual(self.fleet.recorder.failed_writes(since), [])
        self.fleet.machines.heal()
        self.assertEqual(self.fleet.wait_until_whole()["epoch"], epoch)
        self.nothing_is_lost()


class Safety(FaultCase):

    def test_last_standby_takes_over_after_the_other_was_away(self):
        primary = self.fleet.wait_for_primary()
        away, last = self.standbys(primary)
        self.fleet.kill_machine(away)

        def left():  # after ten seconds it is no longer waited for, as a step that the primary confirms
            status = self.fleet.cluster_json()
            sync = {m["node"]: m["sync"] for m in status["members"]}
            return sync[away] == "async" and sync[last] == "quorum" and "being changed" not in status["phaseReason"]
        wait_for(left, 40, f"{away} to leave the quorum")
        watch = Watch(self.fleet)
        self.fleet.lose_machine(primary)
        watch.fails_over()
        self.assertEqual(self.fleet.wait_for_primary(), last)
        self.fleet.boot_machine(away)
        self.fleet.machines.heal()
        self.fleet.boot_machine(primary)
        self.fleet.wait_until_whole(timeout=120)
        self.nothing_is_lost()

    def test_frozen_primary_acknowledges_nothing_when_it_wakes_up(self):
        watch = Watch(self.fleet)
        self.fleet.freeze_machine(watch.old)
        watch.fails_over()
        time.sleep(max(0, 30 - (time.monotonic() - watch.since)))  # the fault lasts that long
        woken = time.monotonic()
        self.fleet.thaw_machine(watch.old)
        self.fleet.wait_until_streaming(watch.old)
        self.fleet.wait_until_whole(timeout=90)
        self.assertEqual(self.fleet.recorder.acknowledged_on(watch.old, woken), [])
        self.nothing_is_lost()

    def test_primary_and_a_standby_lost_promotes_nobody_unasked(self):
        primary = self.fleet.wait_for_primary()
        lost, last = self.standbys(primary)
        self.fleet.kill_machine(lost)
        self.fleet.kill_machine(primary)

        def stuck():
            status = self.fleet.cluster_json()
            return status["phase"] == "NoPrimary" and "--accept-data-loss" in status["phaseReason"]
        wait_for(stuck, 40, "the phase to say what is missing")
        self.assertFalse(self.fleet.recorder.acknowledged_on(last, self.begin))
        self.fleet.boot_machine(lost)
        self.fleet.boot_machine(primary)
        self.fleet.wait_until_whole(timeout=120)
        self.nothing_is_lost()

    def test_standbys_cut_from_the_primary_keep_commits_safe(self):
        primary = self.fleet.wait_for_primary()
        for standby in self.standbys(primary):
            self.fleet.machines.cut(primary, standby)
        time.sleep(15)  # whatever the policy does, it has done by then
        self.fleet.machines.heal()
        self.fleet.wait_until_whole(timeout=120)
        self.fleet.recorder.writes_resume(time.monotonic())
        self.nothing_is_lost()

    def test_one_way_cuts(self):
        primary = self.fleet.wait_for_primary()
        standby = self.standbys(primary)[0]
        for source, target in ((primary, standby), (standby, primary), ("controller", primary),
                               (primary, "controller")):
            with self.subTest(source=source, target=target):
                self.fleet.machines.cut(source, target, both=False)
                time.sleep(6)  # beyond detection
                self.fleet.machines.heal()
                self.fleet.wait_until_whole(timeout=120)
                self.fleet.recorder.writes_resume(time.monotonic())
        self.nothing_is_lost()

    def test_quorum_changes_under_kills(self):
        chance = random.Random(7)
        for number in range(ROUNDS):
            durability = chance.choice(["preferred", "required"])
            self.fleet.cli("apply", "--no-wait", "-f", self.fleet.spec((r"dataDurability: \S+", f"dataDurability: {durability}")))
            node = chance.choice(self.fleet.nodes)
            if chance.random() < 0.5:
                self.fleet.kill_machine(node)
                self.fleet.boot_machine(node)
            else:
                os.kill(self.fleet.agents[node].postmaster_pid(), signal.SIGKILL)
            self.fleet.recorder.writes_resume(time.monotonic())
            self.fleet.wait_until_whole(timeout=120)
            if number % 5 == 4:
                self.assertEqual(self.fleet.recorder.lost_rows(), [])
        self.nothing_is_lost()


class LossAccepted(FaultCase):

    def test_former_primary_goes_on_when_it_is_all_that_is_left(self):
        former = self.fleet.wait_for_primary()
        self.fleet.kill_machine(former)
        self.fleet.wait_for_new_primary(former)
        self.fleet.recorder.writes_resume(time.monotonic())
        for node in self.standbys(former):
            self.fleet.kill_machine(node)
        self.fleet.boot_machine(former)
        self.wait_for_status("the way on to be told", lambda status: f"--to {former}" in status["phaseReason"])
        self.fleet.cli("cluster", "failover", "orders", "--to", former, "--accept-data-loss", "--yes")
        self.assertEqual(self.fleet.wait_for_primary(), former)
        self.fleet.recorder.writes_resume(time.monotonic())
        since = time.monotonic()
        self.fleet.boot_all()
        self.fleet.wait_until_whole(timeout=120)
        self.assertEqual(self.fleet.recorder.failed_writes(since), [])
        self.assertEqual(self.fleet.recorder.two_writers_ms(self.begin), 0)


if __name__ == "__main__":
    main()
