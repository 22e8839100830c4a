"""An expression as a tree: for whoever computes it otherwise than the engine does, value by value.

Only expressions that compiled are read here, so what is not understood is a gap of this file and not of the pack.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from bailiwick.model import JsonValue
from bailiwick.packs.language.syntax import MACROS, SyntaxFault, pieces

_LEVELS = (
    frozenset({"||"}),
    frozenset({"&&"}),
    frozenset({"==", "!=", "<", "<=", ">", ">=", "in"}),
    frozenset({"+", "-"}),
    frozenset({"*", "/", "%"}),
)
"""Signs between two values, the loosest first; all of them group to the left."""


@dataclass(frozen=True, slots=True)
class Node:
    """One step of an expression.

    ``kind``: ``literal`` (``value`` it is), ``path`` and ``has`` (``value`` is the path), ``list``, ``index``, ``call``
    (``value`` is the function; a method's object is the first part), ``macro`` (the list, the item's name as a
    ``literal``, and what is asked of each item), ``choose`` (condition, then, else), ``not``, ``minus``, or ``sign``
    (``value`` is the sign between two parts). An item within a macro is a ``path`` of its name.
    """

    kind: str
    value: JsonValue = None
    parts: tuple[Node, ...] = ()


def tree_of(text: str, declared: Container[str]) -> Node:
    """Read an expression that compiled.

    Args:
        text: As the pack writes it.
        declared: The paths that it may read.

    Raises:
        SyntaxFault: a text with a backslash (rule ``escape``).

    >>> tree_of("in.a + 2 > p.b", {"in.a", "p.b"}).parts[0].value
    '+'
    """
    return _Reader(text, declared).whole()


class _Reader:
    """The pieces of one expression, and how far they are read."""

    def __init__(self, text: str, declared: Container[str]) -> None:
        self._pieces, self._declared, self._at = pieces(text), declared, 0
        self._items: frozenset[str] = frozenset()
        """The names of items of the macros around."""

    def whole(self) -> Node:
        node = self._choose()
        assert self._at == len(self._pieces), "an expression that compiled is read to its end"
        return node

    def _text(self, ahead: int = 0) -> str:
        position = self._at + ahead
        return self._pieces[position][1] if position < len(self._pieces) else ""

    def _took(self, text: str) -> bool:
        """Step over a sign if it is next."""
        found = self._text() == text and self._pieces[self._at][0] != "text"
        self._at += found
        return found

    def _choose(self) -> Node:
        condition = self._joined(0)
        if not self._took("?"):
            return condition
        then = self._choose()
        self._took(":")
        return Node("choose", None, (condition, then, self._choose()))

    def _joined(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._prefixed()
        node = self._joined(level + 1)
        while self._text() in _LEVELS[level] and self._pieces[self._at][0] != "text":
            sign = self._text()
            self._at += 1
            node = Node("sign", sign, (node, self._joined(level + 1)))
        return node

    def _prefixed(self) -> Node:
        if self._took("!"):
            return Node("not", None, (self._prefixed(),))
        if self._took("-"):
            return Node("minus", None, (self._prefixed(),))
        node = self._primary()
        while self._text() in (".", "[") and self._pieces[self._at][0] == "sign":
            if self._took("["):
                node = Node("index", None, (node, self._choose()))
                self._took("]")
            else:
                self._at += 1
                name = self._text()
                self._at += 1
                node = self._called(name, (node,))
        return node

    def _primary(self) -> Node:
        kind, text, _, _ = self._pieces[self._at]
        if self._took("("):
            node = self._choose()
            self._took(")")
            return node
        if self._took("["):
            return Node("list", None, self._values("]"))
        if kind in ("integer", "text") or text in ("true", "false"):
            self._at += 1
            return Node("literal", _literal(kind, text))
        if self._text(1) == "(":
            self._at += 1
            return self._has() if text == "has" else self._called(text, ())
        return self._path()

    def _has(self) -> Node:
        self._at += 1
        path = self._path()
        self._took(")")
        return Node("has", path.value)

    def _called(self, name: str, before: tuple[Node, ...]) -> Node:
        self._took("(")
        if name in MACROS:
            return self._macro(name, before)
        return Node("call", name, (*before, *self._values(")")))

    def _macro(self, name: str, before: tuple[Node, ...]) -> Node:
        item = self._text()
        self._at += 1
        self._took(",")
        outer, self._items = self._items, self._items | {item}
        asked = self._values(")")
        self._items = outer
        return Node("macro", name, (*before, Node("literal", item), *asked))

    def _values(self, closing: str) -> tuple[Node, ...]:
        found: list[Node] = []
        while not self._took(closing):
            found.append(self._choose())
            self._took(",")
        return tuple(found)

    def _path(self) -> Node:
        names = [self._text()]
        if names[0] in self._items:
            self._at += 1
            return Node("path", names[0])
        while self._text(2 * len(names) - 1) == "." and self._pieces[self._at + 2 * len(names)][0] == "name":
            names.append(self._text(2 * len(names)))
            if self._at + 2 * len(names) >= len(self._pieces):
                break
        for length in range(len(names), 0, -1):
            if ".".join(names[:length]) in self._declared:
                self._at += 2 * length - 1
                return Node("path", ".".join(names[:length]))
        raise AssertionError(f"{'.'.join(names)} is not declared in an expression that compiled")


def _literal(kind: str, text: str) -> JsonValue:
    if kind == "integer":
        return int(text, 16) if text.startswith("0x") else int(text)
    if kind == "name":
        return text == "true"
    if "\\" in text:
        raise SyntaxFault("escape", f"{text[:40]} is written with a backslash")
    return text[1:-1]
