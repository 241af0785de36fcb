# SPDX-License-Identifier: Apache-2.0
"""Control groups of the lab's guests: one per guest in every hierarchy that is needed.

systemd-nspawn keeps a guest in the group of its caller, so two guests started from one group would share it. The
memory hierarchy is left alone.
"""
import os
import signal
import time

TOP = "/sys/fs/cgroup"
NAME = "pgmahout-lab"
HIERARCHIES = ("systemd", "unified", "freezer", "cpu", "cpuacct", "blkio", "pids")
FREEZE_TIMEOUT = 10


def _group(hierarchy, guest=""):
    return os.path.join(TOP, hierarchy, NAME, guest)


def usable():
    return os.access(os.path.join(TOP, "systemd", "cgroup.procs"), os.W_OK)


def enter(guest):
    """Moves the calling process into the guest's groups. Only what is safe between fork and exec."""
    for hierarchy in HIERARCHIES:
        if os.path.isdir(os.path.join(TOP, hierarchy)):
            os.makedirs(_group(hierarchy, guest), exist_ok=True)
            with open(os.path.join(_group(hierarchy, guest), "cgroup.procs"), "w", encoding="ascii") as f:
                f.write("0")


def _write_freezer(guest, state):
    with open(os.path.join(_group("freezer", guest), "freezer.state"), "w", encoding="ascii") as f:
        f.write(state)


def freeze(guest):
    """Returns once no process of the guest runs any more."""
    _write_freezer(guest, "FROZEN")
    deadline = time.monotonic() + FREEZE_TIMEOUT
    while time.monotonic() < deadline:
        with open(os.path.join(_group("freezer", guest), "freezer.state"), encoding="ascii") as f:
            if f.read().strip() == "FROZEN":
                return
        time.sleep(0.01)
    raise TimeoutError(f"guest {guest} is not frozen after {FREEZE_TIMEOUT} s")


def thaw(guest):
    if os.path.isdir(_group("freezer", guest)):
        _write_freezer(guest, "THAWED")


def members():
    """Processes of all guests."""
    for folder, _, files in os.walk(_group("freezer")):
        if "cgroup.procs" in files:
            with open(os.path.join(folder, "cgroup.procs"), encoding="ascii") as f:
                yield from (int(line) for line in f)


def sweep():
    """Ends what a crashed lab has left: processes in our groups, then the groups."""
    for folder, _, files in os.walk(_group("freezer")):
        if "freezer.state" in files and folder != _group("freezer").rstrip("/"):
            with open(os.path.join(folder, "freezer.state"), "w", encoding="ascii") as f:
                f.write("THAWED")
    deadline = time.monotonic() + FREEZE_TIMEOUT
    while pids := set(members()):
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if time.monotonic() >= deadline:
            raise TimeoutError(f"processes {sorted(pids)} of the lab are still there after SIGKILL")
        time.sleep(0.02)
    for hierarchy in HIERARCHIES:
        for folder, _, _ in os.walk(_group(hierarchy), topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                pass  # its last process is a zombie that init has not reaped yet
