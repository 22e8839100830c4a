"""`bailiwick sinks`: what is declared, where it stands, the sending, and its exit codes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

ARCHIVE = '[sinks.archive]\nkind = "file"\ntenant = "local"\nfolder = "archive"\n'
SIEM = '[sinks.siem]\nkind = "splunk"\ntenant = "local"\nurl = "https://127.0.0.1:9"\ntoken_variable = "TOKEN"\n'


@pytest.fixture
def declare(decided, folder, monkeypatch):
    """Declare sinks in the home's settings."""
    monkeypatch.delenv("TOKEN", raising=False)

    def write(text: str) -> None:
        path = folder / ".bailiwick" / "node.toml"
        path.write_text(path.read_text() + text)

    return write


def test_a_home_without_sinks_says_so(decided):
    """Wrong if a command about sinks fails where there are none."""
    for words in (["list"], ["status"], ["run"]):
        ran = decided("sinks", *words)
        assert (ran.code, ran.out) == (0, "")
        assert "no sinks" in ran.err


def test_a_run_sends_everything_and_a_second_only_what_is_new(decided, declare, folder):
    """Wrong if a run leaves records behind, or sends the ledger again."""
    declare(ARCHIVE)
    first = decided("sinks", "run", "--json").json
    assert (first["condition"], first["lag_records"]) == ("idle", 0)
    path = folder / ".bailiwick" / "archive" / "events.jsonl"
    assert len(path.read_bytes().splitlines()) == first["sent"] > 6
    again = decided("sinks", "run", "archive", "--json").json
    assert again["sent"] <= 1, "a closing node signs a checkpoint, which is a record"
    indexes = [json.loads(line)["unmapped"]["index"] for line in path.read_bytes().splitlines()]
    assert indexes == list(range(len(indexes)))


def test_the_list_names_kinds_and_never_a_secret(decided, declare, monkeypatch):
    """Wrong if listing sinks prints a token."""
    declare(ARCHIVE + SIEM)
    monkeypatch.setenv("TOKEN", "very-secret")
    listed = decided("sinks", "list", "--json")
    assert [(each["name"], each["kind"]) for each in listed.lines] == [("archive", "file"), ("siem", "splunk")]
    assert "very-secret" not in listed.out + decided("sinks", "run").out + decided("sinks", "status").out


def test_a_receiver_that_is_down_is_exit_code_five_and_its_records_wait(decided, declare, monkeypatch):
    """Wrong if a script cannot tell that records wait."""
    declare(SIEM)
    monkeypatch.setenv("TOKEN", "for-tests")
    ran = decided("sinks", "run", "--json")
    assert (ran.code, ran.json["condition"], ran.json["trouble"]["code"]) == (5, "waiting", "sink-unreachable")
    status = decided("sinks", "status", "siem", "--json")
    assert (status.code, status.json["failures"], status.json["count"]) == (0, 1, 0)
    assert "sink-unreachable" in decided("sinks", "status").out


def test_a_missing_secret_is_said_and_others_go_on(decided, declare):
    """Wrong if one sink's missing token keeps every other sink from its records."""
    declare(ARCHIVE + SIEM)
    ran = decided("sinks", "run", "--json")
    archive, siem = ran.lines
    assert (ran.code, archive["condition"], siem["error"]["code"]) == (5, "idle", "sink-secret")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["run", "nobody"], 4, "sink-not-found"),
        (["run", "--skip", "3"], 2, "usage"),
        (["run", "archive", "--skip", "3"], 2, "sink-skip"),
        (["status", "nobody"], 4, "sink-not-found"),
    ],
)
def test_what_cannot_be_meant_is_refused(decided, declare, words, code, said):
    """Wrong if a typing error sends or leaves out anything."""
    declare(ARCHIVE)
    ran = decided("sinks", *words, "--json")
    assert (ran.code, json.loads(ran.err.splitlines()[-1])["error"]["code"]) == (code, said)


@pytest.mark.parametrize(
    "text", ['sinks = "all"\n', "[sinks.siem]\n", '[sinks.siem]\nkind = "fax"\ntenant = "local"\n']
)
def test_settings_that_cannot_be_are_refused(decided, declare, folder, text):
    """Wrong if a sink that was meant is not there, in silence."""
    path = folder / ".bailiwick" / "node.toml"
    path.write_text((text if text.startswith("sinks") else "") + path.read_text())
    declare("" if text.startswith("sinks") else text)
    ran = decided("sinks", "run")
    assert ran.code in (2, 5)
    assert "sink" in ran.err + ran.out


def test_following_ends_with_an_interrupt_and_says_where_it_stands(decided, declare, folder):
    """Wrong if Ctrl-C leaves a process behind, or nobody knows what was sent."""
    declare(ARCHIVE)
    command = [sys.executable, "-m", "bailiwick.cli", "sinks", "run", "--follow", "--json"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert b"idle" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, json.loads(out)["condition"]) == (0, "idle")
    assert b"stopping" in err
