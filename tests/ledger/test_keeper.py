# SPDX-License-Identifier: Apache-2.0
"""The keeper with real processes: small programs that speak as a listener would, or misbehave."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from appliance.ledger.keeper import GOODBYE, Keeper
from appliance.ledger.tape import Header, Line, TapeWriter, encode
from appliance.values import Amount, Kind, Ledger, Link, LinkState

LEDGER = Ledger(7, 0, 1, 1, 0, (Amount(5, Kind.PAYMENT, True, 7),))
LIVE = Link(LinkState.LIVE, "public")

Told = list[Ledger | Link]


def program(body: str) -> list[str]:
    """A listener written in Python; `network` is what it is asked to follow, `say` writes a line."""
    said = "import json, os, sys\nnetwork = sys.argv[1]\ndef say(line): print(line, flush=True)\n"
    return [sys.executable, "-S", "-c", said + body]


def say(*entries: Ledger | Link) -> str:
    return "".join(f"say({encode(Line(0.0, entry))!r})\n" for entry in entries)


def keep(
    command: list[str], play: Callable[[Keeper, Told], Awaitable[None]], network: str = "public"
) -> tuple[Keeper, Told]:
    told: Told = []
    keeper = Keeper(command, network, told.append, pause=0.01)

    async def run() -> None:
        task = asyncio.create_task(keeper.run())
        async with asyncio.timeout(20):
            await play(keeper, told)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    return keeper, told


async def until(true: Callable[[], bool]) -> None:
    while not true():
        await asyncio.sleep(0.01)


def test_it_hears_what_the_listener_says() -> None:
    keeper, told = keep(
        program(say(LIVE, LEDGER) + "sys.stdin.read()"), lambda _, told: until(lambda: len(told) == 2)
    )
    assert told == [LIVE, LEDGER]
    assert keeper.starts == 1


def test_a_dead_listener_is_replaced() -> None:
    _keeper, told = keep(
        program(say(LIVE, LEDGER) + "sys.exit(3)"), lambda keeper, _: until(lambda: keeper.starts == 3)
    )
    assert told[:3] == [LIVE, LEDGER, Link(LinkState.OFFLINE, "public", "exit code 3", 0.01)]
    assert [entry.retry_in for entry in told if isinstance(entry, Link) and entry.reason] == [0.01, 0.02]


def test_a_listener_that_cannot_be_started_is_tried_again() -> None:
    _keeper, told = keep(["/nowhere/listener"], lambda keeper, _: until(lambda: keeper.starts == 2))
    assert isinstance(told[0], Link)
    assert "No such file" in told[0].reason


def test_nonsense_is_dropped_and_counted() -> None:
    body = "say('what?')\nsay('{}')\nsay('{\"tape\":99}')\n" + say(LIVE, LEDGER) + "sys.stdin.read()"
    keeper, told = keep(program(body), lambda _, told: until(lambda: len(told) == 2))
    assert told == [LIVE, LEDGER]
    assert keeper.dropped == 3


def test_a_listener_without_newlines_is_replaced() -> None:
    _keeper, told = keep(
        program("os.write(1, b'x' * (3 << 20))\nsys.stdin.read()"),
        lambda keeper, _: until(lambda: keeper.starts == 2),
    )
    assert told[0] == Link(LinkState.OFFLINE, "public", "it sent an endless line", 0.01)


def test_after_a_switch_only_the_wanted_network_is_heard() -> None:
    testnet = Link(LinkState.SWITCHING, "testnet")
    body = (
        say(LIVE, LEDGER) + "wish = json.loads(sys.stdin.readline())['network']\n" + say(LEDGER, LIVE, LEDGER)
    )
    body += f"assert wish == 'testnet'\n{say(testnet, LEDGER)}sys.stdin.read()"

    async def play(keeper: Keeper, told: Told) -> None:
        await until(lambda: len(told) == 2)
        keeper.switch("testnet")
        await until(lambda: len(told) >= 4)

    _, told = keep(program(body), play)
    assert told == [LIVE, LEDGER, testnet, LEDGER]


def test_a_replacement_follows_the_wanted_network() -> None:
    body = 'say(\'{"t":0,"state":"connecting","network":"%s"}\' % network)\nsys.stdin.readline()\nsys.exit(1)'

    async def play(keeper: Keeper, told: Told) -> None:
        await until(lambda: len(told) == 1)
        keeper.switch("testnet")
        await until(lambda: len(told) >= 3)

    _, told = keep(program(body), play)
    assert [entry.network for entry in told if isinstance(entry, Link)] == ["public", "testnet", "testnet"]
    assert told[2] == Link(LinkState.CONNECTING, "testnet")


def test_a_listener_that_does_not_leave_is_made_to() -> None:
    body = "import signal\n" + say(Link(LinkState.LIVE, "public", "")) + "signal.pause()"
    begun = asyncio.new_event_loop()
    try:
        before = begun.time()
        keep(program(body), lambda _, told: until(lambda: len(told) == 1))
        assert begun.time() - before < GOODBYE + 2
    finally:
        begun.close()


def test_cat_of_a_tape_is_a_listener(tmp_path: Path) -> None:
    with TapeWriter(tmp_path / "x.tape", Header("public")) as tape:
        for entry in (LIVE, LEDGER):
            tape.write(Line(1.0, entry))
    # The network's name is the last word of the command; `cat` would take it for a file.
    command = ["sh", "-c", f"cat {tmp_path}/x.tape"]
    _, told = keep(command, lambda _, told: until(lambda: len(told) >= 2))
    assert told[:2] == [LIVE, LEDGER]


def test_switching_without_a_listener_waits_for_the_next_one() -> None:
    keeper = Keeper(["true"], "public", lambda _: None)
    keeper.switch("testnet")
    assert keeper.starts == 0
