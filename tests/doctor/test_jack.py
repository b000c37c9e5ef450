# SPDX-License-Identifier: Apache-2.0
"""The jack of a Pi made of files: whole, and with each link of its chain missing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from appliance.doctor.jack import jack
from appliance.settings import load
from tests.support.patient import patient

SETTINGS = load({}, {}).settings
TREE = "/proc/device-tree/soc"
VCHIQ, PWM = f"{TREE}/mailbox@7e00b840", f"{TREE}/pwm@7e20c000"
AUDIO = "/sys/bus/vchiq-bus/devices/bcm2835-audio/uevent"
HEADPHONES = "/sys/module/snd_bcm2835/parameters/enable_headphones"
CARDS = "/proc/asound/cards"
INFO = "/proc/asound/card0/pcm0p/info"
MODEL = "/proc/device-tree/model"
# A Pi 3 with Debian's kernel.
PI = {
    MODEL: "Raspberry Pi 3 Model B Plus Rev 1.3\0",
    f"{VCHIQ}/compatible": "brcm,bcm2836-vchiq\0brcm,bcm2835-vchiq\0",
    f"{PWM}/status": "okay\0",
    f"{PWM}/pinctrl-0": "\x11\x12",
    "/sys/module/vchiq/initstate": "live",
    AUDIO: "MODALIAS=vchiq:bcm2835-audio",
    HEADPHONES: "Y\n",
    CARDS: " 0 [Headphones     ]: bcm2835_headpho - bcm2835 Headphones\n                      bcm2835 Headphones\n",
    INFO: "card: 0\ndevice: 0\nid: bcm2835 Headphones\n",
}
MIXER = "Simple mixer control 'PCM',0\n  Mono: Playback {} [{}%] [{}dB] [{}]\n"
LOUD, ZERO, OFF = (
    MIXER.format(*s) for s in ((0, 96, "0.00", "on"), (-10239, 0, "-102.39", "on"), (0, 96, "0.00", "off"))
)


def reading(root: Path, files: dict[str, str], mixer: str = LOUD, device: str = "auto") -> str:
    settings = load({"sound.device": device}, {}).settings
    return "; ".join(jack(patient(root, files, {"amixer": mixer}), settings))


def test_a_whole_chain_is_reported_with_level_and_choice(tmp_path: Path) -> None:
    said = reading(tmp_path, PI)
    assert "PCM 96% on" in said
    assert "Headphones" in said.rpartition(";")[2]
    assert "hw:1" in reading(tmp_path, PI, device="hw:1")


def test_raspberry_pis_own_device_tree_names_the_pins_elsewhere(tmp_path: Path) -> None:
    files = PI | {f"{PWM}/status": "disabled", f"{VCHIQ}/pinctrl-0": "\x11"}
    assert "every link" in reading(tmp_path, files)


@pytest.mark.parametrize(
    ("lost", "named"),
    [
        (f"{VCHIQ}/compatible", "VCHIQ"),
        (f"{PWM}/pinctrl-0", "PWM"),
        ("/sys/module/vchiq/initstate", "modprobe vchiq"),
        (AUDIO, "firmware's audio service"),
        (HEADPHONES, "modprobe snd_bcm2835"),
        (CARDS, "no card"),
    ],
)
def test_the_first_missing_link_is_named(tmp_path: Path, lost: str, named: str) -> None:
    assert named in reading(tmp_path, {path: text for path, text in PI.items() if path != lost})


@pytest.mark.parametrize(
    ("files", "mixer", "named"),
    [
        ({f"{VCHIQ}/status": "disabled\0"}, LOUD, "VCHIQ"),
        ({f"{PWM}/status": "disabled\0"}, LOUD, "PWM"),
        ({HEADPHONES: "N\n"}, LOUD, "enable_headphones"),
        ({}, ZERO, "'PCM'"),
        ({}, OFF, "'PCM'"),
    ],
)
def test_a_link_that_is_switched_off_is_named(
    tmp_path: Path, files: dict[str, str], mixer: str, named: str
) -> None:
    said = reading(tmp_path, PI | files, mixer)
    assert named in said
    assert "every link" not in said


@pytest.mark.parametrize(
    "model",
    ["", "Raspberry Pi 5 Model B", "Raspberry Pi Zero 2 W Rev 1.0", "Raspberry Pi 400 Rev 1.0", "QEMU"],
)
def test_a_board_without_a_jack_has_no_reading(tmp_path: Path, model: str) -> None:
    assert reading(tmp_path, PI | {MODEL: model}) == ""


def test_the_choice_is_told_where_the_card_cannot_be_played_on(tmp_path: Path) -> None:
    machine = patient(tmp_path, PI)
    shutil.rmtree(tmp_path / "proc/asound/card0")
    assert "no card" in "; ".join(jack(machine, SETTINGS))
