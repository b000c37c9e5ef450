# SPDX-License-Identifier: Apache-2.0
"""The support file: a zip for a person who helps remotely, without personal data.

It holds only what is listed below, and everything passes through `redacted`.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

from appliance.doctor.computer import UNIT
from appliance.doctor.finding import Finding
from appliance.doctor.machine import Machine
from appliance.doctor.privacy import private, redacted
from appliance.doctor.report import as_json, screen
from appliance.saved.replacing import replacing
from appliance.settings import Loaded, as_toml

LINES = 2000  # of the log: usually months, and hours at the least, because the log is rate limited
LOG = ("journalctl", "--no-hostname", "--output=short-iso", "--quiet", f"--lines={LINES}")
BESIDE = ("listener@*", "page.service", "mqtt.service", "pieces.service", "trial.service")
UNITS = (UNIT, *(f"stellar-wind-{name}" for name in BESIDE))

FILES = (
    *("/etc/os-release", "/proc/version", "/proc/cpuinfo", "/proc/meminfo", "/proc/loadavg", "/proc/uptime"),
    *("/proc/asound/cards", "/proc/asound/pcm", "/boot/firmware/config.txt", "/boot/firmware/cmdline.txt"),
)

ABOUT = """\
`stellar-wind doctor --bundle` wrote this file for support: the findings of the doctor, the settings, the last lines of
the box's log, and a few files that describe the computer.

Names of users, of the computer and of Wi-Fis, addresses, serial numbers, passphrases and values of headers are replaced
by their kind in angle brackets, and your own servers by numbers. There are no account ids, hashes or memos in it,
because the box never writes them; a piece or a feed in the log is <hash>. Look it through before you send it:
everything is plain text.
"""


def bundle(path: Path, machine: Machine, loaded: Loaded, findings: Sequence[Finding]) -> None:
    """Write the support file, a zip; raises CannotWrite."""
    words = private(machine, loaded.settings)
    texts = {
        "READ ME FIRST.txt": ABOUT,
        "doctor.txt": screen(findings, 120),
        "doctor.json": as_json(findings),
        "settings.toml": as_toml(loaded),
        "log.txt": machine.ask((*LOG, *(f"--unit={unit}" for unit in UNITS)))
        or "There is none that this user can read.",
        **{f"computer{name}": text for name in FILES if (text := machine.read(name))},
    }
    with replacing(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in texts.items():
            file.writestr(name, redacted(text, words) + "\n")
