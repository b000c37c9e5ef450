# SPDX-License-Identifier: Apache-2.0
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.music.composer import BACKLOG, Composer
from appliance.music.harmony import RELEASE
from appliance.music.queue import EXPIRY
from appliance.music.rank_melody import FLOOD, RING
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
        assert all(0.0 <= level <= 1.0 for level in (bed.brightness, bed.wind, bed.space))
    return score


def played(score: Score) -> list[Note]:
    return [note for _, note in score if note.amount]


def test_a_larger_amount_is_a_higher_note() -> None:
    notes = played(compose(busy(40), warm=amounts(Random(9), 1500)))
    assert len(notes) > 250
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


def test_a_larger_amount_is_louder_and_longer() -> None:
    dust, whale = (
        played(compose({0: Ledger(1, 0, 1, 1, 0, (Amount(stroops, Kind.PAYMENT, True, 1),))}, 10))[0]
        for stroops in (1, 2**62)
    )
    assert whale.velocity == pytest.approx(min(1.0, 3 * dust.velocity))
    assert dust.velocity == pytest.approx(0.3, rel=FLOOD)
    assert dust.duration < whale.duration


def test_the_kind_chooses_the_voice_and_lumens_are_brighter() -> None:
    notes = played(compose(busy(30)))
    assert {note.voice for note in notes} == set(WIND.voices.values())
    for note in notes:
        assert note.amount
        assert note.voice == WIND.voices[note.amount.kind]
    pair = [
        played(compose({0: Ledger(1, 0, 1, 1, 0, (Amount(10**9, Kind.PAYMENT, native, 1),))}, 10))[0]
        for native in (True, False)
    ]
    assert pair[0].bright > pair[1].bright


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
    assert len(notes) > 250
    for index, (begins, note) in enumerate(notes):
        for began, other in notes[max(0, index - 10) : index]:
            if began + other.duration + RING > begins:
                assert not clash(note.pitch % 12, (other.pitch % 12,))


def test_a_melody_is_more_steps_than_leaps() -> None:
    pitches = [note.pitch for note in played(compose(busy(100), warm=amounts(Random(9), 1500)))]
    leaps = [abs(one - other) for one, other in pairwise(pitches)]
    assert sum(leap <= 5 for leap in leaps) > 0.55 * len(leaps)
    assert sum(leap > 12 for leap in leaps) < 0.2 * len(leaps)


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
    assert chime == [
        (0.0, 60),
        (0.5, 63),
        (1.0, 65),
        (1.5, 67),
        (2.5, 70),
    ]  # Ab would clash with the first chord


def test_there_is_a_murmur_only_while_no_amount_is_played() -> None:
    silence = [now.seconds for now, note in compose({}, 300) if note.voice is Voice.MURMUR]
    assert 40 < len(silence) < 90
    assert min(silence) > 7
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
    pads = [(now.seconds, note.duration) for now, note in compose({}, 600) if note.voice is Voice.PAD]
    begins = sorted(dict(pads).items())
    assert all(0 <= after[0] - (before[0] + before[1]) < 1.0 for before, after in pairwise(begins))
    assert begins[0][0] == 0.0


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
    (note,) = played([(later, note) for note in composer.beat(later)])
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
        assert 0.0 <= note.delay <= 1.0
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
