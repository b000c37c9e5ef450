# SPDX-License-Identifier: Apache-2.0
"""The command `stellar-wind`, which is also `python -m appliance`.

While the verbs are imported, which takes a small board seconds, the system itself handles a Ctrl-C: Python would raise
an exception in whatever is being imported, and an import can swallow it.
"""

import io
import os
import signal
import sys


def main() -> int:
    """Run a verb, and return the exit code."""
    _open_standard_streams()
    python = signal.getsignal(signal.SIGINT)
    if python is signal.default_int_handler:  # a shell removes it from what it starts in the background
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from appliance import cli

    signal.signal(signal.SIGINT, python)
    try:
        code = cli.main()
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT  # as shells count it
    except BrokenPipeError:  # `| head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python's own last flush
        return 128 + signal.SIGPIPE
    return code


def _open_standard_streams() -> None:
    """Open those that the caller has closed: else the next file that is opened becomes standard output."""
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            if null != descriptor:
                os.dup2(null, descriptor)
                os.close(null)
            setattr(sys, name, open(descriptor, mode, encoding="utf-8"))  # noqa: SIM115 - for the whole run
    for stream in (sys.stdout, sys.stderr):  # the name of a file can hold bytes that are no text
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    raise SystemExit(main())
