"""What an expression's text says before any engine sees it: its names, its conjuncts, and what a pack may not write.

A pack writes the common core of CEL (https://github.com/cel-expr/cel-spec) without floats, clocks, regular expressions
and maps. ``in`` is a word of CEL's own, so ``in.degree`` is handed to the engine as ``i_.degree`` (same length: columns
in messages stay right), and ``has(in.degree)`` as the variable ``k_.degree``.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from bailiwick.packs.language.calendar import CALENDAR, ROUNDINGS

EXPRESSION_CHARACTERS_MAX = 2_000
PARTS_DEPTH_MAX = 8
"""Levels of ``&&`` and ``||`` that are taken apart to find what failed; deeper ones are judged as a whole."""
MACROS_MAX = 2
"""Comprehensions in one expression; more could cost the product of their lists."""

LISTS_WITHIN_MAX = 1
"""Lists that what is asked of each item may read, in packs that have the calendar; each costs the list every time."""

MACROS = frozenset({"all", "exists", "exists_one", "filter", "map"})
FUNCTIONS = frozenset({"contains", "endsWith", "size", "startsWith", "string"}) | MACROS
"""Functions a pack may call, beside ``has``: the common core on which both engines agree. ``calendar`` has our own."""

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
      | (?P<text>'(?:[^'\\\r\n]|\\.)*'|"(?:[^"\\\r\n]|\\.)*")
      | (?P<float>[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|[0-9]+u)
      | (?P<integer>0x[0-9a-fA-F]+|[0-9]+)
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<sign>&&|\|\||[=!<>]=|[-!<>?:+*/%()\[\],.])""",
    re.VERBOSE,
)
_OPENING, _CLOSING = ("(", "["), (")", "]")
_ABSORBING = frozenset({"?", "&&", "||"}) | MACROS
_FAILING = frozenset({"/", "%", "[", *CALENDAR})


class SyntaxFault(ValueError):
    """An expression that no engine needs to see. ``rule`` is one word for programs."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """An expression or a part of one: its text, the engine's text, what it reads, and its own parts.

    ``joint`` is ``&&`` or ``||`` where the clause has parts, else None. ``reads`` are declared paths, each once, in
    order; ``asks`` are those of them that only stand in ``has()``, ``asked`` those that stand in one at all.
    ``is_strict``: nothing in it absorbs what is not known. ``can_fail``: it may lack a value though all is known, by a
    division, an index or a date; sums and products that overflow are left out, because they are so rare.
    """

    text: str
    engine_text: str
    reads: tuple[str, ...]
    asks: frozenset[str]
    asked: frozenset[str] = frozenset()
    is_strict: bool = False
    can_fail: bool = False
    joint: str | None = None
    parts: tuple[Clause, ...] = ()


def parse(text: str, declared: Container[str], *, has_calendar: bool = True) -> Clause:
    """Find an expression's names and conjuncts.

    Args:
        text: As the pack writes it.
        declared: Paths that may be read: ``in.…``, ``p.…``, ``m.…``.
        has_calendar: Whether it may call the functions of the calendar; if ``declared`` maps paths to types, what is
            asked of each item of a list then reads ``LISTS_WITHIN_MAX`` others at most.

    Raises:
        SyntaxFault: too long, a character, literal, function or name that a pack may not use.

    >>> clause = parse("in.degree == 'fatality' && m.counts", {"in.degree", "m.counts"})
    >>> [part.text for part in clause.parts], clause.reads
    (["in.degree == 'fatality'", 'm.counts'], ('in.degree', 'm.counts'))
    """
    if len(text) > EXPRESSION_CHARACTERS_MAX:
        raise SyntaxFault("length", f"{len(text)} characters; an expression has at most {EXPRESSION_CHARACTERS_MAX}")
    tokens = list(_tokens(text))
    if not tokens:
        raise SyntaxFault("empty", "there is no expression")
    parser = _Parser(text, tokens, declared, FUNCTIONS | CALENDAR.keys() if has_calendar else FUNCTIONS)
    parser.resolve()
    if has_calendar and isinstance(declared, Mapping):
        parser.check_lists(declared)
    return parser.clause(0, len(tokens), depth=0)


def pieces(text: str) -> list[tuple[str, str, int, int]]:
    """Take an expression's text apart: the kind of each piece, its text, and where it begins and ends.

    Kinds are ``text``, ``integer``, ``name`` and ``sign``; space between them is left out.

    Raises:
        SyntaxFault: a character or literal that a pack may not use.

    >>> [text for _, text, _, _ in pieces("in.days>=7")]
    ['in', '.', 'days', '>=', '7']
    """
    return [(token.kind, token.text, token.start, token.end) for token in _tokens(text)]


def _tokens(text: str) -> Iterator[_Token]:
    before = _Token("space", "", 0, 0)
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise SyntaxFault("character", f"{text[position]!r} at column {position + 1} means nothing in a pack")
        kind = str(found.lastgroup)
        if kind == "float":
            raise SyntaxFault("float", f"{found.group()} is no integer; write quantities as integers of a smaller unit")
        token = _Token(kind, found.group(), position, found.end())
        if kind != "space":
            _check_pair(before, token)
            yield token
        before, position = token, token.end


def _check_pair(before: _Token, token: _Token) -> None:
    """Refuse what the engine reads as one thing and this file as two: a comment, a prefixed or threefold quote."""
    if before.text == token.text == "/":
        raise SyntaxFault("comment", f"a comment at column {token.start}; say it in the rule's text")
    if token.kind == "text" and before.kind in ("name", "text"):
        raise SyntaxFault(
            "text", f"text at column {token.start + 1} follows {before.text[:20]} without a space or sign"
        )


class _Parser:
    """The tokens of one expression, the paths among them, and what the engine is given instead."""

    def __init__(self, text: str, tokens: list[_Token], declared: Container[str], functions: frozenset[str]) -> None:
        self.text, self.tokens, self.declared, self.functions = text, tokens, declared, functions
        self.rewritten: dict[int, tuple[int, str]] = {}
        """At a token: how many tokens are replaced, and by what."""
        self.paths: dict[int, str] = {}
        """At a token: the path that begins there."""
        self.asked: set[int] = set()
        """Tokens at which a ``has()`` begins."""

    # --- names --------------------------------------------------------------------------------------------------------

    def resolve(self) -> None:
        """Find every path, and refuse every name and function that is not known."""
        macros = sum(token.kind == "name" and token.text in MACROS for token in self.tokens)
        if macros > MACROS_MAX:
            raise SyntaxFault("macros", f"{macros} comprehensions; an expression has at most {MACROS_MAX}")
        position = 0
        while position < len(self.tokens):
            token = self.tokens[position]
            if token.kind != "name":
                position += 1
            elif self._text(position - 1) == ".":
                self._check_function(position)
                position += 1
            elif token.text == "has" and self._text(position + 1) == "(":
                position = self._resolve_has(position)
            elif self._is_root(position):
                path, count = self._path(position)
                self.paths[position] = path
                if token.text == "in":
                    self.rewritten[position] = (1, "i_")
                position += count
            else:
                self._check_name(position)
                position += 1

    def check_lists(self, types: Mapping[str, str]) -> None:
        """Refuse comprehensions that read one list after the other for each item: their cost is the product of all."""
        for position, token in enumerate(self.tokens):
            if token.kind == "name" and token.text in MACROS and self._text(position + 1) == "(":
                closing = self._closing(position + 1, len(self.tokens))
                within = [self.paths[each] for each in range(position, closing) if each in self.paths]
                lists = [path for path in within if types.get(path, "").endswith("s")]
                if len(lists) > LISTS_WITHIN_MAX:
                    told = f"{token.text}() reads {len(lists)} lists for each item: {', '.join(lists[:4])}"
                    raise SyntaxFault("lists", f"{told}; it may read {LISTS_WITHIN_MAX}: make the rest a measure")

    def _text(self, position: int) -> str:
        return self.tokens[position].text if 0 <= position < len(self.tokens) else ""

    def _is_root(self, position: int) -> bool:
        """Say whether a path begins here: ``in.`` without a space between, ``p.``, ``m.``, ``out.`` if declared."""
        word = self._text(position)
        is_word = word in ("in", "p", "m") or (word == "out" and "out.outcome" in self.declared)
        if not is_word or self._text(position + 1) != ".":
            return False
        return self.tokens[position].end == self.tokens[position + 1].start

    def _path(self, position: int) -> tuple[str, int]:
        """Give the longest declared path that begins here, and how many tokens it takes."""
        names = [self._text(position)]
        after = position + 1
        while self._text(after) == "." and after + 1 < len(self.tokens) and self.tokens[after + 1].kind == "name":
            names.append(self._text(after + 1))
            after += 2
        for length in range(len(names), 1, -1):
            if ".".join(names[:length]) in self.declared:
                return ".".join(names[:length]), 2 * length - 1
        raise SyntaxFault("name", f"{'.'.join(names)[:80]} is not declared")

    def _resolve_has(self, position: int) -> int:
        """Read ``has(in.x)`` and give the position after it."""
        inner = position + 2
        if self._text(inner) != "in" or not self._is_root(inner):
            raise SyntaxFault("has", "has() asks for one input, as has(in.degree)")
        path, count = self._path(inner)
        if self._text(inner + count) != ")":
            raise SyntaxFault("has", f"has() asks for one input as a whole; {path} is followed by something else")
        self.paths[position] = path
        self.asked.add(position)
        self.rewritten[position] = (count + 3, "k_" + path.removeprefix("in"))
        return inner + count + 1

    def _check_name(self, position: int) -> None:
        name = self._text(position)
        if name in ("p", "m"):
            noun = "parameters" if name == "p" else "measures"
            raise SyntaxFault("name", f"{name} stands for the {noun}: write {name}.name")
        if name in ("i_", "k_"):
            raise SyntaxFault("name", f"{name} is a name of the engine's: write in.name or has(in.name)")
        if name == "null":
            raise SyntaxFault("null", "null is no value here: ask has(in.name) whether an input was given")
        self._check_function(position)

    def _check_function(self, position: int) -> None:
        name = self._text(position)
        if self._text(position + 1) != "(" or name == "in":
            return
        if name not in self.functions:
            known = ", ".join(sorted(self.functions))
            raise SyntaxFault("function", f"{name[:80]}() is not known; there are has, {known}")
        if name in CALENDAR and self._text(position - 1) == ".":
            raise SyntaxFault("function", f"{name}() takes all its values in parentheses: {name}(...)")
        if name == "add_months":
            self._check_rounding(position + 1)

    def _check_rounding(self, opening: int) -> None:
        """See that the last value of ``add_months`` is written out, so that a pack states how it rounds."""
        closing = self._closing(opening, len(self.tokens))
        rounding = self._text(closing - 1)[1:-1]
        if self._text(closing - 2) != "," or rounding not in ROUNDINGS or self.tokens[closing - 1].kind != "text":
            words = " or ".join(f"'{each}'" for each in ROUNDINGS)
            raise SyntaxFault("rounding", f"the last value of add_months() is {words}, written out")

    # --- taking apart -------------------------------------------------------------------------------------------------

    def clause(self, start: int, stop: int, *, depth: int) -> Clause:
        """Build the clause of the tokens from ``start`` to before ``stop``, and of its parts."""
        joint: str | None = None
        spans: list[tuple[int, int]] = []
        if depth < PARTS_DEPTH_MAX:
            joint, spans = self._split(*self._bare(start, stop))
        here = [position for position in range(start, stop) if position in self.paths]
        read_plainly = {self.paths[position] for position in here if position not in self.asked}
        words = {token.text for token in self.tokens[start:stop] if token.kind in ("name", "sign")}
        return Clause(
            text=self.text[self.tokens[start].start : self.tokens[stop - 1].end],
            engine_text=self._engine_text(start, stop),
            reads=tuple(dict.fromkeys(self.paths[position] for position in here)),
            asks=frozenset(self.paths[position] for position in here) - read_plainly,
            asked=frozenset(self.paths[position] for position in here if position in self.asked),
            is_strict=words.isdisjoint(_ABSORBING),
            can_fail=not words.isdisjoint(_FAILING),
            joint=joint,
            parts=tuple(self.clause(*span, depth=depth + 1) for span in spans),
        )

    def _bare(self, start: int, stop: int) -> tuple[int, int]:
        """Take off parentheses that enclose everything."""
        while stop - start > 2 and self.tokens[start].text == "(" and self._closing(start, stop) == stop - 1:
            start, stop = start + 1, stop - 1
        return start, stop

    def _closing(self, start: int, stop: int) -> int:
        depth = 0
        for position in range(start, stop):
            depth += _turn(self.tokens[position])
            if depth == 0:
                return position
        return -1

    def _split(self, start: int, stop: int) -> tuple[str | None, list[tuple[int, int]]]:
        """Find the loosest joint outside all parentheses, and the parts; a ``? :`` outside hides them all."""
        depth = 0
        found: dict[str, list[int]] = {"||": [], "&&": []}
        for position in range(start, stop):
            token = self.tokens[position]
            depth += _turn(token)
            if depth == 0 and token.text == "?":
                return None, []
            if depth == 0 and token.text in found:
                found[token.text].append(position)
        for joint, cuts in found.items():
            edges = pairwise([start - 1, *cuts, stop])
            spans = [(before + 1, after) for before, after in edges]
            if cuts:
                return (joint, spans) if all(first < last for first, last in spans) else (None, [])
        return None, []

    def _engine_text(self, start: int, stop: int) -> str:
        pieces: list[str] = []
        reached = self.tokens[start].start
        position = start
        while position < stop:
            count, replacement = self.rewritten.get(position, (0, ""))
            if count:
                pieces += [self.text[reached : self.tokens[position].start], replacement]
                reached = self.tokens[position + count - 1].end
            position += count or 1
        pieces.append(self.text[reached : self.tokens[stop - 1].end])
        return "".join(pieces)


def _turn(token: _Token) -> int:
    """Say whether a token opens (1) or closes (-1)."""
    if token.kind != "sign":
        return 0
    return (token.text in _OPENING) - (token.text in _CLOSING)
