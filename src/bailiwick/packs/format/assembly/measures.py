"""Measures and decision tables: named, typed quantities, each an expression or rows of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bailiwick.packs.format.declarations import Declarations
from bailiwick.packs.format.documents import Document
from bailiwick.packs.format.pack import Measure, Table, TableRow
from bailiwick.packs.language.expressions import is_of_type


def measures_of(declared: Declarations) -> Iterator[Measure]:
    """Build the measures."""
    for document, pointer, item in declared.sound_items("rules/measures.yaml", "measures"):
        measure = _measure(declared, document, pointer, item)
        if measure is not None:
            yield measure


def tables_of(declared: Declarations) -> Iterator[Table]:
    """Build the decision tables, in order of their files."""
    for document in declared.folder("rules/tables/"):
        table = None if document.broken else _table(declared, document)
        if table is not None:
            yield table


def _measure(declared: Declarations, document: Document, pointer: str, item: dict[str, Any]) -> Measure | None:
    declared.check_unit(document, f"{pointer}/unit", item.get("unit"))
    cite = declared.cites(document, pointer, item)
    expression = declared.expression(document, f"{pointer}/expr", item["expr"], item["type"])
    if expression is None:
        return None
    return Measure(
        id=item["id"], type=item["type"], unit=item.get("unit"), cite=cite, says=item.get("say"), expression=expression
    )


def _table(declared: Declarations, document: Document) -> Table | None:
    item = document.value
    declared.check_unit(document, "/unit", item.get("unit"))
    kind = _row_type(declared, document)
    _check_policy(declared, document)
    seen: set[str] = set()
    rows: list[TableRow] = []
    for pointer, row in document.items("rows"):
        declared.check_once(document, f"{pointer}/id", row["id"], seen)
        cite = declared.cites(document, pointer, row)
        when = declared.expression(document, f"{pointer}/when", row["when"], "boolean")
        value = declared.expression(document, f"{pointer}/value", row["value"], kind)
        if when is not None and value is not None:
            _check_priority(declared, document, f"{pointer}/value", value.constant and value.constant[0])
            rows.append(TableRow(id=row["id"], when=when, value=value, cite=cite, says=row.get("say")))
    if len(rows) < len(item["rows"]):
        return None
    return Table(
        id=item["id"],
        type=item["type"],
        unit=item.get("unit"),
        hit=item["hit"],
        rows=tuple(rows),
        priority=tuple(item.get("priority", ())),
        collect=item.get("collect"),
    )


# --- hit policies ---------------------------------------------------------------------------------------------------


def _row_type(declared: Declarations, document: Document) -> str | None:
    """Give the type that the rows' values must have; None takes any."""
    item = document.value
    kind, collect = str(item["type"]), item.get("collect")
    if item["hit"] != "collect":
        return kind
    if collect is None:
        if not kind.endswith("s"):
            message = f"a table that collects gives a list: {kind}s, or say what is made of it with collect"
            declared.fault(document, "/type", "type", message, kind)
        return kind.removesuffix("s")
    if kind != "integer":
        declared.fault(document, "/type", "type", f"collect: {collect} gives an integer, the table is {kind}", kind)
    return None if collect == "count" else "integer"


def _check_policy(declared: Declarations, document: Document) -> None:
    """Note what belongs to another hit policy, and a priority that is missing or of another type."""
    item = document.value
    if "collect" in item and item["hit"] != "collect":
        declared.fault(document, "/collect", "hit", f"collect belongs to hit: collect, not hit: {item['hit']}")
    if ("priority" in item) != (item["hit"] == "priority"):
        message = "hit: priority goes with priority, the values that rows may have, best first"
        declared.fault(document, "/priority", "hit", message)
    for position, value in enumerate(item.get("priority", ())):
        if not is_of_type(value, item["type"]):
            message = f"the value is no {item['type']}, which {item['id']} is declared to be"
            declared.fault(document, f"/priority/{position}", "type", message, value)


def _check_priority(declared: Declarations, document: Document, pointer: str, value: Any) -> None:
    """Note a constant that the list of priorities does not have; what only evaluation knows is found there."""
    values = document.value.get("priority", [])
    if values and value is not None and not any(value is each or _is_same(value, each) for each in values):
        declared.fault(document, pointer, "priority", f"{value} is not among the values of priority", value)


def _is_same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)
