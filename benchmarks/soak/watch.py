# SPDX-License-Identifier: Apache-2.0
"""What a soak holds the box to: that it always sounds, and that nothing of it grows.

The one rule: one number each, kept as it goes; the watch itself must not grow. `Ear` is the performer's thread, all
else the main one.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from appliance.host.log import LogRateLimit
from appliance.sound import SAMPLE_RATE
from appliance.sound.master import gain
from appliance.values import Controls, NoteEvent
from benchmarks.measure import BED, FLOOR

RAMP = 3.0  # s after the start or a mute that are no silence: the start-up ramp takes 2 s
FAINT = 0.2  # of the knob's way; below, the sleep timer is about to mute
GAP = 1.0  # s of silence that a fault may cost
PEAK = -1.0  # dBFS


class Ear:
    """Hears every block: silence, broken samples, peaks, notes."""

    def __init__(self) -> None:
        self.gap = self.rest = self.peak = (
            0.0  # s of the longest silence and of the longest time without a note; peak
        )
        self.broken = self.notes = 0  # blocks, notes
        self.gap_at = 0.0  # s
        self._silent_since = self._last_note = 0.0
        self._excused = RAMP

    def hear(
        self, samples: NDArray[np.float32], begun: Sequence[NoteEvent], seconds: float, controls: Controls
    ) -> None:
        """Take the block that begins at `seconds`, with what hands had set."""
        ends = seconds + len(samples) / SAMPLE_RATE
        self.broken += not np.isfinite(samples).all()
        self.peak = max(self.peak, float(samples.max()), -float(samples.min()))
        if played := sum(sounded.note.voice not in BED for sounded in begun):
            self.notes += played
            self._last_note = seconds
        self.rest = max(self.rest, ends - self._last_note)
        level = math.sqrt(float(np.vdot(samples, samples)) / samples.size)
        position = controls.volume * controls.dim
        if controls.muted or position < FAINT:
            self._excused = ends + RAMP
        # The floor is that of a knob at its end: whoever turns it down wants less.
        if ends < self._excused or level > 10 ** (FLOOR / 20) * gain(position):
            self._silent_since = ends
        elif ends - self._silent_since > self.gap:
            self.gap, self.gap_at = ends - self._silent_since, self._silent_since


class Log(logging.Handler):
    """The log as journald would get it, its floods held back by the clock of the sound; it counts its bytes."""

    def __init__(self, file: TextIO) -> None:
        super().__init__()
        self._file, self._flood = file, LogRateLimit()
        self.seconds = 0.0  # of that clock
        self.bytes = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write what the flood gate lets pass."""
        for admitted in self._flood.admit(record, self.seconds):
            line = f"{self.seconds:10.1f} {admitted.levelname.lower()} {admitted.getMessage()}\n"
            self.bytes += len(line.encode())
            self._file.write(line)


class Writes:
    """Counts how often a file is written anew."""

    def __init__(self, path: Path) -> None:
        self._path, self._last = path, 0
        self.count = 0

    def look(self) -> None:
        """Look whether it was."""
        try:
            changed = self._path.stat().st_mtime_ns
        except OSError:
            return
        self.count += changed != self._last
        self._last = changed
