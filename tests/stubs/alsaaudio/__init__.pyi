# SPDX-License-Identifier: Apache-2.0
# pyalsaaudio 0.11, as far as the box uses it.
from typing import Any

from typing_extensions import Buffer

PCM_PLAYBACK: int
PCM_NORMAL: int
PCM_NONBLOCK: int
PCM_FORMAT_FLOAT_LE: int
PCM_FORMAT_S16_LE: int
PCM_FORMAT_S32_LE: int
PCM_STATE_OPEN: int
PCM_STATE_SETUP: int
PCM_STATE_PREPARED: int
PCM_STATE_RUNNING: int
PCM_STATE_XRUN: int
PCM_STATE_SUSPENDED: int
PCM_STATE_DISCONNECTED: int

class ALSAAudioError(Exception): ...

class PCM:
    def __init__(
        self,
        type: int = ...,
        mode: int = ...,
        device: str = "default",
        cardindex: int = -1,
        *,
        rate: int = 44100,
        channels: int = 2,
        format: int = ...,
        periodsize: int = 32,
        periods: int = 4,
    ) -> None: ...
    def info(self) -> dict[str, Any]: ...
    def state(self) -> int: ...
    def avail(self) -> int: ...
    # Frames written; a negative errno after an underrun.
    def write(self, data: Buffer) -> int: ...
    def pause(self, enable: int = 1) -> int: ...
    def drain(self) -> None: ...
    def drop(self) -> None: ...
    def polldescriptors(self) -> list[tuple[int, int]]: ...
    def close(self) -> None: ...

def pcms(pcmtype: int = ...) -> list[str]: ...
def cards() -> list[str]: ...
def card_indexes() -> list[int]: ...
def card_name(card: int) -> tuple[str, str]: ...
