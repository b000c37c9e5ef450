# SPDX-License-Identifier: Apache-2.0
"""The panel of the case in a terminal: the same knobs, buttons and lamps, and the score of the last minute.

It is a client of the control socket in a process of its own, so a slow terminal cannot hold up the player. `take` gets
the events of the box; keys and the mouse become gestures. The lamps (lamps.py) and the classifier of presses
(buttons.py) are those of the case. The main thread of that process.

    ┌ title and state ─────────────────────────┐
    │ the score of the last seconds            │
    │ ● ● ● ● ● ●   ● ● ●      nine lamps      │
    │ (knob)   [NETWORK]  [MUTE]   (knob)      │
    └ the last line of the log, and the keys ──┘
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any

from rich.color import Color as Ink
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.app import App, ComposeResult
from textual.containers import Horizontal, Vertical
from textual.markup import escape
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Static

from appliance.gestures import tempo_position
from appliance.panel.buttons import TIMINGS, PressClassifier
from appliance.panel.lamps import NETWORK_LAMPS, NOTE_LAMPS, Lamps
from appliance.status import BED, Status
from appliance.values import Button, Doubled, Gesture, Knob, Pressed, Turned, Voice

DRAWN = 4096  # cached pieces of a picture: some hundred recur, and more when the window changes its size
PRESS = 0.12  # s that a button looks pressed after a key
SCORE, COLUMN = 60.0, 0.4  # s of the score that can be shown, and of one column of it
LOWEST, PITCHES = 36, 60  # MIDI pitch at the bottom of the score, and how many there are
SILENT = -90.0  # dB below which it is shown as silence
WIDE, TALL = 76, 19  # columns and lines below which the case would be cut
SMALL = f"Make the window larger: the panel needs {WIDE} columns and {TALL} lines. The music plays on; the keys work."


@dataclass(frozen=True, slots=True)
class Mark:
    """A note in the scrolling score."""

    age: float  # s since it was heard, in whole columns, so that all notes move together
    height: float  # 0 low to 1 high
    length: float  # s
    velocity: float  # 0 to 1
    voice: Voice


def mark(note: Mapping[str, Any], heard: float, now: float) -> Mark:
    """A note of the box that was heard at `heard`, as the score draws it at `now`. `note` is as in control.py."""
    age = (now // COLUMN - heard // COLUMN) * COLUMN
    height = min(1.0, max(0.0, (note["pitch"] - LOWEST) / PITCHES))
    return Mark(age, height, note["length"], note["velocity"], Voice(note["voice"]))


Colour = tuple[int, int, int]
GROUND: Colour = (13, 15, 20)
CASE: Colour = (22, 25, 33)
LENS: Colour = (44, 42, 44)
AMBER: Colour = (255, 170, 60)
WHITE: Colour = (226, 236, 255)
FAINT: Colour = (52, 58, 72)
NAME: Colour = (110, 118, 138)

# Payments warm, offers cool, rare kinds in between: one colour for each voice that has notes of its own.
INKS: dict[Voice, Colour] = {
    Voice.BELL: (255, 184, 90),
    Voice.GLASS: (250, 220, 170),
    Voice.PLUCK: (110, 190, 230),
    Voice.MALLET: (90, 160, 200),
    Voice.SWELL: (240, 140, 150),
    Voice.FLOW: (120, 210, 170),
    Voice.CHIME: (200, 170, 250),
    Voice.HOLLOW: (170, 120, 120),
    Voice.MURMUR: (90, 105, 130),
    Voice.PAD: (50, 58, 84),
}


def mix(low: Colour, high: Colour, share: float) -> Colour:
    """A colour on the way from one to another, 0 to 1."""
    share = min(1.0, max(0.0, share))
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(low, high, strict=True))
    return red, green, blue


@lru_cache(DRAWN)
def _style(upper: Colour, lower: Colour) -> Style:
    return Style(color=Ink.from_rgb(*upper), bgcolor=Ink.from_rgb(*lower))


Pixels = list[list[Colour]]  # rows of colours; two rows are a line of the terminal


def lines(pixels: Pixels) -> list[list[Segment]]:
    """Pixels as lines of half blocks, so that a pixel is nearly square. Equal neighbours are one segment."""
    return [
        [
            Segment("▀" * len(list(equal)), _style(*colours))
            for colours, equal in groupby(zip(above, below, strict=True))
        ]
        for above, below in zip(pixels[::2], pixels[1::2], strict=True)
    ]


class Picture(Widget):
    """A widget that is drawn in pixels, and redrawn only when its content has changed."""

    drawn: object = None

    def show(self, what: object) -> None:
        """Draw `what` at the next refresh, unless it is drawn already."""
        if what != self.drawn:
            self.drawn = what
            self.refresh()

    def pixels(self, width: int, height: int) -> Pixels:
        """What to draw, `height` in pixels."""
        raise NotImplementedError

    def render_lines(self, crop: object) -> list[Strip]:
        """Textual asks for all lines at once."""
        width, height = self.size
        return [Strip(line, width) for line in lines(self.pixels(width, 2 * height))] if width else []


# --- lamps --------------------------------------------------------------------------------------------------

NOTE_CELL, NETWORK_CELL, HIGH = 7, 10, 8  # pixels of a lamp with its glow; the names of networks are long
STEPS = 40  # that a glow is drawn in, and a note


@lru_cache(DRAWN)
def glow(step: int, colour: Colour, width: int) -> Pixels:
    """A lamp of a perceived level of `step` of STEPS: a lens, and its light on the case."""
    level = step / STEPS
    rows = []
    for y in range(HIGH):
        row = []
        for x in range(width):
            far = math.hypot(x + 0.5 - width / 2, y + 0.5 - HIGH / 2)
            thrown = mix(CASE, colour, 0.55 * level * math.exp(-((far / 2.4) ** 2)))
            lens = mix(LENS, mix(colour, (255, 255, 255), 0.5 * level * (far < 1.2)), level)
            row.append(mix(lens, thrown, far - 1.6))
        rows.append(row)
    return rows


class LampRow(Picture):
    """The nine lamps."""

    drawn: tuple[int, ...] = ()  # steps of STEPS

    def pixels(self, width: int, height: int) -> Pixels:
        """Each in a cell of its own."""
        glows = [
            glow(step, *((AMBER, NOTE_CELL) if place < NOTE_LAMPS else (WHITE, NETWORK_CELL)))
            for place, step in enumerate(self.drawn)
        ]
        left, gap = places(width)
        rows: Pixels = []
        for y in range(min(height, HIGH)):
            row = [CASE] * left
            for place, cell in enumerate(glows):
                row += [CASE] * (gap * (place == NOTE_LAMPS)) + cell[y]
            rows.append((row + [CASE] * width)[:width])
        return rows


class Names(Picture):
    """The names of the lamps, each below its lamp."""

    drawn: tuple[tuple[str, ...], tuple[str, ...]] = (), ()

    def render_lines(self, crop: object) -> list[Strip]:
        """One line, with a segment for each word and each space, so that screenshots keep them apart."""
        width = self.size.width
        style = Style(color=Ink.from_rgb(*NAME), bgcolor=Ink.from_rgb(*CASE))
        text = f"{names(*self.drawn, width):{width}}"[:width]
        return [Strip([Segment(part, style) for part in re.split("( +)", text) if part])]


def names(notes: tuple[str, ...], networks: tuple[str, ...], width: int) -> str:
    """The line below the lamps."""
    left, gap = places(width)
    tones = "".join(f"{label[: NOTE_CELL - 1]:^{NOTE_CELL}}" for label in notes[:NOTE_LAMPS])
    others = "".join(f"{label[: NETWORK_CELL - 1]:^{NETWORK_CELL}}" for label in networks[:NETWORK_LAMPS])
    return " " * left + f"{tones:{NOTE_LAMPS * NOTE_CELL}}" + " " * gap + others


def places(width: int) -> tuple[int, int]:
    """The columns to the left of the lamps, and of the gap before the network lamps."""
    room = width - NOTE_LAMPS * NOTE_CELL - NETWORK_LAMPS * NETWORK_CELL
    gap = min(6, max(0, room))
    return max(0, (room - gap) // 2), gap


# --- knobs --------------------------------------------------------------------------------------------------

TURN = math.radians(300)  # from end to end, as a potentiometer turns


@lru_cache(DRAWN)
def dial(step: int, width: int, height: int) -> Pixels:
    """A knob at `step` hundredths: its scale, lit up to the pointer."""
    middle_x, middle_y = width / 2, height / 2
    radius = min(middle_x, middle_y) - 0.5
    pointer = -TURN / 2 + TURN * step / 100
    rows = []
    for y in range(height):
        row = []
        for x in range(width):
            across, down = x + 0.5 - middle_x, y + 0.5 - middle_y
            far, angle = math.hypot(across, down), math.atan2(across, -down)
            colour = CASE
            if abs(angle) <= TURN / 2 + 0.12:
                ring = max(0.0, 1.0 - abs(far - radius) / 0.9)
                colour = mix(CASE, AMBER if angle <= pointer + 0.08 and step else FAINT, ring)
            cap = max(0.0, min(1.0, radius - 1.2 - far))
            colour = mix(colour, (48, 53, 66), cap)
            along = across * math.sin(pointer) - down * math.cos(pointer)
            aside = abs(across * math.cos(pointer) + down * math.sin(pointer))
            if 0.5 < along < radius - 1.2:
                colour = mix(colour, (245, 240, 230), max(0.0, 1.0 - aside / 0.8))
            row.append(colour)
        rows.append(row)
    return rows


class Dial(Picture):
    """A knob, for the mouse's wheel too."""

    def __init__(self, knob: Knob, send: Callable[[Gesture], None]) -> None:
        super().__init__(classes="dial")
        self._knob, self._send = knob, send

    drawn: int = 0  # its position, in hundredths

    def pixels(self, width: int, height: int) -> Pixels:
        """The dial."""
        return dial(self.drawn, width, height)

    def on_mouse_scroll_up(self) -> None:
        """Turn it right."""
        self._send(Turned(self._knob, 1))

    def on_mouse_scroll_down(self) -> None:
        """Turn it left."""
        self._send(Turned(self._knob, -1))


class Key(Static):
    """A button: down as long as the mouse is, or until N or M is typed again."""

    def __init__(self, button: Button) -> None:
        super().__init__(button.name, classes="key")
        self.down = False
        self._lit = 0.0  # until when it looks pressed although it is not down, s

    def press(self, *, down: bool) -> None:
        """Press it, or release it."""
        self.down = down

    def flash(self, until: float) -> None:
        """Look pressed until a moment."""
        self._lit = until

    def tick(self, now: float) -> None:
        """Draw what holds now."""
        self.set_class(self.down or now < self._lit, "down")

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Press."""
        self.capture_mouse()
        self.press(down=True)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """Release, wherever the mouse is by now."""
        self.release_mouse()
        self.press(down=False)


# --- the score ----------------------------------------------------------------------------------------------


class Score(Picture):
    """The notes of the last seconds; now is at the right."""

    drawn: tuple[Mark, ...] = ()

    def pixels(self, width: int, height: int) -> Pixels:
        """A piano roll, now at the right; each note has a head as bright as it is loud, and a tail that fades."""
        rows = [[GROUND] * width for _ in range(height)]
        for mark in sorted(self.drawn, key=lambda mark: mark.voice is not Voice.PAD):  # chords lie below
            row = round((1.0 - mark.height) * (height - 1))
            head = width - 1 - round(mark.age / COLUMN)
            tail = min(width - 1, head + int(min(mark.length, mark.age) / COLUMN))
            for column in range(max(0, head), tail + 1):
                fade = 1.0 if mark.voice is Voice.PAD else math.exp(-(column - head) / 5.0)
                share = (0.5 + 0.5 * mark.velocity) * fade * (0.2 + 0.8 * column / width)
                ink = INKS.get(mark.voice, WHITE)
                rows[row][column] = mix(rows[row][column], ink, round(share * STEPS) / STEPS)
        return rows


# --- the whole ----------------------------------------------------------------------------------------------


class TerminalPanel(App[None]):
    """The panel in a terminal.

    `status` is the first status of the box; `send` is called with gestures for it. `clock` gives seconds that never
    jump.
    """

    TITLE = "Stellar Wind"
    FRAMES = 20  # a second: enough for a terminal's glow, and quiet enough for a laptop's fan
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { background: rgb(13,15,20); color: rgb(150,158,176); }
    #state { height: 1; padding: 0 2; }
    #score { height: 1fr; min-height: 3; margin: 0 2; }
    #case { height: auto; background: rgb(22,25,33); margin: 0 1; padding: 0 1; }
    #lamps { height: 4; }
    #names { height: 1; }
    #controls { height: 7; padding-top: 1; align: center top; }
    .knob { width: 18; height: 6; }
    .dial { height: 5; width: 10; margin: 0 4; }
    .says { text-align: center; width: 18; }
    #keys { width: 34; height: 5; padding: 1 0; align: center middle; }
    .key { width: 13; height: 3; margin: 0 2; content-align: center middle;
           background: rgb(40,45,57); color: rgb(200,206,220); }
    .key.down { background: rgb(255,170,60); color: rgb(20,16,10); }
    #log { height: auto; min-height: 1; max-height: 2; padding: 0 2; color: rgb(190,150,110); }
    #legend { height: 1; padding: 0 2; color: rgb(92,99,116); }
    #small { display: none; height: 1fr; padding: 1 2; color: rgb(255,184,90); }
    .small > * { display: none; }
    .small > #state, .small > #small, .small > #log { display: block; }
    """
    LEGEND = "↑↓ volume  ←→ tempo  n network  m mute  N M hold  s sleep  k keep  q end"

    def __init__(
        self,
        status: Status,
        send: Callable[[Gesture], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._send, self._clock = send, clock
        self._lamps = Lamps()
        self._lamps.begin(-math.inf)
        self._heard: deque[tuple[float, Mapping[str, Any]]] = deque(maxlen=1024)
        self._level = SILENT
        self._classifiers = {button: PressClassifier(button) for button in Button}
        self._texts: dict[Static, str] = {}
        self.last_log = ""  # the last line of the box's log
        self.ready = (
            threading.Event()
        )  # set once it takes events; before, Textual refuses calls of other threads
        self._status = status
        self._take_status(status)

    def compose(self) -> ComposeResult:
        """The parts, from top to bottom."""
        self._state, self._log_line = Static(id="state"), Static(id="log", markup=False)
        self._score, self._lamp_row, self._names = Score(id="score"), LampRow(id="lamps"), Names(id="names")
        self._dials = {knob: Dial(knob, self._send) for knob in Knob}
        self._values = {knob: Static(classes="says") for knob in Knob}
        self._keys = {button: Key(button) for button in Button}
        yield self._state
        yield self._score
        with Vertical(id="case"):
            yield self._lamp_row
            yield self._names
            with Horizontal(id="controls"):
                yield self._knob(Knob.VOLUME)
                yield Horizontal(*self._keys.values(), id="keys")
                yield self._knob(Knob.TEMPO)
        yield Static(SMALL, id="small")
        yield self._log_line
        yield Static(self.LEGEND, id="legend", markup=False)

    def _knob(self, knob: Knob) -> Vertical:
        return Vertical(self._dials[knob], self._values[knob], classes="knob")

    def on_mount(self) -> None:
        """Begin to draw."""
        self.ready.set()
        self._tick()
        # The screen's timer, not the application's: that one runs on for a moment after the last screen has gone.
        self.screen.set_interval(1 / self.FRAMES, self._tick)

    async def action_quit(self) -> None:
        """Textual's own key to quit."""
        self.exit()

    # --- events of the box ----------------------------------------------------------------------------------

    def take(self, event: Mapping[str, Any]) -> None:
        """Take an event of the control socket (control.py). Unknown events of a newer box are ignored."""
        with suppress(KeyError, TypeError, ValueError):
            match event:
                case {"status": Mapping() as fields}:
                    self._take_status(Status.from_json(fields))
                case {"note": Mapping() as note}:
                    self._take_note(note)
                case {"level": float(level)}:
                    self._level = level
                case {"log": str(line)} | {"error": str(line)}:
                    self.last_log = line

    def _take_status(self, status: Status) -> None:
        now, place = self._clock(), status.networks.index(status.network)
        before, self._status = self._status, status
        self._lamps.tell(status.shown, now)
        self._lamps.muted, self._lamps.night = status.muted, status.light
        self._lamps.chosen = min(NETWORK_LAMPS - 1, place)
        # The status tells the minutes that are left: more than before were set, and none after many were cancelled.
        if status.sleep > before.sleep or (before.sleep > 1 and not status.sleep):
            self._lamps.count(math.ceil(status.sleep / 30), now)

    def _take_note(self, note: Mapping[str, Any]) -> None:
        now = self._clock()
        mark(note, now, now)  # raises for a note that cannot be drawn
        if note["voice"] not in BED:
            self._lamps.hit(note["tone"], note["velocity"], now)
        if note["voice"] != Voice.DRONE:
            self._heard.append((now, note))

    # --- drawing --------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        now, status = self._clock(), self._status
        self._read_buttons(now)
        while self._heard and self._heard[0][0] <= now - SCORE:
            self._heard.popleft()
        self._score.show(tuple(mark(note, at, now) for at, note in self._heard))
        self._lamp_row.show(tuple(round(level * STEPS) for level in self._lamps.levels(now)))
        self._names.show((status.tones, status.networks))
        self._dials[Knob.VOLUME].show(round(100 * status.volume))
        self._dials[Knob.TEMPO].show(round(100 * tempo_position(status.tempo)))
        self.screen.set_class(self.size.width < WIDE or self.size.height < TALL, "small")
        self._write(self._state, headline(status, self._level, self.size.width - 4))
        self._write(self._values[Knob.VOLUME], "muted" if status.muted else f"volume {status.volume:.0%}")
        self._write(self._values[Knob.TEMPO], f"tempo {status.tempo:.0f}")
        self._write(self._log_line, self.last_log)

    def _write(self, where: Static, text: str) -> None:
        if self._texts.get(where) != text:
            self._texts[where] = text
            where.update(text)

    # --- keys and mouse -------------------------------------------------------------------------------------

    def on_key(self, event: events.Key) -> None:
        """Send the gesture of a key."""
        event.stop()
        match event.key:
            case "up" | "down":
                self._send(Turned(Knob.VOLUME, 1 if event.key == "up" else -1))
            case "right" | "left":
                self._send(Turned(Knob.TEMPO, 1 if event.key == "right" else -1))
            case "n":
                self._press(Button.NETWORK)
            case "m":
                self._press(Button.MUTE)
            case "N" | "M":
                key = self._keys[Button.NETWORK if event.key == "N" else Button.MUTE]
                key.press(down=not key.down)
            case "s":
                self._send(Doubled(Button.MUTE))
            case "k":
                self._send(Doubled(Button.NETWORK))
            case "q" | "ctrl+c":
                self.exit()

    def _press(self, button: Button) -> None:
        """Press a button for a moment. A busy terminal has no timing of its own, so a key is a whole press."""
        self._send(Pressed(button))
        self._lamps.press(self._clock())
        self._keys[button].flash(self._clock() + PRESS)

    def _read_buttons(self, now: float) -> None:
        """Classify what the mouse, N and M do to the buttons, as the panel's thread does on a case."""
        for button, key in self._keys.items():
            classifier = self._classifiers[button]
            before = classifier.held(now)
            for gesture in classifier.see(key.down, now):
                self._send(gesture)
            key.tick(now)
            held = classifier.held(now)
            if held and not before:
                self._lamps.press(now)
            if button is Button.MUTE:
                self._lamps.held = min(1.0, held / TIMINGS[button].hold)


def headline(status: Status, level: float, width: int) -> str:
    """The line at the top: what plays, and as many facts as there is room for."""
    facts = ["no sound card"] * (not status.card) + [f"{status.notes_a_minute} notes a minute"]
    facts.append("silent" if level <= SILENT else f"{level:.0f} dB")
    if status.delay is not None:
        facts.append(f"{status.delay:.1f} s behind")
    words = status.plays
    while facts and len(words) + len(" · ".join(facts)) + 2 > width:
        facts.pop()
    right = " · ".join(facts)
    words = words if len(words) <= width else f"{words[: width - 1]}…"
    gap = " " * max(0, width - len(words) - len(right))
    return f"[b rgb(255,184,90)]{escape(words)}[/]{gap}[rgb(110,118,138)]{right}[/]"
