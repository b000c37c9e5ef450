# SPDX-License-Identifier: Apache-2.0
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from appliance.ledger.reader.record_files import record_files
from appliance.ledger.tape import bundled, open_tape
from appliance.ledger.tape.arrange import PASSES, arrange, main
from appliance.values import Amount, Kind, Ledger
from tests.support.horizon_records import recorded


def ledger(sequence: int, *sizes: int, operations: int = 100) -> Ledger:
    amounts = tuple(Amount(size, Kind.OFFER, True, sequence) for size in sizes)
    return Ledger(sequence, 1000 + 6 * sequence, operations, 10, 2, amounts)


BUSY = [ledger(1, *range(1000, 1400)), ledger(2, *range(2000, 2400))]
QUIET = [ledger(1, 7, operations=1), ledger(2, operations=0)]
TIMING = [ledger(sequence) for sequence in range(50)]


def test_an_arrangement_invents_nothing_and_comes_and_goes() -> None:
    lines = list(arrange(BUSY, QUIET, TIMING))
    ledgers = [line.entry for line in lines if isinstance(line.entry, Ledger)]
    assert len(ledgers) == len(TIMING) * PASSES
    real = {amount.stroops for source in (*BUSY, *QUIET) for amount in source.amounts}
    assert {amount.stroops for entry in ledgers for amount in entry.amounts} <= real
    counts = [len(entry.amounts) for entry in ledgers]
    assert min(counts) <= 1
    assert max(counts) > 40
    assert all(entry.amounts[-1].stroops == 7 for entry in ledgers[::2])  # the quiet network is always there
    assert {after.seconds - before.seconds for before, after in pairwise(lines)} == {6.0}
    assert list(arrange(BUSY, QUIET, TIMING)) == lines


def test_the_bundled_recording_is_what_these_files_make(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = {
        "2020": (["pubnet-2020-07-28-11-ledgers-operations.jsonl.gz"], None),
        "2024": (["pubnet-2024-09-02-1-ledger-operations.jsonl.gz"], None),
        "testnet": (
            ["testnet-2025-06-18-3000-ledgers-operations.jsonl.gz"],
            "testnet-2025-06-18-3000-ledgers.jsonl.gz",
        ),
        "timing": ([], "pubnet-2024-08-07-406-ledgers.jsonl.gz"),
    }
    tapes = {}
    for name, (operations, series) in sources.items():
        tapes[name] = str(tmp_path / f"{name}.tape")
        found = [recorded(file) for file in operations]
        record_files(found, recorded(series) if series else None, Path(tapes[name]), "any")
    made = tmp_path / "wind.jsonl.gz"
    words = ["--busy", tapes["2020"], tapes["2024"], "--quiet", tapes["testnet"], "--timing", tapes["timing"]]
    monkeypatch.setattr(sys, "argv", ["arrange", *words, "-o", str(made)])
    main()
    assert open_tape(made).header == bundled().header
    assert list(open_tape(made)) == list(bundled())
