# SPDX-License-Identifier: Apache-2.0
import asyncio
import json
import math
import os
import threading
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.saved.crashes import CRASHES, SOUND, Crashes, Run, begun, boot, decode, encode
from appliance.saved.state import read

BOOT = "7c3f"
LEFT = Run(BOOT, 1, muted=True, sleep=30, sleeps_at=1900.0)

runs = st.builds(
    Run,
    st.text(max_size=40),
    st.integers(0, 10**9),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0, 30, 60, 90]),
    st.floats(0, 1e9),
)


@given(st.lists(st.booleans(), max_size=30))
def test_it_is_careful_when_five_in_a_row_have_crashed_before_they_were_forgiven(
    forgiven: list[bool],
) -> None:
    """However long each of them took: one that hangs at its start is ended after a minute and a half."""
    run, row = begun(None, BOOT), 0
    for forgive in forgiven:
        row = 0 if forgive else row + 1
        run = begun(replace(run, starts=0, safe=False) if forgive else run, BOOT)
        assert run.safe is (row >= CRASHES)


@pytest.mark.parametrize("left", [None, Run("other", 5, safe=True, muted=True)])
def test_nothing_is_left_of_a_clean_end_nor_of_another_day(left: Run | None) -> None:
    assert begun(left, BOOT) == Run(BOOT)


def test_where_nobody_knows_the_day_no_crash_is_counted() -> None:
    assert begun(Run("", 5), "") == Run("")
    assert boot(Path("/nowhere/boot_id")) == ""


def test_a_crash_takes_neither_mute_nor_timer() -> None:
    assert begun(LEFT, BOOT) == replace(LEFT, starts=2)


@given(runs)
def test_what_is_written_is_read(run: Run) -> None:
    assert decode(encode(run)) == run


@pytest.mark.parametrize(
    "wrong",
    [
        {"boot": 1},
        {"starts": [10.0]},
        {"starts": 1.5},
        {"safe": "yes"},
        {"muted": None},
        {"sleep": 31},
        {"sleep": []},
        {"sleeps_at": math.inf},
        {"sleeps_at": "now"},
        {"sleeps_at": 10**400},
        {"more": 1},
    ],
)
def test_what_is_of_another_kind_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(json.dumps(asdict(LEFT) | wrong).encode())


@given(st.binary(max_size=200))
def test_nothing_that_lies_there_raises(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(content)


def test_a_run_is_stamped_before_all_else_and_leaves_nothing_when_it_ends(tmp_path: Path) -> None:
    if not boot():
        pytest.skip("this system does not say which time it was switched on")
    for count in range(1, CRASHES + 1):
        crashes = Crashes(tmp_path)
        assert not crashes.run.safe
        assert read(tmp_path / "running.json", decode) == crashes.run
        assert crashes.run.starts == count
    assert Crashes(tmp_path).run.safe
    Crashes(tmp_path).end()
    assert list(tmp_path.iterdir()) == []
    Crashes(tmp_path).end()
    assert not Crashes(tmp_path).run.safe


def test_ten_minutes_of_sound_forgive_and_only_changes_are_written(tmp_path: Path) -> None:
    crashes, file = Crashes(tmp_path), tmp_path / "running.json"

    def keep(sounded: float, *, muted: bool = False) -> None:
        asyncio.run(crashes.keep(muted=muted, sleep=0, sleeps_at=0.0, sounded=sounded))

    file.unlink()
    keep(1.0)
    assert not file.exists()
    keep(2.0, muted=True)
    assert read(file, decode) == replace(crashes.run, muted=True)
    keep(SOUND, muted=True)
    assert read(file, decode) == replace(crashes.run, muted=True, starts=0)


@pytest.mark.parametrize("patience", [0.0, 60.0])
def test_a_slow_disk_brings_nothing_back_after_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    crashes, slow, done = Crashes(tmp_path), threading.Event(), threading.Event()

    def fsync(_: int) -> None:
        slow.set()
        done.wait(60)

    monkeypatch.setattr(os, "fsync", fsync)

    async def cancelled() -> None:
        keeping = asyncio.create_task(crashes.keep(muted=True, sleep=0, sleeps_at=0.0, sounded=1.0))
        assert await asyncio.to_thread(slow.wait, 60)
        keeping.cancel()

    asyncio.run(cancelled())
    (writer,) = (thread for thread in threading.enumerate() if thread.name == "state")
    if patience:
        threading.Timer(0.05, done.set).start()
    crashes.end(patience)
    assert done.is_set() == bool(patience)  # it has waited, or it has not
    done.set()
    writer.join(60)
    assert list(tmp_path.iterdir()) == []


def test_a_box_that_can_keep_nothing_counts_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder").touch()
    for place in (None, tmp_path / "folder"):
        for _ in range(CRASHES + 1):
            assert not Crashes(place).run.safe
        Crashes(place).end()
