"""An expression over many cases at once: each step is one pass over columns, with the answers that the engine gives.

A column is a list with a value for each case, or one value for all of them; None is a value that is not known, whether
absent, ill-typed, or lost to a division by zero, an overflow or a date that is none. What absorbs it, absorbs it here.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, TypeAlias

from bailiwick.model import INTEGER_MAX
from bailiwick.packs.language.calendar import CALENDAR, NoDate
from bailiwick.packs.language.expressions import TEXT_CHARACTERS_MAX, Expression
from bailiwick.packs.language.tree import Node, tree_of

ENGINE_INTEGER_MAX = 2**63 - 1
"""Largest integer of the engine; a step beyond it has no value."""

Values: TypeAlias = list[Any]


@dataclass(frozen=True, slots=True)
class Same:
    """One value for every case."""

    value: Any


Column: TypeAlias = Values | Same


class NotInColumns(Exception):
    """An expression that is only judged case by case; the message says why."""


_COMPARING: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_REACHING: Mapping[str, Callable[[Any, Any], Any]] = {"+": operator.add, "-": operator.sub, "*": operator.mul}
_ASKING: Mapping[str, Callable[[Any, Any], bool]] = {
    "contains": operator.contains,
    "startsWith": str.startswith,
    "endsWith": str.endswith,
}
_STATES = (True, False, None)
_BOTH = {(a, b): False if False in (a, b) else None if None in (a, b) else True for a in _STATES for b in _STATES}
_EITHER = {(a, b): True if True in (a, b) else None if None in (a, b) else False for a in _STATES for b in _STATES}
_NOT = {True: False, False: True, None: None}


def rows_of(column: Column, count: int) -> Iterable[Any]:
    """Give the values of a column, one for each case."""
    return repeat(column.value, count) if isinstance(column, Same) else column


class ColumnExpression:
    """An expression ready to be computed over columns."""

    def __init__(self, expression: Expression, declared: Mapping[str, str]) -> None:
        """Read the expression.

        Raises:
            NotInColumns: it makes or reads lists.
        """
        self.reads = expression.reads
        self._tree = tree_of(expression.text, declared)
        _check(self._tree, declared)

    def over(self, columns: Mapping[str, Column], given: Mapping[str, Column], count: int) -> Column:
        """Compute the expression.

        Args:
            columns: By path, what is known.
            given: By path, whether a fact was given: what ``has()`` asks.
            count: How many cases there are.
        """
        return _sealable(_Pass(columns, given, count).column(self._tree))


def _check(node: Node, declared: Mapping[str, str]) -> None:
    """Refuse what is no single value."""
    if node.kind in ("macro", "index") or (node.kind == "path" and declared[str(node.value)].endswith("s")):
        what = f"{node.value} is a list" if node.kind == "path" else f"it has {node.value or 'an index'}"
        raise NotInColumns(what)
    parts = node.parts
    if node.kind == "sign" and node.value == "in":
        if parts[1].kind != "list" or any(item.kind != "literal" for item in parts[1].parts):
            raise NotInColumns("it asks for a list that is not written out")
        parts = parts[:1]
    elif node.kind == "list":
        raise NotInColumns("it makes a list")
    for part in parts:
        _check(part, declared)


class _Pass:
    """One computation over columns."""

    def __init__(self, columns: Mapping[str, Column], given: Mapping[str, Column], count: int) -> None:
        self._columns, self._given, self._count = columns, given, count

    def column(self, node: Node) -> Column:
        """Compute one step, and what it needs."""
        found = self._plain(node)
        if found is not None:
            return found
        parts = [self.column(part) for part in node.parts]
        if node.kind == "sign":
            return self._sign(str(node.value), parts)
        if node.kind == "not":
            return self._looked_up(_NOT, parts[0])
        if node.kind == "minus":
            return self._within(operator.neg, parts)
        return self._chosen(*parts) if node.kind == "choose" else self._called(str(node.value), parts)

    def _plain(self, node: Node) -> Column | None:
        """Give what needs no other step, or None."""
        if node.kind == "literal":
            return Same(node.value)
        if node.kind == "path":
            return self._columns[str(node.value)]
        if node.kind == "has":
            return self._given[str(node.value)]
        if node.kind == "sign" and node.value == "in":
            words = frozenset((type(item.value), item.value) for item in node.parts[1].parts)
            return self._each(lambda value: (type(value), value) in words, [self.column(node.parts[0])])
        return None

    # --- steps --------------------------------------------------------------------------------------------------------

    def _each(self, function: Callable[..., Any], parts: Sequence[Column]) -> Column:
        """Apply a function that has a value for whatever is known."""
        if all(isinstance(part, Same) for part in parts):
            values = [part.value for part in parts if isinstance(part, Same)]
            return Same(None if None in values else function(*values))
        if not any(_has_unknown(part) for part in parts):
            return list(map(function, *(rows_of(part, self._count) for part in parts)))
        rows = zip(*(rows_of(part, self._count) for part in parts), strict=True)
        return [None if None in row else function(*row) for row in rows]

    def _looked_up(self, table: Mapping[Any, Any], *parts: Column) -> Column:
        if all(isinstance(part, Same) for part in parts):
            values = tuple(part.value for part in parts if isinstance(part, Same))
            return Same(table[values if len(parts) > 1 else values[0]])
        rows = [rows_of(part, self._count) for part in parts]
        return list(map(table.__getitem__, zip(*rows, strict=True) if len(rows) > 1 else rows[0]))

    def _sign(self, sign: str, parts: list[Column]) -> Column:
        if sign in _COMPARING:
            return self._each(_COMPARING[sign], parts)
        if sign in ("&&", "||"):
            return self._looked_up(_BOTH if sign == "&&" else _EITHER, *parts)
        if sign in _REACHING:
            return self._within(_REACHING[sign], parts)
        if _is_natural(parts[0]) and isinstance(parts[1], Same) and _is_natural(parts[1]) and parts[1].value:
            return self._each(operator.floordiv if sign == "/" else operator.mod, parts)
        return self._each(_divided if sign == "/" else _remainder, parts)

    def _within(self, function: Callable[..., Any], parts: list[Column]) -> Column:
        """Add, take off or multiply; what leaves the engine's integers has no value."""
        found = self._each(function, parts)
        values = [found.value] if isinstance(found, Same) else found
        known = [each for each in values if each is not None] if None in values else values
        if (
            not known
            or type(known[0]) is not int
            or (max(known) <= ENGINE_INTEGER_MAX and min(known) >= -ENGINE_INTEGER_MAX - 1)
        ):
            return found
        return self._each(_in_engine, [found])

    def _chosen(self, condition: Column, then: Column, otherwise: Column) -> Column:
        if isinstance(condition, Same):
            return Same(None) if condition.value is None else then if condition.value else otherwise
        rows = zip(condition, rows_of(then, self._count), rows_of(otherwise, self._count), strict=True)
        return [None if holds is None else first if holds else second for holds, first, second in rows]

    def _called(self, name: str, parts: list[Column]) -> Column:
        if name in _ASKING:
            return self._each(_ASKING[name], parts)
        if name == "size":
            return self._each(len, parts)
        if name == "string":
            return self._each(str, parts)
        return self._reckoned(CALENDAR[name].call, parts)

    def _reckoned(self, function: Callable[..., Any], parts: list[Column]) -> Column:
        """Ask the calendar, once for all cases with the same dates."""
        rows = list(zip(*(rows_of(part, self._count) for part in parts), strict=True))
        answers = {row: None if None in row else _dated(function, row) for row in set(rows)}
        return list(map(answers.__getitem__, rows))


def _has_unknown(column: Column) -> bool:
    return column.value is None if isinstance(column, Same) else None in column


def _is_natural(column: Column) -> bool:
    """Say whether all values are known and not below 0, so that dividing them rounds one way."""
    return not _has_unknown(column) and min([column.value] if isinstance(column, Same) else column, default=0) >= 0


def _divided(dividend: int, divisor: int) -> int | None:
    """Divide towards zero, as the engine does."""
    if divisor == 0:
        return None
    quotient = abs(dividend) // abs(divisor)
    return _in_engine(quotient if (dividend < 0) == (divisor < 0) else -quotient)


def _remainder(dividend: int, divisor: int) -> int | None:
    """Give what is left of a division towards zero: it has the sign of the dividend."""
    if divisor == 0 or (divisor == -1 and dividend == -ENGINE_INTEGER_MAX - 1):
        return None
    remainder = abs(dividend) % abs(divisor)
    return -remainder if dividend < 0 else remainder


def _in_engine(value: int) -> int | None:
    return value if -ENGINE_INTEGER_MAX - 1 <= value <= ENGINE_INTEGER_MAX else None


def _dated(function: Callable[..., Any], values: tuple[Any, ...]) -> Any:
    try:
        return function(*values)
    except NoDate:
        return None


def _sealable(column: Column) -> Column:
    """Take away what cannot be sealed: integers beyond 2^53-1, and texts that are too long."""
    if isinstance(column, Same):
        return Same(_bounded(column.value))
    known = [each for each in column if each is not None] if None in column else column
    if not known or type(known[0]) is bool:
        return column
    if type(known[0]) is int:
        is_fine = max(known) <= INTEGER_MAX and min(known) >= -INTEGER_MAX
    else:
        is_fine = max(map(len, known)) <= TEXT_CHARACTERS_MAX
    return column if is_fine else list(map(_bounded, column))


def _bounded(value: Any) -> Any:
    if type(value) is int:
        return value if -INTEGER_MAX <= value <= INTEGER_MAX else None
    return None if type(value) is str and len(value) > TEXT_CHARACTERS_MAX else value
