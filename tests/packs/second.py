"""A small pack of the second version of the format that uses everything that came with it."""

from __future__ import annotations

import json
from typing import Any

from bailiwick.canonical import digest

CONTRACT = b'{"$schema": "http://json-schema.org/draft-04/schema#", "type": "object"}\n'
"""A contract of somebody else's: it is attached, not held."""
CONTRACT_DIGEST = digest(CONTRACT)
MODULE_DIGEST = "sha256:" + "1" * 64

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "worked_minutes": {
            "type": "integer",
            "x-unit": "minute",
            "x-question": {
                "ask": "How many minutes did you work?",
                "why": "Time is earned by work.",
                "pii": "personal",
            },
        },
        "kind": {
            "enum": ["office", "field"],
            "x-question": {
                "ask": "Where do you work?",
                "help": "Where you are most of the time.",
                "cite": "ACT 1(5)",
                "options": {"office": "In an office", "field": "In the field"},
            },
        },
        "is_exempt": {"type": "boolean", "x-question": {"ask": "Are you exempt?", "options": {"true": "Yes"}}},
        "periods": {"type": "array", "items": {"type": "object"}},
        "policy": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"carry": {"enum": ["all", "none", None]}},
        },
        "day": {"type": "string", "format": "date"},
    },
}

SECOND: dict[str, str] = {
    "pack.yaml": f"""
format: bailiwick-pack/2
id: sick-pay
version: 2.0.0
title: Paid sick time
jurisdiction: us-mi
law: {{from: 2020-01-01, cite: ACT 1}}
legal_date: in.day
units: {{minute: Minutes.}}
outcomes: {{entitled: Paid., none: Nothing., indeterminate: Unknown.}}
kernel: ">=0.1.0, <9.0.0"
languages: [en, es]
domains: [labour]
owners: ["Payroll office, Lansing"]
licence: Apache-2.0
supersedes: {{version: 1.2.0, reason: The cap was read as minutes and is hours.}}
modules: {{accrual: {{digest: "{MODULE_DIGEST}"}}}}
attachments:
  - path: payroll.json
    sha256: "{CONTRACT_DIGEST.removeprefix("sha256:")}"
    url: https://example.org/payroll.json
    licence: public domain
""",
    "sources.yaml": f"""
sources:
  - id: act-1
    citation: ACT 1
    title: The act
    status: in-force
    from: 2020-01-01
    retrieved: 2026-11-01
    sha256: "{"a" * 64}"
    oscal: act-1-catalog
""",
    "schemas/input.json": json.dumps(SCHEMA),
    "schemas/output.json": '{"type": "object"}',
    "schemas/effects/letter.json": """
{"type": "object", "additionalProperties": false, "required": ["minutes"],
 "properties": {"minutes": {"type": "integer", "minimum": 0}}}
""",
    "parameters/rates.yaml": """
parameters:
  - {id: rate, type: integer, title: Minutes for one, values: [{from: 2020-01-01, value: 30, cite: ACT 1(2)}]}
  - id: cap_minutes
    type: integer
    unit: minute
    title: Most that may be used
    by: [large, small]
    values:
      - {from: 2025-02-21, value: {large: 4320, small: null}, cite: ACT 1(3)}
      - {from: 2025-10-01, value: {large: 4320, small: 2400}, cite: ACT 1(3)}
""",
    "policies.yaml": """
policies:
  - id: carry
    input: in.policy.carry
    title: What is carried over
    default: all
    readings:
      - {id: all, text: All of it., cite: ACT 1(7), status: disputed}
      - {id: none, text: Nothing., cite: [ACT 1(7), ACT 1(8)], status: derived}
""",
    "rules/measures.yaml": """
measures:
  - {id: earned, type: integer, unit: minute, expr: in.worked_minutes / p.rate, cite: ACT 1(2), say: Earned.}
  - id: open
    type: integer
    unit: minute
    expr: "m.balance < p.cap_minutes.large ? m.balance : p.cap_minutes.large"
    cite: ACT 1(3)
""",
    "rules/calls.yaml": """
calls:
  - id: accrue
    module: accrual
    function: accrue
    input: {"policy.minutes": m.earned, "policy.kind": in.kind}
    facts: {periods: in.periods}
    gives:
      - {id: balance, type: integer, unit: minute, path: /balance}
      - {id: carried, type: integer, unit: minute, path: /years/0/carried}
    cite: ACT 1(2)
    say: Computed by a module.
""",
    "rules/tables/size.yaml": """
id: size
type: string
hit: priority
priority: [large, small]
rows:
  - {id: one, when: m.open > 5, value: "'large'", cite: ACT 1(5), say: Large.}
  - {id: two, when: m.open > 1, value: "'small'", cite: ACT 1(5)}
""",
    "rules/tables/reasons.yaml": """
id: reasons
type: strings
hit: collect
rows:
  - {id: exempt, when: in.is_exempt, value: "'exempt'", cite: ACT 1(5)}
  - {id: field, when: in.kind == 'field', value: "'field'", cite: ACT 1(5)}
""",
    "rules/tables/points.yaml": """
id: points
type: integer
hit: collect
collect: sum
rows:
  - {id: office, when: in.kind == 'office', value: "2", cite: ACT 1(5)}
  - {id: always, when: "true", value: "3", cite: ACT 1(5)}
""",
    "rules/tables/colour.yaml": """
id: colour
type: string
hit: any
rows:
  - {id: office, when: in.kind == 'office', value: "'red'", cite: ACT 1(5)}
  - {id: always, when: "true", value: "'red'", cite: ACT 1(5)}
""",
    "rules/impacts.yaml": """
rows:
  - id: exempt
    when: in.is_exempt || in.policy.carry == 'none'
    outcome: none
    severity: none
    say: Exempt.
    cite: ACT 1(1)
    obligations: [{id: tell, text: Tell them., within: "60", cite: ACT 1(6)}]
  - {id: entitled, when: "true", outcome: entitled, severity: low, say: Paid., cite: ACT 1(2)}
""",
    "rules/effects.yaml": """
effects:
  - id: letter
    type: letter
    outcomes: [entitled]
    parameters: {minutes: m.open}
    cite: ACT 1(6)
    say: A letter goes out.
    schema: schemas/effects/letter.json
    approval: {within_minutes: 1440}
""",
    "rules/facts.yaml": """
documents:
  - id: payroll
    contract: payroll.json
    formats: ignore
    facts:
      - {name: worked_minutes, path: /weeks/*/minutes, take: sum, type: integer, unit: minute}
      - {name: kind, path: /kind, take: value, type: string}
""",
    "interview/work.yaml": """
sections:
  - {id: work, title: Your work, asks: [in.worked_minutes, in.kind]}
  - {id: rest, title: The rest, asks: [in.is_exempt]}
""",
    "languages/es.yaml": """
texts:
  title: Tiempo pagado por enfermedad
  outcome entitled: Pagado.
  row entitled: Pagado.
  measure earned: Ganado.
  "table size.one": Grande.
  call accrue: Por un módulo.
  effect letter: Sale una carta.
  obligation exempt/tell: Dígales.
  question in.kind: ¿Dónde trabaja?
  help in.kind: Casi siempre.
  why in.worked_minutes: Se gana con trabajo.
  option in.kind/office: En una oficina
  section work: Su trabajo
  policy carry: Lo que se traslada
  reading carry/all: Todo.
  unit minute: Minutos.
  parameter cap_minutes: El máximo
  control earning: Lo ganado
""",
    "controls.yaml": """
controls:
  - {id: earning, title: Time is earned, cite: ACT 1(2), rules: [earned, accrue, balance, size, exempt, letter]}
""",
    "tests/cases.yaml": """
cases:
  - name: thirty hours
    legal_date: 2026-01-01
    input: {worked_minutes: 1800, kind: office, is_exempt: true}
    output: {outcome: none}
    status: direct
""",
    "tests/properties.yaml": """
properties:
  - {id: never-negative, text: Nobody owes time., when: in.worked_minutes >= 0, holds: m.earned >= 0}
  - {id: exempt, text: The exempt get nothing., when: in.is_exempt, holds: out.outcome == 'none' && p.rate > 0}
""",
}


def second_files() -> dict[str, bytes]:
    """Give the files of the pack."""
    return {path: text.encode() for path, text in SECOND.items()}
