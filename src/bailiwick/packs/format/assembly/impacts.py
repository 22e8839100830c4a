"""What follows: impact rows with their obligations, and the acts in the world that a decision asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bailiwick.packs.format.declarations import Declarations
from bailiwick.packs.format.documents import Document
from bailiwick.packs.format.files import is_closed, read_schema
from bailiwick.packs.format.pack import INDETERMINATE, Approval, Duty, EffectRule, ImpactRow
from bailiwick.schema import Contract

_SCHEMAS = "schemas/effects/"


def rows_of(declared: Declarations) -> Iterator[ImpactRow]:
    """Build the impact rows, in order; the last one must hold always."""
    seen: set[str] = set()
    last = ""
    for document, pointer, item in declared.sound_items("rules/impacts.yaml", "rows"):
        declared.check_once(document, f"{pointer}/id", item["id"], seen)
        declared.check_outcome(document, f"{pointer}/outcome", item["outcome"])
        cite = declared.cites(document, pointer, item)
        duties = tuple(_duties(declared, document, pointer, item.get("obligations", [])))
        when = declared.expression(document, f"{pointer}/when", item["when"], "boolean")
        last = item["when"].strip()
        if when is not None:
            yield ImpactRow(
                id=item["id"],
                when=when,
                outcome=item["outcome"],
                severity=item["severity"],
                says=item["say"],
                cite=cite,
                duties=duties,
            )
    impacts = declared.documents.get("rules/impacts.yaml")
    if impacts is not None and not impacts.broken and last != "true":
        declared.fault(impacts, "/rows", "gap", 'the last row must hold always (when: "true"): no case falls through')


def _duties(declared: Declarations, document: Document, pointer: str, items: list[dict[str, Any]]) -> Iterator[Duty]:
    seen: set[str] = set()
    for position, item in enumerate(items):
        place = f"{pointer}/obligations/{position}"
        declared.check_once(document, f"{place}/id", item["id"], seen)
        declared.check_cite(document, f"{place}/cite", item["cite"])
        within = declared.expression(document, f"{place}/within", item["within"], "integer")
        if within is not None:
            yield Duty(id=item["id"], text=item["text"], within=within, cite=item["cite"])


# --- effects --------------------------------------------------------------------------------------------------------


def effects_of(declared: Declarations, files: Mapping[str, bytes]) -> Iterator[EffectRule]:
    """Build the effects that decisions ask for, with the schemas of their parameters."""
    schemas = _schemas(declared, files)
    seen: set[str] = set()
    for document, pointer, item in declared.sound_items("rules/effects.yaml", "effects"):
        declared.check_once(document, f"{pointer}/id", item["id"], seen)
        for position, outcome in enumerate(item["outcomes"]):
            declared.check_outcome(document, f"{pointer}/outcomes/{position}", outcome)
        if INDETERMINATE in item["outcomes"]:
            message = "nothing is done in the world about a case that could not be decided"
            declared.fault(document, f"{pointer}/outcomes", "outcome", message, INDETERMINATE)
        yield _effect(declared, document, pointer, item, schemas)


def _effect(
    declared: Declarations,
    document: Document,
    pointer: str,
    item: dict[str, Any],
    schemas: Mapping[str, tuple[Any, Contract]],
) -> EffectRule:
    parameters = {
        name: declared.expression(document, f"{pointer}/parameters/{name}", text, None)
        for name, text in item.get("parameters", {}).items()
    }
    when, key = (
        declared.expression(document, f"{pointer}/{name}", item[name], kind) if name in item else None
        for name, kind in (("when", "boolean"), ("key", "string"))
    )
    schema, contract = schemas.get(item.get("schema", ""), (None, None))
    _check_parameters(declared, document, pointer, item, schema)
    return EffectRule(
        id=item["id"],
        type=item["type"],
        outcomes=tuple(item["outcomes"]),
        when=when,
        key=key,
        parameters={name: expression for name, expression in parameters.items() if expression is not None},
        cite=declared.cites(document, pointer, item),
        says=item.get("say"),
        schema=item.get("schema"),
        contract=contract,
        approval=Approval(within_minutes=item["approval"].get("within_minutes")) if "approval" in item else None,
    )


def _schemas(declared: Declarations, files: Mapping[str, bytes]) -> dict[str, tuple[Any, Contract]]:
    """Compile the schemas of effects, each of which some effect must name."""
    named = {item.get("schema") for _, _, item in declared.sound_items("rules/effects.yaml", "effects")}
    found: dict[str, tuple[Any, Contract]] = {}
    for path in sorted(files):
        if not path.startswith(_SCHEMAS):
            continue
        if path not in named and not _is_broken(declared, "rules/effects.yaml"):
            declared.fault(path, "", "unused", "no effect of rules/effects.yaml names this schema")
        schema, contract = read_schema(path, files[path], declared.faults)
        if contract is not None and not is_closed(schema):
            message = "parameters are an object without further properties: additionalProperties false"
            declared.fault(path, "", "closed", message)
        elif contract is not None:
            found[path] = (schema, contract)
    return found


def _is_broken(declared: Declarations, path: str) -> bool:
    document = declared.documents.get(path)
    return document is not None and bool(document.broken)


def _check_parameters(
    declared: Declarations, document: Document, pointer: str, item: dict[str, Any], schema: Any
) -> None:
    """Note parameters that the schema of an effect must refuse, whatever their values."""
    path = item.get("schema")
    if path is None:
        return
    if schema is None:
        if not any(fault.path.partition("#")[0] == path for fault in declared.faults.found):
            declared.fault(document, f"{pointer}/schema", "name", f"the pack has no file {path}", path)
        return
    given, properties, required = item.get("parameters", {}), schema.get("properties", {}), schema.get("required", [])
    for name in given.keys() - (properties.keys() if isinstance(properties, dict) else set()):
        message = f"{path} has no property {name}, and refuses what it does not name"
        declared.fault(document, f"{pointer}/parameters/{name}", "name", message, name)
    for name in required:
        if name not in given:
            declared.fault(document, f"{pointer}/parameters", "missing", f"{path} requires {name}", name)
