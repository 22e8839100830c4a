"""Every change of an export of fifty records, put to Go's packages and to tlog-scales: refused, or on a page's list.

The page is ``docs/howto/audit-a-ledger-without-bailiwick.md``: what its table says that a tool cannot see is shown
here, row by row, and so is that our own verifier sees it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path
from random import Random

import pytest

from bailiwick.errors import Verdict
from bailiwick.ledger import verify_bundle
from bailiwick.ledger.note import sign_checkpoint
from bailiwick.ledger.tiles import frame_entries, split_entries
from bailiwick.ledger.tree import Frontier

RECORDS = 50
ENTRIES = f"tile/entries/000.p/{RECORDS}"
TILE = f"tile/0/000.p/{RECORDS}"
SEED = int(os.environ.get("BAILIWICK_SEED", "1"))
SAMPLE = 1_500
"""Changes of the large files that the quick tests put to each tool; the slow ones put all."""
PAGE = Path(__file__).parents[2] / "docs/howto/audit-a-ledger-without-bailiwick.md"


def files_of(bundle):
    """Give the bytes of a bundle's files by their path within it."""
    return {str(path.relative_to(bundle)): path.read_bytes() for path in bundle.rglob("*") if path.is_file()}


@pytest.fixture(params=["go", "tlog-scales"])
def tool(request):
    """Name one of the tools."""
    return request.param


@pytest.fixture
def ask(tool, request):
    """Ask that tool."""
    return request.getfixturevalue("ask_go" if tool == "go" else "ask_tlog_scales")


def sampled(rows):
    """Choose some rows, the same each time."""
    return Random(SEED).sample(rows, min(SAMPLE, len(rows)))


def flips(path, data, bits):
    """Give each change of one bit, those of the given numbers within their byte."""
    return [[(path, at, 1, bytes([byte ^ 1 << bit]))] for at, byte in enumerate(data) for bit in bits(at)]


def is_listed(tool, files, edits):
    """Say whether a change is of a kind that the page calls unseen by a tool."""
    path, at, _, put = edits[0]
    if path == "keys":
        return True
    if path != "checkpoint":
        return False
    note = files["checkpoint"]
    of_witness = at >= note.rindex("\u2014".encode())
    is_line_break = note[at : at + 1] == b"\n" and put == b"\x0b"
    return of_witness or (tool == "tlog-scales" and is_line_break)


def check_refused(tool, ask, witnessed, rows):
    """Put changes to a tool; whatever it accepts is of a kind that the page lists, and some is refused."""
    files = files_of(witnessed.bundle)
    told = ask(witnessed.key, witnessed.bundle, rows)
    passed = [edits for edits, why in zip(rows, told, strict=True) if not why]
    unlisted = [edits for edits in passed if not is_listed(tool, files, edits)]
    assert unlisted == []
    assert len(passed) < len(rows)


def test_the_export_as_it_is_is_accepted(ask, witnessed):
    """Wrong if refusing its changes proved nothing."""
    assert ask(witnessed.key, witnessed.bundle, [[]]) == [""]
    assert sorted(files_of(witnessed.bundle)) == ["checkpoint", "keys", TILE, ENTRIES]


def test_flipped_bits_are_refused_or_listed(tool, ask, witnessed):
    """Wrong if a tool's word were worth less than the page says: all bits of the signed text, some of the others."""
    files = files_of(witnessed.bundle)
    witness_at = witness_line(files)[0]
    rows = flips("checkpoint", files["checkpoint"], lambda at: range(8) if at < witness_at else [at % 8])
    rows += flips("keys", files["keys"], lambda at: [0] if at % 16 == 0 else [])
    large = [row for path in (TILE, ENTRIES) for row in flips(path, files[path], lambda at: [at % 8])]
    check_refused(tool, ask, witnessed, rows + sampled(large))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("path", ["checkpoint", TILE, ENTRIES])
def test_every_flipped_bit_is_refused_or_listed(tool, ask, witnessed, path):
    """Wrong if there were one bit of fifty records, their tile or their checkpoint that the quick test leaves out."""
    check_refused(tool, ask, witnessed, flips(path, files_of(witnessed.bundle)[path], lambda at: range(8)))


def cuts(path, data):
    """Give the file cut at each byte."""
    return [[(path, end, len(data) - end, b"")] for end in range(len(data))]


def test_files_cut_short_are_refused(tool, ask, witnessed):
    """Wrong if what broke off on its way could pass: the checkpoint up to its signature, the others anywhere."""
    files = files_of(witnessed.bundle)
    end = files["checkpoint"].rindex("\u2014".encode()) - 2
    large = [row for path in (TILE, ENTRIES) for row in cuts(path, files[path])]
    check_refused(tool, ask, witnessed, [*cuts("checkpoint", files["checkpoint"])[:end], *sampled(large)])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_files_cut_at_any_byte_are_refused(tool, ask, witnessed):
    """Wrong if there were one end of records or of their tile that the quick test does not ask for."""
    files = files_of(witnessed.bundle)
    check_refused(tool, ask, witnessed, [row for path in (TILE, ENTRIES) for row in cuts(path, files[path])])


def leaf(raw):
    """Give a record's leaf digest (RFC 6962 section 2.1)."""
    return hashlib.sha256(b"\x00" + raw).digest()


def whole(files, records=None, **texts):
    """Give edits that put other records with the tile of their leaves, or other texts, in the place of what is."""
    edits = []
    if records is not None:
        edits.append((ENTRIES, 0, len(files[ENTRIES]), frame_entries(records)))
        edits.append((TILE, 0, len(files[TILE]), b"".join(map(leaf, records))))
    edits += [(path, 0, len(files[path]), text) for path, text in texts.items()]
    return edits


def rearranged(records, other):
    """Give the records with each of them cut, doubled, moved, changed, or taken from another log."""
    for index, raw in enumerate(records):
        cut = [*records[:index], *records[index + 1 :]]
        yield cut
        yield [*records[: index + 1], *records[index:]]
        yield [*cut[: (index + 7) % RECORDS], raw, *cut[(index + 7) % RECORDS :]]
        yield [*records[:index], raw.replace(b'"operator"', b'"director"'), *records[index + 1 :]]
        yield [*records[:index], other[index], *records[index + 1 :]]
        yield [*records[:index], *other[index:]]


def test_records_cut_doubled_moved_changed_or_of_another_log_are_refused(tool, ask, witnessed, write_log, tmp_path):
    """Wrong if records could be rearranged, alone or with a tile that fits them, or with the root of that tile."""
    files = files_of(witnessed.bundle)
    genuine = split_entries(files[ENTRIES])
    other = split_entries(files_of(write_log(tmp_path / "other", mark=500).bundle)[ENTRIES])
    rows = []
    for records in rearranged(genuine, other):
        if records == genuine or (tool == "tlog-scales" and records[:RECORDS] == genuine):
            continue  # the same bytes in both logs; or one more at the end, which is a row of its own on the page
        both = whole(files, records)
        rows += [both[:1], both[1:], both, [*both, *new_root(files, records)]]
    check_refused(tool, ask, witnessed, rows)


def new_root(files, records):
    """Give the edit that puts the root of other records into the signed text."""
    frontier = Frontier()
    frontier.extend(list(map(leaf, records)))
    lines = files["checkpoint"].split(b"\n")
    at = len(lines[0]) + len(lines[1]) + 2
    return [("checkpoint", at, len(lines[2]), base64.b64encode(frontier.root()))]


def test_other_sizes_roots_and_lines_of_the_signed_text_are_refused(tool, ask, witnessed, write_log, tmp_path):
    """Wrong if the signed text could be put together anew, from this log's own past or from another log's head."""
    files = files_of(witnessed.bundle)
    genuine = split_entries(files[ENTRIES])
    note = files["checkpoint"].split(b"\n")
    other = files_of(write_log(tmp_path / "other", mark=500).bundle)["checkpoint"].split(b"\n")
    size_at, root_at = len(note[0]) + 1, len(note[0]) + len(note[1]) + 2
    sizes = [number for number in range(100) if number != RECORDS]
    rows = [[("checkpoint", size_at, len(note[1]), str(number).encode())] for number in [-1, *sizes, 1 << 63, 10**30]]
    rows += [new_root(files, genuine[:count]) for count in range(1, RECORDS)]
    rows += [[("checkpoint", root_at, len(note[2]), root)] for root in (b"", other[2], note[2][:-4], bytes(44))]
    for first in range(6):
        for second in range(first):
            lines = list(note)
            lines[first], lines[second] = note[second], note[first]
            if not {first, second} <= {4, 5}:
                rows.append(whole(files, checkpoint=b"\n".join(lines)))
    rows += [whole(files, checkpoint=b"\n".join([*note[:4], other[4], *note[5:]]))]
    rows += [whole(files, checkpoint=b"\n".join([*note[:4], *note[5:]]))]
    rows += [whole(files, checkpoint=b"\n".join([*note[:3], b"more", *note[3:]]))]
    check_refused(tool, ask, witnessed, rows)


# --- what they cannot see ---------------------------------------------------------------------------------------------


def rewritten(files, log, records):
    """Give edits that put other records in place, and a checkpoint that the key's holder signs for them."""
    frontier = Frontier()
    frontier.extend(list(map(leaf, records)))
    note = sign_checkpoint(len(records), frontier.root(), log.signer).note
    return whole(files, records, checkpoint=note)


def relinked(records, start):
    """Give records whose links are computed anew after ``start``, as whoever made them up would."""
    linked = list(records)
    for index in range(start + 1, len(linked)):
        old = json.loads(linked[index])["prev_hash"]
        linked[index] = linked[index].replace(old.encode(), hashlib.sha256(linked[index - 1]).hexdigest().encode())
    return linked


def unused_bits(files, line):
    """Give edits that turn over the unused bits of the base64 at the end of a line, so that it means the same."""
    lines = files["checkpoint"].split(b"\n")
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    at = sum(len(each) + 1 for each in lines[:line]) + lines[line].index(b"=") - 1
    last = files["checkpoint"][at : at + 1]
    changed = alphabet[alphabet.index(last) ^ 1 : (alphabet.index(last) ^ 1) + 1]
    return [("checkpoint", at, 1, changed)]


def replaced(files, path, old, new):
    """Give the edit that puts a text in the place of another one's first occurrence."""
    return [(path, files[path].index(old), len(old), new)]


def wrong_links(files, log):
    """Give the log with a wrong link in a record, signed."""
    records = split_entries(files[ENTRIES])
    link = json.loads(records[20])["prev_hash"].encode()
    records[20] = records[20].replace(link, b"0" * 64)
    return rewritten(files, log, records)


def time_that_goes_back(files, log):
    """Give the log with a record that is older than the one before it, linked and signed."""
    records = split_entries(files[ENTRIES])
    time = json.loads(records[20])["timestamp"].encode()
    records[20] = records[20].replace(time, b"1969-01-01T00:00:00.000000000Z"[: len(time) - 1] + b"Z")
    return rewritten(files, log, relinked(records, 20))


def checkpoint_record_of_nobody(files, log):
    """Give the log with a checkpoint among its records whose signature nobody made, linked and signed."""
    records = split_entries(files[ENTRIES])
    index = next(at for at, raw in enumerate(records) if json.loads(raw)["event_type"] == "ledger.checkpoint")
    note = json.loads(records[index])["detail"]["note"]
    forged = note[:-12] + ("A" if note[-12] != "A" else "B") + note[-11:]
    old, new = (json.dumps(text, ensure_ascii=False).encode() for text in (note, forged))
    assert old in records[index]
    records[index] = records[index].replace(old, new)
    return rewritten(files, log, relinked(records, index))


def witness_line(files):
    """Give where the witness's line begins, and its bytes."""
    at = files["checkpoint"].rindex("\u2014".encode())
    return at, files["checkpoint"][at:]


def own_line(files):
    """Give where the log's own line begins, and its bytes."""
    at = files["checkpoint"].index("\u2014".encode())
    return at, files["checkpoint"][at : witness_line(files)[0]]


UNSEEN = {
    "`keys`": (lambda files, log: [("keys", 30, 1, b"~")], "go tlog-scales"),
    "a file too many": (lambda files, log: [("more", 0, 0, b"carried along")], "go tlog-scales"),
    "a line of a witness that is garbled or of nobody": (
        lambda files, log: replaced(files, "checkpoint", b"witness.example/w1", b"witness.example/w2"),
        "go tlog-scales",
    ),
    "a line of signature that is there twice": (
        lambda files, log: [("checkpoint", own_line(files)[0], 0, own_line(files)[1])],
        "go tlog-scales",
    ),
    "unused bits of base64 in a line of signature": (lambda files, log: unused_bits(files, 4), "go tlog-scales"),
    "unused bits of base64 in the root": (lambda files, log: unused_bits(files, 2), "tlog-scales"),
    "the size written as `050` or `+50`": (
        lambda files, log: replaced(files, "checkpoint", b"\n50\n", b"\n+50\n"),
        "tlog-scales",
    ),
    "other line breaks in the checkpoint, or a text in its empty line": (
        lambda files, log: replaced(files, "checkpoint", b"\n\n", b"\nsaid beside\x0b"),
        "tlog-scales",
    ),
    "a record or a hash more, at the end of the last file": (
        lambda files, log: [(ENTRIES, len(files[ENTRIES]), 0, b"\x00\x02{}"), (TILE, len(files[TILE]), 0, bytes(32))],
        "tlog-scales",
    ),
    "`prev_hash` of a record, wrong and signed": (wrong_links, "go tlog-scales"),
    "time that goes back, signed": (time_that_goes_back, "go tlog-scales"),
    "a checkpoint or a change of key among the records, of nobody and signed": (
        checkpoint_record_of_nobody,
        "go tlog-scales",
    ),
}
"""What the page says that a tool does not see: an example of it, and the tools that do not."""


def put_files(files, out):
    """Write files to a folder."""
    for path, data in files.items():
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        (out / path).write_bytes(data)
    return out


def changed_files(files, edits):
    """Give the files after a row of edits."""
    changed = dict(files)
    for path, at, cut, put in edits:
        old = changed.get(path, b"")
        changed[path] = old[:at] + put + old[at + cut :]
    return changed


@pytest.mark.parametrize("row", UNSEEN)
def test_what_a_tool_cannot_see_is_what_the_page_lists(tool, ask, witnessed, row):
    """Wrong if an auditor would take a tool's word for more, or for less, than it looks at."""
    make, blind = UNSEEN[row]
    edits = make(files_of(witnessed.bundle), witnessed)
    (why,) = ask(witnessed.key, witnessed.bundle, [edits])
    assert (why == "") == (tool in blind.split()), why


@pytest.mark.parametrize("row", UNSEEN)
def test_what_the_tools_cannot_see_our_verifier_refuses(witnessed, tmp_path, row):
    """Wrong if the page's last column promised more than there is."""
    files = files_of(witnessed.bundle)
    edits = UNSEEN[row][0](files, witnessed)
    out = put_files(changed_files(files, edits), tmp_path / "changed")
    for anchor in ({"key": witnessed.key}, {"key": None, "policy": witnessed.policy}):
        assert verify_bundle(out, **anchor).verdict is not Verdict.OK


def rows_of_page():
    """Give the page's table: the first cell of each row, and what each tool is said to do."""
    text = PAGE.read_text().partition("## What each of them sees")[2]
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {name: told for name, *told in cells}


def test_the_page_lists_exactly_what_is_shown_here():
    """Wrong if the page and the tests went different ways."""
    page = rows_of_page()
    for row, (_, blind) in UNSEEN.items():
        go, scales, ours = page[row]
        assert go.startswith("not seen") == ("go" in blind.split()), row
        assert scales.startswith("not seen") == ("tlog-scales" in blind.split()), row
        assert ours.startswith("refused"), row
    others = {row for row, told in page.items() if "not seen" in " ".join(told)} - UNSEEN.keys()
    assert others == {"a witness's line taken out"}


def test_a_witness_line_taken_out_is_seen_by_a_policy_alone(tool, ask, witnessed, tmp_path):
    """Wrong if the page were wrong about who misses a witness."""
    files = files_of(witnessed.bundle)
    at, line = witness_line(files)
    edits = [("checkpoint", at, len(line), b"")]
    assert ask(witnessed.key, witnessed.bundle, [edits]) == [""]
    out = put_files(changed_files(files, edits), tmp_path / "changed")
    assert verify_bundle(out, key=witnessed.key).verdict is Verdict.OK
    assert verify_bundle(out, key=None, policy=witnessed.policy).verdict is Verdict.STALE_WITNESS


@pytest.mark.parametrize("change", ["made anew", "newest left out"])
def test_what_the_holder_of_the_key_makes_up_needs_a_kept_checkpoint(
    tool, ask, witnessed, write_log, tmp_path, ask_with_kept, change
):
    """Wrong if the page promised that a bundle shows by itself what only the past can show."""
    files = files_of(witnessed.bundle)
    records = split_entries(files[ENTRIES])
    if change == "made anew":
        forged = write_log(tmp_path / "forged", mark=500).bundle
    else:
        forged = tmp_path / "forged"
        width = RECORDS - 1
        edits = rewritten(files, witnessed, records[:-1])
        cut = {path.replace(f".p/{RECORDS}", f".p/{width}"): put for path, _, _, put in edits}
        put_files({**cut, "keys": files["keys"]}, forged)
    assert ask(witnessed.key, forged, [[]]) == [""]
    assert ask_with_kept(tool, witnessed.key, forged, witnessed.bundle) != ""
    assert verify_bundle(forged, key=witnessed.key).verdict is Verdict.OK
    assert verify_bundle(forged, key=witnessed.key, since=witnessed.bundle).verdict is not Verdict.OK
