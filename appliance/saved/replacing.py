# SPDX-License-Identifier: Apache-2.0
"""Files that a command writes for its user: whole, or as they were.

    written to "evening.flac.part" ─▶ whole? ─ yes ─▶ renamed to "evening.flac"      no ─▶ removed

A power cut leaves the .part file. A symbolic link is followed. A pipe or a device is written to directly.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from appliance.values import BoxError

PART = ".part"


class CannotWrite(BoxError, OSError):
    """A file cannot be written where it was asked for."""


@contextmanager
def replacing(path: Path, inputs: Iterable[Path] = ()) -> Iterator[Path]:
    """The path to write to. It takes the place of `path` if the `with` ends well; else `path` stays as it was.

    Raises CannotWrite, also for an OSError in the `with`, and if `path` is one of the `inputs`.
    """
    if any(_same(path, other) for other in inputs):
        raise CannotWrite(f"{path} is also the input: choose another name with -o.")
    check_place(path)
    part = part_of(path)
    try:
        with explained(path):
            yield part
            put_in_place(part, path)
    finally:
        if part != path:
            with suppress(OSError):  # it was renamed, or never made
                part.unlink()


def part_of(path: Path) -> Path:
    """What to write until it is whole and can be put in the place of `path`; `path` itself for a pipe or a device."""
    if os.path.exists(path) and not os.path.isfile(path):
        return path
    path = Path(os.path.realpath(path))
    return path.with_name(path.name + PART)


def put_in_place(part: Path, path: Path) -> None:
    """Rename a whole part to what `path` is. Raises OSError."""
    if part != path:
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(os.path.realpath(path))


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Raise CannotWrite for an OSError of writing `path`. A BrokenPipeError stays one: its reader has read enough."""
    try:
        yield
    except (CannotWrite, BrokenPipeError):
        raise
    except OSError as error:
        raise CannotWrite(
            f"Cannot write {path}: {error.strerror or error}. Make room, or choose another place."
        ) from error


def check_place(path: Path) -> None:
    """Raise CannotWrite now rather than after minutes of work, if `path` cannot be written at all."""
    if os.path.isdir(path):
        raise CannotWrite(f"Cannot write {path}: it is a folder. Choose another place.")
    part = part_of(path)
    if part != path and not os.path.exists(part):
        try:
            part.touch()
            part.unlink()
        except OSError as error:
            raise CannotWrite(f"Cannot write {path}: {error.strerror}. Choose another place.") from error


def _same(path: Path, other: Path) -> bool:
    with suppress(OSError):
        return os.path.isfile(path) and os.path.samefile(path, other)
    return False
