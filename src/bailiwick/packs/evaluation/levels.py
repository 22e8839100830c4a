"""Levels: rules that read only what earlier levels gave, judged together."""

from __future__ import annotations

from bailiwick.packs.evaluation.calls import CallRule
from bailiwick.packs.evaluation.hearing import Hearing
from bailiwick.packs.evaluation.measures import MeasureRule
from bailiwick.packs.evaluation.tables import TableRule
from bailiwick.packs.format.pack import Call, Level, Measure, Table
from bailiwick.packs.language.expressions import Language
from bailiwick.packs.language.together import Conditions, Together


class Stage:
    """One level of a pack, ready to be judged."""

    __slots__ = ("_rules", "_together")

    def __init__(self, language: Language, level: Level) -> None:
        measures = [rule for rule in level.rules if isinstance(rule, Measure)]
        tables = [rule for rule in level.rules if isinstance(rule, Table)]
        calls = [rule for rule in level.rules if isinstance(rule, Call)]
        inputs = [each for call in calls for each in call.input.values()]
        rows = [row.when for table in tables for row in table.rows]
        values = [row.value for table in tables for row in table.rows if row.value.constant is None]
        self._together = Together(
            language, [each.expression for each in measures], whole=[*inputs, *rows], aside=values
        )
        members = iter(self._together.members)
        rules: dict[int, MeasureRule | TableRule | CallRule] = {}
        rules |= {id(each): MeasureRule(each, next(members)) for each in measures}
        rules |= {id(each): CallRule(each, [next(members) for _ in each.input]) for each in calls}
        rules |= {
            id(each): TableRule(each, Conditions([next(members) for _ in each.rows], [row.when for row in each.rows]))
            for each in tables
        }
        self._rules = tuple(rules[id(rule)] for rule in level.rules)

    def judge(self, hearing: Hearing) -> None:
        """Conclude every rule of the level, in order."""
        known = hearing.known
        run = self._together.judge(known.values, known.unknown, known.causes)
        for rule in self._rules:
            rule.judge(hearing, run)
