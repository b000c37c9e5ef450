# SPDX-License-Identifier: Apache-2.0
"""What a viewer sees: the last minutes of notes, the status, and the lamps, computed as those of the case are.

`take` gets the events of the box and returns what to send to every viewer; `hello` is for one who has just come. JSON
objects with one key, for static/page.js:

    hello    steer, and the notes of the last minutes, each with its age in s
    box      whether a box plays
    status   as in status.py; the file that plays without its folder, what the lamps show, the place of the tempo knob
    note     as in control.py
    ledger   as in control.py
    lamps    the nine levels, 0 to 1
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import PurePath
from typing import Any

from appliance.gestures import tempo_position
from appliance.panel.lamps import NETWORK_LAMPS, Lamps
from appliance.status import BED, Status
from appliance.values import Voice

REMEMBERED = 180.0  # s of notes that a new viewer gets
NOTES = 2000  # at most

Message = dict[str, Any]


class View:
    """What is shown of one box. Moments are in s of a clock that never jumps; `steer`: whether it can be steered."""

    def __init__(self, *, steer: bool) -> None:
        self._steer = steer
        self._heard: deque[tuple[float, Mapping[str, Any]]] = deque(maxlen=NOTES)
        self._status: Status | None = None
        self._lamps = Lamps()
        self._lamps.begin(-math.inf)
        self._levels: tuple[float, ...] = ()
        self._plays = False

    def hello(self, now: float) -> Iterator[Message]:
        """What a new viewer gets."""
        notes = [{**note, "age": round(now - at, 1)} for at, note in self._heard if now - at < REMEMBERED]
        yield {"hello": {"steer": self._steer, "notes": notes}}
        yield {"box": self._plays}
        if self._status:
            yield self._described(self._status)
            yield {"lamps": self._levels}

    def take(self, event: Mapping[str, Any], now: float) -> Message | None:
        """An event of the box, and what to send; None for nothing. Unknown events of a newer box are ignored."""
        with suppress(KeyError, TypeError, ValueError):
            match event:
                case {"status": Mapping() as fields}:
                    return self._described(self._take_status(Status.from_json(fields), now))
                case {"note": Mapping() as note}:
                    if note["voice"] not in BED:
                        self._lamps.hit(note["tone"], note["velocity"], now)
                    if note["voice"] != Voice.DRONE:
                        self._heard.append((now, note))
                    return {"note": note}
                case {"box": bool(plays)}:
                    self._plays = plays
                    return dict(event)
                case {"ledger": Mapping()}:
                    return dict(event)
        return None

    def press(self, now: float) -> None:
        """A button was pressed here: its lamp winks, as on the case."""
        self._lamps.press(now)

    def lamps(self, now: float) -> Message | None:
        """The lamps, if they have changed."""
        levels = tuple(round(level, 2) for level in self._lamps.levels(now)) if self._plays else (0.0,) * 9
        if levels == self._levels:
            return None
        self._levels = levels
        return {"lamps": levels}

    def _take_status(self, status: Status, now: float) -> Status:
        before, self._status = self._status or status, status
        self._lamps.tell(status.shown, now)
        self._lamps.muted, self._lamps.night = status.muted, status.light
        self._lamps.chosen = min(NETWORK_LAMPS - 1, status.networks.index(status.network))
        if status.sleep > before.sleep or (before.sleep > 1 and not status.sleep):
            self._lamps.count(math.ceil(status.sleep / 30), now)
        return status

    def _described(self, status: Status) -> Message:
        turned = round(tempo_position(status.tempo), 3)
        playing = PurePath(status.playing).name  # the folder is the owner's business
        return {"status": status.as_json() | {"playing": playing, "shown": status.shown, "turned": turned}}
