"""Other people's tools on our export: Go's checksum database packages, and tlog-scales from the package index."""

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tlog_scales import tiles
from tlog_scales.backend import LocalBackend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey
from tlog_scales.tlog import InclusionProofInvalid

from bailiwick.adapters.ledgerstore_memory import MemoryLedgerStore
from bailiwick.adapters.witnessmemory_memory import MemoryWitnessMemory
from bailiwick.errors import Verdict
from bailiwick.keys import COSIGNATURE, Signer, new_secret
from bailiwick.ledger import Cosigner, KnownWitness, Ledger, verify_bundle, verify_receipt, witness_policy
from bailiwick.model import Actor, Draft
from bailiwick.testing import MemoryClock

ORIGIN = "bailiwick/fedcba9876543210"
ACTOR = Actor(id="operator-1", role="operator")
GO_SOURCES = Path("/usr/share/gocode")
"""Where Debian's golang-golang-x-mod-dev puts its sources."""
PROGRAM = Path(__file__).parent / "go" / "main.go"
RECORDS = 600
ENTRIES = f"tile/entries/002.p/{RECORDS % 256}"


def drafts(count):
    """Give things to record, some with text beyond ASCII."""
    detail = [{"number": number, "text": "é\u2028" * (number % 3)} for number in range(count)]
    return [Draft(event_type="test.done", resource="r/1", detail=each, actor=ACTOR) for each in detail]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A ledger of three tiles at level 0 and one above, exported early and late."""
    folder = tmp_path_factory.mktemp("exported")
    signer = Signer(ORIGIN, new_secret(bytes(32)))
    making = {"clock": MemoryClock(step_ns=1), "origin": ORIGIN, "node_id": "node-1", "actor": ACTOR}
    with Ledger.create(
        "local", MemoryLedgerStore(), signer, checkpoint_ms=None, guard=lambda draft: None, **making
    ) as ledger:
        ledger.record_many("local", drafts(99))
        ledger.export(folder / "early")
        ledger.record_many("local", drafts(RECORDS - 101))
        ledger.export(folder / "late")
        (folder / "receipt").write_text(ledger.prove(7))
        (folder / "record").write_bytes(ledger.read(7).raw)
    return folder, signer.verifier.text()


@pytest.fixture
def bundle(exported, tmp_path):
    """A copy of the late export, to be changed."""
    shutil.copytree(exported[0] / "late", tmp_path / "bundle")
    return tmp_path / "bundle"


@pytest.fixture(scope="module")
def go_verify(tmp_path_factory):
    """Run the Go program on a bundle."""
    if shutil.which("go") is None or not (GO_SOURCES / "src/golang.org/x/mod/sumdb/note").is_dir():
        pytest.skip("Go or its x/mod sources are missing: apt-get install golang-go golang-golang-x-mod-dev")
    folder = tmp_path_factory.mktemp("go")
    program = folder / "verify"
    build = {**os.environ, "GOPATH": str(GO_SOURCES), "GO111MODULE": "off", "GOCACHE": str(folder / "cache")}
    subprocess.run(["go", "build", "-o", program, PROGRAM], env=build, check=True, capture_output=True)

    def run(*arguments):
        return subprocess.run([program, *arguments], check=False, capture_output=True, text=True)

    return run


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


# --- an export with a changed key and lines of witnesses --------------------------------------------------------------


@pytest.fixture(scope="module")
def witnessed(tmp_path_factory):
    """A log of 50 records that changed its key and was cosigned, exported; and the key that signs it now."""
    folder = tmp_path_factory.mktemp("witnessed")
    first, second = (Signer(ORIGIN, new_secret(bytes([number] * 32))) for number in (3, 4))
    cosigner = Signer("witness.example/w1", new_secret(bytes([5] * 32)), COSIGNATURE)
    clock = MemoryClock(step_ns=1)
    witness = Cosigner(MemoryWitnessMemory(), cosigner, [second.verifier], clock=clock)
    known = KnownWitness(name=b"w1", verifier=cosigner.verifier)
    making = {"clock": clock, "origin": ORIGIN, "node_id": "node-1", "actor": ACTOR}
    making["guard"] = lambda draft: None
    with Ledger.create("local", MemoryLedgerStore(), first, checkpoint_ms=None, **making) as ledger:
        ledger.heads.name_witness(cosigner.verifier)
        ledger.heads.rotate(second)
        ledger.record_many("local", drafts(50 - ledger.size()))
        report = ledger.heads.ask([(known, witness)], witness_policy([], [known]))
        assert report.is_met
        ledger.export(folder / "bundle")
    return folder / "bundle", second.verifier.text()


def test_go_and_tlog_scales_accept_an_export_with_witnesses(witnessed, go_verify):
    """Otherwise witnesses would shut out those who use other people's tools."""
    bundle, key = witnessed
    assert (bundle / "checkpoint").read_text().count("\u2014") == 2
    ran = go_verify(key, bundle)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["records"] == 50
    reader, checkpoint = reader_of(bundle)
    checkpoint.verify(Vkey.from_string(key))
    assert reader.calculate_root_hash() == checkpoint.root_hash


def mutations(bundle):
    """Give positions within files: in records, in tiles, and in the signed text with its size and root."""
    checkpoint = (bundle / "checkpoint").read_bytes()
    end = checkpoint.index(b"\n\n")
    signature = checkpoint.index("\u2014".encode())
    yield from (("checkpoint", position) for position in range(end))
    yield from (("checkpoint", position) for position in range(signature + 60, signature + 90, 5))
    yield from (("tile/0/000.p/50", position) for position in range(0, 50 * 32, 16))
    size = (bundle / "tile/entries/000.p/50").stat().st_size
    yield from (("tile/entries/000.p/50", position) for position in range(0, size, 401))


def test_go_refuses_every_mutation_of_what_it_sees(witnessed, go_verify, tmp_path):
    """Otherwise Go's word on an export would not be worth asking for."""
    shutil.copytree(witnessed[0], tmp_path / "changed")
    for name, position in mutations(witnessed[0]):
        whole = (tmp_path / "changed" / name).read_bytes()
        flip(tmp_path / "changed" / name, position)
        assert go_verify(witnessed[1], tmp_path / "changed").returncode == 1, (name, position)
        (tmp_path / "changed" / name).write_bytes(whole)


def scales_refuse(bundle, key):
    """Say whether tlog-scales refuses a bundle, when each record is checked against the signed root."""
    try:
        reader, checkpoint = reader_of(bundle)
        checkpoint.verify(Vkey.from_string(key))
        if checkpoint.origin != ORIGIN or reader.calculate_root_hash() != checkpoint.root_hash:
            return True
        for index in range(checkpoint.size):
            leaf = tiles.leaf_hash(reader.get_entry(index))
            reader.get_inclusion_proof(index, checkpoint.size).check(leaf, checkpoint.root_hash)
    except Exception:
        # Whatever it raises, it does not accept: its errors are of many kinds, some of them Python's own.
        return True
    return False


def test_tlog_scales_refuses_every_mutation_of_what_it_sees(witnessed, tmp_path):
    """Otherwise the word of the second tool would not be worth asking for."""
    shutil.copytree(witnessed[0], tmp_path / "changed")
    assert not scales_refuse(tmp_path / "changed", witnessed[1])
    for name, position in list(mutations(witnessed[0]))[::3]:
        whole = (tmp_path / "changed" / name).read_bytes()
        flip(tmp_path / "changed" / name, position)
        assert scales_refuse(tmp_path / "changed", witnessed[1]), (name, position)
        (tmp_path / "changed" / name).write_bytes(whole)


@pytest.mark.parametrize("unseen", ["keys", "extra-file", "witness-line"])
def test_what_go_cannot_see_is_what_the_page_lists(witnessed, go_verify, tmp_path, unseen):
    """Otherwise an auditor would take Go's word for more than Go looks at."""
    bundle = shutil.copytree(witnessed[0], tmp_path / "changed")
    if unseen == "keys":
        flip(bundle / "keys", 30)
    elif unseen == "extra-file":
        (bundle / "more").write_text("carried along")
    else:
        text = (bundle / "checkpoint").read_text()
        (bundle / "checkpoint").write_text(text.replace("witness.example/w1", "witness.example/w2"))
    assert go_verify(witnessed[1], bundle).returncode == 0
    assert verify_bundle(bundle, key=witnessed[1]).verdict is not Verdict.OK
