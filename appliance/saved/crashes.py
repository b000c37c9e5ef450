# SPDX-License-Identifier: Apache-2.0
"""What a crash must not lose, and safe mode after several crashes. The main thread; files are written on others.

A box that is told to end removes its stamp (running.json), so a stamp that is found belongs to a box that crashed. The
next one is muted if that one was, and takes over its sleep timer. After CRASHES of them without SOUND seconds of music
in between, it starts in safe mode. Only crashes since this computer was switched on count: pulling the plug is none.

    start ──▶ stamped ──(ten minutes of sound)──▶ forgiven ──▶ told to end: no stamp
       ▲         │                                    │
       └─ crash ─┴── the fifth that was not forgiven: safe mode
"""

from __future__ import annotations

import json
import logging
import math
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from appliance.saved import files
from appliance.values import SLEEP_STEPS

log = logging.getLogger(__name__)

CRASHES = 5
SOUND = 600.0  # s, after which the next crash is a new misfortune, not the old one again
PATIENCE = 1.0  # s that a disk has before the box starts, or ends, without it
BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Run:
    """A run of the box. Moments are seconds of the monotonic clock."""

    boot: str  # the kernel's boot id
    starts: int = 1  # this one and those before it that crashed and were not forgiven
    safe: bool = False
    muted: bool = False
    sleep: int = 0  # minutes for which the sleep timer was set
    sleeps_at: float = 0.0  # when it runs out


def begun(before: Run | None, boot: str) -> Run:
    """The run that begins now, after `before`, whose stamp was found."""
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
        and isinstance(run.starts, int)
        and all(isinstance(flag, bool) for flag in (run.safe, run.muted))
        and run.sleep in SLEEP_STEPS
    ):
        raise ValueError("something in it is of another kind")
    return run


def boot(file: Path = BOOT) -> str:
    """The kernel's boot id; "" where the system has none."""
    try:
        return file.read_text().strip()
    except OSError:
        return ""


class Crashes:
    """Stamps the start of this run; `run.safe` says whether it is in safe mode. Without a folder nothing is stamped."""

    def __init__(self, folder: Path | None) -> None:
        self._file = folder and folder / "running.json"
        left = files.read(self._file, decode) if self._file else None
        run = begun(left, boot())
        self.run = self._written = run
        if self.run.safe:
            log.error(
                "The box has crashed %d times without playing for ten minutes in between. It starts in safe mode: the "
                "default settings except for the panel, the night and the maximum volume, and nothing saved. Undo the "
                "last change of the settings, and restart it.",
                self.run.starts - 1,
            )
        self._writing, self._ended = threading.Lock(), False
        if self._file:
            # Before anything that can crash, but a disk that hangs has only PATIENCE.
            stamp = threading.Thread(target=self._stamp, args=(self._file,), name="stamp", daemon=True)
            stamp.start()
            stamp.join(PATIENCE)

    async def keep(self, *, muted: bool, sleep: int, sleeps_at: float, sounded: float) -> None:
        """Save what the next run needs if this one crashes now, after `sounded` seconds of sound."""
        starts, safe = (0, False) if sounded >= SOUND else (self.run.starts, self.run.safe)
        run = replace(self._written, muted=muted, sleep=sleep, sleeps_at=sleeps_at, starts=starts, safe=safe)
        if self._file and run != self._written:
            self._written = run
            # A failed write matters only after a crash.
            await files.run_in_thread(partial(self._write, self._file, run))

    def end(self, patience: float = PATIENCE) -> None:
        """Remove the stamp: the box was told to end. A write in progress has `patience` seconds."""
        self._ended = True
        if self._file:
            if self._writing.acquire(timeout=patience):
                self._writing.release()
            with suppress(OSError):
                self._file.unlink()

    def _stamp(self, file: Path) -> None:
        with suppress(OSError):  # the first write of the state reports what is wrong with the disk
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
