"""The first version of the format does not grow: what a pack of it may hold is settled, and listed beside this file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bailiwick.packs.format.versions import FILES_OF_SECOND, KEYS_OF_SECOND
from bailiwick.schema import Schemas

SCHEMAS = Schemas()
ABOUT_PACKS = {"pack-activated", "pack-installed", "pack-lock", "pack-question", "pack-source-changed"}
"""Contracts that begin like those of a pack's files and are of records, of the lock, and of a part of a schema."""

FIRST: dict[str, list[str]] = json.loads(Path(__file__).with_name("first-version.json").read_text())
"""The members of each file of the first version, by contract. Nothing is ever added here."""


def members(schema: Any, path: str = "") -> Iterator[str]:
    """Walk over the paths of all members that a contract names; ``*`` is each item."""
    for name, rule in schema.get("properties", {}).items():
        here = f"{path}/{name}".strip("/")
        yield here
        if isinstance(rule, dict):
            yield from members(rule, here)
            for within in ("items", "additionalProperties"):
                if isinstance(rule.get(within), dict):
                    yield from members(rule[within], here + "/*")


@pytest.mark.parametrize("name", sorted(FIRST))
def test_every_member_is_of_the_first_version_or_told_to_be_of_the_second(name: str):
    """A key that came later would mean something in an old pack, or be refused nowhere."""
    later = KEYS_OF_SECOND.get(name, ())
    told = {
        path for path in members(SCHEMAS.schema(name)) if not any(f"{path}/".startswith(f"{key}/") for key in later)
    }
    assert told == set(FIRST[name])
    assert set(later) <= set(members(SCHEMAS.schema(name)))


def test_every_file_is_of_the_first_version_or_told_to_be_of_the_second():
    """A file that came later would be part of an old pack."""
    files = {name for name in SCHEMAS.names() if name.startswith("pack-")} - ABOUT_PACKS
    assert files == FIRST.keys() | FILES_OF_SECOND
    assert not FIRST.keys() & FILES_OF_SECOND
