"""A second engine, in Rust, gives the same answers: the law means what it says, not what one engine's makers wrote.

Every expression of every pack that ships, and expressions that nobody wrote, on values that nobody chose. Where the two
are known to differ there is a test by the difference's name.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import cache
from typing import Any

import cel
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bailiwick.adapters.packsource_builtin import builtin_packs
from bailiwick.model import INTEGER_MAX
from bailiwick.packs import Pack, load_pack
from bailiwick.packs.format.pack import Call
from bailiwick.packs.language.calendar import CALENDAR
from bailiwick.packs.language.expressions import Expression, Language, asking_name, engine_name
from bailiwick.packs.language.syntax import SyntaxFault
from bailiwick.packs.language.together import STAND_INS, Together

NAMES = tuple(builtin_packs().names())
DATES = st.dates().map(date.isoformat) | st.sampled_from(["2025-02-21", "2024-02-29", "2025-02-30", "", "soon"])
INTEGERS = st.sampled_from([-2, -1, 0, 1, 2, 3, 10, 29, 30, 72, 480, 4320]) | st.integers(-INTEGER_MAX, INTEGER_MAX)
TEXTS = st.sampled_from(["", "a", "A", "accrual", "é", "𝄞", "fatality"]) | DATES
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "integer": INTEGERS,
    "string": TEXTS,
    "booleans": st.lists(st.booleans(), max_size=3),
    "integers": st.lists(INTEGERS, max_size=3),
    "strings": st.lists(TEXTS, max_size=3),
}


@cache
def shipped(name: str) -> Pack:
    """Give a pack that ships."""
    return load_pack(name, builtin_packs().files(name))


def types_of(pack: Pack) -> dict[str, str]:
    """Give the type of every path that the pack's rules can read."""
    types = {field.path: field.type for field in pack.inputs}
    types |= {parameter.path: parameter.type for parameter in pack.parameters}
    for rule in (rule for level in pack.levels for rule in level.rules):
        if isinstance(rule, Call):
            types |= {each.path: each.type for each in rule.gives}
        else:
            types[rule.path] = rule.type
    return types


def expressions_of(pack: Pack) -> list[Expression]:
    """Give every expression of the pack, and every part of one."""
    rules = [*pack.assumptions, *(rule for level in pack.levels for rule in level.rules), *pack.rows, *pack.effects]
    waiting = [expression for rule in rules for expression in rule.expressions]
    found: dict[str, Expression] = {}
    while waiting:
        expression = waiting.pop()
        found[expression.engine_text] = expression
        waiting += expression.parts
    return list(found.values())


def bound(types: dict[str, str], known: dict[str, Any]) -> tuple[dict[str, Any], cel.Context]:
    """Bind values for both engines: by flat names, and as objects within objects."""
    flat = {engine_name(path): value for path, value in known.items()}
    flat |= {asking_name(path): path in known for path in types if path.startswith("in.")}
    nested: dict[str, Any] = {"i_": {}, "k_": {}, "p": {}, "m": {}}
    for name, value in flat.items():
        *outer, last = name.split(".")
        place = nested
        for key in outer:
            place = place.setdefault(key, {})
        place[last] = value
    return flat, cel.Context(nested, {name: each.call for name, each in CALENDAR.items()})


def second_answer(program: Any, values: cel.Context) -> Any:
    """Ask the second engine; None where it has no value."""
    try:
        return program.execute(values)
    except (ValueError, TypeError, RuntimeError, LookupError, ArithmeticError):
        return None


def agree(
    language: Language, pairs: list[tuple[Expression, Any]], types: dict[str, str], known: dict[str, Any]
) -> None:
    """See that both engines answer alike; an answer that is too large to be sealed is none of ours."""
    flat, values = bound(types, known)
    scope = language.scope(flat)
    for expression, program in pairs:
        value, causes = expression.answer(scope, {})
        theirs = second_answer(program, values)
        if (causes and is_too_large(theirs)) or counts_characters(expression, known):
            continue
        assert (theirs, type(theirs)) == (value, type(value)), (expression.text, causes)


def counts_characters(expression: Expression, known: dict[str, Any]) -> bool:
    """Say whether an expression counts characters of text that is not ASCII: the difference named below."""
    texts = [each for value in known.values() for each in (value if type(value) is list else [value])]
    is_plain = all(each.isascii() for each in texts if type(each) is str) and expression.text.isascii()
    return "size(" in expression.text and not is_plain


def is_too_large(value: Any) -> bool:
    """Say whether a value is beyond what evidence can hold."""
    return any(type(each) is int and abs(each) > INTEGER_MAX for each in (value if type(value) is list else [value]))


@pytest.mark.parametrize("name", NAMES)
def test_a_second_engine_agrees_on_every_expression_of_every_pack(name: str):
    """The law would mean what one engine's makers happened to write."""
    pack = shipped(name)
    types = types_of(pack)
    pairs = [(each, cel.compile(each.engine_text)) for each in expressions_of(pack)]
    assert len(pairs) > 20

    @given(known=st.fixed_dictionaries({}, optional={path: VALUES[kind] for path, kind in types.items()}))
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    def check(known: dict[str, Any]) -> None:
        agree(pack.language, pairs, types, known)

    check()


# --- expressions that nobody wrote ------------------------------------------------------------------------------------

TYPES = {
    "in.n": "integer",
    "in.k": "integer",
    "in.word": "string",
    "in.day": "string",
    "in.yes": "boolean",
    "in.words": "strings",
    "in.numbers": "integers",
    "in.within.size": "integer",
    "p.cap": "integer",
    "p.rate.small": "integer",
    "m.ok": "boolean",
}
LANGUAGE = Language(TYPES)
LITERALS = st.sampled_from(["''", "'a'", "'é'", "'accrual'", "'2025-02-21'", "'2024-02-29'"])


def binary(signs: list[str], left: st.SearchStrategy[str], right: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Join two expressions by a sign, in parentheses."""
    return st.builds(lambda a, sign, b: f"({a} {sign} {b})", left, st.sampled_from(signs), right)


def called(name: str, *values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Call a function."""
    return st.tuples(*values).map(lambda given: f"{name}({', '.join(given)})")


@cache
def of_type(kind: str, depth: int) -> st.SearchStrategy[str]:
    """Draw an expression of a type, nested so deeply at most."""
    names = st.sampled_from([path for path, each in TYPES.items() if each == kind])
    if depth == 0:
        plain = {
            "integer": st.integers(-9, 9).map(str),
            "string": LITERALS,
            "boolean": st.sampled_from(["true", "false"]),
        }
        return names | plain.get(kind, names)
    return names | _COMPOUND[kind](lambda each: of_type(each, depth - 1))


def of_integer(part: Callable[[str], st.SearchStrategy[str]]) -> st.SearchStrategy[str]:
    """Draw a compound integer."""
    return st.one_of(
        binary(["+", "-", "*", "/", "%"], part("integer"), part("integer")),
        st.builds(lambda word: f"size({word})", part("string") | part("strings")),
        st.builds("({} ? {} : {})".format, part("boolean"), part("integer"), part("integer")),
        st.builds("-({})".format, part("integer")),
        called("days_between", part("string"), part("string")),
        called("years_between", part("string"), part("string")),
        called("weekday", part("string")),
        st.builds("({})[{}]".format, part("integers"), part("integer")),
    )


def of_text(part: Callable[[str], st.SearchStrategy[str]]) -> st.SearchStrategy[str]:
    """Draw a compound text."""
    return st.one_of(
        binary(["+"], part("string"), part("string")),
        st.builds("string({})".format, part("integer")),
        st.builds("({} ? {} : {})".format, part("boolean"), part("string"), part("string")),
        called("add_days", part("string"), part("integer")),
        called("add_months", part("string"), part("integer"), st.sampled_from(["'down'", "'up'", "'refuse'"])),
    )


def of_truth(part: Callable[[str], st.SearchStrategy[str]]) -> st.SearchStrategy[str]:
    """Draw a compound condition."""
    order = ["==", "!=", "<", "<=", ">", ">="]
    return st.one_of(
        binary(order, part("integer"), part("integer")),
        binary(order, part("string"), part("string")),
        binary(["&&", "||"], part("boolean"), part("boolean")),
        binary(["==", "!="], part("boolean"), part("boolean")),
        binary(["in"], part("string"), part("strings")),
        binary(["in"], part("integer"), part("integers")),
        st.builds("!({})".format, part("boolean")),
        st.builds(
            "({}).{}({})".format,
            part("string"),
            st.sampled_from(["contains", "startsWith", "endsWith"]),
            part("string"),
        ),
        st.builds("in.words.{}(w, w == {})".format, st.sampled_from(["all", "exists", "exists_one"]), part("string")),
        st.sampled_from([f"has({path})" for path in TYPES if path.startswith("in.")]),
    )


def of_list(kind: str) -> Callable[[Callable[[str], st.SearchStrategy[str]]], st.SearchStrategy[str]]:
    """Draw a compound list of a type."""
    name = {"integer": "in.numbers", "string": "in.words"}[kind]

    def draw(part: Callable[[str], st.SearchStrategy[str]]) -> st.SearchStrategy[str]:
        return st.one_of(
            st.lists(part(kind), min_size=1, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
            binary(["+"], part(kind + "s"), part(kind + "s")),
            st.builds(lambda value: f"{name}.filter(x, x != {value})", part(kind)),
            st.builds(lambda value: f"{name}.map(x, x + {value})", part(kind)),
        )

    return draw


_COMPOUND: dict[str, Callable[[Callable[[str], st.SearchStrategy[str]]], st.SearchStrategy[str]]] = {
    "integer": of_integer,
    "string": of_text,
    "boolean": of_truth,
    "integers": of_list("integer"),
    "strings": of_list("string"),
}


@given(data=st.data())
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_second_engine_agrees_on_expressions_that_nobody_wrote(data: st.DataObject):
    """A pack of tomorrow would be judged by a difference that no pack of today shows."""
    kind = data.draw(st.sampled_from(sorted(_COMPOUND)))
    text = data.draw(of_type(kind, 3))
    known = data.draw(st.fixed_dictionaries({}, optional={path: VALUES[each] for path, each in TYPES.items()}))
    expression = compiled(text, kind)
    if expression is not None:
        agree(LANGUAGE, [(expression, cel.compile(expression.engine_text))], TYPES, known)


def compiled(text: str, kind: str) -> Expression | None:
    """Compile an expression; None for a constant without a value, and for more than a pack may write."""
    try:
        return LANGUAGE.apart().compile(text, kind)
    except SyntaxFault as fault:
        if fault.rule in ("constant", "macros", "lists"):
            return None
        raise


# --- many at once -----------------------------------------------------------------------------------------------------


def test_a_part_that_never_holds_is_named_as_deep_as_it_lies():
    """Evidence of before would differ in the conjunct that it names."""
    expression = LANGUAGE.compile("in.yes && (true && false)", "boolean")
    run = Together(LANGUAGE, [expression]).judge({"i_.yes": True}, set(), {})
    assert run.together.members[0].failed(run) == "this does not hold: false"


@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_expressions_judged_together_answer_as_each_does_alone(data: st.DataObject):
    """A rule would come out otherwise because of its neighbours, or name another cause."""
    kinds = data.draw(st.lists(st.sampled_from(["boolean", "boolean", "integer", "string"]), min_size=1, max_size=5))
    drawn = [compiled(data.draw(of_type(kind, 2)), kind) for kind in kinds]
    expressions = [each for each in drawn if each is not None]
    known = data.draw(st.fixed_dictionaries({}, optional={path: VALUES[each] for path, each in TYPES.items()}))
    causes = {path: (f"missing: {path}", "late") for path in TYPES if path not in known}
    flat, _ = bound(TYPES, known)
    values = {engine_name(path): STAND_INS[kind] for path, kind in TYPES.items()} | flat
    split = len(expressions) // 2
    together = Together(LANGUAGE, expressions[split:], whole=expressions[:split])
    run = together.judge(values, {engine_name(path) for path in causes}, causes)
    scope = LANGUAGE.scope(flat)
    for expression, judged in zip([*expressions[split:], *expressions[:split]], together.members, strict=True):
        answer = expression.answer(scope, causes)
        assert judged.answer(run) == answer, expression.text
        if answer[0] is False:
            assert judged.failed(run) == expression.failed(scope), expression.text


# --- known differences ------------------------------------------------------------------------------------------------


def test_known_difference_the_size_of_text_is_characters_here_and_bytes_there():
    """The specification counts code points. Wrong if the second engine counts them now: then compare this too."""
    expression = LANGUAGE.compile("size(in.word)", "integer")
    flat, values = bound(TYPES, {"in.word": "é"})
    assert expression.answer(LANGUAGE.scope(flat), {}) == (1, ())
    assert second_answer(cel.compile("size(i_.word)"), values) == 2


def test_known_difference_a_number_beyond_canonical_json_is_none_of_ours():
    """Evidence holds integers up to 2^53-1. Wrong if one beyond that could be sealed."""
    expression = LANGUAGE.compile("in.n * 2", "integer")
    flat, values = bound(TYPES, {"in.n": INTEGER_MAX})
    assert expression.answer(LANGUAGE.scope(flat), {})[0] is None
    assert second_answer(cel.compile("i_.n * 2"), values) == INTEGER_MAX * 2
