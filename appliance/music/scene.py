# SPDX-License-Identifier: Apache-2.0
"""What a scene is made of, and what it asks of the melody that it chooses.

The one rule: a scene is data plus one function, `melody`, which turns amounts into notes; the composer plays the bed
that the data describe under whatever the melody does, and asks no scene for its name. Pure; the performer's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Protocol

from appliance.music.harmony import Harmony
from appliance.music.movements import Movements
from appliance.music.queue import Pace, Waiting
from appliance.music.ranking import Ranking
from appliance.music.scales import Scale
from appliance.music.transport import Moment
from appliance.values import Kind, Ledger, Note, Voice


class Melody(Protocol):
    """How amounts become notes."""

    def hear(self, ledger: Ledger, now: Moment) -> None:
        """Take a ledger in. The composer has already taught the stage's ranking and pace."""

    def beat(self, now: Moment) -> list[Note]:
        """The notes of the beat that begins at `now`."""

    def rest(self) -> Iterable[Waiting]:
        """What it has not played, for the melody of the scene that comes next."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A place to listen from."""

    name: str
    melody: Callable[[MelodyContext], Melody]
    voices: Mapping[Kind, Voice]  # which instrument plays what happened
    low: int  # MIDI pitch from which the notes rise; the lowest is the first root at or above it
    octaves: int  # how far they rise
    pad_low: int  # MIDI pitch from which chords are spread
    density: float  # notes a second that a busy network may fill at 60 beats a minute
    bed: float  # velocity of chord and drone, which carry a quiet network to the loudness of a busy one
    hold: tuple[float, float]  # s for which a chord is held, shortest and longest
    wind: float  # 0 to 1: how much of the wind is heard
    space: float  # 0 to 1: how much of the reverb is heard
    brightness: float  # 0 to 1: how far everything opens
    murmur: bool = True  # whether the box hums while the ledger is silent
    scale: str | None = None  # a scale of its own, on the owner's root; None is the owner's scale


@dataclass(frozen=True, slots=True)
class MelodyContext:
    """What a melody finds when its scene begins."""

    scene: Scene
    scale: Scale
    rng: Random
    ranking: Ranking
    pace: Pace
    movements: Movements
    harmony: Harmony
    invert: bool  # larger amounts are lower notes
    waiting: tuple[Waiting, ...]  # what the melody before has not played
