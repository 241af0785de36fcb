#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A bad link: packets go through this program, which loses, delays and paces them, in order. It stands where
netem would, which not every kernel has.

Usage: weather.py DEVICE LOSS DELAY JITTER RATE   (0..1, seconds, seconds, bytes per second or 0)
Makes the TUN device DEVICE, prints "ready" and works until its input closes; then the device is gone.
"""
import collections
import fcntl
import os
import random
import select
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 1, 0x1000
LONGEST_QUEUE = 500  # packets; what comes then is lost, as with a router's buffer


def open_device(name):
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return device


class Link:
    def __init__(self, device, loss, delay, jitter, rate):
        self.device, self.loss, self.delay, self.jitter, self.rate = device, loss, delay, jitter, rate
        self.queue = collections.deque()  # (when it leaves, packet)
        self.free = 0.0                   # when the line has sent all that it was given

    def take(self, now):
        """Reads what has come. Packets keep their order, and wait for the line."""
        while True:
            try:
                packet = os.read(self.device, 65536)
            except BlockingIOError:
                return
            if random.random() < self.loss or len(self.queue) >= LONGEST_QUEUE:
                continue
            self.free = max(self.free, now) + (len(packet) / self.rate if self.rate else 0.0)
            leaves = self.free + max(0.0, self.delay + random.uniform(-self.jitter, self.jitter))
            self.queue.append((max(leaves, self.queue[-1][0] if self.queue else 0.0), packet))

    def give(self, now):
        """Sends what is due; returns the seconds until the next one is, or None."""
        while self.queue and self.queue[0][0] <= now:
            try:
                os.write(self.device, self.queue.popleft()[1])
            except OSError:
                pass  # lost: nobody is there, or it is cut
        return self.queue[0][0] - now if self.queue else None

    def run(self):
        wait = None
        while True:
            ready, _, _ = select.select([self.device, sys.stdin], [], [], wait)
            if sys.stdin in ready:
                return
            now = time.monotonic()
            self.take(now)
            wait = self.give(now)


def main():
    name, *numbers = sys.argv[1:]
    link = Link(open_device(name), *map(float, numbers))
    print("ready", flush=True)
    link.run()


if __name__ == "__main__":
    main()
