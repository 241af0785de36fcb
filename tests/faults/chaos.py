# SPDX-License-Identifier: Apache-2.0
"""Chaos: faults of all kinds drawn from a seed, at random moments and side by side.

Each fault takes a machine or a link, holds it for a while and gives it back. Two go on at a time, so that a
second one may hit in the middle of a failover. The journal tells what happened when, for reproduction: the
same seed draws the same faults, though not with the same timing to the millisecond.
"""
import os
import random
import signal
import time

WEATHERS = ({"loss": 0.2}, {"delay": 0.2, "jitter": 0.1}, {"rate": 125_000}, {"loss": 0.05, "delay": 0.05})


class Chaos:
    def __init__(self, fleet, seed, at_once=2):
        self.fleet, self.machines = fleet, fleet.machines
        self.chance = random.Random(seed)
        self.at_once = at_once
        self.active = []  # (end, name, machines taken, how it ends)
        self.journal = []
        self.begin = time.monotonic()

    def run(self, seconds):
        """Lets faults happen for so long; all have ended when it returns. Returns how many there were."""
        end = time.monotonic() + seconds
        number = 0
        while time.monotonic() < end:
            self._end_those_due()
            if len(self.active) < self.at_once and self._begin_one():
                number += 1
            time.sleep(self.chance.uniform(0.1, 2.0))
        self._end_those_due(everything=True)
        return number

    def _begin_one(self):
        fault = self.chance.choice((self._kill_postgres, self._kill_machine, self._lose_machine, self._freeze_machine,
                                    self._freeze_server, self._freeze_agent, self._kill_agent, self._cut_machine,
                                    self._cut_link, self._cut_one_way, self._weather, self._kill_controller,
                                    self._freeze_controller, self._switchover, self._client_of_the_primary))
        seconds = self.chance.choice((0.2, 1, 3, 6, 12, 20))
        node = self.chance.choice(self._favoured())
        taken = {machine for _, _, machines, _ in self.active for machine in machines}
        return fault(node, seconds, taken)

    def _favoured(self):
        """Nodes to draw from: the primary is hit half the time."""
        last = self.fleet.recorder.client.report()
        address = last.values[-1].split()[1] if last.values else ""
        primary = [n for n, a in self.fleet.addresses.items() if a == address]
        return self.fleet.nodes + primary * (len(self.fleet.nodes) - 1)

    def note(self, text):
        self.journal.append(f"{time.monotonic() - self.begin:8.3f} {text}")

    def _hold(self, name, machines, seconds, end):
        self.note(f"begin {name} for {seconds} s")
        self.active.append((time.monotonic() + seconds, name, machines, end))
        return True

    def _end_those_due(self, everything=False):
        for fault in list(self.active):
            due, name, _, end = fault
            if everything or time.monotonic() >= due:
                end()
                self.active.remove(fault)
                self.note(f"end {name}")

    # Faults of one node

    def _kill_postgres(self, node, _, taken):
        if node in taken:
            return False
        try:
            os.kill(self.fleet.agents[node].postmaster_pid(), signal.SIGKILL)
        except (RuntimeError, ProcessLookupError):
            return False  # it does not run at the moment
        self.note(f"killed the postmaster of {node}")
        return True

    def _kill_machine(self, node, seconds, taken):
        if node in taken:
            return False
        self.fleet.kill_machine(node)
        return self._hold(f"{node} killed", [node], seconds, lambda: self.fleet.boot_machine(node))

    def _lose_machine(self, node, seconds, taken):
        if node in taken:
            return False
        links = self.machines.isolate(node)
        self.fleet.kill_machine(node)

        def back():
            self.machines.heal(links)
            self.fleet.boot_machine(node)
        return self._hold(f"{node} lost", [node], seconds, back)

    def _freeze_machine(self, node, seconds, taken):
        if node in taken:
            return False
        self.fleet.freeze_machine(node)
        return self._hold(f"{node} frozen", [node], seconds, lambda: self.fleet.thaw_machine(node))

    def _freeze_server(self, node, seconds, taken):
        if node in taken:
            return False
        for pid in self.fleet.server_pids(node):
            self.fleet.signal_one(pid, signal.SIGSTOP)
        return self._hold(f"PostgreSQL of {node} frozen", [node], seconds, lambda: self.fleet.thaw_machine(node))

    def _freeze_agent(self, node, seconds, taken):
        if node in taken:
            return False
        self.fleet.agents[node].pause()
        return self._hold(f"agent of {node} frozen", [node], seconds, self.fleet.agents[node].resume)

    def _kill_agent(self, node, seconds, taken):
        if node in taken:
            return False
        self.fleet.agents[node].kill()
        return self._hold(f"agent of {node} killed", [node], seconds, lambda: self.fleet.boot_machine(node))

    # Faults of the network

    def _cut_machine(self, node, seconds, _):
        links = self.machines.isolate(node)
        return self._hold(f"{node} cut off", [], seconds, lambda: self.machines.heal(links))

    def _client_of_the_primary(self, node, seconds, _):
        links = self.machines.isolate(node, besides=["client"])
        return self._hold(f"{node} cut off from all but clients", [], seconds, lambda: self.machines.heal(links))

    def _cut_link(self, node, seconds, _, both=True):
        other = self.chance.choice([n for n in [*self.fleet.nodes, "controller"] if n != node])
        if self.chance.random() < 0.5:
            node, other = other, node
        links = self.machines.cut(node, other, both=both)
        name = f"{node} and {other} cut" if both else f"nothing from {node} to {other}"
        return self._hold(name, [], seconds, lambda: self.machines.heal(links))

    def _cut_one_way(self, node, seconds, taken):
        return self._cut_link(node, seconds, taken, both=False)

    def _weather(self, node, seconds, _):
        weather = self.chance.choice(WEATHERS)
        self.machines.shape(node, **weather)
        return self._hold(f"{node} sends with {weather}", [], seconds, lambda: self.machines.shape(node))

    # Faults of the controller, and what people do

    def _kill_controller(self, _, seconds, taken):
        if "controller" in taken:
            return False
        self.fleet.controller.kill()
        return self._hold("controller killed", ["controller"], seconds, self.fleet.controller.start)

    def _freeze_controller(self, _, seconds, taken):
        if "controller" in taken:
            return False
        self.fleet.freeze_machine("controller")
        return self._hold("controller frozen", ["controller"], seconds,
                          lambda: self.fleet.thaw_machine("controller"))

    def _switchover(self, *_):
        self.note("switchover asked for")
        self.fleet.ask_for_switchover()
        return True
