# SPDX-License-Identifier: Apache-2.0
"""Small files on disks that are full, read-only, slow, killed or cut from power: real ones, where mount is allowed."""

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

from appliance.saved.files import LARGEST, read, save, state_dir, write
from appliance.saved.state import SavedControls, State, decode, encode

pytestmark = pytest.mark.process

CONTROLS = SavedControls(0.7, 60.0, "public", "wind")
STATE = State(CONTROLS, replace(CONTROLS, volume=0.4, network="testnet"), ("testnet", 59_000_000))


# --- the folder ---------------------------------------------------------------------------------------------


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
def test_the_folder_is_of_the_setting_or_systemd_or_the_user(
    setting: str, environ: dict[str, str], place: str
) -> None:
    assert state_dir(setting, environ) == Path(place)


def test_without_a_home_there_is_no_folder() -> None:
    assert state_dir("", {}) is None


# --- content that is not valid ------------------------------------------------------------------------------

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
        json.dumps(VALID | {"last_ledger": ["x"]}).encode(),
        json.dumps(VALID | {"last_ledger": ["x", -1]}).encode(),
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
def test_a_file_that_is_no_state_is_renamed_with_one_line(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(content)
    assert read(path, decode) is None
    (record,) = caplog.records
    assert str(path) in record.getMessage()
    assert "state.json.bad" in record.getMessage()
    assert "\n" not in record.getMessage()
    assert (tmp_path / "state.json.bad").read_bytes() == content
    assert read(path, decode) is None
    write(path, encode(STATE))
    assert read(path, decode) == STATE


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda path: path.symlink_to(path.with_name("secret")), "it is a link"),
        (lambda path: os.mkfifo(path), "regular file"),
        (lambda path: path.mkdir(), "regular file"),
        (lambda path: path.symlink_to(path), "it is a link"),
    ],
)
def test_a_link_pipe_or_folder_is_neither_followed_nor_waited_for(
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


def test_a_folder_that_is_a_file_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / "folder").touch()
    assert read(tmp_path / "folder" / "state.json", decode) is None


def test_a_file_that_cannot_be_read_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert read(tmp_path / ("x" * 300), decode) is None
    (record,) = caplog.records
    assert "File name too long" in record.getMessage()


# --- kills and power cuts -----------------------------------------------------------------------------------

WRITER = [sys.executable, "-m", "tests.support.state_writer"]
HANG = 60.0  # s


def bad_after_kills(*words: str) -> int:
    done = subprocess.run([*WRITER, *words], capture_output=True, text=True, check=True, timeout=HANG)
    return int(done.stdout)


@pytest.mark.slow
def test_no_kill_leaves_a_bad_file(tmp_path: Path) -> None:
    assert bad_after_kills("kill", str(tmp_path / "state.json"), "200") == 0


@pytest.mark.slow
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
                    if state is None or state.last_ledger is None:
                        wrong.append(f"state {safe} was safe, but none is there")
                    elif state.last_ledger[1] < safe:
                        wrong.append(f"state {safe} was safe, but {state.last_ledger[1]} is there")
            finally:
                writer.kill()
    return wrong


def test_no_power_cut_takes_a_state_that_was_written(tmp_path: Path) -> None:
    assert after_power_cuts(tmp_path, 20) == []


def test_the_power_cuts_find_a_careless_writer(tmp_path: Path) -> None:
    assert after_power_cuts(tmp_path, 10, "--careless") != []


# --- disks that take nothing --------------------------------------------------------------------------------


def test_a_full_disk_keeps_the_old_state_and_takes_the_next_when_there_is_room(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=64k", "tmpfs") as disk:
        write(disk / "state.json", encode(STATE))
        with pytest.raises(OSError, match="No space left"):
            (disk / "filler").write_bytes(b"x" * (1 << 20))
        with pytest.raises(OSError, match="No space left"):
            write(disk / "state.json", encode(replace(STATE, last_ledger=None)))
        assert read(disk / "state.json", decode) == STATE
        assert {path.name for path in disk.iterdir()} == {"state.json", "filler"}
        (disk / "filler").unlink()
        write(disk / "state.json", encode(replace(STATE, last_ledger=None)))
        assert read(disk / "state.json", decode) == replace(STATE, last_ledger=None)


def test_a_disk_that_is_read_only_is_read_and_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with mounted(tmp_path / "disk", "-t", "tmpfs", "tmpfs") as disk:
        write(disk / "state.json", encode(STATE))
        (disk / "other.json").write_bytes(b"nonsense")
        mount("-o", "remount,ro", str(disk))
        assert read(disk / "state.json", decode) == STATE
        assert read(disk / "other.json", decode) is None
        assert "Read-only" in caplog.text
        assert (disk / "other.json").exists()
        with pytest.raises(OSError, match="Read-only"):
            write(disk / "state.json", encode(STATE))
        error = asyncio.run(save(disk / "state.json", encode(STATE)))
        assert error
        assert error.errno == errno.EROFS


def test_a_disk_that_hangs_blocks_only_its_thread(tmp_path: Path) -> None:
    # A pipe without a reader stands for it: opening it for writing waits for ever.
    os.mkfifo(tmp_path / "state.json.new")

    async def run() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await save(tmp_path / "state.json", b"x")

    asyncio.run(run())
    # Now the thread ends, and its result is dropped.
    descriptor = os.open(tmp_path / "state.json.new", os.O_RDONLY | os.O_NONBLOCK)
    for thread in threading.enumerate():
        if thread.name == "state":
            thread.join(HANG)
    os.close(descriptor)


def test_a_saved_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state.json"
    assert asyncio.run(save(path, encode(STATE))) is None
    assert read(path, decode) == STATE
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
