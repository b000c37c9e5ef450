# SPDX-License-Identifier: Apache-2.0
"""The socket of the pieces: `pieces.sock`, through which the command line and a page steer and see them. JSON lines.

    {"do":"follow","who":"G..."}     {"ok":true,"feed":"...","found":true}
    {"do":"status"}                  {"ok":true,"reach":"lan","peers":2,"seeding":[...]}
    anything else                    {"ok":false,"error":"one sentence"}

`do` is a method of Node, and the other fields are its arguments, all of them text. As at the control socket, the kernel
says whose process a client is, and only root and the box's own user are answered. The process's loop.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from appliance.control import listening, peer
from appliance.pieces.client import SOCKET
from appliance.pieces.piece import MAX_DRAFT, loaded
from appliance.values import BoxError

log = logging.getLogger(__name__)

CLIENTS = 8
IDLE = 60.0  # s for the next command

Command = Callable[..., Awaitable[dict[str, Any]]]


class PieceServer:
    """Answers clients in `folder` with what `commands` return."""

    def __init__(self, folder: Path, commands: Mapping[str, Command]) -> None:
        self._path, self._commands = folder / SOCKET, commands
        self._clients = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Answer while in the `with`. Raises OSError if the socket cannot be made."""
        server = await asyncio.start_unix_server(self._connected, sock=listening(self._path), limit=MAX_DRAFT)
        try:
            yield
        finally:
            server.close()
            with suppress(OSError):
                self._path.unlink()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients += 1
        try:
            if peer(writer.get_extra_info("socket")) not in (0, os.geteuid()):
                writer.write(_error("The box belongs to another user: use sudo."))
            elif self._clients > CLIENTS:
                writer.write(
                    _error(f"{CLIENTS} clients are connected, and there is no room for another one.")
                )
            else:
                await self._serve(reader, writer)
        except (
            OSError,
            ValueError,
        ):  # it has gone, or sends nothing (TimeoutError), or a line that is too long
            pass
        finally:
            self._clients -= 1
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            async with asyncio.timeout(IDLE):
                line = await reader.readline()
            if not line.endswith(b"\n"):
                return
            body = loaded(line)
            del line  # a draft has megabytes, and what it asks for takes its time
            writer.write(await self._answer(body))
            async with asyncio.timeout(IDLE):
                await writer.drain()

    async def _answer(self, body: object) -> bytes:
        if not isinstance(body, dict) or not all(isinstance(value, str) for value in body.values()):
            return _error("A command is a JSON object in one line, whose values are text.")
        command = self._commands.get(body.pop("do", ""))
        if command is None:
            return _error(f"There is no such command; there are {', '.join(self._commands)}.")
        try:
            inspect.signature(command).bind(**body)
        except TypeError as error:
            return _error(f"The command does not have the fields that it needs: {error}.")
        try:
            return _line({"ok": True, **await command(**body)})
        except BoxError as error:
            return _error(str(error))
        except OSError as error:
            log.warning("A command failed: %s.", error)
            return _error(f"The box cannot do that: {error.strerror or error}.")
        except Exception:
            log.exception("A command failed with an unexpected error.")
            return _error("The box cannot do that: its log says why.")


def _line(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def _error(sentence: str) -> bytes:
    return _line({"ok": False, "error": sentence})
