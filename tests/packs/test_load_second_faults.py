"""The second version of the format: each fault is named where it stands, and no document does anything worse."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bailiwick.errors import PackRefused
from bailiwick.packs.format.documents import FILE_BYTES_MAX

from .conftest import load_plain
from .loading import bent, faults, found, load
from .second import SCHEMA, SECOND, second_files

# --- one fault each -------------------------------------------------------------------------------------------------

LETTER = "schemas/effects/letter.json"
AGAIN = {
    path: load_plain(SECOND[path])[key][0]
    for path, key in [
        ("policies.yaml", "policies"),
        ("rules/calls.yaml", "calls"),
        ("controls.yaml", "controls"),
        ("rules/effects.yaml", "effects"),
        ("rules/tables/size.yaml", "rows"),
        ("tests/cases.yaml", "cases"),
        ("rules/facts.yaml", "documents"),
    ]
}
"""The first item of some files, to be written twice."""

ONE_FAULT = [
    # file, where, new value (None: leave out), path of the violation, rule
    ("pack.yaml", ["kernel"], ">=9.0.0", "pack.yaml#/kernel", "kernel"),
    ("pack.yaml", ["kernel"], "0.1.0", "pack.yaml#/kernel", "pattern"),
    ("pack.yaml", ["languages"], ["en", "es", "fr"], "pack.yaml#/languages/2", "missing"),
    ("pack.yaml", ["languages"], ["es"], "languages/es.yaml", "language"),
    ("pack.yaml", ["languages"], None, "languages/es.yaml", "language"),
    ("pack.yaml", ["languages"], ["en", "en"], "pack.yaml#/languages", "uniqueItems"),
    ("pack.yaml", ["languages"], ["../en"], "pack.yaml#/languages/0", "pattern"),
    ("pack.yaml", ["owners"], [""], "pack.yaml#/owners/0", "minLength"),
    ("pack.yaml", ["licence"], "<b>", "pack.yaml#/licence", "pattern"),
    ("pack.yaml", ["supersedes", "version"], "2.0.0", "pack.yaml#/supersedes/version", "order"),
    ("pack.yaml", ["supersedes", "version"], "10.0.0", "pack.yaml#/supersedes/version", "order"),
    ("pack.yaml", ["supersedes", "digest"], "sha256:0", "pack.yaml#/supersedes/digest", "pattern"),
    ("pack.yaml", ["supersedes", "reason"], None, "pack.yaml#/supersedes", "required"),
    ("pack.yaml", ["modules", "accrual", "digest"], "latest", "pack.yaml#/modules/accrual/digest", "pattern"),
    ("pack.yaml", ["modules", "accrual", "path"], "x", "pack.yaml#/modules/accrual", "additionalProperties"),
    ("pack.yaml", ["modules"], None, "rules/calls.yaml#/calls/0/module", "name"),
    (
        "pack.yaml",
        ["intake"],
        {"csv": {"module": "accrual", "digest": "sha256:" + "2" * 64, "function": "f"}},
        "pack.yaml#/intake/csv/digest",
        "digest",
    ),
    ("pack.yaml", ["attachments", 0, "path"], "../x", "pack.yaml#/attachments/0/path", "pattern"),
    ("pack.yaml", ["attachments", 0, "path"], "sources.yaml", "pack.yaml#/attachments/0/path", "duplicate"),
    ("pack.yaml", ["attachments", 0, "url"], "http://x", "pack.yaml#/attachments/0/url", "pattern"),
    ("pack.yaml", ["attachments", 0, "sha256"], "x", "pack.yaml#/attachments/0/sha256", "pattern"),
    ("pack.yaml", ["attachments", 0, "licence"], None, "pack.yaml#/attachments/0", "required"),
    ("pack.yaml", ["attachments"], None, "rules/facts.yaml#/documents/0/contract", "name"),
    ("sources.yaml", ["sources", 0, "retrieved"], "yesterday", "sources.yaml#/sources/0/retrieved", "format"),
    ("sources.yaml", ["sources", 0, "sha256"], "A" * 64, "sources.yaml#/sources/0/sha256", "pattern"),
    ("parameters/rates.yaml", ["parameters", 1, "by"], ["large"], "#/parameters/1/values/0/value/small", "name"),
    ("parameters/rates.yaml", ["parameters", 1, "by"], ["large", "small", "tiny"], "#/parameters/1/values", "missing"),
    ("parameters/rates.yaml", ["parameters", 1, "by"], ["a b"], "#/parameters/1/by/0", "pattern"),
    ("parameters/rates.yaml", ["parameters", 1, "by"], None, "#/parameters/1/values/0/value", "type"),
    ("parameters/rates.yaml", ["parameters", 1, "id"], "rate", "#/parameters/1/id", "duplicate"),
    ("parameters/rates.yaml", ["parameters", 1, "values", 0, "value"], 5, "#/parameters/1/values/0/value", "type"),
    (
        "parameters/rates.yaml",
        ["parameters", 1, "values", 1, "value", "large"],
        "4320",
        "#/parameters/1/values/1/value/large",
        "type",
    ),
    (
        "parameters/rates.yaml",
        ["parameters", 1, "values", 1, "value"],
        {"small": 2400},
        "#/parameters/1/values/1/value/large",
        "order",
    ),
    ("parameters/rates.yaml", ["parameters", 0, "value"], 5, "#/parameters/0", "additionalProperties"),
    ("policies.yaml", ["policies", 0, "default"], "some", "#/policies/0/default", "name"),
    ("policies.yaml", ["policies", 0, "input"], "in.nowhere", "#/policies/0/input", "name"),
    ("policies.yaml", ["policies", 0, "input"], "in.kind", "#/policies/0/input", "policy"),
    ("policies.yaml", ["policies", 0, "input"], "p.rate", "#/policies/0/input", "pattern"),
    ("policies.yaml", ["policies", 0, "readings", 1, "id"], "all", "#/policies/0/readings/1/id", "duplicate"),
    ("policies.yaml", ["policies", 0, "readings", 0, "cite"], "LAW", "#/policies/0/readings/0/cite", "cite"),
    ("policies.yaml", ["policies", 0, "readings", 0, "status"], "true", "#/policies/0/readings/0/status", "enum"),
    ("policies.yaml", ["policies", 0, "readings", 0, "id"], "it's", "#/policies/0/readings/0/id", "pattern"),
    ("rules/calls.yaml", ["calls", 0, "module"], "other", "#/calls/0/module", "name"),
    ("rules/calls.yaml", ["calls", 0, "id"], "earned", "#/calls/0/id", "duplicate"),
    ("rules/calls.yaml", ["calls", 0, "cite"], "LAW", "#/calls/0/cite", "cite"),
    ("rules/calls.yaml", ["calls", 0, "input", "policy"], "in.kind", "#/calls/0", "duplicate"),
    ("rules/calls.yaml", ["calls", 0, "input", "periods"], "in.kind", "#/calls/0", "duplicate"),
    ("rules/calls.yaml", ["calls", 0, "input", "x"], "m.nothing", "#/calls/0/input/x", "name"),
    ("rules/calls.yaml", ["calls", 0, "input", "x"], "m.open", "rules/measures.yaml#/measures/1", "cycle"),
    ("rules/calls.yaml", ["calls", 0, "input", "x"], "m.carried", "#/calls/0/gives/1", "cycle"),
    ("rules/calls.yaml", ["calls", 0, "facts", "x"], "in.nowhere", "#/calls/0/facts/x", "name"),
    ("rules/calls.yaml", ["calls", 0, "gives", 0, "id"], "earned", "#/calls/0/gives/0/id", "duplicate"),
    ("rules/calls.yaml", ["calls", 0, "gives", 0, "unit"], "hour", "#/calls/0/gives/0/unit", "unit"),
    ("rules/calls.yaml", ["calls", 0, "gives", 0, "path"], "balance", "#/calls/0/gives/0/path", "pattern"),
    ("rules/tables/size.yaml", ["priority"], ["large"], "#/rows/1/value", "priority"),
    ("rules/tables/size.yaml", ["priority"], [1, 2], "#/priority/0", "type"),
    ("rules/tables/size.yaml", ["priority"], None, "#/priority", "hit"),
    ("rules/tables/size.yaml", ["hit"], "any", "#/priority", "hit"),
    ("rules/tables/size.yaml", ["collect"], "sum", "#/collect", "hit"),
    ("rules/tables/reasons.yaml", ["type"], "string", "#/type", "type"),
    ("rules/tables/reasons.yaml", ["type"], "integers", "#/rows/0/value", "type"),
    ("rules/tables/points.yaml", ["type"], "string", "#/type", "type"),
    ("rules/tables/points.yaml", ["unit"], "hour", "#/unit", "unit"),
    ("rules/tables/points.yaml", ["collect"], "mean", "#/collect", "enum"),
    ("rules/tables/points.yaml", ["rows", 0, "value"], "'a'", "#/rows/0/value", "type"),
    ("rules/effects.yaml", ["effects", 0, "schema"], "schemas/effects/other.json", "#/effects/0/schema", "name"),
    ("rules/effects.yaml", ["effects", 0, "schema"], None, LETTER, "unused"),
    ("rules/effects.yaml", ["effects", 0, "parameters", "size"], "m.size", "#/effects/0/parameters/size", "name"),
    ("rules/effects.yaml", ["effects", 0, "parameters"], {}, "#/effects/0/parameters", "missing"),
    (
        "rules/effects.yaml",
        ["effects", 0, "approval", "within_minutes"],
        0,
        "#/effects/0/approval/within_minutes",
        "minimum",
    ),
    (LETTER, ["additionalProperties"], True, LETTER, "closed"),
    (LETTER, ["type"], "thing", LETTER + "#/type", "anyOf"),
    ("schemas/output.json", ["type"], 5, "schemas/output.json#/type", "anyOf"),
    ("rules/facts.yaml", ["documents", 0, "facts", 0, "name"], "nowhere", "#/documents/0/facts/0/name", "name"),
    ("rules/facts.yaml", ["documents", 0, "facts", 0, "unit"], None, "#/documents/0/facts/0/unit", "unit"),
    ("rules/facts.yaml", ["documents", 0, "facts", 0, "take"], "exists", "#/documents/0/facts/0/type", "type"),
    ("rules/facts.yaml", ["documents", 0, "contract"], "other.json", "#/documents/0/contract", "name"),
    ("interview/work.yaml", ["sections", 0, "asks", 0], "in.nowhere", "#/sections/0/asks/0", "name"),
    ("interview/work.yaml", ["sections", 1, "asks", 0], "in.kind", "#/sections/1/asks/0", "duplicate"),
    ("interview/work.yaml", ["sections", 1, "id"], "work", "#/sections/1/id", "duplicate"),
    ("interview/work.yaml", ["sections", 0, "when"], "true", "#/sections/0", "additionalProperties"),
    ("languages/es.yaml", ["texts", "row nothing"], "x", "#/texts/row nothing", "name"),
    ("languages/es.yaml", ["texts", "measure open"], "x", "#/texts/measure open", "name"),
    ("languages/es.yaml", ["texts", "title"], "", "#/texts/title", "minLength"),
    ("controls.yaml", ["controls", 0, "rules"], ["nothing"], "#/controls/0/rules/0", "name"),
    ("controls.yaml", ["controls", 0, "cite"], "LAW", "#/controls/0/cite", "cite"),
    ("tests/properties.yaml", ["properties", 0, "holds"], "m.nothing > 0", "#/properties/0/holds", "name"),
    ("tests/properties.yaml", ["properties", 0, "holds"], "m.earned", "#/properties/0/holds", "type"),
    ("tests/properties.yaml", ["properties", 0, "holds"], "out.reason == ''", "#/properties/0/holds", "name"),
    ("tests/properties.yaml", ["properties", 1, "id"], "never-negative", "#/properties/1/id", "duplicate"),
    ("rules/measures.yaml", ["measures", 0, "expr"], "p.cap_minutes", "#/measures/0/expr", "name"),
    ("rules/impacts.yaml", ["rows", 0, "when"], "out.outcome == 'none'", "#/rows/0/when", None),
    ("tests/cases.yaml", ["cases", 0, "output", "carried"], 5, None, None),
    ("policies.yaml", ["policies", 1], AGAIN["policies.yaml"], "#/policies/1/id", "duplicate"),
    ("policies.yaml", ["policies", 1], AGAIN["policies.yaml"], "#/policies/1/input", "duplicate"),
    ("rules/calls.yaml", ["calls", 1], AGAIN["rules/calls.yaml"], "#/calls/1/id", "duplicate"),
    ("controls.yaml", ["controls", 1], AGAIN["controls.yaml"], "#/controls/1/id", "duplicate"),
    ("rules/effects.yaml", ["effects", 1], AGAIN["rules/effects.yaml"], "#/effects/1/id", "duplicate"),
    ("rules/tables/size.yaml", ["rows", 2], AGAIN["rules/tables/size.yaml"], "#/rows/2/id", "duplicate"),
    ("tests/cases.yaml", ["cases", 1], AGAIN["tests/cases.yaml"], "#/cases/1/name", "duplicate"),
    ("rules/facts.yaml", ["documents", 1], AGAIN["rules/facts.yaml"], "#/documents/1/id", "duplicate"),
    (
        "rules/impacts.yaml",
        ["rows", 0, "obligations", 1],
        {"id": "tell", "text": "x", "within": "5", "cite": "ACT 1"},
        "#/rows/0/obligations/1/id",
        "duplicate",
    ),
    (
        "pack.yaml",
        ["attachments", 1],
        {"path": "payroll.json", "sha256": "0" * 64, "url": "https://example.org/x", "licence": "MIT"},
        "pack.yaml#/attachments/1/path",
        "duplicate",
    ),
]


def title(value: Any) -> str | None:
    """Name a test by its file and place."""
    return value if isinstance(value, str) else ".".join(map(str, value)) if isinstance(value, list) else None


@pytest.mark.parametrize(("path", "where", "value", "at", "rule"), ONE_FAULT, ids=title)
def test_each_fault_is_named_where_it_stands(path: str, where: list[Any], value: Any, at: str | None, rule: str | None):
    """An author would search, or a wrong pack would load."""
    changes = {path: bent(path, where, value)}
    if at is None:
        assert load(changes)
        return
    place = path + at if at.startswith("#") else at
    assert (place, rule) in [(each.path, rule and each.rule) for each in faults(changes)]


QUESTIONS = [
    ({"ask": "x", "aks": "y"}, "additionalProperties"),
    ({"help": "x"}, "required"),
    ({"ask": ""}, "minLength"),
    ("x", "type"),
    ({"ask": "x", "pii": "secret"}, "enum"),
    ({"ask": "x", "cite": "LAW"}, "cite"),
    ({"ask": "x", "options": {"garden": "In a garden"}}, "option"),
]


@pytest.mark.parametrize(("question", "rule"), QUESTIONS)
def test_each_fault_of_a_question_is_named_where_it_stands(question: Any, rule: str):
    """People would be asked what nobody wrote."""
    schema = deepcopy(SCHEMA)
    schema["properties"]["kind"]["x-question"] = question
    violations = faults({"schemas/input.json": json.dumps(schema), "languages/es.yaml": {"texts": {"title": "x"}}})
    assert {each.rule for each in violations} == {rule}
    assert violations[0].path.startswith("schemas/input.json#/properties/kind/x-question")


def test_a_policy_and_an_assumption_do_not_stand_for_the_same_fact():
    """Two defaults would compete, and the order of files would decide."""
    text = """
assumptions:
  - {id: carry, text: x, cite: ACT 1, when: "true", input: in.policy.carry, value: "'none'"}
"""
    assert ("assumptions.yaml#/assumptions/0/input", "policy") in found(faults({"assumptions.yaml": text}))


def test_an_assumption_is_not_called_as_a_policys():
    """Two entries of a trace would have one name."""
    text = 'assumptions: [{id: policy-carry, text: x, cite: ACT 1, when: "true"}]'
    assert ("policies.yaml#/policies", "duplicate") in found(faults({"assumptions.yaml": text}))


def test_more_calls_than_a_decision_may_make_are_refused():
    """One decision could keep a module busy without end."""
    calls = load_plain(SECOND["rules/calls.yaml"])
    calls["calls"] = [deepcopy(calls["calls"][0]) for _ in range(5)]
    assert ("rules/calls.yaml#/calls", "maxItems") in found(faults({"rules/calls.yaml": calls}))


def test_every_cycle_is_noted_once_and_what_leads_to_it_is_not():
    """An author would see a fault for each measure that waits, or search for ever in a long chain."""
    chain = [{"id": f"c{n}", "type": "integer", "expr": f"m.c{n + 1} + 1", "cite": "ACT 1"} for n in range(400)]
    ring = [
        {"id": f"c{400 + n}", "type": "integer", "expr": f"m.c{400 + (n + 1) % 3}", "cite": "ACT 1"} for n in range(3)
    ]
    alone = [{"id": "self", "type": "integer", "expr": "m.self", "cite": "ACT 1"}]
    measures = load_plain(SECOND["rules/measures.yaml"])["measures"] + chain + ring + alone
    cycles = [each.message for each in faults({"rules/measures.yaml": {"measures": measures}}) if each.rule == "cycle"]
    assert cycles == [
        "these measures read one another: m.c400 -> m.c401 -> m.c402 -> m.c400",
        "these measures read one another: m.self -> m.self",
    ]


def test_a_file_of_a_language_with_a_fault_is_not_missed_as_well():
    """An author would search for a file that is there."""
    assert {each.path.partition("#")[0] for each in faults({"languages/es.yaml": b"a: &x 1"})} == {
        "languages/es.yaml:1"
    }


def test_lock_and_signature_are_no_part_of_a_pack():
    """Signing a pack would make another pack of it."""
    assert load({"pack.lock": b"{", "pack.sig": b"\xff"}).digest == load().digest


# --- hostile --------------------------------------------------------------------------------------------------------

OPTIONAL = sorted(set(SECOND) - {"pack.yaml", "sources.yaml", "schemas/input.json"})


@pytest.mark.parametrize("path", sorted(SECOND))
@pytest.mark.parametrize(
    "raw",
    [b"", b"\x00", b"\xff\xfe", b"[", b"5", b"{}", b"[]", b"null", b"x: 1", b"a: &a [*a]", b"{" * 5_000],
    ids=["empty", "nul", "encoding", "open", "number", "object", "list", "null", "unknown", "cyclic", "deep"],
)
def test_any_file_that_is_none_is_refused(path: str, raw: bytes):
    """A pack would load with half of its rules, or end the process."""
    if (path, raw) == ("schemas/output.json", b"{}"):
        assert load({path: raw}).output_contract is not None
        return
    violations = faults({path: raw})
    assert any(each.path.startswith(path) for each in violations)


@pytest.mark.parametrize("path", sorted(SECOND))
def test_any_file_that_is_too_large_is_refused(path: str):
    """A pack could fill the memory."""
    assert (path, "size") in found(faults({path: b" " * (FILE_BYTES_MAX + 1)}))


@pytest.mark.parametrize("path", sorted(SECOND))
def test_leaving_any_file_out_loads_or_is_refused_by_name(path: str):
    """A pack would fail later, somewhere else."""
    try:
        load({path: None})
    except PackRefused as refusal:
        assert refusal.violations  # noqa: PT017 - either end is right


VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from(
        [
            "",
            "x",
            "a.b",
            "in.kind",
            "in",
            "p.rate",
            "m.earned",
            "m.balance",
            "true",
            "'x'",
            "2026-01-01",
            "small",
            "collect",
            "schemas/effects/letter.json",
            "\ud800",
            "é",
            2**60,
        ]
    )
    | st.lists(st.sampled_from(["x", 1, {}, "in.kind"]), max_size=2)
    | st.dictionaries(st.sampled_from(["id", "x", "large", "a.b", ""]), st.sampled_from(["x", 1, {}, None]), max_size=2)
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_bent_document_is_loaded_or_refused(data: st.DataObject):
    """A pack could end the process that loads it."""
    changes: dict[str, Any] = {}
    for path in data.draw(st.lists(st.sampled_from(sorted(SECOND)), min_size=1, max_size=2, unique=True)):
        document = json.loads(SECOND[path]) if path.endswith(".json") else load_plain(SECOND[path])
        inner = document
        while data.draw(st.booleans()) or inner is document:
            keys = sorted(inner) if isinstance(inner, dict) else list(range(len(inner)))
            if not keys:
                break
            key = data.draw(st.sampled_from(keys))
            if isinstance(inner[key], dict | list) and data.draw(st.booleans()):
                inner = inner[key]
                continue
            if data.draw(st.booleans()):
                inner[key] = data.draw(VALUES)
            elif isinstance(inner, dict):
                inner[data.draw(st.sampled_from(["id", "x", "a b", "é", "by", "hit"]))] = inner.pop(key)
            break
        changes[path] = json.dumps(document).encode()
    try:
        load(changes)
    except PackRefused as refusal:
        assert refusal.violations  # noqa: PT017 - either end is right
        json.dumps(refusal.to_json())


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_file_with_bytes_turned_is_loaded_or_refused(data: st.DataObject):
    """A pack could end the process that loads it."""
    files = second_files()
    path = data.draw(st.sampled_from(sorted(files)))
    raw = bytearray(files[path])
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        pack = load({path: bytes(raw)})
    except PackRefused as refusal:
        assert refusal.violations  # noqa: PT017 - either end is right
    else:
        assert (pack.digest == PACK_DIGEST) == (bytes(raw) == files[path])


PACK_DIGEST = load().digest
