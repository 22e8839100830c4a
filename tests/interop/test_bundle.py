"""Other people's tools on our export: Go's checksum database packages, and tlog-scales from the package index."""

import base64
import json
import shutil

import pytest
from tlog_scales import tiles
from tlog_scales.backend import LocalBackend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey
from tlog_scales.tlog import InclusionProofInvalid

from bailiwick.keys import Signer, new_secret
from bailiwick.ledger import verify_receipt

ORIGIN = "bailiwick/fedcba9876543210"
RECORDS = 600
ENTRIES = f"tile/entries/002.p/{RECORDS % 256}"


@pytest.fixture
def bundle(exported, tmp_path):
    """A copy of the late export, to be changed."""
    shutil.copytree(exported[0] / "late", tmp_path / "bundle")
    return tmp_path / "bundle"


def flip(path, position):
    """Flip one bit of a file."""
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def test_go_accepts_the_export_and_every_record_in_it(exported, go_verify):
    """Otherwise an auditor with Go's tools would have to trust ours."""
    folder, key = exported
    ran = go_verify(key, folder / "late", folder / "early" / "checkpoint")
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    assert said["records"] == RECORDS
    assert said["inclusions"] >= 200
    assert said["consistencies"] >= 200


@pytest.mark.parametrize(
    ("name", "position"),
    [
        ("checkpoint", 3),
        ("checkpoint", 30),
        ("checkpoint", 60),
        ("checkpoint", -20),
        ("tile/0/000", 0),
        ("tile/0/000", 8_000),
        ("tile/0/002.p/88", 40),
        ("tile/1/000.p/2", 33),
        ("tile/entries/000", 2),
        ("tile/entries/001", 20_000),
        (ENTRIES, 1),
        (ENTRIES, -1),
    ],
)
def test_go_refuses_a_flipped_bit(bundle, exported, go_verify, name, position):
    """Otherwise the acceptance above would prove nothing."""
    flip(bundle / name, position)
    ran = go_verify(exported[1], bundle)
    assert ran.returncode == 1
    assert ran.stderr


def test_go_refuses_another_key_and_another_past(exported, go_verify):
    """Otherwise the program would accept whoever signs, and whatever was before."""
    folder, key = exported
    other = Signer(ORIGIN, new_secret(bytes([1] * 32))).verifier.text()
    assert go_verify(other, folder / "late").returncode == 1
    assert go_verify(key, folder / "early", folder / "late" / "checkpoint").returncode == 1


def reader_of(bundle):
    """Open a bundle with tlog-scales."""
    reader = TilesReader(LocalBackend(bundle))
    return reader, reader.get_checkpoint()


def test_tlog_scales_accepts_the_export(exported):
    """Otherwise our reading of the tile format would be ours alone."""
    folder, key = exported
    reader, checkpoint = reader_of(folder / "late")
    checkpoint.verify(Vkey.from_string(key))
    assert (checkpoint.origin, checkpoint.size) == (ORIGIN, RECORDS)
    assert reader.calculate_root_hash() == checkpoint.root_hash
    for index in range(0, RECORDS, 23):
        leaf = tiles.leaf_hash(reader.get_entry(index))
        reader.get_inclusion_proof(index, RECORDS).check(leaf, checkpoint.root_hash)
    _, earlier = reader_of(folder / "early")
    growth = reader.get_consistency_proof(earlier.size, RECORDS)
    growth.check(earlier.root_hash, checkpoint.root_hash)


def test_tlog_scales_refuses_a_flipped_bit(bundle, exported):
    """Otherwise the acceptance above would prove nothing."""
    flip(bundle / "tile/0/001", 100)
    reader, checkpoint = reader_of(bundle)
    assert reader.calculate_root_hash() == checkpoint.root_hash, "level 1 still has the sound hash"
    proof = reader.get_inclusion_proof(256 + 2, RECORDS)
    leaf = tiles.leaf_hash(reader.get_entry(256 + 2))
    with pytest.raises(InclusionProofInvalid):
        proof.check(leaf, checkpoint.root_hash)
    (bundle / "tile/1/000.p/2").write_bytes(bytes(64))
    reader, checkpoint = reader_of(bundle)
    assert reader.calculate_root_hash() != checkpoint.root_hash


def test_our_receipts_are_what_tlog_scales_proves(exported):
    """Otherwise a receipt would be a proof in our own dialect."""
    folder, key = exported
    text, raw = (folder / "receipt").read_text(), (folder / "record").read_bytes()
    index, checkpoint = verify_receipt(text, raw, key=key)
    reader, theirs = reader_of(folder / "late")
    assert (checkpoint.size, checkpoint.root) == (theirs.size, theirs.root_hash)
    hashes = text.split("\n\n")[0].splitlines()[2:]
    proof = reader.get_inclusion_proof(index, RECORDS)
    assert [base64.b64decode(line) for line in hashes] == proof.node_hashes


def test_go_and_tlog_scales_accept_an_export_with_witnesses(witnessed, go_verify):
    """Otherwise witnesses would shut out those who use other people's tools."""
    assert (witnessed.bundle / "checkpoint").read_text().count("\u2014") == 2
    ran = go_verify(witnessed.key, witnessed.bundle)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["records"] == 50
    reader, checkpoint = reader_of(witnessed.bundle)
    checkpoint.verify(Vkey.from_string(witnessed.key))
    assert reader.calculate_root_hash() == checkpoint.root_hash
