# SPDX-License-Identifier: Apache-2.0
"""The pins on the real stack: gpiozero's rpigpio and lgpio factories and the real rpi-lgpio, over a stand-in for lgpio.

What no stand-in can show is left to a Pi: that the kernel's chip is found, and that light is light.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from gpiozero.pins import Factory, local

from appliance.panel.gpio import NoPanel, board, chosen, why
from appliance.panel.knobs import SAMPLES
from appliance.panel.lamps import ATTACK, Lamps
from appliance.panel.panel import Panel
from appliance.panel.pins import PINS, Knobs, on_a_pi, wiring
from appliance.values import BoxState, Button, Gesture, Knob, Moved, Pressed, Turned
from tests.support import lgpio_standin as lgpio

needs_rpi_lgpio = pytest.mark.skipif(
    find_spec("RPi") is None, reason="rpi-lgpio is not installed: it has no lgpio for this Python or machine"
)

BOARDS = {"3B": "a02082", "4B": "c03114", "5B": "d04170", "Zero2W": "902120"}


class Pi:
    """A Pi of some kind, with a panel on it."""

    made: list[Pi] = []  # noqa: RUF012 - of this test

    def __init__(self, factory: str, knobs: Knobs, **pins: int) -> None:
        self.posted: list[Gesture] = []
        self.lamps = Lamps()
        self.lamps.tell(BoxState.LIVE, 0.0)
        where = wiring(knobs, {**PINS, **pins})
        self.panel = Panel(lambda: board(factory, where), where, self.lamps, self.posted.append)
        self.looks = 0
        self.made.append(self)

    def wait(self, seconds: float) -> list[Gesture]:
        self.posted.clear()
        for _ in range(round(seconds * SAMPLES)):
            lgpio.kernel.deliver()
            self.panel.turn(self.looks / SAMPLES)
            self.looks += 1
        return list(self.posted)


@pytest.fixture(params=list(BOARDS.values()), ids=list(BOARDS))
def revision(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def forget() -> None:
    """Drop the modules that hold lgpio, so that the next import finds the one of then."""
    for name in [
        *(name for name in sys.modules if name.split(".")[0] == "RPi"),
        *("lgpio", "gpiozero.pins.rpigpio", "gpiozero.pins.lgpio"),
    ]:
        sys.modules.pop(name, None)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[lgpio.Kernel]:
    forget()
    sys.modules["lgpio"] = lgpio
    lgpio.kernel = lgpio.Kernel()
    lgpio.kernel.chip.readings = [700, 300, 0, 0, 0, 0, 0, 0]
    monkeypatch.setattr(local, "SpiDev", lgpio.SpiDev)
    identify(monkeypatch, BOARDS["4B"])
    yield lgpio.kernel
    while Pi.made:
        Pi.made.pop().panel.release()
    forget()


def identify(monkeypatch: pytest.MonkeyPatch, revision: str) -> None:
    monkeypatch.setenv("RPI_LGPIO_REVISION", revision)
    monkeypatch.setattr(local, "get_pi_revision", lambda: int(revision, 16))


FACTORIES = [pytest.param("rpigpio", marks=needs_rpi_lgpio), "lgpio"]


@pytest.mark.parametrize("factory", FACTORIES)
def test_the_panel_works_on_every_pi_by_either_factory(
    kernel: lgpio.Kernel,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    revision: str,
    factory: str,
) -> None:
    caplog.set_level("INFO")
    identify(monkeypatch, revision)
    pi = Pi(factory, "potentiometers")
    volume, tempo = pi.wait(1 / SAMPLES)
    assert isinstance(volume, Moved)
    assert isinstance(tempo, Moved)
    assert (volume.knob, round(volume.position, 3)) == (Knob.VOLUME, 0.689)
    assert (tempo.knob, round(tempo.position, 3)) == (Knob.TEMPO, 0.288)

    kernel.edge(5, 0)
    pi.wait(0.1)
    kernel.edge(5, 1)
    assert pi.wait(0.1) == [Pressed(Button.NETWORK)]

    pi.lamps.hit(3, 1.0, at=pi.looks / SAMPLES)
    pi.wait(ATTACK)
    assert kernel.duty(24) > 0.5
    assert kernel.pwm[24][0] == 200
    assert kernel.duty(17) == 0.0
    pi.panel.release()
    assert {pin: kernel.duty(pin) for pin in wiring().lamps} == dict.fromkeys(wiring().lamps, 0.0)
    assert not kernel.mode
    model = {number: name for name, number in BOARDS.items()}[revision]
    by = "rpigpio over rpi-lgpio" if factory == "rpigpio" else "lgpio"
    (line,) = caplog.messages
    assert by in line
    assert model in line
    assert kernel.opened == [0]


def turn(kernel: lgpio.Kernel, detents: int) -> None:
    for _ in range(detents):
        for pin, level in ((11, 0), (9, 0), (11, 1), (9, 1)):
            kernel.edge(pin, level)


def test_encoders_on_lgpio_lose_nothing_behind_a_busy_interpreter(
    kernel: lgpio.Kernel, revision: str
) -> None:
    pi = Pi(chosen("auto", wiring("encoders")), "encoders")
    pi.wait(0.1)
    turn(kernel, 50)  # all of it waits in the pipe
    (turned,) = pi.wait(0.1)
    assert isinstance(turned, Turned)
    assert turned == Turned(Knob.VOLUME, 50 * (turned.detents // 50))


@needs_rpi_lgpio
def test_on_rpigpio_they_would_which_is_why_it_is_not_chosen_for_them(kernel: lgpio.Kernel) -> None:
    pi = Pi("rpigpio", "encoders")
    pi.wait(0.1)
    turn(kernel, 50)
    assert pi.wait(0.1) == []


def test_the_factory_follows_the_knobs_unless_it_is_named() -> None:
    assert chosen("auto", wiring("potentiometers")) == chosen("auto", wiring("none")) == "rpigpio"
    assert chosen("auto", wiring("encoders")) == "lgpio"
    assert chosen("lgpio", wiring("potentiometers")) == "lgpio"


@needs_rpi_lgpio
@pytest.mark.parametrize(
    ("missing", "advice"),
    [
        (
            FileNotFoundError(2, "No such file"),
            "dtparam=spi=on",
        ),
        (PermissionError(13, "Permission denied"), "group spi"),
        (
            ImportError("no spidev"),
            "spidev is missing: pip install 'stellar-wind-box[pi]'",
        ),
        (OSError(19, "No such device"), "[Errno 19] No such device"),
    ],
)
def test_without_spi_the_knobs_are_away_and_the_other_parts_work(
    kernel: lgpio.Kernel,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    missing: Exception,
    advice: str,
) -> None:
    monkeypatch.setattr(lgpio.SpiDev, "missing", missing)
    pi = Pi("rpigpio", "potentiometers")
    assert pi.wait(0.1) == []
    (sentence,) = caplog.messages
    assert "knobs" in sentence
    assert advice in sentence
    assert kernel.duty(13) == 1.0
    monkeypatch.setattr(lgpio.SpiDev, "missing", None)
    pi.looks += 60 * SAMPLES
    assert len(pi.wait(0.1)) == 2


@pytest.mark.parametrize("factory", FACTORIES)
def test_a_pin_of_another_program_costs_one_part(
    kernel: lgpio.Kernel, caplog: pytest.LogCaptureFixture, factory: str
) -> None:
    kernel.busy = {25}
    pi = Pi(factory, "potentiometers")
    assert len(pi.wait(0.1)) == 2
    (sentence,) = caplog.messages
    assert "lamps" in sentence
    assert "another program" in sentence
    assert "[panel.pins]" in sentence
    kernel.busy = set()
    pi.looks += 60 * SAMPLES
    pi.wait(0.1)
    assert kernel.duty(13) == 1.0


def test_without_permission_for_the_chip_the_error_names_the_group(kernel: lgpio.Kernel) -> None:
    kernel.refuses = lgpio.error("can not open gpiochip")
    with pytest.raises(NoPanel, match="group gpio"):
        board("lgpio", wiring())


@needs_rpi_lgpio
@pytest.mark.parametrize("missing", [None, FileNotFoundError(2, "No such file")])
def test_no_garbage_is_collected_while_pins_are_reserved(
    kernel: lgpio.Kernel, monkeypatch: pytest.MonkeyPatch, missing: Exception | None
) -> None:
    """gpiozero reserves pins under a lock that a device takes again when it is collected."""
    collects: list[bool] = []
    original: Callable[..., None] = Factory.reserve_pins

    def reserve(*arguments: object) -> None:
        collects.append(gc.isenabled())
        original(*arguments)

    monkeypatch.setattr(Factory, "reserve_pins", reserve)
    monkeypatch.setattr(lgpio.SpiDev, "missing", missing)
    pi = Pi("rpigpio", "potentiometers")
    for _ in range(3):
        assert len(pi.wait(0.1)) == (0 if missing else 2)
        pi.panel.release()
        pi.looks += 60 * SAMPLES
    assert len(collects) > 10
    assert not any(collects)


def test_buttons_need_no_callback(kernel: lgpio.Kernel) -> None:
    pi = Pi("lgpio", "potentiometers")
    pi.wait(0.1)
    assert kernel.callbacks == []  # there are none of ours: buttons are polled


# --- this very machine --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ModuleNotFoundError("No module named 'RPi'", name="RPi"), "(RPi): pip install"),
        (RuntimeError("This module can only be run on a Raspberry Pi!"), "not a Raspberry Pi"),
        (RuntimeError("Cannot determine SOC peripheral base address"), "rpi-lgpio"),
        (RuntimeError("Failed to add edge detection"), "rpi-lgpio"),
        (RuntimeError("No access to /dev/mem.  Try running as root!"), "group gpio"),
        (PermissionError(13, "Permission denied"), "group gpio"),
        (ZeroDivisionError(), "ZeroDivisionError (ZeroDivisionError)"),
    ],
)
def test_an_error_of_a_library_is_explained_with_its_remedy(error: Exception, says: str) -> None:
    assert says in why(error)


@pytest.mark.skipif(on_a_pi(), reason="this is a Raspberry Pi")
@pytest.mark.parametrize("factory", FACTORIES)
def test_another_machine_has_no_panel_and_no_fallback(factory: str) -> None:
    program = (
        "import sys\n"
        "from appliance.panel.gpio import board, NoPanel\n"
        "from appliance.panel.pins import wiring\n"
        "try: board(sys.argv[1], wiring())\n"
        "except NoPanel as error: print(error)\n"
    )
    said = python(program, factory, cwd=Path.cwd())
    # Not every Python has the packages; without them the error is that they are missing.
    there = find_spec({"rpigpio": "RPi", "lgpio": "lgpio"}[factory])
    assert ("not a Raspberry Pi" if there else "Python package") in said.stdout
    assert said.stderr == ""


@pytest.mark.skipif(
    find_spec("lgpio") is None, reason="lgpio is not installed: none for this Python or machine"
)
@pytest.mark.parametrize("set_by_hand", [False, True])
def test_lgpio_may_be_imported_where_nothing_can_be_written(tmp_path: Path, set_by_hand: bool) -> None:
    """It makes a pipe in the working directory. /proc is one that not even root writes to."""
    program = (
        "import os, sys, glob\n"
        "from appliance.panel.gpio import board, NoPanel\n"
        "from appliance.panel.pins import wiring\n"
        "try: board('lgpio', wiring())\n"
        "except NoPanel as error: print(error)\n"
        "print('lgpio' in sys.modules, os.getcwd(), len(glob.glob(sys.argv[1] + '/**/.lgd-nfy*', recursive=True)))\n"
    )
    place = {"LG_WD": str(tmp_path)} if set_by_hand else {"RUNTIME_DIRECTORY": str(tmp_path)}
    said = python(program, str(tmp_path), cwd=Path("/proc"), **place)
    assert said.stderr == ""
    *_, last = said.stdout.splitlines()
    assert last == f"True {tmp_path if set_by_hand else '/proc'} 1"
    if not set_by_hand:
        assert list(tmp_path.iterdir()) == []  # gone with the process


def python(program: str, *words: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    here: dict[str, Any] = {
        **{key: value for key, value in os.environ.items() if key not in ("LG_WD", "RUNTIME_DIRECTORY")},
        **environ,
    }
    command = [sys.executable, "-c", program, *words]
    return subprocess.run(command, cwd=cwd, env=here, capture_output=True, text=True, timeout=120)
