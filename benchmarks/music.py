# SPDX-License-Identifier: Apache-2.0
"""`make bench-music`: the targets of the music, on networks calm and hostile, for every scene, over several seeds.

A cell holds the worst value and the median over the seeds, and a broken bound is marked; the scene `original` has no
bounds. Scores need no sound and are made for every seed; a sound costs half a minute of a core, so `--sound` says for
how many seeds. At most two processes.

    python -m benchmarks.music --tapes public testnet --scenes wind --seeds 2 --sound 0 --hours 0
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from statistics import median

from appliance.music.scales import Scale
from appliance.music.scenes import SCENES
from appliance.settings import load
from benchmarks.measure import Figure, likeness, of_limiter, of_score, of_sound
from benchmarks.play import compose, play
from benchmarks.tapes import TAPES

BOUND = ("wind", "night")  # scenes to which the bounds apply
TEMPOS = (30, 180)  # bpm: the ends of the knob, at which notes must not be late either
LATE = ("from arrival to sound, 95 of 100", "from arrival to sound, longest")


@dataclass(frozen=True, slots=True)
class Job:
    """One performance to measure."""

    tape: str
    scene: str
    seed: int
    seconds: float
    tempo: int = 60
    sound: bool = False


def measured(job: Job) -> list[Figure]:
    """The figures of one performance."""
    lines = TAPES[job.tape](job.seconds)
    settings = load({"scene": job.scene, "seed": job.seed, "tempo": job.tempo}, {}).settings
    if job.sound:
        played = play(settings, partial(iter, lines), job.seconds)
        return [*of_sound(played.samples), *of_limiter(played.reduction, settings.sound.block_size)]
    score = compose(settings, partial(iter, lines), job.seconds)
    if job.tempo != 60:
        figures = of_score(score, _scale(job.scene))
        return [replace(it, what=f"{it.what}, at {job.tempo} bpm") for it in figures if it.what in LATE]
    return of_score(score, _scale(job.scene), busy=job.tape == "public")


def long_form(job: Job) -> list[Figure]:
    """Whether hours of a scene repeat themselves."""
    lines = TAPES[job.tape](job.seconds)
    settings = load({"scene": job.scene, "seed": job.seed, "sound.block_size": 1024}, {}).settings
    score = compose(settings, partial(iter, lines), job.seconds)
    peak, lag = likeness(score, job.seconds)
    return [
        Figure("highest peak of its autocorrelation, from the score", peak, high=0.15),
        Figure("at a lag of", lag, unit="s"),
    ]


def _scale(scene: str) -> Scale:
    return Scale(SCENES[scene].scale or "wind", 0)


def table(title: str, scenes: Sequence[str], jobs: Iterable[tuple[Job, list[Figure]]]) -> str:
    """One row a target; for each scene the worst and the median over the seeds."""
    rows: dict[str, dict[str, list[Figure]]] = defaultdict(lambda: defaultdict(list))
    for job, figures in jobs:
        for figure in figures:
            rows[figure.what][job.scene].append(figure)
    head = "".join(f"{scene + ' worst':>16} median" for scene in scenes)
    lines = [f"{title:<56}{head}  bound"]
    for what, by_scene in rows.items():
        cells = "".join(_cell(by_scene.get(scene, []), scene in BOUND) for scene in scenes)
        figure = next(iter(by_scene.values()))[0]
        lines.append(f"  {what:<54}{cells}  {figure.bounds} {figure.unit}".rstrip())
    return "\n".join(lines)


def _cell(figures: Sequence[Figure], bound: bool) -> str:
    if not figures:
        return f"{'-':>16} {'-':>6}"
    worst = max(figures, key=_badness)
    mark = "!" if bound and not worst.kept else " "
    return f"{mark:>8}{worst.value:>8.3f} {median(figure.value for figure in figures):>6.3g}"


def _badness(figure: Figure) -> float:
    """How far a value is beyond its bounds; negative if it is within them."""
    above = figure.value - figure.high if figure.high is not None else None
    below = figure.low - figure.value if figure.low is not None else None
    return max((side for side in (above, below) if side is not None), default=figure.value)


def main() -> None:
    """Measure, and print the tables tape by tape."""
    parser = argparse.ArgumentParser(prog="make bench-music", description=__doc__)
    parser.add_argument("--tapes", nargs="+", choices=TAPES, default=list(TAPES), metavar="TAPE")
    parser.add_argument("--scenes", nargs="+", choices=SCENES, default=list(SCENES), metavar="SCENE")
    parser.add_argument("--seeds", type=int, default=5, help="seeds 1 to this one, for scores")
    parser.add_argument("--sound", type=int, default=5, help="seeds 1 to this one, for sound; 0 is none")
    parser.add_argument("--minutes", type=float, default=10.0, help="of each performance")
    parser.add_argument(
        "--hours", type=float, default=8.0, help="of the score that must not repeat itself; 0 is none"
    )
    asked = parser.parse_args()
    seconds = 60 * asked.minutes
    with ProcessPoolExecutor(max_workers=2) as pool:
        for tape in asked.tapes:
            scores = product([tape], asked.scenes, range(1, asked.seeds + 1), [seconds])
            jobs = [Job(*of_one, tempo) for of_one in scores for tempo in (60, *TEMPOS)]
            sounds = product([tape], asked.scenes, range(1, asked.sound + 1), [seconds], [60], [True])
            jobs += [Job(*of_one) for of_one in sounds]
            figures = zip(jobs, pool.map(measured, jobs), strict=True)
            print(table(f"{tape}, {asked.minutes:g} minutes", asked.scenes, figures), flush=True)
        if asked.hours:
            jobs = [Job("public", scene, 1, 3600 * asked.hours) for scene in asked.scenes]
            figures = zip(jobs, pool.map(long_form, jobs), strict=True)
            print(table(f"public, {asked.hours:g} hours, seed 1", asked.scenes, figures), flush=True)


if __name__ == "__main__":
    main()
