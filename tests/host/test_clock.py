# SPDX-License-Identifier: Apache-2.0
"""The wall clock of computers whose clocks were set by a time server, by a battery, or not at all."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.host.clock import EVERY, FIRST_YEAR, WallClock, is_set, minute_of_day

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
    ("files", "batteries", "known"),
    [
        ([], {}, True),  # no timesyncd: no way to know
        ([RUNS], {}, False),
        ([RUNS, SET], {}, True),
        ([RUNS], {"rtc0": f"{NOW - 60:.0f}"}, True),
        ([RUNS], {"rtc0": "312"}, False),  # a Pi 5 without a battery
        ([RUNS], {"rtc0": "", "rtc1": f"{NOW + 60:.0f}"}, True),
    ],
)
def test_a_clock_is_set_by_a_time_server_or_by_one_with_a_battery(
    files: list[str], batteries: dict[str, str], known: bool, tmp_path: Path
) -> None:
    assert is_set(computer(tmp_path, *files, **batteries), NOW) is known


@pytest.mark.parametrize("year", [1970, FIRST_YEAR - 1])
def test_a_date_before_the_program_is_not_used(year: int) -> None:
    assert minute_of_day(datetime(year, 6, 1, tzinfo=UTC).timestamp()) is None


def test_another_time_zone_counts_at_once(zones: pytest.MonkeyPatch) -> None:
    assert minute_of_day(NOW) == MINUTE
    zones.setenv("TZ", "THERE-5:30")
    assert minute_of_day(NOW) == MINUTE + 330


def test_the_clock_is_checked_once_a_second_and_stays_set(tmp_path: Path) -> None:
    wall = WallClock(computer(tmp_path, RUNS))
    assert wall.minute(100.0) is None
    (says := tmp_path / SET).touch()
    assert wall.minute(100.0 + 0.9 * EVERY) is None
    assert wall.minute(100.0 + EVERY) is not None
    says.unlink()  # the time service restarts
    assert wall.minute(100.0 + 2 * EVERY) is not None
