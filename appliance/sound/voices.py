# SPDX-License-Identifier: Apache-2.0
"""The instruments: what each voice is made of, and the fixed pools that play them.

The one rule: every pyo object is made in a constructor and kept under a name. Playing a note only sets numbers,
because pyo leaks what is made later and reads freed memory of what has no name. A voice at rest is stopped, which
costs almost nothing; a voice at amplitude 0 costs as much as one that sounds. The performer's thread.

    lead:  body table × e² ────┐                  e: envelope of the note
           edge table × f × e ─┴─▶ sum ─▶ pan     f: the edge dies away sooner, as on anything struck, and rests
    pad:   one table a side, a hair apart, × e

An envelope falls as everything struck does, by equal parts in equal times; envelopes.py draws it.

    at rest ──play──▶ attack ──▶ decay ──release_at──▶ release ──ends──▶ at rest
                         └──────────┴── hush, let go ─────▲
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pyo import HarmTable, Mix, Osc, PyoObject, Sig

from appliance.sound.envelopes import Envelopes
from appliance.values import Note, NoteEvent, Voice

STEAL_FADE = 0.03  # s to silence a voice that is stolen; shorter is heard as a click
SHED = 0.1  # s to silence voices that are too many; a machine that is late cannot give them longer
LEAD = 0.315  # level of all leads beside the bed
TABLE_SIZE = 4096  # samples; the eighth harmonic errs by -94 dB between them, and larger ones crowd a cache
NEVER = float("inf")
PIERCING = 261.6  # Hz; above, a note of equal amplitude is felt louder and louder


@dataclass(frozen=True, slots=True)
class Timbre:
    """How an instrument sounds. Times in seconds, levels linear."""

    body: tuple[float, ...]  # amplitudes of the harmonics, 8 at most: C6 stays free of aliases
    edge: tuple[float, ...]  # likewise, of what makes it bright
    attack: float  # below 30 ms its corner is heard above 14 kHz, as a click would be
    decay: float
    sustain: float  # level, 0 to 1, that the note keeps until its release
    release: float
    edge_decay: float  # how soon the brightness is gone
    level: float  # loudness of the instrument among the others
    detune: float  # ratio of the second oscillator to the first


TIMBRES = {
    Voice.BELL: Timbre(
        (1, 0, 0.22), (0, 0.2, 0.5, 0.1, 0.35, 0, 0.15), 0.034, 7.0, 0.03, 2.6, 1.6, 0.52, 1.0023
    ),
    Voice.GLASS: Timbre((1, 0.35), (0, 0.5, 0, 0.5, 0, 0, 0.15), 0.070, 2.4, 0.45, 3.0, 2.2, 0.42, 1.0041),
    Voice.PLUCK: Timbre(
        (1, 0.25, 0.06), (0.1, 0.6, 0.5, 0.4, 0.28, 0.2, 0.1), 0.034, 5.0, 0.02, 1.8, 0.9, 0.54, 1.0017
    ),
    Voice.SWELL: Timbre((1, 0.35, 0.15), (0, 0.3, 0.3, 0.15, 0.1), 1.600, 1.5, 0.85, 4.5, 4.0, 0.42, 1.0060),
    Voice.FLOW: Timbre((1, 0.1, 0.3), (0, 0.1, 0.3, 0.1, 0.2), 0.500, 2.0, 0.75, 3.2, 3.0, 0.40, 1.0050),
    Voice.CHIME: Timbre(
        (1, 0, 0, 0.15), (0, 0, 0, 0.6, 0, 0, 0, 0.3), 0.034, 8.0, 0.03, 3.2, 2.4, 0.42, 1.0012
    ),
    Voice.HOLLOW: Timbre((1, 0, 0.35), (0, 0, 0.3, 0, 0.3, 0, 0.2), 0.120, 1.4, 0.60, 2.5, 1.2, 0.40, 0.9950),
    Voice.MURMUR: Timbre((1, 0.2), (0, 0.2, 0.1), 1.200, 2.0, 0.80, 4.0, 3.0, 0.50, 1.0035),
    Voice.PAD: Timbre((1, 0.42, 0.26, 0.15, 0.10, 0.06), (), 4.5, 4.0, 0.92, 12.0, 0.0, 0.0473, 1.0040),
    Voice.DRONE: Timbre((1, 0.35, 0.12, 0.05), (), 5.0, 4.0, 0.92, 4.0, 0.0, 0.0825, 1.0),
}


def hertz(pitch: int) -> float:
    """Frequency of a MIDI pitch, equal temperament, A4 = 440 Hz."""
    return float(440.0 * 2.0 ** ((pitch - 69) / 12))


class _Playing:
    """A voice's life: its curves, and everything that is computed only while it sounds."""

    def __init__(self, envelopes: Envelopes, curves: tuple[int, ...], chain: tuple[PyoObject, ...]) -> None:
        self._envelopes, self._curves = envelopes, curves
        # Told without pyo's checks of types, which cost more than a note's whole beginning.
        self._parts = [base for part in chain for base in part.getBaseObjects()]
        self._segments: tuple[tuple[float, float, float], ...] = ()  # peak, sustain, decay of each curve
        self._timbre = TIMBRES[Voice.BELL]
        self.note: NoteEvent | None = None  # what it plays; None while it rests
        self.decay_at = self.dim_at = self.release_at = self.ends = NEVER  # s of the audio clock
        self.rest()

    def begin(self, sounded: NoteEvent, seconds: float) -> None:
        """Play a note from now on, `seconds` of the audio clock. Only for a voice that is silent."""
        self.note, self._timbre = sounded, TIMBRES[sounded.note.voice]
        self._segments = self.tune(sounded.note, self._timbre)
        for part in self._parts:
            part.play()
        attack = self._timbre.attack
        for curve, (peak, _, _) in zip(self._curves, self._segments, strict=True):
            self._envelopes.ramp_to(curve, peak, attack, bent=False)
        self.decay_at = seconds + attack
        self.release_at = seconds + max(sounded.length, attack + 0.05)
        self.ends = self.release_at + self._timbre.release

    def tune(self, note: Note, timbre: Timbre) -> tuple[tuple[float, float, float], ...]:
        """Set every number of the note, and return peak, sustain (levels) and decay (s) of each envelope.

        Only while the voice is silent: a step here would click.
        """
        raise NotImplementedError

    def decay(self, seconds: float) -> None:
        """Begin, at `seconds`, to sink to the sustained level."""
        self.decay_at = NEVER
        for curve, (_, sustain, lasts) in zip(self._curves, self._segments, strict=True):
            self._envelopes.ramp_to(curve, sustain, lasts, bent=True)

    def dim(self) -> None:
        """Let rest what has died away before the note."""
        self.dim_at = NEVER

    def release(self, seconds: float, release: float | None = None) -> None:
        """Begin the release now, in its own time or within `release` seconds."""
        lasts = self._timbre.release if release is None else release
        # All else that the voice is made of is multiplied by the first.
        self._envelopes.ramp_to(self._curves[0], 0.0, lasts, bent=release is None)
        self.decay_at = self.release_at = NEVER
        self.ends = seconds + lasts

    @property
    def due(self) -> float:
        """When it wants to be seen to, in seconds of the audio clock."""
        return min(self.decay_at, self.dim_at, self.release_at, self.ends)

    def rest(self) -> None:
        """Stop computing. Only for a voice that is silent."""
        for part in self._parts:
            part.stop()
        self.note = None
        self.decay_at = self.dim_at = self.release_at = self.ends = NEVER


class Waves:
    """The tables that are read: of each instrument its body, and its edge if it has one. Made once."""

    def __init__(self) -> None:
        self.bodies = {voice: HarmTable(list(timbre.body), TABLE_SIZE) for voice, timbre in TIMBRES.items()}
        self.edges = {
            voice: HarmTable(list(timbre.edge), TABLE_SIZE)
            for voice, timbre in TIMBRES.items()
            if timbre.edge
        }


class Lead(_Playing):
    """One voice of the lead pool; it takes on any instrument that has a note for it."""

    def __init__(self, envelopes: Envelopes, waves: Waves) -> None:
        self._waves = waves
        envelope, fade = envelopes.curve(), envelopes.curve()
        self._loud, self._bright = envelopes.line(envelope, envelope), envelopes.line(envelope, fade)
        self._edge = Osc(waves.edges[Voice.BELL], freq=220.0, mul=self._bright)
        self._body = Osc(waves.bodies[Voice.BELL], freq=220.0, mul=self._loud, add=self._edge)
        self.out = Sig(self._body, mul=[0.0, 0.0])
        chain = (self._loud, self._bright, self._edge, self._body, self.out)
        super().__init__(envelopes, (envelope, fade), chain)

    def tune(self, note: Note, timbre: Timbre) -> tuple[tuple[float, float, float], ...]:
        """Set every number of the note."""
        frequency = hertz(note.pitch)
        self._body.setTable(self._waves.bodies[note.voice])
        self._edge.setTable(self._waves.edges[note.voice])
        self._body.setFreq(frequency)
        self._edge.setFreq(frequency * timbre.detune)
        self.out.setMul([(0.5 - note.pan / 2) ** 0.5, (0.5 + note.pan / 2) ** 0.5])
        loud = timbre.level * LEAD * note.velocity**1.4 * min(1.0, PIERCING / frequency) ** 0.5
        bright = 1.1 * note.bright * (0.4 + 0.6 * note.velocity)
        return (
            (loud**0.5, (loud * timbre.sustain) ** 0.5, timbre.decay),
            (bright * loud**0.5, 0.0, timbre.edge_decay),
        )

    def decay(self, seconds: float) -> None:
        """Begin to sink to the sustained level; and the edge, to nothing."""
        super().decay(seconds)
        self.dim_at = seconds + self._timbre.edge_decay

    def dim(self) -> None:
        """The edge has died away."""
        super().dim()
        self._edge.stop()
        self._bright.stop()


class Pad(_Playing):
    """One tone of a chord, with an oscillator a side, or of the drone, with one in the middle."""

    def __init__(self, envelopes: Envelopes, table: HarmTable, sides: int) -> None:
        curve = envelopes.curve()
        line = envelopes.line(curve)
        self.sides = tuple(Osc(table, freq=110.0, mul=line) for _ in range(sides))
        super().__init__(envelopes, (curve,), (line, *self.sides))

    def tune(self, note: Note, timbre: Timbre) -> tuple[tuple[float, float, float], ...]:
        """Set every number of the note."""
        frequency = hertz(note.pitch)
        for side, oscillator in enumerate(self.sides):
            oscillator.setFreq(frequency * timbre.detune**side)
        level = timbre.level * note.velocity * min(1.0, 130.8 / frequency) ** 0.5
        return ((level, level * timbre.sustain, timbre.decay),)


V = TypeVar("V", bound=_Playing)


class Pool(Generic[V]):
    """A fixed number of voices. A note that finds none at rest takes the one that would end first, without a click."""

    def __init__(self, voices: Iterable[V]) -> None:
        self.voices = tuple(voices)
        self._most = len(self.voices)  # that may sound at once
        self._shed: set[V] = set()  # fall silent because they were too many
        self.stolen = 0
        self._coming: dict[V, NoteEvent] = {}  # what a stolen voice will play as soon as it is silent
        self._due = NEVER  # s of the audio clock; before that, no voice need be seen to

    def play(self, sounded: NoteEvent, seconds: float) -> None:
        """Begin a note, or, where a voice must be stolen, begin it HUSH later."""
        staying = self._staying()
        room = len(staying) < self._most
        free = next((voice for voice in self.voices if voice.note is None), None)
        self._due = seconds
        if room and free is not None:
            free.begin(sounded, seconds)
            return
        victim = min(self._shed if room else staying, key=lambda voice: (voice in self._coming, voice.ends))
        self._shed.discard(victim)
        self.stolen += 1
        if victim not in self._coming:
            victim.release(seconds, STEAL_FADE)
        self._coming[victim] = sounded

    def limit(self, most: int, seconds: float) -> None:
        """Let no more than `most` voices sound at once; of those that do, the ones that would end first fall silent."""
        self._most, self._due = most, seconds
        staying = self._staying()
        for voice in sorted(staying, key=lambda voice: voice.ends)[: max(0, len(staying) - most)]:
            self._coming.pop(voice, None)
            self._shed.add(voice)
            voice.release(seconds, SHED)

    def _staying(self) -> list[V]:
        return [voice for voice in self.voices if voice.note is not None and voice not in self._shed]

    def settle(self, seconds: float) -> None:
        """Once a block, before it is computed: release what is due, rest what has ended, begin what waited."""
        if seconds < self._due:
            return
        for voice in self.voices:
            if voice.note is None:
                continue
            if voice.release_at <= seconds:
                voice.release(seconds)
            elif voice.decay_at <= seconds:
                voice.decay(seconds)
            elif voice.dim_at <= seconds:
                voice.dim()
            elif voice.ends <= seconds:
                voice.rest()
                self._shed.discard(voice)
                if voice in self._coming:
                    voice.begin(self._coming.pop(voice), seconds)
        self._due = min(voice.due for voice in self.voices)

    def release(self, seconds: float) -> None:
        """Begin the release of everything that is held."""
        self._due = seconds
        for voice in self.voices:
            if voice.note is not None and voice.release_at < NEVER:
                voice.release(seconds)


class Voices:
    """Every voice of the box, by pool: `lead_count` leads, ten pad tones (two chords of five), two drones."""

    def __init__(self, lead_count: int, envelopes: Envelopes, waves: Waves) -> None:
        self.leads = Pool(Lead(envelopes, waves) for _ in range(lead_count))
        self.pads = Pool(Pad(envelopes, waves.bodies[Voice.PAD], 2) for _ in range(10))
        self.drones = Pool(Pad(envelopes, waves.bodies[Voice.DRONE], 1) for _ in range(2))
        self.lead_mix = Mix([lead.out for lead in self.leads.voices], voices=2)
        self.pad_left = Mix([pad.sides[0] for pad in self.pads.voices], voices=1)
        self.pad_right = Mix([pad.sides[1] for pad in self.pads.voices], voices=1)
        self.drone_mix = Mix([drone.sides[0] for drone in self.drones.voices], voices=1)
        self._pool_of: dict[Voice, Callable[[NoteEvent, float], None]] = dict.fromkeys(Voice, self.leads.play)
        self._pool_of[Voice.PAD] = self.pads.play
        self._pool_of[Voice.DRONE] = self.drones.play

    def play(self, sounded: NoteEvent, seconds: float) -> None:
        """Begin a note with the block that begins at `seconds`."""
        self._pool_of[sounded.note.voice](sounded, seconds)

    def settle(self, seconds: float) -> None:
        """Once a block, before it is computed."""
        for pool in (self.leads, self.pads, self.drones):
            pool.settle(seconds)

    def release(self, seconds: float) -> None:
        """Begin the release of the whole bed."""
        self.pads.release(seconds)
        self.drones.release(seconds)

    @property
    def playing(self) -> list[_Playing]:
        """The voices that are not at rest."""
        return [
            voice
            for pool in (self.leads, self.pads, self.drones)
            for voice in pool.voices
            if voice.note is not None
        ]
