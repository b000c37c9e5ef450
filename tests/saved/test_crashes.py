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

from appliance.saved.crashes import CRASHES, SOUND, Crashes, Run, begun, boot, decode, encode, release
from appliance.saved.files import read

BOOT, RELEASE = "7c3f", "0.2.0-4dabc148"
LEFT = Run(BOOT, 1, muted=True, sleep=30, sleeps_at=1900.0, release=RELEASE)

runs = st.builds(
    Run,
    st.text(max_size=40),
    st.integers(0, 10**9),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0, 30, 60, 90]),
    st.floats(0, 1e9),
    st.text(max_size=40),
)


@given(st.lists(st.booleans(), max_size=30))
def test_five_crashes_in_a_row_without_enough_sound_lead_to_safe_mode(played: list[bool]) -> None:
    """However long each run took: systemd ends one that hangs at its start after a minute and a half."""
    run, row = begun(None, BOOT, RELEASE), 0
    for enough in played:
        row = 0 if enough else row + 1
        run = begun(replace(run, starts=0, safe=False) if enough else run, BOOT, RELEASE)
        assert run.safe is (row >= CRASHES)


@pytest.mark.parametrize("left", [None, Run("other", 5, safe=True, muted=True, release=RELEASE)])
def test_a_clean_end_and_another_boot_start_from_nothing(left: Run | None) -> None:
    assert begun(left, BOOT, RELEASE) == Run(BOOT, release=RELEASE)


def test_without_a_boot_id_no_crash_is_counted() -> None:
    assert begun(Run("", 5, release=RELEASE), "", RELEASE) == Run("", release=RELEASE)
    assert boot(Path("/nowhere/boot_id")) == ""


def test_mute_and_timer_survive_a_crash() -> None:
    assert begun(LEFT, BOOT, RELEASE) == replace(LEFT, starts=2)


def test_the_crashes_of_another_release_do_not_count(tmp_path: Path) -> None:
    """So the old release does not come back in safe mode, and a mended one does not begin in it."""
    bad = replace(LEFT, starts=60, safe=True, release="0.2.1-a8717bb4")
    assert begun(bad, BOOT, RELEASE) == LEFT
    (tmp_path / RELEASE).mkdir()
    (tmp_path / "current").symlink_to(RELEASE)
    assert release(tmp_path / "current") == RELEASE


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
        {"release": 2},
        {"more": 1},
    ],
)
def test_a_field_of_another_type_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(json.dumps(asdict(LEFT) | wrong).encode())


@given(st.binary(max_size=200))
def test_any_other_content_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(content)


def test_a_run_is_stamped_at_its_start_and_leaves_nothing_when_it_is_stopped(tmp_path: Path) -> None:
    if not boot():
        pytest.skip("this system has no boot id")
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


def test_ten_minutes_of_sound_reset_the_count_and_only_changes_are_written(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("timeout", [0.0, 60.0])
def test_a_slow_write_brings_no_stamp_back_after_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, timeout: float
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
    if timeout:
        threading.Timer(0.05, done.set).start()
    crashes.end(timeout)
    assert done.is_set() == bool(timeout)  # it has waited, or it has not
    done.set()
    writer.join(60)
    assert list(tmp_path.iterdir()) == []


def test_a_box_that_can_write_nothing_counts_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder").touch()
    for place in (None, tmp_path / "folder"):
        for _ in range(CRASHES + 1):
            assert not Crashes(place).run.safe
        Crashes(place).end()
