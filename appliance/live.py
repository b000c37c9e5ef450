# SPDX-License-Identifier: Apache-2.0
"""The live performance: the loop of performance.py on a thread of its own, at the pace of its output.

The performer's thread reads the controls, plays, and posts what it has played to the main thread; it waits for nothing
else. If it fails, it posts that too, and the box ends.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Protocol

import numpy as np

from appliance.performance import Block, Performance
from appliance.settings import Settings
from appliance.sound import SAMPLE_RATE
from appliance.sound.outputs import Output
from appliance.sound.outputs.pipe import Pipe
from appliance.sound.outputs.speaker import OutputStatus, Speaker
from appliance.sound.performer import Instrument, Part, Performer
from appliance.sound.polyphony import PolyphonyLimiter
from appliance.sound.realtime import hurry
from appliance.values import Controls, Passage

log = logging.getLogger(__name__)

SWITCH = 0.0005  # s; the performer waits at most this long for another thread's bytecode
QUARTER = 0.25  # s, time constant of the level


class LiveOutput(Output, Protocol):
    """An output with a status."""

    @property
    def status(self) -> OutputStatus:
        """Which card plays, or why none does. Can be read from any thread."""


def speaker(settings: Settings) -> LiveOutput:
    """The sound card or the pipe that the settings name, or the best card."""
    sound = settings.sound
    if sound.pipe:
        return Pipe(sound.pipe, latency=sound.latency / 1000)
    return Speaker(sound.device, latency=sound.latency / 1000, block=sound.block_size)


class LivePerformance:
    """Plays `part` into `output` with what `controls` gives.

    `played` is called on the main thread with each passage in which something happens, the moment at which it begins to
    be heard, by the loop's clock, and the second of the audio clock at which it ends; `failed` with an error that ended
    the performance. `sampled` is called on the performer's thread for each block, with what gives its samples.
    """

    def __init__(
        self,
        part: Part,
        instrument: Instrument,
        polyphony: int,
        output: LiveOutput,
        controls: Callable[[], Controls],
        *,
        played: Callable[[Passage, float, float], None],
        failed: Callable[[BaseException], None],
        sampled: Callable[[Callable[[], bytes]], None] = lambda _: None,
    ) -> None:
        self._output, self.block = output, instrument.block / SAMPLE_RATE  # s
        self._played, self._failed, self._sampled = played, failed, sampled
        self._power = 0.0  # mean square of what sounds
        performer = Performer(part, instrument, PolyphonyLimiter(polyphony))
        self._performance = Performance(performer, output, controls, [self._observe])

    @property
    def seconds(self) -> float:
        """How much has been played. Any thread."""
        return self._performance.seconds

    @property
    def level(self) -> float:
        """How loud it is now, in dB below full scale. Any thread."""
        return 10 * float(np.log10(self._power + 1e-12))

    @property
    def output_status(self) -> OutputStatus:
        """How its output is. Any thread."""
        return self._output.status

    def leave(self) -> None:
        """Fade out and end. Any thread."""
        self._performance.leave()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Play while in the `with`; then fade out."""
        # What exists by now stays for good: the collector never needs to look at it again.
        gc.collect()
        gc.freeze()
        gc.enable()
        sys.setswitchinterval(SWITCH)
        # The performer waits for this thread while that has the interpreter lock, so also while it has no processor.
        hurry()
        self._loop = asyncio.get_running_loop()
        thread = threading.Thread(target=self._run, name="performer")
        thread.start()
        try:
            yield
        finally:
            self.leave()
            await asyncio.to_thread(thread.join)

    def _run(self) -> None:
        hurry()
        try:
            self._performance.play()
            self._output.close()
        except BaseException as error:
            self._post(self._failed, error)

    def _observe(self, block: Block) -> None:
        power = float(np.vdot(block.samples, block.samples)) / block.samples.size
        self._power += (power - self._power) * min(1.0, self.block / QUARTER)
        self._sampled(block.samples.tobytes)
        passage = block.passage
        if not passage.seconds:
            log.debug("The first block is out.")
        if passage.notes or passage.bed or passage.ledgers or passage.release:
            heard = self._loop.time() + block.heard_in
            self._post(self._played, passage, heard, passage.seconds + self.block)

    def _post(self, call: Callable[..., None], *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: the box has ended
            self._loop.call_soon_threadsafe(call, *arguments)
