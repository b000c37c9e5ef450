# SPDX-License-Identifier: Apache-2.0
"""A parser of server-sent events: bytes in, in pieces of any size, and events out.

A malformed event affects no other event. An id applies once its event has been returned, so that a connection that
breaks in the middle of an event is resumed before that event, never after it. No socket, no clock. The listener's
process.

Bytes become lines; LF, CR and CRLF end one, also when CRLF is cut in two. A BOM before the first line is
dropped. Each line is one step:

    line            meets                    does
    --------------  -----------------------  ---------------------------------------------------------------
    ":..."          a comment                nothing
    "data:V"        the event                appends V to its lines
    "event:V"       the event                names it V
    "id:V"          the event                notes V, unless V holds a NUL
    anything else   an unknown field         nothing; `retry` too, because the back-off has its own times
    ""              an event without data    discards name and id
    ""              an event not in UTF-8    discards it and adds one to `dropped`
    ""              an event with data       commits the id and returns it

One space after the colon is not part of V; a line without a colon is a field with an empty V.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from appliance.values import BoxError

MAX_EVENT = 256 * 1024  # bytes; Horizon's longest are under 10 kB
_BOM = b"\xef\xbb\xbf"


class EventTooLong(BoxError, ValueError):
    """The server sent an event or a line of more than MAX_EVENT bytes. Close the connection."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event."""

    name: str  # "message" where the server gave none
    data: str
    id: str  # the last id that came with an event, "" before the first


class Parser:
    """Parses one connection. `dropped` counts events that were not UTF-8."""

    def __init__(self) -> None:
        self.dropped = 0
        self._committed = b""  # id of the last event returned
        self._line = bytearray()  # the beginning of a line whose end has not come
        self._cr = False  # the last byte was a CR: a LF that follows belongs to it
        self._first = True
        self._reset()

    def _reset(self) -> None:
        self._name = b""
        self._id: bytes | None = None
        self._data: list[bytes] = []
        self._size = 0  # bytes that _data holds

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that `chunk` completes. Iterate to the end before the next call.

        Raises EventTooLong, after which the parser cannot be used any more.
        """
        if chunk:
            start = int(self._cr and chunk[:1] == b"\n")
            self._cr = chunk.endswith(b"\r")
            chunk = chunk[start:]
        # On bytes, splitlines uses exactly the three line endings of the format.
        for piece in chunk.splitlines(keepends=True):
            line = piece.rstrip(b"\r\n")
            if self._size + len(self._line) + len(line) > MAX_EVENT:
                raise EventTooLong(f"The server sent an event of more than {MAX_EVENT // 1024} KiB.")
            if len(line) == len(piece):
                self._line += line
                continue
            if self._line:
                line = bytes(self._line + line)
                self._line.clear()
            if self._first:
                line = line.removeprefix(_BOM)
                self._first = False
            if line:
                self._take(line)
            elif event := self._dispatch():
                yield event

    def _take(self, line: bytes) -> None:
        """Process one field. A comment is a field without a name."""
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            self._size += len(value) + 1
        elif name == b"event":
            self._name = value
        elif name == b"id" and b"\0" not in value:
            self._id = value

    def _dispatch(self) -> Event | None:
        """End the event at a blank line; None if it has no data or is not UTF-8."""
        name, number, data = self._name, self._id, self._data
        self._reset()
        if not data:
            return None
        number = self._committed if number is None else number
        try:
            event = Event(name.decode() or "message", b"\n".join(data).decode(), number.decode())
        except UnicodeDecodeError:
            self.dropped += 1
            return None
        self._committed = number
        return event
