# SPDX-License-Identifier: Apache-2.0
"""The lamps: six that pulse with the notes, three that show the network and the state.

The levels are a pure function of what was reported and of the moment, so the LEDs of the case, the terminal and the
tests show the same. Position says which network, rhythm says which state, and colour has no meaning. Nothing blinks
faster than twice a second, no lamp flashes more than three times a second, and none is so dim that it flickers.

Notes and states come from the main thread, presses and readings of the levels from the panel's thread. Each replaces
whole values; only `levels` takes a lock.

    hit ─▶ (until it is heard) ─▶ Pulse ─┐
    state ─▶ (until it has lasted) ─▶ Sign ─▶ perceived level ─▶ mute, night, brightness ─▶ level ** 2.2 ─▶ duty
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

GAMMA = 2.2  # of the eye: half the light looks three quarters as bright
DIMMEST = 0.08  # duty cycle; below, software PWM flickers visibly, because its jitter is as long as its pulse

ATTACK = 0.05  # s
DECAY = 0.25  # s, time constant
ATTACKS = 3  # a second and lamp: the limit of WCAG 2.3.1, though nine small lamps are far below its area
SUSTAIN = 1.0 / ATTACKS  # s for which a note beyond that limit holds the level
SOFTEST = 0.4  # peak level of the softest note, 13 % of the light; no lamp is dimmed further

LIGHT = {"calm": 0.5, "full": 1.0, "off": 0.0}  # of the full light
MUTED = 0.25  # of the light

CHIME = 0.5  # s between two notes of the opening chime, at 60 beats a minute
OPENING = NOTE_LAMPS * CHIME  # s
LASTS = 10.0  # s that a state must last before it is shown
PRESS = 1.0  # s after a press in which a new state is shown at once, because the press caused it
WINK = 0.3  # s
FADE = 0.7  # s to darkness at the end, as the sound fades
COUNT = 2.0  # s for which a number is shown
HELD = 0.2  # of the time of a hold before it is shown; until then it can be a short press


# --- the patterns, and the table of states ------------------------------------------------------------------


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


# The level of a lamp, 0 to 1, by its place, the place of the chosen network, and the s for which the state is shown.
Pattern = Callable[[int, int, float], float]


@dataclass(frozen=True, slots=True)
class Sign:
    """The pattern of a state, and the words for it."""

    state: str
    notes: str
    networks: str
    note: Pattern | None  # None: they pulse with the notes
    network: Pattern


LANGUAGE: dict[BoxState, Sign] = {
    BoxState.STARTING: Sign("starting", "rise one by one with the opening chime", "dark", _rising, _dark),
    BoxState.LIVE: Sign("live", "pulse with their tone", "the chosen one steady", None, _steady),
    BoxState.CONNECTING: Sign("connecting", "pulse", "the chosen one breathes slowly", None, _breathing),
    BoxState.OFFLINE: Sign(
        "offline: the recording plays", "pulse", "the chosen one: two soft blips every 3 s", None, _blips
    ),
    BoxState.SETUP: Sign(
        "not connected: no cable or known Wi-Fi", "pulse", "first and third in turn, 1 s each", None, _in_turn
    ),
    BoxState.SCORE: Sign("a kept piece plays", "pulse with their tone", "dark", None, _dark),
    BoxState.NO_CARD: Sign(
        "no sound card", "dark", "one after another, left to right, every 3 s", _dark, _running
    ),
    BoxState.TROUBLE: Sign(
        "trouble (safe mode, low voltage)", "dark", "all three together, one blink a second", _dark, _together
    ),
}

# Shown in addition to the state, the most urgent last.
OVER: tuple[tuple[str, str, str], ...] = (
    ("muted", "pulse at a quarter", "unchanged"),
    ("a button is pressed", "unchanged", "the chosen one winks"),
    ("the sleep timer is set", "as many as half hours are left, for 2 s", "unchanged"),
    ("MUTE is held: power-off", "all nine lit, then out one by one", "with them; letting go cancels"),
)


def language() -> Iterator[tuple[str, str, str]]:
    """The table for the documentation: a state, its note lamps, its network lamps."""
    yield from ((sign.state, sign.notes, sign.networks) for sign in LANGUAGE.values())
    yield from OVER


# --- light --------------------------------------------------------------------------------------------------


def duty(level: float) -> float:
    """The duty cycle, 0 to 1, for a perceived level, 0 to 1; 0 or at least DIMMEST."""
    light = level**GAMMA
    return light if light >= DIMMEST else 0.0


def seen(light: float) -> float:
    """The perceived level, 0 to 1, of a duty cycle: the inverse of `duty`."""
    return float(light ** (1 / GAMMA))


def lead(bright: float) -> float:
    """Seconds from the start of a rise to a peak of `bright` until the first visible light."""
    return ATTACK * seen(DIMMEST) / bright


def _shaded(level: float, light: float) -> float:
    """A level dimmed to `light`. Only its part above SOFTEST is dimmed, so that soft notes stay visible."""
    if level <= SOFTEST:
        return level
    return SOFTEST + (level - SOFTEST) * max(0.0, seen(light) - SOFTEST) / (1.0 - SOFTEST)


@dataclass(frozen=True, slots=True)
class Pulse:
    """A lamp after a note: it rises from its level to a peak, then decays."""

    at: float = -math.inf  # s
    start: float = 0.0
    peak: float = 0.0
    rise: float = ATTACK  # s

    def level(self, seconds: float) -> float:
        """The perceived level."""
        age = max(0.0, seconds - self.at)
        if age < self.rise:
            return self.start + (self.peak - self.start) * age / self.rise
        return self.peak * math.exp((self.rise - age) / DECAY)


class NoteLamp:
    """The pulses of one lamp, limited to ATTACKS a second."""

    def __init__(self) -> None:
        self._pulse = Pulse()
        self._attacks: deque[float] = deque(maxlen=ATTACKS)  # moments, s

    def hit(self, bright: float, at: float) -> None:
        """Begin a pulse of `bright`, 0 to 1, or hold the level if the limit is reached."""
        here = self._pulse.level(at)
        if self._attacks and 0.0 <= at - self._attacks[-1] < ATTACK:  # another note of the same chord
            self._pulse = Pulse(at, here, max(bright, self._pulse.peak))
        elif here >= bright or (len(self._attacks) == ATTACKS and at - self._attacks[0] < 1.0):
            self._pulse = Pulse(at, here, here, SUSTAIN)
        else:
            self._pulse = Pulse(at, here, bright)
            self._attacks.append(at)

    def level(self, seconds: float) -> float:
        """The perceived level."""
        return self._pulse.level(seconds)


class Lamps:
    """The levels of the nine lamps. Moments are seconds of a clock that never jumps."""

    def __init__(self, light: float = 1.0) -> None:
        """`light` is the brightness, 0 (off) to 1. All lamps are dark until `begin`."""
        self._light = light
        self._looking = threading.Lock()
        self._notes = [NoteLamp() for _ in range(NOTE_LAMPS)]
        self._coming: deque[tuple[float, int, float]] = deque(maxlen=1024)  # moment, place, level
        self._shown, self._from = BoxState.STARTING, math.inf
        self._told = (BoxState.STARTING, -math.inf)  # the state of the box, and since when
        self._pressed = -math.inf
        self._struck = -math.inf  # when the last pulse began
        self._counted = (0, -math.inf)
        self._left = math.inf
        self.chosen = 0  # place of the network's lamp
        self.muted = False
        self.night = 1.0  # factor on the light, 0 to 1
        self.held = 0.0  # progress of holding MUTE, 0 to 1

    # --- input ----------------------------------------------------------------------------------------------

    def begin(self, seconds: float) -> None:
        """The opening chime begins."""
        self._from = seconds

    def hit(self, degree: int, velocity: float, at: float) -> None:
        """A note of this degree is heard at `at`; its lamp rises early enough to be visible then.

        A scale with more than six degrees shares the lamps.
        """
        bright = SOFTEST + (1.0 - SOFTEST) * velocity
        self._coming.append((at - lead(bright), degree % NOTE_LAMPS, bright))

    def tell(self, state: BoxState, seconds: float) -> None:
        """The box is in this state. Call it as often as you like."""
        if state is not self._told[0]:
            self._told = (state, seconds)

    def press(self, seconds: float) -> None:
        """A button went down: wink, and show a new state at once."""
        self._pressed = seconds

    def count(self, number: int, seconds: float) -> None:
        """Show a number with the note lamps, 0 to 6."""
        self._counted = (number, seconds)

    def leave(self, seconds: float) -> None:
        """Fade to darkness, and stay dark."""
        self._left = min(self._left, seconds)

    # --- output ---------------------------------------------------------------------------------------------

    def lively(self, seconds: float) -> bool:
        """Whether a note or a press begins about now, which is to be seen at once."""
        with self._looking:
            due = bool(self._coming) and self._coming[0][0] <= seconds
            return due or seconds - max(self._pressed, self._struck) < WINK

    @property
    def shown(self) -> BoxState:
        """The state that is shown, which can lag behind the one of `tell`."""
        return self._shown

    def levels(self, seconds: float) -> tuple[float, ...]:
        """The perceived levels of all nine, 0 to 1, from left to right. Any thread; `seconds` must not decrease."""
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
        """Begin the pulses that are due."""
        while self._coming and self._coming[0][0] <= seconds:
            at, place, bright = self._coming.popleft()
            self._notes[place].hit(bright, at)
            self._struck = at

    def _settle(self, seconds: float) -> None:
        """Show the state of `tell` once it has lasted; at once after the start and after a press."""
        state, since = self._told
        if state is self._shown:
            return
        pressed = seconds - self._pressed < PRESS
        if self._shown is BoxState.STARTING or pressed or seconds - since >= LASTS:
            self._shown, self._from = state, seconds
