# SPDX-License-Identifier: Apache-2.0
"""The fleet part of scripts/quickstart: every step says what it does and what the reader could type."""
import argparse
import os
import shlex
import signal
import subprocess
import sys
import time

import psycopg2

TOP = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path.insert(0, os.path.join(TOP, "tests", "integration", "fleet"))

from fleet import CommandFailed, Fatal, Fleet, wait_for  # noqa: E402
from postgres import bin_directories  # noqa: E402
from processes import State, owner_is_alive  # noqa: E402

DEFAULT_MAJOR = "14"
BOLD, DIM, GREEN, RESET = ("\033[1m", "\033[2m", "\033[32m", "\033[0m") if sys.stdout.isatty() else ("",) * 4


def say(text=""):
    print(text, flush=True)


class Steps:
    """Numbered steps with the commands behind them, and the time since the first one."""

    def __init__(self):
        self.started, self.number = time.monotonic(), 0

    def step(self, text):
        self.number += 1
        say(f"\n{BOLD}{self.number:2}. {text}{RESET}  {DIM}[{self.seconds():.1f} s]{RESET}")

    def seconds(self):
        return time.monotonic() - self.started

    @staticmethod
    def command(text):
        """A command that the reader could type."""
        say(f"    {GREEN}${RESET} {text}")

    @staticmethod
    def output(text):
        for line in text.rstrip("\n").split("\n"):
            say(f"      {line}")

    @staticmethod
    def result(text):
        say(f"    {text}")


def choose_major(wanted):
    """The version to run: the wanted one, else the newest on this machine, said in one line."""
    major = wanted or DEFAULT_MAJOR
    found = bin_directories(want_14=major == "14")
    if major in found:
        return major
    if not found or wanted and wanted != "14":
        raise Fatal(f"PostgreSQL {major} is not on this machine; found: {', '.join(found) or 'none'}")
    newest = list(found)[-1]
    say(f"PostgreSQL 14 cannot be had on this machine (scripts/postgres14 says why): using {newest}.")
    return newest


class Quickstart:
    def __init__(self, fleet):
        self.fleet, self.steps = fleet, Steps()
        self.name = "orders-rw.db.example"

    # Each step is one method; run() is the story.

    def run(self):
        self.start_dns()
        self.start_controller()
        self.start_agents()
        self.create_cluster()
        client = self.write_rows()
        old, killed_at = self.kill_primary(client)
        new = self.show_failover(client, old, killed_at)
        self.show_rejoin(old, new)
        report = client.stop()
        lost = client.lost_rows()
        self.steps.step(f"Done: {report.summary(killed_at - 1)}, {len(lost)} acknowledged rows lost.")
        if lost:
            raise Fatal(f"acknowledged rows are missing: {lost[:20]}")
        say(f"    The fleet part took {self.steps.seconds():.0f} s.")

    def pgmahout(self, *arguments, show=True):
        """Shows and runs a pgmahout command; returns its output."""
        self.steps.command("pgmahout " + shlex.join(arguments))
        text = self.fleet.cli(*arguments)
        if show:
            self.steps.output(text)
        return text

    def show_dns(self):
        bind = self.fleet.bind
        port = "" if bind.port == 53 else f" -p {bind.port}"
        self.steps.command(f"dig @{bind.address}{port} +short {self.name}")
        answers = bind.dig(self.name + ".")
        self.steps.output("\n".join(answers) or "(no answer)")
        return answers

    def start_dns(self):
        self.steps.step("A DNS server: BIND with the zone db.example, changed only by who has the TSIG key")
        bind = self.fleet.start_bind()
        self.steps.command(f"named -g -c {bind.directory}/named.conf")
        self.steps.result(f"answers on {bind.endpoint}; everything of this fleet is in {self.fleet.directory}")

    def start_controller(self):
        self.steps.step("The controller: its store (SQLite), its own CA, the key of the zone")
        self.fleet.start_controller()
        controller = self.fleet.controller
        self.write_environment()
        self.steps.command(f"pgmahout-controller --config {controller.config_file}")
        self.steps.result(f"agents and admins connect to {controller.listen}; http://{controller.http}/metrics")

    def write_environment(self):
        """A file that makes the shown commands work in the reader's shell."""
        path = os.path.join(self.fleet.directory, "env")
        programs = os.path.dirname(self.fleet.binary("pgmahout"))
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"export PATH={shlex.quote(programs)}:$PATH\n"
                    f"export PGMAHOUT_CONFIG={shlex.quote(self.fleet.controller.admin_config)}\n"
                    f"export PGPASSFILE={shlex.quote(self.pass_file)}\n")
        say(f"    To type along in another terminal:  {BOLD}. {path}{RESET}")

    @property
    def pass_file(self):
        return os.path.join(self.fleet.directory, "pgpass")

    def start_agents(self):
        nodes = self.fleet.nodes
        self.steps.step(f"One agent per node ({', '.join(nodes)}): each joins with a one-time token, then mutual TLS")
        for node in nodes:
            self.steps.command(f"pgmahout token create --node {node} > token-{node}")
            agent = self.fleet.start_agent(node)
            self.steps.command(f"pgmahout-agent --config {agent.config_file} --token-file token-{node}")
        self.fleet.wait_until_connected()

    def create_cluster(self):
        self.steps.step(f"The cluster orders: PostgreSQL {self.fleet.major} on three nodes, from examples/orders.yaml "
                        "with this fleet's port, addresses and archive")
        self.pgmahout("apply", "-f", self.fleet.spec(name="orders.yaml"), "--wait", "--timeout", "60s")
        self.fleet.wait_until_whole()
        self.pgmahout("cluster", "show", "orders")

    def write_rows(self):
        self.steps.step(f"A client writes a row every 10 ms through the name {self.name}")
        password = self.fleet.password("orders_app")
        with open(os.open(self.pass_file, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as f:
            f.write(f"*:*:*:orders_app:{password}\n")
        wait_for(lambda: self.fleet.bind.dig(self.name + "."), 10, f"an address of {self.name}")
        self.show_dns()
        by_name = self.fleet.bind.port == 53
        if not by_name:
            self.steps.result("port 53 is taken on this machine: the client uses the three addresses instead")
        client = self.fleet.recording_client(by_name=by_name)
        client.wait_for_rows(100)
        self.show_row_count()
        return client

    def show_row_count(self):
        by_name = self.fleet.bind.port == 53
        host = self.name if by_name else ",".join(self.fleet.addresses.values())
        conninfo = (f"host={host} port={self.fleet.port} user=orders_app dbname=orders sslmode=require "
                    "target_session_attrs=read-write connect_timeout=3")
        argv = (self.fleet.with_dns if by_name else []) + ["psql", conninfo, "-c", "SELECT count(*) FROM pgm_rows"]
        self.steps.command(shlex.join(argv))
        result = subprocess.run(argv, capture_output=True, text=True, check=False,
                                env={**self.fleet.environment(), "PGPASSFILE": self.pass_file})
        self.steps.output((result.stdout or result.stderr).strip())

    def kill_primary(self, client):
        old = self.fleet.wait_for_primary()
        agent = self.fleet.agents[old]
        pid = agent.postmaster_pid()
        self.steps.step(f"The worst that can happen to a server: SIGKILL of the primary's postmaster on {old}")
        self.steps.command(f"kill -9 $(head -1 {agent.data_directory()}/postmaster.pid)    # {pid}")
        client.wait_for_rows(10)
        killed_at = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        return old, killed_at

    def show_failover(self, client, old, killed_at):
        new = self.fleet.wait_for_primary(not_node=old)
        client.wait_for_rows(50)
        gap = client.report().longest_gap(killed_at - 1)
        self.steps.result(f"{new} is primary now; writes stood still for {gap.seconds * 1000:.0f} ms")
        self.steps.step("What the name leads to now, and whether every acknowledged row is still there")
        address = self.fleet.addresses[new]
        wait_for(lambda: self.fleet.bind.dig(self.name + ".") == [address], 10, f"{self.name} to be {address}")
        self.show_dns()
        lost = client.lost_rows()
        acknowledged = len(client.report().acknowledged)
        self.steps.result(f"{acknowledged} rows acknowledged up to now, {len(lost)} of them missing")
        self.show_row_count()
        self.steps.step("The story of the failover, as the controller recorded it")
        self.pgmahout("cluster", "history", "orders")
        return new

    def show_rejoin(self, old, new):
        self.steps.step(f"The old primary {old} comes back by itself, as a standby of {new}")
        self.fleet.wait_until_whole(timeout=60)
        self.pgmahout("cluster", "show", "orders")


def clean_up(directory):
    """--down. Without a directory only fleets whose owner has died are touched."""
    if directory:
        done = [directory] if Fleet.down(directory) else []
    else:
        done = Fleet.sweep_abandoned()
    say("\n".join(f"cleaned up {d}" for d in done) or "nothing to clean up")
    return 0


def check_directory(directory):
    """Refuses a directory with a living fleet; clears one that a broken run left."""
    state = State.load(directory) if directory else None
    if state and owner_is_alive(state):
        raise Fatal(f"a fleet runs in {directory} (pid {state['owner']['pid']}); Ctrl-C there ends it")
    if state:
        say(f"cleaning up what a broken run left in {directory}")
        Fleet.down(directory)


def wait_for_interrupt():
    say(f"\nThe fleet keeps running. {BOLD}Ctrl-C ends it{RESET} and removes everything.")
    try:
        while True:
            signal.pause()
    except KeyboardInterrupt:
        say("\nending the fleet")


def run(arguments):
    check_directory(arguments.directory)
    for directory in Fleet.sweep_abandoned():
        say(f"cleaned up {directory}, left by a broken run")
    major = choose_major(arguments.postgres)
    with Fleet(major=major, directory=arguments.directory, subnet="127.0.0") as fleet:
        # A closed terminal ends the fleet just as Ctrl-C does.
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.default_int_handler)
        Quickstart(fleet).run()
        if not arguments.exit:
            wait_for_interrupt()
    return 0


def main():
    parser = argparse.ArgumentParser(prog="scripts/quickstart", description="A whole pgmahout fleet on this machine.")
    parser.add_argument("--exit", action="store_true", help="end after the last step")
    parser.add_argument("--postgres", metavar="N", help="major version of PostgreSQL (default 14)")
    parser.add_argument("--directory", metavar="DIR", help="where everything lives")
    parser.add_argument("--down", action="store_true", help="clean up what broken runs left")
    arguments = parser.parse_args()
    try:
        return clean_up(arguments.directory) if arguments.down else run(arguments)
    except KeyboardInterrupt:
        say("\nended")
        return 130
    except (Fatal, CommandFailed, RuntimeError, TimeoutError, psycopg2.Error) as error:
        print(f"quickstart: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
