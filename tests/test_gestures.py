# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.gestures import FASTEST, SLOWEST, Action, obey
from appliance.values import Answer, Button, Controls, Doubled, Gesture, Held, Knob, Moved, Pressed, Turned

NETWORKS = ("public", "testnet", "futurenet", "mine")
NOW = Controls(0.5, 60.0, "public")

gestures: st.SearchStrategy[Gesture] = (
    st.builds(Turned, st.sampled_from(Knob), st.integers(-200, 200))
    | st.builds(Moved, st.sampled_from(Knob), st.floats(0, 1))
    | st.sampled_from([kind(button) for kind in (Pressed, Doubled, Held) for button in Button])
)


def after(*done: Gesture, now: Controls = NOW) -> Controls:
    for gesture in done:
        now, _ = obey(now, gesture, NETWORKS)
    return now


@pytest.mark.parametrize(
    ("gesture", "volume", "tempo"),
    [
        (Turned(Knob.VOLUME, 5), 0.6, 60.0),
        (Turned(Knob.VOLUME, 500), 1.0, 60.0),
        (Turned(Knob.VOLUME, -500), 0.0, 60.0),
        (Turned(Knob.TEMPO, 1), 0.5, 61.51),
        (Turned(Knob.TEMPO, 500), 0.5, 180.0),
        (Turned(Knob.TEMPO, -500), 0.5, 30.0),
        (Moved(Knob.VOLUME, 0.25), 0.25, 60.0),
        (Moved(Knob.TEMPO, 0.0), 0.5, 30.0),
        (Moved(Knob.TEMPO, 1.0), 0.5, 180.0),
    ],
)
def test_a_knob_says_how_loud_and_how_fast(gesture: Gesture, volume: float, tempo: float) -> None:
    now = after(gesture)
    assert now.volume == pytest.approx(volume)
    assert now.tempo == pytest.approx(tempo, abs=0.01)
    assert now.answer == Answer()


def test_a_knobs_whole_way_is_seventy_two_detents() -> None:
    assert after(Turned(Knob.TEMPO, 72), now=replace(NOW, tempo=SLOWEST)).tempo == pytest.approx(FASTEST)


def test_mute_and_back_is_answered_by_silence_and_a_fifth() -> None:
    muted = after(Pressed(Button.MUTE))
    assert muted == replace(NOW, muted=True)
    assert after(Pressed(Button.MUTE), now=muted) == replace(NOW, answer=Answer(1, (0, 3)))


def test_an_encoder_ends_the_mute_and_a_potentiometer_does_not() -> None:
    muted = replace(NOW, muted=True)
    assert not after(Turned(Knob.VOLUME, 1), now=muted).muted
    assert after(Moved(Knob.VOLUME, 0.4), now=muted).muted  # it may only have drifted


def test_the_network_button_goes_round_and_says_which_by_as_many_notes() -> None:
    presses = [after(*[Pressed(Button.NETWORK)] * count) for count in range(1, 6)]
    assert [now.network for now in presses] == ["testnet", "futurenet", "mine", "public", "testnet"]
    assert [len(now.answer.phrase) for now in presses] == [2, 3, 4, 1, 2]
    assert [now.answer.number for now in presses] == [1, 2, 3, 4, 5]


def test_held_it_goes_home() -> None:
    home = after(*[Pressed(Button.NETWORK)] * 2, Held(Button.NETWORK))
    assert (home.network, home.answer.phrase) == ("public", (0,))


def test_the_sleep_timer_goes_round_and_falls_a_note_for_each_half_hour() -> None:
    rounds = [after(*[Doubled(Button.MUTE)] * count) for count in range(1, 5)]
    assert [now.sleep for now in rounds] == [30, 60, 90, 0]
    assert [now.answer.phrase for now in rounds] == [(5,), (5, 3), (5, 3, 1), (0, 6)]


def test_a_timer_for_a_muted_box_ends_the_mute() -> None:
    now = after(Doubled(Button.MUTE), now=replace(NOW, muted=True))
    assert not now.muted
    assert now.sleep == 30


def test_a_mute_ends_the_timer() -> None:
    assert after(Doubled(Button.MUTE), Pressed(Button.MUTE)).sleep == 0


@pytest.mark.parametrize(
    ("gesture", "wish"), [(Held(Button.MUTE), Action.POWER_OFF), (Doubled(Button.NETWORK), Action.KEEP)]
)
def test_what_the_controls_cannot_give_is_a_wish(gesture: Gesture, wish: Action) -> None:
    now, wished = obey(NOW, gesture, NETWORKS)
    assert wished is wish
    assert replace(now, answer=Answer()) == NOW
    assert now.answer.phrase


@given(st.lists(gestures, max_size=40))
def test_whatever_hands_do_the_controls_stay_in_range(done: list[Gesture]) -> None:
    states = [NOW]
    for gesture in done:
        states.append(obey(states[-1], gesture, NETWORKS)[0])
    for before, now in pairwise(states):
        assert 0.0 <= now.volume <= 1.0
        assert SLOWEST - 1e-9 <= now.tempo <= FASTEST + 1e-9
        assert now.network in NETWORKS
        assert now.sleep in (0, 30, 60, 90)
        assert not (now.muted and now.sleep)
        answered = now.answer.number - before.answer.number
        assert answered == 0 or (answered == 1 and not now.muted and 1 <= len(now.answer.phrase) <= 6)


@given(st.sampled_from([kind(button) for kind in (Pressed, Doubled, Held) for button in Button]))
def test_every_press_is_answered_but_the_one_that_asks_for_silence(gesture: Gesture) -> None:
    answered = after(gesture).answer.number == 1
    assert answered is not (gesture == Pressed(Button.MUTE))
