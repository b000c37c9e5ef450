# SPDX-License-Identifier: Apache-2.0
"""What becomes of a wish to keep what was just played: real files, a real render beside the box."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from appliance.keep import Memory
from appliance.saved.kept import HEAVIEST, MOST, SOUND, Keepsakes, keep, make

from appliance.ledger.tape import open_tape
from tests.support.session import Session


def played(seconds: float = 1.0) -> Memory:
    session = Session(9)
    session.play(seconds)
    return session.memory


def endings(folder: Path) -> list[str]:
    return sorted(path.suffix for path in folder.iterdir())


@asynccontextmanager
async def making(it: Keepsakes) -> AsyncIterator[None]:
    """As a box runs it."""
    task = asyncio.create_task(it.making())
    await asyncio.sleep(0)
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def test_before_the_first_block_there_is_nothing_to_keep(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert asyncio.run(keep(Session(9).memory, tmp_path)) is None
    assert caplog.messages == ["The box has played nothing yet: ask it again in a moment."]


def test_a_second_wish_does_not_wait_for_what_is_made_of_the_first(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    it = Keepsakes(played(), tmp_path, "mid")

    async def run() -> None:
        for _ in range(2):
            it.keep()
            it.keep()
            assert it._keeping
            await it._keeping
        assert caplog.messages.count("Still keeping what was just played.") == 2
        assert endings(tmp_path) == [".gz", ".gz"]
        async with asyncio.timeout(60), making(it):
            while sum("And made" in message for message in caplog.messages) < 2:
                await asyncio.sleep(0.02)

    asyncio.run(run())
    assert endings(tmp_path) == [".gz", ".gz", ".mid", ".mid"]
    assert f"And made {tmp_path}/" in caplog.text  # the line that stays on the desk says where
    assert "before the end" not in caplog.text


def test_a_box_that_ends_writes_the_tape_and_says_what_it_did_not_make(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    it = Keepsakes(played(300.0), tmp_path, "flac")

    async def run() -> None:
        async with asyncio.timeout(60), making(it):
            it.keep()
            while ".flac" not in endings(tmp_path):  # it is being made, and takes a while
                await asyncio.sleep(0.01)
            it.keep()

    asyncio.run(run())
    assert endings(tmp_path) == [".gz", ".gz"]  # and nothing that is half made
    assert sorted(caplog.messages) == [
        f"Made no flac of {tape} before the end: `render --tape` makes it."
        for tape in sorted(tmp_path.iterdir())
    ]


def test_a_tape_alone_is_all_that_some_want(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    it = Keepsakes(played(), tmp_path, "tape")

    async def run() -> None:
        async with making(it):
            it.keep()

    asyncio.run(run())
    assert endings(tmp_path) == [".gz"]
    assert caplog.messages == []


def test_a_disk_that_takes_nothing_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "kept").touch()
    asyncio.run(keep(played(), tmp_path / "kept"))
    assert "Cannot keep what was played: [Errno 17] File exists" in caplog.text


def test_the_oldest_gives_way_with_all_that_was_made_of_it(tmp_path: Path) -> None:
    for number in range(MOST):
        (tmp_path / f"2020-01-01-{number:06}.tape.gz").touch()
    (tmp_path / "2020-01-01-000000.mid").touch()
    (tmp_path / "mine.txt").touch()
    asyncio.run(keep(played(), tmp_path))
    left = {path.name for path in tmp_path.iterdir()}
    assert len(left) == MOST + 1
    assert not left & {"2020-01-01-000000.tape.gz", "2020-01-01-000000.mid"}
    assert {"2020-01-01-000001.tape.gz", "mine.txt"} < left


def test_what_a_power_cut_left_half_written_goes_with_the_next_tape(tmp_path: Path) -> None:
    (tmp_path / "2020-01-01-000000.tape.gz.new").touch()
    asyncio.run(keep(played(), tmp_path))
    assert endings(tmp_path) == [".gz"]


def test_a_clock_that_is_behind_lets_nothing_go_that_was_just_kept(tmp_path: Path) -> None:
    for number in range(MOST):
        (tmp_path / f"2020-01-01-{number:06}.tape.gz").touch()
    first, second = (asyncio.run(keep(played(), tmp_path, clock=lambda: 1e6)) for _ in range(2))
    assert first
    assert second == first.with_name(first.name.replace(".tape", "-2.tape"))
    assert second.exists()
    assert len(list(tmp_path.iterdir())) == MOST


def test_sound_is_kept_by_room_and_tapes_by_number(tmp_path: Path) -> None:
    names = [f"2020-01-0{day}-000000" for day in range(1, 10)]
    for name in names:
        (tmp_path / f"{name}.tape.gz").touch()
    sounds = [tmp_path / f"{name}.flac" for name in names[:-1]]
    for sound in (*sounds, tmp_path / "mine.flac"):
        sound.touch()
        os.truncate(sound, 290 * 10**6)  # without a block on the disk
    asyncio.run(make(tmp_path / f"{names[-1]}.tape.gz", "flac", free=lambda _: 0))
    left = sorted(tmp_path.glob("2*.flac"))
    assert left == sounds[-4:]
    assert sum(sound.stat().st_size for sound in left) + HEAVIEST <= SOUND
    assert len(list(tmp_path.glob("*.tape.gz"))) == 9
    assert (tmp_path / "mine.flac").exists()


def test_no_sound_is_made_on_a_disk_without_room(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tape = tmp_path / "kept.tape.gz"
    tape.touch()
    asyncio.run(make(tape, "flac", free=lambda _: HEAVIEST - 1))
    assert list(tmp_path.iterdir()) == [tape]
    assert caplog.messages == [
        "Cannot make kept.flac: its disk has less than 600 MB left. Make room, then `render --tape` makes it."
    ]


def test_what_cannot_be_rendered_is_said_and_the_tape_is_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tape = asyncio.run(keep(played(), tmp_path))
    assert tape
    asyncio.run(make(tape, "ogg"))
    assert list(tmp_path.iterdir()) == [tape]
    assert open_tape(tape).header.opening
    (error,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert error.startswith(f"Cannot make {tape.name.replace('.tape.gz', '.ogg')} of it: stellar-wind: ")
