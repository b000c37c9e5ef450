# SPDX-License-Identifier: Apache-2.0
"""The artist's own feed, without a network."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from appliance.ledger.networks import Network
from appliance.pieces.feed import MAX_FEED
from appliance.pieces.horizon import Horizon
from appliance.pieces.keys import Untrusted
from appliance.pieces.own import OwnFeed
from appliance.pieces.piece import pack
from appliance.pieces.repeating import Pace
from appliance.pieces.sales import Till
from appliance.pieces.seeds import Seeds
from appliance.pieces.shelf import Shelf
from appliance.pieces.swarm import Swarm
from tests.support.artists import Artist, draft

LINES = 500  # bytes: room for the line of a piece, or for that of its price, and not for both


def test_a_piece_to_sell_is_published_with_its_price_or_not_at_all(tmp_path: Path) -> None:
    artist = Artist()
    while (left := MAX_FEED - len(artist.feed.text)) > 7200 + LINES:
        artist.says(x="x" * 7000)
    artist.says(x="x" * (left - LINES - 130))

    async def run() -> None:
        shelf = Shelf(tmp_path)
        shelf.save_secret(artist.secret)
        shelf.save_own(artist.feed)
        shelf.save_till(Till(0))
        swarm = Swarm(shelf.torrents, 0, private=True, listen="127.0.0.1")
        async with swarm.running():
            seeds = Seeds(shelf, swarm, 1.0)
            horizon = Horizon(Network("mine", "passphrase", ("http://127.0.0.1:9",)))
            own = OwnFeed(shelf, seeds, swarm, horizon, Pace(), time.time)
            with pytest.raises(Untrusted):
                await own.publish(pack(draft()).decode(), "5")
            assert shelf.own == artist.feed
            await own.publish(pack(draft()).decode())  # alone, it has room

    asyncio.run(run())
