# SPDX-License-Identifier: Apache-2.0
"""Supervises the listener: starts it, reads its tape lines, and replaces it when it ends or fails.

Whatever the listener does, the player only ever gets fewer lines. Lines about a network that is no longer wanted are
dropped. The main thread's loop.

    listener's stdout ──tape lines──▶ take(Ledger | Link)
    listener's stdin  ◀──{"network": name}── switch(name)
    listener's stderr ──▶ ours, or discarded while the terminal panel shows

    it ends, also for want of memory         another one is started after 1 s; then after 2 s, 4 s ... a minute
    no whole line for 25 s                   it is killed, and replaced like that
    100 malformed lines in a row, or a line  the same
    of more than 1 MB
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

from appliance.host.process import drain
from appliance.ledger.staleness import HUNG_AFTER
from appliance.ledger.tape import BadLine, BadTape, Heartbeat, Line, decode
from appliance.ledger.tape.format import MAX_LINE
from appliance.values import Ledger, Link, LinkState

log = logging.getLogger(__name__)

MAX_BAD = 100  # malformed lines in a row
# s until its first line. It imports for ten seconds on an idle Zero 2 W, and longer on one that plays. A shorter time
# would kill each listener before it is ready, for ever. WatchdogSec of its systemd unit is as long.
FIRST_LINE = 120.0
MEMORY = 200 << 20  # bytes of a listener's data segment; it takes some 90 MB, stacks included
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # s before a listener is replaced; doubled each time
HEALTHY = 60.0  # s of running after which the pause is short again
LOOKS = 5  # parts into which the wait for a line is divided; see `_read`
AT_END = 1.0  # s for a listener to end by itself


class Supervisor:
    """Keeps one listener running. `command` starts it; the network's name is added at the end.

    `take` gets its ledgers and states, and `started` is called before each start. `quiet` discards its standard error.
    In seconds: `pause` before the first replacement, `first` until a listener's first line, `hung` without a line after
    that. `memory` is the limit of its data segment in bytes.
    """

    def __init__(
        self,
        command: Sequence[str],
        network: str,
        take: Callable[[Ledger | Link], None],
        *,
        started: Callable[[], None] = lambda: None,
        quiet: bool = False,
        pause: float = FIRST_PAUSE,
        first: float = FIRST_LINE,
        hung: float = HUNG_AFTER,
        memory: int = MEMORY,
    ) -> None:
        self._command, self._network, self._take, self._started = command, network, take, started
        self._stderr = DEVNULL if quiet else None
        self._first_pause, self._first, self._hung, self._memory = pause, first, hung, memory
        self._process: Process | None = None
        self._announced = False  # the last state of the listener was of the wanted network
        self.starts = 0
        self.dropped = 0  # malformed lines

    async def run(self) -> None:
        """Keep a listener running until cancelled, then end it."""
        pause = self._first_pause / 2
        clock = asyncio.get_running_loop().time
        while True:
            begun = clock()
            why = await self._listen()
            pause = self._first_pause if clock() - begun >= HEALTHY else min(LONGEST_PAUSE, pause * 2)
            self._take(Link(LinkState.OFFLINE, self._network, why, pause))
            log.warning("The listener has died (%s); another one starts in %.0f s.", why, pause)
            await asyncio.sleep(pause)

    def switch(self, network: str) -> None:
        """Ask for another network; lines about the last one are dropped from now on."""
        self._network = network
        self._announced = False
        if self._process and self._process.stdin and not self._process.stdin.is_closing():
            self._process.stdin.write(json.dumps({"network": network}).encode() + b"\n")

    async def _listen(self) -> str:
        """Run one listener, and return why it ended."""
        self._announced = False
        self._started()
        self.starts += 1
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(*self._command, self._network),
                stdin=PIPE,
                stdout=PIPE,
                stderr=self._stderr,
                limit=MAX_LINE,
                start_new_session=True,  # a Ctrl-C in the terminal is for the box alone
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
            await self._end(process)

    async def _read(self, process: Process) -> str:
        """Read a listener's lines until it ends or fails, and return why."""
        assert process.stdout  # noqa: S101 - `_listen` has asked for a pipe
        bad, timeout, looks = 0, self._first, 0
        while bad < MAX_BAD:
            try:
                async with asyncio.timeout(timeout / LOOKS):
                    text = await process.stdout.readline()
            except TimeoutError:
                # While this process was stopped, or the computer suspended, only one look went by.
                looks += 1
                if looks < LOOKS:
                    continue
                return f"it has sent nothing for {timeout:.0f} s"
            except ValueError:
                return f"it has sent a line of more than {MAX_LINE >> 20} MB"
            if not text:
                return f"exit code {await process.wait()}"
            bad, timeout, looks = 0 if self._accept(text) else bad + 1, self._hung, 0
            await asyncio.sleep(0)  # a flood of lines must not block the main thread's other tasks
        return f"it has sent {MAX_BAD} malformed lines in a row"

    def _accept(self, text: bytes) -> bool:
        """Pass on what a line holds; False if it is malformed."""
        try:
            line = decode(text)
        except (BadLine, BadTape):
            self.dropped += 1
            return False
        if not isinstance(line, Line) or isinstance(line.entry, Heartbeat):
            return True  # a header: `cat` of a tape can serve as a listener
        if isinstance(line.entry, Link):
            self._announced = line.entry.network == self._network
        if self._announced:
            self._take(line.entry)
        return True

    async def _end(self, process: Process) -> None:
        self._process = None
        if process.stdin:
            process.stdin.close()  # this ends a listener
        try:
            # Not wait_for: until Python 3.11 it loses a cancellation that comes at the moment when the awaited task
            # ends, and then the supervisor would not stop.
            async with asyncio.timeout(AT_END):
                await drain(process)
        except (TimeoutError, asyncio.CancelledError) as why:  # cancelled meanwhile: wait no longer
            with suppress(ProcessLookupError):  # it has just ended
                # Its whole session: a child that it left behind holds the pipe open after its own end.
                os.killpg(process.pid, signal.SIGKILL)
            await drain(process)  # a moment; if the loop closed before, the process would become a zombie
            if isinstance(why, asyncio.CancelledError):
                raise
