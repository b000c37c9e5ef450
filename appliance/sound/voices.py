# SPDX-License-Identifier: Apache-2.0
"""The voices: the oscillators of each, and the fixed pools that play them.

Every pyo object is made in a constructor and kept in an attribute. Playing a note only sets numbers, because pyo leaks
objects that are made later and reads freed memory of objects that have no reference. A voice that does not play is
stopped, which costs almost nothing; at amplitude 0 it would cost as much as one that sounds. The voices of a pool that
play form a chain, in which each adds the one before to its own samples: a sum of the whole pool would also read what is
stopped. The performer's thread.

    lead:  body table × e² ────┐                  e: envelope of the note
           edge table × f × e ─┴─▶ pan ─▶        f: the edge decays sooner, as on a struck string, and is then stopped
    pad:   one table a side, slightly detuned, × e

The decay is exponential; envelopes.py computes it.

    stopped ──play──▶ attack ──▶ decay ──release_at──▶ release ──ends──▶ stopped
                         └──────────┴── stolen, released ───▲
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from pyo import HarmTable, Osc, PyoObject, Sig

from appliance.sound.envelopes import Curve, Envelopes
from appliance.values import Note, NoteEvent, Voice

STEAL_FADE = 0.03  # s to mute a voice that is stolen; a shorter fade is heard as a click
SHED_FADE = 0.1  # s to mute voices beyond the limit; a machine that is late has no more time
LEAD = 1.05  # level of all leads beside the bed
TABLE_SIZE = 4096  # samples; the eighth harmonic's error is -94 dB, and larger tables do not fit into a cache
NEVER = float("inf")
PIERCING = 261.6  # Hz; above, notes of equal amplitude sound louder with their pitch
BOOMING = 150.0  # Hz; below, a small speaker gives nothing, and a large one too much
SWAY = (11.0, 0.0025)  # s and share: how the two sides of a pad drift apart, so that their beats are no pulse


@dataclass(frozen=True, slots=True)
class Timbre:
    """How an instrument sounds. Times in seconds, levels linear."""

    body: tuple[float, ...]  # amplitudes of the harmonics, at most 8, of which high notes have fewer
    edge: tuple[float, ...]  # likewise, of the bright part
    attack: float  # of a note of velocity 0.5; a soft one is slower
    decay: float  # of middle C; low notes decay more slowly
    sustain: float  # level, 0 to 1, until the release
    release: float
    edge_decay: float
    level: float  # loudness relative to the other instruments
    ratio: float  # of the frequency of the edge to that of the body; far from a whole number, as in a bell

    def rise(self, velocity: float) -> float:
        """Seconds of the attack of a note."""
        return self.attack * (1.0 + SOFTER * (0.5 - velocity))

    def harmonics(self, most: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Amplitudes of the harmonics of body and edge, as far as they are at most the `most`-th of the body."""
        return self.body[:most], self.edge[: max(1, round(most / self.ratio))]


# The partials of a bell are those of a free bar, 2.76 and 5.40 times the fundamental; a marimba's bar is carved until
# the first of them is a double octave. (Fletcher and Rossing, The Physics of Musical Instruments, chapters 19 and 21.)
TIMBRES = {
    Voice.BELL: Timbre((1, 0, 0.10), (0.8, 0.35), 0.030, 7.0, 0.03, 2.6, 2.2, 0.56, 2.76),
    Voice.GLASS: Timbre((1, 0.2), (0, 0.5, 0, 0.7, 0, 0, 0.25), 0.070, 2.4, 0.45, 3.0, 2.2, 0.46, 1.0041),
    Voice.PLUCK: Timbre(
        (1, 0.25, 0.06), (0, 0.7, 0.8, 0.6, 0.45, 0.35, 0.25, 0.15), 0.030, 4.0, 0.02, 1.8, 0.8, 0.58, 1.0017
    ),
    Voice.MALLET: Timbre((1, 0.04), (1, 0.25), 0.026, 1.5, 0.0, 0.9, 0.35, 0.80, 3.93),
    Voice.SWELL: Timbre((1, 0.35, 0.15), (0, 0.3, 0.3, 0.15, 0.1), 0.200, 1.5, 0.85, 4.5, 4.0, 0.45, 1.0060),
    Voice.FLOW: Timbre((1, 0.1, 0.3), (0, 0.1, 0.3, 0.1, 0.2), 0.350, 2.0, 0.75, 3.2, 3.0, 0.40, 1.0050),
    Voice.CHIME: Timbre((1, 0.06), (0.6, 0.25), 0.028, 8.0, 0.03, 3.2, 2.8, 0.46, 3.36),
    Voice.HOLLOW: Timbre((1, 0, 0.18), (0, 0, 0.5, 0, 0.6, 0, 0.4), 0.120, 1.4, 0.60, 2.5, 1.2, 0.40, 0.9950),
    Voice.MURMUR: Timbre((1, 0.2), (0, 0.2, 0.1), 1.200, 2.0, 0.80, 4.0, 3.0, 0.50, 1.0035),
    Voice.PAD: Timbre((1, 0.42, 0.26, 0.15, 0.10, 0.06), (), 4.5, 4.0, 0.92, 12.0, 0.0, 0.0464, 1.0040),
    # Most of its power is an octave above the root, where small speakers still sound.
    Voice.DRONE: Timbre((0.38, 1, 0.35, 0.15), (), 5.0, 4.0, 0.92, 4.0, 0.0, 0.0400, 1.0),
}
SOFTER = 1.1  # by how much of its attack a note of velocity 0 is slower than one of 0.5
TOUCH = (0.15, 1.15)  # level of the edge at velocity 0, and how much velocity 1 adds to it, squared
RING = 36.0  # semitones by which a note must be lower to decay twice as slowly
# No two notes in a row are alike: each varies by a number that follows from its moment, so that a score sounds the same
# again.
UNEVEN = 0.35  # of the edge's level
DRIFT = 0.0012  # of the edge's frequency: two cents either way
GOLDEN = 0.618034  # multiples of it are spread most evenly between whole numbers


def hertz(pitch: int) -> float:
    """Frequency of a MIDI pitch, equal temperament, A4 = 440 Hz."""
    return float(440.0 * 2.0 ** ((pitch - 69) / 12))


class Stroke(NamedTuple):
    """The numbers of a note of a lead."""

    body: float  # Hz
    edge: float  # Hz
    loud: float  # level
    bright: float  # level of the edge, relative to `loud`
    decay: float  # s


def stroke(event: NoteEvent) -> Stroke:
    """How a lead plays a note: what its velocity, its pitch and its moment make of its timbre."""
    note, timbre = event.note, TIMBRES[event.note.voice]
    frequency = hertz(note.pitch)
    luck = event.seconds * 100 * GOLDEN % 1.0 - 0.5
    # The edge follows velocity twice as steeply as the body: a hard stroke is bright, not only loud.
    touch = TOUCH[0] + TOUCH[1] * note.velocity**2
    return Stroke(
        frequency,
        frequency * timbre.ratio * (1.0 + 2 * DRIFT * luck),
        timbre.level * LEAD * note.velocity**1.4 * min(1.0, PIERCING / frequency, frequency / BOOMING) ** 0.5,
        1.6 * note.bright * touch * (1.0 + 2 * UNEVEN * luck),
        timbre.decay * 2.0 ** ((60 - note.pitch) / RING),
    )


def bed_level(note: Note) -> float:
    """Level of a tone of a chord, or of the drone."""
    return TIMBRES[note.voice].level * note.velocity * math.sqrt(min(1.0, 130.8 / hertz(note.pitch)))


class _Playing:
    """The states of a voice: its curves, and the pyo objects that are computed only while it plays."""

    def __init__(self, envelopes: Envelopes, curves: tuple[Curve, ...], parts: tuple[PyoObject, ...]) -> None:
        self._envelopes, self._curves = envelopes, curves
        # Base objects skip pyo's type checks, which cost more than the whole beginning of a note.
        self._parts = [base for part in parts for base in part.getBaseObjects()]
        self.out = parts[-1].getBaseObjects()  # a side each; its `add` is the voice before it in the chain
        self._segments: tuple[tuple[float, float, float], ...] = ()  # peak, sustain, decay of each curve
        self._timbre = TIMBRES[Voice.BELL]
        self.note: NoteEvent | None = None  # None while it is stopped
        self.decay_at = self.dim_at = self.release_at = self.ends = NEVER  # s of the audio clock
        self.stop()

    def begin(self, event: NoteEvent, seconds: float) -> None:
        """Play a note from now on, `seconds` of the audio clock. Only for a voice that is silent."""
        self.note, self._timbre = event, TIMBRES[event.note.voice]
        self._segments = self.tune(event, self._timbre)
        for part in self._parts:
            part.play()
        attack = self._timbre.rise(event.note.velocity)
        for curve, (peak, _, _) in zip(self._curves, self._segments, strict=True):
            self._envelopes.ramp_to(curve, peak, attack, exponential=False)
        self.decay_at = seconds + attack
        self.release_at = seconds + max(event.length, attack + 0.05)
        self.ends = self.release_at + self._timbre.release

    def tune(self, event: NoteEvent, timbre: Timbre) -> tuple[tuple[float, float, float], ...]:
        """Set every number of the note, and return peak, sustain (levels) and decay (s) of each envelope.

        Only while the voice is silent: a step here would click.
        """
        raise NotImplementedError

    def decay(self, seconds: float) -> None:
        """Begin the decay to the sustain level at `seconds`."""
        self.decay_at = NEVER
        for curve, (_, sustain, lasts) in zip(self._curves, self._segments, strict=True):
            self._envelopes.ramp_to(curve, sustain, lasts, exponential=True)

    def dim(self) -> None:
        """Stop the parts that have decayed before the note ends."""
        self.dim_at = NEVER

    def release(self, seconds: float, release: float | None = None) -> None:
        """Begin the release now; it lasts as the timbre says, or `release` seconds."""
        lasts = self._timbre.release if release is None else release
        # All other parts of the voice are multiplied by the first curve.
        self._envelopes.ramp_to(self._curves[0], 0.0, lasts, exponential=release is None)
        self.decay_at = self.release_at = NEVER
        self.ends = seconds + lasts

    @property
    def due(self) -> float:
        """When its state changes next, in seconds of the audio clock."""
        return min(self.decay_at, self.dim_at, self.release_at, self.ends)

    def stop(self) -> None:
        """Stop computing. Only for a voice that is silent."""
        for part in self._parts:
            part.stop()
        self.note = None
        self.decay_at = self.dim_at = self.release_at = self.ends = NEVER


class Waves:
    """The wave tables: of each lead its body and its edge, of the pads and the drone the body. Made once.

    A lead above FULL has tables of its own with fewer harmonics, so that none comes near half of SYNTH_RATE.
    """

    FULL = 85  # MIDI pitch; its eighth harmonic has 8.9 kHz
    HARMONICS = 4  # above; that of B6, the highest note, has 7.9 kHz

    def __init__(self) -> None:
        self.pad, self.drone = _table(TIMBRES[Voice.PAD].body), _table(TIMBRES[Voice.DRONE].body)
        leads = {voice: timbre for voice, timbre in TIMBRES.items() if timbre.edge}
        self._full, self._high = (
            {voice: _tables(*lead.harmonics(most)) for voice, lead in leads.items()}
            for most in (8, self.HARMONICS)
        )

    def of(self, voice: Voice, pitch: int) -> tuple[HarmTable, HarmTable]:
        """The body and the edge of a lead at a MIDI pitch."""
        return (self._high if pitch > self.FULL else self._full)[voice]


def _table(amplitudes: tuple[float, ...]) -> HarmTable:
    return HarmTable(list(amplitudes), TABLE_SIZE)


def _tables(body: tuple[float, ...], edge: tuple[float, ...]) -> tuple[HarmTable, HarmTable]:
    return _table(body), _table(edge)


class Lead(_Playing):
    """One voice of the lead pool; it can play every instrument that has an edge."""

    def __init__(self, envelopes: Envelopes, waves: Waves) -> None:
        self._waves = waves
        envelope, fade = envelopes.curve(), envelopes.curve()
        self._loud, self._bright = envelopes.line(envelope, envelope), envelopes.line(envelope, fade)
        body, edge = waves.of(Voice.BELL, 60)
        self._edge = Osc(edge, freq=220.0, mul=self._bright)
        self._body = Osc(body, freq=220.0, mul=self._loud, add=self._edge)
        self._pan = Sig(self._body, mul=[0.0, 0.0])
        parts = (self._loud, self._bright, self._edge, self._body, self._pan)
        super().__init__(envelopes, (envelope, fade), parts)

    def tune(self, event: NoteEvent, timbre: Timbre) -> tuple[tuple[float, float, float], ...]:
        """Set every number of the note."""
        note = event.note
        frequency, edge_frequency, loud, bright, decay = stroke(event)
        body, edge = self._waves.of(note.voice, note.pitch)
        self._body.setTable(body)
        self._edge.setTable(edge)
        self._body.setFreq(frequency)
        self._edge.setFreq(edge_frequency)
        self._pan.setMul([(0.5 - note.pan / 2) ** 0.5, (0.5 + note.pan / 2) ** 0.5])
        return (
            (loud**0.5, (loud * timbre.sustain) ** 0.5, decay),
            (bright * loud**0.5, 0.0, timbre.edge_decay),
        )

    def decay(self, seconds: float) -> None:
        """Begin the decay to the sustain level, and of the edge to silence."""
        super().decay(seconds)
        self.dim_at = seconds + self._timbre.edge_decay

    def dim(self) -> None:
        """Stop the edge."""
        super().dim()
        self._edge.stop()
        self._bright.stop()


class Pad(_Playing):
    """One tone of a chord, with an oscillator for each side, or of the drone, with one in the middle."""

    def __init__(self, envelopes: Envelopes, table: HarmTable, sides: int) -> None:
        curve = envelopes.curve()
        line = envelopes.line(curve)
        self._frequency, self._luck = 110.0, 0.0
        self._sides = Osc(table, freq=[110.0] * sides, mul=line)
        super().__init__(envelopes, (curve,), (line, self._sides))

    def tune(self, event: NoteEvent, timbre: Timbre) -> tuple[tuple[float, float, float], ...]:
        """Set every number of the note."""
        note = event.note
        frequency = hertz(note.pitch)
        for side, oscillator in enumerate(self._sides.getBaseObjects()):
            oscillator.setFreq(frequency * timbre.ratio**side)
        self._frequency, self._luck = frequency, event.seconds * GOLDEN
        level = bed_level(note)
        return ((level, level * timbre.sustain, timbre.decay),)

    def sway(self, seconds: float) -> None:
        """Move the second side's frequency to where it is at `seconds`. Only for a pad that plays."""
        period, share = SWAY
        ratio = self._timbre.ratio + share * math.sin(2 * math.pi * (seconds / period + self._luck))
        self._sides.getBaseObjects()[1].setFreq(self._frequency * ratio)


V = TypeVar("V", bound=_Playing)


class Pool(Generic[V]):
    """A fixed number of voices. A note that finds no free one steals the one that would end first, without a click."""

    def __init__(self, voices: Iterable[V], sides: int) -> None:
        self.voices = tuple(voices)
        self.out = Sig([0.0] * sides)  # all of them
        self._most = len(self.voices)  # that can sound at once
        self._shed: set[V] = set()  # are being muted because they were too many
        self.stolen = 0
        self._coming: dict[
            V, NoteEvent
        ] = {}  # the note that a stolen voice will play as soon as it is silent
        self._due = NEVER  # s of the audio clock at which a voice changes its state

    def play(self, event: NoteEvent, seconds: float) -> None:
        """Begin a note; if a voice must be stolen for it, STEAL_FADE later."""
        staying = self._staying()
        room = len(staying) < self._most
        free = next((voice for voice in self.voices if voice.note is None), None)
        self._due = seconds
        if room and free is not None:
            free.begin(event, seconds)
            self._chain()
            return
        victim = min(self._shed if room else staying, key=lambda voice: (voice in self._coming, voice.ends))
        self._shed.discard(victim)
        self.stolen += 1
        if victim not in self._coming:
            victim.release(seconds, STEAL_FADE)
        self._coming[victim] = event

    def limit(self, most: int, seconds: float) -> None:
        """Let at most `most` voices sound at once; of those that do, the ones that would end first are muted."""
        self._most, self._due = most, seconds
        staying = self._staying()
        for voice in sorted(staying, key=lambda voice: voice.ends)[: max(0, len(staying) - most)]:
            self._coming.pop(voice, None)
            self._shed.add(voice)
            voice.release(seconds, SHED_FADE)

    def _staying(self) -> list[V]:
        return [voice for voice in self.voices if voice.note is not None and voice not in self._shed]

    def settle(self, seconds: float) -> None:
        """Change the states that are due. Call it before each block is computed."""
        if seconds < self._due:
            return
        playing = [voice for voice in self.voices if voice.note is not None]
        for voice in playing:
            if voice.release_at <= seconds:
                voice.release(seconds)
            elif voice.decay_at <= seconds:
                voice.decay(seconds)
            elif voice.dim_at <= seconds:
                voice.dim()
            elif voice.ends <= seconds:
                voice.stop()
                self._shed.discard(voice)
                if voice in self._coming:
                    voice.begin(self._coming.pop(voice), seconds)
                else:
                    self._chain()
        self._due = min((voice.due for voice in playing), default=NEVER)

    def _chain(self) -> None:
        """Add up the voices that play, in the order in which pyo computes them."""
        for side, out in enumerate(self.out.getBaseObjects()):
            before = 0.0
            for voice in self.voices:
                if voice.note is not None:
                    voice.out[side].setAdd(before)
                    before = voice.out[side]
            out.setValue(before)

    def release(self, seconds: float) -> None:
        """Begin the release of every voice that is held."""
        self._due = seconds
        for voice in self.voices:
            if voice.note is not None and voice.release_at < NEVER:
                voice.release(seconds)


class Voices:
    """Every voice of the box, by pool: `lead_count` leads, ten pad tones (two chords of five), two drones."""

    def __init__(self, lead_count: int, envelopes: Envelopes, waves: Waves) -> None:
        self.leads = Pool((Lead(envelopes, waves) for _ in range(lead_count)), 2)
        self.pads = Pool((Pad(envelopes, waves.pad, 2) for _ in range(10)), 2)
        self.drones = Pool((Pad(envelopes, waves.drone, 1) for _ in range(2)), 1)
        self._pool_of: dict[Voice, Callable[[NoteEvent, float], None]] = dict.fromkeys(Voice, self.leads.play)
        self._pool_of[Voice.PAD] = self.pads.play
        self._pool_of[Voice.DRONE] = self.drones.play

    def play(self, event: NoteEvent, seconds: float) -> None:
        """Begin a note with the block that begins at `seconds`."""
        self._pool_of[event.note.voice](event, seconds)

    def settle(self, seconds: float) -> None:
        """Change the states that are due. Call it before each block is computed."""
        for pool in (self.leads, self.pads, self.drones):
            pool.settle(seconds)

    def sway(self, seconds: float) -> None:
        """Let the sides of the pads drift. A few times a second."""
        for pad in self.pads.voices:
            if pad.note is not None:
                pad.sway(seconds)

    def release(self, seconds: float) -> None:
        """Begin the release of the whole bed."""
        self.pads.release(seconds)
        self.drones.release(seconds)

    @property
    def playing(self) -> list[_Playing]:
        """The voices that are not stopped."""
        return [
            voice
            for pool in (self.leads, self.pads, self.drones)
            for voice in pool.voices
            if voice.note is not None
        ]
