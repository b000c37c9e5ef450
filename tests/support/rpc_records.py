# SPDX-License-Identifier: Apache-2.0
"""Horizon's records as Stellar RPC sends them: the same operations in XDR, made by the SDK, and their events.

Made from Horizon's record alone, without the box's own decoder. Operations without an amount become bump_sequence,
which has none either.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from stellar_sdk import (
    Asset,
    BumpSequence,
    Claimant,
    Clawback,
    CreateAccount,
    CreateClaimableBalance,
    CreatePassiveSellOffer,
    InvokeHostFunction,
    Keypair,
    LiquidityPoolDeposit,
    LiquidityPoolWithdraw,
    ManageBuyOffer,
    ManageSellOffer,
    Operation,
    PathPaymentStrictReceive,
    PathPaymentStrictSend,
    Payment,
    Price,
    StrKey,
    TransactionEnvelope,
    scval,
    xdr,
)
from stellar_sdk import Transaction as Signed
from stellar_sdk.soroban_rpc import EventInfo, Transaction

from tests.support.horizon_records import ACCOUNT, ISSUER, Record

POOL_ID = "dd7b1ab831c273310ddbec6f97870aa83c2fbd78ce22aded37ecbf4f3380fac7"
POOL = StrKey.encode_liquidity_pool(bytes.fromhex(POOL_ID))
BALANCE = StrKey.encode_claimable_balance(b"\0" + bytes(32))
CONTRACT = StrKey.encode_contract(bytes(32))
OTHER = Asset("OTHER", ISSUER)
ONE = Price(1, 1)


def stroops(amount: str) -> int:
    """An amount of Horizon's in stroops."""
    return Operation.to_xdr_amount(amount)


def asset(record: Record, prefix: str = "") -> Asset:
    """The asset that the fields of a record tell."""
    text = record.get(f"{prefix}asset")
    if text:
        return Asset.native() if text == "native" else Asset(*text.split(":"))
    if record[f"{prefix}asset_type"] == "native":
        return Asset.native()
    return Asset(record[f"{prefix}asset_code"], record[f"{prefix}asset_issuer"])


def operation(record: Record) -> Operation:
    """The operation that Horizon tells of."""
    amount = record.get("amount", "0")
    match record["type_i"]:
        case 0:
            return CreateAccount(ACCOUNT, record["starting_balance"])
        case 1:
            return Payment(ACCOUNT, asset(record), amount)
        case 2:
            return PathPaymentStrictReceive(ACCOUNT, OTHER, "9", asset(record), amount, [])
        case 3:
            return ManageSellOffer(asset(record, "selling_"), OTHER, amount, ONE)
        case 4:
            return CreatePassiveSellOffer(asset(record, "selling_"), OTHER, amount, ONE)
        case 12:
            return ManageBuyOffer(OTHER, asset(record, "buying_"), amount, ONE)
        case 13:  # what is delivered is in the result alone
            return PathPaymentStrictSend(ACCOUNT, OTHER, "9", asset(record), "0.0000001", [])
        case 14:
            return CreateClaimableBalance(asset(record), amount, [Claimant(ACCOUNT)])
        case 19:
            return Clawback(asset(record), ACCOUNT, amount)
        case 22:  # what was deposited or withdrawn is in the meta alone
            return LiquidityPoolDeposit(POOL_ID, "9", "9", ONE, ONE)
        case 23:
            return LiquidityPoolWithdraw(POOL_ID, "9", "0", "0")
        case 24:
            upload = xdr.HostFunctionType.HOST_FUNCTION_TYPE_UPLOAD_CONTRACT_WASM
            return InvokeHostFunction(xdr.HostFunction(upload, wasm=b""), [])
    return BumpSequence(1)


# --- what came of it ----------------------------------------------------------------------------------------

_PLAIN: dict[int, tuple[str, Any, Any]] = {  # results that hold nothing but success, which is 0
    0: ("create_account_result", xdr.CreateAccountResult, xdr.CreateAccountResultCode),
    1: ("payment_result", xdr.PaymentResult, xdr.PaymentResultCode),
    11: ("bump_seq_result", xdr.BumpSequenceResult, xdr.BumpSequenceResultCode),
    19: ("clawback_result", xdr.ClawbackResult, xdr.ClawbackResultCode),
    22: (
        "liquidity_pool_deposit_result",
        xdr.LiquidityPoolDepositResult,
        xdr.LiquidityPoolDepositResultCode,
    ),
    23: (
        "liquidity_pool_withdraw_result",
        xdr.LiquidityPoolWithdrawResult,
        xdr.LiquidityPoolWithdrawResultCode,
    ),
}


def outcome(record: Record, kind: int) -> xdr.OperationResult:
    """The success of an operation of the number `kind`."""
    last = xdr.SimplePaymentResult(
        Keypair.from_public_key(ACCOUNT).xdr_account_id(),
        asset(record).to_xdr_object() if kind in (2, 13) else Asset.native().to_xdr_object(),
        xdr.Int64(stroops(record.get("amount", "0"))),
    )
    deleted = xdr.ManageOfferSuccessResult(
        [], xdr.ManageOfferSuccessResultOffer(xdr.ManageOfferEffect.MANAGE_OFFER_DELETED)
    )
    arm: dict[str, Any]
    match kind:
        case 2:
            received = xdr.PathPaymentStrictReceiveResultSuccess([], last)
            code = xdr.PathPaymentStrictReceiveResultCode.PATH_PAYMENT_STRICT_RECEIVE_SUCCESS
            arm = {
                "path_payment_strict_receive_result": xdr.PathPaymentStrictReceiveResult(
                    code, success=received
                )
            }
        case 13:
            sent = xdr.PathPaymentStrictSendResultSuccess([], last)
            sending = xdr.PathPaymentStrictSendResultCode.PATH_PAYMENT_STRICT_SEND_SUCCESS
            arm = {"path_payment_strict_send_result": xdr.PathPaymentStrictSendResult(sending, success=sent)}
        case 3 | 4:
            selling = xdr.ManageSellOfferResult(
                xdr.ManageSellOfferResultCode.MANAGE_SELL_OFFER_SUCCESS, success=deleted
            )
            name = "manage_sell_offer_result" if kind == 3 else "create_passive_sell_offer_result"
            arm = {name: selling}
        case 12:
            buying = xdr.ManageBuyOfferResultCode.MANAGE_BUY_OFFER_SUCCESS
            arm = {"manage_buy_offer_result": xdr.ManageBuyOfferResult(buying, success=deleted)}
        case 14:
            balance = xdr.ClaimableBalanceID(
                xdr.ClaimableBalanceIDType.CLAIMABLE_BALANCE_ID_TYPE_V0, xdr.Hash(bytes(32))
            )
            made = xdr.CreateClaimableBalanceResultCode.CREATE_CLAIMABLE_BALANCE_SUCCESS
            arm = {
                "create_claimable_balance_result": xdr.CreateClaimableBalanceResult(made, balance_id=balance)
            }
        case 24:
            invoked = xdr.InvokeHostFunctionResultCode.INVOKE_HOST_FUNCTION_SUCCESS
            arm = {
                "invoke_host_function_result": xdr.InvokeHostFunctionResult(
                    invoked, success=xdr.Hash(bytes(32))
                )
            }
        case _:
            field, result, codes = _PLAIN[kind]
            arm = {field: result(codes(0))}
    tr = xdr.OperationResultTr(xdr.OperationType(kind), **arm)
    return xdr.OperationResult(xdr.OperationResultCode.opINNER, tr=tr)


def result(outcomes: Sequence[xdr.OperationResult], ok: bool) -> xdr.TransactionResult:
    """The result of a transaction."""
    code = xdr.TransactionResultCode.txSUCCESS if ok else xdr.TransactionResultCode.txBAD_SEQ
    inner = xdr.TransactionResultResult(code, results=list(outcomes) if ok else None)
    return xdr.TransactionResult(xdr.Int64(100), inner, xdr.TransactionResultExt(0))


def changes(record: Record) -> xdr.LedgerEntryChanges:
    """How a pool's entry changed, where the operation was one of a pool."""
    reserves = record.get("reserves_deposited") or record.get("reserves_received")
    if not reserves:
        return xdr.LedgerEntryChanges([])
    amount = stroops(reserves[0]["amount"])
    before, after = (0, amount) if "reserves_deposited" in record else (amount, 0)
    first = asset(reserves[0])
    state = xdr.LedgerEntryChangeType.LEDGER_ENTRY_STATE
    updated = xdr.LedgerEntryChangeType.LEDGER_ENTRY_UPDATED
    return xdr.LedgerEntryChanges(
        [
            xdr.LedgerEntryChange(state, state=_pool(first, before)),
            xdr.LedgerEntryChange(updated, updated=_pool(first, after)),
        ]
    )


def _pool(first: Asset, reserve: int) -> xdr.LedgerEntry:
    kind = xdr.LiquidityPoolType.LIQUIDITY_POOL_CONSTANT_PRODUCT
    held = xdr.LiquidityPoolEntryConstantProduct(
        xdr.LiquidityPoolConstantProductParameters(
            first.to_xdr_object(), OTHER.to_xdr_object(), xdr.Int32(30)
        ),
        *(xdr.Int64(number) for number in (reserve, 7, 7, 1)),
    )
    entry = xdr.LiquidityPoolEntry(
        xdr.PoolID(xdr.Hash(bytes.fromhex(POOL_ID))), xdr.LiquidityPoolEntryBody(kind, constant_product=held)
    )
    entry_data = xdr.LedgerEntryData(xdr.LedgerEntryType.LIQUIDITY_POOL, liquidity_pool=entry)
    return xdr.LedgerEntry(xdr.Uint32(1), entry_data, xdr.LedgerEntryExt(0))


# --- events -------------------------------------------------------------------------------------------------


def contract_event(
    name: str, ends: Sequence[str], of: Asset, amount: int, passphrase: str, *, memo: bool = False
) -> xdr.ContractEvent:
    """An event of CAP-67."""
    value = scval.to_int128(amount)
    if memo:
        pair = {scval.to_symbol("amount"): value, scval.to_symbol("to_muxed_id"): scval.to_uint64(7)}
        value = scval.to_map(pair)
    topics = [scval.to_symbol(name), *map(scval.to_address, ends)]
    if name != "fee":
        topics.append(scval.to_string("native" if of.is_native() else f"{of.code}:{of.issuer}"))
    return xdr.ContractEvent(
        xdr.ExtensionPoint(0),
        xdr.ContractID(xdr.Hash(StrKey.decode_contract(of.contract_id(passphrase)))),
        xdr.ContractEventType.CONTRACT,
        xdr.ContractEventBody(0, xdr.ContractEventV0(topics, value)),
    )


def moves(record: Record, passphrase: str) -> list[xdr.ContractEvent]:
    """The events of an operation on a node that emits those of classic ones; offers that none takes have none."""

    def move(name: str, ends: Sequence[str], of: Asset, amount: str) -> xdr.ContractEvent:
        return contract_event(name, ends, of, stroops(amount), passphrase)

    match record["type_i"]:
        case 0:
            return [move("transfer", (ISSUER, ACCOUNT), Asset.native(), record["starting_balance"])]
        case 1:
            return [move("transfer", (ACCOUNT, ISSUER), asset(record), record["amount"])]
        case 2 | 13:
            return [
                *trade(asset(record), record["amount"], passphrase),
                move("transfer", (ACCOUNT, ISSUER), asset(record), record["amount"]),
            ]
        case 8:  # Horizon does not tell the balance
            return [move("transfer", (ACCOUNT, ISSUER), Asset.native(), "3.21")]
        case 15:
            return [move("transfer", (BALANCE, ACCOUNT), Asset.native(), "4.32")]
        case 20:
            return [move("clawback", (BALANCE,), OTHER, "5.43")]
        case 14:
            return [move("transfer", (ACCOUNT, BALANCE), asset(record), record["amount"])]
        case 19:
            return [move("clawback", (ACCOUNT,), asset(record), record["amount"])]
        case 22:
            return [
                move("transfer", (ACCOUNT, POOL), asset(r), r["amount"]) for r in record["reserves_deposited"]
            ]
        case 23:
            return [
                move("transfer", (POOL, ACCOUNT), asset(r), r["amount"]) for r in record["reserves_received"]
            ]
        case 24:
            return [
                contract_event(
                    c["type"],
                    (CONTRACT, ACCOUNT) if c["type"] == "transfer" else (CONTRACT,),
                    asset(c),
                    stroops_of_contract(c["amount"]),
                    passphrase,
                )
                for c in record.get("asset_balance_changes") or []
            ]
    return []


def trade(bought: Asset, amount: str, passphrase: str, *, other: str = ISSUER) -> list[xdr.ContractEvent]:
    """The two events of a trade: what is sold goes to the `other` side, and what is bought comes back."""
    return [
        contract_event("transfer", (ACCOUNT, other), OTHER, 7, passphrase),
        contract_event("transfer", (other, ACCOUNT), bought, stroops(amount), passphrase),
    ]


def stroops_of_contract(amount: str) -> int:
    """An amount of up to 128 bits."""
    whole, _, fraction = amount.partition(".")
    return int(whole + fraction.ljust(7, "0"))


# --- as a server tells it -----------------------------------------------------------------------------------


def transaction(records: Sequence[Record], passphrase: str, *, classic: bool = True) -> Transaction:
    """A transaction of getTransactions, of the operations that Horizon tells of."""
    made = [operation(record) for record in records]
    outcomes = [
        outcome(record, op.to_xdr_object().body.type.value) for record, op in zip(records, made, strict=True)
    ]
    own = [moves(record, passphrase) if classic or record["type_i"] == 24 else [] for record in records]
    metas = [
        xdr.OperationMetaV2(xdr.ExtensionPoint(0), changes(record), events)
        for record, events in zip(records, own, strict=True)
    ]
    none = xdr.LedgerEntryChanges([])
    meta = xdr.TransactionMeta(
        4, v4=xdr.TransactionMetaV4(xdr.ExtensionPoint(0), none, metas, none, None, [], [])
    )
    signed = Signed(Keypair.from_public_key(ACCOUNT), 1, 100, made, v1=True)
    ok = records[0].get("transaction_successful") is not False
    identity = int(records[0]["id"])
    return Transaction.model_validate(
        {
            "status": "SUCCESS" if ok else "FAILED",
            "txHash": records[0]["transaction_hash"],
            "applicationOrder": identity >> 12 & 0xFFFFF,
            "feeBump": False,
            "envelopeXdr": TransactionEnvelope(signed, passphrase).to_xdr(),
            "resultXdr": result(outcomes, ok).to_xdr(),
            "resultMetaXdr": meta.to_xdr(),
            "ledger": identity >> 32,
            "createdAt": int(datetime.fromisoformat(records[0]["created_at"]).timestamp()),
            "events": {"contractEventsXdr": [[event.to_xdr() for event in events] for events in own]},
        }
    )


def event_info(event: xdr.ContractEvent, record: Record, number: int) -> EventInfo:
    """An event of getEvents, the one numbered `number` of its operation."""
    assert event.contract_id is not None
    assert event.body.v0 is not None
    identity = int(record["id"])
    return EventInfo.model_validate(
        {
            "type": "contract",
            "ledger": identity >> 32,
            "ledgerClosedAt": record["created_at"],
            "contractId": StrKey.encode_contract(event.contract_id.contract_id.hash),
            "id": f"{identity:019d}-{number:010d}",
            "operationIndex": identity & 0xFFF,
            "transactionIndex": identity >> 12 & 0xFFFFF,
            "txHash": record["transaction_hash"],
            "topic": [topic.to_xdr() for topic in event.body.v0.topics],
            "value": event.body.v0.data.to_xdr(),
        }
    )
