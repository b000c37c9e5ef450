# SPDX-License-Identifier: Apache-2.0
"""What a viewer gets, from events as the box sends them and a clock of our own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from appliance.control import note_fields
from appliance.page.view import NOTES, REMEMBERED, View
from appliance.values import Note, NoteEvent, Voice
from tests.support.statuses import STATUS


def note(voice: Voice = Voice.BELL, pitch: int = 67, tone: int = 3) -> dict[str, Any]:
    return {"note": note_fields(NoteEvent(Note(pitch, 0.5, 1.0, voice), 1.0, 1.0, 0.75), tone)}


def status(**changes: Any) -> dict[str, Any]:
    return {"status": replace(STATUS, **changes).as_json()}


def hello(view: View, now: float) -> dict[str, Any]:
    """All that a new viewer gets, by its key."""
    return {key: value for message in view.hello(now) for key, value in message.items()}


def test_a_new_viewer_gets_the_notes_of_the_last_minutes_and_how_the_box_is() -> None:
    view = View(steer=True)
    assert hello(view, 0.0) == {"hello": {"steer": True, "notes": []}, "box": False}
    for at, event in ((1.0, {"box": True}), (2.0, status()), (3.0, note()), (9.0, note(pitch=72))):
        view.take(event, at)
    got = hello(view, 3.0 + REMEMBERED)
    assert [(each["pitch"], each["age"]) for each in got["hello"]["notes"]] == [(72, REMEMBERED - 6.0)]
    assert got["box"]
    assert got["status"]["network"] == "public"


def test_the_drone_is_no_star_that_stays() -> None:
    view = View(steer=False)
    assert view.take(note(Voice.DRONE), 1.0) == note(Voice.DRONE)
    assert hello(view, 2.0)["hello"]["notes"] == []


def test_memory_is_bounded() -> None:
    view = View(steer=False)
    for _ in range(NOTES + 10):
        view.take(note(), 1.0)
    assert len(hello(view, 2.0)["hello"]["notes"]) == NOTES


def test_what_the_box_says_is_passed_on() -> None:
    view = View(steer=False)
    assert view.take(note(), 1.0) == note()
    assert view.take({"box": True}, 1.0) == {"box": True}
    assert view.take({"ledger": {"sequence": 7, "operations": 3}}, 1.0) == {
        "ledger": {"sequence": 7, "operations": 3}
    }


def test_the_folder_of_a_file_stays_with_its_owner() -> None:
    message = View(steer=False).take(status(playing="/media/ada/evening.score.gz"), 1.0)
    assert message is not None
    assert message["status"]["playing"] == "evening.score.gz"
    assert "ada" not in repr(message)


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"level": -20.0},
        {"log": "a line with an address"},
        {"lost": 3},
        {"new": 1},
        {"note": {}},
        {"status": {}},
    ],
)
def test_the_rest_is_not(event: dict[str, Any]) -> None:
    assert View(steer=False).take(event, 1.0) is None


def test_a_note_lights_its_lamp_as_on_the_case_and_a_chord_lights_none() -> None:
    view = View(steer=False)
    view.take({"box": True}, 0.0)
    view.take(status(), 0.0)
    view.lamps(1.0)
    view.take(note(Voice.PAD), 2.0)
    assert view.lamps(2.05) is None
    view.take(note(tone=3), 3.0)
    lamps = view.lamps(3.05)
    assert lamps is not None
    lit = [index for index, level in enumerate(lamps["lamps"]) if level > 0]
    assert lit == [3, 6]  # its own, and that of the network


def test_lamps_are_sent_when_they_change_and_are_dark_without_a_box() -> None:
    view = View(steer=False)
    view.take({"box": True}, 0.0)
    view.take(status(), 0.0)
    assert view.lamps(1.0) == {"lamps": (0.0,) * 6 + (1.0, 0.0, 0.0)}
    assert view.lamps(1.1) is None
    view.take({"box": False}, 1.2)
    assert view.lamps(1.3) == {"lamps": (0.0,) * 9}


def test_a_press_and_a_sleep_timer_show_on_the_lamps() -> None:
    view = View(steer=True)
    view.take({"box": True}, 0.0)
    view.take(status(), 0.0)
    view.lamps(1.0)
    view.press(2.0)
    assert view.lamps(2.1) == {"lamps": (0.0,) * 9}  # the network's lamp winks
    view.take(status(sleep=60), 3.0)
    assert view.lamps(3.1) == {"lamps": (1.0,) * 2 + (0.0,) * 4 + (1.0, 0.0, 0.0)}
