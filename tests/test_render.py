# SPDX-License-Identifier: Apache-2.0
"""Rendering: a tape or a score in, a file of each format out, read back by the libraries that other programs use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest
import soundfile

from appliance.ledger.tape import Tape, bundled
from appliance.parts import open_music
from appliance.performance import Block
from appliance.render import PROGRESS, check_format, part_of, render
from appliance.saved.replacing import CannotWrite
from appliance.score.files import Score, open_score
from appliance.sound import SAMPLE_RATE
from appliance.sound.outputs import UnknownFormat
from appliance.values import Controls, NoteEvent
from tests.support.session import Session, settings

pytestmark = pytest.mark.process

NOTES = (".score.gz", ".jsonl", ".mid")
SOUND = (".wav", ".flac")
BLOCK = 512 / SAMPLE_RATE  # s


@pytest.fixture(scope="module", name="kept")
def _kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A score of about half a minute, kept in the middle of a performance whose controls change all the time."""
    session = Session(8)
    session.play(190.0)
    path = tmp_path_factory.mktemp("kept") / "kept.score.gz"
    path.write_bytes(session.history.last(20.0).packed())
    return path


@pytest.fixture(params=["tape", "score"])
def music(request: pytest.FixtureRequest, kept: Path) -> Tape | Score:
    return bundled() if request.param == "tape" else open_music(kept)


def rendered(music: Tape | Score, path: Path, seconds: float = 3.0, **options: Any) -> Path:
    render(settings(), music, path, seconds, **options)
    return path


def notes(path: Path) -> list[NoteEvent]:
    return [line.entry for line in open_score(path) if isinstance(line.entry, NoteEvent)]


@pytest.mark.parametrize("ending", SOUND)
def test_sound_is_as_long_as_asked_for_begins_softly_and_fades(
    music: Tape | Score, tmp_path: Path, ending: str
) -> None:
    sound, rate = soundfile.read(rendered(music, tmp_path / f"x{ending}", 6.0), dtype="float32")
    assert rate == SAMPLE_RATE
    assert len(sound) / rate == pytest.approx(6.0, abs=BLOCK)
    loud = np.sqrt((sound[: len(sound) // 480 * 480].reshape(-1, 480, 2) ** 2).mean(axis=(1, 2)))  # by 10 ms
    assert loud[:5].max() < 0.02 < loud[50:-100].max()
    assert loud[-5:].max() < 0.01


def test_every_format_of_notes_holds_the_same_ones(music: Tape | Score, tmp_path: Path) -> None:
    packed, plain, midi = (rendered(music, tmp_path / f"x{ending}", 20.0) for ending in NOTES)
    assert notes(packed) == notes(plain)
    assert len(notes(plain)) > 10
    played = [message.note for message in mido.MidiFile(midi) if message.type == "note_on"]
    assert sorted(played) == sorted(event.note.pitch for event in notes(plain))


@pytest.mark.parametrize("ending", [*NOTES, *SOUND])
def test_equal_renders_are_equal_files(music: Tape | Score, tmp_path: Path, ending: str) -> None:
    one, other = (rendered(music, tmp_path / f"{name}{ending}") for name in ("one", "other"))
    assert one.read_bytes() == other.read_bytes()


def test_a_score_of_a_tape_states_what_it_is(tmp_path: Path) -> None:
    score = open_score(rendered(bundled(), tmp_path / "x.jsonl", 5.0, program="1.2.3"))
    assert (score.header.program, score.header.seconds) == ("1.2.3", 5.0)
    assert (score.header.context.network, score.header.context.scene) == ("public", "wind")
    assert score.header.context.tempo == settings().tempo


def test_a_score_that_is_rendered_as_a_score_stays_the_same(kept: Path, tmp_path: Path) -> None:
    score = open_score(kept)
    again = open_score(rendered(score, tmp_path / "again.score.gz", score.header.seconds))
    assert again.header.context == score.header.context
    ends = score.header.seconds - BLOCK  # a render ends with the block that ends nearest
    assert [it for it in notes(again.path) if it.seconds < ends] == [
        it for it in notes(kept) if it.seconds < ends
    ]
    others = [[line for line in each if not isinstance(line.entry, NoteEvent)] for each in (again, score)]
    for one, other in zip(*others, strict=True):  # they come with the block in which they are due
        assert one.entry == other.entry
        assert one.seconds == pytest.approx(other.seconds, abs=BLOCK + 1e-4)


def test_a_score_is_what_a_tape_sounds_like(tmp_path: Path) -> None:
    """The sound of a score differs from that of its tape by no more than its numbers are rounded."""
    score = open_score(rendered(bundled(), tmp_path / "x.score.gz", 8.0))
    one, _ = soundfile.read(rendered(bundled(), tmp_path / "tape.wav", 8.0), dtype="float32")
    other, _ = soundfile.read(rendered(score, tmp_path / "score.wav", 8.0), dtype="float32")
    assert np.abs(one - other).max() < 0.01 * np.abs(one).max()


def test_a_part_of_a_score_is_its_beginning(kept: Path, tmp_path: Path) -> None:
    score = open_score(kept)
    part = rendered(score, tmp_path / "part.jsonl", 5.0).read_text().splitlines()[1:]
    whole = rendered(score, tmp_path / "whole.jsonl", score.header.seconds).read_text().splitlines()[1:]
    assert part == whole[: len(part)]
    assert 0 < len(part) < len(whole)
    assert json.loads(part[-1])["t"] <= 5.0 + BLOCK


def test_the_hour_of_a_render_passes_with_its_music(tmp_path: Path) -> None:
    """From nine in the morning the music gets brighter, from nine in the evening darker."""

    def brightness(hour: float) -> list[float]:
        blocks: list[Block] = []
        rendered(bundled(), tmp_path / "x.jsonl", 5.0, hour=hour, observers=[blocks.append])
        return [block.passage.bed.brightness for block in blocks if block.passage.bed]

    apart = [one - other for one, other in zip(brightness(9.0), brightness(21.0), strict=True)]
    assert apart[0] == pytest.approx(0.0, abs=1e-9)
    assert apart == sorted(apart)
    assert apart[-1] > 1e-5


def test_progress_is_told_ten_times_a_second_and_at_the_end(tmp_path: Path) -> None:
    told: list[float] = []
    rendered(bundled(), tmp_path / "x.jsonl", 5.0, progress=told.append)
    assert told == sorted(told)
    assert (told[0], told[-1]) == (0.0, 5.0)
    assert len(told) == pytest.approx(5.0 / PROGRESS, rel=0.1)


def test_observers_get_every_block_at_full_volume(tmp_path: Path) -> None:
    blocks: list[Block] = []
    path = rendered(bundled(), tmp_path / "x.jsonl", 10.0, observers=[blocks.append])
    assert [block.passage.seconds for block in blocks] == pytest.approx(
        [number * BLOCK for number in range(len(blocks))]
    )
    assert len(blocks) == pytest.approx(10.0 / BLOCK, abs=1)
    assert {block.controls.volume for block in blocks} == {1.0}
    assert sum(len(block.passage.notes) for block in blocks) == len(notes(path))


@pytest.mark.parametrize("name", ["x.mp3", "x", "x.gz", "x.score", ".wav.ogg", "x.wav.txt"])
def test_an_unknown_format_is_refused_before_a_file_is_made(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    for refuse in (check_format, lambda path: render(settings(), bundled(), path, 1.0)):
        assert callable(refuse)
        with pytest.raises(UnknownFormat, match=str(path)):
            refuse(path)
    assert not path.exists()


@pytest.mark.parametrize("ending", [*NOTES, *SOUND])
def test_a_format_is_known_in_capitals_too(tmp_path: Path, ending: str) -> None:
    path = rendered(bundled(), tmp_path / f"X{ending.upper()}", 0.1)
    assert path.read_bytes() == rendered(bundled(), tmp_path / f"x{ending}", 0.1).read_bytes()


@pytest.mark.parametrize("ending", [*NOTES, *SOUND])
def test_a_file_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path, ending: str) -> None:
    path = tmp_path / "nowhere" / f"x{ending}"
    with pytest.raises(CannotWrite, match=str(path)):
        render(settings(), bundled(), path, 1.0)


@pytest.mark.parametrize("loop", [False, True])
def test_a_part_can_be_looped(kept: Path, loop: bool) -> None:
    score = open_score(kept)
    part, count = part_of(settings(), score, loop=loop), 0
    for _ in range(round(3 * score.header.seconds / BLOCK)):
        count += len(part.passage(512, Controls(1.0, 60.0, "public")).notes)
    assert (count > score.notes) is loop
    assert count >= score.notes
