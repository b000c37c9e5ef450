# SPDX-License-Identifier: Apache-2.0
"""What the pieces ask of Horizon: payments to the artist's account, and the data entry of an account that is followed.

Not the listener's client, which loads the SDK (36 MB) and drops memos. Blocking calls of the standard library, which
the caller runs on a thread; certificates are verified, redirects are not followed, and answers are bounded.
"""

from __future__ import annotations

import json
import time
from base64 import b64decode
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from appliance.ledger.networks import RPC, Network
from appliance.pieces.feed import POINTER, read_pointer
from appliance.pieces.keys import Untrusted
from appliance.pieces.sales import token_of
from appliance.values import BoxError

if TYPE_CHECKING:
    from urllib.error import HTTPError
    from urllib.request import OpenerDirector

TIMEOUT = 15.0  # s for a connection, and for each read
LARGEST = 2 << 20  # bytes of an answer; 50 payments with their transactions have some 200 kB
PAGE = 50  # payments
PAGES = 40  # of one poll; the next poll goes on where it ended
SLOWEST = 60.0  # s for a whole answer
ANOTHER = "Try it later, or name another server in {endpoints}."
UNREACHED = (
    'Check this computer\'s connection and {endpoints}; with pieces.reach = "lan" the service reaches no server '
    "outside the network at home."
)


class NoHorizon(BoxError, OSError):
    """No Horizon server of the network gives a usable answer."""


class Horizon:
    """The Horizon servers of `network`. The first one that answers, and states its passphrase, is used."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._servers = [server for server in network.endpoints if not server.startswith(RPC)]
        self._good = ""

    @cached_property
    def _opener(self) -> OpenerDirector:
        # Imported only by a box that asks: it takes 3 MB.
        from urllib.request import HTTPRedirectHandler, build_opener

        class NoRedirect(HTTPRedirectHandler):
            def redirect_request(self, *_: Any, **__: Any) -> None:
                return None

        return build_opener(NoRedirect())

    def payments(self, account: str, cursor: int) -> Iterator[dict[str, Any]]:
        """Records after `cursor`, oldest first. Raises NoHorizon."""
        for _ in range(PAGES):
            query = {"join": "transactions", "order": "asc", "limit": str(PAGE), "cursor": str(cursor)}
            records = self._records(account, query)
            yield from records
            if len(records) < PAGE:
                return
            cursor = token_of(records[-1])

    def last(self, account: str) -> int:
        """The number of the account's last payment; 0 if it has none. Raises NoHorizon."""
        records = self._records(account, {"order": "desc", "limit": "1"})
        return token_of(records[0]) if records else 0

    def pointer(self, account: str) -> tuple[bytes, str]:
        """The feed's key, and a torrent of it, in the account's data entry. Raises NoHorizon and Untrusted."""
        found = self.get(f"/accounts/{account}")
        data = found.get("data") if found else None
        value = data.get(POINTER) if isinstance(data, dict) else None
        if not isinstance(value, str):
            raise Untrusted(
                f"The account {account} names no feed; ask the artist for the feed's key and follow that."
            )
        try:
            return read_pointer(b64decode(value, validate=True))
        except ValueError as error:
            raise Untrusted(f"The account's data entry {POINTER} names no feed.") from error

    def _records(self, account: str, query: dict[str, str]) -> list[dict[str, Any]]:
        found = self.get(f"/accounts/{account}/payments?{urlencode(query)}") or {}
        embedded = found.get("_embedded", {"records": []})
        records = embedded.get("records") if isinstance(embedded, dict) else None
        if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
            raise NoHorizon(f"{self._good} does not answer as Horizon does.")
        for record in records:
            token_of(record)
        return records

    def get(self, path: str) -> dict[str, Any] | None:
        """The object at a path; None where there is none (404). Raises NoHorizon."""
        return self._first(path, None)

    def post(self, path: str, fields: dict[str, str]) -> dict[str, Any] | None:
        """The answer to a form. Raises NoHorizon."""
        return self._first(path, urlencode(fields).encode())

    def _first(self, path: str, body: bytes | None) -> dict[str, Any] | None:
        from http.client import HTTPException

        why, remedy = "no Horizon server is set for it, only Stellar RPC servers", "Name one in {endpoints}."
        for server in sorted(self._servers, key=lambda server: server != self._good):
            try:
                if server != self._good:
                    stated = self._open(server, "/", None)
                    if not stated or stated.get("network_passphrase") != self.network.passphrase:
                        raise NoHorizon(f"{server} belongs to another network")
                    self._good = server
                return self._open(server, path, body)
            except (OSError, ValueError, HTTPException, RecursionError) as error:
                why, self._good = f"{server}: {getattr(error, 'reason', None) or error}", ""
                remedy = ANOTHER if isinstance(error, NoHorizon) else UNREACHED
        endpoints = f"networks.{self.network.name}.endpoints"
        raise NoHorizon(
            f"No server of the network {self.network.name} answers ({why:.200}). "
            + remedy.format(endpoints=endpoints)
        )

    def _open(self, server: str, path: str, body: bytes | None) -> dict[str, Any] | None:
        from urllib.error import HTTPError
        from urllib.request import Request

        headers = {"Accept": "application/json", **self.network.headers_for(server)}
        request = Request(server.rstrip("/") + path, body, headers)  # noqa: S310 - settings check it
        try:
            with self._opener.open(request, timeout=TIMEOUT) as answer:
                found = json.loads(_content(answer))
        except HTTPError as error:
            with error:
                if error.code == 404 and path != "/":
                    return None
                raise NoHorizon(f"status {error.code} {_detail(error)}".strip()) from error
        if not isinstance(found, dict):
            raise NoHorizon("the answer is no JSON object")
        return found


def _content(answer: Any) -> bytes:
    """The body, bounded in size and time."""
    content, ends = b"", time.monotonic() + SLOWEST
    while part := answer.read1(64 << 10):
        content += part
        if len(content) > LARGEST or time.monotonic() > ends:
            raise NoHorizon("the answer is too large, or too slow")
    return content


def _detail(error: HTTPError) -> str:
    """What Horizon says of a transaction that it refused."""
    try:
        extras = json.loads(_content(error)).get("extras", {})
        return str(extras.get("result_codes", ""))[:200]
    except (OSError, ValueError, AttributeError, RecursionError):
        return ""
