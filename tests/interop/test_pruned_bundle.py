"""Other people's tools on the export of a pruned ledger: what is left is proven, and what went can be still."""

from __future__ import annotations

import json
import shutil

import pytest
from tlog_scales import tiles
from tlog_scales.backend import LocalBackend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey

from bailiwick.canonical import time_ns
from bailiwick.keys import Signer, new_secret
from bailiwick.ledger import Ledger, Retention, verify_bundle
from bailiwick.model import Actor, Draft
from bailiwick.testing import MemoryClock, MemoryLedgerStore

ORIGIN = "bailiwick/fedcba9876543210"
ACTOR = Actor(id="operator-1", role="operator")
DAY_NS = 86_400 * 10**9
MINIMUM = 512


def draft(number):
    """Give a record that is old after half a year, or now and then one that is kept for longer."""
    kind = "test.done" if number % 100 == 50 else "access.read"
    return Draft(event_type=kind, resource="r/1", detail={"number": number}, actor=ACTOR)


@pytest.fixture(scope="module")
def pruned(tmp_path_factory):
    """A ledger of 512 pruned records and some hundred others: exported before and after, with a leaf that went."""
    folder = tmp_path_factory.mktemp("pruned")
    signer, clock = Signer(ORIGIN, new_secret(bytes(32))), MemoryClock(step_ns=1_000)
    clock.set(time_ns("2026-01-10T12:00:00.000000000Z"))
    words = {"clock": clock, "origin": ORIGIN, "node_id": "node-1", "actor": ACTOR, "guard": lambda draft: None}
    with Ledger.create("local", MemoryLedgerStore(), signer, checkpoint_ms=None, **words) as ledger:
        ledger.keeping.set_retention(Retention(), ACTOR)
        ledger.record_many("local", [draft(number) for number in range(600)])
        ledger.export(folder / "before")
        for month in range(9):
            clock.set(clock.now_ns() + 30 * DAY_NS)
            ledger.record("local", draft(1_000 + month))
            ledger.checkpoint()
        (folder / "gone").write_bytes(ledger.read(300).raw)
        plan = ledger.keeping.plan(carry=True)
        archive = ledger.keeping.archive(plan, folder / "archive")
        ledger.keeping.prune(plan, archive, ACTOR, held=None, unheld=True)
        ledger.export(folder / "after")
        assert ledger.verify().to_json()["minimum"] == MINIMUM
        records = ledger.checkpoint().size
    return folder, signer.verifier.text(), records


@pytest.fixture
def bundle(pruned, tmp_path):
    """A copy of the pruned export, to be changed."""
    shutil.copytree(pruned[0] / "after", tmp_path / "bundle")
    return tmp_path / "bundle"


def test_go_accepts_a_pruned_export_and_its_growth(pruned, go_verify):
    """Otherwise an auditor with Go's tools would lose a ledger on the day it is pruned."""
    folder, key, records = pruned
    ran = go_verify(key, folder / "after", folder / "before" / "checkpoint")
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    assert (said["records"], said["minimum"]) == (records, MINIMUM)
    assert said["carried"] == len((folder / "after" / "carried").read_bytes().splitlines()) > 2
    assert said["inclusions"] >= 200


def test_go_accepts_the_archive_of_what_went(pruned, go_verify):
    """Otherwise what was deleted could be believed with our tools alone."""
    folder, key, _ = pruned
    (archive,) = (folder / "archive").iterdir()
    ran = go_verify(key, archive)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["minimum"] == 0


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("minimum", lambda data: b"256\n"),
        ("minimum", lambda data: b"513\n"),
        ("minimum", lambda data: b"-512\n"),
        ("minimum", lambda data: None),
        ("carried", lambda data: data.replace(b"ledger.genesis", b"ledger.genesjs")),
        ("carried", lambda data: data.replace(b'"entry_id":0', b'"entry_id":900')),
        ("carried", lambda data: b"{}x\n"),
        ("carried", lambda data: None),
        ("tile/0/000", lambda data: bytes([data[0] ^ 1]) + data[1:]),
        ("tile/0/001", lambda data: data[:-1] + bytes([data[-1] ^ 1])),
        ("tile/entries/002.p/", lambda data: data[:200] + bytes([data[200] ^ 1]) + data[201:]),
    ],
)
def test_go_refuses_what_was_changed_in_a_pruned_export(bundle, pruned, go_verify, name, change):
    """Otherwise the acceptance above would prove nothing."""
    path = next(each for each in bundle.rglob("*") if each.is_file() and str(each.relative_to(bundle)).startswith(name))
    data = change(path.read_bytes())
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    ran = go_verify(pruned[1], bundle)
    assert (ran.returncode, bool(ran.stderr)) == (1, True)
    assert verify_bundle(bundle, key=pruned[1]).verdict != "ok"


def test_tlog_scales_proves_records_that_are_there_and_those_that_went(pruned):
    """Otherwise a receipt of a pruned record would be worth nothing in the hands of a stranger."""
    folder, key, records = pruned
    reader = TilesReader(LocalBackend(folder / "after"))
    checkpoint = reader.get_checkpoint()
    checkpoint.verify(Vkey.from_string(key))
    assert (checkpoint.origin, checkpoint.size) == (ORIGIN, records)
    assert reader.calculate_root_hash() == checkpoint.root_hash
    for index in range(MINIMUM, records, 17):
        leaf = tiles.leaf_hash(reader.get_entry(index))
        reader.get_inclusion_proof(index, records).check(leaf, checkpoint.root_hash)
    gone = tiles.leaf_hash((folder / "gone").read_bytes())
    reader.get_inclusion_proof(300, records).check(gone, checkpoint.root_hash)
    earlier = TilesReader(LocalBackend(folder / "before")).get_checkpoint()
    growth = reader.get_consistency_proof(earlier.size, records)
    growth.check(earlier.root_hash, checkpoint.root_hash)
