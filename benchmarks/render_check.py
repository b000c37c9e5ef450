# SPDX-License-Identifier: Apache-2.0
"""Part of the gate: renders of the bundled recording, whose score and sound must keep the bounds.

The default settings are checked, without a network, and a short form of four rows of `make bench-music`: the pulse,
notes above the bed, the chords, and a network that becomes busier or quieter. Their bounds are constants below; those
of the full rows are in benchmarks/music/.

    python -m benchmarks.render_check        exit code 1 if a bound is broken
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from functools import partial

from appliance.ledger.tape import Line, bundled
from appliance.music.scales import Scale
from appliance.settings import Settings, load
from appliance.sound import SAMPLE_RATE
from benchmarks.measure import SKIPPED, Figure, of_limiter, of_score, of_sound, table
from benchmarks.music import masking, network, pulse, voicings
from benchmarks.play import Played, Stem, compose, play
from benchmarks.tapes import TAPES

SECONDS = 150.0
FADED = 1.0  # s at the end of a render that are not measured

# The targets of make bench-music, with room where a short form measures less. Row 1: grid strength, and dB of the pulse
# line.
GRID, LINE = 0.60, 9.0
# Row 4: the shares of notes above the bed, of all and of those below E3.
STEMS = 90.0  # s
AUDIBLE, LOW_AUDIBLE = 0.85, 0.6
# Row 5: distinct voicings, h of the last new one, share of tones kept, semitones of the top voice.
CHORDS = 2.0  # h
DISTINCT, LAST_NEW, KEPT, TOP_MOVE = 60, 1.5, 0.6, 2.0
# Row 2: dB by which the wind rises at least and changes at most (falling is negative), the same as a share of the
# notes, and LU from the scene's own loudness. It is measured as long as there: wind and pads need minutes.
STEPS = (2.0, -3.0, 0.15, -0.4, 2.0)


def main() -> int:
    """Render, print the tables, and return 1 if a bound was broken."""
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
        ),
        flush=True,
    )
    short = short_form(settings, played)
    print(table("The short form of rows 1, 2, 4 and 5 of make bench-music", short))
    return 0 if all(figure.kept for figure in (*figures, *short)) else 1


def short_form(settings: Settings, played: Played) -> list[Figure]:
    """Rows 1, 2, 4 and 5; `played` is the performance as it is."""
    heard = played.samples[int(SKIPPED * SAMPLE_RATE) : int((SECONDS - FADED) * SAMPLE_RATE)]
    lead, bed = (play(settings, bundled().__iter__, STEMS, stem) for stem in (Stem.LEAD, Stem.BED))
    last = int((STEMS - FADED) * SAMPLE_RATE)
    ends = network.ENDS + FADED
    lines: Sequence[Line] = TAPES["bundled"](ends)
    steps = [play(settings, partial(iter, each), ends) for each in network.compared(lines)]
    chords = compose(settings, partial(iter, TAPES["bundled"](3600 * CHORDS)), 3600 * CHORDS)
    return [
        *pulse.of_sound(heard, busy=False, strongest=GRID, over=LINE),
        *masking.of_stems(lead.samples[:last], bed.samples[:last], lead.notes, AUDIBLE, LOW_AUDIBLE),
        *voicings.of_notes(chords.notes, DISTINCT, LAST_NEW, KEPT, TOP_MOVE),
        *network.of_steps(*steps, bounds=STEPS),
    ]


if __name__ == "__main__":
    sys.exit(main())
