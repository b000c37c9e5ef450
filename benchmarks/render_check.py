# SPDX-License-Identifier: Apache-2.0
"""Part of the gate: one render of the bundled recording, whose score and sound must keep the bounds.

The default settings are checked, without a network. The long measurements, over more tapes, scenes and seeds, are
`make bench-music`.

    python -m benchmarks.render_check        exit code 1 if a bound is broken
"""

from __future__ import annotations

import sys
import time

from appliance.ledger.tape import bundled
from appliance.music.scales import Scale
from appliance.settings import load
from benchmarks.measure import of_limiter, of_score, of_sound, table
from benchmarks.play import play

SECONDS = 150.0


def main() -> int:
    """Render, print the table, and return 1 if a bound was broken."""
    begun = time.process_time()
    settings = load({}, {}).settings
    played = play(settings, bundled().__iter__, SECONDS)
    speed = SECONDS / (time.process_time() - begun)
    figures = [
        *of_score(played.notes, Scale("wind", 0)),
        *of_sound(played.samples),
        *of_limiter(played.reduction, settings.sound.block_size),
    ]
    print(
        table(
            f"{SECONDS:g} s of the bundled recording, scene wind, seed 1 ({speed:.0f} times real time)",
            figures,
        )
    )
    return 0 if all(figure.kept for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
