"""A log of 50 records, its key changed and its head witnessed: whatever is changed in its export is refused."""

import hashlib
import shutil

import pytest

from bailiwick.adapters.witness_memory import MemoryWitness
from bailiwick.adapters.witnessmemory_memory import MemoryWitnessMemory
from bailiwick.errors import Verdict
from bailiwick.keys import COSIGNATURE, Signer, new_secret
from bailiwick.ledger import Cosigner, KnownWitness, verify_bundle, witness_policy
from bailiwick.ledger.note import sign_checkpoint
from bailiwick.ledger.tiles import frame_entries, split_entries
from bailiwick.ledger.tree import Frontier
from bailiwick.testing import MemoryClock

RECORDS = 50
WITNESS = Signer("witness.example/w1", new_secret(bytes([1] * 32)), COSIGNATURE)
SECOND = Signer("bailiwick/0123456789abcdef", new_secret(bytes(range(2, 34))))
ENTRIES = f"tile/entries/000.p/{RECORDS}"
TILE = f"tile/0/000.p/{RECORDS}"


def write_log(place, out, *, marked=0):
    """Write a log of 50 records whose last checkpoint a witness cosigned."""
    witness = MemoryWitness(
        Cosigner(MemoryWitnessMemory(), WITNESS, [SECOND.verifier], clock=MemoryClock(1_700_000_000 * 10**9))
    )
    with place.create() as ledger:
        ledger.heads.name_witness(WITNESS.verifier)
        ledger.record_many(place.tenant, place.drafts(20, start=marked))
        ledger.heads.rotate(SECOND)
        ledger.record_many(place.tenant, place.drafts(RECORDS - ledger.size()))
        report = ledger.heads.ask([(known(), witness)], policy_of(place))
        assert report.is_met, report.outcomes
        ledger.export(out)
    return out


def known():
    """Give the witness as a policy names it."""
    return KnownWitness(name=b"w1", verifier=WITNESS.verifier)


def policy_of(place):
    """Give an auditor's policy."""
    return witness_policy([place.signer.verifier, SECOND.verifier], [known()])


@pytest.fixture
def bundle(place, tmp_path):
    """The log's export."""
    return write_log(place, tmp_path / "bundle")


def anchors(place):
    """Give every way to verify: by the first key, by the newest, by a policy."""
    keys = [{"key": signer.verifier.text()} for signer in (place.signer, SECOND)]
    return [*keys, {"key": None, "policy": policy_of(place)}]


def test_the_log_as_it_is_is_ok(bundle, place):
    """Otherwise refusing its mutations would prove nothing."""
    for anchor in anchors(place):
        report = verify_bundle(bundle, **anchor)
        assert (report.verdict, report.records) == (Verdict.OK, RECORDS), report.problems
    names = sorted(str(path.relative_to(bundle)) for path in bundle.rglob("*") if path.is_file())
    assert names == ["checkpoint", "keys", TILE, ENTRIES]


def flip_bytes(bundle, name, anchor, positions):
    """Flip one bit of each of these bytes in turn, and see it refused."""
    path = bundle / name
    whole = path.read_bytes()
    for position in positions(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1 << position % 8]) + whole[position + 1 :])
        assert verify_bundle(bundle, **anchor).verdict is not Verdict.OK, position


@pytest.mark.parametrize("anchor", [0, 2])
@pytest.mark.parametrize("name", ["checkpoint", "keys", TILE, ENTRIES])
def test_every_byte_matters(bundle, place, name, anchor):
    """Otherwise there would be a byte that anybody may change: base64's unused bits, or a line that nobody knows."""
    flip_bytes(bundle, name, anchors(place)[anchor], lambda size: range(0, size, 1 + size // 300))


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
@pytest.mark.parametrize("name", [TILE, ENTRIES])
def test_every_byte_of_the_large_files_matters_too(bundle, place, name, part):
    """Otherwise the bytes between those that are looked at each time could be free to change."""
    flip_bytes(bundle, name, anchors(place)[0], lambda size: range(size * part // 8, size * (part + 1) // 8))


def rewritten(bundle, out, records, *, signer=None):
    """Write a bundle of other records, every hash computed anew; the checkpoint too where there is a key to sign."""
    shutil.copytree(bundle, out)
    shutil.rmtree(out / "tile")
    width = len(records)
    frontier = Frontier()
    leaves = frontier.extend([hashlib.sha256(b"\x00" + raw).digest() for raw in records])[0]
    for name, data in {"entries/000": frame_entries(records), "0/000": b"".join(leaves)}.items():
        path = out / "tile" / f"{name}.p" / str(width)
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
    if signer is not None:
        (out / "checkpoint").write_bytes(sign_checkpoint(width, frontier.root(), signer).note)
    return out


def records_of(bundle):
    """Give the log's records."""
    return split_entries((bundle / ENTRIES).read_bytes())


@pytest.mark.parametrize("signed", [False, True])
def test_every_record_cut_doubled_moved_or_spliced_is_refused(bundle, place, make_place, tmp_path, signed):
    """Otherwise a record could be taken out, put in twice, put elsewhere, or taken from another log."""
    genuine = records_of(bundle)
    other = records_of(write_log(make_place(), tmp_path / "other", marked=500))
    signer = SECOND if signed else None
    for index in range(RECORDS):
        cut = [*genuine[:index], *genuine[index + 1 :]]
        double = [*genuine[: index + 1], *genuine[index:]]
        moved = [*cut[: (index + 7) % RECORDS], genuine[index], *cut[(index + 7) % RECORDS :]]
        spliced = [*genuine[:index], other[index], *genuine[index + 1 :]]
        for number, records in enumerate((cut, double, moved, spliced)):
            # The last record can be cut by whoever has the key: that is what kept checkpoints and witnesses are for.
            if records == genuine or (signed and number == 0 and index == RECORDS - 1):
                continue
            out = rewritten(bundle, tmp_path / "changed", records, signer=signer)
            for anchor in anchors(place):
                assert verify_bundle(out, **anchor).verdict is not Verdict.OK, (index, number)
            shutil.rmtree(out)


def rechained(place, tmp_path, name, *, marked):
    """Give the history that the holder of the keys makes up: the same beginning, another end, all hashes right."""
    return write_log(place, tmp_path / name, marked=marked)


def test_a_suffix_rewritten_without_the_key_is_refused(bundle, place, make_place, tmp_path):
    """Otherwise recomputing hashes would be all that a forger needs."""
    genuine = records_of(bundle)
    other = records_of(rechained(make_place(), tmp_path, "other", marked=300))
    for start in (1, 5, 30):
        out = rewritten(bundle, tmp_path / f"from-{start}", [*genuine[:start], *other[start:]])
        for anchor in anchors(place):
            assert verify_bundle(out, **anchor).verdict is not Verdict.OK
    whole = rewritten(bundle, tmp_path / "whole", other)
    for anchor in anchors(place):
        assert verify_bundle(whole, **anchor).verdict is Verdict.ALTERED


def test_a_history_rewritten_with_the_keys_is_forked_by_a_kept_checkpoint_and_stale_by_a_witness(
    bundle, place, make_place, tmp_path
):
    """Otherwise whoever holds the keys could change the past, and nobody could tell."""
    forged = rechained(make_place(), tmp_path, "forged", marked=300)
    key = place.signer.verifier.text()
    assert verify_bundle(forged, key=key).verdict is Verdict.OK, "by the key alone nobody can tell"
    assert verify_bundle(forged, key=key, since=bundle).verdict is Verdict.FORKED
    note = (forged / "checkpoint").read_bytes().splitlines(keepends=True)
    (forged / "checkpoint").write_bytes(b"".join(note[:5]))
    assert verify_bundle(forged, key=None, policy=policy_of(place)).verdict is Verdict.STALE_WITNESS


def test_a_tail_cut_with_the_key_is_truncated_by_a_kept_checkpoint_and_stale_by_a_witness(bundle, place, tmp_path):
    """Otherwise the newest record could be left out by its owner, which no bundle shows by itself."""
    cut = rewritten(bundle, tmp_path / "cut", records_of(bundle)[:-1], signer=SECOND)
    key = SECOND.verifier.text()
    assert verify_bundle(cut, key=key).verdict is Verdict.OK, "by the key alone nobody can tell"
    assert verify_bundle(cut, key=key, since=bundle).verdict is Verdict.TRUNCATED
    assert verify_bundle(cut, key=None, policy=policy_of(place)).verdict is Verdict.STALE_WITNESS


def test_the_genesis_of_another_log_is_refused(bundle, place, make_place, tmp_path):
    """Otherwise a log could be given another beginning, and another first key."""
    other = make_place()
    with other.create(signer=other.other_signer) as ledger:
        beginning = ledger.read(0).raw
    out = rewritten(bundle, tmp_path / "swapped", [beginning, *records_of(bundle)[1:]], signer=SECOND)
    for anchor in anchors(place):
        assert verify_bundle(out, **anchor).verdict is not Verdict.OK
