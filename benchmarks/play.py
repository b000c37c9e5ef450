# SPDX-License-Identifier: Apache-2.0
"""A performance in memory: what `render` would write, as notes and samples, and what the limiter did.

It is the one loop of performance.py with observers. One thread; one synth a process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from appliance.ledger.tape import Line, TapePlayer
from appliance.parts import composition, synth
from appliance.performance import Block, Observer, Performance
from appliance.settings import Settings
from appliance.sound.outputs.silent import Discard
from appliance.sound.performer import Instrument, NullInstrument, Performer
from appliance.values import Bed, Controls, Ledger, NoteEvent, Voice

Lines = Callable[[], Iterator[Line]]  # of a tape, each time from its start

BED = (Voice.PAD, Voice.DRONE)  # the voices of the bed; all others play the melody


class Stem(StrEnum):
    """Which part of the music is heard."""

    ALL = "all"
    LEAD = "lead"  # the melody with its echo and reverb
    BED = "bed"  # chord, drone and wind


@dataclass(slots=True)
class Played:
    """What was played."""

    notes: list[NoteEvent] = field(default_factory=list)
    ledgers: list[tuple[float, Ledger]] = field(default_factory=list)  # each with the second of its arrival
    samples: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)))  # shape (frames, 2)
    reduction: list[float] = field(default_factory=list)  # dB of the limiter, at each block


class _Stemmed:
    """An instrument that plays either the leads or the bed. The same seed gives the same performance for both."""

    rests = False

    def __init__(self, instrument: Instrument, stem: Stem) -> None:
        self._bed = stem is Stem.BED
        self.block, self.release, self.volume = instrument.block, instrument.release, instrument.volume
        self.fade, self.limit, self.compute = instrument.fade, instrument.limit, instrument.compute
        self._play, self._follow, self.breathe = instrument.play, instrument.follow, instrument.breathe

    def play(self, event: NoteEvent) -> None:
        if (event.note.voice in BED) is self._bed:
            self._play(event)

    def follow(self, bed: Bed) -> None:
        self._follow(bed if self._bed else replace(bed, wind=0.0))


def play(settings: Settings, lines: Lines, seconds: float, stem: Stem = Stem.ALL) -> Played:
    """Play `seconds` of a tape, with their sound."""
    played, blocks = Played(), list[NDArray[np.float32]]()
    with closing(synth(settings)) as instrument:

        def observe(block: Block) -> None:
            blocks.append(block.samples.copy())
            played.reduction.append(instrument.reduction)

        heard = instrument if stem is Stem.ALL else _Stemmed(instrument, stem)
        _perform(settings, heard, lines, seconds, played, observe)
    played.samples = np.concatenate(blocks).astype(np.float64)
    return played


def compose(settings: Settings, lines: Lines, seconds: float) -> Played:
    """`seconds` of a tape, without sound."""
    played = Played()
    _perform(settings, NullInstrument(settings.sound.block_size), lines, seconds, played)
    return played


def _perform(
    settings: Settings,
    instrument: Instrument,
    lines: Lines,
    seconds: float,
    played: Played,
    *observers: Observer,
) -> None:
    def gather(block: Block) -> None:
        played.notes.extend(block.passage.notes)
        played.ledgers.extend((block.passage.seconds, ledger) for ledger in block.passage.ledgers)

    controls = Controls(1.0, settings.tempo, settings.network, scene=settings.scene)
    part = composition(settings, TapePlayer(lines).until)
    performance = Performance(Performer(part, instrument), Discard(), lambda: controls, (gather, *observers))
    performance.play(seconds)
