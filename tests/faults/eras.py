# SPDX-License-Identifier: Apache-2.0
"""Eras: who acknowledged writes when, and whether two servers did so side by side.

An era is what one server acknowledged on one timeline: from its first acknowledgement to its last. Each
promotion begins a timeline, so a later timeline is a later primary.
"""
import dataclasses

# What each row returns when it is written: the timeline as hexadecimal digits, and the server's address.
ERA = "substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) || ' ' || host(inet_server_addr())"


@dataclasses.dataclass
class Era:
    timeline: int
    server: str
    first: float  # CLOCK_MONOTONIC seconds
    last: float


def timeline_of(value):
    return int(value.split()[0], 16)


def eras(acknowledgements):
    """Eras, older timelines first, from (CLOCK_MONOTONIC seconds, what ERA returned) pairs in any order."""
    found = {}
    for at, value in acknowledgements:
        timeline, server = timeline_of(value), value.split()[1]
        era = found.setdefault((timeline, server), Era(timeline, server, at, at))
        era.first, era.last = min(era.first, at), max(era.last, at)
    return [found[key] for key in sorted(found)]


def two_writers_ms(acknowledgements):
    """The longest time for which a server acknowledged writes after one of a later timeline had begun to. Two
    servers on one timeline never happen either: they count with the time from the first to the last write."""
    longest = 0.0
    ordered = eras(acknowledgements)
    for number, older in enumerate(ordered):
        for newer in ordered[number + 1:]:
            if older.timeline == newer.timeline:
                longest = max(longest, max(older.last, newer.last) - min(older.first, newer.first))
            else:
                longest = max(longest, older.last - newer.first)
    return longest * 1000
