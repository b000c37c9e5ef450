# SPDX-License-Identifier: Apache-2.0
"""The composer: ledgers in, notes out, one beat at a time.

Its only inputs are ledgers, moments and a seed, so the same tape, settings and seed give the same score on every
machine. It reads no clock and never waits. Pure; the performer's thread.

    every ledger  add(ledger, now)   updates the activity; the amounts wait
    every block   take_in()          a batch of them: into ranking and pace, and at the end of a ledger to the melody
    every beat    beat(now)          a new chord? + the notes of the melody + the murmur of an idle network ─▶ notes
                  bed(now)           brightness, wind and space of the bed
    on demand     answer(phrase)     a few chimes that confirm a press
                  enter(scene)       changes melody and bed; the chord and the waiting amounts carry over
                  forget()           drops what was learned about a network, because another one is chosen
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from random import Random

from appliance.music.activity import Activity
from appliance.music.harmony import Harmony, Tone
from appliance.music.movements import MelodyLoad, Movements, Murmur
from appliance.music.phrase import Candidates
from appliance.music.queue import Pace, Waiting
from appliance.music.ranking import Ranking
from appliance.music.scales import Scale, clash
from appliance.music.scene import BATCH, LOUDEST, Melody, MelodyContext, Scene
from appliance.music.transport import Moment
from appliance.values import Amount, Bed, Ledger, Note, Voice

USUAL = 0.47  # activity of a ledger like the others, approximately
DARKER, BRIGHTER = 1.6, 0.4  # by how much the brightness follows the activity below and above it
WIND = 2.3  # exponent: how steeply the wind follows the activity
AIRLESS = 1.5  # how soon the air gives way to the wind
FILL = 0.42  # share by which chord and drone are louder where there is no melody
BACKLOG = 8  # ledgers; ten thousand amounts a second cannot be taken in, and the oldest ledger is dropped
LEVEL = 0.03  # share by which the tides change chord and drone
DEEPEST = 32  # MIDI pitch of the lowest drone, Ab1 = 52 Hz; below, small speakers only rattle


class Composer:
    """Composes a scene in one scale. `warm` are amounts that fill the ranking before the first note."""

    def __init__(
        self,
        scene: Scene,
        scale: Scale,
        rng: Random,
        warm: Iterable[Amount] = (),
        *,
        invert: bool = False,
    ) -> None:
        self._scene, self._default_scale, self._rng = scene, scale, rng
        self._invert = invert
        self._ranking, self._pace, self._activity = Ranking(warm), Pace(), Activity()
        self._movements, self._murmur, self._load = Movements(rng), Murmur(rng), MelodyLoad()
        self.scale = self._scale_of(scene)
        self._harmony = Harmony(self.scale, scene.hold, rng, self._pad_low)
        self._entering: list[Tone] = []  # of the chord
        self._melody = self._melody_of(())
        self._intake: deque[Iterator[None]] = deque(maxlen=BACKLOG)
        self._last_played = 0.0  # s; when an amount was last played
        self._opening = deque(self._chime())

    def enter(self, scene: Scene, now: Moment) -> None:
        """Change to another scene: its bed begins with the next beat, and it plays the amounts that are waiting."""
        while self.take_in():
            pass  # what the melody before has begun to take in, it hands over
        self._scene = scene
        self.scale = self._scale_of(scene)
        self._harmony = Harmony(
            self.scale, scene.hold, self._rng, self._pad_low, now.seconds, before=self._harmony
        )
        self._entering.clear()
        self._melody = self._melody_of(self._melody.waiting())

    def _scale_of(self, scene: Scene) -> Scale:
        return Scale(scene.scale or self._default_scale.name, self._default_scale.root)

    def _melody_of(self, waiting: Iterable[Waiting]) -> Melody:
        return self._scene.melody(
            MelodyContext(
                scene=self._scene,
                scale=self.scale,
                rng=self._rng,
                ranking=self._ranking,
                activity=self._activity,
                pace=self._pace,
                movements=self._movements,
                harmony=self._harmony,
                invert=self._invert,
                waiting=tuple(waiting),
            )
        )

    def add(self, ledger: Ledger, now: Moment) -> None:
        """Add a ledger. `take_in` then takes its amounts."""
        self._activity.add(ledger, now.seconds)
        self._intake.append(self._steps(ledger, now))

    def take_in(self) -> bool:
        """Take in the next batch of amounts. Call it once a block, before its beats. Returns whether more are left.

        A ledger of a thousand amounts, taken in at once, costs ten times what its block of sound costs.
        """
        if self._intake:
            try:
                next(self._intake[0])
            except StopIteration:
                self._intake.popleft()
        return bool(self._intake)

    def _steps(self, ledger: Ledger, now: Moment) -> Iterator[None]:
        """Take in a ledger; yields after each batch. One of less than BATCH amounts needs a single step."""
        candidates = Candidates()
        for start in range(0, len(ledger.amounts), BATCH):
            batch = ledger.amounts[start : start + BATCH]
            self._ranking.add(candidates.add(batch))
            if len(batch) == BATCH:
                yield
        self._pace.add(ledger, len(candidates), now.seconds)
        yield from self._melody.add(ledger, candidates, now)
        if len(candidates) > BATCH:
            yield  # to free ten thousand candidates takes a block of its own

    def beat(self, now: Moment) -> list[Note]:
        """The notes of the beat that begins at `now`."""
        notes = list(self._bed_notes(now))
        if self._opening:
            notes.extend(self._opening.popleft())
        if melody := self._melody.beat(now):
            self._last_played = now.seconds
        self._load.add(sum(note.velocity for note in melody), now.beat_seconds)
        gain = self._load.gain(self._scene.density)
        softened = (
            replace(note, velocity=gain * note.velocity) if note.velocity <= LOUDEST else note
            for note in melody
        )
        return [*notes, *softened, *self._murmurs(now)]

    def bed(self, now: Moment) -> Bed:
        """The targets of the bed's continuous voices at `now`."""
        lfo, tide, scene = self._movements.lfo, self._movements.tide, self._scene
        activity, breath = self._activity.level(now.seconds), self._activity.breath(now.seconds)
        # A usual ledger has an activity of 0.5; four times as busy is three times the wind, a tenth as busy hardly any.
        wind = 0.005 + 1.46 * activity**WIND + 0.14 * breath
        wind = scene.wind * _clip(wind * (1.0 + 0.07 * lfo("wind", now.seconds)))
        return Bed(
            brightness=_clip(
                scene.brightness
                + (DARKER if activity < USUAL else BRIGHTER) * (activity - USUAL)
                + 0.2 * lfo("brightness", now.seconds)
                + 0.1 * tide("brightness", now.seconds)
                + 0.05 * self._load.left(scene.density)
            ),
            wind=wind,
            space=_clip(scene.space + 0.2 * lfo("space", now.seconds)),
            air=scene.air * math.exp(-AIRLESS * wind),  # the wind has air of its own
        )

    def hour(self, hour: float | None) -> None:
        """Set the hour of the day, 0 to 24, or None where it is not known."""
        self._movements.hour = hour

    def answer(self, phrase: Iterable[int], now: Moment) -> Iterator[Note]:
        """The notes of a phrase, in steps above the root in the middle; each is the nearest that does not clash."""
        degrees = self.scale.degrees(self._scene.low, self._scene.octaves)
        root = len(self.scale.steps) * (self._scene.octaves // 2)
        sounding = self._harmony.sounding(now.seconds, now.seconds)
        allowed = [pitch for pitch in degrees if not clash(self.scale.tone(pitch), sounding)]
        for step in phrase:
            target = degrees[min(root + step, len(degrees) - 1)]
            pitch = min(allowed, key=lambda pitch: abs(pitch - target))
            yield Note(pitch, 0.5, 0.6 / now.beat_seconds, Voice.CHIME)

    def forget(self) -> None:
        """Drop what was learned about a network, because another one is chosen."""
        self._ranking, self._pace, self._activity = Ranking(), Pace(), Activity()
        self._melody = self._melody_of(())
        self._intake.clear()

    def _bed_notes(self, now: Moment) -> Iterator[Note]:
        fill = 1.0 + FILL * self._load.left(self._scene.density)
        level = 1.0 + LEVEL * self._movements.tide("level", now.seconds)
        velocity = _clip(self._scene.bed * fill * level)
        if (tones := self._harmony.move(now.seconds)) is not None:
            self._entering = tones
            # The root of this chord, not of the scale: one pedal tone for all would cancel itself where two overlap.
            root = DEEPEST + (self.scale.root + self._harmony.chord[0] - DEEPEST) % 12
            held = (self._harmony.ends - now.seconds) / now.beat_seconds
            yield Note(root, velocity, held, Voice.DRONE)
        for tone in self._entering:
            if tone.begins <= now.seconds:
                yield Note(tone.pitch, velocity, (tone.ends - now.seconds) / now.beat_seconds, Voice.PAD)
        self._entering = [tone for tone in self._entering if tone.begins > now.seconds]

    def _pad_low(self, seconds: float) -> int:
        """MIDI pitch from which chords are spread. The long form moves it, so that the register keeps changing."""
        movements = self._movements
        return self._scene.pad_low + round(
            2.0 * movements.lfo("register", seconds) + 2.0 * movements.tide("register", seconds)
        )

    def _chime(self) -> Iterator[list[Note]]:
        """The opening chime: the degrees of the middle octave, rising, two a beat."""
        steps = len(self.scale.steps)
        degrees = self.scale.degrees(self._scene.low, self._scene.octaves)
        first = steps * (len(degrees) // steps // 2)
        rising = degrees[first : first + steps]
        sounding = self._harmony.sounding(0.0, 0.0)
        for index in range(0, steps, 2):
            yield [
                Note(pitch, 0.35 + 0.04 * index, 2.0, Voice.CHIME, pan=0.3 * (-1) ** half, delay=half / 2)
                for half, pitch in enumerate(rising[index : index + 2])
                if not clash(self.scale.tone(pitch), sounding)
            ]

    def _murmurs(self, now: Moment) -> Iterator[Note]:
        if not self._scene.murmur:
            return
        chord = self._harmony.chord
        for loop, loudness in self._murmur.due(now.seconds, now.seconds - self._last_played):
            # A tone of this chord clashes with no neighbouring chord either, by the rule of harmony.py.
            tone = chord[loop % len(chord)]
            pitch = self._scene.low + 12 + (self.scale.root + tone - self._scene.low) % 12 + 12 * (loop % 2)
            yield Note(
                pitch=pitch,
                velocity=0.45 * loudness,
                duration=4.0 / now.beat_seconds,
                voice=Voice.MURMUR,
                pan=0.7 * math.sin(2.4 * loop + 0.01 * now.seconds),
                delay=self._rng.random(),
                bright=0.3,
            )


def _clip(value: float) -> float:
    return min(1.0, max(0.0, value))
