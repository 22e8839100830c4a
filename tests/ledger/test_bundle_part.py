"""Exported ledgers read by several processes: the same report as by one, whatever is wrong."""

from __future__ import annotations

import random
from contextlib import contextmanager

import pytest

from bailiwick.errors import Verdict
from bailiwick.keys import Signer, new_secret
from bailiwick.ledger import bundle_part, parallel, verify_bundle
from bailiwick.ledger.bundle import _BundleAudit
from bailiwick.ledger.bundle_part import read_part, upper_rows
from bailiwick.ledger.retention import Retention
from bailiwick.ledger.tree import TILE_WIDTH, Frontier, tile_rows
from tests.ledger.conftest import ORIGIN, Place

RECORDS = 900
"""Records of the ledger, in number: four tiles, the last of them partial."""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Give a bundle of a ledger whose key changed, and an older checkpoint of it."""
    place, folder = Place(), tmp_path_factory.mktemp("parts")
    with place.create() as ledger:
        for start in range(0, RECORDS, 100):
            ledger.record_many(place.tenant, place.drafts(100, start))
            if start == 300:
                (folder / "older").write_bytes(ledger.checkpoint().note)
                ledger.heads.rotate(Signer(ORIGIN, new_secret(bytes([7]) * 32)))
        ledger.export(folder / "bundle")
    return folder


@pytest.fixture
def bundle(exported, monkeypatch):
    """Give the bundle, whose parts are one tile each and read in this process."""

    @contextmanager
    def here(work, tasks, jobs):
        yield (work(*task) for task in tasks)

    monkeypatch.setattr(bundle_part, "PART_TILES", 1)
    monkeypatch.setattr(parallel, "PART_RECORDS", TILE_WIDTH)
    monkeypatch.setattr(parallel, "in_order", here)
    return exported / "bundle"


def reports(bundle, **more):
    """Verify as one process does, and in parts."""
    key = Place.signer.verifier.text()
    return verify_bundle(bundle, key=key, **more), verify_bundle(bundle, key=key, jobs=2, **more)


def test_a_sound_bundle_of_changed_keys_is_sound_in_parts(bundle):
    """Wrong if parts did not fit together, or a part were believed about the key that signs in it."""
    whole, parts = reports(bundle)
    assert whole.verdict is Verdict.OK
    assert parts == whole


def test_parts_are_taken_and_not_only_read_again(bundle, monkeypatch):
    """Wrong if several processes did the work, and this one did all of it once more."""

    def never(self, *_):
        raise AssertionError("read again")

    monkeypatch.setattr(_BundleAudit, "_check_part", never)
    report = verify_bundle(bundle, key=Place.signer.verifier.text(), jobs=2)
    assert report.verdict is Verdict.OK


def test_processes_of_their_own_give_the_same_report(exported, monkeypatch):
    """Wrong if what is sent to a process, or comes back, were not all that matters."""
    monkeypatch.setattr(parallel, "PART_RECORDS", TILE_WIDTH)
    whole, parts = reports(exported / "bundle")
    assert parts == whole


def test_growth_from_an_older_checkpoint_is_checked_in_parts(bundle, exported):
    """Wrong if a part that holds the end of an older tree were taken without looking."""
    whole, parts = reports(bundle, since=exported / "older")
    assert whole.verdict is Verdict.OK
    assert parts == whole


def test_every_damage_is_reported_the_same_in_parts(bundle):
    """Wrong if a part let something pass, or named another record or file, than a walk from the first record on."""
    dice = random.Random(7)
    for path in sorted(path for path in bundle.rglob("*") if path.is_file()):
        data = path.read_bytes()
        spots = dice.sample(range(len(data)), min(len(data), 12))
        damaged = [data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] for at in spots]
        damaged += [data[:-1], data + b"x", b"", data[: len(data) // 2]]
        for each in damaged:
            path.write_bytes(each)
            whole, parts = reports(bundle)
            assert whole.verdict is not Verdict.OK, path
            assert parts == whole, path
        path.write_bytes(data)


def test_a_policy_of_retention_within_a_part_is_looked_at(tmp_path, bundle):
    """Wrong if a part hid the record that the statement of retention is compared with."""
    place = Place()
    with place.create() as ledger:
        ledger.record_many(place.tenant, place.drafts(300))
        ledger.keeping.set_retention(Retention(), place.actor)
        ledger.export(tmp_path / "kept")
    whole, parts = reports(tmp_path / "kept")
    assert whole.verdict is Verdict.OK
    assert parts == whole
    (tmp_path / "kept" / "retention.json").write_bytes(b"{}\n")
    whole, parts = reports(tmp_path / "kept")
    assert whole.verdict is Verdict.ALTERED
    assert parts == whole


def test_what_is_no_part_is_none(bundle, tmp_path):
    """Wrong if a folder that is not there raised in another process, instead of being looked at here."""
    assert read_part(tmp_path, 0, TILE_WIDTH) is None
    assert read_part(bundle, 0, TILE_WIDTH) is not None
    assert read_part(bundle, 1, TILE_WIDTH + 1) is None


@pytest.mark.parametrize("size", [255, 256, 65_536, 65_537, 70_000])
def test_the_levels_above_follow_from_the_first(size):
    """Wrong if tiles above level 1 were compared with other hashes than the tree has."""
    rows = tile_rows(Frontier().extend([bytes([number % 251]) * 32 for number in range(size)]))
    above = {level: row for level, row in upper_rows(rows.get(1, [])).items() if row}
    assert above == {level: row for level, row in rows.items() if level}
