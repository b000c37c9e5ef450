# SPDX-License-Identifier: Apache-2.0
"""Follows a feed, in a swarm of two on this machine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from appliance.ledger.networks import Network
from appliance.pieces.feed import head
from appliance.pieces.following import Following
from appliance.pieces.horizon import Horizon
from appliance.pieces.repeating import Pace
from appliance.pieces.seeds import Seeds
from appliance.pieces.shelf import Shelf, Unknown
from appliance.pieces.swarm import Swarm, hashed
from tests.support.artists import Artist
from tests.support.sockets import free_udp_port

pytestmark = pytest.mark.process

PATIENCE = 120.0  # s for a stalled machine


def test_a_feed_that_is_unfollowed_while_it_is_fetched_does_not_come_back(tmp_path: Path) -> None:
    artist, port, shelf = Artist(), free_udp_port(), Shelf(tmp_path / "b")
    (tmp_path / "a").mkdir()

    async def run() -> None:
        source = Swarm(tmp_path / "a", port, private=True, listen="127.0.0.1")
        swarm = Swarm(shelf.torrents, 0, [f"127.0.0.1:{port}"], private=True, listen="127.0.0.1")
        async with asyncio.timeout(PATIENCE), source.running(), swarm.running():
            (tmp_path / "a" / "feed").write_bytes(artist.feed.text)
            torrent = source.share(tmp_path / "a" / "feed", hashed(tmp_path / "a" / "feed"))
            newest = head(artist.feed, torrent)
            while not await source.put(artist.secret, artist.key, newest, PATIENCE):
                await asyncio.sleep(0.05)  # until it knows the other node
            horizon = Horizon(Network("mine", "passphrase", ("http://127.0.0.1:9",)))
            seeds = Seeds(shelf, swarm, PATIENCE)
            following = Following(shelf, seeds, swarm, horizon, Pace(patience=PATIENCE))
            asked = asyncio.create_task(following.follow(artist.key.hex()))
            while not shelf.follows.feeds:
                await asyncio.sleep(0)
            await following.unfollow(artist.key.hex())
            with pytest.raises(Unknown, match="no longer followed"):
                await asked
            assert not shelf.feeds
            assert not swarm.holds(torrent)

    asyncio.run(run())
    assert not list((tmp_path / "b").rglob("*.feed"))
