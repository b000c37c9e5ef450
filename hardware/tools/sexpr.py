# SPDX-License-Identifier: CERN-OHL-P-2.0
"""Reads KiCad's files as nested lists, and has the queries that several tools need. An atom keeps its quotes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

HARDWARE = Path(__file__).parent.parent
KICAD = HARDWARE / "kicad"
Node: TypeAlias = "list[Node | str]"

_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|[()]|[^\s()"]+')


def parse(source: str) -> Node:
    """The one list that a file is."""
    stack: list[Node] = [[]]
    for atom in _TOKEN.findall(source):
        if atom == "(":
            stack.append([])
        elif atom == ")":
            done = stack.pop()
            if not stack:
                raise ValueError("A bracket closes that never opened.")
            stack[-1].append(done)
        else:
            stack[-1].append(atom)
    if len(stack) != 1 or len(stack[0]) != 1 or not isinstance(stack[0][0], list):
        raise ValueError("Not one list: a bracket is open, or something stands outside.")
    return stack[0][0]


def read(name: str) -> Node:
    """One of the project's files, by its name in kicad/."""
    return parse((KICAD / name).read_text(encoding="utf-8"))


def plain(atom: Node | str) -> str:
    """What an atom says."""
    if not isinstance(atom, str):
        raise TypeError(f"Not an atom: {str(atom)[:80]}")
    if atom.startswith('"'):
        return atom[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return atom


def children(node: Node, name: str) -> Iterator[Node]:
    """Those lists in a list that begin with `name`."""
    return (child for child in node if isinstance(child, list) and child and child[0] == name)


def child(node: Node, *names: str) -> Node:
    """The first list in a list that begins with a name, and so on downwards; KeyError says which is missing."""
    for name in names:
        found = next(children(node, name), None)
        if found is None:
            raise KeyError(f"no ({name} ...) in ({plain(node[0])} ...)")
        node = found
    return node


def value(node: Node, *names: str) -> str:
    """What the list at the end of a path says after its name."""
    return plain(child(node, *names)[1])


def numbers(node: Node, *names: str) -> tuple[float, ...]:
    """The numbers at the end of a path."""
    return tuple(float(plain(atom)) for atom in child(node, *names)[1:])


def fields(node: Node) -> dict[str, str]:
    """The properties of a symbol or of a footprint, by name."""
    return {plain(field[1]): plain(field[2]) for field in children(node, "property")}
