# SPDX-License-Identifier: Apache-2.0
"""Signatures and sealing: the only module that imports PyNaCl. Secrets are bytes, and none of them is an account's.

feed key      Ed25519: signs the lines of a feed, its pieces, and its entry in the DHT
content key   one for each piece that is sold; XSalsa20-Poly1305
order key     X25519, one for each purchase; its public half is the memo of the payment
"""

from __future__ import annotations

from nacl.bindings import crypto_hash_sha256, crypto_hash_sha512, crypto_scalarmult_base
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox
from nacl.secret import SecretBox
from nacl.signing import SigningKey, VerifyKey
from nacl.utils import random

from appliance.values import BoxError

SIZE = 32  # bytes of every key


class Untrusted(BoxError, ValueError):
    """What came is not what its maker signed, or is not within the bounds of what it should be."""


def sha256(content: bytes) -> bytes:
    """The hash. Not hashlib's, which loads OpenSSL (4 MB)."""
    return bytes(crypto_hash_sha256(content))


# --- signatures ---------------------------------------------------------------------------------------------


def new_secret() -> bytes:
    """A random secret for signing, or a content key."""
    return bytes(random(SIZE))


def public_of(secret: bytes) -> bytes:
    """The public half of a signing secret."""
    return bytes(SigningKey(secret).verify_key)


def sign(secret: bytes, message: bytes) -> bytes:
    """The signature: 64 bytes."""
    return bytes(SigningKey(secret).sign(message).signature)


def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the holder of a key signed this message."""
    try:
        VerifyKey(public).verify(message, signature)
    except (CryptoError, ValueError):
        return False
    return True


def expanded(secret: bytes) -> bytes:
    """The 64 bytes with which libtorrent signs: RFC 8032, 5.1.5, steps 1 and 2."""
    found = bytearray(crypto_hash_sha512(secret))
    found[0] &= 248
    found[31] = (found[31] & 63) | 64
    return bytes(found)


# --- sealing ------------------------------------------------------------------------------------------------


def locked(content: bytes, key: bytes) -> bytes:
    """Content that only the content key opens."""
    return bytes(SecretBox(key).encrypt(content))


def unlocked(sealed: bytes, key: bytes) -> bytes:
    """The content again. Raises Untrusted."""
    try:
        return bytes(SecretBox(key).decrypt(sealed))
    except (CryptoError, ValueError) as error:
        raise Untrusted("The key does not open this piece.") from error


def promise(key: bytes) -> str:
    """What a feed says of a content key before anybody has it."""
    return sha256(b"Stellar Wind Box key 1\n" + key).hex()


def order_public(secret: bytes) -> bytes:
    """The public half of an order key."""
    return bytes(crypto_scalarmult_base(secret))


def new_order(number: int) -> bytes:
    """The secret of an order key whose public half begins with the number of a sale: 4,096 attempts on average."""
    while order_number(order_public(secret := new_secret())) != number:
        pass
    return secret


def order_number(public: bytes) -> int:
    """The number of a sale: the first three hex digits of the public half."""
    return int.from_bytes(public[:2], "big") >> 4


def is_order(public: bytes) -> bool:
    """Whether something can be sealed to this public half: not all 32 bytes are a point that is safe to use."""
    try:
        sealed_to(public, b"")
    except Untrusted:
        return False
    return True


def sealed_to(public: bytes, content: bytes) -> bytes:
    """Content that only the holder of an order key opens. Raises Untrusted for a public half that is no key."""
    try:
        return bytes(SealedBox(PublicKey(public)).encrypt(content))
    except (CryptoError, ValueError, TypeError) as error:
        raise Untrusted("The memo of the payment is no key.") from error


def opened(secret: bytes, sealed: bytes) -> bytes | None:
    """The content of what was sealed to an order key; None if it was sealed to another one."""
    try:
        return bytes(SealedBox(PrivateKey(secret)).decrypt(sealed))
    except (CryptoError, ValueError, TypeError):
        return None
