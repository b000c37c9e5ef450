# SPDX-License-Identifier: Apache-2.0
import gzip
import json
import re
from contextlib import suppress
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.ledger.tape import (
    BadLine,
    BadTape,
    Header,
    Heartbeat,
    Line,
    TapePlayer,
    TapeWriter,
    bundled,
    decode,
    encode,
    open_tape,
    with_fallback,
)
from appliance.ledger.tape.player import AT_ONCE
from appliance.values import MAX_OPERATIONS, MAX_SEQUENCE, MAX_TIME, Amount, Kind, Ledger, Link, LinkState

counts = st.integers(0, 2**40)  # of transactions
seconds = st.floats(0, 1e8).map(lambda value: round(value, 3))


@st.composite
def ledgers(draw: st.DrawFn) -> Ledger:
    sequence = draw(st.integers(0, MAX_SEQUENCE))
    amount = st.builds(
        Amount, st.integers(1, 2**127 - 1), st.sampled_from(Kind), st.booleans(), st.just(sequence)
    )
    return Ledger(
        sequence,
        draw(st.integers(0, MAX_TIME)),
        draw(st.integers(0, MAX_OPERATIONS)),
        draw(counts),
        draw(counts),
        tuple(draw(st.lists(amount, max_size=5))),
    )


links = st.builds(Link, st.sampled_from(LinkState), st.text(max_size=9), st.text(max_size=9), seconds)
lines = st.builds(Line, seconds, st.one_of(ledgers(), links, st.just(Heartbeat())))
headers = st.builds(Header, st.text(max_size=9), st.text(max_size=9))
LEDGER = Ledger(7, 1722, 3, 2, 1, (Amount(25, Kind.PAYMENT, True, 7), Amount(2**100, Kind.POOL, False, 7)))


def write(path: Path, *written: Line) -> Path:
    with TapeWriter(path, Header("testnet", "by hand"), compress=path.suffix == ".gz") as tape:
        for line in written:
            tape.write(line)
    return path


@given(lines | headers)
def test_what_is_written_is_what_is_read(line: Header | Line) -> None:
    text = encode(line)
    assert decode(text) == line
    assert decode(text.encode()) == line
    assert "\n" not in text
    assert text.isascii()


def test_a_line_is_what_the_format_says() -> None:
    assert encode(Line(5.8, LEDGER)) == (
        '{"t":5.8,"ledger":7,"closed_at":1722,"operations":3,"succeeded":2,"failed":1,'
        '"amounts":[["payment",1,25],["pool",0,1267650600228229401496703205376]]}'
    )
    assert encode(Line(9.1, Link(LinkState.BACKING_OFF, "public", "no answer", 4.0))) == (
        '{"t":9.1,"state":"backing_off","network":"public","reason":"no answer","retry_in":4.0}'
    )
    assert encode(Header("public", "by hand")) == '{"tape":1,"network":"public","about":"by hand"}'


def changed(**fields: object) -> str:
    return json.dumps(json.loads(encode(Line(1.0, LEDGER))) | fields)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "17",
        "null",
        '"ledger"',
        "{}",
        '{"t":-1}',
        '{"t":NaN}',
        '{"t":1e999}',
        changed(t=[]),
        '{"t":"soon","ledger":1}',
        '{"t":1,"state":"bored","network":"public"}',
        changed(ledger=-1),
        changed(ledger=1.0),
        changed(ledger=True),
        changed(closed_at=None),
        changed(operations="3"),
        changed(amounts=[["payment", 1, 0]]),
        changed(amounts=[["payment", 1, 2.5]]),
        changed(amounts=[["contract", 0, 2**127]]),
        changed(operations=MAX_OPERATIONS + 1),
        changed(ledger=MAX_SEQUENCE + 1),
        changed(closed_at=MAX_TIME + 1),
        changed(amounts=[["bribe", 1, 5]]),
        changed(amounts=[["payment", 1]]),
        changed(amounts=7),
        changed(amounts=[["payment", 1, True]]),
        changed(operations=2**200),
        changed(closed_at=1e999),
        '{"t":1e999,"state":"live","network":"public"}',
        '{"t":true}',
        f'{{"t":{2**200}}}',
        f'{{"t":{10**400}}}',
        '{"t":1,"state":"live","network":"public","retry_in":-1}',
        '{"t":1,"state":"live","network":"public","retry_in":NaN}',
        '{"tape":1,"network":7}',
        "[" * 100_000,
    ],
)
def test_anything_else_is_a_bad_line(text: str) -> None:
    with pytest.raises(BadLine):
        decode(text)


@given(st.one_of(st.text(), st.binary()))
def test_no_bytes_are_worse_than_a_bad_line(text: str | bytes) -> None:
    with pytest.raises(BadLine):
        decode(text)


@pytest.mark.parametrize("name", ["x.tape", "x.tape.gz"])
def test_a_tape_can_be_read_again_and_again(tmp_path: Path, name: str) -> None:
    written = [Line(0.5, LEDGER), Line(1.0, Link(LinkState.LIVE, "testnet"))]
    tape = open_tape(write(tmp_path / name, *written))
    assert tape.header == Header("testnet", "by hand")
    assert list(tape) == list(tape) == written
    assert ((tmp_path / name).read_bytes()[:2] == b"\x1f\x8b") is name.endswith(".gz")


def test_equal_tapes_are_equal_files(tmp_path: Path) -> None:
    one, two = (write(tmp_path / name, Line(0.5, LEDGER)).read_bytes() for name in ("a.gz", "b.gz"))
    assert one == two


def test_a_wrong_line_is_dropped_counted_and_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "x.tape", Line(0.5, LEDGER))
    with path.open("ab") as file:
        file.write(b"nonsense\n\xff\xfe\n" + encode(Line(2.0, LEDGER)).encode() + b"\n" + b'{"t":3,"led')
    tape = open_tape(path)
    for _ in range(2):
        assert [line.seconds for line in tape] == [0.5, 2.0]
        assert tape.dropped == 3
    (message,) = caplog.messages
    assert f"{path} has 3 " in message


def test_a_torn_tape_plays_up_to_the_tear(tmp_path: Path) -> None:
    path = write(tmp_path / "x.gz", *(Line(float(second), LEDGER) for second in range(5000)))
    path.write_bytes(path.read_bytes()[:-20])
    assert 1000 < len(list(open_tape(path))) <= 5000


def test_a_tape_that_cannot_be_read_to_its_end_is_at_its_end(tmp_path: Path) -> None:
    """A damaged card: a changed byte, or a missing file."""
    path = tmp_path / "x.tape.gz"
    with TapeWriter(path, Header("public"), compress=True) as writer:
        for index in range(3):
            writer.write(Line(float(index), Link(LinkState.LIVE, "public")))
    tape, content = open_tape(path), bytearray(path.read_bytes())
    content[-8] ^= 1  # of the checksum
    path.write_bytes(content)
    assert len(list(tape)) == 3
    player = TapePlayer(tape.__iter__, loop=True)
    path.unlink()
    assert player.until(1e6) == []
    assert player.ended


def test_the_bundled_recording_replaces_one_that_is_pulled_out_until_it_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "own.tape", Line(0.0, LEDGER), Line(5.0, LEDGER))
    player = TapePlayer(partial(with_fallback, open_tape(path)), loop=True)
    assert player.until(7.0) == [LEDGER] * 3  # the second turn's first at 5 s
    away = path.rename(tmp_path / "away")
    assert player.until(10.0) == [LEDGER]
    played = played_until(player, 600.0)
    assert len(played) > 50
    assert LEDGER not in played
    (message,) = caplog.messages
    assert str(path) in message
    assert "bundled recording" in message
    away.rename(path)
    assert LEDGER in played_until(player, 3 * 3600.0)


def test_a_tape_without_length_does_not_loop_for_ever() -> None:
    player = TapePlayer(lambda: iter([Line(0.0, Link(LinkState.CONNECTING, "public"))]), loop=True)
    assert player.until(10.0) == []
    assert not player.ended


def test_what_is_no_tape_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "song.wav").write_bytes(b"RIFF....WAVE")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "torn.gz").write_bytes(gzip.compress(b"x" * 1000)[:20])
    (tmp_path / "new.tape").write_text('{"tape":99,"network":"public"}\n')
    (tmp_path / "headless.tape").write_text(encode(Line(0.5, LEDGER)) + "\n")
    for name, why in (
        ("song.wav", "is not a tape"),
        ("empty", "is not a tape"),
        ("torn.gz", "Cannot read"),
        ("nowhere.tape", "Cannot read"),
        ("headless.tape", "is not a tape"),
        ("new.tape", "has format 99; this version plays format 1"),
    ):
        with pytest.raises(BadTape, match=why) as caught:
            open_tape(tmp_path / name)
        assert "\n" not in str(caught.value)


def player(*, loop: bool = False, start: float = 0.0) -> TapePlayer:
    lines = [Line(float(at), Ledger(at, 0, 0, 0, 0, ())) for at in (2, 4, 10)]
    return TapePlayer(lambda: iter(lines), loop=loop, start=start)


def played_until(player: TapePlayer, seconds: float) -> list[Ledger]:
    """Ask as often as a block does: one call returns a bounded number of ledgers."""
    found = []
    while due := player.until(seconds):
        found += due
    return found


def sequences(found: list[Ledger]) -> list[int]:
    return [ledger.sequence for ledger in found]


def test_a_player_returns_each_ledger_when_it_is_due() -> None:
    play = player()
    assert sequences(play.until(1.9)) == []
    assert sequences(play.until(4.0)) == [2, 4]
    assert sequences(play.until(4.0)) == []
    assert not play.ended
    assert sequences(play.until(99.0)) == [10]
    assert play.ended


def test_a_player_returns_no_more_than_some_at_once_and_the_others_next() -> None:
    lines = [Line(1.0, Ledger(number, 0, 0, 0, 0, ())) for number in range(2 * AT_ONCE + 1)]
    play = TapePlayer(lambda: iter(lines))
    sizes = [len(play.until(1.0)) for _ in range(4)]
    assert sizes == [AT_ONCE, AT_ONCE, 1, 0]
    assert play.ended


def test_a_loop_has_no_seam() -> None:
    play = player(loop=True)
    assert sequences(played_until(play, 25.0)) == [2, 4, 10, 2, 4, 10, 2, 4]
    assert not play.ended


def test_a_player_can_start_anywhere() -> None:
    play = player(loop=True, start=3.0)
    assert sequences(play.until(0.9)) == []
    assert sequences(play.until(1.0)) == [4]
    assert sequences(play.until(9.0)) == [10, 2]


def test_states_are_not_played() -> None:
    play = TapePlayer(lambda: iter([Line(1.0, Link(LinkState.LIVE, "public")), Line(2.0, LEDGER)]))
    assert play.until(5.0) == [LEDGER]


def test_the_bundled_recording_is_hours_of_varied_material_and_nothing_personal() -> None:
    tape = bundled()
    lines = [line for line in tape if isinstance(line.entry, Ledger)]
    assert tape.dropped == 0
    assert lines[-1].seconds > 2 * 3600
    gaps = [after.seconds - before.seconds for before, after in pairwise(lines)]
    assert 4 <= min(gaps) <= max(gaps) <= 8
    amounts = [amount for line in lines if isinstance(line.entry, Ledger) for amount in line.entry.amounts]
    assert {amount.kind for amount in amounts} >= {Kind.CREATE, Kind.PAYMENT, Kind.OFFER, Kind.CLAIMABLE}
    assert len({amount.stroops for amount in amounts}) > 700
    text = gzip.decompress(tape.path.read_bytes()).decode()
    assert not re.search(r"\b[GM][A-Z2-7]{55}|[0-9a-f]{64}", text)
    assert "real ledgers" in tape.header.about


# --- what is written can be read, and nothing else


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=9,
)
FIELDS = st.sampled_from(
    [
        *(
            "t",
            "tape",
            "ledger",
            "closed_at",
            "operations",
            "succeeded",
            "failed",
            "amounts",
            "state",
            "network",
        ),
        *("about", "reason", "retry_in"),
    ]
)


@given(lines | headers, FIELDS, JSON)
def test_a_line_with_a_wrong_field_is_a_bad_line_or_a_good_one(
    line: Header | Line, name: str, value: object
) -> None:
    with suppress(BadLine, BadTape):
        # A time can have more digits than a tape keeps; once written, it does not change.
        written = encode(decode(json.dumps(json.loads(encode(line)) | {name: value})))
        assert encode(decode(written)) == written


@given(lines, st.integers(0, 400))
def test_half_a_line_is_a_bad_line(line: Header | Line, cut: int) -> None:
    text = encode(line)
    with pytest.raises(BadLine):
        decode(text[: min(cut, len(text) - 1)])
