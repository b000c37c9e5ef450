# SPDX-License-Identifier: Apache-2.0
"""The listener: a process that writes what a network says as tape lines, and obeys one kind of command.

The one rule: after the line that says SWITCHING, every line is of the new network. It is the body of
`stellar-wind listen`: the only process that touches the network, and one that the box may kill at any moment.

    standard output   tape lines; `t` counts from the listener's start
    standard input    {"network":"testnet"}   one command a line; its end means that the box is gone
    standard error    the log
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
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

from appliance.ledger.backoff import Backoff
from appliance.ledger.client import Patience
from appliance.ledger.horizon import Mode, follow
from appliance.ledger.networks import Network
from appliance.ledger.tape import Header, Line, TapeWriter, decode, encode
from appliance.values import Ledger, Link, LinkState

log = logging.getLogger(__name__)


async def listen(
    networks: Mapping[str, Network],
    start: str,
    *,
    write: Callable[[str], None],
    commands: asyncio.StreamReader,
    mode: Mode = "ledgers",
    pages: int = 3,
    patience: Patience | None = None,
    backoff: Callable[[], Backoff] = Backoff,
) -> None:
    """Follow the network named `start`, and then whichever a command names, until `commands` ends.

    `write` gets one tape line at a time, without its newline; a BrokenPipeError from it ends the listener as
    the end of `commands` does. A command that makes no sense is logged and left. `mode`, `pages`, `patience`
    and `backoff` (one for each network) are those of `follow`.
    """
    begun = time.monotonic()

    def say(entry: Ledger | Link) -> None:
        write(encode(Line(time.monotonic() - begun, entry)))
        if isinstance(entry, Link):
            log.info("%s: %s %s", entry.network, entry.state, entry.reason)

    async def tell(network: Network) -> None:
        told = follow(network, mode=mode, pages=pages, patience=patience, backoff=backoff())
        async with aclosing(told) as entries:
            async for entry in entries:
                say(entry)

    current = start
    telling = asyncio.create_task(tell(networks[current]))
    command = asyncio.create_task(commands.readline())
    try:
        while True:
            await asyncio.wait({telling, command}, return_when=asyncio.FIRST_COMPLETED)
            if telling.done():
                telling.result()  # following never ends by itself: this raises what went wrong
            if not command.done():
                continue
            if not (line := command.result()):
                return
            command = asyncio.create_task(commands.readline())
            wanted = _named(line, networks)
            if wanted is None or wanted == current:
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
        command.cancel()
        telling.cancel()
        await asyncio.gather(command, telling, return_exceptions=True)


def _named(line: bytes, networks: Mapping[str, Network]) -> str | None:
    """The network that a command names, None for a line that is no such command."""
    try:
        command: Any = json.loads(line)
        name: str = command["network"]
        if name in networks:
            return name
    except (ValueError, TypeError, KeyError):
        pass
    log.warning('The command %r is no {"network": ...} with the name of a known network.', line[:60])
    return None


def serve(networks: Mapping[str, Network], start: str, *, mode: Mode = "ledgers", pages: int = 3) -> None:
    """Be the listener's process: `listen` between standard input and standard output, until either ends."""

    def write(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    async def body() -> None:
        await listen(networks, start, write=write, commands=_standard_input(), mode=mode, pages=pages)

    asyncio.run(body())
    # Nobody may be reading any more, and the interpreter flushes standard output once more on its way out.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


async def record_network(
    networks: Mapping[str, Network],
    network: str,
    output: Path,
    seconds: float | None,
    *,
    mode: Mode,
    pages: int,
) -> None:
    """Write what a network says to the tape `output`, for `seconds` or until cancelled."""
    silence = asyncio.StreamReader()  # nobody commands
    with TapeWriter(output, Header(network, "recorded from the network")) as tape, suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await listen(
                networks,
                network,
                write=lambda text: tape.write(decode(text)),
                commands=silence,
                mode=mode,
                pages=pages,
            )


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
