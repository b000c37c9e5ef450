# SPDX-License-Identifier: Apache-2.0
"""An interlude: scores that are played instead of the music, and the music again after them, with a fade both ways.

A part for the performer, around the part that plays otherwise. That one goes on unheard, so the ledgers are not late
when it is heard again; then its chord is struck again, and its bed is as it was. `play` is called on the main
thread, and replaces one value; the rest is the performer's thread.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from appliance.score.files import Score
from appliance.score.format import BadScore
from appliance.score.player import PAUSE, ScorePart
from appliance.sound import SAMPLE_RATE
from appliance.sound.performer import TURN, Part
from appliance.values import Bed, Controls, NoteEvent, Passage, Voice

log = logging.getLogger(__name__)

HELD = (Voice.PAD, Voice.DRONE)  # what is held for a minute, and must be struck again
MOST_HELD = 64  # notes; a chord has six


class Programme:
    """Scores to play, one after another, under one title."""

    def __init__(self, title: str, scores: Sequence[Score]) -> None:
        self.title, self.scores = title, tuple(scores)


class Interlude:
    """Plays `part`, and for a while something else."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._frames = 0  # of the audio clock
        # Each is written by one thread alone: the first by the main thread, the second by the performer's.
        self._wanted: Programme | None = None
        self._ended: Programme | None = None
        self._playing: Programme | None = None
        self._left: list[Score] = []  # of the programme that plays
        self._score: ScorePart | None = None
        self._score_ends = 0  # frame
        self._turns = 0  # frame at which the fade has ended, while it fades
        self._held: list[NoteEvent] = []
        self._bed: Bed | None = None

    @property
    def title(self) -> str:
        """What is played, or about to be; "" for the music itself. Any thread."""
        programme = self._programme()
        return programme.title if programme else ""

    def play(self, programme: Programme | None) -> None:
        """Fade to these scores; without any, back to the music."""
        self._wanted = programme

    def passage(self, frames: int, controls: Controls) -> Passage:
        """The music of the next block, of `frames` samples."""
        begins = self._frames
        wanted = self._programme()
        below = self._part.passage(frames, controls)
        self._remember(below)
        release = turning = False
        if wanted is not self._playing:
            if not self._turns:
                self._turns = begins + int(TURN * SAMPLE_RATE)
            turning = begins < self._turns
            if not turning:
                self._playing, self._turns, release = wanted, 0, True
                self._left, self._score = list(wanted.scores) if wanted else [], None
        else:
            self._turns = 0
        self._frames += frames
        if self._playing is None:
            if release:
                return self._again(below, begins)
            return replace(below, fades=True) if turning else below
        passage = self._of_score(frames, begins, controls)
        if passage is None:  # the last score has ended
            passage = Passage(begins / SAMPLE_RATE, below.context)
            self._ended = self._playing
        return replace(passage, release=passage.release or release, fades=turning)

    def _programme(self) -> Programme | None:
        """What is wanted and has not ended."""
        wanted = self._wanted
        return None if wanted is self._ended else wanted

    def _of_score(self, frames: int, begins: int, controls: Controls) -> Passage | None:
        """The next block of the scores; None at their end."""
        try:
            if begun := self._score is None or begins >= self._score_ends:
                if not self._left:
                    return None
                score = self._left.pop(0)
                self._score_ends = begins + int((score.header.seconds + PAUSE) * SAMPLE_RATE)
                self._score = ScorePart(score.header, score.__iter__, SAMPLE_RATE, begins=begins)
            passage = self._score.passage(frames, controls)
            return replace(passage, release=True) if begun else passage
        except (BadScore, OSError) as error:  # the file was not checked before
            log.warning("%s The music goes on.", error)
            self._left, self._score_ends = [], begins
            return None

    def _remember(self, below: Passage) -> None:
        if below.release:
            self._held = []
        self._held = [*self._held, *(event for event in below.notes if event.note.voice in HELD)][-MOST_HELD:]
        self._bed = below.bed or self._bed

    def _again(self, below: Passage, begins: int) -> Passage:
        """The music's first block after an interlude: what it holds is struck again."""
        now = begins / SAMPLE_RATE
        held = [
            replace(event, seconds=now, length=event.seconds + event.length - now)
            for event in self._held
            if event not in below.notes and event.seconds + event.length > now + 1.0
        ]
        return replace(below, notes=(*held, *below.notes), bed=below.bed or self._bed, release=True)
