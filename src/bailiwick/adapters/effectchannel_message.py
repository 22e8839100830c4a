"""What every effect channel asks of a message before it leaves: a true key, a shape that holds, a bounded size."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bailiwick.canonical import canonical_bytes
from bailiwick.errors import InputRefused, UsageRefused
from bailiwick.model import JsonValue
from bailiwick.schema import Schemas

EFFECT_BYTES_MAX = 1 << 20
"""Largest message that is delivered, in bytes of canonical JSON."""

CONTRACT = "effect-message"
_KEY = re.compile(r"hmac-sha256:([0-9a-f]{64})\Z")


def effect_name(key: str) -> str:
    """Give the part of an effect's key that can name a file: 64 hexadecimal digits.

    Raises:
        UsageRefused: the key has another form (``effect-key``).

    >>> effect_name("../../etc/passwd")
    Traceback (most recent call last):
    ...
    bailiwick.errors.UsageRefused: '../../etc/passwd' is not the key of an effect
    """
    match = _KEY.match(key)
    if match is None:
        raise UsageRefused(
            f"{key[:80]!r} is not the key of an effect",
            hint="a key reads hmac-sha256: and 64 lower-case hexadecimal digits",
            code="effect-key",
        )
    return match.group(1)


def message_bytes(key: str, message: Mapping[str, JsonValue], schemas: Schemas) -> bytes:
    """Give the bytes that are delivered for a message.

    Raises:
        SchemaViolated: it breaks the contract ``effect-message``.
        RecordRefused: it is outside the profile of canonical JSON.
        InputRefused: it is too large (``effect-too-large``), or carries another key (``effect-key-differs``).
    """
    content = dict(message)
    schemas.check(CONTRACT, content)
    if content["key"] != key:
        raise InputRefused(
            "the message carries another key than it is delivered under",
            hint="deliver each message under its own key",
            code="effect-key-differs",
        )
    data = canonical_bytes(content) + b"\n"
    if len(data) > EFFECT_BYTES_MAX:
        raise InputRefused(
            f"the message of effect {key} has {len(data)} bytes; at most {EFFECT_BYTES_MAX} are delivered",
            hint="let the pack ask for smaller parameters, and refer to blobs by digest",
            code="effect-too-large",
        )
    return data
