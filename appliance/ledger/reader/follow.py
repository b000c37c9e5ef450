# SPDX-License-Identifier: Apache-2.0
"""A Stellar network, for as long as somebody listens: visits its servers, one after the other, and tells of it.

The one rule: nothing that a server does is raised or ends this; it becomes a state with its reason, and there is one
place that waits. Runs in the listener's process and nowhere else, because it imports `horizon` and `rpc`.

    CONNECTING ── the server's last ledger, and the first that comes ──▶ LIVE ── ledgers ──▶ ...
        ▲                                                                 │
        └─ wait ─ BACKING_OFF; STALE: its ledgers stand still;  ◀─ Lost ──┴─ in either state
                  or OFFLINE: every endpoint has had its turn in vain

Whose turn it is: the first of the list; the next one after three failures, and at once after a server that is stale
or wants to be left alone for minutes. A quarter of an hour later the first is asked, beside the music, whether it
is well again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, MutableMapping
from contextlib import aclosing
from urllib.parse import urlsplit

from appliance.ledger.networks import RPC, Network
from appliance.ledger.reader.backoff import Backoff
from appliance.ledger.reader.budget import Allowance, own, public
from appliance.ledger.reader.horizon import Horizon
from appliance.ledger.reader.routes import has_default_route
from appliance.ledger.reader.rpc import Rpc
from appliance.ledger.reader.session import ListenOptions, Lost, Session, Tip, resume
from appliance.values import Ledger, Link, LinkState

log = logging.getLogger(__name__)

TRIES = 3  # failures before the next endpoint has its turn
LONG = 60.0  # s; a server that asks for more than this is not waited for while there is another


async def follow(
    network: Network,
    way: ListenOptions | None = None,
    *,
    backoff: Backoff | None = None,
    allowances: MutableMapping[str, Allowance] | None = None,
    plugged: Callable[[], bool] = has_default_route,
) -> AsyncGenerator[Ledger | Link, None]:
    """The ledgers of `network` from the last closed one on, and each change of the link's state; for ever.

    `allowances` are what is left of the servers' limits, by endpoint; handed to the next call, they outlast a switch
    to another network and back. `plugged` says whether any way leads out of this computer. Nothing that a server does
    is raised; to stop, cancel the task.
    """
    way, backoff = way or ListenOptions(), backoff or Backoff()
    turns = _Turns(network, way, {} if allowances is None else allowances)
    now = asyncio.get_running_loop().time
    last: Tip | None = None  # the last ledger that was heard
    cursor = failures = 0  # failures since that ledger
    try:
        while True:
            yield Link(LinkState.CONNECTING, network.name)
            visit = turns.visit()
            live = lost = None
            try:
                tip = await visit.tip(network)
                start, skipped = resume(tip, last, cursor)
                async with aclosing(visit.ledgers(start, primer=start != cursor)) as ledgers:
                    async for cursor, ledger in ledgers:  # noqa: B007 - the next visit goes on from it
                        backoff.succeeded(now())
                        failures = 0
                        last = Tip(ledger.sequence, ledger.closed_at)
                        if not live:
                            reason = f"{skipped} ledgers went by unheard" if skipped else ""
                            live = Link(LinkState.LIVE, network.name, reason)
                            yield live
                        yield ledger
                        if turns.home(now(), last):
                            break
            except Lost as error:
                lost = error
            finally:
                await visit.close()
                turns.dropped(visit.dropped)
            if lost is None:
                continue
            failures += 1
            reason = f"{turns.host} {lost}"
            wait = backoff.failed(now(), limited=lost.limited, unproven=lost.unproven)
            wait = turns.passed(lost, first=backoff.failures == 1, now=now(), wait=wait)
            state = LinkState.OFFLINE if failures >= TRIES * len(network.endpoints) else LinkState.BACKING_OFF
            state = LinkState.STALE if lost.stale else state
            state = LinkState.UNPLUGGED if lost.unfound and not plugged() else state
            lost = None  # its traceback holds whatever broke, megabytes of it, and the wait may be an hour
            yield Link(state, network.name, reason, wait)
            await asyncio.sleep(wait)
    finally:
        await turns.close()


class _Turns:
    """Which endpoint of a network has its turn."""

    def __init__(
        self, network: Network, way: ListenOptions, allowances: MutableMapping[str, Allowance]
    ) -> None:
        self._network, self._way, self._allowances = network, way, allowances
        self._at = self._misses = 0
        self._rests: dict[str, float] = {}  # endpoints that want to be left alone, and until when
        self._complained: set[str] = set()
        self._left_home = 0.0
        self._asking: asyncio.Task[bool] | None = None

    @property
    def _endpoint(self) -> str:
        return self._network.endpoints[self._at]

    @property
    def host(self) -> str | None:
        """The name of the server that has its turn."""
        return urlsplit(self._endpoint).hostname

    def visit(self, at: int | None = None) -> Session:
        """A visit to the endpoint that has its turn, or to the one at a place of the list."""
        endpoint = self._network.endpoints[self._at if at is None else at]
        # Mode `operations` is for a Horizon of one's own.
        allowance = own() if self._way.mode == "operations" else public()
        allowance = self._allowances.setdefault(endpoint, allowance)
        if endpoint.startswith(RPC):
            return Rpc(endpoint.removeprefix(RPC), self._way, allowance)
        return Horizon(endpoint, self._way, allowance)

    def passed(self, lost: Lost, *, first: bool, now: float, wait: float) -> float:
        """The seconds to wait, of at least `wait`, after a failure at `now`; `first` says: after a healthy minute."""
        self._rests[self._endpoint] = now + lost.retry_after
        self._misses = 1 if first else self._misses + 1
        if lost.stale or lost.retry_after > LONG or self._misses >= TRIES:
            if self._at == 0:
                self._left_home = now
            self._at, self._misses = (self._at + 1) % len(self._network.endpoints), 0
        return max(wait, self._rests.get(self._endpoint, now) - now)

    def dropped(self, count: int) -> None:
        """`count` records made no sense. Said once for each endpoint: a bad server must not fill the log."""
        if count and self._endpoint not in self._complained:
            self._complained.add(self._endpoint)
            log.warning("%s sent %d records that made no sense", self.host, count)

    def home(self, now: float, last: Tip) -> bool:
        """Whether the next visit is to the first endpoint, which has been asked and is well again."""
        if self._at == 0 or now - self._left_home < self._way.patience.home:
            return False
        if self._asking is None:
            self._asking = asyncio.create_task(self._first_is_well(last))
        if not self._asking.done():
            return False
        succeeded = self._asking.result()
        self._asking, self._left_home = None, now
        if succeeded:
            self._at = self._misses = 0
        return succeeded

    async def _first_is_well(self, last: Tip) -> bool:
        visit = self.visit(at=0)
        try:
            resume(await visit.tip(self._network), last, 0)
        except Lost:
            return False
        finally:
            await visit.close()
        return True

    async def close(self) -> None:
        """Leave nothing behind."""
        if self._asking:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
