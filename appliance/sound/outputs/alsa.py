# SPDX-License-Identifier: Apache-2.0
"""A sound card, through ALSA.

The one rule: the blocking write paces the performer; the interpreter lock is free while it waits. A card that is
missing, busy or gone is a NoSoundCard, in one sentence. The performer's thread.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import alsaaudio
import numpy as np
from numpy.typing import NDArray

from appliance.sound import CHANNELS, SAMPLE_RATE
from appliance.sound.outputs import NoSoundCard
from appliance.values import Sounded


class Alsa:
    """An ALSA device by its name, with a buffer of about `latency` seconds in periods of `block` frames."""

    def __init__(self, device: str, *, latency: float, block: int) -> None:
        self._device = device
        try:
            with _hushed():
                self._pcm = alsaaudio.PCM(
                    type=alsaaudio.PCM_PLAYBACK,
                    mode=alsaaudio.PCM_NORMAL,
                    device=device,
                    rate=SAMPLE_RATE,
                    channels=CHANNELS,
                    format=alsaaudio.PCM_FORMAT_FLOAT_LE,
                    periodsize=block,
                    periods=max(2, round(latency * SAMPLE_RATE / block)),
                )
        except alsaaudio.ALSAAudioError as error:
            raise NoSoundCard(f"The sound card {device!r} cannot be opened: {error}.") from error
        granted = self._pcm.info()
        self.latency = (
            granted["period_size"] * granted["periods"] / SAMPLE_RATE
        )  # what ALSA gave, not what we asked
        self.underruns = 0

    def write(self, samples: NDArray[np.float32], begun: Sequence[Sounded]) -> None:
        """Hand over a block and wait until it fits into the card's buffer; an underrun is counted, and played over."""
        try:
            written = self._pcm.write(samples.data.cast("B"))
        except alsaaudio.ALSAAudioError as error:
            raise NoSoundCard(f"The sound card {self._device!r} has gone: {error}.") from error
        if written < 0:  # -EPIPE; the stream is prepared again, so the block goes into an empty buffer
            self.underruns += 1

    def close(self) -> None:
        """Let go of the card when what it holds has been played."""
        self._pcm.close()


@contextmanager
def _hushed() -> Iterator[None]:
    """Keep ALSA's own lines off standard error: it prints eight of them where one NoSoundCard says it all."""
    stderr = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
