# SPDX-License-Identifier: Apache-2.0
"""The last half hour of what was played, always in memory, as packed score lines of less than 1 MB. The main thread.

A minute of lines is one packed piece, and the oldest piece goes when it is no longer needed. So that a kept score
begins as music does, it begins with a chord: with the last one that began half an hour ago or earlier. A drone begins
with each chord; tones that are tied over from a chord before are begun again. `last` only copies the list of pieces;
unpacking them takes a small board seconds, so the thread that writes the file does that.

    passages ─▶ lines of this minute ─(a minute is full)─▶ pieces ─▶ `last` ─▶ Kept ─▶ header and lines of a score
"""

from __future__ import annotations

import math
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain

from appliance.score.files import ScoreLines, packed
from appliance.score.format import Header, Line, decode, encode
from appliance.values import Bed, BoxError, Context, NoteEvent, Passage, Voice

HALF_HOUR = 1800.0  # s
PIECE = 60.0  # s
# Before the half hour in which its first chord begins, and each tone of it, in s: four chords of 60 s.
CHORD = 240.0
BOUND = 1 << 20  # bytes


class NothingPlayed(BoxError, LookupError):
    """The box has played nothing yet."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """The lines of a minute; their `t` counts from `begins`, so that it stays small however long the box plays."""

    begins: int  # s
    text: bytes  # zlib


class History:
    """Remembers passages. `program` is the version of the program; `bound` is in bytes."""

    def __init__(self, program: str, bound: int = BOUND) -> None:
        self._program, self._bound = program, bound
        self._pieces: deque[_Piece] = deque()
        self._lines: list[str] = []  # of this minute
        self._begins = 0  # of this minute, s
        self._of = ScoreLines()
        self._ended = 0.0  # s at which the last passage ended

    def add(self, passage: Passage, ends: float) -> None:
        """Take a passage that ends at the second `ends`."""
        self._ended = ends
        if passage.seconds >= self._begins + PIECE:
            self._pack(passage.seconds)
        self._lines += (encode(line) for line in self._of.of(passage))

    def _pack(self, seconds: float) -> None:
        if self._lines:
            self._pieces.append(_packed(self._begins, self._lines))
        self._begins, self._lines = math.floor(seconds), []
        self._of = ScoreLines(
            self._begins
        )  # each piece states its context and bed again, and can be the first
        oldest = seconds - HALF_HOUR - CHORD
        while self._pieces and (
            (len(self._pieces) > 1 and self._pieces[1].begins <= oldest) or self.size > self._bound
        ):
            self._pieces.popleft()

    @property
    def size(self) -> int:
        """Bytes that are packed."""
        return sum(len(piece.text) for piece in self._pieces)

    def last(self, seconds: float = HALF_HOUR) -> Kept:
        """The last `seconds`, or as much as there is, from the beginning of a chord. Raises NothingPlayed."""
        if not self._lines:  # each passage begins its minute with a line, its context
            raise NothingPlayed("The box has played nothing yet: try again in a moment.")
        pieces = (*self._pieces, _packed(self._begins, self._lines))
        return Kept(pieces, self._ended, seconds, self._program)


class Kept:
    """The last `seconds` of `pieces`, which end at `ended`: a score on its way to a file. Any one thread."""

    def __init__(self, pieces: Sequence[_Piece], ended: float, seconds: float, program: str) -> None:
        self._pieces, self._ended, self._seconds, self._program = pieces, ended, seconds, program

    @property
    def header(self) -> Header:
        """What held at the beginning of the score, and how long it is."""
        return self._score[0]

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines of the score; the first one is the bed that held at its beginning, if there was one."""
        return self._score[1]

    def packed(self) -> bytes:
        """The bytes of a .score.gz file. It takes a small board seconds."""
        return packed(self.header, self.lines)

    @cached_property
    def _score(self) -> tuple[Header, tuple[Line, ...]]:
        lines = list(self._all())
        begins = max(0.0, self._ended - self._seconds)
        chords = [line.seconds for line in lines if _is_chord(line)]
        begins = max((at for at in chords if at <= begins), default=min(chords, default=lines[0].seconds))
        context, bed, beat = None, None, 0.0
        tied: list[NoteEvent] = []
        for line in lines:
            if line.seconds > begins:
                break
            match line.entry:
                case Context():
                    if context and line.entry.scene != context.scene:
                        tied.clear()  # another scene releases the chord
                    context = line.entry
                case Bed():
                    bed = line.entry
                case NoteEvent(note=note):
                    beat = line.entry.beat
                    if note.voice is Voice.PAD and line.seconds < begins < line.seconds + line.entry.length:
                        tied.append(line.entry)
        assert context  # noqa: S101 - the first line of every piece is one
        header = Header(context, self._ended - begins, self._program)
        # The header and the first line say what held at the beginning.
        kept = (
            line for line in lines if line.seconds > begins or (line.seconds == begins and _is_note(line))
        )
        again = (Line(begins, _rest(event, begins, beat)) for event in tied)
        shifted = (_shifted(line, begins, math.floor(beat)) for line in chain(again, kept))
        return header, (*([Line(0.0, bed)] if bed else []), *shifted)

    def _all(self) -> Iterator[Line]:
        """Every line of the pieces. Contexts and beds that a new piece only repeats are left out."""
        context: Context | None = None
        bed: Bed | None = None
        for piece in self._pieces:
            for text in zlib.decompress(piece.text).decode().splitlines():
                line = decode(text)
                assert isinstance(line, Line)  # noqa: S101 - a piece has no header
                line = _shifted(line, -piece.begins, 0)
                if line.entry in (context, bed):
                    continue
                match line.entry:
                    case Context():
                        context = line.entry
                    case Bed():
                        bed = line.entry
                yield line


def _packed(begins: int, lines: Sequence[str]) -> _Piece:
    return _Piece(begins, zlib.compress("\n".join(lines).encode()))


def _is_chord(line: Line) -> bool:
    return isinstance(line.entry, NoteEvent) and line.entry.note.voice is Voice.DRONE


def _rest(event: NoteEvent, seconds: float, beat: float) -> NoteEvent:
    """What is left of a note at a moment within it."""
    length = event.seconds + event.length - seconds
    note = replace(event.note, duration=event.note.duration * length / event.length)
    return replace(event, note=note, seconds=seconds, beat=beat, length=length)


def _is_note(line: Line) -> bool:
    return isinstance(line.entry, NoteEvent)


def _shifted(line: Line, seconds: float, beats: int) -> Line:
    at = line.seconds - seconds
    if isinstance(line.entry, NoteEvent):
        entry = replace(line.entry, seconds=line.entry.seconds - seconds, beat=line.entry.beat - beats)
        return Line(at, entry)
    return Line(at, line.entry)
