# SPDX-License-Identifier: Apache-2.0
"""The web server of the page, on the loop of a process of its own.

A client can neither hold up the box nor the other clients: a viewer that does not read is dropped, a listener that
does not read misses sound, and each has bounds. Everything that is served is in memory, but for kept files, which are
served under the names that `keep` has returned here and no others.

    /  /page.js  /page.css      the page: three files, nothing from elsewhere
    /events                     WebSocket: messages of view.py to a viewer, commands of control.py from it
    /listen.mp3  /listen.flac   what the box plays, without end
    /kept/NAME                  what was kept: NAME.score.gz, NAME.mid, NAME.flac
    /pieces.json                what pieces.py shows
    /pieces/ID.png              the cover of a piece
"""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import re
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web
from aiohttp.http_exceptions import HttpProcessingError

from appliance.control import KEEPING, LINE, NoBox, Refused
from appliance.follower import Follower
from appliance.page.encoder import TYPES, Encoder
from appliance.page.guard import HEADERS, host_allowed, origin_allowed
from appliance.page.pieces import Pieces
from appliance.page.view import Message, View
from appliance.values import BoxError

LOOPBACK = ("127.0.0.1", 8017)
VIEWERS, LISTENERS = 8, 4
CONNECTIONS = 64  # at once, with those that browsers keep open for later
UNREAD = 256  # messages, or chunks of samples, that a client can leave unread
UNSENT = 64 << 10  # bytes that the kernel holds for a viewer
# Of control.py; not "hold", which can switch the power off.
COMMANDS = ("turn", "set", "press", "keep", "stop")
PLAY = re.compile(r"[0-9a-f]{64}")  # a piece, for the command "play" of our own
RATE = 20.0  # commands a second of a viewer
FRAME = 0.05  # s between two looks at the lamps
HEARTBEAT = 20.0  # s between two pings of a viewer
STUCK = 30.0  # s that a listener can take for a chunk
AHEAD = 1.0  # s of silence before the sound, which a player has in its buffer from then on
KEPT = 16  # kept scores that can be downloaded
ROOM = 1.0  # s between two looks whether there are pieces

TRY_LATER = 1013  # of a WebSocket (IANA): there is no room at present
FILES = {"/": ("index.html", "text/html"), "/page.js": ("page.js", "text/javascript")}
FILES |= {"/page.css": ("page.css", "text/css")}


class CannotListen(BoxError, OSError):
    """The page cannot be served at its address."""


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether a log record of aiohttp's reports a fault of this program, not a bad request or a client that left."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, (HttpProcessingError, ConnectionError))


class Sound:
    """What the box plays, for each listener; the box is asked for it only while there is one."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._queues: set[asyncio.Queue[bytes]] = set()
        self._task: asyncio.Task[None] | None = None

    @property
    def listeners(self) -> int:
        """How many there are."""
        return len(self._queues)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[asyncio.Queue[bytes]]:
        """Chunks of samples, while in the `with`."""
        queue: asyncio.Queue[bytes] = asyncio.Queue(UNREAD)
        self._queues.add(queue)
        self._task = self._task or asyncio.create_task(self._pass_on())
        try:
            yield queue
        finally:
            self._queues.discard(queue)
            if not self._queues:
                self._task.cancel()
                self._task = None

    async def _pass_on(self) -> None:
        while True:
            with suppress(NoBox, Refused):
                async for samples in self._follower.samples():
                    for queue in self._queues:
                        with suppress(asyncio.QueueFull):  # it misses them
                            queue.put_nowait(samples)
            await asyncio.sleep(1.0)  # until the box plays again


class Viewer:
    """One WebSocket, and what waits to be sent to it."""

    def __init__(self, close: Callable[[], None]) -> None:
        self._close = close
        self._messages: asyncio.Queue[str] = asyncio.Queue(UNREAD)

    def send(self, message: Message) -> None:
        """Send a message; a viewer that does not read is dropped."""
        self.send_text(json.dumps(message, separators=(",", ":")))

    def send_text(self, text: str) -> None:
        """The same, for a message as text."""
        try:
            self._messages.put_nowait(text)
        except asyncio.QueueFull:
            self._close()

    async def pass_on(self, websocket: web.WebSocketResponse) -> None:
        """Send what waits, until the connection ends."""
        with suppress(ConnectionError):
            while True:
                await websocket.send_str(await self._messages.get())


class Page:
    """The page of the box that `follower` follows. `names` are the host names of the box, besides addresses."""

    def __init__(self, follower: Follower, pieces: Pieces, names: Collection[str], *, steer: bool) -> None:
        self._follower, self._pieces, self._names, self._steer = follower, pieces, names, steer
        self._room = False  # there are pieces
        self._fetching: asyncio.Task[None] | None = None
        self._view, self._sound = View(steer=steer), Sound(follower)
        self._viewers: set[Viewer] = set()
        self._kept: dict[str, Path] = {}  # by name, the oldest first
        self._busy: set[Any] = set()  # connections with a request
        folder = files("appliance.page") / "static"
        self._files = {path: ((folder / name).read_bytes(), kind) for path, (name, kind) in FILES.items()}

    @asynccontextmanager
    async def running(self, host: str, port: int) -> AsyncIterator[int]:
        """Serve at this address while in the `with`, which gets the port. Raises CannotListen."""
        loop = asyncio.get_running_loop()
        app = web.Application(middlewares=[self._guard], client_max_size=LINE)
        app.add_routes([web.get(path, self._file) for path in self._files])
        app.add_routes([web.get("/events", self._watch, allow_head=False)])
        app.add_routes(
            [web.get("/listen.{form:mp3|flac}", self._listen), web.get("/kept/{name}", self._download)]
        )
        app.add_routes(
            [web.get("/pieces.json", self._list), web.get("/pieces/{piece:[0-9a-f]{64}}.png", self._cover)]
        )
        app.on_response_prepare.append(_add_headers)
        logging.getLogger("aiohttp.server").addFilter(_is_ours)
        # A listener that goes while the box is silent is noticed by its connection only.
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5, handler_cancellation=True)
        await runner.setup()
        accept = self._accept(runner)
        tasks: list[asyncio.Task[None]] = []
        try:
            try:
                server = await loop.create_server(accept, host or None, port)
            except OSError as error:
                taken = error.errno == errno.EADDRINUSE
                why = "another program uses it" if taken else error.strerror or error
                raise CannotListen(
                    f"Cannot serve the page at {host}:{port}: {why}. "
                    "Choose another address or port with page.listen."
                ) from error
            tasks += [asyncio.create_task(work()) for work in (self._follow, self._light, self._look)]
            async with server:
                yield server.sockets[0].getsockname()[1]
        finally:
            tasks += [self._fetching] if self._fetching else []
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await runner.cleanup()

    def _accept(self, runner: web.AppRunner) -> Callable[[], asyncio.Protocol]:
        """Makes the protocol of a new connection; where there are too many, those without a request make room."""

        def accept() -> asyncio.Protocol:
            server = runner.server
            assert server  # noqa: S101 - set up
            if len(server.connections) >= CONNECTIONS:
                for connection in server.connections:
                    if connection not in self._busy:
                        connection.force_close()
            return server()

        return accept

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Answer requests for the box by its own names, from its own page. See guard.py."""
        if not host_allowed(request.host, self._names):
            return _refusal(
                421, "The box does not answer under this name; its owner can add it to page.names."
            )
        if not origin_allowed(request.headers.get("Origin"), request.host):
            return _refusal(403, "The box answers to its own page only.")
        self._busy.add(request.protocol)
        try:
            return await handler(request)
        finally:
            self._busy.discard(request.protocol)

    async def _file(self, request: web.Request) -> web.Response:
        body, kind = self._files[request.path]
        return web.Response(
            body=body, content_type=kind, charset="utf-8", headers={"Cache-Control": "no-cache"}
        )

    # --- viewers --------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        """Pass on what the box says."""
        clock = asyncio.get_running_loop().time
        async for event in self._follower.events():
            if message := self._view.take(event, clock()):
                self._send_all(message)

    async def _light(self) -> None:
        """Pass on the lamps, while anybody looks."""
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(FRAME)
            if self._viewers and (message := self._view.lamps(clock())):
                self._send_all(message)

    async def _look(self) -> None:
        """Pass on whether there are pieces."""
        while True:
            if (there := self._pieces.there) != self._room:
                self._room = there
                self._send_all({"room": there})
            await asyncio.sleep(ROOM)

    def _send_all(self, message: Message) -> None:
        if self._viewers:
            text = json.dumps(message, separators=(",", ":"))
            for viewer in tuple(self._viewers):
                viewer.send_text(text)

    async def _watch(self, request: web.Request) -> web.WebSocketResponse:
        websocket = web.WebSocketResponse(heartbeat=HEARTBEAT, max_msg_size=LINE, compress=False)
        await websocket.prepare(request)
        if len(self._viewers) >= VIEWERS:
            # `close` waits up to 10 s for the client; meanwhile the connection may be dropped to make room.
            self._busy.discard(request.protocol)
            await websocket.close(code=TRY_LATER, message=b"viewers")
            return websocket

        transport = request.transport
        if transport is None:  # it has gone
            return websocket
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNSENT)
        viewer = Viewer(transport.abort)
        for message in self._view.hello(asyncio.get_running_loop().time()):
            viewer.send(message)
        viewer.send({"room": self._room})
        self._viewers.add(viewer)
        sending = asyncio.create_task(viewer.pass_on(websocket))
        try:
            async for got in websocket:
                if got.type is not WSMsgType.TEXT:
                    break
                await self._obey(got.data, viewer)
                await asyncio.sleep(1 / RATE)  # what comes faster waits in the socket
        finally:
            self._viewers.discard(viewer)
            sending.cancel()
        return websocket

    async def _obey(self, text: str, viewer: Viewer) -> None:
        """Pass a command on to the box; the viewer is told only what goes wrong, and what was kept."""
        try:
            command = json.loads(text)
        except (ValueError, RecursionError):
            command = None
        if not isinstance(command, dict) or command.get("do") not in (*COMMANDS, "play"):
            viewer.send({"error": "The page knows no such command."})
            return
        if not self._steer:
            viewer.send(
                {"error": "Steering from the page is off; the owner can switch it on with page.steer."}
            )
            return
        try:
            if command["do"] == "keep":
                answer = await self._follower.request(command, KEEPING)
                viewer.send({"kept": self._remember(Path(str(answer.get("kept"))))})
                return
            if command["do"] == "play":
                self._fetch(str(command.get("piece")), viewer)
                return
            if command["do"] == "press":
                self._view.press(asyncio.get_running_loop().time())
            await self._follower.request(command)
        except BoxError as error:
            viewer.send({"error": str(error)})

    # --- pieces ---------------------------------------------------------------------------------------------

    def _fetch(self, piece: str, viewer: Viewer) -> None:
        """Play a piece; it can take minutes until it is found, and another one has to wait."""
        if not PLAY.fullmatch(piece):
            viewer.send({"error": "The page knows no such piece."})
        elif self._fetching and not self._fetching.done():
            viewer.send({"error": "Another piece is being fetched."})
        else:
            self._fetching = asyncio.create_task(self._play(piece, viewer))

    async def _play(self, piece: str, viewer: Viewer) -> None:
        try:
            await self._pieces.play(piece)
        except BoxError as error:
            viewer.send({"error": str(error)})
        else:
            viewer.send({"played": piece})

    async def _list(self, _: web.Request) -> web.Response:
        try:
            found = await self._pieces.look()
        except BoxError as error:
            found = {"error": str(error)}
        return web.json_response(found, headers={"Cache-Control": "no-store"})

    async def _cover(self, request: web.Request) -> web.Response:
        try:
            content = await self._pieces.cover(request.match_info["piece"])
        except BoxError as error:
            return _refusal(404, str(error))
        # Its address is a hash of what it shows.
        headers = {"Cache-Control": "private, max-age=86400, immutable"}
        return web.Response(body=content, content_type="image/png", headers=headers)

    # --- kept files -----------------------------------------------------------------------------------------

    def _remember(self, score: Path) -> str:
        """The name of a kept score, which can be downloaded from now on."""
        name = score.name.partition(".")[0]
        self._kept.pop(name, None)
        self._kept[name] = score.parent
        while len(self._kept) > KEPT:
            self._kept.pop(next(iter(self._kept)))
        return name

    async def _download(self, request: web.Request) -> web.StreamResponse:
        name, _, ending = request.match_info["name"].partition(".")
        if name not in self._kept or ending not in ("score.gz", "mid", "flac"):
            return _refusal(404, "There is no such file.")
        path = self._kept[name] / f"{name}.{ending}"
        if not await asyncio.to_thread(path.is_file):
            return web.Response(status=202, text="It is being made.\n")
        headers = {"Content-Disposition": f'attachment; filename="stellar-wind-{path.name}"'}
        return web.FileResponse(path, headers=headers)

    # --- listeners ------------------------------------------------------------------------------------------

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        form = request.match_info["form"]
        headers = {"Content-Type": TYPES[form], "Cache-Control": "no-store", "icy-name": "Stellar Wind"}
        response = web.StreamResponse(headers=headers)
        if request.method == "HEAD":
            return response
        if self._sound.listeners >= LISTENERS:
            return _refusal(503, f"{LISTENERS} others listen, and there is no room for another one.")
        async with self._sound.listening() as queue:
            await response.prepare(request)
            encoder = Encoder(form)
            try:
                await response.write(await asyncio.to_thread(encoder.silence, AHEAD))
                while True:
                    samples = await queue.get()
                    encoded = await asyncio.to_thread(encoder.encode, samples)
                    async with asyncio.timeout(STUCK):
                        await response.write(encoded)
            except (ConnectionError, TimeoutError):
                pass  # it has gone
            finally:
                encoder.close()
        return response


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
    response.headers.pop("Server", None)


def _refusal(status: int, sentence: str) -> web.Response:
    response = web.Response(status=status, text=f"{sentence}\n")
    response.force_close()
    return response


async def serve(page: Page, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve the page until SIGINT or SIGTERM; `ready` gets its address. Raises CannotListen."""
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    async with page.running(host, port) as used:
        ready(url(host, used))
        await ended.wait()


def own_names() -> tuple[str, str]:
    """The names of this computer in a network at home."""
    name = socket.gethostname()
    return name, f"{name}.local"


def url(host: str, port: int) -> str:
    """The address for a browser."""
    name = host or own_names()[0]
    return f"http://{f'[{name}]' if ':' in name else name}:{port}/"
