# SPDX-License-Identifier: Apache-2.0
"""The keeper with real processes: small programs that speak as a listener would, or misbehave."""

import asyncio
import gc
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.ledger.feed.supervisor import Supervisor
from appliance.ledger.tape import Header, Line, TapeWriter, encode
from appliance.values import Amount, Controls, Kind, Ledger, Link, LinkState

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
    command: list[str],
    play: Callable[[Supervisor, Told], Awaitable[None]],
    network: str = "public",
    **limits: Any,
) -> tuple[Supervisor, Told]:
    told: Told = []
    keeper = Supervisor(command, network, told.append, **({"pause": 0.01} | limits))

    async def run() -> None:
        task = asyncio.create_task(keeper.run())
        async with asyncio.timeout(60):
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

    async def play(keeper: Supervisor, told: Told) -> None:
        await until(lambda: len(told) == 2)
        keeper.switch("testnet")
        await until(lambda: len(told) >= 4)

    _, told = keep(program(body), play)
    assert told == [LIVE, LEDGER, testnet, LEDGER]


def test_a_replacement_follows_the_wanted_network() -> None:
    body = 'say(\'{"t":0,"state":"connecting","network":"%s"}\' % network)\nsys.stdin.readline()\nsys.exit(1)'

    async def play(keeper: Supervisor, told: Told) -> None:
        await until(lambda: len(told) == 1)
        keeper.switch("testnet")
        await until(lambda: len(told) >= 3)

    _, told = keep(program(body), play)
    assert [entry.network for entry in told if isinstance(entry, Link)] == ["public", "testnet", "testnet"]
    assert told[2] == Link(LinkState.CONNECTING, "testnet")


def test_a_listener_that_does_not_leave_is_made_to() -> None:
    body = "import signal\n" + say(Link(LinkState.LIVE, "public", "")) + "signal.pause()"
    _, told = keep(program(body), lambda _, told: until(lambda: len(told) == 1))
    assert len(told) == 1  # and `keep` has ended, which would else wait for ever


def test_it_stops_at_whatever_moment_it_is_told_to() -> None:
    """Also while it sees out a listener that has died: a cancellation must not be lost on the way."""

    async def run() -> None:
        for step in range(200):
            task = asyncio.create_task(Supervisor(["true"], "public", lambda _: None, pause=0.001).run())
            await asyncio.sleep(step % 20 / 2000)
            task.cancel()
            async with asyncio.timeout(60):
                await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


def test_a_hung_listener_does_not_outlive_its_keeper(tmp_path: Path) -> None:
    body = f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n" + say(LIVE)
    told: Told = []
    keeper = Supervisor(program(body + "import time\ntime.sleep(60)"), "public", told.append, hung=0.001)

    def lives() -> bool:
        try:
            os.kill(int((tmp_path / "pid").read_text()), 0)
        except ProcessLookupError:
            return False
        return True

    async def run() -> None:
        task = asyncio.create_task(keeper.run())
        async with asyncio.timeout(60):
            await until(lambda: told == [LIVE])
            await asyncio.sleep(0.05)
            assert lives()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    assert not lives()  # nor is it left unburied: then it could still be asked
    gc.collect()  # what was left open says so here, and not in some later test


def test_what_a_dead_listener_leaves_behind_goes_too() -> None:
    """Somebody's own listener may be a shell script: what it started holds the pipe, and the script has gone."""
    command = ["sh", "-c", "sleep 600 & echo $!"]
    keeper, told = keep(command, lambda keeper, told: until(lambda: keeper.dropped == 1))
    assert keeper.dropped == 1  # and `keep` has ended, which waits for all of them
    assert told == []


def test_cat_of_a_tape_is_a_listener(tmp_path: Path) -> None:
    with TapeWriter(tmp_path / "x.tape", Header("public")) as tape:
        for entry in (
            LIVE,
            Controls(1.0, 72.0, "public"),
            LEDGER,
        ):  # hands are nobody's business but a render's
            tape.write(Line(1.0, entry))
    # The network's name is the last word of the command; `cat` would take it for a file.
    command = ["sh", "-c", f"cat {tmp_path}/x.tape"]
    _, told = keep(command, lambda _, told: until(lambda: len(told) >= 2))
    assert told[:2] == [LIVE, LEDGER]


def test_switching_without_a_listener_waits_for_the_next_one() -> None:
    keeper = Supervisor(["true"], "public", lambda _: None)
    keeper.switch("testnet")
    assert keeper.starts == 0


# --- a listener that goes wrong, in each way that there is


def replaced(body: str, why: str, **limits: Any) -> tuple[Supervisor, Told]:
    """Keep a listener that runs `body` until it is replaced, which must be for the reason `why`."""
    keeper, told = keep(program(body), lambda keeper, _: until(lambda: keeper.starts == 2), **limits)
    reasons = [entry.reason for entry in told if isinstance(entry, Link) and entry.state is LinkState.OFFLINE]
    assert reasons[0] == why
    return keeper, told


def test_a_stopped_listener_is_replaced() -> None:
    body = say(LIVE, LEDGER) + "import signal\nos.kill(os.getpid(), signal.SIGSTOP)"
    _, told = replaced(body, "it said nothing for 0 s", hung=0.3)
    assert told[:2] == [LIVE, LEDGER]


def test_a_killed_listener_is_replaced() -> None:
    replaced(say(LIVE) + "import signal\nos.kill(os.getpid(), signal.SIGKILL)", "exit code -9")


def test_a_silent_listener_is_replaced_and_one_with_a_pulse_is_not() -> None:
    replaced("sys.stdin.read()", "it said nothing for 0 s", first=0.3)
    body = "import time\n" + say(LIVE) + "while True: time.sleep(0.03); say('{\"t\":1}')"
    keeper, told = keep(program(body), lambda *_: asyncio.sleep(0.05), hung=0.5)
    assert keeper.starts == 1
    assert told in ([], [LIVE])  # a pulse is for the keeper alone


def test_a_listener_may_take_its_time_to_start() -> None:
    body = "import time\ntime.sleep(0.05)\n" + say(LIVE) + "sys.stdin.read()"
    _, told = keep(program(body), lambda _, told: until(lambda: len(told) == 2), hung=0.001, pause=60.0)
    assert told == [LIVE, Link(LinkState.OFFLINE, "public", "it said nothing for 0 s", 60.0)]


def test_a_listener_that_leaks_has_an_end() -> None:
    body = say(LIVE) + "sys.stderr = None\nkept = []\nwhile True: kept.append(bytes(1 << 20))"
    replaced(body, "exit code 1", memory=64 << 20)


@pytest.mark.parametrize(
    "nonsense", ["what?", "{", '{"tape":2,"network":"x"}', "\\u2028", '{"t":"x"}', "[" * 5000]
)
def test_a_listener_that_raves_is_replaced(nonsense: str) -> None:
    keeper, _ = replaced(
        f"for _ in range(1000): print({nonsense!r}, flush=True)\nsys.stdin.read()", "it talks nonsense"
    )
    assert keeper.dropped >= 100


def test_random_bytes_are_survived() -> None:
    body = (
        "import random\nos.write(1, random.Random(5).randbytes(16000) + b'\\n')\n" + say(LIVE) + "sys.exit(4)"
    )
    keeper, told = replaced(body, "exit code 4")
    assert LIVE in told
    assert keeper.dropped


def test_half_a_line_is_none() -> None:
    whole = encode(Line(0.0, LEDGER))
    body = say(LIVE) + f"os.write(1, {whole[:40]!r}.encode())\nsys.exit(0)"
    _, told = replaced(body, "exit code 0")
    assert LEDGER not in told


def test_nothing_is_told_twice_across_a_restart(tmp_path: Path) -> None:
    def ledger(sequence: int) -> Ledger:
        return Ledger(sequence, 1000 + sequence, 0, 0, 0, ())

    absurd = Ledger(6, 2**40, 0, 0, 0, ())  # closed in the far future; what follows counts all the same
    first, second = say(LIVE, absurd, ledger(7), ledger(8)), say(LIVE, ledger(8), ledger(9))
    mark = tmp_path / "second"
    body = f"import pathlib\nmark = pathlib.Path({str(mark)!r})\nif mark.exists():\n"
    body += "".join(f"    {line}\n" for line in second.splitlines()) + "    sys.stdin.read()\n"
    body += f"mark.touch()\n{first}os._exit(9)"
    _, told = keep(
        program(body), lambda _, told: until(lambda: any(getattr(e, "sequence", 0) == 9 for e in told))
    )
    assert [entry.sequence for entry in told if isinstance(entry, Ledger)] == [6, 7, 8, 9]


def test_a_flood_of_lines_leaves_time_for_others() -> None:
    most = 0

    async def play(_: Supervisor, told: Told) -> None:
        nonlocal most
        while len(told) < 30_000:
            before = len(told)
            await asyncio.sleep(0)
            most = max(most, len(told) - before)

    keep(program(say(LIVE) + f"while True: say({encode(Line(0.0, LEDGER))!r})"), play)
    assert most <= 2  # lines between two turns of the others'
