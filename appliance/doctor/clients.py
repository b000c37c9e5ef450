# SPDX-License-Identifier: Apache-2.0
"""Checks the programs beside the box that the settings switch on: the page, and MQTT.

Each check takes the machine and the settings, and yields its findings; one that is not switched on finds nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from appliance.doctor.finding import Finding, ok, wrong
from appliance.doctor.machine import Machine
from appliance.settings import Settings
from appliance.settings.model import listening_address

EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - to connect to, not to listen on
PAGE = "stellar-wind-page"
MQTT = "stellar-wind-mqtt"


def page(machine: Machine, settings: Settings) -> Iterator[Finding]:
    """Does the page answer where the settings say, if they switch it on?"""
    if not settings.page.listen:
        return
    host, port = listening_address(settings.page.listen)
    if machine.answers(EVERYWHERE.get(host, host), port):
        steer = ", and everyone who can open it may steer the box" if settings.page.steer else ""
        yield ok("page", f"It is served at {settings.page.listen}{steer}.")
    else:
        advice = f"Start it with `sudo systemctl enable --now {PAGE}`; `journalctl -u {PAGE} -n 50` says why it ended."
        yield wrong("page", f"Nothing answers at {settings.page.listen}, which page.listen names.", advice)


def mqtt(machine: Machine, settings: Settings) -> Iterator[Finding]:
    """Is the box connected to the broker that the settings name, if they name one?"""
    server = settings.mqtt.server
    if not server:
        return
    told = machine.ask(("systemctl", "show", f"{MQTT}.service", "--property=ActiveState,StatusText")) or ""
    shown = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
    if shown.get("ActiveState") != "active":
        advice = f"Start it with `sudo systemctl enable --now {MQTT}`; `journalctl -u {MQTT} -n 50` says why it ended."
        yield wrong("mqtt", f"The service that joins the box and {server} does not run.", advice)
    elif (words := shown.get("StatusText", "")).startswith("Connected"):
        yield ok("mqtt", words)
    else:
        advice = f"`journalctl -u {MQTT} -n 50` says more; `stellar-wind config` shows the settings of mqtt."
        yield wrong("mqtt", words or f"It has not reached {server} yet.", advice)
