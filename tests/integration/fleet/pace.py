# SPDX-License-Identifier: Apache-2.0
"""How much slower than usual this machine is at what an outage consists of once the loss is noticed: processes that
start (backends, programs of the archive, the clients themselves). A virtual machine without hardware support for
page tables takes several times as long for that, and nothing that we wrote makes up for it."""
import functools
import os
import time

USUAL_MS = 0.6
PROGRAM = "/bin/true"


def start_ms():
    begin = time.monotonic()
    os.waitpid(os.posix_spawn(PROGRAM, [PROGRAM], {}), 0)
    return (time.monotonic() - begin) * 1000


def measured():
    """(milliseconds, how many times the usual). The best of many: load must not loosen a bar."""
    best = min(start_ms() for _ in range(100))
    return best, max(1.0, best / USUAL_MS)


def of(many):
    """How many of what the usual machine can do `many` of at a time."""
    return max(1, round(many / measured()[1]))


@functools.cache
def pace():
    """1 on the usual machine and on faster ones; so many times the usual on others. Measured once."""
    best, factor = measured()
    print(f"figure: a process starts in {best:.1f} ms; bars of what depends on that are {factor:.1f} times the usual",
          flush=True)
    return factor
