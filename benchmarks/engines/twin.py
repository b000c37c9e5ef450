# SPDX-License-Identifier: Apache-2.0
"""The box's notes in plain numbers, for the twins of its patch in other engines.

A twin has the same oscillators, envelopes, filters and effects at the same rates as the box, apart from what is listed
here; levels are only near, since they cost nothing. Pure; any thread.

The differences. Reverb: pyo's WGVerb and csound's `reverbsc` are the same network of eight drifting delay lines, one
for both sides; the box makes two sides of it by an allpass each, `reverbsc` by itself; SuperCollider has FreeVerb2,
sixteen damped combs. Limiter: the box's is numpy's; `compress2` and Limiter stand for it. Wind: a table of noise in the
box and in csound, BrownNoise in SuperCollider. Slow modulation is set once a block everywhere; envelopes are lines of a
block's length in the box, and go from sample to sample in the twins. An edge that has decayed is stopped everywhere; in
the twins it is a voice of its own. The box alone plays its notes from Python, and alone guards against broken samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace

from appliance.sound.voices import LEAD, TIMBRES, hertz
from appliance.values import NoteEvent, Voice
from benchmarks.engines.dense import ends

Cost = Callable[[Sequence[str]], float]  # of running a program
BEDS = (Voice.PAD, Voice.DRONE)
TABLES: tuple[tuple[float, ...], ...] = tuple(  # number 2 n is the n-th instrument's body, 2 n + 1 its edge
    table for timbre in TIMBRES.values() for table in (timbre.body, timbre.edge or (1.0,))
)


@dataclass(frozen=True, slots=True)
class Tone:
    """One note: seconds, hertz, linear levels. Envelopes rise to 1, fall to a level, hold it, and end."""

    begins: float
    lasts: float
    first: float  # Hz
    second: float  # Hz
    left: float
    right: float
    body: int  # in TABLES
    edge: int
    bright: float  # level of the edge
    attack: float
    decay: float
    sustain: float
    hold: float
    release: float
    edge_decay: float  # s from the peak to nothing; then the edge is stopped

    def edge_alone(self) -> Tone:
        """The note for the edge, which is a voice of its own in the twins, so that it can stop sooner."""
        return replace(self, lasts=min(self.lasts, self.attack + self.edge_decay))

    @property
    def numbers(self) -> tuple[float, ...]:
        """All of it, in the order above."""
        return astuple(self)


def tones(score: Sequence[NoteEvent], seconds: float) -> tuple[list[Tone], list[Tone]]:
    """So many seconds of a score: the leads, and the bed."""
    begun = [event for event in score if event.seconds < seconds]
    leads = [_tone(event) for event in begun if event.note.voice not in BEDS]
    return leads, [_tone(event) for event in begun if event.note.voice in BEDS]


def _tone(event: NoteEvent) -> Tone:
    note, timbre = event.note, TIMBRES[event.note.voice]
    lasts = ends(event) - event.seconds
    held = lasts - timbre.release
    instrument = list(TIMBRES).index(note.voice)
    level = timbre.level * (note.velocity if note.voice in BEDS else LEAD * note.velocity**1.4)
    decay, sustain, hold = _falls(held - timbre.attack, timbre.decay, timbre.sustain**0.5)
    return Tone(
        begins=event.seconds,
        lasts=lasts,
        first=hertz(note.pitch),
        second=hertz(note.pitch) * timbre.detune,
        left=level * ((1 - note.pan) / 2) ** 0.5,
        right=level * ((1 + note.pan) / 2) ** 0.5,
        body=2 * instrument,
        edge=2 * instrument + 1,
        bright=1.1 * note.bright * (0.4 + 0.6 * note.velocity),
        attack=timbre.attack,
        decay=decay,
        sustain=sustain,
        hold=hold,
        release=timbre.release,
        edge_decay=timbre.edge_decay,
    )


def _falls(held: float, decay: float, sustain: float) -> tuple[float, float, float]:
    """Decay, level and hold of an envelope that has `held` seconds from its peak to its release."""
    if held >= decay:
        return decay, sustain, held - decay
    return held, 1 - (1 - sustain) * held / decay, 0.0
