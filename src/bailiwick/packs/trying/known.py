"""What a decision knew: every fact, parameter and measure by name, so that single conditions can be judged again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from bailiwick.errors import UsageRefused
from bailiwick.model import Decision, JsonValue, Status
from bailiwick.packs.evaluation.evaluate import evaluate
from bailiwick.packs.format.pack import Case, Pack
from bailiwick.packs.format.parameters import in_force
from bailiwick.packs.language.expressions import Expression, is_of_type

Decider: TypeAlias = Callable[[Pack, Mapping[str, JsonValue], str], Decision]
"""Decides facts by a pack and the law of a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One decision with what it was made from.

    ``values`` is all that was known, by the engine's names; ``scope`` binds it for rules, ``raw`` what assumptions saw.
    """

    facts: Mapping[str, JsonValue]
    legal_date: str
    decision: Decision
    values: Mapping[str, JsonValue] = field(repr=False)
    raw: Any = field(repr=False)
    scope: Any = field(repr=False)

    def value(self, expression: Expression, *, is_raw: bool = False) -> JsonValue:
        """Decider one expression of the pack again; None where it has no value."""
        return expression.answer(self.raw if is_raw else self.scope, {})[0]

    def causes(self) -> dict[str, tuple[str, ...]]:
        """Give why measures have no value, by the names that rules read them by."""
        unknown = (each for each in self.decision.measurements if each.status is Status.INDETERMINATE)
        return {f"m.{each.id}": (each.cause or "no-value",) for each in unknown}


def legal_date_of(pack: Pack, case: Case) -> str | None:
    """Give the day that a case is judged by: its own, or the one that stands in its input."""
    return case.legal_date if case.legal_date is not None else pack.legal_date_in(case.input)


def decide(pack: Pack, facts: Mapping[str, JsonValue], legal_date: str) -> Decision:
    """Decide facts as a caller would: the moment of knowing is the fact ``known_at``, where that is text."""
    known_at = facts.get("known_at")
    return evaluate(pack, facts, legal_date, known_at if isinstance(known_at, str) else None)


def known_of(pack: Pack, facts: Mapping[str, JsonValue], legal_date: str, decider: Decider = decide) -> Known:
    """Decide facts, and bind what the decision knew.

    Raises:
        UsageRefused: ``legal_date`` is not a date.
    """
    made = decider(pack, facts, legal_date)
    values = _given(pack, facts)
    values.update(
        (parameter.path, dated.value)
        for parameter in pack.parameters
        if (dated := in_force(parameter, legal_date)) is not None
    )
    raw = pack.language.scope(values)
    measured = {f"m.{each.id}": each.value for each in made.measurements if each.status is Status.COMPUTED}
    values |= _assumed(pack, values, raw) | measured
    scope = pack.language.scope(values)
    return Known(facts=facts, legal_date=legal_date, decision=made, values=values, raw=raw, scope=scope)


def known_cases(pack: Pack, decider: Decider = decide) -> list[tuple[Case, Known]]:
    """Decide every case of a pack that is to be decided and has a day to be judged by."""
    found = []
    for case in pack.cases:
        legal_date = legal_date_of(pack, case) if case.error is None else None
        if legal_date is None:
            continue
        try:
            found.append((case, known_of(pack, case.input, legal_date, decider)))
        except UsageRefused:
            continue
    return found


def summary_of(decision: Decision) -> dict[str, JsonValue]:
    """Write what a decision came to: its outcome, obligations, effects, and every measure (None: no answer)."""
    impact = decision.impact
    measures = {
        f"measure {each.id}": each.value if each.status is Status.COMPUTED else None for each in decision.measurements
    }
    return {
        "outcome": impact.outcome,
        "obligations": [each.to_json() for each in impact.obligations],
        "effects": [each.to_json() for each in decision.effects],
        **measures,
    }


def _given(pack: Pack, facts: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Bind the facts that are there and of the declared type, by the engine's names."""
    values: dict[str, JsonValue] = {}
    for each in pack.inputs:
        value: Any = facts
        for key in each.keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        values[each.asking_name] = value is not None
        if value is not None and is_of_type(value, each.type):
            values[each.engine_name] = value
    return values


def _assumed(pack: Pack, values: Mapping[str, JsonValue], raw: Any) -> dict[str, JsonValue]:
    """Give what assumptions put in the place of absent facts: for each the first that holds and has a value."""
    names = {each.path: each for each in pack.inputs}
    assumed: dict[str, JsonValue] = {}
    for assumption in pack.assumptions:
        absent = names.get(assumption.path) if assumption.path is not None else None
        if absent is None or values.get(absent.asking_name) or absent.engine_name in assumed:
            continue
        if assumption.value is not None and assumption.when.answer(raw, {})[0] is True:
            value, causes = assumption.value.answer(raw, {})
            if not causes:
                assumed[absent.engine_name] = value
    return assumed
