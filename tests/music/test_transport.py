# SPDX-License-Identifier: Apache-2.0
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.music.transport import Moment, Transport

RATE = 48_000
tempos = st.floats(30, 180)


def test_the_first_block_begins_with_beat_nought() -> None:
    transport = Transport(RATE)
    assert transport.now == Moment(0.0, 0.0, 60.0)
    assert transport.advance(512, 120.0) == [Moment(0.0, 0.0, 120.0)]
    assert transport.advance(512, 120.0) == []


def test_beats_fall_where_the_tempo_puts_them() -> None:
    transport = Transport(RATE)
    beats = [beat for _ in range(999) for beat in transport.advance(480, 90.0)]
    assert [beat.beat for beat in beats] == list(range(15))
    assert [beat.seconds for beat in beats] == pytest.approx([index / 1.5 for index in range(15)], abs=1e-9)
    assert beats[0].beat_seconds == pytest.approx(2 / 3)


def test_a_long_block_holds_every_beat_that_begins_in_it() -> None:
    assert [beat.beat for beat in Transport(RATE).advance(RATE * 3, 60.0)] == [0.0, 1.0, 2.0]


@given(st.lists(tempos, min_size=1, max_size=400), st.sampled_from([256, 512, 1024]))
def test_no_turn_of_the_knob_skips_or_doubles_a_beat(turns: list[float], block: int) -> None:
    transport = Transport(RATE)
    begun: list[Moment] = []
    for tempo in turns:
        before = transport.now
        begun += transport.advance(block, tempo)
        after = transport.now
        assert after.beat - before.beat == pytest.approx(block / RATE * tempo / 60)
    assert [beat.beat for beat in begun] == list(range(len(begun)))
    assert begun[-1].beat <= transport.now.beat < begun[-1].beat + 1
    assert all(a.seconds < b.seconds for a, b in itertools.pairwise(begun))
    assert transport.now.seconds == pytest.approx(len(turns) * block / RATE)


def test_a_week_loses_no_precision() -> None:
    transport = Transport(RATE)
    for _ in range(7 * 24):
        transport.advance(3600 * RATE, 60.0)
    assert transport.now.beat == pytest.approx(7 * 86_400, abs=1e-6)
    assert transport.now.seconds == 7 * 86_400
