# SPDX-License-Identifier: Apache-2.0
"""The box: builds its parts, starts them in the order of a list, and stops them in reverse.

Sound is first and last: nothing that goes wrong elsewhere (no network, no card, a listener that exits) ends it. This is
the only file that knows all the parts. Threads meet here, and nowhere else, in these ways:

    main ─▶ performer    `console.controls`, replaced whole      Inbox.put, a deque        `leave`, a flag
    performer ─▶ main    call_soon_threadsafe(passage)           `level`, `seconds`: numbers that are read
    panel ─▶ main        call_soon_threadsafe(gesture)
    main ─▶ panel        Lamps: values that are replaced whole, and a lock around looking
    performer ─▶ card    Speaker: a queue of two blocks          its `status`, replaced whole
    main ─▶ file writers run_in_thread: a call, and a future that it sets
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from appliance.console import Console
from appliance.control import SOCKET, ControlServer
from appliance.dimming import Dimmer, NightHours
from appliance.gestures import Action, tempo_position
from appliance.host import malloc
from appliance.host.clock import WallClock
from appliance.host.power import WEAK, UndervoltageMonitor, power_off
from appliance.host.systemd import SystemdNotifier
from appliance.ledger.feed.feed import Feed
from appliance.ledger.feed.inbox import Inbox
from appliance.ledger.tape import Tape, TapePlayer, with_fallback
from appliance.live import LiveOutput, LivePerformance, speaker
from appliance.music.scales import ROOTS, Scale
from appliance.music.scenes import SCENES
from appliance.panel.gpio import FACTORIES, board, chosen, on_a_pi
from appliance.panel.lamps import LIGHT, NETWORK_LAMPS, OPENING, Lamps
from appliance.panel.mock import Mock
from appliance.panel.panel import Panel
from appliance.parts import composition, synth
from appliance.saved import files
from appliance.saved.crashes import Crashes
from appliance.saved.exporter import KEPT, Exporter
from appliance.saved.state import SavedControls, Saver, State, decode, restored
from appliance.score.files import Score
from appliance.score.history import History
from appliance.score.player import ScorePart
from appliance.settings import Settings, networks
from appliance.sound import SAMPLE_RATE
from appliance.status import BED, Recent, Status
from appliance.values import BoxError, BoxState, Context, Controls, Gesture, Knob, Passage

log = logging.getLogger(__name__)

TICK = 0.1  # s between two looks at the clock, and at what the lamps show
CHECK = 1.0  # s between two looks at what a crash must not lose
LIFE = 0.5  # s between two notices to systemd, which waits for tens of seconds
KNOBS = 3.0  # s that the first sound waits for the knobs to be read; a Zero 2 W needs most of it to import gpiozero

Part = AbstractAsyncContextManager[None]  # of the box: it runs while in the `with`


@dataclass(frozen=True, slots=True)
class Start:
    """How a box is started. Without a `listener` it plays `music` alone; without a folder it saves nothing."""

    music: Tape | Score  # a score, or what plays without a network
    named: bool = False  # `music` was named on the command line
    listener: Sequence[str] | None = None  # the command for one
    state_dir: Path | None = None
    runtime_dir: Path | None = None  # for the control socket
    terminal: Callable[[Callable[[], None]], Part] | None = (
        None  # shows the panel; calls back when it is closed
    )
    version: str = ""


class Box:
    """A box that plays.

    `reread` gives the settings as they are now, for SIGHUP; only the scene changes while the box plays. `crashes` says
    how the last runs ended. `clock` is the loop's; `output` opens where the sound goes.
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
    ) -> None:
        self._settings, self._start, self._reread, self._clock = settings, start, reread, clock
        self._output = output
        self._crashes = crashes or Crashes(None)
        self._networks = list(networks(settings))
        self._lamps = Lamps(LIGHT[settings.panel.lamps])
        self._wall = WallClock()
        self._dimmer = Dimmer(NightHours.between(**settings.night.model_dump()), settings.sound.max_volume)
        self._set = Controls(settings.volume, settings.tempo, settings.network, scene=settings.scene)
        self._saved = files.read(start.state_dir / "state.json", decode) if start.state_dir else None
        self.console = Console(
            self._restored(),
            self._networks,
            self._dimmer,
            self._lamps,
            clock,
            switch=self._switch,
            act=self._act,
        )
        self._history, self._recent = History(start.version), Recent()
        kept = start.state_dir / KEPT if start.state_dir else None
        self._exporter = Exporter(self._history.last, kept, settings.keep.format)
        self._inbox = Inbox()
        self._feed = self._new_feed()
        self._live: LivePerformance | None = None
        self._server: ControlServer | None = None
        self._panel: Panel | None = None
        self._context: Context | None = None
        self._notifier = SystemdNotifier(os.environ)
        self._supply, self._weak = UndervoltageMonitor(), False
        self._stop = asyncio.Event()
        self._failure: BaseException | None = None
        self._errands: set[asyncio.Task[object]] = set()

    def _restored(self) -> Controls:
        """The controls as they were left before a restart, and a mute or a sleep timer as they were before a crash."""
        controls = self._set
        if self._saved:
            controls = restored(controls, self._saved, self._networks, SCENES)
        run, now = self._crashes.run, self._clock()
        if run.sleep and run.sleeps_at > now:
            self._dimmer.sleep((run.sleeps_at - now) / 60, now)
            return replace(controls, muted=run.muted, sleep=run.sleep)
        # A timer that ran out while nothing played has muted the box.
        return replace(controls, muted=run.muted or bool(run.sleep), sleep=0)

    def _new_feed(self) -> Feed | None:
        music = self._start.music
        if isinstance(music, Score):
            return None
        last = self._saved.last_ledger if self._saved else None
        recording = TapePlayer(partial(with_fallback, music), loop=True)
        network = self.console.controls.network
        return Feed(
            recording, self._start.listener, network, last, put=self._inbox.put, clock=lambda: self.seconds
        )

    # --- life -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Play until SIGINT or SIGTERM, or until the terminal is closed. Raises what ended the performance."""
        malloc.pin_mmap_threshold()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop)
        # A terminal that goes away hangs up; without one, SIGHUP asks for the settings.
        loop.add_signal_handler(signal.SIGHUP, self.stop if self._start.terminal else self.reload)
        self._dim()  # the first sound is no louder than the hour allows
        async with AsyncExitStack() as running:
            for part in self._parts():
                await running.enter_async_context(part())
            await self._stop.wait()
        if self._failure:
            raise self._failure

    def _parts(self) -> list[Callable[[], Part]]:
        """What the box consists of, in the order of its start."""
        start = self._start
        parts: list[Callable[[], Part]] = [partial(self._every, TICK, self._dim)]
        if panel := self._new_panel():
            self._panel = panel
            parts.append(panel.running)
        parts += [self._performing, partial(self._every, TICK, self._light)]
        if self._notifier.wanted:
            parts.append(partial(self._every, LIFE, self._notify))
        if self._feed:
            listen = partial(self._feed.listen, quiet=start.terminal is not None)
            parts += [partial(self._beside, self._feed.run), partial(self._beside, listen)]
        parts.append(partial(self._beside, self._survive))
        if start.state_dir:
            saver = Saver(start.state_dir / "state.json", self._saved, self._state)
            parts += [saver.running, self._exporter.running]
        if start.runtime_dir:
            self._server = ControlServer(start.runtime_dir / SOCKET, self, self._networks, SCENES)
            parts.append(self._server.running)
        if start.terminal:
            parts.append(partial(start.terminal, self.stop))
        return parts

    def stop(self) -> None:
        """Fade out, and end. The main thread."""
        self._notifier.say("STOPPING=1")
        if self._live:
            self._live.leave()
        self._lamps.leave(self._clock())
        self._stop.set()

    def _failed(self, error: BaseException) -> None:
        """Shut down with an error so that systemd restarts us: a box without one of its parts would play for months."""
        self._failure = self._failure or error
        self.stop()

    def _every(self, seconds: float, work: Callable[[], None]) -> Part:
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
                self._failed(error)

        task = asyncio.create_task(guarded())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    # --- the parts ------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _performing(self) -> AsyncIterator[None]:
        settings, music = self._settings, self._start.music
        if isinstance(music, Score):
            part: Any = ScorePart(music.header, music.__iter__, SAMPLE_RATE, loop=True)
        else:
            part = composition(settings, self._inbox.take)
        self._context = part.context(self.console.controls)
        instrument, output = synth(settings), self._output(settings)
        if self._panel:  # the first sound is as loud as its knob says
            await asyncio.to_thread(self._panel.looked, KNOBS)
        self._live = LivePerformance(
            part,
            instrument,
            settings.sound.polyphony,
            output,
            lambda: self.console.controls,
            played=self._played,
            failed=self._failed,
        )
        self._lamps.begin(asyncio.get_running_loop().time() + output.latency)
        async with self._live.running():
            yield

    def _played(self, passage: Passage, heard: float, ends: float) -> None:
        """A passage begins to be heard at `heard`, by the loop's clock."""
        self._context = passage.context
        self._history.add(passage, ends)
        scale = Scale(passage.context.scale, ROOTS[passage.context.root])
        for event in passage.notes:
            at, tone = heard + event.seconds - passage.seconds, scale.degree(event.note.pitch)
            self._recent.add(at, event)
            if event.note.voice not in BED:
                self._lamps.hit(tone, event.note.velocity, at)
            if self._server:
                self._server.note(at, event, tone)

    def _new_panel(self) -> Panel | None:
        panel = self._settings.panel
        if panel.pin_factory == "mock":
            controls = self.console.controls
            positions = {Knob.VOLUME: controls.volume, Knob.TEMPO: tempo_position(controls.tempo)}
            pins = Mock(panel.wiring, positions).board
        elif panel.pin_factory in FACTORIES or (panel.pin_factory == "auto" and on_a_pi()):
            pins = partial(board, chosen(panel.pin_factory, panel.wiring), panel.wiring)
        else:
            return None
        loop = asyncio.get_running_loop()
        return Panel(
            pins,
            panel.wiring,
            self._lamps,
            lambda gesture: loop.call_soon_threadsafe(self.obey, gesture),
        )

    def _dim(self) -> None:
        self.console.dim(self._wall.minute(self._clock()))

    def _light(self) -> None:
        """Tell the lamps how the box is."""
        now, status = self._clock(), self.status()
        self._lamps.tell(status.shown, now)
        self._lamps.muted = status.muted
        self._lamps.chosen = min(NETWORK_LAMPS - 1, status.networks.index(status.network))

    def _notify(self) -> None:
        # A block counts once the output has taken the one before it: an output that hangs feeds no watchdog.
        self._notifier.life(self.seconds, self._live.block if self._live else 0.0, self.status().words)

    async def _survive(self) -> None:
        """Save what the next run needs if this one crashes, and watch the power supply."""
        while True:
            if (weak := self._supply.weak(self._clock())) != self._weak:
                self._weak = weak
                log.warning(WEAK if weak else "The power supply is sufficient again.")
            controls = self.console.controls
            await self._crashes.keep(
                muted=controls.muted,
                sleep=controls.sleep,
                sleeps_at=self.console.sleep_ends,
                sounded=self.seconds,
            )
            await asyncio.sleep(CHECK)

    def _state(self) -> State:
        of, last = SavedControls.of, self._feed.last if self._feed else None
        return State(of(self._set), of(self.console.controls), last)

    # --- what it can be asked -------------------------------------------------------------------------------

    @property
    def seconds(self) -> float:
        """How much has been played."""
        return self._live.seconds if self._live else 0.0

    @property
    def level(self) -> float:
        """How loud it is, in dB below full scale."""
        return self._live.level if self._live else -120.0

    def status(self) -> Status:
        """How the box is now."""
        controls, now = self.console.controls, self._clock()
        context = self._context or Context(controls.network, controls.scene, "wind", "C", controls.tempo)
        card = self._live.output.status if self._live else None
        notes, delay = self._recent.at(now)
        return Status(
            state=self._feed.state if self._feed else BoxState.SCORE,
            network=controls.network,
            networks=tuple(self._networks),
            scene=context.scene,
            tones=Scale(context.scale, ROOTS[context.root]).names,
            volume=controls.volume,
            tempo=context.tempo,
            muted=controls.muted,
            sleep=self.console.sleep_left,
            dim=round(controls.dim, 3),
            light=round(self._lamps.night, 3),
            card=card.card if card else "",
            silent=card.why if card else "",
            underruns=card.underruns if card else 0,
            latency=round(card.latency, 3) if card else 0.0,
            notes_a_minute=notes,
            delay=delay,
            starting=self.seconds < OPENING,
            playing=str(self._start.music.path) if self._start.named else "",
            safe_mode=self._crashes.run.safe,
            weak_power=self._weak,
            version=self._start.version,
        )

    def obey(self, gesture: Gesture) -> None:
        """Do what a gesture asks for. The main thread."""
        self.console.obey(gesture)

    async def keep(self) -> Path:
        """Write the last half hour to a score, and return where. Raises BoxError."""
        return await self._exporter.keep()

    def reload(self) -> None:
        """Read the settings again, and enter the scene that they name. The main thread."""
        if not self._reread:
            log.info("The settings are not read again: they do not apply in safe mode.")
            return
        try:
            scene = self._reread().scene
        except BoxError as error:
            log.error("%s The box plays on with the settings that it had.", error)
        else:
            self.console.enter(scene)
            self._set = replace(self._set, scene=scene)
            log.info("Read the settings again: the scene is %s.", scene)

    def _switch(self, network: str) -> None:
        if self._feed:
            self._feed.switch(network)

    def _act(self, action: Action) -> None:
        if action is Action.KEEP:
            self._errand(self._try_to_keep())
        elif self._panel and self._settings.panel.pin_factory != "mock":
            self._errand(power_off(self._settings.panel.power_off))
        else:  # a key of a laptop does not switch the laptop off
            log.info("MUTE was held: a box with a panel would switch its power off.")

    async def _try_to_keep(self) -> None:
        try:
            await self.keep()
        except BoxError as error:
            log.warning("%s", error)

    def _errand(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.create_task(work)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)
