"""How many subschemas one value can meet at worst: a few lines of ``$ref`` can ask for billions of them.

Branches that judge the same value add up; branches for different members do not, because a value has one place. A
recursion counts once. Where a schema comes back to itself along several branches that judge the same member, that
multiplies with each level of a document: such a schema bounds how deep its documents may be.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

from bailiwick.errors import InputRefused

EXPANSION_MAX = 20_000
"""Most subschemas that one value may meet; the largest published schemas (OSCAL, complete) stay below 500."""

REPEATS_MAX = 20_000
"""Most times that a recursion may come back to one value of a document, along different branches."""

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
_Keywords = tuple[tuple[str, ...], tuple[str, ...]]
"""Keywords that hold one subschema, and keywords that hold several."""
_OVERLAPPING: dict[str, _Keywords] = {
    "items": (("contains",), ()),
    "named": (("propertyNames",), ("patternProperties",)),
}
"""What may judge the same member of a list or of an object as another keyword does."""
_APART: dict[str, _Keywords] = {
    "items": (("items", "additionalItems", "unevaluatedItems"), ("prefixItems", "items")),
    "named": (("additionalProperties", "unevaluatedProperties"), ("properties",)),
}
"""What shares the members out: each is judged by one of these."""
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


def check_expansion(schema: Any, resources: Mapping[str, Any] | None = None) -> int | None:
    """Refuse a schema that one value could keep busy for long, and say how deep its documents may be.

    Args:
        schema: As it was read.
        resources: Further schemas that it may refer to, by address.

    Raises:
        InputRefused: more than ``EXPANSION_MAX`` subschemas may meet one value, or references form a chain of hundreds
            (``schema-too-costly``).

    Returns:
        The most levels of a document; None where depth multiplies nothing.

    >>> check_expansion({"allOf": [{"type": "string"}, {"minLength": 3}]})
    >>> check_expansion({"properties": {"a": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}}})
    14
    """
    expansion = _Expansion(schema, resources or {})
    try:
        cost = expansion.cost()
    except RecursionError as error:
        raise _refused("its references form a chain of hundreds") from error
    if cost > EXPANSION_MAX:
        raise _refused(f"one value may meet {cost} subschemas, more than {EXPANSION_MAX}")
    if expansion.returns_max < 2:
        return None
    return int(math.log(REPEATS_MAX, expansion.returns_max))


def _refused(reason: str) -> InputRefused:
    return InputRefused(
        f"the schema is too costly: {reason}",
        hint="name each alternative once; do not combine a definition with itself over and over",
        code="schema-too-costly",
    )


@dataclass(frozen=True, slots=True)
class _Weight:
    """How many subschemas meet one value, and how often each schema that is still being weighed is come back to.

    That is counted apart for the value itself and for its members: of those it has items or named ones, never both.
    """

    cost: int = 0
    itself: Counter[int] = field(default_factory=Counter)
    items: Counter[int] = field(default_factory=Counter)
    named: Counter[int] = field(default_factory=Counter)

    def __add__(self, other: _Weight) -> _Weight:
        return _Weight(
            self.cost + other.cost, self.itself + other.itself, self.items + other.items, self.named + other.named
        )

    def returns(self) -> Counter[int]:
        """Give how often each schema is come back to, whatever the value is."""
        return self.itself + (self.items | self.named)


class _Expansion:
    """The subschemas of one schema, found by reference, each weighed once.

    ``returns_max``: how often, at most, a recursion comes back to itself for one and the same member.
    """

    def __init__(self, schema: Any, resources: Mapping[str, Any]) -> None:
        self._schema = schema
        self._resources: dict[str, Any] = {"": schema}
        self._weights: dict[int, _Weight | None] = {}
        self.returns_max = 0
        self._index(schema, "")
        for address, resource in resources.items():
            self._resources.setdefault(address, resource)
            self._index(resource, address)

    def cost(self) -> int:
        """Give the most subschemas that one value can meet."""
        return self._weigh(self._schema, "").cost

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

    def _weigh(self, schema: Any, base: str) -> _Weight:
        if not isinstance(schema, dict):
            return _Weight(1)
        if id(schema) in self._weights:
            return self._weights[id(schema)] or _Weight(0, Counter({id(schema): 1}))
        self._weights[id(schema)] = None
        base = _base(schema, base)
        weight = sum((self._weigh(one, base) for one in _subschemas(schema, _SAME_VALUE, _SAME_VALUE_EACH)), _Weight(1))
        weight += sum((self._referred(schema[each], base) for each in _REFERENCES if each in schema), _Weight())
        cost, returns = self._members(schema, base, "items")
        weight += _Weight(cost, items=returns)
        cost, returns = self._members(schema, base, "named")
        weight += _Weight(cost, named=returns)
        self.returns_max = max(self.returns_max, weight.returns()[id(schema)])
        for counter in (weight.itself, weight.items, weight.named):
            counter.pop(id(schema), 0)
        self._weights[id(schema)] = weight
        return weight

    def _members(self, schema: dict[str, Any], base: str, kind: str) -> tuple[int, Counter[int]]:
        """Weigh what judges members: cost, and how often each schema is come back to."""
        overlapping = [self._weigh(one, base) for one in _subschemas(schema, *_OVERLAPPING[kind])]
        apart = [self._weigh(one, base) for one in _subschemas(schema, *_APART[kind])]
        returns = sum((one.returns() for one in overlapping), Counter[int]())
        returns += reduce(or_, (one.returns() for one in apart), Counter[int]())
        return sum(one.cost for one in overlapping) + max((one.cost for one in apart), default=0), returns

    def _referred(self, reference: Any, base: str) -> _Weight:
        """Weigh the target of a reference; one that leads nowhere is refused later, by name."""
        if not isinstance(reference, str):
            return _Weight()
        address, fragment = urldefrag(reference)
        base = _join(base, address) if address else base
        if f"{base}#{fragment}" in self._resources:
            return self._weigh(self._resources[f"{base}#{fragment}"], base)
        target = self._resources.get(base, self._schema if not address else None)
        for part in unquote(fragment).split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            if isinstance(target, list) and key.isdecimal() and len(key) < 6 and int(key) < len(target):
                target = target[int(key)]
            else:
                target = target.get(key) if isinstance(target, dict) else None
        return self._weigh(target, base) if isinstance(target, dict) else _Weight()


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
