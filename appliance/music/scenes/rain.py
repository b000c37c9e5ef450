# SPDX-License-Identifier: Apache-2.0
"""`rain`: short high drops in a major scale, dense after each close of a ledger and thinning out until the next one.

The larger an amount, the lower, longer and darker its drop. An event is a drop into a puddle: an octave lower, with a
splash. Showers come and go within minutes. Pure; the performer's thread.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator

from appliance.music.exceptions import Exceptions
from appliance.music.phrase import Candidates
from appliance.music.queue import EXPIRY, LATEST, ROOM, Waiting
from appliance.music.rank_melody import size_of
from appliance.music.scales import clash
from appliance.music.scene import MelodyContext, Scene
from appliance.music.transport import Moment
from appliance.values import Kind, Ledger, Note, Voice

THINNING = 2.5  # e-folds by which the density falls from one ledger to the next: to a twelfth
SHOWER = 0.5  # share by which the density changes within minutes
BUSIER = 0.5  # exponent: four times as busy is twice the drops
STEADY, HEAVIEST = 4.0, 8.0  # drops a second, of a ledger on average and of any beat: few find no free voice
HIGHEST = 95  # MIDI pitch, B6; higher notes have no harmonics below half of the sample rate
SPLASH = (0.09, 0.17)  # s from a drop into a puddle to its splashes
RING = 2.0  # s that a drop still sounds after the start of its release; for the clash rule only


class Rain:
    """Plays a sample of each ledger as drops."""

    def __init__(self, context: MelodyContext) -> None:
        self._context = context
        pitches = context.scale.degrees(context.scene.low, context.scene.octaves)
        self._pitches = tuple(pitch for pitch in pitches if pitch <= HIGHEST)
        self._waiting = sorted(context.waiting, key=_due)[-ROOM:]
        self._exceptions = Exceptions()
        self._last = 0  # the pitch of the last drop

    def add(self, ledger: Ledger, candidates: Candidates, now: Moment) -> Iterator[None]:
        """Choose from a ledger, in one step, and let it rain from the next beat on."""
        rng, largest, drops = self._context.rng, candidates.largest, self._drops(now)
        fits = len(ledger.amounts) <= drops
        sample = list(ledger.amounts) if fits else candidates.choose(drops, rng)
        notable = event = False
        if largest:
            notable, event = self._exceptions.judge(largest.stroops, now.seconds)
        if largest and notable and largest not in sample:
            sample[-1:] = [largest]
        rng.shuffle(sample)
        until_beat = -now.beat % 1.0 * now.beat_seconds
        span = min(self._context.pace.interval, LATEST - until_beat)
        for index, amount in enumerate(sample):
            fallen = (index + rng.random()) / len(sample)
            due = now.seconds + until_beat + span * moment(fallen)
            self._waiting.append(Waiting(amount, now.seconds, due, event and amount is largest))
        self._waiting = sorted(self._waiting, key=_due)[:ROOM]
        return iter(())

    def beat(self, now: Moment) -> list[Note]:
        """The drops that fall into the beat that begins at `now`; where they are too many, the rest wait."""
        due = bisect_left(self._waiting, now.seconds + now.beat_seconds, key=_due)
        due = min(due, int(HEAVIEST * now.beat_seconds))
        falling, self._waiting = self._waiting[:due], self._waiting[due:]
        return [
            note
            for waiting in falling
            if now.seconds - waiting.arrived <= EXPIRY
            for note in self._drop(waiting, now)
        ]

    def waiting(self) -> Iterable[Waiting]:
        """The amounts that are chosen and not yet due."""
        return self._waiting

    def _drops(self, now: Moment) -> int:
        """How many drops a ledger gives that arrives now."""
        context = self._context
        usual = context.scene.density * math.sqrt(now.tempo / 60.0)
        if context.pace.quiet(usual):
            return ROOM  # every amount of a quiet network
        shower = 1.0 + SHOWER * context.movements.lfo("phrase", now.seconds)
        rate = min(STEADY, usual * shower * context.activity.relative(now.seconds) ** BUSIER)
        return int(rate * context.pace.interval + context.rng.random())

    def _drop(self, waiting: Waiting, now: Moment) -> Iterator[Note]:
        """The notes of an amount: one, or three of an event."""
        amount, rng, scene = waiting.amount, self._context.rng, self._context.scene
        size = size_of(amount)
        # If it could not fall when it was due, at any moment of this beat.
        early = waiting.due > now.seconds
        delay = (waiting.due - now.seconds) / now.beat_seconds if early else rng.random()
        pitch = self._pitch(waiting, now.seconds + delay * now.beat_seconds)
        depth = 1.0 - (pitch - self._pitches[0]) / (self._pitches[-1] - self._pitches[0])
        pan = rng.uniform(-0.9, 0.9)
        if waiting.event:
            for splash, seconds in enumerate(SPLASH, 1):
                if pitch + 12 * splash > HIGHEST:
                    break
                yield Note(
                    pitch=pitch + 12 * splash,
                    velocity=0.4,
                    duration=0.1 / now.beat_seconds,
                    voice=Voice.PLUCK,
                    pan=pan * (-1) ** splash,
                    delay=delay + seconds / now.beat_seconds,
                )
        yield Note(
            pitch=pitch - 12 if waiting.event else pitch,
            velocity=1.0 if waiting.event else 0.26 + 0.2 * size + rng.uniform(0.0, 0.09),
            duration=(0.08 + 0.3 * depth + 0.3 * size + 1.2 * waiting.event) / now.beat_seconds,
            voice=Voice.MALLET if waiting.event else scene.voice(amount),
            pan=pan,
            delay=delay,
            bright=1.0 - 0.7 * depth,
            amount=amount,
            waited=now.seconds - waiting.arrived,
        )

    def _pitch(self, waiting: Waiting, begins: float) -> int:
        """The allowed pitch that is nearest to the place of the amount; equal amounts share a span of places."""
        context = self._context
        rank = context.rng.uniform(*context.ranking.place(waiting.amount))
        target = int(
            (rank if context.invert else 1.0 - rank) * (len(self._pitches) - 1) + context.rng.random()
        )
        sounding = context.harmony.sounding(begins, begins + RING)
        allowed = (
            (abs(degree - target), pitch)
            for degree, pitch in enumerate(self._pitches)
            if pitch != self._last and not clash(context.scale.tone(pitch), sounding)
        )
        _, self._last = min(allowed)
        return self._last


def moment(fallen: float) -> float:
    """When a share of the drops has fallen, 0 to 1 of the time: they fall ever more rarely."""
    return -math.log(1.0 - fallen * (1.0 - math.exp(-THINNING))) / THINNING


def _due(waiting: Waiting) -> float:
    return waiting.due


RAIN = Scene(
    name="rain",
    melody=Rain,
    voices={
        Kind.PAYMENT: Voice.CHIME,
        Kind.PATH_PAYMENT: Voice.PLUCK,
        Kind.OFFER: Voice.PLUCK,
        Kind.CREATE: Voice.CHIME,
        Kind.POOL: Voice.MALLET,
        Kind.CONTRACT: Voice.MALLET,
        Kind.CLAIMABLE: Voice.CHIME,
        Kind.CLAWBACK: Voice.CHIME,
    },
    issued={Kind.PAYMENT: Voice.MALLET, Kind.OFFER: Voice.MALLET},
    low=57,  # C4 up to A6
    octaves=3,
    pad_low=60,
    density=2.0,
    bed=0.56,
    hold=(30.0, 60.0),
    wind=0.15,
    air=0.55,
    space=0.8,
    brightness=0.55,
    scale="major-pentatonic",
)
