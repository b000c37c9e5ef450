# SPDX-License-Identifier: Apache-2.0
"""Scenes: the rule of the page of 2018 by a hand-worked example, and the change from one scene to another."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, repeat
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.music.composer import Composer
from appliance.music.harmony import RELEASE
from appliance.music.phrase import Candidates
from appliance.music.queue import Waiting
from appliance.music.scales import Scale, clash
from appliance.music.scene import Melody, MelodyContext, Scene
from appliance.music.scenes import SCENES, original
from appliance.music.scenes.original import Original, low_word
from appliance.music.transport import Moment
from appliance.values import Amount, Kind, Ledger, Note, Voice

WIND, NIGHT, RAIN, ORIGINAL = (SCENES[name] for name in ("wind", "night", "rain", "original"))
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


def context(scene: Scene, scale: Scale = C) -> MelodyContext:
    """What a composer gives to the melody of a scene."""
    contexts: list[MelodyContext] = []

    def remember(context: MelodyContext) -> Melody:
        contexts.append(context)
        return scene.melody(context)

    Composer(replace(scene, melody=remember), scale, Random(1))
    return contexts[0]


def melody(throws: Sequence[float] = (), *, root: int = 0) -> Original:
    """The page's melody with loaded dice."""
    return Original(replace(context(ORIGINAL, Scale("wind", root)), rng=Dice(throws)))


def at(seconds: float, tempo: float = 60.0) -> Moment:
    return Moment(seconds * tempo / 60.0, seconds, tempo)


def queue_up(original: Original, *sizes: int) -> None:
    """Add a ledger of amounts of these stroops at the first moment."""
    for _ in original.add(ledger(*sizes), Candidates(), at(0.0)):
        pass


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
    queue_up(it, *AMOUNTS)
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


def test_the_page_is_transposed_to_the_root_of_the_settings() -> None:
    it = melody((0.9, 0.9), root=2)
    queue_up(it, 5)
    assert [note.pitch for note in it.beat(at(0.0))] == [71]


def test_a_tick_that_a_change_of_tempo_left_behind_is_played_at_once() -> None:
    it = melody((0.0, 0.9, 0.9))
    queue_up(it, 5)
    assert it.beat(at(0.0, 180.0)) == []
    (note,) = it.beat(Moment(1.0, 1.8, 180.0))  # the knob went down to 30 within the beat
    assert note.delay == 0.0


def test_amounts_of_all_sizes_are_spread_over_the_notes() -> None:
    rng = Random(4)
    # After an offer of 2**62 the exact amounts would all have a height of 1; the low words differ like random numbers.
    sizes = [2**62, *(int(rng.lognormvariate(21.8, 5.0)) + 1 for _ in range(300))]
    it = melody([0.9] * 2000)
    queue_up(it, *sizes)
    pitches = {note.pitch for second in range(300) for note in it.beat(at(float(second)))}
    assert pitches >= {original.NOTES[height] for height in (2, 3, 5, 7, 9)}


@given(st.integers(1, 2**200))
def test_a_low_word_is_a_signed_number_of_32_bits(stroops: int) -> None:
    low = low_word(Amount(stroops, Kind.PAYMENT, True, 1))
    assert -(2**31) <= low < 2**31
    assert (low - stroops) % 2**32 == 0


def test_the_queue_is_bounded_and_keeps_the_oldest() -> None:
    it = melody()
    sizes = [900, *(500, 300) * (original.MOST // 2 + 10)]
    queue_up(it, *sizes)
    assert [waiting.amount.stroops for waiting in it.waiting()] == sizes[: original.MOST]


def test_the_page_has_no_murmur() -> None:
    composer = Composer(ORIGINAL, C, Random(1))
    assert not [n for s in range(100) for n in composer.beat(at(float(s))) if n.voice is Voice.MURMUR]


# --- from one scene to another ------------------------------------------------------------------------------


def perform(composer: Composer, begin: int, end: int) -> list[tuple[float, Note]]:
    score = []
    for second in range(begin, end):
        score += [(second + note.delay, note) for note in composer.beat(at(float(second)))]
    return score


def take_in(composer: Composer, arrived: Ledger, second: float = 0.0) -> None:
    """Add a ledger, and take in all of it."""
    composer.add(arrived, at(second))
    while composer.take_in():
        pass


def played(score: list[tuple[float, Note]]) -> list[int]:
    return [note.amount.stroops for _, note in score if note.amount]


@pytest.mark.parametrize("way", [(WIND, NIGHT), (NIGHT, WIND), (WIND, RAIN), (RAIN, WIND)])
def test_a_change_of_scene_loses_no_amount(way: tuple[Scene, Scene]) -> None:
    composer = Composer(way[0], C, Random(1))
    sizes = range(1, 10)
    take_in(composer, ledger(*sizes))
    first = perform(composer, 0, 2)
    composer.enter(way[1], at(2.0))
    assert 0 < len(played(first)) < 9
    assert sorted(played(first) + played(perform(composer, 2, 90))) == sorted(sizes)


def test_amounts_that_expired_in_the_queue_of_the_page_are_not_played_by_another_scene() -> None:
    composer = Composer(ORIGINAL, C, Random(1))
    take_in(composer, ledger(*(2**30 + size * 2**27 for size in range(8))))
    perform(composer, 0, 1)
    composer.enter(WIND, at(30.0))
    assert played(perform(composer, 30, 40)) == []


@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize(
    "way", [(WIND, NIGHT), (WIND, ORIGINAL), (ORIGINAL, WIND), (WIND, RAIN), (RAIN, WIND)]
)
def test_the_new_chord_begins_with_the_next_beat_and_fits_the_old_one(
    way: tuple[Scene, Scene], seed: int
) -> None:
    composer = Composer(way[0], C, Random(seed))
    before = perform(composer, 0, 100)
    composer.enter(way[1], at(100.0))
    after = perform(composer, 100, 112)
    assert any(note.voice is Voice.PAD for _, note in after[:3])
    chord = {note.pitch % 12 for _, note in after if note.voice is Voice.PAD}
    sounding = {
        note.pitch % 12
        for begins, note in before
        if note.voice is Voice.PAD and begins + note.duration + RELEASE > 100.0
    }
    assert not any(clash(tone, sounding) for tone in chord)
    assert composer.scale.name == (way[1].scale or "wind")
    if way[1] is NIGHT:
        # The chord is the same, though its pitches may not be.
        assert chord <= {
            note.pitch % 12
            for begins, note in before
            if note.voice is Voice.PAD and begins + note.duration > 100.0
        }


def test_the_ranking_is_kept_with_another_scene() -> None:
    composer = Composer(WIND, C, Random(1))
    take_in(composer, ledger(*range(1000, 1400)))
    perform(composer, 0, 20)
    composer.enter(NIGHT, at(20.0))
    take_in(composer, ledger(1), 20.0)
    (low,) = [note for _, note in perform(composer, 20, 30) if note.amount]
    assert low.pitch <= NIGHT.low + 8  # against an empty ranking it would stand in the middle


def test_every_scene_has_its_name_and_hands_over_what_waits() -> None:
    for name, scene in SCENES.items():
        assert scene.name == name
        # No two of one height in a row, of which the page drops one.
        waiting = tuple(Waiting(Amount(size, Kind.PAYMENT, True, 1), 0.0, 0.0) for size in (9, 1, 8, 4))
        assert tuple(scene.melody(replace(context(scene), waiting=waiting)).waiting()) == waiting
