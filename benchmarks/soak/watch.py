# SPDX-License-Identifier: Apache-2.0
"""The checks of a soak: that the box always sounds, and that nothing of it grows.

Each keeps only a few numbers, so that the checks themselves do not grow. `Ear.check` runs on the performer's thread,
everything else on the main thread.
"""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from appliance.host.log import LogRateLimit
from appliance.sound import SAMPLE_RATE
from appliance.sound.master import gain
from appliance.values import Controls
from benchmarks.measure import FLOOR
from benchmarks.play import BED

RAMP = 3.0  # s after the start or a mute that do not count as silence: the start-up ramp takes 2 s
FAINT = 0.2  # of the knob's range; below, the sleep timer is about to mute
GAP = 1.0  # s of silence that are allowed
PEAK = -1.0  # dBFS


class Ear:
    """Checks every block: silence, broken samples, peaks, notes."""

    def __init__(self) -> None:
        self.gap, self.gap_at = 0.0, 0.0  # s of the longest silence, and its beginning
        self.rest = 0.0  # s of the longest time without a note
        self.peak = 0.0
        self.broken = self.notes = 0  # blocks, notes
        self._silent_since = self._last_note = 0.0
        self._excused = RAMP

    def note(self, voice: str, seconds: float) -> None:
        """Take a note that is heard at `seconds`."""
        if voice not in BED:
            self.notes += 1
            self._last_note = seconds

    def check(self, samples: NDArray[np.float32], seconds: float, controls: Controls) -> None:
        """Take the block that begins at `seconds`, played with these controls."""
        ends = seconds + len(samples) / SAMPLE_RATE
        self.broken += not np.isfinite(samples).all()
        self.peak = max(self.peak, float(samples.max()), -float(samples.min()))
        self.rest = max(self.rest, ends - self._last_note)
        level = math.sqrt(float(np.vdot(samples, samples)) / samples.size)
        position = controls.volume * controls.dim
        if controls.muted or position < FAINT:
            self._excused = ends + RAMP
        # The floor is that of a knob at its end, lowered as the volume is.
        if ends < self._excused or level > 10 ** (FLOOR / 20) * gain(position):
            self._silent_since = ends
        elif ends - self._silent_since > self.gap:
            self.gap, self.gap_at = ends - self._silent_since, self._silent_since


class Log(logging.Handler):
    """The log as journald would get it, rate-limited by the clock of the sound; it counts its bytes."""

    def __init__(self, file: TextIO) -> None:
        super().__init__()
        self._file, self._limit = file, LogRateLimit()
        self.seconds = 0.0  # of that clock
        self.bytes = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, or the summary of those that were suppressed."""
        for admitted in self._limit.admit(record, self.seconds):
            line = f"{self.seconds:10.1f} {admitted.levelname.lower()} {admitted.getMessage()}\n"
            self.bytes += len(line.encode())
            self._file.write(line)


class Writes:
    """Counts how often a file is written."""

    def __init__(self, path: Path) -> None:
        self._path, self._last = path, 0
        self.count = 0

    def look(self) -> None:
        """Check whether it was written since the last call."""
        try:
            changed = self._path.stat().st_mtime_ns
        except OSError:
            return
        self.count += changed != self._last
        self._last = changed
