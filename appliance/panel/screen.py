# SPDX-License-Identifier: Apache-2.0
"""The desk as a picture: the whole panel in a terminal, with the score that runs by above it.

The one rule: it is a case, not a shortcut. Keys and the mouse turn and press the parts of a mock panel, whose gestures
come back through the same pins, filters and thread as on a Pi; its lamps glow as those pins are lit. Without Textual
there is desk.py. The main thread's loop.

    ┌ title and state ─────────────────────────┐
    │ the score of the last seconds            │
    │ ● ● ● ● ● ●   ● ● ●      nine lamps      │
    │ (knob)   [NETWORK]  [MUTE]   (knob)      │
    └ what the box says, and the keys ─────────┘
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import lru_cache, partial
from itertools import groupby

from rich.color import Color as Ink
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.app import App, ComposeResult
from textual.containers import Horizontal, Vertical
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Static

from appliance.panel.desk import COLUMN, Mark, Status
from appliance.panel.lamps import NETWORK_LAMPS, NOTE_LAMPS, seen
from appliance.panel.mock import Mock
from appliance.values import Button, Doubled, Gesture, Knob, Voice

DRAWN = 4096  # pieces of a picture that are remembered: some hundred recur, and a window changes its size
PRESS = 0.12  # s that a key presses a button for
GOODBYE = 1.0  # s that Textual may take to leave
WIDE, TALL = 76, 19  # columns and lines below which the case would be cut
SMALL = f"Make the window larger: the panel needs {WIDE} columns and {TALL} lines. The music plays on; the keys work."

Colour = tuple[int, int, int]
GROUND: Colour = (13, 15, 20)
CASE: Colour = (22, 25, 33)
LENS: Colour = (44, 42, 44)
AMBER: Colour = (255, 170, 60)
WHITE: Colour = (226, 236, 255)
FAINT: Colour = (52, 58, 72)
NAME: Colour = (110, 118, 138)

# Payments warm, offers cool, what is rare in between: one colour for each voice that has notes of its own.
INKS: dict[Voice, Colour] = {
    Voice.BELL: (255, 184, 90),
    Voice.GLASS: (250, 220, 170),
    Voice.PLUCK: (110, 190, 230),
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
    """A widget that is drawn in pixels, and anew only when there is something new to see."""

    drawn: object = None

    def show(self, what: object) -> None:
        """Draw `what` at the next chance, unless it is what is there."""
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
    """A lamp that looks `step` of STEPS bright: a lens, and the light that it throws on the case."""
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
    """The nine lamps, as bright as the pins are lit."""

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
    """What the lamps are called, each name below its own."""

    drawn: tuple[tuple[str, ...], tuple[str, ...]] = (), ()

    def render_lines(self, crop: object) -> list[Strip]:
        """The one line, a segment for each word and each space: pictures of the screen then keep them apart."""
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
    """How far from the left the lamps begin, and how wide the gap before the network's is."""
    room = width - NOTE_LAMPS * NOTE_CELL - NETWORK_LAMPS * NETWORK_CELL
    gap = min(6, max(0, room))
    return max(0, (room - gap) // 2), gap


# --- knobs --------------------------------------------------------------------------------------------------

TURN = math.radians(300)  # from end to end, as a potentiometer turns


@lru_cache(DRAWN)
def dial(step: int, width: int, height: int) -> Pixels:
    """A knob that stands at `step` hundredths: its scale, lit up to the pointer."""
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

    def __init__(self, knob: Knob, mock: Mock) -> None:
        super().__init__(classes="dial")
        self._knob, self._mock = knob, mock

    drawn: int = 0  # where it stands, in hundredths

    def pixels(self, width: int, height: int) -> Pixels:
        """The dial."""
        return dial(self.drawn, width, height)

    def on_mouse_scroll_up(self) -> None:
        """Turn it right."""
        self._mock.turn(self._knob, 1)

    def on_mouse_scroll_down(self) -> None:
        """Turn it left."""
        self._mock.turn(self._knob, -1)


class Key(Static):
    """A button: down as long as the mouse is."""

    def __init__(self, button: Button, mock: Mock) -> None:
        super().__init__(button.name, classes="key")
        self._button, self._mock = button, mock

    def press(self, *, down: bool) -> None:
        """Press it, or let it go."""
        self.set_class(down, "down")
        self._mock.press(self._button, down=down)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Press."""
        self.capture_mouse()
        self.press(down=True)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """Let go, wherever the mouse is by now."""
        self.release_mouse()
        self.press(down=False)


# --- the score ----------------------------------------------------------------------------------------------


class Score(Picture):
    """The notes of the last seconds; now is at the right."""

    drawn: tuple[Mark, ...] = ()

    def pixels(self, width: int, height: int) -> Pixels:
        """A roll: time to the left, pitch upwards; a head as bright as the note is loud, and a tail."""
        rows = [[GROUND] * width for _ in range(height)]
        for mark in sorted(self.drawn, key=lambda mark: mark.voice is not Voice.PAD):  # chords lie below
            row = round((1.0 - mark.height) * (height - 1))
            head = width - 1 - round(mark.age / COLUMN)
            tail = min(width - 1, head + int(min(mark.length, mark.age) / COLUMN))
            for column in range(max(0, head), tail + 1):
                fade = 1.0 if mark.voice is Voice.PAD else math.exp(-(column - head) / 5.0)
                share = (0.5 + 0.5 * mark.loud) * fade * (0.2 + 0.8 * column / width)
                ink = INKS.get(mark.voice, WHITE)
                rows[row][column] = mix(rows[row][column], ink, round(share * STEPS) / STEPS)
        return rows


class Said(Static):
    """The last line that anybody said on this terminal: the log's."""

    def on_print(self, event: events.Print) -> None:
        """Show it."""
        if text := event.text.strip():
            self.update(text.splitlines()[-1])


# --- the whole ----------------------------------------------------------------------------------------------


class Screen(App[None]):
    """The panel in a terminal.

    `status` says what there is to show; `post` takes what no single press of a case does, and `leave` is called by
    whoever wants to go.
    """

    TITLE = "Stellar Wind"
    FRAMES = 20  # a second: a terminal's glow needs no more, and a laptop's fan must not hear of it
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { background: rgb(13,15,20); color: rgb(150,158,176); }
    #state { height: 1; padding: 0 2; }
    #score { height: 1fr; min-height: 3; margin: 0 2; }
    #case { height: auto; background: rgb(22,25,33); margin: 0 1; padding: 0 1; }
    #lamps { height: 4; }
    #names { height: 1; }
    #hands { height: 7; padding-top: 1; align: center top; }
    .knob { width: 18; height: 6; }
    .dial { height: 5; width: 10; margin: 0 4; }
    .says { text-align: center; width: 18; }
    #keys { width: 34; height: 5; padding: 1 0; align: center middle; }
    .key { width: 13; height: 3; margin: 0 2; content-align: center middle;
           background: rgb(40,45,57); color: rgb(200,206,220); }
    .key.down { background: rgb(255,170,60); color: rgb(20,16,10); }
    #said { height: auto; min-height: 1; max-height: 2; padding: 0 2; color: rgb(190,150,110); }
    #legend { height: 1; padding: 0 2; color: rgb(92,99,116); }
    #small { display: none; height: 1fr; padding: 1 2; color: rgb(255,184,90); }
    .small > * { display: none; }
    .small > #state, .small > #small, .small > #said { display: block; }
    """
    LEGEND = "↑↓ volume  ←→ tempo  n network  m mute  N M hold  s sleep  k keep  q end"

    def __init__(
        self,
        status: Callable[[], Status],
        mock: Mock,
        post: Callable[[Gesture], None],
        leave: Callable[[], None],
    ) -> None:
        super().__init__()
        self._ask, self._mock, self._post, self._leave = status, mock, post, leave
        self._told: dict[Static, str] = {}

    def compose(self) -> ComposeResult:
        """The parts, from top to bottom."""
        self._state, self._said = Static(id="state"), Said(id="said", markup=False)
        self._score, self._lamps, self._names = Score(id="score"), LampRow(id="lamps"), Names(id="names")
        self._dials = {knob: Dial(knob, self._mock) for knob in Knob}
        self._says = {knob: Static(classes="says") for knob in Knob}
        self._keys = {button: Key(button, self._mock) for button in Button}
        yield self._state
        yield self._score
        with Vertical(id="case"):
            yield self._lamps
            yield self._names
            with Horizontal(id="hands"):
                yield self._knob(Knob.VOLUME)
                yield Horizontal(*self._keys.values(), id="keys")
                yield self._knob(Knob.TEMPO)
        yield Static(SMALL, id="small")
        yield self._said
        yield Static(self.LEGEND, id="legend", markup=False)

    def _knob(self, knob: Knob) -> Vertical:
        return Vertical(self._dials[knob], self._says[knob], classes="knob")

    def on_mount(self) -> None:
        """Begin to draw, and to hear what else is said on this terminal."""
        self.begin_capture_print(self._said)
        self._draw()
        # The screen's timer, not the application's: that one runs on for a moment after the last screen has gone.
        self.screen.set_interval(1 / self.FRAMES, self._draw)

    async def action_quit(self) -> None:
        """Textual's own key for it."""
        self._leave()

    # --- eyes -----------------------------------------------------------------------------------------------

    def _draw(self) -> None:
        status = self._ask()
        self._score.show(status.score)
        self._lamps.show(tuple(round(seen(light) * STEPS) for light in self._mock.lit))
        self._names.show(tuple(tuple(label for label, _ in row) for row in (status.notes, status.networks)))
        self._dials[Knob.VOLUME].show(round(100 * status.volume))
        self._dials[Knob.TEMPO].show(round(100 * status.tempo_position))
        self.screen.set_class(self.size.width < WIDE or self.size.height < TALL, "small")
        self._tell(self._state, headline(status, self.size.width - 4))
        self._tell(self._says[Knob.VOLUME], "muted" if status.muted else f"volume {status.volume:.0%}")
        self._tell(self._says[Knob.TEMPO], f"tempo {status.tempo:.0f}")

    def _tell(self, where: Static, text: str) -> None:
        if self._told.get(where) != text:
            self._told[where] = text
            where.update(text)

    # --- hands ----------------------------------------------------------------------------------------------

    def on_key(self, event: events.Key) -> None:
        """What a key stands for."""
        event.stop()
        match event.key:
            case "up" | "down":
                self._mock.turn(Knob.VOLUME, 1 if event.key == "up" else -1)
            case "right" | "left":
                self._mock.turn(Knob.TEMPO, 1 if event.key == "right" else -1)
            case "n":
                self._press(Button.NETWORK)
            case "m":
                self._press(Button.MUTE)
            case "N" | "M":
                key = self._keys[Button.NETWORK if event.key == "N" else Button.MUTE]
                key.press(down=not key.has_class("down"))
            case "s":  # no timer of a busy terminal presses twice in time
                self._post(Doubled(Button.MUTE))
            case "k":
                self._post(Doubled(Button.NETWORK))
            case "q" | "ctrl+c":
                self._leave()

    def _press(self, button: Button) -> None:
        self._keys[button].press(down=True)
        self.set_timer(PRESS, partial(self._keys[button].press, down=False))


def headline(status: Status, width: int) -> str:
    """The line at the top: what plays, and how, as far as there is room for it."""
    loud = "silent" if status.level < -90 else f"{status.level:.0f} dB"
    facts = ["no sound card"] * status.silent + [f"{status.notes_a_minute} notes a minute", loud]
    if status.lag is not None:
        facts.append(f"{status.lag:.1f} s behind")
    while facts and len(status.words) + len(" · ".join(facts)) + 2 > width:
        facts.pop()
    right = " · ".join(facts)
    words = status.words if len(status.words) <= width else f"{status.words[: width - 1]}…"
    gap = " " * max(0, width - len(words) - len(right))
    return f"[b rgb(255,184,90)]{words}[/]{gap}[rgb(110,118,138)]{right}[/]"


@asynccontextmanager
async def showing(
    status: Callable[[], Status],
    mock: Mock,
    post: Callable[[Gesture], None],
    leave: Callable[[], None],
) -> AsyncIterator[None]:
    """Show the desk while in the `with`, and leave the terminal as it was found."""
    screen = Screen(status, mock, post, leave)

    async def run() -> None:
        try:
            await screen.run_async()
        finally:  # also where it failed, and has said why: nobody could see or press anything any more
            leave()

    task = asyncio.create_task(run())
    try:
        yield
    finally:
        screen.exit()
        _, running = await asyncio.wait([task], timeout=GOODBYE)
        for late in running:
            late.cancel()
