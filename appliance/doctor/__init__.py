# SPDX-License-Identifier: Apache-2.0
"""The doctor: looks the box over, and says on one screen what is wrong and what to do.

The one rule: it can be run at any time, also beside a box that plays: it opens no card, pin or port, and is done
within 20 s, whatever hangs. Checks are functions in a list; what they look at is handed to them.

    settings ─▶ checks (files, other programs)      ─┐
             ─▶ servers (the network's, all at once) ├─▶ findings ─▶ the screen, --json, --bundle
"""

from __future__ import annotations

import asyncio

from appliance.doctor.checks import CHECKS
from appliance.doctor.finding import Finding, Verdict, ok, wrong
from appliance.doctor.machine import Machine
from appliance.doctor.servers import servers
from appliance.settings import Loaded, SettingsError, networks

PARTS = ("settings", "network", "sound", "panel", "computer")  # in the order of the screen

__all__ = ["PARTS", "Finding", "Machine", "Verdict", "examine"]


def examine(
    machine: Machine, loaded: Loaded, refused: SettingsError | None = None, part: str | None = None
) -> list[Finding]:
    """Everything that there is to find, or what there is in one of PARTS.

    `refused` is why the settings in force are not the owner's; then no server is asked, for they are not theirs either.
    """
    findings: list[Finding] = []
    for name in PARTS if part is None else (part,):
        for check in CHECKS.get(name, ()):
            findings += check(machine, loaded.settings)
        if name == "settings":
            findings += _settings(loaded, refused)
        if name == "network" and not refused:
            network = networks(loaded.settings)[loaded.settings.network]
            findings += asyncio.run(servers(machine, network))
    return findings


def _settings(loaded: Loaded, refused: SettingsError | None) -> list[Finding]:
    if refused:
        advice = "Until this is corrected the box does not start."
        return [wrong("settings", sentence, advice) for sentence in str(refused).splitlines()]
    places: dict[str, int] = {}
    for place in loaded.origins.values():
        places[place] = places.get(place, 0) + 1
    said = ", ".join(f"{count} from {place}" for place, count in places.items())
    return [ok("settings", f"{said}; the rest are defaults." if said else "All are defaults.")]
