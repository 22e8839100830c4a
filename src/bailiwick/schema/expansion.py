"""How many subschemas one value can meet at worst: a few lines of ``$ref`` can ask for billions of them.

Branches that judge the same value add up; branches for different members do not, because a value has one place. A
recursion counts once, so a schema that judges the same member twice and itself again is not found here: how often
that repeats depends on the depth of the document, which has its own limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

from bailiwick.errors import InputRefused

EXPANSION_MAX = 20_000
"""Most subschemas that one value may meet; the largest published schemas (OSCAL, complete) stay below 500."""

_SAME_VALUE = ("not", "if", "then", "else")
_SAME_VALUE_EACH = ("allOf", "anyOf", "oneOf", "dependentSchemas", "dependencies")
_MEMBER = (
    "additionalItems",
    "additionalProperties",
    "contains",
    "items",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
)
_MEMBER_EACH = ("properties", "patternProperties", "prefixItems", "items", "$defs", "definitions")
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


def check_expansion(schema: Any, resources: Mapping[str, Any] | None = None) -> None:
    """Refuse a schema that one value could keep busy for long.

    Args:
        schema: As it was read.
        resources: Further schemas that it may refer to, by address.

    Raises:
        InputRefused: more than ``EXPANSION_MAX`` subschemas may meet one value, or references form a chain of hundreds
            (``schema-too-costly``).

    >>> check_expansion({"allOf": [{"type": "string"}, {"minLength": 3}]})
    """
    try:
        cost = _Expansion(schema, resources or {}).cost()
    except RecursionError as error:
        raise _refused("its references form a chain of hundreds") from error
    if cost > EXPANSION_MAX:
        raise _refused(f"one value may meet {cost} subschemas, more than {EXPANSION_MAX}")


def _refused(reason: str) -> InputRefused:
    return InputRefused(
        f"the schema is too costly: {reason}",
        hint="name each alternative once; do not combine a definition with itself over and over",
        code="schema-too-costly",
    )


class _Expansion:
    """The subschemas of one schema, found by reference, each weighed once."""

    def __init__(self, schema: Any, resources: Mapping[str, Any]) -> None:
        self._schema = schema
        self._resources: dict[str, Any] = {"": schema}
        self._costs: dict[int, int] = {}
        self._index(schema, "")
        for address, resource in resources.items():
            self._resources.setdefault(address, resource)
            self._index(resource, address)

    def cost(self) -> int:
        """Give the most subschemas that one value can meet."""
        return self._cost(self._schema, "")

    def _index(self, schema: Any, base: str) -> None:
        """Note every subschema that has a name of its own."""
        if not isinstance(schema, dict):
            return
        base = _base(schema, base)
        self._resources.setdefault(base, schema)
        for keyword in ("$anchor", "$dynamicAnchor"):
            if isinstance(schema.get(keyword), str):
                self._resources.setdefault(f"{base}#{schema[keyword]}", schema)
        for subschema in _subschemas(schema, _SAME_VALUE + _MEMBER, _SAME_VALUE_EACH + _MEMBER_EACH):
            self._index(subschema, base)

    def _cost(self, schema: Any, base: str) -> int:
        if not isinstance(schema, dict):
            return 1
        known = self._costs.get(id(schema))
        if known is not None:
            return known
        self._costs[id(schema)] = 0  # a recursion counts once
        base = _base(schema, base)
        same = sum(self._cost(each, base) for each in _subschemas(schema, _SAME_VALUE, _SAME_VALUE_EACH))
        members = sum(self._cost(each, base) for each in _subschemas(schema, _MEMBER, ("patternProperties",)))
        named = [self._cost(each, base) for each in _subschemas(schema, (), ("properties", "prefixItems", "items"))]
        referred = sum(self._referred(schema[keyword], base) for keyword in _REFERENCES if keyword in schema)
        cost = 1 + same + members + max(named, default=0) + referred
        self._costs[id(schema)] = cost
        return cost

    def _referred(self, reference: Any, base: str) -> int:
        """Weigh the target of a reference; one that leads nowhere is refused later, by name."""
        if not isinstance(reference, str):
            return 0
        address, fragment = urldefrag(reference)
        base = _join(base, address) if address else base
        if f"{base}#{fragment}" in self._resources:
            return self._cost(self._resources[f"{base}#{fragment}"], base)
        target = self._resources.get(base, self._schema if not address else None)
        for part in unquote(fragment).split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            if isinstance(target, list) and key.isdecimal() and len(key) < 6 and int(key) < len(target):
                target = target[int(key)]
            else:
                target = target.get(key) if isinstance(target, dict) else None
        return self._cost(target, base) if isinstance(target, dict) else 0


def _base(schema: dict[str, Any], base: str) -> str:
    """Give the address that a subschema counts from: its own, or that of what it stands in."""
    own = schema.get("$id", schema.get("id"))
    return _join(base, urldefrag(own).url) if isinstance(own, str) else base


def _join(base: str, address: str) -> str:
    try:
        return urljoin(base, address)
    except ValueError:  # such as an unclosed bracket in a host name; the compiler refuses it by name
        return address


def _subschemas(schema: dict[str, Any], single: tuple[str, ...], several: tuple[str, ...]) -> Iterator[Any]:
    """Give the subschemas under some keywords: those that hold one, and those that hold a list or an object of them."""
    for keyword in single:
        if isinstance(schema.get(keyword), dict):
            yield schema[keyword]
    for keyword in several:
        held = schema.get(keyword)
        if isinstance(held, list):
            yield from held
        elif isinstance(held, dict) and keyword != "items":
            yield from held.values()
