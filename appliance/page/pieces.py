# SPDX-License-Identifier: Apache-2.0
"""The room of the pieces: what the process of the pieces says, as the page shows it. The page's loop.

Asks through the socket of that process, as the command line does, and one question at a time. What is shown is already
on the box: no viewer makes it fetch anything but by playing a piece.
"""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Mapping
from itertools import islice
from typing import Any

from appliance.control import NoBox
from appliance.follower import Follower

FRESH = 2.0  # s for which an answer is shown to every viewer
NEWEST, MOST = 12, 240  # pieces that are shown, of one feed and of all
MAX_COVER = 1 << 20  # bytes
PNG = b"\x89PNG\r\n\x1a\n"
FETCHING = 180.0  # s for a piece to be found and fetched

AWAY = "The pieces do not answer at present; this page tries again."


class Pieces:
    """Asks the process of the pieces through `follower`."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._asking = asyncio.Lock()
        self._shown: dict[str, Any] = {}
        self._stale = 0.0  # by the loop's clock

    @property
    def there(self) -> bool:
        """Whether pieces are switched on."""
        return self._follower.there

    async def look(self) -> dict[str, Any]:
        """What is followed and seeded. Raises NoBox and Refused."""
        clock = asyncio.get_running_loop().time
        async with self._asking:
            if clock() >= self._stale:
                listed, status = await self._ask("list"), await self._ask("status")
                try:
                    self._shown = shown(listed, status)
                except (AttributeError, KeyError, TypeError) as error:
                    raise NoBox("The pieces are of another version.") from error
                self._stale = clock() + FRESH
        return self._shown

    async def cover(self, piece: str) -> bytes:
        """The cover of a piece that is on the box: a PNG picture. Raises NoBox and Refused."""
        async with self._asking:
            answer = await self._ask("cover", named=piece)
        try:
            content = b64decode(str(answer.get("cover")), validate=True)
        except ValueError:
            content = b""
        if not content.startswith(PNG) or len(content) > MAX_COVER:
            raise NoBox("The piece has no cover that can be shown.")
        return content

    async def play(self, piece: str) -> None:
        """Make the box play a piece, which can be fetched first. Raises NoBox and Refused."""
        await self._ask("play", FETCHING, named=piece)

    async def _ask(self, command: str, patience: float = 10.0, **fields: str) -> dict[str, Any]:
        try:
            return await self._follower.request({"do": command, **fields}, patience)
        except NoBox as error:
            raise NoBox(AWAY) from error


def shown(listed: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, Any]:
    """What the page shows of the answers to `list` and `status`: no account, and nothing of purchases and sales."""
    seeding = {each["torrent"]: each for each in status["seeding"]}
    feeds, left = [], MOST
    for feed in listed["feeds"]:
        newest = list(islice(reversed(feed["pieces"]), min(NEWEST, left)))
        left -= len(newest)
        cards = [_card(piece, seeding.get(piece["torrent"], {}), own=feed["own"]) for piece in newest]
        feeds.append({**{key: feed[key] for key in ("artist", "own", "count")}, "pieces": cards})
    return {
        "reach": status["reach"],
        "peers": status["peers"],
        "seeding": len(seeding),
        "up": sum(each["up"] for each in seeding.values()),
        "searching": len(status["searching"]),
        "feeds": feeds,
    }


def _card(piece: Mapping[str, Any], seeding: Mapping[str, Any], *, own: bool) -> dict[str, Any]:
    price = {key: piece[key] for key in ("amount", "asset", "network") if key in piece}
    return {
        **{key: piece[key] for key in ("piece", "title", "here", "cover")},
        **({} if own or piece["bought"] else price),
        "peers": seeding.get("peers", 0),
        "progress": seeding.get("progress", 0.0),
    }
