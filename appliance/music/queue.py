# SPDX-License-Identifier: Apache-2.0
"""The amounts that wait to be played: bounded, and never old.

The one rule: a ledger comes in one go, the ear wants one or two notes a second, and nothing may wait longer than two
ledgers. So a burst is never queued whole: what repeats is collapsed, a stratified sample is taken (smallest, largest
and a spread between, in the order of the operations), and each is given the moment at which it is due.
`put` may be called on any thread (it is where the main thread meets the performer); all else is the performer's.

    ledger ──put──▶ inbox (4) ──admit──▶ choose ──▶ waiting, each with its due moment ──drain, on every beat──▶ notes
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from random import Random

from appliance.music.transport import Moment
from appliance.values import Amount, Ledger

INBOX = (
    4  # ledgers; more than arrive between two blocks only after a stall, and then the old ones are no news
)
FIRST_INTERVAL = 5.8  # s between ledgers, the public network's mean since 2024, until we know better
SHORTEST, LONGEST = 2.0, 15.0  # s; a ledger interval outside is a gap or a backlog and teaches nothing
SPREAD = 0.9  # of the interval: the last amount is due a little before the next ledger may be late
PATIENCE = 11.0  # s from arrival after which an amount is no longer played; the promise is 12
QUIET = 2.0  # a network is quiet while its ledgers bring less than a half of what could be played
CROWD = 2  # notes that one beat may begin


@dataclass(frozen=True, slots=True)
class Waiting:
    """An amount that was chosen, when it came and when it is due, in seconds of the audio clock."""

    amount: Amount
    arrived: float
    due: float


class AmountQueue:
    """What was chosen and is not yet played. `density` is the notes a beat that a busy network may fill."""

    def __init__(self, rng: Random, density: float) -> None:
        self._rng = rng
        self._density = density
        self._inbox: deque[Ledger] = deque(maxlen=INBOX)
        self._waiting: deque[Waiting] = deque()
        self._last_arrival: float | None = None
        self.interval = FIRST_INTERVAL  # s, running mean between ledgers
        self._per_ledger = 0.0  # running mean of amounts a ledger
        self.passed_over = 0  # amounts that were heard of but not played

    def put(self, ledger: Ledger) -> None:
        """Leave a ledger for the performer. Any thread; never waits; the oldest gives way when the inbox is full."""
        self._inbox.append(ledger)

    def admit(self, now: Moment, density: float = 1.0) -> list[Ledger]:
        """Take in what has been put since last time, and return it; `density` scales how much of it is chosen."""
        admitted: list[Ledger] = []
        while self._inbox:
            ledger = self._inbox.popleft()
            self._learn(ledger, now.seconds)
            self._schedule(ledger, now, density)
            admitted.append(ledger)
        return admitted

    def drain(self, now: Moment) -> list[Waiting]:
        """What this beat plays, at most two; what has waited too long is let go."""
        fresh = deque(waiting for waiting in self._waiting if now.seconds - waiting.arrived <= PATIENCE)
        self.passed_over += len(self._waiting) - len(fresh)
        self._waiting = fresh
        # An amount due within the coming half beat is nearer to this beat than to the next.
        horizon = now.seconds + now.beat_seconds / 2
        taken: list[Waiting] = []
        while self._waiting and self._waiting[0].due <= horizon and len(taken) < CROWD:
            taken.append(self._waiting.popleft())
        return taken

    def clear(self) -> None:
        """Forget everything: another network is coming."""
        self._inbox.clear()
        self._waiting.clear()
        self._last_arrival = None
        self._per_ledger = 0.0

    def _learn(self, ledger: Ledger, seconds: float) -> None:
        if self._last_arrival is not None and SHORTEST <= (gap := seconds - self._last_arrival) <= LONGEST:
            self.interval += 0.1 * (gap - self.interval)
        self._last_arrival = seconds
        self._per_ledger += 0.1 * (len(ledger.amounts) - self._per_ledger)

    def _schedule(self, ledger: Ledger, now: Moment, density: float) -> None:
        beats = self.interval / now.beat_seconds
        slots = max(1, math.ceil(beats * self._density * density))
        span = self.interval * SPREAD
        if self._per_ledger * QUIET < slots:
            # Every amount of a quiet network is heard, as far as two ledgers' time can hold it.
            slots, span = (
                math.ceil(beats * CROWD * 2 * SPREAD),
                max(span, min(2 * SPREAD * self.interval, 10.0)),
            )
            span = min(span, len(ledger.amounts) * self.interval / 2)
        chosen = choose(ledger.amounts, slots, self._rng)
        self.passed_over += len(ledger.amounts) - len(chosen)
        self._waiting.extend(
            Waiting(amount, now.seconds, now.seconds + span * index / len(chosen))
            for index, amount in enumerate(chosen)
        )
        # Two ledgers in one delivery interleave by their due moments.
        self._waiting = deque(sorted(self._waiting, key=lambda waiting: waiting.due))


def choose(amounts: tuple[Amount, ...], slots: int, rng: Random) -> list[Amount]:
    """At most `slots` of a ledger's amounts, in their order: all if they fit, else a stratified sample.

    What repeats (same kind, unit and stroops) is collapsed first. The sample holds the smallest and the largest, and
    one from each of the equal strata between, so that its distribution is the ledger's. A single
    slot takes the largest.
    """
    if len(amounts) <= slots:
        return list(amounts)
    distinct = list(dict.fromkeys(amounts))
    if len(distinct) <= slots:
        return distinct
    by_size = sorted(range(len(distinct)), key=lambda index: (distinct[index].stroops, index))
    if slots == 1:
        return [distinct[by_size[-1]]]
    inner, between = by_size[1:-1], slots - 2
    picked = {by_size[0], by_size[-1]}
    for stratum in range(between):
        start, end = stratum * len(inner) // between, (stratum + 1) * len(inner) // between
        picked.add(inner[rng.randrange(start, end)])
    return [distinct[index] for index in sorted(picked)]
