# SPDX-License-Identifier: Apache-2.0
"""Collects orphans of a fleet at once, as systemd does on a real machine.

A server whose agent was killed belongs to process 1. Where that one collects its dead late, as in
some containers, a dead postmaster still looks alive to kill(pid, 0), and no other starts on its data
directory. So the process that owns a fleet adopts the orphans.
"""
import ctypes
import glob
import os
import threading

PR_SET_CHILD_SUBREAPER = 36
INTERVAL = 0.05


def adopt_orphans():
    """Orphans of this process's descendants become its own children from now on."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def _children():
    """Pids of this process's children; the kernel lists them per thread."""
    for path in glob.glob("/proc/self/task/*/children"):
        try:
            with open(path, encoding="ascii") as f:
                yield from map(int, f.read().split())
        except FileNotFoundError:
            continue  # that thread has just ended


def _is_dead_orphan(pid):
    """A zombie of another session. What subprocess starts is in ours, and subprocess waits for it."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            fields = f.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return fields[0] == "Z" and int(fields[3]) != os.getsid(0)


class Reaper(threading.Thread):
    """Runs until stop(). `own` tells the pids that somebody else waits for."""

    def __init__(self, own):
        super().__init__(daemon=True, name="reaper")
        self.own = own
        self.stopping = threading.Event()

    def run(self):
        while not self.stopping.wait(INTERVAL):
            for pid in list(_children()):
                if _is_dead_orphan(pid) and pid not in self.own():
                    try:
                        os.waitpid(pid, os.WNOHANG)
                    except ChildProcessError:
                        pass

    def stop(self):
        self.stopping.set()
        self.join()
