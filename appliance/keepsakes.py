# SPDX-License-Identifier: Apache-2.0
"""Keepsakes: what the box was asked to keep, as tapes in a folder, and what is made of each while it plays on.

The one rule: a wish is never dropped in silence, and nothing that is kept costs the box its room or its time: the tape
is written at once, also by a box that ends, the rest is made one after another at the lowest priority, and the oldest
goes when there are too many. The main thread's loop; files are written on threads of their own.

    a key, SIGUSR1 ─▶ the tape ─▶ waits ─▶ `render` makes .mid or .flac of it ─▶ said, with its place
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import chain, count
from pathlib import Path
from shutil import disk_usage

from appliance import state
from appliance.keep import Memory, NothingPlays

MOST = 100  # half hours that are kept, 1 MB each at most without their sound
SOUND = 2 * 10**9  # bytes of sound beside them: some five half hours, a quarter of an 8 GB card
HEAVIEST = 600 * 10**6  # bytes; half an hour takes 518 MB if FLAC saves nothing, and the box writes on
LOWEST = 19  # priority of a render beside a box that plays
GOODBYE = 1.5  # s that a box which ends gives to a tape that is being written; it fades meanwhile
DYING = 0.3  # s that a render which was killed has to be gone

log = logging.getLogger(__name__)


class Keepsakes:
    """Keeps the last half hour of `memory` in `folder`, if there is one, and makes `form` of each tape."""

    def __init__(self, memory: Memory, folder: Path | None, form: str) -> None:
        self._memory, self._folder, self._form = memory, folder, form
        self._keeping: asyncio.Task[None] | None = None  # until the tape is written
        self._kept: deque[Path] = deque()  # tapes of which something is still to be made; of the first it is
        self._more = asyncio.Event()

    def keep(self) -> None:
        """Keep the last half hour."""
        if self._folder is None:
            log.warning("Nothing can be kept: there is no folder to write to, or the box is in safe mode.")
        elif self._keeping and not self._keeping.done():
            log.info("Still keeping what was just played.")
        else:
            self._keeping = asyncio.create_task(self._keep(self._folder))

    async def _keep(self, folder: Path) -> None:
        if (tape := await keep(self._memory, folder)) and self._form != "tape":
            self._kept.append(tape)
            self._more.set()

    async def making(self) -> None:
        """Make what is to be made until cancelled; then see a tape written, and say what was not made of others."""
        try:
            while True:  # one at a time: a small board has no room for two beside its music
                while self._kept:
                    await make(self._kept[0], self._form)
                    self._kept.popleft()
                self._more.clear()
                await self._more.wait()
        finally:
            if self._keeping:
                await asyncio.wait([self._keeping], timeout=GOODBYE)
            for tape in self._kept:
                log.warning("Made no %s of %s before the end: `render --tape` makes it.", self._form, tape)


async def keep(memory: Memory, folder: Path, clock: Callable[[], float] = time.time) -> Path | None:
    """Write the last half hour to a tape in `folder`; returns where it is. `clock` names it, in s since 1970."""
    try:
        last = memory.last()
    except NothingPlays as error:
        log.warning("%s", error)
        return None
    path = await asyncio.to_thread(
        _free_name, folder, time.strftime("%Y-%m-%d-%H%M%S", time.localtime(clock()))
    )
    failure = await state.save(path, await asyncio.to_thread(last.tape))
    if failure:
        log.error("Cannot keep what was played: %s. Make room, or name another folder in `state`.", failure)
        return None
    log.info("Kept what was just played: %s.", path)
    await asyncio.to_thread(_let_go, path)
    return path


async def make(
    tape: Path, form: str, free: Callable[[Path], int] = lambda path: disk_usage(path).free
) -> None:
    """Make `form` of a kept tape, beside it: "mid" or "flac". `free` says a disk's room in bytes."""
    rendered = tape.with_name(f"{_name(tape)}.{form}")
    try:
        if form == "flac" and not await asyncio.to_thread(_has_room, tape, free):
            log.error(
                "Cannot make %s: its disk has less than %d MB left. Make room, then `render --tape` makes it.",
                rendered.name,
                HEAVIEST // 10**6,
            )
            return
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "appliance", "render", "--tape", str(tape), "-o", str(rendered)),
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
        if process.returncode is None:  # the box ends, and takes it along, and what is half made
            process.kill()
            rendered.unlink(missing_ok=True)
            with suppress(TimeoutError):  # it may hang on its disk; the box does not
                async with asyncio.timeout(DYING):
                    await process.wait()
    if process.returncode:
        log.error("Cannot make %s of it: %s", rendered.name, said.decode(errors="replace").strip()[-200:])
    else:
        log.info("And made %s of it.", rendered)  # in full: on the desk this is the line that stays


def _name(path: Path) -> str:
    return path.name.partition(".")[0]


def _names(folder: Path) -> list[str]:
    """What was kept, the oldest first as far as the clock was right."""
    return sorted({_name(path) for path in folder.glob("*.tape.gz")})


def _free_name(folder: Path, name: str) -> Path:
    """Where a tape of this name goes; two of one second, or of a clock that was put back, are two."""
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    paths = (folder / f"{each}.tape.gz" for each in names)
    return next(path for path in paths if not os.path.exists(path))


def _let_go(new: Path) -> None:
    """Remove all but MOST tapes, and what was made of them; never the `new` one, whatever the clock called it.

    And what the power cut off while it was written: nobody else would.
    """
    for torn in new.parent.glob("*.tape.gz.new"):
        with suppress(OSError):
            torn.unlink()
    others = [name for name in _names(new.parent) if name != _name(new)]
    for name in others[: -(MOST - 1)]:
        log.info("Let go of %s, kept before %d others.", name, MOST)
        for path in new.parent.glob(f"{name}.*"):
            with suppress(OSError):
                path.unlink()


def _has_room(tape: Path, free: Callable[[Path], int]) -> bool:
    """Let the oldest sound go until one more stays below SOUND; returns whether the disk has room for it, too."""
    sounds = [tape.with_name(f"{name}.flac") for name in _names(tape.parent)]
    sizes = {sound: sound.stat().st_size for sound in sounds if sound.exists()}
    taken = sum(sizes.values())
    for sound, size in sizes.items():
        if taken + HEAVIEST <= SOUND:
            break
        log.info("Let go of %s: there is newer sound, and its tape stays.", sound.name)
        sound.unlink(missing_ok=True)
        taken -= size
    return free(tape.parent) >= HEAVIEST
