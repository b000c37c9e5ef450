# SPDX-License-Identifier: Apache-2.0
"""What travels between the rooms: immutable values without behaviour, and the root of our errors.

The one rule: everything here may be made, read and dropped on any thread. Amounts are exact integers (stroops),
never floats. Every room may import this module; it imports nothing but the standard library.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum


class BoxError(Exception):
    """Root of the box's own errors. Its text says whose fault it is and what to do next, in one sentence."""


# --- ledger -------------------------------------------------------------------------------------------------


class Kind(StrEnum):
    """What happened to an amount, as an ear can learn it. The values are the words that a tape uses."""

    CREATE = "create"
    PAYMENT = "payment"
    PATH_PAYMENT = "path_payment"
    OFFER = "offer"
    CLAIMABLE = "claimable"
    CLAWBACK = "clawback"
    POOL = "pool"
    CONTRACT = "contract"


@dataclass(frozen=True, slots=True)
class Amount:
    """One non-zero amount of one operation."""

    stroops: int  # 1 stroop = 1e-7 of the asset; > 0; a contract's asset may exceed 64 bits
    kind: Kind
    native: bool  # lumens, as against an issued asset
    ledger: int  # sequence number of the ledger that holds it


@dataclass(frozen=True, slots=True)
class Ledger:
    """One closed ledger with its non-zero amounts in the order of their operations."""

    sequence: int
    closed_at: int  # seconds since 1970, as the network states it
    operations: int  # operations of successful transactions, also those without an amount
    succeeded: int  # transactions
    failed: int  # transactions
    amounts: tuple[Amount, ...]


class LinkState(StrEnum):
    """How the listener stands with its network. The values are the words that a tape uses."""

    CONNECTING = "connecting"
    LIVE = "live"
    STALE = "stale"  # connected, but the ledger does not move
    BACKING_OFF = "backing_off"
    SWITCHING = "switching"
    OFFLINE = "offline"
    UNPLUGGED = "unplugged"  # no way leads out of this computer: no cable, and no Wi-Fi that it knows


@dataclass(frozen=True, slots=True)
class Link:
    """A change of the listener's state, for whoever shows it."""

    state: LinkState
    network: str
    reason: str = ""  # why, in words for the owner; empty when all is well
    retry_in: float = 0.0  # seconds until the next attempt; 0 when none is planned


# --- music --------------------------------------------------------------------------------------------------


class Voice(StrEnum):
    """The instruments of the box. The values are the words that a score uses."""

    BELL = "bell"  # payments
    GLASS = "glass"  # path payments
    PLUCK = "pluck"  # offers
    SWELL = "swell"  # an account is born
    FLOW = "flow"  # pools and contracts
    CHIME = "chime"  # claimable balances
    HOLLOW = "hollow"  # clawbacks
    MURMUR = "murmur"  # what the box hums while the ledger is silent
    PAD = "pad"  # the tones of the chord
    DRONE = "drone"  # the root, far below


@dataclass(frozen=True, slots=True)
class Note:
    """One note, as composed. Its moment is the beat that asked for it plus `delay`."""

    pitch: int  # MIDI note number, 60 = middle C
    velocity: float  # 0 to 1
    duration: float  # beats from its attack to the start of its release
    voice: Voice
    pan: float = 0.0  # -1 left to 1 right
    delay: float = 0.0  # beats after the beat, 0 to 1
    bright: float = 0.5  # 0 dark to 1 bright
    amount: Amount | None = None  # what it sounds, when it sounds an amount
    waited: float = 0.0  # seconds from the amount's arrival to that beat


@dataclass(frozen=True, slots=True)
class Sounded:
    """A note that has begun, with its moment on the audio clock: one line of the score."""

    note: Note
    seconds: float  # samples rendered so far / sample rate
    beat: float  # beats since the start
    length: float  # seconds from its attack to the start of its release, at the tempo of its beginning


@dataclass(frozen=True, slots=True)
class Bed:
    """What steers the bed between notes; the synth glides to each new value over seconds."""

    brightness: float  # 0 to 1: how far the pads open
    wind: float  # 0 to 1: how hard it blows
    space: float  # 0 to 1: how much of the reverb is heard


# --- panel --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """A short phrase that answers a hand."""

    number: int = 0  # a new number is a new answer, even if its phrase is an old one
    phrase: tuple[int, ...] = ()  # steps of the scale above its root, one after another


@dataclass(frozen=True, slots=True)
class Controls:
    """What hands have set. Replaced whole by the box, read once a block by the performer."""

    volume: float  # 0 to 1, position of the knob
    tempo: float  # beats a minute
    network: str
    muted: bool = False
    scene: str = "wind"
    dim: float = 1.0  # what the evening leaves of the volume, 0 to 1
    sleep: int = 0  # minutes for which the sleep timer was set; 0 is off
    answer: Answer = Answer()


class Knob(Enum):
    """The two knobs."""

    VOLUME = "volume"
    TEMPO = "tempo"


class Button(Enum):
    """The two buttons."""

    NETWORK = "network"
    MUTE = "mute"


@dataclass(frozen=True, slots=True)
class Turned:
    """A knob without ends (an encoder, two keys) was turned by so many detents, right is positive."""

    knob: Knob
    detents: int


@dataclass(frozen=True, slots=True)
class Moved:
    """A knob with ends (a potentiometer) was moved to a position."""

    knob: Knob
    position: float  # 0 to 1


@dataclass(frozen=True, slots=True)
class Pressed:
    """A button was pressed and let go."""

    button: Button


@dataclass(frozen=True, slots=True)
class Doubled:
    """A button was pressed and let go twice in quick succession; no Pressed comes with it."""

    button: Button


@dataclass(frozen=True, slots=True)
class Held:
    """A button has been held for its time."""

    button: Button


Gesture = Turned | Moved | Pressed | Doubled | Held
