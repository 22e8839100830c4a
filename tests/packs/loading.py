"""The pack of the second version, loaded with some of it changed, and what is found wrong with it then."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from bailiwick.errors import PackRefused, Violation
from bailiwick.packs import Pack, load_pack

from .conftest import changed, load_plain
from .second import CONTRACT, CONTRACT_DIGEST, SECOND, second_files

SUPPLIED = {CONTRACT_DIGEST: CONTRACT}


def load(changes: Mapping[str, Any] | None = None, supplied: Mapping[str, bytes] = SUPPLIED) -> Pack:
    """Load the pack with some files replaced; None leaves one out."""
    return load_pack("sick-pay", changed(second_files(), changes or {}), supplied)


def faults(changes: Mapping[str, Any]) -> list[Violation]:
    """Give what is wrong with the pack when some files are replaced."""
    with pytest.raises(PackRefused) as caught:
        load(changes)
    return list(caught.value.violations)


def found(violations: list[Violation]) -> list[tuple[str, str]]:
    """Give path and rule of each violation."""
    return [(each.path, each.rule) for each in violations]


def bent(path: str, where: list[Any], value: Any) -> Any:
    """Give a file as a value with one place replaced; None leaves it out."""
    document = json.loads(SECOND[path]) if path.endswith(".json") else load_plain(SECOND[path])
    inner = document
    for key in where[:-1]:
        inner = inner[key]
    if value is None:
        del inner[where[-1]]
    elif isinstance(inner, list) and where[-1] == len(inner):
        inner.append(value)
    else:
        inner[where[-1]] = value
    return json.dumps(document) if path.endswith(".json") else document
