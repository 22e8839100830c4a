"""Files become a pack, or every one of their faults is named at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bailiwick.canonical import canonical_bytes, digest
from bailiwick.errors import PackRefused, SchemaViolated
from bailiwick.packs import IntakeModule, Pack, evaluate, load_pack
from bailiwick.packs.format.documents import FILE_BYTES_MAX
from bailiwick.packs.format.files import FILES_MAX, REQUIRED

Parsed = Callable[[str], Any]


def found(violations: list[Any]) -> list[tuple[str, str]]:
    """Give path and rule of each violation."""
    return [(each.path, each.rule) for each in violations]


# --- a sound pack ---------------------------------------------------------------------------------------------------


def test_a_sound_pack_loads(build: Callable[..., Pack]):
    """Nothing could be decided."""
    pack = build()
    assert (pack.name, pack.version, pack.jurisdiction) == ("sick-pay", "1.2.0", "us-mi")
    assert pack.measures == ("earned", "open", "is_capped", "size")
    assert [[rule.id for rule in level.rules] for level in pack.levels] == [["earned", "size"], ["open"], ["is_capped"]]
    assert pack.to_json()["cases"] == 1


def test_the_digest_is_of_every_file(files: dict[str, bytes], build: Callable[..., Pack]):
    """A changed rule could pass for the one that was sealed."""
    assert build().digest == digest(canonical_bytes({path: digest(raw) for path, raw in files.items()}))
    seen = {build().digest}
    for path, raw in files.items():
        changed = build({path: raw + (b" " if path.endswith("json") else b"\n# x")})
        assert changed.digest not in seen
        seen.add(changed.digest)
    assert build({"README.md": b"x"}).digest not in seen


def test_the_order_of_files_does_not_matter(files: dict[str, bytes], build: Callable[..., Pack]):
    """The same pack would have two digests."""
    assert load_pack("sick-pay", dict(reversed(files.items()))).digest == build().digest


def test_what_a_pack_needs_not_may_be_left_out(build: Callable[..., Pack]):
    """Every pack would have to carry empty files."""
    pack = build({"assumptions.yaml": None, "rules/effects.yaml": None})
    assert (pack.assumptions, pack.effects) == ((), ())


def test_facts_are_checked_by_the_input_schema(build: Callable[..., Pack]):
    """Facts that nobody described would be judged."""
    pack = build()
    pack.check_input({"worked_minutes": 1})
    with pytest.raises(SchemaViolated) as caught:
        pack.check_input({"worked_minutes": "1", "other": 2, "day": "2020-02-30"})
    assert {violation.path for violation in caught.value.violations} >= {"/worked_minutes", "/day"}
    assert len(caught.value.violations) == 3


@pytest.mark.parametrize(
    ("facts", "date"),
    [
        ({"day": "2020-02-29"}, "2020-02-29"),
        ({}, None),
        ({"day": None}, None),
        ({"day": "2020-02-30"}, None),
        ({"day": 5}, None),
    ],
)
def test_the_legal_date_is_found_in_the_facts(build: Callable[..., Pack], facts: dict[str, Any], date: str | None):
    """A case would be judged by the law of another day."""
    assert build().legal_date_in(facts) == date


def test_a_reader_of_raw_input_is_named_with_its_digest(build: Callable[..., Pack], parsed: Parsed):
    """Any module of that name could read the rows."""
    manifest = parsed("pack.yaml")
    manifest["intake"] = {"csv": {"module": "reader", "digest": "sha256:" + "0" * 64, "function": "observe"}}
    assert build({"pack.yaml": manifest}).intake == {
        "csv": IntakeModule(module="reader", digest="sha256:" + "0" * 64, function="observe")
    }


# --- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", REQUIRED)
def test_each_needed_file_is_missed_by_name(faults: Callable[..., list[Any]], path: str):
    """A pack without it would fail later, somewhere else."""
    assert (path, "missing") in found(faults({path: None}))


def test_a_missing_file_brings_no_faults_of_other_files_with_it(faults: Callable[..., list[Any]]):
    """An author would search for faults that are not there."""
    for path in ("rules/measures.yaml", "parameters/rates.yaml", "schemas/input.json", "pack.yaml", "sources.yaml"):
        broken: dict[str, Any] = {path: b"a: &x 1"} if path == "parameters/rates.yaml" else {path: None}
        assert {each.path.partition(":")[0].partition("#")[0] for each in faults(broken)} == {path}


def test_a_pack_without_cases_is_refused(faults: Callable[..., list[Any]]):
    """Law that nobody tried would be applied."""
    assert found(faults({"tests/cases.yaml": None})) == [("tests/", "missing")]


@pytest.mark.parametrize(
    "path",
    [
        "rules.py",
        "rules/extra.yaml",
        "tests/deep/case.yaml",
        "parameters/x.yml",
        "../x.yaml",
        "parameters/../x.yaml",
        "/etc/passwd",
        "é.yaml",
        "parameters/X.yaml",
        "",
    ],
)
def test_a_file_that_no_pack_has_is_refused(faults: Callable[..., list[Any]], path: str):
    """Code, or a misspelt file, would be part of a pack and do nothing."""
    assert (path, "unknown-file") in found(faults({path: b"a: 1"}))


@pytest.mark.parametrize("path", ["pack.yaml", "schemas/input.json", "README.md", "tests/cases.yaml"])
def test_an_oversized_file_is_refused(faults: Callable[..., list[Any]], path: str):
    """A pack could fill the memory."""
    assert (path, "size") in found(faults({path: b" " * (FILE_BYTES_MAX + 1)}))


def test_too_many_files_are_refused(files: dict[str, bytes], faults: Callable[..., list[Any]]):
    """A pack could hold us up."""
    more = {f"tests/t{position}.yaml": files["tests/cases.yaml"] for position in range(FILES_MAX)}
    assert "files" in [each.rule for each in faults(more)]


def test_too_many_bytes_in_all_are_refused(faults: Callable[..., list[Any]]):
    """Files below the limit could fill the memory together."""
    more = {f"tests/t{position}.yaml": b"cases: []" + b" " * (FILE_BYTES_MAX - 20) for position in range(17)}
    assert "size" in [each.rule for each in faults(more)]


def test_too_many_conjuncts_are_refused_soon(faults: Callable[..., list[Any]], parsed: Parsed):
    """A pack within every other limit could keep us compiling for minutes."""
    content = parsed("rules/measures.yaml")
    expr = " && ".join(["in.is_exempt"] * 120)
    more = [{"id": f"x{n}", "type": "boolean", "expr": expr, "cite": "ACT 1"} for n in range(100)]
    violations = faults({"rules/measures.yaml": {"measures": content["measures"] + more}})
    assert {each.rule for each in violations} == {"programs"}


def test_a_table_too_long_for_the_engine_is_judged_row_by_row(build: Callable[..., Pack]):
    """A pack within every limit would crash the loader, or take the wrong row."""
    padding = " ".join(["&& in.headcount != -1"] * 60)
    rows = [
        {"id": f"r{n}", "when": f"in.headcount == {n} {padding}", "value": f"'{n}'", "cite": "ACT 1"} for n in range(50)
    ]
    pack = build({"rules/tables/size.yaml": {"id": "size", "type": "string", "hit": "first", "rows": rows}})
    decision = evaluate(pack, {"headcount": 49}, "2022-01-01")
    assert next(each.value for each in decision.measurements if each.id == "size") == "49"


def test_every_file_may_be_empty_or_garbled_without_a_crash(files: dict[str, bytes], faults: Callable[..., list[Any]]):
    """A damaged pack would raise something that no caller expects."""
    for path in files:
        for raw in (b"", b"\xff", b"\x00", b"[]", b"null", b"1", b"x", b"{}", b"- {}", b"{a: &b c}", b"[" * 400):
            assert any(each.path.startswith(path) for each in faults({path: raw}))


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_pack_with_flipped_bytes_loads_or_is_refused(files: dict[str, bytes], data: st.DataObject):
    """A damaged pack would raise something that no caller expects, or keep the digest of the sound one."""
    path = data.draw(st.sampled_from(sorted(files)))
    raw = bytearray(files[path])
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        pack = load_pack("sick-pay", {**files, path: bytes(raw)})
    except PackRefused as refusal:
        assert refusal.violations  # noqa: PT017 - either end is right
    else:
        assert (pack.digest == load_pack("sick-pay", files).digest) == (bytes(raw) == files[path])


@pytest.mark.parametrize("key", ["units", "outcomes", "law", "intake", "legal_date"])
@pytest.mark.parametrize("value", [None, 5, "x", ["x"]])
def test_a_vocabulary_that_is_none_is_refused(faults: Callable[..., list[Any]], parsed: Parsed, key: str, value: Any):
    """A null in place of the units could end the process."""
    manifest = parsed("pack.yaml")
    manifest[key] = value
    assert any(path.startswith(f"pack.yaml#/{key}") for path, _ in found(faults({"pack.yaml": manifest})))


# --- one fault each -------------------------------------------------------------------------------------------------

ONE_FAULT = [
    # file, where, new value (None: leave out), path of the violation, rule
    ("pack.yaml", ["id"], "other", "#/id", "name"),
    ("pack.yaml", ["format"], "bailiwick-pack/9", "#/format", "format"),
    ("pack.yaml", ["version"], "1.2", "#/version", "pattern"),
    ("pack.yaml", ["owner"], "me", "", "additionalProperties"),
    ("pack.yaml", ["law", "from"], "2020-02-30", "#/law/from", "format"),
    ("pack.yaml", ["law", "to"], "2019-01-01", "#/law/to", "date"),
    ("pack.yaml", ["law", "cite"], "ACT 2", "#/law/cite", "cite"),
    ("pack.yaml", ["legal_date"], "in.headcount", "#/legal_date", "name"),
    ("pack.yaml", ["legal_date"], "in.nowhere", "#/legal_date", "name"),
    ("pack.yaml", ["outcomes", "indeterminate"], None, "#/outcomes", "required"),
    ("sources.yaml", ["sources", 1, "id"], "act-1", "#/sources/1/id", "duplicate"),
    ("sources.yaml", ["sources", 1, "citation"], "ACT 1", "#/sources/1/citation", "duplicate"),
    ("sources.yaml", ["sources", 0, "status"], "maybe", "#/sources/0/status", "enum"),
    ("sources.yaml", ["sources", 0, "url"], "ftp://x", "#/sources/0/url", "pattern"),
    (
        "parameters/rates.yaml",
        ["parameters", 1, "values", 0, "from"],
        "2021-13-01",
        "#/parameters/1/values/0/from",
        "format",
    ),
    (
        "parameters/rates.yaml",
        ["parameters", 1, "values", 0, "from"],
        "0000-01-01",
        "#/parameters/1/values/0/from",
        "date",
    ),
    (
        "parameters/rates.yaml",
        ["parameters", 1, "values", 0, "from"],
        "2025-02-21",
        "#/parameters/1/values/1/from",
        "order",
    ),
    (
        "parameters/rates.yaml",
        ["parameters", 1, "values", 0, "from"],
        "2019-12-31",
        "#/parameters/1/values/0/from",
        "date",
    ),
    ("parameters/rates.yaml", ["parameters", 1, "values", 0, "cite"], None, "#/parameters/1/values/0", "required"),
    ("parameters/rates.yaml", ["parameters", 1, "values", 0, "cite"], "ACT 0", "#/parameters/1/values/0/cite", "cite"),
    ("parameters/rates.yaml", ["parameters", 1, "values", 0, "value"], "2400", "#/parameters/1/values/0/value", "type"),
    ("parameters/rates.yaml", ["parameters", 1, "values", 0, "value"], True, "#/parameters/1/values/0/value", "type"),
    ("parameters/rates.yaml", ["parameters", 1, "values"], [], "#/parameters/1/values", "minItems"),
    ("parameters/rates.yaml", ["parameters", 1, "unit"], "hour", "#/parameters/1/unit", "unit"),
    ("parameters/rates.yaml", ["parameters", 1, "id"], "minutes_per_minute", "#/parameters/1/id", "duplicate"),
    ("parameters/rates.yaml", ["parameters", 1, "note"], "x", "#/parameters/1", "additionalProperties"),
    ("assumptions.yaml", ["assumptions", 0, "input"], "in.nowhere", "#/assumptions/0/input", "name"),
    ("assumptions.yaml", ["assumptions", 0, "value"], "0", "#/assumptions/0/value", "type"),
    ("assumptions.yaml", ["assumptions", 0, "value"], None, "#/assumptions/0", "required"),
    ("assumptions.yaml", ["assumptions", 0, "when"], "m.is_capped", "#/assumptions/0/when", "name"),
    ("assumptions.yaml", ["assumptions", 0, "cite"], None, "#/assumptions/0", "required"),
    ("assumptions.yaml", ["assumptions", 1, "id"], "covered", "#/assumptions/1/id", "duplicate"),
    ("rules/measures.yaml", ["measures", 0, "cite"], None, "#/measures/0", "required"),
    ("rules/measures.yaml", ["measures", 0, "cite"], "ACT 11", "#/measures/0/cite", "cite"),
    ("rules/measures.yaml", ["measures", 0, "cite"], ["ACT 1", "ACT 0(1)"], "#/measures/0/cite", "cite"),
    ("rules/measures.yaml", ["measures", 0, "expr"], "in.worked_minutes + p.nothing", "#/measures/0/expr", "name"),
    ("rules/measures.yaml", ["measures", 0, "expr"], "round(in.worked_minutes)", "#/measures/0/expr", "function"),
    ("rules/measures.yaml", ["measures", 0, "expr"], "in.worked_minutes / 1.5", "#/measures/0/expr", "float"),
    ("rules/measures.yaml", ["measures", 0, "expr"], "in.worked_minutes > 1", "#/measures/0/expr", "type"),
    ("rules/measures.yaml", ["measures", 0, "expr"], "in.worked_minutes + 'a'", "#/measures/0/expr", "compile"),
    ("rules/measures.yaml", ["measures", 0, "expr"], "in.worked_minutes +", "#/measures/0/expr", "compile"),
    ("rules/measures.yaml", ["measures", 0, "expr"], "m.earned + 1", "#/measures/0", "cycle"),
    ("rules/measures.yaml", ["measures", 0, "type"], "number", "#/measures/0/type", "enum"),
    ("rules/measures.yaml", ["measures", 0, "unit"], "hour", "#/measures/0/unit", "unit"),
    ("rules/measures.yaml", ["measures", 1, "id"], "earned", "#/measures/1/id", "duplicate"),
    ("rules/measures.yaml", ["measures", 1, "id"], "size", "#/id", "duplicate"),
    ("rules/tables/size.yaml", ["hit"], "best", "#/hit", "enum"),
    ("rules/tables/size.yaml", ["rows", 0, "when"], "in.headcount", "#/rows/0/when", "type"),
    ("rules/tables/size.yaml", ["rows", 0, "value"], "1", "#/rows/0/value", "type"),
    ("rules/tables/size.yaml", ["rows", 1, "id"], "small", "#/rows/1/id", "duplicate"),
    ("rules/tables/size.yaml", ["rows", 1, "cite"], "LAW", "#/rows/1/cite", "cite"),
    ("rules/impacts.yaml", ["rows", 0, "outcome"], "rich", "#/rows/0/outcome", "outcome"),
    ("rules/impacts.yaml", ["rows", 0, "severity"], "grave", "#/rows/0/severity", "enum"),
    ("rules/impacts.yaml", ["rows", 1, "id"], "exempt", "#/rows/1/id", "duplicate"),
    ("rules/impacts.yaml", ["rows", 2, "when"], "in.is_exempt", "#/rows", "gap"),
    ("rules/impacts.yaml", ["rows", 1, "obligations", 0, "within"], "'soon'", "#/rows/1/obligations/0/within", "type"),
    ("rules/impacts.yaml", ["rows", 1, "obligations", 0, "cite"], "LAW", "#/rows/1/obligations/0/cite", "cite"),
    ("rules/effects.yaml", ["effects", 0, "outcomes"], ["rich"], "#/effects/0/outcomes/0", "outcome"),
    ("rules/effects.yaml", ["effects", 0, "outcomes"], ["indeterminate"], "#/effects/0/outcomes", "outcome"),
    ("rules/effects.yaml", ["effects", 0, "key"], "m.open", "#/effects/0/key", "type"),
    (
        "rules/effects.yaml",
        ["effects", 0, "parameters", "minutes"],
        "m.nothing",
        "#/effects/0/parameters/minutes",
        "name",
    ),
    ("rules/effects.yaml", ["effects", 0, "parameters", "minutes"], "[[1]]", "#/effects/0/parameters/minutes", "type"),
    ("rules/effects.yaml", ["effects", 0, "cite"], "LAW", "#/effects/0/cite", "cite"),
    ("tests/cases.yaml", ["cases", 0, "expected"], {}, "#/cases/0", "additionalProperties"),
    ("tests/cases.yaml", ["cases", 0, "input", "hedcount"], 5, "#/cases/0/input", "additionalProperties"),
    ("tests/cases.yaml", ["cases", 0, "input", "headcount"], "5", "#/cases/0/input/headcount", "type"),
    ("tests/cases.yaml", ["cases", 0, "output", "eaned"], 60, "#/cases/0", "name"),
    ("tests/cases.yaml", ["cases", 0, "output", "outcome"], "rich", "#/cases/0/output/outcome", "outcome"),
    ("tests/cases.yaml", ["cases", 0, "indeterminate"], ["nothing"], "#/cases/0", "name"),
    ("tests/cases.yaml", ["cases", 0, "cites"], ["LAW"], "#/cases/0/cites/0", "cite"),
    ("tests/cases.yaml", ["cases", 0, "legal_date"], "2022-1-1", "#/cases/0/legal_date", "pattern"),
]


@pytest.mark.parametrize(("file", "where", "value", "path", "rule"), ONE_FAULT, ids=lambda each: str(each)[:40])
def test_each_fault_is_named_where_it_stands(
    faults: Callable[..., list[Any]], parsed: Parsed, file: str, where: list[Any], value: Any, path: str, rule: str
):
    """A mistake in the law would load, or its author would be sent to the wrong place."""
    content = parsed(file)
    target = content
    for key in where[:-1]:
        target = target[key]
    if value is None:
        del target[where[-1]]
    else:
        target[where[-1]] = value
    given_faults = found(faults({file: content}))
    where_told = ("rules/tables/size.yaml" if path == "#/id" and rule == "duplicate" else file) + path
    assert (where_told, rule) in given_faults


def test_a_cycle_is_named_with_all_its_members(faults: Callable[..., list[Any]], parsed: Parsed):
    """An author would have to find the ring by hand."""
    content = parsed("rules/measures.yaml")
    content["measures"][0]["expr"] = "m.open + 1"
    table = parsed("rules/tables/size.yaml")
    table["rows"][0]["when"] = "m.size == 'x'"
    violations = faults({"rules/measures.yaml": content, "rules/tables/size.yaml": table})
    messages = sorted(each.message for each in violations if each.rule == "cycle")
    assert messages == [
        "these measures read one another: m.earned -> m.open -> m.earned",
        "these measures read one another: m.size -> m.size",
    ]


def test_all_faults_of_all_files_are_named_at_once(faults: Callable[..., list[Any]], parsed: Parsed):
    """An author would mend one fault, load, and meet the next, ten times."""
    measures, rates, impacts = (
        parsed(path) for path in ("rules/measures.yaml", "parameters/rates.yaml", "rules/impacts.yaml")
    )
    del measures["measures"][2]["cite"]
    measures["measures"][0]["expr"] = "unheard_of(in.worked_minutes)"
    measures["measures"][1]["expr"] = "m.open"
    rates["parameters"][1]["values"][0]["from"] = "2021-02-30"
    impacts["rows"][0]["outcome"] = "rich"
    violations = faults(
        {
            "rules/measures.yaml": measures,
            "parameters/rates.yaml": rates,
            "rules/impacts.yaml": impacts,
            "rules/effects.yaml": b"effects: *x",
            "extra.py": b"",
        }
    )
    assert set(found(violations)) == {
        ("rules/measures.yaml#/measures/2", "required"),
        ("rules/measures.yaml#/measures/0/expr", "function"),
        ("rules/measures.yaml#/measures/1", "cycle"),
        ("parameters/rates.yaml#/parameters/1/values/0/from", "format"),
        ("rules/impacts.yaml#/rows/0/outcome", "outcome"),
        ("rules/effects.yaml:1", "alias"),
        ("extra.py", "unknown-file"),
    }


@pytest.mark.parametrize(
    ("schema", "rule"),
    [
        (b"{", "json-truncated"),
        (b'{"type": "object", "type": "object"}', "json-duplicate-key"),
        (b'{"type": "object"}', "closed"),
        (b'{"additionalProperties": false}', "closed"),
        (b"true", "closed"),
        (b'{"type": "object", "additionalProperties": false, "properties": {"a": {"type": "wrong"}}}', "anyOf"),
        (b'{"type": "object", "additionalProperties": false, "properties": {"a": {"$ref": "https://x.org/y"}}}', None),
    ],
)
def test_an_input_schema_that_cannot_stand_is_refused(
    faults: Callable[..., list[Any]], schema: bytes, rule: str | None
):
    """Facts would be let through that nobody described."""
    rules = [each.rule for each in faults({"schemas/input.json": schema}) if each.path.startswith("schemas/input.json")]
    assert rules == [rule or "schema-reference"]


def test_facts_that_no_rule_can_read_are_not_declared(
    faults: Callable[..., list[Any]], files: dict[str, bytes], parsed: Parsed
):
    """A float, or a fact of two types, would reach a rule."""
    schema = json.loads(files["schemas/input.json"])
    schema["properties"]["headcount"] = {"type": "number"}
    assert ("rules/tables/size.yaml#/rows/0/when", "name") in found(faults({"schemas/input.json": json.dumps(schema)}))


def test_the_unit_of_a_fact_must_be_explained(faults: Callable[..., list[Any]], files: dict[str, bytes]):
    """A trace would show a number of nobody knows what."""
    schema = files["schemas/input.json"].replace(b'"x-unit": "person"', b'"x-unit": "mile"')
    assert found(faults({"schemas/input.json": schema})) == [
        ("schemas/input.json#/properties/headcount/x-unit", "unit")
    ]


def test_a_refusal_names_the_first_fault_and_how_many(faults: Callable[..., list[Any]], files: dict[str, bytes]):
    """A person at a terminal would read a class name."""
    with pytest.raises(PackRefused) as caught:
        load_pack("other", files)
    assert caught.value.message == (
        "pack other does not load: 1 fault; the first, in pack.yaml#/id: "
        "the pack is loaded as other, and calls itself sick-pay"
    )
