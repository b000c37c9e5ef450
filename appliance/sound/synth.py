# SPDX-License-Identifier: Apache-2.0
"""The synth: a pyo server without a sound card, which computes one block at a time.

pyo never opens a card, so no card can crash or hang it; `compute` returns the samples. No pyo object is made after the
constructor, except after a fault: a NaN stays in a feedback loop for ever, so when a block is not finite, it is muted
and the graph is rebuilt, with the notes that were sounding. One synth a process at a time, because pyo has one global
server; the performer's thread.

A synth that is muted, or whose volume is 0, goes on without pyo once its echo and reverb have rung out: voices begin,
decay and end, but no sample is computed. So it can be heard again at once, as if it had played all the time.

    heard ─▶ muted: every line closes ─▶ rings out for RING s ─▶ rests ─▶ to be heard: every line opens ─▶ heard
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import logging
import os

import numpy as np
from numpy.typing import NDArray

from appliance.sound import CHANNELS, SAMPLE_RATE, SYNTH_RATE
from appliance.sound.master import Master
from appliance.sound.upsampler import Upsampler
from appliance.values import Bed, NoteEvent

os.environ.setdefault("PYO_GUI_WX", "0")
with contextlib.redirect_stdout(io.StringIO()):  # pyo prints a greeting when it is imported
    from pyo import Server

    from appliance.sound.envelopes import Envelopes
    from appliance.sound.mixer import MOVE_EVERY, Mixer, air_noise, noise_table, wind_noise
    from appliance.sound.voices import Voices, Waves

log = logging.getLogger(__name__)

RING = 10.0  # s in which echo and reverb fall by 100 dB
REBUILD_EVERY = 1.0  # s between two rebuilds at least: a fault that comes back sooner is not cured by one


class Synth:
    """Computes sound in blocks of `block` frames. `seed` determines every sample; it must be at least 1."""

    def __init__(self, *, block: int = 512, voices: int = 16, seed: int = 1) -> None:
        self.block = block
        self._block_seconds = block / SAMPLE_RATE
        self._frames = block * SYNTH_RATE // SAMPLE_RATE  # that pyo computes
        self._lead_count, self._seed = voices, seed
        self._most = voices  # leads that can sound at once
        self._server = Server(
            sr=SYNTH_RATE, nchnls=CHANNELS, buffersize=self._frames, duplex=0, audio="manual"
        )
        self._server.deactivateMidi()
        self._server.setVerbosity(1)
        self._server.boot()
        self._server.setGlobalSeed(seed)
        self._waves = Waves()
        self._noise, self._air = noise_table(wind_noise(seed)), noise_table(air_noise(seed))
        self._build()
        self._server.start()
        address = int(self._server.getOutputAddr(), 16)
        buffer = (ctypes.c_float * (self._frames * CHANNELS)).from_address(address)
        self._raw: NDArray[np.float32] = np.ctypeslib.as_array(buffer).reshape(self._frames, CHANNELS)
        self._upsampler = Upsampler(self._frames)
        self._master = Master(block)
        self._seconds = 0.0  # at which the next block begins
        self._heard = -RING  # when it was last heard
        self._rebuilt = -REBUILD_EVERY
        self._moved = -MOVE_EVERY
        self.silenced = 0  # blocks that were not finite

    def _build(self) -> None:
        self._envelopes = Envelopes(self._frames)
        self._voices = Voices(self._lead_count, self._envelopes, self._waves)
        self._voices.leads.limit(self._most, 0.0)
        self._mixer = Mixer(self._voices, self._envelopes, self._noise, self._air, self._seed)

    def play(self, event: NoteEvent) -> None:
        """Begin a note with the next block."""
        self._voices.play(event, self._seconds)

    def release(self) -> None:
        """Begin the release of the chord and the drone that sound now."""
        self._voices.release(self._seconds)

    def follow(self, bed: Bed) -> None:
        """Set the targets of the bed's continuous sounds."""
        self._mixer.follow(bed)

    def breathe(self) -> None:
        """Brighten the bed for a moment, because a ledger has closed."""
        self._mixer.breathe()

    def limit(self, leads: int) -> None:
        """Let at most so many leads sound at once."""
        self._most = leads
        self._voices.leads.limit(leads, self._seconds)

    def volume(self, position: float) -> None:
        """Set the volume to a position of the knob, 0 to 1; it moves there smoothly."""
        self._master.volume(position)

    def fade(self, level: float, seconds: float) -> None:
        """Fade everything to `level`, 0 to 1, within `seconds`."""
        self._master.fade(level, seconds)

    def compute(self, seconds: float) -> NDArray[np.float32]:
        """The block before the one that begins at `seconds`: float32, shape (block, 2), overwritten by the next."""
        self._voices.settle(seconds)
        self._seconds = seconds + self._block_seconds
        silent = self._master.silent
        if not silent:
            self._heard = seconds
        if self.rests:
            self._envelopes.rest()
            return self._master.rest()
        if seconds >= self._moved + MOVE_EVERY:
            self._moved = seconds
            self._mixer.move(seconds)
            self._voices.sway(seconds)
        self._envelopes.advance(closed=silent)
        self._server.process()
        samples, valid = self._master.process(self._upsampler.process(self._raw))
        if not valid:
            self._rebuild(seconds)
        return samples

    @property
    def rests(self) -> bool:
        """Whether pyo computes nothing, because nothing is heard and its echo and reverb have ended."""
        return self._seconds - self._heard > RING

    def _rebuild(self, seconds: float) -> None:
        self.silenced += 1
        self._upsampler.clear()
        if seconds - self._rebuilt < REBUILD_EVERY:
            return
        self._rebuilt = seconds
        log.warning("The synth produced a non-finite block; it was muted and the graph rebuilt.")
        held = [(voice.note, voice.release_at) for voice in self._voices.playing]
        for voice in self._voices.playing:
            voice.stop()
        self._mixer.stop()
        self._envelopes.stop()
        self._build()
        for event, release_at in held:
            if event is not None and seconds < release_at < float("inf"):
                rest = NoteEvent(event.note, event.seconds, event.beat, release_at - seconds)
                self._voices.play(rest, self._seconds)

    @property
    def sounding(self) -> int:
        """How many voices are playing."""
        return len(self._voices.playing)

    @property
    def leads(self) -> int:
        """How many leads are playing."""
        return sum(voice.note is not None for voice in self._voices.leads.voices)

    @property
    def stolen(self) -> int:
        """How many notes stole a voice that was playing."""
        return self._voices.leads.stolen

    @property
    def reduction(self) -> float:
        """The limiter's gain reduction in dB, 0 or more."""
        return self._master.reduction

    @property
    def streams(self) -> int:
        """The number of pyo's streams; constant after the constructor."""
        return self._server.getNumberOfStreams()

    def close(self) -> None:
        """Stop and free the server, and with it the buffer of its samples."""
        self._raw = np.zeros((self._frames, CHANNELS), dtype=np.float32)
        self._server.stop()
        self._server.shutdown()
