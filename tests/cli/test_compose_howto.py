"""The pages about composing modules and about series of calls, followed step by step."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from tests.supervisor.test_composed import PARTS

from .test_module import KEY, write_module

PAGES = Path(__file__).parents[2] / "docs" / "howto"


def commands_of(page: str) -> list[str]:
    """Give the commands of a page, in order."""
    return re.findall(r"^bailiwick ([^\n]*)", (PAGES / page).read_text(), re.MULTILINE)


def test_the_page_about_composing_does_what_it_says(cli, folder):
    """If it failed, whoever follows the page would compose what cannot be installed, or grant it to nobody."""
    assert cli("init").code == 0
    for name, files in zip(("checker", "adder"), PARTS, strict=True):
        (folder / name).mkdir()
        for file, held in files.items():
            (folder / name / file).write_bytes(held)
    told = []
    for command in commands_of("compose-modules.md"):
        ran = cli(*shlex.split(command))
        assert ran.code == 0, f"bailiwick {command}: {ran.err}"
        told.append(ran.out)
    for line in (PAGES / "compose-modules.md").read_text().split("```\n")[3].splitlines():
        assert line in told[0], f"the page shows {line!r}"
    assert "102" in told[4]
    assert "bailiwick:checker-clock/clock@0.1.0 (now), not granted" in told[5]


def test_the_page_about_series_does_what_it_says(cli, folder):
    """If it failed, whoever follows the page could not run a series, or not run it again."""
    assert cli("init").code == 0
    write_module(folder / "greeter")
    assert cli("module", "trust", KEY).code == 0
    assert cli("module", "install", "greeter").code == 0
    page = (PAGES / "run-a-series.md").read_text()
    (folder / "calls.jsonl").write_text(page.split("```\n")[1])
    record = ""
    for command in commands_of("run-a-series.md"):
        ran = cli(*shlex.split(command.replace("RECORD", record)))
        assert ran.code == 0, f"bailiwick {command}: {ran.err}"
        if found := re.match(r"record (\d+):", ran.out):
            record = found[1]
    assert len((folder / "lines.jsonl").read_text().splitlines()) == 2
    assert cli("ledger", "verify").code == 0
