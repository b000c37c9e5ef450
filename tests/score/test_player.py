# SPDX-License-Identifier: Apache-2.0
"""A score as a part: every note at its moment, whatever the block size, once or in a loop."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from appliance.score.format import Close, Header, Line
from appliance.score.player import PAUSE, ScorePart
from appliance.sound import SAMPLE_RATE
from appliance.values import Bed, Context, Controls, Ledger, Note, NoteEvent, Passage, Voice

CONTROLS = Controls(0.7, 99.0, "mine", scene="original")
CONTEXT = Context("public", "wind", "wind", "C", 60.0)
NIGHT = Context("testnet", "night", "original", "Eb", 72.0)
BEDS = Bed(0.1, 0.2, 0.3), Bed(0.4, 0.5, 0.6)


def event(seconds: float, pitch: int = 60) -> NoteEvent:
    return NoteEvent(Note(pitch, 0.5, 1.0, Voice.BELL), seconds, 2 * seconds, 1.0)


LINES = (
    Line(0.0, BEDS[0]),
    Line(0.0, event(0.0)),
    Line(1.0107, event(1.0107, 62)),  # a block of 512 samples begins there
    Line(1.0107, event(1.0107, 64)),
    Line(1.5, Close(7, 1_600_000_000, 210)),
    Line(2.0, replace(CONTEXT, tempo=90.0)),
    Line(2.5, NIGHT),
    Line(2.5, BEDS[1]),
    Line(2.6, event(2.6, 65)),
)


def part(lines: Sequence[Line] = LINES, *, seconds: float = 3.0, loop: bool = False) -> ScorePart:
    return ScorePart(Header(CONTEXT, seconds), lambda: iter(lines), SAMPLE_RATE, loop=loop)


def passages(of: ScorePart, seconds: float, block: int = 512) -> Iterator[Passage]:
    for _ in range(round(seconds * SAMPLE_RATE / block)):
        yield of.passage(block, CONTROLS)


def notes(of: ScorePart, seconds: float, block: int = 512) -> list[NoteEvent]:
    return [event for passage in passages(of, seconds, block) for event in passage.notes]


@pytest.mark.parametrize("block", [64, 256, 512, 1024, 48_000])
def test_notes_begin_at_their_moments_whatever_the_block_size(block: int) -> None:
    one, count = part(), 0
    for number, passage in enumerate(passages(one, 4.0, block)):
        assert passage.seconds == pytest.approx(number * block / SAMPLE_RATE)
        for event in passage.notes:
            count += 1
            # A moment is rounded as the lines are.
            assert passage.seconds <= event.seconds < passage.seconds + block / SAMPLE_RATE + 1e-4
    assert count == 4
    assert notes(part(), 4.0, block) == [line.entry for line in LINES if isinstance(line.entry, NoteEvent)]


def test_a_note_that_was_rounded_up_to_the_next_block_begins_with_that_block() -> None:
    first = next(passage for passage in passages(part(), 2.0) if len(passage.notes) == 2)
    assert first.seconds == pytest.approx(95 * 512 / SAMPLE_RATE - 512 / SAMPLE_RATE, abs=0.02)
    late = part([Line(0.01066, event(0.01066))])
    begins = [passage for passage in passages(late, 1.0) if passage.notes]
    assert [passage.seconds for passage in begins] == [0.0]


def test_beds_ledgers_and_contexts_come_with_their_blocks() -> None:
    of = list(passages(part(), 4.0))
    assert [(round(each.seconds, 1), each.bed) for each in of if each.bed] == [(0.0, BEDS[0]), (2.5, BEDS[1])]
    ledgers = [(round(each.seconds, 1), each.ledgers) for each in of if each.ledgers]
    assert ledgers == [(1.5, (Ledger(7, 1_600_000_000, 210, 0, 0, ()),))]
    contexts = {round(each.seconds, 1): each.context for each in of}
    assert contexts[0.0] == contexts[1.9] == CONTEXT
    assert contexts[2.1] == replace(CONTEXT, tempo=90.0)
    assert contexts[2.6] == contexts[4.0] == NIGHT


def test_another_scene_releases_the_chord_and_another_tempo_does_not() -> None:
    assert [round(each.seconds, 1) for each in passages(part(), 4.0) if each.release] == [2.5]


def test_the_context_is_the_score_s_and_not_the_controls() -> None:
    one = part()
    assert one.context(CONTROLS) == CONTEXT
    list(passages(one, 4.0))
    assert one.context(CONTROLS) == NIGHT


def test_a_score_ends_once() -> None:
    one = part()
    list(passages(one, 2.0))
    assert not one.ended
    list(passages(one, 1.0))
    assert one.ended
    assert notes(one, 20.0) == []


def test_in_a_loop_it_begins_again_after_a_pause_with_its_first_context() -> None:
    one = part(loop=True)
    of = list(passages(one, 3 * (3.0 + PAUSE) - 0.1))
    heard = [event.seconds for passage in of for event in passage.notes]
    once = [line.seconds for line in LINES if isinstance(line.entry, NoteEvent)]
    expected = [at + number * (3.0 + PAUSE) for number in range(3) for at in once]
    assert heard == pytest.approx(expected, abs=1e-9)
    assert not one.ended
    # The scene changes within each round, and back where the next one begins: the last chord rings until then.
    assert [round(each.seconds, 1) for each in of if each.release] == [2.5, 7.0, 9.5, 14.0, 16.5]
    contexts = {round(each.seconds, 1): each.context for each in of}
    assert contexts[6.9] == NIGHT
    assert contexts[7.1] == CONTEXT


def test_each_round_ends_the_last_chord_of_the_one_before() -> None:
    one = part([line for line in LINES if not isinstance(line.entry, Context)], loop=True)
    of = passages(one, 3 * (3.0 + PAUSE) - 0.1)
    assert [round(each.seconds, 1) for each in of if each.release] == [7.0, 14.0]


def test_a_header_that_is_shorter_than_its_lines_does_not_crowd_the_next_round() -> None:
    one = part(seconds=0.0, loop=True)
    heard = [event.seconds for event in notes(one, 20.0)]
    assert heard[:8] == pytest.approx([0.0, 1.0107, 1.0107, 2.6, 6.6, 7.6107, 7.6107, 9.2], abs=1e-9)


@pytest.mark.parametrize("loop", [False, True])
def test_a_score_without_a_line_is_silence(loop: bool) -> None:
    one = part([], loop=loop)
    assert one.ended
    assert notes(one, 20.0) == []
