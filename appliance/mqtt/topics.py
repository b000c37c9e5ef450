# SPDX-License-Identifier: Apache-2.0
"""The topics of a box: what is published under them, and which commands are obeyed. Pure.

Below PREFIX/ID, where ID is random and says nothing about the owner:

    available                 online or offline; the broker says offline for a bridge that has gone (last will)
    volume, tempo, network    the controls; a message to volume/set sets the volume, and so on
    scene, mute, sleep
    keep/set                  PRESS keeps the last half hour
    state, notes, ledger      what the network lamps show, the notes of the last minute, the ledger that is being heard

Discovery is Home Assistant's: a retained configuration for each, of which all together are one device
(https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from appliance.control import BadCommand
from appliance.status import Status
from appliance.values import FASTEST, SLEEP_STEPS, SLOWEST

AVAILABLE = "available"
ONLINE, OFFLINE = "online", "offline"
ON, OFF, PRESS = "ON", "OFF", "PRESS"
PERCENT = 100  # the control socket's volume is 0 to 1
COMMANDS = ("volume", "tempo", "network", "scene", "mute", "sleep", "keep")


def command_topic(name: str) -> str:
    """The topic, below the box's own, that a control is set by."""
    return f"{name}/set"


def values(status: Status) -> dict[str, str]:
    """What is published of a status, by topic. Nothing in it says whose box it is."""
    return {
        "volume": f"{status.volume * PERCENT:.0f}",
        "tempo": f"{status.tempo:.0f}",
        "network": status.network,
        "scene": status.scene,
        "mute": ON if status.muted else OFF,
        "sleep": str(next((step for step in SLEEP_STEPS if step >= status.sleep), SLEEP_STEPS[-1])),
        "state": status.shown.value,
        "notes": str(status.notes_a_minute),
    }


def command(name: str, payload: bytes) -> dict[str, Any]:
    """The command of the control socket that a message asks for; its range is for the box to check.

    Raises BadCommand in one sentence for a person.
    """
    text = payload.decode(errors="replace").strip()
    match name:
        case "keep" if text == PRESS:
            return {"do": "keep"}
        case "mute" if text in (ON, OFF):
            return _set(name, text == ON)
        case "network" | "scene":
            return _set(name, text)
        case "volume" | "tempo" | "sleep":
            try:
                number = float(text)
            except ValueError:
                raise BadCommand(f"{name} is a number, not {text!r:.40}.") from None
            if name == "volume":
                if not 0 <= number <= PERCENT:
                    raise BadCommand(f"volume is a number from 0 to {PERCENT}, not {text!r:.40}.")
                return _set(name, number / PERCENT)
            return _set(name, int(number) if name == "sleep" and number in SLEEP_STEPS else number)
    raise BadCommand(f"{text!r:.40} is nothing that {name} can be.")


def _set(control: str, value: object) -> dict[str, Any]:
    return {"do": "set", "control": control, "value": value}


def discovery(
    base: str, name: str, version: str, networks: Iterable[str], scenes: Iterable[str]
) -> dict[str, str]:
    """Home Assistant's configuration messages, by topic below that of discovery. `name` is the box's random one."""
    device = {
        "identifiers": [name],
        "name": "Stellar Wind",
        "model": "Stellar Wind Box",
        "manufacturer": "Stellar Wind Box",
    } | ({"sw_version": version} if version else {})
    options = {
        "network": list(networks),
        "scene": list(scenes),
        "sleep": [str(step) for step in SLEEP_STEPS],
    }
    tempo = {"min": SLOWEST, "max": FASTEST, "unit_of_measurement": "bpm"}
    volume = {"min": 0, "max": PERCENT, "unit_of_measurement": "%"}
    entities: tuple[tuple[str, str, str, str, dict[str, Any]], ...] = (
        ("number", "volume", "Volume", "mdi:volume-high", volume),
        ("number", "tempo", "Tempo", "mdi:metronome", tempo),
        ("select", "network", "Network", "mdi:star-shooting", {"options": options["network"]}),
        ("select", "scene", "Scene", "mdi:weather-night", {"options": options["scene"]}),
        ("select", "sleep", "Sleep timer (minutes)", "mdi:sleep", {"options": options["sleep"]}),
        ("switch", "mute", "Mute", "mdi:volume-off", {"payload_on": ON, "payload_off": OFF}),
        ("button", "keep", "Keep the last half hour", "mdi:content-save", {"payload_press": PRESS}),
        ("sensor", "state", "State", "mdi:lan", {}),
        (
            "sensor",
            "notes",
            "Notes a minute",
            "mdi:music-note",
            {"unit_of_measurement": "notes/min", "state_class": "measurement"},
        ),
        ("sensor", "ledger", "Ledger", "mdi:counter", {"entity_category": "diagnostic"}),
    )
    messages = {}
    for component, topic, words, icon, more in entities:
        config: dict[str, Any] = {
            "name": words,
            "icon": icon,
            "unique_id": f"{name}-{topic}",
            "object_id": f"stellar_wind_{topic}",
            "availability_topic": f"{base}/{AVAILABLE}",
            "device": device,
        } | more
        if component != "button":
            config["state_topic"] = f"{base}/{topic}"
        if topic in COMMANDS:
            config["command_topic"] = f"{base}/{command_topic(topic)}"
        messages[f"{component}/{name}/{topic}/config"] = json.dumps(config, separators=(",", ":"))
    return messages
