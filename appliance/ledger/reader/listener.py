# SPDX-License-Identifier: Apache-2.0
"""The listener: follows a network and writes tape lines, until its input ends.

The body of `stellar-wind listen`, the only process of the box that uses the network. The box can kill it at any moment.
After the line with the state SWITCHING, every line is of the new network.

    standard output   tape lines: a header, then states and ledgers, and a heartbeat every five seconds
    standard input    {"network":"testnet"}   one command a line; the end of the input ends the listener
    standard error    the log: faults of this process. The states of the network are in the lines
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from typing import Any

from appliance.ledger.networks import Network
from appliance.ledger.reader.backoff import Backoff
from appliance.ledger.reader.budget import Allowance
from appliance.ledger.reader.follow import follow
from appliance.ledger.reader.line_writer import LineWriter
from appliance.ledger.reader.session import ListenOptions
from appliance.ledger.staleness import HEARTBEAT
from appliance.ledger.tape import Header, Heartbeat, Line
from appliance.values import Ledger, Link, LinkState

log = logging.getLogger(__name__)


async def listen(
    networks: Mapping[str, Network],
    start: str,
    *,
    write: Callable[[Header | Line], None],
    commands: asyncio.StreamReader,
    options: ListenOptions | None = None,
    backoff: Callable[[], Backoff] = Backoff,
    heartbeat: float = HEARTBEAT,
) -> None:
    """Follow the network named `start`, and then each that a command names, until `commands` ends.

    `write` gets one tape line at a time; a BrokenPipeError from it ends the listener, like the end of `commands`. A
    malformed command is logged and ignored. `options` and `backoff` (one for each network) are those of `follow`,
    `heartbeat` is the time in seconds between two heartbeats.
    """
    begun = time.monotonic()
    allowances: dict[str, Allowance] = {}

    def emit(entry: Ledger | Link | Heartbeat) -> None:
        write(Line(time.monotonic() - begun, entry))

    async def follow_one(network: Network) -> None:
        async with aclosing(follow(network, options, backoff=backoff(), allowances=allowances)) as entries:
            async for entry in entries:
                emit(entry)

    async def beat() -> None:
        while True:
            await asyncio.sleep(heartbeat)
            emit(Heartbeat())

    current = start
    write(Header(current, "live from the network"))
    following = asyncio.create_task(follow_one(networks[current]))
    beating = asyncio.create_task(beat())
    command = asyncio.create_task(commands.readline())
    try:
        while True:
            await asyncio.wait({following, beating, command}, return_when=asyncio.FIRST_COMPLETED)
            for endless in (following, beating):
                if endless.done():
                    endless.result()  # raises what went wrong
            if not command.done():
                continue
            wanted = _wanted(command, networks)
            if wanted is None:
                return
            command = asyncio.create_task(commands.readline())
            if wanted in ("", current):
                continue
            current = wanted
            following.cancel()
            # Before the old connection is closed: from here on the old task can only end.
            emit(Link(LinkState.SWITCHING, current))
            await asyncio.gather(following, return_exceptions=True)
            following = asyncio.create_task(follow_one(networks[current]))
    except BrokenPipeError:
        return
    finally:
        for task in (command, beating, following):
            task.cancel()
        await asyncio.gather(command, beating, following, return_exceptions=True)


def _wanted(command: asyncio.Task[bytes], networks: Mapping[str, Network]) -> str | None:
    """The network that a command names; "" for a malformed command, None at the end of the input."""
    line = b""
    try:
        line = command.result()
        if not line:
            return None
        fields: Any = json.loads(line)
        name: str = fields["network"]
        if name in networks:
            return name
    except (ValueError, TypeError, KeyError, RecursionError):  # a ValueError also for a line that is too long
        pass
    log.warning('The command %r was ignored: it is not {"network": ...} with a known network.', line[:60])
    return ""


def serve(
    networks: Mapping[str, Network],
    start: str,
    options: ListenOptions,
    alive: Callable[[], None] = lambda: None,
) -> None:
    """The body of the listener's process: `listen` between standard input and standard output, until either ends.

    `alive` is called with every line, to feed a watchdog.
    """

    async def body() -> None:
        # One thread resolves names: while no name server answers, only one request hangs.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1, "names"))
        writer = LineWriter(sys.stdout.fileno())

        def write(line: Header | Line) -> None:
            writer.write(line)
            alive()

        await listen(networks, start, write=write, commands=_standard_input(), options=options)

    asyncio.run(body())


def _standard_input() -> asyncio.StreamReader:
    """Standard input as a stream: a pipe, a file or a terminal.

    A thread reads it, because the event loop cannot wait for a file, and would make a terminal non-blocking for
    standard output too. The thread holds no lock while it waits, so it is left behind at the end.
    """
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()

    def read() -> None:
        with suppress(RuntimeError):  # the loop has ended already
            while chunk := os.read(sys.stdin.fileno(), 4096):
                loop.call_soon_threadsafe(reader.feed_data, chunk)
            loop.call_soon_threadsafe(reader.feed_eof)

    threading.Thread(target=read, name="commands", daemon=True).start()
    return reader
