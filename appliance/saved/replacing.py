# SPDX-License-Identifier: Apache-2.0
"""Files that a command writes for its user: whole, or as they were before.

    written to "evening.flac.part" ─▶ whole? ─ yes ─▶ renamed to "evening.flac"      no ─▶ removed

A power cut leaves the part. A pipe or a device is written to directly.
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
        raise CannotWrite(f"{path} is what is read: choose another name with -o.")
    check_place(path)
    directly = path.exists() and not path.is_file()
    part = path if directly else path.with_name(path.name + PART)
    try:
        yield part
        if not directly:
            with part.open("rb") as file:
                os.fsync(file.fileno())
            part.replace(path)
    except CannotWrite:
        raise
    except OSError as error:
        raise CannotWrite(
            f"Cannot write {path}: {error.strerror or error}. Make room, or choose another place."
        ) from error
    finally:
        if not directly:
            with suppress(OSError):  # it was renamed, or never made
                part.unlink()


def check_place(path: Path) -> None:
    """Raise CannotWrite now rather than after minutes of work, if `path` cannot be written at all."""
    if path.is_dir():
        raise CannotWrite(f"Cannot write {path}: it is a folder. Choose another place.")
    if not path.exists() or path.is_file():
        part = path.with_name(path.name + PART)
        try:
            part.touch()
            part.unlink()
        except OSError as error:
            raise CannotWrite(f"Cannot write {path}: {error.strerror}. Choose another place.") from error


def _same(path: Path, other: Path) -> bool:
    with suppress(OSError):
        return path.is_file() and path.samefile(other)
    return False
