# SPDX-License-Identifier: Apache-2.0
"""Checks the sound card with its mixer, and the panel.

Nothing is opened, because a box can be playing. The best card is chosen by the same function as in the box. Each check
takes the machine and the settings, and yields its findings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from appliance.doctor.finding import Finding, note, ok, wrong
from appliance.doctor.machine import MODEL, Machine
from appliance.settings import Settings
from appliance.sound.outputs.cards import AUTO, DRM, PROC, choices, listed, look

STATUS = "/proc/asound/card*/pcm*p/sub*/status"
LOUDNESS = (
    "Master",
    "PCM",
    "Digital",
    "Headphone",
    "Speaker",
    "HDMI",
)  # the mixer's controls for the whole output


def sound(machine: Machine, settings: Settings) -> Iterator[Finding]:
    """Is there a card that can be heard, and is it turned up?"""
    if settings.sound.pipe:
        yield _pipe(machine, settings.sound.pipe)
        return
    seen = look(machine.environ, machine.at(PROC), machine.at(DRM))
    found, wanted = choices(seen), settings.sound.device
    if wanted != AUTO:
        there = f"there are: {_listed(card.id for card in seen.cards)}."
        if _missing(wanted, machine.read(str(PROC / "cards"))):
            says = f"sound.device is {wanted!r}, a card that is not there; {there}"
            yield wrong("sound card", says, "`aplay -L` lists the names.")
        else:
            yield ok("sound card", f"sound.device is {wanted!r}; {there}")
    elif not seen.cards and not seen.server:
        advice = "Plug in a USB card or a sound board, or enable the built-in card; the box uses it within seconds."
        yield wrong("sound card", "There is none: the box plays in silence.", advice)
    elif not found:
        advice = "Switch the monitor on before the box, or plug in another card."
        yield wrong("sound card", "There is only HDMI, without a monitor that plays sound.", advice)
    else:
        others = f" The next ones are: {_listed(choice.words for choice in found[1:])}." if found[1:] else ""
        yield ok("sound card", f"The best is {found[0].words}.{others}")
    running = [path.split("/")[3] for path in machine.find(STATUS) if "RUNNING" in machine.read(path)]
    if running:
        yield ok("sound", f"A program plays on {_listed(running)} now.")
    for card in seen.cards:
        yield from _mixer(card.id, machine.ask(("amixer", "-c", card.id, "scontents")) or "")


def _pipe(machine: Machine, path: Path) -> Finding:
    """Is the pipe there? Nothing is opened: the sound in it belongs to its reader."""
    if machine.at(path).is_fifo():
        return ok(
            "sound card",
            f"The sound goes into the pipe {path}; `stellar-wind status` says whether it is read.",
        )
    advice = "Start snapserver, whose `source` names the same path, or correct sound.device."
    return wrong("sound card", f"sound.device is a pipe, and {path} is none.", advice)


def _missing(device: str, cards: str) -> bool:
    """Whether an ALSA device names a card, by number or id, that is not there; "pulse" names none."""
    named = re.match(r"(?:plug)?hw:(?:CARD=)?([\w-]+)", device)
    return named is not None and all(named[1] not in (str(number), name) for number, name, _ in listed(cards))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _mixer(card: str, contents: str) -> Iterator[Finding]:
    """The controls of a card that keep it silent, by the output of `amixer scontents`."""
    for name, stands in levels(contents):
        if name in LOUDNESS and all(level == "0" or switch == "off" for level, switch in stands):
            yield note(
                "mixer",
                f"The mixer control {name!r} of the card {card} is at zero or off.",
                f"Turn it up with `amixer -c {card} sset '{name}' 80% unmute`.",
            )


def levels(contents: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Each playback control, with level (per cent) and switch ("" without one) of each channel."""
    for control in contents.split("Simple mixer control ")[1:]:
        name = control.partition("'")[2].partition("'")[0]
        if stands := re.findall(r"Playback.*?\[(\d+)%\](?:.*?\[(on|off)\])?", control):
            yield name, stands


def panel(machine: Machine, settings: Settings) -> Iterator[Finding]:
    """Are the devices of the knobs, buttons and lamps there? Nothing is opened: a box can be using them."""
    if settings.panel.pin_factory == "none":
        yield ok("panel", "It is switched off (panel.pin_factory).")
        return
    if "Raspberry Pi" not in machine.read(MODEL):
        yield ok("panel", "This computer has no GPIO pins; the keys of a terminal replace the panel.")
        return
    if not machine.find("/dev/gpiochip*"):
        yield wrong("panel", "The kernel has no GPIO device.", "Update the system: `sudo apt full-upgrade`.")
    elif settings.panel.knobs == "potentiometers" and not machine.find("/dev/spidev0.*"):
        advice = (
            "Add `dtparam=spi=on`, and on Debian `dtoverlay=pi4-spidev` too, to /boot/firmware/config.txt "
            "(to /etc/default/raspi-firmware-custom where Debian generates that file), and restart the computer."
        )
        yield wrong("panel", "SPI is switched off, so the knobs have no effect.", advice)
    else:
        yield ok("panel", f"The kernel has the devices of the GPIO pins{_spi(settings)}.")


def _spi(settings: Settings) -> str:
    return " and SPI" if settings.panel.knobs == "potentiometers" else ""
