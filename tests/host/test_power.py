# SPDX-License-Identifier: Apache-2.0
import asyncio
from pathlib import Path

import pytest

from appliance.host.power import CALM, UndervoltageMonitor, power_off, too_weak


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("sh -c 'echo Access denied >&2; exit 1'", "Access denied"),
        ("false", "exit code 1"),
        ("no-such-command", "No such file or directory"),
    ],
)
def test_a_command_that_fails_is_logged_with_its_reason(
    command: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    asyncio.run(power_off(command, 0.0))
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert why in record.getMessage()
    assert command in record.getMessage()
    assert "panel.power_off" in record.getMessage()


def test_without_a_command_nothing_is_run(caplog: pytest.LogCaptureFixture) -> None:
    asyncio.run(power_off("", 0.0))
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_a_command_is_split_like_a_shell_does(tmp_path: Path) -> None:
    asyncio.run(power_off(f"touch '{tmp_path}/o f f'", 0.0))
    assert (tmp_path / "o f f").exists()


@pytest.mark.parametrize(
    ("sensors", "weak"),
    [
        ({}, None),
        ({"hwmon0": ("cpu_thermal", "1"), "hwmon1": ("rpi_volt", "1")}, True),
        ({"hwmon0": ("rpi_volt", "0")}, False),
        ({"hwmon0": ("rpi_volt", None)}, None),
        ({"hwmon0": ("cpu_thermal", "1")}, None),
    ],
)
def test_undervoltage_is_read_from_the_sensor_of_the_board(
    sensors: dict[str, tuple[str, str | None]], weak: bool | None, tmp_path: Path
) -> None:
    for sensor, (name, alarm) in sensors.items():
        (tmp_path / sensor).mkdir()
        (tmp_path / sensor / "name").write_text(f"{name}\n")
        if alarm is not None:
            (tmp_path / sensor / "in0_lcrit_alarm").write_text(f"{alarm}\n")
    assert too_weak(tmp_path) is weak


def test_a_supply_that_sags_every_few_seconds_is_weak_until_a_minute_without(tmp_path: Path) -> None:
    (tmp_path / "hwmon0").mkdir()
    (tmp_path / "hwmon0" / "name").write_text("rpi_volt\n")
    alarm = tmp_path / "hwmon0" / "in0_lcrit_alarm"
    supply, says = UndervoltageMonitor(tmp_path), []
    for second in range(600):
        alarm.write_text("1\n" if 100 <= second < 300 and second % 4 == 0 else "0\n")
        says.append(supply.weak(float(second)))
    assert says == [100 <= second < 296 + CALM for second in range(600)]
