# SPDX-License-Identifier: Apache-2.0
"""The support file: what somebody who helps from afar needs to know, without who the owner is.

The one rule: everything that goes in passes `redacted`, and nothing goes in that is not in the list below.
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
from appliance.settings import Loaded, as_toml
from appliance.values import BoxError

LINES = 2000  # of the log: at ten a minute at most the last hours, as a rule the last months
LOG = ("journalctl", "--no-hostname", "--output=short-iso", "--quiet", f"--lines={LINES}")
UNITS = (UNIT, "stellar-wind-listener@*", "stellar-wind-trial.service")

FILES = (
    *("/etc/os-release", "/proc/version", "/proc/cpuinfo", "/proc/meminfo", "/proc/loadavg", "/proc/uptime"),
    *("/proc/asound/cards", "/proc/asound/pcm", "/boot/firmware/config.txt", "/boot/firmware/cmdline.txt"),
)

ABOUT = """\
This is what `stellar-wind doctor --bundle` has put together for somebody who helps: what the doctor found, the
settings, the last lines of the box's own log, and a few files that say what computer it is.

Names of users, of the computer and of Wi-Fis, addresses, serial numbers and passphrases have been replaced by what
they are, in angle brackets, and your own servers by numbers. There are no account ids, hashes and memos in it, because
the box never writes any. Look it through before you send it: it is all plain text.
"""


class NoBundle(BoxError, OSError):
    """The support file cannot be written where it was asked for."""


def bundle(path: Path, machine: Machine, loaded: Loaded, findings: Sequence[Finding]) -> None:
    """Write the support file, a zip; raises NoBundle."""
    words = private(machine, loaded.settings)
    texts = {
        "READ ME FIRST.txt": ABOUT,
        "doctor.txt": screen(findings, 120),
        "doctor.json": as_json(findings),
        "settings.toml": as_toml(loaded),
        "log.txt": machine.ask((*LOG, *(f"--unit={unit}" for unit in UNITS)))
        or "None that this user may read.",
        **{f"computer{name}": text for name in FILES if (text := machine.read(name))},
    }
    try:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, text in texts.items():
                file.writestr(name, redacted(text, words) + "\n")
    except OSError as error:
        raise NoBundle(
            f"Cannot write {path}: {error.strerror}. Choose another place with --bundle."
        ) from error
