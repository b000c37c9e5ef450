# SPDX-License-Identifier: Apache-2.0
"""`make bench-faults`: each fault of a network, a server or the listener, injected into a box that plays.

The box is the one that ships, with its own timeouts, in real time; only its network is simulated. A row waits until the
box plays the live network, injects its fault, and waits for the next ledger after the fault has ended. Ledgers close
every 5 s here, which is in each time. Ten minutes, because most rows wait: see --at-once.

    played     yes: the audio clock never stood still for a second, and the sound never fell to silence
    still      the longest time for which the audio clock stood still, in ms; also where the machine is loaded
    lowest     the lowest level over a quarter of a second, in dBFS
    recording  seconds from the injection until the recording played, - where it did not
    back       seconds from the end of the fault, or from a fault that happens once, to the next ledger
    note       and to the first of its notes, as it is heard
    requests   that the servers got, from the injection to that ledger

    python -m benchmarks.faults --at-once 4 --only listener      the rows whose name holds "listener"
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from appliance.box import Box, Start
from appliance.ledger.tape import bundled
from appliance.score.files import open_score
from appliance.score.format import Close, Line
from appliance.settings import load
from appliance.values import BoxState, Button, NoteEvent, Pressed
from benchmarks.live_box import SilentCard
from benchmarks.processes import children
from tests.support.horizon_records import generated
from tests.support.horizon_server import HorizonServer, strike
from tests.support.horizon_tls import authority, certify, https

HELD = 25.0  # s that a fault lasts: longer than the 20 s after which the recording plays
LONG = 75.0  # s; more than the listener catches up
EVERY = 5.0  # s between two ledgers
LOOK = 0.02  # s between two looks at the audio clock
KEEP = 1.0  # s between two looks at what was played
TIMEOUT = 240.0  # s
START = 2.5  # s in which the sound has begun
SWELL = 6.0  # s more until it has its full level
STILL = 1.0  # s of the audio clock
SILENT = -70.0  # dBFS
LIVE = 1_790_000_000  # s since 1970: the servers' ledgers close later, those of the recording earlier


class Watch:
    """Watches how well a box plays since the last `restart`."""

    def __init__(self, box: Box) -> None:
        self._console = box.console
        self.restart()

    def restart(self, loud: float = 0.0) -> None:
        """Begin to watch again; the level counts from the moment `loud` of the loop's clock on."""
        self._loud = loud
        self.still, self.quietest = 0.0, 0.0  # s of the audio clock; dBFS
        self.left: float | None = None  # s of the audio clock at which the recording had to play

    async def run(self) -> None:
        """Watch the audio clock, the level and the state of the network until cancelled."""
        console, now = self._console, asyncio.get_running_loop().time
        played, moved = 0.0, now()
        while True:
            await asyncio.sleep(LOOK)
            if played != console.seconds:
                played, moved = console.seconds, now()
            self.still = max(self.still, now() - moved)
            if now() >= self._loud:
                self.quietest = min(self.quietest, console.level)
            if self.left is None and console.status().state is not BoxState.LIVE:
                self.left = played


@dataclass
class Scenario:
    """What a fault is injected into."""

    server: HorizonServer
    spare: HorizonServer  # a second endpoint, where the row has one
    box: Box
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
            child
            for child in children()
            if b"listen" in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        )
        return process

    async def kept(self) -> list[Line]:
        """What the box has played, as a score; its second 0 is that of the audio clock, for it begins with a chord."""
        return list(open_score(await self.box.console.keep("")))

    async def next_ledger(self, since: float) -> float:
        """The second of the audio clock at which the first ledger of a server came in after another second."""
        while not (ledgers := live_ledgers(await self.kept(), since)):
            await asyncio.sleep(KEEP)
        return ledgers[0].seconds

    async def next_note(self, since: float) -> float | None:
        """The second at which the first note of such a ledger began, if any."""
        lines = await self.kept()
        ledgers = {
            line.entry.sequence for line in live_ledgers(lines, since) if isinstance(line.entry, Close)
        }
        for line in lines:
            if isinstance(line.entry, NoteEvent) and (amount := line.entry.note.amount):
                # The recording has ledgers of the same numbers; the amounts of a generated ledger begin with its own.
                generated = amount.stroops // 10**7 == amount.ledger
                if generated and amount.ledger in ledgers and line.seconds > since:
                    return line.seconds
        return None


def live_ledgers(lines: Iterable[Line], since: float) -> list[Line]:
    """The ledgers of a server that came in after a second of the audio clock."""
    return [
        line
        for line in lines
        if isinstance(line.entry, Close) and line.entry.closed_at >= LIVE and line.seconds > since
    ]


Inject = Callable[[Scenario], Awaitable[bool]]  # whether the fault is over when it returns


def held(fault: str, *sorts: str) -> Inject:
    """Every request of these sorts fails like this for HELD seconds; open connections are cut."""

    async def inject(scenario: Scenario) -> bool:
        scenario.server.faults |= {
            sort: itertools.repeat(fault) for sort in sorts or ("root", "stream", "page")
        }
        scenario.cut()
        await asyncio.sleep(HELD)
        scenario.server.faults.clear()
        return True

    return inject


def once(*faults: str, sort: str = "stream") -> Inject:
    """The next requests of a sort fail, each in another way."""

    async def inject(scenario: Scenario) -> bool:
        met = asyncio.Event()

        def each() -> Iterator[str]:
            yield from faults
            met.set()

        scenario.server.faults[sort] = each()
        if sort == "stream":
            scenario.cut()
        await met.wait()
        return False

    return inject


def gone(seconds: float) -> Inject:
    """Connections to the server are refused for so long."""

    async def inject(scenario: Scenario) -> bool:
        await scenario.server.__aexit__()
        await asyncio.sleep(seconds)
        await scenario.server.__aenter__()
        return True

    return inject


async def still(scenario: Scenario) -> bool:
    """No more ledgers close for a while, but the server answers."""
    scenario.closing = False
    await asyncio.sleep(LONG)
    return scenario.close()


async def stopped(scenario: Scenario) -> bool:
    """No more ledgers close at the first server, but at the second."""
    scenario.closing = False
    await asyncio.sleep(EVERY)  # the last one can still be in transit
    return False


def struck(mode: str) -> Inject:
    """A fault of the whole network."""

    async def inject(scenario: Scenario) -> bool:
        strike(scenario.server, mode)
        await asyncio.sleep(EVERY)  # an earlier ledger can still be in transit
        return False

    return inject


def killed(number: signal.Signals) -> Inject:
    """The listener's process gets a signal."""

    async def inject(scenario: Scenario) -> bool:
        os.kill(scenario.listener(), number)
        return False

    return inject


async def pressed(scenario: Scenario) -> bool:
    """NETWORK is pressed; the next network is the second server's."""
    await asyncio.sleep(EVERY / 2)  # no ledger of the old one is in transit
    scenario.box.console.obey(Pressed(Button.NETWORK))
    return True


async def nothing(_: Scenario) -> bool:
    """The fault is there from the beginning."""
    return False


async def set_right(scenario: Scenario) -> bool:
    """After HELD seconds the certificate is valid, as after a jump of the clock."""
    await asyncio.sleep(HELD)
    assert scenario.server.tls  # noqa: S101 - it is an https server in this row
    certify(scenario.server.tls, CA, "good")
    return True


@dataclass(frozen=True)
class Row:
    """A fault. `sick` is a program that runs in place of the listener the first time."""

    what: str
    inject: Inject
    endpoints: str = "{server}"
    tls: str = ""
    early: bool = False  # whether it is injected before anything is live
    sick: str = ""


def sick(what: str, program: str) -> Row:
    """The first listener is this program."""
    return Row(what, nothing, early=True, sick=program)


CA, TRUST = authority(Path(tempfile.mkdtemp()))
BOTH = "{server},{spare}"
ROWS = (
    Row("N1 stream sends hello, then nothing", held("stall", "stream")),
    Row("N1 server accepts, and never answers", held("mute")),
    Row("N1 network stands still for 75 s", still),
    Row("N1 first server stands still for good, second goes on", stopped, BOTH),
    Row("N2 connection reset in mid-event, twice in a row", once("rst", "rst")),
    Row("N2 stream ends without byebye", once("eof")),
    Row("N3 server gone (refused)", gone(HELD)),
    Row("N3 server gone for 75 s: more than the listener catches up", gone(LONG)),
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
    Row("N8 N11 malformed events (no JSON, no UTF-8, NUL)", once("nonsense")),
    Row("N9 each event twice, and an old one", once("dup")),
    Row("N10 event without end", held("endless", "stream")),
    Row("N10 page that unpacks to 8 MB", held("bomb", "page")),
    Row("N12 impossible amounts", struck("wild")),
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
    Row("test network reset", struck("reset")),
    Row("history truncated to the last ledger", struck("truncated")),
    Row("twenty ledgers at once", struck("gap")),
    Row("NETWORK is pressed: another, healthy network", pressed),
    Row("listener killed", killed(signal.SIGKILL)),
    Row("listener stopped (SIGSTOP)", killed(signal.SIGSTOP)),
    sick("listener leaks past its memory", "k = []\nwhile True: k.append(bytes(1 << 20))"),
    sick("listener writes garbage", "while True: print('what?', flush=True)"),
    sick("listener writes half a line, and exits", "print('{\"t\":1,\"led', end='')"),
    sick("listener writes a line without end", "while True: print('x' * 9999, end='')"),
    sick("listener writes nothing", "import time; time.sleep(999)"),
)

# --- one row, in a process of its own -----------------------------------------------------------------------

# The program that runs in place of the listener: the sick one the first time, then the listener itself.
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


def _box(row: Row, server: HorizonServer, spare: HorizonServer, folder: Path) -> Box:
    urls = row.endpoints.format(server=server.url, spare=spare.url).split(",")
    config = folder / "box.toml"
    config.write_text(
        f'network = "mine"\n[networks.mine]\nendpoints = {json.dumps(urls)}\npassphrase = "generated"\n'
        f'[networks.next]\nendpoints = ["{spare.url}"]\npassphrase = "generated"\n'
    )
    real = [sys.executable, "-m", "appliance", "listen", "--config", str(config), "--network"]
    sick = [sys.executable, "-c", SICK, str(folder / "mark"), row.sick, *real] if row.sick else real
    start = Start(bundled(), listener=sick, state_dir=folder / "state")
    return Box(load({}, {}, config).settings, start, output=lambda _: SilentCard())


async def measure(row: Row) -> dict[str, float | None]:
    """Play a row, and return its figures."""
    os.environ["SSL_CERT_FILE"] = str(TRUST)
    now = asyncio.get_running_loop().time
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # servers report refused handshakes
    with tempfile.TemporaryDirectory() as folder:
        async with _server(row) as server, _server(replace(row, tls="")) as spare:
            box = _box(row, server, spare, Path(folder))
            scenario, watch = Scenario(server, spare, box), Watch(box)
            tasks = [asyncio.create_task(one) for one in (scenario.go_on(), box.run())]
            await asyncio.sleep(START)
            tasks.append(asyncio.create_task(watch.run()))
            async with asyncio.timeout(TIMEOUT):
                if not row.early:
                    await scenario.next_ledger(0.0)
                    await asyncio.sleep(2 * EVERY)
                begun = 0.0 if row.early else box.console.seconds
                before = 0 if row.early else len(server.requests) + len(spare.requests)
                loud = now() + SWELL if row.early else now()
                watch.restart(loud)
                over = box.console.seconds if await row.inject(scenario) else begun
                since = begun if row.early and over == begun else box.console.seconds
                back = await scenario.next_ledger(since)
                requests = len(server.requests) + len(spare.requests) - before
                while box.console.seconds < back + EVERY or now() < loud:  # even if it was back at once
                    await asyncio.sleep(LOOK)
            note = await scenario.next_note(since)
            taken = {
                "still": watch.still,
                "quietest": watch.quietest,
                "recording": None if row.early or watch.left is None else watch.left - begun,
                "back": back - over,
                "note": None if note is None else note - over + box.console.status().latency,
                "requests": requests,
            }
            box.stop()
            await tasks[1]
            for task in tasks:
                task.cancel()
    return taken


# --- all of them --------------------------------------------------------------------------------------------


async def _in_a_process(number: int, room: asyncio.Semaphore) -> dict[str, float | None] | None:
    """A row's figures; None if no ledger came in time."""
    async with room:
        command = [sys.executable, "-m", "benchmarks.faults", "--row", str(number)]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
        figures, errors = await process.communicate()
    if process.returncode:
        print(errors.decode()[-500:], file=sys.stderr)
        return None
    taken: dict[str, float | None] = json.loads(figures)
    return taken


def line(row: Row, taken: dict[str, float | None] | None) -> str:
    """A row of the table."""
    if taken is None:
        return f"! {row.what:<58} no ledger within {TIMEOUT:.0f} s"
    still, quietest = taken["still"] or 0.0, taken["quietest"] or 0.0
    played = "yes" if still < STILL and quietest > SILENT else "NO"
    recording = "-" if taken["recording"] is None else f"{taken['recording']:.0f}"
    note = "-" if taken["note"] is None else f"{taken['note']:.1f}"
    return (
        f"{' ' if played == 'yes' else '!'} {row.what:<58}{played:>6}{still * 1000:>9.0f}{quietest:>8.0f}"
        f"{recording:>11}{taken['back']:>8.1f}{note:>8}{taken['requests']:>10}"
    )


async def table(rows: list[int], at_once: int) -> None:
    """Play the rows, `at_once` of them at a time, and print them in their order."""
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
    parser.add_argument("--at-once", type=int, default=4, metavar="N", help="boxes at a time, 4 without it")
    parser.add_argument("--only", default="", metavar="WORD", help="only rows with this in their name")
    parser.add_argument("--row", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.row is not None:
        print(json.dumps(asyncio.run(measure(ROWS[given.row]))))
        return
    rows = [number for number, row in enumerate(ROWS) if given.only.lower() in row.what.lower()]
    asyncio.run(table(rows, given.at_once))


if __name__ == "__main__":
    main()
