# SPDX-License-Identifier: Apache-2.0
"""Checks the computer: power, temperature, memory, disk, the box that plays, the service, and the versions.

"Wrong" is only what the owner would notice. A check that this computer has no data for finds nothing. Each check takes
the machine and the settings, and yields its findings.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from appliance.doctor.finding import Finding, note, ok, wrong
from appliance.doctor.machine import MODEL, Machine
from appliance.host.power import HWMON, too_weak
from appliance.saved.files import SERVICE, state_dir
from appliance.settings import Settings
from appliance.values import BoxState

HOT, WARM = 80.0, 70.0  # °C; the firmware throttles the processor at 80
LEAN = 60 << 20  # bytes of memory that an update can need
TIGHT = 100 << 20  # bytes on the disk that an update of the packages needs
ASK_POWER = ("vcgencmd", "get_throttled")
UNIT = "stellar-wind.service"


def power(machine: Machine, _: Settings) -> Iterator[Finding]:
    """Does the supply hold its 5 V? Bits 0 and 16 of the firmware's flags: now, and since the boot (vcgencmd)."""
    bits = throttled(machine)
    weak = too_weak(machine.at(HWMON))
    advice = "Use the supply that is sold with the board, and a short cable."
    if (bits or 0) & 1 or weak:
        yield wrong("power", "The voltage is too low.", advice)
    elif (bits or 0) & 1 << 16:
        yield note("power", "The voltage was too low at some time since the boot.", advice)
    elif bits is not None or weak is not None:
        yield ok("power", "The voltage is sufficient.")


def throttled(machine: Machine) -> int | None:
    """The firmware's flags of throttling and undervoltage; None on other boards."""
    bits = machine.number("/sys/devices/platform/soc/soc:firmware/get_throttled")
    if bits is None and (said := re.fullmatch("throttled=(0x[0-9a-f]+)", machine.ask(ASK_POWER) or "")):
        bits = int(said[1], 16)
    return bits


def temperature(machine: Machine, _: Settings) -> Iterator[Finding]:
    """Is the processor too hot?"""
    degrees = hottest(machine)
    advice = "Ventilate the case, or move it out of the sun."
    if degrees is None:
        return
    if degrees >= HOT:
        yield wrong("temperature", f"The processor has {degrees:.0f} °C and is throttled.", advice)
    elif degrees >= WARM:
        yield note(
            "temperature", f"The processor has {degrees:.0f} °C; at {HOT:.0f} it is throttled.", advice
        )
    else:
        yield ok("temperature", f"{degrees:.0f} °C.")


def hottest(machine: Machine) -> float | None:
    """The highest temperature of all sensors, in °C."""
    degrees = [machine.number(path) for path in machine.find("/sys/class/thermal/thermal_zone*/temp")]
    return max((number / 1000 for number in degrees if number is not None), default=None)


def memory(machine: Machine, _: Settings) -> Iterator[Finding]:
    """Is there enough free memory?"""
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
        yield note("memory", says, "Check with `top` what needs the rest; the box needs some 250 MB.")
    else:
        yield ok("memory", says)


def saved_in(machine: Machine, settings: Settings) -> Path | None:
    """The folder for the saved controls; that of the service, whichever user runs this check. None without one."""
    if machine.has(SERVICE) and not settings.state_dir:
        return SERVICE
    return state_dir(settings.state_dir, machine.environ)


def disk(machine: Machine, settings: Settings) -> Iterator[Finding]:
    """Can the controls be saved?"""
    if (place := saved_in(machine, settings)) is None:
        yield note(
            "disk", "There is no folder for the saved controls.", "Name one in the setting `state_dir`."
        )
        return
    if (left := machine.space(machine.at(place))) is None:
        advice = "Run this again with sudo, or as the user that runs the box."
        yield note("disk", f"This user cannot look into {place}.", advice)
        return
    if machine.has(place, "state.json.bad"):
        says = f"The saved controls could not be read once: see state.json.bad in {place}."
        advice = "If that file appears again after you have removed it, the card can be failing: copy it to a new one."
        yield note("disk", says, advice)
    says = f"{left.free >> 20:,} MB are free where {place} is"
    if not left.writable and place != SERVICE:
        advice = "Make it writable, or name another folder in the setting `state_dir`."
        says = f"Nothing can be written to {place}: after a power cut the box starts with the settings."
        yield note("disk", says, advice)
    elif left.free < TIGHT:
        yield note("disk", f"Only {says}.", "Make room: updates and the log need some.")
    else:
        yield ok("disk", f"{says}.")


READ_LOG = f"Read why with `journalctl -u {UNIT} -p warning -n 50`"
UNDO = "undo the last change of the settings, and restart the box"
GAPS = "If you hear gaps, raise `sound.latency`, or stop other programs."


def box(machine: Machine, _: Settings) -> Iterator[Finding]:
    """How is the box that plays, by its own status? Finds nothing if no box answers."""
    if (status := machine.status()) is None:
        return
    words = status.words.rstrip(".")
    says = f"It plays {status.piece or status.playing or f'the scene {status.scene}'}; {words}"
    if status.safe_mode:
        says = f"It has crashed too often and is in safe mode, without your settings; {words}"
        yield wrong("box", f"{says}.", f"{READ_LOG}, {UNDO}.")
    elif not status.card:
        yield note("box", f"{says}.", "Connect a sound card; the box uses it within seconds.")
    elif status.underruns:
        yield note("box", f"{says}.", GAPS)
    else:
        yield ok("box", f"{says}.")
    if status.weak_power:
        advice = "Use the supply that is sold with the board, and a short cable."
        yield note("box", "It has seen undervoltage within the last minute.", advice)


def service(machine: Machine, _: Settings) -> Iterator[Finding]:
    """How is the service, by systemd? Finds nothing where the box is not installed as one."""
    wanted = ("LoadState", "ActiveState", "SubState", "Result", "NRestarts", "StatusText")
    answer = machine.ask(("systemctl", "show", UNIT, *(f"--property={name}" for name in wanted)))
    state = dict(line.split("=", 1) for line in (answer or "").splitlines() if "=" in line)
    if state.get("LoadState") != "loaded":
        return
    active, status = state.get("ActiveState", ""), machine.status()
    words = (status.words if status else state.get("StatusText", "")).rstrip(".")
    runs = f"It runs{f': {words}' if words else ''}."
    if active == "failed":
        yield wrong(
            "service",
            f"It has failed ({state.get('Result', '')}).",
            f"{READ_LOG}, then restart the computer.",
        )
    elif active != "active":
        says = f"It is {active} ({state.get('SubState', '')})."
        yield note("service", says, f"Start it with `sudo systemctl start {UNIT}`.")
    elif not status and f": {BoxState.TROUBLE.value}" in words:
        says = f"It has crashed too often and is in safe mode, without your settings: {words}."
        yield wrong("service", says, f"{READ_LOG}, {UNDO}.")
    elif state.get("NRestarts", "0") != "0":
        yield note("service", f"{runs} It was restarted {state['NRestarts']} times.", f"{READ_LOG}.")
    elif not status and "ran dry" in words:
        yield note("service", runs, GAPS)
    else:
        yield ok("service", runs)


def versions(machine: Machine, _: Settings) -> Iterator[Finding]:
    """Which versions run here?"""
    names = ("stellar-wind-box", "pyo", "stellar-sdk", "aiohttp", "gpiozero")
    packages = ", ".join(f"{name} {installed(name)}" for name in names)
    yield ok("versions", f"{packages}, Python {platform.python_version()}.")
    board = machine.read(MODEL) or platform.machine()
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
