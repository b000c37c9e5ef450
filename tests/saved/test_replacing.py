# SPDX-License-Identifier: Apache-2.0
"""Files that are written for people: whole, or as they were."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from appliance.saved.replacing import PART, CannotWrite, check_place, part_of, replacing


def test_what_is_whole_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "evening.flac"
    path.write_text("old")
    with replacing(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
        assert part.name == f"evening.flac{PART}"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_what_fails_leaves_what_was_there(error: type[BaseException], tmp_path: Path) -> None:
    path = tmp_path / "evening.flac"
    path.write_text("old")

    def fail() -> None:
        with replacing(path) as part:
            part.write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_names_the_file_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "evening.flac"

    def fill() -> None:
        with replacing(path) as part:
            part.touch()
            raise OSError(28, "No space left on device")

    with pytest.raises(CannotWrite, match=str(path)):
        fill()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("link", [False, True])
def test_an_input_is_never_the_output(link: bool, tmp_path: Path) -> None:
    path, source = tmp_path / "a.jsonl", tmp_path / "a.jsonl"
    path.write_text("precious")
    if link:
        source = tmp_path / "b.jsonl"
        source.symlink_to(path)
    with pytest.raises(CannotWrite, match=str(path)), replacing(path, [tmp_path / "other", source]):
        raise AssertionError("it must not begin")
    assert path.read_text() == "precious"


def test_a_folder_and_a_place_that_is_not_there_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere" / "x"):
        with pytest.raises(CannotWrite, match=str(path)):
            check_place(path)
        with pytest.raises(CannotWrite, match=str(path)), replacing(path) as part:
            part.write_text("x")
    check_place(tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("there", [False, True])
def test_a_link_stays_a_link(there: bool, tmp_path: Path) -> None:
    link, target = tmp_path / "x", tmp_path / "stick" / "x"
    target.parent.mkdir()
    if there:
        target.write_text("old")
    link.symlink_to(target)
    with replacing(link) as part:
        part.write_text("new")
        assert part.parent == target.parent
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_a_name_that_no_disk_takes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite, match="x" * 300):
        check_place(tmp_path / ("x" * 300))


def test_a_check_does_not_remove_what_somebody_else_writes(tmp_path: Path) -> None:
    path = tmp_path / "x"
    part_of(path).write_text("half")
    check_place(path)
    assert part_of(path).read_text() == "half"


def test_a_reader_that_has_read_enough_is_no_error_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(BrokenPipeError), replacing(tmp_path / "x"):
        raise BrokenPipeError


def test_a_pipe_and_a_device_are_written_to_directly(tmp_path: Path) -> None:
    pipe, got = tmp_path / "pipe", list[str]()
    os.mkfifo(pipe)
    check_place(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    with replacing(pipe) as part:
        part.write_text("music")
    reader.join()
    assert got == ["music"]
    assert pipe.is_fifo()
    with pytest.raises(CannotWrite, match="/dev/full"), replacing(Path("/dev/full")) as part:
        part.write_text("music")
