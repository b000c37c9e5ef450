# SPDX-License-Identifier: Apache-2.0
"""A check of the panel's wiring together with its builder: `stellar-wind doctor panel`.

It lights lamps, reads knobs and waits for presses, and says what is wired wrong and how to correct it. It asks for one
thing at a time, and every wait has a timeout. Input, output and time are arguments: `say` prints a line, `ask` asks a
question, and `tick` waits for the next reading and returns its moment in s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from statistics import mean, pstdev

from appliance.panel.gpio import Board, NoPanel
from appliance.panel.knobs import ORDER, SAMPLES, TOP
from appliance.panel.lamps import LAMPS
from appliance.panel.pins import NOWHERE, Wiring
from appliance.values import Button, Knob

STILL = 2.0  # s for which the noise of the knobs is measured
ASK_TIMEOUT = 20.0  # s within which the knob or button that was asked for must move
NOISY = 3.0  # LSB, standard deviation; the most that the filter hides
MOVED = 100  # LSB (or 1 detent) by which a knob counts as turned
WHOLE = 24  # LSB; a potentiometer must come this close to 0 and to TOP

Read = Callable[[], Sequence[int]]
Say = Callable[[str], None]
Ask = Callable[[str], str]
Tick = Callable[[], float]


def check_wiring(board: Board, wiring: Wiring, say: Say, ask: Ask, tick: Tick) -> list[str]:
    """The faults of the panel, a sentence each."""
    wrong = []
    parts = [_lamps, _knobs, _buttons] if wiring.knobs != "none" else [_lamps, _buttons]
    for part in parts:
        try:
            for sentence in part(board, wiring, say, ask, tick):
                say(f"  ! {sentence}")
                wrong.append(sentence)
        except NoPanel as error:
            wrong.append(f"{error}.")
            say(f"  ! {error}.")
    return wrong


# --- lamps --------------------------------------------------------------------------------------------------


def _lamps(board: Board, wiring: Wiring, say: Say, ask: Ask, tick: Tick) -> Iterator[str]:
    with closing(board.leds()) as leds:
        for place, pin in enumerate(wiring.lamps):
            if pin == NOWHERE:
                continue
            leds.shine([float(other == place) for other in range(LAMPS)])
            answer = ask(
                f"Does lamp {place + 1} of {LAMPS} shine (Enter), another (its number), or none (0)? "
            )
            yield from _about_lamp(place, pin, answer.strip())


def _about_lamp(place: int, pin: int, answer: str) -> Iterator[str]:
    if answer == "0":
        yield (
            f"Lamp {place + 1} stays dark: check the wire to GPIO {pin} and its resistor, "
            "and turn the LED round if both are correct."
        )
    elif answer.isdigit() and int(answer) != place + 1:
        yield (
            f"GPIO {pin} lights lamp {answer} instead of {place + 1}: "
            "exchange their wires, or their pins in [panel.pins]."
        )


# --- knobs --------------------------------------------------------------------------------------------------


def _knobs(board: Board, wiring: Wiring, say: Say, ask: Ask, tick: Tick) -> Iterator[str]:
    with closing(board.knobs()) as device:
        if wiring.knobs == "potentiometers":
            say("Leave both knobs alone for a moment.")
            yield from _still(_read_for(device.read, tick, STILL), say)
        for place, knob in enumerate(ORDER):
            encoders = wiring.knobs == "encoders"
            how = "a few steps to the right" if encoders else "to the left, then all the way to the right"
            say(f"Turn {knob.value} {how}.")
            yield from _about_turn(knob, place, _until_turned(device.read, encoders, tick), encoders)


def _read_for(read: Read, tick: Tick, seconds: float) -> list[tuple[int, ...]]:
    ends, readings = tick() + seconds, [tuple(read())]
    while tick() < ends:
        readings.append(tuple(read()))
    return readings


def _still(readings: list[tuple[int, ...]], say: Say) -> Iterator[str]:
    for knob, values in zip(ORDER, zip(*readings, strict=True), strict=True):
        say(f"  {knob.value}: {mean(values):.0f} of {TOP}, noise {pstdev(values):.1f}")
    flat = {value for reading in readings for value in reading}
    if flat in ({0}, {TOP}):
        yield (
            f"The converter reads {flat.pop()} for both knobs: check its power (pins 15 and 16), its ground (9 and 14) "
            "and its four data lines; or turn the knobs away from that end, if both are there."
        )
        return
    for knob, values in zip(ORDER, zip(*readings, strict=True), strict=True):
        if (noise := pstdev(values)) > 10 * NOISY:
            yield f"The wiper of {knob.value} is not connected: its reading varies by {noise:.0f}."
        elif noise > NOISY:
            yield f"The reading of {knob.value} is noisy ({noise:.1f}): put 100 nF between its wiper and ground."


def _until_turned(read: Read, encoders: bool, tick: Tick) -> list[tuple[int, ...]]:
    """Readings until a knob was turned and rests for a second, or until ASK_TIMEOUT."""
    readings, ends = [tuple(read())], tick() + ASK_TIMEOUT
    lowest = highest = readings[0]
    while tick() < ends:
        readings.append(tuple(read()))
        lowest, highest = tuple(map(min, lowest, readings[-1])), tuple(map(max, highest, readings[-1]))
        turned = max(high - low for high, low in zip(highest, lowest, strict=True)) >= (
            1 if encoders else MOVED
        )
        if turned and len(readings) > SAMPLES and max(_travels(readings[-SAMPLES:])) < MOVED / 4:
            break
    return readings


def _travels(readings: list[tuple[int, ...]]) -> list[int]:
    """How far each knob was turned."""
    return [max(values) - min(values) for values in zip(*readings, strict=True)]


def _about_turn(knob: Knob, place: int, readings: list[tuple[int, ...]], encoders: bool) -> Iterator[str]:
    travels, values = _travels(readings), [reading[place] for reading in readings]
    if max(travels) < (1 if encoders else MOVED):
        yield f"The {knob.value} knob had no effect: check the wire of its wiper, or those of its contacts A and B."
    elif travels[1 - place] > travels[place]:
        yield f"The other knob moved instead of {knob.value}: exchange the wires of the two."
    elif encoders and values[-1] < values[0]:
        yield f"{knob.value.capitalize()} turns in the wrong direction: exchange its contacts A and B."
    elif not encoders and values[-1] < TOP / 2:
        yield f"{knob.value.capitalize()} turns in the wrong direction: exchange its two outer wires."
    elif not encoders and (min(values) > WHOLE or max(values) < TOP - WHOLE):
        yield (
            f"{knob.value.capitalize()} reads {min(values)} to {max(values)} instead of 0 to {TOP}: "
            "turn it all the way, or check its two outer wires."
        )


# --- buttons ------------------------------------------------------------------------------------------------


def _buttons(board: Board, wiring: Wiring, say: Say, ask: Ask, tick: Tick) -> Iterator[str]:
    with closing(board.buttons()) as device:
        stuck = {button for button, down in device.read().items() if down}
        for button in stuck:
            yield f"{button.name} is down without being pressed: its contacts are stuck, or its wire touches ground."
        for button in device.read():
            if button not in stuck:
                say(f"Press {button.name}.")
                yield from _about_press(button, _pressed(device.read, stuck, tick), wiring)


def _pressed(read: Callable[[], dict[Button, bool]], stuck: set[Button], tick: Tick) -> Button | None:
    """The button that is pressed and released; None if none is within ASK_TIMEOUT."""
    pressed, ends = None, tick() + ASK_TIMEOUT
    while tick() < ends:
        down = {button for button, is_down in read().items() if is_down} - stuck
        if pressed and not down:
            return pressed
        pressed = next(iter(down), pressed)
    return pressed


def _about_press(button: Button, pressed: Button | None, wiring: Wiring) -> Iterator[str]:
    pin = wiring.network_button if button is Button.NETWORK else wiring.mute_button
    if pressed is None:
        yield f"{button.name} had no effect: check its wires to GPIO {pin} and to ground."
    elif pressed is not button:
        yield f"{pressed.name} closed instead of {button.name}: exchange their wires, or their pins in [panel.pins]."
