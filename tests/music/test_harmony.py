# SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence
from itertools import pairwise
from random import Random
from statistics import mean

from hypothesis import given
from hypothesis import strategies as st

from appliance.music.harmony import AHEAD, RELEASE, SPAN, Harmony, Tone, voicing
from appliance.music.scales import STEPS, Chord, Scale, clash

scales = st.builds(Scale, st.sampled_from(sorted(STEPS)), st.integers(0, 11))
WIND = Scale("wind", 0)
HOLD = (24.0, 56.0)
LOW = 48
G, AB = 7, 8

Change = tuple[float, Chord, list[Tone]]  # s, the chord that begins, and its tones that begin


def low(seconds: float) -> int:
    """The lowest pitch of a chord: it does not move."""
    return LOW


def walk(scale: Scale, seed: int, seconds: int) -> list[Change]:
    harmony = Harmony(scale, HOLD, Random(seed), low)
    return [
        (float(second), harmony.chord, tones)
        for second in range(seconds)
        if (tones := harmony.move(float(second)))
    ]


def voicings(changes: Sequence[Change]) -> list[frozenset[int]]:
    """The pitches that are held in the middle of each chord but the last."""
    tones = [(tone.begins, tone.ends, tone.pitch) for _, _, begun in changes for tone in begun]
    moments = [(before[0] + after[0]) / 2 for before, after in pairwise(changes)]
    return [
        frozenset(pitch for begins, ends, pitch in tones if begins <= moment < ends) for moment in moments
    ]


@given(scales, st.integers(0, 20))
def test_neighbouring_chords_hold_no_semitone_between_them(scale: Scale, seed: int) -> None:
    harmony = Harmony(scale, HOLD, Random(seed), low)
    chords: list[Chord] = []
    ends = 0.0
    for second in range(1200):
        harmony.move(float(second))
        if harmony.ends != ends:
            ends = harmony.ends
            chords.append(harmony.chord)
    assert len(chords) > 20
    for one, other in pairwise(chords):
        assert one != other
        assert not any(clash(tone, one) for tone in other)


@given(st.integers(0, 50))
def test_chords_are_held_as_long_as_the_scene_says(seed: int) -> None:
    harmony = Harmony(WIND, HOLD, Random(seed), low)
    ends = [0.0]
    for second in range(1200):
        harmony.move(float(second))
        if harmony.ends != ends[-1]:
            ends.append(harmony.ends)
    assert all(24 <= after - before <= 58 for before, after in pairwise(ends))


@given(st.integers(0, 30))
def test_common_tones_are_tied_and_the_others_enter_one_after_another(seed: int) -> None:
    changes = walk(WIND, seed, 1800)
    assert all(tone.ends - tone.begins > 10 for _, _, begun in changes for tone in begun)
    for second, _, begun in changes:
        assert begun[0].begins == second
        assert all(0.7 < after.begins - before.begins < 2.7 for before, after in pairwise(begun))
        assert begun[-1].begins < second + 11
    held = voicings(changes)
    kept = [len(before & after) / max(len(before), len(after)) for before, after in pairwise(held)]
    assert mean(kept) > 0.55
    assert mean(abs(max(before) - max(after)) for before, after in pairwise(held)) <= 2.0


def test_no_tone_is_tied_through_more_chords_than_are_planned() -> None:
    longest = max(tone.ends - tone.begins for _, _, begun in walk(WIND, 1, 20_000) for tone in begun)
    assert HOLD[1] < longest <= AHEAD * HOLD[1]


def test_the_voicings_of_hours_are_many_and_new_ones_keep_coming() -> None:
    held = voicings(walk(WIND, 1, 4 * 3600))
    assert len({frozenset(pitch % 12 for pitch in pitches) for pitches in held}) >= 15
    assert len(set(held)) >= 60
    assert set(held[len(held) // 2 :]) - set(held[: len(held) // 2])


@given(st.integers(0, 50))
def test_a_note_is_told_of_every_chord_that_it_meets(seed: int) -> None:
    harmony = Harmony(WIND, HOLD, Random(seed), low)
    harmony.move(0.0)
    before, end = harmony.chord, harmony.ends
    harmony.move(end)
    assert harmony.sounding(end, end + 1) == {*before, *harmony.chord}
    assert harmony.sounding(end + RELEASE, end + RELEASE) == set(harmony.chord)
    late = harmony.sounding(end + RELEASE, harmony.ends + 0.1)
    harmony.move(harmony.ends)
    assert late >= set(harmony.chord)
    for second in range(int(harmony.ends)):
        assert not {G, AB} <= harmony.sounding(float(second), second + 6.0)


@given(
    st.integers(0, 50),
    st.sampled_from(["wind", "minor-pentatonic", "major-pentatonic", "dorian", "original"]),
)
def test_another_harmony_begins_on_a_chord_that_fits_the_one_before(seed: int, name: str) -> None:
    before = Harmony(WIND, HOLD, Random(seed), low)
    for second in range(200):
        before.move(float(second))
    sounding = before.sounding(200.0, 200.0)
    after = Harmony(Scale(name, 0), HOLD, Random(seed), low, 200.0, before)
    assert after.move(200.0)
    assert not any(clash(tone, sounding) for tone in after.chord)
    if name == "wind":
        assert set(after.chord) == set(before.chord)


@given(scales, st.integers(40, 56), st.integers(0, 20))
def test_a_voicing_has_each_tone_once_within_its_span(scale: Scale, lowest: int, seed: int) -> None:
    before: tuple[int, ...] = ()
    for chord in scale.chords():
        pitches = voicing(chord, scale, lowest, before, Random(seed))
        assert sorted(scale.tone(pitch) for pitch in pitches) == sorted(chord)
        assert lowest <= pitches[0]
        assert pitches[-1] < lowest + SPAN
        assert list(pitches) == sorted(pitches)
        before = pitches
