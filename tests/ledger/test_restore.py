"""A ledger brought back from a bundle: under a declared gap, and never below what a witness stands for."""

import pytest

from bailiwick.adapters.ledgerstore_memory import MemoryLedgerStore
from bailiwick.adapters.witness_memory import MemoryWitness
from bailiwick.errors import LedgerBroken, UsageRefused, Verdict
from bailiwick.keys import COSIGNATURE, Signer, new_secret
from bailiwick.ledger import (
    Cosigner,
    Keyring,
    restore_ledger,
    verify_bundle,
)

W1 = Signer("witness.example/w1", new_secret(bytes([1] * 32)), COSIGNATURE)


def restore(place, bundle, store, witnessed=None):
    """Bring a ledger back."""
    keys = Keyring([place.signer])
    return restore_ledger(place.tenant, store, keys, bundle, clock=place.clock, node_id="node-1", witnessed=witnessed)


def test_a_ledger_that_was_lost_comes_back_and_says_what_is_missing(witnessed, make_place, place):
    """Otherwise a lost disk would mean a lost ledger, or a gap that nobody declared."""
    back = make_place()
    done = restore(back, witnessed / "whole", back.store(), witnessed=10)
    assert (done.records, done.witnessed) == (10, 10)
    with back.open() as ledger:
        (record,) = [each for each in ledger.records(10) if each.event_type == "ledger.restored"]
        assert (record.detail["from_entry"], record.detail["witnessed"]) == (10, 10)
        assert ledger.verify().verdict is Verdict.OK
        ledger.export(witnessed / "again")
    key = place.signer.verifier.text()
    assert verify_bundle(witnessed / "again", key=key, since=witnessed / "whole").verdict is Verdict.OK
    assert verify_bundle(witnessed / "again", key=key, since=witnessed / "stale").verdict is not Verdict.OK


def test_a_ledger_is_not_brought_back_below_what_a_witness_stands_for(witnessed, make_place):
    """Otherwise the restored ledger would be a second past, which its witness refuses for ever."""
    back = make_place()
    with pytest.raises(LedgerBroken) as broken:
        restore(back, witnessed / "whole", back.store(), witnessed=11)
    assert broken.value.verdict is Verdict.TRUNCATED
    assert back.store().count() == 0


def test_a_witness_goes_on_with_a_ledger_that_was_brought_back(place, make_place, tmp_path):
    """Otherwise the node would be back, and nobody would stand for it."""
    witness = MemoryWitness(place.witness())
    with place.create() as ledger:
        ledger.heads.name_witness(W1.verifier)
        ledger.record_many(place.tenant, place.drafts(20))
        place.ask(ledger, witness)
        ledger.export(tmp_path / "bundle")
    back = make_place()
    size = Cosigner.size_of(witness.checkpoint(place.origin), [place.signer.verifier])
    restore(back, tmp_path / "bundle", back.store(), witnessed=size)
    with back.open() as ledger:
        assert back.ask(ledger, witness).is_met


def test_a_restoring_that_was_interrupted_goes_on(witnessed, make_place):
    """Otherwise a crash in the middle would leave neither a ledger nor an empty folder."""
    back = make_place()
    whole = make_place()
    restore(whole, witnessed / "whole", whole.store())
    full, store = whole.store(), back.store()
    assert full.count() > 4
    with store.exclusive():
        assert store.count() == 0
        store.append(0, full.read(0, 4))
    restore(back, witnessed / "whole", back.store())
    with back.open() as ledger:
        assert ledger.verify().verdict is Verdict.OK
    with pytest.raises(UsageRefused) as refused:
        restore(back, witnessed / "whole", back.store())
    assert refused.value.code == "ledger-exists"


def test_a_bundle_that_does_not_verify_is_not_restored(witnessed, place):
    """Otherwise a forged bundle would become the ledger, signed anew by its own key."""
    path = witnessed / "whole" / "checkpoint"
    path.write_bytes(path.read_bytes().replace(b"\n10\n", b"\n11\n"))
    with pytest.raises(LedgerBroken):
        restore(place, witnessed / "whole", MemoryLedgerStore())
