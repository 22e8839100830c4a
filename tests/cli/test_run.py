"""How any command line ends: its exit code, and what is said where."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

PROGRAM = [sys.executable, "-m", "bailiwick.cli"]


def test_no_words_at_all_list_what_can_be_asked(cli):
    """If it failed, a person who types the program's name would learn nothing."""
    ran = cli()
    assert ran.code == 0
    assert "bailiwick demo" in ran.out


def test_the_version_is_the_package_version(cli):
    """If it failed, a report of a weakness would name the wrong version."""
    from bailiwick import __version__

    assert cli("--version").out == f"{__version__}\n"


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["legder"], 'Did you mean "ledger"?'),
        (["ledger", "tial"], 'Did you mean "tail"?'),
        (["ledger", "tail", "--jsno"], "Did you mean --json?"),
        (["ledger", "show"], "RECORD"),
        (["ledger", "show", "seventeen"], "seventeen"),
        (["ledger", "tail", "--count", "0"], "--count"),
        (["replay"], "--all"),
        (["replay", "3", "--all"], "--all"),
    ],
)
def test_a_slip_of_the_fingers_is_answered_with_what_to_type(cli, words, what):
    """If it failed, a person would see a trace of Python, or an exit code that a script takes for an answer."""
    ran = cli(*words)
    assert ran.code == 2
    assert ran.out == ""
    assert what in ran.err
    assert "try:  bailiwick" in ran.err


def test_a_negative_record_is_refused(cli):
    """If it failed, Python's counting from the end would answer a question that nobody asked."""
    assert cli("ledger", "show", "-1").code == 2


def test_errors_are_json_on_stderr_where_json_is_asked_for(cli):
    """If it failed, a program that reads answers would have to read prose."""
    ran = cli("ledger", "tail", "--json")
    assert ran.code == 4
    assert ran.out == ""
    error = json.loads(ran.err)["error"]
    assert error["code"] == "home-not-found"
    assert error["hint"].startswith("bailiwick init")


def test_a_reader_who_leaves_ends_the_program_quietly(decided, folder):
    """If it failed, `bailiwick ledger tail | head -1` would print a trace of Python."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        ran = subprocess.run([*PROGRAM, "ledger", "tail"], stdout=pipe, stderr=subprocess.PIPE, cwd=folder, check=False)
    assert (ran.returncode, ran.stderr) == (141, b"")


def test_an_interrupt_loses_nothing_that_was_answered(decided, folder):
    """If it failed, Ctrl-C would leave a trace of Python on the terminal, or an answer without its record."""
    facts = decided("explain", "3", "--json").json["facts"]
    words = [*PROGRAM, "decide", "us-osha-1904", "-", "--legal-date", "2024-01-01", "--batch", "1", "--json"]
    words += ["--format", "jsonl"]
    with subprocess.Popen(
        words, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        running.stdin.write(json.dumps(facts).encode() + b"\n")
        running.stdin.flush()
        answer = json.loads(running.stdout.readline())
        running.send_signal(signal.SIGINT)
        _, talk = running.communicate()
    assert running.returncode == 130
    assert b"Traceback" not in talk
    assert decided("ledger", "verify").code == 0
    assert decided("explain", str(answer["record"])).code == 0


def test_text_from_outside_cannot_drive_the_terminal(cli):
    """If it failed, a row or a name could clear the screen of whoever looks at it, or hide what it says."""
    ran = cli("pack", "show", "\x1b[2J\u202eevil")
    assert ran.code != 0
    assert "\x1b" not in ran.err
    assert "\u202e" not in ran.err
