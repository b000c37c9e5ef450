# SPDX-License-Identifier: Apache-2.0
"""A composition: the music of a composer, block by block, from ledgers and controls.

A block of samples is the only tick. The beats that fall into the next block are composed, and the notes that fall into
it are returned with their exact moments, not with the start of the block. Pure, except for where the ledgers come from;
the performer's thread.

    ledgers ─▶ composer ◀── beats of this block
                   │ notes
                   ▼
               pending, by beat ── those that fall into this block ─▶ Passage
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable

from appliance.music.composer import Composer
from appliance.music.scales import NAMES
from appliance.music.scenes import SCENES
from appliance.music.transport import Moment, Transport
from appliance.values import DIGITS, Answer, Context, Controls, Ledger, Note, NoteEvent, Passage

STRIDE = 0.18  # s between two notes of an answer, whatever the tempo


class Composition:
    """The music of `composer`.

    `ledgers` is called once a block with the second at which it begins, and gives the ledgers that arrived since the
    last call.
    """

    def __init__(
        self, composer: Composer, ledgers: Callable[[float], Iterable[Ledger]], sample_rate: int
    ) -> None:
        self._composer, self._ledgers = composer, ledgers
        self._transport = Transport(sample_rate)
        self._pending: list[
            tuple[float, int, Note]
        ] = []  # heap by beat; the counter keeps equal beats in order
        self._order = 0
        self._context: Context | None = None
        self._answered = 0  # number of the last answer that was played

    def context(self, controls: Controls) -> Context:
        """The context of the music under these controls."""
        scale = self._composer.scale
        return Context(controls.network, controls.scene, scale.name, NAMES[scale.root], controls.tempo)

    def passage(self, frames: int, controls: Controls) -> Passage:
        """The next block, of `frames` samples."""
        begins = self._transport.now
        ledgers = tuple(self._ledgers(begins.seconds))
        before, context = self._context, self.context(controls)
        release = False
        if before and context.network != before.network:
            self._composer.forget()
            ledgers = ()  # they belong to the network before
        if before and context.scene != before.scene:
            self._composer.enter(SCENES[context.scene], begins)
            context = self.context(controls)
            release = True
        self._context = context
        self._composer.hour(controls.hour)
        beats = self._transport.advance(frames, controls.tempo)
        for ledger in ledgers:
            self._composer.add(ledger, begins)
        self._composer.take_in()
        self._answer(controls.answer, begins)
        bed = None
        for beat in beats:
            for note in self._composer.beat(beat):
                self._push(beat.beat + note.delay, note)
            bed = self._composer.bed(beat)
        notes = tuple(self._due(begins, self._transport.now))
        return Passage(begins.seconds, context, notes, bed, release, ledgers)

    def _due(self, begins: Moment, ends: Moment) -> Iterable[NoteEvent]:
        while self._pending:
            beat, _, note = self._pending[0]
            # Where in the block its beat falls, at this block's tempo; after a tempo change it can be in the past.
            ahead = max(0.0, beat - begins.beat) * ends.beat_seconds
            seconds = round(begins.seconds + ahead, DIGITS)
            if seconds >= ends.seconds:
                return
            heapq.heappop(self._pending)
            yield NoteEvent(note, seconds, beat, note.duration * ends.beat_seconds)

    def _answer(self, answer: Answer, now: Moment) -> None:
        """Begin an answer at once: a press does not wait for a beat."""
        if answer.number == self._answered:
            return
        self._answered = answer.number
        for index, note in enumerate(self._composer.answer(answer.phrase, now)):
            self._push(now.beat + index * STRIDE / now.beat_seconds, note)

    def _push(self, beat: float, note: Note) -> None:
        self._order += 1
        heapq.heappush(self._pending, (beat, self._order, note))
