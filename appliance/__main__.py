# SPDX-License-Identifier: Apache-2.0
"""The command `stellar-wind`, which is also `python -m appliance`.

The one rule: while the verbs are imported, which takes a small board seconds, a Ctrl-C is obeyed by the system itself.
What Python makes of it, an exception in whatever is just being done, an import may swallow.
"""

import signal


def main() -> int:
    """Run a verb, and return the exit code."""
    python = signal.getsignal(signal.SIGINT)
    if python is signal.default_int_handler:  # a shell takes it from what it starts in the background
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from appliance import cli

    signal.signal(signal.SIGINT, python)
    try:
        return cli.main()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT  # as shells count it


if __name__ == "__main__":
    raise SystemExit(main())
