"""The ledger through its door: append, read, prove, check, export, open again."""

import hashlib
import json
from itertools import pairwise

import pytest

from bailiwick.errors import (
    InputRefused,
    LedgerBroken,
    LedgerPoisoned,
    NotFound,
    NotTrusted,
    RecordRefused,
    UsageRefused,
    Verdict,
)
from bailiwick.ledger import verify_receipt
from bailiwick.ledger.proof import leaf_digest
from bailiwick.model import Actor
from bailiwick.testing import MemoryClock, MemoryLedgerStore

SECOND_NS = 1_000_000_000


def events(ledger):
    """Give the types of all records."""
    return [record.event_type for record in ledger.records()]


def test_the_first_record_says_how_to_read_the_rest(ledger, place):
    """Otherwise a stranger would have to know which version, hash and key a ledger was written with."""
    first = ledger.read(0)
    assert first.event_type == "ledger.genesis"
    assert first.prev_hash == "0" * 64
    assert first.detail == {
        "format": "bailiwick-ledger/1",
        "hash": "sha-256",
        "origin": place.origin,
        "previous": None,
        "retention": "permanent",
        "verifier": place.signer.verifier.text(),
    }


def test_a_receipt_names_the_record_and_its_leaf(ledger, place):
    """Otherwise a caller could not find again what it was told is kept."""
    receipt = ledger.record(place.tenant, place.draft(5))
    record = ledger.read(receipt.index)
    assert receipt.index == 1
    assert record.detail == {"number": 5}
    assert receipt.leaf == leaf_digest(record.raw).hex() == ledger.leaf(1)


def test_each_record_is_chained_to_the_bytes_before_it(ledger, place):
    """Otherwise sha256sum could not check the chain."""
    ledger.record_many(place.tenant, place.drafts(3))
    lines = place.bytes_of(place.segment()).splitlines()
    for before, line in pairwise(lines):
        assert json.loads(line)["prev_hash"] == hashlib.sha256(before).hexdigest()


def test_a_draft_that_is_refused_leaves_nothing_of_its_batch(ledger, place):
    """Otherwise half a batch would be kept, and nobody would know which half."""
    with pytest.raises(RecordRefused):
        ledger.record_many(place.tenant, [place.draft(1), place.draft(number=1.5)])
    assert ledger.size() == 1


def test_another_tenants_draft_is_refused(ledger, place):
    """Otherwise one tenant's acts would stand in another's ledger."""
    with pytest.raises(UsageRefused) as refused:
        ledger.record("other", place.draft())
    assert refused.value.code == "ledger-tenant"


def test_an_empty_batch_writes_nothing(ledger, place):
    """Otherwise a batch without results would still make a record or fail."""
    assert ledger.record_many(place.tenant, []) == []
    assert ledger.size() == 1


@pytest.mark.parametrize("index", [-1, 1, 2**60])
def test_a_record_that_is_not_there_is_not_found(ledger, index):
    """Otherwise an index off by one would give another record, or a traceback."""
    for ask in (ledger.read, ledger.leaf, ledger.prove):
        with pytest.raises(NotFound) as missing:
            ask(index)
        assert missing.value.code == "record-missing"


def test_records_can_be_read_from_anywhere(ledger, place):
    """Otherwise a reader with a cursor would have to read everything again."""
    ledger.record_many(place.tenant, place.drafts(20))
    assert [record.index for record in ledger.records(5, 9)] == [5, 6, 7, 8]
    assert [record.index for record in ledger.records(19, 99)] == [19, 20]
    assert list(ledger.records(30)) == []


def test_a_ledger_is_made_once(ledger, place):
    """Otherwise a second init would start a new history over the first."""
    with pytest.raises(UsageRefused) as refused:
        place.create()
    assert refused.value.code == "ledger-exists"


def test_a_ledger_that_is_not_there_is_not_found_and_not_made(place):
    """Otherwise asking would litter folders, or start an empty ledger in place of a lost one."""
    with pytest.raises(NotFound) as missing:
        place.open()
    assert missing.value.code == "ledger-missing"
    assert place.disk.names(place.folder.parent) == []


def test_another_key_cannot_continue_a_ledger(ledger, place):
    """Otherwise a ledger would go on under a key that its first record does not name."""
    with pytest.raises(NotTrusted) as refused:
        place.open(signer=place.other_signer)
    assert refused.value.code == "ledger-key"
    assert place.other_signer.verifier.text() in refused.value.message


def test_a_key_of_another_name_cannot_start_a_ledger(place, make_place):
    """Otherwise the checkpoints would be signed under a name that is not the ledger's."""
    place.origin = "bailiwick/other"
    with pytest.raises(UsageRefused) as refused:
        place.create()
    assert refused.value.code == "ledger-origin"


def test_a_ledger_of_another_format_is_refused(ledger, place):
    """Otherwise an older version would misread, or write into, what a newer one made."""
    line = place.bytes_of(place.segment()).replace(b"bailiwick-ledger/1", b"bailiwick-ledger/9")
    place.overwrite(place.segment(), line)
    with pytest.raises(InputRefused) as refused:
        place.open()
    assert refused.value.code == "ledger-format"


def test_closing_signs_a_checkpoint_of_everything(place):
    """Otherwise the last records of each run could be cut off unseen."""
    with place.create() as ledger:
        ledger.record(place.tenant, place.draft())
    with place.open() as ledger:
        assert events(ledger)[-1] == "ledger.checkpoint"
        assert ledger.checkpoint().size == 2


def test_opening_and_closing_again_writes_nothing(place):
    """Otherwise each look at a ledger would make it longer: a checkpoint would cause a checkpoint."""
    place.create().close()
    before = place.bytes_of(place.segment())
    for _ in range(3):
        with place.open() as ledger:
            ledger.checkpoint()
            ledger.verify()
    assert place.bytes_of(place.segment()) == before


def test_a_closed_ledger_takes_nothing(ledger, place):
    """Otherwise a record could come after the last checkpoint."""
    ledger.close()
    with pytest.raises(UsageRefused) as refused:
        ledger.record(place.tenant, place.draft())
    assert refused.value.code == "ledger-closed"
    ledger.close()


def test_a_checkpoint_is_signed_at_most_so_often(make_place):
    """Otherwise every group would pay for a signature, or no record would be covered while many come."""
    place = make_place()
    ledger = place.create()
    ledger._writer._checkpoint_ns = SECOND_NS
    for _ in range(4):
        ledger.record_many(place.tenant, place.drafts(3))
    assert "ledger.checkpoint" not in events(ledger)
    place.clock.advance(SECOND_NS)
    ledger.record(place.tenant, place.draft())
    ledger.record(place.tenant, place.draft())
    assert events(ledger).count("ledger.checkpoint") == 1


def test_every_record_can_be_proved_the_newest_checkpoint_too(ledger, place):
    """Otherwise the last record, being a checkpoint, would have no receipt."""
    ledger.record_many(place.tenant, place.drafts(300))
    ledger.checkpoint()
    for index in (0, 1, 255, 256, 300, 301):
        verify_receipt(ledger.prove(index), ledger.read(index).raw, key=ledger.verifier_key())


def test_a_clock_that_goes_back_is_recorded_once_and_time_stands(ledger, place):
    """Otherwise the order of time would contradict the order of records, and nobody would be told."""
    ledger.record(place.tenant, place.draft(1))
    place.clock.advance(-3_600 * SECOND_NS)
    ledger.record(place.tenant, place.draft(2))
    ledger.record(place.tenant, place.draft(3))
    place.clock.advance(7_200 * SECOND_NS)
    ledger.record(place.tenant, place.draft(4))
    records = list(ledger.records())
    assert [record.event_type for record in records[2:]] == [
        "clock.regression",
        "decision.sealed",
        "decision.sealed",
        "decision.sealed",
    ]
    times = [record.timestamp for record in records]
    assert times == sorted(times)
    assert times[1] == times[4] < times[5]
    assert records[2].detail["behind_ms"] == 3_599_999
    assert ledger.verify().verdict is Verdict.OK


@pytest.mark.parametrize("now_ns", [-1, 253_402_300_800_000_000_000])
def test_a_clock_that_no_date_can_say_stops_nothing_else(ledger, place, now_ns):
    """Otherwise a broken clock would crash deep inside, or write a date that cannot be read back."""
    place.clock.set(now_ns)
    with pytest.raises(Exception, match="the clock reads"):
        ledger.record(place.tenant, place.draft())
    place.clock.set(MemoryClock().now_ns() + SECOND_NS)
    assert ledger.record(place.tenant, place.draft()).index == 1


def test_a_ledger_in_memory_is_the_same_bytes(place):
    """Otherwise what is tested in memory would not be what is stored in files."""
    store = MemoryLedgerStore()
    files, memory = place.create(), None
    place.clock = MemoryClock(step_ns=1_000)
    memory = place.create(store)
    for ledger in (files, memory):
        place.clock.set(MemoryClock().now_ns() + SECOND_NS)
        ledger.record_many(place.tenant, place.drafts(5))
    assert [record.detail for record in memory.records(1)] == [record.detail for record in files.records(1)]
    assert memory.verify().verdict is Verdict.OK


def test_an_open_ledger_sees_what_another_appends(place):
    """Otherwise two processes on one home would each have a history of their own."""
    with place.create() as one, place.open() as other:
        assert one.record(place.tenant, place.draft(1)).index == 1
        assert other.record(place.tenant, place.draft(2)).index == 2
        assert one.size() == other.size() == 3
        assert one.read(2) == other.read(2)
        assert one.record(place.tenant, place.draft(3)).index == 3
        assert one.verify().verdict is Verdict.OK


def test_segments_roll_and_read_as_one(make_place):
    """Otherwise a long ledger would be one file without end, or records would be lost between two."""
    place = make_place(segment_records=4)
    with place.create() as ledger, place.open() as other:
        for number in range(20):
            (ledger, other)[number % 2].record(place.tenant, place.draft(number))
        assert [record.index for record in ledger.records()] == list(range(21))
        assert other.verify().records == 21
        assert place.disk.names(place.folder / "seg") == [f"{first:012d}.jsonl" for first in range(0, 21, 4)]
    with place.open() as ledger:
        verify_receipt(ledger.prove(6), ledger.read(6).raw, key=ledger.verifier_key())
        assert ledger.verify().verdict is Verdict.OK


def test_stats_say_how_much_there_is(ledger, place):
    """Otherwise an operator would have to count lines."""
    ledger.record_many(place.tenant, place.drafts(3))
    stats = ledger.stats()
    assert stats["records"] == 4
    assert stats["bytes"] == len(place.bytes_of(place.segment()))
    assert stats["checkpoint_size"] == 0
    ledger.checkpoint()
    assert ledger.stats()["checkpoint_size"] == 4
    assert ledger.stats()["failure"] is None


def test_side_files_can_be_lost_or_damaged(place):
    """Otherwise a file that can be rebuilt would stand in the way of the records."""
    with place.create() as ledger:
        ledger.record_many(place.tenant, place.drafts(600))
    for path in (place.folder / "head", place.folder / "tree" / "0", place.folder / "tree" / "4"):
        for damage in (b"", b"garbage", bytes(len(place.bytes_of(path)))):
            place.overwrite(path, damage)
            with place.open() as ledger:
                assert ledger.size() == 602
                verify_receipt(ledger.prove(300), ledger.read(300).raw, key=ledger.verifier_key())


def test_a_changed_record_below_the_head_is_found_by_verify_and_prove(place):
    """Otherwise opening fast would hide what was changed before the newest checkpoint."""
    with place.create() as ledger:
        ledger.record_many(place.tenant, place.drafts(5))
    place.overwrite(place.segment(), place.bytes_of(place.segment()).replace(b'"number":2', b'"number":7'))
    with place.open() as ledger:
        report = ledger.verify()
        assert (report.verdict, report.problems[0].index) == (Verdict.ALTERED, 3)
        with pytest.raises(LedgerBroken) as broken:
            ledger.prove(3)
        assert (broken.value.verdict, broken.value.index) == (Verdict.ALTERED, 3)


def test_progress_is_told_of_every_record(ledger, place):
    """Otherwise a bar would never reach its end."""
    ledger.record_many(place.tenant, place.drafts(3_000))
    told = []
    ledger.verify(told.append)
    assert sum(told) == 3_001
    assert len(told) > 1


def test_a_node_id_or_actor_that_a_record_cannot_hold_is_refused(place):
    """Otherwise a node's name would break every line that it writes."""
    place.actor = Actor(id="a b", role="operator")
    with pytest.raises(RecordRefused):
        place.create()
    assert not place.store().exists()


def test_a_poisoned_ledger_says_so_in_its_error(ledger, place):
    """Otherwise callers could not tell a broken disk from a refused draft."""
    ledger._writer._failure = LedgerPoisoned("could not flush", hint="see to the disk")
    with pytest.raises(LedgerPoisoned, match="takes no more records in this process: could not flush"):
        ledger.record(place.tenant, place.draft())
    assert ledger.size() == 1
    assert ledger.stats()["failure"] == "could not flush"
