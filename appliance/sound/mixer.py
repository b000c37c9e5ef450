# SPDX-License-Identifier: Apache-2.0
"""The bus: from the voices to two channels, with the wind, one echo and one reverb for all voices.

Objects add each other's samples by `add`, because pyo's Mix asks Python for every input in every block. Slow modulation
(filters, gusts) is set a few times a second: a filter that follows an audio signal costs three times one with a fixed
frequency. Nothing guards the feedback loops: what is not finite or far too loud reaches the output in the same block,
where the master finds it, and then the whole graph is rebuilt. The performer's thread.

    leads ─┬──────────▶ + ──▶ + ─┬────────────▶ + ──▶ + ──▶ out
           └▶ echo (two) ┘    │  │              │     │
    wind ─────────────────────┘  ▼              │     │
                                 + ─▶ reverb ───│─▶ an allpass a side
                                 │              │
    pads ──▶ low-pass ─┬─────────┘              │
    drone ─────────────┴────────────────────────┘
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

import numpy as np
from numpy.typing import NDArray
from pyo import Allpass, ButBP, ButHP, ButLP, DataTable, Delay, Mix, Osc, PyoObject, Sig, WGVerb

from appliance.sound import SYNTH_RATE
from appliance.sound.envelopes import Envelopes
from appliance.sound.voices import Voices
from appliance.values import Bed

MOVE_EVERY = 0.04  # s; in that time the filters move too little for the step to be audible
GLIDE = 3.0  # s in which the bed reaches a new target
WIND = 1.66  # level of the wind at its strongest
GUST = 1.4  # s in which a gust rises or falls
ECHO = [0.47, 0.61]  # s, left and right; not a multiple of each other
REVERB = 0.95  # feedback; the decay by 60 dB takes 6 s
WALLS = [
    0.0311,
    0.0437,
]  # s, left and right: delays of the allpasses that make two channels of the one reverb
RISE, FALL = 0.3, 2.0  # s: how fast the bed opens when a ledger closes, and the time constant of its return
OPENS = 1.56  # octaves
PADS = (250.0, 1200.0)  # Hz: cutoff of the pads' low-pass at brightness 0, and how much 1 adds
SWELLS = (173.0, 131.0)  # s, periods of the pads, left and right
APART = 1.1  # rad by which the right side is ahead, so that one side is loud while the other is soft
GUSTS = (197.0, 149.0)  # s, periods of the wind's gusts
HUSH = 167.0  # s, period of the air
# Level of the pads in a storm, how much more in a calm, and how soon they give way to the wind.
YIELD = (0.03, 1.12, 5.0)
DEPTH = (0.43, 1.9)  # of the pads' swells without wind, and how much more the wind adds: pads alone vary less
TREMBLE = (2.9, 13.7, 0.34)  # s, period of the pads' tremolo and of its drift, and its depth
# Exponents: how much of the loudness that the pads lose in darkness is given back, of a calm and of SHADE.
DARK = (0.62, 0.2)
DEEP = 1.65  # octaves by which SHADE moves their low-pass, either way
OPEN = 5500.0  # Hz, the most: pyo's filter becomes unstable near half of its rate, and the pads have no partials there
SHADE = 211.0  # s, period in which the pads darken and brighten
WHISTLE = (460.0, 840.0)  # Hz between which the wind's band-pass moves
# An inaudible constant that keeps decaying signals in a feedback loop from becoming denormal numbers, which cost x86 up
# to five times as much. (pyo's own Denorm does it with a noise that costs as much as ten oscillators.)
ANTI_DENORMAL = 1e-9
AIR = 0.054  # level of a breath of noise at 3 to 6 kHz, without which the sound is dull
AIR_SIZE = 1 << 16  # samples
NOISE = 1 << 18  # samples: 11 s of wind, read at two speeds, so that the pair never repeats

Samples = NDArray[np.float32]


class Mixer:
    """The bus."""

    def __init__(
        self, voices: Voices, envelopes: Envelopes, noise: DataTable, air: DataTable, seed: int
    ) -> None:
        self._envelopes = envelopes
        self._rng = Random(seed)
        self._bed = Bed(0.3, 0.0, 0.5)
        self._brightness = 0.3
        self._moved = 0.0  # s of the audio clock
        self._air_level = 0.0
        self._closed = -math.inf  # when the last ledger came

        # The level of each side swells with a period of its own, so that a held chord is never static.
        self._swells = [envelopes.curve(), envelopes.curve()]
        self._swelling = [envelopes.line(swell) for swell in self._swells]
        self._pads = ButLP(voices.pads.out, freq=[600.0, 600.0], mul=self._swelling)
        self._pad_middle = Mix(self._pads, voices=1, mul=0.35)
        self._middle = Sig(voices.drones.out, add=self._pad_middle)
        self._pads_and_drone = Sig(self._pads, add=self._middle)

        self._noise = noise
        speed = SYNTH_RATE / NOISE
        self._air = Osc(noise, freq=[0.97 * speed, 1.04 * speed], phase=[0.0, 0.4])
        self._gusts = [envelopes.curve(), envelopes.curve()]
        self._gusting = [envelopes.line(gust) for gust in self._gusts]

        self._leads = Sig(voices.leads.out, add=ANTI_DENORMAL)
        self._echo = Delay(self._leads, delay=ECHO, feedback=0.36, maxdelay=1.0, mul=0.30)
        self._dark_echo = ButLP(self._echo, freq=1900.0, add=voices.leads.out)
        self._wind = ButBP(self._air, freq=[500.0, 600.0], q=1.9, mul=self._gusting, add=self._dark_echo)
        self._hush = envelopes.curve()
        self._hushing = envelopes.line(self._hush)
        speed = SYNTH_RATE / AIR_SIZE
        self._breath = Osc(
            air, freq=[speed, 1.03 * speed], phase=[0.0, 0.5], mul=self._hushing, add=self._wind
        )
        self._dry = Sig(self._breath, add=self._pads_and_drone)

        self._pad_send = Sig(self._pad_middle, mul=0.3 / 0.35)
        self._wet_in = Mix(self._wind, voices=1, mul=0.5, add=self._pad_send)
        self._wet_cut = ButHP(self._wet_in, freq=120.0, add=ANTI_DENORMAL)
        self._room = envelopes.curve()
        self._reverb_level = envelopes.line(self._room)
        self._reverb = WGVerb(self._wet_cut, feedback=REVERB, cutoff=3400, bal=1)
        self._out = Allpass(
            self._reverb, delay=WALLS, feedback=0.5, maxdelay=0.1, mul=self._reverb_level, add=self._dry
        )
        self._sent = self._out.out()

    def follow(self, bed: Bed) -> None:
        """Set the bed's targets, once a beat; it reaches them in GLIDE s."""
        self._bed = bed
        self._envelopes.ramp_to(self._room, 0.55 * bed.space, GLIDE, exponential=False)
        turn = 2 * math.pi * self._moved
        self._air_level = AIR * bed.air * (0.62 + 0.38 * math.sin(turn / HUSH))
        for gust, period in zip(self._gusts, GUSTS, strict=True):
            level = (0.62 + 0.38 * math.sin(turn / period)) * self._rng.uniform(0.8, 1.0)
            self._envelopes.ramp_to(gust, WIND * bed.wind * level, GUST, exponential=False)

    def breathe(self) -> None:
        """Open the filters for a moment, because a ledger has closed."""
        self._closed = self._moved

    def move(self, seconds: float) -> None:
        """Set the slow modulation for the moment `seconds`."""
        self._brightness += (self._bed.brightness - self._brightness) * min(
            1.0, (seconds - self._moved) / GLIDE
        )
        self._moved = seconds
        # The filters of the two sides have different periods (7 to 17 s), which makes most of the pads' stereo width.
        turn = 2 * math.pi * seconds
        since = seconds - self._closed
        breath = 2.0 ** (OPENS * min(1.0, since / RISE) * math.exp(-max(0.0, since - RISE) / FALL))
        self._envelopes.ramp_to(self._hush, self._air_level * breath, MOVE_EVERY, exponential=False)
        cutoff = PADS[0] + PADS[1] * self._brightness
        shade = 2.0 ** (DEEP * math.sin(turn / SHADE))
        dark = (cutoff / (PADS[0] + 0.5 * PADS[1])) ** -DARK[0] * shade ** -DARK[1]
        middle, range_ = sum(WHISTLE) / 2, (WHISTLE[1] - WHISTLE[0]) / 2
        # The base objects' setters skip pyo's type checks, which cost more than the filters.
        for side, period in zip(self._pads.getBaseObjects(), (8.9, 7.3), strict=True):
            side.setFreq(min(OPEN, cutoff * shade * breath * (1 + 0.22 * math.sin(turn / period))))
        storm, calm, soon = YIELD
        given = storm + calm * math.exp(-soon * self._bed.wind**3)
        depth = min(1.0, DEPTH[0] + DEPTH[1] * self._bed.wind)
        beat, drift, tremble = TREMBLE
        tremolo = 1.0 + tremble * math.sin(turn / beat + 2.0 * math.sin(turn / drift))
        for swell, period, ahead in zip(self._swells, SWELLS, (0.0, APART), strict=True):
            level = given * (1.0 + depth * math.sin(turn / period + ahead)) * tremolo * dark
            self._envelopes.ramp_to(swell, level, MOVE_EVERY, exponential=False)
        for side, period in zip(self._wind.getBaseObjects(), (11.3, 16.7), strict=True):
            side.setFreq((middle + range_ * math.sin(turn / period + 2)) * breath**0.5)

    def stop(self) -> None:
        """Stop computing for good."""
        for part in vars(self).values():
            if isinstance(part, PyoObject):
                part.stop()


def wind_noise(seed: int) -> Samples:
    """A loop of noise whose power falls by 6 dB an octave above 1 kHz."""
    return _noise(
        NOISE, seed, lambda hertz: np.reciprocal(np.sqrt(np.square(hertz / np.float32(1000.0)) + 1))
    )


def air_noise(seed: int) -> Samples:
    """A loop of noise between 3 and 6 kHz."""
    return _noise(
        AIR_SIZE, seed, lambda hertz: np.exp(-np.square((hertz - np.float32(4500.0)) / np.float32(1100.0)))
    )


def noise_table(samples: Samples) -> DataTable:
    """A loop as a table of pyo's."""
    table = DataTable(size=len(samples))
    # Written to the table's own buffer: a list of so many numbers takes a Pi half a second.
    np.asarray(table.getBuffer())[:] = samples
    return table


def _noise(size: int, seed: int, shape: Callable[[Samples], Samples]) -> Samples:
    """A loop of `size` samples of noise with a spectrum of this shape, over frequencies in Hz.

    One inverse FFT of a random spectrum, once; each random sample of pyo's own would cost as much as ten oscillators.
    """
    bins = size // 2 + 1
    # The sum of so many sines is normal, whatever they are. (numpy.random would take 27 M instructions to import.)
    numbers = np.frombuffer(Random(seed).randbytes(4 * bins), np.int16).astype(np.float32)
    spectrum = numbers.view(np.complex64)
    spectrum *= shape(np.arange(bins, dtype=np.float32) * np.float32(SYNTH_RATE / size))
    shaped = np.fft.irfft(spectrum)
    shaped *= 0.12 / shaped.std()
    # After its last sample pyo reads one of its own, which stays 0; so the loop begins where the noise is nearest to 0.
    return np.roll(shaped, -int(np.abs(shaped).argmin()))
