"""The dialects of JSON Schema that are understood, by the URI that a schema declares."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One published draft: its short name, meta-schema URI, compiler class, and what ``format`` does by default."""

    name: str
    uri: str
    validator: str
    asserts_formats: bool


DIALECTS = (
    Dialect(
        name="draft-04",
        uri="http://json-schema.org/draft-04/schema#",
        validator="Draft4Validator",
        asserts_formats=True,
    ),
    Dialect(
        name="draft-06",
        uri="http://json-schema.org/draft-06/schema#",
        validator="Draft6Validator",
        asserts_formats=True,
    ),
    Dialect(
        name="draft-07",
        uri="http://json-schema.org/draft-07/schema#",
        validator="Draft7Validator",
        asserts_formats=True,
    ),
    Dialect(
        name="2019-09",
        uri="https://json-schema.org/draft/2019-09/schema",
        validator="Draft201909Validator",
        asserts_formats=False,
    ),
    Dialect(
        name="2020-12",
        uri="https://json-schema.org/draft/2020-12/schema",
        validator="Draft202012Validator",
        asserts_formats=False,
    ),
)

DIALECT_URIS = {dialect.uri.removesuffix("#"): dialect for dialect in DIALECTS}
"""Dialects by declared URI, without the empty fragment that the older ones end in."""

DEFAULT_DIALECT = DIALECTS[-1]
"""What a schema means that declares nothing."""
