# SPDX-License-Identifier: Apache-2.0
"""Follows a network in tests until a condition holds, and returns the ledgers and states up to then.

The code under test is the production code; only its timeouts are shorter and its limits wider.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

from appliance.ledger.networks import Network
from appliance.ledger.reader.amounts import amounts_of
from appliance.ledger.reader.backoff import Backoff, BackoffPolicy
from appliance.ledger.reader.budget import Allowance, own
from appliance.ledger.reader.follow import follow
from appliance.ledger.reader.session import ListenOptions, Mode, Timeouts
from appliance.values import Ledger, Link, LinkState
from tests.support.horizon_records import Chain
from tests.support.horizon_server import HorizonServer

QUICK = Timeouts(
    connect=60,
    answer=60,
    page=60,
    silence=60,
    ask=60,
    late=60,
    stale=120,
    stream=0.0,
    burst=0.25,
    again=0.01,
    poll=0.01,
)
MODES: list[Mode] = ["ledgers", "operations"]
Entry = Ledger | Link


class Endless(Allowance):
    """An own server's, also after a request to slow down, so that faults follow each other at once."""

    def limited(self, now: float) -> None:
        """Change nothing."""


def endless() -> Allowance:
    """An Endless allowance."""
    return Endless(own().requests, own().traffic)


def soon() -> Backoff:
    """A back-off without a noticeable wait."""
    return Backoff(BackoffPolicy(0.001, 0.002, 0.001, 0.002, per_hour=1e9, at_once=1e6))


def network(*servers: HorizonServer) -> Network:
    return Network("here", "generated", tuple(server.url for server in servers))


async def heard(
    of: Network,
    until: Callable[[list[Entry]], bool],
    see: Callable[[Entry], None] = lambda _: None,
    *,
    allowances: dict[str, Allowance] | None = None,
    backoff: Backoff | None = None,
    plugged: bool = True,
    **options: Any,
) -> list[Entry]:
    """The entries of `follow` until `until` holds; `see` gets each entry as it comes."""
    entries: list[Entry] = []
    allowances = allowances or {endpoint: endless() for endpoint in of.endpoints}
    following = follow(
        of,
        ListenOptions(**{"timeouts": QUICK, **options}),
        backoff=backoff or soon(),
        allowances=allowances,
        plugged=lambda: plugged,
    )
    async with asyncio.timeout(120), aclosing(following):
        async for entry in following:
            entries.append(entry)
            see(entry)
            if until(entries):
                break
    return entries


def ledgers(entries: list[Entry]) -> list[Ledger]:
    return [entry for entry in entries if isinstance(entry, Ledger)]


def links(entries: list[Entry]) -> list[Link]:
    return [entry for entry in entries if isinstance(entry, Link)]


def states(entries: list[Entry]) -> list[LinkState]:
    return [link.state for link in links(entries)]


def reasons(entries: list[Entry]) -> list[str]:
    return [link.reason for link in links(entries) if link.reason]


def stroops(entries: list[Entry]) -> list[int]:
    return [amount.stroops for ledger in ledgers(entries) for amount in ledger.amounts]


def stroops_of(chain: Chain) -> list[int]:
    """The amounts of a chain, in order, as stroops."""
    return [
        amount.stroops
        for sequence, records in chain.operations.items()
        for record in records
        for amount in amounts_of(record, sequence)
    ]


def count(number: int) -> Callable[[list[Entry]], bool]:
    return lambda entries: len(ledgers(entries)) >= number


def walk(
    chain: Chain,
    mode: Mode = "ledgers",
    timeouts: Timeouts = QUICK,
    pages: int = 9,
    breaks: int = 0,
    **options: Any,
) -> tuple[list[Entry], HorizonServer]:
    """Follow a chain from its first ledger to its last.

    Each ledger closes when the one before has been read; in mode `operations`, where that takes a pause, all the others
    close at once. The last one closes only after so many `breaks`.
    """
    first, last = chain.ledgers[0]["sequence"], chain.ledgers[-1]["sequence"]
    server = HorizonServer(chain, tip=first, **options)
    latest = 0
    broken = 0

    def see(entry: Entry) -> None:
        nonlocal latest, broken
        if isinstance(entry, Ledger):
            if entry.operations or mode == "ledgers":  # without any it is a heartbeat
                latest = entry.sequence
        elif entry.reason:
            broken += 1
        highest = last if broken >= breaks else last - 1
        if latest == server.tip < highest:
            server.tip = server.tip + 1 if mode == "ledgers" else highest

    def ended(entries: list[Entry]) -> bool:
        return bool(latest == last)

    async def run() -> list[Entry]:
        async with server:
            return await heard(network(server), ended, see, mode=mode, pages=pages, timeouts=timeouts)

    return asyncio.run(run()), server
