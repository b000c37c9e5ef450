# SPDX-License-Identifier: Apache-2.0
"""Parses Stellar's binary records (XDR): the amounts of an operation, as `amounts` does it for Horizon's JSON.

The same operation gives the same amounts here as there, exact to the stroop. Whatever the bytes hold, the only
exception that leaves this module is BadRecord. stellar_sdk only decodes here and opens no connection. Pure functions;
loaded only for an RPC endpoint.

A transaction has everything: its envelope the offers and payments, its result what a path payment delivered, its meta
how a pool's reserves changed, its events what a contract moved. An event of CAP-67 says only that something moved; the
kind of operation is derived from all events of the operation, as far as possible:

    from or to a contract                    CONTRACT      each of them, at most MAX_CHANGES
    all go to pools, or all come out         POOL          the first: both reserves show the same flow
    to a claimable balance                   CLAIMABLE
    from a claimable balance                 nothing       a claim or its clawback: an amount was heard when it was made
    from a pool to a claimable balance       nothing       a trust line was revoked
    a clawback                               CLAWBACK
    an odd number                            PATH_PAYMENT  the last: what is delivered; a trade is two events
    an even number                           OFFER         what its owner sold: the first event of each trade
    one                                      PAYMENT

So a ledger by its events differs from Horizon's, and from the same ledger by its transactions, only in this:

    lost     offers that were not taken at once, and the part of an offer that was not taken
    added    merged accounts: a payment of their balance
    other    a new account is a payment; a buy offer counts what was sold for it; a contract that moves an asset
             between two accounts only is a payment

An event of a contract that is not the contract of its asset is foreign: whatever it holds, it is no error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from stellar_sdk import Address, Asset, scval, xdr
from stellar_sdk.exceptions import SdkError

from appliance.ledger.reader.amounts import MAX_CHANGES, BadRecord
from appliance.ledger.tape.format import MAX_CLASSIC, MAX_CONTRACT
from appliance.values import Amount, Kind

# How many topics an event that moves a Stellar asset can have after its name. Before CAP-67 (protocol 23) a mint and a
# clawback named the administrator first. Events of other tokens lack the asset, which is the last topic.
FLOWS = {"transfer": (3,), "mint": (2, 3), "burn": (2,), "clawback": (2, 3)}

# An asset as SEP-11 writes it. The checksum of the issuer is checked later.
_ASSET = re.compile(rb"native|([A-Za-z0-9]{1,12}):(G[A-Z2-7]{55})")

MAX_TOPIC = 120  # characters in base64; the longest asset takes 108. What is longer would fill the caches

_Flow = tuple[int, bool]  # stroops, native
_End = xdr.SCAddressType
_CONTRACT, _POOL, _BALANCE = (
    _End.SC_ADDRESS_TYPE_CONTRACT,
    _End.SC_ADDRESS_TYPE_LIQUIDITY_POOL,
    _End.SC_ADDRESS_TYPE_CLAIMABLE_BALANCE,
)


@dataclass(frozen=True, slots=True)
class Event:
    """A movement of an asset."""

    name: str  # one of FLOWS
    source: _End | None  # None for a mint
    target: _End | None  # None for a burn and a clawback
    native: bool
    stroops: int


def topic(name: str) -> str:
    """The name of an event as getEvents filters for it."""
    return scval.to_symbol(name).to_xdr()


def native_contract(passphrase: str) -> str:
    """The address of the contract of lumens on a network."""
    return Asset.native().contract_id(passphrase)


def event(contract: str, topics: Sequence[str], value: str, passphrase: str) -> Event | None:
    """The movement in an event of the contract at this address; None if it moves no Stellar asset. Raises BadRecord."""
    with _as_bad():
        if not 3 <= len(topics) <= 4:
            return None
        name, *ends, asset = topics
        if max(len(name), len(asset)) > MAX_TOPIC:
            return None
        flow = _claimed(contract, _topic(name), len(ends), _topic(asset), passphrase)
        if flow is None:
            return None
        return _event(*flow, list(map(xdr.SCVal.from_xdr, ends)), xdr.SCVal.from_xdr(value))


def amounts_from_events(events: Sequence[Event], ledger: int) -> tuple[Amount, ...]:
    """The non-zero amounts of one operation by its events. See the table above."""
    return tuple(Amount(e.stroops, kind, e.native, ledger) for kind, e in _heard(events) if e.stroops > 0)


def _heard(events: Sequence[Event]) -> list[tuple[Kind, Event]]:
    if any(_CONTRACT in (event.source, event.target) for event in events):
        return [(Kind.CONTRACT, event) for event in events[:MAX_CHANGES]]
    if not events or any(event.source == _BALANCE for event in events):
        return []
    if any(event.target == _BALANCE for event in events):
        return [(Kind.CLAIMABLE, event) for event in events[-1:] if event.source != _POOL]
    if all(event.target == _POOL for event in events) or all(event.source == _POOL for event in events):
        return [(Kind.POOL, events[0])]
    if events[0].name == "clawback":
        return [(Kind.CLAWBACK, events[0])]
    if len(events) == 1:
        return [(Kind.PAYMENT, events[0])]
    if len(events) % 2:
        return [(Kind.PATH_PAYMENT, events[-1])]
    return [(Kind.OFFER, replace(events[0], stroops=sum(event.stroops for event in events[::2])))]


def operations(
    envelope: str,
    result: str,
    meta: str,
    events: Sequence[Sequence[str]] | None,
    passphrase: str,
    ledger: int,
) -> list[tuple[Amount, ...] | None]:
    """The non-zero amounts of each operation of a successful transaction, None for a malformed one; raises BadRecord.

    `events` are those of its contracts, by operation, if the server sends them; otherwise they are in the meta.
    """
    with _as_bad():
        bodies = [operation.body for operation in _transaction(envelope).operations]
        outcomes = _outcomes(result)
        if len(bodies) != len(outcomes):
            raise BadRecord("A transaction without the results of its operations.")
    moved = _Moved(meta, events, passphrase)

    def amounts(at: int) -> tuple[Amount, ...] | None:
        try:
            with _as_bad():
                flows = _flows(bodies[at], outcomes[at], moved, at)
        except BadRecord:
            return None
        return tuple(
            Amount(stroops, kind, native, ledger) for kind, (stroops, native) in flows if stroops > 0
        )

    return [amounts(at) for at in range(len(bodies))]


@contextmanager
def _as_bad() -> Iterator[None]:
    """Turn every error that malformed bytes can cause in a decoder into BadRecord."""
    try:
        yield
    except (SdkError, ValueError, TypeError, AttributeError, LookupError, EOFError, RecursionError) as error:
        if isinstance(error, BadRecord):
            raise
        raise BadRecord("Malformed XDR.") from error


# --- events -------------------------------------------------------------------------------------------------


def _claimed(
    contract: str, name: xdr.SCVal, ends: int, asset: xdr.SCVal, passphrase: str
) -> tuple[str, bool] | None:
    """The name of a movement and whether it is of lumens; None if the contract is not the contract of this asset."""
    called = name.sym.sc_symbol.decode(errors="replace") if name.sym else ""
    text = asset.str.sc_string if asset.str else b""
    if ends + 1 not in FLOWS.get(called, ()) or not _ASSET.fullmatch(text):
        return None
    if contract != _contract(text, passphrase):  # anybody can deploy a contract that claims it
        return None
    return called, text == b"native"


def _event(name: str, native: bool, ends: Sequence[xdr.SCVal], value: xdr.SCVal) -> Event:
    if value.map is not None:  # with the memo of a payment that has one, or the number of a muxed account
        pairs = {scval.from_symbol(entry.key): entry.val for entry in value.map.sc_map}
        value = pairs["amount"]
    amount = scval.from_int128(value)
    if not 0 <= amount <= MAX_CONTRACT:
        raise BadRecord("An event whose amount is out of range.")
    kinds = [end.address.type if end.address else None for end in ends]
    source = None if name == "mint" else kinds[0] if name == "transfer" else kinds[-1]
    target = kinds[-1] if name in ("transfer", "mint") else None
    return Event(name, source, target, native, amount)


@lru_cache(1024)  # names and assets repeat; accounts are not cached
def _topic(text: str) -> xdr.SCVal:
    return xdr.SCVal.from_xdr(text)


@lru_cache(1024)  # each costs two hashes
def _contract(asset: bytes, passphrase: str) -> str | None:
    """The address of the contract of an asset, which is written as _ASSET says; None if its issuer cannot be."""
    code, _, issuer = asset.decode().partition(":")
    try:
        found = Asset(code, issuer) if issuer else Asset.native()
    except (SdkError, ValueError):  # the checksum is wrong
        return None
    return found.contract_id(passphrase)


# --- transactions -------------------------------------------------------------------------------------------


def _transaction(envelope: str) -> Any:
    signed: Any = xdr.TransactionEnvelope.from_xdr(envelope)
    if signed.fee_bump is not None:
        return signed.fee_bump.tx.inner_tx.v1.tx
    return (signed.v1 or signed.v0).tx


def _outcomes(result: str) -> Sequence[Any]:
    outer = xdr.TransactionResult.from_xdr(result).result
    inner = outer.inner_result_pair.result.result if outer.inner_result_pair is not None else outer
    return inner.results or ()


class _Moved:
    """What only a transaction's meta and events contain. They are large, so they are decoded only when needed."""

    def __init__(self, meta: str, events: Sequence[Sequence[str]] | None, passphrase: str) -> None:
        self._text, self._events, self._passphrase = meta, events, passphrase

    def _meta(self) -> Any:
        meta = xdr.TransactionMeta.from_xdr(self._text)
        return meta.v4 or meta.v3 or meta.v2 or meta.v1

    def pool(self, at: int) -> _Flow:
        """The change of a pool's first reserve."""
        before = after = 0
        native: bool | None = None
        for change in self._meta().operations[at].changes.ledger_entry_changes:
            entry = change.state or change.updated or change.created
            if entry is None or entry.data.liquidity_pool is None:
                continue
            pool = entry.data.liquidity_pool.body.constant_product
            native, reserve = _native(pool.params.asset_a), pool.reserve_a.int64
            if change.state is not None:
                before = reserve
            else:
                after = reserve
        if native is None:
            raise BadRecord("An operation of a pool whose meta has no pool.")
        return abs(after - before), native

    def contract(self, at: int) -> list[_Flow]:
        """The flows of a contract's operation."""
        events = [self._one(event) for event in self._raw(at)]
        return [(event.stroops, event.native) for event in events if event is not None][:MAX_CHANGES]

    def _raw(self, at: int) -> Sequence[Any]:
        if self._events is not None:
            texts = self._events[at] if at < len(self._events) else ()
            return [xdr.ContractEvent.from_xdr(text) for text in texts]
        meta = self._meta()
        operation = meta.operations[at]
        if isinstance(operation, xdr.OperationMetaV2):
            return operation.events
        soroban = getattr(meta, "soroban_meta", None)
        return soroban.events if soroban is not None else ()

    def _one(self, event: Any) -> Event | None:
        topics = event.body.v0.topics
        if event.contract_id is None or not 3 <= len(topics) <= 4:
            return None
        contract = Address.from_raw_contract(event.contract_id.contract_id.hash).address
        name, *ends, asset = topics
        flow = _claimed(contract, name, len(ends), asset, self._passphrase)
        return None if flow is None else _event(*flow, ends, event.body.v0.data)


def _flows(body: Any, outcome: Any, moved: _Moved, at: int) -> list[tuple[Kind, _Flow]]:
    """The flows of one operation, zeros included. By type number, as in `amounts`."""
    match body.type.value:
        case 0:
            return [(Kind.CREATE, _flow(body.create_account_op.starting_balance))]
        case 1:
            return [(Kind.PAYMENT, _flow(body.payment_op.amount, body.payment_op.asset))]
        case 2:
            op = body.path_payment_strict_receive_op
            return [(Kind.PATH_PAYMENT, _flow(op.dest_amount, op.dest_asset))]
        case 3:
            op = body.manage_sell_offer_op
            return [(Kind.OFFER, _flow(op.amount, op.selling))]
        case 4:
            op = body.create_passive_sell_offer_op
            return [(Kind.OFFER, _flow(op.amount, op.selling))]
        case 12:
            op = body.manage_buy_offer_op
            return [(Kind.OFFER, _flow(op.buy_amount, op.buying))]
        case 13:
            last = outcome.tr.path_payment_strict_send_result.success.last
            return [(Kind.PATH_PAYMENT, _flow(last.amount, last.asset))]
        case 14:
            op = body.create_claimable_balance_op
            return [(Kind.CLAIMABLE, _flow(op.amount, op.asset))]
        case 19:
            return [(Kind.CLAWBACK, _flow(body.clawback_op.amount, body.clawback_op.asset))]
        case 22 | 23:
            return [(Kind.POOL, moved.pool(at))]
        case 24:
            return [(Kind.CONTRACT, flow) for flow in moved.contract(at)]
    return []


def _flow(amount: Any, asset: Any = None) -> _Flow:
    stroops = amount.int64
    if not 0 <= stroops <= MAX_CLASSIC:
        raise BadRecord("An operation whose amount is out of range.")
    return stroops, asset is None or _native(asset)


def _native(asset: Any) -> bool:
    return bool(asset.type == xdr.AssetType.ASSET_TYPE_NATIVE)
