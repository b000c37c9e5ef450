# SPDX-License-Identifier: Apache-2.0
"""The sound when cards fail: rows A1 to A10 of the fault table, each fault injected into a box that plays.

    python -m benchmarks.card_faults [A1 A9 ...]        prints the table, or some rows of it; about three minutes

Most rows run the whole box, as its owner starts it, on a simulated card (tests/support/alsa_fault): real ALSA, real
time, no card needed. "Back" is from the end of the fault to the first sample that the card plays; "away" is the load
of the box while the fault lasts, beside its load while it plays.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from appliance.ledger.tape import TapePlayer, bundled
from appliance.parts import composition, synth
from appliance.performance import Block, Performance
from appliance.settings import load
from appliance.sound import SAMPLE_RATE
from appliance.sound.outputs.cards import AUTO, choices, look
from appliance.sound.outputs.silent import Discard
from appliance.sound.outputs.speaker import Speaker
from appliance.sound.performer import Performer
from appliance.values import Bed, Controls
from benchmarks.live_box import TIMEOUT, LiveBox, playing
from tests.support import fault_cards
from tests.support.fault_cards import Cards


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table."""

    name: str
    injected: str
    heard: str
    back: float | None = None  # s
    away: tuple[float, float] | None = None  # per cent of a core: while it lasted, while it played
    lines: int | None = None  # of the log, from the fault to the recovery

    def __str__(self) -> str:
        back = "" if self.back is None else f"{self.back:.2f}"
        away = "" if self.away is None else f"{self.away[0]:.1f} / {self.away[1]:.1f}"
        lines = "" if self.lines is None else str(self.lines)
        return f"| {self.name} | {self.injected} | {self.heard} | {back} | {away} | {lines} |"


BROKEN = 900  # blocks before the NaN, and after it
AT_END = 100  # blocks of the fade

HEAD = """\
| | injected | heard | back, s | CPU away / playing, % | log lines |
|---|---|---|---|---|---|"""


def at_start(cards: Cards, name: str, mode: str, seconds: float) -> Row:
    """The card is missing or busy when the box starts."""
    card = cards[name]
    card.be(mode)
    with playing(cards, card) as box:
        box.until(lambda: any("without sound" in line for line in box.lines))
        away, lines = box.usage(seconds), len(box.lines)
        card.be("ok")
        back = box.until_heard()
        lines = logged_since(box, lines)
        return Row(
            name, f"{mode} at the start", "nothing, then the music", back, (away, box.usage(2.0)), lines + 1
        )


def for_a_while(cards: Cards, name: str, mode: str, seconds: float) -> Row:
    """The card fails while the box plays, and recovers."""
    card = cards[name]
    with playing(cards, card) as box:
        box.until_heard()
        usage, lines = box.usage(2.0), len(box.lines)
        card.be(mode)
        away = box.usage(seconds)
        card.be("ok")
        back = box.until_heard()
        time.sleep(1.0)
        lines = logged_since(box, lines)
        return Row(name, f"{mode} for {seconds:.0f} s", "a gap, then the music", back, (away, usage), lines)


def logged_since(box: LiveBox, lines: int) -> int:
    """How many lines were logged after so many, without those about a machine that is too slow."""
    return sum("This machine" not in line for line in box.lines[lines:])


def flapping(cards: Cards, name: str, seconds: float) -> Row:
    """A loose plug: the card is there for two seconds and away for two."""
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
            name,
            f"gone and back every 4 s, {seconds:.0f} s long",
            heard,
            None,
            None,
            logged_since(box, lines),
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
    heard = "USB, not the HDMI that was card 0 (no listener); the HAT as soon as it was there, with a fade"
    return Row(name, "HDMI, USB; then HAT, USB, HDMI", heard, back)


def asound(folder: Path, found: list[tuple[str, str]]) -> None:
    """Write /proc/asound for these cards."""
    folder.mkdir(exist_ok=True)
    for index, (_, driver) in enumerate(found):
        device = folder / f"card{index}" / "pcm0p"
        device.mkdir(parents=True, exist_ok=True)
        (device / "info").write_text(f"card: {index}\ndevice: 0\nid: {driver}\n")
    lines = [f"{index:2} [{name:15}]: {driver} - {name}\n" for index, (name, driver) in enumerate(found)]
    (folder / "cards.new").write_text("".join(lines))
    (folder / "cards.new").replace(folder / "cards")


def wait(speaker: Speaker, block: np.ndarray, seen: Callable[[], object]) -> float:
    """Play until `seen` is true, and return how many seconds it took."""
    begun = time.monotonic()
    while not seen():
        if time.monotonic() - begun > TIMEOUT:
            raise TimeoutError(str(speaker.status))
        speaker.write(block)
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
    """A card that takes only one channel of 16 bits at 44.1 kHz."""
    card = cards[name]
    card.be("mono s16 44100")
    with playing(cards, card) as box:
        box.until_heard()
        time.sleep(5.0)
        heard = f"the music, converted; ran dry {box.underruns} times in 5 s"
        return Row(name, "mono, 16 bit, 44.1 kHz only", heard)


def broken_sound(name: str) -> Row:
    """A NaN gets into the level of the reverb."""
    settings, peaks = load({}, {}).settings, list[float]()
    block = settings.sound.block_size / SAMPLE_RATE
    with closing(synth(settings)) as instrument:

        def observe(one: Block) -> None:
            peaks.append(float(np.abs(one.samples).max()))
            if len(peaks) == BROKEN:
                instrument.follow(Bed(0.5, 0.5, math.nan))

        controls = Controls(0.7, 60.0, "public")
        part = composition(settings, TapePlayer(bundled().__iter__).until)
        performance = Performance(Performer(part, instrument), Discard(), lambda: controls, [observe])
        performance.play(2 * BROKEN * block)
        silenced, after = instrument.silenced, peaks[BROKEN:-AT_END]
    heard = f"{silenced} block(s) of silence, then the music; highest sample {max(after):.2f}"
    return Row(name, "NaN in the reverb", heard, sum(peak == 0.0 for peak in after) * block)


def slow_machine(cards: Cards, name: str, share: int) -> Row:
    """The box gets 1/`share` of a processor: it is stopped and continued a hundred times a second."""
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
        halved = sum("too slow" in line for line in box.lines[lines:])
        heard = f"the notes halved {halved} times; ran dry {times} times in each 10 s"
        return Row(name, f"1/{share} of a core for 30 s", heard, None, None, len(box.lines) - lines)


def crash(cards: Cards, name: str) -> Row:
    """A native crash, and the restart that systemd makes then."""
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
    "A5b": lambda cards, name: for_a_while(cards, name, "stall", 25.0),
    "A5c": lambda cards, name: for_a_while(cards, name, "hang", 25.0),
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
