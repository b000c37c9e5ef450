# SPDX-License-Identifier: Apache-2.0
"""The command for a process of our own."""

import sys


def command(module: str, *words: str) -> list[str]:
    """Run `module` with the same Python. -P: a random.py in the working folder must not become the random of Python."""
    return [sys.executable, "-P", "-m", module, *words]
