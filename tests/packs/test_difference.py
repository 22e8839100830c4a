"""What changed between two packs: by meaning, and by how cases come out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bailiwick.packs import Pack, PackDifference, difference, load_pack, start_pack


def changes(found: PackDifference, section: str) -> list[dict[str, Any]]:
    """Give the changes of one section."""
    return found.to_json()["changes"][section]


def test_a_pack_is_the_same_as_itself(osha: Pack):
    """Wrong if every comparison were full of noise."""
    found = difference(osha, osha)
    assert found.is_same
    assert found.tried == len(osha.cases)
    assert found.to_json()["decisions"] == {"cases": len(osha.cases), "differ": []}


def test_order_of_files_space_and_comments_mean_nothing(build: Callable[..., Pack], files: dict[str, bytes]):
    """Wrong if a person had to find one changed number among a hundred moved lines."""
    text = files["rules/measures.yaml"].decode()
    spaced = "# read me\n" + text.replace("in.worked_minutes / p.", "in.worked_minutes  /  p.")
    found = difference(build(), build({"rules/measures.yaml": spaced}))
    assert found.is_same
    assert found.old["digest"] != found.new["digest"]


def test_a_changed_value_shows_its_day_and_turns_its_cases(build: Callable[..., Pack], parsed):
    """Wrong if a change of the law's numbers could go by unseen."""
    rates = parsed("parameters/rates.yaml")
    rates["parameters"][0]["values"][0]["value"] = 60
    found = difference(build(), build({"parameters/rates.yaml": rates}))
    assert changes(found, "parameters") == [
        {
            "change": "changed",
            "name": "minutes_per_minute",
            "before": {"from 2020-01-01": {"value": 30, "cite": "ACT 1(2)"}},
            "after": {"from 2020-01-01": {"value": 60, "cite": "ACT 1(2)"}},
        }
    ]
    assert [(each.name, each.before["measure earned"], each.after["measure earned"]) for each in found.turned] == [
        ("thirty hours earn one", 60, 30)
    ]


def test_a_further_version_of_the_law_is_told_by_its_day(build: Callable[..., Pack], parsed):
    """Wrong if new law looked like changed law."""
    rates = parsed("parameters/rates.yaml")
    rates["parameters"][1]["values"].append({"from": "2030-01-01", "value": 4800, "cite": "ACT 1(3)"})
    (change,) = changes(difference(build(), build({"parameters/rates.yaml": rates})), "parameters")
    assert change["before"] == {"from 2030-01-01": None}
    assert change["after"] == {"from 2030-01-01": {"value": 4800, "cite": "ACT 1(3)"}}


def test_rules_that_are_added_removed_and_changed_are_told_apart(build: Callable[..., Pack], parsed):
    """Wrong if a rule could vanish and the report spoke of a change."""
    measures, impacts = parsed("rules/measures.yaml"), parsed("rules/impacts.yaml")
    measures["measures"].append({"id": "half", "type": "integer", "expr": "m.open / 2", "cite": "ACT 1(2)"})
    measures["measures"][2]["expr"] = "m.open > p.cap_minutes"
    del impacts["rows"][0]
    new = build({"rules/measures.yaml": measures, "rules/impacts.yaml": impacts, "tests/cases.yaml": TRIED})
    found = {each["name"]: each["change"] for each in changes(difference(build(), new), "rules")}
    assert found == {
        "measure half": "added",
        "row exempt": "removed",
        "measure is_capped": "changed",
        "rows": "changed",
    }


TRIED = {
    "cases": [
        {
            "name": "thirty hours earn one",
            "legal_date": "2022-01-01",
            "input": {"worked_minutes": 1800, "used_minutes": 0, "headcount": 5},
            "output": {"outcome": "entitled"},
            "status": "direct",
        }
    ]
}


def test_sources_outcomes_inputs_and_cases_are_compared(build: Callable[..., Pack], parsed, files: dict[str, bytes]):
    """Wrong if a source could lose its status, or a fact its limits, without a word."""
    sources = parsed("sources.yaml")
    sources["sources"][0] |= {"status": "superseded", "to": "2040-01-01"}
    schema = files["schemas/input.json"].decode()
    manifest = files["pack.yaml"].decode().replace("none: Nothing.", "none: Nothing at all.")
    new = build(
        {
            "sources.yaml": sources,
            "schemas/input.json": schema.replace(
                '"headcount": {"type": "integer",', '"headcount": {"type": "integer", "minimum": 1,'
            ),
            "pack.yaml": manifest,
            "tests/cases.yaml": TRIED,
        }
    )
    found = difference(build(), new)
    assert changes(found, "sources")[0]["after"] == {"status": "superseded", "to": "2040-01-01"}
    assert changes(found, "inputs")[0]["after"] == {"schema": {"minimum": 1}}
    assert changes(found, "outcomes")[0]["after"] == {"text": "Nothing at all."}
    assert changes(found, "cases")[0]["before"] == {"measures": {"earned": 60}}


def test_a_case_that_the_other_pack_takes_no_input_of_is_left_out(build: Callable[..., Pack], files: dict[str, bytes]):
    """Wrong if a fact that came later stopped the comparison."""
    schema = files["schemas/input.json"].decode()
    new = schema.replace('"headcount": {', '"shift": {"type": "string"}, "headcount": {')
    case = {**TRIED["cases"][0], "name": "with a shift"}
    case["input"] = {**case["input"], "shift": "night"}
    found = difference(build(), build({"schemas/input.json": new, "tests/cases.yaml": {"cases": [case]}}))
    assert found.tried == 1
    assert [each["change"] for each in changes(found, "cases")] == ["removed", "added"]


def new_pack(**changes: tuple[str, str]) -> Pack:
    """Give a new pack with some text of some files replaced."""
    files = start_pack("town-fees")
    for path, (old, new) in changes.items():
        text = files[path].decode()
        assert old in text
        files[path] = text.replace(old, new).encode()
    return load_pack("town-fees", files)


def test_words_and_properties_are_compared():
    """Wrong if people were asked another question, or less were promised, and the report said nothing."""
    new = new_pack(
        **{
            "schemas/input.json": ("For how many days was the book out?", "How long was it out?"),
            "tests/properties.yaml": ("m.fee <= p.fee_cents_max", "m.fee <= 9999"),
        }
    )
    found = difference(new_pack(), new)
    assert [(each["name"], each["after"]) for each in changes(found, "words")] == [
        ("question in.days_out", {"en": "How long was it out?"})
    ]
    assert changes(found, "properties")[0]["after"] == {"holds": "m.fee <= 9999"}
    assert changes(found, "inputs") == []


def test_true_is_not_one(build: Callable[..., Pack], parsed):
    """Wrong if a change of type could hide behind a value that looks alike."""
    rules = parsed("rules/effects.yaml")
    rules["effects"][0]["parameters"]["size"] = "'1'"
    found = difference(build(), build({"rules/effects.yaml": rules}))
    assert changes(found, "effects")[0]["after"]["parameters"]["size"] == "'1'"
