# SPDX-License-Identifier: Apache-2.0
"""An open sound card, through ALSA's own library.

Every call releases the interpreter lock, and no call that waits for the card waits longer than HANGS. The library is
called by ctypes because pyalsaaudio holds the lock while it opens and closes a card: a sound server that was stopped
stopped the whole box. A card that is missing, busy or gone raises NoSoundCard. The card's thread of `Speaker`.
"""

from __future__ import annotations

import ctypes
import errno
import time
from ctypes import POINTER, c_char_p, c_int, c_long, c_uint, c_ulong, c_void_p
from functools import cache

import numpy as np
from numpy.typing import NDArray

from appliance.sound import CHANNELS, SAMPLE_RATE
from appliance.sound.outputs import BURST, CardHangs, NoSoundCard

# From alsa/pcm.h; these numbers are part of the library's ABI.
PLAYBACK, NONBLOCK, RW_INTERLEAVED, FLOAT_LE = 0, 1, 3, 14
FRAME = 4 * CHANNELS  # bytes
PERIODS = 4  # of a buffer: some cards report their position once a period

HANGS = 3.0  # s without room for a single frame; a whole buffer is a fraction of that
DRY = 20  # underruns in a row without a frame between them
WAIT = 0.002, 0.05  # s, the shortest and the longest wait for room

_SIGNATURES = {
    "snd_pcm_open": (c_int, POINTER(c_void_p), c_char_p, c_int, c_int),
    "snd_pcm_hw_params_malloc": (c_int, POINTER(c_void_p)),
    "snd_pcm_hw_params_any": (c_int, c_void_p, c_void_p),
    "snd_pcm_hw_params_set_access": (c_int, c_void_p, c_void_p, c_int),
    "snd_pcm_hw_params_set_format": (c_int, c_void_p, c_void_p, c_int),
    "snd_pcm_hw_params_set_channels": (c_int, c_void_p, c_void_p, c_uint),
    "snd_pcm_hw_params_set_rate": (c_int, c_void_p, c_void_p, c_uint, c_int),
    "snd_pcm_hw_params_set_buffer_size_near": (c_int, c_void_p, c_void_p, POINTER(c_ulong)),
    "snd_pcm_hw_params_set_period_size_near": (c_int, c_void_p, c_void_p, POINTER(c_ulong), POINTER(c_int)),
    "snd_pcm_hw_params": (c_int, c_void_p, c_void_p),
    "snd_pcm_hw_params_free": (None, c_void_p),
    "snd_pcm_sw_params_malloc": (c_int, POINTER(c_void_p)),
    "snd_pcm_sw_params_current": (c_int, c_void_p, c_void_p),
    "snd_pcm_sw_params_set_start_threshold": (c_int, c_void_p, c_void_p, c_ulong),
    "snd_pcm_sw_params": (c_int, c_void_p, c_void_p),
    "snd_pcm_sw_params_free": (None, c_void_p),
    "snd_pcm_get_params": (c_int, c_void_p, POINTER(c_ulong), POINTER(c_ulong)),
    "snd_pcm_writei": (c_long, c_void_p, c_void_p, c_ulong),
    "snd_pcm_avail": (c_long, c_void_p),
    "snd_pcm_delay": (c_int, c_void_p, POINTER(c_long)),
    "snd_pcm_recover": (c_int, c_void_p, c_int, c_int),
    "snd_pcm_nonblock": (c_int, c_void_p, c_int),
    "snd_pcm_drain": (c_int, c_void_p),
    "snd_pcm_drop": (c_int, c_void_p),
    "snd_pcm_close": (c_int, c_void_p),
    "snd_strerror": (c_char_p, c_int),
    "snd_lib_error_set_handler": (c_int, c_void_p),
}


@cache
def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL("libasound.so.2")
    except OSError as error:
        raise NoSoundCard("ALSA is not installed; install libasound2 to have sound.") from error
    for name, (result, *arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    # Without an error handler it prints eight lines for each error. Any C function that does nothing serves as one; a
    # Python function would need the interpreter lock.
    library.snd_lib_error_set_handler(ctypes.cast(ctypes.CDLL(None).getpid, c_void_p))
    return library


class Alsa:
    """An ALSA device by its name, with a buffer of about `latency` seconds.

    A device that refuses the box's rate, format or channels is opened again through ALSA's converter. Raises
    NoSoundCard.
    """

    def __init__(self, device: str, *, latency: float) -> None:
        self._device = device
        self._alsa = _library()
        if not self._open(device, latency):
            self._open(f"plug:'{device}'", latency)

    def _open(self, name: str, latency: float) -> bool:
        """Open the device by one of its names. False if this name refuses our format and the converter can help."""
        pcm = c_void_p()
        result = self._alsa.snd_pcm_open(pcm, name.encode(), PLAYBACK, NONBLOCK)
        if result in (-errno.ENOENT, -errno.ENODEV):  # of "default" too, where the computer has no card
            raise NoSoundCard(
                f"There is no sound card {self._device!r}; plug one in, or name another in sound.device."
            )
        self._must(result, "cannot be opened")
        result = self._negotiate(pcm, round(latency * SAMPLE_RATE))
        if result < 0:
            self._alsa.snd_pcm_close(pcm)
            if result == -errno.EINVAL and not name.startswith("plug"):
                return False
            self._must(result, "does not accept the box's format")
        self._pcm = pcm
        self._start_full(pcm)
        return True

    def _negotiate(self, pcm: c_void_p, frames: int) -> int:
        """Set the card's parameters: exactly our format, in a buffer of about so many frames. Returns ALSA's result.

        The period comes first: snd_pcm_set_params, which would do all this, begins with the buffer, and where the rate
        is converted it then finds no period that divides the buffer, for one length in five.
        """
        alsa, wanted = self._alsa, c_void_p()
        alsa.snd_pcm_hw_params_malloc(wanted)
        calls = (
            (alsa.snd_pcm_hw_params_any,),
            (alsa.snd_pcm_hw_params_set_access, RW_INTERLEAVED),
            (alsa.snd_pcm_hw_params_set_format, FLOAT_LE),
            (alsa.snd_pcm_hw_params_set_channels, CHANNELS),
            (alsa.snd_pcm_hw_params_set_rate, SAMPLE_RATE, 0),
            (alsa.snd_pcm_hw_params_set_period_size_near, c_ulong(frames // PERIODS), None),
            (alsa.snd_pcm_hw_params_set_buffer_size_near, c_ulong(frames)),
            (alsa.snd_pcm_hw_params,),
        )
        results = (int(call(pcm, wanted, *values)) for call, *values in calls)
        result = next((each for each in results if each < 0), 0)
        alsa.snd_pcm_hw_params_free(wanted)
        return result

    def _start_full(self, pcm: c_void_p) -> None:
        """Let the card start when its buffer is full: on a slow machine it would otherwise run dry at once."""
        frames, period, wanted = c_ulong(), c_ulong(), c_void_p()
        self._alsa.snd_pcm_get_params(pcm, frames, period)
        self.latency = frames.value / SAMPLE_RATE  # as granted
        self._burst = min(BURST, frames.value // 2)
        self._alsa.snd_pcm_sw_params_malloc(wanted)
        self._alsa.snd_pcm_sw_params_current(pcm, wanted)
        # Minus a period: a converter cannot always fill the last one.
        self._alsa.snd_pcm_sw_params_set_start_threshold(pcm, wanted, frames.value - period.value)
        self._alsa.snd_pcm_sw_params(pcm, wanted)
        self._alsa.snd_pcm_sw_params_free(wanted)

    def _must(self, result: int, what: str) -> None:
        if result < 0:
            reason = self._alsa.snd_strerror(result).decode(errors="replace")
            raise NoSoundCard(f"The sound card {self._device!r} {what}: {reason}.")

    def write(self, samples: NDArray[np.float32]) -> int:
        """Wait until all of a block fits into the card's buffer, and return how often the card had run dry.

        Raises NoSoundCard if the card is gone, and CardHangs if it takes no frame for HANGS seconds.
        """
        start, left, dry = samples.ctypes.data, len(samples), 0
        since = time.monotonic()
        while left:
            taken = self._alsa.snd_pcm_writei(self._pcm, start, left)
            if taken > 0:
                start, left = start + taken * FRAME, left - taken
                since = time.monotonic()
            elif taken in (0, -errno.EAGAIN):
                if time.monotonic() - since > HANGS:
                    raise CardHangs(f"The sound card {self._device!r} has taken no sound for {HANGS:.0f} s.")
                self._wait(left)
            else:
                self._must(self._alsa.snd_pcm_recover(self._pcm, taken, 1), "is gone")
                dry += 1
                if dry > DRY:
                    raise NoSoundCard(f"The sound card {self._device!r} runs dry again and again.")
                time.sleep(WAIT[0])
        delay = c_long()
        if self._alsa.snd_pcm_delay(self._pcm, delay) == 0:
            self.latency = max(0, delay.value) / SAMPLE_RATE
        return dry

    def rest(self, frames: int) -> None:
        """If a block of so many frames does not fit into the card's buffer now, sleep until a burst should."""
        if 0 <= self._alsa.snd_pcm_avail(self._pcm) < frames:  # `write` handles an error
            self._wait(max(frames, self._burst))

    def _wait(self, frames: int) -> None:
        """Sleep until the card should have room, by its own report."""
        lacking = frames - max(0, self._alsa.snd_pcm_avail(self._pcm))
        time.sleep(min(WAIT[1], max(WAIT[0], lacking / SAMPLE_RATE)))

    def drain(self) -> None:
        """Wait until everything is heard."""
        self._alsa.snd_pcm_nonblock(self._pcm, 0)
        self._alsa.snd_pcm_drain(self._pcm)

    def close(self) -> None:
        """Close the card at once; the rest of its buffer is dropped."""
        self._alsa.snd_pcm_drop(self._pcm)
        self._alsa.snd_pcm_close(self._pcm)
