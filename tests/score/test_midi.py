# SPDX-License-Identifier: Apache-2.0
"""MIDI files, read back by the library that other programs use."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import mido
import pytest

from appliance.score.midi import DRUMS, PROGRAMS, SLOWEST, TICKS, Midi
from appliance.values import Context, Note, NoteEvent, Passage, Voice


def event(beat: float, note: Note, tempo: float = 60.0) -> NoteEvent:
    return NoteEvent(note, beat * 60 / tempo, beat, note.duration * 60 / tempo)


def written(path: Path, *passages: Sequence[NoteEvent]) -> mido.MidiFile:
    """The file of these passages."""
    with closing(Midi(path)) as midi:
        for number, events in enumerate(passages):
            context = Context("public", "wind", "wind", "C", 60.0)
            midi.observe(Passage(float(number), context, tuple(events)))
    return mido.MidiFile(path)


def test_a_midi_file_is_on_the_beat(tmp_path: Path) -> None:
    file = written(
        tmp_path / "x.mid",
        [
            event(0.0, Note(60, 0.6, 8.0, Voice.PAD), 90.0),
            event(0.0, Note(36, 0.6, 8.0, Voice.DRONE), 90.0),
        ],
        [],
        [event(1.5, Note(67, 0.5, 1.0, Voice.PLUCK), 90.0)],
        [event(2.5, Note(67, 0.5, 0.5, Voice.PLUCK), 90.0)],
    )
    assert file.ticks_per_beat == TICKS
    assert mido.tempo2bpm(file.tracks[0][0].tempo) == pytest.approx(90.0)
    assert [track.name for track in file.tracks[1:]] == ["pluck", "pad", "drone"]
    pluck = [
        (message.type, message.note, message.time) for message in file.tracks[1] if hasattr(message, "note")
    ]
    assert pluck == [
        ("note_on", 67, 720),
        ("note_off", 67, 480),  # before the next one of the same pitch begins
        ("note_on", 67, 0),
        ("note_off", 67, 240),
    ]
    assert file.length == pytest.approx(8 * 60 / 90)


def test_a_pitch_that_begins_again_ends_first(tmp_path: Path) -> None:
    notes = [
        event(beat, Note(67, 0.5, length, Voice.PLUCK))
        for beat, length in ((0.0, 4.0), (2.0, 4.0), (2.0, 1.0))
    ]
    track = written(tmp_path / "x.mid", *([note] for note in notes)).tracks[1]
    assert [(message.type, message.time // TICKS) for message in track if hasattr(message, "note")] == [
        ("note_on", 0),
        ("note_off", 2),
        ("note_on", 0),
        ("note_off", 4),
    ]


def test_the_tempo_changes_where_the_knob_was_turned(tmp_path: Path) -> None:
    notes = [
        event(beat, Note(60, 0.6, 1.0, Voice.BELL), tempo)
        for beat, tempo in ((0.0, 60.0), (1.0, 60.0), (2.0, 120.0), (4.0, 30.0))
    ]
    file = written(tmp_path / "x.mid", *([note] for note in notes))
    changes = [(message.time, message.tempo) for message in file.tracks[0][:-1]]
    assert changes == [(0, 1_000_000), (2 * TICKS, 500_000), (2 * TICKS, 2_000_000)]
    assert file.length == pytest.approx(2 + 1 + 2)


def test_a_tempo_that_midi_cannot_express_is_its_slowest(tmp_path: Path) -> None:
    file = written(tmp_path / "x.mid", [event(0.0, Note(60, 0.6, 1.0, Voice.BELL), 1.0)])
    assert file.tracks[0][0].tempo == SLOWEST
    nothing = NoteEvent(Note(60, 0.6, 1e-320, Voice.BELL), 0.0, 0.0, 600.0)  # a score can hold it
    assert written(tmp_path / "x.mid", [nothing]).tracks[0][0].tempo == SLOWEST


def test_a_note_before_the_first_beat_and_one_of_no_length_are_written(tmp_path: Path) -> None:
    """A change of tempo can leave a beat behind, and a score can hold any note."""
    file = written(
        tmp_path / "x.mid",
        [event(-0.5, Note(60, 0.6, 1.0, Voice.BELL)), event(1.0, Note(62, 0.6, 0.0, Voice.BELL))],
    )
    notes = [(message.type, message.note) for message in file.tracks[1] if hasattr(message, "note")]
    assert notes == [("note_on", 60), ("note_off", 60), ("note_on", 62), ("note_off", 62)]


def test_every_voice_has_a_channel_of_its_own_and_none_the_drums(tmp_path: Path) -> None:
    file = written(tmp_path / "x.mid", [event(0.0, Note(60, 0.001, 0.0001, voice)) for voice in Voice])
    tracks = file.tracks[1:]
    channels = [{message.channel for message in track if hasattr(message, "channel")} for track in tracks]
    assert len({channel for used in channels for channel in used}) == len(Voice) == len(PROGRAMS)
    assert all(len(used) == 1 and DRUMS not in used for used in channels)
    assert all(message.velocity > 0 for track in tracks for message in track if message.type == "note_on")


def test_a_piece_between_counts_its_own_beats_and_the_file_goes_on(tmp_path: Path) -> None:
    """The music has counted for a day; the piece begins at 0; then the music is heard again."""
    music, piece = Note(60, 0.5, 1.0, Voice.BELL), Note(72, 0.5, 1.0, Voice.GLASS)
    notes = [
        *(NoteEvent(music, float(t), 86_400.0 + t, 1.0) for t in range(10)),
        *(NoteEvent(piece, 10.0 + t, float(t), 1.0) for t in range(20)),
        *(NoteEvent(music, 30.0 + t, 86_430.0 + t, 1.0) for t in range(10)),
    ]
    shifted = [replace(event, beat=event.beat - 86_400) for event in notes]  # as a kept score is
    file = written(tmp_path / "x.mid", *([event] for event in shifted))
    assert file.length == pytest.approx(40.0, abs=0.1)
    starts = sorted(time for track in file.tracks for time, kind in _timed(track) if kind == "note_on")
    assert starts == [t * TICKS for t in range(40)]


def _timed(track: mido.MidiTrack) -> Iterator[tuple[float, str]]:
    at = 0.0
    for message in track:
        at += message.time
        yield at, message.type


def test_a_performance_without_a_note_is_an_empty_file(tmp_path: Path) -> None:
    assert written(tmp_path / "x.mid").length == 0.0
