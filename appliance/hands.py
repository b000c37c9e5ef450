# SPDX-License-Identifier: Apache-2.0
"""What hands mean: a gesture in, the controls and a wish out, and the short phrase that answers every press.

The one rule: whoever presses hears that he was understood, in the key of the music, and can count what he chose. A
muted box does not answer: silence is what it was asked for, and the lamps wink. Turning a knob needs no answer, it is
heard. Pure; the main thread.

    gesture            does                                        is answered by
    knob               volume, tempo                               itself
    NETWORK            the next network                            as many rising notes as its number
    NETWORK twice (*)  keep the last half hour                     a turn: up, further up, back
    NETWORK held       back to the first network                   one note
    MUTE               mute, and back                              the fade; a rising fifth
    MUTE twice         sleep after 30, 60, 90 minutes, not at all  a falling note for each half hour; a leap up
    MUTE held          switch the power off                        the scale, falling

(*) A key of the desk. The button of the case knows no double press: who goes round the networks presses fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum, auto

from appliance.values import (
    Answer,
    Button,
    Controls,
    Doubled,
    Gesture,
    Held,
    Knob,
    Moved,
    Pressed,
    Turned,
)

DETENT = 0.02  # of the volume knob's way, 1 dB
SLOWEST, FASTEST = 30.0, 180.0  # bpm
# Tempo of one detent: 72 of them, two and a half per cent each, span the knob.
FASTER = (FASTEST / SLOWEST) ** (1 / 72)
SLEEP = (0, 30, 60, 90)  # min; each double press goes on to the next

# Phrases, in steps of the scale above the root.
RISING = (0, 1, 2, 3, 4, 5)
FALLING = (5, 3, 1)
AWAKE = (0, 6)
BACK = (0, 3)
TURN = (0, 3, 1)
GOODBYE = (5, 4, 3, 2, 1, 0)


class Wish(Enum):
    """What hands want and the controls cannot give."""

    KEEP = auto()  # the last half hour, in a file
    POWER_OFF = auto()


def obey(now: Controls, gesture: Gesture, networks: Sequence[str]) -> tuple[Controls, Wish | None]:
    """The controls after a gesture, and what else is wanted. `networks` are those that the button goes round."""
    match gesture:
        case Turned(Knob.VOLUME, detents):
            return replace(now, volume=min(1.0, max(0.0, now.volume + detents * DETENT)), muted=False), None
        case Turned(Knob.TEMPO, detents):
            return replace(now, tempo=min(FASTEST, max(SLOWEST, now.tempo * FASTER**detents))), None
        case Moved(Knob.VOLUME, position):
            return replace(now, volume=position), None
        case Moved(Knob.TEMPO, position):
            return replace(now, tempo=SLOWEST * (FASTEST / SLOWEST) ** position), None
        case Pressed(Button.MUTE) if now.muted:
            return _answered(replace(now, muted=False), BACK), None
        case Pressed(Button.MUTE):
            return replace(now, muted=True, sleep=0), None
        case Doubled(Button.MUTE):
            minutes = SLEEP[(SLEEP.index(now.sleep) + 1) % len(SLEEP)]
            phrase = FALLING[: minutes // 30] if minutes else AWAKE
            return _answered(replace(now, sleep=minutes, muted=False), phrase), None
        case Held(Button.MUTE):
            return _answered(now, GOODBYE), Wish.POWER_OFF
        case Pressed(Button.NETWORK):
            return _go(now, (networks.index(now.network) + 1) % len(networks), networks), None
        case Held(Button.NETWORK):
            return _go(now, 0, networks), None
        case _:  # NETWORK twice
            return _answered(now, TURN), Wish.KEEP


def _go(now: Controls, place: int, networks: Sequence[str]) -> Controls:
    return _answered(replace(now, network=networks[place]), RISING[: place + 1])


def _answered(controls: Controls, phrase: Sequence[int]) -> Controls:
    if controls.muted:
        return controls
    return replace(controls, answer=Answer(controls.answer.number + 1, tuple(phrase)))
