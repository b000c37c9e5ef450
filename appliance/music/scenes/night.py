# SPDX-License-Identifier: Apache-2.0
"""`night`: half as many notes, an octave lower, darker, no wind. For rooms in which somebody sleeps."""

from __future__ import annotations

from dataclasses import replace

from appliance.music.scenes.wind import WIND

NIGHT = replace(
    WIND,
    name="night",
    low=36,  # C2 up to C5
    pad_low=57,  # the chords rise, and leave the deep to the melody
    density=0.625,
    bed=0.93,  # fewer notes leave more to it
    hold=(28.0, 60.0),
    wind=0.0,
    space=0.75,
    brightness=0.66,
)
