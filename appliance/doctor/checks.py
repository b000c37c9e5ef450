# SPDX-License-Identifier: Apache-2.0
"""The checks that need no network: each takes the machine and the settings, and yields what it finds.

The one rule: a check says what the owner would notice. "wrong" is kept for what keeps the box from doing what its
settings ask; a computer that is no Raspberry Pi is not ill for having no pins. The table at the end is the
order of the screen.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from appliance.doctor.finding import Finding, note, ok, wrong
from appliance.doctor.machine import Machine
from appliance.settings import Settings

Check = Callable[[Machine, Settings], Iterator[Finding]]

MADE = datetime(2026, 1, 1, tzinfo=UTC).timestamp()  # no version of this program is older
EXPIRED = datetime(2100, 1, 1, tzinfo=UTC).timestamp()  # what an unset clock may also say
HOT, WARM = 80.0, 70.0  # C; the firmware slows the processor down at 80
LEAN = 60 << 20  # bytes; the box and its listener may grow by so much after an update
TIGHT = 100 << 20  # bytes on the disk; an update of the packages needs about as much
ASK_CLOCK = ("timedatectl", "show", "--property=NTPSynchronized", "--value")
ASK_POWER = ("vcgencmd", "get_throttled")
UNIT = "stellar-wind.service"


def clock(machine: Machine, _: Settings) -> Iterator[Finding]:
    """Is the date right, and does somebody set it? Without it no server can prove who it is."""
    says = f"{datetime.fromtimestamp(machine.now, UTC):%Y-%m-%d %H:%M} UTC"
    if not MADE <= machine.now < EXPIRED:
        yield wrong(
            "clock",
            f"The date is {says}, which cannot be.",
            "Let the box reach a time server (NTP, UDP port 123); until then no server is trusted.",
        )
        return
    by = "yes" if machine.has("/run/systemd/timesync/synchronized") else machine.ask(ASK_CLOCK)
    if by == "yes":
        yield ok("clock", f"{says}, set by a time server.")
    elif by == "no":
        advice = "Run `sudo timedatectl set-ntp true`, and let UDP port 123 through."
        yield note("clock", f"{says}, not set by a time server.", advice)
    else:
        yield ok("clock", f"{says}; who sets it is not known here.")


def power(machine: Machine, _: Settings) -> Iterator[Finding]:
    """Does the supply hold its 5 V? The firmware of a Raspberry Pi remembers it in bits 0 and 16 (vcgencmd)."""
    bits = machine.number("/sys/devices/platform/soc/soc:firmware/get_throttled")
    if bits is None and (said := re.fullmatch("throttled=(0x[0-9a-f]+)", machine.ask(ASK_POWER) or "")):
        bits = int(said[1], 16)
    alarms = [
        machine.number(f"{path.removesuffix('name')}in0_lcrit_alarm")
        for path in machine.find("/sys/class/hwmon/*/name")
        if machine.read(path) == "rpi_volt"
    ]
    advice = "Take the supply that is sold with the board, and a short cable."
    if (bits or 0) & 1 or 1 in alarms:
        yield wrong("power", "The voltage is too low.", advice)
    elif (bits or 0) & 1 << 16:
        yield note("power", "The voltage was too low at some time since the start.", advice)
    elif bits is not None or alarms:
        yield ok("power", "The voltage holds.")


def temperature(machine: Machine, _: Settings) -> Iterator[Finding]:
    """Is the processor too hot?"""
    degrees = [machine.number(path) for path in machine.find("/sys/class/thermal/thermal_zone*/temp")]
    hottest = max((number / 1000 for number in degrees if number is not None), default=None)
    advice = "Give the case air, or keep it out of the sun."
    if hottest is None:
        return
    if hottest >= HOT:
        yield wrong("temperature", f"The processor has {hottest:.0f} °C and is slowed down.", advice)
    elif hottest >= WARM:
        yield note(
            "temperature", f"The processor has {hottest:.0f} °C; at {HOT:.0f} it is slowed down.", advice
        )
    else:
        yield ok("temperature", f"{hottest:.0f} °C.")


def memory(machine: Machine, _: Settings) -> Iterator[Finding]:
    """Is there room for the box to breathe?"""
    kilobytes = {
        line.partition(":")[0]: int(words[0])
        for line in machine.read("/proc/meminfo").splitlines()
        if (words := line.partition(":")[2].split())
    }
    if "MemAvailable" not in kilobytes:
        return
    available, total = (kilobytes[key] << 10 for key in ("MemAvailable", "MemTotal"))
    says = f"{available >> 20} of {total >> 20} MB are available."
    if available < LEAN:
        yield note("memory", says, "See with `top` who needs the rest; the box takes some 250 MB.")
    else:
        yield ok("memory", says)


def versions(machine: Machine, _: Settings) -> Iterator[Finding]:
    """What runs here, for whoever is asked for help."""
    names = ("stellar-wind-box", "pyo", "stellar-sdk", "aiohttp", "gpiozero")
    packages = ", ".join(f"{name} {installed(name)}" for name in names)
    yield ok("versions", f"{packages}, Python {platform.python_version()}.")
    board = machine.read("/proc/device-tree/model") or platform.machine()
    kernel = machine.read("/proc/sys/kernel/osrelease") or platform.release()
    release = dict(line.split("=", 1) for line in machine.read("/etc/os-release").splitlines() if "=" in line)
    system = release.get("PRETTY_NAME", "").strip('"') or platform.system()
    yield ok("computer", f"{board}, {system}, kernel {kernel}.")


def installed(name: str) -> str:
    """The version of a Python package."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "(none)"


def service(machine: Machine, _: Settings) -> Iterator[Finding]:
    """How the box does as a service, where it is one."""
    wanted = ("LoadState", "ActiveState", "SubState", "Result", "NRestarts", "StatusText")
    answer = machine.ask(("systemctl", "show", UNIT, *(f"--property={name}" for name in wanted)))
    state = dict(line.split("=", 1) for line in (answer or "").splitlines() if "=" in line)
    if state.get("LoadState") != "loaded":
        return
    restarts, words = state.get("NRestarts", "0"), state.get("StatusText", "")
    if state.get("ActiveState") == "failed":
        yield wrong(
            "service",
            f"It has failed ({state.get('Result', '')}).",
            f"Read why with `journalctl -u {UNIT} -n 50`, then `sudo systemctl restart {UNIT}`.",
        )
    elif state.get("ActiveState") != "active":
        yield note(
            "service",
            f"It is {state.get('ActiveState', '')} ({state.get('SubState', '')}).",
            f"Start it with `sudo systemctl start {UNIT}`.",
        )
    elif restarts != "0":
        yield note(
            "service",
            f"It runs, after {restarts} restarts{f': {words}' if words else ''}.",
            f"Read why it ended with `journalctl -u {UNIT} -p warning`.",
        )
    else:
        yield ok("service", f"It runs{f': {words}' if words else ''}.")


# By the part of the box that they look at; `stellar-wind doctor PART` runs only those.
CHECKS: dict[str, tuple[Check, ...]] = {
    "network": (clock,),
    "computer": (power, temperature, memory, service, versions),
}
