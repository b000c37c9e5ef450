# SPDX-License-Identifier: Apache-2.0
"""The box as people start it: a real process, a real listener beside it, a real server, a real terminal."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import threading
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.box import Box, Start
from appliance.control import Client, NoBox, Refused
from appliance.ledger.tape import bundled
from appliance.panel.gpio import Board, NoPanel
from appliance.panel.lamps import Lamps
from appliance.panel.mock import Mock
from appliance.panel.panel import Panel
from appliance.score.files import ScoreWriter
from appliance.score.format import Header
from appliance.settings import Settings, load
from appliance.sound import SAMPLE_RATE
from appliance.sound.master import CEILING, gain
from appliance.sound.outputs.speaker import OutputStatus
from appliance.status import Status
from appliance.values import BoxState, Context, Controls, Gesture, Knob, Note, NoteEvent, Passage, Voice
from tests.support.artists import score
from tests.support.ending import ended
from tests.support.horizon_records import generated
from tests.support.horizon_server import HorizonServer

pytestmark = pytest.mark.process

RUN = [sys.executable, "-m", "appliance", "run"]
PATIENCE = 200.0  # s that a loaded machine may need for a whole test
BLOCKS = 100  # of 1024 frames: two seconds, in which a box wakes
LEAVES = 60.0  # s for a loaded machine to stop a box, of which its fade is one or two


@asynccontextmanager
async def running(*words: str, terminal: int | None = None) -> AsyncIterator[Process]:
    """The box, in a terminal or with its log on a pipe."""
    process = await asyncio.create_subprocess_exec(
        *(*RUN, *words),
        stdin=DEVNULL if terminal is None else terminal,
        stdout=terminal,
        stderr=PIPE if terminal is None else terminal,
    )
    async with ended(process), asyncio.timeout(PATIENCE):
        yield process


async def line_with(process: Process, words: str) -> str:
    assert process.stderr
    said = []
    async for line in process.stderr:
        said.append(line.decode())
        if words in said[-1]:
            return said[-1]
    raise AssertionError(f"never said {words!r}, but: {''.join(said)}")


def children(process: Process) -> list[int]:
    return [
        int(child)
        for tasks in Path(f"/proc/{process.pid}/task").glob("*/children")
        for child in tasks.read_text().split()
    ]


async def farewell(process: Process, number: int) -> float:
    """How long it takes to leave after a signal."""
    begun = time.monotonic()
    process.send_signal(number)
    assert await process.wait() == 0
    return time.monotonic() - begun


async def status(folder: Path) -> Status:
    """What the box says of itself, once it answers."""

    def ask() -> Status:
        with Client.connect([folder]) as client:
            return client.status()

    while True:
        try:
            return await asyncio.to_thread(ask)
        except NoBox:
            await asyncio.sleep(0.05)


def own_network(folder: Path, url: str) -> Path:
    config = folder / "box.toml"
    config.write_text(f'network = "mine"\n[networks.mine]\nendpoints = ["{url}"]\npassphrase = "first"\n')
    return config


# --- pieces -------------------------------------------------------------------------------------------------


def test_a_score_is_played_instead_of_the_ledgers_and_shown(tmp_path: Path) -> None:
    path = tmp_path / "evening.score.gz"
    path.write_bytes(score("Evening", seconds=1.0))

    def ask(command: dict[str, object]) -> None:
        with Client.connect([tmp_path]) as client:
            client.request(command)

    async def run() -> None:
        async with running(str(bundled().path), "--set", f"state_dir={tmp_path}") as process:
            before = await status(tmp_path)
            await asyncio.to_thread(ask, {"do": "play", "paths": [str(path)], "title": "Evening,\nAda"})
            during = await status(tmp_path)
            assert (during.piece, during.state, during.delay) == ("Evening, Ada", BoxState.SCORE, None)
            with pytest.raises(Refused):
                await asyncio.to_thread(ask, {"do": "play", "paths": [str(tmp_path / "nowhere")]})
            while (after := await status(tmp_path)).piece:  # it ends by itself
                await asyncio.sleep(0.05)
            assert after.state is before.state
            assert await farewell(process, signal.SIGTERM) < LEAVES

    asyncio.run(run())


# --- starting and ending ------------------------------------------------------------------------------------


def test_a_tape_that_is_not_there_is_no_crash(tmp_path: Path) -> None:
    for _ in range(2):
        words = [str(tmp_path / "x.tape"), "--set", f"state_dir={tmp_path}"]
        assert subprocess.run([*RUN, *words], capture_output=True, check=False).returncode == 1
    assert list(tmp_path.iterdir()) == []


def test_a_recording_that_is_not_there_is_no_crash_and_the_bundled_one_plays(tmp_path: Path) -> None:
    config = own_network(tmp_path, "http://127.0.0.1:9")
    config.write_text(f'recording.path = "/nowhere/x.tape"\n{config.read_text()}')

    async def run() -> None:
        async with running("--config", str(config), "--set", f"state_dir={tmp_path}") as process:
            assert str(config) in await line_with(process, "/nowhere/x.tape")
            await line_with(process, "Playing the recording")
            assert await farewell(process, signal.SIGTERM) < LEAVES

    asyncio.run(run())
    assert not (tmp_path / "running.json").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_tape_needs_no_network_and_a_signal_ends_it_softly(number: int) -> None:
    async def run() -> None:
        async with running(str(bundled().path)) as process:
            await line_with(process, "sound card")
            await line_with(process, "Playing the recording.")
            assert children(process) == []
            assert 0.5 < await farewell(process, number) < LEAVES

    asyncio.run(run())


def test_a_score_plays_over_and_over_and_can_be_turned_down(tmp_path: Path) -> None:
    context = Context("testnet", "night", "wind", "D", 72.0)
    path, events = tmp_path / "piece.score.gz", list[dict[str, object]]()
    writer = ScoreWriter(path, Header(context, 2.0), compress=True)
    for index in range(4):
        note = NoteEvent(Note(62 + index, 0.5, 1.0, Voice.BELL), index / 2, index / 2, 0.4)
        writer.observe(Passage(index / 2, context, (note,)))
    writer.close()

    def watch() -> None:
        with Client.connect([tmp_path]) as client:
            client.request({"do": "set", "control": "volume", "value": 0.25})
            for event in client.watch():
                events.append(event)
                if sum("note" in event for event in events) == 6:
                    return

    async def run() -> None:
        async with running(str(path), "--set", f"state_dir={tmp_path}") as process:
            await status(tmp_path)
            await asyncio.to_thread(watch)
            now = await status(tmp_path)
            assert now.state is BoxState.SCORE
            assert now.playing == str(path)
            assert (now.scene, now.tempo, now.tones[0], now.volume) == ("night", 72.0, "D", 0.25)
            assert await farewell(process, signal.SIGTERM) < LEAVES

    asyncio.run(run())
    pitches = [event["note"]["pitch"] for event in events if "note" in event]  # type: ignore[index]
    assert len(set(pitches)) == 4
    assert sorted(set(pitches)) == [62, 63, 64, 65]


# --- the network --------------------------------------------------------------------------------------------


def test_the_scene_changes_while_it_plays(tmp_path: Path) -> None:
    async def run() -> None:
        config = tmp_path / "box.toml"
        async with running("--config", str(config), str(bundled().path)) as process:
            await line_with(process, "Playing the recording.")
            config.write_text('scene = "night"\n')
            process.send_signal(signal.SIGHUP)
            await line_with(process, "the scene is night")
            config.write_text('scene = "storm"\n')
            process.send_signal(signal.SIGHUP)
            assert "wind, night, rain, original" in await line_with(process, "storm")
            assert await farewell(process, signal.SIGTERM) < LEAVES

    (tmp_path / "box.toml").write_text("")
    asyncio.run(run())


def test_it_changes_to_the_network_and_keeps_a_listener_alive(tmp_path: Path) -> None:
    async def run() -> None:
        async with (
            HorizonServer(generated([3] * 40, network="first"), tip=1000) as server,
            running("--config", str(own_network(tmp_path, server.url))) as process,
        ):
            await line_with(process, "until the network answers")
            await line_with(process, "Live: ")
            (listener,) = children(process)
            os.kill(listener, signal.SIGKILL)
            await line_with(process, "exit code -9")
            while not (now := children(process)) or listener in now:
                await asyncio.sleep(0.05)
            (listener,) = now
            assert await farewell(process, signal.SIGTERM) < LEAVES
            assert not Path(f"/proc/{listener}").exists()

    asyncio.run(run())


def test_without_a_network_it_says_so_once_and_plays_on(tmp_path: Path) -> None:
    config = own_network(tmp_path, "http://127.0.0.1:9")

    async def run() -> None:
        async with running("--config", str(config)) as process:
            assert "warning" in await line_with(process, "mine network is away")
            await farewell(process, signal.SIGTERM)
            assert process.stderr
            assert b"is away" not in await process.stderr.read()

    asyncio.run(run())


# --- the first sound ----------------------------------------------------------------------------------------


class Blocks:
    """An output that keeps every block, at the pace of a card."""

    latency = 0.0
    status = OutputStatus("a list", "", 0, 0.0)

    def __init__(self) -> None:
        self.blocks: list[NDArray[np.float32]] = []

    def write(self, samples: NDArray[np.float32]) -> None:
        self.blocks.append(samples.copy())
        time.sleep(len(samples) / SAMPLE_RATE)

    def close(self) -> None:
        pass

    def loudest(self, begin: int = 0, end: int | None = None) -> float:
        return max(float(np.abs(block).max()) for block in self.blocks[begin:end])


def first_sound(board: Callable[[Mock], Board], knobs: str, position: float) -> tuple[float, float]:
    """The peaks before and after `board` opens the pins, of a box that was left at full volume.

    `board` gets pins on which the volume knob stands at `position`, on the thread of the panel.
    """
    words = {"panel.pin_factory": "mock", "panel.knobs": knobs, "volume": "1", "sound.block_size": "1024"}
    output, opens = Blocks(), threading.Event()

    def slow(
        settings: Settings, controls: Controls, lamps: Lamps, post: Callable[[Gesture], object]
    ) -> Panel:
        wiring = settings.panel.wiring

        def wait() -> Board:
            opens.wait(PATIENCE)
            return board(Mock(wiring, {Knob.VOLUME: position, Knob.TEMPO: 0.5}))

        return Panel(wait, wiring, lamps, post)

    async def run() -> int:
        box = Box(load(words, {}).settings, Start(bundled()), output=lambda _: output, panel=slow)
        async with asyncio.timeout(PATIENCE):
            playing = asyncio.create_task(box.run())
            while len(output.blocks) < BLOCKS:
                await asyncio.sleep(0.01)
            before = len(output.blocks)
            opens.set()
            while len(output.blocks) < before + 2 * BLOCKS:
                await asyncio.sleep(0.01)
            box.stop()
            await playing
        return before

    before = asyncio.run(run())
    return output.loudest(end=before), output.loudest(begin=before)


@pytest.mark.parametrize("position", [0.2, 0.0])
def test_the_first_sound_is_silent_until_the_knobs_are_read_and_then_as_loud_as_they_say(
    position: float,
) -> None:
    before, after = first_sound(lambda mock: mock.board(), "potentiometers", position)
    assert before == 0.0
    assert gain(position) / 100 <= after <= CEILING * gain(position)


def test_a_panel_that_cannot_be_opened_leaves_the_volume_as_it_was() -> None:
    def fails(mock: Mock) -> Board:
        raise NoPanel("no pins")

    before, after = first_sound(fails, "potentiometers", 0.2)
    assert before == 0.0
    assert after > CEILING * gain(0.2)


def test_a_gpiozero_that_cannot_be_imported_leaves_a_box_that_plays(caplog: pytest.LogCaptureFixture) -> None:
    def fails(*_: object) -> Panel:
        raise ImportError("No module named 'lgpio'")

    words = {"panel.pin_factory": "mock", "panel.knobs": "potentiometers", "sound.block_size": "1024"}
    output = Blocks()

    async def run() -> None:
        box = Box(load(words, {}).settings, Start(bundled()), output=lambda _: output, panel=fails)
        async with asyncio.timeout(PATIENCE):
            playing = asyncio.create_task(box.run())
            while not output.blocks or output.loudest() < CEILING * gain(0.2):
                await asyncio.sleep(0.01)
            box.stop()
            await playing

    asyncio.run(run())
    (said,) = [record.message for record in caplog.records if record.name == "appliance.box"]
    assert "lgpio" in said


def test_a_knob_without_ends_is_not_waited_for() -> None:
    before, _ = first_sound(lambda mock: mock.board(), "encoders", 0.2)
    assert before > CEILING * gain(0.2)


# --- a failure ----------------------------------------------------------------------------------------------


class BrokenOutput:
    """An output that fails at once."""

    latency = 0.0
    status = OutputStatus("a broken card", "", 0, 0.0)

    def write(self, samples: NDArray[np.float32]) -> None:
        raise ZeroDivisionError("worn out")

    def close(self) -> None:
        raise AssertionError("what failed is not finished")


def test_a_failure_of_the_performance_ends_the_box() -> None:
    box = Box(load({}, {}).settings, Start(bundled()), output=lambda _: BrokenOutput())
    with pytest.raises(ZeroDivisionError, match="worn out"):
        asyncio.run(box.run())


def test_a_part_that_fails_ends_the_box() -> None:
    box = Box(load({"sound.device": "none"}, {}).settings, Start(bundled(), listener=["x\0"]))
    with pytest.raises(ValueError, match="null"):
        asyncio.run(box.run())


# --- a terminal ---------------------------------------------------------------------------------------------


class Pty:
    """A terminal, and what was drawn on it."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        termios.tcsetwinsize(self.slave, (30, 120))
        self.screen = bytearray()
        self.open = True

    def read(self) -> None:
        try:
            self.screen.extend(os.read(self.master, 4096))
        except OSError:
            asyncio.get_running_loop().remove_reader(self.master)

    async def seen(self, words: str) -> None:
        while words not in self.screen.decode(errors="replace"):
            await asyncio.sleep(0.02)

    async def live(self) -> None:
        """Wait until it has drawn events of the box: then it handles keys as well."""
        while len(set(re.findall(rb"(\d+) notes a minute", self.screen))) < 2:
            await asyncio.sleep(0.02)

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def close(self) -> None:
        """Close its window."""
        if self.open:
            self.open = False
            os.close(self.master)


@asynccontextmanager
async def in_a_terminal(folder: Path, *words: str) -> AsyncIterator[tuple[Process, Pty]]:
    terminal, loop = Pty(), asyncio.get_running_loop()
    loop.add_reader(terminal.master, terminal.read)
    try:
        settings = ("--set", f"state_dir={folder}", "--set", "sound.device=none")
        async with running(*words, *settings, terminal=terminal.slave) as process:
            yield process, terminal
    finally:
        loop.remove_reader(terminal.master)
        terminal.close()
        os.close(terminal.slave)


def test_in_a_terminal_it_shows_the_panel_whose_keys_steer_it(tmp_path: Path) -> None:
    words = (str(bundled().path), "--volume", "0.5")

    async def run() -> None:
        async with in_a_terminal(tmp_path, *words) as (process, terminal):
            await terminal.seen("volume 50%")
            await terminal.live()
            assert len(children(process)) == 1  # the panel is a process of its own
            terminal.type(b"\x1b[A")
            await terminal.seen("volume 52%")
            terminal.type(b"m")
            await terminal.seen("muted")
            terminal.type(b"n")
            await terminal.seen("testnet: no network")
            terminal.type(b"q")
            assert await process.wait() == 0
        async with in_a_terminal(tmp_path, *words) as (process, terminal):
            await terminal.seen("testnet: no network")  # the controls are still set, and the mute is over
            await terminal.seen("volume 52%")
            assert await farewell(process, signal.SIGINT) < LEAVES

    asyncio.run(run())


def test_a_panel_that_dies_leaves_the_box_playing(tmp_path: Path) -> None:
    async def run() -> None:
        async with in_a_terminal(tmp_path, str(bundled().path)) as (process, terminal):
            await terminal.seen("volume 70%")
            (panel,) = children(process)
            os.kill(panel, signal.SIGKILL)
            while children(process):
                await asyncio.sleep(0.02)
            assert (await status(tmp_path)).state is BoxState.OFFLINE
            assert await farewell(process, signal.SIGTERM) < LEAVES

    asyncio.run(run())


def test_a_panel_that_stands_still_holds_up_neither_the_sound_nor_the_end(tmp_path: Path) -> None:
    async def run() -> None:
        async with in_a_terminal(tmp_path, str(bundled().path)) as (process, terminal):
            await terminal.seen("volume 70%")
            (panel,) = children(process)
            os.kill(panel, signal.SIGSTOP)
            before = await status(tmp_path)
            while (await status(tmp_path)).notes_a_minute <= before.notes_a_minute:
                await asyncio.sleep(0.05)
            assert await farewell(process, signal.SIGTERM) < LEAVES

    asyncio.run(run())


def test_a_terminal_whose_window_is_closed_ends_the_box(tmp_path: Path) -> None:
    async def run() -> None:
        async with in_a_terminal(tmp_path, str(bundled().path)) as (process, terminal):
            await terminal.seen("volume 70%")
            asyncio.get_running_loop().remove_reader(terminal.master)
            terminal.close()  # this process group is not the terminal's own, so no SIGHUP comes: it has to be seen
            assert await process.wait() == 0
        assert not (tmp_path / "running.json").exists()

    asyncio.run(run())


def test_a_second_panel_can_be_attached_and_closed(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(str(bundled().path), "--set", f"state_dir={tmp_path}") as process:
            await line_with(process, "Playing the recording.")
            terminal = Pty()
            asyncio.get_running_loop().add_reader(terminal.master, terminal.read)
            words = [sys.executable, "-m", "appliance", "panel", "--set", f"state_dir={tmp_path}"]
            end = terminal.slave
            panel = await asyncio.create_subprocess_exec(*words, stdin=end, stdout=end, stderr=end)
            async with ended(panel):
                await terminal.seen("volume 70%")
                await terminal.live()
                terminal.type(b"q")
                assert await panel.wait() == 0
            asyncio.get_running_loop().remove_reader(terminal.master)
            terminal.close()
            os.close(terminal.slave)
            assert (await status(tmp_path)).volume == 0.7  # it plays on
            assert await farewell(process, signal.SIGTERM) < LEAVES

    asyncio.run(run())


@pytest.mark.parametrize("missing", ["stdin", "stdout"])
def test_half_a_terminal_is_none(missing: str, tmp_path: Path) -> None:
    async def run() -> None:
        terminal = Pty()
        process = await asyncio.create_subprocess_exec(
            *(*RUN, str(bundled().path), "--set", f"state_dir={tmp_path}"),
            stdin=DEVNULL if missing == "stdin" else terminal.slave,
            stdout=DEVNULL if missing == "stdout" else terminal.slave,
            stderr=PIPE,
        )
        async with ended(process), asyncio.timeout(PATIENCE):
            await line_with(process, "Playing the recording.")
            assert children(process) == []
            assert await farewell(process, signal.SIGTERM) < LEAVES
        terminal.close()
        os.close(terminal.slave)

    asyncio.run(run())


# --- what was just played -----------------------------------------------------------------------------------


def stellar_wind(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "appliance", *words], capture_output=True, text=True, check=False
    )


def test_a_box_that_plays_is_steered_and_keeps_what_it_played(tmp_path: Path) -> None:
    where = ("--set", f"state_dir={tmp_path}")

    def use(steps: Sequence[tuple[str, ...]]) -> list[subprocess.CompletedProcess[str]]:
        return [stellar_wind(*step, *where) for step in steps]

    def steer(controls: dict[str, object]) -> None:
        with Client.connect([tmp_path]) as client:
            for control, value in controls.items():
                client.request({"do": "set", "control": control, "value": value})
            with pytest.raises(Refused, match="0 to 1"):
                client.request({"do": "set", "control": "volume", "value": 2})

    async def run() -> None:
        async with running(str(bundled().path), *where) as process:
            await line_with(process, "Playing the recording.")
            steps: list[tuple[str, ...]] = [
                ("set", "volume", "0.25"),
                ("press", "network"),
                ("set", "scene", "storm"),
            ]
            await status(tmp_path)
            done = await asyncio.to_thread(use, steps)
            assert [each.returncode for each in done] == [0, 0, 1]
            assert "wind, night, rain, original" in done[2].stderr
            await asyncio.to_thread(steer, {"tempo": 90, "sleep": 30, "scene": "night"})
            async with asyncio.timeout(PATIENCE):  # the music enters a scene with its next burst of blocks
                while (now := await status(tmp_path)).scene != "night":
                    await asyncio.sleep(0.02)
            assert (now.volume, now.tempo, now.network) == (0.25, 90.0, "testnet")
            assert 29 <= now.sleep <= 30
            (kept,) = await asyncio.to_thread(use, [("keep", "-o", str(tmp_path / "x.jsonl"))])
            first, second = kept.stdout.splitlines()
            assert first.startswith(f"{tmp_path}/kept/")
            assert ".score.gz: " in first
            assert second.startswith(f"{tmp_path}/x.jsonl: ")
            (wrong,) = await asyncio.to_thread(use, [("keep", "-o", str(tmp_path / "x.ogg"))])
            assert (wrong.returncode, ".ogg" in wrong.stderr) == (1, True)
            assert await farewell(process, signal.SIGTERM) < LEAVES

    asyncio.run(run())
    lines = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert lines[0]["score"] == 1
    assert {line["voice"] for line in lines if "voice" in line} >= {"pad", "drone", "chime"}
    assert sorted(path.suffix for path in (tmp_path / "kept").iterdir())[:1] == [".gz"]
    gone = stellar_wind("status", *where)
    assert (gone.returncode, gone.stdout) == (1, "")
