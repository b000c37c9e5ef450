# SPDX-License-Identifier: Apache-2.0
"""Each check on computers that are well, ill, and none that it knows."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from pathlib import Path

import pytest

from appliance.doctor import checks
from appliance.doctor.checks import CHECKS, Check, clock, memory, power, service, temperature, versions
from appliance.doctor.finding import Finding, Verdict
from appliance.settings import load
from tests.doctor.patient import NOW, patient

SETTINGS = load({}, {}).settings
THROTTLED = "/sys/devices/platform/soc/soc:firmware/get_throttled"
HWMON = {"/sys/class/hwmon/hwmon0/name": "cpu_thermal\n", "/sys/class/hwmon/hwmon1/name": "rpi_volt\n"}
ALARM = "/sys/class/hwmon/hwmon1/in0_lcrit_alarm"
ZONE = "/sys/class/thermal/thermal_zone0/temp"
RUNNING = (
    "LoadState=loaded\nActiveState=active\nSubState=running\nResult=success\nNRestarts={}\nStatusText={}"
)


@pytest.mark.parametrize(
    ("check", "files", "programs", "verdict", "words"),
    [
        (clock, {"/run/systemd/timesync/synchronized": ""}, {}, "ok", "2026-11-26 12:00 UTC, set by"),
        (clock, {}, {"timedatectl": "yes"}, "ok", "set by a time server"),
        (clock, {}, {"timedatectl": "no"}, "note", "not set by a time server"),
        (clock, {}, {}, "ok", "who sets it is not known"),
        (power, {THROTTLED: "0\n"}, {}, "ok", "The voltage holds."),
        (power, {THROTTLED: "0x50005\n"}, {}, "wrong", "The voltage is too low."),
        (power, {THROTTLED: "0x50000\n"}, {}, "note", "was too low at some time"),
        (power, {}, {"vcgencmd": "throttled=0x0"}, "ok", "The voltage holds."),
        (power, {}, {"vcgencmd": "throttled=0x50005"}, "wrong", "The voltage is too low."),
        (power, {**HWMON, ALARM: "0\n"}, {}, "ok", "The voltage holds."),
        (power, {**HWMON, ALARM: "1\n"}, {}, "wrong", "The voltage is too low."),
        (power, {}, {"vcgencmd": "error"}, "", ""),
        (power, {}, {}, "", ""),
        (temperature, {ZONE: "45200\n"}, {}, "ok", "45 °C"),
        (temperature, {ZONE: "71000\n"}, {}, "note", "71 °C; at 80"),
        (temperature, {ZONE: "83500\n", ZONE.replace("0", "1"): "1"}, {}, "wrong", "84 °C and is slowed"),
        (temperature, {ZONE: "broken"}, {}, "", ""),
        (
            memory,
            {"/proc/meminfo": "MemTotal: 435000 kB\nMemAvailable: 210000 kB\n\n"},
            {},
            "ok",
            "205 of 424",
        ),
        (memory, {"/proc/meminfo": "MemTotal: 435000 kB\nMemAvailable: 21000 kB\n"}, {}, "note", "20 of 424"),
        (memory, {}, {}, "", ""),
        (service, {}, {}, "", ""),
        (service, {}, {"systemctl": "LoadState=not-found\nActiveState=inactive"}, "", ""),
        (service, {}, {"systemctl": RUNNING.format(0, "")}, "ok", "It runs."),
        (service, {}, {"systemctl": RUNNING.format(0, "public: live")}, "ok", "It runs: public: live."),
        (service, {}, {"systemctl": RUNNING.format(3, "public: live")}, "note", "3 restarts: public: live."),
        (service, {}, {"systemctl": RUNNING.format(3, "")}, "note", "3 restarts."),
        (
            service,
            {},
            {"systemctl": "LoadState=loaded\nActiveState=failed\nResult=exit-code"},
            "wrong",
            "exit-code",
        ),
        (
            service,
            {},
            {"systemctl": "LoadState=loaded\nActiveState=inactive\nSubState=dead"},
            "note",
            "(dead)",
        ),
    ],
)
def test_a_check_sees_what_there_is(
    tmp_path: Path,
    check: Check,
    files: Mapping[str, str],
    programs: Mapping[str, str],
    verdict: str,
    words: str,
) -> None:
    found = list(check(patient(tmp_path, files, programs), SETTINGS))
    assert [finding.verdict for finding in found] == ([verdict] if verdict else [])
    for finding in found:
        assert words in finding.says
        assert bool(finding.advice) is (finding.verdict is not Verdict.OK)


@pytest.mark.parametrize("now", [0.0, NOW - 366 * 86400, 2**32 - 1.0])
def test_a_date_that_cannot_be_is_seen_whoever_has_set_it(tmp_path: Path, now: float) -> None:
    (found,) = clock(patient(tmp_path, {}, {"timedatectl": "yes"}, now=now), SETTINGS)
    assert found.verdict is Verdict.WRONG
    assert "which cannot be" in found.says


def test_versions_name_board_system_and_packages(tmp_path: Path) -> None:
    files = {
        "/proc/device-tree/model": "Raspberry Pi Zero 2 W Rev 1.0\0",
        "/etc/os-release": 'NAME=x\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n\n',
        "/proc/sys/kernel/osrelease": "6.6.31+rpt-rpi-v8\n",
    }
    packages, computer = versions(patient(tmp_path, files), SETTINGS)
    assert "stellar-wind-box " in packages.says
    assert computer.says == (
        "Raspberry Pi Zero 2 W Rev 1.0, Debian GNU/Linux 12 (bookworm), kernel 6.6.31+rpt-rpi-v8."
    )


def test_a_package_that_is_not_there_is_said() -> None:
    assert checks.installed("stellar-wind-no-such-package") == "(none)"


def test_on_a_computer_of_which_nothing_is_known_nothing_is_wrong(tmp_path: Path) -> None:
    found: list[Finding] = []
    for check in chain.from_iterable(CHECKS.values()):
        found += check(patient(tmp_path), SETTINGS)
    assert {finding.verdict for finding in found} == {Verdict.OK}
