# SPDX-License-Identifier: Apache-2.0
"""A Horizon whose ledger takes payments: real signed envelopes of stellar-sdk, applied by a few rules of the core.

Sequence numbers, time bounds, signatures (one that is not needed is refused), fees, balances and data entries. Answers
are as Horizon writes them, as far as the pieces read them.

    python -m tests.support.paying_horizon --host 10.77.0.200 --port 8000
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from stellar_sdk import (
    Asset,
    HashMemo,
    Keypair,
    ManageData,
    Payment,
    ReturnHashMemo,
    TextMemo,
    TransactionEnvelope,
)
from stellar_sdk.exceptions import BadSignatureError

PASSPHRASE = "Test Ledger"  # noqa: S105 - it names a network
FEE, RESERVE, GIFT = 100, 10_000_000, 10_000 * 10**7  # stroops


class Refused(Exception):
    """The code that stellar-core gives."""


@dataclass
class Account:
    """Balances are in stroops, by asset; there are no trust lines, so everybody takes every asset."""

    sequence: int = 0
    balances: dict[str, int] = field(default_factory=lambda: {"native": GIFT})
    data: dict[str, bytes] = field(default_factory=dict)


class Ledger:
    """Accounts, and what was paid."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.records: list[dict[str, Any]] = []
        self.lock = threading.Lock()

    def fund(self, account: str) -> None:
        """What friendbot does."""
        self.accounts.setdefault(account, Account())

    def apply(self, xdr: str) -> str:
        """Apply a transaction, and return its hash."""
        envelope = TransactionEnvelope.from_xdr(xdr, PASSPHRASE)
        transaction = envelope.transaction
        source = transaction.source.account_id
        account = self.accounts.get(source)
        if account is None:
            raise Refused("tx_no_source_account")
        if transaction.sequence != account.sequence + 1:
            raise Refused("tx_bad_seq")
        bounds = transaction.preconditions and transaction.preconditions.time_bounds
        if bounds and bounds.max_time and time.time() > bounds.max_time:
            raise Refused("tx_too_late")
        if len(envelope.signatures) != 1:
            raise Refused("tx_bad_auth_extra" if envelope.signatures else "tx_bad_auth")
        try:
            Keypair.from_public_key(source).verify(envelope.hash(), envelope.signatures[0].signature)
        except BadSignatureError as error:
            raise Refused("tx_bad_auth") from error
        account.sequence += 1
        account.balances["native"] -= FEE * len(transaction.operations)
        for operation in transaction.operations:
            match operation:
                case Payment():
                    self._pay(source, operation, envelope)
                case ManageData(data_name=name, data_value=value):
                    account.data[name] = value or b""
                case _:
                    raise Refused("op_not_supported")
        return envelope.hash_hex()

    def _pay(self, source: str, operation: Payment, envelope: TransactionEnvelope) -> None:
        to, asset, stroops = operation.destination.account_id, operation.asset, _stroops(operation.amount)
        name = "native" if asset.is_native() else f"{asset.code}:{asset.issuer}"
        if to not in self.accounts:
            raise Refused("op_no_destination")
        paying = self.accounts[source].balances
        if source != asset.issuer and paying.get(name, 0) - stroops < (RESERVE if name == "native" else 0):
            raise Refused("op_underfunded")
        paying[name] = paying.get(name, 0) - stroops
        taking = self.accounts[to].balances
        taking[name] = taking.get(name, 0) + stroops
        self.records.append(self._record(source, to, operation.amount, asset, envelope))

    def _record(
        self, source: str, to: str, amount: str, asset: Asset, envelope: TransactionEnvelope
    ) -> dict[str, Any]:
        token = str((len(self.records) + 1) << 32)
        record: dict[str, Any] = {
            "id": token,
            "paging_token": token,
            "type": "payment",
            "from": source,
            "to": to,
        }
        record |= {
            "transaction_successful": True,
            "transaction_hash": envelope.hash_hex(),
            "asset_type": asset.type,
        }
        if not asset.is_native():
            record |= {"asset_code": asset.code, "asset_issuer": asset.issuer}
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        record |= {
            "amount": f"{_stroops(amount) / 10**7:.7f}",
            "created_at": at,
            "transaction": _memo(envelope),
        }
        return record

    def payments(self, account: str, query: dict[str, str]) -> list[dict[str, Any]]:
        """A page of payments to and from an account."""
        found = [record for record in self.records if account in (record["from"], record["to"])]
        found = found[:: -1 if query.get("order") == "desc" else 1]
        cursor = int(query.get("cursor", "0"))
        return [record for record in found if int(record["paging_token"]) > cursor][
            : int(query.get("limit", "10"))
        ]

    def described(self, name: str) -> dict[str, Any]:
        """An account, as Horizon describes it."""
        account = self.accounts[name]
        data = {key: b64encode(value).decode() for key, value in account.data.items()}
        balances = [
            {
                "asset_type": asset if asset == "native" else "credit_alphanum4",
                "balance": f"{stroops / 10**7:.7f}",
            }
            for asset, stroops in account.balances.items()
        ]
        return {"id": name, "sequence": str(account.sequence), "data": data, "balances": balances}


def _memo(envelope: TransactionEnvelope) -> dict[str, Any]:
    match envelope.transaction.memo:
        case HashMemo(memo_hash=content):
            return {"memo_type": "hash", "memo": b64encode(content).decode()}
        case ReturnHashMemo(memo_return=content):
            return {"memo_type": "return", "memo": b64encode(content).decode()}
        case TextMemo(memo_text=content):
            return {"memo_type": "text", "memo": content.decode()}
    return {"memo_type": "none"}


def _stroops(amount: str) -> int:
    whole, _, rest = amount.partition(".")
    return int(whole) * 10**7 + int(rest.ljust(7, "0"))


class PayingHorizon:
    """Serves `ledger` on a thread while in the `with`. While `repeats`, each page begins with what was sent before."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.ledger, self.repeats, self.asked = Ledger(), False, 0
        horizon = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                with horizon.ledger.lock:
                    self.say(*horizon.answer(parts.path, query))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                with horizon.ledger.lock:
                    try:
                        found = horizon.ledger.apply(parse_qs(body)["tx"][0])
                        self.say(200, {"successful": True, "hash": found})
                    except Refused as error:
                        self.say(400, {"extras": {"result_codes": {"transaction": str(error)}}})

            def say(self, status: int, body: dict[str, Any]) -> None:
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        self._server = ThreadingHTTPServer((host, port), Handler)
        self._server.daemon_threads = True
        self.url = f"http://{host}:{self._server.server_address[1]}"

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Status and body of an answer."""
        self.asked += 1
        match path.strip("/").split("/"):
            case [""]:
                return 200, {"network_passphrase": PASSPHRASE, "horizon_version": "test"}
            case ["friendbot"]:
                self.ledger.fund(query["addr"])
                return 200, {"successful": True}
            case ["accounts", name] if name in self.ledger.accounts:
                return 200, self.ledger.described(name)
            case ["accounts", name, "payments"] if name in self.ledger.accounts:
                query = query | ({"cursor": "0"} if self.repeats else {})
                return 200, {"_embedded": {"records": self.ledger.payments(name, query)}}
        return 404, {"status": 404}

    def serve(self) -> None:
        """Answer until the end."""
        self._server.serve_forever(poll_interval=0.02)

    @contextmanager
    def running(self) -> Iterator[PayingHorizon]:
        """Answer while in the `with`."""
        thread = threading.Thread(target=self.serve, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


def main() -> None:
    """Serve from the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    arguments = parser.parse_args()
    PayingHorizon(arguments.host, arguments.port).serve()


if __name__ == "__main__":
    main()
