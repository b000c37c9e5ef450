# SPDX-License-Identifier: Apache-2.0
"""Where the samples go: a sound card, a file, or nowhere.

An output decides how fast blocks are wanted, by how long its `write` takes: some in a burst, then none until there is
room for another burst, so that a thread wakes 23 times a second and not for each block. The performer's thread.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from appliance.values import BoxError

# Frames, 43 ms: a third of the default latency. On a machine of 210 million instructions a second, full ledgers leave
# at least 75 ms in the buffer, and 107 with a wake-up for each block (benchmarks/underruns.py). 1024 would leave 96,
# but wake a thread 47 times a second.
BURST = 2048


class Output(Protocol):
    """Takes each block of samples."""

    @property
    def latency(self) -> float:
        """Seconds from `write` until it is heard, at present."""

    def write(self, samples: NDArray[np.float32]) -> None:
        """Take a block: float32, shape (frames, 2), -1 to 1. The array is overwritten afterwards."""

    def close(self) -> None:
        """Finish, so that everything written is heard or on disk."""


class NoSoundCard(BoxError, OSError):
    """There is no card to play on, or it has gone."""


class CardHangs(NoSoundCard, TimeoutError):
    """A card takes no sound any more, or a call of it does not return."""


class UnknownFormat(BoxError, ValueError):
    """The name of the file to write does not end in a format that the box writes."""
