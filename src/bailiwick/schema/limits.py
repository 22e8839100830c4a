"""What a document from outside may measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

DOCUMENT_BYTES_MAX = 16 << 20
"""Longest document that is read, in bytes."""

DOCUMENT_DEPTH_MAX = 64
"""Deepest nesting of arrays and objects, in levels; the same as what can be sealed (``canonical.DEPTH_MAX``)."""

NUMBER_DIGITS_MAX = 34
"""Most digits of a number before its exponent: what IEEE 754 decimal128 holds."""

NUMBER_EXPONENT_MAX = 400
"""Largest magnitude of a written exponent: beyond every IEEE 754 double (1e308, 5e-324), far below a memory bomb."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentLimits:
    """Bytes, levels of nesting, digits before the exponent, and magnitude of the exponent."""

    bytes_max: int = DOCUMENT_BYTES_MAX
    depth_max: int = DOCUMENT_DEPTH_MAX
    digits_max: int = NUMBER_DIGITS_MAX
    exponent_max: int = NUMBER_EXPONENT_MAX

    def __post_init__(self) -> None:
        assert min(self.bytes_max, self.depth_max, self.digits_max, self.exponent_max) > 0

    @property
    def exponent_characters_max(self) -> int:
        """Characters that an exponent within the limit can take, sign included; more are not even converted."""
        return len(str(self.exponent_max)) + 1


LIMITS = DocumentLimits()
"""The limits where nobody states others."""


def is_within(value: Any, depth_max: int) -> bool:
    """Say whether containers are nested at most ``depth_max`` deep, level by level."""
    level = [value] if type(value) in (dict, list) else []
    for _ in range(depth_max):
        level = [
            item
            for container in level
            for item in (container.values() if type(container) is dict else container)
            if type(item) is dict or type(item) is list
        ]
        if not level:
            return True
    return not level
