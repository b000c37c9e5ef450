# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stellar_sdk import Address, Asset, StrKey, scval, xdr

from appliance.ledger.reader.amounts import MAX_CHANGES, BadRecord, amounts_of
from appliance.ledger.reader.xdr import Event, amounts_from_events, event, operations
from appliance.values import Amount, Kind
from tests.support.horizon_records import ACCOUNT, ISSUER, Record, operation, recorded, rows
from tests.support.rpc_records import (
    BALANCE,
    CONTRACT,
    OTHER,
    POOL,
    contract_event,
    event_info,
    moves,
    transaction,
)

HERE = "generated"
COIN = {"asset_type": "credit_alphanum4", "asset_code": "COIN", "asset_issuer": ISSUER}
CHANGES = [
    {"type": "transfer", "asset_type": "native", "amount": "5.0000001"},
    {"type": "mint", **COIN, "amount": "17014118346046923173168730371588.4105727"},  # 2^127 - 1 stroops
    {"type": "burn", **COIN, "amount": "0.0000000"},
]
RESERVES = [{"asset": "native", "amount": "2.5000000"}, {"asset": f"COIN:{ISSUER}", "amount": "7.0000000"}]
EVERY_KIND = [
    operation(7, 1, "create_account", 0, starting_balance="1.5000000"),
    operation(7, 1, "payment", 1, **COIN, amount="922337203685.4775807"),
    operation(7, 1, "path_payment_strict_receive", 2, **COIN, amount="2.0000000"),
    operation(7, 1, "manage_sell_offer", 3, selling_asset_type="native", amount="3.0000000"),
    operation(7, 1, "manage_sell_offer", 3, selling_asset_type="native", amount="0.0000000"),
    operation(7, 1, "create_passive_sell_offer", 4, selling_asset_type="native", amount="4.0000000"),
    operation(7, 1, "manage_buy_offer", 12, buying_asset_type="native", amount="5.0000000"),
    operation(7, 1, "path_payment_strict_send", 13, asset_type="native", amount="6.0000000"),
    operation(7, 1, "create_claimable_balance", 14, asset="native", amount="7.0000000"),
    operation(7, 1, "clawback", 19, **COIN, amount="8.0000000"),
    operation(7, 1, "liquidity_pool_deposit", 22, reserves_deposited=RESERVES),
    operation(7, 1, "liquidity_pool_withdraw", 23, reserves_received=RESERVES),
    operation(7, 1, "invoke_host_function", 24, asset_balance_changes=CHANGES),
    operation(7, 1, "invoke_host_function", 24, asset_balance_changes=CHANGES * 9),
    operation(7, 1, "invoke_host_function", 24, asset_balance_changes=None),
    operation(7, 1, "set_options", 5),
]
NAMES = [f"{at}-{record['type']}" for at, record in enumerate(EVERY_KIND)]


def read(*records: Record, events: bool = True) -> list[tuple[Amount, ...] | None]:
    made = transaction(records, HERE)
    given = made.events.contract_events_xdr if made.events and events else None
    record = made.envelope_xdr, made.result_xdr, made.result_meta_xdr
    return operations(*record, given, HERE, 7)


def seen(record: Record) -> tuple[Amount, ...]:
    infos = [event_info(one, record, at) for at, one in enumerate(moves(record, HERE))]
    found = [event(info.contract_id, info.topic, info.value, HERE) for info in infos]
    return amounts_from_events([one for one in found if one is not None], 7)


def move(name: str, *ends: str, of: Asset = OTHER, amount: int = 5, memo: bool = False) -> Event:
    """A movement that is read from its event."""
    found = event(*parts(contract_event(name, ends, of, amount, HERE, memo=memo)), HERE)
    assert found is not None
    return found


# --- the same as in Horizon's JSON --------------------------------------------------------------------------


@pytest.mark.parametrize("record", EVERY_KIND, ids=NAMES)
@pytest.mark.parametrize("events", [True, False], ids=["events", "meta"])
def test_a_transaction_tells_what_horizon_tells(record: Record, events: bool) -> None:
    assert read(record, events=events) == [amounts_of(record, 7)]


def test_each_operation_of_a_transaction_keeps_its_place() -> None:
    assert read(*EVERY_KIND) == [amounts_of(record, 7) for record in EVERY_KIND]


@pytest.mark.parametrize("record", EVERY_KIND, ids=NAMES)
def test_events_tell_the_same_but_for_offers_and_new_accounts(record: Record) -> None:
    expected = amounts_of(record, 7)
    if record["type_i"] in (3, 4, 12):
        expected = ()
    if record["type_i"] == 0:
        expected = tuple(Amount(a.stroops, Kind.PAYMENT, a.native, a.ledger) for a in expected)
    assert seen(record) == expected


def test_what_was_recorded_of_every_type_is_the_same_in_xdr() -> None:
    compared = 0
    for row in rows(recorded("operations-all-types.jsonl.gz")):
        record = row["record"] | {"transaction_successful": True, "id": str(7 << 32 | 4097)}
        record.setdefault("created_at", "2026-11-24T01:00:00Z")
        record.setdefault("transaction_hash", "00")
        try:
            expected = amounts_of(record, 7)
            found = read(record)
        except (BadRecord, KeyError, ValueError):  # a record of which no operation can be made again
            continue
        assert found == [expected]
        compared += 1
    assert compared > 150


@pytest.mark.parametrize(("ok", "version"), [(True, 3), (True, 2), (True, 1)])
def test_metas_of_older_protocols_are_read(ok: bool, version: int) -> None:
    record = EVERY_KIND[12 if version == 3 else 10]
    made = transaction([record], HERE)
    new = xdr.TransactionMeta.from_xdr(made.result_meta_xdr).v4
    assert new is not None
    own, none = new.operations[0], xdr.LedgerEntryChanges([])
    old = [xdr.OperationMeta(own.changes)]
    zero, point = xdr.SCVal(xdr.SCValType.SCV_VOID), xdr.ExtensionPoint(0)
    soroban = xdr.SorobanTransactionMeta(xdr.SorobanTransactionMetaExt(0), own.events, zero, [])
    meta = {
        3: xdr.TransactionMeta(3, v3=xdr.TransactionMetaV3(point, none, old, none, soroban)),
        2: xdr.TransactionMeta(2, v2=xdr.TransactionMetaV2(none, old, none)),
        1: xdr.TransactionMeta(1, v1=xdr.TransactionMetaV1(none, old)),
    }[version]
    found = operations(made.envelope_xdr, made.result_xdr, meta.to_xdr(), None, HERE, 7)
    assert found == [amounts_of(record, 7)]


def test_a_fee_bump_and_the_first_envelopes_are_unwrapped() -> None:
    made = transaction([EVERY_KIND[1]], HERE)
    inner = xdr.TransactionEnvelope.from_xdr(made.envelope_xdr).v1
    won = xdr.TransactionResult.from_xdr(made.result_xdr)
    assert inner is not None
    bump = xdr.FeeBumpTransactionEnvelope(
        xdr.FeeBumpTransaction(
            inner.tx.source_account,
            xdr.Int64(200),
            xdr.FeeBumpTransactionInnerTx(xdr.EnvelopeType.ENVELOPE_TYPE_TX, v1=inner),
            xdr.FeeBumpTransactionExt(0),
        ),
        [],
    )
    envelope = xdr.TransactionEnvelope(xdr.EnvelopeType.ENVELOPE_TYPE_TX_FEE_BUMP, fee_bump=bump)
    success = xdr.InnerTransactionResultResult(
        xdr.TransactionResultCode.txSUCCESS, results=won.result.results
    )
    pair = xdr.InnerTransactionResultPair(
        xdr.Hash(bytes(32)),
        xdr.InnerTransactionResult(xdr.Int64(0), success, xdr.InnerTransactionResultExt(0)),
    )
    code = xdr.TransactionResultCode.txFEE_BUMP_INNER_SUCCESS
    result = xdr.TransactionResult(
        xdr.Int64(1),
        xdr.TransactionResultResult(code, inner_result_pair=pair),
        xdr.TransactionResultExt(0),
    )
    found = operations(envelope.to_xdr(), result.to_xdr(), made.result_meta_xdr, None, HERE, 7)
    assert found == [amounts_of(EVERY_KIND[1], 7)]


# --- what makes no sense ------------------------------------------------------------------------------------


@given(st.binary(max_size=400), st.integers(0, 2), st.integers(0, 400), st.integers(0, 255))
def test_whatever_the_bytes_hold_only_bad_record_comes_out(
    junk: bytes, which: int, at: int, byte: int
) -> None:
    made = transaction([EVERY_KIND[10], EVERY_KIND[12]], HERE)
    texts = [made.envelope_xdr, made.result_xdr, made.result_meta_xdr]
    whole = bytearray(base64.b64decode(texts[which]))
    whole[at % len(whole)] = byte
    for broken in (bytes(whole), junk):
        texts[which] = base64.b64encode(broken).decode()
        with contextlib.suppress(BadRecord):
            operations(texts[0], texts[1], texts[2], None, HERE, 7)


@given(st.text(max_size=60))
def test_text_that_is_no_xdr_is_a_bad_record(text: str) -> None:
    with pytest.raises(BadRecord):
        operations(text, text, text, None, HERE, 7)
    with pytest.raises(BadRecord):
        event(CONTRACT, [text, text, text], text, HERE)


def test_a_transaction_without_its_results_is_bad() -> None:
    one, two = transaction(EVERY_KIND[:1], HERE), transaction(EVERY_KIND[:2], HERE)
    with pytest.raises(BadRecord, match="without the results"):
        operations(two.envelope_xdr, one.result_xdr, two.result_meta_xdr, None, HERE, 7)


def test_a_pool_that_the_meta_lacks_is_bad() -> None:
    deposit, payment = transaction(EVERY_KIND[10:11], HERE), transaction(EVERY_KIND[1:2], HERE)
    found = operations(deposit.envelope_xdr, deposit.result_xdr, payment.result_meta_xdr, None, HERE, 7)
    assert found == [None]


def test_an_entry_that_is_no_pool_does_not_matter() -> None:
    made = transaction(EVERY_KIND[10:11], HERE)
    meta = xdr.TransactionMeta.from_xdr(made.result_meta_xdr)
    assert meta.v4 is not None
    found = meta.v4.operations[0].changes.ledger_entry_changes
    assert found[0].state is not None
    key = found[0].state.last_modified_ledger_seq
    entry = xdr.LedgerEntryData(
        xdr.LedgerEntryType.TTL, ttl=xdr.TTLEntry(xdr.Hash(bytes(32)), live_until_ledger_seq=key)
    )
    other = xdr.LedgerEntry(key, entry, xdr.LedgerEntryExt(0))
    found.insert(0, xdr.LedgerEntryChange(found[0].type, state=other))
    read_again = operations(made.envelope_xdr, made.result_xdr, meta.to_xdr(), None, HERE, 7)
    assert read_again == [amounts_of(EVERY_KIND[10], 7)]


def test_a_payment_below_nothing_is_bad() -> None:
    made = transaction(EVERY_KIND[1:2], HERE)
    envelope = xdr.TransactionEnvelope.from_xdr(made.envelope_xdr)
    assert envelope.v1 is not None
    payment = envelope.v1.tx.operations[0].body.payment_op
    assert payment is not None
    payment.amount = xdr.Int64(-1)
    assert operations(envelope.to_xdr(), made.result_xdr, made.result_meta_xdr, None, HERE, 7) == [None]


def test_a_malformed_operation_costs_no_other_operation() -> None:
    made = transaction(EVERY_KIND[10:13], HERE)
    junk = [[], [], ["AAAA"]]
    found = operations(made.envelope_xdr, made.result_xdr, made.result_meta_xdr, junk, HERE, 7)
    assert found == [amounts_of(EVERY_KIND[10], 7), amounts_of(EVERY_KIND[11], 7), None]


def parts(one: xdr.ContractEvent) -> tuple[str, list[str], str]:
    info = event_info(one, EVERY_KIND[1], 0)
    return info.contract_id, info.topic, info.value


FOREIGN = {
    "the asset of another contract": ("transfer", ACCOUNT, ISSUER, scval.to_string("native")),
    "a word": ("transfer", ACCOUNT, ISSUER, scval.to_string("hello")),
    "nothing": ("transfer", ACCOUNT, ISSUER, scval.to_string("")),
    "a code": ("transfer", ACCOUNT, ISSUER, scval.to_string("USDC")),
    "the code of lumens": ("transfer", ACCOUNT, ISSUER, scval.to_string("XLM")),
    "no issuer": ("transfer", ACCOUNT, ISSUER, scval.to_string("USDC:")),
    "half an issuer": ("transfer", ACCOUNT, ISSUER, scval.to_string("my-token:GABC")),
    "a wrong checksum": ("transfer", ACCOUNT, ISSUER, scval.to_string("USDC:G" + "A" * 55)),
    "13 letters": ("transfer", ACCOUNT, ISSUER, scval.to_string(f"THIRTEENCHARS:{ISSUER}")),
    "no code": ("transfer", ACCOUNT, ISSUER, scval.to_string(f":{ISSUER}")),
    "no UTF-8": ("transfer", ACCOUNT, ISSUER, scval.to_string(b"\xff\xfe")),
    "a megabyte": ("transfer", ACCOUNT, ISSUER, scval.to_string("x" * 2**20)),
    "bytes": ("transfer", ACCOUNT, ISSUER, scval.to_bytes(b"native")),
    "a symbol": ("transfer", ACCOUNT, ISSUER, scval.to_symbol("native")),
    "a number": ("transfer", ACCOUNT, ISSUER, scval.to_uint64(7)),
    "a list": ("transfer", ACCOUNT, ISSUER, scval.to_vec([scval.to_void()])),
    "a map": ("transfer", ACCOUNT, ISSUER, scval.to_map({})),
    "an address": ("transfer", ACCOUNT, scval.to_address(ISSUER), scval.to_address(CONTRACT)),
    "a burn with a text": ("burn", ACCOUNT, scval.to_string("thanks")),
    "a mint of SEP-41": ("mint", ACCOUNT, scval.to_address(ISSUER)),
    "a transfer of SEP-41": ("transfer", ACCOUNT, scval.to_address(ISSUER)),
    "numbers for addresses": ("transfer", scval.to_uint64(1), scval.to_void(), scval.to_string("native")),
    "its name as a string": (scval.to_string("transfer"), ACCOUNT, ISSUER, scval.to_string("native")),
    "its name is no UTF-8": (scval.to_bytes(b"\xff"), ACCOUNT, ISSUER, scval.to_string("native")),
    "no topics": (),
    "one topic": ("transfer",),
    "five topics": ("transfer", ACCOUNT, ISSUER, ISSUER, scval.to_string("native")),
}
VALUES = [
    scval.to_int128(10**9),
    scval.to_int128(-1),
    scval.to_uint128(2**128 - 1),
    scval.to_int256(2**200),
    scval.to_bool(True),
    scval.to_void(),
    scval.to_map({scval.to_symbol("other"): scval.to_void()}),
    scval.to_map({scval.to_uint64(1): scval.to_void()}),
    scval.to_vec([]),
    scval.to_string("x"),
]


def foreign(*topics: str | xdr.SCVal, value: xdr.SCVal) -> xdr.ContractEvent:
    """An event of a contract that is no asset's."""

    def made(at: int, one: str | xdr.SCVal) -> xdr.SCVal:
        return one if isinstance(one, xdr.SCVal) else scval.to_address(one) if at else scval.to_symbol(one)

    body = xdr.ContractEventV0([made(at, one) for at, one in enumerate(topics)], value)
    return xdr.ContractEvent(
        xdr.ExtensionPoint(0),
        xdr.ContractID(xdr.Hash(bytes(32))),
        xdr.ContractEventType.CONTRACT,
        xdr.ContractEventBody(0, body),
    )


@pytest.mark.parametrize("topics", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_a_foreign_event_is_no_error_and_costs_nothing_else(
    topics: tuple[str | xdr.SCVal, ...], value: xdr.SCVal
) -> None:
    other = foreign(*topics, value=value)
    assert event(*parts(other), HERE) is None
    record = EVERY_KIND[12] | {"asset_balance_changes": [CHANGES[0] | {"amount": "100.0000000"}]}
    made = transaction([record], HERE)
    own = [[other.to_xdr(), *(one.to_xdr() for one in moves(record, HERE)), other.to_xdr()]]
    found = operations(made.envelope_xdr, made.result_xdr, made.result_meta_xdr, own, HERE, 7)
    assert found == [(Amount(10**9, Kind.CONTRACT, True, 7),)]


@pytest.mark.parametrize("name", ["mint", "clawback"])
@pytest.mark.parametrize("administrator", [(), (ISSUER,), (CONTRACT,)], ids=["new", "account", "contract"])
def test_a_mint_and_a_clawback_count_with_and_without_their_administrator(
    name: str, administrator: tuple[str, ...]
) -> None:
    found = move(name, *administrator, ACCOUNT)
    kind = Kind.CLAWBACK if name == "clawback" else Kind.PAYMENT
    assert amounts_from_events([found], 7) == (Amount(5, kind, False, 7),)
    record = EVERY_KIND[12]
    made = transaction([record], HERE)
    own = [[contract_event(name, (*administrator, ACCOUNT), OTHER, 5, HERE).to_xdr()]]
    read = operations(made.envelope_xdr, made.result_xdr, made.result_meta_xdr, own, HERE, 7)
    assert read == [(Amount(5, Kind.CONTRACT, False, 7),)]


def test_a_contract_that_only_says_that_it_is_an_asset_is_not_believed() -> None:
    _, topics, value = parts(contract_event("transfer", (ACCOUNT, ISSUER), Asset.native(), 5, HERE))
    assert event(CONTRACT, topics, value, HERE) is None


@pytest.mark.parametrize("amount", [-1, -(2**127)])
def test_an_amount_below_nothing_is_bad(amount: int) -> None:
    made = parts(contract_event("transfer", (ACCOUNT, ISSUER), Asset.native(), amount, HERE))
    with pytest.raises(BadRecord, match="out of range"):
        event(*made, HERE)


@pytest.mark.parametrize("name", ["fee", "set_authorized", "approve", "set_admin"])
@pytest.mark.parametrize("ends", [(), (ACCOUNT,), (ACCOUNT, ISSUER)])
def test_other_events_of_an_asset_move_nothing(name: str, ends: tuple[str, ...]) -> None:
    assert event(*parts(contract_event(name, ends, Asset.native(), 5, HERE)), HERE) is None


@pytest.mark.parametrize("name", ["transfer", "mint", "burn", "clawback"])
def test_the_amount_is_found_beside_a_memo_or_the_number_of_a_muxed_account(name: str) -> None:
    ends = (ACCOUNT, ISSUER) if name == "transfer" else (ACCOUNT,)
    assert move(name, *ends, memo=True) == move(name, *ends)


@pytest.mark.parametrize("value", [VALUES[at] for at in (1, 2, 3, 4, 5, 6, 7, 8, 9)])
def test_an_asset_whose_amount_is_none_is_bad(value: xdr.SCVal) -> None:
    contract, topics, _ = parts(contract_event("burn", (ACCOUNT,), OTHER, 5, HERE))
    with pytest.raises(BadRecord):
        event(contract, topics, value.to_xdr(), HERE)


def test_the_largest_amount_of_a_contract_is_read() -> None:
    assert move("mint", CONTRACT, amount=2**127 - 1).stroops == 2**127 - 1


def test_an_event_of_no_contract_moves_nothing() -> None:
    record = EVERY_KIND[12]
    made = transaction([record], HERE)
    one = contract_event("transfer", (ACCOUNT, ISSUER), OTHER, 5, HERE)
    one.contract_id = None
    found = operations(made.envelope_xdr, made.result_xdr, made.result_meta_xdr, [[one.to_xdr()]], HERE, 7)
    assert found == [()]
    assert operations(made.envelope_xdr, made.result_xdr, made.result_meta_xdr, [], HERE, 7) == [()]


# --- what events tell ---------------------------------------------------------------------------------------


def test_a_way_through_a_pool_is_a_path_payment() -> None:
    path = [
        move("transfer", ACCOUNT, POOL, amount=3),
        move("transfer", POOL, ACCOUNT, of=Asset.native(), amount=4),
        move("transfer", ACCOUNT, ISSUER, of=Asset.native(), amount=4),
    ]
    assert amounts_from_events(path, 7) == (Amount(4, Kind.PATH_PAYMENT, True, 7),)


@pytest.mark.parametrize("trades", [1, 2, 5])
def test_an_offer_that_was_taken_counts_what_its_owner_sold(trades: int) -> None:
    each = [
        move("transfer", ACCOUNT, ISSUER, amount=3),
        move("transfer", ISSUER, ACCOUNT, of=Asset.native(), amount=100),
    ]
    assert amounts_from_events(each * trades, 7) == (Amount(3 * trades, Kind.OFFER, False, 7),)
    issued = [move("burn", ACCOUNT, amount=3), move("mint", ACCOUNT, of=Asset.native(), amount=100)]
    assert amounts_from_events(issued * trades, 7) == (Amount(3 * trades, Kind.OFFER, False, 7),)


SILENT = {
    "a claim": [("transfer", BALANCE, ACCOUNT)],
    "a claim by the issuer": [("burn", BALANCE)],
    "the clawback of a claimable balance": [("clawback", BALANCE)],
    "the same before CAP-67": [("clawback", ISSUER, BALANCE)],
    "a trust line that was revoked": [("transfer", POOL, BALANCE), ("transfer", POOL, BALANCE)],
}


@pytest.mark.parametrize("moved", SILENT.values(), ids=SILENT)
def test_what_horizon_does_not_play_is_not_played_from_events(moved: list[tuple[str, ...]]) -> None:
    assert amounts_from_events([move(*one) for one in moved], 7) == ()


ISSUED = {
    "a claimable balance": ([("mint", BALANCE)], Kind.CLAIMABLE),
    "a deposit": ([("mint", POOL), ("transfer", ACCOUNT, POOL)], Kind.POOL),
    "a withdrawal": ([("transfer", POOL, ACCOUNT), ("burn", POOL)], Kind.POOL),
    "a payment": ([("mint", ACCOUNT)], Kind.PAYMENT),
    "a repayment": ([("burn", ACCOUNT)], Kind.PAYMENT),
    "a call": ([("mint", CONTRACT)], Kind.CONTRACT),
}


@pytest.mark.parametrize(("moved", "kind"), ISSUED.values(), ids=ISSUED)
def test_what_an_issuer_does_is_of_the_same_kind(moved: list[tuple[str, ...]], kind: Kind) -> None:
    assert amounts_from_events([move(*one) for one in moved], 7) == (Amount(5, kind, False, 7),)


def test_a_contract_sounds_no_more_than_a_chord() -> None:
    assert len(amounts_from_events([move("burn", CONTRACT)] * 40, 7)) == MAX_CHANGES


def test_an_end_of_an_event_is_an_address() -> None:
    contract, topics, value = parts(contract_event("burn", (CONTRACT,), OTHER, 5, HERE))
    assert Address(CONTRACT).address == StrKey.encode_contract(bytes(32))
    with pytest.raises(BadRecord):
        event(contract, [topics[0], topics[1][:-4], topics[2]], value, HERE)
    odd = [topics[0], scval.to_uint64(1).to_xdr(), topics[2]]
    found = event(contract, odd, value, HERE)
    assert found is not None
    assert amounts_from_events([found], 7) == (Amount(5, Kind.PAYMENT, False, 7),)
