# SPDX-License-Identifier: Apache-2.0
"""A tape of a network as it is heard: the body of `stellar-wind record`.

The one rule: what is on the tape is counted, so that nobody takes an hour without a network for a recording; and why
a link is lost stays off it, for that names servers. The main thread's loop.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from appliance.ledger.networks import Network
from appliance.ledger.reader.listener import listen
from appliance.ledger.reader.session import ListenOptions
from appliance.ledger.tape import BadTape, Header, Line, TapeWriter
from appliance.values import TROUBLED, Ledger, Link

log = logging.getLogger(__name__)

AWAY = 20.0  # s without a ledger after which the network counts as away; the player uses the same


class Taping:
    """Writes what `listen` says to `tape`, and counts it; a network that is away is told once, until it is back."""

    def __init__(self, tape: TapeWriter, network: str) -> None:
        self._tape, self._network = tape, network
        self._heard = -math.inf  # s of the tape, when a ledger came last
        self._why = ""  # the network may be away
        self._away = False  # it is, and that has been said
        self._ledgers = self._operations = 0

    def write(self, line: Header | Line) -> None:
        """Take one line; the tape has its own header, and no signs of life."""
        if isinstance(line, Header):
            return
        entry = line.entry
        if isinstance(entry, Ledger):
            self._ledgers += 1
            self._operations += entry.operations
            self._heard, self._why, self._away = line.seconds, "", False
            self._tape.write(line)
        elif isinstance(entry, Link):
            if entry.state in TROUBLED:
                self._why = entry.reason
            self._tape.write(replace(line, entry=replace(entry, reason="")))
        if self._why and not self._away and line.seconds - self._heard > AWAY:
            self._away = True
            log.warning(
                "The %s network is away: %s. The recording goes on when it is back.", self._network, self._why
            )

    def amounts_from_events(self, path: Path) -> str:
        """What is on the tape at `path`, in a sentence; raises BadTape if that is no ledger."""
        if not self._ledgers:
            why = f": {self._why}" if self._why else ""
            raise BadTape(
                f"{path} holds no ledger, for the {self._network} network said none{why}. "
                "`stellar-wind doctor network` looks for the cause."
            )
        return f"Recorded {path}: {self._ledgers:,} ledgers, {self._operations:,} operations."


async def record_network(
    networks: Mapping[str, Network], network: str, output: Path, seconds: float | None, way: ListenOptions
) -> str:
    """Write what a network says to the tape `output`, for `seconds` or until cancelled, and say what is on it.

    Being cancelled is how a recording without `seconds` ends well. Raises BadTape where there is nothing to play.
    """
    silence = asyncio.StreamReader()  # nobody commands
    with TapeWriter(output, Header(network, "recorded from the network")) as tape:
        taping = Taping(tape, network)
        with suppress(TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(seconds):
                await listen(networks, network, write=taping.write, commands=silence, way=way)
    return taping.amounts_from_events(output)
