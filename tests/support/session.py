# SPDX-License-Identifier: Apache-2.0
"""A performance without sound, a hundred times faster than real time, whose controls change all the time.

Its history gets what the history of a live box gets; `passages` and `played` are what an observer saw.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from random import Random

from appliance.ledger.tape import TapePlayer, bundled
from appliance.parts import composition
from appliance.performance import Block, Performance
from appliance.score.history import BOUND, History
from appliance.settings import Settings, load
from appliance.sound import SAMPLE_RATE
from appliance.sound.outputs.silent import Discard
from appliance.sound.performer import NullInstrument, Performer
from appliance.values import Amount, Answer, Controls, Kind, Ledger, NoteEvent, Passage

SCENES = ("wind", "night", "rain", "original")
TURN = 0.002  # probability that a control changes before a block: every 5 s
BUSY = 0.002  # likewise, of a ledger that is not on the tape


def settings(**given: object) -> Settings:
    return load(given, {}).settings


def busy_ledger(rng: Random, operations: int) -> Ledger:
    """A ledger of so many operations of all kinds, whose amounts span ten decades."""
    amounts = tuple(
        Amount(int(rng.lognormvariate(18, 4)) + 1, rng.choice(list(Kind)), rng.random() < 0.5, 7)
        for _ in range(operations)
    )
    return Ledger(7, 1, operations, operations, 3, amounts)


class Session:
    """A box on paper: restless controls, a network of its own, a history of `bound` bytes."""

    def __init__(self, seed: int, bound: int = BOUND, block_size: int = 512) -> None:
        self.settings = settings(seed=seed, **{"sound.block_size": block_size})
        self.rng = Random(seed)
        self.history = History("0.0.1", bound)
        self.controls = Controls(0.7, 60.0, "public", scene=self.settings.scene)
        self.passages: list[Passage] = []  # in which something happens
        self._recording = TapePlayer(bundled().__iter__, loop=True, start=self.rng.uniform(0, 3000))
        block = self.settings.sound.block_size
        performer = Performer(composition(self.settings, self._ledgers), NullInstrument(block))
        self._performance = Performance(performer, Discard(), self._turned, [self._observe])
        self._block = block / SAMPLE_RATE  # s

    @property
    def seconds(self) -> float:
        """How much has been played."""
        return self._performance.seconds

    @property
    def played(self) -> list[NoteEvent]:
        """Every note so far."""
        return [event for passage in self.passages for event in passage.notes]

    @property
    def ended(self) -> float:
        """The second at which the last passage in which something happened ended."""
        return self.passages[-1].seconds + self._block

    def play(self, seconds: float) -> None:
        """Play so many seconds more."""
        self._performance.play(self.seconds + seconds)

    def _ledgers(self, seconds: float) -> Iterable[Ledger]:
        yield from self._recording.until(seconds)
        if self.rng.random() < BUSY:
            yield busy_ledger(self.rng, self.rng.randrange(1, 300))

    def _turned(self) -> Controls:
        if self.rng.random() < TURN:
            self.controls = self.turn(self.controls)
        return self.controls

    def turn(self, now: Controls) -> Controls:
        """The controls after one of them was changed."""
        rng = self.rng
        return rng.choice(
            [
                replace(now, tempo=rng.uniform(30, 180)),
                replace(now, network=rng.choice(["public", "testnet"])),
                replace(now, scene=rng.choice(SCENES)),
                replace(now, muted=not now.muted),
                replace(now, volume=rng.random(), dim=rng.random()),
                replace(now, answer=Answer(now.answer.number + 1, (0, 2, 4))),
            ]
        )

    def _observe(self, block: Block) -> None:
        passage = block.passage
        # As LivePerformance does: a passage in which nothing happens is not posted to the main thread.
        if passage.notes or passage.bed or passage.ledgers or passage.release:
            self.passages.append(passage)
            self.history.add(passage, self.ended)
