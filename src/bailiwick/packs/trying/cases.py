"""A pack's own cases: each must come out exactly as written, and together they must touch every rule."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bailiwick.errors import UsageRefused
from bailiwick.model import Decision, JsonValue, Status
from bailiwick.packs.evaluation.evaluate import evaluate
from bailiwick.packs.format.pack import Case, Pack, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFailure:
    """A case that came out otherwise: where it stands, and each difference as a sentence."""

    file: str
    name: str
    differences: tuple[str, ...]

    def to_json(self) -> dict[str, JsonValue]:
        """Give the failure as JSON."""
        return {"file": self.file, "name": self.name, "differences": list(self.differences)}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReport:
    """How a pack's cases came out. ``uncovered`` names what no case touches (``row record-only`` …)."""

    cases: int
    failed: tuple[CaseFailure, ...]
    uncovered: tuple[str, ...]

    @property
    def is_passed(self) -> bool:
        """Whether every case came out as written; coverage is told, not judged."""
        return not self.failed

    def to_json(self) -> dict[str, JsonValue]:
        """Give the report as JSON."""
        return {
            "cases": self.cases,
            "failed": [failure.to_json() for failure in self.failed],
            "uncovered": list(self.uncovered),
        }


def run_cases(pack: Pack) -> CaseReport:
    """Decide every case of a pack and compare.

    Measures and outcome are compared exactly, and only those that a case names; its obligations and effects, where it
    names them, are compared as wholes: one more is a failure too.
    """
    failures: list[CaseFailure] = []
    touched: set[str] = set()
    for case in pack.cases:
        differences = _run(pack, case, touched)
        if differences:
            failures.append(CaseFailure(file=case.file, name=case.name, differences=tuple(differences)))
    uncovered = [name for name in _to_touch(pack) if name not in touched]
    return CaseReport(cases=len(pack.cases), failed=tuple(failures), uncovered=tuple(uncovered))


def _run(pack: Pack, case: Case, touched: set[str]) -> list[str]:
    legal_date = case.legal_date if case.legal_date is not None else pack.legal_date_in(case.input)
    if legal_date is None:
        return ["no legal_date, and the input does not say when it happened"]
    known_at = case.input.get("known_at")
    try:
        decision = evaluate(pack, case.input, legal_date, known_at if isinstance(known_at, str) else None)
    except UsageRefused as error:
        return [error.message]
    touched.update(_touched(decision))
    return _differences(case, decision)


def _differences(case: Case, decision: Decision) -> list[str]:
    found: list[str] = []
    impact = decision.impact
    if case.outcome is not None and case.outcome != impact.outcome:
        found.append(f"outcome: {case.outcome} expected, {impact.outcome} given: {impact.reason}")
    measured = {each.id: each for each in decision.measurements}
    for name, expected in case.measures.items():
        given = measured[name]
        if given.status is Status.INDETERMINATE:
            found.append(f"{name}: {expected} expected, indeterminate given: {given.cause}")
        elif not _is_same(given.value, expected):
            found.append(f"{name}: {expected} expected, {given.value} given")
    for name in case.indeterminate:
        if measured[name].status is not Status.INDETERMINATE:
            found.append(f"{name}: indeterminate expected, {measured[name].value} given")
    found += _differing_lists("obligations", case.obligations, [each.to_json() for each in impact.obligations])
    found += _differing_lists("effects", case.effects, [each.to_json() for each in decision.effects])
    cited = {cite for entry in decision.trace if entry.value not in (None, False) for cite in entry.cite}
    cited.update(obligation.cite for obligation in impact.obligations)
    found += [
        f"cites: {cite} is not among the citations that carried the decision"
        for cite in case.cites
        if cite not in cited
    ]
    if case.because is not None and case.because not in impact.reason:
        found.append(f"because: {case.because!r} expected in the reason, which is {impact.reason!r}")
    return found


def _differing_lists(
    noun: str, expected: tuple[Mapping[str, JsonValue], ...] | None, given: list[dict[str, JsonValue]]
) -> list[str]:
    """Compare lists of objects in order, on the keys that the case names."""
    if expected is None:
        return []
    if len(expected) != len(given):
        return [f"{noun}: {len(expected)} expected, {len(given)} given"]
    found: list[str] = []
    for position, (wanted, got) in enumerate(zip(expected, given, strict=True)):
        for key, value in wanted.items():
            if not _is_same(got.get(key), value):
                found.append(f"{noun}[{position}].{key}: {value} expected, {got.get(key)} given")
    return found


def _is_same(given: JsonValue, expected: JsonValue) -> bool:
    """Compare as JSON does: true is not 1."""
    return json.dumps(given, sort_keys=True) == json.dumps(expected, sort_keys=True)


# --- coverage -------------------------------------------------------------------------------------------------------


def _to_touch(pack: Pack) -> list[str]:
    """Name everything that cases should touch; a yes-or-no measure twice."""
    names: list[str] = []
    for rule in (rule for level in pack.levels for rule in level.rules):
        if isinstance(rule, Table):
            names += [f"table row {rule.id}.{row.id}" for row in rule.rows]
        elif rule.type == "boolean":
            names += [f"measure {rule.id} true", f"measure {rule.id} false"]
        else:
            names.append(f"measure {rule.id}")
    names += [f"assumption {assumption.id}" for assumption in pack.assumptions]
    names += [f"row {row.id}" for row in pack.rows]
    names += [f"effect {effect.id}" for effect in pack.effects]
    return [*names, "indeterminate"]


def _touched(decision: Decision) -> list[str]:
    names = [] if decision.impact.outcome != "indeterminate" else ["indeterminate"]
    for entry in decision.trace:
        if entry.status is not Status.COMPUTED:
            continue
        if entry.kind == "measure":
            names += _touched_measure(entry.rule, entry.value, entry.because)
        elif entry.kind == "impact":
            names.append(f"row {entry.rule}")
        elif entry.value is True:
            names.append(f"{entry.kind} {entry.rule}")
    return names


def _touched_measure(name: str, value: Any, because: str | None) -> list[str]:
    names = [f"measure {name}"]
    if isinstance(value, bool):
        names.append(f"measure {name} {str(value).lower()}")
    if because is not None and because.startswith("row "):
        names.append(f"table row {name}.{because.removeprefix('row ').partition(':')[0]}")
    return names
