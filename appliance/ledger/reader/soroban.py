# SPDX-License-Identifier: Apache-2.0
"""The SDK's objects of Stellar RPC (Soroban): the server, its answers, and its errors as Lost.

Everything that `rpc` needs of stellar_sdk. A server can make a question fail, but not hang, fill the memory or raise
anything but Lost. Loaded only for an RPC endpoint. The listener's process.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from stellar_sdk.exceptions import SdkError, SorobanRpcErrorResponse
from stellar_sdk.soroban_rpc import (
    EventFilter,
    EventFilterType,
    EventInfo,
    GetEventsResponse,
    Transaction,
)
from stellar_sdk.soroban_server_async import SorobanServerAsync

from appliance.ledger.reader.session import Lost

__all__ = [
    "EventFilter",
    "EventFilterType",
    "EventInfo",
    "GetEventsResponse",
    "SorobanServerAsync",
    "Transaction",
    "answer",
]

V = TypeVar("V")


async def answer(question: Awaitable[V]) -> V:
    """What an RPC server answers to a question of the SDK's; raises Lost, with its code where it refuses."""
    try:
        return await question
    except SorobanRpcErrorResponse as error:  # its text is not repeated: it can hold anything
        raise Lost(f"refuses a request with code {error.code}", status=error.code) from error
    except (SdkError, ValueError, TypeError, AttributeError, AssertionError, RecursionError) as error:
        raise Lost("sends answers that are not a Stellar RPC server's") from error
