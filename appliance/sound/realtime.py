# SPDX-License-Identifier: Apache-2.0
"""Real-time priority for the threads that sound depends on, where the computer allows it (LimitRTPRIO= of the unit).

A nice value is a share of the processor, and no promise of when: beside other programs the kernel lets the threads wait
for tens of milliseconds now and then. A real-time thread runs at once. The main, the performer's and the card's thread.
"""

from __future__ import annotations

import os
from contextlib import suppress

PRIORITY = 10  # of 99; the kernel's own threads for devices have 50


def hurry() -> None:
    """Give the calling thread real-time priority, if that is allowed; what it starts does not inherit it."""
    with suppress(OSError):  # without the right to it, it stays as it is
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(PRIORITY))
