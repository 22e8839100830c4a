"""`docs/howto/change-the-law.md`, followed step by step: a reading is corrected, shown, put to use, and taken back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "change-the-law.md"


def blocks(language: str) -> list[str]:
    """Give the page's blocks of one language, in order."""
    pieces = PAGE.read_text().split("```")[1::2]
    return [piece.partition("\n")[2] for piece in pieces if piece.partition("\n")[0] == language]


def lines() -> list[str]:
    """Give the page's lines for the terminal, in order."""
    return re.findall(r"^    (bailiwick .+)$", PAGE.read_text(), re.MULTILINE)


def replace(file: Path, pattern: str, by: str) -> None:
    """Put a block of the page in the place of what stands in a file, once."""
    new, count = re.subn(pattern, lambda _: by, file.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert count == 1, f"{pattern} stands {count} times in {file.name}"
    file.write_text(new)


@pytest.fixture
def typed(cli):
    """Give a function that types the next line of the page, which must be the one that is meant."""
    left = lines()

    def next_line(beginning: str, code: int = 0):
        """Type it, and see that it exits as it should."""
        line = left.pop(0)
        assert line.startswith(beginning), f"the page says {line}"
        ran = cli(*line.split()[1:])
        assert ran.code == code, ran.err or ran.out
        return ran

    next_line.left = left
    return next_line


def test_the_page_leads_through_a_change_of_law_and_back(typed, cli, folder):
    """Wrong if whoever has to change the law were stuck on the page, or saw something else than it shows."""
    value, manifest, case = blocks("yaml")
    (books,) = blocks("json")
    changes, listed, history = blocks("")[:3]
    for beginning in ("bailiwick init", "bailiwick pack new", "bailiwick pack sign", "bailiwick pack install"):
        typed(beginning)
    (folder / "books.jsonl").write_text(books)
    decided = typed("bailiwick decide").out
    assert [line.split()[2] for line in decided.splitlines()] == ["no-fee", "fee-due", "fee-due", "fee-due"]

    pack = folder / "town-fees"
    replace(pack / "parameters" / "lending.yaml", r"^      - \{from: 2024-01-01, value: \{adult.*?\n", value)
    replace(pack / "pack.yaml", r"^version: 0\.1\.0\n", manifest)
    assert cli("pack", "test", "./town-fees").code == 1
    replace(pack / "tests" / "cases.yaml", r"^  - name: a child may keep.*?status: direct\n", case)

    assert typed("bailiwick what-changed", 1).out == changes
    typed("bailiwick pack sign")
    dry = typed("bailiwick pack install ./town-fees --dry-run").out
    assert dry == changes + "nothing was installed\n"
    typed("bailiwick pack install ./town-fees --active-from")
    told = typed("bailiwick pack list").out
    used = next(line for line in told.splitlines() if line.startswith("town-fees"))
    day = r"\d{4}-\d\d-\d\d"
    assert re.sub(day, "DAY", " ".join(used.split())) == re.sub(day, "DAY", " ".join(listed.split()))

    typed("bailiwick pack activate town-fees 0.2.0")
    now = cli("decide", "town-fees", "books.jsonl").out
    assert [line.split()[2] for line in now.splitlines()] == ["no-fee", "no-fee", "fee-due", "fee-due"]
    typed("bailiwick pack activate town-fees 0.1.0")
    now = cli("decide", "town-fees", "books.jsonl").out
    assert [line.split()[2] for line in now.splitlines()] == ["no-fee", "fee-due", "fee-due", "fee-due"]
    told = " ".join(typed("bailiwick pack history").out.split())
    for line in history.splitlines():
        assert " ".join(line.split()) in told
    assert typed("bailiwick replay --all").out == "12 replayed, 0 differ, 0 unavailable\n"
    assert typed.left == []
