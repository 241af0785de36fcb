# SPDX-License-Identifier: Apache-2.0
"""scripts/bench failover: write outage, lost rows and two-writer time per fault, on machines of their own
(network namespaces)."""
import argparse
import json
import math
import os
import statistics
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from faults import FAULTS  # noqa: E402
from machines import available  # noqa: E402
from vm_fleet import VmFleet  # noqa: E402
from fleet import wait_for  # noqa: E402

SHORT = 15
WAITING_FOR_ARCHIVE = "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'"
LITTLE = 1 << 20  # bytes; a switchover is refused to a standby that lags


def p99(values):
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * 0.99) - 1)]


def measure(fleet, name, runs, **options):
    age(fleet)
    lost_before = len(fleet.recorder.lost_rows())
    measurements = []
    for number in range(runs):
        measurement = FAULTS[name](fleet, **options)
        measurements.append(measurement)
        print(f"bench: {name} {number + 1}/{runs}: {measurement.outage_ms:.0f} ms", file=sys.stderr, flush=True)
    outages = [m.outage_ms for m in measurements]
    return {"fault": name, "runs": runs,
            "outage_ms": {"median": round(statistics.median(outages)), "p99": round(p99(outages)),
                          "max": round(max(outages))},
            "lost_rows": len(fleet.recorder.lost_rows()) - lost_before,
            "two_writers_ms": round_up(max(m.two_writers_ms for m in measurements)),
            "rejoin_ms": round(statistics.median(m.rejoin_ms for m in measurements)),
            "dns_ms": round(statistics.median(m.dns_ms for m in measurements)),
            "failed_writes": sum(m.failed_writes for m in measurements)}


def age(fleet):
    """Servers that have run for a day recycle their WAL segments. In new ones, and in those that have seen more
    failovers than writes, each is made and filled with zeros, which a switchover would wait for. wal_keep_size is
    16 segments, and a few more are kept ready."""
    primary = fleet.wait_for_primary()
    for _ in range(16 + 8):
        fleet.psql(primary, "SELECT pg_logical_emit_message(true, 'bench', '')")
        fleet.psql(primary, "SELECT pg_switch_wal()")
    for _ in range(2):
        fleet.psql(primary, "CHECKPOINT")
        wait_for(lambda: fleet.psql(primary, WAITING_FOR_ARCHIVE) == "0", 60, "all WAL to be archived")
        fleet.wait_until_level()
        for node in fleet.nodes:
            fleet.psql(node, "CHECKPOINT")
    wait_for(lambda: all(m["lagBytes"] < LITTLE for m in fleet.cluster_json()["members"]), 60, "all to have replayed it")


def round_up(milliseconds):
    """Half a millisecond with two writers is not none."""
    return math.ceil(milliseconds)


def table(results):
    head = ("FAULT", "RUNS", "OUTAGE ms: MEDIAN", "P99", "MAX", "LOST ROWS", "TWO WRITERS ms", "REJOIN ms",
            "DNS ms", "FAILED WRITES")
    rows = [(r["fault"], r["runs"], *r["outage_ms"].values(), r["lost_rows"], r["two_writers_ms"], r["rejoin_ms"],
             r["dns_ms"], r["failed_writes"]) for r in results]
    widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]
    return "\n".join("  ".join(str(v).ljust(w) if i == 0 else str(v).rjust(w)
                               for i, (v, w) in enumerate(zip(row, widths))) for row in [head, *rows])


def run(arguments):
    changes = [(r"detectAfter: \S+", f"detectAfter: {arguments.detect_after}")] if arguments.detect_after else []
    results = []
    with VmFleet(major=arguments.postgres) as fleet:
        fleet.create(*changes)
        for name in arguments.fault or FAULTS:
            options = {"seconds": SHORT} if arguments.short and name == "controller_down" else {}
            results.append(measure(fleet, name, arguments.runs, **options))
    print(table(results))
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as f:
            json.dump({"faults": results}, f, indent=1)
            f.write("\n")
    return 1 if any(r["lost_rows"] or r["two_writers_ms"] for r in results) else 0


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench failover", description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--fault", action="append", choices=list(FAULTS), help="only this one; may be repeated")
    parser.add_argument("--detect-after", metavar="DURATION", help="failover.detectAfter, as 1s")
    parser.add_argument("--short", action="store_true", help=f"controller_down for {SHORT} s instead of 60 s")
    parser.add_argument("--postgres", default="15", metavar="MAJOR")
    arguments = parser.parse_args()
    why_not = available()
    if why_not:
        print(f"bench: {why_not}", file=sys.stderr)
        return 1
    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
