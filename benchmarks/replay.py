"""How fast is history decided again, by the law that decided it and by another, and does memory stay flat?

A home of its own with decisions by a pack of ten rules, inputs in JSON. Replay compares every byte of the evidence;
what-changed decides by the next version and compares outcome, measures, obligations and effects.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from bailiwick.decisions import RawInput
from bailiwick.node import Node
from bailiwick.settings import Settings
from benchmarks.rules import FACTS, PARAMETERS, RULES
from benchmarks.table import Row, judged

DECISIONS, DECISIONS_FULL = 10_000, 100_000
GOAL = 2_000
"""Decisions that are to be replayed in a second on one core."""
TENANT, NAME, DAY, CITE = "bench", "bench-law", "2024-01-01", "ACT 1"
OUTCOMES = {"capped": "m.is_capped", "short": "m.is_short", "entitled": "true"}
TURNS_AT = 4_320 * 30
"""Minutes worked around which the law turns."""


def measure(folder: Path, decisions: int) -> list[Row]:
    """Decide a history, decide it again twice, and give rates on one core and how much memory grew."""
    Node.init(folder / "home", TENANT)
    law = _write(folder / "law", "1.0.0", PARAMETERS)
    settings = Settings.resolve(home=folder / "home", tenant=TENANT, environ={})
    with Node.open(settings) as node:
        answers = node.decide(TENANT, str(law), _inputs(decisions), legal_date=DAY)
        assert sum(1 for each in answers if hasattr(each, "outcome")) == decisions
    with Node.open(settings) as node:
        replayed, growth = _watched(lambda watch: _replay(node, watch), decisions)
    after = _write(folder / "law", "1.1.0", {**PARAMETERS, "cap_large": PARAMETERS["cap_large"] + 1})
    found = 0
    with Node.open(settings) as node:
        comparison = node.compare(TENANT, None, str(after))

        def compare(watch: Callable[[int], None]) -> None:
            """Count what would differ."""
            nonlocal found
            found = sum(1 for _ in comparison.run(watch))

        compared, growth_of_changes = _watched(compare, decisions)
    assert 0 < found < decisions
    memory = "growth of resident memory between a quarter and the end"
    return [
        Row(
            "decisions replayed, every byte compared",
            f"{replayed:,.0f} /s/core",
            f"{decisions:,} of {len(RULES)} rules",
            judged(replayed, GOAL),
        ),
        Row("  memory", f"{growth / 1e6:,.1f} MB", memory),
        Row("decisions compared with another law", f"{compared:,.0f} /s/core", f"{found:,} of {decisions:,} differ"),
        Row("  memory", f"{growth_of_changes / 1e6:,.1f} MB", memory),
    ]


def _replay(node: Node, watch: Callable[[int], None]) -> None:
    report = node.replay(TENANT, progress=watch)
    assert report.differing == report.unavailable == ()


def _watched(work: Callable[[Callable[[int], None]], None], decisions: int) -> tuple[float, int]:
    """Do a work, and give its rate on one core, and how much memory grew after a quarter of it."""
    done = at_quarter = 0

    def watch(count: int) -> None:
        """Count on; look at the memory once a quarter is done."""
        nonlocal done, at_quarter
        done += count
        if not at_quarter and done >= decisions // 4:
            at_quarter = _resident()

    begun = time.process_time()
    work(watch)
    seconds = time.process_time() - begun
    return decisions / seconds, max(0, _resident() - at_quarter)


def _resident() -> int:
    """Give the memory of this process that is in use, in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def _inputs(count: int) -> Iterator[RawInput]:
    dice = Random(1)  # noqa: S311 - the same history each time
    for _ in range(count):
        given = {
            **FACTS,
            "worked_minutes": TURNS_AT + dice.randrange(-6_000, 6_000),
            "headcount": dice.randrange(5, 60),
        }
        yield RawInput(media="json", body=json.dumps(given))


def _write(folder: Path, version: str, parameters: dict[str, int]) -> Path:
    """Write one version of the law into a folder, and give it."""
    types = {bool: "boolean", int: "integer", str: "string"}
    properties = {name: {"type": types[type(value)]} for name, value in FACTS.items()}
    measures = [{"id": name, "type": kind, "expr": text, "cite": CITE} for name, (kind, text) in RULES.items()]
    case = {"name": "x", "legal_date": DAY, "input": FACTS, "output": {"is_small": False}, "status": "direct"}
    contents: dict[str, Any] = {
        "pack.yaml": {
            "format": "bailiwick-pack/1",
            "id": NAME,
            "version": version,
            "title": "Rules to be replayed",
            "jurisdiction": "nowhere",
            "law": {"from": "2020-01-01", "cite": CITE},
            "outcomes": {each: each for each in (*OUTCOMES, "indeterminate")},
        },
        "sources.yaml": {
            "sources": [{"id": "act", "citation": CITE, "title": "x", "status": "in-force", "from": "2020-01-01"}]
        },
        "schemas/input.json": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": False,
            "properties": properties,
        },
        "parameters/dated.yaml": {"parameters": [_parameter(name, value) for name, value in parameters.items()]},
        "rules/measures.yaml": {"measures": measures},
        "rules/impacts.yaml": {
            "rows": [
                {"id": each, "when": when, "outcome": each, "severity": "low", "say": each, "cite": CITE}
                for each, when in OUTCOMES.items()
            ]
        },
        "tests/cases.yaml": {"cases": [case]},
    }
    for path, content in contents.items():
        file = folder / NAME / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content, indent=1))  # JSON is YAML
    return folder / NAME


def _parameter(name: str, value: int) -> dict[str, Any]:
    dated = [{"from": "2020-01-01", "value": value, "cite": CITE}]
    return {"id": name, "type": "integer", "title": name, "values": dated}
