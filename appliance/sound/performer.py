# SPDX-License-Identifier: Apache-2.0
"""The performer: plays a part on an instrument, one block of samples at a time, live or into a file.

A part is where the music comes from: a composition, or a score that is played back. The performer adds what is not in
the music: the volume, the fades, and fewer notes at once on a machine that is too slow. The performer's thread.

    part.passage(block) ─▶ release, bed, notes ─▶ instrument ─▶ compute ─▶ samples
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from appliance.sound import CHANNELS, SAMPLE_RATE
from appliance.sound.polyphony import PolyphonyLimiter
from appliance.values import Bed, Controls, NoteEvent, Passage

log = logging.getLogger(__name__)

FADE_IN = 2.0  # s from silence to the knob's volume, so that no start is loud
FADE_OUT = 0.7  # s
TURN = 2.0  # s from one piece to silence, and from there to the next
MUTE = 0.3  # s


class Part(Protocol):
    """Where the music comes from."""

    def passage(self, frames: int, controls: Controls) -> Passage:
        """The music of the next block, of `frames` samples."""


class Instrument(Protocol):
    """What a performer plays on: the synth, or NullInstrument."""

    block: int  # frames a block

    @property
    def rests(self) -> bool:
        """Whether it computes nothing, because nothing is heard."""

    def play(self, event: NoteEvent) -> None:
        """Begin a note with the next block."""

    def release(self) -> None:
        """Begin the release of the chord and the drone that sound now."""

    def follow(self, bed: Bed) -> None:
        """Steer the bed."""

    def breathe(self) -> None:
        """Brighten the bed for a moment, because a ledger has closed."""

    def volume(self, position: float) -> None:
        """Set the volume to a knob's position, 0 to 1."""

    def fade(self, level: float, seconds: float) -> None:
        """Fade everything to `level`, 0 to 1, within `seconds`."""

    def limit(self, leads: int) -> None:
        """Let at most `leads` melody notes sound at once."""

    def compute(self, seconds: float) -> NDArray[np.float32]:
        """The next block, beginning at `seconds`: shape (block, CHANNELS)."""


class NullInstrument:
    """An instrument that makes no sound, for scores: a thousand times faster."""

    rests = False

    def __init__(self, block: int) -> None:
        self.block = block
        self._silence: NDArray[np.float32] = np.zeros((block, CHANNELS), dtype=np.float32)

    def play(self, event: NoteEvent) -> None:
        """Do nothing."""

    def release(self) -> None:
        """Do nothing."""

    def follow(self, bed: Bed) -> None:
        """Do nothing."""

    def breathe(self) -> None:
        """Do nothing."""

    def volume(self, position: float) -> None:
        """Do nothing."""

    def fade(self, level: float, seconds: float) -> None:
        """Do nothing."""

    def limit(self, leads: int) -> None:
        """Do nothing."""

    def compute(self, seconds: float) -> NDArray[np.float32]:
        """A block of silence."""
        return self._silence


class Performer:
    """Plays `part` on `instrument`.

    `limiter` reduces the polyphony on a machine that is too slow to play live; a render has time. `clock` gives seconds
    that never jump.
    """

    def __init__(
        self,
        part: Part,
        instrument: Instrument,
        limiter: PolyphonyLimiter | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.instrument = instrument
        self._part, self._limiter, self._clock = part, limiter, clock
        self._blocks = 0
        self._level: float | None = None  # to which it fades
        self._turned = False  # it faded because another piece begins
        self.samples: NDArray[np.float32] = np.zeros((instrument.block, CHANNELS), dtype=np.float32)
        self.spent = 0.0  # s that the last block took to compute, by `clock`

    @property
    def seconds(self) -> float:
        """The moment at which the next block begins, on the audio clock."""
        return self._blocks * self.instrument.block / SAMPLE_RATE

    def block(self, controls: Controls, *, leaving: bool = False) -> Passage:
        """Compute one block into `samples`, and return what was played in it.

        `leaving` fades everything out within FADE_OUT seconds.
        """
        started = self._clock()
        instrument = self.instrument
        instrument.volume(controls.volume * controls.dim)
        passage = self._part.passage(instrument.block, controls)
        self._fade(controls, leaving, passage.fades)
        if passage.release:
            instrument.release()
        if passage.bed:
            instrument.follow(passage.bed)
        if passage.ledgers:
            instrument.breathe()
        for event in passage.notes:
            instrument.play(event)
        self.samples = instrument.compute(self.seconds)
        self._blocks += 1
        self.spent = self._clock() - started
        if self._limiter and not instrument.rests:
            self._limit(self._limiter)
        return passage

    def _fade(self, controls: Controls, leaving: bool, turning: bool) -> None:
        level = 0.0 if leaving or controls.muted or turning else 1.0
        if level == self._level:
            return
        start = self._level is None and not controls.muted
        turn = (turning or self._turned) and not controls.muted
        self.instrument.fade(level, FADE_OUT if leaving else FADE_IN if start else TURN if turn else MUTE)
        self._level, self._turned = level, turning

    def _limit(self, limiter: PolyphonyLimiter) -> None:
        before = limiter.leads
        after = limiter.after(self.spent, self.instrument.block / SAMPLE_RATE)
        if after == before:
            return
        self.instrument.limit(after)
        if after < before:
            log.warning(
                "This machine is too slow for %d notes at once; the box now plays at most %d.", before, after
            )
        else:
            log.info("This machine has time again; the box now plays up to %d notes at once.", after)
