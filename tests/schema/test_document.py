"""Strict JSON: what is read, and what is refused with which code and place."""

from __future__ import annotations

import threading
from decimal import Decimal
from time import process_time

import pytest

from bailiwick.errors import DocumentRefused
from bailiwick.schema import LIMITS, DocumentLimits, parse_document

MEGABYTE = 1_000_000
SECONDS_MAX = 2.0
"""Far above what any of these takes (milliseconds), far below what quadratic work would."""


def refused(raw: bytes, limits: DocumentLimits = LIMITS) -> DocumentRefused:
    """Give the refusal of a document."""
    with pytest.raises(DocumentRefused) as caught:
        parse_document(raw, limits=limits)
    return caught.value


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'{"a":[1,true,false,null,"x"]}', {"a": [1, True, False, None, "x"]}),
        (b" \t\r\n[ ] ", []),
        (b"{}", {}),
        (b'""', ""),
        (b"-0", 0),
        (b"9007199254740991", 2**53 - 1),
        (b"-9007199254740991", -(2**53) + 1),
        (b'"\\ud83d\\ude02\\u00e9\\/\\b\\f\\n\\r\\t\\"\\\\"', '😂é/\b\f\n\r\t"\\'),
        (b'"\\\\ud800"', "\\ud800"),
        ('"\u2028\x7f😂"'.encode(), "\u2028\x7f😂"),
        (b'{"__proto__":1,"":2}', {"__proto__": 1, "": 2}),
    ],
)
def test_a_valid_document_is_read(raw, value):
    """Ordinary JSON would be refused, or read as something else."""
    assert parse_document(raw) == value


@pytest.mark.parametrize("text", ["1.0", "4.50", "-0.0", "1e5", "1E+30", "2e-3", "0." + "1" * 33, "1e400", "1e-400"])
def test_a_number_with_a_fraction_or_exponent_is_exact(text):
    """A quantity would be rounded before any rule has seen it."""
    value = parse_document(text.encode())
    assert type(value) is Decimal
    assert str(value) == str(Decimal(text))


@pytest.mark.parametrize(
    ("raw", "code", "path", "byte"),
    [
        (b"", "json-empty", "", 0),
        (b" \n ", "json-empty", "", 3),
        (b"\xef\xbb\xbf{}", "json-bom", "", 0),
        (b"\xff\xfe{\x00}\x00", "json-encoding", None, 0),
        (b'"\xed\xa0\x80"', "json-encoding", None, 1),
        (b'"\xc0\xaf"', "json-encoding", None, 1),
        (b'{"a":1,"a":1}', "json-duplicate-key", "/a", 7),
        (b'[{"k":{"\\u0061":1,"a":2}}]', "json-duplicate-key", "/0/k/a", 18),
        (b'{"n":NaN}', "json-not-a-number", "/n", 5),
        (b"[1,-Infinity]", "json-not-a-number", "/1", 3),
        (b"Infinity", "json-not-a-number", "", 0),
        (b"9007199254740992", "json-integer-too-large", "", 0),
        (b'{"a":[-9007199254740992]}', "json-integer-too-large", "/a/0", 6),
        (b"[0." + b"1" * 34 + b"]", "json-number-too-long", "/0", 1),
        (b"1e401", "json-exponent-too-large", "", 0),
        (b"[1e-99999999999999999999]", "json-exponent-too-large", "/0", 1),
        (b'"\\ud800"', "json-surrogate", "", 1),
        (b'"\\udc00\\ud800"', "json-surrogate", "", 1),
        (b'"\\ud83d\\u0041"', "json-surrogate", "", 1),
        (b'{"a":{"\\ud800":1}}', "json-surrogate", "/a", 7),
        (b'"\\\\ud83d\\ude02"', "json-surrogate", "", 8),
        (b'"a\nb"', "json-control-character", "", 2),
        (b'"\x00"', "json-control-character", "", 1),
        (b'"\\x41"', "json-escape", "", 1),
        (b'"\\u12g4"', "json-escape", "", 1),
        (b"[1] ]", "json-trailing", "", 4),
        (b'{"a":1}\n{"a":2}', "json-trailing", "", 8),
        (b'{"a":[1,2', "json-truncated", "/a/1", 9),
        (b'"abc', "json-truncated", "", 0),
        (b'"a\\', "json-truncated", "", 3),
        (b'{"a"', "json-truncated", "/a", 4),
        (b"[1,]", "json-syntax", "/1", 3),
        (b'{"a":1,}', "json-syntax", "", 7),
        (b"{'a':1}", "json-syntax", "", 1),
        (b"{1:2}", "json-syntax", "", 1),
        (b"[1 2]", "json-syntax", "/0", 3),
        (b"01", "json-syntax", "", 0),
        (b"-", "json-syntax", "", 0),
        (b"+1", "json-syntax", "", 0),
        (b".5", "json-syntax", "", 0),
        (b"1.", "json-syntax", "", 0),
        (b"1e", "json-syntax", "", 0),
        (b"0x10", "json-syntax", "", 0),
        ("[\uff11]".encode(), "json-syntax", "/0", 1),
        (b"// no\n1", "json-syntax", "", 0),
        (b"[True]", "json-syntax", "/0", 1),
        (b"nulls", "json-syntax", "", 0),
        ("\u00a01".encode(), "json-syntax", "", 0),
    ],
)
def test_what_is_not_strict_json_is_refused_with_reason_and_place(raw, code, path, byte):
    """The sender would not learn what to mend, or two readers would read two things."""
    refusal = refused(raw)
    assert (refusal.code, refusal.path, refusal.byte) == (code, path, byte)
    assert refusal.hint
    assert refusal.line is not None


def test_the_place_is_given_in_lines_and_characters_too():
    """An editor could not jump to the fault."""
    refusal = refused('{\n "é€": 1,\n "é": tru\n}'.encode())
    assert (refusal.line, refusal.column, refusal.byte) == (3, 7, 22)
    assert refusal.to_json()["column"] == 7


@pytest.mark.parametrize("depth", [1, LIMITS.depth_max - 1, LIMITS.depth_max])
def test_nesting_up_to_the_limit_is_read(depth):
    """The limit would be off by one."""
    assert parse_document(b"[" * depth + b"]" * depth) is not None
    assert parse_document(b'{"a":' * depth + b"1" + b"}" * depth) is not None


@pytest.mark.parametrize(
    "raw", [b"[" * 65 + b"]" * 65, b'{"a":' * 65 + b"1" + b"}" * 65, b"[" * 64 + b"[]" + b"]" * 64]
)
def test_one_level_more_is_refused(raw):
    """Something would be read that can never be sealed."""
    assert refused(raw).code == "json-too-deep"


def test_a_wide_document_is_not_a_deep_one():
    """Counting brackets alone would refuse honest data."""
    assert len(parse_document(b"[" + b"[]," * 9_999 + b"[]]")) == 10_000


def test_length_is_limited_to_the_byte():
    """A document could fill the memory before anybody looks at it."""
    limits = DocumentLimits(bytes_max=10)
    assert parse_document(b'"12345678"', limits=limits) == "12345678"
    assert refused(b'"123456789"', limits).code == "json-too-long"


def test_every_limit_can_be_narrowed():
    """A caller that trusts less could not say so."""
    assert refused(b"[[1]]", DocumentLimits(depth_max=1)).code == "json-too-deep"
    assert refused(b"1.25", DocumentLimits(digits_max=2)).code == "json-number-too-long"
    assert refused(b"1e3", DocumentLimits(exponent_max=2)).code == "json-exponent-too-large"
    assert parse_document(b"1.25", limits=DocumentLimits(digits_max=3)) == Decimal("1.25")


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"[" * MEGABYTE, "json-too-deep"),
        (b'{"a":' * (MEGABYTE // 5), "json-too-deep"),
        (b"[0," * (MEGABYTE // 3), "json-too-deep"),
        (b"9" * MEGABYTE, "json-integer-too-large"),
        (b"-" + b"9" * MEGABYTE, "json-integer-too-large"),
        (b"0." + b"9" * MEGABYTE, "json-number-too-long"),
        (b"1e" + b"9" * MEGABYTE, "json-exponent-too-large"),
        (b"1e" + b"0" * MEGABYTE, None),
        (b'"' + b"\\ud800" * (MEGABYTE // 6) + b'"', "json-surrogate"),
        (b'"' + b"\\\\" * (MEGABYTE // 2), "json-truncated"),
        (b'"' + b"\\u0041" * (MEGABYTE // 6) + b'"', None),
        (b" " * MEGABYTE, "json-empty"),
        (b"\n" * MEGABYTE + b"x", "json-syntax"),
        (b"-" * MEGABYTE, "json-syntax"),
        (b"a" * MEGABYTE, "json-syntax"),
        (b"{" + b",".join(b'"%d":1' % number for number in range(60_000)) + b',"7":1}', "json-duplicate-key"),
        (b'{"' + b"k" * MEGABYTE + b'":x}', "json-syntax"),
        (b'["' + b"\xc3\xa9" * (MEGABYTE // 2) + b'", x]', "json-syntax"),
    ],
)
def test_a_megabyte_made_to_hurt_is_answered_at_once(raw, code):
    """A few bytes from outside could hold a core for minutes, or end the process."""
    begin = process_time()
    if code is None:
        parse_document(raw)
    else:
        refusal = refused(raw)
        assert refusal.code == code
        assert len(refusal.message) < 1_000
    assert process_time() - begin < SECONDS_MAX


def test_a_refusal_cannot_drive_a_terminal():
    """A hostile document would write on the operator's screen through the error about it."""
    refusal = refused('{"\x9b2J\u202e":{"a":1,"a":2}}'.encode())
    assert refusal.message.isprintable()
    assert refusal.path is not None
    assert refusal.path.isprintable()


def test_deep_documents_are_refused_in_a_thread_with_a_small_stack():
    """A worker thread would crash the process where the main thread only refuses."""
    codes: list[str] = []
    before = threading.stack_size(256 << 10)
    try:
        worker = threading.Thread(target=lambda: codes.append(refused(b"[" * MEGABYTE).code))
        worker.start()
        worker.join()
    finally:
        threading.stack_size(before)
    assert codes == ["json-too-deep"]
