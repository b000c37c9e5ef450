# SPDX-License-Identifier: Apache-2.0
"""Follows one Stellar network: a session with one of its servers after another, with back-off in between.

Nothing that a server does is raised or ends this: it becomes a state of the link with its reason. There is one place
that waits. A task of the listener's process.

    CONNECTING ── the server's last ledger, and the first that comes ──▶ LIVE ── ledgers ──▶ ...
        ▲                                                                 │
        └─ wait ─ BACKING_OFF; STALE: it has no new ledgers;    ◀─ Lost ──┴─ in either state
                  or OFFLINE: every endpoint has failed

Which endpoint: the first of the list; the next one after three failures, and at once after a server that is stale or
asks for minutes without requests. A quarter of an hour later the first one is probed while the other is read.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterator, MutableMapping
from contextlib import aclosing
from urllib.parse import urlsplit

from appliance.ledger.networks import Network, is_public
from appliance.ledger.reader.backoff import Backoff
from appliance.ledger.reader.budget import Allowance, own, public
from appliance.ledger.reader.endpoints import open_session
from appliance.ledger.reader.routes import has_default_route
from appliance.ledger.reader.session import Cause, ListenOptions, Lost, Session, Tip, resume
from appliance.values import Ledger, Link, LinkState

log = logging.getLogger(__name__)

TRIES = 3  # failures before the next endpoint is tried
UNFOUND = (Cause.UNFOUND, Cause.PROXY_UNFOUND)  # no name server answers, or none is there
LONG = 60.0  # s; a server that asks for a longer wait is left for the next endpoint


async def follow(
    network: Network,
    options: ListenOptions | None = None,
    *,
    backoff: Backoff | None = None,
    allowances: MutableMapping[str, Allowance] | None = None,
    plugged: Callable[[], bool] = has_default_route,
) -> AsyncGenerator[Ledger | Link, None]:
    """The ledgers of `network` from the last closed one on, and each change of the link's state, without an end.

    `allowances` are what is left of the servers' limits, by endpoint; handed to the next call, they outlast a switch
    to another network and back. `plugged` says whether this computer has a default route. To stop, cancel the task.
    """
    options, backoff = options or ListenOptions(), backoff or Backoff()
    endpoints = _Endpoints(network, options, {} if allowances is None else allowances)
    now = asyncio.get_running_loop().time
    last: Tip | None = None  # the last ledger that was read
    cursor = failures = 0  # failures since that ledger
    try:
        while True:
            yield Link(LinkState.CONNECTING, network.name)
            session = endpoints.session()
            live = lost = None
            try:
                tip = await session.tip(network)
                start, skipped = resume(tip, last, cursor)
                skips = [f"{skipped} ledgers were skipped"] if skipped else []
                async with aclosing(session.ledgers(start, primer=start != cursor)) as ledgers:
                    async for cursor, ledger in ledgers:  # noqa: B007 - the next session goes on from it
                        backoff.succeeded()
                        failures = 0
                        last = Tip(ledger.sequence, ledger.closed_at)
                        reason = "; ".join([*skips, *endpoints.notes(session, now())])
                        if live is None or live.reason != reason:
                            live = Link(LinkState.LIVE, network.name, reason)
                            yield live
                        yield ledger
                        if endpoints.back_to_first(now(), last):
                            break
            except Lost as error:
                lost = error
            finally:
                await session.close()
                endpoints.dropped(session.dropped)
            if lost is None:
                endpoints.go_back()
                continue
            failures += 1
            reason = f"{endpoints.host} {lost}"
            cause = lost.cause
            wait = backoff.failed(now(), limited=cause is Cause.LIMITED, unproven=cause is Cause.DATE)
            wait = endpoints.failed(lost, first=backoff.failures == 1, now=now(), wait=wait)
            state = LinkState.OFFLINE if failures >= TRIES * len(network.endpoints) else LinkState.BACKING_OFF
            state = LinkState.STALE if cause is Cause.STALE else state
            state = LinkState.UNPLUGGED if cause in UNFOUND and not plugged() else state
            lost = None  # its traceback holds whatever broke, megabytes of it, and the wait can be an hour
            yield Link(state, network.name, reason, wait)
            await asyncio.sleep(wait)
    finally:
        await endpoints.close()


class _Endpoints:
    """Chooses among the endpoints of a network."""

    def __init__(
        self, network: Network, options: ListenOptions, allowances: MutableMapping[str, Allowance]
    ) -> None:
        self._network, self._options, self._allowances = network, options, allowances
        self._at = self._misses = 0  # the current endpoint, and its failures in a row
        self._rests: dict[str, float] = {}  # endpoints that asked for a wait, and until when
        self._complained: set[str] = set()
        self._left_first = 0.0  # when the first endpoint was left, or last probed
        self._probing: asyncio.Task[bool] | None = None

    @property
    def _endpoint(self) -> str:
        return self._network.endpoints[self._at]

    @property
    def host(self) -> str | None:
        """The name of the current server."""
        return urlsplit(self._endpoint).hostname

    def session(self, at: int | None = None) -> Session:
        """A session with the current endpoint, or with the one at a place of the list."""
        endpoint = self._network.endpoints[self._at if at is None else at]
        allowance = public() if is_public(endpoint) else own()
        allowance = self._allowances.setdefault(endpoint, allowance)
        return open_session(endpoint, self._options, allowance, self._network.headers_for(endpoint))

    def notes(self, session: Session, now: float) -> Iterator[str]:
        """What the owner should know of a server whose ledgers come."""
        if session.note:
            yield f"{self.host} {session.note}"
        if self._allowances[self._endpoint].rationed(now):
            yield f"some operations are left out, to stay within the limit of {self.host}"

    def failed(self, lost: Lost, *, first: bool, now: float, wait: float) -> float:
        """The seconds to wait, at least `wait`, after a failure at `now`; `first`: it is the first since a ledger."""
        self._rests[self._endpoint] = now + lost.retry_after
        if lost.cause is Cause.LIMITED:
            self._allowances[self._endpoint].limited(now)
        self._misses = 1 if first else self._misses + 1
        if lost.cause is Cause.STALE or lost.retry_after > LONG or self._misses >= TRIES:
            if self._at == 0:
                self._left_first = now
            self._at, self._misses = (self._at + 1) % len(self._network.endpoints), 0
        return max(wait, self._rests.get(self._endpoint, now) - now)

    def dropped(self, count: int) -> None:
        """Log that `count` records were malformed, once for each endpoint: a bad server must not fill the log."""
        if count and self._endpoint not in self._complained:
            self._complained.add(self._endpoint)
            log.warning("%s sent %d malformed records; they were dropped.", self.host, count)

    def back_to_first(self, now: float, last: Tip) -> bool:
        """Whether the next session is with the first endpoint, which was probed and is healthy again."""
        rests = self._rests.get(self._network.endpoints[0], now)
        if self._at == 0 or now < max(self._left_first + self._options.timeouts.home, rests):
            return False
        if self._probing is None:
            self._probing = asyncio.create_task(self._first_is_healthy(last))
        if not self._probing.done():
            return False
        healthy = self._probing.result()
        self._probing, self._left_first = None, now
        return healthy

    def go_back(self) -> None:
        """Use the first endpoint again."""
        self._at = self._misses = 0

    async def _first_is_healthy(self, last: Tip) -> bool:
        session = self.session(at=0)
        try:
            resume(await session.tip(self._network), last, 0)
        except Lost:
            return False
        finally:
            await session.close()
        return True

    async def close(self) -> None:
        """End the probe, if there is one."""
        if self._probing:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)
