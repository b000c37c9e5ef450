# SPDX-License-Identifier: Apache-2.0
"""The knobs: from raw readings of potentiometers, or the steps of encoders, to gestures.

Only a turned knob makes a gesture: noise, a spike, a loose wire or a dead converter makes none, and a knob that cannot
be read keeps its last position. Both kinds have a method `see`: readings and a moment in, gestures out. Pure; the
panel's thread, SAMPLES times a second.

    reading ─▶ converter alive? ─▶ wiper connected? ─▶ median of 3 ─▶ smooth ─▶ hysteresis ─▶ ends ─▶ Moved
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from appliance.values import Gesture, Knob, Moved, Turned

SAMPLES = 120  # a second while a knob is turned: two for each frame of the lamps; 90 % of a step takes 25 ms
MOVES = 6  # LSB from the smoothed position, five times the noise: the wiper moves
TOP = 1023  # the MCP3008 reads 0 to 1023
MEDIAN = 3  # readings, so that a single spike is ignored
# Share of the way to the median in a sample: at rest, more per LSB of distance, at most.
SLOWEST, QUICKEN, FASTEST = 0.08, 0.05, 0.85
HYSTERESIS = 3.0  # LSB; twice the noise of a good build, 0.14 dB of volume
END = 12  # LSB at each end that count as the end, so that 0 and 1 are reached with any potentiometer

SHAKE = 24  # LSB back and forth between two samples, 8 ms: twenty times the noise, and faster than any hand
FLOATING = (
    6.0  # shakes (decaying with a time constant of 1 s) above which a wiper is loose; a spike makes two
)
LOOK_BACK = 8  # samples before the first shake: the position before the wiper came loose
STEADY = 1.0  # shakes below which a wiper counts as connected again, after about two seconds

FALLEN = 64  # LSB: no two knobs are turned so far to the same end between two samples
REVIVED = SAMPLES // 4  # valid samples after which a dead converter counts as alive

# Acceleration as in norns: a detent so soon (s) after the one before counts so many times.
ACCELERATION = ((0.005, 6), (0.010, 4), (0.020, 3), (0.030, 2))

ORDER = (Knob.VOLUME, Knob.TEMPO)  # of the readings


class Potentiometer:
    """Filters the readings of one wiper."""

    def __init__(self) -> None:
        self._window: deque[int] = deque(maxlen=MEDIAN)
        self._smooth = self._held = 0.0  # LSB: smoothed, and after hysteresis
        self._step = 0  # LSB between the last two readings
        self._shakes = 0.0
        self._calm: deque[float] = deque(maxlen=LOOK_BACK)  # LSB, positions while it did not shake
        self.floating = False  # the wiper is not connected

    @property
    def position(self) -> float:
        """The position, 0 to 1; both ends are reached exactly."""
        return min(1.0, max(0.0, (self._held - END) / (TOP - 2 * END)))

    @property
    def moving(self) -> bool:
        """Whether the last reading was more than noise."""
        return self._shakes > STEADY / 2 or abs(self._window[-1] - self._smooth) > MOVES

    def see(self, reading: int) -> bool:
        """Take a reading, 0 to TOP. Returns whether the position has changed."""
        if not self._window:
            self._window.extend([reading] * MEDIAN)
            self._smooth = self._held = float(reading)
            self._calm.append(self._held)
            return True
        before = self.position
        self._shake(reading)
        self._window.append(reading)
        if self.floating:
            self._smooth = self._held = self._calm[0]
        else:
            self._follow(sorted(self._window)[MEDIAN // 2])
        return self.position != before

    def _follow(self, reading: float) -> None:
        error = reading - self._smooth
        self._smooth += min(FASTEST, SLOWEST + QUICKEN * abs(error)) * error
        at_an_end = not END < self._smooth < TOP - END
        if at_an_end or abs(self._smooth - self._held) > HYSTERESIS:
            self._held = self._smooth
        if self._shakes < STEADY:
            self._calm.append(self._held)

    def _shake(self, reading: int) -> None:
        """Count how often the reading jumps back and forth, as an open input does, which picks up mains hum."""
        step = reading - self._window[-1]
        self._shakes *= 1.0 - 1.0 / SAMPLES
        if step * self._step < 0 and min(abs(step), abs(self._step)) > SHAKE:
            self._shakes = min(self._shakes, FLOATING) + 1.0
        self._step = step
        self.floating = self._shakes > (STEADY if self.floating else FLOATING)


class Potentiometers:
    """Both potentiometers on one converter, which can be dead."""

    def __init__(self) -> None:
        self._knobs = {knob: Potentiometer() for knob in ORDER}
        self._before: Sequence[int] = ()
        self._answers = 0  # valid samples since the converter was last found dead
        self.dead = False  # the converter reports the same end for every knob, without having moved there

    @property
    def floating(self) -> list[Knob]:
        """The knobs whose wipers are not connected."""
        return [knob for knob, potentiometer in self._knobs.items() if potentiometer.floating]

    @property
    def moving(self) -> bool:
        """Whether the next readings are wanted soon."""
        return self.dead or any(potentiometer.moving for potentiometer in self._knobs.values())

    def see(self, readings: Sequence[int], seconds: float) -> list[Gesture]:
        """Take a reading of each knob, in the order of ORDER. Returns the gestures."""
        self._judge(readings)
        self._before = readings
        if self.dead:
            return []
        return [
            Moved(knob, potentiometer.position)
            for (knob, potentiometer), reading in zip(self._knobs.items(), readings, strict=True)
            if potentiometer.see(reading)
        ]

    def _judge(self, readings: Sequence[int]) -> None:
        """Detect a converter without power, clock or data line: it reads all 0, or all TOP.

        Two knobs that are at the same end at the start look the same; until one is moved, they are ignored.
        """
        one_end = readings[0] in (0, TOP) and len(set(readings)) == 1
        if not self.dead:
            fell = not self._before or any(abs(old - readings[0]) > FALLEN for old in self._before)
            self.dead = one_end and fell
        elif not one_end:
            self._answers += 1
            self.dead = self._answers < REVIVED
        if self.dead and one_end:
            self._answers = 0


class Encoders:
    """Both encoders, with acceleration."""

    dead = False
    floating: Sequence[Knob] = ()
    moving = True  # their steps are counted elsewhere, so reading them costs nothing

    def __init__(self) -> None:
        self._steps: Sequence[int] = ()
        self._turned = {knob: float("-inf") for knob in ORDER}  # when, s

    def see(self, readings: Sequence[int], seconds: float) -> list[Gesture]:
        """Take the steps that each encoder has counted since the start, in the order of ORDER. Returns the gestures."""
        before, self._steps = self._steps or readings, tuple(readings)
        gestures: list[Gesture] = []
        for knob, old, new in zip(ORDER, before, readings, strict=True):
            if detents := new - old:
                apart = (seconds - self._turned[knob]) / abs(detents)
                self._turned[knob] = seconds
                gestures.append(Turned(knob, detents * _acceleration(apart)))
        return gestures


def _acceleration(apart: float) -> int:
    return next((times for within, times in ACCELERATION if apart < within), 1)
