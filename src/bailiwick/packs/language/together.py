"""Many expressions judged in one go, each with the answer that it has alone: one list for the engine instead of many.

The conditions that expressions join by ``&&`` and ``||`` are the items of the list, each once; joining them, and
saying which one failed, needs no engine. A name without a value is bound to a stand-in, so that one of them does not
spoil the list; what was computed from a stand-in is thrown away. Where the list has no value at all (a division by
zero, a date that is none) each expression is judged by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from operator import itemgetter
from typing import Any, Protocol, TypeAlias

from bailiwick.model import JsonValue
from bailiwick.packs.language.expressions import (
    CAUSES_MAX,
    Answer,
    Causes,
    Expression,
    Language,
    asking_name,
    checked,
    engine_name,
)

STAND_INS: Mapping[str, JsonValue] = {
    "boolean": False,
    "integer": 1,
    "string": "2000-01-01",
    "booleans": [],
    "integers": [],
    "strings": [],
}
"""What a name of each type is bound to while its value is not known; chosen so that few expressions fail on it."""

Take: TypeAlias = Callable[[Any], tuple[Any, ...]]


def taking(keys: Sequence[Any]) -> Take:
    """Give a function that takes the values of some keys out of a mapping, or items out of a list, in order.

    >>> taking(["a"])({"a": 1, "b": 2}), taking([])({})
    ((1,), ())
    """
    if len(keys) > 1:
        return itemgetter(*keys)
    if not keys:
        return lambda _: ()
    (key,) = keys
    return lambda values: (values[key],)


class Judged(Protocol):
    """One expression among those that are judged together."""

    def answer(self, run: Run, /) -> Answer:
        """Give its value, or the causes why it has none."""

    def failed(self, run: Run, /) -> str | None:
        """Name what made it false."""


class Run:
    """One judging of expressions together: the engine's list, and what is not known."""

    __slots__ = ("_scope", "_values", "causes", "is_plain", "items", "together", "unknown")

    def __init__(
        self,
        together: Together,
        values: Mapping[str, JsonValue],
        unknown: Set[str],
        causes: Causes,
        items: list[Any] | None,
    ) -> None:
        self.together, self._values, self.unknown, self.causes, self.items = together, values, unknown, causes, items
        self.is_plain = items is not None and unknown.isdisjoint(together.names)
        """Whether everything that the expressions read is known."""
        self._scope: Any = None

    @property
    def scope(self) -> Any:
        """What is known, bound for the engine: for an expression that is judged by itself."""
        if self._scope is None:
            values, unknown = self._values, self.unknown
            known = {name: values[name] for name in self.together.bound if name not in unknown}
            self._scope = self.together.language.scope(known)
        return self._scope


class Conditions:
    """Members that are judged as a whole, in order: the rows of a table."""

    __slots__ = ("_items", "_members", "_needs")

    def __init__(self, members: Sequence[Judged], expressions: Sequence[Expression]) -> None:
        self._members = tuple(members)
        self._items = taking([member.item for member in members if isinstance(member, _Leaf)])
        self._needs = frozenset(name for each in expressions for name in needs(each))

    def truths(self, run: Run) -> tuple[bool, ...] | None:
        """Give what holds, all at once; None where something that they need is not known."""
        if run.items is None or not (run.is_plain or run.unknown.isdisjoint(self._needs)):
            return None
        truths: tuple[bool, ...] = self._items(run.items)
        return truths

    def answers(self, run: Run) -> Iterator[Answer]:
        """Judge them in order, each only when it is asked for."""
        return (member.answer(run) for member in self._members)


class Together:
    """Expressions of one language that are judged together. Immutable once built; ``members`` are in their order."""

    __slots__ = ("_programs", "_take", "bound", "language", "members", "names")

    def __init__(
        self,
        language: Language,
        expressions: Iterable[Expression],
        *,
        whole: Iterable[Expression] = (),
        aside: Iterable[Expression] = (),
    ) -> None:
        """Prepare the list.

        Args:
            language: Compiled the expressions.
            expressions: Those of which it is asked what failed.
            whole: Those of which only the answer is asked, which come after the others.
            aside: Those that are judged by themselves, some of the time, in the same scope.
        """
        told, untold = tuple(expressions), tuple(whole)
        texts: dict[str, int] = {}
        self.language = language
        self.members: tuple[Judged, ...] = (
            *(_judged(language, each, texts) for each in told),
            *(_leaf(each, texts) for each in untold),
        )
        self.names = _names((*told, *untold))
        """What the list reads."""
        self.bound = _names((*told, *untold, *aside))
        """What an expression that is judged by itself may read."""
        self._take = taking(self.names)
        self._programs = language.compile_lists(list(texts))

    def judge(self, values: Mapping[str, JsonValue], unknown: Set[str], causes: Causes) -> Run:
        """Judge all expressions.

        Args:
            values: By the engine's names: every name that an expression reads, with a stand-in where it is not known.
            unknown: The names that are not known.
            causes: By path, why those have no value.
        """
        items: list[Any] | None = None
        if self._programs is not None:
            items = []
            scope = self.language.scope(dict(zip(self.names, self._take(values), strict=True)))
            for program in self._programs:
                listed = _listed(program, scope)
                if listed is None:
                    items = None
                    break
                items = items + listed if items else listed
        return Run(self, values, unknown, causes, items)


def _listed(program: Any, scope: Any) -> list[Any] | None:
    """Give the list of a program; None where it has none, or takes more steps than the engine does in one go."""
    try:
        listed = program.eval(scope).plain_value()
    except RuntimeError:
        return None
    return listed if type(listed) is list else None


class _Constant:
    """An expression that reads nothing, and so is what it is."""

    __slots__ = ("_answer", "_failed")

    def __init__(self, answer: Answer, failed: str | None) -> None:
        self._answer, self._failed = answer, failed

    def answer(self, _run: Run, /) -> Answer:
        return self._answer

    def failed(self, _run: Run, /) -> str | None:
        return self._failed


class _Leaf:
    """An expression that the engine judges as one item."""

    __slots__ = ("_expression", "_is_strict", "_needs", "_text", "item")

    def __init__(self, expression: Expression, item: int) -> None:
        self._expression, self.item = expression, item
        self._is_strict, self._text = expression.is_strict, expression.text
        self._needs = needs(expression)

    def answer(self, run: Run) -> Answer:
        items = run.items
        if items is None:
            return self._expression.answer(run.scope, run.causes)
        if not run.is_plain and not run.unknown.isdisjoint(self._needs):
            if self._is_strict:
                return None, self._why(run.causes)
            return self._expression.answer(run.scope, run.causes)
        value = items[self.item]
        return (value, ()) if value is True or value is False else checked(value, self._text)

    def failed(self, run: Run) -> str | None:
        return self._expression.failed(run.scope) if self._expression.parts else None

    def _why(self, causes: Causes) -> tuple[str, ...]:
        """Collect the causes of what it reads: nothing in it absorbs one."""
        found = dict.fromkeys(cause for path in self._expression.reads for cause in causes.get(path, ()))
        return tuple(found)[:CAUSES_MAX]


class _Joint:
    """Conditions joined by ``&&`` or ``||``, by Kleene's logic: one that decides makes the unknown ones irrelevant."""

    __slots__ = ("_decides", "_items", "_parts", "_told", "_why_false")

    def __init__(self, expression: Expression, parts: tuple[Judged, ...]) -> None:
        self._parts = parts
        self._decides = expression.joint == "||"
        self._told = tuple(f"this does not hold: {part.text}" for part in expression.parts)
        self._why_false = "no alternative holds: " + expression.text if self._decides else None
        leaves = [part.item for part in parts if isinstance(part, _Leaf)]
        self._items: Any = itemgetter(*leaves) if len(leaves) == len(parts) else None
        """Takes the items of its parts, where all of them are items."""

    def answer(self, run: Run) -> Answer:
        decides = self._decides
        if run.is_plain and self._items is not None:
            return (decides if decides in self._items(run.items) else not decides), ()
        causes: dict[str, None] = {}
        for part in self._parts:
            value, why = part.answer(run)
            if value is decides:
                return value, ()
            causes.update(dict.fromkeys(why))
        return (None, tuple(causes)[:CAUSES_MAX]) if causes else (not decides, ())

    def failed(self, run: Run) -> str | None:
        if self._why_false is not None:
            return self._why_false
        if run.is_plain and self._items is not None:
            first: int = self._items(run.items).index(False)
            return self._told[first]
        for part, told in zip(self._parts, self._told, strict=True):
            if part.answer(run)[0] is False:
                return part.failed(run) or told
        return None


def _names(expressions: Iterable[Expression]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for each in expressions for name in needs(each)))


def needs(expression: Expression) -> tuple[str, ...]:
    """Give the engine's names that an expression reads or asks for, in order."""
    plain = [engine_name(path) for path in expression.reads if path not in expression.asks]
    return (*plain, *(asking_name(path) for path in expression.reads if path in expression.asked))


def _judged(language: Language, expression: Expression, texts: dict[str, int]) -> Judged:
    """Take an expression apart as far as that cannot make the list fail where the expression alone does not."""
    if expression.constant is not None:
        is_false = expression.constant[0] is False
        return _Constant(expression.constant, expression.failed(language.scope({})) if is_false else None)
    if not expression.parts or expression.can_fail:
        return _leaf(expression, texts)
    return _Joint(expression, tuple(_judged(language, part, texts) for part in expression.parts))


def _leaf(expression: Expression, texts: dict[str, int]) -> _Leaf:
    return _Leaf(expression, texts.setdefault(expression.engine_text, len(texts)))
