# SPDX-License-Identifier: Apache-2.0
"""A part for the performer whose passages a test writes."""

from collections.abc import Mapping

from appliance.sound import SAMPLE_RATE
from appliance.values import Context, Controls, Passage


class Written:
    """Gives `passages` by the number of their block, and empty ones otherwise."""

    def __init__(self, passages: Mapping[int, Passage] | None = None) -> None:
        self._passages = dict(passages or {})
        self.asked: list[tuple[int, Controls]] = []  # frames and controls of each call

    def passage(self, frames: int, controls: Controls) -> Passage:
        """The next passage."""
        number = len(self.asked)
        self.asked.append((frames, controls))
        context = Context(controls.network, controls.scene, "wind", "C", controls.tempo)
        return self._passages.get(number, Passage(number * frames / SAMPLE_RATE, context))
