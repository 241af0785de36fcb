# SPDX-License-Identifier: Apache-2.0
"""Machines as network namespaces: each with an address of its own, joined by a router.

    machines = Machines(["db1", "client"])      # the caller's thread moves into the router's namespace
    machines.cut("db1", "client")               # silence in both directions
    machines.close()

The router drops what is cut without a word, so that peers see silence and no reset. Names carry the
pid of the owner, so that sweep() finds what a crash has left. Needs root.
"""
import contextlib
import ctypes
import os
import random
import re
import signal
import subprocess
import sys

CLONE_NEWNET = 0x40000000
PREFIX = "pgm"
WEATHER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "weather.py")


def ip(*arguments, netns=None, check=True):
    argv = ["ip", *(["-n", netns] if netns else []), *arguments]
    result = subprocess.run(argv, capture_output=True, text=True, check=False)
    if check and result.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {result.stderr.strip()}")
    return result


def enter(path):
    """Moves the calling thread, and what it starts from now on, into a network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(path, "rb") as f:
        if libc.setns(f.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns({path})")


def available():
    """Why namespaces cannot be made here; empty if they can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    name = f"{PREFIX}{os.getpid()}-try"
    result = ip("netns", "add", name, check=False)
    if result.returncode != 0:
        return f"no network namespaces here: {result.stderr.strip()}"
    ip("netns", "del", name)
    return ""


def sweep():
    """Removes the namespaces of owners that have died, and ends what runs in them."""
    for line in ip("netns", "list").stdout.splitlines():
        name = line.split()[0]
        found = re.fullmatch(rf"{PREFIX}(\d+)-\w+", name)
        if found and not os.path.exists(f"/proc/{found[1]}"):
            _end(name)


def _end(namespace):
    """Another test may be sweeping at the same time."""
    try:
        for pid in pids_in(namespace):
            with contextlib.suppress(ProcessLookupError):  # it may end by itself, or with its postmaster
                os.kill(pid, signal.SIGKILL)
        ip("netns", "del", namespace)
    except RuntimeError:
        if os.path.exists(f"/run/netns/{namespace}"):
            raise


def pids_in(namespace):
    return [int(p) for p in ip("netns", "pids", namespace).stdout.split()]


class Machines:
    """`observers` are machines too, but isolate() leaves them connected: they see what really happens."""

    def __init__(self, names, observers=()):
        sweep()
        self.names = [*names, *observers]
        self.observers = set(observers)
        self.subnet = f"10.{random.randint(64, 127)}.{random.randint(1, 250)}"
        self.router = self.namespace("router")
        self.outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self.cuts = []  # (from, to), once for each cut
        self.weather = {}  # what runs weather.py
        self._make_router()
        for number, name in enumerate(self.names):
            self._make(name, number)
        enter(f"/run/netns/{self.router}")

    def namespace(self, name):
        return f"{PREFIX}{os.getpid()}-{name}"

    def address(self, name):
        return f"{self.subnet}.{11 + self.names.index(name)}"

    def prefix(self, name):
        """Command prefix that runs a program on that machine."""
        return self._prefix_of(self.namespace(name))

    @staticmethod
    def _prefix_of(namespace):
        return ["nsenter", f"--net=/run/netns/{namespace}"]

    def _make_router(self):
        ip("netns", "add", self.router)
        ip("link", "set", "lo", "up", netns=self.router)
        ip("addr", "add", f"{self.subnet}.1/32", "dev", "lo", netns=self.router)
        for setting in ("net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0",
                        "net.ipv4.conf.default.rp_filter=0"):
            subprocess.run(["ip", "netns", "exec", self.router, "sysctl", "-qw", setting], check=True)

    def _make(self, name, number):
        namespace, link = self.namespace(name), f"m{number}"
        ip("netns", "add", namespace)
        ip("link", "add", link, "netns", self.router, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        ip("link", "set", "lo", "up", netns=namespace)
        ip("addr", "add", f"{self.address(name)}/32", "dev", "eth0", netns=namespace)
        ip("link", "set", "eth0", "up", netns=namespace)
        ip("addr", "add", "169.254.1.1/32", "dev", link, netns=self.router)
        ip("link", "set", link, "up", netns=self.router)
        ip("route", "add", f"{self.address(name)}/32", "dev", link, "src", f"{self.subnet}.1", netns=self.router)
        ip("route", "add", "169.254.1.1", "dev", "eth0", "scope", "link", netns=namespace)
        ip("route", "add", "default", "via", "169.254.1.1", "src", self.address(name), netns=namespace)

    # Cuts

    def cut(self, one, other, both=True):
        """Nothing from `one` reaches `other` any more; with `both` nothing back either. Returns what heal() takes to
        undo just this; a link that is cut twice stays cut until it has been healed twice."""
        links = [(one, other)] + ([(other, one)] if both else [])
        for link in links:
            if link not in self.cuts:
                self._rule("add", *link)
            self.cuts.append(link)
        return links

    def isolate(self, name, besides=()):
        """Cuts `name` from all machines but `besides` and the observers; returns as cut()."""
        spared = self.observers.union(besides, [name])
        return [link for other in self.names if other not in spared for link in self.cut(name, other)]

    def heal(self, links=None):
        """Undoes the cuts of `links`, or all there are."""
        for link in list(self.cuts if links is None else links):
            if link in self.cuts:
                self.cuts.remove(link)
                if link not in self.cuts:
                    self._rule("del", *link)

    def _rule(self, verb, source, target):
        ip("rule", verb, "from", self.address(source), "to", self.address(target), "blackhole",
           netns=self.router)

    def shape(self, name, loss=0.0, delay=0.0, jitter=0.0, rate=0):
        """What `name` sends is lost (0..1), delayed (seconds) and paced (bytes/s, 0: not) from now on; without
        arguments no more."""
        number = self.names.index(name)
        link, device, table = f"m{number}", f"w{number}", str(100 + number)
        bad = self.weather.pop(name, None)
        if bad:
            ip("rule", "del", "iif", link, "lookup", table, netns=self.router)
            bad.communicate()  # its input closes; the device goes with it
        if loss or delay or jitter or rate:
            argv = [sys.executable, "-B", WEATHER, device, *(str(v) for v in (loss, delay, jitter, rate))]
            self.weather[name] = subprocess.Popen([*self._prefix_of(self.router), *argv], stdin=subprocess.PIPE,
                                                  stdout=subprocess.PIPE, text=True)
            if self.weather[name].stdout.readline() != "ready\n":
                raise RuntimeError(f"no bad link for {name}: {' '.join(argv)} has failed")
            ip("link", "set", device, "up", netns=self.router)
            ip("route", "add", "default", "dev", device, "table", table, netns=self.router)
            ip("rule", "add", "iif", link, "lookup", table, netns=self.router)

    # Processes

    def signal_all(self, name, number):
        """Sends a signal to every process on a machine; returns when SIGKILL has ended them."""
        for pid in pids_in(self.namespace(name)):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def close(self):
        for name in list(self.weather):
            self.shape(name)
        enter(f"/proc/self/fd/{self.outside}")
        os.close(self.outside)
        for name in [*self.names, "router"]:
            namespace = self.namespace(name)
            for pid in pids_in(namespace):
                os.kill(pid, signal.SIGKILL)
            ip("netns", "del", namespace, check=False)
