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
from random import Random

import numpy as np
from pyo import Allpass, ButBP, ButHP, ButLP, DataTable, Delay, Mix, Osc, PyoObject, Sig, WGVerb

from appliance.sound import SYNTH_RATE
from appliance.sound.envelopes import Envelopes
from appliance.sound.voices import Voices
from appliance.values import Bed

MOVE_EVERY = 0.04  # s; in that time the filters move too little for the step to be audible
GLIDE = 3.0  # s in which the bed reaches a new target
GUST = 1.4  # s in which a gust rises or falls
ECHO = [0.47, 0.61]  # s, left and right; not a multiple of each other
REVERB = 0.95  # feedback; the decay by 60 dB takes 6 s
WALLS = [
    0.0311,
    0.0437,
]  # s, left and right: delays of the allpasses that make two channels of the one reverb
PADS = (280.0, 1500.0)  # Hz: cutoff of the pads' low-pass at brightness 0, and how much 1 adds
SWELLS = (32.3, 23.3)  # s, periods, left and right
WHISTLE = (320.0, 900.0)  # Hz between which the wind's band-pass moves
# An inaudible constant that keeps decaying signals in a feedback loop from becoming denormal numbers, which cost x86 up
# to five times as much. (pyo's own Denorm does it with a noise that costs as much as ten oscillators.)
ANTI_DENORMAL = 1e-9
NOISE = 1 << 18  # samples: 11 s of wind, read at two speeds, so that the pair never repeats


class Mixer:
    """The bus."""

    def __init__(self, voices: Voices, envelopes: Envelopes, noise: DataTable, seed: int) -> None:
        self._envelopes = envelopes
        self._rng = Random(seed)
        self._bed = Bed(0.3, 0.0, 0.5)
        self._brightness = 0.3
        self._moved = 0.0  # s of the audio clock

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
        self._wind = ButBP(self._air, freq=[500.0, 600.0], q=1.3, mul=self._gusting, add=self._dark_echo)
        self._dry = Sig(self._wind, add=self._pads_and_drone)

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
        """Set the bed's targets, once a beat; it reaches them in GLIDE s. Each side of the wind gets a random gust."""
        self._bed = bed
        self._envelopes.ramp_to(self._room, 0.55 * bed.space, GLIDE, exponential=False)
        for gust in self._gusts:
            self._envelopes.ramp_to(gust, bed.wind * self._rng.uniform(0.3, 1.0), GUST, exponential=False)

    def move(self, seconds: float) -> None:
        """Set the slow modulation for the moment `seconds`."""
        self._brightness += (self._bed.brightness - self._brightness) * min(
            1.0, (seconds - self._moved) / GLIDE
        )
        self._moved = seconds
        # The filters of the two sides have different periods (7 to 17 s), which makes most of the pads' stereo width.
        turn = 2 * math.pi * seconds
        cutoff = PADS[0] + PADS[1] * self._brightness
        middle, range_ = sum(WHISTLE) / 2, (WHISTLE[1] - WHISTLE[0]) / 2
        # The base objects' setters skip pyo's type checks, which cost more than the filters.
        for side, period in zip(self._pads.getBaseObjects(), (8.9, 7.3), strict=True):
            side.setFreq(cutoff * (1 + 0.22 * math.sin(turn / period)))
        for swell, period in zip(self._swells, SWELLS, strict=True):
            level = 0.72 + 0.40 * math.sin(turn / period)
            self._envelopes.ramp_to(swell, level, MOVE_EVERY, exponential=False)
        for side, period in zip(self._wind.getBaseObjects(), (11.3, 16.7), strict=True):
            side.setFreq(middle + range_ * math.sin(turn / period + 2))

    def stop(self) -> None:
        """Stop computing for good."""
        for part in vars(self).values():
            if isinstance(part, PyoObject):
                part.stop()


def noise_table(seed: int) -> DataTable:
    """A loop of noise whose power falls by 6 dB an octave above 1 kHz.

    One inverse FFT of a random spectrum, once; each random sample of pyo's own would cost as much as ten oscillators.
    """
    table = DataTable(size=NOISE)
    bins = NOISE // 2 + 1
    # A sum of so many sines is normal, whatever their levels. (To load numpy.random takes 27 M instructions.)
    levels = np.frombuffer(Random(seed).randbytes(4 * bins), np.int16).astype(np.float32)
    spectrum = levels.view(np.complex64)
    frequencies = np.arange(bins, dtype=np.float32) * np.float32(SYNTH_RATE / NOISE)
    spectrum /= np.sqrt(1 + (frequencies / np.float32(1000.0)) ** 2)
    shaped = np.fft.irfft(spectrum)
    shaped *= 0.118 / shaped.std()
    # Written to the table's own buffer: a list of so many numbers takes a Pi half a second.
    np.asarray(table.getBuffer())[:] = shaped
    return table
