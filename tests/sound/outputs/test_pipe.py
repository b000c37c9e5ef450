# SPDX-License-Identifier: Apache-2.0
"""The sound for every room: a real named pipe, whatever its reader does, and a real Snapcast with two rooms."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from appliance.ledger.tape import bundled
from appliance.live import speaker
from appliance.render import render
from appliance.settings import load
from appliance.sound.outputs.pipe import Pipe
from appliance.sound.outputs.silent import AHEAD, Silent
from tests.support.sockets import free_port

BLOCK, RATE, FRAME = 512, 48_000, 4
LATENCY = 0.128
CUSHION = round(LATENCY * RATE)  # frames
LIMIT = 60.0  # s, to end a hang
GO_ON = 2.0  # s of sound


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def numbered(first: int, frames: int = BLOCK) -> NDArray[np.float32]:
    """A block in which each frame says which it is, from 0."""
    numbers = np.arange(first, first + frames)
    pairs = np.stack([numbers & 0x3FFF, (numbers >> 14) + 1], axis=1)
    return (pairs / 32767).astype(np.float32)


def numbers(data: bytes) -> NDArray[np.int64]:
    """Which frames these bytes are; -1 for silence."""
    pairs = np.frombuffer(data[: len(data) // FRAME * FRAME], "<i2").reshape(-1, 2).astype(np.int64)
    found: NDArray[np.int64] = np.where(pairs[:, 1] > 0, ((pairs[:, 1] - 1) << 14) + pairs[:, 0], -1)
    return found


class Rig:
    """A pipe in a folder, a box that plays numbered frames into it by a clock of its own, and a reader."""

    def __init__(self, folder: Path) -> None:
        self.path, self.clock, self.written = folder / "snapfifo", Clock(), 0
        self.pipe = Pipe(self.path, latency=LATENCY, pace=Silent(self.clock, self.clock.sleep))
        self.readers: list[int] = []

    def play(self, seconds: float) -> None:
        for _ in range(round(seconds * RATE / BLOCK)):
            self.pipe.write(numbered(self.written))
            self.written += BLOCK

    def reader(self) -> int:
        self.readers.append(os.open(self.path, os.O_RDONLY | os.O_NONBLOCK))
        return self.readers[-1]

    def playing(self, reader: int, seconds: float) -> bytes:
        """What a reader gets that reads at the pace of the sound."""
        data = b""
        for _ in range(round(seconds * RATE / BLOCK)):
            data += os.read(reader, BLOCK * FRAME)
            self.play(BLOCK / RATE)
        return data


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    it = Rig(tmp_path)
    os.mkfifo(it.path)
    yield it
    it.pipe.close()
    for reader in it.readers:
        os.close(reader)


def everything(reader: int) -> bytes:
    data = b""
    try:
        while chunk := os.read(reader, 1 << 20):
            data += chunk
    except BlockingIOError:
        pass
    return data


def consecutive(found: NDArray[np.int64]) -> bool:
    return bool(len(found)) and bool(np.all(np.diff(found) == 1)) and found[0] >= 0


def test_samples_are_16_bit_and_what_is_too_loud_is_clipped(rig: Rig) -> None:
    rig.pipe.write(np.array([[0.0, 1.0], [-1.0, 0.5], [1.5, -2.0]], dtype=np.float32))
    assert everything(rig.reader()) == np.array([0, 32767, -32767, 16384, 32767, -32767], "<i2").tobytes()


def test_a_reader_gets_every_frame_in_order_at_the_pace_of_the_clock(rig: Rig) -> None:
    rig.play(LATENCY)
    reader = rig.reader()
    data = rig.playing(reader, 5.0)
    assert consecutive(numbers(data))
    assert len(data) == round(5.0 * RATE / BLOCK) * BLOCK * FRAME
    assert rig.clock.now == pytest.approx(rig.written / RATE - AHEAD)
    assert (rig.pipe.status.card, rig.pipe.status.underruns) == (f"the pipe {rig.path}", 0)
    assert rig.pipe.latency > LATENCY


def test_without_a_reader_the_music_goes_on_and_the_latest_sound_waits(rig: Rig) -> None:
    rig.play(60.0)
    assert rig.clock.now == pytest.approx(rig.written / RATE - AHEAD)
    assert not rig.pipe.status.card
    assert str(rig.path) in rig.pipe.status.why
    reader = rig.reader()
    data = rig.playing(reader, 2.0) + everything(reader)
    found = numbers(data)
    assert consecutive(found)
    assert found[-1] == rig.written - 1
    assert rig.written - 2.0 * RATE - found[0] <= CUSHION + BLOCK
    assert rig.pipe.status.card
    assert (rig.pipe.dropped, rig.pipe.status.underruns) == (0, 0)


def test_a_reader_that_leaves_in_the_middle_of_a_frame_and_returns(rig: Rig) -> None:
    reader = rig.reader()
    rig.playing(reader, 2.0)
    rig.play(0.1)
    os.read(reader, 1001)
    os.close(rig.readers.pop())
    rig.play(10.0)
    assert not rig.pipe.status.card
    found = numbers(rig.playing(rig.reader(), 2.0))
    assert consecutive(found)
    assert rig.written - 2.0 * RATE - found[0] <= CUSHION + BLOCK
    assert rig.pipe.status.card


def test_a_reader_that_is_too_slow_misses_whole_frames_which_are_counted(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    reader, data = rig.reader(), b""
    with caplog.at_level(logging.WARNING):
        for _ in range(2000):
            data += os.read(reader, BLOCK * FRAME * 3 // 4)
            rig.play(BLOCK / RATE)
    data += everything(reader)
    steps = np.diff(numbers(data))
    assert np.all(steps >= 1)
    assert int(np.sum(steps - 1)) == rig.pipe.dropped > 0
    assert np.count_nonzero(steps > 1) == rig.pipe.status.underruns
    assert rig.clock.now == pytest.approx(rig.written / RATE - AHEAD)
    assert len([each for each in caplog.messages if "too slowly" in each]) == 1


def test_a_reader_that_stalls_for_half_a_second_misses_nothing(rig: Rig) -> None:
    reader = rig.reader()
    data = rig.playing(reader, 2.0)
    rig.play(0.4)
    assert consecutive(numbers(data + rig.playing(reader, 2.0) + everything(reader)))


@pytest.mark.parametrize("kind", ["missing", "a file", "a folder"])
def test_what_is_no_pipe_is_named_and_a_pipe_that_comes_is_taken(kind: str, rig: Rig) -> None:
    rig.path.unlink()
    if kind == "a file":
        rig.path.write_text("precious")
    elif kind == "a folder":
        rig.path.mkdir()
    rig.play(1.0)
    assert str(rig.path) in rig.pipe.status.why
    assert rig.clock.now > 0.8
    assert ("named pipe" in rig.pipe.status.why) == (kind != "missing")
    if kind == "a file":
        assert rig.path.read_text() == "precious"
        rig.path.unlink()
    elif kind == "a folder":
        rig.path.rmdir()
    os.mkfifo(rig.path)
    rig.play(1.0)
    assert consecutive(numbers(rig.playing(rig.reader(), 1.0)))


def test_a_pipe_that_is_made_anew_is_taken(rig: Rig) -> None:
    rig.playing(rig.reader(), 2.0)
    os.close(rig.readers.pop())
    rig.path.unlink()
    rig.play(2.0)
    assert not rig.pipe.status.card
    os.mkfifo(rig.path)
    rig.play(1.0)
    assert consecutive(numbers(rig.playing(rig.reader(), 1.0)))
    assert rig.pipe.status.card


def test_the_settings_choose_the_pipe(tmp_path: Path) -> None:
    output = speaker(load({"sound.device": f"pipe:{tmp_path}/snapfifo", "sound.latency": 200}, {}).settings)
    assert isinstance(output, Pipe)
    assert output.latency == pytest.approx(1.2)


# --- Snapcast -----------------------------------------------------------------------------------------------


class House:
    """A snapserver that reads a pipe, and rooms that record what they play."""

    def __init__(self, folder: Path, log: TextIO) -> None:
        self.folder, self.pipe, self.port, self._log = folder, folder / "snapfifo", free_port(), log
        (folder / "data").mkdir()
        source = f"pipe://{self.pipe}?name=wind&sampleformat=48000:16:2&codec=pcm"
        (folder / "conf").write_text(
            f"[server]\ndatadir={folder}/data\n[http]\nenabled=false\n[tcp]\nenabled=false\n"
            f"[stream]\nbind_to_address=127.0.0.1\nport={self.port}\nsource={source}\n"
        )

    @contextmanager
    def running(self, *command: str) -> Iterator[subprocess.Popen[bytes]]:
        process = subprocess.Popen(command, stdout=self._log, stderr=self._log)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(LIMIT)

    def server(self) -> AbstractContextManager[subprocess.Popen[bytes]]:
        return self.running("snapserver", "-c", str(self.folder / "conf"), "--logging.sink=stdout")

    @contextmanager
    def rooms(self, *names: str) -> Iterator[list[Path]]:
        """Rooms that record what they play; their files."""
        files = [self.folder / name for name in names]
        with ExitStack() as stack:
            for file in files:
                where = ("-h", "127.0.0.1", "-p", str(self.port), "--hostID", file.name, "--mixer", "none")
                player = ("--player", f"file:filename={file}", "--logsink", "stdout")
                stack.enter_context(self.running("snapclient", *where, *player))
            yield files


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    for program in ("snapserver", "snapclient"):
        if not shutil.which(program):
            pytest.skip(f"there is no {program}: apt-get install {program}")
    with (tmp_path / "log").open("w") as log:
        yield House(tmp_path, log)


class Player(threading.Thread):
    """A box that plays these samples over and over, until it is told to stop."""

    def __init__(self, path: Path, piece: NDArray[np.float32]) -> None:
        super().__init__()
        self.pipe, self._piece, self._over = Pipe(path, latency=LATENCY), piece, threading.Event()

    def run(self) -> None:
        while not self._over.is_set():
            for start in range(0, len(self._piece), BLOCK):
                self.pipe.write(self._piece[start : start + BLOCK])
                if self._over.is_set():
                    break
        self.pipe.close()

    def stop(self) -> None:
        self._over.set()
        self.join(LIMIT)


@contextmanager
def box(path: Path, piece: NDArray[np.float32]) -> Iterator[Player]:
    player = Player(path, piece)
    player.start()
    try:
        yield player
    finally:
        player.stop()


def wait_for_render(file: Path, piece: bytes) -> None:
    """Wait until the last GO_ON seconds of a recording are the piece without a gap, wherever in it they begin.

    The beginning is not looked at: a room that finds its time, and on a busy machine finds it again, skips frames.
    """
    deadline, size = time.monotonic() + LIMIT, round(GO_ON * RATE) * FRAME
    while True:
        data = file.read_bytes() if file.exists() else b""
        last = data[: len(data) // FRAME * FRAME][-size:]
        if len(last) == size and last in piece * 2:
            return
        assert time.monotonic() < deadline, f"{file.name}: {len(data)} bytes, which are not the render"
        time.sleep(0.05)


@pytest.mark.process
@pytest.mark.slow
def test_two_rooms_play_the_render_after_a_restart_of_either_side_too(house: House, tmp_path: Path) -> None:
    wav = tmp_path / "piece.wav"
    render(load({}, {}).settings, bundled(), wav, 8.0)
    samples, _ = soundfile.read(wav, dtype="float32")
    samples = np.ascontiguousarray(samples[RATE : len(samples) // BLOCK * BLOCK - RATE], dtype=np.float32)
    piece = (samples * 32767).round().astype("<i2").tobytes()

    os.mkfifo(house.pipe)
    with ExitStack() as second:
        with box(house.pipe, samples):
            # The server comes when the music has begun.
            with house.server(), house.rooms("kitchen", "bath") as rooms:
                for room in rooms:
                    wait_for_render(room, piece)
            for room in rooms:
                room.unlink()
            # The clients are restarted with the server, because snapclient 0.26 once hung when it lost the server.
            second.enter_context(house.server())
            rooms = second.enter_context(house.rooms("kitchen", "bath", "hall"))
            for room in rooms:
                wait_for_render(room, piece)
        for room in rooms:
            room.write_bytes(b"")
        with box(house.pipe, samples):  # the same box after a restart
            for room in rooms:
                wait_for_render(room, piece)
