# SPDX-License-Identifier: Apache-2.0
"""The tape format: one JSON object a line.

    {"tape":1,"network":"public","about":"..."}                                   first line, in files
    {"t":5.8,"ledger":7,"closed_at":1722,"operations":3,"succeeded":2,"failed":1,"amounts":[["payment",1,25],..]}
    {"t":9.1,"state":"backing_off","network":"public","reason":"...","retry_in":4.0}
    {"t":12.0}                                                                    on a pipe: a heartbeat

`t` is seconds since the tape began; an amount is [kind, 1 for lumens or 0, stroops]. A reader of format 1 ignores
fields that it does not know, and refuses another format. Pure; any thread.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from appliance.values import (
    MAX_OPERATIONS,
    MAX_SEQUENCE,
    MAX_TIME,
    Amount,
    BoxError,
    Kind,
    Ledger,
    Link,
    LinkState,
)

VERSION = 1
MAX_LINE = 1 << 20  # bytes; a ledger of 10,000 amounts takes 300 kB
MAX_SECONDS = 1e9  # of `t` and `retry_in`: 30 years
MAX_TEXT = 2_000  # characters of a name or a sentence
# Stroops. A classic amount is a signed 64-bit integer; a contract's (SEP-41) is a signed 128-bit one.
MAX_CLASSIC = 2**63 - 1
MAX_CONTRACT = 2**127 - 1
_KINDS = {kind.value: kind for kind in Kind}


class BadTape(BoxError, ValueError):
    """The file is not a tape that this version can play, or cannot become one."""


class BadLine(BoxError, ValueError):
    """One line of a tape does not follow the format."""


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of a tape file."""

    network: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """No news; the listener is running."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a tape but its header."""

    seconds: float  # since the tape began
    entry: Ledger | Link | Heartbeat


def encode(line: Header | Line) -> str:
    """One tape line, without its newline."""
    if isinstance(line, Header):
        fields: dict[str, Any] = {"tape": VERSION, "network": line.network, "about": line.about}
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
    elif isinstance(line.entry, Heartbeat):
        fields = {"t": round(line.seconds, 3)}
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
    """Parse one line. Raises BadLine for anything that `encode` would not write, and BadTape for another format."""
    try:
        fields = json.loads(text)
        if "tape" in fields:
            return _header(fields)
        seconds = _seconds(fields["t"])
        if "ledger" in fields:
            return Line(seconds, _ledger(fields))
        if "state" not in fields:
            return Line(seconds, Heartbeat())
        return Line(
            seconds,
            Link(
                LinkState(fields["state"]),
                _text(fields["network"]),
                _text(fields.get("reason", "")),
                _seconds(fields.get("retry_in", 0.0)),
            ),
        )
    except BadTape:
        raise
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise BadLine(f"Not a tape line ({type(error).__name__}): {text[:60]!r}") from error


def _header(fields: dict[str, Any]) -> Header:
    if type(fields["tape"]) is not int or fields["tape"] != VERSION:
        raise BadTape(f"This tape has format {fields['tape']!r:.20}; this version plays format {VERSION}.")
    return Header(_text(fields["network"]), _text(fields.get("about", "")))


def _ledger(fields: dict[str, Any]) -> Ledger:
    sequence = _count(fields["ledger"], 0, MAX_SEQUENCE)
    return Ledger(
        sequence=sequence,
        closed_at=_count(fields["closed_at"], 0, MAX_TIME),
        operations=_count(fields["operations"], 0, MAX_OPERATIONS),
        succeeded=_count(fields["succeeded"]),
        failed=_count(fields["failed"]),
        amounts=tuple(
            Amount(_count(stroops, 1, MAX_CONTRACT), _KINDS[kind], bool(_count(native, 0, 1)), sequence)
            for kind, native, stroops in fields["amounts"]
        ),
    )


def _text(value: object) -> str:
    """A JSON string of at most MAX_TEXT characters, all of which UTF-8 can encode; anything else is wrong."""
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise ValueError(type(value))
    value.encode()  # a lone surrogate raises UnicodeEncodeError, a ValueError
    return value


def _seconds(value: Any) -> float:
    """A finite JSON number from 0 to MAX_SECONDS; anything else is wrong. -0.0 is read as 0.0."""
    # Compared before it is converted: an integer of 400 digits is not a float. NaN compares false.
    if type(value) not in (int, float) or not 0 <= value <= MAX_SECONDS:
        raise ValueError(value)
    return float(value) + 0.0


def _count(value: object, least: int = 0, most: int = MAX_CLASSIC) -> int:
    """A JSON integer from `least` to `most`; anything else is wrong, also a boolean or a float."""
    if type(value) is not int or not least <= value <= most:
        raise ValueError(value)
    return value
