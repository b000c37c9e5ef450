# SPDX-License-Identifier: Apache-2.0
"""The scene `rain`: when its drops fall, how high, and what it does with too many."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest

from appliance.music.composer import Composer
from appliance.music.harmony import RELEASE
from appliance.music.phrase import Candidates
from appliance.music.queue import EXPIRY, ROOM, Waiting
from appliance.music.scales import STEPS, Scale, clash
from appliance.music.scene import Melody, MelodyContext
from appliance.music.scenes import SCENES
from appliance.music.scenes.rain import HEAVIEST, HIGHEST, RAIN, moment
from appliance.music.transport import Moment
from appliance.values import Amount, Kind, Ledger, Note, Voice

INTERVAL = 6  # s between ledgers
Score = list[tuple[float, Note]]  # each note with its moment in seconds


def at(seconds: float, tempo: float = 60.0) -> Moment:
    return Moment(seconds * tempo / 60.0, seconds, tempo)


def ledger(sizes: Sequence[int]) -> Ledger:
    return Ledger(1, 0, len(sizes), 1, 0, tuple(Amount(size, Kind.OFFER, True, 1) for size in sizes))


def sizes(rng: Random, count: int) -> list[int]:
    return [int(rng.lognormvariate(18, 3)) + 1 for _ in range(count)]


def rain(root: int = 0, *, invert: bool = False) -> Composer:
    return Composer(RAIN, Scale("wind", root), Random(1), invert=invert)


def fall(composer: Composer, arriving: dict[int, Ledger], seconds: int, tempo: float = 60.0) -> Score:
    """Play for so many seconds; the ledgers arrive with the beats of these numbers. Only the drops."""
    score: Score = []
    for beat in range(int(seconds * tempo / 60.0)):
        now = at(beat * 60.0 / tempo, tempo)
        if beat in arriving:
            composer.add(arriving[beat], now)
            while composer.take_in():
                pass
        score += [(now.seconds + note.delay * now.beat_seconds, note) for note in composer.beat(now)]
    return [(seconds, note) for seconds, note in score if note.amount]


def network(seconds: int, count: int = 200, tempo: float = 60.0, seed: int = 2) -> dict[int, Ledger]:
    """A ledger of so many amounts with the beats at every INTERVAL."""
    rng, beats = Random(seed), int(INTERVAL * tempo / 60.0)
    return {beat: ledger(sizes(rng, count)) for beat in range(0, int((seconds - 12) * tempo / 60.0), beats)}


def begin(waiting: Sequence[Waiting] = ()) -> Melody:
    """The melody alone, with amounts that another scene has left to it."""
    melodies: list[Melody] = []

    def remember(context: MelodyContext) -> Melody:
        melodies.append(RAIN.melody(replace(context, waiting=tuple(waiting))))
        return melodies[-1]

    Composer(replace(RAIN, melody=remember), Scale("wind", 0), Random(1))
    return melodies[0]


def add(melody: Melody, arrived: Ledger, now: Moment) -> None:
    candidates = Candidates()
    candidates.add(arrived.amounts)
    for _ in melody.add(arrived, candidates, now):
        pass


def test_it_is_dense_after_a_close_and_thins_out_until_the_next() -> None:
    drops = fall(rain(), network(240), 240)
    in_second = [sum(int(seconds % INTERVAL) == second for seconds, _ in drops) for second in range(INTERVAL)]
    assert all(more > fewer for more, fewer in pairwise(in_second))
    assert in_second[0] > 5 * in_second[-1] > 0
    assert 1.0 < len(drops) / 228 < 2.5


def test_the_shares_fall_within_the_interval_and_ever_more_rarely() -> None:
    moments = [moment(share / 10) for share in range(11)]
    assert moments[0] == 0.0
    assert moments[-1] == pytest.approx(1.0)
    gaps = [after - before for before, after in pairwise(moments)]
    assert gaps == sorted(gaps)


@pytest.mark.parametrize("invert", [False, True])
def test_a_larger_amount_is_a_lower_drop_unless_the_settings_reverse_it(invert: bool) -> None:
    drops = fall(rain(invert=invert), network(120), 120)[20:]
    by_size = sorted(
        (note for _, note in drops if note.velocity < 1.0),
        key=lambda note: note.amount.stroops if note.amount else 0,
    )
    third = len(by_size) // 3
    small, large = (sum(note.pitch for note in part) / third for part in (by_size[:third], by_size[-third:]))
    assert (large - small if invert else small - large) > 12


def test_a_large_amount_is_longer_and_darker() -> None:
    drops = [note for _, note in fall(rain(), network(120), 120) if note.velocity < 1.0]
    low = [note for note in drops if note.pitch < 69]
    high = [note for note in drops if note.pitch > 84]
    assert min(note.bright for note in high) > max(note.bright for note in low)
    assert sum(note.duration for note in low) / len(low) > 1.5 * sum(note.duration for note in high) / len(
        high
    )


@pytest.mark.parametrize("root", range(12))
def test_it_has_a_major_scale_on_the_root_of_the_settings(root: int) -> None:
    composer = rain(root)
    pitches = [note.pitch for _, note in fall(composer, network(60), 60)]
    assert composer.scale == Scale("major-pentatonic", root)
    assert {(pitch - root) % 12 for pitch in pitches} == set(STEPS["major-pentatonic"])
    assert max(pitches) <= HIGHEST
    assert all(one != other for one, other in pairwise(pitches))


@pytest.mark.parametrize("tempo", [30.0, 60.0, 180.0])
@pytest.mark.parametrize("count", [1, 40, 1000])
def test_no_amount_is_late(tempo: float, count: int) -> None:
    drops = fall(rain(), network(90, count, tempo), 90, tempo)
    delays = sorted(note.waited + note.delay * 60.0 / tempo for _, note in drops)
    assert delays[int(0.95 * len(delays))] <= 8.0
    assert delays[-1] <= 12.0
    assert all(note.delay < 1.0 for _, note in drops)


def test_between_two_beats_a_ledger_begins_to_fall_with_the_next() -> None:
    melody = begin()
    add(melody, ledger(range(1, 400)), at(0.5, 30.0))
    assert min(waiting.due for waiting in melody.waiting()) >= 2.0
    drops = melody.beat(at(2.0, 30.0))
    assert len(drops) > 3
    assert all(note.waited == 1.5 for note in drops)


def test_every_amount_of_a_quiet_network_falls() -> None:
    arriving = {12 * index: ledger([index + 1] * (5 * (index % 3))) for index in range(10)}
    drops = fall(rain(), arriving, 140)
    assert sorted(note.amount.stroops for _, note in drops if note.amount) == sorted(
        amount.stroops for it in arriving.values() for amount in it.amounts
    )


def test_more_operations_are_more_drops() -> None:
    def drops(busy: dict[int, Ledger]) -> int:
        return sum(seconds > 120 for seconds, _ in fall(rain(), {**network(180), **busy}, 180))

    rng, beats = Random(3), range(90, 168, INTERVAL)
    usual = drops({})
    assert drops({beat: ledger(sizes(rng, 1600)) for beat in beats}) > 1.2 * usual
    assert drops({beat: ledger(sizes(rng, 40)) for beat in beats}) < 0.8 * usual


def test_an_amount_that_repeats_wanders_through_its_span() -> None:
    pitches = [
        note.pitch for _, note in fall(rain(), {beat: ledger([700] * 5) for beat in range(0, 90, 6)}, 100)
    ]
    assert len(set(pitches[-40:])) > 6


def test_a_flood_of_ledgers_is_bounded_and_its_rest_expires() -> None:
    melody = begin([Waiting(Amount(size, Kind.OFFER, True, 1), 0.0, 0.0) for size in range(1, 500)])
    assert len(list(melody.waiting())) == ROOM
    for second in range(12):
        drops = melody.beat(at(float(second)))
        assert len(drops) <= HEAVIEST
        assert all(0.0 <= note.delay < 1.0 for note in drops)
        assert len({note.delay for note in drops}) == len(drops)  # not in one heap
    for _ in range(20):
        add(melody, ledger(sizes(Random(1), 300)), at(12.0))
    assert len(list(melody.waiting())) == ROOM
    flood = fall(rain(), {beat: ledger(sizes(Random(beat), 300)) for beat in range(20)}, 40)
    for second in range(40):
        assert sum(second <= seconds < second + 1 for seconds, _ in flood) <= HEAVIEST


def test_what_has_expired_in_another_scene_does_not_fall() -> None:
    old, young = (
        Waiting(Amount(size, Kind.OFFER, True, 1), arrived, arrived) for size, arrived in ((1, 0.0), (2, 4.0))
    )
    melody = begin([old, young])
    assert [note.amount for note in melody.beat(at(EXPIRY + 1.0))] == [young.amount]


@pytest.mark.parametrize("invert", [False, True])
def test_nothing_is_so_high_that_its_harmonics_would_be_folded_back(invert: bool) -> None:
    composer, arriving = rain(invert=invert), network(150)
    arriving[120] = ledger([*(amount.stroops for amount in arriving[120].amounts), 10**17])
    notes: list[Note] = []
    for second in range(150):
        if second in arriving:
            composer.add(arriving[second], at(float(second)))
            while composer.take_in():
                pass
        notes += composer.beat(at(float(second)))
    assert max(note.pitch for note in notes) <= HIGHEST


def test_an_event_is_a_low_drop_with_a_splash_and_nothing_else_is_as_loud() -> None:
    composer, arriving = rain(), network(150)
    largest = Amount(10**17, Kind.PAYMENT, True, 9)
    usual = arriving[120]
    arriving[120] = replace(usual, amounts=(*usual.amounts, largest))
    score: Score = []
    for second in range(150):
        if second in arriving:
            composer.add(arriving[second], at(float(second)))
            while composer.take_in():
                pass
        score += [(second + note.delay, note) for note in composer.beat(at(float(second))) if second >= 120]
    ((moment_, event),) = [(seconds, note) for seconds, note in score if note.amount == largest]
    assert event.velocity == 1.0
    assert event.pitch < min(note.pitch for _, note in score if note.amount and note.amount != largest)
    splash = [note for seconds, note in score if moment_ < seconds < moment_ + 0.2 and not note.amount]
    assert len(splash) == 2
    assert all(note.pitch >= event.pitch + 24 for note in splash)
    assert max(note.velocity for _, note in score if note is not event) < 0.8


@pytest.mark.parametrize("seed", range(1, 9))
@pytest.mark.parametrize("name", ["wind", "original"])
def test_no_drop_clashes_with_the_bed_of_the_scene_before(seed: int, name: str) -> None:
    composer = Composer(SCENES[name], Scale("wind", 0), Random(seed))
    score: Score = []
    for second in range(90):
        if second == 60:
            composer.enter(RAIN, at(60.0))
        if second >= 60 and second % INTERVAL == 0:
            composer.add(ledger(sizes(Random(second), 100)), at(float(second)))
            while composer.take_in():
                pass
        score += [(second + note.delay, note) for note in composer.beat(at(float(second)))]
    drops = [(seconds, note) for seconds, note in score if note.amount]
    assert len(drops) > 20
    bed = [(begins, note) for begins, note in score if note.voice is Voice.PAD]
    for seconds, drop in drops:
        sounding = {
            note.pitch % 12
            for begins, note in bed
            # The change releases the bed of the scene before.
            if begins
            <= seconds
            < (min(begins + note.duration, 60.0) if begins < 60.0 else begins + note.duration) + RELEASE
        }
        assert not clash(drop.pitch % 12, sounding)


def test_an_empty_network_is_not_silent() -> None:
    composer = rain()
    voices = {note.voice for second in range(120) for note in composer.beat(at(float(second)))}
    assert voices >= {Voice.PAD, Voice.DRONE, Voice.MURMUR}
