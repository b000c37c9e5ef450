# SPDX-License-Identifier: Apache-2.0
"""The report of a board: on a Pi made of files and programs, on an unknown computer, and on this one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.doctor.board import ABSENT, READINGS, playing
from appliance.doctor.finding import Verdict
from appliance.settings import load
from tests.support import fault_cards
from tests.support.fault_cards import Cards
from tests.support.patient import patient
from tests.support.statuses import STATUS

pytestmark = pytest.mark.slow

SETTINGS = load({}, {}).settings
POLICY, CARD, MMC = "/sys/devices/system/cpu/cpufreq/policy0", "/proc/asound/cards", "/sys/block/mmcblk0"
PI = {
    "/proc/cpuinfo": "processor\t: 0\nRevision\t: 902120\nSerial\t\t: 00000000deadbeef\n",
    "/sys/class/thermal/thermal_zone0/temp": "48200\n",
    f"{POLICY}/scaling_cur_freq": "600000\n",
    f"{POLICY}/scaling_max_freq": "1000000\n",
    f"{POLICY}/scaling_governor": "ondemand\n",
    "/sys/devices/system/cpu/cpufreq/policy4/scaling_governor": "ondemand\n",
    CARD: " 0 [vc4hdmi        ]: vc4-hdmi - vc4-hdmi\n 1 [Device         ]: USB-Audio - USB\n",
    "/dev/gpiochip0": "",
    "/dev/spidev0.0": "",
    "/dev/spidev0.1": "",
    "/sys/class/net/eth0/address": "dc:a6:32:00:00:01",
    "/sys/class/net/wlan0/wireless/x": "",
    f"{MMC}/device/type": "SD\n",
    f"{MMC}/device/name": "SC16G\n",
    f"{MMC}/device/date": "03/2023\n",
    f"{MMC}/device/manfid": "0x000003\n",
    f"{MMC}/device/serial": "0xdeadbeef\n",
    f"{MMC}/size": "31116288\n",
    "/sys/block/loop0/size": "7\n",
}
SAYS = {
    "vcgencmd version": "Nov 26 2025 12:00:00 \nCopyright (c) 2012 Broadcom\nversion abc123 (clean) (release) (start)",
    "vcgencmd get_throttled": "throttled=0x50005",
    "amixer -c Device": "Simple mixer control 'PCM',0\n  Front Left: Playback 120 [79%] [-11.25dB] [on]\n",
    "gpiodetect": "gpiochip0 [pinctrl-bcm2835] (54 lines)\ngpiochip1 [raspberrypi-exp-gpio] (8 lines)",
    "pinctrl get": " 4: ip    pu | hi // GPIO4 = input\n17: op dl pn | lo // GPIO17 = output",
    "iw dev": "Power save: off",
    "systemd-analyze time": "Startup finished in 2.1s (kernel) + 9.8s (userspace) = 11.9s \ngraphical.target reached",
    "systemctl show": "ExecMainStartTimestampMonotonic=6100000\nActiveEnterTimestampMonotonic=14300000",
}
EXPECTED = {
    "revision": "902120",
    "firmware": "Nov 26 2025 12:00:00; version abc123 (clean) (release) (start)",
    "throttling": "0x50005; voltage too low now; throttled now",
    "heat": "48 °C",
    "frequency": "600 of 1000 MHz, ondemand",
    "jack": "",
    "cards": "0 vc4hdmi (vc4-hdmi); 1 Device (USB-Audio)",
    "mixers": "Device PCM 79% on",
    "GPIO chips": "gpiochip0 [pinctrl-bcm2835] (54 lines); gpiochip1 [raspberrypi-exp-gpio] (8 lines)",
    "panel's pins": "4: ip pu | hi // GPIO4 = input; 17: op dl pn | lo // GPIO17 = output",
    "SPI": "/dev/spidev0.0; /dev/spidev0.1",
    "Wi-Fi": "wlan0 power save: off",
    "SD card": "SD SC16G of 15 GB, made 03/2023, by 0x000003",
    "start": "Startup finished in 2.1s (kernel) + 9.8s (userspace) = 11.9s; "
    "the box began 6.1 s after the kernel, and sounded 8.2 s later",
}


def ask(words: Sequence[str]) -> str | None:
    said = " ".join(words)
    return next((answer.strip() for asked, answer in SAYS.items() if said.startswith(asked)), None)


def test_the_readings_of_a_pi_hold_no_serial_number(tmp_path: Path) -> None:
    machine = replace(patient(tmp_path, PI), ask=ask)
    found = {name: "; ".join(read(machine, SETTINGS)) for name, read in READINGS.items()}
    assert found == EXPECTED
    assert "deadbeef" not in str(found)


def test_flags_since_the_boot_are_distinguished_from_those_of_now(tmp_path: Path) -> None:
    machine = patient(tmp_path, {"/sys/devices/platform/soc/soc:firmware/get_throttled": "0x50000\n"})
    flags, *since = READINGS["throttling"](machine, SETTINGS)
    assert flags == "0x50000"
    assert [("voltage" in flag, "since the boot" in flag) for flag in since] == [(True, True), (False, True)]


def test_an_unknown_computer_has_no_readings(tmp_path: Path) -> None:
    assert {"; ".join(read(patient(tmp_path), SETTINGS)) for read in READINGS.values()} == {""}
    some = patient(tmp_path, {"/dev/gpiochip4": "", "/sys/class/net/wlan0/wireless/x": ""})
    assert list(READINGS["GPIO chips"](some, SETTINGS)) == ["/dev/gpiochip4"]
    (saving,) = READINGS["Wi-Fi"](some, SETTINGS)
    assert saving.startswith("wlan0 ")


def test_it_plays_and_reports_the_time_per_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if lacking := fault_cards.lacking():
        pytest.skip(lacking)
    cards = Cards(tmp_path)
    for name, value in cards.environ.items():
        monkeypatch.setenv(name, value)
    card = cards["board"]
    settings = load({"sound.device": card.device}, {}).settings
    found = playing(patient(tmp_path), settings, 1.5)
    assert found.verdict is Verdict.OK
    assert all(part in found.says for part in ("1.5 s", repr(card.device)))
    assert "10.7 ms" in found.says
    assert card.heard > 48_000
    card.be("busy")
    found = playing(patient(tmp_path), settings, 0.5)
    assert found.says.startswith("0.5 s ")
    assert repr(card.device) not in found.says
    assert "busy" in found.advice


def test_it_does_not_play_beside_a_box_or_another_program(tmp_path: Path) -> None:
    busy = patient(tmp_path, {"/proc/asound/card1/pcm0p/sub0/status": "state: RUNNING\n"})
    for machine in (busy, patient(tmp_path / "x", status=STATUS)):
        found = playing(machine, SETTINGS)
        assert found.verdict is Verdict.NOTE
        assert "Not tried" in found.says
        assert "systemctl stop stellar-wind" in found.advice


def test_the_report_holds_no_name_of_a_user(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "appliance",
        "doctor",
        "computer",
        "--board",
        "--set",
        f"state_dir={tmp_path}",
    ]
    done = subprocess.run(
        command, env=os.environ | {"USER": tmp_path.name}, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    for name in ("playing", *READINGS):
        assert f"\nok    {name}" in done.stdout or f"\nnote  {name}" in done.stdout
    assert ABSENT in done.stdout
    assert "<user>" in done.stdout
    assert tmp_path.name not in done.stdout
