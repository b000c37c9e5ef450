# SPDX-License-Identifier: Apache-2.0
"""The box: builds the parts, starts them in the order of a list, stops them in the reverse.

The one rule: sound first and last. The performer runs before anything else is tried, and nothing that goes wrong
elsewhere (no network, no card, a dead listener) ends it. Two places only join the threads: the amount queue, which the
main thread fills, and `Controls`, which the main thread replaces whole. The main thread's loop, but for `_perform`.

    start ─▶ turn down ─▶ panelling ─▶ performing ─▶ tell ─▶ feed ─▶ listen ─▶ survive ─▶ remembering ─▶ making
                 ─▶ showing ─▶ (until a signal) ─▶ fade, and back the same way
"""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from appliance import heap, state
from appliance.crashes import Crashes
from appliance.evening import Evening, Night
from appliance.hands import FASTEST, SLOWEST, Wish, obey
from appliance.journal import Notices
from appliance.keep import KEPT, Memory
from appliance.keepsakes import Keepsakes
from appliance.ledger.hearing import Hearing
from appliance.ledger.tape import Player, Tape, unfailing
from appliance.music.scenes import SCENES
from appliance.panel.desk import COLUMN, SCORE, Mark, Status, keys, show
from appliance.panel.gpio import FACTORIES, board, chosen, on_a_pi
from appliance.panel.lamps import LIGHT, NETWORK_LAMPS, NOTE_LAMPS, OPENING, Lamps, Shown
from appliance.panel.mock import Mock
from appliance.panel.panel import Panel
from appliance.power import WEAK, Supply, power_off
from appliance.render import composer, synth
from appliance.settings import Settings, networks
from appliance.sound import SAMPLE_RATE
from appliance.sound.outputs.speaker import Speaker
from appliance.sound.performer import FADE_OUT, Performer
from appliance.sound.relief import Relief
from appliance.values import (
    BoxError,
    Controls,
    Gesture,
    Knob,
    Ledger,
    Sounded,
    Voice,
)
from appliance.wall import Wall

log = logging.getLogger(__name__)

TICK = 0.1  # s between two looks at the recording, and at the evening
LOOK = 1.0  # s between two looks at what may be worth remembering
GOODBYE = 1.0  # s for the last of it to reach the disk
KNOBS = 3.0  # s that the first sound waits for the knobs to be read; a Zero 2 W needs most of it to import gpiozero
LIFE = 0.5  # s between two words to systemd, which waits for tens of seconds
Part = Callable[[], AbstractAsyncContextManager[None]]  # of the box: it runs while in the `with`
BED = (Voice.PAD, Voice.DRONE)  # no lamp, and no note for those who count


class Box:
    """A box that plays.

    `listener` is the command that starts a listener; without one only the recording plays. `reread` gives the settings
    as they are by now: SIGHUP asks for them. Of those only the scene is changed while the box plays. `folder` is where
    the little lies that survives a power cut; without one nothing does. `crashes` says what the last run left behind.
    `clock` is that of the loop.
    """

    def __init__(
        self,
        settings: Settings,
        recording: Tape,
        listener: Sequence[str] | None,
        reread: Callable[[], Settings] | None = None,
        folder: Path | None = None,
        crashes: Crashes | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._reread, self._clock = settings, reread, clock
        self._networks = list(networks(settings))
        self.controls = self._said = Controls(
            settings.volume, settings.tempo, settings.network, scene=settings.scene
        )
        self._state_file = folder and folder / "state.json"
        self._memory = Memory(settings)
        self.keepsakes = Keepsakes(self._memory, folder and folder / KEPT, settings.keep.format)
        self._crashes = crashes or Crashes(None)
        self._wall = Wall()
        self._evening = Evening(Night.between(**settings.night.model_dump()), settings.sound.loudest)
        last = self._restore()
        self._hearing = Hearing(
            Player(partial(unfailing, recording), loop=True),
            listener,
            self.controls.network,
            last,
            put=self._put,
            clock=lambda: self._performer.now.seconds,
        )
        self._lamps = Lamps(LIGHT[settings.panel.lamps])
        self._mock: Mock | None = None  # the panel, if it is one on the screen
        self._panel: Panel | None = None
        self._heard: deque[tuple[float, Sounded]] = deque(maxlen=1024)  # by the ear, in s of the loop's clock
        self._notices = Notices(os.environ)
        self._stop = asyncio.Event()
        self._failure: BaseException | None = None
        self._leaving = False
        self._supply, self._weak = Supply(), False
        self._power = 0.0  # mean square of what sounds now
        self._errand: asyncio.Task[None] | None = None

    def _restore(self) -> tuple[str, int] | None:
        """Take up how the controls were left; returns the network and the sequence of the last ledger."""
        left = state.read(self._state_file, state.decode) if self._state_file else None
        self._thrift = state.Thrift(left)
        if left:
            self.controls = state.restored(self._said, left, self._networks, SCENES)
        run, now = self._crashes.run, self._clock()
        if run.sleep and run.sleeps_at > now:
            self._evening.sleep((run.sleeps_at - now) / 60, now)
            self.controls = replace(self.controls, muted=run.muted, sleep=run.sleep)
        else:  # a timer that ran out while nothing played has muted the box
            self.controls = replace(self.controls, muted=run.muted or bool(run.sleep), sleep=0)
        return left.heard if left else None

    async def run(self, *, desk: bool) -> None:
        """Play until SIGINT or SIGTERM. `desk` shows the panel in the terminal. Raises what ended the performer."""
        heap.settle()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop)
        # In a terminal a hang-up is a hang-up.
        loop.add_signal_handler(signal.SIGHUP, self.stop if desk else self.reload)
        loop.add_signal_handler(signal.SIGUSR1, self.keepsakes.keep)
        self._mock = self._mocked(desk)
        self._look()  # the first sound is no louder than the hour allows
        parts = [self._beside(self._turn_down)]
        if self._mock or self._settings.panel.factory in (*FACTORIES, "auto" if on_a_pi() else ""):
            parts.append(self._panelling)
        parts.append(self._performing)
        if self._notices.wanted:
            parts.append(self._beside(self._tell))
        listen = partial(self._hearing.listen, quiet=desk)
        parts += [self._beside(work) for work in (self._feed, listen, self._survive)]
        if self._state_file:
            parts += [self._remembering, self._beside(self.keepsakes.making)]
        if desk:
            parts.append(self._showing)
        async with AsyncExitStack() as running:
            for part in parts:
                await running.enter_async_context(part())
            await self._stop.wait()
        if self._failure:
            raise self._failure

    def stop(self) -> None:
        """Begin to fade, and end. The main thread."""
        self._notices.say("STOPPING=1")
        self._leaving = True
        self._lamps.leave(self._clock())
        self._stop.set()

    def reload(self) -> None:
        """Take up the scene that the settings name by now. The main thread."""
        if not self._reread:
            log.info("Nothing is read again: in safe mode the settings do not count.")
            return
        try:
            scene = self._reread().scene
            self.controls, self._said = (replace(which, scene=scene) for which in (self.controls, self._said))
            log.info("Read the settings again: the scene is %s.", self.controls.scene)
        except BoxError as error:
            log.error("%s The box plays on with the settings that it had.", error)

    def obey(self, gesture: Gesture) -> None:
        """Do what a hand asks for. The main thread."""
        before, now = self.controls, self._clock()
        self.controls, wish = obey(before, gesture, self._networks)
        if self.controls.network != before.network:
            self._hearing.switch(self.controls.network)
        if self.controls.sleep != before.sleep:
            self._evening.sleep(self.controls.sleep, now)
            self._lamps.count(self.controls.sleep // 30, now)
        if wish is Wish.KEEP:
            self.keepsakes.keep()
        if wish is Wish.POWER_OFF:
            if self._mock:  # whoever plays with keys does not mean the computer that they sit at
                log.info("MUTE was held: here a box would switch its power off.")
            else:
                self._errand = asyncio.create_task(power_off(self._settings.panel.power_off))

    # --- the evening ----------------------------------------------------------------------------------------

    async def _turn_down(self) -> None:
        while True:
            self._look()
            await asyncio.sleep(TICK)

    def _look(self) -> None:
        now = self.controls
        seconds = self._clock()
        dim = self._evening.look(seconds, self._wall.minute(seconds), muted=now.muted)
        if dim.asleep:
            log.info("The sleep timer has run out: muted.")
            self.controls = replace(now, dim=dim.volume, muted=True, sleep=0)
        elif dim.volume != now.dim:
            self.controls = replace(now, dim=dim.volume)
        self._lamps.night = dim.light

    # --- the panel: its own thread --------------------------------------------------------------------------

    def _mocked(self, desk: bool) -> Mock | None:
        """A panel on the screen: where one is asked for, or where there is a screen for it and no other panel."""
        panel = self._settings.panel
        textual = find_spec("textual") is not None
        if panel.factory == "mock" or (panel.factory == "auto" and desk and textual and not on_a_pi()):
            return Mock(
                panel.wiring, {Knob.VOLUME: self.controls.volume, Knob.TEMPO: position(self.controls.tempo)}
            )
        return None

    @asynccontextmanager
    async def _panelling(self) -> AsyncIterator[None]:
        loop, panel = asyncio.get_running_loop(), self._settings.panel
        pins = panel.wiring
        name = chosen(panel.factory, pins)
        self._panel = Panel(
            self._mock.board if self._mock else partial(board, name, pins),
            pins,
            self._lamps,
            lambda gesture: loop.call_soon_threadsafe(self.obey, gesture),
        )
        self._panel.start()
        try:
            yield
        finally:
            await asyncio.to_thread(self._panel.close)

    def _light(self) -> None:
        """Tell the lamps how things stand."""
        now = self._clock()
        if self._performer.now.seconds < OPENING:
            self._lamps.tell(Shown.STARTING, now)
        elif self._weak:
            self._lamps.tell(Shown.TROUBLE, now)
        else:
            self._lamps.tell(self._shown() if self._output.standing.card else Shown.NO_CARD, now)
        self._lamps.muted = self.controls.muted
        self._lamps.chosen = min(NETWORK_LAMPS - 1, self._networks.index(self.controls.network))

    # --- performing: the performer's thread -----------------------------------------------------------------

    @asynccontextmanager
    async def _performing(self) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        performer = Performer(
            composer(self._settings), synth(self._settings), Relief(self._settings.sound.voices)
        )
        self._performer = performer
        self._output = self._open()
        if self._panel:  # the first sound is as loud as its knob says
            await asyncio.to_thread(self._panel.looked, KNOBS)
        # What was made so far stays for good: nothing of it need ever be looked at again by the collector.
        gc.collect()
        gc.freeze()
        sys.setswitchinterval(
            0.0005
        )  # s; the performer waits this long at most for another thread's bytecode
        thread = threading.Thread(
            target=self._perform, args=(performer, self._output, loop), name="performer"
        )
        thread.start()
        try:
            yield
        finally:
            self._leaving = True
            await asyncio.to_thread(thread.join)

    def _open(self) -> Speaker:
        sound = self._settings.sound
        return Speaker(sound.device, latency=sound.latency / 1000, block=sound.block)

    def _perform(self, performer: Performer, output: Speaker, loop: asyncio.AbstractEventLoop) -> None:
        try:
            sounded_yet = False
            farewell = round((FADE_OUT + 0.2) * SAMPLE_RATE / performer.synth.block)  # blocks
            self._lamps.begin(loop.time() + output.latency)
            while farewell > 0:
                leaving = self._leaving
                farewell -= leaving
                begun = self._memory.block(performer, self.controls, leaving=leaving)
                samples = performer.samples
                heard = loop.time() + output.latency
                for sounded in begun:
                    self._heard.append((heard, sounded))
                    if sounded.note.voice not in BED:
                        degree = performer.composer.scale.degree(sounded.note.pitch)
                        self._lamps.hit(degree, sounded.note.velocity, heard)
                # A time constant of a quarter of a second, near enough, at any block size.
                self._power += (float(np.vdot(samples, samples)) / samples.size - self._power) * 0.04
                output.write(samples, begun)
                if not sounded_yet:
                    log.debug("The first block is out.")
                    sounded_yet = True
            output.close()
        except BaseException as error:
            self._failure = error
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self.stop)

    # --- telling systemd ------------------------------------------------------------------------------------

    async def _tell(self) -> None:
        block = self._performer.synth.block / SAMPLE_RATE
        while True:
            # A block is counted when the output has taken the one before it: what hangs there is no life.
            words = f"{self._words()}; {self._output.standing}"
            self._notices.life(self._performer.now.seconds, block, words)
            await asyncio.sleep(LIFE)

    # --- feeding and listening ------------------------------------------------------------------------------

    async def _feed(self) -> None:
        self._hearing.begin()
        while True:
            self._hearing.play()
            self._light()
            self._memory.settle()
            await asyncio.sleep(TICK)

    def _put(self, ledger: Ledger) -> None:
        self._performer.composer.queue.put(ledger)

    # --- surviving a crash, and a power cut ------------------------------------------------------------------

    async def _survive(self) -> None:
        while True:
            if (weak := self._supply.weak(self._clock())) != self._weak:
                self._weak = weak
                log.warning(WEAK if weak else "The power supply gives enough again.")
            await self._crashes.keep(
                muted=self.controls.muted,
                sleep=self.controls.sleep,
                sleeps_at=self._evening.ends if self.controls.sleep else 0.0,
                sounded=self._performer.now.seconds,
            )
            await asyncio.sleep(LOOK)

    @asynccontextmanager
    async def _remembering(self) -> AsyncIterator[None]:
        async with self._running(self._remember()):
            yield
        with suppress(TimeoutError):
            if self._thrift.changed(self._state()) or self._hearing.last:
                async with asyncio.timeout(GOODBYE):
                    await self._save()

    async def _remember(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            if self._thrift.due(self._state(), clock()):
                await self._save()
            await asyncio.sleep(LOOK)

    async def _save(self) -> None:
        assert self._state_file  # noqa: S101 - `run` starts this part only with one
        now = self._state()
        error = await state.save(self._state_file, state.encode(now))
        self._thrift.tried(now, asyncio.get_running_loop().time(), written=error is None)
        if error:
            log.warning("Cannot remember where the knobs stand: %s. The box plays on.", error)

    def _state(self) -> state.State:
        return state.State(state.Stand.of(self._said), state.Stand.of(self.controls), self._hearing.last)

    # --- showing --------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _showing(self) -> AsyncIterator[None]:
        if self._mock and find_spec("textual"):
            from appliance.panel.screen import showing

            async with showing(self._status, self._mock, self.obey, self.stop):
                yield
        else:
            with keys(self.obey, self.stop):
                async with self._running(show(self._status)):
                    yield

    def _status(self) -> Status:
        now = asyncio.get_running_loop().time()
        scale = self._performer.composer.scale
        heard = [(at, sounded) for at, sounded in list(self._heard) if sounded.note.voice is not Voice.DRONE]
        notes = [(at, sounded) for at, sounded in heard if sounded.note.voice is not Voice.PAD]
        played = [sounded.note for at, sounded in notes if now - 60 < at <= now]
        waited = [note.waited for note in played[-8:] if note.amount]
        levels = self._lamps.levels(now)
        return Status(
            notes=tuple(zip(scale.names, levels[:NOTE_LAMPS], strict=False)),
            networks=tuple(zip(self._networks, levels[NOTE_LAMPS:], strict=False)),
            words=self._words(),
            notes_a_minute=len(played),
            lag=sum(waited) / len(waited) if waited else None,
            volume=self.controls.volume,
            tempo=self.controls.tempo,
            tempo_position=position(self.controls.tempo),
            muted=self.controls.muted,
            level=10 * float(np.log10(self._power + 1e-12)),
            silent=not self._output.standing.card,
            score=tuple(mark(sounded, at, now) for at, sounded in heard if now - SCORE < at <= now),
        )

    def _words(self) -> str:
        minutes = math.ceil(self._evening.left(self._clock())) if self.controls.sleep else 0
        return f"{self.controls.network}: {self._shown().value}" + (
            f", sleeps within {minutes} min" if minutes else ""
        )

    def _shown(self) -> Shown:
        if self._crashes.run.safe:
            return Shown.TROUBLE
        if self._hearing.live:
            return Shown.LIVE
        if self._hearing.unplugged:
            return Shown.SETUP
        return Shown.OFFLINE if self._hearing.away else Shown.CONNECTING

    # --- parts that run beside -------------------------------------------------------------------------------

    def _beside(self, work: Callable[[], Coroutine[Any, Any, None]]) -> Part:
        return lambda: self._running(work())

    @asynccontextmanager
    async def _running(self, work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
        """Run `work` beside what is in the `with`, and cancel it at the end."""
        task = asyncio.create_task(self._part(work))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _part(self, work: Coroutine[Any, Any, None]) -> None:
        """A part that fails ends the box, which whoever keeps it starts anew; half a box would play on for months."""
        try:
            await work
        except Exception as error:
            self._failure = self._failure or error
            self.stop()


def position(tempo: float) -> float:
    """Where the tempo's knob stands, 0 to 1."""
    return math.log(tempo / SLOWEST) / math.log(FASTEST / SLOWEST)


def mark(sounded: Sounded, at: float, now: float) -> Mark:
    """A note that was heard `at`, as the score on the screen draws it `now`, five octaves high."""
    note, age = sounded.note, (now // COLUMN - at // COLUMN) * COLUMN
    return Mark(age, min(1.0, max(0.0, (note.pitch - 36) / 60)), sounded.length, note.velocity, note.voice)
