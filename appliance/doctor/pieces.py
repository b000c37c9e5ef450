# SPDX-License-Identifier: Apache-2.0
"""Checks the pieces, if they are switched on: the service, and the libraries that they need."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from appliance.doctor.finding import Finding, ok, wrong
from appliance.doctor.machine import Machine
from appliance.settings import Settings

SERVICE = "stellar-wind-pieces.service"
LIBRARIES = ("libtorrent", "nacl", "segno")


def pieces(machine: Machine, settings: Settings) -> Iterator[Finding]:
    """Does the process of the pieces run, if the settings switch it on?"""
    reach = settings.pieces.reach
    if machine.ask(("systemctl", "is-active", SERVICE)) == "active":
        yield ok("pieces", "They are shared; `stellar-wind piece status` says with how many.")
    elif reach != "off":
        missing = [library for library in LIBRARIES if not find_spec(library)]
        advice = (
            "Install what is missing with `.venv/bin/pip install -e '.[pieces]'`."
            if missing
            else f"Start it with `sudo systemctl start {SERVICE}`, or with `stellar-wind piece serve`."
        )
        says = f"pieces.reach is {reach}, but the service does not run"
        yield wrong("pieces", f"{says}{f': {missing[0]} is missing' if missing else ''}.", advice)
