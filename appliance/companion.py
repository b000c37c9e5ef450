# SPDX-License-Identifier: Apache-2.0
"""A program that the player starts beside itself, because its owner asked for it in the same command: the page.

It is a client of the control socket in a process of its own, so whatever it does, the music plays on. What it prints
becomes lines of the player's log, because the panel can own the terminal. As a service it has a unit of its own.
"""

from __future__ import annotations

import asyncio
import logging
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from appliance.host.process import drain

log = logging.getLogger(__name__)

AT_END = 2.0  # s for it to end by itself


class Companion:
    """The program that `command` starts; `name` is for the log."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self._name, self._command = name, command

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Let it run while in the `with`."""
        process = await asyncio.create_subprocess_exec(
            *self._command, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, start_new_session=True
        )
        reading = asyncio.create_task(self._read(process))
        try:
            yield
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await end(process, AT_END)

    async def _read(self, process: Process) -> None:
        assert process.stdout  # noqa: S101 - `running` has asked for a pipe
        said = ""
        async for line in process.stdout:
            said = line.decode(errors="replace").strip()
            log.info("%s", said)
        code = await process.wait()
        # The panel shows only the last line of the log, so the reason is in it.
        reason = f" It said: {said}" if said else ""
        log.warning("The %s has ended (exit code %d); the box plays on.%s", self._name, code, reason)


async def end(process: Process, within: float) -> None:
    """Ask a program to end, and kill it if it has not ended within so many seconds."""
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(within):
            await drain(process)
    except TimeoutError:
        with suppress(ProcessLookupError):  # it has just ended
            process.kill()
        await drain(process)
