# SPDX-License-Identifier: Apache-2.0
"""Coverage-guided fuzzing of the targets with atheris (libFuzzer). Each target is fuzzed in a fork of this process.

    python -m tests.fuzz --seconds 600                 each target for ten minutes
    python -m tests.fuzz --seconds 60 --only xdr,rpc   two of them

Inputs that reach new code are kept in build/fuzz/TARGET/corpus and are where the next run starts. An input that raises
anything, takes more than SLOW seconds, or needs more than MEMORY is written to build/fuzz/TARGET/ and ends that target:
mend the parser and keep a small one in tests/fuzz/finds/TARGET-NAME. Exits with 1 if there was a find.
atheris has wheels for x86-64 and Python 3.11 to 3.13 only; elsewhere this says so and exits with 0.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.util
import io
import os
import re
import resource
import sys
from contextlib import redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:  # imported later, to be instrumented
    from tests.fuzz.targets import Target

OUTPUT = Path("build/fuzz")
SLOW = 5  # s that one input can take; instrumented code is several times slower
MEMORY = 64  # MB that one input can add to the process, and ADDRESSES of address space that it can ask for
ADDRESSES = 1024  # MB
INSTRUMENTED = ["appliance", "stellar_sdk.xdr", "stellar_sdk.scval"]


class Result(NamedTuple):
    """What came of one target."""

    executions: int
    edges: int
    features: int
    peak: int  # MB
    find: str  # where it is, and its first line; "" if there was none


def fuzz(atheris: Any, name: str, target: Target, seconds: float) -> None:
    """Fuzz one target in this process, which libFuzzer ends."""
    corpus = OUTPUT / name / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    seeds = [*target.seeds(), *(path.read_bytes() for path in Path("tests/fuzz/finds").glob(f"{name}-*"))]
    for seed in seeds:
        (corpus / hashlib.sha1(seed, usedforsecurity=False).hexdigest()).write_bytes(seed)
    words = OUTPUT / name / "words"
    words.write_text(_words(seeds))

    def measured(data: bytes) -> None:
        before = _peak()
        target.run(data)
        if (grown := _peak() - before) > MEMORY:
            raise MemoryError(f"one input took {grown} MB")

    options = {
        "max_total_time": round(seconds),
        "max_len": target.longest,
        "timeout": SLOW,
        "report_slow_units": 1,
        "rss_limit_mb": 1024,
        "artifact_prefix": f"{OUTPUT / name}/",
        "dict": words,
        "print_final_stats": 1,
        "verbosity": 1,
    }
    arguments = [f"-{key}={value}" for key, value in options.items()]
    atheris.Setup([sys.argv[0], *arguments, str(corpus)], measured)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + (ADDRESSES << 20),) * 2)
    atheris.Fuzz()


def _peak() -> int:
    """The largest size so far of this process, in MB. libFuzzer measures single allocations only with a sanitizer."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def _words(seeds: list[bytes]) -> str:
    """The words of the seeds as a dictionary of libFuzzer's: mutations insert them."""
    found = {word for seed in seeds for word in re.findall(rb'"?[A-Za-z_][A-Za-z0-9_.-]{1,30}"?', seed)}
    escaped = ("".join(f"\\x{byte:02x}" for byte in word) for word in sorted(found)[:400])
    return "".join(f'"{word}"\n' for word in escaped)


def run(atheris: Any, name: str, target: Target, seconds: float) -> Result:
    """Fuzz one target in a fork: libFuzzer ends the process that it runs in."""
    (OUTPUT / name).mkdir(parents=True, exist_ok=True)
    log = OUTPUT / name / "log"
    if not (child := os.fork()):
        with log.open("wb") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        fuzz(atheris, name, target, seconds)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    text = log.read_bytes().decode(errors="replace")
    progress = re.findall(r"cov: (\d+) ft: (\d+)", text)
    edges, features = map(int, progress[-1]) if progress else (0, 0)
    find = ""
    if status:
        where = re.search(r"Test unit written to (\S+)", text)
        what = re.search(
            r"^(?:\w+\.)*\w*(?:Error|Exception|Exit|Bad\w+|Lost)\b.*|^SUMMARY.*", text, re.MULTILINE
        )
        find = f"{where[1] if where else log}: {what[0][:100] if what else 'see the log'}"
    return Result(_stat(text, "number_of_executed_units"), edges, features, _stat(text, "peak_rss_mb"), find)


def _stat(text: str, name: str) -> int:
    found = re.search(rf"stat::{name}:\s*(\d+)", text)
    return int(found[1]) if found else 0


def main() -> int:
    """Fuzz the targets that are asked for, one after another, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seconds", type=float, default=600.0, help="for each target")
    parser.add_argument("--only", default="", help="targets, with commas between them")
    given = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print(
            "Skipped fuzzing: atheris is not installed. It has wheels for x86-64 Linux, Python 3.11 to 3.13."
        )
        return 0
    atheris = importlib.import_module("atheris")
    with (
        redirect_stderr(io.StringIO()),
        atheris.instrument_imports(include=INSTRUMENTED),
    ):  # it names each module
        from tests.fuzz.targets import TARGETS
    finds = 0
    print(f"{'target':12} {'executions':>11} {'edges':>7} {'features':>9} {'MB':>5}  find", flush=True)
    for name in given.only.split(",") if given.only else TARGETS:
        result = run(atheris, name, TARGETS[name], given.seconds)
        finds += bool(result.find)
        print(
            f"{name:12} {result.executions:11,} {result.edges:7,} {result.features:9,} {result.peak:5}"
            f"  {result.find or 'none'}",
            flush=True,
        )
    return 1 if finds else 0


if __name__ == "__main__":
    sys.exit(main())
