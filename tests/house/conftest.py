"""What the house tests look at: the files of the project, parsed once."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One Python file: its path within the project, its text, its syntax tree."""

    path: str
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """Give the room that the file is in, or an empty name for a file of the floor."""
        parts = Path(self.path).parts
        return parts[2] if len(parts) > 3 else ""


def parse(folder: str) -> list[Source]:
    """Parse every Python file below a folder of the project, in order."""
    found = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        found.append(Source(path=path.relative_to(ROOT).as_posix(), text=text, tree=ast.parse(text)))
    return found


@pytest.fixture(scope="session")
def root() -> Path:
    """Give the folder of the project."""
    return ROOT


@pytest.fixture(scope="session")
def shipped() -> list[Source]:
    """Give every Python file that ships."""
    return parse("src/bailiwick")


@pytest.fixture(scope="session")
def tests() -> list[Source]:
    """Give every Python file of tests."""
    return parse("tests")
