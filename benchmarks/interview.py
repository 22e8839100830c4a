"""How long does a person wait for the next question, and an auditor for an explanation?

Each pack that ships with questions is gone through by people who answer by chance, from one seed; every question that
is put on the way is timed, with all that a step does: going through the answers again, and the question as JSON.
"""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

from bailiwick.adapters.packsource_builtin import builtin_packs
from bailiwick.errors import SchemaViolated
from bailiwick.node import Node
from bailiwick.packs import LEGAL_DATE, Asked, Conversation, Interview, Pack, load_pack
from bailiwick.settings import Settings
from benchmarks.table import Row

TENANT = "bench"
PEOPLE = 60
SEED = 7
DAYS = ("2016-03-01", "2024-06-01", "2025-03-01", "2025-11-01")
EXPLANATIONS = 40


def measure(folder: Path) -> list[Row]:
    """Time interviews by every pack with questions, and explanations of decisions."""
    packs = [load_pack(name, builtin_packs().files(name)) for name in builtin_packs().names()]
    asking = [pack for pack in packs if pack.questions and not pack.foreign]
    return [*(_interviews(pack) for pack in asking), _explanations(folder)]


def _interviews(pack: Pack) -> Row:
    interview = Interview(pack)
    chance = random.Random(SEED)  # noqa: S311 - answers, not secrets
    spent: list[float] = []
    for _ in range(PEOPLE):
        spent += _one(interview, chance)
    spent.sort()
    p50, p95 = spent[len(spent) // 2], spent[len(spent) * 95 // 100]
    what = (
        f"p50 {p50 * 1e3:.1f} ms, {len(spent):,} questions of {PEOPLE} people, {len(interview.catalogue.order)} to ask"
    )
    return Row(f"interview by {pack.name}: next question, p95", f"{p95 * 1e3:.1f} ms", what)


def _one(interview: Interview, chance: random.Random) -> list[float]:
    talk = Conversation(interview, interview.begin())
    spent: list[float] = []
    while True:
        begun = time.perf_counter()
        step = talk.to_json()
        if step["state"] == "finished":
            return spent
        spent.append(time.perf_counter() - begun)
        _say(talk, step["question"]["path"], chance)


def _say(talk: Conversation, path: str, chance: random.Random) -> None:
    """Answer what is asked now by chance; what the schema does not take is not known."""
    now = talk.now()
    assert isinstance(now, Asked)
    try:
        talk.answer(path, _value(path, dict(now.askable.schema), chance))
    except SchemaViolated:
        talk.skip()


def _value(path: str, schema: dict[str, Any], chance: random.Random) -> Any:
    if path == LEGAL_DATE or schema.get("format") == "date":
        return chance.choice(DAYS)
    if "enum" in schema:
        return chance.choice([value for value in schema["enum"] if value is not None])
    if schema.get("type") == "boolean":
        return chance.random() < 0.5
    if schema.get("type") == "integer":
        least = int(schema.get("minimum", 0))
        return chance.randint(least, min(int(schema.get("maximum", least + 100)), least + 100))
    return "2025-03-01T10:00:00Z" if schema.get("format") == "date-time" else "words"


def _explanations(folder: Path) -> Row:
    """Explain decisions of the first pack, with the pack at hand, as JSON."""
    Node.init(folder, TENANT)
    facts = {"incident_date": "2020-01-01", "work_related": True, "degree": "hospitalized", "nature": "fracture"}
    source = folder / "facts.json"
    source.write_text(json.dumps(facts))
    spent: list[float] = []
    with Node.open(Settings.resolve(home=folder, tenant=TENANT, environ={})) as node:
        with source.open("rb") as stream:
            (answer,) = node.decide(TENANT, "us-osha-1904", node.read_inputs(stream, "json"))
        for _ in range(EXPLANATIONS):
            begun = time.perf_counter()
            told = node.explain(TENANT, int(answer.to_json()["record"])).to_json()
            spent.append(time.perf_counter() - begun)
    spent.sort()
    rules = len(told["rules"]) + len(told["assumptions"])
    what = f"{rules} rules judged again clause by clause, the pack loaded each time; {EXPLANATIONS} times"
    return Row("explanation of one decision, p50", f"{spent[len(spent) // 2] * 1e3:.0f} ms", what)
