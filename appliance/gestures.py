# SPDX-License-Identifier: Apache-2.0
"""What a gesture does: from the controls and a gesture, the new controls and an action. Pure; the main thread.

The panel, the terminal, the command line and every other client of the control socket use `apply`. Each press is
confirmed by a short phrase in the key of the music, whose number of notes is the number of the option that was chosen.
A muted box stays silent; its lamps wink.

    gesture            effect                                      confirmed by
    knob               volume, tempo                               the change itself
    NETWORK            the next network                            as many rising notes as its number
    NETWORK twice (*)  keep the last half hour                     three notes: up, further up, back
    NETWORK held       back to the first network                   one note
    MUTE               mute, unmute                                the fade; a rising fifth
    MUTE twice         sleep after 30, 60, 90 minutes, off         a falling note for each half hour; a leap up
    MUTE held          switch the power off                        the scale, falling
    chosen by name     volume, tempo, network, scene, mute, sleep  as above

(*) Only from the terminal and the control socket: on the case, fast presses step through the networks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from enum import Enum, auto

from appliance.values import (
    FASTEST,
    SLEEP_STEPS,
    SLOWEST,
    Answer,
    Button,
    Chosen,
    Controls,
    Doubled,
    Gesture,
    Held,
    Knob,
    Moved,
    Pressed,
    Turned,
)

DETENT = 0.02  # of the volume knob's travel, 1 dB
TEMPO_DETENT = (FASTEST / SLOWEST) ** (1 / 72)  # factor; 72 detents of two and a half per cent span the knob

# Phrases, in steps of the scale above the root.
RISING = (0, 1, 2, 3, 4, 5)
FALLING = (5, 3, 1)
SLEEP_OFF = (0, 6)
UNMUTED = (0, 3)
KEPT = (0, 3, 1)
POWERING_OFF = (5, 4, 3, 2, 1, 0)


class Action(Enum):
    """What a gesture asks for beyond the controls."""

    KEEP = auto()  # write the last half hour to a file
    POWER_OFF = auto()


def apply(now: Controls, gesture: Gesture, networks: Sequence[str]) -> tuple[Controls, Action | None]:
    """The controls after a gesture, and what else to do. `networks` are those that the NETWORK button steps through.

    The value of a Chosen must be valid: control.py checks it.
    """
    match gesture:
        case Turned(Knob.VOLUME, detents):
            return replace(now, volume=min(1.0, max(0.0, now.volume + detents * DETENT)), muted=False), None
        case Turned(Knob.TEMPO, detents):
            return replace(now, tempo=min(FASTEST, max(SLOWEST, now.tempo * TEMPO_DETENT**detents))), None
        case Moved(Knob.VOLUME, position):
            return replace(now, volume=position), None
        case Moved(Knob.TEMPO, position):
            return replace(now, tempo=SLOWEST * (FASTEST / SLOWEST) ** position), None
        case Pressed(Button.MUTE):
            return _mute(now, muted=not now.muted), None
        case Doubled(Button.MUTE):
            return _sleep(now, SLEEP_STEPS[(SLEEP_STEPS.index(now.sleep) + 1) % len(SLEEP_STEPS)]), None
        case Held(Button.MUTE):
            return _confirmed(now, POWERING_OFF), Action.POWER_OFF
        case Pressed(Button.NETWORK):
            return _network(now, (networks.index(now.network) + 1) % len(networks), networks), None
        case Held(Button.NETWORK):
            return _network(now, 0, networks), None
        case Chosen():
            return _chosen(now, gesture, networks), None
        case _:  # NETWORK twice
            return _confirmed(now, KEPT), Action.KEEP


def tempo_position(tempo: float) -> float:
    """Where the tempo knob stands at a tempo in beats a minute, 0 to 1."""
    return math.log(tempo / SLOWEST) / math.log(FASTEST / SLOWEST)


def _chosen(now: Controls, chosen: Chosen, networks: Sequence[str]) -> Controls:
    match chosen.control, chosen.value:
        case "volume", float(volume):
            return replace(now, volume=volume)
        case "tempo", float(tempo):
            return replace(now, tempo=tempo)
        case "scene", str(scene):
            return replace(now, scene=scene)
        case "network", str(network):
            return _network(now, networks.index(network), networks)
        case "mute", bool(muted):
            return now if muted == now.muted else _mute(now, muted=muted)
        case "sleep", int(minutes):
            return _sleep(now, minutes)
    raise ValueError(f"{chosen} is no control with a value of its kind")


def _mute(now: Controls, *, muted: bool) -> Controls:
    """A mute ends the sleep timer."""
    return replace(now, muted=True, sleep=0) if muted else _confirmed(replace(now, muted=False), UNMUTED)


def _sleep(now: Controls, minutes: int) -> Controls:
    """Setting the sleep timer ends a mute."""
    phrase = FALLING[: SLEEP_STEPS.index(minutes)] if minutes else SLEEP_OFF
    return _confirmed(replace(now, sleep=minutes, muted=False), phrase)


def _network(now: Controls, place: int, networks: Sequence[str]) -> Controls:
    return _confirmed(replace(now, network=networks[place]), RISING[: place + 1])


def _confirmed(controls: Controls, phrase: Sequence[int]) -> Controls:
    if controls.muted:
        return controls
    return replace(controls, answer=Answer(controls.answer.number + 1, tuple(phrase)))
