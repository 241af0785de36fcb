# SPDX-License-Identifier: Apache-2.0
"""The faults that the bench measures and the tests judge. Each is a function of a VmFleet that is whole; it
leaves it whole again and returns a Measurement."""
import dataclasses
import os
import signal
import time

from vm_fleet import wait_for


@dataclasses.dataclass
class Measurement:
    outage_ms: float
    rejoin_ms: float = 0.0       # from the fault's end until the old primary streams again
    dns_ms: float = 0.0          # from the fault's beginning until the name leads to the new primary
    two_writers_ms: float = 0.0
    failed_writes: int = 0


class Watch:
    """Measures from now on. It asks nobody while writes stand still: a command more takes its time from those
    that fail over, on a machine with few cores."""

    def __init__(self, fleet):
        self.fleet, self.recorder = fleet, fleet.recorder
        self.old = fleet.wait_for_primary()
        self.timeline = self.recorder.timeline()
        self.rejoined = self.dns = 0.0
        self.since = time.monotonic()
        self.until = None

    def fails_over(self, timeout=60):
        """Waits for writes on a new primary; the outage ends there. Returns the new primary."""
        self.recorder.writes_resume(self.since, newer_than=self.timeline, timeout=timeout)
        self.until = time.monotonic()
        new = self.fleet.wait_for_new_primary(self.old)
        self.dns = wait_for(lambda: self.recorder.dns_ms(new, self.since), 10, f"the name to lead to {new}")
        return new

    def goes_on(self):
        """Waits until the cluster is whole and writes; nobody was to fail over."""
        self.fleet.wait_until_whole(timeout=90)
        self.recorder.writes_resume(time.monotonic())
        self.until = time.monotonic()

    def rejoins(self, node=None):
        begin = time.monotonic()
        self.fleet.wait_until_streaming(node or self.old)
        self.rejoined = (time.monotonic() - begin) * 1000
        self.fleet.wait_until_whole(timeout=90)

    def result(self):
        return Measurement(self.recorder.outage_ms(self.since, self.until), self.rejoined, self.dns,
                           self.recorder.two_writers_ms(self.since), len(self.recorder.failed_writes(self.since)))


def postgres_killed(fleet):
    """kill -9 of the primary's postmaster; its agent lives."""
    watch = Watch(fleet)
    os.kill(fleet.agents[watch.old].postmaster_pid(), signal.SIGKILL)
    watch.fails_over()
    watch.rejoins()
    return watch.result()


def vm_killed(fleet):
    """All processes of the primary's VM die; its kernel still answers with resets."""
    watch = Watch(fleet)
    fleet.kill_machine(watch.old)
    watch.fails_over()
    fleet.boot_machine(watch.old)
    watch.rejoins()
    return watch.result()


def vm_lost(fleet):
    """The primary's VM is gone: silence, no resets."""
    watch = Watch(fleet)
    fleet.lose_machine(watch.old)
    watch.fails_over()
    fleet.machines.heal()
    fleet.boot_machine(watch.old)
    watch.rejoins()
    return watch.result()


def network_cut(fleet, seconds=20):
    """The primary is cut off from everything, and goes on running."""
    watch = Watch(fleet)
    fleet.machines.isolate(watch.old)
    watch.fails_over()
    time.sleep(max(0.0, watch.since + seconds - time.monotonic()))  # the fault lasts that long
    fleet.machines.heal()
    watch.rejoins()
    return watch.result()


def switchover(fleet):
    """Planned, under load."""
    watch = Watch(fleet)
    fleet.cli("cluster", "switchover", "orders")
    watch.fails_over()
    watch.rejoins()
    return watch.result()


def postgres_frozen(fleet):
    """SIGSTOP of the primary's postmaster and all its children; the agent lives."""
    watch = Watch(fleet)
    pids = fleet.server_pids(watch.old)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        watch.fails_over()
    finally:
        for pid in pids:
            fleet.signal_one(pid, signal.SIGCONT)
    watch.rejoins()
    return watch.result()


def controller_down(fleet, seconds=60):
    """The controller is killed, and started again later."""
    watch = Watch(fleet)
    fleet.controller.kill()
    time.sleep(seconds)  # the fault lasts that long
    fleet.controller.start()
    watch.goes_on()
    return watch.result()


def standby_restart(fleet):
    """All processes of one standby's VM die, and it boots again."""
    watch = Watch(fleet)
    standby = next(n for n in fleet.nodes if n != watch.old)
    fleet.kill_machine(standby)
    fleet.boot_machine(standby)
    watch.rejoins(standby)
    watch.goes_on()
    return watch.result()


FAULTS = {f.__name__: f for f in (postgres_killed, vm_killed, vm_lost, network_cut, switchover, postgres_frozen,
                                  controller_down, standby_restart)}
