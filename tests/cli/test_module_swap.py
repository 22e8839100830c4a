"""A new version of a module at the terminal: history is shown first, and nothing is switched behind anybody's back."""

from __future__ import annotations

import json

import pytest

from .test_module import KEY, write_module

OTHERWISE = '{"ok":{"share":0.5,"greeting":"hallo"}}'


@pytest.fixture
def called(cli, folder):
    """A terminal on a home whose module was called twice, and another version beside it that answers otherwise."""
    assert cli("init").code == 0
    write_module(folder / "greeter")
    write_module(folder / "next", answer=OTHERWISE, version="1.1.0")
    assert cli("module", "trust", KEY).code == 0
    assert cli("module", "install", "greeter").code == 0
    for _ in range(2):
        assert cli("module", "call", "greeter", "greet").code == 0
    return cli


def test_a_dry_run_shows_what_would_differ_and_switches_nothing(called):
    """If it failed, looking would be doing, or a script could not tell a harmless version from another."""
    ran = called("module", "swap", "next", "--dry-run", "--json")
    assert ran.code == 1
    assert (ran.json["rehearsal"]["calls"], ran.json["rehearsal"]["differing"]) == (2, 2)
    assert ran.json["rehearsal"]["differences"][0]["would_be"]["greeting"] == "hallo"
    text = called("module", "swap", "next", "--dry-run").out
    assert "2 calls run again, 2 would have ended otherwise" in text
    assert called("module", "list", "--json").json["modules"][0]["version"] == "1.0.0"


def test_a_version_that_would_have_done_otherwise_is_not_switched_to_unasked(called):
    """If it failed, a script without --yes would change what people are told."""
    ran = called("module", "swap", "next", "--json")
    assert (ran.code, json.loads(ran.err.splitlines()[-1])["error"]["code"]) == (2, "not-confirmed")
    assert called("module", "list", "--json").json["modules"][0]["version"] == "1.0.0"


def test_a_swap_and_its_rollback_are_in_the_ledger(called):
    """If it failed, nobody could say later which version answered whom."""
    assert called("module", "swap", "next", "--yes", "--json").json["version"] == "1.1.0"
    assert "hallo" in called("module", "call", "greeter", "greet").out
    assert called("module", "rollback", "greeter").code == 0
    assert "hallo" not in called("module", "call", "greeter", "greet").out
    types = [each["event_type"] for each in called("ledger", "tail", "--count", "20", "--json").lines]
    assert {"module.swap-started", "module.swapped", "module.rolled-back"} <= set(types)
    assert called("ledger", "verify").code == 0


def test_a_swap_of_what_is_not_installed_or_not_built_is_refused(called, folder):
    """If it failed, a typing error would do something."""
    write_module(folder / "stranger", version="1.1.0", name="stranger")
    assert called("module", "swap", "stranger", "--json").code == 4
    assert called("module", "swap", "nowhere", "--json").code == 4
    assert called("module", "swap", "greeter", "--json").code == 3
