"""An expression over many cases at once: each step is one pass over columns, with the answers that the engine gives.

A column is a list with a value for each case, or one value for all of them; None is a value that is not known, whether
absent, ill-typed, or lost to a division by zero, an overflow or a date that is none. What absorbs it, absorbs it here.
What is asked of each item of a list is computed over one column of all items, and put together again.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice, repeat
from typing import Any, TypeAlias

from bailiwick.model import INTEGER_MAX
from bailiwick.packs.language.calendar import CALENDAR, NoDate
from bailiwick.packs.language.expressions import TEXT_CHARACTERS_MAX, Expression, checked
from bailiwick.packs.language.tree import Node, tree_of

ENGINE_INTEGER_MAX = 2**63 - 1
"""Largest integer of the engine; a step beyond it has no value."""

Values: TypeAlias = list[Any]


@dataclass(frozen=True, slots=True)
class Same:
    """One value for every case."""

    value: Any


Column: TypeAlias = Values | Same


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
            SyntaxFault: it is only judged case by case (rule ``escape``).
        """
        self.reads = expression.reads
        self._tree = tree_of(expression.text, declared)

    def over(self, columns: Mapping[str, Column], given: Mapping[str, Column], count: int) -> Column:
        """Compute the expression.

        Args:
            columns: By path, what is known.
            given: By path, whether a fact was given: what ``has()`` asks.
            count: How many cases there are.
        """
        return _sealable(_Pass(columns, given, count).column(self._tree))


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
        if node.kind in ("list", "index"):
            return self._each(_listed if node.kind == "list" else _item, parts)
        return self._chosen(*parts) if node.kind == "choose" else self._called(str(node.value), parts)

    def _plain(self, node: Node) -> Column | None:
        """Give what needs no other step, or None."""
        if node.kind == "literal":
            return Same(node.value)
        if node.kind == "path":
            return self._columns[str(node.value)]
        if node.kind == "has":
            return self._given[str(node.value)]
        return self._asked_of_items(node) if node.kind == "macro" else None

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
        if sign == "in":
            return self._each(_is_in, parts)
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

    def _asked_of_items(self, node: Node) -> Column:
        """Compute a macro: over all items of all cases in one column, which is then taken apart by cases."""
        lists = list(rows_of(self.column(node.parts[0]), self._count))
        sizes = [len(each) if each is not None else 0 for each in lists]
        items = list(chain.from_iterable(each for each in lists if each is not None))
        within = {path: _repeated(column, sizes) for path, column in self._columns.items()}
        given = {path: _repeated(column, sizes) for path, column in self._given.items()}
        inner = _Pass(within | {str(node.parts[1].value): items}, given, len(items))
        answers = [iter(rows_of(inner.column(part), len(items))) for part in node.parts[2:]]
        rest = iter(items)
        found: Values = []
        for each, size in zip(lists, sizes, strict=True):
            taken = list(islice(rest, size))
            asked = [list(islice(answer, size)) for answer in answers]
            found.append(None if each is None else _MACROS[str(node.value)](taken, *asked))
        return found

    def _reckoned(self, function: Callable[..., Any], parts: list[Column]) -> Column:
        """Ask the calendar, once for all cases with the same dates."""
        if all(isinstance(part, Same) for part in parts):
            values = tuple(part.value for part in parts if isinstance(part, Same))
            return Same(None if None in values else _dated(function, values))
        rows = list(zip(*(rows_of(part, self._count) for part in parts), strict=True))
        answers = {row: None if None in row else _dated(function, row) for row in set(rows)}
        return list(map(answers.__getitem__, rows))


def _repeated(column: Column, sizes: Sequence[int]) -> Column:
    """Give a column in which each case stands as often as its list has items."""
    if isinstance(column, Same):
        return column
    return list(chain.from_iterable(map(repeat, column, sizes)))


def _filtered(items: Values, holds: Values) -> Values | None:
    return None if None in holds else [item for item, each in zip(items, holds, strict=True) if each]


def _mapped(_items: Values, *asked: Values) -> Values | None:
    """Give what each item becomes; of three values, the first says which items."""
    if len(asked) == 1:
        return None if None in asked[0] else asked[0]
    holds, gives = asked
    found = _filtered(gives, holds)
    return None if found is None or None in found else found


def _all(_items: Values, holds: Values) -> bool | None:
    return False if False in holds else None if None in holds else True


def _exists(_items: Values, holds: Values) -> bool | None:
    return True if True in holds else None if None in holds else False


def _exists_one(_items: Values, holds: Values) -> bool | None:
    return None if None in holds else holds.count(True) == 1


_MACROS: Mapping[str, Callable[..., Any]] = {
    "all": _all,
    "exists": _exists,
    "exists_one": _exists_one,
    "filter": _filtered,
    "map": _mapped,
}


def _listed(*items: Any) -> Values:
    return list(items)


def _item(items: Values, position: int) -> Any:
    return items[position] if 0 <= position < len(items) else None


def _is_in(value: Any, items: Values) -> bool:
    return value in items


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
        is_fine = type(known[0]) is str and max(map(len, known)) <= TEXT_CHARACTERS_MAX
    return column if is_fine else list(map(_bounded, column))


def _bounded(value: Any) -> Any:
    return checked(value, "")[0]
