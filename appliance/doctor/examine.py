# SPDX-License-Identifier: Apache-2.0
"""The doctor's examination: all checks, in order, within 20 s whatever hangs.

It can run at any time, also beside a box that plays, because it opens no card, pin or port. Checks are functions in a
list, and get what they look at as arguments.

    settings ─▶ CHECKS (files, other programs)      ─┐
             ─▶ servers (the network's, all at once) ├─▶ findings ─▶ the screen, --json, --bundle
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from appliance.doctor import computer, instrument, surroundings
from appliance.doctor.finding import Finding, ok, wrong
from appliance.doctor.machine import Machine
from appliance.doctor.parts import PARTS
from appliance.doctor.servers import servers
from appliance.settings import Loaded, Settings, SettingsError, networks

Check = Callable[[Machine, Settings], Iterator[Finding]]

# By the part of the box that they look at; `stellar-wind doctor PART` runs only those.
CHECKS: dict[str, tuple[Check, ...]] = {
    "settings": (surroundings.recording,),
    "network": (surroundings.network, surroundings.clock),
    "sound": (instrument.sound,),
    "panel": (instrument.panel,),
    "computer": (
        *(computer.power, computer.temperature, computer.memory, computer.disk),
        *(computer.service, computer.versions),
    ),
}


def examine(
    machine: Machine, loaded: Loaded, refused: SettingsError | None = None, part: str | None = None
) -> list[Finding]:
    """Everything that there is to find, or what there is in one of PARTS.

    `refused` is why the settings in force are not the owner's; then no server is asked, for they are not theirs either.
    """
    parts = PARTS if part is None else (part,)
    found: dict[str, list[Finding]] = {}
    with ThreadPoolExecutor(1) as asking:  # the servers may take their time meanwhile
        asked = None
        if "network" in parts and not refused:
            network = networks(loaded.settings)[loaded.settings.network]
            asked = asking.submit(asyncio.run, servers(machine, network))
        for name in parts:
            found[name] = _settings(loaded, refused) if name == "settings" else []
            for check in CHECKS.get(name, ()):
                found[name] += check(machine, loaded.settings)
        if asked:
            found["network"] += asked.result()
    return [finding for name in parts for finding in found[name]]


def _settings(loaded: Loaded, refused: SettingsError | None) -> list[Finding]:
    if refused:
        advice = "Until this is corrected the box does not start."
        return [wrong("settings", sentence, advice) for sentence in str(refused).splitlines()]
    places: dict[str, int] = {}
    for place in loaded.origins.values():
        places[place] = places.get(place, 0) + 1
    said = ", ".join(f"{count} from {place}" for place, count in places.items())
    return [ok("settings", f"{said}; the rest are defaults." if said else "All are defaults.")]
