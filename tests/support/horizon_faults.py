# SPDX-License-Identifier: Apache-2.0
"""The bytes that the test server's faults send in place of a page or a stream."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

TOO_MANY = (
    "The rate limit for the requesting IP address is over its alloted limit.  The allowed limit and requests "
    "left per time period are communicated to clients via the http response headers 'X-RateLimit-*' headers."
)
OLD = "This horizon instance is configured to only track a portion of the stellar network's latest history."
# Events that are no JSON, no UTF-8, with a NUL in the id, of the wrong shape and under another name. LF, CR, CRLF.
NONSENSE = (
    b'id: 1\ndata: {"id": "trunc\n\n'
    b'id: 2\rdata: {"memo":"\xff\xfe"}\r\r'
    b"id: 3\0\r\ndata: 7\r\n\r\n"
    b": a comment\nevent: news\ndata: {}\n\nid: 9\n\n"
)


def problem(status: int) -> dict[str, Any]:
    """What Horizon says when it refuses."""
    name, title, detail = {
        404: ("not_found", "Resource Missing", "The resource at the url requested was not found."),
        410: ("before_history", "Data Requested Is Before Recorded History", OLD),
        429: ("rate_limit_exceeded", "Rate Limit Exceeded", TOO_MANY),
        503: ("server_over_capacity", "Server Over Capacity", "This horizon server is currently overloaded."),
    }.get(
        status, ("server_error", "Internal Server Error", "An error occurred while processing this request.")
    )
    kind = f"https://stellar.org/horizon-errors/{name}"
    return {"type": kind, "title": title, "status": status, "detail": detail}


def head(status: int, fields: Mapping[str, str]) -> bytes:
    """A header in the order of Go's server: by name."""
    lines = [f"{name}: {fields[name]}" for name in sorted(fields)]
    return "\r\n".join([f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *lines, "", ""]).encode()


def html() -> bytes:
    """A captive portal's page."""
    body = b"<html>Welcome to the guest Wi-Fi</html>"
    return head(200, {"Content-Type": "text/html", "Content-Length": str(len(body))}) + body


def redirect() -> bytes:
    """The way to another host."""
    return head(302, {"Location": "http://127.0.0.2:9/", "Content-Length": "0"})


def bomb() -> bytes:
    """A page of 10 kB that unpacks to 8 MB."""
    body = gzip.compress(b" " * 2**23)
    kind = {
        "Content-Type": "application/hal+json",
        "Content-Encoding": "gzip",
        "Content-Length": str(len(body)),
    }
    return head(200, kind) + body


RAW = {"html": html, "redirect": redirect, "bomb": bomb}
