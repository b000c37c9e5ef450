# SPDX-License-Identifier: Apache-2.0
"""The performer, on a part whose passages are written here and on an instrument that writes down its calls."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.sound import SAMPLE_RATE
from appliance.sound.performer import FADE_IN, FADE_OUT, MUTE, TURN, NullInstrument, Performer
from appliance.sound.polyphony import RESTORE, PolyphonyLimiter
from appliance.values import Bed, Context, Controls, Ledger, Note, NoteEvent, Passage, Voice
from tests.support.written import Written

BLOCK = 512
CONTROLS = Controls(0.7, 60.0, "public")
BED = Bed(0.1, 0.2, 0.3)


def event(pitch: int, seconds: float = 0.0) -> NoteEvent:
    return NoteEvent(Note(pitch, 0.5, 1.0, Voice.BELL), seconds, seconds, 1.0)


class Recorder(NullInstrument):
    """An instrument that writes down its calls."""

    def __init__(self) -> None:
        super().__init__(BLOCK)
        self.calls: list[tuple[str, object]] = []
        self.computed = 0  # blocks

    def play(self, event: NoteEvent) -> None:
        self.calls.append(("play", event))

    def release(self) -> None:
        self.calls.append(("release", None))

    def follow(self, bed: Bed) -> None:
        self.calls.append(("follow", bed))

    def breathe(self) -> None:
        self.calls.append(("breathe", None))

    def volume(self, position: float) -> None:
        self.calls.append(("volume", position))

    def fade(self, level: float, seconds: float) -> None:
        self.calls.append(("fade", (level, seconds)))

    def limit(self, leads: int) -> None:
        self.calls.append(("limit", leads))

    def compute(self, seconds: float) -> NDArray[np.float32]:
        self.calls.append(("compute", seconds))
        self.computed += 1
        return np.full((BLOCK, 2), self.computed, dtype=np.float32)

    def all(self, what: str) -> list[object]:
        return [value for kind, value in self.calls if kind == what]


def performer(passages: Mapping[int, Passage] | None = None) -> tuple[Performer, Recorder]:
    instrument = Recorder()
    return Performer(Written(passages), instrument), instrument


def blocks(seconds: float) -> range:
    return range(round(seconds * SAMPLE_RATE / BLOCK))


def test_time_is_what_was_computed() -> None:
    player, instrument = performer()
    for _ in blocks(3):
        player.block(CONTROLS)
    computed = instrument.all("compute")
    assert computed == pytest.approx([index * BLOCK / SAMPLE_RATE for index in range(len(computed))])
    assert player.seconds == pytest.approx(3, abs=BLOCK / SAMPLE_RATE)
    assert player.samples[0, 0] == len(computed)  # the last block that was computed


def test_the_part_is_asked_once_a_block_with_the_controls_of_the_moment() -> None:
    part = Written()
    player = Performer(part, Recorder())
    fast = replace(CONTROLS, tempo=120.0)
    for controls in (CONTROLS, fast, CONTROLS):
        assert player.block(controls).context.tempo == controls.tempo
    assert part.asked == [(BLOCK, CONTROLS), (BLOCK, fast), (BLOCK, CONTROLS)]


def test_a_passage_is_played_in_order_before_its_block_is_computed() -> None:
    context = Context("public", "night", "wind", "C", 60.0)
    passage = Passage(BLOCK / SAMPLE_RATE, context, (event(60), event(64)), BED, release=True)
    player, instrument = performer({1: passage})
    player.block(CONTROLS)
    instrument.calls.clear()
    assert player.block(CONTROLS) is passage
    assert [call for call in instrument.calls if call[0] not in ("volume", "fade")] == [
        ("release", None),
        ("follow", BED),
        ("play", event(60)),
        ("play", event(64)),
        ("compute", BLOCK / SAMPLE_RATE),
    ]
    instrument.calls.clear()
    player.block(CONTROLS)
    assert {kind for kind, _ in instrument.calls} == {"volume", "compute"}


def test_the_bed_breathes_once_with_each_block_that_brings_ledgers() -> None:
    context, closed = Context("public", "wind", "wind", "C", 60.0), Ledger(1, 0, 3, 1, 0, ())
    passages = {
        1: Passage(0.0, context, ledgers=(closed,)),
        3: Passage(0.0, context, ledgers=(closed, closed)),
    }
    player, instrument = performer(passages)
    for block, breaths in enumerate([0, 1, 1, 2, 2]):
        player.block(CONTROLS)
        assert len(instrument.all("breathe")) == breaths, block


def test_the_start_is_soft_and_the_end_is_a_fade() -> None:
    player, instrument = performer()
    for muted in (False, False, True, True, False, False):
        player.block(replace(CONTROLS, muted=muted))
    player.block(CONTROLS, leaving=True)
    player.block(CONTROLS, leaving=True)
    assert instrument.all("fade") == [(1.0, FADE_IN), (0.0, MUTE), (1.0, MUTE), (0.0, FADE_OUT)]
    assert set(instrument.all("volume")) == {0.7}


def test_another_piece_begins_after_a_fade_and_with_one() -> None:
    fades = [False, True, True, False, False]

    class Turning:
        def passage(self, frames: int, controls: Controls) -> Passage:
            return Passage(0.0, Context("public", "wind", "wind", "C", 60.0), fades=fades.pop(0))

    instrument = Recorder()
    player = Performer(Turning(), instrument)
    for muted in (False, False, False, False, True):
        player.block(replace(CONTROLS, muted=muted))
    assert instrument.all("fade") == [(1.0, FADE_IN), (0.0, TURN), (1.0, TURN), (0.0, MUTE)]


def test_a_box_that_starts_muted_is_silent_and_is_unmuted_with_a_short_fade() -> None:
    player, instrument = performer()
    player.block(replace(CONTROLS, muted=True))
    player.block(CONTROLS)
    assert instrument.all("fade") == [(0.0, MUTE), (1.0, MUTE)]


def test_dimming_lowers_the_volume() -> None:
    player, instrument = performer()
    player.block(replace(CONTROLS, dim=0.5))
    assert instrument.all("volume") == [0.35]


def test_a_slow_machine_plays_fewer_notes_and_all_of_them_when_it_has_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    now = [0.0]

    class Slow(Recorder):
        load = 0.9

        def compute(self, seconds: float) -> NDArray[np.float32]:
            now[0] += self.load * BLOCK / SAMPLE_RATE
            return super().compute(seconds)

    instrument = Slow()
    player = Performer(Written(), instrument, PolyphonyLimiter(16), lambda: now[0])
    for _ in blocks(0.6):
        player.block(CONTROLS)
    assert player.spent == pytest.approx(0.9 * BLOCK / SAMPLE_RATE)
    instrument.load = 0.3
    for _ in blocks(RESTORE + 3.0):
        player.block(CONTROLS)
    assert instrument.all("limit") == [8, 16]
    assert [record.args for record in caplog.records] == [(16, 8), (16,)]
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_an_instrument_that_rests_does_not_say_that_the_machine_has_time() -> None:
    now = [0.0]

    class Slow(Recorder):
        def compute(self, seconds: float) -> NDArray[np.float32]:
            now[0] += 0.0 if self.rests else 0.9 * BLOCK / SAMPLE_RATE
            return super().compute(seconds)

    instrument = Slow()
    player = Performer(Written(), instrument, PolyphonyLimiter(16), lambda: now[0])
    for _ in blocks(0.6):
        player.block(CONTROLS)
    instrument.rests = True
    for _ in blocks(RESTORE + 3.0):
        player.block(CONTROLS)
    assert instrument.all("limit") == [8]


def test_without_a_limiter_no_note_is_left_out_however_slow_the_machine_is() -> None:
    now = [0.0]

    def clock() -> float:
        now[0] += 1.0
        return now[0]

    instrument = Recorder()
    player = Performer(Written(), instrument, clock=clock)
    for _ in range(100):
        player.block(CONTROLS)
    assert player.spent == 1.0
    assert instrument.all("limit") == []
