"""Proofs taken a group of hashes at a time: the same as node by node, and never wrong for what lies in the files."""

from __future__ import annotations

import hashlib
import random

import pytest

from bailiwick.adapters.ledgerstore_memory import MemoryLedgerStore
from bailiwick.errors import LedgerBroken, Verdict
from bailiwick.ledger import columns, verify_receipt
from bailiwick.ledger.columns import Columns
from bailiwick.ledger.tree import Frontier, inclusion_proof
from tests.ledger.conftest import Place

RECORDS = 300


def grown(size):
    """Give the columns of a tree of so many leaves, as they lie in the side files."""
    filled, frontier = Columns(MemoryLedgerStore()), Frontier()
    filled.extend(0, frontier.extend([hashlib.sha256(b"%d" % number).digest() for number in range(size)]))
    filled.flush()
    return filled


@pytest.mark.parametrize("whole", [1, 2, 15, 16, 17, 255, 256, 257, 4_095, 4_097, 9_000])
def test_a_proof_by_groups_is_the_proof_by_nodes(whole):
    """Wrong if any leaf of any size had another path: at the right edge, in trees smaller than the columns."""
    tree, dice = grown(whole), random.Random(7)
    for size in {1, whole // 2 or 1, max(whole - 3, 1), whole}:
        for index in {0, size - 1, *(dice.randrange(size) for _ in range(60))}:
            by_nodes = inclusion_proof(index, size, lambda height, number, size=size: tree.node(height, number, size))
            assert tree.proof(index, size) == by_nodes, (index, size)


def test_pages_that_grew_are_read_again():
    """Wrong if what was remembered of a smaller tree were used for a larger one."""
    store, frontier = MemoryLedgerStore(), Frontier()
    filled, reader = Columns(store), Columns(store)
    for start in range(0, 6_000, 100):
        leaves = [hashlib.sha256(b"%d" % number).digest() for number in range(start, start + 100)]
        filled.extend(start, frontier.extend(leaves))
        filled.flush()
        size = start + 100
        for index in (0, start, size - 1):
            by_nodes = inclusion_proof(index, size, lambda height, number, size=size: filled.node(height, number, size))
            assert reader.proof(index, size) == by_nodes


def test_what_is_remembered_stays_bounded(monkeypatch):
    """Wrong if a process that proves for ever grew for ever."""
    monkeypatch.setattr(columns, "PAGES_KEPT", 2)
    monkeypatch.setattr(columns, "EDGES_KEPT", 3)
    tree = grown(20_000)
    for index in range(0, 20_000, 500):
        tree.proof(index, 20_000 - index // 500)
    assert len(tree._pages) <= 2
    assert len(tree._edges) <= 3


@pytest.fixture
def place():
    """Give a place with a ledger of some hundred records."""
    place = Place()
    with place.create() as ledger:
        ledger.record_many(place.tenant, place.drafts(RECORDS))
    return place


@pytest.mark.parametrize("column", ["0", "4", "8"])
def test_damaged_columns_cost_time_and_nothing_else(place, column):
    """Wrong if a changed, cut or missing column gave a proof that does not hold, or none."""
    path = place.folder / "tree" / column
    whole = place.disk.read(path)
    for data in (bytes(len(whole)), whole[:33], b"", whole[32:] + whole[:32]):
        with place.open() as ledger:
            ledger.prove(7)
            place.overwrite(path, data)
        with place.open() as ledger:
            for index in (0, 7, 255, 256, RECORDS):
                record = ledger.read(index)
                assert verify_receipt(ledger.prove(index), record.raw, key=ledger.verifier_key())[0] == index
        assert place.disk.read(path)[: len(whole)] == whole


def test_columns_that_are_damaged_while_they_are_remembered_are_mended(place):
    """Wrong if a process went on with what it had read wrongly."""
    path = place.folder / "tree" / "4"
    whole = place.disk.read(path)
    place.overwrite(path, bytes(len(whole)))
    with place.open() as ledger:
        for index in range(RECORDS):
            verify_receipt(ledger.prove(index), ledger.read(index).raw, key=ledger.verifier_key())


def test_a_changed_record_is_altered_and_nothing_is_made_anew(place, monkeypatch):
    """Wrong if one changed record made a process read the whole ledger at each proof of it, or passed."""
    segment = place.segment(0)
    data = place.disk.read(segment)
    place.overwrite(segment, data.replace(b'"number":5}', b'"number":6}', 1))
    with place.open() as ledger:
        monkeypatch.setattr("bailiwick.ledger.writer.Writer._rebuild_columns", None)
        with pytest.raises(LedgerBroken) as caught:
            ledger.prove(6)
        assert caught.value.verdict is Verdict.ALTERED
        ledger.prove(5)


def test_records_that_were_just_appended_are_proven(place):
    """Wrong if a proof waited for hashes to be written, or failed where they were not yet."""
    with place.open() as ledger:
        for number in range(40):
            receipt = ledger.record(place.tenant, place.draft(number))
            raw = ledger.read(receipt.index).raw
            assert verify_receipt(ledger.prove(receipt.index), raw, key=ledger.verifier_key())[0] == receipt.index
