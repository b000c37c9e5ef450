# SPDX-License-Identifier: Apache-2.0
"""What a box that plays has for its desk to show."""

from appliance.panel.desk import Mark, Status
from appliance.values import Voice

STATUS = Status(
    notes=(("C", 0.0), ("Eb", 0.0), ("F", 0.0), ("G", 0.0), ("Ab", 0.0), ("Bb", 0.0)),
    networks=(("public", 1.0), ("testnet", 0.0), ("futurenet", 0.0)),
    words="public: live",
    notes_a_minute=71,
    lag=2.34,
    volume=0.7,
    tempo=60.0,
    tempo_position=0.39,
    muted=False,
    level=-31.6,
    silent=False,
    score=(Mark(2.0, 1.0, 1.0, 1.0, Voice.BELL),),
)
