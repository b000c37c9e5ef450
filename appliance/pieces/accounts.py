# SPDX-License-Identifier: Apache-2.0
"""Stellar's addresses (SEP-23) and signed messages (SEP-53), without the SDK, whose import takes 36 MB. Pure.

The tests compare them with the SDK's.
"""

from __future__ import annotations

from base64 import b32decode, b32encode
from binascii import crc_hqx

from appliance.pieces.keys import SIZE, Untrusted, is_signed, sha256

ACCOUNT = 6 << 3  # SEP-23: the first letter becomes G
LETTERS = 56


def decode(address: str) -> bytes:
    """The 32 bytes of an address. Raises Untrusted."""
    try:
        raw = b32decode(address) if len(address) == LETTERS else b""
    except ValueError:
        raw = b""
    if is_secret(address):  # which no error may show
        raise Untrusted(
            "That is the secret of an account (S...): never give it to a box; name the account, G..."
        )
    if len(raw) != SIZE + 3 or encode(raw[1:-2]) != address:
        raise Untrusted(  # without it: it can be a secret that is mistyped
            f"The account is mistyped: it begins with G, has {LETTERS} characters (this one has {len(address)}), and "
            "the last ones are a checksum. Copy it again."
        )
    return raw[1:-2]


def encode(raw: bytes) -> str:
    """The address of 32 bytes."""
    body = bytes([ACCOUNT]) + raw
    return b32encode(body + crc_hqx(body, 0).to_bytes(2, "little")).decode()


def is_account(address: str) -> bool:
    """Whether this is the address of an account."""
    try:
        decode(address)
    except Untrusted:
        return False
    return True


def is_secret(text: str) -> bool:
    """Whether this is the secret of an account, which must never be given to a box."""
    return len(text) == LETTERS and text.startswith("S") and text.isalnum()


def message_hash(text: str) -> bytes:
    """What a wallet signs for a message: SEP-53."""
    return sha256(b"Stellar Signed Message:\n" + text.encode())


def signed_message(account: str, text: str, signature: bytes) -> bool:
    """Whether the account signed this message."""
    return is_account(account) and is_signed(decode(account), message_hash(text), signature)
