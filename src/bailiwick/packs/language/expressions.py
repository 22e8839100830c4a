"""Rules as CEL expressions: compiled once, typed, and judged without a quiet false. The one file that names the engine.

An answer is a value, or the causes why there is none. The engine gives errors as values, so the type of every result is
tested; ``&&`` and ``||`` absorb what they need not know (Kleene logic), as CEL defines them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from bailiwick.model import INTEGER_MAX, JsonValue
from bailiwick.packs.language.calendar import CALENDAR, NO_DATE
from bailiwick.packs.language.syntax import Clause, SyntaxFault, parse

TYPES = ("boolean", "integer", "string", "booleans", "integers", "strings")
"""The types of inputs, parameters and measures; the last three are lists."""

CAUSES_MAX = 8
"""Causes that one answer carries; the first ones are the nearest."""

LIST_CHARACTERS_MAX = 50_000
"""Longest list expression that is compiled as one; the engine takes 100,000 code points."""

LISTS_MAX = 1_000
"""Most list expressions that one language keeps compiled; what tries a pack makes many packs of it."""

PROGRAMS_MAX = 5_000
"""Most expressions of one pack, their conjuncts counted; each costs up to a tenth of a millisecond to compile."""

TOO_MANY_STEPS = "too-many-steps"
"""The cause where comprehensions take more steps than the engine does in one go: 10,000 items in all."""

TEXT_CHARACTERS_MAX = 10_000
"""Longest text that an expression gives."""
ITEMS_MAX = 1_000
"""Longest list that an expression gives."""

Answer: TypeAlias = tuple[JsonValue, tuple[str, ...]]
"""A value and no causes, or None and the causes why there is no value."""

Causes: TypeAlias = Mapping[str, tuple[str, ...]]
"""For each path without a value, why."""

_SCALARS: dict[str, type] = {"boolean": bool, "integer": int, "string": str}


def is_of_type(value: Any, kind: str) -> bool:
    """Say whether a JSON value has one of the types, exactly: true is no integer.

    >>> is_of_type(True, "integer"), is_of_type([1, 2], "integers")
    (False, True)
    """
    if kind in _SCALARS:
        return type(value) is _SCALARS[kind]
    inner = _SCALARS[kind.removesuffix("s")]
    return type(value) is list and all(type(item) is inner for item in value)


def engine_name(path: str) -> str:
    """Give the engine's name of a path: ``in`` is a word of CEL's own."""
    return "i_" + path[2:] if path.startswith("in.") else path


def asking_name(path: str) -> str:
    """Give the engine's name of ``has(path)``."""
    return "k_" + path[2:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """A compiled expression: its text as the pack has it, its type, what it reads, and its conjuncts.

    ``asks`` are paths that it only asks for with ``has()``, ``asked`` all that it asks for so; ``is_strict`` and
    ``can_fail`` are the clause's (``syntax.Clause``). An expression that reads nothing was answered when it was
    compiled: ``constant``. ``error`` is the engine's type of results that are none.
    """

    text: str
    engine_text: str
    type: str
    reads: tuple[str, ...]
    asks: frozenset[str]
    asked: frozenset[str]
    is_strict: bool
    can_fail: bool
    joint: str | None
    parts: tuple[Expression, ...]
    constant: Answer | None
    program: Any = field(repr=False, compare=False)
    error: Any = field(repr=False, compare=False)

    def answer(self, scope: Any, causes: Causes) -> Answer:
        """Judge the expression.

        Args:
            scope: What ``Language.scope`` gave.
            causes: Why paths have no value; the answer names those that mattered.
        """
        if self.constant is not None:
            return self.constant
        try:
            result = self.program.eval(scope)
        except RuntimeError:  # the engine counts the steps of comprehensions, and gives up at a fixed number
            return None, self._why(scope, causes, TOO_MANY_STEPS)
        value = result.plain_value()
        if value is True or value is False:
            return value, ()
        if result.type() == self.error:
            return None, self._why(scope, causes, value)
        return checked(value, self.text)

    def value(self, scope: Any) -> JsonValue:
        """Judge the expression, and give None where it has no value, whatever the cause."""
        if self.constant is not None:
            return self.constant[0]
        try:
            result = self.program.eval(scope)
        except RuntimeError:
            return None
        return None if result.type() == self.error else checked(result.plain_value(), self.text)[0]

    def failed(self, scope: Any) -> str | None:
        """Name what made this expression false: the first conjunct that is false, or all of the alternatives."""
        if self.joint == "||":
            return "no alternative holds: " + self.text
        for part in self.parts:
            if part.answer(scope, {})[0] is False:
                return part.failed(scope) or f"this does not hold: {part.text}"
        return None

    def _why(self, scope: Any, causes: Causes, error: str) -> tuple[str, ...]:
        """Collect the causes of those parts alone that could not be judged."""
        found: dict[str, None] = {}
        for part in self.parts:
            found.update(dict.fromkeys(part.answer(scope, causes)[1]))
        if not self.parts:
            for path in self.reads:
                found.update(dict.fromkeys(causes.get(path, ())))
        if not found:
            found[_engine_cause(error, self.text)] = None
        return tuple(found)[:CAUSES_MAX]


class Language:
    """The names that a pack's expressions may use, with their types; compiles against them. Thread-safe once built."""

    def __init__(self, types: Mapping[str, str], *, has_calendar: bool = True) -> None:
        """Declare paths (``in.…``, ``p.…``, ``m.…``) with their types; ``has_calendar``: with functions on dates."""
        from cel_expr_python import cel  # type: ignore[import-untyped]  # ships stubs without py.typed

        self._types, self._has_calendar = dict(types), has_calendar
        self._error = cel.Type.ERROR
        self._programs = 0
        self._listed: dict[str, Any] = {}
        self._engine_types = {
            "boolean": cel.Type.BOOL,
            "integer": cel.Type.INT,
            "string": cel.Type.STRING,
            "booleans": cel.Type.List(cel.Type.BOOL),
            "integers": cel.Type.List(cel.Type.INT),
            "strings": cel.Type.List(cel.Type.STRING),
        }
        self._words = {engine_type.name(): word for word, engine_type in self._engine_types.items()}
        variables = {engine_name(path): self._engine_types[kind] for path, kind in types.items()}
        variables |= {asking_name(path): cel.Type.BOOL for path in types if path.startswith("in.")}
        functions = [
            cel.FunctionDecl(
                name,
                [
                    cel.Overload(
                        f"{name}_of_{'_'.join(each.takes)}",
                        return_type=self._engine_types[each.gives],
                        parameters=[self._engine_types[kind] for kind in each.takes],
                        impl=each.call,
                    )
                ],
            )
            for name, each in CALENDAR.items()
            if has_calendar
        ]
        self._environment = cel.NewEnv(variables=variables, functions=functions)

    def apart(self) -> Language:
        """Give the same names with a count of expressions of its own, for what is tried beside a pack."""
        other = copy(self)
        other._programs = 0
        return other

    def compile(self, text: str, expected: str | None) -> Expression:
        """Compile an expression that must have the type ``expected``; None takes any of ``TYPES``.

        Raises:
            SyntaxFault: it does not compile (``rule`` says why: ``name``, ``function``, ``type``, ``compile`` …).
        """
        return self._build(parse(text, self._types, has_calendar=self._has_calendar), expected)

    def compile_lists(self, texts: Sequence[str]) -> tuple[Any, ...] | None:
        """Compile engine texts that are known to be sound into lists of them, as few as the engine takes.

        Each list that was compiled before is kept. None where a text is sound alone and nested too deeply for a list.
        """
        programs = []
        for listed in _lists(texts):
            program = self._listed.get(listed)
            if program is None:
                try:
                    program = self._compile(listed)
                except SyntaxFault:
                    return None
                if len(self._listed) >= LISTS_MAX:
                    self._listed.clear()
                self._listed[listed] = program
            programs.append(program)
        return tuple(programs)

    def scope(self, values: Mapping[str, JsonValue]) -> Any:
        """Bind values by their engine names; names left out are unknown."""
        return self._environment.Activation(values)

    def _build(self, clause: Clause, expected: str | None) -> Expression:
        self._programs += 1
        if self._programs > PROGRAMS_MAX:
            raise SyntaxFault("programs", f"more than {PROGRAMS_MAX} expressions in one pack, their conjuncts counted")
        program = self._compile(clause.engine_text)
        actual = self._words.get(program.return_type().name())
        if actual is None or actual != (expected or actual):
            given = actual or program.return_type().name().lower()
            raise SyntaxFault("type", f"this gives {given}; {expected or 'one of ' + ', '.join(TYPES)} is called for")
        constant = None if clause.reads else self._constant(program, clause.text)
        return Expression(
            text=clause.text,
            engine_text=clause.engine_text,
            type=actual,
            reads=clause.reads,
            asks=clause.asks,
            asked=clause.asked,
            is_strict=clause.is_strict,
            can_fail=clause.can_fail,
            joint=clause.joint,
            parts=tuple(self._build(part, "boolean") for part in clause.parts),
            constant=constant,
            program=program,
            error=self._error,
        )

    def _constant(self, program: Any, text: str) -> Answer:
        """Answer an expression that reads nothing, once and for all."""
        try:
            result = program.eval(self.scope({}))
        except RuntimeError as error:
            raise SyntaxFault("constant", f"this has no value, whatever the facts: {TOO_MANY_STEPS}") from error
        if result.type() == self._error:
            raise SyntaxFault("constant", f"this has no value, whatever the facts: {result.plain_value()}")
        answer = checked(result.plain_value(), text)
        if answer[1]:
            raise SyntaxFault("constant", f"this has no value, whatever the facts: {answer[1][0]}")
        return answer

    def _compile(self, engine_text: str) -> Any:
        try:
            return self._environment.compile(engine_text)
        except RuntimeError as error:
            raise SyntaxFault("compile", _engine_fault(str(error))) from error


def _lists(texts: Sequence[str]) -> Iterator[str]:
    """Write texts as lists of ``LIST_CHARACTERS_MAX`` at most; one text alone is never longer than that."""
    held: list[str] = []
    size = 2
    for text in texts:
        if held and size + len(text) + 2 > LIST_CHARACTERS_MAX:
            yield f"[{', '.join(held)}]"
            held, size = [], 2
        held.append(text)
        size += len(text) + 2
    if held:
        yield f"[{', '.join(held)}]"


def checked(value: Any, text: str) -> Answer:
    """Let out only what can be sealed and cannot grow without end from one measure to the next."""
    if type(value) is list:
        if len(value) > ITEMS_MAX:
            return None, (f"overflow: {text} has more than {ITEMS_MAX} items",)
        for item in value:
            causes = checked(item, text)[1]
            if causes:
                return None, causes
    elif type(value) is int and not -INTEGER_MAX <= value <= INTEGER_MAX:
        return None, (f"overflow: {text} is beyond 2^53-1",)
    elif type(value) is str and len(value) > TEXT_CHARACTERS_MAX:
        return None, (f"overflow: {text} has more than {TEXT_CHARACTERS_MAX} characters",)
    return value, ()


def _engine_cause(error: str, text: str) -> str:
    """Say an engine's error in our own words, so that evidence does not change with the engine's."""
    if "by zero" in error:
        return f"division-by-zero: {text}"
    for cause in (NO_DATE, TOO_MANY_STEPS):
        if cause in error:
            return f"{cause}: {text}"
    if "overflow" in error or "too big" in error:
        return f"overflow: {text}"
    return f"no-value: {text}"


def _engine_fault(message: str) -> str:
    """Keep the first fault of the engine's message, in the pack's own names."""
    first = message.split("ERROR: <input>:", 1)[-1].split("\n", 1)[0]
    place, _, rest = first.partition(": ")
    column = place.rpartition(":")[2]
    told = (rest or first).replace("i_.", "in.").replace("k_.", "has in.")
    return f"at column {column}: {told[:200]}" if column.isdigit() else first[:200]
