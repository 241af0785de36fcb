# SPDX-License-Identifier: Apache-2.0
"""Guest: one "VM" of the lab, a systemd-nspawn container with systemd as PID 1, a disk and an address of its own.

All calls block until what they ask for is true. A guest's disk outlives kill() and reboot().
"""
import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time

import cgroups
from waiting import wait_for

REBOOT_STATUS = 133  # what systemd-nspawn ends with when its guest asks for a reboot and nobody registered it
SIGRTMIN = 34        # as the C library counts
BOOT_TIMEOUT = 120
STOP_TIMEOUT = 90
CAPABILITIES = "CAP_NET_ADMIN,CAP_IPC_LOCK"


def ip(*arguments, netns=None, check=True):
    subprocess.run(["ip", *(["-n", netns] if netns else []), *arguments], check=check, capture_output=not check)


class CommandFailed(RuntimeError):
    """A program in a guest ended with another status than 0; `output` is what it said on both streams."""

    def __init__(self, where, argv, status, output):
        super().__init__(f"{where}: {' '.join(argv)}: status {status}: {output.strip()[-3000:]}")
        self.output = output


class Guest:
    def __init__(self, lab, name, address, disk=None, below=()):
        """`disk`: (path, megabytes) for a small ext4 file system there, to be filled. `below`: trees that this disk
        begins with, above the base tree."""
        self.lab, self.name, self.address, self.disk, self.below = lab, name, address, disk, below
        self.port = f"p-{name}"
        self.directory = lab.image.path("guests", name)
        self.nspawn = None
        self.keeper = None
        for part in ("upper", "work", "root"):
            os.makedirs(os.path.join(self.directory, part))
        self._mount()
        self._write_identity()

    def __repr__(self):
        return f"Guest({self.name})"

    # The machine

    @property
    def root(self):
        return os.path.join(self.directory, "root")

    def _mount(self):
        options = (f"lowerdir={':'.join([*self.below, self.lab.image.base])},upperdir={os.path.join(self.directory, 'upper')},"
                   f"workdir={os.path.join(self.directory, 'work')}")
        subprocess.run(["mount", "-t", "overlay", f"lab-{self.name}", "-o", options, self.root], check=True)
        if self.disk:
            image = os.path.join(self.directory, "disk.ext4")
            with open(image, "wb") as f:
                f.truncate(self.disk[1] << 20)
            subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
            os.mkdir(os.path.join(self.directory, "disk"))
            subprocess.run(["mount", "-o", "loop", image, os.path.join(self.directory, "disk")], check=True)

    def _write_identity(self):
        for path, text in (("hostname", self.name + "\n"), ("hosts", self.lab.hosts_file()),
                           ("resolv.conf", self.lab.resolv_conf())):
            with open(os.path.join(self.root, "etc", path), "w", encoding="ascii") as f:
                f.write(text)

    def _plug_in(self):
        """A network namespace with the guest's address, on the lab's bridge; it is there before the guest boots."""
        netns = self.name
        ip("link", "del", self.port, check=False)  # a dead guest's end may take a moment to vanish
        ip("netns", "del", netns, check=False)
        ip("netns", "add", netns)
        # The same hardware address at each boot, as a VM has: neighbours remember it.
        hardware = "02:00:" + ":".join(f"{int(part):02x}" for part in self.address.split("."))
        ip("link", "add", self.port, "type", "veth", "peer", "name", "eth0", "address", hardware, "netns", netns)
        ip("link", "set", "lo", "up", netns=netns)
        ip("addr", "add", f"{self.address}/24", "dev", "eth0", netns=netns)
        ip("link", "set", "eth0", "up", netns=netns)
        ip("link", "set", self.port, "master", self.lab.BRIDGE, "up")

    def _argv(self):
        bind = [f"--bind={os.path.join(self.directory, 'disk')}:{self.disk[0]}"] if self.disk else []
        return ["systemd-nspawn", "-q", "-D", self.root, "-M", self.name, "--boot",
                f"--network-namespace-path=/run/netns/{self.name}", f"--capability={CAPABILITIES}", "--console=pipe",
                "--register=no", "--keep-unit", "--resolv-conf=off", "--timezone=off", "--link-journal=no", *bind]

    def boot(self, wait=True):
        """Switches the machine on. With `wait` it is up when this returns."""
        assert self.nspawn is None, f"{self.name} is on"
        self._plug_in()
        self._launch()
        self.keeper = threading.Thread(target=self._keep, daemon=True)
        self.keeper.start()
        if wait:
            self.wait_until_up()

    def _launch(self):
        with open(os.path.join(self.directory, "console"), "ab") as console:
            # pylint: disable-next=subprocess-popen-preexec-fn,consider-using-with
            self.nspawn = subprocess.Popen(self._argv(), stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                                           preexec_fn=lambda: cgroups.enter(self.name))

    def _keep(self):
        while self.nspawn.wait() == REBOOT_STATUS:
            self._launch()

    def init_pid(self):
        """The guest's PID 1 as the driver sees it; 0 while there is none."""
        with contextlib.suppress(OSError, AttributeError):
            with open(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children", encoding="ascii") as f:
                children = f.read().split()
            for pid in children:
                with open(f"/proc/{pid}/comm", encoding="ascii") as f:
                    if f.read() == "systemd\n":
                        return int(pid)
        return 0

    def is_on(self):
        return self.init_pid() != 0

    def wait_until_up(self):
        def up():
            return self.run("systemctl", "is-system-running", check=False).strip() in ("running", "degraded")
        wait_for(up, BOOT_TIMEOUT, f"{self.name} to boot")

    def shut_down(self):
        """A clean stop of the machine."""
        os.kill(self.init_pid(), SIGRTMIN + 3)
        self._wait_until_off()

    def reboot(self, wait=True):
        """A clean reboot: units are stopped, PID 1 is another one afterwards."""
        before = self.init_pid()
        os.kill(before, SIGRTMIN + 5)
        wait_for(lambda: self.init_pid() not in (0, before), STOP_TIMEOUT, f"{self.name} to reboot")
        if wait:
            self.wait_until_up()

    def kill(self):
        """The machine is lost: silence on the wire first, so that nobody gets a reset, then all its processes die."""
        if self.nspawn is None:
            return
        ip("link", "set", self.port, "down", check=False)
        pid = self.init_pid()
        if pid:
            os.kill(pid, signal.SIGKILL)
        else:
            self.nspawn.kill()
        cgroups.thaw(self.name)
        self._wait_until_off()

    def _wait_until_off(self):
        self.keeper.join(STOP_TIMEOUT)
        if self.keeper.is_alive():
            raise TimeoutError(f"{self.name} is not off after {STOP_TIMEOUT} s")
        self.nspawn = None
        ip("link", "del", self.port, check=False)
        ip("netns", "del", self.name, check=False)

    def pause(self):
        """All processes stop; the kernel still answers pings and connections."""
        cgroups.freeze(self.name)

    def resume(self):
        cgroups.thaw(self.name)

    def unplug(self):
        """The guest sees that its cable is out."""
        ip("link", "set", self.port, "down")

    def plug(self):
        ip("link", "set", self.port, "up")

    # Programs and files

    def _inside(self, argv):
        pid = self.init_pid()
        if not pid:
            raise RuntimeError(f"{self.name} is not running")
        return ["nsenter", "-t", str(pid), "-m", "-u", "-i", "-n", "-p", "-C", "--", *argv]

    def run(self, *argv, check=True, input=None, timeout=300):  # pylint: disable=redefined-builtin
        """Runs a program as root in the guest, outside its units; returns both output streams as text."""
        result = subprocess.run(self._inside(argv), input=input, text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, check=False, timeout=timeout,
                                stdin=None if input is not None else subprocess.DEVNULL)
        if check and result.returncode:
            raise CommandFailed(self.name, argv, result.returncode, result.stdout)
        return result.stdout

    def run_as(self, user, *argv, **options):
        return self.run("setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--reset-env", *argv,
                        **options)

    def start_program(self, *argv, **options):
        """A program in the guest that goes on; the caller ends it."""
        return subprocess.Popen(self._inside(argv), **options)  # pylint: disable=consider-using-with

    def write(self, path, text, mode="0644", owner="root:root"):
        self.run("install", "-D", "-m", mode, "-o", owner.partition(":")[0], "-g", owner.partition(":")[2],
                 "/dev/stdin", path, input=text)

    def read(self, path):
        return self.run("cat", path)

    def psql(self, sql, database="postgres", check=True):
        """One value or lines of "a|b", as user postgres over the socket."""
        return self.run_as("postgres", "psql", "-XAtqc", sql, "-d", database, check=check).strip()

    def fill_disk(self):
        """Fills the guest's small disk to the last byte."""
        for size in ("1M", "4k", "1"):
            path = os.path.join(self.disk[0], "filler." + size)
            self.run("dd", "if=/dev/zero", f"of={path}", f"bs={size}", check=False)

    def free_disk(self):
        self.run("rm", "-f", *(os.path.join(self.disk[0], "filler." + size) for size in ("1M", "4k", "1")))

    def journal(self, unit=None, lines=200):
        return self.run("journalctl", "--no-pager", "-n", str(lines), *(["-u", unit] if unit else []), check=False)

    def save(self, directory):
        """Copies what is on the disk of a machine that is off, above the base tree. For `below`."""
        subprocess.run(["cp", "-a", os.path.join(self.directory, "upper"), directory], check=True)

    def close(self):
        self.kill()
        for part in ("root", "disk"):
            path = os.path.join(self.directory, part)
            if os.path.ismount(path):
                subprocess.run(["umount", "-l", path], check=False)

    def remove(self):
        """The machine and its disk are gone."""
        self.close()
        shutil.rmtree(self.directory, ignore_errors=True)


def boot_all(guests):
    """Boots machines side by side."""
    for guest in guests:
        guest.boot(wait=False)
        time.sleep(0.02)  # nspawn takes a lock of its own while it starts
    for guest in guests:
        guest.wait_until_up()
