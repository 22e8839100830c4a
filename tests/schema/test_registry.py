"""Our own contracts: each is a schema of the newest dialect, described, and shown to accept and to refuse."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from bailiwick.errors import NotFound, SchemaViolated
from bailiwick.schema import Contract, Schemas, parse_document
from bailiwick.schema.dialects import DEFAULT_DIALECT

EXAMPLES = Path(__file__).parent / "examples"
ROOT = Path(__file__).parents[2]
SCHEMAS = Schemas()
NAMES = SCHEMAS.names()
PACK_FILES = {name for name in NAMES if SCHEMAS.schema(name)["title"].endswith(".yaml")}
"""Contracts of files that a person writes; the room ``packs`` shows them good and bad packs."""


def examples(kind: str) -> list[Path]:
    """Give the example files of one kind."""
    return sorted(EXAMPLES.glob(f"*/{kind}-*.json"))


def named(path: Path) -> str:
    """Name a test by folder and file."""
    return f"{path.parent.name}/{path.stem}"


def subschemas(schema):
    """Walk over every object within a schema."""
    if isinstance(schema, dict):
        yield schema
        for each in schema.values():
            yield from subschemas(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from subschemas(each)


@pytest.mark.parametrize("name", NAMES)
def test_a_contract_is_a_schema_of_2020_12_with_a_name_of_its_own(name):
    """Tools of others could not read it, or would mistake it for another."""
    schema = SCHEMAS.schema(name)
    assert schema["$schema"] == DEFAULT_DIALECT.uri
    assert schema["$id"].removesuffix(":1") == f"urn:bailiwick:schema:{name}"
    assert schema["title"]
    assert schema["description"].endswith(".")
    assert Contract(schema, assert_formats=True).violations is not None


@pytest.mark.parametrize("name", NAMES)
def test_a_contract_leaves_no_object_open_unless_it_says_so(name):
    """A misspelt member would pass in silence."""
    for each in subschemas(SCHEMAS.schema(name)):
        if each.get("type") == "object" and "properties" in each and "code" not in each["properties"]:
            assert each.get("additionalProperties") is False, each


@pytest.mark.parametrize("name", sorted(set(NAMES) - PACK_FILES))
def test_every_contract_has_good_and_bad_examples(name):
    """A contract that accepts everything, or nothing, would not be noticed."""
    assert list((EXAMPLES / name).glob("good-*.json"))
    assert len(list((EXAMPLES / name).glob("bad-*.json"))) >= 3


def test_every_example_is_of_a_contract():
    """Examples of a contract that was renamed would prove nothing."""
    assert {path.name for path in EXAMPLES.iterdir()} == set(NAMES) - PACK_FILES


@pytest.mark.parametrize("path", examples("good"), ids=named)
def test_a_good_example_passes(path):
    """Honest data would be refused."""
    SCHEMAS.check(path.parent.name, parse_document(path.read_bytes()))


@pytest.mark.parametrize("path", examples("bad"), ids=named)
def test_a_bad_example_is_refused_by_the_rule_in_its_name(path):
    """A rule of the contract would not hold, or another would hide it."""
    rules = [each.rule for each in SCHEMAS.violations(path.parent.name, parse_document(path.read_bytes()))]
    assert path.stem.split("-")[1] in rules


def test_an_unknown_contract_is_refused_with_the_known_ones():
    """A misspelt name would end in a traceback, or worse, in no check."""
    for name in ("recrod", "../../../etc/passwd", ""):
        with pytest.raises(NotFound) as caught:
            SCHEMAS.check(name, {})
        assert caught.value.code == "schema-not-found"
        assert "receipt" in caught.value.hint


def test_a_contract_is_compiled_once():
    """Every check would cost a compilation."""
    assert SCHEMAS.contract("receipt") is SCHEMAS.contract("receipt")


def test_check_names_the_noun():
    """People would not know which of many values was wrong."""
    with pytest.raises(SchemaViolated, match="the receipt breaks its contract"):
        SCHEMAS.check("receipt", {})


def test_the_modules_that_ship_have_manifests_of_the_contract():
    """A module of ours would not be admitted by our own rule."""
    manifests = sorted((ROOT / "src/bailiwick/builtin/modules").glob("*/module.json"))
    assert manifests
    for path in manifests:
        SCHEMAS.check("module-manifest", parse_document(path.read_bytes()))


def test_settings_are_checked_as_what_toml_reads():
    """A node.toml would be judged by another contract than the one that is published."""
    SCHEMAS.check("node-settings", tomllib.loads('node_id = "0123456789abcdef"\ntenant = "local"\n'))


def test_examples_are_written_as_people_read_them():
    """A difference between two examples would drown in white space."""
    for path in EXAMPLES.glob("*/*.json"):
        assert path.read_text() == json.dumps(json.loads(path.read_text()), indent=2, ensure_ascii=False) + "\n"
