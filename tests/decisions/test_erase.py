"""Erasing a subject: its evidence is gone, its records stay, and what is left says so."""

from __future__ import annotations

import pytest

from bailiwick.canonical import canonical_bytes
from bailiwick.decisions import Eraser, explain, subject_of
from bailiwick.errors import NotFound, Unavailable, UsageRefused
from bailiwick.model import Draft
from bailiwick.schema import Schemas
from tests.decisions.conftest import ACTOR, FATAL, HOSPITAL, TENANT, Bench


@pytest.fixture
def eraser(bench: Bench) -> Eraser:
    return Eraser(tenant=TENANT, ledger=bench.ledger, blobs=bench.blobs, actor=ACTOR)


def decided(bench: Bench, *rows: str) -> list[int]:
    return [answer.receipt.index for answer in bench.decide(*rows)]


def test_what_was_erased_is_unavailable_to_replay_and_explanation_and_nothing_else(bench: Bench, eraser: Eraser):
    """Wrong if erased evidence could be read, or a neighbour's could not."""
    gone, kept = decided(bench, FATAL, HOSPITAL)
    (erasure,) = eraser.erase([subject_of(bench.ledger.read(gone))])
    assert (erasure.decisions, erasure.blobs) == ((gone,), 2)
    report = bench.replayer.run(bench.ledger.records())
    assert (report.replayed, report.differing) == (1, ())
    (missing,) = report.unavailable
    assert missing.record == gone
    assert "was erased" in missing.where
    with pytest.raises(NotFound) as caught:
        explain(TENANT, bench.ledger.read(gone), bench.blobs)
    assert caught.value.code == "blob-erased"
    assert explain(TENANT, bench.ledger.read(kept), bench.blobs).evidence


def test_the_erasure_is_recorded_and_the_ledger_still_verifies(bench: Bench, eraser: Eraser):
    """Wrong if an erasure left no trace, or broke the chain that others hold heads of."""
    (gone,) = decided(bench, FATAL)
    subject = subject_of(bench.ledger.read(gone))
    (erasure,) = eraser.erase([subject])
    record = bench.ledger.read(erasure.record)
    assert (record.event_type, record.resource, record.detail) == (
        "subject.erased",
        subject,
        {"subject": subject, "blobs": 2},
    )
    Schemas().check("subject-erased", record.detail)
    assert bench.ledger.verify().verdict.value == "ok"


def test_looking_destroys_nothing(bench: Bench, eraser: Eraser):
    """Wrong if a dry run were not dry."""
    (gone,) = decided(bench, FATAL)
    size = bench.ledger.size()
    (found,) = eraser.find([subject_of(bench.ledger.read(gone))])
    assert (found.decisions, found.blobs, found.record) == ((gone,), 2, None)
    assert bench.ledger.size() == size
    assert bench.replayer.run(bench.ledger.records()).replayed == 1


def test_the_same_observation_decided_twice_is_one_subject(bench: Bench, eraser: Eraser):
    """Wrong if deciding again kept a copy that an erasure does not reach."""
    first, again = decided(bench, FATAL, FATAL)
    (erasure,) = eraser.erase([subject_of(bench.ledger.read(first))])
    assert (erasure.decisions, erasure.blobs) == ((first, again), 4)
    assert len(bench.replayer.run(bench.ledger.records()).unavailable) == 2


def test_erasing_again_records_nothing_until_something_new_came(bench: Bench, eraser: Eraser):
    """Wrong if repeating a command filled the ledger, or a later decision escaped it."""
    (gone,) = decided(bench, FATAL)
    subject = subject_of(bench.ledger.read(gone))
    (first,) = eraser.erase([subject])
    size = bench.ledger.size()
    assert eraser.erase([subject])[0].record == first.record
    assert bench.ledger.size() == size
    decided(bench, FATAL)
    (later,) = eraser.erase([subject])
    assert (later.blobs, later.record) == (2, size + 1)


def test_killed_between_the_key_and_the_record_the_next_call_records(bench: Bench, eraser: Eraser):
    """Wrong if a crash left an erasure that nobody can prove."""
    (gone,) = decided(bench, FATAL)
    subject = subject_of(bench.ledger.read(gone))
    bench.blobs.erase(TENANT, subject)
    (erasure,) = eraser.erase([subject])
    assert bench.ledger.read(erasure.record).detail == {"subject": subject, "blobs": 0}


def test_a_store_that_fails_leaves_no_record_of_an_erasure(bench: Bench, eraser: Eraser):
    """Wrong if the ledger said erased while the key was still there."""
    (gone,) = decided(bench, FATAL)
    size = bench.ledger.size()

    class Failing:
        def __getattr__(self, name: str):
            return getattr(bench.blobs, name)

        def erase(self, *arguments):
            raise Unavailable("the disk is full", hint="free some")

    failing = Eraser(tenant=TENANT, ledger=bench.ledger, blobs=Failing(), actor=ACTOR)  # type: ignore[arg-type]
    with pytest.raises(Unavailable):
        failing.erase([subject_of(bench.ledger.read(gone))])
    assert bench.ledger.size() == size


def test_a_pack_is_never_erased_with_a_subject(bench: Bench, eraser: Eraser):
    """Wrong if a forged record could take away what every other decision rests on."""
    (first, kept) = decided(bench, FATAL, HOSPITAL)
    record = bench.ledger.read(first)
    pack = record.detail["pack"]["digest"]
    (loose,) = bench.blobs.put_many(TENANT, [canonical_bytes({"format": "something-else"})])
    forged = Draft(
        event_type=record.event_type,
        resource=record.resource,
        detail={**record.detail, "observation": pack, "evidence": loose},
        actor=ACTOR,
    )
    bench.ledger.record(TENANT, forged)
    eraser.erase([subject_of(record)])
    assert bench.blobs.has(TENANT, pack)
    assert bench.blobs.has(TENANT, loose)
    assert bench.replayer.run([bench.ledger.read(kept)]).replayed == 1


def test_what_an_earlier_version_kept_without_a_subject_is_erased_too(bench: Bench, eraser: Eraser):
    """Wrong if people decided about before the upgrade could not be erased."""
    (gone,) = decided(bench, FATAL)
    detail = bench.ledger.read(gone).detail
    digests = [detail["observation"], detail["evidence"]]
    blobs = [bench.blobs.get(TENANT, each) for each in digests]
    subject = subject_of(bench.ledger.read(gone))
    bench.blobs.put_many(TENANT, blobs)
    (erasure,) = eraser.erase([subject])
    assert erasure.blobs == 4
    assert not any(bench.blobs.has(TENANT, each) for each in digests)


def test_a_subject_that_nobody_knows_is_said_before_anything_is_destroyed(bench: Bench, eraser: Eraser):
    """Wrong if a slip in one of several subjects stopped half-way."""
    (gone,) = decided(bench, FATAL)
    with pytest.raises(NotFound) as caught:
        eraser.erase([subject_of(bench.ledger.read(gone)), "observation/" + "0" * 32])
    assert caught.value.code == "subject-not-found"
    assert bench.replayer.run(bench.ledger.records()).replayed == 1
    with pytest.raises(UsageRefused):
        eraser.erase(["jane@example.org"])
    with pytest.raises(NotFound):
        subject_of(bench.ledger.read(0))
