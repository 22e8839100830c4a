"""A new pack: small, complete and made up, so that an author changes law that works instead of an empty page."""

from __future__ import annotations

from importlib.abc import Traversable
from importlib.resources import files

from bailiwick.errors import UsageRefused
from bailiwick.schema import Schemas

NAME_MARK = b"NAME"
"""Stands for the pack's name in the files of the template."""
_NAMED = ("pack.yaml", "README.md")


def start_pack(name: str) -> dict[str, bytes]:
    """Give the files of a new pack, by path within its folder.

    Raises:
        UsageRefused: a pack cannot be called so (code ``pack-name``).

    >>> sorted(start_pack("town-fees"))[:3]
    ['README.md', 'interview/questions.yaml', 'pack.yaml']
    """
    if any(each.path == "/id" for each in Schemas().violations("pack-manifest", {"id": name})):
        raise UsageRefused(
            f"{name[:80]!r} cannot be the name of a pack",
            hint="a lower-case letter, then letters, digits and single hyphens, at most 64 characters",
            code="pack-name",
        )
    found: dict[str, bytes] = {}
    waiting: list[tuple[str, Traversable]] = [("", files("bailiwick") / "builtin" / "templates" / "pack")]
    while waiting:
        path, place = waiting.pop()
        for entry in place.iterdir():
            where = f"{path}{entry.name}"
            if entry.is_dir():
                waiting.append((f"{where}/", entry))
            else:
                content = entry.read_bytes()
                found[where] = content.replace(NAME_MARK, name.encode()) if where in _NAMED else content
    return dict(sorted(found.items()))
