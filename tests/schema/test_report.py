"""Anybody's document by anybody's schema: from bytes to a report."""

from __future__ import annotations

import pytest

from bailiwick.canonical import digest
from bailiwick.errors import BailiwickError
from bailiwick.schema import VIOLATIONS_MAX, DocumentLimits, Schemas, validate_named, validate_text

SCHEMAS = Schemas()
DRAFT_4 = b"""{"$schema": "http://json-schema.org/draft-04/schema#", "id": "http://example.org/quantity",
  "type": "object", "required": ["quantity"], "additionalProperties": false,
  "properties": {
    "quantity": {"type": "number", "minimum": 0, "exclusiveMinimum": true}, "at": {"format": "date-time"}
  }}"""


def test_a_valid_document_is_reported_with_dialect_and_digests():
    """People could not say later what was judged by what."""
    report = validate_text(DRAFT_4, b'{"quantity": 1.50}')
    assert report.is_valid
    assert (report.dialect, report.is_dialect_declared, report.formats_asserted) == ("draft-04", True, True)
    assert report.document_digest == digest(b'{"quantity":1.5}')
    assert report.schema_digest is not None


def test_two_texts_of_one_value_have_one_digest():
    """A document would change its name when somebody formats it."""
    one = validate_text(b"true", b'{"a": 1.0, "b": "\\u00e9"}')
    other = validate_text(b" true ", '{"b":"é","a":1e0}'.encode())
    assert one == other


def test_every_violation_is_in_the_report():
    """The sender would mend one fault and meet the next."""
    report = validate_text(DRAFT_4, b'{"quantity": 0, "at": "2020-01-01T00:00:00+0000", "odd": 1}')
    assert not report.is_valid
    assert [each.path for each in report.violations] == ["", "/quantity", "/at"]
    assert validate_text(DRAFT_4, b'{"quantity":1,"at":"noon"}', assert_formats=False).is_valid


def test_more_violations_than_are_listed_are_counted():
    """A report would say that there are a hundred where there are thousands."""
    report = validate_text(b'{"items": {"type": "string"}}', b"[" + b"0," * 499 + b"0]")
    assert (len(report.violations), report.more) == (VIOLATIONS_MAX, 500 - VIOLATIONS_MAX)


@pytest.mark.parametrize("document", [b'{"quantity": 1}', b"{}", b'{"quantity": 1e400}', b'"x"'])
def test_the_report_keeps_its_contract(document: bytes):
    """Programs that read it would break."""
    SCHEMAS.check("validation-report", validate_text(DRAFT_4, document).to_json())


def test_a_number_beyond_every_double_has_no_digest():
    """A digest would be given that nobody else can compute."""
    report = validate_text(b"true", b"1e400")
    assert report.is_valid
    assert report.document_digest is None


def test_our_own_contracts_judge_by_name():
    """Nobody could check a receipt without looking for the file of its schema."""
    good = b'{"index": 0, "leaf": "' + b"ab" * 32 + b'"}'
    assert validate_named("receipt", good, schemas=SCHEMAS).is_valid
    assert not validate_named("receipt", b"{}", schemas=SCHEMAS).is_valid
    assert validate_named("receipt", b"{}", schemas=SCHEMAS).formats_asserted


@pytest.mark.parametrize(
    ("schema", "document", "code"),
    [
        (b"{", b"{}", "json-truncated"),
        (b'{"type":"string","type":"object"}', b"{}", "json-duplicate-key"),
        (b'{"type":"strnig"}', b"{}", "schema-invalid"),
        (b"[]", b"{}", "schema-invalid"),
        (b'{"$ref":"https://example.org/x"}', b"{}", "schema-reference"),
        (b'{"$schema":"urn:mine"}', b"{}", "schema-dialect"),
        (b"true", b"", "json-empty"),
        (b"true", b'{"a":NaN}', "json-not-a-number"),
        (b"true", b" " * 101, "json-too-long"),
    ],
)
def test_what_cannot_be_judged_is_refused_with_its_code(schema: bytes, document: bytes, code: str):
    """A report would say valid or not where there is nothing to judge."""
    with pytest.raises(BailiwickError) as caught:
        validate_text(schema, document, limits=DocumentLimits(bytes_max=100))
    assert caught.value.code == code
    assert caught.value.hint
    SCHEMAS.check("problem", caught.value.to_json())
