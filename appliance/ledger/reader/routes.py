# SPDX-License-Identifier: Apache-2.0
"""Which ways lead out of this computer, by the kernel's routing tables (proc(5), route(8)).

The one rule: a default route is a way; whether somebody answers at its end is for those who call. Pure; any thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

# As this very process sees them: a sandbox may hide all of /proc but the processes.
IPV4, IPV6 = "/proc/self/net/route", "/proc/self/net/ipv6_route"
ANYWHERE = "0" * 8, "0" * 32  # as each table writes the address of everything


def ways_out(ipv4: str, ipv6: str) -> list[str]:
    """The interfaces that have a default route, by the texts of the two tables."""
    rows, rows6 = _rows(ipv4), _rows(ipv6)
    ways = [row[0] for row in rows if len(row) > 7 and row[1] == row[7] == ANYWHERE[0]]
    return ways + [row[-1] for row in rows6 if row[:2] == [ANYWHERE[1], "00"] and row[-1] != "lo"]


def has_default_route() -> bool:
    """Whether there is any way out, as far as can be told: a system without these tables may well have one."""
    with suppress(OSError):
        return bool(ways_out(Path(IPV4).read_text(), Path(IPV6).read_text() if Path(IPV6).exists() else ""))
    return True


def _rows(table: str) -> Iterator[list[str]]:
    return (line.split() for line in table.splitlines() if line.strip())
