# SPDX-License-Identifier: Apache-2.0
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.panel.lamps import ATTACK, MUTED, NETWORK_LAMPS, NOTE_LAMPS, PATTERNS, Lamps, Shown, pulse

DARK = (0.0,) * NOTE_LAMPS


def changes(levels: list[float]) -> int:
    """How often a lamp goes from dark to lit."""
    return sum(before < 0.5 <= after for before, after in itertools.pairwise(levels))


def test_a_pulse_rises_quickly_and_sinks_slowly() -> None:
    assert pulse(-0.001) == 0.0
    assert pulse(ATTACK / 2) == pytest.approx(0.5)
    assert pulse(ATTACK) == pytest.approx(1.0)
    assert pulse(ATTACK + 0.25) == pytest.approx(0.3679, abs=1e-3)
    assert pulse(3.0) < 0.001


def test_a_note_lights_its_own_lamp_when_it_is_heard() -> None:
    lamps = Lamps()
    lamps.hit(3, 1.0, at=10.0)
    assert lamps.levels(9.9)[0] == DARK
    notes, _ = lamps.levels(10.0 + ATTACK)
    assert notes[3] == pytest.approx(1.0)
    assert notes[:3] + notes[4:] == (0.0,) * 5
    lamps.hit(3 + NOTE_LAMPS, 0.0, at=20.0)  # a scale of more degrees shares the lamps
    assert lamps.levels(20.0 + ATTACK)[0][3] == pytest.approx(0.4)


def test_muted_lamps_show_that_the_box_is_alive() -> None:
    lamps = Lamps()
    lamps.hit(0, 1.0, at=0.0)
    lamps.muted = True
    assert lamps.levels(ATTACK)[0][0] == pytest.approx(MUTED)


def test_without_a_card_the_note_lamps_are_dark() -> None:
    lamps = Lamps()
    lamps.hit(0, 1.0, at=0.0)
    lamps.shown = Shown.NO_CARD
    assert lamps.levels(ATTACK)[0] == DARK


@pytest.mark.parametrize("chosen", range(NETWORK_LAMPS))
@pytest.mark.parametrize(
    ("shown", "lit_in_12_s"), [(Shown.LIVE, 0), (Shown.CONNECTING, 3), (Shown.OFFLINE, 8)]
)
def test_only_the_chosen_network_s_lamp_speaks(shown: Shown, lit_in_12_s: int, chosen: int) -> None:
    lamps = Lamps()
    lamps.shown, lamps.chosen = shown, chosen
    frames = [lamps.levels(frame / 100)[1] for frame in range(1200)]
    for lamp in range(NETWORK_LAMPS):
        levels = [frame[lamp] for frame in frames]
        if lamp == chosen:
            assert changes(levels) == lit_in_12_s
            assert max(levels) == pytest.approx(1.0, abs=0.01)
        else:
            assert set(levels) == {0.0}
    if shown is Shown.LIVE:
        assert {frame[chosen] for frame in frames} == {1.0}


def test_without_a_card_the_network_lamps_run_from_left_to_right() -> None:
    lamps = Lamps()
    lamps.shown = Shown.NO_CARD
    peaks = [max(range(300), key=lambda frame: lamps.levels(frame / 100)[1][lamp]) for lamp in range(3)]
    assert peaks == [20, 80, 140]


@given(st.sampled_from(Shown), st.integers(0, 2), st.floats(0, 1e6))
def test_every_level_is_a_level(shown: Shown, chosen: int, seconds: float) -> None:
    assert all(0.0 <= PATTERNS[shown](lamp, chosen, seconds) <= 1.0 for lamp in range(NETWORK_LAMPS))
