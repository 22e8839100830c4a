"""Modules at the terminal: trust, install, grant, call, replay, stop, remove, and the refusals on the way."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import pytest
import wasmtime

from bailiwick.canonical import digest
from bailiwick.cli.commands import COMMANDS
from bailiwick.keys import Signer, new_secret
from bailiwick.trust import sign_manifest

AUTHOR = Signer("modules/acme", new_secret(b"a" * 32))
KEY = AUTHOR.verifier.text()
CLOCK = "bailiwick:clock/clock@0.1.0"
ORDER = (
    *("trust", "install", "list", "show", "grant", "call", "replay", "series-run", "series-replay"),
    *("swap", "pin", "unpin", "rollback", "ungrant", "stop", "start", "remove", "untrust"),
)


def write_module(
    folder: Path, *, answer: str = '{"ok":{"share":0.25,"greeting":"grüß"}}', memory: int = 2, **changes
) -> Path:
    """Write the folder of a signed module that answers the same, whatever it is asked."""
    said = "".join(f"\\{byte:02x}" for byte in answer.encode())
    wasm = bytes(
        wasmtime.wat2wasm(f"""(module (memory (export "memory") {memory}) (data (i32.const 65536) "{said}")
          (func (export "alloc") (param i32) (result i32) (i32.const 1024))
          (func (export "run") (param i32 i32) (result i64) (i64.const {65_536 << 32 | len(answer.encode())})))""")
    )
    anything = {"title": "Greet somebody", "input": {"type": "object"}, "output": True}
    manifest = {
        "format": "bailiwick-module/1",
        "name": "greeter",
        "version": "1.0.0",
        "title": "Greets",
        "licence": "Apache-2.0",
        "file": "greeter.wasm",
        "digest": digest(wasm),
        "abi": "core-json/1",
        "tier": "lightweight",
        "capabilities": [{"interface": CLOCK, "functions": ["now"], "reason": "to say good morning"}],
        "functions": {"greet": anything, "greet.by.name": anything},
    } | changes
    folder.mkdir(exist_ok=True)
    (folder / "module.json").write_text(json.dumps(manifest))
    (folder / "module.sig").write_bytes(sign_manifest(manifest, AUTHOR))
    (folder / "greeter.wasm").write_bytes(wasm)
    return folder


@pytest.fixture
def home(cli, folder):
    """Give a terminal on a home, and a module that lies beside it."""
    assert cli("init").code == 0
    write_module(folder / "greeter")
    write_module(folder / "greeter-2", memory=3, version="1.1.0")
    (folder / "name.json").write_text('{"name": "Ada"}')
    return cli


@pytest.fixture
def installed(home):
    """Give a terminal on a home where the module is installed."""
    assert home("module", "trust", KEY).code == 0
    assert home("module", "install", "greeter").code == 0
    return home


def test_the_examples_of_every_module_command_work_in_the_order_of_a_modules_life(home, folder):
    """If it failed, the help would show a command line that does not work."""
    examples = {
        each.words.removeprefix("module ").replace(" ", "-"): each.examples
        for each in COMMANDS
        if "module" in each.words
    }
    (folder / "calls.jsonl").write_text('{"module":"greeter","function":"greet"}\n' * 3)
    calls: list[str] = []
    series: list[str] = []
    for verb in ORDER:
        for example in examples[verb]:
            words = [
                {"AUTHOR-KEY": KEY, "CALL": calls[-1] if calls else "", "SERIES": series[-1] if series else ""}.get(
                    each, each
                )
                for each in shlex.split(example)
            ]
            ran = home(*words)
            assert ran.code == 0, f"bailiwick {example}: {ran.err or ran.out}"
        newest = home("ledger", "tail", "--json").lines
        calls += [str(each["index"]) for each in newest if "called" in each["event_type"]]
        series += [str(each["index"]) for each in newest if each["event_type"] == "module.series"]


def test_a_call_prints_its_answer_exactly_and_is_recorded_first(installed):
    """If it failed, a program would read another number than the module gave, or find no record of the call."""
    ran = installed("module", "call", "greeter", "greet.by.name", "--input", "{}", "--json")
    assert ran.code == 0
    assert '"share":0.25' in ran.out
    assert "gr\\u00fc\\u00df" in ran.out
    told = ran.json
    record = installed("ledger", "show", str(told["record"]), "--json").json
    assert record["event_type"] == "module.called"
    assert record["detail"]["function"] == "greet.by.name"


def test_a_refusal_of_the_module_exits_with_three_and_says_why(home, folder):
    """If it failed, a script would take a refusal for an answer."""
    write_module(folder / "greeter", answer='{"error":{"code":"name-missing","message":"there is no name"}}')
    home("module", "trust", KEY)
    home("module", "install", "greeter")
    ran = home("module", "call", "greeter", "greet", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (3, "name-missing")
    assert "there is no name" in home("module", "call", "greeter", "greet").err


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (["install", "greeter"], 3, "key-unknown"),
        (["install", "nowhere"], 4, "folder-not-found"),
        (["call", "greeter", "greet"], 4, "module-not-found"),
        (["show", "greeter"], 4, "module-not-found"),
        (["remove", "greeter"], 4, "module-not-found"),
        (["trust", "no-key"], 2, "verifier-key"),
        (["grant", "greeter", "--scope", "{}"], 2, "grant-interface"),
        (["replay", "0"], 4, "record-not-call"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else str(value),
)
def test_a_refused_command_exits_as_its_reason_says(home, words, code, why):
    """If it failed, scripts could not tell a refusal from a thing that is not there."""
    ran = home("module", *words, "--json")
    assert (ran.code, json.loads(ran.err)["error"]["code"]) == (code, why)


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (["call", "greeter", "none"], 4, "function-not-found"),
        (["call", "greeter", "greet", "--input", "[]"], 3, "schema-violated"),
        (["call", "greeter", "greet", "--input", "{"], 3, "json-truncated"),
        (["call", "greeter", "greet", "--input", "@gone.json"], 4, "file-not-found"),
        (["grant", "greeter", "bailiwick:random/random@0.1.0"], 2, "grant-unasked"),
        (["ungrant", "greeter", CLOCK], 4, "grant-not-found"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else str(value),
)
def test_a_refused_use_of_a_module_exits_as_its_reason_says(installed, words, code, why):
    """If it failed, scripts could not tell what to do about it."""
    ran = installed("module", *words, "--json")
    assert (ran.code, json.loads(ran.err)["error"]["code"]) == (code, why)


def test_what_a_refusal_of_an_unknown_key_tries_can_be_pasted(home):
    """If it failed, a person would have to find the key by other means."""
    ran = home("module", "install", "greeter", "--json")
    hint = json.loads(ran.err)["error"]["hint"]
    pasted = shlex.split(hint[hint.index("bailiwick module trust") :])[1:]
    assert home(*pasted).code == 0
    assert home("module", "install", "greeter").code == 0


@pytest.mark.parametrize("name", ["module.json", "module.sig", "greeter.wasm"])
def test_a_file_that_is_a_link_is_not_installed(home, folder, name):
    """If it failed, a module could name files of whoever installs it."""
    home("module", "trust", KEY)
    kept = folder / "kept"
    (folder / "greeter" / name).rename(kept)
    (folder / "greeter" / name).symlink_to(kept)
    assert home("module", "install", "greeter").code == 3


@pytest.mark.parametrize("file", ["../name.json", "/etc/passwd", "..", "inner/greeter.wasm", "greeter.wasm\x00"])
def test_a_manifest_that_names_a_file_elsewhere_is_refused(home, folder, file):
    """If it failed, a module could have any file of the machine read."""
    home("module", "trust", KEY)
    manifest = json.loads((folder / "greeter" / "module.json").read_text()) | {"file": file}
    (folder / "greeter" / "module.json").write_text(json.dumps(manifest))
    (folder / "greeter" / "module.sig").write_bytes(sign_manifest(manifest, AUTHOR))
    ran = home("module", "install", "greeter", "--json")
    assert (ran.code, json.loads(ran.err)["error"]["code"]) == (3, "schema-violated")


def test_a_pipe_or_folder_in_the_place_of_a_file_does_not_hang(home, folder):
    """If it failed, installing could wait for ever."""
    home("module", "trust", KEY)
    (folder / "greeter" / "greeter.wasm").unlink()
    os.mkfifo(folder / "greeter" / "greeter.wasm")
    assert home("module", "install", "greeter").code == 3


def test_an_internal_module_needs_the_operators_word(home, folder):
    """If it failed, a part of the system could be replaced by whoever may install."""
    home("module", "trust", KEY)
    write_module(folder / "greeter", internal=True)
    assert json.loads(home("module", "install", "greeter", "--json").err)["error"]["code"] == "module-internal"
    assert home("module", "install", "greeter", "--approve-internal").code == 0


def test_the_allow_list_of_the_node_decides_over_every_tenant(installed, folder):
    """If it failed, an operator could not say what runs on the machine."""
    with (folder / ".bailiwick" / "node.toml").open("a") as file:
        file.write('[modules]\nallow = ["esta-accrual"]\n')
    ran = installed("module", "call", "greeter", "greet", "--json")
    assert (ran.code, json.loads(ran.err)["error"]["code"]) == (3, "module-not-allowed")
    assert installed("ledger", "tail", "--json").lines[-1]["event_type"] in {"module.denied", "ledger.checkpoint"}


def test_another_tenant_of_the_home_sees_nothing_of_it(installed):
    """If it failed, tenants would share what they trust."""
    assert installed("init", "--tenant", "other").code == 0
    assert installed("module", "list", "--tenant", "other", "--json").json == {"modules": []}
    assert installed("module", "call", "greeter", "greet", "--tenant", "other").code == 4
    assert installed("module", "install", "greeter", "--tenant", "other").code == 3
