# SPDX-License-Identifier: Apache-2.0
"""Finds personal data of a ledger (accounts, hashes, memos) in everything that a program has written.

The patterns are the networks' own, not the product's. Reads files.
"""

from __future__ import annotations

import gzip
import io
import re
import zipfile
from base64 import b32decode
from binascii import crc_hqx
from collections.abc import Iterator
from pathlib import Path

MEMO = "for the roof, with love from Ada"

# Accounts, contracts and pools, balances, muxed accounts (SEP-23), anywhere in a longer word; and ids of transactions
# and ledgers.
STRKEY = re.compile(r"(?=([GCLS][A-Z2-7]{55}|B[A-Z2-7]{57}|M[A-Z2-7]{68}))")
HASH = re.compile(r"[0-9a-fA-F]{64}")


def traces(text: str) -> list[str]:
    """Every account, hash and memo in a text."""
    return [
        *filter(_adds_up, STRKEY.findall(text)),
        *HASH.findall(text),
        *re.findall("|".join(MEMO.split(", ")), text),
    ]


def _adds_up(word: str) -> bool:
    """Whether the checksum is right. Base64 of repetitive data can look like a key."""
    data = b32decode(word + "=" * (-len(word) % 8))
    return crc_hqx(data[:-2], 0) == int.from_bytes(data[-2:], "little")


def written(folder: Path) -> Iterator[tuple[str, str]]:
    """The name and the unpacked text of every file below a folder."""
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            data = file.read_bytes()
            if data[:2] == b"\x1f\x8b":
                yield file.name, gzip.decompress(data).decode(errors="replace")
            elif zipfile.is_zipfile(io.BytesIO(data)):
                with zipfile.ZipFile(file) as packed:
                    yield from (
                        (name, packed.read(name).decode(errors="replace")) for name in packed.namelist()
                    )
            else:
                yield file.name, data.decode(errors="replace")


def found(folder: Path) -> list[str]:
    """Every trace in the files below a folder, with its file."""
    return [f"{name}: {trace}" for name, text in written(folder) for trace in traces(text)]
