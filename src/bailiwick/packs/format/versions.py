"""The versions of the format: what came with the second is a fault in a pack that says it is of the first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bailiwick import __version__
from bailiwick.packs.format.documents import Document, Faults
from bailiwick.packs.format.files import contract_of, is_second_schema
from bailiwick.packs.format.pack import FORMAT_1, FORMAT_2

FORMATS = (FORMAT_1, FORMAT_2)

FILES_OF_SECOND = frozenset(
    {
        "pack-calls",
        "pack-controls",
        "pack-facts",
        "pack-interview",
        "pack-language",
        "pack-policies",
        "pack-properties",
    }
)
"""Contracts of files that a pack of the first version has not."""

KEYS_OF_SECOND: Mapping[str, tuple[str, ...]] = {
    "pack-manifest": (
        "attachments",
        "domains",
        "kernel",
        "languages",
        "licence",
        "modules",
        "owners",
        "supersedes",
    ),
    "pack-sources": ("sources/*/oscal", "sources/*/retrieved", "sources/*/sha256"),
    "pack-parameters": ("parameters/*/by",),
    "pack-cases": ("cases/*/error",),
    "pack-table": ("collect", "priority"),
    "pack-effects": ("effects/*/approval", "effects/*/schema"),
}
"""Members of files that a pack of the first version has not; ``*`` is each item of a list."""

_HITS = ("first", "unique")


def format_of(manifest: Document | None) -> str | None:
    """Give the version of the format that a pack says it is of; None where it says none."""
    value = manifest.value.get("format") if manifest is not None else None
    return value if isinstance(value, str) else None


def is_known(declared: str | None) -> bool:
    """Say whether a version can be read here; a pack that says none has another fault already."""
    return declared is None or declared in FORMATS


def note_unknown(declared: str, faults: Faults) -> None:
    """Say that a pack is of a version that this bailiwick does not read: nothing else of it means anything."""
    message = f"{declared[:80]} is no format that bailiwick {__version__} reads; it reads {' and '.join(FORMATS)}"
    faults.add("pack.yaml", "/format", "format", message, declared)


def check_versions(paths: Mapping[str, bytes], documents: Mapping[str, Document], faults: Faults) -> None:
    """Note everything of the second version in a pack of the first."""
    for path in paths:
        if contract_of(path) in FILES_OF_SECOND or is_second_schema(path):
            _note(faults, path, "", f"a file {path}")
    for path, document in documents.items():
        for members in KEYS_OF_SECOND.get(contract_of(path) or "", ()):
            for pointer in _places(document.value, members.split("/"), ""):
                _note(faults, path, pointer, pointer.rpartition("/")[2])
        if contract_of(path) == "pack-table" and document.value.get("hit") not in (*_HITS, None):
            _note(faults, path, "/hit", f"hit: {str(document.value['hit'])[:40]}")


def _note(faults: Faults, path: str, pointer: str, what: str) -> None:
    faults.add(path, pointer, "format", f"{what} came with {FORMAT_2}: write that as the format of pack.yaml")


def _places(value: Any, parts: list[str], pointer: str) -> Iterator[str]:
    """Find the pointers of what a path of members leads to."""
    if not parts:
        yield pointer
    elif parts[0] == "*" and isinstance(value, list):
        for position, item in enumerate(value):
            yield from _places(item, parts[1:], f"{pointer}/{position}")
    elif isinstance(value, dict) and parts[0] in value:
        yield from _places(value[parts[0]], parts[1:], f"{pointer}/{parts[0]}")
