"""A small pack to break and bend, and the one that ships."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import bailiwick
from bailiwick.adapters.packsource_folder import FolderPackSource
from bailiwick.errors import PackRefused, Violation
from bailiwick.packs import Pack, load_pack

PACKS = Path(bailiwick.__file__).parent / "builtin" / "packs"

SMALL = {
    "pack.yaml": """
format: bailiwick-pack/1
id: sick-pay
version: 1.2.0
title: Paid sick time
jurisdiction: us-mi
law: {from: 2020-01-01, cite: ACT 1}
legal_date: in.day
units: {minute: Minutes., person: People.}
outcomes: {entitled: Paid., capped: Paid up to the cap., none: Nothing., indeterminate: Unknown.}
""",
    "sources.yaml": """
sources:
  - {id: act-1, citation: ACT 1, title: The act, status: in-force, from: 2020-01-01}
  - {id: act-0, citation: ACT 0, title: A draft, status: never-in-force}
""",
    "schemas/input.json": """
{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "additionalProperties": false,
 "properties": {
   "worked_minutes": {"type": "integer", "x-unit": "minute"},
   "used_minutes": {"type": "integer", "x-unit": "minute"},
   "headcount": {"type": "integer", "x-unit": "person"},
   "is_exempt": {"type": "boolean"},
   "kind": {"enum": ["office", "field", null]},
   "tags": {"type": "array", "items": {"type": "string"}},
   "employer": {"type": "object", "properties": {"name": {"type": "string"}}},
   "day": {"type": "string", "format": "date"},
   "known_at": {"type": "string"}}}
""",
    "parameters/rates.yaml": """
parameters:
  - id: minutes_per_minute
    type: integer
    title: Minutes worked for one minute earned
    values: [{from: 2020-01-01, value: 30, cite: ACT 1(2)}]
  - id: cap_minutes
    type: integer
    unit: minute
    title: Most that may be used
    values:
      - {from: 2021-01-01, value: 2400, cite: ACT 1(3)}
      - {from: 2025-02-21, value: 4320, cite: ACT 1(3)}
""",
    "assumptions.yaml": """
assumptions:
  - id: covered
    text: Nobody is exempt unless it is shown.
    cite: ACT 1(1)
    when: "true"
    input: in.is_exempt
    value: "false"
  - id: nothing-used
    text: In the office nothing was used unless it is shown.
    cite: ACT 1(4)
    when: in.kind == 'office'
    input: in.used_minutes
    value: "0"
  - id: field-note
    text: Field work is work.
    cite: ACT 1(1)
    when: has(in.kind) && in.kind == 'field'
""",
    "rules/measures.yaml": """
measures:
  - {id: earned, type: integer, unit: minute, expr: in.worked_minutes / p.minutes_per_minute, cite: ACT 1(2)}
  - {id: open, type: integer, unit: minute, expr: "m.earned - in.used_minutes", cite: ACT 1(2)}
  - id: is_capped
    type: boolean
    expr: "!in.is_exempt && m.open > p.cap_minutes"
    cite: [ACT 1(2), ACT 1(3)]
    say: Capped.
""",
    "rules/tables/size.yaml": """
id: size
type: string
hit: unique
rows:
  - {id: small, when: in.headcount <= 10, value: "'small'", cite: ACT 1(5)}
  - {id: large, when: in.headcount > 10, value: "'large'", cite: ACT 1(5), say: A large employer.}
""",
    "rules/impacts.yaml": """
rows:
  - id: exempt
    when: in.is_exempt
    outcome: none
    severity: none
    say: Exempt.
    cite: ACT 1(1)
  - id: capped
    when: m.is_capped
    outcome: capped
    severity: medium
    say: More was earned than may be used.
    cite: ACT 1(3)
    obligations:
      - {id: tell, text: Tell the employee., within: p.minutes_per_minute * 2, cite: ACT 1(6)}
  - id: entitled
    when: "true"
    outcome: entitled
    severity: low
    say: Paid.
    cite: ACT 1(2)
""",
    "rules/effects.yaml": """
effects:
  - id: letter
    type: send-letter
    outcomes: [capped]
    when: m.size == 'large'
    key: in.employer.name
    parameters: {minutes: m.open, size: m.size}
    cite: ACT 1(6)
    say: A letter goes out.
""",
    "tests/cases.yaml": """
cases:
  - name: thirty hours earn one
    legal_date: 2022-01-01
    input: {worked_minutes: 1800, used_minutes: 0, headcount: 5}
    output: {outcome: entitled, earned: 60}
    status: direct
""",
}

Build = Callable[..., Pack]
Faults = Callable[..., list[Violation]]


@pytest.fixture
def files() -> dict[str, bytes]:
    """Give the files of a small, sound pack."""
    return {path: text.encode() for path, text in SMALL.items()}


@pytest.fixture
def build(files: dict[str, bytes]) -> Build:
    """Give a function that loads the small pack with some files replaced (None leaves one out)."""

    def load(changes: Mapping[str, Any] | None = None) -> Pack:
        return load_pack("sick-pay", changed(files, changes or {}))

    return load


@pytest.fixture
def faults(build: Build) -> Faults:
    """Give a function that loads a changed small pack, which must be refused, and gives the violations."""

    def find(changes: Mapping[str, Any]) -> list[Violation]:
        with pytest.raises(PackRefused) as caught:
            build(changes)
        return list(caught.value.violations)

    return find


def changed(files: Mapping[str, bytes], changes: Mapping[str, Any]) -> dict[str, bytes]:
    """Replace files: bytes and text as they are, anything else as YAML, None for leaving out."""
    result = dict(files)
    for path, content in changes.items():
        if content is None:
            del result[path]
        elif isinstance(content, bytes):
            result[path] = content
        else:
            text = content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
            result[path] = text.encode()
    return result


@pytest.fixture
def parsed() -> Callable[[str], Any]:
    """Give a function that gives a file of the small pack as a value to change."""
    return lambda path: load_plain(SMALL[path])


def load_plain(text: str) -> Any:
    """Read YAML with dates as text, as a pack's reader does."""
    loader = type("Plain", (yaml.SafeLoader,), {"yaml_implicit_resolvers": {}})
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items():
        kept = [each for each in resolvers if each[0] != "tag:yaml.org,2002:timestamp"]
        loader.yaml_implicit_resolvers[first] = kept
    return yaml.load(text, Loader=loader)


@pytest.fixture(scope="session")
def osha_files() -> dict[str, bytes]:
    """Give the files of the pack that ships."""
    return dict(FolderPackSource(PACKS).files("us-osha-1904"))


@pytest.fixture(scope="session")
def osha(osha_files: dict[str, bytes]) -> Pack:
    """Give the pack that ships."""
    return load_pack("us-osha-1904", osha_files)
