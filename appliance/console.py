# SPDX-License-Identifier: Apache-2.0
"""The console: the controls as they are now, everything that changes them, and the status. The main thread.

Gestures come from the panel, the terminal and the control socket; the night and the sleep timer turn the volume down;
SIGHUP changes the scene. `controls` is replaced whole, so the performer's thread can read it at any time.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from appliance.dimming import Dimmer, NightHours
from appliance.gestures import Action, apply
from appliance.host.power import WEAK, UndervoltageMonitor
from appliance.music.scales import ROOTS, Scale
from appliance.music.scenes import SCENES
from appliance.panel.lamps import NETWORK_LAMPS, OPENING, Lamps
from appliance.saved.crashes import Run
from appliance.saved.state import SavedControls, State, restored
from appliance.settings import Settings
from appliance.sound.outputs.speaker import OutputStatus
from appliance.status import BED, Recent, Status
from appliance.values import BoxError, BoxState, Chosen, Context, Controls, Gesture, NoteEvent

log = logging.getLogger(__name__)

SILENCE = -120.0  # dB


class Sounding(Protocol):
    """The live performance, as the console sees it."""

    @property
    def seconds(self) -> float:
        """How much has been played."""

    @property
    def level(self) -> float:
        """How loud it is, in dB below full scale."""

    @property
    def output_status(self) -> OutputStatus:
        """How its output is."""


class Console:
    """Steers and shows the box. `networks` are those that can be chosen; `clock` gives seconds that never jump.

    `saved` and `run` say how the controls were left; `version` and `playing` are for the status. The box connects it:
    `switch` takes the name of a network that is chosen, `keep` writes the last half hour and makes a file of the format
    that it is given, `play` plays scores and `piece` names them, `power_off` switches the power off (None: this is no
    box), `state` says how the network is, `sounding` is the live performance, and `context` what it plays.
    """

    def __init__(
        self,
        settings: Settings,
        networks: Sequence[str],
        lamps: Lamps,
        clock: Callable[[], float],
        *,
        saved: State | None,
        run: Run,
        version: str = "",
        playing: str = "",
    ) -> None:
        self.switch: Callable[[str], None] = lambda _: None
        self.keep: Callable[[str], Awaitable[Path]]
        self.play: Callable[[Sequence[Path], str], Awaitable[None]]
        self.piece: Callable[[], str] = lambda: ""
        self.power_off: Callable[[], Coroutine[object, object, None]] | None = None
        self.state: Callable[[], BoxState] = lambda: BoxState.SCORE
        self.sounding: Sounding | None = None
        self.context: Context | None = None
        self.networks, self._recent = networks, Recent()
        self._lamps, self._clock, self._run = lamps, clock, run
        self._version, self._playing = version, playing
        self._hours = settings.music.hours
        self._dimmer = Dimmer(NightHours.between(**settings.night.model_dump()), settings.sound.max_volume)
        self._supply, self._weak = UndervoltageMonitor(), False
        self._hushed = False
        self._errands: set[asyncio.Task[object]] = set()
        self._settings = Controls(settings.volume, settings.tempo, settings.network, scene=settings.scene)
        self.controls = self._restored(saved)

    def _restored(self, saved: State | None) -> Controls:
        """The controls as they were left before a restart, and a mute or a sleep timer as they were before a crash."""
        controls = restored(self._settings, saved, self.networks, SCENES) if saved else self._settings
        run, now = self._run, self._clock()
        if run.sleep and run.sleeps_at > now:
            self._dimmer.sleep((run.sleeps_at - now) / 60, now)
            return replace(controls, muted=run.muted, sleep=run.sleep)
        # A timer that ran out while nothing played has muted the box.
        return replace(controls, muted=run.muted or bool(run.sleep), sleep=0)

    # --- what changes the controls --------------------------------------------------------------------------

    def obey(self, gesture: Gesture) -> None:
        """Do what a gesture asks for."""
        before = self.controls
        self.controls, action = apply(before, gesture, self.networks)
        if self.controls.network != before.network:
            self.switch(self.controls.network)
        again = isinstance(gesture, Chosen) and gesture.control == "sleep"  # the same minutes, from now on
        if again or self.controls.sleep != before.sleep:
            self._dimmer.sleep(self.controls.sleep, self._clock())
            self._lamps.count(self.controls.sleep // 30, self._clock())
        if action is Action.KEEP:
            self._errand(self._try_to_keep())
        elif action is Action.POWER_OFF and self.power_off:
            self._errand(self.power_off())
        elif action is Action.POWER_OFF:  # a key of a laptop does not switch the laptop off
            log.info("MUTE was held: a box with a panel would switch its power off.")

    async def _try_to_keep(self) -> None:
        try:
            await self.keep("")
        except BoxError as error:
            log.warning("%s", error)

    def _errand(self, work: Coroutine[object, object, object]) -> None:
        task = asyncio.create_task(work)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    def hush(self) -> None:
        """Be silent until `wake`, because it is not known yet where the volume knob stands."""
        self._hushed = True
        self._dimmer.hush()

    def wake(self) -> None:
        """Let `dim` bring the sound back, within two seconds."""
        self._hushed = False

    def dim(self, minute: int | None) -> None:
        """Let the night, the sleep timer and the hour have their effect; `minute` is of the day, None if not known."""
        now = self.controls
        hour = minute / 60 if self._hours and minute is not None else None
        dim = self._dimmer.look(self._clock(), minute, muted=now.muted or self._hushed)
        if dim.asleep:
            log.info("The sleep timer has run out: muted.")
            self.controls = replace(now, dim=dim.volume, muted=True, sleep=0)
        elif (dim.volume, hour) != (now.dim, now.hour):
            self.controls = replace(now, dim=dim.volume, hour=hour)
        self._lamps.night = dim.light

    def reload(self, reread: Callable[[], Settings] | None) -> None:
        """Read the settings again, and enter the scene that they name."""
        if not reread:
            log.info("The settings are not read again: they do not apply in safe mode.")
            return
        try:
            scene = reread().scene
        except BoxError as error:
            log.error("%s The box plays on with the settings that it had.", error)
            return
        self.controls, self._settings = (
            replace(which, scene=scene) for which in (self.controls, self._settings)
        )
        log.info("Read the settings again: the scene is %s.", scene)

    # --- what it shows --------------------------------------------------------------------------------------

    def add(self, event: NoteEvent, tone: int, heard: float) -> None:
        """Take a note that is heard at a moment of the clock; `tone` is its place in the scale."""
        self._recent.add(heard, event)
        if event.note.voice not in BED:
            self._lamps.hit(tone, event.note.velocity, heard)

    def light(self) -> None:
        """Tell the lamps how the box is."""
        status = self.status()
        self._lamps.tell(status.shown, self._clock())
        self._lamps.muted = status.muted
        self._lamps.chosen = min(NETWORK_LAMPS - 1, status.networks.index(status.network))

    def watch_power(self) -> None:
        """Log when the power supply becomes too weak, and when it is sufficient again."""
        if (weak := self._supply.weak(self._clock())) != self._weak:
            self._weak = weak
            log.warning(WEAK if weak else "The power supply is sufficient again.")

    def saved(self, last_ledger: tuple[str, int] | None) -> State:
        """What to save for the next start."""
        of = SavedControls.of
        return State(of(self._settings), of(self.controls), last_ledger)

    @property
    def sleep_ends(self) -> float:
        """When the sleep timer runs out, by the clock; 0 without one."""
        return self._dimmer.ends if self.controls.sleep else 0.0

    @property
    def seconds(self) -> float:
        """How much has been played."""
        return self.sounding.seconds if self.sounding else 0.0

    @property
    def level(self) -> float:
        """How loud it is, in dB below full scale."""
        return self.sounding.level if self.sounding else SILENCE

    def status(self) -> Status:
        """How the box is now."""
        controls, now = self.controls, self._clock()
        context = self.context or Context(controls.network, controls.scene, "wind", "C", controls.tempo)
        output = self.sounding.output_status if self.sounding else OutputStatus("", "", 0, 0.0)
        notes, delay = self._recent.at(now)
        piece = self.piece()
        state = BoxState.SCORE if piece else self.state()
        if state is not BoxState.LIVE:  # nothing is late that comes from a file
            delay = None
        return Status(
            state=state,
            network=controls.network,
            networks=tuple(self.networks),
            scene=context.scene,
            tones=Scale(context.scale, ROOTS[context.root]).names,
            volume=controls.volume,
            tempo=context.tempo,
            muted=controls.muted,
            sleep=math.ceil(self._dimmer.left(now)) if controls.sleep else 0,
            dim=round(controls.dim, 3),
            light=round(self._lamps.night, 3),
            card=output.card,
            silent=output.why,
            underruns=output.underruns,
            latency=round(output.latency, 3),
            notes_a_minute=notes,
            delay=None if piece else delay,  # of a score, which was late when it was kept
            starting=self.seconds < OPENING,
            playing=self._playing,
            piece=piece,
            safe_mode=self._run.safe,
            weak_power=self._weak,
            version=self._version,
        )
