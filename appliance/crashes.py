# SPDX-License-Identifier: Apache-2.0
"""What a crash must not take, and what many of them mean.

The one rule: a box that is told to end leaves nothing here, so whatever is found is from one that crashed. It comes
back muted if it was, and with its sleep timer; after CRASHES of them, with no SOUND seconds of music in between, it
comes back in safe mode. How long each of them took does not count: a start that hangs may take a minute and a half to
be ended. Only crashes since this computer was switched on do: who pulls the plug five times has not crashed. The main
thread; the file is written as state.py does, on a thread of its own, at the start, when a mute or a timer changes, and
never else.

    start ──▶ stamped ──(ten minutes of sound)──▶ forgiven ──▶ told to end: no file
       ▲         │                                    │
       └─ crash ─┴── the fifth that was not forgiven: safe mode
"""

from __future__ import annotations

import json
import logging
import math
import os
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from appliance import state

log = logging.getLogger(__name__)

CRASHES = 5
SOUND = 600.0  # s, after which the next crash is a new misfortune, not the old one again
PATIENCE = 1.0  # s that a disk has before the box starts, or ends, without it
BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Run:
    """A run of the box. Moments are seconds of the computer's clock that never jumps, since it was switched on."""

    boot: str  # which time the computer was switched on
    starts: int = 1  # of this run and of those before that crashed, since they were forgiven
    safe: bool = False
    muted: bool = False
    sleep: int = 0  # minutes for which the sleep timer was set
    sleeps_at: float = 0.0  # when it runs out
    process: int = 0  # its number, for whoever wants to ask this run for something


def begun(before: Run | None, boot: str) -> Run:
    """The run that begins now, if `before` was left behind."""
    if before is None or not boot or before.boot != boot:
        return Run(boot)
    return replace(before, starts=before.starts + 1, safe=before.safe or before.starts >= CRASHES)


def encode(run: Run) -> bytes:
    """A run as the bytes of its file."""
    return json.dumps(asdict(run), indent=1).encode() + b"\n"


def decode(content: bytes) -> Run:
    """The run in a file's bytes; raises ValueError for anything that `encode` would not write."""
    try:
        run = Run(**json.loads(content))
        sane = math.isfinite(run.sleeps_at)
    except (TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f"it lacks something ({type(error).__name__})") from error
    if not (
        sane
        and isinstance(run.boot, str)
        and all(isinstance(number, int) for number in (run.starts, run.process))
        and all(isinstance(flag, bool) for flag in (run.safe, run.muted))
        and run.sleep in (0, 30, 60, 90)
    ):
        raise ValueError("something in it is of another kind")
    return run


def boot(file: Path = BOOT) -> str:
    """Which time the computer was switched on; nothing where the system does not say."""
    try:
        return file.read_text().strip()
    except OSError:
        return ""


class Crashes:
    """Stamps the start of this run, and knows whether it had better be a careful one."""

    def __init__(self, folder: Path | None) -> None:
        self._file = folder and folder / "running.json"
        left = state.read(self._file, decode) if self._file else None
        run = begun(left, boot())
        self.run = self._written = replace(run, process=os.getpid())
        if self.run.safe:
            log.error(
                "The box has crashed %d times without playing for ten minutes in between. Safe mode: the plain scene, "
                "no settings but the panel's and how loud it may be, and nothing remembered. Mend the settings, and "
                "start it again.",
                self.run.starts - 1,
            )
        self._writing, self._ended = threading.Lock(), False
        if self._file:
            # Before anything that may crash, but not for ever: a disk that hangs has PATIENCE.
            stamp = threading.Thread(target=self._stamp, args=(self._file,), name="stamp", daemon=True)
            stamp.start()
            stamp.join(PATIENCE)

    async def keep(self, *, muted: bool, sleep: int, sleeps_at: float, sounded: float) -> None:
        """Take down what the next run must know, should this one crash now, after `sounded` seconds of sound."""
        starts, safe = (0, False) if sounded >= SOUND else (self.run.starts, self.run.safe)
        run = replace(self._written, muted=muted, sleep=sleep, sleeps_at=sleeps_at, starts=starts, safe=safe)
        if self._file and run != self._written:
            self._written = run
            # What cannot be written now is no loss but after a crash.
            await state.apart(partial(self._write, self._file, run))

    def end(self, patience: float = PATIENCE) -> None:
        """Leave nothing: the box was told to end. A write that was begun has `patience` seconds to be done."""
        self._ended = True
        if self._file:
            if self._writing.acquire(timeout=patience):
                self._writing.release()
            with suppress(OSError):
                self._file.unlink()

    def _stamp(self, file: Path) -> None:
        with suppress(OSError):  # the state's own first write says what is wrong with the disk
            self._write(file, self.run)

    def _write(self, file: Path, run: Run) -> None:
        """Whatever a slow disk puts back after the end is taken away again."""
        with self._writing:
            try:
                if not self._ended:
                    state.write(file, encode(run))
            finally:
                if self._ended:
                    file.unlink(missing_ok=True)
