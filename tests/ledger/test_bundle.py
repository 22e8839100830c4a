"""Exported ledgers: accepted whole, refused after any change, and named by what is wrong."""

import os
import shutil

import pytest

from bailiwick.errors import LedgerBroken, NotFound, UsageRefused, Verdict
from bailiwick.ledger import Ledger, verify_bundle
from bailiwick.ledger.note import sign_checkpoint
from bailiwick.ledger.tiles import frame_entries, split_entries

PARTIAL = "tile/entries/000.p/12"


@pytest.fixture
def bundle(place, tmp_path):
    """A small bundle: 12 records, a checkpoint among them."""
    with place.create() as ledger:
        ledger.record_many(place.tenant, place.drafts(4))
        ledger.checkpoint()
        ledger.record_many(place.tenant, place.drafts(6))
        ledger.export(tmp_path / "bundle")
    return tmp_path / "bundle"


@pytest.fixture
def key(place):
    """The key that anchors it."""
    return place.signer.verifier.text()


def files_of(bundle):
    """Give every file of a bundle, by path within it."""
    return sorted(str(path.relative_to(bundle)) for path in bundle.rglob("*") if path.is_file())


def test_a_bundle_is_what_the_specification_says_and_nothing_more(bundle, key):
    """Otherwise other people's tools would not find their way, or we would ship what nobody checks."""
    assert files_of(bundle) == ["checkpoint", "keys", "tile/0/000.p/12", PARTIAL]
    assert (bundle / "keys").read_text() == key + "\n"


def test_a_whole_bundle_is_ok(bundle, key):
    """Otherwise the verdict would mean nothing."""
    report = verify_bundle(bundle, key=key)
    assert report.to_json() == {
        "verdict": "ok",
        "records": 12,
        "root": report.root,
        "key": key,
        "anchor": "given",
        "record": None,
        "problems": [],
    }
    assert len(bytes.fromhex(report.root)) == 32


def test_without_a_key_the_verdict_is_about_consistency_and_says_so(bundle, key):
    """Otherwise a bundle that vouches for itself would look anchored."""
    report = verify_bundle(bundle, key=None)
    assert (report.verdict, report.anchor, report.key) == (Verdict.OK, "bundle", key)


@pytest.mark.parametrize("anchored", [True, False])
def test_every_flipped_byte_is_refused_and_its_file_is_named(bundle, key, anchored):
    """Otherwise there would be a byte that anybody may change."""
    for name in files_of(bundle):
        path = bundle / name
        whole = path.read_bytes()
        # Which key it is makes no difference to a record, so one pass over all of their bytes will do.
        for position in range(0, len(whole), 1 if anchored or name != PARTIAL else 61):
            changed = bytearray(whole)
            changed[position] ^= 1 << position % 8
            path.write_bytes(changed)
            report = verify_bundle(bundle, key=key if anchored else None)
            assert report.verdict is not Verdict.OK, (name, position)
            blamed = {problem.file for problem in report.problems}
            # Without a key to compare with, a key that does not fit its checkpoint may be either one's fault.
            assert name in blamed or (not anchored and name == "keys" and "checkpoint" in blamed), (name, position)
        path.write_bytes(whole)
    assert verify_bundle(bundle, key=key).verdict is Verdict.OK


def test_a_flipped_byte_of_a_record_names_the_record(bundle, key):
    """Otherwise nobody would know which decision to doubt."""
    path = bundle / PARTIAL
    whole = path.read_bytes()
    records = split_entries(whole)
    for index, raw in enumerate(records):
        at = whole.index(raw) + len(raw) // 2
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        report = verify_bundle(bundle, key=key)
        assert report.to_json()["record"] in {index, max(index - 1, 0)}
        assert any(problem.index == index and problem.file == PARTIAL for problem in report.problems), index


def test_a_flipped_byte_of_a_tile_blames_the_tile_not_the_record(bundle, key):
    """Otherwise a damaged hash would cast doubt on a sound record."""
    path = bundle / "tile/0/000.p/12"
    whole = path.read_bytes()
    path.write_bytes(whole[:64] + bytes([whole[64] ^ 1]) + whole[65:])
    report = verify_bundle(bundle, key=key)
    assert [(problem.file, problem.index) for problem in report.problems] == [("tile/0/000.p/12", 2)]
    assert report.verdict is Verdict.ALTERED


def test_every_shorter_file_is_refused(bundle, key):
    """Otherwise a download that broke off would verify."""
    for name in files_of(bundle):
        path = bundle / name
        whole = path.read_bytes()
        for end in {*range(0, len(whole), 7), len(whole) - 1}:
            path.write_bytes(whole[:end])
            report = verify_bundle(bundle, key=key)
            assert report.verdict is not Verdict.OK, (name, end)
            assert name in {problem.file for problem in report.problems}
        path.write_bytes(whole)


@pytest.mark.parametrize("more", [b"\x00", b"\n", b"\x00\x00", bytes(32)])
def test_every_longer_file_is_refused(bundle, key, more):
    """Otherwise something could be carried along under a good verdict."""
    for name in files_of(bundle):
        path = bundle / name
        whole = path.read_bytes()
        path.write_bytes(whole + more)
        report = verify_bundle(bundle, key=key)
        assert report.verdict is not Verdict.OK
        assert name in {problem.file for problem in report.problems}
        path.write_bytes(whole)


@pytest.mark.parametrize("name", ["checkpoint", "keys", "tile/0/000.p/12", PARTIAL])
def test_a_missing_file_is_truncated_and_named(bundle, key, name):
    """Otherwise a part could be left out."""
    (bundle / name).unlink()
    report = verify_bundle(bundle, key=key)
    assert report.verdict is Verdict.TRUNCATED
    assert report.problems[0].file == name


@pytest.mark.parametrize("name", ["README", "tile/0/001", "tile/1/000.p/1", "tile/entries/000", ".hidden", "a/b/c"])
def test_a_file_too_many_is_altered_and_named(bundle, key, name):
    """Otherwise a bundle could carry what the checkpoint does not stand for."""
    (bundle / name).parent.mkdir(parents=True, exist_ok=True)
    (bundle / name).write_bytes(b"extra")
    report = verify_bundle(bundle, key=key)
    assert (report.verdict, report.problems[0].file) == (Verdict.ALTERED, name)


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("/etc/hostname"), os.mkfifo])
def test_what_is_not_a_plain_file_is_refused_unopened(bundle, key, make):
    """Otherwise a bundle could make the verifier read other files, or wait for ever."""
    (bundle / "checkpoint").unlink()
    make(bundle / "checkpoint")
    report = verify_bundle(bundle, key=key)
    assert report.verdict is not Verdict.OK
    assert "checkpoint" in {problem.file for problem in report.problems}


def test_a_bundle_signed_by_another_key_is_untrusted_when_the_key_is_known(make_place, tmp_path, key):
    """Otherwise a whole history could be made up and signed by somebody else under the same name."""
    forger = make_place()
    with forger.create(signer=forger.other_signer) as ledger:
        ledger.record_many(forger.tenant, forger.drafts(5))
        ledger.export(tmp_path / "forged")
    report = verify_bundle(tmp_path / "forged", key=key)
    assert report.verdict is Verdict.UNTRUSTED_KEY
    assert forger.other_signer.verifier.text() in report.problems[0].message
    assert verify_bundle(tmp_path / "forged", key=None).verdict is Verdict.OK


def test_a_checkpoint_signed_anew_over_changed_records_is_refused_by_the_records(bundle, key, place):
    """Otherwise a thief of the key could change one record and sign again, without the checkpoints inside noticing."""
    path = bundle / PARTIAL
    records = [raw.replace(b'"number":3', b'"number":4') for raw in split_entries(path.read_bytes())]
    path.write_bytes(frame_entries(records))
    (bundle / "checkpoint").write_bytes(sign_checkpoint(12, bytes(32), place.signer).note)
    report = verify_bundle(bundle, key=key)
    assert report.verdict is Verdict.ALTERED
    assert PARTIAL in {problem.file for problem in report.problems}


@pytest.mark.parametrize("size", [0, 1, 11, 13, 256, 10**6, 2**53 - 1])
def test_a_signed_checkpoint_of_another_size_is_refused_in_bounded_time(bundle, key, place, size):
    """Otherwise the size could be claimed, or a huge one make the verifier run for ever."""
    (bundle / "checkpoint").write_bytes(sign_checkpoint(size, bytes(32), place.signer).note)
    assert verify_bundle(bundle, key=key).verdict in {Verdict.TRUNCATED, Verdict.ALTERED}


def test_a_second_history_under_the_same_key_is_forked(make_place, tmp_path, key):
    """Otherwise whoever holds the key could show two people two pasts."""
    one, other = make_place(), make_place()
    for place, name in ((one, "one"), (other, "other")):
        with place.create() as ledger:
            ledger.record_many(place.tenant, place.drafts(3, start=len(name)))
            ledger.export(tmp_path / f"{name}-early")
            ledger.record_many(place.tenant, place.drafts(300))
            ledger.export(tmp_path / name)
    assert verify_bundle(tmp_path / "one", key=key, since=tmp_path / "one-early").verdict is Verdict.OK
    assert verify_bundle(tmp_path / "one", key=key, since=tmp_path / "one" / "checkpoint").verdict is Verdict.OK
    forked = verify_bundle(tmp_path / "one", key=key, since=tmp_path / "other-early" / "checkpoint")
    assert (forked.verdict, len(forked.problems)) == (Verdict.FORKED, 1)


def test_a_bundle_older_than_a_checkpoint_that_was_kept_is_truncated(place, tmp_path, key):
    """Otherwise the newest records could be left out, which no bundle shows by itself."""
    with place.create() as ledger:
        ledger.record_many(place.tenant, place.drafts(3))
        ledger.export(tmp_path / "early")
        ledger.record_many(place.tenant, place.drafts(3))
        ledger.export(tmp_path / "late")
    report = verify_bundle(tmp_path / "early", key=key, since=tmp_path / "late")
    assert report.verdict is Verdict.TRUNCATED


def test_a_kept_checkpoint_of_another_key_or_garbled_is_refused(bundle, key, place, tmp_path):
    """Otherwise comparing with anything at all would look like a comparison."""
    kept = tmp_path / "kept"
    kept.write_bytes(sign_checkpoint(3, bytes(32), place.other_signer).note)
    assert verify_bundle(bundle, key=key, since=kept).verdict is Verdict.UNTRUSTED_KEY
    kept.write_bytes(b"garbage")
    assert verify_bundle(bundle, key=key, since=kept).verdict is Verdict.CORRUPT
    with pytest.raises(NotFound):
        verify_bundle(bundle, key=key, since=tmp_path / "nothing")


def test_what_is_no_bundle_is_said_to_be_none(tmp_path, key):
    """Otherwise a slip in a path would be called tampering."""
    with pytest.raises(NotFound):
        verify_bundle(tmp_path / "nothing", key=key)
    with pytest.raises(UsageRefused):
        verify_bundle(tmp_path, key="not a key")
    report = verify_bundle(tmp_path, key=key)
    assert report.verdict is Verdict.TRUNCATED
    assert {problem.file for problem in report.problems} == {"keys", "checkpoint"}


def test_a_bundle_of_several_levels_is_checked_in_every_tile(place, tmp_path, key):
    """Otherwise the tiles above the leaves, which other tools read first, could say anything."""
    with place.create() as ledger:
        ledger.record_many(place.tenant, place.drafts(600))
        bundle = ledger.export(tmp_path / "bundle").path
    assert verify_bundle(bundle, key=key).records == 601
    for name in files_of(bundle):
        whole = (bundle / name).read_bytes()
        at = len(whole) // 2
        (bundle / name).write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        report = verify_bundle(bundle, key=key)
        assert report.verdict is not Verdict.OK, name
        assert name in {problem.file for problem in report.problems}, name
        (bundle / name).write_bytes(whole)


def test_a_report_stops_at_so_many_problems(place, tmp_path, key):
    """Otherwise a bundle full of faults would make a report without end."""
    with place.create() as ledger:
        ledger.record_many(place.tenant, place.drafts(256 * 25))
        bundle = ledger.export(tmp_path / "bundle").path
    shutil.rmtree(bundle / "tile" / "0")
    assert len(verify_bundle(bundle, key=key).problems) == 20


def test_an_export_never_writes_over_anything(ledger, place, tmp_path):
    """Otherwise a slip in a path would cost somebody a folder."""
    (tmp_path / "file").write_text("precious")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inside").write_text("precious")
    for name in ("file", "folder"):
        with pytest.raises(UsageRefused) as refused:
            ledger.export(tmp_path / name)
        assert refused.value.code == "export-exists"
    (tmp_path / "empty").mkdir()
    assert ledger.export(tmp_path / "empty").records == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file", "folder"]


def test_an_export_of_changed_records_leaves_no_folder(place, tmp_path):
    """Otherwise a broken ledger would be exported as if it were sound, or half of it."""
    with place.create() as ledger:
        ledger.record_many(place.tenant, place.drafts(5))
    place.overwrite(place.segment(), place.bytes_of(place.segment()).replace(b'"number":2', b'"number":7'))
    with place.open() as ledger, pytest.raises(LedgerBroken):
        ledger.export(tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_exports_of_one_checkpoint_are_the_same_bytes(ledger, place, tmp_path):
    """Otherwise two people with the same ledger could not compare what they have."""
    ledger.record_many(place.tenant, place.drafts(300))
    one, other = ledger.export(tmp_path / "one"), ledger.export(tmp_path / "other")
    assert files_of(one.path) == files_of(other.path)
    for name in files_of(one.path):
        assert (one.path / name).read_bytes() == (other.path / name).read_bytes()


def test_verifying_imports_nothing_that_writes():
    """Otherwise a fault of the writer could hide itself from the verifier."""
    import ast
    from pathlib import Path

    import bailiwick.ledger.bundle as entry

    folder = Path(entry.__file__).parent
    seen, waiting = set(), ["bundle", "audit", "receipt", "policy", "witness"]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for node in ast.walk(ast.parse((folder / f"{name}.py").read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("bailiwick.ledger."):
                waiting.append(node.module.removeprefix("bailiwick.ledger."))
    written = {"commit", "export", "keyring", "log", "recover", "tip", "writer"}
    assert seen >= {"bundle", "audit", "receipt", "chain", "note", "proof", "record", "rotation", "tiles", "tree"}
    assert not seen & written
    assert Ledger.__module__ == "bailiwick.ledger.log"
