# SPDX-License-Identifier: Apache-2.0
"""The headphone jack of a Pi: the first link that is missing between the device tree and the sound.

The jack is driven by the firmware. The kernel's driver for it (snd_bcm2835) talks to the firmware over VCHIQ, and the
firmware plays on two PWM pins. Only files are read; nothing is opened.

    device tree: VCHIQ, pins ─▶ driver vchiq ─▶ firmware's audio service ─▶ snd_bcm2835 ─▶ card ─▶ mixer ─▶ choice
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from appliance.doctor.instrument import levels
from appliance.doctor.machine import MODEL, Machine
from appliance.settings import Settings
from appliance.sound.outputs.cards import AUTO, DRM, PROC, choices, listed, look

BOARDS = re.compile(r"Raspberry Pi [234] Model")  # a Zero, a 400, a 5 and the compute modules have no jack
CARD = "Headphones"
TREE, MODULES = "/proc/device-tree/soc", "/sys/module"
VCHIQ = f"{TREE}/mailbox@7e00b840"  # both in the kernel's own device trees and in Raspberry Pi's
LOG = "`sudo dmesg | grep -i -e vchiq -e bcm2835` says more"


def jack(machine: Machine, settings: Settings) -> Iterator[str]:
    """The first missing link, with what to do about it, or the whole chain; nothing on a board without a jack."""
    if BOARDS.match(machine.read(MODEL)):
        yield next(_missing(machine), None) or _whole(machine, settings)


def _missing(machine: Machine) -> Iterator[str]:
    """Each missing link, from the device tree on."""
    if not machine.has(VCHIQ) or not _enabled(machine, VCHIQ):
        yield "the device tree has no VCHIQ: update kernel and firmware together"
    if not any(_enabled(machine, node) and machine.has(node, "pinctrl-0") for node in _players(machine)):
        yield "the device tree does not put the pins of the jack on PWM: update kernel and firmware together"
    if not machine.has(MODULES, "vchiq"):
        yield f"the driver vchiq is not loaded: `sudo modprobe vchiq`; {LOG}"
    if not machine.find("/sys/bus/*/devices/bcm2835[-_]audio*"):
        yield f"the firmware's audio service does not answer: use the firmware of the card (start.elf); {LOG}"
    if not machine.has(MODULES, "snd_bcm2835"):
        yield f"the driver snd_bcm2835 is not loaded: `sudo modprobe snd_bcm2835`; {LOG}"
    if machine.read(f"{MODULES}/snd_bcm2835/parameters/enable_headphones") == "N":
        yield "snd_bcm2835.enable_headphones is off: remove it from cmdline.txt, and dtparam=audio=off from config.txt"
    if not any(name == CARD for _, name, _ in listed(machine.read(str(PROC / "cards")))):
        yield f"there is no card {CARD!r}: {LOG}"
    for control, stands in _levels(machine):
        if all(level == "0" or switch == "off" for level, switch in stands):
            yield f"the mixer control {control!r} is at zero or off: `amixer -c {CARD} sset '{control}' 0dB unmute`"


def _players(machine: Machine) -> list[str]:
    """The nodes that can claim the pins: PWM in the kernel's own device trees, VCHIQ in Raspberry Pi's."""
    return [*machine.find(f"{TREE}/pwm@*"), VCHIQ]


def _enabled(machine: Machine, node: str) -> bool:
    return machine.read(f"{node}/status") in ("", "okay")


def _levels(machine: Machine) -> list[tuple[str, list[tuple[str, str]]]]:
    return list(levels(machine.ask(("amixer", "-c", CARD, "scontents")) or ""))


def _whole(machine: Machine, settings: Settings) -> str:
    controls = [
        f"{control} {' '.join(f'{level}% {switch}'.strip() for level, switch in stands)}"
        for control, stands in _levels(machine)
    ]
    if settings.sound.device != AUTO:
        chosen = f"sound.device is {settings.sound.device}"
    else:
        found = choices(look(machine.environ, machine.at(PROC), machine.at(DRM)))
        chosen = f"the box chooses {found[0].words}" if found else "the box chooses no card"
    return "; ".join([f"every link is there, from the device tree to the card {CARD!r}", *controls, chosen])
