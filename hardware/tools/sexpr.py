# SPDX-License-Identifier: CERN-OHL-P-2.0
"""KiCad's files as nested lists: a reader, a writer and the queries that several tools need.

An atom keeps its spelling, quotes included, so a file that is read and written again is unchanged. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias

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


def dump(node: Node, depth: int = 0) -> str:
    """A list as KiCad lays it out: leaves on one line, the rest indented by tabs."""
    if not any(isinstance(child, list) for child in node):
        return "(" + " ".join(map(str, node)) + ")"
    parts = [
        "\n" + "\t" * (depth + 1) + dump(child, depth + 1) if isinstance(child, list) else f" {child}"
        for child in node
    ]
    return "(" + "".join(parts).removeprefix(" ") + "\n" + "\t" * depth + ")"


def quoted(text: str) -> str:
    """A string as an atom."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def plain(atom: Node | str) -> str:
    """What an atom says."""
    if not isinstance(atom, str):
        raise TypeError(f"Not an atom: {dump(atom)[:80]}")
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
