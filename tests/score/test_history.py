# SPDX-License-Identifier: Apache-2.0
"""What is kept is what was heard: a history, compared with the list of an observer of the same performance."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from itertools import cycle, pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest

from appliance.ledger import tape
from appliance.parts import composition
from appliance.performance import Block, Performance
from appliance.score.files import open_score
from appliance.score.format import Close, Line, decode, encode
from appliance.score.history import BOUND, CHORD, HALF_HOUR, PIECE, History, Kept, NothingPlayed
from appliance.score.player import ScorePart
from appliance.sound import SAMPLE_RATE
from appliance.sound.outputs.silent import Discard
from appliance.sound.performer import NullInstrument, Performer
from appliance.values import (
    MAX_OPERATIONS,
    MAX_SEQUENCE,
    MAX_TIME,
    Bed,
    Context,
    Controls,
    Ledger,
    Note,
    NoteEvent,
    Passage,
    Voice,
)
from tests.support.session import SCENES, Session, busy_ledger, settings

CONTEXT = Context("public", "wind", "wind", "C", 60.0)


def rounded(event: NoteEvent) -> NoteEvent:
    """A note as the format rounds it."""
    line = decode(encode(Line(event.seconds, event)))
    assert isinstance(line, Line)
    assert isinstance(line.entry, NoteEvent)
    return line.entry


def notes(lines: Iterable[Line]) -> list[NoteEvent]:
    return [line.entry for line in lines if isinstance(line.entry, NoteEvent)]


def start(session: Session, seconds: float) -> float:
    """The second at which a score of the last `seconds` begins: with the last chord before, or the first of all."""
    chords = [round(event.seconds, 4) for event in session.played if event.note.voice is Voice.DRONE]
    return max((at for at in chords if at <= session.ended - seconds), default=chords[0])


def heard(session: Session, seconds: float) -> list[NoteEvent]:
    """The notes that a score of the last `seconds` should hold; their moments count from the start of the box."""
    begins = start(session, seconds)
    after = [event for event in map(rounded, session.played) if event.seconds >= begins]
    return [*tied(session, begins, after[0].beat), *after]


def tied(session: Session, begins: float, beat: float) -> list[NoteEvent]:
    """What is left of the tones of the chord that begins then, as far as they began before it."""
    scenes = [(passage.seconds, passage.context.scene) for passage in session.passages]
    since = max(
        (at for (_, one), (at, other) in pairwise(scenes) if one != other and at <= begins), default=0.0
    )
    return [
        NoteEvent(replace(event.note, duration=event.note.duration * left / event.length), begins, beat, left)
        for event in map(rounded, session.played)
        if event.note.voice is Voice.PAD and since <= event.seconds < begins
        if (left := event.seconds + event.length - begins) > 0
    ]


def same(found: list[NoteEvent], expected: list[NoteEvent]) -> None:
    """Two lists hold the same notes; their moments and beats may count from different beginnings."""
    assert [replace(event.note, duration=0.0) for event in found] == [
        replace(event.note, duration=0.0) for event in expected
    ]
    lengths, others = ([(event.length, event.note.duration) for event in each] for each in (found, expected))
    assert np.allclose(lengths, others, rtol=0.0, atol=2e-3)
    seconds = expected[0].seconds - found[0].seconds
    beats = round(expected[0].beat - found[0].beat)
    assert [event.seconds + seconds for event in found] == pytest.approx(
        [event.seconds for event in expected], abs=1e-6
    )
    assert [event.beat + beats for event in found] == pytest.approx(
        [event.beat for event in expected], abs=1e-6
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_kept_is_what_was_heard_note_for_note(seed: int) -> None:
    session = Session(seed, block_size=1024)
    for seconds, asked in ((40.0, HALF_HOUR), (400.0, 200.0), (200.0, 400.0), (37.3, 11.1)):
        session.play(seconds)
        kept = session.history.last(asked)
        assert len(notes(kept.lines)) > min(asked, session.ended) / 60
        same(notes(kept.lines), heard(session, asked))
        assert kept.header.seconds == pytest.approx(session.ended - start(session, asked), abs=1e-4)


def test_it_begins_with_a_chord_on_a_beat_and_states_bed_and_context() -> None:
    session = Session(4, block_size=1024)
    session.play(400.0)
    for seconds in (10.0, 100.0, 300.0, 390.0):
        kept, begins = session.history.last(seconds), start(session, seconds)
        before = [passage for passage in session.passages if passage.seconds <= begins]
        assert kept.header.context == before[-1].context
        assert kept.header.program == "0.0.1"
        bed = next(passage.bed for passage in reversed(before) if passage.bed)
        assert encode(kept.lines[0]) == encode(Line(0.0, bed))
        first = notes(kept.lines)[0]
        assert first.seconds == 0.0
        assert 0.0 <= first.beat < 1.0
        assert Voice.DRONE in {event.note.voice for event in notes(kept.lines) if event.seconds == 0.0}


def test_contexts_beds_and_ledgers_are_kept_when_they_change() -> None:
    session = Session(5, block_size=1024)
    session.play(600.0)
    kept, begins = session.history.last(400.0), start(session, 400.0)
    after = [passage for passage in session.passages if passage.seconds > begins]
    closes = [line.entry.sequence for line in kept.lines if isinstance(line.entry, Close)]
    assert closes == [ledger.sequence for passage in after for ledger in passage.ledgers]
    context, contexts = kept.header.context, []
    for passage in after:
        if passage.context != context:
            context = passage.context
            contexts.append(context)
    assert len(contexts) > 5
    assert [line.entry for line in kept.lines if isinstance(line.entry, Context)] == contexts
    beds = [line.entry for line in kept.lines if isinstance(line.entry, Bed)]
    assert len(beds) > 100
    assert all(bed != before for bed, before in zip(beds[1:], beds[:-1], strict=True))


@pytest.mark.slow
def test_half_an_hour_is_always_there_and_takes_less_than_a_megabyte() -> None:
    session = Session(6, block_size=1024)
    for minutes in range(5, 50, 5):
        session.play(300.0)
        length = session.history.last().header.seconds
        assert min(60.0 * minutes - 10.0, HALF_HOUR) <= length <= HALF_HOUR + CHORD
        assert session.history.size < BOUND
    same(notes(session.history.last().lines), heard(session, HALF_HOUR))


def test_the_oldest_minutes_give_way_where_there_is_no_room() -> None:
    bound = 40_000
    session = Session(7, bound, block_size=1024)
    for _ in range(20):
        session.play(60.0)
        assert session.history.size <= bound
    kept = session.history.last()
    assert 120.0 < kept.header.seconds < 1000.0
    assert kept.header.seconds <= session.ended - start(session, kept.header.seconds)
    begins = start(session, kept.header.seconds - 1e-3)
    after = [event for event in map(rounded, session.played) if event.seconds >= begins]
    same(notes(kept.lines)[-len(after) :], after)  # tones that are tied over from what is gone are gone too


def busiest(scene: str) -> History:
    """The history of a box that plays the busiest network that there can be at its fastest tempo."""
    rng, history, block = Random(1), History(""), 1024
    full, due = cycle([busy_ledger(rng, 1000) for _ in range(10)]), 0.0

    def ledgers(seconds: float) -> Iterable[Ledger]:
        nonlocal due
        if seconds >= due:
            due += 5.0
            yield next(full)

    def observe(one: Block) -> None:
        history.add(one.passage, one.passage.seconds + block / SAMPLE_RATE)

    controls = Controls(0.7, 180.0, "public", scene=scene)
    performer = Performer(composition(settings(scene=scene), ledgers), NullInstrument(block))
    Performance(performer, Discard(), lambda: controls, [observe]).play(HALF_HOUR + CHORD + 2 * PIECE)
    return history


@pytest.mark.slow
@pytest.mark.parametrize("scene", SCENES)
def test_the_busiest_half_hour_takes_less_than_a_megabyte(scene: str) -> None:
    history = busiest(scene)
    kept = history.last()
    assert history.size < BOUND
    assert kept.header.seconds >= HALF_HOUR
    assert len(notes(kept.lines)) > 1000


def test_a_box_that_has_played_for_years_keeps_as_it_did_on_its_first_day() -> None:
    years = 3.2e8  # s
    history = History("")
    for minute in range(40):
        at = years + 60.0 * minute
        chord = NoteEvent(Note(60, 0.5, 60.0, Voice.DRONE), at, 3 * at, 60.0)
        history.add(Passage(at, CONTEXT, (chord,), Bed(0.1, 0.2, 0.3)), at + 0.01)
    kept = history.last(600.0)
    assert kept.header.seconds == pytest.approx(660.0 - 60.0 + 0.01, abs=1e-3)
    assert [event.seconds for event in notes(kept.lines)] == pytest.approx([60.0 * it for it in range(11)])
    assert [event.beat for event in notes(kept.lines)] == pytest.approx([180.0 * it for it in range(11)])


def test_before_the_first_note_there_is_nothing_to_keep() -> None:
    with pytest.raises(NothingPlayed):
        History("").last()


def test_music_without_a_chord_or_a_bed_begins_with_its_first_line() -> None:
    history = History("")
    event = NoteEvent(Note(60, 0.5, 1.0, Voice.BELL), 2.005, 2.0, 1.0)
    history.add(Passage(2.0, CONTEXT, (event,)), 2.01)
    kept = history.last()
    assert kept.header.context == CONTEXT
    (line,) = kept.lines
    assert line.seconds == pytest.approx(0.005)
    assert notes(kept.lines)[0].note == event.note


def test_a_ledger_with_the_largest_numbers_of_a_tape_is_kept(tmp_path: Path) -> None:
    largest = Ledger(MAX_SEQUENCE, MAX_TIME, MAX_OPERATIONS, 2**62, 2**62, ())
    line = tape.decode(tape.encode(tape.Line(0.0, largest)))
    assert isinstance(line, tape.Line)
    assert line.entry == largest
    history = History("x")
    history.add(Passage(0.0, CONTEXT), 1.0)
    history.add(Passage(1.0, CONTEXT, ledgers=(largest,)), 2.0)
    (path := tmp_path / "x.score.gz").write_bytes(history.last().packed())
    assert [each.entry for each in open_score(path)] == [Close(MAX_SEQUENCE, MAX_TIME, MAX_OPERATIONS)]


def test_a_chord_that_has_just_begun_is_all_that_is_kept_where_nothing_came_before() -> None:
    history = History("")
    chord = NoteEvent(Note(60, 0.5, 8.0, Voice.DRONE), 2.0, 2.0, 8.0)
    history.add(Passage(2.0, CONTEXT, (chord,), Bed(0.1, 0.2, 0.3)), 2.01)
    kept = history.last()
    assert [encode(line) for line in kept.lines] == [
        encode(Line(0.0, Bed(0.1, 0.2, 0.3))),
        encode(Line(0.0, NoteEvent(chord.note, 0.0, 0.0, 8.0))),
    ]


# --- a kept score is played again -----------------------------------------------------------------------------


@pytest.fixture(scope="module", name="kept")
def _kept() -> Kept:
    session = Session(8)
    session.play(400.0)
    return session.history.last(200.0)


def test_a_kept_score_is_a_file_that_can_be_read(kept: Kept, tmp_path: Path) -> None:
    path = tmp_path / "x.score.gz"
    path.write_bytes(kept.packed())
    score = open_score(path)
    assert encode(score.header) == encode(kept.header)
    assert list(map(encode, score)) == list(map(encode, kept.lines))


@pytest.mark.parametrize("block", [256, 512, 1024])
def test_a_kept_score_is_played_as_it_was_heard(kept: Kept, block: int) -> None:
    part = ScorePart(kept.header, lambda: iter(kept.lines), SAMPLE_RATE)
    heard, beds = list[NoteEvent](), list[Bed]()

    def observe(one: Block) -> None:
        heard.extend(one.passage.notes)
        beds.extend([one.passage.bed] if one.passage.bed else [])

    controls = Controls(0.7, 60.0, "public")
    performer = Performer(part, NullInstrument(block))
    Performance(performer, Discard(), lambda: controls, [observe]).play(math.ceil(kept.header.seconds))
    same(heard, notes(kept.lines))
    assert heard[0].seconds == pytest.approx(notes(kept.lines)[0].seconds)
    assert beds == [line.entry for line in kept.lines if isinstance(line.entry, Bed)]
    assert part.ended
