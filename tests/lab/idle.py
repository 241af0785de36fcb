# SPDX-License-Identifier: Apache-2.0
"""A scenario that boots machines and waits until somebody ends it: run.py idle.py [NAME...]."""
import signal
import sys

from lab import Lab

with Lab() as lab:
    for name in sys.argv[1:] or ["db1"]:
        lab.add(name)
    lab.boot()
    print("ready: " + ", ".join(f"{g.name} {g.address}" for g in lab.guests.values()), flush=True)
    signal.pause()
