"""The examples in the help can be pasted."""

from __future__ import annotations

import json
import shlex

import pytest

from bailiwick.cli.commands import COMMANDS

ELSEWHERE = {
    "demo",
    "effects approve",
    "effects deny",
    "ledger hold release",
    "ledger move",
    "ledger prune",
    "ledger restore",
    "ledger verify",
    "ledger witness remove",
    "ledger witness serve",
    "ledger worm-probe",
    "module call",
    "module compose",
    "module grant",
    "module install",
    "module pin",
    "module remove",
    "module replay",
    "module rollback",
    "module series replay",
    "module series run",
    "module show",
    "module start",
    "module stop",
    "module swap",
    "module trust",
    "module ungrant",
    "module unpin",
    "module untrust",
    "pack activate",
    "pack follow",
    "pack install",
    "pack interview",
    "pack pull",
    "pack sign",
    "pack trust",
    "pack unfollow",
    "what-changed",
}
"""Commands whose examples need more than a home; each is run by a test of its own (`test_ledger_examples` has most)."""
NEEDS_A_HOME = [command for command in COMMANDS if command.words not in ELSEWHERE]


@pytest.mark.parametrize("command", NEEDS_A_HOME, ids=lambda command: command.words)
def test_the_examples_of_a_command_work(decided, folder, command):
    """If it failed, the help would show a command line that does not work."""
    (folder / "schema.json").write_text('{"type": "object"}')
    records = decided("ledger", "tail", "--json").lines
    decision = next(record["index"] for record in records if record["event_type"] == "decision.sealed")
    (folder / "facts.json").write_text(json.dumps({**decided("explain", str(decision), "--json").json["facts"]}))
    key = decided("ledger", "export", "--out", "bundle", "--json").json["key"]
    witness = decided("ledger", "witness", "key", "--name", "hub.example/w1", "--json").json["key"]
    assert decided("ledger", "policy", "--out", "auditor.policy").code == 0
    assert decided("module", "new", "pay-size", "--lang", "wat").code == 0
    assert decided("module", "build", "pay-size").code == 0
    effect = decided("effects", "list", "--json").lines[0]["key"]
    stands_for = {"KEY": effect, "VKEY": key, "WITNESS-KEY": witness, "MOMENT": records[-1]["timestamp"]}
    for example in command.examples:
        words = [stands_for.get(word, word) for word in shlex.split(example)]
        ran = decided(*words)
        wants_a_date = words[:1] == ["decide"] and "--legal-date" not in words
        assert ran.code == (1 if wants_a_date else 0), f"bailiwick {example}: {ran.err or ran.out}"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.words)
def test_the_help_of_a_command_shows_its_examples(cli, command):
    """If it failed, a person would have to guess how the words go together."""
    ran = cli(*command.words.split(), "--help")
    assert ran.code == 0
    assert all(f"bailiwick {example}" in ran.out for example in command.examples)


def test_every_command_that_prints_can_print_json(cli):
    """If it failed, a program would have to read what is meant for people."""
    lacking = [command.words for command in COMMANDS if "--json" not in cli(*command.words.split(), "--help").out]
    assert lacking == []
