# SPDX-License-Identifier: Apache-2.0
"""`original`: the rule of the page of 2018 that the box descends from, over a bed of our own.

The one rule: what the page did stays, also where it is odd. Its source was read (remarcable/stellar-wind, 2018):
on arrival an amount is divided by the largest so far and rounded up to a height of 1 to 9, and is left out if it
equals the last one in the queue; every 500 ms, with probability 1/2, the oldest height is taken off the queue and
plays its note, or a random one of the lowest nine if it is 1; a note lasts a sixteenth or an eighth at 120 bpm.
Its queue was unbounded; ours holds 10,000 heights, hours of music, so that memory stays flat. Exact amounts make its
melody go flat, so an amount is read as the page read it: its low 32 bits. Pure; the performer's thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from appliance.music.queue import Waiting
from appliance.music.scene import MelodyContext, Scene
from appliance.music.transport import Moment
from appliance.values import Amount, Ledger, Note, Voice

NOTES = (51, 55, 56, 57, 60, 62, 63, 67, 68, 69)  # Eb3 G3 Ab3 A3 C4 D4 Eb4 G4 Ab4 A4, on the root C
HEIGHTS = len(NOTES) - 1
TICK = 0.5  # s, whatever the tempo
LENGTHS = (0.25, 0.125)  # s: "8n" and "16n" of its library, at that library's 120 beats a minute
ENDLESS = 10_000  # heights
VELOCITY = 0.55  # all notes of the page were equally loud


class Original:
    """Plays every amount in the order of arrival, however late."""

    def __init__(self, stage: MelodyContext) -> None:
        self._rng, self._root = stage.rng, stage.scale.root
        self._largest = 0
        self._queue: deque[tuple[int, Waiting]] = deque()  # height, and whose
        self._ticks: float | None = None  # s of the audio clock: the next tick; the first beat is the first
        for waiting in stage.waiting:
            self._take(waiting)

    def hear(self, ledger: Ledger, now: Moment) -> None:
        """Turn the amounts of a ledger into heights."""
        for amount in ledger.amounts:
            self._take(Waiting(amount, now.seconds, now.seconds))

    def beat(self, now: Moment) -> list[Note]:
        """The notes of the ticks that fall into the beat that begins at `now`."""
        notes: list[Note] = []
        tick = now.seconds if self._ticks is None else self._ticks
        while tick < now.seconds + now.beat_seconds:
            if self._rng.random() > 0.5 and self._queue:
                # A knob that was turned within a beat may have left a tick behind.
                notes.append(self._note(now, max(0.0, tick - now.seconds)))
            tick += TICK
        self._ticks = tick
        return notes

    def rest(self) -> Iterable[Waiting]:
        """The amounts in the queue."""
        return (waiting for _, waiting in self._queue)

    def _take(self, waiting: Waiting) -> None:
        amount = waiting.amount
        size = low_word(amount)
        if size <= 0:
            return
        self._largest = max(self._largest, size)
        height = -(-HEIGHTS * size // self._largest)
        if len(self._queue) < ENDLESS and not (self._queue and self._queue[-1][0] == height):
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
    """What the page read of an amount: the low 32 bits of its stroops, as a signed number."""
    low = amount.stroops & 0xFFFFFFFF
    return low - (low >> 31 << 32)


ORIGINAL = Scene(
    name="original",
    melody=Original,
    voices={},
    low=48,
    octaves=2,
    pad_low=48,
    density=1.0,
    bed=0.73,
    hold=(20.0, 60.0),
    wind=1.0,
    space=0.5,
    brightness=0.5,
    murmur=False,
    scale="original",
)
