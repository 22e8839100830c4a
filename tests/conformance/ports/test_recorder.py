"""What every recorder promises: receipts in order, tenants apart, and the ledger's own refusals."""

from __future__ import annotations

import pytest

from bailiwick.adapters.recorder_memory import MemoryRecorder
from bailiwick.errors import BailiwickError
from bailiwick.model import Actor, Draft

ACTOR = Actor(id="operator-1", role="operator")


def draft(number: object = 0) -> Draft:
    """Give a draft."""
    return Draft(event_type="panic.set", resource="panic", detail={"number": number}, actor=ACTOR)


def test_receipts_count_from_0_in_the_order_of_the_drafts():
    """A receipt would prove another record than the one that it was given for."""
    recorder = MemoryRecorder()
    assert recorder.record("local", draft(0)).index == 0
    receipts = recorder.record_many("local", [draft(1), draft(2)])
    assert [receipt.index for receipt in receipts] == [1, 2]
    assert [each.detail["number"] for each in recorder.drafts("local")] == [0, 1, 2]
    assert len({receipt.leaf for receipt in receipts}) == 2


def test_tenants_have_records_of_their_own():
    """One tenant would read what happened to another."""
    recorder = MemoryRecorder()
    recorder.record("local", draft())
    assert recorder.record("other", draft()).index == 0
    assert len(recorder.drafts("local")) == 1


@pytest.mark.parametrize(
    ("tenant", "drafts"), [("../x", [draft()]), ("local", [draft(1), draft(7.5)]), ("local", [draft("\ud800")])]
)
def test_what_a_ledger_refuses_is_refused_here_and_none_of_the_group_is_kept(tenant: str, drafts: list[Draft]):
    """A room would pass its tests with records that no ledger takes."""
    recorder = MemoryRecorder()
    with pytest.raises(BailiwickError):
        recorder.record_many(tenant, drafts)
    assert recorder.drafts("local") == []
