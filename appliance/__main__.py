# SPDX-License-Identifier: Apache-2.0
"""`python -m appliance` is `stellar-wind`."""

from appliance.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
