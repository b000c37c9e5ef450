# SPDX-License-Identifier: Apache-2.0
"""Records a network to a tape: the body of `stellar-wind record`.

Ledgers are counted, so that an hour without a network is reported and not taken for a recording. The reasons of lost
links are not recorded, because they name servers. The event loop of that command.

An hour of a network cannot be recorded twice. So the tape is written beside its place and put there at the end; until
then it is synced to the disk every SYNC seconds, and a part that a power cut or a full disk leaves is never removed or
written over.

    Ctrl-C, SIGTERM, SIGHUP, --seconds    it is finished            a second signal    ends at once; the part stays
    not one ledger                        it is removed             the disk is full   the part stays
"""

from __future__ import annotations

import asyncio
import logging
import math
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from appliance.ledger.networks import Network
from appliance.ledger.reader.listener import listen
from appliance.ledger.reader.session import ListenOptions
from appliance.ledger.staleness import AWAY_AFTER, HEARTBEAT
from appliance.ledger.tape import BadTape, Header, Line, TapeWriter
from appliance.saved.replacing import CannotWrite, check_place, explained, part_of, put_in_place
from appliance.values import TROUBLED, BoxError, Ledger, Link

log = logging.getLogger(__name__)

SYNC = 5.0  # s. A line comes every HEARTBEAT (5 s) at least, so a power cut costs ten seconds at most
LATE = 2 * HEARTBEAT  # s between two lines on a busy computer
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class NetworkRecorder:
    """Writes the lines of `listen` to `tape` and counts the ledgers. Logs a network that goes away once.

    A line comes every HEARTBEAT, so of a longer pause only LATE counts: this process was stopped, or the computer
    suspended, and what the network did is not known.
    """

    def __init__(self, tape: TapeWriter, network: str) -> None:
        self._tape, self._network = tape, network
        self._synced = 0.0  # s of the tape that are on the disk
        self._before = 0.0  # s of the tape, when the last line came
        self._without = math.inf  # s since the last ledger
        self._why = ""  # why the network could be away
        self._away = False  # the network is away, and that has been logged
        self._ledgers = self._operations = 0

    def write(self, line: Header | Line) -> None:
        """Record one line, without a second header and without heartbeats. Raises CannotWrite."""
        if isinstance(line, Header):
            return
        entry = line.entry
        self._without += min(line.seconds - self._before, LATE)
        self._before = line.seconds
        if isinstance(entry, Ledger):
            self._ledgers += 1
            self._operations += entry.operations
            self._without, self._why, self._away = 0.0, "", False
            self._tape.write(line)
        elif isinstance(entry, Link):
            if entry.state in TROUBLED:
                self._why = entry.reason
            self._tape.write(replace(line, entry=replace(entry, reason="")))
        if line.seconds - self._synced >= SYNC:
            self._tape.sync()
            self._synced = line.seconds
        if self._why and not self._away and self._without > AWAY_AFTER:
            self._away = True
            log.warning(
                "The %s network is away: %s. The recording goes on when it is back.", self._network, self._why
            )

    @property
    def ledgers(self) -> int:
        """How many it has recorded."""
        return self._ledgers

    def summary(self, path: Path) -> str:
        """What is on the tape at `path`, in a sentence; raises BadTape if it holds no ledger."""
        if not self._ledgers:
            why = f": {self._why}" if self._why else ""
            raise BadTape(
                f"{path} was not written, because no ledger came from the {self._network} network{why}. "
                "Run `stellar-wind doctor network` to find the cause."
            )
        return f"Recorded {path}: {self._ledgers:,} ledgers, {self._operations:,} operations."


def record_network(
    networks: Mapping[str, Network], network: str, output: Path, seconds: float | None, options: ListenOptions
) -> str:
    """Record `network` to the tape `output` for `seconds`, or until a signal; return a summary in one sentence.

    A name that ends in .gz compresses it. Raises BadTape if no ledger came, and CannotWrite; then a file that was there
    before is as it was. The main thread.
    """
    part = _claimed(output)
    recorder = None
    try:
        with asyncio.Runner() as loop:
            header = Header(network, "recorded from the network")
            with TapeWriter(part, header, compress=output.suffix == ".gz") as tape:
                recorder = NetworkRecorder(tape, network)
                loop.run(_listen(networks, network, recorder, seconds, options))
            summary = recorder.summary(output)
            with explained(output):
                put_in_place(part, output)
            return summary  # the tape is in place: closing the loop can wait long for a name server
    except BoxError as error:
        if part == output:
            raise
        if recorder is None or not recorder.ledgers:
            part.unlink(missing_ok=True)
            raise
        raise CannotWrite(f"{error} The {recorder.ledgers:,} ledgers until then are in {part}.") from error


def _claimed(output: Path) -> Path:
    """Create the part file of `output`. Raises CannotWrite if it is there."""
    check_place(output)
    part = part_of(output)
    if part != output:
        try:
            part.touch(exist_ok=False)
        except FileExistsError as error:
            raise CannotWrite(
                f"{part} holds a recording that was cut off or still runs: rename it, or choose another name with -o."
            ) from error
    return part


async def _listen(
    networks: Mapping[str, Network],
    network: str,
    recorder: NetworkRecorder,
    seconds: float | None,
    options: ListenOptions,
) -> None:
    """Record for `seconds`, or until one of ENDS; a second one ends the process."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task  # noqa: S101 - this runs in one

    def end(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        loop.call_soon_threadsafe(task.cancel)

    # Not the loop's handlers: they would wait for a pipe without a reader. A signal that is ignored, as
    # SIGHUP under `nohup` and SIGINT after `&`, stays ignored.
    before = {
        number: signal.signal(number, end) for number in ENDS if signal.getsignal(number) != signal.SIG_IGN
    }
    commands = asyncio.StreamReader()  # none ever comes
    try:
        with suppress(TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(seconds):
                await listen(networks, network, write=recorder.write, commands=commands, options=options)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
