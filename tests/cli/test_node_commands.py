"""The commands about the node: init, doctor, packs, effects, the panic switch, explain and replay."""

from __future__ import annotations

import json

import pytest


def test_init_twice_keeps_the_home_and_its_key(cli, folder):
    """If it failed, a second init would replace keys, and every old checkpoint would lose its signer."""
    first = cli("init", "--json").json
    second = cli("init", "--json").json
    assert (first["created"], second["created"]) == (True, False)
    assert first["verifier_key"] == second["verifier_key"]
    assert first["verifier_key"] in cli("init").out


def test_the_home_comes_from_flag_before_environment_before_default(cli, folder, monkeypatch):
    """If it failed, a person would work on another home than the one that they named."""
    monkeypatch.setenv("BAILIWICK_HOME", str(folder / "from-environment"))
    assert cli("init", "--json").json["home"] == str(folder / "from-environment")
    assert cli("init", "--home", "from-flag", "--json").json["home"] == str(folder / "from-flag")


def test_the_doctor_says_where_each_setting_comes_from(decided, monkeypatch):
    """If it failed, nobody could tell why a command works on an unexpected home."""
    monkeypatch.setenv("BAILIWICK_TENANT", "local")
    ran = decided("doctor", "--json")
    assert ran.code == 0, ran.out
    assert ran.json["settings"]["tenant"] == {"value": "local", "origin": "environment"}
    assert ran.json["settings"]["home"]["origin"] == "default"
    assert all(check["detail"] for check in ran.json["checks"])


def test_the_doctor_finds_a_ledger_that_was_cut(decided, folder):
    """If it failed, a node would look well while half its ledger is gone."""
    segment = max((folder / ".bailiwick/tenants/local/ledger").rglob("*.jsonl"), key=lambda path: path.stat().st_size)
    with segment.open("r+b") as file:
        file.truncate(segment.stat().st_size // 2)
    ran = decided("doctor")
    assert ran.code != 0
    assert "try:" in ran.out + ran.err
    broken = decided("ledger", "verify", "--json")
    assert (broken.code, broken.json["verdict"]) == (11, "truncated")


def test_packs_are_listed_shown_and_pass_their_cases(cli):
    """If it failed, nobody could see by which law is decided, or whether its examples hold."""
    cli("init")
    listed = cli("pack", "list", "--json").json["packs"]
    assert "us-osha-1904" in [pack["name"] for pack in listed]
    assert cli("pack", "show", "us-osha-1904", "--json").json["outcomes"]
    tested = cli("pack", "test", "us-osha-1904", "--json")
    assert (tested.code, tested.json["failed"]) == (0, [])
    assert tested.json["cases"] > 0


def test_effects_run_once(decided):
    """If it failed, an area office would be told of one injury twice."""
    first = decided("effects", "run", "--json").json
    second = decided("effects", "run", "--json").json
    assert first["delivered"] > 0
    assert (second["delivered"], second["waiting"]) == (0, 0)
    assert all(effect["state"] == "done" for effect in decided("effects", "list", "--json").lines)


def test_the_panic_switch_holds_effects_and_lets_decisions_go_on(decided, injuries):
    """If it failed, the one lever for an emergency would be a decoration."""
    assert decided("panic", "on", "--reason", "wrong address", "--json").json["frozen"] is True
    frozen = decided("effects", "run", "--json")
    assert frozen.code == 3
    assert json.loads(frozen.err)["error"]["code"] == "effects-frozen"
    assert decided("decide", "us-osha-1904", injuries, "--legal-date", "2024-01-01").code == 0
    assert "wrong address" in decided("panic", "status").out
    assert decided("panic", "off", "--json").json["frozen"] is False
    assert decided("effects", "run", "--json").json["delivered"] > 0


@pytest.mark.parametrize("text", ["", "{", '{"frozen": "no"}'])
def test_a_garbled_panic_switch_means_frozen(decided, folder, text):
    """If it failed, damage to one small file would let effects run that somebody meant to stop."""
    (folder / ".bailiwick/panic.json").write_text(text)
    assert decided("panic", "status", "--json").json["frozen"] is True
    assert decided("effects", "run").code == 3


def test_an_explanation_cites_the_law(decided):
    """If it failed, a person would get an answer without its reason."""
    record = next(r["index"] for r in decided("ledger", "tail", "--json").lines if r["event_type"] == "decision.sealed")
    told = decided("explain", str(record))
    assert "1904" in told.out
    assert "2024-01-01" in told.out
    assert decided("explain", str(record), "--json").json["rules"]


def test_only_decisions_are_explained(decided):
    """If it failed, asking for the reason of a record that has none would invent one."""
    ran = decided("explain", "0", "--json")
    assert ran.code == 4
    assert json.loads(ran.err)["error"]["code"] == "record-not-decision"


def test_replay_gives_the_same_bytes(decided):
    """If it failed, a decision could not be shown to follow from its inputs."""
    ran = decided("replay", "--all", "--json")
    assert ran.code == 0, ran.out
    assert ran.json["replayed"] > 0
    assert (ran.json["differing"], ran.json["unavailable"]) == ([], 0)
