# SPDX-License-Identifier: Apache-2.0
"""What you just heard, again: the last half hour, always at hand as a tape, and the same score from it, note for note.

The one rule: nothing is kept of the sound, only what it came from. The composer is pure, so how the music stood at a
moment (some 8 kB) and all that it was told since (ledgers, each with its block, and what hands did) is the same score.
That is a chapter; a new one begins every five minutes, and the oldest goes. `Memory.block` is the performer's thread,
and only takes notes of what it is handed; the rest is the main thread's, and `again` is a render's.

    performer ─▶ notes ─(main thread)─▶ chapters, packed, under 1 MB ─▶ keepsakes.py ─▶ a kept tape ─▶ `again`
"""

from __future__ import annotations

import gzip
import hashlib
import io
import logging
import math
import os
import pickle
import signal
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from appliance import crashes, state
from appliance.ledger.tape import BadTape, Header, Line, Opening, Tape, encode
from appliance.music.composer import Composer
from appliance.music.queue import Inbox
from appliance.music.transport import Moment
from appliance.render import output_for
from appliance.settings import Settings, Sound
from appliance.sound import SAMPLE_RATE
from appliance.sound.performer import FADE_OUT, PART, Instrument, Paper, Performer
from appliance.values import BoxError, Controls, Ledger, Sounded

HALF_HOUR = 1800.0  # s
CHAPTER = 300.0  # s
LEAD = (
    120.0  # s of music before, in which a synth comes to sound as the box's did: twice as long as any chord
)
KEPT = "kept"  # the folder of what was kept, beside the state
EVERY = 10  # blocks between two words about the progress
PATIENCE = 20.0  # s for a box that was asked
ANOTHERS = "The box belongs to another user: ask it with sudo."
BOUND = 1 << 20  # bytes; the busiest half hour of the public network takes a half of it


log = logging.getLogger(__name__)

T = TypeVar("T")


class NothingPlays(BoxError, LookupError):
    """There is no box that could keep what it played."""


# --- in the box: always -----------------------------------------------------------------------------------------


class Memory:
    """Remembers what the music came from. `settings` are those that the box plays with; `bound` is in bytes."""

    def __init__(self, settings: Settings, bound: int = BOUND) -> None:
        self._settings, self._bound = settings, bound
        self._notes: deque[tuple[float, bytes | Controls | Ledger]] = deque()  # from one thread to the other
        self._next = 0.0  # s at which a new chapter begins
        self._hands: tuple[object, ...] = ()  # what the last controls said to the composer
        self._ended = 0.0  # s at which the last block ended
        self._network = settings.network
        self._chapters: deque[_Chapter] = deque()

    def block(self, performer: Performer, controls: Controls, *, leaving: bool) -> list[Sounded]:
        """Have the performer play its next block, and note what it is told. The performer's thread."""
        begins = performer.now.seconds
        hands = (controls.tempo, controls.network, controls.scene, controls.answer)
        if begins >= self._next:
            self._next = begins + CHAPTER
            self._notes.append((begins, performer.pack()))
            self._hands = ()
        begun = performer.block(controls, leaving=leaving)
        if hands != self._hands:
            self._hands = hands
            self._notes.append((begins, controls))
        self._notes.extend((begins, ledger) for ledger in performer.heard)
        self._ended = performer.now.seconds
        return begun

    def settle(self) -> None:
        """Put away what was noted since last time. The main thread, every second or so."""
        for _ in range(len(self._notes)):
            seconds, note = self._notes.popleft()
            if isinstance(note, bytes):
                if self._chapters:
                    self._chapters[-1].close()
                self._chapters.append(_Chapter(seconds, note))
            else:
                self._chapters[-1].add(seconds, note)
                if isinstance(note, Controls):
                    self._network = note.network
        while len(self._chapters) > 1 and (
            self._chapters[1].begins <= self._ended - HALF_HOUR - LEAD or self.size > self._bound
        ):
            self._chapters.popleft()

    @property
    def size(self) -> int:
        """Bytes that are put away."""
        return sum(chapter.size for chapter in self._chapters)

    def last(self, seconds: float = HALF_HOUR) -> Last:
        """The last `seconds`, or what there is of them; raises NothingPlays before the first. The main thread."""
        self.settle()
        if not self._chapters:
            raise NothingPlays("The box has played nothing yet: ask it again in a moment.")
        first = self._chapters[0]
        ends = self._ended - first.begins
        begins = max(0.0, ends - seconds)
        sound = self._settings.sound
        opening = Opening(
            made_by=fingerprint(),
            music=zlib.decompress(first.music),
            block=sound.block,
            voices=sound.voices,
            seed=self._settings.seed,
            begins=begins,
            seconds=ends - begins,
        )
        about = "What a Stellar Wind Box played: render it, and hear it again."
        packed = tuple(chapter.packed() for chapter in self._chapters)
        return Last(Header(self._network, about, opening), first.begins, packed)


@dataclass(frozen=True, slots=True)
class Last:
    """What was kept, on its way to a file."""

    header: Header
    begins: float  # s of the audio clock
    chapters: tuple[bytes, ...]

    def tape(self) -> bytes:
        """The bytes of a gzipped tape. Any thread; it takes a small board seconds."""
        lines = (line for packed in self.chapters for line in self._lines(packed))
        return gzip.compress("\n".join([encode(self.header), *lines, ""]).encode(), compresslevel=6, mtime=0)

    def _lines(self, packed: bytes) -> Iterator[str]:
        for line in zlib.decompress(packed).decode().splitlines():
            seconds, _, rest = line.partition(" ")
            yield f'{{"t":{round(float(seconds) - self.begins, 3)},{rest}'


class _Chapter:
    """How the music stood at a moment, and what it was told since: packed as it comes."""

    def __init__(self, begins: float, music: bytes) -> None:
        self.begins, self.music = begins, zlib.compress(music)
        self._packer = zlib.compressobj()
        self._packed = bytearray()

    @property
    def size(self) -> int:
        return len(self.music) + len(self._packed)

    def add(self, seconds: float, entry: Controls | Ledger) -> None:
        # The moment stands apart, to its last bit: which block it names must not depend on where a tape begins.
        line = f"{seconds!r} {encode(Line(0.0, entry)).removeprefix(_TIME)}\n"
        self._packed += self._packer.compress(line.encode())

    def close(self) -> None:
        self._packed += self._packer.flush()
        self._packer = None  # type: ignore[assignment] # nothing is added any more, and it holds 256 kB

    def packed(self) -> bytes:
        return bytes(self._packed) + (self._packer.copy().flush() if self._packer else b"")


_TIME = '{"t":0.0,'


# --- beside the box: whoever asks it ----------------------------------------------------------------------------


def ask(places: Iterable[Path | None], clock: Callable[[], float] = time.monotonic) -> Path:
    """Ask the box that plays on this machine to keep the last half hour, and return where the tape is.

    `places` are the folders in which its state may be. Raises NothingPlays.
    """
    shut = False
    for place in filter(None, places):
        if _shut(place):
            shut = True
        elif (run := state.read(place / "running.json", crashes.decode)) and _plays(run.process):
            break
    else:
        if shut:
            raise NothingPlays(ANOTHERS)
        raise NothingPlays(
            "No box plays here, as far as may be seen. Start one, or say in which folder its state is: --set state=..."
        )
    folder = place / KEPT
    before = set(folder.glob("*.tape.gz"))
    try:
        os.kill(run.process, signal.SIGUSR1)
    except PermissionError as error:
        raise NothingPlays(ANOTHERS) from error
    ends = clock() + PATIENCE
    while clock() < ends:
        if kept := set(folder.glob("*.tape.gz")) - before:
            return max(kept)
        time.sleep(0.02)
    raise NothingPlays(f"The box was asked, but has kept nothing within {PATIENCE:.0f} s; its log says why.")


def _shut(place: Path) -> bool:
    """Whether a folder may not be entered: the service's is nobody else's."""
    try:
        os.stat(place / "running.json")
    except OSError as error:
        return isinstance(error, PermissionError)
    return False


def _plays(process: int) -> bool:
    """Whether a process is a box that plays, and not another one that has got its number since."""
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"run" in words and any(b"appliance" in word or b"stellar-wind" in word for word in words)


# --- in a process of its own: once in a while -------------------------------------------------------------------


def again(
    tape: Tape,
    path: Path,
    progress: Callable[[float], None] = lambda _: None,
    listener: Callable[[NDArray[np.float32], Sequence[Sounded]], None] = lambda *_: None,
    *,
    seconds: float = math.inf,
) -> float:
    """Play a kept tape into `path`, whose ending says what it becomes, and return how many seconds that was.

    The score is the one that was heard, its first `seconds` or all of it; the volume is full, as of any render.
    `progress` is told the seconds done, and `listener` hears what the file does. Raises BadTape, UnknownFormat and
    CannotWrite.
    """
    opening = tape.header.opening
    if opening is None:
        raise BadTape(f"{tape.path} is a tape, but not one that a box has kept.")
    if opening.made_by != fingerprint():
        raise BadTape(
            f"{tape.path} was kept by another version of the box, which alone makes the same music of it; "
            "`run --tape` plays its ledgers."
        )
    try:
        part = unpack(opening.music)
        sound = Sound(block=opening.block, voices=opening.voices)
    except ValueError as error:
        raise _strange(tape, error) from error
    settings = Settings().model_copy(update={"seed": opening.seed, "sound": sound})
    output, instrument = output_for(settings, path)
    wanted = replace(opening, seconds=min(seconds, opening.seconds))
    with closing(output):
        for index, (samples, begun) in enumerate(_sane(tape, _played(tape, wanted, part, instrument))):
            output.write(samples, begun)
            listener(samples, begun)
            if index % EVERY == 0:
                progress(index * opening.block / SAMPLE_RATE)
    return wanted.seconds


def _sane(tape: Tape, blocks: Iterator[T]) -> Iterator[T]:
    """The blocks, or BadTape: music that nobody composed may fail in every way that there is."""
    try:
        yield from blocks
    except Exception as error:
        raise _strange(tape, error) from error


def _strange(tape: Tape, error: Exception) -> BadTape:
    return BadTape(f"{tape.path} is not what a box would have kept ({str(error).partition(chr(10))[0]}).")


def _played(
    tape: Tape, opening: Opening, part: Mapping[str, Any], instrument: Instrument
) -> Iterator[tuple[NDArray[np.float32], list[Sounded]]]:
    """The blocks that were asked for: samples, and notes whose moments count from the first of them."""
    paper = Paper(opening.block)
    performer = Performer(part["composer"], paper)
    performer.resume(part)
    performer.composer.queue = _Told()
    starts, ends = performer.now, opening.begins + opening.seconds
    lines, controls = deque(_told(tape)), Controls(1.0, starts.tempo, tape.header.network)
    first: Moment | None = None
    while (now := performer.now.seconds - starts.seconds) < ends:
        while lines and lines[0].seconds <= round(now, 3):
            match lines.popleft().entry:
                case Controls() as controls:
                    pass
                case Ledger() as ledger:
                    performer.composer.queue.put(ledger)
        if performer.synth is paper and now >= opening.begins - LEAD:
            performer.follow(instrument)
        if first is None and now >= opening.begins:
            first = performer.now
        leaving = now >= ends - FADE_OUT - 0.1
        begun = performer.block(replace(controls, muted=first is None), leaving=leaving)
        if first:
            yield performer.samples, [_since(first, sounded) for sounded in begun]


class _Told(Inbox):
    """Where ledgers are left that were heard once: none of them came too early for the network that was chosen."""

    def clear(self) -> None:
        """Nothing is forgotten."""


def _told(tape: Tape) -> Iterator[Line]:
    return (line for line in tape if isinstance(line.entry, Controls | Ledger))


def _since(first: Moment, sounded: Sounded) -> Sounded:
    """A note whose moment counts from the first that was asked for; whole beats stay whole."""
    return replace(
        sounded, seconds=sounded.seconds - first.seconds, beat=sounded.beat - math.floor(first.beat)
    )


def fingerprint() -> str:
    """Says which music this is: of two programs with the same, each plays what the other has kept."""
    here = Path(__file__).parent
    files = [*sorted(here.glob("music/**/*.py")), here / "sound" / "performer.py"]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


# What may be in a pack: our own classes, which do nothing by themselves, and these.
_PLAIN = {("collections", "deque"), ("random", "Random")}
_OURS = ("appliance.values", "appliance.music.")


class _Unpickler(pickle.Unpickler):
    """Makes nothing but what music is made of: a tape may come from anybody, and a pickle may ask for anything."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _PLAIN:
            return super().find_class(module, name)
        if module.startswith(_OURS) and "." not in name:
            found = getattr(import_module(module), name, None)
            if isinstance(found, type) and found.__module__ == module:
                return found
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def unpack(music: bytes) -> Mapping[str, Any]:
    """What `Performer.pack` has packed; raises ValueError for anything else."""
    try:
        part = _Unpickler(io.BytesIO(music)).load()
    except Exception as error:  # a pickle may fail in every way that there is
        raise ValueError(f"it cannot be unpacked: {error}") from error
    if not isinstance(part, dict) or set(part) != set(PART) or not isinstance(part["composer"], Composer):
        raise ValueError("it is no part of a performer")
    return part
