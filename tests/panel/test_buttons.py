# SPDX-License-Identifier: Apache-2.0
"""The press classifier, with presses as people make them and contacts that bounce."""

import itertools
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.panel.buttons import BOUNCE, PAUSE, SHORT, STUCK_AFTER, TIMINGS, PressClassifier
from appliance.values import Button, Doubled, Gesture, Held, Pressed

LOOK = 1 / 120  # s between two looks
MUTE, NETWORK = Button.MUTE, Button.NETWORK


class Hand:
    """Presses a button, and notes when which gesture came of it."""

    def __init__(self, button: Button, *, bounce: Random | None = None) -> None:
        self.press, self.seconds, self.gestures = (
            PressClassifier(button),
            100.0,
            list[tuple[float, Gesture]](),
        )
        self._bounce, self._level, self._settled = bounce, False, 0.0
        self.be(False, 0.5)

    def be(self, down: bool, seconds: float) -> "Hand":
        """Keep the contact closed or open for a while."""
        if down != self._level:
            self._level, self._settled = down, self.seconds + 0.012
        until = self.seconds + seconds
        while self.seconds < until:
            level = down
            if self._bounce and self.seconds < self._settled:
                level = self._bounce.random() < 0.5
            self.gestures += [(self.seconds, gesture) for gesture in self.press.see(level, self.seconds)]
            self.seconds += LOOK
        return self

    def tap(self, down: float = 0.12, up: float = 1.0) -> "Hand":
        return self.be(True, down).be(False, up)

    @property
    def said(self) -> list[Gesture]:
        return [gesture for _, gesture in self.gestures]


def test_a_button_without_a_double_press_is_pressed_when_it_is_released() -> None:
    hand = Hand(NETWORK)
    let_go = hand.be(True, 0.12).seconds
    ((when, gesture),) = hand.be(False, 1.0).gestures
    assert gesture == Pressed(NETWORK)
    assert when - let_go <= BOUNCE + 2 * LOOK


def test_a_button_with_a_double_press_waits_for_the_second() -> None:
    hand = Hand(MUTE)
    let_go = hand.be(True, 0.12).seconds
    ((when, gesture),) = hand.be(False, 1.0).gestures
    assert gesture == Pressed(MUTE)
    assert PAUSE <= when - let_go <= PAUSE + 2 * LOOK


@pytest.mark.parametrize("pause", [0.05, 0.15, 0.3, PAUSE - 0.01])
def test_two_presses_are_one_double_press(pause: float) -> None:
    assert Hand(MUTE).tap(up=pause).tap().said == [Doubled(MUTE)]


def test_two_slow_presses_are_two_and_three_quick_ones_are_a_double_and_one() -> None:
    assert Hand(MUTE).tap(up=PAUSE + 0.05).tap().said == [Pressed(MUTE)] * 2
    assert Hand(MUTE).tap(up=0.15).tap(up=0.15).tap().said == [Doubled(MUTE), Pressed(MUTE)]
    assert Hand(NETWORK).tap(up=0.1).tap(up=0.1).tap().said == [Pressed(NETWORK)] * 3


@pytest.mark.parametrize("button", Button)
def test_a_hold_is_a_gesture_while_it_lasts_and_releasing_adds_none(button: Button) -> None:
    hand, hold = Hand(button), TIMINGS[button].hold
    pressed = hand.seconds
    ((when, gesture),) = hand.be(True, hold + 1).be(False, 1.0).gestures
    assert gesture == Held(button)
    assert hold <= when - pressed <= hold + 2 * LOOK


@pytest.mark.parametrize("button", Button)
def test_releasing_before_the_time_cancels_a_hold(button: Button) -> None:
    hold = TIMINGS[button].hold
    for down in (SHORT + 0.05, hold - 0.1):
        assert Hand(button).be(True, down).be(False, 1.0).said == []
    assert Hand(button).be(True, SHORT - 0.05).be(False, 1.0).said == [Pressed(button)]


def test_a_second_press_that_is_held_is_held() -> None:
    hand = Hand(MUTE).tap(up=0.2).be(True, 5.1)
    assert hand.said == [Held(MUTE)]
    assert Hand(MUTE).tap(up=0.2).be(True, 2.0).be(False, 1.0).said == []


def test_the_time_of_a_hold_is_known_for_the_lamps() -> None:
    hand = Hand(MUTE)
    assert hand.press.held(hand.seconds) == 0.0
    begun = hand.seconds
    hand.be(True, 3.0)
    assert hand.press.held(hand.seconds) == pytest.approx(hand.seconds - begun, abs=2 * LOOK)
    hand.be(False, 0.1)
    assert hand.press.held(hand.seconds) == 0.0


@pytest.mark.parametrize("seed", range(20))
def test_contacts_may_bounce_for_12_ms(seed: int) -> None:
    rng = Random(seed)
    assert Hand(NETWORK, bounce=rng).tap().tap().said == [Pressed(NETWORK)] * 2
    assert Hand(MUTE, bounce=rng).tap(up=0.15).tap().said == [Doubled(MUTE)]
    assert Hand(MUTE, bounce=rng).be(True, 5.1).be(False, 1).said == [Held(MUTE)]


def test_neither_a_glitch_nor_hum_is_a_press() -> None:
    hand = Hand(NETWORK)
    for _ in range(200):
        hand.be(True, LOOK).be(False, LOOK)
    assert hand.be(True, LOOK).be(False, 1.0).said == []


def test_a_button_that_is_stuck_for_hours_is_held_once_and_works_again_when_it_is_released() -> None:
    hand = Hand(MUTE).be(True, STUCK_AFTER - 1)
    assert not hand.press.stuck
    hand.be(True, 2.0)
    assert hand.press.stuck
    assert hand.press.held(hand.seconds) == 0.0, (
        "it no longer counts as held, so the lamps show the state again"
    )
    hand.seconds += 7 * 3600
    hand.be(True, 1.0)
    assert hand.said == [Held(MUTE)]
    hand.be(False, 1.0)
    assert not hand.press.stuck
    assert hand.tap().said == [Held(MUTE), Pressed(MUTE)]


def test_a_button_that_is_down_at_the_start_is_ignored() -> None:
    press = PressClassifier(MUTE)
    assert [gesture for tick in range(9000) for gesture in press.see(True, tick / 100)] == []
    assert press.stuck
    assert [gesture for tick in range(100) for gesture in press.see(False, 90 + tick / 100)] == []
    assert not press.stuck


@given(
    st.sampled_from(Button),
    st.lists(st.tuples(st.booleans(), st.floats(0.0, 3.0)), max_size=60),
)
def test_a_press_is_at_most_one_gesture(button: Button, levels: list[tuple[bool, float]]) -> None:
    press, seconds = PressClassifier(button), 0.0
    presses, gestures, before = 0, 0, False
    press.see(False, seconds)
    for down, lasts in levels:
        presses += down and not before
        before = down
        for _ in range(3):
            seconds += lasts / 3
            gestures += len(press.see(down, seconds))
        assert 0.0 <= press.held(seconds) <= seconds
    assert gestures <= presses


@given(st.lists(st.sampled_from([0.06, 0.2, 0.3, 0.4, 0.6, 1.1, 2.1, 5.2]), min_size=2, max_size=12))
def test_the_gestures_do_not_depend_on_the_moment_or_the_sampling_rate(lengths: list[float]) -> None:
    def told(button: Button, look: float, start: float) -> list[Gesture]:
        press, gestures = PressClassifier(button), list[Gesture]()
        edges = [0.0, *itertools.accumulate(lengths)]
        ticks = round((edges[-1] + 1.0) / look)
        for tick in range(ticks):
            inside = sum(edge <= tick * look for edge in edges)
            down = inside % 2 == 0 and inside <= len(lengths)
            gestures += press.see(down, start + tick * look)
        return gestures

    for button in Button:
        assert told(button, 0.005, 0.0) == told(button, 0.01, 1e6)
