"""``make test-all`` runs every test, a part at a time."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[2]


def load():
    """Load the tool that runs the parts."""
    spec = importlib.util.spec_from_file_location("run_parts", ROOT / "tools" / "run_parts.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


def test_every_file_of_tests_is_in_one_part():
    """Wrong if a folder of tests were left out of the whole run, or run twice."""
    parts = [ROOT / part for part in load().parts(ROOT / "tests")]
    for path in (ROOT / "tests").rglob("test_*.py"):
        assert sum(path == part or part in path.parents for part in parts) == 1, path


def test_what_passed_is_believed_for_the_same_files_alone(tmp_path, monkeypatch):
    """Wrong if a part that passed before a change were taken for one that passes after it."""
    tool = load()
    monkeypatch.setattr(tool, "PASSED", tmp_path / "parts.json")
    assert tool.read_passed("one") == {}
    tool.PASSED.write_text('{"digest": "one", "parts": {"tests/ledger": 12.5}}')
    assert tool.read_passed("one") == {"tests/ledger": 12.5}
    assert tool.read_passed("two") == {}
    tool.PASSED.write_text("torn {")
    assert tool.read_passed("one") == {}
