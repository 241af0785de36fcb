# SPDX-License-Identifier: Apache-2.0
"""The machines themselves: cuts cut what they say and nothing else, bad links are bad, nothing is left behind."""
import os
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from case import main  # noqa: E402
from machines import Machines, ip, pids_in, sweep  # noqa: E402

# Answers every datagram; and sends some, 10 ms apart: prints how many came back and the median round trip in ms.
ECHO = """import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((sys.argv[1], 7)); print('ready', flush=True)
while True: s.sendto(*s.recvfrom(2000))"""
ASK = """import socket, statistics, struct, sys, threading, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect((sys.argv[1], 7)); s.settimeout(0.6); trips = []
def listen():
    try:
        while True: trips.append(time.monotonic() - struct.unpack('d', s.recv(2000)[:8])[0])
    except OSError: pass
t = threading.Thread(target=listen); t.start()
for _ in range(int(sys.argv[2])): s.send(struct.pack('d', time.monotonic()) + bytes(92)); time.sleep(0.01)
t.join(); print(len(trips), statistics.median(trips) * 1000 if trips else 0)"""


class Instruments(unittest.TestCase):

    def setUp(self):
        self.machines = Machines(["a", "b", "c"], observers=["o"])
        self.addCleanup(self.machines.close)
        for name in self.machines.names:
            child = subprocess.Popen([*self.machines.prefix(name), sys.executable, "-c", ECHO, self.machines.address(name)],
                                     stdout=subprocess.PIPE, text=True)
            self.addCleanup(child.stdout.close)
            self.addCleanup(child.wait)
            self.addCleanup(child.kill)
            self.assertEqual(child.stdout.readline(), "ready\n")

    def ask(self, source, target, number=10):
        """(answers, median round trip in ms) of datagrams from one machine to another."""
        argv = [*self.machines.prefix(source), sys.executable, "-c", ASK, self.machines.address(target), str(number)]
        count, milliseconds = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()
        return int(count), float(milliseconds)

    def reaches(self, source, target):
        return self.ask(source, target, 3)[0] == 3

    def test_everybody_reaches_everybody(self):
        for source, target in (("a", "b"), ("b", "a"), ("c", "o"), ("a", "a")):
            self.assertTrue(self.reaches(source, target), f"{source} to {target}")

    def test_a_cut_is_between_two_and_heals(self):
        self.machines.cut("a", "b")
        self.assertFalse(self.reaches("a", "b"))
        self.assertFalse(self.reaches("b", "a"))
        self.assertTrue(self.reaches("a", "c"))
        self.machines.heal()
        self.assertTrue(self.reaches("a", "b"))

    def test_one_way_cuts_lose_the_answer_too(self):
        self.machines.cut("a", "b", both=False)
        self.assertEqual(self.machines.cuts, [("a", "b")])
        self.assertFalse(self.reaches("a", "b"))
        self.assertFalse(self.reaches("b", "a"))  # the answer is what is lost

    def test_isolation_spares_observers(self):
        self.machines.isolate("a")
        self.assertFalse(self.reaches("b", "a"))
        self.assertFalse(self.reaches("a", "c"))
        self.assertTrue(self.reaches("o", "a"))
        self.assertTrue(self.reaches("b", "c"))

    def test_a_link_that_was_cut_twice_is_healed_twice(self):
        first = self.machines.isolate("a")
        second = self.machines.cut("a", "b")
        self.machines.heal(first)
        self.assertFalse(self.reaches("a", "b"))
        self.assertTrue(self.reaches("a", "c"))
        self.machines.heal(second)
        self.assertTrue(self.reaches("a", "b"))

    def test_lost_packets(self):
        self.machines.shape("a", loss=0.5)
        self.assertTrue(50 < self.ask("a", "b", 200)[0] < 150)
        self.assertEqual(self.ask("c", "b", 50)[0], 50)
        self.machines.shape("a")
        self.assertEqual(self.ask("a", "b", 50)[0], 50)

    def test_delayed_packets(self):
        self.machines.shape("a", delay=0.1, jitter=0.02)
        answers, milliseconds = self.ask("a", "b", 20)
        self.assertEqual(answers, 20)
        self.assertTrue(80 <= milliseconds < 300, milliseconds)

    def test_paced_packets(self):
        self.machines.shape("a", rate=6_400)  # 50 datagrams of 128 bytes a second
        begin = time.monotonic()
        self.assertEqual(self.ask("a", "b", 40)[0], 40)
        self.assertGreater(time.monotonic() - begin, 0.75)

    def test_a_bad_link_can_be_cut(self):
        self.machines.cut("a", "b")
        self.machines.shape("a", delay=0.01)
        self.assertFalse(self.reaches("a", "b"))
        self.assertTrue(self.reaches("a", "c"))


class Leftovers(unittest.TestCase):

    def test_what_a_dead_owner_left_is_swept(self):
        code = ("import os, subprocess, sys; sys.path.insert(0, sys.argv[1]); from machines import Machines; "
                "m = Machines(['a']); subprocess.Popen([*m.prefix('a'), 'sleep', '1000']); m.shape('a', delay=0.1); "
                "print(os.getpid(), flush=True); os.kill(os.getpid(), 9)")
        here = os.path.dirname(os.path.abspath(__file__))
        # Its children inherit our pipe; only the first line is its own.
        with subprocess.Popen([sys.executable, "-c", code, here], stdout=subprocess.PIPE, text=True) as child:
            owner = int(child.stdout.readline())
            child.wait()
            left = [pid for name in (f"pgm{owner}-a",) for pid in pids_in(name)]
            self.assertTrue(left)
            sweep()
        self.assertNotIn(f"pgm{owner}-", ip("netns", "list").stdout)
        for pid in left:
            self.assertFalse(os.path.exists(f"/proc/{pid}/exe") and os.readlink(f"/proc/{pid}/exe"))


if __name__ == "__main__":
    main()
