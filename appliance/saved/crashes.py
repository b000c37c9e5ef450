# SPDX-License-Identifier: Apache-2.0
"""Crash detection: what the next run takes over after a crash, and safe mode after several crashes.

A run writes a stamp (running.json) at its start and removes it when it is stopped, so a stamp that is found belongs to
a run that crashed. The next run takes over its mute and its sleep timer. After CRASHES crashes without SOUND seconds of
music in between, the box starts in safe mode. Only crashes since the boot count, because a power cut is no crash, and
only those of the same release: otherwise the release that replaces a bad one would start in safe mode, too. The main
thread; files are written on threads of their own.

    start ──▶ stamped ──(ten minutes of sound)──▶ no crash counts ──▶ stopped: stamp removed
       ▲         │                                       │
       └─────────┴───────────────── crash ───────────────┘  after the fifth that counts: safe mode
"""

from __future__ import annotations

import json
import logging
import math
import sys
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from appliance.saved import files
from appliance.values import SLEEP_STEPS

log = logging.getLogger(__name__)

CRASHES = 5
SOUND = 600.0  # s after which earlier crashes no longer count
DISK_TIMEOUT = 1.0  # s that the start and the end wait for the disk
BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Run:
    """A run of the box. Moments are seconds of the monotonic clock."""

    boot: str  # the kernel's boot id
    starts: int = 1  # this one and the crashed ones before it that still count
    safe: bool = False
    muted: bool = False
    sleep: int = 0  # minutes for which the sleep timer was set
    sleeps_at: float = 0.0  # when it runs out
    release: str = ""  # as `release` names it


def begun(before: Run | None, boot: str, release: str) -> Run:
    """The run of `release` that begins now; `before` is the run whose stamp was found."""
    if before is None or not boot or before.boot != boot:
        return Run(boot, release=release)
    if before.release != release:
        return replace(before, starts=1, safe=False, release=release)
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
        raise ValueError(f"a field is missing or invalid ({type(error).__name__})") from error
    if not (
        sane
        and isinstance(run.boot, str)
        and isinstance(run.release, str)
        and isinstance(run.starts, int)
        and all(isinstance(flag, bool) for flag in (run.safe, run.muted))
        and run.sleep in SLEEP_STEPS
    ):
        raise ValueError("a field has a value of another type")
    return run


def boot(file: Path = BOOT) -> str:
    """The kernel's boot id; "" where the system has none."""
    try:
        return file.read_text().strip()
    except OSError:
        return ""


def release(environment: Path = Path(sys.prefix)) -> str:
    """The release that runs: the name of the virtual environment that it is installed in (on a box, 0.2.0-4dabc148)."""
    return environment.resolve().name


class Crashes:
    """The stamp of this run, in `folder` if there is one. `run.safe` says whether the run is in safe mode."""

    def __init__(self, folder: Path | None) -> None:
        self._file = folder and folder / "running.json"
        left = files.read(self._file, decode) if self._file else None
        run = begun(left, boot(), release())
        self.run = self._written = run
        if self.run.safe:
            log.error(
                "The box has crashed %d times without playing for ten minutes in between. It starts in safe mode: with "
                "the default settings except for panel, night and maximum volume, and without anything saved. Undo the "
                "last change of the settings, then restart it.",
                self.run.starts - 1,
            )
        self._writing, self._ended = threading.Lock(), False
        if self._file:
            # Before anything that can crash, but a disk that hangs delays the start only by DISK_TIMEOUT.
            stamp = threading.Thread(target=self._stamp, args=(self._file,), name="stamp", daemon=True)
            stamp.start()
            stamp.join(DISK_TIMEOUT)

    async def keep(self, *, muted: bool, sleep: int, sleeps_at: float, sounded: float) -> None:
        """Save what the next run takes over if this one crashes now, after `sounded` seconds of sound."""
        starts, safe = (0, False) if sounded >= SOUND else (self.run.starts, self.run.safe)
        run = replace(self._written, muted=muted, sleep=sleep, sleeps_at=sleeps_at, starts=starts, safe=safe)
        if self._file and run != self._written:
            self._written = run
            # A failure is ignored: it matters only after a crash.
            await files.run_in_thread(partial(self._write, self._file, run))

    def end(self, timeout: float = DISK_TIMEOUT) -> None:
        """Remove the stamp, because the box is stopped. Waits `timeout` seconds for a write in progress."""
        self._ended = True
        if self._file:
            if self._writing.acquire(timeout=timeout):
                self._writing.release()
            with suppress(OSError):
                self._file.unlink()

    def _stamp(self, file: Path) -> None:
        with suppress(OSError):  # the first write of the state logs what is wrong with the disk
            self._write(file, self.run)

    def _write(self, file: Path, run: Run) -> None:
        """Write the stamp, and remove it again if the box ended meanwhile."""
        with self._writing:
            try:
                if not self._ended:
                    files.write(file, encode(run))
            finally:
                if self._ended:
                    file.unlink(missing_ok=True)
