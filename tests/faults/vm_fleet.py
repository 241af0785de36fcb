# SPDX-License-Identifier: Apache-2.0
"""VmFleet: a Fleet whose nodes, controller (with BIND) and client are machines of their own, and what
can happen to such a machine."""
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration", "fleet"))

from bind import Bind  # noqa: E402
from fleet import Fleet, wait_for  # noqa: E402
from machines import Machines, pids_in  # noqa: E402
from recorder import OBSERVER, Recorder  # noqa: E402


def cwd_of(pid):
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return None


class MachineAddresses:
    """Stands where a Fleet has its loopback subnet."""

    def __init__(self, machines):
        self.machines = machines

    def release(self):
        self.machines.close()


class VmFleet(Fleet):
    def __init__(self, major="15", nodes=("db1", "db2", "db3")):
        Fleet.sweep_abandoned()
        self.machines = Machines([*nodes, "controller", "client"], observers=[OBSERVER])
        try:
            super().__init__(major=major, nodes=nodes)
        except Exception:
            self.machines.close()
            raise
        self.subnet.release()
        self.subnet = MachineAddresses(self.machines)
        self.addresses = {node: self.machines.address(node) for node in self.nodes}
        self.hub = self.machines.address("controller")
        self.port = 5432
        self.recorder = None

    def prefix_of(self, machine):
        return self.machines.prefix(machine) if machine else []

    def start_bind(self):
        self.bind = Bind(self, self.hub, 53)
        return self.bind.start()

    def spec(self, *changes, **options):
        here = (r"source: 127.0.0.0/8", "source: 10.0.0.0/8")
        return super().spec(here, *changes, **options)

    def create(self, *changes):
        """Everything, up to a Healthy cluster with a writing client."""
        self.start()
        self.apply(self.spec(*changes))
        self.wait_until_whole()
        self.recorder = Recorder(self)
        return self

    # What happens to machines

    def kill_machine(self, node):
        """Every process of the VM dies at once; its kernel still answers."""
        agent = self.agents[node]
        data = agent.data_directory()
        if data:
            self.state.add_segments(data)
        namespace = self.machines.namespace(node)
        deadline = time.monotonic() + 10
        while pids_in(namespace):
            self.machines.signal_all(node, signal.SIGKILL)
            if agent.child:
                agent.child.poll()
            if time.monotonic() > deadline:
                raise RuntimeError(f"processes of {node} do not end")
            time.sleep(0.01)

    def lose_machine(self, node):
        """The VM is gone without a word: first silence, then its processes."""
        self.machines.isolate(node)
        self.kill_machine(node)

    def boot_machine(self, node):
        """The VM is back, with its agent as systemd would start it."""
        self.agents[node].child.wait()
        self.agents[node].start()

    def boot_all(self):
        """What is down is started again, as after a power failure."""
        for process in [self.controller, *self.agents.values()]:
            if process and not process.is_alive():
                process.start()

    def freeze_machine(self, name):
        """A hypervisor stops the VM for a while: a node, "controller" (with BIND) or "client"."""
        self.machines.signal_all(name, signal.SIGSTOP)

    def thaw_machine(self, name):
        self.machines.signal_all(name, signal.SIGCONT)

    def server_pids(self, node):
        """The postmaster of `node` and all its children."""
        data = self.agents[node].data_directory()
        return [pid for pid in pids_in(self.machines.namespace(node)) if cwd_of(pid) == data]

    def guard_pids(self, node):
        """The guards that run on `node`."""
        found = []
        for pid in pids_in(self.machines.namespace(node)):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    if b"pgmahout-guard" in f.read().split(b"\0")[0]:
                        found.append(pid)
            except (FileNotFoundError, ProcessLookupError):
                continue
        return found

    @staticmethod
    def signal_one(pid, number):
        """As os.kill(); a process that has ended meanwhile is no error."""
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass

    def ask_for_switchover(self):
        """As a person would who does not wait for the end; it may be refused."""
        subprocess.run(self.cli_argv("cluster", "switchover", self.cluster, "--no-wait"), capture_output=True,
                       timeout=30, check=False, stdin=subprocess.DEVNULL, env=self.environment())

    def wait_for_new_primary(self, old, timeout=60):
        return self.wait_for_primary(not_node=old, timeout=timeout)

    def wait_until_streaming(self, node, timeout=90):
        """Waits until `node` streams as a standby (again), as its own server says: the controller may still
        show what was so before the fault."""
        def streaming():
            return self.psql(node, "SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'") == "1"
        return wait_for(streaming, timeout, f"{node} to stream again")

    def wait_until_level(self, timeout=60):
        """Waits until every standby has confirmed what the primary has written by now. A connection that was cut
        counts as streaming while TCP still waits before it sends again."""
        primary = self.wait_for_primary()
        lsn = self.psql(primary, "SELECT pg_current_wal_flush_lsn()")
        query = f"SELECT count(*) FROM pg_stat_replication WHERE flush_lsn >= '{lsn}'"
        return wait_for(lambda: int(self.psql(primary, query)) >= len(self.nodes) - 1, timeout,
                        f"every standby to confirm {lsn}")

    def calm(self):
        """Ends every fault that goes on: cuts, bad links, freezes. Killed machines stay down."""
        self.machines.heal()
        for name in self.machines.names:
            self.machines.shape(name)
            self.thaw_machine(name)

    def close(self):
        if self.recorder:
            self.recorder.stop()
        self.calm()
        super().close()
