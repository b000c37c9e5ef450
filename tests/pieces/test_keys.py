# SPDX-License-Identifier: Apache-2.0
"""Keys, addresses and signed messages, compared with the SDK's, which makes them for the rest of the world."""

from __future__ import annotations

import pytest
from stellar_sdk import Keypair

from appliance.pieces import accounts, keys
from appliance.pieces.keys import Untrusted


def test_addresses_and_signed_messages_are_those_of_the_sdk() -> None:
    for _ in range(20):
        pair = Keypair.random()
        assert accounts.decode(pair.public_key) == pair.raw_public_key()
        assert accounts.encode(pair.raw_public_key()) == pair.public_key
        assert accounts.is_secret(pair.secret)
        assert accounts.signed_message(pair.public_key, "a wind", pair.sign_message("a wind"))
        assert not accounts.signed_message(pair.public_key, "a wing", pair.sign_message("a wind"))
        assert not accounts.signed_message(pair.secret, "a wind", pair.sign_message("a wind"))


@pytest.mark.parametrize("wrong", ["", "G", "G" * 56, "g" * 56, "1" * 56, "é" * 56, "A" * 56])
def test_what_is_no_address_is_refused(wrong: str) -> None:
    assert not accounts.is_account(wrong)
    with pytest.raises(Untrusted):
        accounts.decode(wrong)


def test_a_mistyped_address_is_refused() -> None:
    address = Keypair.random().public_key
    for at in range(1, 56):
        other = address[:at] + ("A" if address[at] != "A" else "B") + address[at + 1 :]
        with pytest.raises(Untrusted, match="mistyped") as caught:
            accounts.decode(other)
        assert other not in str(caught.value)  # as it can be a secret that is mistyped


def test_the_secret_of_an_account_is_refused_and_not_shown() -> None:
    secret = Keypair.random().secret
    with pytest.raises(Untrusted) as caught:
        accounts.decode(secret)
    assert secret not in str(caught.value)
    assert secret[8:20] not in str(caught.value)


def test_a_signature_is_of_one_key_and_one_message() -> None:
    secret, other = keys.new_secret(), keys.new_secret()
    signature = keys.sign(secret, b"x")
    assert keys.is_signed(keys.public_of(secret), b"x", signature)
    assert not keys.is_signed(keys.public_of(other), b"x", signature)
    assert not keys.is_signed(keys.public_of(secret), b"y", signature)
    assert not keys.is_signed(keys.public_of(secret), b"x", signature[:-1])
    assert not keys.is_signed(b"short", b"x", signature)


def test_only_the_content_key_opens_what_is_sealed() -> None:
    key = keys.new_secret()
    sealed = keys.locked(b"a score", key)
    assert keys.unlocked(sealed, key) == b"a score"
    assert b"a score" not in sealed
    for wrong, content in ((keys.new_secret(), sealed), (b"short", sealed), (key, sealed[:-1])):
        with pytest.raises(Untrusted):
            keys.unlocked(content, wrong)


def test_only_its_order_key_opens_what_was_delivered() -> None:
    secret = keys.new_order(7)
    public = keys.order_public(secret)
    assert keys.order_number(public) == 7
    sealed = keys.sealed_to(public, b"a key")
    assert keys.opened(secret, sealed) == b"a key"
    assert keys.opened(keys.new_secret(), sealed) is None
    assert keys.opened(secret, b"") is None
    with pytest.raises(Untrusted):
        keys.sealed_to(b"short", b"a key")


def test_a_memo_that_is_no_key_is_refused() -> None:
    """Somebody can pay with any 32 bytes."""
    with pytest.raises(Untrusted):
        keys.sealed_to(bytes(32), b"a key")


def test_an_expanded_secret_is_what_libtorrent_signs_with() -> None:
    found = keys.expanded(keys.new_secret())
    assert len(found) == 64
    assert found[0] & 7 == 0
    assert found[31] >> 6 == 1
