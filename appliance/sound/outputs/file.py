# SPDX-License-Identifier: Apache-2.0
"""A sound file: WAV or FLAC, 24 bit.

The file holds the samples and nothing else (no time stamp), so equal renders are equal files. The rendering thread.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from appliance.sound import CHANNELS, SAMPLE_RATE

FRAME = 3 * CHANNELS  # bytes
LONGEST_WAV = (
    (2**32 - 4096) / FRAME / SAMPLE_RATE
)  # s: a WAV has sizes of 32 bits, an RF64 of 64 (EBU Tech 3306)


class SoundFile:
    """Writes `path` as "WAV" or "FLAC". A WAV of `seconds` beyond LONGEST_WAV is an RF64. Raises OSError."""

    latency = 0.0

    def __init__(self, path: Path, form: str, seconds: float = 0.0) -> None:
        form = "RF64" if form == "WAV" and seconds > LONGEST_WAV else form
        with _as_os_error():
            self._file = soundfile.SoundFile(
                os.fsencode(path), "w", SAMPLE_RATE, CHANNELS, subtype="PCM_24", format=form
            )

    def write(self, samples: NDArray[np.float32]) -> None:
        """Append a block."""
        with _as_os_error():
            self._file.write(samples)

    def close(self) -> None:
        """Finish the file."""
        with _as_os_error():
            self._file.close()


@contextmanager
def _as_os_error() -> Iterator[None]:
    """Raise OSError for errors of soundfile: for a full disk it raises "System error" or an AssertionError."""
    try:
        yield
    except (soundfile.LibsndfileError, AssertionError) as error:
        raise OSError(0, "the sound file cannot be written; is its disk full?") from error
