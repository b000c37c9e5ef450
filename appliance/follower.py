# SPDX-License-Identifier: Apache-2.0
"""Follows a box through its control socket, for programs that run for months beside it: the page, for instance.

The box can start later, end, and start again: the follower connects again by itself, and says when it has and when it
has not. The loop of such a program.

    events()     the events of `watch` (control.py), and {"box": true | false} when the box comes and goes
    request()    one command on a connection of its own, and its answer
    samples()    what the box plays, for as long as it plays
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from appliance.control import ANSWER, PATIENCE, SOCKET, NoBox, Refused, socket_address

PAUSE = 1.0  # s between two attempts to connect
CHUNK = 4096 * 8  # bytes of 85 ms: 48,000 frames a second of two 32-bit floats

Event = dict[str, Any]


class Follower:
    """Follows the box whose control socket is in one of `folders`; `pause` is in s.

    Other processes of the box have sockets of other names, whose answers can be `longest` bytes.
    """

    def __init__(
        self,
        folders: Iterable[Path | None],
        pause: float = PAUSE,
        *,
        name: str = SOCKET,
        longest: int = ANSWER,
    ) -> None:
        self._paths = [folder / name for folder in dict.fromkeys(filter(None, folders))]
        self._pause, self._longest = pause, longest

    @property
    def there(self) -> bool:
        """Whether there is a socket; a process that has crashed leaves one."""
        return any(os.access(path, os.F_OK) for path in self._paths)

    async def events(self) -> AsyncIterator[Event]:
        """Every event of the box, also of the one that is started after this one has ended."""
        while True:
            with suppress(NoBox, Refused):
                async with self._asked({"do": "watch"}) as (_, reader):
                    yield {"box": True}
                    while event := await _line(reader):
                        yield event
            yield {"box": False}
            await asyncio.sleep(self._pause)

    async def samples(self) -> AsyncIterator[bytes]:
        """CHUNK bytes after another of what the box plays, until it ends. Raises NoBox and Refused."""
        async with self._asked({"do": "listen"}) as (_, reader):
            with suppress(OSError, asyncio.IncompleteReadError):
                while True:
                    yield await reader.readexactly(CHUNK)

    async def request(self, command: Mapping[str, Any], patience: float = PATIENCE) -> Event:
        """The answer to a command. Raises Refused with the box's sentence, and NoBox."""
        async with self._asked(command, patience) as (answer, _):
            return answer

    @asynccontextmanager
    async def _asked(
        self, command: Mapping[str, Any], patience: float = PATIENCE
    ) -> AsyncIterator[tuple[Event, asyncio.StreamReader]]:
        """The answer to a command, and what follows it."""
        reader, writer = await self._connect()
        try:
            with suppress(OSError):  # a box that has no room for us says so before it hangs up
                writer.write(json.dumps(command).encode() + b"\n")
            async with asyncio.timeout(patience):
                answer = await _line(reader)
            if answer is None:
                raise NoBox("The box has ended.")
            if not answer.get("ok"):
                raise Refused(str(answer.get("error", "The box refused, and did not say why.")))
            yield answer, reader
        except TimeoutError as error:
            raise NoBox(f"The box has not answered within {patience:.0f} s; its log says why.") from error
        finally:
            writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        for path in self._paths:
            with suppress(OSError), socket_address(path) as address:
                return await asyncio.open_unix_connection(address, limit=self._longest)
        raise NoBox("No box plays here.")


async def _line(reader: asyncio.StreamReader) -> Event | None:
    """The next line; None at the end of the connection, and for a line that no box sends."""
    try:
        found = json.loads(await reader.readline() or "null")
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
