"""Which facts rules may read: the scalars and lists of scalars that a pack's input schema declares."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bailiwick.packs.format.pack import InputField, input_field

DEPTH_MAX = 6
"""Objects within objects of the facts that rules can reach, in levels."""

_SCALARS = {"boolean", "integer", "string"}
_WORD_TYPES = {bool: "boolean", int: "integer", str: "string"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A property of the schema: its path as a fact, where it stands in the schema (JSON Pointer), and what it says."""

    path: str
    pointer: str
    rule: dict[str, Any]


def fields_of(schema: Any) -> tuple[InputField, ...]:
    """List the facts that rules may read, in the schema's order.

    A property counts when its type is plain: ``type`` (with or without ``null``), or an ``enum`` or ``const`` of one
    kind. Numbers with fractions and anything behind ``$ref`` or ``anyOf`` are facts that no rule can read.
    ``x-unit`` names the unit.

    >>> [(f.path, f.type) for f in fields_of({"properties": {"degree": {"enum": ["fatality"]}}})]
    [('in.degree', 'string')]
    """
    return tuple(_field(place, kind) for place in places_of(schema) if (kind := _type_of(place.rule)) is not None)


def places_of(schema: Any) -> Iterator[Place]:
    """List every fact that has a name, in the schema's order: objects, and what is in them."""
    yield from _places(schema, "in", "", 0)


def _places(schema: Any, path: str, pointer: str, depth: int) -> Iterator[Place]:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict) or depth >= DEPTH_MAX:
        return
    for name, rule in properties.items():
        if not name.isidentifier() or not name.isascii() or not isinstance(rule, dict):
            continue
        place = Place(path=f"{path}.{name}", pointer=f"{pointer}/properties/{name}", rule=rule)
        yield place
        if rule.get("type") == "object" and _type_of(rule) is None:
            yield from _places(rule, place.path, place.pointer, depth + 1)


def _field(place: Place, kind: str) -> InputField:
    unit = place.rule.get("x-unit")
    return input_field(place.path, kind, unit if isinstance(unit, str) else None)


def _type_of(rule: dict[str, Any]) -> str | None:
    kind = _scalar_of(rule)
    if kind is None and rule.get("type") == "array" and isinstance(rule.get("items"), dict):
        inner = _scalar_of(rule["items"])
        return inner + "s" if inner else None
    return kind


def _scalar_of(rule: dict[str, Any]) -> str | None:
    declared = rule.get("type")
    if isinstance(declared, list):
        declared = next((each for each in declared if each != "null"), None) if len(declared) <= 2 else None
    if declared is None:
        return _kind_of_words(rule)
    return declared if declared in _SCALARS else None


def _kind_of_words(rule: dict[str, Any]) -> str | None:
    """Tell the type from the values that an ``enum`` or ``const`` allows."""
    words = rule.get("enum", [rule["const"]] if "const" in rule else [])
    kinds = {_WORD_TYPES.get(type(word)) for word in words if word is not None} if isinstance(words, list) else set()
    return kinds.pop() if len(kinds) == 1 else None
