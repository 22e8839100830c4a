"""Interviews over generated packs and generated people: nothing needless is asked, nothing needed is left out."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bailiwick.adapters.packsource_builtin import builtin_packs
from bailiwick.packs import LEGAL_DATE, Finished, Interview, Pack, evaluate, load_pack

DAY = "2024-05-01"
FACTS = {"a": "boolean", "b": "boolean", "c": "boolean", "n": "integer", "k": "integer", "w": "string"}
WORDS = ("red", "blue", "green")
QUICK = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def conditions(depth: int, *, measures: bool) -> st.SearchStrategy[str]:
    """Give conditions over the facts, with all that absorbs what is not known."""
    plain = ["in.a", "in.b", "!in.c", "in.n > 3", "in.k == in.n", "in.n / in.k > 1", "in.w == 'red'", "p.limit > in.n"]
    plain += [f"has(in.{name})" for name in FACTS]
    plain += ["m.total > 5", "m.first", "m.pick == 'low'"] if measures else []
    leaf = st.sampled_from(plain)
    if depth == 0:
        return leaf
    below = conditions(depth - 1, measures=measures)
    pair = st.tuples(below, st.sampled_from([" && ", " || "]), below).map(lambda each: f"({each[0]}{each[1]}{each[2]})")
    choice = st.tuples(below, below, below).map(lambda each: f"({each[0]} ? {each[1]} : {each[2]})")
    return st.one_of(leaf, pair, choice, below.map(lambda each: f"!({each})"))


@st.composite
def packs(draw: st.DrawFn) -> Pack:
    """Give a pack whose rules were written by chance."""
    names = st.sampled_from(sorted(FACTS))
    raw, whole = conditions(2, measures=False), conditions(2, measures=True)
    asked = draw(st.sets(st.sampled_from(sorted(FACTS)), min_size=3))
    required = draw(st.sets(st.sampled_from(sorted(asked)), max_size=1))
    properties: dict[str, Any] = {
        name: {"enum": list(WORDS)} if kind == "string" else {"type": kind} for name, kind in FACTS.items()
    }
    for name in asked:
        properties[name]["x-question"] = {"ask": f"What is {name}?"}
    cite = {"cite": "ACT 1"}
    assumed = draw(
        st.lists(st.tuples(st.sampled_from(sorted(draw(st.sets(names, max_size=2)) or {"a"})), raw), max_size=4)
    )
    values = {"boolean": ("true", "false"), "integer": ("4", "0"), "string": ("'blue'", "'red'")}
    files = {
        "pack.yaml": {
            "format": "bailiwick-pack/2",
            "id": "by-chance",
            "version": "1.0.0",
            "title": "Rules by chance",
            "jurisdiction": "us-mi",
            "law": {"from": "2020-01-01", **cite},
            "outcomes": {name: name for name in ("one", "two", "three", "indeterminate")},
        },
        "sources.yaml": {
            "sources": [
                {"id": "act", "citation": "ACT 1", "title": "The act", "status": "in-force", "from": "2020-01-01"}
            ]
        },
        "schemas/input.json": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": False,
            "required": sorted(required),
            "properties": properties,
        },
        "parameters/limit.yaml": {
            "parameters": [
                {
                    "id": "limit",
                    "type": "integer",
                    "title": "A limit",
                    "values": [{"from": "2021-01-01", "value": 7, **cite}],
                }
            ]
        },
        "assumptions.yaml": {
            "assumptions": [
                {
                    "id": f"given-{number}",
                    "text": "So it is.",
                    "when": when,
                    "input": f"in.{name}",
                    "value": values[FACTS[name]][number % 2],
                    **cite,
                }
                for number, (name, when) in enumerate(assumed)
            ]
        },
        "rules/measures.yaml": {
            "measures": [
                {"id": "total", "type": "integer", "expr": f"{draw(raw)} ? in.n + in.k : in.k", **cite},
                {"id": "first", "type": "boolean", "expr": draw(raw), **cite},
            ]
        },
        "rules/tables/pick.yaml": {
            "id": "pick",
            "type": "string",
            "hit": draw(st.sampled_from(["first", "unique", "any"])),
            "rows": [
                {"id": "low", "when": draw(raw), "value": "'low'", **cite},
                {"id": "same", "when": draw(raw), "value": "in.w", **cite},
                {"id": "high", "when": "true", "value": "'high'", **cite},
            ],
        },
        "rules/impacts.yaml": {
            "rows": [
                {
                    "id": "r1",
                    "when": draw(whole),
                    "outcome": "one",
                    "severity": "low",
                    "say": "One.",
                    **cite,
                    "obligations": [{"id": "o", "text": "Do.", "within": "in.n > 0 ? in.n : 1", **cite}],
                },
                {"id": "r2", "when": draw(whole), "outcome": "two", "severity": "low", "say": "Two.", **cite},
                {"id": "r3", "when": "true", "outcome": "three", "severity": "low", "say": "Three.", **cite},
            ]
        },
        "rules/effects.yaml": {
            "effects": [
                {
                    "id": "tell",
                    "type": "tell-somebody",
                    "outcomes": ["two", "three"],
                    "when": draw(whole),
                    "parameters": {"word": "in.w", "total": "m.total"},
                    **cite,
                }
            ]
        },
        "tests/cases.yaml": {
            "cases": [
                {
                    "name": "c",
                    "legal_date": DAY,
                    "input": {name: _any(name) for name in required},
                    "output": {"outcome": "one"},
                    "status": "derived",
                }
            ]
        },
    }
    if not assumed:
        del files["assumptions.yaml"]
    texts = {
        path: (json.dumps(content) if path.endswith(".json") else yaml.safe_dump(content, sort_keys=False)).encode()
        for path, content in files.items()
    }
    return load_pack("by-chance", texts)


def _any(name: str) -> Any:
    return {"boolean": True, "integer": 1, "string": "red"}[FACTS[name]]


VALUES = {"boolean": st.booleans(), "integer": st.integers(-1, 8), "string": st.sampled_from(WORDS)}


def people() -> st.SearchStrategy[dict[str, Any]]:
    """Give what a person knows: any facts, or none."""
    return st.fixed_dictionaries({}, optional={name: VALUES[kind] for name, kind in FACTS.items()})


def told(pack: Pack, facts: dict[str, Any], day: str = DAY) -> tuple[Any, ...]:
    """Give what a person cares for: outcome, obligations, effects."""
    decision = evaluate(pack, facts, day)
    effects = [effect.to_json() for effect in decision.effects]
    return decision.impact.outcome, decision.impact.obligations, effects


def ask_all(interview: Interview, knows: dict[str, Any]) -> tuple[Finished, list[str]]:
    """Hold an interview with a person who knows these facts and no others."""
    session = interview.answer(interview.begin(), LEGAL_DATE, DAY)
    asked: list[str] = []
    for _ in range(len(FACTS) + 2):
        now = interview.next(session)
        if isinstance(now, Finished):
            return now, asked
        assert now.progress.least <= now.progress.most
        asked.append(now.path)
        name = now.path.removeprefix("in.")
        if name in knows:
            session = interview.answer(session, now.path, knows[name])
        else:
            session = interview.skip(session, now.path)
    raise AssertionError("an interview ends")


@QUICK
@given(pack=packs(), knows=people(), data=st.data())
def test_what_was_not_asked_cannot_change_what_follows(pack: Pack, knows: dict[str, Any], data: st.DataObject):
    """Wrong if somebody was told an outcome that one more question would have turned."""
    required = set(pack.input_schema["required"])
    knows = {**{name: _any(name) for name in required}, **knows}
    finished, asked = ask_all(Interview(pack), knows)
    unasked = {path.removeprefix("in.") for path in pack.questions} - {path.removeprefix("in.") for path in asked}
    more = data.draw(st.fixed_dictionaries({}, optional={name: VALUES[FACTS[name]] for name in sorted(unasked)}))
    assert told(pack, {**finished.facts, **more}) == told(pack, dict(finished.facts))


@QUICK
@given(pack=packs(), knows=people())
def test_an_interview_comes_to_what_deciding_all_that_is_known_comes_to(pack: Pack, knows: dict[str, Any]):
    """Wrong if answering questions and sending the same facts gave two answers."""
    asked_for = {path.removeprefix("in.") for path in pack.questions}
    required = {name: _any(name) for name in pack.input_schema["required"]}
    knows = {**required, **{name: value for name, value in knows.items() if name in asked_for}}
    finished, asked = ask_all(Interview(pack), knows)
    impact = finished.decision.impact
    effects = [effect.to_json() for effect in finished.decision.effects]
    assert (impact.outcome, impact.obligations, effects) == told(pack, knows)
    assert len(set(asked)) == len(asked)


@QUICK
@given(pack=packs(), knows=people(), data=st.data())
def test_the_order_of_questions_does_not_matter(pack: Pack, knows: dict[str, Any], data: st.DataObject):
    """Wrong if sections, which are order and wording alone, could change what follows."""
    knows = {**{name: _any(name) for name in pack.input_schema["required"]}, **knows}
    straight, _ = ask_all(Interview(pack), knows)
    turned = Interview(pack)
    order = data.draw(st.permutations(turned.catalogue.order))
    turned.catalogue.rank = {path: place for place, path in enumerate(order)}
    turned.catalogue.order = tuple(order)
    other, _ = ask_all(turned, knows)
    assert other.decision.impact == straight.decision.impact
    assert other.decision.effects == straight.decision.effects


@QUICK
@given(pack=packs(), knows=people())
def test_never_more_questions_come_than_were_announced(pack: Pack, knows: dict[str, Any]):
    """Wrong if a person was told "at most three more" and a fourth came."""
    interview = Interview(pack)
    knows = {**{name: _any(name) for name in pack.input_schema["required"]}, **knows}
    session = interview.answer(interview.begin(), LEGAL_DATE, DAY)
    announced: list[int] = []
    while not isinstance(now := interview.next(session), Finished):
        announced.append(now.progress.most)
        name = now.path.removeprefix("in.")
        say = name in knows
        session = interview.answer(session, now.path, knows[name]) if say else interview.skip(session, now.path)
    assert all(most >= len(announced) - place for place, most in enumerate(announced))


@pytest.mark.parametrize("name", ["us-mi-esta", "us-osha-1904"])
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_the_packs_that_ship_ask_nothing_needless_and_nothing_too_little(name: str, data: st.DataObject):
    """Wrong if a real law were asked through otherwise than it is decided."""
    pack = shipped(name)
    interview = Interview(pack)
    session = interview.begin()
    for _ in range(len(interview.catalogue.order) + 3):
        now = interview.next(session)
        if isinstance(now, Finished):
            break
        value = data.draw(answers(now.askable.schema, is_required=now.is_required))
        session = interview.skip(session, now.path) if value is None else interview.answer(session, now.path, value)
    assert isinstance(now, Finished)
    left = [path for path in interview.catalogue.order if not session.has(path)]
    more: dict[str, Any] = {}
    for path in data.draw(st.lists(st.sampled_from(left), max_size=4, unique=True)) if left else []:
        value = data.draw(answers(interview.catalogue.fields[path].schema, is_required=True))
        more[path] = value
    changed = session
    for path, value in more.items():
        changed = interview.answer(changed, path, value)
    again = interview.next(changed)
    assert isinstance(again, Finished)
    assert set(again.unused) == set(more)
    assert again.decision.impact == now.decision.impact
    whole = dict(interview.catalogue.facts({**{p: v for p, v in changed.answers.items() if p != LEGAL_DATE}}))
    known_at = whole.get("known_at")
    decided = evaluate(pack, whole, now.legal_date, known_at=known_at if isinstance(known_at, str) else None)
    assert decided.impact == now.decision.impact
    assert decided.effects == now.decision.effects


_SHIPPED: dict[str, Pack] = {}


def shipped(name: str) -> Pack:
    """Load a pack that ships, once."""
    if name not in _SHIPPED:
        _SHIPPED[name] = load_pack(name, builtin_packs().files(name))
    return _SHIPPED[name]


def answers(schema: dict[str, Any], *, is_required: bool) -> st.SearchStrategy[Any]:
    """Give answers that the schema of a question accepts, or None for "I do not know"."""
    if "enum" in schema:
        found: st.SearchStrategy[Any] = st.sampled_from([value for value in schema["enum"] if value is not None])
    elif schema.get("type") == "boolean":
        found = st.booleans()
    elif schema.get("type") == "integer":
        least = schema.get("minimum", -10)
        most = schema.get("maximum", least + 1_000_000)
        found = st.one_of(st.integers(least, most), st.integers(least, min(most, least + 50)))
    elif schema.get("format") == "date":
        found = st.sampled_from(
            ["2002-06-01", "2016-03-01", "2024-02-29", "2025-02-21", "2025-09-30", "2025-11-01", "2026-04-01"]
        )
    elif schema.get("format") == "date-time":
        found = st.just("2025-03-01T10:00:00Z")
    elif "pattern" in schema:
        found = st.from_regex(schema["pattern"], fullmatch=True).filter(str.isprintable)
    else:
        found = st.just("some-words")
    return found if is_required else st.one_of(found, st.none())
