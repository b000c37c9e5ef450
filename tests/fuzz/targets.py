# SPDX-License-Identifier: Apache-2.0
"""What is fuzzed: everything that parses bytes from outside, one function for each.

A target takes any bytes and raises nothing. Only its parser's own error is caught here, so any other exception, and a
result that does not survive its own format, is a find. `python -m tests.fuzz` runs them under a coverage-guided fuzzer;
test_targets.py runs them with their seeds and with what was found.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import os
from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

from stellar_sdk.client.base_async_client import BaseAsyncClient
from stellar_sdk.client.response import Response

from appliance import control
from appliance.gestures import apply
from appliance.ledger.networks import Network
from appliance.ledger.reader import sse
from appliance.ledger.reader.amounts import (
    BadRecord,
    amounts_of,
    ledger_from_operations,
    ledger_from_record,
    parse_paging_token,
)
from appliance.ledger.reader.budget import own
from appliance.ledger.reader.record_files import BadRecording, from_operations
from appliance.ledger.reader.rpc import Rpc
from appliance.ledger.reader.session import Cause, ListenOptions, Lost, Timeouts
from appliance.ledger.reader.soroban import refuse
from appliance.ledger.reader.xdr import amounts_from_events, event, operations
from appliance.ledger.tape import BadTape, Header, Line, open_tape
from appliance.ledger.tape.format import decode, encode
from appliance.music.scenes import SCENES
from appliance.pieces import feed as feeds
from appliance.pieces import keys, piece, sales
from appliance.pieces.keys import Untrusted
from appliance.saved import crashes, state
from appliance.score.files import open_score
from appliance.score.format import BadScore
from appliance.settings import SettingsError, as_toml, load
from appliance.values import Amount, Controls, Ledger
from tests.support.artists import AT, Artist, draft
from tests.support.horizon_records import generated, operation
from tests.support.rpc_records import event_info, moves, transaction

HERE = "generated"
NETWORKS = ["public", "testnet"]
_ARTIST = Artist()
_ARTIST.sells(_ARTIST.publishes(draft())[0])
_CONTROLS = Controls(volume=0.5, tempo=60.0, network="public", scene="wind")


def _plays(*ledgers: Ledger) -> None:
    """The player reads what the listener writes."""
    for ledger in ledgers:
        line = Line(0.0, ledger)
        assert decode(encode(line)) == line


def _json(data: bytes) -> Any:
    """What the listener's own calls of a JSON parser give; None where they drop it."""
    with suppress(ValueError, RecursionError):
        return json.loads(data)
    return None


_INPUT = os.memfd_create("input")  # a file without a folder: nothing is left behind when a target is ended


def _file(data: bytes) -> Path:
    os.ftruncate(_INPUT, 0)
    os.pwrite(_INPUT, data, 0)
    return Path(f"/proc/self/fd/{_INPUT}")


# --- the network --------------------------------------------------------------------------------------------


def stream(data: bytes) -> None:
    """Server-sent events, in pieces of the size that the first byte names: the same events as in one piece."""

    def events(size: int) -> tuple[list[sse.Event], int]:
        parser = sse.Parser()
        found = [event for at in range(0, len(data), size) for event in parser.feed(data[at : at + size])]
        return found, parser.dropped

    with suppress(sse.EventTooLong):
        assert events(max(1, data[0] if data else 1)) == events(1 << 30)


def records(data: bytes) -> None:
    """Horizon's records, one a line: operations of one ledger, and records of ledgers."""
    found = [record for line in data.splitlines() if isinstance(record := _json(line), dict)]
    for record in found:
        with suppress(BadRecord):
            _plays(Ledger(7, 0, 1, 1, 0, amounts_of(record, 7)))
        with suppress(BadRecord):
            _plays(ledger_from_record(record))
        with suppress(BadRecord):
            parse_paging_token(record.get("paging_token"))
    ledger, bad = ledger_from_operations(7, found)
    assert 0 <= bad <= len(found)
    if ledger is not None:
        _plays(ledger)


def recording(data: bytes) -> None:
    """`record --from`: Horizon's operations in a file, and the same file as ledgers."""
    path = _file(data)
    with suppress(BadRecording):
        _plays(*from_operations([path], path).ledgers)


_KINDS = [
    operation(7, 1, "payment", 1, asset_type="native", amount="1.5000000"),
    operation(
        7,
        1,
        "liquidity_pool_deposit",
        22,
        reserves_deposited=[{"asset": "native", "amount": "2.5000000"}] * 2,
    ),
    operation(
        7,
        1,
        "invoke_host_function",
        24,
        asset_balance_changes=[{"type": "transfer", "asset_type": "native", "amount": "5.0000001"}],
    ),
    operation(7, 1, "path_payment_strict_send", 13, asset_type="native", amount="6.0000000"),
]
_SIGNED = transaction(_KINDS, HERE)
_MOVED = event_info(moves(_KINDS[2], HERE)[0], _KINDS[2], 0)


def binary(data: bytes) -> None:
    """XDR: the first byte says which part of a transaction or of an event the rest replaces."""
    part, text = (data[0] if data else 0), base64.b64encode(data[1:]).decode()
    own_events = _SIGNED.events.contract_events_xdr if _SIGNED.events else None
    texts = [_SIGNED.envelope_xdr, _SIGNED.result_xdr, _SIGNED.result_meta_xdr]
    match part % 8:
        case 0 | 1 | 2 as at:
            texts[at] = text
            own_events = None
        case 3:
            own_events = [[text]] * len(_KINDS)
    with suppress(BadRecord):
        for found in operations(texts[0], texts[1], texts[2], own_events, HERE, 7):
            _amounts(found or ())
    topics = list(_MOVED.topic)
    value = text if part % 8 == 7 else _MOVED.value
    if 4 <= part % 8 <= 6:
        topics[part % 8 - 4] = text
    with suppress(BadRecord):
        one = event(_MOVED.contract_id, topics, value, HERE)
        _amounts(amounts_from_events([one] if one else [], 7))


def _amounts(found: tuple[Amount, ...]) -> None:
    _plays(Ledger(7, 0, 1, 1, 0, found))


class _Answers(BaseAsyncClient):
    """A connection on which each question gets the next answer, and the last one again and again."""

    def __init__(self, answers: list[str]) -> None:
        self._answers, self.asked = answers, 0

    async def post(self, url: str, data: Any = None, json_data: Any = None) -> Response:
        self.asked += 1
        if self.asked > 60:
            raise Lost(Cause.LIMITED, "was asked often enough")
        text = self._answers[min(self.asked, len(self._answers)) - 1]
        refuse(text)
        return Response(200, text, {}, url)

    async def get(self, url: str, params: Any = None, max_content_size: int | None = None) -> Response:
        raise NotImplementedError

    def stream(self, url: str, params: Any = None) -> Any:
        raise NotImplementedError

    async def close(self) -> None:
        pass


_NO_WAIT = ListenOptions(timeouts=replace(Timeouts(), again=0.0, poll=0.0, stale=0.0, home=0.0))


def answers(data: bytes) -> None:
    """A session with an RPC server whose answers are the lines."""

    async def run() -> None:
        session = Rpc("", _NO_WAIT, own(), client=_Answers(data.decode(errors="replace").split("\n")))
        with suppress(Lost):
            tip = await session.tip(Network("here", HERE, ("",)))
            async with aclosing(session.ledgers((tip.sequence << 32) - 1, primer=False)) as found:
                async for _, ledger in found:
                    _plays(ledger)
                    if ledger.sequence > tip.sequence + 1:
                        break

    asyncio.run(run())


# --- files --------------------------------------------------------------------------------------------------


def tape(data: bytes) -> None:
    """A tape, plain or gzip."""
    with suppress(BadTape):
        for line in islice(open_tape(_file(data)), 10_000):
            written = encode(line)  # rounded to milliseconds
            assert encode(decode(written)) == written


def score(data: bytes) -> None:
    """A score, plain or gzip."""
    with suppress(BadScore):
        list(open_score(_file(data)))


def pieces(data: bytes) -> None:
    """What a followed artist can sign: lines of a feed, the description of a piece; and a draft, and a head."""
    text, mark = _ARTIST.feed.text, _ARTIST.feed.mark
    for line in data.split(b"\n"):
        signature = keys.sign(_ARTIST.secret, feeds.PREFIX["feed"] + mark + line)
        signed = base64.b64encode(signature) + b" " + line + b"\n"
        text, mark = text + signed, sha256(signed).digest()
    with suppress(Untrusted):
        found = feeds.read(_ARTIST.key, text)
        assert feeds.read(_ARTIST.key, found.text, _ARTIST.feed) == found
    signature = keys.sign(_ARTIST.secret, feeds.PREFIX["piece"] + data)
    described = base64.b64encode(signature) + b" " + data
    with suppress(Untrusted):
        piece.opened(
            {"piece.json": described, "track-01.score.gz": b"x"}, _ARTIST.key, piece.id_of(described)
        )
    with suppress(Untrusted, BadScore):
        made = piece.unpack(data)
        assert piece.unpack(piece.pack(made)) == made
    feeds.read_head(data)


def payments(data: bytes) -> None:
    """Horizon's payments to an account that sells, a line each."""
    till = sales.Till(0)
    for line in data.split(b"\n"):
        with suppress(ValueError, RecursionError):
            record = json.loads(line)
            if isinstance(record, dict) and (found := sales.payment_of(record, _ARTIST.account)):
                till = till.taken(found, _ARTIST.feed)
    assert sales.Till.from_json(json.loads(json.dumps(till.as_json()))) == till
    list(till.due(_ARTIST.feed))


def settings(data: bytes) -> None:
    """A settings file: what `config` prints of it means the same."""
    try:
        loaded = load({}, {}, _file(data))
    except SettingsError:
        return
    again = load({}, {}, _file(as_toml(loaded).encode()))
    assert again.settings == loaded.settings


def environment(data: bytes) -> None:
    """Settings from the environment, a line each: STELLAR_WIND_TEMPO=60."""
    pairs = [line.partition("=") for line in data.decode(errors="surrogateescape").split("\n")]
    with suppress(SettingsError):
        load({}, {name: value for name, _, value in pairs}, None)


def saved(data: bytes) -> None:
    """The saved controls, and the stamp of a run."""
    with suppress(ValueError):
        found = state.decode(data)
        assert state.decode(state.encode(found)) == found
        state.restored(_CONTROLS, found, NETWORKS, SCENES)
    with suppress(ValueError):
        run = crashes.decode(data)
        assert crashes.decode(crashes.encode(run)) == run
        crashes.begun(run, run.boot, run.release)


# --- other processes ----------------------------------------------------------------------------------------


def commands(data: bytes) -> None:
    """Lines of the control socket, and what they do to the controls."""
    controls = _CONTROLS
    for line in data.splitlines()[:50]:
        with suppress(control.BadCommand, ValueError, RecursionError):
            command = json.loads(line)
            if isinstance(command, dict):  # `status`, `watch` and `keep` are matched before
                controls, _ = apply(controls, control.gesture_of(command, NETWORKS, SCENES), NETWORKS)
    assert 0 <= controls.volume <= 1
    assert controls.network in NETWORKS
    assert controls.scene in SCENES


# --- the table ----------------------------------------------------------------------------------------------


def _lines(*fields: Any) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in fields)


def _tapes() -> list[bytes]:
    ledger = Ledger(7, 1_795_482_000, 1, 1, 0, tuple(a for kind in _KINDS for a in amounts_of(kind, 7)))
    lines: list[Header | Line] = [Header("public", "a seed"), Line(1.0, ledger)]
    plain = b"".join(encode(line).encode() + b"\n" for line in lines)
    return [plain, gzip.compress(plain, mtime=0)]


def _scores() -> list[bytes]:
    header: dict[str, Any] = {"score": 1, "network": "public", "scene": "wind", "scale": "wind", "root": "C"}
    header |= {"tempo": 60.0, "seconds": 9.0}
    note: dict[str, Any] = {"t": 1.0, "beat": 1.0, "voice": "pluck", "pitch": 67, "velocity": 0.6}
    note |= {"length": 1.8, "beats": 1.8, "pan": -0.2, "bright": 0.5}
    amount = {"kind": "offer", "native": True, "stroops": 44, "ledger": 30, "waited": 0.5}
    plain = _lines(
        header,
        note,
        note | amount,
        {"t": 1.0, "brightness": 0.5, "wind": 0.4, "space": 0.6},
        {"t": 5.8, "ledger": 30, "closed_at": 1_596_000_000, "operations": 210},
        {"t": 9.0, "network": "testnet", "scene": "night", "scale": "wind", "root": "D", "tempo": 72.0},
    )
    return [plain, gzip.compress(plain, mtime=0)]


def _answered() -> list[bytes]:
    """What an RPC server answers, as events and as transactions."""

    def page(unit: str, **fields: Any) -> dict[str, Any]:
        ends = {"latestLedger": 7, f"latestLedgerClose{unit}": 1_795_482_000}
        return fields | ends | {"oldestLedger": 1, f"oldestLedgerClose{unit}": 1_795_000_000, "cursor": "9"}

    def dumped(model: Any) -> Any:
        return model.model_dump(by_alias=True, mode="json", exclude_none=True)

    network = {"passphrase": HERE, "protocolVersion": 27}
    health = {"status": "healthy", "latestLedger": 7, "oldestLedger": 1, "ledgerRetentionWindow": 9}
    events = page("Time", events=[dumped(_MOVED)])
    none = page("Time", events=[])
    signed = page("Timestamp", transactions=[dumped(_SIGNED)])
    missing = {"error": {"code": -32601, "message": "method not found"}}
    range_ = page("Time", status="NOT_FOUND", txHash="0" * 64)

    def said(*answers: dict[str, Any]) -> bytes:
        return b"\n".join(
            json.dumps({"jsonrpc": "2.0", "id": 1} | (each if "error" in each else {"result": each})).encode()
            for each in answers
        )

    return [
        said(network, health, events, events, health | {"latestLedger": 9}, events),
        said(network, health, none, signed, health),
        said(missing, missing, range_, missing, signed),
        said({"error": {"code": -32005, "message": "rate limit exceeded", "data": {}}}),
    ]


def _parts() -> list[bytes]:
    texts = [_SIGNED.envelope_xdr, _SIGNED.result_xdr, _SIGNED.result_meta_xdr]
    texts += [moves(_KINDS[2], HERE)[0].to_xdr(), *_MOVED.topic[:3], _MOVED.value]
    return [bytes([part]) + base64.b64decode(text) for part, text in enumerate(texts)]


_RECORDS = [_lines(kind) for kind in _KINDS] + [
    _lines(*generated([2, 1]).operations[1000]),
    _lines(generated([1]).ledgers[0]),
]


def _streamed() -> list[bytes]:
    hello = b'retry: 1000\nevent: open\ndata: "hello"\n\n'
    return [
        hello + b'id: 4294967296\ndata: {"sequence":1}\n\nretry: 10\nevent: close\ndata: "byebye"\n\n',
        b"\xef\xbb\xbf: comment\r\ndata: a\r\ndata: b\r\n\r\nid\ndata\n\nevent: error\ndata: \xff\n\n",
    ]


_FILES = [
    as_toml(load({}, {}, _file(b""))).encode(),
    b'tempo = 60\n[networks.mine]\nendpoints = ["https://here.example", "rpc+http://127.0.0.1:8000/rpc"]\n'
    b'passphrase = "mine"\n[night]\nstart = "22:30"\n[panel.pins]\nmute = 5\n',
    b"\xef\xbb\xbftempo = 60\n",
    'scene = "night"\n'.encode("utf-16"),
]
_COMMANDS = [
    {"do": "set", "control": "volume", "value": 0.6},
    {"do": "set", "control": "tempo", "value": 72},
    {"do": "set", "control": "network", "value": "testnet"},
    {"do": "set", "control": "scene", "value": "night"},
    {"do": "set", "control": "mute", "value": True},
    {"do": "set", "control": "sleep", "value": 30},
    {"do": "turn", "knob": "volume", "detents": -1},
    {"do": "press", "button": "network"},
    {"do": "double", "button": "mute"},
    {"do": "hold", "button": "mute"},
    {"do": "keep"},
]


def _states() -> list[bytes]:
    controls = state.SavedControls(0.5, 60.0, "public", "wind")
    return [
        state.encode(state.State(controls, controls, ("public", 7))),
        state.encode(state.State(controls, controls, None)),
        crashes.encode(crashes.Run("0f0f", 2, False, True, 30, 9.5)),
    ]


def _pieces() -> list[bytes]:
    said = [line.partition(b" ")[2] for line in _ARTIST.feed.text.splitlines()[1:]]
    sold = draft("Sold")
    description = piece.described(sold, _ARTIST.secret, "Ada", AT)["piece.json"].partition(b" ")[2]
    delivery = {"n": 1, "at": AT, "order": "ab" * 32, "piece": "cd" * 32, "sealed": "eA=="}
    gone = {"n": 1, "at": AT, "gone": "cd" * 32}
    return [
        *said,
        description,
        piece.pack(sold),
        _lines(delivery),
        _lines(gone),
        feeds.head(_ARTIST.feed, "ab" * 32),
    ]


def _payments() -> list[bytes]:
    memo = {"memo_type": "hash", "memo": base64.b64encode(bytes.fromhex("007" + "12" * 30 + "3")).decode()}
    paid = {"paging_token": "9", "type": "payment", "transaction_successful": True, "amount": "5.0000000"}
    paid |= {"from": _ARTIST.account, "to": _ARTIST.account, "asset_type": "native", "transaction": memo}
    paid |= {"created_at": "2026-09-21T14:13:20Z", "transaction_hash": "ab" * 32}
    issued = {"asset_type": "credit_alphanum4", "asset_code": "EUR", "asset_issuer": _ARTIST.account}
    return [_lines(paid), _lines(paid, paid | {"paging_token": "10"} | issued)]


@dataclass(frozen=True)
class Target:
    """A function that takes any bytes, what it starts from, and the longest input in bytes."""

    run: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    longest: int = 8192


TARGETS = {
    "sse": Target(stream, _streamed),
    "horizon": Target(records, lambda: _RECORDS),
    "recording": Target(recording, lambda: _RECORDS),
    "xdr": Target(binary, _parts),
    "rpc": Target(answers, _answered, 16384),
    "tape": Target(tape, _tapes),
    "score": Target(score, _scores),
    "pieces": Target(pieces, _pieces),
    "payments": Target(payments, _payments),
    "settings": Target(settings, lambda: _FILES, 16384),
    "environment": Target(
        environment, lambda: [b"STELLAR_WIND_TEMPO=60\nSTELLAR_WIND_SOUND__DEVICE=hw:1", b"STELLAR_WIND_X=1"]
    ),
    "saved": Target(saved, _states),
    "control": Target(commands, lambda: [_lines(*_COMMANDS), *(_lines(each) for each in _COMMANDS)]),
}
