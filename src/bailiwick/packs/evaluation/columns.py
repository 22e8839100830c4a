"""A population at once: what a pack makes of many cases, in columns instead of case by case.

The measures and the outcome of each case are what ``evaluate`` gives for it; there is no trace, and nothing to seal. It
is for a survey, a forecast, a look at what new law would do: a decision about somebody is made by ``evaluate``. What
columns cannot do is refused by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bailiwick.errors import UsageRefused
from bailiwick.model import JsonValue
from bailiwick.packs.evaluation.evaluate import evaluate
from bailiwick.packs.evaluation.impacts import WITHIN_MINUTES_MAX
from bailiwick.packs.evaluation.known import value_fault
from bailiwick.packs.evaluation.tables import hit_value
from bailiwick.packs.format.inputs import fields_of
from bailiwick.packs.format.pack import FORMAT_1, INDETERMINATE, Call, CallGives, ImpactRow, Measure, Pack, Table
from bailiwick.packs.format.parameters import in_force
from bailiwick.packs.language.columns import Column, ColumnExpression, Same, rows_of
from bailiwick.packs.language.dates import check_date
from bailiwick.packs.language.expressions import ITEMS_MAX as FACT_ITEMS_MAX
from bailiwick.packs.language.expressions import Expression
from bailiwick.packs.language.syntax import SyntaxFault

CASES_MAX = 1_000_000
"""Most cases of one population."""
ITEMS_MAX = 99
"""Longest list of facts that is judged in columns; a case with a longer one is judged alone, where the engine counts
the steps of comprehensions and may give up. Two of them, nested, over so many items stay below what it counts to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """What a pack made of every case, in the order given: measures by id (None: indeterminate), and outcomes."""

    measures: Mapping[str, list[JsonValue]]
    outcomes: list[str]


def evaluate_columns(pack: Pack, columns: Mapping[str, Sequence[JsonValue]], legal_date: str) -> Population:
    """Judge many cases by one pack and one day.

    Args:
        pack: Loaded and checked.
        columns: Values by the path of a fact (``in.…``), one for each case; None where it is absent. Paths left out
            are absent everywhere. Values are checked for their types, not by the pack's whole schema. What a module
            would give (``m.…``) may be given too; no module runs, so it is not known otherwise.
        legal_date: ``YYYY-MM-DD``: by the law of which day.

    Raises:
        UsageRefused: ``legal_date`` is no date; columns of different lengths or of no fact, or too long
            (``columns-shape``); the pack has what is only judged case by case (``columns-rules``).

    Cost: some 50 nanoseconds for each sign of each expression and case; a table once for all cases that are alike in
    what it reads.
    """
    plan: _Plan | None = pack.prepared.get("columns")
    if plan is None:
        plan = pack.prepared["columns"] = _Plan(pack)
    found = plan.judge(columns, check_date(legal_date))
    for number in plan.long_cases(columns):
        alone = evaluate(pack, _facts(columns, number), legal_date)
        found.outcomes[number] = alone.impact.outcome
        for each in alone.measurements:
            found.measures[each.id][number] = each.value
    return found


class _Plan:
    """A pack's expressions ready for columns."""

    def __init__(self, pack: Pack) -> None:
        self._pack = pack
        self._items_max = None if pack.format == FORMAT_1 else FACT_ITEMS_MAX
        self._fields = {field.path: field for field in fields_of(pack.input_schema)}
        self._types = {path: field.type for path, field in self._fields.items()}
        self._types |= {parameter.path: parameter.type for parameter in pack.parameters}
        self._rules = [rule for level in pack.levels for rule in level.rules]
        self._gives: dict[str, CallGives] = {}
        for rule in self._rules:
            if isinstance(rule, Call):
                self._gives |= {each.path: each for each in rule.gives}
            else:
                self._types[rule.path] = rule.type
        self._types |= {path: each.type for path, each in self._gives.items()}
        refused: list[str] = []
        self._ready: dict[int, ColumnExpression] = {}
        for name, expression in self._expressions():
            try:
                self._ready[id(expression)] = ColumnExpression(expression, self._types)
            except SyntaxFault as error:
                refused.append(f"{name}: {error}")
        if refused:
            raise UsageRefused(
                f"pack {pack.name} has rules that are only judged case by case: {'; '.join(refused[:8])}",
                hint="decide the cases one by one: bailiwick decide",
                code="columns-rules",
            )

    def _expressions(self) -> Iterator[tuple[str, Expression]]:
        for assumption in self._pack.assumptions:
            yield from ((f"assumption {assumption.id}", each) for each in assumption.expressions if assumption.path)
        for rule in self._rules:
            if isinstance(rule, Measure | Table):
                yield from ((f"measure {rule.id}", each) for each in rule.expressions)
        for row in self._pack.rows:
            yield from ((f"row {row.id}", each) for each in row.expressions)

    def judge(self, columns: Mapping[str, Sequence[JsonValue]], legal_date: str) -> Population:
        """Judge every case."""
        sheet = self._sheet(columns, legal_date)
        self._assume(sheet)
        for rule in self._rules:
            if isinstance(rule, Call):
                continue
            over = (
                sheet.over(self._ready[id(rule.expression)]) if isinstance(rule, Measure) else self._table(sheet, rule)
            )
            sheet.columns[rule.path] = over
        law = self._pack.law
        is_law = law.valid_from <= legal_date <= (law.valid_to or legal_date)
        outcomes = self._outcomes(sheet) if is_law else [INDETERMINATE] * sheet.count
        paths = [path for rule in self._rules for path in (rule.paths if isinstance(rule, Call) else (rule.path,))]
        measures = {path.removeprefix("m."): list(rows_of(sheet.columns[path], sheet.count)) for path in paths}
        return Population(measures=measures, outcomes=outcomes)

    def long_cases(self, columns: Mapping[str, Sequence[JsonValue]]) -> list[int]:
        """Give the cases that hold a list longer than ``ITEMS_MAX``; none where a module's answers are given too."""
        if columns.keys() & self._gives.keys():
            return []
        lists = [columns[path] for path in columns if self._types[path].endswith("s")]
        return sorted(
            {
                number
                for column in lists
                for number, value in enumerate(column)
                if type(value) is list and len(value) > ITEMS_MAX
            }
        )

    # --- facts --------------------------------------------------------------------------------------------------------

    def _sheet(self, columns: Mapping[str, Sequence[JsonValue]], legal_date: str) -> _Sheet:
        count = self._count(columns)
        sheet = _Sheet({}, {}, count)
        for path, field in self._fields.items():
            values = columns.get(path)
            if values is None:
                sheet.columns[path], sheet.given[path] = Same(None), Same(False)
                continue
            sheet.columns[path] = _typed(path, field.type, values, self._items_max)
            sheet.given[path] = [value is not None for value in values]
        for path, each in self._gives.items():
            sheet.columns[path] = _typed(path, each.type, columns[path]) if path in columns else Same(None)
        for parameter in self._pack.parameters:
            dated = in_force(parameter, legal_date)
            sheet.columns[parameter.path] = Same(dated.value if dated is not None else None)
        return sheet

    def _count(self, columns: Mapping[str, Sequence[JsonValue]]) -> int:
        counts = {len(values) for values in columns.values()}
        strange = sorted(columns.keys() - self._fields.keys() - self._gives.keys())
        if len(counts) == 1 and not strange and max(counts) <= CASES_MAX:
            return counts.pop()
        what = (
            f"{strange[0][:80]} is no fact that rules can read"
            if strange
            else f"their lengths are {sorted(counts)[:4]}"
        )
        raise UsageRefused(
            f"these columns are no population: {what}",
            hint=f"give lists of one length, {CASES_MAX} cases at most, by paths as {next(iter(self._fields), 'in.x')}",
            code="columns-shape",
        )

    def _assume(self, sheet: _Sheet) -> None:
        """Let assumptions stand for what is absent, for each fact the first that holds; all see facts as given."""
        stands: dict[str, list[Any]] = {}
        for assumption in self._pack.assumptions:
            path = assumption.path
            if path is None or assumption.value is None or path not in self._fields:
                continue
            holds = rows_of(sheet.over(self._ready[id(assumption.when)]), sheet.count)
            values = rows_of(sheet.over(self._ready[id(assumption.value)]), sheet.count)
            before = stands.get(path) or [None] * sheet.count
            stands[path] = [
                old if old is not None else value if holding is True else None
                for old, holding, value in zip(before, holds, values, strict=True)
            ]
        for path, values in stands.items():
            rows = zip(
                rows_of(sheet.columns[path], sheet.count), rows_of(sheet.given[path], sheet.count), values, strict=True
            )
            sheet.columns[path] = [known if given else assumed for known, given, assumed in rows]

    # --- tables and outcomes ------------------------------------------------------------------------------------------

    def _table(self, sheet: _Sheet, table: Table) -> Column:
        """Judge a table once for all cases that are alike in what it reads."""
        paths = list(dict.fromkeys(path for each in table.expressions for path in each.reads))
        asked = sorted({path for each in table.expressions for path in each.asked})
        varying = [path for path in paths if not isinstance(sheet.columns[path], Same)]
        also = [path for path in asked if not isinstance(sheet.given[path], Same)]
        rows = [rows_of(sheet.columns[path], sheet.count) for path in varying]
        rows += [rows_of(sheet.given[path], sheet.count) for path in also]
        if not rows:
            return Same(self._hits(_Sheet(sheet.columns, sheet.given, 1), table)[0])
        if not sheet.count:
            return []
        keys = list(map(_hashable, zip(*rows, strict=True)) if self._reads_lists(table) else zip(*rows, strict=True))
        alike = list(dict.fromkeys(keys))
        parts = [[list(each) if type(each) is tuple else each for each in part] for part in zip(*alike, strict=True)]
        columns = {path: sheet.columns[path] for path in paths} | dict(zip(varying, parts, strict=False))
        given = {path: sheet.given[path] for path in asked} | dict(zip(also, parts[len(varying) :], strict=True))
        found = self._hits(_Sheet(columns, given, len(alike)), table)
        return list(map(dict(zip(alike, found, strict=True)).__getitem__, keys))

    def _reads_lists(self, table: Table) -> bool:
        return any(self._types[path].endswith("s") for each in table.expressions for path in each.reads)

    def _hits(self, sheet: _Sheet, table: Table) -> list[Any]:
        """Give what each case comes to: of the rows that hold, what the hit policy makes; None past an unknown row."""
        hits: list[list[Any] | None] = [[] for _ in range(sheet.count)]
        waiting: Sequence[int] = range(sheet.count)
        for row in table.rows:
            holds = list(rows_of(sheet.over(self._ready[id(row.when)]), sheet.count))
            gives = list(rows_of(sheet.over(self._ready[id(row.value)]), sheet.count))
            later: list[int] = []
            for case in waiting:
                found = hits[case]
                if holds[case] is None:
                    hits[case] = None
                elif holds[case] is False:
                    later.append(case)
                elif found is not None:
                    found.append(gives[case])
                    if table.hit != "first":
                        later.append(case)
            waiting = later
        return [None if each is None else hit_value(table, each) for each in hits]

    def _outcomes(self, sheet: _Sheet) -> list[str]:
        outcomes = [INDETERMINATE] * sheet.count
        waiting = list(range(sheet.count))
        for row in self._pack.rows:
            if not waiting:
                break
            holds = list(rows_of(sheet.over(self._ready[id(row.when)]), sheet.count))
            is_sure = self._periods_known(sheet, row)
            for case in waiting:
                if holds[case] is True and is_sure[case]:
                    outcomes[case] = row.outcome
            waiting = [case for case in waiting if holds[case] is False]
        return outcomes

    def _periods_known(self, sheet: _Sheet, row: ImpactRow) -> list[bool]:
        """Say for each case whether every obligation of a row has a period that can be stated."""
        sure = [True] * sheet.count
        for duty in row.duties:
            periods = rows_of(sheet.over(self._ready[id(duty.within)]), sheet.count)
            sure = [
                before and period is not None and 0 <= period <= WITHIN_MINUTES_MAX
                for before, period in zip(sure, periods, strict=True)
            ]
        return sure


@dataclass(frozen=True, slots=True)
class _Sheet:
    """What is known of all cases: columns by path, and whether facts were given."""

    columns: dict[str, Column]
    given: dict[str, Column]
    count: int

    def over(self, expression: ColumnExpression) -> Column:
        """Compute an expression for all cases."""
        return expression.over(self.columns, self.given, self.count)


def _facts(columns: Mapping[str, Sequence[JsonValue]], number: int) -> dict[str, JsonValue]:
    """Give one case as objects within objects; what is None is absent."""
    facts: dict[str, Any] = {}
    for path, column in columns.items():
        *outer, last = path.split(".")[1:]
        place = facts
        for key in outer:
            place = place.setdefault(key, {})
        if column[number] is not None:
            place[last] = column[number]
    return facts


def _hashable(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Give a key for values that may be lists, as tuples, which are as good; true and 1 never stand in one column."""
    return tuple([tuple(each) if type(each) is list else each for each in row])


def _typed(path: str, kind: str, values: Sequence[JsonValue], items_max: int | None = None) -> list[Any]:
    """Give a column in which what is not of its type is not known."""
    return [
        value if value is not None and value_fault(path, kind, value, items_max) is None else None for value in values
    ]
