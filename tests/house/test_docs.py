"""The pages are true: commands exist, generated pages are fresh, links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bailiwick.cli.commands import COMMANDS, NOUNS

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
WORDS = {command.words for command in COMMANDS}
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.M | re.S)
DECISION = ("## Context", "## Options", "## Choice", "## What it costs")
DECISION_WORDS_MAX = 450


def code_of(page: Path) -> str:
    """Give what a page shows as code, in blocks and within lines."""
    return "\n".join(found[0] for found in CODE.finditer(page.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_on_a_page_exist(page):
    """If it failed, a reader would type what a page says and be told that there is no such command."""
    known = {*WORDS, *NOUNS, *(words.split()[0] for words in WORDS)}
    word = r"([a-z]+(?:-[a-z]+)*)"
    for first, second in re.findall(rf"(?<![\w./-])bailiwick {word}(?: {word})?", code_of(page)):
        assert first in known, f"bailiwick {first}"
        if first in NOUNS and second:
            assert f"{first} {second}" in {*WORDS, *NOUNS}, f"bailiwick {first} {second}"
    assert set(re.findall(r"\bmake ([a-z][a-z-]+)", code_of(page))) <= TARGETS


def test_pages_from_code_are_fresh_and_links_lead_somewhere():
    """If it failed, a page would describe a program that is no longer this one."""
    ran = subprocess.run(
        [sys.executable, "tools/write_docs.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout


def test_files_named_in_the_architecture_exist():
    """If it failed, the picture of the house would show rooms that are not there."""
    named = re.findall(
        r"`((?:[a-z_]+/)*[a-z_0-9]+\.(?:py|c|wasm|yaml|csv))`", (ROOT / "docs/architecture.md").read_text()
    )
    there = [path.relative_to(ROOT).as_posix() for path in ROOT.glob("src/**/*") if "__pycache__" not in path.parts]
    assert named
    assert [name for name in named if not any(path.endswith(f"/{name}") for path in there)] == []


def test_every_decision_is_one_page_with_its_cost():
    """If it failed, a decision would be written down without what it costs, which is what a later reader needs."""
    pages = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(len(pages)))
    for page in pages:
        text = page.read_text()
        assert [heading for heading in DECISION if heading not in text] == [], page.name
        assert len(text.split()) <= DECISION_WORDS_MAX, page.name


def test_every_make_target_says_what_it_does():
    """If it failed, `make` alone would not list everything that can be done."""
    shown = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    wanted = {"help", "demo", "test", "test-all", "sim", "check", "fix", "bench", "golden", "docs", "lock", "clean"}
    assert {line.split()[1] for line in shown.splitlines()} == wanted
    assert all(len(line.split()) > 3 for line in shown.splitlines())
