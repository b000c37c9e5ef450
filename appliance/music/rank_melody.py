# SPDX-License-Identifier: Apache-2.0
"""The melody of `wind` and `night`: the pitch of an amount is its rank among the amounts around it.

Rank decides the degree, absolute size the loudness and length, the kind of operation the voice. Chance only prevents
that a tone repeats, and that an amount that occurs again and again always gets the same tone. Pure; the performer's
thread.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator

from appliance.music.phrase import Candidates
from appliance.music.queue import AmountQueue, Waiting
from appliance.music.scales import clash
from appliance.music.scene import MelodyContext
from appliance.music.transport import Moment
from appliance.values import Amount, Ledger, Note

# log10 of whole units (lumens or an asset's own) between which size changes the note: a cent to ten million.
SMALL, LARGE = -2.0, 7.0
FUZZ = 0.12  # probability that a note moves by a degree, up or down
REACH = 1.5  # degrees by which the long form moves the whole melody
SWELL = 0.45  # share by which it changes the density
FLOOD = 0.22  # share by which it changes the velocity
HABIT = 5  # degrees over which an amount is spread that makes up the whole melody
REMEMBERED = 15  # notes among which repeated amounts are counted
LUMENS = 0.2  # by which lumens are brighter than issued assets
RING = 3.0  # s that a note still sounds after the start of its release; for the clash rule only


class RankMelody:
    """Plays the amounts that its queue chooses."""

    def __init__(self, context: MelodyContext) -> None:
        self._context = context
        self._queue = AmountQueue(context.rng, context.scene.density, context.pace, context.waiting)
        self._degrees = context.scale.degrees(context.scene.low, context.scene.octaves)
        self._amounts: deque[int] = deque(maxlen=REMEMBERED)  # stroops of the last notes
        self._played: deque[int] = deque(maxlen=2 * HABIT)  # degrees
        self._ringing: deque[tuple[float, int]] = deque(maxlen=2 * HABIT)  # until when (s), which tone

    def add(self, ledger: Ledger, candidates: Candidates, now: Moment) -> Iterator[None]:
        """Have the queue choose from a ledger, in one step."""
        density = 1.0 + SWELL * self._context.movements.lfo("density", now.seconds)
        self._queue.add(ledger, candidates, now, self._rank, density)
        return iter(())

    def beat(self, now: Moment) -> list[Note]:
        """The notes of the amounts that are due."""
        return [self._note(waiting, now, delay) for waiting, delay in self._queue.drain(now)]

    def waiting(self) -> Iterable[Waiting]:
        """The amounts that are chosen and not yet due."""
        return self._queue.waiting

    def _note(self, waiting: Waiting, now: Moment, delay: float) -> Note:
        amount, scene = waiting.amount, self._context.scene
        size = _clip((math.log10(amount.stroops) - 7 - SMALL) / (LARGE - SMALL))
        seconds = 0.5 + 2.5 * size
        begins = now.seconds + delay * now.beat_seconds
        lfo = self._context.movements.lfo("brightness", begins)
        pitch = self._degrees[self._degree(amount, begins, seconds)]
        return Note(
            pitch=pitch,
            velocity=_clip((0.3 + 0.6 * size) * (1.0 + FLOOD * lfo)),
            duration=seconds / now.beat_seconds,
            voice=scene.voices[amount.kind],
            # Low notes are near the middle, high ones further to the sides.
            pan=self._context.rng.uniform(-0.8, 0.8)
            * (0.4 + 0.6 * (pitch - self._degrees[0]) / (12 * scene.octaves)),
            delay=delay,
            bright=_clip(
                scene.brightness + (LUMENS if amount.native else 0.0) + 0.2 * (size - 0.5) + 0.2 * lfo
            ),
            amount=amount,
            waited=now.seconds - waiting.arrived,
        )

    def _degree(self, amount: Amount, begins: float, seconds: float) -> int:
        """The allowed degree that is nearest to the place of the amount, with some chance."""
        rng, scale = self._context.rng, self._context.scale
        sounding = {tone for until, tone in self._ringing if until > begins}
        sounding |= self._context.harmony.sounding(begins, begins + seconds + RING)
        allowed = [
            degree
            for degree, pitch in enumerate(self._degrees)
            if degree not in list(self._played)[-1:] and not clash(scale.tone(pitch), sounding)
        ]
        target = self._wander(amount, self._place(amount, begins), allowed)
        up_first = rng.random() < 0.5
        degree = min(allowed, key=lambda degree: (abs(degree - target), (degree < target) == up_first))
        self._played.append(degree)
        self._ringing.append((begins + seconds + RING, scale.tone(self._degrees[degree])))
        return degree

    def _rank(self, amount: Amount) -> float:
        low, high = self._context.ranking.place(amount)
        return (low + high) / 2  # equal amounts share a span, and get the middle of it

    def _place(self, amount: Amount, seconds: float) -> int:
        rank = self._rank(amount)
        last = len(self._degrees) - 1
        lowest = REACH * (1.0 + self._context.movements.lfo("register", seconds))
        span = last + 1 - 2 * REACH
        return min(last, int(lowest + (1.0 - rank if self._context.invert else rank) * span))

    def _wander(self, amount: Amount, place: int, allowed: Iterable[int]) -> int:
        """A degree near `place`: any within a range for an amount that repeats, else sometimes one above or below."""
        rng, last = self._context.rng, len(self._degrees) - 1
        # The range grows with the share of the amount among the last notes.
        reach = math.ceil(HABIT * self._amounts.count(amount.stroops) / REMEMBERED)
        self._amounts.append(amount.stroops)
        if reach:
            # The whole range lies within the degrees of the scene, so that the ends are not hit more often.
            middle = min(max(place, reach), last - reach)
            near = [degree for degree in allowed if abs(degree - middle) <= reach]
            fresh = [degree for degree in near if degree not in list(self._played)[-3 * reach // 2 :]]
            return rng.choice(fresh or near or [middle])
        slip = rng.random()
        return place if slip >= FUZZ else max(0, min(last, place + (1 if slip < FUZZ / 2 else -1)))


def _clip(value: float) -> float:
    return min(1.0, max(0.0, value))
