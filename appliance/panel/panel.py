# SPDX-License-Identifier: Apache-2.0
"""The panel: one thread that reads the buttons 120 times a second, and the knobs as often while they are turned.

At rest it reads the knobs 30 times a second. It writes 60 frames of the lamps a second while they change, and 15 of
them at rest, in which a change that is neither a note nor a press is seen.

The music neither waits for the panel nor ends with it. A part that cannot be opened, or that fails, is logged once and
tried again every minute; the other parts continue. Gestures are posted to the main thread.

              opened                     raises, or cannot be opened: logged once
    AWAY ──────────────▶ THERE ───────────────────────────────────────────────────▶ AWAY, for a minute
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

RETRY = 60.0  # s between two attempts to open a part
LATE = 0.1  # s of delay after which the thread skips the missed readings
IDLE = 0.5  # s between two turns of the loop when no part is there
# At rest: samples of the loop from one reading of the knobs to the next, and from one frame of the lamps to the next.
KNOBS_REST, LAMPS_REST = 4, 8
CALM = 0.5  # s without a move after which the knobs are at rest


class _Part(Protocol):
    """A part of the panel. Every method can raise anything."""

    name: str
    without: str  # the consequence for the owner when it is away

    def open(self, board: Board) -> None: ...

    def turn(self, seconds: float) -> Iterable[Gesture]: ...

    def close(self) -> None: ...


class _Knobs:
    name, without = "knobs", "Volume and tempo stay as they are"

    def __init__(self, wiring: Wiring) -> None:
        self._encoders = wiring.knobs == "encoders"
        self._logged: set[str] = set()  # faults since the knobs were without one
        self._faulty = -math.inf  # when there was a fault last, s

    def open(self, board: Board) -> None:
        self._device = board.knobs()
        self._filter: Encoders | Potentiometers = Encoders() if self._encoders else Potentiometers()
        self._read = self._moved = -math.inf  # when, s

    def turn(self, seconds: float) -> Iterable[Gesture]:
        if seconds - self._moved > CALM and not _passed(KNOBS_REST, self._read, seconds):
            return ()
        self._read = seconds
        gestures = self._filter.see(self._device.read(), seconds)
        if self._filter.moving:
            self._moved = seconds
        if fault := self._fault():
            self._faulty = seconds
            if fault not in self._logged:
                self._logged.add(fault)
                log.warning("%s. %s.", fault, self.without)
        elif self._logged and seconds - self._faulty >= RETRY:  # a loose wire comes and goes
            self._logged.clear()
            log.info("The knobs work again.")
        return gestures

    def _fault(self) -> str:
        if self._filter.dead:
            return "The converter of the knobs does not answer: check its power and its wires"
        loose = " and ".join(knob.value for knob in self._filter.floating)
        return loose and f"The wiper of the {loose} knob is not connected: check its wire"

    def close(self) -> None:
        self._device.close()


class _Buttons:
    name, without = "buttons", "Presses have no effect"

    def __init__(self, lamps: Lamps) -> None:
        self._lamps = lamps

    def open(self, board: Board) -> None:
        self._device = board.buttons()
        self._presses = {button: PressClassifier(button) for button in Button}
        self._down: set[Button] = set()
        self._stuck: set[Button] = set()

    def turn(self, seconds: float) -> Iterable[Gesture]:
        gestures = []
        read = self._device.read()
        if not any(read.values()) and all(press.idle for press in self._presses.values()):
            return ()
        for button, down in read.items():
            press = self._presses[button]
            gestures += press.see(down, seconds)
            self._light(button, press.held(seconds), seconds)
            if press.stuck and button not in self._stuck:
                log.warning("The %s button is stuck: it is ignored until it is released.", button.value)
            (self._stuck.add if press.stuck else self._stuck.discard)(button)
        return gestures

    def _light(self, button: Button, held: float, seconds: float) -> None:
        """Confirm a press with the lamps at once; its classification takes longer."""
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
        self._duties: list[float] = []  # of the last frame
        self._changing = True  # it was another than the one before
        self._shone = -math.inf  # when, s

    def turn(self, seconds: float) -> Iterable[Gesture]:
        if not _passed(2, self._shone, seconds):
            return ()
        # A frame is visible until the next one, so it shows the middle of that time.
        middle = seconds + 1 / SAMPLES
        if self._changing or self._lamps.lively(middle) or _passed(LAMPS_REST, self._shone, seconds):
            duties = [duty(level) for level in self._lamps.levels(middle)]
            self._changing, self._duties, self._shone = duties != self._duties, duties, seconds
            self._device.shine(duties)
        return ()

    def close(self) -> None:
        self._device.close()


def _passed(samples: int, since: float, seconds: float) -> bool:
    """Whether so many samples of the loop have passed. Half of one less, so that no rounding costs a whole one."""
    return seconds - since > (samples - 0.5) / SAMPLES


class Panel:
    """Knobs, buttons and lamps.

    `board` opens the pins, and can raise NoPanel. `post` is called with each gesture, on the panel's thread.
    """

    def __init__(
        self, board: Callable[[], Board], wiring: Wiring, lamps: Lamps, post: Callable[[Gesture], object]
    ) -> None:
        self._open_board, self._post = board, post
        knobs: list[_Part] = [] if wiring.knobs == "none" else [_Knobs(wiring)]
        self._away: list[_Part] = [*knobs, _Buttons(lamps), _Leds(lamps)]
        self._there: list[_Part] = []
        self._board: Board | None = None
        self._retry_at = -math.inf  # when the parts that are away are tried next, s
        self._missed: set[str] = set()  # the parts that were logged as away
        self._says = ""  # the pin factory, as it was logged
        self._stop, self._read = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="panel", daemon=True)

    # --- the thread -----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def looked(self, within: float) -> bool:
        """Wait for the first reading of the knobs, at most `within` seconds. Returns whether it was attempted."""
        return self._read.wait(within)

    def close(self) -> None:
        """Turn the lamps off, release the pins, and end the thread."""
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
            self.turn(time.monotonic())  # not `due`, so that a late frame shows the present
            if not self._read.is_set():
                self._read.set()
            now = time.monotonic()
            due = max(due + (1 / SAMPLES if self._there else IDLE), now - LATE)
            # `sleep` costs a tenth of `wait`, which is used for the long pause, because `close` interrupts it.
            (time.sleep if self._there else self._stop.wait)(max(0.0, due - now))
        self.release()

    def turn(self, seconds: float) -> None:
        """One turn of the loop: every part once. Raises nothing."""
        for part in tuple(self._there):
            self._turn(part, seconds)
        if self._away and seconds >= self._retry_at:
            self._retry_at = seconds + RETRY
            self._open(seconds)

    def _turn(self, part: _Part, seconds: float) -> bool:
        try:
            gestures = part.turn(seconds)
        except Exception as error:
            self._retry_at = seconds + RETRY
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
        """Close everything that is open; the lamps go out."""
        for part in tuple(self._there):
            self._close(part)
        if self._board:
            with suppress(Exception):  # the pins can be gone
                self._board.close()
            self._board = None

    # --- opening and closing parts --------------------------------------------------------------------------

    def _open(self, seconds: float) -> None:
        """Try to open the parts that are away. A part that opens but cannot be read stays away."""
        if not self._there:
            self.release()  # the pins themselves can be what failed
        try:
            self._board = self._board or self._open_board()
        except NoPanel as error:
            self._miss(
                "panel", f"There is no panel: {error}. The music plays on; the panel is tried every minute."
            )
            return
        if self._board.says != self._says or "panel" in self._missed:
            self._says = self._board.says
            self._found("panel", f"The panel is there: {self._says}.")
        for part in tuple(self._away):
            try:
                part.open(self._board)
            except Exception as error:
                self._miss(part.name, self._sentence(part, error))
            else:
                self._away.remove(part)
                self._there.append(part)
                if self._turn(part, seconds) and part.name in self._missed:
                    self._found(part.name, f"The {part.name} work again.")

    def _lose(self, part: _Part, error: Exception) -> None:
        self._miss(part.name, self._sentence(part, error))
        forget(error)
        self._close(part)

    def _close(self, part: _Part) -> None:
        self._there.remove(part)
        self._away.append(part)
        with suppress(Exception):  # as above
            part.close()

    def _sentence(self, part: _Part, error: Exception) -> str:
        reason = str(error) if isinstance(error, NoPanel) else why(error)
        return f"The {part.name} do not work: {reason}. {part.without}; they are tried every minute."

    def _miss(self, name: str, sentence: str) -> None:
        if name not in self._missed:
            self._missed.add(name)
            log.warning("%s", sentence)

    def _found(self, name: str, sentence: str) -> None:
        self._missed.discard(name)
        log.info("%s", sentence)
