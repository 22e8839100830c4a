"""Documents become a pack: each rule is built against what the pack declares, and the whole is put in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bailiwick.errors import InputRefused
from bailiwick.packs.format.declarations import Declarations
from bailiwick.packs.format.documents import Document, Faults
from bailiwick.packs.format.pack import (
    INDETERMINATE,
    Assumption,
    Case,
    Duty,
    EffectRule,
    ImpactRow,
    IntakeModule,
    Law,
    Level,
    Measure,
    Pack,
    Table,
    TableRow,
)
from bailiwick.schema import Contract


def assemble(
    name: str,
    documents: Mapping[str, Document],
    schema: Any,
    contract: Contract | None,
    *,
    identity: str,
    faults: Faults,
) -> Pack | None:
    """Put a pack together.

    Args:
        name: What the pack must be called.
        documents: Every YAML file that could be read, by path.
        schema: The input schema, or None where it could not be used.
        contract: The input schema compiled.
        identity: The digest of the pack's files.
        faults: Takes what is found wrong; None is given where anything was.
    """
    declared = Declarations(documents, schema, faults)
    law, intake = _manifest(name, declared)
    assumptions = tuple(_assumptions(declared))
    levels = _levels(declared)
    rows = tuple(_rows(declared))
    effects = tuple(_effects(declared))
    cases = tuple(_cases(declared, contract))
    if faults.found or contract is None or law is None:
        return None
    manifest = declared.manifest
    return Pack(
        name=name,
        version=manifest["version"],
        title=manifest["title"],
        jurisdiction=manifest["jurisdiction"],
        digest=identity,
        law=law,
        outcomes=manifest["outcomes"],
        units=manifest.get("units", {}),
        intake=intake,
        input_schema=schema,
        sources=declared.sources,
        parameters=declared.parameters,
        inputs=declared.inputs_read(),
        assumptions=assumptions,
        levels=levels,
        measures=tuple(declared.measures),
        rows=rows,
        conditions=declared.language.compile_all([row.when for row in rows]),
        assumption_conditions=declared.language.compile_all([each.when for each in assumptions]),
        assumption_names=_names(assumptions),
        impact_names=_names((*rows, *effects)),
        effects=effects,
        cases=cases,
        legal_date_path=manifest.get("legal_date"),
        language=declared.language,
        contract=contract,
    )


def _names(rules: Iterable[Assumption | Measure | Table | ImpactRow | EffectRule]) -> frozenset[str]:
    """Give the engine's names of everything that some rules read."""
    return frozenset(name for rule in rules for each in rule.expressions for name in each.engine_names())


def _manifest(name: str, declared: Declarations) -> tuple[Law | None, dict[str, IntakeModule]]:
    document = declared.documents.get("pack.yaml")
    if document is None or document.broken:
        return None, {}
    given = document.value
    if given["id"] != name:
        declared.fault(document, "/id", "name", f"the pack is loaded as {name[:80]}, and calls itself {given['id']}")
    law = given["law"]
    declared.check_cite(document, "/law/cite", law["cite"])
    if law.get("to", "9999-12-31") < law["from"]:
        declared.fault(document, "/law/to", "date", "the law ends before it begins", law["to"])
    path = given.get("legal_date")
    if path is not None and declared.has_schema and declared.types.get(path) != "string":
        declared.fault(document, "/legal_date", "name", f"{path} is no text of the input schema", path)
    intake = {media: IntakeModule(**reader) for media, reader in given.get("intake", {}).items()}
    return Law(valid_from=law["from"], valid_to=law.get("to"), cite=law["cite"]), intake


def _assumptions(declared: Declarations) -> Iterator[Assumption]:
    seen: set[str] = set()
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
        if when is not None:
            yield Assumption(id=item["id"], text=item["text"], cite=cite, when=when, path=path, value=value)


# --- measures and tables --------------------------------------------------------------------------------------------


def _levels(declared: Declarations) -> tuple[Level, ...]:
    built: dict[str, Measure | Table] = {}
    for document, pointer, item in declared.sound_items("rules/measures.yaml", "measures"):
        measure = _measure(declared, document, pointer, item)
        if measure is not None:
            built.setdefault(measure.path, measure)
    for document in declared.folder("rules/tables/"):
        table = None if document.broken else _table(declared, document)
        if table is not None:
            built.setdefault(table.path, table)
    return _in_order(declared, built)


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
    seen: set[str] = set()
    rows: list[TableRow] = []
    for pointer, row in document.items("rows"):
        declared.check_once(document, f"{pointer}/id", row["id"], seen)
        cite = declared.cites(document, pointer, row)
        when = declared.expression(document, f"{pointer}/when", row["when"], "boolean")
        value = declared.expression(document, f"{pointer}/value", row["value"], item["type"])
        if when is not None and value is not None:
            rows.append(TableRow(id=row["id"], when=when, value=value, cite=cite, says=row.get("say")))
    if len(rows) < len(item["rows"]):
        return None
    return Table(
        id=item["id"],
        type=item["type"],
        unit=item.get("unit"),
        hit=item["hit"],
        rows=tuple(rows),
        conditions=declared.language.compile_all([row.when for row in rows]),
    )


def _in_order(declared: Declarations, built: dict[str, Measure | Table]) -> tuple[Level, ...]:
    """Sort measures into levels, each reading only earlier ones; note every cycle by its names."""
    waiting = {path: _paths_read(rule) for path, rule in built.items()}
    levels: list[Level] = []
    while waiting:
        ready = [path for path, reads in waiting.items() if not any(read in waiting for read in reads)]
        if not ready:
            _note_cycles(declared, waiting)
            break
        rules = tuple(built[path] for path in ready)
        levels.append(Level(rules=rules, names=_names(rules)))
        for path in ready:
            del waiting[path]
    return tuple(levels)


def _paths_read(rule: Measure | Table) -> list[str]:
    return [path for expression in rule.expressions for path in expression.reads]


def _note_cycles(declared: Declarations, waiting: dict[str, list[str]]) -> None:
    """Follow each measure that waits to the cycle that it waits for."""
    noted: set[frozenset[str]] = set()
    for start in waiting:
        trail = [start]
        while trail[-1] not in trail[:-1]:
            trail.append(next(read for read in waiting[trail[-1]] if read in waiting))
        cycle = trail[trail.index(trail[-1]) :]
        if frozenset(cycle) not in noted:
            noted.add(frozenset(cycle))
            file, pointer = declared.measures[cycle[0].removeprefix("m.")]
            declared.fault(file, pointer, "cycle", "these measures read one another: " + " -> ".join(cycle))


# --- impacts and effects --------------------------------------------------------------------------------------------


def _rows(declared: Declarations) -> Iterator[ImpactRow]:
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


def _effects(declared: Declarations) -> Iterator[EffectRule]:
    seen: set[str] = set()
    for document, pointer, item in declared.sound_items("rules/effects.yaml", "effects"):
        declared.check_once(document, f"{pointer}/id", item["id"], seen)
        for position, outcome in enumerate(item["outcomes"]):
            declared.check_outcome(document, f"{pointer}/outcomes/{position}", outcome)
        if INDETERMINATE in item["outcomes"]:
            message = "nothing is done in the world about a case that could not be decided"
            declared.fault(document, f"{pointer}/outcomes", "outcome", message, INDETERMINATE)
        yield _effect(declared, document, pointer, item)


def _effect(declared: Declarations, document: Document, pointer: str, item: dict[str, Any]) -> EffectRule:
    parameters = {
        name: declared.expression(document, f"{pointer}/parameters/{name}", text, None)
        for name, text in item.get("parameters", {}).items()
    }
    when, key = (
        declared.expression(document, f"{pointer}/{name}", item[name], kind) if name in item else None
        for name, kind in (("when", "boolean"), ("key", "string"))
    )
    return EffectRule(
        id=item["id"],
        type=item["type"],
        outcomes=tuple(item["outcomes"]),
        when=when,
        key=key,
        parameters={name: expression for name, expression in parameters.items() if expression is not None},
        cite=declared.cites(document, pointer, item),
        says=item.get("say"),
    )


# --- cases ----------------------------------------------------------------------------------------------------------


def _cases(declared: Declarations, contract: Contract | None) -> Iterator[Case]:
    seen: set[str] = set()
    for folder_document in declared.folder("tests/"):
        for document, pointer, item in declared.sound_items(folder_document.file, "cases"):
            declared.check_once(document, f"{pointer}/name", item["name"], seen)
            _check_input(declared, contract, document, f"{pointer}/input", item["input"])
            yield _case(declared, document, pointer, item)


def _case(declared: Declarations, document: Document, pointer: str, item: dict[str, Any]) -> Case:
    measures = {name: value for name, value in item["output"].items() if name != "outcome"}
    if "outcome" in item["output"]:
        declared.check_outcome(document, f"{pointer}/output/outcome", item["output"]["outcome"])
    for name in (*measures, *item.get("indeterminate", ())):
        declared.check_name(document, pointer, name)
    for position, cite in enumerate(item.get("cites", ())):
        declared.check_cite(document, f"{pointer}/cites/{position}", cite)
    return Case(
        file=document.file,
        name=item["name"],
        legal_date=item.get("legal_date"),
        input=item["input"],
        outcome=item["output"].get("outcome"),
        measures=measures,
        indeterminate=tuple(item.get("indeterminate", ())),
        obligations=tuple(item["obligations"]) if "obligations" in item else None,
        effects=tuple(item["effects"]) if "effects" in item else None,
        cites=tuple(item.get("cites", ())),
        because=item.get("because"),
        status=item["status"],
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
