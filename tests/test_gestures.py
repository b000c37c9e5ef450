# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.gestures import Action, apply, tempo_position
from appliance.values import (
    FASTEST,
    SLEEP_STEPS,
    SLOWEST,
    Answer,
    Button,
    Chosen,
    Controls,
    Doubled,
    Gesture,
    Held,
    Knob,
    Moved,
    Pressed,
    Turned,
)

NETWORKS = ("public", "testnet", "futurenet", "mine")
NOW = Controls(0.5, 60.0, "public")

gestures: st.SearchStrategy[Gesture] = (
    st.builds(Turned, st.sampled_from(Knob), st.integers(-200, 200))
    | st.builds(Moved, st.sampled_from(Knob), st.floats(0, 1))
    | st.sampled_from([kind(button) for kind in (Pressed, Doubled, Held) for button in Button])
    | st.builds(Chosen, st.just("volume"), st.floats(0, 1))
    | st.builds(Chosen, st.just("tempo"), st.floats(SLOWEST, FASTEST))
    | st.builds(Chosen, st.just("network"), st.sampled_from(NETWORKS))
    | st.builds(Chosen, st.just("mute"), st.booleans())
    | st.builds(Chosen, st.just("sleep"), st.sampled_from(SLEEP_STEPS))
)


def after(*done: Gesture, now: Controls = NOW) -> Controls:
    for gesture in done:
        now, _ = apply(now, gesture, NETWORKS)
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
        (Chosen("volume", 0.25), 0.25, 60.0),
        (Chosen("tempo", 72.0), 0.5, 72.0),
    ],
)
def test_a_knob_sets_volume_or_tempo(gesture: Gesture, volume: float, tempo: float) -> None:
    now = after(gesture)
    assert now.volume == pytest.approx(volume)
    assert now.tempo == pytest.approx(tempo, abs=0.01)
    assert now.answer == Answer()


def test_a_knobs_whole_way_is_seventy_two_detents() -> None:
    assert after(Turned(Knob.TEMPO, 72), now=replace(NOW, tempo=SLOWEST)).tempo == pytest.approx(FASTEST)


@given(st.floats(SLOWEST, FASTEST))
def test_the_position_of_a_tempo_leads_back_to_it(tempo: float) -> None:
    assert after(Moved(Knob.TEMPO, tempo_position(tempo))).tempo == pytest.approx(tempo)


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


def test_the_network_button_held_goes_to_the_first_network() -> None:
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
    ("gesture", "action"), [(Held(Button.MUTE), Action.POWER_OFF), (Doubled(Button.NETWORK), Action.KEEP)]
)
def test_an_action_changes_no_control(gesture: Gesture, action: Action) -> None:
    now, asked = apply(NOW, gesture, NETWORKS)
    assert asked is action
    assert replace(now, answer=Answer()) == NOW
    assert now.answer.phrase


@pytest.mark.parametrize(
    ("chosen", "pressed"),
    [
        (Chosen("network", "futurenet"), [Pressed(Button.NETWORK)] * 2),
        (Chosen("mute", True), [Pressed(Button.MUTE)]),
        (Chosen("sleep", 60), [Doubled(Button.MUTE)] * 2),
        (Chosen("sleep", 0), [Doubled(Button.MUTE)] * 4),
    ],
)
def test_a_control_that_is_chosen_by_name_is_answered_as_if_it_were_pressed(
    chosen: Chosen, pressed: list[Gesture]
) -> None:
    by_name, by_hand = after(chosen), after(*pressed)
    assert replace(by_name, answer=Answer()) == replace(by_hand, answer=Answer())
    if not by_name.muted:
        assert by_name.answer.phrase == by_hand.answer.phrase


def test_the_mute_can_be_ended_by_name_and_what_holds_already_is_not_answered() -> None:
    muted = replace(NOW, muted=True)
    assert after(Chosen("mute", False), now=muted) == after(Pressed(Button.MUTE), now=muted)
    assert after(Chosen("mute", True), now=muted) == muted
    assert after(Chosen("mute", False)) == NOW


def test_a_scene_can_be_chosen() -> None:
    assert after(Chosen("scene", "night")) == replace(NOW, scene="night")


@pytest.mark.parametrize("chosen", [Chosen("brightness", 0.5), Chosen("volume", "loud"), Chosen("mute", 1)])
def test_a_control_that_is_unknown_or_of_another_kind_is_refused(chosen: Chosen) -> None:
    with pytest.raises(ValueError, match=chosen.control):
        after(chosen)


@given(st.lists(gestures, max_size=40))
def test_the_controls_stay_in_range(done: list[Gesture]) -> None:
    states = [NOW]
    for gesture in done:
        states.append(apply(states[-1], gesture, NETWORKS)[0])
    for before, now in pairwise(states):
        assert 0.0 <= now.volume <= 1.0
        assert SLOWEST - 1e-9 <= now.tempo <= FASTEST + 1e-9
        assert now.network in NETWORKS
        assert now.sleep in (0, 30, 60, 90)
        assert not (now.muted and now.sleep)
        answered = now.answer.number - before.answer.number
        assert answered == 0 or (answered == 1 and not now.muted and 1 <= len(now.answer.phrase) <= 6)


@given(st.sampled_from([kind(button) for kind in (Pressed, Doubled, Held) for button in Button]))
def test_every_press_is_answered_but_the_one_that_mutes(gesture: Gesture) -> None:
    answered = after(gesture).answer.number == 1
    assert answered is not (gesture == Pressed(Button.MUTE))
