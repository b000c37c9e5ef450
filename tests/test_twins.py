# SPDX-License-Identifier: Apache-2.0
"""The numbers that the twins in other engines play: those of the box's own voices."""

from __future__ import annotations

import math

import pytest

from appliance.sound.voices import TIMBRES, Waves
from appliance.values import Note, NoteEvent, Voice
from benchmarks.engines.dense import BED, LEDGER
from benchmarks.engines.twin import TABLES, Piece, Tone, piece, tones


def only(note: Note, length: float) -> Tone:
    """The tone of one note that begins at 1 s."""
    (tone,) = tones(Piece([NoteEvent(note, 1.0, 1.0, length)], [], []), 10.0)["lead"]
    return tone


def test_a_soft_note_rises_more_slowly_and_is_darker() -> None:
    soft, hard = (only(Note(60, velocity, 1.0, Voice.BELL), 1.0) for velocity in (0.2, 0.9))
    assert soft.attack > hard.attack
    assert soft.left < hard.left
    assert soft.bright < hard.bright


def test_a_bell_is_inharmonic() -> None:
    tone = only(Note(60, 0.5, 1.0, Voice.BELL), 1.0)
    assert tone.second / tone.first == pytest.approx(2.76, rel=0.002)


@pytest.mark.parametrize("voice", [voice for voice, timbre in TIMBRES.items() if timbre.edge])
def test_a_high_note_has_tables_without_high_harmonics(voice: Voice) -> None:
    for pitch, most in ((Waves.FULL, 8), (Waves.FULL + 1, Waves.HARMONICS)):
        tone = only(Note(pitch, 0.5, 1.0, voice), 1.0)
        assert (TABLES[tone.body], TABLES[tone.edge]) == TIMBRES[voice].harmonics(most)


def test_a_release_cuts_the_decay_where_its_curve_has_come() -> None:
    long = only(Note(60, 0.5, 1.0, Voice.MALLET), 5.0)
    short = only(Note(60, 0.5, 1.0, Voice.MALLET), 0.5)
    assert long.sustain == pytest.approx(0.0)
    assert long.hold > 0.0 == short.hold
    share = short.decay / long.decay
    assert short.sustain == pytest.approx(1.0 - math.expm1(long.bend * share) / math.expm1(long.bend))
    assert short.bend == pytest.approx(long.bend * share)


def test_a_piece_holds_notes_beds_and_ledgers() -> None:
    played = piece("dense", 4, 2 * LEDGER + 0.5)
    assert played.notes
    assert {bed for _, bed in played.beds} == {BED}
    assert played.ledgers == pytest.approx([LEDGER, 2 * LEDGER], abs=0.02)
    of_each = tones(played, 5.0)
    assert len(of_each["lead"]) == len(of_each["edge"]) >= 4
    assert (len(of_each["pad"]), len(of_each["drone"])) == (4, 1)
    assert all(tone.begins < 5.0 for kind in of_each.values() for tone in kind)
