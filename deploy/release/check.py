# SPDX-License-Identifier: Apache-2.0
"""`make release-check`: run every lane of a release on one commit, one after another, and print what each gave.

A lane that passed on this very commit is not run again, so a check that was cut off goes on with the lane in which it
was cut. The tree must be clean and stay so: a lane during which a file or the commit changed does not count.

    build/release-check/COMMIT/NAME.log     the output of a lane
    build/release-check/COMMIT/NAME.json    its result, written only if it passed
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

KEPT = Path("build/release-check")
LIST = "build/image/manifest.txt"
# The image is tested only if it is the one that was built on this commit: its list is compared. {kept} is the folder.
SAME = f"cmp {LIST} {{kept}}/manifest.txt"
LANES = {
    "check": "make check",
    "image": f"make image && cp {LIST} {{kept}}/manifest.txt",
    "image-again": f"make image && {SAME}",
    "image-test": f"{SAME} && make image-test",
    "image-test-raspi3b": f"{SAME} && make image-test-raspi3b",
    "nspawn-test": "make nspawn-test",
    "ansible-test": "make ansible-test",
    "soak": "make soak",
    "bench": "make bench",
}
# pytest names each test that it skips, whichever target of the Makefile runs it.
ENVIRONMENT = {"PYTEST_ADDOPTS": "--no-fold-skipped"}
SKIPPED = (
    re.compile(r"^SKIPPED (\S.*?) - (?:Skipped: )?(.+)$", re.MULTILINE),  # pytest's
    re.compile(r"^(.+?) {2,}skipped +(.+)$", re.MULTILINE),  # of the drawings
    re.compile(r"^Skipped (.+)$", re.MULTILINE),  # of the fuzzing
)


@dataclass(frozen=True, slots=True)
class Result:
    """What a lane gave."""

    seconds: float
    passed: int  # tests; 0 in a lane that is no run of pytest
    skipped: list[str]


def result(output: str, seconds: float) -> Result:
    """What a lane that exited with 0 has printed."""
    passed = sum(int(count) for count in re.findall(r"^(?:=+ )?(\d+) passed\b", output, re.MULTILINE))
    skipped = [": ".join(match.groups()) for pattern in SKIPPED for match in pattern.finditer(output)]
    return Result(seconds, passed, list(dict.fromkeys(skipped)))


def ran_nothing(output: str) -> bool:
    """Whether a run of pytest has skipped everything: a machine without the tools of a lane does not pass it."""
    return re.search(r"^(?:=+ )?(\d+ skipped|no tests ran)\b.* in ", output, re.MULTILINE) is not None


def table(commit: str, results: Mapping[str, Result | None]) -> Iterator[str]:
    """The lanes as lines of Markdown, and below them what was skipped, by name."""
    yield f"| lane on {commit[:12]} | command | time | passed | skipped |"
    yield "|---|---|---|---|---|"
    for name, found in results.items():
        command = LANES[name].format(kept="...")
        if found is None:
            yield f"| {name} | `{command}` | | not passed | |"
        else:
            minutes, seconds = divmod(round(found.seconds), 60)
            took = f"{minutes} min {seconds} s"
            yield f"| {name} | `{command}` | {took} | {found.passed or 'yes'} | {len(found.skipped)} |"
    for name, found in results.items():
        if found and found.skipped:
            yield f"\nskipped in {name}:\n"
            yield from (f"- {each}" for each in found.skipped)


def git(*words: str) -> str:
    """What git says."""
    command = ["git", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603 - our words


def stored(file: Path) -> Result | None:
    """The result of a lane that has passed before."""
    return Result(**json.loads(file.read_text(encoding="utf-8"))) if file.exists() else None


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def run(name: str, commit: str, kept: Path) -> Result | None:
    """Run one lane; its result, which is also stored, or None if it did not pass."""
    log = kept / f"{name}.log"
    say(f"{time.strftime('%H:%M')}  {name}: {log}")
    began = time.monotonic()
    with log.open("w", encoding="utf-8") as file:
        command = LANES[name].format(kept=kept)
        lane = subprocess.run(  # noqa: S602 - a command of ours
            command,
            shell=True,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=os.environ | ENVIRONMENT,
            check=False,
        )
    output = log.read_text(encoding="utf-8", errors="replace")
    if lane.returncode:
        say("\n".join([*output.splitlines()[-20:], f"{name} failed with {lane.returncode}: {log}"]))
        return None
    if ran_nothing(output):
        say(f"{name} has skipped all of its tests, which is no pass: {log}")
        return None
    if git("rev-parse", "HEAD") != commit or git("status", "--porcelain"):
        say(f"{name} does not count: the commit or a file has changed during it.")
        return None
    found = result(output, time.monotonic() - began)
    part = kept / f"{name}.part"
    part.write_text(json.dumps(asdict(found)), encoding="utf-8")
    part.replace(kept / f"{name}.json")  # a cut leaves the whole result or none
    return found


def main() -> int:
    """Run what has not passed yet, up to the first failure, and print the table; returns the exit code."""
    if changed := git("status", "--porcelain"):
        say(f"These files are not committed, so there is no commit to check:\n{changed}")
        return 2
    commit = git("rev-parse", "HEAD")
    kept = KEPT / commit
    kept.mkdir(parents=True, exist_ok=True)
    results = {name: stored(kept / f"{name}.json") for name in LANES}
    for name in LANES:
        results[name] = results[name] or run(name, commit, kept)
        if not results[name]:
            break
    say("\n".join(["", *table(commit, results)]))
    return 0 if all(results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
