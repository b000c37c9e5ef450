# SPDX-License-Identifier: Apache-2.0
"""`night`: half as many notes, an octave lower, darker, without wind. For bedrooms."""

from __future__ import annotations

from dataclasses import replace

from appliance.music.scenes.wind import WIND
from appliance.values import Kind, Voice

NIGHT = replace(
    WIND,
    name="night",
    # Swells are long: with them a test network, where most operations are new accounts, is 2 dB louder than others.
    voices={**WIND.voices, Kind.CREATE: Voice.HOLLOW},
    low=36,  # C2 up to C5
    pad_low=57,  # above the melody's low notes
    density=0.45,
    bed=0.7,  # louder than in `wind`, because there are fewer notes
    hold=(28.0, 60.0),
    wind=0.0,
    air=0.27,
    space=0.75,
    brightness=0.64,
)
