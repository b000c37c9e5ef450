# SPDX-License-Identifier: Apache-2.0
"""Plays a score: a part for the performer, like a composition, whose notes are already written. The performer's thread.

Notes begin at their moments whatever the block size. Volume and mute work as ever; tempo, network and scene are the
score's own, and presses are confirmed by the lamps alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain

from appliance.score.format import Header, Line
from appliance.values import DIGITS, Bed, Context, Controls, Ledger, NoteEvent, Passage

PAUSE = 4.0  # s between the end of a score and its next beginning


class ScorePart:
    """Plays the lines of a score, from the frame `begins` of the audio clock on.

    With `loop` it begins again at its end; `ended` is true once nothing is left.
    """

    def __init__(
        self,
        header: Header,
        lines: Callable[[], Iterator[Line]],
        sample_rate: int,
        *,
        loop: bool = False,
        begins: int = 0,
    ) -> None:
        self._header, self._lines, self._loop = header, lines, loop
        self._rate, self._frames = sample_rate, begins
        self._begun = begins / sample_rate  # s, the moment at which second 0 of this round lies
        self._heard = self._begun  # the same, of the round whose lines were played last
        self._context = header.context
        self._round: Iterator[Line] = lines()
        self._next = next(self._round, None)

    @property
    def ended(self) -> bool:
        """Whether there is no line left."""
        return self._next is None

    def context(self, controls: Controls) -> Context:
        """What the music is made with: the score says it, the controls do not."""
        return self._context

    def passage(self, frames: int, controls: Controls) -> Passage:
        """The music of the next block, of `frames` samples."""
        begins = self._frames / self._rate
        self._frames += frames
        notes: list[NoteEvent] = []
        ledgers: list[Ledger] = []
        bed: Bed | None = None
        before, release = self._context, False
        for line in self._due(self._frames / self._rate):
            if self._heard != self._begun:
                self._heard, release = self._begun, True  # the last chord of the round before
            match line.entry:
                case NoteEvent() as event:
                    # Rounded as the lines are: a note on the block's first sample is not early.
                    at = max(round(begins, DIGITS), self._begun + event.seconds)
                    notes.append(replace(event, seconds=at))
                case Bed() as bed:
                    pass
                case Context() as context:
                    self._context = context
                case close:
                    ledgers.append(Ledger(close.sequence, close.closed_at, close.operations, 0, 0, ()))
        release = release or self._context.scene != before.scene
        return Passage(begins, self._context, tuple(notes), bed, release, tuple(ledgers))

    def _due(self, ends: float) -> Iterator[Line]:
        """The lines before the moment `ends`, which is rounded as the lines are: a block's own lines are not early."""
        ends = round(ends, DIGITS)
        while (line := self._next) and self._begun + line.seconds < ends:
            yield line
            self._next = next(self._round, None)
            if self._next is None and self._loop:
                self._begun += max(self._header.seconds, line.seconds) + PAUSE
                self._round = chain([Line(0.0, self._header.context)], self._lines())
                self._next = next(self._round, None)
