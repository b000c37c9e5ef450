# SPDX-License-Identifier: Apache-2.0
"""The live output on real ALSA, on cards that fail as real ones do, in real time."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from appliance.sound.outputs import NoSoundCard
from appliance.sound.outputs.alsa import HANGS, Alsa
from appliance.sound.outputs.cards import AUTO, Choice
from appliance.sound.outputs.speaker import (
    BURST,
    FADE,
    GIVE_UP,
    RETRY,
    SPARE,
    WINDOW,
    Blocks,
    CardThread,
    Fade,
    History,
    Opening,
    Speaker,
    Taken,
    Underruns,
)
from tests.support.fault_cards import Card, Cards

pytestmark = pytest.mark.process

BLOCK = 512
LEVEL = 0.5
PATIENCE = 100.0  # s, for waits that take a few on an idle machine


class Music:
    """Plays a level tone on a thread of its own, as the performer's."""

    def __init__(self, speaker: Speaker) -> None:
        self.speaker = speaker
        self.blocks = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._play)
        self._thread.start()

    def _play(self) -> None:
        block = np.full((BLOCK, 2), LEVEL, dtype=np.float32)
        while not self._stop.is_set():
            self.speaker.write(block)
            self.blocks += 1

    def until(self, seen: Callable[[], object]) -> float:
        """Wait for something, and return how many seconds of music went by."""
        begun, deadline = self.blocks, time.monotonic() + PATIENCE
        while not seen():
            assert time.monotonic() < deadline, f"Timeout; {self.speaker.status}"
            time.sleep(0.01)
        return (self.blocks - begun) * BLOCK / 48_000

    def go_on(self, seconds: float) -> float:
        """Let some seconds of music go by."""
        end = self.blocks + seconds * 48_000 / BLOCK
        return self.until(lambda: self.blocks >= end)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self.speaker.close()


@contextmanager
def music(speaker: Speaker) -> Iterator[Music]:
    it = Music(speaker)
    try:
        yield it
    finally:
        it.stop()


@pytest.fixture
def card(cards: Cards, request: pytest.FixtureRequest) -> Card:
    return cards[request.node.name.replace("[", "-").replace("]", "")]


def on(card: Card) -> Speaker:
    return Speaker(card.device, latency=0.128, block=BLOCK)


@pytest.mark.parametrize(("mode", "underruns"), [("waits", 0), ("waits dry", 3)])
def test_a_sound_is_heard_whole_and_underruns_are_counted(card: Card, mode: str, underruns: int) -> None:
    """The card's clock stops when it has no samples, so a slow machine adds no underrun to those that are forced."""
    sound = np.random.default_rng(1).uniform(-0.5, 0.5, (100, BLOCK, 2)).astype(np.float32)
    card.be(mode)
    speaker = Speaker(card.device, latency=0.128, block=BLOCK, patience=PATIENCE)
    deadline = time.monotonic() + PATIENCE
    while not speaker.status.card:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    for block in sound:
        speaker.write(block)
    latency = speaker.latency
    speaker.close()
    assert speaker.status.underruns == card.underruns == underruns
    assert 0.0 < latency < 0.145
    played, meant = card.played(), sound.reshape(-1, 2)
    faded = (int(FADE * 48_000 / BLOCK) + 1) * BLOCK
    assert np.array_equal(played[faded:], meant[faded:])
    assert np.all(np.abs(played[:faded]) <= np.abs(meant[:faded]))


def test_no_card_at_first(card: Card, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    card.be("gone")
    with music(on(card)) as it:
        assert "no sound card" in it.speaker.status.why
        assert it.speaker.status.card == ""
        it.go_on(1.5)
        card.be("ok")
        assert it.until(lambda: card.heard) < 2.0
        assert it.speaker.status.why == ""
    assert len(caplog.messages) <= 2


@pytest.mark.parametrize("mode", ["gone", "busy gone", "xrun"])
def test_a_card_that_goes_and_comes_back(card: Card, mode: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with music(on(card)) as it:
        it.until(lambda: card.heard > 50_000)
        card.be(mode)
        it.until(lambda: it.speaker.status.why)
        it.go_on(2.0)
        before = card.heard
        card.be("ok")
        it.until(lambda: card.heard > before)
        assert it.speaker.status.card == repr(card.device)
    assert 1 <= len(caplog.messages) <= 5
    assert caplog.messages[0].startswith(f"Playing on {card.device!r} with ")


def test_it_comes_back_within_two_seconds(card: Card) -> None:
    with music(on(card)) as it:
        it.until(lambda: card.heard)
        card.be("gone")
        it.until(lambda: it.speaker.status.why)
        before = card.heard
        card.be("ok")
        assert it.until(lambda: card.heard > before) < 2.0


def test_a_flapping_card_does_not_fill_the_log(card: Card, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with music(on(card)) as it:
        for _ in range(4):
            it.until(lambda: it.speaker.status.card)
            card.be("gone")
            it.until(lambda: it.speaker.status.why)
            card.be("ok")
    assert len(caplog.messages) <= 3


def test_many_underruns_double_the_buffer_once(card: Card, caplog: pytest.LogCaptureFixture) -> None:
    with music(on(card)) as it:
        it.until(lambda: card.heard)
        card.be("xrun")
        it.until(lambda: it.speaker.status.underruns >= 3 * BURST)
        card.be("ok")
        it.until(lambda: it.speaker.status.card and it.speaker.latency > 0.2)
        assert it.speaker.latency < 0.3
    # Of the buffer, and, unless the card was well again before, of the card.
    assert 1 <= sum(record.levelname == "WARNING" for record in caplog.records) <= 2


def test_a_card_that_runs_dry_at_once_takes_no_more_music_than_real_time(card: Card) -> None:
    with music(on(card)) as it:
        it.until(lambda: card.heard)
        card.be("xrun")
        begun, blocks = time.monotonic(), it.blocks
        it.until(lambda: time.monotonic() - begun > 4.0)
        passed = time.monotonic() - begun
        assert (it.blocks - blocks) * BLOCK / 48_000 < passed + 1.0  # s, of some full buffers


def test_a_card_that_stalls_for_a_while_is_opened_again(card: Card) -> None:
    with music(on(card)) as it:
        it.until(lambda: card.heard)
        card.be("stall")
        begun = time.monotonic()
        music_lost = it.until(lambda: it.speaker.status.why)
        assert music_lost < HANGS + 2.0
        assert time.monotonic() - begun > HANGS - 1.0
        before = card.heard
        card.be("ok")
        it.until(lambda: card.heard > before)


def test_a_card_that_hangs_costs_the_sound_and_not_the_music(cards: Cards) -> None:
    """It takes nothing; a call of it does not return; it cannot be opened. All three return."""
    stall, hang, pipe = cards["stall-for-long"], cards["hang"], cards.folder / "pipe"
    os.mkfifo(pipe)
    with (
        music(on(stall)) as one,
        music(on(hang)) as two,
        music(Speaker("pipe", latency=0.128, block=BLOCK)) as three,
    ):
        one.until(lambda: stall.heard)
        two.until(lambda: hang.heard)
        stall.be("stall")
        hang.be("hang")
        begun = three.blocks
        two.until(lambda: "hung" in two.speaker.status.why)
        three.until(lambda: "hung" in three.speaker.status.why)
        assert one.speaker.status.why
        assert not one.speaker.status.card
        assert (three.blocks - begun) * BLOCK / 48_000 > GIVE_UP - 3.0  # the music went on meanwhile
        before = stall.heard, hang.heard
        stall.be("ok")
        hang.be("ok")
        reader = threading.Thread(target=pipe.read_bytes)  # until the speaker closes the pipe
        reader.start()
        one.until(lambda: stall.heard > before[0] and one.speaker.status.card)
        two.until(lambda: hang.heard > before[1] and two.speaker.status.card)
        three.until(lambda: three.speaker.status.card)
    reader.join()


def test_a_card_that_hangs_is_left_for_another(cards: Cards) -> None:
    hat, usb = cards["hat-that-hangs"], cards["usb-beside-it"]
    found = [Choice(hat.device, "the sound board"), Choice(usb.device, "the USB card")]
    with music(Speaker(AUTO, latency=0.128, block=BLOCK, find=lambda: found)) as it:
        it.until(lambda: hat.heard)
        hat.be("stall")
        it.until(lambda: usb.heard)
        assert it.speaker.status.card == "the USB card"
        it.go_on(2.5)  # two searches for a better one
        assert it.speaker.status.card == "the USB card"


def test_a_card_that_returns_as_it_is_given_up_is_closed(card: Card) -> None:
    found = [Choice(card.device, "the card")]
    thread = CardThread(
        lambda device, latency: Alsa(device, latency=latency), lambda: found, 0.085, 4, History(), ""
    )
    thread.start()
    assert thread.tried.wait(PATIENCE)
    assert thread.card
    thread.abandon()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert not thread.card


class Refusing:
    """An open card that takes no block."""

    latency = 0.05
    closed = 0

    def rest(self, frames: int) -> None: ...

    def write(self, samples: NDArray[np.float32]) -> int:
        raise NoSoundCard("It takes none.")

    def drain(self) -> None: ...

    def close(self) -> None:
        self.closed += 1


def test_a_block_that_the_card_refuses_is_not_waited_for() -> None:
    """Else lamps and page would be later with each one, for as long as the box plays."""
    card = Refusing()
    thread = CardThread(lambda *_: card, lambda: [Choice("x", "the card")], 0.085, 4, History(), "")
    thread.start()
    assert thread.tried.wait(PATIENCE)
    assert thread.blocks.put(np.zeros((BLOCK, 2), dtype=np.float32), PATIENCE)
    ends = time.monotonic() + PATIENCE
    while not thread.why and time.monotonic() < ends:
        time.sleep(0.01)
    thread.leave()
    thread.join(PATIENCE)
    assert (thread.heard[0], card.closed) == (1, 1)


def test_a_card_that_is_not_wanted_any_more_is_closed_once() -> None:
    card = Refusing()
    opening = Opening(lambda *_: card, Choice("x", "the card"), 0.085)
    opening.start()
    opening.join(PATIENCE)
    opening.leave()
    opening.leave()
    assert card.closed == 1


def test_a_card_that_hangs_at_the_end_is_closed_when_it_returns(cards: Cards) -> None:
    """In a call while it plays, and while it is opened."""
    card, pipe, before = (
        cards["hang-at-the-end"],
        cards.folder / "end",
        set(threading.enumerate()),
    )
    os.mkfifo(pipe)
    with music(on(card)) as it:
        it.until(lambda: card.heard)
        card.be("hang")
        it.go_on(1.0)
    speaker = Speaker("pipe:end", latency=0.128, block=BLOCK, patience=0.01)
    speaker.close()
    hung = [each for each in threading.enumerate() if each not in before]
    assert len(hung) == 2
    card.be("ok")
    reader = threading.Thread(target=pipe.read_bytes, daemon=True)  # until the speaker closes the pipe
    reader.start()
    for thread in hung:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_a_better_card_that_hangs_while_it_is_opened_costs_no_sound(cards: Cards) -> None:
    usb, pipe = cards["usb-that-stays"], cards.folder / "better"
    there = [Choice(usb.device, "the USB card")]
    os.mkfifo(pipe)
    with music(Speaker(AUTO, latency=0.128, block=BLOCK, find=lambda: list(there))) as it:
        it.until(lambda: usb.heard)
        there.insert(0, Choice("pipe:better", "the sound board"))
        before = usb.heard
        it.until(lambda: usb.heard > before + 3 * 48_000 * 8)  # bytes of 3 s
        assert it.speaker.status.card == "the USB card"
        # Where a slow computer makes the USB card run dry, the pipe is closed and opened again.
        threading.Thread(target=lambda: [pipe.read_bytes() for _ in count()], daemon=True).start()
        it.until(lambda: it.speaker.status.card == "the sound board")
    assert smooth(usb.played()[:, 0])


def test_a_device_without_a_clock_takes_no_more_music_than_real_time(cards: Cards) -> None:
    with music(Speaker("null", latency=0.128, block=BLOCK)) as it:
        begun = time.monotonic()
        it.until(lambda: time.monotonic() - begun > 2.0)
        passed = time.monotonic() - begun
        assert it.blocks * BLOCK / 48_000 < passed + SPARE + 0.5  # s, of the buffer and the queue


def test_a_better_card_is_taken_with_a_fade(cards: Cards, caplog: pytest.LogCaptureFixture) -> None:
    """The cards' clocks stop without samples: a slow machine that makes a card dry has it opened again, unfaded."""
    caplog.set_level(logging.INFO)
    usb, hat = cards["usb"], cards["hat"]
    usb.be("waits")
    there = [Choice(usb.device, "the USB card")]
    hat.be("busy")
    with music(Speaker(AUTO, latency=0.128, block=BLOCK, find=lambda: list(there))) as it:
        it.until(lambda: usb.heard > 200_000)
        assert it.speaker.status.card == "the USB card"
        there.insert(0, Choice(hat.device, "the sound board"))
        it.go_on(1.5)
        assert hat.heard == 0  # busy, and not tried again within REFUSED seconds
        hat.be("waits")
        there[0] = Choice(f"plug:'{hat.device}'", "the sound board")
        it.until(lambda: hat.heard > 200_000)
        assert it.speaker.status.card == "the sound board"
    assert smooth(usb.played()[:, 0])
    assert usb.played()[-1, 0] < 0.1
    assert smooth(hat.played()[:, 0])
    for line, card in zip(caplog.messages, ("the USB card", "the sound board"), strict=True):
        assert card in line


def smooth(played: NDArray[np.float32]) -> bool:
    """Whether a level tone never jumps on a card, whatever the card still held at the end."""
    return bool(np.abs(np.diff(played, prepend=0.0)).max() < 0.001)


def test_a_card_without_a_listener_any_more_is_left(cards: Cards) -> None:
    hdmi = cards["hdmi"]
    there = [Choice(hdmi.device, "HDMI")]
    with music(Speaker(AUTO, latency=0.128, block=BLOCK, find=lambda: list(there))) as it:
        it.until(lambda: hdmi.heard)
        there.clear()
        it.until(lambda: "HDMI" in it.speaker.status.why)
        it.until(lambda: "sound.device" in it.speaker.status.why)


def test_an_error_of_our_own_is_not_hidden_in_a_thread() -> None:
    def broken() -> list[Choice]:
        raise ZeroDivisionError

    speaker = Speaker(AUTO, latency=0.128, block=BLOCK, find=broken)
    with pytest.raises(ZeroDivisionError):
        speaker.write(np.zeros((BLOCK, 2), dtype=np.float32))
    speaker.close()


def test_the_latency_is_that_of_each_block(cards: Cards) -> None:
    """Block by block it says when the next one is heard: on one straight line, as fast as time."""
    for attempt in range(20):
        speaker = on(cards[f"latency-{attempt}"])
        block, heard = np.zeros((BLOCK, 2), dtype=np.float32), list[float]()
        for _ in range(300):
            heard.append(time.monotonic() + speaker.latency)
            speaker.write(block)
        speaker.close()
        line = np.array(heard[100:]) - np.arange(200) * BLOCK / 48_000
        if not speaker.status.underruns and np.percentile(np.abs(line - np.median(line)), 90) < 0.005:
            assert 0.0 < speaker.status.latency < 0.15
            return
    pytest.fail("The latency jumped in each of twenty attempts.")


# --- the pure parts -----------------------------------------------------------------------------------------


def test_blocks_are_taken_in_order_and_none_is_added_until_all_are_taken() -> None:
    blocks = Blocks(3)
    one, two, three = (np.full((1, 2), number, dtype=np.float32) for number in (1, 2, 3))
    assert all(blocks.put(each, 0.0) for each in (one, two, three))
    assert not blocks.put(one, 0.0)
    assert blocks.get() is one
    assert blocks.get() is two
    assert not blocks.put(one, 0.0)  # there is room, but not for a burst
    assert blocks.get() is three
    assert all(blocks.put(each, 0.0) for each in (one, two, three))
    assert blocks.clear() == 3
    assert all(blocks.put(each, 0.0) for each in (two, three, one))
    blocks.end()  # for which there is always room
    assert blocks.get() is two
    assert blocks.clear() == 2
    assert blocks.get() is None


def test_a_thread_that_waits_for_a_block_or_for_room_gets_it() -> None:
    blocks, taken = Blocks(2), list[float]()

    def read() -> None:
        while (block := blocks.get()) is not None:
            taken.append(float(block[0, 0]))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1000):
        assert blocks.put(np.full((1, 2), number, dtype=np.float32), 60.0)
    blocks.end()
    reader.join()
    assert taken == list(range(1000))


@given(st.lists(st.sampled_from([0.0, 1.0]), max_size=200))
def test_a_fade_never_jumps_and_arrives(targets: list[float]) -> None:
    fade = Fade()
    ones = np.ones((BLOCK, 2), dtype=np.float32)
    heard = np.concatenate([np.zeros((1, 2)), *(fade.apply(ones, target) for target in targets)])
    assert np.abs(np.diff(heard[:, 0])).max(initial=0.0) < 1.5 / (FADE * 48_000)
    for _ in range(round(FADE * 48_000 / BLOCK) + 2):
        last = fade.apply(ones, 1.0)
    assert last is ones
    assert fade.level == 1.0


@given(st.floats(0.99, 1.01), st.floats(0.02, 1.0))
def test_a_card_with_a_clock_of_its_own_is_never_too_fast(speed: float, buffer: float) -> None:
    taken, now, block = Taken(0.0, buffer), 0.0, BLOCK / 48_000
    for _ in range(round(buffer / block)):
        assert not taken.too_fast(now, block)
    for _ in range(4_000):
        now += block / speed
        assert not taken.too_fast(now, block)


@given(st.floats(1.2, 1000.0))
def test_a_device_without_a_clock_is_noticed(speed: float) -> None:
    taken, block = Taken(0.0, 0.1), BLOCK / 48_000
    assert any(taken.too_fast(number * block / speed, block) for number in range(round(WINDOW / block)))


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(1, 20)), max_size=40))
def test_underruns_are_a_burst_when_the_last_of_them_are_close(dry: list[tuple[float, int]]) -> None:
    underruns = Underruns()
    now, moments = 0.0, []
    for pause, times in dry:
        now += pause
        underruns.add(now, times)
        moments += [now] * times
        last = moments[-BURST:]
        assert underruns.burst(10.0) is (len(last) == BURST and last[-1] - last[0] < 10.0)
    assert underruns.count == len(moments)
    underruns.reset()
    assert not underruns.burst(10.0)
    assert RETRY < 2.0
