# SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterator, Mapping
from typing import Any

class PinInfo:
    name: str
    number: int

class HeaderInfo:
    pins: Mapping[int, PinInfo]

class PiBoardInfo:
    headers: Mapping[str, HeaderInfo]
    @classmethod
    def from_revision(cls, revision: int) -> PiBoardInfo: ...
    model: str
    description: str
    def find_pin(self, name: int | str) -> Iterator[tuple[HeaderInfo, PinInfo]]: ...

class PiPin:
    info: PinInfo
    state: float
    def __init__(self, factory: PiFactory, info: PinInfo) -> None: ...

class PiFactory:
    board_info: PiBoardInfo
    pins: dict[PinInfo, Any]
    def __init__(self) -> None: ...
    def pin(self, name: int | str) -> PiPin: ...
    def reserve_pins(self, requester: object, *names: int | str) -> None: ...
    def release_all(self, reserver: object) -> None: ...
    def close(self) -> None: ...
