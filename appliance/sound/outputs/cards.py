# SPDX-License-Identifier: Apache-2.0
"""Which card to play on, from the system's description of each.

A card is named by its id, never by its place in the list, which changes from boot to boot. An HDMI socket is used only
if its monitor is known to play sound. Pure, except `look`, which reads files.

    a sound server's default ─▶ DAC on the header ─▶ USB ─▶ headphones or another built-in card ─▶ HDMI with a listener
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

PROC, DRM = Path("/proc/asound"), Path("/sys/class/drm")
AUTO = "auto"  # the setting for the best card


class Kind(IntEnum):
    """The kinds of cards, in the order of preference."""

    HAT = 0
    USB = 1
    BUILT_IN = 2
    HDMI = 3


WORDS = {
    Kind.HAT: "the sound board",
    Kind.USB: "the USB card",
    Kind.BUILT_IN: "the built-in card",
    Kind.HDMI: "HDMI",
}


@dataclass(frozen=True, slots=True)
class Card:
    """A card, as the system describes it."""

    id: str  # such as "sndrpihifiberry"
    driver: str  # such as "USB-Audio"; the kernel cuts it after 15 characters
    devices: tuple[tuple[int, str], ...] = ()  # for playback: number and name
    elds: tuple[str, ...] = ()  # for each HDMI socket, what its monitor can play ("EDID-like data")
    edid: bytes = b""  # the monitor's description from the graphics driver, where the card has no ELD


@dataclass(frozen=True, slots=True)
class Choice:
    """A device to play on."""

    device: str  # its ALSA name
    words: str  # its name for a person


@dataclass(frozen=True, slots=True)
class Seen:
    """The cards of a machine at a moment."""

    cards: tuple[Card, ...] = ()
    server: bool = False  # a sound server runs for the user who started the box


def choices(seen: Seen) -> list[Choice]:
    """The devices to play on, best first, without those that have no listener.

    Where the system has no card at all, ALSA's default can still be something else, such as another machine.
    """
    ranked: list[tuple[Kind, str, int]] = []
    for card in seen.cards:
        heard = iter(listeners(card))
        for number, name in card.devices:
            kind = kind_of(card, name)
            if kind is not None and (kind is not Kind.HDMI or next(heard, False)):
                ranked.append((kind, card.id, number))
    found = [
        Choice(_device(kind, name, number), f"{WORDS[kind]} {name}") for kind, name, number in sorted(ranked)
    ]
    found = list(dict.fromkeys(found))
    if seen.server or not seen.cards:
        found.insert(0, Choice("default", "the system's default"))
    return found


def _device(kind: Kind, name: str, number: int) -> str:
    if kind is Kind.HDMI and name.startswith("vc4hdmi"):
        # A Pi's HDMI takes only IEC 958 frames; ALSA's configuration of the card converts to them.
        return f"sysdefault:CARD={name}"
    return f"plughw:CARD={name},DEV={number}"  # "plug" converts rate, format and channels if necessary


def kind_of(card: Card, name: str) -> Kind | None:
    """The kind of a card's device; None if it is no device for music."""
    if card.driver in ("Loopback", "Dummy"):
        return None
    if card.driver == "USB-Audio":
        return Kind.USB
    if "hdmi" in card.driver.lower() or re.search("HDMI|DisplayPort", name):
        return Kind.HDMI
    if card.driver.startswith(("bcm2835", "HDA", "sof", "ICH", "Virt")):
        return Kind.BUILT_IN
    return Kind.HAT


def listeners(card: Card) -> list[bool]:
    """For each HDMI socket of a card, in order, whether its monitor plays sound."""
    return [_eld_hears(eld) for eld in card.elds] or [edid_hears(card.edid)]


def _eld_hears(eld: str) -> bool:
    """Whether an ELD is that of a monitor that is present and plays sound."""
    facts = dict(re.findall(r"^(\w+)\s+(\d+)\s*$", eld, re.MULTILINE))
    return facts.get("monitor_present", "1") != "0" and int(facts.get("sad_count", "0")) > 0


def edid_hears(edid: bytes) -> bool:
    """Whether a monitor's EDID (CTA-861: blocks of 128 bytes) says that it plays sound."""
    blocks = [edid[at : at + 128] for at in range(128, len(edid) - 127, 128)]
    return any(block[0] == 2 and block[3] & 0x40 for block in blocks)


# --- reading ------------------------------------------------------------------------------------------------


def look(environ: Mapping[str, str] = os.environ, proc: Path = PROC, drm: Path = DRM) -> Seen:
    """The cards that can be read now."""
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    sockets = [Path(runtime, name) for name in ("pulse/native", "pipewire-0")] if runtime else []
    server = "PULSE_SERVER" in environ or any(map(os.path.exists, sockets))
    return Seen(tuple(_cards(proc, drm)), server)


def _cards(proc: Path, drm: Path) -> Iterator[Card]:
    for number, name, driver in listed(_text(proc / "cards")):
        place = proc / f"card{number}"
        devices = tuple(sorted(_devices(_found(place, "pcm*p/info"))))
        elds = tuple(_text(file) for file in _found(place, "eld#*")) if devices else ()
        yield Card(name, driver, devices, elds, _edid(drm, name) if devices and not elds else b"")


def _found(place: Path, pattern: str) -> list[Path]:
    """Files of a folder that can disappear at any moment, at which a glob raises until Python 3.12."""
    with suppress(OSError):
        return sorted(place.glob(pattern))
    return []


def listed(text: str) -> list[tuple[int, str, str]]:
    """Number, id and driver of each card in the system's list (/proc/asound/cards)."""
    found = re.findall(r"^\s*(\d+) \[(\S+)\s*\]: (.+?) - ", text, re.MULTILINE)
    return [(int(number), name, driver) for number, name, driver in found]


def _devices(files: Iterable[Path]) -> Iterator[tuple[int, str]]:
    for file in files:
        facts = dict(re.findall(r"^(device|id): (.*)$", _text(file), re.MULTILINE))
        if facts.get("device", "").isdecimal():
            yield int(facts["device"]), facts.get("id", "")


def _edid(drm: Path, name: str) -> bytes:
    """The EDID for a Pi's card: vc4hdmi0 is the socket HDMI-A-1; on a Pi with one socket it is vc4hdmi."""
    if not (match := re.fullmatch(r"vc4hdmi(\d?)", name)):
        return b""
    for file in _found(drm, f"card*-HDMI-A-{int(match[1] or 0) + 1}/edid"):
        try:
            return file.read_bytes()
        except OSError:
            continue
    return b""


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
