# SPDX-License-Identifier: Apache-2.0
"""A page that is served beside a box, and what it says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from appliance.control import SOCKET, Controlled, ControlServer
from appliance.follower import Follower
from appliance.page.pieces import Pieces
from appliance.page.server import Page
from tests.support.statuses import STATUS
from tests.support.waiting import LIMIT


@asynccontextmanager
async def served(
    folder: Path, box: Controlled, pieces: Pieces, names: Collection[str], *, steer: bool
) -> AsyncIterator[tuple[ControlServer, int, aiohttp.ClientSession]]:
    """The control socket of a box, the port of its page, and a client."""
    control = ControlServer(folder / SOCKET, box, STATUS.networks, ("wind",))
    page = Page(Follower([folder], pause=0.02), pieces, names, steer=steer)
    async with (
        control.running(),
        page.running("127.0.0.1", 0) as port,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(LIMIT)) as http,
    ):
        yield control, port, http


async def until(viewer: aiohttp.ClientWebSocketResponse, key: str) -> Any:
    """The value of the next message with this key."""
    async with asyncio.timeout(LIMIT):
        while True:
            message = await viewer.receive_json()
            if key in message:
                return message[key]
