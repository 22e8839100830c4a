"""What an expression's text says before any engine sees it."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.packs.language.syntax import EXPRESSION_CHARACTERS_MAX, PARTS_DEPTH_MAX, SyntaxFault, parse

DECLARED = {"in.a", "in.a_b", "in.employer.name", "in.tags", "p.cap", "m.x", "m.y", "m.z"}


def test_names_are_found_once_and_in_order():
    """The trace would show the wrong reads, or the same one twice."""
    clause = parse("m.y > p.cap && in.a == m.y && in.employer.name != 'm.z in.b'", DECLARED)
    assert clause.reads == ("m.y", "p.cap", "in.a", "in.employer.name")


def test_the_engine_gets_its_own_names_of_the_same_length():
    """Columns in messages would point elsewhere."""
    clause = parse("in.a == 'in.a' && in.a_b in in.tags", DECLARED)
    assert clause.engine_text == "i_.a == 'in.a' && i_.a_b in i_.tags"


def test_asking_whether_an_input_is_given_is_not_reading_it():
    """A rule that asks first would be indeterminate all the same."""
    clause = parse("!has(in.a) || has(in.a_b) && in.a_b == 1", DECLARED)
    assert clause.engine_text == "!k_.a || k_.a_b && i_.a_b == 1"
    assert clause.asks == {"in.a"}
    assert clause.reads == ("in.a", "in.a_b")


@pytest.mark.parametrize(
    ("text", "joint", "parts"),
    [
        ("m.x && m.y && m.z", "&&", ["m.x", "m.y", "m.z"]),
        ("m.x || m.y && m.z", "||", ["m.x", "m.y && m.z"]),
        ("(m.x || m.y) && m.z", "&&", ["(m.x || m.y)", "m.z"]),
        ("((m.x && m.y))", "&&", ["m.x", "m.y"]),
        ("(m.x) && (m.y)", "&&", ["(m.x)", "(m.y)"]),
        ("!(m.x && m.y)", None, []),
        ("m.x ? m.y : m.z && m.x", None, []),
        ("in.tags.exists(t, t == 'a' && m.x)", None, []),
        ("in.a == ' && '", None, []),
        ("m.x &&", None, []),
        ("|| m.x", None, []),
        ("m.x && && m.y", None, []),
    ],
)
def test_conjuncts_are_those_of_the_outermost_level(text: str, joint: str | None, parts: list[str]):
    """The trace would blame the wrong part, or a part that means something else by itself."""
    clause = parse(text, DECLARED)
    assert (clause.joint, [part.text for part in clause.parts]) == (joint, parts)


def test_parts_have_parts_down_to_a_depth():
    """Deep nesting would cost without end."""
    text = "m.x"
    for _ in range(PARTS_DEPTH_MAX + 5):
        text = f"({text} && m.y) || m.z"
    depth, clause = 0, parse(text, DECLARED)
    while clause.parts:
        depth, clause = depth + 1, clause.parts[0]
    assert depth == PARTS_DEPTH_MAX


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "empty"),
        ("  \n ", "empty"),
        ("1" * (EXPRESSION_CHARACTERS_MAX + 1), "length"),
        ("1.5 > 1", "float"),
        ("1e3 > 1", "float"),
        ("1u > 0u", "float"),
        ("in.b == 1", "name"),
        ("in.employer == 1", "name"),
        ("p.x", "name"),
        ("p", "name"),
        ("m == 1", "name"),
        ("in.tags.exists(m, m == 'a')", "name"),
        ("i_.a == 1", "name"),
        ("k_.a", "name"),
        ("in.a == null", "null"),
        ("now()", "function"),
        ("timestamp('2020-01-01T00:00:00Z') > 1", "function"),
        ("in.a.matches('a+')", "function"),
        ("double(1)", "function"),
        ("dyn(1)", "function"),
        ("has(m.x)", "has"),
        ("has(in.a == 1)", "has"),
        ("has(in.employer)", "name"),
        ("has()", "has"),
        ("has(", "has"),
        ("{'a': 1}['a'] == 1", "character"),
        ("in.a == r'x'", "text"),
        ("in.a == b'x'", "text"),
        ("in.a == '''x'''", "text"),
        ("in.a == 'x", "character"),
        ("in.a // && m.x", "comment"),
        ("in.a == 1 # no", "character"),
        ("in.a = 1", "character"),
        ("in.a & 1", "character"),
        ("`in.a`", "character"),
        ("in.a == 1;", "character"),
        ("\x00", "character"),
        ("\N{MATHEMATICAL BOLD SMALL I}n.a", "character"),
        ("in.tags.map(t, t).map(t, t).map(t, t)", "macros"),
    ],
)
def test_what_a_pack_may_not_write_is_refused(text: str, rule: str):
    """Floats, clocks, regular expressions or unknown names would reach an engine, or mean two things."""
    with pytest.raises(SyntaxFault) as caught:
        parse(text, DECLARED)
    assert caught.value.rule == rule


@given(st.text(alphabet="in.pma_xyhs()[]&|!?:'\" 12,<=>+", max_size=60))
def test_any_text_is_parsed_or_refused(text: str):
    """A pack could crash the loader, and its author would not know where."""
    with suppress(SyntaxFault):
        clause = parse(text, DECLARED)
        assert clause.text in text
        assert set(clause.reads) <= DECLARED
