# SPDX-License-Identifier: Apache-2.0
"""Lines of files and pipes, of which each costs a bounded amount of memory."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.saved.lines import UNREADABLE, open_lines, reason
from tests.support.bounded import LIMIT, MAX_LINE, read

TEXT = b"one\n\ntwo\xff\xfe\nthree"
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the size of a process is read from /proc")


def stored(path: Path, content: bytes) -> Path:
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@contextmanager
def piped(content: bytes) -> Iterator[Path]:
    """A path to the reading end of a pipe into which `content` is written."""
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb") as file:
            file.write(content)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield Path(f"/dev/fd/{reading}")
    finally:
        os.close(reading)
        thread.join(60)


@pytest.mark.parametrize("name", ["plain", "packed.gz"])
def test_a_file_is_read_from_its_start_each_time(tmp_path: Path, name: str) -> None:
    lines = open_lines(stored(tmp_path / name, TEXT), 100)
    assert list(lines()) == list(lines()) == TEXT.splitlines(keepends=True)


@pytest.mark.parametrize("packed", [False, True])
def test_a_pipe_too(packed: bool) -> None:
    with piped(gzip.compress(TEXT) if packed else TEXT) as path:
        lines = open_lines(path, 100)
        first = lines()
        assert next(first) == b"one\n"
        second = lines()
        assert [next(second), next(second), next(second)] == [b"one\n", b"\n", b"two\xff\xfe\n"]
        assert list(first) == [b"\n", b"two\xff\xfe\n", b"three\n"]
        assert list(second) == [b"three\n"]
        assert list(lines()) == [b"one\n", b"\n", b"two\xff\xfe\n", b"three\n"]


def test_a_file_that_is_replaced_or_missing_is_seen_when_it_is_read_again(tmp_path: Path) -> None:
    path = stored(tmp_path / "x", b"one\n")
    lines = open_lines(path, 100)
    stored(path, b"two\n")
    assert list(lines()) == [b"two\n"]
    path.unlink()
    again = lines()  # it does not raise here: a player asks for lines only when it needs one
    with pytest.raises(FileNotFoundError):
        next(again)


def test_a_line_that_is_too_long_ends_the_lines_each_time(tmp_path: Path) -> None:
    content = b"ok\n" + b"x" * 10 + b"\n" + b"x" * 11 + b"\nnever\n"
    plain, packed = stored(tmp_path / "x", content), stored(tmp_path / "x.gz", content)
    with piped(content) as pipe:
        for path in (plain, packed, pipe):
            lines = open_lines(path, 11)
            for _ in range(2):
                found = lines()
                assert [next(found), next(found)] == [b"ok\n", b"x" * 10 + b"\n"]
                with pytest.raises(OSError, match="longer than 11 bytes"):
                    next(found)


@pytest.mark.parametrize("cut", [2, 9, 15])
def test_a_torn_gzip_has_a_reason(tmp_path: Path, cut: int) -> None:
    content = gzip.compress(TEXT)[:-cut]
    with piped(content) as pipe:
        for path in (stored(tmp_path / "torn", content), pipe):
            lines = open_lines(path, 100)
            for _ in range(2):
                with pytest.raises(UNREADABLE) as caught:
                    list(lines())
                assert reason(caught.value)


def test_a_damaged_gzip_has_a_reason(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(TEXT))
    content[-6] ^= 1  # of the checksum
    with pytest.raises(UNREADABLE, match="CRC"):
        list(open_lines(stored(tmp_path / "damaged", bytes(content)), 100)())


def test_what_cannot_be_opened_says_so_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_lines(tmp_path / "nowhere", 100)
    with pytest.raises(IsADirectoryError):
        open_lines(tmp_path, 100)


# --- what they cost


@LINUX
@pytest.mark.parametrize("pipe", [False, True], ids=["file", "pipe"])
def test_an_endless_line_costs_no_more_than_one_line(tmp_path: Path, pipe: bool) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(b"ok\n") + gzip.compress(b"x" * 10**6) * 400)
    if pipe:
        with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as cat:
            cost = read("lines", "/dev/stdin", cat.stdout)
    else:
        cost = read("lines", path)
    assert f"longer than {MAX_LINE:,} bytes" in cost.sentence
    assert cost.count == 1
    assert cost.megabytes < LIMIT


@LINUX
def test_a_pipe_without_end_is_given_up(tmp_path: Path) -> None:
    """What came is kept on the disk, up to 256 MB; what is kept is not in memory."""
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(b"x" * 999_999 + b"\n") * 300)
    with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as cat:
        cost = read("lines", "/dev/stdin", cat.stdout)
    assert "came from a pipe" in cost.sentence
    assert 250 < cost.count < 300
    assert cost.megabytes < LIMIT


@LINUX
def test_many_short_lines_are_not_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(b"x\n" * 10**4) * 100)
    cost = read("lines", path)
    assert (cost.sentence, cost.count) == ("", 10**6)
    assert cost.megabytes < LIMIT


@LINUX
def test_operations_to_record_are_bounded_too(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(b"x" * 10**6) * 400)
    cost = read("record", path)
    assert "longer than" in cost.sentence
    assert cost.megabytes < LIMIT
