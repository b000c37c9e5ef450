# SPDX-License-Identifier: Apache-2.0
"""The output of the box that plays live: whatever becomes of the cards, the music goes on, and is heard again.

The one rule: nothing that a card does is done on the performer's thread. A thread of its own opens, feeds and closes
it, and the performer only hands blocks over; where nobody takes them it keeps its pace without. So a card that hangs
in any call can stop its own thread, but not the music, nor the watchdog's idea of it.

                 ┌──────── no card, or it fails: look again every RETRY ────────┐
    looking ─open▶ fade in ─▶ playing ─┴─ a better card can be opened ─▶ fade out ─▶ the better one
                       ▲                                                                  │
                       └──────────────────────────────────────────────────────────────────┘
    a card that hangs is closed and opened again; if that has not helped within GIVE_UP, `write` raises, and the box
    ends with exit code 1: systemd starts it anew.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Full, Queue
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from appliance.sound import SAMPLE_RATE
from appliance.sound.outputs import CardHangs, NoSoundCard
from appliance.sound.outputs.alsa import Alsa
from appliance.sound.outputs.cards import AUTO, Choice, choices, look
from appliance.sound.outputs.silent import Silent

log = logging.getLogger(__name__)

HELD = 2  # blocks on their way: one waits, one is being written
RETRY = 0.7  # s between two looks for a card while there is none
LOOK = 1.0  # s between two looks for a better one
REFUSED = 30.0  # s until a better one that could not be opened is tried again
FADE = 0.25  # s, in and out
HANDED = 0.5  # s that the performer waits for room before it goes on without
GIVE_UP = 15.0  # s without a sign of life
SETTLED = 15.0  # s that a card must have played before its return, or its next loss, is news
STORM = 5  # underruns: within TEN seconds the buffer is too small, within ONE the card is ill
TEN, ONE = 10.0, 1.0  # s


@dataclass(frozen=True, slots=True)
class OutputStatus:
    """How an output stands, for whoever shows it."""

    card: str  # what plays, in words; empty while nothing does
    why: str  # nothing plays, in a sentence; empty while something does
    underruns: int  # times that a card ran dry, since the start
    latency: float  # s

    def __str__(self) -> str:
        if not self.card:
            return self.why
        dry = f", ran dry {self.underruns} times" if self.underruns else ""
        return f"on {self.card}{dry}"


class Device(Protocol):
    """An open card."""

    latency: float

    def write(self, samples: NDArray[np.float32]) -> int:
        """Take a block, and return how often the card had run dry."""

    def process(self) -> None:
        """Wait until everything is heard."""

    def close(self) -> None:
        """Let go, at once."""


class Fade:
    """A straight line from one level to another, for the blocks of one listener. Pure."""

    def __init__(self) -> None:
        self.level = 0.0

    def apply(self, samples: NDArray[np.float32], target: float) -> NDArray[np.float32]:
        """The block on its way to `target`, 0 or 1, which is reached FADE seconds after it was left for."""
        if self.level == target == 1.0:
            return samples
        frames = np.arange(1, len(samples) + 1, dtype=np.float32) / np.float32(FADE * SAMPLE_RATE)
        line = np.clip(self.level + (frames if target > self.level else -frames), 0.0, 1.0)
        self.level = float(line[-1])
        faded: NDArray[np.float32] = samples * line[:, None].astype(np.float32)
        return faded


class Underruns:
    """Counts how often a card ran dry, and tells a busy moment from a storm. Pure."""

    def __init__(self) -> None:
        self.count = 0
        self._times: deque[float] = deque(maxlen=STORM)

    def add(self, seconds: float, dry: int) -> None:
        """Take note of `dry` more of them, at a moment of any clock."""
        self.count += dry
        self._times.extend([seconds] * min(dry, STORM))

    def storm(self, within: float) -> bool:
        """Whether the last STORM of them came within so many seconds."""
        return len(self._times) == STORM and self._times[-1] - self._times[0] < within

    def calm(self) -> None:
        """Begin anew: what came until now has been answered."""
        self._times.clear()


class Speaker:
    """Plays on `device` (an ALSA name, or AUTO for the best card there is) with about `latency` seconds of sound held.

    `open_` opens a card by its name and with a buffer of so many seconds; `find` names the cards worth opening.
    """

    def __init__(
        self,
        device: str,
        *,
        latency: float,
        block: int,
        open_: Callable[[str, float], Device] = lambda device, latency: Alsa(device, latency=latency),
        find: Callable[[], list[Choice]] = lambda: choices(look()),
    ) -> None:
        fixed = [Choice(device, repr(device))]
        self._find = find if device == AUTO else lambda: fixed
        self._open = open_
        self._held = HELD * block / SAMPLE_RATE
        self._buffer = max(latency - self._held, self._held)
        self._silent = Silent()
        self._blocks: Queue[NDArray[np.float32] | None] = Queue(maxsize=HELD - 1)
        self._card: Device | None = None  # what takes blocks now
        self._words, self._why = "", "No card has been looked for yet."
        self._said: set[str] = set()  # why there is no sound, since there was
        self._underruns, self._doubled = Underruns(), False
        self._filled = 0.0  # when the card began to be filled anew
        self._refused: dict[str, float] = {}  # when a better card may be tried again, by its device
        self._signs = 0  # of life, from the card's thread
        self._seen = 0  # of those
        self._nowhere = 0.0  # s since then
        self._wrote = time.monotonic()
        self._vain = False  # the last block found no taker
        self._failure: BaseException | None = None
        self._leaving = threading.Event()
        self._tried = threading.Event()
        self._thread = threading.Thread(target=self._run, name="card", daemon=True)
        self._thread.start()
        self._tried.wait(1.0)  # s: the first block should be heard, if it can be

    # --- the performer's side -------------------------------------------------------------------------------

    @property
    def latency(self) -> float:
        """Seconds from `write` to the ear, by now."""
        card = self._card
        return card.latency + self._held if card else self._silent.latency

    @property
    def status(self) -> OutputStatus:
        """How it stands. Any thread."""
        return OutputStatus(self._words, self._why, self._underruns.count, self.latency)

    def write(self, samples: NDArray[np.float32]) -> None:
        """Hand a block over, in a card's time or, without one, in time all the same. Raises CardHangs."""
        if self._failure:
            raise self._failure
        self._mind()
        if self._card:
            try:
                self._blocks.put(samples.copy(), timeout=0.0 if self._vain else HANDED)
                self._vain = False
                return
            except Full:
                self._vain = True
        self._silent.write(samples)

    def _mind(self) -> None:
        """Give up on a card's thread that shows no sign of life. A machine that slept is no reason to."""
        now = time.monotonic()
        self._nowhere += min(now - self._wrote, 1.0)
        self._wrote = now
        if self._signs != self._seen:
            self._seen, self._nowhere = self._signs, 0.0
        if self._nowhere > GIVE_UP:
            raise CardHangs(
                f"The sound card has hung for {GIVE_UP:.0f} s and opening it again did not help; "
                "if starting the box anew does not either, unplug the card."
            )

    def close(self) -> None:
        """Let everything be heard, if the card is willing."""
        self._leaving.set()
        if self._card:
            with suppress(Full):
                self._blocks.put(None, timeout=HANDED)
        self._thread.join(self.latency + 1.0)

    # --- the card's thread ----------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            playing = None
            while not self._leaving.is_set():
                playing = playing or self._best(self._find())
                if playing:
                    playing = self._play(*playing)
                if not playing:
                    self._tried.set()
                    self._leaving.wait(RETRY)
        except BaseException as error:  # the performer raises it
            self._failure = error
        finally:
            self._tried.set()

    def _best(self, found: list[Choice]) -> tuple[Choice, Device] | None:
        """The first card that can be opened."""
        why = NoSoundCard(
            "There is no sound card that anybody would hear: plug one in, or name it in sound.device."
        )
        for choice in found:
            try:
                return choice, self._open(choice.device, self._buffer)
            except NoSoundCard as error:
                why = error
        self._signs += 1
        self._lost(why)
        return None

    def _play(self, choice: Choice, card: Device) -> tuple[Choice, Device] | None:
        """Play on an open card until it fails, or until it has faded out for a better one: that is returned, open."""
        better, again = None, False
        fade, began = Fade(), time.monotonic()
        self._filled = began
        looked, told = began, False
        self._clear()
        self._card, self._words, self._why = card, choice.words, ""
        latency = self.latency  # of a full buffer
        self._tried.set()
        try:
            while (better is None or fade.level > 0.0) and (samples := self._blocks.get()) is not None:
                dry = card.write(fade.apply(samples, 0.0 if better else 1.0))
                now = time.monotonic()
                if dry:
                    self._ran_dry(dry, now)
                if now - began > 1.0 + card.latency:
                    self._signs += 1
                if not told and (not self._said or now - began > SETTLED):
                    told = True
                    self._said.clear()
                    log.info("Playing on %s with %.0f ms of latency.", choice.words, latency * 1000)
                if better is None and now - looked > LOOK:
                    looked, better = now, self._better(choice, now)
            card.process()
        except _Again:
            again = True
        except NoSoundCard as error:
            if not isinstance(error, CardHangs):
                self._signs += 1
            self._lost(error)
        finally:
            self._card, self._words = None, ""
            self._clear()
            card.close()
        return better or (self._best([choice]) if again else None)

    def _better(self, choice: Choice, now: float) -> tuple[Choice, Device] | None:
        """A card that is preferred to what plays, and open. Raises NoSoundCard if nobody hears what plays any more."""
        for other in self._find():
            if other == choice:
                return None
            if now >= self._refused.get(other.device, 0.0):
                try:
                    return other, self._open(other.device, self._buffer)
                except NoSoundCard:
                    self._refused[other.device] = now + REFUSED
        raise NoSoundCard(f"Nobody hears {choice.words} any more.")

    def _ran_dry(self, dry: int, now: float) -> None:
        """Count underruns; in a storm, open the card anew: with a larger buffer once, and then in mere hope."""
        self._underruns.add(now, dry)
        # One that is dry before it can have played what it was given would take the music faster than time.
        self._leaving.wait(max(0.0, self._filled + self._buffer - now))
        self._filled = time.monotonic()
        if self._doubled:
            if self._underruns.storm(max(ONE, STORM * self._buffer)):
                self._underruns.calm()
                raise NoSoundCard("The sound card runs dry whatever it is given.")
        elif self._underruns.storm(TEN):
            self._underruns.calm()
            self._doubled = True
            self._buffer *= 2
            log.warning(
                "The sound card keeps running dry: from now on %.0f ms more are held ready.",
                self._buffer * 500,
            )
            raise _Again

    def _lost(self, error: NoSoundCard) -> None:
        """Say why there is no sound, if that is news."""
        self._why = str(error)
        if self._why not in self._said:
            self._said.add(self._why)
            log.warning("%s The box plays on in silence until a card does.", self._why)

    def _clear(self) -> None:
        """Forget what waits: it is of the past, and who hands it over should not have to wait either."""
        with suppress(Empty):
            while True:
                self._blocks.get_nowait()


class _Again(Exception):
    """The card has to be opened anew, at once."""
