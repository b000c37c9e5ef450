# SPDX-License-Identifier: Apache-2.0
"""The output of a live performance: the music goes on whatever the sound cards do, and returns with the next card.

The performer's thread makes no call of a card. The card's thread opens, feeds and closes it, and the performer only
puts blocks into a queue; if they are not taken, it goes on at the same pace without a card. So a card that hangs in a
call stops its own thread, but neither the music nor the notices to systemd's watchdog.

                 ┌──────── no card, or it fails: search again every RETRY s ─────┐
    search ─open─▶ fade in ─▶ playing ─┴─ a better card has been opened ─▶ fade out ─▶ the better one
                       ▲                                                                  │
                       └──────────────────────────────────────────────────────────────────┘

    it takes no sound for HANGS s          it is closed and opened again, after every other card
    a call does not return for GIVE_UP s   its thread is abandoned, and another one searches; the abandoned one closes
                                           the card and ends when the call returns. At most ABANDONED threads wait so
    a better card does not open            it is opened on a thread of its own, so that the other one plays on
    it takes sound faster than time        it has no clock ("null", a file), and is fed by the computer's
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from appliance.sound import SAMPLE_RATE, outputs
from appliance.sound.outputs import CardHangs, NoSoundCard
from appliance.sound.outputs.alsa import Alsa
from appliance.sound.outputs.cards import AUTO, Choice, choices, look
from appliance.sound.outputs.silent import AHEAD, Silent
from appliance.sound.realtime import hurry

log = logging.getLogger(__name__)

QUEUED = 2  # blocks between the performer and the card, at least: one in the queue, one that is being written
RETRY = 0.7  # s between two searches for a card while there is none
CHECK = 1.0  # s between two searches for a better one
REFUSED = 30.0  # s until a better one that could not be opened is tried again
FADE = 0.25  # s, in and out
GIVE_UP = 15.0  # s without a heartbeat of the card's thread
ABANDONED = 3  # threads
HUNG = 600.0  # s for which any other card is preferred to one that hung
SETTLED = 15.0  # s that a card must have played before its next loss is logged again
BURST = 5  # underruns: within SMALL seconds the buffer is too small, within FAULTY the card is faulty
SMALL, FAULTY = 10.0, 1.0  # s
# A card with a clock never takes SPARE s of sound more than its buffer holds, within WINDOW s.
SPARE, WINDOW = 0.5, 10.0


@dataclass(frozen=True, slots=True)
class OutputStatus:
    """The status of an output."""

    card: str  # the card that plays, in words; empty if there is none
    why: str  # why there is none, in a sentence; empty if there is one
    underruns: int  # of all cards since the start
    latency: float  # s


class Device(Protocol):
    """An open card."""

    latency: float

    def rest(self, frames: int) -> None:
        """If it is full, so that a block of so many frames does not fit, sleep until it has room for a burst."""

    def write(self, samples: NDArray[np.float32]) -> int:
        """Take a block, and return how often the card had run dry."""

    def drain(self) -> None:
        """Wait until everything is heard."""

    def close(self) -> None:
        """Close it at once."""


class Fade:
    """A linear fade over consecutive blocks. Pure."""

    def __init__(self) -> None:
        self.level = 0.0

    def apply(self, samples: NDArray[np.float32], target: float) -> NDArray[np.float32]:
        """The next block, faded towards `target`, 0 or 1, which is reached within FADE seconds."""
        if self.level == target == 1.0:
            return samples
        frames = np.arange(1, len(samples) + 1, dtype=np.float32) / np.float32(FADE * SAMPLE_RATE)
        line = np.clip(self.level + (frames if target > self.level else -frames), 0.0, 1.0)
        self.level = float(line[-1])
        faded: NDArray[np.float32] = samples * line[:, None].astype(np.float32)
        return faded


class Underruns:
    """Counts underruns, and recognizes many within a short time. Pure."""

    def __init__(self) -> None:
        self.count = 0
        self._times: deque[float] = deque(maxlen=BURST)

    def add(self, seconds: float, dry: int) -> None:
        """Count `dry` more, at a moment of any clock."""
        self.count += dry
        self._times.extend([seconds] * min(dry, BURST))

    def burst(self, within: float) -> bool:
        """Whether the last BURST of them came within so many seconds."""
        return len(self._times) == BURST and self._times[-1] - self._times[0] < within

    def reset(self) -> None:
        """Forget when they came; their count stays."""
        self._times.clear()


class Taken:
    """Notices a device that takes sound faster than it can be heard. Pure.

    Only within WINDOW seconds, because no card's crystal agrees with the computer's for a day.
    """

    def __init__(self, now: float, buffer: float) -> None:
        self._since, self._seconds, self._most = now, 0.0, buffer + SPARE

    def too_fast(self, now: float, seconds: float) -> bool:
        """Whether the device has taken more than a clock allows, with these seconds of sound until `now`."""
        if now - self._since > WINDOW:
            self._since, self._seconds = now, 0.0
        self._seconds += seconds
        return self._seconds > now - self._since + self._most


class Blocks:
    """At most `size` blocks between two threads.

    Once it is full it takes none until it is empty, so that the thread that fills it wakes once for all of them.
    """

    def __init__(self, size: int) -> None:
        self._size, self._full, self._ended = size, False, False
        self._blocks: deque[NDArray[np.float32]] = deque()
        self._changed = threading.Condition()

    def put(self, block: NDArray[np.float32], timeout: float) -> bool:
        """Append a block. False if there was no room for it within `timeout` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._full, timeout):
                return False
            self._blocks.append(block)
            self._full = len(self._blocks) == self._size
            if len(self._blocks) == 1:
                self._changed.notify_all()
            return True

    def end(self) -> None:
        """No block comes any more."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def get(self) -> NDArray[np.float32] | None:
        """Wait for the next block; None after the last one."""
        with self._changed:
            self._changed.wait_for(lambda: self._blocks or self._ended)
            if not self._blocks:
                return None
            block = self._blocks.popleft()
            self._emptied()
            return block

    def clear(self) -> int:
        """Drop all blocks, and return how many there were."""
        with self._changed:
            dropped = len(self._blocks)
            self._blocks.clear()
            self._emptied()
            return dropped

    def _emptied(self) -> None:
        if not self._blocks:
            self._full = False
            self._changed.notify_all()


class Speaker:
    """Plays on `device` (an ALSA name, or AUTO for the best card) with a latency of about so many seconds.

    `open_` opens a card by its name with a buffer of so many seconds; `find` returns the cards to try, best first.
    `patience` is how many seconds `write` waits for room in the queue before it drops a block and goes on without the
    card.
    """

    def __init__(
        self,
        device: str,
        *,
        latency: float,
        block: int,
        open_: Callable[[str, float], Device] = lambda device, latency: Alsa(device, latency=latency),
        find: Callable[[], list[Choice]] = lambda: choices(look()),
        patience: float = 0.5,
    ) -> None:
        self._patience = patience
        fixed = [Choice(device, repr(device))]
        self._find = find if device == AUTO else lambda: fixed
        self._open = open_
        self._block = block / SAMPLE_RATE  # s
        # A burst, so that neither thread wakes for each block; of a short latency a third, the rest is the card's.
        self._blocks = max(QUEUED, min(outputs.BURST, round(latency * SAMPLE_RATE / 3)) // block)
        queued = self._blocks * self._block
        self._buffer = max(latency - queued, queued)
        self._put = 0  # blocks that were given to the card's thread
        self._silent = Silent()
        self._history = History()
        self._seen = 0  # heartbeats of the card's thread
        self._missing = 0.0  # s since the last one
        self._wrote = time.monotonic()
        self._full = False  # the last block found no room in the queue
        self._abandoned: list[CardThread] = []
        self._thread = self._search("The box has not searched for a sound card yet.")
        self._thread.tried.wait(1.0)  # s, so that the first block is heard if there is a card

    def _search(self, why: str) -> CardThread:
        """A thread that searches for a card. `why` says until then why there is none."""
        thread = CardThread(self._open, self._find, self._buffer, self._blocks, self._history, why)
        self._put = 0
        thread.start()
        return thread

    @property
    def latency(self) -> float:
        """Seconds from `write` until it is heard, at present."""
        thread = self._thread
        if not thread.card:
            return self._silent.latency
        taken, heard = thread.heard
        return max(0.0, heard + (self._put - taken) * self._block - time.monotonic())

    @property
    def status(self) -> OutputStatus:
        """How it is now. Any thread."""
        thread = self._thread
        return OutputStatus(thread.words, thread.why, self._history.underruns.count, self._full_latency)

    @property
    def _full_latency(self) -> float:
        """Seconds that the buffer and the queue hold when they are full."""
        thread = self._thread
        return thread.buffer + self._blocks * self._block if thread.card else AHEAD

    def write(self, samples: NDArray[np.float32]) -> None:
        """Pass a block to the card, at its pace; without a card, return at the same pace."""
        self._check_heartbeat()
        thread = self._thread
        if thread.failure:
            raise thread.failure
        if thread.card:
            self._full = not thread.blocks.put(samples.copy(), 0.0 if self._full else self._patience)
            if not self._full:
                self._put += 1
                return
        self._silent.write(samples)

    def _check_heartbeat(self) -> None:
        """Give the card's thread up if it has hung for GIVE_UP s, not counting a suspended machine."""
        now, thread = time.monotonic(), self._thread
        self._missing += min(now - self._wrote, 1.0)
        self._wrote = now
        if thread.beats != self._seen:
            self._seen, self._missing = thread.beats, 0.0
        if self._missing <= GIVE_UP:
            return
        self._missing = 0.0
        thread.lost(
            CardHangs(
                f"The sound card {thread.device!r} has hung for {GIVE_UP:.0f} s; if it does not return by itself, "
                "unplug it."
            )
        )
        self._history.refused[thread.device] = now + HUNG
        self._abandoned = [each for each in self._abandoned if each.is_alive()]
        if len(self._abandoned) < ABANDONED:
            thread.abandon()
            self._abandoned.append(thread)
            self._thread, self._seen = self._search(thread.why), 0

    def close(self) -> None:
        """Wait until everything is heard, if the card does not hang."""
        thread = self._thread
        thread.leave()
        thread.join(self._full_latency + 2 * self._patience)


class History:
    """What a card's thread leaves to the next one."""

    def __init__(self) -> None:
        self.underruns = Underruns()
        # When a card can be preferred to another one again, by its device.
        self.refused: dict[str, float] = {}
        self.logged: set[str] = set()  # why there was no card, since one has played
        self.opening: Opening | None = None


class Opening(threading.Thread):
    """Opens the card of `choice` while another one plays, because the call can hang. One at a time."""

    def __init__(self, open_: Callable[[str, float], Device], choice: Choice, buffer: float) -> None:
        super().__init__(name="opening", daemon=True)
        self._open, self._buffer = open_, buffer
        self.choice, self.card = choice, Future[Device]()
        self.left = False

    def run(self) -> None:
        """Open the card, and close it if it is not wanted any more."""
        try:
            card = self._open(self.choice.device, self._buffer)
        except BaseException as error:  # it is raised where the card is asked for
            with suppress(InvalidStateError):
                self.card.set_exception(error)
            return
        try:
            self.card.set_result(card)
        except InvalidStateError:
            card.close()

    def leave(self) -> None:
        """Close the card, as soon as it is open. The card's thread."""
        left, self.left = self.left, True
        if not left and not self.card.cancel() and self.card.exception() is None:
            self.card.result().close()


class CardThread(threading.Thread):
    """Searches for a card and plays `blocks` on it, until `leaving` is set and they have ended.

    The performer's thread reads the other attributes.
    """

    def __init__(
        self,
        open_: Callable[[str, float], Device],
        find: Callable[[], list[Choice]],
        buffer: float,
        queued: int,
        history: History,
        why: str,
    ) -> None:
        super().__init__(name="card", daemon=True)
        self._open, self._find, self._buffer, self._history = open_, find, buffer, history
        self._queued = queued  # blocks, with the one that is being written
        self.blocks = Blocks(queued)
        self.card: Device | None = None  # that takes blocks now
        self.buffer = buffer  # s, of the card, as granted
        # How many blocks it has taken, and when all that it wrote of them has been heard, s of the monotonic clock.
        self.heard = (0, 0.0)
        self.device = ""  # that was called last
        self.words, self.why = "", why
        self.beats = 0  # heartbeats
        self.failure: BaseException | None = None
        self.leaving, self.tried = threading.Event(), threading.Event()
        self._doubled = False
        self._filling = 0.0  # when the card's buffer was last empty
        self._hung = ""  # the last device that took no sound, until it has
        self._given_up = False

    def leave(self) -> None:
        """End once everything is played. The performer's thread."""
        self.leaving.set()
        self.blocks.end()

    def abandon(self) -> None:
        """End as soon as the call that hangs returns. The performer's thread."""
        self._given_up = True
        self.leave()  # it may just have returned, and wait for the next block

    def run(self) -> None:
        """Play until told to leave."""
        hurry()
        try:
            playing = None
            while not self.leaving.is_set():
                playing = playing or self._best(self._find())
                if playing:
                    playing = self._play(*playing)
                if not playing:
                    self.tried.set()
                    self.leaving.wait(RETRY)
        except _Abandoned:
            pass
        except BaseException as error:  # the performer raises it
            self.failure = error
        finally:
            self.tried.set()

    def _opened(self, device: str) -> Device:
        """A card, open. Raises NoSoundCard."""
        self.device = device
        card = self._open(device, self._buffer)
        if self._given_up:
            card.close()
            raise _Abandoned
        return card

    def _best(self, found: list[Choice]) -> tuple[Choice, Device] | None:
        """The first card that can be opened; those that hung come last."""
        why = NoSoundCard(
            "There is no sound card that can be heard; plug one in, or name one in sound.device."
        )
        now = time.monotonic()
        for choice in sorted(found, key=lambda each: now < self._history.refused.get(each.device, 0.0)):
            try:
                return choice, self._opened(choice.device)
            except NoSoundCard as error:
                why = error
        self.beats += 1
        self.lost(why)
        return None

    def _play(self, choice: Choice, card: Device) -> tuple[Choice, Device] | None:
        """Play on an open card until it fails, or until it has faded out for a better one, which is returned, open."""
        better, again = None, False
        fade, began = Fade(), time.monotonic()
        self._filling = began
        checked, logged = began, False
        taken, clock = Taken(began, card.latency), None
        self._drop()
        self.buffer = latency = card.latency
        self.card, self.device = card, choice.device
        if choice.device != self._hung:
            self.words, self.why = choice.words, ""
        self.tried.set()
        try:
            while (better is None or fade.level > 0.0) and (samples := self.blocks.get()) is not None:
                try:
                    dry = card.write(fade.apply(samples, 0.0 if better else 1.0))
                finally:  # a block that the card refuses is not waiting any more either
                    now = time.monotonic()
                    self.heard = self.heard[0] + 1, now + card.latency
                if self._given_up:
                    raise _Abandoned
                if dry:
                    self._ran_dry(dry, now)
                if clock is None and taken.too_fast(now, len(samples) / SAMPLE_RATE):
                    clock = Silent()
                    log.info(
                        "%s has no clock; it gets the sound at the pace of the computer's.", choice.words
                    )
                if clock:
                    clock.write(samples)
                if now - began > 1.0 + card.latency:
                    self.beats += 1
                    self._hung, self.words, self.why = "", choice.words, ""
                if not logged and (not self._history.logged or now - began > SETTLED):
                    logged = True
                    self._history.logged.clear()
                    total = latency + self._queued * len(samples) / SAMPLE_RATE
                    log.info("Playing on %s with %.0f ms of latency.", choice.words, total * 1000)
                if better is None and now - checked > CHECK:
                    checked, better = now, self._better(choice, now)
                card.rest(len(samples))
            card.drain()
        except _Reopen:
            again = True
        except NoSoundCard as error:
            self.beats += 1
            if isinstance(error, CardHangs):
                self._hung = choice.device
                self._history.refused[choice.device] = time.monotonic() + HUNG
            self.lost(error)
        finally:
            if better is None and self._history.opening and not self._given_up:  # else it is another thread's
                self._history.opening.leave()
            self.card, self.words = None, ""
            self._drop()
            card.close()
            if better and self._given_up:  # nothing will play on it
                better[1].close()
        return better or (self._best([choice]) if again else None)

    def _better(self, choice: Choice, now: float) -> tuple[Choice, Device] | None:
        """A card that is preferred to `choice`, once it is open. Raises NoSoundCard if `choice` has no listener."""
        if opening := self._history.opening:
            if opening.is_alive():
                return None
            self._history.opening = None
            if not opening.left:
                try:
                    return opening.choice, opening.card.result()
                except NoSoundCard:
                    self._history.refused[opening.choice.device] = now + REFUSED
        for other in self._find():
            if other == choice:
                return None
            if now >= self._history.refused.get(other.device, 0.0):
                self._history.opening = Opening(self._open, other, self._buffer)
                self._history.opening.start()
                return None
        raise NoSoundCard(f"There is no sound from {choice.words} any more: the card or its monitor is gone.")

    def _ran_dry(self, dry: int, now: float) -> None:
        """Count underruns; after a burst of them open the card again, the first time with twice the buffer."""
        self._history.underruns.add(now, dry)
        # A card that is dry before its buffer can have been played would take blocks faster than real time.
        self.leaving.wait(max(0.0, self._filling + self._buffer - now))
        self._filling = time.monotonic()
        if self._doubled:
            if self._history.underruns.burst(max(FAULTY, BURST * self._buffer)):
                self._history.underruns.reset()
                raise NoSoundCard("The sound card runs dry again and again.")
        elif self._history.underruns.burst(SMALL):
            self._history.underruns.reset()
            self._doubled = True
            self._buffer *= 2
            log.warning(
                "The sound card keeps running dry; its buffer is now %.0f ms longer.", self._buffer * 500
            )
            raise _Reopen

    def lost(self, error: NoSoundCard) -> None:
        """Log why there is no sound, once until a card has played again."""
        self.words, self.why = "", str(error)
        if self.why not in self._history.logged:
            self._history.logged.add(self.why)
            log.warning("%s The box plays on without sound until there is a card.", self.why)

    def _drop(self) -> None:
        """Drop the blocks in the queue: they are of the past, and the performer can wait for room."""
        self.heard = self.heard[0] + self.blocks.clear(), time.monotonic()


class _Reopen(Exception):
    """The card has to be opened again at once."""


class _Abandoned(Exception):
    """The performer has given this thread up."""
