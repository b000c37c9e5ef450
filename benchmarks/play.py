# SPDX-License-Identifier: Apache-2.0
"""A performance in memory: what `render` would write, as score and samples.

The one rule: it is the performer's own loop. One thread; one synth a process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from appliance.ledger.tape import Line, Player
from appliance.render import composer, synth
from appliance.settings import Settings
from appliance.sound import SAMPLE_RATE
from appliance.sound.performer import Paper, Performer
from appliance.values import Controls, Sounded


def play(
    settings: Settings, lines: Callable[[], Iterator[Line]], seconds: float, *, sound: bool = True
) -> tuple[list[Sounded], NDArray[np.float64]]:
    """The score and the samples, shape (frames, 2), of so many seconds of a tape; without sound, no samples."""
    instrument = synth(settings) if sound else Paper(settings.sound.block)
    performer = Performer(composer(settings), instrument)
    player, controls = Player(lines), Controls(1.0, settings.tempo, settings.network, scene=settings.scene)
    score: list[Sounded] = []
    blocks: list[NDArray[np.float32]] = []
    for _ in range(round(seconds * SAMPLE_RATE / instrument.block)):
        for ledger in player.until(performer.now.seconds):
            performer.composer.queue.put(ledger)
        score += performer.block(controls)
        if sound:
            blocks.append(performer.samples.copy())
    samples = np.concatenate(blocks).astype(np.float64) if blocks else np.zeros((0, 2))
    return score, samples
