"""Old records go when nothing keeps them, and only then; what is left proves what it proved before."""

import errno
from contextlib import suppress

import pytest

from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.ledgerstore_memory import MemoryLedgerStore
from bailiwick.adapters.ledgerstore_sqlite import SqliteLedgerStore
from bailiwick.canonical import time_ns
from bailiwick.errors import (
    BailiwickError,
    HoldStands,
    LedgerBroken,
    NotFound,
    NotTrusted,
    Unavailable,
    UsageRefused,
    Verdict,
)
from bailiwick.ledger import verify_bundle, verify_receipt
from bailiwick.ledger.note import sign_checkpoint
from bailiwick.ledger.retention import LegalHold, Retention
from bailiwick.model import Actor, Draft
from bailiwick.testing import FaultyDisk, fail

DAY_NS = 86_400 * 1_000_000_000
START = "2026-01-10T12:00:00.000000000Z"
ACTOR = Actor(id="operator-1", role="operator")
RECORDS = 700


def draft(number, event_type="access.read", resource=None):
    """Give a record of somebody who looked at something."""
    detail = {"number": number}
    return Draft(event_type=event_type, resource=resource or f"table/{number % 7}", detail=detail, actor=ACTOR)


class Kept:
    """A ledger with a year in it: 700 records of access, then half a year of silence in steps of a month."""

    def __init__(self, place, store=None, event_type="access.read", policy=True):
        self.place = place
        self.store = store
        place.clock.set(time_ns(START))
        self.ledger = place.create(store)
        if policy:
            self.ledger.keeping.set_retention(Retention(), ACTOR)
        for start in range(0, RECORDS, 50):
            self.ledger.record_many(place.tenant, [draft(number, event_type) for number in range(start, start + 50)])
            self.ledger.checkpoint()
        self.early = self.ledger.checkpoint()
        self.leaves = [self.ledger.leaf(index) for index in range(self.ledger.size())]
        self.receipts = {index: self.ledger.prove(index) for index in (0, 5, 300, 600)}
        self.raws = {index: self.ledger.read(index).raw for index in self.receipts}
        for _ in range(9):
            self.pass_days(30)

    def pass_days(self, days):
        """Let days go by, with a record at the end."""
        self.place.clock.set(self.place.clock.now_ns() + days * DAY_NS)
        self.ledger.record(self.place.tenant, draft(0))
        self.ledger.checkpoint()

    def prune(self, folder, *, held=True, ledger=None, **how):
        """Plan, archive and prune; give the plan."""
        ledger = ledger or self.ledger
        plan = ledger.keeping.plan(**how)
        archive = ledger.keeping.archive(plan, folder)
        note = ledger.checkpoint().note if held else None
        ledger.keeping.prune(plan, archive, ACTOR, held=note, unheld=not held)
        return plan


@pytest.fixture(params=["files", "memory", "sqlite"])
def kept(request, make_place, tmp_path):
    """A ledger that has something to prune, in each store that prunes and needs no server."""
    place = make_place(segment_records=200)
    disk = SystemDisk()
    making = {"files": lambda: None, "memory": MemoryLedgerStore, "sqlite": lambda: SqliteLedgerStore(tmp_path, disk)}
    store = making[request.param]()
    yield Kept(place, store)
    if store is not None:
        store.close()
    disk.close()


@pytest.fixture
def files(make_place):
    """A ledger that has something to prune, in files."""
    return Kept(make_place(segment_records=200))


def reopen(kept):
    """Close the ledger and open it again, as another process would."""
    kept.ledger.close()
    return kept.place.open(kept.store)


def test_what_is_old_goes_and_everything_else_stays_proven(kept, tmp_path):
    """Wrong if pruning left records there, or took away what proves the others."""
    plan = kept.prune(tmp_path)
    assert (plan.start, plan.stop) == (0, 512)
    ledger = kept.ledger
    assert ledger.verify().to_json()["minimum"] == 512
    assert ledger.verify().verdict is Verdict.OK
    key = ledger.verifier_key()
    for index, text in kept.receipts.items():
        assert verify_receipt(text, kept.raws[index], key=key)[0] == index
        assert ledger.leaf(index) == kept.leaves[index]
        assert verify_receipt(ledger.prove(index), kept.raws[index], key=key)[0] == index
    assert ledger.heads.prove_growth(kept.early.size)
    assert ledger.heads.prove_growth(100)
    with pytest.raises(NotFound) as gone:
        ledger.read(300)
    assert gone.value.code == "record-pruned"
    assert "records-000000000000-000000000512" in gone.value.hint
    assert ledger.read(0).event_type == "ledger.genesis"
    assert [record.index for record in ledger.records()][:2] == [0, 1]
    assert not any(record.event_type == "access.read" for record in ledger.records(0, 512))
    with reopen(kept) as again:
        assert again.verify().verdict is Verdict.OK
        assert again.record(kept.place.tenant, draft(1)).index == again.size() - 1


def test_the_archive_has_what_went(kept, tmp_path):
    """Wrong if records were deleted that nobody has."""
    plan = kept.prune(tmp_path)
    report = verify_bundle(tmp_path / "records-000000000000-000000000512", key=kept.ledger.verifier_key())
    assert report.verdict is Verdict.OK
    assert report.records >= plan.stop


def test_a_pruned_ledger_is_exported_and_verified(kept, tmp_path):
    """Wrong if an auditor could not check what is left, or was not told from where on."""
    kept.prune(tmp_path)
    kept.ledger.export(tmp_path / "out")
    assert (tmp_path / "out" / "minimum").read_text() == "512\n"
    assert b'"access":"P6M"' in (tmp_path / "out" / "retention.json").read_bytes()
    report = verify_bundle(tmp_path / "out", key=kept.ledger.verifier_key())
    assert report.to_json() | {"root": ""} == {
        "verdict": "ok",
        "records": report.records,
        "root": "",
        "key": report.key,
        "anchor": "given",
        "record": None,
        "problems": [],
        "minimum": 512,
    }


def test_pruning_twice_goes_on_where_it_stopped(kept, tmp_path):
    """Wrong if a second pruning lost what the first kept, or named the wrong archive."""
    kept.prune(tmp_path)
    with pytest.raises(UsageRefused) as nothing:
        kept.prune(tmp_path)
    assert nothing.value.code == "prune-nothing"
    for _ in range(6):
        kept.ledger.record_many(kept.place.tenant, [draft(number) for number in range(60)])
        kept.pass_days(20)
    for _ in range(7):
        kept.pass_days(30)
    plan = kept.prune(tmp_path)
    assert (plan.start, plan.stop) == (512, 1024)
    assert kept.ledger.verify().verdict is Verdict.OK
    for index, name in ((300, "records-000000000000-000000000512"), (600, "records-000000000512-000000001024")):
        with pytest.raises(NotFound) as gone:
            kept.ledger.read(index)
        assert name in gone.value.hint
    kept.ledger.export(tmp_path / "out")
    assert verify_bundle(tmp_path / "out", key=kept.ledger.verifier_key()).verdict is Verdict.OK
    with reopen(kept) as again:
        assert again.verify().verdict is Verdict.OK
    assert verify_bundle(tmp_path / "records-000000000512-000000001024", key=report_key(kept)).verdict is Verdict.OK


def report_key(kept):
    """Give the ledger's verifier key."""
    return kept.place.signer.verifier.text()


# --- what stands in the way -----------------------------------------------------------------------------------------


def test_without_a_written_policy_nothing_goes(make_place, tmp_path):
    """Wrong if a log without a retention policy could be pruned (C2SP tlog-tiles: MUST NOT)."""
    kept = Kept(make_place(), policy=False)
    plan = kept.ledger.keeping.plan()
    assert (plan.stop, plan.deleted) == (0, 0)
    assert "policy" in plan.blocked
    with pytest.raises(UsageRefused, match="policy"):
        kept.ledger.keeping.archive(plan, tmp_path)


def test_what_must_be_kept_stops_pruning_or_is_carried_on(make_place, tmp_path):
    """Wrong if a decision of last year went with the records of access around it."""
    kept = Kept(make_place(segment_records=200))
    other = Kept(make_place(segment_records=200), event_type="decision.sealed")
    assert other.ledger.keeping.plan().deleted == 0
    assert "kept until 2033-01-10" in other.ledger.keeping.plan().blocked
    kept.place.clock.set(time_ns("2026-10-20T00:00:00.000000000Z"))
    kept.ledger.record_many("local", [draft(1, "decision.sealed"), *(draft(number) for number in range(400))])
    for _ in range(8):
        kept.pass_days(30)
    stopped = kept.ledger.keeping.plan()
    assert stopped.stop == 512
    carrying = kept.prune(tmp_path, carry=True)
    assert carrying.stop == 1024
    assert any(record.event_type == "decision.sealed" for record in kept.ledger.records(0, 1024))
    assert kept.ledger.verify().verdict is Verdict.OK
    kept.ledger.export(tmp_path / "out")
    assert verify_bundle(tmp_path / "out", key=report_key(kept)).verdict is Verdict.OK


def test_nothing_goes_above_the_time_asked_for(kept):
    """Wrong if --before were taken for a wish."""
    assert kept.ledger.keeping.plan(before=START).deleted == 0
    assert kept.ledger.keeping.plan(before="2027-01-01T00:00:00.000000000Z").stop == 512


def test_nothing_goes_above_the_newest_checkpoint(make_place):
    """Wrong if records that nothing stands for could go."""
    place = make_place()
    place.clock.set(time_ns(START))
    ledger = place.create()
    ledger.keeping.set_retention(Retention(), ACTOR)
    ledger.record_many(place.tenant, [draft(number) for number in range(600)])
    place.clock.set(place.clock.now_ns() + 200 * DAY_NS)
    assert ledger.keeping.plan(today="2026-07-29").stop == 0


def test_a_hold_is_in_the_way_and_is_named(kept, tmp_path):
    """Wrong if evidence in a dispute could be pruned."""
    kept.ledger.keeping.add_hold(LegalHold(id="h1", reason="case-7", resource="table/3"), ACTOR)
    plan = kept.ledger.keeping.plan()
    assert plan.hold == "h1"
    with pytest.raises(HoldStands, match="hold h1") as stands:
        kept.ledger.keeping.archive(plan, tmp_path)
    assert stands.value.to_json()["hold"] == "h1"
    assert kept.ledger.keeping.held("table/3").id == "h1"
    assert kept.ledger.keeping.held("table/30") is None
    kept.ledger.keeping.release_hold("h1", ACTOR, "case-7-closed")
    assert kept.prune(tmp_path).stop == 512


def test_a_hold_between_plan_and_pruning_stops_it(kept, tmp_path):
    """Wrong if what a court asked for went while somebody read the plan."""
    keeping = kept.ledger.keeping
    plan = keeping.plan()
    archive = keeping.archive(plan, tmp_path)
    other = kept.place.open(kept.store)
    other.keeping.add_hold(
        LegalHold(id="h2", reason="case-8", since=START, until="2026-01-11T00:00:00.000000000Z"), ACTOR
    )
    with pytest.raises(HoldStands, match="hold h2"):
        keeping.prune(plan, archive, ACTOR, held=kept.ledger.checkpoint().note)
    assert kept.ledger.read(300).index == 300
    assert kept.ledger.verify().verdict is Verdict.OK


def test_a_clock_far_ahead_makes_nothing_old(kept):
    """Wrong if a dead battery could delete ten years."""
    kept.place.clock.set(kept.place.clock.now_ns() + 3_650 * DAY_NS)
    with pytest.raises(UsageRefused) as doubt:
        kept.ledger.keeping.plan()
    assert doubt.value.code == "prune-clock"
    kept.ledger.record(kept.place.tenant, draft(1))
    with pytest.raises(UsageRefused) as doubt:
        kept.ledger.keeping.plan()
    assert doubt.value.code == "prune-clock"
    with pytest.raises(UsageRefused, match="you say that it is 2026-10-08"):
        kept.ledger.keeping.plan(today="2026-10-08")


def test_somebody_else_must_hold_a_fresh_checkpoint(kept, tmp_path):
    """Wrong if what nobody else ever saw could be deleted without a word."""
    keeping = kept.ledger.keeping
    plan = keeping.plan()
    archive = keeping.archive(plan, tmp_path)
    for held in (None, b"", b"x" * 100_000, kept.early.note):
        with pytest.raises(UsageRefused) as refused:
            keeping.prune(plan, archive, ACTOR, held=held)
        assert refused.value.code == "prune-unheld"
    newest = kept.ledger.checkpoint()
    forged = sign_checkpoint(newest.size, newest.root, kept.place.other_signer)
    with pytest.raises(NotTrusted):
        keeping.prune(plan, archive, ACTOR, held=forged.note)
    for size, verdict in ((newest.size, Verdict.FORKED), (newest.size + 9, Verdict.TRUNCATED)):
        with pytest.raises(LedgerBroken) as broken:
            keeping.prune(plan, archive, ACTOR, held=sign_checkpoint(size, bytes(32), kept.place.signer).note)
        assert broken.value.verdict is verdict
    assert kept.ledger.read(300).index == 300
    keeping.prune(plan, archive, ACTOR, held=None, unheld=True)
    with pytest.raises(NotFound):
        kept.ledger.read(300)


def test_an_archive_that_changed_keeps_the_records(kept, tmp_path):
    """Wrong if records were deleted whose only copy is damaged."""
    keeping = kept.ledger.keeping
    plan = keeping.plan()
    archive = keeping.archive(plan, tmp_path)
    file = archive.path / "tile" / "entries" / "000"
    data = bytearray(file.read_bytes())
    data[100] ^= 1
    file.write_bytes(data)
    with pytest.raises(LedgerBroken, match="not what was written there"):
        keeping.prune(plan, archive, ACTOR, held=None, unheld=True)
    assert kept.ledger.read(300).index == 300
    with pytest.raises(UsageRefused) as taken:
        keeping.archive(plan, tmp_path)
    assert taken.value.code == "export-exists"


def test_a_plan_of_yesterday_is_not_carried_out(kept, tmp_path):
    """Wrong if two who prune at once could delete more than either of them planned."""
    plan = kept.ledger.keeping.plan()
    archive = kept.ledger.keeping.archive(plan, tmp_path / "one")
    other = kept.place.open(kept.store)
    kept.prune(tmp_path / "two", ledger=other)
    with pytest.raises(BailiwickError) as changed:
        kept.ledger.keeping.prune(plan, archive, ACTOR, held=None, unheld=True)
    assert changed.value.code in {"prune-changed", "record-pruned"}
    assert kept.ledger.verify().verdict is Verdict.OK
    assert kept.ledger.record(kept.place.tenant, draft(5)).index == kept.ledger.size() - 1
    assert other.verify().verdict is Verdict.OK


def test_a_store_that_cannot_prune_says_so(place):
    """Wrong if a store without pruning looked as if it had pruned."""

    class Plain:
        def __init__(self, store):
            self._store = store

        def __getattr__(self, name):
            if name in {"pruned", "prune", "leaves", "carried", "tidy", "segments"}:
                raise AttributeError(name)
            return getattr(self._store, name)

    with place.create(Plain(MemoryLedgerStore())) as ledger, pytest.raises(Unavailable) as refused:
        ledger.keeping.plan()
    assert refused.value.code == "prune-unsupported"


# --- what an auditor sees -------------------------------------------------------------------------------------------


@pytest.fixture
def bundle(kept, tmp_path):
    """An exported ledger that was pruned."""
    kept.prune(tmp_path)
    kept.ledger.export(tmp_path / "out")
    return tmp_path / "out"


@pytest.mark.parametrize(
    ("name", "change", "verdict"),
    [
        ("minimum", lambda data: b"256\n", Verdict.CORRUPT),
        ("minimum", lambda data: b"0512\n", Verdict.CORRUPT),
        ("minimum", lambda data: b"512", Verdict.CORRUPT),
        ("minimum", lambda data: b"513\n", Verdict.CORRUPT),
        ("minimum", lambda data: b"99999999999999999999", Verdict.CORRUPT),
        ("minimum", lambda data: None, Verdict.TRUNCATED),
        ("carried", lambda data: None, Verdict.TRUNCATED),
        ("carried", lambda data: data[:-1], Verdict.CORRUPT),
        ("carried", lambda data: data.replace(b"ledger.genesis", b"ledger.genesjs"), Verdict.ALTERED),
        ("carried", lambda data: data.partition(b"\n")[2], Verdict.TRUNCATED),
        ("carried", lambda data: data + data, Verdict.CORRUPT),
        ("retention.json", lambda data: data.replace(b"P6M", b"P7M"), Verdict.ALTERED),
        ("retention.json", lambda data: None, Verdict.TRUNCATED),
        ("tile/0/000", lambda data: bytes([data[0] ^ 1]) + data[1:], Verdict.ALTERED),
        ("tile/0/001", lambda data: data[:-32], Verdict.TRUNCATED),
        ("tile/entries/002.p/", lambda data: data[:-1], Verdict.CORRUPT),
    ],
)
def test_a_change_to_a_pruned_bundle_is_named(bundle, kept, name, change, verdict):
    """Wrong if pruning were a place to hide a change in."""
    path = next(each for each in bundle.rglob("*") if each.is_file() and str(each.relative_to(bundle)).startswith(name))
    data = change(path.read_bytes())
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    assert verify_bundle(bundle, key=report_key(kept)).verdict is verdict


def test_records_that_went_without_a_record_are_missing(files, tmp_path):
    """Wrong if anybody could cut the beginning off and call it pruned."""
    kept = files
    kept.ledger.export(tmp_path / "out")
    (tmp_path / "out" / "minimum").write_text("512\n")
    raws = [kept.ledger.read(index).raw for index in range(512)]
    carried = [raw for raw in raws if b'"event_type":"ledger.' in raw or b'"event_type":"retention.' in raw]
    (tmp_path / "out" / "carried").write_bytes(b"".join(raw + b"\n" for raw in carried))
    for number in (0, 1):
        (tmp_path / "out" / "tile" / "entries" / f"{number:03d}").unlink()
    report = verify_bundle(tmp_path / "out", key=report_key(kept))
    assert report.verdict is Verdict.TRUNCATED
    assert "no record says that they were pruned" in str(report.problems[0])


def test_a_store_whose_state_was_made_up_is_truncated(files, tmp_path):
    """Wrong if a state file alone could excuse a missing beginning."""
    kept = files
    kept.prune(tmp_path)
    kept.ledger.close()
    state = kept.place.folder / "pruned.json"
    data = kept.place.bytes_of(state)
    kept.place.disk.unlink(state)
    with kept.place.open() as ledger:
        assert ledger.verify().verdict is Verdict.TRUNCATED
    kept.place.disk.create(state)
    kept.place.disk.write(state, 0, data.replace(b'"minimum":512', b'"minimum":256'))
    with kept.place.open() as ledger:
        assert ledger.verify().verdict in {Verdict.TRUNCATED, Verdict.CORRUPT}
    kept.place.overwrite(state, data[:-20])
    with kept.place.open() as ledger:
        assert ledger.verify().verdict is Verdict.CORRUPT
    kept.place.overwrite(state, data)
    with kept.place.open() as ledger:
        assert ledger.verify().verdict is Verdict.OK


@pytest.mark.parametrize("kind", ["leaves", "carried"])
def test_what_stands_for_pruned_records_is_checked(files, tmp_path, kind):
    """Wrong if the digests of pruned records could change unseen."""
    kept = files
    kept.prune(tmp_path)
    kept.ledger.close()
    path = kept.place.folder / "pruned" / f"000000000512.{kind}"
    data = bytearray(kept.place.bytes_of(path))
    data[70] ^= 1
    kept.place.overwrite(path, bytes(data))
    with kept.place.open() as ledger:
        assert ledger.verify().verdict is not Verdict.OK


def test_the_tree_is_made_anew_from_what_is_left(files, tmp_path):
    """Wrong if a lost side file cost the proofs of what was pruned."""
    kept = files
    kept.prune(tmp_path)
    kept.ledger.close()
    for name in kept.place.disk.names(kept.place.folder / "tree"):
        kept.place.disk.unlink(kept.place.folder / "tree" / name)
    kept.place.disk.unlink(kept.place.folder / "head")
    with kept.place.open() as ledger:
        assert verify_receipt(ledger.prove(300), kept.raws[300], key=report_key(kept))[0] == 300
        assert verify_receipt(ledger.prove(600), kept.raws[600], key=report_key(kept))[0] == 600


def test_the_bytes_are_gone_from_the_disk(files, tmp_path):
    """Wrong if records were only hidden: a person was promised that they are gone."""
    kept = files
    gone = kept.raws[300]
    kept.prune(tmp_path)
    disk = kept.place.disk
    names = disk.names(kept.place.folder / "seg")
    assert names[0] == "000000000512.jsonl"
    assert not any(gone in kept.place.bytes_of(kept.place.folder / "seg" / name) for name in names)


def test_a_ledger_in_one_segment_is_pruned_too(make_place, tmp_path):
    """Wrong if a small ledger could never forget."""
    kept = Kept(make_place())
    other = kept.place.open()
    kept.prune(tmp_path)
    assert kept.place.disk.names(kept.place.folder / "seg")[0] == "000000000512.jsonl"
    assert other.record(kept.place.tenant, draft(1)).index == other.size() - 1
    assert kept.ledger.record(kept.place.tenant, draft(2)).index == kept.ledger.size() - 1
    assert other.verify().verdict is Verdict.OK
    assert kept.ledger.verify().verdict is Verdict.OK
    assert [record.index for record in other.records(600, 603)] == [600, 601, 602]


@pytest.mark.parametrize("segment_records", [200, 10_000])
@pytest.mark.parametrize("stays", [False, True])
def test_a_failure_at_any_step_leaves_the_old_or_the_new(make_place, tmp_path, stays, segment_records):
    """Wrong if there were a step whose failure leaves a ledger that looks tampered with."""
    kept = Kept(make_place(segment_records=segment_records))
    kept.ledger.close()
    before = {path: bytes(data) for path, data in kept.place.disk._files.items()}
    after, outcomes = 0, set()
    while True:
        after += 1
        place = make_place(segment_records=segment_records)
        place.clock.set(kept.place.clock.now_ns())
        for path, data in before.items():
            place.disk.make_folder(path.parent)
            place.disk.create(path)
            place.disk.write(path, 0, data)
        counting = FaultyDisk(place.disk, after=0, fault=fail(errno.EIO), stays=False)
        ledger = place.open(place.store(counting))
        plan = ledger.keeping.plan()
        archive = ledger.keeping.archive(plan, tmp_path / f"{after}")
        counting._after = counting.count + after
        counting._stays = stays
        with suppress(BailiwickError):
            ledger.keeping.prune(plan, archive, ACTOR, held=None, unheld=True)
        place.abandon(ledger)
        with place.open() as again:
            report = again.verify()
            assert report.verdict is Verdict.OK, (after, report)
            assert report.minimum in {0, 512}
            outcomes.add(report.minimum)
            assert again.read(600).raw == kept.raws[600]
            assert again.leaf(300) == kept.leaves[300]
            assert again.record(place.tenant, draft(3)).index == again.size() - 1
            names = place.disk.names(place.folder / "seg")
            assert names[0] == ("000000000512.jsonl" if report.minimum else "000000000000.jsonl")
        if counting.count < counting._after:
            break
    assert after > 10
    assert outcomes == {0, 512}
    with suppress(BailiwickError):
        kept.ledger.close()
