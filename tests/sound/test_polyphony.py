# SPDX-License-Identifier: Apache-2.0
"""The polyphony limiter, on machines whose load is linear: so much for the bed, and so much more for each note."""

from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from appliance.sound.polyphony import FEWEST, RESTORE, RESTORE_MAX, SETTLE, PolyphonyLimiter

BLOCK = 512 / 48_000  # s
BUFFER = 0.107  # s that a card holds of the default latency
SHED = 0.1  # s that a voice takes to fall silent


def blocks(seconds: float) -> range:
    return range(round(seconds / BLOCK))


def after(limiter: PolyphonyLimiter, load: float, seconds: float) -> int:
    for _ in blocks(seconds):
        limiter.after(load * BLOCK, BLOCK)
    return limiter.leads


def test_a_machine_with_time_keeps_all_notes() -> None:
    assert after(PolyphonyLimiter(16), 0.7, 3600.0) == 16


def test_a_late_machine_halves_at_once_and_again_down_to_the_fewest() -> None:
    limiter = PolyphonyLimiter(16)
    assert after(limiter, 0.9, 0.6) == 8
    assert after(limiter, 0.9, SETTLE) == 4
    assert after(limiter, 5.0, 10.0) == FEWEST


def test_one_late_block_changes_nothing() -> None:
    limiter = PolyphonyLimiter(16)
    for _ in range(20):
        after(limiter, 0.2, 1.0)
        assert limiter.after(60.0, BLOCK) == 16  # it was suspended for a minute


def test_notes_are_restored_after_a_minute_of_low_load() -> None:
    limiter = PolyphonyLimiter(16)
    after(limiter, 0.9, 1.2)
    assert limiter.leads == 4
    assert after(limiter, 0.4, RESTORE - 1.0) == 4
    assert after(limiter, 0.4, 2.5) == 8
    assert after(limiter, 0.4, RESTORE - 3.0) == 8
    assert after(limiter, 0.4, 4.0) == 16
    assert after(limiter, 0.4, 3600.0) == 16


def test_between_the_two_thresholds_nothing_changes() -> None:
    limiter = PolyphonyLimiter(16)
    after(limiter, 0.9, 0.6)
    assert after(limiter, 0.6, 3600.0) == 8


def test_notes_that_were_restored_too_soon_are_restored_less_often() -> None:
    """A machine that has time for half of the notes: all of them are tried less and less often."""
    limiter = PolyphonyLimiter(16)
    changes = []
    for index in blocks(2 * 3600.0):
        before = limiter.leads
        load = 1.0 if before == 16 else 0.4
        if limiter.after(load * BLOCK, BLOCK) < before:
            changes.append(index * BLOCK)
    pauses = [later - earlier for earlier, later in pairwise(changes)]
    assert pauses[0] == pytest.approx(RESTORE, abs=2.0)
    assert pauses[1] == pytest.approx(2 * RESTORE, abs=2.0)
    assert pauses[-1] == pytest.approx(RESTORE_MAX, abs=2.0)
    assert pauses == pytest.approx(sorted(pauses), abs=0.1)


def test_after_a_long_time_of_low_load_notes_are_restored_as_soon_as_at_first() -> None:
    limiter = PolyphonyLimiter(16)
    for _ in range(4):
        after(limiter, 0.9, 0.6)
        after(limiter, 0.4, RESTORE_MAX)
        assert limiter.leads == 16
    after(limiter, 0.4, 3 * RESTORE_MAX)
    after(limiter, 0.9, 0.6)
    after(limiter, 0.4, RESTORE + 2.0)
    after(limiter, 0.9, 0.6)
    assert after(limiter, 0.4, RESTORE + 2.0) == 8
    assert after(limiter, 0.4, RESTORE + 2.0) == 16


@given(bed=st.floats(0.2, 0.6), note=st.floats(0.01, 0.08), most=st.integers(6, 32))
def test_no_card_runs_dry_where_half_the_notes_would_fit(bed: float, note: float, most: int) -> None:
    """Many notes begin within a second, as after a busy ledger, on a machine that is up to half too slow."""
    assume(bed + note * most < 1.5 and bed + note * (most // 2) < 0.95)
    limiter, held, sounding = PolyphonyLimiter(most), BUFFER, 0.0
    for _ in blocks(20.0):
        wanted = min(most, sounding + most * BLOCK)
        shed = (sounding - limiter.leads) * BLOCK / SHED
        sounding = wanted if wanted <= limiter.leads else max(limiter.leads, sounding - max(0.0, shed))
        spent = (bed + note * sounding) * BLOCK
        held = min(BUFFER, held - spent + BLOCK)
        assert held > 0.0
        limiter.after(spent, BLOCK)
