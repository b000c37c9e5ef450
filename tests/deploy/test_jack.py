# SPDX-License-Identifier: Apache-2.0
"""The headphone jack of a Pi 3 or 4, as far as the files of a built card can prove it.

The card is `build/image/*.img`, which is read without a mount, or the tree that it is being made of. A board adds what
no file can show: that the firmware plays, and how it sounds. `stellar-wind doctor --board` reads the same chain there.
"""

from __future__ import annotations

import fnmatch
import lzma
import os
import re
import shutil
import struct
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from appliance.sound.outputs.cards import Card, Seen, choices
from tests.deploy.machine import ROOT

IMAGE = Path(
    os.environ.get("WIND_TEST_IMAGE") or next(iter(sorted((ROOT / "build/image").glob("*.img"))), "/")
)
TREE = ROOT / "build/image/root"
NEEDED = ("mtype", "debugfs", "sfdisk")
ROLE = ROOT / "deploy/ansible/roles/stellar_wind"
# The boards with a jack, and where their PWM is: the Pi 4's jack is on its second controller.
BOARDS = {
    "bcm2837-rpi-3-b": "pwm@7e20c000",
    "bcm2837-rpi-3-b-plus": "pwm@7e20c000",
    "bcm2837-rpi-3-a-plus": "pwm@7e20c000",
    "bcm2711-rpi-4-b": "pwm@7e20c800",
}
JACK = {40, 41}  # the pins of its two channels
ALT0 = "alt0"  # the function of these pins that is PWM, on both chips


def absent() -> str:
    """Why no card can be read here, or nothing."""
    if TREE.is_dir():
        return ""
    if not IMAGE.is_file():
        return "needs a card: `make image` builds it"
    missing = [program for program in NEEDED if not shutil.which(program)]
    return f"needs {', '.join(missing)}" if missing else ""


on_a_card = pytest.mark.skipif(bool(absent()), reason=absent())


@cache
def partitions() -> list[int]:
    """Where the first two partitions of the image begin, in bytes."""
    return [int(start) * 512 for start in re.findall(r"start= *(\d+)", _output("sfdisk", "-d", IMAGE))[:2]]


@cache
def read(path: str) -> bytes:
    """A file of the card, by its path in the running system; nothing if it is not there."""
    if TREE.is_dir():
        file = TREE / path
        return file.read_bytes() if file.is_file() else b""
    first, second = partitions()
    if path.startswith("boot/firmware/"):
        command = ["mtype", "-i", f"{IMAGE}@@{first}", f"::/{path.removeprefix('boot/firmware/')}"]
    else:
        command = ["debugfs", "-R", f"cat /{path}", f"{IMAGE}?offset={second}"]
    return subprocess.run(command, capture_output=True, check=False).stdout


def names(folder: str) -> list[str]:
    """The names in a folder of the second partition of the card."""
    if TREE.is_dir():
        return sorted(os.listdir(TREE / folder)) if (TREE / folder).is_dir() else []
    listed = _output("debugfs", "-R", f"ls -p /{folder}", f"{IMAGE}?offset={partitions()[1]}")
    return sorted(
        name for name in re.findall(r"^/\d+/\d+/\d*/\d*/([^/]+)/", listed, re.MULTILINE) if name[0] != "."
    )


def _output(*words: object) -> str:
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, check=True).stdout


# --- device trees


@dataclass
class Node:
    """A node of a device tree: its properties and its children."""

    properties: dict[str, bytes] = field(default_factory=dict)
    children: dict[str, Node] = field(default_factory=dict)

    def find(self, path: str) -> Node:
        node = self
        for name in path.split("/"):
            node = node.children[name]
        return node

    def words(self, name: str) -> list[str]:
        return [word.decode() for word in self.properties.get(name, b"").split(b"\0") if word]

    def cells(self, name: str) -> tuple[int, ...]:
        value = self.properties.get(name, b"")
        return struct.unpack(f">{len(value) // 4}I", value)

    def all(self) -> list[Node]:
        return [self, *(node for child in self.children.values() for node in child.all())]


def parsed(blob: bytes) -> Node:
    """A flattened device tree (devicetree.org, chapter 5): token 1 opens a node, 2 closes it, 3 is a property."""
    magic, _, structure, strings = struct.unpack_from(">4I", blob)
    assert magic == 0xD00DFEED
    top = Node()
    open_nodes, at = [top], structure
    while True:
        (token,) = struct.unpack_from(">I", blob, at)
        at += 4
        if token == 1:
            end = blob.index(b"\0", at)
            child = open_nodes[-1].children.setdefault(blob[at:end].decode(), Node())
            open_nodes.append(child)
            at = end + 4 & ~3
        elif token == 2:
            open_nodes.pop()
        elif token == 3:
            length, name = struct.unpack_from(">2I", blob, at)
            end = blob.index(b"\0", strings + name)
            open_nodes[-1].properties[blob[strings + name : end].decode()] = blob[at + 8 : at + 8 + length]
            at += 8 + (length + 3 & ~3)
        elif token == 9:
            return top.children[""]


def tree(board: str) -> Node:
    blob = read(f"boot/firmware/{board}.dtb")
    if not blob and read("boot/firmware/bcm2710-rpi-3-b.dtb"):
        pytest.skip("this card has Raspberry Pi's kernel, which is another chain")
    assert blob, f"the card has no device tree for {board}"
    return parsed(blob)


def pins(tree: Node, player: Node) -> Mapping[int, str]:
    """The pins that a node claims by default, with their function, in either of the two ways to write them."""
    nodes = {node.cells("phandle"): node for node in tree.all()}
    found: dict[int, str] = {}
    for handle in player.cells("pinctrl-0"):
        for state in nodes[handle,].all():
            for pin in state.cells("brcm,pins"):
                found[pin] = {4: "alt0"}.get(state.cells("brcm,function")[0], "another")
            for word in state.words("pins"):
                found[int(word.removeprefix("gpio"))] = state.words("function")[0]
    return found


# --- the links of the chain, in order


@pytest.mark.process
@on_a_card
@pytest.mark.parametrize("board", BOARDS)
def test_the_device_tree_has_vchiq_and_puts_the_pins_of_the_jack_on_pwm(board: str) -> None:
    found = tree(board)
    vchiq, pwm = found.find("soc/mailbox@7e00b840"), found.find(f"soc/{BOARDS[board]}")
    assert vchiq.words("status") in ([], ["okay"])
    assert pwm.words("status") == ["okay"]
    assert pwm.words("pinctrl-names") == ["default"]
    assert pins(found, pwm) == dict.fromkeys(JACK, ALT0)
    claimed = [node for node in found.all() if node is not pwm and node.words("status") in ([], ["okay"])]
    others = [set(pins(found, node)) & JACK for node in claimed if "pinctrl-0" in node.properties]
    assert not any(others)  # no other driver takes them


@pytest.mark.process
@on_a_card
def test_the_firmware_has_an_audio_service_and_takes_these_device_trees() -> None:
    for file in ("start.elf", "fixup.dat", "start4.elf", "fixup4.dat"):
        assert read(f"boot/firmware/{file}")
    config = read("boot/firmware/config.txt").decode()
    settings = dict(re.findall(r"^(\w+)=(.*)$", config, re.MULTILINE))
    assert settings["upstream_kernel"] == "1"  # the names of the kernel's own device trees
    assert "dtparam=audio=off" not in config
    # With 16 MB the firmware starts without its codecs and its audio service.
    assert not [value for key, value in settings.items() if key.startswith("gpu_mem") and int(value) < 64]


def kernel() -> str:
    (version,) = names("usr/lib/modules")
    return f"usr/lib/modules/{version}"


def matching(modalias: str) -> list[str]:
    """The modules that the kernel loads for a device of Broadcom's."""
    lines = [
        line.split() for line in read(f"{kernel()}/modules.alias").decode().splitlines() if "bcm2" in line
    ]
    return [line[2] for line in lines if fnmatch.fnmatchcase(modalias, line[1])]


def module(name: str) -> bytes:
    """The object file of a module that depmod knows."""
    listed = [line.partition(":")[0] for line in read(f"{kernel()}/modules.dep").decode().splitlines()]
    (path,) = [path for path in listed if Path(path).name.partition(".")[0].replace("-", "_") == name]
    packed = read(f"{kernel()}/{path}")
    return lzma.decompress(packed) if path.endswith(".xz") else packed


def configured() -> str:
    """What modprobe.d says, without comments."""
    lines = [
        line
        for folder in ("etc/modprobe.d", "usr/lib/modprobe.d")
        for name in names(folder)
        for line in read(f"{folder}/{name}").decode(errors="replace").splitlines()
        if not line.lstrip().startswith("#")
    ]
    return "\n".join(lines)


@pytest.mark.process
@on_a_card
@pytest.mark.parametrize("board", BOARDS)
def test_the_drivers_are_loaded_by_what_the_devices_say(board: str) -> None:
    """udev asks for a driver by the words of the device; no list of modules is needed."""
    found = tree(board)
    for path, driver in (("mailbox@7e00b840", "vchiq"), (BOARDS[board], "pwm_bcm2835")):
        words = "C".join(found.find(f"soc/{path}").words("compatible"))
        assert driver in matching(f"of:N{path.partition('@')[0]}T(null)C{words}")
        assert module(driver)
    # vchiq registers the audio service as a device of its own bus.
    vchiq = module("vchiq")
    assert b"MODALIAS=vchiq:%s" in vchiq
    assert b"bcm2835-audio" in vchiq
    assert matching("vchiq:bcm2835-audio") == ["snd_bcm2835"]
    assert not re.search(
        r"^(blacklist|install)\s+(vchiq|snd.bcm2835|pwm.bcm2835)\b", configured(), re.MULTILINE
    )


@pytest.mark.process
@on_a_card
def test_the_driver_makes_the_card_of_the_jack_and_none_for_hdmi() -> None:
    driver = module("snd_bcm2835")
    options = dict(
        re.findall(
            r"(\w+)=(\w+)",
            " ".join(re.findall(r"^options\s+snd.bcm2835\s+(.*)$", configured(), re.MULTILINE)),
        )
    )
    assert options == {"enable_headphones": "1", "enable_hdmi": "0"}
    for name in options:
        assert f"parm={name}:".encode() in driver
    assert "snd_bcm2835." not in read("boot/firmware/cmdline.txt").decode()  # which would win
    assert b"bcm2835 Headphones\0" in driver  # ALSA makes the id of the last word


@pytest.mark.process
@on_a_card
def test_the_mixer_is_not_at_zero() -> None:
    """alsactl applies the stored state to each card that appears; nothing else on the card changes a mixer."""
    assert read("usr/sbin/alsactl")
    assert b"alsactl" in read("usr/lib/udev/rules.d/90-alsa-restore.rules")
    assert read("var/lib/alsa/asound.state") == (ROLE / "files/asound.state").read_bytes()
    driver = module("snd_bcm2835")
    for control in re.findall(r"name '(.+)'", (ROLE / "files/asound.state").read_text()):
        assert control.encode() + b"\0" in driver


# --- without a card


def test_the_stored_state_is_full_level_and_on() -> None:
    """In units of 0.01 dB: 0 is full scale, and -10239 the lowest."""
    state = (ROLE / "files/asound.state").read_text()
    assert state.count("{") == state.count("}") == 3
    values = dict(re.findall(r"name '(.+)'\s+value (\S+)", state))
    assert values == {"PCM Playback Volume": "0", "PCM Playback Switch": "true"}
    assert re.findall(r"^state\.(\w+) ", state, re.MULTILINE) == ["Headphones"]


def test_the_box_plays_on_what_this_makes() -> None:
    """The kernel cuts the driver's name; a monitor that cannot play does not win over the jack."""
    jack = Card("Headphones", "bcm2835_headpho", ((0, "bcm2835 Headphones"),))
    silent = Card("vc4hdmi", "vc4-hdmi", ((0, "MAI PCM i2s-hifi-0"),))
    assert [choice.device for choice in choices(Seen((silent, jack)))] == ["plughw:CARD=Headphones,DEV=0"]
