# SPDX-License-Identifier: Apache-2.0
"""Rollout: our Ansible collection against the lab's guests, over ssh, as its users run it.

    rollout = Rollout(lab, nodes=["db1", "db2", "db3"])
    result = rollout.play("site")        # RuntimeError with the end of the output if it fails
    assert result.changed == {}
"""
import dataclasses
import json
import os
import re
import subprocess
import time

import bind_host
from image import Image
from lab import Lab, TOP
from waiting import wait_for

CONFIG = """[defaults]
host_key_checking = False
forks = 8
gathering = smart
retry_files_enabled = False
interpreter_python = /usr/bin/python3
nocows = True
[ssh_connection]
pipelining = True
control_path_dir = /run/ansible-ssh
ssh_args = -o ControlMaster=auto -o ControlPersist=120s -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR
"""
# Runs many times faster; the first run of a scenario does without it, as most users do.
MITOGEN = "/usr/lib/python3/dist-packages/ansible_mitogen/plugins/strategy"
RECAP = re.compile(r"^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.M)
CLUSTER = "orders"


@dataclasses.dataclass
class Play:
    """What a run of ansible-playbook did."""
    output: str
    seconds: float
    status: int

    @property
    def changed(self):
        """Number of changed tasks by host, hosts without left out."""
        return {host: int(changed) for host, _, changed, _, _ in RECAP.findall(self.output) if changed != "0"}

    def changed_tasks(self):
        """Names of the tasks that changed something, for messages."""
        tasks, task = [], ""
        for line in self.output.splitlines():
            if line.startswith(("TASK [", "RUNNING HANDLER [")):
                task = line.partition("[")[2].partition("]")[0]
            elif line.startswith("changed:"):
                tasks.append(f"{task} ({line})")
        return tasks


class Rollout:
    """`changes` are merged over the variables of group all."""

    def __init__(self, lab, nodes, **changes):
        self.lab, self.nodes = lab, list(nodes)
        self.directory = lab.image.path("guests", "rollout")
        os.makedirs(os.path.join(self.directory, "collections/ansible_collections/pgmahout"))
        os.symlink(os.path.join(TOP, "ansible"),
                   os.path.join(self.directory, "collections/ansible_collections/pgmahout/pgmahout"))
        self._write("ansible.cfg", CONFIG)
        self.variables = {**self._defaults(), **changes}

    def _write(self, name, text):
        with open(os.path.join(self.directory, name), "w", encoding="utf-8") as f:
            f.write(text)

    def _defaults(self):
        lab = self.lab
        zone = lab.ZONE
        return {
            "ansible_user": "root",
            "ansible_ssh_private_key_file": lab.image.ssh_key,
            "repo_sources": [{"name": name, "url": lab.repository(name), "suite": "bookworm",
                              "key_file": lab.repository_key(name)} for name in ("postgresql", "pgmahout")],
            "controller_dns": [{"zone": zone, "servers": [f"{lab.names.address}:53"],
                                "tsig_key": bind_host.tsig_key(lab.names)}],
            "agent_archive_directory": "/var/lib/pgmahout/archive",
            "firewall_enabled": False,
            "cluster_specs": [self.spec(self.nodes)],
        }

    def spec(self, nodes):
        network = f"{self.lab.NETWORK}.0/24"
        return {"apiVersion": "pgmahout/v1", "kind": "Cluster", "metadata": {"name": CLUSTER}, "spec": {
            "placement": {"nodes": list(nodes)},
            "postgresql": {"version": 14, "pgHba": [{"type": "hostssl", "databases": [CLUSTER], "users": ["app"],
                                                     "source": network, "method": "scram-sha-256"}]},
            "synchronous": {"method": "any", "number": 1, "dataDurability": "preferred"},
            "failover": {"detectAfter": "3s", "leaseTTL": "10s"},
            "dns": {"primary": f"rw.{self.lab.ZONE}", "standbys": f"ro.{self.lab.ZONE}", "ttl": "2s"},
            "archive": {"directory": "/var/lib/pgmahout/archive"},
            "databases": [{"name": CLUSTER, "owner": "app_owner"}],
            "roles": [{"name": "app_owner"},
                      {"name": "app", "login": True, "access": [{"database": CLUSTER, "preset": "readwrite"}]}]}}

    def inventory(self):
        hosts = lambda names: {"hosts": {n: {"ansible_host": self.lab.guests[n].address} for n in names}}  # noqa: E731
        return {"all": {"vars": self.variables, "children": {"pgmahout_controller": hosts(["ctl"]),
                                                             "pgmahout_nodes": hosts(self.nodes)}}}

    def play(self, playbook, *arguments, check=True, quick=True, timeout=900):
        """Runs pgmahout.pgmahout.<playbook>; with `quick` by mitogen, where that is installed."""
        self._write("inventory.json", json.dumps(self.inventory()))
        environment = {**os.environ, "ANSIBLE_CONFIG": os.path.join(self.directory, "ansible.cfg"),
                       "ANSIBLE_COLLECTIONS_PATH": os.path.join(self.directory, "collections"),
                       "ANSIBLE_HOME": os.path.join(self.directory, "home"), "ANSIBLE_NOCOLOR": "1", "LC_ALL": "C.UTF-8"}
        if quick and os.path.isdir(MITOGEN):
            environment.update(ANSIBLE_STRATEGY_PLUGINS=MITOGEN, ANSIBLE_STRATEGY="mitogen_linear")
        began = time.monotonic()
        result = subprocess.run(["ansible-playbook", "-i", os.path.join(self.directory, "inventory.json"),
                                 f"pgmahout.pgmahout.{playbook}", *arguments], env=environment, text=True, check=False,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout)
        play = Play(result.stdout, time.monotonic() - began, result.returncode)
        print(f"figure: {playbook} {' '.join(arguments)}: {play.seconds:.0f} s, changed {play.changed}", flush=True)
        if check and result.returncode:
            raise RuntimeError(f"{playbook} ended with {result.returncode}:\n{result.stdout[-6000:]}")
        return play

    # The cluster

    def pgmahout(self, *arguments, check=True):
        return self.lab.guests["ctl"].run("pgmahout", "--config", "/var/lib/pgmahout/controller/admin/config.yaml",
                                          *arguments, check=check)

    def status(self):
        return json.loads(self.pgmahout("cluster", "show", CLUSTER, "-o", "json"))

    def primary(self):
        """The guest that is primary."""
        return self.lab.guests[self.status()["primary"]]

    def wait_until_healthy(self, timeout=120, members=None):
        """Waits until the phase is Healthy with that many members, all streaming; returns the status."""
        wanted = members or len(self.nodes)

        def healthy():
            status = self.status()
            if status["phase"] != "Healthy" or len(status["members"]) != wanted:
                raise RuntimeError(f"{status['phase']} ({status['phaseReason']}), {len(status['members'])} members")
            return status
        return wait_for(healthy, timeout, f"{CLUSTER} to be Healthy", interval=0.3)


def rolled_out(name="site", nodes=("db1", "db2", "db3")):
    """A lab with a Healthy cluster and its Rollout: from the disks that rollout_test.py has kept, or by a rollout."""
    if Image().has_snapshot(name):
        lab = Lab(snapshot=name)
        lab.add("client")
        lab.boot()
        rollout = Rollout(lab, nodes)
    else:
        lab = Lab()
        for guest in ("ctl", *nodes, "client"):
            lab.add(guest)
        lab.boot()
        rollout = Rollout(lab, nodes)
        rollout.play("site")
    rollout.wait_until_healthy()
    return lab, rollout
