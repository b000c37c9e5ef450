# SPDX-License-Identifier: Apache-2.0
"""A performance in memory: what `render` would write, as notes and samples, and what the limiter did.

It is the one loop of performance.py with observers. One thread; one synth a process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from appliance.ledger.tape import Line, TapePlayer
from appliance.parts import composition, synth
from appliance.performance import Block, Observer, Performance
from appliance.settings import Settings
from appliance.sound.outputs.silent import Discard
from appliance.sound.performer import Instrument, NullInstrument, Performer
from appliance.values import Controls, NoteEvent

Lines = Callable[[], Iterator[Line]]  # of a tape, each time from its start


@dataclass(slots=True)
class Played:
    """What was played."""

    notes: list[NoteEvent] = field(default_factory=list)
    samples: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)))  # shape (frames, 2)
    reduction: list[float] = field(default_factory=list)  # dB of the limiter, at each block


def play(settings: Settings, lines: Lines, seconds: float) -> Played:
    """Play `seconds` of a tape, with their sound."""
    played, blocks = Played(), list[NDArray[np.float32]]()
    with closing(synth(settings)) as instrument:

        def observe(block: Block) -> None:
            blocks.append(block.samples.copy())
            played.reduction.append(instrument.reduction)

        played.notes = _perform(settings, instrument, lines, seconds, observe)
    played.samples = np.concatenate(blocks).astype(np.float64)
    return played


def compose(settings: Settings, lines: Lines, seconds: float) -> list[NoteEvent]:
    """The notes of `seconds` of a tape, without sound."""
    return _perform(settings, NullInstrument(settings.sound.block_size), lines, seconds)


def _perform(
    settings: Settings, instrument: Instrument, lines: Lines, seconds: float, *observers: Observer
) -> list[NoteEvent]:
    notes: list[NoteEvent] = []
    controls = Controls(1.0, settings.tempo, settings.network, scene=settings.scene)
    part = composition(settings, TapePlayer(lines).until)
    gather: Observer = lambda block: notes.extend(block.passage.notes)  # noqa: E731 - as short as its name
    performance = Performance(Performer(part, instrument), Discard(), lambda: controls, (gather, *observers))
    performance.play(seconds)
    return notes
