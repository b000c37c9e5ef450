# SPDX-License-Identifier: Apache-2.0
"""`make bench-clients`: what clients of the control socket cost the sound, and how late a note reaches them.

The whole box plays on a sound card that counts how often it runs dry. Each row attaches clients that behave as it says
for some seconds; the CPU is the player's, in per cent of a core, and the memory its own (anonymous) pages at the end.
The delay of a note is measured against what the card has played at the moment at which the client gets the note.

    python -m benchmarks.clients [--seconds 20]
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from appliance.control import CLIENTS, SOCKET, Client, NoBox
from appliance.score.files import ScoreWriter
from appliance.score.format import Header
from appliance.sound import SAMPLE_RATE
from appliance.values import Bed, Context, Note, NoteEvent, Passage, Voice
from benchmarks.live_box import LiveBox, playing
from tests.support import fault_cards
from tests.support.fault_cards import Card, Cards

FRAME = 8  # bytes: two channels of 32 bits
APART, NOTES = 1.5, 12  # s between two notes, and how many, for the delay
ONSET, REST = 0.002, 0.1  # full scale, and s before it, with which an onset is compared
BOUND = 0.030  # s between the onset of a note and its arrival
WATCH = b'{"do":"watch"}\n'
GIGABYTE = 1 << 30

Stop = Callable[[], bool]


def connect(path: Path) -> socket.socket:
    """A connection to the control socket."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(path))
    connection.settimeout(1.0)
    return connection


def _endless(path: Path, content: bytes, stop: Stop, most: int = GIGABYTE) -> None:
    """Send `content` again and again, connecting again whenever the box hangs up."""
    sent = 0
    while not stop() and sent < most:
        with suppress(OSError), connect(path) as client:
            while not stop() and sent < most:
                client.sendall(content)
                sent += len(content)


def reads_nothing(path: Path, stop: Stop) -> None:
    """Watch, and never read."""
    with connect(path) as client:
        client.sendall(WATCH)
        while not stop():
            time.sleep(0.05)


def reads_all(path: Path, stop: Stop) -> None:
    """Watch, and read."""
    with connect(path) as client:
        client.sendall(WATCH)
        while not stop():
            with suppress(TimeoutError):
                client.recv(1 << 16)


def floods(path: Path, stop: Stop) -> None:
    """Turn a knob as fast as the socket takes it, and read no answer."""
    _endless(
        path,
        b'{"do":"turn","knob":"tempo","detents":1}\n{"do":"turn","knob":"tempo","detents":-1}\n' * 20,
        stop,
    )


def garbage(path: Path, stop: Stop) -> None:
    """Send bytes that are no command."""
    _endless(path, bytes(range(256)) * 8 + b"\n", stop)


def endless_line(path: Path, stop: Stop) -> None:
    """Send up to a gigabyte without a newline."""
    _endless(path, b"x" * (1 << 16), stop)


def half_a_line(path: Path, stop: Stop) -> None:
    """Begin a command, and die, again and again."""
    while not stop():
        with suppress(OSError), connect(path) as client:
            client.sendall(b'{"do":"press","but')
        time.sleep(0.001)


def keeps(path: Path, stop: Stop) -> None:
    """Ask for the last half hour again and again."""
    while not stop():
        with suppress(OSError, NoBox), Client.connect([path.parent]) as client:
            client.keep()


ROWS: list[tuple[str, list[Callable[[Path, Stop], None]]]] = [
    ("no client", []),
    ("one that watches", [reads_all]),
    (f"{CLIENTS} that watch", [reads_all] * CLIENTS),
    (f"{CLIENTS} that watch and read nothing", [reads_nothing] * CLIENTS),
    ("four that flood", [floods] * 4),
    ("four that send garbage", [garbage] * 4),
    ("two that send a gigabyte without a newline", [endless_line] * 2),
    ("two that send half a line and die", [half_a_line] * 2),
    ("one that keeps", [keeps]),
]


def row(
    name: str, clients: list[Callable[[Path, Stop], None]], box: LiveBox, path: Path, seconds: float
) -> str:
    """Attach `clients` for so many seconds, and say what it cost."""
    ended = threading.Event()
    threads = [threading.Thread(target=client, args=(path, ended.is_set)) for client in clients]
    dry, before = box.underruns, memory(box)
    for thread in threads:
        thread.start()
    usage = box.usage(seconds)
    ended.set()
    for thread in threads:
        thread.join()
    with Client.connect([path.parent]) as client:
        client.status()  # it still answers
    after = memory(box)
    return f"| {name} | {box.underruns - dry} | {usage:.1f} % | {before:.1f} | {after:.1f} |"


def memory(box: LiveBox) -> float:
    """The player's anonymous memory, MB."""
    text = Path(f"/proc/{box.process.pid}/smaps_rollup").read_text()
    fields = dict(line.split(":", 1) for line in text.splitlines()[1:])
    return int(fields["Anonymous"].split()[0]) / 1024


def score(path: Path) -> None:
    """Single bells in silence."""
    context = Context("public", "wind", "wind", "C", 60.0)
    writer = ScoreWriter(path, Header(context, APART * (NOTES + 1)), compress=True)
    writer.observe(Passage(0.0, context, bed=Bed(0.0, 0.0, 0.0)))
    for index in range(1, NOTES + 1):
        at = APART * index
        note = Note(72, 0.9, 0.1, Voice.BELL)
        writer.observe(Passage(at, context, (NoteEvent(note, at, at, 0.1),)))
    writer.close()


def delays(folder: Path, cards: Cards, card: Card) -> list[float]:
    """How much of the card's time has passed from the onset of each note to its arrival at a client, s."""
    score(folder / "bells.score.gz")
    arrived: list[float] = []
    with playing(cards, card, words=(str(folder / "bells.score.gz"),)) as box:
        box.until((card.folder / SOCKET).exists)
        with Client.connect([card.folder]) as client:
            for event in client.watch():
                if "note" in event:
                    arrived.append(card.heard / FRAME / SAMPLE_RATE)
                    if len(arrived) == NOTES - 2:
                        break
    onsets = begun(np.abs(card.played()).max(axis=1))
    return [at - float(onsets[np.abs(onsets - at).argmin()]) for at in arrived[:-1]]  # the last fades


def begun(level: NDArray[np.float32]) -> NDArray[np.float64]:
    """The seconds at which a sound of `level` becomes twice as loud as it was half a REST to a REST before."""
    step = SAMPLE_RATE // 500  # 2 ms
    peaks = level[: len(level) // step * step].reshape(-1, step).max(axis=1)
    back = round(REST * SAMPLE_RATE / step)
    found: list[float] = []
    for index in range(back, len(peaks)):
        rises = peaks[index] > ONSET and peaks[index] > 2 * peaks[index - back : index - back // 2].max()
        if rises and (not found or index * step / SAMPLE_RATE - found[-1] > APART / 2):
            found.append(index * step / SAMPLE_RATE)
    return np.array(found)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="What clients of the control socket cost the sound.")
    parser.add_argument(
        "--seconds", type=float, default=20.0, help="for each row; 0 measures the delay alone"
    )
    asked = parser.parse_args()
    if lacking := fault_cards.lacking():
        print(f"No card to play on: {lacking}.")
        return 1
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        cards = Cards(folder)
        print("| clients | ran dry | the player's CPU | MB before | MB after |\n|---|---|---|---|---|")
        with playing(cards, cards["crowd"]) as box:
            path = cards["crowd"].folder / SOCKET
            box.until(path.exists)
            box.until_heard()
            for name, clients in ROWS if asked.seconds else ():
                print(row(name, clients, box, path, asked.seconds), flush=True)
        late = delays(folder, cards, cards["bells"])
    listed = json.dumps([round(1000 * each, 1) for each in late])
    print(
        f"\nFrom the onset of a note to its arrival at a client: {1000 * median(late):.1f} ms (median; all: {listed})."
    )
    return int(max(map(abs, late)) > BOUND)


if __name__ == "__main__":
    sys.exit(main())
