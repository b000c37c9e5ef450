# SPDX-License-Identifier: Apache-2.0
"""A status to test with."""

from appliance.status import Status
from appliance.values import BoxState

STATUS = Status(
    state=BoxState.LIVE,
    network="public",
    networks=("public", "testnet"),
    scene="wind",
    tones=("C", "Eb", "F", "G", "Ab", "Bb"),
    volume=0.7,
    tempo=60.0,
    muted=False,
    sleep=0,
    dim=1.0,
    light=1.0,
    card="the USB card",
    silent="",
    underruns=0,
    latency=0.128,
    notes_a_minute=70,
    delay=1.4,
)
