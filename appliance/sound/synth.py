# SPDX-License-Identifier: Apache-2.0
"""The synth: a headless pyo server that is stepped by hand, one block at a time.

The one rule: pyo never opens a sound card, so no card can crash or hang it; its samples are handed to whoever asked
for the block. Nothing is made after the constructor. One synth a process at a time (pyo has one global server); the
performer's thread.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import os

import numpy as np
from numpy.typing import NDArray

from appliance.sound import CHANNELS, SAMPLE_RATE
from appliance.values import Bed, Sounded

os.environ.setdefault("PYO_GUI_WX", "0")
with contextlib.redirect_stdout(io.StringIO()):  # pyo greets on standard output, where the tape lines go
    from pyo import Server

    from appliance.sound.mixer import Mixer
    from appliance.sound.voices import Voices

SOFTEST = -48.0  # dB at the knob's lowest position that still sounds; at 0 itself there is silence


def gain(position: float) -> float:
    """The linear gain of a volume knob's position, 0 to 1: even steps in decibels, true silence at 0."""
    return 0.0 if position <= 0.0 else float(10.0 ** (SOFTEST * (1.0 - position) / 20.0))


class Synth:
    """Computes sound in blocks of `block` frames. `seed` fixes every sample; it must be at least 1."""

    def __init__(self, *, block: int = 512, voices: int = 16, seed: int = 1) -> None:
        self._server = Server(sr=SAMPLE_RATE, nchnls=CHANNELS, buffersize=block, duplex=0, audio="manual")
        self._server.deactivateMidi()
        self._server.setVerbosity(1)
        self._server.boot()
        self._server.setGlobalSeed(seed)
        self._voices = Voices(voices)
        self._mixer = Mixer(self._voices)
        self._server.start()
        address = int(self._server.getOutputAddr(), 16)
        buffer = (ctypes.c_float * (block * CHANNELS)).from_address(address)
        self._samples: NDArray[np.float32] = np.ctypeslib.as_array(buffer).reshape(block, CHANNELS)
        self.block = block
        self.silenced = 0  # blocks with a sample that was not a number

    def play(self, sounded: Sounded) -> None:
        """Begin a note with the next block."""
        self._voices.play(sounded)

    def follow(self, bed: Bed) -> None:
        """Steer the bed."""
        self._mixer.follow(bed)

    def volume(self, position: float) -> None:
        """Set the volume to a knob's position, 0 to 1; it glides there without a step."""
        self._mixer.volume.value = gain(position)

    def fade(self, level: float, seconds: float) -> None:
        """Fade everything to `level`, 0 to 1, within `seconds`."""
        self._mixer.fade.time = seconds
        self._mixer.fade.value = level

    def compute(self, seconds: float) -> NDArray[np.float32]:
        """The next block, beginning at `seconds`: float32, shape (block, 2). It is overwritten by the next call."""
        self._voices.settle(seconds)
        self._server.process()
        if not np.isfinite(self._samples).all():
            self._samples[:] = 0.0
            self.silenced += 1
        return self._samples

    @property
    def sounding(self) -> int:
        """How many voices are not at rest."""
        return self._voices.sounding

    @property
    def stolen(self) -> int:
        """How many notes had to take a sounding voice."""
        return self._voices.leads.stolen

    @property
    def streams(self) -> int:
        """How many objects pyo computes or keeps; constant after the constructor."""
        return self._server.getNumberOfStreams()

    def close(self) -> None:
        """Stop and let go of the server; its sample buffer is gone after this."""
        self._samples = np.zeros((self.block, CHANNELS), dtype=np.float32)
        self._server.stop()
        self._server.shutdown()
