# SPDX-License-Identifier: Apache-2.0
"""The examination: all checks, in order, within 20 s even if a program or a server hangs.

It can run at any time, also while a box plays, because it opens no card, pin or port. Checks are functions in a table,
and get the machine and the settings as arguments.

    settings ─▶ CHECKS (files, other programs)      ─┐
             ─▶ servers (the network's, all at once) ├─▶ findings ─▶ the screen, --json, --bundle
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from appliance.doctor import clients, computer, instrument, pieces, surroundings
from appliance.doctor.finding import Finding, ok, wrong
from appliance.doctor.machine import Machine
from appliance.doctor.parts import PARTS
from appliance.doctor.servers import servers
from appliance.ledger.networks import Network
from appliance.saved.state import STATE, decode, restored
from appliance.settings import Loaded, Settings, SettingsError, networks
from appliance.settings.sources import COMMAND_LINE
from appliance.values import Controls

Check = Callable[[Machine, Settings], Iterator[Finding]]

# By the part of the box that they check; `stellar-wind doctor PART` runs only those.
CHECKS: dict[str, tuple[Check, ...]] = {
    "settings": (surroundings.recording,),
    "network": (surroundings.network, surroundings.clock, clients.page, clients.mqtt, pieces.pieces),
    "sound": (instrument.sound,),
    "panel": (instrument.panel,),
    "computer": (
        *(computer.power, computer.temperature, computer.memory, computer.disk),
        *(computer.box, computer.service, computer.versions),
    ),
}


def examine(
    machine: Machine, loaded: Loaded, refused: SettingsError | None = None, part: str | None = None
) -> list[Finding]:
    """The findings of all checks, or of one of PARTS.

    `refused` is the error in the owner's settings, if there is one; `loaded` are the defaults then, and no server is
    asked, because the defaults name other ones.
    """
    parts = PARTS if part is None else (part,)
    found: dict[str, list[Finding]] = {}
    with ThreadPoolExecutor(1) as asking:  # the servers are asked while the checks run
        asked = None
        if "network" in parts and not refused:
            asked = asking.submit(asyncio.run, servers(machine, _chosen(machine, loaded)))
        for name in parts:
            found[name] = _settings(loaded, refused) if name == "settings" else []
            for check in CHECKS.get(name, ()):
                found[name] += check(machine, loaded.settings)
        if asked:
            found["network"] += asked.result()
    return [finding for name in parts for finding in found[name]]


def _chosen(machine: Machine, loaded: Loaded) -> Network:
    """The network that the box plays, or would play: the one of the settings, unless another one was chosen since."""
    settings, known = loaded.settings, networks(loaded.settings)
    name = settings.network
    if loaded.origin("network") == COMMAND_LINE:
        return known[name]
    if (status := machine.status()) and status.network in known:
        return known[status.network]
    if place := computer.saved_in(machine, settings):
        controls = Controls(settings.volume, settings.tempo, name, scene=settings.scene)
        with suppress(ValueError):  # there is no saved state, or it is not valid
            state = decode(machine.read(str(place / STATE)).encode())
            name = restored(controls, state, known, ()).network
    return known[name]


def _settings(loaded: Loaded, refused: SettingsError | None) -> list[Finding]:
    if refused:
        advice = "Correct it: until then the box does not start."
        return [wrong("settings", sentence, advice) for sentence in str(refused).splitlines()]
    places: dict[str, int] = {}
    for place in loaded.origins.values():
        places[place] = places.get(place, 0) + 1
    said = ", ".join(f"{count} from {place}" for place, count in places.items())
    return [ok("settings", f"{said}; the rest are defaults." if said else "All are defaults.")]
