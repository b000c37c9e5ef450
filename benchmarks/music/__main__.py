# SPDX-License-Identifier: Apache-2.0
"""`make bench-music`: the targets of the music, measured on networks calm and hostile, for scenes and seeds.

Prints a table a tape: for each scene the worst value over the seeds and the median, and the target; a missed target is
marked and counted. Exit code 1 if any is missed. Row 0 holds the targets without a number (scale, clashes, delays,
loudness, clicks); a row from 1 to 13 is described in the module of its family:

    1       pulse.py          onset grid and pulse line
    2 3     network.py        a busier and a quieter network; exceptional amounts
    4       masking.py        notes above the bed; pitch and length
    5       voicings.py       chords of eight hours
    6       single_notes.py   touch, and the partials of bells
    7 10    balance.py        bass, air, movement within a phrase
    8 9 13  network.py        density and rests; the close of a ledger; voices
    11 12   long_form.py      hours, half minutes, murmur

Sound is measured on three minutes from 5 s on, notes on an hour, rows 5 and 11 on eight hours. For `night`, row 2's
wind (it has none), row 8's notes a second and row 1's least grid strength (it has half as many notes), row 10's
movement and row 11's half minutes (its level is steady, for listeners who sleep) have no bounds, and rows 7 and 10 have
bounds of their own. Other scenes are measured without bounds. A tape whose recorded data are absent is skipped, with a
word.

    make bench-music ARGS="--rows 1,3,5 --scene wind --tape public --seed 1"
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from statistics import median

import numpy as np
from numpy.typing import NDArray

from appliance.ledger.tape import Line
from appliance.music.scales import Scale
from appliance.music.scenes import SCENES
from appliance.settings import Settings, load
from appliance.sound import SAMPLE_RATE
from benchmarks.measure import SKIPPED, Figure, likeness, of_limiter, of_score, of_sound
from benchmarks.music import balance, long_form, masking, network, pulse, single_notes, voicings
from benchmarks.play import Played, Stem, compose, play
from benchmarks.tapes import TAPES, missing

BOUND = ("wind", "night")  # scenes to which the bounds apply
WITHOUT_WIND = ("night",)
SPARSE = ("night",)
EVEN = ("night",)  # their level is steady, for listeners who sleep
TEMPOS = (30, 180)  # bpm: the ends of the knob, at which notes must not be late either
LATE = ("from arrival to sound, 95 of 100", "from arrival to sound, longest")
BUSY = ("public", "bundled")  # tapes of a network with more amounts than are played
REAL = ("public", "testnet", "bundled", "empty")  # tapes of rows 1 to 13; row 0 has the hostile ones as well
SOUND = 185.0  # s; sound is measured from SKIPPED to here
END = 2.0  # s that are rendered beyond: a render ends with a fade
IDLE = (30.0, 630.0)  # s, from when the murmur has faded in
HOUR, HOURS = 3600.0, 8
SEEDS = (1, 2, 3, 4, 5)
ROWS = range(14)


@dataclass(frozen=True, slots=True)
class Job:
    """One performance to measure, and by what."""

    kind: str
    tape: str
    scene: str
    seed: int

    @property
    def bound(self) -> bool:
        """Whether the targets apply to the scene."""
        return self.scene in BOUND

    def settings(self, tempo: int = 60) -> Settings:
        """The settings of the performance."""
        return load({"scene": self.scene, "seed": self.seed, "tempo": tempo}, {}).settings

    def lines(self, seconds: float) -> list[Line]:
        """The tape."""
        return TAPES[self.tape](seconds)

    def play(self, seconds: float, stem: Stem = Stem.ALL) -> Played:
        """The performance with its sound."""
        return play(self.settings(), partial(iter, self.lines(seconds)), seconds, stem)

    def compose(self, seconds: float, tempo: int = 60) -> Played:
        """The performance without sound."""
        return compose(self.settings(tempo), partial(iter, self.lines(seconds)), seconds)


def basics(job: Job) -> list[Figure]:
    """The targets without a number, of ten minutes of notes and three of sound."""
    scale = Scale(SCENES[job.scene].scale or "wind", 0)
    figures = of_score(job.compose(600).notes, scale, busy=job.tape == "public")
    for tempo in TEMPOS:
        late = (it for it in of_score(job.compose(600, tempo).notes, scale) if it.what in LATE)
        figures += [replace(it, what=f"{it.what}, at {tempo} bpm") for it in late]
    played = job.play(SOUND)
    return [
        *figures,
        *of_sound(played.samples),
        *of_limiter(played.reduction, job.settings().sound.block_size),
    ]


def sound(job: Job) -> list[Figure]:
    """Rows 1, 7, 10 and 11, of the whole sound."""
    played = job.play(SOUND + END)
    heard = _from(played.samples, SKIPPED, SOUND)
    notes = [event for event in played.notes if SKIPPED <= event.seconds < SOUND]
    busy, even = job.tape in BUSY and job.scene not in SPARSE, job.scene in EVEN
    return [
        *pulse.of_notes(notes),
        *pulse.of_sound(heard, busy=busy),
        *balance.of_sound(heard, job.scene, even=even),
        *long_form.of_sound(heard, even=even),
    ]


def stems(job: Job) -> list[Figure]:
    """Rows 4 and 9, of melody and bed alone."""
    played = job.play(SOUND + END, Stem.LEAD)
    lead = _from(played.samples, 0.0, SOUND)
    bed = _from(job.play(SOUND + END, Stem.BED).samples, 0.0, SOUND)
    closes = [seconds for seconds, _ in played.ledgers]
    return [
        *masking.of_stems(lead, bed, played.notes),
        *network.of_closes(bed, closes),
    ]


def steps(job: Job) -> list[Figure]:
    """Row 2, of three performances."""
    lines = job.lines(network.ENDS + END)
    performances = [
        play(job.settings(), partial(iter, each), network.ENDS + END) for each in network.compared(lines)
    ]
    return network.of_steps(*performances, windy=job.scene not in WITHOUT_WIND)


def hour(job: Job) -> list[Figure]:
    """Rows 3, 4, 8 and 13, of an hour of notes."""
    played = job.compose(HOUR)
    busy = job.tape in BUSY
    return [
        *network.of_exceptions(played, bound=busy),
        *masking.of_lengths(played.notes),
        *network.of_density(played, HOUR, dense=busy and job.scene not in SPARSE),
        *network.of_voices(played, bound=busy),
    ]


def hours(job: Job) -> list[Figure]:
    """Rows 5 and 11, of eight hours of notes, and whether they repeat themselves."""
    seconds = HOURS * HOUR
    settings = load({"scene": job.scene, "seed": job.seed, "sound.block_size": 1024}, {}).settings
    notes = compose(settings, partial(iter, job.lines(seconds)), seconds).notes
    peak, lag = likeness(notes, seconds)
    return [
        *voicings.of_notes(notes),
        *long_form.of_hours(notes, HOURS),
        Figure("highest peak of its autocorrelation", peak, high=0.15, row=11),
        Figure("at a lag of", lag, unit="s", row=11),
    ]


def touch(job: Job) -> list[Figure]:
    """Row 6; the voices are the same in all scenes."""
    return single_notes.of_voices(job.seed)


def murmur(job: Job) -> list[Figure]:
    """Row 12, of ten minutes."""
    whole, lead = (_from(job.play(IDLE[1] + END, stem).samples, *IDLE) for stem in (Stem.ALL, Stem.LEAD))
    return long_form.of_murmur(lead, whole)


def _from(samples: NDArray[np.float64], begins: float, ends: float) -> NDArray[np.float64]:
    return samples[int(begins * SAMPLE_RATE) : int(ends * SAMPLE_RATE)]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of job: what measures it, which rows it fills, and the tapes on which they mean something."""

    measure: Callable[[Job], list[Figure]]
    rows: tuple[int, ...]
    tapes: tuple[str, ...]


KINDS = {
    "basics": Kind(basics, (0,), tuple(TAPES)),
    "sound": Kind(sound, (1, 7, 10, 11), REAL),
    "stems": Kind(stems, (4, 9), ("public", "testnet", "bundled")),
    "steps": Kind(steps, (2,), ("public", "bundled")),
    "hour": Kind(hour, (3, 4, 8, 13), ("public", "testnet", "bundled")),
    "hours": Kind(hours, (5, 11), ("public",)),
    "touch": Kind(touch, (6,), ("empty",)),
    "murmur": Kind(murmur, (12,), ("empty",)),
}


def measured(job: Job) -> list[Figure]:
    """The figures of one job."""
    figures = KINDS[job.kind].measure(job)
    return figures if job.bound else [replace(it, low=None, high=None) for it in figures]


def jobs(rows: set[int], tapes: Sequence[str], scenes: Sequence[str], seeds: Sequence[int]) -> list[Job]:
    """What must be measured for these rows; the longest jobs come first."""
    order = ("hours", "steps", "stems", "sound", "basics", "hour", "murmur", "touch")
    return [
        Job(kind, tape, scene, seed)
        for kind, tape, scene, seed in product(order, tapes, scenes, seeds)
        if rows & set(KINDS[kind].rows) and tape in KINDS[kind].tapes and not missing(tape)
    ]


Cells = dict[str, list[Figure]]  # the figures of each scene, over the seeds


def table(title: str, scenes: Sequence[str], rows: dict[tuple[int, str], Cells]) -> str:
    """One line a target; for each scene the worst and the median over the seeds."""
    head = "".join(f"{scene + ' worst':>16} median" for scene in scenes)
    lines = [f"{title:<60}{head}  target"]
    for (row, what), by_scene in sorted(rows.items(), key=lambda it: it[0][0]):
        cells = "".join(_cell(by_scene.get(scene, [])) for scene in scenes)
        figures = [figure for scene in scenes for figure in by_scene.get(scene, [])]
        targets = list(dict.fromkeys(figure.bounds for figure in figures if figure.bounds))
        lines.append(f"  {row or '':>2}  {what:<54}{cells}  {' / '.join(targets)} {figures[0].unit}".rstrip())
    return "\n".join(lines)


def _cell(figures: Sequence[Figure]) -> str:
    if not figures:
        return f"{'-':>16} {'-':>6}"
    worst = max(figures, key=_badness)
    mark = " " if all(figure.kept for figure in figures) else "!"
    return f"{mark:>8}{worst.value:>8.3f} {median(figure.value for figure in figures):>6.3g}"


def _badness(figure: Figure) -> float:
    """How far a value is beyond its bounds; negative if it is within them."""
    above = figure.value - figure.high if figure.high is not None else None
    below = figure.low - figure.value if figure.low is not None else None
    return max((side for side in (above, below) if side is not None), default=figure.value)


def numbers(text: str) -> tuple[int, ...]:
    """Numbers with commas and ranges, such as 1,3,5-8."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return tuple(found)


def names(known: Iterable[str]) -> Callable[[str], tuple[str, ...]]:
    """A parser of names with commas, each of which must be known."""
    choices = tuple(known)

    def parse(text: str) -> tuple[str, ...]:
        found = tuple(text.split(","))
        if unknown := set(found) - set(choices):
            raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}; known: {', '.join(choices)}")
        return found

    return parse


def main() -> int:
    """Measure, print a table a tape, and return 1 if a target was missed."""
    parser = argparse.ArgumentParser(
        prog="make bench-music", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=numbers, default=tuple(ROWS), help="such as 1,3,5-8; default: all")
    parser.add_argument("--tape", type=names(TAPES), default=tuple(TAPES), help=f"of {', '.join(TAPES)}")
    parser.add_argument("--scene", type=names(SCENES), default=BOUND, help=f"of {', '.join(SCENES)}")
    parser.add_argument("--seed", type=numbers, default=SEEDS, help="such as 1 or 1-5")
    parser.add_argument("--jobs", type=int, default=2, help="performances measured at once")
    asked = parser.parse_args()
    for tape in asked.tape:
        if name := missing(tape):
            print(f"{tape}: skipped, because ../shared/horizon/{name} is not there.")
    begun = time.monotonic()
    todo = jobs(set(asked.rows), asked.tape, asked.scene, asked.seed)
    if not todo:
        parser.error("nothing to measure: none of these rows is measured on these tapes")
    by_tape: dict[str, dict[tuple[int, str], Cells]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    missed: set[tuple[str, str, int, str]] = set()
    count = 0
    with ProcessPoolExecutor(max_workers=asked.jobs) as pool:
        for number, (job, figures) in enumerate(zip(todo, pool.map(measured, todo), strict=True), 1):
            if sys.stderr.isatty():
                print(f"\r{number} of {len(todo)}", end="\r", file=sys.stderr, flush=True)
            for figure in figures:
                if figure.row in asked.rows:
                    by_tape[job.tape][figure.row, figure.what][job.scene].append(figure)
                    count += bool(figure.bounds)
                    if not figure.kept:
                        missed.add((job.tape, job.scene, job.seed, figure.what))
    for tape in asked.tape:
        if tape in by_tape:
            print(table(tape, asked.scene, by_tape[tape]), flush=True)
    print(f"{len(missed)} of {count} targets missed, in {time.monotonic() - begun:.0f} s.")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
