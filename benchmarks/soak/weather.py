# SPDX-License-Identifier: Apache-2.0
"""The weather of a soak: a network that closes ledgers and is as bad as networks are, and hands that play with the box.

The one rule: every fault is one of those that boxes like this one have met (stalls, floods, dead listeners, torn
lines, absurd amounts, bouncing buttons, full disks ...), passes by itself, and is drawn by one seed. A listener is
`cat` of a pipe that this module writes tape lines into: a real process, to be killed, starved and fed with nonsense.
Runs on the loop of the box, in virtual time.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from appliance.box import Box
from appliance.ledger.tape import Header, Heartbeat, Line, bundled, encode
from appliance.values import (
    Amount,
    Button,
    Doubled,
    Held,
    Kind,
    Knob,
    Ledger,
    Link,
    LinkState,
    Moved,
    Pressed,
    Turned,
)
from tests.support.horizon_records import payment
from tests.support.horizon_server import render
from tests.support.traces import MEMO

log = logging.getLogger("appliance.soak")  # of the house, so that its lines are counted with the others

SELDOM, OFTEN = 300.0, 30.0  # s between two faults
PULSE = 5.0  # s between two signs of life of a listener
ROOM = 1 << 20  # bytes that the pipe may hold, the most that Linux gives: a whole flood


class Listener:
    """A listener that says what it is told to: `command` starts it, for a Supervisor."""

    def __init__(self, folder: Path) -> None:
        self._pipe = folder / "listener"
        os.mkfifo(self._pipe)
        self._end: int | None = None
        self.command = ["sh", "-c", f'exec cat "{self._pipe}"']
        self.held = False  # it says nothing: it hangs

    @property
    def heard(self) -> bool:
        """Whether there is one, and somebody reads what it says."""
        return self._end is not None and not self.held

    def say(self, *entries: Header | Line) -> None:
        """Say lines."""
        self.rave(b"".join(encode(entry).encode() + b"\n" for entry in entries))

    def rave(self, text: bytes) -> None:
        """Say whatever it is. What nobody takes is lost."""
        if self.held:
            return
        try:
            if self._end is None:
                self._end = os.open(self._pipe, os.O_WRONLY | os.O_NONBLOCK)
                fcntl.fcntl(self._end, fcntl.F_SETPIPE_SZ, ROOM)
            os.write(self._end, text)
        except OSError:  # nobody listens, or far too slowly
            self.hush()

    def hush(self) -> None:
        """End: the process sees the end of its pipe."""
        if self._end is not None:
            os.close(self._end)
            self._end = None


class Weather:
    """A network, its listener and two hands, all of them unreliable."""

    box: Box

    def __init__(self, folder: Path, rng: Random) -> None:
        self.folder, self.rng = folder, rng
        self.listener = Listener(folder)
        self.happened: Counter[str] = Counter()
        self._reasons = 0  # for which the network closes no ledgers
        self._busy = 1.0  # share of each ledger's amounts
        self._sequence, self._closed_at = 1000, 1_790_000_000
        self._ledgers = self._recorded()
        self._network = ""
        self._begun = 0.0

    async def blow(self, box: Box) -> None:
        """Blow on a box until cancelled."""
        self.box, self._begun = box, self._now()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._close_ledgers())
            group.create_task(self._pulses())
            group.create_task(self._strike())

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    # --- the network ----------------------------------------------------------------------------------------

    def _recorded(self) -> Iterator[Ledger]:
        """The bundled recording, round and round, in some other order each time."""
        while True:
            for line in bundled():
                if isinstance(line.entry, Ledger) and self.rng.random() < 0.8:
                    yield line.entry

    def _line(self, entry: Ledger | Link | Heartbeat) -> Line:
        return Line(self._now() - self._begun, entry)

    def _next(self) -> Ledger:
        self._sequence += 1
        self._closed_at += 5
        ledger = next(self._ledgers)
        amounts = ledger.amounts[: round(len(ledger.amounts) * self._busy)]
        return replace(ledger, sequence=self._sequence, closed_at=self._closed_at, amounts=amounts)

    def _say(self, *entries: Ledger | Link | Heartbeat) -> None:
        # A listener that was asked for another network, or is a new one, says first where it is.
        if (network := self.box.controls.network) != self._network:
            self._network = network
            self.listener.say(self._line(Link(LinkState.SWITCHING, network)))
        self.listener.say(self._line(Link(LinkState.LIVE, network)), *map(self._line, entries))

    async def _close_ledgers(self) -> None:
        while True:
            if not self._reasons:
                self._say(self._next())
            await asyncio.sleep(self.rng.uniform(4.0, 7.0))

    async def _pulses(self) -> None:
        while True:
            self.listener.say(self._line(Heartbeat()))
            await asyncio.sleep(PULSE)

    # --- what goes wrong ------------------------------------------------------------------------------------

    async def _strike(self) -> None:
        """Begin a fault now and then; several may last at once, each of a kind."""
        faults, lasting = self.faults(), dict[str, asyncio.Task[None]]()
        names = self.rng.sample(list(faults), len(faults))
        async with asyncio.TaskGroup() as group:
            # Each kind once, and soon: what it makes the box remember, or its libraries, is then no growth later on.
            for name in names:
                await self._calm(OFTEN, 2 * OFTEN)
                self.happened[name] += 1
                lasting[name] = group.create_task(faults[name]())
            while True:
                await self._calm(OFTEN, SELDOM)
                name = self.rng.choice(names)
                if lasting[name].done():
                    self.happened[name] += 1
                    lasting[name] = group.create_task(faults[name]())

    def faults(self) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        """Every fault by its name, as the report lists it."""
        return {
            "the network stalls": self._stall,
            "the network is away": self._away,
            "the network begins anew": self._anew,
            "hardly anything happens": self._quiet,
            "a flood of ledgers": self._flood,
            "a ledger twice, and older ones": self._twice,
            "amounts that cannot be": self._absurd,
            "a torn line": self._torn,
            "the link flaps": self._flap,
            "the listener is killed": self._kill,
            "the listener ends": self._end,
            "the listener hangs": self._hang,
            "the listener raves": self._rave,
            "the listener never ends a line": self._endless,
            "a noisy knob": self._noise,
            "wild turns": self._turns,
            "a bouncing button": self._bounce,
            "muted for a while": self._mute,
            "a nap": self._nap,
            "the last half hour is kept": self._keep,
            "another scene": self._scene,
            "the disk is gone": self._disk,
            "a flood of log lines": self._log,
        }

    async def _calm(self, low: float, high: float) -> None:
        await asyncio.sleep(self.rng.uniform(low, high))

    async def _stall(self) -> None:
        self._reasons += 1
        await self._calm(10, 180)
        self._reasons -= 1

    async def _away(self) -> None:
        self._reasons += 1
        for attempt in range(self.rng.randint(3, 40)):
            state = LinkState.OFFLINE if attempt > 6 else LinkState.BACKING_OFF
            wait = min(120.0, 2.0**attempt)
            link = Link(state, self.box.controls.network, "horizon.example cannot be reached", wait)
            self.listener.say(self._line(link))
            await self._calm(0, wait)
        self._reasons -= 1

    async def _anew(self) -> None:
        self._sequence = 1
        self._closed_at += 86400
        self._say(self._next())

    async def _quiet(self) -> None:
        self._busy = self.rng.choice((0.0, 0.02))
        await self._calm(300, 1200)
        self._busy = 1.0

    async def _flood(self) -> None:
        amounts = tuple(
            Amount(self.rng.randrange(1, 10**14), self.rng.choice(list(Kind)), True, 0) for _ in range(1000)
        )
        for _ in range(20):
            self._say(replace(self._next(), operations=1000, amounts=amounts))
            await asyncio.sleep(0.05)

    async def _twice(self) -> None:
        ledger = self._next()
        older = replace(ledger, sequence=ledger.sequence - 7, closed_at=ledger.closed_at - 40)
        self._say(ledger, ledger, older, ledger)

    async def _absurd(self) -> None:
        line = encode(self._line(replace(self._next(), amounts=())))
        for amount in ("0", "-5", "1e400", "NaN", "true", '"7"', "null", "[]", "1" * 400, "1.5"):
            self.listener.rave(line.replace("[]", f'[["payment",1,{amount}]]').encode() + b"\n")
        huge = Amount(2**127 - 1, Kind.CONTRACT, False, 0)
        self._say(replace(self._next(), amounts=(huge,) * 9))

    async def _torn(self) -> None:
        line = encode(self._line(self._next())).encode() + b"\n"
        self.listener.rave(line[: len(line) // 2] + b"\n\xff\xfe\0\n" + line)

    async def _flap(self) -> None:
        for state in [LinkState.BACKING_OFF, LinkState.CONNECTING, LinkState.STALE, LinkState.LIVE] * 5:
            self.listener.say(self._line(Link(state, self.box.controls.network, "it flaps")))
            await asyncio.sleep(0.2)

    async def _kill(self) -> None:
        for child in children():
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self.listener.hush()

    async def _end(self) -> None:
        self.listener.hush()

    async def _hang(self) -> None:
        self.listener.held = True
        await self._calm(30, 90)
        self.listener.held = False
        self.listener.hush()

    async def _rave(self) -> None:
        """Not its own words at all, but what a network says: nobody may repeat it."""
        self.listener.rave((render(payment(self._sequence, 1, MEMO)) + "\n").encode() * 300)

    async def _endless(self) -> None:
        for _ in range(40):
            self.listener.rave(b"x" * 65536)
            await asyncio.sleep(0.05)
        self.listener.rave(b"\n")

    # --- hands ----------------------------------------------------------------------------------------------

    async def _noise(self) -> None:
        knob, position = self.rng.choice(list(Knob)), self.rng.uniform(0.65, 1.0)
        for _ in range(500):
            self.box.obey(Moved(knob, min(1.0, max(0.0, position + self.rng.gauss(0, 0.004)))))
            await asyncio.sleep(0.02)

    async def _turns(self) -> None:
        for _ in range(30):
            self.box.obey(Turned(Knob.TEMPO, self.rng.randint(-72, 72)))
            await asyncio.sleep(0.1)
        self.box.obey(Moved(Knob.TEMPO, self.rng.random()))
        self.box.obey(Moved(Knob.VOLUME, self.rng.uniform(0.65, 1.0)))

    async def _bounce(self) -> None:
        for _ in range(self.rng.randint(5, 50)):
            self.box.obey(Pressed(Button.NETWORK))
            await asyncio.sleep(self.rng.choice((0.0, 0.02)))
        await self._calm(1, 60)
        self.box.obey(Held(Button.NETWORK))

    async def _mute(self) -> None:
        self.box.obey(Pressed(Button.MUTE))
        await self._calm(1, 300)
        if self.box.controls.muted:
            self.box.obey(Pressed(Button.MUTE))

    async def _nap(self) -> None:
        """The sleep timer, to its end or a press before it."""
        self.box.obey(Doubled(Button.MUTE))
        await self._calm(1200, 2400)
        while self.box.controls.muted or self.box.controls.sleep:
            self.box.obey(Pressed(Button.MUTE))

    async def _keep(self) -> None:
        while not (self.folder / "state").is_dir():  # the disk is gone, and has faults of its own
            await asyncio.sleep(1.0)
        self.box.obey(Doubled(Button.NETWORK))

    # --- the computer ---------------------------------------------------------------------------------------

    async def _scene(self) -> None:
        os.kill(os.getpid(), signal.SIGHUP)

    async def _disk(self) -> None:
        """Nothing can be written where the state lies: a file stands in its folder's place."""
        state = self.folder / "state"
        away = state.rename(self.folder / "away")
        state.touch()
        self.box.obey(Turned(Knob.TEMPO, 1))
        await self._calm(60, 600)
        state.unlink()
        away.rename(state)

    async def _log(self) -> None:
        for number in range(5000):
            log.error("The same misfortune again, number %d.", number)


def children() -> list[int]:
    """The processes that this one has started and that still run."""
    found = []
    for tasks in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):  # a thread that has ended since it was listed has none
            found += [int(child) for child in tasks.read_text().split()]
    return found
