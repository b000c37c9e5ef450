# SPDX-License-Identifier: Apache-2.0
"""The faults of a soak: a network that closes ledgers and fails in every way, a restless user, and bad clients.

Every fault (stalls, floods, dead listeners, torn lines, absurd amounts, bouncing buttons, full disks ...) ends by
itself, and all of them are drawn from one seed. The listener is `cat` of a pipe that this module writes tape lines
into: a real process that can be killed, starved and fed with nonsense. Runs on the loop of the box, in virtual time.
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
from appliance.control import SOCKET
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
from benchmarks.processes import children
from tests.support.horizon_records import payment
from tests.support.horizon_server import render
from tests.support.traces import MEMO

log = logging.getLogger("appliance.soak")  # so that its lines are counted with the box's own

SELDOM, OFTEN = 300.0, 30.0  # s between two faults
HEARTBEAT = 5.0  # s between two heartbeats of a listener
ROOM = 1 << 20  # bytes that the pipe can hold, the most that Linux gives: a whole flood


class Listener:
    """A listener that sends what it is given; `command` starts it, for a Supervisor."""

    def __init__(self, folder: Path) -> None:
        self._pipe = folder / "listener"
        os.mkfifo(self._pipe)
        self._end: int | None = None
        self.command = ["sh", "-c", f'exec cat "{self._pipe}"']
        self.hangs = False  # it sends nothing

    @property
    def connected(self) -> bool:
        """Whether there is a process that passes its lines on."""
        return self._end is not None and not self.hangs

    def send(self, *entries: Header | Line) -> None:
        """Send lines."""
        self.send_bytes(b"".join(encode(entry).encode() + b"\n" for entry in entries))

    def send_bytes(self, text: bytes) -> None:
        """Send any bytes. Without a process that reads them they are lost."""
        if self.hangs:
            return
        try:
            if self._end is None:
                self._end = os.open(self._pipe, os.O_WRONLY | os.O_NONBLOCK)
                fcntl.fcntl(self._end, fcntl.F_SETPIPE_SZ, ROOM)
            os.write(self._end, text)
        except OSError:  # there is no process, or it reads far too slowly
            self.close()

    def close(self) -> None:
        """Close the pipe, at whose end the process ends."""
        if self._end is not None:
            os.close(self._end)
            self._end = None


class Faults:
    """Injects faults into a box whose state is in `folder`/state and whose control socket is in `folder`/run."""

    box: Box

    def __init__(self, folder: Path, rng: Random) -> None:
        self.folder, self.rng = folder, rng
        self.listener = Listener(folder)
        self.injected: Counter[str] = Counter()
        self._reasons = 0  # for which the network closes no ledgers
        self._busy = 1.0  # share of each ledger's amounts
        self._sequence, self._closed_at = 1000, 1_790_000_000
        self._ledgers = self._recorded()
        self._network = ""
        self._begun = 0.0

    async def run(self, box: Box) -> None:
        """Close ledgers, and inject faults until cancelled."""
        self.box, self._begun = box, self._now()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._close_ledgers())
            group.create_task(self._heartbeats())
            group.create_task(self._inject())

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    # --- the network ----------------------------------------------------------------------------------------

    def _recorded(self) -> Iterator[Ledger]:
        """The bundled recording in a loop, of which each round leaves out other ledgers."""
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

    def _send(self, *entries: Ledger | Link | Heartbeat) -> None:
        # A listener that was asked for another network, or is a new one, sends its state first.
        if (network := self.box.console.controls.network) != self._network:
            self._network = network
            self.listener.send(self._line(Link(LinkState.SWITCHING, network)))
        self.listener.send(self._line(Link(LinkState.LIVE, network)), *map(self._line, entries))

    async def _close_ledgers(self) -> None:
        while True:
            if not self._reasons:
                self._send(self._next())
            await asyncio.sleep(self.rng.uniform(4.0, 7.0))

    async def _heartbeats(self) -> None:
        while True:
            self.listener.send(self._line(Heartbeat()))
            await asyncio.sleep(HEARTBEAT)

    # --- the faults -----------------------------------------------------------------------------------------

    async def _inject(self) -> None:
        """Begin a fault now and then; several can last at once, each of another kind."""
        faults, lasting = self.faults(), dict[str, asyncio.Task[None]]()
        names = self.rng.sample(list(faults), len(faults))
        async with asyncio.TaskGroup() as group:
            # Each kind once, and soon, so that memory that its first time takes does not count as growth later on.
            for name in names:
                await self._pause(OFTEN, 2 * OFTEN)
                self.injected[name] += 1
                lasting[name] = group.create_task(faults[name]())
            while True:
                await self._pause(OFTEN, SELDOM)
                name = self.rng.choice(names)
                if lasting[name].done():
                    self.injected[name] += 1
                    lasting[name] = group.create_task(faults[name]())

    def faults(self) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        """Every fault by its name, as the report lists it."""
        return {
            "the network stalls": self._stall,
            "the network is away": self._away,
            "the network is reset": self._reset,
            "hardly any amounts": self._quiet,
            "a flood of ledgers": self._flood,
            "a ledger twice, and older ones": self._twice,
            "impossible amounts": self._absurd,
            "a torn line": self._torn,
            "the link flaps": self._flap,
            "the listener is killed": self._kill,
            "the listener ends": self._end,
            "the listener hangs": self._hang,
            "the listener sends nonsense": self._nonsense,
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
            "a client that reads nothing": self._deaf_client,
            "a client that floods": self._flooding_client,
        }

    async def _pause(self, low: float, high: float) -> None:
        await asyncio.sleep(self.rng.uniform(low, high))

    async def _stall(self) -> None:
        self._reasons += 1
        await self._pause(10, 180)
        self._reasons -= 1

    async def _away(self) -> None:
        self._reasons += 1
        for attempt in range(self.rng.randint(3, 40)):
            state = LinkState.OFFLINE if attempt > 6 else LinkState.BACKING_OFF
            wait = min(120.0, 2.0**attempt)
            link = Link(state, self.box.console.controls.network, "horizon.example cannot be reached", wait)
            self.listener.send(self._line(link))
            await self._pause(0, wait)
        self._reasons -= 1

    async def _reset(self) -> None:
        self._sequence = 1
        self._closed_at += 86400
        self._send(self._next())

    async def _quiet(self) -> None:
        self._busy = self.rng.choice((0.0, 0.02))
        await self._pause(300, 1200)
        self._busy = 1.0

    async def _flood(self) -> None:
        amounts = tuple(
            Amount(self.rng.randrange(1, 10**14), self.rng.choice(list(Kind)), True, 0) for _ in range(1000)
        )
        for _ in range(20):
            self._send(replace(self._next(), operations=1000, amounts=amounts))
            await asyncio.sleep(0.05)

    async def _twice(self) -> None:
        ledger = self._next()
        older = replace(ledger, sequence=ledger.sequence - 7, closed_at=ledger.closed_at - 40)
        self._send(ledger, ledger, older, ledger)

    async def _absurd(self) -> None:
        line = encode(self._line(replace(self._next(), amounts=())))
        for amount in ("0", "-5", "1e400", "NaN", "true", '"7"', "null", "[]", "1" * 400, "1.5"):
            self.listener.send_bytes(line.replace("[]", f'[["payment",1,{amount}]]').encode() + b"\n")
        huge = Amount(2**127 - 1, Kind.CONTRACT, False, 0)
        self._send(replace(self._next(), amounts=(huge,) * 9))

    async def _torn(self) -> None:
        line = encode(self._line(self._next())).encode() + b"\n"
        self.listener.send_bytes(line[: len(line) // 2] + b"\n\xff\xfe\0\n" + line)

    async def _flap(self) -> None:
        for state in [LinkState.BACKING_OFF, LinkState.CONNECTING, LinkState.STALE, LinkState.LIVE] * 5:
            self.listener.send(self._line(Link(state, self.box.console.controls.network, "it flaps")))
            await asyncio.sleep(0.2)

    async def _kill(self) -> None:
        for child in children():
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self.listener.close()

    async def _end(self) -> None:
        self.listener.close()

    async def _hang(self) -> None:
        self.listener.hangs = True
        await self._pause(30, 90)
        self.listener.hangs = False
        self.listener.close()

    async def _nonsense(self) -> None:
        """Records of a network in place of tape lines; none of it must be logged."""
        self.listener.send_bytes((render(payment(self._sequence, 1, MEMO)) + "\n").encode() * 300)

    async def _endless(self) -> None:
        for _ in range(40):
            self.listener.send_bytes(b"x" * 65536)
            await asyncio.sleep(0.05)
        self.listener.send_bytes(b"\n")

    # --- the user -------------------------------------------------------------------------------------------

    async def _noise(self) -> None:
        knob, position = self.rng.choice(list(Knob)), self.rng.uniform(0.65, 1.0)
        for _ in range(500):
            self.box.console.obey(Moved(knob, min(1.0, max(0.0, position + self.rng.gauss(0, 0.004)))))
            await asyncio.sleep(0.02)

    async def _turns(self) -> None:
        for _ in range(30):
            self.box.console.obey(Turned(Knob.TEMPO, self.rng.randint(-72, 72)))
            await asyncio.sleep(0.1)
        self.box.console.obey(Moved(Knob.TEMPO, self.rng.random()))
        self.box.console.obey(Moved(Knob.VOLUME, self.rng.uniform(0.65, 1.0)))

    async def _bounce(self) -> None:
        for _ in range(self.rng.randint(5, 50)):
            self.box.console.obey(Pressed(Button.NETWORK))
            await asyncio.sleep(self.rng.choice((0.0, 0.02)))
        await self._pause(1, 60)
        self.box.console.obey(Held(Button.NETWORK))

    async def _mute(self) -> None:
        self.box.console.obey(Pressed(Button.MUTE))
        await self._pause(1, 300)
        if self.box.console.controls.muted:
            self.box.console.obey(Pressed(Button.MUTE))

    async def _nap(self) -> None:
        """The sleep timer, to its end or a press before it."""
        self.box.console.obey(Doubled(Button.MUTE))
        await self._pause(1200, 2400)
        while self.box.console.controls.muted or self.box.console.controls.sleep:
            self.box.console.obey(Pressed(Button.MUTE))

    async def _keep(self) -> None:
        while not (self.folder / "state").is_dir():  # the disk is gone, which is a fault of its own
            await asyncio.sleep(1.0)
        self.box.console.obey(Doubled(Button.NETWORK))

    # --- the computer ---------------------------------------------------------------------------------------

    async def _scene(self) -> None:
        os.kill(os.getpid(), signal.SIGHUP)

    async def _disk(self) -> None:
        """The state cannot be written: a file is in the place of its folder."""
        state = self.folder / "state"
        away = state.rename(self.folder / "away")
        state.touch()
        self.box.console.obey(Turned(Knob.TEMPO, 1))
        await self._pause(60, 600)
        state.unlink()
        away.rename(state)

    async def _log(self) -> None:
        for number in range(5000):
            log.error("The same misfortune again, number %d.", number)

    # --- clients of the control socket ----------------------------------------------------------------------

    async def _deaf_client(self) -> None:
        """It asks for every event and reads none of them."""
        _, writer = await asyncio.open_unix_connection(self.folder / "run" / SOCKET, limit=1024)
        writer.write(b'{"do":"watch"}\n')
        await self._pause(60, 600)
        writer.close()

    async def _flooding_client(self) -> None:
        """It sends commands as fast as it can, some of them wrong, and then an endless line."""
        _, writer = await asyncio.open_unix_connection(self.folder / "run" / SOCKET, limit=1024)
        for line in (b'{"do":"status"}\n', b'{"do":"fly"}\n', b"\xff\n", b"[" * 4000 + b"\n", b"x" * 100_000):
            writer.write(line * 20)
        await self._pause(5, 20)
        writer.close()
