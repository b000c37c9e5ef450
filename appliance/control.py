# SPDX-License-Identifier: Apache-2.0
"""The control socket: one Unix socket through which every other process sees and steers the box. JSON lines.

    client                                           server
    {"do":"status"}                                  {"ok":true,"status":{...}}
    {"do":"watch"}                                   {"ok":true}, then a line for each event, see below
    {"do":"set","control":"volume","value":0.6}      {"ok":true}        tempo, network, scene, mute, sleep
    {"do":"turn","knob":"volume","detents":1}        {"ok":true}
    {"do":"press","button":"network"}                {"ok":true}        also "double" and "hold"
    {"do":"keep"}                                    {"ok":true,"kept":"/.../2026-11-29-181500.score.gz"}
    {"do":"keep","format":"flac"}                    the same; a .flac or .mid is made beside it, which takes a while
    {"do":"listen"}                                  {"ok":true}, then samples: 48 kHz, two channels, 32-bit floats
    {"do":"play","paths":["/...gz"],"title":"..."}   {"ok":true}        these scores, and then the network again
    {"do":"stop"}                                    {"ok":true}        the network again
    anything else                                    {"ok":false,"error":"one sentence"}

    events   {"status":{...}}    when it changes, and first of all
             {"note":{...}}      at the moment at which the note is heard
             {"ledger":{...}}    at the moment at which a ledger begins to be heard: its sequence and operations
             {"level":-23.1}     ten times a second, dB below full scale
             {"log":"..."}       a line of the box's log
             {"lost":12}         so many events were dropped because the client read too slowly

The server runs on the main thread's loop and never waits for a client: an event that finds more than BUFFER bytes
unread is dropped, and so is a block of samples that finds more than SAMPLES. A client has IDLE seconds for its next
command unless it watches or listens, lines are bounded, commands are executed at most RATE times a second, and CLIENTS
can be connected. The kernel says whose process a client is (SO_PEERCRED, unix(7)): only root and the box's own user get
an answer.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, Self

from appliance.host.log import also_to
from appliance.status import Status
from appliance.values import (
    FASTEST,
    SLEEP_STEPS,
    SLOWEST,
    BoxError,
    Button,
    Chosen,
    Doubled,
    Gesture,
    Held,
    Knob,
    Ledger,
    NoteEvent,
    Pressed,
    Turned,
)

log = logging.getLogger(__name__)

SOCKET = "control.sock"
SERVICE = Path("/run/stellar-wind")  # RuntimeDirectory of deploy/systemd/stellar-wind.service
CLIENTS = 16
LINE = 4096  # bytes of a command
ANSWER = 64 << 10  # bytes of a line from the server
BUFFER = 64 << 10  # bytes that a client can leave unread before events are dropped
SAMPLES = 256 << 10  # bytes, before samples are dropped: 0.7 s, and the kernel's own buffer is half as much
IDLE = 60.0  # s
RATE = 50.0  # commands a second from a client, and new connections a second
AGAIN = 1.0  # s until connections are accepted again after that has failed
LEVEL = 0.1  # s between two levels
PATIENCE = 10.0  # s for the answer to a command; the box answers within a tick
KEEPING = 60.0  # s for a score to be written by a small board
KEPT_FORMATS = ("score", "mid", "flac")
MOST_SCORES = 16  # in one command
MOST_DETENTS = 100  # in one command; a whole turn of the volume knob is 50

PRESSES: dict[str, type[Pressed | Doubled | Held]] = {"press": Pressed, "double": Doubled, "hold": Held}


class BadCommand(BoxError, ValueError):
    """A command that the box does not know, or with a value that is out of range."""


class NoBox(BoxError, ConnectionError):
    """No box answers on this machine."""


class Refused(BoxError, RuntimeError):
    """The box answered with an error."""


# --- commands -----------------------------------------------------------------------------------------------


def gesture_of(command: Mapping[str, Any], networks: Sequence[str], scenes: Iterable[str]) -> Gesture:
    """The gesture that a command asks for. Raises BadCommand, in one sentence for a person."""
    match command:
        case {"do": "press" | "double" | "hold" as how, "button": button}:
            return PRESSES[how](_one_of(Button, button, "button"))
        case {"do": "turn", "knob": knob, "detents": int(detents)} if abs(detents) <= MOST_DETENTS:
            return Turned(_one_of(Knob, knob, "knob"), detents)
        case {"do": "set", "control": str(control), "value": value}:
            return Chosen(control, _value(control, value, networks, scenes))
    raise BadCommand(f"The box knows no command {json.dumps(command)!s:.80}.")


def scores_of(command: Mapping[str, Any]) -> tuple[list[Path], str]:
    """The scores that a command asks for, and their title. Raises BadCommand."""
    match command:
        case {"do": "stop"}:
            return [], ""
        case {"do": "play", "paths": [*paths]} if 0 < len(paths) <= MOST_SCORES:
            title = command.get("title", "")
            if all(isinstance(path, str) for path in paths) and isinstance(title, str):
                return [Path(path) for path in paths], title
    raise BadCommand(f"play needs the paths of 1 to {MOST_SCORES} scores, and perhaps a title.")


def command_of(gesture: Gesture) -> dict[str, Any]:
    """The command for a gesture of a knob without ends or of a button: the inverse of `gesture_of`."""
    match gesture:
        case Turned(knob, detents):
            return {"do": "turn", "knob": knob.value, "detents": detents}
        case Chosen(control, value):
            return {"do": "set", "control": control, "value": value}
        case Pressed(button) | Doubled(button) | Held(button):
            how = next(how for how, kind in PRESSES.items() if isinstance(gesture, kind))
            return {"do": how, "button": button.value}
    raise BadCommand(f"There is no command for {gesture}.")


def _value(
    control: str, value: object, networks: Sequence[str], scenes: Iterable[str]
) -> float | int | str | bool:
    match control:
        case "volume":
            return _number(control, value, 0.0, 1.0)
        case "tempo":
            return _number(control, value, SLOWEST, FASTEST)
        case "network":
            return str(_member(control, value, networks))
        case "scene":
            return str(_member(control, value, tuple(scenes)))
        case "mute":
            return bool(_member(control, value, (True, False)))
        case "sleep":
            return int(str(_member(control, value, SLEEP_STEPS)))
    raise BadCommand(f"{control!r:.40} cannot be set; volume, tempo, network, scene, mute and sleep can.")


def _number(control: str, value: object, low: float, high: float) -> float:
    if type(value) not in (int, float) or not low <= value <= high:  # type: ignore[operator] # checked just before
        raise BadCommand(f"{control} is a number from {low:g} to {high:g}, not {value!r:.40}.")
    return float(value)  # type: ignore[arg-type]


def _member(control: str, value: object, allowed: Sequence[object]) -> object:
    # By type too: True == 1, and a sleep of True minutes is a mistake.
    if not any(type(value) is type(one) and value == one for one in allowed):
        listed = ", ".join(json.dumps(one) if isinstance(one, bool) else str(one) for one in allowed)
        raise BadCommand(f"{control} is one of {listed}, not {value!r:.40}.")
    return value


def _one_of(kind: Any, value: object, what: str) -> Any:
    try:
        return kind(value)
    except ValueError:
        raise BadCommand(f"{value!r:.40} is no {what}; there are {' and '.join(kind)}.") from None


def note_fields(event: NoteEvent, tone: int) -> dict[str, Any]:
    """A note as clients get it: pitch (MIDI), velocity 0 to 1, length in s, pan, voice, and what it sounds.

    `tone` is its place in the scale, from 0: which lamp it lights.
    """
    note, amount = event.note, event.note.amount
    fields: dict[str, Any] = {
        "pitch": note.pitch,
        "tone": tone,
        "velocity": round(note.velocity, 3),
        "length": round(event.length, 3),
        "pan": round(note.pan, 3),
        "voice": note.voice.value,
    }
    if amount:
        fields |= {"kind": amount.kind.value, "stroops": amount.stroops, "native": amount.native}
    return fields


def ledger_fields(ledger: Ledger) -> dict[str, Any]:
    """A ledger as clients get it."""
    return {"sequence": ledger.sequence, "operations": ledger.operations}


# --- server -------------------------------------------------------------------------------------------------


class Controlled(Protocol):
    """What the control socket needs of the box."""

    def status(self) -> Status:
        """The present status."""

    def obey(self, gesture: Gesture) -> None:
        """Do what a gesture asks for."""

    @property
    def keep(self) -> Callable[[str], Awaitable[Path]]:
        """Writes the last half hour, and returns the path; raises BoxError.

        Its argument is one of KEPT_FORMATS, which is made beside it, or "" for that of the settings.
        """

    @property
    def play(self) -> Callable[[Sequence[Path], str], Awaitable[None]]:
        """Plays scores under a title; raises BoxError. Without any, it plays the network again."""

    @property
    def level(self) -> float:
        """The level of the sound, in dB relative to full scale."""


class _Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self._writer = reader, writer
        self.watches = self.listens = False
        self.told: Status | None = None  # the last status that it was sent
        self._lost = 0

    def send(self, line: bytes) -> bool:
        """Send a line, unless too many wait to be read; whether it was sent."""
        transport = self._writer.transport
        if transport.is_closing():
            return False
        if transport.get_write_buffer_size() > BUFFER:
            self._lost += 1
            return False
        if self._lost:
            self._writer.write(_line({"lost": self._lost}))
            self._lost = 0
        self._writer.write(line)
        return True

    def send_samples(self, samples: bytes) -> None:
        """Send a block of samples, unless too many wait to be read."""
        transport = self._writer.transport
        if not transport.is_closing() and transport.get_write_buffer_size() <= SAMPLES:
            self._writer.write(samples)

    def close(self) -> None:
        """End the connection; what it has not read is dropped if it does not read."""
        if self._writer.transport.get_write_buffer_size() > BUFFER:
            self._writer.transport.abort()
        self._writer.close()


class ControlServer:
    """Answers clients at `path` for `box`. `scenes` are those that can be set, `idle` is in s."""

    def __init__(
        self,
        path: Path,
        box: Controlled,
        networks: Sequence[str],
        scenes: Iterable[str],
        *,
        idle: float = IDLE,
    ) -> None:
        self._path, self._box, self._idle = path, box, idle
        self._networks, self._scenes = networks, tuple(scenes)
        self._clients: set[_Client] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.listened = False  # a client wants the samples; read by the performer's thread

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Answer while in the `with`. A socket that cannot be made is logged, and the box plays without it."""
        self._loop = asyncio.get_running_loop()
        try:
            bound = listening(self._path)
        except OSError as error:
            log.warning(
                "Cannot open the control socket %s: %s. The box plays, but cannot be controlled from outside.",
                self._path,
                error.strerror or error,
            )
            yield
            return
        accepting, telling = asyncio.create_task(self._accept(bound)), asyncio.create_task(self._tell())
        try:
            with also_to(self.log):
                yield
        finally:
            # First the task that accepts: the task of a connection has to begin before it can close the connection.
            for tasks in ([accepting], [telling, *self._tasks]):
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            bound.close()
            with suppress(OSError):
                self._path.unlink()

    async def _accept(self, bound: socket.socket) -> None:
        """Take one connection after another, RATE a second at most: the others wait in the kernel."""
        while True:
            try:
                task = asyncio.create_task(self._connected(await self._connection(bound)))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                await asyncio.sleep(1 / RATE)
            except OSError:  # the process has too many files open, or the client has gone
                await asyncio.sleep(AGAIN)

    async def _connection(self, bound: socket.socket) -> socket.socket:
        """The next connection. The loop's `sock_accept` can lose an accepted one if it is cancelled. Raises OSError."""
        ready = asyncio.Event()
        self._loop.add_reader(bound, ready.set)
        try:
            await ready.wait()
        finally:
            self._loop.remove_reader(bound)
        return bound.accept()[0]

    def note(self, heard: float, event: NoteEvent, tone: int) -> None:
        """Send a note to the clients that watch, at the moment at which it is heard, by the loop's clock."""
        if any(client.watches for client in self._clients):
            self._loop.call_at(heard, self._send_all, {"note": note_fields(event, tone)})

    def ledger(self, heard: float, ledger: Ledger) -> None:
        """Send a ledger to the clients that watch, at the moment at which it is heard, by the loop's clock."""
        if any(client.watches for client in self._clients):
            self._loop.call_at(heard, self._send_all, {"ledger": ledger_fields(ledger)})

    def samples(self, samples: bytes) -> None:
        """Send a block of samples to the clients that listen. Any thread."""
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._send_samples, samples)

    def _send_samples(self, samples: bytes) -> None:
        for client in self._clients:
            if client.listens:
                client.send_samples(samples)

    def log(self, line: str) -> None:
        """Send a line of the log to the clients that watch. Any thread."""
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._log, line)

    def _log(self, line: str) -> None:
        self._send_all({"log": line})

    def _send_all(self, fields: Mapping[str, Any]) -> None:
        line = _line(fields)
        for client in self._clients:
            if client.watches:
                client.send(line)

    async def _tell(self) -> None:
        """Send the status when it changes, and the level, to the clients that watch."""
        while True:
            await asyncio.sleep(LEVEL)
            if watching := [client for client in self._clients if client.watches]:
                status = self._box.status()
                for client in watching:
                    self._send_status(client, status)
                self._send_all({"level": round(self._box.level, 1)})

    def _send_status(self, client: _Client, status: Status) -> None:
        # One that a slow client does not get is sent again, or the client would show an old one until the next change.
        if status != client.told and client.send(_line({"status": status.as_json()})):
            client.told = status

    async def _connected(self, connection: socket.socket) -> None:
        client = _Client(*await asyncio.open_unix_connection(sock=connection, limit=LINE))
        try:
            if peer(connection) not in (0, os.geteuid()):
                client.send(_error("The box belongs to another user: use sudo."))
            elif len(self._clients) >= CLIENTS:
                client.send(_error(f"{CLIENTS} clients are connected, and there is no room for another one."))
            else:
                self._clients.add(client)
                await self._serve(client)
        finally:
            self._clients.discard(client)
            self.listened = any(each.listens for each in self._clients)
            client.close()

    async def _serve(self, client: _Client) -> None:
        while True:
            try:
                async with asyncio.timeout(None if client.watches else self._idle):
                    text = await client.reader.readline()
            except TimeoutError:
                client.send(_error(f"No command came for {self._idle:g} s."))
                return
            except ValueError:
                client.send(_error(f"A command has at most {LINE} bytes."))
                return
            except OSError:  # it has gone
                return
            if not text.endswith(b"\n"):
                return
            client.send(await self._answer(client, text))
            if client.listens:
                with suppress(OSError):
                    await client.reader.read(1)  # until it disconnects: a listening client sends no command
                return
            await asyncio.sleep(1 / RATE)  # what comes faster waits in the socket, and then in the client

    async def _answer(self, client: _Client, text: bytes) -> bytes:
        try:
            command = json.loads(text)
            if not isinstance(command, dict):
                raise BadCommand("A command is a JSON object.")
            match command.get("do"):
                case "status":
                    return _line({"ok": True, "status": self._box.status().as_json()})
                case "watch":
                    client.send(OK)
                    client.watches = True
                    self._send_status(client, self._box.status())
                    return b""
                case "listen":
                    client.listens = self.listened = True
                    return OK
                case "keep":
                    form = command.get("format")
                    if form not in (None, "", *KEPT_FORMATS):
                        raise BadCommand(f"format is one of {', '.join(KEPT_FORMATS)}, not {form!r:.40}.")
                    return _line({"ok": True, "kept": str(await self._box.keep(form or ""))})
                case "play" | "stop":
                    await self._box.play(*scores_of(command))
                    return OK
            self._box.obey(gesture_of(command, self._networks, self._scenes))
            return OK
        except BoxError as error:
            return _error(str(error))
        except (ValueError, RecursionError):
            return _error("A command is a JSON object in one line.")


def _line(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def _error(sentence: str) -> bytes:
    return _line({"ok": False, "error": sentence})


OK = _line({"ok": True})


def peer(connection: socket.socket) -> int:
    """The user of the process at the other end."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", credentials)
    return int(user)


def listening(path: Path) -> socket.socket:
    """A socket that listens at `path`, in the place of one that was left behind by a crash. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with socket_address(path) as address, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as another:
        if another.connect_ex(address) == 0:
            raise FileExistsError(0, "another box answers there already")
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with socket_address(new) as address:
            before = os.umask(0o177)
            try:
                bound.bind(address)
            finally:
                os.umask(before)
        bound.listen(CLIENTS)
        bound.setblocking(False)
        new.replace(path)  # so that a socket which can be seen answers
    except OSError:
        bound.close()
        raise
    return bound


@contextmanager
def socket_address(path: Path) -> Iterator[str]:
    """The address of the socket at `path`; a path too long for one (unix(7)) goes by a descriptor of its folder."""
    if len(os.fsencode(path)) < 100:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


# --- client -------------------------------------------------------------------------------------------------


def runtime_dir(state_dir: str, environ: Mapping[str, str]) -> Path | None:
    """The folder of the box's control socket: `state_dir` if that is set, systemd's, or the user's own.

    None where there is none. Two boxes with two folders never meet.
    """
    if state_dir:
        return Path(state_dir).expanduser()
    if given := environ.get("RUNTIME_DIRECTORY"):
        return Path(given.partition(":")[0])
    for variable, below in (("XDG_RUNTIME_DIR", ""), ("XDG_STATE_HOME", ""), ("HOME", ".local/state")):
        if os.path.isabs(environ.get(variable, "")):
            return Path(environ[variable], below, "stellar-wind")
    return None


class Client:
    """A connection to a box, for programs that wait for its answers."""

    name, longest = SOCKET, ANSWER  # of the socket, and bytes of an answer
    absent = "No box plays here. Start one, or name the folder that it was started with: --set state_dir=..."

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._lines = connection.makefile("rb")

    @classmethod
    def connect(cls, folders: Iterable[Path | None]) -> Self:
        """Connect to the box whose socket is in one of `folders`. Raises NoBox."""
        closed = False
        for folder in dict.fromkeys(filter(None, folders)):
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            # How long `connect` waits if the server's queue of connections is full (unix(7), socket(7)).
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(PATIENCE), 0))
            try:
                with socket_address(folder / cls.name) as address:
                    connection.connect(address)
            except OSError as error:
                closed = closed or isinstance(error, PermissionError)
                connection.close()
            else:
                return cls(connection)
        if closed:
            raise NoBox("The box belongs to another user: use sudo.")
        raise NoBox(cls.absent)

    def request(self, command: Mapping[str, Any], patience: float = PATIENCE) -> dict[str, Any]:
        """Send a command and return the answer. Raises Refused with the box's sentence, and NoBox if it has gone."""
        self._socket.settimeout(patience)
        try:
            with suppress(BrokenPipeError):  # a box that has no room for us says so before it hangs up
                self._socket.sendall(_line(command))
            answer = self._read()
        except TimeoutError as error:
            raise NoBox(f"The box has not answered within {patience:.0f} s; its log says why.") from error
        except OSError as error:
            raise NoBox("The box has ended.") from error
        if answer is None:
            raise NoBox("The box has ended.")
        if not answer.get("ok"):
            raise Refused(str(answer.get("error", "The box refused, and did not say why.")))
        return answer

    def send(self, command: Mapping[str, Any]) -> None:
        """Send a command whose answer comes among the events of `watch`."""
        with suppress(OSError):  # the box has ended, which `watch` notices
            self._socket.sendall(_line(command))

    def status(self, patience: float = PATIENCE) -> Status:
        """The box's status, within `patience` s. Raises NoBox."""
        try:
            return Status.from_json(self.request({"do": "status"}, patience)["status"])
        except (KeyError, ValueError, TypeError) as error:
            raise NoBox("The box is of another version, whose answers are not known here.") from error

    def keep(self) -> Path:
        """Ask for the last half hour to be written, and return the path."""
        return Path(self.request({"do": "keep"}, KEEPING)["kept"])

    def watch(self) -> Iterator[dict[str, Any]]:
        """Every event from now on, and the errors of what `send` sends, until the box ends."""
        self.request({"do": "watch"})
        self._socket.settimeout(None)
        while (event := self._read()) is not None:
            if not event.get("ok"):  # the answer to what `send` has sent
                yield event

    def _read(self) -> dict[str, Any] | None:
        text = self._lines.readline(self.longest)
        if not text.endswith(b"\n"):
            return None
        answer = json.loads(text)
        return answer if isinstance(answer, dict) else None

    def close(self) -> None:
        """End the connection."""
        self._lines.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
