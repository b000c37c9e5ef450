# SPDX-License-Identifier: Apache-2.0
"""A sound file: WAV or FLAC, 24 bit.

The file holds the samples and nothing else (no time stamp), so equal renders are equal files. The rendering thread.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from appliance.sound import CHANNELS, SAMPLE_RATE


class SoundFile:
    """Writes `path`; its ending, .wav or .flac, says which format."""

    latency = 0.0

    def __init__(self, path: Path) -> None:
        self._file = soundfile.SoundFile(
            str(path), "w", samplerate=SAMPLE_RATE, channels=CHANNELS, subtype="PCM_24"
        )

    def write(self, samples: NDArray[np.float32]) -> None:
        """Append a block."""
        self._file.write(samples)

    def close(self) -> None:
        """Finish the file."""
        self._file.close()
