"""One expression judged again, clause by clause, from its text and the values it read: what an explanation is made of.

Nothing here needs the pack: the types of names are told from their values. A name without a value has no type of its
own, so types are tried until the expression compiles; whatever they are, a clause that needs it is not known.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Container, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, product
from typing import Any

from bailiwick.model import JsonValue
from bailiwick.packs.language.expressions import TYPES, Expression, Language, asking_name, engine_name, is_of_type
from bailiwick.packs.language.syntax import Clause, SyntaxFault, parse

LISTS = ("strings", "integers", "booleans")
"""What an empty list may be a list of: a name with a value and no type of its own holds one."""
TRIES_MAX = 300
"""Most combinations of types that one judge tries in all; each compiles an expression."""
GUESSES_MAX = 216
"""Most combinations of types that are tried for names without a value: three names of six types in one clause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """An expression or a part of one, and what it came to.

    ``is_known`` is false where it has no value; ``causes`` then say why, as far as that is no name without a value.
    ``reads`` are the names in it, ``joint`` is ``&&`` or ``||`` where it has parts.
    """

    text: str
    value: JsonValue
    is_known: bool
    reads: tuple[str, ...]
    causes: tuple[str, ...] = ()
    joint: str | None = None
    parts: tuple[Judged, ...] = ()


class Judge:
    """Judges expressions over names of the same types; keeps what it compiled. Not for several threads."""

    def __init__(self, types: Mapping[str, str]) -> None:
        """Take the types of names, as far as they are known: see ``type_of``."""
        self._types = dict(types)
        self._tries = TRIES_MAX
        self._languages: dict[tuple[tuple[str, str], ...], Language] = {}

    def judge(
        self,
        text: str,
        values: Mapping[str, JsonValue],
        *,
        unknown: Collection[str] = (),
        given: Container[str] = (),
    ) -> Judged | None:
        """Judge an expression and each of its clauses; None where it cannot be read or compiled.

        Args:
            text: As a pack writes it.
            values: What it read, by path: ``in.…``, ``p.…``, ``m.…``.
            unknown: Paths that it read and that had no value.
            given: Inputs of which ``has()`` holds.
        """
        try:
            clause = parse(text, {*values, *unknown})
        except SyntaxFault:
            return None
        language = self._language(self._guess(clause, values))
        try:
            expression = language.compile(text, None)
        except SyntaxFault:
            return None
        return _told(expression, language.scope(_bound(expression, values, given)))

    def _guess(self, clause: Clause, values: Container[str]) -> dict[str, str]:
        """Find types for names that have none, clause by clause, under which each clause compiles."""
        guessed: dict[str, str] = {}
        for leaf in _leaves(clause):
            known = {*self._types, *guessed}
            loose = [path for path in leaf.reads if path not in known and path not in leaf.asks]
            each = [LISTS if path in values else _likely(leaf.text) for path in loose]
            for kinds in islice(product(*each) if loose else (), GUESSES_MAX):
                tried = {**guessed, **dict(zip(loose, kinds, strict=True))}
                if self._compiles(leaf, clause, tried):
                    guessed = tried
                    break
        return {path: TYPES[0] for path in clause.reads if path not in self._types} | guessed

    def _compiles(self, leaf: Clause, clause: Clause, guessed: Mapping[str, str]) -> bool:
        self._tries -= 1
        if self._tries < 0:
            return False
        read = {path: self._types.get(path, guessed.get(path, TYPES[0])) for path in leaf.reads}
        try:
            Language(read).compile(leaf.text, None if leaf is clause else "boolean")
        except SyntaxFault:
            return False
        return True

    def _language(self, guessed: Mapping[str, str]) -> Language:
        key = tuple(sorted(guessed.items()))
        if key not in self._languages:
            self._languages[key] = Language({**self._types, **guessed})
        return self._languages[key].apart()


def _likely(text: str) -> tuple[str, ...]:
    """Order types by what a clause looks like: quotes are about texts, digits and comparisons about numbers."""
    first = "string" if "'" in text or '"' in text else "integer" if re.search(r"[0-9<>+*/-]", text) else "boolean"
    return (first, *(kind for kind in TYPES if kind != first))


def _leaves(clause: Clause) -> Iterator[Clause]:
    if not clause.parts:
        yield clause
    for part in clause.parts:
        yield from _leaves(part)


def _bound(expression: Expression, values: Mapping[str, JsonValue], given: Container[str]) -> Mapping[str, Any]:
    scope: dict[str, Any] = {}
    for path in expression.reads:
        if path in values:
            scope[engine_name(path)] = values[path]
        if path.startswith("in."):
            scope[asking_name(path)] = path in given
    return scope


def _told(expression: Expression, scope: Any) -> Judged:
    value, causes = expression.answer(scope, {})
    return Judged(
        text=expression.text,
        value=value,
        is_known=not causes,
        reads=expression.reads,
        causes=causes,
        joint=expression.joint,
        parts=tuple(_told(part, scope) for part in expression.parts),
    )


def type_of(value: Any) -> str | None:
    """Tell the type of a value that a rule read; None for an empty list, which may be of any, and for what is none.

    >>> type_of(True), type_of([1]), type_of([])
    ('boolean', 'integers', None)
    """
    if value == []:
        return None
    return next((kind for kind in TYPES if is_of_type(value, kind)), None)


def explain_expression(text: str, values: Mapping[str, JsonValue], unknown: Collection[str] = ()) -> Judged | None:
    """Judge one expression and each of its clauses; see ``Judge``, which keeps what several have in common.

    >>> judged = explain_expression("in.degree == 'fatality' && in.days <= 30", {"in.degree": "burn", "in.days": 3})
    >>> [(part.text, part.value) for part in judged.parts]
    [("in.degree == 'fatality'", False), ('in.days <= 30', True)]
    """
    types = {path: kind for path, value in values.items() if (kind := type_of(value)) is not None}
    return Judge(types).judge(text, values, unknown=unknown, given=values)
