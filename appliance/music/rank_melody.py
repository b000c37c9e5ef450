# SPDX-License-Identifier: Apache-2.0
"""The melody of `wind` and its kin: an amount's height is where it stands among the amounts around it.

The one rule: rank decides the degree, absolute size the loudness and length, what happened the voice; chance only
keeps a tone from repeating and an amount that keeps coming from ringing one bell. Pure; the performer's thread.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

from appliance.music.queue import AmountQueue, Waiting
from appliance.music.scales import clash
from appliance.music.scene import MelodyContext
from appliance.music.transport import Moment
from appliance.values import Amount, Ledger, Note

# log10 of whole units (lumens or an asset's own) between which size is heard: a cent to ten million.
SMALL, LARGE = -2.0, 7.0
FUZZ = 0.12  # probability that a note slips by a degree, either way
REACH = 1.5  # degrees by which the whole melody rises and sinks with the long form
SWELL = 0.45  # share by which the density does
HABIT = 5  # degrees that an amount may wander that alone is heard; the ear would tire of a bell that rings one tone
REMEMBERED = 15  # notes back to which one looks for what keeps coming
FLOOD = 0.22  # share by which the long form lifts and sinks how hard notes are struck
LUMENS = 0.2  # by which the network's own unit is brighter than what others issue
RING = 3.0  # s that a note goes on sounding after its release began; for the clash rule only


class RankMelody:
    """Plays the amounts that its queue chooses."""

    def __init__(self, stage: MelodyContext) -> None:
        self._stage = stage
        self._queue = AmountQueue(stage.rng, stage.scene.density, stage.pace, stage.waiting)
        self._degrees = stage.scale.degrees(stage.scene.low, stage.scene.octaves)
        self._heard: deque[int] = deque(maxlen=REMEMBERED)  # stroops
        self._played: deque[int] = deque(maxlen=2 * HABIT)  # degrees
        self._ringing: deque[tuple[float, int]] = deque(maxlen=2 * HABIT)  # until when (s), which tone

    def hear(self, ledger: Ledger, now: Moment) -> None:
        """Let the queue choose from a ledger."""
        density = 1.0 + SWELL * self._stage.movements.lfo("density", now.seconds)
        self._queue.admit(ledger, now, self._rank, density)

    def beat(self, now: Moment) -> list[Note]:
        """The notes of the amounts that are due."""
        return [self._note(waiting, now, delay) for waiting, delay in self._queue.drain(now)]

    def rest(self) -> Iterable[Waiting]:
        """What is chosen and not yet due."""
        return self._queue.waiting

    def _note(self, waiting: Waiting, now: Moment, delay: float) -> Note:
        amount, scene = waiting.amount, self._stage.scene
        size = _clip((math.log10(amount.stroops) - 7 - SMALL) / (LARGE - SMALL))
        seconds = 0.5 + 2.5 * size
        begins = now.seconds + delay * now.beat_seconds
        lfo = self._stage.movements.lfo("brightness", begins)
        pitch = self._degrees[self._degree(amount, begins, seconds)]
        return Note(
            pitch=pitch,
            velocity=_clip((0.3 + 0.6 * size) * (1.0 + FLOOD * lfo)),
            duration=seconds / now.beat_seconds,
            voice=scene.voices[amount.kind],
            # Low notes stay near the middle, high ones find room at the sides.
            pan=self._stage.rng.uniform(-0.8, 0.8)
            * (0.4 + 0.6 * (pitch - self._degrees[0]) / (12 * scene.octaves)),
            delay=delay,
            bright=_clip(
                scene.brightness + (LUMENS if amount.native else 0.0) + 0.2 * (size - 0.5) + 0.2 * lfo
            ),
            amount=amount,
            waited=now.seconds - waiting.arrived,
        )

    def _degree(self, amount: Amount, begins: float, seconds: float) -> int:
        """The allowed degree that is nearest to where the amount belongs, give or take what chance adds."""
        rng, scale = self._stage.rng, self._stage.scale
        sounding = {tone for until, tone in self._ringing if until > begins}
        sounding |= self._stage.harmony.sounding(begins, begins + seconds + RING)
        allowed = [
            degree
            for degree, pitch in enumerate(self._degrees)
            if degree not in list(self._played)[-1:] and not clash(scale.tone(pitch), sounding)
        ]
        wish = self._wander(amount, self._place(amount, begins), allowed)
        up_first = rng.random() < 0.5
        degree = min(allowed, key=lambda degree: (abs(degree - wish), (degree < wish) == up_first))
        self._played.append(degree)
        self._ringing.append((begins + seconds + RING, scale.tone(self._degrees[degree])))
        return degree

    def _rank(self, amount: Amount) -> float:
        low, high = self._stage.ranking.place(amount)
        return (low + high) / 2  # mid-rank: a spammed amount stands in the middle of the span it owns

    def _place(self, amount: Amount, seconds: float) -> int:
        rank = self._rank(amount)
        last = len(self._degrees) - 1
        lowest = REACH * (1.0 + self._stage.movements.lfo("register", seconds))
        span = last + 1 - 2 * REACH
        return min(last, int(lowest + (1.0 - rank if self._stage.invert else rank) * span))

    def _wander(self, amount: Amount, place: int, allowed: Iterable[int]) -> int:
        """Chance: a slip now and then, and a walk about its place for an amount that keeps coming."""
        rng, last = self._stage.rng, len(self._degrees) - 1
        # As far as its share of what is heard: one that is a third of all needs a third of the room.
        reach = math.ceil(HABIT * self._heard.count(amount.stroops) / REMEMBERED)
        self._heard.append(amount.stroops)
        if reach:
            # The whole band lies inside the compass, so that its ends are no attractors.
            middle = min(max(place, reach), last - reach)
            near = [degree for degree in allowed if abs(degree - middle) <= reach]
            fresh = [degree for degree in near if degree not in list(self._played)[-3 * reach // 2 :]]
            return rng.choice(fresh or near or [middle])
        slip = rng.random()
        return place if slip >= FUZZ else max(0, min(last, place + (1 if slip < FUZZ / 2 else -1)))


def _clip(value: float) -> float:
    return min(1.0, max(0.0, value))
