# SPDX-License-Identifier: Apache-2.0
"""A named pipe (FIFO): raw sound for a program that sends it to every room, such as Snapcast's snapserver.

48,000 frames a second of two signed 16-bit little-endian samples, at the pace of the computer's clock. Nothing here
waits for the reader. The performer's thread.

The pipe is opened for reading as well, which on Linux succeeds without another reader (fifo(7)). So three cases are
one: without a reader, after a reader has left and with one that is too slow, the pipe fills up. The oldest sound is
then taken out again, in whole frames. What stays in the pipe is always the latest sound without a gap, and a reader
that comes finds `latency` seconds of it, which bridge late blocks. With snapserver there is no other way: it finds a
pipe without a writer at its end, closes it and looks again ten times a second, for microseconds, so that the pipe could
hardly be opened for writing only.
"""

from __future__ import annotations

import logging
import os
import stat
import struct
import termios
import time
from contextlib import suppress
from fcntl import F_GETPIPE_SZ, F_SETPIPE_SZ, fcntl, ioctl
from pathlib import Path
from select import PIPE_BUF

import numpy as np
from numpy.typing import NDArray

from appliance.sound import CHANNELS, SAMPLE_RATE
from appliance.sound.outputs.silent import Silent
from appliance.sound.outputs.speaker import OutputStatus

log = logging.getLogger(__name__)

FRAME = 2 * CHANNELS  # bytes
FULL = 32767  # the sample for 1.0
HOUSE = 1.0  # s from reading to hearing: Snapcast's default buffer
UNREAD = 1.0  # s without a read after which there is no reader
STALLED = 0.25  # s without a read after which what it misses is not counted: it has left, or does not run
COMPLAIN = 60.0  # s between two complaints about a reader that is too slow


class Pipe:
    """Plays into the named pipe at `path`, in which `latency` seconds of sound wait for a reader."""

    def __init__(self, path: Path, *, latency: float, pace: Silent | None = None) -> None:
        self._path, self._pace = path, pace or Silent()
        self._cushion = round(latency * SAMPLE_RATE) * FRAME  # bytes
        self.latency = latency + HOUSE
        self.dropped = 0  # frames that a reader has missed
        self._gaps = 0
        self._pipe = -1  # descriptor; -1 while it is not open
        self._room = 0  # bytes that the open pipe holds
        self._left = 0  # bytes in it after the last block
        self._unread = UNREAD  # s since something was read
        self._complained = -COMPLAIN
        self._why = "Nothing has been written to the pipe yet."

    @property
    def status(self) -> OutputStatus:
        """How it is now. Any thread."""
        why = self._why
        return OutputStatus("" if why else f"the pipe {self._path}", why, self._gaps, self.latency)

    def write(self, samples: NDArray[np.float32]) -> None:
        """Put a block into the pipe, and return at the pace of the clock, with or without a reader."""
        try:
            if self._pipe < 0:
                self._open()
            self._put((np.clip(samples, -1.0, 1.0) * FULL).round().astype("<i2").tobytes())
        except OSError as error:
            self.close()
            self._lost(_reason(self._path, error))
        self._pace.write(samples)

    def close(self) -> None:
        """Close the pipe; its reader can still read what is in it."""
        if self._pipe >= 0:
            os.close(self._pipe)
        self._pipe = -1

    def _open(self) -> None:
        """Open the pipe. Raises OSError."""
        if not stat.S_ISFIFO(os.stat(self._path).st_mode):
            raise OSError(0, "is not a named pipe")
        self._pipe = os.open(self._path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        with suppress(
            OSError
        ):  # more than the kernel grants, or less than is in it: it stays as large as it is
            fcntl(self._pipe, F_SETPIPE_SZ, 3 * self._cushion)
        # Two pages less: one that is partly read and one that is partly written cannot be filled.
        self._room = fcntl(self._pipe, F_GETPIPE_SZ) - 2 * PIPE_BUF
        self._left, self._unread = self._waiting(), UNREAD

    def _put(self, block: bytes) -> None:
        """Put a block into the pipe, and take out what is too much. Raises OSError."""
        waiting = self._waiting()
        self._unread = 0.0 if waiting < self._left else self._unread + len(block) / FRAME / SAMPLE_RATE
        read = self._unread < UNREAD
        if read:
            self._found()
        else:
            self._lost(f"Nothing reads the pipe {self._path}: is snapserver running?")
            if not self._is_ours():
                self.close()
                self._open()
                waiting = self._waiting()
        kept = min(self._cushion, self._room)
        if waiting + len(block) > (self._room if read else kept):
            taken = self._take(waiting + len(block) - kept)
            waiting -= taken
            if self._unread < STALLED:
                self._missed(taken // FRAME)
        for start in range(0, len(block), PIPE_BUF):  # each part is written whole or not at all (pipe(7))
            with suppress(BlockingIOError):
                waiting += os.write(self._pipe, block[start : start + PIPE_BUF])
        self._left = waiting

    def _waiting(self) -> int:
        """How many bytes are in the pipe."""
        (waiting,) = struct.unpack("i", ioctl(self._pipe, termios.FIONREAD, bytes(4)))
        return int(waiting)

    def _take(self, most: int) -> int:
        """Take the oldest `most` bytes out, and return how many were.

        What stays is whole frames then, also if a reader has left within one.
        """
        with suppress(BlockingIOError):  # a reader was faster
            return len(os.read(self._pipe, most))
        return 0

    def _is_ours(self) -> bool:
        """Whether the open pipe still has its name: a snapserver that starts again can make another one."""
        return os.path.samestat(os.fstat(self._pipe), os.stat(self._path))

    def _found(self) -> None:
        if self._why:
            self._why = ""
            log.info("Playing into the pipe %s, which is read.", self._path)

    def _lost(self, why: str) -> None:
        if self._why != why:
            self._why = why
            log.warning("%s The box plays on without sound until the pipe is read.", why)

    def _missed(self, frames: int) -> None:
        self.dropped += frames
        self._gaps += 1
        if time.monotonic() - self._complained >= COMPLAIN:
            self._complained = time.monotonic()
            log.warning(
                "The pipe %s is read too slowly: %.2f s of sound were dropped so far.",
                self._path,
                self.dropped / SAMPLE_RATE,
            )


def _reason(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"There is no pipe {path}: start snapserver, or correct sound.device."
    return f"The pipe {path} of sound.device cannot be used: {error.strerror or error}."
