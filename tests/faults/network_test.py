# SPDX-License-Identifier: Apache-2.0
"""Cuts between single machines, and links that are bad rather than cut.

PGM_WEATHER_SECONDS (15): how long each kind of bad link lasts."""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from case import PACE, FaultCase, main  # noqa: E402
from faults import Watch  # noqa: E402
from vm_fleet import wait_for  # noqa: E402

WEATHER_SECONDS = float(os.environ.get("PGM_WEATHER_SECONDS", "15"))
LEASE_SECONDS = 10  # examples/orders.yaml


class Cuts(FaultCase):

    def test_primary_that_only_clients_reach_acknowledges_nothing_and_fences_itself(self):
        watch = Watch(self.fleet)
        cut = time.monotonic()
        self.fleet.machines.isolate(watch.old, besides=["client"])
        watch.fails_over()
        wait_for(lambda: not self.fleet.server_pids(watch.old), LEASE_SECONDS + 5,
                 f"{watch.old} to have no PostgreSQL process any more")
        print(f"figure: only clients reach the primary: outage {watch.result().outage_ms:.0f} ms, fenced after "
              f"{(time.monotonic() - cut) * 1000:.0f} ms", flush=True)
        # What it acknowledged after the cut had reached a standby before it; nothing has since.
        self.assertEqual(self.fleet.recorder.acknowledged_on(watch.old, cut + 1), [])
        self.fleet.machines.heal()
        watch.rejoins()
        self.nothing_is_lost()

    def test_cuts_between_single_machines_are_no_failover(self):
        primary = self.fleet.wait_for_primary()
        one, other = self.standbys(primary)
        for pair in ((primary, one), (primary, other), (one, other), (one, "controller")):
            with self.subTest(pair=pair):
                since = time.monotonic()
                self.fleet.machines.cut(*pair)
                time.sleep(8)  # beyond detection; a lease would end soon
                self.no_failover(since)
                self.assertLess(self.fleet.recorder.outage_ms(since), 1_500 * PACE)
                self.fleet.machines.heal()
                self.fleet.wait_until_whole(timeout=90)
                healthy = time.monotonic()
                self.fleet.wait_until_level()
                print(f"figure: {pair}: every standby confirms WAL {(time.monotonic() - healthy) * 1000:.0f} ms after "
                      "the phase was Healthy", flush=True)
        self.nothing_is_lost()

    def test_primary_cut_from_its_standbys_goes_on_alone_and_says_so(self):
        primary = self.fleet.wait_for_primary()
        since = time.monotonic()
        for standby in self.standbys(primary):
            self.fleet.machines.cut(primary, standby)
        self.fleet.recorder.writes_resume(since + 1, timeout=30)
        status = self.wait_for_status("the phase to be settled", lambda s: s["phase"] == "Degraded" and
                                      "being changed" not in s["phaseReason"])
        blocked = self.fleet.recorder.outage_ms(since, time.monotonic())
        print(f"figure: primary cut from its standbys: blocked {blocked:.0f} ms; {status['phaseReason']}", flush=True)
        self.assertEqual((status["primary"], status["epoch"]), (primary, self.epoch))
        self.assertIn("confirmed by 0 standbys instead of 1", status["phaseReason"])
        self.assertLess(blocked, 8_000)  # "a few seconds", says examples/orders.yaml
        self.fleet.machines.heal()
        self.fleet.wait_until_whole(timeout=120)
        self.nothing_is_lost()

    def test_primary_that_wrote_alone_has_no_heir(self):
        primary = self.fleet.wait_for_primary()
        cut = time.monotonic()
        for standby in self.standbys(primary):
            self.fleet.machines.cut(primary, standby)
        self.fleet.recorder.writes_resume(cut + 5, rows=100, timeout=40)
        self.fleet.kill_machine(primary)
        self.fleet.machines.heal()

        self.wait_for_status("the phase to name who is missing",
                             lambda s: s["phase"] == "NoPrimary" and primary in s["phaseReason"])
        for standby in self.standbys(primary):
            self.assertEqual(self.fleet.recorder.acknowledged_on(standby, self.begin), [])
        self.fleet.boot_machine(primary)
        self.fleet.wait_until_whole(timeout=120)
        self.fleet.recorder.writes_resume(time.monotonic())
        self.nothing_is_lost()


class Weather(FaultCase):

    def bad_links(self, **how):
        since = time.monotonic()
        for name in [*self.fleet.nodes, "controller"]:
            self.fleet.machines.shape(name, **how)
        time.sleep(WEATHER_SECONDS)
        rows = self.fleet.recorder.client.report().rows_after(since)
        self.fleet.calm()
        self.fleet.wait_until_whole(timeout=90)
        self.fleet.recorder.writes_resume(time.monotonic())
        print(f"figure: {how}: {rows} rows in {WEATHER_SECONDS:g} s, longest time without one "
              f"{self.fleet.recorder.outage_ms(since):.0f} ms", flush=True)
        self.assertEqual(self.fleet.cluster_json()["epoch"], self.epoch)
        self.nothing_is_lost()

    def test_loss_is_no_failover(self):
        self.bad_links(loss=0.2)

    def test_delay_is_no_failover(self):
        self.bad_links(delay=0.2, jitter=0.1)

    def test_slow_links_are_no_failover(self):
        self.bad_links(rate=125_000)

    def test_flapping_link_of_the_primary_is_one_failover_at_most(self):
        primary = self.fleet.wait_for_primary()
        end = time.monotonic() + WEATHER_SECONDS
        while time.monotonic() < end:
            self.fleet.machines.isolate(primary)
            time.sleep(0.5)
            self.fleet.machines.heal()
            time.sleep(0.5)
        status = self.fleet.wait_until_whole(timeout=120)
        self.fleet.recorder.writes_resume(time.monotonic())
        self.assertLessEqual(status["epoch"], self.epoch + 1)
        self.nothing_is_lost()


if __name__ == "__main__":
    main()
