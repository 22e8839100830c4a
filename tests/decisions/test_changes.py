"""What would differ under another law: exactly the decisions that it decides otherwise, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from bailiwick.decisions import Change, Comparer, Loop, Missing, RawInput, Selection, keep
from bailiwick.decisions.changes import RECORDS_PER_GROUP
from bailiwick.keys import Signer, new_secret
from bailiwick.ledger import Ledger
from bailiwick.model import Actor
from bailiwick.packs import load_pack
from bailiwick.testing import MemoryBlobStore, MemoryClock, MemoryEntropy, MemoryLedgerStore
from tests.law import NAME, LeaveLaw, differing, facts

TENANT = "local"
ACTOR = Actor(id="local:test", role="operator")
HISTORY = 300


@dataclass
class History:
    """A tenant's decisions, and the facts that each was made of."""

    ledger: Ledger
    blobs: MemoryBlobStore
    clock: MemoryClock
    facts: dict[int, dict[str, Any]]

    def decide(self, law: LeaveLaw, *given: dict[str, Any]) -> None:
        """Decide facts by a version of the law."""
        files = law.files()
        pack = load_pack(NAME, files)
        keep(TENANT, pack, files, {}, blobs=self.blobs, recorder=self.ledger, actor=ACTOR)
        loop = Loop(
            tenant=TENANT,
            pack=pack,
            read_row=never,
            recorder=self.ledger,
            blobs=self.blobs,
            clock=self.clock,
            entropy=MemoryEntropy(),
            secret=bytes(32),
            actor=ACTOR,
            versions={},
        )
        for each, answer in zip(
            given, loop.run(RawInput(media="json", body=json.dumps(one)) for one in given), strict=True
        ):
            self.facts[answer.receipt.index] = each

    def compare(self, law: LeaveLaw, **selected: Any) -> tuple[list[Change | Missing], Comparer]:
        """List what another version would decide otherwise."""
        comparer = Comparer(tenant=TENANT, pack=load_pack(NAME, law.files()), read_row=never, blobs=self.blobs)
        selection = Selection(**{"name": NAME, **selected})
        return list(comparer.run(self.ledger.records(), selection)), comparer


def never(_: bytes) -> Any:
    """No input of these tests is a row."""
    raise AssertionError("no reader is asked")


@pytest.fixture
def history() -> Iterator[History]:
    """A tenant that has decided a few hundred cases by version 1.0.0."""
    clock, blobs = MemoryClock(), MemoryBlobStore()
    with Ledger.create(
        TENANT,
        MemoryLedgerStore(),
        Signer("bailiwick/test", new_secret(bytes(32))),
        clock=clock,
        origin="bailiwick/test",
        node_id="test",
        actor=ACTOR,
        checkpoint_ms=None,
    ) as ledger:
        made = History(ledger, blobs, clock, {})
        made.decide(LeaveLaw(), *facts(HISTORY))
        yield made


@pytest.mark.parametrize(
    "after",
    [
        LeaveLaw(version="1.1.0"),
        LeaveLaw(version="1.1.0", cap=4_321),
        LeaveLaw(version="1.1.0", cap=4_319),
        LeaveLaw(version="1.1.0", rate=31),
        LeaveLaw(version="1.1.0", rate=29),
        LeaveLaw(version="1.1.0", within=61),
        LeaveLaw(version="1.1.0", cap=4_321, within=61),
    ],
    ids=["nothing", "cap + 1", "cap - 1", "rate + 1", "rate - 1", "within + 1", "both"],
)
def test_one_parameter_changed_by_one_unit_lists_exactly_the_decisions_that_it_changes(
    history: History, after: LeaveLaw
):
    """Wrong if a decision were left out, listed without cause, or said to differ in something else."""
    expected = {
        record: kinds
        for record, given in history.facts.items()
        if (kinds := differing(LeaveLaw().decide(given), after.decide(given)))
    }
    assert len(expected) < HISTORY or after.rate != 30
    found, comparer = history.compare(after)
    assert {each.record: list(each.kinds) for each in found} == expected
    tally = comparer.tally
    assert (tally.compared, tally.differing, tally.unavailable) == (HISTORY, len(expected), 0)
    assert tally.to_json()["kinds"] == {
        kind: count
        for kind in ("outcome", "severity", "measures", "obligations", "effects")
        if (count := sum(kind in kinds for kinds in expected.values()))
    }


def test_a_change_says_what_was_and_what_would_be(history: History):
    """Wrong if whoever reads the list had to decide again to see what is meant."""
    history.decide(LeaveLaw(), {"worked": 4_321 * 30, "used": 0, "day": "2025-06-01"})
    record = max(history.facts)
    found, _ = history.compare(LeaveLaw(version="1.1.0", cap=4_321))
    (change,) = [each.to_json() for each in found if each.record == record]
    assert change == {
        "record": record,
        "version": "1.0.0",
        "before": "capped",
        "after": "paid",
        "kinds": ["outcome", "severity", "measures", "obligations", "effects"],
        "differences": {
            "outcome": {"before": "capped", "after": "paid"},
            "severity": {"before": "medium", "after": "low"},
            "measures": [
                {"id": "over", "before": {"value": True, "unit": None}, "after": {"value": False, "unit": None}}
            ],
            "obligations": {"before": [{"id": "tell", "within_minutes": 60, "due_at": None}], "after": []},
            "effects": {"before": [{"type": "notice", "key": None, "parameters": {"left": 4_321}}], "after": []},
        },
    }


def test_other_words_change_no_decision(history: History):
    """Wrong if a mended sentence made every decision look different."""
    found, _ = history.compare(LeaveLaw(version="1.0.1", wording="Too much was earned."))
    assert found == []


def test_inputs_that_the_new_law_does_not_accept_are_listed_as_refused(history: History):
    """Wrong if a stricter input schema went unseen, or ended the comparison."""
    limit = 2_000
    expected = [record for record, given in history.facts.items() if given["used"] > limit]
    found, comparer = history.compare(LeaveLaw(version="2.0.0", used_max=limit))
    assert [each.record for each in found] == expected
    assert {(each.after, each.kinds, each.refusal["code"]) for each in found} == {
        (None, ("refused",), "schema-violated")
    }
    assert comparer.tally.kinds["refused"] == len(expected) > 0


def test_what_was_erased_is_missing_and_not_different(history: History):
    """Wrong if a decision that cannot be compared were counted as the same."""
    first, second, *_ = history.facts
    for record, blob in ((first, "observation"), (second, "evidence")):
        history.blobs.corrupt(TENANT, history.ledger.read(record).detail[blob])
    found, comparer = history.compare(LeaveLaw(version="1.1.0"))
    assert [(each.record, isinstance(each, Missing)) for each in found] == [(first, True), (second, True)]
    assert (comparer.tally.compared, comparer.tally.unavailable) == (HISTORY - 2, 2)


def test_a_selection_is_of_one_version_digest_or_time(history: History):
    """Wrong if decisions that nobody asked about were compared."""
    middle = history.ledger.read(history.ledger.size() - 1).timestamp
    history.clock.advance(10**9)
    second = LeaveLaw(version="1.1.0", cap=4_000)
    history.decide(second, *facts(20, seed=2))
    after = LeaveLaw(version="1.2.0", cap=1)
    digest = load_pack(NAME, second.files()).digest
    counts = {
        "all": history.compare(after)[1].tally.compared,
        "version": history.compare(after, version="1.1.0")[1].tally.compared,
        "digest": history.compare(after, digest=digest)[1].tally.compared,
        "other": history.compare(after, name="other-law")[1].tally.compared,
        "until": history.compare(after, until=middle)[1].tally.compared,
        "since": history.compare(after, since=middle)[1].tally.compared,
    }
    assert counts["all"] == HISTORY + 20
    assert (counts["version"], counts["digest"], counts["other"]) == (20, 20, 0)
    assert counts["until"] + counts["since"] == HISTORY + 20
    assert counts["since"] >= 20


def test_history_goes_by_and_is_not_gathered(history: History):
    """Wrong if a ledger of millions were held in memory to compare it."""
    held: list[int] = []

    def records() -> Iterator[Any]:
        """Note how far the ledger was read when a change comes out."""
        for record in history.ledger.records():
            held.append(record.index)
            yield record

    comparer = Comparer(
        tenant=TENANT,
        pack=load_pack(NAME, LeaveLaw(version="2.0.0", rate=31).files()),
        read_row=never,
        blobs=history.blobs,
    )
    for change in comparer.run(records(), Selection(name=NAME)):
        assert held[-1] - change.record <= RECORDS_PER_GROUP


def test_comparing_records_nothing(history: History):
    """Wrong if looking at what might be left a trace in what was."""
    size = history.ledger.size()
    history.compare(LeaveLaw(version="1.1.0", cap=1))
    assert history.ledger.size() == size
