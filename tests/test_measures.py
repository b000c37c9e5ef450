# SPDX-License-Identifier: Apache-2.0
"""The measures of the music, on notes and sounds whose values are known."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.ledger.tape import Line
from appliance.sound import SAMPLE_RATE
from appliance.values import Amount, Kind, Ledger, Note, NoteEvent, Voice
from benchmarks.measure import Figure
from benchmarks.music import balance, long_form, masking, network, pulse, single_notes, voicings
from benchmarks.music.spectra import FPS, bands
from benchmarks.play import Played

RNG = np.random.default_rng(7)


def note(
    seconds: float,
    pitch: int = 60,
    length: float = 1.0,
    voice: Voice = Voice.BELL,
    velocity: float = 0.5,
    stroops: int = 0,
) -> NoteEvent:
    amount = Amount(stroops, Kind.PAYMENT, False, 1) if stroops else None
    return NoteEvent(Note(pitch, velocity, length, voice, amount=amount), seconds, seconds, length)


def chord(
    seconds: float, pitches: Sequence[int], length: float = 30.0, apart: float = 0.0
) -> list[NoteEvent]:
    return [
        note(seconds + index * apart, pitch, length - index * apart, Voice.PAD)
        for index, pitch in enumerate(pitches)
    ]


def ledger(seconds: float, *stroops: int) -> tuple[float, Ledger]:
    amounts = tuple(Amount(size, Kind.OFFER, False, 1) for size in stroops)
    return seconds, Ledger(1, 0, len(amounts), 1, 0, amounts)


def tone(hertz: float, seconds: float = 1.0, level: float = 0.1) -> NDArray[np.float64]:
    moments = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return np.repeat(level * np.sin(2 * np.pi * hertz * moments)[:, None], 2, axis=1)


def value(figures: Sequence[Figure], what: str) -> float:
    (found,) = (figure.value for figure in figures if figure.what == what)
    return found


# --- row 1 --------------------------------------------------------------------------------------------------


def test_a_metronome_lies_on_its_grid() -> None:
    strength, period = pulse.grid(np.arange(0, 180, 0.75))
    assert strength > 0.99
    assert period == pytest.approx(0.75, rel=0.01) or period == pytest.approx(0.375, rel=0.01)


def test_random_moments_lie_on_no_grid() -> None:
    strength, _ = pulse.grid(np.sort(RNG.uniform(0, 180, 180)))
    assert strength < 1.5 * pulse.CHANCE / 180**0.5


def test_notes_that_are_late_by_chance_weaken_the_grid() -> None:
    on_the_beat = np.arange(0, 180, 0.5)
    strengths = [pulse.grid(on_the_beat + RNG.normal(0, late, 360))[0] for late in (0.0, 0.04, 0.08)]
    assert strengths == sorted(strengths, reverse=True)
    assert strengths[2] < 0.7


def test_the_pulse_line_is_that_of_the_beat() -> None:
    curve = 0.01 * RNG.random(180 * FPS)
    curve[:: FPS // 2] += 1.0
    over, frequency = pulse.line(curve)
    assert over > pulse.LINE
    assert frequency % 2 == pytest.approx(0, abs=0.05)


def test_onsets_of_a_sound_are_found() -> None:
    fades = np.linspace(1, 0, SAMPLE_RATE)[:, None] ** 2
    sound = 1e-4 * RNG.standard_normal((12 * SAMPLE_RATE, 2))
    for second in (2, 5, 7):
        sound[second * SAMPLE_RATE : second * SAMPLE_RATE + SAMPLE_RATE] += tone(440) * fades
    moments, _ = pulse.onsets(pulse.onset_curve(bands(sound)))
    assert [round(float(moment)) for moment in moments] == [2, 5, 7]


# --- row 2 --------------------------------------------------------------------------------------------------


def test_a_tape_becomes_busier_and_quieter_after_a_moment() -> None:
    lines = [Line(seconds, entry) for seconds, entry in (ledger(0, 1, 2), ledger(50, *range(1, 21)))]
    busier, quieter = (network.changed(lines, factor, 10) for factor in (4, 0.1))
    counts = [
        [len(line.entry.amounts) for line in tape if isinstance(line.entry, Ledger)]
        for tape in (busier, quieter)
    ]
    assert counts[0][0] == counts[1][0] == 2
    assert counts[0][1] > 20
    assert counts[1][1] == 2
    assert [isinstance(line.entry, Ledger) and line.entry.operations for line in busier] == [2, 80]


# --- row 3 --------------------------------------------------------------------------------------------------


def test_an_exception_that_is_left_out_is_missed() -> None:
    ledgers = [ledger(10.0 * index, 5 + index) for index in range(40)]
    played = [note(10.0 * index + 1, stroops=5 + index) for index in range(40)]
    all_ = network.of_exceptions(Played(notes=played, ledgers=ledgers))
    without = network.of_exceptions(
        Played(notes=[it for it in played if it.note.amount and it.note.amount.stroops < 40], ledgers=ledgers)
    )
    what = "largest amount of a top-5 % ledger is played"
    assert value(all_, what) == 1.0
    assert value(without, what) == 0.0


def test_two_exceptions_soon_after_each_other_are_seen() -> None:
    notes = [note(float(index), stroops=10 + index % 7, velocity=0.3) for index in range(200)]
    notes[50] = note(50, stroops=10**9, velocity=1.0)
    notes[58] = note(58, stroops=10**10, velocity=1.0)
    figures = network.of_exceptions(Played(notes=notes, ledgers=[ledger(0, 10), ledger(199, 10)]))
    assert value(figures, "shortest time between two of them") == 8.0
    assert value(figures, "top-1 % amounts over the 90th percentile note") > 10


# --- rows 4, 8 and 13 ---------------------------------------------------------------------------------------


def test_a_note_is_masked_by_a_tone_of_its_band_alone() -> None:
    lead = tone(440 * 2 ** (-9 / 12), 12)  # middle C
    below, beside = (tone(hertz, 12) for hertz in (262, 900))
    notes = [note(8.0, 60)]
    assert value(masking.of_stems(lead, below, notes), "notes 4 dB above the bed") == 0.0
    assert value(masking.of_stems(lead, beside, notes), "notes 4 dB above the bed") == 1.0
    murmur = note(8.0, 81, voice=Voice.MURMUR)  # it is left out, because it rises too slowly
    assert value(masking.of_stems(lead, beside, [*notes, murmur]), "notes 4 dB above the bed") == 1.0


def test_length_that_follows_pitch_is_seen() -> None:
    follows = [note(float(index), 48 + index, 1 + index / 10, stroops=1) for index in range(20)]
    against = [note(float(index), 48 + index, 3 - index / 10, stroops=1) for index in range(20)]
    (high,), (low,) = masking.of_lengths(follows), masking.of_lengths(against)
    assert (round(high.value), round(low.value)) == (1, -1)
    assert not high.kept
    assert low.kept


def test_a_rest_begins_when_the_last_note_ends() -> None:
    notes = [note(0, length=2), note(1, length=4), *chord(6, (60, 64)), note(14), note(16)]
    assert network.rests(notes) == [5.0]


def test_one_voice_for_nearly_all_notes_is_seen() -> None:
    notes = [note(5.0 + index, voice=Voice.BELL if index else Voice.GLASS) for index in range(10)]
    assert value(network.of_voices(Played(notes=notes)), "share of the commonest voice") == 0.9


# --- row 5 --------------------------------------------------------------------------------------------------


def test_tones_that_enter_one_after_another_are_one_voicing() -> None:
    notes = [*chord(0, (48, 55, 63), apart=2.5), *chord(30, (48, 56, 65), apart=2.5)]
    found = voicings.voicings(notes)
    assert [pitches for _, pitches in found] == [(48, 55, 63), (48, 56, 65)]
    assert voicings.kept(found) == pytest.approx(1 / 3)
    assert voicings.top_move(found) == 2.0


def test_a_tied_tone_is_kept() -> None:
    notes = [note(0, 48, 60, Voice.PAD), *chord(0, (55, 63)), *chord(30, (58, 63))]
    found = voicings.voicings(notes)
    assert [pitches for _, pitches in found] == [(48, 55, 63), (48, 58, 63)]


def test_pads_a_semitone_apart_clash_while_one_rings() -> None:
    ringing = [*chord(0, (55,), 10), *chord(15, (68,), 10)]
    gone = [*chord(0, (55,), 10), *chord(25, (68,), 10)]
    assert voicings.pad_clashes(ringing) == 1
    assert voicings.pad_clashes(gone) == 0


# --- rows 6, 7, 9 and 10 ------------------------------------------------------------------------------------


def test_a_partial_between_the_harmonics_is_found() -> None:
    harmonic = tone(392)[:, 0] + tone(3 * 392)[:, 0]
    bell = harmonic + 0.1 * tone(2.76 * 392)[:, 0]
    assert single_notes.inharmonic(harmonic) < -60
    assert single_notes.inharmonic(bell) == pytest.approx(-20, abs=1)


def test_bass_that_a_small_speaker_loses_is_seen() -> None:
    figures = balance.of_sound(tone(60, 5) + tone(500, 5), "wind")
    assert value(figures, "power below 100 Hz") == pytest.approx(0.5, abs=0.01)
    assert value(figures, "lost behind a 120 Hz high-pass") > 0.5


def test_a_bed_that_opens_at_each_close_is_told_from_one_that_does_not() -> None:
    closes = [5.0 + 6 * index for index in range(15)]
    still = tone(200, 100)
    opens = still.copy()
    for close in closes:
        opens[int(close * SAMPLE_RATE) : int((close + 2.5) * SAMPLE_RATE)] += 0.5 * tone(900, 2.5)
    what = "brightness at a close"
    assert value(network.of_closes(opens, closes), what) > 1.0
    assert value(network.of_closes(still, closes), what) == pytest.approx(0.0, abs=0.1)


# --- rows 11 and 12 -----------------------------------------------------------------------------------------


def test_hours_that_differ_are_told_from_equal_ones() -> None:
    alike = [note(second, 60) for second in range(0, 7200, 4)]
    differ = [note(second, 60) for second in range(0, 3600, 4)] + [
        note(second, 63) for second in range(3600, 7200, 5)
    ]
    assert not any(figure.kept for figure in long_form.of_hours(alike, 2))
    assert all(figure.kept for figure in long_form.of_hours(differ, 2))


def test_a_fixed_hum_is_told_from_a_piece() -> None:
    hum = tone(300, 80)
    piece = hum.copy()
    piece[20 * SAMPLE_RATE : 40 * SAMPLE_RATE] *= 0.2
    assert not long_form.of_murmur(hum, hum)[0].kept
    assert long_form.of_murmur(piece, piece)[0].kept
