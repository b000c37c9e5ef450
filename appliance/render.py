# SPDX-License-Identifier: Apache-2.0
"""Rendering: the same performance as live, into a file, as fast as the machine can.

The one rule: nothing here plays music. It turns the performer's crank with a tape at one end and another output at
the other. One thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from appliance.ledger.tape import Player, Tape, bundled
from appliance.music.composer import Composer
from appliance.music.scales import ROOTS, Scale
from appliance.music.scenes import SCENES
from appliance.settings import Settings
from appliance.sound import SAMPLE_RATE
from appliance.sound.outputs import CannotWrite, Output, UnknownFormat
from appliance.sound.outputs.file import SoundFile
from appliance.sound.outputs.midi import Midi
from appliance.sound.outputs.score import Score
from appliance.sound.performer import FADE_OUT, Instrument, Paper, Performer
from appliance.values import Amount, Controls, Ledger, Sounded

if TYPE_CHECKING:
    from appliance.sound.synth import Synth

WARM = 2000  # amounts of the bundled recording that fill the ranking before the first note


def composer(settings: Settings) -> Composer:
    """The composer that the settings ask for."""
    scale = Scale(settings.music.scale, ROOTS[settings.music.root])
    warm = islice(_amounts(bundled()), WARM)
    return Composer(
        SCENES[settings.scene],
        scale,
        Random(settings.seed),
        warm,
        invert=settings.music.invert,
        quirks=settings.music.quirks,
    )


def synth(settings: Settings) -> Synth:
    """The synth that the settings ask for. Importing pyo takes a while, so only those who need sound do."""
    from appliance.sound.synth import Synth

    # pyo takes 0 for "no seed".
    return Synth(block=settings.sound.block, voices=settings.sound.voices, seed=settings.seed + 1)


def render(
    settings: Settings,
    tape: Tape,
    path: Path,
    seconds: float,
    progress: Callable[[float], None] = lambda _: None,
    listener: Callable[[NDArray[np.float32], Sequence[Sounded]], None] = lambda *_: None,
) -> None:
    """Perform `seconds` of `tape` into `path`, whose ending says what it becomes: .wav .flac .mid .jsonl.

    The volume is full: a file is as loud as the box can be, and whoever plays it has a knob. `progress` is told the
    seconds done, about ten times for each second of music; `listener` hears what the file does.
    Raises UnknownFormat and CannotWrite.
    """
    output, instrument = output_for(settings, path)
    controls = Controls(1.0, settings.tempo, settings.network, scene=settings.scene)
    player = Player(tape.__iter__)
    with closing(output):
        performer = Performer(composer(settings), instrument)
        every = max(1, round(SAMPLE_RATE / instrument.block / 10))
        for block in range(round(seconds * SAMPLE_RATE / instrument.block)):
            now = performer.now.seconds
            for ledger in player.until(now):
                performer.composer.queue.put(ledger)
            begun = performer.block(controls, leaving=now >= seconds - FADE_OUT - 0.1)
            output.write(performer.samples, begun)
            listener(performer.samples, begun)
            if block % every == 0:
                progress(now)
    progress(seconds)


def output_for(settings: Settings, path: Path) -> tuple[Output, Instrument]:
    """What `path` becomes by its ending, and the instrument that it needs. Raises UnknownFormat and CannotWrite."""
    if path.suffix.lower() not in (".wav", ".flac", ".mid", ".jsonl"):
        raise UnknownFormat(
            f"{path} names no format of the box's: let it end in .wav or .flac for sound, .mid or .jsonl for the score."
        )
    try:
        path.touch()
    except OSError as error:
        raise CannotWrite(f"Cannot write {path}: {error.strerror}. Choose another place with -o.") from error
    match path.suffix.lower():
        case ".wav" | ".flac":
            return SoundFile(path), synth(settings)
        case ".mid":
            return Midi(path), Paper(settings.sound.block)
        case _:
            return Score(path), Paper(settings.sound.block)


def _amounts(tape: Tape) -> Iterator[Amount]:
    return (amount for line in tape if isinstance(line.entry, Ledger) for amount in line.entry.amounts)
