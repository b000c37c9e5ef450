# SPDX-License-Identifier: Apache-2.0
"""The score format: what was played, as JSON lines, plain (.jsonl) or gzip (.score.gz).

    {"score":1,"network":"public","scene":"wind","scale":"wind","root":"C","tempo":60.0,"seconds":1800.0,
     "program":"0.1.0","title":"","about":""}                                                    first line
    {"t":0.0,"beat":0.0,"voice":"pluck","pitch":67,"velocity":0.61,"length":1.84,"beats":1.84,"pan":-0.2,
     "bright":0.5, and, for a note that sounds an amount, "kind":"offer","native":true,"stroops":4492925806,
     "ledger":30822015,"waited":0.5}                                                             a note
    {"t":1.0,"brightness":0.5,"wind":0.4,"space":0.6,"air":0.5}                                  the bed's targets
    {"t":5.8,"ledger":30822016,"closed_at":1596000000,"operations":210}                          a ledger
    {"t":9.1,"network":"testnet","scene":"night","scale":"wind","root":"C","tempo":72.0}         a change of context

`t` is in seconds since the score began and never decreases; it does not depend on the block size. `beat`, `beats` and
`waited` are in beats, beats and seconds; docs/architecture.md has a table of all fields, units and ranges. Every number
is rounded to what can be heard, so the same piece is the same file on every machine. A new context releases the chord
if it names another scene. A reader of format 1 ignores fields that it does not know, refuses other formats, and refuses
the whole file if one value is out of range: a score can come from anyone. Pure; any thread.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from appliance.music.scales import ROOTS, STEPS
from appliance.values import (
    DIGITS,
    MAX_OPERATIONS,
    MAX_SEQUENCE,
    MAX_TIME,
    Amount,
    Bed,
    BoxError,
    Context,
    Kind,
    Note,
    NoteEvent,
    Voice,
)

VERSION = 1
MAX_LINE = 64 << 10  # bytes
MAX_BYTES = 16 << 20  # unpacked
MAX_CROWD = 1_000  # lines within a second; the busiest scene plays some 20 notes
MAX_SECONDS = 90_000.0  # of a score: 25 hours
MAX_LENGTH = 600.0  # s and beats of one note; the longest chord is held for 60 s
MAX_BEAT = 1e9
MAX_STROOPS = 2**127 - 1  # a contract's token has 128 bits
MAX_TEXT = 1000  # characters of a title
NAME = 100  # characters of a network's or a scene's name

T = TypeVar("T")
VOICES: dict[str, Voice] = {voice.value: voice for voice in Voice}
KINDS: dict[str, Kind] = {kind.value: kind for kind in Kind}
SCALE_NAMES = {name: name for name in STEPS}
ROOT_NAMES = {name: name for name in ROOTS}


class BadScore(BoxError, ValueError):
    """The file is not a score that this version can play."""


@dataclass(frozen=True, slots=True)
class Header:
    """The first line: the context at the start, and what the score is."""

    context: Context
    seconds: float  # how long it lasts
    program: str = ""  # the version that wrote it
    title: str = ""
    about: str = ""


@dataclass(frozen=True, slots=True)
class Close:
    """A ledger closed."""

    sequence: int
    closed_at: int  # s since 1970, by the network's clock
    operations: int


@dataclass(frozen=True, slots=True)
class Line:
    """One moment of a score."""

    seconds: float  # since the score began
    entry: NoteEvent | Bed | Close | Context


def encode(line: Header | Line) -> str:
    """One line, without its newline."""
    return json.dumps(_fields(line), separators=(",", ":"), ensure_ascii=True)


def _fields(line: Header | Line) -> dict[str, Any]:
    if isinstance(line, Header):
        rest = {"program": line.program, "title": line.title, "about": line.about}
        return {"score": VERSION, **asdict(line.context), "seconds": round(line.seconds, DIGITS), **rest}
    start = {"t": round(line.seconds, DIGITS)}
    match line.entry:
        case NoteEvent():
            return start | _note_fields(line.entry)
        case Bed(brightness, wind, space, air):
            return start | {
                "brightness": round(brightness, 3),
                "wind": round(wind, 3),
                "space": round(space, 3),
                "air": round(air, 3),
            }
        case Close(sequence, closed_at, operations):
            return start | {"ledger": sequence, "closed_at": closed_at, "operations": operations}
    return start | asdict(line.entry)


def _note_fields(event: NoteEvent) -> dict[str, Any]:
    note, amount = event.note, event.note.amount
    fields: dict[str, Any] = {
        "beat": round(event.beat, 4),
        "voice": note.voice.value,
        "pitch": note.pitch,
        "velocity": round(note.velocity, 3),
        "length": round(event.length, 3),
        "beats": round(note.duration, 4),
        "pan": round(note.pan, 3),
        "bright": round(note.bright, 3),
    }
    if amount:
        fields |= {
            "kind": amount.kind.value,
            "native": amount.native,
            "stroops": amount.stroops,
            "ledger": amount.ledger,
            "waited": round(note.waited, 3),
        }
    return fields


# --- reading ------------------------------------------------------------------------------------------------


def decode(text: str | bytes) -> Header | Line:
    """Parse one line. Raises BadScore for anything that `encode` would not write, apart from additional fields."""
    try:
        fields = json.loads(text if isinstance(text, str) else text.decode())
        if not isinstance(fields, dict):
            raise BadScore("it is no JSON object")
        if "score" in fields:
            return _header(fields)
        return Line(_number(fields, "t", 0.0, MAX_SECONDS), _entry(fields))
    except BadScore:
        raise
    except (ValueError, RecursionError) as error:
        raise BadScore(f"it is not valid JSON ({str(error).partition(':')[0]:.60})") from error


def _header(fields: Mapping[str, Any]) -> Header:
    if fields["score"] != VERSION or isinstance(fields["score"], bool):
        raise BadScore(f"it has format {fields['score']!r:.20}, and this version plays format {VERSION}")
    seconds = _number(fields, "seconds", 0.0, MAX_SECONDS)
    texts = (_text(fields, key, MAX_TEXT, "") for key in ("program", "title", "about"))
    return Header(_context(fields), seconds, *texts)


def _entry(fields: Mapping[str, Any]) -> NoteEvent | Bed | Close | Context:
    if "pitch" in fields:
        return _note(fields)
    if "wind" in fields:
        return Bed(
            _number(fields, "brightness", 0.0, 1.0),
            _number(fields, "wind", 0.0, 1.0),
            _number(fields, "space", 0.0, 1.0),
            _number(fields, "air", 0.0, 1.0)
            if "air" in fields
            else 0.0,  # scores before version 0.2 have none
        )
    if "operations" in fields:
        return Close(
            _whole(fields, "ledger", 0, MAX_SEQUENCE),
            _whole(fields, "closed_at", 0, MAX_TIME),
            _whole(fields, "operations", 0, MAX_OPERATIONS),
        )
    return _context(fields)


def _context(fields: Mapping[str, Any]) -> Context:
    return Context(
        network=_name(fields, "network"),
        scene=_name(fields, "scene"),
        scale=_word(fields, "scale", SCALE_NAMES),
        root=_word(fields, "root", ROOT_NAMES),
        tempo=_number(fields, "tempo", 1.0, 1000.0),
    )


def _note(fields: Mapping[str, Any]) -> NoteEvent:
    amount, waited = None, 0.0
    if "stroops" in fields:
        native = fields.get("native")
        if not isinstance(native, bool):
            raise BadScore(f"native is {native!r:.20}, which is neither true nor false")
        amount = Amount(
            _whole(fields, "stroops", 1, MAX_STROOPS),
            _word(fields, "kind", KINDS),
            native,
            _whole(fields, "ledger", 0, MAX_SEQUENCE),
        )
        waited = _number(fields, "waited", 0.0, MAX_SECONDS)
    note = Note(
        pitch=_whole(fields, "pitch", 0, 127),
        velocity=_number(fields, "velocity", 0.0, 1.0),
        duration=_number(fields, "beats", 0.0, MAX_LENGTH * 20),
        voice=_word(fields, "voice", VOICES),
        pan=_number(fields, "pan", -1.0, 1.0),
        bright=_number(fields, "bright", 0.0, 1.0),
        amount=amount,
        waited=waited,
    )
    return NoteEvent(
        note,
        _number(fields, "t", 0.0, MAX_SECONDS),
        _number(fields, "beat", -MAX_BEAT, MAX_BEAT),
        _number(fields, "length", 0.0, MAX_LENGTH),
    )


def _number(fields: Mapping[str, Any], key: str, low: float, high: float) -> float:
    """A finite JSON number; a boolean or a text in its place is wrong. -0.0 is read as 0.0."""
    value: Any = fields.get(key)
    # Compared before it is converted: an integer of a thousand digits is no float. NaN compares false.
    if not (type(value) in (int, float) and low <= value <= high):
        raise BadScore(f"{key} is {value!r:.30}, which is no number from {low:g} to {high:g}")
    return float(value) + 0.0


def _whole(fields: Mapping[str, Any], key: str, low: int, high: int) -> int:
    value = fields.get(key)
    if type(value) is not int or not low <= value <= high:
        raise BadScore(f"{key} is {value!r:.30}, which is no whole number from {low} to {high}")
    return value


def _text(fields: Mapping[str, Any], key: str, longest: int, default: str | None = None) -> str:
    value = fields.get(key, default)
    if not isinstance(value, str) or len(value) > longest:
        raise BadScore(f"{key} is {value!r:.30}, which is no text of at most {longest} characters")
    return value


def _name(fields: Mapping[str, Any], key: str) -> str:
    """A name, which terminals show and brokers get."""
    value = _text(fields, key, NAME)
    if not value.isprintable():
        raise BadScore(f"{key} is {value!r:.30}, which is no name")
    return value


def _word(fields: Mapping[str, Any], key: str, words: Mapping[str, T]) -> T:
    value = fields.get(key)
    if not isinstance(value, str) or value not in words:
        raise BadScore(f"{key} is {value!r:.30}, which is none of {', '.join(words)}")
    return words[value]
