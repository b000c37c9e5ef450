# SPDX-License-Identifier: Apache-2.0
"""The pieces that this box knows: fetches, opens, plays and lists them.

The process's loop; scores are checked, and the box is asked, on threads.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from appliance.control import Client
from appliance.pieces import piece
from appliance.pieces.feed import Entry, Feed
from appliance.pieces.own import OwnFeed, price_of
from appliance.pieces.seeds import Seeds
from appliance.pieces.shelf import MAX_BLOCKED, Shelf, Unknown
from appliance.values import BoxError

LISTED = 100  # pieces of a feed, the newest


class Catalogue:
    """The pieces of all feeds. The control socket of the box that plays them is in one of the folders `boxes`."""

    def __init__(self, shelf: Shelf, seeds: Seeds, own: OwnFeed, boxes: Iterable[str]) -> None:
        self._shelf, self._seeds, self._own = shelf, seeds, own
        self._boxes = [Path(folder) for folder in boxes]

    # --- one piece ------------------------------------------------------------------------------------------

    async def fetch(self, named: str) -> dict[str, Any]:
        """Fetch a piece, check it, and go on to seed it; the paths of its scores, for a box that may read them."""
        found, entry = self._shelf.find(named)
        opened = await self._opened(found, entry)
        scores = piece.scores(opened, self._content_key(found, opened))
        for content in scores:
            await asyncio.to_thread(piece.check_score, content, Path(opened.title))
        paths = [*map(str, self._shelf.open_scores(entry.piece, scores))]
        return {"piece": entry.piece, "title": opened.title, "artist": opened.artist, "paths": paths}

    def _content_key(self, found: Feed, opened: piece.Piece) -> bytes:
        """The key of a piece that is sold; nothing for one that is free. Raises Unknown if it was not bought."""
        order = self._shelf.order_of(opened.piece)
        if not opened.promise:
            return b""
        if found is self._shelf.own and (price := found.price(opened.piece)):
            return bytes.fromhex(self._shelf.contents[str(price.sale)])
        if order and order.content_key:
            return bytes.fromhex(order.content_key)
        raise Unknown(f"{opened.title} is sold: `stellar-wind piece buy {opened.piece[:12]}`.")

    async def _opened(self, found: Feed, entry: Entry) -> piece.Piece:
        here = self._seeds.holds(entry)
        await self._seeds.fetch_piece(entry)
        try:
            opened = piece.opened(self._shelf.piece_files(entry.torrent), found.key, entry.piece)
            if not here and not opened.promise:
                for track in opened.tracks:
                    await asyncio.to_thread(piece.check_score, track.content, Path(entry.title))
        except BoxError:
            if not here:  # another feed can name the same torrent, rightly
                self._seeds.drop(entry.torrent)
            raise
        return opened

    async def show(self, named: str) -> dict[str, Any]:
        """All that the artist says of a piece, which is fetched for it."""
        found, entry = self._shelf.find(named)
        opened = await self._opened(found, entry)
        return {
            **self._entry(found, entry),
            "artist": opened.artist,
            "words": opened.words,
            "tracks": [{"title": track.title, "seconds": track.seconds} for track in opened.tracks],
            "cover": b64encode(opened.cover).decode(),
        }

    async def cover(self, named: str) -> dict[str, Any]:
        """The cover of a piece that is here: nothing is fetched for it."""
        found, entry = self._shelf.find(named)
        if not self._seeds.holds(entry):
            raise Unknown(f"{entry.title} is not here: `stellar-wind piece fetch {entry.piece[:12]}`.")
        return {"cover": b64encode((await self._opened(found, entry)).cover).decode()}

    async def forget(self, named: str) -> dict[str, Any]:
        """Withdraw a piece of ours; remove another one, and take it no more."""
        found, entry = self._shelf.find(named)
        if found is self._shelf.own:
            await self._own.withdraw(entry.piece)
        elif len(self._shelf.follows.blocked) < MAX_BLOCKED:
            self._shelf.follows.blocked.append(entry.piece)
            self._shelf.save_follows()
        self._seeds.drop_unnamed([entry])
        return {"piece": entry.piece}

    # --- the box --------------------------------------------------------------------------------------------

    async def play(self, named: str) -> dict[str, Any]:
        """Make the box play a piece."""
        fetched = await self.fetch(named)
        title = ", ".join(filter(None, (fetched["title"], fetched["artist"])))
        await asyncio.to_thread(self._ask_box, {"do": "play", "paths": fetched["paths"], "title": title})
        return fetched | {"title": title}

    async def stop(self) -> dict[str, Any]:
        """Make the box play the network again."""
        await asyncio.to_thread(self._ask_box, {"do": "stop"})
        return {}

    def _ask_box(self, command: Mapping[str, Any]) -> None:
        with Client.connect(self._boxes) as client:
            client.request(command)

    # --- all of them ----------------------------------------------------------------------------------------

    async def list(self) -> dict[str, Any]:
        """What is followed, and the pieces."""
        feeds = [
            {
                "feed": each.key.hex(),
                "artist": each.artist,
                "words": each.words,
                "account": each.account,
                "own": each is self._shelf.own,
                "count": len(pieces := self._shelf.pieces_of(each)),
                "pieces": [self._entry(each, entry) for entry in pieces[-LISTED:]],
            }
            for each in self._shelf.all_feeds
        ]
        return {"feeds": feeds}

    def _entry(self, found: Feed, entry: Entry) -> dict[str, Any]:
        price, order, here = (
            found.price(entry.piece),
            self._shelf.order_of(entry.piece),
            self._seeds.holds(entry),
        )
        return {
            "piece": entry.piece,
            "torrent": entry.torrent,
            "title": entry.title,
            "bytes": entry.size,
            "here": here,
            "cover": here and self._shelf.has_cover(entry.torrent),
            "bought": bool(order and order.content_key),
            "at": entry.at,
            **(price_of(price) if price else {}),
        }

    def status(self) -> dict[str, Any]:
        """What is seeded, and what is waited for."""
        names: dict[str, str] = {}  # by torrent
        for feed in self._shelf.all_feeds:
            names |= {entry.torrent: entry.title for entry in feed.entries.values()}
            names[self._seeds.torrent_of(feed)] = f"feed of {feed.artist}"
        seeding = [each | {"name": names.get(each["torrent"], "")} for each in self._seeds.all()]
        return {
            "peers": sum(each["peers"] for each in seeding),
            "seeding": [each for each in seeding if each["name"]],
            "searching": [key for key in self._shelf.follows.feeds if key not in self._shelf.feeds],
            "announced": self._own.taken,
            "unpaid": [order.piece for order in self._shelf.orders.values() if not order.content_key],
        }
