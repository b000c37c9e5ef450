# SPDX-License-Identifier: Apache-2.0
"""The report of a board, for its developers: its hardware and firmware, and how it plays for some seconds.

These are readings without a verdict, a line each. What this computer has no data for is "not here". Nothing in it
identifies the owner. All but `playing` only read, as the checks do; `playing` opens the card, so it does nothing while
a box plays.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from statistics import median

from appliance.doctor.computer import UNIT, hottest, throttled
from appliance.doctor.finding import Finding, note, ok
from appliance.doctor.instrument import STATUS, levels
from appliance.doctor.jack import jack
from appliance.doctor.machine import Machine
from appliance.ledger.tape import bundled
from appliance.live import speaker
from appliance.panel.pins import NOWHERE
from appliance.parts import synth
from appliance.performance import Block, Performance
from appliance.render import part_of
from appliance.settings import Settings
from appliance.sound import SAMPLE_RATE
from appliance.sound.outputs.cards import listed
from appliance.sound.performer import Performer
from appliance.values import Controls

PLAYED = 10.0  # s
WARMING = 0.2  # of it, not counted: caches are cold, and the opening chime has many notes
FIRMWARE = {  # bits of vcgencmd get_throttled; 16 higher: since the boot
    0: "voltage too low",
    1: "frequency capped",
    2: "throttled",
    3: "soft temperature limit",
}
ABSENT = "not here"


def board(machine: Machine, settings: Settings) -> Iterator[Finding]:
    """Some seconds of music, and then every reading, so that temperature and voltage are those under load."""
    yield playing(machine, settings)
    for name, read in READINGS.items():
        yield ok(name, "; ".join(read(machine, settings)) or ABSENT)


# --- readings -----------------------------------------------------------------------------------------------


def _model(machine: Machine, _: Settings) -> Iterator[str]:
    yield from re.findall(r"^Revision\s*:\s*(\w+)$", machine.read("/proc/cpuinfo"), re.MULTILINE)


def _firmware(machine: Machine, _: Settings) -> Iterator[str]:
    said = (machine.ask(("vcgencmd", "version")) or "").splitlines()
    yield from (said[0].strip(), said[-1].strip()) if said else ()


def _throttling(machine: Machine, _: Settings) -> Iterator[str]:
    if (bits := throttled(machine)) is None:
        return
    yield f"{bits:#x}"
    for bit, words in FIRMWARE.items():
        if bits >> bit & 1:
            yield f"{words} now"
        elif bits >> bit + 16 & 1:
            yield f"{words} at some time since the boot"


def _temperature(machine: Machine, _: Settings) -> Iterator[str]:
    if (degrees := hottest(machine)) is not None:
        yield f"{degrees:.0f} °C"


def _frequency(machine: Machine, _: Settings) -> Iterator[str]:
    for policy in machine.find("/sys/devices/system/cpu/cpufreq/policy*"):
        now, most = (machine.number(f"{policy}/scaling_{which}_freq") for which in ("cur", "max"))
        if now and most:
            yield f"{now // 1000} of {most // 1000} MHz, {machine.read(f'{policy}/scaling_governor')}"


def _cards(machine: Machine, _: Settings) -> Iterator[str]:
    for number, name, driver in listed(machine.read("/proc/asound/cards")):
        yield f"{number} {name} ({driver})"


def _mixers(machine: Machine, _: Settings) -> Iterator[str]:
    for _number, name, _driver in listed(machine.read("/proc/asound/cards")):
        for control, stands in levels(machine.ask(("amixer", "-c", name, "scontents")) or ""):
            yield f"{name} {control} {' '.join(f'{level}% {switch}'.strip() for level, switch in stands)}"


def _chips(machine: Machine, _: Settings) -> Iterator[str]:
    said = machine.ask(("gpiodetect",))
    yield from said.splitlines() if said else machine.find("/dev/gpiochip*")


def _pins(machine: Machine, settings: Settings) -> Iterator[str]:
    pins = sorted({pin for pin in settings.panel.pins.model_dump().values() if pin != NOWHERE})
    for line in (machine.ask(("pinctrl", "get", ",".join(map(str, pins)))) or "").splitlines():
        yield " ".join(line.split())


def _spi(machine: Machine, _: Settings) -> Iterator[str]:
    yield from machine.find("/dev/spidev*")


def _wifi(machine: Machine, _: Settings) -> Iterator[str]:
    for path in machine.find("/sys/class/net/*/wireless"):
        name = path.split("/")[-2]
        yield f"{name} {(machine.ask(('iw', 'dev', name, 'get', 'power_save')) or 'power save: not told').lower()}"


def _storage(machine: Machine, _: Settings) -> Iterator[str]:
    for path in machine.find("/sys/block/*"):
        kind, name, date = (machine.read(f"{path}/device/{what}") for what in ("type", "name", "date"))
        if kind in ("SD", "MMC"):
            size = (machine.number(f"{path}/size") or 0) * 512 // 10**9
            yield f"{kind} {name} of {size} GB, made {date}, by {machine.read(f'{path}/device/manfid')}"


def _boot(machine: Machine, _: Settings) -> Iterator[str]:
    said = machine.ask(("systemd-analyze", "time")) or ""
    yield from (line.strip() for line in said.splitlines()[:1])
    wanted = ("ExecMainStartTimestampMonotonic", "ActiveEnterTimestampMonotonic")  # us since the kernel began
    answer = machine.ask(("systemctl", "show", UNIT, *(f"--property={name}" for name in wanted))) or ""
    times = dict(re.findall(r"^(\w+)=([1-9]\d*)$", answer, re.MULTILINE))
    if len(times) == len(wanted):
        began, sounded = (int(times[name]) / 1e6 for name in wanted)
        yield f"the box began {began:.1f} s after the kernel, and sounded {sounded - began:.1f} s later"


READINGS: dict[str, Callable[[Machine, Settings], Iterator[str]]] = {
    "revision": _model,
    "firmware": _firmware,
    "throttling": _throttling,
    "heat": _temperature,
    "frequency": _frequency,
    "jack": jack,
    "cards": _cards,
    "mixers": _mixers,
    "GPIO chips": _chips,
    "panel's pins": _pins,
    "SPI": _spi,
    "Wi-Fi": _wifi,
    "SD card": _storage,
    "start": _boot,
}

# --- playing ------------------------------------------------------------------------------------------------


def playing(machine: Machine, settings: Settings, seconds: float = PLAYED) -> Finding:
    """Play the recording for some seconds, with full polyphony, and measure the time per block."""
    if machine.status() or any("RUNNING" in machine.read(path) for path in machine.find(STATUS)):
        advice = f"Stop it first; the service with `sudo systemctl stop {UNIT}`."
        return note("playing", "Not tried: a box or another program plays.", advice)
    sound = settings.sound
    controls = Controls(
        min(settings.volume, sound.max_volume), settings.tempo, settings.network, scene=settings.scene
    )
    spent: list[float] = []

    def measure(block: Block) -> None:
        if block.passage.seconds > WARMING * seconds:
            spent.append(block.spent)

    with (
        closing(synth(settings)) as instrument,
        closing(speaker(settings)) as output,
    ):
        performer = Performer(part_of(settings, bundled()), instrument)
        gc.collect()
        gc.freeze()  # as the box does
        Performance(performer, output, lambda: controls, [measure]).play(seconds)
        status = output.status
    block = sound.block_size / SAMPLE_RATE
    took = ", ".join(
        f"{1000 * spell:.1f} ms ({100 * spell / block:.0f} %) {when}"
        for spell, when in ((median(spent), "in the median"), (max(spent), "at most"))
    )
    says = (
        f"{seconds:g} s {f'on {status.card}' if status.card else 'in silence'}, {status.underruns} underruns; "
        f"a block of {1000 * block:.1f} ms took {took}; {1000 * status.latency:.0f} ms of latency."
    )
    return note("playing", says, status.why) if status.why else ok("playing", says)
