# SPDX-License-Identifier: Apache-2.0
"""A whole pgmahout on one machine: BIND, one controller and agents with real PostgreSQL servers.

    with Fleet(major="15") as fleet:
        fleet.start()
        fleet.apply(fleet.spec())
        fleet.wait_for_phase("Healthy")
        client = fleet.recording_client()

Everything lives in one short directory and on loopback addresses of its own, so that several fleets
may run at once. Leaving the block ends every process and removes the directory; Fleet.down(directory)
does the same from another process after a crash. With PGM_FLEET_KEEP=1 the files stay.
"""
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

from bind import Bind, dig
from client import RecordingClient
from daemons import Agent, Controller, make_directory
from network import Subnet, free_port
from postgres import TOP, as_postgres, bin_directories, psql
from processes import MARK, STATE_FILE, Fatal, State, owner_is_alive, remove_fleet, wait_for
from reaper import Reaper, adopt_orphans

__all__ = ["Agent", "Bind", "CommandFailed", "Controller", "Fatal", "Fleet", "RecordingClient", "dig",
           "wait_for"]

PREFIX = "pgm-"


class CommandFailed(RuntimeError):
    """A pgmahout command ended with another exit status than 0."""

    def __init__(self, argv, result):
        super().__init__(f"{' '.join(argv)}: exit status {result.returncode}\n{result.stderr.strip()}")
        self.returncode, self.stdout, self.stderr = result.returncode, result.stdout, result.stderr


class Fleet:
    """See the top of the file. Nodes get the addresses .11, .12 ... of the fleet's subnet, BIND and the
    controller .10. `subnet` ("127.0.0") is a wish. `major` is the PostgreSQL version of spec()."""

    def __init__(self, major="15", nodes=("db1", "db2", "db3"), directory=None, subnet=None, cluster="orders"):
        self.cluster, self.major, self.nodes = cluster, str(major), list(nodes)
        self.subnet = Subnet(subnet)
        self.addresses = {node: self.subnet.address(11 + i) for i, node in enumerate(self.nodes)}
        self.hub = self.subnet.address(10)
        self.port = free_port(self.addresses.values(), 5432)
        self.directory = self._make_directory(directory)
        self.logs = make_directory(os.path.join(self.directory, "logs"), mode=0o755)
        self.archive = make_directory(os.path.join(self.directory, "archive"))
        self.state = State(self.directory)
        adopt_orphans()
        self.reaper = Reaper(self.state.pids)
        self.reaper.start()
        self.bin_directories = bin_directories(want_14=self.major == "14")
        if self.major not in self.bin_directories:
            raise RuntimeError(f"PostgreSQL {self.major} is not on this machine: {self.bin_directories}")
        self.bind = self.controller = None
        self.agents = {}

    @staticmethod
    def _make_directory(directory):
        if directory is None:
            directory = tempfile.mkdtemp(prefix=PREFIX, dir="/tmp")
        else:
            directory = os.path.realpath(directory)
            os.makedirs(directory, exist_ok=True)
            if os.listdir(directory):
                raise RuntimeError(f"{directory} is not empty; quickstart --down --directory {directory} clears a fleet")
        if len(directory) > 50:  # PostgreSQL's socket goes below it, in at most 107 bytes
            raise RuntimeError(f"{directory} is too long a name for Unix sockets; choose a shorter one")
        os.chmod(directory, 0o755)
        return directory

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if error is not None and kind is not KeyboardInterrupt:
            self.print_logs()
        self.close()

    def prefix_of(self, machine):
        """Command prefix that runs a program on `machine`: a node, "controller" or "client". Here all are
        one machine."""
        del machine
        return []

    # Starting and ending

    def start_bind(self):
        self.state.add_address(self.hub)
        self.bind = Bind(self, self.hub, free_port([self.hub], 53))
        self._write_with_dns()
        return self.bind.start()

    def start_controller(self):
        self.controller = Controller(self, self.hub, self.bind).start()
        return self.controller

    def start_agent(self, node, existing=None):
        """Joins `node` with a one-time token. `existing`: a data directory that may be adopted."""
        self.agents[node] = Agent(self, node, self.addresses[node], existing)
        return self.agents[node].join(self.cli("token", "create", "--node", node).strip())

    def start(self):
        self.start_bind()
        self.start_controller()
        for node in self.nodes:
            self.start_agent(node)
        self.wait_until_connected()
        return self

    def wait_until_connected(self, timeout=20):
        """Waits until every agent that was started has joined and holds its stream."""
        def connected():
            nodes = {n["name"]: n["connected"] for n in json.loads(self.cli("node", "list", "-o", "json"))}
            return all(nodes.get(node) for node in self.agents)
        self.wait_for(connected, timeout, "every agent to be connected")

    def close(self):
        """Ends every process and removes the directory; with PGM_FLEET_KEEP=1 the files stay."""
        keep = bool(os.environ.get("PGM_FLEET_KEEP"))
        remove_fleet(self.directory, keep_files=keep)
        for process in [self.bind, self.controller, *self.agents.values()]:
            if process and process.child:
                process.child.wait()
        self.reaper.stop()
        self.subnet.release()
        if keep:
            print(f"fleet: files kept in {self.directory}", file=sys.stderr)

    @staticmethod
    def down(directory):
        """Ends the fleet in `directory`, whoever started it. False if there is none."""
        return remove_fleet(directory)

    @staticmethod
    def sweep_abandoned():
        """Ends the fleets below /tmp whose owner has died; returns their directories."""
        gone = []
        for path in glob.glob(f"/tmp/{PREFIX}*/{STATE_FILE}"):
            directory = os.path.dirname(path)
            state = State.load(directory)
            if state and not owner_is_alive(state) and remove_fleet(directory):
                gone.append(directory)
        return gone

    def print_logs(self, lines=25):
        for path in sorted(glob.glob(os.path.join(self.logs, "*.log"))):
            with open(path, encoding="utf-8", errors="replace") as f:
                tail = "".join(f.readlines()[-lines:])
            if tail:
                print(f"--- end of {os.path.basename(path)}\n{tail}", file=sys.stderr)

    def environment(self):
        """What every command of this fleet runs with."""
        config = {"PGMAHOUT_CONFIG": self.controller.admin_config} if self.controller else {}
        return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8", MARK: self.directory, **config}

    def binary(self, name):
        """Path of one of our programs that user postgres can run; a clone may be closed to it."""
        build = os.environ.get("PGMAHOUT_BUILD_DIR", os.path.join(TOP, "build", "dev"))
        path = os.path.join(build, "bin", name)
        if not os.access(path, os.X_OK):
            raise RuntimeError(f"{path} is missing; run scripts/build")
        if subprocess.run(as_postgres("test", "-x", path), check=False).returncode == 0:
            return path
        copy = os.path.join(self.directory, "bin", name)
        if not os.path.exists(copy):
            make_directory(os.path.dirname(copy), mode=0o755)
            os.chmod(shutil.copy(path, copy), 0o755)
        return copy

    # What a person would type

    def cli_argv(self, *arguments):
        return [self.binary("pgmahout"), "--config", self.controller.admin_config, *arguments]

    def cli(self, *arguments, timeout=90):
        """stdout of `pgmahout ARGUMENTS`; CommandFailed carries exit status and stderr."""
        argv = self.cli_argv(*arguments)
        result = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=timeout,
                                stdin=subprocess.DEVNULL, env=self.environment(), cwd=self.directory)
        if result.returncode != 0:
            raise CommandFailed(["pgmahout", *arguments], result)
        return result.stdout

    def spec(self, *changes, example="orders.yaml", name="cluster.yaml"):
        """Writes the example with what differs here (version, port, addresses, archive) and returns its
        path. `changes` are (regular expression, replacement) pairs; each must match exactly once."""
        with open(os.path.join(TOP, "examples", example), encoding="utf-8") as f:
            text = f.read()
        here = [(r"nodes: \[.*\]", f"nodes: [{', '.join(self.nodes)}]"),
                (r"version: \d+ ", f"version: {self.major} "), (r"port: \d+ ", f"port: {self.port} "),
                (r"source: \S+ ", "source: 127.0.0.0/8 "), (r"directory: \S+", f"directory: {self.archive}")]
        for pattern, replacement in [*here, *changes]:
            text, number = re.subn(pattern, replacement, text)
            if number != 1:
                raise ValueError(f"{pattern!r} matches {number} times in {example}")
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def apply(self, path, timeout=60):
        return self.cli("apply", "-f", path, "--wait", "--timeout", f"{timeout}s", timeout=timeout + 15)

    def cluster_json(self, name=None):
        """`pgmahout cluster show NAME -o json` as a dictionary."""
        return json.loads(self.cli("cluster", "show", name or self.cluster, "-o", "json", timeout=15))

    def history(self):
        return json.loads(self.cli("cluster", "history", self.cluster, "-o", "json", timeout=15))

    def password(self, role):
        return self.cli("cluster", "credentials", self.cluster, role, timeout=15).strip()

    # What is true now

    def wait_for(self, condition, timeout, what):
        """As wait_for(), and fails at once when a daemon that was started has ended by itself."""
        expected = [p for p in [self.bind, self.controller, *self.agents.values()] if p and p.is_alive()]

        def checked():
            for process in expected:
                process.check_alive()
            return condition()
        return wait_for(checked, timeout, what)

    def wait_for_phase(self, phase, timeout=60):
        """Waits for `phase` and returns the status; the error tells phase and reason."""
        def reached():
            status = self.cluster_json()
            if status["phase"] != phase:
                raise RuntimeError(f"phase {status['phase']}: {status['phaseReason']}")
            return status
        return self.wait_for(reached, timeout, f"cluster {self.cluster} to be {phase}")

    def wait_for_primary(self, not_node=None, timeout=30):
        """The node that is primary, as soon as it is another one than `not_node`."""
        def elected():
            primary = self.cluster_json()["primary"]
            return primary if primary and primary != not_node else None
        return self.wait_for(elected, timeout, f"a primary other than {not_node}" if not_node else "a primary")

    def wait_until_whole(self, timeout=60):
        """Waits until the cluster is Healthy and every other member streams; returns the status."""
        def whole():
            status = self.cluster_json()
            states = {m["node"]: m["state"] for m in status["members"]}
            wanted = {n: "running" if n == status["primary"] else "streaming" for n in self.nodes}
            if status["phase"] != "Healthy" or states != wanted:
                raise RuntimeError(f"phase {status['phase']} ({status['phaseReason']}), members {states}")
            return status
        return self.wait_for(whole, timeout, "all members to stream")

    def primary(self):
        """The Agent of the node that is primary now."""
        return self.agents[self.wait_for_primary()]

    def psql(self, node, sql, database="postgres"):
        """Runs SQL as superuser on `node`, through its Unix socket."""
        data = self.agents[node].data_directory()
        if not data:
            raise RuntimeError(f"no PostgreSQL server runs on {node}")
        return psql(data, sql, database)

    # Clients

    def create_rows_table(self, table="pgm_rows", database="orders", owner="orders_owner", user="orders_app"):
        """The table that RecordingClient writes to."""
        self.psql(self.wait_for_primary(),
                  f"SET client_min_messages = warning; SET ROLE {owner};"
                  f"CREATE TABLE IF NOT EXISTS {table} (id bigint PRIMARY KEY, at timestamptz DEFAULT now());"
                  f"GRANT SELECT, INSERT ON {table} TO {user};", database)

    def recording_client(self, by_name=False, table="pgm_rows", **options):
        """A started client of role orders_app: through all addresses, or through the DNS name."""
        self.create_rows_table(table)
        options = {"dbname": "orders", "user": "orders_app", "password": self.password("orders_app"),
                   "sslmode": "require", "table": table, **options}
        hosts = list(self.addresses.values())
        if by_name:
            options.update(prefix=self.with_dns, check_hosts=hosts)
            hosts = "orders-rw.db.example"
        return RecordingClient(self, hosts, self.port, **options).start()

    @property
    def with_dns(self):
        """Command prefix: the program sees the fleet's zone as its resolver, nothing else does."""
        return [os.path.join(self.directory, "with-dns")]

    def _write_with_dns(self):
        """libpq's resolver knows port 53 only, and reads /etc/resolv.conf: a private mount of that."""
        path = os.path.join(self.directory, "with-dns")
        resolv = os.path.join(self.directory, "resolv.conf")
        with open(resolv, "w", encoding="ascii") as f:
            f.write(f"nameserver {self.hub}\noptions timeout:1 attempts:2\n")
        with open(path, "w", encoding="ascii") as f:
            f.write("#!/bin/sh\n# Runs a command that resolves names with this fleet's BIND.\n"
                    "exec unshare --mount --propagation private /bin/sh -c \\\n"
                    f"  'mount --bind {resolv} /etc/resolv.conf && exec \"$@\"' sh \"$@\"\n")
        os.chmod(path, 0o755)
