# SPDX-License-Identifier: Apache-2.0
"""The panel: one thread that looks at knobs and buttons 120 times a second, and draws 60 frames of the lamps.

The one rule: music never waits for the panel, and never ends with it. A part that cannot be opened, or that fails, is
said once, left alone for a minute and tried again; the others go on. What hands do is posted to the main thread.

              opened                     raises, or cannot be opened: said once
    AWAY ──────────────▶ THERE ──────────────────────────────────────────────────▶ AWAY, for a minute
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Protocol

from appliance.panel.buttons import TIMINGS, PressClassifier
from appliance.panel.gpio import Board, NoPanel, forget, why
from appliance.panel.knobs import SAMPLES, Encoders, Potentiometers
from appliance.panel.lamps import Lamps, duty
from appliance.panel.pins import Wiring
from appliance.values import Button, Gesture

log = logging.getLogger(__name__)

AGAIN = 60.0  # s between two attempts at a part that is away
LATE = 0.1  # s behind at which the thread gives up the lost looks
IDLE = 0.5  # s between two looks when no part is there


class _Part(Protocol):
    """What the panel is made of. Any method may raise anything."""

    name: str
    without: str  # what its loss means for the owner

    def open(self, board: Board) -> None: ...

    def turn(self, seconds: float) -> Iterable[Gesture]: ...

    def close(self) -> None: ...


class _Knobs:
    name, without = "knobs", "Volume and tempo stay as they are"

    def __init__(self, wiring: Wiring) -> None:
        self._encoders = wiring.knobs == "encoders"
        self._said: set[str] = set()  # what ails them, since they were well
        self._ailed = -math.inf  # when something did last, s

    def open(self, board: Board) -> None:
        self._device = board.knobs()
        self._hands: Encoders | Potentiometers = Encoders() if self._encoders else Potentiometers()

    def turn(self, seconds: float) -> Iterable[Gesture]:
        gestures = self._hands.see(self._device.read(), seconds)
        if ails := self._examined():
            self._ailed = seconds
            if ails not in self._said:
                self._said.add(ails)
                log.warning("%s. %s.", ails, self.without)
        elif self._said and seconds - self._ailed >= AGAIN:  # a loose wire comes and goes
            self._said.clear()
            log.info("The knobs are well again.")
        return gestures

    def _examined(self) -> str:
        if self._hands.dead:
            return "The converter of the knobs says nothing: look at its power and its wires"
        loose = " and ".join(knob.value for knob in self._hands.floating)
        return loose and f"The wiper of the {loose} knob is not connected: look at its wire"

    def close(self) -> None:
        self._device.close()


class _Buttons:
    name, without = "buttons", "Presses are not heard"

    def __init__(self, lamps: Lamps) -> None:
        self._lamps = lamps

    def open(self, board: Board) -> None:
        self._device = board.buttons()
        self._presses = {button: PressClassifier(button) for button in Button}
        self._down: set[Button] = set()
        self._stuck: set[Button] = set()

    def turn(self, seconds: float) -> Iterable[Gesture]:
        gestures = []
        for button, down in self._device.read().items():
            press = self._presses[button]
            gestures += press.see(down, seconds)
            self._answer(button, press.held(seconds), seconds)
            if press.stuck and button not in self._stuck:
                log.warning("The %s button is stuck: it means nothing until it is let go.", button.value)
            (self._stuck.add if press.stuck else self._stuck.discard)(button)
        return gestures

    def _answer(self, button: Button, held: float, seconds: float) -> None:
        """Light answers a finger at once; what the press means may take a moment to be known."""
        if held and button not in self._down:
            self._lamps.press(seconds)
        (self._down.add if held else self._down.discard)(button)
        if button is Button.MUTE:
            self._lamps.held = min(1.0, held / TIMINGS[button].hold)

    def close(self) -> None:
        self._lamps.held = 0.0
        self._device.close()


class _Leds:
    name, without = "lamps", "They stay dark"

    def __init__(self, lamps: Lamps) -> None:
        self._lamps = lamps

    def open(self, board: Board) -> None:
        self._device = board.leds()
        self._odd = False

    def turn(self, seconds: float) -> Iterable[Gesture]:
        self._odd = not self._odd
        if self._odd:
            # A frame is seen until the next: it shows the middle of that time.
            self._device.shine([duty(level) for level in self._lamps.levels(seconds + 1 / SAMPLES)])
        return ()

    def close(self) -> None:
        self._device.close()


class Panel:
    """Knobs, buttons and lamps, as far as they are there.

    `board` opens the pins, and may raise NoPanel; `post` takes each gesture, on the panel's thread.
    """

    def __init__(
        self, board: Callable[[], Board], wiring: Wiring, lamps: Lamps, post: Callable[[Gesture], object]
    ) -> None:
        self._open_board, self._post = board, post
        knobs: list[_Part] = [] if wiring.knobs == "none" else [_Knobs(wiring)]
        self._away: list[_Part] = [*knobs, _Buttons(lamps), _Leds(lamps)]
        self._there: list[_Part] = []
        self._board: Board | None = None
        self._again = -math.inf  # when what is away is tried, s
        self._missed: set[str] = set()  # what is known to be away
        self._says = ""  # how the pins are driven, as was said
        self._stop, self._looked = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="panel", daemon=True)

    # --- the thread -----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def looked(self, within: float) -> bool:
        """Wait for the first look, at most `within` seconds: then the knobs have been read, if they can be."""
        return self._looked.wait(within)

    def close(self) -> None:
        """Put the lamps out, let go of the pins, and end the thread."""
        self._stop.set()
        self._thread.join()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the thread while in the `with`."""
        self.start()
        try:
            yield
        finally:
            await asyncio.to_thread(self.close)

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            self.turn(time.monotonic())  # not `due`: who is late shows what is now
            self._looked.set()
            due = max(due + (1 / SAMPLES if self._there else IDLE), time.monotonic() - LATE)
            self._stop.wait(due - time.monotonic())
        self.release()

    def turn(self, seconds: float) -> None:
        """Look at everything once. Raises nothing."""
        for part in tuple(self._there):
            self._look(part, seconds)
        if self._away and seconds >= self._again:
            self._again = seconds + AGAIN
            self._reach(seconds)

    def _look(self, part: _Part, seconds: float) -> bool:
        try:
            gestures = part.turn(seconds)
        except Exception as error:
            self._again = seconds + AGAIN
            self._lose(part, error)
            return False
        self._pass_on(gestures)
        return True

    def _pass_on(self, gestures: Iterable[Gesture]) -> None:
        for gesture in gestures:
            try:
                self._post(gesture)
            except Exception:
                log.exception("The gesture %s was lost.", gesture)

    def release(self) -> None:
        """Let go of all that is open; the lamps go out."""
        for part in tuple(self._there):
            self._let_go(part)
        if self._board:
            with suppress(Exception):  # pins that have gone cannot be let go of
                self._board.close()
            self._board = None

    # --- what is there, and what is not ---------------------------------------------------------------------

    def _reach(self, seconds: float) -> None:
        """Open what is away, as far as it can be. What opens but does not answer is not there."""
        if not self._there:
            self.release()  # the pins themselves may be what failed
        try:
            self._board = self._board or self._open_board()
        except NoPanel as error:
            self._miss(
                "panel", f"There is no panel: {error}. The music plays on, and it is tried every minute."
            )
            return
        if self._board.says != self._says or "panel" in self._missed:
            self._says = self._board.says
            self._find("panel", f"The panel is there: {self._says}.")
        for part in tuple(self._away):
            try:
                part.open(self._board)
            except Exception as error:
                self._miss(part.name, self._sentence(part, error))
            else:
                self._away.remove(part)
                self._there.append(part)
                if self._look(part, seconds) and part.name in self._missed:
                    self._find(part.name, f"The {part.name} answer again.")

    def _lose(self, part: _Part, error: Exception) -> None:
        self._miss(part.name, self._sentence(part, error))
        forget(error)
        self._let_go(part)

    def _let_go(self, part: _Part) -> None:
        self._there.remove(part)
        self._away.append(part)
        with suppress(Exception):  # as above
            part.close()

    def _sentence(self, part: _Part, error: Exception) -> str:
        reason = str(error) if isinstance(error, NoPanel) else why(error)
        return f"The {part.name} do not answer: {reason}. {part.without}; they are tried every minute."

    def _miss(self, name: str, sentence: str) -> None:
        if name not in self._missed:
            self._missed.add(name)
            log.warning("%s", sentence)

    def _find(self, name: str, sentence: str) -> None:
        self._missed.discard(name)
        log.info("%s", sentence)
