# SPDX-License-Identifier: Apache-2.0
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from appliance.music.harmony import RELEASE, Harmony, voicing
from appliance.music.scales import STEPS, Chord, Scale, clash

scales = st.builds(Scale, st.sampled_from(sorted(STEPS)), st.integers(0, 11))
G, AB = 7, 8


def walk(scale: Scale, seed: int, seconds: int) -> list[tuple[float, Chord]]:
    harmony = Harmony(scale, (24.0, 56.0), Random(seed))
    return [
        (float(second), harmony.chord) for second in range(seconds) if harmony.move(float(second)) is not None
    ]


@given(scales, st.integers(0, 20))
def test_neighbouring_chords_hold_no_semitone_between_them(scale: Scale, seed: int) -> None:
    chords = [chord for _, chord in walk(scale, seed, 1200)]
    for before, after in pairwise(chords):
        assert before != after
        assert not any(clash(tone, before.tones) for tone in after.tones)


@given(st.integers(0, 50))
def test_chords_are_held_as_long_as_the_scene_says(seed: int) -> None:
    began = [at for at, _ in walk(Scale("wind", 0), seed, 1200)]
    assert began[0] == 0.0
    assert all(24 <= after - before <= 57 for before, after in pairwise(began))


def test_the_walk_goes_everywhere() -> None:
    assert len({chord for _, chord in walk(Scale("wind", 0), 1, 3600)}) == 5


def test_the_walk_goes_back_now_and_then_but_is_no_see_saw() -> None:
    chords = [chord for _, chord in walk(Scale("wind", 0), 1, 40_000)]
    back = sum(one == third for one, third in zip(chords, chords[2:], strict=False)) / len(chords)
    assert 0.15 < back < 0.45


@given(st.integers(0, 50))
def test_a_note_is_told_of_every_chord_that_it_meets(seed: int) -> None:
    harmony = Harmony(Scale("wind", 0), (24.0, 56.0), Random(seed))
    harmony.move(0.0)
    before = harmony.chord
    end = harmony.ends
    harmony.move(end)
    assert harmony.sounding(end, end + 1) == {*before.tones, *harmony.chord.tones}
    assert harmony.sounding(end + RELEASE, end + RELEASE) == set(harmony.chord.tones)
    late = harmony.sounding(end + RELEASE, harmony.ends + 0.1)
    harmony.move(harmony.ends)
    assert late >= set(harmony.chord.tones)
    for second in range(int(harmony.ends)):
        assert not {G, AB} <= harmony.sounding(float(second), second + 6.0)


@given(scales, st.integers(40, 56))
def test_a_voicing_is_open_and_keeps_the_tones(scale: Scale, low: int) -> None:
    for chord in scale.chords():
        pitches = voicing(chord, scale, low)
        assert {scale.tone(pitch) for pitch in pitches} == set(chord.tones)
        assert low <= pitches[0]
        assert pitches[-1] < low + 24
        assert len(pitches) == len(chord.tones)
