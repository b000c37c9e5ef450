# SPDX-License-Identifier: Apache-2.0
"""The performer: the one loop that turns time into music, live or into a file.

The one rule: a block of samples is the only tick. The beats that fall into the next block are composed, their notes
begin with that block (a block is 11 ms), and the output decides how fast blocks are wanted: a card paces by its
clock, a file not at all. Notes are given at their intended moment, not at the block's edge. The performer's thread.

    advance(block) ─▶ hear ─▶ beat? compose ─▶ pending (by beat) ─▶ due? synth.play ─▶ synth.compute ─▶ samples
"""

from __future__ import annotations

import heapq
from itertools import count

import numpy as np
from numpy.typing import NDArray

from appliance.music.composer import Composer
from appliance.music.transport import Moment, Transport
from appliance.sound.synth import SAMPLE_RATE, Synth
from appliance.values import Controls, Note, Sounded

FADE_IN = 2.0  # s from silence to the knob's volume, so that no start is ever loud
FADE_OUT = 0.7  # s
MUTE = 0.3  # s


class Performer:
    """Plays a composer on a synth, a block at a time."""

    def __init__(self, composer: Composer, synth: Synth) -> None:
        self.composer, self.synth = composer, synth
        self._transport = Transport(SAMPLE_RATE)
        self._pending: list[tuple[float, int, Note]] = []  # heap by beat; the counter keeps equal beats in order
        self._order = count()
        self._faded: tuple[float, float] | None = None
        self._network: str | None = None
        self.samples: NDArray[np.float32] = np.zeros((synth.block, 2), dtype=np.float32)

    @property
    def now(self) -> Moment:
        """The moment at which the next block begins."""
        return self._transport.now

    def block(self, controls: Controls, *, leaving: bool = False) -> list[Sounded]:
        """Compute one block into `samples`, and return the notes that begin in it.

        `leaving` fades everything out within FADE_OUT seconds.
        """
        self._obey(controls, leaving)
        begins = self._transport.now
        beats = self._transport.advance(self.synth.block, controls.tempo)
        self.composer.hear(begins)
        for beat in beats:
            for note in self.composer.beat(beat):
                heapq.heappush(self._pending, (beat.beat + note.delay, next(self._order), note))
            self.synth.follow(self.composer.bed(beat))
        ends = self._transport.now
        begun: list[Sounded] = []
        while self._pending and self._pending[0][0] < ends.beat:
            beat_of_note, _, note = heapq.heappop(self._pending)
            # Where in the block its beat falls, at this block's tempo; a tempo change may have left it behind.
            ahead = max(0.0, beat_of_note - begins.beat) * ends.beat_seconds
            sounded = Sounded(note, begins.seconds + ahead, beat_of_note, note.duration * ends.beat_seconds)
            self.synth.play(sounded)
            begun.append(sounded)
        self.samples = self.synth.compute(begins.seconds)
        return begun

    def _obey(self, controls: Controls, leaving: bool) -> None:
        self.synth.volume(controls.volume)
        if controls.network != self._network:
            if self._network is not None:
                self.composer.forget()
            self._network = controls.network
        if leaving:
            fade = (0.0, FADE_OUT)
        elif controls.muted:
            fade = (0.0, MUTE)
        else:
            fade = (1.0, FADE_IN if self._faded is None else MUTE)
        if fade != self._faded:
            self.synth.fade(*fade)
            self._faded = fade
