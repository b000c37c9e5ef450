# SPDX-License-Identifier: Apache-2.0
"""The box's notes and its bus in plain numbers, for the twins of its patch in other engines.

A twin has the same oscillators, envelopes, filters and effects as the box, and takes their numbers and tables from the
box's code; only what is listed here differs. `python -m benchmarks.engines.alike` compares what they sound like.

The differences. Rate: the box computes at half the rate and doubles it. Reverb: pyo's WGVerb and csound's `reverbsc`
are the same network of eight drifting delay lines, one for both sides; the box makes two sides of it by an allpass
each, `reverbsc` by itself; SuperCollider has FreeVerb2, sixteen damped combs. Limiter: the box's is numpy's;
`compress2` and Limiter stand for it. Gusts are random in each engine. Slow modulation is set once a block in the twins,
and 25 times a second in the box; envelopes are lines of a block's length in the box, and go from sample to sample in
the twins. An edge that has decayed is stopped everywhere; in the twins it is a voice of its own. The twins steal no
voice. The box alone plays its notes from Python, and alone guards against broken samples. Pure but for `noises`; any
thread.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import soundfile

from appliance.sound import SYNTH_RATE, mixer, voices
from appliance.sound.envelopes import E_FOLDINGS
from appliance.sound.performer import NullInstrument, Performer
from appliance.sound.voices import TIMBRES, Waves, bed_level, hertz, stroke
from appliance.values import Bed, NoteEvent, Voice
from benchmarks.engines.box import BLOCK, CONTROLS, SEED, part
from benchmarks.engines.dense import ends

Cost = Callable[[Sequence[str]], float]  # of running a program
BEDS = (Voice.PAD, Voice.DRONE)
INSTRUMENTS = tuple(TIMBRES)
# Number 4 n is the n-th instrument's body, 4 n + 1 its edge; 4 n + 2 and 4 n + 3 are those of its high notes.
TABLES: tuple[tuple[float, ...], ...] = tuple(
    table or (1.0,)
    for timbre in TIMBRES.values()
    for most in (8, Waves.HARMONICS)
    for table in timbre.harmonics(most)
)
NOISES = {"wind": mixer.wind_noise, "air": mixer.air_noise}  # tables of samples, by name
# What the bus is made with, by the names that both patches give to it.
NUMBERS: dict[str, float] = {
    "glide": mixer.GLIDE,
    "wind": mixer.WIND,
    "gust": mixer.GUST,
    "echo_left": mixer.ECHO[0],
    "echo_right": mixer.ECHO[1],
    "reverb": mixer.REVERB,
    "rise": mixer.RISE,
    "fall": mixer.FALL,
    "opens": mixer.OPENS,
    "pads_low": mixer.PADS[0],
    "pads_more": mixer.PADS[1],
    "swell_left": mixer.SWELLS[0],
    "swell_right": mixer.SWELLS[1],
    "gusts_left": mixer.GUSTS[0],
    "gusts_right": mixer.GUSTS[1],
    "hush": mixer.HUSH,
    "storm": mixer.YIELD[0],
    "calm": mixer.YIELD[1],
    "soon": mixer.YIELD[2],
    "apart": mixer.APART,
    "depth": mixer.DEPTH[0],
    "depth_more": mixer.DEPTH[1],
    "tremolo": mixer.TREMBLE[0],
    "tremolo_drift": mixer.TREMBLE[1],
    "tremble": mixer.TREMBLE[2],
    "shade": mixer.SHADE,
    "deep": mixer.DEEP,
    "dark": mixer.DARK[0],
    "dark_shade": mixer.DARK[1],
    "sway": voices.SWAY[0],
    "sway_by": voices.SWAY[1],
    "whistle": sum(mixer.WHISTLE) / 2,
    "whistle_range": (mixer.WHISTLE[1] - mixer.WHISTLE[0]) / 2,
    "air": mixer.AIR,
    "bend": -E_FOLDINGS,
    "wind_speed": SYNTH_RATE / mixer.NOISE,  # Hz of the table
    "air_speed": SYNTH_RATE / mixer.AIR_SIZE,
    "wind_size": mixer.NOISE,
    "air_size": mixer.AIR_SIZE,
}


@dataclass(frozen=True, slots=True)
class Piece:
    """What the box plays, with its moments in seconds."""

    notes: list[NoteEvent]
    beds: list[tuple[float, Bed]]
    ledgers: list[float]


def piece(what: str, voices: int, seconds: float) -> Piece:
    """So many seconds of what `box` plays under this name."""
    performer, played = Performer(part(what, voices, seconds), NullInstrument(BLOCK)), Piece([], [], [])
    while performer.seconds < seconds:
        passage = performer.block(CONTROLS)
        played.notes.extend(passage.notes)
        if passage.bed:
            played.beds.append((passage.seconds, passage.bed))
        if passage.ledgers:
            played.ledgers.append(passage.seconds)
    return played


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
    bend: float  # of the decay: how many e-foldings it has, negative
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


def tones(played: Piece, seconds: float) -> dict[str, list[Tone]]:
    """So many seconds of a piece: the tones of each kind of oscillator in the patches."""
    of_each: dict[str, list[Tone]] = {"lead": [], "edge": [], "pad": [], "drone": []}
    for event in played.notes:
        if event.seconds >= seconds:
            continue
        match event.note.voice:
            case Voice.PAD | Voice.DRONE as voice:
                of_each[str(voice)].append(_of_bed(event))
            case _:
                tone = _of_lead(event)
                of_each["lead"].append(tone)
                of_each["edge"].append(tone.edge_alone())
    return of_each


def noises(folder: Path) -> list[Path]:
    """Write each of NOISES to a file."""
    paths = []
    for name, noise in NOISES.items():
        paths.append(folder / f"{name}.wav")
        soundfile.write(paths[-1], noise(SEED), SYNTH_RATE, subtype="FLOAT")
    return paths


def _of_lead(event: NoteEvent) -> Tone:
    note, struck = event.note, stroke(event)
    # The amplitude of a lead is its envelope's square.
    tone = _tone(event, struck.decay, TIMBRES[note.voice].sustain ** 0.5)
    return replace(
        tone,
        first=struck.body,
        second=struck.edge,
        left=struck.loud * (0.5 - note.pan / 2) ** 0.5,
        right=struck.loud * (0.5 + note.pan / 2) ** 0.5,
        bright=struck.bright,
    )


def _of_bed(event: NoteEvent) -> Tone:
    timbre = TIMBRES[event.note.voice]
    level = bed_level(event.note)
    return replace(_tone(event, timbre.decay, timbre.sustain), left=level, right=level)


def _tone(event: NoteEvent, decay: float, sustain: float) -> Tone:
    note, timbre = event.note, TIMBRES[event.note.voice]
    lasts, attack = ends(event) - event.seconds, timbre.rise(note.velocity)
    held = lasts - timbre.release - attack
    table = 4 * INSTRUMENTS.index(note.voice) + 2 * (note.voice not in BEDS and note.pitch > Waves.FULL)
    share = min(1.0, held / decay)  # of the decay, before the release
    return Tone(
        begins=event.seconds,
        lasts=lasts,
        first=hertz(note.pitch),
        second=hertz(note.pitch) * timbre.ratio,
        left=0.0,
        right=0.0,
        body=table,
        edge=table + 1,
        bright=0.0,
        attack=attack,
        decay=share * decay,
        bend=-E_FOLDINGS * share,
        sustain=1 - (1 - sustain) * math.expm1(-E_FOLDINGS * share) / math.expm1(-E_FOLDINGS),
        hold=max(0.0, held - decay),
        release=timbre.release,
        edge_decay=timbre.edge_decay,
    )
