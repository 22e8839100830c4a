"""Strict JSON over generated documents: the two readers agree, and nothing but a refusal ever comes out."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from bailiwick.errors import DocumentRefused
from bailiwick.model import INTEGER_MAX
from bailiwick.schema import LIMITS, DocumentLimits, parse_document
from bailiwick.schema.scanner import scan

text = st.text(st.characters(exclude_categories=["Cs"]))
documents = st.recursive(
    st.none() | st.booleans() | st.integers(-INTEGER_MAX, INTEGER_MAX) | text,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(text, inner, max_size=5),
    max_leaves=20,
)
_PIECES = (
    '{ } [ ] , : " \\ \\u d83d de02 00e9 "a" "b": 1 - 0 .5 e E+ 9999999999999999 true null NaN \u00e9'.encode().split(
        b" "
    )
)
json_like = st.lists(st.sampled_from([*_PIECES, b" ", b"\n", b"\x00", b"\xc3"]), max_size=25).map(b"".join)


@given(documents, st.booleans(), st.sampled_from([None, 1]))
def test_ordinary_documents_read_as_the_standard_library_reads_them(value, is_ascii, indent):
    """Strictness would change what honest documents say."""
    raw = json.dumps(value, ensure_ascii=is_ascii, indent=indent).encode()
    assert parse_document(raw) == json.loads(raw) == value


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9))
def test_fractions_are_read_digit_for_digit(number):
    """A quantity would change on its way in."""
    value = parse_document(str(number).encode())
    assert value == number
    assert isinstance(value, Decimal)


def outcome(read, raw):
    """Give what a reader makes of bytes: the value with the types of its numbers, or the code of its refusal."""
    try:
        return repr(read(raw))
    except DocumentRefused as refusal:
        return refusal.code


@given(json_like | st.binary(max_size=40))
def test_the_fast_reader_and_the_exact_one_never_disagree(raw):
    """Whether a document is accepted would depend on which path it took."""
    assert outcome(parse_document, raw) == outcome(lambda each: scan(each, LIMITS), raw)


@given(
    json_like | st.binary(max_size=40) | st.text(max_size=40).map(lambda each: each.encode("utf-8", "surrogatepass"))
)
def test_any_bytes_are_read_or_refused_and_nothing_else_happens(raw):
    """Bytes from outside would end in a traceback."""
    with suppress(DocumentRefused):
        json.dumps(parse_document(raw), default=str)


@given(json_like)
def test_whatever_is_accepted_the_standard_library_accepts_too(raw):
    """We would read documents that nobody else can."""
    with suppress(DocumentRefused):
        value = parse_document(raw)
        assert json.loads(raw, parse_float=Decimal) == value


@given(documents, st.integers(1, 6))
def test_the_depth_limit_is_the_same_on_both_paths(value, depth_max):
    """A narrow limit would hold for hostile documents and not for others."""
    limits = DocumentLimits(depth_max=depth_max)
    raw = json.dumps(value).encode()
    assert outcome(lambda each: parse_document(each, limits=limits), raw) == outcome(
        lambda each: scan(each, limits), raw
    )
