"""The words that nouns are made of: JSON that is sealed, and names that are checked before they become a path."""

from __future__ import annotations

import re
from typing import TypeAlias

from bailiwick.errors import UsageRefused

JsonValue: TypeAlias = "bool | int | str | list[JsonValue] | dict[str, JsonValue] | None"
"""JSON without floats: the only JSON that is sealed."""

TENANT_PATTERN = re.compile(r"[a-z][a-z0-9-]{0,62}\Z")
SUBJECT_PATTERN = re.compile(r"[a-z][a-z0-9-]{0,62}/[a-z0-9][a-z0-9-]{0,126}\Z")
DIGEST_PATTERN = re.compile(r"sha256:[0-9a-f]{64}\Z")
SALT_BYTES = 16
INTEGER_MAX = 2**53 - 1
"""Largest magnitude of an integer in canonical JSON (RFC 8785 section 3.2.2.3, I-JSON)."""


def check_tenant(tenant: str) -> str:
    """Give the tenant's name back if it can be one: a letter, then up to 62 letters, digits or hyphens.

    Raises:
        UsageRefused: anything else, a path most of all.

    >>> check_tenant("../other")
    Traceback (most recent call last):
    ...
    bailiwick.errors.UsageRefused: '../other' cannot be the name of a tenant
    """
    if not TENANT_PATTERN.match(tenant):
        raise UsageRefused(
            f"{tenant[:80]!r} cannot be the name of a tenant",
            hint="use a lower-case letter, then up to 62 lower-case letters, digits or hyphens",
            code="tenant-name",
        )
    return tenant


def check_digest(digest: str) -> str:
    """Give the digest back if it is ``sha256:`` and 64 lower-case hexadecimal digits.

    Raises:
        UsageRefused: anything else.
    """
    if not DIGEST_PATTERN.match(digest):
        raise UsageRefused(
            f"{digest[:80]!r} is not a digest",
            hint="a digest reads sha256: and 64 lower-case hexadecimal digits",
            code="digest",
        )
    return digest


def check_subject(subject: str) -> str:
    """Give the name of a subject back if it can be one: a kind, a slash, and an opaque id, as a record's resource.

    Raises:
        UsageRefused: anything else; what a person typed does not look like it.

    >>> check_subject("observation/0123456789abcdef")
    'observation/0123456789abcdef'
    """
    if not SUBJECT_PATTERN.match(subject):
        raise UsageRefused(
            "that is not the name of a subject",
            hint="it is the resource of a decision's record, such as observation/ and 32 hexadecimal digits",
            code="subject-name",
        )
    return subject
