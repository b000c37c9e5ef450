# SPDX-License-Identifier: Apache-2.0
"""The verbs: run, listen, record, render, keep, doctor, config.

The one rule: a verb reads its words, loads the settings, and calls the part that does the work; each imports only
what it needs, because a Zero 2 W takes seconds for what a render, a listener or a card drag in. Exit codes: 0 all is
well, 1 something of the box's own failed or is wrong with it, 2 wrong words, 78 wrong settings (EX_CONFIG, which
systemd does not retry; the doctor lists them, and that is a 1).
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import math
import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance import journal
from appliance.ledger.visit import Mode, Patience, Way
from appliance.settings import Loaded, Settings, SettingsError, as_toml, load, networks, plain
from appliance.values import BoxError

if TYPE_CHECKING:
    from appliance.ledger.tape import Tape
    from appliance.plot import Picture

log = logging.getLogger(__name__)

ENDS = {signal.SIGTERM: 0, signal.SIGINT: 128 + signal.SIGINT}  # exit codes; the second as shells count it
EX_CONFIG = 78

# What the doctor can look at by itself (appliance.doctor.PARTS, which is not imported only to parse words).
PARTS = ("settings", "network", "sound", "panel", "computer")

# Options that are settings under a shorter name.
SHORT = ("network", "scene", "volume", "tempo", "seed")


def main(words: Sequence[str] | None = None) -> int:
    """Run a verb, and return the exit code."""
    arguments = _parser().parse_args(words)
    try:
        if arguments.verb == _doctor:  # settings that are wrong are for it to tell
            return _doctor(arguments)
        loaded = load(_overrides(arguments), os.environ, arguments.config)
        return int(arguments.verb(arguments, loaded) or 0)
    except SettingsError as error:
        print(f"stellar-wind: {error}", file=sys.stderr)  # noqa: T201 - this is the command line
        return EX_CONFIG
    except BoxError as error:
        print(f"stellar-wind: {error}", file=sys.stderr)  # noqa: T201 - this is the command line
        return 1


def _overrides(arguments: argparse.Namespace) -> dict[str, Any]:
    pairs = (pair.partition("=") for pair in arguments.set)
    overrides: dict[str, Any] = {key.strip(): value for key, _, value in pairs}
    overrides |= {key: value for key in SHORT if (value := getattr(arguments, key, None)) is not None}
    return overrides


def _run(arguments: argparse.Namespace, loaded: Loaded) -> None:
    from appliance.crashes import Crashes
    from appliance.ledger.tape import open_tape, playable
    from appliance.state import folder

    desk = sys.stdout.isatty()
    journal.start(verbose=arguments.verbose)
    place = folder(loaded.settings.state, os.environ)
    # Who asks too early what was just played gets nothing, and ends nothing.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    asked = playable(open_tape(arguments.tape)) if arguments.tape else None  # a slip of the hand is no crash

    def leave(number: int, _: object) -> None:
        """End at once. Nothing plays yet; and what is raised here might be lost in whatever is being imported."""
        crashes.end()
        os._exit(ENDS[signal.Signals(number)])

    # Who is told to end meanwhile hears it afterwards: a stamp that nobody takes away again would count as a crash.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
    crashes = Crashes(place)  # before anything is imported that may crash
    for number in ENDS:  # until the box plays, and fades
        signal.signal(number, leave)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)

    from appliance.box import Box

    safe = crashes.run.safe
    settings = plain(loaded.settings) if safe else loaded.settings
    box = Box(
        settings,
        asked or _recording(settings.recording.path, loaded),
        None if arguments.tape else _listener(arguments, settings),
        None if safe else lambda: load(_overrides(arguments), os.environ, arguments.config).settings,
        None if safe else place,
        crashes,
    )
    with asyncio.Runner() as loop:
        loop.run(box.run(desk=desk))
        crashes.end()  # while the loop still stands between a signal and us


def _recording(named: str, loaded: Loaded) -> Tape:
    """What plays without a network: the owner's, or, where it cannot be read today, the one that ships."""
    from appliance.ledger.tape import BadTape, bundled, open_tape, playable

    try:
        return playable(open_tape(Path(named))) if named else bundled()
    except BadTape as error:
        origin = loaded.origin("recording.path")
        log.warning(
            "%s recording.path names it, from %s; the recording that ships plays instead.", error, origin
        )
        return bundled()


def _listener(arguments: argparse.Namespace, settings: Settings) -> list[str]:
    """The command that starts a listener with the same settings, or calls one; the keeper adds the network."""
    if settings.listener.socket:
        return [sys.executable, "-m", "appliance.ledger.connect", settings.listener.socket]
    command = [sys.executable, "-m", "appliance", "listen"]
    if arguments.config:
        command += ["--config", str(arguments.config)]
    for pair in arguments.set:
        command += ["--set", pair]
    return [*command, "--network"]


def _listen(arguments: argparse.Namespace, loaded: Loaded) -> None:
    from appliance.ledger.listener import serve

    settings = loaded.settings
    journal.start(verbose=arguments.verbose)
    serve(networks(settings), settings.network, _way(settings), _alive())


def _alive() -> Callable[[], None]:
    """What tells systemd that this process lives, if systemd wants to know it of this one and not of its parent."""
    notices = journal.Notices(os.environ)
    wanted = os.environ.get("WATCHDOG_PID") == str(os.getpid())
    return lambda: notices.say("WATCHDOG=1") if wanted else None


def _way(settings: Settings) -> Way:
    """How the network is listened to."""
    listener = settings.listener
    mode: Mode = "operations" if listener.mode == "operations" else "ledgers"
    return Way(mode, listener.pages, Patience(silence=listener.idle_timeout))


def _record(arguments: argparse.Namespace, loaded: Loaded) -> None:
    settings = loaded.settings
    if arguments.source:
        from appliance.ledger.record import record

        print(record(arguments.source, arguments.ledgers, arguments.output, settings.network))  # noqa: T201 - its answer
        return
    from appliance.ledger.taping import record_network

    journal.start(verbose=arguments.verbose)
    taping = record_network(
        networks(settings), settings.network, arguments.output, arguments.seconds, _way(settings)
    )
    print(asyncio.run(taping))  # noqa: T201 - its answer


def _render(arguments: argparse.Namespace, loaded: Loaded) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from appliance.keep import again
    from appliance.ledger.tape import BadTape, bundled, open_tape, playable
    from appliance.render import render

    settings = loaded.settings
    tape = open_tape(arguments.tape) if arguments.tape else bundled()
    kept = tape.header.opening
    if kept and arguments.plot:
        raise BadTape(f"{tape.path} was kept by a box: it can be heard again, but not drawn.")
    if not kept:
        playable(tape)
    seconds = arguments.seconds or (kept.seconds if kept else 60.0)
    picture = _picture(arguments.plot, tape, settings) if arguments.plot else None
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"Rendering {arguments.output.name}", total=seconds)

        def progress(done: float) -> None:
            bar.update(task, completed=done)

        if kept:
            again(tape, arguments.output, progress, seconds=seconds)
        else:
            render(settings, tape, arguments.output, seconds, progress, *([picture.hear] if picture else []))
    print(f"{arguments.output}: {seconds:g} s of music")  # noqa: T201 - its answer
    if picture:
        picture.draw()
        print(f"{arguments.plot}: a picture of it")  # noqa: T201 - its answer


def _keep(arguments: argparse.Namespace, loaded: Loaded) -> None:
    from appliance.keep import again, ask
    from appliance.ledger.tape import open_tape
    from appliance.state import SERVICE, folder

    kept = ask([folder(loaded.settings.state, os.environ), SERVICE])
    print(f"{kept}: what the box has just played")  # noqa: T201 - its answer
    if arguments.output:
        os.nice(19)  # the box plays on
        seconds = again(open_tape(kept), arguments.output)
        print(f"{arguments.output}: {seconds:.0f} s of music")  # noqa: T201 - its answer


def _picture(path: Path, tape: Tape, settings: Settings) -> Picture:
    from appliance.plot import Picture

    title = f"{tape.header.network}, scene {settings.scene}, seed {settings.seed}, {settings.tempo:g} bpm"
    return Picture(path, tape, title)


def _doctor(arguments: argparse.Namespace) -> int:
    import time

    from appliance.doctor import Machine, Verdict, examine
    from appliance.doctor.bundle import bundle
    from appliance.doctor.machine import ask
    from appliance.doctor.privacy import private, redacted
    from appliance.doctor.report import as_json, screen

    # Names that nobody answers must not hold us: 5 s, twice, for each of three servers is the C library's patience.
    os.environ.setdefault("RES_OPTIONS", "timeout:2 attempts:1")
    refused = None
    try:
        loaded = load(_overrides(arguments), os.environ, arguments.config)
    except SettingsError as error:
        refused, loaded = error, load({}, {}, Path(os.devnull))
    machine = Machine(Path("/"), os.environ, time.time(), ask)
    findings = examine(machine, loaded, refused, arguments.part)
    if arguments.board:
        from appliance.doctor.board import board

        print("This takes half a minute, and plays for ten seconds of it.", file=sys.stderr)  # noqa: T201 - its answer
        findings += board(machine, loaded.settings)
    if arguments.bundle:
        bundle(arguments.bundle, machine, loaded, findings)
    width = shutil.get_terminal_size().columns
    report = as_json(findings) if arguments.json else screen(findings, width)
    if arguments.board:  # which is to be sent in
        report = redacted(report, private(machine, loaded.settings))
    print(report)  # noqa: T201 - its answer
    if arguments.bundle and not arguments.json:
        print(f"{arguments.bundle} is for whoever helps; look it through before you send it.")  # noqa: T201 - its answer
    wrong = any(finding.verdict is Verdict.WRONG for finding in findings)
    if arguments.part == "panel" and not arguments.json and sys.stdin.isatty():
        wrong = bool(_walk(loaded.settings)) or wrong
    return int(wrong)


def _walk(settings: Settings) -> list[str]:
    """Walk round the panel with whoever sits before it: what is wrong with it."""
    import time

    from appliance.panel.gpio import NoPanel, board, chosen, on_a_pi
    from appliance.panel.knobs import SAMPLES
    from appliance.panel.mock import Mock
    from appliance.panel.walk import walk

    def tick() -> float:
        time.sleep(1 / SAMPLES)
        return time.monotonic()

    wiring = settings.panel.wiring
    name = chosen(settings.panel.factory, wiring)
    if name == "none" or (settings.panel.factory == "auto" and not on_a_pi()):
        return []  # which the check above has said
    try:
        pins = Mock(wiring, {}).board() if name == "mock" else board(name, wiring)
    except NoPanel as error:
        print(f"There is no panel to walk round: {error}.")  # noqa: T201 - its answer
        return [str(error)]
    try:
        wrong = walk(pins, wiring, print, input, tick)
    finally:
        pins.close()
    print("All of it is wired right." if not wrong else f"{len(wrong)} of it to put right.")  # noqa: T201 - its answer
    return wrong


def _config(arguments: argparse.Namespace, loaded: Loaded) -> None:
    print(as_toml(loaded), end="")  # noqa: T201 - its answer


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"allowed is a number of more than 0 seconds, not {text!r}")
    return seconds


def _pair(text: str) -> str:
    if not text.partition("=")[1]:
        raise argparse.ArgumentTypeError(f"KEY=VALUE is wanted, such as tempo=72, not {text!r}")
    return text


class _Version(argparse.Action):
    """Says which version this is, and ends; it is looked up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from appliance.doctor.computer import installed

        print(f"stellar-wind {installed('stellar-wind-box')}")  # noqa: T201 - its answer
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--config", type=Path, metavar="FILE", help="settings file, instead of /etc/stellar-wind.toml"
    )
    common.add_argument(
        "--set",
        action="append",
        type=_pair,
        default=[],
        metavar="KEY=VALUE",
        help="any setting; see `config`",
    )
    common.add_argument("--verbose", action="store_true", help="log more")
    for key, what in zip(
        SHORT,
        (
            "which network",
            "which scene",
            "volume, 0 to 1",
            "beats a minute, 30 to 180",
            "where chance begins",
        ),
        strict=True,
    ):
        common.add_argument(f"--{key}", metavar=key.upper(), help=what)

    parser = argparse.ArgumentParser(
        prog="stellar-wind", description="Plays the Stellar network as calm, harmonic music."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="say which version this is")
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    run = verbs.add_parser(
        "run", parents=[common], help="play: the live network, or the recording without one"
    )
    run.add_argument(
        "--tape", type=Path, metavar="FILE", help="play this tape, round and round, and no network"
    )
    run.set_defaults(verb=_run)

    listen = verbs.add_parser("listen", parents=[common], help="write what the network says as tape lines")
    listen.set_defaults(verb=_listen)

    record = verbs.add_parser(
        "record", parents=[common], help="record the network, or files of Horizon's, to a tape"
    )
    record.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help="the tape; .gz compresses it"
    )
    record.add_argument(
        "--from",
        dest="source",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="operations as JSON lines, plain or gzip",
    )
    record.add_argument("--ledgers", type=Path, metavar="FILE", help="with --from: ledgers as JSON lines")
    record.add_argument("--seconds", type=_seconds, help="how long to record; until Ctrl-C without it")
    record.set_defaults(verb=_record)

    render = verbs.add_parser("render", parents=[common], help="play a tape into a file, faster than time")
    render.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help=".wav or .flac sound; .mid or .jsonl score",
    )
    render.add_argument(
        "--tape", type=Path, metavar="FILE", help="the tape; without it the bundled recording"
    )
    render.add_argument("--plot", type=Path, metavar="FILE", help="a .png: draw what was played as well")
    render.add_argument(
        "--seconds", type=_seconds, help="how much music, 60 without it; of a tape that a box has kept, all"
    )
    render.set_defaults(verb=_render)

    doctor = verbs.add_parser(
        "doctor", parents=[common], help="say what is wrong with the box and what to do"
    )
    doctor.add_argument("part", nargs="?", choices=PARTS, help="look only at this; at everything without it")
    doctor.add_argument("--json", action="store_true", help="for a program to read")
    doctor.add_argument(
        "--board",
        action="store_true",
        help="also say what a real board is and does, playing for ten seconds: a report to send in",
    )
    doctor.add_argument(
        "--bundle",
        type=Path,
        metavar="FILE",
        help="also write a .zip for whoever helps, without personal data",
    )
    doctor.set_defaults(verb=_doctor)

    keep = verbs.add_parser(
        "keep",
        parents=[common],
        help="have the box that plays keep its last half hour, and make a file of it",
    )
    keep.add_argument(
        *("-o", "--output"),
        type=Path,
        metavar="FILE",
        help=".wav or .flac sound; .mid or .jsonl score; the tape alone without it",
    )
    keep.set_defaults(verb=_keep)

    config = verbs.add_parser("config", parents=[common], help="print the settings in force, as TOML")
    config.set_defaults(verb=_config)
    return parser
