"""A pack as things with aspects, so that the same meaning is the same text: what packs are compared by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from bailiwick.model import JsonValue
from bailiwick.packs.format.inputs import fields_of
from bailiwick.packs.format.pack import (
    Assumption,
    Call,
    Case,
    Control,
    EffectRule,
    ImpactRow,
    InputField,
    Measure,
    Pack,
    Parameter,
    Policy,
    Property,
    Table,
    TableRow,
)
from bailiwick.packs.format.texts import own_texts
from bailiwick.packs.language.expressions import Expression
from bailiwick.packs.language.syntax import pieces
from bailiwick.packs.trying.generated import rule_of

SECTIONS = (
    "pack",
    "sources",
    "parameters",
    "inputs",
    "policies",
    "assumptions",
    "rules",
    "outcomes",
    "effects",
    "controls",
    "words",
    "cases",
    "properties",
)
"""What packs are compared in, in the order of a report."""

_ASKED = ("question ", "help ", "why ", "option ", "section ", "unit ")
"""Keys of words that stand in no other section."""

Things: TypeAlias = Mapping[str, Mapping[str, JsonValue]]
"""What one section of a pack holds: by name, what each says by aspect."""


def described(pack: Pack) -> dict[str, Things]:
    """Write a pack as things with aspects, so that the same meaning is the same text."""
    return {
        "pack": {"pack": _manifest(pack)},
        "sources": {each.id: _given(each.to_json(), "id") for each in pack.sources},
        "parameters": {each.id: _parameter(each) for each in pack.parameters},
        "inputs": {each.path: _input(pack, each) for each in fields_of(pack.input_schema)},
        "policies": {each.id: _policy(each) for each in pack.policies},
        "assumptions": {each.id: _assumption(each) for each in pack.assumptions},
        "rules": dict(_rules(pack)),
        "outcomes": {name: {"text": text} for name, text in pack.outcomes.items()},
        "effects": {each.id: _effect(each) for each in pack.effects},
        "controls": {each.id: _control(each) for each in pack.controls},
        "words": dict(_words(pack)),
        "cases": {case.name: _case(case) for case in pack.cases},
        "properties": {each.id: _property(each) for each in pack.properties},
    }


def _texts(items: Iterable[str]) -> list[JsonValue]:
    return list(items)


def _given(value: Mapping[str, JsonValue], *left_out: str) -> dict[str, JsonValue]:
    return {name: item for name, item in value.items() if name not in left_out and item is not None}


def _manifest(pack: Pack) -> dict[str, JsonValue]:
    return {
        "title": pack.title,
        "jurisdiction": pack.jurisdiction,
        "law from": pack.law.valid_from,
        "law to": pack.law.valid_to,
        "legal date": pack.legal_date_path,
        "languages": _texts(pack.languages),
        "readers": {media: f"{each.module} {each.digest}" for media, each in pack.intake.items()},
        "modules": dict(pack.modules),
        "attachments": {each.path: each.digest for each in pack.attachments},
    }


def _input(pack: Pack, each: InputField) -> dict[str, JsonValue]:
    rule = rule_of(pack.input_schema, each.keys)
    return {
        "type": each.type,
        "unit": each.unit,
        "schema": _given(rule, "type", "x-unit", "x-question", "description", "title"),
    }


def _parameter(parameter: Parameter) -> dict[str, JsonValue]:
    dated: dict[str, JsonValue] = {
        f"from {each.valid_from}": {"value": each.value, "cite": each.cite} for each in parameter.values
    }
    return {"title": parameter.title, "type": parameter.type, "unit": parameter.unit, **dated}


def _policy(policy: Policy) -> dict[str, JsonValue]:
    readings: dict[str, JsonValue] = {
        f"reading {each.id}": {"text": each.text, "status": each.status} for each in policy.readings
    }
    return {"title": policy.title, "input": policy.path, "default": policy.default, **readings}


def _assumption(each: Assumption) -> dict[str, JsonValue]:
    return {
        "text": each.text,
        "cite": _texts(each.cite),
        "when": _plain(each.when),
        "input": each.path,
        "value": _plain(each.value),
    }


def _rules(pack: Pack) -> Iterator[tuple[str, dict[str, JsonValue]]]:
    for rule in (rule for level in pack.levels for rule in level.rules):
        if isinstance(rule, Table):
            yield f"table {rule.id}", {**_typed(rule), "hit": rule.hit, "rows": _texts(row.id for row in rule.rows)}
            for row in rule.rows:
                yield f"table row {rule.id}.{row.id}", _table_row(row)
        elif isinstance(rule, Measure):
            yield f"measure {rule.id}", _measure(rule)
        else:
            yield f"call {rule.id}", _call(rule)
    yield "rows", {"order": _texts(row.id for row in pack.rows)}
    for impact in pack.rows:
        yield f"row {impact.id}", _impact(impact)


def _typed(rule: Measure | Table) -> dict[str, JsonValue]:
    return {"type": rule.type, "unit": rule.unit}


def _measure(measure: Measure) -> dict[str, JsonValue]:
    cite = _texts(measure.cite)
    return {**_typed(measure), "expr": _plain(measure.expression), "cite": cite, "say": measure.says}


def _table_row(row: TableRow) -> dict[str, JsonValue]:
    return {"when": _plain(row.when), "value": _plain(row.value), "cite": _texts(row.cite), "say": row.says}


def _call(call: Call) -> dict[str, JsonValue]:
    return {
        "module": f"{call.use.module} {call.use.digest}",
        "function": call.use.function,
        "input": {name: _plain(each) for name, each in call.input.items()},
        "facts": dict(call.facts),
        "gives": {each.id: f"{each.type} {each.unit or ''} {each.pointer}" for each in call.gives},
        "cite": _texts(call.cite),
    }


def _impact(row: ImpactRow) -> dict[str, JsonValue]:
    duties: dict[str, JsonValue] = {
        f"obligation {duty.id}": {"text": duty.text, "within": _plain(duty.within), "cite": duty.cite}
        for duty in row.duties
    }
    return {
        "when": _plain(row.when),
        "outcome": row.outcome,
        "severity": row.severity,
        "say": row.says,
        "cite": _texts(row.cite),
        **duties,
    }


def _effect(effect: EffectRule) -> dict[str, JsonValue]:
    return {
        "type": effect.type,
        "outcomes": _texts(sorted(effect.outcomes)),
        "when": _plain(effect.when),
        "key": _plain(effect.key),
        "parameters": {name: _plain(each) for name, each in effect.parameters.items()},
        "cite": _texts(effect.cite),
        "say": effect.says,
        "schema": effect.schema,
        "approval": None if effect.approval is None else {"within_minutes": effect.approval.within_minutes},
    }


def _control(control: Control) -> dict[str, JsonValue]:
    return {"title": control.title, "cite": _texts(control.cite), "rules": _texts(sorted(control.rules))}


def _property(each: Property) -> dict[str, JsonValue]:
    return {"text": each.text, "when": _plain(each.when), "holds": _plain(each.holds)}


def _words(pack: Pack) -> Iterator[tuple[str, dict[str, JsonValue]]]:
    """Give what people are asked in the pack's own language, and everything that it says in another."""
    own = pack.languages[0] if pack.languages else "own"
    for key, text in own_texts(pack).items():
        said: dict[str, JsonValue] = {own: text} if key.startswith(_ASKED) else {}
        said |= {language: texts[key] for language, texts in pack.texts.items() if key in texts}
        if said:
            yield key, said


def _case(case: Case) -> dict[str, JsonValue]:
    said: dict[str, JsonValue] = {"legal_date": case.legal_date, "input": dict(case.input), "status": case.status}
    said |= {
        "outcome": case.outcome,
        "measures": dict(case.measures),
        "indeterminate": _texts(sorted(case.indeterminate)),
    }
    said["obligations"] = None if case.obligations is None else [dict(each) for each in case.obligations]
    said["effects"] = None if case.effects is None else [dict(each) for each in case.effects]
    return {**said, "cites": _texts(sorted(case.cites)), "because": case.because}


def _plain(expression: Expression | None) -> str | None:
    """Write an expression with one blank between its pieces where the author had any, and none elsewhere."""
    if expression is None:
        return None
    text = expression.text
    written: list[str] = []
    reached = 0
    for _, piece, start, stop in pieces(text):
        if written and start > reached:
            written.append(" ")
        written.append(piece)
        reached = stop
    return "".join(written)
