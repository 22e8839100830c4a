"""Measures that modules compute: which function of which pinned module, what it is given, and what is read from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bailiwick.packs.format.declarations import Declarations
from bailiwick.packs.format.documents import Document
from bailiwick.packs.format.pack import Call, CallGives, ModuleUse
from bailiwick.packs.language.expressions import Expression


def calls_of(declared: Declarations, modules: dict[str, str]) -> Iterator[Call]:
    """Build the calls.

    Args:
        declared: What the pack declares.
        modules: Digests by name, as ``pack.yaml`` pins them.
    """
    seen: set[str] = set()
    for document, pointer, item in declared.sound_items("rules/calls.yaml", "calls"):
        declared.check_once(document, f"{pointer}/id", item["id"], seen)
        if item["id"] in declared.measures:
            declared.fault(document, f"{pointer}/id", "duplicate", f"{item['id']} is a measure too", item["id"])
        digest = modules.get(item["module"])
        if digest is None and "pack.yaml" in declared.documents:
            message = f"{item['module']} is not among the modules of pack.yaml, which pins their digests"
            declared.fault(document, f"{pointer}/module", "name", message, item["module"])
        call = _call(declared, document, pointer, item, digest or "")
        if call is not None:
            yield call


def _call(declared: Declarations, document: Document, pointer: str, item: dict[str, Any], digest: str) -> Call | None:
    cite = declared.cites(document, pointer, item)
    given: dict[str, Expression] = {}
    for name, text in item.get("input", {}).items():
        expression = declared.expression(document, f"{pointer}/input/{name}", text, None)
        if expression is not None:
            given[name] = expression
    facts = dict(item.get("facts", {}))
    for name, path in facts.items():
        declared.check_fact(document, f"{pointer}/facts/{name}", path)
    _check_members(declared, document, pointer, [*item.get("input", {}), *facts])
    if len(given) < len(item.get("input", {})):
        return None
    return Call(
        id=item["id"],
        use=ModuleUse(module=item["module"], digest=digest, function=item["function"]),
        input=given,
        facts=facts,
        gives=tuple(_gives(declared, document, pointer, item)),
        cite=cite,
        says=item.get("say"),
    )


def _gives(declared: Declarations, document: Document, pointer: str, item: dict[str, Any]) -> Iterator[CallGives]:
    for position, each in enumerate(item["gives"]):
        declared.check_unit(document, f"{pointer}/gives/{position}/unit", each.get("unit"))
        yield CallGives(id=each["id"], type=each["type"], unit=each.get("unit"), pointer=each["path"])


def _check_members(declared: Declarations, document: Document, pointer: str, names: list[str]) -> None:
    """Note a member that stands twice, or is a value and an object at once (``a`` and ``a.b``)."""
    seen: set[str] = set()
    for name in names:
        declared.check_once(document, pointer, name, seen)
    for name in names:
        parts = name.split(".")
        for length in range(1, len(parts)):
            whole = ".".join(parts[:length])
            if whole in seen:
                declared.fault(document, pointer, "duplicate", f"{whole} is a value, and {name} is within it", name)
