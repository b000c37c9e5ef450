# SPDX-License-Identifier: Apache-2.0
"""The composer: ledgers in, notes out, one beat at a time.

The one rule: it knows only what it was told (ledgers, moments, a seed), so the same tape, settings and seed give the
same score on every machine. It never looks at a clock and never waits. Pure but for the queue's inbox; the
performer's thread.

    every block   hear(now)   ledgers put since then ─▶ ranking, activity, queue
    every beat    beat(now)   a new chord? + the amounts due + the murmur of an idle network ─▶ notes
                  bed(now)    brightness, wind and space of the bed
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from random import Random

from appliance.music.activity import Activity
from appliance.music.harmony import Harmony, voicing
from appliance.music.movements import Movements, Murmur
from appliance.music.queue import AmountQueue, Waiting
from appliance.music.ranking import Ranking
from appliance.music.scales import Scale, clash
from appliance.music.scenes import Scene
from appliance.music.transport import Moment
from appliance.values import Amount, Bed, Ledger, Note, Voice

# log10 of whole units (lumens or an asset's own) between which size is heard: a cent to ten million.
SMALL, LARGE = -2.0, 7.0
FUZZ = 0.12  # probability that a note slips by a degree, either way
HABIT = 4  # degrees that an amount may wander which keeps coming; the ear would tire of a bell that rings one tone
REMEMBERED = 12  # notes back to which "keeps coming" looks
DEEPEST = 32  # MIDI pitch of the lowest drone, Ab1 = 52 Hz; below, small speakers only rattle
RING = 3.0  # s that a note goes on sounding after its release began; for the clash rule only


class Composer:
    """Plays one scene in one scale. `warm` are amounts that fill the ranking before the first note."""

    def __init__(
        self, scene: Scene, scale: Scale, rng: Random, warm: Iterable[Amount] = (), *, invert: bool = False
    ) -> None:
        self._scene, self.scale, self._rng, self._invert = scene, scale, rng, invert
        self._degrees = scale.degrees(scene.low, scene.octaves)
        self._ranking = Ranking(warm)
        self._activity = Activity()
        self._movements = Movements(rng)
        self._harmony = Harmony(scale, scene.hold, rng)
        self._murmur = Murmur(rng)
        self.queue = AmountQueue(rng, scene.density)
        self._last_degree = -1
        self._recent: deque[tuple[bool, int]] = deque(maxlen=REMEMBERED)
        self._last_played = 0.0  # s; when an amount was last heard
        self._opening = self._chime()

    def hear(self, now: Moment) -> None:
        """Take in the ledgers that have been put into the queue. Once a block."""
        for ledger in self.queue.admit(
            now, density=1.0 + 0.25 * self._movements.tide("density", now.seconds)
        ):
            self._learn(ledger, now)

    def beat(self, now: Moment) -> list[Note]:
        """The notes of the beat that begins at `now`."""
        notes = list(self._bed_notes(now))
        notes.extend(next(self._opening, ()))
        waiting = self.queue.drain(now)
        # Two amounts of one beat share it: the second comes on the half.
        notes.extend(
            self._note(item, now, index / max(2, len(waiting))) for index, item in enumerate(waiting)
        )
        if waiting:
            self._last_played = now.seconds
        notes.extend(self._murmurs(now))
        return notes

    def bed(self, now: Moment) -> Bed:
        """Where the bed's continuous voices should be heading at `now`."""
        tide, scene = self._movements.tide, self._scene
        activity, breath = self._activity.level(now.seconds), self._activity.breath(now.seconds)
        return Bed(
            brightness=_clip(
                scene.brightness
                + 0.5 * (activity - 0.4)
                + 0.2 * tide("brightness", now.seconds)
                + 0.1 * breath
            ),
            wind=scene.wind * _clip(0.15 + 0.8 * activity + 0.2 * tide("wind", now.seconds) + 0.25 * breath),
            space=_clip(scene.space + 0.2 * tide("space", now.seconds)),
        )

    def forget(self) -> None:
        """Another network is coming: what was heard of the last one says nothing about it."""
        self.queue.clear()
        self._ranking = Ranking()
        self._activity = Activity()

    def _learn(self, ledger: Ledger, now: Moment) -> None:
        self._activity.hear(ledger, now.seconds)
        # One amount that comes a hundred times in a ledger is one fact, not a hundred.
        for amount in dict.fromkeys(ledger.amounts):
            self._ranking.add(amount)

    def _bed_notes(self, now: Moment) -> Iterator[Note]:
        held = self._harmony.move(now.seconds)
        if held is None:
            return
        beats = held / now.beat_seconds
        # The chord wanders with the long form, by up to a fourth, so that the register is never quite the same.
        low = self._scene.pad_low + round(2.5 * self._movements.tide("register", now.seconds))
        pitches = voicing(self._harmony.chord, self.scale, low)
        for index, pitch in enumerate(pitches):
            spread = (2 * index / (len(pitches) - 1) - 1) * 0.6
            yield Note(pitch, 0.6, beats, Voice.PAD, pan=spread if index % 2 else -spread, bright=0.5)
        # The chord's own root, far below. (One pedal tone for all would cancel itself where two drones cross.)
        root = DEEPEST + (self.scale.root + self._harmony.chord.tones[0] - DEEPEST) % 12
        yield Note(root, 0.6, beats, Voice.DRONE)

    def _chime(self) -> Iterator[list[Note]]:
        """The box says hello: the six degrees of the middle octave, rising, two a beat."""
        steps = len(self.scale.steps)
        first = steps * (len(self._degrees) // steps // 2)
        rising = self._degrees[first : first + steps]
        sounding = self._harmony.sounding(0.0, 0.0)
        for index in range(0, steps, 2):
            yield [
                Note(pitch, 0.35 + 0.04 * index, 2.0, Voice.CHIME, pan=0.3 * (-1) ** half, delay=half / 2)
                for half, pitch in enumerate(rising[index : index + 2])
                if not clash(self.scale.tone(pitch), sounding)
            ]

    def _note(self, waiting: Waiting, now: Moment, delay: float) -> Note:
        amount = waiting.amount
        size = _clip((math.log10(amount.stroops) - 7 - SMALL) / (LARGE - SMALL))
        seconds = 0.5 + 2.5 * size
        pitch = self._degrees[self._degree(amount, now, seconds)]
        return Note(
            pitch=pitch,
            velocity=0.3 + 0.6 * size,
            duration=seconds / now.beat_seconds,
            voice=self._scene.voices[amount.kind],
            # Low notes stay near the middle, high ones find room at the sides.
            pan=self._rng.uniform(-0.8, 0.8)
            * (0.4 + 0.6 * (pitch - self._degrees[0]) / (12 * self._scene.octaves)),
            delay=delay,
            bright=_clip(self._scene.brightness + (0.2 if amount.native else 0.0) + 0.2 * (size - 0.5)),
            amount=amount,
            waited=now.seconds - waiting.arrived,
        )

    def _degree(self, amount: Amount, now: Moment, seconds: float) -> int:
        low, high = self._ranking.place(amount)
        rank = (low + high) / 2  # mid-rank: a spammed amount stands in the middle of the span it owns
        last = len(self._degrees) - 1
        wish = min(last, int((1.0 - rank if self._invert else rank) * (last + 1)))
        heard = (amount.native, amount.stroops)
        wander = min(HABIT, self._recent.count(heard))
        self._recent.append(heard)
        slip = self._rng.random()
        if wander:
            # Mirrored at the ends, so that they are no attractors.
            wish = last - abs(last - abs(wish + self._rng.randint(-wander, wander)))
        elif slip < FUZZ:
            wish = max(0, min(last, wish + (1 if slip < FUZZ / 2 else -1)))
        sounding = self._harmony.sounding(now.seconds, now.seconds + seconds + RING)
        allowed = (
            degree
            for degree in range(last + 1)
            if degree != self._last_degree and not clash(self.scale.tone(self._degrees[degree]), sounding)
        )
        up_first = self._rng.random() < 0.5
        self._last_degree = min(allowed, key=lambda degree: (abs(degree - wish), (degree < wish) == up_first))
        return self._last_degree

    def _murmurs(self, now: Moment) -> Iterator[Note]:
        chord = self._harmony.chord
        for loop, loudness in self._murmur.due(now.seconds, now.seconds - self._last_played):
            # A tone of this chord clashes with no neighbouring chord either: that is how the walk goes.
            tone = chord.tones[loop % len(chord.tones)]
            pitch = self._scene.low + 12 + (self.scale.root + tone - self._scene.low) % 12 + 12 * (loop % 2)
            yield Note(
                pitch=pitch,
                velocity=0.28 * loudness,
                duration=4.0 / now.beat_seconds,
                voice=Voice.MURMUR,
                pan=0.7 * math.sin(2.4 * loop + 0.01 * now.seconds),
                delay=self._rng.random(),
                bright=0.3,
            )


def _clip(value: float) -> float:
    return min(1.0, max(0.0, value))
