"""The page about swapping a module, followed step by step."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from .test_module import KEY, write_module

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "swap-a-module.md"
ANSWER = '{"ok":{"share":0.25,"greeting":"%s"}}'


def test_the_commands_of_the_page_do_what_it_says(cli, folder):
    """If it failed, whoever follows the page would be left alone in the middle of a swap."""
    assert cli("init").code == 0
    write_module(folder / "greeter", answer=ANSWER % "good day")
    write_module(folder / "greeter-2", answer=ANSWER % "good evening", version="1.1.0")
    assert cli("module", "trust", KEY).code == 0
    assert cli("module", "install", "greeter").code == 0
    for _ in range(2):
        assert cli("module", "call", "greeter", "greet").code == 0
    commands = re.findall(r"^bailiwick ([^#\n]*)", PAGE.read_text(), re.MULTILINE)
    assert len(commands) >= 5
    shown = cli(*shlex.split(commands[0]))
    assert shown.code == 1
    for line in PAGE.read_text().split("```\n")[2].splitlines()[:6]:
        assert line in shown.out, f"the page shows {line!r}"
    for command in commands[1:]:
        ran = cli(*shlex.split(command))
        assert ran.code == 0, f"bailiwick {command}: {ran.err}"
    assert cli("ledger", "verify").code == 0
