# SPDX-License-Identifier: Apache-2.0
"""Relief, on machines that are made of a line: so much for the bed, and so much more for each note."""

from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from appliance.sound.polyphony import FEWEST, LONGEST, PATIENCE, SETTLE, PolyphonyLimiter

BLOCK = 512 / 48_000  # s
BUFFER = 0.107  # s; what a card holds ready of the default latency
SHED = 0.1  # s that a voice takes to fall silent


def blocks(seconds: float) -> range:
    return range(round(seconds / BLOCK))


def after(relief: PolyphonyLimiter, load: float, seconds: float) -> int:
    for _ in blocks(seconds):
        relief.after(load * BLOCK, BLOCK)
    return relief.leads


def test_a_machine_with_room_keeps_all_it_has() -> None:
    assert after(PolyphonyLimiter(16), 0.7, 3600.0) == 16


def test_a_late_machine_halves_at_once_and_again_down_to_the_fewest() -> None:
    relief = PolyphonyLimiter(16)
    assert after(relief, 0.9, 0.6) == 8
    assert after(relief, 0.9, SETTLE) == 4
    assert after(relief, 5.0, 10.0) == FEWEST


def test_one_late_block_is_no_slow_machine() -> None:
    relief = PolyphonyLimiter(16)
    for _ in range(20):
        after(relief, 0.2, 1.0)
        assert relief.after(60.0, BLOCK) == 16  # a minute's sleep


def test_what_was_taken_is_given_back_after_a_calm_minute() -> None:
    relief = PolyphonyLimiter(16)
    after(relief, 0.9, 1.2)
    assert relief.leads == 4
    assert after(relief, 0.4, PATIENCE - 1.0) == 4
    assert after(relief, 0.4, 2.5) == 8
    assert after(relief, 0.4, PATIENCE - 3.0) == 8
    assert after(relief, 0.4, 4.0) == 16
    assert after(relief, 0.4, 3600.0) == 16


def test_between_the_two_lines_nothing_changes() -> None:
    relief = PolyphonyLimiter(16)
    after(relief, 0.9, 0.6)
    assert after(relief, 0.6, 3600.0) == 8


def test_what_was_given_back_too_soon_is_given_back_less_often() -> None:
    """A machine that can just do with half: it is tried again and again, but ever more rarely."""
    relief = PolyphonyLimiter(16)
    changes = []
    for index in blocks(6 * 3600.0):
        before = relief.leads
        load = 1.0 if before == 16 else 0.4
        if relief.after(load * BLOCK, BLOCK) < before:
            changes.append(index * BLOCK)
    pauses = [later - earlier for earlier, later in pairwise(changes)]
    assert pauses[0] == pytest.approx(PATIENCE, abs=2.0)
    assert pauses[1] == pytest.approx(2 * PATIENCE, abs=2.0)
    assert pauses[-1] == pytest.approx(LONGEST, abs=2.0)
    assert pauses == pytest.approx(sorted(pauses), abs=0.1)


def test_after_a_good_while_the_patience_is_as_it_was() -> None:
    relief = PolyphonyLimiter(16)
    for _ in range(4):
        after(relief, 0.9, 0.6)
        after(relief, 0.4, LONGEST)
        assert relief.leads == 16
    after(relief, 0.4, 3 * LONGEST)
    after(relief, 0.9, 0.6)
    after(relief, 0.4, PATIENCE + 2.0)
    after(relief, 0.9, 0.6)
    assert after(relief, 0.4, PATIENCE + 2.0) == 8
    assert after(relief, 0.4, PATIENCE + 2.0) == 16


@given(bed=st.floats(0.2, 0.6), note=st.floats(0.01, 0.08), most=st.integers(6, 32))
def test_no_card_runs_dry_where_half_the_notes_would_fit(bed: float, note: float, most: int) -> None:
    """A crowd of notes comes within a second, as a busy ledger brings it, on a machine that is up to half too slow."""
    assume(bed + note * most < 1.5 and bed + note * (most // 2) < 0.95)
    relief, held, sounding = PolyphonyLimiter(most), BUFFER, 0.0
    for _ in blocks(20.0):
        wanted = min(most, sounding + most * BLOCK)
        shed = (sounding - relief.leads) * BLOCK / SHED
        sounding = wanted if wanted <= relief.leads else max(relief.leads, sounding - max(0.0, shed))
        spent = (bed + note * sounding) * BLOCK
        held = min(BUFFER, held - spent + BLOCK)
        assert held > 0.0
        relief.after(spent, BLOCK)
