"""A terminal to type at: commands run in this process, on a home of their own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pytest

from bailiwick.cli import main

DAY = "2024-01-01"
ROWS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What one command gave: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict:
        """Read stdout as one JSON object."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[dict]:
        """Read stdout as JSON objects, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def rows() -> bytes:
    """Give the first rows of the sample, under its header."""
    sample = (files("bailiwick") / "builtin" / "samples" / "osha-injuries.csv").read_bytes()
    return b"".join(sample.splitlines(keepends=True)[: ROWS + 1])


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Give an empty folder to be in, and an environment that says nothing of bailiwick."""
    for name in ("BAILIWICK_HOME", "BAILIWICK_TENANT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def injuries(folder, rows) -> str:
    """Give the name of a file with a few rows."""
    (folder / "injuries.csv").write_bytes(rows)
    return "injuries.csv"


@pytest.fixture
def cli(folder, capsys):
    """Give a function that runs one command line."""

    def run(*words: str) -> Ran:
        capsys.readouterr()
        code = main(words)
        captured = capsys.readouterr()
        return Ran(code=code, out=captured.out, err=captured.err)

    return run


@pytest.fixture
def decided(cli, injuries):
    """Give a terminal on a home where a few rows have been decided."""
    assert cli("init").code == 0
    assert cli("decide", "us-osha-1904", injuries, "--legal-date", DAY).code == 0
    return cli
