# SPDX-License-Identifier: Apache-2.0
"""The immutable values that the rooms exchange, and the root of our errors.

Everything here can be made, read and dropped on any thread. Amounts are exact integers (stroops), never floats. Every
room may import this module; it imports only the standard library.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class BoxError(Exception):
    """Root of the box's own errors. Its text says whose fault it is and what to do next, in one sentence."""


# --- ledger -------------------------------------------------------------------------------------------------


class Kind(StrEnum):
    """The kind of operation that moved an amount. The values are the words that tapes and scores use."""

    __hash__ = (
        str.__hash__
    )  # Enum's own is a Python function, which costs a ledger of a thousand amounts a block

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


# Of a ledger, on a tape and in a score: what the box has played, it can keep.
MAX_SEQUENCE = 2**32 - 1
MAX_TIME = 2**40  # s since 1970
MAX_OPERATIONS = 1_000_000  # the public network's limit is 1,000


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
    """The state of the listener's connection to its network. The values are the words that a tape uses."""

    CONNECTING = "connecting"
    LIVE = "live"
    STALE = "stale"  # connected, but the ledger does not move
    BACKING_OFF = "backing_off"
    SWITCHING = "switching"
    OFFLINE = "offline"
    UNPLUGGED = "unplugged"  # this computer has no default route: no cable, and no Wi-Fi that it knows


TROUBLED = (LinkState.BACKING_OFF, LinkState.OFFLINE, LinkState.STALE, LinkState.UNPLUGGED)


@dataclass(frozen=True, slots=True)
class Link:
    """A change of the listener's state."""

    state: LinkState
    network: str
    reason: str = ""  # why, in words for the owner; empty when all is well
    retry_in: float = 0.0  # seconds until the next attempt; 0 when none is planned


# --- music --------------------------------------------------------------------------------------------------


class Voice(StrEnum):
    """The instruments of the box. The values are the words that a score uses."""

    BELL = "bell"  # payments of lumens
    GLASS = "glass"  # path payments
    PLUCK = "pluck"  # offers of lumens
    MALLET = "mallet"  # offers of issued assets
    SWELL = "swell"  # an account is born
    FLOW = "flow"  # pools and contracts
    CHIME = "chime"  # payments of issued assets, claimable balances
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
    delay: float = 0.0  # beats after the beat, not negative
    bright: float = 0.5  # 0 dark to 1 bright
    amount: Amount | None = None  # what it sounds, when it sounds an amount
    waited: float = 0.0  # seconds from the amount's arrival to that beat


DIGITS = 4  # of a moment in seconds, also in a score, so that a score's notes fall into the same blocks


@dataclass(frozen=True, slots=True)
class NoteEvent:
    """A note that has begun, with its moment on the audio clock."""

    note: Note
    seconds: float  # samples rendered so far / sample rate
    beat: float  # beats since the start
    length: float  # seconds from its attack to the start of its release, at the tempo of its beginning


@dataclass(frozen=True, slots=True)
class Bed:
    """Targets of the bed's continuous sounds; the synth glides to each new value over seconds."""

    brightness: float  # 0 to 1: how far the pads' filter opens
    wind: float  # 0 to 1: level of the wind
    space: float  # 0 to 1: level of the reverb
    air: float = 0.0  # 0 to 1: level of a breath of noise at 3 to 6 kHz


@dataclass(frozen=True, slots=True)
class Context:
    """What the music is made with at a moment."""

    network: str
    scene: str
    scale: str  # its name
    root: str  # of the scale, such as "C"
    tempo: float  # beats a minute


@dataclass(frozen=True, slots=True)
class Passage:
    """The music of one block of samples: what a composition or a score gives to the performer."""

    seconds: float  # at which the block begins, on the audio clock
    context: Context
    notes: tuple[NoteEvent, ...] = ()  # that begin in it, in the order of their moments
    bed: Bed | None = None  # from here on; None: as before
    release: bool = False  # the chord that sounds ends here, because another scene begins
    ledgers: tuple[Ledger, ...] = ()  # that came in with it
    fades: bool = False  # the music fades out from here on, because another piece begins


# --- the box ------------------------------------------------------------------------------------------------


class BoxState(StrEnum):
    """What the network lamps show. The values are words for a person."""

    STARTING = "starting"
    LIVE = "live"
    CONNECTING = "connecting"
    OFFLINE = "no network, the recording plays"
    SETUP = "no cable and no known Wi-Fi, the recording plays"
    SCORE = "a kept piece plays"
    NO_CARD = "no sound card"
    TROUBLE = "trouble"


# --- panel --------------------------------------------------------------------------------------------------

SLOWEST, FASTEST = 30.0, 180.0  # beats a minute, the ends of the tempo knob
SLEEP_STEPS = (0, 30, 60, 90)  # min, of the sleep timer; each double press of MUTE goes on to the next


@dataclass(frozen=True, slots=True)
class Answer:
    """A short phrase that confirms a press."""

    number: int = 0  # a new number is a new answer, even if its phrase is the same
    phrase: tuple[int, ...] = ()  # steps of the scale above its root, one after another


@dataclass(frozen=True, slots=True)
class Controls:
    """Every control of the box. The main thread replaces it whole; the performer reads it once a block."""

    volume: float  # 0 to 1, position of the knob
    tempo: float  # beats a minute
    network: str
    muted: bool = False
    scene: str = "wind"
    dim: float = 1.0  # factor on the volume by night and before sleep, 0 to 1
    sleep: int = 0  # minutes for which the sleep timer was set, one of SLEEP_STEPS; 0 is off
    answer: Answer = Answer()
    hour: float | None = None  # of the day, 0 to 24, where it is known and `music.hours` is on


class Knob(StrEnum):
    """The two knobs."""

    VOLUME = "volume"
    TEMPO = "tempo"


class Button(StrEnum):
    """The two buttons."""

    NETWORK = "network"
    MUTE = "mute"


@dataclass(frozen=True, slots=True)
class Turned:
    """A knob without ends (an encoder, two keys) was turned by so many detents; clockwise is positive."""

    knob: Knob
    detents: int


@dataclass(frozen=True, slots=True)
class Moved:
    """A knob with ends (a potentiometer) was moved to a position."""

    knob: Knob
    position: float  # 0 to 1


@dataclass(frozen=True, slots=True)
class Pressed:
    """A button was pressed and released."""

    button: Button


@dataclass(frozen=True, slots=True)
class Doubled:
    """A button was pressed and released twice in quick succession; no Pressed comes with it."""

    button: Button


@dataclass(frozen=True, slots=True)
class Held:
    """A button has been held for its time."""

    button: Button


@dataclass(frozen=True, slots=True)
class Chosen:
    """A control was set by its name, from the command line or another client of the control socket."""

    control: str  # volume, tempo, network, scene, mute or sleep
    value: float | int | str | bool


Gesture = Turned | Moved | Pressed | Doubled | Held | Chosen
