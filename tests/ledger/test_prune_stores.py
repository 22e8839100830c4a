"""A pruned ledger in every store: the same bytes out, the same head after a move, and back again after a lost disk."""

from __future__ import annotations

import errno
import hashlib
import uuid
from contextlib import suppress

import pytest

from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.ledgerstore_files import FileLedgerStore
from bailiwick.adapters.ledgerstore_memory import MemoryLedgerStore
from bailiwick.adapters.ledgerstore_postgres import PostgresLedgerStore
from bailiwick.adapters.ledgerstore_s3 import Bucket, S3LedgerStore
from bailiwick.adapters.ledgerstore_sqlite import SqliteLedgerStore
from bailiwick.canonical import time_ns
from bailiwick.errors import BailiwickError, NotFound, Unavailable, UsageRefused, Verdict
from bailiwick.ledger import Keyring, move_ledger, restore_ledger, verify_bundle, verify_receipt
from bailiwick.ledger.retention import Retention
from bailiwick.model import Actor, Draft
from bailiwick.testing import FaultyDisk, MemoryDisk, fail

DAY_NS = 86_400 * 10**9
ACTOR = Actor(id="operator-1", role="operator")
STORES = ["files", "sqlite", "postgres", "memory"]


@pytest.fixture
def opener(request, tmp_path):
    """Give a function that opens an empty store by its name."""
    disk = SystemDisk()
    opened = []

    def opening(name):
        folder, ledger = tmp_path / f"{name}-{len(opened)}", f"bailiwick/{uuid.uuid4().hex[:16]}"
        if name == "sqlite":
            return SqliteLedgerStore(folder, disk)
        if name == "postgres":
            return PostgresLedgerStore(request.getfixturevalue("postgres_url"), ledger, folder, disk)
        if name == "s3":
            return S3LedgerStore(Bucket(name=request.getfixturevalue("s3_bucket")), ledger, folder, disk)
        return MemoryLedgerStore() if name == "memory" else FileLedgerStore(folder, disk, segment_records=200)

    yield lambda name: opened.append(opening(name)) or opened[-1]
    for store in opened:
        store.close()
    disk.close()


def draft(number, event_type="access.read"):
    """Give a record of somebody who looked at something, or one that is kept for longer."""
    return Draft(event_type=event_type, resource=f"table/{number % 7}", detail={"number": number}, actor=ACTOR)


def year(place, store):
    """Record 700 times, of which some must be kept for longer, then half a year of silence; give the open ledger."""
    place.clock.set(time_ns("2026-01-10T12:00:00.000000000Z"))
    ledger = place.create(store)
    ledger.keeping.set_retention(Retention(), ACTOR)
    for start in range(0, 700, 50):
        kinds = ["decision.sealed" if n % 90 == 7 else "access.read" for n in range(start, start + 50)]
        ledger.record_many(place.tenant, [draft(start + n, kind) for n, kind in enumerate(kinds)])
        ledger.checkpoint()
    for _ in range(9):
        place.clock.set(place.clock.now_ns() + 30 * DAY_NS)
        ledger.record(place.tenant, draft(0))
        ledger.checkpoint()
    return ledger


def prune(ledger, folder):
    """Prune what is old, carrying on the rest; give the plan."""
    plan = ledger.keeping.plan(carry=True)
    archive = ledger.keeping.archive(plan, folder)
    ledger.keeping.prune(plan, archive, ACTOR, held=None, unheld=True)
    return plan


def digest_of(folder):
    """Give one digest of every file of a folder, names and bytes."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(folder)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def test_pruning_in_every_store_exports_the_same_bytes(opener, make_place, tmp_path):
    """Wrong if what is left of a ledger depended on where it was kept when it was pruned."""
    exported = {}
    for name in STORES:
        place = make_place()
        with year(place, opener(name)) as ledger:
            whole = ledger.prove(300)
            raw = ledger.read(300).raw
            plan = prune(ledger, tmp_path / f"archive-{name}")
            assert (plan.stop, ledger.verify().to_json()["minimum"]) == (512, 512)
            assert ledger.verify().verdict is Verdict.OK
            assert verify_receipt(whole, raw, key=ledger.verifier_key())[0] == 300
            bundle = ledger.export(tmp_path / f"bundle-{name}")
        assert verify_bundle(bundle.path, key=bundle.key).verdict is Verdict.OK
        exported[name] = (digest_of(bundle.path), digest_of(tmp_path / f"archive-{name}"))
    assert len(set(exported.values())) == 1, exported


# --- moving ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def pruned(opener, place, tmp_path):
    """A pruned ledger in files, its store, and what it was; closed."""
    store = opener("files")
    with year(place, store) as ledger:
        place.raw, place.receipt = ledger.read(300).raw, ledger.prove(300)
        prune(ledger, tmp_path / "archive")
        place.bundle = ledger.export(tmp_path / "bundle")
        place.root = ledger.stats()["root"]
        place.size = ledger.size()
    return store


def check(place, store, size=None):
    """See that a store holds the pruned ledger, and that it goes on."""
    with place.open(store) as ledger:
        assert ledger.size() == (size or place.size)
        assert ledger.verify().verdict is Verdict.OK
        assert ledger.verify().to_json()["minimum"] == 512
        with pytest.raises(NotFound) as gone:
            ledger.read(300)
        assert (gone.value.code, "records-000000000000-000000000512" in gone.value.hint) == ("record-pruned", True)
        assert verify_receipt(ledger.prove(300), place.raw, key=ledger.verifier_key())[0] == 300
        assert ledger.heads.prove_growth(100)
        assert ledger.record(place.tenant, draft(1)).index == ledger.size() - 1
        return ledger.stats()["root"]


def move(source, target, settled=None):
    """Move a ledger; ``settled`` takes the word that it arrived."""
    return move_ledger(source, target, note="moved", settle=lambda: settled.append(True) if settled else None)


def test_a_pruned_ledger_is_moved_from_store_to_store(pruned, place, opener, tmp_path):
    """Wrong if a ledger that was pruned were tied to its place for ever, or lost what proves the rest."""
    source = pruned
    for name in ("sqlite", "postgres", "memory", "files"):
        target = opener(name)
        with place.open(source) as ledger:
            place.size = ledger.size()
        source.count()
        moved = move(source, target)
        assert (moved.records, moved.found) == (source.count(), 0)
        place.size = moved.records
        check(place, target)
        with pytest.raises(Unavailable), source.exclusive():
            pass
        with place.open(target) as ledger:
            place.size = ledger.size()
        source = target


def test_a_move_that_was_interrupted_goes_on(pruned, place, opener, tmp_path):
    """Wrong if a half-moved ledger could neither go on nor be told from another one."""
    for name in ("sqlite", "files"):
        target = opener(name)
        failing = pruned.read
        calls = []

        def stop_at_first(start, stop, failing=failing, calls=calls):
            calls.append(start)
            if len(calls) == 1:
                raise Unavailable("the disk is slow", hint="wait")
            return failing(start, stop)

        pruned.read = stop_at_first
        with pytest.raises(Unavailable):
            move(pruned, target)
        del pruned.read
        assert not pruned.retired()
        assert target.pruned() == pruned.pruned()
        moved = move(pruned, target)
        assert moved.records == pruned.count()
        check(place, target, moved.records)
        pruned.retire("")


def test_a_bucket_refuses_a_pruned_ledger_before_anything_is_written(pruned, opener):
    """Wrong if a move ended with a store that cannot say where its records begin."""
    target = opener("s3")
    with pytest.raises(Unavailable) as refused:
        move(pruned, target)
    assert refused.value.code == "prune-unsupported"
    assert "begins at record 512" in refused.value.message
    assert (target.exists(), pruned.retired()) == (False, "")


@pytest.mark.parametrize("what", ["records", "leaves", "carried", "unpruned"])
def test_a_target_that_is_not_the_beginning_of_this_ledger_is_refused(pruned, place, make_place, opener, what):
    """Wrong if a move mixed two ledgers, or two states of one."""
    target = MemoryLedgerStore()
    state, leaves, carried = pruned.pruned(), pruned.leaves(0, 512), pruned.carried(0, 512)
    if what == "records":
        with make_place().create(target):
            pass
    elif what == "unpruned":
        target.begin(state, leaves, carried)
        source = MemoryLedgerStore()
        with year(make_place(), source):
            pass
        with pytest.raises(UsageRefused, match="was pruned, and this ledger was not"):
            move(source, target)
        return
    else:
        leaves = [bytes(32), *leaves[1:]] if what == "leaves" else leaves
        target.begin(state, leaves, carried[:-1] if what == "carried" else carried)
    with pytest.raises(UsageRefused) as refused:
        move(pruned, target)
    assert refused.value.code == "ledger-differs"


def test_a_ledger_that_is_pruned_while_it_moves_is_refused(opener, place, tmp_path):
    """Wrong if what was deleted came back with a move."""
    source, target = opener("files"), opener("sqlite")
    with year(place, source) as ledger:
        size = ledger.size()

    def prune_once(_, done=[]):  # noqa: B006 - remembers between calls
        if not done:
            done.append(True)
            other = FileLedgerStore(source._folder, source._disk, segment_records=200)
            with place.open(other) as ledger:
                prune(ledger, tmp_path / "archive")

    with pytest.raises(UsageRefused, match="pruned while it was moved"):
        move_ledger(source, target, note="moved", settle=lambda: None, progress=prune_once)
    assert not source.retired()
    with place.open(source) as ledger:
        assert ledger.size() > size
        assert ledger.verify().verdict is Verdict.OK


# --- restoring ------------------------------------------------------------------------------------------------------


def restore(place, store, bundle):
    """Bring a ledger back from a bundle."""
    return restore_ledger(place.tenant, store, Keyring.of(place.signer), bundle, clock=place.clock, node_id="node-1")


@pytest.mark.parametrize("name", STORES)
def test_a_pruned_ledger_is_restored_from_its_bundle(pruned, place, opener, name):
    """Wrong if a node that lost its disk could not go on because its ledger had been pruned."""
    target = opener(name)
    restored = restore(place, target, place.bundle.path)
    assert (restored.records, restored.root) == (place.bundle.records, place.bundle.root)
    with place.open(target) as ledger:
        assert ledger.read(restored.records).event_type == "ledger.restored"
        place.size = ledger.size()
    check(place, target)


def test_a_pruned_bundle_is_refused_where_it_cannot_be_kept(pruned, place, opener):
    """Wrong if a bucket were left with half a ledger, or another ledger were written over."""
    with pytest.raises(Unavailable) as refused:
        restore(place, opener("s3"), place.bundle.path)
    assert refused.value.code == "prune-unsupported"
    target = MemoryLedgerStore()
    with place.create(target):
        pass
    with pytest.raises(UsageRefused) as refused:
        restore(place, target, place.bundle.path)
    assert refused.value.code == "ledger-exists"


def test_a_whole_bundle_is_not_written_over_a_pruned_ledger(pruned, place, make_place, tmp_path):
    """Wrong if an old bundle could bring back what was deleted."""
    other = make_place()
    with year(other, MemoryLedgerStore()) as ledger:
        whole = ledger.export(tmp_path / "whole")
    with pytest.raises(UsageRefused) as refused:
        restore(place, pruned, whole.path)
    assert refused.value.code == "ledger-exists"


def test_restoring_that_fails_at_any_step_goes_on(pruned, place, make_place):
    """Wrong if a second failure during recovery cost the ledger."""
    after = 0
    while True:
        after += 1
        other = make_place(segment_records=200)
        other.clock.set(place.clock.now_ns())
        disk, is_done = FaultyDisk(other.disk, after=after, fault=fail(errno.EIO), stays=True), False
        with suppress(BailiwickError):
            restore(other, other.store(disk), place.bundle.path)
            is_done = True
        if not is_done and other.store().count() <= place.bundle.records:
            restore(other, other.store(), place.bundle.path)
        other.raw = place.raw
        with other.open():
            pass
        other.size = other.store().count()
        check(other, other.store())
        if disk.count < after:
            break
        assert isinstance(other.disk, MemoryDisk)
    assert after > 20
