# SPDX-License-Identifier: Apache-2.0
"""The queue of amounts that wait to be played. It is bounded in number and in age.

A ledger arrives all at once, but the melody has one or two notes a second, and no amount is played later than two
ledgers after it arrived. So a burst is never queued whole: as many of its amounts as there is time for become a phrase
(phrase.py), and each of them gets a due moment. Pure; the performer's thread.

    ledger ──add──▶ phrase ──▶ waiting, each with its due moment ──drain, on every beat──▶ notes
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random

from appliance.music.phrase import Candidates, walk
from appliance.music.transport import Moment
from appliance.values import Amount, Ledger

FIRST_INTERVAL = 5.8  # s between ledgers until it is measured: the public network's mean since 2024
SHORTEST, LONGEST = 1.0, 15.0  # s; an interval outside is a gap or a backlog, and is not learned from
SPREAD = 0.9  # of the interval over which a phrase is spread, so that it ends before the next ledger
LATEST = 7.0  # s from arrival to the last due moment; the requirement is 8 s for 95 of 100 amounts
EXPIRY = 10.0  # s from arrival after which an amount is dropped; the requirement is 12 s
QUIET = 2.0  # a network is quiet if its ledgers bring less than half of what could be played
CROWD = 2  # notes that can begin together
STEP = 0.525  # s: a beat is halved until its parts are no longer than this
ROOM = 40  # amounts taken over from another scene: as many as can be played before they expire
WHOLE = LATEST / STEP * CROWD  # amounts of one ledger that can be played; a quiet network has no more
REST = 11.0  # s from the first ledger that is passed over; the bed is alone for 8 s, after the last note has ended
BETWEEN_RESTS = (100.0, 180.0)  # s; so five minutes hold one, also if it is broken twice
RETRY = 35.0  # s after which the melody rests again when a notable amount has broken a rest
FULL = 0.85  # of the steps that a busy network fills; a rhythm needs rests


@dataclass(frozen=True, slots=True)
class Waiting:
    """An amount that was chosen, with its arrival and its due moment in seconds of the audio clock."""

    amount: Amount
    arrived: float
    due: float
    event: bool = False  # the amount is exceptional


class Pace:
    """How often ledgers of a network arrive, and how many amounts they hold."""

    def __init__(self) -> None:
        self.interval = FIRST_INTERVAL  # s, running mean between ledgers
        self.amounts = 0.0  # running mean of distinct amounts a ledger
        self._last: float | None = None

    def quiet(self, rate: float) -> bool:
        """Whether the network is quiet for a melody that can play `rate` notes a second."""
        return self.amounts * QUIET < rate * self.interval

    def add(self, ledger: Ledger, amounts: int, seconds: float) -> None:
        """Add a ledger of so many distinct amounts that arrived at `seconds` of the audio clock.

        A first ledger of more than WHOLE operations belongs to a busy network, so the mean starts with it.
        """
        if self._last is None and ledger.operations > WHOLE:
            self.amounts = float(amounts)
        if self._last is not None and SHORTEST <= (gap := seconds - self._last) <= LONGEST:
            self.interval += 0.1 * (gap - self.interval)
        self._last = seconds
        self.amounts += 0.1 * (amounts - self.amounts)


def parts(now: Moment) -> int:
    """Into how many steps a beat is divided, so that at a slow tempo notes are neither late nor bunched."""
    return 1 << max(0, math.ceil(math.log2(now.beat_seconds / STEP)))


class AmountQueue:
    """The amounts that were chosen and are not yet played.

    `density` is the notes a second of a busy network at 60 beats a minute.
    """

    def __init__(self, rng: Random, density: float, pace: Pace, waiting: Iterable[Waiting] = ()) -> None:
        self._rng, self._density, self._pace = rng, density, pace
        # From a scene without an expiry only the newest amounts can still be played in time.
        self.waiting: deque[Waiting] = deque(sorted(waiting, key=lambda waiting: waiting.due)[-ROOM:])
        self._height = 0.5  # of the amount that ended the last phrase; the next one begins near it
        self._begun = False  # whether a ledger has been added
        self._rest_until = 0.0  # s of the audio clock
        self._rest_at: float | None = None  # when the next rest begins
        self.passed_over = 0  # amounts that were not chosen, or expired

    def add(
        self,
        ledger: Ledger,
        candidates: Candidates,
        now: Moment,
        height: Callable[[Amount], float],
        density: float = 1.0,
        *,
        notable: Amount | None = None,
        event: bool = False,
    ) -> None:
        """Add a ledger and its distinct amounts.

        `height` gives the height of an amount, 0 to 1, and `density` scales how many are chosen. `notable` is one that
        must be played, as an event or not.
        """
        interval, steps = self._pace.interval, parts(now) / now.beat_seconds
        # The square root of the tempo: three times as fast is not three times as many notes.
        rate = min(self._density * density * math.sqrt(now.tempo / 60.0), FULL * steps)
        span = min(SPREAD * interval, LATEST)
        slots = int(rate * span / SPREAD + self._rng.random())
        quiet = self._pace.quiet(self._density * math.sqrt(now.tempo / 60.0))
        if quiet:
            # All amounts of a quiet network, as far as there is time for them.
            slots = int(LATEST * steps * CROWD)
            span = min(LATEST, len(ledger.amounts) * interval / 2)
        elif self._rests(now.seconds):
            slots = 0
        # If all fit, those that repeat are played again.
        fits = len(ledger.amounts) <= slots
        sample = list(ledger.amounts) if fits else candidates.choose(slots, self._rng)
        if notable and notable not in sample:
            sample[-1:] = [notable]  # in the place of another one, so that it makes no crowd
            if not slots:
                self._rest_at = now.seconds + RETRY
        chosen = list(walk(sample, height, self._height, self._rng))
        if chosen:
            self._height = height(chosen[-1])
        self.passed_over += len(ledger.amounts) - len(chosen)
        # The few notes of a quiet network do not keep the time of its ledgers; only the first one is heard at once.
        after = self._rng.random() * self._begun if quiet else 0.0
        self._begun = True
        self.waiting.extend(
            Waiting(
                amount,
                now.seconds,
                now.seconds + span * (index + after) / len(chosen),
                event and amount == notable,
            )
            for index, amount in enumerate(chosen)
        )
        # The phrases of two ledgers that arrive together interleave by their due moments.
        self.waiting = deque(sorted(self.waiting, key=lambda waiting: waiting.due))

    def _rests(self, seconds: float) -> bool:
        """Whether the melody rests for the ledger that arrives now."""
        if self._rest_at is None:
            self._rest_at = seconds + self._rng.uniform(*BETWEEN_RESTS)
        if seconds >= self._rest_at:
            self._rest_until = seconds + REST
            self._rest_at = self._rest_until + self._rng.uniform(*BETWEEN_RESTS)
        return seconds < self._rest_until

    def drain(self, now: Moment) -> list[tuple[Waiting, float]]:
        """The amounts of the beat that begins now, each with its delay in beats. Expired ones are dropped."""
        count = parts(now)
        step = now.beat_seconds / count
        return [
            (waiting, part / count)
            for part in range(count)
            for waiting in self._due(now.seconds + part * step, step / 2)
        ]

    def _due(self, at: float, early: float) -> list[Waiting]:
        taken: list[Waiting] = []
        # An amount that is due within the next half step is nearer to this step than to the next one.
        while self.waiting and self.waiting[0].due <= at + early and len(taken) < CROWD:
            waiting = self.waiting.popleft()
            if at - waiting.arrived <= EXPIRY:
                taken.append(waiting)
            else:
                self.passed_over += 1
        return taken
