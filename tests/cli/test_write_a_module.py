"""The page about writing a module, followed step by step."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from bailiwick.authoring.project import STARTED
from bailiwick.errors import Unavailable
from bailiwick.node import toolchain_for

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "write-a-module.md"
COMMANDS = re.findall(r"^bailiwick ([^#\n]*)", PAGE.read_text(), re.MULTILINE)


@pytest.mark.timeout(300)
def test_the_commands_of_the_page_do_what_it_says(cli, folder):
    """If it failed, whoever follows the page would be left alone in the middle of a module."""
    try:
        toolchain_for("python", folder).version()
    except Unavailable as error:
        pytest.skip(f"{error.message}: {error.hint}")
    assert cli("init").code == 0
    assert len(COMMANDS) >= 7
    for command in COMMANDS:
        words = shlex.split(command)
        once = ["--once"] if words[:2] == ["module", "dev"] else []
        quick = ["--samples", "3"] if words[:2] == ["module", "profile"] else []
        ran = cli(*words, *once, *quick)
        assert ran.code == 0, f"bailiwick {command}: {ran.err or ran.out}"
    assert cli("module", "doctor", "pay-total").code == 0
    assert (folder / "total.folded").read_text()


def test_the_steps_that_need_no_toolchain_work_with_text(cli, folder):
    """If it failed, the page would be wrong in places that a machine without toolchains never tries."""
    assert cli("init").code == 0
    assert cli("module", "new", "pay-total", "--lang", "wat").code == 0
    later = [each for each in COMMANDS if not each.startswith("module new")]
    for command in later:
        words = shlex.split(command.replace("total --input", "size --input"))
        words = [{"total": "size", '{"minutes": [480, 450]}': "{}"}.get(word, word) for word in words]
        ran = cli(*words, *(["--once"] if words[1] == "dev" else []))
        assert ran.code == 0, f"bailiwick {command}: {ran.err or ran.out}"
    assert cli("module", "doctor", "pay-total").code == 0
    assert cli("ledger", "verify").code == 0


def test_the_page_names_every_language():
    """If it failed, a template would be there that nobody finds."""
    text = PAGE.read_text()
    assert [each for each in STARTED if f"`{each}`" not in text and f"--lang {each}" not in text] == []


@pytest.mark.parametrize("language", ["assemblyscript", "rust"])
def test_a_language_without_its_toolchain_says_how_to_get_it(cli, folder, language, monkeypatch):
    """If it failed, an author would be shown an error of the shell."""
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("BAILIWICK_RUSTC", raising=False)
    assert cli("module", "new", "pay", "--lang", language).code == 0
    ran = cli("module", "build", "pay", "--json")
    error = json.loads(ran.err)["error"]
    assert (ran.code, error["code"]) == (5, "toolchain-missing")
    assert error["hint"]
