"""An author's commands: new, build, test, run."""

from __future__ import annotations

import io
import json

import pytest

from bailiwick.cli.commands import COMMANDS
from tests.supervisor.test_composed import PARTS


@pytest.fixture
def module(cli, folder):
    """Give the folder of a new module, built."""
    assert cli("module", "new", "pay-size", "--lang", "wat").code == 0
    assert cli("module", "build", "pay-size").code == 0
    return folder / "pay-size"


def test_from_nothing_to_an_answer_in_four_commands(cli, folder):
    """Wrong if the first module took more than that."""
    assert cli("module", "new", "pay-size", "--lang", "wat", "--json").json["files"] == [
        "cases.json",
        "module.json",
        "module.wat",
    ]
    built = cli("module", "build", "pay-size", "--json").json
    assert built["file"] == "pay-size.wasm"
    assert cli("module", "test", "pay-size", "--json").json == {"cases": 2, "failed": [], "untried": []}
    ran = cli("module", "run", "pay-size", "size", "--input", "{}", "--json").json
    assert ran["ok"] == {"bytes": 30}
    assert ran["run"]["fuel"] > 0


def test_what_is_there_already_is_not_written_over(cli, module):
    """Wrong if an author's work could be lost."""
    before = (module / "module.wat").read_bytes()
    ran = cli("module", "new", "pay-size", "--lang", "wat", "--json")
    assert (ran.code, json.loads(ran.err)["error"]["code"]) == (2, "folder-exists")
    assert (module / "module.wat").read_bytes() == before


def test_a_build_that_fails_leaves_the_last_one(cli, module):
    """Wrong if a typing error cost the binary that worked."""
    before = (module / "pay-size.wasm").read_bytes()
    (module / "module.wat").write_text("(module (func")
    ran = cli("module", "build", "pay-size")
    assert ran.code == 3
    assert "1:14" in ran.err
    assert (module / "pay-size.wasm").read_bytes() == before


def test_a_failed_case_exits_with_one_and_says_what_came_out(cli, module):
    """Wrong if a broken module looked tested."""
    cases = [{"name": "wrong", "function": "size", "input": {}, "output": {"bytes": 1}}]
    (module / "cases.json").write_text(json.dumps(cases))
    ran = cli("module", "test", "pay-size")
    assert ran.code == 1
    assert '{"bytes":1} expected, {"bytes":30} given' in ran.out


def test_a_module_that_was_not_built_is_not_run(cli, folder):
    """Wrong if an old or an empty binary were run."""
    cli("module", "new", "pay-size", "--lang", "wat")
    ran = cli("module", "run", "pay-size", "size", "--json")
    assert (ran.code, json.loads(ran.err)["error"]["code"]) == (4, "module-not-built")
    assert json.loads(ran.err)["error"]["hint"] == "bailiwick module build pay-size"


def test_building_twice_compares(cli, module):
    """Wrong if a check wrote something, or could not tell."""
    before = sorted(path.name for path in module.iterdir())
    ran = cli("module", "build", "pay-size", "--check", "--json").json
    assert ran["same"]
    assert ran["promised"]
    assert sorted(path.name for path in module.iterdir()) == before


@pytest.mark.parametrize(
    ("given", "code"), [("{", 2), ("@absent.json", 4), ('{"a":' * 200 + "1" + "}" * 200, 0), ("[" * 2000, 2)]
)
def test_input_is_checked_before_the_guest_sees_it(cli, module, given, code):
    """Wrong if what is no JSON reached the guest, or ended in a traceback."""
    assert cli("module", "run", "pay-size", "size", "--input", given).code == code


def test_links_and_inner_folders_are_no_part_of_a_module(cli, module):
    """Wrong if a link led the build to somebody else's file."""
    (module / "module.json").rename(module.parent / "elsewhere.json")
    (module / "module.json").symlink_to(module.parent / "elsewhere.json")
    ran = cli("module", "build", "pay-size", "--json")
    assert (ran.code, json.loads(ran.err)["error"]["code"]) == (4, "module-manifest-missing")


def test_a_folder_that_is_none_is_named(cli, folder):
    """Wrong if the author were shown a traceback."""
    ran = cli("module", "build", "absent")
    assert ran.code == 4
    assert "absent is no folder" in ran.err


def test_two_components_become_one_module_at_the_terminal(cli, folder):
    """Wrong if composing leaves anything for the author to write by hand, or hides what was joined."""
    for name, files in zip(("checker", "adder"), PARTS, strict=True):
        (folder / name).mkdir()
        for file, content in files.items():
            (folder / name / file).write_bytes(content)
    (examples,) = (each.examples for each in COMMANDS if each.words == "module compose")
    for example in examples:
        assert cli(*example.split()).code == 0, example
    made = cli("module", "compose", "pay-again", "checker", "adder", "--json").json
    assert made["joined"] == [{"part": "checker", "interface": "acme:math/add@1.0.0", "from": "adder"}]
    assert {each["part"] for each in made["asks"]} == {"checker", "adder"}
    assert cli("init").code == 0
    for words in (
        ("sign", "pay-checked"),
        ("install", "pay-checked"),
        ("call", "pay-checked", "check", "--input", '{"n":1}'),
    ):
        assert cli("module", *words).code == 0
    again = cli("module", "compose", "pay-checked", "checker", "adder", "--json")
    assert (again.code, json.loads(again.err)["error"]["code"]) == (2, "folder-exists")
    assert cli("module", "compose", "pay-other", "checker", "--json").code == 2


def test_a_hyphen_stands_for_standard_input(cli, module, monkeypatch):
    """Wrong if the help offers what the words of a command line refuse."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"a":1}')))
    assert cli("module", "run", "pay-size", "size", "--input", "-").code == 0
