"""Expressions: typed at load, and never a quiet false."""

from __future__ import annotations

from typing import Any

import pytest

from bailiwick.model import INTEGER_MAX
from bailiwick.packs.language.expressions import (
    ITEMS_MAX,
    TEXT_CHARACTERS_MAX,
    Language,
    asking_name,
    engine_name,
    is_of_type,
)
from bailiwick.packs.language.syntax import SyntaxFault

TYPES = {
    "in.n": "integer",
    "in.word": "string",
    "in.yes": "boolean",
    "in.words": "strings",
    "in.numbers": "integers",
    "in.flags": "booleans",
    "p.cap": "integer",
    "m.x": "boolean",
    "m.y": "boolean",
}
MISSING = {"in.n": ("missing: in.n",), "m.x": ("missing: in.q", "missing: in.r"), "m.y": ("law-not-yet: p.s",)}


@pytest.fixture(scope="module")
def language() -> Language:
    """Give a language with one name of each type."""
    return Language(TYPES)


def judge(language: Language, text: str, kind: str | None, values: Any) -> tuple[Any, tuple[str, ...]]:
    """Answer an expression, given values by path; every input given counts as asked for."""
    given = {engine_name(path): value for path, value in values.items()}
    given |= {asking_name(path): True for path in values if path.startswith("in.")}
    scope = language.scope(given)
    return language.compile(text, kind).answer(scope, MISSING)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("in.n + 1", "integer", 8),
        ("7 / 2", "integer", 3),
        ("-7 / 2", "integer", -3),
        ("-7 % 3", "integer", -1),
        ("in.word + '!'", "string", "é!"),
        ("in.word.size()", "integer", 1),
        ("string(in.n) + '/1'", "string", "7/1"),
        ("in.word in ['e', 'é']", "boolean", True),
        ("in.words.exists(w, w.startsWith('b'))", "boolean", True),
        ("in.words.filter(w, w != 'a')", "strings", ["bc"]),
        ("in.numbers.map(x, x * 2)", "integers", [2, 4]),
        ("in.flags.all(f, f)", "boolean", False),
        ("size(in.words) == 2 && 'a' in in.words", "boolean", True),
        ("in.n > 6 ? 'more' : 'less'", "string", "more"),
        ("has(in.n) && in.n == 7", "boolean", True),
        ("[1, 2, 3]", "integers", [1, 2, 3]),
        ("'2015-01-01' <= '2015-01-02'", "boolean", True),
    ],
)
def test_the_common_core_of_cel_is_understood(language: Language, text: str, kind: str, value: Any):
    """A rule would mean something else than it says."""
    given = judge(
        language,
        text,
        kind,
        {"in.n": 7, "in.word": "é", "in.words": ["a", "bc"], "in.numbers": [1, 2], "in.flags": [True, False]},
    )
    assert given == (value, ())
    assert is_of_type(given[0], kind)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("in.yes && m.x", False),
        ("m.x && in.yes", False),
        ("!in.yes || m.x", True),
        ("m.x || !in.yes", True),
        ("m.x && m.y && in.yes", False),
        ("in.yes && in.n / 0 > 1", False),
        ("in.yes ? m.x : true", True),
    ],
)
def test_what_need_not_be_known_is_absorbed(language: Language, text: str, value: bool):
    """One missing fact would make decisions indeterminate that do not depend on it."""
    assert judge(language, text, "boolean", {"in.yes": False}) == (value, ())


@pytest.mark.parametrize(
    ("text", "causes"),
    [
        ("in.n > 1", ("missing: in.n",)),
        ("!m.y", ("law-not-yet: p.s",)),
        ("in.yes && m.x", ("missing: in.q", "missing: in.r")),
        ("m.x && m.y", ("missing: in.q", "missing: in.r", "law-not-yet: p.s")),
        ("in.yes && (!in.yes || m.y)", ("law-not-yet: p.s",)),
        ("(in.yes || m.x) && m.y", ("law-not-yet: p.s",)),
        ("m.x == m.y", ("missing: in.q", "missing: in.r", "law-not-yet: p.s")),
        ("m.x ? true : false", ("missing: in.q", "missing: in.r")),
        ("1 / (p.cap - 1) > 0", ("division-by-zero: 1 / (p.cap - 1) > 0",)),
        ("1 % (p.cap - 1) > 0", ("division-by-zero: 1 % (p.cap - 1) > 0",)),
        ("in.yes && p.cap / 0 > 0", ("division-by-zero: p.cap / 0 > 0",)),
        ("p.cap * 9223372036854775807 + 1 > 0", ("overflow: p.cap * 9223372036854775807 + 1 > 0",)),
        ("[1, 2][p.cap + 4] > 0", ("no-value: [1, 2][p.cap + 4] > 0",)),
    ],
)
def test_what_cannot_be_known_is_never_false_and_says_why(language: Language, text: str, causes: tuple[str, ...]):
    """A missing fact would count against somebody, or the reason would name a fact that did not matter."""
    assert judge(language, text, "boolean", {"in.yes": True, "p.cap": 1}) == (None, causes)


def test_a_quantity_beyond_canonical_json_is_an_overflow(language: Language):
    """A decision could not be sealed, or its evidence would read differently elsewhere."""
    assert judge(language, "p.cap * 2", "integer", {"p.cap": INTEGER_MAX})[1] == (
        "overflow: p.cap * 2 is beyond 2^53-1",
    )
    assert judge(language, "p.cap + 0", "integer", {"p.cap": INTEGER_MAX}) == (INTEGER_MAX, ())
    assert judge(language, "[p.cap * 2]", "integers", {"p.cap": INTEGER_MAX})[1]


def test_texts_and_lists_do_not_grow_without_end(language: Language):
    """Thirty measures, each the double of the one before, would fill the memory."""
    text, words = "x" * TEXT_CHARACTERS_MAX, ["a"] * ITEMS_MAX
    assert judge(language, "in.word + ''", "string", {"in.word": text}) == (text, ())
    assert judge(language, "in.word + 'x'", "string", {"in.word": text})[1] == (
        f"overflow: in.word + 'x' has more than {TEXT_CHARACTERS_MAX} characters",
    )
    assert judge(language, "in.words + []", "strings", {"in.words": words}) == (words, ())
    assert judge(language, "in.words + in.words", "strings", {"in.words": words})[1] == (
        f"overflow: in.words + in.words has more than {ITEMS_MAX} items",
    )


def test_text_that_looks_like_an_error_is_text(language: Language):
    """A fact could forge an error of the engine."""
    told = 'UNKNOWN: No value with name "m.x" found in Activation'
    assert judge(language, "in.word", "string", {"in.word": told}) == (told, ())


@pytest.mark.parametrize(
    ("text", "kind", "rule"),
    [
        ("in.n == 'a'", "boolean", "compile"),
        ("in.n + in.word", "integer", "compile"),
        ("in.n", "boolean", "type"),
        ("in.yes ? 1 : 'a'", "integer", "compile"),
        ("in.words", "integers", "type"),
        ("[]", "integers", "type"),
        ("size", "integer", "compile"),
        ("true && ", "boolean", "compile"),
        ("in.word == '''x'''", "boolean", "text"),
        ("in.n // a comment", "integer", "comment"),
        (".in.n == 1", "boolean", "compile"),
        ("unknown_name", "boolean", "compile"),
        ("in.yes.size() == 1", "boolean", "compile"),
        ("1 / 0", "integer", "constant"),
        ("9007199254740992", "integer", "constant"),
        ("[1][2] == 1", "boolean", "constant"),
        ("!" * 400 + "in.yes", "boolean", None),
        ("(" * 400 + "in.yes" + ")" * 400, "boolean", "compile"),
        ("in.yes ? " * 60 + "1" + " : 1" * 60, "integer", "compile"),
    ],
)
def test_mistakes_are_found_at_load(language: Language, text: str, kind: str, rule: str | None):
    """A rule could fail in the middle of a decision, years later."""
    if rule is None:
        assert judge(language, text, kind, {"in.yes": True})[0] in (True, False)
        return
    with pytest.raises(SyntaxFault) as caught:
        language.compile(text, kind)
    assert caught.value.rule == rule
    assert "i_." not in str(caught.value)


def test_any_of_the_types_will_do_where_none_is_called_for(language: Language):
    """An effect could not have parameters of the types that facts have."""
    assert [language.compile(text, None).type for text in ("in.n", "in.word", "in.yes", "in.words")] == [
        "integer",
        "string",
        "boolean",
        "strings",
    ]
    with pytest.raises(SyntaxFault):
        language.compile("[[1]]", None)


def test_the_failed_conjunct_is_named(language: Language):
    """A person would read that a rule failed, and not which part of it."""
    scope = language.scope({"i_.n": 1, "i_.yes": True, "p.cap": 5})
    assert language.compile("in.yes && (in.n > 0 && in.n > p.cap)", "boolean").failed(scope) == (
        "this does not hold: in.n > p.cap"
    )
    assert language.compile("in.n > p.cap || !in.yes", "boolean").failed(scope) == (
        "no alternative holds: in.n > p.cap || !in.yes"
    )
    assert language.compile("in.n > p.cap", "boolean").failed(scope) is None


@pytest.mark.parametrize(
    ("value", "kind", "holds"),
    [
        (1, "integer", True),
        (True, "integer", False),
        (1, "boolean", False),
        ("1", "integer", False),
        (1.0, "integer", False),
        ([], "strings", True),
        (["a", 1], "strings", False),
        ([True], "integers", False),
        ("ab", "strings", False),
        (None, "string", False),
        ({}, "strings", False),
    ],
)
def test_types_are_exact(value: Any, kind: str, holds: bool):
    """The engine would take true for 1."""
    assert is_of_type(value, kind) is holds
