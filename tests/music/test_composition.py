# SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterable, Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from appliance.music.composer import Composer
from appliance.music.composition import STRIDE, Composition
from appliance.music.rank_melody import BEHIND, JITTER
from appliance.music.scales import Scale
from appliance.music.scenes import SCENES
from appliance.values import Amount, Answer, Bed, Context, Controls, Kind, Ledger, NoteEvent, Passage, Voice

RATE = 48_000
BLOCK = 512
LONG = BLOCK / RATE  # s
ROUNDED = 0.6e-4  # s; moments have four digits
CONTROLS = Controls(0.7, 60.0, "public")
TESTNET = replace(CONTROLS, network="testnet")


def ledger(count: int, sequence: int = 1) -> Ledger:
    """A ledger of so many distinct amounts."""
    amounts = tuple(Amount(size + 1, Kind.OFFER, True, sequence) for size in range(count))
    return Ledger(sequence, 0, count, 1, 0, amounts)


class Music:
    """A composition of `wind`, and the ledgers that arrive with its next block."""

    def __init__(self, seed: int = 1, block: int = BLOCK) -> None:
        self.arriving: list[Ledger] = []
        self.asked: list[float] = []  # the seconds that ledgers were asked for
        self.block, self.passages = block, list[Passage]()
        composer = Composer(SCENES["wind"], Scale("wind", 0), Random(seed))
        self.composition = Composition(composer, self._take, RATE)

    def _take(self, seconds: float) -> Iterable[Ledger]:
        self.asked.append(seconds)
        arrived, self.arriving = self.arriving, []
        return arrived

    @property
    def seconds(self) -> float:
        """How much was played."""
        return len(self.passages) * self.block / RATE

    def play(self, seconds: float, controls: Controls = CONTROLS) -> list[Passage]:
        """The passages of the next seconds."""
        passages = [
            self.composition.passage(self.block, controls) for _ in range(round(seconds * RATE / self.block))
        ]
        self.passages += passages
        return passages

    def next(self, controls: Controls = CONTROLS) -> Passage:
        """The next passage."""
        (passage,) = self.play(self.block / RATE, controls)
        return passage


def notes(passages: Iterable[Passage]) -> list[NoteEvent]:
    return [event for passage in passages for event in passage.notes]


def amounts(passages: Iterable[Passage]) -> list[NoteEvent]:
    return [event for event in notes(passages) if event.note.amount]


def of(voice: Voice, passages: Iterable[Passage]) -> list[NoteEvent]:
    return [event for event in notes(passages) if event.note.voice is voice]


# --- time ---------------------------------------------------------------------------------------------------


def test_time_is_the_number_of_samples() -> None:
    music = Music()
    passages = music.play(3.0)
    moments = [index * BLOCK / RATE for index in range(len(passages))]
    assert [passage.seconds for passage in passages] == moments
    assert music.asked == moments


def test_there_is_a_bed_with_each_beat() -> None:
    beds = [passage.seconds for passage in Music().play(4.9) if passage.bed]
    assert beds == pytest.approx([0.0, 1.0, 2.0, 3.0, 4.0], abs=LONG + 1e-9)


def test_notes_begin_at_their_moments_within_the_block_in_order() -> None:
    music = Music()
    music.arriving = [ledger(400)]
    passages = music.play(8.0)
    for passage in passages:
        for event in passage.notes:
            assert passage.seconds - ROUNDED <= event.seconds < passage.seconds + LONG
            assert event.seconds == pytest.approx(event.beat, abs=ROUNDED)  # 60 beats a minute
    assert any(event.seconds - passage.seconds > LONG / 4 for passage in passages for event in passage.notes)
    assert [event.seconds for event in notes(passages)] == sorted(event.seconds for event in notes(passages))


@profile(max_examples=25)
@given(
    st.lists(st.tuples(st.floats(30.0, 180.0), st.integers(1, 120)), min_size=1, max_size=12),
    st.sampled_from([256, 512, 1024]),
)
def test_the_tempo_changes_without_a_jump_of_the_beat(turns: Sequence[tuple[float, int]], block: int) -> None:
    music = Music(block=block)
    music.arriving = [ledger(400)]
    beat = 0.0
    for tempo, blocks in turns:
        for _ in range(blocks):
            begins = music.seconds
            passage = music.next(replace(CONTROLS, tempo=tempo))
            assert passage.context.tempo == tempo
            ends = beat + block / RATE * tempo / 60
            for event in passage.notes:
                # Rounded up, it begins with this block instead of the last one, whose tempo was another.
                assert beat - ROUNDED * 180 / 60 <= event.beat < ends + ROUNDED * tempo / 60
                heard = beat + (event.seconds - begins) * tempo / 60
                assert event.beat == pytest.approx(heard, abs=2 * ROUNDED * 180 / 60)
            beat = ends


def test_a_note_lasts_as_long_as_its_beats_do() -> None:
    pads = of(Voice.PAD, [Music().next(replace(CONTROLS, tempo=120.0))])
    assert pads
    assert all(event.length == pytest.approx(event.note.duration / 2) for event in pads)


# --- ledgers ------------------------------------------------------------------------------------------------


def test_a_passage_names_the_ledgers_that_came_with_it() -> None:
    music = Music()
    music.next()
    music.arriving = [ledger(3, 7), ledger(2, 8)]
    assert [one.sequence for one in music.next().ledgers] == [7, 8]
    assert music.next().ledgers == ()


def test_an_amount_is_played_in_time() -> None:
    music = Music()
    played: list[Passage] = []
    for sequence in range(6):
        music.arriving = [ledger(400, sequence)]
        played += music.play(5.3)
    heard = amounts(played)
    assert len(heard) > 12
    assert all(-1.0 <= event.note.waited + event.note.delay <= 8.0 for event in heard)
    beats = [event.beat for event in notes(played)]
    assert beats == sorted(beats)


# --- network, scene, answers --------------------------------------------------------------------------------


def test_the_context_says_what_the_music_is_made_with() -> None:
    music = Music()
    assert music.composition.context(CONTROLS) == Context("public", "wind", "wind", "C", 60.0)
    assert music.next().context == Context("public", "wind", "wind", "C", 60.0)
    other = replace(TESTNET, scene="original", tempo=72.0)
    assert music.next(other).context == Context("testnet", "original", "original", "C", 72.0)


def test_the_hour_is_heard_as_long_as_it_is_known() -> None:
    def brightness(*hours: float | None) -> float:
        music = Music()
        for hour in hours:
            bed = music.play(1.5, replace(CONTROLS, hour=hour))[-1].bed or bed_of(music)
        return bed.brightness

    def bed_of(music: Music) -> Bed:
        return next(passage.bed for passage in reversed(music.passages) if passage.bed)

    assert brightness(3.0) < brightness(None) < brightness(15.0)
    assert brightness(15.0, None) == brightness(None, None)


def test_another_network_drops_what_waits_of_the_last_one() -> None:
    music = Music()
    music.arriving = [ledger(400)]
    music.play(2.0)
    assert amounts(music.passages)
    # Notes of the beat that has begun are played to the end.
    begun = music.play(1.0, TESTNET)
    assert all(event.beat < 3.0 and event.note.waited <= 2.0 for event in amounts(begun))
    assert not amounts(music.play(8.0, TESTNET))


def test_ledgers_that_arrive_with_the_change_belong_to_the_last_network() -> None:
    music = Music()
    music.next()
    music.arriving = [ledger(3)]
    assert music.next(TESTNET).ledgers == ()
    assert not amounts(music.play(8.0, TESTNET))


@pytest.mark.parametrize("tempo", [30.0, 60.0, 180.0])
def test_another_network_is_played_a_beat_after_its_first_ledger_at_most(tempo: float) -> None:
    """The listener needs a tenth of a second for it: two seconds from the press to the note at 60 beats a minute."""
    before, after = replace(CONTROLS, tempo=tempo), replace(TESTNET, tempo=tempo)
    for eighth in range(8):
        music = Music(seed=eighth)
        music.play(9.0 + eighth / 8, before)
        music.next(after)
        came = music.seconds
        music.arriving = [ledger(3)]
        first = amounts(music.play(4.0, after))[0]
        assert 0.0 <= first.seconds - came <= 60.0 / tempo + BEHIND + 4 * JITTER


def test_what_was_learned_of_a_network_does_not_apply_to_another_one() -> None:
    music = Music()
    for sequence in range(3):
        music.arriving = [Ledger(sequence, 0, 400, 1, 0, tuple(one(10**12 + size) for size in range(400)))]
        music.play(5.0)
    music.next(TESTNET)
    music.arriving = [Ledger(9, 0, 1, 1, 0, (one(1),))]
    (event,) = amounts(music.play(3.0, TESTNET))
    assert 60 <= event.note.pitch <= 72  # in the middle; by the ranking of the last network it would be low


def one(stroops: int) -> Amount:
    return Amount(stroops, Kind.OFFER, True, 1)


def test_another_scene_releases_the_chord_and_begins_its_own_with_the_next_beat() -> None:
    music = Music()
    assert not any(passage.release for passage in music.play(2.5))
    first, *others = music.play(1.0, replace(CONTROLS, scene="night"))
    assert first.release
    assert first.context.scene == "night"
    assert not any(passage.release for passage in others)
    assert {event.beat for event in of(Voice.PAD, [first, *others])} == {3.0}


def test_network_and_scene_can_change_together() -> None:
    music = Music()
    music.arriving = [ledger(400)]
    music.play(0.5)
    first = music.next(replace(TESTNET, scene="night"))
    assert first.release
    assert not amounts([first, *music.play(8.0, replace(TESTNET, scene="night"))])


@pytest.mark.parametrize("tempo", [30.0, 180.0])
def test_an_answer_begins_at_once_and_is_played_once_whatever_the_tempo(tempo: float) -> None:
    music = Music()
    controls = replace(CONTROLS, tempo=tempo)
    music.play(8.3, controls)
    for number in (1, 2):
        asked = music.seconds
        answered = of(Voice.CHIME, music.play(2.0, replace(controls, answer=Answer(number, (0, 2, 4)))))
        begun = [event.seconds - asked for event in answered]
        assert begun == pytest.approx([0.0, STRIDE, 2 * STRIDE], abs=LONG + 0.001)
        assert all(event.length == pytest.approx(0.6) for event in answered)


# --- the same again -----------------------------------------------------------------------------------------

steps = st.lists(
    st.tuples(
        st.builds(
            Controls,
            volume=st.just(0.7),
            tempo=st.floats(30.0, 180.0),
            network=st.sampled_from(["public", "testnet"]),
            scene=st.sampled_from(sorted(SCENES)),
            answer=st.builds(Answer, st.integers(0, 2), st.just((0, 2))),
        ),
        st.integers(0, 40),
    ),
    min_size=1,
    max_size=6,
)


@profile(max_examples=25)
@given(st.integers(0, 2**31 - 1), steps)
def test_the_same_seed_ledgers_and_controls_are_the_same_music(
    seed: int, story: list[tuple[Controls, int]]
) -> None:
    def played() -> list[Passage]:
        music = Music(seed)
        for controls, count in story:
            music.arriving = [ledger(count)]
            music.play(1.0, controls)
        return music.passages

    assert played() == played()


@profile(max_examples=25)
@given(st.integers(0, 2**31 - 1), st.sampled_from([30.0, 60.0, 90.0, 180.0]))
def test_the_size_of_a_block_moves_no_note(seed: int, tempo: float) -> None:
    def played(block: int) -> list[NoteEvent]:
        music = Music(seed, block)
        music.arriving = [ledger(400)]
        passages = music.play(10.0, replace(CONTROLS, tempo=tempo))
        return [event for event in notes(passages) if event.beat < 4.0]

    first, *others = (played(block) for block in (256, 512, 1024))
    assert len(first) > 6
    for other in others:
        assert [event.note.pitch for event in other] == [event.note.pitch for event in first]
        for mine, its in zip(first, other, strict=True):
            assert its.seconds == pytest.approx(mine.seconds, abs=1e-6)
            assert its.length == pytest.approx(mine.length)
            assert its.note.velocity == pytest.approx(mine.note.velocity)
