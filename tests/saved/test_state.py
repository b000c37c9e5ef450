# SPDX-License-Identifier: Apache-2.0
import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.saved.files import LARGEST, read
from appliance.saved.state import (
    AT_ONCE,
    EVERY,
    SETTLED,
    SavedControls,
    Saver,
    State,
    WriteThrottle,
    decode,
    encode,
    restored,
)
from appliance.values import Controls

CONTROLS = SavedControls(0.7, 60.0, "public", "wind")
STATE = State(CONTROLS, replace(CONTROLS, volume=0.4, network="testnet"), ("testnet", 59_000_000))
SETTINGS = Controls(0.7, 60.0, "public", scene="wind")
KNOWN = (("public", "testnet"), ("wind", "night"))
VALID = json.loads(encode(STATE))

printable = st.characters(exclude_categories=("C", "Z"), include_characters=" ")
names = st.text(printable, min_size=1, max_size=100)
saved_controls = st.builds(SavedControls, st.floats(0, 1), st.floats(30, 180), names, names)
states = st.builds(State, saved_controls, saved_controls, st.none() | st.tuples(names, st.integers(0, 2**32)))


# --- content ------------------------------------------------------------------------------------------------


@given(states)
def test_what_is_written_is_read(state: State) -> None:
    assert decode(encode(state)) == state


@given(states)
def test_a_file_is_always_small_enough_to_be_read(state: State) -> None:
    assert len(encode(state)) <= LARGEST


def test_the_state_of_the_first_edition_is_taken_over() -> None:
    """As 0.1.0 wrote it; only the name of the last ledger was another one."""
    old = (
        b'{\n "version": 1,\n "settings": {\n  "volume": 0.7,\n  "tempo": 60.0,\n  "network": "public",\n'
        b'  "scene": "wind"\n },\n "controls": {\n  "volume": 0.4,\n  "tempo": 60.0,\n  "network": "testnet",\n'
        b'  "scene": "wind"\n },\n "heard": [\n  "testnet",\n  59000000\n ]\n}\n'
    )
    assert decode(old) == STATE
    assert json.loads(old).items() <= json.loads(encode(STATE)).items()  # so 0.1.0 reads what we write


def test_saved_controls_come_back() -> None:
    assert restored(SETTINGS, STATE, *KNOWN) == replace(SETTINGS, volume=0.4, network="testnet")


def test_a_setting_that_was_changed_since_then_applies() -> None:
    settings = replace(SETTINGS, volume=0.2)
    assert restored(settings, STATE, *KNOWN) == replace(settings, network="testnet")


def test_a_network_or_scene_that_is_unknown_now_is_ignored() -> None:
    state = replace(STATE, controls=replace(CONTROLS, network="mine", scene="storm", tempo=90.0))
    assert restored(SETTINGS, state, *KNOWN) == replace(SETTINGS, tempo=90.0)


@given(st.binary(max_size=200) | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(repr))
def test_any_other_content_is_refused(content: bytes | str) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(content.encode() if isinstance(content, str) else content)


@given(
    st.dictionaries(
        st.sampled_from(sorted(VALID.keys() - {"heard"})),  # which only 0.1.0 reads
        st.dictionaries(st.sampled_from(list(VALID["controls"])), st.integers()),
    )
)
def test_a_state_with_one_wrong_field_is_refused(wrong: dict[str, dict[str, int]]) -> None:
    if not wrong:
        assert decode(json.dumps(VALID).encode()) == STATE
        return
    with pytest.raises(ValueError, match=r"."):
        decode(json.dumps(VALID | wrong).encode())


# --- when it is written -------------------------------------------------------------------------------------

DAY = 86_400


def turned(volume: float) -> State:
    return replace(STATE, controls=replace(CONTROLS, volume=volume))


def test_a_new_last_ledger_alone_is_not_written() -> None:
    throttle = WriteThrottle(STATE)
    assert not any(
        throttle.due(replace(STATE, last_ledger=("public", second)), second) for second in range(DAY)
    )


def test_a_box_without_a_file_writes_one() -> None:
    throttle = WriteThrottle(None)
    assert [second for second in range(10) if throttle.due(STATE, second)] == [5, 6, 7, 8, 9]


def test_a_knob_is_written_when_it_rests() -> None:
    throttle = WriteThrottle(STATE)
    assert not any(throttle.due(turned(0.001 * second), second) for second in range(100))
    assert not throttle.due(turned(0.099), 99 + SETTLED - 0.1)
    assert throttle.due(turned(0.099), 99 + SETTLED)


def test_a_knob_that_comes_back_to_where_it_was_is_not_written() -> None:
    throttle = WriteThrottle(STATE)
    throttle.due(turned(0.9), 1)
    assert not throttle.due(STATE, 100)


@pytest.mark.parametrize("pause", [SETTLED, 20, 290, 1000])
def test_there_are_300_writes_a_day_at_most(pause: float) -> None:
    throttle, writes, second = WriteThrottle(STATE), [], 0.0
    for index in range(int(3 * DAY / pause)):
        state = turned(0.001 * (index % 997))
        throttle.due(state, second)
        second += pause
        if throttle.due(state, second):
            throttle.tried(state, second, written=True)
            writes.append(second)
    assert all(sum(day <= write < day + DAY for write in writes) <= 300 for day in range(0, 2 * DAY, 3600))
    assert len(writes) >= min(3 * DAY / pause, 3 * 288) * 0.98


def test_a_burst_of_changes_is_written_at_once() -> None:
    throttle, written = WriteThrottle(STATE), 0
    for index in range(100):
        state, second = turned(0.001 * index), 10.0 * index
        throttle.due(state, second)
        if throttle.due(state, second + SETTLED):
            throttle.tried(state, second + SETTLED, written=True)
            written += 1
    assert written == AT_ONCE + 1000 // EVERY


def test_after_a_failure_there_is_a_try_every_five_minutes() -> None:
    throttle, tries = WriteThrottle(STATE), []
    for second in range(3600):
        if throttle.due(turned(0.1), second):
            throttle.tried(turned(0.1), second, written=False)
            tries.append(second)
    assert tries == list(range(5, 3600, 300))


# --- the saver ----------------------------------------------------------------------------------------------


def run(saver: Saver) -> None:
    async def briefly() -> None:
        async with saver.running():
            await asyncio.sleep(0)

    asyncio.run(briefly())


def test_the_last_state_is_written_at_the_end(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    run(Saver(file, None, lambda: STATE))
    assert read(file, decode) == STATE


def test_at_the_end_a_last_ledger_alone_is_written_too(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    run(Saver(file, replace(STATE, last_ledger=None), lambda: replace(STATE, last_ledger=None)))
    assert not file.exists()
    run(Saver(file, STATE, lambda: replace(STATE, last_ledger=("testnet", 60_000_000))))
    saved = read(file, decode)
    assert saved
    assert saved.last_ledger == ("testnet", 60_000_000)


def test_a_disk_that_takes_nothing_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "folder").touch()
    run(Saver(tmp_path / "folder" / "state.json", None, lambda: STATE))
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert f"{tmp_path}/folder/state.json" in record.getMessage()
    assert "File exists" in record.getMessage()
