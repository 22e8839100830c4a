"""The commands of effects and of the panic switch, on a home with effects that wait."""

from __future__ import annotations

import json
import shlex
import threading

import pytest

from bailiwick.cli.commands import COMMANDS
from bailiwick.cli.effects import STATES
from bailiwick.model import Actor, Draft, EffectState
from bailiwick.node import Node
from bailiwick.settings import Settings
from tests.cli.test_module import KEY, write_module


@pytest.fixture
def asked(decided):
    """Give a terminal on a home with effects that wait, and the key of the first."""
    return decided, decided("effects", "list", "--json").lines[0]["key"]


def settle(folder, text: str) -> None:
    """Add a table to the home's settings."""
    with (folder / ".bailiwick/node.toml").open("a") as file:
        file.write(text)


def codes(ran) -> str:
    """Give the code of the error that a command printed."""
    return json.loads(ran.err)["error"]["code"]


def test_states_are_those_of_the_model():
    """If it failed, effects of some state could not be listed."""
    assert set(STATES) == {each.value for each in EffectState}


def test_an_effect_shows_every_record_about_it(asked):
    """If it failed, nobody could see why an effect stands as it does."""
    cli, key = asked
    assert cli("effects", "run").code == 0
    shown = cli("effects", "show", key[12:28], "--json").json
    assert [each["type"] for each in shown["records"]] == ["decision.sealed", "effect.result"]
    assert (shown["state"], shown["records"][1]["delivered"]) == ("done", "now")
    assert key in cli("effects", "show", key).out


def test_effects_are_listed_by_state(asked):
    """If it failed, dead letters would drown in what was done."""
    cli, key = asked
    cli("effects", "cancel", key, "--reason", "superseded")
    assert [each["key"] for each in cli("effects", "list", "--state", "cancelled", "--json").lines] == [key]
    assert key not in cli("effects", "list", "--state", "waiting", "--json").out
    assert cli("effects", "list", "--state", "nowhere").code == 2


def test_what_was_cancelled_is_not_delivered(asked, folder):
    """If it failed, a word that took an effect back would come to nothing."""
    cli, key = asked
    said = cli("effects", "cancel", key, "--reason", "superseded", "--json").json
    assert (said["state"], said["new"]) == ("cancelled", True)
    assert cli("effects", "cancel", key, "--reason", "superseded", "--json").json["new"] is False
    cli("effects", "run")
    assert key[12:] not in {path.stem for path in (folder / ".bailiwick/tenants/local/outbox").iterdir()}
    assert "superseded" not in cli("ledger", "tail", "--count", "50", "--json").out


def test_the_reason_of_a_cancellation_can_be_erased(asked):
    """If it failed, what somebody typed about a person would stay for ever."""
    cli, key = asked
    said = cli("effects", "cancel", key, "--reason", "superseded", "--json").json
    erased = cli("ledger", "erase", "--record", str(said["said_in"]), "--yes", "--json")
    assert erased.code == 0, erased.err
    assert '"blobs": 1' in erased.out


def test_what_needs_no_approval_is_not_approved(asked):
    """If it failed, people would believe that they had decided something."""
    cli, key = asked
    ran = cli("effects", "approve", key, "--json")
    assert (ran.code, codes(ran)) == (3, "approval-not-asked")
    assert codes(cli("effects", "deny", key, "--json")) == "approval-not-asked"


def test_retry_says_what_is_meant(asked):
    """If it failed, one word too few would try everything anew."""
    cli, key = asked
    assert cli("effects", "retry").code == 2
    assert cli("effects", "retry", key, "--dead").code == 2
    assert cli("effects", "retry", "--dead").code == 0
    assert cli("effects", "retry", key, "--json").json["new"] is False


def test_a_dead_letter_is_seen_and_tried_anew(asked, folder):
    """If it failed, an effect that was given up would be lost."""
    cli, _ = asked
    kinds = {each["type"] for each in cli("effects", "list", "--json").lines}
    for kind in kinds:
        settle(folder, f'\n[effects.{kind}]\nchannel = "command"\ncommand = ["/bin/sh", "-c", "exit 65"]\n')
    ran = cli("effects", "run", "--json")
    assert (ran.code, ran.json["dead"] > 0) == (5, True)
    dead = cli("effects", "list", "--state", "dead", "--json").lines
    assert {each["code"] for each in dead} == {"effect-refused"}
    path = folder / ".bailiwick/node.toml"
    path.write_text(path.read_text().replace("exit 65", "exit 0"))
    assert len(cli("effects", "retry", "--dead", "--json").lines) == len(dead)
    assert cli("effects", "run", "--json").json["delivered"] == len(dead)


@pytest.mark.parametrize(
    "table",
    [
        'channel = "pigeon"',
        'channel = "folder"\nfolder = "elsewhere"',
        'channel = "webhook"',
        'channel = "webhook"\nurl = "http://hooks.example.org/"\nsecret_variable = "HOOK"',
        'channel = "webhook"\nurl = "https://hooks.example.org/"',
        'channel = "webhook"\nurl = "https://hooks.example.org/"\nsecret = "hunter2"',
        'channel = "webhook"\nurl = "https://hooks.example.org/"\nsecret_variable = "HOOK"\nsign = "ed25519"',
        'channel = "webhook"\nurl = "https://hooks.example.org/"\nsign = "md5"',
        'channel = "webhook"\nurl_parameter = "callback"\nsign = "ed25519"',
        'channel = "webhook"\nurl = "https://h.example.org/"\nsign = "ed25519"\nallow_networks = ["10.0.0.1/8"]',
        'channel = "webhook"\nurl = "https://h.example.org/"\nsign = "ed25519"\nca_file = "nowhere.pem"',
        'channel = "webhook"\nurl = "https://h.example.org/"\nsign = "ed25519"\ntimeout_s = 0',
        'channel = "email"\nhost = "mail.example.org"\nsender = "n@example.org"\nsubject = "x"',
        'channel = "email"\nhost = "m.example.org"\nsender = "no address"\nsubject = "x"\nto = ["a@example.org"]',
        'channel = "email"\nhost = "m.example.org"\nsender = "n@e.org"\nsubject = "x\\ny"\nto = ["a@example.org"]',
        'channel = "email"\nhost = "m.example.org"\nsender = "n@e.org"\nsubject = "x"\nto_parameter = "who"',
        'channel = "email"\nhost = "m"\nsender = "n@e.org"\nsubject = "x"\nto = ["a@e.org"]\nsecurity = "ssl"',
        'channel = "email"\nhost = "m"\nsender = "n@e.org"\nsubject = "x"\nto = ["a@e.org"]\nuser = "u"',
        'channel = "command"\ncommand = ["relative"]',
        'channel = "command"\ncommand = []',
        'channel = "command"\ncommand = ["/bin/echo", "{facts}"]',
        'channel = "command"\ncommand = ["/bin/echo"]\nenvironment = ["NO_SUCH_VARIABLE_IS_SET"]',
        'channel = "module"\nmodule = "pay"',
        'channel = "folder"\nattempts_max = 0',
        "attempts_max = 3",
        'channel = "folder"\nx = 1.5',
    ],
)
def test_settings_that_cannot_be_used_are_told_and_lose_no_effect(asked, folder, table: str, monkeypatch):
    """If it failed, a slip in node.toml would send effects elsewhere, give them up, or let a secret stand there."""
    monkeypatch.setenv("HOOK", "a secret of some length")
    cli, _ = asked
    kind = cli("effects", "list", "--json").lines[0]["type"]
    settle(folder, f"\n[effects.{kind}]\n{table}\n")
    ran = cli("effects", "run", "--json")
    told = [each["code"] for each in ran.json["failed"]] if ran.out else [codes(ran)]
    assert set(told) <= {"effect-settings", "effect-secret"}
    assert told
    assert not (folder / ".bailiwick/tenants/local/outbox").exists()
    assert cli("effects", "list", "--state", "dead", "--json").out == ""


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ('{"ok":{}}', "done"),
        ('{"error":{"code":"no-account","message":"there is none"}}', "dead"),
        ("no answer at all", "dead"),
    ],
)
def test_a_module_performs_effects_within_its_grants(asked, folder, answer, state):
    """If it failed, effects could not be performed by code that the tenant signed for, or a refusal would pass."""
    cli, key = asked
    write_module(folder / "greeter", answer=answer)
    assert cli("module", "trust", KEY).code == 0
    assert cli("module", "install", "greeter").code == 0
    kinds = {each["type"] for each in cli("effects", "list", "--json").lines}
    for kind in kinds:
        settle(folder, f'\n[effects.{kind}]\nchannel = "module"\nmodule = "greeter"\nfunction = "greet"\n')
    cli("effects", "run")
    shown = cli("effects", "show", key, "--json").json
    assert shown["state"] == state
    types = [each["event_type"] for each in cli("ledger", "tail", "--count", "60", "--json").lines]
    assert types.count("module.called") == len(cli("effects", "list", "--json").lines)


def test_the_key_that_signs_effects_stays_the_same(decided, folder):
    """If it failed, every receiver would refuse what comes after a restart."""
    first = decided("effects", "key", "--out", "effects.pub", "--json").json["key"]
    assert decided("effects", "key").out.strip() == first == (folder / "effects.pub").read_text().strip()
    assert first.startswith("bailiwick/")


@pytest.fixture
def unapproved(decided, folder):
    """Give keys of effects that wait for an approval."""
    keys = [f"hmac-sha256:{number:064x}" for number in range(1, 5)]
    detail = {"effects": [{"type": "pay", "key": key, "approval": {"within_minutes": 60}} for key in keys]}
    actor = Actor(id="local:test", role="operator")
    draft = Draft(event_type="decision.sealed", resource="observation/0", detail=detail, actor=actor)
    with Node.open(Settings.resolve(home=folder / ".bailiwick", environ={})) as node:
        node.ledger("local").record("local", draft)
    return keys


@pytest.mark.parametrize("words", ["effects approve", "effects deny"])
def test_the_examples_of_an_approval_work(decided, unapproved, words):
    """If it failed, the help would show a command line that does not work."""
    (command,) = [each for each in COMMANDS if each.words == words]
    for example, key in zip(command.examples, unapproved, strict=False):
        ran = decided(*[key if word == "KEY" else word for word in shlex.split(example)])
        assert ran.code == 0, ran.err


def test_an_approval_is_said_once_and_listed(decided, unapproved):
    """If it failed, nobody could see what waits for them, or that it was said already."""
    first, second = unapproved[:2]
    assert len(decided("effects", "list", "--state", "needs-approval", "--json").lines) == 4
    assert "until" in decided("effects", "list", "--state", "needs-approval").out
    assert decided("effects", "approve", first, "--json").json["new"] is True
    assert "nothing was recorded again" in decided("effects", "approve", first).out
    assert decided("effects", "deny", second, "--reason", "not theirs", "--json").json["state"] == "refused"
    ran = decided("effects", "approve", second, "--json")
    assert (ran.code, codes(ran)) == (3, "effect-settled")


def test_two_people_who_approve_at_once_leave_one_record(unapproved, folder):
    """If it failed, an effect would have been approved twice, by two records."""
    said: list = []

    def approve() -> None:
        """Approve on a node of one's own, as another process would."""
        with Node.open(Settings.resolve(home=folder / ".bailiwick", environ={})) as node:
            said.extend(node.oversight("local").approve(key) for key in unapproved)

    threads = [threading.Thread(target=approve) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(each.is_new for each in said) == len(unapproved)
    assert len(said) == 3 * len(unapproved)
    with Node.open(Settings.resolve(home=folder / ".bailiwick", environ={})) as node:
        types = [record.event_type for record in node.ledger("local").records()]
    assert types.count("effect.approved") == len(unapproved)


# --- the panic switch -----------------------------------------------------------------------------------------------


def test_either_switch_freezes_and_each_is_released_by_itself(decided):
    """If it failed, releasing one tenant would release a node that somebody froze, or the other way round."""
    assert decided("panic", "on", "--everywhere", "--json").json["frozen"] is True
    assert decided("panic", "off", "--json").json["frozen"] is True
    assert decided("effects", "run").code == 3
    assert decided("panic", "on").code == 0
    released = decided("panic", "off", "--everywhere", "--json").json
    assert released["frozen"] is True
    assert [released["scopes"][each]["frozen"] for each in ("tenant", "everywhere")] == [True, False]
    assert decided("panic", "off", "--json").json["frozen"] is False
    assert decided("effects", "run").code == 0


@pytest.mark.parametrize("file", ["panic.json", "tenants/local/panic.json"])
@pytest.mark.parametrize("damage", [None, "", "{", '{"frozen": false}'])
def test_a_switch_that_is_missing_or_garbled_freezes_and_decisions_go_on(decided, folder, injuries, file, damage):
    """If it failed, damage to one small file would let effects run that somebody meant to stop."""
    path = folder / ".bailiwick" / file
    path.unlink() if damage is None else path.write_text(damage)
    assert decided("panic", "status", "--json").json["frozen"] is True
    assert decided("effects", "run").code == 3
    assert decided("decide", "us-osha-1904", injuries, "--legal-date", "2024-01-02").code == 0
    assert decided("effects", "list").code == 0
    assert decided("init").code == 0
    assert decided("panic", "status", "--json").json["frozen"] is True, "init releases nothing"


def test_who_and_when_are_recorded_and_why_as_a_digest(decided, folder):
    """If it failed, nobody could be asked, or what was typed would stand in the ledger."""
    decided("panic", "on", "--reason", "Jane said so")
    tail = decided("ledger", "tail", "--count", "9", "--json").lines
    (found,) = [each for each in tail if each["event_type"] == "panic.set"]
    record = decided("ledger", "show", str(found["index"]), "--json").json
    assert record["detail"]["scope"] == "tenant"
    assert record["detail"]["why"].startswith("sha256:")
    assert "Jane" not in json.dumps(record)
    assert "Jane said so" in decided("panic", "status").out


def test_why_somebody_threw_the_switch_can_be_erased_and_the_word_stands(decided, folder):
    """If it failed, a name that somebody typed in a hurry would be kept for ever."""
    decided("panic", "on", "--reason", "Jane said so")
    decided("panic", "off")
    tail = decided("ledger", "tail", "--count", "9", "--json").lines
    first, second = [each for each in tail if each["event_type"] == "panic.set"]
    erased = decided("ledger", "erase", "--record", str(first["index"]), "--yes", "--json").json
    assert [each["blobs"] for each in erased["subjects"]] == [1]
    ran = decided("ledger", "erase", "--record", str(second["index"]), "--yes", "--json")
    assert json.loads(ran.err)["error"]["code"] == "record-keeps-nothing"
    assert decided("ledger", "show", str(first["index"]), "--json").json["detail"]["frozen"] is True
    assert decided("ledger", "verify").code == 0


def test_a_switch_of_the_whole_node_is_recorded_for_each_tenant(decided, folder):
    """If it failed, the ledger of another tenant could not say why its effects stood still."""
    assert decided("init", "--tenant", "other").code == 0
    assert decided("panic", "on", "--everywhere", "--reason", "wrong amounts").code == 0
    for tenant in ("local", "other"):
        at = decided("ledger", "at", "now", "--projection", "panic", "--tenant", tenant, "--json").json
        assert at["state"]["frozen"] is True
    assert decided("effects", "run", "--tenant", "other").code == 0, "there is nothing to freeze"
    assert decided("panic", "status", "--tenant", "other", "--json").json["frozen"] is True


def test_one_tenant_is_frozen_and_another_goes_on(decided, folder, injuries):
    """If it failed, one tenant's mishap would stop all others."""
    assert decided("init", "--tenant", "other").code == 0
    assert decided("decide", "us-osha-1904", injuries, "--legal-date", "2024-01-01", "--tenant", "other").code == 0
    assert decided("panic", "on").code == 0
    assert decided("effects", "run").code == 3
    assert decided("effects", "run", "--tenant", "other", "--json").json["delivered"] > 0


def test_a_second_executor_is_told_that_there_is_one(decided, folder, monkeypatch):
    """If it failed, two executors would deliver at once, or the second would hang without a word."""
    from bailiwick.node import acting

    monkeypatch.setattr(acting, "EXECUTOR_WAIT_MS", 10)
    with (
        Node.open(Settings.resolve(home=folder / ".bailiwick", environ={})) as node,
        node._disk.lock(folder / ".bailiwick/tenants/local/effects.lock"),
    ):
        ran = decided("effects", "run", "--json")
    assert (ran.code, codes(ran)) == (5, "effects-busy")
