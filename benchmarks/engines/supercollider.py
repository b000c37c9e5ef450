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
from collections.abc import Iterator, Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path

from appliance.sound import SAMPLE_RATE
from appliance.sound.voices import TABLE_SIZE
from appliance.values import NoteEvent
from benchmarks.engines.twin import TABLES, Cost, Tone, tones

NAME = "SuperCollider"
PATCH = Path(__file__).with_name("wind.scd")
# sclang brings a help browser, which wants a screen and will not run as root; neither is needed to compile.
HEADLESS = {"QT_QPA_PLATFORM": "offscreen", "QTWEBENGINE_CHROMIUM_FLAGS": "--no-sandbox"}
HEADLESS |= {"QTWEBENGINE_DISABLE_SANDBOX": "1"}
NAMES = tuple(field.name for field in fields(Tone))[2:]  # the controls of a definition
TAIL = 1  # of SuperCollider's "add action": after what is there
Atom = int | float | str | bytes


def run(score: Sequence[NoteEvent], seconds: float, block: int, cost: Cost) -> float:
    """What so many seconds of a score cost, with the start."""
    with tempfile.TemporaryDirectory() as folder:
        notes = Path(folder) / "wind.osc"
        notes.write_bytes(b"".join(_score(score, seconds)))
        format_ = [str(SAMPLE_RATE), "WAV", "float"]
        options = ["-i", "0", "-o", "2", "-z", str(block), "-m", "65536"]
        return cost(["scsynth", "-N", str(notes), "_", f"{folder}/wind.wav", *format_, *options])


@cache
def _definitions() -> tuple[bytes, ...]:
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | HEADLESS | {"XDG_RUNTIME_DIR": folder}
        command = ["sclang", str(PATCH), folder]
        subprocess.run(command, check=True, capture_output=True, env=environment, timeout=120)  # noqa: S603 - as installed
        return tuple(file.read_bytes() for file in sorted(Path(folder).glob("*.scsyndef")))


def _score(score: Sequence[NoteEvent], seconds: float) -> Iterator[bytes]:
    opening: list[bytes] = [_message("/d_recv", definition) for definition in _definitions()]
    for number, partials in enumerate(TABLES):
        opening.append(_message("/b_alloc", number, TABLE_SIZE, 1))
        opening.append(_message("/b_gen", number, "sine1", 7, *map(float, partials)))
    opening.append(_message("/g_new", 1, TAIL, 0))
    opening.append(_message("/s_new", "mixer", -1, TAIL, 0))
    yield _bundle(0.0, *opening)
    leads, bed = tones(score, seconds)
    notes = [(tone, kind) for tone in leads for kind in ("lead", "edge")] + [(tone, "pad") for tone in bed]
    for tone, definition in sorted(notes, key=lambda note: note[0].begins):
        controls = (atom for pair in zip(NAMES, tone.numbers[2:], strict=True) for atom in pair)
        yield _bundle(tone.begins, _message("/s_new", definition, -1, TAIL, 1, *controls))
    yield _bundle(seconds, _message("/c_set", 0, 0.0))  # the last bundle says how long the piece is


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
