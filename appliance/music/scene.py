# SPDX-License-Identifier: Apache-2.0
"""A scene: data that describe its bed, and a melody, which turns amounts into notes.

The composer plays the bed under the melody; it makes no distinction by the name of a scene. Pure; the performer's
thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Protocol

from appliance.music.activity import Activity
from appliance.music.harmony import Harmony
from appliance.music.movements import Movements
from appliance.music.phrase import Candidates
from appliance.music.queue import Pace, Waiting
from appliance.music.ranking import Ranking
from appliance.music.scales import Scale
from appliance.music.transport import Moment
from appliance.values import Amount, Kind, Ledger, Note, Voice

LOUDEST = 0.56  # velocity of an ordinary note; a louder one is an event, which nothing softens
BATCH = 32  # amounts of a ledger that are taken in with one block of sound: half a million instructions, as a rule


class Melody(Protocol):
    """Turns amounts into notes."""

    def add(self, ledger: Ledger, candidates: Candidates, now: Moment) -> Iterator[None]:
        """Add a ledger and its distinct amounts; yields where the rest can wait for the next block.

        The composer has already added it to the context's ranking and pace.
        """

    def beat(self, now: Moment) -> list[Note]:
        """The notes of the beat that begins at `now`."""

    def waiting(self) -> Iterable[Waiting]:
        """The amounts that are not played yet, for the melody of the next scene."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A scene: its melody and the parameters of its bed."""

    name: str
    melody: Callable[[MelodyContext], Melody]
    voices: Mapping[Kind, Voice]  # which instrument plays which kind of operation
    issued: Mapping[Kind, Voice]  # and which one instead, where the amount is of an issued asset
    low: int  # MIDI pitch from which the notes rise; the lowest is the first root at or above it
    octaves: int  # how far they rise
    pad_low: int  # MIDI pitch from which chords are spread
    density: float  # notes a second of a busy network at 60 beats a minute
    bed: float  # velocity of chord and drone, such that a quiet network is as loud as a busy one
    hold: tuple[float, float]  # s for which a chord is held, shortest and longest
    wind: float  # 0 to 1: level of the wind
    air: float  # 0 to 1: level of the noise at 3 to 6 kHz
    space: float  # 0 to 1: level of the reverb
    brightness: float  # 0 to 1: how far the filters open
    murmur: bool = True  # whether there is a murmur while no amount is played
    scale: str | None = None  # a scale of its own on the root of the settings; None: that of the settings

    def voice(self, amount: Amount) -> Voice:
        """The instrument that plays an amount."""
        voice = self.voices[amount.kind]
        return voice if amount.native else self.issued.get(amount.kind, voice)


@dataclass(frozen=True, slots=True)
class MelodyContext:
    """What a melody works with, from the beginning of its scene."""

    scene: Scene
    scale: Scale
    rng: Random
    ranking: Ranking
    activity: Activity
    pace: Pace
    movements: Movements
    harmony: Harmony
    invert: bool  # larger amounts are lower notes, or higher ones in a scene where they are lower
    waiting: tuple[Waiting, ...]  # the amounts that the melody before has not played
