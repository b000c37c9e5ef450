# SPDX-License-Identifier: Apache-2.0
"""Small files that must survive a power cut, and the folder for them.

At any moment a file is whole, the new one or the one before, wherever the power went. A file that is not one of ours is
set aside and never met again. Read on the main thread before the first sound; written on a thread of its own, because
a card can take seconds to say that it has written.

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
LARGEST = 4096  # bytes; the largest of our small files takes some 300


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


def read(path: Path, decode: Callable[[bytes], T]) -> T | None:
    """What `decode` makes of the file at `path`; None if there is none, or it is not valid and was set aside."""
    try:
        content = _content(path)
        return decode(content) if content is not None else None
    except ValueError as error:
        with suppress(OSError):  # a disk that cannot be written: then it stays, and is no better next time
            path.replace(path.with_name(f"{path.name}.bad"))
        log.warning(
            "%s is not a valid state file (%s): it was renamed to *.bad; the settings apply.", path, error
        )
    except OSError as error:
        log.warning("Cannot read %s: %s. The settings apply.", path, error.strerror)
    return None


def _content(path: Path) -> bytes | None:
    """The content of the file, None if there is none; raises ValueError if it cannot be a file of ours."""
    try:
        # It can be a link, a pipe or a device: open it without following, waiting for or changing it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ValueError("it is a link") from error
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is no file")
        content = os.read(descriptor, LARGEST + 1)
    finally:
        os.close(descriptor)
    if len(content) > LARGEST:
        raise ValueError("it is too large")
    return content


def write(path: Path, content: bytes) -> None:
    """Put `content` in the place of the file, whole or not at all. Raises OSError; the old file is still there then."""
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
        os.fsync(above)  # without it a power cut may still bring the old file back, or none
    finally:
        os.close(above)


async def save(path: Path, content: bytes) -> OSError | None:
    """Like `write`, on a thread of its own; returns what went wrong."""
    return await run_in_thread(partial(write, path, content))


async def run_in_thread(write: Callable[[], None]) -> OSError | None:
    """Run `write` on a thread of its own; returns what went wrong. A disk that hangs blocks that thread only."""
    loop = asyncio.get_running_loop()
    written: asyncio.Future[OSError | None] = loop.create_future()

    def work() -> None:
        result = None
        try:
            write()
        except OSError as error:
            result = error
        with suppress(RuntimeError):  # the loop is closed, and with it the caller
            loop.call_soon_threadsafe(_answer, written, result)

    threading.Thread(target=work, name="state", daemon=True).start()
    return await written


def _answer(written: asyncio.Future[OSError | None], result: OSError | None) -> None:
    if not written.done():  # the caller was cancelled
        written.set_result(result)
