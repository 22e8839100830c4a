"""Records: what may be recorded, and what is read back as one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick.canonical import canonical_bytes
from bailiwick.errors import LedgerBroken, RecordRefused, Verdict
from bailiwick.ledger.record import FIRST_PREV_HASH, RECORD_BYTES_MAX, admit, decode, read_record
from bailiwick.model import Actor, Draft

ACTOR = Actor(id="a", role="b")
TIME = b"2020-09-13T12:26:40.000000001Z"
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text('abc_"\\/ \x1f', max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


def seal(detail, index=3, **fields):
    """Give the bytes of a record."""
    draft = Draft(**{"event_type": "test.done", "resource": "r/1", "detail": detail, "actor": ACTOR} | fields)
    return admit(draft, "node-1").seal(index, FIRST_PREV_HASH.encode(), TIME)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text("abc_", max_size=4), VALUES, max_size=4))
def test_the_bytes_of_a_record_are_the_canonical_json_of_its_fields(detail):
    """Otherwise the line put together from pieces would differ from RFC 8785, and others could not rebuild it."""
    raw = seal(detail)
    record = read_record(raw, 3)
    fields = {
        "actor_id": "a",
        "actor_role": "b",
        "detail": detail,
        "entry_id": 3,
        "event_type": "test.done",
        "node_id": "node-1",
        "prev_hash": FIRST_PREV_HASH,
        "resource": "r/1",
        "timestamp": TIME.decode(),
    }
    assert raw == canonical_bytes(fields)
    assert record.detail == detail
    assert b"\n" not in raw


def test_the_largest_record_is_kept_and_one_byte_more_is_refused():
    """Otherwise a record would not fit the two bytes that its length has in an entry bundle."""
    draft = Draft(event_type="test.done", resource="r/1", detail={"a": ""}, actor=ACTOR)
    room = RECORD_BYTES_MAX - admit(draft, "node-1").size
    assert len(seal({"a": "x" * room}, index=2**53)) == RECORD_BYTES_MAX
    with pytest.raises(RecordRefused) as refused:
        seal({"a": "x" * (room + 1)})
    assert refused.value.code == "record-too-large"


@pytest.mark.parametrize(
    "fields",
    [
        {"actor": Actor(id="given name", role="b")},
        {"actor": Actor(id='a","role":"x', role="b")},
        {"actor": Actor(id="a", role="")},
        {"resource": "a\\b"},
        {"resource": "r\n"},
        {"resource": "r" * 501},
        {"event_type": "single"},
        {"event_type": "Upper.case"},
        {"event_type": "a.b.c.d"},
    ],
)
def test_a_word_that_could_break_out_of_its_place_is_refused(fields):
    """Otherwise a word could forge other fields of the record, or hold a person's name."""
    with pytest.raises(RecordRefused) as refused:
        seal({}, **fields)
    assert refused.value.code == "record-word"


@pytest.mark.parametrize("event_type", ["ledger.checkpoint", "ledger.genesis", "ledger.anything", "clock.regression"])
def test_the_ledgers_own_types_are_refused_from_outside(event_type):
    """Otherwise anybody could record a checkpoint or a recovery that never was."""
    with pytest.raises(RecordRefused) as refused:
        seal({}, event_type=event_type)
    assert refused.value.code == "record-reserved"


@pytest.mark.parametrize("value", [1.5, 2**53, "\ud800", b"bytes", {"é": 1}, {1: 2}])
def test_detail_outside_the_profile_is_refused(value):
    """Otherwise two readers could disagree about the bytes."""
    with pytest.raises(RecordRefused) as refused:
        seal({"a": value})
    assert refused.value.code.startswith("profile-")


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: b"",
        lambda raw: raw + b" ",
        lambda raw: raw.replace(b'"a":1', b'"a": 1'),
        lambda raw: raw.replace(b'"a":1', b'"a":1,"a":1'),
        lambda raw: raw.replace(b'"a":1', b'"a":1.0'),
        lambda raw: raw.replace(b'"a":1', b'"a":1e0'),
        lambda raw: raw.replace(b'"a":1', b'"a":-0'),
        lambda raw: raw.replace(b'"a":1', b'"a":"\\u0041"'),
        lambda raw: raw.replace(b'"a":1', b'"b":1,"a":1'),
        lambda raw: raw.replace(b'"actor_id"', b'"extra":1,"actor_id"'),
        lambda raw: raw.replace(b'"node_id":"node-1",', b""),
        lambda raw: raw.replace(b'"entry_id":3', b'"entry_id":"3"'),
        lambda raw: raw.replace(b".000000001Z", b".00000001Z"),
        lambda raw: raw.replace(b"-13T12", b"-33T12"),
        lambda raw: raw.replace(b'"a"', b'"\xff"'),
        lambda raw: b"\x00" * len(raw),
        lambda raw: raw[:-1] + b"," + b" " * RECORD_BYTES_MAX + b"}",
    ],
)
def test_stored_bytes_that_are_not_canonical_are_refused(change):
    """Otherwise two stored lines would be the same record."""
    raw = seal({"a": 1})
    decode(raw)
    with pytest.raises(ValueError):  # noqa: PT011 the decoder words each of these in its own way
        decode(change(raw))


def test_a_record_at_another_index_is_refused():
    """Otherwise records could be put in another order."""
    with pytest.raises(LedgerBroken) as broken:
        read_record(seal({}, index=3), 4)
    assert (broken.value.verdict, broken.value.index) == (Verdict.ALTERED, 4)
