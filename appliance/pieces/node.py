# SPDX-License-Identifier: Apache-2.0
"""The process of the pieces: puts its parts together, and runs them until it is told to end. One asyncio loop.

A client of the box's control socket for what is played; it is steered through a socket of its own (server.py). It is
started with its options as JSON, not with the settings, whose libraries would double its memory.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance.host.log import start as start_log
from appliance.host.malloc import pin_mmap_threshold
from appliance.ledger.networks import Network
from appliance.pieces.catalogue import Catalogue
from appliance.pieces.following import Following
from appliance.pieces.horizon import Horizon
from appliance.pieces.own import OwnFeed
from appliance.pieces.repeating import Pace
from appliance.pieces.seeds import Seeds
from appliance.pieces.server import Command, PieceServer
from appliance.pieces.shelf import Shelf
from appliance.pieces.swarm import Swarm
from appliance.values import BoxError

log = logging.getLogger(__name__)

OPTIONS = "PIECES_OPTIONS"  # of the environment, which other users cannot read: the options can hold keys of servers


@dataclass(frozen=True, slots=True)
class Options:
    """How the process is started."""

    state: str  # folder
    runtime: str  # folder of its socket
    boxes: list[str]  # folders in which the box's control socket can be
    network: str
    passphrase: str
    endpoints: list[str]
    reach: str = "lan"
    port: int = 0
    listen: str = ""  # address of one interface; every one without it
    bootstrap: list[str] = field(default_factory=list)
    upload: int = 256  # kB a second
    shelf: int = 200  # MB
    pace: dict[str, float] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


class Node:
    """The pieces of one box."""

    def __init__(self, options: Options) -> None:
        shelf, pace = Shelf(Path(options.state), options.shelf << 20), Pace(**options.pace)
        port = options.port or shelf.follows.port
        self._swarm = Swarm(
            shelf.torrents,
            port,
            options.bootstrap,
            private=options.reach != "internet",
            listen=options.listen,
            upload=options.upload << 10,
        )
        network = Network(options.network, options.passphrase, tuple(options.endpoints), options.headers)
        horizon = Horizon(network)
        self._said = {"reach": options.reach, "port": port}
        self._seeds = Seeds(shelf, self._swarm, pace.patience)
        self._own = OwnFeed(shelf, self._seeds, self._swarm, horizon, pace, time.time)
        self._following = Following(shelf, self._seeds, self._swarm, horizon, pace)
        self._catalogue = Catalogue(shelf, self._seeds, self._own, options.boxes)

    @property
    def commands(self) -> Mapping[str, Command]:
        """What it can be asked for."""
        own, following, catalogue = self._own, self._following, self._catalogue
        commands: tuple[Command, ...] = (
            *(own.artist, own.publish, own.price, own.sales),
            *(following.follow, following.unfollow, following.buy),
            *(catalogue.list, catalogue.show, catalogue.cover, catalogue.fetch, catalogue.forget),
            *(catalogue.play, catalogue.stop, self.status),
        )
        return {command.__name__: command for command in commands}

    async def status(self) -> dict[str, Any]:
        """How it is: for the command line, and for a page."""
        return self._said | self._catalogue.status()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Share, follow and sell while in the `with`."""
        async with self._swarm.running():
            await self._seeds.begin()
            works = (self._following.search, self._own.announce, self._own.poll)
            tasks = [asyncio.create_task(work.run()) for work in works]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


async def serve(options: Options) -> None:
    """Run the process until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    node = Node(options)
    async with node.running(), PieceServer(Path(options.runtime), node.commands).running():
        log.info("Sharing pieces (%s).", options.reach)
        await stop.wait()


def main() -> int:
    """Run the process with the options that its environment gives as JSON."""
    options = Options(**json.loads(os.environ.pop(OPTIONS)))
    start_log(verbose=False)
    pin_mmap_threshold()  # a draft has megabytes, several times
    try:
        asyncio.run(serve(options))
    except (BoxError, OSError) as error:
        log.error("%s", error)
        return 1
    return 0
