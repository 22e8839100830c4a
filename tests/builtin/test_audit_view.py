"""The shipped view of the ledger: its cases, and what a lying host can do to it."""

import json
from pathlib import Path

import pytest

from bailiwick.authoring import run_cases
from bailiwick.engine import Engine, Refusal, read_answer
from bailiwick.errors import ModuleFailed
from bailiwick.model import Tier

FOLDER = Path(__file__).parents[2] / "src" / "bailiwick" / "builtin" / "modules" / "audit-view"
BUDGET = Tier.STANDARD.budget


class Host:
    """Answers every question with the same value."""

    def __init__(self, output):
        self.output = output

    def call(self, interface, function, input, *, left, charge):  # noqa: A002 the shape of every link
        return self.output


@pytest.fixture(scope="module")
def engine():
    with Engine() as started:
        yield started


@pytest.fixture(scope="module")
def guest(engine):
    return engine.load((FOLDER / "audit-view.wasm").read_bytes())


def test_its_own_cases_pass(engine, guest):
    """Wrong if a page for people leaves out or makes up an entry."""
    manifest = json.loads((FOLDER / "module.json").read_text())
    report = run_cases(manifest, (FOLDER / "cases.json").read_bytes(), guest, engine, BUDGET)
    assert report.failed == ()
    assert report.cases == 7


@pytest.mark.parametrize("output", [None, [], "x", {"records": 7}, {"records": [[]], "next": 1, "at-end": True}])
def test_a_host_that_answers_something_else_is_survived(engine, guest, output):
    """Wrong if the guest reads beyond what it was given; refusing or failing are both honest."""
    try:
        run = engine.run(guest, "view", b'{"start":0,"limit":3}', BUDGET, host=Host(output))
    except ModuleFailed:
        return
    answer = read_answer(run.output)
    assert isinstance(answer, Refusal) or answer["counts"] == [] or answer["looked_at"] <= 1


def test_a_host_that_never_ends_is_left_after_a_bounded_number_of_pages(engine, guest):
    """Wrong if a call could go on for ever."""
    page = {"records": [], "next": 0, "at-end": False}
    run = engine.run(guest, "view", b'{"start":0,"limit":3}', BUDGET, host=Host(page))
    assert len(run.transcript) == 200
    assert read_answer(run.output)["at_end"] is False


def test_pages_as_large_as_records_can_be_do_not_fill_its_memory(engine, guest):
    """Wrong if a ledger of large records could not be looked at."""
    record = {
        "index": 1,
        "event-type": "a.b",
        "resource": "r",
        "timestamp": "2026-11-21T15:03:29.730869362Z",
        "actor": "x",
        "detail": "d" * 65_000,
    }
    page = {"records": [record] * 50, "next": 50, "at-end": False}
    run = engine.run(guest, "view", b'{"start":0,"limit":100}', BUDGET, host=Host(page))
    assert len(read_answer(run.output)["entries"]) == 100
