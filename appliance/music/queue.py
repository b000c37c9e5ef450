# SPDX-License-Identifier: Apache-2.0
"""The amounts that wait to be played: bounded, and never old.

A ledger arrives all at once, the ear wants one or two notes a second, and nothing is played later than two ledgers
after it arrived. So a burst is never queued whole: as many of its amounts as there is time for become a phrase
(phrase.py), and each of them gets a due moment. Pure; the performer's thread.

    ledger ──admit──▶ phrase ──▶ waiting, each with its due moment ──drain, on every beat──▶ notes
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random

from appliance.music.phrase import choose, walk
from appliance.music.transport import Moment
from appliance.values import Amount, Ledger

FIRST_INTERVAL = 5.8  # s between ledgers, the public network's mean since 2024, until we know better
SHORTEST, LONGEST = 1.0, 15.0  # s; a ledger interval outside is a gap or a backlog and teaches nothing
SPREAD = 0.9  # of the interval: the last amount is due a little before the next ledger may be late
LATEST = 7.0  # s from arrival at which an amount may be due; 95 of 100 are promised within 8
PATIENCE = 10.0  # s from arrival after which an amount is no longer played; the promise is 12
QUIET = 2.0  # a network is quiet while its ledgers bring less than a half of what could be played
CROWD = 2  # notes that begin together
STEP = 0.525  # s: a beat is halved until its parts are no longer than this
ROOM = 40  # amounts taken over from another scene: what can be played before it is old
WHOLE = LATEST / STEP * CROWD  # of one ledger can be heard; a quiet network's has no more operations
FULL = 0.85  # of the steps that a busy network may fill; without rests a rhythm is a drill


@dataclass(frozen=True, slots=True)
class Waiting:
    """An amount that was chosen, when it came and when it is due, in seconds of the audio clock."""

    amount: Amount
    arrived: float
    due: float


class Pace:
    """What the ledgers of a network taught about their rhythm."""

    def __init__(self) -> None:
        self.interval = FIRST_INTERVAL  # s, running mean between ledgers
        self.amounts = 0.0  # running mean of different amounts a ledger
        self._last: float | None = None

    def hear(self, ledger: Ledger, amounts: int, seconds: float) -> None:
        """Take a ledger of so many different amounts in, at `seconds` of the audio clock.

        A first ledger of more than WHOLE operations is a busy network's; what a smaller one is, the next ones teach.
        """
        if self._last is None and ledger.operations > WHOLE:
            self.amounts = float(amounts)
        if self._last is not None and SHORTEST <= (gap := seconds - self._last) <= LONGEST:
            self.interval += 0.1 * (gap - self.interval)
        self._last = seconds
        self.amounts += 0.1 * (amounts - self.amounts)


def parts(now: Moment) -> int:
    """Into how many steps a beat is divided at this tempo: a slow knob makes no note late, and no crowd."""
    return 1 << max(0, math.ceil(math.log2(now.beat_seconds / STEP)))


class AmountQueue:
    """What was chosen and is not yet played. `density` is the notes a second that a busy network may fill at 60 bpm."""

    def __init__(self, rng: Random, density: float, pace: Pace, waiting: Iterable[Waiting] = ()) -> None:
        self._rng, self._density, self._pace = rng, density, pace
        # From a scene that lets amounts grow old only the newest can still be heard in time.
        self.waiting: deque[Waiting] = deque(sorted(waiting, key=lambda waiting: waiting.due)[-ROOM:])
        self._height = 0.5  # of the amount that ended the last phrase; the next one begins near it
        self.passed_over = 0  # amounts that were heard of but not played

    def admit(
        self, ledger: Ledger, now: Moment, height: Callable[[Amount], float], density: float = 1.0
    ) -> None:
        """Take a ledger in; `height` says where an amount stands, 0 to 1, `density` scales how much is chosen."""
        interval, steps = self._pace.interval, parts(now) / now.beat_seconds
        # Thrice the tempo is not thrice the notes: the knob is heard, and its ends stay calm.
        rate = min(self._density * density * math.sqrt(now.tempo / 60.0), FULL * steps)
        span = min(SPREAD * interval, LATEST)
        slots = max(1, math.ceil(rate * span / SPREAD))
        if self._pace.amounts * QUIET < slots:
            # Every amount of a quiet network is heard, as far as the time can hold it.
            slots = int(LATEST * steps * CROWD)
            span = min(LATEST, len(ledger.amounts) * interval / 2)
        chosen = list(walk(choose(ledger.amounts, slots, self._rng), height, self._height, self._rng))
        if chosen:
            self._height = height(chosen[-1])
        self.passed_over += len(ledger.amounts) - len(chosen)
        self.waiting.extend(
            Waiting(amount, now.seconds, now.seconds + span * index / len(chosen))
            for index, amount in enumerate(chosen)
        )
        # Two ledgers in one delivery interleave by their due moments.
        self.waiting = deque(sorted(self.waiting, key=lambda waiting: waiting.due))

    def drain(self, now: Moment) -> list[tuple[Waiting, float]]:
        """What the beat that begins now plays, each with its delay in beats; what has waited too long is let go."""
        count = parts(now)
        step = now.beat_seconds / count
        return [
            (waiting, part / count)
            for part in range(count)
            for waiting in self._due(now.seconds + part * step, step / 2)
        ]

    def _due(self, at: float, early: float) -> list[Waiting]:
        taken: list[Waiting] = []
        # An amount due within the coming half step is nearer to this step than to the next.
        while self.waiting and self.waiting[0].due <= at + early and len(taken) < CROWD:
            waiting = self.waiting.popleft()
            if at - waiting.arrived <= PATIENCE:
                taken.append(waiting)
            else:
                self.passed_over += 1
        return taken
