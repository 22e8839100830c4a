"""Which facts rules may read: the scalars and lists of scalars that a pack's input schema declares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bailiwick.packs.format.pack import InputField, input_field

DEPTH_MAX = 6
"""Objects within objects of the facts that rules can reach, in levels."""

_SCALARS = {"boolean", "integer", "string"}
_WORD_TYPES = {bool: "boolean", int: "integer", str: "string"}


def fields_of(schema: Any) -> tuple[InputField, ...]:
    """List the facts that rules may read, in the schema's order.

    A property counts when its type is plain: ``type`` (with or without ``null``), or an ``enum`` or ``const`` of one
    kind. Numbers with fractions and anything behind ``$ref`` or ``anyOf`` are facts that no rule can read.
    ``x-unit`` names the unit.

    >>> [(f.path, f.type) for f in fields_of({"properties": {"degree": {"enum": ["fatality"]}}})]
    [('in.degree', 'string')]
    """
    return tuple(_fields(schema, "in", 0))


def _fields(schema: Any, path: str, depth: int) -> Iterator[InputField]:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict) or depth >= DEPTH_MAX:
        return
    for name, rule in properties.items():
        if not name.isidentifier() or not name.isascii() or not isinstance(rule, dict):
            continue
        kind = _type_of(rule)
        if kind is not None:
            unit = rule.get("x-unit")
            yield input_field(f"{path}.{name}", kind, unit if isinstance(unit, str) else None)
        elif rule.get("type") == "object":
            yield from _fields(rule, f"{path}.{name}", depth + 1)


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
