# SPDX-License-Identifier: Apache-2.0
"""Recorder: what clients see: a client that writes every 10 ms wherever it can, and one prober per member
that tries to have a write acknowledged there every 50 ms. Each acknowledgement tells its timeline, so
that two servers that acknowledge side by side are seen."""
import time

from client import RecordingClient

# The timeline on which the row was written, as hexadecimal digits.
TIMELINE = "substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)"
# A statement without an answer for so long is given up, so that none is pending when a frozen server
# wakes up.
DEADLINE = 2.0


class Recorder:
    def __init__(self, fleet):
        self.fleet = fleet
        options = {"dbname": "orders", "user": "orders_app", "password": fleet.password("orders_app"),
                   "sslmode": "require", "returning": TIMELINE, "deadline": DEADLINE,
                   "tcp_user_timeout": 1000}
        fleet.create_rows_table("pgm_rows")
        fleet.create_rows_table("pgm_probe")
        grant = "GRANT EXECUTE ON FUNCTION pg_walfile_name(pg_lsn), pg_current_wal_insert_lsn() TO orders_app"
        fleet.psql(fleet.wait_for_primary(), grant, "orders")
        hosts = list(fleet.addresses.values())
        self.client = RecordingClient(fleet, hosts, fleet.port, table="pgm_rows", race=True, **options).start()
        self.probers = {
            node: RecordingClient(fleet, [address], fleet.port, table="pgm_probe", interval=0.05, retry=0.05,
                                  first_id=1_000_000_000 * (number + 1), **options).start()
            for number, (node, address) in enumerate(fleet.addresses.items())}
        self.client.wait_for_rows(20)

    def writes_resume(self, since, rows=30, timeout=60):
        """Waits until that many rows were acknowledged after `since` (CLOCK_MONOTONIC seconds)."""
        deadline = time.monotonic() + timeout
        while sum(1 for t, _ in self.client.report().acknowledged if t > since) < rows:
            self.client.check_alive()
            if time.monotonic() > deadline:
                errors = self.client.report().errors
                raise TimeoutError(f"no writes within {timeout} s: {errors[-1][2] if errors else 'no error'}")
            time.sleep(0.02)

    def outage_ms(self, since, until=None):
        """The longest time without an acknowledged row that ends after `since`."""
        gaps = [g for g in self.client.report().gaps(since) if until is None or g.start < until]
        return max(g.seconds for g in gaps) * 1000

    def failed_writes(self, since):
        return [e for e in self.client.report().errors if e[0] > since]

    def two_writers_ms(self, since=0.0):
        """Time in which servers of two timelines acknowledged writes: for each timeline from the first
        acknowledgement on a later one to its own last one."""
        first, last = {}, {}
        for client in [self.client, *self.probers.values()]:
            report = client.report()
            for (at, _), value in zip(report.acknowledged, report.values):
                if at > since:
                    timeline = int(value, 16)
                    first[timeline] = min(at, first.get(timeline, at))
                    last[timeline] = max(at, last.get(timeline, at))
        overlaps = [last[older] - first[newer] for older in last for newer in first if older < newer]
        return max([0.0, *overlaps]) * 1000

    def acknowledged_on(self, node, since):
        """Writes that the server of `node` itself acknowledged after `since`."""
        return [a for a in self.probers[node].report().acknowledged if a[0] > since]

    def lost_rows(self):
        """Acknowledged rows, of the client and of all probers, that are in no table now."""
        lost = self.client.lost_rows()
        for prober in self.probers.values():
            prober.check_hosts = list(self.fleet.addresses.values())
            lost += prober.lost_rows()
        return lost

    def stop(self):
        for client in [self.client, *self.probers.values()]:
            client.stop()
