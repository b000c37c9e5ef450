# SPDX-License-Identifier: Apache-2.0
"""A score: one note a line, as JSON, in the order of their beginning.

The one rule: every number is rounded to what can be heard, so the same piece is the same file on every machine. The
thread that renders.

    {"t":1.5,"beat":1.5,"voice":"pluck","pitch":67,"velocity":0.61,"length":1.84,"pan":-0.2,"bright":0.5, and, for a
     note that sounds an amount, "kind":"offer","native":true,"stroops":4492925806,"ledger":30822015,"waited":0.5}
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.values import Sounded


def line(sounded: Sounded) -> str:
    """One line of the score, without its newline. Times in seconds, `beat` in beats, the rest as in `Note`."""
    note = sounded.note
    fields: dict[str, Any] = {
        "t": round(sounded.seconds, 4),
        "beat": round(sounded.beat, 4),
        "voice": note.voice.value,
        "pitch": note.pitch,
        "velocity": round(note.velocity, 3),
        "length": round(sounded.length, 3),
        "pan": round(note.pan, 3),
        "bright": round(note.bright, 3),
    }
    if note.amount is not None:
        fields |= {
            "kind": note.amount.kind.value,
            "native": note.amount.native,
            "stroops": note.amount.stroops,
            "ledger": note.amount.ledger,
            "waited": round(note.waited, 3),
        }
    return json.dumps(fields, separators=(",", ":"))


class Score:
    """Writes the notes to `path`."""

    latency = 0.0

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="ascii", newline="\n")

    def write(self, samples: NDArray[np.float32], begun: Sequence[Sounded]) -> None:
        """Append the notes of a block."""
        self._file.writelines(line(sounded) + "\n" for sounded in begun)

    def close(self) -> None:
        """Finish the file."""
        self._file.close()
