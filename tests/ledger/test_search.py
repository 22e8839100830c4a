"""Searching: what is found is proven, and an index that lies only costs time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.adapters.ledgerindex_memory import MemoryLedgerIndex
from bailiwick.adapters.ledgerindex_sqlite import SqliteLedgerIndex
from bailiwick.canonical import time_ns
from bailiwick.errors import LedgerBroken, Unavailable, UsageRefused
from bailiwick.ledger import Query, Search, search
from bailiwick.model import Actor, Cursor, Draft

DIGESTS = [f"sha256:{number:064x}" for number in range(4)]
KEY = "hmac-sha256:" + "ab" * 32


def draft(number):
    """Give something that can be found in several ways."""
    return Draft(
        event_type=("decision.sealed", "effect.result", "panic.set")[number % 3],
        resource=f"case/{number % 5}",
        detail={
            "number": number,
            "evidence": DIGESTS[number % 4],
            "nested": [{"key": KEY}] if number == 7 else [],
            "subject": f"person-{number % 2}",
        },
        actor=Actor(id=f"actor-{number % 4}", role="operator"),
    )


@pytest.fixture
def filled(place):
    """Give an open ledger with records of many kinds."""
    with place.create() as ledger:
        for start in range(1, 61, 3):
            ledger.record_many("local", [draft(number) for number in range(start, start + 3)])
        yield ledger


@pytest.fixture(params=["memory", "sqlite"])
def index(request, tmp_path):
    made = MemoryLedgerIndex() if request.param == "memory" else SqliteLedgerIndex(tmp_path, busy_seconds=0.01)
    yield made
    made.close()


def found(ledger, index, **conditions):
    """Give the indexes of every hit."""
    return [hit.index for hit in Search(ledger, index).find(Query(**conditions), limit=1_000).hits]


@pytest.mark.parametrize(
    ("conditions", "wanted"),
    [
        ({"resource": "case/3"}, range(3, 61, 5)),
        ({"event_type": "panic.set"}, range(2, 61, 3)),
        ({"actor": "actor-1"}, range(1, 61, 4)),
        ({"digest": DIGESTS[2]}, range(2, 61, 4)),
        ({"digest": KEY}, [7]),
        ({"subject": "person-1"}, range(1, 61, 2)),
        ({"resource": "case/3", "event_type": "panic.set"}, range(8, 61, 15)),
        ({"resource": "case/3", "actor": "actor-0", "digest": DIGESTS[0]}, [8, 28, 48]),
        ({"resource": "case/3", "actor": "actor-0", "digest": DIGESTS[1]}, []),
        ({"resource": "case"}, []),
        ({"resource": "actor-1"}, []),
    ],
)
def test_each_condition_finds_its_records(filled, index, conditions, wanted):
    """Wrong if a search left out a record, or took one for its neighbour."""
    assert found(filled, index, **conditions) == list(wanted)
    scanned = Search(filled, index).find(Query(**conditions), limit=1_000, is_scanned=True)
    assert [hit.index for hit in scanned.hits] == list(wanted)
    assert scanned.label == search.BY_SCAN


def test_times_bound_a_search_and_are_included(filled, index):
    """Wrong if a boundary cut a flush in two, or was off by one."""
    first, last = (time_ns(filled.read(position).timestamp) for position in (10, 30))
    inside = [record.index for record in filled.records() if first <= time_ns(record.timestamp) <= last]
    assert found(filled, index, since_ns=first, until_ns=last) == inside
    typed = found(filled, index, since_ns=first, until_ns=last, event_type="panic.set")
    assert typed == [position for position in inside if position % 3 == 2]
    assert found(filled, index, since_ns=last + 1, until_ns=first, event_type="panic.set") == []
    assert found(filled, index, until_ns=0, event_type="panic.set") == []


@pytest.mark.parametrize("is_scanned", [False, True])
@pytest.mark.parametrize("limit", [1, 3, 7, 20, 21])
def test_pages_follow_each_other_without_gap_or_overlap(filled, index, limit, is_scanned):
    """Wrong if whoever reads page by page missed a record, or saw one twice."""
    searcher, query = Search(filled, index), Query(event_type="panic.set")
    hits, after, pages = [], -1, 0
    while after is not None:
        page = searcher.find(query, after=after, limit=limit, is_scanned=is_scanned)
        hits += [hit.index for hit in page.hits]
        after, pages = page.after, pages + 1
    assert hits == list(range(2, 61, 3))
    assert pages == -(-20 // limit)


def test_the_index_follows_the_ledger(filled, index):
    """Wrong if what was just recorded could not be found."""
    assert found(filled, index, resource="case/3")[-1] == 58
    filled.record("local", draft(63))
    assert found(filled, index, resource="case/3")[-1] == 61


def test_an_answer_says_how_far_it_can_be_trusted(filled, index):
    """Wrong if an unverified index passed for the ledger."""
    answer = Search(filled, index).find(Query(resource="case/3")).to_json()
    assert "unverified" in answer["label"]
    assert answer["hits"][0]["leaf"] == filled.leaf(3)


class LyingIndex(MemoryLedgerIndex):
    """Names every record, whatever is asked for."""

    def find(self, tenant, terms, start, stop, limit):
        return list(range(start, stop))[:limit]


def test_an_index_that_names_wrong_records_finds_nothing_wrong(filled):
    """Wrong if a damaged index could put a record where it does not belong."""
    page = Search(filled, LyingIndex()).find(Query(resource="case/3"), limit=1_000)
    assert [hit.index for hit in page.hits] == list(range(3, 61, 5))
    assert page.dropped == 61 - len(page.hits)


def test_an_index_that_lies_cannot_keep_a_page_reading_for_ever(filled, monkeypatch):
    """Wrong if one search could be made to read the whole ledger, a proof at a time."""
    monkeypatch.setattr(search, "CANDIDATES_MAX", 10)
    page = Search(filled, LyingIndex()).find(Query(digest=KEY), limit=5)
    assert page.dropped <= 15
    assert page.after is not None


def test_an_index_of_another_ledger_is_folded_anew(filled, index, make_place):
    """Wrong if a copied file could hide the records of this ledger."""
    other = make_place()
    other.clock.advance(10**9)
    with other.create() as strange:
        strange.record_many("local", [draft(1)] * 100)
        assert len(found(strange, index, resource="case/1")) == 100
    assert found(filled, index, resource="case/3") == list(range(3, 61, 5))


def test_an_index_that_is_ahead_of_its_ledger_is_folded_anew(filled, index):
    """Wrong if a ledger that was restored from a copy were searched by what it no longer holds."""
    index.fold("local", Cursor(count=10_000, leaf="0" * 64), [(1, 9_999)])
    assert found(filled, index, resource="case/3") == list(range(3, 61, 5))


def test_a_damaged_file_is_folded_anew_within_the_search(filled, tmp_path):
    """Wrong if a damaged index made people wait for somebody to repair it."""
    first = SqliteLedgerIndex(tmp_path)
    assert found(filled, first, resource="case/3") == list(range(3, 61, 5))
    first.close()
    (tmp_path / "local" / "index.db").write_bytes(b"garbage" * 4_096)
    again = SqliteLedgerIndex(tmp_path)
    assert found(filled, again, resource="case/3") == list(range(3, 61, 5))
    again.close()


def test_a_file_that_cannot_be_mended_ends_the_search(filled):
    """Wrong if a search could go round in circles."""

    class Broken(MemoryLedgerIndex):
        def find(self, tenant, terms, start, stop, limit):
            raise Unavailable("damaged", hint="again", code="ledger-index-damaged")

    with pytest.raises(Unavailable):
        found(filled, Broken(), resource="case/3")


def test_a_hit_that_was_changed_on_disk_is_refused(filled, index, place):
    """Wrong if a search showed what was never recorded."""
    assert found(filled, index, resource="case/3")
    lines = place.bytes_of(place.segment()).split(b"\n")
    lines[8] = lines[8].replace(b'"number":8', b'"number":9')
    place.overwrite(place.segment(), b"\n".join(lines))
    with pytest.raises(LedgerBroken) as caught:
        found(filled, index, resource="case/3")
    assert caught.value.index == 8


@pytest.mark.parametrize(
    ("conditions", "code"),
    [
        ({}, "search-empty"),
        ({"resource": ""}, "search-value"),
        ({"subject": "x" * 501}, "search-value"),
        ({"digest": "sha256:abc"}, "digest"),
        ({"digest": DIGESTS[0].upper()}, "digest"),
    ],
)
def test_what_cannot_be_looked_for_is_refused(conditions, code):
    """Wrong if a slip of the pen looked like an empty ledger."""
    with pytest.raises(UsageRefused) as caught:
        Query(**conditions)
    assert caught.value.code == code


@pytest.mark.parametrize("limit", [-1, 0, 1_001])
def test_a_page_has_a_limit(filled, index, limit):
    """Wrong if one answer could be as large as the ledger."""
    with pytest.raises(UsageRefused) as caught:
        Search(filled, index).find(Query(resource="case/3"), limit=limit)
    assert caught.value.code == "search-limit"


@pytest.mark.parametrize("value", ["\x00", "\ud800", "case/3\n", "é" * 100, "' OR 1=1 --"])
def test_hostile_values_find_nothing(filled, index, value):
    """Wrong if a value could break out of the question, or break the search."""
    assert found(filled, index, resource=value) == []


@given(st.text(max_size=60))
def test_text_that_looks_like_a_member_is_not_one(text):
    """Wrong if what stands within a text could be found as a digest or a subject."""
    from bailiwick.canonical import canonical_bytes

    inside = f'{text}"subject":"x","{DIGESTS[0]}"'
    try:
        raw = canonical_bytes({"note": inside})
    except ValueError:
        return
    assert search._DIGESTS(raw) == []
    assert search._SUBJECTS(raw) == []
