# SPDX-License-Identifier: Apache-2.0
"""The supervisor with real processes: small programs that write what a listener would, or something else."""

import asyncio
import gc
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.ledger.feed.supervisor import Supervisor
from appliance.ledger.tape import Header, Line, TapeWriter, encode
from appliance.values import Amount, Kind, Ledger, Link, LinkState

pytestmark = pytest.mark.process

LEDGER = Ledger(7, 0, 1, 1, 0, (Amount(5, Kind.PAYMENT, True, 7),))
LIVE = Link(LinkState.LIVE, "public")

Entries = list[Ledger | Link]


def program(body: str) -> list[str]:
    """A listener written in Python; `network` is what it is asked to follow, `say` writes a line."""
    said = "import json, os, sys\nnetwork = sys.argv[1]\ndef say(line): print(line, flush=True)\n"
    return [sys.executable, "-S", "-c", said + body]


def say(*entries: Ledger | Link) -> str:
    return "".join(f"say({encode(Line(0.0, entry))!r})\n" for entry in entries)


def keep(
    command: list[str],
    play: Callable[[Supervisor, Entries], Awaitable[None]],
    network: str = "public",
    **limits: Any,
) -> tuple[Supervisor, Entries]:
    entries: Entries = []
    supervisor = Supervisor(command, network, entries.append, **({"pause": 0.01} | limits))

    async def run() -> None:
        task = asyncio.create_task(supervisor.run())
        async with asyncio.timeout(60):
            await play(supervisor, entries)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    return supervisor, entries


async def until(true: Callable[[], bool]) -> None:
    while not true():
        await asyncio.sleep(0.01)


def test_it_passes_on_what_the_listener_writes() -> None:
    supervisor, entries = keep(
        program(say(LIVE, LEDGER) + "sys.stdin.read()"), lambda _, entries: until(lambda: len(entries) == 2)
    )
    assert entries == [LIVE, LEDGER]
    assert supervisor.starts == 1


def test_a_dead_listener_is_replaced() -> None:
    _, entries = keep(
        program(say(LIVE, LEDGER) + "sys.exit(3)"),
        lambda supervisor, _: until(lambda: supervisor.starts == 3),
    )
    assert entries[:3] == [LIVE, LEDGER, Link(LinkState.OFFLINE, "public", "exit code 3", 0.01)]
    assert [entry.retry_in for entry in entries if isinstance(entry, Link) and entry.reason] == [0.01, 0.02]


def test_a_listener_that_cannot_be_started_is_tried_again() -> None:
    _, entries = keep(["/nowhere/listener"], lambda supervisor, _: until(lambda: supervisor.starts == 2))
    assert isinstance(entries[0], Link)
    assert "No such file" in entries[0].reason


def test_malformed_lines_are_dropped_and_counted() -> None:
    body = "say('what?')\nsay('{}')\nsay('{\"tape\":99}')\n" + say(LIVE, LEDGER) + "sys.stdin.read()"
    supervisor, entries = keep(program(body), lambda _, entries: until(lambda: len(entries) == 2))
    assert entries == [LIVE, LEDGER]
    assert supervisor.dropped == 3


def test_a_listener_without_newlines_is_replaced() -> None:
    _, entries = keep(
        program("os.write(1, b'x' * (3 << 20))\nsys.stdin.read()"),
        lambda supervisor, _: until(lambda: supervisor.starts == 2),
    )
    assert isinstance(entries[0], Link)
    assert (entries[0].state, entries[0].retry_in) == (LinkState.OFFLINE, 0.01)
    assert "1 MB" in entries[0].reason


def test_after_a_switch_only_lines_of_the_wanted_network_are_passed_on() -> None:
    testnet = Link(LinkState.SWITCHING, "testnet")
    body = (
        say(LIVE, LEDGER) + "wish = json.loads(sys.stdin.readline())['network']\n" + say(LEDGER, LIVE, LEDGER)
    )
    body += f"assert wish == 'testnet'\n{say(testnet, LEDGER)}sys.stdin.read()"

    async def play(supervisor: Supervisor, entries: Entries) -> None:
        await until(lambda: len(entries) == 2)
        supervisor.switch("testnet")
        await until(lambda: len(entries) >= 4)

    _, entries = keep(program(body), play)
    assert entries == [LIVE, LEDGER, testnet, LEDGER]


def test_a_replacement_follows_the_wanted_network() -> None:
    body = 'say(\'{"t":0,"state":"connecting","network":"%s"}\' % network)\nsys.stdin.readline()\nsys.exit(1)'

    async def play(supervisor: Supervisor, entries: Entries) -> None:
        await until(lambda: len(entries) == 1)
        supervisor.switch("testnet")
        await until(lambda: len(entries) >= 3)

    _, entries = keep(program(body), play)
    assert [entry.network for entry in entries if isinstance(entry, Link)] == ["public", "testnet", "testnet"]
    assert entries[2] == Link(LinkState.CONNECTING, "testnet")


def test_a_listener_that_does_not_leave_is_made_to() -> None:
    body = "import signal\n" + say(Link(LinkState.LIVE, "public", "")) + "signal.pause()"
    _, entries = keep(program(body), lambda _, entries: until(lambda: len(entries) == 1))
    assert len(entries) == 1  # and `keep` has returned, which would otherwise wait for ever


def test_it_stops_at_any_moment() -> None:
    """Also while it ends a listener: the cancellation must not be lost."""

    async def run() -> None:
        for step in range(200):
            task = asyncio.create_task(Supervisor(["true"], "public", lambda _: None, pause=0.001).run())
            await asyncio.sleep(step % 20 / 2000)
            task.cancel()
            async with asyncio.timeout(60):
                await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


def test_a_hung_listener_does_not_outlive_its_supervisor(tmp_path: Path) -> None:
    body = f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n" + say(LIVE)
    entries: Entries = []
    supervisor = Supervisor(
        program(body + "import time\ntime.sleep(60)"), "public", entries.append, hung=0.001
    )

    def lives() -> bool:
        try:
            os.kill(int((tmp_path / "pid").read_text()), 0)
        except ProcessLookupError:
            return False
        return True

    async def run() -> None:
        task = asyncio.create_task(supervisor.run())
        async with asyncio.timeout(60):
            await until(lambda: entries == [LIVE])
            await asyncio.sleep(0.05)
            assert lives()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    assert not lives()  # nor is it a zombie, which os.kill would find
    gc.collect()  # a ResourceWarning for what was left open comes here and not in a later test


def test_what_a_dead_listener_leaves_behind_goes_too() -> None:
    """A listener can be a shell script, whose child holds the pipe after the script has ended."""
    command = ["sh", "-c", "sleep 600 & echo $!"]
    supervisor, entries = keep(command, lambda supervisor, entries: until(lambda: supervisor.dropped == 1))
    assert supervisor.dropped == 1  # and `keep` has returned, which waits for the child too
    assert entries == []


def test_cat_of_a_tape_is_a_listener(tmp_path: Path) -> None:
    with TapeWriter(tmp_path / "x.tape", Header("public")) as tape:
        tape.write(Line(1.0, LIVE))
        tape.write(Line(1.0, LEDGER))
    # The network's name is added as the last word of the command, which `cat` would take for a file.
    command = ["sh", "-c", f"cat {tmp_path}/x.tape"]
    _, entries = keep(command, lambda _, entries: until(lambda: len(entries) >= 2))
    assert entries[:2] == [LIVE, LEDGER]


def test_switching_without_a_listener_waits_for_the_next_one() -> None:
    supervisor = Supervisor(["true"], "public", lambda _: None)
    supervisor.switch("testnet")
    assert supervisor.starts == 0


# --- a listener that fails


def replaced(body: str, why: str, **limits: Any) -> tuple[Supervisor, Entries]:
    """Keep a listener that runs `body` until it is replaced, which must be for the reason `why`."""
    supervisor, entries = keep(
        program(body), lambda supervisor, _: until(lambda: supervisor.starts == 2), **limits
    )
    reasons = [
        entry.reason for entry in entries if isinstance(entry, Link) and entry.state is LinkState.OFFLINE
    ]
    assert why in reasons[0]
    return supervisor, entries


def test_a_stopped_listener_is_replaced() -> None:
    body = say(LIVE, LEDGER) + "import signal\nos.kill(os.getpid(), signal.SIGSTOP)"
    _, entries = replaced(body, "nothing for", hung=0.3)
    assert entries[:2] == [LIVE, LEDGER]


def test_a_box_that_was_stopped_itself_replaces_nothing() -> None:
    """SIGSTOP, or a suspended computer: the listener's lines are in the pipe when the box goes on."""
    body = "import time\n" + say(LIVE) + "while True:\n time.sleep(0.01)\n" + indented(say(LEDGER))

    async def play(supervisor: Supervisor, entries: Entries) -> None:
        await until(lambda: len(entries) > 1)
        for _ in range(70):
            time.sleep(0.03)
        before = len(entries)
        await until(lambda: len(entries) > before + 10)
        assert supervisor.starts == 1

    _, entries = keep(program(body), play, hung=2.0)
    assert all(entry in (LIVE, LEDGER) for entry in entries)


def indented(text: str) -> str:
    return "".join(f" {line}\n" for line in text.splitlines())


def test_a_killed_listener_is_replaced() -> None:
    replaced(say(LIVE) + "import signal\nos.kill(os.getpid(), signal.SIGKILL)", "exit code -9")


def test_a_silent_listener_is_replaced_and_one_with_a_heartbeat_is_not() -> None:
    replaced("sys.stdin.read()", "nothing for", first=0.3)
    body = "import time\n" + say(LIVE) + "while True: time.sleep(0.03); say('{\"t\":1}')"
    supervisor, entries = keep(program(body), lambda *_: asyncio.sleep(0.05), hung=0.5)
    assert supervisor.starts == 1
    assert entries in ([], [LIVE])  # a heartbeat is for the supervisor alone


def test_a_listener_may_take_its_time_to_start() -> None:
    body = "import time\ntime.sleep(0.05)\n" + say(LIVE) + "sys.stdin.read()"
    _, entries = keep(
        program(body), lambda _, entries: until(lambda: len(entries) == 2), hung=0.001, pause=60.0
    )
    live, gone = entries
    assert live == LIVE
    assert isinstance(gone, Link)
    assert (gone.state, gone.retry_in) == (LinkState.OFFLINE, 60.0)


def test_a_listener_that_leaks_has_an_end() -> None:
    body = say(LIVE) + "sys.stderr = None\nkept = []\nwhile True: kept.append(bytes(1 << 20))"
    replaced(body, "exit code 1", memory=64 << 20)


@pytest.mark.parametrize(
    "malformed", ["what?", "{", '{"tape":2,"network":"x"}', "\\u2028", '{"t":"x"}', "[" * 5000]
)
def test_a_listener_that_writes_malformed_lines_is_replaced(malformed: str) -> None:
    supervisor, _ = replaced(
        f"for _ in range(1000): print({malformed!r}, flush=True)\nsys.stdin.read()",
        "it has sent 100 malformed lines in a row",
    )
    assert supervisor.dropped >= 100


def test_random_bytes_are_survived() -> None:
    body = (
        "import random\nos.write(1, random.Random(5).randbytes(16000) + b'\\n')\n" + say(LIVE) + "sys.exit(4)"
    )
    supervisor, entries = replaced(body, "exit code 4")
    assert LIVE in entries
    assert supervisor.dropped


def test_half_a_line_is_none() -> None:
    whole = encode(Line(0.0, LEDGER))
    body = say(LIVE) + f"os.write(1, {whole[:40]!r}.encode())\nsys.exit(0)"
    _, entries = replaced(body, "exit code 0")
    assert LEDGER not in entries


def test_each_start_is_reported() -> None:
    starts: list[None] = []
    supervisor, _ = keep(
        program("sys.exit(1)"),
        lambda supervisor, _: until(lambda: supervisor.starts >= 2),
        started=lambda: starts.append(None),
    )
    assert len(starts) == supervisor.starts


def test_a_flood_of_lines_leaves_time_for_others() -> None:
    most = 0

    async def play(_: Supervisor, entries: Entries) -> None:
        nonlocal most
        while len(entries) < 3_000:
            before = len(entries)
            await asyncio.sleep(0)
            most = max(most, len(entries) - before)

    keep(program(say(LIVE) + f"while True: say({encode(Line(0.0, LEDGER))!r})"), play)
    assert most <= 2  # lines between two turns of other tasks
