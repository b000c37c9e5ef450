# SPDX-License-Identifier: Apache-2.0
"""Rendering: the live performance, from a tape or a score into a file, as fast as the machine can. One thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path

from appliance.ledger.tape import Tape, TapePlayer
from appliance.music.composition import Composition
from appliance.parts import composition, synth
from appliance.performance import Block, Observer, Performance
from appliance.saved.replacing import replacing
from appliance.score.files import Score, ScoreWriter
from appliance.score.format import Header
from appliance.score.midi import Midi
from appliance.score.player import ScorePart
from appliance.settings import Settings
from appliance.sound import SAMPLE_RATE
from appliance.sound.outputs import Output, UnknownFormat
from appliance.sound.outputs.file import SoundFile
from appliance.sound.outputs.silent import Discard
from appliance.sound.performer import NullInstrument, Performer
from appliance.values import Controls

SOUND = (".wav", ".flac")
SCORE = (".score.gz", ".jsonl")
PROGRESS = 0.1  # s of music between two reports


def render(
    settings: Settings,
    music: Tape | Score,
    path: Path,
    seconds: float,
    *,
    program: str = "",
    hour: float | None = None,
    progress: Callable[[float], None] = lambda _: None,
    observers: Sequence[Observer] = (),
) -> None:
    """Perform `seconds` of `music` into `path`, whose ending says the format: .wav .flac .mid .score.gz .jsonl.

    The volume is full: a file is as loud as the box can be. `progress` gets the seconds that are done. `program` is the
    version that a score names, `hour` the hour of the day at which the music begins, 0 to 24. If it fails, an existing
    file is left as it was. Raises UnknownFormat and CannotWrite.
    """
    controls = Controls(1.0, settings.tempo, settings.network, scene=settings.scene)
    part = part_of(settings, music)
    due = 0.0

    def report(block: Block) -> None:
        nonlocal due
        if block.passage.seconds >= due:
            due = block.passage.seconds + PROGRESS
            progress(block.passage.seconds)

    name = check_format(path)
    with replacing(path, [music.path]) as part_path:
        output, recorder = _opened(part_path, name, Header(part.context(controls), seconds, program))
        with closing(output), closing(recorder) if recorder else nullcontext():
            instrument = NullInstrument(settings.sound.block_size) if recorder else synth(settings)
            record = [lambda block: recorder.observe(block.passage)] if recorder else []
            performer = Performer(part, instrument)

            def now() -> Controls:
                passed = performer.seconds / 3600
                return controls if hour is None else replace(controls, hour=(hour + passed) % 24)

            Performance(performer, output, now, (*record, report, *observers)).play(seconds)
    progress(seconds)


def part_of(settings: Settings, music: Tape | Score, *, loop: bool = False) -> Composition | ScorePart:
    """The part that plays a tape or a score."""
    if isinstance(music, Score):
        return ScorePart(music.header, music.__iter__, SAMPLE_RATE, loop=loop)
    return composition(settings, TapePlayer(music.__iter__, loop=loop).until)


def check_format(path: Path) -> str:
    """The name of `path` in lower case; raises UnknownFormat if its ending names no format."""
    name = path.name.lower()
    if not name.endswith((*SOUND, *SCORE, ".mid")):
        raise UnknownFormat(
            f"Unknown format {path.suffix!r} of {path}; use .wav or .flac for sound, .mid, .score.gz or .jsonl "
            "for notes."
        )
    return name


def _opened(path: Path, name: str, header: Header) -> tuple[Output, ScoreWriter | Midi | None]:
    """Where the samples go, and what writes the notes if a file of this `name` holds notes. Raises OSError."""
    if name.endswith(SOUND):
        return SoundFile(path, "WAV" if name.endswith(".wav") else "FLAC", header.seconds), None
    if name.endswith(SCORE):
        return Discard(), ScoreWriter(path, header, compress=name.endswith(".gz"))
    return Discard(), Midi(path)
