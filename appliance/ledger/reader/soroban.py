# SPDX-License-Identifier: Apache-2.0
"""The SDK's objects of Stellar RPC (Soroban): the server, its answers, and its errors as Lost.

Everything that `rpc` needs of stellar_sdk. A server can make a question fail, but not hang, fill the memory or raise
anything but Lost. Loaded only for an RPC endpoint. The listener's process.

What an error of JSON-RPC means, which the servers and gateways in use agree on only in part:

    -32005, -32029, 429, or text that names a limit   Lost, limited: the back-off waits
    any other                                          Refused, with the code
    a status of HTTP from 400 to 499, without 429      Refused, with the status: a gateway keeps the method back
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

from stellar_sdk.client.base_async_client import BaseAsyncClient
from stellar_sdk.client.response import Response
from stellar_sdk.exceptions import SdkError
from stellar_sdk.soroban_rpc import (
    EventFilter,
    EventFilterType,
    EventInfo,
    GetEventsResponse,
    Transaction,
)
from stellar_sdk.soroban_server_async import SorobanServerAsync

from appliance.ledger.reader.budget import Allowance
from appliance.ledger.reader.client import StreamClient
from appliance.ledger.reader.session import Cause, Lost, Timeouts

__all__ = [
    "INVALID",
    "BaseAsyncClient",
    "EventFilter",
    "EventFilterType",
    "EventInfo",
    "GetEventsResponse",
    "Refused",
    "RpcClient",
    "SorobanServerAsync",
    "Transaction",
    "answer",
]

INTERNAL, INVALID, MISSING = -32603, -32602, -32601  # codes of JSON-RPC
LIMITED = (-32005, -32029, 429)
_LIMIT = re.compile(
    r"\b(rate|quota|credits?|capacity)\b.{0,40}\b(limit|exceed|exhaust)|\brequest limit\b|too many requests"
    r"|\blimit (exceeded|reached)|throttl",
    re.IGNORECASE,
)
# What getHealth says of a node without new ledgers; it has no code of its own for that.
_UNHEALTHY = re.compile("latency|not initialized|in progress")

V = TypeVar("V")


class Refused(Lost):
    """The server does not answer this question; it can still answer others. `status` is the code."""

    def __init__(self, cause: Cause, reason: str, status: int, *, unhealthy: bool = False) -> None:
        super().__init__(cause, reason, status=status)
        self.unhealthy = unhealthy  # it says that it has no new ledgers

    @property
    def missing(self) -> bool:
        """Whether the server does not offer the method."""
        return self.status == MISSING or self.status > 0


class RpcClient(BaseAsyncClient):
    """The connection of the SDK's server object, on our client.

    `post` raises Refused or Lost for an error of JSON-RPC, whatever else the error holds.
    """

    def __init__(
        self, timeouts: Timeouts, allowance: Allowance, headers: Mapping[str, str] | None = None
    ) -> None:
        self._client = StreamClient(timeouts, allowance, headers)

    async def post(
        self, url: str, data: dict[str, str] | None = None, json_data: dict[str, Any] | None = None
    ) -> Response:
        """The answer to a JSON request; the server object sends no `data`."""
        try:
            found = await self._client.post(url, json_data)
        except Lost as lost:
            if 400 <= lost.status < 500:
                raise Refused(lost.cause, str(lost), lost.status) from lost
            raise
        refuse(found.text)
        return Response(found.status, found.text, dict(found.headers), url)

    async def get(
        self, url: str, params: dict[str, str] | None = None, max_content_size: int | None = None
    ) -> Response:
        """Stellar RPC has no pages."""
        raise NotImplementedError

    def stream(self, url: str, params: dict[str, str] | None = None) -> Any:
        """Stellar RPC has no streams."""
        raise NotImplementedError

    async def close(self) -> None:
        """End every connection."""
        await self._client.close()


def refuse(text: str) -> None:
    """Raise the error in an answer, if there is one. Text that is no JSON-RPC at all is left to the SDK."""
    if '"error"' not in text:  # an answer of 100 kB is decoded once
        return
    try:
        answered = json.loads(text)
    except (ValueError, RecursionError):
        return
    error = answered.get("error") if isinstance(answered, dict) else None
    if not error:
        return
    code, said = (error.get("code"), error.get("message")) if isinstance(error, dict) else (0, error)
    code = code if type(code) is int and abs(code) < 10**6 else 0
    said = said[:1000] if isinstance(said, str) else ""
    if code in LIMITED or (code not in (INVALID, MISSING) and _LIMIT.search(said)):
        raise Lost(Cause.LIMITED, "asks to slow down")
    # Its text is not repeated: it can hold anything.
    unhealthy = code == INTERNAL and _UNHEALTHY.search(said) is not None
    raise Refused(Cause.REFUSED, f"refuses a request with code {code}", code, unhealthy=unhealthy)


async def answer(question: Awaitable[V]) -> V:
    """What an RPC server answers to a question of the SDK's; raises Lost."""
    try:
        return await question
    except Lost:
        raise
    except (SdkError, ValueError, TypeError, AttributeError, AssertionError, RecursionError) as error:
        raise Lost(Cause.MALFORMED, "sends answers that are not a Stellar RPC server's") from error
