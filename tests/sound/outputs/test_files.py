# SPDX-License-Identifier: Apache-2.0
"""Sound files, scores and MIDI files, read back by the libraries that others would use."""

import json
from contextlib import closing
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile

from appliance.score.format import Score
from appliance.score.midi import DRUMS, PROGRAMS, SLOWEST, TICKS, Midi
from appliance.sound import SAMPLE_RATE
from appliance.sound.outputs.file import SoundFile
from appliance.values import Amount, Kind, Note, NoteEvent, Voice

SILENCE = np.zeros((512, 2), dtype=np.float32)


def sounded(beat: float, note: Note, tempo: float = 60.0) -> NoteEvent:
    return NoteEvent(note, beat * 60 / tempo, beat, note.duration * 60 / tempo)


@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_a_sound_file_holds_the_samples_and_nothing_else(tmp_path: Path, ending: str) -> None:
    sound = np.random.default_rng(1).uniform(-0.9, 0.9, (4, 512, 2)).astype(np.float32)
    for name in ("one", "two"):
        with closing(SoundFile(tmp_path / f"{name}.{ending}")) as file:
            for block in sound:
                file.write(block, ())
    read, rate = soundfile.read(tmp_path / f"one.{ending}", dtype="float32")
    assert rate == SAMPLE_RATE
    assert np.abs(read - sound.reshape(-1, 2)).max() < 2**-22
    assert soundfile.info(tmp_path / f"one.{ending}").subtype == "PCM_24"
    assert (tmp_path / f"one.{ending}").read_bytes() == (tmp_path / f"two.{ending}").read_bytes()


def test_a_score_is_one_note_a_line(tmp_path: Path) -> None:
    amount = Amount(25_000_000, Kind.OFFER, True, 7)
    with closing(Score(tmp_path / "x.jsonl")) as score:
        score.write(SILENCE, [sounded(0.0, Note(60, 0.6, 2.0, Voice.PAD))])
        score.write(SILENCE, [])
        score.write(
            SILENCE, [sounded(1.5, Note(67, 1 / 3, 2.0, Voice.PLUCK, -0.25, 0.5, 0.5, amount, 0.123456), 90)]
        )
    lines = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    bed = {"voice": "pad", "pitch": 60, "velocity": 0.6, "length": 2.0, "pan": 0.0, "bright": 0.5}
    assert lines[0] == {"t": 0.0, "beat": 0.0} | bed
    assert lines[1] == {
        "t": 1.0,
        "beat": 1.5,
        "voice": "pluck",
        "pitch": 67,
        "velocity": 0.333,
        "length": 1.333,
        "pan": -0.25,
        "bright": 0.5,
        "kind": "offer",
        "native": True,
        "stroops": 25_000_000,
        "ledger": 7,
        "waited": 0.123,
    }


def test_a_midi_file_is_on_the_beat(tmp_path: Path) -> None:
    with closing(Midi(tmp_path / "x.mid")) as midi:
        midi.write(
            SILENCE,
            [
                sounded(0.0, Note(60, 0.6, 8.0, Voice.PAD), 90.0),
                sounded(0.0, Note(36, 0.6, 8.0, Voice.DRONE), 90.0),
            ],
        )
        midi.write(SILENCE, [sounded(1.5, Note(67, 0.5, 1.0, Voice.PLUCK), 90.0)])
        midi.write(SILENCE, [sounded(2.5, Note(67, 0.5, 0.5, Voice.PLUCK), 90.0)])
    file = mido.MidiFile(tmp_path / "x.mid")
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


def test_a_pitch_that_begins_anew_in_a_midi_file_sounds_as_long_as_it_should(tmp_path: Path) -> None:
    with closing(Midi(tmp_path / "x.mid")) as midi:
        for beat, length in ((0.0, 4.0), (2.0, 4.0), (2.0, 1.0)):
            midi.write(SILENCE, [sounded(beat, Note(67, 0.5, length, Voice.PLUCK))])
    track = mido.MidiFile(tmp_path / "x.mid").tracks[1]
    assert [(message.type, message.time // TICKS) for message in track if hasattr(message, "note")] == [
        ("note_on", 0),
        ("note_off", 2),
        ("note_on", 0),
        ("note_off", 4),
    ]


def test_a_midi_file_turns_its_tempo_where_the_knob_did(tmp_path: Path) -> None:
    with closing(Midi(tmp_path / "x.mid")) as midi:
        for beat, tempo in ((0.0, 60.0), (1.0, 60.0), (2.0, 120.0), (4.0, 30.0)):
            midi.write(SILENCE, [sounded(beat, Note(60, 0.6, 1.0, Voice.BELL), tempo)])
    changes = [(message.time, message.tempo) for message in mido.MidiFile(tmp_path / "x.mid").tracks[0][:-1]]
    assert changes == [(0, 1_000_000), (2 * TICKS, 500_000), (2 * TICKS, 2_000_000)]
    assert mido.MidiFile(tmp_path / "x.mid").length == pytest.approx(2 + 1 + 2)


def test_a_tape_of_somebody_elses_may_be_slower_than_midi_can_say(tmp_path: Path) -> None:
    with closing(Midi(tmp_path / "x.mid")) as midi:
        midi.write(SILENCE, [sounded(0.0, Note(60, 0.6, 1.0, Voice.BELL), 1.0)])
    assert mido.MidiFile(tmp_path / "x.mid").tracks[0][0].tempo == SLOWEST


def test_every_voice_has_a_channel_of_its_own_and_none_the_drums(tmp_path: Path) -> None:
    with closing(Midi(tmp_path / "x.mid")) as midi:
        midi.write(SILENCE, [sounded(0.0, Note(60, 0.001, 0.0001, voice)) for voice in Voice])
    tracks = mido.MidiFile(tmp_path / "x.mid").tracks[1:]
    channels = [{message.channel for message in track if hasattr(message, "channel")} for track in tracks]
    assert len({channel for used in channels for channel in used}) == len(Voice) == len(PROGRAMS)
    assert all(len(used) == 1 and DRUMS not in used for used in channels)
    assert all(message.velocity > 0 for track in tracks for message in track if message.type == "note_on")
