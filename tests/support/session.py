# SPDX-License-Identifier: Apache-2.0
"""A box that plays on paper, a thousand times faster than time, and remembers what its music came from."""

import math
from dataclasses import replace
from pathlib import Path
from random import Random

from appliance.keep import HALF_HOUR, Memory

from appliance.ledger.tape import TapePlayer, bundled
from appliance.render import composer
from appliance.settings import Settings, load
from appliance.sound import SAMPLE_RATE
from appliance.sound.performer import NullInstrument, Performer
from appliance.values import Amount, Answer, Controls, Kind, Ledger, NoteEvent

SCENES = ("wind", "night", "original")


def settings(**given: object) -> Settings:
    return load(given, {}).settings


class Session:
    """A box that plays on paper, with restless hands and a network of its own."""

    def __init__(self, seed: int, **given: object) -> None:
        self.settings = settings(seed=seed, **given)
        self.rng = Random(seed)
        self.performer = Performer(composer(self.settings), NullInstrument(self.settings.sound.block_size))
        self.memory = Memory(self.settings)
        self.controls = Controls(0.7, 60.0, "public", scene=self.settings.scene)
        self.recording = TapePlayer(bundled().__iter__, loop=True, start=self.rng.uniform(0, 3000))
        self.played: list[tuple[float, NoteEvent]] = []  # the block's moment, and a note that began in it

    def play(self, seconds: float) -> None:
        ends, looked = self.performer.now.seconds + seconds, 0.0
        while (now := self.performer.now.seconds) < ends:
            for ledger in self.recording.until(now):
                self.performer.composer.queue.put(ledger)
            if self.rng.random() < 0.002:
                self.performer.composer.queue.put(self.busy())
            if self.rng.random() < 0.002:
                self.turn()
            begun = self.memory.block(self.performer, self.controls, leaving=False)
            self.played += ((now, sounded) for sounded in begun)
            if now - looked > 1.0:
                looked = now
                self.memory.settle()

    def busy(self) -> Ledger:
        number = self.rng.randrange(1, 300)
        amounts = tuple(
            Amount(int(self.rng.lognormvariate(18, 4)) + 1, self.rng.choice(list(Kind)), number % 2 > 0, 7)
            for _ in range(number)
        )
        return Ledger(7, 1, number + 5, number, 3, amounts)

    def turn(self) -> None:
        now, rng = self.controls, self.rng
        self.controls = rng.choice(
            [
                replace(now, tempo=rng.uniform(30, 180)),
                replace(now, network=rng.choice(["public", "testnet"])),
                replace(now, scene=rng.choice(SCENES)),
                replace(now, muted=not now.muted),
                replace(now, volume=rng.random(), dim=rng.random()),
                replace(now, answer=Answer(now.answer.number + 1, (0, 2, 4))),
            ]
        )

    def kept(self, folder: Path, seconds: float = HALF_HOUR) -> Path:
        path = folder / "kept.tape.gz"
        path.write_bytes(self.memory.last(seconds).tape())
        return path

    def last(self, seconds: float) -> list[NoteEvent]:
        """The notes of the last so many seconds, their moments counted from the first block of these."""
        ends = self.performer.now.seconds
        begins = max(0.0, ends - seconds)
        block = self.settings.sound.block_size / SAMPLE_RATE
        first = math.ceil(round(begins / block, 6)) * block
        return [
            replace(sounded, seconds=sounded.seconds - first)
            for now, sounded in self.played
            if now >= begins - 1e-9
        ]
