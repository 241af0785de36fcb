# SPDX-License-Identifier: Apache-2.0
"""Machines as network namespaces: each with an address of its own, joined by a router.

    machines = Machines(["db1", "client"])      # the caller's thread moves into the router's namespace
    machines.cut("db1", "client")               # silence in both directions
    machines.close()

The router drops what is cut without a word, so that peers see silence and no reset. Names carry the
pid of the owner, so that sweep() finds what a crash has left. Needs root.
"""
import ctypes
import os
import random
import re
import signal
import subprocess

CLONE_NEWNET = 0x40000000
PREFIX = "pgm"


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
            for pid in pids_in(name):
                os.kill(pid, signal.SIGKILL)
            ip("netns", "del", name)


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
        self.cuts = set()
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
        return ["nsenter", f"--net=/run/netns/{self.namespace(name)}"]

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
        """Nothing from `one` reaches `other` any more; with `both` nothing back either."""
        for source, target in [(one, other)] + ([(other, one)] if both else []):
            if (source, target) not in self.cuts:
                self._rule("add", source, target)
                self.cuts.add((source, target))

    def isolate(self, name, besides=()):
        """Cuts `name` from all machines but `besides` and the observers."""
        for other in self.names:
            if other != name and other not in self.observers.union(besides):
                self.cut(name, other)

    def heal(self):
        for source, target in list(self.cuts):
            self._rule("del", source, target)
            self.cuts.discard((source, target))

    def _rule(self, verb, source, target):
        ip("rule", verb, "from", self.address(source), "to", self.address(target), "blackhole",
           netns=self.router)

    def shape(self, name, *netem):
        """tc netem for what `name` sends: shape("db1", "delay", "200ms", "100ms"); nothing ends it."""
        argv = [*self.prefix(name), "tc", "qdisc"]
        subprocess.run([*argv, "del", "dev", "eth0", "root"], capture_output=True, check=False)
        if netem:
            subprocess.run([*argv, "add", "dev", "eth0", "root", "netem", *netem], check=True)

    # Processes

    def signal_all(self, name, number):
        """Sends a signal to every process on a machine; returns when SIGKILL has ended them."""
        for pid in pids_in(self.namespace(name)):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def close(self):
        enter(f"/proc/self/fd/{self.outside}")
        os.close(self.outside)
        for name in [*self.names, "router"]:
            namespace = self.namespace(name)
            for pid in pids_in(namespace):
                os.kill(pid, signal.SIGKILL)
            ip("netns", "del", namespace, check=False)
