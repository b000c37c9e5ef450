# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from itertools import repeat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.ledger.networks import Network
from appliance.ledger.reader.line_writer import MAX_QUEUED, LineWriter
from appliance.ledger.reader.listener import listen
from appliance.ledger.reader.session import ListenOptions, Timeouts
from appliance.ledger.tape import Header, Heartbeat, Line, decode
from appliance.values import Amount, Kind, Ledger, Link, LinkState
from tests.support.horizon_records import generated
from tests.support.horizon_server import HorizonServer

pytestmark = pytest.mark.process

WRONG = [b"", b"null", b"7", b"[]", b"{}", b'{"network":["two"]}', b'{"network":"moon"}', b"[" * 5000]
QUICK = ListenOptions(timeouts=Timeouts(answer=60, page=60, ask=60, late=60, stale=120, burst=0.1))


def line_of(text: str) -> Line:
    line = decode(text)
    assert isinstance(line, Line)
    return line


class Bench:
    """A listener's input and output in hand, and two networks: `one` from ledger 1000, `two` from 2000."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.commands = asyncio.StreamReader()
        self.one = HorizonServer(generated([2] * 30, first=1000, network="first"), tip=1000)
        self.two = HorizonServer(generated([3] * 30, first=2000, network="second"), tip=2000)
        self.wrote = asyncio.Event()
        self.broken = False

    def write(self, line: Header | Line) -> None:
        if self.broken:
            raise BrokenPipeError
        if isinstance(line, Line):
            self.lines.append(line)
        self.wrote.set()

    def say(self, command: str) -> None:
        self.commands.feed_data(command.encode() + b"\n")

    async def until(self, content: Callable[[], bool], probe: bool = False) -> None:
        """Wait for a line that makes `content` true; with `probe` also without a new line."""
        async with asyncio.timeout(60):
            while not content():
                self.wrote.clear()
                await (asyncio.sleep(0.001) if probe else self.wrote.wait())

    async def heard(self, sequence: int) -> None:
        """Wait for a ledger."""
        await self.until(lambda: sequence in self.sequences())

    def sequences(self) -> list[int]:
        return [line.entry.sequence for line in self.lines if isinstance(line.entry, Ledger)]

    def states(self) -> list[tuple[str, LinkState]]:
        return [(line.entry.network, line.entry.state) for line in self.lines if isinstance(line.entry, Link)]


def bench(play: Callable[[Bench], Awaitable[None]]) -> Bench:
    """Run a listener while `play` plays with it; it must end by itself after that."""

    async def run() -> Bench:
        on = Bench()
        async with on.one, on.two:
            others = asyncio.all_tasks()
            networks = {
                "one": Network("one", "first", (on.one.url,)),
                "two": Network("two", "second", (on.two.url,)),
            }
            listening = asyncio.create_task(
                listen(networks, "one", write=on.write, commands=on.commands, options=QUICK, heartbeat=0.03)
            )
            await play(on)
            async with asyncio.timeout(60):
                await listening
            assert asyncio.all_tasks() - others <= on.one.tasks | on.two.tasks
        return on

    return asyncio.run(run())


def test_lines_come_with_their_seconds_until_the_box_is_gone() -> None:
    async def play(on: Bench) -> None:
        await on.heard(1000)
        on.one.tip = 1001
        await on.heard(1001)
        on.commands.feed_eof()

    on = bench(play)
    assert on.states() == [("one", LinkState.CONNECTING), ("one", LinkState.LIVE)]
    assert on.sequences() == [1000, 1001]
    seconds = [line.seconds for line in on.lines]
    assert seconds == sorted(seconds)
    assert 0 <= seconds[0] < seconds[-1] < 60


def test_a_switch_is_announced_first_and_nothing_of_the_old_network_follows() -> None:
    async def play(on: Bench) -> None:
        await on.heard(1000)
        on.one.tip = 1029  # a flood is on its way
        on.say('{"network":"two"}')
        await on.heard(2000)
        on.say('{"network":"one"}')
        await on.until(lambda: on.sequences()[-1] < 2000)
        on.commands.feed_eof()

    on = bench(play)
    switch = on.states().index(("two", LinkState.SWITCHING))
    assert on.states()[switch : switch + 5] == [
        ("two", LinkState.SWITCHING),
        ("two", LinkState.CONNECTING),
        ("two", LinkState.LIVE),
        ("one", LinkState.SWITCHING),
        ("one", LinkState.CONNECTING),
    ]
    current = "one"
    for line in on.lines:
        if isinstance(line.entry, Link):
            current = line.entry.network
        elif isinstance(line.entry, Ledger):
            assert (line.entry.sequence >= 2000) == (current == "two")


def test_a_switch_away_from_a_dead_network_is_at_once() -> None:
    async def play(on: Bench) -> None:
        on.one.faults["root"] = iter(["stall"])
        await on.until(lambda: len(on.lines) == 1)
        await asyncio.sleep(0.02)
        on.say('{"network":"two"}')
        await on.heard(2000)
        on.commands.feed_eof()

    on = bench(play)
    assert on.states()[1] == ("two", LinkState.SWITCHING)
    assert on.lines[-1].seconds < 30  # its first page alone would have been waited for longer


def test_many_switches_end_on_the_last() -> None:
    async def play(on: Bench) -> None:
        for name in ("two", "one") * 10:
            on.say(f'{{"network":"{name}"}}')
        on.say('{"network":"two"}')
        await on.heard(2000)
        on.commands.feed_eof()

    on = bench(play)
    assert on.states().count(("two", LinkState.SWITCHING)) == 11
    assert on.states()[-1] == ("two", LinkState.LIVE)


def test_the_current_network_and_malformed_commands_change_nothing(caplog: pytest.LogCaptureFixture) -> None:
    wrong = [
        '{"network":"one"}',
        "",
        "nonsense",
        "[]",
        "7",
        "null",
        '{"network":["two"]}',
        '{"network":"moon"}',
        "{}",
    ]

    async def play(on: Bench) -> None:
        await on.heard(1000)
        for command in wrong:
            on.say(command)
        on.one.tip = 1001
        await on.heard(1001)
        on.commands.feed_eof()

    with caplog.at_level(logging.WARNING):
        on = bench(play)
    assert on.states() == [("one", LinkState.CONNECTING), ("one", LinkState.LIVE)]
    assert len(caplog.messages) == len(wrong) - 1


def test_a_broken_pipe_ends_it() -> None:
    async def play(on: Bench) -> None:
        await on.heard(1000)
        on.broken = True
        on.one.tip = 1001

    assert bench(play).sequences() == [1000]


def test_a_broken_pipe_at_a_switch_ends_it() -> None:
    async def play(on: Bench) -> None:
        await on.heard(1000)
        on.broken = True
        on.say('{"network":"two"}')

    assert bench(play).sequences() == [1000]


def test_our_own_mistakes_end_the_listener_and_are_not_swallowed() -> None:
    def write(_: Header | Line) -> None:
        raise ZeroDivisionError

    async def run() -> None:
        nowhere = {"one": Network("one", "x", ("http://127.0.0.1:9",))}
        await listen(nowhere, "one", write=write, commands=asyncio.StreamReader())

    with pytest.raises(ZeroDivisionError):
        asyncio.run(run())


def test_a_switch_takes_no_time_whatever_the_old_network_does() -> None:
    took: list[float] = []
    for fault in ("mute", "slow", "stall", "trickle", "endless"):

        async def play(on: Bench, fault: str = fault) -> None:
            on.one.faults["stream"] = repeat(fault)
            await on.until(lambda: any(request.streaming for request in on.one.requests), probe=True)
            begun = asyncio.get_running_loop().time()
            on.say('{"network":"two"}')
            await on.until(lambda: on.states()[-1] == ("two", LinkState.CONNECTING))
            took.append(asyncio.get_running_loop().time() - begun)
            on.commands.feed_eof()

        bench(play)
    assert max(took) < 30.0  # s; a listener that waited for the fault would wait for 60 s or for ever


def test_something_sounds_three_answers_after_a_switch() -> None:
    """The network's first page, its stream and one page: at half a second each that is within two seconds."""

    async def play(on: Bench) -> None:
        on.two.chain = generated([900] * 3, first=2000, network="second")
        await on.heard(1000)
        on.say('{"network":"two"}')
        await on.heard(2000)
        on.commands.feed_eof()

    on = bench(play)
    assert len(on.two.requests) == 3
    (first,) = (
        line.entry for line in on.lines if isinstance(line.entry, Ledger) and line.entry.sequence == 2000
    )
    assert len(first.amounts) == 200


def test_it_writes_heartbeats_when_there_is_nothing_else() -> None:
    async def play(on: Bench) -> None:
        await on.until(lambda: [line.entry for line in on.lines].count(Heartbeat()) == 3)
        on.commands.feed_eof()

    bench(play)


@given(
    st.lists(st.one_of(st.binary(max_size=80), st.sampled_from(WRONG), st.just(b"x" * 70_000)), max_size=8)
)
@settings(max_examples=25, deadline=None)
def test_whatever_is_commanded_it_listens_on(commands: list[bytes]) -> None:
    async def play(on: Bench) -> None:
        for command in commands:
            on.commands.feed_data(command + b"\n")
        on.say('{"network":"two"}')
        await on.heard(2000)
        on.commands.feed_eof()

    logging.disable(logging.WARNING)
    try:
        bench(play)
    finally:
        logging.disable(logging.NOTSET)


# --- the line writer


def test_a_reader_that_stalls_does_not_block_it_and_gets_the_newest_lines() -> None:
    reader, writer = os.pipe()
    lines = LineWriter(writer)
    amounts = tuple(Amount(10**9 + n, Kind.OFFER, False, 1) for n in range(500))
    begun = time.monotonic()
    lines.write(Line(0.0, Link(LinkState.SWITCHING, "two")))
    for number in range(3000):
        lines.write(Line(1.0, Ledger(number, number, 500, 1, 0, amounts)))
        if number == 1500:
            lines.write(Line(1.0, Link(LinkState.LIVE, "two")))
    assert time.monotonic() - begun < 60  # s; a write that waited for the reader would never return
    heard: list[Line] = []
    with os.fdopen(reader, "rb") as pipe:
        for text in pipe:
            heard.append(line_of(text.decode()))
            if isinstance(heard[-1].entry, Ledger) and heard[-1].entry.sequence == 2999:
                break
    sequences = [line.entry.sequence for line in heard if isinstance(line.entry, Ledger)]
    assert sequences[-20:] == list(range(2980, 3000))  # the newest, in their order
    assert len(sequences) < MAX_QUEUED + 10  # and what the pipe itself had taken
    assert [line.entry.state for line in heard if isinstance(line.entry, Link)] == ["switching", "live"]

    def write_until_broken() -> None:
        while time.monotonic() - begun < 120:  # until its thread has noticed
            lines.write(Line(2.0, Heartbeat()))
            time.sleep(0.001)

    with pytest.raises(BrokenPipeError):
        write_until_broken()
    os.close(writer)


# --- the process itself, as the box starts it


class Running:
    """Two servers on a thread of their own, and the listener as a process."""

    def __enter__(self) -> subprocess.Popen[str]:
        self.one = HorizonServer(generated([2], network="first"))
        self.two = HorizonServer(generated([3], first=2000, network="second"))
        ready = threading.Event()
        self.loop = asyncio.new_event_loop()
        self.end = asyncio.Event()

        async def run() -> None:
            async with self.one, self.two:
                ready.set()
                await self.end.wait()

        self.thread = threading.Thread(target=lambda: self.loop.run_until_complete(run()))
        self.thread.start()
        assert ready.wait(60)
        pipe = subprocess.PIPE
        command = [sys.executable, "-m", "appliance", "listen", "--network", "one"]
        for name, server in (("one", self.one), ("two", self.two)):
            command += ["--set", f"networks.{name}.endpoints={server.url}"]
            command += ["--set", f"networks.{name}.passphrase={server.chain.passphrase}"]
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        return self.process

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()
        self.loop.call_soon_threadsafe(self.end.set)
        self.thread.join(60)
        self.loop.close()


def read_until(process: subprocess.Popen[str], sequence: int) -> list[Line]:
    assert process.stdout is not None
    lines = []
    for text in process.stdout:
        if isinstance(decode(text), Header):
            continue
        lines.append(line_of(text))
        entry = lines[-1].entry
        if isinstance(entry, Ledger) and entry.sequence == sequence:
            break
    return lines


def test_the_process_writes_lines_obeys_a_command_and_ends_with_its_input() -> None:
    with Running() as process:
        assert process.stdin is not None
        read_until(process, 1000)
        process.stdin.write(json.dumps({"network": "two"}) + "\n")
        process.stdin.flush()
        first = read_until(process, 2000)[0].entry
        assert isinstance(first, Link)
        assert (first.state, first.network) == (LinkState.SWITCHING, "two")
        rest, errors = process.communicate(timeout=60)  # closes its standard input
        assert (process.returncode, rest) == (0, "")
        assert "Traceback" not in errors


def test_the_process_ends_when_its_output_is_closed() -> None:
    with Running() as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        read_until(process, 1000)
        process.stdout.close()
        process.stdin.write(json.dumps({"network": "two"}) + "\n")
        process.stdin.flush()
        assert process.wait(timeout=60) == 0
        assert "rror" not in process.stderr.read()


def test_reading_lines_does_not_load_the_network() -> None:
    light = ("tape", "networks", "reader.amounts", "reader.sse", "reader.backoff")
    rooms = ", ".join(f"appliance.ledger.{name}" for name in light)
    program = (
        f"import sys, {rooms}; print(sorted({{'stellar_sdk', 'aiohttp', 'asyncio'}} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
