"""What does a decision cost, explained, and what do others take for the answer alone?

Ten rules and a table of a hundred rows, the same in each engine. Ours gives the decision, its trace and its evidence;
cel-python (pure Python) and ZEN (Rust) give the values. Every engine is warm, its rules compiled, and is handed plain
JSON values; each figure is the median of rounds. And a population: the balance of sick time of every employee, in
columns, beside deciding some of them one by one.
"""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

from bailiwick.adapters.packsource_builtin import builtin_packs
from bailiwick.canonical import digest
from bailiwick.decisions.decide import decide
from bailiwick.decisions.seal import seal
from bailiwick.model import Actor, JsonValue, Observation
from bailiwick.packs import Pack, evaluate, evaluate_columns, load_pack
from benchmarks.table import Row

ROUNDS = 9
TIMES = 100
GOAL_US = 400.0
DAY = "2024-01-01"
FACTS: dict[str, JsonValue] = {
    "worked_minutes": 180_000,
    "used_minutes": 30,
    "carried_minutes": 100,
    "headcount": 50,
    "days_employed": 300,
    "consecutive_days": 4,
    "is_exempt": False,
    "method": "accrual",
    "region": "r7",
}
PARAMETERS = {"minutes_per_minute": 30, "small_max": 10, "cap_small": 2_400, "cap_large": 4_320}
RULES = {
    "earned": ("integer", "in.worked_minutes / p.minutes_per_minute"),
    "open": ("integer", "m.earned + in.carried_minutes - in.used_minutes"),
    "is_small": ("boolean", "in.headcount <= p.small_max"),
    "cap": ("integer", "m.is_small ? p.cap_small : p.cap_large"),
    "usable": ("integer", "m.open > m.cap ? m.cap : m.open"),
    "is_capped": ("boolean", "!in.is_exempt && m.open > m.cap"),
    "is_new": ("boolean", "in.days_employed < 120 && in.method == 'accrual'"),
    "needs_note": ("boolean", "in.consecutive_days > 3 && !m.is_new"),
    "left": ("integer", "m.usable - in.used_minutes"),
    "is_short": ("boolean", "m.left < 480 || m.needs_note"),
}
ESTA, ESTA_DAY = "us-mi-esta", "2026-01-05"
EMPLOYEES, SOME = 100_000, 2_000
BANDS = 100
"""Rows of the table; the last one holds always."""
ANSWER = {"usable": 4_320, "is_short": True, "band": "band-97"}
OUTCOMES = {"capped": "m.is_capped && m.band != 'none'", "short": "m.is_short", "entitled": "true"}


def measure() -> list[Row]:
    """Time one decision in each engine, and see that all give the same answer."""
    pack = synthetic_pack()
    observation = _observation(FACTS)
    decision = decide(observation, pack)
    assert {each.id: each.value for each in decision.measurements if each.id in ANSWER} == ANSWER
    judged = _median_us(lambda: decide(observation, pack))
    explained = _median_us(lambda: _sealed(observation, pack))
    cel_python, zen = _median_us(_of_cel_python(), 5), _median_us(_of_zen())
    met = "met" if explained <= GOAL_US else "not met"
    return [
        Row(
            "one decision, explained and sealed",
            f"{explained:,.0f} us",
            f"{len(RULES)} rules, a table of {BANDS} rows, {len(OUTCOMES)} outcomes",
            f"{GOAL_US:g} us: {met}",
        ),
        Row("  evaluate, every rule traced", f"{judged:,.0f} us", "of it"),
        Row("  evidence, keys and draft", f"{explained - judged:,.0f} us", "the rest"),
        Row(f"cel-python {version('cel-python')}, the answer alone", f"{cel_python:,.0f} us", "the same rules"),
        Row(f"zen-engine {version('zen-engine')}, the answer alone", f"{zen:,.0f} us", "the same rules"),
    ]


def population() -> list[Row]:
    """Time the balance of sick time of many employees under the pack of Michigan's act."""
    pack = load_pack(ESTA, builtin_packs().files(ESTA))
    chance = random.Random(7)  # noqa: S311  # a population to time, not a secret
    columns: dict[str, list[JsonValue]] = {
        "in.matter": ["balance"] * EMPLOYEES,
        "in.employer.kind": ["private"] * EMPLOYEES,
        "in.employer.method": ["accrual"] * EMPLOYEES,
        "in.employee.works_in_michigan": [True] * EMPLOYEES,
        "in.year.carried_minutes": [0] * EMPLOYEES,
        "in.employer.employees_in_michigan": [chance.randrange(2, 400) for _ in range(EMPLOYEES)],
        "in.year.worked_minutes": [chance.randrange(125_000) for _ in range(EMPLOYEES)],
        "in.year.used_minutes": [chance.randrange(0, 2_000, 15) for _ in range(EMPLOYEES)],
    }
    begun = time.perf_counter()
    evaluate_columns(pack, columns, ESTA_DAY)  # prepares the pack and warms the caches
    first = time.perf_counter() - begun
    begun = time.perf_counter()
    found = evaluate_columns(pack, columns, ESTA_DAY)
    together = time.perf_counter() - begun
    alone = _one_by_one(pack, columns, found.outcomes)
    return [
        Row(
            f"{EMPLOYEES:,} employees through {ESTA}, in columns",
            f"{together:,.1f} s",
            f"{together / EMPLOYEES * 1e6:,.0f} us each, {len(found.measures)} measures; {first:,.1f} s the first time",
        ),
        Row("  one by one, with trace", f"{alone * 1e6:,.0f} us each", f"{SOME} of them, the same outcomes"),
    ]


def _one_by_one(pack: Pack, columns: dict[str, list[JsonValue]], outcomes: Sequence[str]) -> float:
    """Give seconds of one evaluation, over the first employees, and see that outcomes are the same."""
    cases = [_facts({path: values[number] for path, values in columns.items()}) for number in range(SOME)]
    begun = time.perf_counter()
    found = [evaluate(pack, facts, ESTA_DAY).impact.outcome for facts in cases]
    spent = time.perf_counter() - begun
    assert found == list(outcomes[:SOME])
    return spent / SOME


def _facts(case: dict[str, JsonValue]) -> dict[str, JsonValue]:
    facts: dict[str, Any] = {}
    for path, value in case.items():
        *outer, last = path.split(".")[1:]
        place = facts
        for key in outer:
            place = place.setdefault(key, {})
        place[last] = value
    return facts


def synthetic_pack() -> Pack:
    """Load a pack of ten rules and a table of a hundred rows."""
    return load_pack("bench-rules", {path: _encoded(content) for path, content in _files().items()})


def _encoded(content: Any) -> bytes:
    return json.dumps(content, indent=1).encode()  # JSON is YAML


def _files() -> dict[str, Any]:
    types = {bool: "boolean", int: "integer", str: "string"}
    cite = "ACT 1"
    dated = [
        {"id": name, "type": "integer", "title": name, "values": [{"from": "2020-01-01", "value": value, "cite": cite}]}
        for name, value in PARAMETERS.items()
    ]
    return {
        "pack.yaml": {
            "format": "bailiwick-pack/1",
            "id": "bench-rules",
            "version": "1.0.0",
            "title": "Rules to be timed",
            "jurisdiction": "nowhere",
            "law": {"from": "2020-01-01", "cite": cite},
            "outcomes": {each: each for each in (*OUTCOMES, "indeterminate")},
        },
        "sources.yaml": {
            "sources": [{"id": "act", "citation": cite, "title": "x", "status": "in-force", "from": "2020-01-01"}]
        },
        "schemas/input.json": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": False,
            "properties": {name: {"type": types[type(value)]} for name, value in FACTS.items()},
        },
        "parameters/dated.yaml": {"parameters": dated},
        "rules/measures.yaml": {
            "measures": [{"id": name, "type": kind, "expr": text, "cite": cite} for name, (kind, text) in RULES.items()]
        },
        "rules/tables/band.yaml": {"id": "band", "type": "string", "hit": "first", "rows": _bands(cite)},
        "rules/impacts.yaml": {
            "rows": [
                {"id": each, "when": when, "outcome": each, "severity": "low", "say": each, "cite": cite}
                for each, when in OUTCOMES.items()
            ]
        },
        "tests/cases.yaml": {
            "cases": [
                {"name": "x", "legal_date": DAY, "input": FACTS, "output": {"outcome": "capped"}, "status": "direct"}
            ]
        },
    }


def _bands(cite: str) -> list[dict[str, Any]]:
    rows = [{"id": f"band-{n}", "when": _band(n), "value": f"'band-{n}'", "cite": cite} for n in range(BANDS - 1)]
    return [*rows, {"id": "none", "when": "true", "value": "'none'", "cite": cite}]


def _band(number: int) -> str:
    return f"in.region == 'r{number % 10}' && in.headcount > {_size(number)}"


def _size(number: int) -> int:
    return 1_000 - 10 * number


def _observation(facts: dict[str, JsonValue]) -> Observation:
    return Observation(
        tenant="bench",
        blob=b"x",
        digest=digest(b"x"),
        evidence_salt="0" * 32,
        unsalted=b"x",
        facts=facts,
        modules=(),
        legal_date=DAY,
        decided_at="2024-01-01T00:00:00.000000000Z",
    )


def _sealed(observation: Observation, pack: Pack) -> None:
    decision = decide(observation, pack)
    seal(observation, decision, pack, secret=b"0" * 32, actor=Actor(id="bench", role="operator"), versions={})


# --- others ---------------------------------------------------------------------------------------------------------


def _of_cel_python() -> Callable[[], Any]:
    """Give a decision in cel-python: each rule compiled, the table as one list, as it is fastest there."""
    import celpy

    environment = celpy.Environment()
    listed = "[" + ", ".join([_band(n) for n in range(BANDS - 1)] + ["true"]) + "]"
    programs = {name: environment.program(environment.compile(_plain(text))) for name, (_, text) in RULES.items()}
    table = environment.program(environment.compile(_plain(listed)))
    parameters = {"p_" + name: celpy.json_to_cel(value) for name, value in PARAMETERS.items()}

    def answer() -> None:
        """Decide once."""
        scope: dict[str, Any] = {"in_" + name: celpy.json_to_cel(value) for name, value in FACTS.items()} | parameters
        for name, program in programs.items():
            scope["m_" + name] = program.evaluate(scope)
        band = f"band-{[bool(each) for each in table.evaluate(scope)].index(True)}"
        given = {"usable": int(scope["m_usable"]), "is_short": bool(scope["m_is_short"]), "band": band}
        assert given == ANSWER, given

    return answer


def _plain(text: str) -> str:
    """Write paths as plain names: cel-python takes ``in`` for an operator."""
    return text.replace("in.", "in_").replace("m.", "m_").replace("p.", "p_")


def _of_zen() -> Callable[[], Any]:
    """Give a decision in ZEN: a node of expressions beside a node with the table."""
    import zen

    decision = zen.ZenEngine().create_decision(json.dumps(_graph()))

    def answer() -> None:
        """Decide once."""
        given = decision.evaluate(FACTS)["result"]
        found = {name: given[name] for name in ANSWER}
        assert found == ANSWER, found

    return answer


def _graph() -> dict[str, Any]:
    nodes = [
        {"id": "in", "name": "in", "type": "inputNode", "content": {}},
        {"id": "rules", "name": "rules", "type": "expressionNode", "content": {"expressions": _zen_rules()}},
        {"id": "table", "name": "table", "type": "decisionTableNode", "content": _zen_table()},
        {"id": "out", "name": "out", "type": "outputNode", "content": {}},
    ]
    edges = [("in", "rules"), ("in", "table"), ("rules", "out"), ("table", "out")]
    return {
        "nodes": nodes,
        "edges": [{"id": f"{a}-{b}", "sourceId": a, "targetId": b, "type": "edge"} for a, b in edges],
    }


def _zen_rules() -> list[dict[str, str]]:
    written = {
        "earned": f"floor(worked_minutes / {PARAMETERS['minutes_per_minute']})",
        "open": "$.earned + carried_minutes - used_minutes",
        "is_small": f"headcount <= {PARAMETERS['small_max']}",
        "cap": f"$.is_small ? {PARAMETERS['cap_small']} : {PARAMETERS['cap_large']}",
        "usable": "$.open > $.cap ? $.cap : $.open",
        "is_capped": "not is_exempt and $.open > $.cap",
        "is_new": "days_employed < 120 and method == 'accrual'",
        "needs_note": "consecutive_days > 3 and not $.is_new",
        "left": "$.usable - used_minutes",
        "is_short": "$.left < 480 or $.needs_note",
    }
    return [{"id": name, "key": name, "value": text} for name, text in written.items()]


def _zen_table() -> dict[str, Any]:
    rules = [
        {"_id": str(n), "region": f"'r{n % 10}'", "size": f"> {_size(n)}", "band": f"'band-{n}'"}
        for n in range(BANDS - 1)
    ]
    return {
        "hitPolicy": "first",
        "inputs": [
            {"id": "region", "name": "region", "type": "expression", "field": "region"},
            {"id": "size", "name": "size", "type": "expression", "field": "headcount"},
        ],
        "outputs": [{"id": "band", "name": "band", "type": "expression", "field": "band"}],
        "rules": [*rules, {"_id": "last", "region": "", "size": "", "band": "'none'"}],
    }


def _median_us(work: Callable[[], object], times: int = TIMES) -> float:
    """Give microseconds of one call, the median of the rounds."""
    work()
    found = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for _ in range(times):
            work()
        found.append((time.perf_counter() - begun) / times)
    return statistics.median(found) * 1e6
