# SPDX-License-Identifier: Apache-2.0
"""Virtual time: an event loop whose clock is the sound, and a card that plays a block whenever the loop would wait.

Nothing of the box is changed. Its main thread and its performer's thread run in turn: where the main thread has nothing
to do until some moment, the performer computes the next block instead. So a day of the box takes as long as its sound
takes to compute, and its timers, fades and back-offs keep their seconds. Threads, files, sockets and the listener's
process are real; nothing waits for the listener.

    main thread   │ callbacks ── select ─┐               ┌─ the clock is a block further, callbacks ── select ─┐
    performer     │                      └─ write, compute ┘                                                     └─ ...
"""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.sound import SAMPLE_RATE
from appliance.sound.outputs.speaker import OutputStatus

LEAVING = 0.01  # s of each step of the clock once there is no more sound
Check = Callable[[NDArray[np.float32], float], None]


class Card:
    """An output that takes a block each time it is stepped, and calls `check` with it and its moment in seconds."""

    latency = 0.128  # s, as a card's
    status = OutputStatus("a card of virtual time", "", 0, latency)

    def __init__(self, check: Check) -> None:
        self.seconds = 0.0  # played so far: the clock
        self._check = check
        self._written, self._wanted = threading.Semaphore(0), threading.Semaphore(0)
        self._closed = threading.Event()

    def write(self, samples: NDArray[np.float32]) -> None:
        """Take a block, and wait until the next one is due. The performer's thread."""
        self._check(samples, self.seconds)
        self.seconds += len(samples) / SAMPLE_RATE
        self._written.release()
        self._wanted.acquire()

    def close(self) -> None:
        """Mark the end of the sound. The performer's thread."""
        self._closed.set()
        self._written.release()

    def step(self) -> float:
        """Play a block. Returns the seconds to wait for files, 0 while there are blocks. The main thread."""
        if self._closed.is_set():
            self.seconds += LEAVING  # the clock goes on for the tasks that still have to end
            return LEAVING
        if self.seconds:
            self._wanted.release()
        self._written.acquire()
        return 0.0


class _Selector(selectors.DefaultSelector):
    """Polls for files that are ready and never waits: the card is stepped instead."""

    step: Callable[[], float] = staticmethod(lambda: 0.0)

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        return super().select(self.step())


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock is a card's."""

    def __init__(self, card: Card) -> None:
        self._card = card
        selector = _Selector()
        super().__init__(selector)
        selector.step = card.step

    def time(self) -> float:
        """Seconds that the card has played."""
        return self._card.seconds
