"""What every source of packs holds to: names, paths and sizes, checked before a byte reaches the pack loader."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bailiwick.errors import NotFound, PackRefused, Violation

FILES_MAX = 256
"""Most files of one pack."""
FILE_BYTES_MAX = 1 << 20
"""Largest file of a pack, in bytes."""
PACK_BYTES_MAX = 8 << 20
"""Largest pack, all files together, in bytes."""
DEPTH_MAX = 6
"""Folders within folders of a pack, in levels."""
PATH_CHARACTERS_MAX = 200

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}\Z")


def check_name(name: str) -> str:
    """Give the name of a pack back if it can be one.

    Raises:
        NotFound: it cannot, so there is no such pack; a path most of all.
    """
    if not _NAME.match(name):
        raise not_found(name)
    return name


def is_name(name: str) -> bool:
    """Say whether a pack can be called so."""
    return _NAME.match(name) is not None


def not_found(name: str) -> NotFound:
    """Say that there is no such pack."""
    return NotFound(
        f"there is no pack named {name[:80]!r}",
        hint="bailiwick pack list shows the packs there are",
        code="pack-not-found",
    )


def check_path(name: str, path: str) -> None:
    """Refuse a path that leaves the pack, nests too deep or is not plain.

    Raises:
        PackRefused: rule ``path``.
    """
    parts = path.split("/")
    if len(path) > PATH_CHARACTERS_MAX or len(parts) > DEPTH_MAX or not all(_PART.match(part) for part in parts):
        message = f"a path within a pack has up to {DEPTH_MAX} parts of ASCII letters, digits, '.', '_' and '-'"
        raise refused(name, path, "path", message)


def check_sizes(name: str, sizes: Iterable[tuple[str, int]]) -> None:
    """Refuse too many files, one too large, or too many bytes in all.

    Raises:
        PackRefused: rules ``files``, ``file-size``, ``size``.
    """
    count = total = 0
    for path, size in sizes:
        count, total = count + 1, total + size
        if count > FILES_MAX:
            raise refused(name, path, "files", f"more than {FILES_MAX} files")
        if size > FILE_BYTES_MAX:
            raise refused(name, path, "file-size", f"more than {FILE_BYTES_MAX} bytes")
        if total > PACK_BYTES_MAX:
            raise refused(name, path, "size", f"more than {PACK_BYTES_MAX} bytes in all")


def refused(name: str, path: str, rule: str, message: str) -> PackRefused:
    """Refuse a pack for one of its files."""
    told = ascii(path[:PATH_CHARACTERS_MAX])[1:-1]
    return PackRefused(
        f"pack {name} cannot be read: {told}: {message}",
        hint="docs/formats/pack.md says what a pack's folder holds",
        violations=[Violation(path=told, rule=rule, message=message, value="")],
        code="pack-source",
    )
