"""`docs/howto/write-a-pack.md`, followed step by step: a newcomer's first pack."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "write-a-pack.md"


def blocks(language: str) -> list[str]:
    """Give the page's blocks of one language, in order."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


def lines() -> list[str]:
    """Give the page's lines for the terminal, in order."""
    return re.findall(r"^    (bailiwick .+)$", PAGE.read_text(), re.MULTILINE)


class Newcomer:
    """Somebody who does what the page says, and nothing else."""

    def __init__(self, cli, folder: Path) -> None:
        self._cli, self.pack = cli, folder / "town-fees"

    def type(self, line: str):
        """Type a line of the page."""
        assert line in lines(), f"{line} is not on the page"
        return self._cli(*line.split()[1:])

    def write(self, path: str, text: str, *, after: str | None = None, before: str | None = None) -> None:
        """Put a block of the page into a file: behind some text, before it, or at the end."""
        file = self.pack / path
        old = file.read_text() if file.exists() else ""
        mark = after or before
        if mark is None:
            new = old + text
        else:
            assert old.count(mark) == 1
            new = old.replace(mark, mark + text if after else text + mark)
        file.write_text(new)

    def failed(self) -> list[str]:
        """Run the cases and give what differs."""
        ran = self._cli("pack", "test", "town-fees", "--json")
        return [difference for failure in ran.json["failed"] for difference in failure["differences"]]


@pytest.fixture
def newcomer(cli, folder) -> Newcomer:
    """Give a newcomer in an empty folder, without a home."""
    return Newcomer(cli, folder)


def test_the_page_leads_from_nothing_to_a_decision_by_new_law(newcomer, cli, folder):
    """Wrong if a newcomer were stuck on the page that is there to help."""
    case, value, parameter, row, assumption, strong, _ = blocks("yaml")
    (fact,) = blocks("json")
    for line in ("bailiwick pack new town-fees", "bailiwick pack test town-fees", "bailiwick pack lint town-fees"):
        assert newcomer.type(line).code == 0

    newcomer.write("tests/cases.yaml", case)
    assert newcomer.failed() == ["fee: 30 expected, 25 given"]
    newcomer.write("parameters/lending.yaml", value, after="cite: Lending Rules 3, note: raised}\n")
    assert newcomer.failed() == []

    newcomer.write("schemas/input.json", fact, before='    "returned_on": {')
    (asks,) = re.findall(r"`(asks: .+?)`", PAGE.read_text())
    interview = newcomer.pack / "interview" / "questions.yaml"
    interview.write_text(re.sub(r"asks: .*", asks, interview.read_text()))
    newcomer.write("parameters/lending.yaml", parameter)
    newcomer.write("rules/impacts.yaml", row, after="rows:\n")
    assert any("missing: in.paid_cents" in told for told in newcomer.failed())
    newcomer.write("assumptions.yaml", assumption)
    assert newcomer.failed() == []

    linted = newcomer.type("bailiwick pack lint town-fees")
    assert linted.code == 1
    assert "rules/impacts.yaml:2: fault, no-case, row paid-enough" in linted.out
    newcomer.write("tests/cases.yaml", strong)
    assert newcomer.failed() == []
    assert newcomer.type("bailiwick pack lint town-fees").code == 0
    tried = newcomer.type("bailiwick pack test town-fees --coverage --mutate")
    assert tried.code == 0
    assert "no input that was tried tells them apart" in tried.out

    (folder / "before").mkdir()
    assert newcomer.type("bailiwick pack new town-fees --into before").code == 0
    told = newcomer.type("bailiwick pack diff before/town-fees town-fees")
    assert "from 2025-07-01: - -> " in told.out
    assert "added row paid-enough" in told.out

    assert newcomer.type("bailiwick init").code == 0
    (book,) = re.findall(r"holding `(\{.+?\})`", PAGE.read_text())
    (folder / "book.json").write_text(book)
    decided = cli("decide", "town-fees", "book.json", "--json")
    assert (decided.code, decided.lines[0]["outcome"]) == (0, "fee-due")
    record = decided.lines[0]["receipt"]["index"]
    assert f"bailiwick explain {record}" in lines()
    assert newcomer.type("bailiwick decide town-fees book.json").code == 0
    explained = newcomer.type(f"bailiwick explain {record}")
    assert "240" in explained.out
    assert "Lending Rules 3" in explained.out


def test_every_check_that_the_page_names_is_one_of_the_lint(root):
    """Wrong if the page promised a check that nobody makes, or kept quiet about one."""
    page = PAGE.read_text().split("## What the lint asks for")[1].split("## Properties")[0]
    named = {word for word in re.findall(r"`([a-z-]+)`", page) if not word.startswith("--")}
    rooms = root / "src" / "bailiwick" / "packs" / "trying"
    text = "".join((rooms / name).read_text() for name in ("probing.py", "upkeep.py"))
    made = set(re.findall(r"(?:fault|advice|say)\(\s*\"([a-z-]+)\"", text))
    assert named == made


@pytest.fixture
def root() -> Path:
    """Give the project's folder."""
    return PAGE.parents[2]


def test_the_new_pack_reads_as_the_text_of_its_rules_says(newcomer, cli):
    """Wrong if the first pack that an author sees cited a text that nobody can check."""
    assert cli("pack", "new", "town-fees").code == 0
    readme = (newcomer.pack / "README.md").read_text()
    (rules,) = re.findall(r"```\n(.*?)```", readme, re.DOTALL)
    assert hashlib.sha256(rules.encode()).hexdigest() in (newcomer.pack / "sources.yaml").read_text()
    schema = json.loads((newcomer.pack / "schemas" / "input.json").read_text())
    assert all("x-question" in each for each in schema["properties"].values())
