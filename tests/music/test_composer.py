# SPDX-License-Identifier: Apache-2.0
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import pairwise
from random import Random
from statistics import mean, stdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.music.composer import BACKLOG, Composer
from appliance.music.harmony import RELEASE
from appliance.music.movements import IDLE_AFTER
from appliance.music.queue import EXPIRY
from appliance.music.rank_melody import EXCEPTIONAL, FLOOD, HARDEST, LOUD, RING, SOFT
from appliance.music.scales import STEPS, Scale, clash
from appliance.music.scene import BATCH
from appliance.music.scenes import SCENES, Scene
from appliance.music.transport import Moment
from appliance.values import Amount, Kind, Ledger, Note, Voice

WIND = SCENES["wind"]
BED = (Voice.PAD, Voice.DRONE)
Score = list[tuple[Moment, Note]]


def amounts(rng: Random, count: int, ledger: int = 1) -> tuple[Amount, ...]:
    """Log-normal amounts of all kinds, from a stroop to a whale."""
    kinds = list(Kind)
    return tuple(
        Amount(max(1, int(rng.lognormvariate(20, 5))), rng.choice(kinds), rng.random() < 0.5, ledger)
        for _ in range(count)
    )


def busy(count: int, ledgers: int = 50, seed: int = 0) -> dict[int, Ledger]:
    """A ledger every six seconds."""
    rng = Random(seed)
    return {6 * index: Ledger(index, 0, count, 1, 0, amounts(rng, count, index)) for index in range(ledgers)}


def take_in(composer: Composer, ledger: Ledger, now: Moment) -> None:
    """Add a ledger, and take in all of it."""
    composer.add(ledger, now)
    while composer.take_in():
        pass


def compose(
    arrivals: Mapping[int, Ledger],
    seconds: int = 300,
    scene: Scene = WIND,
    scale: Scale = Scale("wind", 0),  # noqa: B008 - a frozen value
    seed: int = 1,
    warm: Iterable[Amount] = (),
    *,
    invert: bool = False,
) -> Score:
    """The score of ledgers that arrive at these seconds, at 60 beats a minute."""
    composer = Composer(scene, scale, Random(seed), warm, invert=invert)
    score: Score = []
    for second in range(seconds):
        now = Moment(float(second), float(second), 60.0)
        if second in arrivals:
            take_in(composer, arrivals[second], now)
        score += [(now, note) for note in composer.beat(now)]
        bed = composer.bed(now)
        assert all(0.0 <= level <= 1.0 for level in (bed.brightness, bed.wind, bed.space, bed.air))
    return score


def played(score: Score) -> list[Note]:
    return [note for _, note in score if note.amount]


def test_a_larger_amount_is_a_higher_note() -> None:
    notes = played(compose(busy(40), warm=amounts(Random(9), 1500)))
    assert len(notes) > 180
    assert _agreement(notes) > 0.85
    assert _agreement(played(compose(busy(40), warm=amounts(Random(9), 1500), invert=True))) < -0.85


def _agreement(notes: list[Note]) -> float:
    """Of all pairs with different amounts of one unit, how many more agree in order of pitch than disagree."""
    agree = differ = 0
    for index, one in enumerate(notes):
        for other in notes[:index]:
            if one.amount and other.amount and one.amount.native == other.amount.native:
                way = (one.amount.stroops - other.amount.stroops) * (one.pitch - other.pitch)
                agree, differ = agree + (way > 0), differ + (way < 0)
    return (agree - differ) / (agree + differ)


def test_a_larger_amount_is_louder() -> None:
    dust, whale = (
        played(compose({0: Ledger(1, 0, 1, 1, 0, (Amount(stroops, Kind.PAYMENT, True, 1),))}, 10))[0]
        for stroops in (1, 2**62)
    )
    assert dust.velocity == pytest.approx(SOFT, rel=FLOOD + 0.05)  # a little softer before a network is known
    assert whale.velocity == pytest.approx(min(HARDEST, dust.velocity * LOUD / SOFT))


def test_the_length_of_a_note_does_not_follow_its_pitch() -> None:
    notes = played(compose(busy(400)))
    low, high = ([note.duration for note in notes if (note.pitch < 66) is deep] for deep in (True, False))
    assert 0.8 < mean(low) / mean(high) < 1.25
    assert stdev(low) > 0.25


def test_kind_and_unit_choose_the_voice_and_lumens_are_brighter() -> None:
    notes = played(compose(busy(30)))
    assert {note.voice for note in notes} == {*WIND.voices.values(), *WIND.issued.values()}
    for note in notes:
        assert note.amount
        usual = WIND.voices[note.amount.kind]
        assert note.voice == (usual if note.amount.native else WIND.issued.get(note.amount.kind, usual))
    # Of a kind that has one voice for both.
    native, issued = (
        played(compose({0: Ledger(1, 0, 1, 1, 0, (Amount(10**9, Kind.PATH_PAYMENT, native, 1),))}, 10))[0]
        for native in (True, False)
    )
    assert native.bright > issued.bright


def test_no_note_begins_on_the_grid_of_the_beats() -> None:
    delays = [note.delay % 0.5 for note in played(compose(busy(400)))]
    assert 0.08 < mean(delays) < 0.25
    assert stdev(delays) > 0.06


def test_the_melody_rests_at_least_once_in_five_minutes() -> None:
    for seed in range(1, 4):
        score = compose(busy(400, ledgers=100, seed=seed), 600, seed=seed)
        moments = [now.seconds + note.delay for now, note in score if note.amount]
        rests = [before for before, after in pairwise(moments) if after - before >= 10.0]
        assert all(any(start <= rest < start + 300 for rest in rests) for start in (0, 150, 300))


def test_an_exceptional_amount_is_an_event_of_three_octaves() -> None:
    usual = tuple(Amount(10**9 + 10**6 * size, Kind.OFFER, True, 1) for size in range(200))
    arrivals = {6 * index: Ledger(index, 0, 200, 1, 0, usual) for index in range(30)}
    whale = Amount(2**100, Kind.PAYMENT, True, 30)
    arrivals[150] = replace(arrivals[150], amounts=(*usual, whale))
    score = compose(arrivals)
    ((now, note),) = [(now, note) for now, note in score if note.amount == whale]
    assert note.velocity == EXCEPTIONAL
    assert now.seconds - 150 < 8
    others = [other for then, other in score if then == now and not other.amount and other.voice not in BED]
    assert sorted(other.pitch - note.pitch for other in others) == [-12, 12]
    assert (
        max(other.velocity for _, other in score if other.amount and other.velocity < EXCEPTIONAL) <= HARDEST
    )


def test_a_busier_network_has_more_notes_and_more_wind() -> None:
    def heard(operations: int) -> tuple[int, float]:
        arrivals = busy(100)
        for second in range(204, 300, 6):
            arrivals[second] = replace(arrivals[second], operations=operations)
        composer = Composer(WIND, Scale("wind", 0), Random(1))
        notes = 0
        for second in range(300):
            now = Moment(float(second), float(second), 60.0)
            if second in arrivals:
                take_in(composer, arrivals[second], now)
            notes += len(played([(now, note) for note in composer.beat(now)])) * (second >= 230)
        return notes, composer.bed(Moment(300.0, 300.0, 60.0)).wind

    quiet, usual, busier = heard(10), heard(100), heard(400)
    assert quiet[0] < 0.7 * usual[0] < 0.6 * busier[0]
    assert quiet[1] < 0.4 * usual[1] < 0.3 * busier[1]


def test_a_night_is_lower_darker_and_sparser_than_a_day() -> None:
    def heard(hour: float) -> tuple[int, float, float, float]:
        composer = Composer(WIND, Scale("wind", 0), Random(1))
        composer.hour(hour)
        arrivals, melody, pads, brightness = busy(100), list[Note](), list[int](), list[float]()
        for second in range(2400):
            now = Moment(float(second), float(second), 60.0)
            if second in arrivals:
                take_in(composer, arrivals[second], now)
            notes = composer.beat(now)
            melody += [note for note in notes if note.amount]
            pads += [note.pitch for note in notes if note.voice is Voice.PAD]
            brightness.append(composer.bed(now).brightness)
        return len(melody), mean(note.pitch for note in melody), mean(pads), mean(brightness)

    by_night, by_day = heard(3.0), heard(15.0)
    assert by_night[0] < 0.92 * by_day[0]
    assert by_night[1] < by_day[1] - 1
    assert by_night[2] < by_day[2] - 1
    assert by_night[3] < by_day[3] - 0.05


def test_a_loud_melody_is_softened_and_an_event_in_it_is_not() -> None:
    huge = tuple(Amount(10**15 + size, Kind.OFFER, True, 1) for size in range(200))
    whale = Amount(2**100, Kind.PAYMENT, True, 25)
    composer = Composer(WIND, Scale("wind", 0), Random(1))
    notes: list[Note] = []
    for beat in range(540):  # three minutes of a fast and busy melody
        now = Moment(float(beat), beat / 3, 180.0)
        if beat % 18 == 0:
            index = beat // 18
            amounts = (*huge, whale) if index == 25 else huge
            take_in(composer, Ledger(index, 0, 1000 if index > 9 else 100, 1, 0, amounts), now)
        notes += [note for note in composer.beat(now) if note.amount]
    assert notes[-1].velocity < 0.8 * notes[0].velocity
    assert [note.velocity for note in notes if note.amount == whale] == [EXCEPTIONAL]


def test_the_air_gives_way_to_the_wind() -> None:
    def air(scene: Scene, operations: int) -> float:
        composer = Composer(scene, Scale("wind", 0), Random(1))
        for index in range(40):
            now = Moment(6.0 * index, 6.0 * index, 60.0)
            composer.add(Ledger(index, 0, 100 if index < 30 else operations, 1, 0, ()), now)
        return composer.bed(Moment(240.0, 240.0, 60.0)).air

    assert WIND.air >= air(WIND, 10) > air(WIND, 100) > air(WIND, 400) > 0.0
    assert 0.0 < air(replace(WIND, air=0.5), 100) == pytest.approx(0.5 * air(replace(WIND, air=1.0), 100))
    assert air(replace(WIND, wind=0.0), 100) > 0.0


@pytest.mark.parametrize("count", [0, 3, 400])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_note_repeats_its_predecessor_and_none_clashes(count: int, seed: int) -> None:
    scale = Scale("wind", 0)
    score = compose(busy(count, seed=seed), seed=seed)
    assert all(one.pitch != other.pitch for one, other in pairwise(played(score)))
    pads = [
        (now.seconds, now.seconds + note.duration + RELEASE, note)
        for now, note in score
        if note.voice is Voice.PAD
    ]
    for now, note in score:
        assert scale.tone(note.pitch) in scale.steps
        if note.voice in BED:
            continue
        ends = now.seconds + note.delay + note.duration
        met = {pad.pitch % 12 for begins, fades, pad in pads if begins < ends and fades > now.seconds}
        assert not {(note.pitch + 1) % 12, (note.pitch - 1) % 12} & met


@pytest.mark.parametrize("scale", ["wind", "dorian"])
def test_no_note_rings_against_another(scale: str) -> None:
    score = compose(busy(100), scale=Scale(scale, 0))
    notes = [(now.seconds + note.delay, note) for now, note in score if note.amount]
    assert len(notes) > 180
    for index, (begins, note) in enumerate(notes):
        for began, other in notes[max(0, index - 10) : index]:
            if began + other.duration + RING > begins:
                assert not clash(note.pitch % 12, (other.pitch % 12,))


def test_a_melody_is_more_steps_than_leaps() -> None:
    pitches = [note.pitch for note in played(compose(busy(100), warm=amounts(Random(9), 1500)))]
    leaps = [abs(one - other) for one, other in pairwise(pitches)]
    assert sum(leap <= 5 for leap in leaps) > 0.38 * len(leaps)
    assert sum(leap > 12 for leap in leaps) < 0.25 * len(leaps)


@pytest.mark.parametrize("seed", range(1, 6))
def test_spam_is_spread_over_many_tones(seed: int) -> None:
    spam = {
        5 * index: Ledger(index, 0, 2, 1, 0, (Amount(10**11, Kind.CREATE, True, index),) * 2)
        for index in range(60)
    }
    degrees = Counter(note.pitch for note in played(compose(spam, warm=amounts(Random(9), 1500), seed=seed)))
    assert degrees.total() > 100
    assert degrees.most_common(1)[0][1] <= 0.14 * degrees.total()


def test_the_opening_chime_rises() -> None:
    chime = [(now.beat + note.delay, note.pitch) for now, note in compose({}, 5) if note.voice is Voice.CHIME]
    # Ab would clash with the G of the first chord.
    assert chime == [(0.0, 60), (0.5, 63), (1.0, 65), (1.5, 67), (2.5, 70)]


def test_there_is_a_murmur_only_while_no_amount_is_played() -> None:
    silence = [now.seconds for now, note in compose({}, 300) if note.voice is Voice.MURMUR]
    assert 40 < len(silence) < 90
    assert min(silence) > IDLE_AFTER
    assert not [note for _, note in compose(busy(40)) if note.voice is Voice.MURMUR]


@pytest.mark.parametrize("seed", range(1, 6))
def test_the_murmur_never_clashes_with_a_chord_that_it_overlaps(seed: int) -> None:
    score = compose({}, 1200, seed=seed)
    pads = [
        (now.seconds, now.seconds + note.duration + RELEASE, note.pitch)
        for now, note in score
        if note.voice is Voice.PAD
    ]
    hums = [(now.seconds, note.pitch) for now, note in score if note.voice is Voice.MURMUR]
    assert hums
    for at, pitch in hums:
        met = {pad % 12 for begins, fades, pad in pads if begins <= at + 4 and fades > at}
        assert not {(pitch + 1) % 12, (pitch - 1) % 12} & met


def test_chords_follow_each_other_without_a_gap() -> None:
    score = compose({}, 600)
    pads = [(now.seconds, now.seconds + note.duration) for now, note in score if note.voice is Voice.PAD]
    for second in range(10, 500):
        assert sum(begins <= second < ends + RELEASE for begins, ends in pads) >= 3
    drones = [(now.seconds, note.duration) for now, note in score if note.voice is Voice.DRONE]
    assert all(0 <= after - (begins + lasts) < 1.0 for (begins, lasts), (after, _) in pairwise(drones))
    assert drones[0][0] == pads[0][0] == 0.0


def test_the_bed_fills_what_the_melody_leaves() -> None:
    def last_chord(arrivals: Mapping[int, Ledger]) -> float:
        return [note.velocity for _, note in compose(arrivals) if note.voice is Voice.PAD][-1]

    assert last_chord({}) > last_chord(busy(3)) > last_chord(busy(400)) >= WIND.bed


def test_the_same_seed_is_the_same_score() -> None:
    assert compose(busy(40)) == compose(busy(40))
    assert compose(busy(40), seed=1) != compose(busy(40), seed=2)


def test_a_large_ledger_is_taken_in_by_batches_and_not_lost_to_another_scene() -> None:
    (large,) = busy(10 * BATCH, 1).values()
    now = Moment(0.0, 0.0, 60.0)
    composer = Composer(WIND, Scale("wind", 0), Random(1))
    composer.add(large, now)
    assert [composer.take_in() for _ in range(12)] == [True] * 11 + [False]
    interrupted = Composer(WIND, Scale("wind", 0), Random(1))
    interrupted.add(large, now)
    interrupted.take_in()
    interrupted.enter(SCENES["night"], now)
    notes = [note for second in range(9) for note in interrupted.beat(Moment(second, second, 60.0))]
    assert any(note.amount for note in notes)


def test_a_backlog_of_ledgers_is_bounded_and_drops_the_oldest() -> None:
    composer = Composer(WIND, Scale("wind", 0), Random(1))
    now = Moment(0.0, 0.0, 60.0)
    for sequence in range(BACKLOG + 5):
        composer.add(Ledger(sequence, 0, 1, 1, 0, amounts(Random(sequence), 1, sequence)), now)
    steps = 1
    while composer.take_in():
        steps += 1
    assert steps == BACKLOG
    notes = [note for second in range(9) for note in composer.beat(Moment(second, second, 60.0))]
    assert {note.amount.ledger for note in notes if note.amount} == set(range(5, BACKLOG + 5))


def test_another_network_starts_with_an_empty_queue_and_ranking() -> None:
    composer = Composer(WIND, Scale("wind", 0), Random(1), amounts(Random(9), 1500))
    now = Moment(0.0, 0.0, 60.0)
    take_in(composer, busy(40)[0], now)
    composer.add(busy(40)[6], now)
    composer.forget()
    assert not composer.take_in()
    assert not played(
        [(now, note) for second in range(9) for note in composer.beat(Moment(second, second, 60.0))]
    )
    later = Moment(10.0, 10.0, 60.0)
    take_in(composer, Ledger(1, 0, 1, 1, 0, (Amount(1, Kind.PAYMENT, True, 1),)), later)
    (note,) = played(
        [(later, note) for second in range(10, 14) for note in composer.beat(Moment(second, second, 60.0))]
    )
    # With nothing to compare it with, even a single stroop is in the middle.
    assert 60 <= note.pitch <= 72


def test_night_is_sparser_and_lower_and_has_no_wind() -> None:
    wind, night = played(compose(busy(400))), played(compose(busy(400), scene=SCENES["night"]))
    assert 0.35 < len(night) / len(wind) < 0.75
    assert min(note.pitch for note in night) < 48
    assert Composer(SCENES["night"], Scale("wind", 0), Random(1)).bed(Moment(0.0, 0.0, 60.0)).wind == 0.0


hostile = st.one_of(st.integers(1, 3), st.integers(1, 10**45), st.sampled_from([2**63 - 1, 2**127 - 1]))


@settings(max_examples=60)
@given(
    st.dictionaries(
        st.integers(0, 60),
        st.builds(
            Ledger,
            st.integers(0, 2**31),
            st.integers(0, 2**33),
            st.integers(0, 10**9),
            st.integers(0, 1000),
            st.integers(0, 1000),
            st.lists(
                st.builds(Amount, hostile, st.sampled_from(Kind), st.booleans(), st.just(1)), max_size=30
            ).map(tuple),
        ),
        max_size=12,
    ),
    st.sampled_from(sorted(SCENES)),
    st.builds(Scale, st.sampled_from(sorted(STEPS)), st.integers(0, 11)),
    st.integers(0, 2**31 - 1),
)
def test_whatever_arrives_a_note_stays_within_its_ranges(
    arrivals: dict[int, Ledger], scene: str, scale: Scale, seed: int
) -> None:
    sounding = Scale(SCENES[scene].scale or scale.name, scale.root)
    for _, note in compose(arrivals, 90, SCENES[scene], scale, seed):
        assert 24 <= note.pitch <= 96
        assert sounding.tone(note.pitch) in sounding.steps
        assert 0.0 <= note.velocity <= 1.0
        assert note.duration > 0.0
        assert -1.0 <= note.pan <= 1.0
        assert 0.0 <= note.delay <= 1.5
        assert 0.0 <= note.bright <= 1.0
        assert note.waited <= (90.0 if scene == "original" else EXPIRY)


@pytest.mark.parametrize("scene", SCENES.values(), ids=lambda scene: scene.name)
@pytest.mark.parametrize("scale", STEPS)
def test_an_answer_is_in_key_at_every_moment_of_the_walk(scene: Scene, scale: str) -> None:
    composer = Composer(scene, Scale(scene.scale or scale, 2), Random(1))
    pads: list[tuple[float, int]] = []  # until when each sounds, and its tone
    for second in range(0, 900, 3):
        now = Moment(float(second), float(second), 90.0)
        pads += [
            (second + note.duration * now.beat_seconds + RELEASE, composer.scale.tone(note.pitch))
            for note in composer.beat(now)
            if note.voice is Voice.PAD
        ]
        sounding = {tone for until, tone in pads if second < until}
        assert sounding
        answer = list(composer.answer((0, 1, 2, 3, 4, 6), now))
        assert len(answer) == 6
        assert [note.pitch for note in answer] == sorted(note.pitch for note in answer)
        for note in answer:
            tone = composer.scale.tone(note.pitch)
            assert tone in composer.scale.steps
            assert not clash(tone, sounding)
            assert note.velocity <= 0.5


@pytest.mark.parametrize("scene", SCENES.values(), ids=lambda scene: scene.name)
def test_every_chord_has_its_drone(scene: Scene) -> None:
    # Also a chord whose tones are all held already.
    composer = Composer(scene, Scale("wind", 0), Random(1))
    until = 0.0
    for second in range(1200):
        for note in composer.beat(Moment(float(second), float(second), 60.0)):
            if note.voice is Voice.DRONE:
                until = second + note.duration
        assert until > second - 1.0  # it ends within the beat with which the next one begins


def test_an_answer_takes_nothing_from_the_music() -> None:
    def played(phrase: tuple[int, ...]) -> list[Note]:
        composer, notes = Composer(WIND, Scale("wind", 0), Random(1)), list[Note]()
        for second, ledger in enumerate(busy(50).values()):
            now = Moment(float(second), float(second), 60.0)
            take_in(composer, ledger, now)
            list(composer.answer(phrase, now))
            notes += composer.beat(now)
        return notes

    assert played((0, 1, 2)) == played(())
