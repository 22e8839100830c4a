"""The main job in memory: every input gets one durable answer, refusals keep nothing, and the ledger tells nothing."""

from __future__ import annotations

import json

import pytest

from bailiwick.canonical import NANOSECONDS
from bailiwick.decisions import BATCH_MAX, Decided, Refused
from bailiwick.decisions.intake import BODY_BYTES_MAX, whole_numbers
from bailiwick.errors import InputRefused, LedgerPoisoned, ModuleFailed, RowRefused, Unavailable
from bailiwick.schema import Schemas, parse_document
from tests.decisions.conftest import FATAL, HEADER, HOSPITAL, LEGAL_DATE, TENANT, Bench


def test_each_input_gets_one_answer_in_order(bench: Bench):
    """Wrong if answers could not be matched to what was asked."""
    answers = bench.decide(FATAL, "not,a,row", HOSPITAL)
    assert [answer.line for answer in answers] == [2, 3, 4]
    assert [type(answer) for answer in answers] == [Decided, Refused, Decided]
    assert [answers[0].outcome, answers[2].outcome] == ["report-within-8-hours", "report-within-24-hours"]


def test_an_answer_points_at_its_record(bench: Bench):
    """Wrong if the receipt led to another decision's record."""
    for answer in bench.decide(FATAL, HOSPITAL):
        record = bench.ledger.read(answer.receipt.index)
        assert record.detail["outcome"] == answer.outcome
        assert record.detail["evidence"] == answer.evidence
        assert bench.ledger.leaf(record.index) == answer.receipt.leaf


def test_a_refused_input_leaves_nothing_behind(bench: Bench):
    """Wrong if what was refused could be found in the ledger or among the blobs."""
    before = bench.ledger.size()
    (refused,) = bench.decide("not,a,row")
    assert isinstance(refused, Refused)
    assert bench.ledger.size() == before
    assert refused.to_json()["error"]["line"] == 2


def test_blobs_are_kept_before_the_record(bench: Bench):
    """Wrong if a crash could leave a record without the evidence it stands for."""
    order: list[str] = []
    keep_blobs, keep_records = bench.blobs.put_many, bench.ledger.record_many

    class Watched:
        def put_many(self, tenant, blobs, subjects):
            order.append("blobs")
            return keep_blobs(tenant, blobs, subjects)

        def record_many(self, tenant, drafts):
            order.append("records")
            return keep_records(tenant, drafts)

    from dataclasses import replace

    loop = replace(bench.loop, blobs=Watched(), recorder=Watched())  # type: ignore[arg-type]
    list(Bench(loop, bench.ledger, bench.blobs, bench.clock, bench.replayer).decide(FATAL))
    assert order == ["blobs", "records"]


def test_observation_evidence_and_record_keep_their_contracts(bench: Bench):
    """Wrong if what crosses the boundary had another shape than its published schema."""
    (answer,) = bench.decide(FATAL)
    schemas, detail = Schemas(), bench.ledger.read(answer.receipt.index).detail
    schemas.check("decision-sealed", dict(detail))
    schemas.check("observation", parse_document(bench.blobs.get(TENANT, detail["observation"])))
    schemas.check("evidence", parse_document(bench.blobs.get(TENANT, detail["evidence"])))
    schemas.check("record", parse_document(bench.ledger.read(answer.receipt.index).raw))
    schemas.check("answer", answer.to_json())


def test_the_ledger_holds_no_fact_of_the_observation(bench: Bench):
    """Wrong if a reader of the ledger learned anything about a person or an accident."""
    (answer,) = bench.decide(FATAL)
    raw = bench.ledger.read(answer.receipt.index).raw
    for fact in (b"221158942", b"fatality", b"injury", b"hand"):
        assert fact not in raw


def test_the_same_input_twice_has_two_digests_and_one_effect_key(bench: Bench):
    """Wrong if digests told that two observations are equal, or an act had two keys."""
    first, second = (bench.ledger.read(each.receipt.index).detail for each in bench.decide(FATAL, FATAL))
    assert first["observation"] != second["observation"]
    assert first["evidence"] != second["evidence"]
    assert first["effects"] == second["effects"] != []


def test_another_tenant_key_gives_another_effect_key(bench: Bench):
    """Wrong if anybody could compute an effect's key from public facts."""
    (ours,) = bench.decide(FATAL)
    (theirs,) = bench.with_tenant_secret(b"x" * 32).decide(FATAL)
    assert (
        bench.ledger.read(ours.receipt.index).detail["effects"]
        != (bench.ledger.read(theirs.receipt.index).detail["effects"])
    )


def test_a_large_run_goes_through_in_batches(bench: Bench):
    """Wrong if an endless input were read to its end before the first answer."""
    answers = bench.loop.run(endless(), legal_date=LEGAL_DATE)
    taken = [next(answers) for _ in range(BATCH_MAX + 1)]
    assert all(isinstance(answer, Decided) for answer in taken)


def endless():
    from bailiwick.decisions import RawInput

    while True:
        yield RawInput(media="csv", header=HEADER, body=FATAL)


def test_without_a_legal_date_an_input_is_refused_with_the_remedy(bench: Bench):
    """Wrong if today's law were silently applied to a row that says no date."""
    (refused,) = bench.decide(FATAL, legal_date=None)
    assert refused.error.code == "legal-date-missing"
    assert "--legal-date" in refused.error.hint


def test_the_clock_going_back_is_recorded_and_changes_no_order(bench: Bench):
    """Wrong if a clock set back could make a later decision look earlier."""
    bench.decide(FATAL)
    bench.clock.advance(-3600 * NANOSECONDS)
    (answer,) = bench.decide(FATAL)
    times = [record.timestamp for record in bench.ledger.records()]
    assert times == sorted(times)
    assert "clock.regression" in [record.event_type for record in bench.ledger.records()]
    assert bench.ledger.read(answer.receipt.index).detail["outcome"] == "report-within-8-hours"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("[]", "input-not-object"),
        ("{", "json-truncated"),
        ('{"summary_nr": 1, "summary_nr": 2}', "json-duplicate-key"),
        ('{"summary_nr": NaN}', "json-not-a-number"),
        ('{"summary_nr": 1, "injury_line_nr": 1, "age": 40.5}', "fact-fraction"),
        ('{"summary_nr": "1", "injury_line_nr": 1}', "schema-violated"),
        ('{"summary_nr": 1, "injury_line_nr": 1, "surprise": 1}', "schema-violated"),
        ("x" * (BODY_BYTES_MAX + 1), "input-too-long"),
    ],
)
def test_json_that_breaks_its_contract_is_refused_by_name(bench: Bench, body: str, code: str):
    """Wrong if garbage went in, or came back under a code that says nothing."""
    (refused,) = bench.decide_json(body, legal_date=LEGAL_DATE)
    assert isinstance(refused, Refused)
    assert refused.error.code == code


def test_a_fraction_that_is_a_whole_number_is_one(bench: Bench):
    """Wrong if 3.0, an integer in JSON Schema, were refused or sealed as text."""
    (answer,) = bench.decide_json(
        '{"summary_nr": 1.0, "injury_line_nr": 1e0, "degree": "fatality"}', legal_date=LEGAL_DATE
    )
    evidence = parse_document(bench.blobs.get(TENANT, answer.evidence))
    assert evidence["facts"]["summary_nr"] == 1


def test_whole_numbers_are_found_at_any_depth():
    """Wrong if a fraction could hide inside a list."""
    from decimal import Decimal

    assert whole_numbers({"a": [{"b": Decimal("2.0")}]}) == {"a": [{"b": 2}]}
    with pytest.raises(InputRefused, match="/a/0/b"):
        whole_numbers({"a": [{"b": Decimal("2.5")}]})


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("stopped by the clock", hint="again", code="module-deadline"),
        ModuleFailed("trapped", hint="tell", code="module-trapped"),
        RowRefused("no row", hint="mend", code="row-number"),
    ],
    ids=lambda error: error.code,
)
def test_a_reader_that_fails_refuses_one_input_and_no_other(bench: Bench, error: Exception):
    """Wrong if one bad row, or one slow one, could stop the rows behind it."""
    from dataclasses import replace

    real, calls = bench.loop.read_row, []

    def failing(envelope: bytes):
        calls.append(envelope)
        if len(calls) == 2:
            raise error
        return real(envelope)

    broken = Bench(replace(bench.loop, read_row=failing), bench.ledger, bench.blobs, bench.clock, bench.replayer)
    answers = broken.decide(FATAL, FATAL, FATAL)
    assert [type(answer) for answer in answers] == [Decided, Refused, Decided]
    assert answers[1].error is error


def test_a_poisoned_ledger_stops_the_loop(bench: Bench):
    """Wrong if answers went on while nobody knows whether records are kept."""
    from dataclasses import replace

    class Poisoned:
        def record_many(self, tenant, drafts):
            raise LedgerPoisoned("the disk failed", hint="reopen")

    loop = replace(bench.loop, recorder=Poisoned())  # type: ignore[arg-type]
    with pytest.raises(LedgerPoisoned):
        Bench(loop, bench.ledger, bench.blobs, bench.clock, bench.replayer).decide(FATAL)


def test_answers_are_json_lines(bench: Bench):
    """Wrong if a program could not read the one line that it gets for each input."""
    decided, refused = bench.decide(FATAL, "x")
    assert json.loads(json.dumps(decided.to_json())).keys() == {"record", "outcome", "evidence", "receipt", "line"}
    assert json.loads(json.dumps(refused.to_json()))["error"].keys() >= {"code", "message", "hint"}
