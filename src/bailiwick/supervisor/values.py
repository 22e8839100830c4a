"""JSON that passes between modules and the host, as bytes that are the same each time.

Members are sorted, integers exact up to 64 bits, fractions exact as their text gave them. Canonical JSON is not enough
here: its integers end at 2^53, and a clock's nanoseconds do not.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from bailiwick.model import JsonValue

encode_value = msgspec.json.Encoder(order="sorted", decimal_format="number").encode
"""Write a value as bytes."""

_decode = msgspec.json.Decoder(float_hook=Decimal).decode


def decode_value(raw: bytes) -> Any:
    """Read back what ``encode_value`` wrote; fractions come back as ``Decimal``.

    >>> decode_value(encode_value({"b": 1, "a": Decimal("0.10")}))
    {'a': Decimal('0.10'), 'b': 1}
    """
    return _decode(raw)


def in_order(value: JsonValue) -> JsonValue:
    """Give a value with its members sorted, as replay gives it: fuel depends on the order that a guest reads in."""
    if not isinstance(value, dict | list):
        return value
    same: JsonValue = decode_value(encode_value(value))
    return same
