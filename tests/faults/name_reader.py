# SPDX-License-Identifier: Apache-2.0
"""NameReader: asks the name server for one name every 20 ms and remembers when the answer changed."""
import os
import socket
import struct
import threading
import time

TYPE_A = 1
CLASS_IN = 1


def question(name, number):
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.rstrip(".").split("."))
    return struct.pack("!6H", number, 0, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", TYPE_A, CLASS_IN)


def skip_name(message, at):
    """Where the name that begins at `at` ends: with an empty label or a pointer of two bytes."""
    while message[at] and message[at] < 0xC0:
        at += 1 + message[at]
    return at + (2 if message[at] else 1)


def addresses(message):
    """The A records of an answer, sorted; [] for a name without any."""
    questions, answers = struct.unpack_from("!2H", message, 4)
    at, found = 12, []
    for _ in range(questions):
        at = skip_name(message, at) + 4
    for _ in range(answers):
        at = skip_name(message, at)
        kind, _, _, length = struct.unpack_from("!2HIH", message, at)
        if kind == TYPE_A:
            found.append(socket.inet_ntoa(message[at + 10:at + 14]))
        at += 10 + length
    return sorted(found)


class NameReader(threading.Thread):
    """Runs until stop(), in the network namespace of whoever starts it. `changes` are (CLOCK_MONOTONIC seconds,
    addresses), the first answer too; a question without an answer changes nothing."""

    def __init__(self, server, port, name, interval=0.02):
        super().__init__(daemon=True, name="name-reader")
        self.server, self.name, self.interval = (server, port), name, interval
        self.changes = []
        self.stopping = threading.Event()

    def run(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.2)
            while not self.stopping.wait(self.interval):
                found = self._ask(s)
                if found is not None and (not self.changes or self.changes[-1][1] != found):
                    self.changes.append((time.monotonic(), found))

    def _ask(self, s):
        number = int.from_bytes(os.urandom(2), "big")
        try:
            s.sendto(question(self.name, number), self.server)
            while True:
                message = s.recv(4096)
                if message[:2] == struct.pack("!H", number):  # no late answer to an earlier question
                    return addresses(message)
        except OSError:
            return None

    def changed_to(self, address, since):
        """When the answer became `address` alone, after `since`; None if it has not."""
        return next((at for at, found in self.changes if at > since and found == [address]), None)

    def stop(self):
        self.stopping.set()
        self.join()
