"""`bailiwick validate`: anybody's document by anybody's schema."""

from __future__ import annotations

import json

import pytest

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
}


@pytest.fixture
def schema(folder):
    """Give the name of a file with a schema."""
    (folder / "schema.json").write_text(json.dumps(SCHEMA))
    return "schema.json"


def test_a_valid_document_exits_0(cli, folder, schema):
    """If it failed, a script could not use it as a gate."""
    (folder / "it.json").write_text('{"name": "Ada", "age": 36}')
    assert cli("validate", schema, "it.json").code == 0
    ran = cli("validate", schema, "it.json", "--json")
    assert (ran.code, ran.json["valid"], ran.json["dialect"]) == (0, True, "2020-12")


def test_every_violation_is_named_at_once(cli, folder, schema):
    """If it failed, a document would be mended one complaint at a time."""
    (folder / "it.json").write_text('{"age": -1}')
    ran = cli("validate", schema, "it.json", "--json")
    assert ran.code == 1
    assert {violation["rule"] for violation in ran.json["violations"]} == {"required", "minimum"}


@pytest.mark.parametrize(
    ("text", "code"),
    [('{"name": "a", "name": "b"}', "json-duplicate-key"), ('{"name": NaN}', "json-not-a-number"), ("", "json-empty")],
)
def test_a_document_that_is_not_strict_json_is_not_valid(cli, folder, schema, text, code):
    """If it failed, two programs could read one document in two ways and both call it valid."""
    (folder / "it.json").write_text(text)
    ran = cli("validate", schema, "it.json", "--json")
    assert ran.code == 1
    assert ran.json["error"]["code"] == code


@pytest.mark.parametrize(
    "schema_text", ['{"$schema": "https://example.org/mine"}', '{"type": 7}', '{"$ref": "https://example.org/x"}', "{"]
)
def test_a_schema_that_cannot_be_used_is_refused_and_judges_nothing(cli, folder, schema_text):
    """If it failed, a broken schema would let every document pass, or blame the document."""
    (folder / "bad.json").write_text(schema_text)
    (folder / "it.json").write_text("{}")
    assert cli("validate", "bad.json", "it.json").code == 3


def test_our_own_contracts_are_known_by_name(cli, folder):
    """If it failed, nobody could check what we print by what we promise."""
    (folder / "it.json").write_text('{"code": "not-found", "message": "gone", "hint": "look"}')
    assert cli("validate", "problem", "it.json").code == 0
    (folder / "it.json").write_text('{"code": "Not Found"}')
    assert cli("validate", "problem", "it.json").code == 1


@pytest.mark.parametrize(("words", "code"), [((), 0), (("--formats",), 1), (("--no-formats",), 0)])
def test_formats_refuse_where_that_is_asked_for(cli, folder, words, code):
    """If it failed, a date that is none would pass where somebody asked for dates to be checked."""
    (folder / "dated.json").write_text('{"format": "date"}')
    (folder / "it.json").write_text('"yesterday"')
    assert cli("validate", "dated.json", "it.json", *words).code == code


def test_a_file_that_is_not_there_exits_4(cli, schema):
    """If it failed, a typing error would look like an invalid document."""
    assert cli("validate", schema, "absent.json").code == 4
    assert cli("validate", "absent-schema.json", "absent.json").code == 4


def test_the_dialect_is_the_one_that_the_schema_declares(cli, folder):
    """If it failed, a draft-04 schema would be judged by rules that it never agreed to."""
    four = {"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 5, "exclusiveMinimum": True}
    (folder / "four.json").write_text(json.dumps(four))
    (folder / "five.json").write_text("5")
    (folder / "six.json").write_text("6")
    assert cli("validate", "four.json", "five.json").code == 1
    assert cli("validate", "four.json", "six.json").code == 0
