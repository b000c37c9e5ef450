# SPDX-License-Identifier: Apache-2.0
"""A payment link as a QR code in a terminal: the only module that imports segno."""

from __future__ import annotations

import io

import segno


def picture(link: str) -> str:
    """The QR code, in half blocks: two rows of it in a line of text."""
    text = io.StringIO()
    segno.make_qr(link, error="m").terminal(text, border=2, compact=True)
    return text.getvalue()
