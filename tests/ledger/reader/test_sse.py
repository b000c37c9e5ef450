# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.ledger.reader.sse import MAX_EVENT, Event, EventTooLong, Parser


def events(*chunks: bytes) -> list[Event]:
    parser = Parser()
    return [event for chunk in chunks for event in parser.feed(chunk)]


def data(*chunks: bytes) -> list[str]:
    return [event.data for event in events(*chunks)]


def test_a_horizon_stream() -> None:
    stream = (
        b'retry: 1000\nevent: open\ndata: "hello"\n\n'
        b'id: 42\ndata: {"a":1}\n\n'
        b'retry: 10\nevent: close\ndata: "byebye"\n\n'
    )
    assert events(stream) == [
        Event("open", '"hello"', ""),
        Event("message", '{"a":1}', "42"),
        Event("close", '"byebye"', "42"),
    ]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_each_line_ending(end: bytes) -> None:
    assert data(end.join([b"data: 1", b"data: 2", b"", b"data: 3", b"", b""])) == ["1\n2", "3"]


def test_a_crlf_cut_in_two_is_one_line_ending() -> None:
    assert data(b"data: 1\r", b"\ndata: 2\r", b"\n\r", b"\n") == ["1\n2"]
    assert data(b"data: 1\r", b"", b"\n\r\n") == ["1"]


def test_a_cr_alone_ends_an_event_at_once() -> None:
    assert data(b"data: 1\r\r") == ["1"]


def test_the_end_of_a_stream_ends_no_event() -> None:
    assert data(b"data: 1\n\ndata: 2\n") == ["1"]


def test_a_bom_is_dropped_once_and_only_before_the_first_line() -> None:
    assert data(b"\xef", b"\xbb\xbfdata: 1\n\n") == ["1"]
    assert data(b"\xef\xbb\xbf\xef\xbb\xbfdata: 1\n\n") == []
    assert data(b"\n\xef\xbb\xbfdata: 1\n\n") == []


def test_fields() -> None:
    assert data(b"data:1\n\n") == ["1"]
    assert data(b"data:  1\n\n") == [" 1"]
    assert data(b"data\n\n") == [""]
    assert data(b"data:\ndata:\n\n") == ["\n"]
    assert data(b"data: a:b\n\n") == ["a:b"]
    assert data(b": comment\ndata: 1\n:\n\n") == ["1"]
    assert data(b"DATA: 1\nunknown: 2\nda: 3\n\n") == []
    assert events(b"event: x\nevent: y\ndata: 1\n\n")[0].name == "y"
    assert events(b"event: x\n\ndata: 1\n\n")[0].name == "message"


def test_an_id_counts_once_its_event_is_handed_out() -> None:
    assert [event.id for event in events(b"id: 1\ndata: a\n\nid: 2\n\ndata: b\n\nid: 3\ndata: c\n\n")] == [
        "1",
        "1",
        "3",
    ]


def test_an_id_with_a_nul_is_ignored_and_an_empty_one_is_an_id() -> None:
    assert [event.id for event in events(b"id: 1\ndata: a\n\nid: 2\x00\ndata: b\n\nid\ndata: c\n\n")] == [
        "1",
        "1",
        "",
    ]


@pytest.mark.parametrize("broken", [b"data: \xff\n", b"event: \xff\ndata: 1\n", b"id: \xff\ndata: 1\n"])
def test_bad_utf8_costs_its_own_event_and_is_counted(broken: bytes) -> None:
    parser = Parser()
    stream = b"id: 1\ndata: a\n\n" + broken + b"\ndata: b\n\n"
    assert list(parser.feed(stream)) == [Event("message", "a", "1"), Event("message", "b", "1")]
    assert parser.dropped == 1


def test_a_long_event_passes_and_a_longer_one_does_not() -> None:
    parser = Parser()
    half = b"data: " + b"x" * (MAX_EVENT // 2 - 10) + b"\n"
    for _ in range(3):
        assert len(next(parser.feed(half + half + b"\n")).data) > MAX_EVENT - 30
    with pytest.raises(EventTooLong, match="256 KiB"):
        list(parser.feed(half + half + half))


def test_a_line_without_end_is_not_kept() -> None:
    parser = Parser()
    for _ in range(MAX_EVENT // 1024):
        assert list(parser.feed(b"x" * 1024)) == []
    with pytest.raises(EventTooLong):
        list(parser.feed(b"x"))


def test_empty_data_lines_count_too() -> None:
    with pytest.raises(EventTooLong):
        list(Parser().feed(b"data\n" * (MAX_EVENT + 1)))


def test_comments_without_end_are_harmless() -> None:
    assert data(*[b": are you there?\n" * 100] * 500, b"data: 1\n\n") == ["1"]


lines = st.lists(
    st.sampled_from(
        [
            b"data: 1",
            b"data: \xc3\xa4\xe2\x82\xac",
            b"data",
            b"data: \xff",
            b"id: 7",
            b"id: 8\0",
            b"id",
            b"event: open",
            b"event: \xf0",
            b"retry: 5",
            b"retry: x",
            b": c",
            b"",
            b"",
            b"junk",
            b"\xef\xbb\xbfdata: 2",
        ]
    ),
    max_size=24,
)


@given(lines, st.data())
def test_any_chunking_gives_the_same_events(lines: list[bytes], choose: st.DataObject) -> None:
    endings = st.sampled_from([b"\n", b"\r", b"\r\n"])
    stream = b"".join(line + choose.draw(endings) for line in lines)
    # CR and LF of two lines in a row are one ending in any chunking, so both ways see the same lines.
    cuts = sorted(choose.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    whole, pieces = Parser(), Parser()
    expected = list(whole.feed(stream))
    found = [event for a, b in pairwise([0, *cuts, len(stream)]) for event in pieces.feed(stream[a:b])]
    assert found == expected
    assert pieces.dropped == whole.dropped


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_whatever_the_bytes_one_at_a_time_is_the_same(chunks: list[bytes]) -> None:
    whole = events(b"".join(chunks))
    assert events(*chunks) == whole
    assert events(*(bytes([byte]) for byte in b"".join(chunks))) == whole
