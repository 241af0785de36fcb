# SPDX-License-Identifier: Apache-2.0
"""The lab itself: guests are machines of their own, and each fault is what it says. Run by run.py."""
import socket
import unittest

from lab import Lab, main
from waiting import wait_for


def connects(guest, port=22, timeout=1.0):
    """"yes", "refused" or "silence": what a client sees."""
    try:
        socket.create_connection((guest.address, port), timeout).close()
        return "yes"
    except ConnectionRefusedError:
        return "refused"
    except OSError:
        return "silence"


class Guests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab()
        cls.addClassCleanup(cls.lab.close)
        cls.one, cls.two = cls.lab.add("db1", disk=("/srv/small", 64)), cls.lab.add("db2")
        cls.lab.boot()

    def test_machines_of_their_own(self):
        self.assertEqual(self.one.run("hostname").strip(), "db1")
        self.assertEqual(self.one.run("cat", "/proc/1/comm").strip(), "systemd")
        ids = {guest.read("/etc/machine-id") for guest in (self.one, self.two)}
        self.assertEqual(len(ids), 2)
        self.assertEqual(connects(self.one), "yes")
        self.one.run("ping", "-c", "1", "-W", "2", "db2")

    def test_apt_and_dns(self):
        self.two.run("apt-get", "-q", "update")
        self.assertIn("postgresql-common", self.two.run("apt-cache", "policy", "postgresql-common"))
        self.assertEqual(self.lab.dig("ns"), [self.lab.names.address])

    def test_reboot_keeps_the_disk(self):
        self.two.write("/var/lib/mark", "kept")
        before = self.two.init_pid()
        self.two.reboot()
        self.assertNotEqual(self.two.init_pid(), before)
        self.assertEqual(self.two.read("/var/lib/mark"), "kept")

    def test_hard_kill_is_silence(self):
        self.two.write("/var/lib/mark", "kept")
        with socket.create_connection((self.two.address, 22), 2) as open_before:
            open_before.recv(64)
            self.two.kill()
            open_before.settimeout(0.5)
            with self.assertRaises(TimeoutError):
                open_before.recv(64)
        self.assertEqual(connects(self.two), "silence")
        self.two.boot()
        self.assertEqual(self.two.read("/var/lib/mark"), "kept")

    def test_pause(self):
        self.addCleanup(self.two.resume)
        self.two.pause()
        self.assertEqual(connects(self.two), "yes")  # the kernel answers, nobody else does
        self.two.resume()
        self.two.run("true")

    def test_cut_is_unseen_by_both(self):
        self.addCleanup(self.lab.heal)
        self.lab.cut(self.one, self.two)
        self.assertIn("100% packet loss", self.one.run("ping", "-c", "1", "-W", "1", self.two.address, check=False))
        self.assertIn("LOWER_UP", self.two.run("ip", "link", "show", "eth0"))
        self.assertEqual(connects(self.two), "yes")  # from the driver
        self.lab.heal()
        self.one.run("ping", "-c", "1", "-W", "2", self.two.address)

    def test_unplugged(self):
        self.two.unplug()
        self.assertEqual(connects(self.two), "silence")
        self.assertIn("NO-CARRIER", self.two.run("ip", "link", "show", "eth0"))
        self.two.plug()
        wait_for(lambda: connects(self.two) == "yes", 10, "the link")

    def test_full_disk(self):
        self.one.fill_disk()
        self.assertIn("No space left", self.one.run("dd", "if=/dev/zero", "of=/srv/small/more", "bs=4k", "count=8",
                                                    check=False))
        self.one.free_disk()
        self.one.run("dd", "if=/dev/zero", "of=/srv/small/more", "bs=1M", "count=1")


if __name__ == "__main__":
    main()
