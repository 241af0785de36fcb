# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL without pgmahout: which versions this machine has, and a hand-made server."""
import os
import re
import shutil
import signal
import subprocess

import psycopg2

from processes import MARK, find_postmasters, find_processes, wait_for

TOP = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", ".."))


def bin_directories(want_14=True):
    """{"15": "/usr/lib/postgresql/15/bin", ...} of the servers on this machine.

    With `want_14`, scripts/postgres14 is asked for a 14; where it has none, 14 is not in the answer.
    """
    found = {}
    root = "/usr/lib/postgresql"
    for version in os.listdir(root) if os.path.isdir(root) else []:
        if version.isdigit() and os.access(f"{root}/{version}/bin/postgres", os.X_OK):
            found[version] = f"{root}/{version}/bin"
    if want_14 and "14" not in found:
        result = subprocess.run([os.path.join(TOP, "scripts", "postgres14")], capture_output=True,
                                text=True, check=False)
        if result.returncode == 0:
            found["14"] = result.stdout.strip()
    return dict(sorted(found.items(), key=lambda item: int(item[0])))


def as_postgres(*argv):
    """`argv` run as user postgres, which owns every server; unchanged for other users than root."""
    if os.geteuid() != 0:
        return list(argv)
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", *argv]


class HandMadeServer:
    """One server in DIRECTORY/name/data that trusts everybody on its loopback address."""

    def __init__(self, fleet, name, address, port, major="15"):
        self.fleet, self.name, self.address, self.port = fleet, name, address, port
        self.bin = bin_directories(want_14=major == "14")[major]
        self.directory = os.path.join(fleet.directory, name)
        self.data = os.path.join(self.directory, "data")
        self.log = os.path.join(self.directory, "server.log")

    def run(self, program, *argv):
        environment = {**os.environ, MARK: self.fleet.directory}
        result = subprocess.run(as_postgres(os.path.join(self.bin, program), *argv), check=False, text=True,
                                cwd=self.directory, env=environment, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if result.returncode != 0:
            with open(self.log, "a+", encoding="utf-8") as f:
                f.seek(0)
                raise RuntimeError(f"{program} failed: {result.stdout}\n{''.join(f.readlines()[-10:])}")

    def create(self):
        os.mkdir(self.directory)
        if os.geteuid() == 0:
            shutil.chown(self.directory, "postgres", "postgres")
        self.run("initdb", "-D", self.data, "-k", "-A", "trust", "-U", "postgres", "--no-sync")
        with open(os.path.join(self.data, "postgresql.conf"), "a", encoding="utf-8") as f:
            f.write(f"listen_addresses = '{self.address}'\nport = {self.port}\n"
                    f"unix_socket_directories = '{self.directory}'\nshared_buffers = 16MB\n")
        return self

    def start(self):
        self.run("pg_ctl", "-D", self.data, "-l", self.log, "-w", "start")
        return self

    def kill(self, number=signal.SIGKILL):
        """Signals the postmaster. After SIGKILL returns when its last backend is gone too: as long as one
        is attached to shared memory, no server starts on this data directory."""
        pid = find_postmasters(self.directory)[self.data]
        self.fleet.state.add_segments(self.data)
        os.kill(pid, number)
        if number == signal.SIGKILL:
            # PostgreSQL takes a postmaster that nobody has collected yet for a live one.
            wait_for(lambda: not find_processes(self.directory) and not os.path.exists(f"/proc/{pid}"), 10,
                     f"the end of the backends of {pid}")

    def execute(self, sql):
        """Runs SQL as the superuser; returns the rows, or None where there are none."""
        connection = psycopg2.connect(host=self.address, port=self.port, user="postgres", dbname="postgres")
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else None
        finally:
            connection.close()


def socket_of(data):
    """(socket directory, port) of the server running in data directory `data`."""
    with open(os.path.join(data, "postmaster.pid"), encoding="utf-8") as f:
        lines = f.read().split("\n")
    return lines[4], int(lines[3])


def psql(data, sql, database="postgres", program="psql"):
    """Runs SQL as the superuser through the Unix socket of the server in `data`; returns the output."""
    directory, port = socket_of(data)
    argv = as_postgres(program, "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", directory, "-p", str(port),
                       "-U", "postgres", "-d", database)
    # SQL goes in by stdin: it may hold what no process list should show.
    result = subprocess.run(argv, input=sql, capture_output=True, text=True, check=False, cwd="/")
    if result.returncode != 0:
        raise RuntimeError(f"psql on {data}: {re.sub(r'^psql:', '', result.stderr.strip())}")
    return result.stdout.strip()


def pgbench(data, database, *arguments):
    """Runs Debian's pgbench as the superuser against the server in `data`; RuntimeError if it fails."""
    directory, port = socket_of(data)
    newest = list(bin_directories(want_14=False).values())[-1]
    argv = as_postgres(os.path.join(newest, "pgbench"), "-h", directory, "-p", str(port), "-U", "postgres",
                       *arguments, database)
    result = subprocess.run(argv, capture_output=True, text=True, check=False, cwd="/")
    if result.returncode != 0:
        raise RuntimeError(f"pgbench on {data}: {result.stderr.strip()}")
    return result.stdout
