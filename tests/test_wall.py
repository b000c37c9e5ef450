# SPDX-License-Identifier: Apache-2.0
"""The clock on the wall, on computers whose clocks were set, or not, by time servers and batteries."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.wall import EVERY, FIRST_YEAR, Wall, minute_of_day

NOW = datetime(2027, 3, 4, 12, 34, 56, tzinfo=UTC).timestamp()
MINUTE = 12 * 60 + 34


@pytest.fixture
def zones(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "HERE0")
        yield patch
    time.tzset()


def computer(root: Path, *files: str, **batteries: str) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    for name, says in batteries.items():
        (root / "sys/class/rtc" / name).mkdir(parents=True)
        (root / "sys/class/rtc" / name / "since_epoch").write_text(f"{says}\n")
    return root


RUNS, SET = "run/systemd/timesync/some", "run/systemd/timesync/synchronized"


@pytest.mark.parametrize(
    ("files", "batteries", "minute"),
    [
        ([], {}, MINUTE),  # whatever sets it there, it does not say
        ([RUNS], {}, None),
        ([RUNS, SET], {}, MINUTE),
        ([RUNS], {"rtc0": f"{NOW - 60:.0f}"}, MINUTE),
        ([RUNS], {"rtc0": "312"}, None),  # a Pi 5 without a battery
        ([RUNS], {"rtc0": "", "rtc1": f"{NOW + 60:.0f}"}, MINUTE),
    ],
)
def test_a_clock_that_nobody_has_set_knows_no_minute(
    files: list[str], batteries: dict[str, str], minute: int | None, tmp_path: Path, zones: pytest.MonkeyPatch
) -> None:
    assert minute_of_day(computer(tmp_path, *files, **batteries), NOW) == minute


@pytest.mark.parametrize("year", [1970, FIRST_YEAR - 1])
def test_nobody_believes_a_clock_that_is_older_than_the_box(year: int, tmp_path: Path) -> None:
    assert minute_of_day(computer(tmp_path), datetime(year, 6, 1, tzinfo=UTC).timestamp()) is None


def test_another_time_zone_counts_at_once(tmp_path: Path, zones: pytest.MonkeyPatch) -> None:
    assert minute_of_day(tmp_path, NOW) == MINUTE
    zones.setenv("TZ", "THERE-5:30")
    assert minute_of_day(tmp_path, NOW) == MINUTE + 330


def test_the_computer_is_looked_at_once_a_second(tmp_path: Path) -> None:
    wall = Wall(computer(tmp_path, RUNS))
    assert wall.minute(100.0) is None
    computer(tmp_path, SET)
    assert wall.minute(100.0 + 0.9 * EVERY) is None
    assert wall.minute(100.0 + EVERY) is not None
