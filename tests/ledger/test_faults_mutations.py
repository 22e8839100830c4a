"""Every change of the stored files of a ledger of fifty records has a verdict, and no later seal makes it good."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from itertools import accumulate

import pytest

from bailiwick.errors import BailiwickError, LedgerBroken, NotTrusted, Verdict
from bailiwick.ledger import verify_bundle, verify_receipt
from bailiwick.ledger.head import HEAD_NAME, SLOT_BYTES
from bailiwick.ledger.record import CHECKPOINT

RECORDS = 50
STRIDE = 37
"""Of so many bytes, the quick test flips one; the slow one flips each."""


class Kept:
    """A ledger as it was left: its files, and what can be told of them."""

    def __init__(self, make_place, first=0):
        self.make_place = make_place
        place = make_place()
        with place.create() as ledger:
            for size in (1, 2, 3, 5, 8, 1, 1, 13, 3, 2):
                ledger.record_many(place.tenant, place.drafts(size, start=first))
                if size in {3, 13}:
                    ledger.checkpoint()
            while ledger.size() < RECORDS - 1:
                ledger.record(place.tenant, place.draft(first + ledger.size()))
            self.held = ledger.checkpoint()
            assert ledger.size() == RECORDS
        self.place = place
        self.segment = place.bytes_of(place.segment())
        self.head = place.bytes_of(place.folder / HEAD_NAME)
        self.lines = self.segment.splitlines(keepends=True)
        self.ends = list(accumulate(map(len, self.lines)))

    def record_at(self, position):
        """Give the index of the record that a byte belongs to."""
        return next(index for index, end in enumerate(self.ends) if position < end)

    def put(self, segment, *, head=None, has_head=True):
        """Give a place with these files."""
        place = self.make_place()
        place.disk.make_folder(place.segment().parent)
        for path, data in ((place.segment(), segment), (place.folder / HEAD_NAME, head or self.head)):
            if has_head or path.name != HEAD_NAME:
                place.disk.create(path)
                place.disk.write(path, 0, data)
        return place


@pytest.fixture
def kept(make_place):
    """A ledger of fifty records with three checkpoints, the last of them the last record."""
    return Kept(make_place)


def seal_and_judge(place):
    """Append and seal as if nothing had happened, then give the verdict of a fresh look and its first record.

    Where the attempt left every file as it was, what it saw when it opened them is the fresh look.
    """
    before = files_of(place)
    verdict = judge(place, does_seal=True)
    return verdict if files_of(place) == before else judge(place)


def judge(place, *, does_seal=False):
    """Give the verdict of a look and its first record, with an append and a seal tried between opening and looking."""
    try:
        with place.open() as ledger:
            if does_seal:
                with suppress(BailiwickError):
                    ledger.record(place.tenant, place.draft(7))
                    ledger.checkpoint()
            report = ledger.verify()
            return report.verdict, report.problems[0].index if report.problems else None
    except LedgerBroken as broken:
        return broken.verdict, broken.index
    except NotTrusted:
        return Verdict.UNTRUSTED_KEY, 0


def files_of(place):
    """Give the bytes of every file that a ledger has, but for its lock."""
    folders = [place.folder / name for name in ("", "seg", "tree", "quarantine")]
    there = [folder for folder in folders if folder == place.folder or folder.name in place.disk.names(place.folder)]
    paths = [folder / name for folder in there for name in place.disk.names(folder) if name != "LOCK"]
    return {path: place.bytes_of(path) for path in paths if path not in folders}


def check_flips(kept, positions, **files):
    """Flip one bit of each of these bytes, another one each time, and look for the record that has it."""
    for position in positions:
        changed = bytearray(kept.segment)
        changed[position] ^= 1 << position % 8
        place = kept.put(bytes(changed), **files)
        verdict, index = seal_and_judge(place)
        assert verdict is not Verdict.OK, position
        # Where a record's link to the one before was changed, both can be meant: the earlier of them is named.
        assert index in {kept.record_at(position), kept.record_at(position) - 1}, (position, verdict, index)
        assert place.bytes_of(place.segment()).startswith(bytes(changed)), position


def test_a_flipped_bit_is_found_and_its_record_is_named(kept):
    """Wrong if a byte could change unseen, or if the seal after it took the change for the truth."""
    check_flips(kept, range(0, len(kept.segment), STRIDE))
    check_flips(kept, range(3, kept.ends[-2], STRIDE * 3), has_head=False)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_flipped_byte_is_found_and_its_record_is_named(kept):
    """Wrong if there were one byte of fifty records that the quick test does not ask for."""
    check_flips(kept, range(len(kept.segment)))


@pytest.mark.parametrize("step", [STRIDE, pytest.param(1, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_a_cut_at_any_byte_is_truncated_and_stays_so(kept, step):
    """Wrong if a cut tail could pass for a crash, and the next seal sign for what is left."""
    for end in sorted({*range(0, len(kept.segment), step), *kept.ends[:-1]}):
        place = kept.put(kept.segment[:end])
        verdict, index = seal_and_judge(place)
        assert (verdict, index) == (Verdict.TRUNCATED, kept.segment[:end].count(b"\n")), end
        assert place.bytes_of(place.segment()) == kept.segment[:end]


def changes(lines, other):
    """Give ways to change the order of records, each with the verdicts that it may have."""
    last = len(lines) - 1
    for index in range(1, last):
        yield f"delete {index}", [*lines[:index], *lines[index + 1 :]]
        yield f"double {index}", [*lines[: index + 1], *lines[index:]]
        yield f"swap {index}", [*lines[:index], lines[index + 1], lines[index], *lines[index + 2 :]]
        yield f"splice {index}", [*lines[:index], other[index], *lines[index + 1 :]]
        yield f"insert {index}", [*lines[:index], other[index], *lines[index:]]
        yield f"splice from {index}", [*lines[:index], *other[index:]]
    yield "first again", [*lines, lines[0]]
    yield "last again", [*lines, lines[-1]]


@pytest.mark.parametrize("has_head", [True, False])
def test_records_reordered_doubled_deleted_inserted_or_spliced_have_a_verdict(kept, has_head):
    """Wrong if the right records in the wrong place could pass, or those of another ledger under the same key."""
    other = Kept(kept.make_place, first=1_000)
    assert not {*other.lines[1:]} & {*kept.lines}
    for name, changed in changes(kept.lines, other.lines):
        if name == "splice from 1" and not has_head:
            continue  # all of another ledger under the same key: only who holds a checkpoint can see that
        place = kept.put(b"".join(changed), has_head=has_head)
        verdict, index = seal_and_judge(place)
        assert verdict in {Verdict.ALTERED, Verdict.FORKED, Verdict.TRUNCATED, Verdict.CORRUPT}, name
        assert index is not None, name
        assert place.bytes_of(place.segment()).startswith(b"".join(changed)[:-1]), name


def rewritten(kept, start):
    """Give the lines with record ``start`` changed, and every hash after it computed anew, without the key."""
    lines, prev_hash = list(kept.lines), None
    for index in range(start, len(lines)):
        raw = lines[index][:-1]
        if index == start:
            raw = raw.replace(b'"actor_role":"operator"', b'"actor_role":"director"')
        else:
            old = hashlib.sha256(kept.lines[index - 1][:-1]).hexdigest().encode()
            raw = raw.replace(old, prev_hash.encode())
        prev_hash = hashlib.sha256(raw).hexdigest()
        lines[index] = raw + b"\n"
    return lines


@pytest.mark.parametrize("has_head", [True, False])
def test_a_rewritten_suffix_whose_hashes_agree_is_forked(kept, has_head):
    """Wrong if whoever can write the files, and not sign, could change a record and all links after it."""
    for start in range(1, RECORDS - 1):
        if CHECKPOINT.encode() in kept.lines[start]:
            continue
        place = kept.put(b"".join(rewritten(kept, start)), has_head=has_head)
        verdict, index = seal_and_judge(place)
        assert verdict in {Verdict.FORKED, Verdict.ALTERED}, start
        assert index >= start


def test_a_ledger_begun_anew_under_the_same_key_is_not_what_the_head_stands_for(kept):
    """Wrong if a whole new history could be put in the place of the old one."""
    other = Kept(kept.make_place)
    assert other.segment == kept.segment, "a ledger is the same bytes for the same calls"
    place = kept.make_place()
    with place.create() as ledger:
        ledger.record_many(place.tenant, place.drafts(60))
    changed = kept.put(place.bytes_of(place.segment()))
    assert seal_and_judge(changed)[0] is Verdict.FORKED


def test_a_head_of_another_ledger_or_of_garbage_is_not_believed(kept):
    """Wrong if a side file could stop a sound ledger, or make it sign for another tree."""
    stranger = kept.make_place()
    with stranger.create(signer=stranger.other_signer) as ledger:
        ledger.record_many(stranger.tenant, stranger.drafts(3))
    foreign = stranger.bytes_of(stranger.folder / HEAD_NAME)
    for head in (b"", b"\x00" * 2 * SLOT_BYTES, foreign, kept.head[: SLOT_BYTES // 2], kept.head[::-1]):
        place = kept.put(kept.segment, head=head or b"\n")
        assert seal_and_judge(place) == (Verdict.OK, None)
        with place.open() as ledger:
            assert ledger.size() > RECORDS


def test_an_older_head_is_caught_up_from(kept):
    """Wrong if a head from a copy could hide the records after it."""
    place = kept.make_place()
    with place.create() as ledger:
        ledger.record_many(place.tenant, place.drafts(3))
    older = place.bytes_of(place.folder / HEAD_NAME)
    with place.open() as ledger:
        ledger.record_many(place.tenant, place.drafts(30))
    place.overwrite(place.folder / HEAD_NAME, older)
    assert seal_and_judge(place) == (Verdict.OK, None)


def test_columns_that_are_deleted_stale_or_of_another_ledger_change_no_proof(kept):
    """Wrong if a proof rested on a side file."""
    for data in (b"", b"\xff" * 4_000):
        place = kept.put(kept.segment)
        with place.open() as ledger:
            ledger.prove(5)
        for name in place.disk.names(place.folder / "tree"):
            place.overwrite(place.folder / "tree" / name, data)
        with place.open() as ledger:
            for index in range(RECORDS - 1):
                # Its own verifier sees the same: a receipt by wrong hashes is worse than none.
                verify_receipt(ledger.prove(index), ledger.read(index).raw, key=place.signer.verifier.text())
            assert ledger.verify().verdict is Verdict.OK


def test_a_tail_cut_with_its_head_is_found_by_whoever_holds_a_checkpoint(kept, tmp_path):
    """Wrong if deleting the head beside the tail were enough for everybody, and not for this machine alone."""
    held = tmp_path / "held"
    held.write_bytes(kept.held.note)
    for count in (1, 10, 30, RECORDS - 2):
        place = kept.put(b"".join(kept.lines[:count]), has_head=False)
        out = tmp_path / str(count)
        with place.open() as ledger:
            ledger.record_many(place.tenant, place.drafts(60))
            ledger.export(out)
        report = verify_bundle(out, key=place.signer.verifier.text(), since=held)
        assert report.verdict in {Verdict.FORKED, Verdict.TRUNCATED}, count


def test_a_broken_ledger_is_read_verified_and_exported_up_to_its_last_sound_checkpoint(kept, tmp_path):
    """Wrong if one damaged record took all others with it (a ledger that cannot be opened cannot be audited)."""
    place = kept.put(kept.segment[: kept.ends[40]])
    with place.open() as ledger:
        assert isinstance(ledger.failure, LedgerBroken)
        assert ledger.size() == 41
        assert [record.raw + b"\n" for record in ledger.records()] == kept.lines[:41]
        assert ledger.read(40).index == 40
        bundle = ledger.export(tmp_path / "bundle")
        assert ledger.stats()["failure"] is not None
        with pytest.raises(LedgerBroken, match="41 whole records"):
            ledger.record(place.tenant, place.draft(1))
        with pytest.raises(LedgerBroken):
            ledger.submit(place.draft(1)).result(20)
        assert ledger.verify().to_json()["verdict"] == "truncated"
    assert verify_bundle(tmp_path / "bundle", key=place.signer.verifier.text()).verdict is Verdict.OK
    assert bundle.to_json()["records"] <= 41
