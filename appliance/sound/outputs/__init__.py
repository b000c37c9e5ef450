# SPDX-License-Identifier: Apache-2.0
"""Where a performance goes: a card, a file, a score, or nowhere at the right pace.

The one rule: an output decides how fast blocks are wanted, by how long its `write` takes. The performer's thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from appliance.values import BoxError, Sounded


class Output(Protocol):
    """Takes each block and the notes that begin in it."""

    @property
    def latency(self) -> float:
        """Seconds from `write` to the ear, by now."""

    def write(self, samples: NDArray[np.float32], begun: Sequence[Sounded]) -> None:
        """Take a block: float32, shape (frames, 2), -1 to 1. The array is overwritten afterwards."""

    def close(self) -> None:
        """Finish, so that everything written is heard or on disk."""


class NoSoundCard(BoxError, OSError):
    """There is no card to play on, or it has gone."""


class CardHangs(NoSoundCard, TimeoutError):
    """A card takes no sound any more, or does not even answer."""


class UnknownFormat(BoxError, ValueError):
    """The name of the file to write does not end in a format that the box writes."""


class CannotWrite(BoxError, OSError):
    """The file to write cannot be written where it was asked for."""
