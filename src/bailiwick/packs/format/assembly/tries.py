"""How a pack is tried: cases, properties; and the controls that its rules test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bailiwick.errors import InputRefused
from bailiwick.packs.format.declarations import Declarations
from bailiwick.packs.format.documents import Document
from bailiwick.packs.format.pack import Case, Control, Property
from bailiwick.packs.language.expressions import Language
from bailiwick.schema import Contract

_RULES = (("rules/calls.yaml", "calls"), ("rules/impacts.yaml", "rows"), ("rules/effects.yaml", "effects"))
"""Where rules are declared that are no measures."""


def cases_of(declared: Declarations, contract: Contract | None) -> Iterator[Case]:
    """Build the cases; their input must be facts, but where it is to be refused."""
    seen: set[str] = set()
    for folder_document in declared.folder("tests/"):
        for document, pointer, item in declared.sound_items(folder_document.file, "cases"):
            declared.check_once(document, f"{pointer}/name", item["name"], seen)
            if "error" not in item:
                _check_input(declared, contract, document, f"{pointer}/input", item["input"])
            yield _case(declared, document, pointer, item)


def _case(declared: Declarations, document: Document, pointer: str, item: dict[str, Any]) -> Case:
    output = item.get("output", {})
    measures = {name: value for name, value in output.items() if name != "outcome"}
    if "outcome" in output:
        declared.check_outcome(document, f"{pointer}/output/outcome", output["outcome"])
    for name in (*measures, *item.get("indeterminate", ())):
        declared.check_name(document, pointer, name)
    for position, cite in enumerate(item.get("cites", ())):
        declared.check_cite(document, f"{pointer}/cites/{position}", cite)
    return Case(
        file=document.file,
        name=item["name"],
        legal_date=item.get("legal_date"),
        input=item["input"],
        outcome=output.get("outcome"),
        measures=measures,
        indeterminate=tuple(item.get("indeterminate", ())),
        obligations=tuple(item["obligations"]) if "obligations" in item else None,
        effects=tuple(item["effects"]) if "effects" in item else None,
        cites=tuple(item.get("cites", ())),
        because=item.get("because"),
        status=item["status"],
        error=item.get("error"),
    )


def _check_input(
    declared: Declarations, contract: Contract | None, document: Document, pointer: str, facts: Any
) -> None:
    try:
        violations = contract.violations(facts) if contract is not None else []
    except InputRefused as error:
        declared.fault(document, pointer, error.code, error.message)
        return
    for each in violations:
        declared.fault(document, pointer + each.path, each.rule, each.message, each.value)


# --- properties and controls ----------------------------------------------------------------------------------------


def properties_of(declared: Declarations, language: Language | None) -> Iterator[Property]:
    """Build the properties, in the language of the rules with the outcome beside it."""
    seen: set[str] = set()
    for document, pointer, item in declared.sound_items("tests/properties.yaml", "properties"):
        declared.check_once(document, f"{pointer}/id", item["id"], seen)
        when, holds = (
            declared.expression(document, f"{pointer}/{name}", item[name], "boolean", language=language)
            if name in item
            else None
            for name in ("when", "holds")
        )
        if holds is not None:
            yield Property(id=item["id"], text=item["text"], when=when, holds=holds)


def controls_of(declared: Declarations) -> Iterator[Control]:
    """Build the controls, each of which names rules that there are."""
    known, seen = set(declared.measures), set[str]()
    for path, key in _RULES:
        document = declared.documents.get(path)
        known.update(str(item.get("id")) for _, item in (document.items(key) if document is not None else ()))
    for document, pointer, item in declared.sound_items("controls.yaml", "controls"):
        declared.check_once(document, f"{pointer}/id", item["id"], seen)
        for position, name in enumerate(item["rules"]):
            if name not in known and declared.names_are_sure:
                message = f"{name} is no measure, table, call, impact row or effect of this pack"
                declared.fault(document, f"{pointer}/rules/{position}", "name", message, name)
        cite = declared.cites(document, pointer, item)
        yield Control(id=item["id"], title=item["title"], cite=cite, rules=tuple(item["rules"]))
