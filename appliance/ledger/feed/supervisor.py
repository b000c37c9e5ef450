# SPDX-License-Identifier: Apache-2.0
"""Keeps a listener alive: starts it, reads its tape lines, and starts another when it dies, hangs, swells or raves.

The one rule: whatever happens to the listener, the player only ever sees fewer lines. What it says about a network
that is no longer wanted is dropped, and so is what the listener before it has said already. The main thread's loop.

    listener's stdout ──tape lines──▶ heard(Ledger | Link)
    listener's stdin  ◀──{"network": name}── switch(name)
    listener's stderr ──▶ ours, or nowhere while the desk shows

    it ends, by itself or for want of memory    another one starts a second later; then after 2 s, 4 s ... a minute
    no whole line for 25 s                      it is made to end
    100 wrong lines in a row, or an endless one it is made to end
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import resource
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Sequence
from contextlib import suppress

from appliance.ledger.tape import BadLine, BadTape, Heartbeat, Line, decode
from appliance.values import Ledger, Link, LinkState

log = logging.getLogger(__name__)

LINE_LIMIT = 1 << 20  # bytes; a ledger of 1000 amounts takes 25 kB
NONSENSE = 100  # wrong lines in a row
HUNG = 25.0  # s without a line: five pulses; with its end and a new start that makes 30 s
# s until its first line. It imports for ten seconds on a Zero 2 W that does nothing else, and that one plays; who ended
# it in the middle would have to end the next one too, for ever. systemd's own patience with it is as long.
FIRST_LINE = 120.0
MEMORY = 200 << 20  # bytes that a listener may have for its data; it takes some 90 MB, stacks included
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # s before a dead listener is replaced; doubled each time
HEALTHY = 60.0  # s after which a listener's death is a new misfortune, not the old one again
NOTHING = -1  # earlier than any ledger
AT_END = 1.0  # s for a listener to end by itself


class Supervisor:
    """Keeps one listener running. `command` starts it; the network's name is added at the end.

    `quiet` throws away what it says on standard error; `pause` is the time in seconds before the first replacement,
    `first` the longest wait for a listener's first line, `hung` the longest silence after it, and `memory` the bytes
    of data that it may have.
    """

    def __init__(
        self,
        command: Sequence[str],
        network: str,
        heard: Callable[[Ledger | Link], None],
        *,
        quiet: bool = False,
        pause: float = FIRST_PAUSE,
        first: float = FIRST_LINE,
        hung: float = HUNG,
        memory: int = MEMORY,
    ) -> None:
        self._command, self._network, self._heard = command, network, heard
        self._complaints = DEVNULL if quiet else None
        self._first_pause, self._first, self._hung, self._memory = pause, first, hung, memory
        self._process: Process | None = None
        self._announced = False  # whether the listener has said that it is on the wanted network
        # The close time of the last ledger passed on, and of the last one that an earlier listener had told.
        self._played = self._known = NOTHING
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
        self._played = self._known = NOTHING
        if self._process and self._process.stdin and not self._process.stdin.is_closing():
            self._process.stdin.write(json.dumps({"network": network}).encode() + b"\n")

    async def _listen(self) -> str:
        """Run one listener to its end, and return why it ended."""
        self._announced = False
        # Each begins with the last closed ledger, which the one before has probably told already.
        self._known = self._played
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
        try:
            if hasattr(resource, "prlimit"):  # Linux
                with suppress(ProcessLookupError):  # it has ended already
                    resource.prlimit(process.pid, resource.RLIMIT_DATA, (self._memory, self._memory))
            return await self._read(process)
        finally:
            await self._see_out(process)

    async def _read(self, process: Process) -> str:
        """Take what a listener says until it ends, or says what no listener would; return why that was all."""
        assert process.stdout  # noqa: S101 - it is a pipe, as asked for where it was started
        wrong, patience = 0, self._first
        while wrong < NONSENSE:
            try:
                async with asyncio.timeout(patience):
                    text = await process.stdout.readline()
            except TimeoutError:
                return f"it said nothing for {patience:.0f} s"
            except ValueError:
                return "it sent an endless line"
            if not text:
                return f"exit code {await process.wait()}"
            wrong, patience = 0 if self._take(text) else wrong + 1, self._hung
            await asyncio.sleep(0)  # a flood of lines must not keep the main thread from everything else
        return "it talks nonsense"

    def _take(self, text: bytes) -> bool:
        """Pass on what a line holds, and return whether it was one."""
        try:
            line = decode(text)
        except (BadLine, BadTape):
            self.dropped += 1
            return False
        if not isinstance(line, Line) or isinstance(line.entry, Heartbeat):
            return True  # a header: `cat` of a tape is a listener too
        if isinstance(line.entry, Link):
            self._announced = line.entry.network == self._network
        elif line.entry.closed_at <= self._known:
            return True
        if self._announced:
            if isinstance(line.entry, Ledger):
                self._played = line.entry.closed_at  # not the latest: a server may be wrong once
            self._heard(line.entry)
        return True

    async def _see_out(self, process: Process) -> None:
        self._process = None
        if process.stdin:
            process.stdin.close()  # the sign on which a listener leaves
        try:
            # Not wait_for: until Python 3.11 it swallows a cancellation that comes as what it waits for ends, and a
            # keeper that was told to stop would go on for ever.
            async with asyncio.timeout(AT_END):
                await _end(process)
        except (TimeoutError, asyncio.CancelledError) as why:  # who is told to stop meanwhile waits no longer
            with suppress(ProcessLookupError):  # it has ended in this very moment
                # All of its session: whatever it left behind holds the pipe open when it itself has long gone.
                os.killpg(process.pid, signal.SIGKILL)
            await _end(process)  # a moment; a loop that closes before it would leave the process unburied
            if isinstance(why, asyncio.CancelledError):
                raise


async def _end(process: Process) -> None:
    """Wait for a process to end. What it still says is read and dropped: with a full pipe the end is never noticed."""
    assert process.stdout  # noqa: S101 - it is a pipe, as asked for where it was started
    while await process.stdout.read(1 << 16):
        pass
    await process.wait()
