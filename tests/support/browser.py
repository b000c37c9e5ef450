# SPDX-License-Identifier: Apache-2.0
"""A real browser: Chromium without a window, steered through the Chrome DevTools Protocol."""

from __future__ import annotations

import asyncio
import base64
import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--mute-audio"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"),
    *("--disable-dev-shm-usage", "--remote-debugging-port=0", "--autoplay-policy=no-user-gesture-required"),
)
TIMEOUT = 120.0  # s, for what takes a second on an idle machine
LOOK = 0.02  # s between two looks


class Browser:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._numbers = socket, itertools.count(1)
        self.complaints: list[
            str
        ] = []  # what the browser has to say against the page: errors, what CSP refused

    async def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Call a method of the protocol, and return its result."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        async with asyncio.timeout(TIMEOUT):
            while True:
                message = await self._socket.receive_json()
                if message.get("id") == number:
                    if "error" in message:
                        raise RuntimeError(f"{method}: {message['error']}")
                    return dict(message["result"])
                self._take(message)

    def _take(self, message: dict[str, Any]) -> None:
        match message:
            case {"method": "Log.entryAdded", "params": {"entry": {"level": "error", "text": str(text)}}}:
                self.complaints.append(text)
            case {"method": "Runtime.exceptionThrown", "params": {"exceptionDetails": details}}:
                self.complaints.append(str(details))

    async def open(self, url: str, width: int = 1440, height: int = 900, *, calm: bool = False) -> None:
        """Open a page, in a window of this size; `calm` is for who prefers reduced motion."""
        for domain in ("Page", "Runtime", "Log"):
            await self.call(f"{domain}.enable")
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        motion = {"name": "prefers-reduced-motion", "value": "reduce" if calm else "no-preference"}
        await self.call("Emulation.setEmulatedMedia", features=[motion])
        await self.call("Page.navigate", url=url)

    async def value(self, script: str) -> Any:
        """The value of an expression; a promise is awaited."""
        result = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{script}: {result['exceptionDetails']}")
        return result["result"].get("value")

    async def until(self, script: str) -> Any:
        """The value of an expression, once it is true."""
        async with asyncio.timeout(TIMEOUT):
            while True:
                with suppress(RuntimeError):  # the page is not loaded yet
                    if value := await self.value(script):
                        return value
                await asyncio.sleep(LOOK)

    async def click(self, selector: str) -> None:
        """Click the middle of an element with the mouse."""
        box = f"document.querySelector({selector!r}).getBoundingClientRect()"
        x, y = await self.value(f"(r => [r.x + r.width / 2, r.y + r.height / 2])({box})")
        for kind in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def drag(self, selector: str, right: float, down: float) -> None:
        """Drag an element with the mouse from its middle by so many pixels."""
        box = f"document.querySelector({selector!r}).getBoundingClientRect()"
        x, y = await self.value(f"(r => [r.x + r.width / 2, r.y + r.height / 2])({box})")
        moves = (("mousePressed", 0.0), ("mouseMoved", 0.5), ("mouseMoved", 1.0), ("mouseReleased", 1.0))
        for kind, share in moves:
            at = {"x": x + share * right, "y": y + share * down}
            await self.call(
                "Input.dispatchMouseEvent", type=kind, **at, button="left", buttons=1, clickCount=1
            )

    async def accessible_name(self) -> str:
        """What a screen reader calls the element that has the focus."""
        found = await self.call("Runtime.evaluate", expression="document.activeElement")
        tree = await self.call(
            "Accessibility.getPartialAXTree", objectId=found["result"]["objectId"], fetchRelatives=False
        )
        return str(tree["nodes"][0].get("name", {}).get("value", ""))

    async def hide(self) -> None:
        """Show another tab, so that the page is hidden."""
        await self.call("Target.createTarget", url="about:blank")
        await self.until("document.hidden")

    async def key(self, key: str, text: str = "") -> None:
        """Press a key, such as "Tab" or "ArrowUp"; `text` is what it types."""
        code = {"Tab": 9, "Enter": 13, " ": 32, "Escape": 27, "Home": 36, "End": 35, "ArrowUp": 38}.get(
            key, 0
        )
        typed = {"text": text} if text else {}
        await self.call(
            "Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **typed
        )
        await self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    async def picture(self, path: Path) -> None:
        """Write what is seen as a PNG."""
        shot = await self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(shot["data"]))


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """A browser with an empty profile, while in the `with`."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = await asyncio.create_subprocess_exec(
            *(CHROMIUM, *OPTIONS, f"--user-data-dir={folder}", "about:blank"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            port = await _port(Path(folder))
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                    (tab,) = [each for each in await answer.json() if each["type"] == "page"]
                async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                    yield Browser(socket)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _port(folder: Path) -> int:
    """The port of the protocol, once the browser has written it."""
    file = folder / "DevToolsActivePort"
    async with asyncio.timeout(TIMEOUT):
        while not (file.exists() and (text := file.read_text())):
            await asyncio.sleep(LOOK)
    return int(text.splitlines()[0])
