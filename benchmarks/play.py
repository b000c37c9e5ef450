# SPDX-License-Identifier: Apache-2.0
"""A performance in memory: what `render` would write, as score and samples, and what the limiter did.

The one rule: it is the performer's own loop. One thread; one synth a process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from appliance.ledger.tape import Line, TapePlayer
from appliance.render import composer, synth
from appliance.settings import Settings
from appliance.sound import SAMPLE_RATE
from appliance.sound.performer import Instrument, NullInstrument, Performer
from appliance.values import Controls, NoteEvent


@dataclass(slots=True)
class Performance:
    """What was played."""

    score: list[NoteEvent] = field(default_factory=list)
    samples: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)))  # shape (frames, 2)
    reduction: list[float] = field(default_factory=list)  # dB by which the limiter was down, at each block
    stolen: int = 0  # notes that had to take a sounding voice


def play(settings: Settings, lines: Callable[[], Iterator[Line]], seconds: float) -> Performance:
    """So many seconds of a tape, with their sound."""
    instrument, played = synth(settings), Performance()
    blocks: list[NDArray[np.float32]] = []

    def keep(performer: Performer) -> None:
        blocks.append(performer.samples.copy())
        played.reduction.append(instrument.reduction)

    played.score = _perform(settings, instrument, lines, seconds, keep)
    played.samples = np.concatenate(blocks).astype(np.float64)
    played.stolen = instrument.stolen
    return played


def compose(settings: Settings, lines: Callable[[], Iterator[Line]], seconds: float) -> list[NoteEvent]:
    """The score of so many seconds of a tape, without a sound."""
    return _perform(settings, NullInstrument(settings.sound.block_size), lines, seconds)


def _perform(
    settings: Settings,
    instrument: Instrument,
    lines: Callable[[], Iterator[Line]],
    seconds: float,
    each: Callable[[Performer], None] = lambda _: None,
) -> list[NoteEvent]:
    performer = Performer(composer(settings), instrument)
    player, controls = (
        TapePlayer(lines),
        Controls(1.0, settings.tempo, settings.network, scene=settings.scene),
    )
    score: list[NoteEvent] = []
    for _ in range(round(seconds * SAMPLE_RATE / instrument.block)):
        for ledger in player.until(performer.now.seconds):
            performer.composer.queue.put(ledger)
        score += performer.block(controls)
        each(performer)
    return score
