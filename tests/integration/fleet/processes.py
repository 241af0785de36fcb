# SPDX-License-Identifier: Apache-2.0
"""Processes of a fleet: started with a name, remembered on disk, ended by identity.

A process is identified by boot, pid and start time, so that a pid that the kernel has given to
somebody else is never signalled. Every process carries its fleet's directory in its environment;
that mark is passed on to children and finds those that were started but not yet remembered.
"""
import json
import os
import pwd
import shutil
import signal
import subprocess
import threading
import time

import network

MARK = "PGM_FLEET_DIRECTORY"
STATE_FILE = "fleet.json"
SERVICE_USERS = ("postgres", "bind")


def boot_id():
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as f:
        return f.read().strip()


def start_time(pid):
    """Start of process `pid` in clock ticks since boot; None when it does not run (any more)."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            fields = f.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def is_running(pid, started):
    return started is not None and start_time(pid) == started


def signal_process(pid, started, number):
    """Sends a signal if `pid` is still the process that began at `started`. False if it is not."""
    try:
        handle = os.pidfd_open(pid)
    except (ProcessLookupError, OSError):
        return False
    try:
        if not is_running(pid, started):  # the handle pins the pid between this check and the signal
            return False
        signal.pidfd_send_signal(handle, number)
        return True
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)


def wait_for(condition, timeout, what, interval=0.05):
    """Polls until `condition()` is true and returns its value; TimeoutError after `timeout` s.

    An exception counts as "not yet"; the last one is in the error. Fatal ends the wait at once.
    """
    deadline = time.monotonic() + timeout
    while True:
        last = None
        try:
            value = condition()
            if value:
                return value
        except Fatal:
            raise
        except Exception as error:  # pylint: disable=broad-except
            last = error
        if time.monotonic() >= deadline:
            raise TimeoutError(f"waited {timeout:g} s for {what}" + (f"; last: {last}" if last else "")) from last
        time.sleep(interval)


class Fatal(RuntimeError):
    """What is waited for cannot come any more."""


class State:
    """fleet.json: who owns the fleet and which processes it has started."""

    def __init__(self, directory):
        self.path = os.path.join(directory, STATE_FILE)
        self.lock = threading.Lock()
        self.data = {"boot": boot_id(), "directory": directory, "processes": [], "addresses": [],
                     "segments": [],
                     "owner": {"pid": os.getpid(), "start": start_time(os.getpid())}}
        self._write()

    def add(self, name, pid):
        with self.lock:
            self.data["processes"].append({"name": name, "pid": pid, "start": start_time(pid)})
            self._write()

    def pids(self):
        with self.lock:
            return {p["pid"] for p in self.data["processes"]}

    def add_address(self, address):
        """Gives the loopback interface `address` until the fleet ends; one that it has already stays."""
        if network.has_address(address):
            return
        with self.lock:
            self.data["addresses"].append(address)
            self._write()  # first, so that a crash in between leaves nothing unremembered
        network.add_address(address)

    def add_segments(self, data):
        """Remembers the shared memory of the server in `data`; before a SIGKILL, which leaves it behind."""
        with self.lock:
            self.data["segments"] = sorted({*self.data["segments"], *shared_memory_of(data)})
            self._write()

    def _write(self):
        with open(self.path + ".new", "w", encoding="utf-8") as f:
            json.dump(self.data, f, indent=1)
        os.replace(self.path + ".new", self.path)

    @staticmethod
    def load(directory):
        """The state of a fleet, or None where `directory` holds none."""
        try:
            with open(os.path.join(directory, STATE_FILE), encoding="utf-8") as f:
                return json.load(f)
        except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
            return None


def owner_is_alive(state):
    owner = state["owner"]
    return state["boot"] == boot_id() and is_running(owner["pid"], owner["start"])


class Process:
    """One program of a fleet; may be started again after it ended. Output goes to LOGS/name.log."""

    def __init__(self, fleet, name, argv, user=None, machine=None):
        self.fleet, self.name, self.argv, self.user = fleet, name, argv, user
        self.prefix = fleet.prefix_of(machine)
        self.log = os.path.join(fleet.logs, name + ".log")
        self.child = None
        self.started = None

    @property
    def pid(self):
        return self.child.pid if self.child else None

    def is_alive(self):
        return self.child is not None and self.child.poll() is None

    def start(self, extra=()):
        """Starts the program with `extra` arguments, in a session of its own."""
        if self.is_alive():
            raise RuntimeError(f"{self.name} runs already (pid {self.pid})")
        argv = self.argv + list(extra)
        if self.user and os.geteuid() == 0:
            argv = ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--init-groups"] + argv
        argv = self.prefix + argv
        environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8",
                       MARK: self.fleet.directory}
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                          cwd=self.fleet.directory, env=environment,
                                          start_new_session=True)
        self.started = start_time(self.child.pid)
        self.fleet.state.add(self.name, self.child.pid)
        return self

    def send(self, number):
        if self.is_alive():
            self.child.send_signal(number)

    def kill(self):
        """SIGKILL; returns when the process is gone."""
        self.send(signal.SIGKILL)
        if self.child:
            self.child.wait()

    def stop(self, timeout=10):
        """SIGTERM, and SIGKILL if that does not end it within `timeout` seconds."""
        self.send(signal.SIGTERM)
        try:
            if self.child:
                self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()

    def pause(self):
        self.send(signal.SIGSTOP)

    def resume(self):
        self.send(signal.SIGCONT)

    def log_tail(self, lines=15):
        try:
            with open(self.log, encoding="utf-8", errors="replace") as f:
                return "".join(f.readlines()[-lines:])
        except FileNotFoundError:
            return ""

    def check_alive(self):
        if not self.is_alive():
            code = self.child.returncode if self.child else None
            raise Fatal(f"{self.name} does not run (exit status {code}); end of {self.log}:\n{self.log_tail()}")


def _inside(path, directory):
    return path == directory or path.startswith(directory + "/")


def find_processes(directory):
    """(pid, start time) of everything that belongs to the fleet in `directory`, this process aside.

    What carries the mark, and what a service user runs from a directory inside: PostgreSQL overwrites
    its environment, but always works from its data directory. And guards, which keep no environment: their
    arguments name files inside.
    """
    uids = {pwd.getpwnam(u).pw_uid for u in SERVICE_USERS if _user_exists(u)}
    mark = f"{MARK}={directory}".encode()
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            started = start_time(int(name))
            cwd = os.readlink(f"/proc/{name}/cwd").removesuffix(" (deleted)")
            uid = os.stat(f"/proc/{name}").st_uid
            with open(f"/proc/{name}/environ", "rb") as f:
                marked = mark in f.read().split(b"\0")
            with open(f"/proc/{name}/cmdline", "rb") as f:
                argv = f.read().split(b"\0")
            marked = marked or (b"pgmahout-guard" in argv[0] and
                                any(_inside(a.decode(errors="replace"), directory) for a in argv[1:]))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if marked or (uid in uids and _inside(cwd, directory)):
            found.append((int(name), started))
    return found


def _is_guard(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return b"pgmahout-guard" in f.read().split(b"\0")[0]
    except (FileNotFoundError, ProcessLookupError):
        return False


def _user_exists(name):
    try:
        pwd.getpwnam(name)
        return True
    except KeyError:
        return False


def find_postmasters(directory):
    """{data directory: pid} of the running servers whose data directory is below `directory`."""
    found = {}
    for folder, folders, files in os.walk(directory):
        if "PG_VERSION" in files:
            folders[:] = []  # nothing to look for inside a data directory
        if "postmaster.pid" not in files:
            continue
        try:
            with open(os.path.join(folder, "postmaster.pid"), encoding="utf-8") as f:
                pid = int(f.readline())
            # A postmaster works in its data directory; anything else is a pid that was reused.
            if os.readlink(f"/proc/{pid}/cwd") == folder and start_time(pid) is not None:
                found[folder] = pid
        except (ValueError, FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def end_all(directory):
    """Ends every process of the fleet in `directory` and returns when they are gone."""
    state = State.load(directory) or {"boot": boot_id(), "processes": []}
    ours = [(p["name"], p["pid"], p["start"]) for p in state["processes"]] if state["boot"] == boot_id() else []
    # Agents first and without a chance to react, so that nothing starts a server again.
    for name, pid, started in ours:
        is_agent = name.startswith("agent")
        signal_process(pid, started, signal.SIGKILL if is_agent else signal.SIGTERM)
        signal_process(pid, started, signal.SIGCONT)
    for pid, started in find_processes(directory):
        if _is_guard(pid):  # an armed one goes on for seconds after SIGTERM
            signal_process(pid, started, signal.SIGKILL)
    for pid in find_postmasters(directory).values():
        # Immediate shutdown: ends all sessions at once and frees shared memory, which SIGKILL does not.
        signal_process(pid, start_time(pid), signal.SIGQUIT)
    deadline = time.monotonic() + 3
    while True:
        left = find_processes(directory)
        left += [(pid, started) for _, pid, started in ours if is_running(pid, started)]
        if not left:
            return
        if time.monotonic() > deadline:
            for pid, started in left:
                signal_process(pid, started, signal.SIGKILL)
        if time.monotonic() > deadline + 10:
            raise RuntimeError(f"processes {[p for p, _ in left]} of {directory} do not end")
        time.sleep(0.05)


def shared_memory_of(data):
    """Paths of the POSIX shared memory that the server working in directory `data` has mapped."""
    found = set()
    for pid, _ in find_processes(data):
        try:
            with open(f"/proc/{pid}/maps", encoding="utf-8") as f:
                found |= {line.split()[5] for line in f if " /dev/shm/PostgreSQL." in line}
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def free_shared_memory(directory, segments=()):
    """Removes what killed servers left: the remembered POSIX `segments`, and the System V segments, which
    the 7th line of postmaster.pid names. Only after end_all()."""
    for path in segments:
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
    unused = {}
    with open("/proc/sysvipc/shm", encoding="ascii") as f:
        for row in (line.split() for line in f.readlines()[1:]):
            if row[6] == "0":  # nobody is attached
                unused[row[1]] = row[0]
    for folder, _, files in os.walk(directory):
        if "postmaster.pid" in files:
            with open(os.path.join(folder, "postmaster.pid"), encoding="utf-8") as f:
                lines = f.read().split("\n")
            key_and_id = lines[6].split() if len(lines) > 6 else []
            if len(key_and_id) == 2 and unused.get(key_and_id[1]) == key_and_id[0]:
                subprocess.run(["ipcrm", "-m", key_and_id[1]], check=False, capture_output=True)


def remove_fleet(directory, keep_files=False):
    """Ends the fleet in `directory` and removes what it left. False where there is no fleet."""
    directory = os.path.realpath(directory)
    state = State.load(directory)
    if state is None:
        return False
    end_all(directory)
    free_shared_memory(directory, state.get("segments", ()))
    for address in state.get("addresses", ()):
        network.remove_address(address)
    if keep_files:
        os.remove(os.path.join(directory, STATE_FILE))  # no fleet any more, just files to read
    else:
        shutil.rmtree(directory)
    return True
