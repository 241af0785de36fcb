#!/usr/bin/python3 -B
# SPDX-License-Identifier: Apache-2.0
"""Memory and CPU of the daemons of a Healthy, idle cluster of three.

    sudo tests/bench/footprint.py [SECONDS]

Prints resident memory (VmRSS, MiB) and the share of one core over SECONDS (default 20).
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration", "fleet"))

from fleet import Fleet  # noqa: E402


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:")) / 1024


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20
    with Fleet(major="15") as fleet:
        fleet.start()
        fleet.apply(fleet.spec())
        status = fleet.wait_until_whole()
        daemons = {"controller": fleet.controller}
        for node, agent in fleet.agents.items():
            daemons["agent of the primary" if node == status["primary"] else f"agent of standby {node}"] = agent
        before = {name: cpu_seconds(d.pid) for name, d in daemons.items()}
        time.sleep(seconds)
        for name, daemon in daemons.items():
            share = (cpu_seconds(daemon.pid) - before[name]) / seconds * 100
            print(f"{name:22} {rss_mib(daemon.pid):6.1f} MiB  {share:5.2f} % of a core")


if __name__ == "__main__":
    main()
