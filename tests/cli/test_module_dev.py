"""The author's loop: dev, profile, doctor, and a native module that gets no further than the desk."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from bailiwick.cli.commands import COMMANDS
from bailiwick.cli.module_dev import Bench
from bailiwick.cli.options import TenantOptions
from bailiwick.cli.watching import watch

LOOP = {"module dev", "module doctor", "module profile"}


@pytest.fixture
def module(cli, folder):
    """Give the folder of a new module."""
    assert cli("module", "new", "pay-size", "--lang", "wat").code == 0
    return folder / "pay-size"


@pytest.fixture
def native(cli, folder):
    """Give the folder of a new native module."""
    assert cli("module", "new", "pay", "--lang", "native").code == 0
    return folder / "pay"


@pytest.fixture
def home(cli):
    """Give a terminal with a home."""
    assert cli("init").code == 0
    return cli


def change(path, old: str, new: str) -> None:
    """Edit a file as its author does."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def worked_at(module, *steps, **chosen):
    """Work at a module, one step between two looks, and then press Ctrl-C."""
    bench = Bench(
        folder=module, **{"function": None, "input": "{}", "calls": None, "options": TenantOptions(), **chosen}
    )
    waiting = iter(steps)

    def pause() -> None:
        """Do the next step, or press Ctrl-C."""
        step = next(waiting, None)
        if step is None:
            raise KeyboardInterrupt
        step()

    return watch(bench.look, bench.show, pause)


@pytest.mark.parametrize(
    "example", [each for command in COMMANDS if command.words in LOOP for each in command.examples]
)
def test_the_examples_of_the_loop_work(home, module, example):
    """Wrong if the help showed a command line that does not work."""
    import shlex

    assert home("module", "build", "pay-size").code == 0
    ran = home(*shlex.split(example))
    assert ran.code == 0, ran.err or ran.out


# --- dev --------------------------------------------------------------------------------------------------------------


def test_one_round_builds_tests_and_traces(cli, module):
    """Wrong if the first round of a new module needed another command before it."""
    ran = cli("module", "dev", "pay-size", "--once", "--function", "size", "--json")
    assert ran.code == 0
    assert ran.json["cases"] == {"cases": 2, "failed": [], "untried": []}
    assert ran.json["call"]["ok"] == {"bytes": 30}
    assert ran.json["call"]["run"]["fuel"] > 0
    assert (module / "pay-size.wasm").is_file()
    again = cli("module", "dev", "pay-size", "--once", "--json")
    assert again.json["built"] is None


def test_only_what_changed_is_said_again(module, capsys):
    """Wrong if an author had to look for the one line that is new, or the round went on by its own writing."""

    def break_it() -> None:
        change(module / "cases.json", '"bytes": 43', '"bytes": 44')

    def mend_it() -> None:
        change(module / "cases.json", '"bytes": 44', '"bytes": 43')

    assert worked_at(module, lambda: None, break_it, lambda: None, mend_it, function="size") == 0
    printed = capsys.readouterr()
    assert printed.out.count("2 cases") == 3
    assert printed.out.count('size answers {"bytes": 30}') == 1
    assert 'longer one: {"bytes":44} expected, {"bytes":43} given' in printed.out
    assert "no more:   a longer one" in printed.out
    assert "\x1b" not in printed.out
    assert "watching ended" in printed.err


def test_a_source_that_does_not_compile_is_told_and_watched_on(module, capsys):
    """Wrong if half a line saved ended the loop, or built what was there before."""
    source = module / "module.wat"

    def spoil_it() -> None:
        change(source, "(module", "(modul")

    def mend_it() -> None:
        change(source, "(modul\n", "(module ;; mended\n")

    def lose_it() -> None:
        (module / "module.json").rename(module / "kept")

    def find_it() -> None:
        (module / "kept").rename(module / "module.json")

    options = TenantOptions(json=True)
    assert worked_at(module, spoil_it, mend_it, lose_it, find_it, options=options) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    codes = [each["error"]["code"] if "error" in each else each["cases"]["cases"] for each in told]
    assert codes == [2, "build-failed", 2, "module-manifest-missing", 2]


def test_an_edit_of_the_manifest_is_a_round_and_writing_a_digest_is_none(module, capsys):
    """Wrong if a build set off the next build for ever, or a changed schema went unnoticed."""

    def edit_it() -> None:
        change(module / "module.json", "Says how", "Tells how")

    assert worked_at(module, lambda: None, lambda: None, edit_it, lambda: None) == 0
    assert capsys.readouterr().out.count("2 cases") == 2


def test_what_the_host_answered_is_in_the_trace_and_a_failure_is_told(native, capsys):
    """Wrong if an author could not see what a module asked and why it ended."""
    source = native / "module.py"
    source.write_text(
        "from bailiwick_host import ask\ndef total(input):\n    return ask('bailiwick:clock/clock@0.1.0', 'now')\n"
    )
    (native / "cases.json").write_text("[]")
    assert worked_at(native, function="total", input='{"minutes": []}') == 0
    out = capsys.readouterr().out
    assert "asks bailiwick:clock/clock@0.1.0#now {}: refused" in out
    assert "total refuses" in out
    source.write_text("def total(input): return {}\n")
    assert worked_at(native, function="total", input='{"minutes": []}') == 0
    assert "total failed: the output" in capsys.readouterr().out


def test_an_input_outside_its_schema_does_not_reach_the_module(cli, native):
    """Wrong if the loop were kinder than a real call."""
    ran = cli("module", "dev", "pay", "--once", "--function", "total", "--json")
    assert ran.code == 1
    assert ran.json["call"]["failure"]["code"] == "schema-violated"


def test_a_native_module_is_reloaded_without_a_trace_of_the_last_one(native, capsys):
    """Wrong if the second round ran the code, or met the state, of the first."""
    source = native / "module.py"
    source.write_text("seen = []\ndef total(input):\n    seen.append(1)\n    return {'total': len(seen)}\n")
    (native / "cases.json").write_text("[]")

    def edit_it() -> None:
        change(source, "len(seen)", "len(seen) + 10")

    options = TenantOptions(json=True)
    assert worked_at(native, edit_it, function="total", input='{"minutes": []}', options=options) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["call"]["ok"] for each in told] == [{"total": 1}, {"total": 11}]


def test_an_input_file_is_watched_too(module, folder, capsys):
    """Wrong if an author had to touch the source to try another input."""
    (folder / "in.json").write_text("{}")
    steps = [lambda: (folder / "in.json").write_text('{"text":"four"}')]
    assert worked_at(module, *steps, function="size", input=f"@{folder / 'in.json'}") == 0
    out = capsys.readouterr().out
    assert '{"bytes": 30}' in out
    assert '{"bytes": 43}' in out


def test_standard_input_cannot_be_watched(cli, module):
    """Wrong if the second round hung, or ran on nothing."""
    ran = cli("module", "dev", "pay-size", "--once", "--function", "size", "--input=-")
    assert ran.code == 2
    assert "input-once" in ran.err


def test_each_version_that_passes_goes_live(home, module, capsys):
    """Wrong if an edit were not answered by the home at once, or needed a number or a signature by hand."""
    first = home("module", "dev", "pay-size", "--once", "--install", "--json").json["live"]
    assert (first["version"], first["swapped"]) == ("0.1.0", False)
    assert home("module", "call", "pay-size", "size").code == 0
    change(
        module / "module.wat",
        "(i32.add (local.get $end) (i32.const 2))",
        "(i32.add (local.get $end) (i32.const 2)) (nop)",
    )
    manifest = json.loads((module / "module.json").read_text())
    second = home("module", "dev", "pay-size", "--once", "--install", "--json").json["live"]
    assert (second["version"], second["swapped"], second["calls"]) == ("0.1.1", True, 1)
    assert json.loads((module / "module.json").read_text())["version"] == manifest["version"]
    assert not (module / "module.sig").exists()
    third = home("module", "dev", "pay-size", "--once", "--install", "--json").json["live"]
    assert (third["version"], third["same"]) == ("0.1.1", True)
    assert home("module", "list", "--json").json["modules"][0]["version"] == "0.1.1"


def test_what_does_not_pass_does_not_go_live(home, module):
    """Wrong if a failing case were swapped in."""
    assert home("module", "dev", "pay-size", "--once", "--install").code == 0
    change(module / "cases.json", '"bytes": 43', '"bytes": 44')
    ran = home("module", "dev", "pay-size", "--once", "--install", "--json")
    assert ran.code == 1
    assert "live" not in ran.json


def test_an_interrupt_ends_the_loop_of_a_real_terminal(module):
    """Wrong if Ctrl-C left a traceback or an exit code of failure behind."""
    command = [sys.executable, "-m", "bailiwick.cli", "module", "dev", str(module), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert json.loads(process.stdout.readline())["green"]
        change(module / "cases.json", '"bytes": 43', '"bytes": 44')
        assert not json.loads(process.stdout.readline())["green"]
        process.send_signal(signal.SIGINT)
        _, talk = process.communicate(timeout=60)
    assert process.returncode == 0
    assert talk.endswith("watching ended\n")


def test_lines_are_in_colour_on_a_terminal_only(module, capsys, monkeypatch):
    """Wrong if a file of output were full of escapes, or a source could bring its own."""
    from bailiwick.cli import screen

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    screen.painted([("red", "a [bold]\x1b[2J")])
    assert capsys.readouterr().out == "a [bold]\\x1b[2J\n"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    screen.painted([("red", "a [bold]\x1b[2J")])
    assert capsys.readouterr().out == "\x1b[31ma [bold]\\x1b[2J\x1b[0m\n"


# --- native stays at the desk -----------------------------------------------------------------------------------------


def test_a_native_module_runs_at_the_desk(cli, native):
    """Wrong if test or run asked for a build."""
    assert cli("module", "test", "pay").code == 0
    assert cli("module", "run", "pay", "total", "--input", '{"minutes": [1, 2]}', "--json").json["ok"] == {"total": 3}


@pytest.mark.parametrize(
    "words",
    [
        ("build", "pay"),
        ("sign", "pay"),
        ("dev", "pay", "--once", "--install"),
    ],
)
def test_every_way_to_a_tenant_is_refused(home, native, words):
    """Wrong if one command led from here to a tenant."""
    ran = home("module", *words)
    assert ran.code != 0
    assert "module-native" in ran.err + ran.out
    assert home("module", "list", "--json").json["modules"] == []


def test_a_link_to_python_in_a_modules_folder_is_not_followed(home, module, native):
    """Wrong if a link could bring another file into a signed folder."""
    assert home("module", "build", "pay-size").code == 0
    assert home("module", "sign", "pay-size").code == 0
    (module / "pay-size.wasm").unlink()
    (module / "pay-size.wasm").symlink_to(native / "module.py")
    ran = home("module", "install", "pay-size", "--json")
    assert json.loads(ran.err)["error"]["code"] == "module-file"
    assert home("module", "dev", "pay-size", "--once").code == 0
    assert (native / "module.py").read_text().startswith('"""Adds up')


# --- profile and doctor -----------------------------------------------------------------------------------------------


def test_a_profile_tells_where_fuel_went(cli, module, folder):
    """Wrong if the shares were of something else than the call that a person would make."""
    assert cli("module", "build", "pay-size").code == 0
    told = cli("module", "profile", "pay-size", "size", "--folded", "stacks", "--json").json
    ran = cli("module", "run", "pay-size", "size", "--json").json["run"]["fuel"]
    assert told["fuel"] == ran == sum(each["self"] for each in told["functions"])
    lines = (folder / "stacks").read_text().splitlines()
    assert sum(int(line.rpartition(" ")[2]) for line in lines) == ran
    assert "run" in cli("module", "profile", "pay-size", "size").out


def test_a_module_that_is_installed_is_profiled_by_its_name(home, module, folder):
    """Wrong if one needed the folder that it came from."""
    assert home("module", "dev", "pay-size", "--once", "--install").code == 0
    module.rename(folder / "elsewhere")
    assert home("module", "profile", "pay-size", "size", "--json").json["fuel"] > 0
    assert home("module", "profile", "nobody", "size").code == 4


def test_what_has_no_fuel_of_its_own_is_not_profiled(cli, native):
    """Wrong if numbers were shown that mean nothing."""
    ran = cli("module", "profile", "pay", "total")
    assert ran.code == 2
    assert "profile-form" in ran.err


def codes(ran) -> set[str]:
    """Codes of the faults that a doctor found."""
    return {each["code"] for each in ran.json["findings"] if each["level"] == "fault"}


def advice(ran) -> set[str]:
    """Codes of the advice that a doctor gave."""
    return {each["code"] for each in ran.json["findings"] if each["level"] == "advice"}


def test_a_doctor_finds_a_new_module_unbuilt_and_a_built_one_well(cli, module):
    """Wrong if an author were told too much, or not what comes next."""
    ran = cli("module", "doctor", "pay-size", "--json")
    assert (ran.code, codes(ran)) == (1, {"module-not-built"})
    assert cli("module", "build", "pay-size").code == 0
    ran = cli("module", "doctor", "pay-size", "--json")
    assert (ran.code, codes(ran)) == (0, set())
    assert advice(ran) == {"schema-open", "names", "unsigned"}
    assert {"cold_us", "warm_us", "fuel", "memory_bytes_min", "size"} <= ran.json["measured"].keys()


def test_a_doctor_names_the_place_of_a_fault_in_the_manifest(cli, module):
    """Wrong if an author had to guess which member is meant."""
    change(module / "module.json", '"lightweight"', '"feather"')
    ran = cli("module", "doctor", "pay-size", "--json")
    assert ran.code == 1
    assert ran.json["findings"][0]["what"].startswith("module.json /tier:")


def test_a_doctor_sees_what_is_of_another_age_or_asks_for_other_things(cli, module):
    """Wrong if a stale binary, a changed source, an unused capability or a case of nothing went unnoticed."""
    assert cli("module", "build", "pay-size").code == 0
    change(module / "module.wat", "66)", "67)")
    asked = {"interface": "bailiwick:clock/clock@0.1.0", "functions": ["now"], "scope": {}, "reason": "why not"}
    manifest = json.loads((module / "module.json").read_text())
    (module / "module.json").write_text(
        json.dumps({**manifest, "capabilities": [asked], "digest": "sha256:" + "1" * 64})
    )
    (module / "cases.json").write_text('[{"name": "a", "function": "other", "input": {}, "output": 1}]')
    ran = cli("module", "doctor", "pay-size", "--json")
    assert codes(ran) == {"module-digest", "source-newer", "case-function"}
    assert {"capability-unused", "untried"} <= advice(ran)


def test_a_doctor_looks_at_the_signature_and_whom_the_home_trusts(home, module):
    """Wrong if an author found out from whoever installs it."""
    assert home("module", "build", "pay-size").code == 0
    assert home("module", "sign", "pay-size").code == 0
    ran = home("module", "doctor", "pay-size", "--json")
    assert "unsigned" not in advice(ran) | codes(ran)
    assert home("init", "--home", "other").code == 0
    ran = home("module", "doctor", "pay-size", "--home", "other", "--json")
    assert codes(ran) == {"key-unknown"}
    change(module / "module.json", "Says how", "Tells how")
    assert codes(home("module", "doctor", "pay-size", "--json")) == {"signature-wrong"}


def test_scripts_go_around_the_same_loop(home, folder):
    """Wrong if a text that is not built needed another loop, or a doctor blamed it for what its engine imports."""
    assert home("module", "new", "pay-text", "--lang", "script-js").code == 0
    ran = home("module", "dev", "pay-text", "--once", "--install", "--json")
    assert (ran.code, ran.json["cases"]["failed"], ran.json["live"]["version"]) == (0, [], "0.1.0")
    assert codes(home("module", "doctor", "pay-text", "--json")) == set()
    assert home("module", "profile", "pay-text", "total").code == 2


def test_a_doctor_says_how_to_get_a_toolchain_that_is_missing(cli, folder):
    """Wrong if an author had to look it up."""
    assert cli("module", "new", "pay-js", "--lang", "javascript").code == 0
    ran = cli("module", "doctor", "pay-js", "--json")
    hints = [each["hint"] for each in ran.json["findings"] if each["code"] == "toolchain-missing"]
    assert hints
    assert "npm install" in hints[0] or "Node" in hints[0]
