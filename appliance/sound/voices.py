# SPDX-License-Identifier: Apache-2.0
"""The instruments: what each voice is made of, and the fixed pools that play them.

The one rule: every pyo object is made in a constructor and kept under a name. Playing a note only sets numbers,
because pyo leaks what is made later and reads freed memory of what has no name. A voice at rest is stopped, which
costs almost nothing; a voice at amplitude 0 costs as much as one that sounds. The performer's thread.

    lead:  two table oscillators, a hair apart ─▶ low-pass opened by the envelope ─▶ gate ─▶ pan
    pad:   one table oscillator a side, a hair apart, swaying (the pads share one low-pass, in mixer.py)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from pyo import Adsr, ButLP, HarmTable, Mix, Osc, PyoObject, Sig, SigTo, SPan

from appliance.values import Note, Sounded, Voice

HUSH = 0.03  # s to silence a voice that is stolen; shorter is heard as a click
TABLE_SIZE = (
    8192  # samples; the spectrum of a table of 8 partials read with linear interpolation is clean below
)


@dataclass(frozen=True, slots=True)
class Timbre:
    """How an instrument sounds. Times in seconds, levels linear."""

    partials: tuple[float, ...]  # amplitudes of the harmonics; 8 at most keep C6 free of aliases
    attack: float
    decay: float
    sustain: float  # level, 0 to 1, that the note keeps until its release
    release: float
    level: float  # loudness of the instrument among the others
    cutoff: tuple[float, float]  # Hz: low-pass at rest, and how far envelope and brightness open it
    detune: float  # ratio between the two oscillators


TIMBRES = {
    Voice.BELL: Timbre(
        (1, 0.0, 0.28, 0.0, 0.10, 0.0, 0.04), 0.012, 2.6, 0.10, 2.4, 0.50, (300, 3400), 1.0023
    ),
    Voice.GLASS: Timbre(
        (1, 0.5, 0.0, 0.22, 0.0, 0.0, 0.05), 0.060, 2.0, 0.25, 2.8, 0.42, (350, 3000), 1.0041
    ),
    Voice.PLUCK: Timbre((1, 0.55, 0.34, 0.22, 0.13, 0.08), 0.006, 1.5, 0.04, 1.6, 0.52, (220, 2600), 1.0017),
    Voice.SWELL: Timbre((1, 0.4, 0.3, 0.1, 0.1), 1.600, 1.0, 0.80, 4.5, 0.42, (250, 2200), 1.0060),
    Voice.FLOW: Timbre((1, 0.1, 0.4, 0.05, 0.15), 0.500, 1.5, 0.60, 3.2, 0.40, (260, 1900), 1.0050),
    Voice.CHIME: Timbre(
        (1, 0.0, 0.0, 0.30, 0.0, 0.0, 0.0, 0.08), 0.010, 3.2, 0.08, 3.0, 0.40, (400, 3600), 1.0012
    ),
    Voice.HOLLOW: Timbre((1, 0.0, 0.5, 0.0, 0.3, 0.0, 0.2), 0.120, 1.0, 0.40, 2.5, 0.40, (200, 1500), 0.9950),
    Voice.MURMUR: Timbre((1, 0.25, 0.08), 1.200, 1.5, 0.70, 4.0, 0.50, (300, 1200), 1.0035),
    Voice.PAD: Timbre((1, 0.42, 0.26, 0.15, 0.10, 0.06), 4.5, 4.0, 0.85, 12.0, 0.062, (0, 0), 1.0040),
    Voice.DRONE: Timbre((1, 0.35, 0.12, 0.05), 6.0, 4.0, 0.85, 10.0, 0.115, (0, 0), 1.0),
}


def hertz(pitch: int) -> float:
    """Frequency of a MIDI pitch, equal temperament, A4 = 440 Hz."""
    return float(440.0 * 2.0 ** ((pitch - 69) / 12))


class _Playing(Protocol):
    """What a pool asks of its voices."""

    ends: float  # s of the audio clock at which it falls silent; 0 while it rests

    def play(self, note: Note, seconds: float, length: float) -> None: ...

    def hush(self) -> None: ...

    def rest(self) -> None: ...


V = TypeVar("V", bound=_Playing)


class Lead:
    """One voice of the lead pool; it takes on any instrument that has a note for it."""

    def __init__(self, tables: dict[Voice, HarmTable]) -> None:
        self._tables = tables
        first = tables[Voice.BELL]
        self._frequency = Sig(220.0)
        self._second = Sig(220.0)
        self._level = Sig(0.0)
        self._gate = SigTo(1.0, time=HUSH, init=1.0)
        self._envelope = Adsr(dur=1.0)
        self._envelope.setExp(2.0)
        self._loud = self._envelope * self._level
        self._gated = self._loud * self._gate
        self._left = Osc(first, freq=self._frequency, mul=self._gated)
        self._right = Osc(first, freq=self._second, mul=self._gated)
        self._sum = self._left + self._right
        self._floor, self._opening = Sig(300.0), Sig(1000.0)
        self._sweep = self._envelope * self._opening
        self._cutoff = self._sweep + self._floor
        self._filter = ButLP(self._sum, freq=self._cutoff)
        self.out = SPan(self._filter, outs=2, pan=0.5)
        self._chain: tuple[PyoObject, ...] = (
            *(self._frequency, self._second, self._level, self._gate, self._loud, self._gated),
            *(self._left, self._right, self._sum, self._floor, self._opening, self._sweep, self._cutoff),
            *(self._filter, self.out),
        )
        self.ends = 0.0
        self.rest()

    def play(self, note: Note, seconds: float, length: float) -> None:
        """Begin a note of `length` seconds before its release. Only for a voice that is silent."""
        timbre = TIMBRES[note.voice]
        frequency = hertz(note.pitch)
        self._frequency.value, self._second.value = frequency, frequency * timbre.detune
        # Equal loudness is not equal amplitude: low notes need less in a bed of pads, high ones pierce.
        self._level.value = timbre.level * 0.40 * note.velocity**1.4 * (261.6 / max(261.6, frequency)) ** 0.5
        self._floor.value = timbre.cutoff[0] + frequency
        self._opening.value = timbre.cutoff[1] * (0.2 + note.bright) * (0.4 + 0.6 * note.velocity)
        table = self._tables[note.voice]
        self._left.setTable(table)
        self._right.setTable(table)
        self.out.setPan(0.5 + note.pan / 2)
        attack, release = timbre.attack, timbre.release
        held = max(length, attack + 0.05)
        self._envelope.setAttack(attack)
        self._envelope.setDecay(timbre.decay)
        self._envelope.setSustain(timbre.sustain)
        self._envelope.setRelease(release)
        self._envelope.setDur(held + release)
        self._gate.value = 1.0
        for part in self._chain:
            part.play()
        self._envelope.play()
        self.ends = seconds + held + release

    def hush(self) -> None:
        """Fade out within HUSH seconds, to make room."""
        self._gate.value = 0.0

    def rest(self) -> None:
        """Stop computing. Only for a voice that is silent."""
        self._envelope.stop()
        for part in self._chain:
            part.stop()
        self.ends = 0.0


class Pad:
    """One tone of a chord, or the drone: an oscillator a side, swaying slowly."""

    def __init__(self, voice: Voice, table: HarmTable, sway: float) -> None:
        timbre = TIMBRES[voice]
        self._timbre = timbre
        self._frequency, self._second = Sig(110.0), Sig(110.0)
        self._level_left, self._level_right = Sig(0.0), Sig(0.0)
        self._envelope = Adsr(timbre.attack, timbre.decay, timbre.sustain, timbre.release, dur=30.0)
        self._gate = SigTo(1.0, time=HUSH, init=1.0)
        self._gated = self._envelope * self._gate
        self._sway_table = HarmTable([1.0], size=512)
        self._sway = Osc(self._sway_table, freq=sway, mul=0.18, add=0.82)
        self._swaying = self._gated * self._sway
        self._loud_left = self._swaying * self._level_left
        self._loud_right = self._swaying * self._level_right
        self.left = Osc(table, freq=self._frequency, mul=self._loud_left)
        self.right = Osc(table, freq=self._second, mul=self._loud_right)
        self._chain: tuple[PyoObject, ...] = (
            *(self._frequency, self._second, self._level_left, self._level_right, self._gate, self._gated),
            *(self._sway, self._swaying, self._loud_left, self._loud_right, self.left, self.right),
        )
        self.ends = 0.0
        self.rest()

    def play(self, note: Note, seconds: float, length: float) -> None:
        """Begin a note of `length` seconds before its release. Only for a voice that is silent."""
        timbre = self._timbre
        frequency = hertz(note.pitch)
        self._frequency.value, self._second.value = frequency, frequency * timbre.detune
        level = timbre.level * note.velocity * (130.8 / max(130.8, frequency)) ** 0.5
        self._level_left.value = level * (1 - 0.5 * max(0.0, note.pan))
        self._level_right.value = level * (1 + 0.5 * min(0.0, note.pan))
        held = max(length, timbre.attack + 0.1)
        self._envelope.setDur(held + timbre.release)
        self._gate.value = 1.0
        for part in self._chain:
            part.play()
        self._envelope.play()
        self.ends = seconds + held + timbre.release

    def hush(self) -> None:
        """Fade out within HUSH seconds, to make room."""
        self._gate.value = 0.0

    def rest(self) -> None:
        """Stop computing. Only for a voice that is silent."""
        self._envelope.stop()
        for part in self._chain:
            part.stop()
        self.ends = 0.0


class Pool(Generic[V]):
    """A fixed number of voices. A note that finds none at rest takes the one that would end first, without a click."""

    def __init__(self, voices: Iterable[V]) -> None:
        self.voices = tuple(voices)
        self.stolen = 0
        self._coming: dict[
            V, tuple[float, Note, float]
        ] = {}  # stolen voices: when they are silent, and for what

    def play(self, sounded: Sounded) -> None:
        """Begin a note, or, where a voice must be stolen, begin it HUSH later."""
        seconds, note, length = sounded.seconds, sounded.note, sounded.length
        free = next((voice for voice in self.voices if not voice.ends), None)
        if free is not None:
            free.play(note, seconds, length)
            return
        victim = min(self.voices, key=lambda voice: (voice in self._coming, voice.ends))
        self.stolen += 1
        victim.hush()
        victim.ends = seconds + HUSH + length
        self._coming[victim] = (seconds + 2 * HUSH, note, length)

    def settle(self, seconds: float) -> None:
        """Once a block: let voices rest that have ended, and begin the notes that waited for a stolen one."""
        for voice, (ready, note, length) in list(self._coming.items()):
            if ready <= seconds:
                del self._coming[voice]
                voice.rest()
                voice.play(note, seconds, length)
        for voice in self.voices:
            # A tenth of a second more than the envelope's own end, which lies on a block's edge.
            if voice.ends and voice.ends + 0.1 <= seconds and voice not in self._coming:
                voice.rest()


class Voices:
    """Every voice of the box, by pool: `lead_count` leads, ten pad tones (two chords of five), two drones."""

    def __init__(self, lead_count: int) -> None:
        self._tables = {
            voice: HarmTable(list(timbre.partials), TABLE_SIZE) for voice, timbre in TIMBRES.items()
        }
        self.leads = Pool(Lead(self._tables) for _ in range(lead_count))
        # The sways are slow (15 to 30 s) and all different, so that a held chord never stands still.
        self.pads = Pool(
            Pad(Voice.PAD, self._tables[Voice.PAD], 0.033 + 0.0041 * index) for index in range(10)
        )
        self.drones = Pool(
            Pad(Voice.DRONE, self._tables[Voice.DRONE], 0.027 + 0.01 * index) for index in range(2)
        )
        self.lead_mix = Mix([lead.out for lead in self.leads.voices], voices=2)
        self.pad_left = Mix([pad.left for pad in self.pads.voices], voices=1)
        self.pad_right = Mix([pad.right for pad in self.pads.voices], voices=1)
        self.drone_mix = Mix([drone.left for drone in self.drones.voices], voices=1)
        self._pool_of: dict[Voice, Callable[[Sounded], None]] = dict.fromkeys(Voice, self.leads.play)
        self._pool_of[Voice.PAD] = self.pads.play
        self._pool_of[Voice.DRONE] = self.drones.play

    def play(self, sounded: Sounded) -> None:
        """Begin a note."""
        self._pool_of[sounded.note.voice](sounded)

    def settle(self, seconds: float) -> None:
        """Once a block, before the block is computed."""
        for pool in (self.leads, self.pads, self.drones):
            pool.settle(seconds)

    @property
    def sounding(self) -> int:
        """How many voices are not at rest."""
        return sum(bool(voice.ends) for pool in (self.leads, self.pads, self.drones) for voice in pool.voices)
