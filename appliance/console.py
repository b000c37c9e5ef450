# SPDX-License-Identifier: Apache-2.0
"""The console: the controls as they are now, and everything that changes them. The main thread.

Gestures come from the panel, the terminal and the control socket; the night and the sleep timer turn the volume down;
SIGHUP changes the scene. `controls` is replaced whole, so the performer's thread can read it at any time.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from appliance.dimming import Dimmer
from appliance.gestures import Action, apply
from appliance.panel.lamps import Lamps
from appliance.values import Controls, Gesture

log = logging.getLogger(__name__)


class Console:
    """Holds `controls`. `networks` are those that can be chosen; `clock` gives seconds that never jump.

    `switch` is called with the name of a network when another one is chosen, and `act` with what else a gesture asks
    for.
    """

    def __init__(
        self,
        controls: Controls,
        networks: Sequence[str],
        dimmer: Dimmer,
        lamps: Lamps,
        clock: Callable[[], float],
        *,
        switch: Callable[[str], None],
        act: Callable[[Action], None],
    ) -> None:
        self.controls, self.networks = controls, networks
        self._dimmer, self._lamps, self._clock = dimmer, lamps, clock
        self._switch, self._act = switch, act

    def obey(self, gesture: Gesture) -> None:
        """Do what a gesture asks for."""
        before = self.controls
        self.controls, action = apply(before, gesture, self.networks)
        if self.controls.network != before.network:
            self._switch(self.controls.network)
        if self.controls.sleep != before.sleep:
            self._dimmer.sleep(self.controls.sleep, self._clock())
            self._lamps.count(self.controls.sleep // 30, self._clock())
        if action:
            self._act(action)

    def dim(self, minute: int | None) -> None:
        """Let the night and the sleep timer have their effect; `minute` is of the day, None if it is not known."""
        now = self.controls
        dim = self._dimmer.look(self._clock(), minute, muted=now.muted)
        if dim.asleep:
            log.info("The sleep timer has run out: muted.")
            self.controls = replace(now, dim=dim.volume, muted=True, sleep=0)
        elif dim.volume != now.dim:
            self.controls = replace(now, dim=dim.volume)
        self._lamps.night = dim.light

    def enter(self, scene: str) -> None:
        """Change the scene."""
        self.controls = replace(self.controls, scene=scene)

    @property
    def sleep_ends(self) -> float:
        """When the sleep timer runs out, by the clock; 0 without one."""
        return self._dimmer.ends if self.controls.sleep else 0.0

    @property
    def sleep_left(self) -> int:
        """Minutes until the sleep timer runs out, rounded up; 0 without one."""
        return math.ceil(self._dimmer.left(self._clock())) if self.controls.sleep else 0
