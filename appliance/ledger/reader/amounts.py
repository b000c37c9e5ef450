# SPDX-License-Identifier: Apache-2.0
"""Parses Horizon's JSON records: the amounts of an operation, and the ledger of a ledger record.

Amounts are read as digits, never as floats, so they are exact to the stroop. Whatever the JSON holds, the only
exception that leaves this module is BadRecord; the caller drops that record and counts it. Pure functions.

What counts as an amount, by `type_i` (names have changed over the years, numbers have not); other types have none:

     0  create_account               starting_balance              lumens; 0 when the account is sponsored
     1  payment                      amount
     2  path_payment_strict_receive  amount                        as delivered, not as sent
    13  path_payment_strict_send     amount                        as delivered, not as sent
     3  manage_sell_offer            amount                        of the asset for sale; 0 deletes the offer
     4  create_passive_sell_offer    amount                        of the asset for sale
    12  manage_buy_offer             amount                        of the asset to buy; 0 deletes the offer
    14  create_claimable_balance     amount                        asset is "native" or "CODE:ISSUER"
    19  clawback                     amount
    22  liquidity_pool_deposit       reserves_deposited[0].amount
    23  liquidity_pool_withdraw      reserves_received[0].amount
    24  invoke_host_function         asset_balance_changes[].amount  null or absent for most calls

An operation of a failed transaction moved nothing and has no amounts, though `include_failed` lists it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from appliance.ledger.tape.format import MAX_CLASSIC, MAX_CONTRACT
from appliance.values import MAX_OPERATIONS, Amount, BoxError, Kind, Ledger

# One call of a contract can list hundreds of changes; more than a chord of them would only be noise.
MAX_CHANGES = 16  # amounts of one operation

_KINDS = {
    0: Kind.CREATE,
    1: Kind.PAYMENT,
    2: Kind.PATH_PAYMENT,
    3: Kind.OFFER,
    4: Kind.OFFER,
    12: Kind.OFFER,
    13: Kind.PATH_PAYMENT,
    14: Kind.CLAIMABLE,
    19: Kind.CLAWBACK,
    22: Kind.POOL,
    23: Kind.POOL,
    24: Kind.CONTRACT,
}
# The field that names an amount's asset, where that is not `asset_type`.
_ASSETS = {3: "selling_asset_type", 4: "selling_asset_type", 12: "buying_asset_type", 14: "asset"}
_RESERVES = {22: "reserves_deposited", 23: "reserves_received"}
_TOKEN = re.compile("[0-9]{1,19}")
# 32 digits of whole units and 7 of stroops hold 2^127 - 1. Digits only: no sign, exponent, NaN or Infinity.
_AMOUNT = re.compile(r"([0-9]{1,32})(?:\.([0-9]{1,7}))?")


class BadRecord(BoxError, ValueError):
    """A record does not have the shape of its type. The caller drops and counts it."""


def amounts_of(record: Mapping[str, Any], ledger: int) -> tuple[Amount, ...]:
    """The non-zero amounts of one operation, in their order; at most MAX_CHANGES of them.

    `record` is an operation as Horizon renders it, `ledger` the sequence number of its ledger. Operations
    without an amount, of failed transactions and of unknown types give none. Raises BadRecord for a record
    that has no whole-number `type_i`, or lacks the field its type promises, or whose amount is not a decimal
    number of at most 7 places from 0 to MAX_CLASSIC stroops (MAX_CONTRACT for a contract's).
    """
    type_i = _field(record, "type_i", int)
    kind = _KINDS.get(type_i)
    if kind is None or record.get("transaction_successful") is False:
        return ()
    return tuple(
        Amount(stroops, kind, native, ledger) for stroops, native in _flows(record, type_i) if stroops > 0
    )


def _flows(record: Mapping[str, Any], type_i: int) -> list[tuple[int, bool]]:
    """What moved, as (stroops, native) pairs, zeros included."""
    if type_i == 0:
        return [(_stroops(record, "starting_balance"), True)]
    if type_i in _RESERVES:
        reserves = _field(record, _RESERVES[type_i], list)
        if not reserves:
            raise BadRecord(f"Operation type {type_i} without reserves.")
        # Only the first of the two: both reserves show the same flow.
        return [(_stroops(reserves[0], "amount"), _native(reserves[0], "asset"))]
    if type_i == 24:
        changes = record.get("asset_balance_changes")
        if changes is None:
            return []
        if not isinstance(changes, list):
            raise BadRecord("asset_balance_changes is not a list.")
        return [
            (_stroops(change, "amount", MAX_CONTRACT), _native(change, "asset_type"))
            for change in changes[:MAX_CHANGES]
        ]
    return [(_stroops(record, "amount"), _native(record, _ASSETS.get(type_i, "asset_type")))]


def parse_paging_token(value: Any) -> int:
    """The number in a paging token or id of Horizon's, 0 to 2^63 - 1; raises BadRecord for anything else."""
    if isinstance(value, str) and _TOKEN.fullmatch(value):
        value = int(value)
    if type(value) is not int or not 0 <= value < 2**63:
        raise BadRecord("An id that is not a number of 63 bits.")
    return value


def ledger_from_record(record: Mapping[str, Any]) -> Ledger:
    """A ledger, still without amounts, from Horizon's record of it; raises BadRecord.

    Old records leave transaction counts out, or null: they count as 0.
    """
    return Ledger(
        sequence=_count(record, "sequence"),
        closed_at=parse_time(_field(record, "closed_at", str)),
        operations=_count(record, "operation_count", most=MAX_OPERATIONS),
        succeeded=_count(record, "successful_transaction_count", absent=0),
        failed=_count(record, "failed_transaction_count", absent=0),
        amounts=(),
    )


def ledger_from_operations(sequence: int, records: Iterable[Mapping[str, Any]]) -> tuple[Ledger | None, int]:
    """The ledger `sequence` as its operations describe it, and how many of `records` were bad.

    Transactions are counted by their hashes, which are not kept. Without a good record there is no ledger.
    """
    amounts: list[Amount] = []
    succeeded: set[Any] = set()
    failed: set[Any] = set()
    operations = bad = 0
    closed_at = -1
    for record in records:
        try:
            amounts += amounts_of(record, sequence)
            closed_at = parse_time(_field(record, "created_at", str))
            transaction = _field(record, "transaction_hash", str)
        except BadRecord:
            bad += 1
            continue
        if record.get("transaction_successful") is False:
            failed.add(transaction)
        else:
            succeeded.add(transaction)
            operations += 1
    if closed_at < 0:
        return None, bad
    return Ledger(sequence, closed_at, operations, len(succeeded), len(failed), tuple(amounts)), bad


@lru_cache(16)  # all operations of a ledger have its time
def parse_time(text: str) -> int:
    """Seconds since 1970 from Horizon's `2026-11-24T01:49:19Z`; raises BadRecord for anything else."""
    try:
        seconds = int(datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z").timestamp())
    except (ValueError, OverflowError) as error:
        raise BadRecord("A close time that is not a time.") from error
    if seconds < 0:
        raise BadRecord("A close time before 1970.")
    return seconds


def _field(record: Any, name: str, kind: type) -> Any:
    """The field `name`, which must be exactly of type `kind` (JSON's true is not a number here)."""
    value = record.get(name) if isinstance(record, dict) else None
    if type(value) is not kind:
        raise BadRecord(f"A record without a valid {name}.")
    return value


def _count(record: Any, name: str, absent: int | None = None, most: int = 2**31 - 1) -> int:
    """A count of 0 to `most`; `absent` is the value where Horizon left it out."""
    if absent is not None and isinstance(record, dict) and record.get(name) is None:
        return absent
    value: int = _field(record, name, int)
    if not 0 <= value <= most:
        raise BadRecord(f"A record whose {name} is out of range.")
    return value


def _stroops(record: Any, name: str, most: int = MAX_CLASSIC) -> int:
    """An amount field in stroops, 0 to `most`."""
    match = _AMOUNT.fullmatch(_field(record, name, str))
    if match is None:
        raise BadRecord(f"A record whose {name} is not an amount.")
    whole, fraction = match.groups(default="")
    stroops = int(whole + fraction.ljust(7, "0"))
    if stroops > most:
        raise BadRecord(f"A record whose {name} is more than a ledger can hold.")
    return stroops


def _native(record: Any, name: str) -> bool:
    """Whether the asset in the field `name` is lumens."""
    return bool(_field(record, name, str) == "native")
