# SPDX-License-Identifier: Apache-2.0
"""What this box seeds: the pieces and feeds on its shelf, in the swarm. The process's loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from appliance.pieces.feed import MAX_FEED, Entry, Feed
from appliance.pieces.keys import Untrusted
from appliance.pieces.piece import FOLDER, check_names
from appliance.pieces.shelf import Shelf
from appliance.pieces.swarm import Hashed, Swarm, hashed


class Seeds:
    """The torrents in the folder of `shelf`, each seeded from the moment at which it is complete."""

    def __init__(self, shelf: Shelf, swarm: Swarm, patience: float) -> None:
        self._shelf, self._swarm, self._patience = shelf, swarm, patience
        self._feeds: dict[bytes, str] = {}  # by feed, the torrent of its newest state

    async def begin(self) -> None:
        """Seed what is on the shelf, and remove what no feed names any more, unless a feed is missing."""
        wanted, complete = self._shelf.torrents_named, self._shelf.is_complete
        for path in tuple(self._shelf.held()):
            torrent = path.parent.name
            whole = _whole(path, torrent) if path.name == FOLDER else None
            if whole and torrent in wanted:
                self._swarm.share(path, whole)
                await asyncio.sleep(0)
            elif not whole or complete:
                self._shelf.remove(torrent)
        for feed in self._shelf.all_feeds:
            self.share_feed(feed)

    def share_feed(self, feed: Feed) -> str:
        """Seed a feed as it is now, in the place of what it was."""
        torrent = self._share("feed", feed.text)
        if (before := self._feeds.get(feed.key)) and before != torrent:
            self.drop(before)
        self._feeds[feed.key] = torrent
        return torrent

    def share_piece(self, files: Mapping[str, bytes]) -> str:
        """Seed a piece of ours. Raises ShelfFull."""
        self._shelf.check_room(sum(map(len, files.values())))
        return self._share(FOLDER, files)

    def _share(self, name: str, content: Mapping[str, bytes] | bytes) -> str:
        written = self._shelf.put(name, content)
        found = hashed(written)
        self._swarm.unshare(found.torrent)
        return self._swarm.share(self._shelf.placed(written, found.torrent), found)

    async def fetch_feed(self, torrent: str) -> bytes:
        """The text in a torrent, which is not checked yet. Raises NotFound and Untrusted."""
        folder = await self._swarm.fetch(torrent, _check_feed, self._patience)
        return (folder / "feed").read_bytes()

    async def fetch_piece(self, entry: Entry) -> None:
        """Fetch a piece, unless it is here. Raises NotFound, Untrusted and ShelfFull."""
        if not self.holds(entry):
            self._shelf.check_room(entry.size)
            await self._swarm.fetch(entry.torrent, check_names, self._patience)

    def holds(self, entry: Entry) -> bool:
        """Whether all of a piece is here."""
        return self._swarm.holds(entry.torrent)

    def drop(self, torrent: str) -> None:
        """Seed it no longer, and remove its files."""
        self._swarm.unshare(torrent)
        self._shelf.remove(torrent)

    def drop_unnamed(self, entries: Iterable[Entry]) -> None:
        """Drop the torrents of pieces, unless a feed still names them or they hold a feed, which anyone can list."""
        named = self._shelf.torrents_named | set(self._feeds.values())
        for entry in entries:
            if entry.torrent not in named:
                self.drop(entry.torrent)

    def drop_feed(self, key: bytes) -> None:
        """Drop what is seeded of a feed."""
        if torrent := self._feeds.pop(key, ""):
            self.drop(torrent)

    def torrent_of(self, feed: Feed) -> str:
        """What is seeded of a feed; "" for one that is not."""
        return self._feeds.get(feed.key, "")

    def all(self) -> list[dict[str, Any]]:
        """How each torrent is."""
        return self._swarm.seeding()


def _whole(path: Path, torrent: str) -> Hashed | None:
    """The files, if they are those of the torrent; a power cut can leave them empty."""
    try:
        found = hashed(path)
    except OSError:
        return None
    return found if found.torrent == torrent else None


def _check_feed(sizes: Mapping[str, int]) -> None:
    if list(sizes) != ["feed"] or sizes["feed"] > MAX_FEED:
        raise Untrusted("The torrent is no feed.")
