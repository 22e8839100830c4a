"""A law of one's own for tests: sick leave with dated parameters, in any version, and what it must come to.

The oracle below is written apart from the rules, so that both can be wrong only in the same way by chance.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

NAME = "leave-law"
DAY = "2025-06-01"
_SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "required": ["worked", "used", "day"],
    "properties": {
        "worked": {"type": "integer", "minimum": 0, "maximum": 1_000_000, "x-unit": "minute"},
        "used": {"type": "integer", "minimum": 0, "maximum": 1_000_000, "x-unit": "minute"},
        "day": {"type": "string", "format": "date"},
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveLaw:
    """One version of the law: minutes worked for one earned, the most that is paid, and the time to tell."""

    version: str = "1.0.0"
    rate: int = 30
    cap: int = 4_320
    within: int = 60
    supersedes: str | None = None
    used_max: int = 1_000_000
    wording: str = "More was earned than is paid."

    def decide(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Say what the law comes to, by itself."""
        earned = facts["worked"] // self.rate
        left = earned - facts["used"]
        outcome = "capped" if left > self.cap else "nothing" if left <= 0 else "paid"
        return {
            "outcome": outcome,
            "measures": {"earned": earned, "left": left, "over": left > self.cap},
            "obligations": [self.within] if outcome == "capped" else [],
            "effects": [left] if outcome == "capped" else [],
        }

    def files(self) -> dict[str, bytes]:
        """Give the pack."""
        schema = json.loads(json.dumps(_SCHEMA))
        schema["properties"]["used"]["maximum"] = self.used_max
        corrects = (
            f"supersedes: {{version: {self.supersedes}, reason: The cap was misread.}}\n" if self.supersedes else ""
        )
        texts = {
            "pack.yaml": f"""
format: bailiwick-pack/2
id: {NAME}
version: {self.version}
title: Paid leave
jurisdiction: us-mi
law: {{from: 2020-01-01, cite: ACT 1}}
legal_date: in.day
units: {{minute: Minutes.}}
outcomes: {{capped: Paid up to the cap., paid: Paid., nothing: Nothing is open., indeterminate: Unknown.}}
{corrects}""",
            "sources.yaml": """
sources:
  - {id: act-1, citation: ACT 1, title: The act, status: in-force, from: 2020-01-01}
""",
            "schemas/input.json": json.dumps(schema),
            "parameters/leave.yaml": f"""
parameters:
  - {{id: rate, type: integer, title: Rate, values: [{{from: 2020-01-01, value: {self.rate}, cite: ACT 1(1)}}]}}
  - id: cap
    type: integer
    unit: minute
    title: Cap
    values: [{{from: 2020-01-01, value: {self.cap}, cite: ACT 1(2)}}]
  - id: within
    type: integer
    unit: minute
    title: Time to tell
    values: [{{from: 2020-01-01, value: {self.within}, cite: ACT 1(3)}}]
""",
            "rules/measures.yaml": """
measures:
  - {id: earned, type: integer, unit: minute, expr: in.worked / p.rate, cite: ACT 1(1)}
  - {id: left, type: integer, unit: minute, expr: m.earned - in.used, cite: ACT 1(1)}
  - {id: over, type: boolean, expr: m.left > p.cap, cite: ACT 1(2)}
""",
            "rules/impacts.yaml": f"""
rows:
  - id: capped
    when: m.over
    outcome: capped
    severity: medium
    say: {self.wording}
    cite: ACT 1(2)
    obligations: [{{id: tell, text: Tell the employee., within: p.within, cite: ACT 1(3)}}]
  - {{id: nothing, when: m.left <= 0, outcome: nothing, severity: none, say: Nothing is open., cite: ACT 1(1)}}
  - {{id: paid, when: "true", outcome: paid, severity: low, say: It is paid., cite: ACT 1(1)}}
""",
            "rules/effects.yaml": """
effects:
  - id: notice
    type: notice
    when: "true"
    outcomes: [capped]
    parameters: {left: m.left}
    cite: ACT 1(3)
""",
            "tests/cases.yaml": self._cases(),
        }
        return {path: text.lstrip("\n").encode() for path, text in texts.items()}

    def write(self, folder: Path) -> Path:
        """Write the pack into a folder below one, over what lies there, and give the folder."""
        for path, content in self.files().items():
            file = folder / NAME / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        return folder / NAME

    def _cases(self) -> str:
        found = []
        for name, worked, used in (("much", 1_000_000, 0), ("little", 600, 0), ("used", 600, 20)):
            facts = {"worked": worked, "used": used, "day": DAY}
            outcome = self.decide(facts)["outcome"]
            found.append(
                f"  - {{name: {name}, input: {json.dumps(facts)}, output: {{outcome: {outcome}}}, status: derived}}"
            )
        return "cases:\n" + "\n".join(found) + "\n"


def facts(count: int, seed: int = 1, near: int = 4_320, rate: int = 30) -> Iterator[dict[str, Any]]:
    """Give facts of a history, most of them close to where the law turns."""
    dice = Random(seed)
    for _ in range(count):
        used = dice.randrange(0, 4_000)
        left = near + dice.randrange(-3, 4) if dice.random() < 0.8 else dice.randrange(0, 9_000)
        yield {"worked": max(0, (left + used) * rate + dice.randrange(rate)), "used": used, "day": DAY}


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Name in what two outcomes of the oracle differ, in the order of ``decisions.changes.KINDS``."""
    severity = {"capped": 0, "nothing": 1, "paid": 2}
    return [
        kind
        for kind, is_other in (
            ("outcome", before["outcome"] != after["outcome"]),
            ("severity", severity[before["outcome"]] != severity[after["outcome"]]),
            ("measures", before["measures"] != after["measures"]),
            ("obligations", before["obligations"] != after["obligations"]),
            ("effects", before["effects"] != after["effects"]),
        )
        if is_other
    ]
