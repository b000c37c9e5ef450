# SPDX-License-Identifier: Apache-2.0
# soundfile 0.13, as far as the box and its tests use it.
from os import PathLike
from typing import Any, Protocol, Self

from numpy.typing import NDArray

_Path = str | bytes | PathLike[str]

class _File(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...
    def seek(self, offset: int, whence: int = 0, /) -> int: ...
    def tell(self) -> int: ...

class LibsndfileError(RuntimeError): ...

class SoundFile:
    samplerate: int
    channels: int
    frames: int
    format: str
    subtype: str
    def __init__(
        self,
        file: _Path | _File | int,
        mode: str = "r",
        samplerate: int | None = None,
        channels: int | None = None,
        subtype: str | None = None,
        endian: str | None = None,
        format: str | None = None,
        *,
        bitrate_mode: str | None = None,
        compression_level: float | None = None,
    ) -> None: ...
    def read(self, frames: int = -1, dtype: str = "float64", always_2d: bool = False) -> NDArray[Any]: ...
    def write(self, data: NDArray[Any]) -> None: ...
    def flush(self) -> None: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...

class _Info:
    samplerate: int
    channels: int
    frames: int
    duration: float
    format: str
    subtype: str

def info(file: _Path) -> _Info: ...
def read(
    file: _Path, frames: int = -1, start: int = 0, dtype: str = "float64", always_2d: bool = False
) -> tuple[NDArray[Any], int]: ...
def write(file: _Path, data: NDArray[Any], samplerate: int, subtype: str | None = None) -> None: ...
def available_formats() -> dict[str, str]: ...
