"""Strict JSON: bytes from outside become a value once, or are refused with the reason and the place.

Two readers agree here. A fast one, built on the C scanner of the standard library, accepts what is beyond doubt; at the
first doubt the exact one (``scanner.py``) reads again and is the authority: it names the reason, or accepts.

Numbers with a fraction or an exponent become ``decimal.Decimal``, never a float; integers stay within 2^53-1.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from bailiwick.errors import DocumentRefused
from bailiwick.model import INTEGER_MAX
from bailiwick.schema.limits import LIMITS, DocumentLimits, is_within
from bailiwick.schema.scanner import scan

INTEGER_CHARACTERS_MAX = 17
"""A minus sign and the 16 digits of 2^53-1: longer integers are not even converted."""

_encode = msgspec.json.Encoder().encode


class _Doubt(ValueError):
    """The fast reader cannot vouch for the document; the exact one decides."""


def parse_document(raw: bytes, *, limits: DocumentLimits = LIMITS) -> Any:
    """Read one JSON document strictly (RFC 8259 and I-JSON, RFC 7493).

    Gives dict, list, str, int, bool, None, and ``Decimal`` for each number with a fraction or an exponent.

    Raises:
        DocumentRefused: ``json-too-long``, ``json-encoding``, ``json-bom``, ``json-empty``, ``json-truncated``,
            ``json-syntax``, ``json-trailing``, ``json-duplicate-key``, ``json-control-character``, ``json-escape``,
            ``json-surrogate``, ``json-not-a-number``, ``json-integer-too-large``, ``json-number-too-long``,
            ``json-exponent-too-large``, ``json-too-deep``.

    Cost: linear in the bytes, also when refusing; no recursion limit is met.

    >>> parse_document(b'{"hours": 7.65}')
    {'hours': Decimal('7.65')}
    >>> parse_document(b'{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ...
    bailiwick.errors.DocumentRefused: the key "a" stands twice in one object (at /a, line 1, column 10)
    """
    if len(raw) > limits.bytes_max:
        raise DocumentRefused(
            f"the document has {len(raw)} bytes; at most {limits.bytes_max} are read",
            hint="split the document, or send large parts as blobs",
            code="json-too-long",
        )
    try:
        value = _reader(limits)(raw.decode())
    except (ValueError, RecursionError):
        return scan(raw, limits)
    if _is_doubtful(raw, value, limits):
        return scan(raw, limits)
    return value


def _is_doubtful(raw: bytes, value: Any, limits: DocumentLimits) -> bool:
    """Say whether a value that the fast reader accepted might hold half a character or be too deep."""
    if b"\\u" in raw:
        try:
            _encode(value)
        except (UnicodeEncodeError, RecursionError):
            return True
    brackets = raw.count(b"[") + raw.count(b"{")
    return brackets > limits.depth_max and not is_within(value, limits.depth_max)


@lru_cache(maxsize=8)
def _reader(limits: DocumentLimits) -> Callable[[str], Any]:
    """Build the fast reader for some limits; it raises ValueError at any doubt."""

    def fraction(text: str) -> Decimal:
        """Read a number with a fraction or an exponent, as short as the limits want it."""
        mantissa, _, exponent = text.replace("E", "e").partition("e")
        if len(mantissa) > limits.digits_max or len(exponent) > limits.exponent_characters_max:
            raise _Doubt(text[:80])
        if exponent and abs(int(exponent)) > limits.exponent_max:
            raise _Doubt(text[:80])
        return Decimal(text)

    decoder = json.JSONDecoder(
        object_pairs_hook=_object, parse_int=_integer, parse_float=fraction, parse_constant=_refuse_constant
    )
    return decoder.decode


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _Doubt("a key stands twice")
    return value


def _integer(text: str) -> int:
    if len(text) > INTEGER_CHARACTERS_MAX:
        raise _Doubt(text[:80])
    value = int(text)
    if not -INTEGER_MAX <= value <= INTEGER_MAX:
        raise _Doubt(text)
    return value


def _refuse_constant(text: str) -> Any:
    raise _Doubt(text)
