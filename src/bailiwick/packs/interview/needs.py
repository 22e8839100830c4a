"""What still matters: which facts could yet change outcome, obligations or effects, found by going back from the rows.

An evaluation in which every fact that may still come is *open* (``evaluate``'s ``open_paths``) says what is decided
already, whatever those facts turn out to be. What it could not decide names the open facts that it waits for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from bailiwick.model import Decision, Status, TraceEntry
from bailiwick.packs.format.pack import INDETERMINATE, Assumption, Call, EffectRule, ImpactRow, Measure, Pack, Table
from bailiwick.packs.language.expressions import CAUSES_MAX

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

    def waiting(self, decision: Decision, open_paths: frozenset[str]) -> list[str]:
        """List the open facts that the first thing which could not be decided waits for; empty where all is decided."""
        if decision.impact.outcome == INDETERMINATE:
            return self._of_impact(decision, open_paths)
        if decision.impact.obligations and KNOWN_AT in open_paths:
            return [KNOWN_AT]
        for rule in self.pack.effects:
            found = self._of_effect(rule, decision, open_paths)
            if found:
                return found
        return []

    def _of_effect(self, rule: EffectRule, decision: Decision, open_paths: frozenset[str]) -> list[str]:
        entry = _entry(decision, "effect", rule.id)
        if entry is None or entry.status is Status.SKIPPED or entry.value is False or entry.because is None:
            return []
        found = [path for path in _MISSING.findall(entry.because) if path in open_paths]
        if found or entry.because.count(": ") < CAUSES_MAX:
            return found
        return sorted(self.reach([rule], decision, open_paths))

    def _of_impact(self, decision: Decision, open_paths: frozenset[str]) -> list[str]:
        row = self.undecided(decision)
        entry = _entry(decision, "impact", row.id) if row is not None else None
        if row is None or entry is None:
            return []
        causes = entry.because or ""
        found = [path for path in _MISSING.findall(causes) if path in open_paths]
        if found or causes.count("; ") < CAUSES_MAX - 1:
            return found
        # An answer names so many causes and no more: behind those that nobody knows there may be an open one.
        return sorted(self.reach([row], decision, open_paths))

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

    def reach(self, rules: Iterable[Rule], decision: Decision, open_paths: frozenset[str]) -> set[str]:
        """Give the open facts that rules can come to read, through whatever is not known yet: never too few."""
        return {path for path in self._closure(rules, _computed(decision)) if path in open_paths}

    def _closure(self, rules: Iterable[Rule], computed: frozenset[str]) -> set[str]:
        seen: set[str] = set()
        todo = list(rules)
        while todo:
            for path in _reads(todo.pop()):
                if path in seen or path in computed:
                    continue
                seen.add(path)
                todo += self.behind(path)
        return seen

    def behind(self, path: str) -> list[Rule]:
        """Give the rules that a path's value may come from."""
        if path in self.measures:
            return [self.measures[path]]
        return list(self.assumptions.get(path, ()))

    def chain(self, decision: Decision, path: str) -> list[Rule]:
        """Give the shortest way from the rule that reads a fact to the conclusion that waits for it."""
        computed = _computed(decision)
        ends = self.later(decision)
        ways: list[list[Rule]] = [[each] for each in ends]
        seen: set[str] = set()
        for way in ways:
            reads = list(_reads(way[0]))
            if path in reads:
                return way
            for each in reads:
                if each not in seen and each not in computed:
                    seen.add(each)
                    ways += [[rule, *way] for rule in self.behind(each)]
        return []


def _reads(rule: Rule) -> Iterator[str]:
    for expression in rule.expressions:
        yield from expression.reads
    if isinstance(rule, Call):
        yield from rule.facts.values()


def _computed(decision: Decision) -> frozenset[str]:
    return frozenset("m." + each.id for each in decision.measurements if each.status is Status.COMPUTED)


def _entry(decision: Decision, kind: str, rule: str) -> TraceEntry | None:
    return next((each for each in decision.trace if each.kind == kind and each.rule == rule), None)
