# SPDX-License-Identifier: Apache-2.0
"""The house rules: which module imports which, where each foreign library is used, and what a source file contains.

The tables below are the rules. A new module, import or library is refused until a table allows it, and so is a row that
allows more than is used.
"""

from __future__ import annotations

import ast
import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.control import Client, NoBox
from appliance.ledger.tape import bundled
from appliance.status import Status
from appliance.values import BoxState
from tests.support.horizon_records import generated
from tests.support.horizon_server import HorizonServer

ROOT = Path(__file__).parent.parent

# What each part of the house imports of the house, without "appliance.". The row of a module is the longest name that
# fits. "music.*" is every module of music; a name without a star is that one module.
#
# The processes: `cli` starts each of them. The player is `box` and what it imports; `ledger.reader` is the listener's,
# and only `cli` and `doctor`, which are other processes, import it; `page` is that of the web server, and only `cli`
# imports it. The rooms ledger, music, sound and panel do not import each other; the parts below put them together.
MAY_IMPORT: dict[str, str] = {
    "__main__": "cli",
    "values": "",
    # --- rooms
    "ledger.networks": "",
    "ledger.staleness": "",
    "ledger.tape": "ledger.tape.* values",
    "ledger.tape.files": "ledger.tape.format saved.lines saved.replacing values",
    "ledger.feed": "ledger.feed.* ledger.staleness ledger.tape values",
    "ledger.feed.relay": "",
    "ledger.feed.supervisor": "host.process ledger.staleness ledger.tape ledger.tape.format values",
    "ledger.reader": "ledger.reader.* ledger.networks ledger.staleness ledger.tape ledger.tape.format values",
    "ledger.reader.record_files": "ledger.reader.amounts ledger.tape ledger.tape.format saved.lines saved.replacing "
    "values",
    "ledger.reader.record_network": "ledger.networks ledger.reader.listener ledger.reader.session ledger.staleness "
    "ledger.tape saved.replacing values",
    "music": "music.* values",
    "sound": "sound.* values",
    "panel": "panel.* values",
    "panel.tui": "gestures panel.buttons panel.lamps status values",
    # --- what lies beside the rooms, and knows none or one of them
    "score": "score.* values",
    "score.files": "saved.lines score.format values",
    "score.format": "music.scales values",
    "saved.crashes": "saved.files values",
    "saved.exporter": "host.python saved.files saved.replacing values",
    "saved.files": "",
    "saved.lines": "",
    "saved.lock": "",
    "saved.replacing": "values",
    "saved.state": "saved.files values",
    "host": "",
    "settings": "settings.model settings.sources",
    "settings.model": "ledger.networks ledger.staleness music.scales music.scenes panel.pins values",
    "settings.sources": "ledger.networks panel.pins settings.model values",
    "gestures": "values",
    "dimming": "",
    "status": "values",
    "control": "host.log status values",
    "companion": "host.process",
    "follower": "control",
    "mqtt": "",
    "mqtt.bridge": "control follower mqtt.topics saved.files status values",
    "mqtt.topics": "control status values",
    "page": "",
    "page.encoder": "sound",
    "page.guard": "",
    "page.pieces": "control follower",
    "page.server": "control follower page.encoder page.guard page.pieces page.view values",
    "page.view": "gestures panel.lamps status values",
    "terminal": "companion control host.log host.python panel.tui values",
    # --- pieces: a process of its own, which only `cli` starts
    "pieces": "",
    "pieces.__main__": "pieces.node",
    "pieces.accounts": "pieces.keys",
    "pieces.client": "control",
    "pieces.feed": "pieces.accounts pieces.keys",
    "pieces.horizon": "ledger.networks pieces.feed pieces.keys pieces.sales values",
    "pieces.keys": "values",
    "pieces.following": "pieces.accounts pieces.feed pieces.horizon pieces.keys pieces.own pieces.repeating "
    "pieces.sales pieces.seeds pieces.shelf pieces.swarm values",
    "pieces.catalogue": "control pieces.feed pieces.own pieces.piece pieces.seeds pieces.shelf values",
    "pieces.node": "host.log host.malloc ledger.networks pieces.following pieces.horizon pieces.catalogue pieces.own "
    "pieces.repeating pieces.seeds pieces.server pieces.shelf pieces.swarm values",
    "pieces.own": "pieces.accounts pieces.feed pieces.horizon pieces.keys pieces.piece pieces.repeating pieces.sales "
    "pieces.seeds pieces.shelf pieces.swarm",
    "pieces.piece": "pieces.feed pieces.keys score.files",
    "pieces.qr": "",
    "pieces.rehearsal": "pieces.feed pieces.horizon pieces.keys pieces.sales pieces.wallet values",
    "pieces.repeating": "values",
    "pieces.seeds": "pieces.feed pieces.keys pieces.piece pieces.shelf pieces.swarm",
    "pieces.sales": "pieces.feed pieces.keys",
    "pieces.server": "control pieces.client pieces.piece values",
    "pieces.shelf": "pieces.feed pieces.keys pieces.piece pieces.sales saved.files values",
    "pieces.swarm": "pieces.keys values",
    "pieces.verbs": "control host.python pieces.feed pieces.client pieces.horizon pieces.node pieces.piece pieces.qr "
    "pieces.rehearsal pieces.wallet saved.files saved.replacing settings values",
    "pieces.wallet": "pieces.feed pieces.horizon pieces.sales",
    # --- what puts the rooms together
    "performance": "sound sound.outputs sound.performer values",
    "live": "performance settings sound sound.outputs sound.outputs.pipe sound.outputs.speaker sound.performer "
    "sound.polyphony sound.realtime values",
    "parts": "ledger.tape ledger.tape.files ledger.tape.format music.composer music.composition music.scales "
    "music.scenes saved.lines score.files settings sound sound.synth values",
    "render": "ledger.tape music.composition parts performance saved.replacing score.files score.format score.midi "
    "score.player settings sound sound.outputs sound.outputs.file sound.outputs.silent sound.performer values",
    "plot": "music.harmony music.scales performance saved.replacing sound sound.outputs values",
    "interlude": "score.files score.format score.player sound sound.performer values",
    "console": "dimming gestures host.power music.scales music.scenes panel.lamps saved.crashes saved.state settings "
    "sound.outputs.speaker status values",
    "box": "console control gestures host.clock host.malloc host.power host.systemd interlude ledger.feed.feed "
    "ledger.feed.inbox ledger.tape live music.composition music.scales music.scenes panel.gpio panel.lamps panel.mock "
    "panel.panel panel.pins parts saved.crashes saved.exporter saved.files saved.state score.files score.history "
    "score.player settings sound values",
    "doctor.board": "doctor.computer doctor.finding doctor.instrument doctor.jack doctor.machine ledger.tape live "
    "panel.pins parts performance render settings sound sound.outputs.cards sound.performer values",
    "doctor.bundle": "doctor.computer doctor.finding doctor.machine doctor.privacy doctor.report "
    "saved.replacing settings",
    "doctor.computer": "doctor.finding doctor.machine host.power saved.files settings values",
    "doctor.clients": "doctor.finding doctor.machine settings settings.model",
    "doctor.examine": "doctor.clients doctor.computer doctor.finding doctor.instrument doctor.machine doctor.parts "
    "doctor.pieces doctor.servers doctor.surroundings ledger.networks saved.state settings settings.sources values",
    "doctor.finding": "",
    "doctor.instrument": "doctor.finding doctor.machine settings sound.outputs.cards",
    "doctor.jack": "doctor.instrument doctor.machine settings sound.outputs.cards",
    "doctor.machine": "control status values",
    "doctor.parts": "",
    "doctor.pieces": "doctor.finding doctor.machine settings",
    "doctor.privacy": "doctor.machine ledger.networks settings",
    "doctor.report": "doctor.finding",
    "doctor.servers": "doctor.finding doctor.machine ledger.networks ledger.reader.horizon ledger.reader.probe "
    "ledger.reader.session ledger.staleness",
    "doctor.surroundings": "doctor.finding doctor.machine host.clock ledger.reader.routes ledger.tape settings",
    "cli": "box companion control doctor.board doctor.bundle doctor.examine doctor.finding doctor.machine "
    "doctor.parts doctor.privacy doctor.report follower host.log host.python host.systemd ledger.reader.listener "
    "ledger.reader.record_files ledger.reader.record_network ledger.reader.session ledger.tape mqtt.bridge "
    "music.scenes page.pieces page.server panel.gpio panel.knobs panel.mock panel.pins panel.wiring_check parts "
    "pieces.client pieces.verbs plot render saved.crashes saved.files saved.lock saved.replacing score.files "
    "settings settings.model status terminal values",
}
# Packages whose __init__ imports nothing, and whose other modules have rows.
EMPTY = ("", "ledger", "saved", "doctor")

# Which modules use each foreign library.
HOMES: dict[str, str] = {
    "aiohttp": "ledger.reader.client page.server",
    "aiomqtt": "mqtt.bridge",
    "paho": "mqtt.bridge",  # which aiomqtt is made of: the properties of MQTT 5
    # The RPC server's objects; XDR, which only decodes. They are loaded only for an RPC endpoint.
    "stellar_sdk": "ledger.reader.soroban ledger.reader.xdr pieces.wallet",
    "pyo": "sound.synth sound.voices sound.mixer sound.envelopes",
    "mido": "score.midi",
    "soundfile": "sound.outputs.file page.encoder",
    "numpy": "sound.* performance live plot page.encoder",
    "matplotlib": "plot",
    "gpiozero": "panel.gpio panel.mock",
    "textual": "panel.tui",
    "rich": "panel.tui cli",
    "pydantic": "settings.model settings.sources",
    "pydantic_core": "settings.model settings.sources",
    "pydantic_settings": "settings.model",
    "tomli_w": "settings.sources",
    "nacl": "pieces.keys",
    "libtorrent": "pieces.swarm",
    "segno": "pieces.qr",
}

# Music gets its time, its random generator and its thread from the caller.
PURE = {
    *("__future__", "abc", "bisect", "collections", "dataclasses", "enum", "fractions", "functools", "heapq"),
    *("itertools", "math", "operator", "random", "statistics", "typing"),
}

# Reading a file with one of these can run code.
FORBIDDEN = {"pickle", "shelve", "marshal", "dill"}


def name_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(file): file for file in sorted((ROOT / "appliance").rglob("*.py"))}


def short(name: str) -> str:
    """A module's name as the tables have it."""
    return name.removeprefix("appliance").removeprefix(".")


def within(name: str, part: str) -> bool:
    return name == part or name.startswith(f"{part}.")


def row(module: str) -> str | None:
    """The row of a module, by its short name; None where there is none."""
    fitting = [part for part in MAY_IMPORT if within(module, part)]
    return max(fitting, key=len) if fitting else None


def allows(entry: str, module: str) -> bool:
    return within(module, entry[:-2]) if entry.endswith(".*") else module == entry


def imported(tree: ast.AST) -> Iterator[str]:
    """The full name of everything imported anywhere in a module; a relative name begins with a dot."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


def module_of(name: str) -> str:
    """The module of ours that an imported name is, or is of."""
    while name not in FILES and "." in name:
        name = name.rpartition(".")[0]
    return name


def ours(tree: ast.AST) -> set[str]:
    """The modules of ours that a module imports, by their short names."""
    return {short(module_of(name)) for name in imported(tree) if within(name, "appliance")}


def complaints(module: str, source: str) -> Iterator[str]:
    """What a module's imports do against the rules, a sentence each."""
    name, tree = short(module), ast.parse(source)
    part = row(name)
    if part is None and (name not in EMPTY or ours(tree)):
        yield f"{module} has no row in MAY_IMPORT yet"
        return
    allowed = MAY_IMPORT[part].split() if part is not None else []
    for other in sorted(ours(tree)):
        if not any(allows(entry, other) for entry in allowed):
            yield f"{module} may not import {other}"
    for found in imported(tree):
        library = found.partition(".")[0]
        if library == "appliance":
            continue
        if library in HOMES:
            if not any(allows(home, name) for home in HOMES[library].split()):
                yield f"{module} may not import {library}, which is used in {HOMES[library]}"
        elif library in FORBIDDEN:
            yield f"{module} may not import {library}, which nothing may"
        elif library not in sys.stdlib_module_names:
            yield f"{module} imports {library or 'a relative name'}, which is not in HOMES"
        elif within(name, "music") and library not in PURE:
            yield f"{module} is music and may not import {library}"
    if within(name, "music"):
        yield from (f"{module} takes chance from {function}" for function in set(chance(tree)))


def chance(tree: ast.AST) -> Iterator[str]:
    """Every use of the random module but its class, of which the caller hands a seeded one to the music."""
    yield from (name for name in imported(tree) if name.startswith("random.") and name != "random.Random")
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="random"), attr=name) if name != "Random":
                yield f"random.{name}"


@pytest.mark.parametrize("module", FILES)
def test_imports_are_those_of_the_tables(module: str) -> None:
    assert list(complaints(module, FILES[module].read_text(encoding="utf-8"))) == []


def test_no_row_allows_more_than_is_used() -> None:
    trees = {short(module): ast.parse(file.read_text(encoding="utf-8")) for module, file in FILES.items()}
    names = {module: set(imported(tree)) for module, tree in trees.items()}
    unused = []
    for part, entries in MAY_IMPORT.items():
        members = [module for module in trees if row(module) == part]
        assert members, f"{part} has a row, but there is no such module"
        used = {other for member in members for other in ours(trees[member])}
        unused += [
            f"{part} -> {entry}" for entry in entries.split() if not any(allows(entry, o) for o in used)
        ]
    for library, homes in HOMES.items():
        users = {module for module in trees if any(within(name, library) for name in names[module])}
        unused += [
            f"{library} in {home}" for home in homes.split() if not any(allows(home, user) for user in users)
        ]
    assert unused == []


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        # The process boundary.
        (
            "appliance.ledger.feed.supervisor",
            "from appliance.ledger.reader.follow import follow",
            "may not import ledger.reader.follow",
        ),
        (
            "appliance.ledger.feed.feed",
            "def f():\n    import appliance.ledger.reader.horizon",
            "may not import ledger.reader.horizon",
        ),
        (
            "appliance.box",
            "from appliance.ledger.reader import client",
            "may not import ledger.reader.client",
        ),
        (
            "appliance.ledger.reader.follow",
            "from appliance.ledger.feed.played import Played",
            "may not import ledger.feed.played",
        ),
        (
            "appliance.ledger.tape.files",
            "from appliance.ledger.reader.amounts import MAX_CHANGES",
            "may not import ledger.reader.amounts",
        ),
        (
            "appliance.ledger.tape",
            "from appliance.ledger.feed.feed import Feed",
            "may not import ledger.feed.feed",
        ),
        (
            "appliance.status",
            "import appliance.ledger.reader.session",
            "may not import ledger.reader.session",
        ),
        # The rooms.
        ("appliance.values", "from appliance.music import scales", "may not import music.scales"),
        ("appliance.ledger.tape", "import appliance.music.queue", "may not import music.queue"),
        (
            "appliance.sound.performer",
            "from appliance.music.composer import Composer",
            "may not import music.composer",
        ),
        ("appliance.panel.lamps", "from appliance.box import Box", "may not import box"),
        ("appliance.panel.lamps", "from appliance import settings", "may not import settings"),
        ("appliance.panel.panel", "from appliance.status import Status", "may not import status"),
        ("appliance.score.history", "import appliance.music.scales", "may not import music.scales"),
        ("appliance.box", "from appliance.cli import main", "may not import cli"),
        ("appliance.box", "from appliance.terminal import Terminal", "may not import terminal"),
        ("appliance.box", "from appliance.sound.synth import Synth", "may not import sound.synth"),
        ("appliance.valuesque", "", "has no row"),
        ("appliance.saved.newer", "", "has no row"),
        ("appliance.saved", "from appliance.values import Kind", "has no row"),
        # The libraries.
        ("appliance.sound.synth", "from . import voices", "a relative name"),
        ("appliance.ledger.reader.horizon", "import aiohttp", "may not import aiohttp, which is used in"),
        (
            "appliance.ledger.reader.rpc",
            "from stellar_sdk.soroban_rpc import EventInfo",
            "may not import stellar_sdk, which is used in",
        ),
        ("appliance.sound.outputs.file", "def f():\n    import pyo", "may not import pyo, which is used in"),
        ("appliance.sound.polyphony", "from numba import jit", "imports numba, which is not in HOMES"),
        ("appliance.score.files", "import pickle", "may not import pickle"),
        ("appliance.music.composer", "import numpy as np", "may not import numpy"),
        ("appliance.music.composer", "from time import monotonic", "is music and may not import time"),
        ("appliance.music.composer", "import os", "is music and may not import os"),
        ("appliance.music.composer", "import random\nrandom.choice([1])", "takes chance from random.choice"),
        ("appliance.music.composer", "from random import choice", "takes chance from random.choice"),
    ],
)
def test_what_is_against_the_rules_is_refused(module: str, source: str, complaint: str) -> None:
    (sentence,) = complaints(module, source)
    assert complaint in sentence


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("appliance.music.composer", "from random import Random\nimport random\nrandom.Random(1)"),
        ("appliance.settings.model", "from appliance.music.scenes import SCENES"),
        ("appliance.sound", "import numpy"),
        ("appliance.ledger.feed.feed", "from appliance.ledger.tape import TapePlayer"),
        ("appliance.ledger.reader.follow", "from appliance.ledger.reader import horizon"),
    ],
)
def test_what_the_rules_allow_is_accepted(module: str, source: str) -> None:
    assert list(complaints(module, source)) == []


# --- the process boundary -----------------------------------------------------------------------------------


def test_only_the_command_line_and_the_doctor_may_import_the_reader() -> None:
    readers = {
        part
        for part, entries in MAY_IMPORT.items()
        if any(e.startswith("ledger.reader") for e in entries.split())
    }
    others = {part for part in readers if not within(part, "ledger.reader")}
    assert others == {"cli", "doctor.servers", "doctor.surroundings"}


def test_no_import_leads_from_the_player_to_the_reader_the_panel_or_the_doctor() -> None:
    """Also none that is made later, in a function."""
    reached, todo = set[str](), ["appliance.box"]
    while todo:
        module = todo.pop()
        if module not in reached:
            reached.add(module)
            names = ours(ast.parse(FILES[module].read_text(encoding="utf-8")))
            todo += [f"appliance.{name}" for name in names if name]
    assert "appliance.ledger.feed.supervisor" in reached
    outside = ["appliance.ledger.reader", "appliance.mqtt", "appliance.page", "appliance.panel.tui"]
    outside += ["appliance.pieces", "appliance.doctor", "appliance.cli"]
    assert [module for module in reached if any(within(module, part) for part in outside)] == []


# Starts a verb as `stellar-wind` does, and writes the names of the loaded modules to a file when the process ends.
MODULES_OF = """
import atexit, json, sys
output = sys.argv.pop(1)
atexit.register(lambda: open(output, "w").write(json.dumps(sorted(sys.modules))))
from appliance.__main__ import main
sys.exit(main())
"""
TIMEOUT = 120.0  # s for a stalled machine to start a box


async def status_when(folder: Path, ready: Callable[[Status], bool]) -> Status:
    """The status of the box in `folder`, once it is `ready`."""

    def ask() -> Status | None:
        try:
            with Client.connect([folder]) as client:
                return client.status()
        except NoBox:
            return None

    async with asyncio.timeout(TIMEOUT):
        while True:
            status = await asyncio.to_thread(ask)
            if status and ready(status):
                return status
            await asyncio.sleep(0.05)


async def loaded_by(folder: Path, ready: Callable[[Status], bool], *words: str) -> set[str]:
    """The modules that a player has loaded by the time that it is told to end, after it has been `ready`."""
    output = folder / "modules.json"
    command = [sys.executable, "-c", MODULES_OF, str(output), "run", *words, "--set", f"state_dir={folder}"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("STELLAR_WIND_")}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        await status_when(folder, ready)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(TIMEOUT):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return set(json.loads(output.read_text()))


# The foreign libraries that each process loads until it works. Each costs a small board a part of a second and some
# megabytes; what is not listed is imported where it is used.
SETTINGS = {"pydantic", "pydantic_core", "pydantic_settings", "tomli_w"}
LOADED = {
    "--help": set[str](),
    "player": {"pyo", "numpy", *SETTINGS},
    "listener": {"aiohttp", *SETTINGS},
}


def libraries(modules: set[str]) -> set[str]:
    return HOMES.keys() & modules


def strangers(modules: set[str]) -> list[str]:
    """What no player may load: the libraries of the network, the terminal and the clients, and our parts for them."""
    parts = ["aiohttp", "aiomqtt", "paho", "stellar_sdk", "textual", "libtorrent", "nacl", "segno"]
    parts += [
        "appliance.ledger.reader",
        "appliance.mqtt",
        "appliance.page",
        "appliance.panel.tui",
        "appliance.pieces",
    ]
    return sorted(module for module in modules if any(within(module, part) for part in parts))


@pytest.mark.process
def test_a_player_of_a_tape_loads_nothing_of_the_network_or_the_terminal(tmp_path: Path) -> None:
    modules = asyncio.run(
        loaded_by(
            tmp_path,
            lambda status: status.notes_a_minute > 0,
            *(str(bundled().path), "--tempo", "180", "--set", "panel.pin_factory=none"),
        )
    )
    assert strangers(modules) == []
    assert libraries(modules) == LOADED["player"]
    assert {"appliance.box", "appliance.live"} <= modules


@pytest.mark.process
def test_a_player_with_a_panel_loads_gpiozero(tmp_path: Path) -> None:
    """So that the test above can fail; without a panel gpiozero is not needed."""
    words = (str(bundled().path), "--set", "panel.pin_factory=mock", "--set", "panel.knobs=encoders")
    modules = asyncio.run(loaded_by(tmp_path, lambda status: status.notes_a_minute > 0, *words))
    assert libraries(modules) == {*LOADED["player"], "gpiozero"}


@pytest.mark.process
def test_help_loads_no_library(tmp_path: Path) -> None:
    output = tmp_path / "modules.json"
    command = [sys.executable, "-c", MODULES_OF, str(output), "--help"]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=TIMEOUT)
    modules = set(json.loads(output.read_text()))
    assert libraries(modules) == LOADED["--help"]
    assert not {"asyncio", "appliance.settings"} & modules


@pytest.mark.process
def test_a_player_of_a_live_network_loads_nothing_of_it_or_the_terminal(tmp_path: Path) -> None:
    async def run() -> set[str]:
        async with HorizonServer(generated([40] * 400, network="first"), tip=1000) as server:

            def ready(status: Status) -> bool:
                server.tip += status.state is BoxState.LIVE
                return status.state is BoxState.LIVE and status.notes_a_minute > 0

            config = tmp_path / "box.toml"
            config.write_text(
                'network = "mine"\ntempo = 180\n'
                f'[networks.mine]\nendpoints = ["{server.url}"]\npassphrase = "first"\n'
            )
            return await loaded_by(tmp_path, ready, "--config", str(config))

    modules = asyncio.run(run())
    assert strangers(modules) == []
    assert {"pyo", "appliance.box", "appliance.live", "appliance.ledger.feed.supervisor"} <= modules


@pytest.mark.process
def test_a_listener_loads_the_network(tmp_path: Path) -> None:
    """So that the two tests above can fail."""
    output = tmp_path / "modules.json"
    command = [sys.executable, "-c", MODULES_OF, str(output), "listen", "--network", "mine"]
    command += ["--set", "networks.mine.endpoints=http://127.0.0.1:9", "--set", "networks.mine.passphrase=x"]
    subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=TIMEOUT
    )
    modules = set(json.loads(output.read_text()))
    assert {"aiohttp", "appliance.ledger.reader.follow"} <= set(strangers(modules))
    assert libraries(modules) == LOADED["listener"]


# --- what a file holds --------------------------------------------------------------------------------------

CODE = {".py", ".pyi", ".sh", ".toml", ".yaml", ".yml", ".service"}
OURS = ("appliance", "tests", "benchmarks", "deploy", "hardware", ".ci")
# A path in somebody's own part of a file system: nothing in the project may depend on it.
MACHINE_PATH = re.compile(r"(?<![\w.}$/~-])/(?:root|work|Users|home)/\w+")


def texts() -> Iterator[tuple[str, str]]:
    """Every text file of the project, by its path."""
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


# --- private names ------------------------------------------------------------------------------------------

# Public in spite of their names: documented functions of the standard library.
DOCUMENTED = {"os._exit", "sys._getframe"}
REACHING = {"getattr", "setattr", "delattr", "hasattr"}


def is_private(name: str) -> bool:
    return (
        name.startswith("_") and not (name.startswith("__") and name.endswith("__")) and name.strip("_") != ""
    )


def private_uses(source: str) -> Iterator[str]:
    """Each use of another module's or object's private name in a file of tests or benchmarks, with its line."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(value=owner, attr=name) if is_private(name):
                text = f"{ast.unparse(owner)}.{name}"
                own = isinstance(owner, ast.Name) and owner.id in ("self", "cls")
                if not own and ast.unparse(owner) != "super()" and text not in DOCUMENTED:
                    yield f"line {node.lineno}: {text}"
            case ast.ImportFrom(module=str(module), names=names):
                yield from (
                    f"line {node.lineno}: from {module} import {alias.name}"
                    for alias in names
                    if is_private(alias.name)
                )
            case ast.Call(
                func=ast.Name(id=called) | ast.Attribute(attr=called), args=[_, ast.Constant(str(name)), *_]
            ):
                if called in REACHING and is_private(name):
                    yield f"line {node.lineno}: {called} of {name}"


CLIENTS = [file for place in ("tests", "benchmarks") for file in sorted((ROOT / place).rglob("*.py"))]


@pytest.mark.parametrize("file", CLIENTS, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_no_test_and_no_benchmark_uses_a_private_name(file: Path) -> None:
    assert list(private_uses(file.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "box._feed",
        "self.box._feed.last",
        "x = [box._live.level]",
        "box._feed = None",
        "type(self)._feed",
        "from appliance.box import _every",
        "import appliance.box as box\nbox._every()",
        'monkeypatch.setattr(box, "_every", None)',
        'getattr(box, "_every")',
    ],
)
def test_a_private_name_is_seen(source: str) -> None:
    assert len(list(private_uses(source))) == 1


@pytest.mark.parametrize(
    "source",
    [
        "self._x = cls._y",
        "_x = 1\n_x",
        "super()._answer()",
        "x.__class__",
        "os._exit(1)",
        "lambda _: _.x",
        "a.b_c",
    ],
)
def test_a_public_name_is_not_taken_for_a_private_one(source: str) -> None:
    assert list(private_uses(source)) == []
