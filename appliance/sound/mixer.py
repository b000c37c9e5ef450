# SPDX-License-Identifier: Apache-2.0
"""From the voices to two channels: the wind, and the space that all share.

The one rule: one reverb and one echo for all, never an effect per note; nothing enters a feedback loop unguarded,
because one bad sample in a reverb would silence the box for good, and nothing goes to the ears through a guard, which
would make a bad sample one that the master lets pass. What moves slowly (filters, gusts) is set a few times
a second: a filter that follows an audio signal costs three times one that is told. The performer's thread.

    leads ─┬──────────────┬────────▶ ┐
           └▶ echo (two) ─┤          │
    pads ──▶ low-pass ────┤          ├─▶ sum ─▶ out
    drone ────────────────┤          │
    wind ─────────────────┴▶ reverb ─▶ a wall a side
"""

from __future__ import annotations

import math
from random import Random

import numpy as np
from pyo import Allpass, ButBP, ButHP, ButLP, DataTable, Delay, Max, Min, Mix, Osc, PyoObject, WGVerb

from appliance.sound import SAMPLE_RATE
from appliance.sound.envelopes import Envelopes
from appliance.sound.voices import Voices
from appliance.values import Bed

MOVE_EVERY = 0.04  # s; the steps of a filter that wanders for seconds are too small to hear
GLIDE = 3.0  # s over which the bed follows
GUST = 1.4  # s over which a gust comes and goes
ECHO = [0.47, 0.61]  # s, left and right; not a multiple of each other
REVERB = 0.95  # feedback; what sounds takes 6 s to sink by 60 dB
WALLS = [
    0.0311,
    0.0437,
]  # s, left and right: what the one reverb meets on its way to each ear, and makes it two
PADS = (280.0, 1500.0)  # Hz: low-pass of the pads at brightness 0, and how far 1 opens it
SWELLS = (32.3, 23.3)  # s, periods, left and right
WHISTLE = (320.0, 900.0)  # Hz between which the wind's voice wanders
# A constant far below hearing that keeps what dies away in a feedback loop from becoming denormal numbers, which
# cost x86 up to five times as much. (pyo's own Denorm does it with a noise that costs as much as ten oscillators.)
ALIVE = 1e-9
NOISE = 1 << 19  # samples: 11 s of wind, read at two speeds, so that the pair never comes round


class Mixer:
    """The bus."""

    def __init__(self, voices: Voices, envelopes: Envelopes, noise: DataTable, seed: int) -> None:
        self._envelopes = envelopes
        self._rng = Random(seed)
        self._bed = Bed(0.3, 0.0, 0.5)
        self._brightness = 0.3
        self._moved = 0.0  # s of the audio clock

        self._pad_sides = Mix([voices.pad_left, voices.pad_right], voices=2)
        # Each side swells and sinks in its own time: a held chord never stands still.
        self._swells = [envelopes.curve(), envelopes.curve()]
        self._swelling = [envelopes.line(swell) for swell in self._swells]
        self._pads = ButLP(self._pad_sides, freq=[600.0, 600.0], mul=self._swelling)
        self._pad_middle = self._pads.mix(1)
        self._pad_width = self._pad_middle * 0.35
        self._pad_both = self._pad_width.mix(2)
        self._pad_send = self._pad_middle * 0.6

        self._noise = noise
        speed = SAMPLE_RATE / NOISE
        self._air = Osc(noise, freq=[0.97 * speed, 1.04 * speed], phase=[0.0, 0.4])
        self._gusts = [envelopes.curve(), envelopes.curve()]
        self._gusting = [envelopes.line(gust) for gust in self._gusts]
        self._wind = ButBP(self._air, freq=[500.0, 600.0], q=1.3, mul=self._gusting)

        self._low = Min(voices.lead_mix, 2.0)
        self._lead = Max(self._low, -2.0, add=ALIVE)
        self._echo = Delay(self._lead, delay=ECHO, feedback=0.36, maxdelay=1.0, mul=0.30)
        self._dark_echo = ButLP(self._echo, freq=1900.0)

        self._drone = voices.drone_mix.mix(2)
        self._dry = Mix(
            [voices.lead_mix, self._dark_echo, self._pads, self._pad_both, self._drone, self._wind], voices=2
        )
        self._wet_in = Mix([self._lead, self._dark_echo, self._pad_send, self._wind], voices=1, mul=0.5)
        self._wet_low = Min(self._wet_in, 2.0)
        self._wet_guard = Max(self._wet_low, -2.0)
        self._wet_cut = ButHP(self._wet_guard, freq=120.0, add=ALIVE)
        self._room = envelopes.curve()
        self._reverb_level = envelopes.line(self._room)
        self._reverb = WGVerb(self._wet_cut, feedback=REVERB, cutoff=3400, bal=1)
        self._walls = Allpass(self._reverb, delay=WALLS, feedback=0.5, maxdelay=0.1, mul=self._reverb_level)
        self._out = Mix([self._dry, self._walls], voices=2, mul=0.98)
        self._sent = self._out.out()

    def follow(self, bed: Bed) -> None:
        """Steer the bed, once a beat; it glides there over GLIDE seconds. Each side of the wind draws its own gust."""
        self._bed = bed
        self._envelopes.ramp_to(self._room, 0.55 * bed.space, GLIDE, bent=False)
        for gust in self._gusts:
            self._envelopes.ramp_to(gust, bed.wind * self._rng.uniform(0.3, 1.0), GUST, bent=False)

    def move(self, seconds: float) -> None:
        """Move what moves slowly, to where it should be at `seconds`."""
        self._brightness += (self._bed.brightness - self._brightness) * min(
            1.0, (seconds - self._moved) / GLIDE
        )
        self._moved = seconds
        # Each side's filter wanders by itself (periods of 7 to 17 s), which is most of the pads' width.
        turn = 2 * math.pi * seconds
        opened = PADS[0] + PADS[1] * self._brightness
        middle, way = sum(WHISTLE) / 2, (WHISTLE[1] - WHISTLE[0]) / 2
        # Told without pyo's checks of types, which cost more than the filters.
        for side, period in zip(self._pads.getBaseObjects(), (8.9, 7.3), strict=True):
            side.setFreq(opened * (1 + 0.22 * math.sin(turn / period)))
        for swell, period in zip(self._swells, SWELLS, strict=True):
            level = 0.72 + 0.40 * math.sin(turn / period)
            self._envelopes.ramp_to(swell, level, MOVE_EVERY, bent=False)
        for side, period in zip(self._wind.getBaseObjects(), (11.3, 16.7), strict=True):
            side.setFreq(middle + way * math.sin(turn / period + 2))

    def stop(self) -> None:
        """Stop computing, for good."""
        for part in vars(self).values():
            if isinstance(part, PyoObject):
                part.stop()


def drawn_noise(seed: int) -> DataTable:
    """Noise whose power falls by 6 dB an octave above 1 kHz, and whose end meets its beginning.

    pyo draws each random sample at the cost of ten oscillators, and this takes a Pi most of a second: it is drawn once,
    and read.
    """
    table = DataTable(size=NOISE)
    drawn = np.random.default_rng(seed).standard_normal(NOISE)
    frequencies = np.fft.rfftfreq(NOISE, 1 / SAMPLE_RATE)
    shaped = np.fft.irfft(np.fft.rfft(drawn) / np.sqrt(1 + (frequencies / 1000.0) ** 2))
    # Through the table's own buffer, which is let go at once: a list of half a million numbers takes a Pi a second.
    np.asarray(table.getBuffer())[:] = 0.12 * shaped / shaped.std()
    return table
