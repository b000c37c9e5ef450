# SPDX-License-Identifier: Apache-2.0
"""The panel on a desk: lamps and a line or two in a terminal, keys for knobs and buttons.

The one rule: it shows what it is told and posts the same gestures as the real panel; it knows nothing of the box.
The main thread's loop.
"""

from __future__ import annotations

import asyncio
import os
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from appliance.values import Button, Doubled, Gesture, Knob, Pressed, Turned, Voice

SCORE, COLUMN = 60.0, 0.4  # s of the score that can be shown, and of one step in it
FRAMES = 15  # a second: a terminal's glow needs no more, and a laptop's fan must not hear of it

KEYS: dict[bytes, Gesture] = {
    b"\x1b[A": Turned(Knob.VOLUME, 1),  # arrow up, as terminals spell it
    b"\x1b[B": Turned(Knob.VOLUME, -1),
    b"\x1b[C": Turned(Knob.TEMPO, 1),  # arrow right
    b"\x1b[D": Turned(Knob.TEMPO, -1),
    b"n": Pressed(Button.NETWORK),
    b"m": Pressed(Button.MUTE),
    b"s": Doubled(Button.MUTE),
    b"k": Doubled(Button.NETWORK),
}
LEGEND = "↑ ↓ volume   ← → tempo   n network   m mute   s sleep   k keep   q ends"
QUIT = b"q"
ONE_LINE: Any = {"no_wrap": True, "overflow": "ellipsis"}  # a narrow window loses the end, not the order


@dataclass(frozen=True, slots=True)
class Mark:
    """A note in the score that runs by."""

    age: float  # s since it was heard, in whole steps, so that all notes move together
    height: float  # 0 low to 1 high
    length: float  # s
    loud: float  # 0 to 1
    voice: Voice


@dataclass(frozen=True, slots=True)
class Status:
    """What the desk shows."""

    notes: tuple[tuple[str, float], ...]  # the note lamps: label and level, 0 to 1
    networks: tuple[tuple[str, float], ...]  # the network lamps, likewise
    words: str  # network and state, in words
    notes_a_minute: int
    lag: float | None  # s from an amount's arrival to its sound; None while nothing is heard
    volume: float  # 0 to 1
    tempo: float  # beats a minute
    tempo_position: float  # of its knob, 0 to 1
    muted: bool
    level: float  # dB below full scale
    silent: bool  # there is no sound card
    score: tuple[Mark, ...] = ()  # the last SCORE seconds


def picture(status: Status) -> Group:
    """The desk as rich text."""
    lamps = Text("  ", **ONE_LINE)
    for label, level in status.notes:
        lamps.append("● ", style=_glow(level, (255, 176, 64)))
        lamps.append(f"{label:<4}", style="dim")
    lamps.append("   ")
    for label, level in status.networks:
        lamps.append("● ", style=_glow(level, (235, 240, 255)))
        lamps.append(f"{label}  ", style="dim")
    lag = "" if status.lag is None else f"{status.lag:.1f} s behind  ·  "
    volume = "muted" if status.muted else f"volume {status.volume:.0%}"
    loud = "silent" if status.level < -90 else f"{status.level:.0f} dB"
    line = Text(
        f"  {status.words}  ·  {status.notes_a_minute} notes a minute  ·  {lag}"
        f"{volume}  ·  tempo {status.tempo:.0f}  ·  {loud}{' (no sound card)' if status.silent else ''}",
        **ONE_LINE,
    )
    return Group(lamps, line, Text("  " + LEGEND, style="dim", **ONE_LINE))


def _glow(level: float, colour: tuple[int, int, int]) -> str:
    # A lamp at rest is seen as a dark lens, not as a hole.
    red, green, blue = (round(40 + (part - 40) * min(1.0, level)) for part in colour)
    return f"rgb({red},{green},{blue})"


async def show(status: Callable[[], Status], console: Console | None = None) -> None:
    """Draw what `status` says, FRAMES times a second, until cancelled; then leave the terminal as if never there."""
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            live.update(picture(status()), refresh=True)
            await asyncio.sleep(1 / FRAMES)


@contextmanager
def keys(post: Callable[[Gesture], None], leave: Callable[[], None]) -> Iterator[None]:
    """Read keys from the terminal, one gesture each, while in the `with`; the terminal is left as it was found.

    QUIT calls `leave`.
    """
    if not sys.stdin.isatty():
        yield
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)  # keys come at once and unechoed; Ctrl-C still means what it means

    def read() -> None:
        typed = os.read(descriptor, 64)
        for gesture in gestures(typed):
            post(gesture)
        if QUIT in typed:
            leave()

    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, read)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def gestures(typed: bytes) -> Iterator[Gesture]:
    """The gestures that some typed bytes mean; other keys mean nothing."""
    while typed:
        key = next((key for key in KEYS if typed.startswith(key)), typed[:1])
        typed = typed[len(key) :]
        if key in KEYS:
            yield KEYS[key]
