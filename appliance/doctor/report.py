# SPDX-License-Identifier: Apache-2.0
"""The findings as text for a person, and as JSON for a program, with the same content. Pure."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence

from appliance.doctor.finding import Finding, Verdict

FORMAT = 1  # of the JSON; a reader ignores fields that it does not know
VERDICTS, CHECKS = 6, 18  # columns


def screen(findings: Sequence[Finding], width: int) -> str:
    """A line for each finding, wrapped to `width` columns, and a summary."""
    lines = []
    for finding in findings:
        head = f"{finding.verdict:<{VERDICTS}}{finding.check:<{CHECKS}}"
        text = f"{head}{finding.says} {finding.advice}".rstrip()
        lines += textwrap.wrap(
            text, max(width, 60), subsequent_indent=" " * len(head), break_long_words=False
        )
    return "\n".join([*lines, "", summary(findings)])


def summary(findings: Sequence[Finding]) -> str:
    """All findings in a sentence."""
    count = sum(finding.verdict is Verdict.WRONG for finding in findings)
    if count:
        return f"{count} {'thing is' if count == 1 else 'things are'} wrong."
    return "Nothing is wrong."


def as_json(findings: Sequence[Finding]) -> str:
    """The findings as one JSON object."""
    listed = [
        {"check": one.check, "verdict": one.verdict, "says": one.says, "advice": one.advice}
        for one in findings
    ]
    wrong = sum(finding.verdict is Verdict.WRONG for finding in findings)
    return json.dumps({"doctor": FORMAT, "wrong": wrong, "findings": listed}, indent=2, ensure_ascii=False)
