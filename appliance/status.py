# SPDX-License-Identifier: Apache-2.0
"""The status: an immutable snapshot of the box for lamps, systemd, doctor and clients of the control socket."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from appliance.values import BoxState, NoteEvent, Voice

MINUTE = 60.0  # s
RECENT = 8  # notes over which the delay is averaged
BED = (Voice.PAD, Voice.DRONE)  # they are held, and not counted as notes


@dataclass(frozen=True, slots=True)
class Status:
    """How the box is at one moment."""

    state: BoxState  # of the network, or that a score plays
    network: str
    networks: tuple[str, ...]  # in the order of the NETWORK button
    scene: str
    tones: tuple[str, ...]  # of the scale, as the note lamps are labelled: "C", "Eb" ...
    volume: float  # position of the knob, 0 to 1
    tempo: float  # beats a minute
    muted: bool
    sleep: int  # minutes until the sleep timer runs out; 0 without one
    dim: float  # factor on the volume by night and before sleep, 0 to 1
    light: float  # factor on the lamps, 0 to 1
    card: str  # the sound card, in words; empty while there is none
    silent: str  # why there is no card, in a sentence
    underruns: int  # of the card, since the start
    latency: float  # s from computing to hearing
    notes_a_minute: int
    delay: float | None  # s from an amount's arrival to its note, mean of the last ones; None without any
    starting: bool = False  # the opening chime sounds
    playing: str = ""  # the file that plays, if one was named
    piece: str = ""  # the title of what plays in its place for a while
    safe_mode: bool = False
    weak_power: bool = False
    version: str = ""

    @property
    def shown(self) -> BoxState:
        """What the network lamps show: what is most urgent."""
        if self.starting:
            return BoxState.STARTING
        if self.weak_power or self.safe_mode:
            return BoxState.TROUBLE
        return self.state if self.card else BoxState.NO_CARD

    @property
    def plays(self) -> str:
        """What plays, in a few words."""
        state = BoxState.TROUBLE if self.safe_mode else self.state
        what = f"{state.value}: {self.piece}" if self.piece else f"{self.network}: {state.value}"
        return f"{what}, sleeps within {self.sleep} min" if self.sleep else what

    @property
    def words(self) -> str:
        """What plays, and the sound card, in a line, for systemd and people."""
        dry = f", ran dry {self.underruns} times" if self.underruns else ""
        return f"{self.plays}; on {self.card}{dry}" if self.card else f"{self.plays}. {self.silent}"

    def as_json(self) -> dict[str, Any]:
        """The fields, as JSON writes them."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Status:
        """The status in what `as_json` gave, also of another version: it ignores fields that it does not know.

        Raises KeyError or ValueError where a field is missing or the state is unknown.
        """
        known: dict[str, Any] = {each.name: found[each.name] for each in fields(cls) if each.name in found}
        known |= {name: tuple(known[name]) for name in ("networks", "tones")}
        return cls(**known | {"state": BoxState(known["state"])})


class Recent:
    """The notes of the last minute, with the moments at which they are heard."""

    def __init__(self) -> None:
        self._heard: deque[tuple[float, NoteEvent]] = deque(maxlen=1024)

    def add(self, heard: float, event: NoteEvent) -> None:
        """Take a note that is heard at a moment of any clock that never jumps."""
        if event.note.voice not in BED:
            self._heard.append((heard, event))

    def at(self, now: float) -> tuple[int, float | None]:
        """How many notes were heard in the last minute, and the mean delay of the last ones, in s."""
        while self._heard and self._heard[0][0] <= now - MINUTE:
            self._heard.popleft()
        heard = [event.note for at, event in self._heard if at <= now]
        delays = [note.waited for note in heard[-RECENT:] if note.amount]
        return len(heard), round(sum(delays) / len(delays), 1) if delays else None
