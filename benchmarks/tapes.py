# SPDX-License-Identifier: Apache-2.0
"""The tapes that the music is measured on: networks as they are, and hostile ones.

A tape is the same every time, because its random seed is fixed. Recorded Horizon data is used where it lies beside the
repository (../shared/horizon); otherwise ledgers of the same size and distance are generated, with amounts that are
log-normal over 13 decades. Reads files; one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import accumulate, pairwise
from pathlib import Path
from random import Random

from appliance.ledger.reader.record_files import from_operations
from appliance.ledger.tape import Line
from appliance.ledger.tape import bundled as bundled_tape
from appliance.values import Amount, Kind, Ledger

HORIZON = Path(__file__).parents[1] / "../shared/horizon"
PUBLIC = "pubnet-2020-07-28-11-ledgers-operations.jsonl.gz"
TESTNET = "testnet-2025-06-18-3000-ledgers-operations.jsonl.gz"
TESTNET_LEDGERS = "testnet-2025-06-18-3000-ledgers.jsonl.gz"

FRIENDBOT = 100_000_000_000  # stroops that the test network's faucet gives: 10,000 lumens
Lines = list[Line]


def public(seconds: float) -> Lines:
    """The eleven recorded ledgers, in a new order each round and each with some of its operations left out."""
    rng = Random(1)
    found = _recorded_public() or [_ledger(rng, 170, _offer) for _ in range(11)]
    gaps = [float(after.closed_at - before.closed_at) for before, after in pairwise(found)]
    gaps = [gap for gap in gaps if gap > 0] or [5.0, 6.0, 7.0]
    lines: Lines = []
    at = 0.0
    while at < seconds:
        for ledger in rng.sample(found, len(found)):
            first = rng.randrange(len(ledger.amounts) // 3 + 1)
            lines.append(
                Line(at, replace(ledger, amounts=ledger.amounts[first : first + rng.randint(40, 140)]))
            )
            at += rng.choice(gaps)
    return lines


def testnet(seconds: float) -> Lines:
    """The test network from the beginning of what was recorded."""
    return _testnet()[: round(seconds / 5)]


def testnet_lively(seconds: float) -> Lines:
    """The stretch of what was recorded that holds the most amounts."""
    lines, count = _testnet(), round(seconds / 5)
    counts = [0, *accumulate(len(_of(line).amounts) for line in lines)]
    first = max(range(len(lines) - count + 1), key=lambda first: counts[first + count] - counts[first])
    return [Line(line.seconds - lines[first].seconds, line.entry) for line in lines[first : first + count]]


def bundled(seconds: float) -> Lines:
    """The recording that comes with the program, again and again."""
    lines = list(bundled_tape())
    length = lines[-1].seconds
    rounds = range(int(seconds / length) + 1)
    return [Line(number * length + line.seconds, line.entry) for number in rounds for line in lines]


def empty(_: float) -> Lines:
    """No ledger at all."""
    return []


def dust(seconds: float) -> Lines:
    """Only amounts of one, two and three stroops."""
    return _generated(seconds, 5.8, 200, lambda rng: _offer(rng, rng.randint(1, 3)))


def whales(seconds: float) -> Lines:
    """Every fifth amount is near the largest that there can be."""
    return _generated(
        seconds,
        5.8,
        170,
        lambda rng: _offer(rng, rng.randint(2**60, 2**63 - 1) if rng.random() < 0.2 else None),
    )


def spam(seconds: float) -> Lines:
    """The same amount ten thousand times."""
    ledgers = round(seconds / 5.8)
    return _generated(
        seconds, 5.8, round(10_000 / ledgers), lambda _: Amount(300_000, Kind.CLAIMABLE, False, 0)
    )


def crowd(seconds: float) -> Lines:
    """A thousand operations a ledger."""
    return _generated(seconds, 5.8, 1000, _offer)


def fast(seconds: float) -> Lines:
    """A full ledger every two and a half seconds."""
    return _generated(seconds, 2.5, 1000, _offer)


def silence(seconds: float) -> Lines:
    """Half a minute of a busy network, then no more ledgers."""
    return [line for line in crowd(seconds) if line.seconds < 30.0]


TAPES: dict[str, Callable[[float], Lines]] = {
    "public": public,
    "testnet": testnet,
    "testnet-lively": testnet_lively,
    "bundled": bundled,
    "empty": empty,
    "hostile-dust": dust,
    "hostile-whales": whales,
    "hostile-spam": spam,
    "hostile-crowd": crowd,
    "hostile-fast": fast,
    "hostile-silence": silence,
}


RECORDED = {"public": PUBLIC, "testnet": TESTNET, "testnet-lively": TESTNET}


def missing(tape: str) -> str:
    """The recorded data that a tape lacks on this machine, in which case it is generated; empty if it is complete."""
    name = RECORDED.get(tape)
    return name if name and not (HORIZON / name).exists() else ""


def _of(line: Line) -> Ledger:
    assert isinstance(line.entry, Ledger)  # noqa: S101 - these tapes hold only ledgers
    return line.entry


def _recorded_public() -> list[Ledger]:
    path = HORIZON / PUBLIC
    return from_operations([path]).ledgers if path.exists() else []


def _testnet() -> Lines:
    path = HORIZON / TESTNET
    if path.exists():
        return list(from_operations([path], HORIZON / TESTNET_LEDGERS).lines())
    rng = Random(2)
    # Half of the ledgers are empty, most others hold one or two amounts, and one in a hundred makes 100 accounts.
    counts = rng.choices((0, 1, 2, 10, 100), (48, 36, 13, 2, 1), k=600)
    return [Line(5.0 * index, _ledger(rng, count, _faucet)) for index, count in enumerate(counts)]


def _generated(seconds: float, gap: float, count: int, amount: Callable[[Random], Amount]) -> Lines:
    rng = Random(3)
    return [Line(gap * index, _ledger(rng, count, amount)) for index in range(int(seconds / gap) + 1)]


def _ledger(rng: Random, count: int, amount: Callable[[Random], Amount]) -> Ledger:
    return Ledger(1, 0, count, count, 0, tuple(_amounts(rng, count, amount)))


def _amounts(rng: Random, count: int, amount: Callable[[Random], Amount]) -> Iterator[Amount]:
    return (amount(rng) for _ in range(count))


def _offer(rng: Random, stroops: int | None = None) -> Amount:
    kinds: Iterable[Kind] = (Kind.OFFER,) * 9 + (Kind.PAYMENT,)
    # Median 300 units, a standard deviation of e to the fifth: 13 decades between the smallest and the largest.
    size = stroops or max(1, min(2**63 - 1, int(rng.lognormvariate(21.8, 5.0))))
    return Amount(size, rng.choice(list(kinds)), rng.random() < 0.5, 0)


def _faucet(rng: Random) -> Amount:
    if rng.random() < 0.9:
        return Amount(FRIENDBOT, Kind.CREATE, True, 0)
    return replace(_offer(rng), kind=Kind.PAYMENT)
