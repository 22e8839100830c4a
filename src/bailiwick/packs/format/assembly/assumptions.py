"""What the law presumes, and the disputed readings among which a tenant chooses: both stand for absent facts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bailiwick.packs.format.declarations import Declarations
from bailiwick.packs.format.documents import Document
from bailiwick.packs.format.pack import Assumption, Policy, Reading

_POLICIES = "policies.yaml"


def assumptions_of(declared: Declarations, policies: tuple[Policy, ...]) -> Iterator[Assumption]:
    """Build the assumptions: those that the pack writes, then the default reading of each policy."""
    seen: set[str] = set()
    switches = {policy.path: policy for policy in policies}
    for document, pointer, item in declared.sound_items("assumptions.yaml", "assumptions"):
        declared.check_once(document, f"{pointer}/id", item["id"], seen)
        cite = declared.cites(document, pointer, item)
        when = declared.expression(document, f"{pointer}/when", item["when"], "boolean", raw=True)
        path, value = item.get("input"), None
        if path is not None and path in declared.types:
            kind = declared.types[path]
            value = declared.expression(document, f"{pointer}/value", item["value"], kind, raw=True)
        elif path is not None and declared.has_schema:
            declared.fault(document, f"{pointer}/input", "name", f"{path} is not in the input schema", path)
        if path in switches:
            message = f"{path} is what policy {switches[path].id} stands for: its default reading is the assumption"
            declared.fault(document, f"{pointer}/input", "policy", message, path)
        if when is not None:
            yield Assumption(id=item["id"], text=item["text"], cite=cite, when=when, path=path, value=value)
    for policy in policies:
        yield from _default(declared, policy, seen)


def policies_of(declared: Declarations) -> Iterator[Policy]:
    """Build the policies: the fact of each must be a word whose values are the ids of the readings."""
    seen: set[str] = set()
    paths: set[str] = set()
    for document, pointer, item in declared.sound_items(_POLICIES, "policies"):
        declared.check_once(document, f"{pointer}/id", item["id"], seen)
        declared.check_once(document, f"{pointer}/input", item["input"], paths)
        readings = tuple(_readings(declared, document, pointer, item))
        names = [reading.id for reading in readings]
        if item["default"] not in names:
            message = f"{item['default']} is none of the readings: {', '.join(names)}"
            declared.fault(document, f"{pointer}/default", "name", message, item["default"])
        _check_switch(declared, document, f"{pointer}/input", item["input"], names)
        yield Policy(id=item["id"], path=item["input"], title=item["title"], readings=readings, default=item["default"])


def _readings(declared: Declarations, document: Document, pointer: str, policy: dict[str, Any]) -> Iterator[Reading]:
    seen: set[str] = set()
    for position, item in enumerate(policy["readings"]):
        place = f"{pointer}/readings/{position}"
        declared.check_once(document, f"{place}/id", item["id"], seen)
        cite = declared.cites(document, place, item)
        yield Reading(id=item["id"], text=item["text"], cite=cite, status=item["status"])


def _check_switch(declared: Declarations, document: Document, pointer: str, path: str, names: list[str]) -> None:
    """Note a fact that cannot hold exactly the readings."""
    if not declared.check_fact(document, pointer, path):
        return
    values = declared.places[path].rule.get("enum")
    given = {value for value in values if isinstance(value, str)} if isinstance(values, list) else None
    if given != set(names):
        message = f"the input schema must have {path} as an enum of the readings: {', '.join(names)}"
        declared.fault(document, pointer, "policy", message, path)


def _default(declared: Declarations, policy: Policy, seen: set[str]) -> Iterator[Assumption]:
    """Give the assumption that the default reading is."""
    document = declared.documents[_POLICIES]
    declared.check_once(document, "/policies", policy.assumption, seen)
    reading = policy.reading(policy.default)
    when = declared.expression(document, "/policies", "true", "boolean", raw=True)
    if reading is None or when is None or policy.path not in declared.types:
        return
    value = declared.expression(document, "/policies", f"'{reading.id}'", "string", raw=True)
    text = f"{policy.title}: {reading.text}"
    yield Assumption(id=policy.assumption, text=text, cite=reading.cite, when=when, path=policy.path, value=value)
