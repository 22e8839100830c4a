"""Replay: the same bytes from what was kept, whatever is installed today, and a name for whatever differs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bailiwick.canonical import canonical_bytes
from bailiwick.decisions import Replayer, explain
from bailiwick.decisions.replay import first_difference
from bailiwick.errors import InputRefused, NotFound
from bailiwick.model import Draft
from bailiwick.schema import parse_document
from tests.decisions.conftest import ACTOR, FATAL, HOSPITAL, TENANT, Bench


def test_every_decision_replays_to_the_same_bytes(bench: Bench):
    """Wrong if deciding again gave other evidence than what was sealed."""
    bench.decide(FATAL, HOSPITAL, "221159072,2,2,1,10,2", "221159072,3,,1,10,2")
    bench.decide_json('{"summary_nr":1,"injury_line_nr":1,"degree":"fatality","incident_date":"2014-12-31"}')
    report = bench.replayer.run(bench.ledger.records())
    assert (report.replayed, report.differing, report.unavailable) == (5, (), ())


def test_altered_evidence_is_named_by_its_first_rule(bench: Bench):
    """Wrong if a changed value could pass, or the difference could not be found."""
    (answer,) = bench.decide(FATAL)
    record = bench.ledger.read(answer.receipt.index)
    evidence = parse_document(bench.blobs.get(TENANT, answer.evidence))
    evidence["impact"]["outcome"] = "record-only"
    (forged,) = bench.blobs.put_many(TENANT, [canonical_bytes(evidence)])
    other = Draft(
        event_type=record.event_type,
        resource=record.resource,
        detail={**record.detail, "evidence": forged},
        actor=ACTOR,
    )
    index = bench.ledger.record(TENANT, other).index
    report = bench.replayer.run([bench.ledger.read(index)])
    (difference,) = report.differing
    assert difference.to_json() == {
        "record": index,
        "where": "/impact/outcome: was 'record-only', is 'report-within-8-hours'",
    }


@pytest.mark.parametrize("lost", ["observation", "evidence", "pack", "module"])
def test_what_is_lost_is_unavailable_not_different(bench: Bench, lost: str):
    """Wrong if a missing blob were called a wrong decision."""
    (answer,) = bench.decide(FATAL)
    record = bench.ledger.read(answer.receipt.index)
    detail = record.detail
    digests = {**detail, "pack": detail["pack"]["digest"], "module": detail["modules"][0]["digest"]}
    bench.blobs.corrupt(TENANT, digests[lost])
    replayer = Replayer(
        tenant=TENANT,
        blobs=bench.blobs,
        reader_for=lambda pack: bench.blobs.get(TENANT, pack.intake["csv"].digest) and bench.replayer.reader_for(pack),
    )
    report = replayer.run([record])
    missing = 0 if lost == "evidence" else 1
    assert len(report.unavailable) == missing, "replay needs no stored evidence: the record holds its digest"
    assert report.differing == ()


def test_records_that_are_no_decisions_are_passed_over(bench: Bench):
    """Wrong if replaying a whole ledger counted its genesis as a decision."""
    seen: list[int] = []
    report = bench.replayer.run(bench.ledger.records(), seen.append)
    assert report.replayed == 0
    assert sum(seen) == bench.ledger.size()


def test_an_observation_of_another_format_is_refused(bench: Bench):
    """Wrong if a later format were read as if it were this one."""
    from bailiwick.decisions.intake import restore

    with pytest.raises(InputRefused, match="format"):
        restore(b'{"format":"bailiwick-observation/9"}')


@pytest.mark.parametrize(
    ("kept", "again", "where"),
    [
        ({"a": 1}, {"a": 2}, "/a: was 1, is 2"),
        ({"a": [1, 2]}, {"a": [1, 3]}, "/a/1: was 2, is 3"),
        ({"a": [1]}, {"a": [1, 2]}, "/a: was [1], is [1, 2]"),
        ({"trace": [{"rule": "r", "v": 1}]}, {"trace": [{"rule": "r", "v": 2}]}, "/trace/r/v: was 1, is 2"),
        ({}, {"b": 0}, "/b: was None, is 0"),
    ],
)
def test_the_first_difference_is_a_path(kept, again, where: str):
    """Wrong if somebody had to compare two long documents by eye."""
    assert first_difference(kept, again) == where


def test_an_explanation_is_of_a_decision_only(bench: Bench):
    """Wrong if any record could be dressed up as a decision."""
    with pytest.raises(NotFound, match=r"ledger\.genesis"):
        explain(TENANT, bench.ledger.read(0), bench.blobs)


def test_an_explanation_cites_the_law(bench: Bench):
    """Wrong if a person could not find the paragraph that decided."""
    (answer,) = bench.decide(FATAL)
    explanation = explain(TENANT, bench.ledger.read(answer.receipt.index), bench.blobs)
    told: list[str] = []

    def tell(branch) -> None:
        told.append(branch.text)
        for each in branch.branches:
            tell(each)

    tell(explanation.tree())
    text = "\n".join(told)
    assert "29 CFR 1904.39(a)(1)" in text
    assert "within 8 hours" in text
    assert "as if on 2024-01-01" in text
    assert "salt" not in json.dumps(explanation.to_json())


LIFE = """
import sys
from bailiwick.node import Node
from bailiwick.settings import Settings
with Node.open(Settings.resolve(home=sys.argv[1], environ={})) as node:
    report = node.replay("local")
    print(report.replayed, len(report.differing), len(report.unavailable))
"""


def test_another_process_on_one_core_without_caches_replays_the_same(tmp_path: Path):
    """Wrong if evidence depended on the process, the number of cores, or anything that is cached."""
    from bailiwick.node import Node
    from bailiwick.settings import Settings

    home = tmp_path / "home"
    Node.init(home, "local")
    with Node.open(Settings.resolve(home=home, environ={})) as node, sample() as stream:
        answers = list(node.decide("local", "us-osha-1904", node.read_inputs(stream, "csv"), legal_date="2024-01-01"))
    for cache in ("cache", "tenants/local/effects.db"):
        assert not (home / cache).is_dir()
        (home / cache).unlink(missing_ok=True)
    core = min(os.sched_getaffinity(0))
    ran = subprocess.run(
        [sys.executable, "-B", "-c", LIFE, str(home)],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        env={**os.environ, "PYTHONHASHSEED": "7"},
    )
    assert ran.stdout.split() == [str(len(answers)), "0", "0"]


def sample():
    """The sample that comes along."""
    from importlib.resources import files

    return (files("bailiwick") / "builtin" / "samples" / "osha-injuries.csv").open("rb")
