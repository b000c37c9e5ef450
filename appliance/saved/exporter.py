# SPDX-License-Identifier: Apache-2.0
"""Writes kept scores to a folder, and a MIDI or sound file of each.

A score is written at once. The other file is rendered by a process of its own at the lowest priority, one at a time,
while the box plays on. The oldest files are removed when there are too many. Every failure is logged. The main thread's
loop; files are written on threads of their own.

    key, button, socket ─▶ .score.gz ─▶ queue ─▶ `render` makes .mid or .flac of it ─▶ logged with its path
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import chain, count
from pathlib import Path
from shutil import disk_usage
from typing import Protocol

from appliance.host.python import command
from appliance.saved.files import save
from appliance.saved.replacing import PART
from appliance.values import BoxError

KEPT = "kept"  # the folder, beside state.json
ENDING = ".score.gz"
MOST = 100  # scores that are kept, 1 MB each at most
SOUND = 2 * 10**9  # bytes of sound files: about five half hours, a quarter of an 8 GB card
HEAVIEST = 600 * 10**6  # bytes of a sound file; half an hour is 518 MB uncompressed, and the box writes on
LOWEST = 19  # nice value of a render beside a box that plays
AT_END = 1.5  # s that the end waits for a score that is being written; the fade takes as long
KILL_TIMEOUT = 0.3  # s that the end waits for a render that was killed

log = logging.getLogger(__name__)


class CannotKeep(BoxError, OSError):
    """The score could not be written."""


class Writable(Protocol):
    """A score that can be written to a file."""

    def packed(self) -> bytes:
        """The bytes of the file. It can take seconds."""


class Exporter:
    """Writes the score that `last` gives to `folder`, if there is one, and makes a file of the format `form` of it.

    The file is made at the priority `nice`.
    """

    def __init__(
        self, last: Callable[[], Writable], folder: Path | None, form: str, nice: int = LOWEST
    ) -> None:
        self._last, self._folder, self._form, self._nice = last, folder, form, nice
        self._keeping: asyncio.Task[Path] | None = None  # until the score is written
        self._waiting: deque[tuple[Path, str]] = (
            deque()
        )  # scores, and what to make of them; the first is in progress
        self._more = asyncio.Event()

    async def keep(self, form: str = "") -> Path:
        """Write the last half hour, and return the path. A second request meanwhile gets the same score.

        A file of the format `form` is made of it as well, besides that of the settings.
        Raises CannotKeep, and what `last` raises.
        """
        if self._folder is None:
            raise CannotKeep(
                "Nothing can be kept: there is no state folder, or the box is in safe mode. "
                "Name a folder with `state_dir`."
            )
        if not self._keeping or self._keeping.done():
            self._keeping = asyncio.create_task(self._keep(self._folder))
        score = await asyncio.shield(self._keeping)
        if form not in ("", self._form):
            self._ask(score, form)
        return score

    async def _keep(self, folder: Path) -> Path:
        score = await write(self._last(), folder)
        self._ask(score, self._form)
        return score

    def _ask(self, score: Path, form: str) -> None:
        if form != "score" and (score, form) not in self._waiting and len(self._waiting) < MOST:
            self._waiting.append((score, form))
            self._more.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Make files while in the `with`; at its end, wait AT_END s for a score that is being written."""
        making = asyncio.create_task(self._make_all())
        try:
            yield
        finally:
            making.cancel()
            with suppress(asyncio.CancelledError):
                await making
            if self._keeping:
                await asyncio.wait([self._keeping], timeout=AT_END)
            for score, form in self._waiting:
                log.warning("No %s of %s was made before the end; `render` makes it.", form, score)

    async def _make_all(self) -> None:
        if self._folder:  # no render runs yet
            await asyncio.to_thread(_remove_torn, self._folder, PART)
        while True:  # one at a time: a small board has no capacity for two while it plays
            while self._waiting:
                await make(*self._waiting[0], self._nice)
                self._waiting.popleft()
            self._more.clear()
            await self._more.wait()


async def write(last: Writable, folder: Path, clock: Callable[[], float] = time.time) -> Path:
    """Write a score to `folder`, named by the time of `clock` (s since 1970). Returns the path. Raises CannotKeep."""
    name = time.strftime("%Y-%m-%d-%H%M%S", time.localtime(clock()))
    path = await asyncio.to_thread(_free_name, folder, name)
    failure = await save(path, await asyncio.to_thread(last.packed))
    if failure:
        raise CannotKeep(
            f"Cannot write {path}: {failure.strerror or failure}. Make room, or name another folder with `state_dir`."
        )
    log.info("Kept the last half hour: %s.", path)
    await asyncio.to_thread(_remove_oldest, path)
    return path


async def make(
    score: Path,
    form: str,
    nice: int = LOWEST,
    free: Callable[[Path], int] = lambda path: disk_usage(path).free,
) -> None:
    """Make a file of the format `form` ("mid" or "flac") of a score, beside it, at the priority `nice`.

    `free` gives a disk's free bytes.
    """
    rendered = score.with_name(f"{_name(score)}.{form}")
    try:
        if form == "flac" and not await asyncio.to_thread(_has_room, score, free):
            log.error(
                "Cannot make %s: its disk has less than %d MB free. Make room, then `render` makes it.",
                rendered.name,
                HEAVIEST // 10**6,
            )
            return
        process = await asyncio.create_subprocess_exec(
            *command("appliance", "render", str(score), "-o", str(rendered)),
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE,
        )
    except OSError as error:
        log.error("Cannot make %s: %s.", rendered.name, error)
        return
    try:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, nice)
        _, errors = await process.communicate()
    finally:
        if process.returncode is None:  # the box stops: kill the render, and remove its unfinished file
            process.kill()
            rendered.with_name(rendered.name + PART).unlink(missing_ok=True)
            with suppress(TimeoutError):  # it can hang on its disk
                async with asyncio.timeout(KILL_TIMEOUT):
                    await process.wait()
    if process.returncode:
        log.error("Cannot make %s: %s", rendered.name, errors.decode(errors="replace").strip()[-500:])
    else:
        log.info("Made %s.", rendered)


def _name(path: Path) -> str:
    return path.name.partition(".")[0]


def _names(folder: Path) -> list[str]:
    """The names of the scores, the oldest first if the clock was right."""
    return sorted({_name(path) for path in folder.glob(f"*{ENDING}")})


def _free_name(folder: Path, name: str) -> Path:
    """The path of a new score; its name gets a number if another one of the same second exists."""
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    paths = (folder / f"{each}{ENDING}" for each in names)
    return next(path for path in paths if not os.path.exists(path))


def _remove_oldest(new: Path) -> None:
    """Remove all but MOST scores with their other files, but not the `new` one, and files that a power cut left."""
    _remove_torn(new.parent, f"{ENDING}.new")
    others = [name for name in _names(new.parent) if name != _name(new)]
    for name in others[: -(MOST - 1)]:
        log.info("Removed %s: there are %d newer scores.", name, MOST)
        for path in new.parent.glob(f"{name}.*"):
            with suppress(OSError):
                path.unlink()


def _remove_torn(folder: Path, ending: str) -> None:
    """Remove unfinished files, which a power cut or a crash has left."""
    with suppress(OSError):
        for torn in folder.glob(f"*{ending}"):
            torn.unlink()


def _has_room(score: Path, free: Callable[[Path], int]) -> bool:
    """Remove the oldest sound files until one more stays below SOUND. Returns whether the disk has room for it."""
    sounds = [score.with_name(f"{name}.flac") for name in _names(score.parent)]
    sizes = {sound: sound.stat().st_size for sound in sounds if sound.exists()}
    taken = sum(sizes.values())
    for sound, size in sizes.items():
        if taken + HEAVIEST <= SOUND:
            break
        log.info("Removed %s to make room for a newer one; its score is kept.", sound.name)
        sound.unlink(missing_ok=True)
        taken -= size
    return free(score.parent) >= HEAVIEST
