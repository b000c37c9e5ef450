# SPDX-License-Identifier: Apache-2.0
"""What the doctor finds: a verdict, what is so, and what to do about it.

The one rule: a finding is one line. Whoever is not well says in the same line what its owner does next; what is well
asks for nothing. Pure values.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How bad it is. The values are the words of the screen and of `--json`."""

    OK = "ok"
    NOTE = "note"  # the box plays, and somebody should know
    WRONG = "wrong"  # the box does not do what it was asked to


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's."""

    verdict: Verdict
    check: str  # a few words: what was looked at
    says: str  # one sentence
    advice: str = ""  # one sentence; empty when all is well


def ok(check: str, says: str) -> Finding:
    """All is well."""
    return Finding(Verdict.OK, check, says)


def note(check: str, says: str, advice: str) -> Finding:
    """The box plays, and somebody should know."""
    return Finding(Verdict.NOTE, check, says, advice)


def wrong(check: str, says: str, advice: str) -> Finding:
    """The box does not do what it was asked to, until somebody follows the advice."""
    return Finding(Verdict.WRONG, check, says, advice)
