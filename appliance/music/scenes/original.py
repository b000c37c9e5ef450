# SPDX-License-Identifier: Apache-2.0
"""`original`: the melody of the web page of 2018 that this program descends from, over a bed of our own.

The rule is taken from the page's source (remarcable/stellar-wind, 2018), also where it is odd. On arrival an amount is
divided by the largest so far and rounded up to a height of 1 to 9, and is left out if that equals the last height in
the queue. Every 500 ms, with probability 1/2, the oldest height is taken from the queue and plays its note, or a random
one of the lowest nine if it is 1. A note lasts a sixteenth or an eighth at 120 beats a minute. An amount is read as the
page read it, by its low 32 bits; with exact amounts nearly all heights are 1. The page's queue was unbounded; ours
holds 10,000 heights, hours of music, so that memory is bounded. Pure; the performer's thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from appliance.music.phrase import Candidates
from appliance.music.queue import Waiting
from appliance.music.scene import BATCH, MelodyContext, Scene
from appliance.music.transport import Moment
from appliance.values import Amount, Ledger, Note, Voice

NOTES = (51, 55, 56, 57, 60, 62, 63, 67, 68, 69)  # Eb3 G3 Ab3 A3 C4 D4 Eb4 G4 Ab4 A4, on the root C
HEIGHTS = len(NOTES) - 1
TICK = 0.5  # s, whatever the tempo
LENGTHS = (0.25, 0.125)  # s: "8n" and "16n" of the page's library, at that library's 120 beats a minute
MOST = 10_000  # heights in the queue
VELOCITY = 0.55  # all notes of the page were equally loud


class Original:
    """Plays every amount in the order of arrival, however late."""

    def __init__(self, context: MelodyContext) -> None:
        self._rng, self._root = context.rng, context.scale.root
        self._largest = 0
        self._queue: deque[tuple[int, Waiting]] = deque()  # height and amount
        self._next_tick: float | None = None  # s of the audio clock; None before the first beat
        for waiting in context.waiting:
            self._queue_up(waiting)

    def add(self, ledger: Ledger, candidates: Candidates, now: Moment) -> Iterator[None]:
        """Queue the amounts of a ledger, also those that repeat."""
        for index, amount in enumerate(ledger.amounts, 1):
            self._queue_up(Waiting(amount, now.seconds, now.seconds))
            if index % BATCH == 0:
                yield

    def beat(self, now: Moment) -> list[Note]:
        """The notes of the ticks that fall into the beat that begins at `now`."""
        notes: list[Note] = []
        tick = now.seconds if self._next_tick is None else self._next_tick
        while tick < now.seconds + now.beat_seconds:
            if self._rng.random() > 0.5 and self._queue:
                # If the tempo changed within the last beat, a tick can be in the past.
                notes.append(self._note(now, max(0.0, tick - now.seconds)))
            tick += TICK
        self._next_tick = tick
        return notes

    def waiting(self) -> Iterable[Waiting]:
        """The amounts in the queue."""
        return (waiting for _, waiting in self._queue)

    def _queue_up(self, waiting: Waiting) -> None:
        amount = waiting.amount
        size = low_word(amount)
        if size <= 0:
            return
        self._largest = max(self._largest, size)
        height = -(-HEIGHTS * size // self._largest)
        if len(self._queue) < MOST and not (self._queue and self._queue[-1][0] == height):
            self._queue.append((height, waiting))

    def _note(self, now: Moment, seconds: float) -> Note:
        height, waiting = self._queue.popleft()
        if height == 1:
            height = int(self._rng.random() * HEIGHTS)
        return Note(
            pitch=NOTES[height] + self._root,
            velocity=VELOCITY,
            duration=LENGTHS[self._rng.random() > 0.5] / now.beat_seconds,
            voice=Voice.BELL,
            delay=seconds / now.beat_seconds,
            amount=waiting.amount,
            waited=now.seconds - waiting.arrived,
        )


def low_word(amount: Amount) -> int:
    """An amount as the page read it: the low 32 bits of its stroops, as a signed number."""
    low = amount.stroops & 0xFFFFFFFF
    return low - (low >> 31 << 32)


ORIGINAL = Scene(
    name="original",
    melody=Original,
    voices={},
    issued={},
    low=48,
    octaves=2,
    pad_low=48,
    density=1.0,
    bed=0.58,
    hold=(20.0, 60.0),
    wind=1.0,
    air=0.0,
    space=0.5,
    brightness=0.5,
    murmur=False,
    scale="original",
)
