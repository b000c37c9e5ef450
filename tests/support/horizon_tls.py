# SPDX-License-Identifier: Apache-2.0
"""Certificates for the test server, valid or invalid, of an authority of our own.

The client is the production code: it trusts the authority through SSL_CERT_FILE, OpenSSL's own variable.

    good      what a server should have
    expired   was good until the day before yesterday: or our clock is at 2099
    early     will be good the day after tomorrow: or our clock is at 1970
    host      is another host's
    unknown   is of an authority that the client does not trust
    old       is good, but the server speaks no newer TLS than 1.1
"""

from __future__ import annotations

import ssl
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

CERTIFICATES = ("good", "expired", "early", "host", "unknown", "old")


def authority(folder: Path) -> tuple[trustme.CA, Path]:
    """An authority, and the file to name in SSL_CERT_FILE."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(folder / "ca.pem")
    return ca, folder / "ca.pem"


def certify(context: ssl.SSLContext, ca: trustme.CA, kind: str, host: str = "127.0.0.1") -> None:
    """Give a server a certificate, which counts from its next connection on."""
    begin, end = {"expired": (-9, -2), "early": (2, 9)}.get(kind, (-1, 1))  # days from now
    now = datetime.now(UTC)
    issuer = trustme.CA() if kind == "unknown" else ca
    issuer.issue_cert(
        "127.0.0.2" if kind == "host" else host,
        not_before=now + timedelta(days=begin),
        not_after=now + timedelta(days=end),
    ).configure_cert(context)


def https(ca: trustme.CA, kind: str = "good") -> ssl.SSLContext:
    """A server's side, with a certificate of this kind."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certify(context, ca, kind)
    if kind == "old":
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context
