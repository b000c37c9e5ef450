# SPDX-License-Identifier: Apache-2.0
"""What a scene is made of. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from appliance.values import Kind, Voice


@dataclass(frozen=True, slots=True)
class Scene:
    """A place to listen from."""

    name: str
    voices: Mapping[Kind, Voice]  # which instrument plays what happened
    low: int  # MIDI pitch from which the notes rise; the lowest is the first root at or above it
    octaves: int  # how far they rise
    pad_low: int  # MIDI pitch from which chords are spread
    density: float  # notes a beat that a busy network may fill
    hold: tuple[float, float]  # s for which a chord is held, shortest and longest
    wind: float  # 0 to 1: how much of the wind is heard
    space: float  # 0 to 1: how much of the reverb is heard
    brightness: float  # 0 to 1: how far everything opens
