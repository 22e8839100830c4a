"""One ledger in every store: the same bytes out, one chain whoever writes, and the same head after a move."""

from __future__ import annotations

import hashlib
import threading
import uuid

import pytest

from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.ledgerstore_files import FileLedgerStore
from bailiwick.adapters.ledgerstore_memory import MemoryLedgerStore
from bailiwick.adapters.ledgerstore_postgres import PostgresLedgerStore
from bailiwick.adapters.ledgerstore_s3 import Bucket, S3LedgerStore
from bailiwick.adapters.ledgerstore_sqlite import SqliteLedgerStore
from bailiwick.adapters.witness_memory import MemoryWitness
from bailiwick.adapters.witnessmemory_memory import MemoryWitnessMemory
from bailiwick.errors import LedgerBroken, LedgerRaced, NotTrusted, Unavailable, UsageRefused, Verdict
from bailiwick.keys import COSIGNATURE, Signer, new_secret
from bailiwick.ledger import Cosigner, Keyring, KnownWitness, move_ledger, verify_bundle, witness_policy
from bailiwick.testing import MemoryClock, MemoryDisk

STORES = ["files", "sqlite", "postgres", "s3"]
GROUP = 250


@pytest.fixture
def opener(request, tmp_path):
    """Give a function that gives, for a store's name, a function that opens views of one empty place."""
    disk = SystemDisk()
    opened = []

    def place_of(name, host="here"):
        folder, ledger = tmp_path / f"{name}-{host}", f"bailiwick/{uuid.uuid4().hex[:16]}"

        def opening(host="here"):
            beside = folder if host == "here" else folder / host
            if name == "sqlite":
                return SqliteLedgerStore(beside, disk)
            if name == "postgres":
                return PostgresLedgerStore(request.getfixturevalue("postgres_url"), ledger, beside, disk)
            if name == "s3":
                return S3LedgerStore(bucket, ledger, beside, disk)
            return FileLedgerStore(beside, disk)

        bucket = Bucket(name=request.getfixturevalue("s3_bucket")) if name == "s3" else None
        return lambda host="here": opened.append(opening(host)) or opened[-1]

    yield place_of
    for store in opened:
        store.close()
    disk.close()


def digest_of(folder):
    """Give one digest of every file of a folder, names and bytes."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(folder)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def write(place, ledger, count):
    """Record so many drafts, a group at a time."""
    for start in range(0, count, GROUP):
        ledger.record_many("local", place.drafts(min(GROUP, count - start), start))


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_the_same_records_in_every_store_export_the_same_bytes(opener, make_place, tmp_path, count):
    """Wrong if a proof depended on where a ledger is kept: then no ledger could ever be moved."""
    exported = {}
    for name in STORES:
        place = make_place()
        with place.create(opener(name)()) as ledger:
            write(place, ledger, count)
            bundle = ledger.export(tmp_path / f"bundle-{name}")
        assert bundle.records == count + 1
        assert verify_bundle(bundle.path, key=bundle.key).verdict is Verdict.OK
        exported[name] = digest_of(bundle.path)
    assert len(set(exported.values())) == 1, exported


W1 = Signer("witness.example/w1", new_secret(bytes([1] * 32)), COSIGNATURE)
KNOWN = KnownWitness(name=W1.verifier.name.encode(), verifier=W1.verifier)


def keys_of(place):
    """Give the key that the ledger begins with, and the one that it is handed on to."""
    return [place.signer, Signer(place.origin, new_secret(bytes(range(2, 34))))]


def stand_for(place, ledger, witness, policy):
    """Let the witness cosign what there is, and say whether that was enough."""
    return ledger.heads.ask([(KNOWN, witness)], policy).is_met


def witness_and_rotate(place, open_store, folder):
    """Be cosigned, hand the ledger on to a new key, be cosigned again; give the bundle and the policy."""
    keys = keys_of(place)
    verifiers = [each.verifier for each in keys]
    policy = witness_policy(verifiers, [KNOWN])
    clock = MemoryClock(1_700_000_000 * 10**9)
    witness = MemoryWitness(Cosigner(MemoryWitnessMemory(), W1, verifiers, clock=clock))
    with place.create(open_store()) as ledger:
        ledger.heads.name_witness(W1.verifier)
        write(place, ledger, 20)
        assert stand_for(place, ledger, witness, policy)
        ledger.heads.rotate(keys[1])
        ledger.record("local", place.draft(20))
        assert stand_for(place, ledger, witness, policy)
    with place.open(open_store(), signer=Keyring(keys)) as ledger:
        assert ledger.verifier_key() == keys[1].verifier.text()
        assert list(ledger.heads.keys()) == verifiers
        assert ledger.verify().verdict is Verdict.OK
        write(place, ledger, 3)
        assert stand_for(place, ledger, witness, policy)
        return ledger.export(folder), policy


def test_a_witnessed_and_rotated_ledger_exports_the_same_bytes_from_every_store(opener, make_place, tmp_path):
    """Wrong if who stands for a ledger, and under which key it goes on, depended on where it is kept."""
    exported = {}
    for name in STORES:
        bundle, policy = witness_and_rotate(make_place(), opener(name), tmp_path / f"bundle-{name}")
        report = verify_bundle(bundle.path, key=None, policy=policy)
        assert report.verdict is Verdict.OK, (name, report.problems)
        exported[name] = digest_of(bundle.path)
    assert len(set(exported.values())) == 1, exported


@pytest.mark.parametrize("name", ["postgres", "s3"])
def test_another_machine_finds_the_key_and_asks_the_witness_anew(opener, make_place, tmp_path, name):
    """Wrong if the lines of witnesses, which lie beside the records, were missed where the node's disk was lost."""
    place, open_store = make_place(), opener(name)
    bundle, policy = witness_and_rotate(place, open_store, tmp_path / "here")
    keys = keys_of(place)
    witness = MemoryWitness(
        Cosigner(MemoryWitnessMemory(), W1, [each.verifier for each in keys], clock=MemoryClock(1_700_000_000 * 10**9))
    )
    with place.open(open_store("elsewhere"), signer=Keyring(keys)) as ledger:
        assert stand_for(place, ledger, witness, policy)
        again = ledger.export(tmp_path / "elsewhere")
    assert again.records >= bundle.records
    assert verify_bundle(again.path, key=None, policy=policy, since=bundle.path).verdict is Verdict.OK


@pytest.mark.parametrize("name", STORES)
def test_another_key_signs_nothing_in_any_store(opener, make_place, name):
    """Wrong if a ledger could be signed by a key that its records never handed it on to."""
    place, open_store = make_place(), opener(name)
    with place.create(open_store()) as ledger:
        ledger.heads.rotate(keys_of(place)[1])
    other = place.open(open_store(), signer=Keyring([place.signer, place.other_signer]))
    other.record("local", place.draft())
    with pytest.raises(NotTrusted):
        other.checkpoint()
    place.abandon(other)
    with place.open(open_store(), signer=Keyring(keys_of(place))) as ledger:
        assert ledger.verify().verdict is Verdict.OK


@pytest.mark.parametrize("name", ["sqlite", "postgres", "s3"])
def test_a_ledger_goes_on_where_it_stopped_in_any_store(opener, make_place, name):
    """Wrong if a restart lost the end, or the side files on another machine mattered."""
    place, open_store = make_place(), opener(name)
    with place.create(open_store()) as ledger:
        write(place, ledger, 300)
    with place.open(open_store()) as ledger:
        ledger.record("local", place.draft(300))
        root, size = ledger.checkpoint().root, ledger.size()
    if name != "sqlite":
        with place.open(open_store("elsewhere")) as ledger:
            assert (ledger.checkpoint().root, ledger.size()) == (root, size)
            assert ledger.verify().verdict is Verdict.OK
            assert "index 7" in ledger.prove(7)


@pytest.mark.parametrize("name", ["sqlite", "postgres", "s3"])
def test_writers_on_several_machines_leave_one_chain(opener, make_place, name):
    """Wrong if two nodes on one database or one bucket could fork the chain, or lose what was acknowledged."""
    place, open_store = make_place(), opener(name)
    place.create(open_store()).close()
    hosts = ["here"] * 3 if name == "sqlite" else ["a", "b", "c"]
    ledgers = [place.open(open_store(host)) for host in hosts]
    receipts, errors = [], []

    def work(ledger, number):
        for each in range(8):
            try:
                receipts.append(ledger.record("local", place.draft(number * 100 + each)))
            except Unavailable as error:
                errors.append(error)

    threads = [threading.Thread(target=work, args=(ledger, number)) for number, ledger in enumerate(ledgers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    # Where nothing makes writers wait for each other, one that lost too often in a row is told so; nothing was written.
    assert all(isinstance(error, LedgerRaced) for error in errors), errors
    for ledger in ledgers:
        ledger.close()
    with place.open(open_store()) as ledger:
        assert ledger.verify().verdict is Verdict.OK
        kept = {record.index for record in ledger.records() if record.event_type == "decision.sealed"}
        assert kept == {receipt.index for receipt in receipts}
        assert len(kept) + len(errors) == 24


class Loser(MemoryLedgerStore):
    """A store in memory whose lock reaches nobody, and where somebody else is first a few times."""

    def __init__(self, losses):
        super().__init__()
        self.losses = losses
        self.others = []

    def append(self, start, records):
        """Lose, as long as there are losses left."""
        if self.losses:
            self.losses -= 1
            raise LedgerRaced("another was first", hint="try again")
        super().append(start, records)


def test_a_lost_race_is_run_again_and_then_is_an_error(make_place):
    """Wrong if a conflict reached a caller who could only ask again, or a writer span for ever."""
    place = make_place()
    store = Loser(0)
    with place.create(store) as ledger:
        store.losses = 3
        assert ledger.record("local", place.draft()).index == 1
        store.losses = 1_000
        with pytest.raises(LedgerRaced):
            ledger.record("local", place.draft())
        store.losses = 0
        assert ledger.record("local", place.draft()).index == 2
        assert ledger.verify().verdict is Verdict.OK


class Liar(MemoryLedgerStore):
    """A store that gives other bytes than it was given, for one record."""

    lie: tuple[bytes, bytes] | None = None

    def read(self, start, stop):
        """Give records, one of them changed."""
        records = super().read(start, stop)
        return records if self.lie is None else [raw.replace(*self.lie) for raw in records]


def test_a_store_that_gives_other_bytes_than_it_was_given_is_found_out(make_place, tmp_path):
    """Wrong if what a store makes up could be verified, proved, exported, or built upon."""
    place, store = make_place(), Liar()
    ledger = place.create(store)
    write(place, ledger, 40)
    checkpoint = ledger.checkpoint()
    store.lie = (b'"number":7}', b'"number":8}')
    report = ledger.verify()
    assert report.verdict is Verdict.ALTERED
    assert report.problems[0].index == 8
    index = next(number for number, raw in enumerate(store._records) if b'"number":7}' in raw)
    with pytest.raises(LedgerBroken):
        ledger.prove(index)
    with pytest.raises(LedgerBroken):
        ledger.export(tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()
    place.abandon(ledger)
    store._side.clear()
    again = place.open(store)
    assert again.failure is not None
    assert again.failure.verdict is Verdict.ALTERED
    with pytest.raises(LedgerBroken):
        again.record("local", place.draft())
    assert checkpoint.size == 41


# --- moving ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def moving(opener, make_place):
    """Give a place with a ledger in files, how to open it there, and how to open others."""
    place, source = make_place(), opener("files")
    with place.create(source()) as ledger:
        write(place, ledger, 1_500)
    return place, source, opener


def nothing():
    """Settle nothing."""


@pytest.mark.parametrize("name", ["sqlite", "postgres", "s3"])
def test_a_ledger_moves_there_and_back_with_the_same_head(moving, name):
    """Wrong if a move changed one byte, or left a place where somebody could go on."""
    place, source, opener = moving
    target = opener(name)
    settled = []
    before = source()
    records = before.read(0, before.count())
    moved = move_ledger(source(), target(), note="to there", settle=lambda: settled.append(name))
    assert (moved.records, moved.found, settled) == (len(records), 0, [name])
    there = target()
    assert there.read(0, there.count()) == records
    with pytest.raises(Unavailable, match="to there"):
        place.open(source())
    with place.open(target()) as ledger:
        assert ledger.verify().verdict is Verdict.OK
        ledger.record("local", place.draft(-1))
        head = ledger.checkpoint()
    back = move_ledger(target(), source(), note="back", settle=nothing)
    assert (back.found, back.records) == (len(records), head.size + 1)
    with place.open(source()) as ledger:
        assert ledger.checkpoint().note == head.note


def test_who_had_the_ledger_open_cannot_go_on_in_the_old_place(moving):
    """Wrong if a server that runs during a move forked the ledger."""
    place, source, opener = moving
    ledger = place.open(source())
    index = ledger.record("local", place.draft()).index
    target = opener("sqlite")
    move_ledger(source(), target(), note="to sqlite", settle=nothing)
    with pytest.raises(Unavailable, match="to sqlite") as refused:
        ledger.record("local", place.draft())
    assert refused.value.code == "ledger-moved"
    assert ledger.read(index).detail["number"] == 0
    with pytest.raises(Unavailable):
        ledger.close()


class Stops(Exception):
    """The process ends here."""


def stop_after(number):
    """Give a progress that ends the process at its n-th call."""
    left = [number]

    def advance(_):
        left[0] -= 1
        if left[0] <= 0:
            raise Stops

    return advance


def test_an_interrupted_move_goes_on_and_the_source_was_not_touched(moving, tmp_path):
    """Wrong if a crash in a move cost a record, or left the ledger in neither place, or had to begin anew."""
    place, source, opener = moving
    target = opener("sqlite")
    before = digest_of(tmp_path / "files-here" / "seg")
    with pytest.raises(Stops):
        move_ledger(source(), target(), note="x", settle=nothing, progress=stop_after(1))
    assert digest_of(tmp_path / "files-here" / "seg") == before
    assert target().count() == 1_024
    with place.open(source()) as ledger:
        ledger.record("local", place.draft())

    def die():
        raise Stops

    with pytest.raises(Stops):
        move_ledger(source(), target(), note="x", settle=die)
    with pytest.raises(Unavailable):
        place.open(source())
    settled = []
    moved = move_ledger(source(), target(), note="x", settle=lambda: settled.append(True))
    assert (moved.found, settled) == (moved.records, [True])
    with place.open(target()) as ledger:
        assert ledger.verify().verdict is Verdict.OK


def test_a_target_that_holds_something_else_is_refused_and_stays_as_it_is(moving, make_place):
    """Wrong if a move could write into another ledger, or over a longer one."""
    place, source, opener = moving
    other, target = make_place(), opener("sqlite")
    with other.create(target(), signer=other.other_signer) as ledger:
        write(other, ledger, 20)
    there = target()
    kept = there.read(0, there.count())
    with pytest.raises(UsageRefused) as refused:
        move_ledger(source(), target(), note="x", settle=pytest.fail)
    assert refused.value.code == "ledger-differs"
    again = target()
    assert again.read(0, again.count()) == kept
    assert source().retired() == ""

    longer = opener("sqlite-longer")()
    given = source()
    longer.append(0, given.read(0, given.count()))
    longer.append(given.count(), [b"one more"])
    with pytest.raises(UsageRefused, match="holds"):
        move_ledger(source(), longer, note="x", settle=pytest.fail)
    with place.open(source()) as ledger:
        assert ledger.verify().verdict is Verdict.OK


def test_a_target_that_differs_in_the_middle_is_refused(moving):
    """Wrong if only the ends of what is there already were compared."""
    _, source, opener = moving
    given, target = source(), opener("sqlite")()
    records = given.read(0, given.count())
    target.append(0, [*records[:700], records[700].replace(b'"number":', b'"number": '), *records[701:1_200]])
    with pytest.raises(UsageRefused, match="another record 700"):
        move_ledger(source(), target, note="x", settle=pytest.fail)
    assert source().retired() == ""


def test_a_target_that_gives_other_bytes_back_ends_the_move(moving):
    """Wrong if a ledger were entrusted to a store that had not been seen to return it."""
    place, source, _ = moving
    liar = Liar()
    liar.lie = (b'"number":77}', b'"number":78}')
    with pytest.raises(LedgerBroken) as broken:
        move_ledger(source(), liar, note="x", settle=pytest.fail)
    assert broken.value.verdict is Verdict.CORRUPT
    with place.open(source()) as ledger:
        assert ledger.verify().verdict is Verdict.OK


def test_an_unfinished_write_is_repaired_before_a_move(make_place):
    """Wrong if a move left a torn tail behind without anybody being told."""
    place = make_place(MemoryDisk())
    with place.create() as ledger:
        write(place, ledger, 3)
    place.disk.write(place.segment(), place.disk.size(place.segment()), b"half a rec")
    with pytest.raises(Unavailable, match="unfinished"):
        move_ledger(place.store(), MemoryLedgerStore(), note="x", settle=pytest.fail)
    place.open().close()
    target = MemoryLedgerStore()
    assert move_ledger(place.store(), target, note="x", settle=nothing).records == target.count()


def test_large_records_move_in_groups_that_any_store_takes(opener):
    """Wrong if a ledger of records of the largest size could not be moved into a bucket."""
    source, target = MemoryLedgerStore(), opener("s3")()
    source.append(0, [b"%d" % number * 65_535 for number in range(9)] * 18)
    assert move_ledger(source, target, note="x", settle=nothing).records == 162
    assert target.read(0, 162) == source.read(0, 162)
