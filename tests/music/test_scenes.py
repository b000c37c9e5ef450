# SPDX-License-Identifier: Apache-2.0
"""Scenes: the rule of the page of 2018 by a hand-worked example, and the change from one scene to another."""

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, repeat
from pickletools import genops
from random import Random
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.music.composer import Composer
from appliance.music.harmony import RELEASE
from appliance.music.queue import Waiting
from appliance.music.scales import Scale, clash
from appliance.music.scene import Melody, MelodyContext, Scene
from appliance.music.scenes import SCENES, original
from appliance.music.scenes.original import Original, low_word
from appliance.music.transport import Moment
from appliance.values import Amount, Kind, Ledger, Note, Voice

WIND, NIGHT, ORIGINAL = (SCENES[name] for name in ("wind", "night", "original"))
C = Scale("wind", 0)


class Dice(Random):
    """Throws what it was told, and then always 0.0, at which no tick of the page plays."""

    def __init__(self, throws: Sequence[float]) -> None:
        super().__init__(1)
        self.throws: Iterator[float] = chain(throws, repeat(0.0))

    def random(self) -> float:
        return next(self.throws)


def ledger(*sizes: int) -> Ledger:
    return Ledger(1, 0, len(sizes), 1, 0, tuple(Amount(size, Kind.PAYMENT, True, 1) for size in sizes))


def melody(throws: Sequence[float] = (), *, quirks: bool = True, root: int = 0) -> Original:
    """The page's melody on a stage of its own, with loaded dice."""
    composer = Composer(ORIGINAL, Scale("wind", root), Random(1), quirks=quirks)
    it = cast(Original, composer._melody)
    it._rng = Dice(throws)
    return it


def at(seconds: float, tempo: float = 60.0) -> Moment:
    return Moment(seconds * tempo / 60.0, seconds, tempo)


# By hand, as the page's source says. Amounts arrive in this order, in stroops:
#
#   amount      largest so far   amount / largest x 9   height
#   900         900              9                      9
#   450         900              4.5                    5
#   440         900              4.4                    5, as the last one in the queue: left out
#   2**32 + 90  900 (low: 90)    0.9                    1
#   2**32       -                low word is 0          not taken at all
#   2**31       -                low word is negative   not taken at all
#   1800        1800             9                      9
#   900         1800             4.5                    5
#
# Queue: 9 5 1 9 5. The notes by height: 0 Eb3 51, 1 G3 55, 2 Ab3 56, 3 A3 57, 4 C4 60, 5 D4 62, 6 Eb4 63, 7 G4 67,
# 8 Ab4 68, 9 A4 69. Each tick throws once: above 1/2 it plays. A height of 1 throws for a note: the whole part of
# nine times the throw. Then each note throws for its length: above 1/2 a sixteenth, 0.125 s, else an eighth, 0.25 s.
#
#   tick  s    throw   plays
#   0     0.0  0.6     height 9: A4 69; throws 0.7: 0.125 s
#   1     0.5  0.5     nothing: not above 1/2
#   2     1.0  0.9     height 5: D4 62; throws 0.5: 0.25 s
#   3     1.5  0.51    height 1: throws 0.7: 6.3, so 6: Eb4 63; throws 0.1: 0.25 s
#   4     2.0  0.1     nothing
#   5     2.5  0.8     height 9: A4 69; throws 0.9: 0.125 s
#   6     3.0  0.8     height 5: D4 62; throws 0.2: 0.25 s
#   7     3.5  0.9     nothing: the queue is empty
AMOUNTS = (900, 450, 440, 2**32 + 90, 2**32, 2**31, 1800, 900)
THROWS = (0.6, 0.7, 0.5, 0.9, 0.5, 0.51, 0.7, 0.1, 0.1, 0.8, 0.9, 0.8, 0.2, 0.9)
PLAYED = [(0.0, 69, 0.125), (1.0, 62, 0.25), (1.5, 63, 0.25), (2.5, 69, 0.125), (3.0, 62, 0.25)]


@pytest.mark.parametrize("tempo", [30.0, 60.0, 95.0, 180.0])
def test_the_page_of_2018_by_hand(tempo: float) -> None:
    it = melody(THROWS)
    it.hear(ledger(*AMOUNTS), at(0.0, tempo))
    played = []
    for beat in range(int(4.0 * tempo / 60.0)):
        now = at(beat * 60.0 / tempo, tempo)
        for note in it.beat(now):
            played.append(
                (now.seconds + note.delay * now.beat_seconds, note.pitch, note.duration * now.beat_seconds)
            )
            assert note.amount
            assert note.waited == now.seconds
    assert [pitch for _, pitch, _ in played] == [pitch for _, pitch, _ in PLAYED]
    for (seconds, _, length), (when, _, long) in zip(played, PLAYED, strict=True):
        assert seconds == pytest.approx(when)
        assert length == pytest.approx(long)


def test_the_page_goes_by_the_root_of_the_owner() -> None:
    it = melody((0.9, 0.9), root=2)
    it.hear(ledger(5), at(0.0))
    assert [note.pitch for note in it.beat(at(0.0))] == [71]


def test_a_knob_turned_within_a_beat_leaves_no_tick_behind() -> None:
    it = melody((0.0, 0.9, 0.9))
    it.hear(ledger(5), at(0.0))
    assert it.beat(at(0.0, 180.0)) == []
    (note,) = it.beat(Moment(1.0, 1.8, 180.0))  # the knob went down to 30 within the beat
    assert note.delay == 0.0


def test_exact_amounts_go_flat_and_quirks_keep_them_apart() -> None:
    rng = Random(4)
    # Offers that a whale of this size once dwarfed; the low words of large numbers are as good as chance.
    sizes = [2**62, *(int(rng.lognormvariate(21.8, 5.0)) + 1 for _ in range(300))]
    heights = {}
    for quirks in (False, True):
        it = melody(quirks=quirks)
        it.hear(ledger(*sizes), at(0.0))
        heights[quirks] = {height for height, *_ in it._queue}
    assert heights[True] >= {1, 2, 3, 5, 7, 9}
    assert heights[False] <= {1, 2, 9}


@given(st.integers(1, 2**200))
def test_a_low_word_is_a_signed_number_of_32_bits(stroops: int) -> None:
    low = low_word(Amount(stroops, Kind.PAYMENT, True, 1))
    assert -(2**31) <= low < 2**31
    assert (low - stroops) % 2**32 == 0


def test_the_endless_queue_ends_where_memory_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(original, "ENDLESS", 3)
    it = melody()
    it.hear(ledger(900, 500, 300, 900, 500), at(0.0))
    assert [height for height, *_ in it._queue] == [9, 5, 3]
    assert [waiting.amount.stroops for waiting in it.rest()] == [900, 500, 300]


def made(it: Original) -> int:
    """How many objects of classes of ours are in a pack of it: each costs thirty numbers."""
    return sum(opcode.name in ("NEWOBJ", "BUILD", "REDUCE") for opcode, _, _ in genops(pickle.dumps(it)))


def test_hours_of_the_page_are_packed_as_numbers() -> None:
    it = melody()
    it._rng = Random(1)
    it.hear(ledger(900, 500), at(0.0))
    few = made(it)
    it.hear(ledger(*(400, 300) * 500), at(1.0))
    assert len(it._queue) > 1000
    assert made(it) == few


def test_the_page_does_not_hum() -> None:
    composer = Composer(ORIGINAL, C, Random(1))
    assert not [n for s in range(100) for n in composer.beat(at(float(s))) if n.voice is Voice.MURMUR]


# --- from one scene to another ------------------------------------------------------------------------------


def perform(composer: Composer, begin: int, end: int) -> list[tuple[float, Note]]:
    score = []
    for second in range(begin, end):
        composer.hear(at(float(second)))
        score += [(second + note.delay, note) for note in composer.beat(at(float(second)))]
    return score


def played(score: list[tuple[float, Note]]) -> list[int]:
    return [note.amount.stroops for _, note in score if note.amount]


@pytest.mark.parametrize("way", [(WIND, NIGHT), (NIGHT, WIND)])
def test_no_amount_is_lost_on_the_way(way: tuple[Scene, Scene]) -> None:
    composer = Composer(way[0], C, Random(1))
    sizes = range(1, 10)
    composer.queue.put(ledger(*sizes))
    first = perform(composer, 0, 2)
    composer.enter(way[1], at(2.0))
    assert 0 < len(played(first)) < 9
    assert sorted(played(first) + played(perform(composer, 2, 90))) == sorted(sizes)


def test_what_grew_old_on_the_page_is_no_news_elsewhere() -> None:
    composer = Composer(ORIGINAL, C, Random(1))
    composer.queue.put(ledger(*(2**30 + size * 2**27 for size in range(8))))
    perform(composer, 0, 1)
    composer.enter(WIND, at(30.0))
    assert played(perform(composer, 30, 40)) == []


@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("way", [(WIND, NIGHT), (WIND, ORIGINAL), (ORIGINAL, WIND)])
def test_the_new_chord_begins_with_the_next_beat_and_bears_the_old_one(
    way: tuple[Scene, Scene], seed: int
) -> None:
    composer = Composer(way[0], C, Random(seed))
    before = perform(composer, 0, 100)
    composer.enter(way[1], at(100.0))
    after = perform(composer, 100, 101)
    chord = {note.pitch % 12 for _, note in after if note.voice is Voice.PAD}
    sounding = {
        note.pitch % 12
        for begins, note in before
        if note.voice is Voice.PAD and begins + note.duration + RELEASE > 100.0
    }
    assert chord
    assert not any(clash(tone, sounding) for tone in chord)
    assert composer.scale.name == (way[1].scale or "wind")
    if way[1] is NIGHT:
        latest = max(begins for begins, note in before if note.voice is Voice.PAD)
        assert chord == {
            note.pitch % 12 for begins, note in before if note.voice is Voice.PAD and begins == latest
        }


def test_what_was_learnt_goes_along() -> None:
    composer = Composer(WIND, C, Random(1))
    composer.queue.put(ledger(*range(1000, 1400)))
    perform(composer, 0, 20)
    composer.enter(NIGHT, at(20.0))
    composer.queue.put(ledger(1))
    (low,) = [note for _, note in perform(composer, 20, 30) if note.amount]
    assert low.pitch <= NIGHT.low + 8  # against an empty ranking it would stand in the middle


def test_a_scene_is_known_to_nobody_but_its_name() -> None:
    for name, scene in SCENES.items():
        assert scene.name == name
        # No two of one height follow each other: those the page would take for one.
        waiting = tuple(Waiting(Amount(size, Kind.PAYMENT, True, 1), 0.0, 0.0) for size in (9, 1, 8, 4))
        assert tuple(scene.melody(stage_with(scene, waiting)).rest()) == waiting


def stage_with(scene: Scene, waiting: tuple[Waiting, ...]) -> MelodyContext:
    stages: list[MelodyContext] = []

    def remember(stage: MelodyContext) -> Melody:
        stages.append(stage)
        return scene.melody(stage)

    Composer(replace(scene, melody=remember), C, Random(1))
    return replace(stages[0], waiting=waiting)
