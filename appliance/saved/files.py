# SPDX-License-Identifier: Apache-2.0
"""Small files that must survive a power cut, and the folder for them.

A write is atomic: after a power cut at any moment the file has its old or its new content. A file that is not valid is
renamed, so that it is reported once. Read on the main thread before the first sound; written on a thread of its own,
because an SD card can take seconds for a write.

    write   beside it ─▶ fsync ─▶ rename over it ─▶ fsync of the folder
    read    whole and valid? ─ yes ─▶ its content      no ─▶ renamed to *.bad, with one line in the log
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import stat
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")

SERVICE = Path("/var/lib/stellar-wind")  # StateDirectory of deploy/systemd/stellar-wind.service
# On a slow disk a write can go on in its thread after its caller has given up; the next one waits for it here.
_WRITING = threading.Lock()
LARGEST = 4096  # bytes; the box's own files have some 300


def state_dir(setting: str, environ: Mapping[str, str]) -> Path | None:
    """The folder for what is saved: the setting's, systemd's, or the user's own. None when there is none."""
    if setting:
        return Path(setting).expanduser()
    if given := environ.get("STATE_DIRECTORY"):
        return Path(given.partition(":")[0])
    home = environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(home):  # XDG Base Directory Specification: a relative path is invalid
        if not environ.get("HOME"):
            return None
        home = f"{environ['HOME']}/.local/state"
    return Path(home, "stellar-wind")


def read(
    path: Path, decode: Callable[[bytes], T], largest: int = LARGEST, *, needed: bool = False
) -> T | None:
    """The content of the file at `path`, decoded; None if there is none, or it is not valid and was renamed.

    If the disk cannot read it, it is ignored; if it is `needed`, OSError is raised.
    """
    try:
        content = _content(path, largest)
        return decode(content) if content is not None else None
    except ValueError as error:
        bad = path.with_name(f"{path.name}.bad")
        try:
            path.replace(bad)
            done = f"it was renamed to {bad.name}"
        except OSError as failure:
            done = f"it cannot be renamed ({failure.strerror})"
        log.warning("%s is not a valid file of the box: %s; %s. It is ignored.", path, error, done)
    except OSError as error:
        if needed:
            raise
        log.warning("Cannot read %s: %s. It is ignored.", path, error.strerror)
    return None


def _content(path: Path, largest: int) -> bytes | None:
    """The content of the file, None if there is none; raises ValueError if it cannot be one of these files."""
    try:
        # It can be a link, a pipe or a device: do not follow it, wait for it or change it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ValueError("it is a link") from error
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is not a regular file")
        content = os.read(descriptor, largest + 1)
    finally:
        os.close(descriptor)
    if len(content) > largest:
        raise ValueError("it is too large")
    return content


def write(path: Path, content: bytes) -> None:
    """Replace the content of the file, atomically. Raises OSError; then the old file is still there."""
    with _WRITING:
        _write(path, content)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.new")
    try:
        descriptor = os.open(
            beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        beside.replace(path)
    except OSError:
        with suppress(OSError):
            beside.unlink()
        raise
    above = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(above)  # without it a power cut can still bring the old file back, or none
    finally:
        os.close(above)


async def save(path: Path, content: bytes) -> OSError | None:
    """Like `write`, on a thread of its own; returns the error."""
    return await run_in_thread(partial(write, path, content))


async def run_in_thread(write: Callable[[], None]) -> OSError | None:
    """Run `write` on a thread of its own; returns the error. A disk that hangs blocks only that thread."""
    loop = asyncio.get_running_loop()
    written: asyncio.Future[OSError | None] = loop.create_future()

    def work() -> None:
        result = None
        try:
            write()
        except OSError as error:
            result = error
        with suppress(RuntimeError):  # the loop is closed: the box has ended
            loop.call_soon_threadsafe(_answer, written, result)

    threading.Thread(target=work, name="state", daemon=True).start()
    return await written


def _answer(written: asyncio.Future[OSError | None], result: OSError | None) -> None:
    if not written.done():  # the caller was cancelled
        written.set_result(result)
