# SPDX-License-Identifier: Apache-2.0
"""The listener: a process that writes what a network says as tape lines, and obeys one kind of command.

The one rule: after the line that says SWITCHING, every line is of the new network. It is the body of
`stellar-wind listen`: the only process that touches the network, and one that the box may kill at any moment.

    standard output   tape lines: a header, then what the network says, and a pulse at least every five seconds
    standard input    {"network":"testnet"}   one command a line; its end means that the box is gone
    standard error    the log: what is wrong with us. How the network does is in the lines
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
from appliance.ledger.tape import Header, Heartbeat, Line
from appliance.values import Ledger, Link, LinkState

log = logging.getLogger(__name__)

PULSE = 5.0  # s; whoever keeps us takes us for hung after five of them without a line


async def listen(
    networks: Mapping[str, Network],
    start: str,
    *,
    write: Callable[[Header | Line], None],
    commands: asyncio.StreamReader,
    way: ListenOptions | None = None,
    backoff: Callable[[], Backoff] = Backoff,
    pulse: float = PULSE,
) -> None:
    """Follow the network named `start`, and then whichever a command names, until `commands` ends.

    `write` gets one tape line at a time; a BrokenPipeError from it ends the listener as the end of `commands`
    does. A command that makes no sense is logged and left. `way` and `backoff` (one for each network) are those
    of `follow`, `pulse` the seconds between two signs of life.
    """
    begun = time.monotonic()
    allowances: dict[str, Allowance] = {}

    def say(entry: Ledger | Link | Heartbeat) -> None:
        write(Line(time.monotonic() - begun, entry))

    async def tell(network: Network) -> None:
        async with aclosing(follow(network, way, backoff=backoff(), allowances=allowances)) as entries:
            async for entry in entries:
                say(entry)

    async def live() -> None:
        while True:
            await asyncio.sleep(pulse)
            say(Heartbeat())

    current = start
    write(Header(current, "the network, as it is heard"))
    telling = asyncio.create_task(tell(networks[current]))
    living = asyncio.create_task(live())
    command = asyncio.create_task(commands.readline())
    try:
        while True:
            await asyncio.wait({telling, living, command}, return_when=asyncio.FIRST_COMPLETED)
            for endless in (telling, living):
                if endless.done():
                    endless.result()  # this raises what went wrong
            if not command.done():
                continue
            wanted = _wanted(command, networks)
            if wanted is None:
                return
            command = asyncio.create_task(commands.readline())
            if wanted in ("", current):
                continue
            current = wanted
            telling.cancel()
            # Said before the old connection is closed: from here on the old task can only end.
            say(Link(LinkState.SWITCHING, current))
            await asyncio.gather(telling, return_exceptions=True)
            telling = asyncio.create_task(tell(networks[current]))
    except BrokenPipeError:
        return
    finally:
        for task in (command, living, telling):
            task.cancel()
        await asyncio.gather(command, living, telling, return_exceptions=True)


def _wanted(command: asyncio.Task[bytes], networks: Mapping[str, Network]) -> str | None:
    """The network that a command names; "" for a line that is no such command, None at the end of all commands."""
    line = b""
    try:
        line = command.result()
        if not line:
            return None
        asked: Any = json.loads(line)
        name: str = asked["network"]
        if name in networks:
            return name
    except (ValueError, TypeError, KeyError, RecursionError):  # a ValueError also for a line without end
        pass
    log.warning('The command %r is no {"network": ...} with the name of a known network.', line[:60])
    return ""


def serve(
    networks: Mapping[str, Network], start: str, way: ListenOptions, alive: Callable[[], None] = lambda: None
) -> None:
    """Be the listener's process: `listen` between standard input and standard output, until either ends.

    `alive` is called with every line: for whoever wants to know that this process does not hang.
    """

    async def body() -> None:
        # One thread for the names: where these are not answered, only one question hangs.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1, "names"))
        voice = LineWriter(sys.stdout.fileno())

        def write(line: Header | Line) -> None:
            voice.say(line)
            alive()

        await listen(networks, start, write=write, commands=_standard_input(), way=way)

    asyncio.run(body())


def _standard_input() -> asyncio.StreamReader:
    """Standard input as a stream, whatever it is.

    A thread reads it, for the event loop cannot wait for a file, and would make a terminal non-blocking for
    standard output too. It holds no lock while it waits, so it may be left behind at the end.
    """
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()

    def read() -> None:
        with suppress(RuntimeError):  # the loop has ended first
            while chunk := os.read(sys.stdin.fileno(), 4096):
                loop.call_soon_threadsafe(reader.feed_data, chunk)
            loop.call_soon_threadsafe(reader.feed_eof)

    threading.Thread(target=read, name="commands", daemon=True).start()
    return reader
