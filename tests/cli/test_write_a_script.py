"""`docs/howto/write-a-script.md`, followed step by step, and what it says checked."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import bailiwick

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "write-a-script.md"
ENGINE = Path(bailiwick.__file__).parent / "builtin" / "engines" / "quickjs" / "engine.js"


def test_the_commands_of_the_page_do_what_it_says(cli, folder):
    """If it failed, whoever follows the page would be left alone before the first answer."""
    commands = re.findall(r"^bailiwick ([^#\n]*)", PAGE.read_text(), re.MULTILINE)
    assert len(commands) == 8
    for command in commands:
        ran = cli(*shlex.split(command))
        assert ran.code == 0, f"bailiwick {command}: {ran.err}"
    assert ran.out.strip() == '{"total":510}'
    assert "packs pin it as sha256:" in cli("module", "show", "late-fee").out


def test_the_variants_of_the_page_are_built_installed_and_shown(cli, folder):
    """If it failed, a trial that is copied from the page would not run."""
    cli("init")
    cli("module", "new", "late-fee", "--lang", "script-js")
    script = folder / "late-fee"
    (block,) = re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)
    manifest = json.loads((script / "module.json").read_text())
    stated = json.loads(f"{{{block}}}")
    (script / "module.json").write_text(json.dumps({**manifest, **stated}))
    for each in stated["variants"]:
        (script / each["file"]).write_text((script / "script.js").read_text() + f"// {each['name']}")
    for word in ("build", "sign", "install"):
        ran = cli("module", word, "late-fee")
        assert ran.code == 0, ran.err
    shown = cli("module", "show", "late-fee")
    assert "variant north" in shown.out
    assert '50 of 100 calls with "north" at /region' in shown.out


def test_a_script_that_was_edited_and_not_built_is_not_signed(cli, folder):
    """If it failed, a signature would stand for a text that nobody meant."""
    cli("init")
    cli("module", "new", "late-fee", "--lang", "script-js")
    cli("module", "build", "late-fee")
    (folder / "late-fee" / "script.js").write_text("function total() { return { total: 7 }; }")
    ran = cli("module", "sign", "late-fee", "--json")
    assert json.loads(ran.err)["error"]["code"] == "module-digest"


def test_the_page_lists_what_the_engine_gives():
    """If it failed, authors would miss a function of the host, or look for one that is not there."""
    given = set(re.findall(r"^  (\w+): \(", ENGINE.read_text(), re.MULTILINE))
    python = ENGINE.parents[1] / "cpython" / "engine.py.txt"
    same = set(
        re.findall(r"^    (\w+)=", python.read_text().split("SimpleNamespace(")[1].split("\n)")[0], re.MULTILINE)
    )
    rows = re.findall(r"^\| (`\w+\(.*?) \|", PAGE.read_text(), re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)\(", row)} == given == same
