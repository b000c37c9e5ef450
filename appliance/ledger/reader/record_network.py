# SPDX-License-Identifier: Apache-2.0
"""Records a network to a tape: the body of `stellar-wind record`.

Ledgers are counted, so that an hour without a network is reported and not taken for a recording. The reasons of lost
links are not recorded, because they name servers. The event loop of that command.
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
from appliance.ledger.staleness import AWAY_AFTER
from appliance.ledger.tape import BadTape, Header, Line, TapeWriter
from appliance.values import TROUBLED, Ledger, Link

log = logging.getLogger(__name__)


class NetworkRecorder:
    """Writes the lines of `listen` to `tape` and counts the ledgers. Logs a network that goes away once."""

    def __init__(self, tape: TapeWriter, network: str) -> None:
        self._tape, self._network = tape, network
        self._last = -math.inf  # s of the tape, when the last ledger came
        self._why = ""  # why the network could be away
        self._away = False  # the network is away, and that has been logged
        self._ledgers = self._operations = 0

    def write(self, line: Header | Line) -> None:
        """Record one line, without a second header and without heartbeats."""
        if isinstance(line, Header):
            return
        entry = line.entry
        if isinstance(entry, Ledger):
            self._ledgers += 1
            self._operations += entry.operations
            self._last, self._why, self._away = line.seconds, "", False
            self._tape.write(line)
        elif isinstance(entry, Link):
            if entry.state in TROUBLED:
                self._why = entry.reason
            self._tape.write(replace(line, entry=replace(entry, reason="")))
        if self._why and not self._away and line.seconds - self._last > AWAY_AFTER:
            self._away = True
            log.warning(
                "The %s network is away: %s. The recording goes on when it is back.", self._network, self._why
            )

    def summary(self, path: Path) -> str:
        """What is on the tape at `path`, in a sentence; raises BadTape if it holds no ledger."""
        if not self._ledgers:
            why = f": {self._why}" if self._why else ""
            raise BadTape(
                f"{path} holds no ledger, because none came from the {self._network} network{why}. "
                "Run `stellar-wind doctor network` to find the cause."
            )
        return f"Recorded {path}: {self._ledgers:,} ledgers, {self._operations:,} operations."


async def record_network(
    networks: Mapping[str, Network], network: str, output: Path, seconds: float | None, options: ListenOptions
) -> str:
    """Record `network` to the tape `output` for `seconds`, or until cancelled; return a summary in one sentence.

    Cancelling is the normal end of a recording without `seconds`. Raises BadTape if no ledger came.
    """
    commands = asyncio.StreamReader()  # none ever comes
    with TapeWriter(output, Header(network, "recorded from the network")) as tape:
        recorder = NetworkRecorder(tape, network)
        with suppress(TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(seconds):
                await listen(networks, network, write=recorder.write, commands=commands, options=options)
    return recorder.summary(output)
