# SPDX-License-Identifier: Apache-2.0
"""The little that survives a power cut: what hands have set, in one small file.

The one rule: at any moment the file is whole, the last one or the one before, wherever the power went; and whatever
is found in its place, or becomes of its disk, is no reason to play otherwise. Read before the first sound, on the main
thread; written on a thread of its own, because a card may take seconds to say that it has written.

    write   beside it ─▶ fsync ─▶ rename over it ─▶ fsync of the folder
    read    whole and sensible? ─ yes ─▶ what it says      no ─▶ set aside as state.json.bad, with one line
    when    changed ─▶ settled for 5 s ─▶ one of at most 300 a day
"""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import math
import os
import stat
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from appliance.values import Controls

log = logging.getLogger(__name__)

T = TypeVar("T")

SERVICE = Path("/var/lib/stellar-wind")  # where the service's is, for somebody else
VERSION = 1
LARGEST = 4096  # bytes; what we write takes some 300
SETTLED = 5.0  # s without another change: a knob that is being turned is not done
EVERY = 300.0  # s a write on the average: 288 a day
AT_ONCE = 12  # writes that may come sooner, once in a while; together 300 a day


@dataclass(frozen=True, slots=True)
class Stand:
    """Where the controls stand, but for the mute: power that comes back is a wish for music."""

    volume: float  # 0 to 1
    tempo: float  # beats a minute
    network: str
    scene: str

    @classmethod
    def of(cls, controls: Controls) -> Stand:
        """How these controls stand."""
        return cls(controls.volume, controls.tempo, controls.network, controls.scene)


@dataclass(frozen=True, slots=True)
class State:
    """What hands have set, and what the settings said when they did."""

    said: Stand
    now: Stand
    heard: tuple[str, int] | None = (
        None  # network and sequence of the last ledger, which need not be told again
    )


# --- where ----------------------------------------------------------------------------------------------------


def folder(setting: str, environ: Mapping[str, str]) -> Path | None:
    """The folder that is ours to write to: the setting's, systemd's, or the user's own. None when there is none."""
    if setting:
        return Path(setting)
    if given := environ.get("STATE_DIRECTORY"):
        return Path(given.partition(":")[0])
    home = environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(home):  # so says the XDG Base Directory Specification
        if not environ.get("HOME"):
            return None
        home = f"{environ['HOME']}/.local/state"
    return Path(home, "stellar-wind")


# --- what is in it --------------------------------------------------------------------------------------------


def restored(
    settings: Controls, state: State, networks: Collection[str], scenes: Collection[str]
) -> Controls:
    """The settings, each as hands left it, unless the setting itself has been changed since.

    So a knob's last position comes back after a power cut, and an edited settings file or an option still counts.
    """
    said, left = asdict(state.said), asdict(state.now)
    kept = {name: value for name, value in left.items() if said[name] == getattr(settings, name)}
    for name, known in (("network", networks), ("scene", scenes)):
        if left[name] not in known:
            kept.pop(name, None)
    return replace(settings, **kept)


def encode(state: State) -> bytes:
    """A state as the bytes of its file."""
    fields = {
        "version": VERSION,
        "settings": asdict(state.said),
        "controls": asdict(state.now),
        "heard": state.heard,
    }
    return json.dumps(fields, indent=1).encode() + b"\n"


def decode(content: bytes) -> State:
    """The state in a file's bytes; raises ValueError for anything that `encode` would not write."""
    try:
        fields = json.loads(content)
        if fields["version"] != VERSION:
            raise ValueError(f"its version is {fields['version']!r:.20}")
        heard = fields["heard"]
        return State(
            _stand(fields["settings"]),
            _stand(fields["controls"]),
            None if heard is None else (_name(heard[0]), int(_number(heard[1], 0, 2**32))),
        )
    except (TypeError, KeyError, IndexError, OverflowError, RecursionError) as error:
        raise ValueError(f"it lacks something ({type(error).__name__})") from error


def _stand(fields: dict[str, Any]) -> Stand:
    return Stand(
        volume=_number(fields["volume"], 0, 1),
        tempo=_number(fields["tempo"], 30, 180),
        network=_name(fields["network"]),
        scene=_name(fields["scene"]),
    )


def _number(value: object, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{value!r:.20} is no number from {low} to {high}")
    return value


def _name(value: object) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError(f"{value!r:.20} is no name")
    return value


# --- reading and writing --------------------------------------------------------------------------------------


def read(path: Path, decode: Callable[[bytes], T]) -> T | None:
    """What `decode` makes of the file at `path`, or None. What is none of ours is set aside, and never met again."""
    try:
        content = _content(path)
        return decode(content) if content is not None else None
    except ValueError as error:
        with suppress(OSError):  # a disk that cannot be written: then it stays, and is no better next time
            path.replace(path.with_name(f"{path.name}.bad"))
        log.warning("%s is no file of the box's (%s): set aside, and the settings count.", path, error)
    except OSError as error:
        log.warning("Cannot read %s: %s. The settings count.", path, error.strerror)
    return None


def _content(path: Path) -> bytes | None:
    """What is in the file, if there is one; ValueError if it is no file of ours."""
    try:
        # Whatever lies there is opened without following, waiting for or changing it: a link, a pipe, a device.
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
    """Write `content` in the place of the file, apart."""
    return await apart(partial(write, path, content))


async def apart(write: Callable[[], None]) -> OSError | None:
    """Write on a thread of its own; returns what went wrong. A disk that hangs keeps the thread, never the box."""
    loop = asyncio.get_running_loop()
    written: asyncio.Future[OSError | None] = loop.create_future()

    def work() -> None:
        result = None
        try:
            write()
        except OSError as error:
            result = error
        with suppress(RuntimeError):  # the loop is gone: nobody waits any more
            loop.call_soon_threadsafe(_answer, written, result)

    threading.Thread(target=work, name="state", daemon=True).start()
    return await written


def _answer(written: asyncio.Future[OSError | None], result: OSError | None) -> None:
    if not written.done():  # nobody waits any more once it was cancelled
        written.set_result(result)


class Thrift:
    """Says when a state is worth a write. Pure; moments are seconds of any clock that never jumps."""

    def __init__(self, written: State | None) -> None:
        self._written = written  # what the file holds, as far as we know
        self._seen: State | None = None
        self._since = 0.0  # when what was seen last was seen first
        self._paid = (
            -math.inf
        )  # until when the writes so far have used up their time, were each to take EVERY

    def due(self, state: State, seconds: float) -> bool:
        """Whether to write `state` now. A ledger is told every few seconds; it alone is no reason."""
        if self._seen is None or _differ(state, self._seen):
            self._seen, self._since = state, seconds
        return (
            self.changed(state)
            and seconds - self._since >= SETTLED
            and self._paid <= seconds + (AT_ONCE - 1) * EVERY
        )

    def changed(self, state: State) -> bool:
        """Whether the file says otherwise."""
        return self._written is None or _differ(state, self._written)

    def tried(self, state: State, seconds: float, *, written: bool) -> None:
        """It was tried, at `seconds`. A disk that does not take it is left alone for EVERY seconds."""
        self._paid = max(self._paid, seconds) + EVERY
        if written:
            self._written = state
        else:
            self._since = seconds + EVERY - SETTLED


def _differ(one: State, other: State) -> bool:
    return (one.said, one.now) != (other.said, other.now)
