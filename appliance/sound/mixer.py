# SPDX-License-Identifier: Apache-2.0
"""From the voices to two channels: the wind, the shared space, and everything that keeps the sum in bounds.

The one rule: one reverb and one echo for all, never an effect per note; nothing enters a feedback loop unguarded,
because one bad sample in a reverb would silence the box for good. The performer's thread.

    leads ─┬──────────────┬────────▶ guard ─▶ ┐
           └▶ echo (two) ─┤                   ├─▶ sum ─▶ DC ─▶ limiter ─▶ ceiling ─▶ volume ─▶ fade ─▶ out
    pads ──▶ low-pass ────┤                   │
    drone ────────────────┤─▶ mono ─▶ reverb ─┘
    wind ─────────────────┘
"""

from __future__ import annotations

from pyo import (
    ButBP,
    ButHP,
    ButLP,
    Clip,
    Compress,
    DCBlock,
    Delay,
    Denorm,
    Max,
    Min,
    Mix,
    PinkNoise,
    Randi,
    SigTo,
    STRev,
)

from appliance.sound.voices import Voices
from appliance.values import Bed

GLIDE = 3.0  # s over which the bed follows
KNOB = 0.08  # s over which the volume follows; shorter zips, longer feels loose
ECHO = [0.47, 0.61]  # s, left and right; not a multiple of each other
REVERB = 7.5  # s
CEILING = 0.85  # full scale; -1.4 dBFS, so that the true peak stays under -1 dBTP
PADS = (280.0, 1500.0)  # Hz: low-pass of the pads at brightness 0, and how far 1 opens it


class Mixer:
    """The bus. `volume` and `fade` are gains, 0 to 1."""

    def __init__(self, voices: Voices) -> None:
        self._bright = SigTo(0.3, time=GLIDE, init=0.3)
        self._breeze = SigTo(0.0, time=GLIDE, init=0.0)
        self._room = SigTo(0.5, time=GLIDE, init=0.5)

        # Each side's filter wanders by itself, which is most of the pads' width.
        self._wander = Randi(0.75, 1.25, freq=[0.11, 0.13])
        self._open = self._bright * PADS[1]
        self._opened = self._open + PADS[0]
        self._pad_cutoff = self._wander * self._opened
        self._pad_sides = Mix([voices.pad_left, voices.pad_right], voices=2)
        self._pads = ButLP(self._pad_sides, freq=self._pad_cutoff)
        self._pad_middle = self._pads.mix(1)
        self._pad_width = self._pad_middle * 0.35
        self._pad_send = self._pad_middle * 0.3

        self._noise = PinkNoise(mul=[0.5, 0.5])
        self._gusts = Randi(0.25, 1.0, freq=[0.17, 0.23])
        self._whistle = Randi(320.0, 900.0, freq=[0.09, 0.07])
        self._band = ButBP(self._noise, freq=self._whistle, q=1.3)
        self._soft = ButLP(self._band, freq=1800.0)
        self._gusting = self._gusts * self._breeze
        self._wind = self._soft * self._gusting

        self._low = Min(voices.lead_mix, 2.0)
        self._lead = Max(self._low, -2.0)
        self._fed = Denorm(self._lead)
        self._echo = Delay(self._fed, delay=ECHO, feedback=0.36, maxdelay=1.0, mul=0.30)
        self._dark_echo = ButLP(self._echo, freq=1900.0)

        self._drone = voices.drone_mix.mix(2)
        self._pad_both = self._pad_width.mix(2)
        self._dry = Mix(
            [self._lead, self._dark_echo, self._pads, self._pad_both, self._drone, self._wind], voices=2
        )
        self._wet_in = Mix([self._lead, self._dark_echo, self._pad_send, self._wind], voices=1)
        self._wet_min = Min(self._wet_in, 2.0)
        self._wet_guard = Max(self._wet_min, -2.0)
        self._wet_cut = ButHP(self._wet_guard, freq=120.0)
        self._wet_live = Denorm(self._wet_cut)
        self._reverb = STRev(
            self._wet_live, inpos=0.5, revtime=REVERB, cutoff=3600, bal=1, roomSize=1.7, firstRefGain=-14
        )
        self._space = self._reverb * self._room

        self._sum = Mix([self._dry, self._space], voices=2)
        self._centred = DCBlock(self._sum)
        self._limited = Compress(
            self._centred, thresh=-9, ratio=6, risetime=0.005, falltime=0.3, lookahead=6, knee=0.5
        )
        self._ceiling = Clip(self._limited, -CEILING, CEILING)
        self.volume = SigTo(0.0, time=KNOB, init=0.0)
        self.fade = SigTo(0.0, time=2.0, init=0.0)
        self._gain = self.volume * self.fade
        self._out = self._ceiling * self._gain
        self._sent = self._out.out()

    def follow(self, bed: Bed) -> None:
        """Steer the bed; it glides there over GLIDE seconds."""
        self._bright.value = bed.brightness
        self._breeze.value = 1.1 * bed.wind
        self._room.value = 0.45 * bed.space
