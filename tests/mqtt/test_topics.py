# SPDX-License-Identifier: Apache-2.0
"""What is published of a box, and what is obeyed."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.control import BadCommand, gesture_of
from appliance.mqtt.topics import COMMANDS, command, discovery, values
from appliance.values import Chosen
from tests.support.statuses import STATUS

NETWORKS, SCENES = ("public", "testnet"), ("wind", "night")


def test_a_status_is_a_value_for_each_topic() -> None:
    assert values(STATUS) == {
        "volume": "70",
        "tempo": "60",
        "network": "public",
        "scene": "wind",
        "mute": "OFF",
        "sleep": "0",
        "state": "live",
        "notes": "70",
    }
    assert values(replace(STATUS, muted=True))["mute"] == "ON"


@pytest.mark.parametrize(
    ("left", "shown"), [(0, "0"), (1, "30"), (30, "30"), (31, "60"), (90, "90"), (91, "90")]
)
def test_a_sleep_timer_that_counts_down_is_the_step_that_it_was_set_to(left: int, shown: str) -> None:
    assert values(replace(STATUS, sleep=left))["sleep"] == shown


def test_nothing_that_is_published_says_whose_box_it_is() -> None:
    private = replace(STATUS, card="Ada's headphones", silent="ada", playing="/music/ada/evening.mid")
    assert "ada" not in json.dumps(values(private)).lower()
    named = {each.name for each in fields(STATUS)}
    assert not values(private).keys() & (named - {"volume", "tempo", "network", "scene", "sleep", "state"})


def test_all_configurations_together_are_one_device() -> None:
    found = discovery("wind/stellar-wind-1", "stellar-wind-1", "0.1.0", NETWORKS, SCENES)
    configs = {topic: json.loads(text) for topic, text in found.items()}
    components = sorted(topic.split("/")[0] for topic in configs)
    assert components == ["button"] + 2 * ["number"] + 3 * ["select"] + 3 * ["sensor"] + ["switch"]
    assert len({json.dumps(config["device"]) for config in configs.values()}) == 1
    assert len({config["unique_id"] for config in configs.values()}) == len(configs)
    assert {config["availability_topic"] for config in configs.values()} == {"wind/stellar-wind-1/available"}
    for topic, config in configs.items():
        name = topic.split("/")[2]
        assert topic.split("/")[1::2] == ["stellar-wind-1", "config"]
        assert ("command_topic" in config) == (name in COMMANDS)
        assert (
            config.get("command_topic", f"wind/stellar-wind-1/{name}/set")
            == f"wind/stellar-wind-1/{name}/set"
        )
        assert ("state_topic" in config) == (name != "keep")
    by_name = {topic.split("/")[2]: config for topic, config in configs.items()}
    assert by_name.keys() == {*values(STATUS), "ledger", "keep"}
    assert by_name["network"]["options"] == list(NETWORKS)
    assert by_name["scene"]["options"] == list(SCENES)
    for name, value in values(STATUS).items():  # Home Assistant takes no value that is not among the options
        assert value in by_name[name].get("options", [value])


def test_a_version_that_is_not_known_is_left_out() -> None:
    for text in discovery("wind/a", "a", "", NETWORKS, SCENES).values():
        assert "sw_version" not in json.loads(text)["device"]


@pytest.mark.parametrize(
    ("name", "payload", "value"),
    [
        ("volume", b"40", 0.4),
        ("volume", b"100", 1.0),
        ("tempo", b"72.0", 72.0),
        ("network", b"testnet", "testnet"),
        ("scene", b"night", "night"),
        ("mute", b"ON", True),
        ("mute", b"OFF", False),
        ("sleep", b"30", 30),
        ("sleep", b"0", 0),
    ],
)
def test_a_message_is_a_command_that_the_box_obeys(name: str, payload: bytes, value: object) -> None:
    assert gesture_of(command(name, payload), NETWORKS, SCENES) == Chosen(name, value)  # type: ignore[arg-type]


def test_a_press_of_keep_keeps() -> None:
    assert command("keep", b"PRESS") == {"do": "keep"}


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("volume", b"loud"),
        ("volume", b"101"),
        ("volume", b"-1"),
        ("volume", b"nan"),
        ("tempo", b""),
        ("tempo", b"500"),
        ("tempo", b"inf"),
        ("network", b"mine"),
        ("scene", b"\xff\xfe"),
        ("mute", b"true"),
        ("sleep", b"45"),
        ("sleep", b"nan"),
        ("keep", b"ON"),
        ("power_off", b"PRESS"),
    ],
)
def test_what_is_no_value_is_a_bad_command(name: str, payload: bytes) -> None:
    with pytest.raises(BadCommand):
        gesture_of(command(name, payload), NETWORKS, SCENES)


@given(name=st.sampled_from([*COMMANDS, "state", ""]), payload=st.binary(max_size=50))
def test_any_message_is_a_gesture_or_a_bad_command(name: str, payload: bytes) -> None:
    found: dict[str, Any] = {"do": "keep"}
    try:
        found = command(name, payload)
        if found["do"] != "keep":
            assert isinstance(gesture_of(json.loads(json.dumps(found)), NETWORKS, SCENES), Chosen)
    except BadCommand:
        pass
