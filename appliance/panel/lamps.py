# SPDX-License-Identifier: Apache-2.0
"""The lamps: six that pulse with the notes, three that say what the box listens to.

The one rule: what nine lamps show is a pure function of what they were told and of the moment. A terminal, a row of
LEDs and a test see the same. Position says which, rhythm says what, colour says nothing; nothing blinks faster than
twice a second, no lamp flashes more than three times a second, and none ever glows so dimly that it flickers.
Hits come from the performer's thread, states from the main thread, and the panel's thread looks; each of them
replaces whole values, so none waits for another.

    hit ─▶ (until it is heard) ─▶ Pulse ─┐
    state ─▶ (until it has lasted) ─▶ Sign ─▶ level to the eye ─▶ mute, night, brightness ─▶ level ** 2.2 ─▶ duty
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from appliance.values import BoxState

NOTE_LAMPS = 6
NETWORK_LAMPS = 3
LAMPS = NOTE_LAMPS + NETWORK_LAMPS

GAMMA = 2.2  # the eye's: half the light looks like three quarters of it
DIMMEST = 0.08  # of the time lit: below, software PWM flickers visibly (the jitter of a pulse is as long as the pulse)

ATTACK = 0.05  # s
DECAY = 0.25  # s, time constant
ATTACKS = 3  # a second and lamp: the limit of WCAG 2.3.1, though nine small lamps are far below its area
SUSTAIN = 1.0 / ATTACKS  # s that a hit beyond these holds the level
SOFTEST = 0.4  # level of the softest note at its peak, 13 % of the light; whatever dims a lamp stops there

LIGHT = {"calm": 0.5, "full": 1.0, "off": 0.0}  # of all the light that there is
MUTED = 0.25  # of the light

CHIME = 0.5  # s between two notes of the opening chime, at 60 beats a minute
OPENING = NOTE_LAMPS * CHIME  # s
LASTS = 10.0  # s before a state is shown: what is over sooner is no news to a room
PRESS = 1.0  # s after a press in which a state is shown at once: it is the answer
WINK = 0.3  # s
FADE = 0.7  # s to darkness, as the sound fades
COUNT = 2.0  # s that a number is shown
HELD = (
    0.2  # of the way of a hold before it is shown: a second of five, up to which it may yet be a short press
)


# --- how each of them looks: one table ----------------------------------------------------------------------


def _dark(lamp: int, chosen: int, seconds: float) -> float:
    return 0.0


def _rising(lamp: int, chosen: int, seconds: float) -> float:
    return min(1.0, max(0.0, seconds / CHIME - lamp))


def _steady(lamp: int, chosen: int, seconds: float) -> float:
    return float(lamp == chosen)


def _breathing(lamp: int, chosen: int, seconds: float) -> float:
    return (lamp == chosen) * (0.5 - 0.5 * math.cos(2 * math.pi * seconds / 4.0))  # 4 s a breath


def _blips(lamp: int, chosen: int, seconds: float) -> float:
    at = seconds % 3.0
    return (lamp == chosen) * max(_blip(at - 0.2), _blip(at - 0.8))


def _in_turn(lamp: int, chosen: int, seconds: float) -> float:
    return float(lamp == (0 if seconds % 2.0 < 1.0 else 2))


def _running(lamp: int, chosen: int, seconds: float) -> float:
    return _blip(seconds % 3.0 - 0.2 - 0.6 * lamp)


def _together(lamp: int, chosen: int, seconds: float) -> float:
    return float(seconds % 1.0 < 0.4)


def _blip(since_peak: float) -> float:
    """A soft blink of 0.4 s around its peak."""
    return max(0.0, 1.0 - abs(since_peak) / 0.2)


# A lamp's level, 0 to 1, by its place, the place of the chosen network's, and the seconds since the state is shown.
Pattern = Callable[[int, int, float], float]


@dataclass(frozen=True, slots=True)
class Sign:
    """How a state looks, and the words for it."""

    state: str
    notes: str
    networks: str
    note: Pattern | None  # None: they pulse
    network: Pattern


LANGUAGE: dict[BoxState, Sign] = {
    BoxState.STARTING: Sign("starting", "rise one by one with the opening chime", "dark", _rising, _dark),
    BoxState.LIVE: Sign("live", "pulse with their tone", "the chosen one steady", None, _steady),
    BoxState.CONNECTING: Sign("connecting", "pulse", "the chosen one breathes slowly", None, _breathing),
    BoxState.OFFLINE: Sign(
        "offline: the recording plays", "pulse", "the chosen one: two soft blips every 3 s", None, _blips
    ),
    BoxState.SETUP: Sign(
        "needs set-up (no known network at all)", "pulse", "first and third in turn, 1 s each", None, _in_turn
    ),
    BoxState.SCORE: Sign("a kept piece plays", "pulse with their tone", "dark", None, _dark),
    BoxState.NO_CARD: Sign(
        "no sound card", "dark", "one after another, left to right, every 3 s", _dark, _running
    ),
    BoxState.TROUBLE: Sign(
        "trouble (safe mode, low voltage)", "dark", "all three together, one blink a second", _dark, _together
    ),
}

# What is laid over the state, in the order in which it wins.
OVER: tuple[tuple[str, str, str], ...] = (
    ("muted", "pulse at a quarter", "unchanged"),
    ("a button is pressed", "unchanged", "the chosen one winks"),
    ("the sleep timer is set", "as many as half hours are left, for 2 s", "unchanged"),
    ("MUTE is held: power-off", "all nine lit, then out one by one", "with them; letting go cancels"),
)


def language() -> Iterator[tuple[str, str, str]]:
    """The table for people: a state, its note lamps, its network lamps."""
    yield from ((sign.state, sign.notes, sign.networks) for sign in LANGUAGE.values())
    yield from OVER


# --- light --------------------------------------------------------------------------------------------------


def duty(level: float) -> float:
    """How much of the time a lamp is lit, 0 to 1, to look as bright as `level`, 0 to 1: none, or DIMMEST and more."""
    light = level**GAMMA
    return light if light >= DIMMEST else 0.0


def seen(light: float) -> float:
    """How bright it looks, 0 to 1: `duty`, the other way round."""
    return float(light ** (1 / GAMMA))


def lead(bright: float) -> float:
    """Seconds from the begin of a rise to a peak of `bright` to the first light."""
    return ATTACK * seen(DIMMEST) / bright


def _shaded(level: float, light: float) -> float:
    """What is left of a level where there is only so much light: its bright part gives way, its dim one stays."""
    if level <= SOFTEST:
        return level
    return SOFTEST + (level - SOFTEST) * max(0.0, seen(light) - SOFTEST) / (1.0 - SOFTEST)


@dataclass(frozen=True, slots=True)
class Pulse:
    """A lamp that was hit: it goes from where it was to its peak, and sinks."""

    at: float = -math.inf  # s
    start: float = 0.0
    peak: float = 0.0
    rise: float = ATTACK  # s

    def level(self, seconds: float) -> float:
        """How bright it looks."""
        age = max(0.0, seconds - self.at)
        if age < self.rise:
            return self.start + (self.peak - self.start) * age / self.rise
        return self.peak * math.exp((self.rise - age) / DECAY)


class NoteLamp:
    """The pulses of one lamp, and how many more it may begin."""

    def __init__(self) -> None:
        self._pulse = Pulse()
        self._attacks: deque[float] = deque(maxlen=ATTACKS)  # when

    def hit(self, bright: float, at: float) -> None:
        """Begin a pulse of `bright`, 0 to 1, or hold the level where another flash would be one too many."""
        here = self._pulse.level(at)
        if self._attacks and 0.0 <= at - self._attacks[-1] < ATTACK:  # of the chord that it still rises with
            self._pulse = Pulse(at, here, max(bright, self._pulse.peak))
        elif here >= bright or (len(self._attacks) == ATTACKS and at - self._attacks[0] < 1.0):
            self._pulse = Pulse(at, here, here, SUSTAIN)
        else:
            self._pulse = Pulse(at, here, bright)
            self._attacks.append(at)

    def level(self, seconds: float) -> float:
        """How bright it looks now."""
        return self._pulse.level(seconds)


class Lamps:
    """Nine levels for this moment. Moments are seconds of any clock that never jumps; whoever looks, looks forward."""

    def __init__(self, light: float = 1.0) -> None:
        """`light` is how much of it there may be, 0 (off) to 1. All are dark until `begin`."""
        self._light = light
        self._looking = threading.Lock()
        self._notes = [NoteLamp() for _ in range(NOTE_LAMPS)]
        self._coming: deque[tuple[float, int, float]] = deque(maxlen=1024)  # when, which, how bright
        self._shown, self._from = BoxState.STARTING, math.inf
        self._told = (BoxState.STARTING, -math.inf)  # what the box is, and since when
        self._pressed = -math.inf
        self._counted = (0, -math.inf)
        self._left = math.inf
        self.chosen = 0  # which network lamp
        self.muted = False
        self.night = 1.0  # of the light that a day has, 0 to 1
        self.held = 0.0  # of the way of a hold that ends the box, 0 to 1

    # --- what is told ---------------------------------------------------------------------------------------

    def begin(self, seconds: float) -> None:
        """The opening chime begins."""
        self._from = seconds

    def hit(self, degree: int, velocity: float, at: float) -> None:
        """A note of this degree is heard at `at`; its lamp begins to rise so early that it is seen by then.

        A scale of other than six degrees shares the lamps.
        """
        bright = SOFTEST + (1.0 - SOFTEST) * velocity
        self._coming.append((at - lead(bright), degree % NOTE_LAMPS, bright))

    def tell(self, state: BoxState, seconds: float) -> None:
        """The box is in this state; it may say so again and again."""
        if state is not self._told[0]:
            self._told = (state, seconds)

    def press(self, seconds: float) -> None:
        """A button went down: wink, and be quick to show what comes of it."""
        self._pressed = seconds

    def count(self, number: int, seconds: float) -> None:
        """Show a number with the note lamps, 0 to 6."""
        self._counted = (number, seconds)

    def leave(self, seconds: float) -> None:
        """Fade to darkness, for good."""
        self._left = min(self._left, seconds)

    # --- what is seen ---------------------------------------------------------------------------------------

    @property
    def shown(self) -> BoxState:
        """The state that shows, which may lag behind what was told."""
        return self._shown

    def levels(self, seconds: float) -> tuple[float, ...]:
        """How bright all nine are to the eye, 0 to 1, from left to right. Any thread."""
        with self._looking:
            return self._levels(seconds)

    def _levels(self, seconds: float) -> tuple[float, ...]:
        self._play(seconds)
        self._settle(seconds)
        fade = min(1.0, max(0.0, 1.0 - (seconds - self._left) / FADE))
        light = self._light * self.night * fade
        if light <= 0.0:
            return (0.0,) * LAMPS
        if self.held > HELD:
            lit = math.ceil(LAMPS * (1.0 - self.held) / (1.0 - HELD))
            return tuple(_shaded(float(lamp < lit), light) for lamp in range(LAMPS))
        return (*self._note_levels(seconds, light), *self._network_levels(seconds, light))

    def _note_levels(self, seconds: float, light: float) -> Iterator[float]:
        number, counted = self._counted
        pattern = LANGUAGE[self._shown].note
        for place, lamp in enumerate(self._notes):
            if seconds - counted < COUNT:
                yield _shaded(float(place < number), light)
            elif pattern:
                yield _shaded(pattern(place, self.chosen, seconds - self._from), light)
            else:
                yield _shaded(lamp.level(seconds), light * (MUTED if self.muted else 1.0))

    def _network_levels(self, seconds: float, light: float) -> Iterator[float]:
        pattern = LANGUAGE[self._shown].network
        winks = 0.0 <= seconds - self._pressed < WINK
        for place in range(NETWORK_LAMPS):
            level = pattern(place, self.chosen, seconds - self._from)
            yield _shaded(1.0 - level if winks and place == self.chosen else level, light)

    def _play(self, seconds: float) -> None:
        """Begin the pulses of the notes that are heard by now."""
        while self._coming and self._coming[0][0] <= seconds:
            at, place, bright = self._coming.popleft()
            self._notes[place].hit(bright, at)

    def _settle(self, seconds: float) -> None:
        """Show the state that was told, once it has lasted; at once, if the box just started or somebody asks."""
        state, since = self._told
        if state is self._shown:
            return
        asked = seconds - self._pressed < PRESS
        if self._shown is BoxState.STARTING or asked or seconds - since >= LASTS:
            self._shown, self._from = state, seconds
