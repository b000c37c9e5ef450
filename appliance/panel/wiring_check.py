# SPDX-License-Identifier: Apache-2.0
"""A check of the panel's wiring together with its builder: `stellar-wind doctor panel`.

It lights lamps, reads knobs and waits for presses, and says what is wired wrong and how to correct it. It asks for one
thing at a time, and nothing waits for ever. Talking and time are arguments: `say` a line, `ask` a question, `tick`
until the next look, which returns its moment in s.
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

STILL = 2.0  # s for which a knob's noise is read
PATIENCE = 20.0  # s for which a hand is waited for
NOISY = 3.0  # LSB, standard deviation: what the filter still hides
MOVED = 100  # LSB, or detents times this: a knob was turned
WHOLE = 24  # LSB from an end that a potentiometer should reach

Read = Callable[[], Sequence[int]]
Say = Callable[[str], None]
Ask = Callable[[str], str]
Tick = Callable[[], float]


def check_wiring(board: Board, wiring: Wiring, say: Say, ask: Ask, tick: Tick) -> list[str]:
    """What is wrong with the panel, a sentence each."""
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
            f"Lamp {place + 1} stays dark: look at the wire to GPIO {pin} and at its resistor, "
            "and turn the LED round if both are well."
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
            way = "a few steps to the right" if encoders else "to the left, then all the way to the right"
            say(f"Turn {knob.value} {way}.")
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
            f"The converter says {flat.pop()} of everything: look at its power (pins 15 and 16), its ground (9 and 14) "
            "and its four data lines; both knobs at the same end look the same."
        )
        return
    for knob, values in zip(ORDER, zip(*readings, strict=True), strict=True):
        if (noise := pstdev(values)) > 10 * NOISY:
            yield f"The wiper of {knob.value} is not connected: its reading wanders by {noise:.0f}."
        elif noise > NOISY:
            yield f"The reading of {knob.value} is noisy ({noise:.1f}): put 100 nF between its wiper and ground."


def _until_turned(read: Read, encoders: bool, tick: Tick) -> list[tuple[int, ...]]:
    """Readings until a knob has been turned and rests for a second, or nobody has turned one within PATIENCE."""
    readings, ends = [tuple(read())], tick() + PATIENCE
    while tick() < ends:
        readings.append(tuple(read()))
        turned = max(_ways(readings)) >= (1 if encoders else MOVED)
        if turned and len(readings) > SAMPLES and max(_ways(readings[-SAMPLES:])) < MOVED / 4:
            break
    return readings


def _ways(readings: list[tuple[int, ...]]) -> list[int]:
    """How far each knob went."""
    return [max(values) - min(values) for values in zip(*readings, strict=True)]


def _about_turn(knob: Knob, place: int, readings: list[tuple[int, ...]], encoders: bool) -> Iterator[str]:
    ways, values = _ways(readings), [reading[place] for reading in readings]
    if max(ways) < (1 if encoders else MOVED):
        yield f"Nothing was heard of {knob.value}: look at the wire of its wiper, or of its contacts A and B."
    elif ways[1 - place] > ways[place]:
        yield f"The other knob answered for {knob.value}: exchange the wires of the two."
    elif encoders and values[-1] < values[0]:
        yield f"{knob.value.capitalize()} turns the wrong way round: exchange its contacts A and B."
    elif not encoders and values[-1] < TOP / 2:
        yield f"{knob.value.capitalize()} turns the wrong way round: exchange its two outer wires."
    elif not encoders and (min(values) > WHOLE or max(values) < TOP - WHOLE):
        yield (
            f"{knob.value.capitalize()} went from {min(values)} to {max(values)}, of 0 to {TOP}: "
            "turn it all the way, or look at its two outer wires."
        )


# --- buttons ------------------------------------------------------------------------------------------------


def _buttons(board: Board, wiring: Wiring, say: Say, ask: Ask, tick: Tick) -> Iterator[str]:
    with closing(board.buttons()) as device:
        stuck = {button for button, down in device.read().items() if down}
        for button in stuck:
            yield f"{button.name} is down though nobody presses it: its contacts are stuck, or its wire touches ground."
        for button in device.read():
            if button not in stuck:
                say(f"Press {button.name}.")
                yield from _about_press(button, _pressed(device.read, stuck, tick), wiring)


def _pressed(read: Callable[[], dict[Button, bool]], stuck: set[Button], tick: Tick) -> Button | None:
    """The button that goes down and is let go again; None when none is within PATIENCE."""
    pressed, ends = None, tick() + PATIENCE
    while tick() < ends:
        down = {button for button, is_down in read().items() if is_down} - stuck
        if pressed and not down:
            return pressed
        pressed = next(iter(down), pressed)
    return pressed


def _about_press(button: Button, pressed: Button | None, wiring: Wiring) -> Iterator[str]:
    pin = wiring.network_button if button is Button.NETWORK else wiring.mute_button
    if pressed is None:
        yield f"{button.name} was not heard: look at its wires to GPIO {pin} and to ground."
    elif pressed is not button:
        yield f"{pressed.name} answered for {button.name}: exchange their wires, or their pins in [panel.pins]."
