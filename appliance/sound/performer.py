# SPDX-License-Identifier: Apache-2.0
"""The performer: the one loop that turns time into music, live or into a file.

The one rule: a block of samples is the only tick. The beats that fall into the next block are composed, their notes
begin with that block (a block is 11 ms), and the output decides how fast blocks are wanted: a card paces by its
clock, a file not at all. Notes are given at their intended moment, not at the block's edge. The performer's thread.

    advance(block) ─▶ hear ─▶ beat? compose ─▶ pending (by beat) ─▶ due? synth.play ─▶ synth.compute ─▶ samples
"""

from __future__ import annotations

import heapq
import logging
import pickle
import time
from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from appliance.music.composer import Composer
from appliance.music.scenes import SCENES
from appliance.music.transport import Moment, Transport
from appliance.sound import CHANNELS, SAMPLE_RATE
from appliance.sound.relief import Relief
from appliance.values import Answer, Bed, Controls, Ledger, Note, Sounded

log = logging.getLogger(__name__)

FADE_IN = 2.0  # s from silence to the knob's volume, so that no start is ever loud
FADE_OUT = 0.7  # s
MUTE = 0.3  # s
STRIDE = 0.18  # s between two notes of a phrase that answers a hand
# What of a performer decides the score; all else is of the sound, or of the machine.
PART = ("composer", "_transport", "_pending", "_order", "_network", "_scene", "_answered")


class Instrument(Protocol):
    """What a performer plays on: the synth, or paper, which makes no sound."""

    block: int  # frames a block

    def play(self, sounded: Sounded) -> None:
        """Begin a note with the next block."""

    def let_go(self) -> None:
        """Begin the release of the chord and the drone that sound now."""

    def follow(self, bed: Bed) -> None:
        """Steer the bed."""

    def volume(self, position: float) -> None:
        """Set the volume to a knob's position, 0 to 1."""

    def fade(self, level: float, seconds: float) -> None:
        """Fade everything to `level`, 0 to 1, within `seconds`."""

    def limit(self, leads: int) -> None:
        """Let no more than so many leads sound at once."""

    def compute(self, seconds: float) -> NDArray[np.float32]:
        """The next block, beginning at `seconds`."""


class Paper:
    """An instrument that makes no sound: for scores, which need none, a thousand times faster."""

    def __init__(self, block: int) -> None:
        self.block = block
        self._silence: NDArray[np.float32] = np.zeros((block, CHANNELS), dtype=np.float32)

    def play(self, sounded: Sounded) -> None:
        """Nothing sounds."""

    def let_go(self) -> None:
        """Nothing is held."""

    def follow(self, bed: Bed) -> None:
        """Nothing moves."""

    def volume(self, position: float) -> None:
        """Nothing is loud."""

    def fade(self, level: float, seconds: float) -> None:
        """Nothing fades."""

    def limit(self, leads: int) -> None:
        """Nothing is too much."""

    def compute(self, seconds: float) -> NDArray[np.float32]:
        """A block of silence."""
        return self._silence


class Performer:
    """Plays a composer on an instrument, a block at a time.

    `relief` spares a machine that is too slow to play live; a file has time. `clock` gives seconds that never jump.
    """

    def __init__(
        self,
        composer: Composer,
        synth: Instrument,
        relief: Relief | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.composer, self.synth = composer, synth
        self._relief, self._clock = relief, clock
        self._transport = Transport(SAMPLE_RATE)
        self._pending: list[
            tuple[float, int, Note]
        ] = []  # heap by beat; the counter keeps equal beats in order
        self._order = 0
        self._faded: tuple[float, float] | None = None
        self._network: str | None = None
        self._scene: str | None = None
        self._answered = 0  # number of the last answer
        self.heard: list[Ledger] = []  # in the last block
        self.samples: NDArray[np.float32] = np.zeros((synth.block, CHANNELS), dtype=np.float32)

    @property
    def now(self) -> Moment:
        """The moment at which the next block begins."""
        return self._transport.now

    def block(self, controls: Controls, *, leaving: bool = False) -> list[Sounded]:
        """Compute one block into `samples`, and return the notes that begin in it.

        `leaving` fades everything out within FADE_OUT seconds.
        """
        started = self._clock()
        self._obey(controls, leaving)
        begins = self._transport.now
        beats = self._transport.advance(self.synth.block, controls.tempo)
        self.heard = self.composer.hear(begins)
        self._answer(controls.answer, begins)
        for beat in beats:
            for note in self.composer.beat(beat):
                heapq.heappush(self._pending, (beat.beat + note.delay, self._next(), note))
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
        if self._relief:
            self._relieve(self._relief, self._clock() - started)
        return begun

    def _relieve(self, relief: Relief, spent: float) -> None:
        before = relief.leads
        after = relief.after(spent, self.synth.block / SAMPLE_RATE)
        if after == before:
            return
        self.synth.limit(after)
        if after < before:
            log.warning(
                "This machine computes too slowly for %d notes at once: from now on there are %d.",
                before,
                after,
            )
        else:
            log.info("This machine has time again: there are up to %d notes at once.", after)

    def pack(self) -> bytes:
        """All that decides which notes come next, for a performer of the same program to go on from."""
        return pickle.dumps({name: getattr(self, name) for name in PART})

    def resume(self, part: Mapping[str, object]) -> None:
        """Go on from what another performer has packed."""
        vars(self).update(part)

    def follow(self, instrument: Instrument) -> None:
        """Play on another instrument from the next block on; it begins silent, and knows nothing of what sounds."""
        instrument.compute(self.now.seconds - instrument.block / SAMPLE_RATE)
        self.synth, self._faded = instrument, None

    def _next(self) -> int:
        self._order += 1
        return self._order

    def _answer(self, answer: Answer, now: Moment) -> None:
        """Begin a phrase at once: who presses does not wait for a beat."""
        if answer.number == self._answered:
            return
        self._answered = answer.number
        for index, note in enumerate(self.composer.answer(answer.phrase, now)):
            beat = now.beat + index * STRIDE / now.beat_seconds
            heapq.heappush(self._pending, (beat, self._next(), note))

    def _obey(self, controls: Controls, leaving: bool) -> None:
        self.synth.volume(controls.volume * controls.dim)
        if controls.network != self._network:
            if self._network is not None:
                self.composer.forget()
            self._network = controls.network
        if controls.scene != self._scene:
            if self._scene is not None:
                self.composer.enter(SCENES[controls.scene], self._transport.now)
                self.synth.let_go()
            self._scene = controls.scene
        if leaving:
            fade = (0.0, FADE_OUT)
        elif controls.muted:
            fade = (0.0, MUTE)
        else:
            fade = (1.0, FADE_IN if self._faded is None else MUTE)
        if fade != self._faded:
            self.synth.fade(*fade)
            self._faded = fade
