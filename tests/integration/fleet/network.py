# SPDX-License-Identifier: Apache-2.0
"""Loopback addresses and ports that belong to one fleet only. All of 127.0.0.0/8 is this machine."""
import errno
import random
import socket
import subprocess

CLAIM_PORT = 7432


def can_bind(address, port, kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        if kind == socket.SOCK_STREAM:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # old connections do not matter
        try:
            s.bind((address, port))
            if kind == socket.SOCK_STREAM:
                s.listen(1)
            return True
        except OSError as error:
            # An address of another network namespace belongs to one node of ours alone.
            return error.errno == errno.EADDRNOTAVAIL


def free_port(addresses, preferred):
    """`preferred` if nobody listens there on any of `addresses`, else another port that is free on all."""
    candidates = [preferred] + random.sample(range(20000, 30000), 200)
    for port in candidates:
        kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM) if preferred == 53 else (socket.SOCK_STREAM,)
        if all(can_bind(a, port, k) for a in addresses for k in kinds):
            return port
    raise RuntimeError(f"no free port on {', '.join(addresses)}")


def has_address(address):
    result = subprocess.run(["ip", "-4", "-o", "addr", "show", "dev", "lo"], capture_output=True, text=True, check=True)
    return f" {address}/" in result.stdout


def add_address(address):
    """Gives the loopback interface `address`: named listens only on addresses that an interface has,
    while everybody else may use all of 127.0.0.0/8 without asking."""
    result = subprocess.run(["ip", "addr", "add", f"{address}/32", "dev", "lo"], capture_output=True, text=True,
                            check=False)
    if result.returncode != 0 and not has_address(address):
        raise RuntimeError(f"cannot add {address} to the loopback interface: {result.stderr.strip()}")


def remove_address(address):
    subprocess.run(["ip", "addr", "del", f"{address}/32", "dev", "lo"], capture_output=True, check=False)


class Subnet:
    """A /24 of 127.0.0.0/8 for one fleet, held by a listening socket until release().

    `prefix` such as "127.0.0" asks for that one; without it, or where somebody has it, a free one is
    chosen at random.
    """

    def __init__(self, prefix=None, hosts=range(10, 20)):
        self.hold = None
        tries = [prefix] if prefix else []
        tries += [f"127.{random.randint(16, 250)}.{random.randint(1, 250)}" for _ in range(100)]
        for candidate in tries:
            if self._claim(candidate, hosts):
                self.prefix = candidate
                return
        raise RuntimeError("no free network in 127.0.0.0/8")

    def _claim(self, prefix, hosts):
        hold = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            hold.bind((f"{prefix}.254", CLAIM_PORT))
            hold.listen(1)
        except OSError:
            hold.close()
            return False
        # Daemons of a fleet whose owner has died still listen, though nobody holds the claim.
        if not all(can_bind(f"{prefix}.{h}", p) for h in hosts for p in (5432, 7432, 9187)):
            hold.close()
            return False
        self.hold = hold
        return True

    def address(self, host):
        return f"{self.prefix}.{host}"

    def release(self):
        if self.hold:
            self.hold.close()
            self.hold = None
