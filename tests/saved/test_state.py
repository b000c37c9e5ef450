# SPDX-License-Identifier: Apache-2.0
import asyncio
import errno
import json
import math
import mmap
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.saved.state import (
    AT_ONCE,
    EVERY,
    LARGEST,
    SETTLED,
    SavedControls,
    State,
    WriteThrottle,
    decode,
    encode,
    folder,
    read,
    restored,
    save,
    write,
)
from appliance.values import Controls

SAID = SavedControls(0.7, 60.0, "public", "wind")
STATE = State(SAID, replace(SAID, volume=0.4, network="testnet"), ("testnet", 59_000_000))
SETTINGS = Controls(0.7, 60.0, "public", scene="wind")
KNOWN = (("public", "testnet"), ("wind", "night"))

names = st.text(min_size=1, max_size=100).filter(str.isprintable)
stands = st.builds(SavedControls, st.floats(0, 1), st.floats(30, 180), names, names)
states = st.builds(State, stands, stands, st.none() | st.tuples(names, st.integers(0, 2**32)))


# --- where ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "environ", "place"),
    [
        ("/x", {"STATE_DIRECTORY": "/var/lib/box", "HOME": "/h"}, "/x"),
        ("", {"STATE_DIRECTORY": "/var/lib/box", "HOME": "/h"}, "/var/lib/box"),
        ("", {"STATE_DIRECTORY": "/var/lib/box:/var/lib/other"}, "/var/lib/box"),
        ("", {"XDG_STATE_HOME": "/s", "HOME": "/h"}, "/s/stellar-wind"),
        ("", {"XDG_STATE_HOME": "here", "HOME": "/h"}, "/h/.local/state/stellar-wind"),
        ("", {"HOME": "/h"}, "/h/.local/state/stellar-wind"),
    ],
)
def test_the_setting_then_systemd_then_the_user_say_where(
    setting: str, environ: dict[str, str], place: str
) -> None:
    assert folder(setting, environ) == Path(place)


def test_who_has_no_home_keeps_nothing() -> None:
    assert folder("", {}) is None


# --- what is in it --------------------------------------------------------------------------------------------


@given(states)
def test_what_is_written_is_read(state: State) -> None:
    assert decode(encode(state)) == state


@given(states)
def test_a_file_is_always_small_enough_to_be_read(state: State) -> None:
    assert len(encode(state)) <= LARGEST


def test_what_hands_have_set_comes_back() -> None:
    assert restored(SETTINGS, STATE, *KNOWN) == replace(SETTINGS, volume=0.4, network="testnet")


def test_a_setting_that_was_changed_since_counts_more_than_hands() -> None:
    settings = replace(SETTINGS, volume=0.2)
    assert restored(settings, STATE, *KNOWN) == replace(settings, network="testnet")


def test_a_network_or_scene_that_is_no_more_is_not_gone_back_to() -> None:
    state = replace(STATE, now=replace(SAID, network="mine", scene="storm", tempo=90.0))
    assert restored(SETTINGS, state, *KNOWN) == replace(SETTINGS, tempo=90.0)


# --- what may lie in its place --------------------------------------------------------------------------------

VALID = json.loads(encode(STATE))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 300,
        b"null",
        b"[]",
        b"3",
        b'"state"',
        b"{}",
        b"\xff\xfe{}",
        b"[" * 4000,
        b"9" * 5000,
        encode(STATE)[:-40],
        encode(STATE) * 2,
        encode(STATE) + b" " * LARGEST,
        json.dumps(VALID | {"version": 2}).encode(),
        json.dumps(VALID | {"heard": ["x"]}).encode(),
        json.dumps(VALID | {"heard": ["x", -1]}).encode(),
        *(
            json.dumps(VALID | {"controls": VALID["controls"] | wrong}).encode()
            for wrong in (
                {"volume": 1.01},
                {"volume": math.nan},
                {"volume": -math.inf},
                {"volume": True},
                {"volume": "0.5"},
                {"tempo": 29},
                {"network": ""},
                {"network": "a\x1b[2J"},
                {"scene": None},
            )
        ),
    ],
    ids=lambda content: repr(content[:20]),
)
def test_what_is_no_state_is_set_aside_with_one_line(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(content)
    assert read(path, decode) is None
    (record,) = caplog.records
    assert "is no file of the box's" in record.message
    assert "\n" not in record.message
    assert (tmp_path / "state.json.bad").read_bytes() == content
    assert read(path, decode) is None
    write(path, encode(STATE))
    assert read(path, decode) == STATE


@given(st.binary(max_size=200) | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(repr))
def test_nothing_that_lies_there_raises(content: bytes | str) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(content.encode() if isinstance(content, str) else content)


@given(
    st.dictionaries(
        st.sampled_from(list(VALID)), st.dictionaries(st.sampled_from(list(VALID["controls"])), st.integers())
    )
)
def test_a_file_with_some_of_it_wrong_is_wrong(wrong: dict[str, dict[str, int]]) -> None:
    if not wrong:
        assert decode(json.dumps(VALID).encode()) == STATE
        return
    with pytest.raises(ValueError, match=r"."):
        decode(json.dumps(VALID | wrong).encode())


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda path: path.symlink_to(path.with_name("secret")), "it is a link"),
        (lambda path: os.mkfifo(path), "it is no file"),
        (lambda path: path.mkdir(), "it is no file"),
        (lambda path: path.symlink_to(path), "it is a link"),
    ],
)
def test_what_is_no_file_is_neither_followed_nor_waited_for(
    make: Callable[[Path], None], what: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, other = tmp_path / "state.json", tmp_path / "secret"
    other.write_bytes(encode(STATE))
    make(path)
    assert read(path, decode) is None
    assert what in caplog.text
    write(path, b"x")
    assert path.read_bytes() == b"x"
    assert other.read_bytes() == encode(STATE)


def test_a_folder_that_is_a_file_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "folder").touch()
    assert read(tmp_path / "folder" / "state.json", decode) is None


def test_a_disk_that_cannot_be_read_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert read(tmp_path / ("x" * 300), decode) is None
    assert "File name too long. The settings count." in caplog.text


# --- kills and power cuts -------------------------------------------------------------------------------------

WRITER = [sys.executable, "-m", "tests.support.state_writer"]
PATIENCE = 60.0  # s


def bad_after_kills(*words: str) -> int:
    done = subprocess.run([*WRITER, *words], capture_output=True, text=True, check=True, timeout=PATIENCE)
    return int(done.stdout)


def test_no_kill_leaves_a_bad_file(tmp_path: Path) -> None:
    assert bad_after_kills("kill", str(tmp_path / "state.json"), "200") == 0


def test_the_kills_find_a_careless_writer(tmp_path: Path) -> None:
    assert bad_after_kills("--careless", "kill", str(tmp_path / "state.json"), "200") > 0


def mount(*words: str) -> None:
    """Mount what the words say, or skip, and say why."""
    if os.geteuid():
        pytest.skip("mount needs root")
    done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mount {' '.join(words)}: {done.stderr.strip()}")


@contextmanager
def mounted(place: Path, *words: str) -> Iterator[Path]:
    place.mkdir(exist_ok=True)
    mount(*words, str(place))
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def device_of(place: Path) -> str:
    lines = Path("/proc/mounts").read_text().splitlines()
    return next(line.split()[0] for line in lines if line.split()[1] == str(place))


def copied(device: str, copy: Path) -> None:
    """What has reached a device, past every cache of the system."""
    source, unit = os.open(device, os.O_RDONLY | os.O_DIRECT), mmap.mmap(-1, 1 << 20)
    with copy.open("wb") as file:
        while count := os.readv(source, [unit]):
            file.write(unit[:count])
    os.close(source)


def after_power_cuts(tmp_path: Path, cuts: int, *words: str) -> list[str]:
    """Cut a card's power at random moments while a process writes on it; what was wrong with the file afterwards."""
    if not shutil.which("mkfs.ext4"):
        pytest.skip("there is no mkfs.ext4")
    card, copy, wrong, rng = tmp_path / "card", tmp_path / "copy", [], random.Random(1)
    with card.open("wb") as file:
        file.truncate(4 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(card)], check=True)
    with mounted(tmp_path / "live", "-o", "loop,commit=1", str(card)) as live:
        command = [*WRITER, *words, "write", str(live / "state.json")]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout
            try:
                for _ in range(cuts):
                    # The last state that the writer was told is safe.
                    time.sleep(rng.uniform(0.0, 0.05))
                    safe = int(os.read(writer.stdout.fileno(), 1 << 16).split()[-1])
                    writer.send_signal(signal.SIGSTOP)
                    copied(device_of(live), copy)
                    writer.send_signal(signal.SIGCONT)
                    with mounted(tmp_path / "after", "-o", "loop", str(copy)) as after:
                        state = read(after / "state.json", decode)
                    if state is None or state.heard is None:
                        wrong.append(f"state {safe} was safe, but none is there")
                    elif state.heard[1] < safe:
                        wrong.append(f"state {safe} was safe, but {state.heard[1]} is there")
            finally:
                writer.kill()
    return wrong


def test_no_power_cut_takes_a_state_that_was_written(tmp_path: Path) -> None:
    assert after_power_cuts(tmp_path, 20) == []


def test_the_power_cuts_find_a_careless_writer(tmp_path: Path) -> None:
    assert after_power_cuts(tmp_path, 10, "--careless") != []


# --- disks that take nothing ----------------------------------------------------------------------------------


def test_a_full_disk_keeps_the_old_state_and_takes_the_next_when_there_is_room(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=64k", "tmpfs") as disk:
        write(disk / "state.json", encode(STATE))
        with pytest.raises(OSError, match="No space left"):
            (disk / "filler").write_bytes(b"x" * (1 << 20))
        with pytest.raises(OSError, match="No space left"):
            write(disk / "state.json", encode(replace(STATE, heard=None)))
        assert read(disk / "state.json", decode) == STATE
        assert {path.name for path in disk.iterdir()} == {"state.json", "filler"}
        (disk / "filler").unlink()
        write(disk / "state.json", encode(replace(STATE, heard=None)))
        assert read(disk / "state.json", decode) == replace(STATE, heard=None)


def test_a_disk_that_is_read_only_is_read_and_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with mounted(tmp_path / "disk", "-t", "tmpfs", "tmpfs") as disk:
        write(disk / "state.json", encode(STATE))
        (disk / "other.json").write_bytes(b"nonsense")
        mount("-o", "remount,ro", str(disk))
        assert read(disk / "state.json", decode) == STATE
        assert read(disk / "other.json", decode) is None
        assert "set aside" in caplog.text
        with pytest.raises(OSError, match="Read-only"):
            write(disk / "state.json", encode(STATE))
        error = asyncio.run(save(disk / "state.json", encode(STATE)))
        assert error
        assert error.errno == errno.EROFS


def test_a_disk_that_hangs_keeps_nobody(tmp_path: Path) -> None:
    # A pipe that nobody reads stands for it: to open it for writing waits for ever.
    os.mkfifo(tmp_path / "state.json.new")

    async def run() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await save(tmp_path / "state.json", b"x")

    asyncio.run(run())
    # The thread is let go, and its answer goes to nobody.
    descriptor = os.open(tmp_path / "state.json.new", os.O_RDONLY | os.O_NONBLOCK)
    for thread in threading.enumerate():
        if thread.name == "state":
            thread.join(PATIENCE)
    os.close(descriptor)


def test_what_is_saved_is_there(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state.json"
    assert asyncio.run(save(path, encode(STATE))) is None
    assert read(path, decode) == STATE
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


# --- when -----------------------------------------------------------------------------------------------------

DAY = 86_400


def turned(volume: float) -> State:
    return replace(STATE, now=replace(SAID, volume=volume))


def test_what_does_not_change_is_not_written() -> None:
    thrift = WriteThrottle(STATE)
    assert not any(thrift.due(replace(STATE, heard=("public", second)), second) for second in range(DAY))


def test_a_box_without_a_file_writes_one() -> None:
    thrift = WriteThrottle(None)
    assert [second for second in range(10) if thrift.due(STATE, second)] == [5, 6, 7, 8, 9]


def test_a_knob_that_is_being_turned_is_waited_for() -> None:
    thrift = WriteThrottle(STATE)
    assert not any(thrift.due(turned(0.001 * second), second) for second in range(100))
    assert not thrift.due(turned(0.099), 99 + SETTLED - 0.1)
    assert thrift.due(turned(0.099), 99 + SETTLED)


def test_a_knob_that_comes_back_to_where_it_was_is_no_news() -> None:
    thrift = WriteThrottle(STATE)
    thrift.due(turned(0.9), 1)
    assert not thrift.due(STATE, 100)


@pytest.mark.parametrize("pause", [SETTLED, 20, 290, 1000])
def test_restless_hands_cost_300_writes_a_day_at_most(pause: float) -> None:
    thrift, writes, second = WriteThrottle(STATE), [], 0.0
    for index in range(int(3 * DAY / pause)):
        state = turned(0.001 * (index % 997))
        thrift.due(state, second)
        second += pause
        if thrift.due(state, second):
            thrift.tried(state, second, written=True)
            writes.append(second)
    assert all(sum(day <= write < day + DAY for write in writes) <= 300 for day in range(0, 2 * DAY, 3600))
    assert len(writes) >= min(3 * DAY / pause, 3 * 288) * 0.98


def test_a_burst_of_changes_is_written_at_once() -> None:
    thrift, written = WriteThrottle(STATE), 0
    for index in range(100):
        state, second = turned(0.001 * index), 10.0 * index
        thrift.due(state, second)
        if thrift.due(state, second + SETTLED):
            thrift.tried(state, second + SETTLED, written=True)
            written += 1
    assert written == AT_ONCE + 1000 // EVERY


def test_a_disk_that_takes_nothing_is_asked_every_five_minutes() -> None:
    thrift, tries = WriteThrottle(STATE), []
    for second in range(3600):
        if thrift.due(turned(0.1), second):
            thrift.tried(turned(0.1), second, written=False)
            tries.append(second)
    assert tries == list(range(5, 3600, 300))
