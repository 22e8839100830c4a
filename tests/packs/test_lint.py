"""A lint of a pack: what loads and is not as it should be is found, with its place; a sound pack is clean."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import yaml

from bailiwick.node import desk_pack
from bailiwick.packs import EngineName, Finding, LintReport, Pack, lint, load_pack, lock_of, start_pack, write_lock


def found_in(files: Mapping[str, bytes], check: str) -> list[Finding]:
    """Lint a pack and give what one check found."""
    pack = load_pack("town-fees", files)
    return [each for each in lint(pack, files, inputs=120).findings if each.remark.check == check]


def changed(path: str, change: Callable[[Any], Any]) -> dict[str, bytes]:
    """Give a new pack's files with one YAML file changed."""
    files = start_pack("town-fees")
    loader = type("Plain", (yaml.SafeLoader,), {"yaml_implicit_resolvers": {}})
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items():
        loader.yaml_implicit_resolvers[first] = [each for each in resolvers if "timestamp" not in each[0]]
    value = yaml.load(files[path], Loader=loader)
    change(value)
    return {**files, path: yaml.safe_dump(value, sort_keys=False).encode()}


def replaced(path: str, old: str, new: str) -> dict[str, bytes]:
    """Give a new pack's files with some text of one replaced."""
    files = start_pack("town-fees")
    text = files[path].decode()
    assert old in text
    return {**files, path: text.replace(old, new).encode()}


def test_a_new_pack_is_clean():
    """Wrong if an author began with a list of complaints."""
    files = start_pack("town-fees")
    assert lint(load_pack("town-fees", files), files).to_json() == {
        "faults": 0,
        "advice": 0,
        "findings": [],
        "inputs": 500,
        "seed": 1904,
    }


def test_the_pack_that_ships_has_no_fault(osha: Pack, osha_files: dict[str, bytes]):
    """Wrong if law that ships did not hold to what authors are asked for."""
    assert lint(osha, osha_files, inputs=100).faults == 0


def test_a_rule_without_a_case_is_a_fault_with_its_place():
    """Wrong if law that nobody tried passed."""

    def drop_children(value: Any) -> None:
        value["cases"] = [each for each in value["cases"] if each["input"].get("borrower") != "child"]

    (finding,) = found_in(changed("tests/cases.yaml", drop_children), "no-case")
    assert finding.is_fault
    assert (str(finding.place), finding.place.pointer) == ("rules/tables/loan_days.yaml:11", "/rows/1")
    assert finding.remark.hint == "write a case that comes to it"


def test_a_row_that_nothing_reaches_is_told_from_one_without_a_case():
    """Wrong if dead law looked like law that only lacks a case."""
    row = """
  - id: never
    when: m.fee > p.fee_cents_max
    outcome: fee-due
    severity: low
    say: More than the highest.
    cite: Lending Rules 3
  - id: no-fee
"""
    (finding,) = found_in(replaced("rules/impacts.yaml", "\n  - id: no-fee\n", row), "unreached")
    assert finding.remark.subject == "row never"
    assert "none of 120 inputs" in finding.remark.message


def test_a_row_behind_one_that_holds_always_is_found():
    """Wrong if a row could stand where no case ever comes."""
    files = replaced("rules/impacts.yaml", "when: m.late_days > 0", 'when: "true"')
    assert [each.remark.subject for each in found_in(files, "after-always")] == ["row no-fee"]


def test_rows_that_overlap_are_shown_by_an_input():
    """Wrong if a table that must have one answer had two for somebody."""
    files = replaced("rules/tables/loan_days.yaml", "when: in.borrower == 'child'", "when: in.borrower != 'dog'")
    (finding,) = found_in(files, "overlap")
    assert "adult and child" in finding.remark.message
    assert "borrower: adult" in finding.remark.message


def test_a_gap_between_rows_is_shown_by_an_input():
    """Wrong if nobody knew for whom a table has no answer."""
    files = replaced("rules/tables/loan_days.yaml", "when: in.borrower == 'child'", "when: in.days_out > 30")
    assert "no row holds for {borrower: child" in found_in(files, "gap")[0].remark.message


@pytest.mark.parametrize(
    ("path", "old", "new", "subject"),
    [
        ("rules/measures.yaml", "m.late_days * p.fee_cents_a_day", "m.late_days * 20", "parameter fee_cents_a_day"),
        ("pack.yaml", "  no-fee: Nothing is owed.", "  no-fee: Nothing.\n  fine: A fine.", "outcome fine"),
        ("pack.yaml", "  day: Calendar days.", "  day: Days.\n  hour: Hours.", "unit hour"),
    ],
)
def test_what_nobody_uses_is_found(path: str, old: str, new: str, subject: str):
    """Wrong if dead law stayed in a pack, and people believed it."""
    files = replaced(path, old, new)
    assert subject in [each.remark.subject for each in found_in(files, "unused")]


def test_a_fact_that_no_rule_reads_is_advice():
    """Wrong if people were asked for what decides nothing."""
    files = replaced("schemas/input.json", '"properties": {\n', '"properties": {\n    "colour": {"type": "string"},\n')
    (finding,) = found_in(files, "unused")
    assert (finding.is_fault, finding.place.file) == (False, "schemas/input.json")
    assert "in.colour" in finding.remark.message


@pytest.mark.parametrize(
    ("old", "new", "check"),
    [
        ("    from: 2024-01-01\n", "", "undated"),
        ("    url: https://library.example/lending-rules\n", "", "no-url"),
        ("    retrieved: 2024-01-01\n", "", "no-text"),
        ("status: in-force", "status: superseded", "undated"),
    ],
)
def test_a_source_that_nobody_can_look_up_is_found(old: str, new: str, check: str):
    """Wrong if law could rest on a text without a day or a place."""
    assert [each.remark.subject for each in found_in(replaced("sources.yaml", old, new), check)] == [
        "source lending-rules"
    ]


def test_law_after_the_end_of_its_source_is_found():
    """Wrong if a number lived on after the text that gave it."""
    files = replaced("sources.yaml", "status: in-force\n", "status: superseded\n    to: 2025-06-30\n")
    subjects = {each.remark.subject for each in found_in(files, "not-in-force")}
    assert {"parameter fee_cents_max", "row fee-due", "measure fee"} <= subjects
    faults = {each.remark.subject for each in found_in(files, "not-in-force") if each.is_fault}
    assert {"parameter fee_cents_max", "row fee-due"} <= faults
    assert "measure fee" not in faults


def test_a_rule_of_old_law_that_no_longer_decides_is_no_fault(osha: Pack, osha_files: dict[str, bytes]):
    """Wrong if rows for the law of 2002 were a fault because their text has ended."""
    assert any(source.valid_to is not None for source in osha.sources)
    assert [each for each in lint(osha, osha_files, inputs=200).findings if each.remark.check == "not-in-force"] == []


def test_words_that_lack_in_a_language_are_found():
    """Wrong if half a pack spoke to people in a language that they do not read."""
    files = replaced("pack.yaml", "languages: [en]", "languages: [en, de]")
    files["languages/de.yaml"] = yaml.safe_dump({"texts": {"title": "Was ein Buch kostet"}}).encode()
    found = found_in(files, "untranslated")
    assert "row fee-due is not said in de" in [each.remark.message for each in found]
    assert {each.remark.hint for each in found} == {"add it to languages/de.yaml"}
    assert all(each.is_fault for each in found)


def test_a_sentence_that_lacks_is_advice():
    """Wrong if a reader of the decision were shown a bare name."""
    files = replaced("rules/measures.yaml", "    say: The fee by days alone.\n", "")
    assert [each.remark.subject for each in found_in(files, "unsaid")] == ["measure fee_before_limit"]


def test_a_fact_without_a_question_is_a_fault_where_others_have_one():
    """Wrong if an interview came to a fact and had no words for it."""
    files = start_pack("town-fees")
    schema = json.loads(files["schemas/input.json"])
    del schema["properties"]["days_out"]["x-question"]
    files["schemas/input.json"] = json.dumps(schema).encode()
    interview = files["interview/questions.yaml"].decode().replace("in.days_out, ", "")
    files["interview/questions.yaml"] = interview.encode()
    (finding,) = found_in(files, "no-question")
    assert (finding.place.file, finding.place.pointer) == ("schemas/input.json", "/properties/days_out")


def test_what_a_document_says_needs_no_question():
    """Wrong if people were to be asked for what stands in the manifest that they hand in."""
    pack, files = desk_pack("us-epa-emanifest")
    assert pack.questions
    assert pack.foreign
    assert [each for each in lint(pack, files, inputs=20).findings if each.remark.check == "no-question"] == []


def test_a_lock_that_is_out_of_date_names_what_changed():
    """Wrong if an author signed yesterday's law."""
    files = start_pack("town-fees")
    lock = write_lock(lock_of(load_pack("town-fees", files), files, EngineName(name="any", version="1")))
    assert found_in({**files, "pack.lock": lock}, "lock") == []
    later = {**files, "pack.lock": lock, "README.md": b"# changed\n"}
    (finding,) = found_in(later, "lock")
    assert (finding.place.file, "README.md was changed since" in finding.remark.message) == ("pack.lock", True)
    (broken,) = found_in({**files, "pack.lock": b"{"}, "lock")
    assert broken.is_fault


def test_findings_say_file_place_rule_and_hint():
    """Wrong if an editor could not show a finding where it belongs."""
    files = replaced("pack.yaml", "  no-fee: Nothing is owed.", "  no-fee: Nothing.\n  fine: A fine.")
    pack = load_pack("town-fees", files)
    report: LintReport = lint(pack, files, inputs=50)
    assert report.to_json()["findings"] == [
        {
            "level": "fault",
            "check": "unused",
            "file": "pack.yaml",
            "pointer": "/outcomes/fine",
            "line": 19,
            "rule": "outcome fine",
            "message": "no row gives this outcome",
            "hint": "give it, or take it out",
        }
    ]
    assert report.faults == 1
