"""Canonical bytes, digests and times: the only place that says what is hashed.

Canonical JSON is RFC 8785 within a checked profile: ASCII keys, no floats, integers up to 2^53-1, no lone surrogates,
bounded depth. Inside the profile a fast encoder gives the same bytes as RFC 8785; outside it the value is refused.
``jcs_bytes`` is RFC 8785 without the profile, for documents of others; nothing that it gives is ever sealed.
"""

from __future__ import annotations

import hashlib
import json
import math
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from bailiwick.errors import RecordRefused
from bailiwick.model import INTEGER_MAX, JsonValue

DEPTH_MAX = 64
"""Deepest nesting that is sealed, in levels."""

MESSAGE_CHARACTERS_MAX = 400
"""Longest message of a refusal, in characters: keys come from outside."""

NANOSECONDS = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_encode = msgspec.json.Encoder(order="sorted").encode


def canonical_bytes(value: Any) -> bytes:
    """Encode a value as RFC 8785 canonical JSON.

    Raises:
        RecordRefused: outside the profile: ``profile-float``, ``profile-integer``, ``profile-key``,
            ``profile-surrogate``, ``profile-depth``, ``profile-type``.

    >>> canonical_bytes({"b": 1, "a": "é"})
    b'{"a":"\\xc3\\xa9","b":1}'
    >>> canonical_bytes({"hours": 7.65})
    Traceback (most recent call last):
    ...
    bailiwick.errors.RecordRefused: /hours is a float, 7.65
    """
    check_profile(value)
    try:
        return _encode(value)
    except UnicodeEncodeError:
        _check(value, "", 0)  # says where the half character is
        raise


def check_profile(value: Any) -> None:
    """Refuse a value outside of the profile, but for half characters, which the encoder finds.

    Raises:
        RecordRefused: as ``canonical_bytes``.
    """
    is_object = type(value) is dict
    if not _is_inside(value if is_object else [value], DEPTH_MAX - is_object):
        _check(value, "", 0)
        raise AssertionError("the quick look refused what the careful one accepts")


def noun_bytes(value: Any) -> bytes:
    """Encode JSON that may hold nouns of a trace (``model.deciding``), all of it checked where it entered.

    The same bytes as ``canonical_bytes`` of the same JSON, without the walk: whoever calls this answers for the
    profile, but for half characters, which are refused here too.

    Raises:
        RecordRefused: ``profile-surrogate``.
    """
    try:
        return _encode(value)
    except UnicodeEncodeError as error:
        raise _refused("surrogate", "a text holds half a character", "send well-formed Unicode") from error


def _is_inside(container: Any, depth: int) -> bool:
    """Say whether the members of a container keep to the profile; text is left to the encoder, which refuses halves.

    Half the time of ``_check``, because nobody has to say where: this runs for every record and every blob.
    ``depth``: levels that may still be nested in it.
    """
    if type(container) is dict:
        for key in container:
            if type(key) is not str or not key.isascii():
                return False
        container = container.values()
    for item in container:
        kind = type(item)
        if kind is str:
            continue
        if kind is dict or kind is list or kind is tuple:
            if not depth or (item and not _is_inside(item, depth - 1)):
                return False
        elif kind is int:
            if not -INTEGER_MAX <= item <= INTEGER_MAX:
                return False
        elif kind is not bool and item is not None:
            return False
    return True


def _check(value: Any, path: str, depth: int) -> None:
    """Walk the value and refuse whatever leaves the profile."""
    kind = type(value)
    if kind is str:
        if not value.isascii():
            _check_text(value, path)
    elif kind is int:
        if not -INTEGER_MAX <= value <= INTEGER_MAX:
            raise _refused("integer", f"{path or '/'} is an integer beyond 2^53-1", "write large numbers as text")
    elif kind is dict:
        _check_depth(path, depth)
        for key, item in value.items():
            if type(key) is not str or not key.isascii():
                raise _refused("key", f"{path or '/'} has the key {key!r}, not ASCII text", "use ASCII names")
            _check(item, f"{path}/{key}", depth + 1)
    elif kind is list or kind is tuple:
        _check_depth(path, depth)
        for position, item in enumerate(value):
            _check(item, f"{path}/{position}", depth + 1)
    elif kind is float or kind is Decimal:
        raise _refused(
            "float", f"{path or '/'} is a {kind.__name__}, {value!s}", "use an integer of a declared unit, or text"
        )
    elif kind is not bool and value is not None:
        raise _refused("type", f"{path or '/'} is a {kind.__name__}", "only JSON values can be sealed")


def _check_depth(path: str, depth: int) -> None:
    if depth >= DEPTH_MAX:
        raise _refused("depth", f"{path[:80]} is nested deeper than {DEPTH_MAX} levels", "flatten the value")


def _check_text(text: str, path: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _refused(
            "surrogate", f"{path or '/'} holds half a character at position {error.start}", "send well-formed Unicode"
        ) from error


def _refused(reason: str, message: str, hint: str) -> RecordRefused:
    bounded = message if len(message) <= MESSAGE_CHARACTERS_MAX else message[:MESSAGE_CHARACTERS_MAX] + "…"
    return RecordRefused(bounded if bounded.isprintable() else ascii(bounded), hint=hint, code=f"profile-{reason}")


def digest(data: bytes) -> str:
    """Give ``sha256:`` and the SHA-256 of the bytes, in hexadecimal.

    >>> digest(b"")
    'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
    """
    return "sha256:" + hashlib.sha256(data).hexdigest()


def jcs_bytes(value: Any) -> bytes:
    """Encode any JSON value as RFC 8785, fractions and non-ASCII keys included; a ``Decimal`` counts as its double.

    Raises:
        RecordRefused: what I-JSON cannot carry: NaN, infinities, integers beyond 2^53-1, half characters, values that
            are not JSON (``profile-float``, ``profile-integer``, ``profile-surrogate``, ``profile-type``), and nesting
            beyond ``DEPTH_MAX`` (``profile-depth``).

    Source: RFC 8785, section 3.2; numbers as ECMAScript writes them, ECMA-262 section 6.1.6.1.20.

    >>> jcs_bytes({"é": 1, "a": [4.50, 1e30, 2e-3, 1e-27]})
    b'{"a":[4.5,1e+30,0.002,1e-27],"\\xc3\\xa9":1}'
    """
    try:
        return _jcs(value, 0).encode()
    except UnicodeEncodeError as error:
        raise _refused("surrogate", "the value holds half a character", "send well-formed Unicode") from error


def _jcs(value: Any, depth: int) -> str:
    if value is None or isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        if not -INTEGER_MAX <= value <= INTEGER_MAX:
            raise _refused("integer", "an integer is beyond 2^53-1", "write large numbers as text")
        return str(value)
    if isinstance(value, float | Decimal):
        return _ecmascript_number(float(value))
    _check_depth("the value", depth)
    if isinstance(value, list | tuple):
        return "[" + ",".join(_jcs(item, depth + 1) for item in value) + "]"
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise _refused("type", f"a {type(value).__name__} is not JSON", "only JSON values have a canonical form")
    in_order = sorted(value, key=lambda key: key.encode("utf-16-be"))
    return "{" + ",".join(f"{_jcs(key, depth)}:{_jcs(value[key], depth + 1)}" for key in in_order) + "}"


def _ecmascript_number(number: float) -> str:
    """Write a double with the fewest digits that read back as it, placed as ECMAScript places them."""
    if not math.isfinite(number):
        raise _refused("float", f"{number} is no number of JSON", "leave the member out, or send null")
    if number == 0:
        return "0"
    sign, figures, exponent = Decimal(repr(number)).normalize().as_tuple()
    digits = "".join(map(str, figures))
    assert isinstance(exponent, int)
    point = len(digits) + exponent  # digits before the decimal point
    if 0 < point <= 21:
        text = digits.ljust(point, "0") if exponent >= 0 else f"{digits[:point]}.{digits[point:]}"
    elif -6 < point <= 0:
        text = "0." + "0" * -point + digits
    else:
        text = digits[0] + ("." + digits[1:] if len(digits) > 1 else "") + f"e{point - 1:+d}"
    return "-" * sign + text


def time_text(at_ns: int) -> str:
    """Write nanoseconds since 1970 UTC as RFC 3339 with nine digits.

    Raises:
        ValueError: before the year 1 or after 9999.

    >>> time_text(1_600_000_000_000_000_001)
    '2020-09-13T12:26:40.000000001Z'
    """
    seconds, fraction = divmod(at_ns, NANOSECONDS)
    return f"{_second_text(seconds)}.{fraction:09d}Z"


@lru_cache(maxsize=16)
def _second_text(seconds: int) -> str:
    """Write whole seconds; those who ask often ask within the same one."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]
    except (OverflowError, OSError) as error:
        raise ValueError(f"{seconds} seconds since 1970 are outside the years 1 to 9999") from error


def time_ns(text: str) -> int:
    """Read back what ``time_text`` wrote, and nothing else.

    Raises:
        ValueError: the text has another form.

    >>> time_ns("2020-09-13T12:26:40.000000001Z")
    1600000000000000001
    """
    fraction = text[20:29]
    if len(text) == 30 and text[19] == "." and fraction.isascii() and fraction.isdigit():
        # One form of many that fromisoformat reads; writing it again tells whether it was ours.
        with suppress(ValueError):
            whole = datetime.fromisoformat(text[:19] + "+00:00")
            at_ns = (whole - _EPOCH) // _SECOND * NANOSECONDS + int(fraction)
            if time_text(at_ns) == text:
                return at_ns
    raise ValueError(f"{text[:40]!r} is not an RFC 3339 UTC time with nine digits")


def is_canonical(data: bytes, value: JsonValue) -> bool:
    """Say whether bytes are the canonical form of the value that was read from them."""
    return canonical_bytes(value) == data
