# SPDX-License-Identifier: Apache-2.0
"""Tapes: what the listener says, as JSON lines, on a pipe or in a file (plain or gzip).

The one rule: a tape holds numbers and words of our own only: times, counts, kinds, native or not, stroops. No
account, hash, asset or memo can be written, because no field could carry one. A wrong line is dropped and counted.
Pure but for `open_tape` and `TapeWriter`, which touch the file; any thread.

A tape that a box has kept of what it played says in its header how the music stood when the tape began, and has
lines for what hands did. To a player they mean nothing; rendered (appliance/keep.py), they give the same score again.

    {"tape":1,"network":"public","about":"..."}                                   first line, in files
    {"t":5.8,"ledger":7,"closed_at":1722,"operations":3,"succeeded":2,"failed":1,"amounts":[["payment",1,25],..]}
    {"t":9.1,"state":"backing_off","network":"public","reason":"...","retry_in":4.0}
    {"t":12.0}                                                                    on a pipe: a sign of life
    {"t":14.5,"tempo":72.0,"network":"public","scene":"wind","answer":[3,[0,1]]}  kept: what hands have set

`t` is seconds since the tape began; an amount is [kind, 1 for lumens, stroops]. A reader of format 1 leaves out
fields that it does not know, and plays nothing of another format.
"""

from __future__ import annotations

import gzip
import io
import json
import logging
import math
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from appliance.ledger.amounts import MAX_CLASSIC, MAX_CONTRACT
from appliance.values import Amount, Answer, BoxError, Controls, Kind, Ledger, Link, LinkState

log = logging.getLogger(__name__)

VERSION = 1
_KINDS = {kind.value: kind for kind in Kind}


class BadTape(BoxError, ValueError):
    """The file is not a tape that this version can play, or cannot become one."""


class BadLine(BoxError, ValueError):
    """One line of a tape is not what the format says."""


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of a tape file."""

    network: str
    about: str = ""
    opening: Opening | None = None  # of a tape that a box has kept


@dataclass(frozen=True, slots=True)
class Opening:
    """How the music stood when a kept tape began, and what of it is wanted."""

    made_by: str  # version of the program; only the same one makes the same score of it
    music: bytes  # the performer's part and the composer, as appliance/keep.py packs them
    block: int  # frames
    voices: int
    seed: int
    begins: float  # s of the tape; what is before leads up to what was asked for
    seconds: float  # that were asked for


@dataclass(frozen=True, slots=True)
class Pulse:
    """Nothing new; whoever speaks is alive."""


@dataclass(frozen=True, slots=True)
class Line:
    """One moment of a tape."""

    seconds: float  # since the tape began
    entry: Ledger | Link | Pulse | Controls


def encode(line: Header | Line) -> str:
    """One tape line, without its newline."""
    if isinstance(line, Header):
        fields: dict[str, Any] = {"tape": VERSION, "network": line.network, "about": line.about}
        if line.opening:
            fields["opening"] = asdict(line.opening) | {"music": b64encode(line.opening.music).decode()}
    elif isinstance(line.entry, Ledger):
        ledger = line.entry
        fields = {
            "t": round(line.seconds, 3),
            "ledger": ledger.sequence,
            "closed_at": ledger.closed_at,
            "operations": ledger.operations,
            "succeeded": ledger.succeeded,
            "failed": ledger.failed,
            "amounts": [[amount.kind.value, int(amount.native), amount.stroops] for amount in ledger.amounts],
        }
    elif isinstance(line.entry, Pulse):
        fields = {"t": round(line.seconds, 3)}
    elif isinstance(line.entry, Controls):
        hands = line.entry
        fields = {
            "t": round(line.seconds, 3),
            "tempo": hands.tempo,
            "network": hands.network,
            "scene": hands.scene,
            "answer": [hands.answer.number, hands.answer.phrase],
        }
    else:
        link = line.entry
        fields = {
            "t": round(line.seconds, 3),
            "state": link.state.value,
            "network": link.network,
            "reason": link.reason,
            "retry_in": round(link.retry_in, 3),
        }
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=True)


def decode(text: str | bytes) -> Header | Line:
    """The line that `text` holds; raises BadLine for anything else."""
    try:
        fields = json.loads(text)
        if "tape" in fields:
            if fields["tape"] != VERSION:
                raise BadTape(
                    f"This tape has format {fields['tape']!r}; this version plays format {VERSION}."
                )
            opening = _opening(fields["opening"]) if "opening" in fields else None
            return Header(str(fields["network"]), str(fields.get("about", "")), opening)
        seconds = _seconds(fields["t"])
        if "ledger" in fields:
            return Line(seconds, _ledger(fields))
        if "tempo" in fields:
            return Line(seconds, _controls(fields))
        if "state" not in fields:
            return Line(seconds, Pulse())
        return Line(
            seconds,
            Link(
                LinkState(fields["state"]),
                str(fields["network"]),
                str(fields.get("reason", "")),
                _seconds(fields.get("retry_in", 0.0)),
            ),
        )
    except BadTape:
        raise
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise BadLine(f"Not a tape line ({type(error).__name__}): {text[:60]!r}") from error


def _ledger(fields: dict[str, Any]) -> Ledger:
    sequence = _count(fields["ledger"])
    return Ledger(
        sequence=sequence,
        closed_at=_count(fields["closed_at"]),
        operations=_count(fields["operations"]),
        succeeded=_count(fields["succeeded"]),
        failed=_count(fields["failed"]),
        amounts=tuple(
            Amount(_count(stroops, 1, MAX_CONTRACT), _KINDS[kind], bool(native), sequence)
            for kind, native, stroops in fields["amounts"]
        ),
    )


def _controls(fields: dict[str, Any]) -> Controls:
    number, phrase = fields["answer"]
    return Controls(
        volume=1.0,
        tempo=min(1000.0, max(1.0, _seconds(fields["tempo"]))),
        network=str(fields["network"]),
        scene=str(fields["scene"]),
        answer=Answer(_count(number), tuple(_count(step) for step in phrase)),
    )


def _opening(fields: dict[str, Any]) -> Opening:
    return Opening(
        made_by=str(fields["made_by"]),
        music=b64decode(fields["music"], validate=True),
        block=_count(fields["block"], least=1),
        voices=_count(fields["voices"], least=1),
        seed=_count(fields["seed"]),
        begins=_seconds(fields["begins"]),
        seconds=_seconds(fields["seconds"]),
    )


def _seconds(value: Any) -> float:
    seconds = float(value)
    if not 0 <= seconds < math.inf:
        raise ValueError(value)
    return seconds


def _count(value: Any, least: int = 0, most: int = MAX_CLASSIC) -> int:
    """A JSON integer, neither a float nor a boolean in its place, and none that no network could mean."""
    if type(value) is not int or not least <= value <= most:
        raise ValueError(value)
    return value


@dataclass(slots=True)
class Tape:
    """A tape in a file. Iterating reads it from its start; a wrong line adds to `dropped` and is left out."""

    path: Path
    header: Header
    dropped: int = 0

    def __iter__(self) -> Iterator[Line]:
        self.dropped = 0
        # A torn end ends the tape, and so does a card that is worn out: what has been read was good.
        with suppress(EOFError, zlib.error, OSError), _open(self.path) as file:
            for text in file:
                try:
                    line = decode(text)
                except BadLine:
                    self.dropped += 1
                    continue
                if isinstance(line, Line):
                    yield line


def open_tape(path: Path) -> Tape:
    """The tape at `path`; raises BadTape, in one sentence, where there is none."""
    try:
        with _open(path) as file:
            header = decode(file.readline())
    except BadLine:
        header = None
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or error  # of a torn file, in zlib's words
        raise BadTape(f"Cannot read the tape {path}: {why}. Check the path and the file.") from error
    if not isinstance(header, Header):
        raise BadTape(
            f"{path} is not a tape: its first line must be the header that `stellar-wind record` writes."
        )
    return Tape(path, header)


def playable(tape: Tape) -> Tape:
    """The same tape, read up to its first ledger; raises BadTape if it has none, for nothing of it would be heard."""
    if not any(isinstance(line.entry, Ledger) for line in tape):
        raise BadTape(f"{tape.path} holds no ledger: nothing would be heard of it. Record another tape.")
    return tape


def bundled() -> Tape:
    """The recording that ships with the box and plays when there is no network."""
    return open_tape(Path(__file__).parent / "tapes" / "wind.jsonl.gz")


def unfailing(tape: Tape) -> Iterator[Line]:
    """The lines of `tape`; while nothing of it can be read, those of the recording that ships: its stick was pulled."""
    begun = False
    for line in tape:
        begun = True
        yield line
    if not begun:
        log.warning("%s cannot be read any more: the recording that ships plays until it can.", tape.path)
        yield from bundled()


def _open(path: Path) -> io.BufferedReader | gzip.GzipFile:
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if compressed else path.open("rb")


SHORTEST = 1.0  # s of a turn; a tape of no length at all would turn for ever


class Player:
    """Hands out a tape's ledgers as time passes, and begins again at its end if `loop` is set.

    `start` is where on the tape to begin, in seconds; `ended` is true once a tape without loop is through.
    """

    def __init__(
        self, lines: Callable[[], Iterator[Line]], *, loop: bool = False, start: float = 0.0
    ) -> None:
        self._lines, self._loop = lines, loop
        self._turn = lines()
        self._begun = -start  # moment at which the current turn's second 0 lies
        self._next = self._read()
        while start and self._next and self._next.seconds < start:
            self._next = self._read()

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self._next is None

    def until(self, seconds: float) -> list[Ledger]:
        """The ledgers due by now, `seconds` after the player was made; each is handed out once."""
        due: list[Ledger] = []
        while self._next and self._begun + self._next.seconds <= seconds:
            line = self._next
            if isinstance(line.entry, Ledger):
                due.append(line.entry)
            self._next = self._read()
            if self._next is None and self._loop:
                # The pause between the last ledger and the first is as long as the first one's own time.
                self._begun += max(line.seconds, SHORTEST)
                self._turn = self._lines()
                self._next = self._read()
        return due

    def _read(self) -> Line | None:
        return next(self._turn, None)


class TapeWriter:
    """Writes a tape file, compressed when its name ends in .gz. Close it, or use it in a `with`."""

    def __init__(self, path: Path, header: Header) -> None:
        # mtime=0 keeps the compressed bytes the same for the same lines.
        try:
            raw = path.open("wb")
        except OSError as error:
            raise BadTape(
                f"Cannot write the tape {path}: {error.strerror}. Choose another place with -o."
            ) from error
        self._file = (
            gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) if path.suffix == ".gz" else raw
        )
        self._raw = raw
        self.write(header)

    def write(self, line: Header | Line) -> None:
        """Append one line."""
        self._file.write(encode(line).encode() + b"\n")

    def close(self) -> None:
        """Finish the file."""
        self._file.close()
        self._raw.close()

    def __enter__(self) -> TapeWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
