# SPDX-License-Identifier: Apache-2.0
"""A real BIND 9 with one dynamic zone and one TSIG key, on an address and port of its own."""
import os
import secrets
import base64
import shutil
import subprocess

from processes import Process, wait_for

ZONE = """$TTL 60
@ IN SOA ns.{zone} admin.{zone} ( 1 60 30 3600 1 )
@ IN NS ns.{zone}
ns IN A {address}
"""

CONFIG = """options {{
  directory "{directory}"; pid-file "{directory}/named.pid"; session-keyfile "{directory}/session.key";
  lock-file none;
  listen-on port {port} {{ {address}; }}; listen-on-v6 {{ none; }};
  recursion no; allow-query {{ any; }}; allow-transfer {{ none; }}; notify no;
  dnssec-validation no; empty-zones-enable no; minimal-responses yes;
}};
controls {{ }};
include "{key_file}";
zone "{zone}" {{
  type primary; file "{directory}/zone.db"; journal "{directory}/zone.jnl";
  update-policy {{ grant {key} zonesub ANY; }};
}};
"""


def dig(name, rtype="A", server="127.0.0.1", port=53):
    """The answers to one question, sorted; [] if the name has none. RuntimeError without a reply."""
    argv = ["dig", f"@{server}", "-p", str(port), name, rtype, "+short", "+norecurse", "+time=1", "+tries=1"]
    result = subprocess.run(argv, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: exit status {result.returncode}: {result.stdout.strip()}")
    return sorted(line for line in result.stdout.splitlines() if line and not line.startswith(";"))


class Bind(Process):
    """Zone `zone` (with the final dot) served by named on address:port; updates need the key."""

    KEY = "pgmahout"

    def __init__(self, fleet, address, port=53, zone="db.example.", name="named"):
        self.address, self.port, self.zone = address, port, zone
        self.directory = os.path.join(fleet.directory, name)
        self.key_file = os.path.join(fleet.directory, name + "-tsig.key")
        self._configure()
        argv = [self._program(), "-4", "-g", "-n", "1", "-c", os.path.join(self.directory, "named.conf")]
        if os.geteuid() == 0:
            argv += ["-u", "bind"]
        super().__init__(fleet, name, argv, machine="controller")

    @property
    def endpoint(self):
        return f"{self.address}:{self.port}"

    def _configure(self):
        os.mkdir(self.directory)
        secret = base64.b64encode(secrets.token_bytes(32)).decode()
        with open(os.open(self.key_file, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as f:
            f.write(f'key "{self.KEY}" {{\n\talgorithm hmac-sha256;\n\tsecret "{secret}";\n}};\n')
        values = {"directory": self.directory, "address": self.address, "port": self.port,
                  "zone": self.zone, "key": self.KEY, "key_file": os.path.join(self.directory, "tsig.key")}
        for file, text in (("named.conf", CONFIG), ("zone.db", ZONE)):
            with open(os.path.join(self.directory, file), "w", encoding="ascii") as f:
                f.write(text.format(**values))
        shutil.copy(self.key_file, values["key_file"])
        if os.geteuid() == 0:
            for file in ("", "named.conf", "zone.db", "tsig.key"):
                shutil.chown(os.path.join(self.directory, file), "bind", "bind")

    def _program(self):
        """named, or a copy: Debian's AppArmor profile ties the original to directories of its own."""
        program = shutil.which("named", path="/usr/sbin:/usr/local/sbin:" + os.environ.get("PATH", ""))
        if not program:
            raise RuntimeError("named is missing; run scripts/install-deps")
        try:
            with open("/sys/kernel/security/apparmor/profiles", encoding="utf-8") as f:
                confined = any(line.split()[0].endswith("named") for line in f)
        except OSError:
            confined = False
        return shutil.copy(program, self.directory) if confined else program

    def start(self, extra=()):
        super().start(extra)
        self.wait_until_serving()
        return self

    def wait_until_serving(self, timeout=15):
        def serving():
            self.check_alive()
            return self.dig("", "SOA")
        wait_for(serving, timeout, f"BIND on {self.endpoint}")

    def dig(self, name, rtype="A"):
        """Answers for `name` inside the zone ("orders-rw"), or for a full name with its final dot."""
        full = name if name.endswith(".") else (f"{name}." if name else "") + self.zone
        return dig(full, rtype, self.address, self.port)

    def update(self, *lines, signed=True):
        """Sends nsupdate's commands as one update. RuntimeError names the server's refusal."""
        text = "\n".join([f"server {self.address} {self.port}", f"zone {self.zone}", *lines, "send", ""])
        argv = ["nsupdate", "-t", "3"] + (["-k", self.key_file] if signed else [])
        result = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise RuntimeError(f"nsupdate: {result.stderr.strip()}")
