# SPDX-License-Identifier: Apache-2.0
"""`make bench`: what starting the box takes, and what a render costs and sounds like."""

from __future__ import annotations

from benchmarks import render_check, start
from benchmarks.measure import table

if __name__ == "__main__":
    print(table("The box, without a card and without a network", start.figures()), flush=True)
    print(table("What a start takes", start.costs()), flush=True)
    render_check.main()
