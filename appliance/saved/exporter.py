# SPDX-License-Identifier: Apache-2.0
"""Writes what the box is asked to keep: scores in a folder, and the MIDI or sound file of each while it plays on.

A score is written at once. The rest is made one after another at the lowest priority by a process of its own, and the
oldest files go when there are too many. A request is never dropped without a line in the log. The main thread's loop;
files are written on threads of their own.

    key, button, socket ─▶ .score.gz ─▶ waits ─▶ `render` makes .mid or .flac of it ─▶ logged, with its path
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import chain, count
from pathlib import Path
from shutil import disk_usage
from typing import Protocol

from appliance.saved.files import save
from appliance.values import BoxError

KEPT = "kept"  # the folder, beside state.json
ENDING = ".score.gz"
MOST = 100  # scores that are kept, 1 MB each at most
SOUND = 2 * 10**9  # bytes of sound files beside them: some five half hours, a quarter of an 8 GB card
HEAVIEST = 600 * 10**6  # bytes; half an hour takes 518 MB if FLAC saves nothing, and the box writes on
LOWEST = 19  # priority of a render beside a box that plays
AT_END = 1.5  # s that a box which ends gives to a score that is being written; it fades meanwhile
KILLED = 0.3  # s that a render has to be gone after it was killed

log = logging.getLogger(__name__)


class CannotKeep(BoxError, OSError):
    """The score could not be written."""


class Writable(Protocol):
    """A score on its way to a file."""

    def packed(self) -> bytes:
        """The bytes of the file. It can take seconds."""


class Exporter:
    """Keeps what `last` gives in `folder`, if there is one, and makes the format `form` of each score."""

    def __init__(self, last: Callable[[], Writable], folder: Path | None, form: str) -> None:
        self._last, self._folder, self._form = last, folder, form
        self._keeping: asyncio.Task[Path] | None = None  # until the score is written
        self._waiting: deque[Path] = deque()  # scores of which a file is still to be made; of the first it is
        self._more = asyncio.Event()

    async def keep(self) -> Path:
        """Write the last half hour, and return where. A second request meanwhile gets the same score.

        Raises CannotKeep, and what `last` raises.
        """
        if self._folder is None:
            raise CannotKeep(
                "Nothing can be kept: there is no folder to write to, or the box is in safe mode."
            )
        if not self._keeping or self._keeping.done():
            self._keeping = asyncio.create_task(self._keep(self._folder))
        return await asyncio.shield(self._keeping)

    async def _keep(self, folder: Path) -> Path:
        score = await write(self._last(), folder)
        if self._form != "score":
            self._waiting.append(score)
            self._more.set()
        return score

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Make files while in the `with`; at its end, wait a moment for a score that is being written."""
        making = asyncio.create_task(self._make_all())
        try:
            yield
        finally:
            making.cancel()
            with suppress(asyncio.CancelledError):
                await making
            if self._keeping:
                await asyncio.wait([self._keeping], timeout=AT_END)
            for score in self._waiting:
                log.warning("Made no %s of %s before the end: `render` makes it.", self._form, score)

    async def _make_all(self) -> None:
        while True:  # one at a time: a small board has no time for two beside its music
            while self._waiting:
                await make(self._waiting[0], self._form)
                self._waiting.popleft()
            self._more.clear()
            await self._more.wait()


async def write(last: Writable, folder: Path, clock: Callable[[], float] = time.time) -> Path:
    """Write a score to `folder`, and return its path. `clock` names it, in s since 1970. Raises CannotKeep."""
    name = time.strftime("%Y-%m-%d-%H%M%S", time.localtime(clock()))
    path = await asyncio.to_thread(_free_name, folder, name)
    failure = await save(path, await asyncio.to_thread(last.packed))
    if failure:
        raise CannotKeep(
            f"Cannot keep what was played: {failure}. Make room, or name another folder in `state_dir`."
        )
    log.info("Kept what was just played: %s.", path)
    await asyncio.to_thread(_remove_oldest, path)
    return path


async def make(
    score: Path, form: str, free: Callable[[Path], int] = lambda path: disk_usage(path).free
) -> None:
    """Make `form` ("mid" or "flac") of a kept score, beside it. `free` gives a disk's free bytes."""
    rendered = score.with_name(f"{_name(score)}.{form}")
    try:
        if form == "flac" and not await asyncio.to_thread(_has_room, score, free):
            log.error(
                "Cannot make %s: its disk has less than %d MB left. Make room, then `render` makes it.",
                rendered.name,
                HEAVIEST // 10**6,
            )
            return
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "appliance", "render", str(score), "-o", str(rendered)),
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE,
        )
    except OSError as error:
        log.error("Cannot make %s of it: %s.", rendered.name, error)
        return
    try:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, LOWEST)
        _, said = await process.communicate()
    finally:
        if process.returncode is None:  # the box ends: end the render, and remove its unfinished file
            process.kill()
            rendered.unlink(missing_ok=True)
            with suppress(TimeoutError):  # it can hang on its disk
                async with asyncio.timeout(KILLED):
                    await process.wait()
    if process.returncode:
        log.error("Cannot make %s of it: %s", rendered.name, said.decode(errors="replace").strip()[-200:])
    else:
        log.info("Made %s of it.", rendered)


def _name(path: Path) -> str:
    return path.name.partition(".")[0]


def _names(folder: Path) -> list[str]:
    """The scores, the oldest first as far as the clock was right."""
    return sorted({_name(path) for path in folder.glob(f"*{ENDING}")})


def _free_name(folder: Path, name: str) -> Path:
    """The path for a score of this name; two of one second, or of a clock that was set back, get two names."""
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    paths = (folder / f"{each}{ENDING}" for each in names)
    return next(path for path in paths if not os.path.exists(path))


def _remove_oldest(new: Path) -> None:
    """Remove all but MOST scores with what was made of them, never the `new` one, and files that a power cut tore."""
    for torn in new.parent.glob(f"*{ENDING}.new"):
        with suppress(OSError):
            torn.unlink()
    others = [name for name in _names(new.parent) if name != _name(new)]
    for name in others[: -(MOST - 1)]:
        log.info("Removed %s, kept before %d others.", name, MOST)
        for path in new.parent.glob(f"{name}.*"):
            with suppress(OSError):
                path.unlink()


def _has_room(score: Path, free: Callable[[Path], int]) -> bool:
    """Remove the oldest sound files until one more stays below SOUND; returns whether the disk has room for it, too."""
    sounds = [score.with_name(f"{name}.flac") for name in _names(score.parent)]
    sizes = {sound: sound.stat().st_size for sound in sounds if sound.exists()}
    taken = sum(sizes.values())
    for sound, size in sizes.items():
        if taken + HEAVIEST <= SOUND:
            break
        log.info("Removed %s: there is newer sound, and its score stays.", sound.name)
        sound.unlink(missing_ok=True)
        taken -= size
    return free(score.parent) >= HEAVIEST
