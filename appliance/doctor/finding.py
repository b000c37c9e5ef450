# SPDX-License-Identifier: Apache-2.0
"""A finding of the doctor: a verdict, a fact, and what to do about it.

A finding is one line. One that is not ok has an advice for the owner; one that is ok has none. Pure values.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """The severity. The values are the words of the screen and of `--json`."""

    OK = "ok"
    NOTE = "note"  # the box plays, but the owner should know
    WRONG = "wrong"  # the box does not do what it should


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    verdict: Verdict
    check: str  # a few words: what was checked
    says: str  # one sentence
    advice: str = ""  # one sentence; empty if it is ok


def ok(check: str, says: str) -> Finding:
    """A finding that is ok."""
    return Finding(Verdict.OK, check, says)


def note(check: str, says: str, advice: str) -> Finding:
    """A finding that the owner should know of although the box plays."""
    return Finding(Verdict.NOTE, check, says, advice)


def wrong(check: str, says: str, advice: str) -> Finding:
    """A finding that keeps the box from doing what it should."""
    return Finding(Verdict.WRONG, check, says, advice)
