# SPDX-License-Identifier: Apache-2.0
"""What a kept score becomes: real files, and a real render beside the box."""

import asyncio
import logging
import os
from pathlib import Path

import mido
import pytest

from appliance.ledger.tape import bundled
from appliance.render import part_of
from appliance.saved.exporter import ENDING, HEAVIEST, MOST, SOUND, CannotKeep, Exporter, make, write
from appliance.saved.replacing import PART
from appliance.score.files import open_score
from appliance.score.history import History, Kept, NothingPlayed
from appliance.settings import Settings
from appliance.sound import SAMPLE_RATE
from appliance.values import Controls

pytestmark = pytest.mark.process

HANG = 60.0  # s
NICE = 1  # a render at the lowest priority gets next to no time beside the other tests
BLOCK = 4096


def played(seconds: float = 1.0) -> Kept:
    """The score of so many seconds of the bundled recording."""
    history, settings = History("test"), Settings()
    part, controls = part_of(settings, bundled()), Controls(0.7, settings.tempo, settings.network)
    for block in range(round(seconds * SAMPLE_RATE / BLOCK)):
        history.add(part.passage(BLOCK, controls), (block + 1) * BLOCK / SAMPLE_RATE)
    return history.last()


def endings(folder: Path) -> list[str]:
    return sorted(path.suffix for path in folder.iterdir())


def test_a_kept_score_is_what_was_played(tmp_path: Path) -> None:
    kept = played(20.0)
    exporter = Exporter(lambda: kept, tmp_path / "kept", "score")
    path = asyncio.run(exporter.keep())
    assert path.parent == tmp_path / "kept"
    assert path.name.endswith(ENDING)
    score = open_score(path)
    assert score.header == kept.header
    assert tuple(score) == kept.lines
    assert score.notes > 10


def test_before_the_first_block_there_is_nothing_to_keep(tmp_path: Path) -> None:
    exporter = Exporter(History("test").last, tmp_path, "mid")
    with pytest.raises(NothingPlayed):
        asyncio.run(exporter.keep())
    assert endings(tmp_path) == []


def test_without_a_folder_nothing_can_be_kept() -> None:
    with pytest.raises(CannotKeep, match="state_dir"):
        asyncio.run(Exporter(played, None, "mid").keep())


def test_requests_meanwhile_get_the_same_score(tmp_path: Path) -> None:
    exporter = Exporter(played, tmp_path, "score")

    async def run() -> None:
        first, second = await asyncio.gather(exporter.keep(), exporter.keep())
        assert first == second
        assert await exporter.keep() != first

    asyncio.run(run())
    assert endings(tmp_path) == [".gz", ".gz"]


def test_what_a_power_cut_left_of_a_render_is_removed(tmp_path: Path) -> None:
    (tmp_path / f"2026-11-29-181500.flac{PART}").write_bytes(b"half")
    (tmp_path / "2026-11-29-181500.flac").write_bytes(b"whole")

    async def run() -> None:
        async with Exporter(played, tmp_path, "score").running(), asyncio.timeout(HANG):
            while len(endings(tmp_path)) == 2:
                await asyncio.sleep(0.01)

    asyncio.run(run())
    assert endings(tmp_path) == [".flac"]


def test_a_request_that_is_cancelled_is_written_all_the_same(tmp_path: Path) -> None:
    exporter = Exporter(played, tmp_path, "score")

    async def run() -> None:
        asking = asyncio.create_task(exporter.keep())
        await asyncio.sleep(0)
        asking.cancel()
        async with asyncio.timeout(HANG):
            while endings(tmp_path) != [".gz"]:
                await asyncio.sleep(0.01)

    asyncio.run(run())


def test_the_end_waits_for_a_score_that_is_being_written(tmp_path: Path) -> None:
    kept = played()
    exporter = Exporter(lambda: kept, tmp_path, "score")

    async def run() -> None:
        async with exporter.running():
            asking = asyncio.create_task(exporter.keep())
            await asyncio.sleep(0)
        assert endings(tmp_path) == [".gz"]
        await asking

    asyncio.run(run())


def test_a_second_request_does_not_wait_for_the_render_of_the_first(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    exporter = Exporter(played, tmp_path, "mid", NICE)

    async def run() -> None:
        async with asyncio.timeout(HANG), exporter.running():
            kept = [await exporter.keep() for _ in range(2)]
            assert [path.exists() for path in kept] == [True, True]
            while sum(".mid" in message for message in caplog.messages) < 2:
                await asyncio.sleep(0.02)

    asyncio.run(run())
    assert endings(tmp_path) == [".gz", ".gz", ".mid", ".mid"]
    made = sorted(tmp_path.glob("*.mid"))
    assert all(str(path) in caplog.text for path in made)
    assert all(mido.MidiFile(path).length > 0.5 for path in made)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_request_for_a_format_makes_that_as_well(tmp_path: Path) -> None:
    exporter = Exporter(played, tmp_path, "score", NICE)

    async def run() -> None:
        async with asyncio.timeout(HANG), exporter.running():
            await exporter.keep("score")
            kept = await exporter.keep("mid")
            while not (made := kept.with_name(kept.name.replace(".score.gz", ".mid"))).exists():
                await asyncio.sleep(0.02)
            assert mido.MidiFile(made).length > 0.5

    asyncio.run(run())
    assert endings(tmp_path) == [".gz", ".gz", ".mid"]


def test_the_end_stops_the_render_and_logs_what_was_not_made(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    long = played(300.0)
    exporter = Exporter(lambda: long, tmp_path, "flac", NICE)

    async def run() -> None:
        async with asyncio.timeout(HANG), exporter.running():
            await exporter.keep()
            while PART not in endings(tmp_path):  # it is being made, which takes a while
                await asyncio.sleep(0.01)
            children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
            assert [os.getpriority(os.PRIO_PROCESS, int(child)) for child in children] == [NICE]
            await exporter.keep()

    asyncio.run(run())
    assert endings(tmp_path) == [".gz", ".gz"]  # and no half of a sound file
    scores = sorted(tmp_path.iterdir())
    assert len(caplog.messages) == 2
    assert all(str(score) in text for score, text in zip(scores, sorted(caplog.messages), strict=True))


def test_with_the_format_score_nothing_else_is_made(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    exporter = Exporter(played, tmp_path, "score")

    async def run() -> None:
        async with exporter.running():
            await exporter.keep()

    asyncio.run(run())
    assert endings(tmp_path) == [".gz"]
    assert caplog.messages == []


def test_a_disk_that_takes_nothing_is_an_error_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "kept").touch()
    with pytest.raises(CannotKeep, match="File exists"):
        asyncio.run(write(played(), tmp_path / "kept"))


def test_the_oldest_score_is_removed_with_all_that_was_made_of_it(tmp_path: Path) -> None:
    for number in range(MOST):
        (tmp_path / f"2020-01-01-{number:06}{ENDING}").touch()
    (tmp_path / "2020-01-01-000000.mid").touch()
    (tmp_path / "mine.txt").touch()
    asyncio.run(write(played(), tmp_path))
    left = {path.name for path in tmp_path.iterdir()}
    assert len(left) == MOST + 1
    assert not left & {f"2020-01-01-000000{ENDING}", "2020-01-01-000000.mid"}
    assert {f"2020-01-01-000001{ENDING}", "mine.txt"} < left


def test_half_a_score_of_a_power_cut_is_removed_with_the_next_one(tmp_path: Path) -> None:
    (tmp_path / f"2020-01-01-000000{ENDING}.new").touch()
    asyncio.run(write(played(), tmp_path))
    assert endings(tmp_path) == [".gz"]


def test_a_clock_that_is_behind_removes_no_score_that_was_just_kept(tmp_path: Path) -> None:
    for number in range(MOST):
        (tmp_path / f"2020-01-01-{number:06}{ENDING}").touch()
    first, second = (asyncio.run(write(played(), tmp_path, clock=lambda: 1e6)) for _ in range(2))
    assert second == first.with_name(first.name.replace(ENDING, f"-2{ENDING}"))
    assert second.exists()
    assert len(list(tmp_path.iterdir())) == MOST


def test_sound_is_bounded_by_size_and_scores_by_number(tmp_path: Path) -> None:
    names = [f"2020-01-0{day}-000000" for day in range(1, 10)]
    for name in names:
        (tmp_path / f"{name}{ENDING}").touch()
    sounds = [tmp_path / f"{name}.flac" for name in names[:-1]]
    for sound in (*sounds, tmp_path / "mine.flac"):
        sound.touch()
        os.truncate(sound, 290 * 10**6)  # without a block on the disk
    asyncio.run(make(tmp_path / f"{names[-1]}{ENDING}", "flac", free=lambda _: 0))
    left = sorted(tmp_path.glob("2*.flac"))
    assert left == sounds[-4:]
    assert sum(sound.stat().st_size for sound in left) + HEAVIEST <= SOUND
    assert len(list(tmp_path.glob(f"*{ENDING}"))) == 9
    assert (tmp_path / "mine.flac").exists()


def test_no_sound_is_made_on_a_disk_without_room(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    score = tmp_path / f"kept{ENDING}"
    score.touch()
    asyncio.run(make(score, "flac", free=lambda _: HEAVIEST - 1))
    assert list(tmp_path.iterdir()) == [score]
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert "kept.flac" in record.getMessage()
    assert f"{HEAVIEST // 10**6} MB" in record.getMessage()


def test_a_render_that_fails_is_logged_and_the_score_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    score = asyncio.run(write(played(), tmp_path))
    asyncio.run(make(score, "ogg", NICE))
    assert list(tmp_path.iterdir()) == [score]
    assert open_score(score).notes
    (error,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert score.name.replace(ENDING, ".ogg") in error
    assert "stellar-wind: " in error
