"""The second version of the format: everything of it loads, and nothing of it passes in the first."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from bailiwick.canonical import digest
from bailiwick.errors import NotFound, PackRefused, Violation
from bailiwick.packs import Pack, check_kernel, load_pack
from bailiwick.packs.format.assembly.manifest import ATTACHED_BYTES_MAX, ATTACHMENT_BYTES_MAX
from bailiwick.packs.format.documents import FILE_BYTES_MAX
from bailiwick.packs.format.pack import Call, ModuleUse
from bailiwick.packs.format.texts import missing_texts, own_texts

from .conftest import changed, load_plain
from .loading import SUPPLIED, bent, faults, found, load
from .second import CONTRACT, CONTRACT_DIGEST, MODULE_DIGEST, SCHEMA, SECOND, second_files

# --- what loads -----------------------------------------------------------------------------------------------------


def test_what_pack_yaml_says_is_kept():
    """Nobody could tell who answers for the pack, or what it corrects."""
    pack = load()
    assert (pack.format, pack.kernel, pack.licence) == ("bailiwick-pack/2", ">=0.1.0, <9.0.0", "Apache-2.0")
    assert (pack.languages, pack.domains, pack.owners) == (("en", "es"), ("labour",), ("Payroll office, Lansing",))
    assert pack.supersedes is not None
    assert (pack.supersedes.version, pack.supersedes.digest) == ("1.2.0", None)
    assert pack.modules == {"accrual": MODULE_DIGEST}
    assert (pack.sources[0].retrieved, pack.sources[0].sha256) == ("2026-11-01", "a" * 64)
    assert pack.sources[0].to_json()["oscal"] == "act-1-catalog"


def test_a_parameter_by_case_is_a_parameter_for_each():
    """A rule would read the number of another case, or of a case that the law has none for yet."""
    by_id = {parameter.id: parameter for parameter in load().parameters}
    assert list(by_id) == ["rate", "cap_minutes.large", "cap_minutes.small"]
    assert [(each.valid_from, each.value) for each in by_id["cap_minutes.large"].values] == [
        ("2025-02-21", 4320),
        ("2025-10-01", 4320),
    ]
    small = by_id["cap_minutes.small"]
    assert [(each.valid_from, each.value, each.read.path) for each in small.values] == [
        ("2025-10-01", 2400, "p.cap_minutes.small")
    ]
    assert (small.of, small.case, small.path, small.unit) == ("cap_minutes", "small", "p.cap_minutes.small", "minute")
    assert (by_id["rate"].of, by_id["rate"].case) == (None, None)


def test_a_policy_is_an_assumption_of_its_default_reading():
    """A disputed reading would be followed without a word of it in the decision."""
    pack = load()
    policy = pack.policies[0]
    assumption = pack.assumptions[-1]
    assert (assumption.id, assumption.path) == ("policy-carry", "in.policy.carry") == (policy.assumption, policy.path)
    assert assumption.when.constant == (True, ())
    assert assumption.value is not None
    assert assumption.value.constant == ("all", ())
    assert assumption.text == "What is carried over: All of it."
    assert assumption.cite == ("ACT 1(7)",)
    assert [(each.id, each.status) for each in policy.readings] == [("all", "disputed"), ("none", "derived")]
    assert policy.reading("nothing") is None


def test_a_call_stands_in_the_level_after_what_it_reads_and_before_what_reads_it():
    """A module would be called with what is not known yet."""
    pack = load()
    assert [[rule.id for rule in level.rules] for level in pack.levels] == [
        ["earned", "colour", "points", "reasons"],
        ["accrue"],
        ["open"],
        ["size"],
    ]
    call = pack.levels[1].rules[0]
    assert isinstance(call, Call)
    assert pack.calls == (call,)
    assert call.use == ModuleUse(module="accrual", digest=MODULE_DIGEST, function="accrue")
    assert call.paths == ("m.balance", "m.carried")
    assert list(call.input) == ["policy.minutes", "policy.kind"]
    assert call.facts == {"periods": "in.periods"}
    assert [each.pointer for each in call.gives] == ["/balance", "/years/0/carried"]
    assert {read for each in call.expressions for read in each.reads} >= {"m.earned", "in.kind"}
    assert set(pack.measures) >= {"earned", "open", "balance", "carried", "size"}


def test_a_call_that_gives_several_measures_stands_once_in_its_level():
    """One decision would call the module once for each measure."""
    assert sum(rule.id == "accrue" for level in load().levels for rule in level.rules) == 1


def test_tables_keep_their_hit_policies():
    """A table would be judged by another rule than it was written for."""
    tables = {rule.id: rule for level in load().levels for rule in level.rules if hasattr(rule, "hit")}
    assert {name: (table.hit, table.priority, table.collect) for name, table in tables.items()} == {
        "size": ("priority", ("large", "small"), None),
        "reasons": ("collect", (), None),
        "points": ("collect", (), "sum"),
        "colour": ("any", (), None),
    }
    assert [row.value.type for row in tables["reasons"].rows] == ["string", "string"]


def test_a_table_may_count_values_of_any_type():
    """Texts could not be counted."""
    table = bent("rules/tables/points.yaml", ["collect"], "count")
    table["rows"][0]["value"] = "'two'"
    tables = [rule for level in load({"rules/tables/points.yaml": table}).levels for rule in level.rules]
    assert [rule.collect for rule in tables if rule.id == "points"] == ["count"]


def test_an_effect_has_its_schema_and_its_approval():
    """An effect could go out with any parameters, and without the person who must agree."""
    effect = load().effects[0]
    assert effect.schema == "schemas/effects/letter.json"
    assert effect.contract is not None
    assert effect.contract.violations({"minutes": 1}) == []
    assert len(effect.contract.violations({"minutes": -1})) == 1
    assert effect.approval is not None
    assert effect.approval.within_minutes == 1440


def test_an_approval_may_have_no_end():
    """An author would have to invent a period."""
    effects = bent("rules/effects.yaml", ["effects", 0, "approval"], {})
    approval = load({"rules/effects.yaml": effects}).effects[0].approval
    assert approval is not None
    assert approval.within_minutes is None


def test_questions_stand_at_their_facts():
    """An interview would ask with the words of another question."""
    questions = load().questions
    assert list(questions) == ["in.worked_minutes", "in.kind", "in.is_exempt"]
    assert questions["in.kind"].cite == ("ACT 1(5)",)
    assert questions["in.kind"].options == {"office": "In an office", "field": "In the field"}
    assert (questions["in.kind"].pii, questions["in.worked_minutes"].pii) == ("none", "personal")


def test_sections_controls_and_properties_are_kept_in_order():
    """An interview, an assessor or a test of the pack would miss some."""
    pack = load()
    assert [(each.id, each.asks) for each in pack.sections] == [
        ("work", ("in.worked_minutes", "in.kind")),
        ("rest", ("in.is_exempt",)),
    ]
    assert pack.controls[0].rules == ("earned", "accrue", "balance", "size", "exempt", "letter")
    assert [(each.id, each.when is None) for each in pack.properties] == [("never-negative", False), ("exempt", False)]
    assert pack.properties[1].holds.reads == ("out.outcome", "p.rate")
    assert pack.property_language is not None


def test_a_property_may_hold_of_every_case():
    """An author would have to write a condition that says nothing."""
    properties = bent("tests/properties.yaml", ["properties", 0, "when"], None)
    assert load({"tests/properties.yaml": properties}).properties[0].when is None


def test_what_properties_read_is_not_read_by_rules():
    """A fact that only a property reads would be bound in every decision, and change its evidence."""
    properties = bent("tests/properties.yaml", ["properties", 0, "holds"], "has(in.day)")
    assert "in.day" not in [field.path for field in load({"tests/properties.yaml": properties}).inputs]


def test_the_output_schema_is_compiled():
    """A pack's promise of what it decides would not be tried."""
    assert load().output_contract is not None
    assert load({"schemas/output.json": None}).output_contract is None


def test_texts_are_kept_by_language_and_what_lacks_is_told():
    """A reader would get another language, or nobody would see that a text is missing."""
    pack = load()
    assert pack.texts["es"]["title"] == "Tiempo pagado por enfermedad"
    missing = missing_texts(pack)
    assert "row exempt" in missing["es"]
    assert "row entitled" not in missing["es"]
    assert own_texts(pack)["parameter cap_minutes"] == "Most that may be used"
    assert "assumption policy-carry" not in own_texts(pack)


def test_each_text_of_a_pack_has_one_key():
    """Two sentences would share one translation."""
    pack = load()
    keys = own_texts(pack)
    whole = {"languages/es.yaml": {"texts": {key: f"es {key}" for key in keys}}}
    assert missing_texts(load(whole)) == {}


def test_the_words_of_a_pack_in_one_language_need_no_file():
    """An author would have to write every sentence twice."""
    manifest = bent("pack.yaml", ["languages"], ["en"])
    assert load({"pack.yaml": manifest, "languages/es.yaml": None}).texts == {}


def test_a_pack_is_shown_with_what_it_rests_on():
    """Whoever installs it would not see the disputed readings, or what to supply."""
    shown = load(supplied={}).to_json()
    assert shown["policies"][0]["readings"][0]["status"] == "disputed"
    assert shown["attachments"][0]["is_present"] is False
    assert shown["calls"] == ["accrue"]
    json.dumps(shown)


def test_a_pack_for_other_versions_is_loaded_for_what_it_decided_alone():
    """After an upgrade nobody could replay what was decided before it, or an old pack would go on deciding."""
    files = {"pack.yaml": bent("pack.yaml", ["kernel"], "<0.1.0")}
    with pytest.raises(PackRefused):
        load(files)
    pack = load_pack("sick-pay", changed(second_files(), files), SUPPLIED, is_history=True)
    with pytest.raises(PackRefused) as caught:
        check_kernel(pack)
    assert caught.value.code == "pack-kernel"
    check_kernel(load())


# --- attachments ----------------------------------------------------------------------------------------------------


def test_an_attachment_is_found_by_its_digest():
    """Any file of that name could be the contract."""
    pack = load()
    assert pack.attachments[0].content == CONTRACT
    assert pack.foreign[0].document_contract().violations({}) == []


def test_a_pack_without_its_attachment_loads_and_says_what_is_missing():
    """Nobody could even read what the pack needs."""
    pack = load(supplied={})
    assert pack.digest == load().digest
    with pytest.raises(NotFound) as caught:
        pack.foreign[0].document_contract()
    assert caught.value.code == "attachment-missing"
    assert "https://example.org/payroll.json" in caught.value.hint
    assert "--attach" in caught.value.hint


def test_an_attachment_that_is_another_file_is_refused():
    """A contract could be exchanged under its digest."""
    with pytest.raises(PackRefused) as caught:
        load(supplied={CONTRACT_DIGEST: CONTRACT + b" "})
    assert found(list(caught.value.violations)) == [("pack.yaml#/attachments/0/sha256", "digest")]


def test_an_attachment_that_is_too_large_is_refused():
    """An attachment could fill the memory."""
    with pytest.raises(PackRefused) as caught:
        load(supplied={CONTRACT_DIGEST: b" " * (ATTACHMENT_BYTES_MAX + 1)})
    assert found(list(caught.value.violations)) == [("pack.yaml#/attachments/0", "size")]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"\xff",
        b"5",
        b"[" * 10_000,
        b'{"$schema": "http://example.org/other"}',
        b'{"$ref": "https://example.org/x.json"}',
        b'{"type": "thing"}',
        b'{"pattern": "("}',
    ],
)
def test_an_attachment_that_is_no_contract_is_refused(content: bytes):
    """Documents would be judged by nothing, or the process would end."""
    name = digest(content)
    manifest = bent("pack.yaml", ["attachments", 0, "sha256"], name.removeprefix("sha256:"))
    with pytest.raises(PackRefused) as caught:
        load({"pack.yaml": manifest}, {name: content})
    assert {each.path for each in caught.value.violations} == {"rules/facts.yaml#/documents/0/contract"}


def test_attachments_that_are_too_large_together_are_refused():
    """Attachments below the limit could fill the memory together."""
    one = b" " * ATTACHMENT_BYTES_MAX
    kept = load_plain(SECOND["pack.yaml"])["attachments"]
    many = [{**kept[0], "path": f"{n}.json", "sha256": digest(one).removeprefix("sha256:")} for n in range(5)]
    assert ATTACHED_BYTES_MAX < 5 * ATTACHMENT_BYTES_MAX
    with pytest.raises(PackRefused) as caught:
        load({"pack.yaml": bent("pack.yaml", ["attachments"], [*kept, *many])}, {**SUPPLIED, digest(one): one})
    assert found(list(caught.value.violations)) == [("pack.yaml#/attachments", "size")]


def test_a_contract_in_the_pack_is_no_larger_than_other_files():
    """A pack could fill the memory."""
    path = "schemas/documents/payroll.json"
    assert (path, "size") in found(faults({path: b" " * (FILE_BYTES_MAX + 1)}))


def test_only_the_digests_that_a_pack_names_are_asked_for():
    """Loading a pack would read every blob that a tenant keeps."""

    class Asked(dict[str, bytes]):
        """A mapping that may be asked, and not listed."""

        def __iter__(self):
            raise AssertionError("listed")

    load(supplied=Asked(SUPPLIED))


def test_a_contract_may_be_a_file_of_the_pack():
    """A contract that is free to copy would have to be fetched."""
    facts = bent("rules/facts.yaml", ["documents", 0, "contract"], "schemas/documents/payroll.json")
    changes = {"rules/facts.yaml": facts, "schemas/documents/payroll.json": CONTRACT}
    assert load(changes).foreign[0].document_contract() is not None


# --- the first version ----------------------------------------------------------------------------------------------

MOVED = [
    # file, where, value: a pack of the first version with this in it
    ("pack.yaml", ["kernel"], ">=0.1.0"),
    ("pack.yaml", ["languages"], ["en"]),
    ("pack.yaml", ["domains"], ["labour"]),
    ("pack.yaml", ["owners"], ["somebody"]),
    ("pack.yaml", ["licence"], "MIT"),
    ("pack.yaml", ["supersedes"], {"version": "1.0.0", "reason": "x"}),
    ("pack.yaml", ["modules"], {"accrual": {"digest": MODULE_DIGEST}}),
    (
        "pack.yaml",
        ["attachments"],
        [{"path": "x.json", "sha256": "0" * 64, "url": "https://example.org/x", "licence": "MIT"}],
    ),
    ("sources.yaml", ["sources", 0, "retrieved"], "2026-11-01"),
    ("sources.yaml", ["sources", 0, "sha256"], "0" * 64),
    ("sources.yaml", ["sources", 0, "oscal"], "x"),
    ("parameters/rates.yaml", ["parameters", 0, "by"], ["large"]),
    ("rules/tables/size.yaml", ["hit"], "any"),
    ("rules/tables/size.yaml", ["hit"], "priority"),
    ("rules/tables/size.yaml", ["hit"], "collect"),
    ("rules/tables/size.yaml", ["priority"], ["small"]),
    ("rules/tables/size.yaml", ["collect"], "sum"),
    ("rules/effects.yaml", ["effects", 0, "schema"], "schemas/effects/letter.json"),
    ("rules/effects.yaml", ["effects", 0, "approval"], {}),
    ("tests/cases.yaml", ["cases", 0, "error"], "maximum"),
]


@pytest.mark.parametrize(("path", "where", "value"), MOVED)
def test_what_came_later_is_refused_in_the_first_version(
    faults: Callable[..., list[Violation]], parsed: Callable[[str], Any], path: str, where: list[Any], value: Any
):
    """An old pack would mean something else from one bailiwick to the next."""
    document = parsed(path)
    inner = document
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = value
    pointer = "#/" + "/".join(map(str, where))
    violations = faults({path: document})
    assert (path + pointer, "format") in found(violations)
    assert "bailiwick-pack/2" in next(each.message for each in violations if each.rule == "format")


NEW_FILES = [
    "policies.yaml",
    "controls.yaml",
    "rules/calls.yaml",
    "rules/facts.yaml",
    "interview/work.yaml",
    "languages/es.yaml",
    "tests/properties.yaml",
    "schemas/output.json",
    "schemas/effects/letter.json",
    "schemas/documents/payroll.json",
]


@pytest.mark.parametrize("path", NEW_FILES)
def test_files_that_came_later_are_refused_in_the_first_version(faults: Callable[..., list[Violation]], path: str):
    """A file would be part of a pack and do nothing."""
    assert (path, "format") in found(faults({path: SECOND.get(path, "{}")}))


def test_a_question_in_the_first_version_is_an_annotation(build: Callable[..., Pack]):
    """A pack that loads today would not load tomorrow."""
    schema = deepcopy(SCHEMA)
    schema["properties"] = {"day": {"type": "string", "x-question": 5}, "x": {"type": "integer"}}
    files = {
        "schemas/input.json": json.dumps(schema),
        "assumptions.yaml": None,
        "rules/effects.yaml": None,
        "rules/tables/size.yaml": None,
        "rules/measures.yaml": "measures: [{id: a, type: integer, expr: in.x, cite: ACT 1}]",
        "rules/impacts.yaml": ("rows: [{id: a, when: 'true', outcome: none, severity: none, say: x, cite: ACT 1}]"),
        "tests/cases.yaml": (
            "cases: [{name: a, legal_date: 2022-01-01, input: {x: 1}, output: {a: 1}, status: direct}]"
        ),
    }
    assert build(files).questions == {}


@pytest.mark.parametrize("version", ["bailiwick-pack/3", "bailiwick-pack/10", "", "bailiwick-pack/2 ", "x" * 10_000])
def test_a_version_that_is_not_known_is_the_only_fault(version: str):
    """An author would see a list of faults of a format that this bailiwick does not read."""
    manifest = bent("pack.yaml", ["format"], version)
    assert found(faults({"pack.yaml": manifest, "new/file.yaml": "a: 1"})) == [("pack.yaml#/format", "format")]
