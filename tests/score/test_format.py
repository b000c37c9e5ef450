# SPDX-License-Identifier: Apache-2.0
"""One line of a score: what is written can be read again, and nothing else can."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.music.scales import ROOTS, STEPS
from appliance.score.format import BadScore, Close, Header, Line, decode, encode
from appliance.values import Amount, Bed, Context, Kind, Note, NoteEvent, Voice

# The range of each number, as docs/architecture.md has it; a whole number has whole ends.
NOTE: dict[str, tuple[float, float]] = {
    "t": (0.0, 90_000.0),
    "beat": (-1e9, 1e9),
    "pitch": (0, 127),
    "velocity": (0.0, 1.0),
    "length": (0.0, 600.0),
    "beats": (0.0, 12_000.0),
    "pan": (-1.0, 1.0),
    "bright": (0.0, 1.0),
}
AMOUNT: dict[str, tuple[float, float]] = {
    "stroops": (1, 2**127 - 1),
    "ledger": (0, 2**32 - 1),
    "waited": (0.0, 90_000.0),
}
BED: dict[str, tuple[float, float]] = {
    "t": (0.0, 90_000.0),
    "brightness": (0.0, 1.0),
    "wind": (0.0, 1.0),
    "space": (0.0, 1.0),
    "air": (0.0, 1.0),
}
OPTIONAL = [("bed", "air")]
CLOSE: dict[str, tuple[float, float]] = {
    "t": (0.0, 90_000.0),
    "ledger": (0, 2**32 - 1),
    "closed_at": (0, 2**40),
    "operations": (0, 1_000_000),
}
CONTEXT: dict[str, tuple[float, float]] = {"t": (0.0, 90_000.0), "tempo": (1.0, 1000.0)}
HEADER: dict[str, tuple[float, float]] = {"seconds": (0.0, 90_000.0), "tempo": (1.0, 1000.0)}

# A line of each kind, with its ranges.
WORDS = {"network": "public", "scene": "wind", "scale": "wind", "root": "C"}
LINES: dict[str, tuple[dict[str, Any], dict[str, tuple[float, float]]]] = {
    "header": ({"score": 1, **WORDS, "tempo": 60.0, "seconds": 9.0}, HEADER),
    "note": ({"voice": "bell", **dict.fromkeys(NOTE, 0)}, NOTE),
    "amount": (
        {
            "voice": "bell",
            "kind": "offer",
            "native": True,
            **dict.fromkeys(NOTE, 0),
            **dict.fromkeys(AMOUNT, 1),
        },
        NOTE | AMOUNT,
    ),
    "bed": (dict.fromkeys(BED, 0.5), BED),
    "close": (dict.fromkeys(CLOSE, 5), CLOSE),
    "context": ({"t": 0.5, **WORDS, "tempo": 60.0}, CONTEXT),
}
NUMBERS = [(kind, key) for kind, (_, ranges) in LINES.items() for key in ranges]
TEXTS = [
    *[(kind, key) for kind in ("header", "context") for key in WORDS],
    ("note", "voice"),
    ("amount", "kind"),
]


def line(kind: str, /, **changed: object) -> dict[str, Any]:
    return LINES[kind][0] | changed


def refused(fields: Mapping[str, object] | str | bytes, names: str) -> None:
    """A line is refused, with an error in which these words are."""
    with pytest.raises(BadScore, match=names):
        decode(fields if isinstance(fields, str | bytes) else json.dumps(fields))


# --- what is written can be read --------------------------------------------------------------------------------


def decimal(low: float, high: float, places: int) -> st.SearchStrategy[float]:
    """Numbers that are written as they are."""
    return st.floats(low, high).map(lambda value: round(value, places) + 0.0)


CONTEXTS = st.builds(
    Context,
    network=st.text(max_size=100).filter(str.isprintable),
    scene=st.text(max_size=100).filter(str.isprintable),
    scale=st.sampled_from(list(STEPS)),
    root=st.sampled_from(list(ROOTS)),
    tempo=st.floats(1.0, 1000.0),
)
AMOUNTS = st.builds(
    Amount,
    st.integers(1, 2**127 - 1),
    st.sampled_from(list(Kind)),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
NOTES = st.builds(
    Note,
    pitch=st.integers(0, 127),
    velocity=decimal(0.0, 1.0, 3),
    duration=decimal(0.0, 12_000.0, 4),
    voice=st.sampled_from(list(Voice)),
    pan=decimal(-1.0, 1.0, 3),
    bright=decimal(0.0, 1.0, 3),
)
EVENTS = st.builds(
    NoteEvent,
    NOTES
    | st.builds(
        lambda note, amount, waited: replace(note, amount=amount, waited=waited),
        NOTES,
        AMOUNTS,
        decimal(0.0, 90_000.0, 3),
    ),
    seconds=decimal(0.0, 90_000.0, 4),
    beat=decimal(-1e6, 1e6, 4),
    length=decimal(0.0, 600.0, 3),
)
BEDS = st.builds(Bed, *(decimal(0.0, 1.0, 3),) * 4)
CLOSES = st.builds(Close, st.integers(0, 2**32 - 1), st.integers(0, 2**40), st.integers(0, 1_000_000))
HEADERS = st.builds(
    Header,
    CONTEXTS,
    decimal(0.0, 90_000.0, 4),
    st.text(max_size=1000),
    st.text(max_size=1000),
    st.text(max_size=1000),
)
ENTRIES = st.builds(Line, decimal(0.0, 90_000.0, 4), BEDS | CLOSES | CONTEXTS)


@given(HEADERS | ENTRIES | EVENTS.map(lambda event: Line(event.seconds, event)))
def test_what_is_written_is_read_as_it_was(written: Header | Line) -> None:
    text = encode(written)
    assert "\n" not in text
    assert decode(text) == decode(text.encode()) == written
    assert encode(decode(text)) == text


@given(st.floats(0, 1e4), st.floats(0, 1), st.floats(-1, 1), st.floats(0, 600))
def test_numbers_are_rounded_to_what_can_be_heard(at: float, share: float, pan: float, length: float) -> None:
    note = Note(60, share, length, Voice.BELL, pan=pan, bright=share)
    read = decode(encode(Line(at, NoteEvent(note, at, at, length))))
    half, coarse = 0.501e-4, 0.501e-3  # half of the last place, and an error of the binary fraction
    assert isinstance(read, Line)
    assert isinstance(event := read.entry, NoteEvent)
    assert read.seconds == event.seconds == pytest.approx(at, abs=half)
    assert event.beat == pytest.approx(at, abs=half)
    assert event.length == pytest.approx(length, abs=coarse)
    assert event.note.duration == pytest.approx(length, abs=half)
    assert event.note.velocity == event.note.bright == pytest.approx(share, abs=coarse)
    assert event.note.pan == pytest.approx(pan, abs=coarse)
    assert decode(encode(read)) == read


def test_the_fields_of_a_note_are_as_documented() -> None:
    amount = Amount(25_000_000, Kind.OFFER, True, 7)
    note = Note(67, 1 / 3, 2.0, Voice.PLUCK, -0.25, 0.5, 0.5, amount, 0.123456)
    assert json.loads(encode(Line(1.0, NoteEvent(note, 1.0, 1.5, 4 / 3)))) == {
        "t": 1.0,
        "beat": 1.5,
        "voice": "pluck",
        "pitch": 67,
        "velocity": 0.333,
        "length": 1.333,
        "beats": 2.0,
        "pan": -0.25,
        "bright": 0.5,
        "kind": "offer",
        "native": True,
        "stroops": 25_000_000,
        "ledger": 7,
        "waited": 0.123,
    }


@pytest.mark.parametrize("kind", LINES)
def test_additional_fields_are_ignored(kind: str) -> None:
    more = line(kind, mood={"deep": [1, 2]}, another="field")
    assert decode(json.dumps(more)) == decode(json.dumps(line(kind)))


@pytest.mark.parametrize(("kind", "key"), NUMBERS)
def test_the_ends_of_a_range_are_in_it(kind: str, key: str) -> None:
    for value in LINES[kind][1][key]:
        decode(json.dumps(line(kind, **{key: value})))


def test_minus_zero_is_read_as_zero() -> None:
    read = decode('{"t":-0.0,"brightness":-0.0,"wind":-0.0,"space":-0.0}')
    assert str(read) == str(Line(0.0, Bed(0.0, 0.0, 0.0)))


def test_a_bed_without_air_has_none() -> None:
    read = decode('{"t":1.0,"brightness":0.1,"wind":0.2,"space":0.3}')
    assert read == Line(1.0, Bed(0.1, 0.2, 0.3, 0.0))


def test_texts_of_a_header_may_be_missing() -> None:
    header = decode(json.dumps(line("header")))
    assert header == Header(Context("public", "wind", "wind", "C", 60.0), 9.0)


# --- nothing else can be read -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "key"), NUMBERS)
@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), float("-inf"), 2**200, -(2**200), True, "1", None, [], {}]
)
def test_a_wrong_number_is_refused_by_its_name(kind: str, key: str, value: object) -> None:
    refused(line(kind, **{key: value}), key)


@pytest.mark.parametrize(("kind", "key"), NUMBERS)
def test_a_number_beyond_its_range_is_refused_by_its_name(kind: str, key: str) -> None:
    low, high = LINES[kind][1][key]
    step = 1 if isinstance(low, int) else 1e-3 * max(1.0, abs(high))
    for value in (low - step, high + step):
        refused(line(kind, **{key: value}), key)


@pytest.mark.parametrize(("kind", "key"), NUMBERS)
def test_a_number_too_large_for_a_float_is_refused_by_its_name(kind: str, key: str) -> None:
    refused(json.dumps(line(kind, **{key: "?"})).replace('"?"', "1e999"), key)


@pytest.mark.parametrize(("kind", "key"), NUMBERS)
def test_a_whole_number_has_no_fraction(kind: str, key: str) -> None:
    if isinstance(LINES[kind][1][key][0], int):
        for value in (1.0, 1.5, -0.0):
            refused(line(kind, **{key: value}), key)


@pytest.mark.parametrize(("kind", "key"), sorted({*NUMBERS, *TEXTS} - {*OPTIONAL}))
def test_a_missing_field_is_refused_by_its_name(kind: str, key: str) -> None:
    fields = line(kind)
    del fields[key]
    # What makes a line one of its kind is named as what the line is then short of.
    short = {"pitch": "brightness|network", "stroops": "", "wind": "network", "operations": "network"}
    if key == "stroops":  # a note that sounds no amount: its other fields are additional
        assert decode(json.dumps(fields)) == decode(json.dumps(line("note")))
    else:
        refused(fields, short.get(key, key))


@pytest.mark.parametrize(("kind", "key"), TEXTS)
@pytest.mark.parametrize("value", [1, None, True, [], {}, "x" * 101])
def test_a_wrong_word_is_refused_by_its_name(kind: str, key: str, value: object) -> None:
    refused(line(kind, **{key: value}), key)


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("note", "voice", "kazoo"),
        ("amount", "kind", "gift"),
        ("amount", "native", 1),
        ("amount", "native", None),
        ("context", "scale", "of nowhere"),
        ("context", "root", "H"),
        ("context", "scene", "\ud800"),
        ("header", "scene", "\x1b[2J"),
        ("header", "network", "public\n"),
        ("header", "title", "x" * 1001),
        ("header", "about", 7),
        ("header", "program", None),
    ],
)
def test_a_value_that_is_not_known_is_refused_by_its_name(kind: str, key: str, value: object) -> None:
    refused(line(kind, **{key: value}), key)


@pytest.mark.parametrize("score", [0, 2, -1, 1.5, True, False, "1", None, [], float("nan"), 2**200])
def test_other_formats_are_refused(score: object) -> None:
    refused(line("header", score=score), "format")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        "null",
        '"score"',
        "{'t': 0}",
        '{"t":0,}',
        "1" * 5000,
        "[" * 100_000,
        '{"t":' * 100_000,
        b"\xff\xfe\xfd",
        b'{"t":0,"wind":"\xc3\x28"}',
        b"\x00" * 100,
        "{" + '"wind":' + "9" * 5000 + "}",
    ],
)
def test_what_is_no_line_is_refused(text: str | bytes) -> None:
    refused(text, "JSON")


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: json.dumps(text).encode()))
def test_no_bytes_raise_another_error(text: bytes) -> None:
    with pytest.raises(BadScore):
        decode(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.sampled_from(list(LINES)),
    st.data(),
)
def test_no_value_raises_another_error_or_is_read_as_something_that_cannot_be_written(
    kind: str, data: st.DataObject
) -> None:
    key = data.draw(st.sampled_from(list(line(kind))))
    try:
        read = decode(json.dumps(line(kind, **{key: data.draw(JSON)})))
    except BadScore:
        return
    assert decode(encode(read)) == decode(encode(decode(encode(read))))
