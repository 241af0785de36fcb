# SPDX-License-Identifier: Apache-2.0
"""RecordingClient: a client that writes all the time and knows what was acknowledged, and when."""
import bisect
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import psycopg2

from processes import Process, Fatal, wait_for

# Below half a second is below what libpq waits for anyway; values suit a fleet on one machine.
CONNECT_DEFAULTS = {"target_session_attrs": "read-write", "connect_timeout": 2, "tcp_user_timeout": 2000,
                    "keepalives_idle": 2, "keepalives_interval": 1, "keepalives_count": 2,
                    "application_name": "recording_client"}


@dataclasses.dataclass
class Gap:
    """Seconds without an acknowledged row, between two CLOCK_MONOTONIC times."""
    start: float
    end: float

    @property
    def seconds(self):
        return self.end - self.start


@dataclasses.dataclass
class Report:
    """What a RecordingClient saw. Times are CLOCK_MONOTONIC seconds, rows are their numbers."""
    acknowledged: list = dataclasses.field(default_factory=list)  # (time, id)
    values: list = dataclasses.field(default_factory=list)        # what each of these returned
    errors: list = dataclasses.field(default_factory=list)        # (time, id or 0, message)
    connections: list = dataclasses.field(default_factory=list)   # (time, host, port)
    warnings: list = dataclasses.field(default_factory=list)      # (time, id, text)
    end: float = 0.0

    @property
    def ids(self):
        return {number for _, number in self.acknowledged}

    def rows_after(self, since):
        """How many rows were acknowledged after `since`."""
        return len(self.acknowledged) - bisect.bisect_right(self.acknowledged, since, key=lambda row: row[0])

    def gaps(self, since=0.0):
        """Gaps between acknowledged rows that end after `since`, the one still open at the end too."""
        times = [t for t, _ in self.acknowledged]
        gaps = [Gap(a, b) for a, b in zip(times, times[1:] + [max([self.end] + times[-1:])])]
        return [g for g in gaps if g.end > since]

    def longest_gap(self, since=0.0):
        """The longest of gaps(); RuntimeError if no row was ever acknowledged."""
        gaps = self.gaps(since)
        if not gaps:
            raise RuntimeError("no row was acknowledged" + (f"; last error: {self.errors[-1][2]}"
                                                            if self.errors else ""))
        return max(gaps, key=lambda g: g.seconds)

    def failed_writes(self, since=0.0):
        """Errors of statements; those of connecting are not failed writes."""
        return [e for e in self.errors if e[1] and e[0] > since]

    def summary(self, since=0.0):
        failed = len(self.failed_writes())
        return (f"{len(self.acknowledged)} rows acknowledged, {failed} failed writes, "
                f"{len(self.errors) - failed} failed attempts to connect, longest gap {self.longest_gap(since).seconds * 1000:.0f} ms")


class Journal:
    """The file that writer.py appends to, read piece by piece: it grows by a hundred lines a second."""

    def __init__(self, path):
        self.path = path
        self.offset = 0
        self.seen = Report()

    def report(self):
        """What has been written up to now. The lists of an earlier report do not change."""
        try:
            with open(self.path, "rb") as f:
                f.seek(self.offset)
                whole, newline, _ = f.read().rpartition(b"\n")  # the last line may be being written right now
        except FileNotFoundError:
            whole = newline = b""
        self.offset += len(whole) + len(newline)
        for line in whole.splitlines():
            self._add(*json.loads(line))
        return Report(*(list(getattr(self.seen, name)) for name in
                        ("acknowledged", "values", "errors", "connections", "warnings")), end=time.monotonic())

    def _add(self, kind, *fields):
        if kind == "A":
            _, done, number, warning, value = fields
            self.seen.acknowledged.append((done, number))
            self.seen.values.append(value)
            if warning:
                self.seen.warnings.append((done, number, warning))
        elif kind == "E":
            self.seen.errors.append((fields[1], fields[2], fields[3]))
        else:
            self.seen.connections.append(tuple(fields))


class RecordingClient(Process):
    """Inserts a uniquely numbered row every `interval` seconds into `table`, for ever reconnecting.

    `hosts` is a list of addresses or one DNS name. `prefix` is put before the program: Fleet.with_dns
    makes it resolve names in the fleet's zone; then `check_hosts` tells where lost_rows() looks, as the
    caller itself cannot resolve the name. A statement without an answer for `deadline` seconds
    counts as an error. The table must exist: `table`(id bigint primary key). `staggered`: a host that does not
    answer holds up the others for a tenth of a second only. `stays`: a server that is read-only is no reason
    to leave it. `returning` is an SQL expression whose values are in the report. `machine` is where it
    runs, as Fleet.prefix_of() knows it.
    """

    count = 0

    def __init__(self, fleet, hosts, port, *, dbname, user, password=None, table="pgm_rows",
                 interval=0.01, retry=0.02, deadline=3.0, prefix=(), check_hosts=None, staggered=False,
                 returning=None, first_id=1, stays=False, machine="client", **options):
        RecordingClient.count += 1
        name = f"client{RecordingClient.count}"
        program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "writer.py")
        super().__init__(fleet, name, [*prefix, sys.executable, "-B", program], machine=machine)
        hosts = [hosts] if isinstance(hosts, str) else list(hosts)
        self.check_hosts = list(check_hosts or hosts)
        self.connect_options = {**CONNECT_DEFAULTS, "host": ",".join(hosts), "dbname": dbname, "user": user,
                                "port": port, **options}  # one port stands for all hosts
        if password is not None:
            self.connect_options["password"] = password
        self.table = table
        self.journal = os.path.join(fleet.logs, name + ".journal")
        self.journal_reader = Journal(self.journal)
        self.config = {"connect": self.connect_options, "journal": self.journal, "interval": interval,
                       "retry": retry, "deadline": deadline, "first_id": first_id, "staggered": staggered,
                       "stays": stays,
                       "insert": f"INSERT INTO {table} (id) VALUES (%s)" +
                                 (f" RETURNING {returning}" if returning else "")}
        self.final = None

    def start(self, extra=()):
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(self.prefix + self.argv, stdin=subprocess.PIPE, stdout=log, stderr=log,
                                          cwd=self.fleet.directory, env=self.fleet.environment(),
                                          start_new_session=True)
        self.fleet.state.add(self.name, self.child.pid)
        self.child.stdin.write(json.dumps(self.config).encode() + b"\n")
        self.child.stdin.flush()
        return self

    def report(self):
        """What was seen up to now, or up to stop()."""
        return self.final or self.journal_reader.report()

    def wait_for_rows(self, number=1, timeout=30, since=None):
        """Waits until `number` rows were acknowledged after `since` (default: now)."""
        since = time.monotonic() if since is None else since

        def written():
            self.check_alive()
            report = self.report()
            if report.rows_after(since) >= number:
                return True
            if report.errors:
                raise RuntimeError(report.errors[-1][2])
            return False
        wait_for(written, timeout, f"{number} acknowledged rows of {self.name}", interval=0.02)

    def stop(self, timeout=15):
        """Ends the writing and returns the report."""
        if self.final is None:
            end = time.monotonic()
            if self.child and self.child.stdin:
                self.child.stdin.close()
            try:
                self.child.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
            if self.child.returncode not in (0, -signal.SIGTERM, -signal.SIGKILL):
                raise Fatal(f"{self.name} failed:\n{self.log_tail()}")
            self.final = self.journal_reader.report()
            self.final.end = end
        return self.final

    def stored_ids(self, **options):
        """The numbers that are in the table now, on the server that takes writes."""
        where = {"host": ",".join(self.check_hosts)}
        connection = psycopg2.connect(**{**self.connect_options, **where, **options})
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT id FROM {self.table}")
                return {row[0] for row in cursor.fetchall()}
        finally:
            connection.close()

    def lost_rows(self, **options):
        """Numbers that were acknowledged and are not in the table; [] is what we promise."""
        acknowledged = self.report().ids  # before reading the table: later rows do not count
        return sorted(acknowledged - self.stored_ids(**options))
