# SPDX-License-Identifier: Apache-2.0
"""`wind`, the default: three octaves of bells and plucks over a slow bed with wind."""

from __future__ import annotations

from appliance.music.rank_melody import RankMelody
from appliance.music.scene import Scene
from appliance.values import Kind, Voice

WIND = Scene(
    name="wind",
    melody=RankMelody,
    voices={
        Kind.PAYMENT: Voice.BELL,
        Kind.PATH_PAYMENT: Voice.GLASS,
        Kind.OFFER: Voice.PLUCK,
        Kind.CREATE: Voice.SWELL,
        Kind.POOL: Voice.FLOW,
        Kind.CONTRACT: Voice.FLOW,
        Kind.CLAIMABLE: Voice.CHIME,
        Kind.CLAWBACK: Voice.HOLLOW,
    },
    issued={Kind.PAYMENT: Voice.CHIME, Kind.OFFER: Voice.MALLET},
    low=48,  # C3 up to C6: 19 degrees
    octaves=3,
    pad_low=50,
    density=0.92,
    bed=0.425,
    hold=(20.0, 60.0),
    wind=1.0,
    air=1.0,
    space=0.6,
    brightness=0.5,
)
