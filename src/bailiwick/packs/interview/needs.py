"""What still matters: which facts could yet change outcome, obligations or effects, found by going back from the rows.

An evaluation in which every fact that may still come is *open* (``evaluate``'s ``open_paths``) says what is decided
already, whatever those facts turn out to be. What it could not decide names the open facts that it waits for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, TypeAlias

from bailiwick.model import Decision, JsonValue, Status, TraceEntry
from bailiwick.packs.format.pack import INDETERMINATE, Assumption, Call, EffectRule, ImpactRow, Measure, Pack, Table
from bailiwick.packs.language.expressions import CAUSES_MAX, Expression, engine_name

Rule: TypeAlias = Measure | Table | Call | ImpactRow | EffectRule | Assumption
"""Whatever in a pack reads something."""

KNOWN_AT = "in.known_at"
"""The fact that gives obligations their moment."""

_MISSING = re.compile(r"missing: (in(?:\.[A-Za-z_][A-Za-z0-9_]*)+)")


class Dependencies:
    """Who reads what in a pack, to go back from a conclusion to the facts."""

    def __init__(self, pack: Pack) -> None:
        self.pack = pack
        self.measures: dict[str, Rule] = {}
        for level in pack.levels:
            for rule in level.rules:
                for path in rule.paths if isinstance(rule, Call) else (rule.path,):
                    self.measures[path] = rule
        self.assumptions: dict[str, list[Assumption]] = {}
        for each in pack.assumptions:
            if each.path is not None:
                self.assumptions.setdefault(each.path, []).append(each)

    def waiting(self, moment: Moment) -> list[str]:
        """List the open facts that the first thing which could not be decided waits for; empty where all is decided."""
        decision = moment.decision
        if decision.impact.outcome == INDETERMINATE:
            return self._of_impact(moment)
        if decision.impact.obligations and KNOWN_AT in moment.open_paths:
            return [KNOWN_AT]
        for rule in self.pack.effects:
            found = self._of_effect(rule, moment)
            if found:
                return found
        return []

    def _of_effect(self, rule: EffectRule, moment: Moment) -> list[str]:
        entry = _entry(moment.decision, "effect", rule.id)
        if entry is None or entry.status is Status.SKIPPED or entry.value is False or entry.because is None:
            return []
        return self._named(entry.because, rule, moment)

    def _of_impact(self, moment: Moment) -> list[str]:
        row = self.undecided(moment.decision)
        entry = _entry(moment.decision, "impact", row.id) if row is not None else None
        if row is None or entry is None:
            return []
        return self._named(entry.because or "", row, moment)

    def _named(self, causes: str, rule: Rule, moment: Moment) -> list[str]:
        """Give the open facts that causes name.

        An answer names so many causes and no more: behind those that nobody knows there may be an open one.
        """
        found = [path for path in _MISSING.findall(causes) if path in moment.open_paths]
        if found or causes.count(": ") < CAUSES_MAX:
            return found
        return sorted(self.reach([rule], moment))

    def undecided(self, decision: Decision) -> ImpactRow | None:
        """Give the impact row that could not be decided; None where the law itself knows nothing of the day."""
        for row in self.pack.rows:
            entry = _entry(decision, "impact", row.id)
            if entry is not None and entry.status is Status.INDETERMINATE:
                return row
        return None

    def later(self, decision: Decision) -> list[Rule]:
        """Give the rules that may still have to be decided: the undecided row, those after it, and effects."""
        if decision.impact.outcome != INDETERMINATE:
            return [each for each in self.pack.effects if decision.impact.outcome in each.outcomes]
        row = self.undecided(decision)
        if row is None:
            return []
        return [*self.pack.rows[self.pack.rows.index(row) :], *self.pack.effects]

    def reach(self, rules: Iterable[Rule], moment: Moment) -> set[str]:
        """Give the open facts that rules can come to read, through whatever is not known yet: never too few."""
        seen: set[str] = set()
        open_rules = list(rules)
        while open_rules:
            for path in moment.undecided(open_rules.pop()):
                if path not in seen:
                    seen.add(path)
                    open_rules += self.behind(path)
        return {path for path in seen if path in moment.open_paths}

    def behind(self, path: str) -> list[Rule]:
        """Give the rules that a path's value may come from."""
        if path in self.measures:
            return [self.measures[path]]
        return list(self.assumptions.get(path, ()))

    def chain(self, path: str, moment: Moment) -> list[Rule]:
        """Give the shortest way from the rule that reads a fact to the first conclusion that waits for it."""
        ends = self.later(moment.decision)
        return self._way(path, ends[:1], moment) or self._way(path, ends[1:], moment)

    def _way(self, path: str, ends: list[Rule], moment: Moment) -> list[Rule]:
        ways: list[list[Rule]] = [[each] for each in ends]
        seen: set[str] = set()
        for way in ways:
            reads = list(moment.undecided(way[0]))
            if path in reads:
                return way
            for each in reads:
                if each not in seen:
                    seen.add(each)
                    ways += [[rule, *way] for rule in self.behind(each)]
        return []


class Moment:
    """What is known at one moment of an interview, to tell which parts of a rule still wait for something."""

    def __init__(self, pack: Pack, decision: Decision, facts: Mapping[str, Any], open_paths: frozenset[str]) -> None:
        """Bind what is known.

        Args:
            pack: Whose rules.
            decision: What they came to with ``open_paths`` open.
            facts: The answers so far, as the pack's input has them.
            open_paths: Facts that may still come.
        """
        self.decision, self.open_paths = decision, open_paths
        self._pack, self._facts = pack, facts

    @cached_property
    def _values(self) -> dict[str, Any]:
        """What is known, by the engine's names; bound when first asked for, which most moments never are."""
        decision, facts = self.decision, self._facts
        known = {each.path: each.value for entry in decision.trace for each in entry.reads if each.is_known}
        known |= {"m." + each.id: each.value for each in decision.measurements if each.status is Status.COMPUTED}
        values: dict[str, Any] = {engine_name(path): value for path, value in known.items()}
        for field in self._pack.inputs:
            value = _within(facts, field.keys)
            if value is not None:
                values[field.engine_name] = value
            if value is not None or field.path not in self.open_paths:
                values[field.asking_name] = value is not None
        return values

    @cached_property
    def _scope(self) -> Any:
        return self._pack.language.scope(self._values)

    def undecided(self, rule: Rule) -> Iterator[str]:
        """Give the names that a rule's value still waits for, as far as what is known does not settle it."""
        if isinstance(rule, Call):
            for expression in rule.input.values():
                yield from self._waiting(expression)
            yield from rule.facts.values()
        elif isinstance(rule, Table):
            yield from self._of_table(rule)
        elif isinstance(rule, Measure):
            yield from self._waiting(rule.expression)
        elif rule.when is None or self._holds(rule.when) is not False:
            for expression in rule.expressions:
                yield from self._waiting(expression)

    def _of_table(self, table: Table) -> Iterator[str]:
        for row in table.rows:
            holds = self._holds(row.when)
            if holds is False:
                continue
            yield from self._waiting(row.when)
            yield from self._waiting(row.value)
            if holds is True and table.hit == "first":
                return

    def _holds(self, expression: Expression) -> JsonValue:
        """Give an expression's value, or None where it has none yet."""
        return expression.value(self._scope)

    def _waiting(self, expression: Expression) -> Iterator[str]:
        """Give the names in those clauses alone that have no value yet."""
        if self._holds(expression) is not None:
            return
        for part in expression.parts:
            yield from self._waiting(part)
        if not expression.parts:
            known = self._values
            yield from (path for path in expression.reads if engine_name(path) not in known)


def _within(facts: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        facts = facts.get(key) if isinstance(facts, Mapping) else None
    return facts


def _entry(decision: Decision, kind: str, rule: str) -> TraceEntry | None:
    return next((each for each in decision.trace if each.kind == kind and each.rule == rule), None)
