# SPDX-License-Identifier: Apache-2.0
"""A client that writes all the time, and knows what was acknowledged. Runs in the client's guest:
writer.py HOST,... CONNINFO LOG, with the password in the environment. Scenarios use class Writer.

Lines of the log: "begin TIME", "ok TIME NUMBER", "error TIME NUMBER MESSAGE" (NUMBER 0: no connection). TIME is
CLOCK_MONOTONIC in seconds.
"""
import dataclasses
import os
import select
import signal
import subprocess
import sys
import time

PAUSE = 0.01
PATIENCE = 2.0  # seconds, for a row
CONNECT_PATIENCE = 1.0  # for a connection: what is waited for one that is lost would pass for an outage
PROGRAM = "/srv/writer.py"
LOG = "/srv/writer.log"


def wait_with_deadline(connection):
    """psycopg2's wait callback. The kernel of a paused machine takes what is sent and nobody answers: only a deadline of
    the client's own ends that."""
    from psycopg2 import OperationalError, extensions  # pylint: disable=import-outside-toplevel
    patience = CONNECT_PATIENCE if connection.status == extensions.STATUS_SETUP else PATIENCE
    deadline = time.monotonic() + patience
    while (state := connection.poll()) != extensions.POLL_OK:
        reads = [connection] if state == extensions.POLL_READ else []
        writes = [connection] if state == extensions.POLL_WRITE else []
        if not any(select.select(reads, writes, [], max(0.0, deadline - time.monotonic()))):
            raise OperationalError(f"no answer for {patience} s")


def connect(hosts, conninfo):
    """The writable server. The first of `hosts` is the last next time, so that one that hangs is not asked for ever."""
    import psycopg2  # pylint: disable=import-outside-toplevel
    order = ",".join(hosts)
    hosts.append(hosts.pop(0))
    connection = psycopg2.connect(f"host={order} target_session_attrs=read-write {conninfo}")
    connection.autocommit = True
    return connection


def write_rows(hosts, conninfo, log):
    import psycopg2.extensions  # pylint: disable=import-outside-toplevel
    psycopg2.extensions.set_wait_callback(wait_with_deadline)
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    connection, number = None, 0
    print(f"begin {time.monotonic():.3f}", file=log)
    while not stopping:
        try:
            connection = connection or connect(hosts, conninfo)
            number += 1
            with connection.cursor() as cursor:
                cursor.execute("INSERT INTO written VALUES (%s)", (number,))
            print(f"ok {time.monotonic():.3f} {number}", file=log)
        except psycopg2.Error as error:
            said = " ".join(str(error).split()) or type(error).__name__
            print(f"error {time.monotonic():.3f} {0 if connection is None else number} {said}", file=log)
            connection = None
        time.sleep(PAUSE)


@dataclasses.dataclass
class Report:
    acknowledged: list  # (time, number)
    errors: list        # (time, number, message)
    begin: float        # seconds, as all times

    def longest_gap(self):
        """Seconds; between the begin and the first acknowledged row too."""
        times = [self.begin] + [t for t, _ in self.acknowledged]
        return max(b - a for a, b in zip(times, times[1:]))

    def failed_writes(self):
        return [e for e in self.errors if e[1]]


class Writer:
    """Writes from `guest` into table "written" of the rollout's cluster; the table is made anew."""

    def __init__(self, guest, rollout, database="orders"):
        self.guest, self.rollout, self.database = guest, rollout, database
        owner = "CREATE TABLE written (number bigint PRIMARY KEY); GRANT INSERT, SELECT ON written TO app"
        rollout.primary().psql(f"DROP TABLE IF EXISTS written; {owner}", database)
        with open(os.path.abspath(__file__), encoding="utf-8") as f:
            guest.write(PROGRAM, f.read())
        hosts = ",".join(rollout.lab.guests[n].address for n in rollout.nodes)
        conninfo = f"dbname={database} user=app sslmode=require tcp_user_timeout=2000"
        password = rollout.pgmahout("cluster", "credentials", "orders", "app").strip()
        guest.run("rm", "-f", LOG)
        self.process = guest.start_program("env", f"PGPASSWORD={password}", "python3", PROGRAM, hosts, conninfo, LOG,
                                           stdin=subprocess.DEVNULL)

    def rows(self):
        return self.report().acknowledged

    def report(self):
        report = Report([], [], 0.0)
        for line in self.guest.run("cat", LOG, check=False).splitlines():
            words = line.split(maxsplit=3)
            if words[0] == "begin":
                report.begin = float(words[1])
            elif words[0] == "ok" and len(words) == 3:
                report.acknowledged.append((float(words[1]), int(words[2])))
            elif words[0] == "error" and len(words) >= 3:
                report.errors.append((float(words[1]), int(words[2]), words[3] if len(words) > 3 else ""))
        return report

    def stop(self):
        self.guest.run("pkill", "-TERM", "-f", f"python3 {PROGRAM}", check=False)
        self.process.wait(20)
        return self.report()

    def lost_rows(self):
        """Acknowledged rows that the primary does not have."""
        there = set(self.rollout.primary().psql("SELECT number FROM written", self.database).split())
        return [number for _, number in self.report().acknowledged if str(number) not in there]


if __name__ == "__main__":
    with open(sys.argv[3], "w", encoding="utf-8", buffering=1) as log_file:
        write_rows(sys.argv[1].split(","), sys.argv[2], log_file)
