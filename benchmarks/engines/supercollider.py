# SPDX-License-Identifier: Apache-2.0
"""The twin in SuperCollider: scsynth without real time, fed with a score of OSC messages.

The synth definitions are wind.scd as sclang compiles it (outside of the guest: Debian's supercollider-language); the
score is written here, as bytes. One process a run.
"""

from __future__ import annotations

import os
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from operator import itemgetter
from pathlib import Path

from appliance.sound import SAMPLE_RATE
from appliance.sound.voices import TABLE_SIZE
from benchmarks.engines.twin import NUMBERS, TABLES, Cost, Piece, Tone, noises, tones

NAME = "SuperCollider"
PATCH = Path(__file__).with_name("wind.scd")
# sclang brings a help browser, which wants a screen and will not run as root; neither is needed to compile.
HEADLESS = {"QT_QPA_PLATFORM": "offscreen", "QTWEBENGINE_CHROMIUM_FLAGS": "--no-sandbox"}
HEADLESS |= {"QTWEBENGINE_DISABLE_SANDBOX": "1"}
NAMES = tuple(field.name for field in fields(Tone))[2:]  # the controls of a definition
MIXER = 1000  # node
TAIL = 1  # of SuperCollider's "add action": after what is there
WAVETABLE = 6  # flags of "sine1": the format of Osc, cleared before, and not scaled to a peak of 1
Atom = int | float | str | bytes


def run(played: Piece, seconds: float, block: int, cost: Cost, file: Path | None = None) -> float:
    """What so many seconds of a piece cost, with the start. `file` is written, if there is one."""
    with tempfile.TemporaryDirectory() as folder:
        notes = Path(folder) / "wind.osc"
        notes.write_bytes(b"".join(_score(played, seconds, noises(Path(folder)))))
        to = file or Path(folder) / "wind.wav"
        format_ = [str(SAMPLE_RATE), "WAV", "float"]
        options = ["-i", "0", "-o", "2", "-z", str(block), "-m", "65536"]
        return cost(["scsynth", "-N", str(notes), "_", str(to), *format_, *options])


@cache
def _definitions() -> tuple[bytes, ...]:
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | HEADLESS | {"XDG_RUNTIME_DIR": folder}
        numbers = Path(folder) / "numbers.scd"
        values = {**NUMBERS, "noise": len(TABLES)}
        numbers.write_text("".join(f"~{name} = {value!r};\n" for name, value in values.items()))
        command = ["sclang", str(PATCH), folder, str(numbers)]
        subprocess.run(command, check=True, capture_output=True, env=environment, timeout=120)  # noqa: S603 - as installed
        return tuple(file.read_bytes() for file in sorted(Path(folder).glob("*.scsyndef")))


def _score(played: Piece, seconds: float, noise: list[Path]) -> Iterator[bytes]:
    opening: list[bytes] = [_message("/d_recv", definition) for definition in _definitions()]
    for number, partials in enumerate(TABLES):
        opening.append(_message("/b_alloc", number, TABLE_SIZE, 1))
        opening.append(_message("/b_gen", number, "sine1", WAVETABLE, *map(float, partials)))
    for number, path in enumerate(noise, len(TABLES)):
        opening.append(_message("/b_allocRead", number, str(path)))
    opening.append(_message("/g_new", 1, TAIL, 0))
    opening.append(_message("/s_new", "mixer", MIXER, TAIL, 0))
    yield _bundle(0.0, *opening)
    messages = [
        (tone.begins, _message("/s_new", definition, -1, TAIL, 1, *_controls(tone)))
        for definition, of_each in tones(played, seconds).items()
        for tone in of_each
    ]
    for begins, bed in played.beds:
        targets = (atom for field in fields(bed) for atom in (field.name, float(getattr(bed, field.name))))
        messages.append((begins, _message("/n_set", MIXER, *targets)))
    messages += [(begins, _message("/n_set", MIXER, "t_closed", 1.0)) for begins in played.ledgers]
    for begins, message in sorted(messages, key=itemgetter(0)):
        if begins < seconds:
            yield _bundle(begins, message)
    yield _bundle(seconds, _message("/c_set", 0, 0.0))  # the last bundle says how long the piece is


def _controls(tone: Tone) -> Iterator[Atom]:
    return (atom for pair in zip(NAMES, tone.numbers[2:], strict=True) for atom in pair)


# --- OSC 1.0, as much as a score needs -------------------------------------------------------------------------


def _bundle(seconds: float, *messages: bytes) -> bytes:
    content = b"#bundle\0" + struct.pack(">Q", round(seconds * 2**32))
    content += b"".join(struct.pack(">i", len(message)) + message for message in messages)
    return struct.pack(">i", len(content)) + content


def _message(address: str, *atoms: Atom) -> bytes:
    tags = "," + "".join({int: "i", float: "f", str: "s", bytes: "b"}[type(atom)] for atom in atoms)
    return _text(address) + _text(tags) + b"".join(map(_atom, atoms))


def _atom(atom: Atom) -> bytes:
    match atom:
        case int():
            return struct.pack(">i", atom)
        case float():
            return struct.pack(">f", atom)
        case str():
            return _text(atom)
        case bytes():
            return struct.pack(">i", len(atom)) + atom + b"\0" * (-len(atom) % 4)


def _text(text: str) -> bytes:
    content = text.encode("ascii")
    return content + b"\0" * (4 - len(content) % 4)
