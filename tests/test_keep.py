# SPDX-License-Identifier: Apache-2.0
"""What a box has played, and what comes of the tape that it kept: the same, note for note, to the last bit."""

import gzip
import json
import os
import pickle
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import mido
import numpy as np
import pytest
import soundfile
from appliance.keep import (
    BOUND,
    CHAPTER,
    HALF_HOUR,
    LEAD,
    Memory,
    NothingPlays,
    again,
    ask,
    unpack,
)
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from appliance.cli import main
from appliance.ledger.tape import BadTape, bundled, open_tape
from appliance.music.queue import Inbox
from appliance.music.scales import clash
from appliance.saved.crashes import begun as begun_run
from appliance.saved.crashes import encode
from appliance.saved.state import write
from appliance.sound.performer import PART
from appliance.values import Ledger, NoteEvent
from tests.support.session import Session


def heard(tape: Path, out: Path) -> list[NoteEvent]:
    notes: list[NoteEvent] = []

    def listen(_: NDArray[np.float32], begun: Sequence[NoteEvent]) -> None:
        notes.extend(begun)

    again(open_tape(tape), out, listener=listen)
    return notes


def bits(notes: list[NoteEvent]) -> list[tuple[object, ...]]:
    """All of a score but for the moments, which count from different beginnings."""
    return [(sounded.note, sounded.length) for sounded in notes]


@pytest.mark.parametrize("seed", [1, 2])
def test_what_was_heard_is_heard_again_to_the_last_bit(seed: int, tmp_path: Path) -> None:
    session = Session(seed)
    for seconds, asked in ((40.0, HALF_HOUR), (400.0, 200.0), (200.0, 400.0), (37.3, 11.1)):
        session.play(seconds)
        expected = session.last(asked)
        found = heard(session.kept(tmp_path, asked), tmp_path / "again.jsonl")
        assert len(found) > asked / 60
        assert bits(found) == bits(expected)
        assert [note.seconds for note in found] == pytest.approx(
            [note.seconds for note in expected], abs=1e-6
        )


def test_half_an_hour_is_always_there_and_takes_less_than_a_megabyte() -> None:
    session = Session(5)
    for minute in range(45):
        session.play(60.0)
        length = session.performer.now.seconds - session.memory._chapters[0].begins
        assert length >= min(60.0 * minute, HALF_HOUR + LEAD)
        assert length <= HALF_HOUR + LEAD + CHAPTER + 1.0
        assert session.memory.size <= BOUND


def test_what_there_is_no_room_for_is_the_oldest() -> None:
    session = Session(6)
    session.memory = Memory(session.settings, bound=100_000)
    for _ in range(14):
        session.play(60.0)
        assert session.memory.size <= 100_000
    assert session.memory._chapters[0].begins > 200.0
    assert session.memory._chapters[-1].begins == pytest.approx(600.0, abs=0.1)


class Punctual(Inbox):
    """The main thread leaves a ledger just after the performer has forgotten what was there before."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger

    def clear(self) -> None:
        super().clear()
        self.put(self._ledger)


def test_a_network_that_changes_forgets_and_hears_the_same_ledgers(tmp_path: Path) -> None:
    session = Session(7)
    session.play(20.0)
    session.performer.composer.queue = Punctual(session.busy())
    session.performer.composer.queue.put(
        session.busy()
    )  # heard by nobody: the next block is another network's
    session.controls = replace(session.controls, network="testnet")
    session.play(20.0)
    found = heard(session.kept(tmp_path), tmp_path / "again.jsonl")
    assert bits(found) == bits(session.last(HALF_HOUR))


# --- files ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", name="kept")
def _kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    session = Session(8)
    session.play(190.0)
    return session.kept(tmp_path_factory.mktemp("kept"), 20.0)


def test_sound_midi_and_score_are_one_performance(kept: Path, tmp_path: Path) -> None:
    flac, midi, score = (tmp_path / name for name in ("x.flac", "x.mid", "x.jsonl"))
    assert main(["render", "--tape", str(kept), "-o", str(flac)]) == 0
    for path in (midi, score):
        assert main(["render", "--tape", str(kept), "-o", str(path)]) == 0
    lines = [json.loads(line) for line in score.read_text().splitlines()]
    notes = [message for message in mido.MidiFile(midi) if message.type == "note_on"]
    assert sorted(note.note for note in notes) == sorted(line["pitch"] for line in lines)
    assert 0.0 <= lines[0]["t"] <= lines[-1]["t"] <= 20.0
    assert all(line["beat"] >= 0.0 for line in lines)
    sound, rate = soundfile.read(flac, dtype="float32")
    assert len(sound) / rate == pytest.approx(20.0, abs=0.02)
    loud = np.sqrt((sound.reshape(-1, 480, 2)[: len(sound) // 480] ** 2).mean(axis=(1, 2)))  # by 10 ms
    assert (
        loud[:5].max() < 0.02 < loud[50:-100].max()
    )  # it begins softly, in the midst of the music, and ends so
    assert loud[50:-100].min() > 1e-4
    assert loud[-5:].max() < 0.01


def test_a_part_of_it_may_be_asked_for(kept: Path, tmp_path: Path) -> None:
    assert main(["render", "--tape", str(kept), "-o", str(tmp_path / "x.jsonl"), "--seconds", "5"]) == 0
    assert main(["render", "--tape", str(kept), "-o", str(tmp_path / "y.jsonl")]) == 0
    part, whole = ((tmp_path / name).read_text() for name in ("x.jsonl", "y.jsonl"))
    assert whole.startswith(part)
    assert len(part) < len(whole) / 2


def test_to_a_player_it_is_a_tape_like_any_other(kept: Path) -> None:
    tape = open_tape(kept)
    assert tape.header.network in ("public", "testnet")
    assert [line for line in tape if isinstance(line.entry, Ledger)]
    assert tape.dropped == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--plot", "x.png"), "was kept by a box: it can be heard again, but not drawn."),
        (("-o", "x.ogg"), "x.ogg names no format"),
    ],
)
def test_what_cannot_be_made_of_it_is_said(
    kept: Path, words: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["render", "--tape", str(kept), "-o", "x.mid", *words]) == 1
    assert sentence in capsys.readouterr().err


# --- tapes of others ------------------------------------------------------------------------------------------


def forged(kept: Path, folder: Path, **changed: object) -> Path:
    """The tape with something else in its opening."""
    header, *lines = gzip.decompress(kept.read_bytes()).decode().splitlines()
    fields = json.loads(header)
    fields["opening"] |= changed
    path = folder / "forged.tape"
    path.write_text("\n".join([json.dumps(fields), *lines]))
    return path


def packed(value: object) -> str:
    return b64encode(pickle.dumps(value)).decode()


class Harm:
    """What somebody would put into a tape who means no good."""

    def __init__(self, *call: object) -> None:
        self._call = call

    def __reduce__(self) -> tuple[object, ...]:
        function, *words = self._call
        return function, tuple(words)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"made_by": "another"}, "was kept by another version of the box"),
        ({"music": ""}, "is not what a box would have kept (it cannot be unpacked: Ran out of input)"),
        ({"music": packed(7)}, "(it is no part of a performer)"),
        ({"music": packed(dict.fromkeys(PART))}, "(it is no part of a performer)"),
        ({"music": packed(Harm(os.system, "touch harm"))}, "it asks for posix.system"),
        ({"music": packed(Harm(eval, "1"))}, "it asks for builtins.eval"),
        (
            {"music": packed(Harm(clash, 1, [2]))},
            "it asks for appliance.music.scales.clash",
        ),
        ({"music": packed(Random)}, "(it is no part of a performer)"),
        ({"music": b64encode(b"cappliance.music.composer\nComposer.hear\n.").decode()}, "it asks for"),
        ({"music": b64encode(b"cappliance.music.composer\nmath\n.").decode()}, "it asks for"),
        ({"music": b64encode(b"cappliance.music.nothing\nX\n.").decode()}, "it cannot be unpacked"),
        ({"block": 100}, "is not what a box would have kept"),
        ({"voices": 10**9}, "is not what a box would have kept"),
    ],
)
def test_a_tape_of_somebody_elses_does_no_harm(
    kept: Path,
    changed: dict[str, object],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["render", "--tape", str(forged(kept, tmp_path, **changed)), "-o", "x.jsonl"]) == 1
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("name", ["composer", "_transport", "_pending", "_order"])
def test_a_part_that_nobody_composed_is_a_sentence(kept: Path, name: str, tmp_path: Path) -> None:
    part = dict(unpack(open_tape(kept).header.opening.music))  # type: ignore[union-attr] # it was kept
    if name == "composer":
        part[name]._ranking = None
    else:
        part[name] = "nonsense"
    with pytest.raises(BadTape, match="is not what a box would have kept"):
        again(open_tape(forged(kept, tmp_path, music=packed(part))), tmp_path / "x.jsonl")


@given(st.binary(max_size=100))
def test_no_bytes_but_ours_are_unpacked(music: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpack(music)


def test_a_tape_that_no_box_has_kept_cannot_be_heard_again(tmp_path: Path) -> None:
    with pytest.raises(BadTape, match="but not one that a box has kept"):
        again(bundled(), tmp_path / "x.jsonl")


# --- asking ---------------------------------------------------------------------------------------------------


def test_where_no_box_plays_none_is_asked(tmp_path: Path) -> None:
    run = begun_run(None, "boot")
    places = [None, tmp_path / "nowhere"]
    # Processes that have got the number of a box that crashed: this one, and one that is no more.
    for process in (os.getpid(), 2**22 + 1):
        place = tmp_path / str(process)
        write(place / "running.json", encode(replace(run, process=process)))
        places.append(place)
    with pytest.raises(NothingPlays, match="No box plays here"):
        ask(places)


def test_a_box_of_another_user_is_asked_with_sudo(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path / "state" / "running.json", encode(begun_run(None, "boot")))
    (tmp_path / "state").chmod(0)
    user = os.geteuid()
    if user == 0:  # who may enter everything
        os.seteuid(65534)
    try:
        with pytest.raises(NothingPlays, match="belongs to another user: ask it with sudo"):
            ask([tmp_path / "state", None, tmp_path / "nowhere"])
    finally:
        os.seteuid(user)
        (tmp_path / "state").chmod(0o700)
    assert not caplog.records
