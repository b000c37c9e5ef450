# SPDX-License-Identifier: Apache-2.0
"""Builds what a performance needs from the settings and from the file that a person names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from appliance.ledger.tape import BadTape, Tape, bundled, require_ledger
from appliance.ledger.tape.files import read_tape
from appliance.ledger.tape.format import MAX_LINE
from appliance.music.composer import Composer
from appliance.music.composition import Composition
from appliance.music.scales import ROOTS, Scale
from appliance.music.scenes import SCENES
from appliance.saved.lines import UNREADABLE, open_lines, reason
from appliance.score.files import Score, read_score
from appliance.settings import Settings
from appliance.sound import SAMPLE_RATE
from appliance.values import Amount, BoxError, Ledger

if TYPE_CHECKING:
    from appliance.sound.synth import Synth

WARM = 2000  # amounts of the bundled recording that fill the ranking before the first note


class NothingToPlay(BoxError, ValueError):
    """The file is neither a tape nor a score."""


def composition(
    settings: Settings, ledgers: Callable[[float], Iterable[Ledger]], scene: str = ""
) -> Composition:
    """What the settings ask for, composed from `ledgers`, which gives the new ones once a block.

    `scene` is the first scene; "" stands for the settings'.
    """
    scale = Scale(settings.music.scale, ROOTS[settings.music.root])
    warm = islice(_amounts(bundled()), WARM)
    rng = Random(settings.seed)
    composer = Composer(SCENES[scene or settings.scene], scale, rng, warm, invert=settings.music.invert)
    return Composition(composer, ledgers, SAMPLE_RATE)


def synth(settings: Settings) -> Synth:
    """The synth that the settings ask for. Importing pyo takes a while, so it happens only when there is sound."""
    from appliance.sound.synth import Synth

    sound = settings.sound
    # pyo takes 0 for "no seed".
    return Synth(block=sound.block_size, voices=sound.polyphony, seed=settings.seed + 1)


def open_music(path: Path) -> Tape | Score:
    """The tape or the score at `path`, whichever its first line says. Raises BadTape, BadScore or NothingToPlay."""
    try:
        lines = open_lines(path, MAX_LINE)
        first = next(lines(), b"")
        if b'"score"' in first[:200]:
            return read_score(path, lines)
        if b'"tape"' in first[:200]:
            return require_ledger(read_tape(path, lines))
    except UNREADABLE as error:
        raise BadTape(f"Cannot read {path}: {reason(error)}. Check the path and the file.") from error
    raise NothingToPlay(
        f"{path} is neither a tape nor a score: its first line must be the header that `record` or `keep` writes."
    )


def _amounts(tape: Tape) -> Iterator[Amount]:
    return (amount for line in tape if isinstance(line.entry, Ledger) for amount in line.entry.amounts)
