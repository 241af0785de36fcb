# SPDX-License-Identifier: Apache-2.0
"""Recorder: what the world sees: a client that writes every 10 ms wherever it can, one prober per member
that tries to have a write acknowledged there every 50 ms, and a reader of the DNS name. The probers run on
a machine that no cut touches: a primary that is cut off from everybody else must still acknowledge nothing.
On a standby they keep their connection and try it there again and again: a new one each time would take
the servers more work than all the rest of a failover.
Each acknowledgement tells its timeline and server, so that two that acknowledge side by side are seen."""
import time

from client import RecordingClient
from eras import ERA, timeline_of, two_writers_ms
from name_reader import NameReader

# A statement without an answer for so long is given up, so that none is pending when a frozen server
# wakes up.
DEADLINE = 2.0
OBSERVER = "observer"
NAME = "orders-rw.db.example"


class Recorder:
    def __init__(self, fleet):
        self.fleet = fleet
        options = {"dbname": "orders", "user": "orders_app", "password": fleet.password("orders_app"),
                   "sslmode": "require", "returning": ERA, "deadline": DEADLINE, "tcp_user_timeout": 1000}
        fleet.create_rows_table("pgm_rows")
        fleet.create_rows_table("pgm_probe")
        grant = "GRANT EXECUTE ON FUNCTION pg_walfile_name(pg_lsn), pg_current_wal_insert_lsn() TO orders_app"
        fleet.psql(fleet.wait_for_primary(), grant, "orders")
        hosts = list(fleet.addresses.values())
        self.client = RecordingClient(fleet, hosts, fleet.port, table="pgm_rows", staggered=True, **options).start()
        self.probers = {
            node: RecordingClient(fleet, [address], fleet.port, table="pgm_probe", interval=0.05, retry=0.05,
                                  first_id=1_000_000_000 * (number + 1), machine=OBSERVER, stays=True,
                                  target_session_attrs="any", **options).start()
            for number, (node, address) in enumerate(fleet.addresses.items())}
        self.names = NameReader(fleet.bind.address, fleet.bind.port, NAME)
        self.names.start()
        self.client.wait_for_rows(20)

    def writes_resume(self, since, rows=30, timeout=60, newer_than=0):
        """Waits until the client has that many rows acknowledged after `since` (CLOCK_MONOTONIC seconds), on a
        timeline after `newer_than`."""
        deadline = time.monotonic() + timeout
        while True:
            report = self.client.report()
            if report.rows_after(since) >= rows and timeline_of(report.values[-1]) > newer_than:
                return
            self.client.check_alive()
            if time.monotonic() > deadline:
                raise TimeoutError(f"no writes within {timeout} s: {report.errors[-1][2] if report.errors else 'no error'}")
            time.sleep(0.02)

    def timeline(self):
        """The timeline of the client's last acknowledged row."""
        return timeline_of(self.client.report().values[-1])

    def outage_ms(self, since, until=None):
        """The longest time without an acknowledged row that ends after `since`."""
        gaps = [g for g in self.client.report().gaps(since) if until is None or g.start < until]
        return max(g.seconds for g in gaps) * 1000

    def failed_writes(self, since):
        return [e for e in self.client.report().errors if e[0] > since]

    def two_writers_ms(self, since=0.0):
        """See eras.two_writers_ms(); of everything that was acknowledged after `since`."""
        found = []
        for client in [self.client, *self.probers.values()]:
            report = client.report()
            found += [(at, value) for (at, _), value in zip(report.acknowledged, report.values) if at > since]
        return two_writers_ms(found)

    def acknowledged_on(self, node, since):
        """Writes that the server of `node` itself acknowledged after `since`."""
        return [a for a in self.probers[node].report().acknowledged if a[0] > since]

    def dns_ms(self, node, since):
        """From `since` until the name led to `node` alone; None if it has not yet."""
        at = self.names.changed_to(self.fleet.addresses[node], since)
        return None if at is None else (at - since) * 1000

    def lost_rows(self):
        """Acknowledged rows, of the client and of all probers, that are in no table now."""
        lost = self.client.lost_rows()
        for prober in self.probers.values():
            prober.check_hosts = list(self.fleet.addresses.values())
            lost += prober.lost_rows()
        return lost

    def stop(self):
        self.names.stop()
        for client in [self.client, *self.probers.values()]:
            client.stop()
