"""Traces that others keep: what a decision says of itself does not move unless somebody means it to.

``make golden`` rewrites ``decisions/*.json``; the pack is the one that ships.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from bailiwick.adapters.packsource_builtin import builtin_packs
from bailiwick.packs import Pack, evaluate, load_pack

FOLDER = Path(__file__).parent / "decisions"
DECISIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "reported-in-time": (
        "2020-09-25",
        {
            "summary_nr": 221158942,
            "injury_line_nr": 1,
            "degree": "not-hospitalized",
            "nature": "amputation",
            "part_of_body": "finger",
            "event_type": "caught-in-or-between",
            "src_of_injury": 26,
            "known_at": "2020-09-25T14:05:00-05:00",
        },
    ),
    "undecided": (
        "2014-12-31",
        {
            "summary_nr": 221159072,
            "injury_line_nr": 2,
            "degree": "hospitalized",
            "nature": "fracture",
            "part_of_body": "legs",
            "src_of_injury": 29,
        },
    ),
}


@pytest.fixture(scope="module")
def pack() -> Pack:
    """Give the pack that ships."""
    return load_pack("us-osha-1904", builtin_packs().files("us-osha-1904"))


@pytest.mark.parametrize("name", DECISIONS)
def test_a_decision_says_the_same_of_itself_as_ever(pack: Pack, name: str):
    """Evidence would read differently after an upgrade, and replay would differ."""
    legal_date, facts = DECISIONS[name]
    pack.check_input(facts)
    decision = evaluate(pack, facts, legal_date, facts.get("known_at"))
    given = {
        "legal_date": legal_date,
        "facts": facts,
        "measurements": [each.to_json() for each in decision.measurements],
        "impact": decision.impact.to_json(),
        "effects": [each.to_json() for each in decision.effects],
        "trace": [each.to_json() for each in decision.trace],
    }
    text = json.dumps(given, indent=1, ensure_ascii=False) + "\n"
    file = FOLDER / f"{name}.json"
    if os.environ.get("BAILIWICK_WRITE_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")
