# SPDX-License-Identifier: Apache-2.0
"""Encodes samples as an endless MP3 or FLAC. Any thread."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from appliance.sound import CHANNELS, SAMPLE_RATE

FORMATS: dict[str, dict[str, Any]] = {
    # 160 kbit/s, which every browser and radio plays.
    "mp3": {
        "format": "MP3",
        "subtype": "MPEG_LAYER_III",
        "bitrate_mode": "CONSTANT",
        "compression_level": 0.5,
    },
    "flac": {"format": "FLAC", "subtype": "PCM_16"},
}
TYPES = {"mp3": "audio/mpeg", "flac": "audio/flac"}
FRAME = 4 * CHANNELS  # bytes of the samples that come in: 32-bit floats
PIPE = 64 << 10  # bytes that a pipe holds (pipe(7))
SLICE = 4096 * FRAME  # bytes that are encoded at a time, to 16 kB at most


class Encoder:
    """An endless file of the format `form`, one of FORMATS.

    libsndfile writes it into a pipe. Its other way, callbacks into Python, needs memory that is both writable and
    executable, which the unit denies.
    """

    def __init__(self, form: str) -> None:
        self._end, written = os.pipe()
        os.set_blocking(self._end, False)
        self._file = soundfile.SoundFile(written, "w", SAMPLE_RATE, CHANNELS, **FORMATS[form])
        self._lock = threading.Lock()
        # Silence packs into 170 bytes a second of FLAC, and a player waits for kilobytes: it would begin minutes after
        # the music. So silence is the smallest step of 16 bits, up and down at random, which does not pack.
        steps = np.frombuffer(os.urandom(SLICE // 4), np.int8).clip(-1, 1)
        self._hush = steps.astype(np.float32) / np.float32(2**15)

    def encode(self, samples: bytes) -> bytes:
        """The next bytes of the file, after samples as control.py describes them."""
        encoded = []
        with self._lock:
            for start in range(0, len(samples), SLICE):
                piece: NDArray[np.float32] = np.frombuffer(samples[start : start + SLICE], np.float32)
                if not piece.any():
                    piece = self._hush[: len(piece)]
                self._file.write(piece.reshape(-1, CHANNELS))
                with suppress(BlockingIOError):  # the encoder holds it back
                    encoded.append(os.read(self._end, PIPE))
        return b"".join(encoded)

    def silence(self, seconds: float) -> bytes:
        """The next bytes of the file, after so much silence."""
        return self.encode(bytes(FRAME * round(seconds * SAMPLE_RATE)))

    def close(self) -> None:
        """End the file, once a call on another thread has returned."""
        with self._lock:
            self._file.close()
            os.close(self._end)
