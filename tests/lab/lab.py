# SPDX-License-Identifier: Apache-2.0
"""Lab: several guests on one bridge, a web server with their apt repositories, a name server. For scenarios that
run.py has started.

    with Lab() as lab:
        db1, db2 = lab.add("db1"), lab.add("db2")
        lab.boot()
        db1.run("apt-get", "update")
        lab.cut(db1, db2)
"""
import functools
import glob
import http.server
import os
import subprocess
import sys
import threading
import unittest

import bind_host
import repository
from guest import Guest, boot_all
from image import Image, TOP

__all__ = ["Lab", "Guest", "TOP", "main"]

# Nobody else is in the lab's network namespace, so addresses are fixed.
ADDRESSES = {"ctl": 10, "ns": 53, "client": 100, **{f"db{n}": 10 + n for n in range(1, 9)}}


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


class Lab:
    BRIDGE = "br0"
    NETWORK = "10.88.0"
    ZONE = "db.lab.test."

    def __init__(self, snapshot=None):
        """With `snapshot`, a name given to save(), its machines are there again, still off. Else only the name server."""
        if os.getpid() != 1:
            sys.exit("a scenario runs in namespaces of its own: tests/lab/run.py SCENARIO.py")
        self.image = Image()
        self.guests = {}
        self.repositories = self.image.path("guests", "repositories")
        self._offer_repositories()
        self._make_bridge()
        self.server = self._serve_repositories()
        saved = self.image.path("snapshots", snapshot) if snapshot else None
        for name in sorted(os.listdir(saved)) if saved else ["ns"]:
            self.add(name, below=[os.path.join(saved, name)] if saved else [])
        self.names = self.guests["ns"]
        self.serves_zone = bool(saved)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # The network

    def _make_bridge(self):
        for command in (["link", "add", self.BRIDGE, "type", "bridge", "forward_delay", "0", "stp_state", "0"],
                        ["addr", "add", f"{self.NETWORK}.1/24", "dev", self.BRIDGE], ["link", "set", self.BRIDGE, "up"]):
            subprocess.run(["ip", *command], check=True)
        for table in ("arp", "ip", "ip6"):
            path = f"/proc/sys/net/bridge/bridge-nf-call-{table}tables"
            if os.path.exists(path):
                with open(path, "w", encoding="ascii") as f:
                    f.write("0")

    def cut(self, one, other=None, both=True):
        """Frames from `one` (to `other`) vanish on their way, unseen by either; with `both` those back too."""
        rules = [(one, other)] + ([(other, one)] if both else [])
        lines = [f"add rule bridge lab forward {self._match('iifname', source)} {self._match('oifname', target)} drop"
                 for source, target in rules]
        if other is None:  # the driver is a neighbour too
            lines.append(f'add rule bridge lab input iifname "{one.port}" drop')
            lines.append(f'add rule bridge lab output oifname "{one.port}" drop')
        self._nft("table bridge lab {", "chain forward { type filter hook forward priority 0; };",
                  "chain input { type filter hook input priority 0; };",
                  "chain output { type filter hook output priority 0; };", "}", *lines)

    @staticmethod
    def _match(keyword, guest):
        return f'{keyword} "{guest.port}"' if guest else ""

    def heal(self):
        """Undoes every cut()."""
        subprocess.run(["nft", "delete", "table", "bridge", "lab"], check=False, stderr=subprocess.DEVNULL)

    @staticmethod
    def _nft(*lines):
        subprocess.run(["nft", "-f", "-"], input="\n".join(lines) + "\n", text=True, check=True)

    # Repositories

    def _offer_repositories(self):
        """Copies of the image's, so that a scenario may publish other packages."""
        os.makedirs(self.repositories)
        for name in ("debian", "pgmahout"):
            subprocess.run(["cp", "-al", self.image.path("repositories", name), self.repositories], check=True)
        self.publish_postgres("14.22")

    def publish(self, name, debs):
        """Repository `name` holds `debs` from now on; machines learn of it by "apt-get update"."""
        repository.make(os.path.join(self.repositories, name), debs, self.image.signing_key(), label=name)

    def publish_postgres(self, version):
        """The repository "postgresql" offers that minor version and no other."""
        self.publish("postgresql", glob.glob(self.image.path("postgres", f"*_{version}-*.deb")))

    def _serve_repositories(self):
        handler = functools.partial(_QuietHandler, directory=self.repositories)
        server = http.server.ThreadingHTTPServer((f"{self.NETWORK}.1", 8080), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def repository(self, name):
        """URL of repository "debian", "postgresql" or "pgmahout", as guests reach it."""
        return f"http://{self.NETWORK}.1:8080/{name}"

    def repository_key(self, name):
        return os.path.join(self.repositories, name, repository.KEY_FILE)

    # Guests

    def address(self, name):
        return f"{self.NETWORK}.{ADDRESSES[name]}"

    def hosts_file(self):
        return "127.0.0.1 localhost\n" + "".join(f"{self.address(name)} {name}\n" for name in ADDRESSES)

    def resolv_conf(self):
        return f"nameserver {self.address('ns')}\noptions timeout:1 attempts:2\n"

    def add(self, name, disk=None, below=()):
        """A new machine, still off. Names: ns, ctl, client, db1 to db8."""
        self.guests[name] = Guest(self, name, self.address(name), disk, below)
        return self.guests[name]

    def save(self, snapshot):
        """Shuts all machines down and keeps their disks for Lab(snapshot)."""
        for guest in self.guests.values():
            guest.shut_down()
        directory = self.image.new_snapshot(snapshot)
        for guest in self.guests.values():
            guest.save(os.path.join(directory, guest.name))
        self.image.finish_snapshot(snapshot)

    def boot(self):
        """Boots what is off; with the name server its zone is served when this returns."""
        boot_all([g for g in self.guests.values() if not g.is_on()])
        if not self.serves_zone:
            bind_host.serve(self.names, self.ZONE)
            self.serves_zone = True

    def dig(self, name, rtype="A"):
        """Sorted answers of the name server for "orders-rw" in the lab's zone."""
        text = subprocess.run(["dig", "+short", "+time=2", "+tries=1", f"@{self.names.address}", f"{name}.{self.ZONE}",
                               rtype], capture_output=True, text=True, check=False).stdout
        return sorted(line for line in text.splitlines() if not line.startswith(";"))

    def close(self):
        for guest in self.guests.values():
            guest.close()
        self.server.shutdown()


def main():
    """Runs the calling module's tests; arguments choose some, as unittest takes them."""
    unittest.main(module="__main__", argv=[sys.argv[0], "-v", *sys.argv[1:]])


