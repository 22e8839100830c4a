"""Words about foreign values that are safe to print: bounded, on one line, without control characters."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

VALUE_CHARACTERS_MAX = 80
"""Longest text of a value in a message, in characters."""

POINTER_CHARACTERS_MAX = 400
"""Longest JSON Pointer in a message, in characters; a longer one keeps its beginning and its end."""

ELLIPSIS = "…"


def printable(text: str, characters_max: int) -> str:
    """Give text bounded and on one line; what a terminal would not print stands as an escape.

    >>> printable("a\\x1b[31m", 80)
    'a\\\\x1b[31m'
    """
    bounded = text if len(text) <= characters_max else text[: characters_max - 1] + ELLIPSIS
    if bounded.isprintable():
        return bounded
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode()
        for character in bounded
    )


def quoted(text: str) -> str:
    """Give text in double quotes, bounded and printable."""
    return f'"{printable(text, VALUE_CHARACTERS_MAX)}"'


def pointer(parts: Iterable[str | int]) -> str:
    """Write a JSON Pointer (RFC 6901), bounded and printable; the empty text is the whole document.

    >>> pointer(["a/b", 0, "~"])
    '/a~1b/0/~0'
    """
    path = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
    if len(path) > POINTER_CHARACTERS_MAX:
        half = POINTER_CHARACTERS_MAX // 2
        path = path[:half] + ELLIPSIS + path[-half:]
    return printable(path, 2 * POINTER_CHARACTERS_MAX)


def value_text(value: Any, characters_max: int = VALUE_CHARACTERS_MAX) -> str:
    """Give a JSON value as bounded JSON-like text; its cost is bounded too, however large the value.

    >>> value_text({"a": [1, "x" * 200]}, 20)
    '{"a": [1, "xxxxxxxx…'
    """
    pieces: list[str] = []
    _write(value, characters_max + 1, pieces)
    return printable("".join(pieces), characters_max)


def _write(value: Any, room: int, pieces: list[str]) -> int:
    """Append the text of a value until the room is used up; give the room that is left."""
    if isinstance(value, dict | list | tuple):
        return _write_members(value, room, pieces)
    if isinstance(value, str):
        text = json.dumps(value[:room], ensure_ascii=False)
    elif value is None or isinstance(value, bool | int | float):
        text = json.dumps(value)
    else:
        text = str(value) if isinstance(value, Decimal) else type(value).__name__
    return _put(text, room, pieces)


def _write_members(container: Any, room: int, pieces: list[str]) -> int:
    opening, closing = "{}" if isinstance(container, dict) else "[]"
    room = _put(opening, room, pieces)
    for position, item in enumerate(container):
        if room <= 0:
            return 0
        room = _put(", " if position else "", room, pieces)
        if isinstance(container, dict):
            room = _put(json.dumps(str(item)[:VALUE_CHARACTERS_MAX], ensure_ascii=False) + ": ", room, pieces)
            room = _write(container[item], room, pieces)
        else:
            room = _write(item, room, pieces)
    return _put(closing, room, pieces)


def _put(text: str, room: int, pieces: list[str]) -> int:
    pieces.append(text)
    return room - len(text)
