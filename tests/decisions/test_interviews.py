"""Sessions of interviews between two sittings: encrypted, apart from the ledger, and gone when they are forgotten."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bailiwick.decisions import Interviews
from bailiwick.errors import BailiwickError, InputRefused, NotFound, SchemaViolated
from bailiwick.packs import Session
from bailiwick.testing import MemoryBlobStore, MemoryEntropy

TENANT = "local"
NAME = "0123456789abcdef0123456789abcdef"
SESSION = Session(pack="sick-pay", version="1.0.0", digest="sha256:" + "ab" * 32).with_answer("in.kind", "field")


@pytest.fixture
def blobs() -> MemoryBlobStore:
    """Give a store of nothing."""
    return MemoryBlobStore()


@pytest.fixture
def kept(blobs: MemoryBlobStore) -> Interviews:
    """Give the sessions of a tenant."""
    return Interviews(tenant=TENANT, blobs=blobs)


def test_what_was_saved_comes_back(kept: Interviews):
    """Wrong if a person came back to other answers."""
    saved = kept.save(NAME, SESSION)
    assert kept.load(NAME) == saved == replace(SESSION, saves=1)


def test_a_later_save_takes_the_place_of_the_earlier_and_destroys_it(kept: Interviews, blobs: MemoryBlobStore):
    """Wrong if an answer that was changed could still be read."""
    first = kept.save(NAME, SESSION)
    digests = {slot: blobs.kept_for(TENANT, f"interview/{NAME}-{slot}") for slot in "ab"}
    kept.save(NAME, first.with_answer("in.kind", "office"))
    assert kept.load(NAME).answers == {"in.kind": "office"}
    (old,) = digests["a"]
    with pytest.raises(BailiwickError):
        blobs.get(TENANT, old, f"interview/{NAME}-a")
    third = kept.save(NAME, kept.load(NAME).with_skip("in.kind"))
    assert (kept.load(NAME), third.saves) == (third, 3)


def test_a_crash_between_writing_and_destroying_keeps_the_newer(kept: Interviews, blobs: MemoryBlobStore, monkeypatch):
    """Wrong if a power cut brought old answers back, or none."""
    first = kept.save(NAME, SESSION)
    monkeypatch.setattr(blobs, "erase", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        kept.save(NAME, first.with_answer("in.kind", "office"))
    monkeypatch.undo()
    again = kept.load(NAME)
    assert (again.answers, again.saves) == ({"in.kind": "office"}, 2)
    assert kept.save(NAME, again).saves == 3


def test_an_interview_that_went_on_elsewhere_is_not_overwritten(kept: Interviews):
    """Wrong if two windows could undo each other's answers."""
    first = kept.save(NAME, SESSION)
    kept.save(NAME, first.with_answer("in.kind", "office"))
    for stale in (first, SESSION):
        with pytest.raises(InputRefused) as caught:
            kept.save(NAME, stale)
        assert caught.value.code == "interview-moved-on"
    assert kept.load(NAME).answers == {"in.kind": "office"}


def test_what_is_forgotten_is_gone(kept: Interviews):
    """Wrong if a person's answers outlived their wish."""
    kept.save(NAME, SESSION)
    assert kept.forget(NAME)
    assert not kept.forget(NAME)
    with pytest.raises(NotFound) as caught:
        kept.load(NAME)
    assert caught.value.code == "interview-not-found"


@pytest.mark.parametrize("name", ["", "x", NAME.upper(), NAME + "0", "../../keys", NAME[:-1] + "\n"])
def test_an_id_that_is_none_is_not_found(kept: Interviews, name: str):
    """Wrong if an id from outside could name something else than an interview."""
    for ask in (kept.load, kept.forget, lambda each: kept.save(each, SESSION)):
        with pytest.raises(NotFound):
            ask(name)


def test_another_tenant_has_another_interview(kept: Interviews, blobs: MemoryBlobStore):
    """Wrong if one tenant could read what a person told another."""
    kept.save(NAME, SESSION)
    with pytest.raises(NotFound):
        Interviews(tenant="other", blobs=blobs).load(NAME)


def test_a_session_outside_its_contract_is_not_kept(kept: Interviews):
    """Wrong if something were saved that could not be read again."""
    with pytest.raises(SchemaViolated):
        kept.save(NAME, SESSION.with_answer("in.words", "x" * 10_001))
    with pytest.raises(NotFound):
        kept.load(NAME)


def test_ids_are_opaque_and_new(kept: Interviews):
    """Wrong if an id told who was asked, or could be guessed."""
    entropy = MemoryEntropy()
    names = {Interviews.new_name(entropy) for _ in range(4)}
    assert len(names) == 4
    assert all(len(name) == 32 for name in names)
