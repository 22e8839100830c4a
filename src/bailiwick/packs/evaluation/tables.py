"""Decision tables: which rows count by the table's hit policy, and what value they give together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bailiwick.model import JsonValue, Read
from bailiwick.packs.evaluation.hearing import Hearing
from bailiwick.packs.format.pack import Table, TableRow
from bailiwick.packs.language.expressions import Answer, checked
from bailiwick.packs.language.together import Conditions, Run, taking

ROWS_NAMED_MAX = 20
"""Most rows that a trace names of those that hold at once."""

GAP, OVERLAP, PRIORITY = "table-gap", "table-overlap", "table-priority"


@dataclass(frozen=True, slots=True)
class _Finding:
    """What a table comes to: the rows that gave it (positions), and the value, or the causes why there is none."""

    rows: tuple[int, ...]
    answer: Answer
    because: str | None = None


class TableRule:
    """A decision table, ready to be judged as a member of its level."""

    __slots__ = ("_conditions", "_is", "_table", "_takes")

    def __init__(self, table: Table, conditions: Conditions) -> None:
        self._table, self._conditions = table, conditions
        self._is = (table.id, table.type, table.unit)
        self._takes = tuple(taking(row.when.reads) for row in table.rows)

    def judge(self, hearing: Hearing, run: Run) -> None:
        """Conclude the table."""
        found = self._find(run)
        rows = tuple(self._table.rows[each] for each in found.rows) or self._table.rows[:1]
        only = rows[0] if len(rows) == 1 else None
        hearing.conclude(
            rule=self._table.id,
            kind="measure",
            measure=self._is,
            expression=only.when.text if only else " && ".join(f"({row.when.text})" for row in rows),
            value=found.answer[0],
            causes=found.answer[1],
            cite=only.cite if only else tuple(dict.fromkeys(cite for row in rows for cite in row.cite)),
            reads=self._read(hearing, found.rows or (0,)),
            because=found.because,
            says=self._says(found),
        )

    def _find(self, run: Run) -> _Finding:
        table = self._table
        hits, causes = self._hits(run)
        if causes:
            return _Finding((), (None, causes))
        if table.hit == "collect":
            return self._collected(run, hits)
        if not hits:
            return _Finding((), (None, self._of_none()))
        if len(hits) == 1 or table.hit == "unique":
            return self._only(run, hits)
        return self._agreed(run, hits) if table.hit == "any" else self._foremost(run, hits)

    def _hits(self, run: Run) -> tuple[tuple[int, ...], tuple[str, ...]]:
        """Find the rows that hold, the first alone where no other counts; or why that cannot be said."""
        is_first = self._table.hit == "first"
        truths = self._conditions.truths(run)
        if truths is not None:
            if is_first:
                return ((truths.index(True),) if True in truths else ()), ()
            return tuple(position for position, holds in enumerate(truths) if holds), ()
        hits: list[int] = []
        for position, (holds, causes) in enumerate(self._conditions.answers(run)):
            if causes:
                return (), causes
            if holds is True:
                hits.append(position)
                if is_first:
                    break
        return tuple(hits), ()

    # --- one value of several rows ------------------------------------------------------------------------------------

    def _only(self, run: Run, hits: tuple[int, ...]) -> _Finding:
        row = self._table.rows[hits[0]]
        if len(hits) > 1:
            return _Finding((), (None, (f"{OVERLAP}: rows {self._named(hits)} of {self._table.path} hold at once",)))
        return _Finding(hits, _value(row, run), f"row {row.id}: {row.value.text}")

    def _agreed(self, run: Run, hits: tuple[int, ...]) -> _Finding:
        """Take the value that all rows give; where two differ, the law that the pack states is not one."""
        values, causes = self._values(run, hits)
        if causes:
            return _Finding(hits, (None, causes))
        if any(value != values[0] for value in values):
            told = f"{OVERLAP}: rows {self._named(hits)} of {self._table.path} hold at once and give different values"
            return _Finding(hits, (None, (told,)))
        return _Finding(hits, (values[0], ()), self._because(hits))

    def _foremost(self, run: Run, hits: tuple[int, ...]) -> _Finding:
        """Take the value that stands first among the table's priorities, and the rows that give it."""
        values, causes = self._values(run, hits)
        if causes:
            return _Finding(hits, (None, causes))
        ranks = {_key(value): rank for rank, value in reversed(list(enumerate(self._table.priority)))}
        unranked = next((value for value in values if _key(value) not in ranks), None)
        if unranked is not None:
            told = f"{PRIORITY}: {unranked!r} is not among the priorities of {self._table.path}"
            return _Finding(hits, (None, (told,)))
        best = min(values, key=lambda value: ranks[_key(value)])
        giving = tuple(hit for hit, value in zip(hits, values, strict=True) if _key(value) == _key(best))
        return _Finding(giving, (best, ()), self._because(giving))

    def _collected(self, run: Run, hits: tuple[int, ...]) -> _Finding:
        """Take the values of all rows as a list, or add them up as the table says; of none, what that comes to."""
        values, causes = self._values(run, hits)
        if causes:
            return _Finding(hits, (None, causes))
        gathered = _gathered(self._table.collect, values)
        if gathered is None:
            return _Finding((), (None, self._of_none()))
        because = self._because(hits) if hits else "no row holds"
        return _Finding(hits, checked(gathered, self._table.path), because)

    def _values(self, run: Run, hits: Sequence[int]) -> tuple[list[JsonValue], tuple[str, ...]]:
        values: list[JsonValue] = []
        for hit in hits:
            value, causes = _value(self._table.rows[hit], run)
            if causes:
                return [], causes
            values.append(value)
        return values, ()

    # --- words --------------------------------------------------------------------------------------------------------

    def _of_none(self) -> tuple[str, ...]:
        return (f"{GAP}: no row of {self._table.path} holds",)

    def _named(self, hits: Sequence[int]) -> str:
        """Name the rows; those of an older policy are all named."""
        named = hits if self._table.hit == "unique" else hits[:ROWS_NAMED_MAX]
        more = f" and {len(hits) - len(named)} more" if len(named) < len(hits) else ""
        return ", ".join(self._table.rows[each].id for each in named) + more

    def _because(self, hits: Sequence[int]) -> str:
        if len(hits) == 1:
            row = self._table.rows[hits[0]]
            return f"row {row.id}: {row.value.text}"
        return f"rows {self._named(hits)}"

    def _says(self, found: _Finding) -> str | None:
        if found.answer[1] and len(found.rows) != 1:
            return None
        says = [self._table.rows[each].says for each in found.rows]
        return " ".join(dict.fromkeys(each for each in says if each is not None)) or None

    def _read(self, hearing: Hearing, rows: tuple[int, ...]) -> tuple[Read, ...]:
        if len(rows) == 1:
            return self._takes[rows[0]](hearing.known.reads)
        return tuple({read.path: read for row in rows for read in self._takes[row](hearing.known.reads)}.values())


def hit_value(table: Table, values: Sequence[JsonValue]) -> JsonValue:
    """Give what a table makes of the values of all rows that hold, in order; None where that is no value."""
    if None in values:
        return None
    if table.hit == "collect":
        return checked(_gathered(table.collect, values), table.path)[0]
    if not values or (table.hit == "unique" and len(values) > 1):
        return None
    if table.hit != "priority" or len(values) == 1:
        return values[0] if all(value == values[0] for value in values) else None
    ranked = [value for value in table.priority if any(_key(value) == _key(each) for each in values)]
    is_ranked = all(any(_key(value) == _key(each) for each in table.priority) for value in values)
    return ranked[0] if is_ranked else None


def _gathered(collect: str | None, values: Sequence[JsonValue]) -> JsonValue:
    """Make of values what the table says; the least and the most of none is None."""
    numbers = [value for value in values if isinstance(value, int)]
    if collect == "count":
        return len(values)
    if collect == "sum":
        return sum(numbers)
    if collect is None:
        return list(values)
    return (min(numbers) if collect == "min" else max(numbers)) if numbers else None


def _value(row: TableRow, run: Run) -> Answer:
    """Give the value of a row; it is judged only where the row counts, for rows guard what they compute."""
    if row.value.constant is not None:
        return row.value.constant
    return row.value.answer(run.scope, run.causes)


def _key(value: JsonValue) -> tuple[type, JsonValue]:
    """Tell true from 1."""
    return type(value), value
