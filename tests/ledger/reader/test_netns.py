# SPDX-License-Identifier: Apache-2.0
"""Faults of the wire itself: the listener in a network namespace of its own, with nft between it and a server.

Needs root, ip and nft; skipped with the name of the missing one. The namespace and its virtual cable are removed
afterwards; the machine's own network is not touched.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from tests.support.horizon_records import generated
from tests.support.horizon_server import HorizonServer

pytestmark = pytest.mark.process

SPACE, OURS, THEIRS = "wind-test", "wind-a", "wind-b"  # the namespace, and the cable's end of each side
HERE, THERE = "10.113.7.1", "10.113.7.2"
DROP = (
    f'table inet cut {{ chain i {{ type filter hook input priority 0; iif "{THEIRS}" drop; }}; '
    f'chain o {{ type filter hook output priority 0; oif "{THEIRS}" drop; }}; }}'
)
RESET = (
    f'table inet cut {{ chain o {{ type filter hook output priority 0; oif "{THEIRS}" meta l4proto tcp '
    "reject with tcp reset; }; }"
)

# Prints what a listener with short timeouts reads, a line each.
PROGRAM = """
import asyncio, sys
from appliance.ledger.networks import Network
from appliance.ledger.reader.backoff import Backoff, BackoffPolicy
from appliance.ledger.reader.budget import own
from appliance.ledger.reader.follow import follow
from appliance.ledger.reader.session import ListenOptions, Timeouts
from appliance.values import Ledger

async def main():
    url = sys.argv[1]
    options = ListenOptions(timeouts=Timeouts(connect=1, answer=1, page=1, silence=1, ask=1, late=1, stale=2))
    backoff = Backoff(BackoffPolicy(0.1, 0.2, 0.1, 0.2, per_hour=1e9, at_once=1e6))
    network = Network("here", "generated", (url,))
    async for entry in follow(network, options, backoff=backoff, allowances={url: own()}):
        print(entry.sequence if isinstance(entry, Ledger) else f"{entry.state} {entry.reason}", flush=True)

asyncio.run(main())
"""


def run(*words: str, text: str | None = None) -> None:
    subprocess.run(words, check=True, capture_output=True, text=True, input=text)


def inside(*words: str) -> tuple[str, ...]:
    return ("ip", "netns", "exec", SPACE, *words)


@pytest.fixture
def cable() -> Iterator[None]:
    """A namespace at the other end of a cable; skips the test where there can be none."""
    if os.geteuid() != 0:
        pytest.skip("needs root, for a network namespace")
    for tool, package in (("ip", "iproute2"), ("nft", "nftables")):
        if not shutil.which(tool):
            pytest.skip(f"needs {tool} (Debian package {package})")
    subprocess.run(
        ["ip", "netns", "del", SPACE], check=False, capture_output=True
    )  # of a run that was killed
    try:
        run("ip", "netns", "add", SPACE)
        run("ip", "link", "add", OURS, "type", "veth", "peer", "name", THEIRS, "netns", SPACE)
        run("ip", "addr", "add", f"{HERE}/30", "dev", OURS)
        run("ip", "link", "set", OURS, "up")
        run(*inside("ip", "addr", "add", f"{THERE}/30", "dev", THEIRS))
        run(*inside("ip", "link", "set", THEIRS, "up"))
        run(*inside("ip", "link", "set", "lo", "up"))
        run(*inside("nft", "-f", "-"), text=DROP)
        run(*inside("nft", "delete", "table", "inet", "cut"))
    except subprocess.CalledProcessError as error:
        subprocess.run(["ip", "netns", "del", SPACE], check=False, capture_output=True)
        pytest.skip(f"needs a kernel with namespaces, veth and nftables: {error.stderr.strip()}")
    yield
    run("ip", "link", "del", OURS)  # by itself it would go with the namespace, but some time later
    run("ip", "netns", "del", SPACE)


class Listening:
    """A listener on the other side, and what it has said."""

    def __init__(self, server: HorizonServer, process: asyncio.subprocess.Process) -> None:
        self.server, self.process = server, process
        self.said: list[str] = []

    async def until(self, wanted: Callable[[str], bool]) -> str:
        """Read lines until one is wanted, and return it."""
        assert self.process.stdout
        while not self.said or not wanted(self.said[-1]):
            line = (await self.process.stdout.readline()).decode()
            assert line, f"it has ended, and said {self.said}"
            self.said.append(line.strip())
        return self.said[-1]

    async def heard(self, sequence: int) -> None:
        """Read on until it has heard a ledger."""
        await self.until(str(sequence).__eq__)

    async def lost(self) -> str:
        """Read lines until one reports a loss, and return its reason."""
        return await self.until(lambda line: line.startswith(("backing_off ", "offline ")))

    @property
    def sequences(self) -> list[int]:
        return [int(line) for line in self.said if line.isdigit()]


@asynccontextmanager
async def listening() -> AsyncIterator[Listening]:
    server = HorizonServer(generated([3] * 60), tip=1000, host=HERE, poll=0.02)
    async with server, asyncio.timeout(60):
        command = inside(sys.executable, "-c", PROGRAM, server.url)
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        try:
            it = Listening(server, process)
            await it.heard(1000)
            yield it
        finally:
            process.kill()
            await process.wait()


def broken(break_it: list[str], mend_it: list[str], text: str | None = None) -> tuple[str, list[int]]:
    """Break the wire for two ledgers; why it was lost, and all that was heard."""

    async def play() -> tuple[str, list[int]]:
        async with listening() as it:
            run(*break_it, text=text)
            it.server.tip = 1002
            why = await it.lost()
            run(*mend_it)
            await it.heard(1002)
            it.server.tip = 1003
            await it.heard(1003)
            return why, it.sequences

    return asyncio.run(play())


WHOLE = [1000, 1001, 1002, 1003]


@pytest.mark.usefixtures("cable")
def test_packets_that_vanish() -> None:
    """N1, N3: the Wi-Fi is dead, and the link is up."""
    cut = [*inside("nft", "-f", "-")]
    why, heard = broken(cut, [*inside("nft", "delete", "table", "inet", "cut")], DROP)
    assert "does not answer" in why or "breaks the connection" in why
    assert heard == WHOLE


@pytest.mark.usefixtures("cable")
def test_a_router_that_resets_every_connection() -> None:
    cut = [*inside("nft", "-f", "-")]
    why, heard = broken(cut, [*inside("nft", "delete", "table", "inet", "cut")], RESET)
    assert "cannot be reached" in why or "breaks the connection" in why or "does not answer" in why
    assert heard == WHOLE


@pytest.mark.usefixtures("cable")
def test_a_cable_that_is_pulled() -> None:
    why, heard = broken(["ip", "link", "set", OURS, "down"], ["ip", "link", "set", OURS, "up"])
    assert why
    assert heard == WHOLE


@pytest.mark.usefixtures("cable")
def test_a_lossy_wire_loses_no_ledger() -> None:
    """Three packets in ten are lost; TCP sends them again."""
    loss = (
        f'table inet cut {{ chain i {{ type filter hook input priority 0; iif "{THEIRS}" '
        "numgen random mod 10 < 3 drop; }; }"
    )

    async def play() -> list[int]:
        async with listening() as it:
            run(*inside("nft", "-f", "-"), text=loss)
            for tip in range(1001, 1006):
                it.server.tip = tip
                await it.heard(tip)
            return it.sequences

    assert asyncio.run(play()) == list(range(1000, 1006))


@pytest.mark.usefixtures("cable")
def test_a_name_server_that_does_not_answer() -> None:
    """N16: questions to port 53 vanish. The reason names the host, and the listener goes on."""

    async def play() -> list[str]:
        run(*inside("nft", "-f", "-"), text=DROP)
        program = "import socket\nsocket.setdefaulttimeout(1)\n" + PROGRAM
        command = inside(sys.executable, "-c", program, "https://horizon.example")
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        try:
            assert process.stdout
            async with asyncio.timeout(60):
                return [(await process.stdout.readline()).decode().strip() for _ in range(4)]
        finally:
            process.kill()
            await process.wait()

    said = asyncio.run(play())
    assert [line.split()[0] for line in said] == [
        "connecting",
        "unplugged",
        "connecting",
        "unplugged",
    ]  # no route leads out of it
