# SPDX-License-Identifier: Apache-2.0
"""The house rules: who imports whom, who touches which foreign library, and what a source file holds.

The tables below are the rules; a new module or library that they do not name is refused until they do.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

ROOMS = ("appliance.ledger", "appliance.music", "appliance.sound", "appliance.panel")
GROUND = (
    *(
        "appliance.settings",
        "appliance.saved.state",
        "appliance.saved.crashes",
        "appliance.gestures",
        "appliance.dimming",
    ),
    *(
        "appliance.host.malloc",
        "appliance.host.log",
        "appliance.host.power",
        "appliance.values",
        "appliance.host.clock",
    ),
)
# What each part of the house may import of the house. The longest name that fits a module is its part.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "appliance": (),
    "appliance.__main__": ("appliance.cli",),
    "appliance.cli": (
        "appliance.box",
        "appliance.doctor",
        "appliance.keep",
        "appliance.plot",
        "appliance.render",
        *ROOMS,
        *GROUND,
    ),
    "appliance.plot": (*ROOMS, *GROUND),
    "appliance.doctor": ("appliance.doctor", *ROOMS, *GROUND),
    "appliance.doctor.board": ("appliance.doctor", "appliance.render", *ROOMS, *GROUND),
    "appliance.box": ("appliance.keep", "appliance.saved.kept", "appliance.render", *ROOMS, *GROUND),
    "appliance.saved.kept": ("appliance.keep", "appliance.saved.state"),
    "appliance.keep": ("appliance.render", *ROOMS, *GROUND),
    "appliance.render": (*ROOMS, *GROUND),
    "appliance.settings": (
        *("appliance.ledger.networks", "appliance.music.scales", "appliance.music.scenes"),
        "appliance.panel.pins",
        "appliance.values",
    ),
    "appliance.saved.state": ("appliance.values",),
    "appliance.saved.crashes": ("appliance.saved.state",),
    "appliance.gestures": ("appliance.values",),
    "appliance.dimming": (),
    "appliance.host.malloc": (),
    "appliance.host.log": (),
    "appliance.host.power": (),
    "appliance.values": (),
    "appliance.host.clock": (),
    "appliance.ledger": ("appliance.ledger", "appliance.values"),
    "appliance.music": ("appliance.music", "appliance.values"),
    "appliance.sound": ("appliance.sound", "appliance.values"),
    "appliance.sound.performer": ("appliance.sound", "appliance.music", "appliance.values"),
    "appliance.panel": ("appliance.panel", "appliance.values"),
}

# Where each foreign library lives.
HOMES: dict[str, tuple[str, ...]] = {
    "aiohttp": ("appliance.ledger.reader.client",),
    # What connects, and what only decodes: the second runs without a network, and its tests too.
    "stellar_sdk": ("appliance.ledger.reader.client", "appliance.ledger.reader.xdr"),
    "pyo": tuple(f"appliance.sound.{module}" for module in ("synth", "voices", "mixer", "envelopes")),
    "mido": ("appliance.score.midi",),
    "soundfile": ("appliance.sound.outputs.file",),
    "numpy": ("appliance.sound", "appliance.box", "appliance.keep", "appliance.render", "appliance.plot"),
    "matplotlib": ("appliance.plot",),
    "gpiozero": ("appliance.panel.gpio", "appliance.panel.mock"),
    "textual": ("appliance.panel.screen",),
    "rich": ("appliance.panel.desk", "appliance.panel.screen", "appliance.cli"),
    "pydantic": ("appliance.settings",),
    "pydantic_core": ("appliance.settings",),
    "pydantic_settings": ("appliance.settings",),
    "tomli_w": ("appliance.settings",),
}

# Music takes no moment, no chance and no thread but what is handed to it.
PURE = {
    *("__future__", "abc", "bisect", "collections", "dataclasses", "enum", "fractions", "functools", "heapq"),
    *("itertools", "math", "operator", "random", "statistics", "typing"),
}


def complaints(module: str, source: str) -> Iterator[str]:
    """What a module's imports do against the rules, a sentence each."""
    part = max((part for part in MAY_IMPORT if within(module, part)), key=len)
    if part == "appliance" != module:
        yield f"{module} has no place in the house yet: give it one in MAY_IMPORT"
        return
    tree = ast.parse(source)
    for name in imported(tree):
        library = name.partition(".")[0]
        if library == "appliance":
            if not any(within(name, other) for other in MAY_IMPORT[part]):
                yield f"{module} may not import {name}"
        elif library in HOMES:
            if not any(within(module, home) for home in HOMES[library]):
                yield f"{module} may not import {library}, which lives in {' and '.join(HOMES[library])}"
        elif library not in sys.stdlib_module_names:
            yield f"{module} imports {library or 'a relative name'}, which has no home in HOMES"
        elif within(module, "appliance.music") and library not in PURE:
            yield f"{module} is music and may not import {library}"
    if within(module, "appliance.music"):
        yield from (f"{module} takes chance from {name}" for name in set(chance(tree)))


def chance(tree: ast.AST) -> Iterator[str]:
    """Every use of the random module but its class, of which one, seeded, is handed to the music."""
    yield from (name for name in imported(tree) if name.startswith("random.") and name != "random.Random")
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="random"), attr=name) if name != "Random":
                yield f"random.{name}"


def imported(tree: ast.AST) -> Iterator[str]:
    """The full name of everything imported anywhere in a module; a relative name begins with a dot."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


def within(name: str, part: str) -> bool:
    return name == part or name.startswith(f"{part}.")


def name_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = sorted((ROOT / "appliance").rglob("*.py"))


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_imports_point_one_way(file: Path) -> None:
    assert list(complaints(name_of(file), file.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("appliance.values", "from appliance.music import scales", "may not import appliance.music.scales"),
        ("appliance.ledger.tape", "import appliance.music.queue", "may not import appliance.music.queue"),
        (
            "appliance.sound.synth",
            "from appliance.music.scales import Scale",
            "may not import appliance.music",
        ),
        ("appliance.panel.lamps", "from appliance.box import Box", "may not import appliance.box"),
        ("appliance.panel.lamps", "from appliance import settings", "may not import appliance.settings"),
        ("appliance.sound.performer", "import appliance.settings", "may not import appliance.settings"),
        ("appliance.box", "from appliance.cli import main", "may not import appliance.cli.main"),
        ("appliance.valuesque", "", "has no place in the house"),
        ("appliance.sound.synth", "from . import voices", "a relative name"),
        ("appliance.ledger.reader.horizon", "import aiohttp", "may not import aiohttp, which lives in"),
        ("appliance.sound.outputs.file", "def f():\n    import pyo", "may not import pyo, which lives in"),
        ("appliance.sound.polyphony", "from numba import jit", "imports numba, which has no home"),
        ("appliance.music.composer", "import numpy as np", "may not import numpy"),
        ("appliance.music.composer", "from time import monotonic", "is music and may not import time"),
        ("appliance.music.composer", "import os", "is music and may not import os"),
        ("appliance.music.composer", "import random\nrandom.choice([1])", "takes chance from random.choice"),
        ("appliance.music.composer", "from random import choice", "takes chance from random.choice"),
    ],
)
def test_the_rules_see_what_is_against_them(module: str, source: str, complaint: str) -> None:
    (sentence,) = complaints(module, source)
    assert complaint in sentence


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("appliance.sound.performer", "from appliance.music.composer import Composer"),
        ("appliance.music.composer", "from random import Random\nimport random\nrandom.Random(1)"),
        ("appliance.settings", "from appliance.music.scenes import SCENES"),
        ("appliance.sound", "import numpy"),
    ],
)
def test_the_rules_allow_what_they_say(module: str, source: str) -> None:
    assert list(complaints(module, source)) == []


# --- what a file holds --------------------------------------------------------------------------------------

CODE = {".py", ".pyi", ".sh", ".toml", ".yaml", ".yml", ".service"}
OURS = ("appliance", "tests", "benchmarks", "deploy", "hardware", ".ci")
# A path that begins in somebody's own part of a file system: nothing that ships may depend on it.
MACHINE_PATH = re.compile(r"(?<![\w.}$/~-])/(?:root|work|Users|home)/\w+")


def texts() -> Iterator[tuple[str, str]]:
    """Every text file that somebody wrote, by its path in the project."""
    files = [file for place in OURS for file in sorted((ROOT / place).rglob("*")) if file.is_file()]
    files += [ROOT / "Makefile", *ROOT.glob("*.toml"), *ROOT.glob("*.md")]
    for file in files:
        if "__pycache__" not in file.parts:
            try:
                yield file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8")
            except UnicodeDecodeError:  # a tape, a picture
                continue


def test_every_source_file_states_its_licence() -> None:
    without = [
        path
        for path, text in texts()
        if (Path(path).suffix in CODE or path in ("Makefile", ".ci/run"))
        and "SPDX-License-Identifier: " not in "".join(text.splitlines(keepends=True)[:2])
    ]
    assert without == []


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    this = Path(__file__).relative_to(ROOT).as_posix()
    assert [path for path, text in texts() if path != this and MACHINE_PATH.search(text)] == []


def test_a_machine_path_is_seen() -> None:
    assert MACHINE_PATH.search('open("/home/ada/box.toml")')
    assert MACHINE_PATH.search("cd /" + "root/box")
    assert not MACHINE_PATH.search("/etc/stellar-wind.toml $target/" + "root/x https://example.org/home/x")
