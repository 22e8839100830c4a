"""Canonical bytes, digests and times: the only place that says what is hashed.

Canonical JSON is RFC 8785 within a checked profile: ASCII keys, no floats, integers up to 2^53-1, no lone surrogates,
bounded depth. Inside the profile a fast encoder gives the same bytes as RFC 8785; outside it the value is refused.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import msgspec

from bailiwick.errors import RecordRefused
from bailiwick.model import INTEGER_MAX, JsonValue

DEPTH_MAX = 64
"""Deepest nesting that is sealed, in levels."""

NANOSECONDS = 1_000_000_000
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
    _check(value, "", 0)
    return _encode(value)


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
    elif kind is float:
        raise _refused("float", f"{path or '/'} is a float, {value!r}", "use an integer of a declared unit, or text")
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
    return RecordRefused(message, hint=hint, code=f"profile-{reason}")


def digest(data: bytes) -> str:
    """Give ``sha256:`` and the SHA-256 of the bytes, in hexadecimal.

    >>> digest(b"")
    'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
    """
    return "sha256:" + hashlib.sha256(data).hexdigest()


def time_text(at_ns: int) -> str:
    """Write nanoseconds since 1970 UTC as RFC 3339 with nine digits.

    >>> time_text(1_600_000_000_000_000_001)
    '2020-09-13T12:26:40.000000001Z'
    """
    seconds, fraction = divmod(at_ns, NANOSECONDS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"


def time_ns(text: str) -> int:
    """Read back what ``time_text`` wrote.

    Raises:
        ValueError: the text has another form.

    >>> time_ns("2020-09-13T12:26:40.000000001Z")
    1600000000000000001
    """
    if len(text) != 30 or text[19] != "." or text[29] != "Z" or not text[20:29].isdigit():
        raise ValueError(f"{text[:40]!r} is not an RFC 3339 UTC time with nine digits")
    whole = datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    return int(whole.timestamp()) * NANOSECONDS + int(text[20:29])


def is_canonical(data: bytes, value: JsonValue) -> bool:
    """Say whether bytes are the canonical form of the value that was read from them."""
    return canonical_bytes(value) == data
