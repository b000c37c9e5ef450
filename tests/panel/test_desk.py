# SPDX-License-Identifier: Apache-2.0
"""The desk: what it draws, and a real terminal (a pseudo-terminal) whose keys it reads."""

import asyncio
import io
import os
import pty
import sys
import termios
from dataclasses import replace

import pytest
from rich.console import Console

from appliance.panel.desk import KEYS, Status, gestures, keys, picture, show
from appliance.values import Button, Gesture, Knob, Pressed, Turned
from tests.panel.status import STATUS


def drawn(status: Status) -> str:
    console = Console(width=140, file=io.StringIO(), record=True)
    console.print(picture(status))
    return console.export_text(styles=False)


def test_the_desk_is_three_calm_lines() -> None:
    lines = drawn(STATUS).splitlines()
    assert len(lines) == 3
    assert lines[0].split()[1::2] == ["C", "Eb", "F", "G", "Ab", "Bb", "public", "testnet", "futurenet"]
    assert lines[1].strip() == (
        "public: live  ·  71 notes a minute  ·  2.3 s behind  ·  volume 70%  ·  tempo 60  ·  -32 dB"
    )


def test_it_says_what_is_missing() -> None:
    line = drawn(replace(STATUS, muted=True, lag=None, level=-120.0, silent=True)).splitlines()[1].strip()
    assert line == "public: live  ·  71 notes a minute  ·  muted  ·  tempo 60  ·  silent (no sound card)"


def test_a_lit_lamp_is_brighter_than_a_dark_one() -> None:
    lamps = picture(replace(STATUS, notes=(("C", 1.0), ("Eb", 0.0)))).renderables[0]
    styles = [str(span.style) for span in lamps.spans if "rgb" in str(span.style)]  # type: ignore[union-attr] # a Text
    assert styles == [
        "rgb(255,176,64)",
        "rgb(40,40,40)",
        "rgb(235,240,255)",
        "rgb(40,40,40)",
        "rgb(40,40,40)",
    ]


def test_every_key_is_a_gesture_and_others_are_none() -> None:
    typed = b"x" + b"".join(KEYS) + b"\x1b[H"
    assert list(gestures(typed)) == list(KEYS.values())
    assert list(gestures(b"\x1b[An")) == [Turned(Knob.VOLUME, 1), Pressed(Button.NETWORK)]


def test_keys_are_read_as_they_are_typed_and_the_terminal_is_left_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    master, slave = pty.openpty()
    heard: list[Gesture | None] = []

    async def type_a_key() -> None:
        arrived = asyncio.Event()

        def post(gesture: Gesture) -> None:
            heard.append(gesture)
            arrived.set()

        with keys(post, lambda: heard.append(None)):
            assert not termios.tcgetattr(slave)[3] & termios.ECHO
            os.write(master, b"mq")
            await asyncio.wait_for(arrived.wait(), 5)

    with os.fdopen(slave) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        before = termios.tcgetattr(slave)
        asyncio.run(type_a_key())
        assert termios.tcgetattr(slave) == before
    os.close(master)
    assert heard == [Pressed(Button.MUTE), None]  # and one that leaves


def test_without_a_terminal_there_are_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        with keys(lambda _: None, lambda: None):
            pass


def test_it_draws_until_it_is_told_to_stop() -> None:
    drawings, screen = 0, io.StringIO()

    def status() -> Status:
        nonlocal drawings
        drawings += 1
        return STATUS

    async def draw() -> None:
        task = asyncio.create_task(show(status, Console(file=screen, force_terminal=True, width=140)))
        while drawings < 3:
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(draw())
    assert screen.getvalue().count("public: live") >= 3
    assert screen.getvalue().endswith(
        "\x1b[?25h\r\x1b[1A\x1b[2K\x1b[1A\x1b[2K\x1b[1A\x1b[2K"
    )  # it leaves nothing behind
