"""EPA's own manifests and bills get EPA's own verdict, and then that of the regulation."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import bailiwick
from bailiwick.adapters.packsource_attachments import attached_files
from bailiwick.adapters.packsource_folder import FolderPackSource
from bailiwick.errors import InputRefused, NotFound, SchemaViolated
from bailiwick.model import Decision
from bailiwick.packs import Pack, evaluate, facts_from, load_pack, run_cases
from bailiwick.schema import Contract, parse_document

NAME = "us-epa-emanifest"
PACKS = Path(bailiwick.__file__).parent / "builtin" / "packs"
DATA = Path(os.environ.get("BAILIWICK_DATA", ""))
EPA = DATA / "epa-emanifest"
EXAMPLES = EPA / "examples"
DAY = "2020-03-02"
NUMBER = "123456789ELC"
"""A tracking number of the right form, where EPA's samples say CHANGE ME."""

needs_data = pytest.mark.skipif(
    not os.environ.get("BAILIWICK_DATA"), reason="BAILIWICK_DATA does not name the folder of public data"
)
VALID = {
    "emanifest-save-valid-Data-and-Image-Full-reject-tranonsite-example": "rejected-load",
    "emanifest-save-valid-Data-and-Image-Manual-Entry-example": "reconcile-discrepancy",
    "emanifest-save-valid-Data-and-Image-example": "reconcile-discrepancy",
    "emanifest-save-valid-Full-Electronic-example": "in-order",
    "emanifest-save-valid-Image-Only-Alternate-Facility-example": "rejected-load",
    "emanifest-save-valid-Image-Only-Designated-Facility-acting-Generator-example": "in-order",
    "emanifest-save-valid-Image-Only-Designated-Facility-example": "in-order",
    "emanifest-save-valid-Image-Only-Designated-Facility-with Generator-example": "in-order",
}
"""Every save that EPA calls valid, and what the pack says once its tracking number is one."""

REFUSED = {
    "bill-history-example": 1,
    "bill-history-invalid-example": 1,
    "bill-history-request-example": 1,
    "bill-request-example-billid": 1,
    "bill-request-example-invalid- date": 1,
    "bill-request-example": 1,
    "bill-search-response-example": 1,
    "emanifest-return-failure-example": 1,
    "emanifest-return-success-example-no-warnings": 1,
    "emanifest-return-success-example-with-warnings": 1,
    "emanifest-save-invalid-example": 8,
    "site-search-return": 1,
}
"""Everything else that is neither a manifest nor a bill, or a broken one, and in how many places it breaks."""


def sample(name: str) -> Any:
    """Read one of EPA's samples."""
    return parse_document((EXAMPLES / f"{name}.json").read_bytes())


@pytest.fixture(scope="module")
def bare() -> Pack:
    """The pack without EPA's schemas."""
    return load_pack(NAME, FolderPackSource(PACKS).files(NAME))


@pytest.fixture(scope="module")
def pack() -> Pack:
    """The pack with EPA's schemas, found by their digests."""
    return load_pack(NAME, FolderPackSource(PACKS).files(NAME), attached_files(EPA / "schema"))


def judged(pack: Pack, given: Any) -> Decision:
    """Take the facts of an input and judge them."""
    facts = facts_from(pack.foreign, given)
    pack.check_input(facts)
    return evaluate(pack, facts, pack.legal_date_in(facts) or DAY)


def measure(decision: Decision, name: str) -> Any:
    """Give one measure of a decision."""
    return next(each.value for each in decision.measurements if each.id == name)


# --- the pack's own cases ---------------------------------------------------------------------------------------------


def test_every_case_comes_out_as_written(bare: Pack):
    """Wrong if: the pack decided otherwise than its authors wrote down."""
    report = run_cases(bare)
    assert [failure.to_json() for failure in report.failed] == []
    assert report.cases >= 60


def test_every_fault_can_be_found_and_every_rule_goes_both_ways(bare: Pack):
    """Wrong if: some rule stood there that no case ever tried."""
    uncovered = [name for name in run_cases(bare).uncovered if name.startswith(("measure", "row", "assumption"))]
    assert uncovered == []


def test_without_epas_schema_no_document_is_decided(bare: Pack):
    """Wrong if: a manifest passed because nobody had the contract at hand."""
    with pytest.raises(NotFound) as caught:
        judged(bare, {"submissionType": "FullElectronic"})
    assert caught.value.code == "attachment-missing"
    assert "emanifest.json" in caught.value.message


# --- EPA's verdict ----------------------------------------------------------------------------------------------------


@needs_data
def test_every_sample_is_accounted_for():
    """Wrong if: a sample of EPA's were left out of these tests."""
    decided = {*VALID, "bill-example", "bill-example-invalid-parameters", "bill-request-example-monthyear"}
    assert {path.stem for path in EXAMPLES.glob("*.json")} == decided | REFUSED.keys()


@needs_data
@pytest.mark.parametrize("name", VALID)
def test_what_epa_calls_valid_passes_and_is_decided(pack: Pack, name: str):
    """Wrong if: a manifest that EPA takes were refused here."""
    decision = judged(pack, sample(name))
    assert decision.impact.outcome in {"in-order", "incomplete-manifest"}, "EPA takes it, whatever the law says of it"
    given = sample(name)
    if given.get("manifestTrackingNumber") == "CHANGE ME":
        assert measure(decision, "faults") == ["manifest tracking number is not nine digits and three letters"]
        given["manifestTrackingNumber"] = NUMBER
    assert judged(pack, given).impact.outcome == VALID[name]


@needs_data
@pytest.mark.parametrize("name", REFUSED)
def test_what_breaks_the_contract_is_refused_with_every_violation(pack: Pack, name: str):
    """Wrong if: a broken document were decided, or its faults told one by one."""
    with pytest.raises(SchemaViolated) as caught:
        judged(pack, sample(name))
    assert len(caught.value.violations) == REFUSED[name]


@needs_data
def test_the_invalid_save_fails_where_epa_says_that_it_fails(pack: Pack):
    """Wrong if: our eight violations were not EPA's six errors."""
    with pytest.raises(SchemaViolated) as caught:
        judged(pack, sample("emanifest-save-invalid-example"))
    ours = {(each.path.replace("/", "."), each.rule) for each in caught.value.violations}
    assert len(ours) == 6
    theirs = Counter(
        error["field"].removeprefix("Emanifest") for error in sample("emanifest-return-failure-example")["errors"]
    )
    assert Counter(place for place, _ in ours) == theirs


@needs_data
def test_asserted_formats_would_refuse_most_of_what_epa_takes(pack: Pack):
    """Wrong if: the stated policy on formats were needless."""
    strict = Contract(parse_document((EPA / "schema" / "emanifest.json").read_bytes()), assert_formats=True)
    assert sum(bool(strict.violations(sample(name))) for name in VALID) == 5
    assert [each.is_format_asserted for each in pack.foreign] == [False, False]


@needs_data
def test_the_schemas_are_the_ones_that_the_pack_pins(pack: Pack, bare: Pack):
    """Wrong if: another contract of the same name would do, or were copied into the pack."""
    assert all(each.is_present for each in pack.attachments)
    assert not any(each.is_present for each in bare.attachments)
    assert pack.digest == bare.digest
    assert not any(path.endswith(("emanifest.json", "bill.json")) for path in FolderPackSource(PACKS).files(NAME))


# --- bills ------------------------------------------------------------------------------------------------------------


@needs_data
def test_a_bill_is_exact_to_the_cent(pack: Pack):
    """Wrong if: 737.09 were 737.0899999999999."""
    facts = facts_from(pack.foreign, sample("bill-example"))
    assert facts["bill_total_cents"] == 73709
    decision = judged(pack, sample("bill-example"))
    assert decision.impact.outcome == "bill-in-order"
    assert measure(decision, "sum_apart_cents") == 73709
    assert measure(decision, "usual_due_on") == "2019-04-30"


@needs_data
@pytest.mark.parametrize(
    ("text", "outcome"), [("737.10", "bill-differs"), ("737.08", "bill-differs"), ("737.090", "bill-in-order")]
)
def test_a_cent_makes_the_difference(pack: Pack, text: str, outcome: str):
    """Wrong if: a bill that is a cent too high passed."""
    raw = (EXAMPLES / "bill-example.json").read_bytes().replace(b"737.09", text.encode())
    assert judged(pack, parse_document(raw)).impact.outcome == outcome


@needs_data
def test_half_a_cent_is_refused(pack: Pack):
    """Wrong if: an amount that no bill can have were rounded."""
    raw = (EXAMPLES / "bill-example.json").read_bytes().replace(b"737.09", b"737.095")
    with pytest.raises(InputRefused) as caught:
        judged(pack, parse_document(raw))
    assert caught.value.code == "fact-inexact"


@needs_data
def test_every_bill_of_a_search_adds_up(pack: Pack):
    """Wrong if: EPA's bills of 2021, with interest within the late fee, were called wrong."""
    bills = sample("bill-search-response-example")["bills"]
    assert len(bills) == 4
    for bill in bills:
        decision = judged(pack, bill)
        assert decision.impact.outcome == "bill-in-order"
        assert measure(decision, "due_as_usual") is True


@needs_data
def test_the_tolerated_members_are_those_of_epas_own_bill(pack: Pack):
    """Wrong if: a stated exception were broader than the sample that it is for."""
    plain = Contract(parse_document((EPA / "schema" / "bill.json").read_bytes()), assert_formats=False)
    broken = {(each.path, each.rule) for each in plain.violations(sample("bill-example"))}
    assert broken == {("/lateFees/0", "additionalProperties"), ("/revisions/0", "additionalProperties")}
    with pytest.raises(SchemaViolated):
        judged(pack, {**sample("bill-example"), "extra": 1})


@needs_data
@pytest.mark.parametrize("name", ["bill-example-invalid-parameters", "bill-request-example-monthyear"])
def test_an_answer_without_a_bill_is_none(pack: Pack, name: str):
    """Wrong if: a missing bill were in order."""
    assert judged(pack, sample(name)).impact.outcome == "no-bill"


# --- changes to real samples ------------------------------------------------------------------------------------------


def changed(**members: Any) -> Any:
    """Give the fullest valid save with some members changed."""
    given = sample("emanifest-save-valid-Data-and-Image-example")
    return {**given, "manifestTrackingNumber": NUMBER, **members}


@needs_data
@pytest.mark.parametrize(
    ("member", "value", "fault"),
    [
        (
            "generator",
            {"name": "Nobody", "paperSignatureInfo": {"signatureDate": "2019-05-09"}},
            "no EPA identification number of the generator",
        ),
        ("transporters", [], "no transporter"),
        (
            "designatedFacility",
            {"epaSiteId": "V1", "paperSignatureInfo": {"signatureDate": "2019-05-09"}},
            "no EPA identification number of the facility",
        ),
        ("wastes", [], "no waste line"),
        ("import", True, "an import without foreign generator or point of entry"),
    ],
)
def test_a_valid_save_that_breaks_the_regulation_is_incomplete(pack: Pack, member: str, value: Any, fault: str):
    """Wrong if: what EPA's schema takes were taken for lawful."""
    decision = judged(pack, changed(**{member: value}))
    assert decision.impact.outcome == "incomplete-manifest"
    assert fault in measure(decision, "faults")


@needs_data
@pytest.mark.parametrize(
    ("as_of", "outcome"),
    [
        ("2019-04-17", "reconcile-discrepancy"),
        ("2019-04-18", "contact-handlers"),
        ("2019-04-28", "exception-report-due"),
    ],
)
def test_the_clock_runs_from_the_first_transporters_signature(pack: Pack, as_of: str, outcome: str):
    """Wrong if: days were counted from another signature than that of 2019-03-14."""
    beside = {"manifest": changed(), "as_of": as_of, "generator_category": "large", "return_copy_received": False}
    assert judged(pack, beside).impact.outcome == outcome


@needs_data
def test_a_million_lines_are_refused_in_bounded_time(pack: Pack):
    """Wrong if: a manifest with endless lines kept a node busy for minutes."""
    line = {"dotHazardous": False, "br": False, "pcb": False, "lineNumber": 1, "epaWaste": True}
    with pytest.raises(InputRefused) as caught:
        judged(pack, changed(wastes=[line] * 10_001))
    assert caught.value.code == "fact-places"


@needs_data
def test_what_was_refused_says_nothing_that_json_cannot(pack: Pack):
    """Wrong if: the refusal could not be sent on."""
    with pytest.raises(SchemaViolated) as caught:
        judged(pack, changed(wastes=[{"lineNumber": 1}]))
    assert json.loads(json.dumps(caught.value.to_json()))["code"] == "schema-violated"
