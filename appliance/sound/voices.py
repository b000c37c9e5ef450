# SPDX-License-Identifier: Apache-2.0
"""The instruments: what each voice is made of, and the fixed pools that play them.

The one rule: every pyo object is made in a constructor and kept under a name. Playing a note only sets numbers,
because pyo leaks what is made later and reads freed memory of what has no name. A voice at rest is stopped, which
costs almost nothing; a voice at amplitude 0 costs as much as one that sounds. The performer's thread.

    lead:  body table × e ──┐                     e: envelope of the note
           edge table × f ──┴─▶ sum ─▶ pan × e    f: the edge dies away sooner, as on anything struck
    pad:   one table a side, a hair apart, × e

An envelope falls as everything struck does, by equal parts in equal times, and is drawn as short straight lines, each
overtaken by the next before it ends: a long one would gather rounding errors at every sample, and jump at its end.
(pyo's Adsr costs three times as much, and a release that is cut short makes it jump.)

    at rest ──play──▶ attack ──▶ decay ──release_at──▶ release ──ends──▶ at rest
                         └──────────┴── hush, let go ─────▲
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pyo import HarmTable, Mix, Osc, PyoObject, SigTo, SPan

from appliance.values import Note, Sounded, Voice

HUSH = 0.03  # s to silence a voice that is stolen; shorter is heard as a click
SHED = 0.1  # s to silence voices that are too many; a machine that is late cannot give them longer
LEAD = 0.315  # level of all leads beside the bed
BEND = (
    3.0  # e-foldings of a fall: 26 dB for a pad, 52 dB for a lead, whose amplitude is the envelope's square
)
PIECE = 0.1  # s of an envelope that one line draws
OVERLAP = 1.25  # and how much longer the line would be: more than a block, so that the next overtakes it
TABLE_SIZE = 8192  # samples
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
    Voice.PAD: Timbre((1, 0.42, 0.26, 0.15, 0.10, 0.06), (), 4.5, 4.0, 0.92, 12.0, 0.0, 0.043, 1.0040),
    Voice.DRONE: Timbre((1, 0.35, 0.12, 0.05), (), 5.0, 4.0, 0.92, 4.0, 0.0, 0.075, 1.0),
}


def hertz(pitch: int) -> float:
    """Frequency of a MIDI pitch, equal temperament, A4 = 440 Hz."""
    return float(440.0 * 2.0 ** ((pitch - 69) / 12))


class Envelope:
    """A curve from level to level, and the line that draws it."""

    def __init__(self) -> None:
        self.line = SigTo(0.0, time=HUSH, init=0.0)
        self._drawn = self.line.getBaseObjects()[
            0
        ]  # told without pyo's checks of types, which cost more than the line
        self._from = self._to = self._begins = 0.0
        self._lasts, self._bent = HUSH, False

    def go(self, level: float, seconds: float, lasts: float, *, bent: bool) -> None:
        """From `seconds` on move to a level within so many seconds; straight, or bent as what rings does."""
        self._from = self.at(seconds)
        self._to, self._begins, self._lasts, self._bent = level, seconds, lasts, bent

    def at(self, seconds: float) -> float:
        """Where the curve is."""
        part = min(1.0, (seconds - self._begins) / self._lasts)
        left = (math.exp(-BEND * part) - math.exp(-BEND)) / (1 - math.exp(-BEND)) if self._bent else 1 - part
        return self._to + (self._from - self._to) * left

    def draw(self, seconds: float, ahead: float) -> None:
        """Draw on from wherever the line is, to where the curve will be so many seconds ahead."""
        self._drawn.setTime(ahead)
        self._drawn.setValue(self.at(seconds + ahead))


class _Playing:
    """A voice's life: its envelopes, and everything that is computed only while it sounds."""

    def __init__(self, envelopes: tuple[Envelope, ...], chain: tuple[PyoObject, ...]) -> None:
        self._envelopes = envelopes
        self._chain = (*(envelope.line for envelope in envelopes), *chain)
        self._segments: tuple[tuple[float, float, float], ...] = ()  # peak, sustain, decay of each envelope
        self._timbre = TIMBRES[Voice.BELL]
        self.note: Sounded | None = None  # what it plays; None while it rests
        self.decay_at = self.release_at = self.ends = NEVER  # s of the audio clock
        self._turns = 0.0  # s; when the segment that is drawn is at its end
        self.draw_at = NEVER  # s; when its next piece is
        self.rest()

    def begin(self, sounded: Sounded, seconds: float) -> None:
        """Play a note from now on, `seconds` of the audio clock. Only for a voice that is silent."""
        self.note, self._timbre = sounded, TIMBRES[sounded.note.voice]
        self._segments = self.tune(sounded.note, self._timbre)
        for part in self._chain:
            part.play()
        attack = self._timbre.attack
        for envelope, (peak, _, _) in zip(self._envelopes, self._segments, strict=True):
            envelope.go(peak, seconds, attack, bent=False)
        self.decay_at = self._turns = seconds + attack
        self.release_at = seconds + max(sounded.length, attack + 0.05)
        self.ends = self.release_at + self._timbre.release
        self.draw(seconds)

    def tune(self, note: Note, timbre: Timbre) -> tuple[tuple[float, float, float], ...]:
        """Set every number of the note, and return peak, sustain (levels) and decay (s) of each envelope.

        Only while the voice is silent: a step here would click.
        """
        raise NotImplementedError

    def draw(self, seconds: float) -> None:
        """Draw the next piece of every envelope."""
        left = self._turns - seconds
        for envelope in self._envelopes:
            envelope.draw(seconds, min(left, PIECE * OVERLAP))
        self.draw_at = seconds + PIECE if left > PIECE * OVERLAP else NEVER

    def decay(self, seconds: float) -> None:
        """Begin to sink to the sustained level."""
        self.decay_at, self._turns = NEVER, self.release_at
        for envelope, (_, sustain, lasts) in zip(self._envelopes, self._segments, strict=True):
            envelope.go(sustain, seconds, lasts, bent=True)
        self.draw(seconds)

    def let_go(self, seconds: float, release: float | None = None) -> None:
        """Begin the release now, in its own time or within `release` seconds."""
        lasts = self._timbre.release if release is None else release
        for envelope in self._envelopes:
            envelope.go(0.0, seconds, lasts, bent=release is None)
        self.decay_at = self.release_at = NEVER
        self.ends = self._turns = seconds + lasts
        self.draw(seconds)

    def rest(self) -> None:
        """Stop computing. Only for a voice that is silent."""
        for part in self._chain:
            part.stop()
        self.note = None


class Lead(_Playing):
    """One voice of the lead pool; it takes on any instrument that has a note for it."""

    def __init__(self, bodies: dict[Voice, HarmTable], edges: dict[Voice, HarmTable]) -> None:
        self._bodies, self._edges = bodies, edges
        self._envelope, self._fade = Envelope(), Envelope()
        self._body = Osc(bodies[Voice.BELL], freq=220.0, mul=self._envelope.line)
        self._edge = Osc(edges[Voice.BELL], freq=220.0, mul=self._fade.line, add=self._body)
        # Multiplied by the envelope here once more: the square of the note's straight lines.
        self.out = SPan(self._edge, outs=2, pan=0.5, mul=self._envelope.line)
        super().__init__((self._envelope, self._fade), (self._body, self._edge, self.out))

    def tune(self, note: Note, timbre: Timbre) -> tuple[tuple[float, float, float], ...]:
        """Set every number of the note."""
        frequency = hertz(note.pitch)
        self._body.setTable(self._bodies[note.voice])
        self._edge.setTable(self._edges[note.voice])
        self._body.setFreq(frequency)
        self._edge.setFreq(frequency * timbre.detune)
        self.out.setPan(0.5 + note.pan / 2)
        loud = timbre.level * LEAD * note.velocity**1.4 * min(1.0, PIERCING / frequency) ** 0.5
        bright = 1.1 * note.bright * (0.4 + 0.6 * note.velocity)
        return (
            (loud**0.5, (loud * timbre.sustain) ** 0.5, timbre.decay),
            (bright * loud**0.5, 0.08 * bright * loud**0.5, timbre.edge_decay),
        )


class Pad(_Playing):
    """One tone of a chord, with an oscillator a side, or of the drone, with one in the middle."""

    def __init__(self, table: HarmTable, sides: int) -> None:
        self._envelope = Envelope()
        self.sides = tuple(Osc(table, freq=110.0, mul=self._envelope.line) for _ in range(sides))
        super().__init__((self._envelope,), self.sides)

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
        self._coming: dict[V, Sounded] = {}  # what a stolen voice will play as soon as it is silent

    def play(self, sounded: Sounded, seconds: float) -> None:
        """Begin a note, or, where a voice must be stolen, begin it HUSH later."""
        staying = [voice for voice in self.voices if voice.note is not None and voice not in self._shed]
        room = len(staying) < self._most
        free = next((voice for voice in self.voices if voice.note is None), None)
        if room and free is not None:
            free.begin(sounded, seconds)
            return
        victim = min(self._shed if room else staying, key=lambda voice: (voice in self._coming, voice.ends))
        self._shed.discard(victim)
        self.stolen += 1
        if victim not in self._coming:
            victim.let_go(seconds, HUSH)
        self._coming[victim] = sounded

    def limit(self, most: int, seconds: float) -> None:
        """Let no more than `most` voices sound at once; of those that do, the ones that would end first fall silent."""
        self._most = most
        staying = [voice for voice in self.voices if voice.note is not None and voice not in self._shed]
        for voice in sorted(staying, key=lambda voice: voice.ends)[: max(0, len(staying) - most)]:
            self._coming.pop(voice, None)
            self._shed.add(voice)
            voice.let_go(seconds, SHED)

    def settle(self, seconds: float, block: float) -> None:
        """Once a block, before it is computed: release what is due, rest what has ended, begin what waited."""
        for voice in self.voices:
            if voice.note is None:
                continue
            if voice.release_at <= seconds:
                voice.let_go(seconds)
            elif voice.decay_at <= seconds:
                voice.decay(seconds)
            elif voice.ends + block <= seconds:  # a block more: a line ends somewhere inside of one
                voice.rest()
                self._shed.discard(voice)
                if voice in self._coming:
                    voice.begin(self._coming.pop(voice), seconds)
            elif voice.draw_at <= seconds:
                voice.draw(seconds)

    def let_go(self, seconds: float) -> None:
        """Begin the release of everything that is held."""
        for voice in self.voices:
            if voice.note is not None and voice.release_at < NEVER:
                voice.let_go(seconds)


class Voices:
    """Every voice of the box, by pool: `lead_count` leads, ten pad tones (two chords of five), two drones."""

    def __init__(self, lead_count: int) -> None:
        self._bodies = {voice: HarmTable(list(timbre.body), TABLE_SIZE) for voice, timbre in TIMBRES.items()}
        self._edges = {
            voice: HarmTable(list(timbre.edge), TABLE_SIZE)
            for voice, timbre in TIMBRES.items()
            if timbre.edge
        }
        self.leads = Pool(Lead(self._bodies, self._edges) for _ in range(lead_count))
        self.pads = Pool(Pad(self._bodies[Voice.PAD], 2) for _ in range(10))
        self.drones = Pool(Pad(self._bodies[Voice.DRONE], 1) for _ in range(2))
        self.lead_mix = Mix([lead.out for lead in self.leads.voices], voices=2)
        self.pad_left = Mix([pad.sides[0] for pad in self.pads.voices], voices=1)
        self.pad_right = Mix([pad.sides[1] for pad in self.pads.voices], voices=1)
        self.drone_mix = Mix([drone.sides[0] for drone in self.drones.voices], voices=1)
        self._pool_of: dict[Voice, Callable[[Sounded, float], None]] = dict.fromkeys(Voice, self.leads.play)
        self._pool_of[Voice.PAD] = self.pads.play
        self._pool_of[Voice.DRONE] = self.drones.play

    def play(self, sounded: Sounded, seconds: float) -> None:
        """Begin a note with the block that begins at `seconds`."""
        self._pool_of[sounded.note.voice](sounded, seconds)

    def settle(self, seconds: float, block: float) -> None:
        """Once a block of `block` seconds, before it is computed."""
        for pool in (self.leads, self.pads, self.drones):
            pool.settle(seconds, block)

    def let_go(self, seconds: float) -> None:
        """Begin the release of the whole bed."""
        self.pads.let_go(seconds)
        self.drones.let_go(seconds)

    @property
    def playing(self) -> list[_Playing]:
        """The voices that are not at rest."""
        return [
            voice
            for pool in (self.leads, self.pads, self.drones)
            for voice in pool.voices
            if voice.note is not None
        ]
