"""Opening what a crash, a disk or a stranger left: repaired and said, or refused with the right verdict."""

import pytest

from bailiwick.errors import InputRefused, LedgerBroken, NotFound, NotTrusted, Verdict
from bailiwick.ledger.proof import leaf_digest

COVERED = 6
"""Records below and with the checkpoint: genesis, four, and the checkpoint itself."""


@pytest.fixture
def left(make_place):
    """A ledger with a checkpoint, then three groups of records, left behind by a process that was killed."""

    def leave(groups=((1,), (2,), (3,)), **limits):
        place = make_place(**limits)
        with place.create() as ledger:
            ledger.record_many(place.tenant, place.drafts(4))
        ledger = place.open()
        for group in groups:
            ledger.record_many(place.tenant, [place.draft(number) for number in group])
        place.abandon(ledger)
        return place

    return leave


def lines_of(place):
    """Give the lines of the only segment."""
    return place.bytes_of(place.segment()).splitlines(keepends=True)


def put(place, lines):
    """Write other lines in their place."""
    place.overwrite(place.segment(), b"".join(lines))


def refusal(place):
    """Give the verdict that a ledger opens with, for reading alone; nothing is appended, and it does not verify."""
    with place.open() as ledger:
        for _ in range(2):
            with pytest.raises(LedgerBroken) as broken:
                ledger.record(place.tenant, place.draft(99))
        with pytest.raises(LedgerBroken):
            ledger.checkpoint()
        assert ledger.verify().verdict is not Verdict.OK
        assert ledger.failure is not None
    return broken.value.verdict, broken.value.index


def test_a_ledger_cut_at_any_byte_of_its_tail_opens_with_every_whole_record(left):
    """Otherwise a crash in the middle of a write would lose what was acknowledged, or leave what cannot open."""
    whole = b"".join(lines_of(left()))
    covered = sum(map(len, lines_of(left())[:COVERED]))
    for end in range(covered, len(whole) + 1):
        place = left()
        place.disk.truncate(place.segment(), end)
        kept = whole[:end].count(b"\n")
        torn = whole[:end].rpartition(b"\n")[2]
        with place.open() as ledger:
            assert ledger.size() == kept + bool(torn), end
            assert b"".join(record.raw + b"\n" for record in ledger.records(0, kept)) == whole[: end - len(torn)]
            if torn:
                said = ledger.read(kept)
                assert said.event_type == "ledger.recovered"
                assert said.detail["dropped_bytes"] == len(torn)
                assert place.bytes_of(place.folder / "quarantine" / said.detail["quarantine"]) == torn
            assert ledger.verify().verdict is Verdict.OK


def test_a_ledger_cut_anywhere_below_its_checkpoint_is_truncated(left):
    """Otherwise a cut tail would be taken for a crash, and the next checkpoint would launder it."""
    lines = lines_of(left())
    covered = sum(map(len, lines[:COVERED]))
    boundaries = [sum(map(len, lines[:count])) for count in range(1, COVERED)]
    for end in [*boundaries, *range(covered - 700, covered, 23)]:
        place = left()
        place.disk.truncate(place.segment(), end)
        before = place.bytes_of(place.segment())
        verdict, index = refusal(place)
        assert verdict is Verdict.TRUNCATED, end
        assert index == before.count(b"\n")
        assert place.bytes_of(place.segment()) == before


def test_deleting_every_segment_is_truncated_not_missing(left):
    """Otherwise deleting a ledger would look like never having had one."""
    place = left()
    place.disk.unlink(place.segment())
    assert refusal(place) == (Verdict.TRUNCATED, 0)
    with pytest.raises(LedgerBroken) as broken:
        place.create()
    assert broken.value.verdict is Verdict.TRUNCATED


def test_deleting_a_segment_from_the_middle_is_found(left):
    """Otherwise records could be taken out a file at a time."""
    place = left(groups=[(n,) for n in range(12)], segment_records=4)
    names = place.disk.names(place.folder / "seg")
    assert len(names) > 3
    place.disk.unlink(place.folder / "seg" / names[1])
    assert refusal(place) == (Verdict.TRUNCATED, 0)
    place.disk.unlink(place.folder / "seg" / names[0])
    assert refusal(place)[0] is Verdict.TRUNCATED


@pytest.mark.parametrize(
    "garbage", [b"\x00" * 5_000, b"garbage", b"\xff\n\xfe\n", b"{}\n{}\n", b"\n", b"\x00" * 90 + b"\n"]
)
def test_a_tail_of_garbage_is_moved_aside_whole(left, garbage):
    """Otherwise what a power cut leaves in the last pages would stop the ledger, or be built upon."""
    place = left()
    before = place.bytes_of(place.segment())
    place.overwrite(place.segment(), before + garbage)
    with place.open() as ledger:
        said = ledger.read(ledger.size() - 1)
        assert said.event_type == "ledger.recovered"
        assert place.bytes_of(place.folder / "quarantine" / said.detail["quarantine"]) == garbage
        assert place.bytes_of(place.segment()).startswith(before)
        assert ledger.verify().verdict is Verdict.OK


def test_a_hole_within_the_last_group_takes_that_group_only(left):
    """Otherwise pages of one write that reached the disk in another order would cost acknowledged records."""
    place = left(groups=[(1,), (2,), (3, 4, 5)])
    lines = lines_of(place)
    put(place, [*lines[:-2], bytes(len(lines[-2]) - 1) + b"\n", lines[-1]])
    with place.open() as ledger:
        assert ledger.read(ledger.size() - 1).event_type == "ledger.recovered"
        assert [record.detail.get("number") for record in ledger.records(COVERED, COVERED + 2)] == [1, 2]
        assert ledger.size() == COVERED + 3
        said = ledger.read(COVERED + 2)
        assert place.bytes_of(place.folder / "quarantine" / said.detail["quarantine"]).count(b'"actor_id"') == 2


def test_a_hole_with_later_groups_behind_it_is_corrupt_and_untouched(left):
    """Otherwise damage to an acknowledged record would be taken for a crash, and records after it dropped."""
    place = left()
    lines = lines_of(place)
    damaged = [*lines[:COVERED], bytes(len(lines[COVERED]) - 1) + b"\n", *lines[COVERED + 1 :]]
    put(place, damaged)
    assert refusal(place) == (Verdict.CORRUPT, COVERED)
    assert lines_of(place) == damaged


def test_a_hole_below_a_checkpoint_without_a_head_is_corrupt(left):
    """Otherwise losing the head as well would turn damage below a checkpoint into a torn tail."""
    place = left(groups=())
    lines = lines_of(place)
    put(place, [*lines[:3], b"\x00\n", *lines[4:]])
    place.disk.unlink(place.folder / "head")
    assert refusal(place) == (Verdict.CORRUPT, 3)


def test_a_tail_longer_than_any_group_is_corrupt(left):
    """Otherwise megabytes that no write of ours can have left would be dropped."""
    place = left()
    place.overwrite(place.segment(), place.bytes_of(place.segment()) + b"x" * (5 << 20))
    assert refusal(place) == (Verdict.CORRUPT, COVERED + 3)


def test_a_record_changed_after_the_checkpoint_is_altered(left):
    """Otherwise a record could be rewritten before it is first signed for, and its successor would not give it away."""
    place = left()
    put(place, [line.replace(b'"number":2', b'"number":7') for line in lines_of(place)])
    assert refusal(place) == (Verdict.ALTERED, COVERED + 1)


@pytest.mark.parametrize(
    ("change", "verdict", "index"),
    [
        (lambda lines: [*lines[:-3], *lines[-2:]], Verdict.ALTERED, COVERED),
        (lambda lines: [*lines[:-2], lines[-1], lines[-2]], Verdict.ALTERED, COVERED + 1),
        (lambda lines: [*lines, lines[-1]], Verdict.FORKED, COVERED + 3),
        (lambda lines: [*lines, lines[1]], Verdict.FORKED, COVERED + 3),
        (lambda lines: [*lines[:-1], lines[-2], lines[-1]], Verdict.FORKED, COVERED + 2),
    ],
    ids=["removed", "reordered", "doubled", "an older one again", "doubled in the middle"],
)
def test_records_removed_reordered_or_doubled_have_their_own_verdict(left, change, verdict, index):
    """Otherwise two writers would be called tampering, and tampering a crash."""
    place = left()
    put(place, change(lines_of(place)))
    assert refusal(place) == (verdict, index)


def test_records_of_another_ledger_under_the_same_key_are_altered(left, make_place):
    """Otherwise a part of one ledger could be spliced into another."""
    place, other = left(), left(groups=((8,), (9,), (10,)))
    put(place, [*lines_of(place)[:-1], lines_of(other)[-1]])
    assert refusal(place)[0] is Verdict.ALTERED


def test_a_forged_checkpoint_record_is_altered(left):
    """Otherwise whoever can write the file could sign for the ledger."""
    place = left()
    ledger = place.open()
    ledger._writer._keys.add(place.other_signer)
    ledger._writer._tip.verifier = place.other_signer.verifier
    ledger.checkpoint()
    place.abandon(ledger)
    assert refusal(place) == (Verdict.ALTERED, COVERED + 3)


def test_a_tail_torn_in_another_process_is_repaired_by_the_next_writer(left):
    """Otherwise a process that lives on would append to half a line, and fuse two records."""
    place = left()
    ledger = place.open()
    whole = place.bytes_of(place.segment())
    place.overwrite(place.segment(), whole + b'{"actor_id":"half')
    receipt = ledger.record(place.tenant, place.draft(9))
    assert ledger.read(receipt.index - 1).event_type == "ledger.recovered"
    assert ledger.verify().verdict is Verdict.OK
    ledger.close()


def test_a_ledger_cut_under_a_running_process_stops_it(left):
    """Otherwise it would append after the cut, and hide it."""
    place = left()
    ledger = place.open()
    put(place, lines_of(place)[:-1])
    for _ in range(2):
        with pytest.raises(LedgerBroken) as broken:
            ledger.record(place.tenant, place.draft(9))
        assert broken.value.verdict is Verdict.TRUNCATED
    assert len(lines_of(place)) == COVERED + 2
    ledger.close()


def test_recovering_twice_gives_one_history(left):
    """Otherwise a crash during the repair would be worse than the first."""
    place = left()
    place.overwrite(place.segment(), place.bytes_of(place.segment()) + b"torn")
    place.open().close()
    with place.open() as ledger:
        assert [record.event_type for record in ledger.records()].count("ledger.recovered") == 1


def test_a_first_record_cut_short_can_be_made_again(make_place):
    """Otherwise a crash during init would leave a home that can neither be opened nor made."""
    whole = make_place()
    whole.abandon(whole.create())
    line = whole.bytes_of(whole.segment())
    for end in (0, 1, len(line) - 1):
        place = make_place()
        place.abandon(place.create())
        place.disk.truncate(place.segment(), end)
        with pytest.raises(NotFound):
            place.open()
        with place.create() as ledger:
            assert ledger.read(0).event_type == "ledger.genesis"
            assert ledger.size() == (1 if end == 0 else 2)


def test_every_flipped_bit_of_an_acknowledged_record_is_found_or_kept_aside(left):
    """Otherwise there would be a byte of the stored ledger that can change without anybody noticing or losing it."""
    whole = b"".join(lines_of(left()))
    start = sum(map(len, lines_of(left())[:COVERED]))
    stop = start + len(lines_of(left())[COVERED])
    for position in range(start, stop):
        place = left()
        changed = bytearray(whole)
        changed[position] ^= 1
        place.overwrite(place.segment(), bytes(changed))
        assert refusal(place)[0] in {Verdict.ALTERED, Verdict.CORRUPT, Verdict.FORKED}, position
        assert place.bytes_of(place.segment()) == bytes(changed)


def test_every_flipped_bit_below_the_checkpoint_is_found_by_verify(left):
    """Otherwise a record could be changed in the store and still verify."""
    whole = b"".join(lines_of(left()))
    end = sum(map(len, lines_of(left())[:2]))
    names = {leaf_digest(line[:-1]) for line in whole.splitlines(keepends=True)}
    assert len(names) == COVERED + 3
    for position in range(end):
        place = left()
        changed = bytearray(whole)
        changed[position] ^= 1
        place.overwrite(place.segment(), bytes(changed))
        try:
            with place.open() as ledger:
                report = ledger.verify()
        except LedgerBroken:
            continue
        except (NotTrusted, InputRefused):
            is_first_record = position < whole.index(b"\n")
            assert is_first_record, position
            continue
        assert report.verdict is not Verdict.OK, position
        assert report.problems[0].index in {0, 1}
