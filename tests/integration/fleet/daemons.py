# SPDX-License-Identifier: Apache-2.0
"""The controller and the agents of a fleet as processes, with the files that configure them."""
import os
import shutil
import socket
import urllib.error
import urllib.request

from network import free_port
from postgres import socket_of
from processes import Process, find_postmasters, wait_for


def http_get(endpoint, path, timeout=2):
    """(status, text) of http://ENDPOINT/PATH; (0, reason) when nobody answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{endpoint}{path}", timeout=timeout) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def accepts(endpoint):
    host, _, port = endpoint.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
        return True
    except OSError:
        return False


def write_private(path, text, owner="postgres"):
    """A file that only `owner` reads: configurations name keys, tokens are secrets."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as f:
        f.write(text)
    if os.geteuid() == 0:
        shutil.chown(path, owner, owner)


def make_directory(path, owner="postgres", mode=0o700):
    os.makedirs(path, exist_ok=True)
    os.chmod(path, mode)
    if os.geteuid() == 0:
        shutil.chown(path, owner, owner)
    return path


class Controller(Process):
    """pgmahout-controller on address:7432 (gRPC) and address:7480 (HTTP), publishing to `bind`."""

    def __init__(self, fleet, address, bind=None, name="controller"):
        self.directory = make_directory(os.path.join(fleet.directory, name))
        self.state_directory = make_directory(os.path.join(self.directory, "state"))
        self.listen = f"{address}:{free_port([address], 7432)}"
        self.http = f"{address}:{free_port([address], 7480)}"
        self.config_file = os.path.join(self.directory, "controller.yaml")
        text = f"stateDir: {self.state_directory}\nlisten: {self.listen}\nhttp: {self.http}\n"
        if bind:
            key_file = os.path.join(self.directory, "tsig.key")
            with open(bind.key_file, encoding="ascii") as f:
                write_private(key_file, f.read())
            text += ("dns:\n"
                     f"  - zone: {bind.zone}\n"
                     f"    servers: [\"{bind.endpoint}\"]\n"
                     f"    tsigKeyFile: {key_file}\n")
        write_private(self.config_file, text)
        super().__init__(fleet, name, [fleet.binary("pgmahout-controller"), "--config", self.config_file],
                         user="postgres", machine="controller")

    def copy_store(self):
        """The store's files, of a controller that does not run."""
        copy = {}
        for name in os.listdir(self.state_directory):
            if name.startswith("controller.db"):
                with open(os.path.join(self.state_directory, name), "rb") as f:
                    copy[name] = f.read()
        return copy

    def restore_store(self, copy):
        """Writes over the files, so that owner and mode stay; what the copy has not is removed."""
        for name in os.listdir(self.state_directory):
            if name.startswith("controller.db") and name not in copy:
                os.remove(os.path.join(self.state_directory, name))
        for name, content in copy.items():
            path = os.path.join(self.state_directory, name)
            with open(path, "wb") as f:
                f.write(content)
            os.chown(path, os.stat(self.state_directory).st_uid, os.stat(self.state_directory).st_gid)

    @property
    def admin_config(self):
        return os.path.join(self.state_directory, "admin", "config.yaml")

    def start(self, extra=()):
        super().start(extra)
        self.wait_until_serving()
        return self

    def wait_until_serving(self, timeout=20):
        def serving():
            self.check_alive()
            status, text = http_get(self.http, "/healthz")
            if status != 200:
                raise RuntimeError(f"/healthz: {status} {text.strip()[:200]}")
            return accepts(self.listen) and os.path.exists(self.admin_config)
        wait_for(serving, timeout, f"the controller on {self.listen}")


class Agent(Process):
    """pgmahout-agent of one node; PostgreSQL's data is below `data_root`. `existing`: the data directory of
    a server that may be adopted."""

    def __init__(self, fleet, node, address, existing=None):
        self.node, self.address = node, address
        self.directory = make_directory(os.path.join(fleet.directory, node), mode=0o755)
        self.state_directory = make_directory(os.path.join(self.directory, "state"))
        self.data_root = make_directory(os.path.join(self.directory, "postgresql"))
        self.metrics = f"{address}:{free_port([address], 9187)}"
        self.health = f"{address}:{free_port([address], 8008)}"
        self.config_file = os.path.join(self.directory, "agent.yaml")
        versions = ", ".join(f'"{v}": {d}' for v, d in fleet.bin_directories.items())
        write_private(self.config_file, f"""\
node: {node}
stateDir: {self.state_directory}
address: {address}
controller: {fleet.controller.listen}
http: {{metrics: "{self.metrics}", health: "{self.health}"}}
postgres:
  control: direct
  dataRoot: {self.data_root}
  existingData: "{existing or ''}"
  binDirs: {{{versions}}}
  walProgram: {fleet.binary("pgmahout-wal")}
  guardProgram: {fleet.binary("pgmahout-guard")}
""")
        super().__init__(fleet, f"agent-{node}", [fleet.binary("pgmahout-agent"), "--config", self.config_file],
                         user="postgres", machine=node)

    def join(self, token):
        """Starts the agent for the first time, with a one-time token."""
        token_file = os.path.join(self.directory, "token")
        write_private(token_file, token + "\n")
        return self.start(["--token-file", token_file])

    def data_directory(self):
        """The data directory of the server that runs on this node, or None."""
        return next(iter(find_postmasters(self.data_root)), None)

    def postmaster_pid(self):
        """The running postmaster's pid; RuntimeError if none runs. Whoever asks may kill it, so its
        shared memory is remembered for the end of the fleet."""
        for data, pid in find_postmasters(self.data_root).items():
            self.fleet.state.add_segments(data)
            return pid
        raise RuntimeError(f"no PostgreSQL server runs on {self.node}")

    def server_socket(self):
        """(socket directory, port) of the running server."""
        data = self.data_directory()
        if not data:
            raise RuntimeError(f"no PostgreSQL server runs on {self.node}")
        return socket_of(data)
