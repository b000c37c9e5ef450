# SPDX-License-Identifier: Apache-2.0
"""A process that writes the state over and over, to be killed or to have its power cut.

    python -m tests.support.state_writer write PATH            writes until it is killed; prints each number written
    python -m tests.support.state_writer kill PATH KILLS SEED  kills a child that writes; prints how many files were bad

`--careless` opens the file and writes into it, without a rename.
"""

import argparse
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

from appliance.saved.files import write
from appliance.saved.state import SavedControls, State, decode, encode

CONTROLS = SavedControls(0.7, 60.0, "public", "wind")


def careless(path: Path, content: bytes) -> None:
    """Not atomic: what a power cut or a kill tears."""
    path.write_bytes(content)


def write_on(path: Path, put: Callable[[Path, bytes], None]) -> None:
    """Write state after state; one line a state that is said to be written."""
    for number in count(1):
        put(path, encode(State(CONTROLS, CONTROLS, ("public", number))))
        os.write(1, b"%d\n" % number)


def kill(path: Path, kills: int, seed: int, put: Callable[[Path, bytes], None]) -> int:
    """How many of `kills` at random moments left a file that is no state, or none."""
    rng, bad = random.Random(seed), 0
    for _ in range(kills):
        child = os.fork()
        if not child:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            write_on(path, put)
        time.sleep(rng.uniform(0.002, 0.012))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        try:
            decode(path.read_bytes())
        except (ValueError, OSError):
            bad += 1
    return bad


def main() -> None:
    """Do what the words say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--careless", action="store_true")
    parser.add_argument("what", choices=["write", "kill"])
    parser.add_argument("path", type=Path)
    parser.add_argument("kills", type=int, nargs="?", default=200)
    parser.add_argument("seed", type=int, nargs="?", default=1)
    words = parser.parse_args()
    put = careless if words.careless else write
    if words.what == "write":
        write_on(words.path, put)
    put(words.path, encode(State(CONTROLS, CONTROLS)))
    sys.stdout.write(f"{kill(words.path, words.kills, words.seed, put)}\n")


if __name__ == "__main__":
    main()
