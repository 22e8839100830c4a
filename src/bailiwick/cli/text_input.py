"""A value on the command line: JSON as it stands, ``@FILE``, or ``-`` for standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from bailiwick.errors import InputRefused, NotFound

INPUT_BYTES_MAX = 4 << 20
"""Longest value that is read, in bytes; what a call of a module takes."""


def read_text_input(text: str) -> bytes:
    """Give the bytes that a value on the command line means.

    Raises:
        NotFound: the file cannot be read (code ``file-not-found``).
        InputRefused: it is larger than ``INPUT_BYTES_MAX`` (code ``input-too-large``).

    >>> read_text_input('{"a":1}')
    b'{"a":1}'
    """
    if text == "-":
        found = sys.stdin.buffer.read(INPUT_BYTES_MAX + 1)
    elif text.startswith("@"):
        found = _read(Path(text[1:]))
    else:
        found = text.encode(errors="surrogateescape")
    if len(found) > INPUT_BYTES_MAX:
        raise InputRefused(
            f"the input has more than {INPUT_BYTES_MAX} bytes", hint="send less in one call", code="input-too-large"
        )
    return found


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(INPUT_BYTES_MAX + 1)
    except OSError as error:
        raise NotFound(
            f"{path} cannot be read: {error.strerror or error}", hint="check the path", code="file-not-found"
        ) from error
