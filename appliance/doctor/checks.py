# SPDX-License-Identifier: Apache-2.0
"""The checks that need no network: each takes the machine and the settings, and yields what it finds.

The one rule: a check says what the owner would notice. "wrong" is kept for what keeps the box from doing what its
settings ask; a computer that is no Raspberry Pi is not ill for having no pins. The table at the end is the
order of the screen.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from appliance.doctor.finding import Finding, note, ok, wrong
from appliance.doctor.machine import Machine
from appliance.settings import Settings
from appliance.sound.outputs.cards import AUTO, DRM, PROC, choices, look
from appliance.state import folder

Check = Callable[[Machine, Settings], Iterator[Finding]]

MADE = datetime(2026, 1, 1, tzinfo=UTC).timestamp()  # no version of this program is older
EXPIRED = datetime(2100, 1, 1, tzinfo=UTC).timestamp()  # what an unset clock may also say
WEAK = 30  # of 70, as drivers state a Wi-Fi's quality; about -80 dBm
HOT, WARM = 80.0, 70.0  # C; the firmware slows the processor down at 80
LEAN = 60 << 20  # bytes; the box and its listener may grow by so much after an update
TIGHT = 100 << 20  # bytes on the disk; an update of the packages needs about as much
ASK_CLOCK = ("timedatectl", "show", "--property=NTPSynchronized", "--value")
ASK_POWER = ("vcgencmd", "get_throttled")
UNIT = "stellar-wind.service"
SERVICE_STATE = "/var/lib/stellar-wind"  # deploy/systemd/stellar-wind.service
MODEL = "/proc/device-tree/model"
STATUS = "/proc/asound/card*/pcm*p/sub*/status"
LOUDNESS = (
    "Master",
    "PCM",
    "Digital",
    "Headphone",
    "Speaker",
    "HDMI",
)  # the mixer's controls for all that is heard


def network(machine: Machine, _: Settings) -> Iterator[Finding]:
    """Does any way lead out? By the routing tables of the kernel; with a hint where it is a weak Wi-Fi."""
    ways = [
        row[0] for row in _rows(machine, "/proc/net/route") if len(row) > 7 and row[1] == row[7] == "0" * 8
    ]
    ways += [
        row[-1]
        for row in _rows(machine, "/proc/net/ipv6_route")
        if row[:2] == ["0" * 32, "00"] and row[-1] != "lo"
    ]
    if not machine.has("/proc/net/route"):
        return
    if not ways:
        advice = "Plug in a cable, or set up the Wi-Fi: `sudo nmtui`; the recording plays meanwhile."
        yield wrong("network", "No way leads out of this computer.", advice)
        return
    way = ways[0]
    quality = [int(float(row[2])) for row in _rows(machine, "/proc/net/wireless") if row[0] == f"{way}:"]
    if quality and quality[0] < WEAK:
        advice = "Put the box nearer to the Wi-Fi, or plug in a cable."
        yield note("network", f"The Wi-Fi ({way}) is weak: {quality[0]} of 70.", advice)
    else:
        yield ok("network", f"{way}{f', Wi-Fi of {quality[0]} of 70' if quality else ''}.")


def _rows(machine: Machine, table: str) -> list[list[str]]:
    return [line.split() for line in machine.read(table).splitlines() if line.strip()]


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


def disk(machine: Machine, settings: Settings) -> Iterator[Finding]:
    """Can the box remember what hands set?"""
    place = folder(settings.state, machine.environ)
    if machine.has(SERVICE_STATE) and not settings.state:
        place = Path(SERVICE_STATE)  # where the service keeps it, whoever asks
    if place is None or (left := machine.space(machine.root / place.relative_to("/"))) is None:
        yield note("disk", "There is no folder for what hands have set.", "Name one in the setting `state`.")
        return
    says = f"{left.free >> 20:,} MB are free where {place} is"
    if not left.writable and place != Path(SERVICE_STATE):
        advice = "Make it writable, or name another folder in the setting `state`."
        yield note(
            "disk", f"Nothing can be written to {place}: after a power cut the box begins anew.", advice
        )
    elif left.free < TIGHT:
        yield note("disk", f"Only {says}.", "Make room: updates and the log need some.")
    else:
        yield ok("disk", f"{says}.")


def sound(machine: Machine, settings: Settings) -> Iterator[Finding]:
    """Is there a card that somebody hears, and is it turned up?"""
    seen = look(machine.environ, machine.root / PROC.relative_to("/"), machine.root / DRM.relative_to("/"))
    found, wanted = choices(seen), settings.sound.device
    if wanted != AUTO:
        yield ok(
            "sound card",
            f"The settings name {wanted!r}; there are: {_listed(card.id for card in seen.cards)}.",
        )
    elif not seen.cards and not seen.server:
        advice = (
            "Plug in a USB card or a sound board, or switch the built-in one on; it is taken within seconds."
        )
        yield wrong("sound card", "There is none: the box plays, and nobody hears it.", advice)
    elif not found:
        advice = "Switch the monitor on before the box, or plug in another card."
        yield wrong("sound card", "There is only HDMI, and no monitor that plays sound.", advice)
    else:
        others = f" Then come: {_listed(choice.words for choice in found[1:])}." if found[1:] else ""
        yield ok("sound card", f"The best is {found[0].words}.{others}")
    running = [path.split("/")[3] for path in machine.find(STATUS) if "RUNNING" in machine.read(path)]
    if running:
        yield ok("sound", f"Something plays on {_listed(running)} now.")
    for card in seen.cards:
        yield from _mixer(card.id, machine.ask(("amixer", "-c", card.id, "scontents")) or "")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _mixer(card: str, contents: str) -> Iterator[Finding]:
    """The controls of a card that keep it silent, from what `amixer scontents` prints."""
    for control in contents.split("Simple mixer control ")[1:]:
        name = control.partition("'")[2].partition("'")[0]
        levels = re.findall(r"Playback.*?\[(\d+)%\](?:.*?\[(on|off)\])?", control)
        if name in LOUDNESS and levels and all(level == "0" or switch == "off" for level, switch in levels):
            yield note(
                "mixer",
                f"The card {card} has its own {name!r} at nothing.",
                f"Turn it up with `amixer -c {card} sset '{name}' 80% unmute`.",
            )


def panel(machine: Machine, settings: Settings) -> Iterator[Finding]:
    """Can the knobs, buttons and lamps be reached? Nothing is opened: a box may be using them."""
    if settings.panel.factory == "none":
        yield ok("panel", "None is wanted (panel.factory).")
        return
    if "Raspberry Pi" not in machine.read(MODEL):
        yield ok("panel", "This computer has no pins; in a terminal, keys stand in for it.")
        return
    if not machine.find("/dev/gpiochip*"):
        yield wrong("panel", "The kernel shows no pins.", "Update the system: `sudo apt full-upgrade`.")
    elif settings.panel.knobs == "potentiometers" and not machine.find("/dev/spidev0.*"):
        advice = "Run `sudo raspi-config nonint do_spi 0`, and start the computer again."
        yield wrong("panel", "SPI is off, so nobody reads the knobs.", advice)
    else:
        yield ok("panel", f"The kernel shows the pins{_spi(settings)}.")


def _spi(settings: Settings) -> str:
    return " and SPI" if settings.panel.knobs == "potentiometers" else ""


# By the part of the box that they look at; `stellar-wind doctor PART` runs only those.
CHECKS: dict[str, tuple[Check, ...]] = {
    "network": (network, clock),
    "sound": (sound,),
    "panel": (panel,),
    "computer": (power, temperature, memory, disk, service, versions),
}
