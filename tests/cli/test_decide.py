"""`bailiwick decide`: one line an input, in order, durable before it is printed."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest

from bailiwick.cli.decide import format_of
from bailiwick.errors import UsageRefused

PACK = ("us-osha-1904",)
DAY = ("--legal-date", "2024-01-01")


def test_every_row_gets_a_line_with_its_receipt(cli, injuries, rows):
    """If it failed, a caller could not tell which row became which record."""
    cli("init")
    ran = cli("decide", *PACK, injuries, *DAY, "--json")
    assert ran.code == 0
    assert len(ran.lines) == rows.count(b"\n") - 1
    indexes = [line["record"] for line in ran.lines]
    assert indexes == sorted(indexes)
    assert all(line["receipt"]["index"] == line["record"] for line in ran.lines)
    assert all(line["evidence"].startswith("sha256:") for line in ran.lines)


def test_the_text_for_people_names_the_same_records(cli, injuries):
    """If it failed, the two forms of one answer would disagree."""
    cli("init")
    ran = cli("decide", *PACK, injuries, *DAY)
    first = int(ran.out.split()[1])
    assert cli("explain", str(first)).code == 0
    assert "inputs:" in ran.err


def test_a_refused_row_does_not_stop_the_others_and_exits_1(cli, injuries, folder, rows):
    """If it failed, one bad row would cost all the good ones, or a script would not see that a row is missing."""
    cli("init")
    lines = rows.splitlines(keepends=True)
    (folder / "mixed.csv").write_bytes(lines[0] + lines[1] + b"only,three,fields\r\n" + lines[2])
    ran = cli("decide", *PACK, "mixed.csv", *DAY, "--json")
    assert ran.code == 1
    assert ["error" in line for line in ran.lines] == [False, True, False]
    assert ran.lines[1]["error"]["hint"]


def test_without_a_date_the_rows_are_refused_with_a_hint(cli, injuries):
    """If it failed, rows that do not say when they happened would be judged by a date that nobody chose."""
    cli("init")
    ran = cli("decide", *PACK, injuries, "--json")
    assert ran.code == 1
    assert {line["error"]["code"] for line in ran.lines} == {"legal-date-missing"}


def test_standard_input_is_read_like_a_file(decided, folder, rows):
    """If it failed, nothing could be piped into it."""
    words = [sys.executable, "-m", "bailiwick.cli", "decide", *PACK, "-", *DAY, "--json"]
    ran = subprocess.run(words, cwd=folder, input=rows, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert len(ran.stdout.splitlines()) == rows.count(b"\n") - 1


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("no-such-pack", "injuries.csv", *DAY), 4),
        ((*PACK, "absent.csv", *DAY), 4),
        ((*PACK, ".", *DAY), 5),
        ((*PACK, "injuries.csv", "--legal-date", "yesterday"), 2),
        ((*PACK, "injuries.csv", *DAY, "--format", "xml"), 2),
        ((*PACK, "injuries.csv", *DAY, "--batch", "65"), 2),
        ((*PACK, "injuries.csv", *DAY, "--tenant", "nobody"), 4),
        ((*PACK, "injuries.csv", *DAY, "--tenant", "../local"), 2),
    ],
)
def test_what_cannot_be_done_says_why_by_its_exit_code(cli, injuries, words, code):
    """If it failed, a script could not tell a typing error from a refusal."""
    cli("init")
    ran = cli("decide", *words)
    assert (ran.code, ran.out) == (code, "")
    assert "try:" in ran.err


@pytest.mark.parametrize(
    ("name", "beginning", "expected"),
    [
        ("a.csv", b"", "csv"),
        ("a.JSON", b"", "json"),
        ("a.ndjson", b"", "jsonl"),
        ("-", b'{"a": 1}\n{"a": 2}\n', "jsonl"),
        ("-", b'{\n  "a": 1\n}\n', "json"),
        ("-", b"summary_nr,rel_insp_nr\r\n1,2\r\n", "csv"),
    ],
)
def test_how_a_file_is_written_is_told_by_its_name_or_its_beginning(name, beginning, expected):
    """If it failed, every call would have to say what can be seen."""
    assert format_of(name, io.BufferedReader(io.BytesIO(beginning))) == expected


@pytest.mark.parametrize("beginning", [b"", b"\x00\x01\x02", b"<xml/>", b"[1, 2]"])
def test_what_cannot_be_told_is_asked_for(beginning):
    """If it failed, bytes would be read as something that they are not."""
    with pytest.raises(UsageRefused, match="how it is written"):
        format_of("-", io.BufferedReader(io.BytesIO(beginning)))


def test_facts_as_json_are_decided_too(decided, folder):
    """If it failed, only those with OSHA's columns could ask."""
    explained = decided("explain", str(first_decision(decided)), "--json").json
    (folder / "facts.json").write_text(json.dumps(explained["facts"]))
    ran = decided("decide", *PACK, "facts.json", *DAY, "--json")
    assert ran.code == 0
    assert ran.lines[0]["outcome"] == explained["impact"]["outcome"]


def first_decision(cli) -> int:
    """Give the index of the first decision in the ledger."""
    records = cli("ledger", "tail", "--count", "100", "--json").lines
    return next(record["index"] for record in records if record["event_type"] == "decision.sealed")
