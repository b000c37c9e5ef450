# SPDX-License-Identifier: Apache-2.0
"""Which requests the page answers, by the headers that a browser writes. Pure.

A page of a stranger's must not reach the box through the browser of somebody at home:

    Host      names the server that the browser looked up. A stranger's name that resolves to the box's address (DNS
              rebinding) is no name of the box. An address cannot be rebound, so every address is allowed.
    Origin    names the page that asks, where a page could change something. It must be our own.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import ip_address

ALWAYS = ("localhost",)
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::\d+)?")

# Nothing but our own script, style, pictures, sounds and connections; no frames around us.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "media-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def host_allowed(host: str, names: Collection[str]) -> bool:
    """Whether a Host header names the box: by an address, or by one of `names`."""
    if not (found := _HOST.fullmatch(host.lower())):
        return False
    name = found[1].strip("[]").rstrip(".")
    try:
        ip_address(name)
    except ValueError:
        return name in ALWAYS or name in {each.lower().rstrip(".") for each in names}
    return True


def origin_allowed(origin: str | None, host: str) -> bool:
    """Whether an Origin header, if there is one, is that of the page that is served under `host`."""
    return origin is None or origin.lower() in (f"http://{host.lower()}", f"https://{host.lower()}")
