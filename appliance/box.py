# SPDX-License-Identifier: Apache-2.0
"""The box: builds its parts, starts them in the order of a list, and stops them in reverse.

Sound has priority: no fault elsewhere (no network, no card, a listener that exits) stops it. This is the only file that
knows all the parts. Threads exchange data only here, in these ways:

    main ─▶ performer     `console.controls`, replaced whole     Inbox.put, a deque        `leave`, a flag
    performer ─▶ main     call_soon_threadsafe(passage)          `level`, `seconds`: numbers that are read
                          call_soon_threadsafe(samples), if a client of the control socket listens
    panel ─▶ main         call_soon_threadsafe(gesture)
    main ─▶ panel         Lamps: values that are replaced whole, and a lock around looking
    performer ─▶ card     Speaker: a queue of four blocks        its `status`, replaced whole
    main ─▶ file writer   run_in_thread: a call, and a future that it sets
    main ─▶ performer     `Interlude.play`, a value that is replaced whole
    any ─▶ main           a line of the log, for clients of the control socket: call_soon_threadsafe(line)
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.console import Console
from appliance.control import SOCKET, ControlServer
from appliance.gestures import tempo_position
from appliance.host import malloc
from appliance.host.clock import WallClock
from appliance.host.power import power_off
from appliance.host.systemd import SystemdNotifier
from appliance.interlude import Interlude, Programme
from appliance.ledger.feed.feed import Feed
from appliance.ledger.feed.inbox import Inbox
from appliance.ledger.tape import Tape, TapePlayer, with_fallback
from appliance.live import LiveOutput, LivePerformance, speaker
from appliance.music.composition import Composition
from appliance.music.scales import ROOTS, Scale
from appliance.music.scenes import SCENES
from appliance.panel.lamps import LIGHT, Lamps
from appliance.panel.pins import on_a_pi
from appliance.parts import composition, synth
from appliance.saved import files
from appliance.saved.crashes import Crashes
from appliance.saved.exporter import KEPT, Exporter
from appliance.saved.state import STATE, Saver, State, decode
from appliance.score.files import Score, open_packed
from appliance.score.history import History
from appliance.score.player import ScorePart
from appliance.settings import Settings, networks
from appliance.sound import SAMPLE_RATE
from appliance.values import Controls, Gesture, Knob, Passage

if TYPE_CHECKING:
    from appliance.panel.panel import Panel

TICK = 0.1  # s between two updates of the dimming and of the lamps
CHECK = 1.0  # s between two saves of what the next run needs after a crash
LIFE = 0.5  # s between two notices to systemd, whose watchdog waits for tens of seconds
LONGEST_TITLE = 300  # characters of a piece
KNOBS = 10.0  # s that the box stays silent for a panel that hangs; a Zero 2 W needs three to import gpiozero

log = logging.getLogger(__name__)

Part = AbstractAsyncContextManager[None]  # of the box: it runs while in the `with`


@dataclass(frozen=True, slots=True)
class Start:
    """How a box is started. Without a `listener` it plays `music` alone; without a folder it saves nothing."""

    music: Tape | Score  # a score, or what plays without a network
    named: bool = False  # `music` was named on the command line
    listener: Sequence[str] | None = None  # the command for one
    state_dir: Path | None = None
    runtime_dir: Path | None = None  # for the control socket
    beside: Sequence[Callable[[], Part]] = ()  # programs that run as long as the box does
    terminal: Callable[[Callable[[], None]], Part] | None = (
        None  # shows the panel; calls back when it is closed
    )
    version: str = ""


def has_panel(settings: Settings) -> bool:
    """Whether there are pins for a panel."""
    return on_a_pi() if settings.panel.pin_factory == "auto" else settings.panel.pin_factory != "none"


def new_panel(
    settings: Settings, controls: Controls, lamps: Lamps, post: Callable[[Gesture], object]
) -> Panel:
    """The panel of the case, on the pins that the settings name. Any thread."""
    # Here, because gpiozero takes a small board seconds: no box without pins needs it, and no first sound waits for it.
    from appliance.panel.gpio import board, chosen
    from appliance.panel.mock import Mock
    from appliance.panel.panel import Panel

    panel = settings.panel
    if panel.pin_factory == "mock":
        positions = {Knob.VOLUME: controls.volume, Knob.TEMPO: tempo_position(controls.tempo)}
        pins = Mock(panel.wiring, positions).board
    else:
        pins = partial(board, chosen(panel.pin_factory, panel.wiring), panel.wiring)
    return Panel(pins, panel.wiring, lamps, post)


class Box:
    """A box that plays.

    `reread` gives the settings as they are now, for SIGHUP; only the scene changes while the box plays. `crashes` says
    how the last runs ended. `clock` is the loop's; `output` opens where the sound goes, `panel` makes the panel.
    """

    def __init__(
        self,
        settings: Settings,
        start: Start,
        *,
        reread: Callable[[], Settings] | None = None,
        crashes: Crashes | None = None,
        clock: Callable[[], float] = time.monotonic,
        output: Callable[[Settings], LiveOutput] = speaker,
        panel: Callable[[Settings, Controls, Lamps, Callable[[Gesture], object]], Panel] = new_panel,
    ) -> None:
        self._settings, self._start, self._clock, self._output = settings, start, clock, output
        self._new_panel = panel
        self._reread, self._crashes = reread, crashes or Crashes(None)
        self._lamps, self._wall, self._inbox = Lamps(LIGHT[settings.panel.lamps]), WallClock(), Inbox()
        self._saved = files.read(start.state_dir / STATE, decode) if start.state_dir else None
        self.console = Console(
            settings,
            list(networks(settings)),
            self._lamps,
            clock,
            saved=self._saved,
            run=self._crashes.run,
            version=start.version,
            playing=str(start.music.path) if start.named else "",
        )
        self._history = History(start.version)
        kept = start.state_dir / KEPT if start.state_dir else None
        self._exporter = Exporter(self._history.last, kept, settings.keep.format)
        self.console.keep, self.console.play = self._exporter.keep, self._play
        self._feed = None if isinstance(start.music, Score) else self._new_feed(start.music)
        self._server: ControlServer | None = None
        self._notifier = SystemdNotifier(os.environ)
        self._live: LivePerformance | None = None
        self._stop, self._failure = asyncio.Event(), list[BaseException]()

    def _new_feed(self, recording: Tape) -> Feed:
        feed = Feed(
            TapePlayer(partial(with_fallback, recording), loop=True),
            self._start.listener,
            self.console.controls.network,
            self._saved.last_ledger if self._saved else None,
            put=self._inbox.put,
            clock=lambda: self.console.seconds,
        )
        self.console.switch = feed.switch
        self.console.state = lambda: feed.state
        return feed

    async def run(self) -> None:
        """Play until SIGINT or SIGTERM, or until the terminal is closed. Raises what ended the performance."""
        malloc.pin_mmap_threshold()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop)
        # With a terminal, SIGHUP means that it was closed; without one, SIGHUP reloads the settings.
        reload = partial(self.console.reload, self._reread)
        loop.add_signal_handler(signal.SIGHUP, self.stop if self._start.terminal else reload)
        if has_panel(self._settings) and self._settings.panel.knobs == "potentiometers":
            self.console.hush()  # until they are read; an encoder has no position, and the volume is as it was
        self._dim()  # the first sound is no louder than the hour allows
        async with AsyncExitStack() as running:
            for part in self._parts():
                await running.enter_async_context(part())
            await self._stop.wait()
        if self._failure:
            raise self._failure[0]

    def stop(self) -> None:
        """Fade out, and end. The main thread."""
        self._notifier.say("STOPPING=1")
        if self._live:
            self._live.leave()
        self._lamps.leave(self._clock())
        self._stop.set()

    def fail(self, error: BaseException) -> None:
        """Shut down with an error so that systemd restarts us: a box without one of its parts would play for months."""
        self._failure.append(error)
        self.stop()

    # --- the parts ------------------------------------------------------------------------------------------

    def _parts(self) -> list[Callable[[], Part]]:
        """What the box consists of, in the order of its start."""
        start = self._start
        parts: list[Callable[[], Part]] = [partial(self._every, TICK, self._dim)]
        if has_panel(self._settings):
            parts.append(partial(self._beside, self._run_panel))
            if self._settings.panel.pin_factory != "mock":
                self.console.power_off = partial(power_off, self._settings.panel.power_off)
        parts += [self._performing, partial(self._every, TICK, self.console.light)]
        if self._notifier.wanted:
            parts.append(partial(self._every, LIFE, self._notify))
        if self._feed:
            listen = partial(self._feed.listen, quiet=start.terminal is not None)
            parts += [partial(self._beside, self._feed.run), partial(self._beside, listen)]
        parts.append(partial(self._beside, self._survive))
        if start.state_dir:
            saver = Saver(start.state_dir / STATE, self._saved, self._state)
            parts += [saver.running, self._exporter.running]
        if start.runtime_dir:
            networks = self.console.networks
            self._server = ControlServer(start.runtime_dir / SOCKET, self.console, networks, SCENES)
            parts.append(self._server.running)
        parts += start.beside
        if start.terminal:
            parts.append(partial(start.terminal, self.stop))
        return parts

    async def _run_panel(self) -> None:
        """Open the panel beside the music, which has begun, silent, when its knobs are read for the first time."""
        loop, console = asyncio.get_running_loop(), self.console

        def post(gesture: Gesture) -> None:
            loop.call_soon_threadsafe(console.obey, gesture)

        try:
            panel = await asyncio.to_thread(
                self._new_panel, self._settings, console.controls, self._lamps, post
            )
        except ImportError as error:
            log.warning("There is no panel: %s. Install gpiozero again. The music plays on.", error)
            console.wake()  # no knob will say how loud it is
            return
        async with panel.running():
            await asyncio.to_thread(panel.looked, KNOBS)
            console.wake()  # the gestures of that reading were posted before
            await loop.create_future()  # which is cancelled after the sound has faded, and the lamps with it

    @asynccontextmanager
    async def _performing(self) -> AsyncIterator[None]:
        settings, music, console = self._settings, self._start.music, self.console
        part: Composition | ScorePart
        if isinstance(music, Score):
            part = ScorePart(music.header, music.__iter__, SAMPLE_RATE, loop=True)
        else:
            part = composition(settings, self._inbox.take, console.controls.scene)
        console.context = part.context(console.controls)
        self._interlude = Interlude(part)
        console.piece = lambda: self._interlude.title
        instrument, output = synth(settings), self._output(settings)
        self._live = console.sounding = LivePerformance(
            self._interlude,
            instrument,
            settings.sound.polyphony,
            output,
            lambda: console.controls,
            played=self._played,
            failed=self.fail,
            sampled=self._sampled,
        )
        self._lamps.begin(asyncio.get_running_loop().time() + output.latency)
        async with self._live.running():
            yield

    async def _play(self, paths: Sequence[Path], title: str) -> None:
        """Play scores, and then the music again; at once the music if there are none. Raises BadScore."""
        scores = [await asyncio.to_thread(open_packed, path) for path in paths]
        if scores:
            title = title or scores[0].header.title or paths[0].name
            line = "".join(each if each.isprintable() else " " for each in title)  # for systemd and terminals
            self._interlude.play(Programme(line[:LONGEST_TITLE], scores))
        else:
            self._interlude.play(None)

    def _played(self, passage: Passage, heard: float, ends: float) -> None:
        """A passage begins to be heard at `heard`, by the loop's clock."""
        self.console.context = passage.context
        self._history.add(passage, ends)
        scale = Scale(passage.context.scale, ROOTS[passage.context.root])
        for event in passage.notes:
            at, tone = heard + event.seconds - passage.seconds, scale.degree(event.note.pitch)
            self.console.add(event, tone, at)
            if self._server:
                self._server.note(at, event, tone)
        if self._server:
            for ledger in passage.ledgers:
                self._server.ledger(heard, ledger)

    def _sampled(self, samples: Callable[[], bytes]) -> None:
        """A block of samples, on the performer's thread."""
        if self._server and self._server.listened:
            self._server.samples(samples())

    def _dim(self) -> None:
        self.console.dim(self._wall.minute(self._clock()))

    def _notify(self) -> None:
        # A block counts once the output has taken the one before it: an output that hangs feeds no watchdog.
        block = self._live.block if self._live else 0.0
        self._notifier.life(self.console.seconds, block, self.console.status().words)

    def _state(self) -> State:
        return self.console.saved(self._feed.last if self._feed else None)

    async def _survive(self) -> None:
        """Save what the next run needs if this one crashes, and watch the power supply."""
        console = self.console
        while True:
            console.watch_power()
            muted, sleep = console.controls.muted, console.controls.sleep
            await self._crashes.keep(
                muted=muted, sleep=sleep, sleeps_at=console.sleep_ends, sounded=console.seconds
            )
            await asyncio.sleep(CHECK)

    # --- parts that are functions ---------------------------------------------------------------------------

    def _every(self, seconds: float, work: Callable[[], None]) -> Part:
        """Call `work` every so many seconds while in the `with`."""

        async def again() -> None:
            while True:
                work()
                await asyncio.sleep(seconds)

        return self._beside(again)

    @asynccontextmanager
    async def _beside(self, work: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
        """Run `work` while in the `with`."""

        async def guarded() -> None:
            try:
                await work()
            except Exception as error:
                self.fail(error)

        task = asyncio.create_task(guarded())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
