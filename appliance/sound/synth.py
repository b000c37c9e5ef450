# SPDX-License-Identifier: Apache-2.0
"""The synth: a headless pyo server that is stepped by hand, one block at a time.

The one rule: pyo never opens a sound card, so no card can crash or hang it; its samples are handed to whoever asked
for the block. Nothing is made after the constructor, but for one case: when a block comes out broken (a value that is
no number stays in a feedback loop for ever), it is silenced and the graph is made anew, with the notes that were
sounding. One synth a process at a time (pyo has one global server); the performer's thread.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import logging
import os

import numpy as np
from numpy.typing import NDArray

from appliance.sound import CHANNELS, SAMPLE_RATE
from appliance.sound.master import Master
from appliance.values import Bed, NoteEvent

os.environ.setdefault("PYO_GUI_WX", "0")
with contextlib.redirect_stdout(io.StringIO()):  # pyo greets on standard output, where the tape lines go
    from pyo import Server

    from appliance.sound.envelopes import Envelopes
    from appliance.sound.mixer import MOVE_EVERY, Mixer, drawn_noise
    from appliance.sound.voices import Voices, Waves

log = logging.getLogger(__name__)

REBUILD_EVERY = 1.0  # s; what breaks more often than that is not mended by making it anew


class Synth:
    """Computes sound in blocks of `block` frames. `seed` fixes every sample; it must be at least 1."""

    def __init__(self, *, block: int = 512, voices: int = 16, seed: int = 1) -> None:
        self.block = block
        self._block_seconds = block / SAMPLE_RATE
        self._lead_count, self._seed = voices, seed
        self._most = voices  # leads that may sound at once
        self._server = Server(sr=SAMPLE_RATE, nchnls=CHANNELS, buffersize=block, duplex=0, audio="manual")
        self._server.deactivateMidi()
        self._server.setVerbosity(1)
        self._server.boot()
        self._server.setGlobalSeed(seed)
        self._waves, self._noise = Waves(), drawn_noise(seed)
        self._make()
        self._server.start()
        address = int(self._server.getOutputAddr(), 16)
        buffer = (ctypes.c_float * (block * CHANNELS)).from_address(address)
        self._raw: NDArray[np.float32] = np.ctypeslib.as_array(buffer).reshape(block, CHANNELS)
        self._master = Master(block)
        self._seconds = 0.0  # at which the next block begins
        self._mended = -REBUILD_EVERY
        self._moved = -MOVE_EVERY
        self.silenced = 0  # blocks that came out broken

    def _make(self) -> None:
        self._envelopes = Envelopes(self.block)
        self._voices = Voices(self._lead_count, self._envelopes, self._waves)
        self._voices.leads.limit(self._most, 0.0)
        self._mixer = Mixer(self._voices, self._envelopes, self._noise, self._seed)

    def play(self, sounded: NoteEvent) -> None:
        """Begin a note with the next block."""
        self._voices.play(sounded, self._seconds)

    def release(self) -> None:
        """Begin the release of the chord and the drone that sound now."""
        self._voices.release(self._seconds)

    def follow(self, bed: Bed) -> None:
        """Steer the bed."""
        self._mixer.follow(bed)

    def limit(self, leads: int) -> None:
        """Let no more than so many leads sound at once."""
        self._most = leads
        self._voices.leads.limit(leads, self._seconds)

    def volume(self, position: float) -> None:
        """Set the volume to a knob's position, 0 to 1; it glides there without a step."""
        self._master.volume(position)

    def fade(self, level: float, seconds: float) -> None:
        """Fade everything to `level`, 0 to 1, within `seconds`."""
        self._master.fade(level, seconds)

    def compute(self, seconds: float) -> NDArray[np.float32]:
        """The block before the one that begins at `seconds`: float32, shape (block, 2), overwritten by the next."""
        self._voices.settle(seconds)
        if seconds >= self._moved + MOVE_EVERY:
            self._moved = seconds
            self._mixer.move(seconds)
        self._envelopes.advance()
        self._server.process()
        self._seconds = seconds + self._block_seconds
        samples, whole = self._master.process(self._raw)
        if not whole:
            self._mend(seconds)
        return samples

    def _mend(self, seconds: float) -> None:
        self.silenced += 1
        if seconds - self._mended < REBUILD_EVERY:
            return
        self._mended = seconds
        log.warning("A block of sound came out broken; it was silenced, and the synth made anew.")
        held = [(voice.note, voice.release_at) for voice in self._voices.playing]
        for voice in self._voices.playing:
            voice.rest()
        self._mixer.stop()
        self._envelopes.stop()
        self._make()
        for sounded, release_at in held:
            if sounded is not None and seconds < release_at < float("inf"):
                rest = NoteEvent(sounded.note, sounded.seconds, sounded.beat, release_at - seconds)
                self._voices.play(rest, self._seconds)

    @property
    def sounding(self) -> int:
        """How many voices are not at rest."""
        return len(self._voices.playing)

    @property
    def leads(self) -> int:
        """How many leads are not at rest."""
        return sum(voice.note is not None for voice in self._voices.leads.voices)

    @property
    def stolen(self) -> int:
        """How many notes had to take a sounding voice."""
        return self._voices.leads.stolen

    @property
    def reduction(self) -> float:
        """How far the limiter is down, in dB, 0 or more."""
        return self._master.reduction

    @property
    def streams(self) -> int:
        """How many objects pyo computes or keeps; constant after the constructor."""
        return self._server.getNumberOfStreams()

    def close(self) -> None:
        """Stop and let go of the server; its sample buffer is gone after this."""
        self._raw = np.zeros((self.block, CHANNELS), dtype=np.float32)
        self._server.stop()
        self._server.shutdown()
