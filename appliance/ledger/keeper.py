# SPDX-License-Identifier: Apache-2.0
"""Keeps a listener alive: starts it, reads its tape lines, and starts another when it dies.

The one rule: whatever happens to the listener, the player only ever sees fewer lines. What it says about a network
that is no longer wanted is dropped. The main thread's loop.

    listener's stdout ──tape lines──▶ heard(Ledger | Link)
    listener's stdin  ◀──{"network": name}── switch(name)
    listener's stderr ──▶ ours, or nowhere while the desk shows
"""

from __future__ import annotations

import asyncio
import json
import logging
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Sequence

from appliance.ledger.tape import BadLine, BadTape, Line, decode
from appliance.values import Ledger, Link, LinkState

log = logging.getLogger(__name__)

LINE_LIMIT = 1 << 20  # bytes; a ledger of 1000 amounts takes 25 kB
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # s before a dead listener is replaced; doubled each time
HEALTHY = 60.0  # s after which a listener's death is a new misfortune, not the old one again
GOODBYE = 1.0  # s for a listener to leave by itself


class Keeper:
    """Keeps one listener running. `command` starts it; the network's name is added at the end.

    `quiet` throws away what it says on standard error; `pause` is the time in seconds before the first replacement.
    """

    def __init__(
        self,
        command: Sequence[str],
        network: str,
        heard: Callable[[Ledger | Link], None],
        *,
        quiet: bool = False,
        pause: float = FIRST_PAUSE,
    ) -> None:
        self._command, self._network, self._heard = command, network, heard
        self._complaints = DEVNULL if quiet else None
        self._first_pause = pause
        self._process: Process | None = None
        self._announced = False  # whether the listener has said that it is on the wanted network
        self.starts = 0
        self.dropped = 0  # lines that were no tape lines

    async def run(self) -> None:
        """Keep a listener alive until cancelled, then see it out."""
        pause = self._first_pause / 2
        clock = asyncio.get_running_loop().time
        while True:
            begun = clock()
            why = await self._listen()
            pause = self._first_pause if clock() - begun >= HEALTHY else min(LONGEST_PAUSE, pause * 2)
            self._heard(Link(LinkState.OFFLINE, self._network, why, pause))
            log.warning("The listener has died (%s); another one starts in %.0f s.", why, pause)
            await asyncio.sleep(pause)

    def switch(self, network: str) -> None:
        """Ask for another network; what still comes from the last one is dropped."""
        self._network = network
        self._announced = False
        if self._process and self._process.stdin and not self._process.stdin.is_closing():
            self._process.stdin.write(json.dumps({"network": network}).encode() + b"\n")

    async def _listen(self) -> str:
        """Run one listener to its end, and return why it ended."""
        self._announced = False
        self.starts += 1
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(*self._command, self._network),
                stdin=PIPE,
                stdout=PIPE,
                stderr=self._complaints,
                limit=LINE_LIMIT,
                start_new_session=True,  # a Ctrl-C in the terminal is the box's to obey
            )
        except OSError as error:
            return str(error)
        process = self._process
        assert process.stdout  # noqa: S101 - it is a pipe, as asked for above
        try:
            # A line beyond the limit raises ValueError: what speaks so is not a listener any more.
            async for text in process.stdout:
                self._take(text)
            return f"exit code {await process.wait()}"
        except ValueError:
            return "it sent an endless line"
        finally:
            await self._see_out(process)

    def _take(self, text: bytes) -> None:
        try:
            line = decode(text)
        except (BadLine, BadTape):
            self.dropped += 1
            return
        if not isinstance(line, Line):
            return  # a header: somebody's `cat` of a tape is a listener too
        if isinstance(line.entry, Link):
            self._announced = line.entry.network == self._network
        if self._announced:
            self._heard(line.entry)

    async def _see_out(self, process: Process) -> None:
        self._process = None
        if process.stdin:
            process.stdin.close()  # the sign on which a listener leaves
        try:
            await asyncio.wait_for(_end(process), GOODBYE)
        except TimeoutError:
            process.kill()
            await _end(process)


async def _end(process: Process) -> None:
    """Wait for a process to end. What it still says is read and dropped: with a full pipe the end is never noticed."""
    assert process.stdout  # noqa: S101 - it is a pipe, as asked for where it was started
    while await process.stdout.read(1 << 16):
        pass
    await process.wait()
