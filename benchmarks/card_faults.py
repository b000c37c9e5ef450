# SPDX-License-Identifier: Apache-2.0
"""What becomes of the sound when cards fail: rows A1 to A10 of the fault table, each fault really injected.

    python -m benchmarks.card_faults [A1 A9 ...]        prints the table, or some rows of it; about three minutes

Most rows run the whole box, as its owner starts it, on a sound card that does what a file tells it (tests/alsa_fault):
real ALSA, real time, no card needed. "Back" is from the moment at which the fault ends to the first sample that the
card plays; "away" is the processor time that the box took while it lasted, beside what it takes while it plays.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from appliance.render import composer
from appliance.settings import load
from appliance.sound.outputs.cards import AUTO, choices, look
from appliance.sound.outputs.speaker import Speaker
from appliance.sound.performer import Performer
from appliance.sound.synth import Synth
from appliance.values import Controls
from benchmarks.live_box import PATIENCE, LiveBox, playing
from tests.support import fault_cards
from tests.support.fault_cards import Cards


@dataclass(frozen=True, slots=True)
class Row:
    """What was seen of a fault."""

    name: str
    injected: str
    heard: str
    back: float | None = None  # s
    away: tuple[float, float] | None = None  # per cent of a core: while it lasted, while it played
    lines: int | None = None  # of the log, from the fault to the return

    def __str__(self) -> str:
        back = "" if self.back is None else f"{self.back:.2f}"
        away = "" if self.away is None else f"{self.away[0]:.1f} / {self.away[1]:.1f}"
        lines = "" if self.lines is None else str(self.lines)
        return f"| {self.name} | {self.injected} | {self.heard} | {back} | {away} | {lines} |"


HEAD = """\
| | injected | heard | back, s | CPU away / playing, % | log lines |
|---|---|---|---|---|---|"""


def at_start(cards: Cards, name: str, mode: str, seconds: float) -> Row:
    """The card is missing or busy when the box starts."""
    card = cards[name]
    card.be(mode)
    with playing(cards, card) as box:
        box.until(lambda: any("silence" in line for line in box.lines))
        away, lines = box.usage(seconds), len(box.lines)
        card.be("ok")
        back = box.until_heard()
        lines = said_since(box, lines)
        return Row(
            name, f"{mode} at the start", "nothing, then the music", back, (away, box.usage(2.0)), lines + 1
        )


def for_a_while(cards: Cards, name: str, mode: str, seconds: float) -> Row:
    """The card fails while the box plays, and is well again later."""
    card = cards[name]
    with playing(cards, card) as box:
        box.until_heard()
        usage, lines = box.usage(2.0), len(box.lines)
        card.be(mode)
        away = box.usage(seconds)
        card.be("ok")
        back = box.until_heard()
        time.sleep(1.0)
        lines = said_since(box, lines)
        return Row(name, f"{mode} for {seconds:.0f} s", "a gap, then the music", back, (away, usage), lines)


def said_since(box: LiveBox, lines: int) -> int:
    """Lines of the log after so many, without those about a machine that others keep busy: no fault of the card's."""
    return sum("This machine" not in line for line in box.lines[lines:])


def for_good(cards: Cards, name: str, mode: str) -> Row:
    """The card hangs for ever."""
    card = cards[name]
    with playing(cards, card) as box:
        box.until_heard()
        lines = len(box.lines)
        card.be(mode)
        ended = box.until(lambda: box.process.poll() is not None)
        code, said = box.stop(), said_since(box, lines)
        heard = f"nothing; exit {code} after {ended:.1f} s, for systemd to start it anew"
        return Row(name, f"{mode} for good", heard, None, None, said)


def flapping(cards: Cards, name: str, seconds: float) -> Row:
    """A loose plug: there for two seconds, away for two."""
    card = cards[name]
    with playing(cards, card) as box:
        box.until_heard()
        lines, end = len(box.lines), time.monotonic() + seconds
        while time.monotonic() < end:
            card.be("gone")
            time.sleep(2.0)
            card.be("ok")
            time.sleep(2.0)
        heard = "the music whenever there is a card"
        return Row(
            name, f"gone and back every 4 s, {seconds:.0f} s long", heard, None, None, said_since(box, lines)
        )


def changing_places(cards: Cards, name: str) -> Row:
    """The best card is found by its id, wherever it stands in the list; a better one is taken when it comes."""
    proc = cards.folder / "asound"
    asound(proc, [("vc4hdmi0", "vc4-hdmi"), ("Device", "USB-Audio")])
    usb, hat = cards["Device"], cards["sndrpihifiberry"]
    with environ(cards):
        speaker = Speaker(AUTO, latency=0.128, block=512, find=lambda: choices(look({}, proc, proc)))
        block = np.full((512, 2), 0.1, dtype=np.float32)
        wait(speaker, block, lambda: usb.heard > 100_000)
        asound(proc, [("sndrpihifiberry", "RPi-simple"), ("Device", "USB-Audio"), ("vc4hdmi0", "vc4-hdmi")])
        back = wait(speaker, block, lambda: hat.heard)
        speaker.close()
    heard = "USB, not the HDMI that was card 0 (nobody listens); the HAT as soon as it was there, with a fade"
    return Row(name, "HDMI, USB; then HAT, USB, HDMI", heard, back)


def asound(folder: Path, found: list[tuple[str, str]]) -> None:
    """Write what /proc/asound would say."""
    folder.mkdir(exist_ok=True)
    for index, (_, driver) in enumerate(found):
        device = folder / f"card{index}" / "pcm0p"
        device.mkdir(parents=True, exist_ok=True)
        (device / "info").write_text(f"card: {index}\ndevice: 0\nid: {driver}\n")
    lines = [f"{index:2} [{name:15}]: {driver} - {name}\n" for index, (name, driver) in enumerate(found)]
    (folder / "cards.new").write_text("".join(lines))
    (folder / "cards.new").replace(folder / "cards")


def wait(speaker: Speaker, block: np.ndarray, seen: Callable[[], object]) -> float:
    """Play on until something is seen."""
    begun = time.monotonic()
    while not seen():
        if time.monotonic() - begun > PATIENCE:
            raise TimeoutError(str(speaker.status))
        speaker.write(block, ())
    return time.monotonic() - begun


@contextmanager
def environ(cards: Cards) -> Iterator[None]:
    """ALSA in this process plays on the cards."""
    before = dict(os.environ)
    os.environ.update(cards.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def picky(cards: Cards, name: str) -> Row:
    """A card that takes none of what the box plays: one channel of 16 bits at 44.1 kHz."""
    card = cards[name]
    card.be("mono s16 44100")
    with playing(cards, card) as box:
        box.until_heard()
        time.sleep(5.0)
        heard = f"the music, converted; ran dry {box.underruns} times in 5 s"
        return Row(name, "mono, 16 bit, 44.1 kHz only", heard)


def broken_sound(name: str) -> Row:
    """A value that is no number gets into the reverb."""
    instrument = Synth()
    performer = Performer(composer(load({}, {}).settings), instrument)
    controls = Controls(0.7, 60.0, "public")
    for _ in range(900):
        performer.block(controls)
    instrument._mixer._reverb.setMul(float("nan"))  # as if one of pyo's objects had made it
    blocks = []
    for _ in range(900):
        performer.block(controls)
        blocks.append(float(np.abs(performer.samples).max()))
    instrument.close()
    heard = f"{instrument.silenced} block(s) of silence, then the music; highest sample {max(blocks):.2f}"
    return Row(name, "NaN in the reverb", heard, sum(peak == 0.0 for peak in blocks) * 512 / 48_000)


def slow_machine(cards: Cards, name: str, share: int) -> Row:
    """The box gets one part in `share` of a processor: it is stopped and let go, a hundred times a second."""
    card = cards[name]
    with playing(cards, card, "sound.latency=250") as box:
        box.until_heard()
        time.sleep(3.0)
        lines, dry = len(box.lines), []
        for _ in range(3):
            dry.append(box.underruns)
            end = time.monotonic() + 10.0
            while time.monotonic() < end:
                os.kill(box.process.pid, signal.SIGSTOP)
                time.sleep(0.01 * (share - 1) / share)
                os.kill(box.process.pid, signal.SIGCONT)
                time.sleep(0.01 / share)
        dry.append(box.underruns)
        times = ", ".join(str(later - earlier) for earlier, later in pairwise(dry))
        halved = sum("too slowly" in line for line in box.lines[lines:])
        heard = f"the notes halved {halved} times; ran dry {times} times in each 10 s"
        return Row(name, f"1/{share} of a core for 30 s", heard, None, None, len(box.lines) - lines)


def crash(cards: Cards, name: str) -> Row:
    """A native crash, and what systemd does then: start it anew."""
    card = cards[name]
    with playing(cards, card) as box:
        box.until_heard()
        code = box.stop(signal.SIGSEGV)
    begun = time.monotonic()
    with playing(cards, card) as box:
        box.until_heard()
        back = time.monotonic() - begun
    return Row(name, "SIGSEGV", f"a gap (exit {code}; the unit's pause of 2 s comes on top)", back)


ROWS: dict[str, Callable[[Cards, str], Row]] = {
    "A1": lambda cards, name: at_start(cards, name, "gone", 5.0),
    "A2": lambda cards, name: at_start(cards, name, "busy", 5.0),
    "A3": lambda cards, name: for_a_while(cards, name, "gone", 10.0),
    "A3b": lambda cards, name: flapping(cards, name, 60.0),
    "A4": lambda cards, name: for_a_while(cards, name, "xrun", 10.0),
    "A5": lambda cards, name: for_a_while(cards, name, "stall", 6.0),
    "A5b": lambda cards, name: for_good(cards, name, "stall"),
    "A5c": lambda cards, name: for_good(cards, name, "hang"),
    "A6": changing_places,
    "A7": picky,
    "A8": lambda _, name: broken_sound(name),
    "A9": lambda cards, name: slow_machine(cards, name, 20),
    "A10": crash,
}


def main(words: Sequence[str]) -> int:
    """Print the table, or the rows of it that are named."""
    if lacking := fault_cards.lacking():
        print(f"Nothing to measure: {lacking}.")
        return 1
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start\n\n{HEAD}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        cards = Cards(Path(folder))
        for name in words or ROWS:
            print(ROWS[name](cards, name), flush=True)
    print(f"\nload {os.getloadavg()[0]:.1f} at the end")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
