# SPDX-License-Identifier: Apache-2.0
"""The melody of `wind` and `night`: the pitch of an amount is its rank among the amounts around it.

Rank decides the degree, absolute size the loudness, size and register the length, kind and unit the voice. The queue is
drained on every beat; each note begins at a random moment after it. No tone is repeated at once, and chance keeps an
amount that occurs again and again from always getting the same tone.

An event, which is an exceptional amount, is loud and long, an octave below its place, with its lower octave under it
and a faint higher one after it. Pure; the performer's thread.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace

from appliance.music.exceptions import Exceptions
from appliance.music.phrase import Candidates
from appliance.music.queue import AmountQueue, Waiting
from appliance.music.scales import clash
from appliance.music.scene import MelodyContext
from appliance.music.transport import Moment
from appliance.values import Amount, Ledger, Note, Voice

# log10 of whole units (lumens or an asset's own) between which size changes the note: a cent to ten million.
SMALL, LARGE = -2.0, 7.0
SOFT, LOUD = 0.28, 0.46  # velocities of the smallest and the largest amount; an event has more
EXCEPTIONAL = 0.57  # velocity of an event
HARDEST = 0.37  # velocity of any note but an event
DEEP = 0.22  # share by which the lowest notes are louder, because the bed is loud there too
JITTER = 0.125  # s, standard deviation of the moment of a note; a trained player has 0.02 to 0.05, a dreamy one more
BEHIND = 0.12  # s by which notes are late on average, so that few would have to begin before their beat
STRUM = (0.015, 0.06)  # s between two notes that begin together
EVENT = 6.0  # s, the length of an event
ECHO = 0.35  # s from an event to its higher octave
FUZZ = 0.16  # probability that a note moves by a degree, up or down
REACH = 2.5  # degrees by which the long form moves the whole melody
SWELL = 0.15  # share by which it changes the density
PHRASE = 0.2  # and the phrases, of three minutes
# Exponents: a tenth as busy is a fifth of the notes, four times is 1.3 times the notes.
FEWER, MORE = 0.75, 0.24
MANY = 0.4  # exponent: the many notes of a busy network are softer
TIDE = 0.2  # share by which the tides change the density
FLOOD = 0.16  # share by which the movement of the brightness changes the velocity
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
        self._exceptions = Exceptions()
        self._ringing: deque[tuple[float, int]] = deque(maxlen=2 * HABIT)  # until when (s), which tone

    def add(self, ledger: Ledger, candidates: Candidates, now: Moment) -> Iterator[None]:
        """Have the queue choose from a ledger, in one step."""
        context, largest = self._context, candidates.largest
        notable = event = False
        if largest:
            notable, event = self._exceptions.judge(largest.stroops, now.seconds)
        movements, busy = context.movements, context.activity.relative(now.seconds)
        density = (
            (1.0 + SWELL * movements.lfo("density", now.seconds))
            * (1.0 + PHRASE * movements.lfo("phrase", now.seconds))
            * (1.0 + TIDE * movements.tide("density", now.seconds))
            * busy ** (FEWER if busy < 1.0 else MORE)
        )
        self._queue.add(
            ledger, candidates, now, self._rank, density, notable=largest if notable else None, event=event
        )
        return iter(())

    def beat(self, now: Moment) -> list[Note]:
        """The notes of the amounts that are due."""
        rng, notes = self._context.rng, list[Note]()
        step, late = -1.0, 0.0
        for waiting, delay in self._queue.drain(now):
            late = late + rng.uniform(*STRUM) if delay == step else max(0.0, rng.gauss(BEHIND, JITTER))
            step = delay
            at = min(delay + late / now.beat_seconds, 1.0)
            notes += self._event(waiting, now, at) if waiting.event else [self._note(waiting, now, at)]
        return notes

    def waiting(self) -> Iterable[Waiting]:
        """The amounts that are chosen and not yet due."""
        return self._queue.waiting

    def _note(self, waiting: Waiting, now: Moment, delay: float) -> Note:
        amount, scene = waiting.amount, self._context.scene
        size = size_of(amount)
        begins = now.seconds + delay * now.beat_seconds
        movements, rng = self._context.movements, self._context.rng
        lfo = movements.lfo("brightness", begins)
        if waiting.event:
            seconds, velocity = EVENT, EXCEPTIONAL
        else:
            # A low string rings longer than a high one, whatever the amount.
            place = self._place(amount, begins) / (len(self._degrees) - 1)
            seconds = 0.5 + 0.8 * size + 0.9 * (1.0 - place) + rng.uniform(0.0, 1.0)
            velocity = (SOFT + (LOUD - SOFT) * size) * (1.0 + FLOOD * lfo)
            velocity *= max(1.0, self._context.activity.relative(now.seconds)) ** -MANY
        pitch = self._degrees[self._degree(waiting, begins, seconds)]
        deep = _clip((scene.low + 12 - pitch) / 12)
        if not waiting.event:
            velocity = min(HARDEST, velocity * (1.0 + DEEP * deep))
        return Note(
            pitch=pitch,
            velocity=_clip(velocity),
            duration=seconds / now.beat_seconds,
            voice=scene.voice(amount),
            # Low notes are near the middle, high ones further to the sides.
            pan=rng.uniform(-0.8, 0.8) * (0.4 + 0.6 * (pitch - self._degrees[0]) / (12 * scene.octaves)),
            delay=delay,
            bright=_clip(
                scene.brightness
                + (LUMENS if amount.native else 0.0)
                + 0.2 * (size - 0.5)
                + 0.3 * deep
                + 0.1 * lfo
                + 0.3 * movements.lfo("phrase", begins)
                + 0.1 * movements.tide("brightness", begins)
            ),
            amount=amount,
            waited=now.seconds - waiting.arrived,
        )

    def _event(self, waiting: Waiting, now: Moment, delay: float) -> list[Note]:
        """The notes of an exceptional amount."""
        note = self._note(waiting, now, delay)
        alone = replace(note, amount=None, waited=0.0)
        return [
            note,
            replace(alone, pitch=note.pitch - 12, voice=Voice.SWELL, velocity=0.21, pan=-note.pan),
            replace(
                alone,
                pitch=note.pitch + 12,
                voice=Voice.CHIME,
                velocity=0.26,
                delay=delay + ECHO / now.beat_seconds,
            ),
        ]

    def _degree(self, waiting: Waiting, begins: float, seconds: float) -> int:
        """The allowed degree that is nearest to the place of the amount, with some chance."""
        rng, scale = self._context.rng, self._context.scale
        sounding = {tone for until, tone in self._ringing if until > begins}
        sounding |= self._context.harmony.sounding(begins, begins + seconds + RING)
        allowed = [
            degree
            for degree, pitch in enumerate(self._degrees)
            if degree not in list(self._played)[-1:] and not clash(scale.tone(pitch), sounding)
        ]
        place = self._place(waiting.amount, begins)
        octave = len(scale.steps)
        target = max(0, place - octave) if waiting.event else self._wander(waiting.amount, place, allowed)
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
        movements = self._context.movements
        drift = (
            0.2 * movements.lfo("register", seconds)
            + 0.35 * movements.tide("register", seconds)
            + 0.45 * movements.lfo("phrase", seconds)
        )
        lowest = REACH * (1.0 + drift)
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


def size_of(amount: Amount) -> float:
    """The absolute size of an amount, 0 small to 1 large."""
    return _clip((math.log10(amount.stroops) - 7 - SMALL) / (LARGE - SMALL))


def _clip(value: float) -> float:
    return min(1.0, max(0.0, value))
