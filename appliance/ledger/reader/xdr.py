# SPDX-License-Identifier: Apache-2.0
"""Parses Stellar's binary records (XDR): the amounts of an operation, as `amounts` does it for Horizon's JSON.

The same operation gives the same amounts here as there, exact to the stroop. Whatever the bytes hold, the only
exception that leaves this module is BadRecord. stellar_sdk only decodes here and opens no connection. Pure functions;
loaded only for an RPC endpoint.

A transaction has everything: its envelope the offers and payments, its result what a path payment delivered, its meta
how a pool's reserves changed, its events what a contract moved. An event of CAP-67 says only that something moved; the
kind of operation is derived from all events of the operation, as far as possible:

    an end of it is a contract           CONTRACT      each of them, at most MAX_CHANGES
    all go to pools, or all come out     POOL          the first: both reserves show the same flow
    a claimable balance is an end        CLAIMABLE
    a clawback                           CLAWBACK
    several                              PATH_PAYMENT  the last: what is delivered; or an offer that was taken
    one                                  PAYMENT       or a new account: the event is the same
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from stellar_sdk import Address, Asset, scval, xdr
from stellar_sdk.exceptions import SdkError

from appliance.ledger.reader.amounts import MAX_CHANGES, BadRecord
from appliance.ledger.tape.format import MAX_CLASSIC, MAX_CONTRACT
from appliance.values import Amount, Kind

# How many topics follow the name of an event that moves a Stellar asset; events of other tokens lack the asset.
FLOWS = {"transfer": 3, "mint": 2, "burn": 2, "clawback": 2}

_Flow = tuple[int, bool]  # stroops, native
_End = xdr.SCAddressType


@dataclass(frozen=True, slots=True)
class Event:
    """A movement of an asset."""

    name: str  # one of FLOWS
    ends: tuple[_End, ...]  # from and to, or the one that there is
    native: bool
    stroops: int


def topic(name: str) -> str:
    """The name of an event as getEvents filters for it."""
    return scval.to_symbol(name).to_xdr()


def event(contract: str, topics: Sequence[str], value: str, passphrase: str) -> Event:
    """The movement in an event of the contract at this address; raises BadRecord."""
    with _as_bad():
        name, *ends, asset = topics
        values = [_topic(name), *map(xdr.SCVal.from_xdr, ends), _topic(asset)]
        found = _event(contract, values, xdr.SCVal.from_xdr(value), passphrase)
    if found is None:
        raise BadRecord("An event that moves no Stellar asset.")
    return found


def amounts_from_events(events: Sequence[Event], ledger: int) -> tuple[Amount, ...]:
    """The non-zero amounts of one operation by its events, at least one. See the table above."""
    ends = {end for event in events for end in event.ends}
    pools = {event.ends.index(_End.SC_ADDRESS_TYPE_LIQUIDITY_POOL) for event in events if _pooled(event)}
    kind, counted = Kind.PAYMENT, events[-1:]
    if _End.SC_ADDRESS_TYPE_CONTRACT in ends:
        kind, counted = Kind.CONTRACT, events[:MAX_CHANGES]
    elif len(pools) == 1 and all(map(_pooled, events)):
        kind, counted = Kind.POOL, events[:1]
    elif _End.SC_ADDRESS_TYPE_CLAIMABLE_BALANCE in ends:
        kind = Kind.CLAIMABLE
    elif events[0].name == "clawback":
        kind = Kind.CLAWBACK
    elif len(events) > 1:
        kind = Kind.PATH_PAYMENT
    return tuple(Amount(e.stroops, kind, e.native, ledger) for e in counted if e.stroops > 0)


def operations(
    envelope: str,
    result: str,
    meta: str,
    events: Sequence[Sequence[str]] | None,
    passphrase: str,
    ledger: int,
) -> list[tuple[Amount, ...]]:
    """The non-zero amounts of each operation of a successful transaction; raises BadRecord.

    `events` are those of its contracts, by operation, if the server sends them; otherwise they are in the meta.
    """
    with _as_bad():
        bodies = [operation.body for operation in _transaction(envelope).operations]
        outcomes = _outcomes(result)
        if len(bodies) != len(outcomes):
            raise BadRecord("A transaction without the results of its operations.")
        moved = _Moved(meta, events, passphrase)
        return [
            tuple(
                Amount(stroops, kind, native, ledger)
                for kind, (stroops, native) in _flows(bodies[at], outcomes[at], moved, at)
                if stroops > 0
            )
            for at in range(len(bodies))
        ]


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


def _pooled(event: Event) -> bool:
    return _End.SC_ADDRESS_TYPE_LIQUIDITY_POOL in event.ends


def _event(contract: str, topics: Sequence[xdr.SCVal], value: xdr.SCVal, passphrase: str) -> Event | None:
    """The movement in an event; None if it moves no Stellar asset."""
    if len(topics) < 3 or topics[0].type != xdr.SCValType.SCV_SYMBOL:
        return None
    name, asset = scval.from_symbol(topics[0]), topics[-1]
    if len(topics) != FLOWS.get(name, 0) + 1 or asset.type != xdr.SCValType.SCV_STRING:
        return None
    text = scval.from_string(asset).decode()
    if contract != _contract(text, passphrase):  # anybody can deploy a contract that claims it
        return None
    if value.map is not None:  # with the memo of a payment that has one
        pairs = {scval.from_symbol(entry.key): entry.val for entry in value.map.sc_map}
        value = pairs["amount"]
    amount = scval.from_int128(value)
    if not 0 <= amount <= MAX_CONTRACT:
        raise BadRecord("An event whose amount is out of range.")
    ends = tuple(end.address.type for end in topics[1:-1] if end.address)
    return Event(name, ends, text == "native", amount)


@lru_cache(1024)  # names and assets repeat; accounts are not cached
def _topic(text: str) -> xdr.SCVal:
    return xdr.SCVal.from_xdr(text)


@lru_cache(1024)  # each costs two hashes
def _contract(asset: str, passphrase: str) -> str:
    """The address of the contract of an asset, which is written as in SEP-11."""
    code, _, issuer = asset.partition(":")
    return (Asset.native() if asset == "native" else Asset(code, issuer)).contract_id(passphrase)


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
        if event.contract_id is None:
            return None
        contract = Address.from_raw_contract(event.contract_id.contract_id.hash).address
        return _event(contract, event.body.v0.topics, event.body.v0.data, self._passphrase)


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
