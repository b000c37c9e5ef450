# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.music.composer import Composer
from appliance.music.scales import Scale
from appliance.music.scenes import SCENES
from appliance.sound import SAMPLE_RATE
from appliance.sound.performer import FADE_IN, FADE_OUT, MUTE, STRIDE, NullInstrument, Performer
from appliance.sound.polyphony import PATIENCE, PolyphonyLimiter
from appliance.values import Amount, Answer, Bed, Controls, Kind, Ledger, NoteEvent, Voice

BLOCK = 512
CONTROLS = Controls(0.7, 60.0, "public")


class Recorder(NullInstrument):
    """An instrument that remembers what it was told."""

    def __init__(self) -> None:
        super().__init__(BLOCK)
        self.told: list[tuple[str, object]] = []

    def play(self, sounded: NoteEvent) -> None:
        self.told.append(("play", sounded))

    def release(self) -> None:
        self.told.append(("let_go", None))

    def follow(self, bed: Bed) -> None:
        self.told.append(("follow", bed))

    def volume(self, position: float) -> None:
        self.told.append(("volume", position))

    def fade(self, level: float, seconds: float) -> None:
        self.told.append(("fade", (level, seconds)))

    def limit(self, leads: int) -> None:
        self.told.append(("limit", leads))

    def compute(self, seconds: float) -> NDArray[np.float32]:
        self.told.append(("compute", seconds))
        return super().compute(seconds)

    def all(self, what: str) -> list[object]:
        return [value for kind, value in self.told if kind == what]


def performer(seed: int = 1) -> tuple[Performer, Recorder]:
    instrument = Recorder()
    return Performer(Composer(SCENES["wind"], Scale("wind", 0), Random(seed)), instrument), instrument


def seconds(count: float) -> range:
    return range(round(count * SAMPLE_RATE / BLOCK))


def test_time_is_what_was_rendered() -> None:
    player, instrument = performer()
    for _ in seconds(3):
        player.block(CONTROLS)
    assert player.now.seconds == pytest.approx(3, abs=BLOCK / SAMPLE_RATE)
    computed = instrument.all("compute")
    assert computed == pytest.approx([index * BLOCK / SAMPLE_RATE for index in range(len(computed))])
    assert len(instrument.all("follow")) == 3  # once a beat


def test_notes_begin_at_their_intended_moment_within_the_block() -> None:
    player, instrument = performer()
    for index in seconds(5):
        begins = index * BLOCK / SAMPLE_RATE
        for sounded in player.block(CONTROLS):
            assert begins - 1e-9 <= sounded.seconds < begins + BLOCK / SAMPLE_RATE + 1e-9
            assert sounded.seconds == pytest.approx(sounded.beat)  # 60 bpm
            assert ("play", sounded) in instrument.told[-6 * BLOCK :]


def test_the_tempo_changes_without_a_jump_of_the_beat() -> None:
    player, _ = performer()
    tempos = [30.0, 180.0, 30.0, 95.5, 60.0]
    beats: list[float] = []
    for tempo in tempos:
        for _ in seconds(1.7):
            player.composer.queue.put(Ledger(1, 0, 9, 1, 0, (Amount(5, Kind.OFFER, True, 1),)))
            beats.append(player.now.beat)
            player.block(replace(CONTROLS, tempo=tempo))
    steps = [after - before for before, after in pairwise(beats)]
    assert min(steps) == pytest.approx(BLOCK / SAMPLE_RATE * 0.5)
    assert max(steps) == pytest.approx(BLOCK / SAMPLE_RATE * 3.0)


def test_the_start_is_soft_and_the_end_is_a_fade() -> None:
    player, instrument = performer()
    player.block(CONTROLS)
    player.block(replace(CONTROLS, muted=True))
    player.block(replace(CONTROLS, muted=True))
    player.block(CONTROLS)
    player.block(CONTROLS, leaving=True)
    assert instrument.all("fade") == [(1.0, FADE_IN), (0.0, MUTE), (1.0, MUTE), (0.0, FADE_OUT)]
    assert set(instrument.all("volume")) == {0.7}


def test_another_network_is_a_clean_page() -> None:
    player, _ = performer()
    player.block(CONTROLS)
    player.composer.queue.put(Ledger(1, 0, 1, 1, 0, (Amount(5, Kind.OFFER, True, 1),) * 3))
    begun = [sounded for _ in seconds(8) for sounded in player.block(replace(CONTROLS, network="testnet"))]
    assert not [sounded for sounded in begun if sounded.note.amount]


@pytest.mark.parametrize("tempo", [30.0, 60.0, 180.0])
def test_another_network_is_heard_a_beat_after_its_first_ledger_at_most(tempo: float) -> None:
    """The listener's answer takes a tenth of a second (make bench-faults): two seconds from hand to ear at 60 bpm."""
    for eighth in range(8):
        player, _ = performer()
        for _ in seconds(9 + eighth / 8):
            player.block(replace(CONTROLS, tempo=tempo))
        player.block(replace(CONTROLS, tempo=tempo, network="testnet"))
        came = player.now.seconds
        player.composer.queue.put(Ledger(1, 0, 1, 1, 0, (Amount(5, Kind.OFFER, True, 1),) * 3))
        begun = [
            s for _ in seconds(4) for s in player.block(replace(CONTROLS, tempo=tempo, network="testnet"))
        ]
        first = next(sounded.seconds for sounded in begun if sounded.note.amount)
        assert 0.0 <= first - came <= 60.0 / tempo + 0.02


def test_another_scene_lets_the_chord_go_and_begins_its_own_with_the_next_beat() -> None:
    player, instrument = performer()
    for _ in seconds(2.5):
        player.block(CONTROLS)
    assert instrument.all("let_go") == []
    begun = [s for _ in seconds(1) for s in player.block(replace(CONTROLS, scene="night"))]
    assert instrument.all("let_go") == [None]
    pads = [sounded for sounded in begun if sounded.note.voice is Voice.PAD]
    assert pads
    assert {sounded.beat for sounded in pads} == {3.0}


def test_an_amount_sounds_within_its_time() -> None:
    player, _ = performer()
    begun: list[NoteEvent] = []
    for index in seconds(30):
        if index % 500 == 100:
            player.composer.queue.put(
                Ledger(index, 0, 400, 1, 0, tuple(Amount(n + 1, Kind.OFFER, True, index) for n in range(400)))
            )
        begun += player.block(CONTROLS)
    heard = [sounded for sounded in begun if sounded.note.amount]
    assert len(heard) > 20
    assert all(-1.0 <= sounded.note.waited + sounded.note.delay <= 8.0 for sounded in heard)
    assert [sounded.beat for sounded in begun] == sorted(sounded.beat for sounded in begun)


def test_a_note_lasts_as_long_as_its_beats_do() -> None:
    player, _ = performer()
    pads = [
        s
        for _ in seconds(0.1)
        for s in player.block(replace(CONTROLS, tempo=120.0))
        if s.note.voice is Voice.PAD
    ]
    assert pads
    assert all(sounded.length == pytest.approx(sounded.note.duration / 2) for sounded in pads)


@pytest.mark.parametrize("tempo", [30.0, 180.0])
def test_a_hand_is_answered_at_once_once_and_at_its_own_pace(tempo: float) -> None:
    player, _ = performer()
    controls = replace(CONTROLS, tempo=tempo)
    for _ in seconds(8.3):
        player.block(controls)
    asked = player.now.seconds
    controls = replace(controls, answer=Answer(1, (0, 2, 4)))
    begun = [s for _ in seconds(3) for s in player.block(controls) if s.note.voice is Voice.CHIME]
    assert [s.seconds - asked for s in begun] == pytest.approx([0.0, STRIDE, 2 * STRIDE], abs=0.011)
    assert all(s.length == pytest.approx(0.6) for s in begun)
    again = [
        s
        for _ in seconds(1)
        for s in player.block(replace(controls, answer=Answer(2, (0, 2, 4))))
        if s.note.voice is Voice.CHIME
    ]
    assert len(again) == 3


def test_the_evening_turns_the_knob_down() -> None:
    player, instrument = performer()
    player.block(replace(CONTROLS, dim=0.5))
    assert instrument.all("volume") == [0.35]


def test_a_slow_machine_plays_fewer_notes_and_all_of_them_when_it_has_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = [0.0]

    class Slow(Recorder):
        load = 0.9

        def compute(self, seconds: float) -> NDArray[np.float32]:
            now[0] += self.load * BLOCK / SAMPLE_RATE
            return super().compute(seconds)

    instrument = Slow()
    composer = Composer(SCENES["wind"], Scale("wind", 0), Random(1))
    player = Performer(composer, instrument, PolyphonyLimiter(16), lambda: now[0])
    for _ in seconds(0.6):
        player.block(CONTROLS)
    instrument.load = 0.3
    for _ in seconds(PATIENCE + 3.0):
        player.block(CONTROLS)
    assert instrument.all("limit") == [8, 16]
    assert "too slowly for 16 notes at once: from now on there are 8" in caplog.text


def test_a_file_has_time() -> None:
    player, instrument = performer()
    player.block(CONTROLS)
    assert instrument.all("limit") == []
