# SPDX-License-Identifier: Apache-2.0
"""The buttons: from levels at moments to gestures.

The one rule: a level counts when it has lasted BOUNCE; what follows from it is in the table, and every moment is an
argument. A button that is down at the first look, or for a minute, is not pressed but stuck: it means nothing until it
is let go. Pure; the panel's thread.

               down                  up                    PAUSE later: Pressed
      UP ─────────────▶ DOWN ──────────────────▶ PAUSED ──────────────────────────▶ UP
      ▲                  │                         │ down                            ▲
      │                  │ SHORT later             ▼           up: Doubled           │
      │                  ├───────◀────────────── AGAIN ──────────────────────────────┤
      │                  ▼                                                           │
      │               HOLDING ─────────────────── up, and nothing came of it ────────┤
      │                  │ its hold time after down: Held                            │
      │                  ▼                          up                               │
      │                 HELD ────────────────────────────────────────────────────────┤
      │                  │ STUCK_AFTER down                                          │
      │   down           ▼                          up                               │
      └── at first ─▶  STUCK ────────────────────────────────────────────────────────┘

A button that knows no double press goes from DOWN straight to UP, with Pressed at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from appliance.values import Button, Doubled, Gesture, Held, Pressed

BOUNCE = 0.02  # s; contacts of good buttons settle within 5 ms, worn ones within 15
SHORT = 1.0  # s; one that is down longer is being held, and letting go means "no"
PAUSE = 0.35  # s between two presses that belong together; a mute waits that long, so no longer than need be
STUCK_AFTER = 60.0  # s


@dataclass(frozen=True, slots=True)
class ButtonTiming:
    """What a button's presses may mean."""

    hold: float  # s until it is Held
    doubles: bool  # two presses are something of their own


TIMINGS = {
    Button.NETWORK: ButtonTiming(hold=2.0, doubles=False),
    Button.MUTE: ButtonTiming(hold=5.0, doubles=True),
}


class State(Enum):
    """Where a button is in the drawing above."""

    UP = auto()
    DOWN = auto()
    PAUSED = auto()
    AGAIN = auto()
    HOLDING = auto()
    HELD = auto()
    STUCK = auto()


# What a level means in each state, and what the passing of time does: the next state, and the gesture.
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
    """One button. Moments are seconds of any clock that never jumps back."""

    def __init__(self, button: Button) -> None:
        self._button, self._manner = button, TIMINGS[button]
        self._state = State.UP
        self._since = -math.inf  # when the state's own time began: of the press, or of the pause
        self._level: bool | None = None  # that counts; None before the first look
        self._other = math.inf  # since when another level is seen

    @property
    def stuck(self) -> bool:
        """It has been down for a minute, or since the start."""
        return self._state is State.STUCK

    def held(self, seconds: float) -> float:
        """For how long it is being held by now, in s; 0 while nobody holds it."""
        return max(0.0, seconds - self._since) if self._state in DOWN else 0.0

    def see(self, down: bool, seconds: float) -> list[Gesture]:
        """What the hand did, given whether the contact is closed at this moment."""
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
        if self._state is State.PAUSED and not self._manner.doubles:
            self._state, gesture = State.UP, Pressed
        if gesture:
            yield gesture(self._button)

    def _wait(self, seconds: float) -> Iterator[Gesture]:
        """What the passing of time makes of the state. A level that may yet be a bounce stops the clock."""
        age = min(seconds, self._other) - self._since
        if self._state is State.PAUSED and age >= PAUSE:
            self._state = State.UP
            yield Pressed(self._button)
        if self._state in (State.DOWN, State.AGAIN) and age >= SHORT:
            self._state = State.HOLDING
        if self._state is State.HOLDING and age >= self._manner.hold:
            self._state = State.HELD
            yield Held(self._button)
        if self._state is State.HELD and age >= STUCK_AFTER:
            self._state = State.STUCK
