# SPDX-License-Identifier: Apache-2.0
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.music.scales import NAMES, ROOTS, STEPS, Scale, clash

scales = st.builds(Scale, st.sampled_from(sorted(STEPS)), st.integers(0, 11))


def test_the_box_plays_nineteen_degrees_from_c3_to_c6() -> None:
    degrees = Scale("wind", 0).degrees(48, 3)
    assert degrees == (48, 51, 53, 55, 56, 58, 60, 63, 65, 67, 68, 70, 72, 75, 77, 79, 80, 82, 84)
    assert Scale("wind", 0).names == ("C", "Eb", "F", "G", "Ab", "Bb")


def test_a_root_is_found_by_either_of_its_names() -> None:
    assert ROOTS["F#"] == ROOTS["Gb"] == 6
    assert [ROOTS[name] for name in NAMES] == list(range(12))


@given(scales, st.integers(24, 60), st.integers(1, 4))
def test_degrees_rise_from_the_first_root_at_or_above_low(scale: Scale, low: int, octaves: int) -> None:
    degrees = scale.degrees(low, octaves)
    assert low <= degrees[0] < low + 12
    assert degrees[-1] == degrees[0] + 12 * octaves
    assert list(degrees) == sorted(set(degrees))
    assert all(scale.tone(pitch) in scale.steps for pitch in degrees)
    assert [scale.degree(pitch) for pitch in degrees[: len(scale.steps)]] == list(range(len(scale.steps)))


def test_a_foreign_pitch_counts_as_the_degree_below_it() -> None:
    assert Scale("wind", 0).degree(61) == 0  # Db, between C and Eb
    assert Scale("wind", 0).degree(59) == 5  # B, above Bb


@given(scales)
def test_chords_are_of_the_scale_and_hold_no_semitone(scale: Scale) -> None:
    assert len(scale.chords()) >= 3
    for chord in scale.chords():
        assert set(chord) <= set(scale.steps)
        assert not any((a - b) % 12 in (1, 11) for a, b in combinations(chord, 2))


def test_the_default_scale_has_every_chord_without_a_semitone_from_its_root() -> None:
    chords = Scale("wind", 0).chords()
    assert len(chords) == len({frozenset(chord) for chord in chords}) == 27
    assert (0, 3, 7, 10) in chords  # Cm7: C is the first tone with a fifth above it
    assert (5, 0, 8) in chords  # Fm
    assert all(not {7, 8} <= set(chord) for chord in chords)


@pytest.mark.parametrize(
    ("tone", "others", "clashes"),
    [(7, (8,), True), (8, (7, 0), True), (0, (11,), True), (7, (5, 10, 7), False), (3, (), False)],
)
def test_a_clash_is_a_semitone_either_way_round(tone: int, others: tuple[int, ...], clashes: bool) -> None:
    assert clash(tone, others) is clashes
