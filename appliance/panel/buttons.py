# SPDX-License-Identifier: Apache-2.0
"""The buttons: debounces their contacts and classifies presses into gestures.

A level counts when it has lasted BOUNCE. The state machine below decides what follows. A button that is down at the
first reading, or for a minute, is stuck: it is ignored until it is released. Pure; the panel's thread.

               down                  up                    PAUSE later: Pressed
      UP ─────────────▶ DOWN ──────────────────▶ PAUSED ──────────────────────────▶ UP
      ▲                  │                         │ down                            ▲
      │                  │ SHORT later             ▼           up: Doubled           │
      │                  ├───────◀────────────── AGAIN ──────────────────────────────┤
      │                  ▼                                                           │
      │               HOLDING ─────────────────── up: no gesture ────────────────────┤
      │                  │ its hold time after down: Held                            │
      │                  ▼                          up                               │
      │                 HELD ────────────────────────────────────────────────────────┤
      │                  │ STUCK_AFTER down                                          │
      │   down           ▼                          up                               │
      └── at first ─▶  STUCK ────────────────────────────────────────────────────────┘

A button without a double press goes from DOWN to UP directly, with Pressed at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from appliance.values import Button, Doubled, Gesture, Held, Pressed

BOUNCE = 0.02  # s; contacts of good buttons settle within 5 ms, worn ones within 15
SHORT = 1.0  # s; a longer press is a hold, and releasing it before its time cancels it
PAUSE = 0.35  # s between the two presses of a double press; a single press of such a button is delayed by it
STUCK_AFTER = 60.0  # s


@dataclass(frozen=True, slots=True)
class ButtonTiming:
    """The timing of a button."""

    hold: float  # s until it is Held
    doubles: bool  # whether it has a double press


TIMINGS = {
    Button.NETWORK: ButtonTiming(hold=2.0, doubles=False),
    Button.MUTE: ButtonTiming(hold=5.0, doubles=True),
}


class State(Enum):
    """The states in the diagram above."""

    UP = auto()
    DOWN = auto()
    PAUSED = auto()
    AGAIN = auto()
    HOLDING = auto()
    HELD = auto()
    STUCK = auto()


# The transitions when the level changes: the next state, and the gesture. Those of time are in `_wait`.
AT_DOWN = {State.UP: State.DOWN, State.PAUSED: State.AGAIN}
AT_UP: dict[State, tuple[State, type[Pressed] | type[Doubled] | None]] = {
    State.DOWN: (State.PAUSED, None),
    State.AGAIN: (State.UP, Doubled),
    State.HOLDING: (State.UP, None),
    State.HELD: (State.UP, None),
    State.STUCK: (State.UP, None),
}
DOWN = (State.DOWN, State.AGAIN, State.HOLDING, State.HELD)


class PressClassifier:
    """Classifies the presses of one button. Moments are seconds of a clock that never jumps back."""

    def __init__(self, button: Button) -> None:
        self._button, self._timing = button, TIMINGS[button]
        self._state = State.UP
        self._since = -math.inf  # when the press or the pause began
        self._level: bool | None = None  # debounced; None before the first reading
        self._other = math.inf  # since when the reading differs from it

    @property
    def stuck(self) -> bool:
        """Whether it has been down for a minute, or since the start."""
        return self._state is State.STUCK

    @property
    def idle(self) -> bool:
        """Whether a reading that is up changes nothing."""
        return self._state is State.UP and self._level is False and self._other == math.inf

    def held(self, seconds: float) -> float:
        """For how long it has been down, in s; 0 if it is up or stuck."""
        return max(0.0, seconds - self._since) if self._state in DOWN else 0.0

    def see(self, down: bool, seconds: float) -> list[Gesture]:
        """Take a reading: whether the contact is closed at this moment. Returns the gestures that it completes."""
        if self._level is None:
            self._level = down
            if down:
                self._state = State.STUCK
        elif down == self._level:
            self._other = math.inf
        elif self._other == math.inf:
            self._other = seconds
        gestures = list(self._wait(seconds))
        if seconds - self._other >= BOUNCE:
            since, self._other, self._level = self._other, math.inf, down
            gestures += self._change(down, since)
            gestures += self._wait(seconds)
        return gestures

    def _change(self, down: bool, since: float) -> Iterator[Gesture]:
        if down:
            self._state, self._since = AT_DOWN[self._state], since
            return
        self._state, gesture = AT_UP[self._state]
        self._since = since
        if self._state is State.PAUSED and not self._timing.doubles:
            self._state, gesture = State.UP, Pressed
        if gesture:
            yield gesture(self._button)

    def _wait(self, seconds: float) -> Iterator[Gesture]:
        """The transitions of time. While the reading differs, and can be a bounce, time stands still."""
        age = min(seconds, self._other) - self._since
        if self._state is State.PAUSED and age >= PAUSE:
            self._state = State.UP
            yield Pressed(self._button)
        if self._state in (State.DOWN, State.AGAIN) and age >= SHORT:
            self._state = State.HOLDING
        if self._state is State.HOLDING and age >= self._timing.hold:
            self._state = State.HELD
            yield Held(self._button)
        if self._state is State.HELD and age >= STUCK_AFTER:
            self._state = State.STUCK
