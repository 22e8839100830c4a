"""Where the rules of a pack stand: file, JSON Pointer and line, by the names that reports use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bailiwick.model import JsonValue
from bailiwick.packs.format.documents import lines_of, read_yaml
from bailiwick.packs.format.files import LOCK
from bailiwick.packs.format.pack import INPUT_SCHEMA

MANIFEST = "pack"
"""The name of what stands in ``pack.yaml``."""
INPUTS = "inputs"
"""The name of the facts as a whole."""

_LISTS = {
    "assumptions.yaml": ("assumptions", "assumption"),
    "sources.yaml": ("sources", "source"),
    "policies.yaml": ("policies", "policy"),
    "controls.yaml": ("controls", "control"),
    "rules/measures.yaml": ("measures", "measure"),
    "rules/calls.yaml": ("calls", "call"),
    "rules/impacts.yaml": ("rows", "row"),
    "rules/effects.yaml": ("effects", "effect"),
    "tests/properties.yaml": ("properties", "property"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place in a pack: the file, a JSON Pointer in it, and the line from 1 (None where it is not known)."""

    file: str
    pointer: str
    line: int | None

    def __str__(self) -> str:
        """Write it as editors read it."""
        return self.file if self.line is None else f"{self.file}:{self.line}"

    def to_json(self) -> dict[str, JsonValue]:
        """Give the place as JSON."""
        return {"file": self.file, "pointer": self.pointer, "line": self.line}


class Places:
    """Finds where a rule stands by its name in reports: ``measure earned``, ``table row size.small`` …"""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        """Read the documents of a pack that loads."""
        self._places: dict[str, Place] = {}
        for path, raw in sorted(files.items()):
            if path.endswith(".yaml"):
                self._add(path, read_yaml(path, raw), lines_of(raw))

    def of(self, rule: str) -> Place:
        """Give the place of a rule; of one that is not known, the manifest."""
        if rule == "lock":
            return Place(file=LOCK, pointer="", line=None)
        if rule == INPUTS or rule.startswith("input in."):
            keys = rule.removeprefix(INPUTS).removeprefix("input in.").split(".")
            return Place(file=INPUT_SCHEMA, pointer="".join(f"/properties/{key}" for key in keys if key), line=None)
        found = self._places.get(rule)
        if found is None and rule.startswith("parameter "):
            found = self._places.get(rule.rpartition(".")[0])
        if found is None and rule.startswith("measure "):
            found = self._places.get(rule.removesuffix(" true").removesuffix(" false"))
        return found or Place(file="pack.yaml", pointer="", line=None)

    def _add(self, path: str, value: Any, lines: Mapping[str, int]) -> None:
        for name, pointer in _named(path, value):
            self._places.setdefault(name, Place(file=path, pointer=pointer, line=lines.get(pointer)))


def _named(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Give what a document holds, by name, with its pointer."""
    if not isinstance(value, Mapping):
        return
    if path == "pack.yaml":
        yield MANIFEST, ""
        yield from ((f"outcome {name}", f"/outcomes/{name}") for name in value.get("outcomes", {}))
        yield from ((f"unit {name}", f"/units/{name}") for name in value.get("units", {}))
    elif path in _LISTS:
        key, noun = _LISTS[path]
        yield from _items(value, key, noun)
    elif path.startswith("parameters/"):
        yield from _items(value, "parameters", "parameter")
    elif path.startswith("rules/tables/"):
        yield f"table {value.get('id')}", ""
        yield from _items(value, "rows", "table row", f"{value.get('id')}.")
    elif path.startswith("tests/"):
        yield from _items(value, "cases", "case", name="name")
    elif path.startswith("languages/"):
        yield f"language {path.removeprefix('languages/').removesuffix('.yaml')}", ""


def _items(
    value: Mapping[str, Any], key: str, noun: str, prefix: str = "", *, name: str = "id"
) -> Iterator[tuple[str, str]]:
    for position, item in enumerate(value.get(key, [])):
        pointer = f"/{key}/{position}"
        yield f"{noun} {prefix}{item.get(name)}", pointer
        if noun == "policy":
            yield f"assumption policy-{item.get('id')}", pointer
        for inner, duty in enumerate(item.get("obligations", []) if noun == "row" else []):
            yield f"obligation {item.get('id')}/{duty.get('id')}", f"{pointer}/obligations/{inner}"
