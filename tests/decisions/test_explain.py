"""Explanations: the clause that failed and why, from sealed evidence alone; altered evidence is not explained away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from bailiwick.canonical import canonical_bytes
from bailiwick.decisions import Branch, Explanation, explain
from bailiwick.errors import BailiwickError, InputRefused, NotFound, Unavailable, UsageRefused
from bailiwick.model import Draft, Record
from bailiwick.schema import Schemas, parse_document
from tests.decisions.conftest import ACTOR, TENANT, Bench

SCHEMAS = Schemas()
DAY = "2020-01-01"
HURT = {
    "degree": "hospitalized",
    "work_related": True,
    "incident_date": DAY,
    "nature": "fracture",
    "part_of_body": "hand",
}


def decided(bench: Bench, facts: dict[str, Any], **options: Any) -> Explanation:
    """Decide facts, and explain the decision."""
    (answer,) = bench.decide_json(json.dumps(facts), legal_date=facts.get("incident_date", DAY))
    return explain(TENANT, bench.ledger.read(answer.to_json()["record"]), bench.blobs, **options)


def rule(told: dict[str, Any], name: str) -> dict[str, Any]:
    """Give what is told of one rule."""
    return next(each for each in (*told["rules"], *told["assumptions"]) if each["rule"] == name)


def lines(branch: Branch) -> Iterator[str]:
    """Give every line of a tree."""
    yield branch.text
    for each in branch.branches:
        yield from lines(each)


def forged(bench: Bench, explanation: Explanation, change: dict[str, Any], **detail: Any) -> Record:
    """Seal a record whose evidence was changed; the digest of the record fits it."""
    evidence = {**explanation.evidence, **change}
    resource = explanation.record.resource
    (digest,) = bench.blobs.put_many(TENANT, [canonical_bytes(evidence)], [resource])
    told = {**explanation.record.detail, "evidence": digest, **detail}
    draft = Draft(event_type="decision.sealed", resource=resource, detail=told, actor=ACTOR)
    return bench.ledger.read(bench.ledger.record(TENANT, draft).index)


def test_a_row_that_does_not_hold_names_the_clause_down_to_the_fact(bench: Bench):
    """Wrong if somebody were told that a rule does not apply, and not which condition failed."""
    told = decided(bench, HURT).to_json()
    (failed,) = rule(told, "fatality")["why"]
    (measure,) = failed["rests_on"]
    assert (failed["clause"], measure["rule"]) == ("m.fatality_reportable", "fatality_reportable")
    (failed,) = measure["why"]
    (death,) = failed["rests_on"]
    (failed,) = death["why"]
    assert failed["clause"] == "in.degree == 'fatality'"
    assert failed["holds"] is False
    assert [(each["path"], each["value"]) for each in failed["reads"]] == [("in.degree", "hospitalized")]
    assert death["cite"][0]["source"]["status"] == "in-force"


def test_of_alternatives_each_says_why_it_does_not_hold(bench: Bench):
    """Wrong if only the first alternative were ruled out."""
    told = decided(bench, HURT).to_json()
    assert [each["clause"] for each in rule(told, "loss_reportable")["why"]] == [
        "m.amputation_counts",
        "m.eye_loss_counts",
    ]


def test_what_cannot_be_decided_leads_to_the_missing_fact(bench: Bench):
    """Wrong if "indeterminate" did not say which fact would settle it."""
    told = decided(bench, {"work_related": True, "incident_date": DAY}).to_json()
    (reason,) = rule(told, "fatality")["why"]
    while reason.get("rests_on"):
        (behind,) = reason["rests_on"]
        (reason,) = behind["why"]
    assert reason["clause"] == "in.degree == 'fatality'"
    assert reason["holds"] is None
    assert reason["causes"] == ["missing: in.degree"]
    assert reason["reads"][0]["unknown"] is True


def test_an_assumption_that_did_not_help_says_why(bench: Bench):
    """Wrong if a reader could not see that the pack would have presumed something, and on what condition."""
    told = decided(bench, {"work_related": True, "incident_date": DAY}).to_json()
    (reason,) = rule(told, "hospitalization_counts")["why"]
    (assumption,) = reason["rests_on"]
    assert assumption["rule"] == "coded-hospitalization-is-admission"
    assert assumption["why"][0]["clause"] == "has(in.degree)"


def test_a_table_shows_the_rows_before_the_one_that_decides(bench: Bench):
    """Wrong if a reader had to guess why an earlier row was passed over."""
    told = decided(bench, HURT).to_json()
    rows = rule(told, "reportable_event")["rows"]
    assert [(row["row"], row["holds"]) for row in rows][-1] == ("hospitalization", True)
    assert all(row["holds"] is False and row["why"] for row in rows[:-1])


def test_parameters_come_with_their_date_and_source(bench: Bench):
    """Wrong if a number of the law stood there without the day from which it holds."""
    told = decided(bench, HURT).to_json()
    read = next(each for each in rule(told, "hospitalization_counts")["reads"] if each["path"].startswith("p."))
    assert (read["value"], read["unit"], read["from"]) == (1440, "minute", "2015-01-01")
    assert read["source"]["title"]
    assert read["name"]


def test_assumptions_stand_apart_and_name_the_fact_that_they_stood_for(bench: Bench):
    """Wrong if what was presumed looked like what was shown."""
    told = decided(bench, HURT).to_json()
    assert rule(told, "new-case")["stands_for"] == "in.new_case"
    assert all(each["kind"] != "assumption" for each in told["rules"])


@pytest.mark.parametrize(
    "facts",
    [HURT, {"incident_date": DAY}, {"incident_date": "1990-01-01"}, {"incident_date": DAY, "degree": "fatality"}],
)
def test_every_rule_comes_out_the_same_when_judged_again_and_the_contract_holds(bench: Bench, facts: dict[str, Any]):
    """Wrong if an explanation told a story that the evidence does not bear, or a shape that nobody published."""
    told = decided(bench, facts).to_json()
    assert told["recomputed"]["differing"] == []
    assert told["recomputed"]["not_possible"] == []
    SCHEMAS.check("explanation", told)


def test_evidence_is_explained_without_its_pack_and_says_so(bench: Bench):
    """Wrong if erasing or losing a pack made sealed decisions unexplainable."""
    whole = decided(bench, HURT)
    digest = whole.evidence["pack"]["digest"]
    bench.blobs.corrupt(TENANT, digest)
    bare = explain(TENANT, whole.record, bench.blobs)
    told = bare.to_json()
    assert told["pack"]["kept"] is False
    assert told["pack"]["lost"]["code"] == "blob-corrupt"
    assert told["recomputed"] == whole.to_json()["recomputed"]
    assert rule(told, "fatality")["why"][0]["rests_on"][0]["why"]
    assert rule(told, "reportable_event")["rows"][0]["row"] == "hospitalization"
    assert any("from the evidence alone" in line for line in lines(bare.tree()))
    SCHEMAS.check("explanation", told)


def test_without_the_pack_causes_still_lead_to_the_fact(bench: Bench):
    """Wrong if the types of names that nobody knows could not be found again."""
    whole = decided(bench, {"work_related": True, "incident_date": DAY})
    bench.blobs.corrupt(TENANT, whole.evidence["pack"]["digest"])
    told = explain(TENANT, whole.record, bench.blobs).to_json()
    assert told["recomputed"]["differing"] == []
    assert told["recomputed"]["not_possible"] == []
    assert {each["clause"] for each in rule(told, "general_criteria")["why"]} >= {
        "in.days_away > 0",
        "in.medical_treatment",
    }


def test_altered_bytes_are_not_explained(bench: Bench):
    """Wrong if whoever can write to the store could have a story told of his own."""
    whole = decided(bench, HURT)
    bench.blobs.corrupt(TENANT, str(whole.record.detail["evidence"]))
    with pytest.raises(Unavailable) as caught:
        explain(TENANT, whole.record, bench.blobs)
    assert caught.value.code == "blob-corrupt"


def test_evidence_of_another_decision_is_refused(bench: Bench):
    """Wrong if a record could be given the reasons of another one."""
    whole = decided(bench, HURT)
    other = decided(bench, {"incident_date": DAY})
    record = forged(bench, other, {}, outcome=whole.record.detail["outcome"])
    with pytest.raises(Unavailable) as caught:
        explain(TENANT, record, bench.blobs)
    assert caught.value.code == "evidence-differs"


def test_a_rule_that_does_not_follow_from_what_it_read_is_named(bench: Bench):
    """Wrong if evidence that was written by hand were explained as if it had been reasoned."""
    whole = decided(bench, HURT)
    trace = [dict(entry) for entry in whole.evidence["trace"]]
    next(entry for entry in trace if entry["rule"] == "death_counts")["value"] = True
    told = explain(TENANT, forged(bench, whole, {"trace": trace}), bench.blobs)
    assert told.to_json()["recomputed"]["differing"] == ["death_counts"]
    assert any("comes out otherwise" in line for line in lines(told.tree()))


def test_rules_that_read_one_another_in_a_circle_end(bench: Bench):
    """Wrong if forged evidence could keep an explanation running for ever."""
    whole = decided(bench, HURT)
    entry = {"kind": "measure", "status": "computed", "value": False, "cite": []}
    circle = [
        {**entry, "rule": "x", "expression": "m.y", "reads": [{"path": "m.y", "value": False}]},
        {**entry, "rule": "y", "expression": "m.x", "reads": [{"path": "m.x", "value": False}]},
    ]
    measures = [{"id": name, "status": "computed", "value": False} for name in "xy"]
    told = explain(TENANT, forged(bench, whole, {"trace": circle, "measurements": measures}), bench.blobs).to_json()
    (reason,) = rule(told, "x")["why"]
    assert reason["rests_on"][0]["why"][0]["rests_on"][0]["rule"] == "x"
    assert "why" not in reason["rests_on"][0]["why"][0]["rests_on"][0]


@pytest.mark.parametrize(
    "change",
    [{"format": "bailiwick-evidence/9"}, {"trace": "none"}, {"impact": {}}, {"trace": [{"rule": "x"}]}, {"facts": []}],
)
def test_evidence_of_another_shape_is_refused(bench: Bench, change: dict[str, Any]):
    """Wrong if a blob that is no evidence ended in a traceback."""
    whole = decided(bench, HURT)
    with pytest.raises(InputRefused) as caught:
        explain(TENANT, forged(bench, whole, change), bench.blobs)
    assert caught.value.code == "evidence-format"


@pytest.mark.parametrize(
    "expression", ["in.degree ==", "1.5 > 1", "(" * 400 + "in.degree" + ")" * 400, "f(in.degree)", "in.nobody"]
)
def test_an_expression_that_no_pack_could_have_is_left_unjudged(bench: Bench, expression: str):
    """Wrong if an expression from a forged blob could fail, or be called proven."""
    whole = decided(bench, HURT)
    trace = [dict(entry) for entry in whole.evidence["trace"]]
    next(entry for entry in trace if entry["rule"] == "death_counts")["expression"] = expression
    told = explain(TENANT, forged(bench, whole, {"trace": trace}), bench.blobs).to_json()
    assert told["recomputed"]["not_possible"] == ["death_counts"]


def test_an_unknown_language_lists_those_there_are(bench: Bench):
    """Wrong if a person had to guess which languages a pack speaks."""
    whole = decided(bench, HURT)
    with pytest.raises(UsageRefused) as caught:
        explain(TENANT, whole.record, bench.blobs, language="xx")
    assert caught.value.code == "language"
    assert all(language in caught.value.hint for language in whole.to_json()["pack"]["languages"])


def test_a_language_of_a_pack_that_is_gone_is_refused(bench: Bench):
    """Wrong if the words of one language were handed out as those of another."""
    whole = decided(bench, HURT)
    bench.blobs.corrupt(TENANT, whole.evidence["pack"]["digest"])
    with pytest.raises(UsageRefused) as caught:
        explain(TENANT, whole.record, bench.blobs, language="en")
    assert caught.value.code == "language"


def test_a_record_that_is_no_decision_has_no_reasons(bench: Bench):
    """Wrong if any record could be dressed up as a decision."""
    with pytest.raises(NotFound) as caught:
        explain(TENANT, bench.ledger.read(0), bench.blobs)
    assert caught.value.code == "record-not-decision"


def test_erased_evidence_is_gone(bench: Bench):
    """Wrong if what was erased could still be told."""
    whole = decided(bench, HURT)
    bench.blobs.erase(TENANT, whole.record.resource)
    with pytest.raises(BailiwickError) as caught:
        explain(TENANT, whole.record, bench.blobs)
    assert caught.value.code == "blob-erased"


def test_explaining_changes_no_byte_of_evidence(bench: Bench):
    """Wrong if looking at a decision altered what replay compares."""
    whole = decided(bench, HURT)
    before = bench.blobs.get(TENANT, str(whole.record.detail["evidence"]))
    told = whole.to_json()
    assert told["facts"] == parse_document(before)["facts"]
    assert "salt" not in json.dumps(told)
    assert bench.replayer.run([whole.record]).differing == ()
