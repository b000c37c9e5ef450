# SPDX-License-Identifier: Apache-2.0
"""The saved state: the positions of the controls in state.json, so that they survive a power cut. The main thread.

A change is written when it has been stable for 5 s, and at most 300 times a day, to spare the SD card.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from appliance.saved.files import save
from appliance.values import FASTEST, SLOWEST, Controls

log = logging.getLogger(__name__)

STATE = "state.json"  # in the folder of the settings' state_dir
VERSION = 1
SETTLED = 5.0  # s without another change: a knob is no longer being turned
EVERY = 300.0  # s per write on average: 288 a day
CHECK = 1.0  # s between two checks
AT_END = 3.0  # s that the end waits for the last write, longer than a busy card needs
AT_ONCE = 12  # writes that can be made in a burst; with the others 300 a day


@dataclass(frozen=True, slots=True)
class SavedControls:
    """The controls that are saved. A mute is not: after a power cut the box plays."""

    volume: float  # 0 to 1
    tempo: float  # beats a minute
    network: str
    scene: str

    @classmethod
    def of(cls, controls: Controls) -> SavedControls:
        """The saved part of `controls`."""
        return cls(controls.volume, controls.tempo, controls.network, controls.scene)


@dataclass(frozen=True, slots=True)
class State:
    """The content of state.json."""

    settings: SavedControls  # as they were when the controls were saved
    controls: SavedControls
    last_ledger: tuple[str, int] | None = None  # network and sequence; it is not played again after a restart


def restored(
    settings: Controls, state: State, networks: Collection[str], scenes: Collection[str]
) -> Controls:
    """The settings, with each control as it was saved, unless its setting has changed since.

    So the last position of a knob comes back after a power cut, and an edited settings file or an option still applies.
    """
    before, left = asdict(state.settings), asdict(state.controls)
    kept = {name: value for name, value in left.items() if before[name] == getattr(settings, name)}
    for name, known in (("network", networks), ("scene", scenes)):
        if left[name] not in known:
            kept.pop(name, None)
    return replace(settings, **kept)


def encode(state: State) -> bytes:
    """A state as the bytes of its file."""
    fields = {
        "version": VERSION,
        "settings": asdict(state.settings),
        "controls": asdict(state.controls),
        "last_ledger": state.last_ledger,
        "heard": state.last_ledger,  # its name in 0.1.0, to which a box can go back
    }
    return json.dumps(fields, indent=1).encode() + b"\n"


def decode(content: bytes) -> State:
    """The state in a file's bytes; raises ValueError for anything that `encode` would not write."""
    try:
        fields = json.loads(content)
        if fields["version"] != VERSION:
            raise ValueError(f"its version is {fields['version']!r:.20}")
        last = fields["last_ledger"] if "last_ledger" in fields else fields["heard"]  # its name in 0.1.0
        return State(
            _controls(fields["settings"]),
            _controls(fields["controls"]),
            None if last is None else (_name(last[0]), int(_number(last[1], 0, 2**32))),
        )
    except (TypeError, KeyError, IndexError, OverflowError, RecursionError) as error:
        raise ValueError(f"a field is missing or invalid ({type(error).__name__})") from error


def _controls(fields: dict[str, Any]) -> SavedControls:
    return SavedControls(
        volume=_number(fields["volume"], 0, 1),
        tempo=_number(fields["tempo"], SLOWEST, FASTEST),
        network=_name(fields["network"]),
        scene=_name(fields["scene"]),
    )


def _number(value: object, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{value!r:.20} is not a number from {low} to {high}")
    return value


def _name(value: object) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError(f"{value!r:.20} is not a name")
    return value


class WriteThrottle:
    """Decides when to write a state: a token bucket. Pure; moments are seconds of a clock that never jumps."""

    def __init__(self, written: State | None) -> None:
        self._written = written  # what the file holds, as far as is known
        self._seen: State | None = None
        self._since = 0.0  # since when the state is the one that was seen last
        self._paid = -math.inf  # the moment at which the writes so far are paid for, at one per EVERY seconds

    def due(self, state: State, seconds: float) -> bool:
        """Whether to write `state` now. A new last ledger alone is no reason: one arrives every few seconds."""
        if self._seen is None or _differ(state, self._seen):
            self._seen, self._since = state, seconds
        return (
            self.changed(state)
            and seconds - self._since >= SETTLED
            and self._paid <= seconds + (AT_ONCE - 1) * EVERY
        )

    def changed(self, state: State) -> bool:
        """Whether the file holds other controls."""
        return self._written is None or _differ(state, self._written)

    def tried(self, state: State, seconds: float, *, written: bool) -> None:
        """Record that a write was tried at `seconds`. After a failure the next one is EVERY seconds later."""
        self._paid = max(self._paid, seconds) + EVERY
        if written:
            self._written = state
        else:
            self._since = seconds + EVERY - SETTLED


def _differ(one: State, other: State) -> bool:
    return (one.settings, one.controls) != (other.settings, other.controls)


class Saver:
    """Keeps `file` up to date with `state`. `written` is what the file holds at first."""

    def __init__(self, file: Path, written: State | None, state: Callable[[], State]) -> None:
        self._file, self._state = file, state
        self._throttle = WriteThrottle(written)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Save while in the `with`, and once more at its end."""
        task = asyncio.create_task(self._save_when_due())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        with suppress(TimeoutError):
            if self._throttle.changed(self._state()) or self._state().last_ledger:
                async with asyncio.timeout(AT_END):
                    await self._save()

    async def _save_when_due(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            if self._throttle.due(self._state(), clock()):
                await self._save()
            await asyncio.sleep(CHECK)

    async def _save(self) -> None:
        now = self._state()
        error = await save(self._file, encode(now))
        self._throttle.tried(now, asyncio.get_running_loop().time(), written=error is None)
        if error:
            log.warning(
                "Cannot save the controls to %s: %s. The box plays on; after a power cut it starts with the state "
                "that was saved last. Make room, or name another folder with `state_dir`.",
                self._file,
                error.strerror or error,
            )
