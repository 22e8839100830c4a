"""The demo in real processes: from nothing, again on the same home, and two at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

DEMO = [sys.executable, "-m", "bailiwick.cli", "demo", "--json"]


@pytest.fixture
def environment(tmp_path):
    """Give an environment whose home is empty."""
    return {**os.environ, "BAILIWICK_HOME": str(tmp_path / "home")}


def run(environment) -> dict:
    """Run one demo to its end and read what it found."""
    ran = subprocess.run(DEMO, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_a_second_demo_continues_the_ledger_and_repeats_no_effect(environment):
    """If it failed, running twice would begin a new ledger, or tell the area office twice."""
    first, second = run(environment), run(environment)
    assert (first["created"], second["created"]) == (True, False)
    assert first["verifier_key"] == second["verifier_key"]
    assert second["verified_elsewhere"]["records"] > first["verified_elsewhere"]["records"]
    assert first["effects"]["delivered"] > 0
    assert (second["effects"]["delivered"], second["effects"]["repeated"]) == (0, 0)
    assert first["decided"]["count"] >= 200
    assert first["decided"]["outcomes"] == second["decided"]["outcomes"]


def test_two_demos_at_once_on_one_home_leave_one_chain(environment, tmp_path):
    """If it failed, two terminals on one home would fork the ledger, lose a decision, or deliver an effect twice."""
    running = [
        subprocess.Popen(DEMO, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)
    ]
    outputs = [each.communicate() for each in running]
    assert [each.returncode for each in running] == [0, 0], outputs
    answers = [json.loads(out) for out, _ in outputs]
    assert {answer["verifier_key"] for answer in answers} == {answers[0]["verifier_key"]}
    listed = subprocess.run(
        [sys.executable, "-m", "bailiwick.cli", "ledger", "tail", "--count", "10000", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    records = [json.loads(line) for line in listed.stdout.splitlines()]
    sealed = [record for record in records if record["event_type"] == "decision.sealed"]
    results = [record["detail"]["key"] for record in records if record["event_type"] == "effect.result"]
    assert len(sealed) == sum(answer["decided"]["count"] for answer in answers)
    assert len(results) == len(set(results)) > 0
    outbox = [path for path in (tmp_path / "home/tenants/local/outbox").rglob("*") if path.is_file()]
    assert len(outbox) == len(results)


def test_the_demo_says_by_which_day_it_judges(environment):
    """If it failed, a reader would take the outcomes for judgements by today's law."""
    ran = subprocess.run(
        [*DEMO[:-1], "--legal-date", "2014-06-01"], env=environment, capture_output=True, text=True, check=True
    )
    assert "as if on 2014-06-01" in ran.stdout
