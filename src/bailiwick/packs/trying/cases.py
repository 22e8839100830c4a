"""A pack's own cases: each must come out exactly as written, and together they must touch every rule."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from bailiwick.errors import InputRefused, SchemaViolated, UsageRefused
from bailiwick.model import Decision, JsonValue, Status
from bailiwick.packs.format.pack import Case, Pack
from bailiwick.packs.trying.coverage import to_touch, touched_by
from bailiwick.packs.trying.known import Decider, decide, legal_date_of


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


def run_cases(pack: Pack, decider: Decider = decide) -> CaseReport:
    """Decide every case of a pack and compare.

    Measures and outcome are compared exactly, and only those that a case names; its obligations and effects, where it
    names them, are compared as wholes: one more is a failure too.
    """
    failures: list[CaseFailure] = []
    touched: set[str] = set()
    for case in pack.cases:
        decision, differences = try_case(pack, case, decider)
        if decision is not None:
            touched.update(touched_by(decision))
        if differences:
            failures.append(CaseFailure(file=case.file, name=case.name, differences=tuple(differences)))
    uncovered = [name for name in to_touch(pack) if name not in touched]
    return CaseReport(cases=len(pack.cases), failed=tuple(failures), uncovered=tuple(uncovered))


def try_case(pack: Pack, case: Case, decider: Decider = decide) -> tuple[Decision | None, list[str]]:
    """Decide one case and compare: the decision, or None where none was made, and each difference.

    The decision must satisfy the pack's ``schemas/output.json`` too, where it has one. A case with ``error`` is passed
    when its input is refused for that.
    """
    if case.error is not None:
        return None, _refusals(pack, case)
    legal_date = legal_date_of(pack, case)
    if legal_date is None:
        return None, ["no legal_date, and the input does not say when it happened"]
    try:
        decision = decider(pack, case.input, legal_date)
    except UsageRefused as error:
        return None, [error.message]
    return decision, [*differences_of(case, decision), *_violations(pack, decision)]


def _refusals(pack: Pack, case: Case) -> list[str]:
    """Say how the refusal of an input differs from the one that its case expects."""
    try:
        pack.check_input(case.input)
    except SchemaViolated as error:
        rules = sorted({each.rule for each in error.violations})
        if case.error in (error.code, *rules):
            return []
        return [f"error: {case.error} expected, the input breaks {', '.join(rules)}"]
    except InputRefused as error:
        return [] if error.code == case.error else [f"error: {case.error} expected, {error.code} given"]
    return [f"error: {case.error} expected, and the input is accepted"]


def _violations(pack: Pack, decision: Decision) -> list[str]:
    """Say how a decision breaks the schema that the pack has for its decisions."""
    if pack.output_contract is None:
        return []
    impact = decision.impact
    document: dict[str, JsonValue] = {
        "outcome": impact.outcome,
        "severity": impact.severity,
        "reason": impact.reason,
        "measures": {each.id: each.value if each.status is Status.COMPUTED else None for each in decision.measurements},
        "obligations": [each.to_json() for each in impact.obligations],
        "effects": [each.to_json() for each in decision.effects],
    }
    found = pack.output_contract.violations(document)
    return [f"schemas/output.json: {each.path or '/'}: {each.message}" for each in found]


def differences_of(case: Case, decision: Decision) -> list[str]:
    """Compare a decision with what a case says of it: each difference as a sentence."""
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
