# SPDX-License-Identifier: Apache-2.0
"""The default routes of this computer, by the kernel's routing tables (proc(5), route(8)).

A default route means that a cable or a known Wi-Fi is connected, not that a server answers. The listener's process, and
doctor.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

# Of this process: a sandbox can hide everything of /proc but the processes.
IPV4, IPV6 = "/proc/self/net/route", "/proc/self/net/ipv6_route"
ANYWHERE = "0" * 8, "0" * 32  # the default route's address in each table


def ways_out(ipv4: str, ipv6: str) -> list[str]:
    """The interfaces that have a default route, by the texts of the two tables."""
    rows, rows6 = _rows(ipv4), _rows(ipv6)
    ways = [row[0] for row in rows if len(row) > 7 and row[1] == row[7] == ANYWHERE[0]]
    return ways + [row[-1] for row in rows6 if row[:2] == [ANYWHERE[1], "00"] and row[-1] != "lo"]


def has_default_route() -> bool:
    """Whether there is a default route; True on a system without these tables."""
    with suppress(OSError):
        return bool(ways_out(Path(IPV4).read_text(), Path(IPV6).read_text() if Path(IPV6).exists() else ""))
    return True


def _rows(table: str) -> Iterator[list[str]]:
    return (line.split() for line in table.splitlines() if line.strip())
