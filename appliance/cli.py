# SPDX-License-Identifier: Apache-2.0
"""The command line: run, panel, page, mqtt, status, set, press, keep, record, render, piece, listen, doctor, config,
help.

A verb parses its options, loads the settings and calls the part that does the work. It has the options that it obeys
and no others, and imports only what it needs, because a Zero 2 W takes seconds to import a render, a listener or a
card. Exit codes: 0 success, 1 something of the box's own failed or is wrong with it, 2 wrong options, 78 wrong settings
(EX_CONFIG, after which systemd does not retry; `doctor` reports them with a 1).
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.doctor.parts import PARTS
from appliance.host.log import start as start_log
from appliance.host.python import command
from appliance.values import BoxError, Button

if TYPE_CHECKING:
    from appliance.control import Client
    from appliance.ledger.reader.session import ListenOptions
    from appliance.ledger.tape import Tape
    from appliance.plot import Picture
    from appliance.score.files import Score
    from appliance.settings import Loaded, Settings
    from appliance.status import Status

log = logging.getLogger(__name__)

ENDS = {signal.SIGTERM: 0, signal.SIGINT: 128 + signal.SIGINT}  # exit codes; the second as shells count it
EX_CONFIG = 78
PROGRAM = "stellar-wind-box"

# Options that are settings under a shorter name, and what they mean.
SHORT = {
    "network": "which network",
    "scene": "which scene",
    "volume": "volume, 0 to 1",
    "tempo": "beats a minute, 30 to 180",
    "seed": "random seed",
}


class BadUse(BoxError, ValueError):
    """An option that does not apply here."""


class CannotPrint(BoxError, OSError):
    """Standard output takes no more, for its disk is full."""


def main(words: Sequence[str] | None = None) -> int:
    """Run a verb, and return the exit code."""
    arguments = _parser(sys.argv[1:] if words is None else words).parse_args(words)
    if arguments.verb is _help:
        _help(arguments)
    # Only after a --help has ended, because what checks the settings is most of what it would cost.
    from appliance.settings import SettingsError, load

    try:
        if arguments.verb is _doctor:  # which reports wrong settings itself
            return int(arguments.verb(arguments))
        loaded = load(_overrides(arguments), os.environ, arguments.config)
        return int(arguments.verb(arguments, loaded) or 0)
    except SettingsError as error:
        _complain(error)
        return EX_CONFIG
    except BoxError as error:
        _complain(error)
        return 1


def _print(text: str, end: str = "\n") -> None:
    """Answer on standard output. Raises CannotPrint, and BrokenPipeError if its reader has gone."""
    try:
        print(text, end=end, flush=True)  # noqa: T201 - this is the command line
    except BrokenPipeError:
        raise
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for Python's own last flush
        raise CannotPrint(f"Cannot write to standard output: {error.strerror}.") from error


def _complain(error: object) -> None:
    print(f"stellar-wind: {error}", file=sys.stderr)  # noqa: T201 - this is the command line


def _overrides(arguments: argparse.Namespace) -> dict[str, Any]:
    pairs = (pair.partition("=") for pair in [*arguments.set, *getattr(arguments, "set_after", ())])
    overrides: dict[str, Any] = {key.strip(): value for key, _, value in pairs}
    overrides |= {key: value for key in SHORT if (value := getattr(arguments, key, None)) is not None}
    return overrides


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(PROGRAM)
    except PackageNotFoundError:
        return ""


# --- play ---------------------------------------------------------------------------------------------------


def _run(arguments: argparse.Namespace, loaded: Loaded) -> None:
    import asyncio
    import gc

    gc.disable()  # until live.py enables it: what a start makes is not garbage, and looking at it is 3 % of the start

    from appliance.control import runtime_dir
    from appliance.parts import open_music
    from appliance.saved.crashes import Crashes
    from appliance.saved.files import state_dir
    from appliance.saved.lock import FolderInUse, lock
    from appliance.settings import load, safe_mode
    from appliance.terminal import Terminal, usable

    start_log(verbose=arguments.verbose)
    folder = state_dir(loaded.settings.state_dir, os.environ)
    sockets = runtime_dir(loaded.settings.state_dir, os.environ)
    named = open_music(arguments.file) if arguments.file else None  # a wrong file is no crash
    try:
        held = lock(folder) if folder else None
    except FolderInUse:
        log.warning(
            "Another box plays with the folder %s: this one saves nothing and has no control socket.", folder
        )
        folder = sockets = held = None

    def leave(number: int, _: object) -> None:
        """End at once: nothing plays yet, and an exception could be lost in whatever is being imported."""
        crashes.end()
        os._exit(ENDS[signal.Signals(number)])

    # A signal meanwhile is delivered afterwards: a stamp that stays would count as a crash.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
    crashes = Crashes(folder)  # before anything is imported that can crash
    for number in ENDS:  # until the box plays, and fades
        signal.signal(number, leave)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)

    from appliance.box import Box, Start

    safe = crashes.run.safe
    settings = safe_mode(loaded.settings) if safe else loaded.settings
    terminal = Terminal(sockets) if sockets and usable() else None
    beside = []
    if sockets and arguments.page:
        from appliance.companion import Companion

        page = Companion("page", _ours(arguments, "page", "--set", f"state_dir={sockets}"))
        beside.append(page.running)
    start = Start(
        music=named or _recording(settings.recording.path, loaded),
        named=named is not None,
        listener=None if named else _listener(arguments, settings),
        state_dir=None if safe else folder,
        runtime_dir=sockets,
        beside=beside,
        terminal=terminal.running if terminal else None,
        version=_version(),
    )
    reread = None if safe else lambda: load(_overrides(arguments), os.environ, arguments.config).settings
    with asyncio.Runner() as loop:
        loop.run(Box(settings, start, reread=reread, crashes=crashes).run())
        crashes.end()  # while the loop still handles the signals
    if held is not None:
        os.close(held)


def _recording(named: str, loaded: Loaded) -> Tape:
    """What plays without a network: the owner's recording, or, if it cannot be read today, the one that ships."""
    from appliance.ledger.tape import BadTape, bundled, open_tape, require_ledger

    try:
        return require_ledger(open_tape(Path(named).expanduser())) if named else bundled()
    except BadTape as error:
        origin = loaded.origin("recording.path")
        log.warning(
            "%s recording.path names it, from %s; the recording that ships plays instead.", error, origin
        )
        return bundled()


def _listener(arguments: argparse.Namespace, settings: Settings) -> list[str]:
    """The command for a listener with the same settings, or for a relay to one; the supervisor adds the network."""
    if settings.listener.socket:
        return command("appliance.ledger.feed.relay", settings.listener.socket)
    return _ours(arguments, "listen", "--network")


def _ours(arguments: argparse.Namespace, verb: str, *words: str) -> list[str]:
    """The command for another verb with the same settings, and `words`."""
    config = ["--config", str(arguments.config)] if arguments.config else []
    pairs = [word for pair in arguments.set for word in ("--set", pair)]
    return command("appliance", verb, *config, *pairs, *words)


# --- a box that plays, from outside -------------------------------------------------------------------------


def _client(loaded: Loaded) -> Client:
    from appliance.control import SERVICE, Client, runtime_dir

    return Client.connect([runtime_dir(loaded.settings.state_dir, os.environ), SERVICE])


def _panel(arguments: argparse.Namespace, loaded: Loaded) -> None:
    from appliance.terminal import check_usable, show

    check_usable()
    show(_client(loaded))


def _page(arguments: argparse.Namespace, loaded: Loaded) -> None:
    import asyncio

    from appliance.control import SERVICE, runtime_dir
    from appliance.follower import Follower
    from appliance.page.pieces import Pieces
    from appliance.page.server import LOOPBACK, Page, own_names, serve
    from appliance.pieces import client as pieces
    from appliance.settings.model import listening_address

    start_log(verbose=arguments.verbose)
    settings = loaded.settings
    host, port = listening_address(settings.page.listen) if settings.page.listen else LOOPBACK
    folder = runtime_dir(settings.state_dir, os.environ)
    room = Pieces(Follower([folder, pieces.SERVICE], name=pieces.SOCKET, longest=pieces.ANSWER))
    page = Page(
        Follower([folder, SERVICE]), room, settings.page.names or own_names(), steer=settings.page.steer
    )
    asyncio.run(serve(page, host, port, lambda url: _print(f"The page is at {url}")))


def _mqtt(arguments: argparse.Namespace, loaded: Loaded) -> None:
    import asyncio
    from importlib.util import find_spec

    from appliance.control import SERVICE, runtime_dir
    from appliance.follower import Follower
    from appliance.host.systemd import SystemdNotifier
    from appliance.music.scenes import SCENES
    from appliance.saved.files import state_dir
    from appliance.settings import SettingsError
    from appliance.settings.model import mqtt_address

    if not find_spec("aiomqtt"):
        raise BadUse("MQTT needs aiomqtt: install it with `.venv/bin/pip install 'aiomqtt>=2.5,<3'`.")
    from appliance.mqtt.bridge import Bridge, Broker, NoName, own_name, serve

    start_log(verbose=arguments.verbose)
    settings, mqtt = loaded.settings, loaded.settings.mqtt
    if not mqtt.server:
        raise SettingsError("mqtt.server is not set: name the broker, as in mqtt://192.168.0.2.")
    folder = state_dir(settings.state_dir, os.environ)
    if not folder:
        raise NoName("There is no folder for the box's name for MQTT: set state_dir.")
    notifier = SystemdNotifier(os.environ)
    broker = Broker(*mqtt_address(mqtt.server), mqtt.user, mqtt.password_file)
    bridge = Bridge(
        Follower([runtime_dir(settings.state_dir, os.environ), SERVICE]),
        broker,
        own_name(folder),
        prefix=mqtt.prefix,
        discovery_prefix=mqtt.discovery,
        scenes=SCENES,
        version=_version(),
        tell=lambda line: notifier.say(f"STATUS={line}"),
    )
    notifier.say("READY=1")
    asyncio.run(serve(bridge, broker))


def _status(arguments: argparse.Namespace, loaded: Loaded) -> None:
    with _client(loaded) as client:
        if not arguments.watch:
            status = client.status()
            _print(json.dumps(status.as_json(), indent=2) if arguments.json else _described(status))
            return
        try:
            for event in client.watch():
                _print(json.dumps(event))
        except KeyboardInterrupt:
            return


def _described(status: Status) -> str:
    """The status for a person."""
    muted = ", muted" if status.muted else ""
    delay = f", {status.delay:g} s behind the network" if status.delay is not None else ""
    lines = [
        status.words,
        f"volume {status.volume:.0%}{muted}, tempo {status.tempo:.0f}, scene {status.scene}",
        f"{status.notes_a_minute} notes a minute{delay}",
    ]
    return "\n".join(
        [*lines, *([f"playing {status.playing}"] if status.playing and not status.piece else [])]
    )


def _set(arguments: argparse.Namespace, loaded: Loaded) -> None:
    with _client(loaded) as client:
        client.request({"do": "set", "control": arguments.control, "value": _parsed(arguments.value)})


def _parsed(text: str) -> object:
    """The value that a word on the command line means."""
    words: Mapping[str, object] = {"on": True, "true": True, "off": False, "false": False}
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return words.get(text, text)


def _press(arguments: argparse.Namespace, loaded: Loaded) -> None:
    with _client(loaded) as client:
        client.request({"do": "press", "button": arguments.button})


def _keep(arguments: argparse.Namespace, loaded: Loaded) -> None:
    from appliance.render import check_format, render
    from appliance.saved.replacing import check_place
    from appliance.score.files import open_score

    if arguments.output:  # before the box is asked
        check_format(arguments.output)
        check_place(arguments.output)
    with _client(loaded) as client:
        kept = client.keep()
    _print(f"{kept}: what the box has just played")
    if arguments.output:
        os.nice(19)  # the box plays on
        score = open_score(kept)
        seconds = score.header.seconds
        render(loaded.settings, score, arguments.output, seconds, program=_version())
        _print(f"{arguments.output}: {round(seconds, 1):g} s of music")


# --- files --------------------------------------------------------------------------------------------------


def _listen(arguments: argparse.Namespace, loaded: Loaded) -> None:
    from appliance.ledger.reader.listener import serve
    from appliance.settings import networks

    settings = loaded.settings
    start_log(verbose=arguments.verbose)
    serve(networks(settings), settings.network, _options(settings), _alive())


def _alive() -> Callable[[], None]:
    """What tells systemd that this process is alive, if systemd watches this one and not its parent."""
    from appliance.host.systemd import SystemdNotifier

    notifier = SystemdNotifier(os.environ)
    wanted = os.environ.get("WATCHDOG_PID") == str(os.getpid())
    return lambda: notifier.say("WATCHDOG=1") if wanted else None


def _options(settings: Settings) -> ListenOptions:
    """How the network is listened to."""
    from appliance.ledger.reader.session import ListenOptions, Mode, Timeouts

    listener = settings.listener
    mode: Mode = "operations" if listener.mode == "operations" else "ledgers"
    return ListenOptions(mode, listener.pages, Timeouts(silence=listener.idle_timeout))


def _record(arguments: argparse.Namespace, loaded: Loaded) -> None:
    settings = loaded.settings
    if arguments.ledgers and not arguments.source:
        raise BadUse("--ledgers adds ledgers to operations in files: name those with --from.")
    if arguments.seconds and arguments.source:
        raise BadUse("--seconds is for the network; files are recorded whole.")
    if arguments.source:
        from appliance.ledger.reader.record_files import record_files

        _print(record_files(arguments.source, arguments.ledgers, arguments.output, settings.network))
        return
    from appliance.ledger.reader.record_network import record_network
    from appliance.settings import networks

    start_log(verbose=arguments.verbose)
    options = _options(settings)
    _print(record_network(networks(settings), settings.network, arguments.output, arguments.seconds, options))


def _render(arguments: argparse.Namespace, loaded: Loaded) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from appliance.ledger.tape import bundled
    from appliance.parts import open_music
    from appliance.render import render
    from appliance.score.files import Score

    music = open_music(arguments.file) if arguments.file else bundled()
    settings, seconds = loaded.settings, arguments.seconds
    if isinstance(music, Score):
        if own := [
            f"--{name}" for name in ("scene", "tempo", "seed", "hour") if getattr(arguments, name) is not None
        ]:
            raise BadUse(
                f"{' and '.join(own)} cannot change {music.path}: it is a score, whose notes are written."
            )
        seconds = min(seconds or math.inf, music.header.seconds)
    else:
        settings = settings.model_copy(update={"network": music.header.network})
        seconds = seconds or 60.0
    picture = _picture(arguments.plot, music, settings) if arguments.plot else None
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"Rendering {arguments.output.name}", total=seconds)
        render(
            settings,
            music,
            arguments.output,
            seconds,
            program=_version(),
            hour=arguments.hour,
            progress=lambda done: bar.update(task, completed=done),
            observers=[picture.observe] if picture else [],
        )
    _print(f"{arguments.output}: {round(seconds, 1):g} s of music")
    if picture:
        picture.draw()
        _print(f"{arguments.plot}: a picture of it")


def _picture(path: Path, music: Tape | Score, settings: Settings) -> Picture:
    from appliance.plot import Picture
    from appliance.score.files import Score

    if isinstance(music, Score):
        context = music.header.context
        title = music.header.title or f"{context.network}, scene {context.scene}, {context.tempo:g} bpm"
    else:
        title = f"{settings.network}, scene {settings.scene}, seed {settings.seed}, {settings.tempo:g} bpm"
    return Picture(path, title)


def _piece(arguments: argparse.Namespace, loaded: Loaded) -> None:
    _print(arguments.work(arguments, loaded))


# --- help ---------------------------------------------------------------------------------------------------


def _doctor(arguments: argparse.Namespace) -> int:
    import time

    from appliance.doctor.bundle import bundle
    from appliance.doctor.examine import examine
    from appliance.doctor.finding import Verdict
    from appliance.doctor.machine import Machine, ask, box_status
    from appliance.doctor.privacy import private, redacted
    from appliance.doctor.report import as_json, screen
    from appliance.settings import SettingsError, load

    # An unanswered name must not hold us up: the C library waits 5 s, twice, for each of three servers.
    os.environ.setdefault("RES_OPTIONS", "timeout:2 attempts:1")
    refused = None
    try:
        loaded = load(_overrides(arguments), os.environ, arguments.config)
    except SettingsError as error:
        refused, loaded = error, load({}, {}, Path(os.devnull))
    status = box_status(loaded.settings.state_dir, os.environ)
    machine = Machine(Path("/"), os.environ, time.time(), ask, status=status)
    findings = examine(machine, loaded, refused, arguments.part)
    if arguments.board:
        from appliance.doctor.board import board

        print("This takes half a minute, and plays for ten seconds of it.", file=sys.stderr)  # noqa: T201 - progress
        findings += board(machine, loaded.settings)
    if arguments.bundle:
        bundle(arguments.bundle, machine, loaded, findings)
    width = shutil.get_terminal_size().columns
    report = as_json(findings) if arguments.json else screen(findings, width)
    if arguments.board:  # it will be sent in
        report = redacted(report, private(machine, loaded.settings))
    _print(report)
    if arguments.bundle and not arguments.json:
        _print(f"{arguments.bundle} is for support; look it through before you send it.")
    wrong = any(finding.verdict is Verdict.WRONG for finding in findings)
    if arguments.part == "panel" and not arguments.json and sys.stdin.isatty():
        wrong = bool(check_panel(loaded.settings)) or wrong
    return int(wrong)


def check_panel(settings: Settings) -> list[str]:
    """Check the wiring together with the person at the panel: what is wrong."""
    import time

    from appliance.panel.gpio import NoPanel, board, chosen
    from appliance.panel.knobs import SAMPLES
    from appliance.panel.mock import Mock
    from appliance.panel.pins import on_a_pi
    from appliance.panel.wiring_check import check_wiring

    def tick() -> float:
        time.sleep(1 / SAMPLES)
        return time.monotonic()

    wiring = settings.panel.wiring
    name = chosen(settings.panel.pin_factory, wiring)
    if name == "none" or (settings.panel.pin_factory == "auto" and not on_a_pi()):
        return []  # which the check above has said
    try:
        pins = Mock(wiring, {}).board() if name == "mock" else board(name, wiring)
    except NoPanel as error:
        _print(f"There is no panel to check: {error}.")
        return [str(error)]
    try:
        wrong = check_wiring(pins, wiring, print, input, tick)
    finally:
        pins.close()
    _print("Everything is wired correctly." if not wrong else f"{len(wrong)} things to correct.")
    return wrong


def _config(arguments: argparse.Namespace, loaded: Loaded) -> None:
    from appliance.settings import as_toml

    _print(as_toml(loaded), end="")


def _help(arguments: argparse.Namespace) -> None:
    words = [arguments.about, "--help"] if arguments.about else ["--help"]
    _parser(words).parse_args(words)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _seconds(text: str) -> float:
    seconds = _number(text)
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"a number of more than 0 seconds is needed, not {text!r}")
    return seconds


def _hour(text: str) -> float:
    hour = _number(text)
    if not 0 <= hour <= 24:
        raise argparse.ArgumentTypeError(f"an hour of the day from 0 to 24 is needed, not {text!r}")
    return hour


def _pair(text: str) -> str:
    if not text.partition("=")[1]:
        raise argparse.ArgumentTypeError(f"KEY=VALUE is needed, such as tempo=72, not {text!r}")
    return text


class _Version(argparse.Action):
    """Prints the version, which is looked up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        _print(f"stellar-wind {_version()}")
        parser.exit()


def _parser(words: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The parser for these words: that of `piece` is only made, and its modules only imported, for `piece`."""
    parser = argparse.ArgumentParser(
        prog="stellar-wind", description="Plays the Stellar network as calm, harmonic music."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    def add(
        verb: str, work: Callable[..., object], what: str, short: Iterable[str] = (), *, logs: bool = False
    ) -> argparse.ArgumentParser:
        """A verb with the settings' options that it obeys: `short` ones, and --verbose if it logs."""
        added = verbs.add_parser(verb, help=what, description=f"{what[0].upper()}{what[1:]}.")
        added.set_defaults(verb=work)
        added.add_argument(
            "--config", type=Path, metavar="FILE", help="settings file, instead of /etc/stellar-wind.toml"
        )
        added.add_argument(
            *("--set",),
            action="append",
            type=_pair,
            default=[],
            metavar="KEY=VALUE",
            help="any setting; `config` lists them",
        )
        if logs:
            added.add_argument("--verbose", action="store_true", help="log more")
        for key in short:
            added.add_argument(f"--{key}", metavar=key.upper(), help=SHORT[key])
        return added

    run = add("run", _run, "play: the live network, or a recording without one", SHORT, logs=True)
    run.add_argument(
        "file",
        nargs="?",
        type=Path,
        metavar="FILE",
        help="play this tape or score over and over, and no network",
    )

    run.add_argument("--page", action="store_true", help="also serve the page, for a browser")

    add("panel", _panel, "show the panel of a box that plays, in the terminal")
    add("page", _page, "serve the page of a box that plays, for browsers, until Ctrl-C", logs=True)
    add(
        "mqtt",
        _mqtt,
        "join the box that plays and an MQTT broker, for Home Assistant, until Ctrl-C",
        logs=True,
    )
    status = add("status", _status, "print the status of the box that plays")
    how = status.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="for a program to read")
    how.add_argument(
        "--watch", action="store_true", help="print notes and changes as JSON lines, until Ctrl-C"
    )
    set_ = add("set", _set, "set a control of the box that plays")
    set_.add_argument("control", choices=("volume", "tempo", "network", "scene", "mute", "sleep"))
    set_.add_argument("value", help="0 to 1; beats a minute; a name; on or off; 0, 30, 60 or 90 minutes")
    press = add("press", _press, "press a button of the box that plays")
    press.add_argument("button", choices=[button.value for button in Button])
    keep = add("keep", _keep, "write what the box played in the last half hour")
    keep.add_argument(
        *("-o", "--output"),
        type=Path,
        metavar="FILE",
        help="also as .wav or .flac sound, .mid, .score.gz or .jsonl",
    )

    listen = add("listen", _listen, "print what the network does as tape lines", ["network"], logs=True)
    listen.epilog = 'Standard input takes {"network": NAME} lines; its end ends the listener.'
    record = add(
        "record", _record, "record the network, or files of Horizon's, to a tape", ["network"], logs=True
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

    render = add(
        "render",
        _render,
        "play a tape or a score into a file, faster than real time",
        ["scene", "tempo", "seed"],
    )
    render.add_argument(
        "file",
        nargs="?",
        type=Path,
        metavar="FILE",
        help="a tape or a score; without it the bundled recording",
    )
    render.add_argument(
        *("-o", "--output"),
        type=Path,
        required=True,
        metavar="FILE",
        help=".wav or .flac sound; .mid, .score.gz or .jsonl notes",
    )
    render.add_argument("--plot", type=Path, metavar="FILE", help="also draw what was played, as a .png")
    render.add_argument("--seconds", type=_seconds, help="how much music; 60 of a tape, all of a score")
    render.add_argument(
        "--hour",
        type=_hour,
        help="the hour of the day at which a tape begins, 0 to 24: by night it is lower and sparser",
    )

    piece = add("piece", _piece, "share, follow, buy and play pieces")
    if words[:1] == ["piece"]:
        from appliance.pieces.verbs import add_verbs

        for added in add_verbs(piece):  # `piece list --set ...` is `piece --set ... list`
            hidden: dict[str, Any] = {"default": argparse.SUPPRESS, "help": argparse.SUPPRESS}
            added.add_argument("--config", type=Path, **hidden)
            added.add_argument(*("--set",), dest="set_after", action="append", type=_pair, **hidden)

    doctor = add("doctor", _doctor, "say what is wrong with the box and what to do", ["network"])
    doctor.add_argument("part", nargs="?", choices=PARTS, help="check only this; everything without it")
    doctor.add_argument("--json", action="store_true", help="for a program to read")
    doctor.add_argument(
        "--board",
        action="store_true",
        help="also report what this board is and how it plays, for ten seconds",
    )
    doctor.add_argument(
        "--bundle", type=Path, metavar="FILE", help="also write a .zip for support, without personal data"
    )

    add("config", _config, "print the settings in force, as TOML", SHORT)
    help_ = verbs.add_parser("help", help="print this, or the options of a verb")
    help_.add_argument("about", nargs="?", metavar="VERB", choices=sorted({*verbs.choices} - {"help"}))
    help_.set_defaults(verb=_help)
    return parser
