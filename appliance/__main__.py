# SPDX-License-Identifier: Apache-2.0
"""The command `stellar-wind`, which is also `python -m appliance`.

The one rule: none of ours is imported before a Ctrl-C would be met; what the verbs import takes a small board seconds.
"""

import signal


def main() -> int:
    """Run a verb, and return the exit code."""
    try:
        from appliance import cli

        return cli.main()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT  # as shells count it


if __name__ == "__main__":
    raise SystemExit(main())
