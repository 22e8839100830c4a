"""Canonical bytes and times, example by example."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bailiwick.canonical import DEPTH_MAX, canonical_bytes, digest, is_canonical, jcs_bytes, time_ns, time_text
from bailiwick.errors import RecordRefused
from bailiwick.model import INTEGER_MAX


def nested(levels: int) -> list:
    """Give lists within lists."""
    value: list = []
    for _ in range(levels - 1):
        value = [value]
    return value


def test_keys_stand_in_order_and_nothing_is_spaced():
    """Two people who write the same fact in another order would get two digests."""
    assert canonical_bytes({"b": [1, None, True], "a": {"z": "é", "A": ""}}) == (
        '{"a":{"A":"","z":"é"},"b":[1,null,true]}'.encode()
    )


@pytest.mark.parametrize(
    ("value", "code", "place"),
    [
        ({"hours": 7.65}, "profile-float", "/hours"),
        ({"hours": float("nan")}, "profile-float", "/hours"),
        ([0, INTEGER_MAX + 1], "profile-integer", "/1"),
        ([-INTEGER_MAX - 1], "profile-integer", "/0"),
        ({"é": 1}, "profile-key", "é"),
        ({"\ud800": 1}, "profile-key", "ud800"),
        ({1: 1}, "profile-key", "1"),
        ({"a": ["\ud800"]}, "profile-surrogate", "/a/0"),
        (["ok", "half \udc00"], "profile-surrogate", "/1"),
        ({"a": Decimal("1.5")}, "profile-float", "/a"),
        ([b"bytes"], "profile-type", "/0"),
        ([{"a": {1, 2}}], "profile-type", "/0/a"),
        (nested(DEPTH_MAX + 1), "profile-depth", "/0/0"),
    ],
)
def test_what_leaves_the_profile_is_refused_with_its_place(value, code, place):
    """Something that other readers write differently would be hashed."""
    with pytest.raises(RecordRefused) as refused:
        canonical_bytes(value)
    assert refused.value.code == code
    assert place in refused.value.message
    assert refused.value.hint


@pytest.mark.parametrize("value", [INTEGER_MAX, -INTEGER_MAX, nested(DEPTH_MAX), "", 0, None, (1, "a"), "\u2028\x7f😀"])
def test_the_last_value_inside_the_profile_is_taken(value):
    """The limits would be off by one."""
    assert canonical_bytes(value)


def test_a_refusal_is_one_bounded_line_whatever_the_keys():
    """A key from outside would write on the operator's terminal."""
    with pytest.raises(RecordRefused) as refused:
        canonical_bytes({"\x1b[2J" + "k" * 10_000: 1.5})
    assert refused.value.message.isprintable()
    assert len(refused.value.message) < 500


def test_deep_nesting_is_refused_without_a_recursion_error():
    """A hostile value would end the process with a traceback instead of a refusal."""
    with pytest.raises(RecordRefused) as refused:
        canonical_bytes(nested(100_000))
    assert refused.value.code == "profile-depth"


def test_bytes_that_are_not_the_canonical_form_are_told_apart():
    """A record that was written by another encoder would pass as ours."""
    assert is_canonical(b'{"a":1}', {"a": 1})
    assert not is_canonical(b'{"a": 1}', {"a": 1})


def test_a_digest_names_its_algorithm():
    """Nobody could tell later which hash a digest is."""
    assert digest(b"abc") == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (5e-324, "5e-324"),
        (-5e-324, "-5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (9007199254740992.0, "9007199254740992"),
        (295147905179352830000.0, "295147905179352830000"),
        (1e21, "1e+21"),
        (9.999999999999997e22, "9.999999999999997e+22"),
        (1e23, "1e+23"),
        (333333333.3333332, "333333333.3333332"),
        (0.000001, "0.000001"),
        (1e-7, "1e-7"),
        (-0.0000033333333333333333, "-0.0000033333333333333333"),
        (1424953923781206.2, "1424953923781206.2"),
        (Decimal("4.50"), "4.5"),
        (Decimal("1E+2"), "100"),
    ],
)
def test_fractions_of_foreign_documents_read_as_ecmascript_writes_them(number, text):
    """Digests of foreign documents would differ from every other implementation (samples: RFC 8785, appendix B)."""
    assert jcs_bytes(number).decode() == text


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (float("inf"), "profile-float"),
        (float("nan"), "profile-float"),
        (Decimal("1E+400"), "profile-float"),
        (INTEGER_MAX + 1, "profile-integer"),
        ("\ud800", "profile-surrogate"),
        ({"\ud800": 1}, "profile-surrogate"),
        (nested(DEPTH_MAX + 1), "profile-depth"),
        ({1: 1}, "profile-type"),
        (b"x", "profile-type"),
    ],
)
def test_what_i_json_cannot_carry_has_no_canonical_form(value, code):
    """A foreign document would get a digest that nobody else can compute."""
    with pytest.raises(RecordRefused) as refused:
        jcs_bytes(value)
    assert refused.value.code == code


def test_foreign_keys_stand_in_the_order_of_utf_16():
    """Keys beyond U+FFFF would stand elsewhere than RFC 8785 section 3.2.3 puts them."""
    assert jcs_bytes({"\ufb33": 1, "\U0001f602": 2}) == '{"\U0001f602":2,"\ufb33":1}'.encode()


@pytest.mark.parametrize(
    ("at_ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000000000Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (1_600_000_000_000_000_001, "2020-09-13T12:26:40.000000001Z"),
        (253_402_300_799_999_999_999, "9999-12-31T23:59:59.999999999Z"),
        (-62_135_596_800_000_000_000, "0001-01-01T00:00:00.000000000Z"),
    ],
)
def test_a_time_is_written_and_read_back_to_the_nanosecond(at_ns, text):
    """Replay would start from another moment than was decided at."""
    assert time_text(at_ns) == text
    assert time_ns(text) == at_ns


@pytest.mark.parametrize("at_ns", [253_402_300_800_000_000_000, -62_135_596_800_000_000_001, 10**40])
def test_a_time_outside_the_calendar_is_refused(at_ns):
    """A clock gone mad would write a text that cannot be read back."""
    with pytest.raises(ValueError, match=r"year|outside"):
        time_text(at_ns)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2020-09-13T12:26:40Z",
        "2020-09-13T12:26:40.00000000Z",
        "2020-09-13 12:26:40.000000001Z",
        "2020-09-13T12:26:40.000000001z",
        "2020-09-13T12:26:40,000000001Z",
        "2020-09-13T12:26:60.000000001Z",
        "2020-02-30T12:26:40.000000001Z",
        "2020-W37-7T12:26:40.000000001Z",
        "2020-09-13T12:26:40.00000000\u0661Z",
        "\uff12020-09-13T12:26:40.000000001Z",
        "2020-09-13T12:26:40.+00000001Z",
    ],
)
def test_a_time_in_any_other_form_is_refused(text):
    """Two texts would mean one moment, and the chain of bytes would not be one."""
    with pytest.raises(ValueError, match="RFC 3339"):
        time_ns(text)
