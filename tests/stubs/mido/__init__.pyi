# SPDX-License-Identifier: Apache-2.0
# mido 1.3, as far as the box uses it: MIDI files.
from collections.abc import Iterable, Iterator
from os import PathLike
from typing import Any

class _AnyMessage:
    type: str
    time: float
    def __init__(self, type: str, **fields: Any) -> None: ...
    # What a message holds beside its type and time follows from its type.
    def __getattr__(self, name: str) -> Any: ...

class Message(_AnyMessage): ...

class MetaMessage(_AnyMessage):
    is_meta: bool

class MidiTrack(list[_AnyMessage]):
    name: str
    def __init__(self, messages: Iterable[_AnyMessage] = ...) -> None: ...

class MidiFile:
    type: int
    ticks_per_beat: int
    tracks: list[MidiTrack]
    length: float
    def __init__(
        self, filename: str | PathLike[str] | None = None, *, type: int = 1, ticks_per_beat: int = 480
    ) -> None: ...
    def __iter__(self) -> Iterator[_AnyMessage]: ...
    def save(self, filename: str | PathLike[str]) -> None: ...

def bpm2tempo(bpm: float, time_signature: tuple[int, int] = (4, 4)) -> int: ...
def tempo2bpm(tempo: int, time_signature: tuple[int, int] = (4, 4)) -> float: ...
def merge_tracks(tracks: Iterable[MidiTrack], skip_checks: bool = False) -> MidiTrack: ...
