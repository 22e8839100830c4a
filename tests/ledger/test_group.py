"""A group of records on its way into the ledger: the short way gives what the long way gives."""

from __future__ import annotations

import dataclasses
import hashlib

import pytest

from bailiwick.ledger.group import chain, hash_leaves, make_receipts
from bailiwick.ledger.proof import leaf_digest
from bailiwick.ledger.record import FIRST_PREV_HASH, admit
from bailiwick.model import Actor, Draft, Receipt

TIME = b"2026-01-01T00:00:00.000000000Z"
ACTOR = Actor(id="node:1", role="node")


def entries(count):
    """Give drafts that were checked and encoded, no two alike."""
    drafts = [
        Draft(event_type="test.done", resource=f"test/{at}", detail={"at": at}, actor=ACTOR) for at in range(count)
    ]
    return [admit(draft, "node-1") for draft in drafts]


@pytest.mark.parametrize("start", [0, 9, 4_294_967_296])
@pytest.mark.parametrize("count", [1, 2, 300])
def test_records_in_a_row_are_chained_as_one_by_one(start, count):
    """Wrong if the loop that does without a call for each record gave other bytes than ``Admitted.seal``."""
    given = entries(count)
    records, last = chain(given, start, FIRST_PREV_HASH.encode(), TIME)
    prev_hash = FIRST_PREV_HASH.encode()
    for index, (entry, raw) in enumerate(zip(given, records, strict=True), start):
        assert raw == entry.seal(index, prev_hash, TIME)
        prev_hash = hashlib.sha256(raw).hexdigest().encode()
    assert last == prev_hash


def test_leaves_are_those_that_proofs_are_made_of():
    """Wrong if an append put something else into the tree than a verifier computes."""
    records, _ = chain(entries(5), 0, FIRST_PREV_HASH.encode(), TIME)
    assert hash_leaves(records) == [leaf_digest(raw) for raw in records]


@pytest.mark.parametrize("count", [0, 1, 2, 70])
def test_receipts_are_like_any_other_and_cannot_be_changed(count):
    """Wrong if receipts that were made in a row were not values: unequal, of another type, or open to change."""
    leaves = [hashlib.sha256(bytes([at])).digest() for at in range(count)]
    receipts = make_receipts(40, leaves)
    assert receipts == [Receipt(index=40 + at, leaf=leaf.hex()) for at, leaf in enumerate(leaves)]
    for receipt in receipts:
        assert type(receipt) is Receipt
        assert hash(receipt) == hash(Receipt(index=receipt.index, leaf=receipt.leaf))
        with pytest.raises(dataclasses.FrozenInstanceError):
            receipt.index = 0
