# SPDX-License-Identifier: Apache-2.0
"""How the computer is: power, heat, memory, disk, the service, and what runs on it.

The one rule: "wrong" is kept for what the owner would notice. Where this computer does not tell, a check finds
nothing. Each check takes the machine and the settings, and yields what it finds.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from appliance.doctor.finding import Finding, note, ok, wrong
from appliance.doctor.machine import MODEL, Machine
from appliance.host.power import HWMON, too_weak
from appliance.saved.files import SERVICE, state_dir
from appliance.settings import Settings
from appliance.values import BoxState

HOT, WARM = 80.0, 70.0  # C; the firmware slows the processor down at 80
LEAN = 60 << 20  # bytes; the box and its listener may grow by so much after an update
TIGHT = 100 << 20  # bytes on the disk; an update of the packages needs about as much
ASK_POWER = ("vcgencmd", "get_throttled")
UNIT = "stellar-wind.service"


def power(machine: Machine, _: Settings) -> Iterator[Finding]:
    """Does the supply hold its 5 V? The firmware of a Raspberry Pi remembers it in bits 0 and 16 (vcgencmd)."""
    bits = throttled(machine)
    weak = too_weak(machine.at(HWMON))
    advice = "Take the supply that is sold with the board, and a short cable."
    if (bits or 0) & 1 or weak:
        yield wrong("power", "The voltage is too low.", advice)
    elif (bits or 0) & 1 << 16:
        yield note("power", "The voltage was too low at some time since the start.", advice)
    elif bits is not None or weak is not None:
        yield ok("power", "The voltage holds.")


def throttled(machine: Machine) -> int | None:
    """The bits in which the firmware says what it holds back and why; None where it does not."""
    bits = machine.number("/sys/devices/platform/soc/soc:firmware/get_throttled")
    if bits is None and (said := re.fullmatch("throttled=(0x[0-9a-f]+)", machine.ask(ASK_POWER) or "")):
        bits = int(said[1], 16)
    return bits


def temperature(machine: Machine, _: Settings) -> Iterator[Finding]:
    """Is the processor too hot?"""
    degrees = hottest(machine)
    advice = "Give the case air, or keep it out of the sun."
    if degrees is None:
        return
    if degrees >= HOT:
        yield wrong("temperature", f"The processor has {degrees:.0f} °C and is slowed down.", advice)
    elif degrees >= WARM:
        yield note(
            "temperature", f"The processor has {degrees:.0f} °C; at {HOT:.0f} it is slowed down.", advice
        )
    else:
        yield ok("temperature", f"{degrees:.0f} °C.")


def hottest(machine: Machine) -> float | None:
    """The temperature of the hottest part that tells one, in °C."""
    degrees = [machine.number(path) for path in machine.find("/sys/class/thermal/thermal_zone*/temp")]
    return max((number / 1000 for number in degrees if number is not None), default=None)


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


def disk(machine: Machine, settings: Settings) -> Iterator[Finding]:
    """Can the box remember what hands set?"""
    place = state_dir(settings.state_dir, machine.environ)
    if machine.has(SERVICE) and not settings.state_dir:
        place = SERVICE  # where the service keeps it, whoever asks
    if place is None:
        yield note("disk", "There is no folder for what hands have set.", "Name one in the setting `state`.")
        return
    if (left := machine.space(machine.at(place))) is None:
        yield note(
            "disk", f"Nobody else may look into {place}.", "Ask again with sudo, or as the box's own user."
        )
        return
    if machine.has(place, "state.json.bad"):
        says = f"What hands had set could not be read once, and was put aside in {place}."
        yield note(
            "disk", says, "If that file is new each time you look, the card may be dying: copy it to another."
        )
    says = f"{left.free >> 20:,} MB are free where {place} is"
    if not left.writable and place != SERVICE:
        advice = "Make it writable, or name another folder in the setting `state`."
        yield note(
            "disk", f"Nothing can be written to {place}: after a power cut the box begins anew.", advice
        )
    elif left.free < TIGHT:
        yield note("disk", f"Only {says}.", "Make room: updates and the log need some.")
    else:
        yield ok("disk", f"{says}.")


def service(machine: Machine, _: Settings) -> Iterator[Finding]:
    """How the box does as a service, where it is one."""
    wanted = ("LoadState", "ActiveState", "SubState", "Result", "NRestarts", "StatusText")
    answer = machine.ask(("systemctl", "show", UNIT, *(f"--property={name}" for name in wanted)))
    state = dict(line.split("=", 1) for line in (answer or "").splitlines() if "=" in line)
    if state.get("LoadState") != "loaded":
        return
    active, words = state.get("ActiveState", ""), state.get("StatusText", "")
    read = f"Read why with `journalctl -u {UNIT} -p warning -n 50`"
    runs = f"It runs{f': {words}' if words else ''}."
    if active == "failed":
        yield wrong(
            "service", f"It has failed ({state.get('Result', '')}).", f"{read}, then start the computer anew."
        )
    elif active != "active":
        says = f"It is {active} ({state.get('SubState', '')})."
        yield note("service", says, f"Start it with `sudo systemctl start {UNIT}`.")
    elif f": {BoxState.TROUBLE.value}" in words:
        advice = f"{read}, and start the computer anew."
        yield wrong("service", f"It has crashed too often, and plays without your settings: {words}.", advice)
    elif state.get("NRestarts", "0") != "0":
        yield note("service", f"{runs} It was started anew {state['NRestarts']} times.", f"{read}.")
    elif "ran dry" in words:
        advice = "If you hear gaps, raise `sound.latency`, or give the computer less to do."
        yield note("service", runs, advice)
    else:
        yield ok("service", runs)


def versions(machine: Machine, _: Settings) -> Iterator[Finding]:
    """What runs here, for whoever is asked for help."""
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
