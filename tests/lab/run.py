#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs one scenario of the lab. Usage: run.py SCENARIO.py [ARGUMENT...]

Makes the base tree and the repositories if they are missing or outdated (that needs the network), then runs the
scenario in mount, network and PID namespaces of its own: whatever way it ends, also by SIGKILL, the kernel ends all
guests, mounts and bridges with it, and no route leads out of it. Exit status 77: this machine cannot run it.
"""
import ctypes
import fcntl
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import cgroups  # noqa: E402
from image import Image, Unavailable  # noqa: E402

SKIPPED = 77
LOCK = "/run/lock/pgmahout-lab.lock"
INSIDE = "PGM_LAB_INSIDE"
LOCK_TIMEOUT = 1200
PROGRAMS = ("systemd-nspawn", "mmdebstrap", "apt-ftparchive", "gpg", "nft", "ip", "unshare", "nsenter", "setpriv",
            "ssh-keygen", "dpkg-deb", "journalctl")
PR_SET_PDEATHSIG = 1
SIGKILL = 9


def why_not():
    """Why this machine cannot run the lab; empty if it can."""
    if os.geteuid() != 0:
        return "the lab needs root"
    for program in PROGRAMS:
        if not shutil.which(program):
            return f"{program} is missing; run scripts/install-deps"
    with open("/proc/filesystems", encoding="ascii") as f:
        if "\toverlay\n" not in f.read():
            return "this kernel has no overlay file system"
    if not cgroups.usable():
        return "no writable name=systemd cgroup hierarchy"
    if subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "true"], check=False,
                      stderr=subprocess.DEVNULL).returncode:
        return "this machine allows no namespaces"
    return ""


def take_lock():
    """One lab at a time; whoever holds the descriptor holds the lock."""
    lock = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    deadline = time.monotonic() + LOCK_TIMEOUT
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise TimeoutError(f"another lab has held {LOCK} for {LOCK_TIMEOUT} s") from None
            time.sleep(0.5)


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)


def run_inside(arguments):
    command = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child=KILL", "--mount-proc",
               "--propagation", "private", sys.executable, "-B", os.path.abspath(__file__), *arguments]
    # pylint: disable-next=subprocess-popen-preexec-fn
    return subprocess.run(command, env={**os.environ, INSIDE: "1"}, preexec_fn=die_with_parent, check=False).returncode


def enter_scenario(arguments):
    """In the namespaces: a /run of our own, then the scenario takes this process's place."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"], check=True)
    for directory in ("/run/netns", "/run/lock", "/run/systemd"):
        os.mkdir(directory)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    scenario = os.path.join(os.path.dirname(os.path.abspath(__file__)), arguments[0])
    os.execv(sys.executable, [sys.executable, "-B", scenario, *arguments[1:]])


def main(arguments):
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 2
    if os.environ.get(INSIDE):
        enter_scenario(arguments)
    reason = why_not()
    if reason:
        print(f"skipped: {reason}")
        return SKIPPED
    lock = take_lock()
    image = Image()
    cgroups.sweep()
    image.clear_guests()
    try:
        began = time.monotonic()
        image.prepare()
        print(f"lab: image ready after {time.monotonic() - began:.1f} s", flush=True)
        status = run_inside(arguments)
        if status:
            image.save_logs()
        return status
    except Unavailable as error:
        print(f"skipped: {error}")
        return SKIPPED
    finally:
        cgroups.sweep()
        image.clear_guests()
        os.close(lock)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
