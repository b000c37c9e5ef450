# SPDX-License-Identifier: Apache-2.0
"""An interlude: a score instead of the music, with a fade both ways, and the music as it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.interlude import Interlude, Programme
from appliance.score.files import Score, open_packed, score_in
from appliance.score.format import BadScore
from appliance.score.player import PAUSE
from appliance.sound import SAMPLE_RATE
from appliance.sound.performer import TURN
from appliance.values import Bed, Context, Controls, Note, NoteEvent, Passage, Voice
from tests.support.artists import score

CONTROLS = Controls(0.7, 60.0, "public")
CONTEXT = Context("testnet", "night", "wind", "C", 60.0)
BLOCK = 4800  # frames: 0.1 s
PAD = NoteEvent(Note(48, 0.5, 600.0, Voice.PAD), 0.0, 0.0, 600.0)
SHORT = NoteEvent(Note(50, 0.5, 2.0, Voice.DRONE), 0.0, 0.0, 2.0)
BED = Bed(0.1, 0.2, 0.3)


class Music:
    """Strikes a chord at its first block, and a bell at each."""

    def __init__(self) -> None:
        self.blocks = 0

    def passage(self, frames: int, controls: Controls) -> Passage:
        at = self.blocks * frames / SAMPLE_RATE
        bell = NoteEvent(Note(72, 0.5, 1.0, Voice.BELL), at, at, 1.0)
        held = () if self.blocks else (PAD, SHORT)
        bed = None if self.blocks else BED
        self.blocks += 1
        return Passage(at, CONTEXT, (*held, bell), bed)


def opened(pitch: int = 60, seconds: float = 3.0) -> Score:
    return score_in(score(pitch=pitch, seconds=seconds), Path("evening.score.gz"), whole=False)


def passages(of: Interlude, seconds: float) -> Iterator[Passage]:
    for _ in range(round(seconds * SAMPLE_RATE / BLOCK)):
        yield of.passage(BLOCK, CONTROLS)


def pitches(found: list[Passage]) -> set[int]:
    return {event.note.pitch for passage in found for event in passage.notes}


def test_without_a_programme_the_music_is_as_it_is() -> None:
    music, same = Interlude(Music()), Music()
    assert list(passages(music, 1.0)) == [same.passage(BLOCK, CONTROLS) for _ in range(10)]
    assert music.title == ""


def test_a_score_is_played_between_two_fades_and_the_music_goes_on() -> None:
    below = Music()
    interlude = Interlude(below)
    before = list(passages(interlude, 1.0))
    interlude.play(Programme("Evening", [opened()]))
    assert interlude.title == "Evening"
    fading = list(passages(interlude, TURN))
    assert all(passage.fades for passage in fading)
    assert pitches(fading) == {72}
    playing = list(passages(interlude, 3.0 + PAUSE))
    assert not any(passage.fades for passage in playing)
    assert [passage.release for passage in playing][:2] == [True, False]
    assert playing[0].context.network == "public"
    first = playing[0].notes[0]
    assert first.note.pitch == 60
    assert first.seconds == pytest.approx(1.0 + TURN)
    assert pitches(playing) == {60, 61, 62}
    ending = list(passages(interlude, TURN + 0.1))
    assert interlude.title == ""
    assert pitches(ending) == set()
    after = list(passages(interlude, 1.0))
    moments = [passage.seconds for passage in (*before, *fading, *playing, *ending, *after)]
    assert moments == pytest.approx([number / 10 for number in range(len(moments))])  # one clock for all
    assert below.blocks == len(moments)  # the music went on meanwhile
    again = after[0]
    assert again.release
    (struck,) = [event for event in again.notes if event.note.voice is Voice.PAD]
    assert struck.seconds + struck.length == pytest.approx(600.0)
    assert again.bed == BED
    assert SHORT.note.pitch not in pitches(after)  # it has ended meanwhile
    assert after[-1].notes[0].note.pitch == 72


def test_several_scores_follow_each_other() -> None:
    interlude = Interlude(Music())
    interlude.play(Programme("Evening", [opened(60), opened(80)]))
    found = list(passages(interlude, TURN + 2 * (3.0 + PAUSE)))
    released = [each.seconds for each in found if each.release]  # no chord sounds into the next score
    assert released == pytest.approx([TURN, TURN + 3.0 + PAUSE])
    assert pitches(found) == {48, 50, 72, 60, 61, 62, 80, 81, 82}


def test_an_interlude_can_be_stopped_and_called_off() -> None:
    interlude = Interlude(Music())
    interlude.play(Programme("Evening", [opened()]))
    list(passages(interlude, TURN / 2))
    interlude.play(None)
    found = list(passages(interlude, 5.0))
    assert pitches(found) == {72}
    assert not any(passage.release or passage.fades for passage in found)
    interlude.play(Programme("Evening", [opened()]))
    list(passages(interlude, TURN + 1.0))
    interlude.play(None)
    assert all(passage.fades for passage in passages(interlude, TURN))
    assert pitches(list(passages(interlude, 2.0))) == {72, PAD.note.pitch}


def test_another_scene_below_ends_the_chord_that_would_be_struck_again() -> None:
    class Changing(Music):
        def passage(self, frames: int, controls: Controls) -> Passage:
            found = super().passage(frames, controls)
            return replace(found, release=self.blocks == 10)

    interlude = Interlude(Changing())
    interlude.play(Programme("Evening", [opened()]))
    list(passages(interlude, TURN + 1.0))
    interlude.play(None)
    assert PAD.note.pitch not in pitches(list(passages(interlude, TURN + 1.0)))


def test_a_score_with_a_wrong_line_ends_there() -> None:
    """Nothing but its header is checked when it is opened."""
    text = (
        b'{"score":1,"network":"public","scene":"wind","scale":"wind","root":"C","tempo":60,"seconds":9}\n'
        b'{"t":0,"brightness":0,"wind":0,"space":0}\n{"t":1,"nonsense":true}\n'
    )
    interlude = Interlude(Music())
    interlude.play(Programme("Evening", [score_in(text, Path("x"), whole=False)]))
    list(passages(interlude, TURN + 2.0))
    assert interlude.title == ""
    assert pitches(list(passages(interlude, TURN + 1.0))) >= {72}


def test_what_is_no_score_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "x.score.gz"
    for content in (b"", b"nonsense\n", bytes(3 << 20)):
        path.write_bytes(content)
        with pytest.raises(BadScore):
            open_packed(path)
    with pytest.raises(BadScore):
        open_packed(tmp_path / "nowhere")
    path.write_bytes(score())
    assert open_packed(path).header.title == "Evening"
