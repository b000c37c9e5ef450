# SPDX-License-Identifier: Apache-2.0
"""`make bench-faults`: each fault of a network, a server or the listener, really injected into a box that plays.

The one rule: the box is the one that ships, with its own waits, in real time; only its network is ours. A row waits
until the box plays the live network, injects its fault, and waits for the next ledger heard after it is over. Ledgers
close every 5 s here, which is in each time. Ten minutes, for most rows wait: see --at-once.

    played     yes: the audio clock never stood still for a second, and what sounded never fell to silence
    still      the longest that the audio clock stood still, in ms; a loaded machine has its part in it
    lowest     the least that sounded, as a level over a quarter of a second, in dBFS
    recording  seconds from the injection to the recording, - where it was not needed
    back       seconds from the end of the fault to the first ledger heard; of what happens but once, from then on
    note       and to the first of its notes, by the ear
    requests   that the servers got, from the injection to that ledger

    python -m benchmarks.faults --at-once 4 --only listener      the rows whose name holds "listener"
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import math
import os
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from appliance.box import Box
from appliance.ledger.tape import bundled
from appliance.settings import load
from appliance.values import Button, Pressed
from tests.support.horizon_records import generated
from tests.support.horizon_server import HorizonServer, strike
from tests.support.horizon_tls import authority, certify, https

HELD = 25.0  # s that a fault lasts: longer than the 20 s after which the recording plays
LONG = 75.0  # s; more than is caught up
EVERY = 5.0  # s between two ledgers
LOOK = 0.02  # s between two looks at the audio clock
PATIENCE = 240.0  # s; who is not back by then does not come back
START = 2.5  # s in which the sound has begun
SWELL = 6.0  # s more until it is as loud as it is meant to be
STILL = 1.0  # s of the audio clock
SILENT = -70.0  # dBFS
LIVE = 1000  # sequence number from which our servers' ledgers are counted; those of the recording begin at 1


class Watched(Box):
    """A box that remembers when it heard ledgers, and how well it played since `forget`."""

    ledgers: list[float]  # when each was heard, in s of the loop's clock

    def note(self, since: float) -> float | None:
        """When the first note was heard of a network's ledger that came after a moment, likewise."""
        notes = [(at, sounded.note) for at, sounded in self._heard]
        heard = (
            at
            for at, note in notes
            if note.amount and note.amount.ledger >= LIVE and at - note.waited > since
        )
        return next(heard, None)

    def forget(self, loud: float = 0.0) -> None:
        """Begin to watch anew. Until the moment `loud` of the loop's clock it may be as quiet as it is at its start."""
        self.loud = loud
        self.still, self.quietest = 0.0, 1.0  # s of the audio clock; mean square
        self.left: float | None = None  # when the recording had to play

    async def watch(self) -> None:
        """Look at the audio clock, at what sounds and at where it comes from, for ever."""
        now = asyncio.get_running_loop().time
        played, moved, last = 0.0, now(), None
        while True:
            await asyncio.sleep(LOOK)
            if played != self._performer.now.seconds:
                played, moved = self._performer.now.seconds, now()
            self.still = max(self.still, now() - moved)
            if now() >= self.loud:
                self.quietest = min(self.quietest, self._power)
            if self._hearing.last != last:
                last = self._hearing.last
                self.ledgers.append(now())
            if self.left is None and not self._hearing.live:
                self.left = now()


@dataclass
class MelodyContext:
    """What a fault is injected into."""

    server: HorizonServer
    spare: HorizonServer  # a second endpoint, where the row has one
    box: Watched
    closing: bool = True  # whether ledgers close at the server

    def close(self) -> bool:
        """Let ledgers close again."""
        self.closing = True
        return True

    async def go_on(self) -> None:
        """Close a ledger at each of the servers, now and then."""
        while True:
            await asyncio.sleep(EVERY)
            self.spare.tip += 1
            self.server.tip += self.closing

    def cut(self) -> None:
        """Break every connection."""
        for task in list(self.server.tasks):
            task.cancel()

    def listener(self) -> int:
        """The listener's process."""
        (process,) = (
            int(child)
            for tasks in Path("/proc/self/task").glob("*/children")
            for child in tasks.read_text().split()
            if b"listen" in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        )
        return process


Inject = Callable[[MelodyContext], Awaitable[bool]]  # whether the fault is over when it returns


def held(fault: str, *sorts: str) -> Inject:
    """Every request of these sorts meets the fault, for HELD seconds; what was open is cut."""

    async def inject(stage: MelodyContext) -> bool:
        stage.server.faults |= {sort: itertools.repeat(fault) for sort in sorts or ("root", "stream", "page")}
        stage.cut()
        await asyncio.sleep(HELD)
        stage.server.faults.clear()
        return True

    return inject


def once(*faults: str, sort: str = "stream") -> Inject:
    """The next requests of a sort meet these faults, one each, and then none."""

    async def inject(stage: MelodyContext) -> bool:
        met = asyncio.Event()

        def each() -> Iterator[str]:
            yield from faults
            met.set()

        stage.server.faults[sort] = each()
        if sort == "stream":
            stage.cut()
        await met.wait()
        return False

    return inject


def gone(seconds: float) -> Inject:
    """Nobody listens at the server's port for so long."""

    async def inject(stage: MelodyContext) -> bool:
        await stage.server.__aexit__()
        await asyncio.sleep(seconds)
        await stage.server.__aenter__()
        return True

    return inject


async def still(stage: MelodyContext) -> bool:
    """No more ledgers close for a while, and the server goes on to answer."""
    stage.closing = False
    await asyncio.sleep(LONG)
    return stage.close()


async def stopped(stage: MelodyContext) -> bool:
    """The first server's ledgers stand still for good; the second's go on."""
    stage.closing = False
    await asyncio.sleep(EVERY)  # what it has closed before may be on its way
    return False


def struck(mode: str) -> Inject:
    """What is done to a whole network."""

    async def inject(stage: MelodyContext) -> bool:
        strike(stage.server, mode)
        await asyncio.sleep(EVERY)  # a ledger of before may be on its way
        return False

    return inject


def killed(number: signal.Signals) -> Inject:
    """The listener's process gets a signal."""

    async def inject(stage: MelodyContext) -> bool:
        os.kill(stage.listener(), number)
        return False

    return inject


async def pressed(stage: MelodyContext) -> bool:
    """A hand goes on to the next network, which is the second server's."""
    await asyncio.sleep(EVERY / 2)  # no ledger of the old one is on its way
    stage.box.obey(Pressed(Button.NETWORK))
    return True


async def nothing(_: MelodyContext) -> bool:
    """The fault is there from the beginning."""
    return False


async def set_right(stage: MelodyContext) -> bool:
    """After HELD seconds the certificate counts, as after a jump of our clock."""
    await asyncio.sleep(HELD)
    assert stage.server.tls  # noqa: S101 - it is an https server in this row
    certify(stage.server.tls, CA, "good")
    return True


@dataclass(frozen=True)
class Row:
    """A fault. `sick` is a program that takes the listener's place the first time."""

    what: str
    inject: Inject
    endpoints: str = "{server}"
    tls: str = ""
    early: bool = False  # whether it is injected before anything is live
    sick: str = ""


def sick(what: str, program: str) -> Row:
    """The listener that is started first is this program."""
    return Row(what, nothing, early=True, sick=program)


CA, TRUST = authority(Path(tempfile.mkdtemp()))
BOTH = "{server},{spare}"
ROWS = (
    Row("N1 stream says hello, then nothing", held("stall", "stream")),
    Row("N1 server accepts, and never answers", held("mute")),
    Row("N1 network stands still for 75 s", still),
    Row("N1 first server stands still for good, second goes on", stopped, BOTH),
    Row("N2 connection reset in mid-event, twice in a row", once("rst", "rst")),
    Row("N2 stream ends without byebye", once("eof")),
    Row("N3 server gone (refused)", gone(HELD)),
    Row("N3 server gone for 75 s: more than is caught up", gone(LONG)),
    Row("N4 header byte by byte", held("slow")),
    Row("N4 event byte by byte", held("trickle", "stream")),
    Row("N5 429 without Retry-After", held("429", "stream")),
    Row("N5 429, Retry-After: 10", held("429=10")),
    Row("N5 429, Retry-After: 1000000000, second server", held("429=1000000000"), BOTH),
    Row("N5 event: error in mid-stream", once("error")),
    Row("N6 500", held("500")),
    Row("N6 captive portal (200, a web page)", held("html")),
    Row("N6 204", held("204")),
    Row("N6 404", held("404")),
    Row("N7 redirect to another host", held("redirect")),
    Row("N8 N11 events that are none (no JSON, no UTF-8, NUL)", once("nonsense")),
    Row("N9 each event twice, and an old one", once("dup")),
    Row("N10 event without end", held("endless", "stream")),
    Row("N10 page that unpacks to 8 MB", held("bomb", "page")),
    Row("N12 amounts that cannot be", struck("wild")),
    Row("N13 ledger of 5,000 operations", struck("flood")),
    Row("N14 certificate expired, second server", nothing, BOTH, "expired", early=True),
    Row("N14 certificate of another host, second server", nothing, BOTH, "host", early=True),
    Row("N14 certificate of an unknown authority, second server", nothing, BOTH, "unknown", early=True),
    Row("N15 certificate not yet valid, for 25 s (wrong clock)", set_right, tls="early", early=True),
    Row(
        "N16 name that DNS does not know, second server",
        nothing,
        "https://horizon.invalid,{server}",
        early=True,
    ),
    Row("N19 410, second server", held("410"), BOTH),
    Row("short pages", once(*["short"] * 6, sort="page")),
    Row("test network begun anew", struck("reset")),
    Row("history truncated to the last ledger", struck("truncated")),
    Row("twenty ledgers at once", struck("gap")),
    Row("NETWORK is pressed: another network, which is well", pressed),
    Row("listener killed", killed(signal.SIGKILL)),
    Row("listener stopped (SIGSTOP)", killed(signal.SIGSTOP)),
    sick("listener leaks past its memory", "k = []\nwhile True: k.append(bytes(1 << 20))"),
    sick("listener writes garbage", "while True: print('what?', flush=True)"),
    sick("listener writes half a line, and dies", "print('{\"t\":1,\"led', end='')"),
    sick("listener writes a line without end", "while True: print('x' * 9999, end='')"),
    sick("listener says nothing", "import time; time.sleep(999)"),
)

# --- one row, in a process of its own -----------------------------------------------------------------------

# The program that stands in for the listener: sick the first time, and the listener itself from then on.
SICK = """
import os, pathlib, sys
mark, sick, *real = sys.argv[1:]
if pathlib.Path(mark).exists(): os.execv(real[0], real)
pathlib.Path(mark).touch()
exec(sick)
"""


def _server(row: Row) -> HorizonServer:
    chain = generated([position * 37 % 400 for position in range(100)])
    # Horizon looks for new ledgers every 5 s; here every second, so that it adds little to what is measured.
    return HorizonServer(chain, tip=1000, poll=1.0, tls=https(CA, row.tls) if row.tls else None)


def _box(row: Row, server: HorizonServer, spare: HorizonServer, folder: Path) -> Watched:
    urls = row.endpoints.format(server=server.url, spare=spare.url).split(",")
    config = folder / "box.toml"
    config.write_text(
        f'network = "mine"\n[networks.mine]\nendpoints = {json.dumps(urls)}\npassphrase = "generated"\n'
        f'[networks.next]\nendpoints = ["{spare.url}"]\npassphrase = "generated"\n'
    )
    real = [sys.executable, "-m", "appliance", "listen", "--config", str(config), "--network"]
    sick = [sys.executable, "-c", SICK, str(folder / "mark"), row.sick, *real] if row.sick else real
    box = Watched(load({}, {}, config).settings, bundled(), sick)
    box.ledgers = []
    box.forget()
    return box


async def measure(row: Row) -> dict[str, float | None]:
    """Play a row, and say how it went."""
    os.environ["SSL_CERT_FILE"] = str(TRUST)
    now = asyncio.get_running_loop().time
    asyncio.get_running_loop().set_exception_handler(
        lambda *_: None
    )  # servers complain of refused handshakes
    with tempfile.TemporaryDirectory() as folder:
        async with _server(row) as server, _server(replace(row, tls="")) as spare:
            box = _box(row, server, spare, Path(folder))
            stage = MelodyContext(server, spare, box)
            begun = now()
            tasks = [asyncio.create_task(one) for one in (stage.go_on(), box.run(desk=False))]
            await asyncio.sleep(START)
            tasks.append(asyncio.create_task(box.watch()))
            async with asyncio.timeout(PATIENCE):
                if not row.early:
                    await _heard(box, begun)
                    await asyncio.sleep(2 * EVERY)
                    begun = now()
                before = 0 if row.early else len(server.requests) + len(spare.requests)
                loud = now() + SWELL if row.early else now()
                box.forget(loud)
                over = now() if await row.inject(stage) else begun
                back = await _heard(box, begun if row.early and over == begun else now())
                await asyncio.sleep(
                    max(loud, back) + EVERY - now()
                )  # who is back at once has still to be heard
            taken = {
                "still": box.still,
                "quietest": 10 * math.log10(box.quietest + 1e-12),
                "recording": None if row.early or not box.left else box.left - begun,
                "back": back - over,
                "note": note - over if (note := box.note(over)) else None,
                "requests": len(server.requests) + len(spare.requests) - before,
            }
            box.stop()
            await tasks[1]
            for task in tasks:
                task.cancel()
    return taken


async def _heard(box: Watched, since: float) -> float:
    """When the box has heard its first ledger after a moment."""
    while not (later := [at for at in box.ledgers if at > since]):
        await asyncio.sleep(LOOK)
    return later[0]


# --- all of them --------------------------------------------------------------------------------------------


async def _in_a_process(number: int, room: asyncio.Semaphore) -> dict[str, float | None] | None:
    """A row's figures; None where the box did not come back."""
    async with room:
        command = [sys.executable, "-m", "benchmarks.faults", "--row", str(number)]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
        said, complaints = await process.communicate()
    if process.returncode:
        print(complaints.decode()[-500:], file=sys.stderr)
        return None
    taken: dict[str, float | None] = json.loads(said)
    return taken


def line(row: Row, taken: dict[str, float | None] | None) -> str:
    """A row of the table."""
    if taken is None:
        return f"! {row.what:<58} did not come back within {PATIENCE:.0f} s"
    still, quietest = taken["still"] or 0.0, taken["quietest"] or 0.0
    played = "yes" if still < STILL and quietest > SILENT else "NO"
    recording = "-" if taken["recording"] is None else f"{taken['recording']:.0f}"
    note = "-" if taken["note"] is None else f"{taken['note']:.1f}"
    return (
        f"{' ' if played == 'yes' else '!'} {row.what:<58}{played:>6}{still * 1000:>9.0f}{quietest:>8.0f}"
        f"{recording:>11}{taken['back']:>8.1f}{note:>8}{taken['requests']:>10}"
    )


async def table(rows: list[int], at_once: int) -> None:
    """Play the rows, some beside each other, and print each when it and those before it are done."""
    room = asyncio.Semaphore(at_once)
    tasks = {number: asyncio.create_task(_in_a_process(number, room)) for number in rows}
    print(
        f"  {'':<58}{'played':>6}{'still':>9}{'lowest':>8}{'recording':>11}{'back':>8}{'note':>8}{'requests':>10}"
    )
    print(f"  {'':<58}{'':>6}{'ms':>9}{'dBFS':>8}{'s':>11}{'s':>8}{'s':>8}")
    for number, task in tasks.items():
        print(line(ROWS[number], await task), flush=True)


def main() -> None:
    """Play the rows, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--at-once", type=int, default=4, metavar="N", help="boxes beside each other, 4 without it"
    )
    parser.add_argument("--only", default="", metavar="WORD", help="rows whose name holds this")
    parser.add_argument("--row", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.row is not None:
        print(json.dumps(asyncio.run(measure(ROWS[given.row]))))
        return
    rows = [number for number, row in enumerate(ROWS) if given.only.lower() in row.what.lower()]
    asyncio.run(table(rows, given.at_once))


if __name__ == "__main__":
    main()
