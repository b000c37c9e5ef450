# SPDX-License-Identifier: Apache-2.0
"""A wallet: the only module of the pieces that imports the SDK. The command line's, never the resident process's.

It writes the link with which an owner's own wallet points the account to the feed (SEP-7), and it is the throw-away
wallet of a rehearsal. It asks for no secret of anybody's, and keeps none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from stellar_sdk import Account, Asset, Keypair, TransactionBuilder
from stellar_sdk.memo import HashMemo, Memo, ReturnHashMemo

from appliance.pieces.feed import NATIVE
from appliance.pieces.horizon import Horizon, NoHorizon
from appliance.pieces.sales import PUBLIC_PASSPHRASE

FEE = 10_000  # stroops of an operation, at most; a quiet network takes 100
VALID = 300  # s in which a transaction is valid


def data_link(account: str, name: str, value: bytes, passphrase: str) -> str:
    """A SEP-7 link to the transaction that sets a data entry; the wallet fills in the sequence number and signs."""
    builder = TransactionBuilder(Account(account, -1), passphrase, FEE).append_manage_data_op(name, value)
    fields = {
        "xdr": builder.set_timeout(0).build().to_xdr(),
        "replace": "seqNum:X;X:the account's sequence number",
    }
    if passphrase != PUBLIC_PASSPHRASE:
        fields["network_passphrase"] = passphrase
    return "web+stellar:tx?" + "&".join(f"{key}={quote(text, safe='')}" for key, text in fields.items())


class Wallet:
    """A new account on a network whose friendbot gives lumens away."""

    def __init__(self, horizon: Horizon) -> None:
        self._horizon, self._pair = horizon, Keypair.random()
        self.account = self._pair.public_key

    def fund(self) -> None:
        """Ask friendbot for lumens. Raises NoHorizon."""
        if not self._horizon.get(f"/friendbot?addr={self.account}"):
            raise NoHorizon(f"The network {self._horizon.network.name} has no friendbot.")

    def signed(self, text: str) -> bytes:
        """A signed message (SEP-53)."""
        return self._pair.sign_message(text)

    def pay(self, to: str, amount: str, memo: bytes, *, back: bool = False, asset: str = NATIVE) -> str:
        """Pay, and return the hash of the transaction; `back` gives back the one that the memo names."""
        code, _, issuer = asset.partition(":")
        kind = Asset.native() if asset == NATIVE else Asset(code, issuer)
        said = ReturnHashMemo(memo) if back else HashMemo(memo)
        return self._submit(lambda builder: builder.append_payment_op(to, kind, amount), said)

    def set_data(self, name: str, value: bytes) -> str:
        """Set a data entry of the account."""
        return self._submit(lambda builder: builder.append_manage_data_op(name, value))

    def balance(self) -> int:
        """Stroops of lumens. Raises NoHorizon."""
        balances = self._account().get("balances", [])
        native = next(each["balance"] for each in balances if each["asset_type"] == NATIVE)
        whole, _, rest = native.partition(".")
        return int(whole) * 10**7 + int(rest.ljust(7, "0"))

    def _account(self) -> dict[str, Any]:
        found = self._horizon.get(f"/accounts/{self.account}")
        if not found:
            raise NoHorizon(f"{self.account} does not exist on {self._horizon.network.name}.")
        return found

    def _submit(
        self, append: Callable[[TransactionBuilder], TransactionBuilder], memo: Memo | None = None
    ) -> str:
        source = Account(self.account, int(str(self._account()["sequence"])))
        builder = append(TransactionBuilder(source, self._horizon.network.passphrase, FEE)).set_timeout(VALID)
        if memo:
            builder.add_memo(memo)
        envelope = builder.build()
        envelope.sign(self._pair)
        answer = self._horizon.post("/transactions", {"tx": envelope.to_xdr()}) or {}
        if answer.get("successful") is not True:
            raise NoHorizon(f"The transaction {envelope.hash_hex()} was not applied.")
        return envelope.hash_hex()
