"""Canonical bytes against another implementation of RFC 8785, over generated values."""

from __future__ import annotations

import json
import math

import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.canonical import canonical_bytes, is_canonical, jcs_bytes, time_ns, time_text
from bailiwick.errors import RecordRefused
from bailiwick.model import INTEGER_MAX

text = st.text(st.characters(exclude_categories=["Cs"]))
integers = st.integers(-INTEGER_MAX, INTEGER_MAX)
sealed = st.recursive(
    st.none() | st.booleans() | integers | text,
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(st.characters(max_codepoint=127)), inner, max_size=5)
    ),
    max_leaves=20,
)
foreign = st.recursive(
    st.none() | st.booleans() | integers | text | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(text, inner, max_size=5),
    max_leaves=20,
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats() | st.binary(max_size=3) | st.decimals(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(), inner, max_size=4),
    max_leaves=10,
)


@given(sealed)
def test_inside_the_profile_the_bytes_are_those_of_rfc_8785(value):
    """Somebody else's canonicaliser would compute another digest of our records."""
    assert canonical_bytes(value) == rfc8785.dumps(value) == jcs_bytes(value)


@given(sealed)
def test_canonical_bytes_read_back_as_the_value_and_are_canonical(value):
    """What is sealed would not be what was decided."""
    data = canonical_bytes(value)
    assert json.loads(data) == value
    assert is_canonical(data, json.loads(data))


@given(foreign)
def test_foreign_documents_have_the_bytes_of_rfc_8785(value):
    """The digest printed for a foreign document could not be checked with another tool."""
    assert jcs_bytes(value) == rfc8785.dumps(value)


@given(anything)
def test_any_value_is_sealed_or_refused_and_nothing_else_happens(value):
    """A value from outside would end in a traceback, or be sealed although no other reader agrees on it."""
    try:
        data = canonical_bytes(value)
    except RecordRefused:
        return
    assert data == rfc8785.dumps(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_fraction_reads_back_as_the_same_double(number):
    """A canonical form would lose digits."""
    assert math.copysign(float(jcs_bytes(number)), number) == number


@given(st.integers(-62_135_596_800_000_000_000, 253_402_300_799_999_999_999))
def test_every_nanosecond_of_the_calendar_has_one_text(at_ns):
    """Two moments would share a text, or one moment have none."""
    assert time_ns(time_text(at_ns)) == at_ns


@given(st.text(max_size=40) | st.from_regex(r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{9}Z\Z"))
def test_any_text_is_our_time_or_a_value_error(text):
    """A time from outside would end in another error, or read as a moment that writes differently."""
    try:
        at_ns = time_ns(text)
    except ValueError:
        return
    assert time_text(at_ns) == text
